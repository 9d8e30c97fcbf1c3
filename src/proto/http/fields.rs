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
/// The same by Wireshark's name.
pub static TIME: FieldSpec = FieldSpec::new(
    "http.time",
    "Time since request",
    0,
    Kind::Float,
    "framescope",
    "Seconds from the end of the request to the end of the response.",
);
/// A hop.
pub static HOP: FieldSpec = FieldSpec::new(
    "http.hop",
    "Hop",
    0,
    Kind::Text,
    "RFC 7239 §4",
    "A client or proxy on the way here, the farthest first, as the proxies say it.",
)
.repeated();
/// Where a hop is named.
pub static HOP_HEADER: FieldSpec = FieldSpec::new(
    "http.hop_header",
    "Named in",
    0,
    Kind::Text,
    "RFC 7239 §7.4",
    "The header field that names the hop beside it.",
)
.repeated();
/// A part of something.
pub static RANGE: FieldSpec = FieldSpec::new(
    "http.range",
    "Range",
    0,
    Kind::Text,
    "RFC 9110 §14.4",
    "The body is this part of the whole, as Content-Range says.",
);
/// How long the request was under way.
pub static UPLOAD: FieldSpec = FieldSpec::new(
    "http.upload_time_ns",
    "Upload time",
    0,
    Kind::Duration,
    "framescope",
    "From the first byte of the request to the last of its body.",
);
/// What it is by its bytes.
pub static BODY_FORMAT: FieldSpec = FieldSpec::new(
    "http.body_format",
    "Format",
    0,
    Kind::Text,
    "framescope",
    "What the content is, by its first bytes, whatever its media type says.",
)
.repeated();
/// A part of multipart.
pub static PART: FieldSpec = FieldSpec::new(
    "http.part",
    "Part",
    0,
    Kind::Group,
    "RFC 2046 §5.1",
    "One part of a multipart body: its fields and its content.",
);
const fn part(
    name: &'static str,
    label: &'static str,
    kind: Kind,
    section: &'static str,
    meaning: &'static str,
) -> FieldSpec {
    FieldSpec::new(name, label, 0, kind, section, meaning).repeated()
}
/// Its number.
pub static PART_NUMBER: FieldSpec = part(
    "http.part.number",
    "Number",
    Kind::Unsigned,
    "RFC 2046 §5.1",
    "Its number among the parts, from 1.",
);
/// One of its fields.
pub static PART_HEADER: FieldSpec = FieldSpec::new(
    "http.part.header",
    "Part header",
    0,
    Kind::Text,
    "RFC 2046 §5.1",
    "A field of the part's head; its name is as on the wire.",
)
.header();
/// Of a form.
pub static PART_NAME: FieldSpec = part(
    "http.part.name",
    "Name",
    Kind::Text,
    "RFC 7578 §4.2",
    "The form field that the part is the value of.",
);
/// Of a file.
pub static PART_FILENAME: FieldSpec = part(
    "http.part.filename",
    "File name",
    Kind::Text,
    "RFC 7578 §4.2",
    "The name of the file that is sent; it must not be trusted.",
);
/// Its media type.
pub static PART_TYPE: FieldSpec = part(
    "http.part.content_type",
    "Content-Type",
    Kind::Text,
    "RFC 7578 §4.4",
    "Media type of the part.",
);
/// Bytes of its content.
pub static PART_LENGTH: FieldSpec = part(
    "http.part.length",
    "Length",
    Kind::Unsigned,
    "framescope",
    "Bytes of the part's content.",
);
/// Its content.
pub static PART_DATA: FieldSpec = FieldSpec::new(
    "http.part.data",
    "Content",
    0,
    Kind::Data,
    "RFC 2046 §5.1",
    "The content of the part.",
);
/// A pair of a form.
pub static FORM_FIELD: FieldSpec = FieldSpec::new(
    "http.form",
    "Form field",
    0,
    Kind::Text,
    "WHATWG URL §5",
    "A name and a value of an urlencoded form, decoded.",
)
.header();

/// The fields that stand here alone.
pub static FIELDS: &[&FieldSpec] = &[
    &VERSION,
    &REQUEST_BYTES,
    &RESPONSE_BYTES,
    &DURATION,
    &FIRST_BYTE,
    &FILE_DATA,
    &ENCODED_DATA,
    &UPLOAD,
    &BODY_FORMAT,
    &PART,
    &PART_NUMBER,
    &PART_HEADER,
    &PART_NAME,
    &PART_FILENAME,
    &PART_TYPE,
    &PART_LENGTH,
    &PART_DATA,
    &FORM_FIELD,
    &TIME,
    &HOP,
    &HOP_HEADER,
    &RANGE,
];
