//! Who knows a stream by its first bytes.
//!
//! Every protocol is asked, in the order of the registry, until one says yes, or all say no,
//! or as much is held as may be. What was held is then the machine's, in the order in which
//! it was captured.

use super::{Node, State};
use crate::base::Side;
use crate::base::limits::{MAX_JOINED_PROBE_BYTES, MAX_PROBE_BYTES};
use crate::engine::shared::Shared;
use crate::proto::{Probe, Protocol, Verdict};

impl Node {
    /// Probes, if that is still to be done; gives what `side` is called now.
    pub(super) fn probe_now(&mut self, side: Side, last: bool, shared: &mut Shared) -> Side {
        if !matches!(self.state, State::Probing) {
            return side;
        }
        let before = shared.sides_swapped;
        self.probe(last, shared);
        if before == shared.sides_swapped { side } else { side.peer() }
    }

    /// Asks who knows the stream by its first bytes.
    pub(super) fn probe(&mut self, last: bool, shared: &mut Shared) {
        let some = self.lanes.iter().any(|l| !l.held.is_empty());
        let joined = if self.depth == 0 { !shared.roles_known } else { self.joined };
        let most = if joined { MAX_JOINED_PROBE_BYTES } else { MAX_PROBE_BYTES };
        let full = self.lanes.iter().any(|l| l.held.len() >= most);
        let probe = Probe {
            data: [self.lanes[0].held.as_slice(), self.lanes[1].held.as_slice()],
            last: last || full,
            beginning: !joined,
            secrets: &shared.secrets,
            patient: shared.patient && !(last || full),
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
                Verdict::Secrets if probe.patient => shared.awaits_secrets = true,
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
                Verdict::Secrets => {
                    shared.awaits_secrets = true;
                    return;
                }
                Verdict::No => {}
            }
        }
        let decided = !undecided || probe.last;
        if decided && !self.run_told(shared) {
            self.nobodys(shared);
        }
    }

    /// The bytes are this protocol's, and may have told who the client is.
    pub(super) fn found(
        &mut self,
        p: &'static Protocol,
        client: Option<Side>,
        shared: &mut Shared,
    ) {
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
    pub(super) fn run_told(&mut self, shared: &mut Shared) -> bool {
        let Some(p) = self.told.take() else { return false };
        self.run(p, shared);
        self.feed_held(shared);
        true
    }
}
