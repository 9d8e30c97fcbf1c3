//! Whose an exchange is: its heads tell, or else its body.
//!
//! A protocol claims an exchange by a head that is plainly its own (a path, a content type).
//! Where the head with that is missing, who could know it all the same is shown what there is
//! (a glimpse), and heads are kept until somebody does. An answer whose request stands behind
//! a hole is kept until that has come, so that the request is told first.

use super::{Node, State};
use crate::base::Side;
use crate::base::limits::MAX_PROBE_BYTES;
use crate::engine::kept::KeptHead;
use crate::engine::opaque::OpaqueRun;
use crate::engine::shared::Shared;
use crate::proto::{Glimpse, Head, Input, Protocol, Verdict};

impl Node {
    /// A head or trailers for a stream that may be nobody's yet: whose it is now, or `true`
    /// where the head is kept until that is known.
    pub(super) fn kept(&mut self, input: &Input<'_>, shared: &mut Shared) -> bool {
        if let (State::Opaque, None, Input::Head(head)) = (&self.state, self.protocol, input) {
            // What came before was nobody's without it.
            let claims = |p: &&&Protocol| p.claims.is_some_and(|f| f(head));
            if shared.registry.iter().any(|p| claims(&p)) {
                OpaqueRun::flush(&mut self.opaque, shared);
                self.state = State::Unclaimed(Vec::new());
            }
        }
        if matches!(self.state, State::Unclaimed(_)) {
            match input {
                Input::Head(head) => return self.await_body(head, shared),
                Input::Trailers(head) => return self.ended_by(head, shared),
                _ => {}
            }
        }
        false
    }

    /// A head of an exchange that nobody has claimed: whose it is, or `true`
    /// where the body must tell, and the head is kept until then.
    fn await_body(&mut self, head: &Head<'_>, shared: &mut Shared) -> bool {
        let State::Unclaimed(kept) = &mut self.state else { return false };
        let first = kept.is_empty();
        // Its request stands behind missing bytes, and says whose it is.
        let early = first && head.side == Side::Server && shared.path.waits[Side::Client.index()];
        let answered = kept.iter().any(|k| k.side() == Side::Server);
        for p in shared.registry {
            let verdict = by_head(p, head, first);
            if matches!(verdict, Verdict::Yes { .. }) {
                if early {
                    kept.push(KeptHead::of(head));
                    return true;
                }
                if answered && head.side == Side::Client {
                    kept.insert(0, KeptHead::of(head));
                    self.claimed(p, shared);
                    return true;
                }
                self.claimed(p, shared);
                return false;
            }
            if matches!(verdict, Verdict::More | Verdict::Secrets) {
                let late = answered && head.side == Side::Client;
                kept.insert(if late { 0 } else { kept.len() }, KeptHead::of(head));
                return true;
            }
        }
        self.nobodys(shared);
        false
    }

    /// Whether an answer is kept whose request stands behind missing bytes.
    pub(super) fn is_answer(&self, shared: &Shared) -> bool {
        self.has_answer() && shared.path.waits[Side::Client.index()]
    }

    /// Whether an answer is kept, and no request before it.
    pub(super) fn has_answer(&self) -> bool {
        let State::Unclaimed(kept) = &self.state else { return false };
        kept.first().is_some_and(|k| k.side() == Side::Server)
    }

    /// Trailers come before anybody claimed the exchange: with them all is there, but for the
    /// request that stands behind missing bytes. Gives whether they are kept until it comes.
    fn ended_by(&mut self, trailers: &Head<'_>, shared: &mut Shared) -> bool {
        if trailers.side == Side::Server && self.is_answer(shared) {
            if let State::Unclaimed(kept) = &mut self.state {
                kept.push(KeptHead::behind_body(trailers));
            }
            return true;
        }
        let knows = |p: &&&Protocol| {
            let verdict = p.glimpse.map(|f| f(&Glimpse::Trailers(trailers)));
            matches!(verdict, Some(Verdict::Yes { .. }))
        };
        match shared.registry.iter().find(knows) {
            Some(p) => self.claimed(p, shared),
            None => self.glimpse(trailers.side, true, shared),
        }
        false
    }

    /// Asks who knows an exchange by the beginning of its body. With `last` it
    /// is decided now, if there is anything to decide by.
    pub(super) fn glimpse(&mut self, side: Side, last: bool, shared: &mut Shared) {
        let State::Unclaimed(kept) = &self.state else { return };
        let both = [side, side.peer()].map(|s| self.lanes[s.index()].held.as_slice());
        if kept.is_empty() && both.iter().all(|d| d.is_empty()) {
            return;
        }
        let answer = kept.first().is_some_and(|k| k.side() == Side::Server);
        // The client's bytes come behind its request: where they are, that is lost.
        if answer
            && !last
            && shared.path.waits[Side::Client.index()]
            && self.lanes[Side::Client.index()].held.is_empty()
            && self.lanes[Side::Server.index()].held.len() < MAX_PROBE_BYTES
        {
            return;
        }
        // A head that tells was kept only for the request before it; where the body must tell,
        // somebody wanted more.
        let tells = |k: &KeptHead| {
            let ask = |p: &&'static Protocol| (*p, k.with(|head| by_head(p, head, true)));
            let (p, verdict) = shared.registry.iter().map(ask).find(|(_, v)| *v != Verdict::No)?;
            matches!(verdict, Verdict::Yes { .. }).then_some(p)
        };
        if let Some(p) = kept.iter().filter(|k| !k.is_trailers()).find_map(tells) {
            return self.claimed(p, shared);
        }
        let begun = !kept.is_empty();
        let mut undecided = false;
        let known = both.into_iter().filter(|d| !d.is_empty()).find_map(|data| {
            let ask = |p: &&&Protocol| {
                let verdict = p.glimpse.map(|f| f(&Glimpse::Body { data, last, begun }));
                undecided |= verdict == Some(Verdict::More);
                matches!(verdict, Some(Verdict::Yes { .. }))
            };
            shared.registry.iter().find(ask)
        });
        if let Some(p) = known {
            return self.claimed(p, shared);
        }
        if undecided && !last {
            return;
        }
        let behind = kept.iter().find(|k| k.is_trailers());
        let by_trailers = |p: &&&Protocol| {
            let knows = |t: &Head<'_>| p.glimpse.map(|f| f(&Glimpse::Trailers(t)));
            behind.is_some_and(|k| matches!(k.with(knows), Some(Verdict::Yes { .. })))
        };
        match shared.registry.iter().find(by_trailers) {
            Some(p) => self.claimed(p, shared),
            None => self.nobodys(shared),
        }
    }

    /// An exchange has been claimed: what came of it before is fed.
    fn claimed(&mut self, protocol: &'static Protocol, shared: &mut Shared) {
        let before = std::mem::replace(&mut self.state, State::Opaque);
        self.run(protocol, shared);
        if let State::Unclaimed(kept) = before {
            let (trailers, heads): (Vec<_>, Vec<_>) =
                kept.into_iter().partition(KeptHead::is_trailers);
            for h in heads {
                h.with(|head| self.feed(Input::Head(*head), shared));
            }
            self.feed_held(shared);
            for h in trailers {
                h.with(|head| self.tell_between(head.side, Input::Trailers(*head), shared));
            }
            return;
        }
        self.feed_held(shared);
    }
}

/// What a protocol makes of a head, the first of the exchange or not.
fn by_head(p: &Protocol, head: &Head<'_>, first: bool) -> Verdict {
    if p.claims.is_some_and(|f| f(head)) {
        return Verdict::Yes { client: None };
    }
    p.glimpse.map_or(Verdict::No, |f| f(&Glimpse::Head(head, first)))
}
