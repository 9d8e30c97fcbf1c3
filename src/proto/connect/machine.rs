//! The state of one call.

use crate::base::limits::MAX_GRPC_MESSAGE_BYTES;
use crate::base::{BufferId, Moment, Side, Span};
use crate::event::{Detail, Draft, Level};
use crate::facts::TraceId;
use crate::field::{In, NoSink, Value};
use crate::finding::Finding;
use crate::proto::codings::Codings;
use crate::proto::connect::call::Ended;
use crate::proto::connect::error::{CallError, Outcome};
use crate::proto::connect::wire::{self, ENVELOPE_LEN, Envelope};
use crate::proto::connect::{Codec, fields, findings};
use crate::proto::{Abort, Chunk, EndCause, Input, Machine, Out, Progress, Trace};

/// Bytes of a message in the making up to which a fork copies them.
const FORK_BYTES: usize = 64 << 10;
/// Room of a finished message that is kept for the next.
const REUSED_BYTES: usize = 64 << 10;

/// One call: a request and its response.
#[derive(Clone, Debug, Default)]
pub struct Call {
    pub(super) request: Option<Request>,
    pub(super) sides: [Direction; 2],
    /// It came over HTTP/1.1, where answers belong to requests by their order alone.
    pub(super) http1: bool,
    /// The status of HTTP.
    pub(super) status: Option<u16>,
    /// How it ended, by the server's word.
    pub(super) outcome: Option<Outcome>,
    /// The first byte that was seen of it.
    pub(super) start: Option<Moment>,
    /// The latest packet that did something.
    pub(super) last: Moment,
    /// The first of the answer.
    pub(super) answered: Option<Moment>,
    /// Nanoseconds to the end of the server's first message.
    pub(super) first_response: Option<u64>,
    /// Bytes of header sections and trailers as sent.
    pub(super) head_bytes: u64,
    /// What the call itself will be blamed for.
    pub(super) findings: Vec<Finding>,
    /// The server has answered, and what the client sent by then may still come: see `end`.
    answered_early: bool,
    /// The event of the call is out.
    pub(super) done: bool,
    /// Segments of the connection that had been sent again before.
    pub(super) retransmissions: u64,
}

/// What the request's head said.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    /// Without the query.
    pub(super) path: String,
    pub(super) is_get: bool,
    pub(super) timeout: Option<u64>,
    /// Ids by which calls know each other.
    pub(super) trace_ids: Vec<TraceId>,
}

/// What a body is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Body {
    /// One message.
    #[default]
    Whole,
    /// Messages in envelopes.
    Envelopes,
    /// The error of a call, or of something before the server.
    Error,
    /// Nothing that counts: the body of a GET.
    Nothing,
}

/// One direction of a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Direction {
    pub(super) has_head: bool,
    pub(super) body: Body,
    pub(super) codec: Option<Codec>,
    /// As written; empty where not seen.
    pub(super) content_type: String,
    /// The name of the compression; empty where there is none.
    pub(super) encoding: String,
    pub(super) codings: Option<Codings>,
    /// Messages that began; errors and ends of streams are none.
    pub(super) messages: u64,
    /// Bytes of them that were there.
    pub(super) bytes: u64,
    pub(super) current: Option<Part>,
    /// Its bytes, [`MAX_GRPC_MESSAGE_BYTES`] at most; reused.
    pub(super) kept: Vec<u8>,
    /// The end of the stream has been sent, or a unary body has ended.
    pub(super) over: bool,
    /// Bytes came behind it: it has been said.
    pub(super) said: bool,
    /// A gap: what follows cannot be told apart.
    pub(super) lost: bool,
    /// Its content type may be one of the fields of its head that were not captured.
    pub(super) type_unknown: bool,
    /// A message of it was not complete at the end.
    pub(super) cut_off: bool,
    /// A gap before anything was seen: the head may be in it.
    pub(super) missed: bool,
}

/// A message in the making.
#[derive(Clone, Debug)]
pub(super) struct Part {
    /// Of a message in a stream.
    pub(super) envelope: Option<Envelope>,
    /// Bytes of the message that came.
    pub(super) got: u64,
    pub(super) trace: Trace,
    pub(super) wanted: bool,
    pub(super) ready: Moment,
}

impl Part {
    /// Bytes that are missing; `None` where the end of the body tells.
    fn missing(&self) -> Option<u64> {
        self.envelope.map(|e| u64::from(e.length).saturating_sub(self.got))
    }
}

impl Call {
    /// Before its first head.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    pub(super) const fn side(&mut self, side: Side) -> &mut Direction {
        let [client, server] = &mut self.sides;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    /// The path, where the request was captured.
    pub(super) fn path(&self) -> Option<&str> {
        self.request.as_ref().map(|r| r.path.as_str()).filter(|p| !p.is_empty())
    }

    /// Whether the call is a stream, as far as heads have said.
    pub(super) fn is_stream(&self) -> bool {
        self.sides.iter().any(|d| d.codec.as_ref().is_some_and(|c| c.stream))
    }

    pub(super) fn saw(&mut self, start: Moment, ready: Moment, out: &dyn Out) {
        if self.start.is_none() {
            self.start = Some(start);
            self.retransmissions = out.path().retransmissions;
        }
        self.last = self.last.max(ready);
    }

    /// Said with the call's event, or by itself when that is out.
    pub(super) fn found(&mut self, finding: Finding, out: &mut dyn Out) {
        if self.done { out.finding(finding) } else { self.findings.push(finding) }
    }

    fn bytes(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Progress {
        let mut at = 0;
        loop {
            let rest = c.data.get(at..).unwrap_or_default();
            let offset = c.offset.saturating_add(at as u64);
            let d = self.side(c.side);
            if d.lost || d.body == Body::Nothing {
                return Progress::took(c.data.len());
            }
            if let Some(p) = &mut d.current {
                let take = match p.missing() {
                    Some(n) => usize::try_from(n).unwrap_or(usize::MAX).min(rest.len()),
                    None => rest.len(),
                };
                let piece = rest.get(..take).unwrap_or_default();
                let end = offset.saturating_add(take as u64);
                p.trace.add(out, c.side, offset..end);
                if take > 0 {
                    p.ready = out.ready(c.side, end - 1);
                }
                p.got = p.got.saturating_add(take as u64);
                at += take;
                let room = MAX_GRPC_MESSAGE_BYTES.saturating_sub(d.kept.len());
                d.kept.extend_from_slice(piece.get(..take.min(room)).unwrap_or_default());
                if p.missing() == Some(0) {
                    self.finish_kept(c.side, None, out);
                    continue;
                }
                return Progress::took(at);
            }
            if rest.is_empty() {
                return Progress::took(at);
            }
            if d.over {
                if !std::mem::replace(&mut d.said, true) {
                    self.found(Finding::new(&findings::AFTER_END), out);
                }
                return Progress::took(c.data.len());
            }
            let wanted = out.wants(Level::Message);
            let mut trace = Trace::new(wanted, "body");
            if d.body != Body::Envelopes {
                let ready = out.ready(c.side, offset);
                d.kept.clear();
                d.messages += u64::from(d.body == Body::Whole);
                d.current = Some(Part { envelope: None, got: 0, trace, wanted, ready });
                continue;
            }
            match wire::envelope(In::new(rest, BufferId(0), 0, &NoSink)) {
                Ok((_, envelope)) => {
                    at += ENVELOPE_LEN;
                    let end = offset.saturating_add(ENVELOPE_LEN as u64);
                    trace.add(out, c.side, offset..end);
                    let ready = out.ready(c.side, end - 1);
                    d.kept.clear();
                    d.messages += u64::from(!envelope.end_stream);
                    let start = trace.start(ready);
                    let envelope = Some(envelope);
                    d.current = Some(Part { envelope, got: 0, trace, wanted, ready });
                    self.saw(start, ready, out);
                }
                Err(_) if c.last => {
                    self.cut_envelope(c.side, offset, rest, out);
                    return Progress::took(c.data.len());
                }
                Err(_) => return Progress::need(at, ENVELOPE_LEN.saturating_sub(rest.len())),
            }
        }
    }

    /// Finishes the message in the making with the bytes that were kept of it.
    pub(super) fn finish_kept(&mut self, side: Side, cut: Option<Finding>, out: &mut dyn Out) {
        let kept = std::mem::take(&mut self.side(side).kept);
        self.finish(side, &kept, cut, out);
        if kept.capacity() <= REUSED_BYTES {
            self.side(side).kept = kept;
        }
    }

    /// One to four bytes where an envelope should be, and no more to come.
    fn cut_envelope(&mut self, side: Side, offset: u64, data: &[u8], out: &mut dyn Out) {
        let end = offset.saturating_add(data.len() as u64);
        let mut trace = Trace::new(out.wants(Level::Message), "body");
        trace.add(out, side, offset..end);
        let ready = out.ready(side, end.saturating_sub(1));
        let start = trace.start(ready);
        self.side(side).messages += 1;
        let text = format!("{} of the {ENVELOPE_LEN} bytes of an envelope", data.len());
        let span = Span::bytes(BufferId(0), 0, data.len() as u32);
        let detail = trace.take().map(|mut b| {
            b.bytes.extend_from_slice(data);
            let mut detail = Detail { summary: text.clone(), ..Detail::default() };
            detail.tree.add(&fields::CUT_ENVELOPE, Some(span), Value::Bytes(data.into()));
            detail.origins.add(b);
            Box::new(detail)
        });
        self.saw(start, ready, out);
        out.emit(Draft {
            sender: Some(side),
            complete: false,
            findings: vec![Finding::new(&findings::TRUNCATED).with(text).at(span)],
            detail,
            ..Draft::new(Level::Message, "connect", "message", start, ready)
        });
    }

    /// The body of a direction has ended.
    fn body_ends(&mut self, side: Side, why: Option<&str>, out: &mut dyn Out) {
        let d = self.side(side);
        let cut = match &d.current {
            None => {
                // An empty body is a message as well: one whose fields are all absent.
                let empty = d.has_head && d.body == Body::Whole && !d.over && !d.lost;
                d.over = true;
                if empty && why.is_none() {
                    self.empty_message(side, out);
                }
                return;
            }
            Some(p) => match (p.missing(), why) {
                (Some(n), _) => {
                    let text = format!("{} of {} bytes", p.got, p.got.saturating_add(n));
                    Some(Finding::new(&findings::TRUNCATED).with(text))
                }
                (None, Some(why)) => {
                    let text = format!("{} bytes: {why}", p.got);
                    Some(Finding::new(&findings::TRUNCATED).with(text))
                }
                (None, None) => None,
            },
        };
        d.over = true;
        d.cut_off = cut.is_some();
        self.finish_kept(side, cut, out);
    }

    fn empty_message(&mut self, side: Side, out: &mut dyn Out) {
        let wanted = out.wants(Level::Message);
        let ready = if self.last == Moment::default() { out.now() } else { self.last };
        let d = self.side(side);
        d.messages += 1;
        d.kept.clear();
        let trace = Trace::new(wanted, "body");
        d.current = Some(Part { envelope: None, got: 0, trace, wanted, ready });
        self.finish_kept(side, None, out);
    }

    fn end(&mut self, side: Side, cause: EndCause, out: &mut dyn Out) {
        let ended = match cause {
            EndCause::Finished | EndCause::Cut => {
                let cut = (cause == EndCause::Cut).then_some("the connection ended");
                self.body_ends(side, cut, out);
                if side == Side::Client {
                    if self.answered_early {
                        self.conclude(Ended::Response, out);
                    }
                    return;
                }
                // What the client sent in the meantime waits behind missing bytes, or has waited
                // and comes now: it is part of the call.
                let path = out.path();
                let late = self.last.packet < out.now().packet;
                let waits = late && path.gaps != [0; 2] || path.lacks(Side::Client);
                let [client, server] = &self.sides;
                if waits && cut.is_none() && server.has_head && !client.over {
                    self.answered_early = true;
                    return;
                }
                if (cut.is_some() || !server.has_head)
                    && let Some(ended) = self.left(out)
                {
                    self.conclude(ended, out);
                    return;
                }
                let server = self.side(Side::Server);
                // What waits behind missing bytes is missing as well, and the head with it.
                server.missed |= out.path().lacks(Side::Server);
                server.lost |= server.missed && cause == EndCause::Cut;
                if server.has_head { Ended::Response } else { Ended::NoResponse }
            }
            EndCause::CaptureEnded | EndCause::Evicted => {
                let (why, ended) = match cause {
                    EndCause::Evicted => ("its state was let go", Ended::Evicted),
                    _ => ("the capture ended", Ended::CaptureEnded),
                };
                // That of the server follows, unless it is the client's bytes alone of which
                // nobody knows how they went on.
                if side == Side::Client {
                    self.body_ends(side, Some(why), out);
                    if self.answered_early {
                        self.conclude(Ended::Response, out);
                    }
                    return;
                }
                let over = self.side(Side::Server).over && self.outcome.is_some();
                for s in Side::BOTH {
                    self.body_ends(s, Some(why), out);
                }
                if over { Ended::Response } else { ended }
            }
        };
        self.conclude(ended, out);
    }

    /// Whether a client that gives up now does so at its deadline.
    fn is_late(&self, now: Moment) -> bool {
        let elapsed = self.start.map_or(0, |s| now.time.since(s.time));
        // The client's clock ran before its request was on the wire.
        let timeout = self.request.as_ref().and_then(|r| r.timeout);
        timeout.is_some_and(|t| elapsed >= t.saturating_sub((t / 20).min(20_000_000)))
    }

    /// How a call ended without its answer whose client closed the connection first: over
    /// HTTP/1.1 that is how a client gives up. A client that took what came behind its FIN had
    /// closed its direction alone.
    fn left(&mut self, out: &dyn Out) -> Option<Ended> {
        let path = out.path();
        let unknown = path.gaps != [0; 2] || path.lacks(Side::Server) || path.guessed;
        let at = path.closed_first(Side::Client).filter(|_| !unknown && self.begun())?;
        let answered = self.outcome.is_some() || self.sides.iter().any(|d| d.missed);
        if answered || (self.last.time, self.last.packet) > (at.time, at.packet) {
            return None;
        }
        self.last = self.last.max(at);
        let late = self.is_late(at);
        Some(if late { Ended::Deadline } else { Ended::ConnectionLost(Side::Client, "FIN") })
    }

    /// Whether something of the request was captured: it is known how long the call took.
    pub(super) fn begun(&self) -> bool {
        self.request.is_some() || self.sides.first().is_some_and(|d| d.has_head || d.messages > 0)
    }

    fn reset(&mut self, side: Side, code: u32, out: &mut dyn Out) {
        if self.done {
            return;
        }
        // What came before an abort may be all of it.
        let answered = self.outcome.is_some() || self.answered_early;
        for s in Side::BOTH {
            self.body_ends(s, Some("the call was aborted"), out);
        }
        let now = out.aborted_at();
        let late = self.is_late(now);
        let ended = match (code, side, out.abort()) {
            _ if answered => Ended::Response,
            // What the server had said that it would not act on, and did not.
            (.., Abort::Goaway { last, error }) if !self.side(Side::Server).has_head => {
                Ended::Goaway { last, error }
            }
            (0 | 2 | 8, Side::Client, _) if late => Ended::Deadline,
            (.., Abort::Connection) => Ended::ConnectionLost(side, "RST"),
            (0, ..) => Ended::ConnectionLost(side, "NO_ERROR"),
            _ => Ended::Reset(code, side.name()),
        };
        self.last = self.last.max(now);
        self.conclude(ended, out);
    }

    fn gap(&mut self, side: Side, len: u64, out: &mut dyn Out) {
        let d = self.side(side);
        d.missed |= d.body == Body::Nothing;
        if d.lost || d.body == Body::Nothing {
            return;
        }
        d.lost = true;
        let finding = Finding::new(&findings::GAP).with(format!("{len} bytes from the {side}"));
        if d.current.is_some() {
            self.finish_kept(side, Some(finding), out);
        } else {
            self.found(finding, out);
        }
    }

    /// What the server's answer lacks when it is over.
    pub(super) fn settle(&mut self) {
        let stream = self.is_stream();
        let [_, server] = &self.sides;
        if self.outcome.is_some() || server.lost {
            return;
        }
        match (self.status, server.body) {
            (Some(200) | None, Body::Envelopes) => {
                self.findings.push(Finding::new(&findings::MISSING_END));
            }
            (Some(200), _) if !stream => self.outcome = Some(Outcome::default()),
            (Some(status), Body::Error) => {
                // Without a body.
                let error = Some(CallError::of_status(status));
                self.outcome = Some(Outcome { error, ..Outcome::default() });
                self.findings.push(Finding::new(&findings::HTTP_STATUS).with(status.to_string()));
            }
            _ => {}
        }
    }
}

impl Machine for Call {
    fn feed(&mut self, input: Input<'_>, out: &mut dyn Out) -> Progress {
        if let Input::Head(h) | Input::Trailers(h) = &input {
            self.head_bytes = self.head_bytes.saturating_add(h.wire_len);
        }
        match input {
            Input::Bytes(c) => return self.bytes(&c, out),
            Input::Head(h) if h.side == Side::Client => self.request_head(&h, out),
            Input::Head(h) => self.response_head(&h, out),
            Input::Trailers(h) => self.last = self.last.max(h.ready),
            Input::Reset { side, code } => self.reset(side, code, out),
            Input::Gap { side, len, .. } => self.gap(side, len, out),
            Input::End { side, cause } => self.end(side, cause, out),
            Input::Datagram { .. } => return Progress::nothing(0),
        }
        Progress::took(0)
    }

    fn fork(&self) -> Option<Box<dyn Machine>> {
        let held = self.sides.iter().any(|d| d.current.is_some() && d.kept.len() > FORK_BYTES);
        (!held).then(|| Box::new(self.clone()) as Box<dyn Machine>)
    }

    fn memory(&self) -> usize {
        let sides: usize = self
            .sides
            .iter()
            .map(|d| d.kept.capacity() + d.current.as_ref().map_or(0, |p| p.trace.memory()))
            .sum();
        size_of::<Self>() + sides
    }
}
