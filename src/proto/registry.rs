//! Which protocols there are: one line each.

use crate::proto::{PayloadDecoder, Protocol};
use crate::proto::{grpc, http, http1, http2, protobuf, proxy, sse, websocket};

/// All protocols, in the order in which they are asked.
///
/// `http` comes last: it takes every exchange that nobody else claims.
pub static REGISTRY: &[&Protocol] = &[
    &proxy::PROTOCOL,
    &http1::PROTOCOL,
    &http2::PROTOCOL,
    &websocket::PROTOCOL,
    &grpc::PROTOCOL,
    &protobuf::PROTOCOL,
    &sse::PROTOCOL,
    &http::PROTOCOL,
];

/// The protocol of that name.
#[must_use]
pub fn protocol(name: &str) -> Option<&'static Protocol> {
    REGISTRY.iter().copied().find(|p| p.name == name)
}

/// The payload decoders that need no configuration.
#[must_use]
pub fn decoders() -> Vec<Box<dyn PayloadDecoder>> {
    vec![Box::new(protobuf::Decoder::default())]
}
