//! A conversation that was read as something else goes on: what comes is read so too.
//!
//! The engine reads it as before, and its rows keep their numbers, but are passed
//! over. Whoever reads the capture reads the new packets of such conversations again
//! from the store, once the index knows them.

use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;

use crate::base::{Moment, PacketId};
use crate::capture::{Packet, PacketMeta, PacketStore};
use crate::engine::Replay;
use crate::index::redecode::Collected;
use crate::index::{AGAIN, Index, Row};
use crate::proto::EndCause;

/// A conversation that was read again up to its latest packet.
pub(super) struct Follower {
    /// Its index.
    pub(super) conversation: u32,
    /// Where its machines are.
    pub(super) replay: Replay,
    /// Packets that went into it.
    pub(super) next: usize,
    /// Which reading of it this is: a later one counts instead.
    pub(super) reading: u64,
}

/// What a follower has to read.
struct Work {
    follower: Follower,
    packets: Vec<PacketMeta>,
    left: Option<(EndCause, Moment)>,
    new: Collected,
}

/// Has all that are followed catch up with the index.
pub(super) fn follow(index: &Arc<RwLock<Index>>, store: &PacketStore) {
    let mut work = {
        let followed = |i: &Index| !i.followed().is_empty();
        if !followed(&index.read().unwrap_or_else(PoisonError::into_inner)) {
            return;
        }
        index.write().unwrap_or_else(PoisonError::into_inner).take_work()
    };
    let mut bytes = Vec::new();
    for w in &mut work {
        for meta in std::mem::take(&mut w.packets) {
            // One that cannot be read is missing, as one that was not captured.
            if store.read(&meta, &mut bytes).is_ok() {
                w.follower.replay.packet_to(&Packet { meta, data: &bytes }, &mut w.new);
            }
        }
        if let Some((cause, at)) = w.left {
            w.follower.replay.finish_to(cause, at, &mut w.new);
        }
    }
    index.write().unwrap_or_else(PoisonError::into_inner).append(work);
}

impl Index {
    fn followed(&self) -> std::sync::MutexGuard<'_, Vec<Follower>> {
        self.followed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on a conversation is followed.
    pub(super) fn follow(&self, follower: Follower) {
        self.followed().push(follower);
    }

    /// Nobody follows a conversation any more.
    pub(super) fn leave(&self, conversation: u32) {
        self.followed().retain(|f| f.conversation != conversation);
    }

    /// What has come for those that are followed.
    fn take_work(&mut self) -> Vec<Work> {
        let followers = std::mem::take(&mut *self.followed());
        let mut work = Vec::new();
        for mut follower in followers {
            let Some(c) = self.conversations.get_mut(follower.conversation as usize) else {
                continue;
            };
            // A fragment of a datagram that is complete now comes before its last.
            let mut numbers = std::mem::take(&mut c.late);
            let begun = follower.next + numbers.len();
            numbers.extend(c.packets.range(begun..c.packets.len()));
            follower.next = c.packets.len();
            let left = c.info.left;
            let meta = |p: u32| {
                let id = PacketId(u64::from(p));
                Some(self.packet(id)?.meta(id))
            };
            let packets: Vec<PacketMeta> = numbers.into_iter().filter_map(meta).collect();
            work.push(Work { follower, packets, left, new: Collected::default() });
        }
        work
    }

    /// Appends what they brought forth, in order of time.
    fn append(&mut self, work: Vec<Work>) {
        let mut rows: Vec<(u32, Row)> = Vec::new();
        let mut rest = Vec::new();
        for w in work {
            let Work { follower, left, new, .. } = w;
            let c = follower.conversation;
            // Read as something else in the meantime, with all its packets.
            let other = self
                .conversations
                .get(c as usize)
                .is_none_or(|x| x.read.is_none() || x.reading != follower.reading);
            if other {
                continue;
            }
            // In a conversation the order stays: it is by its place that an event is
            // opened.
            let mut reached = 0;
            for (mut row, kind) in new.rows {
                row.kind = self.kind_number(kind);
                reached = row.last_packet.max(reached);
                rows.push((reached, row));
            }
            rest.push((follower, left, new.findings, new.checkpoints));
        }
        let before: HashMap<u32, usize> = rest
            .iter()
            .filter_map(|(f, ..)| {
                let c = self.conversations.get(f.conversation as usize)?;
                Some((f.conversation, c.rows.len()))
            })
            .collect();
        rows.sort_by_key(|(time, r)| (*time, r.conversation));
        for (_, row) in rows {
            let id = AGAIN | u32::try_from(self.again.len()).unwrap_or(u32::MAX);
            if let Some(c) = self.conversations.get_mut(row.conversation as usize) {
                c.rows.push(id);
            }
            self.add_to_lane(&row, id);
            self.again.push(row);
        }
        for (follower, left, findings, checkpoints) in rest {
            let c = follower.conversation;
            for f in findings {
                let at = f.event.and_then(|e| usize::try_from(e.0.checked_sub(1)?).ok());
                let rows = self.conversations.get(c as usize).map(|x| &x.rows);
                let row = at.and_then(|at| rows?.get(at)).copied();
                self.findings.add(f, row);
            }
            let events = before.get(&c).copied().unwrap_or(0);
            self.find_all_again(c, events);
            for (state, n) in checkpoints {
                self.keep(state, events + n);
            }
            if let Some(x) = self.conversations.get_mut(c as usize) {
                let left = x.info.left;
                x.info = follower.replay.info().clone();
                x.info.left = left;
            }
            if left.is_none() {
                self.followed().push(follower);
            }
        }
    }
}
