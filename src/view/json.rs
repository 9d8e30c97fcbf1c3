//! One JSON object an event, one a line (`docs/JSON.md`).
//!
//! Written straight into a byte buffer: a value tree in between would cost more
//! than the dissection.

use std::cell::RefCell;
use std::io::Write;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::base::{CaptureTime, PacketId, Side};
use crate::engine::{ConversationInfo, FindingEvent};
use crate::event::{Detail, Event, Level, Payload};
use crate::field::{Datum, Kind, Node, Tree, Value};
use crate::view::clean::is_unsafe;

/// Appends the event and a line feed.
pub fn event(out: &mut Vec<u8>, event: &Event, conversation: Option<&ConversationInfo>) {
    let draft = &event.draft;
    number_or_null(out, b"{\"event\":", (event.id.0 > 0).then_some(event.id.0));
    time(out, b",\"time\":\"", draft.end.time);
    if draft.level != Level::Packet {
        time(out, b",\"start_time\":\"", draft.start.time);
    }
    if draft.level == Level::Exchange {
        number_or_null(out, b",\"first_packet\":", Some(draft.start.packet.0));
        number_or_null(out, b",\"last_packet\":", Some(draft.end.packet.0));
    } else {
        packets(out, &event.packets());
    }
    number_or_null(out, b",\"conversation\":", conversation.map(|c| u64::from(c.id.0)));
    number_or_null(out, b",\"stream\":", draft.stream);
    sender(out, draft.sender.filter(|_| conversation.is_some_and(|c| c.roles_known)));
    ends(out, event, conversation);
    for (key, word) in [
        (&b",\"level\":\""[..], draft.level.name()),
        (b",\"protocol\":\"", draft.protocol),
        (b",\"kind\":\"", draft.kind),
    ] {
        out.extend_from_slice(key);
        out.extend_from_slice(word.as_bytes());
        out.push(b'"');
    }
    if draft.level == Level::Exchange || !draft.complete {
        put(out, format_args!(",\"complete\":{}", draft.complete));
    }
    if draft.inferred {
        out.extend_from_slice(b",\"inferred\":true");
    }
    let empty = Detail::default();
    let detail = draft.detail.as_deref().unwrap_or(&empty);
    out.extend_from_slice(b",\"summary\":");
    string(out, &detail.summary);
    out.extend_from_slice(b",\"fields\":");
    fields(out, &detail.tree);
    out.extend_from_slice(b",\"payload\":");
    payload(out, detail, draft.level);
    out.extend_from_slice(b",\"findings\":[");
    for (i, f) in draft.findings.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        string(out, f.spec.code);
    }
    out.extend_from_slice(b"]}\n");
}

/// Appends a finding and a line feed.
pub fn finding(out: &mut Vec<u8>, found: &FindingEvent, conversation: Option<&ConversationInfo>) {
    number_or_null(out, b"{\"event\":", found.event.map(|e| e.0));
    time(out, b",\"time\":\"", found.at.time);
    packets(out, &found.packets);
    number_or_null(out, b",\"conversation\":", conversation.map(|c| u64::from(c.id.0)));
    number_or_null(out, b",\"stream\":", found.stream);
    sender(out, found.sender.filter(|_| conversation.is_some_and(|c| c.roles_known)));
    let spec = found.finding.spec;
    put(
        out,
        format_args!(
            ",\"level\":\"finding\",\"protocol\":\"{}\",\"code\":\"{}\",\"severity\":\"{}\"",
            found.protocol, spec.code, spec.severity
        ),
    );
    out.extend_from_slice(b",\"summary\":");
    string(out, spec.meaning);
    out.extend_from_slice(b",\"detail\":");
    match &found.finding.detail {
        Some(d) => string(out, d),
        None => out.extend_from_slice(b"null"),
    }
    out.extend_from_slice(b",\"reference\":");
    string(out, spec.reference);
    out.extend_from_slice(b"}\n");
}

fn put(out: &mut Vec<u8>, args: std::fmt::Arguments<'_>) {
    // Writing into a vector does not fail.
    let _ = out.write_fmt(args);
}

fn packets(out: &mut Vec<u8>, packets: &[PacketId]) {
    out.extend_from_slice(b",\"packets\":[");
    for (i, p) in packets.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        decimal(out, p.0);
    }
    out.push(b']');
}

fn sender(out: &mut Vec<u8>, sender: Option<Side>) {
    out.extend_from_slice(match sender {
        Some(Side::Client) => b",\"sender\":\"client\"",
        Some(Side::Server) => b",\"sender\":\"server\"",
        None => b",\"sender\":null",
    });
}

fn ends(out: &mut Vec<u8>, event: &Event, conversation: Option<&ConversationInfo>) {
    let ends = conversation.map(|c| c.from_to(event.draft.sender));
    for (key, end) in [(&b",\"from\":"[..], ends.map(|e| e.0)), (b",\"to\":", ends.map(|e| e.1))] {
        out.extend_from_slice(key);
        match end {
            Some(SocketAddr::V4(a)) => {
                let [b0, b1, b2, b3] = a.ip().octets();
                for (mark, n) in [(b'"', b0), (b'.', b1), (b'.', b2), (b'.', b3)] {
                    out.push(mark);
                    decimal(out, u64::from(n));
                }
                out.push(b':');
                decimal(out, u64::from(a.port()));
                out.push(b'"');
            }
            Some(a) => put(out, format_args!("\"{a}\"")),
            None => out.extend_from_slice(b"null"),
        }
    }
    if let Some(c) = conversation.filter(|c| c.processes.iter().any(Option::is_some)) {
        let (from, to) = c.from_to_process(event.draft.sender);
        for (key, process) in [(&b",\"from_process\":"[..], from), (b",\"to_process\":", to)] {
            out.extend_from_slice(key);
            match process {
                Some(p) => {
                    out.extend_from_slice(b"{\"pid\":");
                    decimal(out, u64::from(p.pid));
                    out.extend_from_slice(b",\"name\":");
                    string(out, &p.name);
                    out.push(b'}');
                }
                None => out.extend_from_slice(b"null"),
            }
        }
    }
}

/// A key with a number or `null`.
fn number_or_null(out: &mut Vec<u8>, key: &[u8], value: Option<u64>) {
    out.extend_from_slice(key);
    match value {
        Some(v) => decimal(out, v),
        None => out.extend_from_slice(b"null"),
    }
}

/// A number in decimal: most of what is written, so without the machinery of
/// `format_args!`.
fn decimal(out: &mut Vec<u8>, mut v: u64) {
    if v < 10 {
        out.push(b'0' + v as u8);
        return;
    }
    let mut digits = [0_u8; 20];
    let mut at = digits.len();
    loop {
        at -= 1;
        // The remainder is below ten.
        digits[at] = b'0' + (v % 10) as u8;
        v /= 10;
        if v == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// A key with a time and the closing quote.
fn time(out: &mut Vec<u8>, key: &[u8], time: CaptureTime) {
    thread_local! {
        /// The last second that was written: events come by the thousand in one.
        static SECOND: RefCell<(i64, String)> = const { RefCell::new((i64::MIN, String::new())) };
    }
    out.extend_from_slice(key);
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != time.seconds() || text.is_empty() {
            *second = time.seconds();
            *text = CaptureTime::from_parts(*second, 0).to_string();
        }
        // `2026-11-20T21:23:45.` and nine digits.
        match text.get(..20).filter(|_| text.len() == 30) {
            Some(whole) => {
                out.extend_from_slice(whole.as_bytes());
                let mut digits = [b'0'; 9];
                let mut n = time.subsec_nanos();
                for d in digits.iter_mut().rev() {
                    *d = b'0' + (n % 10) as u8;
                    n /= 10;
                }
                out.extend_from_slice(&digits);
                out.push(b'Z');
            }
            None => put(out, format_args!("{time}")),
        }
    });
    out.push(b'"');
}

/// The leaves by name; a name that comes more than once, or whose field is
/// declared repeated, has an array.
fn fields(out: &mut Vec<u8>, tree: &Tree) {
    thread_local! {
        /// Its memory serves one event after the other.
        static NAMES: RefCell<Names> = const { RefCell::new(Names::new()) };
    }
    NAMES.with_borrow_mut(|names| {
        names.sort(tree.nodes());
        names.write(out, tree.nodes());
    });
}

/// The nodes of a tree that are shown, by name, in the order in which the names come.
struct Names {
    /// For each node the next one of its name.
    next: Vec<Option<u32>>,
    names: Vec<Name>,
}

/// The nodes of one name.
struct Name {
    first: u32,
    last: u32,
    /// The name that came after it the last time: fields come in the same order again and
    /// again (those of a header, of a setting), so that this guess saves the search.
    then: usize,
}

impl Names {
    const fn new() -> Self {
        Self { next: Vec::new(), names: Vec::new() }
    }

    fn sort(&mut self, nodes: &[Node]) {
        self.names.clear();
        self.next.clear();
        self.next.resize(nodes.len(), None);
        let mut before = 0;
        // Trees are cut at `MAX_TREE_NODES`.
        for (at, node) in (0_u32..).zip(nodes) {
            // A group has no value; one that has (a header's value over its parts) counts
            // as a leaf does.
            if node.value == Value::None || node.spec.kind == Kind::Data {
                continue;
            }
            let place = self.place(nodes, node, before);
            match self.names.get_mut(place) {
                Some(name) => {
                    self.next[name.last as usize] = Some(at);
                    name.last = at;
                }
                None => self.names.push(Name { first: at, last: at, then: 0 }),
            }
            self.names[before].then = place;
            before = place;
        }
    }

    /// Which name it is; one behind the last for a new one.
    fn place(&self, nodes: &[Node], node: &Node, before: usize) -> usize {
        let is = |name: &Name| {
            let spec = nodes[name.first as usize].spec;
            std::ptr::eq(spec, node.spec) || spec.name == node.spec.name
        };
        let guess = self.names.get(before).map_or(0, |name| name.then);
        if self.names.get(guess).is_some_and(is) {
            return guess;
        }
        self.names.iter().position(is).unwrap_or(self.names.len())
    }

    fn write(&self, out: &mut Vec<u8>, nodes: &[Node]) {
        out.push(b'{');
        for (i, name) in self.names.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            let first = &nodes[name.first as usize];
            out.push(b'"');
            out.extend_from_slice(first.spec.name.as_bytes());
            out.extend_from_slice(b"\":");
            if name.first == name.last && !first.spec.repeated {
                leaf(out, first);
                continue;
            }
            out.push(b'[');
            leaf(out, first);
            let mut at = name.first;
            while let Some(next) = self.next[at as usize] {
                out.push(b',');
                leaf(out, &nodes[next as usize]);
                at = next;
            }
            out.push(b']');
        }
        out.push(b'}');
    }
}

/// The value; of a header, `name: value`, since the name is not in the key.
fn leaf(out: &mut Vec<u8>, node: &Node) {
    let name = node.name.as_deref().filter(|_| node.spec.header);
    match (name, &node.value) {
        (Some(name), Value::Text(t)) => string(out, &format!("{name}: {t}")),
        (Some(name), Value::Bytes(b)) => {
            string(out, &format!("{name}: "));
            out.pop();
            hex_digits(out, b);
            out.push(b'"');
        }
        (_, v) => value(out, v),
    }
}

/// Appends a value; bytes as lower-case hex.
pub(super) fn value(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::None => out.extend_from_slice(b"null"),
        Value::Bool(b) => put(out, format_args!("{b}")),
        Value::U64(v) => decimal(out, *v),
        Value::I64(v) => put(out, format_args!("{v}")),
        Value::F64(v) => float(out, *v),
        Value::Bytes(b) => hex(out, b),
        Value::Text(t) => string(out, t),
    }
}

fn float(out: &mut Vec<u8>, v: f64) {
    if v.is_finite() {
        put(out, format_args!("{v:?}"));
    } else {
        put(out, format_args!("\"{v}\""));
    }
}

fn hex(out: &mut Vec<u8>, bytes: &[u8]) {
    out.push(b'"');
    hex_digits(out, bytes);
    out.push(b'"');
}

fn hex_digits(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for b in bytes {
        out.push(DIGITS[usize::from(b >> 4)]);
        out.push(DIGITS[usize::from(b & 15)]);
    }
}

fn payload(out: &mut Vec<u8>, detail: &Detail, level: Level) {
    match &detail.payload {
        Payload::None => {
            out.extend_from_slice(b"null");
            return;
        }
        Payload::Bytes(bytes) => {
            let text = (level != Level::Frame).then(|| as_text(bytes, detail.truncated)).flatten();
            if let Some(text) = text {
                out.extend_from_slice(b"{\"text\":");
                string(out, text);
                if detail.truncated.is_none() && is_json(text) {
                    out.extend_from_slice(b",\"content\":\"json\"");
                }
            } else {
                out.extend_from_slice(b"{\"base64\":\"");
                base64(out, bytes);
                out.push(b'"');
            }
        }
        Payload::Protobuf { type_name: Some(name), value } => {
            out.extend_from_slice(b"{\"protobuf\":");
            datum(out, value);
            out.extend_from_slice(b",\"type\":");
            string(out, name);
        }
        Payload::Protobuf { type_name: None, value } => {
            out.extend_from_slice(b"{\"protobuf_fields\":");
            datum(out, value);
        }
    }
    if let Some(length) = detail.truncated {
        put(out, format_args!(",\"length\":{length},\"truncated\":true"));
    }
    out.push(b'}');
}

/// The bytes as text, where they are UTF-8; one that a limit cut in the middle
/// of a character loses that character.
#[must_use]
pub fn as_text(bytes: &[u8], truncated: Option<u64>) -> Option<&str> {
    match simdutf8::compat::from_utf8(bytes) {
        Ok(t) => Some(t),
        Err(e) if truncated.is_some() && e.error_len().is_none() => {
            bytes.get(..e.valid_up_to()).and_then(|b| std::str::from_utf8(b).ok())
        }
        Err(_) => None,
    }
}

/// Whether the text is a JSON object or array. Any number or quoted string is
/// JSON too, but nobody means that by "the payload is JSON".
#[must_use]
pub fn is_json(text: &str) -> bool {
    text.trim_ascii_start().starts_with(['{', '['])
        && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok()
}

fn base64(out: &mut Vec<u8>, bytes: &[u8]) {
    let start = out.len();
    out.resize(start + bytes.len().div_ceil(3) * 4, 0);
    let n = STANDARD.encode_slice(bytes, &mut out[start..]).unwrap_or(0);
    out.truncate(start + n);
}

/// Appends a datum as JSON; bytes as `{"base64":…}`-less base64 strings.
pub fn datum(out: &mut Vec<u8>, value: &Datum) {
    match value {
        Datum::Null => out.extend_from_slice(b"null"),
        Datum::Bool(b) => put(out, format_args!("{b}")),
        Datum::U64(v) => put(out, format_args!("{v}")),
        Datum::I64(v) => put(out, format_args!("{v}")),
        Datum::F64(v) => float(out, *v),
        Datum::Text(t) => string(out, t),
        Datum::Bytes(b) => {
            out.push(b'"');
            base64(out, b);
            out.push(b'"');
        }
        Datum::List(items) => {
            out.push(b'[');
            for (i, v) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                datum(out, v);
            }
            out.push(b']');
        }
        Datum::Map(entries) => {
            out.push(b'{');
            for (i, (k, v)) in entries.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                string(out, k);
                out.push(b':');
                datum(out, v);
            }
            out.push(b'}');
        }
    }
}

/// Appends a JSON string. Escapes what JSON demands, and what a terminal would
/// obey (C1 controls, direction marks), since this goes to terminals as well.
pub fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let (plain, text) = text.split_at(plain_len(text.as_bytes()));
    out.extend_from_slice(plain.as_bytes());
    let mut clean_from = 0;
    for (at, c) in text.char_indices() {
        let escape: &[u8] = match c {
            '"' => b"\\\"",
            '\\' => b"\\\\",
            '\n' => b"\\n",
            '\r' => b"\\r",
            '\t' => b"\\t",
            c if is_unsafe(c) => b"",
            _ => continue,
        };
        out.extend_from_slice(&text.as_bytes()[clean_from..at]);
        if escape.is_empty() {
            // Everything unsafe is in the basic plane: one unit of UTF-16.
            put(out, format_args!("\\u{:04x}", u32::from(c)));
        } else {
            out.extend_from_slice(escape);
        }
        clean_from = at + c.len_utf8();
    }
    out.extend_from_slice(&text.as_bytes()[clean_from..]);
    out.push(b'"');
}

/// Bytes at the front that stand in a JSON string as they are: printing ASCII but the
/// quote and the backslash. Nearly all texts are nothing else, so whole blocks are
/// looked at without a branch a byte.
fn plain_len(bytes: &[u8]) -> usize {
    const BLOCK: usize = 16;
    let escaped = |b: u8| !(0x20..=0x7e).contains(&b) | (b == b'"') | (b == b'\\');
    let blocks = bytes.chunks_exact(BLOCK);
    let whole = blocks.take_while(|c| !c.iter().fold(false, |any, b| any | escaped(*b))).count();
    let (_, rest) = bytes.split_at(whole * BLOCK);
    whole * BLOCK + rest.iter().position(|b| escaped(*b)).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::field::FieldSpec;

    fn json(text: &str) -> String {
        let mut out = Vec::new();
        string(&mut out, text);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_survive_and_are_harmless() {
        for t in ["", "plain", "q\"b\\n\n\r\t", "\u{9b}2J\x1b[0m", "ünï\u{202e}✓😀"] {
            let j = json(t);
            assert_eq!(serde_json::from_str::<String>(&j).unwrap(), t);
            assert!(!j.chars().any(is_unsafe), "{j}");
        }
    }

    /// What is looked at in blocks hides nothing, wherever it stands.
    #[test]
    fn one_odd_character_is_seen_at_any_place() {
        for odd in ['"', '\\', '\n', '\u{1f}', '\u{7f}', '\u{85}', '\u{202e}', 'é', '😀'] {
            for (before, behind) in (0..40).flat_map(|a| [(a, 0), (a, 1), (a, 33)]) {
                let t = format!("{}{odd}{}", "x".repeat(before), "~".repeat(behind));
                let j = json(&t);
                assert_eq!(serde_json::from_str::<String>(&j).unwrap(), t);
                assert!(!j.chars().any(is_unsafe), "{j}");
            }
        }
    }

    static A: FieldSpec = FieldSpec::new("t.a", "A", 0, Kind::Unsigned, "-", "Once or more.");
    static B: FieldSpec = FieldSpec::new("t.b", "B", 0, Kind::Unsigned, "-", "Once or more.");
    static A_TOO: FieldSpec = FieldSpec::new("t.a", "A", 8, Kind::Unsigned, "-", "The same name.");
    static LIST: FieldSpec =
        FieldSpec::new("t.list", "L", 0, Kind::Unsigned, "-", "An array always.").repeated();
    static DATA: FieldSpec = FieldSpec::new("t.data", "D", 0, Kind::Data, "-", "Not among them.");

    #[test]
    fn fields_of_one_name_are_an_array_in_the_order_of_the_first() {
        let mut out = Vec::new();
        // Twice: the second tree must not see anything of the first.
        for _ in 0..2 {
            out.clear();
            let mut tree = Tree::new();
            for (n, spec) in [&A, &B, &A_TOO, &DATA, &LIST, &B, &A, &B].into_iter().enumerate() {
                tree.add(spec, None, Value::U64(n as u64));
            }
            tree.open(&B, None);
            fields(&mut out, &tree);
        }
        let expected = r#"{"t.a":[0,2,6],"t.b":[1,5,7],"t.list":[4]}"#;
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }

    #[test]
    fn text_cut_in_a_character_is_text_still() {
        let bytes = &"aé".as_bytes()[..2];
        assert_eq!(as_text(bytes, None), None);
        assert_eq!(as_text(bytes, Some(3)), Some("a"));
    }

    #[test]
    fn only_objects_and_arrays_count_as_json() {
        assert!(is_json(" {\"a\":1}"));
        assert!(!is_json("42"));
        assert!(!is_json("{a}"));
    }
}
