//! Which packets of a connection carried what: whole packets, told apart by the exchanges whose
//! bytes are in them.
//!
//! A packet is known before what it brings is. So packets that carry something wait until it is
//! said whose bytes they had: by a frame of HTTP/2 that ends in them or goes on behind them, or,
//! where exchanges come one behind the other, by the exchange that ends with them.

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::base::PacketId;
use crate::base::limits::MAX_CARRIED_STREAMS;

/// Packets of one direction that wait one by one: a frame has 16 KiB as a rule, and a loopback
/// segment up to 64. Of more only the sum is kept, which goes to whoever comes first.
const RECENT: usize = 32;

/// Ways that are told apart.
pub(super) const WAYS: usize = super::transports::Way::ALL.len();

/// Whose bytes were in a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owner {
    /// The connection's: handshakes of TLS, settings of HTTP/2.
    Connection,
    /// Those of an HTTP/2 stream, whose exchange will say what it was.
    Stream(u64),
    /// Those of an exchange, by the index of its way.
    Way(usize),
}

/// One direction.
#[derive(Debug, Default)]
struct Lane {
    /// Bytes of packets that are older than those that wait one by one.
    older: u64,
    recent: VecDeque<(PacketId, u64)>,
    /// The last packet that was claimed, its bytes, and by whom: others may follow.
    last: Option<(PacketId, u64, Vec<Owner>)>,
}

/// A connection.
#[derive(Debug, Default)]
pub(super) struct Carried {
    lanes: [Lane; 2],
    /// Bytes by stream, and by what its exchange was, once that is known.
    streams: HashMap<u64, (u64, Option<usize>)>,
    /// Bytes by way.
    ways: [u64; WAYS],
}

impl Carried {
    /// A packet with payload went in a direction.
    pub(super) fn packet(&mut self, lane: usize, id: PacketId, bytes: u64) {
        let Some(lane) = self.lanes.get_mut(lane) else { return };
        lane.recent.push_back((id, bytes));
        if lane.recent.len() > RECENT
            && let Some((_, bytes)) = lane.recent.pop_front()
        {
            lane.older = lane.older.saturating_add(bytes);
        }
    }

    /// Bytes from one packet to another were `owner`'s. What waits before the last of them is
    /// theirs, too, unless the connection speaks for itself: its alerts and settings come in
    /// between.
    pub(super) fn claim(&mut self, lane: usize, [first, last]: [PacketId; 2], owner: Owner) {
        let Some(l) = self.lanes.get_mut(lane) else { return };
        let mut sum = 0_u64;
        let mut ended = None;
        if owner == Owner::Connection {
            let all = std::mem::take(&mut l.recent).into_iter();
            let (theirs, others) = all.partition(|(id, _)| (first..=last).contains(id));
            l.recent = others;
            let theirs: VecDeque<_> = theirs;
            if let Some((id, bytes)) = theirs.back().filter(|(id, _)| *id == last) {
                ended = l.last.replace((*id, *bytes, vec![owner]));
            }
        }
        let takes = |(id, _): &(PacketId, u64)| *id <= last && owner != Owner::Connection;
        while let Some((id, bytes)) = l.recent.front().copied().filter(takes) {
            sum = sum.saturating_add(std::mem::take(&mut l.older));
            l.recent.pop_front();
            if id == last {
                ended = l.last.replace((id, bytes, vec![owner]));
                break;
            }
            sum = sum.saturating_add(bytes);
        }
        match &mut l.last {
            // What it began or ended in may be others' as well.
            Some((id, _, owners)) if [first, last].contains(id) && !owners.contains(&owner) => {
                owners.push(owner);
            }
            _ => {}
        }
        self.give(owner, sum);
        self.divide(ended);
    }

    /// The exchange of a stream said which way it went.
    pub(super) fn settle(&mut self, stream: u64, way: usize) {
        let known = self.streams.entry(stream).or_default();
        known.1.get_or_insert(way);
    }

    /// A packet that nobody else will claim.
    fn divide(&mut self, packet: Option<(PacketId, u64, Vec<Owner>)>) {
        let Some((_, bytes, mut owners)) = packet else { return };
        if owners.iter().any(|o| *o != Owner::Connection) {
            owners.retain(|o| *o != Owner::Connection);
        }
        let mut left = bytes;
        for (n, owner) in owners.iter().enumerate() {
            let part = left / (owners.len() - n) as u64;
            left -= part;
            self.give(*owner, part);
        }
    }

    fn give(&mut self, owner: Owner, bytes: u64) {
        let sum = match owner {
            Owner::Connection => return,
            Owner::Way(way) => self.ways.get_mut(way),
            Owner::Stream(stream) => {
                if self.streams.len() >= MAX_CARRIED_STREAMS && !self.streams.contains_key(&stream)
                {
                    self.fold();
                }
                Some(&mut self.streams.entry(stream).or_default().0)
            }
        };
        if let Some(sum) = sum {
            *sum = sum.saturating_add(bytes);
        }
    }

    /// Lets go of the streams. Of those that are open nothing is said.
    fn fold(&mut self) {
        for (_, (bytes, way)) in self.streams.drain() {
            if let Some(sum) = way.and_then(|w| self.ways.get_mut(w)) {
                *sum = sum.saturating_add(bytes);
            }
        }
    }

    /// Bytes by way, when all was said.
    pub(super) fn finish(mut self) -> [u64; WAYS] {
        for lane in std::mem::take(&mut self.lanes) {
            self.divide(lane.last);
        }
        self.fold();
        self.ways
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REST: usize = 0;
    const PUSH: usize = 3;

    fn p(n: u64) -> PacketId {
        PacketId(n)
    }

    #[test]
    fn exchanges_one_behind_the_other() {
        let mut c = Carried::default();
        for (lane, id, bytes) in [(0, 1, 100), (1, 2, 200), (0, 3, 30), (1, 4, 40), (1, 5, 50)] {
            c.packet(lane, p(id), bytes);
        }
        c.claim(0, [p(1), p(2)], Owner::Way(REST));
        c.claim(1, [p(1), p(2)], Owner::Way(REST));
        c.claim(0, [p(3), p(4)], Owner::Way(PUSH));
        c.claim(1, [p(3), p(4)], Owner::Way(PUSH));
        let all = c.finish();
        // Nobody said whose the fifth is.
        assert_eq!((all[REST], all[PUSH], all.iter().sum::<u64>()), (300, 70, 370));
    }

    #[test]
    fn a_packet_of_several_streams_is_divided() {
        let mut c = Carried::default();
        for (id, bytes) in [(1, 90), (2, 101), (3, 7)] {
            c.packet(0, p(id), bytes);
        }
        c.claim(0, [p(1), p(1)], Owner::Connection);
        c.claim(0, [p(1), p(1)], Owner::Stream(1));
        // It goes on in the second packet, in which another ends as well.
        c.claim(0, [p(1), p(2)], Owner::Stream(1));
        c.claim(0, [p(2), p(2)], Owner::Stream(3));
        c.claim(0, [p(2), p(2)], Owner::Stream(3));
        c.claim(0, [p(3), p(3)], Owner::Connection);
        c.settle(1, REST);
        c.settle(3, PUSH);
        let all = c.finish();
        assert_eq!((all[REST], all[PUSH], all.iter().sum::<u64>()), (140, 51, 191));
    }

    /// An answer without a length ends with its connection, behind the alert that says so.
    #[test]
    fn what_the_connection_says_is_between() {
        let mut c = Carried::default();
        for (id, bytes) in [(1, 500), (2, 1000), (3, 60), (4, 70)] {
            c.packet(1, p(id), bytes);
        }
        c.claim(1, [p(1), p(1)], Owner::Connection);
        c.claim(1, [p(3), p(4)], Owner::Connection);
        c.claim(1, [p(2), p(5)], Owner::Way(REST));
        assert_eq!(c.finish()[REST], 1000);
    }

    #[test]
    fn what_waits_is_bounded() {
        let mut c = Carried::default();
        for id in 1..=1000 {
            c.packet(0, p(id), 10);
        }
        assert!(c.lanes[0].recent.len() <= RECENT);
        c.claim(0, [p(1), p(1000)], Owner::Stream(1));
        c.settle(1, PUSH);
        for stream in 2..3 * MAX_CARRIED_STREAMS as u64 {
            c.packet(0, p(999 + stream), 1);
            c.claim(0, [p(999 + stream), p(999 + stream)], Owner::Stream(stream));
        }
        assert!(c.streams.len() <= MAX_CARRIED_STREAMS);
        assert_eq!(c.finish()[PUSH], 10_000);
    }
}
