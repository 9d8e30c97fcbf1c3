//! Decode-as behind the first reading: the rows of one conversation are replaced,
//! and nothing else is read again (`docs/decisions/0004-decode-as.md`).

use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;

use crate::base::limits::{MAX_LANES, MAX_LISTED_FINDINGS};
use crate::base::{ConversationId, PacketId};
use crate::capture::{Packet, PacketMeta, PacketStore};
use crate::engine::{
    Checkpoint, ConversationInfo, DecodeAs, EventSink, FindingEvent, Options, Replay,
};
use crate::event::{Event, Level};
use crate::index::follow::Follower;
use crate::index::{AGAIN, Chunks, Index, Kept, Lane, Row, RowId, row};
use crate::proto::EndCause;

/// Packets worked on in one step: some milliseconds.
const PACKETS: usize = 512;

/// How far reading a conversation again has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It has not begun.
    Waiting,
    /// So many packets of so many.
    Read(usize, usize),
    /// Its rows have been replaced.
    Done,
}

/// One conversation being read again, as another protocol.
pub struct Redecode {
    conversation: u32,
    read: DecodeAs,
    replay: Option<Replay>,
    next: usize,
    /// The last packet that went into it.
    after: Option<u32>,
    new: Collected,
    moved: Moved,
}

/// New numbers of the rows of other conversations that had been read again before.
pub type Moved = HashMap<RowId, RowId>;

/// What came of it.
#[derive(Default)]
pub(super) struct Collected {
    pub(super) rows: Vec<(Row, (&'static str, &'static str))>,
    pub(super) findings: Vec<FindingEvent>,
    pub(super) checkpoints: Vec<(Checkpoint, usize)>,
}

impl EventSink for Collected {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        if let Some(c) = conversation
            && event.draft.level != Level::Packet
        {
            let row = Row::new(&event.draft, c.id.0.saturating_sub(1), 0);
            self.rows.push((row, (event.draft.protocol, event.draft.kind)));
        }
    }

    fn finding(&mut self, found: FindingEvent, _: Option<&ConversationInfo>) {
        self.findings.push(found);
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.checkpoints.push((checkpoint, self.rows.len()));
    }
}

impl Redecode {
    /// Will read a conversation again.
    #[must_use]
    pub fn new(conversation: ConversationId, read: DecodeAs) -> Self {
        Self {
            conversation: conversation.0.saturating_sub(1),
            read,
            replay: None,
            next: 0,
            after: None,
            new: Collected::default(),
            moved: Moved::new(),
        }
    }

    /// What moved when the rows were replaced; to be asked once, then.
    #[must_use]
    pub fn moved(&mut self) -> Moved {
        std::mem::take(&mut self.moved)
    }

    /// What it reads the conversation as.
    #[must_use]
    pub const fn read(&self) -> DecodeAs {
        self.read
    }

    /// Which conversation it reads.
    #[must_use]
    pub const fn conversation(&self) -> ConversationId {
        ConversationId(self.conversation + 1)
    }

    /// Reads some packets; in the end the rows are replaced under one lock. Where the
    /// conversation may go on, it is read so from then on, by whoever reads the capture.
    pub fn step(
        &mut self,
        index: &Arc<RwLock<Index>>,
        store: &PacketStore,
        options: &Options,
    ) -> Step {
        let (packets, all) = {
            let index = index.read().unwrap_or_else(PoisonError::into_inner);
            let Some(c) = index.conversations.get(self.conversation as usize) else {
                return Step::Done;
            };
            // A fragment has come to light among those that were read: from the start.
            let last = self.next.checked_sub(1).and_then(|at| c.packets.get(at)).copied();
            if self.replay.is_none() || last != self.after {
                let options = Options { wanted: [false; 5], ..options.clone() };
                self.replay = Some(Replay::decoded_as(&c.info, &options, self.read));
                (self.next, self.after, self.new) = (0, None, Collected::default());
            }
            let meta = |p: &u32| {
                let id = PacketId(u64::from(*p));
                Some(index.packet(id)?.meta(id))
            };
            let some = c.packets.range(self.next..self.next.saturating_add(PACKETS));
            let some: Vec<PacketMeta> = some.filter_map(meta).collect();
            (some, c.packets.len())
        };
        let Some(replay) = &mut self.replay else { return Step::Done };
        let mut bytes = Vec::new();
        // What came of its beginning is better than what would come of the rest.
        let first = packets.first().filter(|_| self.next == 0 && store.has_let_go());
        if first.is_some_and(|m| store.read(m, &mut bytes).is_err()) {
            self.replay = None;
            return Step::Done;
        }
        for meta in packets {
            self.next += 1;
            self.after = u32::try_from(meta.id.0).ok();
            // One that cannot be read is missing, as one that was not captured.
            if store.read(&meta, &mut bytes).is_ok() {
                replay.packet_to(&Packet { meta, data: &bytes }, &mut self.new);
            }
        }
        if self.next < all {
            return Step::Read(self.next, all);
        }
        let mut index = index.write().unwrap_or_else(PoisonError::into_inner);
        let Some(c) = index.conversations.get(self.conversation as usize) else {
            return Step::Done;
        };
        let last = self.next.checked_sub(1).and_then(|at| c.packets.get(at)).copied();
        // More has come meanwhile: it is read outside the lock.
        if c.packets.len() != self.next || last != self.after {
            return Step::Read(self.next, c.packets.len());
        }
        let left =
            c.info.left.or_else(|| index.ended.then_some((EndCause::CaptureEnded, index.last)));
        let Some(mut replay) = self.replay.take() else { return Step::Done };
        if let Some((cause, at)) = left {
            replay.finish_to(cause, at, &mut self.new);
        }
        let mut info = replay.info().clone();
        info.left = left;
        let new = std::mem::take(&mut self.new);
        self.moved = index.replace(self.conversation, self.read, info, new);
        index.leave(self.conversation);
        if left.is_none() {
            let reading = index.generation;
            let (conversation, next) = (self.conversation, self.next);
            index.follow(Follower { conversation, replay, next, reading });
        }
        Step::Done
    }
}

impl Index {
    /// Puts new rows, findings, lanes and checkpoints of a conversation in the
    /// place of those that it had.
    fn replace(&mut self, c: u32, read: DecodeAs, info: ConversationInfo, new: Collected) -> Moved {
        self.generation += 1;
        let findings = self.take_findings(c);
        // The rows of all conversations that were read again, in order of time.
        // Rows of others keep their order, so that their findings find them.
        let old: Vec<Row> = std::mem::take(&mut self.again).into_vec();
        let others = (0_u32..).zip(old).filter(|(_, r)| r.conversation != c);
        let mut all: Vec<(Option<u32>, Row)> = others.map(|(at, r)| (Some(at), r)).collect();
        for (mut row, kind) in new.rows {
            row.kind = self.kind_number(kind);
            all.push((None, row));
        }
        // An event may be told after others that were complete before it (its bytes
        // had to be waited for): within a conversation the order stays, since it is
        // by its place that an event is found again.
        let mut reached: HashMap<u32, u32> = HashMap::new();
        let mut keyed: Vec<(u32, Option<u32>, Row)> = all
            .into_iter()
            .map(|(before, r)| {
                let time = reached.entry(r.conversation).or_default();
                *time = r.last_packet.max(*time);
                (*time, before, r)
            })
            .collect();
        keyed.sort_by_key(|(time, _, r)| (*time, r.conversation));
        let all: Vec<(Option<u32>, Row)> = keyed.into_iter().map(|(_, b, r)| (b, r)).collect();
        let mut moved = HashMap::new();
        let mut own = Vec::new();
        for (at, (before, _)) in (0_u32..).zip(&all) {
            match before {
                Some(b) => drop(moved.insert(AGAIN | *b, AGAIN | at)),
                None => own.push(AGAIN | at),
            }
        }
        self.again = all.into_iter().map(|(_, r)| r).collect();
        self.replace_findings(c, &own, &moved, findings, new.findings);
        // Others that were read again before.
        for other in self.conversations.iter_mut().filter(|x| x.read.is_some()) {
            for r in other.rows.iter_mut() {
                *r = moved.get(r).copied().unwrap_or(*r);
            }
        }
        let kept: Vec<Kept> =
            new.checkpoints.into_iter().map(|(state, events)| Kept::new(state, events)).collect();
        if let Some(x) = self.conversations.get_mut(c as usize) {
            let sum = |k: &[Kept]| k.iter().map(|k| k.memory).sum::<usize>();
            self.checkpoint_bytes =
                (self.checkpoint_bytes + sum(&kept)).saturating_sub(sum(&x.checkpoints));
            x.info = info;
            x.rows = own.into_iter().collect();
            x.checkpoints = kept;
            x.read = Some(read);
            x.reading = self.generation;
            x.late.clear();
        }
        self.find_all_again(c, 0);
        self.replace_lanes(c, &moved);
        moved.into_iter().map(|(a, b)| (RowId(a), RowId(b))).collect()
    }

    /// Takes out all findings. Those of this conversation that only the whole capture
    /// shows are put aside until its new rows are there.
    fn take_findings(&mut self, c: u32) -> Vec<(FindingEvent, Option<u32>)> {
        let mut findings = self.findings.take();
        let mut aside = self.aside.remove(&c).unwrap_or_default();
        findings.retain(|(f, row)| {
            let row = row.filter(|_| f.across).and_then(|r| self.row(RowId(r)));
            let Some(row) = row.filter(|r| r.conversation == c) else { return true };
            aside.push((f.clone(), *row));
            false
        });
        if !aside.is_empty() {
            self.aside.insert(c, aside);
        }
        findings
    }

    /// Gives the findings that were put aside to the events among the rows of the
    /// conversation, from one on, that are those of before.
    pub(super) fn find_all_again(&mut self, c: u32, from: usize) {
        for (f, old) in self.aside.remove(&c).unwrap_or_default() {
            self.find_again(c, from, f, old);
        }
    }

    /// The same for one finding. What is read as something else has no such event.
    pub(super) fn find_again(&mut self, c: u32, from: usize, f: FindingEvent, old: Row) {
        let rows = self.conversations.get(c as usize).map(|x| &x.rows);
        let mut rows = rows.into_iter().flat_map(|r| r.range(from..r.len())).copied();
        let same = rows.find(|r| self.row(RowId(*r)) == Some(&old));
        match same {
            Some(row) => self.findings.add(f, Some(row)),
            None if self.aside.values().map(Vec::len).sum::<usize>() < MAX_LISTED_FINDINGS => {
                self.aside.entry(c).or_default().push((f, old));
            }
            None => self.findings.left_out += 1,
        }
    }

    fn replace_findings(
        &mut self,
        c: u32,
        own: &[u32],
        moved: &HashMap<u32, u32>,
        mut findings: Vec<(FindingEvent, Option<u32>)>,
        new: Vec<FindingEvent>,
    ) {
        findings.retain(|(f, row)| {
            let of = match row {
                Some(r) if r & AGAIN != 0 => return moved.contains_key(r),
                Some(r) => self.rows.get(*r as usize).map(|r| r.conversation),
                // What packets are wrong with stays; what was read of them goes.
                None if matches!(f.protocol, "capture" | "ip" | "framescope") => None,
                None => self.packet(f.at.packet).and_then(|p| p.conversation.checked_sub(1)),
            };
            of != Some(c)
        });
        for (_, row) in &mut findings {
            if let Some(r) = row {
                *r = moved.get(r).copied().unwrap_or(*r);
            }
        }
        for f in new {
            let at = f.event.and_then(|e| usize::try_from(e.0.checked_sub(1)?).ok());
            let row = at.and_then(|at| own.get(at)).copied();
            findings.push((f, row));
        }
        findings.sort_by_key(|(f, _)| f.at.packet);
        for (f, row) in findings {
            self.findings.add(f, row);
        }
    }

    /// The lanes of a conversation anew, where its first one was; those of others
    /// follow their rows.
    fn replace_lanes(&mut self, c: u32, moved: &HashMap<u32, u32>) {
        let before = std::mem::take(&mut self.lanes).into_vec();
        let room = MAX_LANES.saturating_sub(before.len());
        let at = before.iter().take_while(|l| l.conversation != c).count();
        let mut lanes: Vec<Lane> = before.into_iter().filter(|l| l.conversation != c).collect();
        let at = at.min(lanes.len());
        let mut mine: Vec<Lane> = Vec::new();
        let mut places = HashMap::new();
        let own = self.conversations.get(c as usize).into_iter().flat_map(|x| x.rows.iter());
        for id in own {
            let Some(r) = self.row(RowId(*id)) else { continue };
            let full = mine.len() > room;
            let stream = r.stream().filter(|s| *s != 0);
            let stream = stream.filter(|s| !full || places.contains_key(&Some(*s)));
            let place = *places.entry(stream).or_insert_with(|| {
                mine.push(Lane { conversation: c, stream, rows: Chunks::default() });
                mine.len() - 1
            });
            if let Some(l) = mine.get_mut(place) {
                l.rows.push(*id);
            }
        }
        lanes.splice(at..at, mine);
        // Others that were read again have other numbers now.
        for l in &mut lanes {
            if l.conversation != c {
                for r in l.rows.iter_mut() {
                    *r = moved.get(r).copied().unwrap_or(*r);
                }
            }
        }
        self.lane_of = (0_u32..)
            .zip(&lanes)
            .map(|(i, l)| ((l.conversation, l.stream.unwrap_or(row::NO_STREAM)), i))
            .collect();
        self.lanes = lanes.into_iter().collect();
    }

    /// What a conversation was read as, where that was asked for.
    #[must_use]
    pub fn read_as(&self, conversation: ConversationId) -> Option<DecodeAs> {
        self.conversations.get(conversation.0.checked_sub(1)? as usize)?.read
    }
}
