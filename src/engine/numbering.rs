//! Events get their numbers and leave: parts before wholes, and behind each its findings.

use crate::base::EventId;
use crate::engine::across::{Across, Analyses};
use crate::engine::conversation::ConversationInfo;
use crate::engine::shared::{First, Shared};
use crate::engine::{EventSink, FindingEvent};
use crate::event::Event;

/// Numbers events, and has them looked at across conversations.
pub(super) struct Numbering {
    next_event: u64,
    /// `None` where one conversation is run alone.
    analyses: Option<Analyses>,
    /// What these have found of the event in hand.
    found: Vec<Across>,
}

impl Numbering {
    /// For one conversation.
    pub(super) const fn alone() -> Self {
        Self { next_event: 1, analyses: None, found: Vec::new() }
    }

    /// For all of them.
    pub(super) fn across() -> Self {
        Self { analyses: Some(Analyses::new()), ..Self::alone() }
    }

    /// An event that has its number.
    fn hand_out(
        &mut self,
        event: &mut Event,
        info: Option<&ConversationInfo>,
        sink: &mut dyn EventSink,
    ) {
        self.look(event, info);
        hand_out(event, info, sink);
        self.tell(sink);
    }

    /// An event is about to be handed out.
    pub(super) fn look(&mut self, event: &Event, info: Option<&ConversationInfo>) {
        if event.draft.facts.is_some()
            && let Some(a) = &mut self.analyses
        {
            a.event(event, info, &mut self.found);
        }
    }

    /// Hands out what the analyses found.
    pub(super) fn tell(&mut self, sink: &mut dyn EventSink) {
        if self.found.is_empty() {
            return;
        }
        for f in self.found.drain(..) {
            sink.finding(f.finding, Some(&f.info));
        }
    }

    /// The capture has ended.
    pub(super) fn finish(&mut self, sink: &mut dyn EventSink) {
        if let Some(a) = &mut self.analyses {
            a.finish(&mut self.found);
        }
        self.tell(sink);
    }
}

/// Numbers and hands out what came of one packet, parts before wholes.
pub(super) fn numbered(
    shared: &mut Shared,
    numbering: &mut Numbering,
    info: Option<&ConversationInfo>,
    sink: &mut dyn EventSink,
) {
    if shared.found.is_empty() {
        return;
    }
    let conversation = info.map(|i| i.id);
    let mut found = std::mem::take(&mut shared.found);
    for f in found.first.drain(..) {
        match f {
            First::Packet(draft) => {
                let mut event = Event { id: EventId(0), conversation, draft: *draft };
                numbering.hand_out(&mut event, info, sink);
            }
            First::Finding { finding, protocol, sender, at } => sink.finding(
                FindingEvent {
                    packets: match (finding.proof.is_empty(), at.packet.0) {
                        (false, _) => finding.proof.clone(),
                        (true, 0) => Vec::new(),
                        (true, _) => vec![at.packet],
                    },
                    finding,
                    protocol,
                    event: None,
                    at,
                    stream: None,
                    sender,
                    across: false,
                },
                info,
            ),
        }
    }
    for events in &mut found.events {
        for event in events.iter_mut() {
            event.id = EventId(numbering.next_event);
            event.conversation = conversation;
            numbering.next_event += 1;
            numbering.hand_out(event, info, sink);
        }
        events.clear();
    }
    shared.found = found;
}

/// An event, and behind it its findings.
fn hand_out(event: &mut Event, info: Option<&ConversationInfo>, sink: &mut dyn EventSink) {
    if event.draft.findings.is_empty() {
        sink.event(event, info);
        return;
    }
    let packets = event.packets();
    let (id, draft) = (event.id, &event.draft);
    let found: Vec<FindingEvent> = draft
        .findings
        .iter()
        .map(|f| FindingEvent {
            finding: f.clone(),
            protocol: draft.protocol,
            event: (id.0 > 0).then_some(id),
            at: draft.end,
            packets: if f.proof.is_empty() { packets.clone() } else { f.proof.clone() },
            stream: draft.stream,
            sender: draft.sender,
            across: false,
        })
        .collect();
    sink.event(event, info);
    for f in found {
        sink.finding(f, info);
    }
}
