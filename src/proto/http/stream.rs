//! A response that is a stream of events: its body goes on to whoever reads those.

use crate::base::Side;
use crate::base::limits::MAX_INFLATE_RATIO;
use crate::proto::http::body::{Codings, Decoder, fault};
use crate::proto::http::findings as g;
use crate::proto::http::machine::Http;
use crate::proto::{Carries, Child, Chunk, EndCause, Head, Headers, Input, Out};

/// The media type that asks for it (WHATWG HTML, "Server-sent events").
pub(super) const MEDIA_TYPE: &str = "text/event-stream";
/// The child that reads it.
const KEY: u64 = 0;

/// How the body becomes the stream.
#[derive(Debug)]
pub(super) enum Stream {
    /// It is the stream.
    Plain,
    /// Its content codings are undone; so many bytes went in.
    Coded(Box<Decoder>, u64),
    /// They cannot be undone, any more or at all.
    Lost(u64),
    /// It has ended.
    Over,
}

impl Stream {
    /// A copy, where there is one.
    pub(super) fn fork(&self) -> Option<Self> {
        match self {
            Self::Plain => Some(Self::Plain),
            Self::Coded(..) => None,
            Self::Lost(n) => Some(Self::Lost(*n)),
            Self::Over => Some(Self::Over),
        }
    }

    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + match self {
                Self::Coded(d, _) => d.memory(),
                _ => 0,
            }
    }
}

impl Http {
    /// The head of a final response: whether a stream of events follows.
    pub(super) fn stream_begins(&mut self, h: &Head<'_>, out: &mut dyn Out) {
        if h.end || self.bodiless && self.request.seen || &*self.facts.media_type != MEDIA_TYPE {
            return;
        }
        let child = Child { key: KEY, stream: None, carries: Carries::Named(MEDIA_TYPE) };
        if !out.open(child) {
            return;
        }
        let codings = Codings::of_message(h.headers);
        let stream = match (&codings, codings.decoder()) {
            (_, Some(d)) => Stream::Coded(Box::new(d), 0),
            (Codings::Known(_), None) => Stream::Plain,
            (Codings::Unknown(name), None) => {
                self.late.push(crate::finding::Finding::new(&g::UNKNOWN_CODING).with(&**name));
                Stream::Lost(0)
            }
        };
        if self.request.seen {
            let mut headers = Headers::new();
            headers.push(b":method", self.facts.method.as_bytes());
            headers.push(b":path", self.facts.target.as_bytes());
            headers.push(b":authority", self.facts.host.as_bytes());
            if let Some(id) = &self.last_event_id {
                headers.push(b"last-event-id", id);
            }
            let q = &self.request;
            let (start, ready) = (q.start, q.last);
            let [wire_len, _] = self.facts.head_bytes;
            let side = Side::Client;
            let version = q.version;
            let head = Head {
                side,
                headers: &headers,
                version,
                end: true,
                start,
                ready,
                wire_len,
                detail: None,
            };
            out.tell(KEY, Input::Head(head));
        }
        out.tell(KEY, Input::Head(*h));
        self.stream = Some(Box::new(stream));
        self.response.streams = true;
        self.response.undo = None;
        self.response.emit(Side::Server, self.about.as_deref(), out);
    }

    /// More of the body.
    pub(super) fn stream_goes_on(&mut self, c: &Chunk<'_>, out: &mut dyn Out) {
        let Some(stream) = self.stream.as_deref_mut() else { return };
        match stream {
            Stream::Plain => out.pass(KEY, c.side, c.offset, c.data),
            Stream::Coded(d, n) => {
                *n = n.saturating_add(c.data.len() as u64);
                let source = c.offset..c.offset.saturating_add(c.data.len() as u64);
                d.allow(c.data.len(), MAX_INFLATE_RATIO);
                let went = d.feed(c.data, &mut |made| {
                    out.inflated(made.len() as u64);
                    out.pass_made(KEY, Side::Server, source.clone(), made, false);
                });
                if let Err(why) = went {
                    self.late.push(fault(&why));
                    *stream = Stream::Lost(*n);
                }
            }
            Stream::Lost(n) => *n = n.saturating_add(c.data.len() as u64),
            Stream::Over => {}
        }
    }

    /// Bytes of the body are missing.
    pub(super) fn stream_gap(&mut self, offset: u64, len: u64, out: &mut dyn Out) {
        let Some(stream) = self.stream.as_deref_mut() else { return };
        // What follows cannot be decoded without them.
        if let Stream::Coded(_, n) = stream {
            *stream = Stream::Lost(*n);
        }
        out.tell(KEY, Input::Gap { side: Side::Server, offset, len });
    }

    /// Fields behind the body.
    pub(super) fn stream_trailers(&mut self, h: &Head<'_>, out: &mut dyn Out) {
        if self.stream.is_some() {
            out.tell(KEY, Input::Trailers(*h));
        }
    }

    /// The last that the stream hears: how it ended.
    pub(super) fn stream_ends(&mut self, input: Input<'_>, out: &mut dyn Out) {
        let Some(stream) = self.stream.as_deref_mut() else { return };
        let coded = match stream {
            Stream::Over => return,
            Stream::Plain => None,
            Stream::Coded(d, n) => {
                // What a decoder holds back until the end (zstd) was sent before `now`.
                let mut rest = Vec::new();
                let ended = d.finish(&mut |made| rest.extend_from_slice(made));
                out.inflated(rest.len() as u64);
                if !rest.is_empty() {
                    out.pass_made(KEY, Side::Server, 0..u64::MAX, &rest, false);
                }
                // A stream that is cut off says so itself.
                let whole = matches!(input, Input::End { cause: EndCause::Finished, .. });
                if let (Err(why), true) = (ended, whole) {
                    self.late.push(fault(&why));
                }
                Some(*n)
            }
            Stream::Lost(n) => Some(*n),
        };
        *stream = Stream::Over;
        // What was sent is not what it is passed: it is told the difference as a field.
        if let Some(n) = coded {
            let mut headers = Headers::new();
            headers.push(b":encoded-length", n.to_string().as_bytes());
            let now = out.now();
            let head = Head {
                side: Side::Server,
                headers: &headers,
                version: self.response.version,
                end: true,
                start: now,
                ready: now,
                wire_len: 0,
                detail: None,
            };
            out.tell(KEY, Input::Trailers(head));
        }
        out.tell(KEY, input);
        // Its client's direction was never open.
        if !matches!(input, Input::Reset { .. }) {
            out.tell(KEY, Input::End { side: Side::Client, cause: EndCause::Finished });
        }
        out.close(KEY);
    }
}
