//! A request or a response: what is kept of it, and its event.

use crate::base::limits::PAYLOAD_BYTES;
use crate::base::{Moment, Side};
use crate::event::{Detail, Draft, Level};
use crate::field::{FieldSpec, Value};
use crate::finding::Finding;
use crate::proto::http::body::{self, Body, Codings, Undo, Undone};
use crate::proto::http::hops::{self, Hop};
use crate::proto::http::nothing::Small;
use crate::proto::http::{fields as f, findings as g, text};
use crate::proto::{Head, Headers, Out, Trace};

/// How a message ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ended {
    Whole,
    Cut,
    /// A stream of events that goes on: nothing of it is missing.
    Open,
    Reset,
}

/// What is kept of a message that is looked at.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// The head's, to which the body and the trailers come.
    pub(super) detail: Detail,
    /// Method and target, or the status line's words.
    pub(super) line: String,
    /// See [`media_type`].
    pub(super) media_type: String,
    /// Content-Type as it is.
    pub(super) content_type: Vec<u8>,
    /// Content-Range, where the body is a part.
    pub(super) range: bool,
    /// Where the body lies.
    pub(super) body: Trace,
    /// The body's first bytes.
    pub(super) kept: Vec<u8>,
    pub(super) trailers: Vec<Detail>,
}

/// The beginning of a body with parts that nobody looks at: what is wrong with it is found all
/// the same.
#[derive(Clone, Debug)]
pub(super) struct Aside {
    content_type: Vec<u8>,
    pub(super) kept: Vec<u8>,
}

impl Aside {
    /// Where this head announces such a body, with no coding over it.
    pub(super) fn of(headers: &Headers) -> Option<Box<Self>> {
        let has = |name| headers.get(name).is_some();
        let content_type = headers.get("content-type")?;
        let parted = content_type.get(..10)?.eq_ignore_ascii_case(b"multipart/");
        if !parted || has("content-encoding") || has("content-range") {
            return None;
        }
        Some(Box::new(Self { content_type: content_type.to_vec(), kept: Vec::new() }))
    }

    pub(super) fn add(&mut self, data: &[u8]) {
        let room = PAYLOAD_BYTES.saturating_sub(self.kept.len()).min(data.len());
        self.kept.extend_from_slice(data.get(..room).unwrap_or_default());
    }
}

/// A request or a final response.
#[derive(Debug, Default)]
pub(super) struct Message {
    /// Its head was seen.
    pub(super) seen: bool,
    pub(super) ended: Option<Ended>,
    pub(super) version: u8,
    /// A response's status code.
    pub(super) status: u16,
    pub(super) start: Moment,
    /// The packet that completed what was seen of it.
    pub(super) last: Moment,
    /// Bytes of the body that were seen.
    pub(super) length: u64,
    /// What Content-Length says.
    pub(super) stated: Option<u64>,
    /// It asks for 100 (Continue) before its body (RFC 9110 §10.1.1), and has not been told so.
    pub(super) asks: bool,
    /// The head was all of it.
    pub(super) bare: bool,
    /// Its body is a stream of events: it was emitted with its head.
    pub(super) streams: bool,
    /// A transfer coding frames it, and its length is not to be believed.
    pub(super) chunked: bool,
    pub(super) gap: bool,
    /// Fields of its head were inferred.
    pub(super) inferred: bool,
    pub(super) findings: Vec<Finding>,
    pub(super) shown: Option<Box<Shown>>,
    /// A body with parts that nobody looks at.
    pub(super) aside: Option<Box<Aside>>,
    /// Of a body with codings.
    pub(super) undo: Option<Box<Undo>>,
    /// The body of a response, where it is JSON and short.
    pub(super) small: Small,
}

/// What the summaries of a response and of the exchange say of the request.
#[derive(Clone, Debug, Default)]
pub(super) struct About {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) host: String,
    pub(super) media_type: String,
    /// What proxies left in the request.
    pub(super) hops: Vec<Hop>,
}

impl Message {
    pub(super) fn is_whole(&self) -> bool {
        self.seen && !self.gap && self.ended == Some(Ended::Whole)
    }

    /// How long its body is: `48 bytes`; of one that was not captured as a whole, what is known.
    pub(super) fn amount(&self) -> String {
        let seen = text::bytes(self.length);
        match self.stated {
            // RFC 9110 §15.4.5, §15.3.5: they have none.
            _ if !self.gap || matches!(self.status, 204 | 304) => seen,
            Some(n) if n >= self.length => format!("{} of {} seen", self.length, text::bytes(n)),
            _ if self.length == 0 => "body not captured".to_owned(),
            _ => format!("{seen} seen"),
        }
    }

    /// What its end says of it. `headless`: a response to HEAD; `left`: who took it was gone;
    /// `aborted`: what is found of an abort.
    pub(super) fn judge(
        &mut self,
        how: Ended,
        headless: bool,
        left: bool,
        aborted: Option<Finding>,
    ) {
        match how {
            Ended::Reset if !left => self.findings.extend(aborted),
            Ended::Open => {}
            Ended::Cut | Ended::Reset => {
                let mut detail = match self.stated {
                    Some(n) => format!("{} of {}", self.length, text::bytes(n)),
                    None => format!("after {}", text::bytes(self.length)),
                };
                if left {
                    detail.push_str(": the client left");
                }
                self.findings.push(Finding::new(&g::BODY_CUT).with(detail));
            }
            Ended::Whole => {
                // RFC 9110 §8.6: these state the length of what they do not bring; and who was
                // not asked for the body need not send it.
                let bodiless = headless
                    || matches!(self.status, 101 | 204 | 304)
                    || self.asks && self.length == 0;
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
    pub(super) fn emit(&mut self, side: Side, about: Option<&About>, out: &mut dyn Out) {
        let kind = match side {
            Side::Client => "request",
            Side::Server => "response",
        };
        let mut d = Draft::new(Level::Message, "http", kind, self.start, self.last);
        d.sender = Some(side);
        d.length = self.length;
        d.complete = self.is_whole() || self.streams;
        d.inferred = self.inferred;
        d.findings = std::mem::take(&mut self.findings);
        let undone = self.undone(&mut d.findings, out);
        if let Some(s) = self.shown.take() {
            let path = about.map_or("", |a| a.path.as_str());
            d.detail = Some(Box::new(self.detail(*s, undone, side, path, &mut d.findings, out)));
        } else if let Some(a) = self.aside.take().filter(|_| self.length > 0) {
            let cut = (a.kept.len() as u64) < self.length || !self.is_whole();
            body::judge_parts(&a.content_type, &a.kept, cut, &mut d.findings);
        }
        out.emit(d);
    }

    /// Ends what is undone of the body, and says what is wrong with it.
    fn undone(&mut self, findings: &mut Vec<Finding>, out: &mut dyn Out) -> Option<Undone> {
        let undo = self.undo.take()?;
        let cap = if self.shown.is_some() { out.payload_cap() } else { 0 };
        let undone = undo.finish(self.is_whole(), cap, &mut self.small, out);
        if self.length > 0 {
            if let Codings::Unknown(name) = &undone.codings {
                findings.push(Finding::new(&g::UNKNOWN_CODING).with(name.as_str()));
            }
            findings.extend(undone.fault.as_ref().map(body::fault));
        }
        Some(undone)
    }

    /// A copy, with what [`Undo::fork`] leaves out.
    pub(super) fn fork(&self) -> Self {
        Self {
            findings: self.findings.clone(),
            shown: self.shown.clone(),
            aside: self.aside.clone(),
            undo: self.undo.as_ref().map(|u| u.fork()),
            small: self.small.clone(),
            ..*self
        }
    }

    fn detail(
        &self,
        s: Shown,
        undone: Option<Undone>,
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
        if self.streams {
            d.summary.push_str(", events follow");
        }
        if self.length > 0 || self.gap {
            d.summary.push_str(&format!(" {}", self.amount()));
        }
        if self.length > 0 {
            let whole = self.is_whole();
            let body = Body {
                trace: s.body,
                kept: s.kept,
                length: self.length,
                whole,
                partial: s.range,
                media_type: &s.media_type,
                content_type: &s.content_type,
                undone,
                path,
                side,
            };
            body.show(&mut d, findings, out);
        }
        for t in &s.trailers {
            let base = d.origins.append(t.origins.clone());
            d.tree.append(t.tree.clone(), base);
        }
        d
    }
}

impl Shown {
    pub(super) fn new(h: &Head<'_>) -> Self {
        let mut detail = Detail::default();
        if let Some(d) = h.detail {
            let base = detail.origins.append(d.origins.clone());
            detail.tree.append(d.tree.clone(), base);
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
                let path = lossy(target(h.headers));
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
        hops::state(&hops::hops(h.headers), &mut detail.tree);
        if let Some(range) = h.headers.get("content-range") {
            detail.tree.add(&f::RANGE, None, Value::Text(lossy(Some(range)).into()));
        }
        Self {
            detail,
            line,
            media_type: media_type(h.headers),
            content_type: h.headers.get("content-type").unwrap_or_default().to_vec(),
            range: h.headers.get("content-range").is_some(),
            body: Trace::new(true, "body"),
            kept: Vec::new(),
            trailers: Vec::new(),
        }
    }
}

pub(super) fn status(headers: &Headers) -> u16 {
    headers.text(":status").and_then(|s| s.parse().ok()).unwrap_or(0)
}

/// `:path`; of an ordinary CONNECT, which has none over HTTP/2, the authority (RFC 9113
/// §8.5), as HTTP/1 has it.
pub(super) fn target(headers: &Headers) -> Option<&[u8]> {
    headers.get(":path").or_else(|| {
        headers.get(":authority").filter(|_| headers.get(":method") == Some(b"CONNECT"))
    })
}

pub(super) fn lossy(v: Option<&[u8]>) -> String {
    String::from_utf8_lossy(v.unwrap_or_default()).into_owned()
}

/// Content-Type without its parameters, in lower case.
pub(super) fn media_type(headers: &Headers) -> String {
    let v = headers.get("content-type").unwrap_or_default();
    let v = v.split(|b| *b == b';').next().unwrap_or_default().trim_ascii();
    String::from_utf8_lossy(v).to_ascii_lowercase()
}
