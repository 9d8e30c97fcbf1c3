//! Events: what happened on the wire, at one of four levels.
//!
//! Every event is emitted, numbered and timed; its [`Detail`] (tree, buffers,
//! payload, summary) is built only for those that somebody looks at.

use crate::base::{CaptureTime, ConversationId, EventId, Moment, Origins, PacketId, Side};
use crate::facts::Facts;
use crate::field::{Datum, Tree};
use crate::finding::Finding;

/// How closely one looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// A captured packet.
    Packet,
    /// A frame of a framed protocol.
    Frame,
    /// What a program sent: a WebSocket message, a request, a gRPC message.
    Message,
    /// What belongs together: a call, a session, a request with its response.
    Exchange,
    /// What is wrong or odd.
    Finding,
}

impl Level {
    /// All levels.
    pub const ALL: [Self; 5] =
        [Self::Packet, Self::Frame, Self::Message, Self::Exchange, Self::Finding];

    /// As in JSON and on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Packet => "packet",
            Self::Frame => "frame",
            Self::Message => "message",
            Self::Exchange => "exchange",
            Self::Finding => "finding",
        }
    }

    /// Its place where frames, messages and exchanges are counted or listed, in this order.
    #[must_use]
    pub const fn place(self) -> Option<usize> {
        match self {
            Self::Frame => Some(0),
            Self::Message => Some(1),
            Self::Exchange => Some(2),
            Self::Packet | Self::Finding => None,
        }
    }

    /// The level of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|l| l.name() == name)
    }
}

/// What an event carried, as a decoder understood it.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Payload {
    /// Nothing.
    #[default]
    None,
    /// Bytes. Views show them as text where they are UTF-8, unless the event is
    /// a frame.
    Bytes(Vec<u8>),
    /// A protobuf message: with a type, the fields by name; without, the list of
    /// wire fields with their readings.
    Protobuf {
        /// Full name of the message type, where a schema gives it.
        type_name: Option<String>,
        /// [`Datum::Map`] with a type, [`Datum::List`] without.
        value: Datum,
    },
}

/// Characters of a payload in a line.
const LINE_CHARS: usize = 160;

impl Payload {
    /// `GetUserRequest {id: 42}`, `~{1: 42, 2: "Alice"}`, text, or its length in bytes.
    #[must_use]
    pub fn line(&self, length: u64) -> String {
        match self {
            Self::Protobuf { type_name: Some(name), value } => {
                let short = name.rsplit('.').next().unwrap_or(name);
                format!("{short} {}", value.line(LINE_CHARS))
            }
            Self::Protobuf { type_name: None, value } => {
                format!("~{}", value.wire_line(LINE_CHARS))
            }
            Self::Bytes(b) => match std::str::from_utf8(b) {
                Ok(t)
                    if !t.is_empty()
                        && !t.chars().any(|c| c.is_control() && !c.is_whitespace()) =>
                {
                    let mut line: String = t.chars().take(LINE_CHARS).collect();
                    if line.len() < t.len() {
                        line.push('…');
                    }
                    line
                }
                _ => format!("{length} bytes"),
            },
            Self::None => format!("{length} bytes"),
        }
    }
}

/// What is built only when somebody looks.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Detail {
    /// One line for people.
    pub summary: String,
    /// The fields.
    pub tree: Tree,
    /// The bytes, and where they came from. Buffer 0 is what was on the wire.
    pub origins: Origins,
    /// What it carried.
    pub payload: Payload,
    /// Length of the whole payload in bytes, where `payload` was cut.
    pub truncated: Option<u64>,
}

/// An event as a machine emits it; the engine adds what it alone knows.
#[derive(Clone, Debug)]
pub struct Draft {
    /// Frame, message or exchange.
    pub level: Level,
    /// `websocket`, `http2`, `grpc`, …
    pub protocol: &'static str,
    /// `text`, `headers`, `call`, …
    pub kind: &'static str,
    /// Who sent it; `None` for what both took part in.
    pub sender: Option<Side>,
    /// The HTTP/2 stream where the machine knows better than the stream it
    /// stands on (its own frames).
    pub stream: Option<u64>,
    /// Its first byte.
    pub start: Moment,
    /// The packet that completed it.
    pub end: Moment,
    /// Bytes of payload.
    pub length: u64,
    /// `false` where the end of the capture or a gap cut it off.
    pub complete: bool,
    /// Recognised by content, without the beginning that would prove it.
    pub inferred: bool,
    /// What is wrong with it.
    pub findings: Vec<Finding>,
    /// Of an exchange: what it says of itself to those who look across conversations.
    pub facts: Option<Facts>,
    /// Where somebody looks (see `Out::wants`).
    pub detail: Option<Box<Detail>>,
}

impl Draft {
    /// A complete event of one moment with nothing said about it.
    #[must_use]
    pub const fn new(
        level: Level,
        protocol: &'static str,
        kind: &'static str,
        start: Moment,
        end: Moment,
    ) -> Self {
        Self {
            level,
            protocol,
            kind,
            sender: None,
            stream: None,
            start,
            end,
            length: 0,
            complete: true,
            inferred: false,
            findings: Vec::new(),
            facts: None,
            detail: None,
        }
    }
}

/// An event with its number and its conversation.
#[derive(Clone, Debug)]
pub struct Event {
    /// Number; 0 for packet events, which go by the number of their packet, and
    /// for findings.
    pub id: EventId,
    /// The conversation; `None` for a packet that belongs to none.
    pub conversation: Option<ConversationId>,
    /// What the machine said.
    pub draft: Draft,
}

impl Event {
    /// The event with all that it holds, in whose place an empty one is left.
    #[must_use]
    pub fn take(&mut self) -> Self {
        let Draft { level, protocol, kind, start, end, .. } = self.draft;
        let left = Draft::new(level, protocol, kind, start, end);
        let draft = std::mem::replace(&mut self.draft, left);
        Self { id: self.id, conversation: self.conversation, draft }
    }

    /// Time of the packet that completed it.
    #[must_use]
    pub const fn time(&self) -> CaptureTime {
        self.draft.end.time
    }

    /// The packets that carried it; only the first and the last are known where
    /// there is no detail.
    #[must_use]
    pub fn packets(&self) -> Vec<PacketId> {
        let known = self.draft.detail.as_ref().map(|d| d.origins.packets()).unwrap_or_default();
        if !known.is_empty() {
            return known;
        }
        let (a, b) = (self.draft.start.packet, self.draft.end.packet);
        if a == b { vec![a] } else { vec![a, b] }
    }
}
