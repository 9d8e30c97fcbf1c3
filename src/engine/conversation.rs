//! One TCP connection or UDP flow: its reassembly and its stack of machines.

use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;

use crate::base::limits::{CHECKPOINT_BYTES, MAX_EVENTS_AT_ONCE};
use crate::base::{ConversationId, Moment, PieceSource, Side, Span};
use crate::capture::{Process, Processes};
use crate::engine::decode_as::DecodeAs;
use crate::engine::fields;
use crate::engine::node::Node;
use crate::engine::shared::{Ledger, Shared};
use crate::engine::waiting::Parked;
use crate::event::{Detail, Draft, Level};
use crate::field::{Tree, Value};
use crate::finding::Finding;
use crate::flow::findings::DATA_AFTER_RESET;
use crate::flow::{Deliver, Dir, Flow, Note, RunOrigin, SegmentNotes, Transport};
use crate::link::{PayloadOrigin, TcpSegment, UdpDatagram};
use crate::proto::secrets::ClientRandom;
use crate::proto::{Abort, EndCause, Path};

/// With so many packets of a conversation it is asked each time whose its ends are, and with
/// each that is a multiple of it.
const WHOSE_PACKETS: u64 = 64;

/// What is known of a conversation besides its bytes.
#[derive(Clone, Debug)]
pub struct ConversationInfo {
    /// Its number.
    pub id: ConversationId,
    /// TCP or UDP.
    pub transport: Transport,
    /// Its number among those of its transport, from 0 (`tcp.stream`, `udp.stream`).
    pub index: u32,
    /// Client and server, by [`Side::index`]; a guess unless `roles_known`.
    pub ends: [SocketAddr; 2],
    /// Somebody proved who the client is: a SYN, or a protocol.
    pub roles_known: bool,
    /// Protocols found on it so far, from below.
    pub protocols: Vec<&'static str>,
    /// Encrypted sessions on it whose secrets were of use, by the client's random.
    pub secrets: Vec<ClientRandom>,
    /// Its first packet.
    pub first: Moment,
    /// Its latest packet.
    pub last: Moment,
    /// Packets so far.
    pub packets: u64,
    /// What became of its bytes.
    pub ledger: Ledger,
    /// It has ended and its exchange was told.
    pub closed: bool,
    /// How it began.
    pub birth: Birth,
    /// How it left, and with which packet, where its own packets did not end it.
    pub left: Option<(EndCause, Moment)>,
    /// Whose its ends are, as [`ConversationInfo::ends`], where the system told.
    pub processes: [Option<Arc<Process>>; 2],
    /// How well it fares: segments sent again so far, and its round trip.
    pub path: Path,
}

/// How a conversation began, from which it can be run again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Birth {
    /// The two ends; the first sent the first packet.
    pub ends: [SocketAddr; 2],
    /// The first end was taken for the client.
    pub a_is_client: bool,
    /// That was known, by a SYN.
    pub known: bool,
}

impl ConversationInfo {
    pub(super) fn new(
        id: ConversationId,
        transport: Transport,
        index: u32,
        birth: Birth,
        first: Moment,
    ) -> Self {
        let [a, b] = birth.ends;
        Self {
            id,
            transport,
            index,
            ends: if birth.a_is_client { [a, b] } else { [b, a] },
            roles_known: birth.known,
            protocols: Vec::new(),
            secrets: Vec::new(),
            first,
            last: first,
            packets: 0,
            ledger: Ledger::default(),
            closed: false,
            birth,
            left: None,
            processes: [None, None],
            path: Path { joined: !birth.known, ..Path::default() },
        }
    }

    /// Asks whose the ends are, while that is not known: with its first packets, and now and
    /// then of those that follow.
    pub(super) fn ask_whose(&mut self, known: &Processes) {
        let late = self.packets >= WHOSE_PACKETS && !self.packets.is_multiple_of(WHOSE_PACKETS);
        if late || self.processes.iter().all(Option::is_some) {
            return;
        }
        let [client, server] = self.ends;
        for (place, ends) in self.processes.iter_mut().zip([(client, server), (server, client)]) {
            if place.is_none() {
                *place = known.get(ends);
            }
        }
    }

    /// The processes of who sent and who received, as [`ConversationInfo::from_to`].
    #[must_use]
    pub fn from_to_process(&self, sender: Option<Side>) -> (Option<&Process>, Option<&Process>) {
        let [client, server] = self.processes.each_ref().map(Option::as_deref);
        match sender {
            Some(Side::Server) => (server, client),
            _ => (client, server),
        }
    }

    /// Who sent and who received; from client to server where both took part.
    #[must_use]
    pub const fn from_to(&self, sender: Option<Side>) -> (SocketAddr, SocketAddr) {
        let [client, server] = self.ends;
        match sender {
            Some(Side::Server) => (server, client),
            _ => (client, server),
        }
    }
}

impl fmt::Display for ConversationInfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} → {}", self.ends[0], self.ends[1])
    }
}

/// How far a connection's life has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Open,
    Reset,
    Finished,
}

/// State of one conversation above its reassembly, which the flow table keeps.
pub(super) struct Stack {
    pub info: ConversationInfo,
    root: Node,
    /// The end that the flow table calls A is the client.
    a_is_client: bool,
    ended: [bool; 2],
    life: Life,
    /// It has been said that the peer's bytes came after a reset.
    told_late: bool,
    /// Memory at the last count.
    pub memory: usize,
    /// What of it stands in the engine's sum: what was measured, and what has
    /// come since.
    pub counted: usize,
    /// Bytes that have come since it was measured.
    pub unmeasured: usize,
    /// The sink has been told that it ended.
    pub told_end: bool,
    /// Bytes read and inflated since the last checkpoint.
    pub since_checkpoint: u64,
    /// Packets that wait until secrets have come.
    pub parked: Option<Parked>,
    /// It waits for secrets no more.
    pub impatient: bool,
}

/// Hands out what has been found so far, where one packet brings very much.
pub(super) type HandOut<'a> = &'a mut dyn FnMut(&mut Shared, &ConversationInfo);

/// Passes on what the reassembly delivers.
struct ToNode<'a> {
    info: &'a ConversationInfo,
    hand_out: HandOut<'a>,
    root: &'a mut Node,
    shared: &'a mut Shared,
    a_is_client: bool,
    ended: &'a mut [bool; 2],
    life: &'a mut Life,
    told_late: &'a mut bool,
}

impl ToNode<'_> {
    /// A packet that fills a hole may bring millions of events.
    fn relieve(&mut self) {
        if self.shared.fresh < MAX_EVENTS_AT_ONCE {
            return;
        }
        self.shared.fresh = 0;
        let mut info = self.info.clone();
        if self.shared.sides_swapped {
            info.ends.swap(0, 1);
            info.processes.swap(0, 1);
        }
        info.roles_known = self.shared.roles_known;
        info.ledger = self.shared.ledger;
        info.protocols.clone_from(&self.shared.protocols);
        (self.hand_out)(self.shared, &info);
    }

    fn side(&self, dir: Dir) -> Side {
        side_of(dir, self.a_is_client ^ self.shared.sides_swapped)
    }
}

impl Default for ConversationInfo {
    /// A place for one of which nothing is known yet.
    fn default() -> Self {
        let nobody = SocketAddr::from(([0, 0, 0, 0], 0));
        let birth = Birth { ends: [nobody; 2], a_is_client: true, known: false };
        Self::new(ConversationId(0), Transport::Tcp, 0, birth, Moment::default())
    }
}

fn side_of(dir: Dir, a_is_client: bool) -> Side {
    if (dir == Dir::AtoB) == a_is_client { Side::Client } else { Side::Server }
}

impl Deliver for ToNode<'_> {
    fn bytes(&mut self, dir: Dir, _offset: u64, data: &[u8], origin: RunOrigin) {
        let side = self.side(dir);
        let len = data.len() as u64;
        if let Some(n) = self.shared.ledger.stream.get_mut(side.index()) {
            *n += len;
        }
        if *self.life != Life::Open {
            // What was under way when the connection was aborted.
            if *self.life == Life::Reset && !std::mem::replace(self.told_late, true) {
                let detail = format!("{len} bytes of the peer; more may follow");
                let finding = Finding::new(&DATA_AFTER_RESET).with(detail);
                self.shared.finding_of(Some(side), finding, "tcp");
            }
            if let Some(n) = self.shared.ledger.opaque.get_mut(side.index()) {
                *n += len;
            }
            return;
        }
        let at = self.root.tail(side);
        let run = u32::try_from(len).unwrap_or(u32::MAX);
        self.root.map(side).push(at, run, origin.moment, origin.at);
        self.root.bytes(side, data, self.shared);
        self.relieve();
    }

    fn gap(&mut self, dir: Dir, _offset: u64, len: u64) {
        let side = self.side(dir);
        for pair in [&mut self.shared.ledger.stream, &mut self.shared.ledger.gap] {
            if let Some(n) = pair.get_mut(side.index()) {
                *n += len;
            }
        }
        if let Some(n) = self.shared.path.gaps.get_mut(side.index()) {
            *n = n.saturating_add(1);
        }
        if *self.life != Life::Open {
            return;
        }
        // The finding comes from reassembly, which counts gaps as well.
        self.root.gap(side, len, self.shared);
        self.relieve();
    }

    fn fin(&mut self, dir: Dir, at: Moment) {
        let side = self.side(dir);
        if let Some(e) = self.ended.get_mut(usize::from(dir == Dir::BtoA)) {
            *e = true;
        }
        if let Some(fin) = self.shared.path.fins.get_mut(side.index()) {
            fin.get_or_insert(at);
        }
        let late = at.packet != self.shared.now.packet;
        self.shared.aborted_at = late.then_some(at);
        self.root.end(side, EndCause::Finished, self.shared);
        self.shared.aborted_at = None;
        if self.ended.iter().all(|e| *e) && *self.life == Life::Open {
            *self.life = Life::Finished;
            self.root.settle(self.shared);
        }
    }

    fn lacks(&mut self, dir: Dir) {
        let side = self.side(dir);
        if let Some(waits) = self.shared.path.waits.get_mut(side.index()) {
            *waits = true;
        }
    }

    fn reset(&mut self, dir: Dir) {
        let side = self.side(dir);
        if *self.life == Life::Open {
            *self.life = Life::Reset;
            self.shared.abort = Abort::Connection;
            self.root.reset(side, 0, self.shared);
            self.root.settle(self.shared);
            self.shared.abort = Abort::Stream;
        }
    }

    fn finding(&mut self, dir: Dir, finding: Finding) {
        let side = self.side(dir);
        self.shared.finding_of(Some(side), finding, "tcp");
    }
}

impl Stack {
    pub(super) fn new(info: ConversationInfo) -> Self {
        let a_is_client = info.birth.a_is_client;
        Self {
            info,
            root: Node::root(),
            a_is_client,
            ended: [false; 2],
            life: Life::Open,
            told_late: false,
            memory: 0,
            counted: 0,
            unmeasured: 0,
            told_end: false,
            since_checkpoint: 0,
            parked: None,
            impatient: false,
        }
    }

    /// Which side a direction is, as known now.
    pub(super) fn side(&self, from_a: bool) -> Side {
        side_of(if from_a { Dir::AtoB } else { Dir::BtoA }, self.a_is_client)
    }

    /// Runs `f` with the shared state turned to this conversation.
    fn with(
        &mut self,
        shared: &mut Shared,
        hand_out: HandOut<'_>,
        f: impl FnOnce(&mut ToNode<'_>) -> SegmentNotes,
    ) -> SegmentNotes {
        shared.conversation = Some(self.info.id);
        shared.ledger = self.info.ledger;
        shared.sides_swapped = false;
        shared.fresh = 0;
        shared.one_way = false;
        shared.abort = Abort::Stream;
        shared.path = self.info.path;
        shared.roles_known = self.info.roles_known;
        shared.protocols = std::mem::take(&mut self.info.protocols);
        shared.used_secrets = std::mem::take(&mut self.info.secrets);
        let before = shared.inflated;
        let stream_before: u64 = shared.ledger.stream.iter().sum();
        let mut to = ToNode {
            info: &self.info,
            hand_out,
            root: &mut self.root,
            shared,
            a_is_client: self.a_is_client,
            ended: &mut self.ended,
            life: &mut self.life,
            told_late: &mut self.told_late,
        };
        let notes = f(&mut to);
        self.info.path.gaps = shared.path.gaps;
        self.info.path.acks = shared.path.acks;
        self.info.path.fins = shared.path.fins;
        if shared.sides_swapped {
            self.a_is_client ^= true;
            self.info.ends.swap(0, 1);
            self.info.processes.swap(0, 1);
            shared.sides_swapped = false;
        }
        self.info.roles_known = shared.roles_known;
        self.info.ledger = shared.ledger;
        self.info.protocols = std::mem::take(&mut shared.protocols);
        self.info.secrets = std::mem::take(&mut shared.used_secrets);
        let stream_now: u64 = shared.ledger.stream.iter().sum();
        self.since_checkpoint += stream_now - stream_before + (shared.inflated - before);
        if std::mem::take(&mut shared.marked) {
            self.since_checkpoint = self.since_checkpoint.max(CHECKPOINT_BYTES);
        }
        notes
    }

    /// A segment of it.
    pub(super) fn segment(
        &mut self,
        flow: &mut Flow,
        from_a: bool,
        segment: &TcpSegment<'_>,
        shared: &mut Shared,
        hand_out: HandOut<'_>,
    ) -> SegmentNotes {
        let at = shared.now;
        self.count(at);
        let Flow::Tcp(tcp) = flow else { return SegmentNotes::default() };
        let notes = self.with(shared, hand_out, |to| {
            to.shared.one_way = tcp.is_one_way();
            let notes = tcp.segment(from_a, segment, at, to);
            to.shared.path.round_trip = tcp.round_trip();
            to.root.overdue(to.shared);
            notes
        });
        self.info.path.round_trip = shared.path.round_trip;
        for dir in Dir::BOTH {
            let side = side_of(dir, self.a_is_client);
            if let Some(waits) = self.info.path.waits.get_mut(side.index()) {
                *waits = tcp.waits(dir);
            }
        }
        if notes.has(Note::Retransmission) {
            self.info.path.retransmissions += 1;
        }
        if self.life != Life::Open {
            self.close(shared, true);
        }
        notes
    }

    /// What its machines wait with may go on now.
    pub(super) fn retry(&mut self, shared: &mut Shared, hand_out: HandOut<'_>) {
        self.with(shared, hand_out, |to| {
            to.root.retry(to.shared);
            to.relieve();
            SegmentNotes::default()
        });
    }

    /// A datagram of it.
    pub(super) fn datagram(
        &mut self,
        flow: &mut Flow,
        from_a: bool,
        datagram: &UdpDatagram<'_>,
        shared: &mut Shared,
    ) {
        self.count(shared.now);
        if let Flow::Udp(udp) = flow {
            udp.datagram(from_a, datagram);
        }
        // A datagram is small.
        self.with(shared, &mut |_, _| {}, |to| {
            let side = to.side(Dir::from_a(from_a));
            let at = to.root.tail(side);
            let now = to.shared.now;
            let map = to.root.map(side);
            match &datagram.origin {
                PayloadOrigin::Packet(place) => {
                    let len = u32::try_from(datagram.payload.len()).unwrap_or(u32::MAX);
                    map.push(at, len, now, *place);
                }
                PayloadOrigin::Pieces(pieces) => {
                    for (p, moment) in pieces {
                        if let PieceSource::Packet(r) = p.source {
                            map.push(at + u64::from(p.start), p.len, *moment, r.start);
                        }
                    }
                }
            }
            if let Some(n) = to.shared.ledger.stream.get_mut(side.index()) {
                *n += datagram.payload.len() as u64;
            }
            to.root.datagram(side, datagram.payload, to.shared);
            SegmentNotes::default()
        });
    }

    const fn count(&mut self, at: Moment) {
        self.info.last = at;
        self.info.packets += 1;
    }

    /// The capture ends, or its state is let go: everything held is delivered,
    /// and what is open ends.
    pub(super) fn finish(
        &mut self,
        flow: &mut Flow,
        cause: EndCause,
        shared: &mut Shared,
        hand_out: HandOut<'_>,
    ) {
        if self.is_closed() {
            return;
        }
        let at = shared.now;
        self.info.left = Some((cause, at));
        self.with(shared, hand_out, |to| {
            if let Flow::Tcp(tcp) = flow {
                tcp.finish(at, to);
            }
            // What was missing has been told by now, and nothing waits any more.
            to.shared.path.waits = [false; 2];
            if *to.life != Life::Reset {
                for side in Side::BOTH {
                    to.root.end(side, cause, to.shared);
                }
            }
            to.root.settle(to.shared);
            SegmentNotes::default()
        });
        self.close(shared, self.life != Life::Open);
    }

    /// Emits the connection's own exchange and lets go of its state.
    fn close(&mut self, shared: &mut Shared, complete: bool) {
        if self.is_closed() {
            return;
        }
        self.root = Node::root();
        self.info.closed = true;
        self.memory = 0;
        if self.info.transport == Transport::Udp {
            return;
        }
        let mut draft =
            Draft::new(Level::Exchange, "tcp", "connection", self.info.first, self.info.last);
        draft.complete = complete;
        draft.length = self.info.ledger.stream.iter().sum();
        if shared.wants(Level::Exchange) {
            draft.detail = Some(Box::new(self.connection_detail()));
        }
        shared.emit(draft);
    }

    fn connection_detail(&self) -> Detail {
        let i = &self.info;
        let end = match self.life {
            Life::Open => "open",
            Life::Reset => "reset",
            Life::Finished => "fin",
        };
        let sum = |p: [u64; 2]| p.iter().sum::<u64>();
        let duration = i.last.time.since(i.first.time);
        let mut tree = Tree::new();
        let none: Option<Span> = None;
        tree.add(&fields::TCP_STREAM, none, Value::U64(u64::from(i.index)));
        let [up, down] = i.ledger.stream;
        tree.add(&fields::PACKETS, none, Value::U64(i.packets));
        tree.add(&fields::CLIENT_BYTES, none, Value::U64(up));
        tree.add(&fields::SERVER_BYTES, none, Value::U64(down));
        tree.add(&fields::OPAQUE_BYTES, none, Value::U64(sum(i.ledger.opaque)));
        tree.add(&fields::GAP_BYTES, none, Value::U64(sum(i.ledger.gap)));
        tree.add(&fields::ENDED_BY, none, Value::Text(end.into()));
        tree.add(&fields::PROTOCOLS, none, Value::Text(i.protocols.join(" ").into()));
        tree.add(&fields::DURATION, none, Value::U64(duration));
        if let Some(ns) = i.path.round_trip {
            tree.add(&fields::ROUND_TRIP, none, Value::U64(ns));
        }
        let [client, server] = i.path.acks;
        for (acks, shortest, count) in [
            (server, &fields::SERVER_ACK, &fields::SERVER_ACKS),
            (client, &fields::CLIENT_ACK, &fields::CLIENT_ACKS),
        ] {
            if acks.count > 0 {
                tree.add(shortest, none, Value::U64(acks.shortest));
                tree.add(count, none, Value::U64(acks.count));
            }
        }
        let on = match (i.protocols.as_slice(), up + down) {
            ([], 0) => "no data".into(),
            ([], _) => "opaque".into(),
            (all, _) => all.join(", "),
        };
        Detail {
            summary: format!("{i}: {on}, {up} bytes up, {down} down, {end}"),
            tree,
            ..Detail::default()
        }
    }

    /// A copy to run it again from, where every machine can give one.
    pub(super) fn fork(&self) -> Option<Self> {
        Some(Self {
            info: self.info.clone(),
            root: self.root.fork()?,
            a_is_client: self.a_is_client,
            ended: self.ended,
            life: self.life,
            told_late: self.told_late,
            memory: self.memory,
            counted: 0,
            unmeasured: 0,
            told_end: false,
            since_checkpoint: 0,
            parked: None,
            impatient: self.impatient,
        })
    }

    /// Whether its exchange has been emitted: late segments are only noted.
    const fn is_closed(&self) -> bool {
        self.info.closed
    }

    /// Counts its memory anew.
    pub(super) fn measure(&mut self, flow: &Flow) -> usize {
        let held = if let Flow::Tcp(t) = flow { t.memory() } else { 0 };
        let parked = self.parked.as_ref().map_or(0, Parked::memory);
        self.memory = size_of::<Self>() + held + self.root.memory() + parked;
        self.memory
    }

    /// Says what the whole conversation is, before its first packet.
    pub(super) fn decode_as(&mut self, read: DecodeAs, shared: &mut Shared) {
        shared.protocols = std::mem::take(&mut self.info.protocols);
        self.root.decode_as(read, shared);
        self.info.protocols = std::mem::take(&mut shared.protocols);
    }
}
