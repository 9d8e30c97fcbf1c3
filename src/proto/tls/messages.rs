//! Handshake messages, put together from records: several in one, and one in several.

use super::session::Session;
use super::wire::{self, Context, HEAD_LEN, Hello, Message, RETRY};
use super::{fields as f, findings as g, ja4, names};
use crate::base::limits::MAX_HANDSHAKE_BYTES;
use crate::base::{BufferId, Moment, Side, Span};
use crate::event::{Detail, Draft, Level};
use crate::field::{In, NoSink, TreeSink, Value};
use crate::finding::Finding;
use crate::proto::{Out, Trace};

/// The message of one direction that is being put together.
#[derive(Clone, Debug, Default)]
pub(super) struct Assembly {
    /// What there is of it.
    bytes: Vec<u8>,
    trace: Option<Trace>,
    opened: bool,
    /// Bytes of a message that is too long which are still to come.
    skip: usize,
}

/// Takes a message: its bytes, its event, and where it lies.
pub(super) type Each<'a> = &'a mut dyn FnMut(&[u8], Draft, Option<Trace>, &mut dyn Out);

/// Where the content of a record lies.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) side: Side,
    /// Offset in the stream of the first byte, sealed or not.
    pub(super) at: u64,
    /// Offset behind the record.
    pub(super) end: u64,
    /// It was encrypted.
    pub(super) opened: bool,
}

impl Place {
    /// The packet by which what ends before `end` of the content could be had.
    fn ready(&self, end: u64, out: &dyn Out) -> Moment {
        // A sealed byte is had with the tag, not before.
        let last = if self.opened { self.end } else { end };
        out.ready(self.side, last.saturating_sub(1))
    }
}

/// What buffer 0 of a message is.
pub(super) const fn label(opened: bool) -> &'static str {
    if opened { "decrypted from TLS records" } else { "TCP stream" }
}

impl Assembly {
    /// Takes the content of a record; hands each message that is whole to `each`.
    pub(super) fn take(
        &mut self,
        mut data: &[u8],
        place: Place,
        out: &mut dyn Out,
        each: Each<'_>,
    ) {
        let mut at = place.at;
        while !data.is_empty() {
            if self.skip > 0 {
                let n = self.skip.min(data.len());
                self.skip -= n;
                at += n as u64;
                data = data.get(n..).unwrap_or_default();
                continue;
            }
            let missing = self.missing();
            let (part, rest) = data.split_at(missing.min(data.len()));
            let opened = place.opened;
            let trace = self
                .trace
                .get_or_insert_with(|| Trace::new(out.wants(Level::Message), label(opened)));
            trace.add(out, place.side, at..at + part.len() as u64);
            self.opened |= opened;
            self.bytes.extend_from_slice(part);
            at += part.len() as u64;
            data = rest;
            let whole = HEAD_LEN + self.length().unwrap_or(0);
            if self.bytes.len() < HEAD_LEN
                || self.bytes.len() < whole && whole <= MAX_HANDSHAKE_BYTES
            {
                continue;
            }
            let ready = place.ready(at, out);
            let (mut draft, trace) = self.draft(place.side, ready);
            if whole > MAX_HANDSHAKE_BYTES {
                self.skip = whole - self.bytes.len();
                draft.complete = false;
                let detail = format!("{whole} bytes; at most {MAX_HANDSHAKE_BYTES} are kept");
                draft.findings.push(Finding::new(&g::HANDSHAKE_TOO_LONG).with(detail));
            }
            let bytes = std::mem::take(&mut self.bytes);
            each(&bytes, draft, trace, out);
            // Its room serves the next one.
            self.bytes = bytes;
            self.bytes.clear();
        }
    }

    /// Bytes that the head says the body has.
    fn length(&self) -> Option<usize> {
        match self.bytes.as_slice() {
            [_, a, b, c, ..] => {
                Some(usize::from(*a) << 16 | usize::from(*b) << 8 | usize::from(*c))
            }
            _ => None,
        }
    }

    /// Bytes until the head, or the message, is whole.
    fn missing(&self) -> usize {
        match self.length() {
            Some(n) => (HEAD_LEN + n).saturating_sub(self.bytes.len()).max(1),
            None => HEAD_LEN - self.bytes.len(),
        }
    }

    fn draft(&mut self, side: Side, ready: Moment) -> (Draft, Option<Trace>) {
        let trace = self.trace.take();
        self.opened = false;
        let kind = self.bytes.first().copied().unwrap_or(0);
        let start = trace.as_ref().map_or(ready, |t| t.start(ready));
        let mut d = Draft::new(Level::Message, "tls", kind_of(kind, &self.bytes), start, ready);
        d.sender = Some(side);
        d.length = self.bytes.len() as u64;
        (d, trace)
    }

    /// What was begun does not come to its end.
    pub(super) fn cut(
        &mut self,
        side: Side,
        now: Moment,
    ) -> Option<(Vec<u8>, Draft, Option<Trace>)> {
        self.skip = 0;
        if self.bytes.is_empty() {
            return None;
        }
        let (mut d, trace) = self.draft(side, now);
        d.complete = false;
        Some((std::mem::take(&mut self.bytes), d, trace))
    }

    /// Whether a message has been begun.
    pub(super) const fn is_begun(&self) -> bool {
        !self.bytes.is_empty()
    }

    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.bytes.capacity() + self.trace.as_ref().map_or(0, Trace::memory)
    }
}

/// The kind of the event of a message.
fn kind_of(kind: u8, bytes: &[u8]) -> &'static str {
    // A retry request is a server's hello with a certain random.
    if kind == 2 && bytes.get(6..38) == Some(&RETRY) {
        return "hello_retry_request";
    }
    names::handshake(kind.into()).unwrap_or("unknown")
}

/// Reads a message; builds its detail where somebody looks.
pub(super) fn read(
    bytes: &[u8],
    mut trace: Option<Trace>,
    draft: &mut Draft,
    session: &Session,
) -> (u8, Message) {
    let mut m = Message::default();
    let mut context = session.context();
    let kind = bytes.first().copied().unwrap_or(0);
    if kind == 2 {
        // Drafts differ from the version that the hello itself has.
        context = Context { version: 0, ..context };
    }
    let kept = trace.as_ref().is_some_and(Trace::is_kept);
    let sink = TreeSink::new();
    let clean = if kept {
        let i = In::new(bytes, BufferId(0), 0, &sink);
        wire::message_head(i)
            .and_then(|(i, (kind, _))| wire::body(i, kind, context, &mut m))
            .is_ok_and(|(_, clean)| clean)
    } else {
        let i = In::new(bytes, BufferId(0), 0, &NoSink);
        wire::message_head(i)
            .and_then(|(i, (kind, _))| wire::body(i, kind, context, &mut m))
            .is_ok_and(|(_, clean)| clean)
    };
    if !clean && draft.complete {
        let place = Span::bytes(BufferId(0), 0, u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        draft.findings.push(Finding::new(&g::MALFORMED).with(draft.kind).at(place));
    }
    if let Some(mut buffer) = trace.as_mut().and_then(Trace::take) {
        let mut tree = sink.into_tree();
        let text = |t: String| Value::Text(t.into());
        match kind {
            1 => {
                tree.add(&f::JA4, None, text(ja4::ja4(&m.hello)));
                tree.add(&f::JA3, None, text(ja4::ja3(&m.hello)));
            }
            2 => {
                tree.add(&f::JA3S, None, text(ja4::ja3s(&m.hello)));
            }
            _ => {}
        }
        buffer.bytes = bytes.to_vec();
        let mut d = Detail { summary: summary(kind, &m, bytes), tree, ..Detail::default() };
        d.origins.add(buffer);
        draft.detail = Some(Box::new(d));
    }
    (kind, m)
}

/// What a hello says, in one line; `None` of other messages.
pub(super) fn of_hello(kind: u8, h: &Hello) -> Option<String> {
    match kind {
        1 => Some(client_hello(h)),
        2 => Some(server_hello(h)),
        _ => None,
    }
}

/// One line for people.
fn summary(kind: u8, m: &Message, bytes: &[u8]) -> String {
    let len = bytes.len().saturating_sub(HEAD_LEN);
    match kind {
        1 => client_hello(&m.hello),
        2 | 6 => server_hello(&m.hello),
        4 => {
            let early = if m.hello.has(42) { ", takes early data" } else { "" };
            format!("ticket for {} s{early}", m.lifetime)
        }
        8 => {
            let mut parts: Vec<String> = Vec::new();
            if let Some(a) = m.hello.alpn.first() {
                parts.push(format!("ALPN {}", String::from_utf8_lossy(a)));
            }
            if m.hello.has(42) {
                parts.push("early data accepted".to_owned());
            }
            if parts.is_empty() {
                let n = m.hello.extensions.len();
                parts.push(format!("{n} extension{}", if n == 1 { "" } else { "s" }));
            }
            parts.join(", ")
        }
        11 => match m.certificates.as_slice() {
            [] => "no certificate".to_owned(),
            [first, rest @ ..] => {
                let mut s = format!(
                    "{}, by {}, {} to {}",
                    first.subject, first.issuer, first.not_before, first.not_after
                );
                if !rest.is_empty() {
                    s.push_str(&format!(", and {} more", rest.len()));
                }
                s
            }
        },
        12 => m.group.and_then(|g| names::group(g.into())).unwrap_or("key exchange").to_owned(),
        24 if m.update == 1 => "new keys, and the peer's are asked for".to_owned(),
        24 => "new keys".to_owned(),
        0 | 5 | 14 => String::new(),
        _ => format!("{len} bytes"),
    }
}

fn client_hello(h: &Hello) -> String {
    let mut parts = Vec::new();
    if let Some(n) = &h.sni {
        parts.push(n.clone());
    }
    let real = |v: &u16| !names::is_grease((*v).into());
    let version = h.versions.iter().copied().filter(real).max().unwrap_or(h.version);
    parts.push(format!("up to {}", names::version_text(version)));
    let n = h.suites.iter().filter(|s| real(s)).count();
    parts.push(format!("{n} suite{}", if n == 1 { "" } else { "s" }));
    if !h.alpn.is_empty() {
        let all: Vec<_> = h.alpn.iter().map(|a| String::from_utf8_lossy(a)).collect();
        parts.push(format!("ALPN {}", all.join(" ")));
    }
    if h.has(42) {
        parts.push("early data".to_owned());
    }
    parts.join(", ")
}

fn server_hello(h: &Hello) -> String {
    let mut parts = vec![names::version_text(h.chosen_version())];
    if let Some(s) = h.suites.first() {
        let name = names::suite((*s).into());
        parts.push(name.map_or_else(|| format!("suite {s:#06x}"), str::to_owned));
    }
    if let Some(g) = h.shares.first() {
        parts.push(
            names::group((*g).into()).map_or_else(|| format!("group {g:#06x}"), str::to_owned),
        );
    }
    if let Some(a) = h.alpn.first() {
        parts.push(format!("ALPN {}", String::from_utf8_lossy(a)));
    }
    if h.psk.is_some() {
        parts.push("resumed".to_owned());
    }
    parts.join(", ")
}
