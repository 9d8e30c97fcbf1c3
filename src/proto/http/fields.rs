//! What an exchange is told by, and the body of a message.
//!
//! A message's head brings its own tree. The fields that an exchange repeats
//! (`http.request.method` and the like) are the same as there; they are stated
//! again because no protocol looks into another, and listed there alone.

use crate::field::{FieldSpec, Kind};

/// The method, repeated.
pub static METHOD: FieldSpec = FieldSpec::new(
    "http.request.method",
    "Method",
    0,
    Kind::Text,
    "RFC 9110 §9",
    "What is to be done with the target.",
);
/// The request target, repeated.
pub static URI: FieldSpec = FieldSpec::new(
    "http.request.uri",
    "Request target",
    0,
    Kind::Text,
    "RFC 9110 §7.1",
    "What the request is about.",
);
/// The authority, repeated.
pub static HOST: FieldSpec = FieldSpec::new(
    "http.host",
    "Host",
    0,
    Kind::Text,
    "RFC 9110 §7.2",
    "Authority that the request is meant for.",
);
/// The status code, repeated.
pub static CODE: FieldSpec = FieldSpec::new(
    "http.response.code",
    "Status code",
    0,
    Kind::Unsigned,
    "RFC 9110 §15",
    "What became of the request.",
);
/// The response's media type, repeated.
pub static CONTENT_TYPE: FieldSpec = FieldSpec::new(
    "http.content_type",
    "Content-Type",
    0,
    Kind::Text,
    "RFC 9110 §8.3",
    "Media type of the body.",
);
/// The version of the exchange.
pub static VERSION: FieldSpec = FieldSpec::new(
    "http.version",
    "Version",
    0,
    Kind::Text,
    "RFC 9110 §2.5",
    "The version of HTTP that carried the exchange.",
);
/// Bytes of the request's body.
pub static REQUEST_BYTES: FieldSpec = FieldSpec::new(
    "http.request.bytes",
    "Request body",
    0,
    Kind::Unsigned,
    "RFC 9110 §6.4",
    "Bytes of the request's body, as sent.",
);
/// Bytes of the response's body.
pub static RESPONSE_BYTES: FieldSpec = FieldSpec::new(
    "http.response.bytes",
    "Response body",
    0,
    Kind::Unsigned,
    "RFC 9110 §6.4",
    "Bytes of the response's body, as sent.",
);
/// How long it took.
pub static DURATION: FieldSpec = FieldSpec::new(
    "duration_ns",
    "Duration",
    0,
    Kind::Duration,
    "framescope",
    "From the first byte of the request to the last of the response.",
);
/// How long the server took to begin.
pub static FIRST_BYTE: FieldSpec = FieldSpec::new(
    "http.time_to_first_byte_ns",
    "Time to first byte",
    0,
    Kind::Duration,
    "framescope",
    "From the first byte of the request to the first of its final response.",
);
/// The body as people want it: decoded where it was compressed.
pub static FILE_DATA: FieldSpec = FieldSpec::new(
    "http.file_data",
    "Body",
    0,
    Kind::Data,
    "RFC 9110 §6.4",
    "The content of the message.",
);
/// The body as it was sent, where it was compressed.
pub static ENCODED_DATA: FieldSpec = FieldSpec::new(
    "http.encoded_data",
    "Encoded body",
    0,
    Kind::Data,
    "RFC 9110 §8.4",
    "The content of the message before its content coding is undone.",
);

/// The fields that stand here alone.
pub static FIELDS: &[&FieldSpec] =
    &[&VERSION, &REQUEST_BYTES, &RESPONSE_BYTES, &DURATION, &FIRST_BYTE, &FILE_DATA, &ENCODED_DATA];
