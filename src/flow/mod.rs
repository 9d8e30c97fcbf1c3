//! TCP streams with their gaps, and UDP flows.
//!
//! ```text
//!  segment ──► FlowTable ──► TcpFlow ─┬─► Half A→B ──► Deliver: bytes, gap, fin, reset
//!              who talks     both     └─► Half B→A ──►          finding
//!              to whom       ends
//! ```
//!
//! A stream byte is delivered at most once and in order, straight from the packet
//! where the segment is the next one. What comes early is copied and held
//! (bounded by [`MAX_REORDER_BYTES`](crate::base::limits::MAX_REORDER_BYTES));
//! what never comes is told as a gap. Bytes and gaps together cover the stream
//! from offset 0 without a hole and without an overlap.
//!
//! Time is what the capture says, and it may step backwards.

mod analysis;
pub mod fields;
pub mod findings;
mod half;
mod notes;
mod table;
mod tcp;
mod udp;

#[cfg(test)]
mod holes;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod scenarios;
#[cfg(test)]
mod testing;

use crate::base::Moment;
use crate::finding::Finding;

pub use half::Ledger;
pub use notes::{Note, SegmentNotes};
pub use table::{Conversation, Flow, FlowTable, Found, Released, SlotId, Why, part_of};
pub use tcp::TcpFlow;
pub use udp::UdpFlow;

/// Transport of a conversation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Transport {
    /// TCP (RFC 9293).
    Tcp,
    /// UDP (RFC 768).
    Udp,
}

/// Direction within a conversation. A is the end that was seen sending first;
/// who is the client is another question ([`TcpFlow::client`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Dir {
    /// From A to B.
    AtoB,
    /// From B to A.
    BtoA,
}

impl Dir {
    /// Both, A's first.
    pub const BOTH: [Self; 2] = [Self::AtoB, Self::BtoA];

    /// The direction of what A (or, with `false`, B) sent.
    #[must_use]
    pub const fn from_a(from_a: bool) -> Self {
        if from_a { Self::AtoB } else { Self::BtoA }
    }

    /// The other direction.
    #[must_use]
    pub const fn reverse(self) -> Self {
        match self {
            Self::AtoB => Self::BtoA,
            Self::BtoA => Self::AtoB,
        }
    }

    /// 0 for A to B, 1 for B to A: an index into a pair.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::AtoB => 0,
            Self::BtoA => 1,
        }
    }
}

/// Where a delivered run of bytes lies: in one packet, without a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOrigin {
    /// The packet that carried the run (of a fragmented datagram: the fragment).
    pub moment: Moment,
    /// Offset of the run's first byte from the start of the captured bytes.
    pub at: u32,
}

/// Who is told what a stream holds.
///
/// Offsets count from 0, the first byte after SYN, or the first byte that was
/// captured where the capture began in the middle. In each direction they
/// ascend without a hole: every `bytes` and `gap` begins where the one before ended.
pub trait Deliver {
    /// The next bytes; never empty. Held bytes come with the packet that they
    /// were in, which is an earlier one than that being worked on.
    fn bytes(&mut self, dir: Dir, offset: u64, data: &[u8], origin: RunOrigin);
    /// `len` bytes were not captured, or too late.
    fn gap(&mut self, dir: Dir, offset: u64, len: u64);
    /// The direction ended with FIN, and all before it has been told. At most once. `at` is
    /// when both had been captured: before the packet that is being worked on where they
    /// waited behind bytes that were not.
    fn fin(&mut self, dir: Dir, at: Moment);
    /// The direction was aborted by its sender. At most once, and nothing of this
    /// direction follows; the other one may still bring what was under way.
    fn reset(&mut self, dir: Dir);
    /// The peer has bytes of this direction, or its end, that were not captured yet: told
    /// before what came with the acknowledgement.
    fn lacks(&mut self, _dir: Dir) {}
    /// Something odd that the sender of this direction did.
    fn finding(&mut self, dir: Dir, finding: Finding);
}
