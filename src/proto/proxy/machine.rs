//! The state of one connection: before the header, or behind it.

use std::net::SocketAddr;

use super::wire::{self, FIXED, MAX_LINE, SIGNATURE};
use super::{fields, findings as g};
use crate::base::{BufferId, Side, Span};
use crate::event::{Detail, Draft, Level, Payload};
use crate::facts::{Facts, OriginFacts};
use crate::field::{In, NoSink, Tree, TreeSink};
use crate::finding::Finding;
use crate::proto::{Carries, Child, Chunk, Input, Machine, Out, Progress, Trace};

/// The one child.
const CHILD: u64 = 1;

/// The machine.
#[derive(Clone, Debug, Default)]
pub(super) struct Proxy {
    /// The child is open.
    open: bool,
    /// The header has been read, or will not come.
    done: bool,
    /// By [`Side::index`].
    ended: [bool; 2],
}

/// What a header said.
struct Read {
    /// Bytes of it.
    len: usize,
    summary: String,
    ends: Option<[SocketAddr; 2]>,
    findings: Vec<Finding>,
    complete: bool,
}

impl Machine for Proxy {
    fn feed(&mut self, input: Input<'_>, out: &mut dyn Out) -> Progress {
        // What the server says needs no header before it.
        if !std::mem::replace(&mut self.open, true) {
            out.open(Child { key: CHILD, stream: None, carries: Carries::Bytes });
        }
        match input {
            Input::Bytes(c) => return self.bytes(&c, out),
            Input::Gap { side, .. } => {
                if side == Side::Client && !std::mem::replace(&mut self.done, true) {
                    out.finding(Finding::new(&g::TRUNCATED));
                }
                out.tell(CHILD, input);
            }
            Input::End { side, .. } => {
                out.tell(CHILD, input);
                if let Some(e) = self.ended.get_mut(side.index()) {
                    *e = true;
                }
                if self.ended == [true; 2] {
                    out.close(CHILD);
                }
            }
            Input::Reset { .. } => {
                out.tell(CHILD, input);
                out.close(CHILD);
            }
            Input::Head(_) | Input::Trailers(_) | Input::Datagram { .. } => {}
        }
        Progress::took(0)
    }

    fn fork(&self) -> Option<Box<dyn Machine>> {
        Some(Box::new(self.clone()))
    }

    fn memory(&self) -> usize {
        size_of::<Self>()
    }
}

impl Proxy {
    fn bytes(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Progress {
        let mut took = 0;
        if c.side == Side::Client && !self.done {
            match header_len(c) {
                Err(missing) if !c.last => return Progress::need(0, missing),
                Err(_) => {
                    self.header(c, c.data.len(), false, out);
                    took = c.data.len();
                }
                Ok(len) => {
                    self.header(c, len, true, out);
                    took = len;
                }
            }
            self.done = true;
        }
        let rest = c.data.get(took..).unwrap_or_default();
        if !rest.is_empty() {
            out.pass(CHILD, c.side, c.offset + took as u64, rest);
        }
        Progress::took(c.data.len())
    }

    /// The header is here; `whole`, or cut by the end.
    fn header(&self, c: &Chunk<'_>, len: usize, whole: bool, out: &mut dyn Out) {
        let data = c.data.get(..len).unwrap_or_default();
        let wanted = out.wants(Level::Message);
        let (read, tree) = if wanted {
            let sink = TreeSink::new();
            let read = read(In::new(data, BufferId(0), 0, &sink), whole);
            (read, sink.into_tree())
        } else {
            (read(In::new(data, BufferId(0), 0, &NoSink), whole), Tree::new())
        };
        let end = c.offset + len as u64;
        let start = out.moment(c.side, c.offset);
        let ready = out.ready(c.side, end.saturating_sub(1));
        let mut d = Draft::new(Level::Message, "proxy", "header", start, ready);
        d.sender = Some(c.side);
        d.length = len as u64;
        d.complete = read.complete;
        d.findings = read.findings;
        d.facts = read.ends.map(|[source, destination]| {
            Facts::Origin(Box::new(OriginFacts { source, destination }))
        });
        if wanted {
            let mut trace = Trace::new(true, "TCP stream");
            trace.add(out, c.side, c.offset..end);
            let mut detail = Detail { summary: read.summary, tree, ..Detail::default() };
            let mut buffer = trace.take().unwrap_or_default();
            buffer.bytes = data.to_vec();
            detail.origins.add(buffer);
            detail.payload = Payload::None;
            d.detail = Some(Box::new(detail));
        }
        out.emit(d);
    }
}

/// Bytes of the header at the front of the chunk, or how many are missing before that
/// is known.
fn header_len(c: &Chunk<'_>) -> Result<usize, usize> {
    let data = c.data;
    if SIGNATURE.starts_with(data.get(..SIGNATURE.len()).unwrap_or(data)) {
        let len = wire::v2_len(data).ok_or_else(|| FIXED.saturating_sub(data.len()))?;
        return if data.len() < len { Err(len - data.len()) } else { Ok(len) };
    }
    let line = data.get(..MAX_LINE).unwrap_or(data);
    match line.iter().position(|b| *b == b'\n') {
        Some(at) => Ok(at + 1),
        None if line.len() < MAX_LINE => Err(1),
        None => Ok(MAX_LINE),
    }
}

/// Reads a header of either version.
fn read<'a, S: crate::field::Sink + 'a>(i: In<'a, S>, whole: bool) -> Read {
    let data = i.data();
    let mut r = Read {
        len: data.len(),
        summary: String::new(),
        ends: None,
        findings: Vec::new(),
        complete: whole,
    };
    if !whole {
        let detail = format!("after {} bytes", r.len);
        r.findings.push(Finding::new(&g::TRUNCATED).with(detail));
    }
    if SIGNATURE.starts_with(data.get(..SIGNATURE.len()).unwrap_or(data)) {
        match wire::v2(i) {
            Ok((_, h)) => judge(&h, data, &mut r),
            Err(_) => r.summary = "header of version 2, cut short".into(),
        }
        return r;
    }
    let Ok((_, h)) = wire::v1(i) else { return r };
    if whole && !data.ends_with(b"\n") {
        r.findings.push(Finding::new(&g::LINE_TOO_LONG));
    } else if let Some(wrong) = h.wrong.filter(|_| whole) {
        r.findings.push(Finding::new(&g::BAD_LINE).with(wrong));
    }
    r.summary = match h.ends {
        Some(ends) => between("TCP", ends),
        None => String::from_utf8_lossy(data.trim_ascii_end()).into_owned(),
    };
    r.ends = h.ends.filter(|_| whole && h.wrong.is_none());
    r
}

/// `TCP 192.0.2.7:56324 → 198.51.100.1:443`
fn between(transport: &str, [from, to]: [SocketAddr; 2]) -> String {
    format!("{transport} {from} → {to}")
}

/// What is to be said of a header of version 2.
fn judge(h: &wire::V2<'_>, data: &[u8], r: &mut Read) {
    let mut find = |spec, detail: String, span: Option<Span>| {
        let f = Finding::new(spec);
        let f = if detail.is_empty() { f } else { f.with(detail) };
        r.findings.push(span.map_or(f.clone(), |s| f.at(s)));
    };
    let bits = |byte, bit| Some(Span::bit_field(BufferId(0), byte, bit, 4));
    if h.version != 2 {
        find(&g::BAD_VERSION, h.version.to_string(), bits(12, 0));
    }
    if h.command > 1 {
        find(&g::BAD_COMMAND, h.command.to_string(), bits(12, 4));
    }
    if h.family > 3 {
        find(&g::BAD_FAMILY, format!("family {}", h.family), bits(13, 0));
    }
    if h.transport > 2 {
        find(&g::BAD_FAMILY, format!("protocol {}", h.transport), bits(13, 4));
    }
    if h.short {
        let detail = format!("{} bytes", data.len().saturating_sub(FIXED));
        find(&g::ADDRESSES_CUT, detail, Some(Span::bytes(BufferId(0), 14, 2)));
    }
    if let Some(at) = h.cut {
        let rest = (data.len() as u32).saturating_sub(at);
        find(&g::TLV_CUT, String::new(), Some(Span::bytes(BufferId(0), at, rest.min(3))));
    }
    let mut more = Vec::new();
    for t in &h.tlvs {
        let len = t.value.len();
        let place = Some(Span::bytes(BufferId(0), t.at, len as u32));
        let name = fields::tlv_name(u64::from(t.kind));
        let bad = match t.kind {
            0x03 => len != 4,
            0x05 => len > 128,
            0x20 => len < 5,
            _ => false,
        };
        if bad {
            let detail = format!("{} of {len} bytes", name.unwrap_or_default());
            find(&g::BAD_TLV, detail, place);
            continue;
        }
        let text = || String::from_utf8_lossy(t.value);
        match t.kind {
            0x01 => more.push(format!("ALPN {}", text())),
            0x02 => more.push(format!("authority {}", text())),
            0x21 => more.push(text().into_owned()),
            0x03 => {
                let said = t.value.iter().fold(0_u32, |n, b| n << 8 | u32::from(*b));
                let is = wire::crc32c(data, t.at as usize);
                if said != is {
                    find(&g::BAD_CRC, format!("{said:08x} instead of {is:08x}"), place);
                }
            }
            _ if name.is_none() => find(&g::UNKNOWN_TLV, format!("type {:#04x}", t.kind), place),
            _ => {}
        }
    }
    // A health check's addresses, if it has any, are to be ignored (§2.2).
    let ends = h.ends.filter(|_| h.command == 1 && h.version == 2);
    r.summary = match (h.command, ends, h.transport) {
        (0, ..) => "LOCAL: the proxy itself".into(),
        (_, Some(ends), 2) => between("UDP", ends),
        (_, Some(ends), _) => between("TCP", ends),
        (_, None, _) if h.family == 3 => "Unix socket".into(),
        _ => "unknown addresses".into(),
    };
    for m in more {
        r.summary.push_str(", ");
        r.summary.push_str(&m);
    }
    r.ends = ends;
}
