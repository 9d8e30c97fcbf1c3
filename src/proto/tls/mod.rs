//! TLS: records, handshakes, and what is inside where the secrets are known.
//!
//! Everything in clear is shown; with the session's secrets (a key log, or the secrets
//! blocks of a pcapng file) records are opened, and what they carry goes on as a stream
//! of its own, whose protocol is found by its content.

#[doc(hidden)]
pub mod bench_support;
pub mod dtls;
pub mod fields;
pub mod findings;
pub mod names;
pub mod wire;

mod crypto;
mod exchange;
mod ja4;
mod machine;
mod messages;
mod open;
mod orphan;
mod probe;
mod records;
mod secret_help;
mod session;
mod suites;
#[cfg(test)]
mod tests;

use crate::proto::Protocol;

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "tls",
    label: "TLS",
    fields: &[fields::FIELDS],
    findings: findings::FINDINGS,
    probe: Some(probe::probe),
    claims: None,
    datagram: None,
    tokens: &[],
    glimpse: None,
    start: Some(|| Box::new(machine::Tls::default())),
};
