//! A frame whose payload is handed on as it comes: DATA (RFC 9113 §6.1), frames
//! of unknown type, and frames too large to be waited for.

use crate::base::{BufferId, Moment, Side, Span};
use crate::event::{Detail, Level, Payload};
use crate::field::{FieldSpec, In, Sink, Tree, TreeSink, Value};
use crate::finding::Finding;
use crate::proto::http2::codes::frame;
use crate::proto::http2::connection::{Connection, Left};
use crate::proto::http2::machine::{WIRE, draft, origins, windows};
use crate::proto::http2::wire::{self, Content, END_STREAM, FrameHead, HEAD_LEN, PADDED};
use crate::proto::http2::{fields, findings, summary};
use crate::proto::{Out, Trace};

/// A DATA frame:
///
/// ```text
/// +---------------+
/// |Pad Length? (8)|
/// +---------------+-----------------------------------------------+
/// |                            Data (*)                         ...
/// +---------------------------------------------------------------+
/// |                           Padding (*)                       ...
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Debug)]
pub(super) struct Streaming {
    head: FrameHead,
    /// Its first byte; none yet of a rest.
    start: Option<Moment>,
    /// The packet of the last byte so far.
    ready: Moment,
    /// Bytes of the payload so far, with those that are missing before a rest.
    got: u32,
    /// Where in the payload the rest of a frame begins, behind missing bytes.
    rest: Option<u32>,
    /// Where the data lies in the payload: known once the pad length is.
    data: Option<(u32, u32)>,
    pad: Option<u8>,
    /// The data goes to the stream's child.
    deliver: bool,
    findings: Vec<Finding>,
    kept: Option<Box<Kept>>,
}

/// What is kept for the event's detail.
#[derive(Clone, Debug)]
struct Kept {
    tree: Tree,
    trace: Trace,
    bytes: Vec<u8>,
    cap: usize,
    /// Of the windows, once the frame is counted.
    left: Option<Left>,
}

impl Streaming {
    /// The frame header, whose bytes begin at `offset`, has been read.
    pub(super) fn begin(
        side: Side,
        offset: u64,
        head: FrameHead,
        bytes: &[u8],
        connection: &mut Connection,
        out: &mut dyn Out,
    ) -> Self {
        let mut findings = Vec::new();
        let deliver = connection.streaming(side, offset, &head, &mut findings, out);
        let end = offset + HEAD_LEN as u64;
        let kept = out.wants(Level::Frame).then(|| {
            let sink = TreeSink::new();
            let _ = wire::frame_head(In::new(bytes, BufferId(0), 0, &sink));
            let mut trace = Trace::new(true, WIRE);
            trace.add(out, side, offset..end);
            Box::new(Kept {
                tree: sink.into_tree(),
                trace,
                bytes: bytes.to_vec(),
                cap: out.payload_cap(),
                left: if head.kind == frame::DATA && head.stream != 0 {
                    connection.left(side, head.stream)
                } else {
                    None
                },
            })
        });
        let padded = head.kind == frame::DATA && head.has(PADDED);
        if padded && head.length == 0 {
            findings.push(Finding::new(&findings::FRAME_SIZE).with("no room for a pad length"));
        }
        Self {
            head,
            start: Some(out.moment(side, offset)),
            ready: out.ready(side, end - 1),
            got: 0,
            rest: None,
            data: (!padded).then_some((0, head.length)),
            pad: None,
            deliver,
            findings,
            kept,
        }
    }

    /// The rest of a frame that was cut off by missing bytes, from byte `from` of its
    /// payload on, where nothing of it goes to a child.
    pub(super) fn rest(head: FrameHead, from: u32, out: &dyn Out) -> Self {
        Self {
            head,
            start: None,
            ready: out.now(),
            got: from,
            rest: Some(from),
            data: None,
            pad: None,
            deliver: false,
            findings: Vec::new(),
            kept: None,
        }
    }

    /// Whether it is the rest of a frame.
    pub(super) const fn is_rest(&self) -> bool {
        self.rest.is_some()
    }

    /// Its frame header.
    pub(super) const fn head(&self) -> &FrameHead {
        &self.head
    }

    /// Bytes of the payload that are still to come.
    pub(super) const fn left(&self) -> u32 {
        self.head.length.saturating_sub(self.got)
    }

    /// What follows `len` missing bytes of its payload: at most [`Streaming::left`].
    /// Tells the child what it misses; this part is finished apart.
    pub(super) fn behind(
        &self,
        side: Side,
        len: u32,
        connection: &mut Connection,
        out: &mut dyn Out,
    ) -> Self {
        let from = self.got.saturating_add(len);
        let mut rest = Self::rest(self.head, from, out);
        if self.deliver {
            let missing =
                self.data.map(|(a, b)| from.clamp(a, b).saturating_sub(self.got.clamp(a, b)));
            // Without its pad length the frame cannot be told from its padding.
            rest.deliver = missing.is_some();
            if missing != Some(0) {
                let missing = u64::from(missing.unwrap_or(0));
                connection.hole(side, self.head.stream, missing, out);
            }
        }
        rest.data = self.data.filter(|_| self.head.kind == frame::DATA);
        rest
    }

    /// Whether all of it is here.
    pub(super) const fn is_complete(&self) -> bool {
        self.got >= self.head.length
    }

    /// Takes what belongs to it from the front of `data`.
    pub(super) fn take(
        &mut self,
        side: Side,
        offset: u64,
        data: &[u8],
        connection: &mut Connection,
        out: &mut dyn Out,
    ) -> usize {
        let left = self.head.length.saturating_sub(self.got);
        let n = data.len().min(left as usize);
        let Some(data) = data.get(..n).filter(|d| !d.is_empty()) else { return n };
        let end = offset + n as u64;
        if self.start.is_none() {
            self.start = Some(out.moment(side, offset));
            self.kept = out.wants(Level::Frame).then(|| {
                Box::new(Kept {
                    tree: Tree::new(),
                    trace: Trace::new(true, WIRE),
                    bytes: Vec::new(),
                    cap: out.payload_cap(),
                    left: None,
                })
            });
        }
        if let Some(k) = &mut self.kept {
            k.trace.add(out, side, offset..end);
            let room = (HEAD_LEN + 1 + k.cap).saturating_sub(k.bytes.len()).min(n);
            k.bytes.extend_from_slice(data.get(..room).unwrap_or_default());
        }
        self.ready = out.ready(side, end - 1);
        if self.data.is_none() && self.rest.is_none() {
            self.pad_length(data.first().copied().unwrap_or_default());
        }
        // The part of this run that is data.
        if self.deliver
            && let Some((from, to)) = self.data
        {
            let a = from.clamp(self.got, self.got + n as u32) - self.got;
            let b = to.clamp(self.got, self.got + n as u32) - self.got;
            if let Some(part) = data.get(a as usize..b as usize).filter(|p| !p.is_empty()) {
                connection.pass(side, self.head.stream, offset + u64::from(a), part, out);
            }
        }
        self.got += n as u32;
        n
    }

    fn pad_length(&mut self, pad: u8) {
        self.pad = Some(pad);
        let end = self.head.length.checked_sub(u32::from(pad)).filter(|end| *end > 0);
        if end.is_none() {
            let detail = format!("{pad} of {} bytes", self.head.length);
            self.findings.push(Finding::new(&findings::PADDING).with(detail));
        }
        self.data = Some((1, end.unwrap_or(1)));
    }

    /// Emits the event; `cut` where its last bytes are missing.
    pub(super) fn finish(
        self,
        side: Side,
        cut: Option<Finding>,
        connection: &mut Connection,
        out: &mut dyn Out,
    ) {
        let Self { head, start, ready, got, mut findings, kept, data, pad, rest, .. } = self;
        let whole = cut.is_none();
        let complete = whole && rest.is_none();
        let ends = matches!(head.kind, frame::DATA | frame::HEADERS) && head.has(END_STREAM);
        // Nothing came of a rest.
        let Some(start) = start else {
            if whole && ends {
                connection.end_stream(side, head.stream, out);
            }
            return;
        };
        if whole && findings.is_empty() && out.count(Level::Frame) {
            if ends {
                connection.end_stream(side, head.stream, out);
            }
            return;
        }
        let mut d = draft(side, &head, start, ready);
        d.inferred = connection.is_inferred(side);
        d.complete = complete;
        if rest.is_some() {
            d.length = u64::from(got.saturating_sub(rest.unwrap_or(0)));
        }
        if let Some(f) = cut {
            let detail = match &f.detail {
                Some(missing) => format!("{got} of {} bytes, {missing} missing", head.length),
                None => format!("{got} of {} bytes", head.length),
            };
            findings.push(f.with(detail));
        }
        if let Some(kept) = kept {
            let Kept { tree, trace, bytes, cap, left } = *kept;
            let sink = TreeSink::on(tree);
            // Where in the buffer what is here of the payload begins, and where in the
            // payload that is.
            let (before, first) = rest.map_or((HEAD_LEN as u32, 0), |from| (0, from));
            // Bytes of the payload from one place to another, as far as they are kept.
            let slice = |a: u32, b: u32| {
                let kept = bytes.get(before as usize..).unwrap_or_default();
                let b = (b.saturating_sub(first) as usize).min(kept.len());
                kept.get(a.saturating_sub(first) as usize..b).unwrap_or_default()
            };
            let leaf = |spec: &'static FieldSpec, a: u32, b: u32| {
                let a = a.max(first);
                if b > a {
                    let value = match spec.kind {
                        crate::field::Kind::Data => Value::None,
                        _ => Value::Bytes(slice(a, b).into()),
                    };
                    let at = before + (a - first);
                    sink.field(spec, Span::bytes(BufferId(0), at, b - a), value);
                }
            };
            let (mut content, mut truncated) =
                (slice(0, got), got.saturating_sub(first) as usize > cap);
            if head.kind == frame::DATA && (data.is_some() || rest.is_none()) {
                if let Some(pad) = pad {
                    let span = Span::bytes(BufferId(0), before, 1);
                    sink.field(&fields::PAD_LENGTH, span, Value::U64(u64::from(pad)));
                }
                let (from, to) = data.unwrap_or_default();
                let to = to.min(got);
                leaf(&fields::DATA, from, to);
                let bad = pad.is_some_and(|p| u32::from(p) >= head.length);
                leaf(if bad { &fields::UNKNOWN } else { &fields::DATA_PADDING }, to.max(from), got);
                content = slice(from, to);
                truncated = to.saturating_sub(from.max(first)) as usize > cap;
            } else {
                leaf(&fields::UNKNOWN, 0, got);
            }
            let content = content.get(..content.len().min(cap)).unwrap_or_default();
            let mut text = summary::frame(&head, &Content::Unread, None);
            if rest.is_some() {
                text.push_str(" (the rest)");
            } else if !complete {
                text.push_str(" (cut)");
            }
            d.detail = Some(Box::new(Detail {
                summary: text,
                payload: if content.is_empty() {
                    Payload::None
                } else {
                    Payload::Bytes(content.to_vec())
                },
                truncated: truncated.then(|| {
                    let (from, to) = data.unwrap_or((0, got));
                    u64::from(to.min(got).saturating_sub(from.max(first)))
                }),
                tree: {
                    let mut tree = sink.into_tree();
                    if let Some(left) = left {
                        windows(&mut tree, left);
                    }
                    tree
                },
                origins: origins(trace, &bytes),
            }));
        }
        d.findings = findings;
        out.emit(d);
        if whole && ends {
            connection.end_stream(side, head.stream, out);
        }
    }

    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>()
            + self.kept.as_ref().map_or(0, |k| k.bytes.capacity() + k.trace.memory() + 4096)
    }
}
