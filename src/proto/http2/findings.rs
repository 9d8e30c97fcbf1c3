//! What can be wrong with HTTP/2.

use crate::finding::FindingSpec;

pub(crate) static BAD_PREFACE: FindingSpec = FindingSpec::error(
    "http2.bad-preface",
    "RFC 9113 §3.4",
    "The client does not begin with the connection preface.",
);
pub(crate) static ANSWERED_BY_HTTP1: FindingSpec = FindingSpec::error(
    "http2.answered-by-http1",
    "RFC 9113 §3.4",
    "The server, or a proxy before it, answers the connection preface in HTTP/1: it does not speak HTTP/2 here, and no call was served.",
);
pub(crate) static JOINED: FindingSpec = FindingSpec::note(
    "http2.joined",
    "RFC 9113 §3.4",
    "The connection is known by its frames: it has no preface, or that was not captured.",
);
pub(crate) static FIRST_NOT_SETTINGS: FindingSpec = FindingSpec::warning(
    "http2.no-settings",
    "RFC 9113 §3.4",
    "The first frame of an end is not SETTINGS, unless the capture began after that.",
);
pub(crate) static BAD_UPGRADE_SETTINGS: FindingSpec = FindingSpec::error(
    "http2.bad-upgrade-settings",
    "RFC 7540 §3.2.1",
    "The HTTP2-Settings header field of an upgrade is missing or cannot be read.",
);
pub(crate) static FRAME_SIZE: FindingSpec = FindingSpec::error(
    "http2.frame-size",
    "RFC 9113 §4.2",
    "The length of a frame does not fit its type.",
);
pub(crate) static FRAME_TOO_LARGE: FindingSpec = FindingSpec::error(
    "http2.frame-too-large",
    "RFC 9113 §4.2",
    "A frame is larger than the peer has allowed.",
);
pub(crate) static PADDING: FindingSpec = FindingSpec::error(
    "http2.padding-too-long",
    "RFC 9113 §6.1",
    "The padding is as long as the payload or longer.",
);
pub(crate) static STREAM_ZERO: FindingSpec = FindingSpec::error(
    "http2.stream-zero",
    "RFC 9113 §5.1.1",
    "A frame that belongs to a stream is sent on stream 0.",
);
pub(crate) static STREAM_NOT_ZERO: FindingSpec = FindingSpec::error(
    "http2.stream-not-zero",
    "RFC 9113 §5.1.1",
    "A frame that belongs to the connection is sent on a stream.",
);
pub(crate) static STREAM_PARITY: FindingSpec = FindingSpec::error(
    "http2.stream-parity",
    "RFC 9113 §5.1.1",
    "A stream is opened with an identifier that belongs to the other end.",
);
pub(crate) static STREAM_DECREASING: FindingSpec = FindingSpec::error(
    "http2.stream-decreasing",
    "RFC 9113 §5.1.1",
    "A stream is opened with a lower identifier than one before it.",
);
pub(crate) static STREAM_IDLE: FindingSpec = FindingSpec::error(
    "http2.stream-idle",
    "RFC 9113 §5.1",
    "A frame is sent on a stream that nobody has opened.",
);
pub(crate) static STREAM_CLOSED: FindingSpec = FindingSpec::error(
    "http2.stream-closed",
    "RFC 9113 §5.1",
    "A frame is sent on a stream that its sender had ended.",
);
pub(crate) static SELF_DEPENDENCY: FindingSpec =
    FindingSpec::warning("http2.self-dependency", "RFC 7540 §5.3.1", "A stream depends on itself.");
pub(crate) static CONTINUATION: FindingSpec = FindingSpec::error(
    "http2.unexpected-continuation",
    "RFC 9113 §6.10",
    "A CONTINUATION frame follows no unfinished header block of its stream.",
);
pub(crate) static BLOCK_INTERRUPTED: FindingSpec = FindingSpec::error(
    "http2.block-interrupted",
    "RFC 9113 §6.10",
    "Another frame comes between the frames of one header block.",
);
pub(crate) static TRAILERS_OPEN: FindingSpec = FindingSpec::error(
    "http2.trailers-without-end",
    "RFC 9113 §8.1",
    "A trailer section does not end its stream.",
);
pub(crate) static SECTION_TOO_LARGE: FindingSpec = FindingSpec::warning(
    "http2.header-section-too-large",
    "RFC 9113 §10.5.1",
    "A header section reaches a limit of this program and is cut.",
);
pub(crate) static HPACK_TRUNCATED: FindingSpec = FindingSpec::error(
    "http2.hpack-truncated",
    "RFC 7541 §5.2",
    "A header block ends within a field.",
);
pub(crate) static HPACK_INTEGER: FindingSpec = FindingSpec::error(
    "http2.hpack-integer",
    "RFC 7541 §5.1",
    "An integer of a header block is too long.",
);
pub(crate) static HPACK_INVALID_INDEX: FindingSpec = FindingSpec::error(
    "http2.hpack-invalid-index",
    "RFC 7541 §2.3.3",
    "A header block refers to an entry that does not exist.",
);
pub(crate) static HPACK_UNKNOWN_INDEX: FindingSpec = FindingSpec::note(
    "http2.hpack-unknown-index",
    "RFC 7541 §2.3.3",
    "A header block refers to an entry whose insertion was not captured.",
);
pub(crate) static HPACK_HUFFMAN: FindingSpec = FindingSpec::error(
    "http2.hpack-huffman",
    "RFC 7541 §5.2",
    "A Huffman-coded string is malformed.",
);
pub(crate) static HPACK_SIZE_UPDATE: FindingSpec = FindingSpec::error(
    "http2.hpack-size-update",
    "RFC 7541 §6.3",
    "The encoder sets a larger dynamic table than the peer has allowed.",
);
pub(crate) static HPACK_LATE_UPDATE: FindingSpec = FindingSpec::error(
    "http2.hpack-late-size-update",
    "RFC 7541 §4.2",
    "A size update does not stand at the beginning of its block.",
);
pub(crate) static SETTINGS_VALUE: FindingSpec = FindingSpec::error(
    "http2.settings-value",
    "RFC 9113 §6.5.2",
    "A setting has a value that it must not have.",
);
pub(crate) static SETTINGS_ACK: FindingSpec = FindingSpec::error(
    "http2.settings-ack-payload",
    "RFC 9113 §6.5",
    "An acknowledgement of settings has a payload.",
);
pub(crate) static PUSH_BY_CLIENT: FindingSpec =
    FindingSpec::error("http2.push-by-client", "RFC 9113 §8.4", "A client sends PUSH_PROMISE.");
pub(crate) static PUSH_DISABLED: FindingSpec = FindingSpec::error(
    "http2.push-disabled",
    "RFC 9113 §6.5.2",
    "A server pushes though the client has disabled it.",
);
pub(crate) static WINDOW_ZERO: FindingSpec = FindingSpec::error(
    "http2.window-update-zero",
    "RFC 9113 §6.9",
    "A window update adds nothing.",
);
pub(crate) static WINDOW_EXCEEDED: FindingSpec = FindingSpec::error(
    "http2.window-exceeded",
    "RFC 9113 §6.9.1",
    "More data is sent than the window of the stream or of the connection allows.",
);
pub(crate) static WINDOW_OVERFLOW: FindingSpec = FindingSpec::error(
    "http2.window-overflow",
    "RFC 9113 §6.9.1",
    "A window update opens a window beyond 2,147,483,647 bytes.",
);
pub(crate) static FLOW_WAIT: FindingSpec = FindingSpec::note(
    "http2.flow-control-wait",
    "RFC 9113 §5.2",
    "Data waited for a WINDOW_UPDATE: the window was too small for it, and it followed as soon as that came.",
);
pub(crate) static FLOW_STALL: FindingSpec = FindingSpec::warning(
    "http2.flow-control-stall",
    "RFC 9113 §5.2",
    "Data waited 100 ms or more for a WINDOW_UPDATE: the receiver did not read, or its window is too small for the path.",
);
pub(crate) static SETTINGS_UNACKED: FindingSpec = FindingSpec::warning(
    "http2.settings-unacknowledged",
    "RFC 9113 §6.5.3",
    "Settings were not acknowledged, though the connection went on for 5 s or more.",
);
pub(crate) static PING_UNACKED: FindingSpec = FindingSpec::warning(
    "http2.ping-unacknowledged",
    "RFC 9113 §6.7",
    "A PING was not acknowledged, though the connection went on for 5 s or more.",
);
pub(crate) static RAPID_RESET: FindingSpec = FindingSpec::warning(
    "http2.rapid-reset",
    "CVE-2023-44487",
    "One end opened and reset streams in such numbers that its peer works for nothing.",
);
pub(crate) static PING_FLOOD: FindingSpec = FindingSpec::warning(
    "http2.ping-flood",
    "RFC 9113 §10.5, CVE-2019-9512",
    "PING frames in such numbers that answering them is work.",
);
pub(crate) static SETTINGS_FLOOD: FindingSpec = FindingSpec::warning(
    "http2.settings-flood",
    "RFC 9113 §10.5, CVE-2019-9515",
    "SETTINGS frames in such numbers that applying them is work.",
);
pub(crate) static EMPTY_FLOOD: FindingSpec = FindingSpec::warning(
    "http2.empty-frames-flood",
    "RFC 9113 §10.5, CVE-2019-9518",
    "Many frames without content that end nothing.",
);
pub(crate) static CONTINUATION_FLOOD: FindingSpec = FindingSpec::warning(
    "http2.continuation-flood",
    "RFC 9113 §10.5, CVE-2024-27316",
    "A header block goes on over more CONTINUATION frames than any header section needs.",
);
pub(crate) static HEADER_BOMB: FindingSpec = FindingSpec::warning(
    "http2.header-bomb",
    "RFC 7541 §7.3, RFC 9113 §10.5.1",
    "A header section is far larger than the block that it was decoded from: entries of the dynamic table are repeated.",
);
pub(crate) static HEADER_LIST_SIZE: FindingSpec = FindingSpec::warning(
    "http2.header-list-size",
    "RFC 9113 §6.5.2",
    "A header section is larger than the SETTINGS_MAX_HEADER_LIST_SIZE of the peer.",
);
pub(crate) static HEADER_NAME: FindingSpec = FindingSpec::error(
    "http2.header-name",
    "RFC 9113 §8.2.1",
    "The name of a header field has an uppercase letter, or a character that no name may have.",
);
pub(crate) static HEADER_VALUE: FindingSpec = FindingSpec::error(
    "http2.header-value",
    "RFC 9113 §8.2.1",
    "The value of a header field has a line break or a zero, or white space at an end.",
);
pub(crate) static CONNECTION_HEADER: FindingSpec = FindingSpec::error(
    "http2.connection-header",
    "RFC 9113 §8.2.2",
    "A header field of HTTP/1.1 connections: connection, proxy-connection, keep-alive, transfer-encoding, upgrade, or te with anything but trailers.",
);
pub(crate) static PSEUDO_ORDER: FindingSpec = FindingSpec::error(
    "http2.pseudo-header-order",
    "RFC 9113 §8.3",
    "A pseudo-header field stands behind a regular one.",
);
pub(crate) static PSEUDO_TWICE: FindingSpec = FindingSpec::error(
    "http2.pseudo-header-twice",
    "RFC 9113 §8.3",
    "A pseudo-header field stands twice in a section.",
);
pub(crate) static PSEUDO_UNKNOWN: FindingSpec = FindingSpec::error(
    "http2.pseudo-header-unknown",
    "RFC 9113 §8.3",
    "A pseudo-header field that is not defined for this section: a request's in a response or the reverse, any in trailers, or one that nobody knows.",
);
pub(crate) static PSEUDO_MISSING: FindingSpec = FindingSpec::error(
    "http2.pseudo-header-missing",
    "RFC 9113 §8.3.1",
    "A request lacks :method, :scheme or :path, or has an empty :path; or a response lacks :status.",
);
pub(crate) static PRIORITY_FIELD: FindingSpec = FindingSpec::warning(
    "http2.priority-field",
    "RFC 9218 §4",
    "A Priority field is no dictionary of structured fields, and is ignored.",
);
pub(crate) static PRIORITY_UPDATE: FindingSpec = FindingSpec::error(
    "http2.priority-update",
    "RFC 9218 §7.1",
    "A PRIORITY_UPDATE frame of the server, or for stream 0.",
);
pub(crate) static GOAWAY: FindingSpec = FindingSpec::note(
    "http2.goaway",
    "RFC 9113 §6.8",
    "The connection is being shut down without an error: by the server of its own accord, or while streams are open.",
);
pub(crate) static RST_STREAM: FindingSpec =
    FindingSpec::warning("http2.stream-reset", "RFC 9113 §6.4", "A stream was aborted.");
pub(crate) static RST_NOTE: FindingSpec = FindingSpec::note(
    "http2.stream-cancelled",
    "RFC 9113 §6.4",
    "A stream was let go of without an error.",
);
pub(crate) static RST_LATE: FindingSpec = FindingSpec::note(
    "http2.reset-after-end",
    "RFC 9113 §6.4",
    "A stream was aborted that both ends had ended: nothing was lost by that.",
);
pub(crate) static GOAWAY_ERROR: FindingSpec = FindingSpec::warning(
    "http2.goaway-error",
    "RFC 9113 §6.8",
    "The connection was shut down with an error.",
);
pub(crate) static TOO_MANY_STREAMS: FindingSpec = FindingSpec::warning(
    "http2.too-many-streams",
    "RFC 9113 §5.1.2",
    "More streams are open than this program follows: the rest is shown as frames alone.",
);
pub(crate) static TRUNCATED: FindingSpec =
    FindingSpec::error("http2.truncated", "RFC 9113 §4.1", "The bytes end within a frame.");
pub(crate) static GAP: FindingSpec = FindingSpec::error(
    "http2.gap",
    "RFC 9113 §4.1",
    "Bytes are missing. Behind them frames are found again, in a frame of known length by counting, else by headers that lead from one to the next; header fields inserted before are unknown then.",
);
pub(crate) static STREAM_UNFINISHED: FindingSpec = FindingSpec::warning(
    "http2.streams-unfinished",
    "RFC 9113 §5.1",
    "The connection ended while streams were open.",
);

pub(crate) static CONNECT_NOT_ENABLED: FindingSpec = FindingSpec::error(
    "http2.connect-not-enabled",
    "RFC 8441 §3",
    "Extended CONNECT is used, and the server had not allowed it by SETTINGS_ENABLE_CONNECT_PROTOCOL.",
);
pub(crate) static CONNECT_WITHDRAWN: FindingSpec = FindingSpec::error(
    "http2.connect-withdrawn",
    "RFC 8441 §3",
    "SETTINGS_ENABLE_CONNECT_PROTOCOL is set to 0 after it was 1.",
);
pub(crate) static PROTOCOL_WITHOUT_CONNECT: FindingSpec = FindingSpec::error(
    "http2.protocol-without-connect",
    "RFC 8441 §4",
    "A request has :protocol, and its method is not CONNECT.",
);
pub(crate) static BAD_CONNECT: FindingSpec = FindingSpec::error(
    "http2.bad-connect",
    "RFC 9113 §8.5",
    "A CONNECT request lacks a pseudo-header field, or has one that does not belong to it: the extended form has :scheme and :path (RFC 8441 §4), the ordinary one has not.",
);
pub(crate) static CONNECT_REFUSED: FindingSpec = FindingSpec::note(
    "http2.connect-refused",
    "RFC 8441 §5",
    "The answer to an extended CONNECT is not 2xx: the stream stays HTTP.",
);
pub(crate) static HEADERS_IN_TUNNEL: FindingSpec = FindingSpec::error(
    "http2.headers-in-tunnel",
    "RFC 9113 §8.5",
    "A header section on a stream that CONNECT has turned into a tunnel; nothing but DATA may be sent there.",
);

/// All of them, for `docs/FINDINGS.md`.
pub(crate) static FINDINGS: &[&FindingSpec] = &[
    &BAD_PREFACE,
    &ANSWERED_BY_HTTP1,
    &JOINED,
    &FIRST_NOT_SETTINGS,
    &BAD_UPGRADE_SETTINGS,
    &FRAME_SIZE,
    &FRAME_TOO_LARGE,
    &PADDING,
    &STREAM_ZERO,
    &STREAM_NOT_ZERO,
    &STREAM_PARITY,
    &STREAM_DECREASING,
    &STREAM_IDLE,
    &STREAM_CLOSED,
    &SELF_DEPENDENCY,
    &CONTINUATION,
    &BLOCK_INTERRUPTED,
    &TRAILERS_OPEN,
    &SECTION_TOO_LARGE,
    &HPACK_TRUNCATED,
    &HPACK_INTEGER,
    &HPACK_INVALID_INDEX,
    &HPACK_UNKNOWN_INDEX,
    &HPACK_HUFFMAN,
    &HPACK_SIZE_UPDATE,
    &HPACK_LATE_UPDATE,
    &SETTINGS_VALUE,
    &SETTINGS_ACK,
    &PUSH_BY_CLIENT,
    &PUSH_DISABLED,
    &WINDOW_ZERO,
    &WINDOW_EXCEEDED,
    &WINDOW_OVERFLOW,
    &FLOW_WAIT,
    &FLOW_STALL,
    &SETTINGS_UNACKED,
    &PING_UNACKED,
    &RAPID_RESET,
    &PING_FLOOD,
    &SETTINGS_FLOOD,
    &EMPTY_FLOOD,
    &CONTINUATION_FLOOD,
    &HEADER_BOMB,
    &HEADER_LIST_SIZE,
    &HEADER_NAME,
    &HEADER_VALUE,
    &CONNECTION_HEADER,
    &PSEUDO_ORDER,
    &PSEUDO_TWICE,
    &PSEUDO_UNKNOWN,
    &PSEUDO_MISSING,
    &PRIORITY_FIELD,
    &PRIORITY_UPDATE,
    &GOAWAY,
    &RST_STREAM,
    &RST_NOTE,
    &RST_LATE,
    &GOAWAY_ERROR,
    &TOO_MANY_STREAMS,
    &TRUNCATED,
    &GAP,
    &STREAM_UNFINISHED,
    &CONNECT_NOT_ENABLED,
    &CONNECT_WITHDRAWN,
    &PROTOCOL_WITHOUT_CONNECT,
    &BAD_CONNECT,
    &CONNECT_REFUSED,
    &HEADERS_IN_TUNNEL,
];
