//! One direction waits for the other: an answer for its request, say.
//!
//! It has an end, in bytes and in time of the capture; then the machine is told that it must
//! do with what there is.

use super::{Node, State};
use crate::base::Side;
use crate::base::limits::{MAX_PEER_WAIT_BYTES, MAX_PEER_WAIT_NS};
use crate::engine::shared::Shared;

impl Node {
    /// The peer spoke: who waited for it may go on, and then it may itself, if it waited
    /// for what has been taken now.
    pub(super) fn wake_peer(&mut self, side: Side, shared: &mut Shared) {
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
    pub(super) fn wake_between(&mut self, side: Side, shared: &mut Shared) {
        let peer = side.peer();
        if self.lanes[peer.index()].waits.take().is_some() {
            self.pump(peer, false, shared);
        }
    }

    /// Whoever waits tries again.
    pub(in crate::engine) fn retry(&mut self, shared: &mut Shared) {
        if matches!(self.state, State::Probing) {
            self.probe(false, shared);
            self.finish_ends(shared);
        }
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
    pub(in crate::engine) fn overdue(&mut self, shared: &mut Shared) {
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
