//! What can be wrong with an exchange, whatever carried it.

use crate::finding::FindingSpec;

/// The request was not answered.
pub static NO_RESPONSE: FindingSpec = FindingSpec::warning(
    "http.no-response",
    "RFC 9110 §3.4",
    "The request has no response: the server gave none, or it was not captured.",
);
/// The client did not wait for it.
pub static CLIENT_LEFT: FindingSpec = FindingSpec::warning(
    "http.client-left",
    "RFC 9110 §7.5",
    "The client left before it had the whole answer: it closed or aborted the connection, or the stream, first.",
);
/// The answer came before the end of the request, which nobody wants any more.
pub static ANSWERED_EARLY: FindingSpec = FindingSpec::note(
    "http.answered-early",
    "RFC 9113 §8.1",
    "The server had sent its whole answer, and asked for no more of the request: nothing of the answer was lost.",
);
/// The request is not there.
pub static NO_REQUEST: FindingSpec = FindingSpec::note(
    "http.request-not-captured",
    "RFC 9110 §3.4",
    "The response stands alone: its request was not captured or not read, or there was none.",
);
/// A browser asks first.
pub static PREFLIGHT: FindingSpec = FindingSpec::note(
    "http.cors-preflight",
    "Fetch, CORS protocol",
    "A browser asks whether it may send a request to another origin; the request follows, if it may.",
);
/// And is refused.
pub static CORS_REFUSED: FindingSpec = FindingSpec::warning(
    "http.cors-refused",
    "Fetch, CORS protocol",
    "The answer to a preflight does not allow what was asked: the browser will not send the request.",
);
/// Cut off.
pub static BODY_CUT: FindingSpec = FindingSpec::warning(
    "http.body-cut",
    "RFC 9112 §8",
    "The message is cut off: the connection, the capture, or what could be read of it ended first.",
);
/// Aborted.
pub static RESET: FindingSpec = FindingSpec::warning(
    "http.reset",
    "RFC 9110 §7.5",
    "The exchange was aborted before it was complete.",
);
/// Bytes are missing.
pub static GAP: FindingSpec = FindingSpec::warning(
    "http.body-gap",
    "RFC 9112 §8",
    "Bytes of the body were not captured; what follows them is not shown.",
);
/// The length is not what was said.
pub static LENGTH: FindingSpec = FindingSpec::error(
    "http.length-mismatch",
    "RFC 9110 §8.6",
    "The body is not as long as Content-Length says.",
);
/// A coding was not what it says.
pub static BAD_CODING: FindingSpec = FindingSpec::error(
    "http.bad-content-coding",
    "RFC 9110 §8.4",
    "The body cannot be decoded as its Content-Encoding says; what came out of it before is shown.",
);
/// Zeros behind a coding.
pub static CODING_PADDING: FindingSpec = FindingSpec::note(
    "http.coding-padding",
    "RFC 1952 §2.2",
    "Zero bytes follow the end of a gzip body; most recipients take no notice of them.",
);
/// A coding has another name.
pub static UNKNOWN_CODING: FindingSpec = FindingSpec::note(
    "http.unknown-content-coding",
    "RFC 9110 §8.4.1",
    "The body has a content coding that is not undone here; it is shown as it was sent.",
);
/// A bomb.
pub static INFLATE_LIMIT: FindingSpec = FindingSpec::warning(
    "http.inflate-limit",
    "framescope",
    "Undoing the content coding was stopped at a limit: the rest of the body is not shown.",
);
/// Parts that cannot be told apart.
pub static MULTIPART: FindingSpec = FindingSpec::error(
    "http.bad-multipart",
    "RFC 2046 §5.1.1",
    "The body is not multipart as its media type says: the boundary is missing, or the last one is.",
);
/// Too many parts.
pub static PARTS_LIMIT: FindingSpec = FindingSpec::warning(
    "http.parts-limit",
    "framescope",
    "The body has more parts, or deeper ones, than are listed here.",
);

/// The server could not.
pub static SERVER_ERROR: FindingSpec = FindingSpec::warning(
    "http.server-error",
    "RFC 9110 §15.6",
    "The server, or a proxy before it, failed to answer a request that may have been right: a status of 500 to 599.",
);
/// Asked too often.
pub static TOO_MANY_REQUESTS: FindingSpec = FindingSpec::note(
    "http.too-many-requests",
    "RFC 6585 §4",
    "The client asks more often than the server lets it: 429.",
);

/// Asked again and again.
pub static POLLING: FindingSpec = FindingSpec::note(
    "http.polling",
    "RFC 6202 §2",
    "The client asks the same at a steady pace to learn of events: each waits until it is asked for, and most answers bring nothing.",
);
/// Asked, and held.
pub static LONG_POLLING: FindingSpec = FindingSpec::note(
    "http.long-polling",
    "RFC 6202 §2.1",
    "The client asks again as soon as it is answered, and the server holds each answer until there is an event or its time is up.",
);

/// All findings of the protocol.
pub static FINDINGS: &[&FindingSpec] = &[
    &NO_RESPONSE,
    &CLIENT_LEFT,
    &ANSWERED_EARLY,
    &NO_REQUEST,
    &PREFLIGHT,
    &CORS_REFUSED,
    &BODY_CUT,
    &RESET,
    &GAP,
    &LENGTH,
    &BAD_CODING,
    &CODING_PADDING,
    &UNKNOWN_CODING,
    &INFLATE_LIMIT,
    &MULTIPART,
    &PARTS_LIMIT,
    &SERVER_ERROR,
    &TOO_MANY_REQUESTS,
    &POLLING,
    &LONG_POLLING,
];
