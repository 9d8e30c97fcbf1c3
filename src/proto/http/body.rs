//! Content codings of a body that somebody looks at (RFC 9110 §8.4.1).

use std::io::{BufRead, Read};

use flate2::bufread::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};

use crate::base::limits::MAX_INFLATED_BYTES;

/// A body with its coding undone.
pub(super) struct Inflated {
    /// The first bytes, up to the cap.
    pub(super) bytes: Vec<u8>,
    /// How many there were, as far as they were inflated.
    pub(super) total: u64,
    /// What went wrong, in words.
    pub(super) note: Option<String>,
}

/// Undoes `coding`; `None` for one that is not known, and for none at all.
///
/// What can be had of a damaged or cut body is given with a note.
pub(super) fn inflate(coding: &[u8], body: &[u8], cap: usize) -> Option<Inflated> {
    if coding.eq_ignore_ascii_case(b"gzip") || coding.eq_ignore_ascii_case(b"x-gzip") {
        Some(drain(MultiGzDecoder::new(body), cap))
    } else if coding.eq_ignore_ascii_case(b"deflate") {
        // "deflate" means zlib's format; some senders leave its head away.
        if is_zlib(body) {
            Some(drain(ZlibDecoder::new(body), cap))
        } else {
            Some(drain(DeflateDecoder::new(body), cap))
        }
    } else {
        None
    }
}

/// RFC 1950 §2.2: the method is 8, and the first two bytes are a multiple of 31.
fn is_zlib(body: &[u8]) -> bool {
    matches!(body, [a, b, ..] if a & 0x0f == 8 && (u16::from(*a) << 8 | u16::from(*b)) % 31 == 0)
}

fn drain(decoder: impl Read, cap: usize) -> Inflated {
    let mut reader = std::io::BufReader::with_capacity(32 << 10, decoder);
    let mut out = Inflated { bytes: Vec::new(), total: 0, note: None };
    loop {
        let n = match reader.fill_buf() {
            Ok([]) => break,
            Ok(chunk) => {
                let room = cap.saturating_sub(out.bytes.len()).min(chunk.len());
                out.bytes.extend_from_slice(chunk.get(..room).unwrap_or_default());
                chunk.len()
            }
            Err(e) => {
                out.note = Some(format!("inflating stopped after {} bytes: {e}", out.total));
                break;
            }
        };
        reader.consume(n);
        out.total += n as u64;
        if out.total >= MAX_INFLATED_BYTES as u64 {
            out.note =
                Some(format!("inflating stopped at the limit of {MAX_INFLATED_BYTES} bytes"));
            break;
        }
    }
    out
}
