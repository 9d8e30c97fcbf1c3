//! One capture, several engines: each works on the conversations of its own share, and what
//! they bring is put together again in the order in which one engine alone would have
//! brought it. That nobody can tell how many there were is a property which
//! `tests/shards.rs` holds.
//!
//! ```text
//!                    ┌─► Shard 0 ─► Brought ─┐
//!  Batch (shared) ───┼─► Shard 1 ─► Brought ─┼─► Merge: numbers, analyses across
//!                    └─► Shard 2 ─► Brought ─┘   conversations (across/) ─► EventSink
//! ```
//!
//! Each shard looks at every packet as far as to see whose it is: that is little work, and needs
//! nobody who hands them out. What no conversation has (fragments that were lost, packets that
//! are no TCP or UDP) is the first one's. Whoever would need to know what another one has (too
//! much memory is held, `--mem`), or brings too much to be kept until it is put in order, says
//! that it cannot go on ([`Shard::is_overfull`]), and the capture is read by one engine alone.
//! Nothing here makes threads.

use std::ops::Range;
use std::sync::Arc;

use hashbrown::HashMap;

use crate::base::limits::{FLOW_PARTS, MAX_BROUGHT};
use crate::base::{ConversationId, EventId, Moment, PacketId};
use crate::capture::{Batch, Packet};
use crate::engine::numbering::Numbering;
use crate::engine::{ConversationInfo, Engine, EventSink, FindingEvent, Options};
use crate::event::{Event, Level};
use crate::flow::{Transport, part_of};
use crate::link::{Content, Decoded, tcp_ends};

/// Whose the conversations are: those of every part of the flow table whose number leaves
/// `index` when divided by `of`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Share {
    pub index: usize,
    /// At least 1, at most [`FLOW_PARTS`].
    pub of: usize,
}

impl Share {
    /// Whether a packet is its own.
    pub(super) fn has(self, decoded: &Decoded<'_>) -> bool {
        match (&decoded.endpoints, &decoded.content) {
            (Some(ends), Content::Tcp(_) | Content::Udp(_)) => self.has_part(part_of(ends)),
            _ => self.index == 0,
        }
    }

    /// Whether a look is enough to see that a packet is another's.
    #[inline]
    pub(super) fn is_anothers(self, link_type: u16, data: &[u8]) -> bool {
        tcp_ends(link_type, data).is_some_and(|ends| !self.has_part(part_of(&ends)))
    }

    const fn has_part(self, part: usize) -> bool {
        part % self.of == self.index
    }
}

/// What comes first of what several shards bring of one packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
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
struct Record {
    /// The packet, from the first of the part on.
    packet: u32,
    phase: Phase,
    /// The transport of the conversation that began with it.
    begins: Option<Transport>,
    /// Events that are only counted: frames, messages, exchanges.
    plain: [u16; 3],
    /// The conversation, by the shard's own number; 0 for none.
    conversation: ConversationId,
    /// How many of the items are of this record.
    items: u32,
}

/// What is more than counted. They lie one behind the other, since another processor reads
/// them: what it must fetch from here and there costs more than what the event says.
enum Item {
    Event(Event, Option<Whose>),
    Finding(FindingEvent, Option<Whose>),
    Ended(Whose),
}

/// What was known of a conversation when something came of it.
struct Whose {
    id: ConversationId,
    closed: bool,
    last: Moment,
    packets: u64,
    /// The same for many, where only what stands above has changed since (and, where events
    /// are counted, its ledger and its path). Nobody looks into it again who has seen it.
    info: Arc<ConversationInfo>,
}

/// What a shard brings of a part of a batch, in the shard's own numbers.
#[derive(Default)]
pub struct Brought {
    /// Where packets are counted from.
    first: PacketId,
    records: Vec<Record>,
    items: Vec<Item>,
    /// The last record has not come to its end.
    open: bool,
    /// Events that say nothing to those who look across conversations, and of which nothing
    /// is found, are counted, not kept.
    counts: bool,
    /// How many items it may take; 0 when there were more.
    room: usize,
    /// What was known of open conversations when something came of them last.
    known: HashMap<ConversationId, Arc<ConversationInfo>>,
}

impl Brought {
    /// Lets go of what was in it, and keeps its memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.items.clear();
        self.open = false;
    }

    fn begin(&mut self, packet: PacketId, phase: Phase) {
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
    fn close(&mut self) {
        let items = u32::try_from(self.items.len()).unwrap_or(u32::MAX);
        if let (true, Some(r)) = (std::mem::take(&mut self.open), self.records.last_mut()) {
            r.items = items.saturating_sub(r.items);
            let says_nothing = r.items == 0 && r.plain == [0; 3] && r.begins.is_none();
            if says_nothing && (self.counts || r.phase != Phase::Own) {
                self.records.pop();
            }
        }
    }

    /// Counts an event; false where no more can be counted with this record.
    fn count(&mut self, level: Level) -> bool {
        let place = match level {
            Level::Frame => 0,
            Level::Message => 1,
            Level::Exchange => 2,
            Level::Packet | Level::Finding => return false,
        };
        let Some(n) = self.records.last_mut().and_then(|r| r.plain.get_mut(place)) else {
            return false;
        };
        let more = n.checked_add(1);
        *n = more.unwrap_or(*n);
        more.is_some()
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
        let ConversationInfo { id, closed, last, packets, .. } = *info;
        let known = self.known.get(&info.id).filter(|k| self.counts && is_as_before(k, info));
        let info = known.cloned().unwrap_or_else(|| {
            let new = Arc::new(info.clone());
            if self.counts && !info.closed {
                self.known.insert(info.id, Arc::clone(&new));
            } else {
                self.known.remove(&info.id);
            }
            new
        });
        Whose { id, closed, last, packets, info }
    }
}

/// Whether nothing has changed of a conversation but what it has carried.
fn is_as_before(then: &ConversationInfo, now: &ConversationInfo) -> bool {
    (then.ends, then.roles_known, then.closed, then.left)
        == (now.ends, now.roles_known, now.closed, now.left)
        && then.protocols == now.protocols
        && then.secrets == now.secrets
}

impl EventSink for Brought {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        let says_nothing = event.draft.facts.is_none() && event.draft.findings.is_empty();
        if self.counts && says_nothing && self.count(event.draft.level) {
            return;
        }
        if self.room == 0 {
            return;
        }
        let whose = conversation.map(|i| self.whose(i));
        self.add(Item::Event(event.take(), whose));
    }

    fn finding(&mut self, found: FindingEvent, conversation: Option<&ConversationInfo>) {
        if self.room == 0 {
            return;
        }
        let whose = conversation.map(|i| self.whose(i));
        self.add(Item::Finding(found, whose));
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

/// An engine for a share of the conversations.
pub struct Shard {
    engine: Engine,
    share: Share,
    /// Conversations so far, by transport.
    totals: [u32; 2],
    counts: bool,
    /// See [`Brought`].
    known: HashMap<ConversationId, Arc<ConversationInfo>>,
}

impl Shard {
    /// How many shards there may be.
    pub const MOST: usize = FLOW_PARTS;

    /// The engine for share `index` of `of` (1 to [`Shard::MOST`]). With `counts`, events
    /// that nobody looks at are counted ([`EventSink::counted`]), not handed out. Details are
    /// for one engine alone, and so are secrets that come while packets do.
    #[must_use]
    pub fn new(options: Options, index: usize, of: usize, counts: bool) -> Self {
        let share = Share { index, of: of.clamp(1, Self::MOST) };
        let engine = Engine::sharing(options, share);
        Self { engine, share, totals: [0; 2], counts, known: HashMap::new() }
    }

    /// More is held than a shard may: only one who has all conversations can say which of
    /// them must go. What was brought is worth nothing.
    #[must_use]
    pub const fn is_overfull(&self) -> bool {
        self.engine.overfull
    }

    /// Works on the packets of a batch at the given places: one part after the other, all of
    /// them; every shard the same parts. `brought` is empty.
    pub fn batch(&mut self, batch: &Batch, part: Range<usize>, brought: &mut Brought) {
        let mut packets = batch.packets_of(part.clone()).peekable();
        self.lend(packets.peek().map_or(PacketId(0), |p| p.meta.id), brought);
        let is_first = self.engine.tells_of_all();
        // Those before the packets of the part; those behind all are for the last.
        let before = part.start.checked_sub(1).and_then(|n| batch.packets_of(n..n + 1).next());
        let before = before.map(|p| p.meta.id);
        let odd = batch.findings.iter().filter(|(at, _)| is_first && Some(*at) > before);
        let mut odd = odd.peekable();
        for p in packets {
            let id = p.meta.id;
            while let Some((_, f)) = odd.next_if(|(at, _)| *at <= id) {
                brought.begin(id, Phase::Capture);
                self.engine.capture_finding(f, brought);
            }
            self.packet(&p, brought);
        }
        let last = self.engine.shared.now.packet;
        for (_, f) in odd.filter(|_| part.end >= batch.len()) {
            brought.begin(last, Phase::Rest);
            self.engine.capture_finding(f, brought);
        }
        self.take_back(brought);
    }

    /// What it knows goes along.
    fn lend(&mut self, first: PacketId, brought: &mut Brought) {
        brought.first = first;
        brought.counts = self.counts;
        brought.room = MAX_BROUGHT / self.share.of;
        brought.known = std::mem::take(&mut self.known);
    }

    fn take_back(&mut self, brought: &mut Brought) {
        brought.close();
        self.engine.overfull |= brought.room == 0;
        self.known = std::mem::take(&mut brought.known);
    }

    fn packet(&mut self, packet: &Packet<'_>, brought: &mut Brought) {
        let Self { engine, share, .. } = self;
        let id = packet.meta.id;
        engine.arrives(packet);
        if engine.flows.is_due(packet.meta.time) {
            for part in (0..FLOW_PARTS).filter(|p| share.has_part(*p)) {
                brought.begin(id, Phase::Sweep(part as u8));
                engine.sweep(part, brought);
            }
        }
        if share.is_anothers(packet.meta.link.0, packet.data) {
            if engine.holds_fragments() {
                brought.begin(id, Phase::Rest);
                engine.pass(brought);
                brought.close();
            }
            return;
        }
        let before = engine.own_packets;
        brought.begin(id, Phase::Own);
        engine.work(packet, brought);
        if let Some(r) = brought.records.last_mut() {
            if engine.own_packets == before {
                r.phase = Phase::Rest;
            }
            let totals = engine.flows.totals();
            if totals != self.totals {
                let [tcp, _] = self.totals;
                let is_udp = totals.first() == Some(&tcp);
                r.begins = Some(if is_udp { Transport::Udp } else { Transport::Tcp });
                self.totals = totals;
            }
        }
        brought.close();
    }

    /// The capture has ended.
    pub fn finish(&mut self, brought: &mut Brought) {
        let last = self.engine.shared.now.packet;
        self.lend(last, brought);
        brought.begin(last, Phase::End);
        self.engine.no_more_packets(brought);
        while let Some(id) = self.engine.flows.first_released() {
            brought.begin(last, Phase::End);
            if let Some(r) = brought.records.last_mut() {
                r.conversation = id;
            }
            if let Some(released) = self.engine.flows.next_released() {
                self.engine.end(released, brought);
            }
        }
        self.take_back(brought);
    }
}

/// What a shard calls by its own numbers, in those of all.
#[derive(Default)]
struct Names {
    /// Of the conversations, from the first on: the number, and that of its transport.
    conversations: Vec<(ConversationId, u32)>,
    /// Events so far.
    events: u64,
    /// What was told last of open conversations, as it was told and by the numbers of all.
    told: HashMap<ConversationId, (Arc<ConversationInfo>, Box<ConversationInfo>)>,
    /// The same of one that is closed.
    last: Option<Box<ConversationInfo>>,
}

impl Names {
    /// `None` for 0 and what was never heard of.
    fn of(&self, own: ConversationId) -> Option<(ConversationId, u32)> {
        self.conversations.get((own.0 as usize).checked_sub(1)?).copied()
    }

    fn id(&self, own: ConversationId) -> Option<ConversationId> {
        Some(self.of(own)?.0)
    }

    fn info(&mut self, whose: &Whose) -> &ConversationInfo {
        let Whose { id, closed, last, packets, info } = whose;
        let names = self.of(*id);
        let new = || {
            let mut new = Box::new((**info).clone());
            if let Some((id, index)) = names {
                new.id = id;
                new.index = index;
            }
            new
        };
        if *closed {
            self.told.remove(id);
            return self.last.insert(new());
        }
        let (then, told) = self.told.entry(*id).or_insert_with(|| (Arc::clone(info), new()));
        if !Arc::ptr_eq(then, info) {
            (*then, *told) = (Arc::clone(info), new());
        }
        told.last = *last;
        told.packets = *packets;
        told
    }
}

/// Puts together what shards bring.
pub struct Merge {
    numbering: Numbering,
    /// Events so far.
    events: u64,
    /// Conversations so far, and by transport.
    conversations: u32,
    transports: [u32; 2],
    names: Vec<Names>,
}

impl Merge {
    /// For so many shards.
    #[must_use]
    pub fn new(shards: usize) -> Self {
        Self {
            numbering: Numbering::across(),
            events: 0,
            conversations: 0,
            transports: [0; 2],
            names: std::iter::repeat_with(Names::default).take(shards).collect(),
        }
    }

    /// What the shards brought of a part of a batch, in the order of the shards.
    /// [`EventSink::packet`] is not told of fragments.
    pub fn batch(
        &mut self,
        batch: &Batch,
        part: Range<usize>,
        brought: &mut [Brought],
        sink: &mut dyn EventSink,
    ) {
        let mut heads: Vec<Head<'_>> = brought.iter_mut().map(Head::new).collect();
        let mut packets = batch.packets_of(part);
        if heads.iter().any(|h| h.counts) {
            packets.by_ref().for_each(|p| sink.packet(&p, None, &[]));
        }
        loop {
            let tells = heads.iter().enumerate().filter_map(|(n, h)| Some((h.next_key()?, n)));
            let next = tells.min();
            // What is only counted before it has its numbers first.
            let mut counted = [0; 3];
            for (head, names) in heads.iter_mut().zip(&mut self.names) {
                let plain = head.count_before(next.map(|(key, _)| key));
                let sum = plain.iter().sum::<u64>();
                names.events += sum;
                self.events += sum;
                counted.iter_mut().zip(plain).for_each(|(n, more)| *n += more);
            }
            if counted != [0; 3] {
                sink.counted(counted);
            }
            let Some(((at, phase), n)) = next else { break };
            let Some((record, items)) = heads.get_mut(n).and_then(Head::next) else { break };
            if phase == Phase::Own {
                self.begins(n, record);
                let of = self.names.get(n).and_then(|names| names.id(record.conversation));
                if let Some(p) = packets.by_ref().find(|p| p.meta.id >= at) {
                    sink.packet(&p, of, &[]);
                }
            }
            self.record(n, record, items, sink);
        }
    }

    /// What they brought at the end of the capture.
    pub fn finish(&mut self, brought: &mut [Brought], sink: &mut dyn EventSink) {
        let mut all = Vec::new();
        for (n, b) in brought.iter_mut().enumerate() {
            let mut head = Head::new(b);
            while let Some((record, items)) = head.next() {
                let names = self.names.get(n);
                let id = names.and_then(|names| names.id(record.conversation));
                all.push((id, n, record, items));
            }
        }
        all.sort_by_key(|(id, n, ..)| (*id, *n));
        for (_, n, record, items) in all {
            self.record(n, record, items, sink);
        }
        self.numbering.finish(sink);
    }

    /// Numbers the conversation that begins with a record.
    fn begins(&mut self, shard: usize, record: &Record) {
        let Some(transport) = record.begins else { return };
        self.conversations = self.conversations.saturating_add(1);
        let id = ConversationId(self.conversations);
        let of = self.transports.get_mut(usize::from(transport == Transport::Udp));
        let index = of.map_or(0, |n| {
            let index = *n;
            *n = n.saturating_add(1);
            index
        });
        if let Some(names) = self.names.get_mut(shard) {
            names.conversations.push((id, index));
        }
    }

    fn record(
        &mut self,
        shard: usize,
        record: &Record,
        items: &mut [Item],
        sink: &mut dyn EventSink,
    ) {
        let Some(names) = self.names.get_mut(shard) else { return };
        // From the shard's numbers to those of all.
        let ahead = self.events.wrapping_sub(names.events);
        let number = |own: EventId| EventId(if own.0 == 0 { 0 } else { own.0.wrapping_add(ahead) });
        let mut count: u64 = record.plain.iter().map(|n| u64::from(*n)).sum();
        for item in items {
            // Behind an event come its own findings, then what is seen across conversations.
            if !matches!(&item, Item::Finding(f, _) if f.event.is_some()) {
                self.numbering.tell(sink);
            }
            match item {
                Item::Event(event, whose) => {
                    count += 1;
                    event.id = number(event.id);
                    event.conversation = event.conversation.and_then(|c| names.id(c));
                    let info = whose.as_ref().map(|w| names.info(w));
                    self.numbering.look(event, info);
                    sink.event(event, info);
                    // What is shared with the analyses is let go where they are.
                    event.draft.facts = None;
                }
                Item::Finding(found, whose) => {
                    found.event = found.event.map(number);
                    let info = whose.as_ref().map(|w| names.info(w));
                    sink.finding(found.clone(), info);
                }
                Item::Ended(whose) => {
                    sink.ended(names.info(whose));
                }
            }
        }
        self.numbering.tell(sink);
        if record.plain != [0; 3] {
            sink.counted(record.plain.map(u64::from));
        }
        names.events += count;
        self.events += count;
    }
}

/// What is still to come of what one shard brought. It stays where it is: its memory is
/// used again.
struct Head<'a> {
    first: PacketId,
    counts: bool,
    records: &'a [Record],
    /// How many records stand before the next one that tells more than counts.
    plain: usize,
    items: &'a mut [Item],
}

impl<'a> Head<'a> {
    fn new(brought: &'a mut Brought) -> Self {
        let Brought { first, counts, records, items, .. } = brought;
        let mut head = Self { first: *first, counts: *counts, records, plain: 0, items };
        head.find();
        head
    }

    fn find(&mut self) {
        let more = |r: &Record| !self.counts || r.items > 0 || r.begins.is_some();
        self.plain = self.records.iter().position(more).unwrap_or(self.records.len());
    }

    fn key(&self, of: &Record) -> (PacketId, Phase) {
        (PacketId(self.first.0.saturating_add(u64::from(of.packet))), of.phase)
    }

    /// That of the next record that tells more than counts.
    fn next_key(&self) -> Option<(PacketId, Phase)> {
        self.records.get(self.plain).map(|r| self.key(r))
    }

    /// Takes the records that only count and stand before `key`; `None`: all.
    fn count_before(&mut self, key: Option<(PacketId, Phase)>) -> [u64; 3] {
        let mut sum = [0; 3];
        while self.plain > 0
            && let Some((r, rest)) = self.records.split_first()
            && key.is_none_or(|k| self.key(r) < k)
        {
            sum.iter_mut().zip(r.plain).for_each(|(n, more)| *n += u64::from(more));
            self.records = rest;
            self.plain -= 1;
        }
        sum
    }

    /// The next record and what is of it; those that only count must be gone.
    fn next(&mut self) -> Option<(&'a Record, &'a mut [Item])> {
        let (record, rest) = self.records.split_first()?;
        self.records = rest;
        self.find();
        let all = std::mem::take(&mut self.items);
        let (items, rest) = all.split_at_mut((record.items as usize).min(all.len()));
        self.items = rest;
        Some((record, items))
    }
}
