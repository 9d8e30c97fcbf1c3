//! Protocols: what machines take, what they give, and which there are.
//!
//! A [`Machine`] belongs to one stream, both directions. It takes [`Input`]s,
//! emits events through [`Out`], and may open child streams: the engine finds a
//! machine for each and feeds it. No machine names another one.
//!
//! Nothing here does I/O, reads a clock or spawns a thread.

// Nothing from the wire is trusted: no panic can be reached from here.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

use std::ops::Range;

use crate::base::{Buffer, BufferId, Moment, Piece, Side};
use crate::event::{Detail, Draft, Level};
use crate::field::FieldSpec;
use crate::finding::{Finding, FindingSpec};

mod abort;
mod codings;
pub mod connect;
pub(crate) mod decoder;
mod forward;
pub mod grpc;
#[cfg(test)]
pub(crate) mod harness;
pub mod headers;
pub mod http;
pub mod http1;
pub mod http2;
mod path;
pub mod payload;
pub mod protobuf;
pub mod proxy;
pub mod secrets;
pub mod sse;
pub mod tls;
pub(crate) mod trace;
mod trials;
pub(crate) mod waited;
pub mod websocket;

pub use abort::{Abort, error_name};
pub use decoder::{InSession, Memo, PayloadDecoder, PayloadHint};
pub(crate) use forward::forward_out;
pub use headers::{HeaderField, Headers};
pub use path::{Acks, Path, Stall};
pub use registry::{REGISTRY, decode, decoders, decoders_learning, decoders_with, protocol};
pub use secrets::Secrets;

mod registry;

/// How many bytes a [gap](Input::Gap) lacks, in words.
#[must_use]
pub fn missing(len: u64) -> String {
    if len == 0 { "an unknown number of bytes".to_owned() } else { format!("{len} bytes") }
}

/// What can happen to a stream. The only vocabulary between protocols.
#[derive(Clone, Copy, Debug)]
pub enum Input<'a> {
    /// Bytes of one direction.
    Bytes(Chunk<'a>),
    /// A header section: a request's (from the client), a response's, an
    /// informational one (`:status` 1xx) included.
    Head(Head<'a>),
    /// A trailer section.
    Trailers(Head<'a>),
    /// One direction was aborted, with the code of the layer below (an HTTP/2
    /// error code; 0 for a TCP RST).
    Reset {
        /// Who aborted.
        side: Side,
        /// The code.
        code: u32,
    },
    /// `len` bytes of one direction were not captured; the next chunk begins
    /// at `offset + len`. With `len` 0 some were not captured, and nobody knows how
    /// many: frames of the layer below that may have carried any.
    Gap {
        /// Who sent them.
        side: Side,
        /// Stream offset of the first missing byte.
        offset: u64,
        /// How many are missing; 0 where that is not known.
        len: u64,
    },
    /// One direction ended.
    End {
        /// Whose.
        side: Side,
        /// How.
        cause: EndCause,
    },
    /// A datagram, whole.
    Datagram {
        /// Who sent it.
        side: Side,
        /// Its number in its direction, as the offset that `Out` takes: datagram
        /// bytes are counted as if they were a stream.
        offset: u64,
        /// Its bytes.
        data: &'a [u8],
    },
}

/// How a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EndCause {
    /// As the layer below ends it: FIN, END_STREAM, the end of a body.
    Finished,
    /// The layer below ended before the message did: a FIN before the last chunk.
    Cut,
    /// The capture ended.
    CaptureEnded,
    /// The engine let go of the conversation's state (`--mem`).
    Evicted,
}

/// Bytes of one direction.
///
/// What a machine does not take is kept and comes again, with more behind it.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// Who sent them.
    pub side: Side,
    /// Offset of `data[0]` in this direction of this stream.
    pub offset: u64,
    /// The bytes; never empty unless `last`.
    pub data: &'a [u8],
    /// No more will come behind these before a gap or the end, or waiting for
    /// the peer took too long: make of it what can be made.
    pub last: bool,
}

/// A header or trailer section with what is known of its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Head<'a> {
    /// Who sent it.
    pub side: Side,
    /// The fields; `:method`, `:path`, `:authority`, `:scheme`, `:status` for
    /// HTTP/1 as well.
    pub headers: &'a Headers,
    /// 10, 11 or 20.
    pub version: u8,
    /// No body follows, nor trailers: the direction ends with it (an `End`
    /// comes all the same).
    pub end: bool,
    /// Its first byte.
    pub start: Moment,
    /// The packet that completed it.
    pub ready: Moment,
    /// Bytes of the section on the wire.
    pub wire_len: u64,
    /// Its tree and buffers, where messages are looked at.
    pub detail: Option<&'a Detail>,
}

/// What a machine made of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Progress {
    /// Bytes taken from the front of the chunk; 0 for other inputs.
    pub took: usize,
    /// What it wants next from this direction.
    pub want: Want,
}

/// What a machine wants next from a direction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// At least so many bytes beyond those that it has not taken; 1 for any.
    More(usize),
    /// Something from the peer first. Bounded in bytes and in capture time;
    /// then the chunk comes again with `last` set.
    Peer,
    /// No more: what follows is nobody's.
    Nothing,
}

impl Progress {
    /// Took `n` bytes and is content with any more.
    #[must_use]
    pub const fn took(n: usize) -> Self {
        Self { took: n, want: Want::More(1) }
    }

    /// Took `n` bytes and can go on with `more` beyond what is left.
    #[must_use]
    pub const fn need(n: usize, more: usize) -> Self {
        Self { took: n, want: Want::More(if more == 0 { 1 } else { more }) }
    }

    /// Took `n` bytes and will take no more.
    #[must_use]
    pub const fn nothing(n: usize) -> Self {
        Self { took: n, want: Want::Nothing }
    }

    /// Took `n` bytes and waits for the peer.
    #[must_use]
    pub const fn peer(n: usize) -> Self {
        Self { took: n, want: Want::Peer }
    }
}

/// The state of one stream of one protocol, sans-io.
///
/// The events must not depend on how the bytes were cut into chunks.
pub trait Machine: Send {
    /// Takes one input. Bytes from the wire never make it fail or panic.
    fn feed(&mut self, input: Input<'_>, out: &mut dyn Out) -> Progress;

    /// A copy of the state, from which the stream can be run again, or `None`
    /// at a moment when that cannot be had (in the middle of an inflated
    /// message); the engine then asks again later.
    fn fork(&self) -> Option<Box<dyn Machine>>;

    /// Memory held, in bytes, to the accuracy that a budget needs.
    fn memory(&self) -> usize;
}

/// What a machine can do to the world.
pub trait Out {
    /// Whether events of this level should carry a [`Detail`]. May change
    /// between inputs: ask when an event begins, and build what was asked then.
    fn wants(&self, level: Level) -> bool;

    /// What comes of the next event of this level, for machines that can leave work
    /// undone which shows in the detail alone: see [`Look`].
    fn look(&self, _level: Level) -> Look {
        Look::Every
    }

    /// Whether events will be opened again from copies (`Machine::fork`), so that
    /// it is worth while to keep what makes that cheap.
    fn reopens(&self) -> bool {
        false
    }

    /// Asks for a copy (`Machine::fork`) behind this packet, where copies are made
    /// at all: what comes next is dear to run through again.
    fn mark(&mut self) {}

    /// How many bytes of a payload to keep for a detail.
    fn payload_cap(&self) -> usize;

    /// The packet that is being worked on.
    fn now(&self) -> Moment;

    /// The packet that carried the byte at `offset` of a direction of this stream.
    /// Known for what is in the current chunk, and not for long after.
    fn moment(&self, side: Side, offset: u64) -> Moment;

    /// The packet by which every byte up to and with `offset` had been captured:
    /// the one that completes an event whose last byte this is.
    fn ready(&self, side: Side, offset: u64) -> Moment;

    /// Where the bytes `range` of a direction lie; pieces count from 0. Known as
    /// long as [`Out::moment`]: collect them chunk by chunk (see [`Trace`]).
    fn pieces(&self, side: Side, range: Range<u64>, each: &mut dyn FnMut(Piece));

    /// An event.
    fn emit(&mut self, draft: Draft);

    /// Counts an event of which nothing is found, where nobody asks for more; else `false`: it
    /// is to be emitted. It saves who has many to draft them.
    fn count(&mut self, _level: Level) -> bool {
        false
    }

    /// A finding that belongs to no event.
    fn finding(&mut self, finding: Finding);

    /// The same of what lies before the packet that is being worked on: shown there.
    fn finding_at(&mut self, finding: Finding, _at: Moment) {
        self.finding(finding);
    }

    /// Inflated bytes, counted so that opening an event stays bounded.
    fn inflated(&mut self, bytes: u64);

    /// Opens a child stream under `child.key`, which must not be open.
    /// `false` where there are too many; what is passed to it is then opaque.
    fn open(&mut self, child: Child<'_>) -> bool;

    /// Passes bytes of the current chunk on to a child: `data` lies at `offset`
    /// of `side` of this stream.
    fn pass(&mut self, key: u64, side: Side, offset: u64, data: &[u8]);

    /// Passes on bytes that were made from `source` of this stream: decrypted
    /// (`exact`: byte for byte) or inflated (as a whole).
    fn pass_made(&mut self, key: u64, side: Side, source: Range<u64>, data: &[u8], exact: bool);

    /// Passes on bytes that came of opening an encrypted record, byte for byte: `record`
    /// is the whole of it in this stream, and the first of `data` lay sealed at `at`.
    /// They could be had when the whole record had been captured, not before.
    fn pass_opened(&mut self, key: u64, side: Side, _record: Range<u64>, at: u64, data: &[u8]) {
        self.pass_made(key, side, at..at.saturating_add(data.len() as u64), data, true);
    }

    /// Secrets of encrypted sessions.
    fn secrets(&self) -> &Secrets {
        Secrets::none()
    }

    /// Whether a machine may wait for secrets that it misses ([`Want::Peer`]): they may still
    /// come. Then nothing of the conversation is handed to it until they have, or until it
    /// has waited long enough; it is told so by the answer to its next question.
    fn await_secrets(&mut self) -> bool {
        false
    }

    /// Says that a session's secrets were of use: those that `slice` keeps.
    fn used_secrets(&mut self, _whose: &secrets::ClientRandom) {}

    /// Passes anything but bytes on to a child.
    fn tell(&mut self, key: u64, input: Input<'_>);

    /// Closes a child; it has been told the ends it should know.
    fn close(&mut self, key: u64);

    /// Has a payload decoded by whoever demands it, else by who knows it by its content. Fills the detail's payload and
    /// tree (spans in `buffer`) where there is a detail; gives findings either
    /// way. `None`: nobody knows it.
    fn decode(
        &mut self,
        hint: &PayloadHint<'_>,
        data: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>>;

    /// Whether a decoder [demands](PayloadDecoder::demands) payloads of this sort.
    fn demands(&self, _hint: &PayloadHint<'_>) -> bool {
        false
    }

    /// What schemas say of a method, where one is known.
    fn method_pattern(&self, path: &str) -> Option<&'static str>;

    /// How the abort came about that is being told of, or the end.
    fn abort(&self) -> Abort {
        Abort::Stream
    }

    /// Says so of the aborts that children are told of from now on.
    fn set_abort(&mut self, _abort: Abort) {}

    /// When the abort came that is being told of: before the packet that is being worked on
    /// where it had to wait for what the peer had sent by then.
    fn aborted_at(&self) -> Moment {
        self.now()
    }

    /// Says so of the aborts that children are told of from now on; `None` for now.
    fn set_aborted_at(&mut self, _at: Option<Moment>) {}

    /// How well the connection fares.
    fn path(&self) -> Path {
        Path::default()
    }

    /// `side` acknowledged something `ns` nanoseconds after it had been sent: see
    /// [`Path::acks`].
    fn acknowledged(&mut self, _side: Side, _ns: u64) {}

    /// By who sent it, how data of the stream waited for its receiver until the end or the
    /// abort that is being told of.
    fn stalls(&self) -> [Option<Stall>; 2] {
        [None; 2]
    }

    /// Says so of what children are told from now on.
    fn set_stalls(&mut self, _stalls: [Option<Stall>; 2]) {}
}

/// Which events of a level are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Look {
    /// Each may be: its lengths, findings and, where wanted, detail are all used.
    Every,
    /// One event is opened again, and it is the next of its level to be emitted.
    Next,
    /// One event is opened again, and it is not the next. Events must come all the
    /// same, in the same order; what they say is not used.
    Later,
}

/// A child stream to open.
#[derive(Clone, Copy, Debug)]
pub struct Child<'a> {
    /// Chosen by the parent; unique among its open children.
    pub key: u64,
    /// The HTTP/2 stream that it is.
    pub stream: Option<u64>,
    /// What it carries, which decides how a machine is found for it.
    pub carries: Carries<'a>,
}

/// How a machine is found for a child stream.
#[derive(Clone, Copy, Debug)]
pub enum Carries<'a> {
    /// Bytes of an unknown protocol: found by content.
    Bytes,
    /// Bytes of a protocol that both ends agreed to (an `Upgrade` token, an ALPN
    /// id, in lower case); content decides where no protocol has that token.
    /// After an upgrade its first inputs are the two heads.
    Named(&'a str),
    /// Bytes of an unknown protocol from somewhere in the middle: its beginning was not
    /// captured.
    Middle,
    /// `Head`, body bytes, `Trailers`: found by the first head.
    Exchange,
}

/// What probing sees of a stream: the first bytes of each direction.
#[derive(Clone, Copy, Debug)]
pub struct Probe<'a> {
    /// By [`Side::index`]. Sides may be guessed wrongly where no SYN was seen.
    pub data: [&'a [u8]; 2],
    /// No more will come: decide.
    pub last: bool,
    /// The bytes are the stream's first: its beginning was captured (a SYN), or
    /// another protocol derived it. Else it was joined somewhere in the middle.
    pub beginning: bool,
    /// Secrets of encrypted sessions: which of them fits may tell who the client is.
    pub secrets: &'a Secrets,
    /// More of them may come, and can be waited for ([`Verdict::Secrets`]).
    pub patient: bool,
}

/// What a protocol says of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is this protocol; `client` where the bytes tell who that is.
    Yes {
        /// The side, as numbered in the probe, that acts as the client.
        client: Option<Side>,
    },
    /// It may be.
    More,
    /// It is, and secrets that may still come would tell who the client is.
    Secrets,
    /// It is not.
    No,
}

/// What there is of an exchange where the connection was joined in the middle.
///
/// Asked of those that did not claim it: `More` waits for more of the exchange.
#[derive(Clone, Copy, Debug)]
pub enum Glimpse<'a> {
    /// A head; fields of it may be unknown. Whether nothing came before it.
    Head(&'a Head<'a>, bool),
    /// The first bytes of one direction's body that were captured.
    Body {
        /// The bytes.
        data: &'a [u8],
        /// No more will come: decide.
        last: bool,
        /// A head came before: the body's own first bytes are not missing.
        begun: bool,
    },
    /// Trailers.
    Trailers(&'a Head<'a>),
}

/// A protocol: one line of the registry.
pub struct Protocol {
    /// As in events.
    pub name: &'static str,
    /// For people: `WebSocket`.
    pub label: &'static str,
    /// Its fields, for `docs/FIELDS.md` and the filter language.
    pub fields: &'static [&'static [&'static FieldSpec]],
    /// Its findings, for `docs/FINDINGS.md`.
    pub findings: &'static [&'static FindingSpec],
    /// Knows it by its first bytes.
    pub probe: Option<fn(&Probe<'_>) -> Verdict>,
    /// Knows it by the first header section of an exchange.
    pub claims: Option<fn(&Head<'_>) -> bool>,
    /// Knows it by what there is of an exchange whose head was not captured, or
    /// not as a whole.
    pub glimpse: Option<fn(&Glimpse<'_>) -> Verdict>,
    /// Knows it by a datagram.
    pub datagram: Option<fn(&[u8]) -> bool>,
    /// `Upgrade` tokens and ALPN ids, in lower case.
    pub tokens: &'static [&'static str],
    /// A fresh machine; `None` for a payload format that has none.
    pub start: Option<fn() -> Box<dyn Machine>>,
}

/// Collects where an event's bytes lie, chunk by chunk: always its first
/// moment, and the pieces where somebody looks.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    start: Option<Moment>,
    buffer: Option<Buffer>,
}

impl Trace {
    /// A trace that keeps pieces if `wanted`, for a buffer with this label.
    #[must_use]
    pub fn new(wanted: bool, label: &'static str) -> Self {
        Self { start: None, buffer: wanted.then(|| Buffer::new(label)) }
    }

    /// Adds the bytes `range` of a direction.
    pub fn add(&mut self, out: &dyn Out, side: Side, range: Range<u64>) {
        if range.is_empty() {
            return;
        }
        if self.start.is_none() {
            self.start = Some(out.moment(side, range.start));
        }
        if let Some(b) = &mut self.buffer {
            out.pieces(side, range, &mut |p| {
                b.push(p.len, p.source, p.exact);
            });
        }
    }

    /// The first byte's packet; `otherwise` where there was no byte.
    #[must_use]
    pub fn start(&self, otherwise: Moment) -> Moment {
        self.start.unwrap_or(otherwise)
    }

    /// Whether pieces are kept.
    #[must_use]
    pub const fn is_kept(&self) -> bool {
        self.buffer.is_some()
    }

    /// The buffer, where pieces are kept; the trace is then empty.
    pub fn take(&mut self) -> Option<Buffer> {
        self.buffer.take()
    }

    /// Memory held, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.buffer
            .as_ref()
            .map_or(0, |b| b.bytes.capacity() + b.pieces.capacity() * size_of::<Piece>())
    }
}
