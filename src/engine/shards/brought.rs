//! What a shard brings of a part of a batch, in its own numbers.

use std::sync::Arc;

use hashbrown::HashMap;

use crate::base::{ConversationId, Moment, PacketId};
use crate::capture::Packet;
use crate::engine::lineage::{Brief, Call};
use crate::engine::{ConversationInfo, EventSink, FindingEvent};
use crate::event::Event;
use crate::facts::Facts;
use crate::flow::Transport;

/// What comes first of what several shards bring of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Phase {
    /// The file itself, before the packet.
    Capture,
    /// Conversations that leave the table, by its parts.
    Sweep(u8),
    /// The packet of whose it is.
    Own,
    /// What is no conversation's.
    Rest,
    /// The end of the capture: what is no conversation's, then the conversations.
    End,
}

/// What a packet brought to one shard. There are as many as packets: they are small.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    /// The packet, from the first of the part on.
    pub(super) packet: u32,
    pub(super) phase: Phase,
    /// The transport of the conversation that began with it.
    pub(super) begins: Option<Transport>,
    /// Events that are only counted: frames, messages, exchanges.
    pub(super) plain: [u32; 3],
    /// The conversation, by the shard's own number; 0 for none.
    pub(super) conversation: ConversationId,
    /// How many of the items are of this record.
    pub(super) items: u32,
}

/// What is more than counted.
pub(super) enum Item {
    Event(Box<Event>, Option<Whose>),
    Finding(Box<FindingEvent>, Option<Whose>),
    Ended(Whose),
    /// The next of [`Brought::calls`].
    Call,
}

/// A call of which nothing was found, where events are counted: only those need it who look
/// across conversations. There are many, and another processor reads them. They lie one behind
/// the other: what it must fetch from here and there, and let go of where it was not made,
/// costs more than all that a call says.
pub(super) struct BriefCall {
    /// In the shard's numbers, and without its path.
    pub(super) call: Call,
    pub(super) path: Option<PathOf>,
    pub(super) whose: Whose,
}

/// The path of a call. Each is handed over once.
pub(super) enum PathOf {
    Known(u32),
    /// It is known by the next number from now on, where [`is_numbered`] holds.
    New(Arc<str>),
}

/// Whether a path that is told gets a number, where so many have one: those of services do.
pub(super) const fn is_numbered(path: &str, so_far: usize) -> bool {
    so_far < 4096 && path.len() <= 256
}

/// What was known of a conversation when something came of it.
pub(super) struct Whose {
    pub(super) id: ConversationId,
    pub(super) last: Moment,
    pub(super) packets: u64,
    /// `None` where only what stands above has changed since this was told of it (and, where
    /// events are counted, its ledger and its path).
    pub(super) news: Option<Box<ConversationInfo>>,
}

/// What a shard brings of a part of a batch, in the shard's own numbers.
#[derive(Default)]
pub struct Brought {
    /// Where packets are counted from.
    pub(super) first: PacketId,
    pub(super) records: Vec<Record>,
    pub(super) items: Vec<Item>,
    pub(super) calls: Vec<BriefCall>,
    /// The last record has not come to its end.
    pub(super) open: bool,
    /// Events that say nothing to those who look across conversations, and of which nothing
    /// is found, are counted, not kept.
    pub(super) counts: bool,
    /// How many items it may take; 0 when there were more.
    pub(super) room: usize,
    pub(super) told: Told,
}

/// What need not be told again.
#[derive(Default)]
pub(super) struct Told {
    /// Open conversations, as they were told last.
    known: Known,
    /// The numbers of paths.
    paths: HashMap<Arc<str>, u32>,
}

/// What was told of conversations last, by those that tell only news.
pub(super) type Known = HashMap<ConversationId, Box<ConversationInfo>>;

impl Brought {
    /// Lets go of what was in it, and keeps its memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.items.clear();
        self.calls.clear();
        self.open = false;
    }

    pub(super) fn begin(&mut self, packet: PacketId, phase: Phase) {
        self.close();
        let from_first = packet.0.saturating_sub(self.first.0);
        let record = Record {
            // A batch has fewer.
            packet: u32::try_from(from_first).unwrap_or(u32::MAX),
            phase,
            begins: None,
            plain: [0; 3],
            conversation: ConversationId(0),
            items: u32::try_from(self.items.len()).unwrap_or(u32::MAX),
        };
        self.records.push(record);
        self.open = true;
    }

    /// The last record is at its end; one that says nothing leaves.
    pub(super) fn close(&mut self) {
        let items = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        if let (true, Some(r)) = (std::mem::take(&mut self.open), self.records.last_mut()) {
            r.items = items.saturating_sub(r.items);
            let says_nothing = r.items == 0 && r.plain == [0; 3] && r.begins.is_none();
            if says_nothing && (self.counts || r.phase != Phase::Own) {
                self.records.pop();
            }
        }
    }

    /// Adds an item, unless there are too many: then all is worth nothing.
    fn add(&mut self, item: Item) {
        if self.items.len() < self.room {
            self.items.push(item);
        } else {
            self.room = 0;
        }
    }

    fn whose(&mut self, info: &ConversationInfo) -> Whose {
        let ConversationInfo { id, last, packets, .. } = *info;
        let is_old = self.counts && self.told.known.get(&id).is_some_and(|k| is_as_before(k, info));
        let news = (!is_old).then(|| Box::new(info.clone()));
        if let Some(news) = &news {
            if self.counts && !info.closed {
                self.told.known.insert(id, news.clone());
            } else {
                self.told.known.remove(&id);
            }
        }
        Whose { id, last, packets, news }
    }

    fn path(&mut self, path: &Arc<str>) -> Option<PathOf> {
        if path.is_empty() {
            return None;
        }
        if let Some(n) = self.told.paths.get(path) {
            return Some(PathOf::Known(*n));
        }
        if is_numbered(path, self.told.paths.len()) {
            // There are fewer.
            self.told.paths.insert(Arc::clone(path), self.told.paths.len() as u32);
        }
        Some(PathOf::New(Arc::clone(path)))
    }
}

/// Whether nothing has changed of a conversation but what it has carried.
fn is_as_before(then: &ConversationInfo, now: &ConversationInfo) -> bool {
    // Lists of protocols and secrets only grow. What they hold is not compared: that of two
    // empty ones takes a comparison of memory that is none, which some processors are slow at.
    (then.ends, then.roles_known, then.closed, then.left)
        == (now.ends, now.roles_known, now.closed, now.left)
        && (then.protocols.len(), then.secrets.len()) == (now.protocols.len(), now.secrets.len())
}

impl EventSink for Brought {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        if self.room == 0 {
            return;
        }
        if self.counts
            && let (Some(Facts::Call(facts)), Some(info)) = (&event.draft.facts, conversation)
            && event.draft.findings.is_empty()
            && facts.unread.is_none()
        {
            let call = Call::by(event.id, &event.draft, info, Brief::without_path(facts));
            let (path, whose) = (self.path(&facts.path), self.whose(info));
            self.calls.push(BriefCall { call, path, whose });
            return self.add(Item::Call);
        }
        let whose = conversation.map(|i| self.whose(i));
        self.add(Item::Event(Box::new(event.take()), whose));
    }

    fn counted(&mut self, events: [u64; 3]) {
        let Some(r) = self.records.last_mut() else { return };
        for (n, more) in r.plain.iter_mut().zip(events) {
            // A packet brings fewer.
            *n = n.saturating_add(u32::try_from(more).unwrap_or(u32::MAX));
        }
    }

    fn finding(&mut self, found: FindingEvent, conversation: Option<&ConversationInfo>) {
        if self.room == 0 {
            return;
        }
        let whose = conversation.map(|i| self.whose(i));
        self.add(Item::Finding(Box::new(found), whose));
    }

    fn packet(&mut self, _: &Packet<'_>, id: Option<ConversationId>, _: &[PacketId]) {
        if let (Some(r), Some(id)) = (self.records.last_mut(), id) {
            r.conversation = id;
        }
    }

    fn ended(&mut self, conversation: &ConversationInfo) {
        let whose = self.whose(conversation);
        self.add(Item::Ended(whose));
    }
}
