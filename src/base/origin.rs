//! Where bytes came from.
//!
//! An event shows bytes of one or more *buffers*: the first is what lay on the
//! wire, later ones are derived from it (unmasked, inflated, Huffman-decoded,
//! joined). Each buffer says piece by piece where it came from, so a value can
//! be followed down to its packets with [`Origins::locate`].

use std::collections::VecDeque;

use crate::base::limits::MAX_EVENT_PIECES;
use crate::base::{CaptureTime, Moment, PacketId, Span};

/// Number of a buffer within one event; 0 is what was on the wire.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BufferId(pub u16);

/// A run of bytes of one captured packet (offsets from the start of the
/// captured bytes of the packet, link header included).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketRange {
    /// The packet.
    pub packet: PacketId,
    /// First byte.
    pub start: u32,
    /// Number of bytes.
    pub len: u32,
}

/// What a piece of a buffer was made from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PieceSource {
    /// Bytes of a captured packet.
    Packet(PacketRange),
    /// Bytes of another buffer of the same event.
    Buffer(Span),
    /// Nothing on the wire, such as an entry of a static table.
    Nowhere,
}

/// One piece of a buffer and its source.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// First byte in the derived buffer.
    pub start: u32,
    /// Bytes in the derived buffer.
    pub len: u32,
    /// Where they came from.
    pub source: PieceSource,
    /// Byte for byte (a copy, an unmasking, a stream cipher), rather than the
    /// whole range for the whole range (inflate, Huffman).
    pub exact: bool,
}

/// A buffer of an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Buffer {
    /// What it is, for people: `TCP stream`, `unmasked`, `inflated`.
    pub label: &'static str,
    /// Its length in bytes. `bytes` may be shorter where a limit cut it.
    pub len: u32,
    /// The bytes, where they are kept; the wire's own may be read again from
    /// the capture instead.
    pub bytes: Vec<u8>,
    /// Where they came from, in ascending order, without overlap.
    pub pieces: Vec<Piece>,
}

/// All buffers of one event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Origins {
    buffers: Vec<Buffer>,
}

/// Result of [`Origins::locate`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Located {
    /// The packets' bytes, in the order of the span.
    pub ranges: Vec<PacketRange>,
    /// Whether every byte maps to exactly one byte of a packet; if not, the
    /// ranges are those that the value was made from as a whole.
    pub exact: bool,
}

impl Origins {
    /// No buffers.
    #[must_use]
    pub const fn new() -> Self {
        Self { buffers: Vec::new() }
    }

    /// Adds a buffer and names it.
    pub fn add(&mut self, buffer: Buffer) -> BufferId {
        let id = BufferId(u16::try_from(self.buffers.len()).unwrap_or(u16::MAX));
        self.buffers.push(buffer);
        id
    }

    /// The buffer, if there is one of that number.
    #[must_use]
    pub fn get(&self, id: BufferId) -> Option<&Buffer> {
        self.buffers.get(usize::from(id.0))
    }

    /// The buffer, for adding to it.
    pub fn get_mut(&mut self, id: BufferId) -> Option<&mut Buffer> {
        self.buffers.get_mut(usize::from(id.0))
    }

    /// Gives buffers of one label another.
    pub fn relabel(&mut self, from: &str, to: &'static str) {
        for b in self.buffers.iter_mut().filter(|b| b.label == from) {
            b.label = to;
        }
    }

    /// All buffers in order.
    #[must_use]
    pub fn buffers(&self) -> &[Buffer] {
        &self.buffers
    }

    /// Appends the buffers of `other`; gives the number that its buffer 0 has now.
    pub fn append(&mut self, other: Self) -> BufferId {
        let base = u16::try_from(self.buffers.len()).unwrap_or(u16::MAX);
        for mut b in other.buffers {
            for p in &mut b.pieces {
                if let PieceSource::Buffer(s) = &mut p.source {
                    s.buffer.0 = s.buffer.0.saturating_add(base);
                }
            }
            self.buffers.push(b);
        }
        BufferId(base)
    }

    /// Walks a span down to the bytes of packets.
    #[must_use]
    pub fn locate(&self, span: Span) -> Located {
        let mut out = Located { ranges: Vec::new(), exact: true };
        self.walk(span, &mut out, 0);
        out
    }

    fn walk(&self, span: Span, out: &mut Located, depth: usize) {
        // Buffers are made from earlier ones only, so depth is bounded by their
        // number; a recipe that breaks this rule ends here instead of hanging.
        if depth > self.buffers.len() {
            out.exact = false;
            return;
        }
        let Some(buffer) = self.get(span.buffer) else {
            out.exact = false;
            return;
        };
        let (from, to) = (span.start, span.end());
        let first = buffer.pieces.partition_point(|p| p.start.saturating_add(p.len) <= from);
        for p in buffer.pieces.iter().skip(first) {
            if p.start >= to {
                break;
            }
            let a = from.max(p.start) - p.start;
            let b = to.min(p.start + p.len) - p.start;
            match p.source {
                PieceSource::Packet(r) if p.exact => push_range(
                    &mut out.ranges,
                    PacketRange { packet: r.packet, start: r.start + a, len: b - a },
                ),
                PieceSource::Packet(r) => {
                    out.exact = false;
                    push_range(&mut out.ranges, r);
                }
                PieceSource::Buffer(s) if p.exact => {
                    self.walk(Span::bytes(s.buffer, s.start + a, b - a), out, depth + 1);
                }
                PieceSource::Buffer(s) => {
                    out.exact = false;
                    self.walk(s, out, depth + 1);
                }
                PieceSource::Nowhere => out.exact = false,
            }
        }
    }

    /// Every packet that carried a byte of the first buffers' wire pieces, ascending.
    #[must_use]
    pub fn packets(&self) -> Vec<PacketId> {
        let mut v: Vec<PacketId> = self
            .buffers
            .iter()
            .flat_map(|b| &b.pieces)
            .filter_map(|p| match p.source {
                PieceSource::Packet(r) => Some(r.packet),
                _ => None,
            })
            .collect();
        v.sort_unstable();
        v.dedup();
        v
    }
}

/// Appends, joining with the last range where they touch or where it is the same.
fn push_range(ranges: &mut Vec<PacketRange>, r: PacketRange) {
    if let Some(last) = ranges.last_mut()
        && last.packet == r.packet
    {
        if *last == r {
            return;
        }
        if last.start + last.len == r.start {
            last.len += r.len;
            return;
        }
    }
    ranges.push(r);
}

impl Buffer {
    /// An empty buffer with a label.
    #[must_use]
    pub const fn new(label: &'static str) -> Self {
        Self { label, len: 0, bytes: Vec::new(), pieces: Vec::new() }
    }

    /// Appends a piece of `len` bytes. Joins it with the last where both are
    /// exact and adjoin; beyond [`MAX_EVENT_PIECES`] the map grows no more
    /// (`false`), while the length still counts.
    pub fn push(&mut self, len: u32, source: PieceSource, exact: bool) -> bool {
        let start = self.len;
        self.len = self.len.saturating_add(len);
        if let Some(last) = self.pieces.last_mut()
            && exact
            && last.exact
            && last.start + last.len == start
        {
            match (&mut last.source, source) {
                (PieceSource::Packet(a), PieceSource::Packet(b))
                    if a.packet == b.packet && a.start + a.len == b.start =>
                {
                    a.len += len;
                    last.len += len;
                    return true;
                }
                (PieceSource::Buffer(a), PieceSource::Buffer(b))
                    if a.buffer == b.buffer && a.end() == b.start && a.bits == 0 && b.bits == 0 =>
                {
                    a.len += len;
                    last.len += len;
                    return true;
                }
                _ => {}
            }
        }
        if self.pieces.len() >= MAX_EVENT_PIECES {
            return false;
        }
        self.pieces.push(Piece { start, len, source, exact });
        true
    }

    /// Appends pieces whose `start` counts from 0, behind what is there.
    pub fn extend(&mut self, pieces: &[Piece]) {
        for p in pieces {
            self.push(p.len, p.source, p.exact);
        }
    }
}

/// One run of a stream and the packet that carried it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Run {
    offset: u64,
    len: u32,
    /// Bytes in the packet; differs from `len` only where the run is not exact.
    source_len: u32,
    at: u32,
    exact: bool,
    packet: PacketId,
    time: CaptureTime,
    /// The latest packet of this and all earlier runs.
    ready: Moment,
}

/// Which packet carried which bytes of one direction of a stream; trimmed from
/// the front as the bytes are consumed.
#[derive(Clone, Debug, Default)]
pub struct StreamMap {
    runs: VecDeque<Run>,
    ready: Moment,
}

impl StreamMap {
    /// Appends `len` bytes at stream offset `offset` that lie in a packet from
    /// byte `at`. Offsets ascend.
    pub fn push(&mut self, offset: u64, len: u32, moment: Moment, at: u32) {
        self.push_run(offset, len, moment, at, len, true);
    }

    /// Appends a run that was made from `source_len` bytes as a whole.
    pub fn push_run(
        &mut self,
        offset: u64,
        len: u32,
        moment: Moment,
        at: u32,
        source_len: u32,
        exact: bool,
    ) {
        self.ready = self.ready.max(moment);
        if len == 0 {
            return;
        }
        self.runs.push_back(Run {
            offset,
            len,
            source_len,
            at,
            exact,
            packet: moment.packet,
            time: moment.time,
            ready: self.ready,
        });
    }

    /// Forgets what lies wholly before `offset`.
    pub fn trim(&mut self, offset: u64) {
        while let Some(r) = self.runs.front() {
            if r.offset + u64::from(r.len) > offset {
                break;
            }
            self.runs.pop_front();
        }
    }

    /// The first run that ends behind `offset`: runs ascend, so a long list
    /// (bytes that waited for the peer) costs no more than a short one.
    fn first_behind(&self, offset: u64) -> usize {
        match self.runs.front() {
            Some(r) if r.offset + u64::from(r.len) > offset => 0,
            _ => self.runs.partition_point(|r| r.offset + u64::from(r.len) <= offset),
        }
    }

    /// The packet that carried the byte at `offset`; the nearest one known
    /// where that byte was in none (a gap).
    #[must_use]
    pub fn moment(&self, offset: u64) -> Option<Moment> {
        let at = self.first_behind(offset);
        let within = self.runs.get(at).filter(|r| r.offset <= offset);
        within
            .or_else(|| self.runs.get(at.checked_sub(1)?))
            .or_else(|| self.runs.get(at))
            .map(|r| Moment { packet: r.packet, time: r.time })
    }

    /// The packet by which the byte at `offset` and all before it were captured.
    #[must_use]
    pub fn ready(&self, offset: u64) -> Option<Moment> {
        self.runs.get(self.first_behind(offset)).or(self.runs.back()).map(|r| r.ready)
    }

    /// Says that what is pushed next could be had by `moment` at the earliest:
    /// bytes that a lower layer held back, for one.
    pub fn not_before(&mut self, moment: Moment) {
        self.ready = self.ready.max(moment);
    }

    /// Appends to `child`, from its offset `at` on, what is known of `start .. end`.
    pub fn hand_on(&self, start: u64, end: u64, child: &mut Self, at: u64) {
        if let Some(ready) = self.ready(end.saturating_sub(1)) {
            child.not_before(ready);
        }
        self.pieces(start, end, |p, moment| {
            if let PieceSource::Packet(r) = p.source {
                let offset = at + u64::from(p.start);
                child.push_run(offset, p.len, moment, r.start, r.len, p.exact);
            }
        });
    }

    /// The pieces of `start .. end`, their `start` counted from 0, handed to `each`.
    pub fn pieces(&self, start: u64, end: u64, mut each: impl FnMut(Piece, Moment)) {
        for r in self.runs.range(self.first_behind(start)..) {
            let r_end = r.offset + u64::from(r.len);
            if r.offset >= end {
                break;
            }
            let a = start.max(r.offset);
            let b = end.min(r_end);
            // Both differences lie within one run, whose length is a u32.
            let (skip, len) = ((a - r.offset) as u32, (b - a) as u32);
            let (at, source_len) = if r.exact { (r.at + skip, len) } else { (r.at, r.source_len) };
            each(
                Piece {
                    start: u32::try_from(a - start).unwrap_or(u32::MAX),
                    len,
                    source: PieceSource::Packet(PacketRange {
                        packet: r.packet,
                        start: at,
                        len: source_len,
                    }),
                    exact: r.exact,
                },
                Moment { packet: r.packet, time: r.time },
            );
        }
    }

    /// Memory held, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.runs.capacity() * size_of::<Run>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(p: u64) -> Moment {
        Moment { packet: PacketId(p), time: CaptureTime(0) }
    }

    #[test]
    fn a_span_is_followed_through_two_buffers() {
        let mut o = Origins::new();
        let mut wire = Buffer::new("TCP stream");
        let mut map = StreamMap::default();
        map.push(0, 10, moment(4), 54);
        map.push(10, 10, moment(5), 60);
        map.pieces(4, 16, |p, _| {
            wire.push(p.len, p.source, p.exact);
        });
        let wire = o.add(wire);
        let mut unmasked = Buffer::new("unmasked");
        unmasked.push(8, PieceSource::Buffer(Span::bytes(wire, 4, 8)), true);
        let unmasked = o.add(unmasked);
        // Bytes 1 to 4 of the unmasked payload: wire 5 to 8, stream 9 to 12.
        let l = o.locate(Span::bytes(unmasked, 1, 4));
        assert!(l.exact);
        assert_eq!(
            l.ranges,
            vec![
                PacketRange { packet: PacketId(4), start: 63, len: 1 },
                PacketRange { packet: PacketId(5), start: 60, len: 3 },
            ]
        );
        assert_eq!(o.packets(), vec![PacketId(4), PacketId(5)]);
    }

    #[test]
    fn an_inflated_span_names_all_it_came_from() {
        let mut o = Origins::new();
        let mut wire = Buffer::new("TCP stream");
        let r = PacketRange { packet: PacketId(7), start: 66, len: 20 };
        wire.push(20, PieceSource::Packet(r), true);
        let wire = o.add(wire);
        let mut text = Buffer::new("inflated");
        text.push(100, PieceSource::Buffer(Span::bytes(wire, 2, 18)), false);
        let text = o.add(text);
        let l = o.locate(Span::bytes(text, 50, 1));
        assert!(!l.exact);
        assert_eq!(l.ranges, vec![PacketRange { packet: PacketId(7), start: 68, len: 18 }]);
    }

    #[test]
    fn a_recipe_that_refers_to_itself_ends() {
        let mut o = Origins::new();
        let mut b = Buffer::new("loop");
        b.push(4, PieceSource::Buffer(Span::bytes(BufferId(0), 0, 4)), true);
        o.add(b);
        assert!(!o.locate(Span::bytes(BufferId(0), 0, 4)).exact);
    }

    #[test]
    fn trimming_keeps_what_is_still_needed() {
        let mut map = StreamMap::default();
        map.push(0, 10, moment(1), 0);
        map.push(10, 10, moment(2), 0);
        map.trim(15);
        assert_eq!(map.moment(15), Some(moment(2)));
        let mut n = 0;
        map.pieces(0, 20, |_, _| n += 1);
        assert_eq!(n, 1);
    }
}
