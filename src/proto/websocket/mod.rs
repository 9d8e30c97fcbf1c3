//! WebSocket.

use crate::proto::Protocol;

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "websocket",
    label: "WebSocket",
    fields: &[],
    findings: &[],
    probe: None,
    claims: None,
    datagram: None,
    tokens: &[],
    start: None,
};
