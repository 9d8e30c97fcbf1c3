//! The index: small fixed rows of everything, and details on demand.
//!
//! The reader appends; views look at rows under a short lock and ask the
//! [`Reloader`] for the detail of what they show. A detail is had by running its
//! conversation again from the checkpoint before it, at a bounded cost
//! (`docs/decisions/0001-checkpoints.md`).

pub mod check;
mod chunks;
mod durations;
pub mod filter;
mod reader;
mod redecode;
mod reload;
mod row;
pub mod slice;
pub mod stats;

use std::sync::Mutex;

use hashbrown::HashMap;

use crate::base::limits::CHECKPOINT_MEMORY_BYTES;
use crate::base::{CaptureTime, Moment, PacketId};
use crate::engine::{Checkpoint, ConversationInfo, DecodeAs, FindingEvent};

pub use chunks::Chunks;
pub use durations::Durations;
pub use reader::{Progress, Reader};
pub use redecode::{Moved, Redecode, Step};
pub use reload::{Opened, Reloader};
pub use row::{PacketRow, Row};

/// Number of a row; event numbers count from 1, rows from 0.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(pub u32);

/// Set in the number of a row that came of decode-as, not of the first reading.
const AGAIN: u32 = 1 << 30;

impl RowId {
    /// The `at`-th row of all that came of decode-as, in order of time.
    #[must_use]
    pub const fn again(at: u32) -> Self {
        Self(AGAIN | at)
    }

    /// Its place among the rows that came of decode-as, where it is one of them.
    #[must_use]
    pub const fn place_again(self) -> Option<u32> {
        if self.0 & AGAIN == 0 { None } else { Some(self.0 & !AGAIN) }
    }
}

/// A track of the timeline: a conversation, or one HTTP/2 stream of it.
#[derive(Clone, Debug)]
pub struct Lane {
    /// Index of the conversation in [`Index::conversations`].
    pub conversation: u32,
    /// The HTTP/2 stream; `None` for the conversation itself, with its stream 0.
    pub stream: Option<u32>,
    /// Its rows, ascending.
    pub rows: Vec<u32>,
}

/// A conversation and where its things are.
pub struct Indexed {
    /// What is known of it.
    pub info: ConversationInfo,
    /// Numbers of its packets, ascending, with those that carried fragments.
    pub packets: Vec<u32>,
    /// Its rows, ascending: the n-th event of its machines is the n-th of these.
    pub rows: Vec<u32>,
    checkpoints: Vec<Kept>,
    /// What it was read as, where that was asked for after the first reading: its
    /// rows are then those of `Index::again`.
    read: Option<DecodeAs>,
}

/// A checkpoint and how many events came before it.
struct Kept {
    /// Machines may be sent from thread to thread but not shared: whoever runs
    /// one again takes it for the time of the copy.
    state: Mutex<Checkpoint>,
    /// The last packet that went into it.
    after: PacketId,
    memory: usize,
    events: usize,
}

/// Everything that is known of a capture without opening it again.
#[derive(Default)]
pub struct Index {
    rows: Chunks<Row>,
    /// Rows of the conversations that were read again, in order of time.
    again: Vec<Row>,
    /// How often a conversation was.
    generation: u64,
    packets: Chunks<PacketRow>,
    /// Number and place of each packet whose number does not follow that of the
    /// packet before it: where a capture filter has dropped some.
    runs: Vec<(u32, u32)>,
    conversations: Vec<Indexed>,
    lanes: Vec<Lane>,
    lane_of: HashMap<(u32, u32), u32>,
    findings: Vec<(FindingEvent, Option<u32>)>,
    kinds: Vec<(&'static str, &'static str)>,
    checkpoint_bytes: usize,
    last: Moment,
    ended: bool,
}

impl Index {
    /// An empty index.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Number of rows.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.len() == 0
    }

    /// A row.
    #[must_use]
    pub fn row(&self, id: RowId) -> Option<&Row> {
        match id.place_again() {
            None => self.rows.get(id.0 as usize),
            Some(at) => self.again.get(at as usize),
        }
    }

    /// The rows that came of decode-as, in order of time.
    #[must_use]
    pub fn again(&self) -> &[Row] {
        &self.again
    }

    /// Whether a row of the first reading has been replaced since.
    #[must_use]
    pub fn is_replaced(&self, id: RowId, row: &Row) -> bool {
        let read = || self.conversations.get(row.conversation as usize)?.read;
        self.generation > 0 && id.place_again().is_none() && read().is_some()
    }

    /// Changes whenever the rows of a conversation were replaced: numbers of rows
    /// that came of decode-as hold until then.
    #[must_use]
    pub const fn generation(&self) -> u64 {
        self.generation
    }

    /// The number of an event, for people: as `print` has it, or for one that came
    /// of decode-as the conversation and its place there, `3.17`.
    #[must_use]
    pub fn number(&self, id: RowId) -> String {
        let again = || {
            let c = self.row(id).filter(|_| id.place_again().is_some())?.conversation;
            let at = self.conversations.get(c as usize)?.rows.binary_search(&id.0).ok()?;
            Some(format!("{}.{}", c + 1, at + 1))
        };
        again().unwrap_or_else(|| (id.0 + 1).to_string())
    }

    /// Number of packets.
    #[must_use]
    pub fn packet_count(&self) -> usize {
        self.packets.len()
    }

    /// A packet, by its number in the capture; none that a capture filter dropped.
    #[must_use]
    pub fn packet(&self, id: PacketId) -> Option<&PacketRow> {
        let number = u32::try_from(id.0).ok()?;
        let run = self.runs.partition_point(|r| r.0 <= number).checked_sub(1)?;
        let (first, place) = *self.runs.get(run)?;
        let place = place.checked_add(number.checked_sub(first)?)?;
        // Behind the last of a run comes the first of the next.
        if self.runs.get(run + 1).is_some_and(|next| place >= next.1) {
            return None;
        }
        self.packets.get(place as usize)
    }

    /// The number of the first packet that has this number or a larger one.
    #[must_use]
    pub fn packet_from(&self, number: u32) -> Option<u32> {
        if self.packet(PacketId(u64::from(number))).is_some() {
            return Some(number);
        }
        self.runs.get(self.runs.partition_point(|r| r.0 < number)).map(|r| r.0)
    }

    /// The number of the last packet so far; 0 where there is none.
    #[must_use]
    pub fn last_packet(&self) -> u32 {
        let len = u32::try_from(self.packets.len()).unwrap_or(u32::MAX);
        self.runs.last().map_or(0, |(first, place)| {
            first.saturating_add(len.saturating_sub(*place)).saturating_sub(1)
        })
    }

    /// Takes up the next packet.
    fn add_packet(&mut self, id: PacketId, row: PacketRow) {
        let number = u32::try_from(id.0).unwrap_or(u32::MAX);
        if self.runs.is_empty() || self.last_packet().checked_add(1) != Some(number) {
            self.runs.push((number, u32::try_from(self.packets.len()).unwrap_or(u32::MAX)));
        }
        self.packets.push(row);
    }

    /// Time of a packet; the beginning of time for one that is not there.
    #[must_use]
    pub fn time_of(&self, packet: u32) -> CaptureTime {
        self.packet(PacketId(u64::from(packet))).map_or(CaptureTime(0), |p| p.time)
    }

    /// When the first byte of an event was captured.
    #[must_use]
    pub fn start_time(&self, row: &Row) -> CaptureTime {
        self.time_of(row.first_packet)
    }

    /// When the event was complete.
    #[must_use]
    pub fn end_time(&self, row: &Row) -> CaptureTime {
        self.time_of(row.last_packet)
    }

    /// Protocol and kind of a row.
    #[must_use]
    pub fn kind(&self, row: &Row) -> (&'static str, &'static str) {
        self.kinds.get(usize::from(row.kind)).copied().unwrap_or(("?", "?"))
    }

    /// All conversations, in the order of their numbers.
    #[must_use]
    pub fn conversations(&self) -> &[Indexed] {
        &self.conversations
    }

    /// All lanes, in order of first appearance.
    #[must_use]
    pub fn lanes(&self) -> &[Lane] {
        &self.lanes
    }

    /// All findings, with the row of their event.
    #[must_use]
    pub fn findings(&self) -> &[(FindingEvent, Option<u32>)] {
        &self.findings
    }

    /// First and last packet's time.
    #[must_use]
    pub fn times(&self) -> Option<(CaptureTime, CaptureTime)> {
        let first = self.packets.get(0)?.time;
        Some((first, self.last.time.max(first)))
    }

    /// Whether the whole capture has been read.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.ended
    }

    /// Memory of the rows, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.rows.memory()
            + self.again.len() * size_of::<Row>()
            + self.packets.memory()
            + self.runs.len() * size_of::<(u32, u32)>()
            + self.checkpoint_bytes
            + self.conversations.iter().map(|c| (c.packets.len() + c.rows.len()) * 4).sum::<usize>()
            + self.lanes.iter().map(|l| l.rows.len() * 4).sum::<usize>()
    }

    fn kind_number(&mut self, kind: (&'static str, &'static str)) -> u8 {
        let at = self.kinds.iter().position(|k| *k == kind).unwrap_or_else(|| {
            self.kinds.push(kind);
            self.kinds.len() - 1
        });
        // There are some fifty kinds in all.
        u8::try_from(at).unwrap_or(u8::MAX)
    }

    fn add_row(&mut self, row: Row) {
        let id = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        let conversation = row.conversation;
        if let Some(c) = self.conversations.get_mut(conversation as usize) {
            c.rows.push(id);
        }
        // Stream 0 is the connection itself (RFC 9113 §5.1.1).
        let stream = row.stream().filter(|s| *s != 0);
        let key = (conversation, stream.unwrap_or(row::NO_STREAM));
        let lane = *self.lane_of.entry(key).or_insert_with(|| {
            self.lanes.push(Lane { conversation, stream, rows: Vec::new() });
            u32::try_from(self.lanes.len() - 1).unwrap_or(u32::MAX)
        });
        if let Some(l) = self.lanes.get_mut(lane as usize) {
            l.rows.push(id);
        }
        self.rows.push(row);
    }

    fn add_checkpoint(&mut self, state: Checkpoint) {
        let index = state.conversation().0.saturating_sub(1) as usize;
        let Some(c) = self.conversations.get_mut(index) else { return };
        let (after, memory, events) = (state.after, state.memory(), c.rows.len());
        self.checkpoint_bytes += memory;
        c.checkpoints.push(Kept { state: Mutex::new(state), after, memory, events });
        // Over the budget: every second one of all goes, and opening an event
        // costs twice as much at most.
        if self.checkpoint_bytes > CHECKPOINT_MEMORY_BYTES {
            let mut left = 0;
            for c in &mut self.conversations {
                let mut n = 0_usize;
                c.checkpoints.retain(|_| {
                    n += 1;
                    n.is_multiple_of(2)
                });
                left += c.checkpoints.iter().map(|k| k.memory).sum::<usize>();
            }
            self.checkpoint_bytes = left;
        }
    }
}
