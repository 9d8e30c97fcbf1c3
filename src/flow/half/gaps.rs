//! How a stream begins, waits for what is missing, passes over it, and ends.

use std::collections::BTreeMap;

use super::{Cx, Half, Hole, MAX_RANGES, State};
use crate::base::limits::{
    GAP_NS, GAP_PACKETS, MAX_REORDER_BYTES, START_BYTES, START_NS, START_PACKETS,
};
use crate::flow::Deliver;
use crate::flow::findings as f;

impl Half {
    /// Does all that has become possible: begins, delivers what is held, declares
    /// gaps that have waited long enough, ends.
    pub(in crate::flow) fn settle(&mut self, cx: &Cx, out: &mut dyn Deliver) {
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

    /// Delivers all that is held, with gaps between.
    pub(in crate::flow) fn flush(&mut self, cx: &Cx, out: &mut dyn Deliver) {
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

    /// Lets go of what is held.
    pub(in crate::flow) fn drop_held(&mut self) {
        self.ledger.foreign = self.ledger.foreign.saturating_add(self.held_bytes as u64);
        self.held_bytes = 0;
        self.held = BTreeMap::new();
        self.hole = None;
    }

    /// Whether the first bytes of a stream whose SYN was not captured need wait no longer,
    /// since the peer has them.
    pub(in crate::flow) fn is_due(&self) -> bool {
        !self.started && self.lowest.is_some_and(|(low, ..)| self.acked.is_some_and(|a| a >= low))
    }

    /// Decides where a stream begins whose SYN was not captured. Its first
    /// segments may have come out of order, so the first one waits, until the peer
    /// is seen to have all before it, or a few packets have brought no earlier one.
    pub(super) fn begin(&mut self, cx: &Cx, now: bool) {
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

    pub(super) fn drain(&mut self, cx: &Cx, out: &mut dyn Deliver) {
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
    pub(super) fn hole_end(&self) -> Option<u64> {
        if let Some(first) = self.held.keys().next() {
            return Some(*first);
        }
        let acked = self.acked?;
        let acked = self.fin.map_or(acked, |fin| acked.min(fin));
        // One byte more than was seen may be a FIN that was not captured.
        let certain = acked > self.next.saturating_add(1) || self.top > self.next;
        (acked > self.next && certain).then_some(acked)
    }

    pub(super) fn look_for_hole(&mut self, cx: &Cx) {
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
    pub(super) fn passable(&self, cx: &Cx, full: bool) -> Option<u64> {
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

    pub(super) fn pass_over(&mut self, end: u64, cx: &Cx, out: &mut dyn Deliver) {
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

    pub(super) fn end(&mut self, cx: &Cx, out: &mut dyn Deliver) {
        if self.state == State::Open && self.started && self.fin.is_some_and(|fin| self.next >= fin)
        {
            self.state = State::Finished;
            out.fin(cx.dir, self.fin_at.unwrap_or(cx.at));
        }
    }

    /// Whether something waits.
    pub(in crate::flow) fn waits(&self) -> bool {
        self.hole.is_some() || !self.held.is_empty() || (!self.started && self.lowest.is_some())
    }
}
