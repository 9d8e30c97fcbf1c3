//! What the machines of all conversations share while one packet is worked on.

use std::sync::Arc;

use crate::base::{ConversationId, Moment, Side};
use crate::engine::Options;
use crate::event::{Draft, Level};
use crate::finding::Finding;
use crate::proto::{PayloadDecoder, Protocol};

/// Bytes of one conversation, by what became of them; pairs by side.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// Bytes that its streams had, by sequence number: those in gaps included.
    pub stream: [u64; 2],
    /// Bytes that nobody could read.
    pub opaque: [u64; 2],
    /// Bytes that were not captured.
    pub gap: [u64; 2],
}

impl Ledger {
    /// Bytes that a protocol took and understood.
    #[must_use]
    pub fn dissected(&self) -> [u64; 2] {
        let [c, s] = [0, 1].map(|i| {
            let of = |pair: &[u64; 2]| pair.get(i).copied().unwrap_or(0);
            of(&self.stream).saturating_sub(of(&self.opaque)).saturating_sub(of(&self.gap))
        });
        [c, s]
    }
}

/// What the packet being worked on has brought forth.
pub(super) enum Found {
    Event(Draft),
    Finding { finding: Finding, protocol: &'static str, sender: Option<Side>, at: Moment },
}

pub(super) struct Shared {
    pub now: Moment,
    pub wanted: [bool; 5],
    pub payload_cap: usize,
    pub decoders: Arc<Vec<Box<dyn PayloadDecoder>>>,
    pub registry: &'static [&'static Protocol],
    /// In the order in which they came; the conversation is the current one.
    pub found: Vec<Found>,
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
    /// Protocols found on the current conversation so far, in order.
    pub protocols: Vec<&'static str>,
    pub conversation: Option<ConversationId>,
}

impl Shared {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            now: Moment::default(),
            wanted: options.wanted,
            payload_cap: options.payload_cap,
            decoders: Arc::clone(&options.decoders),
            registry: options.registry,
            found: Vec::new(),
            fresh: 0,
            inflated: 0,
            ledger: Ledger::default(),
            sides_swapped: false,
            roles_known: false,
            protocols: Vec::new(),
            conversation: None,
        }
    }

    pub(super) fn wants(&self, level: Level) -> bool {
        self.wanted.get(level as usize).copied().unwrap_or(false)
    }

    /// Client and server turn out to be the other way round.
    pub(super) fn swap_sides(&mut self) {
        self.sides_swapped ^= true;
        for pair in [&mut self.ledger.stream, &mut self.ledger.opaque, &mut self.ledger.gap] {
            pair.swap(0, 1);
        }
    }

    pub(super) fn emit(&mut self, draft: Draft) {
        self.fresh += 1;
        self.found.push(Found::Event(draft));
    }

    pub(super) fn finding(&mut self, finding: Finding, protocol: &'static str) {
        self.finding_of(None, finding, protocol);
    }

    /// A finding about what one side sent.
    pub(super) fn finding_of(
        &mut self,
        sender: Option<Side>,
        finding: Finding,
        protocol: &'static str,
    ) {
        self.fresh += 1;
        self.found.push(Found::Finding { finding, protocol, sender, at: self.now });
    }
}
