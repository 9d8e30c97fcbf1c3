//! The exchange: what is said of a call when it has ended.

use crate::base::Moment;
use crate::base::time::human;
use crate::event::{Detail, Draft, Level};
use crate::facts::{CallFacts, Facts};
use crate::field::{FieldSpec, Tree, Value};
use crate::finding::Finding;
use crate::proto::Out;
use crate::proto::grpc::metadata::split_path;
use crate::proto::grpc::{fields, findings};

/// How a call ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(clippy::enum_variant_names, reason = "that the capture ended is one of them")]
pub(super) enum Ended {
    /// With a status from the server.
    Status,
    /// The server ended the stream without one.
    NoStatus,
    /// The client's deadline passed, and it gave up.
    Deadline,
    /// The stream was aborted: HTTP/2 error code, and by whom.
    Reset(u32, &'static str),
    /// The connection went away.
    ConnectionLost,
    /// The capture ended.
    CaptureEnded,
    /// The engine let go of the conversation.
    Evicted,
}

impl Ended {
    fn text(&self) -> String {
        match self {
            Self::Status => "status".into(),
            Self::NoStatus => "no status".into(),
            Self::Deadline => "deadline".into(),
            Self::Reset(code, by) => match fields::error_name(*code) {
                Some(name) => format!("reset {name} by {by}"),
                None => format!("reset {code} by {by}"),
            },
            Self::ConnectionLost => "connection lost".into(),
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
    pub(super) path: Option<&'a str>,
    pub(super) status: Option<&'a Status>,
    pub(super) ended: Ended,
    pub(super) timeout: Option<u64>,
    /// Messages, client's and server's.
    pub(super) messages: [u64; 2],
    /// Bytes of messages, client's and server's.
    pub(super) bytes: [u64; 2],
    /// What they would have as JSON, where that is known.
    pub(super) json: [Option<u64>; 2],
    /// Encodings, client's and server's; empty where not seen.
    pub(super) encodings: [&'a str; 2],
    pub(super) first_response: Option<u64>,
    pub(super) start: Moment,
    pub(super) end: Moment,
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
    let duration = r.end.time.since(r.start.time);
    let detail = out.wants(Level::Exchange).then(|| {
        let mut tree = Tree::new();
        tree.open(&fields::GRPC, None);
        text(&mut tree, &fields::PATH, r.path);
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
        number(&mut tree, &fields::FIRST_RESPONSE, r.first_response);
        text(&mut tree, &fields::ENDED, Some(&r.ended.text()));
        number(&mut tree, &fields::DURATION, Some(duration));
        tree.close();
        Box::new(Detail { summary: summary(&r, duration), tree, ..Detail::default() })
    });
    let facts = CallFacts {
        path: r.path.unwrap_or_default().into(),
        status: code,
        timeout_ns: r.timeout,
        messages: r.messages,
        bytes: r.bytes,
        first_response_ns: r.first_response,
        ..CallFacts::default()
    };
    out.emit(Draft {
        facts: Some(Facts::Call(Box::new(facts))),
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
fn summary(r: &Report<'_>, duration: u64) -> String {
    let path = r.path.map_or("(path not captured)", |p| p.strip_prefix('/').unwrap_or(p));
    let how = match (&r.ended, r.status) {
        (Ended::Status, Some(s)) => s.text(),
        (Ended::Reset(8, by), _) => format!("cancelled by {by}"),
        (Ended::Deadline, _) => "deadline exceeded, cancelled by client".into(),
        (Ended::NoStatus, _) => "ended without a status".into(),
        (other, _) => other.text(),
    };
    let [up, down] = r.messages;
    format!("{path} → {how}, {up} up {down} down, {}", human(duration))
}
