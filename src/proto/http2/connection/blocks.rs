//! Header blocks: joined over CONTINUATION frames, decoded, and told to their
//! streams (RFC 9113 §4.3, §6.2, §6.6, §6.10, §8.1).

use super::account::Leave;
use super::rules::{self, Given, Sort};
use super::{Connection, Effect, End, find};
use crate::base::limits::MAX_HEADER_BYTES;
use crate::base::{Buffer, BufferId, Moment, Side};
use crate::event::{Detail, Level};
use crate::field::{In, NoSink, TreeSink};
use crate::finding::Finding;
use crate::proto::http2::codes::settings;
use crate::proto::http2::findings;
use crate::proto::http2::hpack::FieldList;
use crate::proto::http2::streams::{Past, initiator};
use crate::proto::http2::wire::{END_HEADERS, END_STREAM, Fragment, FrameHead};
use crate::proto::{Head, Headers, Input, Out, Trace};

/// CONTINUATION frames of one block that nobody needs: the largest section that is read
/// takes sixteen of the smallest maximum size.
const MANY_CONTINUATIONS: u32 = 32;

/// A header block whose frames are still coming (§4.3).
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) stream: u32,
    promised: Option<u32>,
    end_stream: bool,
    start: Moment,
    bytes: Vec<u8>,
    /// CONTINUATION frames of it.
    frames: u32,
    /// It grew beyond what is read.
    too_large: bool,
    trace: Trace,
}

impl Pending {
    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.bytes.capacity() + self.trace.memory()
    }
}

/// A decoded header section and what it is for.
pub(super) struct Section {
    pub(super) headers: Headers,
    pub(super) detail: Option<Box<Detail>>,
    promised: Option<u32>,
    pub(super) stream: u32,
    end_stream: bool,
    pub(super) start: Moment,
    wire_len: u64,
}

impl Connection {
    /// HEADERS, or PUSH_PROMISE with the stream that it promises.
    pub(super) fn begin_block(
        &mut self,
        side: Side,
        (offset, start): (u64, Moment),
        head: &FrameHead,
        (promised, fragment): (Option<u32>, Fragment<'_>),
        findings: &mut Vec<Finding>,
        out: &mut dyn Out,
    ) -> Effect {
        let end = self.end_of(side);
        end.begun = true;
        if end.block.take().is_some() {
            // The unfinished one may have inserted anything.
            end.hpack.lose();
        }
        let wanted = out.wants(Level::Frame) || out.wants(Level::Message);
        let mut trace = Trace::new(wanted, "header block");
        let at = offset + u64::from(fragment.at);
        trace.add(out, side, at..at + fragment.octets.len() as u64);
        let mut pending = Pending {
            stream: head.stream,
            promised,
            end_stream: promised.is_none() && head.has(END_STREAM),
            start,
            bytes: Vec::new(),
            frames: 0,
            too_large: false,
            trace,
        };
        if head.has(END_HEADERS) {
            return self.section(side, pending, fragment.octets, findings, out);
        }
        pending.bytes.extend_from_slice(fragment.octets);
        self.end_of(side).block = Some(Box::new(pending));
        Effect::default()
    }

    pub(super) fn continue_block(
        &mut self,
        side: Side,
        offset: u64,
        head: &FrameHead,
        fragment: Fragment<'_>,
        findings: &mut Vec<Finding>,
        out: &mut dyn Out,
    ) -> Effect {
        let blind = self.is_blind(side);
        let end = self.end_of(side);
        let Some(pending) = end.block.as_mut().filter(|b| b.stream == head.stream) else {
            // Its block may have begun before the capture did.
            if !blind || end.begun && !end.lost {
                find(findings, &findings::CONTINUATION, String::new());
            }
            end.hpack.lose();
            return Effect::default();
        };
        let at = offset + u64::from(fragment.at);
        pending.trace.add(out, side, at..at + fragment.octets.len() as u64);
        pending.frames = pending.frames.saturating_add(1);
        if pending.frames == MANY_CONTINUATIONS {
            let detail = format!("{MANY_CONTINUATIONS} frames for stream {}", head.stream);
            find(findings, &findings::CONTINUATION_FLOOD, detail);
        }
        if pending.bytes.len() + fragment.octets.len() > MAX_HEADER_BYTES {
            pending.too_large = true;
            pending.bytes = Vec::new();
        } else if !pending.too_large {
            pending.bytes.extend_from_slice(fragment.octets);
        }
        if !head.has(END_HEADERS) {
            return Effect::default();
        }
        let Some(mut pending) = end.block.take() else { return Effect::default() };
        if pending.too_large {
            end.hpack.lose();
            let detail = format!("a block of more than {MAX_HEADER_BYTES} bytes");
            find(findings, &findings::SECTION_TOO_LARGE, detail);
            return Effect { ends: pending.end_stream, ..Effect::default() };
        }
        let bytes = std::mem::take(&mut pending.bytes);
        self.section(side, *pending, &bytes, findings, out)
    }

    /// A whole block: decodes it, with its tree where it is wanted.
    fn section(
        &mut self,
        side: Side,
        mut pending: Pending,
        octets: &[u8],
        findings: &mut Vec<Finding>,
        out: &dyn Out,
    ) -> Effect {
        let mut headers = std::mem::take(&mut self.spare);
        headers.clear();
        let End { hpack, again, .. } = self.end_of(side);
        let (block, list) = (BufferId(0), BufferId(1));
        let size;
        let detail = if pending.trace.is_kept() {
            let sink = TreeSink::new();
            let mut list = FieldList::new(list);
            let i = In::new(octets, block, 0, &sink);
            size = hpack.block(i, &mut headers, Some(&mut list), findings);
            again.pass();
            let mut d = Detail { tree: sink.into_tree(), ..Detail::default() };
            let wire = pending.trace.take().unwrap_or_default();
            d.origins.add(Buffer { bytes: octets.to_vec(), ..wire });
            d.origins.add(list.buffer);
            Some(Box::new(d))
        } else if let Some(known) = again.read(octets, hpack, &mut headers) {
            size = known;
            None
        } else {
            let (table, found) = (hpack.state(), findings.len());
            size = hpack.block(In::new(octets, block, 0, &NoSink), &mut headers, None, findings);
            if (hpack.state(), findings.len()) == (table, found) {
                again.remember(octets, table, &headers, size);
            }
            None
        };
        let section = Section {
            headers,
            detail,
            promised: pending.promised,
            stream: pending.stream,
            end_stream: pending.end_stream,
            start: pending.start,
            wire_len: octets.len() as u64,
        };
        if let Some(value) = size.table {
            let leave = Leave { by: side.peer(), setting: settings::HEADER_TABLE_SIZE, value };
            let of_it = |f: &Finding| f.spec.code == findings::HPACK_SIZE_UPDATE.code;
            for finding in findings.extract_if(.., |f| of_it(f)).collect::<Vec<_>>() {
                self.unless_allowed(leave, finding, section.start, findings, out);
            }
        }
        let allowed = self.end_of(side.peer()).max_list;
        rules::judge_size(size.octets, section.wire_len, allowed, findings);
        self.tells_sides(side, &section);
        let sort = self.sort(side, &section);
        // The peer's settings may be late.
        let unsure = self.is_unsure();
        let peer = self.end_of(side.peer());
        let binary = unsure || !peer.seen || peer.binary;
        let given = Given { sort, whole: size.whole_read, binary };
        let again = &mut self.end_of(side).again;
        if !again.is_sound(given) {
            let found = findings.len();
            rules::judge(given, &section.headers, findings);
            if findings.len() == found {
                again.found_sound(given);
            }
        }
        self.place(side, &section, findings, out);
        Effect { section: Some(section), ..Effect::default() }
    }

    /// Pseudo-header fields that one end alone sends (RFC 9113 §8.3).
    fn tells_sides(&mut self, side: Side, s: &Section) {
        if self.sides.is_none() && s.promised.is_none() {
            let of_request = [":method", ":path", ":scheme"];
            let sender = if s.headers.known(":status").is_some() {
                Some(Side::Server)
            } else {
                of_request.iter().any(|n| s.headers.known(n).is_some()).then_some(Side::Client)
            };
            self.sides = sender.map(|s| s == side);
        }
    }

    /// What a section is, by those before it; by itself where they may be missing.
    fn sort(&mut self, side: Side, s: &Section) -> Sort {
        if s.promised.is_some() {
            return Sort::Request;
        }
        let unsure = self.is_unsure();
        let behind = self.streams.get(s.stream).is_some_and(|t| t.half(side).head);
        let pseudo = || s.headers.iter().any(|(n, _, f)| n.starts_with(b":") || !f.known);
        match (behind, unsure) {
            (true, _) => Sort::Trailers,
            (_, true) if !pseudo() => Sort::Trailers,
            // Which end is the client may have been guessed, and wrongly.
            (_, true) if s.headers.get(":status").is_some() => Sort::Response,
            (_, true) if s.headers.get(":method").is_some() => Sort::Request,
            _ => Sort::head(side),
        }
    }

    /// What is wrong with where a section stands (§5.1, §8.1).
    fn place(&mut self, side: Side, s: &Section, findings: &mut Vec<Finding>, out: &dyn Out) {
        if s.promised.is_some() || s.stream == 0 {
            return;
        }
        self.judge_connect(side, s, findings, out);
        let id = s.stream;
        let unsure = self.is_unsure();
        if let Some(stream) = self.streams.get(id) {
            let half = *stream.half(side);
            if half.ended {
                find(findings, &findings::STREAM_CLOSED, format!("stream {id}"));
            } else if half.head && !s.end_stream {
                find(findings, &findings::TRAILERS_OPEN, String::new());
            }
            return;
        }
        match self.streams.past(id, side) {
            Past::Closed { by_sender: true } => {
                find(findings, &findings::STREAM_CLOSED, format!("stream {id}"));
            }
            Past::Closed { .. } => {}
            Past::Skipped if initiator(id) == side && !unsure => {
                find(findings, &findings::STREAM_DECREASING, format!("stream {id}"));
            }
            Past::Idle if side == Side::Client && initiator(id) != side && !unsure => {
                find(findings, &findings::STREAM_PARITY, format!("stream {id}"));
            }
            Past::Idle if initiator(id) != side => self.before_it_is_open(id, s.start),
            _ => {}
        }
    }

    /// A section goes to the child of its stream, which it may open.
    pub(super) fn tell_section(
        &mut self,
        side: Side,
        s: &Section,
        ready: Moment,
        out: &mut dyn Out,
    ) {
        // The promised request is what the client would have sent: its stream
        // reads as a request of the client and a response, as any other.
        let (id, from, end) = match s.promised {
            Some(promised) => (promised, Side::Client, true),
            None => (s.stream, side, s.end_stream),
        };
        if id == 0 {
            return;
        }
        if initiator(id) == side {
            self.early.retain(|(early, _)| *early != id);
        }
        if self.streams.get(id).is_none()
            && (matches!(self.streams.past(id, from), Past::Closed { .. }))
        {
            return;
        }
        let child = self.ensure(id, out);
        let blind = self.is_blind(from);
        let Some(stream) = self.streams.get(id) else { return };
        let half = stream.half(from);
        if half.ended {
            return;
        }
        let trailers = half.head || blind && end && (half.data || ends_what_was_before(&s.headers));
        let interim = from == Side::Server
            && s.headers.get(":status").is_some_and(|v| v.len() == 3 && v.first() == Some(&b'1'));
        if !interim {
            half.head = true;
        }
        let request = from == Side::Client && s.promised.is_none();
        if request && !trailers && (!blind || s.headers.get(":method").is_some()) {
            stream.begun = Some(s.start);
        }
        if child {
            let before = !trailers && !end && from == Side::Client;
            let filled = if before { self.as_before(&s.headers) } else { None };
            let head = Head {
                side: from,
                headers: filled.as_ref().unwrap_or(&s.headers),
                version: 20,
                end,
                start: s.start,
                ready,
                wire_len: s.wire_len,
                detail: s.detail.as_deref(),
            };
            let input = if trailers { Input::Trailers(head) } else { Input::Head(head) };
            out.tell(self.section_key(id), input);
            if !trailers && !interim {
                self.tunnel_head(id, &head, out);
            }
        }
        if end {
            self.end_stream(from, id, out);
        }
    }
}

/// Whether the first section that is seen of a direction, which ends it, is its
/// trailers: they have no pseudo-header fields (RFC 9113 §8.1), and those stand
/// before all others (§8.3).
///
/// A first field that is unknown may be a `:status` beyond the static table's;
/// fields that describe content then speak for a head.
fn ends_what_was_before(headers: &Headers) -> bool {
    const OF_A_HEAD: [&[u8]; 4] = [b"content-type", b"content-length", b"server", b"date"];
    let pseudo = headers.iter().any(|(name, _, _)| name.starts_with(b":"));
    let head = headers.iter().any(|(name, _, _)| OF_A_HEAD.contains(&name));
    let first_known = headers.iter().next().is_some_and(|(name, _, _)| !name.is_empty());
    !pseudo && (first_known || !head)
}
