//! What the user says that messages are: `--payload websocket=protobuf:pkg.Type`.

use std::fmt;
use std::str::FromStr;

use crate::base::{BufferId, Side};
use crate::event::Detail;
use crate::finding::Finding;
use crate::proto::{PayloadDecoder, PayloadHint, decode};

/// Which sessions a rule is about.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Of {
    /// All.
    Any,
    /// Those with this request target, its query aside.
    Path(String),
    /// Those with this subprotocol.
    Subprotocol(String),
}

/// One rule: the messages of these sessions are of this format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    of: Of,
    /// The subprotocol or media type that stands for the format, by the sender.
    reads: [String; 2],
    text: String,
}

/// Words for formats, with the subprotocol or media type that stands for each.
const FORMATS: &[(&str, &str)] = &[
    ("json", "json"),
    ("jsonrpc", "jsonrpc"),
    ("graphql-ws", "graphql-ws"),
    ("graphql-transport-ws", "graphql-transport-ws"),
    ("socketio", "socket.io"),
    ("stomp", "stomp"),
    ("mqtt", "mqtt"),
    ("signalr", "signalr"),
    ("wamp", "wamp.2.json"),
    ("wamp-msgpack", "wamp.2.msgpack"),
    ("protobuf", "application/protobuf"),
    ("none", "none"),
];

impl Rule {
    /// The full names of the protobuf types that it names.
    pub fn message_types(&self) -> impl Iterator<Item = &str> {
        self.reads.iter().filter_map(|r| r.split_once("messageType=").map(|(_, name)| name))
    }

    fn fits(&self, hint: &PayloadHint<'_>) -> bool {
        match &self.of {
            Of::Any => true,
            Of::Path(p) => hint.path.split('?').next() == Some(p),
            Of::Subprotocol(s) => hint.media_type.eq_ignore_ascii_case(s),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for Rule {
    type Err = String;

    /// Reads `websocket=protobuf:pkg.Type`, `/chat=json`, `chat.v1=protobuf:a.Up,a.Down`.
    fn from_str(text: &str) -> Result<Self, String> {
        let Some((of, format)) = text.split_once('=') else {
            return Err("`=` is expected, as in websocket=protobuf:pkg.Type".to_owned());
        };
        let of = match of.trim() {
            "" => return Err("`websocket`, a subprotocol or a path is expected left of `=`".into()),
            "websocket" => Of::Any,
            p if p.starts_with('/') => Of::Path(p.to_owned()),
            s => Of::Subprotocol(s.to_owned()),
        };
        let (word, types) = match format.trim().split_once(':') {
            Some((word, types)) => (word, Some(types)),
            None => (format.trim(), None),
        };
        let Some((_, read)) = FORMATS.iter().find(|(w, _)| *w == word) else {
            let all: Vec<&str> = FORMATS.iter().map(|f| f.0).collect();
            return Err(format!("there is no format `{word}`; there are {}", all.join(", ")));
        };
        let reads = match types {
            None => [(*read).to_owned(), (*read).to_owned()],
            Some(_) if word != "protobuf" => return Err(format!("`{word}` takes no type")),
            Some(types) => {
                let (up, down) = types.split_once(',').unwrap_or((types, types));
                let name = |t: &str| {
                    let t = t.trim();
                    if t.is_empty() {
                        return Err("a message type is expected behind `protobuf:`".to_owned());
                    }
                    Ok(format!("{read}; messageType={t}"))
                };
                [name(up)?, name(down)?]
            }
        };
        Ok(Self { of, reads, text: text.to_owned() })
    }
}

/// The decoders behind rules: where one fits, its format is what was agreed.
pub struct Ruled {
    rules: Vec<Rule>,
    inner: Vec<Box<dyn PayloadDecoder>>,
}

impl fmt::Debug for Ruled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ruled").field("rules", &self.rules).finish_non_exhaustive()
    }
}

impl Ruled {
    /// These rules before those decoders.
    #[must_use]
    pub fn new(rules: Vec<Rule>, inner: Vec<Box<dyn PayloadDecoder>>) -> Self {
        Self { rules, inner }
    }

    fn hint<'a>(&'a self, hint: &PayloadHint<'a>) -> PayloadHint<'a> {
        if hint.message.is_none() {
            return *hint;
        }
        let index = if hint.side == Side::Client { 0 } else { 1 };
        match self.rules.iter().find(|r| r.fits(hint)).and_then(|r| r.reads.get(index)) {
            Some(read) => PayloadHint { media_type: read, ..*hint },
            None => *hint,
        }
    }
}

impl PayloadDecoder for Ruled {
    fn demands(&self, hint: &PayloadHint<'_>) -> bool {
        let hint = self.hint(hint);
        self.inner.iter().any(|d| d.demands(&hint))
    }

    fn decode(
        &self,
        hint: &PayloadHint<'_>,
        data: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        let hint = self.hint(hint);
        if hint.message.is_some() && hint.media_type == "none" {
            return None;
        }
        decode(&self.inner, &hint, data, detail)
    }

    fn method_pattern(&self, path: &str) -> Option<&'static str> {
        self.inner.iter().find_map(|d| d.method_pattern(path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_read() {
        let r: Rule = "/chat=protobuf:a.Up,a.Down".parse().unwrap();
        assert_eq!(r.of, Of::Path("/chat".into()));
        assert_eq!(r.message_types().collect::<Vec<_>>(), ["a.Up", "a.Down"]);
        let r: Rule = "websocket=mqtt".parse().unwrap();
        assert_eq!((r.of, r.reads[1].as_str()), (Of::Any, "mqtt"));
        for (text, what) in [
            ("websocket", "`=` is expected"),
            ("=json", "left of `=`"),
            ("websocket=xml", "no format `xml`"),
            ("websocket=json:a.B", "takes no type"),
            ("x=protobuf:", "a message type is expected"),
        ] {
            let e = text.parse::<Rule>().unwrap_err();
            assert!(e.contains(what), "{text}: {e}");
        }
    }
}
