//! One direction of a connection: sequence numbers to a stream with gaps.
//!
//! Inside, a byte has a *position*: a `u64` that does not wrap, with room below
//! the first segment, so that what precedes it can still be placed. The offset
//! that is told outside is the position less that of the stream's start.
//!
//! ```text
//!            start        next          held          top
//!   ───────────┼────────────┼······┌────────┐···┌──────┼──
//!              │ delivered  │ hole │ copies │   │      │
//! ```

mod gaps;
mod place;

use std::collections::BTreeMap;

use crate::base::limits::MAX_SEQUENCE_AHEAD;
use crate::base::{CaptureTime, Moment};
use crate::finding::FindingSpec;
use crate::flow::findings::{self as f, Tally};
use crate::flow::{Deliver, Dir, RunOrigin};

/// Position of the first byte that is known of: far enough from 0 that half the
/// sequence space fits below it.
pub(in crate::flow) const ORIGIN: u64 = 1 << 33;
/// What one held segment costs beside its bytes: its node and its allocation.
const HELD_OVERHEAD: usize = 96;
/// Ranges known to have been cut off by the recorder, and gaps, that are
/// remembered per direction; the oldest are forgotten.
const MAX_RANGES: usize = 64;
/// Last bytes delivered that are kept to compare a retransmission with.
const TAIL: usize = 64;

/// What became of the payload bytes of one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Captured: the sum of `delivered`, `duplicate`, `late`, `foreign` and `held`.
    pub captured: u64,
    /// Handed on.
    pub delivered: u64,
    /// Captured a second time, or more often.
    pub duplicate: u64,
    /// Captured after their place had been passed over.
    pub late: u64,
    /// Not of the stream: beyond FIN or RST, in a RST, outside any window, let go.
    pub foreign: u64,
    /// Waiting behind a hole.
    pub held: u64,
    /// Declared as gaps (not among the captured).
    pub gaps: u64,
}

/// The packet that is being worked on.
#[derive(Clone, Copy, Debug)]
pub(in crate::flow) struct Cx {
    pub(in crate::flow) dir: Dir,
    /// Packets of the flow so far, with this one.
    pub(in crate::flow) packets: u64,
    pub(in crate::flow) at: Moment,
    /// The other direction was never seen: nobody acknowledges.
    pub(in crate::flow) one_way: bool,
}

/// What a segment brought.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::flow) struct Placed {
    /// Bytes that nobody had seen, those that were not captured included.
    pub(in crate::flow) fresh: u64,
    /// Bytes that had been seen with other content.
    pub(in crate::flow) conflict: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::flow) enum State {
    #[default]
    Open,
    Finished,
    Reset,
}

#[derive(Clone, Debug)]
struct Held {
    data: Box<[u8]>,
    origin: RunOrigin,
    packets: u64,
    time: CaptureTime,
}

#[derive(Clone, Copy, Debug)]
struct Hole {
    from: u64,
    packets: u64,
    time: CaptureTime,
}

#[derive(Clone, Debug, Default)]
struct Tallies {
    conflict: Tally,
    gap: Tally,
    late: Tally,
    limit: Tally,
    after_fin: Tally,
    after_reset: Tally,
    outside: Tally,
    snapped: Tally,
}

/// One direction.
#[derive(Clone, Debug)]
pub(in crate::flow) struct Half {
    /// Sequence number at [`ORIGIN`].
    base: Option<u32>,
    /// Whether `start` stands: by a SYN, or because it has been decided.
    started: bool,
    start: u64,
    pub(in crate::flow) next: u64,
    /// One past the highest byte sent.
    pub(in crate::flow) top: u64,
    /// Lowest byte seen before the start was decided, and when.
    lowest: Option<(u64, u64, CaptureTime)>,
    /// Highest position that the peer has acknowledged.
    pub(in crate::flow) acked: Option<u64>,
    fin: Option<u64>,
    /// When FIN and all that was captured before it had come.
    fin_at: Option<Moment>,
    pub(in crate::flow) state: State,
    held: BTreeMap<u64, Held>,
    held_bytes: usize,
    hole: Option<Hole>,
    snapped: Vec<(u64, u64)>,
    gaps: Vec<(u64, u64)>,
    tail: [u8; TAIL],
    tail_len: usize,
    ledger: Ledger,
    // Counters that most connections never need.
    tallies: Option<Box<Tallies>>,
}

impl Default for Half {
    fn default() -> Self {
        Self {
            base: None,
            started: false,
            start: ORIGIN,
            next: ORIGIN,
            top: ORIGIN,
            lowest: None,
            acked: None,
            fin: None,
            fin_at: None,
            state: State::Open,
            held: BTreeMap::new(),
            held_bytes: 0,
            hole: None,
            snapped: Vec::new(),
            gaps: Vec::new(),
            tail: [0; TAIL],
            tail_len: 0,
            ledger: Ledger::default(),
            tallies: None,
        }
    }
}

impl Half {
    /// Position of a sequence number; the first one asked for becomes [`ORIGIN`].
    pub(in crate::flow) fn position(&mut self, seq: u32) -> u64 {
        let base = *self.base.get_or_insert(seq);
        // What is meant is the nearest one to where the stream is (RFC 9293 §3.4).
        let here = base.wrapping_add((self.next.wrapping_sub(ORIGIN)) as u32);
        let distance = seq.wrapping_sub(here).cast_signed();
        self.next.saturating_add_signed(i64::from(distance))
    }

    /// A SYN, or the acknowledgement of one, tells where the stream begins.
    /// `false` if it is known and elsewhere.
    pub(in crate::flow) fn anchor(&mut self, first: u32) -> bool {
        match self.base {
            None => {
                self.base = Some(first);
                self.started = true;
                true
            }
            Some(base) if self.started => base == first,
            Some(_) => {
                // Data, or an acknowledgement, was seen before the SYN.
                let p = self.position(first);
                if self.lowest.is_some_and(|(low, ..)| low < p) {
                    return false;
                }
                (self.start, self.next, self.started) = (p, p, true);
                self.top = self.top.max(p);
                true
            }
        }
    }

    /// Sequence number of the stream's first byte, once that is decided.
    pub(in crate::flow) fn first_sequence(&self) -> Option<u32> {
        // The low 32 bits of a position are what sequence numbers count.
        let first = self.base?.wrapping_add(self.start.wrapping_sub(ORIGIN) as u32);
        self.started.then_some(first)
    }

    /// Whether anything of this direction is known.
    pub(in crate::flow) const fn is_known(&self) -> bool {
        self.base.is_some()
    }

    /// Sequence position that comes next from the sender, FIN counted.
    pub(in crate::flow) fn sent(&self) -> u64 {
        self.fin.map_or(self.top, |f| f.saturating_add(1).max(self.top))
    }

    /// Whether a segment at `p` can go straight through (see [`Half::pass`]).
    #[inline]
    pub(in crate::flow) fn is_next(&self, p: u64) -> bool {
        self.next == p
            && self.top == p
            && self.started
            && self.held.is_empty()
            && self.fin.is_none()
            && self.state == State::Open
    }

    /// Hands on a whole segment for which [`Half::is_next`].
    #[inline]
    pub(in crate::flow) fn pass(
        &mut self,
        data: &[u8],
        origin: RunOrigin,
        cx: &Cx,
        out: &mut dyn Deliver,
    ) {
        self.ledger.captured = self.ledger.captured.saturating_add(data.len() as u64);
        self.deliver(data, origin, cx.dir, out);
        if self.hole.is_some() {
            self.look_for_hole(cx);
        }
    }

    #[inline]
    fn deliver(&mut self, data: &[u8], origin: RunOrigin, dir: Dir, out: &mut dyn Deliver) {
        if data.is_empty() {
            return;
        }
        let len = data.len() as u64;
        // What fills a hole before FIN completes the direction.
        if let Some(at) = self.fin_at.as_mut().filter(|at| at.time < origin.moment.time) {
            *at = origin.moment;
        }
        let offset = self.next.saturating_sub(self.start);
        self.next = self.next.saturating_add(len);
        self.top = self.top.max(self.next);
        self.ledger.delivered = self.ledger.delivered.saturating_add(len);
        if let Some(last) = data.last_chunk::<TAIL>() {
            self.tail = *last;
            self.tail_len = TAIL;
        } else {
            self.tail.rotate_left(data.len());
            if let Some(end) = self.tail.get_mut(TAIL.saturating_sub(data.len())..) {
                end.copy_from_slice(data);
            }
            self.tail_len = TAIL.min(self.tail_len.saturating_add(data.len()));
        }
        out.bytes(dir, offset, data, origin);
    }

    /// Notes an acknowledgement of what this direction sent.
    /// `true` if it acknowledges more than was seen.
    pub(in crate::flow) fn acknowledge(&mut self, p: u64) -> bool {
        let known = self.top.max(self.acked.unwrap_or(0));
        if p > known.saturating_add(MAX_SEQUENCE_AHEAD) {
            return true;
        }
        let unseen = p > self.sent();
        if self.acked.is_none_or(|a| a < p) {
            self.acked = Some(p);
        }
        if !self.started && self.lowest.is_none() {
            // Nothing was captured so far: the stream begins here at the earliest.
            self.next = self.next.max(p);
            self.top = self.top.max(p);
            return false;
        }
        unseen
    }

    /// A segment without data at `p` says that the sender is there.
    pub(in crate::flow) fn stands_at(&mut self, p: u64) {
        if !self.started && self.lowest.is_none() && self.fin.is_none() {
            (self.start, self.next, self.started) = (p, p, true);
            self.top = p;
        }
    }

    /// FIN at `p`.
    pub(in crate::flow) fn finish_at(&mut self, p: u64, cx: &Cx, out: &mut dyn Deliver) {
        if self.fin.is_some() || self.state != State::Open {
            return;
        }
        if !self.started {
            let (n, t) = self.lowest.map_or((cx.packets, cx.at.time), |(_, n, t)| (n, t));
            self.lowest = Some((self.lowest.map_or(p, |(low, ..)| low.min(p)), n, t));
        } else if p < self.next {
            // An acknowledgement of FIN looks like one of a byte more; if that
            // byte was passed over, FIN comes after all.
            let passed = self.gaps.last().is_some_and(|(from, to)| *from <= p && *to == self.next);
            if !passed || self.top > self.next {
                return;
            }
            self.fin = Some(self.next);
            self.fin_at = Some(cx.at);
            return self.settle(cx, out);
        }
        if p < self.top {
            self.tell(
                &f::DATA_AFTER_FIN,
                |t| &mut t.after_fin,
                0,
                cx,
                out,
                || "data that lies beyond was captured before".into(),
            );
            return;
        }
        self.top = self.top.max(p);
        self.fin = Some(p);
        self.fin_at = Some(cx.at);
        self.settle(cx, out);
    }

    /// RST: nothing that is missing will come.
    pub(in crate::flow) fn reset(&mut self, cx: &Cx, out: &mut dyn Deliver) {
        if self.state == State::Open {
            self.flush(cx, out);
        }
        // Behind its own FIN it aborts what the peer still sends.
        if self.state != State::Reset {
            out.reset(cx.dir);
        }
        self.state = State::Reset;
    }

    /// Tells the sums of what was only told once.
    pub(in crate::flow) fn sums(&mut self, dir: Dir, out: &mut dyn Deliver) {
        let Some(mut t) = self.tallies.take() else { return };
        for (tally, spec) in [
            (&mut t.conflict, &f::OVERLAP_CONFLICT),
            (&mut t.gap, &f::GAP),
            (&mut t.late, &f::LATE_DATA),
            (&mut t.limit, &f::REORDER_LIMIT),
            (&mut t.after_fin, &f::DATA_AFTER_FIN),
            (&mut t.after_reset, &f::DATA_AFTER_RESET),
            (&mut t.outside, &f::OUT_OF_WINDOW),
            (&mut t.snapped, &f::SNAPPED),
        ] {
            if let Some(finding) = tally.sum(spec) {
                out.finding(dir, finding);
            }
        }
    }

    fn foreign(
        &mut self,
        n: u64,
        spec: &'static FindingSpec,
        tally: fn(&mut Tallies) -> &mut Tally,
        cx: &Cx,
        out: &mut dyn Deliver,
    ) {
        self.ledger.foreign = self.ledger.foreign.saturating_add(n);
        self.tell(spec, tally, n, cx, out, || format!("{n} bytes"));
    }

    fn tell(
        &mut self,
        spec: &'static FindingSpec,
        tally: fn(&mut Tallies) -> &mut Tally,
        bytes: u64,
        cx: &Cx,
        out: &mut dyn Deliver,
        detail: impl FnOnce() -> String,
    ) {
        let tallies = self.tallies.get_or_insert_default();
        if let Some(finding) = tally(tallies).once(spec, bytes, detail) {
            out.finding(cx.dir, finding);
        }
    }

    /// Payload bytes that are no part of the stream.
    pub(in crate::flow) fn disregard(&mut self, n: u64) {
        self.ledger.captured = self.ledger.captured.saturating_add(n);
        self.ledger.foreign = self.ledger.foreign.saturating_add(n);
    }

    /// What became of the bytes.
    pub(in crate::flow) fn ledger(&self) -> Ledger {
        Ledger { held: self.held_bytes as u64, ..self.ledger }
    }

    fn held_memory(&self) -> usize {
        self.held_bytes.saturating_add(self.held.len().saturating_mul(HELD_OVERHEAD))
    }

    /// Memory on the heap, in bytes.
    pub(in crate::flow) fn memory(&self) -> usize {
        let ranges = self.snapped.capacity().saturating_add(self.gaps.capacity());
        self.held_memory()
            .saturating_add(ranges.saturating_mul(size_of::<(u64, u64)>()))
            .saturating_add(self.tallies.as_ref().map_or(0, |_| size_of::<Tallies>()))
    }
}
