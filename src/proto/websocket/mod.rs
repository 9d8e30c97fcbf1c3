//! WebSocket (RFC 6455) with permessage-deflate (RFC 7692).

use crate::proto::Protocol;

pub mod close;
mod content;
mod credentials;
mod distance;
pub mod fields;
pub mod findings;
mod frame;
mod habits;
mod handshake;
mod inflate;
mod joined;
mod machine;
pub mod mask;
mod message;
mod resync;
mod session;
mod summary;
mod utf8;
mod verdict;
mod watch;
mod window;
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
    probe: Some(joined::probe),
    claims: None,
    glimpse: Some(joined::glimpse),
    datagram: None,
    tokens: &["websocket"],
    start: Some(machine::start),
};
