//! How a value comes out of its bytes, worked through: what a teacher writes on
//! the board. One or a few short lines a field, and none where the bits speak for
//! themselves.

use std::fmt::Write;

use crate::base::{Origins, Span};
use crate::field::{Kind, Node, NodeId, Tree, Value};

/// Bytes of a calculation that are shown.
const SHOWN: usize = 16;
/// Entries of HPACK's static table (RFC 7541 Appendix A).
const STATIC_ENTRIES: u64 = 61;

/// The lines for one field of a tree.
#[must_use]
pub fn lines(tree: &Tree, id: NodeId, origins: &Origins) -> Vec<String> {
    let Some(node) = tree.get(id) else { return Vec::new() };
    let bytes = node.span.and_then(|s| slice(origins, s)).unwrap_or_default();
    let around = Around { tree, id };
    match node.spec.name {
        "websocket.payload" => masking(tree, origins, bytes),
        "websocket.payload_length" => match node.value {
            Value::U64(126) => vec!["126 says: the next 16 bits have the length".to_owned()],
            Value::U64(127) => vec!["127 says: the next 64 bits have the length".to_owned()],
            _ => Vec::new(),
        },
        "http2.header.index" => index(node, bytes, &around),
        "http2.header.repr" => representation(node),
        "http2.header.name.octets" => {
            huffman(bytes, &around, "http2.header.name.huffman", "http2.header.name")
        }
        "http2.header.value.octets" => {
            huffman(bytes, &around, "http2.header.value.huffman", "http2.header.value")
        }
        "http2.header.name.coded_length"
        | "http2.header.value.coded_length"
        | "http2.header_table_size_update.header_table_size" => prefix_integer(node, bytes),
        "protobuf.field.number" => tag(node, bytes, &around, origins),
        "protobuf.field.value.length" => varint(bytes),
        n if n.starts_with("protobuf.field.value.") => number(node, bytes, &around),
        _ => scaled(node, bytes),
    }
}

/// What stands beside a field, in the same group.
struct Around<'t> {
    tree: &'t Tree,
    id: NodeId,
}

impl<'t> Around<'t> {
    fn find(&self, name: &str) -> Option<&'t Node> {
        let parent = self.tree.get(self.id)?.parent?;
        let from = parent.0 as usize + 1;
        let depth = self.tree.get(parent)?.depth;
        self.tree
            .nodes()
            .get(from..)?
            .iter()
            .take_while(|n| n.depth > depth)
            .find(|n| n.parent == Some(parent) && n.spec.name == name)
    }

    fn number(&self, name: &str) -> Option<u64> {
        match self.find(name)?.value {
            Value::U64(v) => Some(v),
            Value::Bool(b) => Some(u64::from(b)),
            _ => None,
        }
    }

    fn text(&self, name: &str) -> Option<&'t str> {
        match &self.find(name)?.value {
            Value::Text(t) => Some(t),
            _ => None,
        }
    }
}

fn slice(origins: &Origins, span: Span) -> Option<&[u8]> {
    let b = &origins.get(span.buffer)?.bytes;
    b.get(span.start as usize..(span.end() as usize).min(b.len()))
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for b in bytes.iter().take(SHOWN) {
        let _ = write!(out, "{}{b:02x}", if out.is_empty() { "" } else { " " });
    }
    if bytes.len() > SHOWN {
        out.push_str(" …");
    }
    out
}

/// Byte for byte: what was on the wire, the key below it, what comes out.
fn masking(tree: &Tree, origins: &Origins, wire: &[u8]) -> Vec<String> {
    let key = tree.find("websocket.masking_key").and_then(|n| n.span);
    let Some(key) = key.and_then(|s| slice(origins, s)).filter(|k| k.len() == 4) else {
        return Vec::new();
    };
    let shown = wire.get(..SHOWN).unwrap_or(wire);
    let keys: Vec<u8> = key.iter().copied().cycle().take(shown.len()).collect();
    let plain: Vec<u8> = shown.iter().zip(&keys).map(|(w, k)| w ^ k).collect();
    let text = match std::str::from_utf8(&plain) {
        Ok(t) if wire.len() <= SHOWN && !t.chars().any(char::is_control) => format!("  \"{t}\""),
        _ => String::new(),
    };
    let more = if wire.len() > SHOWN { " …" } else { "" };
    vec![
        format!("wire  {}{more}", hex(shown)),
        format!("key   {}{more}", hex(&keys)),
        format!("XOR   {}{more}{text}", hex(&plain)),
    ]
}

fn index(node: &Node, bytes: &[u8], around: &Around<'_>) -> Vec<String> {
    let Value::U64(n) = node.value else { return Vec::new() };
    let mut out = prefix_integer(node, bytes);
    if n == 0 {
        let literal = around.find("http2.header.name.octets").is_some()
            || around.find("http2.header.name.coded_length").is_some();
        let text = if literal { "0: the name follows" } else { "0 stands for no entry" };
        out.push(text.to_owned());
        return out;
    }
    let part = |name| around.text(name).unwrap_or("");
    let (name, value) = (part("http2.header.name"), part("http2.header.value"));
    let whole = around.find("http2.header.value.coded_length").is_none();
    let what = match (name, whole) {
        ("", _) => "unknown".to_owned(),
        (_, true) => format!("{name}: {value}"),
        (_, false) => format!("{name} (the value follows)"),
    };
    out.push(if n <= STATIC_ENTRIES {
        format!("entry {n} of the static table (RFC 7541 Appendix A): {what}")
    } else {
        let back = n - STATIC_ENTRIES;
        format!(
            "entry {n} = 61 + {back}: number {back} of the dynamic table, the newest first: {what}"
        )
    });
    out
}

fn representation(node: &Node) -> Vec<String> {
    let Value::Text(t) = &node.value else { return Vec::new() };
    match &**t {
        t if t.contains("with Incremental") => {
            vec!["the field goes into the dynamic table, as entry 62".to_owned()]
        }
        t if t.contains("never") => {
            vec!["nobody on the way may put it into a table either".to_owned()]
        }
        _ => Vec::new(),
    }
}

/// An integer of RFC 7541 §5.1 that did not fit its prefix.
fn prefix_integer(node: &Node, bytes: &[u8]) -> Vec<String> {
    let (Some(span), Some((first, more))) = (node.span, bytes.split_first()) else {
        return Vec::new();
    };
    let Value::U64(value) = node.value else { return Vec::new() };
    if more.is_empty() || span.bits == 0 {
        return Vec::new();
    }
    let all = first & (0xff_u8.checked_shr(u32::from(span.bit)).unwrap_or(0));
    let mut text = format!("all bits of the first byte are 1: {all}");
    for (n, b) in more.iter().enumerate() {
        let _ = write!(text, " + {}", b & 0x7f);
        if n > 0 {
            let _ = write!(text, " x 2^{}", 7 * n);
        }
    }
    let _ = write!(text, " = {value}");
    vec![text]
}

fn huffman(bytes: &[u8], around: &Around<'_>, flag: &str, plain: &str) -> Vec<String> {
    if around.number(flag) != Some(1) {
        return Vec::new();
    }
    let Some(text) = around.text(plain) else { return Vec::new() };
    let (from, to) = (bytes.len(), text.len());
    vec![format!("Huffman code (RFC 7541 Appendix B): {from} bytes stand for {to}: \"{text}\"")]
}

/// A byte of a varint: the bit that says whether more follow, and the seven that count.
fn group(byte: u8) -> String {
    format!("{}|{:07b}", byte >> 7, byte & 0x7f)
}

/// The groups as they lie and, of several, put together.
fn groups(what: &str, bytes: &[u8]) -> Vec<String> {
    let bytes = bytes.get(..10).unwrap_or(bytes);
    let value = varint_value(bytes);
    let lie: Vec<String> = bytes.iter().map(|b| group(*b)).collect();
    let lie = format!("{what} {}: {}", hex(bytes), lie.join(" "));
    if bytes.len() == 1 {
        return vec![format!("{lie} = {value}")];
    }
    let joined: Vec<String> = bytes.iter().rev().map(|b| format!("{:07b}", b & 0x7f)).collect();
    vec![lie, format!("low group first: {} = {value}", joined.join(" "))]
}

fn varint_value(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .take(10)
        .enumerate()
        .fold(0, |v, (n, b)| v | u64::from(b & 0x7f).checked_shl(7 * n as u32).unwrap_or(0))
}

fn varint(bytes: &[u8]) -> Vec<String> {
    if bytes.is_empty() {
        return Vec::new();
    }
    groups("varint", bytes)
}

fn tag(node: &Node, first: &[u8], around: &Around<'_>, origins: &Origins) -> Vec<String> {
    let (Value::U64(number), Some(mut span)) = (&node.value, node.span) else { return Vec::new() };
    let kind = around.number("protobuf.field.wiretype");
    let Some(kind) = kind else { return Vec::new() };
    let high = around.find("protobuf.field.number_high").and_then(|n| n.span).map_or(0, |s| s.len);
    span.len = 1 + high;
    let bytes = slice(origins, span).unwrap_or(first);
    let value = varint_value(bytes);
    let mut out = groups("tag", bytes);
    out.push(format!("{value} = {number} x 8 + {kind}: field {number}, wire type {kind}"));
    out
}

fn number(node: &Node, bytes: &[u8], around: &Around<'_>) -> Vec<String> {
    if matches!(node.spec.kind, Kind::Text | Kind::Bytes | Kind::Group) || bytes.is_empty() {
        return Vec::new();
    }
    match around.number("protobuf.field.wiretype") {
        Some(0) => {
            let mut out = varint(bytes);
            let raw = varint_value(bytes);
            if let Value::I64(v) = node.value
                && v != raw as i64
                && v == (raw >> 1) as i64 ^ -((raw & 1) as i64)
            {
                out.push(format!("zigzag: {raw} stands for {v}"));
            } else if let Value::I64(v) = node.value
                && v < 0
            {
                out.push(format!("as a signed number (two's complement): {v}"));
            }
            out
        }
        Some(1 | 5) => {
            let turned: Vec<u8> = bytes.iter().rev().copied().collect();
            vec![format!("little-endian: {} is 0x{}", hex(bytes), hex(&turned).replace(' ', ""))]
        }
        _ => Vec::new(),
    }
}

/// A number whose unit on the wire is not the one that people count in.
fn scaled(node: &Node, bytes: &[u8]) -> Vec<String> {
    let (Value::U64(value), Some(span)) = (&node.value, node.span) else { return Vec::new() };
    if node.spec.kind != Kind::Unsigned || span.bits == 0 || bytes.len() > 8 {
        return Vec::new();
    }
    let word = bytes.iter().fold(0_u64, |v, b| v << 8 | u64::from(*b));
    let below = (bytes.len() as u32 * 8).saturating_sub(u32::from(span.bit) + u32::from(span.bits));
    let mask = u64::MAX.checked_shr(64 - u32::from(span.bits)).unwrap_or(0);
    let raw = word.checked_shr(below).unwrap_or(0) & mask;
    match value.checked_div(raw) {
        Some(unit) if unit > 1 && unit * raw == *value => {
            vec![format!("{raw} on the wire, in units of {unit}: {raw} x {unit} = {value}")]
        }
        _ => Vec::new(),
    }
}
