//! Masking keys that a client uses again on another connection (RFC 6455 §10.3): its
//! source of random numbers begins anew each time, or its key is fixed.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;

use super::{Across, Analysis, Seen};
use crate::base::limits::{MAX_COUNTED_ADDRESSES, MAX_MASKED_SESSIONS};
use crate::base::{ConversationId, PacketId, Side};
use crate::facts::{Facts, SessionFacts};
use crate::finding::Finding;
use crate::proto::websocket::findings::REPEATED_MASKING_KEY;

/// The last sessions of each address.
#[derive(Default)]
pub(super) struct Keys {
    by_client: HashMap<IpAddr, Client>,
}

/// One address.
#[derive(Default)]
struct Client {
    sessions: VecDeque<Masked>,
    /// It has been said.
    told: bool,
}

/// What is kept of a session.
struct Masked {
    conversation: ConversationId,
    /// In nanoseconds.
    span: [i64; 2],
    /// The keys of its first frames.
    masks: Vec<(u32, PacketId)>,
    /// Of `Sec-WebSocket-Key`.
    key: u64,
    /// Hashes of the client's first messages as sent.
    wires: Vec<u64>,
}

impl Masked {
    fn new(seen: &Seen<'_>, facts: &SessionFacts) -> Self {
        let client = facts.digests.iter().filter(|d| d.from_client);
        Self {
            conversation: seen.info.id,
            span: [seen.draft.start, seen.draft.end].map(|m| m.time.0),
            masks: facts.masks.clone(),
            key: facts.key,
            wires: client.map(|d| d.wire).take(facts.masks.len()).collect(),
        }
    }

    /// Whether the two may be the legs of one session on either side of a proxy that
    /// passes frames on as they are: as on one computer, where all have one address.
    fn may_be_legs(&self, other: &Self) -> bool {
        let ([a, b], [c, d]) = (self.span, other.span);
        let same = self.key == other.key || self.key == 0 || other.key == 0;
        a <= d && c <= b && (same || self.wires.iter().any(|w| other.wires.contains(w)))
    }

    /// The first key that both have at the same place: any with any would be the same
    /// by chance where there are many of them.
    fn shared(&self, other: &Self) -> Option<[PacketId; 2]> {
        let mut both = self.masks.iter().zip(&other.masks);
        both.find(|(a, b)| a.0 == b.0 && a.0 != 0).map(|(a, b)| [a.1, b.1])
    }
}

impl Analysis for Keys {
    fn exchange(&mut self, seen: &Seen<'_>, found: &mut Vec<Across>) {
        let Facts::Session(facts) = seen.facts else { return };
        if facts.masks.is_empty() {
            return;
        }
        let address = seen.info.ends[0].ip();
        if self.by_client.len() >= MAX_COUNTED_ADDRESSES && !self.by_client.contains_key(&address) {
            // All but those of whom something was said begin anew.
            self.by_client.retain(|_, c| c.told);
            if self.by_client.len() >= MAX_COUNTED_ADDRESSES {
                return;
            }
        }
        let client = self.by_client.entry(address).or_default();
        if client.told {
            return;
        }
        let now = Masked::new(seen, facts);
        let earlier = client.sessions.iter().filter(|s| !s.may_be_legs(&now));
        if let Some((other, packets)) =
            earlier.filter_map(|s| s.shared(&now).map(|p| (s.conversation, p))).next()
        {
            client.told = true;
            client.sessions = VecDeque::new();
            let text = format!("as on another connection of {address}, conversation {other}");
            let finding = Finding::new(&REPEATED_MASKING_KEY).with(text).proved_by(packets);
            let mut across = seen.found(finding);
            across.finding.sender = Some(Side::Client);
            found.push(across);
            return;
        }
        if client.sessions.len() >= MAX_MASKED_SESSIONS {
            client.sessions.pop_front();
        }
        client.sessions.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CaptureTime, EventId, Moment};
    use crate::engine::{Birth, ConversationInfo};
    use crate::event::{Draft, Level};
    use crate::facts::Digest;
    use crate::flow::Transport;

    /// Sessions of one address, each with its masks, its key, its time and the hash of
    /// its first message: the texts of what is found.
    fn run(sessions: &[(&[u32], u64, [i64; 2], u64)]) -> Vec<String> {
        let mut keys = Keys::default();
        let mut found = Vec::new();
        for (n, (masks, key, span, wire)) in sessions.iter().enumerate() {
            let n = u32::try_from(n).unwrap() + 1;
            let at = |ms: i64| Moment {
                packet: PacketId(u64::from(n)),
                time: CaptureTime(ms * 1_000_000),
            };
            let digest = Digest { from_client: true, wire: *wire, ..Digest::default() };
            let facts = Facts::Session(Box::new(SessionFacts {
                masks: masks.iter().map(|m| (*m, PacketId(u64::from(n)))).collect(),
                key: *key,
                digests: vec![digest],
                ..SessionFacts::default()
            }));
            let ends = ["192.0.2.7:5000", "10.0.0.1:80"].map(|e| e.parse().unwrap());
            let birth = Birth { ends, a_is_client: true, known: true };
            let info =
                ConversationInfo::new(ConversationId(n), Transport::Tcp, n, birth, at(span[0]));
            let draft =
                Draft::new(Level::Exchange, "websocket", "session", at(span[0]), at(span[1]));
            let seen = Seen { event: EventId(7), info: &info, draft: &draft, facts: &facts };
            keys.exchange(&seen, &mut found);
        }
        found
            .iter()
            .map(|f| {
                let f = &f.finding.finding;
                format!(
                    "{} {:?}",
                    f.detail.as_deref().unwrap(),
                    f.proof.iter().map(|p| p.0).collect::<Vec<_>>()
                )
            })
            .collect()
    }

    #[test]
    fn the_same_key_on_another_connection_is_found_once() {
        let again = "as on another connection of 192.0.2.7, conversation 1 [1, 2]";
        assert_eq!(run(&[(&[5, 6], 1, [0, 10], 1), (&[5, 9], 2, [20, 30], 2)]), [again]);
        let three = [(&[5][..], 1, [0, 10], 1), (&[5], 2, [20, 30], 2), (&[5], 3, [40, 50], 3)];
        assert_eq!(run(&three), [again]);
        // Side by side, and not the same.
        assert_eq!(run(&[(&[5], 1, [0, 10], 1), (&[5], 2, [5, 9], 2)]), [again]);
        let none: [&str; 0] = [];
        assert_eq!(run(&[(&[5, 6], 1, [0, 10], 1), (&[7, 8], 2, [20, 30], 2)]), none);
        assert_eq!(run(&[(&[0], 1, [0, 10], 1), (&[0], 2, [20, 30], 2)]), none, "zero is another");
        // The two legs of a session that a proxy passes on as it is.
        assert_eq!(run(&[(&[5], 1, [0, 10], 1), (&[5], 1, [1, 9], 1)]), none);
        assert_eq!(run(&[(&[5], 1, [0, 10], 1), (&[5], 2, [1, 9], 1)]), none);
        assert_eq!(run(&[(&[5], 1, [0, 10], 1), (&[5], 0, [1, 9], 2)]), none);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let many: Vec<u32> = (1..=MAX_MASKED_SESSIONS as u32 + 2).collect();
        let mut all: Vec<(&[u32], u64, [i64; 2], u64)> =
            many.iter().map(|m| (std::slice::from_ref(m), u64::from(*m), [0, 1], 1)).collect();
        // The first is forgotten, the last is not.
        all.push((&many[..1], 900, [2, 3], 2));
        assert_eq!(run(&all).len(), 0);
        all.push((&many[40..41], 901, [4, 5], 3));
        assert_eq!(run(&all).len(), 1);
    }
}
