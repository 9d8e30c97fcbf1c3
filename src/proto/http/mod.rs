//! HTTP.

use crate::proto::Protocol;

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "http",
    label: "HTTP",
    fields: &[],
    findings: &[],
    probe: None,
    claims: None,
    datagram: None,
    tokens: &[],
    start: None,
};
