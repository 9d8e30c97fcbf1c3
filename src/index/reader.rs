//! Reads a capture into an index, batch by batch, on whatever thread it is
//! called from.

use std::sync::{Arc, PoisonError, RwLock, RwLockWriteGuard};
use std::time::Instant;

use hashbrown::HashSet;

use crate::base::{ConversationId, PacketId};
use crate::capture::{CaptureError, Packet, PacketMeta, PacketStore, Polled, Source};
use crate::engine::{Checkpoint, ConversationInfo, Engine, EventSink, FindingEvent, Options};
use crate::event::{Event, Level};
use crate::index::row::{PacketRow, Row};
use crate::index::{Chunks, Index, Indexed, follow};

/// Things taken up under one lock: well below a millisecond.
const AT_ONCE: usize = 1024;
/// And where one packet brought forth more: a reader of the index may see rows
/// before their packet then.
const AT_MOST: usize = 4 * AT_ONCE;

/// How far a reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// More was read; bytes of bytes in all, where known.
    Read(Option<(u64, u64)>),
    /// Nothing has come since.
    Waiting,
    /// The capture is at its end.
    Ended,
}

/// See the module.
pub struct Reader {
    source: Box<dyn Source>,
    engine: Engine,
    index: Arc<RwLock<Index>>,
    /// For conversations that were read as something else while this one reads.
    store: Option<Arc<PacketStore>>,
    /// When the last packets came.
    came: Instant,
    /// The most that was taken up under one lock so far.
    #[cfg(test)]
    most: usize,
}

/// What one batch brought, in order, to be appended under the lock at once.
#[derive(Default)]
struct Collected {
    items: Vec<Item>,
    /// Conversations of which something new is known.
    touched: HashSet<ConversationId>,
    /// Whose the last event was.
    last: Option<ConversationId>,
    /// Those that left the engine.
    ended: Vec<ConversationInfo>,
}

enum Item {
    Row(Row, (&'static str, &'static str)),
    Finding(Box<FindingEvent>),
    Packet(PacketMeta, Option<ConversationId>, Box<[PacketId]>),
    Checkpoint(Box<Checkpoint>),
}

impl Collected {
    /// Nothing has come.
    fn is_empty(&self) -> bool {
        self.items.is_empty() && self.ended.is_empty()
    }
}

impl EventSink for Collected {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        if let Some(c) = conversation
            && event.draft.level != Level::Packet
        {
            // What was held back comes long after its packets.
            if self.last.replace(c.id) != Some(c.id) {
                self.touched.insert(c.id);
            }
            let row = Row::new(&event.draft, c.id.0.saturating_sub(1), 0);
            self.items.push(Item::Row(row, (event.draft.protocol, event.draft.kind)));
        }
    }

    fn finding(&mut self, found: FindingEvent, _: Option<&ConversationInfo>) {
        self.items.push(Item::Finding(Box::new(found)));
    }

    fn packet(&mut self, packet: &Packet<'_>, c: Option<ConversationId>, with: &[PacketId]) {
        self.touched.extend(c);
        self.items.push(Item::Packet(packet.meta, c, with.into()));
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.items.push(Item::Checkpoint(Box::new(checkpoint)));
    }

    fn ended(&mut self, conversation: &ConversationInfo) {
        self.ended.push(conversation.clone());
    }
}

impl Reader {
    /// Reads `source` into `index`.
    #[must_use]
    pub fn new(source: Box<dyn Source>, options: Options, index: Arc<RwLock<Index>>) -> Self {
        let options = Options { wanted: [false; 5], checkpoints: true, ..options };
        Self {
            store: source.store(),
            came: Instant::now(),
            engine: Engine::new(options),
            source,
            index,
            #[cfg(test)]
            most: 0,
        }
    }

    /// Reads a batch.
    ///
    /// # Errors
    /// Where the source cannot be read (any more).
    pub fn step(&mut self) -> Result<Progress, CaptureError> {
        let mut collected = Collected::default();
        let progress = match self.source.poll()? {
            Polled::Batch(batch) => {
                self.came = Instant::now();
                self.engine.batch(&batch, &mut collected);
                Progress::Read(self.source.progress())
            }
            Polled::NothingYet => {
                let elapsed = u64::try_from(self.came.elapsed().as_nanos()).unwrap_or(u64::MAX);
                self.engine.idle(elapsed, &mut collected);
                if collected.is_empty() {
                    return Ok(Progress::Waiting);
                }
                Progress::Read(self.source.progress())
            }
            Polled::End => {
                self.engine.finish(&mut collected);
                Progress::Ended
            }
        };
        let live = self.engine.conversations().filter(|c| collected.touched.contains(&c.id));
        let known: Vec<ConversationInfo> = live.cloned().chain(collected.ended).collect();
        // A screen waits for the lock: it is held for a part of the batch at a
        // time. A part ends behind a packet, so that no row is seen before the
        // packets that it names; what the end brings forth names packets that are
        // there. What is known of a conversation comes before its rows, and so does
        // how it ended, without which its last rows could not be opened.
        let ended = progress == Progress::Ended;
        for infos in known.chunks(AT_ONCE) {
            let mut index = self.lock();
            for info in infos {
                index.know(info);
            }
        }
        self.take_up(collected.items, ended);
        if let Some(store) = &self.store {
            follow::follow(&self.index, store);
        }
        if ended {
            self.lock().ended = true;
        }
        Ok(progress)
    }

    /// Takes up what a batch brought, a part under each lock.
    fn take_up(&mut self, items: Vec<Item>, ended: bool) {
        let mut items = items.into_iter().peekable();
        while items.peek().is_some() {
            let mut index = self.lock();
            let mut taken = 0;
            for item in items.by_ref() {
                let between = ended || matches!(item, Item::Packet(..));
                index.take(item);
                taken += 1;
                if taken >= AT_ONCE && between || taken >= AT_MOST {
                    break;
                }
            }
            let dropped = index.take_dropped();
            drop(index);
            // Freed while nobody waits for it.
            drop(dropped);
            #[cfg(test)]
            {
                self.most = self.most.max(taken);
            }
        }
    }

    fn lock(&self) -> RwLockWriteGuard<'_, Index> {
        self.index.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Bytes that were inflated so far.
    #[must_use]
    pub const fn inflated(&self) -> u64 {
        self.engine.inflated()
    }
}

impl Index {
    fn take(&mut self, item: Item) {
        match item {
            Item::Row(mut row, kind) => {
                row.kind = self.kind_number(kind);
                self.add_row(row);
            }
            Item::Finding(f) => {
                let row = f.event.and_then(|e| u32::try_from(e.0.checked_sub(1)?).ok());
                // In a conversation that is read as something else, others find them.
                let replaced = self.finding_of(&f, row).filter(|c| {
                    self.conversations.get(*c as usize).is_some_and(|c| c.read.is_some())
                });
                match (replaced, row.and_then(|r| self.rows.get(r as usize)).copied()) {
                    (None, _) => self.findings.add(*f, row),
                    (Some(c), Some(old)) if f.across => self.find_again(c, 0, *f, old),
                    _ => {}
                }
            }
            Item::Packet(meta, conversation, with) => {
                let number = conversation.map_or(0, |c| c.0);
                self.add_packet(meta.id, PacketRow::new(&meta, number));
                self.last.packet = meta.id;
                self.last.time = self.last.time.max(meta.time);
                let index = number.checked_sub(1).map(|n| n as usize);
                if let Some(c) = index.and_then(|i| self.pending(i)) {
                    for p in with.iter().chain([&meta.id]) {
                        let p = u32::try_from(p.0).unwrap_or(u32::MAX);
                        if c.packets.last().is_none_or(|l| *l < p) {
                            c.packets.push(p);
                        } else if c.packets.place_of(&p).is_none() {
                            c.packets.insert(p);
                            if c.read.is_some() {
                                c.late.push(p);
                            }
                        }
                    }
                }
            }
            Item::Checkpoint(c) => self.add_checkpoint(*c),
        }
    }

    /// Takes what is known of a conversation now.
    fn know(&mut self, info: &ConversationInfo) {
        if let Some(c) = self.pending(info.id.0.saturating_sub(1) as usize) {
            if c.read.is_some() {
                // Who speaks is for those to say by whom it is read now.
                c.info.left = info.left;
            } else {
                c.info.clone_from(info);
            }
        }
    }

    /// The place of a conversation; made where it is new.
    fn pending(&mut self, index: usize) -> Option<&mut Indexed> {
        while self.conversations.len() <= index {
            self.conversations.push(Indexed::unknown());
        }
        self.conversations.get_mut(index)
    }
}

impl Indexed {
    /// A conversation of which only packets have been seen.
    fn unknown() -> Self {
        Self {
            info: ConversationInfo::default(),
            packets: Chunks::default(),
            rows: Chunks::default(),
            checkpoints: Vec::new(),
            read: None,
            reading: 0,
            late: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Moment;
    use crate::base::limits::{MAX_LISTED_FINDINGS, MAX_LISTED_FINDINGS_OF_A_CODE};
    use crate::finding::{Finding, FindingSpec};

    struct Nothing;

    impl Source for Nothing {
        fn poll(&mut self) -> Result<Polled, CaptureError> {
            Ok(Polled::End)
        }
    }

    fn reader() -> Reader {
        let index = Arc::new(RwLock::new(Index::new()));
        Reader::new(Box::new(Nothing), Options::default(), index)
    }

    fn found(spec: &'static FindingSpec) -> Item {
        Item::Finding(Box::new(FindingEvent {
            finding: Finding::new(spec),
            protocol: "tcp",
            event: None,
            at: Moment::default(),
            packets: Vec::new(),
            stream: None,
            sender: None,
            across: false,
        }))
    }

    fn specs() -> impl Iterator<Item = &'static FindingSpec> {
        crate::proto::REGISTRY.iter().flat_map(|p| p.findings).copied()
    }

    /// A screen waits for the lock: however much a batch brings, and also the end.
    #[test]
    fn what_is_taken_up_under_one_lock_is_bounded() {
        for ended in [false, true] {
            let mut r = reader();
            let spec = specs().next().unwrap();
            r.take_up((0..50_000).map(|_| found(spec)).collect(), ended);
            assert!(r.most > 0 && r.most <= AT_MOST, "{}", r.most);
            // Where packets come between, parts are smaller.
            if ended {
                assert!(r.most <= AT_ONCE, "{}", r.most);
            }
        }
    }

    /// A flood of one finding neither fills the memory nor hides others.
    #[test]
    fn a_flood_of_findings_is_counted_but_not_kept() {
        let mut r = reader();
        let mut all = specs();
        let (flood, rare) = (all.next().unwrap(), all.next().unwrap());
        let many = MAX_LISTED_FINDINGS_OF_A_CODE as usize + 5_000;
        r.take_up((0..many).map(|_| found(flood)).collect(), false);
        r.take_up(vec![found(rare)], false);
        {
            let index = r.index.read().unwrap();
            assert_eq!(index.findings().len(), MAX_LISTED_FINDINGS_OF_A_CODE as usize + 1);
            assert_eq!(index.findings_left_out(), 5_000);
            assert_eq!(index.findings().last().unwrap().0.finding.spec.code, rare.code);
        }
        // And of all kinds together.
        let each = MAX_LISTED_FINDINGS_OF_A_CODE as usize;
        for spec in all.take(MAX_LISTED_FINDINGS / each + 1) {
            r.take_up((0..each).map(|_| found(spec)).collect(), false);
        }
        assert_eq!(r.index.read().unwrap().findings().len(), MAX_LISTED_FINDINGS);
    }
}
