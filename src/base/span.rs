//! Where a value lies: bytes and bits of one buffer.

use crate::base::BufferId;

/// A run of bits in a buffer.
///
/// Whole bytes have `bits == 0`. A bit field has its width in `bits` (1 to 64)
/// and starts `bit` bits (0 to 7, most significant first, as RFCs draw them)
/// into byte `start`; `len` is then the number of bytes that it touches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Span {
    /// The buffer.
    pub buffer: BufferId,
    /// First byte, from the start of the buffer.
    pub start: u32,
    /// Bytes touched.
    pub len: u32,
    /// First bit within the first byte, 0 the most significant.
    pub bit: u8,
    /// Width in bits of a bit field; 0 for whole bytes.
    pub bits: u8,
}

impl Span {
    /// Whole bytes `start .. start + len` of `buffer`.
    #[must_use]
    pub const fn bytes(buffer: BufferId, start: u32, len: u32) -> Self {
        Self { buffer, start, len, bit: 0, bits: 0 }
    }

    /// `bits` bits that start `bit` bits after the beginning of byte `start`
    /// (`bit` may be beyond 7; the span is normalised).
    #[must_use]
    pub const fn bit_field(buffer: BufferId, start: u32, bit: u32, bits: u8) -> Self {
        let first = start + bit / 8;
        let within = (bit % 8) as u8;
        let len = (within as u32 + bits as u32).div_ceil(8);
        Self { buffer, start: first, len, bit: within, bits }
    }

    /// First bit, counted from the start of the buffer.
    #[must_use]
    pub const fn first_bit(&self) -> u64 {
        self.start as u64 * 8 + self.bit as u64
    }

    /// Number of bits.
    #[must_use]
    pub const fn bit_len(&self) -> u64 {
        if self.bits == 0 { self.len as u64 * 8 } else { self.bits as u64 }
    }

    /// One past the last byte touched.
    #[must_use]
    pub const fn end(&self) -> u32 {
        self.start.saturating_add(self.len)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bit_fields_are_normalised() {
        let s = Span::bit_field(BufferId(0), 0, 9, 7);
        assert_eq!((s.start, s.bit, s.len), (1, 1, 1));
        assert_eq!(s.first_bit(), 9);
        assert_eq!(s.bit_len(), 7);
        let r = Span::bit_field(BufferId(0), 5, 1, 31);
        assert_eq!((r.start, r.bit, r.len), (5, 1, 4));
    }
}
