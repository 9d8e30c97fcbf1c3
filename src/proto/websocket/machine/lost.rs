//! Behind missing bytes: where frames begin, and what is told of those before them.

use super::{Half, Shared};
use crate::base::{BufferId, PieceSource, Side, Span};
use crate::event::{Detail, Draft, Level, Payload};
use crate::field::Value;
use crate::finding::Finding;
use crate::proto::websocket::fields::{GAP_LENGTH, UNSYNCHRONISED as FIELD_UNSYNCHRONISED};
use crate::proto::websocket::findings::{GAP, UNSYNCHRONISED};
use crate::proto::websocket::frame::{OpenFrame, Role, keep};
use crate::proto::websocket::handshake::Extensions;
use crate::proto::websocket::message::Coding;
use crate::proto::websocket::resync::{Compression, Looked, Search, Style, Trial};
use crate::proto::{Chunk, Out, Progress, Trace, missing};

impl Half {
    /// Bytes are missing. Within a payload the next frame is still known.
    pub(super) fn gap(&mut self, len: u64, shared: &mut Shared<'_>, out: &mut dyn Out) {
        if let Some(frame) = &mut self.frame
            && !frame.head_cut
            && len > 0
            && frame.remaining() >= len
        {
            frame.passed += len;
            if !std::mem::replace(&mut frame.holed, true) {
                frame.findings.push(Finding::new(&GAP));
            }
            let message = match frame.role {
                Role::Data => Some(&mut self.data),
                Role::Control => Some(&mut self.control),
                Role::Stray => None,
            };
            if let Some(m) = message {
                if m.coding == Coding::Deflated
                    && let Some(i) = &mut self.inflater
                {
                    i.lose();
                }
                if !m.holed {
                    m.findings.push(Finding::new(&GAP).with(missing(len)));
                }
                m.hole();
            }
            if frame.remaining() == 0 {
                self.finish(shared, out);
            }
            return;
        }
        if self.frame.is_none() && self.search.is_none() && shared.session.answers(self.side, len) {
            // What is open goes on, and the next frame begins right here.
            self.trial = Some(Trial::default());
            self.inferred = true;
            self.data.inferred |= self.open;
            self.tell_hole(len, 0, true, out);
            return;
        }
        let whole = |f: &&OpenFrame| !f.head_cut;
        let left = self.frame.as_ref().filter(whole).map_or(0, OpenFrame::remaining);
        self.flush(&GAP, shared, out);
        self.last = None;
        self.search = Some(Search::behind_hole());
        self.trial = None;
        self.inferred = true;
        self.maybe_open = true;
        if let Some(i) = &mut self.inflater {
            i.lose();
        }
        self.tell_hole(len, left, false, out);
    }

    /// What was taken for frames is none, or not from here on: a head that may not be
    /// sent, or one whose payload says that it is none.
    pub(super) fn refuted(&mut self, shared: &mut Shared<'_>, out: &mut dyn Out) {
        self.flush(&GAP, shared, out);
        self.last = None;
        self.search = Some(Search::refuted());
        self.trial = None;
        self.maybe_open = true;
        if let Some(i) = &mut self.inflater {
            i.lose();
        }
    }

    /// How its frames must look.
    pub(super) fn style(&self, extensions: Extensions) -> Style {
        Style {
            masked: self.side == Side::Client,
            compression: match extensions {
                Extensions::Agreed { deflate: None, .. } => Compression::No,
                Extensions::Agreed { deflate: Some(d), .. } if !d.takeover(self.side) => {
                    Compression::Alone
                }
                _ => Compression::Maybe,
            },
            habits: self.habits,
        }
    }

    /// A hole that is not in one frame alone is told by itself; `left` bytes of it are the
    /// rest of a frame; `ping`: what was lost was one, by the pong that answers it.
    pub(super) fn tell_hole(&self, len: u64, left: u64, ping: bool, out: &mut dyn Out) {
        let now = out.now();
        let mut d = Draft::new(Level::Message, "websocket", "gap", now, now);
        d.sender = Some(self.side);
        d.length = len;
        d.complete = false;
        let was = if ping { ": a ping, by the pong that answers it" } else { "" };
        let whose = if len > 0 && left > 0 {
            format!(", the first {left} of them the rest of a frame")
        } else {
            " between frames".to_owned()
        };
        let f = Finding::new(&GAP).with(format!("{}{whose}{was}", missing(len)));
        d.findings.push(f);
        if out.wants(Level::Message) {
            let mut detail = Detail {
                summary: format!("{} were not captured{was}", missing(len)),
                ..Detail::default()
            };
            detail.tree.add(&GAP_LENGTH, None, Value::U64(len));
            d.detail = Some(Box::new(detail));
        }
        out.emit(d);
    }

    /// Looks for the next frame behind the first `took` bytes; gives where it is, what
    /// is before it is told, or why it does not go on.
    pub(super) fn search(
        &mut self,
        chunk: Chunk<'_>,
        mut took: usize,
        shared: &mut Shared<'_>,
        out: &mut dyn Out,
    ) -> Result<usize, Progress> {
        let Some(mut search) = self.search.take() else { return Ok(took) };
        let style = self.style(shared.extensions);
        let opening = search.is_opening();
        loop {
            let data = chunk.data.get(took..).unwrap_or_default();
            let at = chunk.offset.saturating_add(took as u64);
            let fronts = fronts(self.side, at, data.len(), out);
            match search.look(data, chunk.last, &fronts, &style) {
                Looked::Found(n) => {
                    self.tell_skipped(data.get(..n).unwrap_or_default(), at, out);
                    shared.session.begin(out.moment(self.side, at));
                    // Nothing but frames can be where the first of all is.
                    self.trial = (!opening || n > 0).then(Trial::default);
                    return Ok(took + n);
                }
                Looked::Skip(n) => {
                    self.tell_skipped(data.get(..n).unwrap_or_default(), at, out);
                    took += n;
                    if data.len() == n {
                        self.search = Some(search);
                        return Err(Progress::took(took));
                    }
                }
                Looked::Need(more) => {
                    self.search = Some(search);
                    return Err(Progress::need(took, more));
                }
            }
        }
    }

    /// Bytes that belong to no frame that is known.
    pub(super) fn tell_skipped(&self, data: &[u8], at: u64, out: &mut dyn Out) {
        if data.is_empty() {
            return;
        }
        let len = data.len() as u64;
        let end = at.saturating_add(len);
        let (first, ready) =
            (out.moment(self.side, at), out.ready(self.side, end.saturating_sub(1)));
        let mut d = Draft::new(Level::Frame, "websocket", "unknown", first, ready);
        d.sender = Some(self.side);
        d.length = len;
        d.complete = false;
        d.inferred = true;
        d.findings.push(Finding::new(&UNSYNCHRONISED).with(format!("{len} bytes")));
        if out.wants(Level::Frame) {
            let mut trace = Trace::new(true, "TCP stream");
            trace.add(out, self.side, at..end);
            let mut buffer = trace.take().unwrap_or_default();
            keep(&mut buffer.bytes, data, out.payload_cap());
            let span = Span::bytes(BufferId(0), 0, buffer.len);
            let payload = buffer.bytes.clone();
            let truncated = (payload.len() < data.len()).then_some(len);
            let mut detail = Detail {
                summary: format!("{len} bytes of no known frame"),
                payload: Payload::Bytes(payload),
                truncated,
                ..Detail::default()
            };
            detail.tree.add(&FIELD_UNSYNCHRONISED, Some(span), Value::None);
            detail.origins.add(buffer);
            d.detail = Some(Box::new(detail));
        }
        out.emit(d);
    }
}

/// Where the packets begin that brought some bytes, counted from the first of them.
fn fronts(side: Side, at: u64, len: usize, out: &dyn Out) -> Vec<usize> {
    let mut fronts = Vec::new();
    let mut behind = None;
    out.pieces(side, at..at.saturating_add(len as u64), &mut |p| {
        let PieceSource::Packet(range) = p.source else { return };
        if behind != Some(range.packet) {
            fronts.push(p.start as usize);
        }
        behind = Some(range.packet);
    });
    fronts
}
