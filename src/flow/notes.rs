//! What is remarkable about one segment, for `--level packet`.

use crate::field::FieldSpec;
use crate::flow::fields as f;

/// One remark; the number is its bit in [`SegmentNotes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Note {
    /// All of it had been sent before.
    Retransmission,
    /// Sent again after two or more duplicate acknowledgements.
    FastRetransmission,
    /// Sent again although it had been acknowledged.
    SpuriousRetransmission,
    /// Came after something that lies behind it.
    OutOfOrder,
    /// The recorder saw this packet twice.
    Duplicate,
    /// Keep-alive.
    KeepAlive,
    /// Answer to a keep-alive.
    KeepAliveAck,
    /// The sender can take no more.
    ZeroWindow,
    /// One byte sent to a closed window.
    ZeroWindowProbe,
    /// Answer to such a probe.
    ZeroWindowProbeAck,
    /// Fills the receiver's window to the last byte.
    WindowFull,
    /// Tells a new window and nothing else.
    WindowUpdate,
    /// Acknowledges again what had been acknowledged.
    DupAck,
    /// What lies before it was not captured (so far).
    LostSegment,
    /// Acknowledges what was not captured (so far).
    AckedUnseen,
    /// A new connection between ends that had one.
    ReusedPorts,
    /// Differs from an earlier copy of the same bytes.
    Conflict,
    /// Not all of its payload was captured.
    Snapped,
}

impl Note {
    /// All of them, by bit.
    pub const ALL: [Self; 18] = [
        Self::Retransmission,
        Self::FastRetransmission,
        Self::SpuriousRetransmission,
        Self::OutOfOrder,
        Self::Duplicate,
        Self::KeepAlive,
        Self::KeepAliveAck,
        Self::ZeroWindow,
        Self::ZeroWindowProbe,
        Self::ZeroWindowProbeAck,
        Self::WindowFull,
        Self::WindowUpdate,
        Self::DupAck,
        Self::LostSegment,
        Self::AckedUnseen,
        Self::ReusedPorts,
        Self::Conflict,
        Self::Snapped,
    ];

    /// Its field: Wireshark's name, where Wireshark has it.
    #[must_use]
    pub const fn spec(self) -> &'static FieldSpec {
        match self {
            Self::Retransmission => &f::RETRANSMISSION,
            Self::FastRetransmission => &f::FAST_RETRANSMISSION,
            Self::SpuriousRetransmission => &f::SPURIOUS_RETRANSMISSION,
            Self::OutOfOrder => &f::OUT_OF_ORDER,
            Self::Duplicate => &f::DUPLICATE,
            Self::KeepAlive => &f::KEEP_ALIVE,
            Self::KeepAliveAck => &f::KEEP_ALIVE_ACK,
            Self::ZeroWindow => &f::ZERO_WINDOW,
            Self::ZeroWindowProbe => &f::ZERO_WINDOW_PROBE,
            Self::ZeroWindowProbeAck => &f::ZERO_WINDOW_PROBE_ACK,
            Self::WindowFull => &f::WINDOW_FULL,
            Self::WindowUpdate => &f::WINDOW_UPDATE,
            Self::DupAck => &f::DUPLICATE_ACK,
            Self::LostSegment => &f::LOST_SEGMENT,
            Self::AckedUnseen => &f::ACK_LOST_SEGMENT,
            Self::ReusedPorts => &f::REUSED_PORTS,
            Self::Conflict => &f::CONFLICT,
            Self::Snapped => &f::SNAPPED,
        }
    }

    const fn bit(self) -> u32 {
        1 << self as u8
    }
}

/// What is remarkable about one segment, and its numbers relative to its connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentNotes {
    bits: u32,
    /// Sequence number relative to the connection, as Wireshark counts: SYN is
    /// 0, the first byte after it 1. It does not wrap. Zero or below for what
    /// lies before the first segment that was captured.
    pub seq: i64,
    /// Acknowledgement number, relative in the same way to the other direction;
    /// `None` without the ACK flag.
    pub ack: Option<i64>,
    /// The sender's window in bytes, scaled where both SYNs were seen with the
    /// option (RFC 7323 §2.2).
    pub window: u32,
}

impl SegmentNotes {
    /// Adds a remark.
    pub const fn set(&mut self, note: Note) {
        self.bits |= note.bit();
    }

    /// Takes a remark back.
    pub const fn clear(&mut self, note: Note) {
        self.bits &= !note.bit();
    }

    /// Whether it was made.
    #[must_use]
    pub const fn has(&self, note: Note) -> bool {
        self.bits & note.bit() != 0
    }

    /// Whether any was made.
    #[must_use]
    pub const fn is_remarkable(&self) -> bool {
        self.bits != 0
    }

    /// The remarks that were made.
    pub fn iter(&self) -> impl Iterator<Item = Note> + '_ {
        Note::ALL.into_iter().filter(|n| self.has(*n))
    }

    /// Field names of the remarks: `tcp.analysis.retransmission`, …
    pub fn names(&self) -> impl Iterator<Item = &'static str> + '_ {
        self.iter().map(|n| n.spec().name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_note_has_its_own_bit_and_name() {
        let mut n = SegmentNotes::default();
        for (i, note) in Note::ALL.into_iter().enumerate() {
            assert_eq!(note.bit(), 1 << i);
            n.set(note);
        }
        let mut names: Vec<_> = n.names().collect();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), Note::ALL.len());
        n.clear(Note::Snapped);
        assert!(!n.has(Note::Snapped));
    }
}
