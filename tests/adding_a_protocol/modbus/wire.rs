//! The application data unit (MODBUS Messaging on TCP/IP V1.0b §3.1.3).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-------------------------------+-------------------------------+
//! |          transaction          |         protocol = 0          |
//! +-------------------------------+---------------+-+-------------+
//! |            length             |     unit      |E|  function   |
//! +-------------------------------+---------------+-+-------------+
//! |                            data ...                           |
//! +---------------------------------------------------------------+
//! ```

use framescope::field::input::{bytes, uint, word};
use framescope::field::{In, Parsed, Sink};
use nom::number::streaming::{be_u8, be_u16};

use super::fields;

/// Bytes up to and with the function.
pub const HEAD_LEN: usize = 8;
/// Bytes that the length does not count.
const BEFORE_UNIT: usize = 6;

/// Everything before the data; nothing is judged.
#[derive(Clone, Copy, Debug)]
pub struct Head {
    pub transaction: u16,
    pub protocol: u16,
    pub length: u16,
    pub unit: u8,
    pub exception: bool,
    pub function: u8,
}

impl Head {
    /// Whether it can be the head of a unit: 256 bytes is the longest on a serial line,
    /// less its two bytes of checksum.
    pub const fn is_sound(&self) -> bool {
        self.protocol == 0 && self.length >= 2 && self.length <= 254
    }

    /// Bytes of the whole unit.
    pub const fn wire_len(&self) -> usize {
        BEFORE_UNIT + self.length as usize
    }
}

/// Reads the head.
pub fn head<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Head> {
    let (i, transaction) = uint(&fields::TRANSACTION, be_u16)(i)?;
    let (i, protocol) = uint(&fields::PROTOCOL_ID, be_u16)(i)?;
    let (i, length) = uint(&fields::LENGTH, be_u16)(i)?;
    let (i, unit) = uint(&fields::UNIT, be_u8)(i)?;
    let (i, w) = word(1)(i)?;
    let exception = w.flag(&fields::EXCEPTION, 0);
    let function = w.bits(&fields::FUNCTION, 1) as u8;
    Ok((i, Head { transaction, protocol, length, unit, exception, function }))
}

/// Reads a whole unit; gives its data as well.
pub fn unit<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, (Head, &'a [u8])> {
    let (i, head) = head(i)?;
    let len = head.wire_len().saturating_sub(HEAD_LEN);
    if head.exception && len == 1 {
        let data = i.data();
        let (i, _) = uint(&fields::EXCEPTION_CODE, be_u8)(i)?;
        return Ok((i, (head, data.get(..1).unwrap_or_default())));
    }
    let (i, data) = bytes(&fields::DATA, len)(i)?;
    Ok((i, (head, data)))
}
