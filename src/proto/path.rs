//! How well a connection fares: what its exchanges say beside their own times.

use crate::base::time::human;
use crate::base::{Moment, Side};

/// How well the connection below a stream fares: see [`Out::path`](super::Out::path).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Path {
    /// Segments that have been sent again so far, by either end.
    pub retransmissions: u64,
    /// Nanoseconds of the handshake, from SYN to the acknowledgement of its answer: the
    /// round trip between both ends, wherever on the way it was captured.
    pub round_trip: Option<u64>,
    /// By side: bytes of it, or its end, wait behind others that have not been captured.
    pub waits: [bool; 2],
    /// No beginning was captured (a SYN): the first bytes may stand anywhere.
    pub joined: bool,
    /// By side: the packet of its FIN, once all before that has been handed on.
    pub fins: [Option<Moment>; 2],
    /// Which end is the client is a guess so far.
    pub guessed: bool,
    /// By side: runs of bytes of it that are missing so far.
    pub gaps: [u32; 2],
    /// By side: how soon it acknowledged what its peer sent to be acknowledged.
    pub acks: [Acks; 2],
}

/// Acknowledgements of one end: of PING and SETTINGS (RFC 9113 §6.5.3, §6.7).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Acks {
    /// How many.
    pub count: u64,
    /// Nanoseconds of the shortest: from where it was captured to that end and back.
    pub shortest: u64,
}

impl Acks {
    /// One that came `ns` nanoseconds after what it answers.
    pub fn add(&mut self, ns: u64) {
        self.shortest = if self.count == 0 { ns } else { self.shortest.min(ns) };
        self.count = self.count.saturating_add(1);
    }
}

/// How data of one direction of a stream waited for leave to be sent (flow control,
/// RFC 9113 §5.2): see [`Out::stalls`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stall {
    /// Nanoseconds of the waits that are over.
    pub ns: u64,
    /// How many they were.
    pub times: u32,
    /// The longest of them: the last data before it, the update that ended it.
    pub longest: Option<[Moment; 2]>,
    /// The window is shut: since this data, which used it up, or since the stream began
    /// (packet 0).
    pub shut: Option<Moment>,
    /// It was the window of the connection: the one that is shut, else the longest wait's.
    pub by_connection: bool,
}

impl Path {
    /// Whether bytes of a side may be missing that machines have not been told of.
    #[must_use]
    pub fn lacks(&self, side: Side) -> bool {
        self.waits.get(side.index()) == Some(&true)
    }

    /// Whether this side closed first, and when: its FIN came, and that of its peer later or
    /// not at all.
    #[must_use]
    pub fn closed_first(&self, side: Side) -> Option<Moment> {
        let when = |m: Moment| (m.time, m.packet);
        let of = |side: Side| self.fins.get(side.index()).copied().flatten();
        of(side).filter(|mine| of(side.peer()).is_none_or(|peers| when(*mine) < when(peers)))
    }

    /// Client and server turn out to be the other way round.
    pub const fn swap_sides(&mut self) {
        self.waits.swap(0, 1);
        self.fins.swap(0, 1);
        self.gaps.swap(0, 1);
        self.acks.swap(0, 1);
    }

    /// What is said of a connection beside a verdict: empty where nothing is known.
    #[must_use]
    pub fn beside(self) -> String {
        let again = match self.retransmissions {
            0 => None,
            1 => Some("1 retransmission".to_owned()),
            n => Some(format!("{n} retransmissions")),
        };
        let mut all = Vec::new();
        match self.round_trip {
            Some(ns) => all.push(format!("round trip {}", human(ns))),
            // Without a handshake, what PING and SETTINGS tell.
            None => {
                let acks = Side::BOTH.into_iter().zip(self.acks);
                let acks = acks.filter(|(_, a)| a.count > 0);
                all.extend(acks.map(|(s, a)| format!("the {s} answers in {}", human(a.shortest))));
            }
        }
        all.extend(again);
        if all.is_empty() { String::new() } else { format!("its connection: {}", all.join(", ")) }
    }
}
