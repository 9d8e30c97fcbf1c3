//! What an end does over and over: masking keys, pings, messages a second, silence.

use super::watch::Digester;
use crate::base::{Moment, PacketId};

/// Pings of one end that are remembered while they wait: an end that sends more
/// without an answer is told by those that are left.
const MAX_WAITING: usize = 64;

/// Keys that a new one is compared with.
const KEYS: usize = 256;

/// A key of a good source repeats one of so many before it once in 2^29 frames.
const NEAR: usize = 8;

/// Keys of a session's first frames that are compared with other sessions'.
const FIRST: usize = 4;

/// The masking keys of one end (RFC 6455 §5.3, §10.3).
#[derive(Clone, Debug, Default)]
pub(super) struct Keys {
    /// The last keys that differ, in a ring, and where they stood.
    recent: Vec<u32>,
    packets: Vec<PacketId>,
    next: usize,
    /// Pairs of keys that were compared: one in 2^32 is equal by chance.
    pairs: u64,
    /// Frames whose key was that of a frame before, and the first two of them.
    repeated: u64,
    repeated_in: Option<[PacketId; 2]>,
    /// One of them was that of a frame shortly before.
    near: bool,
    /// The first keys.
    pub(super) first: Vec<(u32, PacketId)>,
    /// Frames whose key was 0, so that they are not masked at all; the first of them.
    pub(super) zero: u64,
    pub(super) zero_in: Option<PacketId>,
}

impl Keys {
    /// A frame with this key begins.
    pub(super) fn frame(&mut self, key: [u8; 4], at: Moment) {
        if key == [0; 4] {
            self.zero = self.zero.saturating_add(1);
            self.zero_in.get_or_insert(at.packet);
            return;
        }
        let key = u32::from_be_bytes(key);
        if self.first.len() < FIRST {
            self.first.push((key, at.packet));
        }
        self.pairs = self.pairs.saturating_add(self.recent.len() as u64);
        if let Some(i) = standing(&self.recent, key) {
            self.near |= (self.next + KEYS - i - 1) % KEYS < NEAR;
            self.repeated = self.repeated.saturating_add(1);
            if let Some(before) = self.packets.get(i) {
                self.repeated_in.get_or_insert([*before, at.packet]);
            }
            return;
        }
        match (self.recent.get_mut(self.next), self.packets.get_mut(self.next)) {
            (Some(k), Some(p)) => (*k, *p) = (key, at.packet),
            _ => {
                self.recent.push(key);
                self.packets.push(at.packet);
            }
        }
        self.next = (self.next + 1) % KEYS;
    }

    /// Frames whose key was that of a frame before, and the first two of them, where
    /// that is no chance: the more keys were compared, the more of them it takes.
    pub(super) fn repeats(&self) -> Option<(u64, [PacketId; 2])> {
        let needed = match self.pairs {
            _ if self.near => 1,
            0..=0x1_0000 => 1,
            0x1_0001..=0x100_0000 => 2,
            pairs => 3 + (pairs >> 26),
        };
        self.repeated_in.filter(|_| self.repeated >= needed).map(|p| (self.repeated, p))
    }

    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.recent.capacity() * size_of::<u32>()
            + self.packets.capacity() * size_of::<PacketId>()
            + self.first.capacity() * size_of::<(u32, PacketId)>()
    }
}

/// Where `key` stands among those. Nearly always nowhere, so that all are counted first:
/// several at a time, where looking for the first would compare one after the other.
fn standing(recent: &[u32], key: u32) -> Option<usize> {
    let equal = recent.iter().fold(0_u32, |n, k| n + u32::from(*k == key));
    if equal == 0 { None } else { recent.iter().position(|k| *k == key) }
}

/// A ping that waits for its pong.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ping {
    payload: u64,
    /// Its sender had broken a rule: the peer may have failed the connection.
    doubtful: bool,
    pub(super) at: Moment,
}

/// The pings of one end.
#[derive(Clone, Debug, Default)]
pub(super) struct Pings {
    waiting: Vec<Ping>,
    /// Of these, more were waiting than are remembered.
    forgotten: u64,
}

impl Pings {
    /// A ping; a doubtful one need not be answered.
    pub(super) fn sent(&mut self, payload: &[u8], doubtful: bool, at: Moment) {
        if self.waiting.len() >= MAX_WAITING {
            let first = self.waiting.remove(0);
            self.forgotten = self.forgotten.saturating_add(u64::from(!first.doubtful));
        }
        self.waiting.push(Ping { payload: Digester::of(payload), doubtful, at });
    }

    /// A pong of the peer: the round trip of the ping that it answers, and whether that
    /// one was doubtful. Earlier ones are answered by it as well (RFC 6455 §5.5.3).
    pub(super) fn answered(&mut self, payload: &[u8], at: Moment) -> Option<(u64, bool)> {
        let payload = Digester::of(payload);
        let i = self.waiting.iter().position(|p| p.payload == payload)?;
        let ping = self.waiting.drain(..=i).next_back()?;
        self.forgotten = 0;
        for p in self.waiting.iter_mut().filter(|_| ping.doubtful) {
            // Who answers one goes on with the connection.
            p.doubtful = false;
        }
        Some((at.time.since(ping.at.time), ping.doubtful))
    }

    /// The peer's bytes were lost: a pong may have been among them.
    pub(super) fn forget(&mut self) {
        self.waiting.clear();
        self.forgotten = 0;
    }

    /// The first one that had no answer.
    pub(super) fn first(&self) -> Option<Ping> {
        self.waiting.iter().find(|p| !p.doubtful).copied()
    }

    /// How many had none.
    pub(super) fn unanswered(&self) -> u64 {
        let waiting = self.waiting.iter().filter(|p| !p.doubtful).count();
        self.forgotten.saturating_add(waiting as u64)
    }

    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.waiting.capacity() * size_of::<Ping>()
    }
}

/// Round trips of pings, in nanoseconds.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct RoundTrips {
    count: u64,
    sum: u64,
    pub(super) min: u64,
    pub(super) max: u64,
}

impl RoundTrips {
    pub(super) fn add(&mut self, ns: u64) {
        self.min = if self.count == 0 { ns } else { self.min.min(ns) };
        self.max = self.max.max(ns);
        self.count = self.count.saturating_add(1);
        self.sum = self.sum.saturating_add(ns);
    }

    /// The mean, where there was any.
    pub(super) const fn mean(&self) -> Option<u64> {
        self.sum.checked_div(self.count)
    }
}

/// Parts that a second is cut into.
const PARTS: usize = 8;
const PART_NS: i64 = 1_000_000_000 / PARTS as i64;

/// Messages of one end in the last second, to an eighth of it.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Rate {
    parts: [u32; PARTS],
    /// Number of the part that is being filled, since 1970.
    now: i64,
    /// The most in one second, and the packet by which it was reached.
    pub(super) most: u32,
    pub(super) at: PacketId,
}

impl Rate {
    /// A message.
    pub(super) fn message(&mut self, at: Moment) {
        let part = at.time.0.div_euclid(PART_NS);
        // A clock that stepped back fills the part that it was in.
        let ahead = part.saturating_sub(self.now).max(0);
        if ahead > 0 {
            for i in 1..=ahead.min(PARTS as i64) {
                if let Some(p) = self.parts.get_mut(place(self.now.saturating_add(i))) {
                    *p = 0;
                }
            }
            self.now = part;
        }
        if let Some(p) = self.parts.get_mut(place(self.now)) {
            *p = p.saturating_add(1);
        }
        let sum = self.parts.iter().fold(0_u32, |n, p| n.saturating_add(*p));
        if sum > self.most {
            self.most = sum;
            self.at = at.packet;
        }
    }
}

fn place(part: i64) -> usize {
    usize::try_from(part.rem_euclid(PARTS as i64)).unwrap_or(0)
}

/// Time in which nobody sent a frame.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Silence {
    last: Option<Moment>,
    /// The longest, in nanoseconds, and the packets before and behind it.
    pub(super) longest: u64,
    pub(super) around: [PacketId; 2],
}

impl Silence {
    /// Something was sent from `start` to `end`.
    pub(super) fn broken(&mut self, start: Moment, end: Moment) {
        if let Some(last) = self.last {
            let ns = start.time.since(last.time);
            if ns > self.longest {
                self.longest = ns;
                self.around = [last.packet, start.packet];
            }
        }
        self.last = Some(self.last.map_or(end, |l| if end.time > l.time { end } else { l }));
    }

    /// When it was last broken.
    pub(super) const fn last(&self) -> Option<Moment> {
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::CaptureTime;

    fn at(n: u64, ms: i64) -> Moment {
        Moment { packet: PacketId(n), time: CaptureTime(ms * 1_000_000) }
    }

    #[test]
    fn keys_that_repeat_and_keys_that_are_none() {
        let mut k = Keys::default();
        for (n, key) in [1_u32, 2, 3, 2, 0, 0, 1].into_iter().enumerate() {
            k.frame(key.to_be_bytes(), at(n as u64, 0));
        }
        assert_eq!(k.repeats(), Some((2, [PacketId(1), PacketId(3)])));
        assert_eq!((k.zero, k.zero_in), (2, Some(PacketId(4))));
        let mut good = Keys::default();
        for n in 0..1000_u32 {
            good.frame((n.wrapping_mul(0x9e37_79b9) | 1).to_be_bytes(), at(1, 0));
        }
        assert_eq!((good.repeats(), good.zero), (None, 0));
        // Twenty keys in turn, and two hundred.
        for n in [20, 200] {
            let mut k = Keys::default();
            for i in 0..=n {
                k.frame((i % n + 1_u32).wrapping_mul(0x9e37_79b9).to_be_bytes(), at(i.into(), 0));
            }
            assert_eq!(k.repeats(), Some((1, [PacketId(0), PacketId(n.into())])), "{n}");
        }
    }

    #[test]
    fn a_key_that_comes_again_by_chance_is_not_one_used_again() {
        let mut k = Keys::default();
        let key = |n: u32| (n.wrapping_mul(0x9e37_79b9) | 1).to_be_bytes();
        for n in 0..100_000 {
            k.frame(key(n), at(n.into(), 0));
        }
        // One, a hundred frames ago: of 25 million pairs.
        k.frame(key(99_900), at(1, 1));
        assert_eq!((k.repeated, k.repeats()), (1, None));
        k.frame(key(99_901), at(1, 1));
        assert_eq!(k.repeats(), None);
        k.frame(key(99_902), at(1, 1));
        assert_eq!(k.repeats().map(|r| r.0), Some(3));
        assert!(k.memory() < 8 << 10);
        // Shortly before, one is enough.
        let mut k = Keys::default();
        for n in 0..100_000 {
            k.frame(key(n), at(n.into(), 0));
        }
        k.frame(key(99_995), at(7, 1));
        assert_eq!(k.repeats(), Some((1, [PacketId(99_995), PacketId(7)])));
    }

    #[test]
    fn a_pong_answers_the_pings_before_it() {
        let mut p = Pings::default();
        p.sent(b"a", false, at(1, 10));
        p.sent(b"b", false, at(2, 20));
        p.sent(b"c", false, at(3, 30));
        assert_eq!(p.answered(b"x", at(4, 31)), None);
        assert_eq!(p.answered(b"b", at(5, 45)), Some((25_000_000, false)));
        assert_eq!((p.unanswered(), p.first().map(|p| p.at)), (1, Some(at(3, 30))));
        p.forget();
        assert_eq!(p.unanswered(), 0);
        for _ in 0..100 {
            p.sent(b"", false, at(1, 0));
        }
        assert_eq!((p.unanswered(), p.waiting.len()), (100, MAX_WAITING));
        // Behind a fault: nobody need answer, until somebody does.
        let mut p = Pings::default();
        p.sent(b"a", true, at(1, 10));
        p.sent(b"b", true, at(2, 20));
        assert_eq!((p.unanswered(), p.first().map(|p| p.at)), (0, None));
        assert_eq!(p.answered(b"a", at(3, 30)), Some((20_000_000, true)));
        assert_eq!(p.unanswered(), 1);
    }

    #[test]
    fn messages_of_one_second() {
        let mut r = Rate::default();
        for n in 0..50 {
            r.message(at(n, 20 * n as i64));
        }
        assert!((44..=50).contains(&r.most), "{}", r.most);
        // Two seconds later, the old ones do not count.
        let mut r2 = r;
        r2.most = 0;
        r2.message(at(99, 4000));
        assert_eq!(r2.most, 1);
        // A clock that steps back.
        r2.message(at(100, 10));
        assert_eq!(r2.most, 2);
    }

    #[test]
    fn silence_is_between_frames() {
        let mut s = Silence::default();
        s.broken(at(1, 0), at(1, 5));
        s.broken(at(2, 100), at(3, 200));
        s.broken(at(4, 150), at(4, 150));
        s.broken(at(5, 210), at(5, 210));
        assert_eq!((s.longest, s.around), (95_000_000, [PacketId(1), PacketId(2)]));
    }
}
