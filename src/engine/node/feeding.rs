//! Bytes to the machine: as they come, or out of what is held.
//!
//! What it wants after each chunk is what the lane does next:
//!
//! | it wants | the lane |
//! | --- | --- |
//! | [`Want::More`] | holds what is left until so much more has come |
//! | [`Want::Peer`] | holds all of it until the peer has spoken (`peer.rs`) |
//! | [`Want::Nothing`] | is done: what follows is opaque |

use super::out::NodeOut;
use super::{Node, State};
use crate::base::Side;
use crate::base::limits::MAX_PENDING_BYTES;
use crate::engine::findings;
use crate::engine::opaque::OpaqueRun;
use crate::engine::shared::Shared;
use crate::finding::Finding;
use crate::proto::{Chunk, Input, Progress, Want};

impl Node {
    /// Feeds bytes that lie behind everything taken, without copying them.
    pub(super) fn feed_slice(&mut self, side: Side, mut data: &[u8], shared: &mut Shared) {
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
    pub(super) fn apply(&mut self, side: Side, p: Progress, left: usize, shared: &Shared) -> bool {
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
    pub(super) fn pump(&mut self, side: Side, last: bool, shared: &mut Shared) {
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

    /// Feeds a new machine what was held, in the order in which it was captured:
    /// what the two directions say may depend on one another.
    pub(super) fn feed_held(&mut self, shared: &mut Shared) {
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

    /// One call of the machine.
    pub(super) fn feed_chunk(
        &mut self,
        side: Side,
        data: &[u8],
        last: bool,
        shared: &mut Shared,
    ) -> Progress {
        let offset = self.lanes[side.index()].at;
        let p = self.feed(Input::Bytes(Chunk { side, offset, data, last }), shared);
        let took = p.took.min(data.len());
        if self.depth == 0 {
            shared.ledger.taken[side.index()] += took as u64;
        }
        Progress { took, want: p.want }
    }

    pub(super) fn feed(&mut self, input: Input<'_>, shared: &mut Shared) -> Progress {
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

    /// Bytes that nobody takes.
    pub(super) fn skip(&mut self, side: Side, data: &[u8], shared: &mut Shared) {
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

    pub(super) fn name(&self) -> &'static str {
        self.protocol.map_or("tcp", |p| p.name)
    }
}
