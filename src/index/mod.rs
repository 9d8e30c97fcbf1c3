//! The index: small fixed rows of everything, and details on demand.
//!
//! The reader appends; views look at rows under a short lock and ask the
//! [`Reloader`] for the detail of what they show. A detail is had by running its
//! conversation again from the checkpoint before it, at a bounded cost
//! (`docs/decisions/0001-checkpoints.md`).

pub mod calls;
mod carried;
pub mod check;
mod chunks;
mod durations;
pub mod filter;
mod follow;
mod late;
mod reader;
mod redecode;
mod reload;
mod row;
pub mod slice;
pub mod spread;
pub mod stats;
mod thin;
pub mod transports;

use std::sync::Mutex;

use hashbrown::HashMap;

use crate::base::limits::{MAX_LANES, MAX_LISTED_FINDINGS, MAX_LISTED_FINDINGS_OF_A_CODE};
use crate::base::{CaptureTime, Moment, PacketId};
use crate::engine::{Checkpoint, ConversationInfo, DecodeAs, FindingEvent};
use follow::Follower;

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
    pub rows: Chunks<u32>,
}

/// A conversation and where its things are.
pub struct Indexed {
    /// What is known of it.
    pub info: ConversationInfo,
    /// Numbers of its packets, ascending, with those that carried fragments.
    pub packets: Chunks<u32>,
    /// Its rows, ascending: the n-th event of its machines is the n-th of these.
    pub rows: Chunks<u32>,
    checkpoints: Vec<Kept>,
    /// What it was read as, where that was asked for after the first reading: its
    /// rows are then those of `Index::again`.
    read: Option<DecodeAs>,
    /// Which reading that was, of all.
    reading: u64,
    /// Fragments that were found to belong to it after later packets, since then.
    late: Vec<u32>,
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

impl Kept {
    fn new(state: Checkpoint, events: usize) -> Self {
        let (after, memory) = (state.after, state.memory());
        Self { state: Mutex::new(state), after, memory, events }
    }
}

/// Everything that is known of a capture without opening it again.
#[derive(Default)]
pub struct Index {
    rows: Chunks<Row>,
    /// Rows of the conversations that were read again, in order of time.
    again: Chunks<Row>,
    /// The conversations among them that may go on.
    followed: Mutex<Vec<Follower>>,
    /// How often a conversation was.
    generation: u64,
    packets: Chunks<PacketRow>,
    /// Number and place of each packet whose number does not follow that of the
    /// packet before it: where a capture filter has dropped some.
    runs: Chunks<(u32, u32)>,
    conversations: Chunks<Indexed>,
    lanes: Chunks<Lane>,
    lane_of: HashMap<(u32, u32), u32>,
    /// There are more than [`MAX_LANES`].
    lanes_left_out: bool,
    findings: Findings,
    /// Findings across conversations of one that was read again, where the event that
    /// they are of is none now: by conversation, with the row of that event.
    aside: HashMap<u32, Vec<(FindingEvent, Row)>>,
    kinds: Vec<(&'static str, &'static str)>,
    checkpoint_bytes: usize,
    thinning: thin::Thinning,
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
    pub const fn again(&self) -> &Chunks<Row> {
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
            let at = self.conversations.get(c as usize)?.rows.place_of(&id.0)?;
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
    pub const fn conversations(&self) -> &Chunks<Indexed> {
        &self.conversations
    }

    /// The lanes, in order of first appearance: [`MAX_LANES`] at most.
    #[must_use]
    pub const fn lanes(&self) -> &Chunks<Lane> {
        &self.lanes
    }

    /// Whether there are more lanes than are kept. Rows of streams without one are
    /// on the lane of their conversation, where that has one.
    #[must_use]
    pub const fn has_more_lanes(&self) -> bool {
        self.lanes_left_out
    }

    /// The rows of the lane on which a row is; of its conversation, where it has none.
    #[must_use]
    pub fn lane_of(&self, row: &Row) -> Option<&Chunks<u32>> {
        let stream = row.stream().filter(|s| *s != 0).unwrap_or(row::NO_STREAM);
        match self.lane_of.get(&(row.conversation, stream)) {
            Some(at) => self.lanes.get(*at as usize).map(|l| &l.rows),
            None => self.conversations.get(row.conversation as usize).map(|c| &c.rows),
        }
    }

    /// The findings, with the row of their event: of each code no more than
    /// [`MAX_LISTED_FINDINGS_OF_A_CODE`], and [`MAX_LISTED_FINDINGS`] in all.
    #[must_use]
    pub const fn findings(&self) -> &Chunks<(FindingEvent, Option<u32>)> {
        &self.findings.listed
    }

    /// How many findings there are besides those that are listed.
    #[must_use]
    pub const fn findings_left_out(&self) -> u64 {
        self.findings.left_out
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
            + self.again.memory()
            + self.packets.memory()
            + self.runs.memory()
            + self.checkpoint_bytes
            + self.conversations.iter().map(|c| c.packets.memory() + c.rows.memory()).sum::<usize>()
            + self.lanes.iter().map(|l| l.rows.memory()).sum::<usize>()
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
        // Of a conversation that was read again meanwhile, the number alone counts.
        let conversation = self.conversations.get_mut(row.conversation as usize);
        if let Some(c) = conversation.filter(|c| c.read.is_none()) {
            c.rows.push(id);
            self.add_to_lane(&row, id);
        }
        self.rows.push(row);
    }

    /// The conversation whose reading brought forth a finding; none for what packets
    /// are wrong with, however they are read.
    fn finding_of(&self, f: &FindingEvent, row: Option<u32>) -> Option<u32> {
        match row {
            Some(r) => self.row(RowId(r)).map(|r| r.conversation),
            None if matches!(f.protocol, "capture" | "ip" | "framescope") => None,
            None => self.packet(f.at.packet).and_then(|p| p.conversation.checked_sub(1)),
        }
    }

    fn add_to_lane(&mut self, row: &Row, id: u32) {
        let conversation = row.conversation;
        // Stream 0 is the connection itself (RFC 9113 §5.1.1).
        let mut stream = row.stream().filter(|s| *s != 0);
        let key = |stream: Option<u32>| (conversation, stream.unwrap_or(row::NO_STREAM));
        let full = self.lanes.len() >= MAX_LANES;
        if full && stream.is_some() && !self.lane_of.contains_key(&key(stream)) {
            (stream, self.lanes_left_out) = (None, true);
        }
        let lane = match self.lane_of.get(&key(stream)) {
            Some(lane) => *lane,
            None if full => {
                self.lanes_left_out = true;
                return;
            }
            None => {
                let lane = u32::try_from(self.lanes.len()).unwrap_or(u32::MAX);
                self.lane_of.insert(key(stream), lane);
                self.lanes.push(Lane { conversation, stream, rows: Chunks::default() });
                lane
            }
        };
        if let Some(l) = self.lanes.get_mut(lane as usize) {
            l.rows.push(id);
        }
    }
}

/// The findings that are listed. A capture may hold one for every few bytes; their
/// rows are marked all the same, and `check` counts them all.
#[derive(Default)]
struct Findings {
    listed: Chunks<(FindingEvent, Option<u32>)>,
    by_code: HashMap<&'static str, u32>,
    left_out: u64,
}

impl Findings {
    /// Takes up one, unless there are many of its kind, or of all.
    fn add(&mut self, found: FindingEvent, row: Option<u32>) {
        let of_code = self.by_code.entry(found.finding.spec.code).or_default();
        if *of_code >= MAX_LISTED_FINDINGS_OF_A_CODE || self.listed.len() >= MAX_LISTED_FINDINGS {
            self.left_out += 1;
            return;
        }
        *of_code += 1;
        self.listed.push((found, row));
    }

    /// Takes them all out, to be listed anew.
    fn take(&mut self) -> Vec<(FindingEvent, Option<u32>)> {
        self.by_code.clear();
        std::mem::take(&mut self.listed).into_vec()
    }
}
