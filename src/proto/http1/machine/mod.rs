//! The state of one HTTP/1 connection: RFC 9112.
//!
//! Each direction is a [`Half`] that walks from message to message; `open` holds
//! the exchanges whose request or response is still to end, oldest first, since
//! responses come in the order of their requests (§9.3.2).

use std::collections::VecDeque;

use crate::base::{Moment, Side};
use crate::event::Detail;
use crate::proto::http1::message::{Method, Scan};
use crate::proto::{Chunk, EndCause, Head, Headers, Input, Machine, Out, Progress, Want};

mod bodies;
mod ends;
mod heads;
mod lost;
mod switch;

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
    /// Behind missing bytes: the next message is looked for.
    Lost,
    /// Behind missing bytes of a chunked body: its next chunk is looked for, or the
    /// next message.
    LostChunk,
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
    /// So many bytes went missing where a request should be, and no answer to it
    /// has come: 101 would say that what follows is another protocol's.
    lost: Option<u64>,
    /// So many bytes went missing where the answer to an `Upgrade` should be; what
    /// comes behind them says whether it was that.
    hole: Option<u64>,
    /// Bytes went missing, and behind them nothing has been found yet.
    gone: bool,
    /// What came behind them waits for the peer.
    stuck: bool,
    /// Nothing but the line of a chunk's size can be among them: its digits.
    digits: Option<u32>,
    /// The child was not told of them: its bytes may be whole.
    untold: bool,
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
            lost: None,
            hole: None,
            gone: false,
            stuck: false,
            digits: None,
            untold: false,
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
    /// That child is what is in a tunnel (CONNECT), of which nothing is known.
    connect: bool,
    /// The server was waited for or heard without a client: one direction alone
    /// was captured, so far.
    alone: bool,
    /// An answer that agrees to another protocol waits for its request.
    agrees: bool,
    /// The client sends requests before it has the answers to those before: how many
    /// went missing with the bytes of a hole cannot be known.
    pipelines: bool,
    /// A request may have gone missing: what was captured before the next one does not
    /// answer it.
    strict: bool,
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
            connect: false,
            alone: false,
            agrees: false,
            pipelines: false,
            strict: false,
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
            let answer = self.half(c.side).lost.is_some() && !c.last;
            return Step::Stop(0, if answer { Want::Peer } else { Want::Nothing });
        }
        if c.data.is_empty() {
            return Step::Stop(0, Want::More(1));
        }
        if matches!(state, State::Body(_) | State::ChunkLine)
            && let Some(step) = self.withheld(c, out).or_else(|| self.headless(c, out))
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
            State::Lost | State::LostChunk => self.seek(c, out),
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
