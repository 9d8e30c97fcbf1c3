//! Details on demand: a conversation run again from the checkpoint before the
//! events that somebody looks at.

use std::sync::{Arc, PoisonError, RwLock};

use crate::base::{EventId, Moment, PacketId};
use crate::capture::{Packet, PacketMeta, PacketStore};
use crate::engine::{ConversationInfo, Options, Replay};
use crate::event::{Event, Level};
use crate::index::{Index, Redecode, RowId, Step};
use crate::proto::EndCause;

/// An event as opened.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Its row.
    pub row: RowId,
    /// The event with its detail.
    pub event: Event,
}

/// See the module. Works on any thread.
pub struct Reloader {
    index: Arc<RwLock<Index>>,
    store: Arc<PacketStore>,
    options: Options,
    inflated: u64,
}

/// What a run needs, taken from the index under a short lock.
struct Plan {
    replay: Replay,
    conversation: u32,
    /// Place of the next packet in the conversation's list.
    next: usize,
    /// Events before the first that the replay will bring forth.
    events: usize,
    /// The rows looked for, by their place in the conversation.
    wanted: Vec<(usize, RowId, Level)>,
    left: Option<(EndCause, Moment)>,
}

impl Reloader {
    /// Opens events of `index`, whose packets are in `store`.
    #[must_use]
    pub const fn new(index: Arc<RwLock<Index>>, store: Arc<PacketStore>, options: Options) -> Self {
        Self { index, store, options, inflated: 0 }
    }

    /// Bytes inflated by all that was opened so far.
    #[must_use]
    pub const fn inflated(&self) -> u64 {
        self.inflated
    }

    /// Opens one event.
    pub fn open(&mut self, row: RowId) -> Option<Opened> {
        self.open_all(&[row]).pop()
    }

    /// Opens events; those that cannot be had are left out. Rows of one
    /// conversation that lie close together cost one run.
    pub fn open_all(&mut self, rows: &[RowId]) -> Vec<Opened> {
        let mut sorted: Vec<(u32, RowId)> = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            rows.iter().filter_map(|r| Some((index.row(*r)?.conversation, *r))).collect()
        };
        sorted.sort_unstable();
        // A row asked for twice would be waited for behind itself.
        sorted.dedup();
        let mut opened = Vec::new();
        for group in sorted.chunk_by(|a, b| a.0 == b.0) {
            let mut left: Vec<RowId> = group.iter().map(|(_, r)| *r).collect();
            while !left.is_empty() {
                let Some((plan, rest)) = self.plan(&left) else { break };
                left = rest;
                self.run(plan, &mut opened);
            }
        }
        opened.sort_by_key(|o| o.row);
        opened
    }

    /// Plans a run for the first row, and for those that the same checkpoint
    /// serves best; gives the rest back.
    fn plan(&self, rows: &[RowId]) -> Option<(Plan, Vec<RowId>)> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let first = index.row(*rows.first()?)?;
        let c = index.conversations.get(first.conversation as usize)?;
        // A checkpoint serves an event that begins behind it.
        let serves = |row: RowId| {
            let begins = index.row(row).map_or(0, |r| u64::from(r.first_packet));
            c.checkpoints.partition_point(|k| k.after.0 < begins)
        };
        let best = serves(*rows.first()?);
        let (mine, rest): (Vec<_>, Vec<_>) = rows.iter().partition(|r| serves(**r) == best);
        let kept = best.checked_sub(1).and_then(|i| c.checkpoints.get(i));
        let (mut replay, after, events) = match kept {
            Some(k) => (
                Replay::from_checkpoint(
                    &k.state.lock().unwrap_or_else(PoisonError::into_inner),
                    &self.options,
                )?,
                u32::try_from(k.after.0).unwrap_or(u32::MAX),
                k.events,
            ),
            None => match c.read {
                Some(read) => (Replay::decoded_as(&c.info, &self.options, read), 0, 0),
                None => (Replay::from_start(&c.info, &self.options), 0, 0),
            },
        };
        let mut wanted: Vec<(usize, RowId, Level)> = mine
            .into_iter()
            .filter_map(|r: &RowId| {
                let at = c.rows.place_of(&r.0)?;
                Some((at, *r, index.row(*r)?.level()))
            })
            .collect();
        wanted.sort_unstable_by_key(|w| w.0);
        // What serves other messages alone need not be done.
        if wanted.iter().all(|w| matches!(w.2, Level::Message | Level::Frame)) {
            let mut messages = Vec::new();
            let (mut from, mut count) = (events, 0);
            for (at, _, level) in &wanted {
                let is_message =
                    |r: &&u32| index.row(RowId(**r)).is_some_and(|r| r.level() == Level::Message);
                count += c.rows.range(from..*at).filter(is_message).count() as u64;
                from = *at;
                if *level == Level::Message {
                    messages.push(count);
                }
            }
            replay.seek(messages);
        }
        let next = c.packets.partition_point(|p| *p <= after);
        let left = c.info.left;
        let conversation = first.conversation;
        let plan = Plan { replay, conversation, next, events, wanted, left };
        Some((plan, rest.into_iter().copied().collect()))
    }

    /// The next packets of a conversation from the `from`-th on.
    fn packets(&self, conversation: u32, from: usize) -> Vec<PacketMeta> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let Some(c) = index.conversations.get(conversation as usize) else { return Vec::new() };
        c.packets
            .range(from..from.saturating_add(PACKETS_AT_ONCE))
            .filter_map(|p| {
                let id = PacketId(u64::from(*p));
                Some(index.packet(id)?.meta(id))
            })
            .collect()
    }

    fn run(&mut self, plan: Plan, opened: &mut Vec<Opened>) {
        let Plan { mut replay, conversation, mut next, mut events, wanted, left } = plan;
        let levels: Vec<Level> = wanted.iter().map(|w| w.2).collect();
        replay.want(&levels);
        let mut wanted = wanted.into_iter().peekable();
        let mut bytes = Vec::new();
        let mut take = |mut event: Event, wanted: &mut Wanted| {
            if let Some((_, row, _)) = wanted.next_if(|w: &(usize, RowId, Level)| w.0 == events) {
                // Those that came of decode-as have no number of `print`'s.
                let number = row.place_again().map_or(u64::from(row.0) + 1, |_| 0);
                event.id = EventId(number);
                opened.push(Opened { row, event });
            }
            events += 1;
        };
        // Behind a packet that is not there any more, nothing can be said to be the event.
        let mut broken = false;
        'read: loop {
            let packets = self.packets(conversation, next);
            if packets.is_empty() {
                break;
            }
            next += packets.len();
            for meta in packets {
                if wanted.peek().is_none() {
                    break 'read;
                }
                if self.store.read(&meta, &mut bytes).is_err() {
                    broken = true;
                    break 'read;
                }
                let packet = Packet { meta, data: &bytes };
                replay.packet(&packet, &mut |e| take(e, &mut wanted));
            }
        }
        if !broken
            && wanted.peek().is_some()
            && let Some((cause, at)) = left
        {
            replay.finish(cause, at, &mut |e| take(e, &mut wanted));
        }
        self.inflated += replay.inflated();
    }

    /// Reads some more of a conversation again.
    pub fn redecode(&self, redecode: &mut Redecode) -> Step {
        redecode.step(&self.index, &self.store, &self.options)
    }

    /// What is known of a row's conversation.
    #[must_use]
    pub fn conversation(&self, row: RowId) -> Option<ConversationInfo> {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let c = index.row(row)?.conversation;
        Some(index.conversations.get(c as usize)?.info.clone())
    }

    /// Whether packets are not there any more, since what is kept of them is bounded.
    #[must_use]
    pub fn has_let_go(&self) -> bool {
        self.store.has_let_go()
    }

    /// The bytes of a packet.
    #[must_use]
    pub fn packet(&self, id: PacketId) -> Option<(PacketMeta, Vec<u8>)> {
        let meta = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            index.packet(id)?.meta(id)
        };
        let mut bytes = Vec::new();
        self.store.read(&meta, &mut bytes).ok()?;
        Some((meta, bytes))
    }
}

type Wanted = std::iter::Peekable<std::vec::IntoIter<(usize, RowId, Level)>>;

/// Packets looked up under one lock.
const PACKETS_AT_ONCE: usize = 256;
