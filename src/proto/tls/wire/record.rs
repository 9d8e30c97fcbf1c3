//! The record (RFC 8446 §5.1) and the alert (§6).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+-------------------------------+---------------+
//! |     type      |            version            |    length     |
//! +---------------+-------------------------------+---------------+
//! |    length     |                  fragment ...                 |
//! +---------------+-----------------------------------------------+
//! ```

use nom::number::streaming::{be_u8, be_u16};

use crate::field::input::uint;
use crate::field::{In, Parsed, Sink};
use crate::proto::tls::fields as f;

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// What it carries.
    pub content_type: u8,
    /// The version that it states.
    pub version: u16,
    /// Bytes that follow.
    pub length: u16,
}

impl Head {
    /// Bytes of a head.
    pub const LEN: usize = 5;
    /// The longest fragment in clear.
    pub const MAX_PLAIN: usize = 1 << 14;
    /// The longest record: before TLS 1.3, 2,048 bytes more than the fragment.
    pub const MAX: usize = Self::MAX_PLAIN + 2048;

    /// Whether it can be the head of a record.
    #[must_use]
    pub const fn is_sound(&self) -> bool {
        matches!(self.content_type, 20..=24)
            && self.version >= 0x0300
            && self.version <= 0x0304
            && self.length as usize <= Self::MAX
            // Only application data may be empty.
            && (self.length > 0 || self.content_type == 23)
    }

    /// Bytes of the whole record.
    #[must_use]
    pub const fn wire_len(&self) -> usize {
        Self::LEN + self.length as usize
    }
}

/// Reads a head; `opaque` where the type says nothing.
///
/// # Errors
/// `Incomplete`.
pub fn head<'a, S: Sink + 'a>(i: In<'a, S>, opaque: bool) -> Parsed<'a, S, Head> {
    let spec = if opaque { &f::OPAQUE_TYPE } else { &f::CONTENT_TYPE };
    let (i, content_type) = uint(spec, be_u8)(i)?;
    let (i, version) = uint(&f::RECORD_VERSION, be_u16)(i)?;
    let (i, length) = uint(&f::RECORD_LENGTH, be_u16)(i)?;
    Ok((i, Head { content_type, version, length }))
}

/// Reads an alert: level and description.
///
/// # Errors
/// `Incomplete`.
pub fn alert<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, (u8, u8)> {
    let (i, level) = uint(&f::ALERT_LEVEL, be_u8)(i)?;
    let (i, description) = uint(&f::ALERT_DESC, be_u8)(i)?;
    Ok((i, (level, description)))
}
