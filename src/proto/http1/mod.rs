//! HTTP/1.

use crate::proto::Protocol;

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "http1",
    label: "HTTP/1",
    fields: &[],
    findings: &[],
    probe: None,
    claims: None,
    datagram: None,
    tokens: &[],
    start: None,
};
