//! A recorder of what a flow delivers, and segments to feed it.

use crate::base::{CaptureTime, Moment, PacketId};
use crate::finding::Finding;
use crate::flow::{Deliver, Dir, RunOrigin, SegmentNotes, TcpFlow};
use crate::link::{PayloadOrigin, TcpFlags, TcpSegment};

pub(super) const S: u8 = TcpFlags::SYN;
pub(super) const A: u8 = TcpFlags::ACK;
pub(super) const F: u8 = TcpFlags::FIN;
pub(super) const R: u8 = TcpFlags::RST;

pub(super) const AB: Dir = Dir::AtoB;
pub(super) const BA: Dir = Dir::BtoA;

/// Collects, and asserts what holds for every delivery.
#[derive(Clone, Default)]
pub(super) struct Tape {
    pub(super) data: [Vec<u8>; 2],
    /// `(offset, len)` by direction.
    pub(super) gaps: [Vec<(u64, u64)>; 2],
    pub(super) at: [u64; 2],
    pub(super) fin: [bool; 2],
    /// The packets by which the ends were there.
    pub(super) fin_at: [u64; 2],
    pub(super) reset: [bool; 2],
    pub(super) findings: Vec<(Dir, Finding)>,
    /// `(offset, len, packet, at)` by direction.
    pub(super) runs: [Vec<(u64, usize, u64, u32)>; 2],
    /// Whose bytes came, in order.
    pub(super) turns: Vec<Dir>,
}

impl Tape {
    pub(super) fn codes(&self) -> Vec<&'static str> {
        self.findings.iter().map(|(_, f)| f.spec.code).collect()
    }

    pub(super) fn text(&self, dir: Dir) -> String {
        String::from_utf8_lossy(&self.data[dir.index()]).into_owned()
    }
}

impl Deliver for Tape {
    fn bytes(&mut self, dir: Dir, offset: u64, data: &[u8], origin: RunOrigin) {
        let i = dir.index();
        assert!(!data.is_empty());
        assert_eq!(offset, self.at[i], "offsets ascend without a hole");
        assert!(!self.fin[i] && !self.reset[i], "nothing follows the end");
        self.at[i] += data.len() as u64;
        self.turns.push(dir);
        self.data[i].extend_from_slice(data);
        self.runs[i].push((offset, data.len(), origin.moment.packet.0, origin.at));
    }
    fn gap(&mut self, dir: Dir, offset: u64, len: u64) {
        let i = dir.index();
        assert!(len > 0);
        assert_eq!(offset, self.at[i]);
        assert!(!self.fin[i] && !self.reset[i]);
        self.at[i] += len;
        self.gaps[i].push((offset, len));
    }
    fn fin(&mut self, dir: Dir, at: Moment) {
        self.fin_at[dir.index()] = at.packet.0;
        assert!(!std::mem::replace(&mut self.fin[dir.index()], true));
    }
    fn reset(&mut self, dir: Dir) {
        assert!(!std::mem::replace(&mut self.reset[dir.index()], true));
    }
    fn finding(&mut self, dir: Dir, finding: Finding) {
        self.findings.push((dir, finding));
    }
}

/// A segment whose payload lies at byte 54 of its packet.
pub(super) fn seg(flags: u8, seq: u32, ack: u32, payload: &[u8]) -> TcpSegment<'_> {
    TcpSegment {
        seq,
        ack,
        flags: TcpFlags(flags),
        window: 1000,
        window_scale: None,
        payload,
        missing: 0,
        origin: PayloadOrigin::Packet(54),
    }
}

/// A connection under test: numbers its packets, one each millisecond.
#[derive(Clone, Default)]
pub(super) struct Bench {
    pub(super) flow: TcpFlow,
    pub(super) tape: Tape,
    pub(super) packet: u64,
    pub(super) now: i64,
}

impl Bench {
    pub(super) fn at(&self) -> Moment {
        Moment { packet: PacketId(self.packet), time: CaptureTime(self.now) }
    }

    pub(super) fn feed(&mut self, from_a: bool, s: &TcpSegment<'_>) -> SegmentNotes {
        self.packet += 1;
        self.now += 1_000_000;
        let at = self.at();
        self.flow.segment(from_a, s, at, &mut self.tape)
    }

    pub(super) fn a(&mut self, flags: u8, seq: u32, ack: u32, data: &[u8]) -> SegmentNotes {
        self.feed(true, &seg(flags, seq, ack, data))
    }

    pub(super) fn b(&mut self, flags: u8, seq: u32, ack: u32, data: &[u8]) -> SegmentNotes {
        self.feed(false, &seg(flags, seq, ack, data))
    }

    /// After the handshake; A's first byte is 101, B's 501.
    pub(super) fn open() -> Self {
        let mut t = Self::default();
        t.a(S, 100, 0, b"");
        t.b(S | A, 500, 101, b"");
        t.a(A, 101, 501, b"");
        t
    }

    pub(super) fn finish(&mut self) {
        let at = self.at();
        self.flow.finish(at, &mut self.tape);
    }
}
