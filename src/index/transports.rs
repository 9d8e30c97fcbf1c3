//! Ways in which events reach a client, side by side: polling, long polling, server-sent
//! events, WebSocket, gRPC, and plain requests.

use std::net::IpAddr;

use hashbrown::HashMap;

use crate::base::limits::{MAX_COMPARED_SPANS, MAX_COUNTED_ADDRESSES, MAX_STATS_CONVERSATIONS};
use crate::base::{CaptureTime, ConversationId, Moment, PacketId, Side};
use crate::capture::Packet;
use crate::engine::polling::{Asked, Kind, Polls, Series, sse, websocket};
use crate::engine::{ConversationInfo, EventSink, FindingEvent};
use crate::event::{Draft, Event, Level};
use crate::facts::{CallFacts, Facts, HttpFacts, SessionFacts, StreamFacts};
use crate::index::carried::{Carried, Owner, WAYS};
use crate::link::{Content, Decoder};

/// Seconds of plain requests or calls that say something of a rate.
const LEAST_SECONDS: f64 = 1.0;

/// A way in which events reach a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Way {
    /// Requests that are no poll.
    Rest,
    /// Short polling.
    Polling,
    /// Long polling.
    LongPolling,
    /// Server-sent events.
    EventStream,
    /// WebSocket.
    WebSocket,
    /// Calls of gRPC with one message each way at most.
    GrpcUnary,
    /// Calls of gRPC with more.
    GrpcStreaming,
    /// Calls of Connect with one message each way at most.
    ConnectUnary,
    /// Calls of Connect with more.
    ConnectStreaming,
}

impl Way {
    /// All of them, in the order in which they are shown.
    pub const ALL: [Self; 9] = [
        Self::Rest,
        Self::Polling,
        Self::LongPolling,
        Self::EventStream,
        Self::WebSocket,
        Self::GrpcUnary,
        Self::GrpcStreaming,
        Self::ConnectUnary,
        Self::ConnectStreaming,
    ];

    /// As printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rest => "HTTP requests",
            Self::Polling => "polling",
            Self::LongPolling => "long polling",
            Self::EventStream => "SSE",
            Self::WebSocket => "WebSocket",
            Self::GrpcUnary => "gRPC unary",
            Self::GrpcStreaming => "gRPC streaming",
            Self::ConnectUnary => "Connect unary",
            Self::ConnectStreaming => "Connect streaming",
        }
    }

    /// In JSON.
    #[must_use]
    pub const fn id(self) -> &'static str {
        match self {
            Self::Rest => "http",
            Self::Polling => "polling",
            Self::LongPolling => "long_polling",
            Self::EventStream => "sse",
            Self::WebSocket => "websocket",
            Self::GrpcUnary => "grpc_unary",
            Self::GrpcStreaming => "grpc_streaming",
            Self::ConnectUnary => "connect_unary",
            Self::ConnectStreaming => "connect_streaming",
        }
    }

    /// The server speaks without being asked each time.
    #[must_use]
    pub const fn pushes(self) -> bool {
        matches!(
            self,
            Self::EventStream | Self::WebSocket | Self::GrpcStreaming | Self::ConnectStreaming
        )
    }

    const fn index(self) -> usize {
        self as usize
    }
}

/// What went one way.
#[derive(Clone, Debug, Default)]
pub struct Line {
    /// Clients: series of a poll; of what pushes, those that were open together; else
    /// addresses.
    pub clients: u64,
    /// Connections.
    pub connections: u64,
    /// Requests, streams, sessions or calls.
    pub requests: u64,
    /// Events or messages: answers of a poll that brought something; of others all, of
    /// both sides where both speak.
    pub messages: u64,
    /// Bytes of them, as sent.
    pub payload_bytes: u64,
    /// All other bytes of the streams: heads, empty answers, framing.
    pub overhead_bytes: u64,
    /// Bytes of the packets that carried something of it, as a whole: heads of the link, IP and
    /// TCP included. One that carried several ways is divided.
    pub packet_bytes: u64,
    /// Bytes of the other packets of its connections: handshakes, acknowledgements, settings. A
    /// connection that was used in several ways is shared out by the packets that carried each.
    pub other_packet_bytes: u64,
    /// How long an event waited until it was asked for, mean and most, in nanoseconds: 0
    /// where the server pushes, `None` where nobody waits for events.
    pub wait: Option<[u64; 2]>,
    /// Mean nanoseconds from a request to the first byte of its answer; of gRPC to the end
    /// of the first message.
    pub answer: Option<u64>,
    /// Requests in a minute of all clients together, those left out that open a stream for
    /// the first time.
    pub requests_a_minute: Option<f64>,
    /// For one client.
    pub rate: Option<Rate>,
}

impl Line {
    /// Overhead for each message, packets left out.
    #[must_use]
    pub fn overhead_a_message(&self) -> Option<f64> {
        (self.messages > 0).then(|| self.overhead_bytes as f64 / self.messages as f64)
    }
}

/// What one client costs.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rate {
    /// Requests a second.
    pub requests: f64,
    /// Bytes a second, of the streams.
    pub bytes: f64,
    /// Open connections, on average; `None` where it cannot be said.
    pub connections: Option<f64>,
}

impl Rate {
    /// So many clients.
    #[must_use]
    pub fn times(self, clients: u64) -> Self {
        let n = clients as f64;
        Self {
            requests: self.requests * n,
            bytes: self.bytes * n,
            connections: self.connections.map(|c| c * n),
        }
    }
}

/// What the events of all polls of a kind would have cost, for one client.
#[must_use]
pub fn pushed<T>(series: &[Series<T>], kind: Kind, by_websocket: bool) -> Option<Rate> {
    let of = series.iter().filter(|s| s.kind == kind);
    let (mut bytes, mut ns) = (0_u64, 0_u64);
    for s in of {
        let p = if by_websocket { websocket(s) } else { sse(s) };
        bytes = bytes.saturating_add(p.total);
        ns = ns.saturating_add(lasted(s));
    }
    let seconds = ns as f64 / 1e9;
    let rate = Rate { requests: 0.0, bytes: bytes as f64 / seconds, connections: Some(1.0) };
    (ns > 0).then_some(rate)
}

/// Nanoseconds of a series, the interval behind its last request included.
const fn lasted<T>(s: &Series<T>) -> u64 {
    s.mean_interval.saturating_mul(s.requests)
}

/// What is known of a connection.
#[derive(Debug, Default)]
struct Connection {
    /// Bytes of its packets.
    on_wire: u64,
    /// Bytes of its streams, once it has ended.
    stream: u64,
    /// Bytes that are known to have gone each way.
    known: [u64; Way::ALL.len()],
    /// Plain requests.
    plain: u64,
    /// Which of its packets carried what, until it has ended.
    open: Option<Box<Carried>>,
    /// Bytes of its packets by what they carried, when it has.
    carried: [u64; Way::ALL.len()],
}

impl Connection {
    /// Nobody will say more of its packets.
    fn close(&mut self) {
        let all = self.open.take().map_or([0; WAYS], |c| c.finish());
        for (sum, n) in self.carried.iter_mut().zip(all) {
            *sum = sum.saturating_add(n);
        }
    }
}

/// Parts of `all` in proportion to `weights`: together they are all of it.
fn shares(all: u64, weights: [u64; WAYS]) -> [u64; WAYS] {
    let (mut left, mut weight) = (all, weights.iter().sum::<u64>());
    weights.map(|w| {
        let part = u128::from(left) * u128::from(w) / u128::from(weight.max(1));
        let part = u64::try_from(part).unwrap_or(left);
        (left, weight) = (left - part, weight - w);
        part
    })
}

/// Sums while a capture is read.
#[derive(Clone, Debug, Default)]
struct Sum {
    requests: u64,
    messages: u64,
    payload: u64,
    /// Bytes that exchanges tell of.
    known: u64,
    answers: u64,
    answer_ns: u64,
    spans: Vec<(CaptureTime, CaptureTime)>,
    first: Option<CaptureTime>,
    last: CaptureTime,
    addresses: HashMap<IpAddr, (CaptureTime, CaptureTime)>,
}

impl Sum {
    fn lasted(&mut self, start: CaptureTime, end: CaptureTime) {
        self.first = Some(self.first.map_or(start, |f| f.min(start)));
        self.last = self.last.max(end);
        if self.spans.len() < MAX_COMPARED_SPANS {
            self.spans.push((start, end));
        }
    }

    fn answered(&mut self, ns: u64) {
        self.answers += 1;
        self.answer_ns = self.answer_ns.saturating_add(ns);
    }

    fn from(&mut self, client: IpAddr, start: CaptureTime, end: CaptureTime) {
        if self.addresses.len() < MAX_COUNTED_ADDRESSES || self.addresses.contains_key(&client) {
            let (a, b) = self.addresses.entry(client).or_insert((start, end));
            (*a, *b) = ((*a).min(start), (*b).max(end));
        }
    }

    /// The most that were open at a time.
    fn at_once(&self) -> u64 {
        let mut edges: Vec<(CaptureTime, bool)> =
            self.spans.iter().flat_map(|(a, b)| [(*a, true), (*b, false)]).collect();
        // An end comes before a start of the same time.
        edges.sort_unstable();
        let (mut open, mut most) = (0_u64, 0);
        for (_, starts) in edges {
            open = if starts { open + 1 } else { open.saturating_sub(1) };
            most = most.max(open);
        }
        most
    }
}

/// Counts by way of transport: a sink that reads the facts of exchanges. No details are
/// needed.
#[derive(Debug, Default)]
pub struct Transports {
    /// What went each way, by [`Way::ALL`], once [`Transports::finish`] was called.
    pub lines: [Line; Way::ALL.len()],
    /// The polls.
    pub polls: Vec<Series<()>>,
    /// Connections beyond [`MAX_STATS_CONVERSATIONS`]: of their bytes only what exchanges
    /// tell is counted.
    pub untold: u64,
    sums: [Sum; Way::ALL.len()],
    watched: Polls<()>,
    decoder: Decoder,
    connections: HashMap<ConversationId, Connection>,
}

impl Transports {
    /// Nothing counted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What went one way.
    #[must_use]
    pub fn line(&self, way: Way) -> &Line {
        &self.lines[way.index()]
    }

    fn connection(&mut self, id: ConversationId) -> Option<&mut Connection> {
        if self.connections.len() >= MAX_STATS_CONVERSATIONS && !self.connections.contains_key(&id)
        {
            return None;
        }
        Some(self.connections.entry(id).or_default())
    }

    /// Bytes that went a way; a connection that had none is still on it.
    fn known(&mut self, id: ConversationId, way: Way, bytes: u64) {
        self.sums[way.index()].known += bytes;
        if let Some(c) = self.connection(id) {
            c.known[way.index()] = c.known[way.index()].saturating_add(bytes.max(1));
        }
    }

    fn http(&mut self, event: &Event, info: &ConversationInfo, f: &HttpFacts) {
        let first = f.request.zip(f.response);
        let answer = first.map(|([asked, _], [first, _])| first.time.since(asked.time));
        let way = match (f.status, &*f.media_type) {
            (101, _) => Way::WebSocket,
            (_, "text/event-stream") => Way::EventStream,
            // A tunnel's exchange is its opening.
            _ if &*f.method == "CONNECT" => return,
            _ => Way::Rest,
        };
        let sum = &mut self.sums[way.index()];
        if let Some(ns) = answer {
            sum.answered(ns);
        }
        if way != Way::Rest {
            return;
        }
        let client = info.ends[Side::Client.index()].ip();
        let (start, end) = (event.draft.start.time, event.draft.end.time);
        sum.requests += 1;
        sum.messages += 1;
        let body: u64 = f.body_bytes.iter().sum();
        sum.payload = sum.payload.saturating_add(body);
        sum.lasted(start, end);
        sum.from(client, start, end);
        self.known(info.id, way, body.saturating_add(f.head_bytes.iter().sum()));
        if let Some(c) = self.connection(info.id) {
            c.plain += 1;
        }
        let asked = Asked::new(event.id, &event.draft, info, f);
        self.watched.add(&asked, || ());
        self.polls.append(&mut self.watched.take());
    }

    fn stream(&mut self, event: &Event, info: &ConversationInfo, f: &StreamFacts) {
        let sum = &mut self.sums[Way::EventStream.index()];
        sum.requests += 1;
        sum.messages += f.events;
        // Compressed, less was sent than was read.
        sum.payload = sum.payload.saturating_add(f.data_bytes.min(f.wire_bytes));
        sum.lasted(event.draft.start.time, event.draft.end.time);
        self.known(info.id, Way::EventStream, f.wire_bytes);
    }

    fn session(&mut self, event: &Event, info: &ConversationInfo, f: &SessionFacts) {
        let sum = &mut self.sums[Way::WebSocket.index()];
        sum.requests += 1;
        sum.messages += f.messages.iter().sum::<u64>();
        let [sent, inflated] = f.compressed;
        let payload: u64 = f.payload_bytes.iter().sum();
        let payload = payload.saturating_sub(inflated).saturating_add(sent);
        sum.payload = sum.payload.saturating_add(payload);
        sum.lasted(event.draft.start.time, event.draft.end.time);
        let frames: u64 = f.frame_bytes.iter().sum();
        self.known(info.id, Way::WebSocket, frames.saturating_add(f.handshake_bytes));
    }

    fn call(&mut self, event: &Event, info: &ConversationInfo, f: &CallFacts, way: Way) {
        let (start, end) = (event.draft.start.time, event.draft.end.time);
        let sum = &mut self.sums[way.index()];
        sum.requests += 1;
        sum.messages += f.messages.iter().sum::<u64>();
        let payload: u64 = f.bytes.iter().sum();
        sum.payload = sum.payload.saturating_add(payload);
        sum.lasted(start, end);
        sum.from(info.ends[Side::Client.index()].ip(), start, end);
        if let Some(ns) = f.first_response_ns {
            sum.answered(ns);
        }
        // Each message stands behind its five bytes of flags and length.
        let prefixes = f.messages.iter().sum::<u64>().saturating_mul(5);
        let beside = f.head_bytes.saturating_add(prefixes);
        self.known(info.id, way, payload.saturating_add(beside));
    }

    /// What is no exchange says whose its packets are, where streams lie beside each other, and
    /// which are the connection's own.
    fn claim(&mut self, draft: &Draft, info: &ConversationInfo) {
        let owner = match (draft.level, draft.protocol, draft.stream) {
            (Level::Frame, "http2", None | Some(0)) | (Level::Message, "tls", _) => {
                Owner::Connection
            }
            (Level::Frame, "http2", Some(stream)) => Owner::Stream(stream),
            _ => return,
        };
        let Some(from) = draft.sender else { return };
        let [from, to] =
            [from, from.peer()].map(|s| info.ends[s.index()]).map(|e| (e.ip(), e.port()));
        let Some(c) = self.connection(info.id).and_then(|c| c.open.as_mut()) else { return };
        c.claim(lane(from, to), [draft.start.packet, draft.end.packet], owner);
    }

    /// An exchange says which way its packets went.
    fn settle(&mut self, draft: &Draft, info: &ConversationInfo, way: Way) {
        let Some(c) = self.connection(info.id).and_then(|c| c.open.as_mut()) else { return };
        let packets = [draft.start.packet, draft.end.packet];
        match draft.stream {
            Some(stream) => c.settle(stream, way.index()),
            None => (0..2).for_each(|l| c.claim(l, packets, Owner::Way(way.index()))),
        }
    }

    /// Works out the lines.
    pub fn finish(&mut self) {
        self.polls.append(&mut self.watched.finish());
        self.polls.sort_by_key(|s| s.last_event);
        self.connections.values_mut().for_each(Connection::close);
        self.move_polls();
        let mut sums = std::mem::take(&mut self.sums);
        for way in Way::ALL {
            let (sum, line) = (&mut sums[way.index()], &mut self.lines[way.index()]);
            if sum.requests == 0 {
                continue;
            }
            *line = Line {
                requests: sum.requests,
                messages: sum.messages,
                payload_bytes: sum.payload,
                answer: sum.answer_ns.checked_div(sum.answers),
                wait: way.pushes().then_some([0, 0]),
                ..Line::default()
            };
        }
        let mut streams = sums.each_ref().map(|s| s.known);
        for c in self.connections.values() {
            let known: u64 = c.known.iter().sum();
            for way in Way::ALL {
                let mine = c.known[way.index()];
                if mine == 0 {
                    continue;
                }
                let share = |n: u64| (u128::from(n) * u128::from(mine) / u128::from(known)) as u64;
                let line = &mut self.lines[way.index()];
                line.connections += 1;
                // What exchanges do not tell of: settings, windows, frame heads, pings.
                streams[way.index()] += share(c.stream.saturating_sub(known));
            }
            if known == 0 {
                continue;
            }
            let carried: u64 = c.carried.iter().sum();
            let weights = if carried > 0 { c.carried } else { c.known };
            let others = shares(c.on_wire.saturating_sub(carried), weights);
            for ((line, carried), other) in self.lines.iter_mut().zip(c.carried).zip(others) {
                line.packet_bytes += carried;
                line.other_packet_bytes += other;
            }
        }
        for way in Way::ALL {
            let line = &mut self.lines[way.index()];
            let all = streams[way.index()];
            line.overhead_bytes = all.saturating_sub(line.payload_bytes);
            if line.requests > 0 {
                rates(way, line, &sums[way.index()], all, &self.polls);
            }
        }
    }

    /// Requests that turned out to be polls were counted as plain ones.
    fn move_polls(&mut self) {
        for s in &self.polls {
            let (way, rest) = (way_of(s.kind), Way::Rest.index());
            let bodies: u64 = s.body_bytes.iter().sum();
            let heads: u64 = s.head_bytes.iter().sum();
            let [asked, _] = s.body_bytes;
            let plain = &mut self.sums[rest];
            plain.requests = plain.requests.saturating_sub(s.requests);
            plain.messages = plain.messages.saturating_sub(s.requests);
            plain.payload = plain.payload.saturating_sub(bodies);
            plain.known = plain.known.saturating_sub(bodies.saturating_add(heads));
            plain.answers = plain.answers.saturating_sub(s.requests - s.unanswered);
            plain.answer_ns = plain.answer_ns.saturating_sub(s.answer_ns);
            let sum = &mut self.sums[way.index()];
            sum.requests += s.requests;
            sum.messages += s.events;
            sum.payload = sum.payload.saturating_add(s.useful_bytes).saturating_add(asked);
            sum.known = sum.known.saturating_add(bodies.saturating_add(heads));
            sum.answers += s.requests - s.unanswered;
            sum.answer_ns = sum.answer_ns.saturating_add(s.answer_ns);
            for (id, bytes, requests) in &s.connections {
                if let Some(c) = self.connections.get_mut(id) {
                    // Requests beside them on a connection have packets like theirs.
                    let others = c.plain.saturating_sub(*requests);
                    let [moved, _, ..] = shares(c.carried[rest], two(*requests, others));
                    c.plain = others;
                    c.carried[rest] -= moved;
                    c.carried[way.index()] += moved;
                    c.known[rest] = c.known[rest].saturating_sub(*bytes);
                    c.known[way.index()] = c.known[way.index()].saturating_add(*bytes);
                }
            }
        }
    }
}

/// Two weights.
const fn two(one: u64, other: u64) -> [u64; WAYS] {
    let mut all = [0; WAYS];
    (all[0], all[1]) = (one, other);
    all
}

/// Which way an exchange went, where its facts are those that are counted.
fn way(draft: &Draft, facts: &Facts) -> Option<Way> {
    Some(match facts {
        // The exchange of what follows says more.
        Facts::Http(f) if f.status == 101 || &*f.method == "CONNECT" => return None,
        Facts::Http(f) if &*f.media_type == "text/event-stream" => return None,
        Facts::Http(_) => Way::Rest,
        Facts::Stream(_) => Way::EventStream,
        Facts::Session(_) => Way::WebSocket,
        Facts::Call(f) => match (draft.protocol, f.messages) {
            ("connect", [0..=1, 0..=1]) => Way::ConnectUnary,
            ("connect", _) => Way::ConnectStreaming,
            (_, [0..=1, 0..=1]) => Way::GrpcUnary,
            _ => Way::GrpcStreaming,
        },
        Facts::Origin(_) => return None,
    })
}

/// One direction of a connection, whoever is the client: 0 or 1.
fn lane(from: (IpAddr, u16), to: (IpAddr, u16)) -> usize {
    usize::from(from > to)
}

const fn way_of(kind: Kind) -> Way {
    match kind {
        Kind::Short => Way::Polling,
        Kind::Long => Way::LongPolling,
    }
}

/// Requests a minute, and what one client costs.
fn rates(way: Way, line: &mut Line, sum: &Sum, bytes: u64, polls: &[Series<()>]) {
    let mine = || polls.iter().filter(move |s| way_of(s.kind) == way);
    let seconds = |ns: u64| ns as f64 / 1e9;
    let (requests, client_ns, connections);
    match way {
        Way::Polling | Way::LongPolling => {
            line.clients = mine().count() as u64;
            client_ns = mine().map(lasted).fold(0, u64::saturating_add);
            requests = line.requests;
            let a_minute = |s: &Series<()>| 60e9 / s.mean_interval.max(1) as f64;
            line.requests_a_minute = Some(mine().map(a_minute).sum());
            let events: u64 = mine().map(|s| s.events.max(1)).sum();
            let waited = |s: &Series<()>| u128::from(s.delay.mean) * u128::from(s.events.max(1));
            let mean = mine().map(waited).sum::<u128>() / u128::from(events.max(1));
            line.wait = Some([mean as u64, mine().map(|s| s.delay.max).max().unwrap_or(0)]);
            // One connection that is kept, or one for as long as each request takes.
            let open = mine().map(|s| match s.connection_count.saturating_mul(2) <= s.requests {
                true => lasted(s),
                false => s.busy.min(lasted(s)),
            });
            let open = open.fold(0, u64::saturating_add);
            connections = (client_ns > 0).then(|| open as f64 / client_ns as f64);
        }
        Way::EventStream | Way::WebSocket | Way::GrpcStreaming | Way::ConnectStreaming => {
            line.clients = sum.at_once();
            requests = line.requests.saturating_sub(line.clients);
            // A client that comes back is one, also while it is away: what it costs is
            // reckoned over the whole time, as requests a minute are.
            let whole = sum.first.map_or(0, |f| sum.last.since(f));
            client_ns = whole.saturating_mul(line.clients);
            let span = seconds(whole);
            line.requests_a_minute = (span > 0.0).then(|| requests as f64 * 60.0 / span);
            let share = line.connections as f64 / line.clients.max(1) as f64;
            connections = Some(share.min(1.0));
        }
        Way::Rest | Way::GrpcUnary | Way::ConnectUnary => {
            line.clients = sum.addresses.len() as u64;
            let spans = sum.addresses.values().map(|(a, b)| b.since(*a));
            client_ns = spans.fold(0, u64::saturating_add);
            requests = line.requests;
            let span = seconds(sum.first.map_or(0, |f| sum.last.since(f)));
            let some = requests > 1 && span >= LEAST_SECONDS;
            line.requests_a_minute = some.then(|| requests as f64 * 60.0 / span);
            connections = None;
            if !some {
                return;
            }
        }
    }
    let seconds = seconds(client_ns);
    if seconds > 0.0 {
        line.rate = Some(Rate {
            requests: requests as f64 / seconds,
            bytes: bytes as f64 / seconds,
            connections,
        });
    }
}

impl EventSink for Transports {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        let Some(info) = conversation else { return };
        if event.draft.level != Level::Exchange {
            return self.claim(&event.draft, info);
        }
        let Some(facts) = &event.draft.facts else { return };
        let way = way(&event.draft, facts);
        if let Some(way) = way {
            self.settle(&event.draft, info, way);
        }
        match facts {
            Facts::Http(f) => self.http(event, info, f),
            Facts::Stream(f) => self.stream(event, info, f),
            Facts::Session(f) => self.session(event, info, f),
            Facts::Call(f) => self.call(event, info, f, way.unwrap_or(Way::GrpcUnary)),
            Facts::Origin(_) => {}
        }
    }

    fn finding(&mut self, _: FindingEvent, _: Option<&ConversationInfo>) {}

    fn packet(
        &mut self,
        packet: &Packet<'_>,
        conversation: Option<ConversationId>,
        _with: &[PacketId],
    ) {
        let bytes = u64::from(packet.meta.original_len.max(packet.meta.captured_len));
        let Some(id) = conversation else { return };
        let at = Moment { packet: packet.meta.id, time: packet.meta.time };
        let (link, data) = (packet.meta.link.0, packet.data);
        let decoded = self.decoder.decode(link, data, packet.meta.original_len, at);
        let filled = match &decoded.content {
            Content::Tcp(s) => !s.payload.is_empty() || s.missing > 0,
            _ => false,
        };
        let lane = decoded.endpoints.filter(|_| filled).map(|e| lane(e.source, e.destination));
        self.decoder.take_lost();
        let Some(c) = self.connection(id) else { return };
        c.on_wire = c.on_wire.saturating_add(bytes);
        if let Some(lane) = lane {
            c.open.get_or_insert_default().packet(lane, packet.meta.id, bytes);
        }
    }

    fn ended(&mut self, info: &ConversationInfo) {
        match self.connection(info.id) {
            Some(c) => {
                c.stream = info.ledger.stream.iter().sum();
                c.close();
            }
            None => self.untold += 1,
        }
    }
}
