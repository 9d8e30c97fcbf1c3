//! Protocol Buffers: a payload decoder, with a schema or without.
//!
//! Source: the project's "Encoding" guide, cited by that name, and its
//! "ProtoJSON" guide for how values are written.

mod build;
pub mod builtin;
pub mod fields;
pub mod findings;
mod known;
mod readings;
mod schema;
mod types;
mod walk;
pub mod wire;

#[cfg(test)]
mod tests;

pub use schema::{Schema, SchemaError, Sources};

use crate::base::limits::MAX_PROTOBUF_DEPTH;
use crate::base::{BufferId, Side, Span};
use crate::event::{Detail, Payload};
use crate::field::{Datum, In, NoSink, Sink, TreeSink, Value};
use crate::finding::Finding;
use crate::proto::{PayloadDecoder, PayloadHint, Protocol};
use types::{MessageType, Types};
use walk::Walk;

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "protobuf",
    label: "Protocol Buffers",
    fields: &[fields::FIELDS],
    findings: findings::FINDINGS,
    probe: None,
    claims: None,
    glimpse: None,
    datagram: None,
    tokens: &[],
    start: None,
};

/// Decodes the messages of gRPC calls.
#[derive(Clone, Debug, Default)]
pub struct Decoder {
    /// What names and types are known.
    pub schema: Option<Schema>,
}

impl Decoder {
    /// The type of a message, and the types that it is among: the schema's, else those
    /// that need none.
    fn message_type(&self, hint: &PayloadHint<'_>) -> (Option<&Types>, Option<&MessageType>) {
        let own = self.schema.as_ref().map(|s| &*s.types);
        let known = named(own, hint);
        if known.is_some() {
            return (own, known);
        }
        let builtin = builtin::for_path(hint.path).map(|s| &*s.types);
        match named(builtin, hint) {
            Some(t) => (builtin, Some(t)),
            None => (own, None),
        }
    }
}

/// The type of a message among these.
fn named<'a>(types: Option<&'a Types>, hint: &PayloadHint<'_>) -> Option<&'a MessageType> {
    let types = types?;
    if let Some(name) = named_type(hint.media_type) {
        return types.by_name.get(name).and_then(|i| types.message(*i));
    }
    let method = types.method(hint.path)?;
    types.message(match hint.side {
        Side::Client => method.input,
        Side::Server => method.output,
    })
}

/// The media types of protobuf: gRPC's, gRPC-Web's, Connect's and its own, parameters
/// aside.
fn is_protobuf(media_type: &str) -> bool {
    let base = media_type.split(';').next().unwrap_or_default().trim();
    [
        "application/grpc",
        "application/grpc+proto",
        "application/grpc-web",
        "application/grpc-web+proto",
        "application/grpc-web-text",
        "application/grpc-web-text+proto",
        "application/proto",
        "application/connect+proto",
        "application/protobuf",
        "application/x-protobuf",
    ]
    .iter()
    .any(|m| base.eq_ignore_ascii_case(m))
}

/// The type that a media type names: `application/protobuf; messageType="pkg.Type"`.
fn named_type(media_type: &str) -> Option<&str> {
    let parameter = media_type.split(';').skip(1).map(str::trim);
    parameter
        .filter_map(|p| p.split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("messagetype"))
        .map(|(_, value)| value.trim().trim_matches('"'))
}

/// Whether bytes that are no protobuf are JSON by the look of them. Some servers send
/// JSON as `application/grpc`, without saying so with `+json`.
fn looks_like_json(data: &[u8]) -> bool {
    let text = data.trim_ascii();
    let ends =
        matches!((text.first(), text.last()), (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')));
    ends && simdutf8::basic::from_utf8(text).is_ok()
}

impl PayloadDecoder for Decoder {
    fn demands(&self, hint: &PayloadHint<'_>) -> bool {
        hint.message.is_some_and(|m| m.binary) && is_protobuf(hint.media_type)
    }

    fn decode(
        &self,
        hint: &PayloadHint<'_>,
        data: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        if !is_protobuf(hint.media_type) || hint.message.is_some_and(|m| !m.binary) {
            return None;
        }
        let (types, ty) = self.message_type(hint);
        let mut walk = Walk::new(types);
        if detail.is_none() || ty.is_none() {
            walk.message(In::new(data, BufferId(0), 0, &NoSink), ty, None, 0);
            if ty.is_none() && !walk.findings.is_empty() && looks_like_json(data) {
                return None;
            }
        }
        let Some((detail, buffer)) = detail else { return Some(walk.findings) };
        let mut walk = Walk::new(types);
        let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let sink = TreeSink::on(std::mem::take(&mut detail.tree));
        sink.open(&fields::MESSAGE, Span::bytes(buffer, 0, 0));
        if let Some(t) = ty {
            sink.name(&t.name);
        }
        let (_, build) = walk.message(In::new(data, buffer, 0, &sink), ty, None, 0);
        sink.close(len);
        detail.tree = sink.into_tree();
        if let Some(t) = ty {
            detail.tree.add(&fields::MESSAGE_NAME, None, Value::Text(t.name.as_str().into()));
        }
        detail.payload = match ty {
            Some(t) => {
                // At the top a message stays a map, a Timestamp as well.
                let map = build.map();
                let value = match known::show(&t.name, &map) {
                    Some(Datum::Map(m)) => Datum::Map(m),
                    _ if t.name == "google.protobuf.Any" => known::any(map),
                    _ => Datum::Map(map),
                };
                Payload::Protobuf { type_name: Some(t.name.clone()), value }
            }
            None => {
                let mut budget = readings::Budget::new();
                let list = readings::message(data, MAX_PROTOBUF_DEPTH, &mut budget);
                Payload::Protobuf { type_name: None, value: Datum::List(list) }
            }
        };
        if hint.message.is_some() {
            detail.summary = match &detail.payload {
                Payload::Protobuf { type_name: Some(name), value } => {
                    format!("{} {}", name.rsplit('.').next().unwrap_or(name), value.line(200))
                }
                Payload::Protobuf { value, .. } => format!("~{}", value.wire_line(200)),
                _ => std::mem::take(&mut detail.summary),
            };
        }
        Some(walk.findings)
    }

    fn method_pattern(&self, path: &str) -> Option<&'static str> {
        let own = self.schema.as_ref().and_then(|s| s.types.method(path));
        let builtin = || builtin::for_path(path)?.types.method(path);
        own.or_else(builtin).map(|m| m.pattern)
    }
}
