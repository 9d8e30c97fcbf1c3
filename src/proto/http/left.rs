//! Who broke off an exchange that is not whole, how, and when.

use crate::base::time::human;
use crate::base::{Moment, Side};
use crate::finding::Finding;
use crate::proto::http::findings as g;
use crate::proto::http::machine::Http;
use crate::proto::http::message::{Ended, Message};
use crate::proto::{Abort, Out, error_name};

/// NO_ERROR and CANCEL (RFC 9113 §7): what an end says that wants no more of a stream in
/// which it finds nothing wrong.
const LEAVES: [u32; 2] = [0, 8];

/// An abort.
#[derive(Clone, Copy, Debug)]
pub(super) struct Aborted {
    by: Side,
    code: u32,
    how: Abort,
    at: Moment,
}

/// A client that did not wait for all of its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Left {
    /// The packet with which it left.
    pub(super) at: Moment,
    /// The abort; `None` for a FIN.
    by_abort: Option<Aborted>,
}

impl Aborted {
    /// The one that is being told of.
    pub(super) fn of(by: Side, code: u32, out: &dyn Out) -> Self {
        Self { by, code, how: out.abort(), at: out.aborted_at() }
    }

    /// `RST_STREAM CANCEL by the client`
    pub(super) fn told(&self) -> String {
        let name = |code: u32| error_name(code).map_or_else(|| format!("{code}"), str::to_owned);
        let by = self.by;
        match self.how {
            Abort::Connection => format!("RST by the {by}"),
            Abort::Stream => format!("RST_STREAM {} by the {by}", name(self.code)),
            Abort::Goaway { last, error } => {
                format!("GOAWAY {} up to stream {last} by the {by}", name(error))
            }
        }
    }

    /// What is found of it, where it is not that the client left.
    pub(super) fn finding(&self, answer: &Message) -> Finding {
        let spec = if self.is_early_answer(answer) { &g::ANSWERED_EARLY } else { &g::RESET };
        Finding::new(spec).with(self.told())
    }

    /// Whether its sender had the whole answer out, and asked for no more of the request
    /// (RFC 9113 §8.1).
    pub(super) fn is_early_answer(&self, answer: &Message) -> bool {
        self.by == Side::Server && self.how == Abort::Stream && self.code == 0 && answer.is_whole()
    }
}

impl Http {
    /// How the client left, where that is what ended the answer, or why there is none. A
    /// client that has said all it has to say, and closes its direction alone, is there still:
    /// it takes what comes. Behind bytes that are missing nobody knows.
    pub(super) fn left(&self, out: &dyn Out) -> Option<Left> {
        let (q, a) = (&self.request, &self.response);
        let path = out.path();
        let unknown = path.gaps != [0; 2] || Side::BOTH.into_iter().any(|s| path.lacks(s));
        if !q.seen || q.inferred || q.gap || a.gap || a.streams || unknown || path.guessed {
            return None;
        }
        if a.ended == Some(Ended::Whole) && a.seen {
            return None;
        }
        let when = |m: Moment| (m.time, m.packet);
        let by_abort = self.aborted.filter(|x| x.by == Side::Client);
        let by_abort = by_abort.filter(|x| match x.how {
            Abort::Connection => true,
            Abort::Stream => LEAVES.contains(&x.code),
            Abort::Goaway { .. } => false,
        });
        // Where nobody looks on, the answer may come of a server that has not closed, if it was
        // asked for one.
        let [_, server] = path.fins;
        let asked = q.is_whole();
        let over = !self.unseen || !asked || server.is_some() || by_abort.is_some();
        let first = path.closed_first(Side::Client).filter(|_| over);
        // What comes behind its FIN it takes, unless it aborts the connection for it.
        let gone = by_abort.is_some_and(|x| x.how == Abort::Connection);
        let fin = first.filter(|c| gone || !a.seen || when(a.last) < when(*c));
        match (fin, by_abort) {
            (Some(at), Some(x)) if when(x.at) < when(at) => {
                Some(Left { at: x.at, by_abort: Some(x) })
            }
            (Some(at), _) => Some(Left { at, by_abort: None }),
            (None, x) => x.map(|x| Left { at: x.at, by_abort: Some(x) }),
        }
    }

    /// What is found of the exchange where the client left.
    pub(super) fn left_finding(&self, left: &Left) -> Finding {
        let (q, a) = (&self.request, &self.response);
        let what = left.by_abort.map_or("FIN by the client".to_owned(), |x| x.told());
        let whole = q.is_whole();
        let since = left.at.time.since(if whole { q.last } else { q.start }.time);
        let mut text = match whole {
            true => format!("{what} {} after its request", human(since)),
            false => {
                format!("{what} {} after its request began, in the middle of it", human(since))
            }
        };
        text.push_str(match a.seen {
            true => ", in the middle of the answer",
            false => ", before any answer",
        });
        let mut proof = vec![if whole { q.last } else { q.start }.packet];
        proof.extend(a.seen.then_some(a.last.packet));
        proof.push(left.at.packet);
        proof.dedup();
        Finding::new(&g::CLIENT_LEFT).with(text).proved_by(proof)
    }
}
