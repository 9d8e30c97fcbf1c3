//! What can be wrong with an event stream.

use crate::finding::FindingSpec;

/// Bad text.
pub static NOT_UTF8: FindingSpec = FindingSpec::error(
    "sse.not-utf8",
    "WHATWG HTML §9.2.5",
    "Event streams are UTF-8, always; a client replaces what is not.",
);
/// Another charset is stated.
pub static CHARSET: FindingSpec = FindingSpec::warning(
    "sse.charset",
    "WHATWG HTML §9.2.5",
    "The media type states another charset than UTF-8; clients decode the stream as UTF-8 all the same.",
);
/// Another status.
pub static STATUS: FindingSpec = FindingSpec::warning(
    "sse.status",
    "WHATWG HTML §9.2.3",
    "The status is not 200: an EventSource fails the connection and reads no event of it.",
);
/// Caches are not told.
pub static CACHING: FindingSpec = FindingSpec::note(
    "sse.cacheable",
    "RFC 9111 §5.2.2",
    "Cache-Control says neither no-store nor no-cache: an intermediary may store the stream, and hold it back until it ends.",
);
/// It stops within an event.
pub static CUT: FindingSpec = FindingSpec::warning(
    "sse.cut",
    "WHATWG HTML §9.2.6",
    "The stream ends without the empty line behind its last event: clients discard that event.",
);
/// Nothing to dispatch.
pub static NO_DATA: FindingSpec = FindingSpec::note(
    "sse.no-data",
    "WHATWG HTML §9.2.6",
    "The event has no data: its id counts, but clients do not dispatch it.",
);
/// An id that does not count.
pub static NUL_IN_ID: FindingSpec = FindingSpec::warning(
    "sse.nul-in-id",
    "WHATWG HTML §9.2.6",
    "An id with a NUL is ignored: the last one stays in force.",
);
/// A time that is no number.
pub static BAD_RETRY: FindingSpec = FindingSpec::warning(
    "sse.bad-retry",
    "WHATWG HTML §9.2.6",
    "A retry that is anything but ASCII digits is ignored.",
);
/// A name that nobody knows.
pub static UNKNOWN_FIELD: FindingSpec = FindingSpec::note(
    "sse.unknown-field",
    "WHATWG HTML §9.2.6",
    "A field with another name than data, event, id and retry is ignored; names are case-sensitive.",
);
/// A long value.
pub static VALUE_LIMIT: FindingSpec = FindingSpec::warning(
    "sse.value-limit",
    "framescope",
    "An id, event type or reconnection time is longer than is kept here; it is cut.",
);
/// A large event.
pub static EVENT_LIMIT: FindingSpec = FindingSpec::warning(
    "sse.event-limit",
    "framescope",
    "The event is larger than is kept here; the rest of it is counted.",
);
/// A hole.
pub static GAP: FindingSpec = FindingSpec::warning(
    "sse.gap",
    "framescope",
    "Bytes of the stream were not captured: the event around them is cut, and what follows is read from the next empty line on.",
);
/// Where it comes from.
pub static RESUMED: FindingSpec = FindingSpec::note(
    "sse.resumed",
    "WHATWG HTML §9.2.4",
    "The stream resumes an earlier one: its request states the last id of that one in Last-Event-ID.",
);
/// Ids that leave something out.
pub static RESUME_GAP: FindingSpec = FindingSpec::warning(
    "sse.resume-gap",
    "WHATWG HTML §9.2.4",
    "The stream resumes an earlier one whose ids counted its events, but its first id is not the next: events between are lost or come again.",
);
/// Coming back without a word.
pub static NO_LAST_EVENT_ID: FindingSpec = FindingSpec::note(
    "sse.no-last-event-id",
    "WHATWG HTML §9.2.4",
    "The client reads the same stream again and states no Last-Event-ID, although the stream before gave ids: events between are lost.",
);
/// More than browsers allow.
pub static TOO_MANY: FindingSpec = FindingSpec::warning(
    "sse.too-many-streams",
    "WHATWG HTML §9.2.7",
    "More than six streams of one client to one origin are open at once over HTTP/1.1: browsers open no more than six connections, and everything else waits.",
);

/// All findings of the protocol.
pub static FINDINGS: &[&FindingSpec] = &[
    &NOT_UTF8,
    &CHARSET,
    &STATUS,
    &CACHING,
    &CUT,
    &NO_DATA,
    &NUL_IN_ID,
    &BAD_RETRY,
    &UNKNOWN_FIELD,
    &VALUE_LIMIT,
    &EVENT_LIMIT,
    &GAP,
    &RESUMED,
    &RESUME_GAP,
    &NO_LAST_EVENT_ID,
    &TOO_MANY,
];
