//! The bytes of gRPC: the prefix of a message.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |Compressed flag|            Message length (32)                |
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! |               |          Message ...
//! +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//! ```

use nom::number::streaming::{be_u8, be_u32};

use crate::field::input::{In, Parsed, uint, word};
use crate::field::{Sink, input};
use crate::proto::grpc::fields;

/// Bytes of a prefix.
pub const PREFIX_LEN: usize = 5;

/// The five bytes before each message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Prefix {
    /// 1: compressed, 0: not; anything else is not defined.
    pub flag: u8,
    /// Bytes of the message that follows.
    pub length: u32,
}

/// Reads a prefix.
///
/// # Errors
/// `Incomplete` below five bytes.
pub fn prefix<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Prefix> {
    let (i, flag) = uint(&fields::COMPRESSED_FLAG, be_u8)(i)?;
    let (i, length) = uint(&fields::MESSAGE_LENGTH, be_u32)(i)?;
    Ok((i, Prefix { flag, length }))
}

/// Reads the message behind its prefix: `length` bytes, or those that are there.
///
/// # Errors
/// None: what is missing is the caller's finding.
pub fn message<'a, S: Sink + 'a>(i: In<'a, S>, length: u32) -> Parsed<'a, S, &'a [u8]> {
    let here = i.data().len().min(length as usize);
    input::bytes(&fields::MESSAGE_DATA, here)(i)
}

/// The five bytes before a frame of trailers (gRPC-Web, "Message framing").
///
/// ```text
///  0                   1                   2                   3
///  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
/// +-+-------------+-----------------------------------------------+
/// |1|    flags    |                  Length (32)                  |
/// +-+-------------+-----------------------------------------------+
/// |               |  name: value CR LF ...
/// +-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WebPrefix {
    /// The frame holds trailers, not a message.
    pub trailers: bool,
    /// The other seven bits: 1 where the frame is compressed.
    pub flags: u8,
    /// Bytes of the frame that follow.
    pub length: u32,
}

/// Reads the prefix of a frame of gRPC-Web.
///
/// # Errors
/// `Incomplete` below five bytes.
pub fn web_prefix<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, WebPrefix> {
    let (i, w) = word(1)(i)?;
    let trailers = w.bits(&fields::FRAME_TYPE, 0) == 1;
    let flags = w.bits(&fields::WEB_FLAGS, 1) as u8;
    let (i, length) = uint(&fields::MESSAGE_LENGTH, be_u32)(i)?;
    Ok((i, WebPrefix { trailers, flags, length }))
}
