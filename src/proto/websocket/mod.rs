//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692).

use crate::proto::Protocol;

pub mod close;
pub mod fields;
pub mod findings;
mod frame;
mod handshake;
mod inflate;
mod machine;
pub mod mask;
mod message;
mod session;
mod summary;
mod utf8;
pub mod wire;

#[cfg(test)]
mod tests;

pub use fields::FIELDS;
pub use findings::FINDINGS;

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "websocket",
    label: "WebSocket",
    fields: &[FIELDS],
    findings: FINDINGS,
    probe: None,
    claims: None,
    glimpse: None,
    datagram: None,
    tokens: &["websocket"],
    start: Some(machine::start),
};
