//! HPACK: Header Compression for HTTP/2 (RFC 7541).
//!
//! One [`Decoder`] a direction. It reads a header block over a tracked input,
//! so every representation knows its bits, and it never shows a value that it
//! is not sure of: an index whose insertion was not seen is unknown, not wrong.

mod decode;
pub(super) mod huffman;
mod table;
mod wire;

pub(super) use decode::{Decoder, FieldList, Size};

#[cfg(test)]
mod tests;
