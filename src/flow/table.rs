//! Who talks to whom: the table of conversations.
//!
//! One look-up per packet. The table owns each conversation together with the
//! state that the engine keeps for it (`T`), and hands it back when it ends.

use std::collections::VecDeque;
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use hashbrown::HashMap;
use hashbrown::hash_map::Entry as MapEntry;

use crate::base::limits::{
    FLOW_PARTS, LINGER_NS, MAX_CONVERSATIONS, MAX_LINGERING, MAX_TOMBSTONES, REUSE_IDLE_NS,
};
use crate::base::{CaptureTime, ConversationId, Moment};
use crate::flow::{Dir, TcpFlow, Transport, UdpFlow};
use crate::link::{Endpoints, TcpFlags, TcpSegment};

/// Both ends in an order of their own, the same for both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Key {
    low: (u128, u16),
    high: (u128, u16),
    path: u32,
    /// Transport and address family.
    kind: u8,
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        let ((low, low_port), (high, high_port)) = (self.low, self.high);
        state.write_u128(low);
        state.write_u128(high);
        let ports = u64::from(low_port) << 16 | u64::from(high_port);
        state.write_u64(ports << 8 | u64::from(self.kind));
        state.write_u32(self.path);
    }
}

impl Key {
    /// The key, and whether the source is the low end.
    fn new(ends: &Endpoints, transport: Transport) -> (Self, bool) {
        let source = (number(ends.source.0), ends.source.1);
        let destination = (number(ends.destination.0), ends.destination.1);
        let kind = u8::from(transport == Transport::Udp) << 1 | u8::from(ends.source.0.is_ipv6());
        let path = ends.path;
        if source <= destination {
            (Self { low: source, high: destination, path, kind }, true)
        } else {
            (Self { low: destination, high: source, path, kind }, false)
        }
    }

    /// See [`part_of`].
    const fn part(&self) -> usize {
        part(self.low.0, self.low.1, self.high.0, self.high.1)
    }
}

/// The part of the table (below [`FLOW_PARTS`]) that has the conversations between two ends,
/// the same for both directions. Clients take their ports one after another, or every
/// second one: such lie in different parts.
#[must_use]
pub fn part_of(ends: &Endpoints) -> usize {
    let ((a, a_port), (b, b_port)) = (ends.source, ends.destination);
    part(number(a), a_port, number(b), b_port)
}

const fn part(a: u128, a_port: u16, b: u128, b_port: u16) -> usize {
    let hosts = a.wrapping_add(b);
    let hosts = (hosts as u64).wrapping_add((hosts >> 64) as u64);
    let ports = a_port as u64 + b_port as u64;
    // Fibonacci hashing (Knuth, The Art of Computer Programming, vol. 3, 6.4): numbers that follow
    // one another come to lie far apart.
    let spread = hosts.wrapping_add(ports).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    (spread >> (u64::BITS - FLOW_PARTS.ilog2())) as usize
}

fn number(ip: IpAddr) -> u128 {
    match ip {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    }
}

/// Place of a live conversation in the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct SlotId(u32);

/// State of the transport.
#[derive(Clone, Debug)]
pub enum Flow {
    /// TCP.
    Tcp(Box<TcpFlow>),
    /// UDP.
    Udp(UdpFlow),
}

/// A conversation, with what the engine keeps for it.
#[derive(Clone, Debug)]
pub struct Conversation<T> {
    /// Its number over all transports, from 1.
    pub id: ConversationId,
    /// Its transport.
    pub transport: Transport,
    /// Its number among those of its transport, from 0: `tcp.stream`, `udp.stream`.
    pub number: u32,
    /// The ends, A first: who was seen sending first.
    pub ends: [(IpAddr, u16); 2],
    /// See [`Endpoints::path`].
    pub path: u32,
    /// The ends had another connection before.
    pub reused: bool,
    /// Its first packet.
    pub first: Moment,
    /// Its last packet so far.
    pub last: Moment,
    /// Packets so far.
    pub packets: u64,
    /// State of the transport.
    pub flow: Flow,
    /// The engine's.
    pub state: T,
    key: Key,
    lingers: bool,
    /// A SYN that does not belong to it: perhaps the next one begins.
    stray: Option<(Dir, u32)>,
}

impl<T> Conversation<T> {
    /// The direction in which the client sends, and whether that is certain (a
    /// SYN was seen) or guessed: the lower port is the server's, else who spoke
    /// first is the client.
    #[must_use]
    pub fn client(&self) -> (Dir, bool) {
        if let Flow::Tcp(tcp) = &self.flow
            && let Some(dir) = tcp.client()
        {
            return (dir, true);
        }
        let [(_, a), (_, b)] = self.ends;
        (if a < b { Dir::BtoA } else { Dir::AtoB }, false)
    }

    /// The TCP state, where it is TCP.
    pub fn tcp(&mut self) -> Option<(&mut TcpFlow, &mut T)> {
        match &mut self.flow {
            Flow::Tcp(t) => Some((t, &mut self.state)),
            Flow::Udp(_) => None,
        }
    }

    /// The UDP state, where it is UDP.
    pub fn udp(&mut self) -> Option<(&mut UdpFlow, &mut T)> {
        match &mut self.flow {
            Flow::Udp(u) => Some((u, &mut self.state)),
            Flow::Tcp(_) => None,
        }
    }
}

/// Whose a packet is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A conversation with state.
    Live {
        /// Where it is.
        slot: SlotId,
        /// Whether A sent the packet.
        from_a: bool,
        /// This is its first packet.
        new: bool,
    },
    /// A conversation that is over, or whose state was let go.
    Gone {
        /// Which it was.
        id: ConversationId,
        /// Whether A sent the packet.
        from_a: bool,
        /// Why its state is gone.
        why: Why,
        /// Sequence numbers of the SYNs that were seen, A's and B's.
        syn: [Option<u32>; 2],
    },
}

/// Why a conversation left the table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It is over.
    Closed,
    /// Its ends have begun another connection.
    Reused,
    /// Its state had to go ([`findings::CONVERSATION_LIMIT`](crate::flow::findings::CONVERSATION_LIMIT)).
    Evicted,
    /// The capture is at its end.
    CaptureEnded,
}

/// A conversation that left the table; its flow wants a last
/// [`TcpFlow::finish`].
#[derive(Clone, Debug)]
pub struct Released<T> {
    /// The conversation.
    pub conversation: Conversation<T>,
    /// Why it left.
    pub why: Why,
}

#[derive(Clone, Copy, Debug)]
struct Tomb {
    id: ConversationId,
    a_is_low: bool,
    why: Why,
    last: CaptureTime,
    /// Sequence numbers of its SYNs, by direction.
    syn: [Option<u32>; 2],
}

#[derive(Clone, Copy, Debug)]
enum Entry {
    Live(u32),
    Gone(Tomb),
}

/// What each part of the table keeps of its own: oldest first.
#[derive(Debug, Default)]
struct Part {
    /// Those that are remembered.
    tombs: VecDeque<(Key, ConversationId)>,
    /// Those that are over and keep their state a little longer, and since when.
    lingering: VecDeque<(u32, ConversationId, CaptureTime)>,
}

impl Part {
    fn memory(&self) -> usize {
        self.tombs.capacity() * size_of::<(Key, ConversationId)>()
            + self.lingering.capacity() * size_of::<(u32, ConversationId, CaptureTime)>()
    }
}

/// All conversations that have state, and a memory of those that had.
#[derive(Debug)]
pub struct FlowTable<T> {
    map: HashMap<Key, Entry>,
    slots: Vec<Option<Conversation<T>>>,
    free: Vec<u32>,
    ids: u32,
    numbers: [u32; 2],
    capacity: usize,
    parts: [Part; FLOW_PARTS],
    /// Since when the first of those that linger does so.
    lingers_since: Option<CaptureTime>,
    released: VecDeque<Released<T>>,
}

impl<T: Default> Default for FlowTable<T> {
    fn default() -> Self {
        Self::new()
    }
}

impl<T: Default> FlowTable<T> {
    /// An empty table for [`MAX_CONVERSATIONS`].
    #[must_use]
    pub fn new() -> Self {
        Self::with_capacity(MAX_CONVERSATIONS)
    }

    /// An empty table for at most `capacity` (1 or more) conversations with state.
    #[must_use]
    pub fn with_capacity(capacity: usize) -> Self {
        Self {
            map: HashMap::new(),
            slots: Vec::new(),
            free: Vec::new(),
            ids: 0,
            numbers: [0; 2],
            capacity: capacity.max(1),
            parts: std::array::from_fn(|_| Part::default()),
            lingers_since: None,
            released: VecDeque::new(),
        }
    }

    /// Finds the conversation of a TCP segment, or begins one. Take what
    /// [`FlowTable::next_released`] has before feeding the segment: a new
    /// connection may have pushed out another one.
    pub fn tcp(&mut self, ends: &Endpoints, seg: &TcpSegment<'_>, at: Moment) -> Found {
        self.find(ends, Transport::Tcp, Some(seg), at)
    }

    /// Finds the conversation of a UDP datagram, or begins one; see [`FlowTable::tcp`].
    pub fn udp(&mut self, ends: &Endpoints, at: Moment) -> Found {
        self.find(ends, Transport::Udp, None, at)
    }

    fn find(
        &mut self,
        ends: &Endpoints,
        transport: Transport,
        seg: Option<&TcpSegment<'_>>,
        at: Moment,
    ) -> Found {
        let (key, from_low) = Key::new(ends, transport);
        let mut reused = false;
        match self.map.get_mut(&key) {
            Some(Entry::Live(n)) => {
                let n = *n;
                if let Some(Some(c)) = self.slots.get_mut(n as usize) {
                    let from_a = c.ends.first() == Some(&ends.source);
                    if !seg.is_some_and(|seg| begins_another(c, Dir::from_a(from_a), seg, at)) {
                        c.last = at;
                        c.packets = c.packets.saturating_add(1);
                        return Found::Live { slot: SlotId(n), from_a, new: false };
                    }
                    reused = true;
                    self.remove(n, Why::Reused);
                }
            }
            Some(Entry::Gone(tomb)) => {
                let from_a = from_low == tomb.a_is_low;
                if !seg.is_some_and(|seg| rises(tomb, Dir::from_a(from_a), seg, at)) {
                    if tomb.why == Why::Evicted {
                        tomb.last = at.time;
                    }
                    return Found::Gone { id: tomb.id, from_a, why: tomb.why, syn: tomb.syn };
                }
                reused = true;
            }
            None => {}
        }
        let slot = self.insert(key, ends, transport, reused, at);
        Found::Live { slot, from_a: true, new: true }
    }

    fn insert(
        &mut self,
        key: Key,
        ends: &Endpoints,
        transport: Transport,
        reused: bool,
        at: Moment,
    ) -> SlotId {
        if self.live() >= self.capacity {
            // In bulk, so that the search for the oldest is paid for once.
            self.evict_oldest((self.capacity / 16).max(1));
        }
        self.ids = self.ids.saturating_add(1);
        let counter = match transport {
            Transport::Tcp => self.numbers.first_mut(),
            Transport::Udp => self.numbers.last_mut(),
        };
        let number = counter.map_or(0, |n| {
            let number = *n;
            *n = n.saturating_add(1);
            number
        });
        let conversation = Conversation {
            id: ConversationId(self.ids),
            transport,
            number,
            ends: [ends.source, ends.destination],
            path: ends.path,
            reused,
            first: at,
            last: at,
            packets: 1,
            flow: match transport {
                Transport::Tcp => Flow::Tcp(Box::new(TcpFlow::begun(reused))),
                Transport::Udp => Flow::Udp(UdpFlow::default()),
            },
            state: T::default(),
            key,
            lingers: false,
            stray: None,
        };
        let n = match self.free.pop() {
            Some(n) => n,
            None => {
                self.slots.push(None);
                // Slots are bounded by the capacity, which is far below 2^32.
                u32::try_from(self.slots.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(slot) = self.slots.get_mut(n as usize) {
            *slot = Some(conversation);
        }
        self.map.insert(key, Entry::Live(n));
        SlotId(n)
    }

    /// The conversation in a slot.
    #[must_use]
    pub fn get(&self, slot: SlotId) -> Option<&Conversation<T>> {
        self.slots.get(slot.0 as usize)?.as_ref()
    }

    /// The conversation in a slot, to feed it.
    pub fn get_mut(&mut self, slot: SlotId) -> Option<&mut Conversation<T>> {
        self.slots.get_mut(slot.0 as usize)?.as_mut()
    }

    /// To be called after a segment was fed, with its moment: a connection that is
    /// over keeps its state a little longer for what is under way. Another one may have to
    /// leave for it: take what [`FlowTable::next_released`] has.
    #[inline]
    pub fn fed(&mut self, slot: SlotId, at: Moment) {
        if let Some(Some(c)) = self.slots.get_mut(slot.0 as usize)
            && !c.lingers
            && let Flow::Tcp(tcp) = &c.flow
            && tcp.is_closed()
        {
            c.lingers = true;
            let (id, part) = (c.id, c.key.part());
            self.linger(slot.0, id, part, at.time);
        }
    }

    fn linger(&mut self, n: u32, id: ConversationId, part: usize, now: CaptureTime) {
        let Some(part) = self.parts.get_mut(part) else { return };
        // Behind another one it does not count, even where the clock went back.
        if part.lingering.is_empty() {
            self.lingers_since = Some(self.lingers_since.map_or(now, |t| t.min(now)));
        }
        part.lingering.push_back((n, id, now));
        if part.lingering.len() > MAX_LINGERING / FLOW_PARTS
            && let Some((n, id, _)) = part.lingering.pop_front()
        {
            self.leave(n, id);
            self.find_first_lingering();
        }
    }

    /// Exactly, so that [`FlowTable::is_due`] is true whenever a part has one that is.
    fn find_first_lingering(&mut self) {
        let firsts = self.parts.iter().filter_map(|p| Some(p.lingering.front()?.2));
        self.lingers_since = firsts.min();
    }

    /// Whether one of those that are over has lingered long enough: [`FlowTable::sweep`]
    /// makes them leave.
    #[inline]
    #[must_use]
    pub fn is_due(&self, now: CaptureTime) -> bool {
        self.lingers_since.is_some_and(|since| now.since(since) >= LINGER_NS)
    }

    /// Makes those leave that have lingered long enough, of one part (below [`FLOW_PARTS`]).
    pub fn sweep(&mut self, part: usize, now: CaptureTime) {
        let mut left = false;
        while let Some(p) = self.parts.get_mut(part)
            && let Some((n, id, since)) = p.lingering.front().copied()
            && now.since(since) >= LINGER_NS
        {
            p.lingering.pop_front();
            self.leave(n, id);
            left = true;
        }
        if left {
            self.find_first_lingering();
        }
    }

    fn leave(&mut self, n: u32, id: ConversationId) {
        if self.get(SlotId(n)).is_some_and(|c| c.id == id) {
            self.remove(n, Why::Closed);
        }
    }

    /// A conversation that has left the table.
    #[inline]
    pub fn next_released(&mut self) -> Option<Released<T>> {
        self.released.pop_front()
    }

    /// The number of the one that [`FlowTable::next_released`] gives next.
    #[must_use]
    pub fn first_released(&self) -> Option<ConversationId> {
        self.released.front().map(|r| r.conversation.id)
    }

    /// Lets go of a conversation's state.
    pub fn release(&mut self, slot: SlotId, why: Why) {
        self.remove(slot.0, why);
    }

    /// Lets go of the `n` conversations that were quiet longest.
    pub fn evict_oldest(&mut self, n: usize) {
        let mut by_age: Vec<_> = self
            .slots
            .iter()
            .flatten()
            .filter_map(|c| match self.map.get(&c.key) {
                Some(Entry::Live(slot)) => Some((c.last.packet, c.id, *slot)),
                _ => None,
            })
            .collect();
        if n < by_age.len() {
            by_age.select_nth_unstable(n);
            by_age.truncate(n);
        }
        by_age.sort_unstable();
        for (_, _, slot) in by_age {
            self.remove(slot, Why::Evicted);
        }
    }

    /// The capture has ended: all conversations leave, in the order of their numbers.
    pub fn finish(&mut self) {
        let mut all: Vec<_> =
            (0_u32..).zip(&self.slots).filter_map(|(n, c)| Some((c.as_ref()?.id, n))).collect();
        all.sort_unstable();
        for (_, n) in all {
            self.remove(n, Why::CaptureEnded);
        }
    }

    fn remove(&mut self, n: u32, why: Why) {
        let Some(conversation) = self.slots.get_mut(n as usize).and_then(Option::take) else {
            return;
        };
        self.free.push(n);
        let c = &conversation;
        let tomb = Tomb {
            id: c.id,
            a_is_low: c.ends.first().is_some_and(|a| is_low(a, &c.key)),
            why,
            last: c.last.time,
            syn: match &c.flow {
                Flow::Tcp(tcp) => Dir::BOTH.map(|d| tcp.syn_of(d)),
                Flow::Udp(_) => [None; 2],
            },
        };
        let mut forgotten = None;
        if let MapEntry::Occupied(mut e) = self.map.entry(c.key) {
            e.insert(Entry::Gone(tomb));
            if let Some(part) = self.parts.get_mut(c.key.part()) {
                part.tombs.push_back((c.key, c.id));
                if part.tombs.len() > MAX_TOMBSTONES / FLOW_PARTS {
                    forgotten = part.tombs.pop_front();
                }
            }
        }
        if let Some((key, id)) = forgotten
            && let MapEntry::Occupied(e) = self.map.entry(key)
            && matches!(e.get(), Entry::Gone(t) if t.id == id)
        {
            e.remove();
        }
        self.released.push_back(Released { conversation, why });
    }

    /// Conversations with state.
    #[must_use]
    pub fn live(&self) -> usize {
        self.slots.len().saturating_sub(self.free.len())
    }

    /// Conversations so far, over all transports.
    #[must_use]
    pub const fn total(&self) -> u32 {
        self.ids
    }

    /// Conversations so far: of TCP, of UDP.
    #[must_use]
    pub const fn totals(&self) -> [u32; 2] {
        self.numbers
    }

    /// All conversations with state.
    pub fn iter(&self) -> impl Iterator<Item = &Conversation<T>> {
        self.slots.iter().flatten()
    }

    /// All conversations with state, to measure them.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut Conversation<T>> {
        self.slots.iter_mut().flatten()
    }

    /// Memory of the table itself, in bytes; conversations count their own.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.map
            .capacity()
            .saturating_mul(size_of::<(Key, Entry)>() + 1)
            .saturating_add(self.slots.capacity() * size_of::<Option<Conversation<T>>>())
            .saturating_add(self.parts.iter().map(Part::memory).sum())
    }
}

fn is_low(end: &(IpAddr, u16), key: &Key) -> bool {
    let ip = match end.0 {
        IpAddr::V4(a) => u128::from(a.to_bits()),
        IpAddr::V6(a) => a.to_bits(),
    };
    (ip, end.1) == key.low
}

/// Whether a segment on the ends of a connection is of the next one.
#[inline]
fn begins_another<T>(c: &mut Conversation<T>, dir: Dir, seg: &TcpSegment<'_>, at: Moment) -> bool {
    let syn = seg.flags.has(TcpFlags::SYN) && !seg.flags.has(TcpFlags::RST);
    if !syn {
        // The third packet of a handshake whose first did not belong here.
        return c.stray == Some((dir, seg.seq.wrapping_sub(1)))
            && seg.flags.has(TcpFlags::ACK)
            && !seg.flags.has(TcpFlags::RST);
    }
    let Flow::Tcp(tcp) = &c.flow else { return false };
    if tcp.is_same_syn(dir, seg.seq) {
        return false;
    }
    if tcp.is_closed() || at.time.since(c.last.time) >= REUSE_IDLE_NS {
        return true;
    }
    if seg.flags.has(TcpFlags::ACK) {
        return c.stray == Some((dir.reverse(), seg.ack.wrapping_sub(1)));
    }
    if !tcp.has_spoken(dir) {
        // Both ends open at once (RFC 9293 §3.5).
        return false;
    }
    if !tcp.is_established() {
        return true;
    }
    c.stray = Some((dir, seg.seq));
    false
}

/// Whether a segment on the ends of a connection that is gone is of the next one.
fn rises(tomb: &Tomb, dir: Dir, seg: &TcpSegment<'_>, at: Moment) -> bool {
    if seg.flags.has(TcpFlags::SYN) && !seg.flags.has(TcpFlags::RST) {
        return tomb.syn.get(dir.index()).copied().flatten() != Some(seg.seq);
    }
    tomb.why != Why::Evicted && at.time.since(tomb.last) >= REUSE_IDLE_NS
}

#[cfg(test)]
#[path = "table_tests.rs"]
mod tests;
