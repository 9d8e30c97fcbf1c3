//! HTTP's semantics (RFC 9110): requests, responses and exchanges, whatever
//! version carried them.

use crate::proto::{Head, Machine, Protocol};

mod body;
mod exchange;
pub mod fields;
pub mod findings;
mod hash;
mod hops;
mod left;
mod machine;
mod message;
mod nothing;
mod preflight;
mod stream;
#[cfg(test)]
mod tests;
mod text;

pub use machine::Http;

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "http",
    label: "HTTP",
    fields: &[fields::FIELDS],
    findings: findings::FINDINGS,
    probe: None,
    claims: Some(claims),
    glimpse: None,
    datagram: None,
    tokens: &[],
    start: Some(start),
};

/// Every exchange: it is asked last.
fn claims(_: &Head<'_>) -> bool {
    true
}

/// The hash of a body, as [`HttpFacts`](crate::facts::HttpFacts) has it.
#[must_use]
pub fn body_hash(body: &[u8]) -> u64 {
    let mut hash = hash::Hash::default();
    hash.update(body);
    hash.value()
}

fn start() -> Box<dyn Machine> {
    Box::new(Http::new())
}
