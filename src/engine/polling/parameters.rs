//! Which parameters of a query tell two questions apart, and which only change.
//!
//! `job` in `?job=1`, `?job=2`, `?job=1` asks two things in turn: a value comes back.
//! `since` in `?since=5`, `?since=5`, `?since=6` says what the client has, and `_` in
//! `?_=1732000000123` is another each time: no value comes back.

use hashbrown::{HashMap, HashSet};

use crate::base::limits::MAX_POLL_PARAMETERS;

/// Names of parameters that say what the client has already, or that keep caches away;
/// whatever their values do. In lower case.
const CHANGING: [&str; 33] = [
    "_",
    "t",
    "ts",
    "time",
    "timestamp",
    "now",
    "nocache",
    "cachebuster",
    "cb",
    "rand",
    "random",
    "r",
    "nonce",
    "since",
    "after",
    "cursor",
    "offset",
    "last",
    "lastid",
    "last_id",
    "lastevent",
    "last_event_id",
    "lasteventid",
    "from",
    "seq",
    "sequence",
    "rev",
    "revision",
    "version",
    "index",
    "etag",
    "ack",
    "next_batch",
];
/// Names of parameters that say how long the server may wait.
const WAITING: [&str; 7] = ["timeout", "wait", "hold", "poll", "longpoll", "long_poll", "block"];

/// Names of parameters that say what the client has, and that no list of pages uses.
const PLACES: [&str; 9] = [
    "since",
    "last",
    "lastid",
    "last_id",
    "last_event_id",
    "lasteventid",
    "ack",
    "seq",
    "next_batch",
];

/// Of one target.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters {
    /// Names of those that tell questions apart.
    telling: HashSet<Box<str>>,
}

/// Names and values, up to a limit.
fn pairs(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let parts = query.split('&').filter(|p| !p.is_empty()).take(MAX_POLL_PARAMETERS);
    parts.map(|p| p.split_once('=').unwrap_or((p, "")))
}

fn is_any(name: &str, of: &[&str]) -> bool {
    of.iter().any(|n| n.eq_ignore_ascii_case(name))
}

/// Whether the query says how long the server may wait for an answer.
pub(super) fn waits(query: &str) -> bool {
    pairs(query).any(|(name, _)| is_any(name, &WAITING))
}

/// Whether the query says what the client has already.
pub(super) fn asks_after(query: &str) -> bool {
    pairs(query).any(|(name, _)| is_any(name, &PLACES))
}

/// Whether two queries differ in nothing but parameters that change by their nature.
pub(super) fn only_cursors(a: &str, b: &str) -> bool {
    let fixed = |query| -> Vec<(&str, &str)> {
        let mut all: Vec<_> = pairs(query).filter(|(n, _)| !is_any(n, &CHANGING)).collect();
        all.sort_unstable();
        all
    };
    fixed(a) == fixed(b)
}

impl Parameters {
    /// Looks at queries in the order in which they were sent.
    pub(super) fn learn<'a>(&mut self, queries: impl Iterator<Item = &'a str>) {
        #[derive(Default)]
        struct Values<'a> {
            before: HashSet<&'a str>,
            last: Option<&'a str>,
        }
        let mut seen: HashMap<&str, Values<'_>> = HashMap::new();
        for query in queries {
            for (name, value) in pairs(query) {
                if is_any(name, &CHANGING) || self.telling.contains(name) {
                    continue;
                }
                let v = seen.entry(name).or_default();
                if v.last == Some(value) {
                    continue;
                }
                if let Some(last) = v.last.replace(value) {
                    v.before.insert(last);
                }
                if v.before.contains(value) && self.telling.len() < MAX_POLL_PARAMETERS {
                    self.telling.insert(name.into());
                }
            }
        }
    }

    /// What is asked: the parameters that tell it from other questions.
    pub(super) fn question(&self, query: &str) -> String {
        let mut all: Vec<_> = pairs(query).filter(|(n, _)| self.telling.contains(*n)).collect();
        all.sort_unstable();
        all.iter().map(|(n, v)| format!("{n}={v}")).collect::<Vec<_>>().join("&")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn telling(queries: &[&str]) -> Vec<String> {
        let mut p = Parameters::default();
        p.learn(queries.iter().copied());
        let mut names: Vec<String> = p.telling.iter().map(|n| (**n).to_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn a_value_that_comes_back_tells_questions_apart() {
        assert_eq!(telling(&["job=1", "job=2", "job=1", "job=2"]), ["job"]);
        assert_eq!(telling(&["a=1&job=1", "a=1&job=2&x=9", "a=1&job=1"]), ["job"]);
        let mut p = Parameters::default();
        p.learn(["job=1&v=3", "job=2&v=4", "job=1&v=5"].into_iter());
        assert_eq!(p.question("v=6&job=2"), "job=2");
    }

    #[test]
    fn what_only_changes_does_not() {
        assert!(telling(&["", "token=a", "token=a", "token=b", "token=c"]).is_empty());
        assert!(telling(&["_=1", "_=2", "_=3"]).is_empty());
        // Two clients, each with a place of its own.
        assert!(telling(&["since=5", "since=3", "since=5", "since=3"]).is_empty());
    }

    #[test]
    fn cursors_are_known_by_name() {
        assert!(only_cursors("room=1&since=4", "since=5&room=1"));
        assert!(only_cursors("", "_=17"));
        assert!(!only_cursors("page=1", "page=2"));
        assert!(waits("since=3&Timeout=30") && !waits("since=timeout"));
        assert!(asks_after("x=1&since=") && !asks_after("page=3&cursor=abc"));
    }
}
