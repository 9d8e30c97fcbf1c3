//! What can be asked for: fields, protocols, kinds of events, and what every
//! event has.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::OnceLock;

use super::Mistake;
use crate::event::Level;
use crate::field::{FieldSpec, Kind};
use crate::finding::FindingSpec;
use crate::proto::REGISTRY;
use crate::{capture, engine, flow, link};

/// What sort of value a name has, and so what it can be compared with.
#[derive(Clone, Copy, Debug)]
pub enum Type {
    /// True or false.
    Flag,
    /// A whole number, perhaps with names for some values.
    Whole(Option<&'static FieldSpec>),
    /// A number.
    Float,
    /// Bytes: those of a field.
    Bytes,
    /// Text.
    Text,
    /// One of these words.
    Choice(fn() -> Vec<&'static str>),
    /// A duration; a plain number counts nanoseconds.
    Duration,
    /// A duration; a plain number counts seconds.
    Seconds,
    /// A point in time.
    Time,
    /// An address, with its port or without.
    Address,
    /// How bad a finding is.
    Severity,
    /// No value: it is there or not.
    Group,
}

impl Type {
    /// What such a value looks like, to be told to people.
    #[must_use]
    pub fn expects(self) -> String {
        match self {
            Self::Flag => "true or false".into(),
            Self::Whole(Some(spec)) if spec.names.is_some() => {
                let names: Vec<_> = names_of(spec).into_iter().map(|(_, n)| n).take(4).collect();
                if names.is_empty() {
                    "a whole number".into()
                } else {
                    format!("a whole number or a name such as {}", names.join(", "))
                }
            }
            Self::Whole(_) => "a whole number, such as 42 or 0x2a".into(),
            Self::Float => "a number, such as 2.5".into(),
            Self::Bytes => "bytes, such as 08:2a:12, or text in quotes".into(),
            Self::Text => "text, in quotes: \"…\"".into(),
            Self::Choice(words) => {
                let words = words();
                let some = words.len().min(12);
                let more = if words.len() > some { ", …" } else { "" };
                format!("one of {}{more}", words.get(..some).unwrap_or(&words).join(", "))
            }
            Self::Duration => "a duration, such as 100ms, 1.5s or 250us".into(),
            Self::Seconds => "seconds, such as 2.5, or a duration such as 100ms".into(),
            Self::Time => "a time in quotes: \"2026-11-20T21:23:45Z\"".into(),
            Self::Address => "an address, such as 10.0.0.1, 10.0.0.0/8 or [::1]:443".into(),
            Self::Severity => "one of note, warning, error".into(),
            Self::Group => "nothing: it has no value of its own".into(),
        }
    }
}

/// What every event has, by whatever it was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// Number of the event.
    Event,
    /// Its packets.
    Packet,
    /// Number of the conversation.
    Conversation,
    /// HTTP/2 stream.
    Stream,
    /// Level.
    Level,
    /// Protocol.
    Protocol,
    /// Kind.
    Kind,
    /// Client or server.
    Sender,
    /// Sender's end.
    From,
    /// Receiver's end.
    To,
    /// Both ends.
    Addr,
    /// Both ends' ports, of any transport or of one.
    Port(Option<flow::Transport>),
    /// Both ends' addresses of one version of IP.
    Ip(bool),
    /// Numbers of both ends' processes.
    Pid,
    /// Names of both ends' programs.
    Program,
    /// When it was complete.
    Time,
    /// The same in seconds since 1970.
    TimeEpoch,
    /// When it began.
    StartTime,
    /// Since the first packet.
    TimeRelative,
    /// Since the line before.
    TimeDelta,
    /// Bytes of payload.
    Length,
    /// Not cut off.
    Complete,
    /// Recognised by content.
    Inferred,
    /// The line for people.
    Summary,
    /// What it carried.
    Payload,
    /// Codes of findings.
    Finding,
    /// Severities of findings.
    Severity,
}

/// A name that every event knows.
#[derive(Debug)]
pub struct Common {
    /// As it is written.
    pub name: &'static str,
    /// What it asks for.
    pub ask: Ask,
    /// What sort of value it has.
    pub kind: Type,
    /// One sentence.
    pub meaning: &'static str,
}

const fn common(name: &'static str, ask: Ask, kind: Type, meaning: &'static str) -> Common {
    Common { name, ask, kind, meaning }
}

const NUMBER: Type = Type::Whole(None);

/// What every event has. Wireshark's names stand beside ours where it has them.
pub static COMMON: &[Common] = &[
    common("event", Ask::Event, NUMBER, "Number of the event."),
    common("packet", Ask::Packet, NUMBER, "Numbers of its packets."),
    common("frame.number", Ask::Packet, NUMBER, "The same as packet."),
    common("conversation", Ask::Conversation, NUMBER, "Number of the conversation."),
    common("stream", Ask::Stream, NUMBER, "The HTTP/2 stream."),
    common("level", Ask::Level, Type::Choice(levels), "How closely one looks."),
    common("protocol", Ask::Protocol, Type::Choice(protocols), "Who made it."),
    common("kind", Ask::Kind, Type::Choice(kinds), "What it is: text, headers, call."),
    common("sender", Ask::Sender, Type::Choice(|| vec!["client", "server"]), "Who sent it."),
    common("from", Ask::From, Type::Address, "Address and port of the sender."),
    common("to", Ask::To, Type::Address, "Address and port of the receiver."),
    common("addr", Ask::Addr, Type::Address, "Addresses of both ends."),
    common("ip.addr", Ask::Ip(false), Type::Address, "IPv4 addresses of both ends."),
    common("ipv6.addr", Ask::Ip(true), Type::Address, "IPv6 addresses of both ends."),
    common("port", Ask::Port(None), NUMBER, "Ports of both ends."),
    common("tcp.port", Ask::Port(Some(flow::Transport::Tcp)), NUMBER, "Ports of both ends of TCP."),
    common("udp.port", Ask::Port(Some(flow::Transport::Udp)), NUMBER, "Ports of both ends of UDP."),
    common("process.pid", Ask::Pid, NUMBER, "Processes of both ends, where live told them."),
    common("process.name", Ask::Program, Type::Text, "Programs of both ends, the same."),
    common("time", Ask::Time, Type::Time, "When it was complete."),
    common("frame.time", Ask::Time, Type::Time, "The same as time."),
    common("frame.time_epoch", Ask::TimeEpoch, Type::Seconds, "When it was complete, since 1970."),
    common("start_time", Ask::StartTime, Type::Time, "When its first byte was captured."),
    common("time_relative", Ask::TimeRelative, Type::Seconds, "Since the first packet."),
    common("frame.time_relative", Ask::TimeRelative, Type::Seconds, "The same as time_relative."),
    common("time_delta", Ask::TimeDelta, Type::Seconds, "Since the line before; for columns."),
    common(
        "frame.time_delta_displayed",
        Ask::TimeDelta,
        Type::Seconds,
        "The same as time_delta; for columns.",
    ),
    common("length", Ask::Length, NUMBER, "Bytes of payload; of a packet, bytes captured."),
    common("complete", Ask::Complete, Type::Flag, "Neither a gap nor the end cut it off."),
    common("inferred", Ask::Inferred, Type::Flag, "Recognised by content alone."),
    common("summary", Ask::Summary, Type::Text, "The line for people."),
    common("_ws.col.info", Ask::Summary, Type::Text, "The same as summary."),
    common("_ws.col.protocol", Ask::Protocol, Type::Choice(protocols), "The same as protocol."),
    common("payload", Ask::Payload, Type::Bytes, "What it carried, decoded."),
    common("finding", Ask::Finding, Type::Text, "Codes of what is wrong or odd with it."),
    common("severity", Ask::Severity, Type::Severity, "How bad that is; note < warning < error."),
];

/// Which kinds each protocol's events have.
pub static KINDS: &[(&str, &[&str])] = &[
    ("tcp", &["segment", "opaque", "connection"]),
    ("udp", &["datagram"]),
    ("icmp", &["message"]),
    ("ip", &["fragment"]),
    ("other", &["packet"]),
    ("http", &["request", "response", "exchange"]),
    (
        "websocket",
        &["continuation", "text", "binary", "close", "ping", "pong", "reserved", "session"],
    ),
    (
        "http2",
        &[
            "preface",
            "data",
            "headers",
            "priority",
            "rst_stream",
            "settings",
            "push_promise",
            "ping",
            "goaway",
            "window_update",
            "continuation",
            "altsvc",
            "origin",
            "priority_update",
            "unknown",
        ],
    ),
    ("grpc", &["request", "message", "response", "trailers", "call"]),
    ("connect", &["request", "message", "response", "error", "end_stream", "call"]),
];

fn levels() -> Vec<&'static str> {
    Level::ALL.iter().map(|l| l.name()).collect()
}

/// Names that `Draft::protocol` may have.
pub(super) fn protocols() -> Vec<&'static str> {
    let mut all: Vec<_> = KINDS.iter().map(|(p, _)| *p).collect();
    // Findings come from `capture` and from the program itself, too.
    all.extend(REGISTRY.iter().map(|p| p.name).chain(["capture", "framescope"]));
    all.sort_unstable();
    all.dedup();
    all
}

fn kinds() -> Vec<&'static str> {
    let mut all: Vec<_> = KINDS.iter().flat_map(|(_, k)| *k).copied().collect();
    all.sort_unstable();
    all.dedup();
    all
}

/// All fields by name.
pub fn fields() -> &'static BTreeMap<&'static str, &'static FieldSpec> {
    static ALL: OnceLock<BTreeMap<&'static str, &'static FieldSpec>> = OnceLock::new();
    ALL.get_or_init(|| {
        let below = [link::fields::FIELDS, flow::fields::FIELDS, engine::fields::FIELDS];
        let above = REGISTRY.iter().flat_map(|p| p.fields).copied();
        below.into_iter().chain(above).flatten().map(|f| (f.name, *f)).collect()
    })
}

/// All findings.
pub(super) fn findings() -> impl Iterator<Item = &'static FindingSpec> {
    [
        capture::findings::FINDINGS,
        link::findings::FINDINGS,
        flow::findings::FINDINGS,
        engine::findings::FINDINGS,
    ]
    .into_iter()
    .chain(REGISTRY.iter().map(|p| p.findings))
    .flatten()
    .copied()
}

/// What a name stands for.
#[derive(Clone, Copy, Debug)]
pub enum Name {
    /// A field.
    Field(&'static FieldSpec),
    /// What every event has.
    Common(&'static Common),
    /// A protocol: the event is its own, or lies in it.
    Protocol(&'static str),
    /// A kind of event, such as `websocket.close`.
    Kind(&'static str, &'static str),
    /// Any field whose name begins so: its name in the table up to this length.
    Below(&'static str),
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Name {
    /// The name, as it is written.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Field(f) => f.name.into(),
            Self::Common(c) => c.name.into(),
            Self::Protocol(p) | Self::Below(p) => (*p).into(),
            Self::Kind(p, k) => format!("{p}.{k}"),
        }
    }

    /// What sort of value it has.
    #[must_use]
    pub fn kind(&self) -> Type {
        match self {
            Self::Common(c) => c.kind,
            Self::Protocol(_) | Self::Kind(..) | Self::Below(_) => Type::Group,
            Self::Field(f) => match f.kind {
                Kind::Flag => Type::Flag,
                Kind::Unsigned | Kind::Signed | Kind::Enumerated => Type::Whole(Some(f)),
                Kind::Float if f.unit() == Some("s") => Type::Seconds,
                Kind::Float => Type::Float,
                Kind::Bytes | Kind::Data => Type::Bytes,
                Kind::Text => Type::Text,
                Kind::Duration => Type::Duration,
                Kind::Address => Type::Address,
                Kind::Group => Type::Group,
            },
        }
    }

    /// Looks a name up; `at` is its place, for the mistake.
    ///
    /// # Errors
    /// Where there is no such name; those nearest to it are said.
    pub fn find(text: &str, at: Range<usize>) -> Result<Self, Mistake> {
        // Wireshark up to 4.2 wrote `_ws.col.Info`.
        let column = |c: &Common| c.name.starts_with('_') && c.name.eq_ignore_ascii_case(text);
        if let Some(c) = COMMON.iter().find(|c| c.name == text || column(c)) {
            return Ok(Self::Common(c));
        }
        let field = fields().get(text).copied();
        if let Some(f) = field.filter(|f| f.kind != Kind::Group) {
            return Ok(Self::Field(f));
        }
        let layers = ["eth", "sll", "ipv6", "tcp", "udp"];
        if let Some(p) = protocols().into_iter().chain(layers).find(|p| *p == text) {
            return Ok(Self::Protocol(p));
        }
        if let Some((p, k)) = text.rsplit_once('.')
            && let Some((p, all)) = KINDS.iter().find(|(q, _)| *q == p)
            && let Some(k) = all.iter().find(|q| **q == k)
        {
            return Ok(Self::Kind(p, k));
        }
        if let Some(f) = field {
            return Ok(Self::Field(f));
        }
        let below = |n: &&&str| n.strip_prefix(text).is_some_and(|r| r.starts_with('.'));
        if let Some(n) = fields().keys().find(below) {
            return Ok(Self::Below(n.get(..text.len()).unwrap_or(n)));
        }
        Err(Mistake::new(at, unknown(text)))
    }
}

fn unknown(text: &str) -> String {
    if text.starts_with(|c: char| c.is_ascii_digit()) {
        return format!(
            "a field is expected here, not `{text}`; for one of several values write \
             `FIELD in {{1, 2}}`"
        );
    }
    let all: Vec<&str> = fields().keys().copied().chain(COMMON.iter().map(|c| c.name)).collect();
    let names: Vec<&str> = all.into_iter().chain(protocols()).collect();
    let mut found = near(text, names.iter().copied());
    if found.is_empty() {
        found = related(text, &names);
    }
    match found.as_slice() {
        [] => format!("there is no field `{text}`; docs/FIELDS.md lists all"),
        some => format!("there is no field `{text}`; did you mean {}?", some.join(" or ")),
    }
}

/// Up to three of the names that are nearest to a text, nearest first.
#[must_use]
pub fn near<'a>(text: &str, names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let last = |n: &'a str| n.rsplit('.').next().unwrap_or(n);
    let most = (text.chars().count() / 3).clamp(1, 4);
    let mut found: Vec<(usize, &str)> = names
        .filter_map(|n| {
            // `opcode` for `websocket.opcode` is near, too.
            let d = distance(text, n).min(distance(text, last(n)) + 1);
            (d <= most).then_some((d, n))
        })
        .collect();
    found.sort_unstable();
    found.dedup();
    let best = found.first().map_or(0, |f| f.0);
    found.into_iter().filter(|f| f.0 <= best + 1).take(3).map(|f| f.1).collect()
}

/// The names that share the most words with a text, most first:
/// `websocket.payload.close.status_code` for `websocket.close.status_code`. One word in common is
/// too little, unless the text is one.
fn related<'a>(text: &str, names: &[&'a str]) -> Vec<&'a str> {
    let words = |n: &str| -> Vec<String> {
        n.split(['.', '_', '-']).filter(|w| !w.is_empty()).take(16).map(str::to_lowercase).collect()
    };
    let asked = words(text);
    let mut found: Vec<(usize, &str)> = names
        .iter()
        .filter_map(|n| {
            let has = words(n);
            let shared = asked.iter().filter(|a| has.iter().any(|h| alike(a, h))).count();
            // Shared words of all words, in hundredths; half of them at least.
            let part = 200 * shared / (asked.len() + has.len()).max(1);
            (shared >= asked.len().min(2) && part >= 50).then_some((part, *n))
        })
        .collect();
    found.sort_unstable_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    found.dedup();
    let best = found.first().map_or(0, |f| f.0);
    found.into_iter().filter(|f| f.0 + 20 >= best).take(3).map(|f| f.1).collect()
}

/// The same word, or one that is mistyped.
fn alike(a: &str, b: &str) -> bool {
    a == b || a.len() > 3 && distance(a, b) <= 1
}

/// Insertions, deletions, replacements and swaps of neighbours from one to the other.
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) =
        (a.chars().take(64).collect(), b.chars().take(64).collect());
    let mut rows = vec![(0..=b.len()).collect::<Vec<_>>()];
    for (i, x) in a.iter().enumerate() {
        let mut row = vec![i + 1];
        for (j, y) in b.iter().enumerate() {
            let mut d = (rows[i][j] + usize::from(x != y)).min(rows[i][j + 1] + 1).min(row[j] + 1);
            if i > 0 && j > 0 && a[i - 1] == *y && b[j - 1] == *x {
                d = d.min(rows[i - 1][j - 1] + 1);
            }
            row.push(d);
        }
        rows.push(row);
    }
    rows[a.len()][b.len()]
}

/// How names of values are compared: case and separators do not count.
pub(super) fn plain(name: &str) -> String {
    name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}

/// Numbers with their names, up to 16 bits: no table goes further.
pub(super) fn names_of(spec: &FieldSpec) -> Vec<(u64, &'static str)> {
    let Some(names) = spec.names else { return Vec::new() };
    let last = match spec.bits {
        0 | 17.. => 0xffff,
        b => (1_u64 << b) - 1,
    };
    (0..=last).filter_map(|v| names(v).map(|n| (v, n))).collect()
}
