//! The head of the request, the head of the response, and the trailers.

use std::borrow::Cow;
use std::sync::Arc;

use crate::base::time::human;
use crate::base::{Side, Span};
use crate::event::{Detail, Draft, Level};
use crate::field::{FieldSpec, Tree, Value};
use crate::finding::{Finding, FindingSpec};
use crate::proto::grpc::call::Status;
use crate::proto::grpc::encoding::Encoding;
use crate::proto::grpc::machine::{Call, Request};
use crate::proto::grpc::metadata::{
    Timeout, binary, binary_parts, percent_decode, split_path, timeout,
};
use crate::proto::grpc::{fields, findings, is_grpc, status};
use crate::proto::{Head, Headers, Out, trace};

/// A `google.rpc.Status` beside `grpc-status`.
const STATUS_DETAILS: &str = "grpc-status-details-bin";

/// Characters of a message that a finding shows.
const MAX_SHOWN: usize = 200;

/// Names that have a field of their own, or that say nothing of the call.
const NOT_METADATA: [&str; 6] =
    ["content-type", "te", "grpc-encoding", "grpc-timeout", "grpc-status", "grpc-message"];

/// Names that libraries, browsers and HTTP itself put in.
const NOT_CUSTOM: [&str; 16] = [
    "user-agent",
    "accept",
    "accept-encoding",
    "date",
    "server",
    "content-length",
    "content-encoding",
    "host",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "x-grpc-web",
    "x-user-agent",
    "origin",
    "referer",
    "access-control-allow-origin",
];

/// The first field of this name whose value is known, with its place.
fn known<'a>(headers: &'a Headers, name: &str) -> Option<(&'a [u8], Option<Span>)> {
    headers.known(name).map(|(v, f)| (v, f.span))
}

/// Whether fields of the section are unknown.
fn is_partial(headers: &Headers) -> bool {
    headers.iter().any(|(_, _, f)| !f.known)
}

fn known_text<'a>(headers: &'a Headers, name: &str) -> Option<Cow<'a, str>> {
    let (v, _) = known(headers, name)?;
    Some(match simdutf8::basic::from_utf8(v) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(v),
    })
}

/// The content type; nothing is copied of those that nearly all calls have.
fn media_type(headers: &Headers) -> Cow<'static, str> {
    match known(headers, "content-type") {
        None => Cow::Borrowed(""),
        Some((b"application/grpc", _)) => Cow::Borrowed("application/grpc"),
        Some((b"application/grpc+proto", _)) => Cow::Borrowed("application/grpc+proto"),
        Some((other, _)) => Cow::Owned(String::from_utf8_lossy(other).into_owned()),
    }
}

/// A field that is a number.
fn number<T: std::str::FromStr>(headers: &Headers, name: &str) -> Option<T> {
    known(headers, name).and_then(|(v, _)| std::str::from_utf8(v).ok()?.trim().parse().ok())
}

/// A finding about a header field.
fn about(spec: &'static FindingSpec, value: &[u8], span: Option<Span>) -> Finding {
    Finding { span, ..Finding::new(spec).with(String::from_utf8_lossy(value)) }
}

/// A tree in the making, with the buffers of the section.
struct Section<'a> {
    headers: &'a Headers,
    detail: Detail,
}

impl<'a> Section<'a> {
    fn new(head: &Head<'a>) -> Self {
        let origins = head.detail.map(|d| d.origins.clone()).unwrap_or_default();
        let mut tree = Tree::new();
        tree.open(&fields::GRPC, None);
        Self { headers: head.headers, detail: Detail { tree, origins, ..Detail::default() } }
    }

    fn text(&mut self, spec: &'static FieldSpec, name: &str) {
        if let Some((v, span)) = known(self.headers, name) {
            self.detail.tree.add(spec, span, Value::text(v));
        }
    }

    fn computed(&mut self, spec: &'static FieldSpec, text: &str, of: &str) {
        let span = known(self.headers, of).and_then(|(_, s)| s);
        self.detail.tree.add(spec, span, Value::Text(text.into()));
    }

    fn number(&mut self, spec: &'static FieldSpec, value: Option<u64>, of: &str) {
        if let Some(v) = value {
            let span = known(self.headers, of).and_then(|(_, s)| s);
            self.detail.tree.add(spec, span, Value::U64(v));
        }
    }

    /// Everything that has no field of its own.
    fn metadata(&mut self) {
        for (name, value, field) in self.headers.iter() {
            if !is_metadata(name) {
                continue;
            }
            let tree = &mut self.detail.tree;
            let label: Box<str> = String::from_utf8_lossy(name).into();
            if !field.known {
                let id = tree.add(&fields::METADATA, field.span, Value::Text("".into()));
                if let Some(n) = tree.get_mut(id) {
                    n.name = Some(label);
                    n.note = Some("not captured".into());
                }
            } else if is_binary(name) {
                if name.eq_ignore_ascii_case(STATUS_DETAILS.as_bytes())
                    && let Some(details) = binary(value).and_then(|b| status::read(&b))
                {
                    status::show(&details, field.span, tree);
                }
                for part in binary_parts(value) {
                    let id = match binary(part) {
                        Some(b) => {
                            tree.add(&fields::METADATA_BIN, field.span, Value::Bytes(b.into()))
                        }
                        None => {
                            let text = String::from_utf8_lossy(part);
                            tree.add(&fields::METADATA, field.span, Value::Text(text.into()))
                        }
                    };
                    if let Some(n) = tree.get_mut(id) {
                        n.name = Some(label.clone());
                    }
                }
            } else {
                let text = String::from_utf8_lossy(value);
                let id = tree.add(&fields::METADATA, field.span, Value::Text(text.into()));
                if let Some(n) = tree.get_mut(id) {
                    n.name = Some(label);
                }
            }
        }
    }

    fn finish(mut self, summary: String) -> Box<Detail> {
        self.detail.tree.close();
        self.detail.summary = summary;
        Box::new(self.detail)
    }
}

fn is_metadata(name: &[u8]) -> bool {
    !name.starts_with(b":") && !NOT_METADATA.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes()))
}

fn is_binary(name: &[u8]) -> bool {
    name.last_chunk::<4>().is_some_and(|s| s.eq_ignore_ascii_case(b"-bin"))
}

/// Names of custom metadata, for a summary: what neither gRPC nor its libraries
/// put in by themselves.
fn custom_names(headers: &Headers) -> Vec<String> {
    headers
        .iter()
        .map(|(n, _, _)| n)
        .filter(|n| !n.is_empty() && is_metadata(n) && !n.starts_with(b"grpc-"))
        .filter(|n| !NOT_CUSTOM.iter().any(|o| n.eq_ignore_ascii_case(o.as_bytes())))
        .map(|n| String::from_utf8_lossy(n).into_owned())
        .collect()
}

/// What any section may have wrong with it.
fn metadata_findings(headers: &Headers, list: &mut Vec<Finding>) {
    for (name, value, field) in headers.iter() {
        if field.known && is_binary(name) && binary_parts(value).any(|part| binary(part).is_none())
        {
            let name = String::from_utf8_lossy(name);
            list.push(Finding {
                span: field.span,
                ..Finding::new(&findings::BAD_BASE64).with(name)
            });
        }
    }
}

impl Call {
    /// The head of the request. A second one from the client is taken for
    /// trailers, which gRPC does not know from a client.
    pub(super) fn request_head(&mut self, head: &Head<'_>, out: &mut dyn Out) {
        if self.side(Side::Client).has_head {
            self.trailers(head, out);
            return;
        }
        let h = head.headers;
        let mut list = Vec::new();
        let content_type = media_type(h);
        if !is_grpc(content_type.as_bytes()) && !content_type.is_empty() {
            let span = known(h, "content-type").and_then(|(_, s)| s);
            list.push(about(&findings::CONTENT_TYPE, content_type.as_bytes(), span));
        }
        if let Some((v, span)) = known(h, ":method").filter(|(v, _)| *v != b"POST") {
            list.push(about(&findings::METHOD, v, span));
        }
        let limit = known(h, "grpc-timeout").map(|(v, span)| {
            let t = timeout(v);
            match t {
                Timeout::Nanos(_) => {}
                Timeout::Saturated => list.push(about(&findings::TIMEOUT_SATURATED, v, span)),
                Timeout::Malformed(_) => list.push(about(&findings::BAD_TIMEOUT, v, span)),
            }
            t
        });
        metadata_findings(h, &mut list);
        let path: Arc<str> = known_text(h, ":path").unwrap_or_default().into();
        let encoding = known(h, "grpc-encoding").map(|(v, _)| v);
        let side = self.side(Side::Client);
        side.has_head = true;
        side.encoding = Encoding::from_header(encoding, is_partial(h));
        side.content_type = content_type;
        self.saw(head.side, head.start, head.ready, out);
        let nanos = limit.and_then(Timeout::nanos);
        let detail = out.wants(Level::Message).then(|| {
            let mut s = Section::new(head);
            s.text(&fields::PATH, ":path");
            if !path.is_empty() {
                let (service, method) = split_path(&path);
                s.computed(&fields::SERVICE, service, ":path");
                s.computed(&fields::METHOD, method, ":path");
            }
            s.text(&fields::AUTHORITY, ":authority");
            s.text(&fields::CONTENT_TYPE, "content-type");
            s.text(&fields::ENCODING, "grpc-encoding");
            s.number(&fields::TIMEOUT, nanos, "grpc-timeout");
            s.metadata();
            let mut summary = match path.strip_prefix('/').unwrap_or(&path) {
                "" => "(path not captured)".to_owned(),
                p => p.to_owned(),
            };
            if let Some(n) = nanos {
                summary.push_str(&format!(", timeout {}", human(n)));
            }
            let names = custom_names(h);
            if !names.is_empty() {
                summary.push_str(&format!(", metadata {}", names.join(", ")));
            }
            s.finish(summary)
        });
        let previous_attempts = number(h, "grpc-previous-rpc-attempts");
        self.request =
            Some(Request { path, timeout: limit, previous_attempts, trace_ids: trace::ids(h) });
        let inferred = self.is_inferred();
        emit("request", head, list, detail, inferred, out);
    }

    /// The head of the response: initial metadata, or everything at once.
    ///
    /// A response that is trailers only (`grpc-status` in a head that ends the
    /// stream) has no initial metadata: it gives one event, `trailers`.
    pub(super) fn response_head(&mut self, head: &Head<'_>, out: &mut dyn Out) {
        let h = head.headers;
        let status = known(h, ":status");
        if status.is_some_and(|(v, _)| v.len() == 3 && v.starts_with(b"1")) {
            // Informational (RFC 9110 §15.2): not the response yet.
            return;
        }
        if self.side(Side::Server).has_head {
            self.trailers(head, out);
            return;
        }
        self.side(Side::Server).has_head = true;
        self.http_status = number(h, ":status");
        let not_200 = self.http_status.is_some_and(|s| s != 200);
        let mut list = Vec::new();
        if let Some((v, span)) = status.filter(|(v, _)| *v != b"200") {
            list.push(about(&findings::HTTP_STATUS, v, span));
        }
        let content_type = media_type(h);
        if !is_grpc(content_type.as_bytes()) && !content_type.is_empty() {
            let span = known(h, "content-type").and_then(|(_, s)| s);
            list.push(about(&findings::CONTENT_TYPE, content_type.as_bytes(), span));
        }
        // Taken for gRPC by the first bytes of a request whose head was not captured, or by a
        // part of that.
        let other = !list.is_empty() && !not_200 && self.side(Side::Client).content_type.is_empty();
        if other {
            list.clear();
            self.side(Side::Client).foreign = true;
        }
        let encoding = known(h, "grpc-encoding").map(|(v, _)| v);
        let side = self.side(Side::Server);
        side.encoding = Encoding::from_header(encoding, is_partial(h));
        // A page that a proxy sends instead of an answer holds no messages.
        side.foreign =
            other || not_200 && !content_type.is_empty() && !is_grpc(content_type.as_bytes());
        side.content_type = content_type;
        let has_status = known(h, "grpc-status").is_some();
        if head.end && (has_status || is_partial(h)) {
            self.status_section(head, list, out);
            return;
        }
        metadata_findings(h, &mut list);
        self.saw(head.side, head.start, head.ready, out);
        if has_status {
            // Against the rule that this ends the stream; trailers may overrule it.
            self.status = Some(read_status(h, &mut list));
            self.status_at = Some(head.ready);
        }
        let detail = out.wants(Level::Message).then(|| {
            let mut s = Section::new(head);
            let http = status.and_then(|(v, _)| std::str::from_utf8(v).ok()?.parse().ok());
            s.number(&fields::HTTP_STATUS, http, ":status");
            s.text(&fields::CONTENT_TYPE, "content-type");
            s.text(&fields::ENCODING, "grpc-encoding");
            s.metadata();
            let mut summary = match http {
                Some(200) => "response".to_owned(),
                Some(n) => format!("response, HTTP status {n}"),
                None => "response, HTTP status not captured".to_owned(),
            };
            let names = custom_names(h);
            if !names.is_empty() {
                summary.push_str(&format!(", metadata {}", names.join(", ")));
            }
            s.finish(summary)
        });
        emit("response", head, list, detail, self.is_inferred(), out);
    }

    /// The trailers.
    pub(super) fn trailers(&mut self, head: &Head<'_>, out: &mut dyn Out) {
        self.status_section(head, Vec::new(), out);
    }

    fn status_section(&mut self, head: &Head<'_>, mut list: Vec<Finding>, out: &mut dyn Out) {
        let h = head.headers;
        metadata_findings(h, &mut list);
        let status = if known(h, "grpc-status").is_some() {
            Some(read_status(h, &mut list))
        } else {
            is_partial(h).then(|| Status { not_captured: true, ..Status::default() })
        };
        if let Some(plain) = status.as_ref().filter(|s| !s.not_captured) {
            check_details(h, plain, &mut list);
        }
        self.saw(head.side, head.start, head.ready, out);
        let detail = out.wants(Level::Message).then(|| {
            let mut s = Section::new(head);
            let http =
                known(h, ":status").and_then(|(v, _)| std::str::from_utf8(v).ok()?.parse().ok());
            s.number(&fields::HTTP_STATUS, http, ":status");
            s.text(&fields::CONTENT_TYPE, "content-type");
            if let Some(status) = &status {
                s.number(&fields::STATUS_CODE, status.code, "grpc-status");
                if let Some(m) = &status.message {
                    s.computed(&fields::STATUS_MESSAGE, m, "grpc-message");
                }
            }
            s.metadata();
            let mut summary = status.as_ref().map_or("no status".to_owned(), Status::text);
            let names = custom_names(h);
            if !names.is_empty() {
                summary.push_str(&format!(", metadata {}", names.join(", ")));
            }
            s.finish(summary)
        });
        // Only servers have a status: joined in the middle, the sides may be swapped.
        let said = status.as_ref().is_some_and(|s| !s.not_captured);
        let swapped = said && self.sides.iter().all(|d| !d.has_head);
        if (head.side == Side::Server || swapped) && status.is_some() {
            self.status = status;
            self.status_at = Some(head.ready);
        }
        // A value that is no number says not to try again.
        if let Some((v, _)) = known(h, "grpc-retry-pushback-ms") {
            let ms = std::str::from_utf8(v).ok().and_then(|v| v.parse().ok());
            self.pushback_ms = Some(ms.unwrap_or(-1));
        }
        emit("trailers", head, list, detail, self.is_inferred(), out);
    }
}

/// Whether the rich status goes with the plain one. Of the code the specification demands
/// that it does not contradict; of the message it demands nothing.
fn check_details(h: &Headers, plain: &Status, list: &mut Vec<Finding>) {
    let Some((v, span)) = known(h, STATUS_DETAILS) else { return };
    // What is no base64 is another finding.
    let Some(bytes) = binary(v).filter(|b| !b.is_empty()) else { return };
    let mut say = |spec: &'static FindingSpec, text: String| {
        list.push(Finding { span, ..Finding::new(spec).with(text) });
    };
    if plain.code == Some(0) {
        say(&findings::DETAILS_OF_OK, format!("{} bytes", bytes.len()));
    }
    let Some(rich) = status::read(&bytes) else {
        say(&findings::NO_STATUS_DETAILS, format!("{} bytes", bytes.len()));
        return;
    };
    let short = |text: &str| -> String { text.chars().take(MAX_SHOWN).collect() };
    // Details of OK have been found already.
    if let Some((code, is)) = rich.code.zip(plain.code.filter(|c| *c != 0))
        && code != is
    {
        let message = Some(short(&rich.message));
        let rich = Status { code: Some(code), message, ..Status::default() };
        say(&findings::STATUS_DETAILS, format!("{} where it is {}", rich.text(), plain.text()));
        return;
    }
    let message = plain.message.as_deref().unwrap_or_default();
    if rich.message != message {
        let text = format!("{:?} where it is {:?}", short(&rich.message), short(message));
        say(&findings::DETAILS_MESSAGE, text);
    }
}

/// Reads `grpc-status` and `grpc-message`.
fn read_status(h: &Headers, list: &mut Vec<Finding>) -> Status {
    let mut status = Status::default();
    let text = known(h, "grpc-message").map(|(v, span)| {
        let (text, sound) = percent_decode(v);
        if !sound {
            list.push(about(&findings::BAD_PERCENT_ENCODING, v, span));
        }
        text
    });
    if let Some((v, span)) = known(h, "grpc-status") {
        let digits = !v.is_empty() && v.iter().all(u8::is_ascii_digit);
        status.code = std::str::from_utf8(v).ok().filter(|_| digits).and_then(|t| t.parse().ok());
        status.message = text;
        match status.code {
            Some(0) => {}
            Some(_) => {
                let f = Finding::new(&findings::BAD_STATUS).with(status.text());
                list.push(Finding { span, ..f });
            }
            None => list.push(about(&findings::MALFORMED_STATUS, v, span)),
        }
    }
    status
}

fn emit(
    kind: &'static str,
    head: &Head<'_>,
    findings: Vec<Finding>,
    detail: Option<Box<Detail>>,
    inferred: bool,
    out: &mut dyn Out,
) {
    if findings.is_empty() && out.count(Level::Message) {
        return;
    }
    out.emit(Draft {
        sender: Some(head.side),
        inferred,
        findings,
        detail,
        ..Draft::new(Level::Message, "grpc", kind, head.start, head.ready)
    });
}
