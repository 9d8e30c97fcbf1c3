//! The exchange: what is said of a call when it has ended.

use std::sync::Arc;

use crate::base::limits::MAX_STATS_NAME;
use crate::base::time::human;
use crate::base::{Moment, Side};
use crate::event::{Detail, Draft, Level};
use crate::facts::{CallFacts, Facts, TraceId};
use crate::field::{FieldSpec, Tree, Value};
use crate::finding::Finding;
use crate::proto::grpc::metadata::split_path;
use crate::proto::grpc::verdict::{NOT_CAPTURED, Verdict};
use crate::proto::grpc::{fields, findings};
use crate::proto::{Out, Path};

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::enum_variant_names, reason = "that the capture ended is one of them")]
pub(super) enum Ended {
    /// With a status from the server.
    Status,
    /// The server ended the stream without one.
    NoStatus,
    /// The stream was aborted: HTTP/2 error code, and by whom.
    Reset(u32, Side),
    /// The server will not act on it (RFC 9113 §6.8).
    Goaway {
        /// The last stream that it may have acted on.
        last: u32,
        /// Why.
        error: u32,
        /// Who said so.
        side: Side,
    },
    /// The connection went away: who ended it first, and how.
    ConnectionLost(Side, Lost),
    /// The capture ended.
    CaptureEnded,
    /// The engine let go of the conversation.
    Evicted,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lost {
    /// By FIN.
    Fin,
    /// By RST.
    Rst,
}

impl Lost {
    /// As in TCP.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Fin => "FIN",
            Self::Rst => "RST",
        }
    }
}

impl Ended {
    fn text(&self, verdict: &Verdict, sides_unknown: bool) -> String {
        let (cause, is_deadline) = (verdict.cause, verdict.is_deadline());
        let named = |code: u32| match crate::proto::error_name(code) {
            Some(name) => name.to_owned(),
            None => code.to_string(),
        };
        match self {
            Self::Status => "status".into(),
            _ if cause == NOT_CAPTURED => cause.into(),
            Self::NoStatus => "no status".into(),
            Self::Reset(8, Side::Client) | Self::ConnectionLost(Side::Client, _) if is_deadline => {
                "deadline".into()
            }
            Self::Reset(code, _) if sides_unknown => format!("reset {}", named(*code)),
            Self::Reset(code, by) => format!("reset {} by {by}", named(*code)),
            Self::Goaway { error, side, .. } => format!("goaway {} by {side}", named(*error)),
            Self::ConnectionLost(..) => "connection lost".into(),
            Self::CaptureEnded => "capture ended".into(),
            Self::Evicted => "evicted".into(),
        }
    }
}

/// The status that the server gave.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Status {
    /// `grpc-status`, where it is a number.
    pub(super) code: Option<u64>,
    /// `grpc-message`, decoded.
    pub(super) message: Option<String>,
    /// It may be among the fields of the trailers that were not captured.
    pub(super) not_captured: bool,
}

impl Status {
    /// `OK`, `5 NOT_FOUND "no such user"`, `99`.
    pub(super) fn text(&self) -> String {
        let mut text = match self.code {
            Some(0) => "OK".to_owned(),
            Some(n) => match fields::status_name(n) {
                Some(name) => format!("{n} {name}"),
                None => n.to_string(),
            },
            None if self.not_captured => "status not captured".to_owned(),
            None => "malformed status".to_owned(),
        };
        if let Some(m) = self.message.as_ref().filter(|m| !m.is_empty()) {
            text.push_str(&format!(" {m:?}"));
        }
        text
    }
}

/// What the machine knows when a call ends.
#[derive(Clone, Debug)]
pub(super) struct Report<'a> {
    pub(super) path: Option<&'a Arc<str>>,
    pub(super) status: Option<&'a Status>,
    pub(super) ended: Ended,
    pub(super) timeout: Option<u64>,
    /// Messages, client's and server's.
    pub(super) messages: [u64; 2],
    /// Bytes of messages, client's and server's.
    pub(super) bytes: [u64; 2],
    /// Bytes of header sections and trailers.
    pub(super) head_bytes: u64,
    /// What they would have as JSON, where that is known.
    pub(super) json: [Option<u64>; 2],
    /// Encodings, client's and server's; empty where not seen.
    pub(super) encodings: [&'a str; 2],
    /// Nanoseconds to the end of the server's first message, and of its last.
    pub(super) responses: Option<[u64; 2]>,
    pub(super) verdict: Verdict,
    /// The status of HTTP, where it is not 200.
    pub(super) http_status: Option<u64>,
    /// Segments sent again while it lasted, and the round trip of its connection.
    pub(super) path_below: Path,
    /// Nanoseconds that its data waited for its receiver.
    pub(super) waited: Option<u64>,
    /// Of a call that is open: how long, when no more was seen.
    pub(super) age: Option<u64>,
    /// `grpc-previous-rpc-attempts`.
    pub(super) previous_attempts: Option<u32>,
    /// `grpc-retry-pushback-ms`.
    pub(super) pushback_ms: Option<i64>,
    pub(super) trace_ids: Vec<TraceId>,
    /// Messages of which nobody knows what they are, and the first of them.
    pub(super) unread: Option<(u64, Moment)>,
    pub(super) start: Moment,
    pub(super) end: Moment,
    /// Something of the request was captured: it is known how long the call took.
    pub(super) begun: bool,
    /// Who is the server is a guess.
    pub(super) sides_unknown: bool,
    /// Messages may be missing: what is counted was seen.
    pub(super) in_part: bool,
    pub(super) inferred: bool,
    pub(super) findings: Vec<Finding>,
}

/// The pattern that the numbers of messages speak for.
///
/// No message counts as one where that is how such a call fails (an error
/// instead of a response, a client that gave up before its request). In a call
/// that ended with OK both sides of a unary call have sent one: none at all is
/// then an empty stream.
pub(super) const fn observed([up, down]: [u64; 2], ok: bool) -> &'static str {
    let many_up = up > 1 || ok && up == 0;
    let many_down = down > 1 || ok && down == 0;
    match (many_up, many_down) {
        (false, false) => "unary",
        (false, true) => "server_streaming",
        (true, false) => "client_streaming",
        (true, true) => "bidi_streaming",
    }
}

impl Report<'_> {
    /// The path, cut to what is kept of one.
    fn path_text(&self) -> Arc<str> {
        let Some(path) = self.path else { return Arc::default() };
        if path.len() <= MAX_STATS_NAME {
            return Arc::clone(path);
        }
        let cut = (0..=MAX_STATS_NAME).rev().find(|n| path.is_char_boundary(*n));
        path.get(..cut.unwrap_or(0)).unwrap_or_default().into()
    }
}

/// Emits the event of the call.
pub(super) fn emit(mut r: Report<'_>, out: &mut dyn Out) {
    let code = r.status.and_then(|s| s.code);
    let ([up, down], [bytes_up, bytes_down]) = (r.messages, r.bytes);
    let [encoding_up, encoding_down] = r.encodings;
    let seen = observed(r.messages, code == Some(0));
    let known = r.path.and_then(|p| out.method_pattern(p));
    if let Some(pattern) = known {
        let one_up = matches!(pattern, "unary" | "server_streaming");
        let one_down = matches!(pattern, "unary" | "client_streaming");
        if one_up && up > 1 || one_down && down > 1 {
            let text = format!("{pattern}, but {} up, {} down", up, down);
            r.findings.push(Finding::new(&findings::TOO_MANY_MESSAGES).with(text));
        }
    }
    let seen_for = r.end.time.since(r.start.time);
    let duration = r.begun.then_some(seen_for);
    let detail = out.wants(Level::Exchange).then(|| {
        let mut tree = Tree::new();
        tree.open(&fields::GRPC, None);
        text(&mut tree, &fields::PATH, r.path.map(|p| &**p));
        text(&mut tree, &fields::SERVICE, r.path.map(|p| split_path(p).0));
        text(&mut tree, &fields::METHOD, r.path.map(|p| split_path(p).1));
        text(&mut tree, &fields::PATTERN, Some(known.unwrap_or(seen)));
        text(&mut tree, &fields::PATTERN_OBSERVED, Some(seen));
        number(&mut tree, &fields::STATUS_CODE, code);
        text(&mut tree, &fields::STATUS_MESSAGE, r.status.and_then(|s| s.message.as_deref()));
        number(&mut tree, &fields::TIMEOUT, r.timeout);
        number(&mut tree, &fields::REQUEST_MESSAGES, Some(up));
        number(&mut tree, &fields::RESPONSE_MESSAGES, Some(down));
        number(&mut tree, &fields::REQUEST_BYTES, Some(bytes_up));
        number(&mut tree, &fields::RESPONSE_BYTES, Some(bytes_down));
        number(&mut tree, &fields::REQUEST_JSON_BYTES, r.json[0]);
        number(&mut tree, &fields::RESPONSE_JSON_BYTES, r.json[1]);
        text(&mut tree, &fields::ENCODING, Some(encoding_up).filter(|e| !e.is_empty()));
        text(&mut tree, &fields::RESPONSE_ENCODING, Some(encoding_down).filter(|e| !e.is_empty()));
        number(&mut tree, &fields::FIRST_RESPONSE, r.responses.map(|[first, _]| first));
        number(&mut tree, &fields::LAST_RESPONSE, r.responses.map(|[_, last]| last));
        text(&mut tree, &fields::ENDED, Some(&r.ended.text(&r.verdict, r.sides_unknown)));
        text(&mut tree, &fields::VERDICT, Some(r.verdict.cause).filter(|c| !c.is_empty()));
        text(&mut tree, &fields::WHY, Some(&*r.verdict.text).filter(|t| !t.is_empty()));
        number(&mut tree, &fields::CLIENT_STATUS, r.verdict.client_status);
        number(&mut tree, &fields::HTTP_STATUS, r.http_status);
        text(&mut tree, &fields::DEADLINE, r.verdict.deadline);
        number(&mut tree, &fields::FLOW_CONTROL, r.waited);
        let left = r.timeout.map(|t| t.saturating_sub(r.age.unwrap_or(seen_for)));
        number(&mut tree, &fields::TIME_LEFT, left);
        number(&mut tree, &fields::AGE, r.age);
        number(&mut tree, &fields::PREVIOUS_ATTEMPTS, r.previous_attempts.map(u64::from));
        if let Some(ms) = r.pushback_ms {
            tree.add(&fields::PUSHBACK, None, Value::I64(ms));
        }
        for t in &r.trace_ids {
            let id = tree.add(&fields::TRACE_ID, None, Value::Text(t.id.clone()));
            if let Some(n) = tree.get_mut(id) {
                n.note = Some(t.header.into());
            }
        }
        number(&mut tree, &fields::ROUND_TRIP, r.path_below.round_trip);
        number(&mut tree, &fields::RETRANSMISSIONS, Some(r.path_below.retransmissions));
        number(&mut tree, &fields::DURATION, duration);
        tree.close();
        Box::new(Detail { summary: summary(&r, seen_for), tree, ..Detail::default() })
    });
    let facts = CallFacts {
        path: r.path_text(),
        status: code,
        timeout_ns: r.timeout,
        trace_ids: std::mem::take(&mut r.trace_ids),
        verdict: r.verdict.cause,
        client_status: r.verdict.client_status,
        previous_attempts: r.previous_attempts,
        pushback_ms: r.pushback_ms,
        requested: r.start,
        joined: !r.begun,
        messages: r.messages,
        bytes: r.bytes,
        head_bytes: r.head_bytes,
        first_response_ns: r.responses.map(|[first, _]| first),
        unread: r.unread,
    };
    out.emit(Draft {
        facts: Some(Facts::Call(Arc::new(facts))),
        length: bytes_up.saturating_add(bytes_down),
        complete: !matches!(r.ended, Ended::CaptureEnded | Ended::Evicted),
        inferred: r.inferred,
        findings: r.findings,
        detail,
        ..Draft::new(Level::Exchange, "grpc", "call", r.start, r.end)
    });
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

/// `user.UserService/GetUser → OK, 1 up 1 down, 3.2 ms`.
fn summary(r: &Report<'_>, seen_for: u64) -> String {
    let path = r.path.map_or("(path not captured)", |p| p.strip_prefix('/').unwrap_or(p));
    let how = match (&r.ended, r.status) {
        (_, None) if r.verdict.cause == NOT_CAPTURED => "status not captured".into(),
        (Ended::Status, Some(s)) => match (r.verdict.cause, s.code) {
            ("deadline", Some(0)) => "OK after the deadline".into(),
            _ => s.text(),
        },
        (Ended::Reset(8, Side::Client), _) if r.verdict.is_deadline() => {
            "deadline exceeded, cancelled by client".into()
        }
        (Ended::Reset(_, Side::Client), _) if r.verdict.is_deadline() => {
            format!("deadline exceeded, {}", r.ended.text(&r.verdict, r.sides_unknown))
        }
        (Ended::ConnectionLost(Side::Client, how), _) if r.verdict.is_deadline() => {
            format!("deadline exceeded, {} by client", how.name())
        }
        (Ended::Reset(8, _), _) if r.sides_unknown => "cancelled".into(),
        (Ended::Reset(8, by), _) => format!("cancelled by {by}"),
        (Ended::Goaway { .. }, _) => "refused by GOAWAY, never processed".into(),
        (Ended::Reset(7, Side::Server), _) if r.verdict.cause == "refused" => {
            "refused by server, never processed".into()
        }
        (Ended::ConnectionLost(_, how), _) if r.sides_unknown => {
            format!("connection lost ({})", how.name())
        }
        (Ended::ConnectionLost(by, how), _) => format!("connection lost ({} by {by})", how.name()),
        (Ended::NoStatus, _) => match r.http_status {
            Some(http) => format!("HTTP status {http}, no grpc-status"),
            None => "ended without a status".into(),
        },
        (Ended::CaptureEnded | Ended::Evicted, _) => {
            let why = if r.ended == Ended::Evicted { "let go" } else { "capture ended" };
            // Its age is a field: in a slice of the capture it is another one.
            format!("open ({why})")
        }
        (other, _) => other.text(&r.verdict, r.sides_unknown),
    };
    let counts = counts(r.messages, r.sides_unknown, r.in_part);
    let took = match (r.begun, seen_for) {
        (true, ns) => human(ns),
        // Of one packet: nothing of its time is known.
        (false, 0) => "its beginning was not captured".into(),
        (false, ns) => format!("{} seen, its beginning was not captured", human(ns)),
    };
    format!("{path} → {how}, {counts}, {took}")
}

/// `3 up 1 down`; of a call that was not captured as a whole, what was seen of it.
fn counts([up, down]: [u64; 2], sides_unknown: bool, in_part: bool) -> String {
    let seen = if in_part { " seen" } else { "" };
    if sides_unknown {
        let (most, least) = (up.max(down), up.min(down));
        return format!("{most} one way {least} the other{seen}");
    }
    format!("{up} up {down} down{seen}")
}
