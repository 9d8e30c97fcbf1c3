//! One HTTP/2 connection, both directions, sans-io (RFC 9113).
//!
//! Frames that are small and must be seen whole (all but DATA) are waited for;
//! DATA and what is unknown or too large streams through. Every stream is a
//! child: it is told its header sections, its data and its ends, and one
//! stream's faults never silence another.

use crate::base::limits::MAX_HEADER_BYTES;
use crate::base::{BufferId, Moment, Origins, Side};
use crate::event::{Detail, Draft, Level, Payload};
use crate::field::{In, NoSink, Tree, TreeSink, Value};
use crate::finding::Finding;
use crate::proto::http2::chain::{self, Found, Sought};
use crate::proto::http2::codes::{self, frame};
use crate::proto::http2::connection::{Connection, Left};
use crate::proto::http2::probe::Older;
use crate::proto::http2::streaming::Streaming;
use crate::proto::http2::wire::{self, Body, Content, FrameHead, HEAD_LEN, PREFACE};
use crate::proto::http2::{fields, findings, priority, probe, summary};
use crate::proto::{Chunk, EndCause, Input, Machine, Out, Progress, Trace};

/// The label of buffer 0.
pub(super) const WIRE: &str = "TCP stream";

/// The largest payload that is waited for whole: every header block that is
/// read fits, and settings and the rest are far smaller.
const MAX_HELD: usize = MAX_HEADER_BYTES;

/// Bytes that are waited for at most before the first frame is looked for again: some small
/// ones.
const FEW: usize = 512;

/// Where one direction is.
#[derive(Clone, Debug)]
enum Phase {
    /// At its very beginning: the preface is due from a client.
    Start,
    /// Between two frames.
    Frames,
    /// Within a frame whose payload streams through, or that was cut off.
    Within(Streaming),
    /// The bytes ended within a frame header: so many of it had come.
    CutHead(u8),
    /// Behind missing bytes: the next frame is looked for. So many bytes are not known
    /// for what they were.
    Seeking {
        unknown: u64,
        /// So many of the bytes that are held begin no frame.
        from: usize,
    },
    /// These are no frames: nothing more is read. Only this direction is affected.
    Lost,
}

/// The machine.
#[derive(Clone, Debug)]
pub(crate) struct Http2 {
    phases: [Phase; 2],
    connection: Connection,
    ended: [bool; 2],
}

impl Default for Http2 {
    fn default() -> Self {
        Self {
            phases: [Phase::Start, Phase::Start],
            connection: Connection::default(),
            ended: [false; 2],
        }
    }
}

/// What one step did with the bytes at hand.
enum Step {
    Took(usize),
    /// So many more are needed.
    Need(usize),
    /// All of them, and nothing more is wanted.
    Stop,
}

/// A run of one direction as a step sees it.
#[derive(Clone, Copy)]
struct Here<'a> {
    side: Side,
    offset: u64,
    data: &'a [u8],
    last: bool,
}

impl Http2 {
    fn phase(&mut self, side: Side) -> &mut Phase {
        let [client, server] = &mut self.phases;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    fn bytes(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Progress {
        let mut took = 0;
        loop {
            let data = c.data.get(took..).unwrap_or_default();
            if data.is_empty() {
                return match self.phase(c.side) {
                    Phase::Lost => Progress::nothing(took),
                    _ => Progress::took(took),
                };
            }
            let offset = c.offset + took as u64;
            let here = Here { side: c.side, offset, data, last: c.last };
            match self.step(here, out) {
                Step::Took(n) => took += n,
                Step::Need(n) => return Progress::need(took, n),
                Step::Stop => return Progress::nothing(took),
            }
        }
    }

    fn step(&mut self, here: Here<'_>, out: &mut dyn Out) -> Step {
        let side = here.side;
        let [client, server] = &mut self.phases;
        let phase = match side {
            Side::Client => client,
            Side::Server => server,
        };
        match phase {
            Phase::Lost => Step::Stop,
            Phase::Start => self.start(here, out),
            Phase::Frames | Phase::CutHead(_) => self.frame(here, out),
            Phase::Seeking { unknown, from } => {
                let (unknown, from) = (*unknown, *from);
                self.seek(here, unknown, from, out)
            }
            Phase::Within(streaming) => {
                let n = streaming.take(side, here.offset, here.data, &mut self.connection, out);
                self.finish_streaming(side, out);
                Step::Took(n)
            }
        }
    }

    /// The first bytes of a direction (§3.4).
    fn start(&mut self, here: Here<'_>, out: &mut dyn Out) -> Step {
        let Here { side, data, last, .. } = here;
        if side == Side::Server {
            return self.server_start(here, out);
        }
        let n = data.len().min(PREFACE.len());
        if data.get(..n) == PREFACE.get(..n) {
            if n < PREFACE.len() && !last {
                return Step::Need(PREFACE.len() - n);
            }
            *self.phase(side) = Phase::Frames;
            preface(here, n, out);
            return Step::Took(n);
        }
        if data.len() < HEAD_LEN && !last {
            return Step::Need(HEAD_LEN - data.len());
        }
        if self.connection.is_upgraded() {
            let at = out.moment(side, here.offset);
            out.finding_at(Finding::new(&findings::BAD_PREFACE), at);
            // Frames all the same, it may be.
            let plausible = wire::frame_head(In::new(data, BufferId(0), 0, &NoSink))
                .is_ok_and(|(_, head)| probe::is_first_settings(&head));
            *self.phase(side) = if plausible { Phase::Frames } else { Phase::Lost };
            return Step::Took(0);
        }
        self.join(here, out)
    }

    /// The first bytes of a server: SETTINGS, or what an earlier frame of the
    /// client's lets one expect.
    fn server_start(&mut self, here: Here<'_>, out: &mut dyn Out) -> Step {
        let Here { side, data, last, .. } = here;
        if self.connection.is_joined() {
            return self.join(here, out);
        }
        let heard = !matches!(self.phase(Side::Client), Phase::Start);
        if !heard && !self.connection.is_upgraded() {
            if data.len() < HEAD_LEN && !last {
                return Step::Need(HEAD_LEN - data.len());
            }
            let first = wire::frame_head(In::new(data, BufferId(0), 0, &NoSink))
                .map_or(true, |(_, head)| probe::is_first_settings(&head));
            if !first {
                return self.join(here, out);
            }
        }
        match probe::http1_status(data, last) {
            Older::Need(n) => return Step::Need(n),
            Older::Line(line) => {
                let at = out.moment(side, here.offset);
                out.finding_at(Finding::new(&findings::ANSWERED_BY_HTTP1).with(line), at);
                *self.phase(side) = Phase::Lost;
            }
            Older::No => *self.phase(side) = Phase::Frames,
        }
        Step::Took(0)
    }

    /// The first bytes that were captured of a direction whose beginning was not.
    fn join(&mut self, here: Here<'_>, out: &mut dyn Out) -> Step {
        let Here { side, data, last, .. } = here;
        if data.len() < HEAD_LEN && !last {
            return Step::Need(HEAD_LEN - data.len());
        }
        match chain::find(data, last) {
            Found::At(0) => {
                self.connection.join(out);
                *self.phase(side) = Phase::Frames;
                Step::Took(0)
            }
            Found::At(n) => {
                self.connection.join(out);
                let rest = data.get(..n).unwrap_or_default();
                cut_frame(Here { data: rest, ..here }, Cut::Front, true, out);
                *self.phase(side) = Phase::Frames;
                Step::Took(n)
            }
            // Searched anew each time, so not for every byte; and yet small frames behind a
            // large one are to be found as they come.
            Found::Undecided => Step::Need((data.len() / 4).clamp(1, FEW)),
            // Within a frame that is larger than what is searched, or of a kind that nobody
            // knows: that nothing began here is known.
            Found::Nowhere if self.connection.is_joined() || out.path().joined => {
                self.connection.join(out);
                *self.phase(side) = Phase::Seeking { unknown: 0, from: 0 };
                Step::Took(0)
            }
            Found::Nowhere => {
                // Much may have come until it was clear: shown where it begins.
                let at = out.moment(side, here.offset);
                out.finding_at(Finding::new(&findings::BAD_PREFACE), at);
                *self.phase(side) = Phase::Lost;
                Step::Took(0)
            }
        }
    }

    /// Bytes of a direction are missing. Within a frame whose length is known the
    /// place behind them is known; else the next frame must be found.
    fn gap(&mut self, side: Side, offset: u64, len: u64, out: &mut dyn Out) {
        let detail = format!("{len} bytes");
        let found = Finding::new(&findings::GAP).with(detail.clone());
        let phase = std::mem::replace(self.phase(side), Phase::Frames);
        let unknown = match phase {
            Phase::Lost => {
                *self.phase(side) = Phase::Lost;
                return;
            }
            Phase::Within(s) if u64::from(s.left()) >= len => {
                // Checked: no more than what is left.
                let rest = s.behind(side, len as u32, &mut self.connection, out);
                if s.is_rest() {
                    out.finding(found);
                } else {
                    self.connection.unread(side, s.head());
                }
                s.finish(
                    side,
                    Some(Finding::new(&findings::GAP).with(detail)),
                    &mut self.connection,
                    out,
                );
                *self.phase(side) = Phase::Within(rest);
                self.finish_streaming(side, out);
                return;
            }
            Phase::Within(s) => {
                let unknown = len.saturating_sub(u64::from(s.left()));
                if s.is_rest() {
                    out.finding(found);
                } else {
                    self.connection.unread(side, s.head());
                }
                s.finish(
                    side,
                    Some(Finding::new(&findings::GAP).with(detail)),
                    &mut self.connection,
                    out,
                );
                unknown
            }
            other => {
                out.finding(found);
                match other {
                    Phase::CutHead(n) => len.saturating_add(u64::from(n)),
                    Phase::Seeking { unknown, .. } => len.saturating_add(unknown),
                    _ => len,
                }
            }
        };
        if unknown == 0 {
            return;
        }
        self.connection.gap(side, offset);
        *self.phase(side) = Phase::Seeking { unknown, from: 0 };
    }

    /// Looks for the next frame behind missing bytes.
    fn seek(&mut self, here: Here<'_>, unknown: u64, from: usize, out: &mut dyn Out) -> Step {
        let Here { side, data, last, .. } = here;
        let (n, is_found) = match self.connection.hints(side).find(data, from, last) {
            Sought::At(n) => (n, true),
            // Small frames behind a large one are found as they come.
            Sought::More { from, missing } => {
                *self.phase(side) = Phase::Seeking { unknown, from };
                return Step::Need(missing);
            }
            // The last bytes may be the beginning of a header.
            Sought::Nowhere if last => (data.len(), false),
            Sought::Nowhere => (data.len().saturating_sub(HEAD_LEN - 1).max(1), false),
        };
        if n > 0 {
            let skipped = data.get(..n).unwrap_or_default();
            cut_frame(Here { data: skipped, ..here }, Cut::Front, true, out);
        }
        let unknown = unknown.saturating_add(n as u64);
        if is_found {
            self.connection.found_again(side, unknown);
            *self.phase(side) = Phase::Frames;
        } else {
            *self.phase(side) = Phase::Seeking { unknown, from: 0 };
        }
        Step::Took(n)
    }

    fn frame(&mut self, here: Here<'_>, out: &mut dyn Out) -> Step {
        let Here { side, offset, data, last } = here;
        let Ok((_, head)) = wire::frame_head(In::new(data, BufferId(0), 0, &NoSink)) else {
            if !last {
                return Step::Need(HEAD_LEN - data.len());
            }
            let inferred = self.connection.is_inferred(side);
            cut_frame(here, Cut::Head, inferred, out);
            // Below nine.
            *self.phase(side) = Phase::CutHead(data.len() as u8);
            return Step::Took(data.len());
        };
        let length = head.length as usize;
        let streams = head.kind == frame::DATA
            || codes::frame_type(u64::from(head.kind)).is_none()
            || length > MAX_HELD;
        if streams {
            let head_bytes = data.get(..HEAD_LEN).unwrap_or_default();
            let s = Streaming::begin(side, offset, head, head_bytes, &mut self.connection, out);
            *self.phase(side) = Phase::Within(s);
            self.finish_streaming(side, out);
            return Step::Took(HEAD_LEN);
        }
        let whole = HEAD_LEN + length;
        let Some(bytes) = data.get(..whole) else {
            if !last {
                return Step::Need(whole - data.len());
            }
            let inferred = self.connection.is_inferred(side);
            cut_frame(here, Cut::Payload(&head), inferred, out);
            self.connection.unread(side, &head);
            let got = data.len().saturating_sub(HEAD_LEN) as u32;
            *self.phase(side) = Phase::Within(Streaming::rest(head, got, out));
            return Step::Took(data.len());
        };
        self.held(Here { data: bytes, ..here }, &head, out);
        Step::Took(whole)
    }

    /// A frame that is here as a whole.
    fn held(&mut self, here: Here<'_>, head: &FrameHead, out: &mut dyn Out) {
        let Here { side, offset, data, .. } = here;
        let wanted = out.wants(Level::Frame);
        let body = body(data, head);
        let end = offset + data.len() as u64;
        let mut findings = Vec::new();
        let mut effect = self.connection.frame(side, offset, head, &body, &mut findings, out);
        let ready = out.ready(side, end.saturating_sub(1));
        if findings.is_empty() && out.count(Level::Frame) {
            self.connection.after(side, head, effect, ready, out);
            return;
        }
        let start = out.moment(side, offset);
        let mut draft = draft(side, head, start, ready);
        draft.inferred = self.connection.is_inferred(side);
        if wanted {
            let mut detail = Detail {
                summary: summary::frame(head, &body.content, effect.headers()),
                tree: tree(data, head),
                ..Detail::default()
            };
            let mut trace = Trace::new(true, WIRE);
            trace.add(out, side, offset..end);
            detail.origins = origins(trace, data);
            if let Some(answer) = effect.answer() {
                let packet = Value::U64(answer.to.packet.0);
                detail.tree.add(&fields::ACK_TO, None, packet);
                detail.tree.add(&fields::ACK_TIME, None, Value::U64(answer.after));
            }
            if head.kind == frame::WINDOW_UPDATE
                && let Some(left) = self.connection.left(side.peer(), head.stream)
            {
                windows(&mut detail.tree, left);
            }
            if let Some(section) = effect.detail(out.wants(Level::Message)) {
                let base = detail.origins.append(section.origins);
                detail.tree.append(section.tree, base);
            }
            let value = match body.content {
                Content::PriorityUpdate { value, .. } => Some(value),
                _ => effect.headers().and_then(|h| {
                    let mut own = h.iter().filter(|(n, _, f)| *n == b"priority" && f.known);
                    own.next().map(|(_, value, _)| value)
                }),
            };
            if let Some(p) = value.and_then(priority::parse) {
                detail.tree.add(&fields::URGENCY, None, Value::U64(u64::from(p.urgency)));
                detail.tree.add(&fields::INCREMENTAL, None, Value::Bool(p.incremental));
            }
            match body.content {
                Content::Ping(p) | Content::Goaway { debug: p, .. } if !p.is_empty() => {
                    detail.payload = Payload::Bytes(p.to_vec());
                }
                _ => {}
            }
            draft.detail = Some(Box::new(detail));
        }
        draft.findings = findings;
        out.emit(draft);
        self.connection.after(side, head, effect, ready, out);
    }

    /// Emits the frame that streams through, if it is complete.
    fn finish_streaming(&mut self, side: Side, out: &mut dyn Out) {
        let phase = self.phase(side);
        if !matches!(phase, Phase::Within(s) if s.is_complete()) {
            return;
        }
        if let Phase::Within(s) = std::mem::replace(phase, Phase::Frames) {
            s.finish(side, None, &mut self.connection, out);
        }
    }

    /// What is unfinished of a direction is emitted as such.
    fn cut(&mut self, side: Side, finding: Finding, out: &mut dyn Out) {
        let phase = self.phase(side);
        if !matches!(phase, Phase::Within(_)) {
            return;
        }
        if let Phase::Within(s) = std::mem::replace(phase, Phase::Frames) {
            s.finish(side, Some(finding), &mut self.connection, out);
        }
    }

    fn end(&mut self, side: Side, cause: EndCause, out: &mut dyn Out) {
        self.cut(side, Finding::new(&findings::TRUNCATED), out);
        self.connection.end(side, cause, out);
        self.over(side, out);
    }

    /// Nothing more comes from `side`; after both, the streams are closed.
    fn over(&mut self, side: Side, out: &mut dyn Out) {
        if let Some(e) = self.ended.get_mut(side.index()) {
            *e = true;
        }
        if self.ended == [true; 2] {
            self.connection.close_all(out);
        }
    }
}

impl Machine for Http2 {
    fn feed(&mut self, input: Input<'_>, out: &mut dyn Out) -> Progress {
        self.connection.tell_gap(&input, out);
        match input {
            Input::Bytes(chunk) => return self.bytes(&chunk, out),
            Input::Head(head) => self.connection.upgraded(&head, out),
            Input::Gap { side, offset, len } => self.gap(side, offset, len, out),
            Input::Reset { side, code } => {
                for s in [side, side.peer()] {
                    self.cut(s, Finding::new(&findings::TRUNCATED), out);
                }
                self.connection.reset(side, code, out);
                for s in Side::BOTH {
                    self.over(s, out);
                }
            }
            Input::End { side, cause } => self.end(side, cause, out),
            Input::Trailers(_) | Input::Datagram { .. } => {}
        }
        Progress::took(0)
    }

    fn fork(&self) -> Option<Box<dyn Machine>> {
        Some(Box::new(self.clone()))
    }

    fn memory(&self) -> usize {
        let phases: usize = self
            .phases
            .iter()
            .map(|p| match p {
                Phase::Within(s) => s.memory(),
                _ => 0,
            })
            .sum();
        size_of::<Self>() + phases + self.connection.memory()
    }
}

/// Reads the payload of a whole frame.
fn body<'a>(data: &'a [u8], head: &FrameHead) -> Body<'a> {
    let payload = data.get(HEAD_LEN..).unwrap_or_default();
    wire::body(In::new(payload, BufferId(0), HEAD_LEN as u32, &NoSink), head)
}

/// The same parsers once more, for the tree.
fn tree(data: &[u8], head: &FrameHead) -> Tree {
    let sink = TreeSink::new();
    let i = In::new(data, BufferId(0), 0, &sink);
    if let Ok((rest, _)) = wire::frame_head(i) {
        wire::body(rest, head);
    }
    sink.into_tree()
}

/// Buffer 0 of a frame.
pub(super) fn origins(mut trace: Trace, bytes: &[u8]) -> Origins {
    let mut origins = Origins::new();
    if let Some(mut buffer) = trace.take() {
        buffer.bytes = bytes.to_vec();
        origins.add(buffer);
    }
    origins
}

/// What is left of the windows.
pub(super) fn windows(tree: &mut Tree, left: Left) {
    if let Some(n) = left.stream {
        tree.add(&fields::STREAM_WINDOW, None, Value::I64(n));
    }
    tree.add(&fields::CONNECTION_WINDOW, None, Value::I64(left.connection));
}

/// The event of a frame.
pub(super) fn draft(side: Side, head: &FrameHead, start: Moment, end: Moment) -> Draft {
    let mut d = Draft::new(Level::Frame, "http2", codes::kind(head.kind), start, end);
    d.sender = Some(side);
    d.stream = Some(u64::from(head.stream));
    d.length = u64::from(head.length);
    d
}

/// The client connection preface, or the `n` bytes of it that there are.
fn preface(here: Here<'_>, n: usize, out: &mut dyn Out) {
    let Here { side, offset, data, .. } = here;
    let end = offset + n as u64;
    let start = out.moment(side, offset);
    let ready = out.ready(side, end.saturating_sub(1));
    let mut d = Draft::new(Level::Frame, "http2", "preface", start, ready);
    d.sender = Some(side);
    d.stream = Some(0);
    d.length = n as u64;
    if n < PREFACE.len() {
        d.complete = false;
        d.findings.push(Finding::new(&findings::TRUNCATED));
    }
    if out.wants(Level::Frame) {
        let bytes = data.get(..n).unwrap_or_default();
        let sink = TreeSink::new();
        let _ =
            crate::field::input::bytes(&fields::MAGIC, n)(In::new(bytes, BufferId(0), 0, &sink));
        let mut trace = Trace::new(true, WIRE);
        trace.add(out, side, offset..end);
        d.detail = Some(Box::new(Detail {
            summary: "connection preface".to_owned(),
            tree: sink.into_tree(),
            origins: origins(trace, bytes),
            ..Detail::default()
        }));
    }
    out.emit(d);
}

/// Where a frame was cut.
#[derive(Clone, Copy)]
enum Cut<'a> {
    /// Its front was not captured.
    Front,
    /// The bytes end within its header.
    Head,
    /// The bytes end within its payload.
    Payload(&'a FrameHead),
}

/// A frame that the end of the bytes cut off before its last byte, or within its
/// header; or the rest of one whose header was not captured.
fn cut_frame(here: Here<'_>, cut: Cut<'_>, inferred: bool, out: &mut dyn Out) {
    let head = if let Cut::Payload(head) = cut { Some(head) } else { None };
    let Here { side, offset, data, .. } = here;
    let end = offset + data.len() as u64;
    let start = out.moment(side, offset);
    let ready = out.ready(side, end.saturating_sub(1));
    let nothing = FrameHead { length: 0, kind: 0xff, flags: 0, stream: 0 };
    let mut d = draft(side, head.unwrap_or(&nothing), start, ready);
    d.complete = false;
    d.inferred = inferred;
    let got = match cut {
        Cut::Payload(h) => {
            format!("{} of {} bytes", data.len().saturating_sub(HEAD_LEN), h.length)
        }
        Cut::Head => format!("{} of {HEAD_LEN} bytes of a frame header", data.len()),
        Cut::Front => format!("the last {} bytes of a frame", data.len()),
    };
    if out.wants(Level::Frame) {
        let sink = TreeSink::new();
        let mut i = In::new(data, BufferId(0), 0, &sink);
        // A part of a payload is not read: its end decides what its fields are.
        if head.is_some()
            && let Ok((rest, _)) = wire::frame_head(i)
        {
            i = rest;
        }
        wire::unknown(i);
        let tree = sink.into_tree();
        let mut trace = Trace::new(true, WIRE);
        trace.add(out, side, offset..end);
        let summary = match cut {
            Cut::Payload(h) => format!("{} (cut)", summary::frame(h, &Content::Unread, None)),
            Cut::Head => "frame header (cut)".to_owned(),
            Cut::Front => "the rest of a frame whose header was not captured".to_owned(),
        };
        d.detail = Some(Box::new(Detail {
            summary,
            tree,
            origins: origins(trace, data),
            ..Detail::default()
        }));
    }
    if matches!(cut, Cut::Front) {
        d.stream = None;
        d.length = data.len() as u64;
    }
    // That the front is missing is said once, of the connection.
    if !matches!(cut, Cut::Front) {
        d.findings.push(Finding::new(&findings::TRUNCATED).with(got));
    }
    out.emit(d);
}
