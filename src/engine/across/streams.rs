//! Streams of server-sent events: those that resume others, and too many at once.

use std::collections::VecDeque;
use std::net::IpAddr;

use hashbrown::HashMap;

use super::{Across, Analysis, Seen};
use crate::base::limits::{MAX_COMPARED_STREAMS, MAX_RESUMABLE_STREAMS, MAX_STREAM_ORIGINS};
use crate::base::time::human;
use crate::base::{CaptureTime, ConversationId, EventId, Side};
use crate::facts::{Facts, StreamFacts, id_hash};
use crate::finding::Finding;
use crate::proto::sse::findings as g;

/// Connections that a browser opens to one origin over HTTP/1.1 (WHATWG HTML §9.2.7
/// warns of it; all major ones have six).
const AT_ONCE: usize = 6;

/// Nanoseconds after which a client that comes back without an id has begun anew, rather
/// than lost its place: the longest reconnection times that are in use are a minute.
const COMES_BACK_NS: u64 = 60_000_000_000;

/// A stream that may be resumed.
struct Earlier {
    client: IpAddr,
    host: Box<str>,
    target: Box<str>,
    last_id: Box<str>,
    /// See [`StreamFacts::recent_ids`].
    recent: Vec<u64>,
    /// Its ids were numbers that count its events.
    counts: bool,
    start: CaptureTime,
    end: CaptureTime,
    conversation: ConversationId,
    event: EventId,
    /// Another one stands in its place.
    resumed: bool,
}

/// See the module.
#[derive(Default)]
pub(super) struct Streams {
    earlier: VecDeque<Earlier>,
    open: HashMap<(IpAddr, Box<str>), Spans>,
}

/// When the streams of one client to one origin were open.
#[derive(Default)]
struct Spans {
    spans: VecDeque<(CaptureTime, CaptureTime)>,
    /// The most that were open at once, and the finding of it.
    most: usize,
    found: Option<Across>,
}

impl Analysis for Streams {
    fn exchange(&mut self, seen: &Seen<'_>, found: &mut Vec<Across>) {
        let Facts::Stream(facts) = seen.facts else { return };
        // Without its request nothing is known of what it resumes, or where it went.
        if facts.target.is_empty() {
            return;
        }
        let client = seen.info.ends[Side::Client.index()].ip();
        self.resumes(seen, facts, client, found);
        self.at_once(seen, facts, client);
    }

    fn finish(&mut self, found: &mut Vec<Across>) {
        let mut all: Vec<Across> = self.open.drain().filter_map(|(_, s)| s.found).collect();
        // A map has no order.
        all.sort_by_key(|a| a.finding.event);
        found.extend(all);
    }
}

impl Streams {
    fn resumes(
        &mut self,
        seen: &Seen<'_>,
        facts: &StreamFacts,
        client: IpAddr,
        found: &mut Vec<Across>,
    ) {
        let start = seen.draft.start.time;
        let path = |t: &str| t.split('?').next().unwrap_or_default().to_owned();
        // The latest first: that one is resumed which the client lost last.
        let mut before =
            self.earlier.iter_mut().rev().filter(|e| e.host == facts.host && e.start < start);
        match &facts.resumed_from {
            Some(id) if !id.is_empty() => {
                // A target may carry a token that is renewed; its path does not change.
                // Many streams may send the same ids: that one is resumed which ended with
                // it, then the same client's, then one that nobody has resumed yet.
                let hash = id_hash(id);
                let fits = before.filter(|e| {
                    path(&e.target) == path(&facts.target)
                        && (e.last_id == *id || e.recent.contains(&hash))
                });
                let rank = |e: &Earlier| (e.last_id == *id, e.client == client, !e.resumed);
                // Of equals the first, which is the latest.
                let best = fits.reduce(|a, b| if rank(b) > rank(a) { b } else { a });
                if let Some(e) = best {
                    e.resumed = true;
                    let when = match start.since(e.end) {
                        _ if e.end > start => "before it ended".to_owned(),
                        since => format!("{} after it ended", human(since)),
                    };
                    let detail = format!(
                        "#{}, event {}, {when}, from id {}{}{}",
                        e.conversation.0,
                        e.event.0,
                        short(id),
                        follows(id, facts.first_id.as_deref()),
                        again(e, hash, facts.first_id.as_deref()),
                    );
                    found.push(seen.found(Finding::new(&g::RESUMED).with(detail)));
                    if let (Some(a), Some(b)) =
                        (number(id), facts.first_id.as_deref().and_then(number))
                        && e.counts
                        && b != a.saturating_add(1)
                    {
                        let detail = format!("id {b} follows id {a}");
                        found.push(seen.found(Finding::new(&g::RESUME_GAP).with(detail)));
                    }
                }
            }
            // Only what a browser's `EventSource` can have lost: it asks by GET.
            _ if !matches!(&*facts.method, "GET" | "") => {}
            _ => {
                let e = before.find(|e| {
                    !e.resumed
                        && e.client == client
                        && e.target == facts.target
                        && e.end <= start
                        && start.since(e.end) <= COMES_BACK_NS
                });
                if let Some(e) = e {
                    e.resumed = true;
                    let detail = format!(
                        "#{}, event {}, ended {} before; its last id was {}",
                        e.conversation.0,
                        e.event.0,
                        human(start.since(e.end)),
                        short(&e.last_id),
                    );
                    found.push(seen.found(Finding::new(&g::NO_LAST_EVENT_ID).with(detail)));
                }
            }
        }
        let Some(last_id) = facts.last_id.clone().filter(|id| !id.is_empty()) else { return };
        let first = facts.first_id.as_deref().and_then(number);
        let counts = matches!((first, number(&last_id)), (Some(a), Some(b))
            if facts.events > 1 && b.checked_sub(a) == Some(facts.events - 1));
        if self.earlier.len() >= MAX_RESUMABLE_STREAMS {
            self.earlier.pop_front();
        }
        self.earlier.push_back(Earlier {
            client,
            host: facts.host.clone(),
            target: facts.target.clone(),
            last_id,
            recent: facts.recent_ids.clone(),
            counts,
            start,
            end: seen.draft.end.time,
            conversation: seen.info.id,
            event: seen.event,
            resumed: false,
        });
    }

    fn at_once(&mut self, seen: &Seen<'_>, facts: &StreamFacts, client: IpAddr) {
        if facts.version >= 20 {
            return;
        }
        let key = (client, facts.host.clone());
        if self.open.len() >= MAX_STREAM_ORIGINS && !self.open.contains_key(&key) {
            return;
        }
        let of = self.open.entry(key).or_default();
        if of.spans.len() >= MAX_COMPARED_STREAMS {
            of.spans.pop_front();
        }
        // One that was open at the capture's end ends behind all of it, however long ago
        // it spoke.
        let end = if facts.open { CaptureTime(i64::MAX) } else { seen.draft.end.time };
        of.spans.push_back((seen.draft.start.time, end));
        // Whatever number is open at once is open at the start of one of them.
        let open = |at: CaptureTime| of.spans.iter().filter(|(a, b)| *a <= at && at < *b).count();
        let most = of.spans.iter().map(|(a, _)| open(*a)).max().unwrap_or(0);
        if most > AT_ONCE && most > of.most {
            of.most = most;
            let detail = format!("{most} from {client} to {}", short(&facts.host));
            of.found = Some(seen.found(Finding::new(&g::TOO_MANY).with(detail)));
        }
    }
}

/// Events that are sent a second time: from the first id of the later stream to the last
/// of the earlier one.
fn again(e: &Earlier, from: u64, first: Option<&str>) -> String {
    let place = |hash: u64| e.recent.iter().rposition(|h| *h == hash);
    let (Some(at), Some(first)) = (place(from), first.map(id_hash)) else {
        return String::new();
    };
    let Some(n) = place(first).filter(|f| *f > at).and_then(|f| e.recent.len().checked_sub(f))
    else {
        return String::new();
    };
    format!("; {n} event{} sent again", if n == 1 { " is" } else { "s are" })
}

/// What the first id of the later stream says.
fn follows(last: &str, first: Option<&str>) -> String {
    match first {
        None => ", and gives no ids".into(),
        Some(f) if number(last).is_some_and(|n| Some(n.saturating_add(1)) == number(f)) => {
            format!(", and goes on with {}", short(f))
        }
        Some(f) => format!(", and begins with id {}", short(f)),
    }
}

fn number(id: &str) -> Option<u64> {
    let digits = !id.is_empty() && id.len() < 19 && id.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| id.parse().ok()).flatten()
}

fn short(text: &str) -> String {
    text.chars().take(60).collect::<String>().escape_debug().to_string()
}

#[cfg(test)]
mod tests;
