//! Masking (RFC 6455 §5.3): byte `i` of the payload is XORed with byte
//! `i mod 4` of the key. Unmasking is the same.

/// Bytes unmasked by one step of the loop: a whole number of keys and of vectors.
const WIDE: usize = 64;

/// Unmasks `masked` into `plain`, which it replaces. Its first byte is byte `phase` of
/// the payload, so that a payload may come in any number of parts.
///
/// The bytes are read once and written once, as in a copy: the compiler makes vector
/// instructions of the loop over [`WIDE`] bytes. `benches/ratios.rs` holds it against
/// copying the same bytes.
pub fn unmask(key: [u8; 4], phase: u64, masked: &[u8], plain: &mut Vec<u8>) {
    // `phase % 4` is below 4.
    let [a, b, c, d] = rotated(key, (phase % 4) as u32);
    let (short, wide) = ([a, b, c, d, a, b, c, d], [[a, b, c, d]; WIDE / 4]);
    // What it holds is overwritten: only what is longer than ever before is set first.
    plain.resize(masked.len(), 0);
    let (from, from_rest) = masked.as_chunks::<WIDE>();
    let (to, to_rest) = plain.as_chunks_mut::<WIDE>();
    for (t, f) in to.iter_mut().zip(from) {
        for ((t, f), k) in t.iter_mut().zip(f).zip(wide.as_flattened()) {
            *t = f ^ k;
        }
    }
    let (from, from_rest) = from_rest.as_chunks::<8>();
    let (to, to_rest) = to_rest.as_chunks_mut::<8>();
    for (t, f) in to.iter_mut().zip(from) {
        *t = (u64::from_ne_bytes(*f) ^ u64::from_ne_bytes(short)).to_ne_bytes();
    }
    for ((t, f), k) in to_rest.iter_mut().zip(from_rest).zip(&short) {
        *t = f ^ k;
    }
}

/// The key as it applies from `phase` (0 to 3) on.
const fn rotated(key: [u8; 4], phase: u32) -> [u8; 4] {
    u32::from_be_bytes(key).rotate_left(phase * 8).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unmasked(key: [u8; 4], phase: u64, masked: &[u8]) -> Vec<u8> {
        // What was there before must not matter.
        let mut plain = vec![0xee; 70];
        unmask(key, phase, masked, &mut plain);
        plain
    }

    #[test]
    fn any_split_gives_the_same() {
        let key = [0x37, 0xfa, 0x21, 0x3d];
        let plain: Vec<u8> = (0..=255).collect();
        let masked: Vec<u8> = plain.iter().enumerate().map(|(i, b)| b ^ key[i % 4]).collect();
        for cut in 0..=masked.len() {
            let (a, b) = masked.split_at(cut);
            let joined = [unmasked(key, 0, a), unmasked(key, cut as u64, b)].concat();
            assert_eq!(joined, plain, "cut at {cut}");
        }
        assert_eq!(unmasked(key, u64::MAX, &masked[3..]), plain[3..]);
    }
}
