//! Which streams are open, and what is remembered of the others (RFC 9113 §5.1).

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::base::limits::MAX_CHILDREN;
use crate::base::{Moment, Side};

/// Closed streams that are remembered with who ended them. Frames that cross a
/// reset arrive within a round trip; streams beyond are told by number alone.
const REMEMBERED: usize = 1024;
/// Aborted streams that are open to what crosses the abort.
const LINGERING: usize = 64;

/// One direction of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Half {
    /// The request's or the final response's header section has been seen.
    pub(crate) head: bool,
    /// END_STREAM has been seen.
    pub(crate) ended: bool,
    /// DATA has been seen.
    pub(crate) data: bool,
}

/// An open stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stream {
    halves: [Half; 2],
    /// A child machine is told of it; `false` beyond [`MAX_CHILDREN`].
    pub(crate) child: bool,
    /// It was aborted, by this side: what the peer sent before it knew may still come.
    pub(crate) reset: Option<Side>,
    /// It was aborted before anything came of the end that opened it, whose bytes are
    /// late: by whom, with which code, and when.
    pub(crate) pending: Option<(Side, u32, Moment)>,
    /// The first byte of its request, where that was captured.
    pub(crate) begun: Option<Moment>,
}

impl Stream {
    /// One direction.
    pub(crate) fn half(&mut self, side: Side) -> &mut Half {
        let [client, server] = &mut self.halves;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    /// Whether both directions have ended.
    pub(crate) const fn is_over(&self) -> bool {
        let [client, server] = &self.halves;
        client.ended && server.ended
    }
}

/// What is known of a stream that is not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Past {
    /// Nobody has used it, nor a higher one of the same end.
    Idle,
    /// It was not used when a higher one was (§5.1.1), or that is long ago.
    Skipped,
    /// It was open; whether this side had ended it (END_STREAM or RST_STREAM).
    Closed {
        /// The side that was asked for.
        by_sender: bool,
    },
}

/// All streams of a connection.
#[derive(Clone, Debug, Default)]
pub(crate) struct Streams {
    open: HashMap<u32, Stream>,
    /// By number: who had ended it, or aborted it, and whether both had ended it.
    closed: VecDeque<(u32, [bool; 2], bool)>,
    /// Streams that were aborted and are still open to the peer's frames.
    lingering: VecDeque<u32>,
    /// The highest identifier in use, of the client's (odd) and the server's (even).
    highest: [u32; 2],
}

/// The end whose identifiers these are: odd ones the client's (§5.1.1).
pub(crate) const fn initiator(stream: u32) -> Side {
    if stream % 2 == 1 { Side::Client } else { Side::Server }
}

impl Streams {
    /// The stream, if it is open.
    pub(crate) fn get(&mut self, id: u32) -> Option<&mut Stream> {
        self.open.get_mut(&id)
    }

    /// Who has ended its direction of the stream: both, where it is not open.
    pub(crate) fn ended(&self, id: u32) -> [bool; 2] {
        self.open.get(&id).map_or([true; 2], |s| s.halves.map(|h| h.ended))
    }

    /// Whether both ends had ended the stream, and neither aborted it; of one that is long
    /// gone nobody knows.
    pub(crate) fn was_whole(&self, id: u32) -> bool {
        self.closed.iter().rev().find(|(closed, ..)| *closed == id).is_some_and(|(.., w)| *w)
    }

    /// Whether the stream is open.
    pub(crate) fn is_open(&self, id: u32) -> bool {
        self.open.contains_key(&id)
    }

    /// Whether none is open, but such as were aborted.
    pub(crate) fn is_empty(&self) -> bool {
        self.open.values().all(|s| s.reset.is_some())
    }

    /// Whether no further stream can be followed.
    pub(crate) fn is_full(&self) -> bool {
        self.open.len() >= MAX_CHILDREN
    }

    /// Opens a stream that is not open.
    pub(crate) fn open(&mut self, id: u32, child: bool) {
        self.open.insert(id, Stream { child, ..Stream::default() });
        self.use_id(id);
    }

    /// The identifier is in use, and lower ones of the same end are no longer idle.
    pub(crate) fn use_id(&mut self, id: u32) {
        if let Some(h) = self.highest.get_mut(initiator(id).index()) {
            *h = (*h).max(id);
        }
    }

    /// Closes an open stream; `reset_by` is the side that aborted it.
    pub(crate) fn close(&mut self, id: u32, reset_by: Option<Side>) {
        let Some(s) = self.open.remove(&id) else { return };
        let by = Side::BOTH.map(|side| {
            reset_by == Some(side)
                || s.reset == Some(side)
                || s.halves.get(side.index()).is_some_and(|h| h.ended)
        });
        if self.closed.len() >= REMEMBERED {
            self.closed.pop_front();
        }
        let whole = reset_by.is_none() && s.reset.is_none() && s.is_over();
        self.closed.push_back((id, by, whole));
    }

    /// The stream was aborted and stays open to the peer's frames. Gives the one that
    /// does so no longer for it.
    pub(crate) fn linger(&mut self, id: u32, by: Side) -> Option<u32> {
        let s = self.open.get_mut(&id)?;
        s.reset = Some(by);
        s.half(by).ended = true;
        let open = &self.open;
        self.lingering.retain(|l| open.contains_key(l));
        self.lingering.push_back(id);
        if self.lingering.len() > LINGERING { self.lingering.pop_front() } else { None }
    }

    /// What is known of a stream that is not open, for a frame of `sender`.
    pub(crate) fn past(&self, id: u32, sender: Side) -> Past {
        let highest = self.highest.get(initiator(id).index()).copied().unwrap_or(0);
        if id > highest {
            return Past::Idle;
        }
        match self.closed.iter().rev().find(|(closed, ..)| *closed == id) {
            Some((_, by, _)) => {
                Past::Closed { by_sender: by.get(sender.index()).copied().unwrap_or(false) }
            }
            None => Past::Skipped,
        }
    }

    /// The highest identifiers in use: the client's, the server's.
    pub(crate) const fn highest(&self) -> [u32; 2] {
        self.highest
    }

    /// The open streams in ascending order.
    pub(crate) fn ids(&self) -> Vec<u32> {
        let mut v: Vec<u32> = self.open.keys().copied().collect();
        v.sort_unstable();
        v
    }

    /// Memory held, in bytes.
    pub(crate) fn memory(&self) -> usize {
        self.open.capacity() * (size_of::<(u32, Stream)>() + 1)
            + self.closed.capacity() * size_of::<(u32, [bool; 2], bool)>()
            + self.lingering.capacity() * size_of::<u32>()
    }
}
