//! An event taken apart on paper: the pictures of its headers with its values in
//! them, and under each what every field is, means, and where that stands.

use std::collections::HashSet;
use std::fmt::Write;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use crate::base::{BufferId, Origins, Span};
use crate::engine::ConversationInfo;
use crate::engine::specimen::Specimen;
use crate::event::{Detail, Event, Level};
use crate::field::{Kind, Node, NodeId, Tree, Value};
use crate::finding::Finding;
use crate::view::bytes::counted_from;
use crate::view::clean::clean;
use crate::view::layout::{self, Section};
use crate::view::text::packets as list;
use crate::view::{how, json};

/// Columns of a page where nobody says.
pub const WIDTH: usize = 80;
/// The narrowest page.
pub const MIN_WIDTH: usize = 24;

/// Columns of the place of a field in a table.
const PLACE: usize = 12;
/// Lines of one value.
const VALUE_LINES: usize = 4;
/// Bytes of a value that are shown.
const PREVIEW: usize = 32;

/// What is explained.
#[derive(Clone, Debug)]
pub struct Subject<'a> {
    /// The first line: what it is and where it was.
    pub title: String,
    /// JSON of the same: the members before `summary`, each followed by a comma.
    head: String,
    /// Summary, tree and buffers.
    detail: &'a Detail,
    /// What is wrong with it.
    findings: &'a [Finding],
    /// Bytes that its length states and that are not there.
    missing: u64,
    /// Of an event.
    level: Option<Level>,
}

impl<'a> Subject<'a> {
    /// An event of a capture; `None` where it carries no detail.
    #[must_use]
    pub fn event(event: &'a Event, conversation: Option<&ConversationInfo>) -> Option<Self> {
        let d = &event.draft;
        let mut title = if d.level == Level::Packet {
            format!("packet {}", d.start.packet)
        } else {
            format!("event {}", event.id)
        };
        let _ = write!(title, ": {} {}", d.protocol, d.kind);
        if d.kind != d.level.name() && d.level != Level::Packet {
            let _ = write!(title, " {}", d.level.name());
        }
        if let (Some(c), Some(side)) = (conversation, d.sender) {
            let (from, to) = c.from_to(Some(side));
            if c.roles_known {
                let _ = write!(title, ", {side} → {}", side.peer());
            } else {
                let _ = write!(title, ", {from} → {to}");
            }
        }
        if let Some(s) = d.stream {
            let _ = write!(title, ", stream {s}");
        }
        if d.level != Level::Packet {
            // Of an exchange these are its ends.
            let _ = write!(title, ", {}", list(&event.packets(), d.level != Level::Exchange));
        }
        let mut head = String::new();
        if d.level == Level::Packet {
            let _ = write!(head, "\"event\":null,\"packet\":{},", d.start.packet);
        } else {
            let _ = write!(head, "\"event\":{},", event.id);
        }
        let _ = write!(
            head,
            "\"level\":\"{}\",\"protocol\":\"{}\",\"kind\":\"{}\",",
            d.level.name(),
            d.protocol,
            d.kind
        );
        let detail = d.detail.as_deref()?;
        Some(Self { title, head, detail, findings: &d.findings, missing: 0, level: Some(d.level) })
    }

    /// Bytes from the command line.
    #[must_use]
    pub fn specimen(s: &'a Specimen) -> Self {
        let end = s.at + s.len;
        let mut title = format!("{} {}", s.protocol, s.kind);
        let word = if s.len == 1 { "byte" } else { "bytes" };
        let _ = write!(title, ", {word} {}", range(s.at as u64, end as u64));
        let head = format!(
            "\"event\":null,\"at\":{},\"length\":{},\"missing\":{},\"protocol\":\"{}\",\"kind\":\"{}\",",
            s.at, s.len, s.missing, s.protocol, s.kind
        );
        let (detail, findings, missing) = (&s.detail, &s.findings[..], s.missing);
        Self { title, head, detail, findings, missing, level: None }
    }
}

/// Appends the page of a subject in `width` columns.
pub fn text(out: &mut String, subject: &Subject<'_>, width: usize) {
    let width = width.max(MIN_WIDTH);
    let Detail { tree, origins, summary, .. } = subject.detail;
    wrapped(out, &clean(&subject.title), width, 0);
    if !summary.is_empty() {
        wrapped(out, &clean(summary), width, 2);
    }
    let mut page = Page { tree, origins, level: subject.level, width, told: HashSet::new() };
    for section in layout::sections(tree, origins) {
        out.push('\n');
        page.section(out, &section);
    }
    if tree.is_cut() {
        out.push_str("\nThere are more fields than are kept; the rest is left out.\n");
    }
    if subject.missing > 0 {
        let n = subject.missing;
        let (bytes, are) = if n == 1 { ("byte", "is") } else { ("bytes", "are") };
        out.push('\n');
        wrapped(out, &format!("Too short: {n} more {bytes} {are} needed."), width, 0);
    }
    if !subject.findings.is_empty() {
        out.push_str("\nFindings\n");
    }
    for f in subject.findings {
        let spec = f.spec;
        let mut line = format!("{} {}: {}", spec.severity, spec.code, spec.meaning);
        if let Some(d) = f.detail.as_ref().filter(|d| !d.trim().is_empty()) {
            let _ = write!(line, " {}.", clean(d));
        }
        let _ = write!(line, " [{}]", spec.reference);
        wrapped(out, &line, width, 2);
    }
}

/// `14-33`, or `14` of one byte; `end` is one past the last.
fn range(from: u64, end: u64) -> String {
    match end.saturating_sub(from) {
        0 | 1 => from.to_string(),
        _ => format!("{from}-{}", end - 1),
    }
}

/// What a section is called: its group, or its buffer.
fn title_of(tree: &Tree, origins: &Origins, level: Option<Level>, s: &Section) -> String {
    let mut title = match s.group.and_then(|g| tree.get(g)) {
        Some(g) => match &g.name {
            Some(name) => format!("{} {}", g.spec.label, clean(name)),
            None => g.spec.label.to_owned(),
        },
        None => String::new(),
    };
    let text = |name: &str| {
        let mut nodes = s.rows.iter().filter_map(|id| tree.get(*id));
        nodes.find_map(|n| match &n.value {
            Value::Text(t) if n.spec.name == name => Some(clean(t).into_owned()),
            _ => None,
        })
    };
    if let (Some(name), Some(value)) = (text("http2.header.name"), text("http2.header.value")) {
        let value: String = value.chars().take(PREVIEW).collect();
        let _ = write!(title, " {name}: {value}");
    }
    match s.buffer.and_then(|b| origins.get(b)) {
        Some(b) => {
            let from = s.first_bit / 8;
            let end = (s.first_bit + s.bits).div_ceil(8);
            let whole = level.map_or(b.label, |l| counted_from(b.label, l));
            let place = format!("bytes {} of {whole}", range(from, end));
            let place = if end == from + 1 { place.replacen("bytes", "byte", 1) } else { place };
            if title.is_empty() { place } else { format!("{title}, {place}") }
        }
        None if title.is_empty() => {
            let lies = s.rows.iter().any(|id| tree.get(*id).is_some_and(|n| n.span.is_some()));
            if lies { "Fields" } else { "Worked out from the whole" }.to_owned()
        }
        None => title,
    }
}

/// A page in the making.
struct Page<'a> {
    tree: &'a Tree,
    origins: &'a Origins,
    level: Option<Level>,
    width: usize,
    /// Fields whose meaning has been told: once is enough.
    told: HashSet<&'static str>,
}

impl Page<'_> {
    fn section(&mut self, out: &mut String, s: &Section) {
        let Self { tree, origins, level, width, .. } = *self;
        wrapped(out, &title_of(tree, origins, level, s), width, 0);
        if let Some(buffer) = s.buffer.and_then(|b| origins.get(b)) {
            let value = |n: &Node| in_cell(n, origins);
            out.push_str(&layout::draw(tree, s, &buffer.bytes, width, &value).text);
        }
        for id in &s.rows {
            if let Some(node) = tree.get(*id) {
                self.row(out, s, *id, node);
            }
        }
    }

    fn row(&mut self, out: &mut String, s: &Section, id: NodeId, node: &Node) {
        let Self { tree, origins, width, .. } = *self;
        let (spec, name) = (node.spec, node.spec.name);
        let mut label = clean(node.name.as_deref().unwrap_or(spec.label)).into_owned();
        let short = layout::short(&label);
        if node.span.is_some_and(|p| p.bits == 1) && short != label.to_uppercase() {
            let _ = write!(label, " ({short})");
        }
        let value = full(node, origins);
        let first = if value.is_empty() { label } else { format!("{label}: {value}") };
        let place = place(s, node.span, origins);
        let room = width.saturating_sub(PLACE);
        if place.width() < PLACE {
            let _ = write!(out, "{place:<PLACE$}");
        } else {
            let _ = write!(out, "{place}\n{:PLACE$}", "");
        }
        let named = first.width() + 2 + name.len() <= room;
        if named {
            let gap = room - first.width() - name.len();
            let _ = writeln!(out, "{first}{:gap$}{name}", "");
        } else {
            let lines = wrap(&first, room);
            for (n, line) in lines.iter().take(VALUE_LINES).enumerate() {
                if n > 0 {
                    let _ = write!(out, "{:PLACE$}", "");
                }
                let mut line = line.trim_end().to_owned();
                if n + 1 == VALUE_LINES && lines.len() > VALUE_LINES {
                    while line.ends_with(['…', ' ']) || line.width() >= room {
                        line.pop();
                    }
                    line.push('…');
                }
                out.push_str(&line);
                out.push('\n');
            }
        }
        // The section stays in one piece.
        let section = spec.section.replace(' ', "\u{a0}");
        let new = self.told.insert(name);
        match (new, named) {
            (true, true) => wrapped(out, &format!("{} [{section}]", spec.meaning), width, PLACE),
            (true, false) => {
                wrapped(out, &format!("{} [{section}] {name}", spec.meaning), width, PLACE);
            }
            (false, false) => wrapped(out, name, width, PLACE),
            (false, true) => {}
        }
        if let Some(note) = &node.note {
            wrapped(out, &clean(note), width, PLACE);
        }
        for line in how::lines(tree, id, origins) {
            wrapped(out, &format!("> {}", clean(&line)), width, PLACE);
        }
    }
}

/// Where a field lies: bytes as the heading counts them (`bytes 16-17`), bits as the picture
/// does (`4-7`), behind the byte at which that begins (`14: 4-7`).
fn place(s: &Section, span: Option<Span>, origins: &Origins) -> String {
    let Some(span) = span else { return "-".to_owned() };
    if span.bit_len() == 0 {
        return "empty".to_owned();
    }
    if s.buffer.is_none() && span.buffer == BufferId(0) {
        let word = if span.len == 1 { "byte" } else { "bytes" };
        return format!("{word} {}", range(span.start.into(), span.end().into()));
    }
    if s.buffer != Some(span.buffer) {
        // What the bytes of the picture came to.
        let label = origins.get(span.buffer).map_or("", |b| b.label);
        return if label.len() < PLACE { label } else { "decoded" }.to_owned();
    }
    let from = span.first_bit().saturating_sub(s.first_bit);
    let end = from + span.bit_len();
    if from.is_multiple_of(8) && end.is_multiple_of(8) {
        // As the heading counts them.
        let (from, end) = (span.first_bit() / 8, (span.first_bit() + span.bit_len()) / 8);
        let word = if end - from == 1 { "byte" } else { "bytes" };
        format!("{word} {}", range(from, end))
    } else {
        match s.first_bit / 8 {
            0 => range(from, end),
            // The picture begins at this byte.
            byte => format!("{byte}: {}", range(from, end)),
        }
    }
}

/// What may stand in a cell, the fullest first.
fn in_cell(node: &Node, origins: &Origins) -> Vec<String> {
    let spec = node.spec;
    match &node.value {
        Value::U64(v) => match spec.value_name(*v) {
            Some(name) => vec![format!("{v} {name}"), name.to_owned(), v.to_string()],
            None if is_checksum(node) => vec![format!("0x{v:04x}")],
            None => vec![v.to_string()],
        },
        Value::I64(v) => vec![v.to_string()],
        Value::F64(v) => vec![v.to_string()],
        Value::Text(t) if spec.kind == Kind::Text => vec![format!("\"{}\"", clean(t))],
        Value::Text(t) => vec![clean(t).into_owned()],
        Value::None => text_of(node, origins).map(|t| format!("\"{t}\"")).into_iter().collect(),
        Value::Bool(_) | Value::Bytes(_) => Vec::new(),
    }
}

/// A number that nobody reads as one.
fn is_checksum(node: &Node) -> bool {
    node.spec.label.to_ascii_lowercase().contains("checksum")
}

/// A value as people read it.
fn full(node: &Node, origins: &Origins) -> String {
    let spec = node.spec;
    match &node.value {
        Value::U64(v) if spec.kind == Kind::Duration => crate::base::time::human(*v),
        Value::U64(v) => match spec.value_name(*v) {
            Some(name) => format!("{v} ({name})"),
            None if is_checksum(node) => format!("0x{v:04x}"),
            None => v.to_string(),
        },
        Value::Bool(v) => if *v { "1 (yes)" } else { "0 (no)" }.to_owned(),
        Value::I64(v) => v.to_string(),
        Value::F64(v) => v.to_string(),
        Value::Text(t) if spec.kind == Kind::Text => format!("\"{}\"", clean(t)),
        Value::Text(t) => clean(t).into_owned(),
        Value::Bytes(b) => hex(b, b.len() as u64),
        Value::None => match (text_of(node, origins), node.span) {
            (Some(t), _) => format!("\"{t}\""),
            (None, Some(s)) => hex(bytes_of(s, origins), u64::from(s.len)),
            _ => String::new(),
        },
    }
}

fn bytes_of(span: Span, origins: &Origins) -> &[u8] {
    let bytes = origins.get(span.buffer).map_or(&[][..], |b| &b.bytes);
    let end = (span.end() as usize).min(bytes.len());
    bytes.get(span.start as usize..end).unwrap_or_default()
}

/// The bytes of a payload as text, where all of them are printable.
fn text_of(node: &Node, origins: &Origins) -> Option<String> {
    let span = node.span?;
    let bytes = bytes_of(span, origins);
    let text = std::str::from_utf8(bytes).ok().filter(|t| !t.is_empty())?;
    let whole = bytes.len() == span.len as usize;
    (whole && text.len() <= 4096 && !text.contains(|c: char| c.is_control() && c != '\n'))
        .then(|| clean(text).into_owned())
}

fn hex(bytes: &[u8], len: u64) -> String {
    let mut out = String::new();
    for b in bytes.iter().take(PREVIEW) {
        let _ = write!(out, "{}{b:02x}", if out.is_empty() { "" } else { " " });
    }
    if len > bytes.len().min(PREVIEW) as u64 {
        let _ = write!(out, " … ({len} bytes)");
    }
    out
}

/// Words in lines of at most `room` columns; a longer word is cut into several.
fn wrap(text: &str, room: usize) -> Vec<String> {
    let room = room.max(8);
    let mut lines = vec![String::new()];
    let mut used = 0;
    for word in text.split(' ') {
        let w = word.width();
        if used > 0 && used + 1 + w > room {
            lines.push(String::new());
            used = 0;
        } else if used > 0 {
            if let Some(l) = lines.last_mut() {
                l.push(' ');
            }
            used += 1;
        }
        for c in word.chars() {
            let cw = c.width().unwrap_or(0);
            if used + cw > room {
                lines.push(String::new());
                used = 0;
            }
            if let Some(l) = lines.last_mut() {
                l.push(c);
            }
            used += cw;
        }
    }
    lines
}

fn wrapped(out: &mut String, text: &str, width: usize, indent: usize) {
    for line in wrap(text, width.saturating_sub(indent)) {
        let line = line.replace('\u{a0}', " ");
        let _ = writeln!(out, "{:indent$}{}", "", line.trim_end());
    }
}

/// Appends the subject as one JSON object and a newline.
pub fn json(out: &mut Vec<u8>, subject: &Subject<'_>) {
    let Detail { tree, origins, summary, .. } = subject.detail;
    let raw = |out: &mut Vec<u8>, text: &str| out.extend_from_slice(text.as_bytes());
    raw(out, "{");
    raw(out, &subject.head);
    raw(out, "\"summary\":");
    json::string(out, summary);
    raw(out, ",\"buffers\":[");
    for (n, b) in origins.buffers().iter().enumerate() {
        raw(out, if n > 0 { ",{\"label\":" } else { "{\"label\":" });
        json::string(out, b.label);
        raw(out, &format!(",\"length\":{},\"hex\":\"", b.len.max(b.bytes.len() as u32)));
        for byte in &b.bytes {
            raw(out, &format!("{byte:02x}"));
        }
        raw(out, "\"}");
    }
    raw(out, "],\"fields\":[");
    let mut first = true;
    for (n, node) in tree.nodes().iter().enumerate() {
        let id = NodeId(u32::try_from(n).unwrap_or(u32::MAX));
        if tree.has_children(id) || node.spec.kind == Kind::Group {
            continue;
        }
        raw(out, if first { "{" } else { ",{" });
        first = false;
        field_json(out, tree, id, node, origins);
        raw(out, "}");
    }
    raw(out, "],\"findings\":[");
    for (n, f) in subject.findings.iter().enumerate() {
        raw(out, if n > 0 { "," } else { "" });
        json::string(out, f.spec.code);
    }
    raw(out, "]}\n");
}

fn field_json(out: &mut Vec<u8>, tree: &Tree, id: NodeId, node: &Node, origins: &Origins) {
    let raw = |out: &mut Vec<u8>, text: &str| out.extend_from_slice(text.as_bytes());
    let spec = node.spec;
    raw(out, "\"name\":");
    json::string(out, spec.name);
    raw(out, ",\"label\":");
    json::string(out, node.name.as_deref().unwrap_or(spec.label));
    match node.span {
        Some(s) => {
            let BufferId(buffer) = s.buffer;
            let (first, bits) = (s.first_bit(), s.bit_len());
            raw(out, &format!(",\"buffer\":{buffer},\"first_bit\":{first},\"bits\":{bits}"));
        }
        None => raw(out, ",\"buffer\":null,\"first_bit\":null,\"bits\":0"),
    }
    raw(out, ",\"value\":");
    json::value(out, &node.value);
    raw(out, ",\"value_name\":");
    match &node.value {
        Value::U64(v) => match spec.value_name(*v) {
            Some(name) => json::string(out, name),
            None => raw(out, "null"),
        },
        _ => raw(out, "null"),
    }
    raw(out, ",\"meaning\":");
    json::string(out, spec.meaning);
    raw(out, ",\"section\":");
    json::string(out, spec.section);
    raw(out, ",\"how\":[");
    for (n, line) in how::lines(tree, id, origins).iter().enumerate() {
        raw(out, if n > 0 { "," } else { "" });
        json::string(out, line);
    }
    raw(out, "]");
}
