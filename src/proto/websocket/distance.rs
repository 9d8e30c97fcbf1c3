//! How far back a compressed message refers: what an agreed window is to hold
//! (RFC 7692 §7.1.2). The codec always has the largest window, and would not say.

/// The largest distance in the blocks of DEFLATE data (RFC 1951 §3.2); 0 where there is
/// none. What is no such data, or not all of it, counts as far as it can be read.
pub(super) fn farthest(data: &[u8]) -> u32 {
    let (mut bits, mut most) = (Bits { data, at: 0, held: 0, count: 0 }, 0);
    while blocks(&mut bits, &mut most).is_some() {}
    most
}

/// Bits of a byte from the lowest up (RFC 1951 §3.1.1).
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    held: u32,
    count: u32,
}

impl Bits<'_> {
    fn take(&mut self, n: u32) -> Option<u32> {
        while self.count < n {
            self.held |= u32::from(*self.data.get(self.at)?) << self.count;
            self.at += 1;
            self.count += 8;
        }
        let value = self.held & ((1 << n) - 1);
        self.held >>= n;
        self.count -= n;
        Some(value)
    }

    /// Goes on at the next byte.
    const fn align(&mut self) {
        self.held = 0;
        self.count = 0;
    }
}

/// A canonical Huffman code (RFC 1951 §3.2.2).
#[derive(Default)]
struct Code {
    /// How many symbols have a code of so many bits.
    counts: [u16; 16],
    symbols: Vec<u16>,
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let mut code = Self::default();
        for len in 1..16_u8 {
            for (symbol, _) in lengths.iter().enumerate().filter(|(_, l)| **l == len) {
                code.symbols.push(u16::try_from(symbol).unwrap_or(u16::MAX));
                if let Some(n) = code.counts.get_mut(usize::from(len)) {
                    *n += 1;
                }
            }
        }
        code
    }

    fn read(&self, bits: &mut Bits<'_>) -> Option<u16> {
        let (mut code, mut first, mut index) = (0_u32, 0_u32, 0_u32);
        for count in self.counts.iter().skip(1) {
            let count = u32::from(*count);
            code |= bits.take(1)?;
            if let Some(n) = code.checked_sub(first).filter(|n| *n < count) {
                return self.symbols.get(index.checked_add(n)? as usize).copied();
            }
            index += count;
            first = (first + count) << 1;
            code <<= 1;
        }
        None
    }
}

/// Blocks up to a final one. Behind that the next begins with the next byte
/// (RFC 7692 §7.2.3.4).
fn blocks(bits: &mut Bits<'_>, most: &mut u32) -> Option<()> {
    loop {
        let last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => {
                bits.align();
                let len = bits.take(16)?;
                bits.take(16)?;
                bits.align();
                bits.at = bits.at.checked_add(len as usize)?;
            }
            1 => {
                let lengths: Vec<u8> = (0..288_u16)
                    .map(|n| match n {
                        0..144 => 8,
                        144..256 => 9,
                        256..280 => 7,
                        _ => 8,
                    })
                    .collect();
                compressed(bits, &Code::new(&lengths), &Code::new(&[5; 30]), most)?;
            }
            2 => {
                let (literals, distances) = described(bits)?;
                compressed(bits, &literals, &distances, most)?;
            }
            _ => return None,
        }
        if last {
            bits.align();
            return Some(());
        }
    }
}

/// The codes of a block that describes its own (RFC 1951 §3.2.7).
fn described(bits: &mut Bits<'_>) -> Option<(Code, Code)> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let literals = bits.take(5)? as usize + 257;
    let all = literals + bits.take(5)? as usize + 1;
    let written = bits.take(4)? as usize + 4;
    let mut of_lengths = [0_u8; 19];
    for place in ORDER.into_iter().take(written) {
        *of_lengths.get_mut(place)? = u8::try_from(bits.take(3)?).ok()?;
    }
    let code = Code::new(&of_lengths);
    let mut lengths: Vec<u8> = Vec::with_capacity(all);
    while lengths.len() < all {
        let (value, times) = match code.read(bits)? {
            n @ 0..16 => (u8::try_from(n).ok()?, 1),
            16 => (*lengths.last()?, bits.take(2)? + 3),
            17 => (0, bits.take(3)? + 3),
            _ => (0, bits.take(7)? + 11),
        };
        lengths.extend((0..times).map(|_| value));
    }
    let (a, b) = lengths.split_at_checked(literals)?;
    Some((Code::new(a), Code::new(b)))
}

/// The symbols of a block, to its end.
fn compressed(
    bits: &mut Bits<'_>,
    literals: &Code,
    distances: &Code,
    most: &mut u32,
) -> Option<()> {
    loop {
        let length = match literals.read(bits)? {
            0..256 => continue,
            256 => return Some(()),
            n => u32::from(n),
        };
        // Nothing hangs on the length: 265 to 284 have extra bits.
        if (265..285).contains(&length) {
            bits.take((length - 261) / 4)?;
        }
        let symbol = u32::from(distances.read(bits)?);
        let extra = (symbol / 2).saturating_sub(1);
        let base = if symbol < 4 { symbol } else { (2 + (symbol & 1)) << extra };
        if symbol < 30 {
            *most = (*most).max(base + bits.take(extra)? + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use flate2::{Compress, Compression, FlushCompress};

    fn deflate(text: &[u8], level: u32) -> Vec<u8> {
        let mut out = Vec::with_capacity(text.len() + 1000);
        let mut c = Compress::new(Compression::new(level), false);
        c.compress_vec(text, &mut out, FlushCompress::Sync).unwrap();
        out.truncate(out.len() - 4);
        out
    }

    /// Bytes of which no three come again.
    fn noise(len: usize) -> Vec<u8> {
        let mut x = 7_u32;
        (0..len)
            .map(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (x >> 24) as u8
            })
            .collect()
    }

    #[test]
    fn a_word_that_comes_again_is_as_far_as_it_is() {
        assert_eq!(farthest(&[]), 0);
        for gap in [20, 300, 5000, 20_000] {
            for level in [6, 9] {
                // The same word, so far apart; what lies between is not like it.
                let word = b"a word that comes again and again";
                let mut between = noise(gap);
                between.iter_mut().for_each(|b| *b |= 0x80);
                let text = [&word[..], &between, word].concat();
                let far = farthest(&deflate(&text, level));
                let want = (word.len() + gap) as u32;
                assert_eq!(far, want, "{gap} at level {level}");
            }
        }
        // Stored as it is.
        assert_eq!(farthest(&deflate(&noise(5000), 0)), 0);
        // RFC 7692 §7.2.3.2: a word and its copy, with the window kept: fixed codes.
        assert_eq!(farthest(&[0xf2, 0x00, 0x11, 0x00, 0x00]), 5);
        // §7.2.3.4: behind a final block.
        assert_eq!(farthest(&[0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0x00, 0x00]), 0);
    }

    #[test]
    fn anything_may_come() {
        for len in 0..600 {
            let _ = farthest(&noise(len));
            let whole = deflate(&b"all work and no play ".repeat(20), 6);
            let _ = farthest(whole.get(..len).unwrap_or(&whole));
        }
    }
}
