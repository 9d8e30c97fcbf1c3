//! The event of one message, of an error, or of the end of a stream.

use crate::base::limits::{MAX_GRPC_MESSAGE_BYTES, MAX_INFLATED_BYTES};
use crate::base::{Buffer, BufferId, Moment, Origins, PieceSource, Side, Span};
use crate::event::{Detail, Draft, Level, Payload};
use crate::field::{In, Sink as _, TreeSink, Value};
use crate::finding::Finding;
use crate::proto::codings::{self, Codings};
use crate::proto::connect::error::{self, CallError, Outcome};
use crate::proto::connect::heads::split_path;
use crate::proto::connect::machine::{Body, Call, Part};
use crate::proto::connect::wire::{self, ENVELOPE_LEN};
use crate::proto::connect::{fields, findings};
use crate::proto::{Out, PayloadHint};

/// Where the bytes of a message lie that is not a body: the buffers before it, its own,
/// and its first moment.
pub(super) type Elsewhere = (Origins, Buffer, Moment);

impl Call {
    /// Emits the message in the making. `data` is what was kept of it; `cut` is the reason
    /// where it ends before its length.
    pub(super) fn finish(
        &mut self,
        side: Side,
        data: &[u8],
        cut: Option<Finding>,
        out: &mut dyn Out,
    ) {
        self.finish_with(side, data, cut, None, out);
    }

    pub(super) fn finish_with(
        &mut self,
        side: Side,
        data: &[u8],
        cut: Option<Finding>,
        elsewhere: Option<Elsewhere>,
        out: &mut dyn Out,
    ) {
        let d = self.side(side);
        let Some(mut p) = d.current.take() else { return };
        let is_end = p.envelope.is_some_and(|e| e.end_stream);
        let kind = match d.body {
            Body::Error => "error",
            _ if is_end => "end_stream",
            _ => "message",
        };
        if kind == "message" {
            d.bytes = d.bytes.saturating_add(p.got);
        }
        let number = d.messages;
        let complete = cut.is_none();
        let gap = d.lost;
        let mut list: Vec<Finding> = cut.into_iter().collect();
        let kept_whole = data.len() as u64 == p.got;
        if !kept_whole {
            let text = format!("{} bytes, {MAX_GRPC_MESSAGE_BYTES} kept", p.got);
            list.push(Finding::new(&findings::MESSAGE_LIMIT).with(text));
        }
        if let Some(e) = p.envelope.filter(|e| e.reserved != 0) {
            let span = Span::bytes(BufferId(0), 0, 1);
            list.push(Finding::new(&findings::RESERVED).with(e.reserved.to_string()).at(span));
        }
        if is_end && side == Side::Client {
            list.push(Finding::new(&findings::CLIENT_END));
        }

        // What the message is once its compression is undone, and whether that may be
        // decoded: never what is cut or not understood.
        let mut decodable = complete && kept_whole && !gap;
        let compressed = p.envelope.map_or(self.side(side).codings.is_some(), |e| e.compressed);
        let encoding = self.side(side).encoding.clone();
        let typed = self.side(side).codec.is_some();
        let mut inflated = None;
        if compressed && p.got > 0 {
            let made = match &self.side(side).codings {
                // By which coding, a head says that was not captured.
                None if !typed => None,
                None => {
                    list.push(Finding::new(&findings::COMPRESSED_WITHOUT_ENCODING));
                    None
                }
                Some(Codings::Unknown(name)) => {
                    list.push(Finding::new(&findings::UNKNOWN_ENCODING).with(name.as_str()));
                    None
                }
                Some(known) => known.decoder().filter(|_| decodable),
            };
            match made {
                Some(decoder) => {
                    let i = codings::inflate(decoder, data, MAX_INFLATED_BYTES);
                    out.inflated(i.total);
                    if let Some(why) = i.failure {
                        decodable = false;
                        list.push(Finding::new(&findings::BAD_COMPRESSION).with(why.to_string()));
                    }
                    inflated = Some(i.bytes);
                }
                None => decodable = false,
            }
        }
        let shown = inflated.as_deref().unwrap_or(data);
        let length = if inflated.is_some() { shown.len() as u64 } else { p.got };

        let start = elsewhere.as_ref().map_or_else(|| p.trace.start(p.ready), |e| e.2);
        let mut detail =
            p.wanted.then(|| self.message_detail(side, kind, &mut p, data, elsewhere, out));
        let mut buffer = None;
        if let Some((detail, place)) = &mut detail {
            let cap = out.payload_cap();
            if kept_whole {
                let label = if inflated.is_some() { "inflated" } else { "message" };
                let mut b = Buffer::new(label);
                if !shown.is_empty() {
                    let len = u32::try_from(shown.len()).unwrap_or(u32::MAX);
                    b.push(len, PieceSource::Buffer(*place), inflated.is_none());
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
        let mut detail = detail.map(|(d, _)| d);
        // A server that failed speaks for itself with JSON alone.
        let codec = self.codec(side).to_owned();
        let is_json = match kind {
            "error" if self.sides[1].type_unknown => {
                serde_json::from_slice::<serde::de::IgnoredAny>(shown).is_ok()
            }
            "error" => self.sides[1].codec.as_ref().is_some_and(|c| &*c.name == "json"),
            "end_stream" => true,
            _ => false,
        };
        if decodable && (kind == "message" || is_json) {
            let media_type =
                format!("application/{}", if is_json { "json" } else { codec.as_str() });
            let path = self.path().unwrap_or_default().to_owned();
            let hint = PayloadHint { media_type: &media_type, path: &path, side, message: None };
            let place = detail.as_mut().zip(buffer);
            list.extend(out.decode(&hint, shown, place).unwrap_or_default());
        }
        let mut verdict = None;
        let holed = self.side(side).lost && !decodable;
        if side == Side::Server && kind != "message" && !holed {
            let outcome = self.outcome_of(kind, shown, decodable && is_json, &mut list);
            verdict = Some(match &outcome.error {
                Some(e) => e.text(),
                None if outcome.bad.is_some() => "not understood".to_owned(),
                None => "ok".to_owned(),
            });
            if let Some(d) = &mut detail {
                self.state(&outcome, d);
            }
            self.outcome = Some(outcome);
        }
        if is_end && side == Side::Server {
            self.side(side).over = true;
        }
        if let Some(detail) = &mut detail {
            detail.summary = match &verdict {
                Some(v) => v.clone(),
                None => detail.payload.line(length),
            };
            if inflated.is_some() {
                detail.summary.push_str(&format!(" ({encoding}, {} → {length} bytes)", p.got));
            }
        }
        if side == Side::Server && number == 1 && complete && kind == "message" {
            self.first_response = self.start.map(|s| p.ready.time.since(s.time));
        }
        self.saw(start, p.ready, out);
        out.emit(Draft {
            sender: Some(side),
            length,
            complete,
            findings: list,
            detail: detail.map(Box::new),
            ..Draft::new(Level::Message, "connect", kind, start, p.ready)
        });
    }

    /// What an error or an end of a stream says.
    fn outcome_of(
        &mut self,
        kind: &str,
        data: &[u8],
        readable: bool,
        list: &mut Vec<Finding>,
    ) -> Outcome {
        let status = self.status.unwrap_or(0);
        let outcome = match (kind, readable) {
            ("error", true) => error::unary(data, status),
            ("end_stream", true) => error::end_stream(data),
            ("error", false) => {
                // Of a body whose type is not known nobody can say whose it is.
                if !self.sides[1].type_unknown {
                    let finding = Finding::new(&findings::HTTP_STATUS);
                    list.push(finding.with(status.to_string()));
                }
                Outcome { error: Some(CallError::of_status(status)), ..Outcome::default() }
            }
            _ => Outcome { bad: Some("not readable".to_owned()), ..Outcome::default() },
        };
        if let Some(bad) = &outcome.bad {
            list.push(Finding::new(&findings::BAD_ERROR).with(bad.as_str()));
        }
        if let Some(e) = &outcome.error {
            list.push(Finding::new(&findings::ERROR).with(e.text()));
            if kind == "error"
                && let Some(expected) = e.status().filter(|s| *s != status && !e.inferred)
            {
                let text = format!("{status}, {} is {expected}", e.code);
                list.push(Finding::new(&findings::STATUS_MISMATCH).with(text));
            }
        }
        outcome
    }

    /// The fields of an outcome, for its event and for the call's.
    pub(super) fn state(&self, o: &Outcome, d: &mut Detail) {
        let tree = &mut d.tree;
        match &o.error {
            Some(e) => {
                let id = tree.add(&fields::CODE, None, Value::Text(e.code.as_str().into()));
                if let Some(n) = tree.get_mut(id).filter(|_| e.inferred) {
                    n.note = Some("made of the HTTP status".into());
                }
                if let Some(n) = e.number() {
                    tree.add(&fields::STATUS, None, Value::U64(n));
                }
                if !e.message.is_empty() {
                    tree.add(&fields::MESSAGE, None, Value::Text(e.message.as_str().into()));
                }
                for (name, value) in &e.details {
                    let text =
                        if value.is_empty() { name.clone() } else { format!("{name} {value}") };
                    tree.add(&fields::DETAIL, None, Value::Text(text.into()));
                }
            }
            None if o.bad.is_none() => {
                tree.add(&fields::CODE, None, Value::Text("ok".into()));
                tree.add(&fields::STATUS, None, Value::U64(0));
            }
            None => {}
        }
        for (name, value) in &o.metadata {
            let id = tree.add(&fields::TRAILERS, None, Value::Text(value.as_str().into()));
            if let Some(n) = tree.get_mut(id) {
                n.name = Some(name.as_str().into());
            }
        }
    }

    /// The tree, the buffers, and where the message lies in them.
    fn message_detail(
        &self,
        side: Side,
        kind: &str,
        p: &mut Part,
        data: &[u8],
        elsewhere: Option<Elsewhere>,
        out: &dyn Out,
    ) -> (Detail, Span) {
        let cap = out.payload_cap();
        let kept = data.get(..cap).unwrap_or(data);
        let mut detail = Detail::default();
        let sink = TreeSink::new();
        let got = u32::try_from(p.got).unwrap_or(u32::MAX);
        let place = match elsewhere {
            Some((origins, buffer, _)) => {
                detail.origins = origins;
                let id = detail.origins.add(buffer);
                let span = Span::bytes(id, 0, got);
                sink.open(&fields::CONNECT, span);
                // Nothing can be missing of what is there.
                let _ = wire::message(In::new(kept, id, 0, &sink), &fields::MESSAGE_DATA);
                span
            }
            None => {
                let mut bytes = p.trace.take().unwrap_or_else(|| Buffer::new("body"));
                let mut at = 0;
                if let Some(e) = p.envelope {
                    let flags =
                        e.reserved << 2 | u8::from(e.end_stream) << 1 | u8::from(e.compressed);
                    bytes.bytes.push(flags);
                    bytes.bytes.extend_from_slice(&e.length.to_be_bytes());
                    at = ENVELOPE_LEN as u32;
                }
                sink.open(&fields::CONNECT, Span::bytes(BufferId(0), 0, got.saturating_add(at)));
                if p.envelope.is_some() {
                    // Five bytes are an envelope's head.
                    let _ = wire::envelope(In::new(&bytes.bytes, BufferId(0), 0, &sink));
                }
                if !kept.is_empty() {
                    let _ =
                        wire::message(In::new(kept, BufferId(0), at, &sink), &fields::MESSAGE_DATA);
                }
                bytes.bytes.extend_from_slice(kept);
                detail.origins.add(bytes);
                Span::bytes(BufferId(0), at, got)
            }
        };
        let mut tree = sink.into_tree();
        if kept.len() < got as usize
            && let Some(last) = tree.nodes().len().checked_sub(1)
            && let Some(node) = tree.get_mut(crate::field::NodeId(last as u32))
            && let Some(span) = &mut node.span
        {
            // Less was kept than came: the leaf covers what came.
            span.len = got;
        }
        if kind == "message" {
            let number = self.sides.get(side.index()).map_or(0, |d| d.messages);
            tree.add(&fields::MESSAGE_NUMBER, None, Value::U64(number));
        }
        if let Some(path) = self.path() {
            let (service, method) = split_path(path);
            tree.add(&fields::SERVICE, None, Value::Text(service.into()));
            tree.add(&fields::METHOD, None, Value::Text(method.into()));
        }
        tree.close();
        detail.tree = tree;
        (detail, place)
    }

    /// How a side writes its messages; as its peer does, where its head was not captured.
    fn codec(&self, side: Side) -> &str {
        let of = |s: Side| self.sides.get(s.index()).and_then(|d| d.codec.as_ref());
        of(side).or_else(|| of(side.peer())).map_or("", |c| &c.name)
    }
}
