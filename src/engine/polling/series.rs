//! One series of requests, and what it is.

use hashbrown::HashMap;

use crate::base::limits::MAX_POLL_CONNECTIONS;
use crate::base::{CaptureTime, ConversationId, EventId, Moment};

use super::parameters::{asks_after, only_cursors, waits};
use super::sample::{Sample, Sums};
use super::{Request, Target, is_empty_list, says_nothing};

/// Fewest requests of a short poll: who reads a page again does it once or twice, and
/// three intervals alike are no accident.
const SHORT_LEAST: u64 = 4;
/// Fewest of a long poll: held answers speak for themselves.
const LONG_LEAST: u64 = 3;
/// An answer that took so long was held, or came from afar.
const HELD_NS: u64 = 100_000_000;
/// One that took longer than this was held for sure: a server that works so long is rare.
const SURELY_HELD_NS: u64 = 15_000_000_000;
/// One that brought nothing after this time was held, even where all took as long: no way
/// to a server is so far.
const FAR_NS: u64 = 1_000_000_000;
/// Of a hundred nanoseconds that a long poll waits, it waits so many for held answers. Of a
/// test of load it is a few that came late.
const HELD_SHARE: u64 = 70;
/// Waits for events differ by this factor; those for work by less.
const UNEVEN: u64 = 5;
/// And the longest of them is longer than this.
const UNEVEN_NS: u64 = 500_000_000;
/// An answer that came sooner had been there before the request: the event had to wait.
const AT_ONCE_NS: u64 = 50_000_000;
/// The shortest interval of a short poll. Faster repeats are a test of load.
const INTERVAL_LEAST_NS: u64 = 20_000_000;
/// An interval is steady that is off the median by at most so many of a hundred.
const STEADY_PERCENT: u64 = 35;
/// Of a hundred intervals of a short poll, so many are steady: one or the other is
/// skipped, or late.
const STEADY_SHARE: u64 = 70;
/// Of a hundred nanoseconds of a long poll, in so many a request is under way.
const BUSY_SHARE: u64 = 60;
/// A pause is longer than this, and than so many intervals: who comes back then has
/// begun anew.
const PAUSE_NS: u64 = 60_000_000_000;
const PAUSE_INTERVALS: u64 = 20;
/// Timeouts are a multiple of this, and at least twice of it.
const ROUND_NS: u64 = 5_000_000_000;
/// Bodies that are remembered to see that a series goes back to one.
const BODIES: usize = 8;

/// How a series asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// At a steady pace; answered at once.
    Short,
    /// Answered when there is something to say; asks again at once.
    Long,
}

/// How long events waited until they were asked for, in nanoseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Delay {
    /// On average, where an event is as likely at any time between two answers.
    pub mean: u64,
    /// At most: what can be proved.
    pub max: u64,
}

/// A series of requests that polls.
#[derive(Clone, Debug)]
pub struct Series<T> {
    /// How it asks.
    pub kind: Kind,
    /// What it asks.
    pub target: Target,
    /// Highest version of HTTP: 10, 11 or 20.
    pub version: u8,
    /// Requests.
    pub requests: u64,
    /// Answers that brought something.
    pub events: u64,
    /// Answers that brought nothing new.
    pub empty: u64,
    /// Of these, those that a long poll got after the server had waited in vain.
    pub timeouts: u64,
    /// Answers with a status of 400 and above.
    pub errors: u64,
    /// Nanoseconds from the first byte of each request to that of its answer, in all.
    pub answer_ns: u64,
    /// Answers of which not all was captured: whether they brought something is not known.
    pub unknown: u64,
    /// Requests without an answer: given up, or cut off.
    pub unanswered: u64,
    /// Median nanoseconds from one request to the next.
    pub interval: u64,
    /// Mean nanoseconds from one request to the next: its rate.
    pub mean_interval: u64,
    /// Median nanoseconds from a request to its answer.
    pub hold: u64,
    /// The longest of these.
    pub longest_hold: u64,
    /// Median nanoseconds from an answer to the next request.
    pub gap: u64,
    /// Nanoseconds in which a request was under way.
    pub busy: u64,
    /// How long events waited.
    pub delay: Delay,
    /// Bytes of header sections: requests, responses.
    pub head_bytes: [u64; 2],
    /// Bytes of bodies: requests, responses.
    pub body_bytes: [u64; 2],
    /// Bytes of those bodies of responses that brought something.
    pub useful_bytes: u64,
    /// The first request's first byte, the last answer's last.
    pub span: [Moment; 2],
    /// The exchange of the last request.
    pub last_event: EventId,
    /// Its connection.
    pub last_conversation: ConversationId,
    /// What was given with it.
    pub tag: T,
    /// Connections, with the bytes of heads and bodies on each, and the requests: the first
    /// [`MAX_POLL_CONNECTIONS`].
    pub connections: Vec<(ConversationId, u64, u64)>,
    /// How many connections there are (of further ones, one that comes back counts again).
    pub connection_count: u64,
}

/// A body that was seen.
#[derive(Clone, Copy, Debug)]
struct Known {
    /// Its length and hash.
    body: (u64, u64),
    times: u64,
    /// How often it was taken for news.
    news: u64,
    /// When it was the same again: for how long it waited, at most.
    again: Sums,
    /// Of these, those that had been held.
    again_held: u64,
    /// The shortest time for which it was held.
    least: u64,
}

/// The answers that were held for as long as any.
#[derive(Clone, Copy, Debug, Default)]
struct Longest {
    ns: u64,
    times: u64,
    /// Those that were taken for news, and their bytes.
    news: u64,
    useful: u64,
}

/// A series while it grows.
#[derive(Clone, Debug)]
pub(super) struct Building<T> {
    pub(super) question: String,
    /// Of the last request.
    pub(super) conversation: ConversationId,
    /// When the last answer was complete.
    pub(super) end: CaptureTime,
    first: Moment,
    last: Request<T>,
    requests: u64,
    events: u64,
    empty: u64,
    held_in_vain: u64,
    /// Of these, those that brought nothing at all, not even what was known.
    nothing: u64,
    /// Answers that say themselves that there is nothing, and those with an empty list.
    said_nothing: u64,
    lists: u64,
    /// The last request was held, and given up if another follows.
    open: bool,
    errors: u64,
    unknown: u64,
    unanswered: u64,
    intervals: Sample,
    holds: Sample,
    gaps: Sample,
    /// Nanoseconds in which a request was under way.
    busy: u64,
    /// Nanoseconds for which answers were held.
    held: u64,
    /// Requests that asked the same as the one before, as far as can be known.
    alike: u64,
    /// A query says how long the server may wait, or what the client has already.
    waits: bool,
    /// Windows in which events came, at most: between two answers, and between an answer
    /// and a request that was answered at once.
    between: Sums,
    between_held: Sums,
    head_bytes: [u64; 2],
    body_bytes: [u64; 2],
    useful: u64,
    /// When the last answer began.
    answered: Option<Moment>,
    /// Length and hash of the last answer's body.
    body: Option<(u64, u64)>,
    bodies: Vec<Known>,
    longest: Longest,
    longest_body: u64,
    answer_ns: u64,
    connections: HashMap<ConversationId, (u64, u64)>,
    connections_more: u64,
}

impl<T: Clone> Building<T> {
    pub(super) fn new(question: String, first: Request<T>) -> Self {
        let mut s = Self {
            question,
            conversation: first.conversation,
            end: first.end.time,
            first: first.request[0],
            last: first.clone(),
            requests: 0,
            events: 0,
            empty: 0,
            held_in_vain: 0,
            nothing: 0,
            said_nothing: 0,
            lists: 0,
            open: false,
            errors: 0,
            unknown: 0,
            unanswered: 0,
            intervals: Sample::default(),
            holds: Sample::default(),
            gaps: Sample::default(),
            busy: 0,
            held: 0,
            alike: 0,
            waits: false,
            between: Sums::default(),
            between_held: Sums::default(),
            head_bytes: [0; 2],
            body_bytes: [0; 2],
            useful: 0,
            answered: None,
            body: None,
            bodies: Vec::new(),
            longest: Longest::default(),
            longest_body: 0,
            answer_ns: 0,
            connections: HashMap::new(),
            connections_more: 0,
        };
        s.count(&first);
        s
    }

    /// Whether this request comes so late that it begins another series.
    pub(super) fn has_paused(&self, next: &Request<T>) -> bool {
        let pause = next.request[0].time.since(self.end);
        let usual = || self.intervals.median().unwrap_or(0);
        pause > PAUSE_NS && pause > usual().saturating_mul(PAUSE_INTERVALS)
    }

    /// The next request.
    pub(super) fn add(&mut self, r: Request<T>) {
        let start = r.request[0].time;
        self.intervals.add(start.since(self.last.request[0].time));
        self.gaps.add(start.since(self.end));
        let same = r.query == self.last.query || only_cursors(&r.query, &self.last.query);
        self.alike += u64::from(same);
        // Given up by the client, which asks again.
        let given_up = u64::from(std::mem::take(&mut self.open));
        self.held_in_vain += given_up;
        self.nothing += given_up;
        self.count(&r);
        self.conversation = r.conversation;
        self.end = self.end.max(r.end.time);
        self.last = r;
    }

    fn count(&mut self, r: &Request<T>) {
        let [start, asked] = r.request.map(|m| m.time);
        let answer = r.answered.unwrap_or(r.end);
        let hold = answer.time.since(asked);
        self.requests += 1;
        self.holds.add(hold);
        // Pipelined requests are under way together.
        let from = if self.requests == 1 { start } else { start.max(self.end) };
        self.busy = self.busy.saturating_add(r.end.time.since(from));
        self.waits |= waits(&r.query) || asks_after(&r.query);
        if hold >= HELD_NS {
            self.held = self.held.saturating_add(hold);
        }
        for (sum, n) in self.head_bytes.iter_mut().zip(r.head_bytes) {
            *sum = sum.saturating_add(n);
        }
        for (sum, n) in self.body_bytes.iter_mut().zip(r.body_bytes) {
            *sum = sum.saturating_add(n);
        }
        let bytes = r.head_bytes.iter().chain(&r.body_bytes).sum::<u64>();
        let full = self.connections.len() >= MAX_POLL_CONNECTIONS;
        match self.connections.get_mut(&r.conversation) {
            Some((n, requests)) => {
                *n = n.saturating_add(bytes);
                *requests += 1;
            }
            None if full => self.connections_more += 1,
            None => {
                self.connections.insert(r.conversation, (bytes, 1));
            }
        }
        let Some(answered) = r.answered else {
            self.unanswered += 1;
            self.open = hold >= HELD_NS;
            return;
        };
        self.answer_ns = self.answer_ns.saturating_add(answered.time.since(start));
        if r.holed && r.status < 400 {
            self.unknown += 1;
            self.body = None;
            self.answered = Some(answered);
            return;
        }
        let news = self.is_news(r);
        if r.status < 400 {
            self.remember(r, hold, news);
        }
        if news {
            self.events += 1;
            let [_, body] = r.body_bytes;
            self.useful = self.useful.saturating_add(body);
            if let Some(before) = self.answered {
                self.between.add(answered.time.since(before.time));
                let waited = asked.since(before.time);
                self.between_held.add(if hold <= AT_ONCE_NS { waited } else { 0 });
            }
        } else if r.status < 400 {
            self.empty += 1;
            let [_, len] = r.body_bytes;
            let nothing =
                matches!(r.status, 204 | 304) || r.empty_list || says_nothing(len, r.body_hash);
            self.held_in_vain += u64::from(hold >= HELD_NS);
            self.nothing += u64::from(hold >= HELD_NS && nothing);
        } else {
            self.errors += 1;
            // 408 and 504: somebody would not wait any longer.
            let gave_up = u64::from(hold >= HELD_NS && matches!(r.status, 408 | 504));
            self.held_in_vain += gave_up;
            self.nothing += gave_up;
        }
        self.answered = Some(answered);
    }

    /// Whether an answer brings something that the one before did not.
    fn is_news(&mut self, r: &Request<T>) -> bool {
        if r.status >= 400 {
            return false;
        }
        let [_, len] = r.body_bytes;
        let body = (len, r.said());
        if matches!(r.status, 204 | 304) || r.empty_list || says_nothing(len, r.body_hash) {
            if r.status != 304 {
                // What comes behind it is another one, though it may say the same.
                self.body = None;
                self.said_nothing += 1;
                self.lists += u64::from(r.empty_list || is_empty_list(len, r.body_hash));
            }
            return false;
        }
        let before = self.body.replace(body);
        if before.is_some_and(|b| b.1 == body.1) {
            return false;
        }
        // Back to what it says when there is nothing: known, and much shorter than the rest.
        let back = len <= 64 && len.saturating_mul(2) <= self.longest_body;
        let known = self.bodies.iter().any(|k| k.body.1 == body.1);
        self.longest_body = self.longest_body.max(len);
        !(back && known)
    }

    /// Keeps what may turn out to have been an answer in vain.
    fn remember(&mut self, r: &Request<T>, hold: u64, news: bool) {
        let [_, len] = r.body_bytes;
        let (body, count) = ((len, r.said()), u64::from(news));
        if let Some(k) = self.bodies.iter_mut().find(|k| k.body.1 == body.1) {
            k.times += 1;
            k.news += count;
            if let (false, Some(_), Some(before)) = (news, self.body, self.answered) {
                let waited = r.request[1].time.since(before.time);
                k.again.add(if hold <= AT_ONCE_NS { waited } else { 0 });
                k.again_held += u64::from(hold >= HELD_NS);
            }
            k.least = k.least.min(hold);
        } else {
            if self.bodies.len() >= BODIES {
                // One that did not come back, else the first.
                let at = self.bodies.iter().position(|k| k.times == 1).unwrap_or(0);
                self.bodies.remove(at);
            }
            self.bodies.push(Known {
                body,
                times: 1,
                news: count,
                again: Sums::default(),
                again_held: 0,
                least: hold,
            });
        }
        let l = &mut self.longest;
        if hold.saturating_mul(98) > l.ns.saturating_mul(100) {
            *l = Longest { ns: hold, ..Longest::default() };
        }
        if hold.saturating_mul(100) >= l.ns.saturating_mul(98) {
            l.times += 1;
            l.news += count;
            l.useful = l.useful.saturating_add(len * count);
        }
    }

    /// Of a long poll: an answer that came when the server's time was up brought nothing,
    /// whatever it says. That time is the longest for which one was held, again and again
    /// with the same body; of POST, whose answers are numbered (Bayeux), a round one.
    fn tell_apart_what_was_in_vain(&mut self, target: &Target) {
        let all = self.longest;
        let (news, useful) = if &*target.method == "POST" && self.has_timeout() {
            (all.news, all.useful)
        } else {
            let up = |k: &&Known| {
                k.times >= 2 && k.least >= HELD_NS && k.least * 100 >= all.ns.saturating_mul(95)
            };
            // Who says by other words that there is nothing says the same again for an event.
            for k in self.bodies.iter().filter(|k| self.said_nothing > 0 && !up(k)) {
                let n = k.again.count();
                self.events += n;
                self.useful = self.useful.saturating_add(n.saturating_mul(k.body.0));
                self.empty = self.empty.saturating_sub(n);
                self.held_in_vain = self.held_in_vain.saturating_sub(k.again_held);
                self.between_held.merge(k.again);
            }
            let of = self.bodies.iter().filter(up);
            of.fold((0, 0), |(n, bytes), k| (n + k.news, bytes + k.news * k.body.0))
        };
        self.events = self.events.saturating_sub(news);
        self.useful = self.useful.saturating_sub(useful);
        self.empty += news;
        self.held_in_vain += news;
        // They were held, and so nothing of them waited.
        self.between_held.forget(news);
    }

    /// Two answers or more were held for a round time, and none for longer.
    fn has_timeout(&self) -> bool {
        let Longest { ns, times, .. } = self.longest;
        let round = (ns + ROUND_NS / 10) / ROUND_NS * ROUND_NS;
        times >= 2 && round >= 2 * ROUND_NS && ns.abs_diff(round) <= round / 50
    }

    /// What it is; `None` where it is no poll.
    pub(super) fn judge(mut self, target: &Target) -> Option<Series<T>> {
        let interval = self.intervals.median()?;
        let span = self.end.since(self.first.time).max(1);
        let busy = u128::from(self.busy) * 100 / u128::from(span);
        let kind = if busy >= u128::from(BUSY_SHARE) && self.is_long(target) {
            Kind::Long
        } else if self.is_short(target, interval, busy >= u128::from(BUSY_SHARE)) {
            Kind::Short
        } else {
            return None;
        };
        if kind == Kind::Long {
            self.tell_apart_what_was_in_vain(target);
        }
        let half = |s: &Sums| Delay { mean: s.mean().unwrap_or(0) / 2, max: s.max() };
        let delay = match kind {
            // No event: one that came would have waited half an interval.
            Kind::Short if self.between.count() == 0 => Delay { mean: interval / 2, max: interval },
            Kind::Short => half(&self.between),
            Kind::Long => half(&self.between_held),
        };
        let mut connections: Vec<_> =
            self.connections.into_iter().map(|(id, (bytes, n))| (id, bytes, n)).collect();
        connections.sort_unstable();
        Some(Series {
            kind,
            target: target.clone(),
            version: self.last.version,
            requests: self.requests,
            events: self.events,
            empty: self.empty,
            timeouts: if kind == Kind::Long { self.held_in_vain } else { 0 },
            errors: self.errors,
            unknown: self.unknown,
            unanswered: self.unanswered,
            interval,
            mean_interval: self.intervals.mean().unwrap_or(interval),
            hold: self.holds.median().unwrap_or(0),
            answer_ns: self.answer_ns,
            longest_hold: self.holds.max(),
            gap: self.gaps.median().unwrap_or(0),
            busy: self.busy,
            delay,
            head_bytes: self.head_bytes,
            body_bytes: self.body_bytes,
            useful_bytes: self.useful,
            span: [self.first, self.last.end],
            last_event: self.last.event,
            last_conversation: self.conversation,
            tag: self.last.tag,
            connection_count: self.connections_more.saturating_add(connections.len() as u64),
            connections,
        })
    }

    /// Somebody waits at the server nearly all the time, and it is the event that is waited
    /// for, not the work.
    fn is_long(&self, target: &Target) -> bool {
        let (longest, shortest) = (self.holds.max(), self.holds.min());
        let held = u128::from(self.held) * 100 >= u128::from(self.busy) * u128::from(HELD_SHARE);
        if self.requests < LONG_LEAST || longest < HELD_NS || !held {
            return false;
        }
        let in_vain =
            self.nothing > 0 && (longest >= FAR_NS || longest >= shortest.saturating_mul(2));
        // What POST asks for may be work of any length.
        let asks = &*target.method != "POST";
        let uneven = longest >= UNEVEN_NS && longest >= shortest.saturating_mul(UNEVEN);
        in_vain
            || !asks && self.has_timeout()
            || asks && (self.waits || longest >= SURELY_HELD_NS || uneven)
    }

    /// The same is asked at a steady pace. `busy`: one answer is hardly there before the next
    /// request, as where a server is asked again and again for what takes it long.
    fn is_short(&self, target: &Target, interval: u64, busy: bool) -> bool {
        let mostly_empty = self.empty.saturating_mul(2) >= self.requests;
        // What POST brings is more than a question, unless it is answered by lists, which are
        // empty mostly and not always.
        let asks = &*target.method != "POST"
            || self.lists.saturating_mul(2) >= self.requests && self.events > 0;
        asks && self.requests >= SHORT_LEAST
            && interval >= INTERVAL_LEAST_NS
            && self.intervals.near(interval, STEADY_PERCENT) >= STEADY_SHARE
            // Pages of a list are other questions, unless most bring nothing.
            && (mostly_empty || !busy && self.alike.saturating_mul(2) >= self.intervals.count())
    }
}
