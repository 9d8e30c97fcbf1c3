//! Decode-as: conversations that are given to a protocol, whatever their bytes
//! look like (`-d tcp.port==8080,websocket`).

use std::fmt;

use crate::engine::ConversationInfo;
use crate::flow::Transport;
use crate::proto::{Protocol, REGISTRY, protocol};

/// What a conversation is read as.
#[derive(Clone, Copy)]
pub enum DecodeAs {
    /// What its bytes look like, as without a rule.
    Found,
    /// Nobody's bytes.
    Opaque,
    /// This protocol.
    Protocol(&'static Protocol),
    /// Protobuf messages with nothing around them: the full names of the client's type
    /// and the server's, empty where they are not told.
    Messages([&'static str; 2]),
}

impl DecodeAs {
    /// Everything that can be chosen: the protocols that stand on the bytes of a
    /// conversation, then `opaque` and `none`.
    pub fn all() -> impl Iterator<Item = Self> {
        let protocols = REGISTRY.iter().copied().filter(|p| stands_on_bytes(p));
        protocols.map(Self::Protocol).chain([Self::Opaque, Self::Found])
    }

    /// The word for it: a protocol's name, `opaque`, or `none`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Found => "none",
            Self::Opaque => "opaque",
            Self::Protocol(p) => p.name,
            Self::Messages(_) => "protobuf",
        }
    }

    /// The names of the message types that it tells.
    pub fn message_types(self) -> impl Iterator<Item = &'static str> {
        let types = if let Self::Messages(types) = self { types } else { ["", ""] };
        types.into_iter().filter(|t| !t.is_empty())
    }

    /// For people.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Found => "what its bytes look like",
            Self::Opaque => "nobody's bytes",
            Self::Protocol(p) => p.label,
            Self::Messages(_) => "Protocol Buffers",
        }
    }

    /// What rules say of a conversation: the last that fits counts.
    #[must_use]
    pub fn by_rules(rules: &[Rule], info: &ConversationInfo) -> Self {
        rules.iter().rev().find(|r| r.fits(info)).map_or(Self::Found, |r| r.read)
    }

    fn named(word: &str) -> Result<Self, String> {
        if let Some(types) = word.strip_prefix("protobuf")
            && let Some(types) = if types.is_empty() { Some("") } else { types.strip_prefix(':') }
        {
            let (up, down) = types.split_once(',').unwrap_or((types, types));
            // A rule lives as long as the program, and there are few.
            let name = |t: &str| -> &'static str {
                String::leak(t.trim().trim_start_matches('.').to_owned())
            };
            return Ok(Self::Messages([name(up), name(down)]));
        }
        if let Some(found) = Self::all().find(|d| d.name() == word) {
            return Ok(found);
        }
        let all: Vec<&str> = Self::all().map(Self::name).collect();
        let all = format!("{}, protobuf:TYPE", all.join(", "));
        Err(match protocol(word) {
            Some(p) => format!("{} is found within others; name what carries it: {all}", p.label),
            None => format!("there is no protocol `{word}`; there are {all}"),
        })
    }
}

impl PartialEq for DecodeAs {
    fn eq(&self, other: &Self) -> bool {
        self.name() == other.name() && self.message_types().eq(other.message_types())
    }
}

impl Eq for DecodeAs {}

impl fmt::Debug for DecodeAs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// Whether a protocol takes the bytes of a conversation, rather than exchanges or
/// payloads that another one has found.
fn stands_on_bytes(p: &Protocol) -> bool {
    p.start.is_some() && (p.probe.is_some() || p.datagram.is_some() || !p.tokens.is_empty())
}

/// Which conversations a rule is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Selector {
    /// TCP connections with this port at either end.
    TcpPort(u16),
    /// UDP flows with this port at either end.
    UdpPort(u16),
    /// The conversation of this number, from 1.
    Conversation(u32),
}

/// The names of selectors.
const SELECTORS: &str = "tcp.port, udp.port or conversation";

/// One rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Which conversations.
    pub of: Selector,
    /// What they are.
    pub read: DecodeAs,
}

/// What is wrong with the text of a rule, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RuleError {
    /// Column of the first character that is wrong, from 1.
    pub column: usize,
    /// What is wrong: one line.
    pub what: String,
}

impl fmt::Display for RuleError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "column {}: {}", self.column, self.what)
    }
}

impl std::error::Error for RuleError {}

impl std::str::FromStr for Rule {
    type Err = RuleError;

    /// Reads `tcp.port==8080,websocket`. Blanks around the parts do not matter.
    fn from_str(text: &str) -> Result<Self, RuleError> {
        let wrong = |at: usize, what: String| {
            let before = text.get(..at).unwrap_or(text);
            RuleError { column: before.chars().count() + 1, what }
        };
        // Where a part begins in the text, behind its blanks.
        let at = |part: &str| part.as_ptr() as usize - text.as_ptr() as usize;
        let selector = text.trim_start();
        let end = selector.find(|c: char| !(c.is_ascii_alphanumeric() || c == '.' || c == '_'));
        let (name, rest) = selector.split_at(end.unwrap_or(selector.len()));
        if !["tcp.port", "udp.port", "conversation"].contains(&name) {
            let what = if name.is_empty() {
                format!("{SELECTORS} is expected")
            } else {
                format!("`{name}` selects nothing here; {SELECTORS} does")
            };
            return Err(wrong(at(selector), what));
        }
        let rest = rest.trim_start();
        let Some(rest) = rest.strip_prefix("==") else {
            return Err(wrong(at(rest), format!("== is expected behind {name}")));
        };
        let rest = rest.trim_start();
        let end = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
        let (digits, behind) = rest.split_at(end);
        let number = |most: u32, what: &str| {
            let n = digits.parse::<u32>().ok().filter(|n| (1..=most).contains(n));
            n.ok_or_else(|| wrong(at(rest), format!("{what} is expected, 1 to {most}")))
        };
        let port = || number(u32::from(u16::MAX), "a port").map(|n| n as u16);
        let of = match name {
            "tcp.port" => Selector::TcpPort(port()?),
            "udp.port" => Selector::UdpPort(port()?),
            _ => Selector::Conversation(number(u32::MAX, "the number of a conversation")?),
        };
        let behind = behind.trim_start();
        let Some(word) = behind.strip_prefix(',') else {
            let what = "a comma and a protocol are expected, as in ,websocket";
            return Err(wrong(at(behind), what.to_owned()));
        };
        let word = word.trim();
        let read = DecodeAs::named(word).map_err(|what| wrong(at(word), what))?;
        if let (Selector::UdpPort(_), DecodeAs::Protocol(p)) = (of, read)
            && p.datagram.is_none()
        {
            return Err(wrong(at(word), format!("{} is not spoken over UDP", p.label)));
        }
        Ok(Self { of, read })
    }
}

impl Rule {
    /// Whether it is about this conversation.
    #[must_use]
    pub fn fits(&self, info: &ConversationInfo) -> bool {
        let port = |p: u16| info.ends.iter().any(|e| e.port() == p);
        match self.of {
            Selector::TcpPort(p) => info.transport == Transport::Tcp && port(p),
            Selector::UdpPort(p) => info.transport == Transport::Udp && port(p),
            Selector::Conversation(n) => info.id.0 == n,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(text: &str) -> Result<Rule, RuleError> {
        text.parse()
    }

    #[test]
    fn rules_are_read() {
        let websocket = DecodeAs::named("websocket").unwrap();
        let port = Rule { of: Selector::TcpPort(8080), read: websocket };
        assert_eq!(rule("tcp.port==8080,websocket"), Ok(port));
        assert_eq!(rule(" tcp.port == 8080 , websocket "), Ok(port));
        let udp = rule("udp.port==53,opaque").unwrap();
        assert_eq!((udp.of, udp.read), (Selector::UdpPort(53), DecodeAs::Opaque));
        let one = rule("conversation==3,none").unwrap();
        assert_eq!((one.of, one.read), (Selector::Conversation(3), DecodeAs::Found));
    }

    #[test]
    fn mistakes_are_pointed_at() {
        for (text, column, what) in [
            ("", 1, "tcp.port, udp.port or conversation"),
            ("  port==1,http2", 3, "`port` selects nothing"),
            ("tcp.port=8080,websocket", 9, "== is expected"),
            ("tcp.port", 9, "== is expected"),
            ("tcp.port==,websocket", 11, "a port is expected"),
            ("tcp.port==70000,websocket", 11, "1 to 65535"),
            ("tcp.port==8080", 15, "a comma"),
            ("tcp.port==8080 websocket", 16, "a comma"),
            (
                "tcp.port==8080,webSocket",
                16,
                "no protocol `webSocket`; there are proxy, tls, dtls, http1, htt",
            ),
            ("tcp.port==8080, grpc", 17, "found within others"),
            ("conversation==0,http2", 15, "the number of a conversation"),
            ("udp.port==53,http2", 14, "not spoken over UDP"),
            ("tcp.port==8080,é", 16, "no protocol `é`"),
        ] {
            let e = rule(text).unwrap_err();
            assert_eq!(e.column, column, "{text}: {e}");
            assert!(e.what.contains(what), "{text}: {e}");
            assert!(!e.to_string().contains('\n'), "{text}: {e}");
        }
    }
}
