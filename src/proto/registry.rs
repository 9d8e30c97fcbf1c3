//! Which protocols there are: one line each.

use crate::base::BufferId;
use crate::event::Detail;
use crate::finding::Finding;
use crate::proto::{PayloadDecoder, PayloadHint, Protocol};
use crate::proto::{
    connect, grpc, http, http1, http2, payload, protobuf, proxy, sse, tls, websocket,
};

/// All protocols, in the order in which they are asked.
///
/// `http` comes last: it takes every exchange that nobody else claims.
pub static REGISTRY: &[&Protocol] = &[
    &proxy::PROTOCOL,
    &tls::PROTOCOL,
    &tls::dtls::PROTOCOL,
    &http1::PROTOCOL,
    &http2::PROTOCOL,
    &websocket::PROTOCOL,
    &grpc::PROTOCOL,
    &grpc::web::PROTOCOL,
    &connect::PROTOCOL,
    &protobuf::PROTOCOL,
    &payload::json::PROTOCOL,
    &payload::msgpack::PROTOCOL,
    &payload::jsonrpc::PROTOCOL,
    &payload::graphql::PROTOCOL,
    &payload::socketio::PROTOCOL,
    &payload::stomp::PROTOCOL,
    &payload::mqtt::PROTOCOL,
    &payload::signalr::PROTOCOL,
    &payload::wamp::PROTOCOL,
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
    decoders_with(None, Vec::new())
}

/// All payload decoders, with what schemas and rules (`--proto`, `--payload`) say.
#[must_use]
pub fn decoders_with(
    schema: Option<protobuf::Schema>,
    rules: Vec<payload::Rule>,
) -> Vec<Box<dyn PayloadDecoder>> {
    decoders_learning(schema, rules, None)
}

/// The same, which read as well what a capture itself says of its schemas.
#[must_use]
pub fn decoders_learning(
    schema: Option<protobuf::Schema>,
    rules: Vec<payload::Rule>,
    learnt: Option<std::sync::Arc<protobuf::Learnt>>,
) -> Vec<Box<dyn PayloadDecoder>> {
    let mut all: Vec<Box<dyn PayloadDecoder>> =
        vec![Box::new(protobuf::Decoder { schema, learnt })];
    all.extend(payload::decoders());
    if rules.is_empty() { all } else { vec![Box::new(payload::Ruled::new(rules, all))] }
}

/// Gives a payload to the decoder that demands it, else to the first that knows it.
pub fn decode(
    all: &[Box<dyn PayloadDecoder>],
    hint: &PayloadHint<'_>,
    data: &[u8],
    mut detail: Option<(&mut Detail, BufferId)>,
) -> Option<Vec<Finding>> {
    if let Some(d) = all.iter().find(|d| d.demands(hint)) {
        return d.decode(hint, data, detail);
    }
    all.iter().find_map(|d| {
        d.decode(hint, data, detail.as_mut().map(|(detail, buffer)| (&mut **detail, *buffer)))
    })
}
