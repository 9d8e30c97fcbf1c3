//! The fields of HTTP/2, named as Wireshark names them: of frames here, of header blocks
//! and of the connection's books in files of their own.

mod account;
mod header;

use crate::base::BufferId;
use crate::field::FieldSpec;
use crate::field::Kind::{Bytes, Data, Enumerated, Flag, Group, Text, Unsigned};
use crate::proto::http2::codes;

/// Where the header block lies among the buffers of a frame event: behind the
/// wire, before the decoded fields.
pub(crate) const BLOCK_BUFFER: BufferId = BufferId(1);

pub(crate) use account::{
    ACK_TIME, ACK_TO, CONNECTION_WINDOW, INCREMENTAL, STREAM_WINDOW, URGENCY,
};
pub(crate) use header::{
    HEADER, HEADER_BLOCK, HEADER_COUNT, HEADER_LENGTH, INDEX, NAME, NAME_CODED_LENGTH,
    NAME_HUFFMAN, NAME_LENGTH, NAME_OCTETS, REPR, SIZE_UPDATE, TABLE_SIZE, VALUE,
    VALUE_CODED_LENGTH, VALUE_HUFFMAN, VALUE_LENGTH, VALUE_OCTETS,
};

const fn spec(
    name: &'static str,
    label: &'static str,
    bits: u16,
    kind: crate::field::Kind,
    section: &'static str,
    meaning: &'static str,
) -> FieldSpec {
    FieldSpec::new(name, label, bits, kind, section, meaning)
}

pub(crate) static MAGIC: FieldSpec =
    spec("http2.magic", "Magic", 0, Text, "RFC 9113 §3.4", "The client connection preface.");
pub(crate) static FRAME: FieldSpec =
    spec("http2.stream", "Stream", 0, Group, "RFC 9113 §4.1", "A frame.");
pub(crate) static LENGTH: FieldSpec = spec(
    "http2.length",
    "Length",
    24,
    Unsigned,
    "RFC 9113 §4.1",
    "Bytes of the payload; the nine of the frame header do not count.",
);
pub(crate) static TYPE: FieldSpec = spec(
    "http2.type",
    "Type",
    8,
    Enumerated,
    "RFC 9113 §4.1",
    "The type of the frame, which decides how the rest is read.",
)
.named(codes::frame_type);
pub(crate) static FLAGS: FieldSpec = spec(
    "http2.flags",
    "Flags",
    8,
    Unsigned,
    "RFC 9113 §4.1",
    "The eight flags as one number; what they mean depends on the type.",
);
pub(crate) static END_STREAM: FieldSpec = spec(
    "http2.flags.end_stream",
    "End Stream",
    1,
    Flag,
    "RFC 9113 §6.1",
    "The sender will send nothing more on this stream.",
);
pub(crate) static END_HEADERS: FieldSpec = spec(
    "http2.flags.eh",
    "End Headers",
    1,
    Flag,
    "RFC 9113 §6.2",
    "The header block is complete; no CONTINUATION follows.",
);
pub(crate) static PADDED: FieldSpec = spec(
    "http2.flags.padded",
    "Padded",
    1,
    Flag,
    "RFC 9113 §6.1",
    "A pad length and padding are present.",
);
pub(crate) static PRIORITY_FLAG: FieldSpec = spec(
    "http2.flags.priority",
    "Priority",
    1,
    Flag,
    "RFC 9113 §6.2",
    "The exclusive flag, stream dependency and weight are present.",
);
pub(crate) static ACK_PING: FieldSpec =
    spec("http2.flags.ack.ping", "ACK", 1, Flag, "RFC 9113 §6.7", "This PING answers one.");
pub(crate) static ACK_SETTINGS: FieldSpec = spec(
    "http2.flags.ack.settings",
    "ACK",
    1,
    Flag,
    "RFC 9113 §6.5",
    "The settings of the peer have been applied.",
);
pub(crate) static UNUSED: FieldSpec = spec(
    "http2.flags.unused",
    "Unused",
    0,
    Unsigned,
    "RFC 9113 §4.1",
    "Flags that mean nothing here: sent as zero and ignored.",
);
pub(crate) static UNUSED_SETTINGS: FieldSpec = spec(
    "http2.flags.unused_settings",
    "Unused",
    0,
    Unsigned,
    "RFC 9113 §4.1",
    "Flags that mean nothing here: sent as zero and ignored.",
);
pub(crate) static UNUSED_PING: FieldSpec = spec(
    "http2.flags.unused_ping",
    "Unused",
    0,
    Unsigned,
    "RFC 9113 §4.1",
    "Flags that mean nothing here: sent as zero and ignored.",
);
pub(crate) static UNUSED_CONTINUATION: FieldSpec = spec(
    "http2.flags.unused_continuation",
    "Unused",
    0,
    Unsigned,
    "RFC 9113 §4.1",
    "Flags that mean nothing here: sent as zero and ignored.",
)
.repeated();
pub(crate) static UNUSED_PUSH_PROMISE: FieldSpec = spec(
    "http2.flags.unused_push_promise",
    "Unused",
    0,
    Unsigned,
    "RFC 9113 §4.1",
    "Flags that mean nothing here: sent as zero and ignored.",
)
.repeated();
pub(crate) static UNUSED_DATA: FieldSpec = spec(
    "http2.flags.unused_data",
    "Unused",
    0,
    Unsigned,
    "RFC 9113 §4.1",
    "Flags that mean nothing here: sent as zero and ignored.",
)
.repeated();
pub(crate) static UNUSED_HEADERS: FieldSpec = spec(
    "http2.flags.unused_headers",
    "Unused",
    0,
    Unsigned,
    "RFC 9113 §4.1",
    "Flags that mean nothing here: sent as zero and ignored.",
)
.repeated();
pub(crate) static RESERVED: FieldSpec = spec(
    "http2.r",
    "Reserved",
    1,
    Flag,
    "RFC 9113 §4.1",
    "A reserved bit: sent as zero and ignored.",
);
pub(crate) static STREAM_ID: FieldSpec = spec(
    "http2.streamid",
    "Stream Identifier",
    31,
    Unsigned,
    "RFC 9113 §4.1",
    "The stream; 0 is the connection.",
);
pub(crate) static PAD_LENGTH: FieldSpec = spec(
    "http2.padding",
    "Pad Length",
    8,
    Unsigned,
    "RFC 9113 §6.1",
    "Bytes of padding at the end of the payload.",
);
pub(crate) static EXCLUSIVE: FieldSpec = spec(
    "http2.exclusive",
    "Exclusive",
    1,
    Flag,
    "RFC 9113 §6.2",
    "The dependency is exclusive (deprecated).",
);
pub(crate) static DEPENDENCY: FieldSpec = spec(
    "http2.stream_dependency",
    "Stream Dependency",
    31,
    Unsigned,
    "RFC 9113 §6.2",
    "The stream that this one depends on (deprecated).",
);
pub(crate) static WEIGHT: FieldSpec = spec(
    "http2.headers.weight",
    "Weight",
    8,
    Unsigned,
    "RFC 9113 §6.2",
    "The weight less one (deprecated).",
);
pub(crate) static WEIGHT_REAL: FieldSpec = spec(
    "http2.headers.weight_real",
    "Weight real",
    0,
    Unsigned,
    "RFC 9113 §6.2",
    "The weight, 1 to 256 (deprecated).",
);
pub(crate) static DATA: FieldSpec =
    spec("http2.data.data", "Data", 0, Data, "RFC 9113 §6.1", "Application data.");
pub(crate) static DATA_PADDING: FieldSpec = spec(
    "http2.data.padding",
    "Padding",
    0,
    Bytes,
    "RFC 9113 §6.1",
    "Padding: zeros that hide the length of the data.",
);
pub(crate) static FRAGMENT: FieldSpec = spec(
    "http2.headers",
    "Header Block Fragment",
    0,
    Bytes,
    "RFC 9113 §6.2",
    "A piece of a header block.",
);
pub(crate) static HEADERS_PADDING: FieldSpec =
    spec("http2.headers.padding", "Padding", 0, Bytes, "RFC 9113 §6.2", "Padding.");
pub(crate) static RST_ERROR: FieldSpec = spec(
    "http2.rst_stream.error",
    "Error",
    32,
    Enumerated,
    "RFC 9113 §6.4",
    "Why the stream is aborted.",
)
.named(codes::error);
pub(crate) static SETTING: FieldSpec =
    spec("http2.settings", "Settings", 0, Group, "RFC 9113 §6.5.1", "A setting.");
pub(crate) static SETTING_ID: FieldSpec = spec(
    "http2.settings.id",
    "Settings Identifier",
    16,
    Enumerated,
    "RFC 9113 §6.5.1",
    "Which setting it is.",
)
.named(codes::setting)
.repeated();
pub(crate) static SET_TABLE: FieldSpec = spec(
    "http2.settings.header_table_size",
    "Header table size",
    32,
    Unsigned,
    "RFC 9113 §6.5.2",
    "The largest HPACK table that the sender can decode with, in bytes.",
)
.repeated();
pub(crate) static SET_PUSH: FieldSpec = spec(
    "http2.settings.enable_push",
    "Enable PUSH",
    32,
    Unsigned,
    "RFC 9113 §6.5.2",
    "Whether the peer may push.",
)
.repeated();
pub(crate) static SET_STREAMS: FieldSpec = spec(
    "http2.settings.max_concurrent_streams",
    "Max concurrent streams",
    32,
    Unsigned,
    "RFC 9113 §6.5.2",
    "Streams that the peer may have open.",
)
.repeated();
pub(crate) static SET_WINDOW: FieldSpec = spec(
    "http2.settings.initial_window_size",
    "Initial window size",
    32,
    Unsigned,
    "RFC 9113 §6.5.2",
    "Flow-control window that new streams start with, in bytes.",
)
.repeated();
pub(crate) static SET_FRAME: FieldSpec = spec(
    "http2.settings.max_frame_size",
    "Max frame size",
    32,
    Unsigned,
    "RFC 9113 §6.5.2",
    "The largest payload that the sender takes, in bytes.",
)
.repeated();
pub(crate) static SET_LIST: FieldSpec = spec(
    "http2.settings.max_header_list_size",
    "Max header list size",
    32,
    Unsigned,
    "RFC 9113 §6.5.2",
    "The largest header section that the sender is prepared to take, in bytes.",
)
.repeated();
pub(crate) static SET_CONNECT: FieldSpec = spec(
    "http2.settings.extended_connect",
    "Extended CONNECT",
    32,
    Unsigned,
    "RFC 8441 §3",
    "Whether extended CONNECT may be used.",
)
.repeated();
pub(crate) static SET_NO_PRIORITIES: FieldSpec = spec(
    "http2.settings.no_rfc7540_priorities",
    "No RFC 7540 priorities",
    32,
    Unsigned,
    "RFC 9218 §2.1",
    "Whether the sender leaves out the priorities of RFC 7540.",
)
.repeated();
pub(crate) static SET_UNKNOWN: FieldSpec = spec(
    "http2.settings.unknown",
    "Unknown Settings",
    32,
    Unsigned,
    "RFC 9113 §6.5.2",
    "The value of a setting that has no name here.",
)
.repeated();
pub(crate) static PROMISED_R: FieldSpec =
    spec("http2.push_promise.r", "Reserved", 1, Flag, "RFC 9113 §6.6", "A reserved bit.");
pub(crate) static PROMISED: FieldSpec = spec(
    "http2.push_promise.promised_stream_id",
    "Promised-Stream-ID",
    31,
    Unsigned,
    "RFC 9113 §6.6",
    "The stream that is promised.",
);
pub(crate) static PUSH_FRAGMENT: FieldSpec = spec(
    "http2.push_promise.header",
    "Header Block Fragment",
    0,
    Bytes,
    "RFC 9113 §6.6",
    "A piece of the header block of the promised request.",
);
pub(crate) static PUSH_PADDING: FieldSpec =
    spec("http2.push_promise.padding", "Padding", 0, Bytes, "RFC 9113 §6.6", "Padding.");
pub(crate) static PING: FieldSpec =
    spec("http2.ping", "Ping", 0, Bytes, "RFC 9113 §6.7", "Eight opaque bytes.");
pub(crate) static PONG: FieldSpec = spec(
    "http2.pong",
    "Pong",
    0,
    Bytes,
    "RFC 9113 §6.7",
    "The eight bytes of the PING that this answers.",
);
pub(crate) static GOAWAY_R: FieldSpec =
    spec("http2.goway.r", "Reserved", 1, Flag, "RFC 9113 §6.8", "A reserved bit.");
pub(crate) static GOAWAY_LAST: FieldSpec = spec(
    "http2.goaway.last_stream_id",
    "Last-Stream-ID",
    31,
    Unsigned,
    "RFC 9113 §6.8",
    "The highest stream that the sender may have acted on.",
);
pub(crate) static GOAWAY_ERROR: FieldSpec = spec(
    "http2.goaway.error",
    "Error",
    32,
    Enumerated,
    "RFC 9113 §6.8",
    "Why the connection is shut down.",
)
.named(codes::error);
pub(crate) static GOAWAY_DEBUG: FieldSpec = spec(
    "http2.goaway.addata",
    "Additional Debug Data",
    0,
    Bytes,
    "RFC 9113 §6.8",
    "What the sender adds for people.",
);
pub(crate) static WINDOW_R: FieldSpec =
    spec("http2.window_update.r", "Reserved", 1, Flag, "RFC 9113 §6.9", "A reserved bit.");
pub(crate) static INCREMENT: FieldSpec = spec(
    "http2.window_update.window_size_increment",
    "Window Size Increment",
    31,
    Unsigned,
    "RFC 9113 §6.9",
    "Bytes that the receiver may send in addition.",
);
pub(crate) static CONT_FRAGMENT: FieldSpec = spec(
    "http2.continuation.header",
    "Continuation Header",
    0,
    Bytes,
    "RFC 9113 §6.10",
    "A piece of a header block.",
);
pub(crate) static ALTSVC_LEN: FieldSpec = spec(
    "http2.altsvc.origin.len",
    "Origin Length",
    16,
    Unsigned,
    "RFC 7838 §4",
    "Bytes of the origin.",
);
pub(crate) static ALTSVC_ORIGIN: FieldSpec = spec(
    "http2.altsvc.origin",
    "Origin",
    0,
    Text,
    "RFC 7838 §4",
    "The origin that the alternative service is for.",
);
pub(crate) static ALTSVC_VALUE: FieldSpec = spec(
    "http2.altsvc.field_value",
    "Field/Value",
    0,
    Text,
    "RFC 7838 §4",
    "As in an Alt-Svc header field.",
);
pub(crate) static ORIGIN_ENTRY: FieldSpec = spec(
    "http2.origin",
    "Origin",
    0,
    Group,
    "RFC 8336 §2",
    "An origin that the server is authoritative for.",
);
pub(crate) static ORIGIN_LEN: FieldSpec = spec(
    "http2.origin.origin_len",
    "Origin Length",
    16,
    Unsigned,
    "RFC 8336 §2",
    "Bytes of the origin.",
)
.repeated();
pub(crate) static ORIGIN: FieldSpec =
    spec("http2.origin.origin", "Origin", 0, Text, "RFC 8336 §2", "The origin in ASCII.")
        .repeated();
pub(crate) static UPDATE_R: FieldSpec =
    spec("http2.priority_update.r", "Reserved", 1, Flag, "RFC 9218 §7.1", "A reserved bit.");
pub(crate) static UPDATE_STREAM: FieldSpec = spec(
    "http2.priority_update_stream_id",
    "Priority Update Stream ID",
    31,
    Unsigned,
    "RFC 9218 §7.1",
    "The stream whose priority changes.",
);
pub(crate) static UPDATE_VALUE: FieldSpec = spec(
    "http2.priority_update_field_value",
    "Priority Update Field Value",
    0,
    Text,
    "RFC 9218 §7.1",
    "As in a Priority header field.",
);
pub(crate) static UNKNOWN: FieldSpec = spec(
    "http2.unknown",
    "Unknown",
    0,
    Bytes,
    "RFC 9113 §4.1",
    "Bytes of a frame of unknown type, or that the type has no place for.",
);
/// Those of header blocks.
pub(crate) static HEADER_FIELDS: &[&FieldSpec] = header::FIELDS;
/// Those of the books.
pub(crate) static ACCOUNT_FIELDS: &[&FieldSpec] = account::FIELDS;

/// All of frames, for `docs/FIELDS.md` and the filter language.
pub(crate) static FIELDS: &[&FieldSpec] = &[
    &MAGIC,
    &FRAME,
    &LENGTH,
    &TYPE,
    &FLAGS,
    &END_STREAM,
    &END_HEADERS,
    &PADDED,
    &PRIORITY_FLAG,
    &ACK_PING,
    &ACK_SETTINGS,
    &UNUSED,
    &UNUSED_SETTINGS,
    &UNUSED_PING,
    &UNUSED_CONTINUATION,
    &UNUSED_PUSH_PROMISE,
    &UNUSED_DATA,
    &UNUSED_HEADERS,
    &RESERVED,
    &STREAM_ID,
    &PAD_LENGTH,
    &EXCLUSIVE,
    &DEPENDENCY,
    &WEIGHT,
    &WEIGHT_REAL,
    &DATA,
    &DATA_PADDING,
    &FRAGMENT,
    &HEADERS_PADDING,
    &RST_ERROR,
    &SETTING,
    &SETTING_ID,
    &SET_TABLE,
    &SET_PUSH,
    &SET_STREAMS,
    &SET_WINDOW,
    &SET_FRAME,
    &SET_LIST,
    &SET_CONNECT,
    &SET_NO_PRIORITIES,
    &SET_UNKNOWN,
    &PROMISED_R,
    &PROMISED,
    &PUSH_FRAGMENT,
    &PUSH_PADDING,
    &PING,
    &PONG,
    &GOAWAY_R,
    &GOAWAY_LAST,
    &GOAWAY_ERROR,
    &GOAWAY_DEBUG,
    &WINDOW_R,
    &INCREMENT,
    &CONT_FRAGMENT,
    &ALTSVC_LEN,
    &ALTSVC_ORIGIN,
    &ALTSVC_VALUE,
    &ORIGIN_ENTRY,
    &ORIGIN_LEN,
    &ORIGIN,
    &UPDATE_R,
    &UPDATE_STREAM,
    &UPDATE_VALUE,
    &UNKNOWN,
];
