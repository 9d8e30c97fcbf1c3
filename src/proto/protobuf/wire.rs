//! The bytes of protobuf: varints, tags, fixed numbers.
//!
//! ```text
//! tag, one byte          tag, more bytes (number above 15)
//! +-+-------+-----+      +-+-------+-----+-+-------------+ ...
//! |0| number| type|      |1|  low  | type|0|    high     |
//! +-+-------+-----+      +-+-------+-----+-+-------------+ ...
//!  1    4      3
//! ```

use nom::number::streaming::{le_u32, le_u64};

use crate::base::Span;
use crate::field::input::{In, Parsed};
use crate::field::{Sink, Value};
use crate::proto::protobuf::fields;

/// Largest field number (29 bits).
pub const MAX_NUMBER: u64 = (1 << 29) - 1;

/// How a varint is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As short as can be.
    Minimal,
    /// With groups of zeros at its high end.
    Overlong,
    /// More than 64 bits; the excess is dropped.
    Overflow,
    /// Ten bytes, none of which is the last.
    Endless,
}

/// A number in groups of seven bits, the low one first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Varint {
    /// The number.
    pub value: u64,
    /// How it is written.
    pub form: Form,
}

/// Reads a varint.
///
/// # Errors
/// `Incomplete` where it does not end.
pub fn varint<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Varint> {
    let mut value = 0_u64;
    let mut rest = i;
    for n in 0..10_u32 {
        let (next, byte) = rest.split(1)?;
        rest = next;
        let byte = byte.first().copied().unwrap_or_default();
        // The tenth byte has room for one bit.
        value |= u64::from(byte & 0x7f) << (7 * n);
        if byte & 0x80 == 0 {
            let form = match (n, byte) {
                (1.., 0) => Form::Overlong,
                (9, 2..) => Form::Overflow,
                _ => Form::Minimal,
            };
            return Ok((rest, Varint { value, form }));
        }
    }
    Ok((rest, Varint { value, form: Form::Endless }))
}

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tag {
    /// Field number, 0 to 2^61 − 1 as written.
    pub number: u64,
    /// Wire type, 0 to 7.
    pub wire_type: u8,
    /// How the varint is written.
    pub form: Form,
}

impl Tag {
    /// Whether there can be such a field.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        self.number >= 1
            && self.number <= MAX_NUMBER
            && self.wire_type <= 5
            && !matches!(self.form, Form::Endless | Form::Overflow)
    }
}

/// Reads a tag. The number is told where its low bits are, with the
/// continuation bit; its high bits, if any, are the bytes that follow.
///
/// # Errors
/// `Incomplete` where it does not end.
pub fn tag<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Tag> {
    let (rest, v) = varint(i)?;
    let tag = Tag { number: v.value >> 3, wire_type: (v.value & 7) as u8, form: v.form };
    if S::ON {
        let (sink, span) = (i.sink(), i.span_to(&rest));
        let bits = |first, width| Span::bit_field(span.buffer, span.start, first, width);
        sink.field(&fields::NUMBER, bits(0, 5), Value::U64(tag.number));
        sink.field(&fields::WIRE_TYPE, bits(5, 3), Value::U64(u64::from(tag.wire_type)));
        if let Some(high) = i.data().get(1..span.len as usize).filter(|h| !h.is_empty()) {
            let place = Span::bytes(span.buffer, span.start.saturating_add(1), span.len - 1);
            sink.field(&fields::NUMBER_HIGH, place, Value::Bytes(high.into()));
        }
    }
    Ok((rest, tag))
}

/// Reads 8 bytes (`wide`) or 4 as a little-endian number.
///
/// # Errors
/// `Incomplete` where there are fewer.
pub fn fixed<'a, S: Sink + 'a>(i: In<'a, S>, wide: bool) -> Parsed<'a, S, u64> {
    if wide {
        return le_u64(i);
    }
    let (rest, v) = le_u32(i)?;
    Ok((rest, u64::from(v)))
}

/// Zigzag: 0, −1, 1, −2 … for 0, 1, 2, 3 …
#[must_use]
pub const fn zigzag(v: u64) -> i64 {
    (v >> 1) as i64 ^ -((v & 1) as i64)
}
