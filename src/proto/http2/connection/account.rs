//! The books of a connection: windows (RFC 9113 §5.2, §6.9), what waits for its
//! acknowledgement (§6.5.3, §6.7), and how much of what costs little to send comes in
//! a second (§10.5).

use std::collections::VecDeque;

use hashbrown::HashMap;

use crate::base::time::human;
use crate::base::{CaptureTime, Moment, Side};
use crate::finding::{Finding, FindingSpec};
use crate::proto::Stall;
use crate::proto::http2::codes::frame;
use crate::proto::http2::findings;
use crate::proto::http2::streams::initiator;
use crate::proto::http2::wire::{ACK, END_HEADERS, END_STREAM, FrameHead};

/// What both ends may send before they are allowed more (§6.9.2).
const DEFAULT_WINDOW: i64 = 65_535;
/// The largest window (§6.9.1).
const MAX_WINDOW: i64 = 0x7fff_ffff;
/// Nanoseconds below which waiting for a window is nothing to tell: a window of 64 KiB
/// is used up and opened again many times a second.
const WAIT_NS: u64 = 1_000_000;
/// Nanoseconds from which it is felt.
const STALL_NS: u64 = 100_000_000;
/// Nanoseconds within which data must follow the update that it waited for, where no
/// round trip is known.
const AT_ONCE_NS: u64 = 20_000_000;
/// Settings and pings that are remembered until they are acknowledged.
const MAX_UNACKED: usize = 64;
/// Nanoseconds of capture time after which an acknowledgement is missing: systems
/// that close a connection for it wait as long or longer.
const ACK_NS: u64 = 5_000_000_000;
/// Findings that a late direction may still refute.
const MAX_DOUBTS: usize = 64;
/// Nanoseconds within which a capture may have what an end answers to after its answer: each
/// direction may have gone through a queue of its own.
const CROSSED_NS: u64 = 1_000_000;
/// One second.
const SECOND_NS: u64 = 1_000_000_000;

/// A sort of frame that is cheap to send, with how many a second are too many.
#[derive(Clone, Copy)]
enum Cheap {
    /// CVE-2023-44487: a stream opened and reset by one end. Clients that give up calls
    /// do so a few times a second.
    Reset = 0,
    /// CVE-2019-9512: libraries measure bandwidth by pings, a few each round trip.
    Ping = 1,
    /// CVE-2019-9515: settings are sent once or twice in a connection.
    Settings = 2,
    /// CVE-2019-9518: nobody sends frames without content and without an end.
    Empty = 3,
}

impl Cheap {
    const fn limit(self) -> u32 {
        match self {
            Self::Reset | Self::Empty => 100,
            Self::Ping => 200,
            Self::Settings => 50,
        }
    }

    const fn spec(self) -> &'static FindingSpec {
        match self {
            Self::Reset => &findings::RAPID_RESET,
            Self::Ping => &findings::PING_FLOOD,
            Self::Settings => &findings::SETTINGS_FLOOD,
            Self::Empty => &findings::EMPTY_FLOOD,
        }
    }
}

/// Frames of one sort in one second.
#[derive(Clone, Copy, Debug, Default)]
struct Rate {
    from: CaptureTime,
    count: u32,
    told: bool,
}

impl Rate {
    /// One more; `true` where it is the one too many, once.
    fn one(&mut self, at: CaptureTime, limit: u32) -> bool {
        if at.since(self.from) > SECOND_NS {
            (self.from, self.count) = (at, 0);
        }
        self.count = self.count.saturating_add(1);
        let now = self.count >= limit && !self.told;
        self.told |= now;
        now
    }
}

/// What one end may still send, on a stream or on the connection.
#[derive(Clone, Copy, Debug)]
struct Credit {
    left: i64,
    /// The last data, and what it left.
    spent: Option<(Moment, i64)>,
    /// The window was opened since.
    opened: Option<Moment>,
    /// That it was exceeded has been said.
    told: bool,
}

/// Data waited for a window.
#[derive(Clone, Copy, Debug)]
struct Wait {
    since: Moment,
    until: Moment,
    left: i64,
}

impl Credit {
    const fn new(left: i64) -> Self {
        Self { left, spent: None, opened: None, told: false }
    }

    /// Data of `len` bytes; whether it had to wait until the window was opened.
    fn spend(&mut self, len: i64, at: Moment, at_once: u64) -> Option<Wait> {
        let wait = match (self.spent, self.opened) {
            (Some((since, left)), Some(until)) if left < len => Some(Wait { since, until, left }),
            _ => None,
        };
        self.left = self.left.saturating_sub(len);
        self.spent = Some((at, self.left));
        self.opened = None;
        wait.filter(|w| {
            w.until.time.since(w.since.time) >= WAIT_NS && at.time.since(w.until.time) <= at_once
        })
    }

    /// By how much it is exceeded, once.
    fn exceeds(&mut self) -> Option<i64> {
        let by = (self.left < 0 && !self.told).then_some(-self.left);
        self.told |= self.left < 0;
        by
    }

    fn open(&mut self, by: i64, at: Moment) {
        self.left = self.left.saturating_add(by);
        if by > 0 {
            self.opened = Some(at);
        }
    }
}

/// Settings that wait for their acknowledgement.
#[derive(Clone, Copy, Debug)]
struct Sent {
    at: Moment,
    /// A smaller initial window, which holds once they are acknowledged.
    smaller: Option<i64>,
}

/// What it takes to be allowed something: a setting of an end (§6.5.2), and the least value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Leave {
    pub(super) by: Side,
    pub(super) setting: u16,
    pub(super) value: u32,
}

/// Found, unless a direction lacks bytes, or what allows it is late.
#[derive(Clone, Debug)]
struct Doubt {
    finding: Finding,
    at: Moment,
    leave: Option<Leave>,
}

/// What is left of the windows once a frame is accounted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proto::http2) struct Left {
    /// Of the stream; none for stream 0.
    pub(in crate::proto::http2) stream: Option<i64>,
    /// Of the connection.
    pub(in crate::proto::http2) connection: i64,
}

/// The frame that an acknowledgement answers, and the nanoseconds between them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proto::http2) struct Answer {
    pub(in crate::proto::http2) to: Moment,
    pub(in crate::proto::http2) after: u64,
}

/// The books.
#[derive(Clone, Debug)]
pub(super) struct Account {
    /// By who sends the data.
    connection: [Credit; 2],
    initial: [i64; 2],
    streams: HashMap<u32, [Credit; 2]>,
    /// By stream and sender: the waits that are over.
    waits: HashMap<u32, [Option<Stall>; 2]>,
    /// The latest wait for the window of the connection: other streams may have waited, too.
    latest: [Option<Wait>; 2],
    unacked: [VecDeque<Sent>; 2],
    pings: [VecDeque<([u8; 8], Moment)>; 2],
    rates: [[Rate; 4]; 2],
    /// Found, unless a direction lacks bytes.
    doubts: Vec<Doubt>,
    /// The shortest round trip that an acknowledgement told.
    round_trip: Option<u64>,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            connection: [Credit::new(DEFAULT_WINDOW); 2],
            initial: [DEFAULT_WINDOW; 2],
            streams: HashMap::new(),
            waits: HashMap::new(),
            latest: [None; 2],
            unacked: Default::default(),
            pings: Default::default(),
            rates: Default::default(),
            doubts: Vec::new(),
            round_trip: None,
        }
    }
}

fn of<T>(pair: &mut [T; 2], side: Side) -> &mut T {
    let [client, server] = pair;
    match side {
        Side::Client => client,
        Side::Server => server,
    }
}

/// Whose window it is.
fn whose(stream: Option<u32>) -> String {
    stream.map_or_else(|| "the connection".to_owned(), |id| format!("stream {id}"))
}

impl Account {
    /// Found, unless a direction turns out to lack bytes: told at the end.
    pub(super) fn doubt(&mut self, finding: Finding, at: Moment, leave: Option<Leave>) {
        if self.doubts.len() < MAX_DOUBTS {
            self.doubts.push(Doubt { finding, at, leave });
        }
    }

    /// A setting captured at `at`, which may have allowed what came before it in the capture.
    pub(super) fn allowed(&mut self, by: Side, setting: u16, value: u32, at: Moment) {
        let allows = |d: &Doubt| {
            let crosses = at.time.since(d.at.time) <= CROSSED_NS;
            let by_it = |l: Leave| l.by == by && l.setting == setting && l.value <= value;
            crosses && d.leave.is_some_and(by_it)
        };
        self.doubts.retain(|d| !allows(d));
    }

    /// The credit of a stream.
    fn stream(&mut self, id: u32, sender: Side) -> &mut Credit {
        let initial = self.initial.map(Credit::new);
        of(self.streams.entry(id).or_insert(initial), sender)
    }

    /// Lets go of streams that are not open.
    pub(super) fn keep(&mut self, is_open: impl Fn(u32) -> bool) {
        if self.streams.len() > 1024 && self.streams.len() == self.streams.capacity() {
            self.streams.retain(|id, _| is_open(*id));
        }
        if self.waits.len() > 1024 && self.waits.len() == self.waits.capacity() {
            self.waits.retain(|id, _| is_open(*id));
        }
    }

    /// A stream is closed.
    pub(super) fn forget(&mut self, id: u32) {
        self.streams.remove(&id);
        if !self.waits.is_empty() {
            self.waits.remove(&id);
        }
    }

    /// DATA of `len` bytes, padding included (§6.9.1).
    pub(super) fn data(
        &mut self,
        sender: Side,
        id: u32,
        len: u32,
        at: Moment,
        findings: &mut Vec<Finding>,
    ) {
        let len = i64::from(len);
        if len == 0 {
            return;
        }
        let at_once = self.round_trip.map_or(AT_ONCE_NS, |ns| AT_ONCE_NS.max(ns.saturating_mul(2)));
        let connection = of(&mut self.connection, sender);
        let waited = connection.spend(len, at, at_once);
        let exceeds = connection.exceeds();
        if waited.is_some() {
            *of(&mut self.latest, sender) = waited;
        }
        let latest = *of(&mut self.latest, sender);
        let stream = self.stream(id, sender);
        let before = stream.spent.map(|(at, _)| at);
        let both =
            [(waited, exceeds, None), (stream.spend(len, at, at_once), stream.exceeds(), Some(id))];
        // One wait is told, of the window that was opened last.
        let last = both.iter().filter_map(|(w, _, stream)| Some((w.as_ref()?, stream)));
        if let Some((w, stream)) = last.max_by_key(|(w, _)| w.until.time) {
            let ns = w.until.time.since(w.since.time);
            let spec = if ns >= STALL_NS { &findings::FLOW_STALL } else { &findings::FLOW_WAIT };
            let (left, whose) = (w.left.max(0), whose(*stream));
            let detail = format!("{} for the window of {whose}: {left} of {len} bytes", human(ns));
            let proof = vec![w.since.packet, w.until.packet, at.packet];
            findings.push(Finding::new(spec).with(detail).proved_by(proof));
            let w = *w;
            let by_connection = stream.is_none();
            self.add_wait(id, sender, w, by_connection);
        } else if let Some(w) = latest
            && let Some(before) = before.filter(|b| b.packet < w.until.packet)
            && at.time.since(w.until.time) <= at_once
        {
            // Another stream's data came first when the connection's window was opened.
            let since = w.since.max(before);
            self.add_wait(id, sender, Wait { since, ..w }, true);
        }
        for (_, exceeds, stream) in both {
            if let Some(by) = exceeds {
                let detail = format!("{by} bytes beyond the window of {}", whose(stream));
                let finding = Finding::new(&findings::WINDOW_EXCEEDED).with(detail);
                self.doubt(finding, at, None);
            }
        }
    }

    fn add_wait(&mut self, id: u32, sender: Side, w: Wait, by_connection: bool) {
        let ns = w.until.time.since(w.since.time);
        let stall = of(self.waits.entry(id).or_default(), sender).get_or_insert_default();
        stall.ns = stall.ns.saturating_add(ns);
        stall.times = stall.times.saturating_add(1);
        if stall.longest.is_none_or(|[a, b]| ns > b.time.since(a.time)) {
            stall.longest = Some([w.since, w.until]);
            stall.by_connection = by_connection;
        }
    }

    /// How data of `sender` on a stream waited, and whether it waits now; unless its
    /// direction has ended.
    pub(super) fn stall(
        &self,
        id: u32,
        sender: Side,
        ended: bool,
        now: CaptureTime,
    ) -> Option<Stall> {
        let i = sender.index();
        let waited = self.waits.get(&id).and_then(|w| *w.get(i)?);
        if ended {
            return waited;
        }
        // Who gives up a stream that it does not read may let go of its bytes just before.
        let too_late = |c: &Credit, left: i64| {
            left <= 0 && c.opened.is_some_and(|at| now.since(at.time) <= AT_ONCE_NS)
        };
        let shut = |c: &Credit| match c.spent {
            Some((since, left)) => (c.left <= 0 || too_late(c, left)).then_some(since),
            None => (c.left <= 0).then(Moment::default),
        };
        let of_stream = match self.streams.get(&id) {
            Some(both) => both.get(i).and_then(shut),
            None => (self.initial.get(i) == Some(&0)).then(Moment::default),
        };
        let of_connection = self.connection.get(i).and_then(shut);
        let Some(since) = of_stream.or(of_connection) else { return waited };
        let by_connection = of_stream.is_none();
        Some(Stall { shut: Some(since), by_connection, ..waited.unwrap_or_default() })
    }

    /// WINDOW_UPDATE of `by` (§6.9).
    pub(super) fn update(&mut self, by: Side, id: u32, increment: u32, at: Moment) {
        let sender = by.peer();
        let credit =
            if id == 0 { of(&mut self.connection, sender) } else { self.stream(id, sender) };
        credit.open(i64::from(increment), at);
        if credit.left > MAX_WINDOW {
            let detail = format!("{} bytes", credit.left);
            credit.left = MAX_WINDOW;
            self.doubt(Finding::new(&findings::WINDOW_OVERFLOW).with(detail), at, None);
        }
    }

    /// What is left for data of `sender`.
    pub(super) fn left(&mut self, sender: Side, id: u32) -> Left {
        let connection = of(&mut self.connection, sender).left;
        let stream = (id != 0).then(|| self.stream(id, sender).left);
        Left { stream, connection }
    }

    /// SETTINGS of `by`, with its initial window, of which the last value counts.
    pub(super) fn settings(&mut self, by: Side, initial: Option<u32>, at: Moment, answered: bool) {
        let sender = by.peer();
        let value = initial.map(i64::from).filter(|v| *v <= MAX_WINDOW);
        let smaller = value.filter(|v| *v < *of(&mut self.initial, sender));
        if let Some(v) = value.filter(|_| smaller.is_none() || !answered) {
            self.set_initial(sender, v, at);
        }
        let list = of(&mut self.unacked, by);
        if answered && list.len() < MAX_UNACKED {
            list.push_back(Sent { at, smaller });
        }
    }

    fn set_initial(&mut self, sender: Side, value: i64, at: Moment) {
        let delta = value - std::mem::replace(of(&mut self.initial, sender), value);
        for both in self.streams.values_mut() {
            of(both, sender).open(delta, at);
        }
    }

    /// An acknowledgement of settings by `by` (§6.5.3): they are answered in order.
    pub(super) fn settings_ack(&mut self, by: Side, at: Moment) -> Option<Answer> {
        let sent = of(&mut self.unacked, by.peer()).pop_front()?;
        if let Some(v) = sent.smaller {
            self.set_initial(by, v, at);
        }
        Some(self.answer(sent.at, at))
    }

    /// PING (§6.7).
    pub(super) fn ping(&mut self, by: Side, data: &[u8], at: Moment) {
        let list = of(&mut self.pings, by);
        if let Ok(data) = data.try_into()
            && list.len() < MAX_UNACKED
        {
            list.push_back((data, at));
        }
    }

    /// The acknowledgement of a PING.
    pub(super) fn ping_ack(&mut self, by: Side, data: &[u8], at: Moment) -> Option<Answer> {
        let list = of(&mut self.pings, by.peer());
        let i = list.iter().position(|(d, _)| d == data)?;
        let (_, sent) = list.remove(i)?;
        Some(self.answer(sent, at))
    }

    fn answer(&mut self, to: Moment, at: Moment) -> Answer {
        let after = at.time.since(to.time);
        self.round_trip = Some(self.round_trip.map_or(after, |ns| ns.min(after)));
        Answer { to, after }
    }

    /// Counts frames that are cheap to send.
    pub(super) fn count(
        &mut self,
        side: Side,
        head: &FrameHead,
        at: Moment,
        findings: &mut Vec<Finding>,
    ) {
        let sort = match head.kind {
            frame::RST_STREAM if initiator(head.stream) == side => Cheap::Reset,
            frame::PING if !head.has(ACK) => Cheap::Ping,
            frame::SETTINGS if !head.has(ACK) => Cheap::Settings,
            frame::DATA if head.length == 0 && !head.has(END_STREAM) => Cheap::Empty,
            frame::HEADERS | frame::CONTINUATION if head.length == 0 && !head.has(END_HEADERS) => {
                Cheap::Empty
            }
            _ => return,
        };
        let Some(rate) = of(&mut self.rates, side).get_mut(sort as usize) else { return };
        if rate.one(at.time, sort.limit()) {
            let detail = format!("{} from the {side} within a second", sort.limit());
            findings.push(Finding::new(sort.spec()).with(detail));
        }
    }

    /// What is certain at the end, when nobody's bytes were late.
    pub(super) fn settle(&mut self, now: Moment) -> Vec<(Finding, Moment)> {
        let doubts = std::mem::take(&mut self.doubts);
        let mut list: Vec<_> = doubts.into_iter().map(|d| (d.finding, d.at)).collect();
        let late = |at: Moment| now.time.since(at.time) >= ACK_NS;
        for side in Side::BOTH {
            for s in std::mem::take(of(&mut self.unacked, side)) {
                if late(s.at) {
                    let detail = format!("settings of the {side}");
                    list.push((Finding::new(&findings::SETTINGS_UNACKED).with(detail), s.at));
                }
            }
            for (_, at) in std::mem::take(of(&mut self.pings, side)) {
                if late(at) {
                    let detail = format!("a ping of the {side}");
                    list.push((Finding::new(&findings::PING_UNACKED).with(detail), at));
                }
            }
        }
        list.sort_by_key(|(_, at)| at.packet);
        list
    }

    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        let waiting: usize = self.unacked.iter().map(VecDeque::capacity).sum::<usize>()
            * size_of::<Sent>()
            + self.pings.iter().map(VecDeque::capacity).sum::<usize>() * 40;
        self.waits.capacity() * (size_of::<(u32, [Option<Stall>; 2])>() + 1)
            + self.streams.capacity() * (size_of::<(u32, [Credit; 2])>() + 1)
            + self.doubts.capacity() * size_of::<Doubt>()
            + waiting
    }
}
