//! The world as a call sees it: offsets are those of frames, not of the body.

use std::ops::Range;

use crate::base::{BufferId, Moment, Piece, PieceSource, Side};
use crate::event::{Detail, Draft};
use crate::field::{Tree, Value};
use crate::proto::grpc::fields;
use crate::proto::grpc::web::Form;
use crate::proto::grpc::web::text::{self, BYTES, GROUP, Stretch};
use crate::proto::{Out, forward_out};

/// Groups of base64 of one run of bytes whose places are told apart. What lies behind
/// them is told as a whole: a piece a group is ten times the bytes of the group.
const EXACT_GROUPS: u64 = 4096;

/// See the module.
pub(super) struct WebOut<'a> {
    pub(super) inner: &'a mut dyn Out,
    /// How the call's content comes, where a head has said so.
    pub(super) form: Form,
    /// Of the side whose bytes are being fed, if its form is text: where they lie.
    pub(super) text: Option<(Side, &'a [Stretch])>,
    /// The prefix of a frame of trailers, for their event.
    pub(super) prefix: Option<Tree>,
    /// The frame of trailers is cut off.
    pub(super) cut: bool,
}

impl WebOut<'_> {
    fn stretches(&self, side: Side) -> Option<&[Stretch]> {
        self.text.filter(|(s, _)| *s == side).map(|(_, t)| t)
    }

    /// Adds what is said of the form.
    fn mark(&mut self, detail: &mut Detail, kind: &str) {
        let form = match self.form {
            Form::Binary => "gRPC-Web",
            Form::Text => "gRPC-Web text",
        };
        match kind {
            "call" | "request" => detail.summary.push_str(&format!(", {form}")),
            "message" => {
                detail.tree.add(&fields::FRAME_TYPE, None, Value::U64(0));
            }
            "trailers" => {
                if let Some(prefix) = self.prefix.take() {
                    let flags = prefix.number(fields::WEB_FLAGS.name).unwrap_or(0);
                    detail.tree.append(prefix, BufferId(0));
                    detail.tree.add(&fields::COMPRESSED_FLAG, None, Value::U64(flags & 1));
                }
            }
            _ => {}
        }
        detail.tree.add(&fields::WEB, None, Value::Text(self.form.name().into()));
    }
}

impl Out for WebOut<'_> {
    forward_out!();

    fn moment(&self, side: Side, offset: u64) -> Moment {
        match self.stretches(side) {
            Some(t) => self.inner.moment(side, text::group_of(t, offset).chars),
            None => self.inner.moment(side, offset),
        }
    }

    fn ready(&self, side: Side, offset: u64) -> Moment {
        match self.stretches(side) {
            Some(t) => {
                let group = text::group_of(t, offset).chars;
                self.inner.ready(side, group.saturating_add(GROUP as u64 - 1))
            }
            None => self.inner.ready(side, offset),
        }
    }

    fn pieces(&self, side: Side, range: Range<u64>, each: &mut dyn FnMut(Piece)) {
        let Some(t) = self.stretches(side) else {
            return self.inner.pieces(side, range, each);
        };
        let mut at = range.start;
        let mut groups = 0_u64;
        while at < range.end {
            let group = text::group_of(t, at);
            groups += 1;
            // A padded group ends where the next stretch begins.
            let next = t.get(t.partition_point(|s| s.bytes <= at)).map_or(u64::MAX, |s| s.bytes);
            let (end, chars_end) = if groups <= EXACT_GROUPS {
                let end = group.bytes.saturating_add(BYTES as u64).min(next).min(range.end);
                (end, group.chars.saturating_add(GROUP as u64))
            } else {
                let end = next.min(range.end);
                let last = text::group_of(t, end.saturating_sub(1)).chars;
                (end, last.saturating_add(GROUP as u64))
            };
            let len = u32::try_from(end.saturating_sub(at)).unwrap_or(u32::MAX);
            let start = u32::try_from(at.saturating_sub(range.start)).unwrap_or(u32::MAX);
            let mut first = true;
            self.inner.pieces(side, group.chars..chars_end, &mut |p| {
                // The first piece stands for the bytes, others for their packets.
                let len = if std::mem::take(&mut first) { len } else { 0 };
                if matches!(p.source, PieceSource::Packet(_)) {
                    each(Piece { start, len, source: p.source, exact: false });
                }
            });
            at = end.max(at.saturating_add(1));
        }
    }

    fn emit(&mut self, mut draft: Draft) {
        if self.cut && draft.kind == "trailers" {
            draft.complete = false;
        }
        if let Some(mut detail) = draft.detail.take() {
            self.mark(&mut detail, draft.kind);
            draft.detail = Some(detail);
        }
        self.inner.emit(draft);
    }
}
