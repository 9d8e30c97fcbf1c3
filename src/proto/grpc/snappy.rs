//! Snappy, raw or framed (google/snappy `format_description.txt`, `framing_format.txt`).
//!
//! ```text
//! raw:     length of the output (varint), then elements, the low two bits of whose
//!          first byte say what follows:
//!   00     literal: 6 bits of length - 1; 60 to 63 mean 1 to 4 bytes of it behind
//!   01     copy: 3 bits of length - 4, offset of 3 + 8 bits
//!   10     copy: 6 bits of length - 1, offset of 16 bits
//!   11     copy: 6 bits of length - 1, offset of 32 bits
//! framed:  chunks of a type, 24 bits of length, and data; the first is ff 06 00 00 sNaPpY
//! ```

use super::encoding::Inflated;

/// What a framed stream begins with.
const MAGIC: &[u8] = b"\xff\x06\x00\x00sNaPpY";

/// Undoes Snappy, in whichever form it is.
pub(super) fn inflate(data: &[u8], into: &mut Vec<u8>, limit: usize) -> Inflated {
    let done = match data.strip_prefix(MAGIC) {
        Some(chunks) => framed(chunks, into, limit),
        None => raw(data, into, limit),
    };
    done.err().unwrap_or(Inflated::Whole)
}

fn broken(why: &str) -> Inflated {
    Inflated::Broken(why.to_owned())
}

fn little(bytes: &[u8]) -> usize {
    bytes.iter().rev().fold(0, |n, b| n << 8 | usize::from(*b))
}

/// The first `n` bytes and the rest.
fn split<'a>(data: &'a [u8], n: usize, what: &str) -> Result<(&'a [u8], &'a [u8]), Inflated> {
    data.split_at_checked(n).ok_or_else(|| broken(&format!("{what} is cut off")))
}

fn raw(data: &[u8], into: &mut Vec<u8>, limit: usize) -> Result<(), Inflated> {
    let mut length = 0_u64;
    let mut rest = data;
    for shift in (0..).step_by(7).take(5) {
        let (byte, tail) = rest.split_first().ok_or_else(|| broken("the length is cut off"))?;
        length |= u64::from(byte & 0x7f) << shift;
        rest = tail;
        if byte & 0x80 == 0 {
            break;
        }
        if shift == 28 {
            return Err(broken("the length is no number of 32 bits"));
        }
    }
    let start = into.len();
    let room = limit.saturating_sub(start);
    let wanted = usize::try_from(length).unwrap_or(usize::MAX);
    while let Some((tag, tail)) = rest.split_first() {
        let high = usize::from(tag >> 2);
        let made = into.len().saturating_sub(start);
        let len = match tag & 3 {
            0 => {
                let more = high.saturating_sub(59);
                let (bytes, tail) = split(tail, more, "a literal's length")?;
                let len = if more == 0 { high } else { little(bytes) }.saturating_add(1);
                let (literal, tail) = split(tail, len, "a literal")?;
                rest = tail;
                let free = room.saturating_sub(made);
                into.extend_from_slice(literal.get(..len.min(free)).unwrap_or_default());
                if len > free {
                    return Err(Inflated::Limit);
                }
                len
            }
            kind => {
                let bytes = [0, 1, 2, 4].get(usize::from(kind)).copied().unwrap_or(0);
                let (bytes, tail) = split(tail, bytes, "a copy")?;
                rest = tail;
                let (len, offset) = match kind {
                    1 => ((high & 7) + 4, (high >> 3) << 8 | little(bytes)),
                    _ => (high + 1, little(bytes)),
                };
                if offset == 0 || offset > made {
                    return Err(broken("a copy from before the beginning"));
                }
                // It may reach into what it writes.
                for _ in 0..len {
                    if into.len().saturating_sub(start) >= room {
                        return Err(Inflated::Limit);
                    }
                    let from = into.len().saturating_sub(offset);
                    let byte = into.get(from).copied().unwrap_or_default();
                    into.push(byte);
                }
                len
            }
        };
        if made.saturating_add(len) > wanted {
            return Err(broken("more comes out than the length says"));
        }
    }
    match into.len().saturating_sub(start) {
        n if n == wanted => Ok(()),
        n => Err(broken(&format!("{n} bytes come out where the length says {wanted}"))),
    }
}

fn framed(data: &[u8], into: &mut Vec<u8>, limit: usize) -> Result<(), Inflated> {
    let mut rest = data;
    while let Some((kind, tail)) = rest.split_first() {
        let (len, tail) = split(tail, 3, "a chunk's length")?;
        let (chunk, tail) = split(tail, little(len), "a chunk")?;
        rest = tail;
        match kind {
            0 | 1 => {
                let (sum, body) = split(chunk, 4, "a checksum")?;
                let from = into.len();
                if *kind == 0 {
                    raw(body, into, limit)?;
                } else {
                    let free = limit.saturating_sub(from);
                    into.extend_from_slice(body.get(..body.len().min(free)).unwrap_or_default());
                    if body.len() > free {
                        return Err(Inflated::Limit);
                    }
                }
                let made = crc32c(into.get(from..).unwrap_or_default());
                // Masked, since checksums of checksums are weak (§3).
                let masked = made.rotate_right(15).wrapping_add(0xa282_ead8);
                if little(sum) as u32 != masked {
                    return Err(broken("a chunk's checksum is wrong"));
                }
            }
            // Padding, and what may be skipped.
            0x80..=0xff => {}
            other => return Err(broken(&format!("chunk type {other:#04x}"))),
        }
    }
    Ok(())
}

/// CRC-32C (RFC 3720 §12.1).
fn crc32c(data: &[u8]) -> u32 {
    !data.iter().fold(!0_u32, |crc, b| {
        let mut crc = crc ^ u32::from(*b);
        for _ in 0..8 {
            crc = if crc & 1 == 1 { crc >> 1 ^ 0x82f6_3b78 } else { crc >> 1 };
        }
        crc
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(data: &[u8]) -> (Inflated, Vec<u8>) {
        let mut out = Vec::new();
        (inflate(data, &mut out, 1 << 20), out)
    }

    #[test]
    fn the_check_value_of_crc_32c() {
        assert_eq!(crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn literals_and_copies_of_each_form() {
        // "abcd", then 8 bytes from 4 back (form 1), 6 from 2 back (form 2), 5 from 1 (form 3).
        let data = b"\x17\x0cabcd\x11\x04\x16\x02\x00\x13\x01\x00\x00\x00";
        assert_eq!(of(data), (Inflated::Whole, b"abcdabcdabcdcdcdcdddddd".to_vec()));
        // A literal of 61 bytes has its length in a byte of its own.
        let mut long = vec![61, 60 << 2, 60];
        long.extend([7; 61]);
        assert_eq!(of(&long), (Inflated::Whole, vec![7; 61]));
        assert_eq!(of(b"\0"), (Inflated::Whole, Vec::new()));
    }

    #[test]
    fn frames_and_their_checksums() {
        let text = b"Wikipedia is a free";
        let masked = crc32c(text).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes();
        let mut data = MAGIC.to_vec();
        data.extend([1, 23, 0, 0]);
        data.extend(masked);
        data.extend(text);
        data.extend(b"\xfe\x02\0\0xx");
        assert_eq!(of(&data), (Inflated::Whole, text.to_vec()));
        data[14] ^= 1;
        assert_eq!(of(&data).0, broken("a chunk's checksum is wrong"));
    }

    #[test]
    fn what_is_broken_is_named() {
        for (data, why) in [
            (&b""[..], "length is cut off"),
            (b"\xff\xff\xff\xff\xff\x01", "32 bits"),
            (b"\x05\x10abc", "a literal is cut off"),
            (b"\x04\x01\x01", "before the beginning"),
            (b"\x09\x00a", "where the length says 9"),
            (b"\x01\x0cabcd", "more comes out"),
        ] {
            let (how, _) = of(data);
            assert!(matches!(&how, Inflated::Broken(w) if w.contains(why)), "{data:?}: {how:?}");
        }
        let mut out = Vec::new();
        // 64 bytes out of each copy.
        let mut bomb = b"\xff\xff\xff\x7f\x00a".to_vec();
        bomb.extend(b"\xfe\x01\x00".repeat(1000));
        assert_eq!(inflate(&bomb, &mut out, 5000), Inflated::Limit);
        assert_eq!(out.len(), 5000);
    }
}
