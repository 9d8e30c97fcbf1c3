//! Frames and header blocks looked at by themselves, without a connection.

use crate::base::{Buffer, BufferId, Span};
use crate::event::Detail;
use crate::field::{In, NoSink, Sink, TreeSink, Value};
use crate::finding::Finding;
use crate::proto::Headers;
use crate::proto::http2::codes;
use crate::proto::http2::hpack::{Decoder, FieldList};
use crate::proto::http2::wire::{self, Content, END_HEADERS, HEAD_LEN, PADDED, PREFACE};
use crate::proto::http2::{fields, findings, summary};

/// A frame, or a header block, with what is in it.
#[derive(Clone, Debug)]
pub struct Frame {
    /// `headers`, `data`, `preface`, `header block` …
    pub kind: &'static str,
    /// Summary, tree and buffers. Buffer 0 is the bytes themselves; a header block
    /// that is complete and its fields follow. The pieces are empty: it lies in no packet.
    pub detail: Detail,
    /// What is wrong with it by itself.
    pub findings: Vec<Finding>,
    /// Bytes that it took.
    pub len: usize,
    /// Bytes that its length states and that are not there.
    pub missing: u64,
}

/// Reads frames one after another, and keeps the dynamic table between them as one
/// direction of a connection does.
#[derive(Debug, Default)]
pub struct Reader {
    hpack: Decoder,
    /// Fragments of a block that is not complete.
    block: Option<Vec<u8>>,
}

fn wire_buffer(label: &'static str, bytes: &[u8]) -> Buffer {
    let mut b = Buffer::new(label);
    b.len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    b.bytes = bytes.to_vec();
    b
}

/// The payload of DATA (RFC 9113 §6.1). `false` where its padding does not fit.
fn data_body<'a>(i: In<'a, TreeSink>, head: &wire::FrameHead) -> bool {
    let sink = i.sink();
    let have = u32::try_from(i.data().len()).unwrap_or(u32::MAX);
    let mut at = i.at();
    let mut left = have;
    let mut padding = 0;
    if head.has(PADDED)
        && let Some(n) = i.data().first()
    {
        sink.field(&fields::PAD_LENGTH, Span::bytes(BufferId(0), at, 1), Value::U64((*n).into()));
        (at, left, padding) = (at + 1, left - 1, u32::from(*n));
    }
    let fits = padding <= left;
    // Where the payload is cut short its padding is what is missing first.
    let missing = head.length.saturating_sub(have);
    let padding = padding.saturating_sub(missing).min(left);
    let slice = |from: u32, n: u32| {
        let from = from.saturating_sub(i.at()) as usize;
        i.data().get(from..from + n as usize).unwrap_or_default()
    };
    if left > padding {
        let n = left - padding;
        sink.field(&fields::DATA, Span::bytes(BufferId(0), at, n), Value::None);
        at += n;
    }
    if padding > 0 {
        let value = Value::Bytes(slice(at, padding).into());
        sink.field(&fields::DATA_PADDING, Span::bytes(BufferId(0), at, padding), value);
    }
    fits || missing > 0
}

impl Reader {
    /// The frame (or connection preface) at the front of `data`. A head that is cut
    /// short is one unknown field.
    pub fn frame(&mut self, data: &[u8]) -> Frame {
        let sink = TreeSink::new();
        let i = In::new(data, BufferId(0), 0, &sink);
        if data.starts_with(PREFACE) {
            let _ = crate::field::input::bytes(&fields::MAGIC, PREFACE.len())(i);
            let mut detail = Detail { tree: sink.into_tree(), ..Detail::default() };
            "connection preface".clone_into(&mut detail.summary);
            detail.origins.add(wire_buffer("frame", PREFACE));
            let len = PREFACE.len();
            return Frame { kind: "preface", detail, findings: Vec::new(), len, missing: 0 };
        }
        let Ok((_, head)) = wire::frame_head(In::new(data, BufferId(0), 0, &NoSink)) else {
            // The fields that are there are told before the input ends.
            let _ = wire::frame_head(i);
            let mut tree = sink.into_tree();
            let end = tree.leaves().filter_map(|n| n.span).map(|s| s.end()).max().unwrap_or(0);
            let rest = data.get(end as usize..).unwrap_or_default();
            if !rest.is_empty() {
                let span = Span::bytes(BufferId(0), end, u32::try_from(rest.len()).unwrap_or(0));
                tree.add(&fields::UNKNOWN, Some(span), Value::Bytes(rest.into()));
            }
            let mut detail = Detail { tree, ..Detail::default() };
            "frame header, cut short".clone_into(&mut detail.summary);
            detail.origins.add(wire_buffer("frame", data));
            let missing = HEAD_LEN.saturating_sub(data.len()) as u64;
            let findings = vec![Finding::new(&findings::TRUNCATED)];
            return Frame { kind: "frame", detail, findings, len: data.len(), missing };
        };
        let there = data.len().saturating_sub(HEAD_LEN).min(head.length as usize);
        let missing = u64::from(head.length) - there as u64;
        let len = HEAD_LEN + there;
        let bytes = data.get(..len).unwrap_or_default();
        let i = In::new(bytes, BufferId(0), 0, &sink);
        let mut content = Content::Unread;
        let mut list = Vec::new();
        if let Ok((rest, _)) = wire::frame_head(i) {
            if head.kind == codes::frame::DATA {
                if !data_body(rest, &head) {
                    list.push(Finding::new(&findings::PADDING));
                }
            } else if missing > 0 {
                wire::unknown(rest);
            } else {
                let _ = wire::body(rest, &head);
                // Once more without a tree, whose borrow would last as long as the content.
                let payload = bytes.get(HEAD_LEN..).unwrap_or_default();
                let body =
                    wire::body(In::new(payload, BufferId(0), HEAD_LEN as u32, &NoSink), &head);
                content = body.content;
                list.extend(body.fault.map(|f| {
                    Finding::new(match f {
                        wire::BodyFault::Size => &findings::FRAME_SIZE,
                        wire::BodyFault::Padding => &findings::PADDING,
                    })
                }));
            }
        }
        if missing > 0 {
            list.push(Finding::new(&findings::TRUNCATED));
        }
        let mut detail = Detail { tree: sink.into_tree(), ..Detail::default() };
        detail.origins.add(wire_buffer("frame", bytes));
        let fragment = match content {
            Content::Headers { fragment, .. } | Content::PushPromise { fragment, .. } => {
                self.block = Some(Vec::new());
                Some(fragment.octets)
            }
            Content::Continuation(fragment) => Some(fragment.octets),
            _ => None,
        };
        let mut headers = None;
        if let Some(octets) = fragment {
            let mut block = self.block.take().unwrap_or_default();
            block.extend_from_slice(octets);
            if head.has(END_HEADERS) {
                let read = self.block(&block);
                let base = detail.origins.append(read.0.origins);
                detail.tree.append(read.0.tree, base);
                list.extend(read.1);
                headers = Some(read.2);
            } else {
                self.block = Some(block);
            }
        }
        detail.summary = summary::frame(&head, &content, headers.as_ref());
        Frame { kind: codes::kind(head.kind), detail, findings: list, len, missing }
    }

    /// All of `data` as one header block.
    pub fn header_block(&mut self, data: &[u8]) -> Frame {
        let (mut detail, findings, headers) = self.block(data);
        let n = headers.len();
        detail.summary = format!("{n} field{}", if n == 1 { "" } else { "s" });
        Frame { kind: "header block", detail, findings, len: data.len(), missing: 0 }
    }

    fn block(&mut self, data: &[u8]) -> (Detail, Vec<Finding>, Headers) {
        let (mut headers, mut findings) = (Headers::default(), Vec::new());
        let sink = TreeSink::new();
        let mut list = FieldList::new(BufferId(1));
        let i = In::new(data, BufferId(0), 0, &sink);
        self.hpack.block(i, &mut headers, Some(&mut list), &mut findings);
        let mut detail = Detail { tree: sink.into_tree(), ..Detail::default() };
        detail.origins.add(wire_buffer("header block", data));
        detail.origins.add(list.buffer);
        (detail, findings, headers)
    }
}
