//! The packets behind what was picked, for `slice`.
//!
//! Two passes: a [`Planner`] notes how much of which conversation is needed, then
//! a [`Cutter`] hands out those packets. Both run the engine in the same way, so
//! that conversations have the same numbers; neither keeps anything for a packet, fragments
//! and packets of no conversation apart.
//!
//! Of a TCP conversation everything is kept from its first packet to the one that
//! brought the last event that was picked. Less would decode to less: a machine
//! cannot go on behind a hole in its stream, HPACK needs every header block that
//! came before, and permessage-deflate the window. So handshakes, the upgrade, the
//! preface and settings are always there, and the slice decodes to the same events
//! up to its end. Datagrams stand alone: of a UDP flow only what carried the event
//! is kept.

use std::collections::BTreeSet;
use std::ops::RangeInclusive;

use hashbrown::HashMap;

use crate::base::{ConversationId, PacketId};
use crate::capture::Packet;
use crate::engine::{ConversationInfo, EventSink, FindingEvent};
use crate::event::{Event, Level};
use crate::flow::Transport;
use crate::index::filter::Filter;
use crate::proto::secrets::ClientRandom;

/// What is picked; several picks add up, none is everything.
#[derive(Clone, Debug, Default)]
pub struct Selection {
    /// Whole conversations, by number.
    pub conversations: Vec<RangeInclusive<u64>>,
    /// Events, by number.
    pub events: Vec<RangeInclusive<u64>>,
    /// Packets, by number: these and nothing else.
    pub packets: Vec<RangeInclusive<u64>>,
    /// Events of these protocols, by name.
    pub protocols: Vec<String>,
    /// Events that pass: its fields are those of their details, so ask the engine
    /// for the details of the levels that it should see.
    pub filter: Option<Filter>,
    /// Keep conversations of which anything was picked whole, to their end.
    pub whole: bool,
}

impl Selection {
    /// Whether everything is picked.
    #[must_use]
    pub fn is_everything(&self) -> bool {
        let ranges = [&self.conversations, &self.events, &self.packets];
        ranges.iter().all(|r| r.is_empty()) && self.protocols.is_empty() && self.filter.is_none()
    }

    /// Whether an event is picked.
    fn event(&self, event: &Event, conversation: Option<&ConversationInfo>) -> bool {
        has(&self.events, event.id.0)
            || event.draft.level != Level::Packet
                && self.protocols.iter().any(|p| p == event.draft.protocol)
            || self.filter.as_ref().is_some_and(|f| f.matches(event, conversation))
    }
}

fn has(ranges: &[RangeInclusive<u64>], n: u64) -> bool {
    ranges.iter().any(|r| r.contains(&n))
}

/// How much of a conversation is kept: packets with these numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Need {
    from: PacketId,
    to: PacketId,
}

/// The last numbers that there are; 0 for none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Last {
    /// Of events, of any level.
    pub event: u64,
    /// Of conversations.
    pub conversation: u64,
    /// Of packets.
    pub packet: u64,
}

/// The first pass: finds out what is needed.
#[derive(Debug)]
pub struct Planner {
    selection: Selection,
    needs: HashMap<ConversationId, Need>,
    /// Fragments, by the packet that completed their datagram: 16 bytes each.
    fragments: Vec<(ConversationId, PacketId, PacketId)>,
    /// Packets that were picked and belong to no conversation.
    alone: Vec<PacketId>,
    now: PacketId,
    events: u64,
    last: Last,
    /// Encrypted sessions whose secrets were of use.
    sessions: Vec<(ConversationId, ClientRandom)>,
}

impl Planner {
    /// A plan for this selection.
    #[must_use]
    pub fn new(selection: Selection) -> Self {
        Self {
            selection,
            needs: HashMap::new(),
            fragments: Vec::new(),
            alone: Vec::new(),
            now: PacketId(0),
            events: 0,
            last: Last::default(),
            sessions: Vec::new(),
        }
    }

    /// Encrypted sessions of which anything is kept, and whose secrets were of use.
    #[must_use]
    pub fn sessions(&self) -> Vec<ClientRandom> {
        let everything = self.selection.is_everything();
        let kept = self.sessions.iter().filter(|(c, _)| everything || self.needs.contains_key(c));
        kept.map(|(_, random)| *random).collect()
    }

    /// The second pass over what the first has found, handing packets to `keep`.
    #[must_use]
    pub fn cutter<K: FnMut(&Packet<'_>)>(self, keep: K) -> Cutter<K> {
        let everything = self.selection.is_everything();
        let covered = |(c, at, _): &&(ConversationId, PacketId, PacketId)| {
            self.needs.get(c).is_some_and(|n| n.from <= *at && *at <= n.to)
        };
        let fragments = self.fragments.iter().filter(covered).map(|(_, _, p)| *p);
        let besides = fragments.chain(self.alone.iter().copied()).collect();
        Cutter {
            everything,
            selection: self.selection,
            needs: self.needs,
            besides,
            last: if everything { PacketId(u64::MAX) } else { self.now },
            keep,
        }
    }

    /// The last numbers that were met.
    #[must_use]
    pub const fn last(&self) -> Last {
        self.last
    }

    /// Events that were picked.
    #[must_use]
    pub const fn events(&self) -> u64 {
        self.events
    }

    /// Conversations of which anything is kept.
    #[must_use]
    pub fn conversations(&self) -> usize {
        self.needs.len()
    }

    fn need(&mut self, conversation: ConversationId, from: PacketId, to: PacketId) {
        let n = self.needs.entry(conversation).or_insert(Need { from, to });
        n.from = n.from.min(from);
        n.to = n.to.max(to);
    }
}

impl EventSink for Planner {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        self.last.event = self.last.event.max(event.id.0);
        if !self.selection.event(event, conversation) {
            return;
        }
        self.events += 1;
        let draft = &event.draft;
        let Some(info) = conversation else {
            self.alone.push(draft.start.packet);
            return;
        };
        let from = match info.transport {
            Transport::Tcp => PacketId(0),
            Transport::Udp => draft.start.packet,
        };
        // It may have been emitted later than the packet that completed it: what
        // it waited for is part of why it is what it is. A connection is over
        // when it is over, and the last acknowledgement comes behind that.
        let whole = self.selection.whole || draft.protocol == "tcp" && draft.kind == "connection";
        let to = if whole { PacketId(u64::MAX) } else { draft.end.packet.max(self.now) };
        self.need(info.id, from, to);
    }

    fn finding(&mut self, _: FindingEvent, _: Option<&ConversationInfo>) {}

    fn ended(&mut self, conversation: &ConversationInfo) {
        self.sessions.extend(conversation.secrets.iter().map(|s| (conversation.id, *s)));
    }

    fn packet(
        &mut self,
        packet: &Packet<'_>,
        conversation: Option<ConversationId>,
        with: &[PacketId],
    ) {
        if self.now.0 == 0
            && let Some(f) = &mut self.selection.filter
        {
            f.begin(packet.meta.time);
        }
        self.now = packet.meta.id;
        self.last.packet = self.last.packet.max(packet.meta.id.0);
        let Some(id) = conversation else { return };
        self.last.conversation = self.last.conversation.max(u64::from(id.0));
        self.fragments.extend(with.iter().map(|p| (id, packet.meta.id, *p)));
        if has(&self.selection.conversations, u64::from(id.0)) {
            self.need(id, PacketId(0), PacketId(u64::MAX));
        }
    }
}

/// The second pass: hands out what is needed.
#[derive(Debug)]
pub struct Cutter<K> {
    everything: bool,
    selection: Selection,
    needs: HashMap<ConversationId, Need>,
    /// Fragments, and packets of no conversation.
    besides: BTreeSet<PacketId>,
    /// The last packet of the first pass: a file may have grown since.
    last: PacketId,
    keep: K,
}

impl<K: FnMut(&Packet<'_>)> EventSink for Cutter<K> {
    fn event(&mut self, _: &mut Event, _: Option<&ConversationInfo>) {}

    fn finding(&mut self, _: FindingEvent, _: Option<&ConversationInfo>) {}

    fn packet(
        &mut self,
        packet: &Packet<'_>,
        conversation: Option<ConversationId>,
        _with: &[PacketId],
    ) {
        let id = packet.meta.id;
        let needed = || {
            conversation
                .and_then(|c| self.needs.get(&c))
                .is_some_and(|n| n.from <= id && id <= n.to)
        };
        if id <= self.last
            && (self.everything
                || needed()
                || has(&self.selection.packets, id.0)
                || self.besides.contains(&id))
        {
            (self.keep)(packet);
        }
    }
}
