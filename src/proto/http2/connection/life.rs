//! How streams open and end, and with them their children (RFC 9113 §5.1, §6.4, §6.8).

use super::Connection;
use crate::base::{Moment, PacketId, Side};
use crate::finding::Finding;
use crate::proto::http2::findings;
use crate::proto::http2::streams::{Stream, initiator};
use crate::proto::{Abort, Carries, Child, EndCause, Input, Out};

/// Aborts that wait for what the peer sent before them.
const MAX_LATE: usize = 64;

impl Connection {
    /// RST_STREAM (§6.4), which came at `at`: both directions are over.
    pub(super) fn reset_stream(
        &mut self,
        side: Side,
        id: u32,
        code: u32,
        at: Moment,
        out: &mut dyn Out,
    ) {
        let joined = self.joined;
        let behind = out.path().lacks(side.peer());
        let Some(s) = self.streams.get(id) else { return };
        let peer = *s.half(side.peer());
        // What the peer sent before this waits behind missing bytes, and comes first.
        if behind && !peer.ended && s.reset.is_none() && s.pending.is_none() {
            if self.late.len() < MAX_LATE {
                s.pending = Some((side, code, at));
                self.late.push((id, side, out.now().packet));
                return;
            }
        } else if s.pending.is_some_and(|(by, ..)| by == side)
            && self.late.iter().any(|(late, ..)| *late == id)
        {
            return;
        }
        if !joined && initiator(id) != side && !peer.head && s.pending.is_none() {
            s.pending = Some((side, code, at));
            return;
        }
        // Ended or aborted by this side before: nothing new.
        if s.reset == Some(side) {
            return;
        }
        let (child, again) = (s.child, s.reset.is_some());
        if child && !again {
            let late = at.packet != out.now().packet;
            out.set_aborted_at(late.then_some(at));
            // What is read only now, with the end of the connection, came before that.
            let abort = out.abort();
            if abort == Abort::Connection {
                out.set_abort(Abort::Stream);
            }
            self.tell(id, Input::Reset { side, code }, out);
            out.set_abort(abort);
            out.set_aborted_at(None);
        }
        // What the peer sent before it knew is on its way; a capture may have it later
        // than that, behind bytes that are missing.
        if child && !again && !peer.ended {
            self.linger(id, side, out);
            return;
        }
        if child {
            self.close_child(id, out);
        }
        self.streams.close(id, Some(side));
        self.account.forget(id);
    }

    /// A frame of `side` was captured at `packet`: the aborts before it that waited for such.
    pub(super) fn settle_late(&mut self, side: Side, packet: PacketId, out: &mut dyn Out) {
        while let Some(i) =
            self.late.iter().position(|(_, by, at)| *by == side.peer() && *at < packet)
        {
            let (id, by, _) = self.late.swap_remove(i);
            let pending = self.streams.get(id).and_then(|s| s.pending.take());
            if let Some((_, code, at)) = pending {
                self.reset_stream(by, id, code, at, out);
            }
        }
    }

    /// The stream is over by `side`, and stays open for a while to what the peer sent.
    pub(super) fn linger(&mut self, id: u32, side: Side, out: &mut dyn Out) {
        if let Some(old) = self.streams.linger(id, side) {
            self.close_child(old, out);
            self.streams.close(old, None);
            self.account.forget(old);
        }
    }

    /// The aborts that wait for the end that opened the stream.
    pub(super) fn settle_resets(&mut self, out: &mut dyn Out) {
        let late = std::mem::take(&mut self.late);
        // They came before what ends the connection now.
        let abort = out.abort();
        out.set_abort(Abort::Stream);
        for id in self.streams.ids() {
            let pending = self.streams.get(id).and_then(|s| s.pending);
            if let Some((side, code, at)) = pending {
                // What the peer had sent by then never came.
                if late.iter().any(|(waits, ..)| *waits == id) {
                    self.hole(side.peer(), id, 0, out);
                }
                self.reset_stream(side, id, code, at, out);
            }
        }
        out.set_abort(abort);
    }

    /// GOAWAY (§6.8): the sender will not act on streams of its peer beyond `last`.
    pub(super) fn goaway(&mut self, side: Side, last: u32, error: u32, out: &mut dyn Out) {
        let Some(who) = self.speaker(side, last, error, out) else { return };
        // REFUSED_STREAM is what such a stream comes to where nothing is wrong.
        let code = if error == 0 { 7 } else { error };
        out.set_abort(Abort::Goaway { last, error });
        for id in self.streams.ids() {
            let acted = self.streams.get(id).map(|s| *s.half(side));
            let acted = acted.is_some_and(|h| h.head || h.data);
            if id > last && initiator(id) == who.peer() && !(self.joined && acted) {
                self.reset_stream(side, id, code, out.now(), out);
            }
        }
        out.set_abort(Abort::Stream);
    }

    /// How the end of a stream came about that was opened when its peer had said, or was
    /// saying, that it would not act on it.
    pub(super) fn refused(&self, id: u32, out: &dyn Out) -> Option<Abort> {
        Side::BOTH.into_iter().zip(&self.ends).find_map(|(side, end)| {
            let (last, error) = end.goaway.filter(|(last, _)| id > *last)?;
            let who = self.speaker(side, last, error, out)?;
            (initiator(id) == who.peer()).then_some(Abort::Goaway { last, error })
        })
    }

    /// Who says GOAWAY, where that can be taken for certain: a client says 0 of what a server
    /// never opened, and who is the client may be a guess.
    fn speaker(&self, side: Side, last: u32, error: u32, out: &dyn Out) -> Option<Side> {
        let guess = (last, error) != (0, 0);
        self.whose(side, out).or(guess.then_some(side))
    }

    /// The stream is open, or is opened now; `false` where nobody is told of it.
    pub(super) fn ensure(&mut self, id: u32, out: &mut dyn Out) -> bool {
        if let Some(s) = self.streams.get(id) {
            return s.child;
        }
        if self.streams.is_full() {
            if !self.too_many_told {
                out.finding(Finding::new(&findings::TOO_MANY_STREAMS));
            }
            self.too_many_told = true;
            self.streams.use_id(id);
            return false;
        }
        let key = u64::from(id);
        let child = out.open(Child { key, stream: Some(key), carries: Carries::Exchange });
        self.streams.open(id, child);
        child
    }

    /// END_STREAM.
    pub(in crate::proto::http2) fn end_stream(&mut self, side: Side, id: u32, out: &mut dyn Out) {
        let Some(stream) = self.streams.get(id) else { return };
        let child = stream.child;
        let half = stream.half(side);
        if half.ended {
            return;
        }
        half.ended = true;
        // The client of an exchange whose request was not captured may have ended
        // it before, too. A section says that this is the server; its data would not.
        let alone = self.joined
            && side == Side::Server
            && stream.half(side).head
            && !stream.half(Side::Client).ended
            && !stream.half(Side::Client).head
            && !stream.half(Side::Client).data;
        let over = stream.is_over() || alone;
        if child {
            self.tell(id, Input::End { side, cause: EndCause::Finished }, out);
            if alone {
                self.tell(id, Input::End { side: side.peer(), cause: EndCause::Finished }, out);
                // Unless the request is late: nobody knows where TCP's first bytes belong.
                if !self.is_tunnel(id) {
                    self.linger(id, side, out);
                    return;
                }
            }
            if over {
                self.close_child(id, out);
            }
        }
        if over {
            self.streams.close(id, None);
            self.account.forget(id);
        } else if let Some((by, code, at)) = self.streams.get(id).and_then(|s| s.pending)
            && by != side
        {
            self.reset_stream(by, id, code, at, out);
        }
    }

    /// The connection was aborted, and with it both directions of each stream.
    pub(in crate::proto::http2) fn reset(&mut self, side: Side, code: u32, out: &mut dyn Out) {
        self.settle_resets(out);
        out.set_abort(Abort::Connection);
        for id in self.streams.ids() {
            let open = |s: &mut Stream| s.child && !s.is_over() && s.reset.is_none();
            if self.streams.get(id).is_some_and(open) {
                self.tell(id, Input::Reset { side, code }, out);
            }
        }
        out.set_abort(Abort::Stream);
    }

    /// Whether a stream may have begun with a request of HTTP/1.1 that was not captured (RFC 7540
    /// §3.2): the preface comes behind that, and the answer may be there alone.
    pub(super) fn may_be_upgraded(&self, id: u32, out: &dyn Out) -> bool {
        id == 1 && out.path().joined
    }

    /// One direction of the connection ended.
    pub(in crate::proto::http2) fn end(&mut self, side: Side, cause: EndCause, out: &mut dyn Out) {
        if self.end_of(side).block.take().is_some() {
            let detail = "a header block without its last frame";
            out.finding(Finding::new(&findings::TRUNCATED).with(detail));
        }
        // Either end may have ended them, or aborted them, with what is missing.
        let lost = Side::BOTH.into_iter().any(|s| self.end_of(s).lost || out.path().lacks(s));
        if cause == EndCause::Finished && !lost {
            let mut open = 0;
            for id in self.streams.ids() {
                let joined = self.joined || self.may_be_upgraded(id, out);
                // Without its head it may have ended before the capture began.
                let is_open = |s: &mut Stream| {
                    let half = *s.half(side);
                    let aborted = s.reset.is_some() || s.pending.is_some();
                    !half.ended && (half.head || !joined) && !aborted
                };
                open += usize::from(self.streams.get(id).is_some_and(is_open));
            }
            if open > 0 {
                let mut detail = format!("{open} from the {side}");
                // It may be that nobody was there to take them.
                if out.path().closed_first(side.peer()).is_some() {
                    detail.push_str(&format!("; the {} closed first", side.peer()));
                }
                out.finding(Finding::new(&findings::STREAM_UNFINISHED).with(detail));
            }
        }
        if self.ends.iter().any(|e| e.over) {
            self.settle_resets(out);
        }
        self.end_of(side).over = true;
        // The connection ended before its streams did.
        let cause = if cause == EndCause::Finished { EndCause::Cut } else { cause };
        out.set_abort(Abort::Connection);
        self.each_child(side, out, Input::End { side, cause });
        out.set_abort(Abort::Stream);
    }

    /// Tells every child whose direction has not ended.
    pub(super) fn each_child(&mut self, side: Side, out: &mut dyn Out, input: Input<'_>) {
        for id in self.streams.ids() {
            if self
                .streams
                .get(id)
                .is_some_and(|s| s.child && !s.half(side).ended && s.reset.is_none())
            {
                self.tell(id, input, out);
            }
        }
    }

    /// Both directions of the connection are over.
    pub(in crate::proto::http2) fn close_all(&mut self, out: &mut dyn Out) {
        self.judge_early(out);
        for id in self.streams.ids() {
            if self.streams.get(id).is_some_and(|s| s.child) {
                self.close_child(id, out);
            }
            self.streams.close(id, None);
        }
    }
}
