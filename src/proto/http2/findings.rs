//! What can be wrong with HTTP/2.

use crate::finding::FindingSpec;

pub(crate) static BAD_PREFACE: FindingSpec = FindingSpec::error(
    "http2.bad-preface",
    "RFC 9113 §3.4",
    "The client does not begin with the connection preface.",
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
pub(crate) static RST_STREAM: FindingSpec =
    FindingSpec::warning("http2.stream-reset", "RFC 9113 §6.4", "A stream was aborted.");
pub(crate) static RST_NOTE: FindingSpec = FindingSpec::note(
    "http2.stream-cancelled",
    "RFC 9113 §6.4",
    "A stream was let go of without an error.",
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
    &RST_STREAM,
    &RST_NOTE,
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
