//! HTTP/2.

use crate::proto::Protocol;

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "http2",
    label: "HTTP/2",
    fields: &[],
    findings: &[],
    probe: None,
    claims: None,
    datagram: None,
    tokens: &[],
    start: None,
};
