//! Server-sent events: a stream of events in a response of HTTP (WHATWG HTML §9.2).
//!
//! Found by the response's media type, whatever version of HTTP carried it and however
//! its body was framed or compressed; see `proto/http/machine.rs` for how it comes here.

use crate::proto::{Machine, Protocol};

mod block;
pub mod fields;
pub mod findings;
mod habits;
mod machine;
mod session;
#[cfg(test)]
mod tests;
mod utf8;
pub mod wire;

pub use machine::Sse;

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "sse",
    label: "Server-sent events",
    fields: &[fields::FIELDS],
    findings: findings::FINDINGS,
    probe: None,
    claims: None,
    glimpse: None,
    datagram: None,
    tokens: &["text/event-stream"],
    start: Some(start),
};

fn start() -> Box<dyn Machine> {
    Box::new(Sse::default())
}
