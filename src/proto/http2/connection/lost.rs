//! What was not captured: the beginning, or bytes in the middle.

use super::{Connection, LARGEST_MAX_FRAME};
use crate::base::{Moment, Side};
use crate::finding::Finding;
use crate::proto::http2::chain::Hints;
use crate::proto::http2::codes::frame;
use crate::proto::http2::findings;
use crate::proto::http2::streams::Stream;
use crate::proto::http2::wire::{FrameHead, HEAD_LEN};
use crate::proto::{Input, Out};

impl Connection {
    /// The beginning was not captured: what the ends had agreed on is unknown,
    /// and any stream may have been open before.
    pub(in crate::proto::http2) fn join(&mut self, out: &mut dyn Out) {
        if std::mem::replace(&mut self.joined, true) {
            return;
        }
        for end in &mut self.ends {
            end.hpack.join();
            end.max_frame = LARGEST_MAX_FRAME;
        }
        out.finding(Finding::new(&findings::JOINED));
    }

    /// Who a side is, where that is not a mere guess: of a connection that was joined in the
    /// middle it may be taken for its peer.
    pub(super) fn whose(&self, side: Side, out: &dyn Out) -> Option<Side> {
        match self.sides {
            _ if !self.joined || !out.path().guessed => Some(side),
            Some(true) => Some(side),
            Some(false) => Some(side.peer()),
            None => None,
        }
    }

    /// Whether where frames of this side lie was found, and is not known for certain.
    pub(in crate::proto::http2) fn is_inferred(&self, side: Side) -> bool {
        self.joined || self.ends.get(side.index()).is_some_and(|e| e.found_again)
    }

    /// Whether a frame of this side may belong to what was not captured.
    pub(super) fn is_blind(&self, side: Side) -> bool {
        self.joined || self.ends.get(side.index()).is_some_and(|e| e.lost)
    }

    /// Whether frames may refer to what was not captured.
    pub(super) fn is_unsure(&self) -> bool {
        self.joined || self.ends.iter().any(|e| e.lost)
    }

    /// Bytes of `side` are missing, and frames may have been among them: they may have
    /// belonged to any stream, and have agreed to anything.
    pub(in crate::proto::http2) fn gap(&mut self, side: Side, offset: u64) {
        let end = self.end_of(side);
        end.lost = true;
        end.max_frame = LARGEST_MAX_FRAME;
        end.connect = true;
        self.end_of(side.peer()).hpack.allow(u32::MAX);
        self.untold.get_or_insert((side, offset));
    }

    /// Tells those that may have lost something in bytes that are missing, once it is known
    /// what comes next: more of the same end says that it had sent what is missing by `behind`
    /// at least.
    pub(in crate::proto::http2) fn tell_gap(&mut self, input: &Input<'_>, out: &mut dyn Out) {
        let Some((side, offset)) = self.untold else { return };
        let behind = match input {
            Input::Gap { side: more, .. } if *more == side => return,
            Input::Bytes(c) if c.side == side => Some(out.moment(side, c.offset)),
            _ => None,
        };
        self.untold = None;
        for id in self.streams.ids() {
            let lost = |s: &mut Stream| {
                let later = |b: Moment, m: Moment| (b.time, b.packet) > (m.time, m.packet);
                // Nobody answers what is still to be asked.
                let later = s.begun.zip(behind).is_some_and(|(begun, m)| later(begun, m));
                s.child && !s.half(side).ended && s.reset.is_none() && !later
            };
            if self.streams.get(id).is_some_and(lost) {
                // How many bytes of each is not known.
                self.tell(id, Input::Gap { side, offset, len: 0 }, out);
            }
        }
    }

    /// `len` bytes of a stream's data are missing; 0 where that is not known.
    pub(in crate::proto::http2) fn hole(
        &mut self,
        side: Side,
        id: u32,
        len: u64,
        out: &mut dyn Out,
    ) {
        if self.streams.get(id).is_some_and(|s| s.child && !s.half(side).ended) {
            let key = self.data_key(side, id, out);
            out.tell(key, Input::Gap { side, offset: 0, len });
        }
    }

    /// A frame was not captured to its end: a block in it is lost.
    pub(in crate::proto::http2) fn unread(&mut self, side: Side, head: &FrameHead) {
        let blocks = [frame::HEADERS, frame::PUSH_PROMISE, frame::CONTINUATION];
        let end = self.end_of(side);
        if blocks.contains(&head.kind) {
            end.block = None;
            end.hpack.lose();
        }
        if head.kind == frame::SETTINGS {
            end.max_frame = LARGEST_MAX_FRAME;
            end.connect = true;
            self.end_of(side.peer()).hpack.allow(u32::MAX);
        }
        // A window update or the like may have been in it.
        if head.kind != frame::DATA {
            self.end_of(side).lost = true;
        }
    }

    /// What is known where frames of `side` are looked for.
    pub(in crate::proto::http2) fn hints(&self, side: Side) -> Hints {
        let max_frame = self.ends.get(side.peer().index()).map_or(0, |e| e.max_frame);
        Hints { highest: self.streams.highest(), joined: self.joined, max_frame }
    }

    /// Frames of `side` have been found behind `unknown` bytes that are missing or were
    /// not understood.
    pub(in crate::proto::http2) fn found_again(&mut self, side: Side, unknown: u64) {
        let end = self.end_of(side);
        end.found_again = true;
        end.block = None;
        // The shortest frame that changes the table has one byte of payload.
        if unknown > HEAD_LEN as u64 {
            end.hpack.lose();
        }
    }
}
