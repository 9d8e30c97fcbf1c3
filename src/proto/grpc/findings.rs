//! What can be wrong with a gRPC call.

use crate::finding::FindingSpec;

const MESSAGE: &str = "gRPC over HTTP/2, Length-Prefixed-Message";
const REQUEST: &str = "gRPC over HTTP/2, Requests";
const RESPONSE: &str = "gRPC over HTTP/2, Responses";

const WEB: &str = "gRPC-Web, Protocol differences vs gRPC over HTTP2";

macro_rules! findings {
    ($($(#[$doc:meta])* $id:ident = $kind:ident($code:literal, $source:expr, $meaning:literal);)*) => {
        $($(#[$doc])* pub static $id: FindingSpec = FindingSpec::$kind($code, $source, $meaning);)*
        /// All of them.
        pub static FINDINGS: &[&FindingSpec] = &[$(&$id),*];
    };
}

findings! {
    /// A status other than OK.
    BAD_STATUS = warning("grpc.bad-status", RESPONSE, "The call ended with a status other than OK.");
    /// A status that is no number.
    MALFORMED_STATUS = error("grpc.malformed-status", RESPONSE, "grpc-status is not a decimal number.");
    /// The trailers lack a status, or there are none.
    MISSING_TRAILERS = error("grpc.missing-trailers", RESPONSE, "The server ended the call without a status.");
    /// A stream was reset before the call had a status.
    RESET = warning("grpc.reset", "gRPC over HTTP/2, Errors", "The stream was aborted before the call had a status.");
    /// The verdict on a call that failed by its status.
    CALL_FAILED = warning("grpc.call-failed", "gRPC doc/statuscodes.md", "The call did not end in OK, by the status of the server or by that of HTTP; says who said so and when.");
    /// The client gave up.
    CANCELLED = warning("grpc.cancelled", "gRPC over HTTP/2, Errors", "The client cancelled the call (RST_STREAM with CANCEL) before its deadline.");
    /// The server did not take it.
    REFUSED = warning("grpc.refused", "gRPC over HTTP/2, Errors", "The server did not take the call: REFUSED_STREAM, ENHANCE_YOUR_CALM, or GOAWAY whose last stream is below the call's.");
    /// The connection went away.
    CONNECTION_LOST = error("grpc.connection-lost", "gRPC over HTTP/2, Errors", "The connection ended by FIN or RST before the call had a status.");
    /// A call for the sake of another.
    PART_OF = note("grpc.part-of", "framescope", "The call was made while another one was being answered, and for it: known by an id that both have, by the span that it names, or by time and place.");
    /// More time than there was.
    DEADLINE_EXTENDED = warning("grpc.deadline-extended", "gRPC guide, Deadlines: propagation", "The call was given more time than the one that it is part of had left: it may go on for nobody.");
    /// No deadline where there was one.
    DEADLINE_DROPPED = note("grpc.deadline-dropped", "gRPC guide, Deadlines: propagation", "The call has no deadline, although the one that it is part of has one.");
    /// Of another codec.
    UNKNOWN_PAYLOAD = warning("grpc.unknown-payload", REQUEST, "Messages of the method are no protobuf, and its content type does not say what they are: a codec of its own. Told once of a method.");
    /// Another attempt.
    RETRY = note("grpc.retry", "gRPC proposal A6", "The call tries another one again (grpc-previous-rpc-attempts).");
    /// The receiver did not read.
    FLOW_CONTROL = warning("grpc.flow-control", "RFC 9113 §5.2", "The call did not end in OK, and its data had stood still: the receiver did not let more of it be sent (WINDOW_UPDATE), because it did not read, or its window is too small for the path.");
    /// A deadline passed.
    DEADLINE = warning("grpc.deadline-exceeded", REQUEST, "The call outlived a deadline: the client or the server gave up, or the answer came too late.");
    /// A message that ends too early.
    TRUNCATED = error("grpc.truncated-message", MESSAGE, "A message ended before the length that its prefix promised.");
    /// Bytes of a call are missing in the capture.
    GAP = warning("grpc.gap", MESSAGE, "Bytes were not captured; behind them the next message is looked for.");
    /// Compressed, with what?
    COMPRESSED_WITHOUT_ENCODING = error("grpc.compressed-without-encoding", MESSAGE, "A message is flagged as compressed, but grpc-encoding names no compression.");
    /// An encoding and no compression.
    UNCOMPRESSED = note("grpc.uncompressed-despite-encoding", MESSAGE, "A message is not compressed although grpc-encoding names a compression; allowed, said once for each direction.");
    /// A flag that is neither 0 nor 1.
    BAD_FLAG = error("grpc.bad-compressed-flag", MESSAGE, "The compressed flag is neither 0 nor 1.");
    /// An encoding that is not known here.
    UNKNOWN_ENCODING = warning("grpc.unknown-encoding", REQUEST, "A message is compressed in a way that is not known here; its bytes are shown as sent.");
    /// The compressed bytes are broken.
    BAD_COMPRESSION = error("grpc.bad-compression", MESSAGE, "A message does not decompress as its encoding says.");
    /// The output of a message is too large.
    INFLATE_LIMIT = warning("grpc.inflate-limit", MESSAGE, "A message grows beyond the limit for decompression; the rest is not shown.");
    /// A message is too large to be kept.
    MESSAGE_LIMIT = warning("grpc.message-limit", MESSAGE, "A message is larger than what is kept in memory; it is counted, but not decoded.");
    /// More than libraries take.
    LARGE_MESSAGE = warning("grpc.large-message", "gRPC core, GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH", "A message is larger than 4 MiB, the most that libraries receive unless told otherwise; they answer with RESOURCE_EXHAUSTED.");
    /// The details disagree with the status.
    STATUS_DETAILS = error("grpc.status-details-mismatch", RESPONSE, "The code in grpc-status-details-bin contradicts grpc-status.");
    /// The details have another message.
    DETAILS_MESSAGE = note("grpc.status-details-message", "gRPC guide, Richer error model", "The message in grpc-status-details-bin is not that of grpc-message: nothing forbids it, but some libraries (grpcio-status) then refuse the details.");
    /// Details where there is nothing to explain.
    DETAILS_OF_OK = error("grpc.status-details-of-ok", RESPONSE, "grpc-status-details-bin stands beside the status OK.");
    /// The details are something else.
    NO_STATUS_DETAILS = note("grpc.other-status-details", "gRPC guide, Richer error model", "grpc-status-details-bin is no google.rpc.Status; it may be of the service's own making, and is shown as bytes.");
    /// `grpc-timeout` is wrong.
    BAD_TIMEOUT = error("grpc.bad-timeout", REQUEST, "grpc-timeout is not one to eight digits and a unit of H, M, S, m, u or n.");
    /// `grpc-timeout` is too large.
    TIMEOUT_SATURATED = note("grpc.timeout-saturated", REQUEST, "grpc-timeout is more nanoseconds than 64 bits hold; the largest value is shown.");
    /// `grpc-message` is wrong.
    BAD_PERCENT_ENCODING = warning("grpc.bad-percent-encoding", RESPONSE, "grpc-message has a percent sign without two hexadecimal digits, or is not UTF-8.");
    /// Binary metadata is no base64.
    BAD_BASE64 = warning("grpc.bad-base64", REQUEST, "A metadata field whose name ends in -bin is not base64.");
    /// Not 200.
    HTTP_STATUS = warning("grpc.http-status", RESPONSE, "The status of HTTP is not 200: something other than the gRPC server answered.");
    /// Not gRPC's content type.
    CONTENT_TYPE = warning("grpc.content-type", REQUEST, "The content type is not application/grpc.");
    /// Not POST.
    METHOD = warning("grpc.method-not-post", REQUEST, "The method of the request is not POST.");
    /// Not what the schema says.
    TOO_MANY_MESSAGES = warning("grpc.too-many-messages", "framescope", "One side sent more than one message where the schema allows one.");
    /// Text that is none.
    WEB_BASE64 = error("grpc.web-base64", WEB, "The body of a gRPC-Web call in its text form is not base64; what follows in this direction is not dissected.");
    /// Text without the padding at its end.
    WEB_PADDING = warning("grpc.web-padding", WEB, "The base64 of a gRPC-Web call ends without its padding, or in the middle of a group.");
    /// Bytes behind the trailers.
    WEB_AFTER_TRAILERS = error("grpc.web-after-trailers", WEB, "The trailers are the last frame of a gRPC-Web response, but bytes follow.");
    /// Trailers from the client.
    WEB_CLIENT_TRAILERS = warning("grpc.web-client-trailers", WEB, "The client sent a frame of trailers; the protocol knows them from the server alone.");
    /// A line of trailers that is none.
    WEB_BAD_TRAILERS = error("grpc.web-bad-trailers", WEB, "A frame of trailers has a line that is not a name, a colon and a value.");
    /// Trailers too large.
    WEB_TRAILERS_LIMIT = warning("grpc.web-trailers-limit", WEB, "A frame of trailers is larger than what is read of one; what follows is not dissected.");
    /// A content coding over the frames.
    WEB_CODING = warning("grpc.web-content-coding", WEB, "The body of a gRPC-Web call has a content coding of HTTP that is not known here; its frames are not dissected.");
    /// A content coding that is not what it says.
    WEB_BAD_CODING = error("grpc.web-bad-content-coding", WEB, "The content coding over the body of a gRPC-Web call cannot be undone; what follows in this direction is not dissected.");
}
