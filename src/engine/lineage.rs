//! Calls that were made for the sake of other calls, and calls that try again.
//!
//! A service that is asked asks others, and hands on what is left of its deadline. On the
//! wire the two calls have nothing to do with each other: they are known by an id that is
//! handed on as well (a trace, a request), by the span that one names as its parent, or by
//! time and place alone: a call that begins and ends while exactly one other waits on
//! the host that it comes from. Where the outermost is given up, at its deadline or by its
//! client, those within it are given up after it, one after the other.

use std::hash::BuildHasher as _;
use std::net::SocketAddr;
use std::num::NonZeroU64;
use std::sync::{Arc, LazyLock};

use hashbrown::DefaultHashBuilder;

use crate::base::limits::MAX_WAITING_CALLS;
use crate::base::{ConversationId, EventId, Moment};
use crate::engine::ConversationInfo;
use crate::event::{Draft, Event};
use crate::facts::{CallFacts, Facts, TraceId};

/// What a call may be given more than its parent has left: clients round timeouts up,
/// and the parent's clock began when it had read its request.
const ROUNDING_NS: u64 = 20_000_000;

/// How long after a call that was given up those that it waits for are given up, too: each
/// server hears of it from the one before.
const HANDED_ON_NS: u64 = 100_000_000;

/// A call that has ended, or that was open at the end of the capture.
#[derive(Clone, Debug)]
pub struct Call {
    /// Its event.
    pub event: EventId,
    /// Its connection.
    pub conversation: ConversationId,
    /// Its HTTP/2 stream.
    pub stream: Option<u64>,
    /// Client and server.
    pub ends: [SocketAddr; 2],
    /// The first byte of its request.
    pub start: Moment,
    /// When it was over.
    pub end: Moment,
    /// It came to an end.
    pub complete: bool,
    /// What it says of itself.
    pub facts: Brief,
}

/// What counts of a call's [`CallFacts`] when it is put beside others. It owns next to no
/// memory: many are kept, and they go from thread to thread.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Brief {
    /// See [`Brief::path`].
    pub(super) path: Option<Arc<str>>,
    /// `grpc-status`.
    pub status: Option<u64>,
    /// `grpc-timeout` in nanoseconds.
    pub timeout_ns: Option<u64>,
    /// How it ended, in a word: `grpc.verdict`.
    pub verdict: &'static str,
    /// The status that its client is given, by the server or by its library.
    pub client_status: Option<u64>,
    /// `grpc-previous-rpc-attempts`.
    pub previous_attempts: Option<u32>,
    /// `grpc-retry-pushback-ms`: when to try again; negative for never.
    pub pushback_ms: Option<i64>,
    /// One request, one answer.
    is_single: bool,
    /// Bytes of the request's messages as sent.
    asked_bytes: u64,
    links: Links,
}

impl Brief {
    /// Of the facts of a call.
    #[must_use]
    pub fn of(facts: &CallFacts) -> Self {
        let path = Some(&facts.path).filter(|p| !p.is_empty());
        Self { path: path.cloned(), ..Self::without_path(facts) }
    }

    /// The same without its path.
    pub(super) fn without_path(facts: &CallFacts) -> Self {
        let [up, down] = facts.messages;
        Self {
            path: None,
            status: facts.status,
            timeout_ns: facts.timeout_ns,
            verdict: facts.verdict,
            client_status: facts.client_status,
            previous_attempts: facts.previous_attempts,
            pushback_ms: facts.pushback_ms,
            is_single: up <= 1 && down <= 1,
            asked_bytes: facts.bytes[0],
            links: Links::of(&facts.trace_ids),
        }
    }

    /// `/pkg.Service/Method`; empty where it was not captured.
    #[must_use]
    pub fn path(&self) -> &str {
        self.path.as_deref().unwrap_or_default()
    }
}

/// An id that is passed on, as it is compared: by hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Link {
    header: &'static str,
    id: u64,
    /// It is a request's, not a trace's: these are never the same.
    of_request: bool,
    span: Option<NonZeroU64>,
    parent: Option<NonZeroU64>,
}

impl Link {
    fn of(id: &TraceId) -> Self {
        Self {
            header: id.header,
            id: hash(&id.id).get(),
            of_request: id.header == "x-request-id",
            span: id.span.as_deref().map(hash),
            parent: id.parent.as_deref().map(hash),
        }
    }

    /// See [`TraceId::is_same`].
    fn is_same(&self, other: &Self) -> bool {
        self.id == other.id && self.of_request == other.of_request
    }
}

/// The same id has the same hash for as long as the program runs; hardly anybody outside can
/// make two ids that have one.
fn hash(id: &str) -> NonZeroU64 {
    static HASHER: LazyLock<DefaultHashBuilder> = LazyLock::new(DefaultHashBuilder::default);
    NonZeroU64::new(HASHER.hash_one(id)).unwrap_or(NonZeroU64::MIN)
}

/// The ids of a call: of a trace and of the request, and rarely more.
#[derive(Clone, Debug, Default, PartialEq)]
struct Links {
    usual: [Link; 2],
    count: u8,
    more: Vec<Link>,
}

impl Links {
    fn of(ids: &[TraceId]) -> Self {
        let mut links = Self::default();
        let mut all = ids.iter().map(Link::of);
        for (place, link) in links.usual.iter_mut().zip(&mut all) {
            *place = link;
            links.count += 1;
        }
        links.more = all.collect();
        links
    }

    fn iter(&self) -> impl Iterator<Item = &Link> {
        self.usual.iter().take(self.count.into()).chain(&self.more)
    }

    const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

/// How a call is known to be part of another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// It names the other's span as its parent.
    Span(&'static str),
    /// Both name the same span: it was handed on as it came, and the one lies within the other.
    SameSpan,
    /// Both have the same id in this header (the child's).
    Id(&'static str),
    /// It lies within the other, and no third one does.
    Time,
}

impl By {
    /// For people.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Span(header) | Self::Id(header) => header,
            Self::SameSpan => "same span",
            Self::Time => "time",
        }
    }
}

/// The call that another one is part of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Parent {
    /// Its place among the calls.
    pub call: usize,
    /// How that is known.
    pub by: By,
    /// No other call comes into question.
    pub sure: bool,
    /// Nanoseconds that were left of the parent's deadline when the child began.
    pub left: Option<u64>,
}

impl Call {
    /// A gRPC call among the events of a capture.
    #[must_use]
    pub fn of(event: &Event, info: &ConversationInfo) -> Option<Self> {
        let Some(Facts::Call(facts)) = &event.draft.facts else { return None };
        Some(Self::by(event.id, &event.draft, info, Brief::of(facts)))
    }

    pub(super) const fn by(
        event: EventId,
        draft: &Draft,
        info: &ConversationInfo,
        facts: Brief,
    ) -> Self {
        Self {
            event,
            conversation: info.id,
            stream: draft.stream,
            ends: info.ends,
            start: draft.start,
            end: draft.end,
            complete: draft.complete,
            facts,
        }
    }

    /// `shop.Gateway/Order`.
    #[must_use]
    pub fn name(&self) -> &str {
        let path = self.facts.path();
        match path.strip_prefix('/').unwrap_or(path) {
            "" => "(path not captured)",
            path => path,
        }
    }

    /// Nanoseconds that were left of its deadline at a time.
    #[must_use]
    pub fn left_at(&self, at: Moment) -> Option<u64> {
        Some(self.facts.timeout_ns?.saturating_sub(at.time.since(self.start.time)))
    }

    /// Whether it was given more time than its parent had left, by more than rounding.
    #[must_use]
    pub fn is_extended(&self, parent: &Parent) -> bool {
        let Some((mine, left)) = self.facts.timeout_ns.zip(parent.left) else { return false };
        mine > left.saturating_add(ROUNDING_NS).saturating_add(left / 50)
    }

    /// Whether it has no deadline although its parent has one.
    #[must_use]
    pub fn has_lost_deadline(&self, parent: &Parent) -> bool {
        self.facts.timeout_ns.is_none() && parent.left.is_some()
    }

    /// Whether it went on when the capture ended.
    fn is_open(&self) -> bool {
        !self.complete && self.facts.verdict != "not captured"
    }

    fn is_open_at(&self, at: Moment) -> bool {
        self.start.time.0 <= at.time.0 && (at.time.0 <= self.end.time.0 || self.is_open())
    }

    /// Whether the other lies within its time.
    fn encloses(&self, other: &Self) -> bool {
        self.is_open_at(other.start) && (other.end.time.0 <= self.end.time.0 || self.is_open())
    }

    /// Nobody waited for its answer any more.
    fn is_given_up(&self) -> bool {
        self.complete && matches!(self.facts.verdict, "deadline" | "cancelled")
    }

    /// Whether it was given up because the other was: shortly after that.
    fn fell_with(&self, other: &Self) -> bool {
        self.is_given_up()
            && other.is_given_up()
            && self.start.time.0 <= other.end.time.0
            && other.end.time.0 <= self.end.time.0
            && self.end.time.since(other.end.time) <= HANDED_ON_NS
    }

    /// Whether the other may have been waited for all its life: it lies within this call's time,
    /// or both were given up, this one first.
    fn waits_for(&self, other: &Self) -> bool {
        self.encloses(other) || self.is_open_at(other.start) && other.fell_with(self)
    }

    /// Whether it is known when it ended: not where that was not captured, and it seems to have
    /// gone on as long as its connection.
    fn has_known_end(&self) -> bool {
        !matches!(self.facts.verdict, "not captured" | "no response" | "connection lost")
    }

    /// Whether it may be what the server of a call of the same span handed on: it lies within
    /// that, and goes elsewhere. Not what the same client does besides, where hosts tell.
    fn is_passed_on(&self, parent: &Self) -> bool {
        let from = self.ends[0].ip();
        let besides = from == parent.ends[0].ip() && from != parent.ends[1].ip();
        !besides
            && self.ends[1] != parent.ends[1]
            && parent.has_known_end()
            && parent.waits_for(self)
    }

    /// What speaks for `parent`; `None` where it cannot be.
    fn relation(&self, parent: &Self) -> Option<By> {
        // Of the same moment no order is known.
        if parent.start.packet >= self.start.packet || !parent.is_open_at(self.start) {
            return None;
        }
        if self.conversation == parent.conversation {
            return None;
        }
        let here = self.ends[0].ip() == parent.ends[1].ip();
        let mut by = None;
        for mine in self.facts.links.iter() {
            for theirs in parent.facts.links.iter().filter(|t| t.is_same(mine)) {
                if mine.parent.is_some() && mine.parent == theirs.span {
                    return Some(By::Span(mine.header));
                }
                if same_span(mine, theirs) {
                    return self.is_passed_on(parent).then_some(By::SameSpan);
                }
                by.get_or_insert(By::Id(mine.header));
            }
        }
        if by.is_some() {
            // Of one client's two calls at a time neither is part of the other.
            return by.filter(|_| here || self.ends[0].ip() != parent.ends[0].ip());
        }
        let known = |c: &Self| !c.facts.links.is_empty();
        let apart = known(self) && known(parent);
        (here
            && !apart
            && self.ends[1] != parent.ends[1]
            && parent.facts.is_single
            && parent.has_known_end()
            && parent.waits_for(self))
        .then_some(By::Time)
    }
}

/// Two calls of one span: a server that hands on what it was given, or a client that makes both.
fn same_span(a: &Link, b: &Link) -> bool {
    a.span.is_some() && a.span == b.span
}

/// Of each call the one that it is part of.
#[must_use]
pub fn parents(calls: &[Call]) -> Vec<Option<Parent>> {
    let mut order: Vec<usize> = (0..calls.len()).collect();
    order.sort_by_key(|i| calls.get(*i).map(|c| (c.start.time, c.start.packet)));
    let mut found = vec![None; calls.len()];
    let mut waiting: Vec<usize> = Vec::new();
    for i in order {
        let Some(call) = calls.get(i) else { continue };
        waiting.retain(|w| calls.get(*w).is_some_and(|w| w.is_open_at(call.start)));
        if let Some(slot) = found.get_mut(i) {
            *slot = parent(call, &waiting, calls);
        }
        if waiting.len() >= MAX_WAITING_CALLS {
            waiting.remove(0);
        }
        waiting.push(i);
    }
    found
}

/// The one of those that wait of which a call is part; they are in the order of their
/// starts.
fn parent(call: &Call, waiting: &[usize], calls: &[Call]) -> Option<Parent> {
    let all: Vec<(usize, &Call, By)> = waiting
        .iter()
        .filter_map(|i| calls.get(*i).map(|c| (*i, c)))
        .filter_map(|(i, c)| call.relation(c).map(|by| (i, c, by)))
        .collect();
    let of = |(i, c, by): &(usize, &Call, By), sure| Parent {
        call: *i,
        by: *by,
        sure,
        left: c.left_at(call.start),
    };
    if let Some(span) = all.iter().rev().find(|(.., by)| matches!(by, By::Span(_))) {
        return Some(of(span, true));
    }
    // Addresses tell which: the one that waits on the host from which this call comes.
    let told = |c: &Call| c.ends[0].ip() != c.ends[1].ip() && c.ends[1].ip() == call.ends[0].ip();
    let same: Vec<_> = all.iter().filter(|(.., by)| *by == By::SameSpan).collect();
    let mut here = same.iter().rev().filter(|(_, c, _)| told(c));
    if let Some(one) = here.next() {
        return Some(of(one, here.next().is_none()));
    }
    // Else it is the only one in question, or the last of those that wait for one another.
    if let Some(last) = same.last()
        && !all.iter().any(|(.., by)| matches!(by, By::Id(_)))
        && same.is_sorted_by(|a, b| a.1.waits_for(b.1))
    {
        return Some(of(last, false));
    }
    let by_id: Vec<_> = all.iter().filter(|(.., by)| matches!(by, By::Id(_))).collect();
    if let Some(last) = by_id.last() {
        // On one host calls side by side look like calls for one another; the latest is likely.
        let mut here = by_id.iter().rev().filter(|(_, c, _)| told(c));
        return Some(match (here.next(), here.next()) {
            (Some(one), another) => of(one, another.is_none()),
            (None, _) => of(last, false),
        });
    }
    // By time alone: those that wait must wait for one another.
    let last = all.last()?;
    all.is_sorted_by(|a, b| a.1.waits_for(b.1)).then(|| of(last, false))
}

/// Of each call the one that it tries again: the same method of the same client, which
/// had failed before, with one attempt fewer.
#[must_use]
pub fn retries(calls: &[Call]) -> Vec<Option<usize>> {
    let mut taken = vec![false; calls.len()];
    let mut order: Vec<usize> = (0..calls.len()).collect();
    order.sort_by_key(|i| calls.get(*i).map(|c| (c.start.time, c.start.packet)));
    let mut found = vec![None; calls.len()];
    for i in &order {
        let Some(call) = calls.get(*i) else { continue };
        let Some(n) = call.facts.previous_attempts.filter(|n| *n > 0) else { continue };
        let fits = |b: &Call| {
            b.facts.previous_attempts.unwrap_or(0) == n - 1
                && b.facts.path == call.facts.path
                && call.facts.path.is_some()
                && b.ends[0].ip() == call.ends[0].ip()
                && b.end.time <= call.start.time
                && b.facts.verdict != "ok"
                && b.facts.asked_bytes == call.facts.asked_bytes
                && same_ids(b, call)
        };
        let mut before = order.iter().filter(|j| {
            !taken.get(**j).copied().unwrap_or(true) && calls.get(**j).is_some_and(fits)
        });
        // Two that fit prove neither.
        if let (Some(j), None) = (before.next(), before.next()) {
            if let Some(t) = taken.get_mut(*j) {
                *t = true;
            }
            if let Some(slot) = found.get_mut(*i) {
                *slot = Some(*j);
            }
        }
    }
    found
}

/// Whether what both name is the same.
fn same_ids(a: &Call, b: &Call) -> bool {
    let (a, b) = (&a.facts.links, &b.facts.links);
    a.is_empty() || b.is_empty() || a.iter().any(|x| b.iter().any(|y| x.is_same(y)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{CaptureTime, PacketId};

    const S: u64 = 1_000_000_000;

    fn at(ms: u64) -> Moment {
        Moment { packet: PacketId(ms), time: CaptureTime(ms as i64 * 1_000_000) }
    }

    fn id(header: &'static str, id: &str, span: &str) -> TraceId {
        let some = |s: &str| (!s.is_empty()).then(|| s.into());
        TraceId { header, id: id.into(), span: some(span), parent: None }
    }

    /// From host to host, over so many milliseconds.
    fn call(from: u8, to: u8, [start, end]: [u64; 2], timeout: Option<u64>) -> Call {
        let host = |h: u8, port| SocketAddr::from(([10, 0, 0, h], port));
        Call {
            event: EventId(start),
            conversation: ConversationId(start as u32 + 1),
            stream: Some(1),
            ends: [host(from, 40_000), host(to, 50_000 + u16::from(to))],
            start: at(start),
            end: at(end),
            complete: true,
            facts: Brief::of(&CallFacts {
                path: "/a.B/C".into(),
                timeout_ns: timeout,
                verdict: "ok",
                messages: [1, 1],
                ..CallFacts::default()
            }),
        }
    }

    /// A → B → C with 5 s, 4 s and 1 s.
    fn chain() -> Vec<Call> {
        vec![
            call(3, 4, [50, 80], Some(S)),
            call(2, 3, [20, 90], Some(4 * S)),
            call(1, 2, [1, 100], Some(5 * S)),
        ]
    }

    fn tree(calls: &[Call]) -> Vec<Option<(usize, &'static str, bool)>> {
        parents(calls).into_iter().map(|p| p.map(|p| (p.call, p.by.name(), p.sure))).collect()
    }

    #[test]
    fn a_chain_by_each_means() {
        let mut calls = chain();
        assert_eq!(tree(&calls), [Some((1, "time", false)), Some((2, "time", false)), None]);
        for (i, c) in calls.iter_mut().enumerate() {
            c.facts.links = Links::of(&[id("traceparent", "4bf9", &i.to_string())]);
        }
        let by = |i| Some((i, "traceparent", true));
        assert_eq!(tree(&calls), [by(1), by(2), None]);
        let left: Vec<_> = parents(&calls).iter().map(|p| p.and_then(|p| p.left)).collect();
        assert_eq!(left, [Some(4 * S - 30_000_000), Some(5 * S - 19_000_000), None]);
        // All on one host.
        for c in &mut calls {
            for e in &mut c.ends {
                e.set_ip([127, 0, 0, 1].into());
            }
        }
        let likely = |i| Some((i, "traceparent", false));
        assert_eq!(tree(&calls), [likely(1), likely(2), None]);
        // Another trace.
        calls[0].facts.links = Links::of(&[id("traceparent", "0000", "0")]);
        assert_eq!(tree(&calls)[0], None);
    }

    /// A proxy, or a service that hands the header on as it came.
    #[test]
    fn a_span_that_is_handed_on_unchanged() {
        let traced = |mut calls: Vec<Call>| {
            for c in &mut calls {
                c.facts.links = Links::of(&[id("traceparent", "4bf9", "7")]);
            }
            calls
        };
        let mut calls = traced(chain());
        let by = |i, sure| Some((i, "same span", sure));
        assert_eq!(tree(&calls), [by(1, true), by(2, true), None]);
        // From another address than that under which its client knows the server.
        calls[1].ends[0].set_ip([10, 0, 0, 9].into());
        assert_eq!(tree(&calls)[1], by(2, false));
        // All on one host: the innermost.
        for e in calls.iter_mut().flat_map(|c| &mut c.ends) {
            e.set_ip([127, 0, 0, 1].into());
        }
        assert_eq!(tree(&calls), [by(1, false), by(2, false), None]);
        // What outlives it is no part of it.
        calls[0].end = at(95);
        assert_eq!(tree(&calls)[0], by(2, false));
        calls[0].end = at(105);
        assert_eq!(tree(&calls)[0], None);
        // Nor what goes to the same server again.
        let mut calls = traced(chain());
        calls[0].ends[1] = calls[1].ends[1];
        assert_eq!(tree(&calls)[0], by(2, false));
        // Beside one that has a span of its own, nobody knows on one host.
        let mut calls = traced(chain());
        for e in calls.iter_mut().flat_map(|c| &mut c.ends) {
            e.set_ip([127, 0, 0, 1].into());
        }
        calls[2].facts.links = Links::of(&[id("traceparent", "4bf9", "1")]);
        assert_eq!(tree(&calls)[0], Some((2, "traceparent", false)));
    }

    /// The deadline of a chain is met by its client first; the others hear of it in turn.
    #[test]
    fn a_chain_that_is_given_up_from_without() {
        let mut calls = chain();
        for (c, end) in calls.iter_mut().zip([502, 501, 500]) {
            c.end = at(end);
            c.facts.verdict = "deadline";
        }
        assert_eq!(tree(&calls), [Some((1, "time", false)), Some((2, "time", false)), None]);
        for c in &mut calls {
            c.facts.links = Links::of(&[id("traceparent", "4bf9", "7")]);
        }
        let by = |i| Some((i, "same span", true));
        assert_eq!(tree(&calls), [by(1), by(2), None]);
        for e in calls.iter_mut().flat_map(|c| &mut c.ends) {
            e.set_ip([127, 0, 0, 1].into());
        }
        let likely = |i| Some((i, "same span", false));
        assert_eq!(tree(&calls), [likely(1), likely(2), None]);
        // One that was answered, or that went on for long, is no part of it.
        let mut other = calls.clone();
        other[0].facts.verdict = "ok";
        assert_eq!(tree(&other)[0], None);
        calls[0].end = at(700);
        assert_eq!(tree(&calls)[0], None);
    }

    #[test]
    fn a_span_that_is_named_decides() {
        let mut calls = chain();
        for (i, c) in calls.iter_mut().enumerate() {
            c.facts.links = Links::of(&[id("x-b3-traceid", "4bf9", &i.to_string())]);
        }
        calls[0].facts.links.usual[0].parent = Some(hash("2"));
        assert_eq!(tree(&calls)[0], Some((2, "x-b3-traceid", true)));
    }

    #[test]
    fn calls_side_by_side_are_not_part_of_each_other() {
        // One client asks two servers at once.
        let two = [call(1, 2, [1, 100], None), call(1, 3, [10, 50], None)];
        assert_eq!(tree(&two), [None, None]);
        let mut traced = two.clone();
        for c in &mut traced {
            c.facts.links = Links::of(&[id("x-request-id", "r", "")]);
        }
        assert_eq!(tree(&traced), [None, None]);
        // The same span, of a client on a host of its own; and on one host, one after the other.
        for c in &mut traced {
            c.facts.links = Links::of(&[id("traceparent", "4bf9", "7")]);
        }
        assert_eq!(tree(&traced), [None, None]);
        for c in &mut traced {
            c.ends[0].set_ip([10, 0, 0, 2].into());
            c.ends[1].set_ip([10, 0, 0, 2].into());
        }
        traced[1].end = at(130);
        assert_eq!(tree(&traced), [None, None]);
        // Two wait at the server from which a third comes: which of them?
        let three =
            [call(1, 2, [1, 60], None), call(1, 2, [10, 100], None), call(2, 3, [20, 50], None)];
        assert_eq!(tree(&three)[2], None);
        // A subscription is open all day.
        let mut stream = call(1, 2, [1, 100], None);
        stream.facts.is_single = false;
        assert_eq!(tree(&[stream, call(2, 3, [20, 50], None)]), [None, None]);
    }

    #[test]
    fn more_time_than_the_parent_has_and_none() {
        let mut calls = chain();
        let of = |calls: &[Call]| {
            let p = parents(calls)[0].unwrap();
            (calls[0].is_extended(&p), calls[0].has_lost_deadline(&p))
        };
        assert_eq!(of(&calls), (false, false));
        calls[0].facts.timeout_ns = Some(4 * S + S / 100);
        assert_eq!(of(&calls), (false, false), "rounded up");
        calls[0].facts.timeout_ns = Some(6 * S);
        assert_eq!(of(&calls), (true, false));
        calls[0].facts.timeout_ns = None;
        assert_eq!(of(&calls), (false, true));
        calls[1].facts.timeout_ns = None;
        assert_eq!(of(&calls), (false, false));
    }

    #[test]
    fn attempts_follow_one_another() {
        let attempt = |n: Option<u32>, span, verdict| {
            let mut c = call(1, 2, span, None);
            c.facts.previous_attempts = n;
            c.facts.verdict = verdict;
            c
        };
        let mut calls = vec![
            attempt(None, [1, 5], "status"),
            attempt(Some(1), [10, 15], "status"),
            attempt(Some(2), [20, 25], "ok"),
        ];
        assert_eq!(retries(&calls), [None, Some(0), Some(1)]);
        // Two that fit prove neither; one that went well is not tried again.
        calls.push(attempt(None, [2, 6], "status"));
        assert_eq!(retries(&calls)[1], None);
        calls[3].facts.verdict = "ok";
        assert_eq!(retries(&calls)[1], Some(0));
        calls[1].facts.path = Some("/other".into());
        assert_eq!(retries(&calls)[1], None);
    }
}
