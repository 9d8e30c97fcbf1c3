//! The two legs of a proxied WebSocket session.
//!
//! A capture on the host of a proxy, or one that was merged, has a session twice: from
//! the client to the proxy, and from there to the server. They have in common what a
//! proxy does not change: the messages, in their order on either side, and mostly the
//! handshake's key. A proxy of layer 7 may mask anew; one of layer 4 passes on the
//! same bytes, and may say by a PROXY header whose they are.
//!
//! Two sessions that merely say the same are told from two legs by time and by place:
//! each message is on the leg of its sender first, the legs lead to different servers,
//! and without a strong identity it takes three messages that differ from one another.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use super::{Across, Analysis, Seen};
use crate::base::limits::{LEG_WAIT_NS, MAX_LEG_DELAY_NS, MAX_LEGS, MAX_ORIGINS};
use crate::base::time::human;
use crate::base::{CaptureTime, ConversationId, EventId, Moment};
use crate::facts::{Digest, Facts, OriginFacts, SessionFacts};
use crate::finding::Finding;
use crate::proto::websocket::findings::PAIRED_LEG;

/// Messages that differ from one another and agree on both legs, by which two
/// sessions without a strong identity are known as one.
const ENOUGH: usize = 3;

/// A session that has ended.
struct Leg {
    event: EventId,
    start: Moment,
    end: Moment,
    /// What is found of it, but for the words.
    found: Across,
    /// What a PROXY header before it said.
    origin: Option<OriginFacts>,
    facts: Box<SessionFacts>,
}

impl Leg {
    /// Its messages of one side, oldest first.
    fn messages(&self, from_client: bool) -> impl Iterator<Item = &Digest> {
        self.facts.digests.iter().filter(move |d| d.from_client == from_client)
    }

    fn conversation(&self) -> ConversationId {
        self.found.info.id
    }

    fn client(&self) -> SocketAddr {
        self.found.info.ends[0]
    }

    fn server(&self) -> SocketAddr {
        self.found.info.ends[1]
    }
}

/// What two sessions have in common, as the leg to the proxy and the one from it.
struct Common {
    /// They are one by more than what was said.
    strong: bool,
    /// Messages that agree.
    messages: usize,
    /// The frames of the client were masked anew, or not; `None` where it sent none.
    masked_anew: Option<bool>,
    /// What the proxy added to a message, in nanoseconds: the sum of all.
    delay: u64,
    /// What speaks for it beside the messages.
    evidence: Vec<&'static str>,
}

impl Common {
    /// How good the pair is: greater is better. Of those alike the one whose messages
    /// were held back the least.
    fn rank(&self) -> (bool, usize, usize, u64) {
        let mean = self.delay / (self.messages as u64).max(1);
        (self.strong, self.evidence.len(), self.messages, u64::MAX - mean)
    }

    /// What `front`, the client's leg, and `back` have in common; `None` where they
    /// cannot be two legs.
    fn of(front: &Leg, back: &Leg) -> Option<Self> {
        if front.conversation() == back.conversation()
            || front.server() == back.server()
            || front.start.time > back.start.time
            || back.start.time > front.end.time
        {
            return None;
        }
        let (f, b) = (&front.facts, &back.facts);
        if f.key != 0 && b.key != 0 && f.key != b.key && f.uri.is_some() && same_head(front, back) {
            // As many bytes of the same request, and another key: another session.
            return None;
        }
        let mut evidence = Vec::new();
        let keys = f.key != 0 && f.key == b.key;
        if keys {
            evidence.push("the same Sec-WebSocket-Key");
        }
        let named = back.origin.is_some_and(|o| o.source == front.client());
        if back.origin.is_some() && !named {
            return None;
        }
        if named {
            evidence.push("the PROXY header names its client");
        }
        if f.forwarded_for != b.forwarded_for
            && b.forwarded_for.as_deref().is_some_and(|v| names(v, front.client().ip()))
        {
            evidence.push("X-Forwarded-For names its client");
        }
        let mut c =
            Self { strong: keys || named, messages: 0, masked_anew: None, delay: 0, evidence };
        let mut distinct: Vec<(u64, u64)> = Vec::new();
        for from_client in [true, false] {
            for (x, y) in front.messages(from_client).zip(back.messages(from_client)) {
                if (x.len, x.payload) != (y.len, y.payload) {
                    return None;
                }
                // On its sender's leg first.
                let (first, then) = if from_client { (x, y) } else { (y, x) };
                if then.at.packet < first.at.packet {
                    return None;
                }
                let held = then.at.time.since(first.at.time);
                if held > MAX_LEG_DELAY_NS {
                    return None;
                }
                c.delay = c.delay.saturating_add(held);
                c.messages += 1;
                if from_client {
                    *c.masked_anew.get_or_insert(false) |= x.wire != y.wire;
                }
                if !distinct.contains(&(x.len, x.payload)) {
                    distinct.push((x.len, x.payload));
                }
            }
        }
        (c.strong || distinct.len() >= ENOUGH).then_some(c)
    }

    /// Which layer the proxy works on.
    fn layer(&self, front: &Leg, back: &Leg) -> &'static str {
        let unseen = front.facts.uri.is_none() || back.facts.uri.is_none();
        match self.masked_anew {
            Some(true) => "layer 7 (re-masked)",
            Some(false) if unseen || same_head(front, back) => "layer 4 (the same bytes)",
            Some(false) => "layer 7 for the handshake, then the same bytes",
            None if unseen => "layer unknown (the client sent no message)",
            None if same_head(front, back) => "layer 4 (the same bytes)",
            None => "layer 7 (another handshake)",
        }
    }
}

/// The handshakes are of the same length and of the same request.
fn same_head(front: &Leg, back: &Leg) -> bool {
    let (f, b) = (&front.facts, &back.facts);
    f.handshake_bytes == b.handshake_bytes && f.uri == b.uri && f.host == b.host && f.key == b.key
}

/// Whether a value of `X-Forwarded-For` or `Forwarded` has this address in it.
fn names(value: &str, ip: IpAddr) -> bool {
    value.split([',', ';']).any(|part| {
        let part = part.trim();
        let part = match part.split_once('=') {
            Some((name, v)) if name.eq_ignore_ascii_case("for") => v,
            _ => part,
        };
        let part = part.trim_matches('"');
        part.parse() == Ok(ip)
            || part.parse::<SocketAddr>().is_ok_and(|s| s.ip() == ip)
            || part.trim_matches(['[', ']']).parse() == Ok(ip)
    })
}

/// The analysis.
#[derive(Default)]
pub(super) struct Legs {
    /// Sessions that have no other leg yet, in the order in which they ended.
    waiting: VecDeque<Leg>,
    /// So many of them have been tried without a strong identity.
    tried: usize,
    origins: VecDeque<(ConversationId, OriginFacts)>,
}

impl Analysis for Legs {
    fn exchange(&mut self, seen: &Seen<'_>, found: &mut Vec<Across>) {
        self.settle(Some(seen.draft.end.time), found);
        match seen.facts {
            Facts::Origin(o) => {
                if self.origins.len() >= MAX_ORIGINS {
                    self.origins.pop_front();
                }
                self.origins.push_back((seen.info.id, **o));
            }
            Facts::Session(s) => self.session(seen, s, found),
            _ => {}
        }
    }

    fn finish(&mut self, found: &mut Vec<Across>) {
        self.settle(None, found);
    }
}

impl Legs {
    fn session(&mut self, seen: &Seen<'_>, facts: &SessionFacts, found: &mut Vec<Across>) {
        let leg = Leg {
            event: seen.event,
            start: seen.draft.start,
            end: seen.draft.end,
            found: seen.found(Finding::new(&PAIRED_LEG)),
            origin: self.origins.iter().rfind(|(id, _)| *id == seen.info.id).map(|(_, o)| *o),
            facts: Box::new(facts.clone()),
        };
        // Some of them will never have another.
        if self.waiting.len() >= MAX_LEGS {
            self.remove(0);
        }
        self.waiting.push_back(leg);
        // By a strong identity there is none better to wait for.
        self.pair(self.waiting.len() - 1, true, found);
    }

    /// Pairs those that have waited long enough by `now`; all of them at the end. Each
    /// is tried once: whoever comes later tries for itself.
    fn settle(&mut self, now: Option<CaptureTime>, found: &mut Vec<Across>) {
        while let Some(leg) = self.waiting.get(self.tried) {
            if now.is_some_and(|now| now.since(leg.end.time) <= LEG_WAIT_NS) {
                // They stand in the order of their ends.
                return;
            }
            if !self.pair(self.tried, false, found) {
                self.tried += 1;
            }
        }
    }

    fn remove(&mut self, at: usize) -> Option<Leg> {
        let leg = self.waiting.remove(at)?;
        self.tried -= usize::from(at < self.tried);
        Some(leg)
    }

    /// Pairs one with the best of the others, if that is strong enough.
    fn pair(&mut self, at: usize, strong: bool, found: &mut Vec<Across>) -> bool {
        let Some(one) = self.waiting.get(at) else { return false };
        let best = self
            .waiting
            .iter()
            .enumerate()
            .filter(|(i, _)| *i != at)
            .filter_map(|(i, other)| {
                let there = Common::of(one, other).map(|c| (c, i, true));
                there.or_else(|| Common::of(other, one).map(|c| (c, i, false)))
            })
            .filter(|(c, ..)| c.strong || !strong)
            .max_by_key(|(c, ..)| c.rank());
        let Some((common, other, one_is_front)) = best else { return false };
        let (later, earlier) = (at.max(other), at.min(other));
        let (Some(b), Some(a)) = (self.remove(later), self.remove(earlier)) else {
            return false;
        };
        let (one, other) = if at == later { (b, a) } else { (a, b) };
        let (front, back) = if one_is_front { (one, other) } else { (other, one) };
        tell(&common, front, back, found);
        true
    }
}

/// A finding of each.
fn tell(c: &Common, mut front: Leg, mut back: Leg, found: &mut Vec<Across>) {
    let mut rest = c.layer(&front, &back).to_owned();
    if c.messages > 0 {
        let word = if c.messages == 1 { "message" } else { "messages" };
        let mean = human(c.delay / c.messages as u64);
        rest.push_str(&format!("; adds {mean} ({} {word} compared)", c.messages));
    }
    for e in &c.evidence {
        rest.push_str("; ");
        rest.push_str(e);
    }
    let words = |which: &str, other: &Leg| {
        let stream = other.found.finding.stream.map_or(String::new(), |s| format!(" stream {s}"));
        let (conversation, event) = (other.conversation(), other.event);
        let words =
            format!("the leg {which} is conversation {conversation}{stream}, event {event}");
        Some(format!("{words}; {rest}").into())
    };
    let details = [words("to the server", &back), words("from the client", &front)];
    for (leg, detail) in [&mut front, &mut back].into_iter().zip(details) {
        leg.found.finding.finding.detail = detail;
    }
    found.extend([front.found, back.found]);
}

#[cfg(test)]
mod tests;
