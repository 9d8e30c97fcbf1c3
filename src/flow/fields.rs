//! Fields that only the state of a connection gives: relative numbers and what
//! is remarkable about a segment. The header itself is the link layer's.

use crate::field::{FieldSpec, Kind};

const fn flag(
    name: &'static str,
    label: &'static str,
    section: &'static str,
    meaning: &'static str,
) -> FieldSpec {
    FieldSpec::new(name, label, 0, Kind::Flag, section, meaning)
}

/// Relative sequence number.
pub static SEQ: FieldSpec = FieldSpec::new(
    "tcp.seq",
    "Sequence number",
    32,
    Kind::Signed,
    "RFC 9293 §3.1",
    "Number of the first payload byte relative to the connection: SYN is 0.",
);
/// Length of the payload.
pub static LEN: FieldSpec = FieldSpec::new(
    "tcp.len",
    "Segment length",
    0,
    Kind::Unsigned,
    "RFC 9293 §3.4",
    "Bytes of payload on the wire, also where not all were captured.",
);
/// Relative acknowledgement number.
pub static ACK: FieldSpec = FieldSpec::new(
    "tcp.ack",
    "Acknowledgement number",
    32,
    Kind::Signed,
    "RFC 9293 §3.1",
    "Number of the byte expected next, relative to the connection; without ACK as it stands in the header.",
);
/// Scaled window.
pub static WINDOW: FieldSpec = FieldSpec::new(
    "tcp.window_size",
    "Calculated window size",
    0,
    Kind::Unsigned,
    "RFC 7323 §2.2",
    "Bytes that the sender of the segment can take, scaled where both ends agreed to.",
);

/// See [`Note::Retransmission`](crate::flow::Note::Retransmission).
pub static RETRANSMISSION: FieldSpec = flag(
    "tcp.analysis.retransmission",
    "Retransmission",
    "RFC 9293 §3.8.1",
    "Some or all of its bytes were sent again.",
);
/// See [`Note::FastRetransmission`](crate::flow::Note::FastRetransmission).
pub static FAST_RETRANSMISSION: FieldSpec = flag(
    "tcp.analysis.fast_retransmission",
    "Fast retransmission",
    "RFC 5681 §3.2",
    "Sent again because of duplicate acknowledgements, not of a timer.",
);
/// See [`Note::SpuriousRetransmission`](crate::flow::Note::SpuriousRetransmission).
pub static SPURIOUS_RETRANSMISSION: FieldSpec = flag(
    "tcp.analysis.spurious_retransmission",
    "Spurious retransmission",
    "RFC 9293 §3.8.1",
    "Sent again although it had been acknowledged.",
);
/// See [`Note::OutOfOrder`](crate::flow::Note::OutOfOrder).
pub static OUT_OF_ORDER: FieldSpec = flag(
    "tcp.analysis.out_of_order",
    "Out of order",
    "RFC 9293 §3.4",
    "Came after a segment that lies behind it in the stream.",
);
/// See [`Note::Duplicate`](crate::flow::Note::Duplicate).
pub static DUPLICATE: FieldSpec = flag(
    "tcp.analysis.duplicate",
    "Duplicate packet",
    "framescope",
    "The recorder saw the same packet twice, as happens on a loopback.",
);
/// See [`Note::KeepAlive`](crate::flow::Note::KeepAlive).
pub static KEEP_ALIVE: FieldSpec = flag(
    "tcp.analysis.keep_alive",
    "Keep-alive",
    "RFC 9293 §3.8.4",
    "At most one byte, one below what comes next: asks whether the peer is still there.",
);
/// See [`Note::KeepAliveAck`](crate::flow::Note::KeepAliveAck).
pub static KEEP_ALIVE_ACK: FieldSpec = flag(
    "tcp.analysis.keep_alive_ack",
    "Keep-alive acknowledgement",
    "RFC 9293 §3.8.4",
    "Answer to a keep-alive.",
);
/// See [`Note::ZeroWindow`](crate::flow::Note::ZeroWindow).
pub static ZERO_WINDOW: FieldSpec = flag(
    "tcp.analysis.zero_window",
    "Zero window",
    "RFC 9293 §3.8.6",
    "The sender of the segment can take no more data.",
);
/// See [`Note::ZeroWindowProbe`](crate::flow::Note::ZeroWindowProbe).
pub static ZERO_WINDOW_PROBE: FieldSpec = flag(
    "tcp.analysis.zero_window_probe",
    "Zero-window probe",
    "RFC 9293 §3.8.6.1",
    "The next byte, sent to a closed window to learn whether it has opened.",
);
/// See [`Note::ZeroWindowProbeAck`](crate::flow::Note::ZeroWindowProbeAck).
pub static ZERO_WINDOW_PROBE_ACK: FieldSpec = flag(
    "tcp.analysis.zero_window_probe_ack",
    "Zero-window probe acknowledgement",
    "RFC 9293 §3.8.6.1",
    "Answer to a zero-window probe: the window is still closed.",
);
/// See [`Note::WindowFull`](crate::flow::Note::WindowFull).
pub static WINDOW_FULL: FieldSpec = flag(
    "tcp.analysis.window_full",
    "Window full",
    "RFC 9293 §3.8.6",
    "The segment fills the receiver's window to the last byte.",
);
/// See [`Note::WindowUpdate`](crate::flow::Note::WindowUpdate).
pub static WINDOW_UPDATE: FieldSpec = flag(
    "tcp.analysis.window_update",
    "Window update",
    "RFC 9293 §3.8.6",
    "Tells a new window and nothing else.",
);
/// See [`Note::DupAck`](crate::flow::Note::DupAck).
pub static DUPLICATE_ACK: FieldSpec = flag(
    "tcp.analysis.duplicate_ack",
    "Duplicate acknowledgement",
    "RFC 5681 §2",
    "Acknowledges again what had been acknowledged: something came out of order.",
);
/// See [`Note::LostSegment`](crate::flow::Note::LostSegment).
pub static LOST_SEGMENT: FieldSpec = flag(
    "tcp.analysis.lost_segment",
    "Previous segment not captured",
    "RFC 9293 §3.4",
    "The bytes before this segment were not captured, or come later.",
);
/// See [`Note::AckedUnseen`](crate::flow::Note::AckedUnseen).
pub static ACK_LOST_SEGMENT: FieldSpec = flag(
    "tcp.analysis.ack_lost_segment",
    "Acknowledged segment not captured",
    "RFC 9293 §3.4",
    "Acknowledges bytes that were not captured, or come later.",
);
/// See [`Note::ReusedPorts`](crate::flow::Note::ReusedPorts).
pub static REUSED_PORTS: FieldSpec = flag(
    "tcp.analysis.reused_ports",
    "Ports reused",
    "RFC 9293 §3.6.1",
    "A new connection between addresses and ports that had one before.",
);
/// See [`Note::Conflict`](crate::flow::Note::Conflict).
pub static CONFLICT: FieldSpec = flag(
    "tcp.analysis.conflict",
    "Overlap conflict",
    "RFC 9293 §3.4",
    "Repeats bytes with other content.",
);
/// See [`Note::Snapped`](crate::flow::Note::Snapped).
pub static SNAPPED: FieldSpec = flag(
    "tcp.analysis.snapped",
    "Cut short by the recorder",
    "framescope",
    "Not all of the payload was captured.",
);

/// All of them.
pub static FIELDS: &[&FieldSpec] = &[
    &LEN,
    &SEQ,
    &ACK,
    &WINDOW,
    &RETRANSMISSION,
    &FAST_RETRANSMISSION,
    &SPURIOUS_RETRANSMISSION,
    &OUT_OF_ORDER,
    &DUPLICATE,
    &KEEP_ALIVE,
    &KEEP_ALIVE_ACK,
    &ZERO_WINDOW,
    &ZERO_WINDOW_PROBE,
    &ZERO_WINDOW_PROBE_ACK,
    &WINDOW_FULL,
    &WINDOW_UPDATE,
    &DUPLICATE_ACK,
    &LOST_SEGMENT,
    &ACK_LOST_SEGMENT,
    &REUSED_PORTS,
    &CONFLICT,
    &SNAPPED,
];
