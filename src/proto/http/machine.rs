//! One exchange: a request and its response, RFC 9110.
//!
//! What comes in is the same for every version of HTTP: heads, body bytes,
//! trailers and ends. Nothing of a body is kept unless messages are looked at.
//!
//! # Where server-sent events will stand
//!
//! An event stream is known by the *response's* `Content-Type`, and a claim is
//! made by the first head, the request's. So this machine stays the owner of the
//! exchange, and will open a child on the final response's head when its media
//! type asks for one: `Carries::Named("text/event-stream")`, key 0, which is
//! first told the two heads (as after an upgrade), then passed the body's bytes
//! (`pass`, or `pass_made` where a content coding is undone) and told the end. A
//! protocol takes it by listing the media type among its `tokens`; where none
//! does, nothing is opened.

use crate::base::time::human;
use crate::base::{Buffer, Moment, PieceSource, Side, Span};
use crate::event::{Detail, Draft, Level, Payload};
use crate::field::{FieldSpec, Value};
use crate::finding::Finding;
use crate::proto::http::{body, fields as f, findings as g, text};
use crate::proto::{
    Chunk, EndCause, Head, Headers, Input, Machine, Out, PayloadHint, Progress, Trace,
};

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ended {
    Whole,
    Cut,
    Reset(u32),
}

/// What is kept of a message that is looked at.
#[derive(Clone, Debug)]
struct Shown {
    /// The head's, to which the body and the trailers come.
    detail: Detail,
    /// Method and target, or the status line's words.
    line: String,
    /// See [`media_type`].
    media_type: String,
    /// Content-Encoding.
    coding: Vec<u8>,
    /// Where the body lies.
    body: Trace,
    /// The body's first bytes.
    kept: Vec<u8>,
    trailers: Vec<Detail>,
}

/// A request or a final response.
#[derive(Clone, Debug, Default)]
struct Message {
    /// Its head was seen.
    seen: bool,
    ended: Option<Ended>,
    version: u8,
    /// A response's status code.
    status: u16,
    start: Moment,
    /// The packet that completed what was seen of it.
    last: Moment,
    /// Bytes of the body that were seen.
    length: u64,
    /// What Content-Length says.
    stated: Option<u64>,
    /// The head was all of it.
    bare: bool,
    /// A transfer coding frames it, and its length is not to be believed.
    chunked: bool,
    gap: bool,
    findings: Vec<Finding>,
    shown: Option<Box<Shown>>,
}

/// What the summaries of a response and of the exchange say of the request.
#[derive(Clone, Debug, Default)]
struct About {
    method: String,
    path: String,
    host: String,
    media_type: String,
}

/// The machine.
#[derive(Clone, Debug, Default)]
pub struct Http {
    request: Message,
    response: Message,
    /// Where exchanges or messages are looked at.
    about: Option<Box<About>>,
    /// The request's method is HEAD: a length is stated, and no body follows.
    bodiless: bool,
    over: bool,
}

impl Machine for Http {
    fn feed(&mut self, input: Input<'_>, out: &mut dyn Out) -> Progress {
        match input {
            Input::Bytes(c) => {
                self.body(&c, out);
                return Progress::took(c.data.len());
            }
            Input::Head(h) => self.head(&h, out),
            Input::Trailers(h) => self.trailers(&h),
            Input::Gap { side, len, .. } => self.gap(side, len),
            Input::End { side, cause } => {
                let how = if cause == EndCause::Finished { Ended::Whole } else { Ended::Cut };
                self.end(side, how, out);
            }
            Input::Reset { code, .. } => {
                // Either end aborts the exchange as a whole.
                for side in Side::BOTH {
                    self.end(side, Ended::Reset(code), out);
                }
            }
            Input::Datagram { .. } => {}
        }
        Progress::took(0)
    }

    fn fork(&self) -> Option<Box<dyn Machine>> {
        Some(Box::new(self.clone()))
    }

    fn memory(&self) -> usize {
        let shown = |m: &Message| {
            m.shown.as_ref().map_or(0, |s| {
                size_of::<Shown>()
                    + s.kept.capacity()
                    + s.body.memory()
                    + size_of_val(s.detail.tree.nodes())
            })
        };
        let about = self.about.as_ref().map_or(0, |a| {
            size_of::<About>() + a.method.len() + a.path.len() + a.host.len() + a.media_type.len()
        });
        size_of::<Self>() + about + shown(&self.request) + shown(&self.response)
    }
}

impl Http {
    /// An exchange before its first head.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    const fn message(&mut self, side: Side) -> &mut Message {
        match side {
            Side::Client => &mut self.request,
            Side::Server => &mut self.response,
        }
    }

    fn head(&mut self, h: &Head<'_>, out: &mut dyn Out) {
        if self.over || self.message(h.side).seen || self.message(h.side).ended.is_some() {
            return;
        }
        let status = if h.side == Side::Server { status(h.headers) } else { 0 };
        let mut m = Message {
            seen: true,
            version: h.version,
            status,
            start: h.start,
            last: h.ready,
            bare: h.end,
            chunked: h.headers.get("transfer-encoding").is_some(),
            stated: h.headers.text("content-length").and_then(|v| v.trim().parse().ok()),
            shown: out.wants(Level::Message).then(|| Box::new(Shown::new(h))),
            ..Message::default()
        };
        // RFC 9110 §15.2: an informational response stands before the final one;
        // 101 is the last that this protocol sees.
        if (100..200).contains(&status) && status != 101 {
            m.bare = true;
            m.stated = None;
            m.ended = Some(Ended::Whole);
            m.emit(Side::Server, self.about.as_deref(), out);
            return;
        }
        if out.wants(Level::Message) || out.wants(Level::Exchange) {
            let about = self.about.get_or_insert_default();
            match h.side {
                Side::Client => {
                    about.method = lossy(h.headers.get(":method"));
                    about.path = lossy(h.headers.get(":path"));
                    about.host = lossy(h.headers.get(":authority"));
                }
                Side::Server => about.media_type = media_type(h.headers),
            }
        }
        if h.side == Side::Client {
            // A method that was not captured (an index of HPACK) may be HEAD.
            let method = h.headers.get(":method").unwrap_or_default();
            self.bodiless = matches!(method, b"HEAD" | b"");
        }
        *self.message(h.side) = m;
    }

    fn body(&mut self, c: &Chunk<'_>, out: &mut dyn Out) {
        let m = self.message(c.side);
        if m.ended.is_some() || c.data.is_empty() {
            return;
        }
        let end = c.offset + c.data.len() as u64;
        m.length += c.data.len() as u64;
        m.last = m.last.max(out.ready(c.side, end - 1));
        if let Some(s) = &mut m.shown {
            s.body.add(out, c.side, c.offset..end);
            // Behind a gap nothing is kept: bytes that did not adjoin would seem to.
            if !m.gap {
                let room = out.payload_cap().saturating_sub(s.kept.len()).min(c.data.len());
                s.kept.extend_from_slice(c.data.get(..room).unwrap_or_default());
            }
        }
    }

    fn trailers(&mut self, h: &Head<'_>) {
        let m = self.message(h.side);
        if m.ended.is_some() {
            return;
        }
        m.last = m.last.max(h.ready);
        if let (Some(s), Some(d)) = (&mut m.shown, h.detail) {
            s.trailers.push(d.clone());
        }
    }

    fn gap(&mut self, side: Side, len: u64) {
        let m = self.message(side);
        if m.ended.is_none() {
            if !m.gap {
                m.findings.push(Finding::new(&g::GAP).with(format!("{len} bytes")));
            }
            m.gap = true;
        }
    }

    fn end(&mut self, side: Side, how: Ended, out: &mut dyn Out) {
        if self.over {
            return;
        }
        let asked = self.request.seen;
        let m = match side {
            Side::Client => &mut self.request,
            Side::Server => &mut self.response,
        };
        if m.ended.is_none() {
            m.ended = Some(how);
            if m.seen {
                // Where neither head nor length told the end, this input did.
                if how == Ended::Whole && !m.bare && m.stated != Some(m.length) {
                    m.last = m.last.max(out.now());
                }
                // Without its request it may be the response to HEAD.
                let unsure = !asked && m.length == 0;
                m.judge(how, side == Side::Server && (self.bodiless || unsure));
                m.emit(side, self.about.as_deref(), out);
            }
        }
        if self.request.ended.is_some() && self.response.ended.is_some() {
            self.over = true;
            self.exchange(out);
        }
    }

    /// The last event: what request and response come to.
    fn exchange(&mut self, out: &mut dyn Out) {
        let (q, a) = (&self.request, &self.response);
        if !q.seen && !a.seen {
            return;
        }
        let start = if q.seen { q.start } else { a.start };
        let end = if a.seen { q.last.max(a.last) } else { q.last };
        let mut d = Draft::new(Level::Exchange, "http", "exchange", start, end);
        d.length = q.length.saturating_add(a.length);
        d.complete = q.is_whole() && a.is_whole();
        let reset = match (q.ended, a.ended) {
            (Some(Ended::Reset(c)), _) | (_, Some(Ended::Reset(c))) => Some(c),
            _ => None,
        };
        if let Some(code) = reset {
            d.findings.push(Finding::new(&g::RESET).with(format!("code {code}")));
        } else if !a.seen {
            d.findings.push(Finding::new(&g::NO_RESPONSE));
        }
        if !q.seen {
            d.findings.push(Finding::new(&g::NO_REQUEST));
        }
        if out.wants(Level::Exchange) {
            d.detail = Some(Box::new(self.exchange_detail(reset.is_some())));
        }
        out.emit(d);
    }

    fn exchange_detail(&self, reset: bool) -> Detail {
        let (q, a) = (&self.request, &self.response);
        let none = About::default();
        let about = self.about.as_deref().unwrap_or(&none);
        let mut d = Detail::default();
        let mut add = |spec, value| {
            d.tree.add(spec, None, value);
        };
        if q.seen {
            add(&f::METHOD, Value::Text(about.method.as_str().into()));
            add(&f::URI, Value::Text(about.path.as_str().into()));
            if !about.host.is_empty() {
                add(&f::HOST, Value::Text(about.host.as_str().into()));
            }
        }
        let version = text::version(if q.seen { q.version } else { a.version });
        add(&f::VERSION, Value::Text(version.into()));
        if a.seen {
            add(&f::CODE, Value::U64(u64::from(a.status)));
            if !about.media_type.is_empty() {
                add(&f::CONTENT_TYPE, Value::Text(about.media_type.as_str().into()));
            }
        }
        if q.seen {
            add(&f::REQUEST_BYTES, Value::U64(q.length));
        }
        if a.seen {
            add(&f::RESPONSE_BYTES, Value::U64(a.length));
        }
        let mut what = if q.seen {
            text::short(&format!("{} {}", about.method, about.path))
        } else {
            "(request not captured)".to_owned()
        };
        if a.seen {
            what.push_str(&format!(" → {}, {}", a.status, text::bytes(a.length)));
        } else if !reset {
            what.push_str(" → no response");
        }
        if reset {
            what.push_str(", aborted");
        }
        if q.seen && a.seen {
            let duration = a.last.time.since(q.start.time);
            add(&f::DURATION, Value::U64(duration));
            add(&f::FIRST_BYTE, Value::U64(a.start.time.since(q.start.time)));
            what.push_str(&format!(", {}", human(duration)));
        }
        d.summary = what;
        d
    }
}

impl Message {
    fn is_whole(&self) -> bool {
        self.seen && !self.gap && self.ended == Some(Ended::Whole)
    }

    /// What its end says of it. `headless`: a response to HEAD.
    fn judge(&mut self, how: Ended, headless: bool) {
        match how {
            Ended::Reset(code) => {
                self.findings.push(Finding::new(&g::RESET).with(format!("code {code}")));
            }
            Ended::Cut => {
                let detail = match self.stated {
                    Some(n) => format!("{} of {}", self.length, text::bytes(n)),
                    None => format!("after {}", text::bytes(self.length)),
                };
                self.findings.push(Finding::new(&g::BODY_CUT).with(detail));
            }
            Ended::Whole => {
                // RFC 9110 §8.6: these state the length of what they do not bring.
                let bodiless = headless || matches!(self.status, 101 | 204 | 304);
                if let Some(n) = self.stated
                    && n != self.length
                    && !bodiless
                    && !self.gap
                    && !self.chunked
                {
                    let detail = format!("{} instead of {n}", text::bytes(self.length));
                    self.findings.push(Finding::new(&g::LENGTH).with(detail));
                }
            }
        }
    }

    /// The message's event.
    fn emit(&mut self, side: Side, about: Option<&About>, out: &mut dyn Out) {
        let kind = match side {
            Side::Client => "request",
            Side::Server => "response",
        };
        let mut d = Draft::new(Level::Message, "http", kind, self.start, self.last);
        d.sender = Some(side);
        d.length = self.length;
        d.complete = self.is_whole();
        d.findings = std::mem::take(&mut self.findings);
        if let Some(s) = self.shown.take() {
            let path = about.map_or("", |a| a.path.as_str());
            d.detail = Some(Box::new(self.detail(*s, side, path, &mut d.findings, out)));
        }
        out.emit(d);
    }

    fn detail(
        &self,
        s: Shown,
        side: Side,
        path: &str,
        findings: &mut Vec<Finding>,
        out: &mut dyn Out,
    ) -> Detail {
        let mut d = s.detail;
        d.summary = match side {
            Side::Client => text::short(&s.line),
            Side::Server => match (s.line.as_str(), text::reason(self.status)) {
                ("", "") => format!("{:03}", self.status),
                ("", words) | (words, _) => {
                    format!("{:03} {}", self.status, text::short(words))
                }
            },
        };
        if side == Side::Client {
            d.summary.push_str(&format!(" {}", text::version(self.version)));
        }
        if !s.media_type.is_empty() {
            d.summary.push_str(&format!(" {}", text::short(&s.media_type)));
        }
        if self.length > 0 {
            d.summary.push_str(&format!(" {}", text::bytes(self.length)));
            self.add_body(
                &mut d,
                s.body,
                s.kept,
                &s.media_type,
                &s.coding,
                side,
                path,
                findings,
                out,
            );
        }
        for t in &s.trailers {
            let base = d.origins.append(&t.origins);
            d.tree.append(&t.tree, base);
        }
        d
    }

    #[allow(clippy::too_many_arguments)] // The parts of a `Shown` that was taken apart.
    fn add_body(
        &self,
        d: &mut Detail,
        mut trace: Trace,
        kept: Vec<u8>,
        media_type: &str,
        coding: &[u8],
        side: Side,
        path: &str,
        findings: &mut Vec<Finding>,
        out: &mut dyn Out,
    ) {
        let mut wire = trace.take().unwrap_or_default();
        wire.label = "body";
        let (len, kept_len) = (wire.len, u32::try_from(kept.len()).unwrap_or(u32::MAX));
        let inflated = body::inflate(coding, &kept, out.payload_cap());
        wire.bytes = kept;
        let wire = d.origins.add(wire);
        let span = Span::bytes(wire, 0, len);
        let (buffer, total) = match inflated {
            None => {
                d.tree.add(&f::FILE_DATA, Some(span), Value::None);
                (wire, self.length)
            }
            Some(i) => {
                out.inflated(i.total);
                let raw = d.tree.add(&f::ENCODED_DATA, Some(span), Value::None);
                if let (Some(n), Some(note)) = (d.tree.get_mut(raw), i.note) {
                    n.note = Some(note.into());
                }
                let mut buffer = Buffer::new("inflated");
                let n = u32::try_from(i.bytes.len()).unwrap_or(u32::MAX);
                let source = PieceSource::Buffer(Span::bytes(wire, 0, kept_len));
                buffer.push(n, source, false);
                buffer.bytes = i.bytes;
                let buffer = d.origins.add(buffer);
                d.tree.add(&f::FILE_DATA, Some(Span::bytes(buffer, 0, n)), Value::None);
                (buffer, i.total)
            }
        };
        let bytes = d.origins.get(buffer).map(|b| b.bytes.clone()).unwrap_or_default();
        let cut = (bytes.len() as u64) < total || u64::from(kept_len) < self.length;
        d.truncated = cut.then_some(total);
        d.payload = Payload::Bytes(Vec::new());
        if !cut && self.is_whole() && !media_type.is_empty() {
            let hint = PayloadHint { media_type, path, side, message: None };
            if let Some(more) = out.decode(&hint, &bytes, Some((d, buffer))) {
                findings.extend(more);
            }
        }
        if d.payload == Payload::Bytes(Vec::new()) {
            d.payload = Payload::Bytes(bytes);
        }
    }
}

impl Shown {
    fn new(h: &Head<'_>) -> Self {
        let mut detail = Detail::default();
        if let Some(d) = h.detail {
            let base = detail.origins.append(&d.origins);
            detail.tree.append(&d.tree, base);
        }
        // Versions whose heads have other names, or no tree, are found by these
        // all the same.
        let mut add = |spec: &'static FieldSpec, value| {
            if detail.tree.find(spec.name).is_none() {
                detail.tree.add(spec, None, value);
            }
        };
        let line = match h.side {
            Side::Client => {
                let method = lossy(h.headers.get(":method"));
                let path = lossy(h.headers.get(":path"));
                let line = format!("{method} {path}");
                add(&f::METHOD, Value::Text(method.into()));
                add(&f::URI, Value::Text(path.into()));
                line
            }
            Side::Server => {
                add(&f::CODE, Value::U64(u64::from(status(h.headers))));
                match detail.tree.find("http.response.phrase").map(|n| &n.value) {
                    Some(Value::Text(t)) => t.to_string(),
                    _ => String::new(),
                }
            }
        };
        Self {
            detail,
            line,
            media_type: media_type(h.headers),
            coding: h.headers.get("content-encoding").unwrap_or_default().trim_ascii().to_vec(),
            body: Trace::new(true, "body"),
            kept: Vec::new(),
            trailers: Vec::new(),
        }
    }
}

fn status(headers: &Headers) -> u16 {
    headers.text(":status").and_then(|s| s.parse().ok()).unwrap_or(0)
}

fn lossy(v: Option<&[u8]>) -> String {
    String::from_utf8_lossy(v.unwrap_or_default()).into_owned()
}

/// Content-Type without its parameters, in lower case.
fn media_type(headers: &Headers) -> String {
    let v = headers.get("content-type").unwrap_or_default();
    let v = v.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    String::from_utf8_lossy(v).to_ascii_lowercase()
}
