//! Fields: what a value is called, where it lies, what it means.
//!
//! A protocol states its fields once, in static tables of [`FieldSpec`]. The
//! same table feeds the parser, the tree, the bit-layout picture and the
//! generated `docs/FIELDS.md`.

mod datum;
pub mod input;
mod sink;
mod spec;
mod tree;

pub use datum::Datum;
pub use input::{In, Parsed};
pub use sink::{NoSink, Sink, TreeSink};
pub use spec::{FieldSpec, Kind};
pub use tree::{Node, NodeId, Tree, Value};
