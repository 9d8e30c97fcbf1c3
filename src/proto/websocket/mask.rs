//! Masking (RFC 6455 §5.3): byte `i` of the payload is XORed with byte
//! `i mod 4` of the key. Unmasking is the same.

/// Unmasks `data` in place, where its first byte is byte `phase` of the payload,
/// so that a payload may come in any number of parts.
///
/// Works on 16 bytes at a time: a whole number of keys, which the compiler turns
/// into one vector XOR.
pub(super) fn unmask(key: [u8; 4], phase: u64, data: &mut [u8]) {
    // `phase % 4` is below 4.
    let [a, b, c, d] = rotated(key, (phase % 4) as u32);
    let wide = u128::from_ne_bytes([a, b, c, d, a, b, c, d, a, b, c, d, a, b, c, d]);
    let (words, rest) = data.as_chunks_mut::<16>();
    for w in words {
        *w = (u128::from_ne_bytes(*w) ^ wide).to_ne_bytes();
    }
    for (byte, k) in rest.iter_mut().zip([a, b, c, d].into_iter().cycle()) {
        *byte ^= k;
    }
}

/// The key as it applies from `phase` (0 to 3) on.
const fn rotated(key: [u8; 4], phase: u32) -> [u8; 4] {
    u32::from_be_bytes(key).rotate_left(phase * 8).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_split_gives_the_same() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..=255).collect();
        let masked: Vec<u8> = plain.iter().enumerate().map(|(i, b)| b ^ key[i % 4]).collect();
        for cut in 0..=masked.len() {
            let mut data = masked.clone();
            let (a, b) = data.split_at_mut(cut);
            unmask(key, 0, a);
            unmask(key, cut as u64, b);
            assert_eq!(data, plain, "cut at {cut}");
        }
        let mut far = masked[3..].to_vec();
        unmask(key, u64::MAX - 4 + 4, &mut far);
        assert_eq!(far, plain[3..]);
    }
}
