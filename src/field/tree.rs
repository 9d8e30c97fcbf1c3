//! The field tree of one event: a flat list in document order.

use crate::base::{BufferId, Span, limits::MAX_TREE_NODES};
use crate::field::{FieldSpec, Kind};

/// Index of a node in its tree.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId(pub u32);

/// The value of a node.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A group, or a payload whose bytes are its span.
    None,
    /// A flag.
    Bool(bool),
    /// An unsigned number, enumerated ones included; a duration in nanoseconds.
    U64(u64),
    /// A signed number.
    I64(i64),
    /// A floating-point number.
    F64(f64),
    /// Bytes.
    Bytes(Box<[u8]>),
    /// Text, an address included.
    Text(Box<str>),
}

impl Value {
    /// Text from the wire; what is no UTF-8 is replaced.
    #[must_use]
    pub fn text(bytes: &[u8]) -> Self {
        Self::Text(match simdutf8::basic::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => String::from_utf8_lossy(bytes).into(),
        })
    }
}

/// A field with its value and its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What it is.
    pub spec: &'static FieldSpec,
    /// Its name where the wire or a schema gives one (a header's, a protobuf
    /// field's) instead of the label.
    pub name: Option<Box<str>>,
    /// Its value.
    pub value: Value,
    /// Where it lies; `None` for what is computed.
    pub span: Option<Span>,
    /// What people should be told beside the value.
    pub note: Option<Box<str>>,
    /// The group that it is in.
    pub parent: Option<NodeId>,
    /// Depth, 0 at the top.
    pub depth: u16,
}

impl PartialEq for FieldSpec {
    fn eq(&self, other: &Self) -> bool {
        std::ptr::eq(self, other) || self.name == other.name
    }
}

/// The memory of trees that are gone: a capture has as many trees as events, one after
/// the other, and each would grow anew.
mod spare {
    use std::cell::RefCell;

    use super::Node;

    /// Trees that are under way at once: a frame's and its parts'.
    const MAX_SPARE: usize = 8;
    /// Nodes of one that is worth keeping.
    const MAX_NODES: usize = 1024;
    /// Nodes of a frame without headers.
    const USUAL_NODES: usize = 32;

    thread_local! {
        static SPARE: RefCell<Vec<Vec<Node>>> = const { RefCell::new(Vec::new()) };
    }

    /// An empty list.
    pub(super) fn take() -> Vec<Node> {
        let spare = SPARE.try_with(|s| s.borrow_mut().pop()).ok().flatten();
        spare.unwrap_or_else(|| Vec::with_capacity(USUAL_NODES))
    }

    /// Keeps the memory of a list.
    pub(super) fn give(mut nodes: Vec<Node>) {
        if (USUAL_NODES..=MAX_NODES).contains(&nodes.capacity()) {
            nodes.clear();
            // The thread may be on its end.
            let _ = SPARE.try_with(|s| {
                let mut spare = s.borrow_mut();
                if spare.len() < MAX_SPARE {
                    spare.push(nodes);
                }
            });
        }
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        spare::give(std::mem::take(&mut self.nodes));
    }
}

/// Fields in document order: a group before its children.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Tree {
    nodes: Vec<Node>,
    open: Vec<NodeId>,
    cut: bool,
}

impl Tree {
    /// An empty tree.
    #[must_use]
    pub const fn new() -> Self {
        Self { nodes: Vec::new(), open: Vec::new(), cut: false }
    }

    /// The nodes in order.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// Whether [`MAX_TREE_NODES`] cut it.
    #[must_use]
    pub const fn is_cut(&self) -> bool {
        self.cut
    }

    /// Adds a field below the open group; gives its id.
    pub fn add(&mut self, spec: &'static FieldSpec, span: Option<Span>, value: Value) -> NodeId {
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        if self.nodes.len() >= MAX_TREE_NODES {
            self.cut = true;
            return id;
        }
        if self.nodes.capacity() == 0 {
            self.nodes = spare::take();
        }
        self.nodes.push(Node {
            spec,
            name: None,
            value,
            span,
            note: None,
            parent: self.open.last().copied(),
            depth: u16::try_from(self.open.len()).unwrap_or(u16::MAX),
        });
        id
    }

    /// Adds a group and opens it: what follows is below it until [`Tree::close`].
    pub fn open(&mut self, spec: &'static FieldSpec, span: Option<Span>) -> NodeId {
        let id = self.add(spec, span, Value::None);
        self.open.push(id);
        id
    }

    /// Closes the group that was opened last.
    pub fn close(&mut self) {
        self.open.pop();
    }

    /// Closes the group that was opened last and ends its span before byte `end`.
    pub fn close_at(&mut self, end: u32) {
        if let Some(id) = self.open.pop()
            && let Some(n) = self.nodes.get_mut(id.0 as usize)
            && let Some(s) = &mut n.span
        {
            s.len = end.saturating_sub(s.start);
        }
    }

    /// The node, for naming it, for a note, or for a span known only later.
    pub fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.nodes.get_mut(id.0 as usize)
    }

    /// The node.
    #[must_use]
    pub fn get(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id.0 as usize)
    }

    /// The first field of this name.
    #[must_use]
    pub fn find(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|n| n.spec.name == name)
    }

    /// The value of the first field of this name, as a number.
    #[must_use]
    pub fn number(&self, name: &str) -> Option<u64> {
        match self.find(name)?.value {
            Value::U64(v) => Some(v),
            Value::Bool(b) => Some(u64::from(b)),
            _ => None,
        }
    }

    /// Whether the node has children.
    #[must_use]
    pub fn has_children(&self, id: NodeId) -> bool {
        self.nodes.get(id.0 as usize + 1).is_some_and(|n| n.parent == Some(id))
    }

    /// Appends another tree below the open group, its buffers renumbered from
    /// `base` (see [`crate::base::Origins::append`]).
    pub fn append(&mut self, mut other: Self, base: BufferId) {
        let first = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        let depth = u16::try_from(self.open.len()).unwrap_or(u16::MAX);
        let top = self.open.last().copied();
        if self.nodes.capacity() == 0 {
            self.nodes = spare::take();
        }
        let room = MAX_TREE_NODES.saturating_sub(self.nodes.len());
        self.cut |= other.nodes.len() > room;
        self.nodes.extend(other.nodes.drain(..).take(room).map(|mut n| {
            n.parent = n.parent.map_or(top, |p| Some(NodeId(p.0 + first)));
            n.depth = n.depth.saturating_add(depth);
            if let Some(s) = &mut n.span {
                s.buffer.0 = s.buffer.0.saturating_add(base.0);
            }
            n
        }));
    }

    /// The leaves: nodes that have no children and are no empty groups.
    pub fn leaves(&self) -> impl Iterator<Item = &Node> {
        self.nodes.iter().enumerate().filter_map(|(i, n)| {
            let id = NodeId(u32::try_from(i).unwrap_or(u32::MAX));
            (!self.has_children(id) && n.spec.kind != Kind::Group).then_some(n)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static GROUP: FieldSpec = FieldSpec::new("t.group", "Group", 0, Kind::Group, "-", "A group.");
    static LEAF: FieldSpec = FieldSpec::new("t.leaf", "Leaf", 8, Kind::Unsigned, "-", "A byte.");

    #[test]
    fn an_appended_tree_hangs_below_the_open_group() {
        let mut part = Tree::new();
        part.open(&GROUP, Some(Span::bytes(BufferId(1), 0, 1)));
        part.add(&LEAF, Some(Span::bytes(BufferId(1), 0, 1)), Value::U64(7));
        let mut whole = Tree::new();
        whole.open(&GROUP, None);
        whole.append(part, BufferId(3));
        let nodes: Vec<_> =
            whole.nodes().iter().map(|n| (n.parent, n.depth, n.span.map(|s| s.buffer))).collect();
        let at = |n| Some(NodeId(n));
        let buffer = Some(BufferId(4));
        assert_eq!(nodes, [(None, 0, None), (at(0), 1, buffer), (at(1), 2, buffer)]);
    }

    #[test]
    fn a_tree_beyond_the_limit_is_cut_when_appended() {
        let mut part = Tree::new();
        for n in 0..10 {
            part.add(&LEAF, None, Value::U64(n));
        }
        let mut whole = Tree::new();
        for n in 0..MAX_TREE_NODES - 4 {
            whole.add(&LEAF, None, Value::U64(n as u64));
        }
        whole.append(part, BufferId(0));
        assert_eq!((whole.nodes().len(), whole.is_cut()), (MAX_TREE_NODES, true));
    }

    /// The memory of a tree that is gone serves the next, its fields do not.
    #[test]
    fn a_new_tree_is_empty() {
        for _ in 0..20 {
            let mut tree = Tree::new();
            assert!(tree.nodes().is_empty());
            tree.add(&LEAF, None, Value::Text("x".into()));
            assert_eq!(tree.nodes().len(), 1);
            assert_eq!(tree.clone(), tree);
        }
    }
}
