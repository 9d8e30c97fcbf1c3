//! What can be wrong with a Connect call.

use crate::finding::FindingSpec;

const REQUEST: &str = "Connect, Unary-Request";
const GET: &str = "Connect, Unary-Get-Request";
const RESPONSE: &str = "Connect, Unary-Response";
const ENVELOPE: &str = "Connect, Streaming RPCs";
const ERRORS: &str = "Connect, Error Codes";

macro_rules! findings {
    ($($(#[$doc:meta])* $id:ident = $kind:ident($code:literal, $source:expr, $meaning:literal);)*) => {
        $($(#[$doc])* pub static $id: FindingSpec = FindingSpec::$kind($code, $source, $meaning);)*
        /// All of them.
        pub static FINDINGS: &[&FindingSpec] = &[$(&$id),*];
    };
}

findings! {
    /// An error.
    ERROR = warning("connect.error", ERRORS, "The call ended with an error.");
    /// An error that cannot be read.
    BAD_ERROR = error("connect.bad-error", ERRORS, "An error, or the end of a stream, is not the JSON that the protocol asks for.");
    /// A status that does not fit the code.
    STATUS_MISMATCH = warning("connect.status-mismatch", ERRORS, "The status of HTTP is not the one that the error's code stands for.");
    /// A status that tells of no Connect server.
    HTTP_STATUS = warning("connect.http-status", ERRORS, "The status of HTTP is an error and the body is not Connect's: something other than the server answered.");
    /// Another content type.
    CONTENT_TYPE = warning("connect.content-type", RESPONSE, "The content type of the response is not the request's.");
    /// The end of a stream is missing.
    MISSING_END = error("connect.missing-end-stream", ENVELOPE, "The server's stream ended without the message that says how.");
    /// Something behind the end.
    AFTER_END = error("connect.after-end-stream", ENVELOPE, "Bytes follow the message that ends the server's stream.");
    /// An end from the client.
    CLIENT_END = warning("connect.client-end-stream", ENVELOPE, "The client sent a message that is flagged as the end of a stream; only servers do.");
    /// Reserved flags.
    RESERVED = error("connect.reserved-flags", ENVELOPE, "An envelope has flags that mean nothing.");
    /// A message that ends too early.
    TRUNCATED = error("connect.truncated-message", ENVELOPE, "A message ended before its length, or before the end of the body.");
    /// Bytes are missing.
    GAP = warning("connect.gap", ENVELOPE, "Bytes were not captured; what follows them in this direction is not dissected.");
    /// Compressed, with what?
    COMPRESSED_WITHOUT_ENCODING = error("connect.compressed-without-encoding", ENVELOPE, "A message is flagged as compressed, but the head names no compression.");
    /// Not known.
    UNKNOWN_ENCODING = warning("connect.unknown-encoding", REQUEST, "A message is compressed in a way that is not known here; its bytes are shown as sent.");
    /// Broken.
    BAD_COMPRESSION = error("connect.bad-compression", REQUEST, "A message does not decompress as its encoding says.");
    /// Too large to be kept.
    MESSAGE_LIMIT = warning("connect.message-limit", ENVELOPE, "A message is larger than what is kept in memory; it is counted, but not decoded.");
    /// A timeout that is none.
    BAD_TIMEOUT = error("connect.bad-timeout", REQUEST, "Connect-Timeout-Ms is not one to ten digits.");
    /// A version that is not 1.
    VERSION = warning("connect.version", REQUEST, "The version of the protocol is not 1.");
    /// A query that is wrong.
    BAD_QUERY = error("connect.bad-query", GET, "The query of a GET lacks its message or encoding, or the message cannot be decoded.");
    /// No response.
    NO_RESPONSE = error("connect.no-response", RESPONSE, "The call has no response.");
    /// Reset.
    RESET = warning("connect.reset", ERRORS, "The call was aborted before it had a response.");
    /// Its data stood still.
    FLOW_CONTROL = warning("connect.flow-control", "RFC 9113 §5.2", "The call was given up, and its data had stood still: the receiver did not let more of it be sent (WINDOW_UPDATE), because it did not read, or its window is too small for the path.");
    /// The deadline passed.
    DEADLINE = warning("connect.deadline-exceeded", REQUEST, "The client gave up when its deadline had passed.");
}
