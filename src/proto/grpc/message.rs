//! The event of one message.

use crate::base::limits::{MAX_GRPC_MESSAGE_BYTES, MAX_INFLATED_BYTES};
use crate::base::{Buffer, BufferId, PieceSource, Side, Span};
use crate::event::{Detail, Draft, Level, Payload};
use crate::field::{In, TreeSink, Value};
use crate::finding::Finding;
use crate::proto::decoder::looks_like_json;
use crate::proto::grpc::encoding::{Encoding, Inflated, inflate};
use crate::proto::grpc::machine::{Call, Current, REUSED_BYTES};
use crate::proto::grpc::metadata::split_path;
use crate::proto::grpc::wire::{self, PREFIX_LEN};
use crate::proto::grpc::{fields, findings};
use crate::proto::{Out, PayloadHint, Trace};

/// What the decoder of protobuf says of a message.
const JSON_BYTES: &str = "protobuf.json_bytes";
/// What libraries receive unless told otherwise: 4 MiB, decompressed.
const DEFAULT_RECEIVE_LIMIT: u64 = 4 << 20;

impl Call {
    /// Emits the message in the making. `data` is what was kept of it; `cut` is
    /// the reason where it ends before its length.
    pub(super) fn finish(
        &mut self,
        side: Side,
        data: &[u8],
        cut: Option<Finding>,
        out: &mut dyn Out,
    ) {
        let d = self.side(side);
        let Some(mut m) = d.current.take() else { return };
        if cut.is_none()
            && let Some(headers) = self.web_trailers(side, &m, data)
        {
            self.web_trailed(m, data, &headers, out);
            return;
        }
        let d = self.side(side);
        d.bytes = d.bytes.saturating_add(u64::from(m.got));
        let number = d.messages;
        let encoding = d.encoding.clone();
        let complete = cut.is_none();
        let mut list: Vec<Finding> = cut.into_iter().collect();
        let kept_whole = data.len() == m.got as usize;
        if !kept_whole {
            let text = format!("{} bytes, {MAX_GRPC_MESSAGE_BYTES} kept", m.prefix.length);
            list.push(Finding::new(&findings::MESSAGE_LIMIT).with(text));
        }

        // What the message is once its compression is undone, and whether that
        // may be decoded: never what is cut or not understood.
        let mut decodable = complete && kept_whole;
        let mut guessed = false;
        let mut inflated = std::mem::take(&mut self.inflated);
        let mut with = None;
        let flag = Span::bytes(BufferId(0), 0, 1);
        match m.prefix.flag {
            0 => {
                let d = self.side(side);
                if encoding.compresses() && m.prefix.length > 0 && !d.said_uncompressed {
                    d.said_uncompressed = true;
                    list.push(Finding::new(&findings::UNCOMPRESSED).with(encoding.name()).at(flag));
                }
            }
            1 => {
                with = match &encoding {
                    // The head was not captured, but the bytes may say what they are.
                    Encoding::NotSeen => match Encoding::guess(data) {
                        Some(guess) => {
                            guessed = true;
                            Some(guess)
                        }
                        None => {
                            let f = Finding::new(&findings::UNKNOWN_ENCODING);
                            list.push(f.with("grpc-encoding was not captured").at(flag));
                            None
                        }
                    },
                    Encoding::Identity => {
                        let f = Finding::new(&findings::COMPRESSED_WITHOUT_ENCODING);
                        list.push(f.at(flag));
                        None
                    }
                    Encoding::Unknown(name) => {
                        list.push(Finding::new(&findings::UNKNOWN_ENCODING).with(&**name));
                        None
                    }
                    known => Some(known.clone()),
                };
                match &with {
                    Some(e) if decodable => {
                        let span = Span::bytes(BufferId(0), PREFIX_LEN as u32, m.got);
                        let how = inflate(e, data, &mut inflated, MAX_INFLATED_BYTES);
                        out.inflated(inflated.len() as u64);
                        let finding = match how {
                            Inflated::Whole => None,
                            Inflated::Trailing(n) => Some(
                                Finding::new(&findings::BAD_COMPRESSION)
                                    .with(format!("{n} bytes behind the end")),
                            ),
                            Inflated::Broken(why) => {
                                decodable = false;
                                Some(Finding::new(&findings::BAD_COMPRESSION).with(why))
                            }
                            Inflated::Limit => {
                                decodable = false;
                                Some(
                                    Finding::new(&findings::INFLATE_LIMIT)
                                        .with(format!("{MAX_INFLATED_BYTES} bytes")),
                                )
                            }
                        };
                        list.extend(finding.map(|f| f.at(span)));
                    }
                    _ => {
                        decodable = false;
                        with = None;
                    }
                }
            }
            // That of Connect for its last message: no head has said what this is.
            2 | 3 if self.sides.iter().all(|d| d.content_type.is_empty()) => {
                decodable = false;
                for side in Side::BOTH {
                    self.side(side).foreign = true;
                }
            }
            other => {
                decodable = false;
                list.push(Finding::new(&findings::BAD_FLAG).with(other.to_string()).at(flag));
            }
        }
        let shown: &[u8] = if with.is_some() { &inflated } else { data };
        let length = if with.is_some() { inflated.len() as u64 } else { u64::from(m.got) };

        if length.max(u64::from(m.prefix.length)) > DEFAULT_RECEIVE_LIMIT {
            let text = format!("{} bytes", length.max(u64::from(m.prefix.length)));
            list.push(Finding::new(&findings::LARGE_MESSAGE).with(text));
        }

        let start = m.trace.start(m.ready);
        let mut detail = m.wanted.then(|| self.message_detail(side, &mut m, data, out));
        let mut buffer = None;
        if let Some(detail) = &mut detail {
            let cap = out.payload_cap();
            let label = if with.is_some() { "inflated" } else { "message" };
            if kept_whole {
                let mut b = Buffer::new(label);
                if !shown.is_empty() {
                    let source = Span::bytes(BufferId(0), PREFIX_LEN as u32, m.got);
                    let len = u32::try_from(shown.len()).unwrap_or(u32::MAX);
                    b.push(len, PieceSource::Buffer(source), with.is_none());
                }
                b.bytes = shown.get(..cap).unwrap_or(shown).to_vec();
                buffer = Some(detail.origins.add(b));
            }
            detail.payload = Payload::Bytes(shown.get(..cap).unwrap_or(shown).to_vec());
            if shown.len() > cap || !kept_whole {
                detail.truncated = Some(length);
                buffer = None;
            }
        }
        if decodable {
            let (media_type, path) = (self.media_type(side), self.path().unwrap_or_default());
            let hint = PayloadHint { media_type, path, side, message: None };
            // The call tells what its messages would be as JSON, whoever looks at these.
            let measured = out.wants(Level::Exchange) && out.method_pattern(path).is_some();
            let mut aside = (buffer.is_none() && measured).then(Detail::default);
            let place = match &mut aside {
                Some(aside) => Some((aside, BufferId(0))),
                None => detail.as_mut().zip(buffer),
            };
            let read = out.decode(&hint, shown, place);
            if read.is_none() && hint.is_any_codec() && !shown.is_empty() && !looks_like_json(shown)
            {
                let (n, _) = self.unread.get_or_insert((0, m.trace.start(m.ready)));
                *n = n.saturating_add(1);
            }
            list.extend(read.unwrap_or_default());
            let tree = aside.as_ref().or(detail.as_ref()).map(|d| &d.tree);
            if let Some(bytes) = tree.and_then(|t| t.number(JSON_BYTES)) {
                let [sum, known] = &mut self.side(side).json;
                (*sum, *known) = (sum.saturating_add(bytes), *known + 1);
            }
        }
        if let Some(detail) = &mut detail {
            detail.summary = detail.payload.line(length);
            if let Some(e) = &with {
                detail.summary.push_str(&format!(" ({}, {} → {length} bytes)", e.name(), m.got));
            }
        }
        if inflated.capacity() <= REUSED_BYTES {
            self.inflated = inflated;
            self.inflated.clear();
        }

        if side == Side::Server && number == 1 && complete {
            self.responses = Some([m.ready; 2]);
        }
        if side == Side::Server
            && complete
            && let Some([_, last]) = &mut self.responses
        {
            *last = m.ready;
        }
        self.saw(side, start, m.ready, out);
        if list.is_empty() && out.count(Level::Message) {
            return;
        }
        out.emit(Draft {
            sender: Some(side),
            length,
            complete,
            inferred: self.is_inferred() || guessed || self.side(side).found,
            findings: list,
            detail: detail.map(Box::new),
            ..Draft::new(Level::Message, "grpc", "message", start, m.ready)
        });
    }

    /// The tree of the prefix and buffer 0.
    fn message_detail(
        &mut self,
        side: Side,
        m: &mut Current,
        data: &[u8],
        out: &dyn Out,
    ) -> Detail {
        let mut wire_bytes = m.trace.take().unwrap_or_else(|| Buffer::new("DATA"));
        wire_bytes.bytes.push(m.prefix.flag);
        wire_bytes.bytes.extend_from_slice(&m.prefix.length.to_be_bytes());
        let sink = TreeSink::new();
        {
            use crate::field::Sink as _;
            let all = Span::bytes(BufferId(0), 0, m.got.saturating_add(PREFIX_LEN as u32));
            sink.open(&fields::GRPC, all);
            let i = In::new(&wire_bytes.bytes, BufferId(0), 0, &sink);
            // Five bytes are a prefix.
            let _ = wire::prefix(i);
            let i = In::new(data, BufferId(0), PREFIX_LEN as u32, &sink);
            let _ = wire::message(i, m.prefix.length);
        }
        let cap = out.payload_cap();
        wire_bytes.bytes.extend_from_slice(data.get(..cap).unwrap_or(data));
        let mut tree = sink.into_tree();
        if data.len() < m.got as usize
            && let Some(last) = tree.nodes().len().checked_sub(1)
            && let Some(node) = tree.get_mut(crate::field::NodeId(last as u32))
            && let Some(span) = &mut node.span
        {
            // Less was kept than came: the leaf covers what came.
            span.len = m.got;
        }
        tree.add(&fields::MESSAGE_NUMBER, None, Value::U64(self.side(side).messages));
        if m.prefix.flag == 1 {
            let name = self.side(side).encoding.name();
            tree.add(&fields::ENCODING, None, Value::Text(name.into()));
        }
        if let Some(path) = self.path() {
            let (service, method) = split_path(path);
            tree.add(&fields::SERVICE, None, Value::Text(service.into()));
            tree.add(&fields::METHOD, None, Value::Text(method.into()));
        }
        tree.close();
        let mut detail = Detail { tree, ..Detail::default() };
        detail.origins.add(wire_bytes);
        detail
    }

    /// The content type of a side's messages.
    fn media_type(&self, side: Side) -> &str {
        let own = self.sides.get(side.index()).map_or("", |d| &d.content_type);
        let other = self.sides.get(side.peer().index()).map_or("", |d| &d.content_type);
        match (own, other) {
            ("", "") => "application/grpc",
            ("", other) => other,
            (own, _) => own,
        }
    }

    /// One to four bytes where a prefix should be, and no more to come.
    pub(super) fn cut_prefix(&mut self, side: Side, offset: u64, data: &[u8], out: &mut dyn Out) {
        if data.is_empty() {
            return;
        }
        let wanted = out.wants(Level::Message);
        let end = offset.saturating_add(data.len() as u64);
        let mut trace = Trace::new(wanted, "DATA");
        trace.add(out, side, offset..end);
        let ready = out.ready(side, end.saturating_sub(1));
        let start = trace.start(ready);
        self.side(side).messages += 1;
        let text = format!("{} of the {PREFIX_LEN} bytes of a prefix", data.len());
        let span = Span::bytes(BufferId(0), 0, data.len() as u32);
        let detail = trace.take().map(|mut b| {
            b.bytes.extend_from_slice(data);
            let mut detail = Detail { summary: text.clone(), ..Detail::default() };
            detail.tree.add(&fields::CUT_PREFIX, Some(span), Value::Bytes(data.into()));
            detail.origins.add(b);
            Box::new(detail)
        });
        self.saw(side, start, ready, out);
        out.emit(Draft {
            sender: Some(side),
            complete: false,
            inferred: self.is_inferred(),
            findings: vec![Finding::new(&findings::TRUNCATED).with(text).at(span)],
            detail,
            ..Draft::new(Level::Message, "grpc", "message", start, ready)
        });
    }
}
