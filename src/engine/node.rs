//! One stream of a conversation: its machine, what the machine has not taken
//! yet, where its bytes lie, and its child streams.

mod out;

use hashbrown::HashMap;

use crate::base::limits::{
    MAX_JOINED_PROBE_BYTES, MAX_PEER_WAIT_BYTES, MAX_PEER_WAIT_NS, MAX_PENDING_BYTES,
    MAX_PROBE_BYTES,
};
use crate::base::{Moment, Side, StreamMap};
use crate::engine::decode_as::DecodeAs;
use crate::engine::findings;
use crate::engine::kept::KeptHead;
use crate::engine::opaque::OpaqueRun;
use crate::engine::shared::Shared;
use crate::finding::Finding;
use crate::proto::protobuf::{self, Carried};
use crate::proto::{
    Chunk, EndCause, Glimpse, Head, Input, Machine, Probe, Progress, Protocol, Verdict, Want,
};
use out::NodeOut;

/// Who works on a stream.
enum State {
    /// Bytes of an unknown protocol: held until somebody knows them.
    Probing,
    /// An exchange that nobody has claimed yet: the heads that have come, which
    /// do not tell whose it is.
    Waiting(Vec<KeptHead>),
    /// A machine has it.
    Running(Box<dyn Machine>),
    /// Nobody knows it.
    Opaque,
}

/// One direction of a stream.
#[derive(Clone, Debug)]
struct Lane {
    /// Offset of the first byte in `held`.
    at: u64,
    /// Bytes that were not taken yet.
    held: Vec<u8>,
    /// Feed when so many are held.
    need: usize,
    /// Waits for the peer since then.
    waits: Option<Moment>,
    /// The machine takes no more: what follows is opaque.
    done: bool,
    /// Ended, once what is held has been fed.
    end: Option<EndCause>,
    /// The machine has been told the end.
    told_end: bool,
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            at: 0,
            held: Vec::new(),
            need: 1,
            waits: None,
            done: false,
            end: None,
            told_end: false,
        }
    }
}

/// A stream with everything above it.
pub(super) struct Node {
    state: State,
    protocol: Option<&'static Protocol>,
    /// Has it unless it begins with an upgrade (decode-as).
    told: Option<&'static Protocol>,
    stream: Option<u64>,
    depth: usize,
    /// Its bytes are the parent's, byte for byte, so that they count in the ledger.
    counted: bool,
    /// Its bytes, or those of a stream that it stands on, were encrypted.
    decrypted: bool,
    lanes: [Lane; 2],
    maps: [StreamMap; 2],
    opaque: Option<Box<OpaqueRun>>,
    children: HashMap<u64, Box<Node>>,
}

impl Node {
    /// The stream of a conversation itself, of an unknown protocol.
    pub(super) fn root() -> Self {
        Self::new(State::Probing, None, 0)
    }

    fn new(state: State, stream: Option<u64>, depth: usize) -> Self {
        Self {
            state,
            protocol: None,
            told: None,
            stream,
            depth,
            counted: true,
            decrypted: false,
            lanes: Default::default(),
            maps: Default::default(),
            opaque: None,
            children: HashMap::new(),
        }
    }

    /// Says what it is, before its first byte (decode-as).
    pub(super) fn decode_as(&mut self, read: DecodeAs, shared: &mut Shared) {
        match read {
            DecodeAs::Found => {}
            DecodeAs::Opaque => self.state = State::Opaque,
            // What is reached by an upgrade (its token is its name) begins with one, if
            // that was captured.
            DecodeAs::Protocol(p) if p.tokens.contains(&p.name) && p.datagram.is_none() => {
                self.told = Some(p);
            }
            DecodeAs::Protocol(p) => self.run(p, shared),
            DecodeAs::Messages(types) => {
                self.start(&protobuf::PROTOCOL, Box::new(Carried::new(types)), shared);
            }
        }
    }

    /// Where the next bytes of a direction will lie; push their runs here first.
    pub(super) fn map(&mut self, side: Side) -> &mut StreamMap {
        &mut self.maps[side.index()]
    }

    /// Offset of the next byte of a direction.
    pub(super) fn tail(&self, side: Side) -> u64 {
        let l = &self.lanes[side.index()];
        l.at + l.held.len() as u64
    }

    /// Bytes of one direction, in order, whose runs are in the map.
    pub(super) fn bytes(&mut self, side: Side, data: &[u8], shared: &mut Shared) {
        let i = side.index();
        match self.state {
            State::Running(_) if !self.lanes[i].done => {
                if self.lanes[i].held.is_empty() && self.lanes[i].waits.is_none() {
                    self.feed_slice(side, data, shared);
                } else {
                    self.lanes[i].held.extend_from_slice(data);
                    self.pump(side, false, shared);
                }
                self.wake_peer(side, shared);
            }
            State::Probing => {
                self.lanes[i].held.extend_from_slice(data);
                self.probe(false, shared);
                self.finish_ends(shared);
            }
            // An exchange without a head: its HEADERS were not captured, or do
            // not tell whose it is.
            State::Waiting(_) => {
                self.lanes[i].held.extend_from_slice(data);
                self.glimpse(side, false, shared);
                self.finish_ends(shared);
            }
            // A stream that nobody knows.
            _ => self.skip(side, data, shared),
        }
    }

    /// The peer spoke: who waited for it may go on, and then it may itself, if it waited
    /// for what has been taken now.
    fn wake_peer(&mut self, side: Side, shared: &mut Shared) {
        let mut who = side.peer();
        while self.lanes[who.index()].waits.take().is_some() {
            let before = self.lanes[who.index()].at;
            self.pump(who, false, shared);
            self.finish_end(who, shared);
            if self.lanes[who.index()].at == before {
                break;
            }
            who = who.peer();
        }
        let lane = &self.lanes[side.index()];
        if let Some(since) = lane.waits
            && (shared.one_way
                || lane.held.len() > MAX_PEER_WAIT_BYTES
                || shared.now.time.since(since.time) > MAX_PEER_WAIT_NS)
        {
            self.pump(side, true, shared);
        }
    }

    /// The machine has stopped between bytes of `side`: what they decided is the peer's to
    /// know before it hears the rest, as where each comes in a packet of its own.
    fn wake_between(&mut self, side: Side, shared: &mut Shared) {
        let peer = side.peer();
        if self.lanes[peer.index()].waits.take().is_some() {
            self.pump(peer, false, shared);
        }
    }

    /// Feeds bytes that lie behind everything taken, without copying them.
    fn feed_slice(&mut self, side: Side, mut data: &[u8], shared: &mut Shared) {
        let i = side.index();
        loop {
            let p = self.feed_chunk(side, data, false, shared);
            data = data.get(p.took..).unwrap_or_default();
            let lane = &mut self.lanes[i];
            lane.at += p.took as u64;
            self.maps[i].trim(lane.at);
            if !self.apply(side, p, data.len(), shared) {
                break;
            }
            if data.is_empty() || p.took == 0 {
                break;
            }
            self.wake_between(side, shared);
        }
        if data.is_empty() {
            return;
        }
        if self.lanes[i].done {
            self.skip(side, data, shared);
        } else {
            self.lanes[i].held.extend_from_slice(data);
        }
    }

    /// Notes what the machine wants; `false` where feeding must stop.
    fn apply(&mut self, side: Side, p: Progress, left: usize, shared: &Shared) -> bool {
        let lane = &mut self.lanes[side.index()];
        match p.want {
            Want::More(n) => {
                lane.need = left.saturating_add(n.max(1));
                n <= 1 && p.took > 0
            }
            Want::Peer => {
                lane.need = 1;
                lane.waits.get_or_insert(shared.now);
                false
            }
            Want::Nothing => {
                lane.done = true;
                false
            }
        }
    }

    /// Feeds what is held as far as it goes. With `last`, what the machine then
    /// leaves is opaque.
    fn pump(&mut self, side: Side, last: bool, shared: &mut Shared) {
        let i = side.index();
        if last {
            self.lanes[i].waits = None;
        }
        let mut held = std::mem::take(&mut self.lanes[i].held);
        let mut from = 0;
        let mut forced = false;
        while from < held.len() && matches!(self.state, State::Running(_)) {
            let lane = &self.lanes[i];
            let left = held.len() - from;
            let full = left >= MAX_PENDING_BYTES && lane.waits.is_none();
            if lane.done || lane.waits.is_some() || left < lane.need && !last && !full {
                break;
            }
            let rest = held.get(from..).unwrap_or_default();
            let p = self.feed_chunk(side, rest, last || full, shared);
            from += p.took;
            let lane = &mut self.lanes[i];
            lane.at += p.took as u64;
            self.maps[i].trim(lane.at);
            self.apply(side, p, held.len() - from, shared);
            if p.took == 0 {
                forced = full;
                break;
            }
            if from < held.len() && self.lanes[i].waits.is_none() {
                self.wake_between(side, shared);
            }
        }
        held.drain(..from.min(held.len()));
        self.lanes[i].held = held;
        if forced && !last {
            shared.finding(Finding::new(&findings::PENDING_LIMIT), self.name());
            self.lanes[i].done = true;
        }
        if last || self.lanes[i].done {
            let rest = std::mem::take(&mut self.lanes[i].held);
            self.skip(side, &rest, shared);
        }
    }

    /// Bytes that nobody takes.
    fn skip(&mut self, side: Side, data: &[u8], shared: &mut Shared) {
        if data.is_empty() {
            return;
        }
        let i = side.index();
        let at = self.lanes[i].at;
        self.lanes[i].at += data.len() as u64;
        if self.counted {
            shared.ledger.opaque[i] += data.len() as u64;
            if self.depth > 0 {
                shared.ledger.opaque_above[i] += data.len() as u64;
            }
        }
        OpaqueRun::add(&mut self.opaque, side, at, data, &self.maps[i], shared, self.stream);
        self.maps[i].trim(self.lanes[i].at);
    }

    fn name(&self) -> &'static str {
        self.protocol.map_or("tcp", |p| p.name)
    }

    /// One call of the machine.
    fn feed_chunk(&mut self, side: Side, data: &[u8], last: bool, shared: &mut Shared) -> Progress {
        let offset = self.lanes[side.index()].at;
        let p = self.feed(Input::Bytes(Chunk { side, offset, data, last }), shared);
        let took = p.took.min(data.len());
        if self.depth == 0 {
            shared.ledger.taken[side.index()] += took as u64;
        }
        Progress { took, want: p.want }
    }

    fn feed(&mut self, input: Input<'_>, shared: &mut Shared) -> Progress {
        let State::Running(machine) = &mut self.state else {
            return Progress::nothing(0);
        };
        let mut out = NodeOut {
            shared,
            maps: &self.maps,
            children: &mut self.children,
            opaque: &mut self.opaque,
            stream: self.stream,
            depth: self.depth,
            counted: self.counted,
            decrypted: self.decrypted,
            name: self.protocol.map_or("tcp", |p| p.name),
        };
        machine.feed(input, &mut out)
    }

    /// `len` bytes of a direction are missing.
    pub(super) fn gap(&mut self, side: Side, len: u64, shared: &mut Shared) {
        let side = self.probe_now(side, true, shared);
        // Behind the hole comes the request of an answer that is kept.
        self.glimpse(side, !self.is_answer(shared), shared);
        let i = side.index();
        self.pump(side, true, shared);
        OpaqueRun::flush(&mut self.opaque, shared);
        let offset = self.lanes[i].at;
        self.lanes[i].at += len;
        self.lanes[i].need = 1;
        // Who claims it later looks at what comes behind.
        if !self.lanes[i].done && !matches!(self.state, State::Waiting(_)) {
            let p = self.feed(Input::Gap { side, offset, len }, shared);
            if p.want == Want::Nothing {
                self.lanes[i].done = true;
            }
        }
        self.wake_peer(side, shared);
        self.finish_ends(shared);
    }

    /// A direction ended.
    pub(super) fn end(&mut self, side: Side, cause: EndCause, shared: &mut Shared) {
        let lane = &mut self.lanes[side.index()];
        if lane.end.is_some() {
            return;
        }
        lane.end = Some(cause);
        let both = self.lanes.iter().all(|l| l.end.is_some());
        let side = self.probe_now(side, both || cause != EndCause::Finished, shared);
        // An answer without a body may come before its request, too.
        let whole = cause == EndCause::Finished && !both;
        self.glimpse(side, !(whole && self.is_answer(shared)), shared);
        // An end that came while nobody knew the stream was not told.
        if self.lanes[side.peer().index()].waits.is_none() {
            self.finish_end(side.peer(), shared);
        }
        self.finish_end(side, shared);
        // Nobody comes any more whom the peer could wait for.
        let peer = side.peer();
        if self.lanes[peer.index()].waits.is_some() {
            self.pump(peer, true, shared);
            self.finish_end(peer, shared);
        }
    }

    /// Tells the ends that came before anybody knew the stream.
    fn finish_ends(&mut self, shared: &mut Shared) {
        for side in Side::BOTH {
            self.finish_end(side, shared);
        }
    }

    /// Tells the machine the end, unless bytes before it still wait for the peer,
    /// or there is no machine yet.
    fn finish_end(&mut self, side: Side, shared: &mut Shared) {
        let i = side.index();
        let lane = &self.lanes[i];
        let Some(cause) = lane.end else { return };
        let peer_may_come = self.lanes[side.peer().index()].end.is_none();
        if lane.told_end
            || matches!(self.state, State::Probing | State::Waiting(_))
            || lane.waits.is_some() && peer_may_come
        {
            return;
        }
        self.lanes[i].told_end = true;
        self.pump(side, true, shared);
        self.feed(Input::End { side, cause }, shared);
        if self.lanes.iter().all(|l| l.told_end) {
            OpaqueRun::flush(&mut self.opaque, shared);
        }
        self.wake_peer(side, shared);
    }

    /// Both directions were aborted.
    pub(super) fn reset(&mut self, side: Side, code: u32, shared: &mut Shared) {
        let side = self.probe_now(side, true, shared);
        self.glimpse(side, true, shared);
        for s in Side::BOTH {
            self.pump(s, true, shared);
        }
        OpaqueRun::flush(&mut self.opaque, shared);
        self.feed(Input::Reset { side, code }, shared);
        for l in &mut self.lanes {
            l.end = Some(EndCause::Finished);
            l.told_end = true;
        }
    }

    /// A datagram, whose run is in the map.
    pub(super) fn datagram(&mut self, side: Side, data: &[u8], shared: &mut Shared) {
        if matches!(self.state, State::Probing) {
            match shared.registry.iter().find(|p| p.datagram.is_some_and(|f| f(data))) {
                Some(p) => self.run(p, shared),
                None => self.state = State::Opaque,
            }
        }
        let i = side.index();
        let offset = self.lanes[i].at;
        if let State::Running(_) = self.state {
            self.feed(Input::Datagram { side, offset, data }, shared);
            if self.depth == 0 {
                shared.ledger.taken[i] += data.len() as u64;
            }
        } else if self.counted {
            shared.ledger.opaque[i] += data.len() as u64;
            if self.depth > 0 {
                shared.ledger.opaque_above[i] += data.len() as u64;
            }
        }
        self.lanes[i].at += data.len() as u64;
        self.maps[i].trim(self.lanes[i].at);
    }

    /// Any input but bytes, from the parent.
    fn tell(&mut self, input: Input<'_>, shared: &mut Shared) {
        if let (State::Opaque, None, Input::Head(head)) = (&self.state, self.protocol, &input) {
            // What came before was nobody's without it.
            let claims = |p: &&&Protocol| p.claims.is_some_and(|f| f(head));
            if shared.registry.iter().any(|p| claims(&p)) {
                OpaqueRun::flush(&mut self.opaque, shared);
                self.state = State::Waiting(Vec::new());
            }
        }
        if matches!(self.state, State::Waiting(_)) {
            match &input {
                Input::Head(head) if self.await_body(head, shared) => return,
                Input::Trailers(head) => self.ended_by(head, shared),
                _ => {}
            }
        }
        match input {
            Input::End { side, cause } => self.end(side, cause, shared),
            Input::Gap { side, len, .. } => self.gap(side, len, shared),
            Input::Reset { side, code } => self.reset(side, code, shared),
            Input::Head(h) => self.tell_between(h.side, input, shared),
            Input::Trailers(h) => self.tell_between(h.side, input, shared),
            Input::Bytes(c) => self.bytes(c.side, c.data, shared),
            Input::Datagram { side, data, .. } => self.datagram(side, data, shared),
        }
        // A head may have told whose the stream is.
        self.finish_ends(shared);
    }

    /// A head comes behind all bytes before it: what is held of them ends here.
    fn tell_between(&mut self, side: Side, input: Input<'_>, shared: &mut Shared) {
        if !self.lanes[side.index()].held.is_empty() {
            self.pump(side, true, shared);
        }
        self.feed(input, shared);
        self.wake_peer(side, shared);
    }

    /// A head of an exchange that nobody has claimed: whose it is, or `true`
    /// where the body must tell, and the head is kept until then.
    fn await_body(&mut self, head: &Head<'_>, shared: &mut Shared) -> bool {
        let State::Waiting(kept) = &mut self.state else { return false };
        let first = kept.is_empty();
        // Its request stands behind missing bytes, and says whose it is.
        let early = first && head.side == Side::Server && shared.path.waits[Side::Client.index()];
        let answered = kept.iter().any(|k| k.side() == Side::Server);
        for p in shared.registry {
            if p.claims.is_some_and(|f| f(head)) {
                if early {
                    kept.push(KeptHead::of(head));
                    return true;
                }
                if answered && head.side == Side::Client {
                    kept.insert(0, KeptHead::of(head));
                    self.claimed(p, shared);
                    return true;
                }
                self.claimed(p, shared);
                return false;
            }
            match p.glimpse.map_or(Verdict::No, |f| f(&Glimpse::Head(head, first))) {
                Verdict::Yes { .. } => {
                    self.claimed(p, shared);
                    return false;
                }
                Verdict::More => {
                    kept.push(KeptHead::of(head));
                    return true;
                }
                Verdict::No => {}
            }
        }
        self.nobodys(shared);
        false
    }

    /// Whether an answer is kept whose request stands behind missing bytes.
    fn is_answer(&self, shared: &Shared) -> bool {
        let State::Waiting(kept) = &self.state else { return false };
        let answered = kept.first().is_some_and(|k| k.side() == Side::Server);
        answered && shared.path.waits[Side::Client.index()]
    }

    /// Trailers come before anybody claimed the exchange: with them all is there.
    fn ended_by(&mut self, trailers: &Head<'_>, shared: &mut Shared) {
        let knows = |p: &&&Protocol| {
            let verdict = p.glimpse.map(|f| f(&Glimpse::Trailers(trailers)));
            matches!(verdict, Some(Verdict::Yes { .. }))
        };
        match shared.registry.iter().find(knows) {
            Some(p) => self.claimed(p, shared),
            None => self.glimpse(trailers.side, true, shared),
        }
    }

    /// Asks who knows an exchange by the beginning of its body. With `last` it
    /// is decided now, if there is anything to decide by.
    fn glimpse(&mut self, side: Side, last: bool, shared: &mut Shared) {
        let State::Waiting(kept) = &self.state else { return };
        let mut data = self.lanes[side.index()].held.as_slice();
        if data.is_empty() {
            data = self.lanes[side.peer().index()].held.as_slice();
        }
        if data.is_empty() && kept.is_empty() {
            return;
        }
        let answer = kept.first().is_some_and(|k| k.side() == Side::Server);
        if answer
            && !last
            && shared.path.waits[Side::Client.index()]
            && data.len() < MAX_PROBE_BYTES
        {
            return;
        }
        if !data.is_empty() {
            let mut undecided = false;
            let begun = !kept.is_empty();
            for p in shared.registry {
                let ask = |f: fn(&Glimpse<'_>) -> Verdict| f(&Glimpse::Body { data, last, begun });
                match p.glimpse.map_or(Verdict::No, ask) {
                    Verdict::Yes { .. } => return self.claimed(p, shared),
                    Verdict::More => undecided = true,
                    Verdict::No => {}
                }
            }
            if undecided && !last {
                return;
            }
        }
        let head = kept.first();
        let claims =
            |p: &&&Protocol| head.is_some_and(|h| h.with(|head| p.claims.is_some_and(|f| f(head))));
        match shared.registry.iter().find(claims) {
            Some(p) => self.claimed(p, shared),
            None => self.nobodys(shared),
        }
    }

    /// An exchange has been claimed: what came of it before is fed.
    fn claimed(&mut self, protocol: &'static Protocol, shared: &mut Shared) {
        let before = std::mem::replace(&mut self.state, State::Opaque);
        self.run(protocol, shared);
        if let State::Waiting(kept) = before {
            for h in kept {
                h.with(|head| self.feed(Input::Head(*head), shared));
            }
        }
        self.feed_held(shared);
    }

    /// Nobody knows the stream: what is held of it is opaque.
    fn nobodys(&mut self, shared: &mut Shared) {
        self.state = State::Opaque;
        for side in Side::BOTH {
            let held = std::mem::take(&mut self.lanes[side.index()].held);
            self.skip(side, &held, shared);
        }
    }

    fn run(&mut self, protocol: &'static Protocol, shared: &mut Shared) {
        match protocol.start {
            Some(start) => self.start(protocol, start(), shared),
            None => self.state = State::Opaque,
        }
    }

    fn start(
        &mut self,
        protocol: &'static Protocol,
        machine: Box<dyn Machine>,
        shared: &mut Shared,
    ) {
        self.protocol = Some(protocol);
        if !shared.protocols.contains(&protocol.name) {
            shared.protocols.push(protocol.name);
        }
        self.state = State::Running(machine);
    }

    /// Probes, if that is still to be done; gives what `side` is called now.
    fn probe_now(&mut self, side: Side, last: bool, shared: &mut Shared) -> Side {
        if !matches!(self.state, State::Probing) {
            return side;
        }
        let before = shared.sides_swapped;
        self.probe(last, shared);
        if before == shared.sides_swapped { side } else { side.peer() }
    }

    /// Asks who knows the stream by its first bytes.
    fn probe(&mut self, last: bool, shared: &mut Shared) {
        let some = self.lanes.iter().any(|l| !l.held.is_empty());
        let joined = self.depth == 0 && !shared.roles_known;
        let most = if joined { MAX_JOINED_PROBE_BYTES } else { MAX_PROBE_BYTES };
        let full = self.lanes.iter().any(|l| l.held.len() >= most);
        let probe = Probe {
            data: [self.lanes[0].held.as_slice(), self.lanes[1].held.as_slice()],
            last: last || full,
            beginning: self.depth > 0 || shared.roles_known,
        };
        // Where no beginning was captured, there is none to look at; but the bytes may
        // tell who the client is.
        if let Some(told) = self.told.filter(|_| !shared.roles_known && (some || last)) {
            match told.probe.map_or(Verdict::No, |f| f(&probe)) {
                Verdict::Yes { client } => {
                    self.told = None;
                    self.found(told, client, shared);
                }
                Verdict::More if !probe.last => {}
                _ => {
                    self.run_told(shared);
                }
            }
            return;
        }
        if !some && !last {
            return;
        }
        let mut undecided = false;
        for p in shared.registry {
            match p.probe.map_or(Verdict::No, |f| f(&probe)) {
                Verdict::Yes { client } => return self.found(p, client, shared),
                Verdict::More => undecided = true,
                Verdict::No => {}
            }
        }
        let decided = !undecided || probe.last;
        if decided && !self.run_told(shared) {
            self.nobodys(shared);
        }
    }

    /// The bytes are this protocol's, and may have told who the client is.
    fn found(&mut self, p: &'static Protocol, client: Option<Side>, shared: &mut Shared) {
        // Only a conversation itself may turn round: a child's sides are its parent's.
        if client == Some(Side::Server) && self.depth == 0 {
            self.lanes.swap(0, 1);
            self.maps.swap(0, 1);
            shared.swap_sides();
        }
        shared.roles_known |= client.is_some();
        self.run(p, shared);
        self.feed_held(shared);
    }

    /// Gives it to the protocol that was told, if one was.
    fn run_told(&mut self, shared: &mut Shared) -> bool {
        let Some(p) = self.told.take() else { return false };
        self.run(p, shared);
        self.feed_held(shared);
        true
    }

    /// Feeds a new machine what was held, in the order in which it was captured:
    /// what the two directions say may depend on one another.
    fn feed_held(&mut self, shared: &mut Shared) {
        let mut runs = Vec::new();
        let held = Side::BOTH.map(|side| {
            let i = side.index();
            let held = std::mem::take(&mut self.lanes[i].held);
            let at = self.lanes[i].at;
            let (mut from, mut latest) = (0, 0);
            self.maps[i].pieces(at, at + held.len() as u64, |p, moment| {
                let to = held.len().min(from + p.len as usize);
                latest = moment.packet.0.max(latest);
                runs.push((latest, side, from..to));
                from = to;
            });
            if from < held.len() {
                runs.push((latest, side, from..held.len()));
            }
            held
        });
        // Stable: within one direction the order is that of the bytes.
        runs.sort_by_key(|(packet, _, _)| *packet);
        for (_, side, range) in runs {
            let data = held.get(side.index()).and_then(|h| h.get(range)).unwrap_or_default();
            self.bytes(side, data, shared);
        }
    }

    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        let own: usize = self.lanes.iter().map(|l| l.held.capacity()).sum::<usize>()
            + self.maps.iter().map(StreamMap::memory).sum::<usize>()
            + self.opaque.as_ref().map_or(0, |o| o.memory())
            + size_of::<Self>();
        let machine = match &self.state {
            State::Running(m) => m.memory(),
            State::Waiting(kept) => kept.iter().map(KeptHead::memory).sum(),
            State::Probing | State::Opaque => 0,
        };
        own + machine + self.children.values().map(|c| c.memory()).sum::<usize>()
    }

    /// A copy, where every machine can give one at this moment.
    pub(super) fn fork(&self) -> Option<Self> {
        let mut children = HashMap::with_capacity(self.children.len());
        for (k, c) in &self.children {
            children.insert(*k, Box::new(c.fork()?));
        }
        Some(Self {
            state: match &self.state {
                State::Probing => State::Probing,
                State::Waiting(kept) => State::Waiting(kept.clone()),
                State::Running(m) => State::Running(m.fork()?),
                State::Opaque => State::Opaque,
            },
            protocol: self.protocol,
            told: self.told,
            stream: self.stream,
            depth: self.depth,
            counted: self.counted,
            decrypted: self.decrypted,
            lanes: self.lanes.clone(),
            maps: self.maps.clone(),
            opaque: self.opaque.clone(),
            children,
        })
    }

    /// Whoever waits tries again.
    pub(super) fn retry(&mut self, shared: &mut Shared) {
        for side in Side::BOTH {
            if self.lanes[side.index()].waits.take().is_some() {
                self.pump(side, false, shared);
                self.finish_end(side, shared);
            }
        }
        for child in self.children.values_mut() {
            child.retry(shared);
        }
    }

    /// The longest that any of its directions has left waiting, for a look at
    /// what time has brought while nobody spoke.
    pub(super) fn overdue(&mut self, shared: &mut Shared) {
        for side in Side::BOTH {
            let due = self.lanes[side.index()].waits.is_some_and(|w| {
                shared.one_way || shared.now.time.since(w.time) > MAX_PEER_WAIT_NS
            });
            if due {
                self.pump(side, true, shared);
                self.finish_end(side, shared);
            }
        }
    }
}
