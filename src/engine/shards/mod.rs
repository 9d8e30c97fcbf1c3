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
//! ([`Looks`]), and each shard takes those of its own: nearly all others cost it nothing. What
//! no conversation has (fragments that were lost, packets that are no TCP or UDP) is the first
//! one's. Whoever would need to know what another one has (too much memory is held, `--mem`), or
//! brings too much to be kept until it is put in order, says that it cannot go on
//! ([`Shard::is_overfull`]), and the capture is read by one engine alone. Nothing here makes
//! threads.

mod brought;
mod merge;

use std::ops::Range;
use std::sync::Arc;

pub use self::brought::Brought;
pub use self::merge::Merge;

use self::brought::{Phase, Told};
use crate::base::limits::{FLOW_PARTS, MAX_BROUGHT};
use crate::base::{CaptureTime, Moment, PacketId};
use crate::capture::{Batch, Packet};
use crate::engine::{Engine, Options};
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
    pub(super) fn has(&mut self, decoded: &Decoded<'_>, data: &[u8]) -> bool {
        match (&decoded.endpoints, &decoded.content) {
            (Some(ends), Content::Tcp(_) | Content::Udp(_)) => {
                self.is_mine(part_of(ends), bytes(data))
            }
            _ => self.index == 0,
        }
    }

    /// Whether it has a part, which gets a packet.
    #[inline]
    fn is_mine(&mut self, part: usize, bytes: u16) -> bool {
        let known = self.owners.get(part).copied().flatten();
        let owner = usize::from(known.unwrap_or_else(|| self.deal(part)));
        if let Some((_, sum)) = self.loads.get_mut(owner) {
            *sum = sum.saturating_add(bytes.into());
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

/// Whose a packet is, by a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owner {
    Mine,
    Anothers,
    /// It must be decoded to be known.
    Unknown,
}

/// Packets of a batch, with what who has no other use for them needs of them: it is found out
/// once for all shards, since nearly every packet is another's. What stands here of a packet is a
/// third of what stands in the batch, and each shard reads all of it.
#[derive(Clone)]
pub struct Looks {
    batch: Batch,
    places: Range<usize>,
    /// The first packet.
    first: PacketId,
    looks: Arc<[Look]>,
}

/// A look at a packet.
#[derive(Clone, Copy, Debug)]
struct Look {
    time: CaptureTime,
    /// Its number less that of the first.
    after: u32,
    /// Its captured bytes, or the most that can stand here.
    bytes: u16,
    /// The part of the flow table that it is for; `None` where it takes more than a look.
    part: Option<u8>,
}

impl Looks {
    /// A look at the packets of a batch at the given places.
    #[must_use]
    pub fn at(batch: &Batch, places: Range<usize>) -> Self {
        let mut packets = batch.packets_of(places.clone()).peekable();
        let first = packets.peek().map_or(PacketId(0), |p| p.meta.id);
        let looks = packets.map(|p| Look {
            time: p.meta.time,
            // A batch has fewer.
            after: u32::try_from(p.meta.id.0.saturating_sub(first.0)).unwrap_or(u32::MAX),
            bytes: bytes(p.data),
            // There are fewer parts than 256.
            part: tcp_ends(p.meta.link.0, p.data).map(|ends| part_of(&ends) as u8),
        });
        Self { looks: looks.collect(), batch: batch.clone(), places, first }
    }

    /// The last of the packets.
    #[must_use]
    pub fn last(&self) -> Option<PacketId> {
        self.looks.last().map(|look| self.number(look))
    }

    #[inline]
    fn number(&self, look: &Look) -> PacketId {
        PacketId(self.first.0.saturating_add(look.after.into()))
    }
}

/// How much work a packet is taken for.
fn bytes(data: &[u8]) -> u16 {
    u16::try_from(data.len()).unwrap_or(u16::MAX)
}

/// An engine for a share of the conversations.
pub struct Shard {
    engine: Engine,
    /// Conversations so far, by transport.
    totals: [u32; 2],
    counts: bool,
    told: Told,
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
        Self { engine, totals: [0; 2], counts, told: Told::default() }
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
        let Looks { batch, places, first, .. } = looks;
        self.lend(*first, brought);
        let is_first = self.engine.tells_of_all();
        // Those before the packets of the part; those behind all are for the last.
        let before = places.start.checked_sub(1).and_then(|n| batch.packets_of(n..n + 1).next());
        let before = before.map(|p| p.meta.id);
        let odd = batch.findings.iter().filter(|(at, _)| is_first && Some(*at) > before);
        let mut odd = odd.peekable();
        for (look, place) in looks.looks.iter().zip(places.clone()) {
            let id = looks.number(look);
            while let Some((_, f)) = odd.next_if(|(at, _)| *at <= id) {
                brought.begin(id, Phase::Capture);
                self.engine.capture_finding(f, brought);
            }
            let owner = self.look(id, look, brought);
            if owner != Owner::Anothers
                && let Some(packet) = batch.packets_of(place..place + 1).next()
            {
                self.packet(&packet, owner, brought);
            }
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
        brought.told = std::mem::take(&mut self.told);
    }

    fn take_back(&mut self, brought: &mut Brought) {
        brought.close();
        self.engine.overfull |= brought.room == 0;
        self.told = std::mem::take(&mut brought.told);
    }

    /// A packet arrives.
    #[inline]
    fn look(&mut self, id: PacketId, look: &Look, brought: &mut Brought) -> Owner {
        let Self { engine, .. } = self;
        engine.arrives(Moment { packet: id, time: look.time });
        if engine.flows.is_due(look.time) {
            for part in 0..FLOW_PARTS {
                if engine.share.as_ref().is_some_and(|s| s.has_part(part)) {
                    brought.begin(id, Phase::Sweep(part as u8));
                    engine.sweep(part, brought);
                }
            }
        }
        let Some(part) = look.part else { return Owner::Unknown };
        if engine.share.as_mut().is_none_or(|s| s.is_mine(part.into(), look.bytes)) {
            return Owner::Mine;
        }
        if engine.holds_fragments() {
            brought.begin(id, Phase::Rest);
            engine.pass(brought);
            brought.close();
        }
        Owner::Anothers
    }

    fn packet(&mut self, packet: &Packet<'_>, owner: Owner, brought: &mut Brought) {
        let Self { engine, .. } = self;
        let before = engine.own_packets;
        brought.begin(packet.meta.id, Phase::Own);
        engine.work(packet, owner == Owner::Unknown, brought);
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
