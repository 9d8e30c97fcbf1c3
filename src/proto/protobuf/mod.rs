//! Protocol Buffers: a payload decoder, with a schema or without.
//!
//! Source: the project's "Encoding" guide, cited by that name, and its
//! "ProtoJSON" guide for how values are written.

mod build;
pub mod builtin;
mod carried;
pub mod fields;
mod files;
pub mod findings;
mod infer;
mod known;
mod learnt;
mod print;
mod readings;
mod schema;
mod types;
mod walk;
pub mod wire;

#[cfg(test)]
mod tests;

pub use carried::Carried;
pub use learnt::{Learnt, LearntFile, Report};
pub use schema::{Schema, SchemaError, Sources};

use std::ops::Deref;
use std::sync::Arc;

use crate::base::limits::MAX_PROTOBUF_DEPTH;
use crate::base::{BufferId, Side, Span};
use crate::event::{Detail, Payload};
use crate::field::{Datum, In, NoSink, Sink, TreeSink, Value};
use crate::finding::{Finding, Severity};
use crate::proto::decoder::looks_like_json;
use crate::proto::{PayloadDecoder, PayloadHint, Protocol};
use infer::Guess;
use learnt::Reading;
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
    /// What the capture itself says; the schema comes first.
    pub learnt: Option<Arc<Learnt>>,
}

impl Decoder {
    /// The tables that know the type of a message which the schema does not know: those that
    /// were learnt, else those of services that everybody knows.
    fn other_types(&self, hint: &PayloadHint<'_>) -> Option<Tables> {
        let says = |t: &Types| message_type(t, hint).is_some();
        let learnt = self.learnt.as_ref().and_then(|l| l.types()).filter(|t| says(t));
        let builtin = || builtin::for_path(hint.path).map(|s| &*s.types).filter(|t| says(t));
        learnt.map(Tables::Learnt).or_else(|| builtin().map(Tables::Builtin))
    }
}

/// Tables beside the schema's.
enum Tables {
    Learnt(Arc<Types>),
    Builtin(&'static Types),
}

impl Deref for Tables {
    type Target = Types;

    fn deref(&self) -> &Types {
        match self {
            Self::Learnt(types) => types,
            Self::Builtin(types) => types,
        }
    }
}

/// The type of a message, where the tables know it.
fn message_type<'t>(types: &'t Types, hint: &PayloadHint<'_>) -> Option<&'t MessageType> {
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
    // As nearly all are written.
    if matches!(media_type, "application/grpc" | "application/grpc+proto" | "application/proto") {
        return true;
    }
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
        // Threads share the schema: it is borrowed, since to count who has it would cost more
        // than most messages do.
        let given = self.schema.as_ref().map(|s| &*s.types);
        let of_given = given.and_then(|t| message_type(t, hint));
        let other = if of_given.is_none() { self.other_types(hint) } else { None };
        let types = other.as_deref().or(given);
        let ty = of_given.or_else(|| other.as_deref().and_then(|t| message_type(t, hint)));
        let mut walk = Walk::new(types);
        if detail.is_none() || ty.is_none() {
            walk.message(In::new(data, BufferId(0), 0, &NoSink), ty, None, 0);
            if ty.is_none() && !walk.findings.is_empty() && looks_like_json(data) {
                return None;
            }
            // Nothing says that it is protobuf, and it is not: the call says so, once.
            let wrong = || walk.findings.iter().any(|f| f.spec.severity == Severity::Error);
            if ty.is_none() && wrong() && hint.is_any_codec() {
                return None;
            }
        }
        let Some((detail, buffer)) = detail else { return Some(walk.findings) };
        let mut walk = Walk::new(types);
        let unknown = ty.is_none() && hint.message.is_none();
        let reading = self.learnt.as_ref().filter(|_| unknown);
        let reading = reading.and_then(|l| l.reading(hint.path, hint.side));
        walk.inferred = reading.as_ref().map(|r| r.inferred.fields.as_slice()).unwrap_or_default();
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
                detail.tree.add(&fields::JSON_BYTES, None, Value::U64(value.json_len()));
                Payload::Protobuf { type_name: Some(t.name.clone()), value }
            }
            None => {
                let mut budget = readings::Budget::new();
                let mut list = readings::message(data, MAX_PROTOBUF_DEPTH, &mut budget);
                if let Some(r) = &reading {
                    annotate(&mut list, data, r);
                }
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
        let given = self.schema.as_ref().and_then(|s| s.types.method(path));
        let learnt = || Some(self.learnt.as_ref()?.types()?.method(path)?.pattern);
        let builtin = || Some(builtin::for_path(path)?.types.method(path)?.pattern);
        given.map(|m| m.pattern).or_else(learnt).or_else(builtin)
    }
}

/// Beside the readings of each wire field, what its method's other messages say of it.
fn annotate(list: &mut [Datum], data: &[u8], reading: &Reading) {
    let mut rest = data;
    for item in list {
        let Some((cut, next)) = readings::cut(rest, MAX_PROTOBUF_DEPTH) else { return };
        let bytes = rest.get(..rest.len().saturating_sub(next.len())).unwrap_or_default();
        rest = next;
        let f = reading.inferred.fields.iter().find(|f| u64::from(f.number) == cut.number);
        let (Some(f), Datum::Map(item)) = (f, item) else { continue };
        if item.iter().any(|(name, _)| name == "truncated") {
            return;
        }
        let mut said = vec![
            ("name".to_owned(), Datum::Text(format!("field_{}", f.number))),
            ("type".to_owned(), Datum::Text(f.guess.name())),
            ("confidence".to_owned(), Datum::F64((f.confidence * 100.0).round() / 100.0)),
        ];
        for (name, all) in [("ties", &f.ties), ("others", &f.others)] {
            if !all.is_empty() {
                let all = all.iter().map(|t| Datum::Text(t.clone())).collect();
                said.push((name.to_owned(), Datum::List(all)));
            }
        }
        if let Some(note) = f.note {
            said.push(("note".to_owned(), Datum::Text(note.to_owned())));
        }
        // What does not fit the rest has no value of that type.
        let sink = TreeSink::new();
        let mut walk = Walk::new(Some(&reading.types));
        let top = reading.types.message(0);
        let (_, build) = walk.message(In::new(bytes, BufferId(0), 0, &sink), top, None, 0);
        if walk.findings.is_empty()
            && let Some((_, value)) = build.map().pop()
        {
            let value = match value {
                Datum::List(mut one) if one.len() == 1 && !matches!(f.guess, Guess::Packed(_)) => {
                    one.pop().unwrap_or(Datum::Null)
                }
                other => other,
            };
            said.push(("value".to_owned(), value));
        }
        item.push(("inferred".to_owned(), Datum::Map(said)));
    }
}
