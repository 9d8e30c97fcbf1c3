//! Where bytes stop: holes, ends, aborts. What is held then is told as far as it goes.

use super::{Node, State};
use crate::base::Side;
use crate::engine::opaque::OpaqueRun;
use crate::engine::shared::Shared;
use crate::proto::{EndCause, Input, Want};

impl Node {
    /// `len` bytes of a direction are missing.
    pub(in crate::engine) fn gap(&mut self, side: Side, len: u64, shared: &mut Shared) {
        let side = self.probe_now(side, true, shared);
        // Behind the hole comes the request of an answer that is kept, or what its body says.
        let more = side == Side::Client && self.has_answer() || self.is_answer(shared);
        self.glimpse(side, !more, shared);
        let i = side.index();
        self.pump(side, true, shared);
        OpaqueRun::flush(&mut self.opaque, shared);
        let offset = self.lanes[i].at;
        self.lanes[i].at += len;
        self.lanes[i].need = 1;
        // Who claims it later looks at what comes behind.
        if !self.lanes[i].done && !matches!(self.state, State::Unclaimed(_)) {
            let p = self.feed(Input::Gap { side, offset, len }, shared);
            if p.want == Want::Nothing {
                self.lanes[i].done = true;
            }
        }
        self.wake_peer(side, shared);
        self.finish_ends(shared);
    }

    /// A direction ended.
    pub(in crate::engine) fn end(&mut self, side: Side, cause: EndCause, shared: &mut Shared) {
        let lane = &mut self.lanes[side.index()];
        if lane.end.is_some() {
            return;
        }
        lane.end = Some(cause);
        let both = self.lanes.iter().all(|l| l.end.is_some());
        let side = self.probe_now(side, both || cause != EndCause::Finished, shared);
        // An answer may be over before its request comes, and its connection as well.
        let more = !both && matches!(cause, EndCause::Finished | EndCause::Cut);
        self.glimpse(side, !(more && self.is_answer(shared)), shared);
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

    /// Nothing comes any more: an answer that is kept for its request is told alone.
    pub(in crate::engine) fn settle(&mut self, shared: &mut Shared) {
        // In the order of their streams, not of the table.
        let mut keys: Vec<u64> = self.children.keys().copied().collect();
        keys.sort_unstable();
        for key in keys {
            if let Some(child) = self.children.get_mut(&key) {
                child.settle(shared);
            }
        }
        if self.has_answer() {
            self.glimpse(Side::Server, true, shared);
            for side in Side::BOTH {
                self.end(side, EndCause::Cut, shared);
            }
            self.finish_ends(shared);
        }
    }

    /// Tells the ends that came before anybody knew the stream.
    pub(super) fn finish_ends(&mut self, shared: &mut Shared) {
        for side in Side::BOTH {
            self.finish_end(side, shared);
        }
    }

    /// Tells the machine the end, unless bytes before it still wait for the peer,
    /// or there is no machine yet.
    pub(super) fn finish_end(&mut self, side: Side, shared: &mut Shared) {
        let i = side.index();
        let lane = &self.lanes[i];
        let Some(cause) = lane.end else { return };
        let peer_may_come = self.lanes[side.peer().index()].end.is_none();
        if lane.told_end
            || matches!(self.state, State::Probing | State::Unclaimed(_))
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
    pub(in crate::engine) fn reset(&mut self, side: Side, code: u32, shared: &mut Shared) {
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
}
