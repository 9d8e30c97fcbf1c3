//! GraphQL over WebSocket, in both of its subprotocols: `graphql-transport-ws`
//! (of the package graphql-ws) and the older `graphql-ws` (of
//! subscriptions-transport-ws). By subprotocol, and by content where an operation is
//! begun.

use crate::base::BufferId;
use crate::event::Detail;
use crate::field::Value;
use crate::finding::Finding;
use crate::proto::payload::common::{At, Sheet, json, short};
use crate::proto::payload::names::JSON;
use crate::proto::{PayloadDecoder, PayloadHint, Protocol};

fields! { "GraphQL over WebSocket", [];
    /// Type.
    TYPE = "graphql.type", "Type", 0 Text, "What the message is, such as connection_init, subscribe or next.";
    /// Id.
    ID = "graphql.id", "Id", 0 Text, "The operation that it belongs to.";
    /// Operation.
    OPERATION = "graphql.operation", "Operation", 0 Text, "query, mutation or subscription.";
    /// Name of the operation.
    NAME = "graphql.operation_name", "Operation name", 0 Text, "What the client calls the operation.";
    /// The document.
    QUERY = "graphql.query", "Query", 0 Text, "The GraphQL document.";
    /// First error.
    ERROR = "graphql.error", "Error", 0 Text, "The message of the first error.";
}

findings! {
    /// No such type.
    UNKNOWN_TYPE = error("graphql.unknown-type", "GraphQL over WebSocket", "The subprotocol has no message of this type.");
    /// No id.
    NO_ID = error("graphql.no-id", "GraphQL over WebSocket", "A message that belongs to an operation does not say to which.");
}

/// The registry's line.
pub static PROTOCOL: Protocol =
    super::format("graphql", "GraphQL over WebSocket", &[FIELDS], FINDINGS);

/// The decoder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder;

/// Types of `graphql-transport-ws`, and whether they belong to an operation.
const TRANSPORT: &[(&str, bool)] = &[
    ("connection_init", false),
    ("connection_ack", false),
    ("ping", false),
    ("pong", false),
    ("subscribe", true),
    ("next", true),
    ("error", true),
    ("complete", true),
];

/// Types of `graphql-ws`.
const LEGACY: &[(&str, bool)] = &[
    ("connection_init", false),
    ("connection_ack", false),
    ("connection_error", false),
    ("connection_terminate", false),
    ("ka", false),
    ("start", true),
    ("stop", true),
    ("data", true),
    ("error", true),
    ("complete", true),
];

fn types(subprotocol: &str) -> Option<&'static [(&'static str, bool)]> {
    match subprotocol {
        "graphql-transport-ws" => Some(TRANSPORT),
        "graphql-ws" => Some(LEGACY),
        _ => None,
    }
}

/// An operation is begun: nothing else looks so.
fn begins(root: At<'_>) -> bool {
    let query = root.get("payload").and_then(|p| p.get("query")).and_then(At::text);
    matches!(root.get("type").and_then(At::text), Some("subscribe" | "start"))
        && root.get("id").is_some()
        && query.is_some()
}

impl PayloadDecoder for Decoder {
    fn demands(&self, hint: &PayloadHint<'_>) -> bool {
        hint.message.is_some() && types(hint.media_type).is_some()
    }

    fn decode(
        &self,
        hint: &PayloadHint<'_>,
        data: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        let known = types(hint.media_type).filter(|_| hint.message.is_some());
        let text = hint.message.is_some_and(|m| !m.binary);
        if known.is_none() && !(text && detail.is_some() && json::looks_like(data)) {
            return None;
        }
        let doc = json::parse(data, 0);
        let root = doc.root();
        if known.is_none() && !root.is_some_and(begins) {
            return None;
        }
        let mut sheet = Sheet::new(detail, known.is_some());
        if let Some(root) = root {
            let line = message(&mut sheet, root, known);
            sheet.value(&doc, &JSON);
            sheet.say(hint, &line);
        } else {
            sheet.value(&doc, &JSON);
        }
        sheet.rest(&doc, &JSON, data, 0);
        Some(sheet.finish())
    }
}

fn message(sheet: &mut Sheet<'_>, root: At<'_>, known: Option<&[(&str, bool)]>) -> String {
    let (start, end) = (root.part().start, root.part().end);
    let kind = root.get("type");
    let word = kind.and_then(At::text).unwrap_or_default();
    let id = root.get("id");
    if let Some(kind) = kind {
        sheet.copy(&TYPE, kind);
    }
    if let Some(known) = known {
        match known.iter().find(|(w, _)| *w == word) {
            None => sheet.found(&UNKNOWN_TYPE, short(&format!("{word:?}"), 60), start, end),
            Some((_, true)) if id.is_none() => sheet.found(&NO_ID, word, start, end),
            Some(_) => {}
        }
    }
    let mut line = format!("graphql {}", short(word, 60));
    if let Some(id) = id {
        sheet.copy(&ID, id);
        line.push_str(&format!(" {}", short(&id.plain().unwrap_or_default(), 40)));
    }
    let Some(payload) = root.get("payload") else { return line };
    if let Some(name) = payload.get("operationName").filter(|n| n.text().is_some()) {
        sheet.copy(&NAME, name);
    }
    if let Some(query) = payload.get("query")
        && let Some(text) = query.text()
    {
        if let Some(operation) = operation(text) {
            sheet.computed(&OPERATION, Value::Text(operation.into()));
        }
        sheet.copy(&QUERY, query);
        let words: Vec<&str> = text.split_whitespace().collect();
        line.push_str(&format!(" {}", short(&words.join(" "), 100)));
        return line;
    }
    // `error` has a list of errors, or one; results have them beside the data.
    let errors = if payload.is_list() { Some(payload) } else { payload.get("errors") };
    let first = errors.and_then(|e| e.nth(0)).or(Some(payload)).and_then(|e| e.get("message"));
    if let Some(m) = first.filter(|_| word.ends_with("error") || errors.is_some()) {
        sheet.copy(&ERROR, m);
        line.push_str(&format!(" {}", m.line(100)));
        return line;
    }
    let shown = payload.get("data").unwrap_or(payload);
    line.push_str(&format!(" {}", shown.line(100)));
    line
}

/// The sort of the document's first operation (GraphQL, §2.3): behind comments,
/// commas, blanks and fragments it may stand anywhere, so the first word outside of
/// braces counts. `{` alone is a query.
fn operation(text: &str) -> Option<&'static str> {
    let mut depth = 0_u32;
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default();
        for word in
            line.split_inclusive(|c: char| c == '{' || c == '}' || c.is_whitespace() || c == '(')
        {
            let name = word.trim_end_matches(|c: char| !c.is_alphanumeric());
            if depth == 0 {
                match name {
                    "query" => return Some("query"),
                    "mutation" => return Some("mutation"),
                    "subscription" => return Some("subscription"),
                    _ => {}
                }
                if name.is_empty() && word.ends_with('{') {
                    return Some("query");
                }
            }
            if word.ends_with('{') {
                depth = depth.saturating_add(1);
            } else if word.ends_with('}') {
                depth = depth.saturating_sub(1);
            }
        }
    }
    None
}
