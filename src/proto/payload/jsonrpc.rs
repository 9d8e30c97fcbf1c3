//! JSON-RPC 2.0: requests, notifications, responses, errors and batches.
//!
//! By the subprotocols `jsonrpc`, `json-rpc`, `jsonrpc2.0` and `mcp`, by
//! `application/json-rpc`, and by content where an object says `"jsonrpc":"2.0"`.

use crate::base::BufferId;
use crate::event::Detail;
use crate::field::Value;
use crate::finding::Finding;
use crate::proto::payload::common::{At, Sheet, json, short};
use crate::proto::payload::names::JSON;
use crate::proto::{PayloadDecoder, PayloadHint, Protocol};

fields! { "JSON-RPC 2.0", [repeated];
    /// What it is.
    KIND = "jsonrpc.kind", "Kind", 0 Text, "request, notification, response or error.";
    /// Method.
    METHOD = "jsonrpc.method", "Method", 0 Text, "The method that is called.";
    /// Id.
    ID = "jsonrpc.id", "Id", 0 Text, "The id that a response has in common with its request.";
    /// Error code.
    CODE = "jsonrpc.error.code", "Error code", 0 Signed, "Why a call failed.";
    /// Its name.
    CODE_NAME = "jsonrpc.error.name", "Error", 0 Text, "What the specification calls the code.";
    /// Message of the error.
    MESSAGE = "jsonrpc.error.message", "Error message", 0 Text, "Why a call failed, in words.";
    /// Size of a batch.
    BATCH = "jsonrpc.batch", "Batch", 0 Unsigned, "How many calls or answers stand in one array.";
}

findings! {
    /// Not what the specification says.
    MALFORMED = error("jsonrpc.malformed", "JSON-RPC 2.0 §4, §5", "An object is neither a call nor an answer as the specification has them.");
}

/// The registry's line.
pub static PROTOCOL: Protocol = super::format("jsonrpc", "JSON-RPC", &[FIELDS], FINDINGS);

/// The decoder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder;

/// Calls of one batch that a line names.
const NAMED: usize = 3;

fn error_name(code: i64) -> Option<&'static str> {
    Some(match code {
        -32700 => "parse error",
        -32600 => "invalid request",
        -32601 => "method not found",
        -32602 => "invalid params",
        -32603 => "internal error",
        -32099..=-32000 => "server error",
        _ => return None,
    })
}

fn is_one(at: At<'_>) -> bool {
    at.get("jsonrpc").and_then(At::text) == Some("2.0")
}

impl PayloadDecoder for Decoder {
    fn demands(&self, hint: &PayloadHint<'_>) -> bool {
        let names = ["jsonrpc", "json-rpc", "jsonrpc2.0", "mcp", "application/json-rpc"];
        names.iter().any(|n| hint.media_type.eq_ignore_ascii_case(n))
    }

    fn decode(
        &self,
        hint: &PayloadHint<'_>,
        data: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        let claimed = self.demands(hint);
        let text = hint.message.is_none_or(|m| !m.binary);
        if !(claimed || text && detail.is_some() && contains(data, b"\"jsonrpc\"")) {
            return None;
        }
        let doc = json::parse(data, 0);
        let root = doc.root();
        let calls: Vec<At<'_>> = match root {
            Some(r) if r.is_list() => r.children().collect(),
            Some(r) => vec![r],
            None => Vec::new(),
        };
        if !claimed && !calls.first().is_some_and(|c| is_one(*c)) {
            return None;
        }
        let mut sheet = Sheet::new(detail, claimed || hint.message.is_none());
        let batch = root.is_some_and(At::is_list);
        if batch {
            sheet.computed(&BATCH, Value::U64(calls.len() as u64));
        }
        let mut line = if batch {
            format!("JSON-RPC batch of {}", calls.len())
        } else {
            "JSON-RPC".to_owned()
        };
        for (i, call) in calls.iter().enumerate() {
            let said = one(&mut sheet, *call);
            if i < NAMED {
                line.push_str(if !batch {
                    " "
                } else if i == 0 {
                    ": "
                } else {
                    "; "
                });
                line.push_str(&said);
            }
        }
        if calls.len() > NAMED {
            line.push_str("; …");
        }
        sheet.value(&doc, &JSON);
        sheet.rest(&doc, &JSON, data, 0);
        if !calls.is_empty() {
            sheet.say(hint, &line);
        }
        Some(sheet.finish())
    }
}

/// One call or answer: its fields, and what a line says of it.
fn one(sheet: &mut Sheet<'_>, call: At<'_>) -> String {
    let (start, end) = (call.part().start, call.part().end);
    let (method, id) = (call.get("method"), call.get("id"));
    let (result, error) = (call.get("result"), call.get("error"));
    let kind = match (method, error, result, id) {
        (Some(_), _, _, Some(_)) => "request",
        (Some(_), ..) => "notification",
        (None, Some(_), ..) => "error",
        _ => "response",
    };
    sheet.computed(&KIND, Value::Text(kind.into()));
    let mut why = None;
    if !call.is_map() {
        why = Some("no object");
    } else if !is_one(call) {
        why = Some("jsonrpc is not \"2.0\"");
    } else if method.is_some_and(|m| m.text().is_none()) {
        why = Some("the method is no string");
    } else if method.is_some() && (result.is_some() || error.is_some()) {
        why = Some("a call with a result or an error");
    } else if method.is_none() && result.is_some() == error.is_some() {
        why = Some(if result.is_some() {
            "a result and an error"
        } else {
            "no method, no result and no error"
        });
    } else if method.is_none() && id.is_none() {
        why = Some("an answer without id");
    } else if let Some(e) = error
        && (e.get("code").and_then(At::integer).is_none()
            || e.get("message").and_then(At::text).is_none())
    {
        why = Some("an error without code or message");
    }
    if let Some(why) = why {
        sheet.found(&MALFORMED, why, start, end);
    }
    let mut line = String::new();
    if let Some(m) = method {
        sheet.copy(&METHOD, m);
        line.push_str(&short(&m.plain().unwrap_or_default(), 100));
    } else {
        line.push_str(kind);
    }
    if let Some(id) = id {
        sheet.copy(&ID, id);
        line.push_str(&format!(" id {}", short(&id.plain().unwrap_or_default(), 40)));
    } else if method.is_some() {
        line.push_str(" (notification)");
    }
    if let Some(e) = error {
        if let Some(code) = e.get("code") {
            sheet.copy(&CODE, code);
            line.push_str(&format!(" {}", code.line(20)));
            if let Some(name) = code.integer().and_then(error_name) {
                sheet.computed(&CODE_NAME, Value::Text(name.into()));
                line.push_str(&format!(" {name}"));
            }
        }
        if let Some(m) = e.get("message") {
            sheet.copy(&MESSAGE, m);
            line.push_str(&format!(" {}", m.line(80)));
        }
    } else if let Some(r) = result {
        line.push_str(&format!(" {}", r.line(80)));
    } else if let Some(p) = call.get("params") {
        line.push_str(&format!(" {}", p.line(80)));
    }
    line
}

fn contains(data: &[u8], what: &[u8]) -> bool {
    memchr::memmem::find(data, what).is_some()
}
