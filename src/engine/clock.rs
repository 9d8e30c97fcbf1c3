//! Whether the packets stand in the order of their times.
//!
//! Several queues or interfaces, and files that were put together, bring them in another
//! one. What depends on the order, as what came first, is then judged by the times where a
//! protocol can, and the reader is told once, with how many there are.

use crate::base::time::human;
use crate::base::{CaptureTime, Moment};
use crate::engine::findings::TIME_BACKWARDS;
use crate::finding::Finding;

/// So many packets in a row that are earlier than one before them are no neighbours that
/// changed places, but a part of the capture.
const PART_PACKETS: u64 = 16;

/// Processors that take turns at one clock differ by less, in nanoseconds.
const JITTER_NS: u64 = 1_000;

/// What was seen of the times.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Clock {
    before: Option<Moment>,
    /// The latest time so far.
    latest: CaptureTime,
    /// Times that a packet was earlier than the one before it, and the first pair of these.
    steps: u64,
    first: Option<[Moment; 2]>,
    /// Packets that are earlier than any before them, and by how much at most.
    behind: u64,
    most: u64,
}

impl Clock {
    /// The next packet.
    #[inline]
    pub(super) fn packet(&mut self, now: Moment) {
        if let Some(before) = self.before.replace(now) {
            if before.time.since(now.time) >= JITTER_NS {
                self.steps = self.steps.saturating_add(1);
                self.first.get_or_insert([before, now]);
            }
            if self.latest.since(now.time) >= JITTER_NS {
                self.behind = self.behind.saturating_add(1);
                self.most = self.most.max(self.latest.since(now.time));
                return;
            }
            self.latest = self.latest.max(now.time);
        } else {
            self.latest = now.time;
        }
    }

    /// What is found, at the end.
    pub(super) fn finding(&self) -> Option<Finding> {
        let pair = self.first?;
        let n = self.behind;
        let word = if n == 1 { "packet is" } else { "packets are" };
        let parts = n / self.steps.max(1) >= PART_PACKETS;
        let hint = if parts { "; files may have been put together in the wrong order" } else { "" };
        let text =
            format!("{n} {word} earlier than one before, by up to {}{hint}", human(self.most));
        Some(Finding::new(&TIME_BACKWARDS).with(text).proved_by(pair.map(|m| m.packet)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::PacketId;

    fn told(times: impl IntoIterator<Item = i64>) -> Option<String> {
        let mut clock = Clock::default();
        for (n, t) in (1..).zip(times) {
            clock.packet(Moment { packet: PacketId(n), time: CaptureTime(t * 1000) });
        }
        clock.finding().and_then(|f| f.detail.map(String::from))
    }

    #[test]
    fn what_stands_in_order_is_none() {
        assert_eq!(told([]), None);
        assert_eq!(told([-5, -5, 3, 3, 9]), None);
    }

    #[test]
    fn neighbours_and_parts() {
        let text = "1 packet is earlier than one before, by up to 2 µs";
        assert_eq!(told([1, 4, 2, 5]).as_deref(), Some(text));
        let text = "3 packets are earlier than one before, by up to 3 µs";
        assert_eq!(told([4, 1, 2, 9, 8]).as_deref(), Some(text));
        let text = "40 packets are earlier than one before, by up to 100 µs; files may have been \
                    put together in the wrong order";
        assert_eq!(told((100..140).chain(39..79)).as_deref(), Some(text));
    }
}
