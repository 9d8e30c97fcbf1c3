//! The fields of Connect.

use crate::field::{FieldSpec, Kind};

const PROTOCOL: &str = "Connect";
const REQUEST: &str = "Connect, Unary-Request";
const GET: &str = "Connect, Unary-Get-Request";
const RESPONSE: &str = "Connect, Unary-Response";
const ENVELOPE: &str = "Connect, Streaming RPCs";
const ERRORS: &str = "Connect, Error Codes";
const OURS: &str = "framescope";

macro_rules! fields {
    ($($(#[$doc:meta])* $id:ident = $spec:expr;)*) => {
        $($(#[$doc])* pub static $id: FieldSpec = $spec;)*
        /// All of them.
        pub static FIELDS: &[&FieldSpec] = &[$(&$id),*];
    };
}

fields! {
    /// The group of an event's fields.
    CONNECT = FieldSpec::new("connect", "Connect", 0, Kind::Group, PROTOCOL, "A part of a Connect call.");
    /// Reserved flags.
    RESERVED = FieldSpec::new("connect.reserved", "Reserved", 6, Kind::Unsigned, ENVELOPE,
        "Flags that mean nothing yet; 0.");
    /// The flag of the last message.
    END_STREAM = FieldSpec::new("connect.end_stream", "End of stream", 1, Kind::Flag, ENVELOPE,
        "The message is the server's last: JSON that says how the call ended.");
    /// The flag of a compressed message.
    COMPRESSED = FieldSpec::new("connect.compressed", "Compressed", 1, Kind::Flag, ENVELOPE,
        "The message is compressed as Connect-Content-Encoding says.");
    /// The length of an enveloped message.
    MESSAGE_LENGTH = FieldSpec::new("connect.message_length", "Message length", 32, Kind::Unsigned, ENVELOPE,
        "Bytes of the message as sent, big-endian, the envelope not counted.");
    /// A message.
    MESSAGE_DATA = FieldSpec::new("connect.message_data", "Message", 0, Kind::Data, PROTOCOL,
        "The message as sent: compressed where the head or the flag says so.");
    /// An envelope that was cut off.
    CUT_ENVELOPE = FieldSpec::new("connect.cut_envelope", "Cut envelope", 0, Kind::Bytes, ENVELOPE,
        "Fewer than the five bytes of an envelope.");
    /// The number of the message in its direction.
    MESSAGE_NUMBER = FieldSpec::new("connect.message_number", "Message number", 0, Kind::Unsigned, OURS,
        "Number of the message in its direction of the call, counted from 1.");
    /// The path.
    PATH = FieldSpec::new("connect.path", "Path", 0, Kind::Text, REQUEST,
        "The path of the call, without the query.");
    /// The service.
    SERVICE = FieldSpec::new("connect.service", "Service", 0, Kind::Text, REQUEST,
        "Full name of the service: the last part of the path but one.");
    /// The method.
    METHOD = FieldSpec::new("connect.method", "Method", 0, Kind::Text, REQUEST,
        "The last part of the path.");
    /// `:method`.
    HTTP_METHOD = FieldSpec::new("connect.http_method", "HTTP method", 0, Kind::Text, REQUEST,
        "POST; GET for a call without side effects, whose message is in the query.");
    /// `:authority`.
    AUTHORITY = FieldSpec::new("connect.authority", "Authority", 0, Kind::Text, REQUEST,
        "The virtual host that is called.");
    /// The version.
    VERSION = FieldSpec::new("connect.protocol_version", "Protocol version", 0, Kind::Text, REQUEST,
        "Connect-Protocol-Version, or connect of the query: 1, or v1.");
    /// The content type.
    CONTENT_TYPE = FieldSpec::new("connect.content_type", "Content type", 0, Kind::Text, REQUEST,
        "application/ and the codec of the messages; connect+ before it in a stream.");
    /// The codec.
    CODEC = FieldSpec::new("connect.codec", "Codec", 0, Kind::Text, REQUEST,
        "How messages are written: proto, json, or another.");
    /// The compression of a direction's messages.
    ENCODING = FieldSpec::new("connect.encoding", "Content encoding", 0, Kind::Text, REQUEST,
        "Content-Encoding, Connect-Content-Encoding of a stream, or compression of the query; on a call, the client's.");
    /// The server's.
    RESPONSE_ENCODING = FieldSpec::new("connect.response_encoding", "Response encoding", 0, Kind::Text, RESPONSE,
        "The content encoding of the server's messages.");
    /// The timeout.
    TIMEOUT = FieldSpec::new("connect.timeout_ns", "Timeout", 0, Kind::Duration, REQUEST,
        "Connect-Timeout-Ms: how long the client waits for the call to end, in nanoseconds.");
    /// The message of a GET.
    QUERY_MESSAGE = FieldSpec::new("connect.query.message", "Message of the query", 0, Kind::Text, GET,
        "message of the query: percent-encoded, and base64 with the URL alphabet where base64=1.");
    /// Metadata.
    METADATA = FieldSpec::new("connect.metadata", "Metadata", 0, Kind::Text, REQUEST,
        "A header field of the application; a value of a name that ends in -bin is base64.").header();
    /// Trailing metadata.
    TRAILERS = FieldSpec::new("connect.trailers", "Trailers", 0, Kind::Text, RESPONSE,
        "Trailing metadata: header fields whose names begin with Trailer-, or metadata of the end of a stream.").header();
    /// The status of HTTP.
    HTTP_STATUS = FieldSpec::new("connect.http_status", "HTTP status", 0, Kind::Unsigned, RESPONSE,
        "The status of HTTP; 200 for every stream, and for a unary call that did not fail.");
    /// How the call ended.
    CODE = FieldSpec::new("connect.code", "Code", 0, Kind::Text, ERRORS,
        "How the call ended, by the server's word; ok where there was no error.");
    /// The same as a number.
    STATUS = FieldSpec::new("connect.status", "Status", 0, Kind::Enumerated, ERRORS,
        "The code as the number that gRPC has for it; 0 where there was no error.").named(code_name);
    /// What the error says.
    MESSAGE = FieldSpec::new("connect.message", "Error message", 0, Kind::Text, ERRORS,
        "What the error says to people.");
    /// The types of the details of an error.
    DETAIL = FieldSpec::new("connect.error_detail", "Error detail", 0, Kind::Text, ERRORS,
        "The type of a detail of the error, and its value in base64.").repeated();
    /// The pattern.
    PATTERN = FieldSpec::new("connect.pattern", "Pattern", 0, Kind::Text, OURS,
        "unary, server_streaming, client_streaming or bidi_streaming: by the schema where there is one, else as observed.");
    /// The pattern as seen.
    PATTERN_OBSERVED = FieldSpec::new("connect.pattern_observed", "Observed pattern", 0, Kind::Text, OURS,
        "unary by the content type; else the pattern that the numbers of messages speak for.");
    /// Messages up.
    REQUEST_MESSAGES = FieldSpec::new("connect.request_messages", "Request messages", 0, Kind::Unsigned, OURS,
        "Messages that the client sent.");
    /// Messages down.
    RESPONSE_MESSAGES = FieldSpec::new("connect.response_messages", "Response messages", 0, Kind::Unsigned, OURS,
        "Messages that the server sent; neither an error nor the end of a stream is one.");
    /// Bytes up.
    REQUEST_BYTES = FieldSpec::new("connect.request_bytes", "Request bytes", 0, Kind::Unsigned, OURS,
        "Bytes of the client's messages as sent, envelopes not counted.");
    /// Bytes down.
    RESPONSE_BYTES = FieldSpec::new("connect.response_bytes", "Response bytes", 0, Kind::Unsigned, OURS,
        "Bytes of the server's messages as sent, envelopes not counted.");
    /// The first response.
    FIRST_RESPONSE = FieldSpec::new("connect.first_response_ns", "Time to first response", 0, Kind::Duration, OURS,
        "From the first byte of the request to the end of the first message of the server.");
    /// How it ended.
    ENDED = FieldSpec::new("connect.ended", "Ended by", 0, Kind::Text, OURS,
        "response, no response, reset with its code and side, goaway, deadline, connection lost or capture ended.");
    /// The verdict.
    VERDICT = FieldSpec::new("connect.verdict", "Verdict", 0, Kind::Text, OURS,
        "Why the call ended as it did: ok, error, no response, deadline, cancelled, refused, connection lost, reset, flow control, not captured or open.");
    /// How long data waited.
    FLOW_CONTROL = FieldSpec::new("connect.flow_control_ns", "Flow control", 0, Kind::Duration, "RFC 9113 §5.2",
        "How long data of the call waited in all until its receiver let more of it be sent (WINDOW_UPDATE); of the direction that waited longer, from 1 ms on.");
    /// The round trip of the connection.
    ROUND_TRIP = FieldSpec::new("connect.round_trip_ns", "Round trip", 0, Kind::Duration, OURS,
        "The handshake of the call's connection, from SYN to the acknowledgement of its answer.");
    /// Segments sent again.
    RETRANSMISSIONS = FieldSpec::new("connect.retransmissions", "Retransmissions", 0, Kind::Unsigned, OURS,
        "Segments of the call's connection that were sent again while it lasted, by either end.");
    /// How long it took.
    DURATION = FieldSpec::new("duration_ns", "Duration", 0, Kind::Duration, OURS,
        "From the first byte to the packet that completed it.");
}

/// The codes, their numbers in gRPC, and the status of HTTP that a unary error has
/// (Connect, "Error Codes").
pub(super) const CODES: [(&str, u64, u16); 16] = [
    ("canceled", 1, 499),
    ("unknown", 2, 500),
    ("invalid_argument", 3, 400),
    ("deadline_exceeded", 4, 504),
    ("not_found", 5, 404),
    ("already_exists", 6, 409),
    ("permission_denied", 7, 403),
    ("resource_exhausted", 8, 429),
    ("failed_precondition", 9, 400),
    ("aborted", 10, 409),
    ("out_of_range", 11, 400),
    ("unimplemented", 12, 501),
    ("internal", 13, 500),
    ("unavailable", 14, 503),
    ("data_loss", 15, 500),
    ("unauthenticated", 16, 401),
];

/// The name of a code by its number.
fn code_name(v: u64) -> Option<&'static str> {
    if v == 0 {
        return Some("ok");
    }
    CODES.iter().find(|(_, n, _)| *n == v).map(|(name, ..)| *name)
}
