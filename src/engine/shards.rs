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
//! Who hands packets out looks at each as far as to see which part of the flow table it is for
//! ([`Looks`]), and each shard takes those of its own: nearly all others cost it nothing. What no conversation has (fragments that were lost, packets that
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
use crate::engine::lineage::{Brief, Call};
use crate::engine::numbering::Numbering;
use crate::engine::{ConversationInfo, Engine, EventSink, FindingEvent, Options};
use crate::event::Event;
use crate::facts::Facts;
use crate::flow::{Transport, part_of};
use crate::link::{Content, Decoded, tcp_ends};

/// Whose the conversations are: the parts of the flow table are dealt out as they are met.
/// Every shard sees the same packets in the same order, so all come to the same deal without
/// a word between them.
#[derive(Clone, Debug)]
pub(super) struct Share {
    pub index: usize,
    /// At least 1, at most [`Shard::MOST`].
    pub of: usize,
    /// Whose each part is.
    owners: [Option<u8>; FLOW_PARTS],
    /// Of each shard, how many parts it has and how many bytes these have had.
    loads: [(u8, u64); Shard::MOST],
}

impl Share {
    fn new(index: usize, of: usize) -> Self {
        let of = of.clamp(1, Shard::MOST);
        Self { index, of, owners: [None; FLOW_PARTS], loads: [(0, 0); Shard::MOST] }
    }

    /// Whether a packet is its own. To be asked once of each packet.
    pub(super) fn has(&mut self, decoded: &Decoded<'_>, bytes: usize) -> bool {
        match (&decoded.endpoints, &decoded.content) {
            (Some(ends), Content::Tcp(_) | Content::Udp(_)) => self.is_mine(part_of(ends), bytes),
            _ => self.index == 0,
        }
    }

    /// The same, where a look was enough to see it; else `None`.
    #[inline]
    fn has_by_look(&mut self, part: u8, bytes: usize) -> Option<bool> {
        (part != Looks::UNKNOWN).then(|| self.is_mine(part.into(), bytes))
    }

    /// Whether it has a part, which gets a packet.
    #[inline]
    fn is_mine(&mut self, part: usize, bytes: usize) -> bool {
        let known = self.owners.get(part).copied().flatten();
        let owner = usize::from(known.unwrap_or_else(|| self.deal(part)));
        if let Some((_, sum)) = self.loads.get_mut(owner) {
            *sum = sum.saturating_add(bytes as u64);
        }
        owner == self.index
    }

    /// A part that is met for the first time is for who has the fewest, and of these for who
    /// has had the least to do.
    #[cold]
    fn deal(&mut self, part: usize) -> u8 {
        let least = self.loads.iter().take(self.of).enumerate().min_by_key(|(_, l)| **l);
        let owner = least.map_or(0, |(n, _)| n);
        if let Some((parts, _)) = self.loads.get_mut(owner) {
            *parts = parts.saturating_add(1);
        }
        // There are fewer than 256.
        let owner = owner as u8;
        if let Some(slot) = self.owners.get_mut(part) {
            *slot = Some(owner);
        }
        owner
    }

    /// Whether it has a part by now.
    fn has_part(&self, part: usize) -> bool {
        self.owners.get(part).copied().flatten() == Some(self.index as u8)
    }
}

/// Packets of a batch, with the part of the flow table of each as far as a look tells: it is
/// taken once for all shards, since nearly every packet is another's.
#[derive(Clone)]
pub struct Looks {
    batch: Batch,
    places: Range<usize>,
    parts: Arc<[u8]>,
}

impl Looks {
    /// It takes more than a look.
    const UNKNOWN: u8 = u8::MAX;

    /// A look at the packets of a batch at the given places.
    #[must_use]
    pub fn at(batch: &Batch, places: Range<usize>) -> Self {
        // There are fewer parts than 255.
        let part = |p: &Packet<'_>| {
            tcp_ends(p.meta.link.0, p.data).map_or(Self::UNKNOWN, |ends| part_of(&ends) as u8)
        };
        let parts = batch.packets_of(places.clone()).map(|p| part(&p)).collect();
        Self { batch: batch.clone(), places, parts }
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
    plain: [u32; 3],
    /// The conversation, by the shard's own number; 0 for none.
    conversation: ConversationId,
    /// How many of the items are of this record.
    items: u32,
}

/// What is more than counted.
enum Item {
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
struct BriefCall {
    /// In the shard's numbers, and without its path.
    call: Call,
    path: Option<PathOf>,
    whose: Whose,
}

/// The path of a call. Each is handed over once.
enum PathOf {
    Known(u32),
    /// It is known by the next number from now on, where [`is_numbered`] holds.
    New(Arc<str>),
}

/// Whether a path that is told gets a number, where so many have one: those of services do.
const fn is_numbered(path: &str, so_far: usize) -> bool {
    so_far < 4096 && path.len() <= 256
}

/// What was known of a conversation when something came of it.
struct Whose {
    id: ConversationId,
    last: Moment,
    packets: u64,
    /// `None` where only what stands above has changed since this was told of it (and, where
    /// events are counted, its ledger and its path).
    news: Option<Box<ConversationInfo>>,
}

/// What a shard brings of a part of a batch, in the shard's own numbers.
#[derive(Default)]
pub struct Brought {
    /// Where packets are counted from.
    first: PacketId,
    records: Vec<Record>,
    items: Vec<Item>,
    calls: Vec<BriefCall>,
    /// The last record has not come to its end.
    open: bool,
    /// Events that say nothing to those who look across conversations, and of which nothing
    /// is found, are counted, not kept.
    counts: bool,
    /// How many items it may take; 0 when there were more.
    room: usize,
    /// What has been told of open conversations.
    known: Known,
    /// The numbers of paths that have been told.
    paths: HashMap<Arc<str>, u32>,
}

/// What was told of conversations last, by those that tell only news.
type Known = HashMap<ConversationId, Box<ConversationInfo>>;

impl Brought {
    /// Lets go of what was in it, and keeps its memory.
    pub fn clear(&mut self) {
        self.records.clear();
        self.items.clear();
        self.calls.clear();
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
        let is_old = self.counts && self.known.get(&id).is_some_and(|k| is_as_before(k, info));
        let news = (!is_old).then(|| Box::new(info.clone()));
        if let Some(news) = &news {
            if self.counts && !info.closed {
                self.known.insert(id, news.clone());
            } else {
                self.known.remove(&id);
            }
        }
        Whose { id, last, packets, news }
    }

    fn path(&mut self, path: &Arc<str>) -> Option<PathOf> {
        if path.is_empty() {
            return None;
        }
        if let Some(n) = self.paths.get(path) {
            return Some(PathOf::Known(*n));
        }
        if is_numbered(path, self.paths.len()) {
            // There are fewer.
            self.paths.insert(Arc::clone(path), self.paths.len() as u32);
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

/// An engine for a share of the conversations.
pub struct Shard {
    engine: Engine,
    /// Conversations so far, by transport.
    totals: [u32; 2],
    counts: bool,
    /// See [`Brought`].
    known: Known,
    paths: HashMap<Arc<str>, u32>,
}

impl Shard {
    /// How many shards there may be.
    pub const MOST: usize = 16;

    /// The engine for share `index` of `of` (1 to [`Shard::MOST`]). Details are for one engine
    /// alone, and so are secrets that come while packets do.
    #[must_use]
    pub fn new(options: Options, index: usize, of: usize) -> Self {
        let counts = options.counts;
        let engine = Engine::sharing(options, Share::new(index, of));
        Self { engine, totals: [0; 2], counts, known: HashMap::new(), paths: HashMap::new() }
    }

    /// More is held than a shard may: only one who has all conversations can say which of
    /// them must go. What was brought is worth nothing.
    #[must_use]
    pub const fn is_overfull(&self) -> bool {
        self.engine.overfull
    }

    /// Works on packets of a batch: one part of it after the other, all of them; every shard the
    /// same parts. `brought` is empty.
    pub fn batch(&mut self, looks: &Looks, brought: &mut Brought) {
        let Looks { batch, places, parts } = looks;
        let mut packets = batch.packets_of(places.clone()).zip(parts.iter()).peekable();
        self.lend(packets.peek().map_or(PacketId(0), |(p, _)| p.meta.id), brought);
        let is_first = self.engine.tells_of_all();
        // Those before the packets of the part; those behind all are for the last.
        let before = places.start.checked_sub(1).and_then(|n| batch.packets_of(n..n + 1).next());
        let before = before.map(|p| p.meta.id);
        let odd = batch.findings.iter().filter(|(at, _)| is_first && Some(*at) > before);
        let mut odd = odd.peekable();
        for (p, part) in packets {
            let id = p.meta.id;
            while let Some((_, f)) = odd.next_if(|(at, _)| *at <= id) {
                brought.begin(id, Phase::Capture);
                self.engine.capture_finding(f, brought);
            }
            self.packet(&p, *part, brought);
        }
        let last = self.engine.shared.now.packet;
        for (_, f) in odd.filter(|_| places.end >= batch.len()) {
            brought.begin(last, Phase::Rest);
            self.engine.capture_finding(f, brought);
        }
        self.take_back(brought);
    }

    /// What it knows goes along.
    fn lend(&mut self, first: PacketId, brought: &mut Brought) {
        brought.first = first;
        brought.counts = self.counts;
        brought.room = MAX_BROUGHT / self.engine.share.as_ref().map_or(1, |s| s.of);
        brought.known = std::mem::take(&mut self.known);
        brought.paths = std::mem::take(&mut self.paths);
    }

    fn take_back(&mut self, brought: &mut Brought) {
        brought.close();
        self.engine.overfull |= brought.room == 0;
        self.known = std::mem::take(&mut brought.known);
        self.paths = std::mem::take(&mut brought.paths);
    }

    fn packet(&mut self, packet: &Packet<'_>, part: u8, brought: &mut Brought) {
        let Self { engine, .. } = self;
        let id = packet.meta.id;
        engine.arrives(packet);
        if engine.flows.is_due(packet.meta.time) {
            for part in 0..FLOW_PARTS {
                if engine.share.as_ref().is_some_and(|s| s.has_part(part)) {
                    brought.begin(id, Phase::Sweep(part as u8));
                    engine.sweep(part, brought);
                }
            }
        }
        let own = engine.share.as_mut().and_then(|s| s.has_by_look(part, packet.data.len()));
        if own == Some(false) {
            if engine.holds_fragments() {
                brought.begin(id, Phase::Rest);
                engine.pass(brought);
                brought.close();
            }
            return;
        }
        let before = engine.own_packets;
        brought.begin(id, Phase::Own);
        engine.work(packet, own, brought);
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
    /// What was told last of open conversations, by the numbers of all.
    told: Known,
    /// The same of one that is closed.
    last: Option<Box<ConversationInfo>>,
    /// Paths by their numbers.
    paths: Vec<Arc<str>>,
}

impl Names {
    /// `None` for 0 and what was never heard of.
    fn of(&self, own: ConversationId) -> Option<(ConversationId, u32)> {
        self.conversations.get((own.0 as usize).checked_sub(1)?).copied()
    }

    fn id(&self, own: ConversationId) -> Option<ConversationId> {
        Some(self.of(own)?.0)
    }

    /// What is known of a conversation by now; `None` of one of which nothing was told.
    fn info(&mut self, whose: &mut Whose) -> Option<&ConversationInfo> {
        let id = whose.id;
        if let Some(mut news) = whose.news.take() {
            if let Some((id, index)) = self.of(id) {
                (news.id, news.index) = (id, index);
            }
            if news.closed {
                self.told.remove(&id);
                return Some(self.last.insert(news));
            }
            self.told.insert(id, news);
        }
        let told = self.told.get_mut(&id)?;
        (told.last, told.packets) = (whose.last, whose.packets);
        Some(told)
    }

    fn path(&mut self, path: PathOf) -> Option<Arc<str>> {
        match path {
            PathOf::Known(n) => self.paths.get(n as usize).cloned(),
            PathOf::New(path) => {
                if is_numbered(&path, self.paths.len()) {
                    self.paths.push(Arc::clone(&path));
                }
                Some(path)
            }
        }
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
    pub fn batch(&mut self, looks: &Looks, brought: &mut [Brought], sink: &mut dyn EventSink) {
        let mut heads: Vec<Head<'_>> = brought.iter_mut().map(Head::new).collect();
        let mut packets = looks.batch.packets_of(looks.places.clone());
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
            let Some(head) = heads.get_mut(n) else { break };
            let Some((record, items)) = head.next() else { break };
            if phase == Phase::Own {
                self.begins(n, record);
                let of = self.names.get(n).and_then(|names| names.id(record.conversation));
                if let Some(p) = packets.by_ref().find(|p| p.meta.id >= at) {
                    sink.packet(&p, of, &[]);
                }
            }
            self.record(n, record, items, &mut head.calls, sink);
        }
    }

    /// What they brought at the end of the capture.
    pub fn finish(&mut self, brought: &mut [Brought], sink: &mut dyn EventSink) {
        let mut all = Vec::new();
        let mut calls = Vec::new();
        for (n, b) in brought.iter_mut().enumerate() {
            let mut head = Head::new(b);
            while let Some((record, items)) = head.next() {
                let names = self.names.get(n);
                let id = names.and_then(|names| names.id(record.conversation));
                all.push((id, n, record, items));
            }
            calls.push(head.calls);
        }
        // Of one shard they stay in their order: its conversations are numbered as all are.
        all.sort_by_key(|(id, n, ..)| (*id, *n));
        for (_, n, record, items) in all {
            let Some(calls) = calls.get_mut(n) else { continue };
            self.record(n, record, items, calls, sink);
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
        calls: &mut std::vec::Drain<'_, BriefCall>,
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
                    let info = whose.as_mut().and_then(|w| names.info(w));
                    self.numbering.look(event, info);
                    sink.event(event, info);
                    // What is shared with the analyses is let go where they are.
                    event.draft.facts = None;
                }
                Item::Finding(found, whose) => {
                    found.event = found.event.map(number);
                    let info = whose.as_mut().and_then(|w| names.info(w));
                    sink.finding((**found).clone(), info);
                }
                Item::Ended(whose) => {
                    if let Some(info) = names.info(whose) {
                        sink.ended(info);
                    }
                }
                Item::Call => {
                    count += 1;
                    sink.counted([0, 0, 1]);
                    let Some(BriefCall { mut call, path, mut whose }) = calls.next() else {
                        continue;
                    };
                    call.event = number(call.event);
                    call.facts.path = path.and_then(|p| names.path(p));
                    if let Some(info) = names.info(&mut whose) {
                        (call.conversation, call.ends) = (info.id, info.ends);
                        self.numbering.call(call, info);
                    }
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
    calls: std::vec::Drain<'a, BriefCall>,
}

impl<'a> Head<'a> {
    fn new(brought: &'a mut Brought) -> Self {
        let Brought { first, counts, records, items, calls, .. } = brought;
        let calls = calls.drain(..);
        let mut head = Self { first: *first, counts: *counts, records, plain: 0, items, calls };
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
