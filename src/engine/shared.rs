//! What the machines of all conversations share while one packet is worked on.

use std::sync::Arc;

use crate::base::{ConversationId, EventId, Moment, Side};
use crate::engine::Options;
use crate::event::{Draft, Event, Level};
use crate::finding::Finding;
use crate::proto::protobuf::Learnt;
use crate::proto::secrets::ClientRandom;
use crate::proto::{Abort, Look, Path, PayloadDecoder, Protocol, Secrets, Stall};

/// Bytes of one conversation, by what became of them; pairs by side.
///
/// Each is counted where it happens, none from the others: that dissected, opaque
/// and missing bytes come to the whole stream is a property that tests hold.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Bytes that its streams had, by sequence number: those in gaps included.
    pub stream: [u64; 2],
    /// Bytes that nobody could read, on the conversation itself or further up.
    pub opaque: [u64; 2],
    /// Bytes that were not captured.
    pub gap: [u64; 2],
    /// Bytes that the machine on the conversation itself took.
    pub taken: [u64; 2],
    /// Of these, what nobody further up could read.
    pub opaque_above: [u64; 2],
}

impl Ledger {
    /// Bytes that a protocol took and understood.
    #[must_use]
    pub fn dissected(&self) -> [u64; 2] {
        let [c, s] = self.taken;
        let [c_above, s_above] = self.opaque_above;
        [c.saturating_sub(c_above), s.saturating_sub(s_above)]
    }

    fn pairs(&mut self) -> [&mut [u64; 2]; 5] {
        let Self { stream, opaque, gap, taken, opaque_above } = self;
        [stream, opaque, gap, taken, opaque_above]
    }

    /// Client and server turn out to be the other way round.
    pub(super) fn swap_sides(&mut self) {
        for pair in self.pairs() {
            pair.swap(0, 1);
        }
    }

    /// Adds another conversation's.
    pub fn add(&mut self, other: &Self) {
        let mut other = *other;
        for (mine, theirs) in self.pairs().into_iter().zip(other.pairs()) {
            for (m, t) in mine.iter_mut().zip(theirs) {
                *m += *t;
            }
        }
    }
}

/// What the packet being worked on has brought forth, parts before wholes: each list in the
/// order in which it came.
#[derive(Default)]
pub(super) struct Found {
    /// The packet itself, and what is wrong with no event in particular.
    pub first: Vec<First>,
    /// Frames, messages, exchanges: without a number yet. Instead of one it has how many of its
    /// level that are only counted came before it.
    pub events: [Vec<Event>; 3],
    /// Those that are only counted.
    pub counted: [u64; 3],
}

/// What comes before all frames.
pub(super) enum First {
    Packet(Box<Draft>),
    Finding { finding: Finding, protocol: &'static str, sender: Option<Side>, at: Moment },
}

impl Found {
    pub(super) fn is_empty(&self) -> bool {
        self.counted == [0; 3] && self.first.is_empty() && self.events.iter().all(Vec::is_empty)
    }

    #[inline]
    fn push(&mut self, draft: Draft) {
        let at = draft.level.place();
        let list = at.and_then(|at| self.events.get_mut(at).zip(self.counted.get(at)));
        let Some((list, before)) = list else {
            return self.first.push(First::Packet(Box::new(draft)));
        };
        list.push(Event { id: EventId(*before), conversation: None, draft });
    }

    #[inline]
    fn count(&mut self, level: Level) -> bool {
        let Some(n) = level.place().and_then(|at| self.counted.get_mut(at)) else { return false };
        *n += 1;
        true
    }
}

pub(super) struct Shared {
    pub now: Moment,
    pub wanted: [bool; 5],
    /// Events that say nothing are only counted.
    pub counts: bool,
    pub payload_cap: usize,
    pub decoders: Arc<Vec<Box<dyn PayloadDecoder>>>,
    pub registry: &'static [&'static Protocol],
    /// Learns schemas from what is decoded: in the engine, and in no replay.
    pub learn: Option<Arc<Learnt>>,
    /// What has come; the conversation is the current one.
    pub found: Found,
    /// What machines have found since some of it was handed out.
    pub fresh: usize,
    /// Inflated bytes of the current conversation since this was last taken.
    pub inflated: u64,
    /// Ledger of the current conversation.
    pub ledger: Ledger,
    /// Client and server of the current conversation have changed places.
    pub sides_swapped: bool,
    /// Who is the client of the current conversation is known, not guessed.
    pub roles_known: bool,
    /// Only one end of the current conversation was captured: nobody need wait for the other.
    pub one_way: bool,
    /// Protocols found on the current conversation so far, in order.
    pub protocols: Vec<&'static str>,
    /// Sessions of the current conversation whose secrets were of use.
    pub used_secrets: Vec<ClientRandom>,
    pub secrets: Arc<Secrets>,
    /// Machines may wait for secrets that have not come.
    pub patient: bool,
    /// One does.
    pub awaits_secrets: bool,
    pub conversation: Option<ConversationId>,
    /// Copies are made, from which events are opened again.
    pub reopens: bool,
    /// A copy of the current conversation is asked for.
    pub marked: bool,
    /// How the abort came about that machines are told of.
    pub abort: Abort,
    /// When it came, where that was before now.
    pub aborted_at: Option<Moment>,
    /// How well the current conversation fares.
    pub path: Path,
    /// How data of the stream waited of whose end machines are told.
    pub stalls: [Option<Stall>; 2],
    /// Message events since the checkpoint, and those that are looked at, in order
    /// (where nothing but messages and frames is).
    pub sought: Option<Sought>,
}

/// Which messages of a replay are looked at, by their number from 0.
pub(super) struct Sought {
    pub emitted: u64,
    pub wanted: std::collections::VecDeque<u64>,
}

impl Shared {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            now: Moment::default(),
            wanted: options.wanted,
            counts: options.counts,
            payload_cap: options.payload_cap,
            decoders: Arc::clone(&options.decoders),
            registry: options.registry,
            learn: None,
            found: Found::default(),
            fresh: 0,
            inflated: 0,
            ledger: Ledger::default(),
            sides_swapped: false,
            roles_known: false,
            one_way: false,
            protocols: Vec::new(),
            used_secrets: Vec::new(),
            secrets: Arc::clone(&options.secrets),
            patient: false,
            awaits_secrets: false,
            conversation: None,
            reopens: options.checkpoints,
            marked: false,
            abort: Abort::Stream,
            aborted_at: None,
            path: Path::default(),
            stalls: [None; 2],
            sought: None,
        }
    }

    pub(super) fn wants(&self, level: Level) -> bool {
        self.wanted.get(level as usize).copied().unwrap_or(false)
    }

    /// See `Out::look`.
    pub(super) fn look(&self, level: Level) -> Look {
        match &self.sought {
            Some(s) if level == Level::Message => {
                if s.wanted.front() == Some(&s.emitted) {
                    Look::Next
                } else {
                    Look::Later
                }
            }
            _ => Look::Every,
        }
    }

    /// Client and server turn out to be the other way round.
    pub(super) fn swap_sides(&mut self) {
        self.sides_swapped ^= true;
        self.ledger.swap_sides();
        self.path.swap_sides();
    }

    /// See `Out::count`.
    #[inline]
    pub(super) fn count(&mut self, level: Level) -> bool {
        if !self.counts || self.wants(level) || !self.found.count(level) {
            return false;
        }
        self.fresh += 1;
        true
    }

    pub(super) fn emit(&mut self, draft: Draft) {
        let says_nothing = draft.facts.is_none() && draft.findings.is_empty();
        if self.counts && says_nothing && self.count(draft.level) {
            return;
        }
        self.fresh += 1;
        if let Some(s) = self.sought.as_mut().filter(|_| draft.level == Level::Message) {
            s.emitted += 1;
            while s.wanted.front().is_some_and(|w| *w < s.emitted) {
                s.wanted.pop_front();
            }
        }
        self.found.push(draft);
    }

    pub(super) fn finding(&mut self, finding: Finding, protocol: &'static str) {
        self.finding_of(None, finding, protocol);
    }

    /// A finding about what came with an earlier packet.
    pub(super) fn finding_at(&mut self, finding: Finding, protocol: &'static str, at: Moment) {
        self.fresh += 1;
        self.found.first.push(First::Finding { finding, protocol, sender: None, at });
    }

    /// A finding about what one side sent.
    pub(super) fn finding_of(
        &mut self,
        sender: Option<Side>,
        finding: Finding,
        protocol: &'static str,
    ) {
        self.fresh += 1;
        self.found.first.push(First::Finding { finding, protocol, sender, at: self.now });
    }
}
