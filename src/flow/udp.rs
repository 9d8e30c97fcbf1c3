//! UDP flows: nothing to put in order, only to count.

use crate::flow::Dir;
use crate::link::UdpDatagram;

/// State of one UDP flow, both directions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct UdpFlow {
    datagrams: [u64; 2],
    bytes: [u64; 2],
}

impl UdpFlow {
    /// Counts a datagram; gives its number in its direction (from 0) and the
    /// offset of its first byte, as if datagrams were a stream. What was not
    /// captured counts too.
    pub fn datagram(&mut self, from_a: bool, datagram: &UdpDatagram<'_>) -> (u64, u64) {
        let len = (datagram.payload.len() as u64).saturating_add(u64::from(datagram.missing));
        let (Some(n), Some(b)) = (
            self.datagrams.get_mut(Dir::from_a(from_a).index()),
            self.bytes.get_mut(Dir::from_a(from_a).index()),
        ) else {
            return (0, 0);
        };
        let at = (*n, *b);
        *n = n.saturating_add(1);
        *b = b.saturating_add(len);
        at
    }

    /// Datagrams of a direction so far.
    #[must_use]
    pub fn datagrams(&self, dir: Dir) -> u64 {
        self.datagrams.get(dir.index()).copied().unwrap_or(0)
    }

    /// Payload bytes of a direction so far, those not captured included.
    #[must_use]
    pub fn bytes(&self, dir: Dir) -> u64 {
        self.bytes.get(dir.index()).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::link::PayloadOrigin;

    #[test]
    fn directions_are_counted_apart() {
        let mut f = UdpFlow::default();
        let d =
            |payload, missing| UdpDatagram { payload, missing, origin: PayloadOrigin::Packet(42) };
        assert_eq!(f.datagram(true, &d(b"abc", 0)), (0, 0));
        assert_eq!(f.datagram(false, &d(b"x", 9)), (0, 0));
        assert_eq!(f.datagram(true, &d(b"", 0)), (1, 3));
        assert_eq!(f.datagram(false, &d(b"y", 0)), (1, 10));
        assert_eq!((f.datagrams(Dir::AtoB), f.bytes(Dir::AtoB)), (2, 3));
        assert_eq!(f.bytes(Dir::BtoA), 11);
    }
}
