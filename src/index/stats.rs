//! Counts for `stats`: conversations, calls by method, what became of the bytes.

use std::borrow::Cow;

use hashbrown::HashMap;

use crate::base::limits::{
    MAX_EXACT_DURATIONS_IN_ALL, MAX_STATS_CONVERSATIONS, MAX_STATS_METHODS, MAX_STATS_NAME,
};
use crate::base::{CaptureTime, ConversationId, EventId, Moment, PacketId};
use crate::capture::Packet;
use crate::engine::{ConversationInfo, EventSink, FindingEvent, Ledger};
use crate::event::{Draft, Event, Level};
use crate::facts::Facts;
use crate::field::{Tree, Value};
use crate::index::Durations;
use crate::link::{Content, Decoder};

/// Close codes of a WebSocket that went well: normal, going away, and none given.
const WELL: [u64; 3] = [1000, 1001, 1005];

/// Kinds of packets that are told apart; further ones are `other`.
const MAX_KINDS: usize = 64;

/// What a capture holds, in numbers. Ask the engine for details of exchanges:
/// `Options::wanting(&[Level::Exchange])`.
#[derive(Default)]
pub struct Stats {
    /// Packets in all, by kind, the most frequent first once [`Stats::finish`] was
    /// called.
    pub kinds: Vec<Kind>,
    /// Packets.
    pub packets: u64,
    /// Captured bytes.
    pub captured: u64,
    /// Bytes on the wire: more than was captured where packets were snapped.
    pub on_wire: u64,
    /// The earliest and the latest time of a packet.
    pub span: Option<(CaptureTime, CaptureTime)>,
    /// Conversations by number, at most [`MAX_STATS_CONVERSATIONS`].
    pub conversations: Vec<Conversation>,
    /// How many there are.
    pub conversation_count: u64,
    /// What became of the bytes of all of them.
    pub ledger: Ledger,
    /// Exchanges by method; sorted by protocol and name once [`Stats::finish`] was
    /// called.
    pub calls: Vec<Calls>,
    /// Findings.
    pub findings: u64,
    by_method: HashMap<(&'static str, String), usize>,
    decoder: Decoder,
    /// Durations that may still be held one by one.
    room: Room,
    /// How the connection ended whose exchange came last.
    ended: Option<(ConversationId, Ending)>,
}

struct Room(usize);

impl Default for Room {
    fn default() -> Self {
        Self(MAX_EXACT_DURATIONS_IN_ALL)
    }
}

/// Packets of one kind.
#[derive(Clone, Debug)]
pub struct Kind {
    /// `tcp`, `udp`, `icmp`, `fragment`, `arp`, …
    pub name: Cow<'static, str>,
    /// How many.
    pub packets: u64,
    /// Captured bytes.
    pub bytes: u64,
}

/// How a conversation ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Ending {
    /// Both ends sent FIN.
    Fin,
    /// One end sent RST.
    Reset,
    /// The capture ended first, or its state was let go.
    #[default]
    Open,
    /// UDP: nothing says so.
    Unsaid,
}

impl Ending {
    /// As printed.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fin => "fin",
            Self::Reset => "reset",
            Self::Open => "open",
            Self::Unsaid => "-",
        }
    }
}

/// A conversation.
#[derive(Clone, Debug, Default)]
pub struct Conversation {
    /// What the engine knew when it ended; `None` before that.
    pub info: Option<Box<ConversationInfo>>,
    /// How it ended.
    pub ending: Ending,
    /// Packets, those after its end included.
    pub packets: u64,
    /// Time of its first and its latest packet.
    pub span: Option<(CaptureTime, CaptureTime)>,
}

impl Conversation {
    /// Nanoseconds from the first packet to the last.
    #[must_use]
    pub fn duration(&self) -> u64 {
        self.span.map_or(0, |(first, last)| last.since(first))
    }
}

/// The exchanges of one method.
#[derive(Clone, Debug)]
pub struct Calls {
    /// `grpc`, `http`, `websocket`, …
    pub protocol: &'static str,
    /// `pkg.Service/Method`, `GET /path`, `/path`; `None` for all methods beyond
    /// [`MAX_STATS_METHODS`].
    pub name: Option<String>,
    /// How many, those that failed and were cut off included.
    pub count: u64,
    /// Those that failed: a gRPC status other than OK, or none; an HTTP status of
    /// 400 and above, or a reset; a WebSocket closed otherwise than with 1000, 1001
    /// or no code, or with one that must not be sent.
    pub errors: u64,
    /// Those that the end of the capture or a gap cut off: their durations are not
    /// counted.
    pub unfinished: u64,
    /// Messages by side.
    pub messages: [u64; 2],
    /// Bytes of messages by side, as sent (of WebSocket: as decompressed).
    pub bytes: [u64; 2],
    /// Bytes of protobuf messages by side, decompressed, of those whose schema is known…
    pub protobuf: [u64; 2],
    /// …and of the same messages as JSON. Only where messages were looked at.
    pub json: [u64; 2],
    /// How long those took that came to an end.
    pub durations: Durations,
    /// The event that took longest of these, the first where several did, and its
    /// nanoseconds: `explain` takes the number.
    pub slowest: Option<(EventId, u64)>,
}

/// How one exchange went.
pub(super) struct Outcome {
    pub(super) name: String,
    pub(super) error: bool,
    pub(super) unfinished: bool,
    messages: [u64; 2],
    pub(super) bytes: [u64; 2],
}

impl Stats {
    /// Nothing counted.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts in order what was collected.
    pub fn finish(&mut self) {
        self.kinds.sort_by(|a, b| b.packets.cmp(&a.packets).then_with(|| a.name.cmp(&b.name)));
        let key = |c: &Calls| (c.protocol, c.name.is_none());
        self.calls.sort_by(|a, b| key(a).cmp(&key(b)).then_with(|| a.name.cmp(&b.name)));
        self.by_method.clear();
        self.conversations.retain(|c| c.info.is_some());
    }

    fn kind(&mut self, packet: &Packet<'_>) {
        let at = Moment { packet: packet.meta.id, time: packet.meta.time };
        let decoded =
            self.decoder.decode(packet.meta.link.0, packet.data, packet.meta.original_len, at);
        let name: Cow<'static, str> = match decoded.content {
            Content::Tcp(_) => "tcp".into(),
            Content::Udp(_) => "udp".into(),
            Content::Icmp(_) => "icmp".into(),
            Content::Fragment => "fragment".into(),
            Content::Other(name) => name.into(),
        };
        self.decoder.take_lost();
        let full = self.kinds.len() >= MAX_KINDS;
        let place = self.kinds.iter().position(|k| k.name == name).or_else(|| {
            // The last place is for all the rest.
            full.then(|| self.kinds.len() - 1)
        });
        let at = place.unwrap_or_else(|| {
            let name = if self.kinds.len() + 1 == MAX_KINDS { "other".into() } else { name };
            self.kinds.push(Kind { name, packets: 0, bytes: 0 });
            self.kinds.len() - 1
        });
        if let Some(k) = self.kinds.get_mut(at) {
            k.packets += 1;
            k.bytes += packet.data.len() as u64;
        }
    }

    fn exchange(&mut self, id: EventId, draft: &Draft) {
        let Some(detail) = &draft.detail else { return };
        let Outcome { name, error, unfinished, messages, bytes } = outcome(draft, &detail.tree);
        let at = self.place(draft.protocol, shortened(name));
        let Some(calls) = self.calls.get_mut(at) else { return };
        calls.count += 1;
        calls.errors += u64::from(error);
        calls.unfinished += u64::from(unfinished);
        for (sum, n) in calls.messages.iter_mut().zip(messages) {
            *sum = sum.saturating_add(n);
        }
        for (sum, n) in calls.bytes.iter_mut().zip(bytes) {
            *sum = sum.saturating_add(n);
        }
        if let Some(took) = took(draft).filter(|_| !unfinished) {
            calls.durations.add(took, &mut self.room.0);
            if calls.slowest.is_none_or(|(_, most)| took > most) {
                calls.slowest = Some((id, took));
            }
        }
    }

    /// A message of a call, with what it would be as JSON.
    fn message(&mut self, draft: &Draft) {
        let (Some(detail), Some(side)) = (&draft.detail, draft.sender) else { return };
        let tree = &detail.tree;
        let [service, method] = match draft.protocol {
            "grpc" => ["grpc.service", "grpc.method"],
            _ => ["connect.service", "connect.method"],
        };
        let (Some(json), Some(service), Some(method)) =
            (tree.number("protobuf.json_bytes"), text(tree, service), text(tree, method))
        else {
            return;
        };
        let at = self.place(draft.protocol, shortened(format!("{service}/{method}")));
        let Some(calls) = self.calls.get_mut(at) else { return };
        for (sums, n) in [(&mut calls.protobuf, draft.length), (&mut calls.json, json)] {
            if let Some(sum) = sums.get_mut(side.index()) {
                *sum = sum.saturating_add(n);
            }
        }
    }

    /// The line of a method, new where there is none and room for one.
    fn place(&mut self, protocol: &'static str, name: String) -> usize {
        let known = self.by_method.len();
        let key = (protocol, name);
        if let Some(at) = self.by_method.get(&key) {
            return *at;
        }
        let name = (known < MAX_STATS_METHODS).then(|| key.1.clone());
        if name.is_none()
            && let Some(at) =
                self.calls.iter().position(|c| c.protocol == protocol && c.name.is_none())
        {
            return at;
        }
        let at = self.calls.len();
        if name.is_some() {
            self.by_method.insert(key, at);
        }
        self.calls.push(Calls {
            protocol,
            name,
            count: 0,
            errors: 0,
            unfinished: 0,
            messages: [0; 2],
            bytes: [0; 2],
            protobuf: [0; 2],
            json: [0; 2],
            durations: Durations::default(),
            slowest: None,
        });
        at
    }
}

/// A name, cut to what is kept of one.
pub(super) fn shortened(mut name: String) -> String {
    if name.len() > MAX_STATS_NAME {
        let cut = (0..=MAX_STATS_NAME).rev().find(|n| name.is_char_boundary(*n));
        name.truncate(cut.unwrap_or(0));
        name.push('…');
    }
    name
}

/// Nanoseconds that an exchange took; `None` where its beginning was not captured.
pub(super) fn took(draft: &Draft) -> Option<u64> {
    let begun = !matches!(&draft.facts, Some(Facts::Call(c)) if c.joined);
    begun.then(|| draft.end.time.since(draft.start.time))
}

/// What an exchange says of itself.
pub(super) fn outcome(draft: &Draft, tree: &Tree) -> Outcome {
    let number = |name: &str| tree.number(name);
    let pair = |a: &str, b: &str| [number(a).unwrap_or(0), number(b).unwrap_or(0)];
    // Of what was not captured nothing is known: neither that it failed nor when it ended.
    let told = |name: &str| draft.complete && text(tree, name) != Some("not captured");
    match draft.protocol {
        "grpc" => {
            let path = text(tree, "grpc.path").unwrap_or("(path not captured)");
            Outcome {
                name: path.strip_prefix('/').unwrap_or(path).to_owned(),
                error: told("grpc.verdict") && number("grpc.status_code") != Some(0),
                unfinished: !told("grpc.ended"),
                messages: pair("grpc.request_messages", "grpc.response_messages"),
                bytes: pair("grpc.request_bytes", "grpc.response_bytes"),
            }
        }
        "connect" => {
            let path = text(tree, "connect.path").unwrap_or("(path not captured)");
            Outcome {
                name: path.strip_prefix('/').unwrap_or(path).to_owned(),
                error: told("connect.verdict") && number("connect.status") != Some(0),
                unfinished: !told("connect.verdict"),
                messages: pair("connect.request_messages", "connect.response_messages"),
                bytes: pair("connect.request_bytes", "connect.response_bytes"),
            }
        }
        "websocket" => {
            // 1005 stands for no code, unless it was sent.
            let sent = matches!(&draft.facts, Some(Facts::Session(s)) if s.forbidden_close);
            let well = number("websocket.close_code").is_none_or(|c| WELL.contains(&c)) && !sent;
            Outcome {
                name: path_of(text(tree, "websocket.uri")).to_owned(),
                error: draft.complete && !well,
                unfinished: !draft.complete,
                messages: pair("websocket.client_messages", "websocket.server_messages"),
                bytes: pair("websocket.client_bytes", "websocket.server_bytes"),
            }
        }
        "http" => {
            let code = number("http.response.code");
            let found = |code: &str| draft.findings.iter().any(|f| f.spec.code == code);
            let broken_off = found("http.reset") || found("http.client-left");
            let failed = broken_off || code.is_some_and(|c| c >= 400);
            let request = text(tree, "http.request.method");
            Outcome {
                name: match request {
                    Some(m) => format!("{m} {}", path_of(text(tree, "http.request.uri"))),
                    None => "(request not seen)".to_owned(),
                },
                error: failed,
                // An answer before the end of its request is whole.
                unfinished: !draft.complete && !failed && !found("http.answered-early"),
                messages: [u64::from(request.is_some()), u64::from(code.is_some())],
                bytes: pair("http.request.bytes", "http.response.bytes"),
            }
        }
        _ => Outcome {
            name: draft.kind.to_owned(),
            error: false,
            unfinished: !draft.complete,
            messages: [0; 2],
            bytes: [0; 2],
        },
    }
}

/// A request target without its query.
fn path_of(target: Option<&str>) -> &str {
    let target = target.unwrap_or("(path not captured)");
    target.find(['?', '#']).and_then(|at| target.get(..at)).unwrap_or(target)
}

pub(super) fn text<'a>(tree: &'a Tree, name: &str) -> Option<&'a str> {
    match &tree.find(name)?.value {
        Value::Text(t) => Some(t),
        _ => None,
    }
}

fn widen(span: &mut Option<(CaptureTime, CaptureTime)>, time: CaptureTime) {
    *span = Some(span.map_or((time, time), |(a, b)| (a.min(time), b.max(time))));
}

impl EventSink for Stats {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        let draft = &event.draft;
        if draft.level == Level::Message && matches!(draft.protocol, "grpc" | "connect") {
            self.message(draft);
        }
        if draft.level != Level::Exchange {
            return;
        }
        if draft.protocol != "tcp" {
            self.exchange(event.id, draft);
            return;
        }
        // Its conversation's end is told next.
        let ending = match draft.detail.as_ref().and_then(|d| text(&d.tree, "tcp.connection.end")) {
            Some("fin") => Ending::Fin,
            Some("reset") => Ending::Reset,
            _ => Ending::Open,
        };
        self.ended = conversation.map(|c| (c.id, ending));
    }

    fn finding(&mut self, _: FindingEvent, _: Option<&ConversationInfo>) {
        self.findings += 1;
    }

    fn packet(
        &mut self,
        packet: &Packet<'_>,
        conversation: Option<ConversationId>,
        _with: &[PacketId],
    ) {
        self.packets += 1;
        self.captured += packet.data.len() as u64;
        self.on_wire += u64::from(packet.meta.original_len.max(packet.meta.captured_len));
        widen(&mut self.span, packet.meta.time);
        self.kind(packet);
        let Some(at) = conversation.and_then(|c| (c.0 as usize).checked_sub(1)) else { return };
        if at >= MAX_STATS_CONVERSATIONS {
            return;
        }
        if self.conversations.len() <= at {
            self.conversations.resize_with(at + 1, Conversation::default);
        }
        if let Some(c) = self.conversations.get_mut(at) {
            c.packets += 1;
            widen(&mut c.span, packet.meta.time);
        }
    }

    fn ended(&mut self, conversation: &ConversationInfo) {
        self.conversation_count += 1;
        self.ledger.add(&conversation.ledger);
        let ending = match self.ended.take() {
            Some((id, ending)) if id == conversation.id => ending,
            _ => Ending::Unsaid,
        };
        let at = (conversation.id.0 as usize).wrapping_sub(1);
        if let Some(c) = self.conversations.get_mut(at) {
            c.ending = ending;
            c.info = Some(Box::new(conversation.clone()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_have_no_query() {
        assert_eq!(path_of(Some("/a/b?c=1#d")), "/a/b");
        assert_eq!(path_of(Some("/a#b?c")), "/a");
        assert_eq!(path_of(Some("*")), "*");
    }

    #[test]
    fn what_was_not_captured_did_not_fail() {
        use crate::base::Moment;
        use crate::field::FieldSpec;
        use crate::proto::grpc::fields as grpc;
        let call = |fields: &[(&'static FieldSpec, &str)], status: Option<u64>| {
            let now = Moment::default();
            let draft = Draft::new(Level::Exchange, "grpc", "call", now, now);
            let mut tree = Tree::default();
            for (spec, text) in fields {
                tree.add(spec, None, Value::Text((*text).into()));
            }
            if let Some(n) = status {
                tree.add(&grpc::STATUS_CODE, None, Value::U64(n));
            }
            let o = outcome(&draft, &tree);
            (o.error, o.unfinished)
        };
        let lost = "not captured";
        assert_eq!(call(&[(&grpc::VERDICT, "ok")], Some(0)), (false, false));
        assert_eq!(call(&[(&grpc::VERDICT, "status")], Some(14)), (true, false));
        assert_eq!(call(&[(&grpc::VERDICT, "cancelled")], None), (true, false));
        // The trailers came, and what their status is, earlier ones said.
        assert_eq!(call(&[(&grpc::VERDICT, lost), (&grpc::ENDED, "status")], None), (false, false));
        assert_eq!(call(&[(&grpc::VERDICT, lost), (&grpc::ENDED, lost)], None), (false, true));
    }

    #[test]
    fn methods_without_end_are_counted_together() {
        let mut s = Stats::new();
        for i in 0..MAX_STATS_METHODS + 50 {
            let at = s.place("http", format!("GET /{i}"));
            s.calls[at].count += 1;
        }
        s.finish();
        assert_eq!(s.calls.len(), MAX_STATS_METHODS + 1);
        let last = s.calls.last().unwrap();
        assert_eq!((last.name.as_deref(), last.count), (None, 50));
    }
}
