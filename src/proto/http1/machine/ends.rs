//! How messages and directions end, well or not.

use crate::base::Side;
use crate::base::limits::MAX_HTTP1_REQUESTS;
use crate::finding::{Finding, FindingSpec};
use crate::proto::http1::findings as g;
use crate::proto::http1::machine::{Http1, State, Step};
use crate::proto::http1::message::Scan;
use crate::proto::{EndCause, Input, Out, Want};

impl Http1 {
    /// The message in progress is complete.
    pub(super) fn finish(&mut self, side: Side, out: &mut dyn Out) {
        let tunnel = self.tunnel;
        let half = self.half(side);
        let key = half.key;
        half.state = State::Head;
        half.scan = Scan::START;
        self.done(key, side, EndCause::Finished, out);
        if side == Side::Client {
            let held = self.offer.as_ref().is_some_and(|(k, _)| *k == key);
            let half = self.half(side);
            if let Some(t) = tunnel {
                half.state = State::Tunnel;
                half.key = t;
                half.passed = 0;
            } else if held {
                half.state = State::Held;
            }
            // Nobody is left to answer.
            let [_, server] = &self.halves;
            let gone = match (server.ended, server.state) {
                (Some(cause), _) => Some(cause),
                (None, State::Off) => Some(EndCause::CaptureEnded),
                _ => None,
            };
            if let Some(cause) = gone {
                self.unanswered(key, cause, out);
            }
        }
    }

    /// The message in progress, if there is one, ends before its end.
    pub(super) fn cut(&mut self, side: Side, cause: EndCause, out: &mut dyn Out) {
        let key = self.half(side).key;
        self.done(key, side, cause, out);
    }

    /// Tells an exchange that one side's message has ended, unless it knows, and
    /// closes it when both have.
    pub(super) fn done(&mut self, key: u64, side: Side, cause: EndCause, out: &mut dyn Out) {
        let Some(at) = self.open.iter().position(|o| o.key == key) else { return };
        let Some(o) = self.open.get_mut(at) else { return };
        let [client, server] = &mut o.done;
        let (mine, peers) = match side {
            Side::Client => (client, server),
            Side::Server => (server, client),
        };
        if *mine {
            return;
        }
        *mine = true;
        out.tell(key, Input::End { side, cause });
        if *peers {
            // Told last: the first thing that a child hears is a head.
            if o.orphan {
                out.tell(key, Input::End { side: Side::Client, cause: EndCause::CaptureEnded });
            }
            out.close(key);
            self.open.remove(at);
        }
    }

    /// This direction cannot be followed any further.
    pub(super) fn fail(
        &mut self,
        side: Side,
        spec: &'static FindingSpec,
        detail: Option<String>,
        out: &mut dyn Out,
    ) -> Step {
        let mut finding = Finding::new(spec);
        finding.detail =
            Some(detail.map_or_else(|| side.name().into(), |d| format!("{side}: {d}").into()));
        out.finding(finding);
        if self.state(side) != State::Head {
            self.cut(side, EndCause::CaptureEnded, out);
        }
        self.half(side).state = State::Off;
        if side == Side::Server {
            self.server_is_off(EndCause::CaptureEnded, out);
        }
        Step::Stop(0, Want::Nothing)
    }

    /// No more responses: whoever waits for one is told.
    pub(super) fn server_is_off(&mut self, cause: EndCause, out: &mut dyn Out) {
        let waiting: Vec<u64> = self.open.iter().filter(|o| !o.done[1]).map(|o| o.key).collect();
        for key in waiting {
            self.unanswered(key, cause, out);
        }
    }

    /// No answer to this one will come, or none was captured.
    fn unanswered(&mut self, key: u64, cause: EndCause, out: &mut dyn Out) {
        let [_, server] = &self.halves;
        if server.gone {
            self.answer_missed(key, cause, out);
        } else {
            self.done(key, Side::Server, cause, out);
        }
    }

    pub(super) fn give_up_oldest(&mut self, out: &mut dyn Out) {
        out.finding(Finding::new(&g::TOO_MANY).with(format!("limit {MAX_HTTP1_REQUESTS}")));
        if let Some(key) = self.open.front().map(|o| o.key) {
            self.done(key, Side::Client, EndCause::CaptureEnded, out);
            self.done(key, Side::Server, EndCause::CaptureEnded, out);
        }
    }

    pub(super) fn end(&mut self, side: Side, cause: EndCause, out: &mut dyn Out) {
        let half = self.half(side);
        if half.ended.is_some() {
            return;
        }
        if let Some(len) = half.hole.take() {
            self.answer_lost(len, out);
        }
        let half = self.half(side);
        half.ended = Some(cause);
        let (state, key, passed) = (half.state, half.key, half.passed);
        half.state = State::Off;
        match state {
            State::Close => self.done(key, side, cause, out),
            State::Body(_)
            | State::ChunkLine
            | State::ChunkData(_)
            | State::ChunkEnd
            | State::Trailers => {
                let withheld = side == Side::Client
                    && passed == 0
                    && self.exchange(key).is_some_and(|o| o.expects && o.answered);
                if withheld {
                    out.finding(Finding::new(&g::BODY_WITHHELD));
                    self.done(key, side, EndCause::Finished, out);
                } else {
                    if cause == EndCause::Finished {
                        let left = match state {
                            State::Body(n) => format!("{side}: {n} bytes are missing"),
                            _ => format!("{side}: the last chunk is missing"),
                        };
                        out.finding(Finding::new(&g::BODY_CUT).with(left));
                    }
                    // `Finished` would say that the message is whole.
                    let cause = if cause == EndCause::Finished { EndCause::Cut } else { cause };
                    self.cut(side, cause, out);
                }
            }
            State::LostChunk => {
                self.tell_lost(side, out);
                let cause = if cause == EndCause::Finished { EndCause::Cut } else { cause };
                self.cut(side, cause, out);
            }
            State::Head | State::Held | State::Tunnel | State::Lost | State::Off => {}
        }
        if let Some(t) = self.tunnel {
            out.tell(t, Input::End { side, cause });
            if self.halves.iter().all(|h| h.ended.is_some()) {
                out.close(t);
                self.tunnel = None;
            }
        }
        if side == Side::Server {
            self.server_is_off(cause, out);
        }
    }

    pub(super) fn reset(&mut self, side: Side, code: u32, out: &mut dyn Out) {
        if let Some(key) = self.tunnel.take() {
            out.tell(key, Input::Reset { side, code });
            out.close(key);
        }
        for o in std::mem::take(&mut self.open) {
            out.tell(o.key, Input::Reset { side, code });
            out.close(o.key);
        }
        for h in &mut self.halves {
            h.state = State::Off;
            h.ended = Some(EndCause::Finished);
        }
    }
}
