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

mod draw;
mod label;

use std::collections::HashMap;

use crate::base::{BufferId, Origins};
use crate::field::{Kind, Node, NodeId, Tree};

pub use draw::{bits_per_row, draw};
pub use label::short;

/// Fields behind which a new picture begins, as in their specifications: what
/// follows them is a structure of its own.
const BREAK_AFTER: [&str; 2] = ["http2.streamid", "grpc.message_length"];

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
    let mut wrappers = HashMap::new();
    let mut after_break = false;
    for (n, node) in tree.nodes().iter().enumerate() {
        let id = NodeId(u32::try_from(n).unwrap_or(u32::MAX));
        if tree.has_children(id) || node.spec.kind == Kind::Group {
            continue;
        }
        let group = group_of(tree, node, &mut wrappers);
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
fn group_of(tree: &Tree, node: &Node, wrappers: &mut HashMap<NodeId, bool>) -> Option<NodeId> {
    let mut chain = Vec::new();
    let mut at = node.parent;
    while let Some(id) = at {
        chain.push(id);
        at = tree.get(id).and_then(|n| n.parent);
    }
    let repeats = |id: &&NodeId| tree.get(**id).is_some_and(|n| n.spec.repeated);
    // Each group is looked through once.
    let not_wrapper =
        |id: &&NodeId| !*wrappers.entry(**id).or_insert_with(|| is_wrapper(tree, **id));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::{Buffer, Span};
    use crate::field::{FieldSpec, Value};

    static FLAG: FieldSpec = FieldSpec::new("t.flag", "More data", 1, Kind::Flag, "-", "A bit.");
    static REST: FieldSpec = FieldSpec::new("t.rest", "Rest", 7, Kind::Unsigned, "-", "Bits.");
    static BODY: FieldSpec = FieldSpec::new("t.body", "Body", 0, Kind::Data, "-", "Bytes.");

    fn picture(body: u32, width: usize) -> Picture {
        let wire = BufferId(0);
        let mut tree = Tree::new();
        tree.add(&FLAG, Some(Span::bit_field(wire, 0, 0, 1)), Value::Bool(true));
        tree.add(&REST, Some(Span::bit_field(wire, 0, 1, 7)), Value::U64(5));
        if body > 0 {
            tree.add(&BODY, Some(Span::bytes(wire, 1, body)), Value::None);
        }
        let mut origins = Origins::new();
        let bytes: Vec<u8> = std::iter::once(0x85).chain((0..body).map(|_| 0xff)).collect();
        origins.add(Buffer { len: body + 1, bytes, ..Buffer::new("frame") });
        let list = sections(&tree, &origins);
        assert_eq!(list.len(), 1);
        let value = |n: &Node| match n.value {
            Value::U64(v) => vec![format!("{v} of a kind that is long"), v.to_string()],
            _ => Vec::new(),
        };
        draw(&tree, &list[0], &origins.buffers()[0].bytes, width, &value)
    }

    #[test]
    fn a_byte() {
        let p = picture(0, 80);
        let expected = "
 0 1 2 3 4 5 6 7
+-+-------------+
|M|  Rest = 5   |
|D|             |
|1|0 0 0 0 1 0 1|
+-+-------------+
";
        assert_eq!(format!("\n{}", p.text), expected);
        assert_eq!((p.drawn, p.elided), (8, 0));
    }

    #[test]
    fn the_middle_of_a_long_field_is_left_out() {
        let p = picture(100, 80);
        let expected = "
 0                   1                   2                   3
 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
+-+-------------+-----------------------------------------------+
|M|  Rest = 5   |                     Body                      |
|D|             |                                               |
|1|0 0 0 0 1 0 1|      ff              ff              ff       |
+-+-------------+- - - - - - - - - - - - - - - - - - - - - - - -+
:                       ... 96 bytes ...                        :
+- - - - - - - -+-----------------------------------------------+
|  (continued)  |
|      ff       |
+---------------+
";
        assert_eq!(format!("\n{}", p.text), expected);
        assert_eq!((p.drawn, p.elided), (40, 768));
    }

    #[test]
    fn fewer_columns_have_fewer_bits_a_row() {
        for (width, bits) in [(80, 32), (65, 32), (64, 16), (33, 16), (32, 8), (0, 8)] {
            assert_eq!(bits_per_row(width), bits);
            let p = picture(9, width);
            assert!(p.text.lines().all(|l| l.len() as u64 <= 1 + 2 * bits), "{}", p.text);
            assert_eq!(p.drawn + p.elided, 80);
        }
    }

    #[test]
    fn short_labels() {
        let cases = [
            ("Fin", "FIN"),
            ("RSV1", "RSV1"),
            ("More fragments", "MF"),
            ("Reserved", "R"),
            ("Padded", "PAD"),
            ("Größe", "GR?"),
            ("", "?"),
        ];
        for (label, expected) in cases {
            assert_eq!(short(label), expected, "{label}");
        }
    }
}
