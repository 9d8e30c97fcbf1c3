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

use std::collections::BTreeMap;

use crate::base::limits::{
    GAP_NS, GAP_PACKETS, MAX_REORDER_BYTES, MAX_SEQUENCE_AHEAD, START_BYTES, START_NS,
    START_PACKETS,
};
use crate::base::{CaptureTime, Moment, PieceSource};
use crate::finding::FindingSpec;
use crate::flow::findings::{self as f, Tally};
use crate::flow::{Deliver, Dir, RunOrigin};
use crate::link::PayloadOrigin;

/// Position of the first byte that is known of: far enough from 0 that half the
/// sequence space fits below it.
pub(super) const ORIGIN: u64 = 1 << 33;
/// What one held segment costs beside its bytes: its node and its allocation.
const HELD_OVERHEAD: usize = 96;
/// Ranges known to have been cut off by the recorder, and gaps, that are
/// remembered per direction; the oldest are forgotten.
const MAX_RANGES: usize = 64;
/// Last bytes delivered that are kept to compare a retransmission with.
const TAIL: usize = 64;
/// How far below the first segment captured another one may lie and still be of
/// the stream: what a window holds, not what half the sequence space holds.
const START_REACH: u64 = 16 << 20;

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
pub(super) struct Cx {
    pub(super) dir: Dir,
    /// Packets of the flow so far, with this one.
    pub(super) packets: u64,
    pub(super) at: Moment,
    /// The other direction was never seen: nobody acknowledges.
    pub(super) one_way: bool,
}

/// What a segment brought.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Placed {
    /// Bytes that nobody had seen, those that were not captured included.
    pub(super) fresh: u64,
    /// Bytes that had been seen with other content.
    pub(super) conflict: bool,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum State {
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

/// Where the payload of a segment lies: in the stream and in packets.
#[derive(Clone, Copy)]
struct Source<'a> {
    p: u64,
    origin: &'a PayloadOrigin,
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
pub(super) struct Half {
    /// Sequence number at [`ORIGIN`].
    base: Option<u32>,
    /// Whether `start` stands: by a SYN, or because it has been decided.
    started: bool,
    start: u64,
    pub(super) next: u64,
    /// One past the highest byte sent.
    pub(super) top: u64,
    /// Lowest byte seen before the start was decided, and when.
    lowest: Option<(u64, u64, CaptureTime)>,
    /// Highest position that the peer has acknowledged.
    pub(super) acked: Option<u64>,
    fin: Option<u64>,
    pub(super) state: State,
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
    pub(super) fn position(&mut self, seq: u32) -> u64 {
        let base = *self.base.get_or_insert(seq);
        // What is meant is the nearest one to where the stream is (RFC 9293 §3.4).
        let here = base.wrapping_add((self.next.wrapping_sub(ORIGIN)) as u32);
        let distance = seq.wrapping_sub(here).cast_signed();
        self.next.saturating_add_signed(i64::from(distance))
    }

    /// A SYN, or the acknowledgement of one, tells where the stream begins.
    /// `false` if it is known and elsewhere.
    pub(super) fn anchor(&mut self, first: u32) -> bool {
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
    pub(super) fn first_sequence(&self) -> Option<u32> {
        // The low 32 bits of a position are what sequence numbers count.
        let first = self.base?.wrapping_add(self.start.wrapping_sub(ORIGIN) as u32);
        self.started.then_some(first)
    }

    /// Whether anything of this direction is known.
    pub(super) const fn is_known(&self) -> bool {
        self.base.is_some()
    }

    /// Sequence position that comes next from the sender, FIN counted.
    pub(super) fn sent(&self) -> u64 {
        self.fin.map_or(self.top, |f| f.saturating_add(1).max(self.top))
    }

    /// Whether a segment at `p` can go straight through (see [`Half::pass`]).
    #[inline]
    pub(super) fn is_next(&self, p: u64) -> bool {
        self.next == p
            && self.top == p
            && self.started
            && self.held.is_empty()
            && self.fin.is_none()
            && self.state == State::Open
    }

    /// Hands on a whole segment for which [`Half::is_next`].
    #[inline]
    pub(super) fn pass(&mut self, data: &[u8], origin: RunOrigin, cx: &Cx, out: &mut dyn Deliver) {
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

    /// Takes the payload of a segment at `p`; `missing` bytes behind it were not captured.
    pub(super) fn take(
        &mut self,
        p: u64,
        payload: &[u8],
        missing: u32,
        origin: &PayloadOrigin,
        cx: &Cx,
        out: &mut dyn Deliver,
    ) -> Placed {
        let mut placed = Placed::default();
        let captured = payload.len() as u64;
        self.ledger.captured = self.ledger.captured.saturating_add(captured);
        let end = p.saturating_add(captured).saturating_add(u64::from(missing));
        if end == p {
            return placed;
        }
        let far = self.top.max(self.acked.unwrap_or(0)).saturating_add(MAX_SEQUENCE_AHEAD);
        if end > far || (!self.started && p < ORIGIN.saturating_sub(START_REACH)) {
            self.foreign(captured, &f::OUT_OF_WINDOW, |t| &mut t.outside, cx, out);
            return placed;
        }
        if self.state == State::Reset {
            self.foreign(captured, &f::DATA_AFTER_RESET, |t| &mut t.after_reset, cx, out);
            return placed;
        }
        // What lies beyond FIN is not of the stream.
        let (mut payload, mut end) = (payload, end);
        if let Some(fin) = self.fin
            && end > fin
        {
            let keep = usize::try_from(fin.saturating_sub(p)).unwrap_or(usize::MAX);
            if let Some((inside, beyond)) = payload.split_at_checked(keep) {
                payload = inside;
                let n = beyond.len() as u64;
                self.foreign(n, &f::DATA_AFTER_FIN, |t| &mut t.after_fin, cx, out);
            }
            end = fin.max(p);
        }
        let stop = p.saturating_add(payload.len() as u64);
        if missing > 0 && end > stop {
            self.tell(
                &f::SNAPPED,
                |t| &mut t.snapped,
                u64::from(missing),
                cx,
                out,
                || format!("{captured} of {} bytes were kept", captured + u64::from(missing)),
            );
            placed.fresh += end.saturating_sub(stop.max(self.top));
            if self.snapped.len() >= MAX_RANGES {
                self.snapped.remove(0);
            }
            self.snapped.push((stop, end));
        }
        self.top = self.top.max(end);
        if !self.started {
            let first =
                self.lowest.map_or((p, cx.packets, cx.at.time), |(low, n, t)| (low.min(p), n, t));
            self.lowest = Some(first);
        }
        // What has been handed on, or passed over.
        let mut at = p;
        if self.started && p < self.next {
            let old = usize::try_from(self.next - p).unwrap_or(usize::MAX).min(payload.len());
            let (before, rest) = payload.split_at_checked(old).unwrap_or((payload, &[]));
            // The one byte of a keep-alive is garbage (RFC 9293 §3.8.4).
            let keep_alive = captured == 1 && p.saturating_add(1) == self.top;
            placed.conflict |= !keep_alive && self.differs_from_tail(p, before);
            let late = self.passed_over(p, p.saturating_add(before.len() as u64));
            self.ledger.late += late;
            self.ledger.duplicate += (before.len() as u64).saturating_sub(late);
            if late > 0 {
                self.tell(
                    &f::LATE_DATA,
                    |t| &mut t.late,
                    late,
                    cx,
                    out,
                    || format!("{late} bytes"),
                );
            }
            at = p.saturating_add(before.len() as u64);
            payload = rest;
        }
        self.place(at, payload, Source { p, origin }, cx, out, &mut placed);
        if placed.conflict {
            self.tell(
                &f::OVERLAP_CONFLICT,
                |t| &mut t.conflict,
                0,
                cx,
                out,
                || format!("sequence offset {}", p.saturating_sub(ORIGIN)),
            );
        }
        self.settle(cx, out);
        placed
    }

    /// Delivers or holds what nobody has seen; the first copy wins.
    fn place(
        &mut self,
        mut at: u64,
        payload: &[u8],
        source: Source<'_>,
        cx: &Cx,
        out: &mut dyn Deliver,
        placed: &mut Placed,
    ) {
        let mut rest = payload;
        while !rest.is_empty() {
            if let Some((s, h)) = self.held.range(..=at).next_back()
                && let Some(copy) = h.data.get(usize::try_from(at - s).unwrap_or(usize::MAX)..)
                && !copy.is_empty()
            {
                let n = copy.len().min(rest.len());
                let (again, more) = rest.split_at_checked(n).unwrap_or((rest, &[]));
                placed.conflict |= copy.get(..n) != Some(again);
                self.ledger.duplicate += n as u64;
                (at, rest) = (at.saturating_add(n as u64), more);
                continue;
            }
            let free = self.held.range(at..).next().map_or(u64::MAX, |(s, _)| s - at);
            let n = usize::try_from(free).unwrap_or(usize::MAX).min(rest.len());
            let (fresh, more) = rest.split_at_checked(n).unwrap_or((rest, &[]));
            placed.fresh += n as u64;
            self.put(at, fresh, source, cx, out);
            (at, rest) = (at.saturating_add(n as u64), more);
        }
    }

    /// Splits a run where it lies in several packets.
    fn put(&mut self, at: u64, data: &[u8], source: Source<'_>, cx: &Cx, out: &mut dyn Deliver) {
        // Within one segment, whose length is far below 4 GiB.
        let mut skip = u32::try_from(at.saturating_sub(source.p)).unwrap_or(u32::MAX);
        let here = RunOrigin { moment: cx.at, at: 0 };
        let pieces = match source.origin {
            PayloadOrigin::Packet(first) => {
                let origin = RunOrigin { at: first.saturating_add(skip), ..here };
                return self.put_run(at, data, origin, cx, out);
            }
            PayloadOrigin::Pieces(pieces) => pieces,
        };
        let (mut at, mut rest) = (at, data);
        while !rest.is_empty() {
            // The piece that covers `skip`; a run that no piece covers is
            // this packet's.
            let found = pieces
                .iter()
                .find(|(p, _)| p.start <= skip && skip < p.start.saturating_add(p.len));
            let (n, origin) = match found {
                Some((p, moment)) => {
                    let into = skip - p.start;
                    let from = match p.source {
                        PieceSource::Packet(r) => r.start.saturating_add(into),
                        _ => 0,
                    };
                    (p.len - into, RunOrigin { moment: *moment, at: from })
                }
                None => {
                    let upto = pieces.iter().map(|(p, _)| p.start).filter(|s| *s > skip).min();
                    (upto.map_or(u32::MAX, |s| s - skip), here)
                }
            };
            let n = usize::try_from(n).unwrap_or(usize::MAX).min(rest.len());
            let (run, more) = rest.split_at_checked(n).unwrap_or((rest, &[]));
            self.put_run(at, run, origin, cx, out);
            skip = skip.saturating_add(u32::try_from(n).unwrap_or(u32::MAX));
            (at, rest) = (at.saturating_add(n as u64), more);
        }
    }

    fn put_run(&mut self, at: u64, data: &[u8], origin: RunOrigin, cx: &Cx, out: &mut dyn Deliver) {
        if self.started && at == self.next {
            self.deliver(data, origin, cx.dir, out);
            return;
        }
        self.held_bytes = self.held_bytes.saturating_add(data.len());
        self.held
            .insert(at, Held { data: data.into(), origin, packets: cx.packets, time: cx.at.time });
    }

    /// Does all that has become possible: begins, delivers what is held, declares
    /// gaps that have waited long enough, ends.
    pub(super) fn settle(&mut self, cx: &Cx, out: &mut dyn Deliver) {
        self.begin(cx, false);
        self.drain(cx, out);
        self.look_for_hole(cx);
        while self.state == State::Open && self.started {
            let full = self.held_memory() > MAX_REORDER_BYTES;
            let Some(end) = self.passable(cx, full) else { break };
            if full {
                self.tell(
                    &f::REORDER_LIMIT,
                    |t| &mut t.limit,
                    0,
                    cx,
                    out,
                    || format!("{MAX_REORDER_BYTES} bytes"),
                );
            }
            self.pass_over(end, cx, out);
            self.drain(cx, out);
            self.look_for_hole(cx);
        }
        self.end(cx, out);
    }

    /// Notes an acknowledgement of what this direction sent.
    /// `true` if it acknowledges more than was seen.
    pub(super) fn acknowledge(&mut self, p: u64) -> bool {
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
    pub(super) fn stands_at(&mut self, p: u64) {
        if !self.started && self.lowest.is_none() && self.fin.is_none() {
            (self.start, self.next, self.started) = (p, p, true);
            self.top = p;
        }
    }

    /// FIN at `p`.
    pub(super) fn finish_at(&mut self, p: u64, cx: &Cx, out: &mut dyn Deliver) {
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
        self.settle(cx, out);
    }

    /// RST: nothing that is missing will come.
    pub(super) fn reset(&mut self, cx: &Cx, out: &mut dyn Deliver) {
        if self.state != State::Open {
            self.state = State::Reset;
            return;
        }
        self.flush(cx, out);
        if self.state == State::Open {
            out.reset(cx.dir);
        }
        self.state = State::Reset;
    }

    /// Delivers all that is held, with gaps between.
    pub(super) fn flush(&mut self, cx: &Cx, out: &mut dyn Deliver) {
        self.begin(cx, true);
        self.drain(cx, out);
        while let Some(end) = self.held.keys().next().copied() {
            self.pass_over(end, cx, out);
            if self.next < end {
                // Ended: nothing can be delivered any more.
                self.drop_held();
                break;
            }
            self.drain(cx, out);
        }
        let acked = self.acked.unwrap_or(0);
        // One more than was seen may be a FIN.
        let end = if acked > self.top.saturating_add(1) { acked } else { self.top };
        if self.started && self.state == State::Open {
            self.pass_over(self.fin.map_or(end, |fin| end.min(fin)), cx, out);
        }
        self.hole = None;
        self.end(cx, out);
    }

    /// Tells the sums of what was only told once.
    pub(super) fn sums(&mut self, dir: Dir, out: &mut dyn Deliver) {
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

    /// Lets go of what is held.
    pub(super) fn drop_held(&mut self) {
        self.ledger.foreign = self.ledger.foreign.saturating_add(self.held_bytes as u64);
        self.held_bytes = 0;
        self.held = BTreeMap::new();
        self.hole = None;
    }

    /// Decides where a stream begins whose SYN was not captured. Its first
    /// segments may have come out of order, so the first one waits, until the peer
    /// is seen to have all before it, or a few packets have brought no earlier one.
    fn begin(&mut self, cx: &Cx, now: bool) {
        if self.started {
            return;
        }
        let Some((low, packets, time)) = self.lowest else { return };
        // The peer waits for something earlier: as long as for any hole.
        let (most, longest) = match self.acked {
            Some(a) if a < low => (GAP_PACKETS, GAP_NS),
            _ => (START_PACKETS, START_NS),
        };
        if now
            || self.acked.is_some_and(|a| a >= low)
            || cx.packets.saturating_sub(packets) >= most
            || cx.at.time.since(time) >= longest
            || self.held_memory() > START_BYTES
        {
            (self.start, self.next, self.started) = (low, low, true);
        }
    }

    fn drain(&mut self, cx: &Cx, out: &mut dyn Deliver) {
        if !self.started {
            return;
        }
        while let Some(first) = self.held.first_entry()
            && *first.key() <= self.next
        {
            let h = first.remove();
            self.held_bytes = self.held_bytes.saturating_sub(h.data.len());
            self.deliver(&h.data, h.origin, cx.dir, out);
        }
    }

    /// Where the hole at `next` ends: at what is held, or at what was acknowledged.
    fn hole_end(&self) -> Option<u64> {
        if let Some(first) = self.held.keys().next() {
            return Some(*first);
        }
        let acked = self.acked?;
        let acked = self.fin.map_or(acked, |fin| acked.min(fin));
        // One byte more than was seen may be a FIN that was not captured.
        let certain = acked > self.next.saturating_add(1) || self.top > self.next;
        (acked > self.next && certain).then_some(acked)
    }

    fn look_for_hole(&mut self, cx: &Cx) {
        if !self.started || self.hole_end().is_none() {
            self.hole = None;
            return;
        }
        match &mut self.hole {
            Some(h) if h.from == self.next => {
                // The clock stepped back: wait from there.
                h.time = h.time.min(cx.at.time);
            }
            _ => {
                let since = self
                    .held
                    .values()
                    .next()
                    .map_or((cx.packets, cx.at.time), |h| (h.packets, h.time.min(cx.at.time)));
                self.hole = Some(Hole { from: self.next, packets: since.0, time: since.1 });
            }
        }
    }

    /// Where the hole at `next` ends, if it may be passed over now.
    fn passable(&self, cx: &Cx, full: bool) -> Option<u64> {
        let hole = self.hole?;
        let end = self.hole_end()?;
        if full {
            return Some(end);
        }
        // Cut off by the recorder: gone as soon as the peer has it.
        if let Some(acked) = self.acked
            && let Some((_, cut)) =
                self.snapped.iter().find(|(from, to)| *from <= self.next && self.next < *to)
            && acked >= (*cut).min(end)
        {
            return Some((*cut).min(end));
        }
        let gone = cx.one_way || self.acked.is_some_and(|a| a >= end);
        let waited = cx.packets.saturating_sub(hole.packets) >= GAP_PACKETS
            || cx.at.time.since(hole.time) >= GAP_NS;
        (gone && waited).then_some(end)
    }

    fn pass_over(&mut self, end: u64, cx: &Cx, out: &mut dyn Deliver) {
        let len = end.saturating_sub(self.next);
        if len == 0 || self.state != State::Open {
            return;
        }
        let offset = self.next.saturating_sub(self.start);
        if self.gaps.len() >= MAX_RANGES {
            self.gaps.remove(0);
        }
        self.gaps.push((self.next, end));
        self.snapped.retain(|(_, to)| *to > end);
        self.ledger.gaps = self.ledger.gaps.saturating_add(len);
        self.next = end;
        self.top = self.top.max(end);
        self.tail_len = 0;
        out.gap(cx.dir, offset, len);
        self.tell(
            &f::GAP,
            |t| &mut t.gap,
            len,
            cx,
            out,
            || format!("{len} bytes at stream offset {offset}"),
        );
    }

    fn end(&mut self, cx: &Cx, out: &mut dyn Deliver) {
        if self.state == State::Open && self.started && self.fin.is_some_and(|fin| self.next >= fin)
        {
            self.state = State::Finished;
            out.fin(cx.dir);
        }
    }

    /// Whether bytes at `p`, which were handed on, differ from these. Only the
    /// last few are known.
    fn differs_from_tail(&self, p: u64, again: &[u8]) -> bool {
        let tail_at = self.next.saturating_sub(self.tail_len as u64);
        let from = p.max(tail_at);
        let to = self.next.min(p.saturating_add(again.len() as u64));
        if from >= to {
            return false;
        }
        fn part(data: &[u8], from: u64, to: u64) -> Option<&[u8]> {
            data.get(usize::try_from(from).ok()?..usize::try_from(to).ok()?)
        }
        let kept = self.tail.get(TAIL.saturating_sub(self.tail_len)..).unwrap_or_default();
        part(kept, from - tail_at, to - tail_at) != part(again, from - p, to - p)
    }

    /// How many of the bytes lie in declared gaps or before the start.
    fn passed_over(&self, from: u64, to: u64) -> u64 {
        let before = to.min(self.start).saturating_sub(from);
        let inside = self.gaps.iter().map(|(a, b)| to.min(*b).saturating_sub(from.max(*a)));
        before.saturating_add(inside.sum())
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
    pub(super) fn disregard(&mut self, n: u64) {
        self.ledger.captured = self.ledger.captured.saturating_add(n);
        self.ledger.foreign = self.ledger.foreign.saturating_add(n);
    }

    /// Whether something waits.
    pub(super) fn waits(&self) -> bool {
        self.hole.is_some() || !self.held.is_empty() || (!self.started && self.lowest.is_some())
    }

    /// What became of the bytes.
    pub(super) fn ledger(&self) -> Ledger {
        Ledger { held: self.held_bytes as u64, ..self.ledger }
    }

    fn held_memory(&self) -> usize {
        self.held_bytes.saturating_add(self.held.len().saturating_mul(HELD_OVERHEAD))
    }

    /// Memory on the heap, in bytes.
    pub(super) fn memory(&self) -> usize {
        let ranges = self.snapped.capacity().saturating_add(self.gaps.capacity());
        self.held_memory()
            .saturating_add(ranges.saturating_mul(size_of::<(u64, u64)>()))
            .saturating_add(self.tallies.as_ref().map_or(0, |_| size_of::<Tallies>()))
    }
}
