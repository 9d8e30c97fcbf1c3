//! Values of fields as people read them.

use std::fmt::Write;

use crate::base::time::human;
use crate::field::{FieldSpec, Kind, Node, Value};
use crate::tui::opener::Bytes;

/// Bytes of a value or payload that are shown in the tree.
const PREVIEW: usize = 64;

/// Characters of a text that are shown: the selected one is shown whole, over several lines.
const TEXT: usize = 1024;

/// The name on the wire, or the field's label.
pub(super) fn label(node: &Node) -> &str {
    node.name.as_deref().unwrap_or(node.spec.label)
}

/// The value; with the buffers of the event, a payload shows its beginning.
pub(super) fn value(node: &Node, buffers: Option<&[Bytes]>) -> String {
    let spec = node.spec;
    match (&node.value, spec.kind) {
        (Value::U64(v), Kind::Duration) => human(*v),
        (Value::U64(v), _) => match spec.value_name(*v) {
            Some(name) => format!("{name} ({v})"),
            None => with_unit(v, spec),
        },
        (Value::Bool(v), _) => if *v { "yes (1)" } else { "no (0)" }.to_owned(),
        (Value::I64(v), _) => with_unit(v, spec),
        (Value::F64(v), _) => with_unit(v, spec),
        (Value::Text(t), Kind::Text) => format!("\"{}\"", head(t)),
        (Value::Text(t), _) => head(t),
        (Value::Bytes(b), _) => hex(b),
        (Value::None, Kind::Group) => String::new(),
        (Value::None, _) => buffers.and_then(|b| data(node, b)).unwrap_or_default(),
    }
}

fn with_unit(number: &dyn std::fmt::Display, spec: &FieldSpec) -> String {
    spec.unit().map_or_else(|| number.to_string(), |unit| format!("{number} {unit}"))
}

fn head(text: &str) -> String {
    text.chars().take(TEXT).collect()
}

/// The bytes of a payload, as text where they are text.
fn data(node: &Node, buffers: &[Bytes]) -> Option<String> {
    let span = node.span?;
    let buffer = buffers.get(usize::from(span.buffer.0))?;
    let start = (span.start as usize).min(buffer.bytes.len());
    let bytes = buffer.bytes.get(start..(span.end() as usize).min(buffer.bytes.len()))?;
    let cut = bytes.get(..PREVIEW).unwrap_or(bytes);
    let text = match std::str::from_utf8(cut) {
        Ok(t) => Some(t),
        // A character cut in the middle by the preview.
        Err(e) if e.error_len().is_none() && cut.len() < bytes.len() => {
            cut.get(..e.valid_up_to()).and_then(|c| std::str::from_utf8(c).ok())
        }
        Err(_) => None,
    };
    let printable =
        |t: &&str| !t.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'));
    let more = if cut.len() < bytes.len() || bytes.len() < span.len as usize { "…" } else { "" };
    Some(match text.filter(printable) {
        Some(t) if !t.is_empty() => format!("\"{t}\"{more}"),
        _ if span.len == 0 => "empty".to_owned(),
        _ => format!("{}{more}", hex(cut)),
    })
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for (i, b) in bytes.iter().take(PREVIEW).enumerate() {
        if i > 0 {
            out.push(' ');
        }
        let _ = write!(out, "{b:02x}");
    }
    if bytes.len() > PREVIEW {
        out.push('…');
    }
    out
}
