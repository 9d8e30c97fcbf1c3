//! Counts for `stats --by`: exchanges by what they have in common, window by window.

use std::fmt;
use std::str::FromStr;

use hashbrown::HashMap;

use crate::base::CaptureTime;
use crate::base::limits::{MAX_EXACT_DURATIONS_IN_ALL, MAX_SPREAD_ROWS};
use crate::engine::{ConversationInfo, EventSink, FindingEvent};
use crate::event::{Draft, Event, Level};
use crate::facts::Facts;
use crate::index::Durations;
use crate::index::stats::{outcome, shortened, text, took};
use crate::proto::grpc::fields::status_name;

/// What exchanges are told apart by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Key {
    /// The server: address and port.
    Peer,
    /// The client's address.
    Client,
    /// As in `stats`: service and method, method and path, path.
    Method,
    /// Status of gRPC by name, or of HTTP; the close code of a WebSocket.
    Status,
    /// `grpc`, `http`, `websocket`, …
    Protocol,
    /// `grpc.verdict`.
    Verdict,
}

impl Key {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Peer, Self::Client, Self::Method, Self::Status, Self::Protocol, Self::Verdict];

    /// As on the command line and in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Peer => "peer",
            Self::Client => "client",
            Self::Method => "method",
            Self::Status => "status",
            Self::Protocol => "protocol",
            Self::Verdict => "verdict",
        }
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Key {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::ALL.into_iter().find(|k| k.name() == text).ok_or_else(|| {
            let all = Self::ALL.map(Self::name).join(", ");
            format!("`{text}` is none of {all}")
        })
    }
}

/// What is counted of exchanges that have all keys in common.
#[derive(Clone, Debug, Default)]
pub struct Counts {
    /// How many began within the window.
    pub count: u64,
    /// Those that failed, as in `stats`.
    pub errors: u64,
    /// Those that were cut off.
    pub unfinished: u64,
    /// Bytes of messages by side.
    pub bytes: [u64; 2],
    /// How long those took that came to an end.
    pub durations: Durations,
}

/// A row.
#[derive(Clone, Debug, Default)]
pub struct Row {
    /// Where its window begins; `None` without windows.
    pub window: Option<CaptureTime>,
    /// A value a key; empty for all beyond [`MAX_SPREAD_ROWS`].
    pub values: Vec<String>,
    /// What was counted.
    pub counts: Counts,
}

/// Exchanges by keys and windows of time. Ask the engine for details of exchanges.
pub struct Spread {
    /// The keys.
    pub by: Vec<Key>,
    /// Nanoseconds of a window.
    pub every: Option<u64>,
    /// The rows; by window and values once [`Spread::finish`] was called.
    pub rows: Vec<Row>,
    /// Exchanges in each window, in all.
    pub windows: HashMap<Option<CaptureTime>, u64>,
    places: HashMap<(Option<CaptureTime>, Vec<String>), usize>,
    room: usize,
}

impl Spread {
    /// Nothing counted.
    #[must_use]
    pub fn new(by: Vec<Key>, every: Option<u64>) -> Self {
        Self {
            by,
            every,
            rows: Vec::new(),
            windows: HashMap::new(),
            places: HashMap::new(),
            room: MAX_EXACT_DURATIONS_IN_ALL,
        }
    }

    /// Puts in order what was collected.
    pub fn finish(&mut self) {
        let rest = |r: &Row| r.values.is_empty();
        self.rows
            .sort_by(|a, b| (rest(a), a.window, &a.values).cmp(&(rest(b), b.window, &b.values)));
        self.places.clear();
    }

    /// The share of a row in its window, in thousandths.
    #[must_use]
    pub fn share(&self, row: &Row) -> u64 {
        let all = self.windows.get(&row.window).copied().unwrap_or(0).max(1);
        row.counts.count.saturating_mul(1000) / all
    }

    /// Where the window of a time begins: at a multiple of its length, as clocks show.
    fn window(&self, at: CaptureTime) -> Option<CaptureTime> {
        let every = i64::try_from(self.every?).ok().filter(|e| *e > 0)?;
        Some(CaptureTime(at.0.div_euclid(every).saturating_mul(every)))
    }

    fn exchange(&mut self, draft: &Draft, info: &ConversationInfo) {
        let Some(detail) = &draft.detail else { return };
        let o = outcome(draft, &detail.tree);
        let tree = &detail.tree;
        let value = |key: &Key| match key {
            Key::Peer => info.ends[1].to_string(),
            Key::Client => info.ends[0].ip().to_string(),
            Key::Method => shortened(o.name.clone()),
            Key::Protocol => draft.protocol.to_owned(),
            Key::Verdict => text(tree, "grpc.verdict").unwrap_or("-").to_owned(),
            Key::Status => status(draft),
        };
        let values: Vec<String> = self.by.iter().map(value).collect();
        let window = self.window(draft.start.time);
        let key = (window, values);
        let at = match self.places.get(&key) {
            Some(at) => *at,
            None if self.rows.len() >= MAX_SPREAD_ROWS => {
                // The last place is for all the rest.
                if self.rows.last().is_none_or(|r| !r.values.is_empty()) {
                    self.rows.push(Row::default());
                }
                self.rows.len() - 1
            }
            None => {
                self.rows.push(Row { window, values: key.1.clone(), ..Row::default() });
                self.places.insert(key, self.rows.len() - 1);
                self.rows.len() - 1
            }
        };
        *self.windows.entry(window).or_default() += 1;
        let Some(row) = self.rows.get_mut(at) else { return };
        let c = &mut row.counts;
        c.count += 1;
        c.errors += u64::from(o.error);
        c.unfinished += u64::from(o.unfinished);
        for (sum, n) in c.bytes.iter_mut().zip(o.bytes) {
            *sum = sum.saturating_add(n);
        }
        if let Some(took) = took(draft).filter(|_| !o.unfinished) {
            c.durations.add(took, &mut self.room);
        }
    }
}

/// How an exchange ended, by its protocol's own numbers; `-` where it has none.
fn status(draft: &Draft) -> String {
    let tree = draft.detail.as_ref().map(|d| &d.tree);
    let number = |name: &str| tree.and_then(|t| t.number(name));
    let found = match (&draft.facts, draft.protocol) {
        (Some(Facts::Call(c)), _) => match c.status.or(c.client_status) {
            Some(n) => Some(status_name(n).map_or_else(|| n.to_string(), str::to_owned)),
            None => Some(c.verdict.to_owned()),
        },
        (_, "http") => number("http.response.code").map(|n| n.to_string()),
        (_, "websocket") => number("websocket.close_code").map(|n| n.to_string()),
        _ => None,
    };
    found.filter(|s| !s.is_empty()).unwrap_or_else(|| "-".to_owned())
}

impl EventSink for Spread {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        let draft = &event.draft;
        if draft.level == Level::Exchange
            && draft.protocol != "tcp"
            && let Some(info) = conversation
        {
            self.exchange(draft, info);
        }
    }

    fn finding(&mut self, _: FindingEvent, _: Option<&ConversationInfo>) {}
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Moment;
    use crate::event::Detail;

    fn add(s: &mut Spread, port: u16, ms: i64) {
        let at = |ms: i64| Moment { time: CaptureTime(ms * 1_000_000), ..Moment::default() };
        let mut draft = Draft::new(Level::Exchange, "grpc", "call", at(ms), at(ms + 3));
        draft.detail = Some(Box::new(Detail::default()));
        let mut info = ConversationInfo::default();
        info.ends[1].set_port(port);
        s.exchange(&draft, &info);
    }

    #[test]
    fn windows_begin_at_multiples_and_shares_are_of_them() {
        let mut s = Spread::new(vec![Key::Peer], Some(10_000_000_000));
        for (port, ms) in [(2, 9_999), (1, 10_000), (1, 19_999), (2, 15_000), (1, 20_000)] {
            add(&mut s, port, ms);
        }
        s.finish();
        let got: Vec<_> = s
            .rows
            .iter()
            .map(|r| (r.window.unwrap().seconds(), &*r.values[0], r.counts.count, s.share(r)))
            .collect();
        let peer = ["0.0.0.0:1", "0.0.0.0:2"];
        assert_eq!(
            got,
            [
                (0, peer[1], 1, 1000),
                (10, peer[0], 2, 666),
                (10, peer[1], 1, 333),
                (20, peer[0], 1, 1000)
            ]
        );
        assert_eq!(s.rows[1].counts.durations.max(), Some(3_000_000));
    }

    #[test]
    fn rows_without_end_are_counted_together() {
        let mut s = Spread::new(vec![Key::Protocol], Some(1_000_000));
        for ms in 0..MAX_SPREAD_ROWS as i64 + 5 {
            add(&mut s, 1, ms);
        }
        s.finish();
        assert_eq!(s.rows.len(), MAX_SPREAD_ROWS + 1);
        let last = s.rows.last().unwrap();
        assert!(last.values.is_empty());
        assert_eq!(last.counts.count, 5);
    }
}
