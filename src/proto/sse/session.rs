//! The stream as a whole: its exchange.

use crate::base::limits::{MAX_FACT_BYTES, MAX_FACT_TARGET_BYTES, MAX_STREAM_IDS};
use crate::base::time::human;
use crate::base::{Moment, Side};
use crate::event::{Detail, Draft, Level};
use crate::facts::{Facts, StreamFacts, id_hash};
use crate::field::Value;
use crate::finding::Finding;
use crate::proto::sse::{fields as f, findings as g};
use crate::proto::{Head, Headers, Out};

/// What ended a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum EndedBy {
    /// The response's end, as its framing says it: the server ended it.
    Response,
    /// The connection went before the response's end.
    Connection,
    /// That side aborted, with the code of the layer below.
    Reset(Side, u32),
    /// It was open at the capture's end.
    Capture,
    /// Its state was let go.
    Evicted,
}

impl EndedBy {
    pub(super) fn words(self) -> String {
        match self {
            Self::Response => "the end of the response".into(),
            Self::Connection => "the end of the connection".into(),
            Self::Reset(side, 0) => format!("a reset by the {side}"),
            Self::Reset(side, code) => format!("a reset by the {side}, code {code}"),
            Self::Capture => "the end of the capture".into(),
            Self::Evicted => "the memory limit".into(),
        }
    }
}

/// What is known of the stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    facts: Box<StreamFacts>,
    /// The first byte of the request, or of the response.
    start: Option<Moment>,
    asked: bool,
    /// The response's head was complete.
    opened: Moment,
    /// Something was said last.
    spoke: Moment,
    silence: u64,
    first_event: Option<Moment>,
    comments: u64,
    retries: u64,
    retry: Option<u64>,
    bytes: u64,
    /// Bytes as sent, where they differ.
    encoded: Option<u64>,
    gap: bool,
    findings: Vec<Finding>,
}

impl Session {
    pub(super) fn memory(&self) -> usize {
        let f = &self.facts;
        let id = |v: &Option<Box<str>>| v.as_ref().map_or(0, |v| v.len());
        size_of::<StreamFacts>()
            + f.host.len()
            + f.target.len()
            + id(&f.last_id)
            + id(&f.first_id)
            + id(&f.resumed_from)
            + f.method.len()
            + size_of_val(&*f.recent_ids)
    }

    pub(super) fn path(&self) -> &str {
        &self.facts.target
    }

    pub(super) fn last_id(&self) -> Option<&str> {
        self.facts.last_id.as_deref()
    }

    pub(super) fn head(&mut self, h: &Head<'_>) {
        self.start.get_or_insert(h.start);
        let f = &mut *self.facts;
        f.version = h.version;
        f.wire_bytes = f.wire_bytes.saturating_add(h.wire_len);
        if h.side == Side::Client {
            self.asked = true;
            f.host = text(h.headers, ":authority", MAX_FACT_BYTES).unwrap_or_default();
            f.method = text(h.headers, ":method", MAX_FACT_BYTES).unwrap_or_default();
            f.target = text(h.headers, ":path", MAX_FACT_TARGET_BYTES).unwrap_or_default();
            f.resumed_from = text(h.headers, "last-event-id", MAX_FACT_BYTES);
            return;
        }
        self.opened = h.ready;
        self.spoke = h.ready;
        match h.headers.text(":status") {
            Some("200") | None => {}
            Some(other) => self.findings.push(Finding::new(&g::STATUS).with(other)),
        }
        if let Some(c) = h.headers.get("content-type").and_then(charset)
            && !c.eq_ignore_ascii_case(b"utf-8")
        {
            let shown = c.get(..40).unwrap_or(c).escape_ascii().to_string();
            self.findings.push(Finding::new(&g::CHARSET).with(shown));
        }
        let says = |t| h.headers.has_token("cache-control", t);
        if !says("no-store") && !says("no-cache") {
            self.findings.push(Finding::new(&g::CACHING));
        }
    }

    pub(super) fn trailers(&mut self, h: &Head<'_>) {
        self.facts.wire_bytes = self.facts.wire_bytes.saturating_add(h.wire_len);
        // See `proto/http/stream.rs`: the bytes that were decompressed.
        if let Some(n) = h.headers.text(":encoded-length").and_then(|v| v.parse().ok()) {
            self.encoded = Some(n);
        }
    }

    /// Bytes of the stream.
    pub(super) const fn bytes(&mut self, n: usize) {
        self.bytes = self.bytes.saturating_add(n as u64);
    }

    pub(super) const fn gap(&mut self) {
        self.gap = true;
    }

    pub(super) fn found(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Something was said.
    pub(super) fn spoke(&mut self, at: Moment) {
        self.silence = self.silence.max(at.time.since(self.spoke.time));
        self.spoke = self.spoke.max(at);
    }

    pub(super) fn comment(&mut self, at: Moment) {
        self.comments = self.comments.saturating_add(1);
        self.spoke(at);
    }

    pub(super) fn retry(&mut self, ms: Option<u64>, at: Moment) {
        if ms.is_some() {
            self.retries = self.retries.saturating_add(1);
            self.retry = ms;
        }
        self.spoke(at);
    }

    pub(super) fn id(&mut self, id: &[u8]) {
        let id = id.get(..MAX_FACT_BYTES).unwrap_or(id);
        let id: Box<str> = String::from_utf8_lossy(id).into();
        let f = &mut *self.facts;
        if f.first_id.is_none() {
            f.first_id = Some(id.clone());
        }
        if f.last_id.as_ref() != Some(&id) {
            if f.recent_ids.len() >= MAX_STREAM_IDS {
                f.recent_ids.remove(0);
            }
            f.recent_ids.push(id_hash(&id));
        }
        f.last_id = Some(id);
    }

    pub(super) fn event(&mut self, data: u64, at: Moment) {
        let f = &mut *self.facts;
        f.events = f.events.saturating_add(1);
        f.data_bytes = f.data_bytes.saturating_add(data);
        self.first_event.get_or_insert(at);
        self.spoke(at);
    }

    /// The stream's exchange.
    pub(super) fn end(&mut self, by: EndedBy, out: &mut dyn Out) {
        let now = match by {
            EndedBy::Capture => self.spoke,
            _ => self.spoke.max(out.now()),
        };
        self.facts.open = by == EndedBy::Capture;
        let start = self.start.unwrap_or(now);
        self.silence = self.silence.max(now.time.since(self.spoke.time));
        let sent = self.encoded.unwrap_or(self.bytes);
        self.facts.wire_bytes = self.facts.wire_bytes.saturating_add(sent);
        let mut d = Draft::new(Level::Exchange, "sse", "stream", start, now);
        d.length = self.bytes;
        d.complete = !self.gap && !matches!(by, EndedBy::Capture | EndedBy::Evicted);
        d.findings = std::mem::take(&mut self.findings);
        if out.wants(Level::Exchange) {
            d.detail = Some(Box::new(self.detail(by, start, now)));
        }
        d.facts = Some(Facts::Stream(std::mem::take(&mut self.facts)));
        out.emit(d);
    }

    fn detail(&self, by: EndedBy, start: Moment, end: Moment) -> Detail {
        let mut d = Detail::default();
        let s = &*self.facts;
        let mut add = |spec, value| {
            d.tree.add(spec, None, value);
        };
        let text = |t: &str| Value::Text(t.into());
        if self.asked {
            add(&f::URI, text(&s.target));
            if !s.host.is_empty() {
                add(&f::HOST, text(&s.host));
            }
        }
        if let Some(id) = &s.resumed_from {
            add(&f::RESUMED_FROM, text(id));
        }
        add(&f::EVENTS, Value::U64(s.events));
        add(&f::COMMENTS, Value::U64(self.comments));
        add(&f::RETRIES, Value::U64(self.retries));
        add(&f::DATA_BYTES, Value::U64(s.data_bytes));
        add(&f::STREAM_BYTES, Value::U64(self.bytes));
        add(&f::WIRE_BYTES, Value::U64(s.wire_bytes));
        if let Some(id) = &s.last_id {
            add(&f::LAST_EVENT_ID, text(id));
        }
        if let Some(ms) = self.retry {
            add(&f::RETRY, Value::U64(ms));
        }
        let duration = end.time.since(start.time);
        add(&f::DURATION, Value::U64(duration));
        if let Some(first) = self.first_event {
            add(&f::FIRST_EVENT, Value::U64(first.time.since(start.time)));
        }
        add(&f::SILENCE, Value::U64(self.silence));
        add(&f::ENDED_BY, text(&by.words()));
        let many = |n: u64, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
        let mut line = if self.asked {
            let short: String = s.target.chars().take(200).collect();
            format!("{short}: ")
        } else {
            String::new()
        };
        line.push_str(&many(s.events, "event"));
        if self.comments > 0 {
            line.push_str(&format!(", {}", many(self.comments, "comment")));
        }
        line.push_str(&format!(", {}, {}", many(self.bytes, "byte"), human(duration)));
        line.push_str(&format!(", ended by {}", by.words()));
        d.summary = line;
        d
    }
}

fn text(headers: &Headers, name: &str, most: usize) -> Option<Box<str>> {
    let v = headers.get(name)?;
    Some(String::from_utf8_lossy(v.get(..most).unwrap_or(v)).into())
}

/// The charset parameter of a media type, quotes taken off (RFC 9110 §8.3.1).
fn charset(content_type: &[u8]) -> Option<&[u8]> {
    content_type.split(|b| *b == b';').skip(1).find_map(|p| {
        let at = memchr::memchr(b'=', p)?;
        let (name, value) = p.split_at_checked(at)?;
        if !name.trim_ascii().eq_ignore_ascii_case(b"charset") {
            return None;
        }
        let value = value.get(1..)?.trim_ascii();
        Some(value.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(value))
    })
}
