//! The head of the request and the head of the response.

use crate::base::limits::MAX_FACT_TARGET_BYTES;
use crate::base::time::human;
use crate::base::{Buffer, PieceSource, Side, Span};
use crate::event::{Detail, Draft, Level};
use crate::field::{FieldSpec, Tree, Value};
use crate::finding::{Finding, FindingSpec};
use crate::proto::codings::Codings;
use crate::proto::connect::machine::{Body, Call, Part, Request};
use crate::proto::connect::{Codec, fields, findings, query};
use crate::proto::{Head, Headers, Out, Trace, trace};

/// Prefix of header fields that are trailing metadata.
const TRAILER: &[u8] = b"trailer-";

/// Names that have a field of their own, or that HTTP, libraries and browsers put in.
const NOT_METADATA: [&str; 24] = [
    "content-type",
    "content-length",
    "content-encoding",
    "accept-encoding",
    "accept",
    "connect-protocol-version",
    "connect-timeout-ms",
    "connect-content-encoding",
    "connect-accept-encoding",
    "host",
    "user-agent",
    "connection",
    "keep-alive",
    "transfer-encoding",
    "date",
    "vary",
    "te",
    "server",
    "origin",
    "referer",
    "accept-language",
    "cache-control",
    "access-control-allow-origin",
    "access-control-expose-headers",
];
/// The first field of this name whose value is known, with its place.
fn known<'a>(headers: &'a Headers, name: &str) -> Option<(&'a [u8], Option<Span>)> {
    headers
        .iter()
        .find(|(n, _, f)| f.known && n.eq_ignore_ascii_case(name.as_bytes()))
        .map(|(_, v, f)| (v, f.span))
}

fn text(v: &[u8]) -> String {
    String::from_utf8_lossy(v).into_owned()
}

/// A finding about a header field.
fn about(spec: &'static FindingSpec, value: &[u8], span: Option<Span>) -> Finding {
    Finding { span, ..Finding::new(spec).with(String::from_utf8_lossy(value)) }
}

/// Service and method of a path, which may have a prefix.
pub(super) fn split_path(path: &str) -> (&str, &str) {
    let (service, method) = path.rsplit_once('/').unwrap_or(("", path));
    (service.rsplit('/').next().unwrap_or(service), method)
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
        tree.open(&fields::CONNECT, None);
        Self { headers: head.headers, detail: Detail { tree, origins, ..Detail::default() } }
    }

    fn add(&mut self, spec: &'static FieldSpec, value: &str, of: &str) {
        if !value.is_empty() {
            let span = known(self.headers, of).and_then(|(_, s)| s);
            self.detail.tree.add(spec, span, Value::Text(value.into()));
        }
    }

    fn number(&mut self, spec: &'static FieldSpec, value: Option<u64>, of: &str) {
        if let Some(v) = value {
            let span = known(self.headers, of).and_then(|(_, s)| s);
            self.detail.tree.add(spec, span, Value::U64(v));
        }
    }

    /// Everything that has no field of its own; gives the names, for the summary.
    fn metadata(&mut self) -> Vec<String> {
        let mut names = Vec::new();
        for (name, value, field) in self.headers.iter() {
            if name.first() == Some(&b':')
                || NOT_METADATA.iter().any(|n| name.eq_ignore_ascii_case(n.as_bytes()))
            {
                continue;
            }
            let trailer = name.split_at_checked(TRAILER.len());
            let (spec, name) = match trailer.filter(|(t, _)| t.eq_ignore_ascii_case(TRAILER)) {
                Some((_, rest)) => (&fields::TRAILERS, rest),
                None => (&fields::METADATA, name),
            };
            let label = text(name);
            let id = self.detail.tree.add(spec, field.span, Value::Text(text(value).into()));
            if let Some(n) = self.detail.tree.get_mut(id) {
                n.name = Some(label.as_str().into());
                if !field.known {
                    n.note = Some("not captured".into());
                }
            }
            names.push(label);
        }
        names
    }

    fn finish(mut self, mut summary: String, names: &[String]) -> Box<Detail> {
        if !names.is_empty() {
            summary.push_str(&format!(", metadata {}", names.join(", ")));
        }
        self.detail.tree.close();
        self.detail.summary = summary;
        Box::new(self.detail)
    }
}

/// The compression of a direction: by the field that the form of its body asks for.
fn encoding(h: &Headers, stream: bool) -> (String, Option<Codings>) {
    let name = if stream { "connect-content-encoding" } else { "content-encoding" };
    match known(h, name) {
        Some((v, _)) if !v.trim_ascii().eq_ignore_ascii_case(b"identity") => {
            (text(v), Some(Codings::of(std::iter::once(v))))
        }
        _ => (String::new(), None),
    }
}

impl Call {
    /// The head of the request.
    pub(super) fn request_head(&mut self, head: &Head<'_>, out: &mut dyn Out) {
        if self.side(Side::Client).has_head {
            return;
        }
        self.http1 |= head.version < 20;
        let h = head.headers;
        let mut list = Vec::new();
        let (target, target_span) = known(h, ":path").unwrap_or_default();
        let method = known(h, ":method").map(|(v, _)| text(v)).unwrap_or_default();
        let is_get = method == "GET";
        let target_text = text(target);
        let path = target_text.split(['?', '#']).next().unwrap_or_default().to_owned();
        let content_type = known(h, "content-type").map(|(v, _)| text(v)).unwrap_or_default();
        let mut codec = Codec::of(content_type.as_bytes());
        let stream = codec.as_ref().is_some_and(|c| c.stream);
        let (mut encoding, mut codings) = encoding(h, stream);
        let mut version = known(h, "connect-protocol-version").map(|(v, _)| text(v));
        if version.as_deref().is_some_and(|v| v != "1") {
            let (v, span) = known(h, "connect-protocol-version").unwrap_or_default();
            list.push(about(&findings::VERSION, v, span));
        }
        let timeout = known(h, "connect-timeout-ms").and_then(|(v, span)| {
            let digits = !v.is_empty() && v.len() <= 10 && v.iter().all(u8::is_ascii_digit);
            let ms =
                std::str::from_utf8(v).ok().filter(|_| digits).and_then(|t| t.parse::<u64>().ok());
            if ms.is_none() {
                list.push(about(&findings::BAD_TIMEOUT, v, span));
            }
            ms.map(|m| m.saturating_mul(1_000_000))
        });
        let q = is_get.then(|| query::read(target));
        if let Some(q) = &q {
            if q.message.is_none() || q.codec.is_none() {
                let missing = if q.codec.is_none() { "no encoding" } else { "message" };
                list.push(Finding::new(&findings::BAD_QUERY).with(missing));
            }
            codec = q.codec.as_deref().map(|name| Codec { name: name.into(), stream: false });
            encoding = q.compression.clone().unwrap_or_default();
            codings = q.compression.as_ref().map(|c| Codings::of(std::iter::once(c.as_bytes())));
            version = query::get(target, b"connect");
        }
        let trace_ids = trace::ids(h);
        let side = self.side(Side::Client);
        side.has_head = true;
        side.body = match (is_get, stream) {
            (true, _) => Body::Nothing,
            (_, true) => Body::Envelopes,
            _ => Body::Whole,
        };
        side.codec = codec.clone();
        side.content_type = content_type;
        side.encoding = encoding;
        side.codings = codings;
        self.saw(head.start, head.ready, out);
        let mut kept_path = path.clone();
        kept_path.truncate(kept_path.floor_char_boundary(MAX_FACT_TARGET_BYTES));
        let detail = out.wants(Level::Message).then(|| {
            let mut s = Section::new(head);
            s.add(&fields::PATH, &path, ":path");
            let (service, name) = split_path(&path);
            s.add(&fields::SERVICE, service, ":path");
            s.add(&fields::METHOD, name, ":path");
            s.add(&fields::HTTP_METHOD, &method, ":method");
            let authority = known(h, ":authority").map(|(v, _)| text(v)).unwrap_or_default();
            s.add(&fields::AUTHORITY, &authority, ":authority");
            s.add(
                &fields::VERSION,
                version.as_deref().unwrap_or_default(),
                "connect-protocol-version",
            );
            let d = &self.sides[0];
            s.add(&fields::CONTENT_TYPE, &d.content_type, "content-type");
            s.add(&fields::CODEC, codec.as_ref().map_or("", |c| &c.name), "content-type");
            let of = if stream { "connect-content-encoding" } else { "content-encoding" };
            s.add(&fields::ENCODING, &d.encoding, of);
            s.number(&fields::TIMEOUT, timeout, "connect-timeout-ms");
            if let Some(q) = &q {
                s.add(&fields::QUERY_MESSAGE, &q.raw, ":path");
            }
            let names = s.metadata();
            let mut summary = match path.strip_prefix('/').unwrap_or(&path) {
                "" => "(path not captured)".to_owned(),
                p => p.to_owned(),
            };
            if is_get {
                summary.push_str(", GET");
            }
            if let Some(n) = timeout {
                summary.push_str(&format!(", timeout {}", human(n)));
            }
            s.finish(summary, &names)
        });
        self.request = Some(Request { path: kept_path, is_get, timeout, trace_ids });
        out.emit(draft("request", head, list, detail));
        if let Some(message) = q.and_then(|q| q.message) {
            self.query_message(head, target_span, &message, out);
        }
    }

    /// The message that the query holds.
    fn query_message(
        &mut self,
        head: &Head<'_>,
        place: Option<Span>,
        message: &[u8],
        out: &mut dyn Out,
    ) {
        let wanted = out.wants(Level::Message);
        let side = self.side(Side::Client);
        side.messages += 1;
        let trace = Trace::new(false, "query");
        let got = message.len() as u64;
        side.current = Some(Part { envelope: None, got, trace, wanted, ready: head.ready });
        let origins = head.detail.map(|d| d.origins.clone()).unwrap_or_default();
        let from = place.filter(|s| origins.get(s.buffer).is_some());
        let mut buffer = Buffer::new("message of the query");
        let len = u32::try_from(message.len()).unwrap_or(u32::MAX);
        if len > 0 {
            buffer.push(len, from.map_or(PieceSource::Nowhere, PieceSource::Buffer), false);
        }
        buffer.bytes = message.to_vec();
        self.finish_with(Side::Client, message, None, Some((origins, buffer, head.start)), out);
    }

    /// The head of the response.
    pub(super) fn response_head(&mut self, head: &Head<'_>, out: &mut dyn Out) {
        self.http1 |= head.version < 20;
        let h = head.headers;
        let status = known(h, ":status");
        if status.is_some_and(|(v, _)| v.len() == 3 && v.starts_with(b"1")) {
            return;
        }
        if self.side(Side::Server).has_head {
            return;
        }
        let code = status.and_then(|(v, _)| std::str::from_utf8(v).ok()?.parse::<u16>().ok());
        let content_type = known(h, "content-type").map(|(v, _)| text(v)).unwrap_or_default();
        let codec = Codec::of(content_type.as_bytes());
        let asked = self.sides[0].codec.clone();
        let stream = match &asked {
            Some(c) => c.stream,
            None => codec.as_ref().is_some_and(|c| c.stream),
        };
        let failed = code.is_some_and(|c| c != 200);
        let mut list = Vec::new();
        if !failed
            && let (Some(a), Some(b)) = (&asked, &codec)
            && a != b
        {
            let span = known(h, "content-type").and_then(|(_, s)| s);
            list.push(about(&findings::CONTENT_TYPE, content_type.as_bytes(), span));
        }
        let (encoding, codings) = encoding(h, stream && !failed);
        let type_unknown = content_type.is_empty() && h.iter().any(|(.., f)| !f.known);
        self.answered = Some(head.start);
        let side = self.side(Side::Server);
        side.has_head = true;
        side.body = match (failed, stream) {
            (true, _) => Body::Error,
            (_, true) => Body::Envelopes,
            _ => Body::Whole,
        };
        side.codec = codec;
        side.content_type = content_type;
        side.type_unknown = type_unknown;
        side.encoding = encoding;
        side.codings = codings;
        let client = self.side(Side::Client);
        // Of a request whose type was not captured, the answer tells how its body is built.
        if asked.is_none() && stream && client.messages == 0 {
            client.body = Body::Envelopes;
        }
        self.status = code;
        self.saw(head.start, head.ready, out);
        let detail = out.wants(Level::Message).then(|| {
            let mut s = Section::new(head);
            s.number(&fields::HTTP_STATUS, code.map(u64::from), ":status");
            let d = &self.sides[1];
            s.add(&fields::CONTENT_TYPE, &d.content_type, "content-type");
            let of = if stream { "connect-content-encoding" } else { "content-encoding" };
            s.add(&fields::ENCODING, &d.encoding, of);
            let names = s.metadata();
            let summary = match code {
                Some(200) => "response".to_owned(),
                Some(n) => format!("response, HTTP status {n}"),
                None => "response, HTTP status not captured".to_owned(),
            };
            s.finish(summary, &names)
        });
        out.emit(draft("response", head, list, detail));
    }
}

fn draft(
    kind: &'static str,
    head: &Head<'_>,
    findings: Vec<Finding>,
    detail: Option<Box<Detail>>,
) -> Draft {
    Draft {
        sender: Some(head.side),
        findings,
        detail,
        ..Draft::new(Level::Message, "connect", kind, head.start, head.ready)
    }
}
