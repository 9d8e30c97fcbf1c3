//! One exchange: a request and its response, RFC 9110.
//!
//! What comes in is the same for every version of HTTP: heads, body bytes,
//! trailers and ends. Nothing of a body is kept unless messages are looked at.
//!
//! # Server-sent events
//!
//! An event stream is known by the *response's* `Content-Type`, and a claim is made by
//! the first head, the request's. So this machine stays the owner of the exchange, and
//! opens a child on the final response's head when its media type asks for one:
//! `Carries::Named("text/event-stream")`, key 0. It is first told the two heads (as after
//! an upgrade; of the request those fields that the stream's readers send), then passed
//! the body's bytes, with content codings undone (`stream.rs`), and told the trailers and
//! the end. A protocol takes it by listing the media type among its `tokens`.
//!
//! The response's own event then comes with its head, not with its end, which may be
//! hours away; what is found of its body is found of the exchange.

use crate::base::Side;
use crate::base::limits::{MAX_FACT_BYTES, MAX_FACT_TARGET_BYTES};
use crate::event::Level;
use crate::facts::HttpFacts;
use crate::finding::Finding;
use crate::proto::http::body::Undo;
use crate::proto::http::findings as g;
use crate::proto::http::hash::Hash;
use crate::proto::http::hops::hops;
use crate::proto::http::left::Aborted;
use crate::proto::http::message::{
    About, Aside, Ended, Message, Shown, lossy, media_type, status, target,
};
use crate::proto::http::preflight::Preflight;
use crate::proto::http::stream::Stream;
use crate::proto::{Chunk, EndCause, Head, Input, Machine, Out, Progress, missing};

/// The machine.
#[derive(Debug, Default)]
pub struct Http {
    pub(super) request: Message,
    pub(super) response: Message,
    /// It is not over: nobody looks on.
    pub(super) unseen: bool,
    /// Where exchanges or messages are looked at.
    pub(super) about: Option<Box<About>>,
    /// What those are told who look across exchanges.
    pub(super) facts: Box<HttpFacts>,
    /// Of the response's body as sent.
    pub(super) hash: Hash,
    /// Where the response is a stream of events.
    pub(super) stream: Option<Box<Stream>>,
    /// What the request said of a stream that was lost.
    pub(super) last_event_id: Option<Box<[u8]>>,
    /// Findings of a response that was emitted with its head.
    pub(super) late: Vec<Finding>,
    /// Where the request asks for a browser.
    pub(super) preflight: Option<Box<Preflight>>,
    /// The request's method is HEAD: a length is stated, and no body follows.
    pub(super) bodiless: bool,
    /// How it was aborted, where it was.
    pub(super) aborted: Option<Aborted>,
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
            Input::Trailers(h) => self.trailers(&h, out),
            Input::Gap { side, offset, len } => self.gap(side, offset, len, out),
            Input::End { side, cause } => {
                if side == Side::Server {
                    self.stream_ends(input, out);
                }
                self.unseen = matches!(cause, EndCause::CaptureEnded | EndCause::Evicted);
                let how = match cause {
                    EndCause::Finished => Ended::Whole,
                    EndCause::CaptureEnded | EndCause::Evicted
                        if side == Side::Server && self.response.streams =>
                    {
                        Ended::Open
                    }
                    _ => Ended::Cut,
                };
                self.end(side, how, out);
            }
            Input::Reset { side, code } => {
                self.aborted.get_or_insert(Aborted::of(side, code, out));
                self.stream_ends(input, out);
                // Either end aborts the exchange as a whole.
                for side in Side::BOTH {
                    self.end(side, Ended::Reset, out);
                }
            }
            Input::Datagram { .. } => {}
        }
        Progress::took(0)
    }

    fn fork(&self) -> Option<Box<dyn Machine>> {
        Some(Box::new(Self {
            unseen: self.unseen,
            request: self.request.fork(),
            response: self.response.fork(),
            about: self.about.clone(),
            facts: self.facts.clone(),
            hash: self.hash,
            stream: match &self.stream {
                // A decoder has no copy: such a stream is read again from its start.
                Some(s) => Some(Box::new(s.fork()?)),
                None => None,
            },
            last_event_id: self.last_event_id.clone(),
            late: self.late.clone(),
            preflight: self.preflight.clone(),
            bodiless: self.bodiless,
            aborted: self.aborted,
            over: self.over,
        }))
    }

    fn memory(&self) -> usize {
        let shown = |m: &Message| {
            m.undo.as_ref().map_or(0, |u| u.memory())
                + m.aside.as_ref().map_or(0, |a| size_of::<Aside>() + a.kept.capacity())
                + m.shown.as_ref().map_or(0, |s| {
                    size_of::<Shown>()
                        + s.kept.capacity()
                        + s.body.memory()
                        + size_of_val(s.detail.tree.nodes())
                })
        };
        let about = self.about.as_ref().map_or(0, |a| {
            size_of::<About>() + a.method.len() + a.path.len() + a.host.len() + a.media_type.len()
        });
        let f = &self.facts;
        let facts = size_of::<HttpFacts>()
            + f.method.len()
            + f.host.len()
            + f.target.len()
            + f.media_type.len();
        let stream = self.stream.as_ref().map_or(0, |s| s.memory())
            + self.preflight.as_ref().map_or(0, |p| p.memory());
        size_of::<Self>() + stream + facts + about + shown(&self.request) + shown(&self.response)
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
            inferred: h.headers.is_inferred(),
            chunked: h.headers.get("transfer-encoding").is_some(),
            stated: h.headers.text("content-length").and_then(|v| v.trim().parse().ok()),
            asks: h.headers.has_token("expect", "100-continue"),
            shown: out.wants(Level::Message).then(|| Box::new(Shown::new(h))),
            aside: if h.end || out.wants(Level::Message) { None } else { Aside::of(h.headers) },
            undo: if h.end { None } else { Undo::of(h.headers) },
            ..Message::default()
        };
        // RFC 9110 §15.2: an informational response stands before the final one;
        // 101 is the last that this protocol sees.
        if (100..200).contains(&status) && status != 101 {
            if status == 100 {
                self.message(Side::Client).asks = false;
            }
            m.bare = true;
            m.stated = None;
            m.ended = Some(Ended::Whole);
            m.emit(Side::Server, self.about.as_deref(), out);
            self.sent(Side::Server, h.wire_len, 0);
            return;
        }
        self.state_facts(h, status);
        if out.wants(Level::Message) || out.wants(Level::Exchange) {
            let about = self.about.get_or_insert_default();
            match h.side {
                Side::Client => {
                    about.method = lossy(h.headers.get(":method"));
                    about.path = lossy(target(h.headers));
                    about.host = lossy(h.headers.get(":authority"));
                    about.hops = hops(h.headers);
                }
                Side::Server => about.media_type = media_type(h.headers),
            }
        }
        if h.side == Side::Client {
            // A method that was not captured (an index of HPACK) may be HEAD.
            let method = h.headers.get(":method").unwrap_or_default();
            self.bodiless = matches!(method, b"HEAD" | b"");
            let id = h.headers.get("last-event-id");
            self.preflight = Preflight::of(h.headers).map(Box::new);
            self.last_event_id =
                id.map(|v| v.get(..MAX_FACT_BYTES).unwrap_or(v).to_vec().into_boxed_slice());
        }
        if h.side == Side::Server
            && let Some(p) = self.preflight.take()
        {
            p.judge(status, h.headers, &mut self.late);
        }
        *self.message(h.side) = m;
        if h.side == Side::Server {
            self.stream_begins(h, out);
        }
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
        if let Some(a) = m.aside.as_mut().filter(|_| !m.gap) {
            a.add(c.data);
        }
        let cap = if m.shown.is_some() { out.payload_cap() } else { 0 };
        if let Some(u) = &mut m.undo {
            u.feed(c.data, cap, &mut m.small, out);
        } else if c.side == Side::Server {
            m.small.add(c.data);
        }
        self.sent(c.side, 0, c.data.len() as u64);
        if c.side == Side::Server {
            self.hash.update(c.data);
            self.stream_goes_on(c, out);
        }
    }

    /// Bytes of a header section, and of a body, as sent.
    fn sent(&mut self, side: Side, head: u64, body: u64) {
        let add = |counts: &mut [u64; 2], n: u64| {
            if let Some(c) = counts.get_mut(side.index()) {
                *c = c.saturating_add(n);
            }
        };
        add(&mut self.facts.head_bytes, head);
        add(&mut self.facts.body_bytes, body);
    }

    /// What a head says to those who look across exchanges.
    fn state_facts(&mut self, h: &Head<'_>, status: u16) {
        self.sent(h.side, h.wire_len, 0);
        let clip = |v: Option<&[u8]>, most: usize| -> Box<str> {
            let v = v.unwrap_or_default();
            String::from_utf8_lossy(v.get(..most).unwrap_or(v)).into()
        };
        let text = |name: &str, most: usize| clip(h.headers.get(name), most);
        let f = &mut *self.facts;
        match h.side {
            Side::Client => {
                f.version = h.version;
                f.method = text(":method", MAX_FACT_BYTES);
                f.target = clip(target(h.headers), MAX_FACT_TARGET_BYTES);
                f.host = text(":authority", MAX_FACT_BYTES);
                if f.host.is_empty() {
                    f.host = text("host", MAX_FACT_BYTES);
                }
            }
            Side::Server => {
                if !self.request.seen {
                    f.version = h.version;
                }
                f.status = status;
                let mut media_type = media_type(h.headers);
                media_type.truncate(media_type.floor_char_boundary(MAX_FACT_BYTES));
                f.media_type = media_type.into();
            }
        }
    }

    fn trailers(&mut self, h: &Head<'_>, out: &mut dyn Out) {
        let m = self.message(h.side);
        if m.ended.is_some() {
            return;
        }
        self.sent(h.side, h.wire_len, 0);
        if h.side == Side::Server {
            self.stream_trailers(h, out);
        }
        let m = self.message(h.side);
        m.last = m.last.max(h.ready);
        if let (Some(s), Some(d)) = (&mut m.shown, h.detail) {
            s.trailers.push(d.clone());
        }
    }

    fn gap(&mut self, side: Side, offset: u64, len: u64, out: &mut dyn Out) {
        if side == Side::Server {
            self.stream_gap(offset, len, out);
        }
        let m = self.message(side);
        if m.ended.is_none() {
            if !m.gap {
                m.findings.push(Finding::new(&g::GAP).with(missing(len)));
            }
            m.gap = true;
            if let Some(u) = &mut m.undo {
                u.lose();
            }
        }
    }

    fn end(&mut self, side: Side, how: Ended, out: &mut dyn Out) {
        if self.over {
            return;
        }
        let asked = self.request.seen;
        let path = out.path();
        // Of HTTP/2, what ended the stream may stand in what is missing of either end.
        let holed = self.request.version.max(self.response.version) >= 20
            && (path.gaps != [0; 2] || Side::BOTH.into_iter().any(|s| path.lacks(s)));
        for (s, m) in Side::BOTH.into_iter().zip([&mut self.request, &mut self.response]) {
            m.gap |= m.ended.is_none() && how == Ended::Cut && (holed || path.lacks(s));
        }
        let broken = matches!(how, Ended::Cut | Ended::Reset);
        let left = broken && self.left(out).is_some();
        let aborted = self.aborted.map(|x| x.finding(&self.response));
        let m = match side {
            Side::Client => &mut self.request,
            Side::Server => &mut self.response,
        };
        if m.ended.is_none() {
            m.ended = Some(how);
            if m.seen {
                // Where neither head nor length told the end, this input did; behind a hole it
                // may be the next message that did, long after.
                if how == Ended::Whole && !m.bare && !m.gap && m.stated != Some(m.length) {
                    m.last = m.last.max(out.now());
                }
                // Without its request it may be the response to HEAD.
                let unsure = !asked && m.length == 0;
                let headless = side == Side::Server && (self.bodiless || unsure);
                m.judge(how, headless, left, aborted);
                if m.streams {
                    self.late.append(&mut m.findings);
                } else {
                    m.emit(side, self.about.as_deref(), out);
                }
            }
        }
        if self.request.ended.is_some() && self.response.ended.is_some() {
            self.over = true;
            self.exchange(out);
        }
    }
}
