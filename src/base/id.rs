//! Identifiers that mean the same in every layer.

use std::fmt;

/// Number of a packet in the capture, counted from 1 as Wireshark and tcpdump count.
///
/// Over several input files the count goes on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PacketId(pub u64);

/// Number of a conversation (a TCP connection or a UDP flow), counted from 1
/// over all transports in order of first appearance.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConversationId(pub u32);

/// Number of a frame, message or exchange event: one sequence, counted from 1,
/// the same for every level that is printed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct EventId(pub u64);

/// Which end of a conversation sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Side {
    /// The end that opened the connection, or that sent the first request.
    Client,
    /// The end that was connected to.
    Server,
}

impl Side {
    /// Both sides, client first.
    pub const BOTH: [Self; 2] = [Self::Client, Self::Server];

    /// The other end.
    #[must_use]
    pub const fn peer(self) -> Self {
        match self {
            Self::Client => Self::Server,
            Self::Server => Self::Client,
        }
    }

    /// 0 for the client, 1 for the server: an index into a pair.
    #[must_use]
    pub const fn index(self) -> usize {
        match self {
            Self::Client => 0,
            Self::Server => 1,
        }
    }

    /// `client` or `server`, as JSON and text have it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }
}

impl fmt::Display for Side {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl PacketId {
    /// The runs of numbers that are written out in a list.
    const RUNS: usize = 8;

    /// `packet 8`, `packets 8 to 13`, `packets 8, 9, 13`: all in a row are a range, or three
    /// and more, and of a long list the last stands behind dots. Nothing of none.
    #[must_use]
    pub fn list(packets: &[Self]) -> String {
        let mut runs: Vec<(u64, u64)> = Vec::new();
        for Self(n) in packets {
            match runs.last_mut() {
                Some((_, last)) if last.checked_add(1) == Some(*n) => *last = *n,
                _ => runs.push((*n, *n)),
            }
        }
        if let ([(first, last)], [_, _, ..]) = (runs.as_slice(), packets) {
            return format!("packets {first} to {last}");
        }
        let mut parts = Vec::new();
        for (first, last) in runs {
            match last - first {
                0 => parts.push(first.to_string()),
                1 => parts.extend([first.to_string(), last.to_string()]),
                _ => parts.push(format!("{first} to {last}")),
            }
        }
        if parts.len() > Self::RUNS {
            let last = parts.pop().unwrap_or_default();
            parts.truncate(Self::RUNS - 1);
            parts.push(format!("… {last} ({} in all)", packets.len()));
        }
        match packets {
            [] => String::new(),
            [one] => format!("packet {one}"),
            _ => format!("packets {}", parts.join(", ")),
        }
    }
}

impl fmt::Display for PacketId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for ConversationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_of_packets() {
        let list = |n: &[u64]| PacketId::list(&n.iter().map(|n| PacketId(*n)).collect::<Vec<_>>());
        assert_eq!(list(&[]), "");
        assert_eq!(list(&[8]), "packet 8");
        assert_eq!(list(&[8, 9]), "packets 8 to 9");
        assert_eq!(list(&[8, 9, 10, 11]), "packets 8 to 11");
        assert_eq!(list(&[8, 9, 13]), "packets 8, 9, 13");
        assert_eq!(list(&[3, 5, 6, 7, 8, 20]), "packets 3, 5 to 8, 20");
        let odd: Vec<u64> = (0..50).map(|n| 2 * n + 1).collect();
        assert_eq!(list(&odd), "packets 1, 3, 5, 7, 9, 11, 13, … 99 (50 in all)");
        // Later ones may come first, as proofs may have them.
        assert_eq!(list(&[9, 4]), "packets 9, 4");
        assert_eq!(list(&[u64::MAX, 1]), "packets 18446744073709551615, 1");
    }
}
