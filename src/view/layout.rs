//! The picture that RFCs draw of a header, with the values of one frame in it.
//!
//! ```text
//!  0                   1
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5
//! +-+-+-+-+-------+-+-------------+
//! |F|R|R|R|Opcode |M|   Payload   |
//! |I|S|S|S|1 text |A| length = 5  |
//! |N|V|V|V|       |S|             |
//! | |1|2|3|       |K|             |
//! |1|0|0|0|0 0 0 1|1|0 0 0 0 1 0 1|
//! +-+-+-+-+-------+-+-------------+
//! ```
//!
//! Two columns a bit and at most 32 bits a row, so that it fits a terminal of 80
//! columns; where there are fewer columns than 65, a row has 16 bits or 8. It is
//! ASCII alone. Works for any tree whose leaves tile their buffer: nothing here
//! knows a protocol, but for [`BREAK_AFTER`].

use unicode_width::UnicodeWidthStr;

use crate::base::{BufferId, Origins};
use crate::field::{Kind, Node, NodeId, Tree, Value};

/// Fields behind which a new picture begins, as in their specifications: what
/// follows them is a structure of its own.
const BREAK_AFTER: [&str; 2] = ["http2.streamid", "grpc.message_length"];

/// Rows of one field that are drawn in full; of more, the middle is left out.
const WHOLE_ROWS: u64 = 3;

/// Lines of a label at most.
const LABEL_LINES: usize = 3;

/// A part of a tree that is drawn as one picture: a header, a representation, a
/// protobuf field.
#[derive(Clone, Debug)]
pub struct Section {
    /// The group that it is, where it is one.
    pub group: Option<NodeId>,
    /// The buffer of its picture; `None` where nothing of it can be drawn.
    pub buffer: Option<BufferId>,
    /// Its first bit in that buffer; the first of a byte.
    pub first_bit: u64,
    /// Its bits.
    pub bits: u64,
    /// The leaves that are told in it, in the order of the tree, drawn or not.
    pub rows: Vec<NodeId>,
    /// What is drawn, side by side, without holes.
    pub cells: Vec<Cell>,
}

/// A run of bits of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cell {
    /// First bit, from the beginning of the section.
    pub first: u64,
    /// Number of bits.
    pub bits: u64,
    /// Its field.
    pub node: NodeId,
}

/// A picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Picture {
    /// Its lines, each with a newline.
    pub text: String,
    /// Bits that were drawn.
    pub drawn: u64,
    /// Bits left out in the middle of long fields.
    pub elided: u64,
}

/// Cuts a tree into pictures. Every leaf is in the rows of exactly one section.
#[must_use]
pub fn sections(tree: &Tree, origins: &Origins) -> Vec<Section> {
    let pictured: Vec<bool> = (0..origins.buffers().len())
        .map(|n| has_layout(tree, BufferId(u16::try_from(n).unwrap_or(u16::MAX))))
        .collect();
    let mut out: Vec<Section> = Vec::new();
    let mut after_break = false;
    for (n, node) in tree.nodes().iter().enumerate() {
        let id = NodeId(u32::try_from(n).unwrap_or(u32::MAX));
        if tree.has_children(id) || node.spec.kind == Kind::Group {
            continue;
        }
        let group = group_of(tree, node);
        let place = node
            .span
            .filter(|s| s.bit_len() > 0)
            .filter(|s| pictured.get(usize::from(s.buffer.0)) == Some(&true));
        let Some(span) = place else {
            // Not drawn: told beside what was last.
            let fits = out.last().is_some_and(|s| s.group == group);
            match out.last_mut().filter(|_| fits) {
                Some(s) => s.rows.push(id),
                None => out.push(Section {
                    group,
                    buffer: None,
                    first_bit: 0,
                    bits: 0,
                    rows: vec![id],
                    cells: Vec::new(),
                }),
            }
            continue;
        };
        let joins = !after_break
            && out.last().is_some_and(|s| {
                s.group == group
                    && match s.buffer {
                        None => true,
                        Some(b) => b == span.buffer && s.first_bit + s.bits >= span.first_bit(),
                    }
            });
        if !joins {
            out.push(Section {
                group,
                buffer: None,
                first_bit: 0,
                bits: 0,
                rows: Vec::new(),
                cells: Vec::new(),
            });
        }
        after_break = BREAK_AFTER.contains(&node.spec.name);
        let Some(s) = out.last_mut() else { continue };
        s.rows.push(id);
        if s.buffer.is_none() && span.first_bit().is_multiple_of(8) {
            s.buffer = Some(span.buffer);
            s.first_bit = span.first_bit();
        }
        // What lies under a field that was drawn is told, not drawn again.
        if s.buffer == Some(span.buffer) && span.first_bit() == s.first_bit + s.bits {
            s.cells.push(Cell { first: s.bits, bits: span.bit_len(), node: id });
            s.bits += span.bit_len();
        }
    }
    out
}

/// Whether a buffer is more than text or payload: whether its bits have a layout.
fn has_layout(tree: &Tree, buffer: BufferId) -> bool {
    tree.leaves()
        .any(|n| n.span.is_some_and(|s| s.buffer == buffer && (s.bits > 0 || n.spec.bits > 0)))
}

/// The group as whose part a leaf is drawn: the innermost that repeats (a setting,
/// a representation, a protobuf field), or the outermost that is not merely a
/// wrapper round others.
fn group_of(tree: &Tree, node: &Node) -> Option<NodeId> {
    let mut chain = Vec::new();
    let mut at = node.parent;
    while let Some(id) = at {
        chain.push(id);
        at = tree.get(id).and_then(|n| n.parent);
    }
    let repeats = |id: &&NodeId| tree.get(**id).is_some_and(|n| n.spec.repeated);
    let not_wrapper = |id: &&NodeId| !is_wrapper(tree, **id);
    let byte = |id: &&NodeId| {
        tree.get(**id).and_then(|n| n.span).is_none_or(|s| s.bits == 0 && s.bit == 0)
    };
    chain
        .iter()
        .filter(byte)
        .find(repeats)
        .or_else(|| chain.iter().rev().filter(byte).find(not_wrapper))
        .copied()
}

/// A group that has groups below it and no field of its own.
fn is_wrapper(tree: &Tree, id: NodeId) -> bool {
    let from = id.0 as usize + 1;
    let depth = tree.get(id).map_or(0, |n| n.depth);
    let below = tree.nodes().get(from..).unwrap_or_default();
    let mut groups = false;
    for n in below.iter().take_while(|n| n.depth > depth).filter(|n| n.parent == Some(id)) {
        if n.spec.kind == Kind::Group {
            groups = true;
        } else if n.span.is_some() && !n.spec.name.ends_with("unknown") {
            return false;
        }
    }
    groups
}

/// The bits a row has in `width` columns.
#[must_use]
pub const fn bits_per_row(width: usize) -> u64 {
    match width {
        65.. => 32,
        33..=64 => 16,
        _ => 8,
    }
}

/// Part of a cell in one row.
struct Segment {
    /// Index of its cell.
    cell: usize,
    /// First bit in the row, and one past the last.
    from: u64,
    to: u64,
    /// First bit from the beginning of the section.
    bit: u64,
    /// The beginning of its cell.
    head: bool,
}

/// A row of the picture.
enum Row {
    Segments(Vec<Segment>),
    /// So many bits of a cell are left out.
    Elided {
        cell: usize,
        bits: u64,
    },
}

/// Draws a section. `value` says what stands in a cell beside its label, from the
/// fullest wording to the shortest: the first that fits is taken. `bytes` is the
/// section's buffer, which may be cut: bits that are not there are drawn as `?`.
#[must_use]
pub fn draw(
    tree: &Tree,
    section: &Section,
    bytes: &[u8],
    width: usize,
    value: &dyn Fn(&Node) -> Vec<String>,
) -> Picture {
    let row_bits = bits_per_row(width);
    let rows = rows(&section.cells, row_bits);
    let mut picture = Picture::default();
    let widest = section.bits.min(row_bits);
    ruler(&mut picture.text, widest);
    let mut above = vec![None; widest as usize];
    for row in &rows {
        let below = owners(row, widest);
        border(&mut picture.text, &above, &below, edges(row, rows_before(&rows, row)));
        match row {
            Row::Elided { bits, .. } => {
                picture.elided += bits;
                let text = format!("... {} bytes ...", bits / 8);
                let inside = columns(widest);
                let text = if text.len() > inside { "...".to_owned() } else { text };
                picture.text.push_str(&format!(":{text:^inside$}:\n"));
            }
            Row::Segments(list) => {
                let drawn = list.iter().map(|s| s.to - s.from).sum::<u64>();
                picture.drawn += drawn;
                segments(&mut picture.text, tree, section, list, bytes, value);
            }
        }
        above = below;
    }
    let none = vec![None; widest as usize];
    border(&mut picture.text, &above, &none, rows.last().map_or_else(Vec::new, starts));
    picture
}

/// The row before this one.
fn rows_before<'r>(rows: &'r [Row], row: &Row) -> Option<&'r Row> {
    let at = rows.iter().position(|r| std::ptr::eq(r, row))?;
    rows.get(at.checked_sub(1)?)
}

/// Cuts cells into rows and leaves the middle of long ones out.
fn rows(cells: &[Cell], row_bits: u64) -> Vec<Row> {
    let mut out: Vec<Row> = Vec::new();
    let mut open: Vec<Segment> = Vec::new();
    for (n, c) in cells.iter().enumerate() {
        let end = c.first + c.bits;
        let mut bit = c.first;
        while bit < end {
            let from = bit % row_bits;
            let whole = (end - bit) / row_bits;
            if from == 0 && whole > WHOLE_ROWS && bit > c.first {
                let bits = whole * row_bits;
                out.push(Row::Elided { cell: n, bits });
                bit += bits;
                continue;
            }
            let to = (from + (end - bit)).min(row_bits);
            open.push(Segment { cell: n, from, to, bit, head: bit == c.first });
            bit += to - from;
            if to == row_bits {
                out.push(Row::Segments(std::mem::take(&mut open)));
            }
        }
    }
    if !open.is_empty() {
        out.push(Row::Segments(open));
    }
    out
}

/// Columns inside the borders of so many bits.
const fn columns(bits: u64) -> usize {
    (bits * 2).saturating_sub(1) as usize
}

fn ruler(out: &mut String, bits: u64) {
    let line = |f: &dyn Fn(u64) -> char| {
        let text: String = (0..bits).flat_map(|b| [' ', f(b)]).collect();
        text.trim_end().to_owned() + "\n"
    };
    let digit = |v: u64| char::from_digit((v % 10) as u32, 10).unwrap_or('?');
    if bits > 8 {
        out.push_str(&line(&|b| if b % 10 == 0 { digit(b / 10) } else { ' ' }));
    }
    out.push_str(&line(&|b| digit(b)));
}

/// Which cell each bit of a row belongs to.
fn owners(row: &Row, bits: u64) -> Vec<Option<usize>> {
    let mut v = vec![None; bits as usize];
    match row {
        Row::Elided { cell, .. } => v.fill(Some(*cell)),
        Row::Segments(list) => {
            for s in list {
                for b in s.from..s.to {
                    if let Some(o) = v.get_mut(b as usize) {
                        *o = Some(s.cell);
                    }
                }
            }
        }
    }
    v
}

/// The bits at which a border of the row stands.
fn starts(row: &Row) -> Vec<u64> {
    match row {
        Row::Elided { .. } => vec![0],
        Row::Segments(list) => list.iter().flat_map(|s| [s.from, s.to]).collect(),
    }
}

fn edges(row: &Row, before: Option<&Row>) -> Vec<u64> {
    let mut v = starts(row);
    v.extend(before.map(starts).unwrap_or_default());
    v
}

/// The line between two rows; dashed where one field goes on below.
fn border(out: &mut String, above: &[Option<usize>], below: &[Option<usize>], edges: Vec<u64>) {
    let at = |row: &[Option<usize>], bit: usize| row.get(bit).copied().flatten();
    let inside = |bit: usize| at(above, bit).is_some() || at(below, bit).is_some();
    let mut line = String::new();
    for bit in 0..=above.len() {
        let near = inside(bit) || bit > 0 && inside(bit - 1);
        let same = |b: usize| at(above, b).is_some() && at(above, b) == at(below, b) && inside(b);
        line.push(match () {
            () if !near => ' ',
            () if edges.contains(&(bit as u64)) || bit == 0 || bit == above.len() => '+',
            () if same(bit) && bit > 0 && same(bit - 1) => ' ',
            () => '-',
        });
        if bit < above.len() {
            line.push(if !inside(bit) { ' ' } else { '-' });
        }
    }
    out.push_str(line.trim_end());
    out.push('\n');
}

/// The lines of a row of segments.
fn segments(
    out: &mut String,
    tree: &Tree,
    section: &Section,
    list: &[Segment],
    bytes: &[u8],
    value: &dyn Fn(&Node) -> Vec<String>,
) {
    let texts: Vec<(Vec<String>, String)> = list
        .iter()
        .map(|s| {
            let inside = columns(s.to - s.from);
            let node = section.cells.get(s.cell).and_then(|c| tree.get(c.node));
            let words = match node {
                Some(n) if s.head => label_lines(n, inside, value),
                Some(n) => continued(n, inside),
                None => vec!["?".to_owned()],
            };
            (words, raw(section.first_bit + s.bit, s.to - s.from, bytes, node))
        })
        .collect();
    let height = texts.iter().map(|(l, _)| l.len()).max().unwrap_or(0);
    for n in 0..height {
        for (s, (words, _)) in list.iter().zip(&texts) {
            let inside = columns(s.to - s.from);
            let word = words.get(n).map_or("", String::as_str);
            out.push_str(&format!("|{word:^inside$}"));
        }
        out.push_str("|\n");
    }
    for (s, (_, raw)) in list.iter().zip(&texts) {
        let inside = columns(s.to - s.from);
        out.push_str(&format!("|{raw:inside$}"));
    }
    out.push_str("|\n");
}

/// The bits themselves, each below its number; whole bytes in hex.
fn raw(first: u64, bits: u64, bytes: &[u8], node: Option<&Node>) -> String {
    if first.is_multiple_of(8) && bits.is_multiple_of(8) {
        let characters = node.is_some_and(|n| is_ascii_text(n, bytes));
        let mut line = String::new();
        for b in 0..bits / 8 {
            let text = match byte(bytes, first / 8 + b) {
                Some(v) if characters => format!("{v:02x} {}", v as char),
                Some(v) => format!("{v:02x}"),
                None => "?".to_owned(),
            };
            line.push_str(&format!("{text:^15} "));
        }
        line.pop();
        return line;
    }
    let mut line = String::new();
    for b in first..first + bits {
        line.push(match byte(bytes, b / 8) {
            Some(v) if v >> (7 - b % 8) & 1 == 1 => '1',
            Some(_) => '0',
            None => '?',
        });
        line.push(' ');
    }
    line.pop();
    line
}

fn byte(bytes: &[u8], at: u64) -> Option<u8> {
    bytes.get(usize::try_from(at).ok()?).copied()
}

/// Whether a field is text or payload and all of it that is there is printable.
fn is_ascii_text(node: &Node, bytes: &[u8]) -> bool {
    let Some(span) = node.span else { return false };
    let range = span.start as usize..(span.end() as usize).min(bytes.len());
    matches!(node.spec.kind, Kind::Text | Kind::Data | Kind::Bytes)
        && node.spec.bits == 0
        && bytes.get(range).is_some_and(|b| b.iter().all(|c| matches!(c, b' '..=b'~')))
}

/// The label as it is known in the terminal and the picture: ASCII.
fn ascii(text: &str) -> String {
    text.chars()
        .map(|c| match c {
            ' '..='~' => c,
            _ => '?',
        })
        .collect()
}

/// A label of one column's width, written downwards: `FIN`, `RSV1`, `MF`.
#[must_use]
pub fn short(label: &str) -> String {
    let label = ascii(label);
    if label.starts_with("Reserved") || label.starts_with("Unused") {
        return "R".to_owned();
    }
    let words: Vec<&str> =
        label.split([' ', '-', ',']).filter(|w| !w.is_empty() && !w.starts_with('(')).collect();
    match words.as_slice() {
        [] => "?".to_owned(),
        [one] if one.len() <= 4 => one.to_uppercase(),
        [one] => one.chars().take(3).collect::<String>().to_uppercase(),
        many => many.iter().filter_map(|w| w.chars().next()).collect::<String>().to_uppercase(),
    }
}

/// Label and value in so many columns.
fn label_lines(node: &Node, inside: usize, value: &dyn Fn(&Node) -> Vec<String>) -> Vec<String> {
    let label = ascii(node.name.as_deref().unwrap_or(node.spec.label));
    if inside < 3 {
        return short(&label).chars().map(String::from).collect();
    }
    let values: Vec<String> = match node.value {
        Value::Bool(_) => Vec::new(),
        _ => value(node).into_iter().map(|v| ascii(&v)).filter(|v| !v.is_empty()).collect(),
    };
    // A full wording on a line of its own before a short one beside the label.
    let beside = |v: &&String| label.width() + 3 + v.width() <= inside;
    let wordings: &[String] = match values.first() {
        Some(full) if label.width() <= inside && full.width() <= inside => {
            values.get(..1).unwrap_or_default()
        }
        _ => &values,
    };
    if let Some(v) = wordings.iter().find(beside) {
        return vec![format!("{label} = {v}")];
    }
    let mut lines = wrap(&label, inside);
    lines.extend(values.into_iter().find(|v| v.width() <= inside));
    lines
}

fn continued(node: &Node, inside: usize) -> Vec<String> {
    let label = ascii(node.name.as_deref().unwrap_or(node.spec.label));
    [format!("{label} (continued)"), "(continued)".to_owned(), "(cont.)".to_owned()]
        .into_iter()
        .find(|t| t.width() <= inside)
        .into_iter()
        .collect()
}

/// The label in lines of so many columns, shortened where it must be.
fn wrap(label: &str, inside: usize) -> Vec<String> {
    if label.split(' ').any(|w| w.width() > inside) {
        let word = if label.starts_with("Reserved") && inside >= 4 {
            "Rsvd".to_owned()
        } else {
            let first = label.split(' ').next().unwrap_or_default();
            match first.get(..inside) {
                Some(cut) if inside >= 5 => cut.to_owned(),
                _ => short(label),
            }
        };
        return vec![word.chars().take(inside).collect()];
    }
    let mut lines: Vec<String> = Vec::new();
    for word in label.split(' ') {
        match lines.last_mut() {
            Some(l) if l.width() + 1 + word.width() <= inside => {
                l.push(' ');
                l.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines.truncate(LABEL_LINES);
    lines
}
