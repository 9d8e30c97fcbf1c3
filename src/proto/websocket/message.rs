//! The message that is coming in, and its event.

use super::content::{About, Interest};
use super::fields::{
    CLOSE, COMPRESSED_LENGTH, COMPRESSION_RATIO, FRAMES, MESSAGE_LENGTH, OPCODE, PAYLOAD,
};
use super::findings::{
    BAD_CLOSE_CODE, BAD_UTF8, CLOSE_ONE_BYTE, CONTEXT_LOST, INFLATE_ERROR, INFLATE_LIMIT, MARKUP,
    MESSAGE_OVER_LIMIT, TAIL_NOT_REMOVED, UNASSIGNED_CLOSE_CODE, WINDOW_EXCEEDED,
};
use super::frame::{MAX_HEAD, keep};
use super::inflate::{Failure, Inflater};
use super::session::fault_of;
use super::utf8::Utf8Check;
use super::watch::{Watch, over_limit};
use super::wire::{self, FrameHead, opcode};
use super::{close, summary};
use crate::base::{Buffer, BufferId, Moment, Origins, PieceSource, Side, Span};
use crate::event::{Detail, Draft, Level, Payload};
use crate::field::input::group;
use crate::field::{In, Tree, TreeSink, Value};
use crate::finding::{Finding, FindingSpec};
use crate::proto::{Look, Out, Trace};

/// Bytes of a control frame's payload (RFC 6455 §5.5), kept whether somebody
/// looks or not: the close code must be read.
const MAX_CONTROL: usize = 125;

/// How the payload of a message is read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Coding {
    /// As it is.
    #[default]
    Plain,
    /// Inflated (RFC 7692).
    Deflated,
    /// Compressed, and cannot be inflated: shown as it was sent.
    Undecoded,
}

/// A message of which not all has come.
#[derive(Clone, Debug, Default)]
pub(super) struct OpenMessage {
    /// Opcode of the first frame.
    pub(super) opcode: u8,
    pub(super) coding: Coding,
    /// Bytes of it were not captured.
    pub(super) holed: bool,
    /// Where it lies was inferred.
    pub(super) inferred: bool,
    /// How it is compressed is not known: the session tells of it, once for all such.
    unknown: bool,
    pub(super) findings: Vec<Finding>,
    frames: u64,
    masked: bool,
    start: Moment,
    /// Bytes of its frames so far, where somebody looks: a position in buffer 0.
    wire_len: u32,
    /// Bytes of the payloads of its frames.
    carried: u64,
    /// Bytes of the payloads of its frames, as their heads say.
    announced: u64,
    /// Bytes after inflation, where it is inflated.
    inflated_len: u64,
    text: Option<Utf8Check>,
    /// What is looked for in a data message.
    pub(super) watch: Watch,
    wanted: bool,
    /// How its payload is looked at, and how much of it is kept for that.
    interest: Interest,
    interest_cap: usize,
    trace: Trace,
    /// Its frames on the wire; kept where somebody looks.
    wire: Vec<u8>,
    /// The payloads of its frames, unmasked; kept where somebody looks, and of a control message.
    joined: Vec<u8>,
    /// Where `joined` comes from.
    map: Buffer,
    /// Kept where somebody looks.
    inflated: Vec<u8>,
}

/// What the session wants to know of a message.
#[derive(Clone, Copy, Debug)]
pub(super) struct Told<'a> {
    pub(super) length: u64,
    pub(super) complete: bool,
    /// The payload of a control message.
    pub(super) control: &'a [u8],
    /// The first violation of it.
    pub(super) fault: Option<&'static FindingSpec>,
    pub(super) watch: &'a Watch,
    /// It was not inflated, since the handshake that says how was not captured.
    pub(super) undecoded: bool,
    /// Bytes before inflation, where it was inflated.
    pub(super) compressed: Option<u64>,
    /// Code and reason of a close message.
    pub(super) close: Option<(Option<u16>, &'a [u8])>,
}

impl OpenMessage {
    /// A message begins with the frame `head`.
    pub(super) fn begin(&mut self, head: &FrameHead, coding: Coding, start: Moment, out: &dyn Out) {
        let wanted = out.wants(Level::Message);
        // Keeps the memory of what is not handed out with events.
        let mut joined = std::mem::take(&mut self.joined);
        joined.clear();
        let text = head.opcode == opcode::TEXT && coding != Coding::Undecoded;
        *self = Self {
            opcode: head.opcode,
            coding,
            start,
            text: text.then(Utf8Check::default),
            wanted,
            trace: Trace::new(wanted, "TCP stream"),
            joined,
            ..Self::default()
        };
    }

    /// Says how the payload is to be looked at, before any of it has come.
    pub(super) fn interest(&mut self, interest: Interest, out: &dyn Out) {
        self.interest = interest;
        self.interest_cap = interest.kept(out);
    }

    /// A frame of the message begins with these bytes of head.
    pub(super) fn frame(
        &mut self,
        head: &FrameHead,
        bytes: &[u8],
        side: Side,
        offset: u64,
        out: &dyn Out,
    ) {
        self.frames += 1;
        self.masked |= head.key.is_some();
        self.announced = self.announced.saturating_add(head.length);
        self.watch.head(bytes);
        if self.wanted {
            self.wire_len = self.wire_len.saturating_add(u32::from(head.wire_len()));
            self.trace.add(out, side, offset..offset.saturating_add(bytes.len() as u64));
            keep(&mut self.wire, bytes, wire_cap(out));
        }
    }

    /// Payload as it lay on the wire.
    pub(super) fn wire(&mut self, data: &[u8], side: Side, offset: u64, out: &dyn Out) {
        if self.wanted {
            let at = self.wire_len;
            let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
            self.wire_len = at.saturating_add(len);
            self.map.push(len, PieceSource::Buffer(Span::bytes(BufferId(0), at, len)), true);
            self.trace.add(out, side, offset..offset.saturating_add(data.len() as u64));
            keep(&mut self.wire, data, wire_cap(out));
        }
    }

    /// The same payload without its mask.
    pub(super) fn plain(
        &mut self,
        data: &[u8],
        inflater: Option<&mut Inflater>,
        out: &mut dyn Out,
    ) {
        self.carried = self.carried.saturating_add(data.len() as u64);
        let cap = out.payload_cap();
        if self.wanted {
            keep(&mut self.joined, data, cap);
        } else if self.opcode & 0x8 != 0 {
            keep(&mut self.joined, data, MAX_CONTROL);
        } else if self.interest_cap > 0 && self.coding == Coding::Plain {
            keep(&mut self.joined, data, self.interest_cap);
        }
        match (self.coding, inflater) {
            (Coding::Plain, _) => {
                self.watch.plain(data);
                if let Some(t) = &mut self.text {
                    t.push(data);
                }
            }
            (Coding::Deflated, Some(i)) => {
                self.inflate(cap, out, i, |i, each| i.feed(data, each));
            }
            _ => {}
        }
    }

    /// Runs a step of the inflater and takes what comes out.
    fn inflate(
        &mut self,
        cap: usize,
        out: &mut dyn Out,
        inflater: &mut Inflater,
        step: impl FnOnce(&mut Inflater, &mut dyn FnMut(&[u8])) -> Result<(), Failure>,
    ) {
        let cap = if self.wanted { cap } else { self.interest_cap };
        let (kept, text, watch, mut made) =
            (&mut self.inflated, &mut self.text, &mut self.watch, 0);
        // Also what came of earlier messages that were put off.
        let result = step(inflater, &mut |data| {
            made += data.len() as u64;
            keep(kept, data, cap);
            watch.plain(data);
            if let Some(t) = text {
                t.push(data);
            }
        });
        self.inflated_len += made;
        out.inflated(inflater.made());
        if let Err(why) = result {
            // How much came out before depends on how the bytes were cut.
            match why {
                Failure::Corrupt => self.findings.push(Finding::new(&INFLATE_ERROR)),
                Failure::Limit => self.findings.push(Finding::new(&INFLATE_LIMIT)),
                Failure::Lost => self.findings.push(Finding::new(&CONTEXT_LOST)),
                Failure::Unknown => self.unknown = true,
            }
            self.give_up();
        }
    }

    /// It cannot be inflated, or not to its end: what came out is not shown.
    pub(super) fn give_up(&mut self) {
        if self.coding == Coding::Deflated {
            self.coding = Coding::Undecoded;
            self.inflated = Vec::new();
            self.inflated_len = 0;
            self.text = None;
            self.watch.lose();
        }
    }

    /// Bytes of it are missing here.
    pub(super) fn hole(&mut self) {
        self.holed = true;
        self.text = None;
        self.watch.lose();
        self.give_up();
    }

    /// The last byte of the last frame has come.
    pub(super) fn finish(&mut self, inflater: Option<&mut Inflater>, out: &mut dyn Out) {
        if let (Coding::Deflated, Some(i)) = (self.coding, inflater) {
            // What decoders remember of the session depends on all that they were asked.
            let asked = self.interest != Interest::Shown;
            let looked = asked || out.look(Level::Message) != Look::Later;
            let too_far = i.too_far();
            let mut kept_tail = false;
            self.inflate(out.payload_cap(), out, i, |i, each| {
                let done = i.finish(looked, each);
                kept_tail = done.is_ok() && i.has_kept_tail();
                done
            });
            if let Some((far, window)) = too_far {
                let text = format!("{far} bytes, in a window of {window}");
                self.findings.push(Finding::new(&WINDOW_EXCEEDED).with(text));
            }
            if kept_tail {
                self.findings.push(Finding::new(&TAIL_NOT_REMOVED));
            }
        }
    }

    /// Bytes of the message as it is shown.
    const fn length(&self) -> u64 {
        match self.coding {
            Coding::Deflated => self.inflated_len,
            _ => self.carried,
        }
    }

    const fn kind(&self) -> &'static str {
        match self.opcode {
            opcode::TEXT => "text",
            opcode::BINARY => "binary",
            opcode::CLOSE => "close",
            opcode::PING => "ping",
            // The end of a message whose beginning was not captured.
            opcode::CONTINUATION => "continuation",
            _ => "pong",
        }
    }

    /// The message's event; tells `told` what the session wants to know of it.
    pub(super) fn emit(
        &mut self,
        side: Side,
        end: Moment,
        complete: bool,
        about: &About<'_>,
        out: &mut dyn Out,
        told: &mut dyn FnMut(Told<'_>),
    ) {
        let complete = complete && !self.holed;
        let length = self.length();
        let shown = self.shown_buffer();
        let mut body = (None, &[][..]);
        if self.opcode == opcode::CLOSE && !self.holed {
            let parts = wire::close_parts(&self.joined);
            if complete {
                judge_close(self.carried, parts, &mut |f, start, len| {
                    let (buffer, at) = shown;
                    let span = Span::bytes(buffer, at.saturating_add(start), len);
                    self.findings.push(if self.wanted { f.at(span) } else { f });
                });
            }
            body = parts;
        }
        let bad = self.text.as_ref().and_then(|t| if complete { t.finish() } else { t.bad() });
        if let Some(at) = bad {
            let f = Finding::new(&BAD_UTF8).with(format!("at byte {at}"));
            let (buffer, first) = shown;
            let at = first.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
            self.findings.push(if self.wanted { f.at(Span::bytes(buffer, at, 1)) } else { f });
        }
        if let Some(at) = self.watch.markup() {
            let f = Finding::new(&MARKUP).with(format!("at byte {at}"));
            let (buffer, first) = shown;
            let at = first.saturating_add(u32::try_from(at).unwrap_or(u32::MAX));
            self.findings.push(if self.wanted { f.at(Span::bytes(buffer, at, 1)) } else { f });
        }
        // One that is cut off counts as what it was to be, where that can be.
        let size = if self.announced >> 63 == 0 { length.max(self.announced) } else { length };
        if let Some(over) = over_limit(size) {
            self.findings.push(Finding::new(&MESSAGE_OVER_LIMIT).with(over));
        }
        let compressed = (self.coding == Coding::Deflated).then_some(self.carried);
        told(Told {
            length,
            compressed,
            undecoded: self.unknown,
            complete,
            control: if self.opcode & 0x8 != 0 { &self.joined } else { &[] },
            fault: fault_of(&self.findings),
            watch: &self.watch,
            close: (self.opcode == opcode::CLOSE).then_some(body),
        });
        let mut d = Draft::new(Level::Message, "websocket", self.kind(), self.start, end);
        d.sender = Some(side);
        d.length = length;
        d.complete = complete;
        d.inferred = self.inferred;
        d.findings = std::mem::take(&mut self.findings);
        d.detail = self.wanted.then(|| Box::new(self.detail(complete)));
        if complete && self.opcode & 0x8 == 0 && self.coding != Coding::Undecoded {
            let what = (side, self.opcode, self.interest);
            let kept = match &mut d.detail {
                Some(detail) => match std::mem::take(&mut detail.payload) {
                    Payload::Bytes(b) => b,
                    _ => Vec::new(),
                },
                None if self.coding == Coding::Deflated => std::mem::take(&mut self.inflated),
                None => std::mem::take(&mut self.joined),
            };
            if kept.len() as u64 == length && length > 0 {
                d.findings.extend(about.decode(what, &kept, d.detail.as_deref_mut(), shown, out));
            } else if let Some(detail) = &mut d.detail {
                detail.payload = Payload::Bytes(kept);
                return out.emit(d);
            }
            if d.detail.is_none() && self.coding == Coding::Plain {
                self.joined = kept;
            }
        }
        if !complete && self.opcode & 0x8 == 0 {
            about.memo.set_lost(side, true);
        }
        out.emit(d);
    }

    /// The buffer in which the message as it is shown lies, and where it begins.
    fn shown_buffer(&self) -> (BufferId, u32) {
        let derived = u16::from(self.is_derived());
        match self.coding {
            Coding::Deflated => (BufferId(1 + derived), 0),
            _ if derived == 1 => (BufferId(1), 0),
            _ => (
                BufferId(0),
                self.map.pieces.first().map_or(0, |p| match p.source {
                    PieceSource::Buffer(s) => s.start,
                    _ => 0,
                }),
            ),
        }
    }

    /// Whether the payloads are another buffer than the wire's: unmasked or joined.
    const fn is_derived(&self) -> bool {
        self.masked || self.map.pieces.len() > 1
    }

    fn detail(&mut self, complete: bool) -> Detail {
        let (buffer, at) = self.shown_buffer();
        let length = self.length();
        let mut origins = Origins::new();
        let mut wire = self.trace.take().unwrap_or_default();
        wire.bytes = std::mem::take(&mut self.wire);
        origins.add(wire);
        let deflated = self.coding == Coding::Deflated;
        let joined = std::mem::take(&mut self.joined);
        let mut source = self.map.pieces.first().map_or(Span::default(), |p| match p.source {
            PieceSource::Buffer(s) => Span { len: self.map.len, ..s },
            _ => Span::default(),
        });
        if self.is_derived() {
            let mut b = std::mem::take(&mut self.map);
            b.label = if self.masked { "unmasked" } else { "joined" };
            source = Span::bytes(BufferId(1), 0, b.len);
            b.bytes.clone_from(&joined);
            origins.add(b);
        }
        let payload = if deflated {
            let mut b = Buffer::new("inflated");
            if self.inflated_len > 0 {
                let len = u32::try_from(self.inflated_len).unwrap_or(u32::MAX);
                b.push(len, PieceSource::Buffer(source), false);
            }
            b.bytes.clone_from(&self.inflated);
            origins.add(b);
            std::mem::take(&mut self.inflated)
        } else {
            joined
        };
        let tree = self.tree(&payload, buffer, at);
        let summary = match self.opcode {
            _ if self.coding == Coding::Undecoded => {
                format!("not inflated, {}", summary::binary(&payload, length))
            }
            opcode::TEXT => summary::text(&payload, length),
            opcode::BINARY => summary::binary(&payload, length),
            opcode::CLOSE if complete => {
                let (code, reason) = wire::close_parts(&payload);
                summary::close(code, reason)
            }
            _ => summary::either(&payload, length),
        };
        let truncated = ((payload.len() as u64) < length).then_some(length);
        Detail { summary, tree, origins, payload: Payload::Bytes(payload), truncated }
    }

    fn tree(&self, payload: &[u8], buffer: BufferId, at: u32) -> Tree {
        let mut tree = Tree::new();
        tree.add(
            &OPCODE,
            Some(Span::bit_field(BufferId(0), 0, 4, 4)),
            Value::U64(u64::from(self.opcode)),
        );
        tree.add(&MESSAGE_LENGTH, None, Value::U64(self.length()));
        if self.coding != Coding::Plain {
            let id = tree.add(&COMPRESSED_LENGTH, None, Value::U64(self.carried));
            if let Some(n) = tree.get_mut(id).filter(|_| self.unknown) {
                n.note = Some("not inflated: the handshake was not captured".into());
            }
        }
        if self.coding == Coding::Deflated && self.carried > 0 {
            // To three decimals: more would be noise. Lengths are far below 2^53.
            let ratio = self.inflated_len as f64 / self.carried as f64;
            tree.add(&COMPRESSION_RATIO, None, Value::F64((ratio * 1000.0).round() / 1000.0));
        }
        tree.add(&FRAMES, None, Value::U64(self.frames));
        if payload.is_empty() {
            return tree;
        }
        if self.opcode == opcode::CLOSE && !self.holed {
            let sink = TreeSink::on(tree);
            let _ = group(&CLOSE, wire::close_body)(In::new(payload, buffer, at, &sink));
            return sink.into_tree();
        }
        let len = u32::try_from(self.length()).unwrap_or(u32::MAX);
        tree.add(&PAYLOAD, Some(Span::bytes(buffer, at, len)), Value::None);
        tree
    }

    /// Memory held beside itself, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.wire.capacity()
            + self.joined.capacity()
            + self.inflated.capacity()
            + self.trace.memory()
            + self.watch.memory()
            + self.map.pieces.capacity() * size_of::<crate::base::Piece>()
    }
}

/// Bytes of its frames that are kept: room for the first head and as much
/// payload as is shown.
fn wire_cap(out: &dyn Out) -> usize {
    out.payload_cap().saturating_add(MAX_HEAD)
}

/// What is wrong with the body of a close message of `len` bytes (RFC 6455
/// §5.5.1, §7.4): findings with their place in it.
fn judge_close(
    len: u64,
    (code, reason): (Option<u16>, &[u8]),
    found: &mut dyn FnMut(Finding, u32, u32),
) {
    if len == 1 {
        found(Finding::new(&CLOSE_ONE_BYTE), 0, 1);
    }
    if let Some(code) = code {
        let spec = match close::standing(code) {
            close::Standing::Sendable => None,
            close::Standing::Forbidden => Some(&BAD_CLOSE_CODE),
            close::Standing::Unassigned => Some(&UNASSIGNED_CLOSE_CODE),
        };
        if let Some(spec) = spec {
            found(Finding::new(spec).with(code.to_string()), 0, 2);
        }
    }
    // A longer one is wrong in itself, and not kept whole.
    if len <= MAX_CONTROL as u64
        && let Err(e) = simdutf8::compat::from_utf8(reason)
    {
        let at = e.valid_up_to();
        let f = Finding::new(&BAD_UTF8).with(format!("at byte {at} of the reason"));
        found(f, u32::try_from(at).unwrap_or(u32::MAX).saturating_add(2), 1);
    }
}
