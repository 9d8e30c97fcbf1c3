//! Where the bytes of one segment go: handed on, held, or seen before.

use super::{Cx, Half, Held, MAX_RANGES, ORIGIN, Placed, State, TAIL};
use crate::base::PieceSource;
use crate::base::limits::MAX_SEQUENCE_AHEAD;
use crate::flow::findings as f;
use crate::flow::{Deliver, RunOrigin};
use crate::link::PayloadOrigin;

/// How far below the first segment captured another one may lie and still be of
/// the stream: what a window holds, not what half the sequence space holds.
const START_REACH: u64 = 16 << 20;

/// Where the payload of a segment lies: in the stream and in packets.
#[derive(Clone, Copy)]
struct Source<'a> {
    p: u64,
    origin: &'a PayloadOrigin,
}

impl Half {
    /// Takes the payload of a segment at `p`; `missing` bytes behind it were not captured.
    pub(in crate::flow) fn take(
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
}
