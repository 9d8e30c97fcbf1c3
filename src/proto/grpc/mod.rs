//! gRPC over HTTP/2.
//!
//! Source: the gRPC project's `doc/PROTOCOL-HTTP2.md`, cited as "gRPC over
//! HTTP/2" with the name of the rule. A call is one stream: a request head,
//! length-prefixed messages either way, and trailers with the status.

mod call;
mod encoding;
pub mod fields;
pub mod findings;
mod glimpse;
mod heads;
mod machine;
mod message;
mod metadata;
mod resync;
mod snappy;
mod stall;
mod status;
mod verdict;
pub mod web;
pub mod wire;

#[cfg(test)]
mod tests;

pub use machine::Call;

use crate::proto::{Head, Protocol};

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "grpc",
    label: "gRPC",
    fields: &[fields::FIELDS],
    findings: findings::FINDINGS,
    probe: None,
    claims: Some(claims),
    glimpse: Some(glimpse::glimpse),
    datagram: None,
    tokens: &[],
    start: Some(|| Box::new(Call::new())),
};

/// Whether an exchange is a gRPC call: by the content type of the request, or of
/// the response where the request was not captured.
fn claims(head: &Head<'_>) -> bool {
    head.headers.get("content-type").is_some_and(is_native)
}

/// The content type of a call, in whatever form it is carried.
fn is_grpc(content_type: &[u8]) -> bool {
    is_native(content_type) || web::Form::of(content_type).is_some()
}

/// `application/grpc`, alone or with a `+` suffix or parameters behind it; not
/// `application/grpc-web`.
fn is_native(content_type: &[u8]) -> bool {
    const BASE: &[u8] = b"application/grpc";
    let value = content_type.trim_ascii();
    let Some((base, rest)) = value.split_at_checked(BASE.len()) else { return false };
    base.eq_ignore_ascii_case(BASE)
        && matches!(rest.first(), None | Some(b'+' | b';' | b' ' | b'\t'))
}
