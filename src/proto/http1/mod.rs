//! HTTP/1.0 and 1.1: framing (RFC 9112).
//!
//! The machine finds where messages begin and end, pairs requests with
//! responses, and opens a child for each pair; what the messages mean is for
//! whoever claims the exchange. It emits findings and no events.

use crate::proto::{Machine, Protocol};

pub mod fields;
pub mod findings;
mod machine;
mod message;
mod probe;
#[cfg(test)]
mod tests;
pub mod wire;

pub use machine::Http1;

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "http1",
    label: "HTTP/1",
    fields: &[fields::FIELDS],
    findings: findings::FINDINGS,
    probe: Some(probe::probe),
    claims: None,
    glimpse: None,
    datagram: None,
    tokens: &["http/1.1", "http/1.0"],
    start: Some(start),
};

fn start() -> Box<dyn Machine> {
    Box::new(Http1::new())
}
