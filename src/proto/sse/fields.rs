//! The fields of an event stream: the parts of its lines, and what a stream comes to.
//!
//! Wireshark has none; these are in its style.

use crate::field::{FieldSpec, Kind};

const GRAMMAR: &str = "WHATWG HTML §9.2.5";
const INTERPRETING: &str = "WHATWG HTML §9.2.6";

const fn text(
    name: &'static str,
    label: &'static str,
    section: &'static str,
    meaning: &'static str,
) -> FieldSpec {
    FieldSpec::new(name, label, 0, Kind::Text, section, meaning)
}

const fn count(name: &'static str, label: &'static str, meaning: &'static str) -> FieldSpec {
    FieldSpec::new(name, label, 0, Kind::Unsigned, "framescope", meaning)
}

const fn duration(name: &'static str, label: &'static str, meaning: &'static str) -> FieldSpec {
    FieldSpec::new(name, label, 0, Kind::Duration, "framescope", meaning)
}

/// A line.
pub static LINE: FieldSpec = FieldSpec::new(
    "sse.line",
    "Line",
    0,
    Kind::Group,
    GRAMMAR,
    "A field or a comment, with its line end.",
);
/// U+FEFF.
pub static BOM: FieldSpec = FieldSpec::new(
    "sse.bom",
    "Byte order mark",
    24,
    Kind::Data,
    GRAMMAR,
    "One may stand at the front of the stream; it is stripped.",
);
/// A field's name.
pub static NAME: FieldSpec = text(
    "sse.name",
    "Field name",
    GRAMMAR,
    "Up to the colon, or the whole line where there is none.",
)
.repeated();
/// Colon and space.
pub static SEPARATOR: FieldSpec = FieldSpec::new(
    "sse.separator",
    "Separator",
    0,
    Kind::Data,
    GRAMMAR,
    "The colon, and one space behind it, which does not belong to the value.",
);
/// `data`.
pub static DATA: FieldSpec = text(
    "sse.data",
    "Data",
    INTERPRETING,
    "A line of the event's data; the lines are joined by line feeds.",
)
.repeated();
/// `event`.
pub static EVENT: FieldSpec = text(
    "sse.event",
    "Event type",
    INTERPRETING,
    "The type of the event; without one it is \"message\".",
);
/// `id`.
pub static ID: FieldSpec = text(
    "sse.id",
    "Event id",
    INTERPRETING,
    "The id that a client states in Last-Event-ID when it comes back.",
);
/// `retry`.
pub static RETRY: FieldSpec = FieldSpec::new(
    "sse.retry",
    "Reconnection time",
    0,
    Kind::Unsigned,
    INTERPRETING,
    "Milliseconds that a client waits before it connects again.",
);
/// A value that nobody heeds.
pub static IGNORED: FieldSpec = text(
    "sse.ignored",
    "Ignored value",
    INTERPRETING,
    "The value of an unknown field, of an id with a NUL, or of a retry that is no number.",
)
.repeated();
/// A comment.
pub static COMMENT: FieldSpec = text(
    "sse.comment",
    "Comment",
    GRAMMAR,
    "A line that begins with a colon is ignored; it keeps the connection open.",
)
.repeated();
/// A line's end.
pub static LINE_END: FieldSpec =
    FieldSpec::new("sse.line_end", "Line end", 0, Kind::Data, GRAMMAR, "CR LF, LF or CR.");
/// What the client calls it.
pub static TYPE: FieldSpec = text(
    "sse.type",
    "Dispatched as",
    INTERPRETING,
    "The type under which a client gets the event.",
);
/// The client's memory.
pub static LAST_EVENT_ID: FieldSpec = text(
    "sse.last_event_id",
    "Last event id",
    INTERPRETING,
    "The id that was in force: of this event or of an earlier one.",
);
/// Whether a client gets it.
pub static DISPATCHED: FieldSpec = FieldSpec::new(
    "sse.dispatched",
    "Dispatched",
    1,
    Kind::Flag,
    INTERPRETING,
    "Whether a client gets the event: it has data, and the empty line behind it.",
);
/// Events of a stream.
pub static EVENTS: FieldSpec =
    count("sse.events", "Events", "Events of the stream that are dispatched.");
/// Comments of a stream.
pub static COMMENTS: FieldSpec = count("sse.comments", "Comments", "Comments of the stream.");
/// Changes of the reconnection time.
pub static RETRIES: FieldSpec =
    count("sse.retries", "Retry fields", "How often the stream set the reconnection time.");
/// Bytes of data.
pub static DATA_BYTES: FieldSpec =
    count("sse.data_bytes", "Bytes of data", "Bytes of the data of all events.");
/// Bytes of the stream.
pub static STREAM_BYTES: FieldSpec =
    count("sse.stream_bytes", "Bytes of the stream", "Bytes of the stream, decompressed.");
/// Bytes as sent.
pub static WIRE_BYTES: FieldSpec = count(
    "sse.wire_bytes",
    "Bytes as sent",
    "Bytes of the stream as sent, with the header sections before it.",
);
/// What the request stated.
pub static RESUMED_FROM: FieldSpec = text(
    "sse.resumed_from",
    "Resumed from",
    "WHATWG HTML §9.2.4",
    "Last-Event-ID of the request: the last event that the client had got.",
);
/// How it ended.
pub static ENDED_BY: FieldSpec = text(
    "sse.ended_by",
    "Ended by",
    "framescope",
    "What ended the stream: the end of the response, the connection, a reset, or the capture.",
);
/// The longest wait.
pub static SILENCE: FieldSpec = duration(
    "sse.longest_silence_ns",
    "Longest silence",
    "The longest time between two lines that say something, comments among them.",
);
/// The first wait.
pub static FIRST_EVENT: FieldSpec = duration(
    "sse.time_to_first_event_ns",
    "Time to first event",
    "From the first byte of the request to the end of the first event.",
);
/// How long it was open.
pub static DURATION: FieldSpec = duration(
    "duration_ns",
    "Duration",
    "From the first byte of the request to the end of the stream.",
);
/// The target, repeated.
pub static URI: FieldSpec =
    text("http.request.uri", "Request target", "RFC 9110 §7.1", "What the request is about.");
/// The authority, repeated.
pub static HOST: FieldSpec =
    text("http.host", "Host", "RFC 9110 §7.2", "Authority that the request is meant for.");

/// The fields that stand here alone.
pub static FIELDS: &[&FieldSpec] = &[
    &LINE,
    &BOM,
    &NAME,
    &SEPARATOR,
    &DATA,
    &EVENT,
    &ID,
    &RETRY,
    &IGNORED,
    &COMMENT,
    &LINE_END,
    &TYPE,
    &LAST_EVENT_ID,
    &DISPATCHED,
    &EVENTS,
    &COMMENTS,
    &RETRIES,
    &DATA_BYTES,
    &STREAM_BYTES,
    &WIRE_BYTES,
    &RESUMED_FROM,
    &ENDED_BY,
    &SILENCE,
    &FIRST_EVENT,
];
