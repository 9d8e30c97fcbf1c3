//! Bodies: RFC 9112 §6 and §7.

use crate::base::limits::{MAX_CHUNK_LINE_BYTES, MAX_HEADER_BYTES, MAX_HEADER_FIELDS};
use crate::base::{BufferId, Side};
use crate::field::{In, NoSink};
use crate::finding::Finding;
use crate::proto::http1::machine::heads::Seen;
use crate::proto::http1::machine::{Http1, State, Step};
use crate::proto::http1::message::{First, Framing, Odd, Scan};
use crate::proto::http1::probe::{Looks, look};
use crate::proto::http1::{findings as g, wire};
use crate::proto::{Chunk, EndCause, Head, Input, Out, Want};

/// How a response begins.
const RESPONSE: &[u8] = b"HTTP/1.";

impl Http1 {
    pub(super) fn begin_body(&mut self, side: Side, framing: Framing, out: &mut dyn Out) {
        let half = self.half(side);
        half.scan = Scan::START;
        match framing {
            Framing::None => self.finish(side, out),
            Framing::Length(n) => half.state = State::Body(n),
            Framing::Chunked => half.state = State::ChunkLine,
            Framing::Close => half.state = State::Close,
            Framing::Unknown => {
                self.cut(side, EndCause::CaptureEnded, out);
                self.half(side).state = State::Off;
            }
        }
    }

    /// RFC 9110 §10.1.1: a client that expected 100 and got a final response may
    /// go on with its next request instead of the body.
    pub(super) fn withheld(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Option<Step> {
        let [client, _] = &self.halves;
        if c.side != Side::Client || client.passed > 0 {
            return None;
        }
        let key = client.key;
        let o = self.exchange(key)?;
        if !o.expects || !o.answered {
            return None;
        }
        match look(c.data) {
            Looks::Request(true) => {
                out.finding(Finding::new(&g::BODY_WITHHELD));
                self.finish(Side::Client, out);
                Some(Step::Go(0))
            }
            Looks::Request(false) if !c.last && c.data.len() < MAX_CHUNK_LINE_BYTES => {
                Some(Step::Stop(0, Want::More(1)))
            }
            _ => {
                o.expects = false;
                None
            }
        }
    }

    /// A response whose request was not captured may be one to HEAD: it states the body that
    /// it does not have (RFC 9110 §9.3.2), and the next response stands in its place.
    pub(super) fn headless(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Option<Step> {
        let [_, server] = &self.halves;
        if c.side != Side::Server || server.passed > 0 {
            return None;
        }
        let key = server.key;
        if !self.exchange(key)?.orphan {
            return None;
        }
        let front = c.data.get(..RESPONSE.len()).unwrap_or(c.data);
        if !RESPONSE.starts_with(front) {
            return None;
        }
        let whole = front == RESPONSE;
        match look(c.data) {
            Looks::Response(true) => {
                self.finish(Side::Server, out);
                Some(Step::Go(0))
            }
            looks if !c.last && (!whole || looks == Looks::Response(false)) => {
                (c.data.len() < MAX_CHUNK_LINE_BYTES).then_some(Step::Stop(0, Want::More(1)))
            }
            _ => None,
        }
    }

    pub(super) fn chunk_line(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Step {
        let off = NoSink;
        let Ok((rest, line)) = wire::chunk_line(In::new(c.data, BufferId(0), 0, &off)) else {
            if c.data.len() > MAX_CHUNK_LINE_BYTES {
                return self.fail(c.side, &g::BAD_CHUNK, Some("no line end".into()), out);
            }
            return Step::Stop(0, Want::More(1));
        };
        let took = c.data.len() - rest.data().len();
        if line.bare_lf {
            out.finding(Finding::new(&g::BARE_LF).with("chunk"));
        }
        let half = self.half(c.side);
        match line.size {
            None => {
                let shown = c.data.get(..took.min(32)).unwrap_or_default();
                let shown = shown.escape_ascii().to_string();
                return self.fail(c.side, &g::BAD_CHUNK, Some(shown), out);
            }
            Some(0) => {
                half.state = State::Trailers;
                half.scan = Scan::START;
            }
            Some(n) => half.state = State::ChunkData(n),
        }
        Step::Go(took)
    }

    pub(super) fn chunk_end(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Step {
        let took = match c.data {
            [b'\r', b'\n', ..] => 2,
            [b'\n', ..] => {
                out.finding(Finding::new(&g::BARE_LF).with("chunk"));
                1
            }
            [b'\r'] => return Step::Stop(0, Want::More(1)),
            _ => {
                let detail = "the data is longer than the size says";
                return self.fail(c.side, &g::BAD_CHUNK, Some(detail.into()), out);
            }
        };
        self.half(c.side).state = State::ChunkLine;
        Step::Go(took)
    }

    pub(super) fn trailers(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Step {
        let half = self.half(c.side);
        let Some(len) = half.scan.end(c.data) else {
            if c.data.len() > MAX_HEADER_BYTES {
                return self.fail(c.side, &g::HEAD_TOO_LARGE, Some("trailers".into()), out);
            }
            return Step::Stop(0, Want::More(1));
        };
        let (key, version) = (half.key, half.version);
        let data = c.data.get(..len).unwrap_or_default();
        let mut odd = Odd::default();
        let (section, detail) = self.read(&Chunk { data, ..*c }, None, &mut odd, out);
        odd.0.drain(..).for_each(|f| out.finding(f));
        if section.first == First::Bad {
            let detail = format!("more than {MAX_HEADER_FIELDS} fields");
            return self.fail(c.side, &g::HEAD_TOO_LARGE, Some(detail), out);
        }
        if !self.headers.is_empty() {
            let seen = Seen::new(c, &section, out);
            out.tell(
                key,
                Input::Trailers(Head {
                    side: c.side,
                    headers: &self.headers,
                    version,
                    end: true,
                    start: seen.start,
                    ready: seen.ready,
                    wire_len: section.len as u64,
                    detail: detail.as_ref(),
                }),
            );
        }
        self.finish(c.side, out);
        Step::Go(len)
    }
}
