//! The event of a record.

use nom::number::streaming::be_u8;

use super::crypto::Opened;
use super::messages::label;
use super::session::Epoch;
use super::wire::{self, Head};
use super::{fields as f, names};
use crate::base::{Buffer, BufferId, PieceSource, Side, Span};
use crate::event::{Detail, Draft, Level, Payload};
use crate::field::input::{bytes, uint};
use crate::field::{In, TreeSink, Value};
use crate::proto::{Out, Trace};

/// How a record is to be shown.
#[derive(Clone, Copy, Debug)]
pub(super) enum Shown<'a> {
    /// In clear.
    Plain,
    /// Encrypted, and closed; in TLS 1.3 its type says nothing. Bytes at its front that
    /// are a nonce, and at its end that are a tag.
    Closed { opaque: bool, edges: (usize, usize) },
    /// Opened.
    Open {
        opaque: bool,
        edges: (usize, usize),
        opened: Opened,
        plain: &'a [u8],
        epoch: Epoch,
        seq: u64,
    },
}

/// The event of the record `data`, at `at` of a side's stream.
pub(super) fn draft(
    side: Side,
    at: u64,
    data: &[u8],
    head: Head,
    shown: Shown<'_>,
    out: &dyn Out,
) -> Draft {
    let end = at + data.len() as u64;
    let start = out.moment(side, at);
    let ready = out.ready(side, end.saturating_sub(1));
    let mut d = Draft::new(Level::Frame, "tls", "record", start, ready);
    d.sender = Some(side);
    d.length = match shown {
        Shown::Open { opened, .. } => opened.len as u64,
        _ => data.len().saturating_sub(Head::LEN) as u64,
    };
    if out.wants(Level::Frame) {
        let mut trace = Trace::new(true, "TCP stream");
        trace.add(out, side, at..end);
        d.detail = Some(Box::new(detail(data, head, shown, trace)));
    }
    d
}

fn detail(data: &[u8], head: Head, shown: Shown<'_>, mut trace: Trace) -> Detail {
    let sink = TreeSink::new();
    let i = In::new(data, BufferId(0), 0, &sink);
    let opaque =
        matches!(shown, Shown::Closed { opaque: true, .. } | Shown::Open { opaque: true, .. });
    let mut detail = Detail::default();
    let mut buffer = trace.take().unwrap_or_default();
    buffer.bytes = data.to_vec();
    detail.origins.add(buffer);
    let name =
        |t: u8| names::content_type(t.into()).map_or_else(|| format!("type {t}"), str::to_owned);
    let Ok((body, _)) = wire::head(i, opaque) else { return detail };
    let len = body.data().len();
    match shown {
        Shown::Plain => {
            detail.summary = format!("{}, {len} bytes", name(head.content_type));
            let left = match (head.content_type, len) {
                (20, 1..) => uint(&f::CHANGE_CIPHER_SPEC, be_u8)(body).map_or(body, |(i, _)| i),
                (21, 2..) => wire::alert(body).map_or(body, |(i, _)| i),
                _ => body,
            };
            let _ = bytes(&f::FRAGMENT, left.data().len())(left);
            detail.payload = Payload::Bytes(body.data().to_vec());
            detail.tree = sink.into_tree();
        }
        Shown::Closed { edges, .. } => {
            sealed(body, edges);
            detail.summary = format!("encrypted, {len} bytes");
            detail.tree = sink.into_tree();
        }
        Shown::Open { edges, opened, plain, epoch, seq, .. } => {
            let place = sealed(body, edges);
            let content = plain.get(..opened.len).unwrap_or_default();
            detail.summary =
                format!("{}, {} bytes, decrypted", name(opened.content_type), content.len());
            detail.tree = sink.into_tree();
            let tree = &mut detail.tree;
            tree.add(&f::EPOCH, None, Value::Text(epoch.name().into()));
            tree.add(&f::SEQUENCE, None, Value::U64(seq));
            let size = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
            // In CBC the padding and a MAC within are not kept.
            let kept = if opaque { plain } else { content };
            let mut derived = Buffer::new("decrypted");
            derived.bytes = kept.to_vec();
            let from = Span::bytes(place.buffer, place.start, size(kept.len()).min(place.len));
            derived.push(size(kept.len()), PieceSource::Buffer(from), true);
            let id = detail.origins.add(derived);
            if !content.is_empty() {
                tree.add(&f::CONTENT, Some(Span::bytes(id, 0, size(content.len()))), Value::None);
            }
            if opaque {
                let at = size(content.len());
                let value = Value::U64(opened.content_type.into());
                tree.add(&f::CONTENT_TYPE, Some(Span::bytes(id, at, 1)), value);
                if opened.padding > 0 {
                    let span = Span::bytes(id, at.saturating_add(1), size(opened.padding));
                    tree.add(&f::PADDING, Some(span), Value::U64(opened.padding as u64));
                }
            }
            detail.payload = Payload::Bytes(content.to_vec());
        }
    }
    detail
}

/// Nonce, what is sealed, and tag; gives the place of the middle.
pub(super) fn sealed(body: In<'_, TreeSink>, (front, back): (usize, usize)) -> Span {
    let len = body.data().len();
    let front = if front + back <= len { front } else { 0 };
    let back = if front + back <= len { back } else { 0 };
    let i = bytes(&f::NONCE, front)(body).map_or(body, |(i, _)| i);
    let middle = len.saturating_sub(front).saturating_sub(back);
    let rest = bytes(&f::ENCRYPTED, middle)(i).map_or(i, |(i, _)| i);
    let span = i.span_to(&rest);
    let _ = bytes(&f::TAG, back)(rest);
    span
}

/// The event of a part of a record: the rest was not captured.
pub(super) fn part(
    side: Side,
    len: u64,
    head: Option<Head>,
    bytes_: &[u8],
    mut trace: Trace,
    out: &dyn Out,
) -> Draft {
    let now = out.now();
    let mut d = Draft::new(Level::Frame, "tls", "record", trace.start(now), now);
    d.sender = Some(side);
    d.length = len;
    d.complete = false;
    if let Some(mut buffer) = trace.take() {
        let mut detail = Detail::default();
        let sink = TreeSink::new();
        let size = u32::try_from(len).unwrap_or(u32::MAX);
        let i = In::new(bytes_, BufferId(0), 0, &sink);
        let at = match head {
            Some(_) => wire::head(i, false).map_or(0, |(i, _)| i.at()),
            None => 0,
        };
        let mut tree = sink.into_tree();
        if size > at {
            tree.add(&f::FRAGMENT, Some(Span::bytes(BufferId(0), at, size - at)), Value::None);
        }
        detail.summary = format!("{len} bytes of a record whose rest is missing");
        detail.tree = tree;
        buffer.bytes = bytes_.to_vec();
        detail.origins.add(buffer);
        d.detail = Some(Box::new(detail));
    }
    d
}

/// What buffer 0 of an alert is, and its detail.
pub(super) fn alert(
    side: Side,
    range: std::ops::Range<u64>,
    ready: crate::base::Moment,
    opened: bool,
    data: &[u8],
    out: &dyn Out,
) -> Draft {
    let start = out.moment(side, range.start);
    let mut d = Draft::new(Level::Message, "tls", "alert", start, ready);
    d.sender = Some(side);
    d.length = data.len() as u64;
    if out.wants(Level::Message) {
        let mut trace = Trace::new(true, label(opened));
        trace.add(out, side, range);
        let sink = TreeSink::new();
        let read = wire::alert(In::new(data, BufferId(0), 0, &sink));
        let (level, description) = read.map_or((0, 0), |(_, a)| a);
        let mut detail = Detail { tree: sink.into_tree(), ..Detail::default() };
        detail.summary = alert_text(level, description);
        let mut buffer = trace.take().unwrap_or_default();
        buffer.bytes = data.to_vec();
        detail.origins.add(buffer);
        d.detail = Some(Box::new(detail));
    }
    d
}

/// `fatal handshake_failure: no common parameters …`
pub(super) fn alert_text(level: u8, description: u8) -> String {
    let name = |v: Option<&'static str>, n: u8| v.map_or_else(|| n.to_string(), str::to_owned);
    format!(
        "{} {}: {}",
        name(names::alert_level(level.into()), level),
        name(names::alert(description.into()), description),
        names::alert_words(description)
    )
}
