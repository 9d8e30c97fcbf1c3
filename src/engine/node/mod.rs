//! One stream of a conversation: its machine, what the machine has not taken
//! yet, where its bytes lie, and its child streams.
//!
//! What state it is in says who works on it:
//!
//! ```text
//!  bytes ────────► Probing ──── somebody knows the first of them ─────┐
//!                     │          (probing.rs)                         │
//!                     │ nobody does                                   ▼
//!                     ▼                                            Running
//!                   Opaque                                            ▲
//!                     ▲ │ a head comes after all that is somebody's   │
//!         nobody does │ ▼                                             │
//!  an exchange ──► Unclaimed ── its heads or its body tell whose ─────┘
//!                               it is (claiming.rs)
//! ```
//!
//! Bytes come in by [`Node::bytes`] from the reassembly, or from the parent's machine (`out.rs`),
//! by which a machine opens children, too. While the node is `Running` each direction is a
//! [`Lane`]: bytes go to the machine as they come (`feeding.rs`), and what it leaves is held
//! there until there is as much as it [wants](Want), or until the peer has spoken (`peer.rs`),
//! or until no more can come: a hole, an end, an abort (`ending.rs`). What nobody takes is
//! opaque.

mod claiming;
mod ending;
mod feeding;
mod lane;
mod out;
mod peer;
mod probing;

use hashbrown::HashMap;

use crate::base::{Side, StreamMap};
use crate::engine::decode_as::DecodeAs;
use crate::engine::kept::KeptHead;
use crate::engine::opaque::OpaqueRun;
use crate::engine::shared::Shared;
use crate::proto::protobuf::{self, Carried};
use crate::proto::{Input, Machine, Protocol};
use lane::Lane;

/// Who works on a stream.
enum State {
    /// Bytes of an unknown protocol: held until somebody knows them.
    Probing,
    /// An exchange that nobody has claimed yet: the heads that have come, which
    /// do not tell whose it is.
    Unclaimed(Vec<KeptHead>),
    /// A machine has it.
    Running(Box<dyn Machine>),
    /// Nobody knows it.
    Opaque,
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
    /// A child whose beginning was not captured.
    joined: bool,
    /// Nobody knows it so far, and this side has not said a word: of a connection that was joined
    /// within something large, which says nothing of whose it is.
    silent: Option<Side>,
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
            joined: false,
            silent: None,
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
            State::Unclaimed(_) => {
                self.lanes[i].held.extend_from_slice(data);
                self.glimpse(side, false, shared);
                self.finish_ends(shared);
            }
            // A stream that nobody knew while one side alone was heard.
            State::Opaque if self.silent == Some(side) => {
                self.silent = None;
                OpaqueRun::flush(&mut self.opaque, shared);
                self.state = State::Probing;
                self.bytes(side, data, shared);
            }
            // A stream that nobody knows.
            _ => self.skip(side, data, shared),
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
        if self.kept(&input, shared) {
            return;
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

    /// Nobody knows the stream: what is held of it is opaque.
    fn nobodys(&mut self, shared: &mut Shared) {
        self.state = State::Opaque;
        let quiet = |side: &Side| {
            let lane = &self.lanes[side.index()];
            lane.at == 0 && lane.held.is_empty()
        };
        let is_joined = self.depth == 0 && !shared.roles_known;
        self.silent = Side::BOTH.into_iter().find(quiet).filter(|_| is_joined);
        for side in Side::BOTH {
            let held = std::mem::take(&mut self.lanes[side.index()].held);
            self.skip(side, &held, shared);
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
            State::Unclaimed(kept) => kept.iter().map(KeptHead::memory).sum(),
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
                State::Unclaimed(kept) => State::Unclaimed(kept.clone()),
                State::Running(m) => State::Running(m.fork()?),
                State::Opaque => State::Opaque,
            },
            protocol: self.protocol,
            told: self.told,
            stream: self.stream,
            depth: self.depth,
            counted: self.counted,
            decrypted: self.decrypted,
            joined: self.joined,
            silent: self.silent,
            lanes: self.lanes.clone(),
            maps: self.maps.clone(),
            opaque: self.opaque.clone(),
            children,
        })
    }
}
