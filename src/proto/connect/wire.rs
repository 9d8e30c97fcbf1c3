//! The bytes of Connect: the envelope of a message of a stream.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-----------+-+-+-----------------------------------------------+
//! | reserved  |E|C|              Length (32)                      |
//! +-----------+-+-+-----------------------------------------------+
//! |               |  Message ...
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use nom::number::streaming::be_u32;

use crate::field::input::{In, Parsed, bytes, uint, word};
use crate::field::{FieldSpec, Sink};
use crate::proto::connect::fields;

/// Bytes of an envelope's head.
pub const ENVELOPE_LEN: usize = 5;

/// The five bytes before each message of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Envelope {
    /// Bits that mean nothing yet.
    pub reserved: u8,
    /// The message ends the stream.
    pub end_stream: bool,
    /// The message is compressed.
    pub compressed: bool,
    /// Bytes of it.
    pub length: u32,
}

/// Reads the head of an envelope.
///
/// # Errors
/// `Incomplete` below five bytes.
pub fn envelope<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Envelope> {
    let (i, w) = word(1)(i)?;
    let reserved = w.bits(&fields::RESERVED, 0) as u8;
    let end_stream = w.flag(&fields::END_STREAM, 6);
    let compressed = w.flag(&fields::COMPRESSED, 7);
    let (i, length) = uint(&fields::MESSAGE_LENGTH, be_u32)(i)?;
    Ok((i, Envelope { reserved, end_stream, compressed, length }))
}

/// Reads what there is of a message.
///
/// # Errors
/// None: what is missing is the caller's finding.
pub fn message<'a, S: Sink + 'a>(
    i: In<'a, S>,
    spec: &'static FieldSpec,
) -> Parsed<'a, S, &'a [u8]> {
    let len = i.data().len();
    bytes(spec, len)(i)
}
