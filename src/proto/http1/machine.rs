//! The state of one HTTP/1 connection: RFC 9112.
//!
//! Each direction is a [`Half`] that walks from message to message; `open` holds
//! the exchanges whose request or response is still to end, oldest first, since
//! responses come in the order of their requests (§9.3.2).

use std::collections::VecDeque;

use crate::base::limits::{
    MAX_CHUNK_LINE_BYTES, MAX_EARLY_RESPONSE_NS, MAX_HEADER_BYTES, MAX_HEADER_FIELDS,
    MAX_HTTP1_REQUESTS,
};
use crate::base::{Buffer, BufferId, Moment, Side};
use crate::event::{Detail, Level};
use crate::field::{In, NoSink, TreeSink};
use crate::finding::{Finding, FindingSpec};
use crate::proto::http1::message::{self, First, Framing, Method, Odd, Scan, Section};
use crate::proto::http1::probe::{Looks, look};
use crate::proto::http1::{findings as g, wire};
use crate::proto::{
    Carries, Child, Chunk, EndCause, Head, Headers, Input, Machine, Out, Progress, Want,
};

/// Bytes that are enough to tell the beginning of a message from anything else.
const LOOK_BYTES: usize = 64;

/// Where one direction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before or in a start line or header section.
    Head,
    /// In a body of known length: bytes left, at least 1.
    Body(u64),
    /// In a body that ends with the connection.
    Close,
    /// Before or in a chunk's first line.
    ChunkLine,
    /// In a chunk's data: bytes left, at least 1.
    ChunkData(u64),
    /// Before the line end behind a chunk's data.
    ChunkEnd,
    /// Before or in the trailer section.
    Trailers,
    /// Behind a request for another protocol whose answer is not known.
    Held,
    /// Another protocol's: passed on.
    Tunnel,
    /// Not followed any further.
    Off,
}

/// One direction.
#[derive(Clone, Debug)]
struct Half {
    state: State,
    /// The child that the message in progress goes to.
    key: u64,
    /// Bytes that the child has had of this message, missing ones included.
    passed: u64,
    /// Version of the message in progress.
    version: u8,
    scan: Scan,
    ended: Option<EndCause>,
    /// Empty lines were seen before the next start line.
    blank: bool,
    /// The last response said `Connection: close`.
    closing: bool,
}

impl Half {
    const fn new() -> Self {
        Self {
            state: State::Head,
            key: 0,
            passed: 0,
            version: 11,
            scan: Scan::START,
            ended: None,
            blank: false,
            closing: false,
        }
    }
}

/// A section that is told again once the connection has switched protocols.
#[derive(Clone, Debug)]
struct Kept {
    headers: Headers,
    detail: Option<Detail>,
    version: u8,
    start: Moment,
    ready: Moment,
    wire_len: u64,
}

/// What the client asked to switch to.
#[derive(Clone, Debug)]
enum Offer {
    /// `Upgrade`: the request is told to the other protocol.
    Upgrade(Box<Kept>),
    Connect,
}

/// A request with its response, as long as one of them is to end.
#[derive(Clone, Debug)]
struct Open {
    key: u64,
    method: Method,
    start: Moment,
    /// Its request was not captured.
    orphan: bool,
    /// By [`Side::index`]: this side's message has ended, and the child knows.
    done: [bool; 2],
    /// The client waits for 100 (Continue) before the body.
    expects: bool,
    /// The final response's head was seen.
    answered: bool,
}

/// What a step made of the bytes that it saw.
enum Step {
    /// Took so many; go on.
    Go(usize),
    /// Took so many and wants this first.
    Stop(usize, Want),
}

/// The machine.
#[derive(Clone, Debug)]
pub struct Http1 {
    halves: [Half; 2],
    open: VecDeque<Open>,
    next_key: u64,
    /// What the request of this key asked to switch to, until it is answered.
    /// Nothing is read behind it, so there is one at most.
    offer: Option<(u64, Offer)>,
    /// The child of the protocol that the connection switched to.
    tunnel: Option<u64>,
    /// The server was waited for or heard without a client: one direction alone
    /// was captured, so far.
    alone: bool,
    /// Used for every section.
    headers: Headers,
}

impl Default for Http1 {
    fn default() -> Self {
        Self::new()
    }
}

impl Machine for Http1 {
    fn feed(&mut self, input: Input<'_>, out: &mut dyn Out) -> Progress {
        match input {
            Input::Bytes(c) => return self.bytes(&c, out),
            Input::Gap { side, len, .. } => self.gap(side, len, out),
            Input::Reset { side, code } => self.reset(side, code, out),
            Input::End { side, cause } => self.end(side, cause, out),
            Input::Head(_) | Input::Trailers(_) | Input::Datagram { .. } => {}
        }
        Progress::took(0)
    }

    fn fork(&self) -> Option<Box<dyn Machine>> {
        Some(Box::new(self.clone()))
    }

    fn memory(&self) -> usize {
        let kept = match &self.offer {
            Some((_, Offer::Upgrade(k))) => size_of::<Kept>() + k.headers.memory(),
            _ => 0,
        };
        size_of::<Self>() + self.headers.memory() + self.open.capacity() * size_of::<Open>() + kept
    }
}

impl Http1 {
    /// A connection before its first byte.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            halves: [Half::new(), Half::new()],
            open: VecDeque::new(),
            next_key: 0,
            offer: None,
            tunnel: None,
            alone: false,
            headers: Headers::new(),
        }
    }

    const fn half(&mut self, side: Side) -> &mut Half {
        let [client, server] = &mut self.halves;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    const fn state(&self, side: Side) -> State {
        let [client, server] = &self.halves;
        match side {
            Side::Client => client.state,
            Side::Server => server.state,
        }
    }

    fn exchange(&mut self, key: u64) -> Option<&mut Open> {
        self.open.iter_mut().find(|o| o.key == key)
    }

    fn take_offer(&mut self, key: u64) -> Option<Offer> {
        self.offer.take_if(|(k, _)| *k == key).map(|(_, o)| o)
    }

    fn new_key(&mut self) -> u64 {
        self.next_key += 1;
        self.next_key
    }

    fn bytes(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Progress {
        if c.side == Side::Client {
            self.alone = false;
        }
        let mut took = 0;
        loop {
            let data = c.data.get(took..).unwrap_or_default();
            let rest = Chunk { offset: c.offset + took as u64, data, ..*c };
            match self.step(&rest, out) {
                Step::Go(n) => took += n,
                Step::Stop(n, want) => return Progress { took: took + n, want },
            }
        }
    }

    fn step(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Step {
        let state = self.state(c.side);
        if state == State::Off {
            return Step::Stop(0, Want::Nothing);
        }
        if c.data.is_empty() {
            return Step::Stop(0, Want::More(1));
        }
        if matches!(state, State::Body(_) | State::ChunkLine)
            && let Some(step) = self.withheld(c, out)
        {
            return step;
        }
        match state {
            State::Head => self.head(c, out),
            State::Body(left) | State::ChunkData(left) => {
                let n = usize::try_from(left).unwrap_or(usize::MAX).min(c.data.len());
                self.pass(c, n, out);
                self.advance(c.side, n as u64, out);
                Step::Go(n)
            }
            State::Close | State::Tunnel => {
                self.pass(c, c.data.len(), out);
                Step::Go(c.data.len())
            }
            State::ChunkLine => self.chunk_line(c, out),
            State::ChunkEnd => self.chunk_end(c, out),
            State::Trailers => self.trailers(c, out),
            State::Held if c.last => self.decide_alone(c, out),
            State::Held => Step::Stop(0, Want::Peer),
            State::Off => Step::Stop(0, Want::Nothing),
        }
    }

    fn pass(&mut self, c: &Chunk<'_>, n: usize, out: &mut dyn Out) {
        let half = self.half(c.side);
        half.passed = half.passed.saturating_add(n as u64);
        out.pass(half.key, c.side, c.offset, c.data.get(..n).unwrap_or_default());
    }

    /// `n` bytes of a body or of a chunk's data are done with.
    fn advance(&mut self, side: Side, n: u64, out: &mut dyn Out) {
        let half = self.half(side);
        match half.state {
            State::Body(left) if left > n => half.state = State::Body(left - n),
            State::Body(_) => self.finish(side, out),
            State::ChunkData(left) if left > n => half.state = State::ChunkData(left - n),
            State::ChunkData(_) => half.state = State::ChunkEnd,
            _ => {}
        }
    }

    // ---- heads -------------------------------------------------------------

    fn head(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Step {
        let blank = blank_lines(c.data);
        let half = self.half(c.side);
        if blank > 0 {
            if !half.blank {
                half.blank = true;
                out.finding(Finding::new(&g::LEADING_CRLF).with(c.side.name()));
            }
            return Step::Go(blank);
        }
        let looks = look(c.data.get(..LOOK_BYTES).unwrap_or(c.data));
        let right = match c.side {
            Side::Client => matches!(looks, Looks::Request(_) | Looks::Empty),
            Side::Server => matches!(looks, Looks::Response(_) | Looks::Empty),
        };
        if !right {
            let shown = c.data.get(..32).unwrap_or(c.data).escape_ascii().to_string();
            return self.fail(c.side, &g::BAD_START_LINE, Some(shown), out);
        }
        let mut orphan = false;
        match c.side {
            Side::Client if self.open.len() >= MAX_HTTP1_REQUESTS => {
                if !c.last {
                    return Step::Stop(0, Want::Peer);
                }
                self.give_up_oldest(out);
            }
            Side::Client => {}
            Side::Server => match self.awaited(c, out) {
                Awaited::Request(key) => self.half(Side::Server).key = key,
                Awaited::Nobody => orphan = true,
                Awaited::Peer => return Step::Stop(0, Want::Peer),
            },
        }
        let half = self.half(c.side);
        let len = match half.scan.end(c.data) {
            Some(n) if n <= MAX_HEADER_BYTES => n,
            None if c.data.len() <= MAX_HEADER_BYTES => {
                // Whether an orphan's end is still to come cannot be known.
                if !c.last || orphan && half.ended.is_none() && c.side == Side::Server {
                    return Step::Stop(0, Want::More(1));
                }
                c.data.len()
            }
            _ => {
                let detail = format!("more than {MAX_HEADER_BYTES} bytes");
                return self.fail(c.side, &g::HEAD_TOO_LARGE, Some(detail), out);
            }
        };
        let data = c.data.get(..len).unwrap_or_default();
        let mut odd = Odd::default();
        let (section, detail) = self.read(&Chunk { data, ..*c }, Some(c.side), &mut odd, out);
        self.half(c.side).blank = false;
        let seen = Seen::new(c, &section, out);
        match section.first {
            First::Request { method, version } => {
                self.request(method, version, &section, seen, detail, odd, out);
            }
            First::Response { code, version } => {
                if orphan {
                    self.orphan(&seen, out);
                }
                self.response(code, version, &section, seen, detail, odd, out);
            }
            First::Trailers | First::Bad => {
                odd.0.drain(..).for_each(|f| out.finding(f));
                let (spec, detail) = if section.len > 0 {
                    (&g::HEAD_TOO_LARGE, Some(format!("more than {MAX_HEADER_FIELDS} fields")))
                } else if c.last && !data.contains(&b'\n') {
                    (&g::HEAD_CUT, None)
                } else {
                    (&g::BAD_START_LINE, None)
                };
                return self.fail(c.side, spec, detail, out);
            }
        }
        Step::Go(section.len)
    }

    /// Reads a section; builds its detail where messages are looked at.
    fn read(
        &mut self,
        c: &Chunk<'_>,
        side: Option<Side>,
        odd: &mut Odd,
        out: &mut dyn Out,
    ) -> (Section, Option<Detail>) {
        if !out.wants(Level::Message) {
            return (message::read(c.data, side, &NoSink, &mut self.headers, odd), None);
        }
        let sink = TreeSink::new();
        let section = message::read(c.data, side, &sink, &mut self.headers, odd);
        let mut detail = Detail { tree: sink.into_tree(), ..Detail::default() };
        message::name_nodes(&mut detail.tree, &self.headers);
        let mut buffer = Buffer::new("TCP stream");
        out.pieces(c.side, c.offset..c.offset + section.len as u64, &mut |p| {
            buffer.push(p.len, p.source, p.exact);
        });
        buffer.bytes = c.data.get(..section.len).unwrap_or_default().to_vec();
        let first = buffer.bytes.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
        detail.summary = String::from_utf8_lossy(first).into_owned();
        detail.origins.add(buffer);
        (section, Some(detail))
    }

    #[allow(clippy::too_many_arguments)] // One call, which would take them apart again.
    fn request(
        &mut self,
        method: Method,
        version: u8,
        section: &Section,
        seen: Seen,
        detail: Option<Detail>,
        mut odd: Odd,
        out: &mut dyn Out,
    ) {
        let framing = if section.whole {
            message::judge_request(version, &self.headers, &mut odd);
            message::framing(section.first, &self.headers, &mut odd)
        } else {
            Framing::Unknown
        };
        odd.0.drain(..).for_each(|f| out.finding(f));
        let key = self.new_key();
        out.open(Child { key, stream: None, carries: Carries::Exchange });
        self.offer = if method == Method::Connect {
            Some((key, Offer::Connect))
        } else if version >= 11 && self.headers.get("upgrade").is_some_and(|v| !v.is_empty()) {
            let kept = Kept {
                headers: self.headers.clone(),
                detail: detail.clone(),
                version,
                start: seen.start,
                ready: seen.ready,
                wire_len: section.len as u64,
            };
            Some((key, Offer::Upgrade(Box::new(kept))))
        } else {
            None
        };
        self.open.push_back(Open {
            key,
            method,
            start: seen.start,
            orphan: false,
            done: [false; 2],
            expects: self.headers.has_token("expect", "100-continue"),
            answered: false,
        });
        let half = self.half(Side::Client);
        half.key = key;
        half.passed = 0;
        half.version = version;
        let end = framing == Framing::None;
        self.tell_head(key, Side::Client, version, section, &seen, end, detail.as_ref(), out);
        if !section.whole {
            out.finding(Finding::new(&g::HEAD_CUT).with("request"));
            self.cut(Side::Client, EndCause::CaptureEnded, out);
            self.half(Side::Client).state = State::Off;
            return;
        }
        self.begin_body(Side::Client, framing, out);
    }

    #[allow(clippy::too_many_arguments)] // As above.
    fn response(
        &mut self,
        code: u16,
        version: u8,
        section: &Section,
        seen: Seen,
        detail: Option<Detail>,
        mut odd: Odd,
        out: &mut dyn Out,
    ) {
        let half = self.half(Side::Server);
        let key = half.key;
        half.passed = 0;
        half.version = version;
        if half.closing {
            out.finding(Finding::new(&g::AFTER_CLOSE));
        }
        let method = self.exchange(key).map_or(Method::Other, |o| o.method);
        let interim = (100..200).contains(&code) && code != 101;
        let switches = code == 101;
        let tunnels = method == Method::Connect && (200..300).contains(&code);
        let bodiless = code < 200 || code == 204 || code == 304 || method == Method::Head;
        // A bodiless response may say how long another one would be.
        let stated = if section.whole {
            message::framing(section.first, &self.headers, &mut odd)
        } else {
            Framing::Unknown
        };
        odd.0.drain(..).for_each(|f| out.finding(f));
        let framing = if bodiless || tunnels { Framing::None } else { stated };
        if !interim && !switches {
            self.half(Side::Server).closing = self.headers.has_token("connection", "close");
        }
        let end = framing == Framing::None && !interim;
        self.tell_head(key, Side::Server, version, section, &seen, end, detail.as_ref(), out);
        if !section.whole {
            out.finding(Finding::new(&g::HEAD_CUT).with("response"));
            self.cut(Side::Server, EndCause::CaptureEnded, out);
            self.half(Side::Server).state = State::Off;
            self.server_is_off(EndCause::CaptureEnded, out);
            return;
        }
        if interim {
            return;
        }
        if switches || tunnels {
            let told = Kept {
                headers: std::mem::take(&mut self.headers),
                detail,
                version,
                start: seen.start,
                ready: seen.ready,
                wire_len: section.len as u64,
            };
            self.switch(key, switches, &told, out);
            self.headers = told.headers;
            return;
        }
        if let Some(o) = self.exchange(key) {
            o.answered = true;
        }
        if self.take_offer(key).is_some() {
            let [client, _] = &mut self.halves;
            if client.state == State::Held {
                client.state = State::Head;
            }
        }
        self.begin_body(Side::Server, framing, out);
    }

    #[allow(clippy::too_many_arguments)] // All of a `Head`.
    fn tell_head(
        &self,
        key: u64,
        side: Side,
        version: u8,
        section: &Section,
        seen: &Seen,
        end: bool,
        detail: Option<&Detail>,
        out: &mut dyn Out,
    ) {
        out.tell(
            key,
            Input::Head(Head {
                side,
                headers: &self.headers,
                version,
                end,
                start: seen.start,
                ready: seen.ready,
                wire_len: section.len as u64,
                detail,
            }),
        );
    }

    /// Which request the response at the front of the chunk answers.
    fn awaited(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Awaited {
        let start = out.moment(Side::Server, c.offset);
        if let Some(o) = self.open.iter().find(|o| !o.done[1]) {
            return if o.start.time.since(start.time) > MAX_EARLY_RESPONSE_NS {
                Awaited::Nobody
            } else {
                Awaited::Request(o.key)
            };
        }
        let [client, _] = &self.halves;
        let can_come = client.ended.is_none() && client.state != State::Off;
        if can_come && !self.alone {
            if !c.last {
                return Awaited::Peer;
            }
            self.alone = true;
        }
        Awaited::Nobody
    }

    /// A response that answers nothing that was captured gets an exchange of its own.
    fn orphan(&mut self, seen: &Seen, out: &mut dyn Out) {
        out.finding(Finding::new(&g::NO_REQUEST));
        let key = self.new_key();
        out.open(Child { key, stream: None, carries: Carries::Exchange });
        // Before those that wait: it was sent before their responses.
        self.open.push_front(Open {
            key,
            method: Method::Other,
            start: seen.start,
            orphan: true,
            done: [true, false],
            expects: false,
            answered: false,
        });
        self.half(Side::Server).key = key;
    }

    // ---- bodies ------------------------------------------------------------

    fn begin_body(&mut self, side: Side, framing: Framing, out: &mut dyn Out) {
        let half = self.half(side);
        half.scan = Scan::START;
        match framing {
            Framing::None => self.finish(side, out),
            Framing::Length(n) => half.state = State::Body(n),
            Framing::Chunked => half.state = State::ChunkLine,
            Framing::Close => half.state = State::Close,
            Framing::Unknown => {
                self.cut(side, EndCause::CaptureEnded, out);
                self.half(side).state = State::Off;
            }
        }
    }

    /// RFC 9110 §10.1.1: a client that expected 100 and got a final response may
    /// go on with its next request instead of the body.
    fn withheld(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Option<Step> {
        let [client, _] = &self.halves;
        if c.side != Side::Client || client.passed > 0 {
            return None;
        }
        let key = client.key;
        let o = self.exchange(key)?;
        if !o.expects || !o.answered {
            return None;
        }
        match look(c.data) {
            Looks::Request(true) => {
                out.finding(Finding::new(&g::BODY_WITHHELD));
                self.finish(Side::Client, out);
                Some(Step::Go(0))
            }
            Looks::Request(false) if !c.last && c.data.len() < MAX_CHUNK_LINE_BYTES => {
                Some(Step::Stop(0, Want::More(1)))
            }
            _ => {
                o.expects = false;
                None
            }
        }
    }

    fn chunk_line(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Step {
        let off = NoSink;
        let Ok((rest, line)) = wire::chunk_line(In::new(c.data, BufferId(0), 0, &off)) else {
            if c.data.len() > MAX_CHUNK_LINE_BYTES {
                return self.fail(c.side, &g::BAD_CHUNK, Some("no line end".into()), out);
            }
            return Step::Stop(0, Want::More(1));
        };
        let took = c.data.len() - rest.data().len();
        if line.bare_lf {
            out.finding(Finding::new(&g::BARE_LF).with("chunk"));
        }
        let half = self.half(c.side);
        match line.size {
            None => {
                let shown = c.data.get(..took.min(32)).unwrap_or_default();
                let shown = shown.escape_ascii().to_string();
                return self.fail(c.side, &g::BAD_CHUNK, Some(shown), out);
            }
            Some(0) => {
                half.state = State::Trailers;
                half.scan = Scan::START;
            }
            Some(n) => half.state = State::ChunkData(n),
        }
        Step::Go(took)
    }

    fn chunk_end(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Step {
        let took = match c.data {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => {
                out.finding(Finding::new(&g::BARE_LF).with("chunk"));
                1
            }
            [b'\r'] => return Step::Stop(0, Want::More(1)),
            _ => {
                let detail = "the data is longer than the size says";
                return self.fail(c.side, &g::BAD_CHUNK, Some(detail.into()), out);
            }
        };
        self.half(c.side).state = State::ChunkLine;
        Step::Go(took)
    }

    fn trailers(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Step {
        let half = self.half(c.side);
        let Some(len) = half.scan.end(c.data) else {
            if c.data.len() > MAX_HEADER_BYTES {
                return self.fail(c.side, &g::HEAD_TOO_LARGE, Some("trailers".into()), out);
            }
            return Step::Stop(0, Want::More(1));
        };
        let (key, version) = (half.key, half.version);
        let data = c.data.get(..len).unwrap_or_default();
        let mut odd = Odd::default();
        let (section, detail) = self.read(&Chunk { data, ..*c }, None, &mut odd, out);
        odd.0.drain(..).for_each(|f| out.finding(f));
        if section.first == First::Bad {
            let detail = format!("more than {MAX_HEADER_FIELDS} fields");
            return self.fail(c.side, &g::HEAD_TOO_LARGE, Some(detail), out);
        }
        if !self.headers.is_empty() {
            let seen = Seen::new(c, &section, out);
            out.tell(
                key,
                Input::Trailers(Head {
                    side: c.side,
                    headers: &self.headers,
                    version,
                    end: true,
                    start: seen.start,
                    ready: seen.ready,
                    wire_len: section.len as u64,
                    detail: detail.as_ref(),
                }),
            );
        }
        self.finish(c.side, out);
        Step::Go(len)
    }

    // ---- ends --------------------------------------------------------------

    /// The message in progress is complete.
    fn finish(&mut self, side: Side, out: &mut dyn Out) {
        let tunnel = self.tunnel;
        let half = self.half(side);
        let key = half.key;
        half.state = State::Head;
        half.scan = Scan::START;
        self.done(key, side, EndCause::Finished, out);
        if side == Side::Client {
            let held = self.offer.as_ref().is_some_and(|(k, _)| *k == key);
            let half = self.half(side);
            if let Some(t) = tunnel {
                half.state = State::Tunnel;
                half.key = t;
                half.passed = 0;
            } else if held {
                half.state = State::Held;
            }
            // Nobody is left to answer.
            let [_, server] = &self.halves;
            let gone = match (server.ended, server.state) {
                (Some(cause), _) => Some(cause),
                (None, State::Off) => Some(EndCause::CaptureEnded),
                _ => None,
            };
            if let Some(cause) = gone {
                self.done(key, Side::Server, cause, out);
            }
        }
    }

    /// The message in progress, if there is one, ends before its end.
    fn cut(&mut self, side: Side, cause: EndCause, out: &mut dyn Out) {
        let key = self.half(side).key;
        self.done(key, side, cause, out);
    }

    /// Tells an exchange that one side's message has ended, unless it knows, and
    /// closes it when both have.
    fn done(&mut self, key: u64, side: Side, cause: EndCause, out: &mut dyn Out) {
        let Some(at) = self.open.iter().position(|o| o.key == key) else { return };
        let Some(o) = self.open.get_mut(at) else { return };
        let [client, server] = &mut o.done;
        let (mine, peers) = match side {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        if *mine {
            return;
        }
        *mine = true;
        out.tell(key, Input::End { side, cause });
        if *peers {
            // Told last: the first thing that a child hears is a head.
            if o.orphan {
                out.tell(key, Input::End { side: Side::Client, cause: EndCause::CaptureEnded });
            }
            out.close(key);
            self.open.remove(at);
        }
    }

    /// This direction cannot be followed any further.
    fn fail(
        &mut self,
        side: Side,
        spec: &'static FindingSpec,
        detail: Option<String>,
        out: &mut dyn Out,
    ) -> Step {
        let mut finding = Finding::new(spec);
        finding.detail =
            Some(detail.map_or_else(|| side.name().into(), |d| format!("{side}: {d}").into()));
        out.finding(finding);
        if self.state(side) != State::Head {
            self.cut(side, EndCause::CaptureEnded, out);
        }
        self.half(side).state = State::Off;
        if side == Side::Server {
            self.server_is_off(EndCause::CaptureEnded, out);
        }
        Step::Stop(0, Want::Nothing)
    }

    /// No more responses: whoever waits for one is told.
    fn server_is_off(&mut self, cause: EndCause, out: &mut dyn Out) {
        let waiting: Vec<u64> = self.open.iter().filter(|o| !o.done[1]).map(|o| o.key).collect();
        for key in waiting {
            self.done(key, Side::Server, cause, out);
        }
    }

    fn give_up_oldest(&mut self, out: &mut dyn Out) {
        out.finding(Finding::new(&g::TOO_MANY).with(format!("limit {MAX_HTTP1_REQUESTS}")));
        if let Some(key) = self.open.front().map(|o| o.key) {
            self.done(key, Side::Client, EndCause::CaptureEnded, out);
            self.done(key, Side::Server, EndCause::CaptureEnded, out);
        }
    }

    fn end(&mut self, side: Side, cause: EndCause, out: &mut dyn Out) {
        let half = self.half(side);
        if half.ended.is_some() {
            return;
        }
        half.ended = Some(cause);
        let (state, key, passed) = (half.state, half.key, half.passed);
        half.state = State::Off;
        match state {
            State::Close => self.done(key, side, cause, out),
            State::Body(_)
            | State::ChunkLine
            | State::ChunkData(_)
            | State::ChunkEnd
            | State::Trailers => {
                let withheld = side == Side::Client
                    && passed == 0
                    && self.exchange(key).is_some_and(|o| o.expects && o.answered);
                if withheld {
                    out.finding(Finding::new(&g::BODY_WITHHELD));
                    self.done(key, side, EndCause::Finished, out);
                } else {
                    if cause == EndCause::Finished {
                        let left = match state {
                            State::Body(n) => format!("{side}: {n} bytes are missing"),
                            _ => format!("{side}: the last chunk is missing"),
                        };
                        out.finding(Finding::new(&g::BODY_CUT).with(left));
                    }
                    // `Finished` would say that the message is whole.
                    let cause =
                        if cause == EndCause::Finished { EndCause::CaptureEnded } else { cause };
                    self.cut(side, cause, out);
                }
            }
            State::Head | State::Held | State::Tunnel | State::Off => {}
        }
        if let Some(t) = self.tunnel {
            out.tell(t, Input::End { side, cause });
            if self.halves.iter().all(|h| h.ended.is_some()) {
                out.close(t);
                self.tunnel = None;
            }
        }
        if side == Side::Server {
            self.server_is_off(cause, out);
        }
    }

    fn reset(&mut self, side: Side, code: u32, out: &mut dyn Out) {
        if let Some(key) = self.tunnel.take() {
            out.tell(key, Input::Reset { side, code });
            out.close(key);
        }
        for o in std::mem::take(&mut self.open) {
            out.tell(o.key, Input::Reset { side, code });
            out.close(o.key);
        }
        for h in &mut self.halves {
            h.state = State::Off;
            h.ended = Some(EndCause::Finished);
        }
    }

    fn gap(&mut self, side: Side, len: u64, out: &mut dyn Out) {
        let half = self.half(side);
        let known = match half.state {
            State::Body(left) | State::ChunkData(left) => len <= left,
            State::Close | State::Tunnel => true,
            State::Off => return,
            _ => false,
        };
        let (key, offset) = (half.key, half.passed);
        if matches!(
            half.state,
            State::Body(_)
                | State::ChunkData(_)
                | State::Close
                | State::Tunnel
                | State::ChunkLine
                | State::ChunkEnd
        ) {
            let len = match half.state {
                State::Body(left) | State::ChunkData(left) => len.min(left),
                State::ChunkLine | State::ChunkEnd => 0,
                _ => len,
            };
            half.passed = half.passed.saturating_add(len);
            out.tell(key, Input::Gap { side, offset, len });
        }
        if known {
            self.advance(side, len, out);
        } else {
            self.fail(side, &g::GAP, Some(format!("{len} bytes")), out);
        }
    }

    // ---- other protocols ---------------------------------------------------

    /// The server agrees: 101, or 2xx to CONNECT. The exchange ends; what follows
    /// is the other protocol's.
    fn switch(&mut self, key: u64, upgrade: bool, response: &Kept, out: &mut dyn Out) {
        if let Some(o) = self.exchange(key) {
            o.answered = true;
        }
        let offer = self.take_offer(key);
        let requested = match &offer {
            Some(Offer::Upgrade(k)) => Some(&**k),
            _ => None,
        };
        self.done(key, Side::Server, EndCause::Finished, out);
        let mut named = upgrade;
        let child = if let Some(t) = self.tunnel {
            t
        } else {
            if upgrade {
                self.judge_switch(requested, response, out);
            }
            let token = token(&response.headers)
                .or_else(|| requested.and_then(|k| token(&k.headers)))
                .unwrap_or_default();
            named = upgrade && !token.is_empty();
            self.open_tunnel(named.then_some(&*token), requested, out)
        };
        if named {
            response.tell(child, Side::Server, out);
        }
        let [client, server] = &mut self.halves;
        for h in [&mut *server, &mut *client] {
            // A request's body goes on as it began: `finish` switches behind it.
            if matches!(h.state, State::Head | State::Held) {
                h.state = State::Tunnel;
                h.key = child;
                h.passed = 0;
            }
        }
        if let Some(cause) = client.ended {
            out.tell(child, Input::End { side: Side::Client, cause });
        }
    }

    fn judge_switch(&self, request: Option<&Kept>, response: &Kept, out: &mut dyn Out) {
        let Some(token) = token(&response.headers) else {
            out.finding(Finding::new(&g::UPGRADE_UNNAMED));
            return;
        };
        // An orphan's request is not known, so neither is what it offered.
        if let Some(r) = request
            && !tokens(&r.headers).any(|t| t.eq_ignore_ascii_case(token.as_bytes()))
        {
            out.finding(Finding::new(&g::UPGRADE_NOT_OFFERED).with(token));
        }
    }

    fn open_tunnel(
        &mut self,
        token: Option<&str>,
        request: Option<&Kept>,
        out: &mut dyn Out,
    ) -> u64 {
        let key = self.new_key();
        self.tunnel = Some(key);
        match token {
            Some(t) => {
                out.open(Child { key, stream: None, carries: Carries::Named(t) });
                if let Some(k) = request {
                    k.tell(key, Side::Client, out);
                }
            }
            None => {
                out.open(Child { key, stream: None, carries: Carries::Bytes });
            }
        }
        key
    }

    /// The answer to a request for another protocol was not captured, and more
    /// came from the client: a request says that the server declined, anything
    /// else that it agreed.
    fn decide_alone(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Step {
        let [client, _] = &mut self.halves;
        if matches!(look(c.data), Looks::Request(true)) {
            client.state = State::Head;
            return Step::Go(0);
        }
        let key = client.key;
        let offer = self.take_offer(key);
        let child = match &offer {
            Some(Offer::Upgrade(k)) => self.open_tunnel(token(&k.headers).as_deref(), Some(k), out),
            _ => self.open_tunnel(None, None, out),
        };
        let [client, server] = &mut self.halves;
        client.state = State::Tunnel;
        client.key = child;
        client.passed = 0;
        if let Some(cause) = server.ended {
            out.tell(child, Input::End { side: Side::Server, cause });
        }
        Step::Go(0)
    }
}

/// Which exchange a response belongs to.
enum Awaited {
    Request(u64),
    Nobody,
    Peer,
}

/// When a section was captured.
#[derive(Clone, Copy, Debug)]
struct Seen {
    start: Moment,
    ready: Moment,
}

impl Seen {
    fn new(c: &Chunk<'_>, section: &Section, out: &mut dyn Out) -> Self {
        let last = (section.len as u64).saturating_sub(1);
        Self { start: out.moment(c.side, c.offset), ready: out.ready(c.side, c.offset + last) }
    }
}

impl Kept {
    fn tell(&self, key: u64, side: Side, out: &mut dyn Out) {
        out.tell(
            key,
            Input::Head(Head {
                side,
                headers: &self.headers,
                version: self.version,
                end: false,
                start: self.start,
                ready: self.ready,
                wire_len: self.wire_len,
                detail: self.detail.as_ref(),
            }),
        );
    }
}

/// The tokens of `Upgrade`, in order of preference (RFC 9110 §7.8).
fn tokens(headers: &Headers) -> impl Iterator<Item = &[u8]> {
    headers
        .all("upgrade")
        .flat_map(|v| v.split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|t| !t.is_empty())
}

/// The first of them, in lower case.
fn token(headers: &Headers) -> Option<String> {
    tokens(headers).next().map(|t| String::from_utf8_lossy(t).to_ascii_lowercase())
}

/// Bytes of empty lines at the front.
fn blank_lines(data: &[u8]) -> usize {
    let mut rest = data;
    while let [b'\r', b'\n', r @ ..] | [b'\n', r @ ..] = rest {
        rest = r;
    }
    data.len() - rest.len()
}
