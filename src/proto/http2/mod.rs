//! HTTP/2: frames (RFC 9113), header compression (RFC 7541), ALTSVC (RFC 7838),
//! ORIGIN (RFC 8336), extended CONNECT (RFC 8441), PRIORITY_UPDATE (RFC 9218).

use crate::proto::{Machine, Protocol};

#[doc(hidden)]
pub mod bench_support;
mod chain;
mod codes;
mod connection;
mod fields;
mod findings;
mod hpack;
mod machine;
mod priority;
mod probe;
mod specimen;
mod streaming;
mod streams;
mod summary;
mod wire;

#[cfg(test)]
mod tests;

pub use codes::{error, frame_type, setting};
pub use specimen::{Frame, Reader};

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "http2",
    label: "HTTP/2",
    fields: &[fields::FIELDS, fields::HEADER_FIELDS, fields::ACCOUNT_FIELDS],
    findings: findings::FINDINGS,
    probe: Some(probe::probe),
    claims: None,
    glimpse: None,
    datagram: None,
    tokens: &["h2c", "h2"],
    start: Some(start),
};

fn start() -> Box<dyn Machine> {
    Box::new(machine::Http2::default())
}
