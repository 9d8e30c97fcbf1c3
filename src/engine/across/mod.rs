//! What is seen only across conversations.
//!
//! Each analysis is a file: it takes the exchanges of the whole capture in order,
//! by their [`Facts`], and says what it finds of one of them. What it keeps is
//! bounded by a named limit. A conversation that is run again alone (decode-as,
//! late keys) is not asked again.

mod calls;
mod connections;
mod exposure;
mod keys;
mod legs;
mod polling;
mod streams;

use crate::base::EventId;
use crate::engine::lineage::Call;
use crate::engine::{ConversationInfo, FindingEvent};
use crate::event::{Draft, Event};
use crate::facts::Facts;
use crate::finding::Finding;

/// An exchange with facts, as it was handed out.
pub(super) struct Seen<'a> {
    pub event: EventId,
    pub info: &'a ConversationInfo,
    pub draft: &'a Draft,
    pub facts: &'a Facts,
}

impl Seen<'_> {
    /// A finding of this exchange.
    pub(super) fn found(&self, finding: Finding) -> Across {
        let packets = match finding.proof.is_empty() {
            true => vec![self.draft.start.packet, self.draft.end.packet],
            false => finding.proof.clone(),
        };
        Across {
            finding: FindingEvent {
                finding,
                protocol: self.draft.protocol,
                event: Some(self.event),
                at: self.draft.end,
                packets,
                stream: self.draft.stream,
                sender: self.draft.sender,
                across: true,
            },
            info: Box::new(self.info.clone()),
        }
    }
}

/// A finding of an exchange, and whose it is.
#[derive(Clone)]
pub(super) struct Across {
    pub finding: FindingEvent,
    pub info: Box<ConversationInfo>,
}

/// An analysis across conversations.
pub(super) trait Analysis: Send {
    /// An exchange, in the order in which they came to their ends.
    fn exchange(&mut self, seen: &Seen<'_>, found: &mut Vec<Across>);

    /// The capture has ended.
    fn finish(&mut self, _found: &mut Vec<Across>) {}
}

/// All of them.
pub(super) struct Analyses {
    first: Vec<Box<dyn Analysis>>,
    calls: calls::Calls,
    last: Vec<Box<dyn Analysis>>,
}

impl Analyses {
    pub(super) fn new() -> Self {
        Self {
            first: vec![
                Box::new(exposure::Exposure),
                Box::<connections::Connections>::default(),
                Box::<keys::Keys>::default(),
                Box::<legs::Legs>::default(),
            ],
            calls: calls::Calls::default(),
            last: vec![Box::<polling::Polling>::default(), Box::<streams::Streams>::default()],
        }
    }

    /// An event that is about to be handed out.
    pub(super) fn event(
        &mut self,
        event: &Event,
        info: Option<&ConversationInfo>,
        found: &mut Vec<Across>,
    ) {
        let (Some(facts), Some(info)) = (&event.draft.facts, info) else { return };
        let seen = Seen { event: event.id, info, draft: &event.draft, facts };
        // There are many, and they are for one alone.
        if let Facts::Call(_) = facts {
            return self.calls.exchange(&seen, found);
        }
        for a in self.first.iter_mut().chain(&mut self.last) {
            a.exchange(&seen, found);
        }
    }

    /// A call of which nothing was found, instead of its event.
    pub(super) fn call(&mut self, call: Call, info: &ConversationInfo, found: &mut Vec<Across>) {
        self.calls.add(call, info, found);
    }

    /// The capture has ended.
    pub(super) fn finish(&mut self, found: &mut Vec<Across>) {
        for a in &mut self.first {
            a.finish(found);
        }
        self.calls.finish(found);
        for a in &mut self.last {
            a.finish(found);
        }
    }
}
