//! Puts together what shards bring: in order, by the numbers of all.

use std::sync::Arc;

use super::Looks;
use super::brought::{BriefCall, Brought, Item, Known, PathOf, Phase, Record, Whose, is_numbered};
use crate::base::{ConversationId, EventId, PacketId};
use crate::engine::numbering::Numbering;
use crate::engine::{ConversationInfo, EventSink};
use crate::flow::Transport;

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
