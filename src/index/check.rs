//! Findings by code, for `check`. Nothing is allocated for an event.

use crate::base::{ConversationId, EventId, Moment, PacketId};
use crate::capture::Packet;
use crate::engine::{ConversationInfo, EventSink, FindingEvent};
use crate::event::Event;
use crate::finding::{FindingSpec, Severity};

/// All findings of one code.
#[derive(Clone, Debug)]
pub struct Group {
    /// What it is.
    pub spec: &'static FindingSpec,
    /// How often it was found.
    pub count: u64,
    /// When it was found first.
    pub at: Moment,
    /// The event that it belongs to, the first time.
    pub event: Option<EventId>,
    /// The packets that prove it, the first time.
    pub packets: Vec<PacketId>,
    /// They were named as its proof; else they are the event's, maybe its ends alone.
    pub proof: bool,
    /// Whose it is, the first time.
    pub conversation: Option<ConversationId>,
    /// Its particulars, the first time.
    pub detail: Option<Box<str>>,
}

/// Counts what went through the engine and what was found.
#[derive(Debug, Default)]
pub struct Check {
    /// Codes that are only counted.
    ignored_codes: Vec<&'static str>,
    /// Findings by code: worst first, then the most frequent, once
    /// [`Check::finish`] was called.
    pub groups: Vec<Group>,
    /// Findings that were ignored.
    pub ignored: u64,
    /// Packets.
    pub packets: u64,
    /// Captured bytes.
    pub bytes: u64,
    /// Conversations that ended.
    pub conversations: u64,
    /// Frames, messages and exchanges.
    pub events: [u64; 3],
    /// Place of the group that was met last.
    last: usize,
}

impl Check {
    /// Nothing seen; findings of these codes are left out.
    #[must_use]
    pub fn ignoring(codes: Vec<&'static str>) -> Self {
        Self { ignored_codes: codes, ..Self::default() }
    }

    /// Puts the groups in order.
    pub fn finish(&mut self) {
        self.groups.sort_by(|a, b| {
            (b.spec.severity.cmp(&a.spec.severity))
                .then(b.count.cmp(&a.count))
                .then(a.spec.code.cmp(b.spec.code))
        });
    }

    /// The worst that was found.
    #[must_use]
    pub fn worst(&self) -> Option<Severity> {
        self.groups.iter().map(|g| g.spec.severity).max()
    }

    /// How many of this severity were found.
    #[must_use]
    pub fn count_of(&self, severity: Severity) -> u64 {
        self.groups.iter().filter(|g| g.spec.severity == severity).map(|g| g.count).sum()
    }
}

impl EventSink for Check {
    fn event(&mut self, event: &mut Event, _: Option<&ConversationInfo>) {
        if let Some(n) = event.draft.level.place().and_then(|at| self.events.get_mut(at)) {
            *n += 1;
        }
    }

    fn finding(&mut self, found: FindingEvent, conversation: Option<&ConversationInfo>) {
        let spec = found.finding.spec;
        if let Some(g) = self.groups.get_mut(self.last).filter(|g| std::ptr::eq(g.spec, spec)) {
            g.count += 1;
            return;
        }
        if self.ignored_codes.contains(&spec.code) {
            self.ignored += 1;
            return;
        }
        if let Some(at) = self.groups.iter().position(|g| g.spec.code == spec.code) {
            if let Some(g) = self.groups.get_mut(at) {
                g.count += 1;
            }
            self.last = at;
            return;
        }
        self.last = self.groups.len();
        self.groups.push(Group {
            spec,
            count: 1,
            at: found.at,
            event: found.event,
            packets: found.packets,
            proof: !found.finding.proof.is_empty(),
            conversation: conversation.map(|c| c.id),
            detail: found.finding.detail,
        });
    }

    fn packet(&mut self, packet: &Packet<'_>, _: Option<ConversationId>, _: &[PacketId]) {
        self.packets += 1;
        self.bytes += packet.data.len() as u64;
    }

    fn counted(&mut self, events: [u64; 3]) {
        for (n, more) in self.events.iter_mut().zip(events) {
            *n += more;
        }
    }

    fn ended(&mut self, _: &ConversationInfo) {
        self.conversations += 1;
    }
}
