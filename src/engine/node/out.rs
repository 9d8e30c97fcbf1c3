//! What a machine sees of the world while one of its inputs is worked on.

use std::ops::Range;

use hashbrown::HashMap;

use super::{Node, State};
use crate::base::limits::{MAX_CHILDREN, MAX_STACK_DEPTH};
use crate::base::{BufferId, Moment, Piece, Side, StreamMap};
use crate::engine::findings;
use crate::engine::opaque::OpaqueRun;
use crate::engine::shared::Shared;
use crate::event::{Detail, Draft, Level};
use crate::finding::Finding;
use crate::proto::secrets::ClientRandom;
use crate::proto::{Abort, Carries, Child, Input, Look, Out, Path, PayloadHint, Secrets, Stall};

/// What a machine sees of the world.
pub(super) struct NodeOut<'a> {
    pub(super) shared: &'a mut Shared,
    pub(super) maps: &'a [StreamMap; 2],
    pub(super) children: &'a mut HashMap<u64, Box<Node>>,
    /// What nobody took, of these bytes.
    pub(super) opaque: &'a mut Option<Box<OpaqueRun>>,
    pub(super) stream: Option<u64>,
    pub(super) depth: usize,
    pub(super) counted: bool,
    /// Its bytes, or those of a stream that it stands on, were encrypted.
    pub(super) decrypted: bool,
    pub(super) name: &'static str,
}

impl NodeOut<'_> {
    /// Bytes that the machine has no use for, or for a child that could not be opened:
    /// shown all the same.
    fn lost(&mut self, side: Side, offset: u64, data: &[u8]) {
        let map = &self.maps[side.index()];
        OpaqueRun::add(self.opaque, side, offset, data, map, self.shared, self.stream);
        if self.counted {
            self.shared.ledger.opaque[side.index()] += data.len() as u64;
            self.shared.ledger.opaque_above[side.index()] += data.len() as u64;
        }
    }
}

impl Out for NodeOut<'_> {
    fn wants(&self, level: Level) -> bool {
        self.shared.wants(level)
    }

    fn look(&self, level: Level) -> Look {
        self.shared.look(level)
    }

    fn reopens(&self) -> bool {
        self.shared.reopens
    }

    fn mark(&mut self) {
        self.shared.marked = true;
    }

    fn payload_cap(&self) -> usize {
        self.shared.payload_cap
    }

    fn now(&self) -> Moment {
        self.shared.now
    }

    fn moment(&self, side: Side, offset: u64) -> Moment {
        self.maps[side.index()].moment(offset).unwrap_or(self.shared.now)
    }

    fn ready(&self, side: Side, offset: u64) -> Moment {
        self.maps[side.index()].ready(offset).unwrap_or(self.shared.now)
    }

    fn pieces(&self, side: Side, range: Range<u64>, each: &mut dyn FnMut(Piece)) {
        self.maps[side.index()].pieces(range.start, range.end, |p, _| each(p));
    }

    fn count(&mut self, level: Level) -> bool {
        self.shared.count(level)
    }

    fn emit(&mut self, mut draft: Draft) {
        if draft.stream.is_none() {
            draft.stream = self.stream;
        }
        if let Some(detail) = draft.detail.as_mut().filter(|_| self.decrypted) {
            detail.origins.relabel("TCP stream", "decrypted TCP stream");
        }
        self.shared.emit(draft);
    }

    fn finding(&mut self, finding: Finding) {
        self.shared.finding(finding, self.name);
    }

    fn finding_at(&mut self, finding: Finding, at: Moment) {
        self.shared.finding_at(finding, self.name, at);
    }

    fn inflated(&mut self, bytes: u64) {
        self.shared.inflated += bytes;
    }

    fn open(&mut self, child: Child<'_>) -> bool {
        if self.children.len() >= MAX_CHILDREN || self.depth + 1 >= MAX_STACK_DEPTH {
            self.shared.finding(Finding::new(&findings::CHILD_LIMIT), self.name);
            return false;
        }
        let state = match child.carries {
            Carries::Exchange => State::Unclaimed(Vec::new()),
            Carries::Bytes | Carries::Middle | Carries::Named(_) => State::Probing,
        };
        let mut node = Node::new(state, child.stream.or(self.stream), self.depth + 1);
        node.counted = self.counted;
        node.decrypted = self.decrypted;
        node.joined = matches!(child.carries, Carries::Middle);
        if let Carries::Named(token) = child.carries
            && let Some(p) = self.shared.registry.iter().find(|p| p.tokens.contains(&token))
        {
            node.run(p, self.shared);
        }
        self.children.insert(child.key, Box::new(node));
        true
    }

    fn pass(&mut self, key: u64, side: Side, offset: u64, data: &[u8]) {
        let Some(node) = self.children.get_mut(&key) else {
            self.lost(side, offset, data);
            return;
        };
        let at = node.tail(side);
        let end = offset + data.len() as u64;
        self.maps[side.index()].hand_on(offset, end, node.map(side), at);
        node.bytes(side, data, self.shared);
    }

    fn pass_made(&mut self, key: u64, side: Side, source: Range<u64>, data: &[u8], exact: bool) {
        let Some(node) = self.children.get_mut(&key) else { return };
        let at = node.tail(side);
        let map = &self.maps[side.index()];
        if exact {
            map.hand_on(source.start, source.end, node.map(side), at);
        } else {
            node.counted = false;
            let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
            let mut first = true;
            map.pieces(source.start, source.end, |p, moment| {
                if let crate::base::PieceSource::Packet(r) = p.source {
                    // The whole was made from the whole: the first run stands for
                    // the bytes, the others for their packets' times.
                    let n = if std::mem::take(&mut first) { len } else { 0 };
                    node.maps[side.index()].push_run(at, n, moment, r.start, r.len, false);
                }
            });
        }
        node.bytes(side, data, self.shared);
    }

    fn pass_opened(&mut self, key: u64, side: Side, record: Range<u64>, at: u64, data: &[u8]) {
        let map = &self.maps[side.index()];
        let Some(node) = self.children.get_mut(&key) else {
            self.lost(side, at, data);
            return;
        };
        let tail = node.tail(side);
        let child = node.map(side);
        if let Some(ready) = map.ready(record.end.saturating_sub(1)) {
            child.not_before(ready);
        }
        map.hand_on(at, at + data.len() as u64, child, tail);
        node.decrypted = true;
        node.bytes(side, data, self.shared);
    }

    fn secrets(&self) -> &Secrets {
        &self.shared.secrets
    }

    fn await_secrets(&mut self) -> bool {
        self.shared.awaits_secrets |= self.shared.patient;
        self.shared.patient
    }

    fn used_secrets(&mut self, whose: &ClientRandom) {
        if !self.shared.used_secrets.contains(whose) {
            self.shared.used_secrets.push(*whose);
            self.shared.secrets.note_used(whose);
        }
    }

    fn tell(&mut self, key: u64, input: Input<'_>) {
        if let Some(node) = self.children.get_mut(&key) {
            node.tell(input, self.shared);
        }
    }

    fn close(&mut self, key: u64) {
        if let Some(mut node) = self.children.remove(&key) {
            node.settle(self.shared);
            OpaqueRun::flush(&mut node.opaque, self.shared);
        }
    }

    fn decode(
        &mut self,
        hint: &PayloadHint<'_>,
        data: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        if let Some(l) = &self.shared.learn {
            l.message(hint, data);
        }
        crate::proto::decode(&self.shared.decoders, hint, data, detail)
    }

    fn demands(&self, hint: &PayloadHint<'_>) -> bool {
        self.shared.decoders.iter().any(|d| d.demands(hint))
    }

    fn method_pattern(&self, path: &str) -> Option<&'static str> {
        self.shared.decoders.iter().find_map(|d| d.method_pattern(path))
    }

    fn abort(&self) -> Abort {
        self.shared.abort
    }

    fn set_abort(&mut self, abort: Abort) {
        self.shared.abort = abort;
    }

    fn aborted_at(&self) -> Moment {
        self.shared.aborted_at.unwrap_or(self.shared.now)
    }

    fn set_aborted_at(&mut self, at: Option<Moment>) {
        self.shared.aborted_at = at;
    }

    fn path(&self) -> Path {
        Path { guessed: !self.shared.roles_known, ..self.shared.path }
    }

    fn acknowledged(&mut self, side: Side, ns: u64) {
        if let Some(a) = self.shared.path.acks.get_mut(side.index()) {
            a.add(ns);
        }
    }

    fn stalls(&self) -> [Option<Stall>; 2] {
        self.shared.stalls
    }

    fn set_stalls(&mut self, stalls: [Option<Stall>; 2]) {
        self.shared.stalls = stalls;
    }
}
