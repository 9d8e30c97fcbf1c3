//! Protocol Buffers.

use crate::proto::Protocol;

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "protobuf",
    label: "Protocol Buffers",
    fields: &[],
    findings: &[],
    probe: None,
    claims: None,
    datagram: None,
    tokens: &[],
    start: None,
};
