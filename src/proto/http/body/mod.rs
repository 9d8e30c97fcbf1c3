//! The body of a message that somebody looks at.

use crate::base::{Buffer, BufferId, PieceSource, Side, Span};
use crate::event::{Detail, Payload};
use crate::field::{Tree, Value};
use crate::finding::Finding;
use crate::proto::http::{fields as f, findings as g, text};
use crate::proto::{Out, PayloadHint, Trace};

mod magic;
mod parts;
mod undo;

pub(super) use crate::proto::codings::{Codings, Decoder, Failure};
pub(super) use undo::{Undo, Undone};

/// What is wrong with the parts of a multipart body that nobody looks at.
pub(super) fn judge_parts(kind: &[u8], body: &[u8], cut: bool, findings: &mut Vec<Finding>) {
    parts::multipart(body, kind, cut, BufferId(0), &mut Tree::default(), findings);
}

/// What is known of a body.
pub(super) struct Body<'a> {
    /// Where it lies.
    pub(super) trace: Trace,
    /// Its first bytes.
    pub(super) kept: Vec<u8>,
    /// Bytes of it that were seen.
    pub(super) length: u64,
    /// All of it was.
    pub(super) whole: bool,
    /// It is a range of something (RFC 9110 §14.4).
    pub(super) partial: bool,
    /// Without parameters, in lower case.
    pub(super) media_type: &'a str,
    pub(super) content_type: &'a [u8],
    /// Its codings, where it has some.
    pub(super) undone: Option<Undone>,
    pub(super) path: &'a str,
    pub(super) side: Side,
}

impl Body<'_> {
    /// Adds it to the detail of its message: as it was sent, with its codings undone,
    /// and as what its media type says it is.
    pub(super) fn show(self, d: &mut Detail, findings: &mut Vec<Finding>, out: &mut dyn Out) {
        let mut trace = self.trace;
        let mut wire = trace.take().unwrap_or_default();
        wire.label = "body";
        let (len, kept_len) = (wire.len, u32::try_from(self.kept.len()).unwrap_or(u32::MAX));
        wire.bytes = self.kept;
        let wire = d.origins.add(wire);
        let span = Span::bytes(wire, 0, len);
        let mut is_known = true;
        let mut cut = u64::from(kept_len) < self.length;
        let (inflated, fault) = match self.undone {
            None => (None, None),
            Some(u) => {
                d.summary.push_str(&format!(" {}", text::short(&u.codings.names())));
                is_known = u.inflated.is_some();
                (u.inflated, u.fault)
            }
        };
        let (buffer, total) = match inflated {
            None => {
                d.tree.add(&f::FILE_DATA, Some(span), Value::None);
                (wire, self.length)
            }
            Some(i) => {
                let raw = d.tree.add(&f::ENCODED_DATA, Some(span), Value::None);
                let short = !self.whole || self.partial;
                let end = if short || i.failure.is_some() { " of it" } else { "" };
                d.summary.push_str(&format!(", {} inflated{end}", i.total));
                if let Some(failure) = i.failure {
                    if let Some(n) = d.tree.get_mut(raw) {
                        let note = format!("stopped after {} bytes: {failure}", i.total);
                        n.note = Some(note.into());
                    }
                    // It has been found already, and this is where.
                    if let Some(fault) = fault.map(|f| self::fault(&f))
                        && let Some(f) = findings.iter_mut().find(|f| **f == fault)
                    {
                        f.span = Some(span);
                    }
                }
                cut = false;
                let mut buffer = Buffer::new("inflated");
                let n = u32::try_from(i.bytes.len()).unwrap_or(u32::MAX);
                let source = PieceSource::Buffer(Span::bytes(wire, 0, kept_len));
                buffer.push(n, source, false);
                buffer.bytes = i.bytes;
                let buffer = d.origins.add(buffer);
                d.tree.add(&f::FILE_DATA, Some(Span::bytes(buffer, 0, n)), Value::None);
                (buffer, i.total)
            }
        };
        let bytes = d.origins.get(buffer).map(|b| b.bytes.clone()).unwrap_or_default();
        let cut = cut || (bytes.len() as u64) < total;
        d.truncated = cut.then_some(total);
        d.payload = Payload::Bytes(Vec::new());
        let before = d.summary.len();
        // A body of gRPC is messages with prefixes. It comes here where an answer that is no
        // gRPC was captured before its request.
        let framed = self.media_type.starts_with("application/grpc");
        if !cut && self.whole && !self.partial && !framed && !self.media_type.is_empty() {
            let hint = PayloadHint {
                media_type: self.media_type,
                path: self.path,
                side: self.side,
                message: None,
            };
            if let Some(more) = out.decode(&hint, &bytes, Some((d, buffer))) {
                findings.extend(more);
            }
        }
        if !self.partial {
            match self.media_type {
                "application/x-www-form-urlencoded" if !cut => {
                    parts::form(&bytes, buffer, &mut d.tree, findings);
                }
                m if m.starts_with("multipart/") => {
                    let (kind, cut) = (self.content_type, cut || !self.whole);
                    parts::multipart(&bytes, kind, cut, buffer, &mut d.tree, findings);
                }
                _ => {}
            }
            if let Some(name) = magic::name(&bytes) {
                let len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
                let span = Span::bytes(buffer, 0, len);
                d.tree.add(&f::BODY_FORMAT, Some(span), Value::Text(name.into()));
                d.summary.push_str(&format!(", {name}"));
            }
        }
        // A decoder that knew what it is has said more.
        let is_read = is_known && text::is_text(self.media_type);
        if d.summary.len() == before
            && is_read
            && let Some(begins) = text::preview(&bytes, total)
        {
            d.summary.push_str(&format!(": {begins}"));
        }
        if d.payload == Payload::Bytes(Vec::new()) {
            d.payload = Payload::Bytes(bytes);
        }
    }
}

/// The finding of a coding that could not be undone.
pub(super) fn fault(failure: &Failure) -> Finding {
    let spec = match failure {
        Failure::Limit(_) => &g::INFLATE_LIMIT,
        Failure::Padding(_) => &g::CODING_PADDING,
        _ => &g::BAD_CODING,
    };
    Finding::new(spec).with(failure.to_string())
}
