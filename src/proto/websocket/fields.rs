//! The fields of WebSocket: names as Wireshark has them where it has them.

use super::close;
use crate::field::{FieldSpec, Kind};

/// FIN.
pub static FIN: FieldSpec = FieldSpec::new(
    "websocket.fin",
    "Fin",
    1,
    Kind::Flag,
    "RFC 6455 §5.2",
    "This is the last frame of its message.",
);

/// The three reserved bits together: the group around them.
pub static RSV_BITS: FieldSpec = FieldSpec::new(
    "websocket.rsv_bits",
    "Reserved bits",
    3,
    Kind::Group,
    "RFC 6455 §5.2",
    "Three bits that are 0 unless an extension gives them a meaning.",
);

/// RSV1.
pub static RSV1: FieldSpec = FieldSpec::new(
    "websocket.rsv1",
    "RSV1",
    1,
    Kind::Flag,
    "RFC 7692 §6",
    "The message is compressed, where permessage-deflate was agreed.",
);

/// RSV2.
pub static RSV2: FieldSpec = FieldSpec::new(
    "websocket.rsv2",
    "RSV2",
    1,
    Kind::Flag,
    "RFC 6455 §5.2",
    "Reserved for extensions; no registered one uses it.",
);

/// RSV3.
pub static RSV3: FieldSpec = FieldSpec::new(
    "websocket.rsv3",
    "RSV3",
    1,
    Kind::Flag,
    "RFC 6455 §5.2",
    "Reserved for extensions; no registered one uses it.",
);

/// The three reserved bits as one number.
pub static RSV: FieldSpec = FieldSpec::new(
    "websocket.rsv",
    "Reserved",
    3,
    Kind::Unsigned,
    "RFC 6455 §5.2",
    "RSV1, RSV2 and RSV3 read as one number.",
);

/// Opcode.
pub static OPCODE: FieldSpec = FieldSpec::new(
    "websocket.opcode",
    "Opcode",
    4,
    Kind::Enumerated,
    "RFC 6455 §5.2",
    "What the payload is; 8 and above are control frames.",
)
.named(opcode_name);

/// MASK.
pub static MASK: FieldSpec = FieldSpec::new(
    "websocket.mask",
    "Mask",
    1,
    Kind::Flag,
    "RFC 6455 §5.2",
    "The payload is masked; clients must, servers must not.",
);

/// The 7-bit length.
pub static PAYLOAD_LENGTH: FieldSpec = FieldSpec::new(
    "websocket.payload_length",
    "Payload length",
    7,
    Kind::Unsigned,
    "RFC 6455 §5.2",
    "Bytes of payload; 126 and 127 mean that 16 or 64 bits of length follow.",
);

/// The 16-bit length.
pub static PAYLOAD_LENGTH_EXT_16: FieldSpec = FieldSpec::new(
    "websocket.payload_length_ext_16",
    "Extended payload length (16 bits)",
    16,
    Kind::Unsigned,
    "RFC 6455 §5.2",
    "Bytes of payload, where the 7-bit length is 126.",
);

/// The 64-bit length.
pub static PAYLOAD_LENGTH_EXT_64: FieldSpec = FieldSpec::new(
    "websocket.payload_length_ext_64",
    "Extended payload length (64 bits)",
    64,
    Kind::Unsigned,
    "RFC 6455 §5.2",
    "Bytes of payload, where the 7-bit length is 127; the top bit must be 0.",
);

/// The masking key.
pub static MASKING_KEY: FieldSpec = FieldSpec::new(
    "websocket.masking_key",
    "Masking key",
    32,
    Kind::Bytes,
    "RFC 6455 §5.3",
    "Byte i of the payload is masked with byte i modulo 4 of this.",
);

/// The beginning of a head whose rest did not come.
pub static HEAD_CUT: FieldSpec = FieldSpec::new(
    "websocket.head_cut",
    "Head, cut short",
    0,
    Kind::Bytes,
    "RFC 6455 §5.2",
    "The beginning of a field of the head, whose rest was not captured.",
);

/// Bytes that belong to no frame that is known.
pub static UNSYNCHRONISED: FieldSpec = FieldSpec::new(
    "websocket.unsynchronised",
    "No known frame",
    0,
    Kind::Data,
    "RFC 6455 §5.2",
    "Bytes behind a hole, or at the beginning of a capture, before the first frame that is certain.",
);

/// Bytes that were not captured.
pub static GAP_LENGTH: FieldSpec = FieldSpec::new(
    "websocket.gap_length",
    "Length of the hole",
    0,
    Kind::Unsigned,
    "RFC 6455 §5.2",
    "Bytes of this direction that were not captured, at the end of a frame or between frames.",
);

/// The payload as it lay on the wire.
pub static PAYLOAD: FieldSpec = FieldSpec::new(
    "websocket.payload",
    "Payload",
    0,
    Kind::Data,
    "RFC 6455 §5.2",
    "What the frame carries.",
);

/// The payload after unmasking.
pub static UNMASKED_PAYLOAD: FieldSpec = FieldSpec::new(
    "websocket.unmasked_payload",
    "Unmasked payload",
    0,
    Kind::Data,
    "RFC 6455 §5.3",
    "What the frame carries, with the mask taken off.",
);

/// The body of a close frame.
pub static CLOSE: FieldSpec = FieldSpec::new(
    "websocket.payload.close",
    "Close",
    0,
    Kind::Group,
    "RFC 6455 §5.5.1",
    "Why the sender closes.",
);

/// The status code of a close frame.
pub static CLOSE_CODE: FieldSpec = FieldSpec::new(
    "websocket.payload.close.status_code",
    "Status code",
    16,
    Kind::Enumerated,
    "RFC 6455 §7.4",
    "Why the sender closes.",
)
.named(close::name);

/// The reason of a close frame.
pub static CLOSE_REASON: FieldSpec = FieldSpec::new(
    "websocket.payload.close.reason",
    "Reason",
    0,
    Kind::Text,
    "RFC 6455 §7.1.6",
    "Why the sender closes, in words; not meant for people.",
);

/// A close body of one byte, which is no status code.
pub static CLOSE_STRAY: FieldSpec = FieldSpec::new(
    "websocket.payload.close.stray",
    "Half a status code",
    8,
    Kind::Bytes,
    "RFC 6455 §5.5.1",
    "A single byte where a status code of two must be.",
);

/// The length of the payload, whichever field states it.
pub static PAYLOAD_LENGTH_ACTUAL: FieldSpec = FieldSpec::new(
    "websocket.payload_length_actual",
    "Length of the payload",
    0,
    Kind::Unsigned,
    "RFC 6455 §5.2",
    "Bytes of payload, whichever of the three length fields states it.",
);

/// Length of a message.
pub static MESSAGE_LENGTH: FieldSpec = FieldSpec::new(
    "websocket.message_length",
    "Length of the message",
    0,
    Kind::Unsigned,
    "RFC 6455 §5.4",
    "Bytes of the whole message: of all its frames, unmasked and inflated.",
);

/// Compressed length of a message.
pub static COMPRESSED_LENGTH: FieldSpec = FieldSpec::new(
    "websocket.compressed_length",
    "Compressed length",
    0,
    Kind::Unsigned,
    "RFC 7692 §7.2",
    "Bytes of the payloads of all its frames, before inflation; of a session, of all its compressed messages.",
);

/// Compressed over inflated length.
pub static COMPRESSION_RATIO: FieldSpec = FieldSpec::new(
    "websocket.compression_ratio",
    "Compression ratio",
    0,
    Kind::Float,
    "RFC 7692 §7.2",
    "Inflated length over compressed length; of a session, of all its compressed messages.",
);

/// Frames of a message.
pub static FRAMES: FieldSpec = FieldSpec::new(
    "websocket.frames",
    "Frames",
    0,
    Kind::Unsigned,
    "RFC 6455 §5.4",
    "How many frames carried the message.",
);

/// The request target of the handshake.
pub static URI: FieldSpec = FieldSpec::new(
    "websocket.uri",
    "Resource",
    0,
    Kind::Text,
    "RFC 6455 §3",
    "The request target of the handshake.",
);

/// The host of the handshake.
pub static HOST: FieldSpec = FieldSpec::new(
    "websocket.host",
    "Host",
    0,
    Kind::Text,
    "RFC 6455 §4.1",
    "The host that the client asked for.",
);

/// The subprotocol that was agreed.
pub static SUBPROTOCOL: FieldSpec = FieldSpec::new(
    "websocket.subprotocol",
    "Subprotocol",
    0,
    Kind::Text,
    "RFC 6455 §1.9",
    "What the messages are, as the server chose from what the client offered.",
);

/// The extensions that were agreed.
pub static EXTENSIONS: FieldSpec = FieldSpec::new(
    "websocket.extensions",
    "Extensions",
    0,
    Kind::Text,
    "RFC 6455 §9",
    "The extensions that the server agreed to, with their parameters.",
);

/// Messages of the client.
pub static CLIENT_MESSAGES: FieldSpec = FieldSpec::new(
    "websocket.client_messages",
    "Messages from the client",
    0,
    Kind::Unsigned,
    "RFC 6455 §5.6",
    "Text and binary messages that the client sent.",
);

/// Messages of the server.
pub static SERVER_MESSAGES: FieldSpec = FieldSpec::new(
    "websocket.server_messages",
    "Messages from the server",
    0,
    Kind::Unsigned,
    "RFC 6455 §5.6",
    "Text and binary messages that the server sent.",
);

/// Bytes of the client's messages.
pub static CLIENT_BYTES: FieldSpec = FieldSpec::new(
    "websocket.client_bytes",
    "Bytes from the client",
    0,
    Kind::Unsigned,
    "RFC 6455 §5.6",
    "Bytes of the client's messages, inflated.",
);

/// Bytes of the server's messages.
pub static SERVER_BYTES: FieldSpec = FieldSpec::new(
    "websocket.server_bytes",
    "Bytes from the server",
    0,
    Kind::Unsigned,
    "RFC 6455 §5.6",
    "Bytes of the server's messages, inflated.",
);

/// Frame bytes from the client.
pub static CLIENT_FRAME_BYTES: FieldSpec = FieldSpec::new(
    "websocket.client_frame_bytes",
    "Frame bytes from the client",
    0,
    Kind::Unsigned,
    "RFC 6455 §5.2",
    "Bytes of the client's frames as sent, heads included.",
);

/// Frame bytes from the server.
pub static SERVER_FRAME_BYTES: FieldSpec = FieldSpec::new(
    "websocket.server_frame_bytes",
    "Frame bytes from the server",
    0,
    Kind::Unsigned,
    "RFC 6455 §5.2",
    "Bytes of the server's frames as sent, heads included.",
);

/// Pings of both.
pub static PINGS: FieldSpec = FieldSpec::new(
    "websocket.pings",
    "Pings",
    0,
    Kind::Unsigned,
    "RFC 6455 §5.5.2",
    "Ping frames of both ends.",
);

/// Pongs of both.
pub static PONGS: FieldSpec = FieldSpec::new(
    "websocket.pongs",
    "Pongs",
    0,
    Kind::Unsigned,
    "RFC 6455 §5.5.3",
    "Pong frames of both ends.",
);

/// Pings without a pong.
pub static UNANSWERED_PINGS: FieldSpec = FieldSpec::new(
    "websocket.unanswered_pings",
    "Pings without a pong",
    0,
    Kind::Unsigned,
    "RFC 6455 §5.5.2",
    "Pings of both ends that had no pong when the session ended.",
);

/// Shortest ping.
pub static PING_MIN: FieldSpec = FieldSpec::new(
    "websocket.ping_min_ns",
    "Shortest ping",
    0,
    Kind::Duration,
    "RFC 6455 §5.5.3",
    "The shortest round trip of a ping and its pong, as captured.",
);

/// Mean ping.
pub static PING_MEAN: FieldSpec = FieldSpec::new(
    "websocket.ping_mean_ns",
    "Mean ping",
    0,
    Kind::Duration,
    "RFC 6455 §5.5.3",
    "The mean round trip of pings and their pongs.",
);

/// Longest ping.
pub static PING_MAX: FieldSpec = FieldSpec::new(
    "websocket.ping_max_ns",
    "Longest ping",
    0,
    Kind::Duration,
    "RFC 6455 §5.5.3",
    "The longest round trip of a ping and its pong.",
);

/// Longest silence.
pub static LONGEST_SILENCE: FieldSpec = FieldSpec::new(
    "websocket.longest_silence_ns",
    "Longest silence",
    0,
    Kind::Duration,
    "RFC 6455 §5.5.2",
    "The longest time in which neither end sent a frame.",
);

/// The code that the session ended with.
pub static SESSION_CODE: FieldSpec = FieldSpec::new(
    "websocket.close_code",
    "Close code",
    0,
    Kind::Enumerated,
    "RFC 6455 §7.1.5",
    "The code of the first close frame; 1005 where it had none, 1006 where there was no close frame.",
)
.named(close::name);

/// The reason that the session ended with.
pub static SESSION_REASON: FieldSpec = FieldSpec::new(
    "websocket.close_reason",
    "Close reason",
    0,
    Kind::Text,
    "RFC 6455 §7.1.6",
    "The reason of the first close frame.",
);

/// Who closed first.
pub static CLOSED_BY: FieldSpec = FieldSpec::new(
    "websocket.closed_by",
    "Closed by",
    0,
    Kind::Text,
    "RFC 6455 §7.1.2",
    "Who sent the first close frame, or ended the connection without one: client or server.",
);

/// How the session ended.
pub static ENDED: FieldSpec = FieldSpec::new(
    "websocket.ended",
    "Ended",
    0,
    Kind::Text,
    "RFC 6455 §7.1",
    "close handshake, close without reply, reply not captured, fin without close, reset, one direction captured (what the other sent was not), capture ended, or state let go (--mem).",
);

/// Cause of the end.
pub static CAUSE: FieldSpec = FieldSpec::new(
    "websocket.end_cause",
    "Cause of the end",
    0,
    Kind::Text,
    "RFC 6455 §7.1",
    "close, close on error, protocol error, message too big, unanswered ping, idle timeout, fin, reset, not captured, or open.",
);

/// Verdict.
pub static VERDICT: FieldSpec = FieldSpec::new(
    "websocket.verdict",
    "Verdict",
    0,
    Kind::Text,
    "RFC 6455 §7.1",
    "Who ended the session, with which code, and why, as far as the packets prove it.",
);

/// Proof.
pub static PROOF: FieldSpec = FieldSpec::new(
    "websocket.proof_packets",
    "Proof",
    0,
    Kind::Unsigned,
    "RFC 6455 §7.1",
    "The packets that prove the verdict: what led to the end, and the end.",
)
.repeated();

/// How long the session lasted.
pub static DURATION: FieldSpec = FieldSpec::new(
    "duration_ns",
    "Duration",
    0,
    Kind::Duration,
    "RFC 6455 §7.1",
    "From the first byte of the handshake to the end of the connection.",
);

/// The name of an opcode (RFC 6455 §11.8).
#[must_use]
pub const fn opcode_name(opcode: u64) -> Option<&'static str> {
    Some(match opcode {
        0 => "continuation",
        1 => "text",
        2 => "binary",
        8 => "close",
        9 => "ping",
        10 => "pong",
        3..=7 | 11..=15 => "reserved",
        _ => return None,
    })
}

/// All of them, in the order of the wire.
pub static FIELDS: &[&FieldSpec] = &[
    &FIN,
    &RSV_BITS,
    &RSV1,
    &RSV2,
    &RSV3,
    &RSV,
    &OPCODE,
    &MASK,
    &PAYLOAD_LENGTH,
    &PAYLOAD_LENGTH_EXT_16,
    &PAYLOAD_LENGTH_EXT_64,
    &MASKING_KEY,
    &HEAD_CUT,
    &UNSYNCHRONISED,
    &GAP_LENGTH,
    &PAYLOAD,
    &UNMASKED_PAYLOAD,
    &CLOSE,
    &CLOSE_CODE,
    &CLOSE_REASON,
    &CLOSE_STRAY,
    &PAYLOAD_LENGTH_ACTUAL,
    &MESSAGE_LENGTH,
    &COMPRESSED_LENGTH,
    &COMPRESSION_RATIO,
    &FRAMES,
    &URI,
    &HOST,
    &SUBPROTOCOL,
    &EXTENSIONS,
    &CLIENT_MESSAGES,
    &SERVER_MESSAGES,
    &CLIENT_BYTES,
    &SERVER_BYTES,
    &CLIENT_FRAME_BYTES,
    &SERVER_FRAME_BYTES,
    &PINGS,
    &PONGS,
    &UNANSWERED_PINGS,
    &PING_MIN,
    &PING_MEAN,
    &PING_MAX,
    &LONGEST_SILENCE,
    &SESSION_CODE,
    &SESSION_REASON,
    &CLOSED_BY,
    &ENDED,
    &CAUSE,
    &VERDICT,
    &PROOF,
    &DURATION,
];
