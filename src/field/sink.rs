//! Where a wire parser tells which field lies where.
//!
//! [`NoSink`] does nothing and costs nothing: the hot path. [`TreeSink`] builds
//! the tree when somebody looks. One piece of parser code serves both.

use std::cell::RefCell;

use crate::base::Span;
use crate::field::{FieldSpec, Node, NodeId, Tree, Value};

/// A listener to fields.
pub trait Sink {
    /// Whether anybody listens: a constant, so that the compiler drops the calls.
    const ON: bool;

    /// A field with its place and its value.
    fn field(&self, spec: &'static FieldSpec, span: Span, value: Value);

    /// A field that lies nowhere: computed from others.
    fn computed(&self, _spec: &'static FieldSpec, _value: Value) {}

    /// A group begins where `span` begins.
    fn open(&self, spec: &'static FieldSpec, span: Span);

    /// The group that was opened last ends before byte `end` of its buffer.
    fn close(&self, end: u32);

    /// The value of the group that was just opened, where it has one as a whole.
    fn value(&self, _value: Value) {}

    /// Something to say about the last field.
    fn note(&self, _text: &str) {}

    /// The name of the last field or group, where the wire or a schema gives one.
    fn name(&self, _text: &str) {}
}

/// Nobody listens.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoSink;

impl Sink for NoSink {
    const ON: bool = false;
    fn field(&self, _: &'static FieldSpec, _: Span, _: Value) {}
    fn open(&self, _: &'static FieldSpec, _: Span) {}
    fn close(&self, _: u32) {}
}

/// Builds a [`Tree`].
#[derive(Debug, Default)]
pub struct TreeSink {
    tree: RefCell<Tree>,
}

impl TreeSink {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Goes on with a tree that has been begun.
    #[must_use]
    pub const fn on(tree: Tree) -> Self {
        Self { tree: RefCell::new(tree) }
    }

    /// The tree.
    #[must_use]
    pub fn into_tree(self) -> Tree {
        self.tree.into_inner()
    }
}

impl Sink for TreeSink {
    const ON: bool = true;

    fn field(&self, spec: &'static FieldSpec, span: Span, value: Value) {
        self.tree.borrow_mut().add(spec, Some(span), value);
    }

    fn computed(&self, spec: &'static FieldSpec, value: Value) {
        self.tree.borrow_mut().add(spec, None, value);
    }

    fn open(&self, spec: &'static FieldSpec, span: Span) {
        self.tree.borrow_mut().open(spec, Some(span));
    }

    fn close(&self, end: u32) {
        self.tree.borrow_mut().close_at(end);
    }

    fn value(&self, value: Value) {
        self.last(|n| n.value = value);
    }

    fn note(&self, text: &str) {
        self.last(|n| n.note = Some(text.into()));
    }

    fn name(&self, text: &str) {
        self.last(|n| n.name = Some(text.into()));
    }
}

impl TreeSink {
    fn last(&self, change: impl FnOnce(&mut Node)) {
        let mut tree = self.tree.borrow_mut();
        if let Some(last) = tree.nodes().len().checked_sub(1)
            && let Ok(last) = u32::try_from(last)
            && let Some(node) = tree.get_mut(NodeId(last))
        {
            change(node);
        }
    }
}
