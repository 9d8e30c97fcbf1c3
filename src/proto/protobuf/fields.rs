//! The fields of protobuf: the parts of a wire field. The names of the values
//! are those of the schema, or the numbers on the wire.

use crate::field::{FieldSpec, Kind};

const S: &str = "Protocol Buffers, Encoding";

macro_rules! fields {
    ($($(#[$doc:meta])* $id:ident = $name:literal, $label:literal, $kind:ident, $meaning:literal;)*) => {
        $($(#[$doc])* pub static $id: FieldSpec =
            FieldSpec::new($name, $label, 0, Kind::$kind, S, $meaning).repeated();)*
    };
}

fields! {
    /// A whole message.
    MESSAGE = "protobuf", "Protocol Buffers", Group, "A message: fields one after another.";
    /// One field.
    FIELD = "protobuf.field", "Field", Group, "One field on the wire: tag, length where it has one, value.";
    /// Name of the message type.
    MESSAGE_NAME = "protobuf.message.name", "Message type", Text, "Full name of the message's type, from the schema.";
    /// What a tag of more than one byte has behind the first.
    NUMBER_HIGH = "protobuf.field.number_high", "Field number, high bits", Bytes, "The bits of the field number beyond the lowest four, in groups of seven, the low one first.";
    /// Length of a length-delimited value.
    LENGTH = "protobuf.field.value.length", "Length", Unsigned, "Bytes of the value, as a varint.";
    /// A value as bytes.
    VALUE = "protobuf.field.value", "Value", Bytes, "The bytes of a value: of type bytes, or without a schema.";
    /// double.
    DOUBLE = "protobuf.field.value.double", "Double", Float, "A number of eight bytes, IEEE 754, little-endian.";
    /// float.
    FLOAT = "protobuf.field.value.float", "Float", Float, "A number of four bytes, IEEE 754, little-endian.";
    /// int64, sint64, sfixed64.
    INT64 = "protobuf.field.value.int64", "Int64", Signed, "A signed integer of 64 bits.";
    /// uint64, fixed64.
    UINT64 = "protobuf.field.value.uint64", "Uint64", Unsigned, "An unsigned integer of 64 bits.";
    /// int32, sint32, sfixed32, enumerations.
    INT32 = "protobuf.field.value.int32", "Int32", Signed, "A signed integer of 32 bits, or the number of an enumeration's value.";
    /// uint32, fixed32.
    UINT32 = "protobuf.field.value.uint32", "Uint32", Unsigned, "An unsigned integer of 32 bits.";
    /// bool.
    BOOL = "protobuf.field.value.bool", "Bool", Flag, "A truth value.";
    /// string.
    STRING = "protobuf.field.value.string", "String", Text, "UTF-8 text.";
    /// A packed list.
    REPEATED = "protobuf.field.value.repeated", "Packed", Group, "Numbers packed into one value.";
    /// What cannot be read.
    UNKNOWN = "protobuf.unknown", "Not understood", Bytes, "What follows a place that cannot be read.";
}

/// The wire type.
pub static WIRE_TYPE: FieldSpec = FieldSpec::new(
    "protobuf.field.wiretype",
    "Wire type",
    3,
    Kind::Enumerated,
    S,
    "The low three bits of the tag: how long the value is.",
)
.named(wire_type_name)
.repeated();

/// On a stream of its own.
pub static PREFIX: FieldSpec = FieldSpec::new(
    "protobuf.length_prefix",
    "Length of the message",
    0,
    Kind::Unsigned,
    S,
    "Bytes of the message that follows: four bytes, big-endian, or a varint.",
);

/// The same.
pub static MESSAGE_DATA: FieldSpec = FieldSpec::new(
    "protobuf.message_data",
    "Message",
    0,
    Kind::Data,
    S,
    "The bytes of the message.",
);

/// Beside JSON.
pub static JSON_BYTES: FieldSpec = FieldSpec::new(
    "protobuf.json_bytes",
    "As JSON",
    0,
    Kind::Unsigned,
    "framescope",
    "Bytes that the message would have as compact JSON, with the names of the schema and bytes as base64.",
);

/// The number of a field.
pub static NUMBER: FieldSpec = FieldSpec::new(
    "protobuf.field.number",
    "Field number",
    5,
    Kind::Unsigned,
    S,
    "Which field of the message this is: the tag without its low three bits, as a varint.",
)
.repeated();

/// All of them.
pub static FIELDS: &[&FieldSpec] = &[
    &PREFIX,
    &MESSAGE_DATA,
    &JSON_BYTES,
    &MESSAGE,
    &MESSAGE_NAME,
    &FIELD,
    &NUMBER,
    &NUMBER_HIGH,
    &WIRE_TYPE,
    &LENGTH,
    &VALUE,
    &DOUBLE,
    &FLOAT,
    &INT64,
    &UINT64,
    &INT32,
    &UINT32,
    &BOOL,
    &STRING,
    &REPEATED,
    &UNKNOWN,
];

fn wire_type_name(v: u64) -> Option<&'static str> {
    Some(match v {
        0 => "varint",
        1 => "64-bit",
        2 => "length-delimited",
        3 => "group start",
        4 => "group end",
        5 => "32-bit",
        _ => return None,
    })
}
