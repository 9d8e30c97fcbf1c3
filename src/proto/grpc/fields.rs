//! The fields of gRPC.

use crate::field::{FieldSpec, Kind};

const PROTOCOL: &str = "gRPC over HTTP/2";
const MESSAGE: &str = "gRPC over HTTP/2, Length-Prefixed-Message";
const REQUEST: &str = "gRPC over HTTP/2, Requests";
const RESPONSE: &str = "gRPC over HTTP/2, Responses";
const WEB_FRAMING: &str = "gRPC-Web, Message framing";
const DETAILS: &str = "gRPC guide, Richer error model";
const RETRY: &str = "gRPC proposal A6";
const OURS: &str = "framescope";

macro_rules! fields {
    ($($(#[$doc:meta])* $id:ident = $spec:expr;)*) => {
        $($(#[$doc])* pub static $id: FieldSpec = $spec;)*
        /// All of them.
        pub static FIELDS: &[&FieldSpec] = &[$(&$id),*];
    };
}

fields! {
    /// The group of a message's fields.
    GRPC = FieldSpec::new("grpc", "gRPC", 0, Kind::Group, PROTOCOL, "A part of a gRPC call.");
    /// `Compressed-Flag`.
    COMPRESSED_FLAG = FieldSpec::new("grpc.compressed_flag", "Compressed flag", 8, Kind::Enumerated, MESSAGE,
        "1 where the message is compressed as grpc-encoding says, else 0.").named(flag_name);
    /// `Message-Length`.
    MESSAGE_LENGTH = FieldSpec::new("grpc.message_length", "Message length", 32, Kind::Unsigned, MESSAGE,
        "Bytes of the message as sent, big-endian, the prefix not counted.");
    /// `Message`.
    MESSAGE_DATA = FieldSpec::new("grpc.message_data", "Message", 0, Kind::Data, MESSAGE,
        "The message as sent: compressed where the flag says so.");
    /// The top bit of a prefix in gRPC-Web.
    FRAME_TYPE = FieldSpec::new("grpc.frame_type", "Frame type", 1, Kind::Enumerated, WEB_FRAMING,
        "gRPC-Web alone: 0 for a message, 1 for the trailers.").named(frame_type_name);
    /// The other bits of a prefix in gRPC-Web.
    WEB_FLAGS = FieldSpec::new("grpc.web_flags", "Flags", 7, Kind::Unsigned, WEB_FRAMING,
        "The flags of a frame of trailers: 1 where it is compressed.");
    /// How gRPC-Web is carried.
    WEB = FieldSpec::new("grpc.web", "gRPC-Web", 0, Kind::Text, "gRPC-Web, Protocol differences vs gRPC over HTTP2",
        "binary where frames are the body, text where base64 of them is; absent on calls that are not gRPC-Web.");
    /// A prefix that was cut off.
    CUT_PREFIX = FieldSpec::new("grpc.unknown", "Cut prefix", 0, Kind::Bytes, MESSAGE,
        "Fewer than the five bytes of a message's prefix.");
    /// The number of the message in its direction.
    MESSAGE_NUMBER = FieldSpec::new("grpc.message_number", "Message number", 0, Kind::Unsigned, OURS,
        "Number of the message in its direction of the call, counted from 1.");
    /// The encoding of a message, or of the messages of a direction.
    ENCODING = FieldSpec::new("grpc.encoding", "Encoding", 0, Kind::Text, REQUEST,
        "grpc-encoding: how messages whose flag is 1 are compressed; on a call, the client's.");
    /// The server's encoding, on a call.
    RESPONSE_ENCODING = FieldSpec::new("grpc.response_encoding", "Response encoding", 0, Kind::Text, RESPONSE,
        "grpc-encoding of the server's messages.");
    /// `:path`.
    PATH = FieldSpec::new("grpc.path", "Path", 0, Kind::Text, REQUEST,
        "The path of the call: a slash, the service, a slash, the method.");
    /// The service.
    SERVICE = FieldSpec::new("grpc.service", "Service", 0, Kind::Text, REQUEST,
        "Full name of the service: the path without its last part.");
    /// The method.
    METHOD = FieldSpec::new("grpc.method", "Method", 0, Kind::Text, REQUEST,
        "The last part of the path.");
    /// `:authority`.
    AUTHORITY = FieldSpec::new("grpc.authority", "Authority", 0, Kind::Text, REQUEST,
        "The virtual host that is called.");
    /// `content-type`.
    CONTENT_TYPE = FieldSpec::new("grpc.content_type", "Content type", 0, Kind::Text, REQUEST,
        "application/grpc, with the format of the messages behind a plus sign.");
    /// `:status`.
    HTTP_STATUS = FieldSpec::new("grpc.http_status", "HTTP status", 0, Kind::Unsigned, RESPONSE,
        "The status of HTTP; 200 unless the answer is not gRPC's own.");
    /// `grpc-timeout`.
    TIMEOUT = FieldSpec::new("grpc.timeout_ns", "Timeout", 0, Kind::Duration, REQUEST,
        "How long the client waits for the call to end, in nanoseconds.");
    /// Custom metadata.
    METADATA = FieldSpec::new("grpc.metadata", "Metadata", 0, Kind::Text, REQUEST,
        "A field of the application or of gRPC itself; text.").header();
    /// Binary metadata.
    METADATA_BIN = FieldSpec::new("grpc.metadata_bin", "Binary metadata", 0, Kind::Bytes, REQUEST,
        "The bytes of a field whose name ends in -bin, which travel as base64.").header();
    /// `grpc-status`.
    STATUS_CODE = FieldSpec::new("grpc.status_code", "Status", 0, Kind::Enumerated, RESPONSE,
        "How the call ended, by the server's word; 0 is OK.").named(status_name);
    /// `grpc-message`.
    STATUS_MESSAGE = FieldSpec::new("grpc.status_message", "Status message", 0, Kind::Text, RESPONSE,
        "grpc-message with its percent-encoding undone.");
    /// `google.rpc.Status`.
    STATUS_DETAILS = FieldSpec::new("grpc.status_details", "Status details", 0, Kind::Group, DETAILS,
        "grpc-status-details-bin: a google.rpc.Status with whatever the server says more.");
    /// Its code.
    DETAILS_CODE = FieldSpec::new("grpc.status_details.code", "Code", 0, Kind::Enumerated, DETAILS,
        "The status once more.").named(status_name);
    /// Its message.
    DETAILS_MESSAGE = FieldSpec::new("grpc.status_details.message", "Message", 0, Kind::Text, DETAILS,
        "The message once more, not percent-encoded.");
    /// The type of a detail.
    DETAIL_TYPE = FieldSpec::new("grpc.status_details.type", "Type", 0, Kind::Text, DETAILS,
        "The type URL of a detail.").repeated();
    /// A detail.
    DETAIL = FieldSpec::new("grpc.status_details.detail", "Detail", 0, Kind::Text, DETAILS,
        "A detail of google/rpc/error_details.proto by its fields.").repeated();
    /// A detail of another type.
    DETAIL_BYTES = FieldSpec::new("grpc.status_details.bytes", "Detail", 0, Kind::Bytes, DETAILS,
        "The bytes of a detail whose type is not known here.").repeated();
    /// The pattern.
    PATTERN = FieldSpec::new("grpc.pattern", "Pattern", 0, Kind::Text, OURS,
        "unary, server_streaming, client_streaming or bidi_streaming: by the schema where there is one, else as observed.");
    /// The pattern as seen.
    PATTERN_OBSERVED = FieldSpec::new("grpc.pattern_observed", "Observed pattern", 0, Kind::Text, OURS,
        "The pattern that the numbers of messages speak for.");
    /// Messages up.
    REQUEST_MESSAGES = FieldSpec::new("grpc.request_messages", "Request messages", 0, Kind::Unsigned, OURS,
        "Messages that the client sent.");
    /// Messages down.
    RESPONSE_MESSAGES = FieldSpec::new("grpc.response_messages", "Response messages", 0, Kind::Unsigned, OURS,
        "Messages that the server sent.");
    /// Bytes up.
    REQUEST_BYTES = FieldSpec::new("grpc.request_bytes", "Request bytes", 0, Kind::Unsigned, OURS,
        "Bytes of the client's messages as sent, prefixes not counted.");
    /// Bytes down.
    RESPONSE_BYTES = FieldSpec::new("grpc.response_bytes", "Response bytes", 0, Kind::Unsigned, OURS,
        "Bytes of the server's messages as sent, prefixes not counted.");
    /// Up, as JSON.
    REQUEST_JSON_BYTES = FieldSpec::new("grpc.request_json_bytes", "Requests as JSON", 0, Kind::Unsigned, OURS,
        "Bytes that the client's messages would have as compact JSON, where a schema says what all of them are.");
    /// Down, as JSON.
    RESPONSE_JSON_BYTES = FieldSpec::new("grpc.response_json_bytes", "Responses as JSON", 0, Kind::Unsigned, OURS,
        "Bytes that the server's messages would have as compact JSON, where a schema says what all of them are.");
    /// The first response.
    FIRST_RESPONSE = FieldSpec::new("grpc.first_response_ns", "Time to first response", 0, Kind::Duration, OURS,
        "From the first byte of the request to the end of the first message of the server.");
    /// The last response.
    LAST_RESPONSE = FieldSpec::new("grpc.last_response_ns", "Time to last response", 0, Kind::Duration, OURS,
        "From the first byte of the request to the end of the last message of the server.");
    /// The verdict.
    VERDICT = FieldSpec::new("grpc.verdict", "Verdict", 0, Kind::Text, OURS,
        "ok, status (the server's word), deadline, cancelled, flow control (it ended by one of these two or with its connection while its data stood still), refused (never processed, or too much was asked), connection lost, reset, http status, no status, not captured or open.");
    /// Why.
    WHY = FieldSpec::new("grpc.why", "Why", 0, Kind::Text, OURS,
        "The verdict in a sentence: who ended the call, when, and what the other had done by then.");
    /// What the client's program is given.
    CLIENT_STATUS = FieldSpec::new("grpc.client_status", "Status for the client", 0, Kind::Enumerated, "gRPC doc/http-grpc-status-mapping.md",
        "The status that the client's program is given: the server's, or what its library makes of the end.").named(status_name);
    /// The deadline.
    DEADLINE = FieldSpec::new("grpc.deadline", "Deadline", 0, Kind::Text, OURS,
        "met, exceeded or open: whether the call ended within grpc-timeout, from the first byte of its request.");
    /// How long data waited.
    FLOW_CONTROL = FieldSpec::new("grpc.flow_control_ns", "Flow control", 0, Kind::Duration, "RFC 9113 §5.2",
        "How long data of the call waited in all until its receiver let more of it be sent (WINDOW_UPDATE); of the direction that waited longer, from 1 ms on.");
    /// What was left.
    TIME_LEFT = FieldSpec::new("grpc.time_left_ns", "Time left", 0, Kind::Duration, OURS,
        "What was left of grpc-timeout when the call ended, or when no more was seen of it.");
    /// How old an open call is.
    AGE = FieldSpec::new("grpc.age_ns", "Age", 0, Kind::Duration, OURS,
        "Of a call that is open: from its first byte to the end of the capture.");
    /// `grpc-previous-rpc-attempts`.
    PREVIOUS_ATTEMPTS = FieldSpec::new("grpc.previous_attempts", "Previous attempts", 0, Kind::Unsigned, RETRY,
        "grpc-previous-rpc-attempts: how often the client has tried before.");
    /// `grpc-retry-pushback-ms`.
    PUSHBACK = FieldSpec::new("grpc.retry_pushback_ms", "Retry pushback", 0, Kind::Signed, RETRY,
        "grpc-retry-pushback-ms: after how many milliseconds the server wants the next attempt; negative for none.");
    /// A trace id.
    TRACE_ID = FieldSpec::new("grpc.trace_id", "Trace id", 0, Kind::Text, "W3C Trace Context §3.2",
        "An id by which calls know each other: of traceparent, B3, grpc-trace-bin or x-request-id.").repeated();
    /// The round trip of the connection.
    ROUND_TRIP = FieldSpec::new("grpc.round_trip_ns", "Round trip", 0, Kind::Duration, OURS,
        "The handshake of the call's connection, from SYN to the acknowledgement of its answer.");
    /// Segments sent again.
    RETRANSMISSIONS = FieldSpec::new("grpc.retransmissions", "Retransmissions", 0, Kind::Unsigned, OURS,
        "Segments of the call's connection that were sent again while it lasted, by either end.");
    /// How the call ended.
    ENDED = FieldSpec::new("grpc.ended", "Ended by", 0, Kind::Text, OURS,
        "status, no status, not captured, reset with its code and side, goaway, deadline, connection lost or capture ended.");
    /// How long it took.
    DURATION = FieldSpec::new("duration_ns", "Duration", 0, Kind::Duration, OURS,
        "From the first byte to the packet that completed it.");
}

fn flag_name(v: u64) -> Option<&'static str> {
    match v {
        0 => Some("not compressed"),
        1 => Some("compressed"),
        _ => None,
    }
}

fn frame_type_name(v: u64) -> Option<&'static str> {
    match v {
        0 => Some("message"),
        1 => Some("trailers"),
        _ => None,
    }
}

/// The name of a status (gRPC `doc/statuscodes.md`).
#[must_use]
pub fn status_name(code: u64) -> Option<&'static str> {
    Some(match code {
        0 => "OK",
        1 => "CANCELLED",
        2 => "UNKNOWN",
        3 => "INVALID_ARGUMENT",
        4 => "DEADLINE_EXCEEDED",
        5 => "NOT_FOUND",
        6 => "ALREADY_EXISTS",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        9 => "FAILED_PRECONDITION",
        10 => "ABORTED",
        11 => "OUT_OF_RANGE",
        12 => "UNIMPLEMENTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        15 => "DATA_LOSS",
        16 => "UNAUTHENTICATED",
        _ => return None,
    })
}
