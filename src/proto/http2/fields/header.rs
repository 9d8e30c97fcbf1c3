//! Header blocks (RFC 7541), named as Wireshark names them.

use super::spec;
use crate::field::FieldSpec;
use crate::field::Kind::{Data, Flag, Group, Text, Unsigned};

pub(crate) static HEADER_BLOCK: FieldSpec = spec(
    "http2.header_block",
    "Header Block",
    0,
    Group,
    "RFC 7541 §3.2",
    "A header block, decoded.",
);
pub(crate) static HEADER_LENGTH: FieldSpec = spec(
    "http2.header.length",
    "Header Length",
    0,
    Unsigned,
    "RFC 7541 §3.2",
    "Bytes of all names and values and eight for each field.",
)
.repeated();
pub(crate) static HEADER_COUNT: FieldSpec = spec(
    "http2.header.count",
    "Header Count",
    0,
    Unsigned,
    "RFC 7541 §3.2",
    "Fields in the block.",
)
.repeated();
pub(crate) static HEADER: FieldSpec =
    spec("http2.header", "Header", 0, Group, "RFC 7541 §6", "A field of the block.");
pub(crate) static REPR: FieldSpec = spec(
    "http2.header.repr",
    "Representation",
    0,
    Text,
    "RFC 7541 §6",
    "How the field is written: the first bits.",
)
.repeated();
pub(crate) static INDEX: FieldSpec = spec(
    "http2.header.index",
    "Index",
    0,
    Unsigned,
    "RFC 7541 §2.3.3",
    "Position in the tables, the static one first; 0 where the name is spelt out.",
)
.repeated();
pub(crate) static NAME_HUFFMAN: FieldSpec = spec(
    "http2.header.name.huffman",
    "Huffman",
    1,
    Flag,
    "RFC 7541 §5.2",
    "The name is Huffman-coded.",
)
.repeated();
pub(crate) static NAME_CODED_LENGTH: FieldSpec = spec(
    "http2.header.name.coded_length",
    "Coded Name Length",
    0,
    Unsigned,
    "RFC 7541 §5.2",
    "Bytes of the name on the wire.",
)
.repeated();
pub(crate) static NAME_OCTETS: FieldSpec = spec(
    "http2.header.name.octets",
    "Coded Name",
    0,
    Data,
    "RFC 7541 §5.2",
    "The name on the wire.",
)
.repeated();
pub(crate) static NAME_LENGTH: FieldSpec = spec(
    "http2.header.name.length",
    "Name Length",
    0,
    Unsigned,
    "RFC 7541 §5.2",
    "Bytes of the name.",
)
.repeated();
pub(crate) static NAME: FieldSpec =
    spec("http2.header.name", "Name", 0, Text, "RFC 7541 §1.3", "The name of the field.")
        .repeated();
pub(crate) static VALUE_HUFFMAN: FieldSpec = spec(
    "http2.header.value.huffman",
    "Huffman",
    1,
    Flag,
    "RFC 7541 §5.2",
    "The value is Huffman-coded.",
)
.repeated();
pub(crate) static VALUE_CODED_LENGTH: FieldSpec = spec(
    "http2.header.value.coded_length",
    "Coded Value Length",
    0,
    Unsigned,
    "RFC 7541 §5.2",
    "Bytes of the value on the wire.",
)
.repeated();
pub(crate) static VALUE_OCTETS: FieldSpec = spec(
    "http2.header.value.octets",
    "Coded Value",
    0,
    Data,
    "RFC 7541 §5.2",
    "The value on the wire.",
)
.repeated();
pub(crate) static VALUE_LENGTH: FieldSpec = spec(
    "http2.header.value.length",
    "Value Length",
    0,
    Unsigned,
    "RFC 7541 §5.2",
    "Bytes of the value.",
)
.repeated();
pub(crate) static VALUE: FieldSpec =
    spec("http2.header.value", "Value", 0, Text, "RFC 7541 §1.3", "The value of the field.")
        .repeated();
pub(crate) static SIZE_UPDATE: FieldSpec = spec(
    "http2.header_table_size_update",
    "Header table size update",
    0,
    Group,
    "RFC 7541 §6.3",
    "The encoder sets the size of the dynamic table.",
);
pub(crate) static TABLE_SIZE: FieldSpec = spec(
    "http2.header_table_size_update.header_table_size",
    "Header table size",
    0,
    Unsigned,
    "RFC 7541 §6.3",
    "The size in bytes.",
)
.repeated();

/// All of them.
pub(super) static FIELDS: &[&FieldSpec] = &[
    &HEADER_BLOCK,
    &HEADER_LENGTH,
    &HEADER_COUNT,
    &HEADER,
    &REPR,
    &INDEX,
    &NAME_HUFFMAN,
    &NAME_CODED_LENGTH,
    &NAME_OCTETS,
    &NAME_LENGTH,
    &NAME,
    &VALUE_HUFFMAN,
    &VALUE_CODED_LENGTH,
    &VALUE_OCTETS,
    &VALUE_LENGTH,
    &VALUE,
    &SIZE_UPDATE,
    &TABLE_SIZE,
];
