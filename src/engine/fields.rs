//! Fields of connections as the engine sees them.

use crate::field::{FieldSpec, Kind};

/// Length of an opaque run.
pub static OPAQUE_LENGTH: FieldSpec = FieldSpec::new(
    "tcp.opaque.length",
    "Length",
    0,
    Kind::Unsigned,
    "framescope",
    "Bytes that no protocol claims, sent in one run.",
);
/// Wireshark's stream index.
pub static TCP_STREAM: FieldSpec = FieldSpec::new(
    "tcp.stream",
    "Stream index",
    0,
    Kind::Unsigned,
    "framescope",
    "Number of the TCP connection, counted from 0 in order of appearance.",
);
/// Wireshark's UDP stream index.
pub static UDP_STREAM: FieldSpec = FieldSpec::new(
    "udp.stream",
    "Stream index",
    0,
    Kind::Unsigned,
    "framescope",
    "Number of the UDP flow, counted from 0 in order of appearance.",
);
/// Client bytes.
pub static CLIENT_BYTES: FieldSpec = FieldSpec::new(
    "tcp.connection.client_bytes",
    "Bytes from the client",
    0,
    Kind::Unsigned,
    "RFC 9293 §3.4",
    "Length of the client's stream, bytes in gaps included.",
);
/// Server bytes.
pub static SERVER_BYTES: FieldSpec = FieldSpec::new(
    "tcp.connection.server_bytes",
    "Bytes from the server",
    0,
    Kind::Unsigned,
    "RFC 9293 §3.4",
    "Length of the server's stream, bytes in gaps included.",
);
/// Opaque bytes.
pub static OPAQUE_BYTES: FieldSpec = FieldSpec::new(
    "tcp.connection.opaque_bytes",
    "Opaque bytes",
    0,
    Kind::Unsigned,
    "framescope",
    "Bytes of both directions that no protocol could read.",
);
/// Gap bytes.
pub static GAP_BYTES: FieldSpec = FieldSpec::new(
    "tcp.connection.gap_bytes",
    "Bytes not captured",
    0,
    Kind::Unsigned,
    "framescope",
    "Bytes of both directions that are missing from the capture.",
);
/// Packets.
pub static PACKETS: FieldSpec = FieldSpec::new(
    "tcp.connection.packets",
    "Packets",
    0,
    Kind::Unsigned,
    "framescope",
    "Packets of the connection in the capture.",
);
/// How it ended.
pub static ENDED_BY: FieldSpec = FieldSpec::new(
    "tcp.connection.end",
    "End",
    0,
    Kind::Text,
    "RFC 9293 §3.6",
    "How the connection ended: fin, reset, or open where the capture ended first.",
);
/// Protocols on it.
pub static PROTOCOLS: FieldSpec = FieldSpec::new(
    "tcp.connection.protocols",
    "Protocols",
    0,
    Kind::Text,
    "framescope",
    "What was recognised on it, from the bottom up.",
);
/// Duration.
pub static DURATION: FieldSpec = FieldSpec::new(
    "duration_ns",
    "Duration",
    0,
    Kind::Duration,
    "framescope",
    "From the first packet to the last.",
);
/// The round trip of the handshake.
pub static ROUND_TRIP: FieldSpec = FieldSpec::new(
    "tcp.connection.round_trip_ns",
    "Round trip",
    0,
    Kind::Duration,
    "RFC 9293 §3.5",
    "Of the handshake, from SYN to the acknowledgement of its answer: between both ends, wherever on the way it was captured.",
);
/// How soon the server answers.
pub static SERVER_ACK: FieldSpec = FieldSpec::new(
    "tcp.connection.ping.server_ns",
    "Round trip to the server",
    0,
    Kind::Duration,
    "RFC 9113 §6.5.3, §6.7",
    "HTTP/2: the shortest time from a PING or SETTINGS of the client to the server's acknowledgement, from where it was captured to the server and back. With that to the client it is the round trip between both ends.",
);
/// How often.
pub static SERVER_ACKS: FieldSpec = FieldSpec::new(
    "tcp.connection.ping.server_count",
    "Acknowledgements of the server",
    0,
    Kind::Unsigned,
    "RFC 9113 §6.5.3, §6.7",
    "HTTP/2: PING and SETTINGS of the client that the server acknowledged.",
);
/// How soon the client answers.
pub static CLIENT_ACK: FieldSpec = FieldSpec::new(
    "tcp.connection.ping.client_ns",
    "Round trip to the client",
    0,
    Kind::Duration,
    "RFC 9113 §6.5.3, §6.7",
    "HTTP/2: the shortest time from a PING or SETTINGS of the server to the client's acknowledgement, from where it was captured to the client and back.",
);
/// How often.
pub static CLIENT_ACKS: FieldSpec = FieldSpec::new(
    "tcp.connection.ping.client_count",
    "Acknowledgements of the client",
    0,
    Kind::Unsigned,
    "RFC 9113 §6.5.3, §6.7",
    "HTTP/2: PING and SETTINGS of the server that the client acknowledged.",
);

/// Bytes of a packet on the wire.
pub static FRAME_LEN: FieldSpec = FieldSpec::new(
    "frame.len",
    "Length on the wire",
    0,
    Kind::Unsigned,
    "framescope",
    "Bytes of the packet on the wire, from the link layer on.",
);
/// Bytes of a packet in the capture.
pub static FRAME_CAP_LEN: FieldSpec = FieldSpec::new(
    "frame.cap_len",
    "Length captured",
    0,
    Kind::Unsigned,
    "framescope",
    "Bytes of the packet that were captured.",
);

/// All of them.
pub static FIELDS: &[&FieldSpec] = &[
    &FRAME_LEN,
    &FRAME_CAP_LEN,
    &TCP_STREAM,
    &UDP_STREAM,
    &OPAQUE_LENGTH,
    &CLIENT_BYTES,
    &SERVER_BYTES,
    &OPAQUE_BYTES,
    &GAP_BYTES,
    &PACKETS,
    &ENDED_BY,
    &PROTOCOLS,
    &DURATION,
    &ROUND_TRIP,
    &SERVER_ACK,
    &SERVER_ACKS,
    &CLIENT_ACK,
    &CLIENT_ACKS,
];
