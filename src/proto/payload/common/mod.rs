//! What the decoders share: values with their places, and the sheet that they
//! write on. None of it knows a format of messages.

pub mod doc;
pub mod json;
pub mod msgpack;
pub mod sheet;

pub use doc::{At, Doc, FaultKind, Item};
pub use sheet::{Names, Sheet, short};
