//! Polling: requests that ask the same again and again.
//!
//! A **short** poll asks at a steady pace and is answered at once; a **long** poll is
//! answered when there is something to say, or after a time, and asks again at once. Both
//! are known by their requests alone: one client's address, host, method and path, without
//! the parameters that change. What brings nothing new is an empty answer: 204 and 304, an
//! empty body or an empty list, and the same body as before.
//!
//! Requests are kept for a while and then put into series together, since only who comes
//! back tells which connection is whose: several clients behind one address, each with a
//! connection of its own, are several series, and one client that opens a connection for
//! each request is one.

mod cost;
mod parameters;
mod sample;
mod series;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::LazyLock;

use hashbrown::{HashMap, HashSet};

use crate::base::limits::{
    MAX_FACT_BYTES, MAX_POLL_OPEN, MAX_POLL_REQUESTS, MAX_POLL_SERIES, MAX_POLL_TARGETS,
    MAX_POLL_WINDOW,
};
use crate::base::{CaptureTime, ConversationId, EventId, Moment, Side};
use crate::engine::ConversationInfo;
use crate::event::Draft;
use crate::facts::HttpFacts;
use crate::proto::http::body_hash;

pub use cost::{Push, sse, websocket};
pub use series::{Delay, Kind, Series};

use parameters::Parameters;
use series::Building;

/// The media type of a stream of events, which is no poll however often it comes back.
const EVENT_STREAM: &str = "text/event-stream";

/// A request and its response.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The exchange.
    pub event: EventId,
    /// Its connection.
    pub conversation: ConversationId,
    /// The client's address.
    pub client: IpAddr,
    /// When the exchange ended, answered or not.
    pub end: Moment,
    /// What it says of itself.
    pub facts: &'a HttpFacts,
}

impl<'a> Asked<'a> {
    /// An exchange as it is handed out, with what is known of its connection then.
    #[must_use]
    pub fn new(
        event: EventId,
        draft: &Draft,
        info: &ConversationInfo,
        facts: &'a HttpFacts,
    ) -> Self {
        let end = match facts.response {
            Some(_) => draft.end,
            // Its own end is that of the request: it was given up with the latest packet.
            None => draft.end.max(info.last),
        };
        let client = info.ends[Side::Client.index()].ip();
        Self { event, conversation: info.id, client, end, facts }
    }
}

/// What is kept of one, until it is part of a series.
#[derive(Clone, Debug)]
struct Request<T> {
    tag: T,
    event: EventId,
    conversation: ConversationId,
    version: u8,
    query: Box<str>,
    /// First byte, last byte.
    request: [Moment; 2],
    /// The response's first byte.
    answered: Option<Moment>,
    end: Moment,
    status: u16,
    head_bytes: [u64; 2],
    body_bytes: [u64; 2],
    body_hash: u64,
    empty_list: bool,
    timeless: Option<u64>,
}

impl<T> Request<T> {
    /// By what an answer is known that says the same again: the time alone is no news.
    fn said(&self) -> u64 {
        self.timeless.unwrap_or(self.body_hash)
    }
}

/// What the requests of one series have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Target {
    /// The client's address.
    pub client: IpAddr,
    /// `Host` or `:authority`.
    pub host: Box<str>,
    /// The method.
    pub method: Box<str>,
    /// The request target without its query.
    pub path: Box<str>,
}

/// The requests of one target.
#[derive(Debug)]
struct Group<T> {
    target: Target,
    waiting: Vec<Request<T>>,
    parameters: Parameters,
    open: Vec<Building<T>>,
    last: CaptureTime,
}

/// Puts requests into series. `T` is whatever the caller wants to have back of the last
/// request of each.
#[derive(Debug)]
pub struct Polls<T> {
    groups: HashMap<Target, Group<T>>,
    waiting: usize,
    /// Series that are open.
    open: usize,
    done: Vec<Series<T>>,
}

impl<T> Default for Polls<T> {
    fn default() -> Self {
        Self { groups: HashMap::new(), waiting: 0, open: 0, done: Vec::new() }
    }
}

impl<T: Clone> Polls<T> {
    /// Takes an exchange, in whatever order they end.
    pub fn add(&mut self, asked: &Asked<'_>, tag: impl FnOnce() -> T) {
        let f = asked.facts;
        let Some(request) = f.request else { return };
        if f.status == 101 || *f.media_type == *EVENT_STREAM {
            return;
        }
        // What changes something at the server is no question.
        if !matches!(&*f.method, "GET" | "HEAD" | "POST") {
            return;
        }
        let (path, query) = match f.target.split_once('?') {
            Some((path, query)) => (path, query),
            None => (&*f.target, ""),
        };
        let target = Target {
            client: asked.client,
            host: f.host.clone(),
            method: f.method.clone(),
            path: path.into(),
        };
        if self.groups.len() >= MAX_POLL_TARGETS && !self.groups.contains_key(&target) {
            self.make_room();
        }
        let group = self.groups.entry(target.clone()).or_insert_with(|| Group {
            target,
            waiting: Vec::new(),
            parameters: Parameters::default(),
            open: Vec::new(),
            last: request[0].time,
        });
        group.last = group.last.max(asked.end.time);
        group.waiting.push(Request {
            tag: tag(),
            event: asked.event,
            conversation: asked.conversation,
            version: f.version,
            query: query
                .get(..query.floor_char_boundary(MAX_FACT_BYTES))
                .unwrap_or_default()
                .into(),
            request,
            answered: f.response.map(|[first, _]| first),
            end: asked.end,
            status: f.status,
            head_bytes: f.head_bytes,
            body_bytes: f.body_bytes,
            body_hash: f.body_hash,
            empty_list: f.empty_list,
            timeless: f.timeless,
        });
        self.waiting += 1;
        if group.waiting.len() >= MAX_POLL_WINDOW {
            self.waiting = self.waiting.saturating_sub(group.waiting.len());
            let before = group.open.len();
            group.sort_out(&mut self.done);
            self.open = (self.open + group.open.len()).saturating_sub(before);
        }
        if self.waiting >= MAX_POLL_REQUESTS {
            for group in self.groups.values_mut() {
                group.sort_out(&mut self.done);
            }
            self.waiting = 0;
            self.open = self.groups.values().map(|g| g.open.len()).sum();
        }
        if self.open > MAX_POLL_OPEN {
            self.make_room();
        }
    }

    /// Lets go of the quarter of all targets that were asked longest ago.
    fn make_room(&mut self) {
        let mut times: Vec<CaptureTime> = self.groups.values().map(|g| g.last).collect();
        times.sort_unstable();
        let Some(limit) = times.get(times.len() / 4).copied() else { return };
        let (done, waiting) = (&mut self.done, &mut self.waiting);
        self.groups.retain(|_, group| {
            if group.last > limit {
                return true;
            }
            *waiting = waiting.saturating_sub(group.waiting.len());
            group.finish(done);
            false
        });
        self.open = self.groups.values().map(|g| g.open.len()).sum();
    }

    /// The series that were found so far and are over for good.
    pub fn take(&mut self) -> Vec<Series<T>> {
        std::mem::take(&mut self.done)
    }

    /// All that are left, by their last request.
    pub fn finish(&mut self) -> Vec<Series<T>> {
        for (_, mut group) in self.groups.drain() {
            group.finish(&mut self.done);
        }
        self.waiting = 0;
        // A map has no order.
        self.done.sort_by_key(|s| s.last_event);
        self.take()
    }
}

impl<T: Clone> Group<T> {
    fn finish(&mut self, done: &mut Vec<Series<T>>) {
        self.sort_out(done);
        done.extend(self.open.drain(..).filter_map(|s| s.judge(&self.target)));
    }

    /// Puts the requests that wait into series.
    ///
    /// First by the parameters that tell two questions apart, then by connection: the
    /// requests of one connection (of HTTP/1) belong together, and a connection goes on with
    /// the series that was answered last before it began.
    fn sort_out(&mut self, done: &mut Vec<Series<T>>) {
        let mut waiting = std::mem::take(&mut self.waiting);
        waiting.sort_by_key(|r| (r.request[0].time, r.request[0].packet));
        self.parameters.learn(waiting.iter().map(|r| &*r.query));
        let mut runs: Vec<Run<T>> = Vec::new();
        let mut last_run: HashMap<(String, ConversationId), usize> = HashMap::new();
        for r in waiting {
            let question = self.parameters.question(&r.query);
            // Requests of HTTP/2 do not wait for each other.
            if r.version >= 20 {
                runs.push(Run { question, requests: vec![r] });
                continue;
            }
            let key = (question, r.conversation);
            match last_run.get(&key).and_then(|at| runs.get_mut(*at)) {
                Some(run) => run.requests.push(r),
                None => {
                    let question = key.0.clone();
                    last_run.insert(key, runs.len());
                    runs.push(Run { question, requests: vec![r] });
                }
            }
        }
        // Those that go on with their own connection come first, lest another takes its place.
        runs.sort_by_key(|run| {
            let own = run.first().is_some_and(|r| self.on(run, r.conversation).is_some());
            (!own, run.first().map(|r| r.request[0].time))
        });
        for run in runs {
            self.goes_on(run, done);
        }
    }

    /// The open series that the connection belongs to.
    fn on(&self, run: &Run<T>, conversation: ConversationId) -> Option<usize> {
        let fits = |s: &Building<T>| s.question == run.question && s.conversation == conversation;
        let start = run.first()?.request[0].time;
        let later = |s: &Building<T>| run.first().is_some_and(|r| r.version >= 20) && s.end > start;
        self.open.iter().rposition(|s| fits(s) && !later(s))
    }

    fn goes_on(&mut self, run: Run<T>, done: &mut Vec<Series<T>>) {
        let Some(first) = run.first() else { return };
        let start = first.request[0].time;
        let at = self.on(&run, first.conversation).or_else(|| {
            let free = self.open.iter().enumerate();
            free.filter(|(_, s)| s.question == run.question && s.end <= start)
                .max_by_key(|(_, s)| s.end)
                .map(|(at, _)| at)
        });
        let mut requests = run.requests.into_iter();
        let at = match at {
            Some(at) => at,
            None => {
                let Some(first) = requests.next() else { return };
                if self.open.len() >= MAX_POLL_SERIES {
                    let oldest = self.open.iter().enumerate().min_by_key(|(_, s)| s.end);
                    if let Some((at, _)) = oldest {
                        done.extend(self.open.swap_remove(at).judge(&self.target));
                    }
                }
                self.open.push(Building::new(run.question, first));
                self.open.len().saturating_sub(1)
            }
        };
        let Some(series) = self.open.get_mut(at) else { return };
        for r in requests {
            if series.has_paused(&r) {
                let fresh = Building::new(std::mem::take(&mut series.question), r);
                done.extend(std::mem::replace(series, fresh).judge(&self.target));
            } else {
                series.add(r);
            }
        }
    }
}

/// Requests that belong together by their connection.
#[derive(Debug)]
struct Run<T> {
    question: String,
    requests: Vec<Request<T>>,
}

impl<T> Run<T> {
    fn first(&self) -> Option<&Request<T>> {
        self.requests.first()
    }
}

/// Whether a body, by its length and its hash, is an empty list and nothing else.
fn is_empty_list(len: u64, hash: u64) -> bool {
    static LISTS: LazyLock<[u64; 2]> =
        LazyLock::new(|| ["[]", "[]\n"].map(|b| body_hash(b.as_bytes())));
    len <= 3 && LISTS.contains(&hash)
}

/// Whether a body, by its length and its hash, is an empty list or the like.
fn says_nothing(len: u64, hash: u64) -> bool {
    static NOTHING: LazyLock<HashSet<u64>> = LazyLock::new(|| {
        let bare = ["[]", "{}", "null", "\"\"", "false", "0", "\n", " ", "ok", "OK", "none"];
        let lists = ["data", "events", "items", "messages", "notifications", "results", "updates"];
        let wrapped = lists
            .iter()
            .flat_map(|name| [format!("{{\"{name}\":[]}}"), format!("{{\"{name}\": []}}")]);
        let all = bare.iter().map(|b| (*b).to_owned()).chain(wrapped);
        all.flat_map(|b| [body_hash(b.as_bytes()), body_hash(format!("{b}\n").as_bytes())])
            .collect()
    });
    len == 0 || len <= 64 && NOTHING.contains(&hash)
}
