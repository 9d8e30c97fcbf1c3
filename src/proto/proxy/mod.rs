//! The PROXY protocol, versions 1 and 2: what a proxy says of the connection that it
//! passes on, before the first byte of it.
//!
//! Source: HAProxy's `doc/proxy-protocol.txt`, cited as "PROXY protocol". One header
//! stands at the beginning of the client's direction; everything behind it, and the
//! whole of the server's direction, is another protocol's, found by content.

pub mod fields;
pub mod findings;
mod machine;
#[cfg(test)]
mod tests;
pub mod wire;

use crate::base::Side;
use crate::proto::{Probe, Protocol, Verdict};

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "proxy",
    label: "PROXY protocol",
    fields: &[fields::FIELDS],
    findings: findings::FINDINGS,
    probe: Some(probe),
    claims: None,
    glimpse: None,
    datagram: None,
    tokens: &[],
    start: Some(|| Box::new(machine::Proxy::default())),
};

/// What each form of header begins with.
const BEGINNINGS: [&[u8]; 3] = [b"PROXY TCP", b"PROXY UNKNOWN", &wire::SIGNATURE];

/// Known by the beginning of a header, which was chosen so that it is nothing else's
/// (§2.1, §2.2). Whoever sends it acts as the client.
fn probe(p: &Probe<'_>) -> Verdict {
    let mut verdict = Verdict::No;
    for (data, side) in p.data.iter().zip(Side::BOTH).filter(|(d, _)| !d.is_empty()) {
        if BEGINNINGS.iter().any(|b| data.starts_with(b)) {
            return Verdict::Yes { client: Some(side) };
        }
        if !p.last && BEGINNINGS.iter().any(|b| b.starts_with(data)) {
            verdict = Verdict::More;
        }
    }
    verdict
}
