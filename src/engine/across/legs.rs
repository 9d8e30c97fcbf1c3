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
//! and without a strong identity the one must begin where the other ends (the proxy's
//! address, or `X-Forwarded-For` names the client) and it takes three messages that
//! differ from one another. Two clients of two servers that get the same quotes have all
//! but the place. On the loopback every place is the same: there both ends must have spoken.
//!
//! Behind a proxy there may be another one: a leg is then the second of one pair and the
//! first of another.

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

/// Messages that one leg may lack at one place, where some of its bytes were not captured.
const LACKING: usize = 16;

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
    /// The leg that it was paired with nearer to the client, and nearer to the server.
    front: Option<EventId>,
    back: Option<EventId>,
}

impl Leg {
    /// Its messages of one side, oldest first.
    fn messages(&self, from_client: bool) -> Vec<&Digest> {
        self.facts.digests.iter().filter(|d| d.from_client == from_client).collect()
    }

    /// Whether messages of this side may be missing.
    fn may_lack(&self, from_client: bool) -> bool {
        let [client, server] = self.facts.holes;
        self.facts.uri.is_none() || if from_client { client } else { server }
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
    /// The one ends at the address where the other begins.
    adjacent: bool,
    /// Messages that agree.
    messages: usize,
    /// Messages that one leg lacks.
    lacking: usize,
    /// What is different in them, and who sent any.
    distinct: Vec<(u64, u64)>,
    spoke: [bool; 2],
    /// The frames of the client were masked anew, or not; `None` where it sent none.
    masked_anew: Option<bool>,
    /// What the proxy added to a message, in nanoseconds: the sum of all.
    delay: u64,
    /// Nanoseconds from the beginning of the one to that of the other.
    apart: u64,
    /// What speaks for it beside the messages.
    evidence: Vec<&'static str>,
}

impl Common {
    /// How good the pair is: greater is better. Of those alike the one whose messages
    /// were held back the least: between them there is no other proxy.
    fn rank(&self) -> (bool, bool, usize, usize, u64, u64) {
        let mean = self.delay / (self.messages as u64).max(1);
        let (strong, evidence) = (self.strong, self.evidence.len());
        (strong, self.adjacent, evidence, self.messages, u64::MAX - mean, u64::MAX - self.apart)
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
        let source = back.origin.map(|o| o.source);
        let named = source == Some(front.client());
        // A chain of proxies hands on whose the connection is.
        let handed_on = front.origin.is_some() && front.origin.map(|o| o.source) == source;
        // With the same key the client's address was another one where the header was written.
        if source.is_some() && !named && !handed_on && !keys {
            return None;
        }
        if named {
            evidence.push("the PROXY header names its client");
        } else if handed_on {
            evidence.push("the PROXY headers of both name the same client");
        }
        let forwarded = f.forwarded_for != b.forwarded_for
            && b.forwarded_for.as_deref().is_some_and(|v| names(v, front.client().ip()));
        if forwarded {
            evidence.push("X-Forwarded-For names its client");
        }
        let proxy = front.server().ip().to_canonical();
        let adjacent = proxy == back.client().ip().to_canonical();
        let strong = keys || named || handed_on;
        if !strong && !adjacent && !forwarded {
            return None;
        }
        let mut c = Self {
            strong,
            adjacent,
            messages: 0,
            lacking: 0,
            distinct: Vec::new(),
            spoke: [false; 2],
            masked_anew: None,
            delay: 0,
            apart: back.start.time.since(front.start.time),
            evidence,
        };
        for from_client in [true, false] {
            // On its sender's leg first.
            let (first, then) = if from_client { (front, back) } else { (back, front) };
            c.compare(first, then, from_client)?;
        }
        let enough = c.distinct.len() >= ENOUGH && c.lacking <= c.messages;
        let placed = forwarded || !proxy.is_loopback() || c.spoke == [true; 2];
        (strong || enough && placed).then_some(c)
    }

    /// Compares the messages of one side, which went over the leg `first` and `then`;
    /// `None` where they are not the same.
    fn compare(&mut self, first: &Leg, then: &Leg, from_client: bool) -> Option<()> {
        let (xs, ys) = (first.messages(from_client), then.messages(from_client));
        let (x_lacks, y_lacks) = (first.may_lack(from_client), then.may_lack(from_client));
        let (mut i, mut j) = (0, 0);
        while let (Some(x), Some(y)) = (xs.get(i), ys.get(j)) {
            if !is_same(x, y) {
                // Of what one leg lacks, as little as will do.
                let (a, b) = (1..=LACKING)
                    .flat_map(|n| (0..=n).map(move |a| (a, n - a)))
                    .filter(|(a, b)| (*a == 0 || y_lacks) && (*b == 0 || x_lacks))
                    .find(|(a, b)| match (xs.get(i + a), ys.get(j + b)) {
                        (Some(x), Some(y)) => is_same(x, y),
                        _ => false,
                    })?;
                self.lacking += a + b;
                i += a;
                j += b;
                continue;
            }
            self.delay = self.delay.saturating_add(y.at.time.since(x.at.time));
            self.messages += 1;
            self.spoke[usize::from(!from_client)] = true;
            if from_client {
                *self.masked_anew.get_or_insert(false) |= x.wire != y.wire;
            }
            if !self.distinct.contains(&(x.len, x.payload)) {
                self.distinct.push((x.len, x.payload));
            }
            i += 1;
            j += 1;
        }
        Some(())
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

/// Whether `y` may be the message `x`, passed on by a proxy.
fn is_same(x: &Digest, y: &Digest) -> bool {
    (x.len, x.payload) == (y.len, y.payload)
        && y.at.packet >= x.at.packet
        && y.at.time.since(x.at.time) <= MAX_LEG_DELAY_NS
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
    /// Sessions that may have another leg, in the order in which they ended.
    waiting: VecDeque<Leg>,
    /// So many of them have been tried.
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
            front: None,
            back: None,
        };
        // Some of them will never have another.
        if self.waiting.len() >= MAX_LEGS {
            if self.tried == 0 {
                self.pair(0, found);
            }
            self.waiting.pop_front();
            self.tried = self.tried.saturating_sub(1);
        }
        // However sure a pair would be, there may be a proxy between the two, whose leg
        // has not ended yet.
        self.waiting.push_back(leg);
    }

    /// Pairs those that have waited long enough by `now`; all of them at the end. Each
    /// is tried once: whoever comes later tries for itself.
    fn settle(&mut self, now: Option<CaptureTime>, found: &mut Vec<Across>) {
        while let Some(leg) = self.waiting.get(self.tried) {
            if now.is_some_and(|now| now.since(leg.end.time) <= LEG_WAIT_NS) {
                // They stand in the order of their ends.
                return;
            }
            self.pair(self.tried, found);
            self.tried += 1;
        }
    }

    /// Pairs one with the best of the others on either side of it, if that is good enough.
    fn pair(&mut self, at: usize, found: &mut Vec<Across>) {
        while let Some((common, front, back)) = self.best(at) {
            let (Some(f), Some(b)) = (self.waiting.get(front), self.waiting.get(back)) else {
                return;
            };
            tell(&common, f, b, found);
            let (f, b) = (f.event, b.event);
            for (i, leg) in self.waiting.iter_mut().enumerate() {
                if i == front {
                    leg.back = Some(b);
                } else if i == back {
                    leg.front = Some(f);
                }
            }
        }
    }

    /// The best pair that it is in and was not in before: the places of both legs.
    fn best(&self, at: usize) -> Option<(Common, usize, usize)> {
        let one = self.waiting.get(at)?;
        let legs = |front: &Leg, back: &Leg| {
            let free = front.back.is_none() && back.front.is_none();
            // Not the same pair the other way round.
            let other = front.front != Some(back.event);
            if free && other { Common::of(front, back) } else { None }
        };
        let others = self.waiting.iter().enumerate().filter(|(i, _)| *i != at);
        others
            .filter_map(|(i, other)| {
                let there = legs(one, other).map(|c| (c, at, i));
                there.or_else(|| legs(other, one).map(|c| (c, i, at)))
            })
            .max_by_key(|(c, ..)| c.rank())
    }
}

/// A finding of each.
fn tell(c: &Common, front: &Leg, back: &Leg, found: &mut Vec<Across>) {
    let mut rest = c.layer(front, back).to_owned();
    if c.messages > 0 {
        let word = if c.messages == 1 { "message" } else { "messages" };
        let mean = human(c.delay / c.messages as u64);
        rest.push_str(&format!("; adds {mean} ({} {word} compared", c.messages));
        if c.lacking > 0 {
            rest.push_str(&format!(", {} captured on one leg only", c.lacking));
        }
        rest.push(')');
    }
    for e in &c.evidence {
        rest.push_str("; ");
        rest.push_str(e);
    }
    for (leg, which, other) in [(front, "to the server", back), (back, "from the client", front)] {
        let stream = other.found.finding.stream.map_or(String::new(), |s| format!(" stream {s}"));
        let (conversation, event) = (other.conversation(), other.event);
        let words =
            format!("the leg {which} is conversation {conversation}{stream}, event {event}");
        let mut across = leg.found.clone();
        across.finding.finding.detail = Some(format!("{words}; {rest}").into());
        found.push(across);
    }
}

#[cfg(test)]
mod tests;
