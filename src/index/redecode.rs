//! Decode-as behind the first reading: the rows of one conversation are replaced,
//! and nothing else is read again (`docs/decisions/0004-decode-as.md`).

use std::sync::{Arc, Mutex, PoisonError, RwLock};

use hashbrown::HashMap;

use crate::base::{ConversationId, PacketId};
use crate::capture::{Packet, PacketMeta, PacketStore};
use crate::engine::{
    Checkpoint, ConversationInfo, DecodeAs, EventSink, FindingEvent, Options, Replay,
};
use crate::event::{Event, Level};
use crate::index::{AGAIN, Index, Kept, Lane, Row, RowId, row};
use crate::proto::EndCause;

/// Packets worked on in one step: some milliseconds.
const PACKETS: usize = 512;

/// How far reading a conversation again has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The capture is still being read: the conversation may go on.
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
    /// Made when the capture has been read: who the ends are may change until then.
    replay: Option<Replay>,
    next: usize,
    new: Collected,
    moved: Moved,
}

/// New numbers of the rows of other conversations that had been read again before.
pub type Moved = HashMap<RowId, RowId>;

/// What came of it.
#[derive(Default)]
struct Collected {
    rows: Vec<(Row, (&'static str, &'static str))>,
    findings: Vec<FindingEvent>,
    checkpoints: Vec<(Checkpoint, usize)>,
}

impl EventSink for Collected {
    fn event(&mut self, event: Event, conversation: Option<&ConversationInfo>) {
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

    /// Reads some packets; in the end the rows are replaced under one lock.
    pub fn step(
        &mut self,
        index: &Arc<RwLock<Index>>,
        store: &PacketStore,
        options: &Options,
    ) -> Step {
        let (packets, all, left) = {
            let index = index.read().unwrap_or_else(PoisonError::into_inner);
            if !index.ended {
                return Step::Waiting;
            }
            let Some(c) = index.conversations.get(self.conversation as usize) else {
                return Step::Done;
            };
            if self.replay.is_none() {
                let options = Options { wanted: [false; 5], ..options.clone() };
                self.replay = Some(Replay::decoded_as(&c.info, &options, self.read));
            }
            let meta = |p: &u32| {
                let id = PacketId(u64::from(*p));
                Some(index.packet(id)?.meta(id))
            };
            let some = c.packets.iter().skip(self.next).take(PACKETS);
            (
                some.filter_map(meta).collect::<Vec<PacketMeta>>(),
                c.packets.len(),
                c.info.left.unwrap_or((EndCause::CaptureEnded, index.last)),
            )
        };
        let Some(replay) = &mut self.replay else { return Step::Done };
        let mut bytes = Vec::new();
        for meta in packets {
            self.next += 1;
            // One that cannot be read is missing, as one that was not captured.
            if store.read(&meta, &mut bytes).is_ok() {
                replay.packet_to(&Packet { meta, data: &bytes }, &mut self.new);
            }
        }
        if self.next < all {
            return Step::Read(self.next, all);
        }
        let (cause, at) = left;
        replay.finish_to(cause, at, &mut self.new);
        let info = replay.info().clone();
        let mut index = index.write().unwrap_or_else(PoisonError::into_inner);
        let new = std::mem::take(&mut self.new);
        self.moved = index.replace(self.conversation, self.read, info, new);
        Step::Done
    }
}

impl Index {
    /// Puts new rows, findings, lanes and checkpoints of a conversation in the
    /// place of those that it had.
    fn replace(&mut self, c: u32, read: DecodeAs, info: ConversationInfo, new: Collected) -> Moved {
        self.generation += 1;
        // The rows of all conversations that were read again, in order of time.
        // Rows of others keep their order, so that their findings find them.
        let old: Vec<Row> = std::mem::take(&mut self.again);
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
        self.replace_findings(c, &own, &moved, new.findings);
        // Others that were read again before.
        for other in self.conversations.iter_mut().filter(|x| x.read.is_some()) {
            for r in &mut other.rows {
                *r = moved.get(r).copied().unwrap_or(*r);
            }
        }
        let kept: Vec<Kept> = new
            .checkpoints
            .into_iter()
            .map(|(state, events)| {
                let (after, memory) = (state.after, state.memory());
                Kept { state: Mutex::new(state), after, memory, events }
            })
            .collect();
        if let Some(x) = self.conversations.get_mut(c as usize) {
            let sum = |k: &[Kept]| k.iter().map(|k| k.memory).sum::<usize>();
            self.checkpoint_bytes =
                (self.checkpoint_bytes + sum(&kept)).saturating_sub(sum(&x.checkpoints));
            x.info = info;
            x.rows = own;
            x.checkpoints = kept;
            x.read = Some(read);
        }
        self.replace_lanes(c, &moved);
        moved.into_iter().map(|(a, b)| (RowId(a), RowId(b))).collect()
    }

    fn replace_findings(
        &mut self,
        c: u32,
        own: &[u32],
        moved: &HashMap<u32, u32>,
        new: Vec<FindingEvent>,
    ) {
        let mut findings = std::mem::take(&mut self.findings);
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
        self.findings = findings;
    }

    /// The lanes of a conversation anew, where its first one was; those of others
    /// follow their rows.
    fn replace_lanes(&mut self, c: u32, moved: &HashMap<u32, u32>) {
        let before = std::mem::take(&mut self.lanes);
        let at = before.iter().take_while(|l| l.conversation != c).count();
        let mut lanes: Vec<Lane> = before.into_iter().filter(|l| l.conversation != c).collect();
        let at = at.min(lanes.len());
        let mut mine: Vec<Lane> = Vec::new();
        let mut places = HashMap::new();
        let own = self.conversations.get(c as usize).map_or(&[][..], |x| x.rows.as_slice());
        for id in own {
            let Some(r) = self.row(RowId(*id)) else { continue };
            let stream = r.stream().filter(|s| *s != 0);
            let place = *places.entry(stream).or_insert_with(|| {
                mine.push(Lane { conversation: c, stream, rows: Vec::new() });
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
                for r in &mut l.rows {
                    *r = moved.get(r).copied().unwrap_or(*r);
                }
            }
        }
        self.lane_of = (0_u32..)
            .zip(&lanes)
            .map(|(i, l)| ((l.conversation, l.stream.unwrap_or(row::NO_STREAM)), i))
            .collect();
        self.lanes = lanes;
    }

    /// What a conversation was read as, where that was asked for.
    #[must_use]
    pub fn read_as(&self, conversation: ConversationId) -> Option<DecodeAs> {
        self.conversations.get(conversation.0.checked_sub(1)? as usize)?.read
    }
}
