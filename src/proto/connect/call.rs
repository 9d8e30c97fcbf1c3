//! The exchange: what is said of a call when it has ended.

use std::sync::Arc;

use crate::base::Side;
use crate::base::time::human;
use crate::event::{Detail, Draft, Level};
use crate::facts::{CallFacts, Facts};
use crate::field::{FieldSpec, Tree, Value};
use crate::finding::Finding;
use crate::proto::Out;
use crate::proto::connect::heads::split_path;
use crate::proto::connect::machine::Call;
use crate::proto::connect::{fields, findings};
use crate::proto::waited::{Half, Waited};

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::enum_variant_names, reason = "that the capture ended is one of them")]
pub(super) enum Ended {
    /// With a response, be it an error.
    Response,
    /// Without one.
    NoResponse,
    /// The client's deadline passed, and it gave up.
    Deadline,
    /// The exchange was aborted: HTTP/2 error code, and by whom.
    Reset(u32, &'static str),
    /// The server had said GOAWAY: the last stream that it acts on, and why.
    Goaway { last: u32, error: u32 },
    /// The connection went away: who ended it, and how.
    ConnectionLost(Side, &'static str),
    /// The capture ended.
    CaptureEnded,
    /// The engine let go of the conversation.
    Evicted,
}

impl Ended {
    fn text(&self) -> String {
        match self {
            Self::Response => "response".into(),
            Self::NoResponse => "no response".into(),
            Self::Deadline => "deadline".into(),
            Self::Reset(code, by) => match crate::proto::error_name(*code) {
                Some(name) => format!("reset {name} by {by}"),
                None => format!("reset {code} by {by}"),
            },
            Self::Goaway { last, error } => {
                let why =
                    crate::proto::error_name(*error).map_or_else(|| error.to_string(), Into::into);
                format!("GOAWAY {why}, last stream {last}: never processed, safe to retry")
            }
            Self::ConnectionLost(..) => "connection lost".into(),
            Self::CaptureEnded => "capture ended".into(),
            Self::Evicted => "evicted".into(),
        }
    }

    /// The same, with who ended the connection.
    fn told(&self) -> String {
        match self {
            Self::ConnectionLost(by, how) => format!("connection lost: {how} by the {by}"),
            _ => self.text(),
        }
    }
}

/// The pattern that the numbers of messages of a stream speak for; which side streams
/// cannot be seen where both sent one.
const fn observed([up, down]: [u64; 2]) -> &'static str {
    match (up > 1, down > 1) {
        (true, true) => "bidi_streaming",
        (true, false) => "client_streaming",
        (false, _) => "server_streaming",
    }
}

impl Call {
    /// Emits the event of the call, once.
    pub(super) fn conclude(&mut self, ended: Ended, out: &mut dyn Out) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let mut below = out.path();
        below.retransmissions = below.retransmissions.saturating_sub(self.retransmissions);
        let told = |f: Finding, what: String| match (what.is_empty(), below.beside()) {
            (true, b) if b.is_empty() => f,
            (true, b) => f.with(b),
            (false, b) if b.is_empty() => f.with(what),
            (false, b) => f.with(format!("{what}; {b}")),
        };
        let path = out.path();
        // Streams of HTTP/2 are told of holes themselves. Over HTTP/1.1 nobody knows behind one
        // which answer is whose.
        let of_connection = self.http1 && path.gaps != [0; 2];
        let holed = of_connection || Side::BOTH.into_iter().any(|s| path.lacks(s));
        match &ended {
            Ended::Response => self.settle(),
            Ended::NoResponse if self.sides[1].missed || holed => {}
            Ended::NoResponse => {
                self.findings.push(told(Finding::new(&findings::NO_RESPONSE), String::new()));
            }
            Ended::Deadline => {
                self.findings.push(told(Finding::new(&findings::DEADLINE), String::new()));
            }
            Ended::Reset(..) | Ended::Goaway { .. } | Ended::ConnectionLost(..) => {
                self.findings.push(told(Finding::new(&findings::RESET), ended.told()));
            }
            Ended::CaptureEnded | Ended::Evicted => {}
        }
        let waited = self.stalled(&ended, out);
        let [up, down] = &self.sides;
        let messages = [up.messages, down.messages];
        let bytes = [up.bytes, down.bytes];
        let start = self.start.unwrap_or(out.now());
        // What was seen of it, where its request was not.
        let seen_for = self.last.time.since(start.time);
        let duration = self.begun().then_some(seen_for);
        // Perhaps it ended, with what is missing.
        let verdict = match (self.verdict(&ended), self.sides[1].has_head) {
            ("open" | "no response", false) if holed => "not captured",
            _ if waited.is_some_and(|(_, is_cause)| is_cause) => "flow control",
            (verdict, _) => verdict,
        };
        let detail = out.wants(Level::Exchange).then(|| {
            let mut d = self.call_detail(&ended, verdict, [duration, Some(seen_for)], out);
            number(&mut d.tree, &fields::FLOW_CONTROL, waited.map(|(ns, _)| ns));
            number(&mut d.tree, &fields::ROUND_TRIP, below.round_trip);
            number(&mut d.tree, &fields::RETRANSMISSIONS, Some(below.retransmissions));
            number(&mut d.tree, &fields::DURATION, duration);
            d.tree.close();
            Box::new(d)
        });
        let request = self.request.take().unwrap_or_default();
        let status = match &self.outcome {
            Some(o) => o.error.as_ref().map_or(o.bad.is_none().then_some(0), |e| e.number()),
            None => None,
        };
        #[allow(clippy::needless_update, reason = "facts grow")]
        let facts = CallFacts {
            path: request.path.into(),
            status,
            timeout_ns: request.timeout,
            trace_ids: request.trace_ids,
            verdict,
            requested: start,
            messages,
            bytes,
            head_bytes: self.head_bytes,
            first_response_ns: self.first_response,
            ..CallFacts::default()
        };
        out.emit(Draft {
            length: bytes.iter().fold(0, |a, b| a.saturating_add(*b)),
            complete: !matches!(ended, Ended::CaptureEnded | Ended::Evicted),
            findings: std::mem::take(&mut self.findings),
            facts: Some(Facts::Call(Arc::new(facts))),
            detail,
            ..Draft::new(Level::Exchange, "connect", "call", start, self.last)
        });
    }

    /// How long its data waited for its receiver, of the direction where that was longer, and
    /// whether that is why the call was given up, which is found.
    fn stalled(&mut self, ended: &Ended, out: &dyn Out) -> Option<(u64, bool)> {
        let stalls = out.stalls();
        if stalls == [None; 2] {
            return None;
        }
        let (span, unary) = ([self.start?, self.last], !self.is_stream());
        let asked = self.sides.first().is_some_and(|d| d.over);
        let begun = [self.start, self.answered];
        let each = Side::BOTH.into_iter().zip(stalls).zip(&self.sides).zip(begun);
        let waited = each.filter_map(|(((side, stall), d), begun)| {
            // One that is to be sent, whatever happens.
            let due = unary && (side == Side::Client || asked);
            let half = Half { begun, cut_off: d.cut_off, owes: due && d.messages == 0 };
            Waited::of(side, stall?, half, span)
        });
        let w = waited.max_by_key(|w| w.ns)?;
        let took = self.last.time.since(self.start?.time);
        let gave_up = match ended {
            Ended::Deadline | Ended::ConnectionLost(..) => true,
            Ended::Reset(code, _) => *code == 8,
            _ => false,
        };
        let is_cause = gave_up && w.is_cause(took, *ended == Ended::Deadline);
        if is_cause {
            let finding = Finding::new(&findings::FLOW_CONTROL).with(w.text(self.last));
            self.findings.push(finding.proved_by(w.proof(self.last)));
        }
        Some((w.ns, is_cause))
    }

    /// In one or two words, as of gRPC's calls.
    fn verdict(&self, ended: &Ended) -> &'static str {
        match ended {
            Ended::Response => match &self.outcome {
                Some(o) if o.error.is_none() && o.bad.is_none() => "ok",
                Some(_) => "error",
                None => "no response",
            },
            Ended::NoResponse => "no response",
            Ended::Deadline => "deadline",
            Ended::Reset(8, "client") => "cancelled",
            Ended::Reset(7, "server") | Ended::Goaway { .. } => "refused",
            Ended::Reset(..) => "reset",
            Ended::ConnectionLost(..) => "connection lost",
            Ended::CaptureEnded | Ended::Evicted => "open",
        }
    }

    fn call_detail(
        &self,
        ended: &Ended,
        verdict: &'static str,
        [duration, seen_for]: [Option<u64>; 2],
        out: &dyn Out,
    ) -> Detail {
        let [up, down] = &self.sides;
        let messages = [up.messages, down.messages];
        let seen = if self.is_stream() { observed(messages) } else { "unary" };
        let path = self.path();
        let known = path.and_then(|p| out.method_pattern(p));
        let mut d = Detail::default();
        let mut tree = Tree::new();
        tree.open(&fields::CONNECT, None);
        text(&mut tree, &fields::PATH, path);
        text(&mut tree, &fields::SERVICE, path.map(|p| split_path(p).0));
        text(&mut tree, &fields::METHOD, path.map(|p| split_path(p).1));
        let method = self.request.as_ref().map(|r| if r.is_get { "GET" } else { "POST" });
        text(&mut tree, &fields::HTTP_METHOD, method);
        let codec = up.codec.as_ref().or(down.codec.as_ref()).map(|c| &*c.name);
        text(&mut tree, &fields::CODEC, codec);
        text(&mut tree, &fields::PATTERN, Some(known.unwrap_or(seen)));
        text(&mut tree, &fields::PATTERN_OBSERVED, Some(seen));
        number(&mut tree, &fields::HTTP_STATUS, self.status.map(u64::from));
        d.tree = tree;
        if let Some(o) = &self.outcome {
            self.state(o, &mut d);
        }
        let tree = &mut d.tree;
        number(tree, &fields::TIMEOUT, self.request.as_ref().and_then(|r| r.timeout));
        number(tree, &fields::REQUEST_MESSAGES, Some(up.messages));
        number(tree, &fields::RESPONSE_MESSAGES, Some(down.messages));
        number(tree, &fields::REQUEST_BYTES, Some(up.bytes));
        number(tree, &fields::RESPONSE_BYTES, Some(down.bytes));
        text(tree, &fields::ENCODING, Some(up.encoding.as_str()).filter(|e| !e.is_empty()));
        let response = Some(down.encoding.as_str()).filter(|e| !e.is_empty());
        text(tree, &fields::RESPONSE_ENCODING, response);
        number(tree, &fields::FIRST_RESPONSE, self.first_response);
        text(tree, &fields::ENDED, Some(&ended.text()));
        text(tree, &fields::VERDICT, Some(verdict));
        let shown = path.map_or("(path not captured)", |p| p.strip_prefix('/').unwrap_or(p));
        let how = match (ended, &self.outcome) {
            (Ended::Response, Some(o)) => match &o.error {
                Some(e) => e.text(),
                None if o.bad.is_some() => "not understood".into(),
                None => "ok".into(),
            },
            (Ended::Response, None) => "ended without a word".into(),
            (Ended::Reset(8, by), _) => format!("cancelled by {by}"),
            (Ended::Goaway { .. }, _) => "refused by GOAWAY, never processed".into(),
            (Ended::Deadline, _) => "deadline exceeded, aborted by client".into(),
            (other, _) => other.told(),
        };
        let time = match (duration, seen_for) {
            (Some(ns), _) => human(ns),
            (None, None | Some(0)) => "its beginning was not captured".into(),
            (None, Some(ns)) => format!("{} seen, its beginning was not captured", human(ns)),
        };
        d.summary = format!("{shown} → {how}, {} up {} down, {time}", messages[0], messages[1]);
        d
    }
}

fn text(tree: &mut Tree, spec: &'static FieldSpec, value: Option<&str>) {
    if let Some(v) = value {
        tree.add(spec, None, Value::Text(v.into()));
    }
}

fn number(tree: &mut Tree, spec: &'static FieldSpec, value: Option<u64>) {
    if let Some(v) = value {
        tree.add(spec, None, Value::U64(v));
    }
}
