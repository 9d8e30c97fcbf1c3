//! The Connect protocol: calls as ordinary HTTP, or as a stream of enveloped messages.
//!
//! Source: the Connect project's "Protocol Reference", cited as "Connect" with the name
//! of the section. A unary call is a POST or a GET whose body is the message and whose
//! HTTP status says how it ended; a streaming call is a POST both bodies of which are
//! envelopes, the server's last one holding the end of the stream as JSON.

mod call;
mod error;
pub mod fields;
pub mod findings;
mod heads;
mod machine;
mod message;
mod query;
pub mod wire;

#[cfg(test)]
mod tests;

pub use machine::Call;

use crate::base::Side;
use crate::proto::{Head, Protocol};

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "connect",
    label: "Connect",
    fields: &[fields::FIELDS],
    findings: findings::FINDINGS,
    probe: None,
    claims: Some(claims),
    glimpse: None,
    datagram: None,
    tokens: &[],
    start: Some(|| Box::new(Call::new())),
};

/// Whether an exchange is a Connect call.
///
/// A stream says so by its content type. A unary call says so by its version, in a field
/// of the head or of the query; without that, by the content type that only Connect has.
fn claims(head: &Head<'_>) -> bool {
    let h = head.headers;
    let content_type = h.get("content-type").map(Codec::of);
    match content_type {
        Some(Some(c)) if c.stream => return true,
        Some(Some(c)) if &*c.name == "proto" => return true,
        _ => {}
    }
    if head.side == Side::Server {
        return false;
    }
    match h.get(":method") {
        Some(b"POST") => h.get("connect-protocol-version").is_some(),
        Some(b"GET") => {
            h.get(":path").and_then(|p| query::get(p, b"connect")).is_some_and(|v| v == "v1")
        }
        _ => false,
    }
}

/// How messages are written, by a content type.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Codec {
    /// `proto`, `json`, or another.
    name: Box<str>,
    /// Enveloped.
    stream: bool,
}

impl Codec {
    /// `application/NAME`, or `application/connect+NAME` for a stream.
    fn of(content_type: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(content_type).ok()?;
        let base = text.split(';').next()?.trim().to_ascii_lowercase();
        let rest = base.strip_prefix("application/")?;
        let (name, stream) = match rest.strip_prefix("connect+") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        (!name.is_empty()).then(|| Self { name: name.into(), stream })
    }
}
