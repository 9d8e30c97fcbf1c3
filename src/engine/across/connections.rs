//! How many WebSocket sessions one address opens to one server.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};

use super::{Across, Analysis, Seen};
use crate::base::limits::{
    CONNECTIONS_A_MINUTE, CONNECTIONS_AT_A_TIME, MAX_COUNTED_ADDRESSES, MAX_COUNTED_SESSIONS,
};
use crate::base::{Moment, Side};
use crate::facts::Facts;
use crate::finding::Finding;
use crate::proto::websocket::findings::{MANY_CONNECTIONS, UNCOUNTED_ADDRESSES};

const MINUTE: i64 = 60_000_000_000;

/// Counts sessions by address and server.
#[derive(Default)]
pub(super) struct Connections {
    by_ends: HashMap<(IpAddr, SocketAddr), Counted>,
    /// That there were too many to count has been said.
    full: bool,
}

/// The sessions of one address with one server.
#[derive(Default)]
struct Counted {
    /// Start and end, by start.
    sessions: Vec<(Moment, Moment)>,
    /// It has been said.
    told: bool,
    /// The last one, where there are so many that it may have to be said at the end.
    last: Option<Across>,
}

impl Counted {
    /// Counts a session; the run of them within a minute that is longer than the limit.
    fn add(&mut self, start: Moment, end: Moment) -> Option<(Moment, Moment)> {
        if self.sessions.len() >= MAX_COUNTED_SESSIONS {
            self.sessions.remove(0);
        }
        let at = self.sessions.partition_point(|(s, _)| s.time <= start.time);
        self.sessions.insert(at, (start, end));
        let from = at.saturating_sub(CONNECTIONS_A_MINUTE);
        (from..=at).find_map(|i| {
            let (first, _) = self.sessions.get(i)?;
            let (last, _) = self.sessions.get(i.saturating_add(CONNECTIONS_A_MINUTE))?;
            let span = last.time.0.saturating_sub(first.time.0);
            (span <= MINUTE).then_some((*first, *last))
        })
    }

    /// The most that were open at a time, and when.
    fn most_at_a_time(&self) -> (usize, Moment) {
        let mut ends: Vec<i64> = self.sessions.iter().map(|(_, e)| e.time.0).collect();
        ends.sort_unstable();
        let mut over = ends.iter().copied().peekable();
        let (mut open, mut most) = (0_usize, (0, Moment::default()));
        for (start, _) in &self.sessions {
            while over.next_if(|e| *e < start.time.0).is_some() {
                open = open.saturating_sub(1);
            }
            open += 1;
            if open > most.0 {
                most = (open, *start);
            }
        }
        most
    }
}

impl Analysis for Connections {
    fn exchange(&mut self, seen: &Seen<'_>, found: &mut Vec<Across>) {
        if !matches!(seen.facts, Facts::Session(_)) {
            return;
        }
        let [client, server] = seen.info.ends;
        let key = (client.ip(), server);
        let (start, end) = (seen.draft.start, seen.draft.end);
        if self.by_ends.len() >= MAX_COUNTED_ADDRESSES && !self.by_ends.contains_key(&key) {
            // Who has opened none for a minute begins anew.
            let old = end.time.0.saturating_sub(MINUTE);
            self.by_ends.retain(|_, c| c.sessions.last().is_some_and(|(s, _)| s.time.0 >= old));
            if self.by_ends.len() >= MAX_COUNTED_ADDRESSES {
                if !std::mem::replace(&mut self.full, true) {
                    let text = format!("{MAX_COUNTED_ADDRESSES} are counted");
                    found.push(seen.found(Finding::new(&UNCOUNTED_ADDRESSES).with(text)));
                }
                return;
            }
        }
        let c = self.by_ends.entry(key).or_default();
        let run = c.add(start, end);
        if c.told {
            return;
        }
        if let Some((first, last)) = run {
            c.told = true;
            c.last = None;
            let n = CONNECTIONS_A_MINUTE + 1;
            let text = format!("{n} of {} to {server} within a minute", client.ip());
            found.push(of(seen, text, [first, last]));
        } else if c.sessions.len() > CONNECTIONS_AT_A_TIME {
            c.last = Some(of(seen, String::new(), [start, end]));
        }
    }

    fn finish(&mut self, found: &mut Vec<Across>) {
        let mut late = Vec::new();
        for ((client, server), c) in &mut self.by_ends {
            let (most, at) = c.most_at_a_time();
            if let Some(mut across) = c.last.take().filter(|_| most > CONNECTIONS_AT_A_TIME) {
                let text = format!("{most} of {client} to {server} open at a time");
                across.finding.finding =
                    Finding::new(&MANY_CONNECTIONS).with(text).proved_by([at.packet]);
                across.finding.packets = vec![at.packet];
                late.push(across);
            }
        }
        // A map has no order.
        late.sort_by_key(|a| a.finding.event);
        found.append(&mut late);
    }
}

fn of(seen: &Seen<'_>, text: String, moments: [Moment; 2]) -> Across {
    let finding = Finding::new(&MANY_CONNECTIONS).with(text).proved_by(moments.map(|m| m.packet));
    let mut across = seen.found(finding);
    across.finding.sender = Some(Side::Client);
    across
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::base::{CaptureTime, ConversationId, EventId, PacketId};
    use crate::engine::{Birth, ConversationInfo};
    use crate::event::{Draft, Level};
    use crate::flow::Transport;

    fn at(s: i64) -> Moment {
        Moment { packet: PacketId(s.unsigned_abs()), time: CaptureTime(s * 1_000_000_000) }
    }

    #[test]
    fn more_addresses_than_are_counted_are_told_of_once() {
        let mut all = Connections::default();
        let mut found = Vec::new();
        let mut session = |address: u32, s: i64, found: &mut Vec<Across>| {
            let ends = [
                SocketAddr::from((Ipv4Addr::from(0x0a00_0000 + address), 40_000)),
                SocketAddr::from((Ipv4Addr::LOCALHOST, 80)),
            ];
            let birth = Birth { ends, a_is_client: true, known: true };
            let info = ConversationInfo::new(ConversationId(1), Transport::Tcp, 0, birth, at(s));
            let draft = Draft::new(Level::Exchange, "websocket", "session", at(s), at(s));
            let facts = Facts::Session(Box::default());
            let seen = Seen { event: EventId(7), info: &info, draft: &draft, facts: &facts };
            all.exchange(&seen, found);
        };
        let most = u32::try_from(MAX_COUNTED_ADDRESSES).unwrap();
        for n in 0..most {
            session(n, 1, &mut found);
        }
        assert!(found.is_empty());
        for n in 0..3 {
            session(most + n, 2, &mut found);
        }
        let codes: Vec<_> = found.iter().map(|f| f.finding.finding.spec.code).collect();
        assert_eq!(codes, ["websocket.uncounted-addresses"]);
        assert_eq!(found[0].finding.event, Some(EventId(7)));
        // A minute later all of them begin anew.
        for s in 0..=CONNECTIONS_A_MINUTE as i64 {
            session(most, 100 + s, &mut found);
        }
        assert_eq!(found.len(), 2);
        assert_eq!(found[1].finding.finding.spec.code, "websocket.many-connections");
    }

    #[test]
    fn a_run_within_a_minute_in_whatever_order_they_end() {
        let limit = CONNECTIONS_A_MINUTE as i64;
        let mut c = Counted::default();
        for n in (1..=limit).rev() {
            assert_eq!(c.add(at(n), at(1000)), None);
        }
        assert_eq!(c.add(at(0), at(1000)), Some((at(0), at(limit))));
        let mut slow = Counted::default();
        for n in 0..200 {
            assert_eq!(slow.add(at(n * 3), at(1000)), None, "{n}");
        }
        assert_eq!(slow.most_at_a_time(), (200, at(199 * 3)));
        let mut short = Counted::default();
        for n in 0..200 {
            short.add(at(n * 3), at(n * 3 + 2));
        }
        assert_eq!(short.most_at_a_time().0, 1);
    }
}
