//! What is said of a frame by its header and by the state of its stream (RFC 9113 §4, §5.1).

use super::account::Leave;
use super::{Connection, LARGEST_MAX_FRAME, find};
use crate::base::{Moment, Side};
use crate::finding::Finding;
use crate::proto::Out;
use crate::proto::http2::codes::{frame, settings};
use crate::proto::http2::findings;
use crate::proto::http2::streams::{Past, initiator};
use crate::proto::http2::wire::{ACK, FrameHead};

/// Streams that are used before they are opened, and are remembered for that.
const MAX_EARLY: usize = 64;

impl Connection {
    /// What can be said of a frame by its header alone.
    pub(super) fn check(
        &mut self,
        side: Side,
        head: &FrameHead,
        now: Moment,
        findings: &mut Vec<Finding>,
        out: &dyn Out,
    ) {
        let max = self.end_of(side.peer()).max_frame;
        if head.length > max {
            let detail = format!("{} bytes where {max} are allowed", head.length);
            let finding = Finding::new(&findings::FRAME_TOO_LARGE).with(detail);
            let leave =
                Leave { by: side.peer(), setting: settings::MAX_FRAME_SIZE, value: head.length };
            self.unless_allowed(leave, finding, now, findings, out);
        }
        self.account.count(side, head, now, findings);
        let joined = self.joined;
        let end = self.end_of(side);
        let silent = joined || end.seen || end.lost;
        if !silent && (head.kind != frame::SETTINGS || head.has(ACK)) {
            if out.path().joined {
                // The capture has the preface of one end, and not the first bytes of the other.
                end.lost = true;
                end.hpack.lose();
                end.max_frame = LARGEST_MAX_FRAME;
                self.end_of(side.peer()).hpack.allow(u32::MAX);
            } else {
                find(findings, &findings::FIRST_NOT_SETTINGS, String::new());
            }
        }
        let end = self.end_of(side);
        end.seen = true;
        let interrupts = match &end.block {
            Some(b) => head.kind != frame::CONTINUATION || head.stream != b.stream,
            None => false,
        };
        if interrupts {
            find(findings, &findings::BLOCK_INTERRUPTED, String::new());
        }
        match head.kind {
            frame::DATA
            | frame::HEADERS
            | frame::PRIORITY
            | frame::RST_STREAM
            | frame::PUSH_PROMISE
            | frame::CONTINUATION
                if head.stream == 0 =>
            {
                find(findings, &findings::STREAM_ZERO, String::new());
            }
            frame::SETTINGS
            | frame::PING
            | frame::GOAWAY
            | frame::ORIGIN
            | frame::PRIORITY_UPDATE
                if head.stream != 0 =>
            {
                find(findings, &findings::STREAM_NOT_ZERO, format!("stream {}", head.stream));
            }
            frame::DATA | frame::RST_STREAM | frame::WINDOW_UPDATE if head.stream != 0 => {
                self.check_open(side, head, now, findings);
            }
            _ => {}
        }
    }

    /// What an end has not allowed by its settings: certain where these have been seen. Else
    /// they are late or missing: they may still allow it, where the capture has both in the wrong
    /// order (see `Account::allowed`), and it is decided at the end.
    pub(super) fn unless_allowed(
        &mut self,
        leave: Leave,
        finding: Finding,
        at: Moment,
        findings: &mut Vec<Finding>,
        out: &dyn Out,
    ) {
        if self.end_of(leave.by).seen && !out.path().lacks(leave.by) {
            findings.push(finding);
        } else if !self.is_unsure() {
            self.account.doubt(finding, at, Some(leave));
        }
    }

    /// A frame that needs a stream which is open in its direction (§5.1).
    pub(super) fn check_open(
        &mut self,
        side: Side,
        head: &FrameHead,
        now: Moment,
        findings: &mut Vec<Finding>,
    ) {
        let unsure = self.is_unsure();
        let open = self.streams.get(head.stream).map(|s| s.half(side).ended);
        let past = match open {
            Some(false) => return,
            Some(true) => Past::Closed { by_sender: true },
            None => self.streams.past(head.stream, side),
        };
        // Window updates and resets may still cross an end of stream.
        let strict = head.kind == frame::DATA;
        match past {
            Past::Idle if initiator(head.stream) != side => {
                self.before_it_is_open(head.stream, now);
            }
            Past::Idle if !unsure && self.ends.iter().all(|e| e.seen) => {
                find(findings, &findings::STREAM_IDLE, format!("stream {}", head.stream));
            }
            Past::Closed { by_sender: true } if strict => {
                find(findings, &findings::STREAM_CLOSED, format!("stream {}", head.stream));
            }
            _ => {}
        }
    }

    /// A frame on a stream that its initiator, the sender's peer, has not opened yet.
    pub(super) fn before_it_is_open(&mut self, id: u32, now: Moment) {
        let is_told = self.early.iter().any(|(known, _)| *known == id);
        if !self.is_unsure() && !is_told && self.early.len() < MAX_EARLY {
            self.early.push((id, now));
        }
    }

    /// Whether they had been opened: no more frames come.
    pub(super) fn judge_early(&mut self, out: &mut dyn Out) {
        let early = std::mem::take(&mut self.early);
        if self.is_unsure() || self.ends.iter().any(|e| !e.seen) {
            return;
        }
        for (id, at) in early {
            if self.may_be_upgraded(id, out) {
                continue;
            }
            out.finding_at(Finding::new(&findings::STREAM_IDLE).with(format!("stream {id}")), at);
        }
        for (finding, at) in self.account.settle(out.now()) {
            out.finding_at(finding, at);
        }
    }

    pub(super) fn check_push(&mut self, side: Side, promised: u32, findings: &mut Vec<Finding>) {
        if side == Side::Client {
            find(findings, &findings::PUSH_BY_CLIENT, String::new());
        } else if !self.end_of(Side::Client).push {
            find(findings, &findings::PUSH_DISABLED, String::new());
        }
        if promised == 0 || initiator(promised) != Side::Server {
            find(findings, &findings::STREAM_PARITY, format!("stream {promised} is promised"));
        } else if self.streams.get(promised).is_some()
            || self.streams.past(promised, side) != Past::Idle
        {
            find(findings, &findings::STREAM_DECREASING, format!("stream {promised} is promised"));
        }
    }
}
