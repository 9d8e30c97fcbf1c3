//! One TCP connection: both directions, and what they know of each other.

use crate::base::Moment;
use crate::base::limits::GAP_PACKETS;
use crate::base::time::human;
use crate::finding::Finding;
use crate::flow::analysis::{Analysis, Case};
use crate::flow::findings::{self as f, Tally};
use crate::flow::half::{Cx, Half, Ledger, ORIGIN, State};
use crate::flow::{Deliver, Dir, Note, RunOrigin, SegmentNotes};
use crate::link::{PayloadOrigin, TcpFlags, TcpSegment};

/// State of one connection, both directions. A clone is a checkpoint.
#[derive(Clone, Debug, Default)]
pub struct TcpFlow {
    a: Half,
    b: Half,
    client: Option<Dir>,
    /// The ends had another connection before.
    reused: bool,
    packets: u64,
    from: [u64; 2],
    pub(super) analysis: Analysis,
    rst_outside: Tally,
    syn_inside: Tally,
    handshake: Handshake,
}

/// When the handshake took place.
#[derive(Clone, Copy, Debug, Default)]
struct Handshake {
    /// The latest SYN of the client, and how many there were.
    syn: Option<Moment>,
    syns: u64,
    /// It was answered.
    answered: bool,
    /// Nanoseconds from that SYN to the acknowledgement of the answer.
    took: Option<u64>,
}

impl TcpFlow {
    /// A connection of which nothing is known.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The same, where its ends may have had another connection before.
    pub(super) fn begun(reused: bool) -> Self {
        Self { reused, ..Self::default() }
    }

    fn half(&mut self, dir: Dir) -> &mut Half {
        match dir {
            Dir::AtoB => &mut self.a,
            Dir::BtoA => &mut self.b,
        }
    }

    fn pair(&mut self, dir: Dir) -> (&mut Half, &mut Half) {
        match dir {
            Dir::AtoB => (&mut self.a, &mut self.b),
            Dir::BtoA => (&mut self.b, &mut self.a),
        }
    }

    const fn seen(&self, dir: Dir) -> &Half {
        match dir {
            Dir::AtoB => &self.a,
            Dir::BtoA => &self.b,
        }
    }

    fn cx(&self, dir: Dir, at: Moment) -> Cx {
        let peer = self.from.get(dir.reverse().index()).copied().unwrap_or(0);
        Cx { dir, packets: self.packets, at, one_way: peer == 0 }
    }

    /// Whether so much was captured of one end, and nothing of the other, that nothing of
    /// the other will come.
    #[must_use]
    pub fn is_one_way(&self) -> bool {
        self.packets >= GAP_PACKETS && self.from.contains(&0)
    }

    /// Takes a segment that A (or, with `false`, B) sent.
    pub fn segment(
        &mut self,
        from_a: bool,
        seg: &TcpSegment<'_>,
        at: Moment,
        out: &mut dyn Deliver,
    ) -> SegmentNotes {
        let dir = Dir::from_a(from_a);
        self.packets = self.packets.saturating_add(1);
        if let Some(n) = self.from.get_mut(dir.index()) {
            *n = n.saturating_add(1);
        }
        let spoke = self.from.get(dir.index()).is_some_and(|n| *n > 1);
        let cx = self.cx(dir, at);
        let (syn, fin, rst, ack) = (
            seg.flags.has(TcpFlags::SYN),
            seg.flags.has(TcpFlags::FIN),
            seg.flags.has(TcpFlags::RST),
            seg.flags.has(TcpFlags::ACK),
        );
        // The first byte of the payload lies behind SYN.
        let first = if syn { seg.seq.wrapping_add(1) } else { seg.seq };
        if syn && !rst && !self.syn(dir, seg, first, &cx, out) {
            // Another connection's, or a forged one: nothing of it counts here.
            let (mine, _) = self.pair(dir);
            mine.disregard(seg.payload.len() as u64);
            let mut notes = SegmentNotes::default();
            notes.window = u32::from(seg.window);
            return notes;
        }
        if self.handshake.took.is_none() {
            self.shake(dir, syn, ack && !rst, at);
        }
        let begins_anew = self.reused && self.packets == 1;
        let (mine, theirs) = self.pair(dir);
        let known = spoke && mine.is_known();
        let p = mine.position(first);
        let seen = Seen { p, next: mine.next, top: mine.sent(), known };
        let acked = mine.acked;
        let mut notes = SegmentNotes::default();
        notes.seq = relative(p);
        if syn {
            notes.seq = notes.seq.saturating_sub(1);
            if begins_anew {
                notes.set(Note::ReusedPorts);
            }
        }

        // The acknowledgement first: it tells what is missing before data is placed.
        if ack {
            let q = theirs.position(seg.ack);
            notes.ack = Some(relative(q));
            if syn {
                // Of a SYN that carried data more may be acknowledged than the SYN.
                theirs.anchor(seg.ack);
            }
            if !rst && theirs.acknowledge(q) {
                notes.set(Note::AckedUnseen);
                out.lacks(dir.reverse());
            }
            // What it answers comes before the answer.
            if self.half(dir.reverse()).is_due() {
                self.settle_peer(dir, at, out);
            }
        }
        if rst {
            self.rst(dir, seg, p, spoke, &cx, out);
            notes.window = self.analysis.scaled(dir, seg.window, syn);
            self.analysis.remember(dir, seg, at);
            self.settle_peer(dir, at, out);
            return notes;
        }
        let (mine, _) = self.pair(dir);
        let len = (seg.payload.len() as u64).saturating_add(u64::from(seg.missing));
        let mut placed = None;
        if len > 0 {
            match &seg.origin {
                PayloadOrigin::Packet(offset) if seg.missing == 0 && !fin && mine.is_next(p) => {
                    mine.pass(seg.payload, RunOrigin { moment: at, at: *offset }, &cx, out);
                }
                origin => {
                    placed = Some(mine.take(p, seg.payload, seg.missing, origin, &cx, out));
                }
            }
        } else if !syn && !fin {
            mine.stands_at(p);
        }
        if fin {
            mine.finish_at(p.saturating_add(len), &cx, out);
        } else if mine.waits() {
            mine.settle(&cx, out);
        }
        if seg.missing > 0 {
            notes.set(Note::Snapped);
        }
        self.analysis.judge(&Case { dir, seg, at, seen, acked, placed }, &mut notes);
        self.analysis.remember(dir, seg, at);
        self.settle_peer(dir, at, out);
        notes
    }

    /// An acknowledgement may have made a hole of the other direction a gap.
    #[inline]
    fn settle_peer(&mut self, dir: Dir, at: Moment, out: &mut dyn Deliver) {
        let peer = dir.reverse();
        let theirs = self.seen(peer);
        let behind = theirs.acked.is_some_and(|a| a > theirs.next);
        if theirs.waits() || behind {
            let cx = self.cx(peer, at);
            self.half(peer).settle(&cx, out);
        }
    }

    /// `false` where a SYN does not belong to this connection.
    fn syn(
        &mut self,
        dir: Dir,
        seg: &TcpSegment<'_>,
        first: u32,
        cx: &Cx,
        out: &mut dyn Deliver,
    ) -> bool {
        let ack = seg.flags.has(TcpFlags::ACK);
        if self.client.is_none() {
            self.client = Some(if ack { dir.reverse() } else { dir });
        }
        if self.half(dir).anchor(first) {
            self.analysis.scale(dir, seg.window_scale);
            return true;
        }
        if let Some(finding) = self
            .syn_inside
            .once(&f::SYN_IN_CONNECTION, 0, || format!("sequence number {}", seg.seq))
        {
            out.finding(cx.dir, finding);
        }
        false
    }

    /// A segment until the handshake is over (RFC 9293 §3.5).
    const fn shake(&mut self, dir: Dir, syn: bool, ack: bool, at: Moment) {
        let by_client = match self.client {
            Some(client) => client.index() == dir.index(),
            None => return,
        };
        let h = &mut self.handshake;
        match (by_client, syn, ack) {
            (true, true, false) => {
                h.syns = h.syns.saturating_add(1);
                h.syn = Some(at);
            }
            (false, true, true) => h.answered = true,
            (true, false, true) if h.answered => {
                if let Some(syn) = h.syn {
                    h.took = Some(at.time.since(syn.time));
                }
            }
            _ => {}
        }
    }

    /// Nanoseconds of the handshake, from SYN to the acknowledgement of its answer.
    #[must_use]
    pub const fn round_trip(&self) -> Option<u64> {
        self.handshake.took
    }

    /// A RST that answers a SYN: nobody listens there.
    fn refused(&mut self, dir: Dir, seg: &TcpSegment<'_>, at: Moment) -> Option<Finding> {
        let h = self.handshake;
        let syn = h.syn.filter(|_| !h.answered && self.client == Some(dir.reverse()))?;
        let sent = self.syn_of(dir.reverse())?;
        // Data may have been sent with the SYN (RFC 7413), and be acknowledged or not.
        let acked = seg.ack.wrapping_sub(sent);
        if !seg.flags.has(TcpFlags::ACK) || acked == 0 || acked > 1 << 16 {
            return None;
        }
        let after = human(at.time.since(syn.time));
        let detail = match h.syns {
            1 => format!("RST {after} after SYN"),
            n => format!("RST {after} after the last of {n} SYN"),
        };
        let finding = Finding::new(&f::REFUSED).with(detail);
        Some(finding.proved_by([syn.packet, at.packet]))
    }

    fn rst(
        &mut self,
        dir: Dir,
        seg: &TcpSegment<'_>,
        p: u64,
        spoke: bool,
        cx: &Cx,
        out: &mut dyn Deliver,
    ) {
        let n = seg.payload.len() as u64;
        let window = self.analysis.window(dir.reverse());
        let (mine, _) = self.pair(dir);
        if n > 0 {
            mine.disregard(n);
            out.finding(dir, Finding::new(&f::RST_DATA).with(format!("{n} bytes")));
        }
        // From what the peer waits for to the end of its window (RFC 9293 §3.5.3).
        let low = mine.acked.map_or(mine.next, |a| a.min(mine.next));
        let high = mine.sent().max(mine.acked.unwrap_or(0).saturating_add(u64::from(window)));
        if spoke && (p < low || p > high) {
            let tell = || format!("sequence offset {}", relative(p));
            if let Some(finding) = self.rst_outside.once(&f::RST_OUT_OF_WINDOW, 0, tell) {
                out.finding(dir, finding);
            }
            return;
        }
        // What the peer had sent waits for nothing any more, either.
        let peer = dir.reverse();
        if self.seen(peer).waits() {
            let cx = self.cx(peer, cx.at);
            self.half(peer).flush(&cx, out);
        }
        if !spoke && let Some(finding) = self.refused(dir, seg, cx.at) {
            out.finding(dir, finding);
        }
        let (mine, _) = self.pair(dir);
        mine.reset(cx, out);
    }

    /// Declares what has waited long enough, where no packet of the connection
    /// comes any more. For live captures, now and then.
    pub fn tick(&mut self, at: Moment, out: &mut dyn Deliver) {
        for dir in Dir::BOTH {
            if self.seen(dir).waits() {
                let cx = self.cx(dir, at);
                self.half(dir).settle(&cx, out);
            }
        }
    }

    /// The capture has ended: delivers what is held, with the gaps between, and
    /// tells the sums of repeated findings. What is told after this is undefined
    /// but harmless.
    pub fn finish(&mut self, at: Moment, out: &mut dyn Deliver) {
        for dir in Dir::BOTH {
            let cx = self.cx(dir, at);
            self.half(dir).flush(&cx, out);
            self.half(dir).sums(dir, out);
        }
        for (tally, spec) in [
            (&mut self.rst_outside, &f::RST_OUT_OF_WINDOW),
            (&mut self.syn_inside, &f::SYN_IN_CONNECTION),
        ] {
            if let Some(finding) = tally.sum(spec) {
                out.finding(Dir::AtoB, finding);
            }
        }
    }

    /// Lets go of what is held, undelivered. The bytes are `foreign` in the ledger.
    pub fn evict(&mut self) {
        self.a.drop_held();
        self.b.drop_held();
    }

    /// The direction in which the client sends; `None` where no SYN was seen.
    #[must_use]
    pub const fn client(&self) -> Option<Dir> {
        self.client
    }

    /// Whether nothing more is expected: both directions have ended, or one was
    /// reset, or the only one that was captured has ended.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        let done = |h: &Half| h.state != State::Open;
        let [from_a, from_b] = self.from;
        self.a.state == State::Reset
            || self.b.state == State::Reset
            || (done(&self.a) || from_a == 0) && (done(&self.b) || from_b == 0)
    }

    /// What became of the payload of a direction.
    #[must_use]
    pub fn ledger(&self, dir: Dir) -> Ledger {
        self.seen(dir).ledger()
    }

    /// Whether bytes of a direction, or its end, wait behind others that were not captured.
    #[must_use]
    pub fn waits(&self, dir: Dir) -> bool {
        self.seen(dir).waits()
    }

    /// Memory held, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        size_of::<Self>().saturating_add(self.a.memory()).saturating_add(self.b.memory())
    }

    /// Whether a SYN with this sequence number is the one that opened the direction.
    pub(super) fn is_same_syn(&self, dir: Dir, seq: u32) -> bool {
        self.syn_of(dir) == Some(seq)
    }

    /// Sequence number of the SYN of a direction, where one was seen or acknowledged.
    pub(super) fn syn_of(&self, dir: Dir) -> Option<u32> {
        self.seen(dir).first_sequence().map(|s| s.wrapping_sub(1))
    }

    /// Whether the end that sends in this direction was seen.
    pub(super) fn has_spoken(&self, dir: Dir) -> bool {
        self.from.get(dir.index()).is_some_and(|n| *n > 0)
    }

    /// Whether the direction or the other has carried data or was answered.
    pub(super) fn is_established(&self) -> bool {
        self.from.iter().all(|n| *n > 0) || Dir::BOTH.iter().any(|d| self.ledger(*d).captured > 0)
    }
}

/// What was known of a direction before the segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) p: u64,
    pub(super) next: u64,
    /// What comes next from the sender.
    pub(super) top: u64,
    pub(super) known: bool,
}

/// As Wireshark counts: the first byte is 1.
pub(super) const fn relative(p: u64) -> i64 {
    p.wrapping_sub(ORIGIN).wrapping_add(1).cast_signed()
}
