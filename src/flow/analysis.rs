//! What is remarkable about a segment, by the rules that people know from
//! Wireshark's sequence analysis, but with what reassembly knows better: a
//! segment repeats bytes or it does not.

use crate::base::limits::{DUPLICATE_NS, REORDER_NS};
use crate::base::{CaptureTime, Moment};
use crate::flow::half::Placed;
use crate::flow::tcp::Seen;
use crate::flow::{Dir, Note, SegmentNotes};
use crate::link::{TcpFlags, TcpSegment};

/// Packets of a direction that a packet is compared with, to know it again.
const RECENT: usize = 4;

/// What makes a packet the same packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Print {
    seq: u32,
    ack: u32,
    len: u32,
    window: u16,
    flags: u8,
}

/// What a direction said last.
#[derive(Clone, Copy, Debug, Default)]
struct Said {
    ack: Option<u32>,
    window: Option<u16>,
    scale: Option<u8>,
    /// Flags of the SYN that was seen, 0 before.
    syn: u8,
    dup_acks: u32,
    keep_alive: bool,
    probe: bool,
    /// When the highest byte so far was sent.
    advanced: CaptureTime,
    recent: [(Print, CaptureTime); RECENT],
    turn: usize,
}

/// What both directions said last.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Analysis {
    a: Said,
    b: Said,
    /// The recorder has been seen to record packets twice.
    doubled: bool,
}

/// What is to be judged.
pub(super) struct Case<'a> {
    pub(super) dir: Dir,
    pub(super) seg: &'a TcpSegment<'a>,
    pub(super) at: Moment,
    pub(super) seen: Seen,
    /// What the peer had acknowledged of this direction.
    pub(super) acked: Option<u64>,
    /// `None` where the segment was the next one, or empty.
    pub(super) placed: Option<Placed>,
}

impl Analysis {
    const fn of(&self, dir: Dir) -> &Said {
        match dir {
            Dir::AtoB => &self.a,
            Dir::BtoA => &self.b,
        }
    }

    fn pair(&mut self, dir: Dir) -> (&mut Said, &Said) {
        match dir {
            Dir::AtoB => (&mut self.a, &self.b),
            Dir::BtoA => (&mut self.b, &self.a),
        }
    }

    /// Window scale of a SYN.
    pub(super) fn scale(&mut self, dir: Dir, scale: Option<u8>) {
        // RFC 7323 §2.3: a shift beyond 14 means 14.
        self.pair(dir).0.scale = scale.map(|s| s.min(14));
    }

    /// By how much the windows of one direction are shifted, where that is
    /// known. The SYN of both must have said it; but a SYN-ACK may only where
    /// it answers to one that did, so that it alone is proof (RFC 7323 §2.2).
    fn agreed(&self, dir: Dir) -> Option<u8> {
        let (mine, theirs) = (self.of(dir), self.of(dir.reverse()));
        let answered = TcpFlags(mine.syn).has(TcpFlags::ACK);
        mine.scale.filter(|_| answered || theirs.scale.is_some())
    }

    /// A window of a segment in bytes.
    pub(super) fn scaled(&self, dir: Dir, window: u16, syn: bool) -> u32 {
        let shift = if syn { 0 } else { self.agreed(dir).unwrap_or(0) };
        u32::from(window) << shift.min(14)
    }

    /// The window that the sender of this direction has told last, in bytes;
    /// the largest that it can mean where the scale is not known.
    pub(super) fn window(&self, dir: Dir) -> u32 {
        let said = self.of(dir);
        let shift = self.agreed(dir).unwrap_or(14);
        u32::from(said.window.unwrap_or(u16::MAX)) << shift.min(14)
    }

    /// Notes the numbers of a segment, for the next one.
    pub(super) fn remember(&mut self, dir: Dir, seg: &TcpSegment<'_>, at: Moment) {
        let (me, _) = self.pair(dir);
        if seg.flags.has(TcpFlags::ACK) {
            me.ack = Some(seg.ack);
        }
        me.window = Some(seg.window);
        if seg.flags.has(TcpFlags::SYN) {
            me.syn = seg.flags.0;
        }
        if let Some(slot) = me.recent.get_mut(me.turn % RECENT) {
            *slot = (print(seg), at.time);
        }
        me.turn = me.turn.wrapping_add(1);
    }

    /// Makes the remarks.
    pub(super) fn judge(&mut self, case: &Case<'_>, notes: &mut SegmentNotes) {
        let Case { dir, seg, at, seen, acked, placed } = *case;
        let syn = seg.flags.has(TcpFlags::SYN);
        let fin = seg.flags.has(TcpFlags::FIN);
        notes.window = self.scaled(dir, seg.window, syn);
        let peer_window = self.window(dir.reverse());
        let scale_known = self.agreed(dir.reverse()).is_some();
        let doubled = self.doubled;
        let (me, peer) = self.pair(dir);

        let len = (seg.payload.len() as u64).saturating_add(u64::from(seg.missing));
        let again = syn && me.syn == seg.flags.0;
        let old = seen.known && (again || seen.p < seen.top && (len > 0 || fin));
        let fresh = placed.is_some_and(|p| p.fresh > 0);
        let conflict = placed.is_some_and(|p| p.conflict);
        let plain = !syn && !fin;
        if conflict {
            notes.set(Note::Conflict);
        }

        let fills = scale_known
            && acked.is_some_and(|a| {
                seen.p.saturating_add(len) == a.saturating_add(u64::from(peer_window))
            });
        let same_ack = me.ack == Some(seg.ack) && seg.flags.has(TcpFlags::ACK);
        if placed.is_none() && len > 1 && plain && seg.window != 0 {
            // The usual case: the next bytes, and nothing to say.
            if fills {
                notes.set(Note::WindowFull);
            }
            if !same_ack {
                me.dup_acks = 0;
            }
            (me.keep_alive, me.probe, me.advanced) = (false, false, at.time);
            return;
        }

        let mine = print(seg);
        let twice = me
            .recent
            .iter()
            .any(|(p, t)| *p == mine && at.time.since(*t).max(t.since(at.time)) <= DUPLICATE_NS);
        let solid = len > 0 || syn || fin;
        if twice && me.turn > 0 && !fresh && !conflict && (solid || doubled) {
            notes.set(Note::Duplicate);
            self.doubled |= solid;
            return;
        }

        let at_top = seen.known && seen.p == seen.top;
        let (mut keep_alive, mut probe, mut dup_ack) = (false, false, false);
        if len == 1 && at_top && plain && peer.window == Some(0) {
            notes.set(Note::ZeroWindowProbe);
            probe = true;
        } else {
            if seg.window == 0 && plain {
                notes.set(Note::ZeroWindow);
            }
            if seen.known && seen.p > seen.top {
                notes.set(Note::LostSegment);
            }
            if len <= 1 && plain && seen.known && seen.p.saturating_add(1) == seen.top {
                notes.set(Note::KeepAlive);
                keep_alive = true;
            }
            if len > 0 && plain && fills {
                notes.set(Note::WindowFull);
            }
            if len == 0 && plain && at_top && same_ack {
                if seg.window == 0 && me.window == Some(0) && peer.probe {
                    notes.set(Note::ZeroWindowProbeAck);
                } else if seg.window != 0 && me.window != Some(seg.window) {
                    notes.set(Note::WindowUpdate);
                } else if seg.window != 0 && peer.keep_alive {
                    notes.set(Note::KeepAliveAck);
                } else if seg.window != 0 && me.window.is_some() {
                    notes.set(Note::DupAck);
                    dup_ack = true;
                }
            }
        }

        if old && !keep_alive {
            let end = seen.p.saturating_add(len);
            if fresh {
                // What fills a hole soon was overtaken; later, it was lost and sent again.
                if peer.dup_acks >= 2 && peer.ack == Some(seg.seq) {
                    notes.set(Note::FastRetransmission);
                    notes.set(Note::Retransmission);
                } else if seen.p >= seen.next && at.time.since(me.advanced) > REORDER_NS {
                    notes.set(Note::Retransmission);
                } else if seen.p >= seen.next && placed.is_some_and(|p| p.fresh >= len) {
                    // All of it is new: what repeats a byte was sent again.
                    notes.set(Note::OutOfOrder);
                } else {
                    notes.set(Note::Retransmission);
                }
            } else {
                notes.set(Note::Retransmission);
                if len > 0 && acked.is_some_and(|a| end <= a) {
                    notes.set(Note::SpuriousRetransmission);
                } else if peer.dup_acks >= 2 && peer.ack == Some(seg.seq) {
                    notes.set(Note::FastRetransmission);
                }
            }
        }

        let (me, _) = self.pair(dir);
        if dup_ack {
            me.dup_acks = me.dup_acks.saturating_add(1);
        } else if !same_ack {
            me.dup_acks = 0;
        }
        me.keep_alive = keep_alive;
        me.probe = probe;
        if seen.p.saturating_add(len) > seen.top {
            me.advanced = at.time;
        }
    }
}

fn print(seg: &TcpSegment<'_>) -> Print {
    let len = u32::try_from(seg.payload.len()).unwrap_or(u32::MAX).saturating_add(seg.missing);
    Print { seq: seg.seq, ack: seg.ack, len, window: seg.window, flags: seg.flags.0 }
}
