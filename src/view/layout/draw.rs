//! Rows of a picture, their borders and what stands in them.

use super::label::{continued, label_lines};
use super::{Cell, Picture, Section};
use crate::field::{Kind, Node, Tree};

/// Rows of one field that are drawn in full; of more, the middle is left out.
const WHOLE_ROWS: u64 = 3;

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
    let mut edges = Vec::new();
    for row in &rows {
        let below = owners(row, widest);
        let mine = starts(row);
        edges.extend(&mine);
        border(&mut picture.text, &above, &below, &edges);
        edges = mine;
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
    border(&mut picture.text, &above, &none, &edges);
    picture
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

/// The line between two rows; dashed where one field goes on below.
fn border(out: &mut String, above: &[Option<usize>], below: &[Option<usize>], edges: &[u64]) {
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
