//! The Huffman code of RFC 7541 Appendix B.
//!
//! The code is canonical: within a length, codes ascend with the symbol, and
//! longer codes follow shorter ones. So the lengths say all, and the decoding
//! tables are made from them at compile time.

/// Lengths in bits of the codes of 0 to 255 and of EOS (Appendix B).
#[rustfmt::skip]
const LENGTHS: [u8; 257] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// The longest code, in bits.
const LONGEST: usize = 30;
/// Codes of at most so many bits are found by one look-up: all of printable
/// ASCII but fourteen characters.
const DIRECT_BITS: u32 = 10;
/// The symbol that ends nothing: it must never occur (§5.2).
const EOS: u16 = 256;

/// What the canonical order of the code comes to.
struct Tables {
    /// By the next ten bits: `length << 8 | symbol`, 0 for a longer code.
    direct: [u16; 1 << DIRECT_BITS],
    /// All symbols in the order of their codes.
    symbols: [u16; 257],
    /// By length: the first code of this length.
    first: [u32; LONGEST + 1],
    /// By length: the number of symbols of this length.
    count: [u32; LONGEST + 1],
    /// By length: where its symbols begin in `symbols`.
    begin: [u32; LONGEST + 1],
}

static TABLES: Tables = build();

// Compile-time only: an index out of bounds would be an error of the build.
#[allow(
    clippy::indexing_slicing,
    reason = "run by the compiler: what is out of bounds does not build"
)]
const fn build() -> Tables {
    let mut t = Tables {
        direct: [0; 1 << DIRECT_BITS],
        symbols: [0; 257],
        first: [0; LONGEST + 1],
        count: [0; LONGEST + 1],
        begin: [0; LONGEST + 1],
    };
    let mut code = 0_u32;
    let mut at = 0;
    let mut len = 1;
    while len <= LONGEST {
        code <<= 1;
        t.first[len] = code;
        t.begin[len] = at as u32;
        let mut symbol = 0;
        while symbol < 257 {
            if LENGTHS[symbol] as usize == len {
                t.symbols[at] = symbol as u16;
                at += 1;
                if len <= DIRECT_BITS as usize {
                    // Every continuation of the code leads here.
                    let spread = DIRECT_BITS - len as u32;
                    let mut i = 0;
                    while i < 1 << spread {
                        t.direct[((code << spread) + i) as usize] =
                            (len as u16) << 8 | symbol as u16;
                        i += 1;
                    }
                }
                code += 1;
                t.count[len] += 1;
            }
            symbol += 1;
        }
        len += 1;
    }
    t
}

/// The code of an octet, and how many bits it has.
pub(crate) fn code(octet: u8) -> (u32, u8) {
    let len = LENGTHS.get(usize::from(octet)).copied().unwrap_or_default();
    let l = usize::from(len);
    let nth = TABLES.symbols.iter().position(|s| *s == u16::from(octet)).unwrap_or_default() as u32;
    let at = |table: &[u32; LONGEST + 1]| table.get(l).copied().unwrap_or_default();
    (at(&TABLES.first) + nth - at(&TABLES.begin), len)
}

/// An encoder, for tests and benches alone.
pub(crate) fn encode(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let (mut acc, mut n) = (0_u64, 0);
    for b in text {
        let (code, len) = code(*b);
        acc = acc << len | u64::from(code);
        n += len;
        while n >= 8 {
            out.push((acc >> (n - 8)) as u8);
            n -= 8;
        }
    }
    if n > 0 {
        out.push(((acc << (8 - n)) as u8) | (0xff >> n));
    }
    out
}

/// What is wrong with a Huffman-coded string (RFC 7541 §5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum HuffmanFault {
    /// It contains the EOS symbol.
    Eos,
    /// Eight bits of padding or more.
    LongPadding,
    /// The padding is not the beginning of EOS: bits other than one.
    Padding,
}

impl HuffmanFault {
    /// For people.
    pub(crate) const fn meaning(self) -> &'static str {
        match self {
            Self::Eos => "the EOS symbol occurs in a string",
            Self::LongPadding => "more than seven bits of padding",
            Self::Padding => "padding bits that are not all ones",
        }
    }
}

/// Appends the decoded string to `out`.
///
/// # Errors
/// A fault; what was decoded before it is in `out`.
pub(crate) fn decode(coded: &[u8], out: &mut Vec<u8>) -> Result<(), HuffmanFault> {
    // The shortest code has five bits.
    out.reserve(coded.len().saturating_mul(8) / 5);
    // The next bits, from the most significant one down; `have` of them count.
    let mut bits = 0_u64;
    let mut have = 0_u32;
    let mut rest = coded;
    loop {
        if have <= 32 {
            if let Some((four, more)) = rest.split_first_chunk::<4>() {
                bits |= u64::from(u32::from_be_bytes(*four)) << (32 - have);
                have += 32;
                rest = more;
            } else {
                while let Some((b, more)) = rest.split_first()
                    && have <= 56
                {
                    bits |= u64::from(*b) << (56 - have);
                    have += 8;
                    rest = more;
                }
            }
        }
        let before = have;
        // Short codes that are there as a whole: neither the end nor EOS is among them.
        while have >= DIRECT_BITS
            && let direct = short(bits)
            && direct != 0
        {
            out.push(direct as u8);
            bits <<= direct >> 8;
            have -= u32::from(direct >> 8);
        }
        if have != before {
            continue;
        }
        let direct = short(bits);
        let (length, symbol) =
            if direct != 0 { (u32::from(direct >> 8), direct & 0xff) } else { long(bits) };
        if length > have {
            return padding(bits, have);
        }
        if symbol == EOS {
            return Err(HuffmanFault::Eos);
        }
        out.push(symbol as u8);
        bits <<= length;
        have -= length;
    }
}

/// The code that the next ten bits begin with, `length << 8 | symbol`; 0 for a longer one.
fn short(bits: u64) -> u16 {
    TABLES.direct.get((bits >> (64 - DIRECT_BITS)) as usize).copied().unwrap_or_default()
}

/// A code of more than ten bits: the length whose range of codes it falls in.
/// Every sequence of 30 bits begins with a code, as the code is complete.
fn long(bits: u64) -> (u32, u16) {
    let from = DIRECT_BITS as usize + 1;
    let lengths = TABLES.first.iter().zip(&TABLES.count).zip(&TABLES.begin).enumerate().skip(from);
    for (len, ((first, count), begin)) in lengths {
        let code = (bits >> (64 - len)) as u32;
        if let Some(nth) = code.checked_sub(*first)
            && nth < *count
        {
            let symbol = TABLES.symbols.get((begin + nth) as usize).copied();
            return (len as u32, symbol.unwrap_or(EOS));
        }
    }
    (LONGEST as u32, EOS)
}

/// What is left when no whole code is: fewer than eight bits, all ones.
fn padding(bits: u64, have: u32) -> Result<(), HuffmanFault> {
    if have == 0 {
        return Ok(());
    }
    if bits >> (64 - have) != (1_u64 << have) - 1 {
        return Err(HuffmanFault::Padding);
    }
    if have > 7 {
        return Err(HuffmanFault::LongPadding);
    }
    Ok(())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) use super::encode;

    fn decoded(coded: &[u8]) -> Result<Vec<u8>, HuffmanFault> {
        let mut out = Vec::new();
        decode(coded, &mut out).map(|()| out)
    }

    #[test]
    fn the_codes_are_those_of_the_appendix() {
        // Appendix B: '0' is 00000, ' ' is 010100, NUL is 1111111111000, EOS is thirty ones.
        assert_eq!(TABLES.first[5], 0);
        assert_eq!(TABLES.first[6], 0x14);
        assert_eq!(TABLES.first[13], 0x1ff8);
        assert_eq!(TABLES.first[30] + TABLES.count[30] - 1, 0x3fff_ffff);
        assert_eq!(
            decoded(&[0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff])
                .unwrap(),
            b"www.example.com"
        );
    }

    #[test]
    fn every_symbol_comes_back() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decoded(&encode(&all)).unwrap(), all);
        for b in 0..=255 {
            assert_eq!(decoded(&encode(&[b])).unwrap(), [b]);
            assert_eq!(decoded(&encode(&[b; 9])).unwrap(), [b; 9]);
        }
        assert_eq!(decoded(&[]).unwrap(), b"");
    }

    #[test]
    fn padding_is_checked() {
        // '0' is 00000: three bits of padding.
        assert_eq!(decoded(&[0x07]).unwrap(), b"0");
        assert_eq!(decoded(&[0x06]), Err(HuffmanFault::Padding));
        assert_eq!(decoded(&[0x07, 0xff]), Err(HuffmanFault::LongPadding));
        assert_eq!(decoded(&[0xff]), Err(HuffmanFault::LongPadding));
        assert_eq!(decoded(&[0xff; 4]), Err(HuffmanFault::Eos));
    }
}
