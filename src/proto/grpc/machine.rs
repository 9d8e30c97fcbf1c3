//! The state of one call.

use std::borrow::Cow;
use std::sync::Arc;

use crate::base::limits::MAX_GRPC_MESSAGE_BYTES;
use crate::base::{BufferId, Moment, Side};
use crate::event::Level;
use crate::facts::TraceId;
use crate::field::{In, NoSink};
use crate::finding::Finding;
use crate::proto::grpc::call::{self, Ended, Lost, Report, Status};
use crate::proto::grpc::encoding::Encoding;
use crate::proto::grpc::findings;
use crate::proto::grpc::glimpse;
use crate::proto::grpc::metadata::Timeout;
use crate::proto::grpc::resync::{self, Next};
use crate::proto::grpc::stall::{self, Waited};
use crate::proto::grpc::verdict::{self, Case};
use crate::proto::grpc::wire::{self, PREFIX_LEN, Prefix};
use crate::proto::{
    Abort, Chunk, EndCause, Input, Machine, Out, Progress, Trace, Verdict, missing,
};

/// Bytes of a message in the making up to which a fork copies them.
const FORK_BYTES: usize = 64 << 10;
/// Room of a finished message that is kept for the next: a larger one would stay
/// with each call for as long as its stream is open.
pub(super) const REUSED_BYTES: usize = 64 << 10;

/// The later of both by time; of the same time, by the order of the capture.
fn later(a: Moment, b: Moment) -> Moment {
    if (b.time, b.packet) > (a.time, a.packet) { b } else { a }
}

/// One call: both directions of one stream.
#[derive(Clone, Debug, Default)]
pub struct Call {
    pub(super) request: Option<Request>,
    pub(super) sides: [Direction; 2],
    pub(super) status: Option<Status>,
    /// The first byte that was seen of it.
    pub(super) start: Option<Moment>,
    /// The client's bytes were among what was seen: else nobody knows when it began.
    pub(super) asked_of: bool,
    /// The latest packet that did something.
    pub(super) last: Moment,
    /// The end of the server's first message, and of its last.
    pub(super) responses: Option<[Moment; 2]>,
    /// The first and the last that came of the server.
    pub(super) answered: Option<[Moment; 2]>,
    /// The packet with the status.
    pub(super) status_at: Option<Moment>,
    /// The last of the request, where the client has ended its direction.
    pub(super) asked: Option<Moment>,
    /// What is taken for the client has sent an answer.
    pub(super) mistaken: bool,
    /// The client's direction went with its connection.
    pub(super) hung_up: bool,
    /// The server has ended it, and the client has not yet: see `end`.
    pub(super) answered_early: bool,
    /// Bytes of header sections and trailers as sent.
    pub(super) head_bytes: u64,
    /// The status of HTTP.
    pub(super) http_status: Option<u64>,
    /// `grpc-retry-pushback-ms`.
    pub(super) pushback_ms: Option<i64>,
    /// Segments that had been sent again when it began.
    pub(super) retransmissions: u64,
    /// Runs of bytes that were missing by then.
    pub(super) gaps: [u32; 2],
    /// What the call itself will be blamed for.
    pub(super) findings: Vec<Finding>,
    /// Messages of which nobody knows what they are, and the first of them.
    pub(super) unread: Option<(u64, Moment)>,
    /// The event of the call is out.
    pub(super) done: bool,
    /// Inflated bytes, reused from message to message.
    pub(super) inflated: Vec<u8>,
}

/// What the request's head said.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) path: Arc<str>,
    pub(super) timeout: Option<Timeout>,
    pub(super) previous_attempts: Option<u32>,
    pub(super) trace_ids: Vec<TraceId>,
}

/// One direction of a call.
#[derive(Clone, Debug, Default)]
pub(super) struct Direction {
    pub(super) encoding: Encoding,
    /// The content type of this side's head; empty where not seen.
    pub(super) content_type: Cow<'static, str>,
    /// Messages that began.
    pub(super) messages: u64,
    /// Bytes of them that were there.
    pub(super) bytes: u64,
    /// What they would be as JSON, and of how many of them that is known.
    pub(super) json: [u64; 2],
    /// The message in the making.
    pub(super) current: Option<Current>,
    /// Its bytes, [`MAX_GRPC_MESSAGE_BYTES`] at most; reused.
    pub(super) body: Vec<u8>,
    /// It has been said that an encoding is not used.
    pub(super) said_uncompressed: bool,
    /// The head has been seen.
    pub(super) has_head: bool,
    /// What comes is no gRPC: the page of a proxy that answers instead of the server.
    pub(super) foreign: bool,
    /// Whether its first bytes are a message has been decided.
    pub(super) judged: bool,
    /// Behind missing bytes: the next message is looked for.
    pub(super) lost: bool,
    /// Nothing behind them has been looked at.
    pub(super) at_first: bool,
    /// Bytes that belong to a message of which others are missing.
    pub(super) skip: u32,
    /// Messages were found again behind missing bytes.
    pub(super) found: bool,
    /// Any number of bytes are missing, and with them whole messages perhaps.
    pub(super) holed: bool,
    /// Its last message was not complete at the end.
    pub(super) cut_off: bool,
}

impl Direction {
    /// Bytes of all messages as JSON, where every one of them has a type.
    fn json_bytes(&self) -> Option<u64> {
        let [bytes, known] = self.json;
        (known > 0 && known == self.messages).then_some(bytes)
    }
}

/// A message whose prefix has been read.
#[derive(Clone, Debug)]
pub(super) struct Current {
    pub(super) prefix: Prefix,
    /// Bytes of the message that came.
    pub(super) got: u32,
    /// Where they lay.
    pub(super) trace: Trace,
    /// Somebody looks.
    pub(super) wanted: bool,
    /// The packet that completed what has come so far.
    pub(super) ready: Moment,
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
        self.request.as_ref().map(|r| &*r.path).filter(|p| !p.is_empty())
    }

    /// Neither head says that this is gRPC: its bytes do.
    pub(super) fn is_inferred(&self) -> bool {
        self.request.is_none() || self.sides.iter().all(|d| d.content_type.is_empty())
    }

    pub(super) fn saw(&mut self, side: Side, start: Moment, ready: Moment, out: &dyn Out) {
        // What waited behind missing bytes comes late: the moments tell what was first.
        if self.start.is_some_and(|first| start.time < first.time) {
            self.start = Some(start);
        } else if self.start.is_none() {
            self.start = Some(start);
            let path = out.path();
            self.retransmissions = path.retransmissions;
            self.gaps = path.gaps;
        }
        self.asked_of |= side == Side::Client;
        self.last = later(self.last, ready);
        if side == Side::Server {
            let [_, last] = self.answered.get_or_insert([start, ready]);
            *last = later(*last, ready);
        }
    }

    fn bytes(&mut self, c: Chunk<'_>, out: &mut dyn Out) -> Progress {
        let mut at = 0;
        loop {
            let rest = c.data.get(at..).unwrap_or_default();
            let offset = c.offset.saturating_add(at as u64);
            let d = self.side(c.side);
            if d.foreign {
                return Progress::nothing(at);
            }
            if d.skip > 0 && !rest.is_empty() {
                let n = rest.len().min(d.skip as usize);
                // At most what is skipped.
                d.skip -= n as u32;
                at += n;
                continue;
            }
            if !d.has_head && !d.judged && !rest.is_empty() {
                match glimpse::by_body(rest, c.last) {
                    Verdict::More | Verdict::Secrets => return Progress::need(at, 1),
                    // Its bytes were joined within a message.
                    Verdict::No => (d.lost, d.at_first, d.holed) = (true, true, true),
                    Verdict::Yes { .. } => {}
                }
                d.judged = true;
            }
            if d.lost && !rest.is_empty() {
                match resync::find(rest, d.at_first, c.last) {
                    Next::Undecided => return Progress::need(at, (rest.len() / 4).max(1)),
                    Next::Behind(n) => at += n,
                    Next::At(n) => {
                        at += n;
                        d.lost = false;
                        d.found = true;
                    }
                }
                d.at_first = false;
                continue;
            }
            if let Some(m) = &mut d.current {
                let missing = m.prefix.length.saturating_sub(m.got) as usize;
                let take = missing.min(rest.len());
                let piece = rest.get(..take).unwrap_or_default();
                let end = offset.saturating_add(take as u64);
                m.trace.add(out, c.side, offset..end);
                if take > 0 {
                    m.ready = out.ready(c.side, end - 1);
                }
                at += take;
                // A message within one chunk is used where it lies.
                let whole = m.got == 0 && take == missing;
                // `take` is at most the length, which is a u32.
                m.got = m.got.saturating_add(take as u32);
                if whole {
                    if take <= MAX_GRPC_MESSAGE_BYTES {
                        self.finish(c.side, piece, None, out);
                    } else {
                        let kept = piece.get(..MAX_GRPC_MESSAGE_BYTES).unwrap_or_default();
                        self.finish(c.side, kept, None, out);
                    }
                    continue;
                }
                let room = MAX_GRPC_MESSAGE_BYTES.saturating_sub(d.body.len());
                d.body.extend_from_slice(piece.get(..take.min(room)).unwrap_or_default());
                if m.got == m.prefix.length {
                    self.finish_kept(c.side, None, out);
                    continue;
                }
                return Progress::took(at);
            }
            if rest.is_empty() {
                return Progress::took(at);
            }
            match wire::prefix(In::new(rest, BufferId(0), 0, &NoSink)) {
                Ok((_, prefix)) => {
                    at += PREFIX_LEN;
                    let end = offset.saturating_add(PREFIX_LEN as u64);
                    let wanted = out.wants(Level::Message);
                    let mut trace = Trace::new(wanted, "DATA");
                    trace.add(out, c.side, offset..end);
                    let ready = out.ready(c.side, end - 1);
                    d.messages += 1;
                    d.body.clear();
                    let start = trace.start(ready);
                    d.current = Some(Current { prefix, got: 0, trace, wanted, ready });
                    self.saw(c.side, start, ready, out);
                }
                Err(_) if c.last => {
                    self.cut_prefix(c.side, offset, rest, out);
                    return Progress::took(c.data.len());
                }
                Err(_) => return Progress::need(at, PREFIX_LEN.saturating_sub(rest.len())),
            }
        }
    }

    /// Finishes the message in the making with the bytes that were kept of it.
    pub(super) fn finish_kept(&mut self, side: Side, cut: Option<Finding>, out: &mut dyn Out) {
        let body = std::mem::take(&mut self.side(side).body);
        self.finish(side, &body, cut, out);
        if body.capacity() <= REUSED_BYTES {
            self.side(side).body = body;
        }
    }

    /// A message in the making will not be completed.
    fn cut(&mut self, side: Side, why: &str, out: &mut dyn Out) {
        let d = self.side(side);
        if let Some(m) = &d.current {
            d.cut_off = true;
            // What the peer sent of it before it heard of an abort.
            d.skip = m.prefix.length.saturating_sub(m.got);
            let text = format!("{} of {} bytes: {why}", m.got, m.prefix.length);
            let finding = Finding::new(&findings::TRUNCATED).with(text);
            self.finish_kept(side, Some(finding), out);
        }
    }

    fn gap(&mut self, side: Side, len: u64, out: &mut dyn Out) {
        let finding = Finding::new(&findings::GAP);
        let finding = finding.with(format!("{} from the {side}", missing(len)));
        let d = self.side(side);
        let again = d.lost;
        // Where the message ends is known if it is known how much of it is missing.
        let within = d.current.as_ref().map_or(d.skip, |m| m.prefix.length.saturating_sub(m.got));
        let here = u64::from(within) >= len && len > 0;
        d.skip = if here { within.saturating_sub(len as u32) } else { 0 };
        if !here {
            d.lost = true;
            d.at_first = true;
            d.holed = true;
        }
        if again {
            return;
        }
        if d.current.is_some() {
            self.finish_kept(side, Some(finding), out);
        } else if !self.done {
            self.findings.push(finding);
        } else {
            out.finding(finding);
        }
    }

    fn end(&mut self, side: Side, cause: EndCause, out: &mut dyn Out) {
        let has_status = self.status.is_some();
        let ended = match cause {
            EndCause::Finished | EndCause::Cut => {
                self.cut(side, "the stream ended", out);
                if side == Side::Client {
                    let (now, cut) = (out.now(), cause == EndCause::Cut);
                    self.hung_up = cut;
                    if !cut {
                        self.asked.get_or_insert(now);
                    }
                    if self.answered_early {
                        self.conclude(Ended::Status, out);
                    }
                    return;
                }
                // What the client sent in the meantime waits behind missing bytes, or has waited
                // and comes now: it is part of the call.
                let late = self.status_at.is_some_and(|at| at.packet < out.now().packet);
                let path = out.path();
                let waits = late && path.gaps != [0; 2] || path.lacks(Side::Client);
                if waits && has_status && self.asked.is_none() {
                    self.answered_early = true;
                    return;
                }
                match (has_status, cause) {
                    (true, _) => Ended::Status,
                    (false, EndCause::Cut) => {
                        let by = if self.hung_up { Side::Client } else { Side::Server };
                        self.last = later(self.last, out.aborted_at());
                        self.refused(out).unwrap_or(Ended::ConnectionLost(by, Lost::Fin))
                    }
                    _ => Ended::NoStatus,
                }
            }
            EndCause::CaptureEnded | EndCause::Evicted => {
                let (why, ended) = match cause {
                    EndCause::Evicted => ("its state was let go", Ended::Evicted),
                    _ => ("the capture ended", Ended::CaptureEnded),
                };
                let ended = if has_status { Ended::Status } else { ended };
                // That of the server follows, unless it is the client's bytes alone of which
                // nobody knows how they went on.
                if side == Side::Client {
                    self.cut(side, why, out);
                    if self.answered_early {
                        self.conclude(Ended::Status, out);
                    }
                    return;
                }
                for s in Side::BOTH {
                    self.cut(s, why, out);
                }
                ended
            }
        };
        self.conclude(ended, out);
    }

    fn reset(&mut self, side: Side, code: u32, out: &mut dyn Out) {
        if self.done {
            return;
        }
        for s in Side::BOTH {
            self.cut(s, "the stream was reset", out);
        }
        let ended = match out.abort() {
            _ if self.status.is_some() => Ended::Status,
            Abort::Connection => Ended::ConnectionLost(side, Lost::Rst),
            Abort::Goaway { .. } | Abort::Stream => {
                self.refused(out).unwrap_or(Ended::Reset(code, side))
            }
        };
        self.last = later(self.last, out.aborted_at());
        self.conclude(ended, out);
    }

    /// The server has said that it would not act on the call, and did not.
    fn refused(&self, out: &dyn Out) -> Option<Ended> {
        match out.abort() {
            Abort::Goaway { last, error } if self.answered.is_none() => {
                Some(Ended::Goaway { last, error, side: Side::Server })
            }
            _ => None,
        }
    }

    /// How data waited for its receiver, of the direction where that was longer.
    fn waited(&self, span: [Moment; 2], out: &dyn Out) -> Option<Waited> {
        let stalls = out.stalls();
        if stalls == [None; 2] {
            return None;
        }
        let pattern = self.path().and_then(|p| out.method_pattern(p));
        let begun = [self.start, self.answered.map(|[first, _]| first)];
        let each = Side::BOTH.into_iter().zip(stalls).zip(&self.sides).zip(begun);
        let waited = each.filter_map(|(((side, stall), d), begun)| {
            // One that is to be sent, whatever happens.
            let due = match (side, pattern) {
                (Side::Server, _) if self.asked.is_none() => false,
                (Side::Server, Some("server_streaming" | "bidi_streaming")) => false,
                (Side::Server, _) => true,
                (Side::Client, p) => matches!(p, Some("unary" | "server_streaming")),
            };
            let owes = due && d.messages == 0;
            let half = stall::Half { begun, cut_off: d.cut_off, owes };
            Waited::of(side, stall?, half, span)
        });
        waited.max_by_key(|w| w.ns)
    }

    /// How it ended, where the client was gone by then: when it went. What a server says of a
    /// call whose connection it has lost, a status of its own or an abort, is for nobody.
    fn gone(&self, ended: &Ended, out: &dyn Out) -> Option<Moment> {
        let by = |m: Moment| (m.time, m.packet);
        let gone = out.path().closed_first(Side::Client)?;
        let code = self.status.as_ref().and_then(|s| s.code);
        match ended {
            Ended::Status => {
                let lost = matches!(code, Some(verdict::CANCELLED | verdict::UNAVAILABLE));
                lost && self.status_at.is_some_and(|at| by(gone) < by(at))
            }
            Ended::Reset(_, Side::Server) => by(gone) < by(self.last),
            Ended::ConnectionLost(..) => true,
            // Over HTTP/1 nobody says more.
            Ended::NoStatus => {
                let silent = self.sides.iter().all(|d| d.messages == 0 || d.has_head)
                    && self.http_status.is_none();
                silent && by(gone) < by(self.last)
            }
            _ => false,
        }
        .then_some(gone)
    }

    /// Emits the event of the call, once.
    fn conclude(&mut self, mut ended: Ended, out: &mut dyn Out) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let mut list = std::mem::take(&mut self.findings);
        // Behind a hole it may be told late.
        if ended == Ended::NoStatus && out.path().gaps == [0; 2] {
            self.last = self.last.max(out.now());
        }
        let start = self.start.unwrap_or(out.now());
        let is_open = matches!(ended, Ended::CaptureEnded | Ended::Evicted);
        let gone = self.gone(&ended, out);
        if gone.is_some() {
            ended = Ended::ConnectionLost(Side::Client, Lost::Fin);
        }
        let end = match ended {
            _ if let Some(gone) = gone => gone,
            Ended::Status => self.status_at.unwrap_or(self.last),
            _ if is_open => out.now(),
            _ => self.last,
        };
        let timeout = self.request.as_ref().and_then(|r| r.timeout?.nanos());
        let [client, server] = &self.sides;
        let messages = [client.messages, server.messages];
        let mut path = out.path();
        // What waits behind bytes that are missing is missing as well.
        let holed = server.holed || path.lacks(Side::Server);
        // Behind a hole nothing came of the server any more.
        let gone = path.gaps != self.gaps || Side::BOTH.into_iter().any(|s| path.lacks(s));
        let silent = self.answered.is_none() || server.holed && !server.found;
        let waited = self.waited([start, end], out);
        let headless = self.status.is_none() && self.sides.iter().all(|d| !d.has_head);
        let sides_unknown = (headless || self.mistaken) && path.guessed;
        let in_part = !client.has_head || self.sides.iter().any(|d| d.holed);
        let mut verdict = verdict::judge(&Case {
            ended: &ended,
            status: self.status.as_ref(),
            http_status: self.http_status,
            // Without its request it is not known when it began.
            timeout: timeout.filter(|_| client.has_head),
            start,
            end,
            asked: self.asked,
            answered: self.answered.filter(|[first, _]| first.packet < end.packet),
            messages,
            holed,
            // An abort may come behind its last message, where nobody tells of holes.
            asked_in_part: client.holed || path.lacks(Side::Client) || path.gaps[0] > self.gaps[0],
            asked_in_full: client.has_head,
            waited,
            out_of_sight: gone && silent,
            sides_unknown,
            status_at: self.status_at,
        });
        path.retransmissions = path.retransmissions.saturating_sub(self.retransmissions);
        list.extend(verdict.finding(|| path.beside()));
        list.extend(verdict.reason());
        let not_200 = self.http_status.filter(|s| *s != 200);
        // Without what only one side says, not even who is the server is certain.
        let has_head = self.path().is_some() || self.http_status.is_some();
        let ours = !self.sides.iter().any(|d| d.foreign);
        if ended == Ended::NoStatus && not_200.is_none() && has_head && !holed && ours {
            let finding = Finding::new(&findings::MISSING_TRAILERS);
            list.push(finding.proved_by([start.packet, end.packet]));
        }
        let since = |m: Moment| m.time.since(start.time);
        let trace_ids = self.request.as_mut().map(|r| std::mem::take(&mut r.trace_ids));
        let trace_ids = trace_ids.unwrap_or_default();
        let [client, server] = &self.sides;
        let report = Report {
            path: self.request.as_ref().map(|r| &r.path).filter(|p| !p.is_empty()),
            status: self.status.as_ref(),
            timeout,
            messages,
            bytes: [client.bytes, server.bytes],
            head_bytes: self.head_bytes,
            json: [client.json_bytes(), server.json_bytes()],
            encodings: [client.encoding.name(), server.encoding.name()],
            responses: self.responses.filter(|_| self.asked_of).map(|r| r.map(since)),
            verdict,
            http_status: not_200,
            path_below: path,
            waited: waited.map(|w| w.ns),
            age: is_open.then(|| since(out.now())),
            previous_attempts: self.request.as_ref().and_then(|r| r.previous_attempts),
            pushback_ms: self.pushback_ms,
            trace_ids,
            unread: self.unread,
            ended,
            start,
            end: self.last,
            begun: self.asked_of,
            sides_unknown,
            in_part,
            inferred: self.is_inferred(),
            findings: list,
        };
        call::emit(report, out);
    }
}

impl Machine for Call {
    fn feed(&mut self, input: Input<'_>, out: &mut dyn Out) -> Progress {
        if let Input::Head(h) | Input::Trailers(h) = &input {
            self.head_bytes = self.head_bytes.saturating_add(h.wire_len);
        }
        if let Input::Head(h) | Input::Trailers(h) = &input
            && h.side == Side::Client
        {
            let of_answer = [":status", "grpc-status"];
            self.mistaken |= of_answer.iter().any(|n| h.headers.known(n).is_some());
        }
        if let Input::Head(h) = &input {
            // No message stands before it, so nothing is missing of what follows.
            let d = self.side(h.side);
            (d.lost, d.holed, d.skip) = (false, false, 0);
        }
        match input {
            Input::Bytes(c) => return self.bytes(c, out),
            Input::Head(h) if h.side == Side::Client => self.request_head(&h, out),
            Input::Head(h) => self.response_head(&h, out),
            Input::Trailers(h) => self.trailers(&h, out),
            Input::Reset { side, code } => self.reset(side, code, out),
            Input::Gap { side, len, .. } => {
                self.gap(side, len, out);
            }
            Input::End { side, cause } => self.end(side, cause, out),
            Input::Datagram { .. } => return Progress::nothing(0),
        }
        Progress::took(0)
    }

    fn fork(&self) -> Option<Box<dyn Machine>> {
        let held = self.sides.iter().any(|d| d.current.is_some() && d.body.len() > FORK_BYTES);
        (!held).then(|| Box::new(self.clone()) as Box<dyn Machine>)
    }

    fn memory(&self) -> usize {
        let sides: usize = self
            .sides
            .iter()
            .map(|d| d.body.capacity() + d.current.as_ref().map_or(0, |m| m.trace.memory()))
            .sum();
        size_of::<Self>() + sides + self.inflated.capacity()
    }
}
