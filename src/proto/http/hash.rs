//! A hash of a body, so that equal answers can be told from different ones.

/// Takes bytes as they come: how they were cut does not show. Eight at a time, since
/// every body goes through here; no defence against who makes two bodies collide.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Hash {
    state: u64,
    /// The bytes behind the last whole word, from the lowest.
    tail: u64,
    len: u64,
}

impl Hash {
    const MULTIPLIER: u64 = 0x9e37_79b9_7f4a_7c15;
    const SALT: u64 = 0xc2b2_ae3d_27d4_eb4f;

    pub(super) fn update(&mut self, mut data: &[u8]) {
        while !self.len.is_multiple_of(8)
            && let Some((first, rest)) = data.split_first()
        {
            self.byte(*first);
            data = rest;
        }
        let (words, rest) = data.as_chunks::<8>();
        for w in words {
            self.word(u64::from_le_bytes(*w));
        }
        self.len = self.len.wrapping_add(words.len() as u64 * 8);
        for b in rest {
            self.byte(*b);
        }
    }

    fn byte(&mut self, b: u8) {
        let at = self.len % 8;
        self.tail |= u64::from(b) << (at * 8);
        self.len = self.len.wrapping_add(1);
        if at == 7 {
            self.word(self.tail);
            self.tail = 0;
        }
    }

    const fn word(&mut self, w: u64) {
        // Both halves of the product, so that no bit of a word is lost at its top.
        let x = self.state.rotate_left(29) ^ w ^ Self::SALT;
        let product = x as u128 * Self::MULTIPLIER as u128;
        self.state = product as u64 ^ (product >> 64) as u64;
    }

    /// The hash of all bytes so far.
    pub(super) const fn value(mut self) -> u64 {
        self.word(self.tail);
        self.word(self.len);
        self.state ^ self.state >> 32
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_the_bytes_were_cut_does_not_show() {
        let data: Vec<u8> = (0..=255).cycle().take(1000).collect();
        let of = |size: usize| {
            let mut h = Hash::default();
            data.chunks(size).for_each(|c| h.update(c));
            h.value()
        };
        for size in [1, 2, 3, 7, 8, 9, 64] {
            assert_eq!(of(size), of(1000), "{size}");
        }
    }

    #[test]
    fn one_bit_or_one_zero_byte_makes_another_hash() {
        let of = |d: &[u8]| {
            let mut h = Hash::default();
            h.update(d);
            h.value()
        };
        let mut seen = std::collections::BTreeSet::new();
        for n in 0..40 {
            assert!(seen.insert(of(&vec![0; n])), "{n} zero bytes");
        }
        for bit in 0..320 {
            let mut d = [0; 40];
            d[bit / 8] ^= 1 << (bit % 8);
            assert!(seen.insert(of(&d)), "bit {bit}");
        }
    }
}
