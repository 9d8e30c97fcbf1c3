//! A first pass over captures for their secrets alone: those that come behind the packets
//! that need them are known in time then.

use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

use super::pcapng::{SECRETS, SECTION_HEADER, block_head, section_order};
use super::{ByteOrder, OpenOptions, Polled, Secrets, open};
use crate::base::limits::MAX_BLOCK_BYTES;

/// Bytes read at once: blocks are hopped over, and most are small.
const READ: usize = 256 << 10;

/// The secrets of all of a capture, in order. Only pcapng has any; standard input and what
/// cannot be read gives none (who reads it in earnest says why).
#[must_use]
pub fn secrets_of(path: &Path) -> Vec<Secrets> {
    // Only a regular file can be read twice.
    if path == Path::new("-") || !path.is_file() {
        return Vec::new();
    }
    let mut found = Vec::new();
    match plain(path, &mut found) {
        Ok(true) => {}
        _ => compressed(path, &mut found),
    }
    found
}

/// Hops over the blocks of a file; `Ok(false)` where it is compressed.
fn plain(path: &Path, found: &mut Vec<Secrets>) -> io::Result<bool> {
    let mut file = BufReader::with_capacity(READ, File::open(path)?);
    let mut head = [0; 12];
    let mut order = ByteOrder::default();
    let mut first = true;
    loop {
        match file.read_exact(&mut head) {
            Err(e) if e.kind() == io::ErrorKind::UnexpectedEof && !first => return Ok(true),
            other => other?,
        }
        let section = block_head(order, &head).is_ok_and(|(_, (k, _))| k == SECTION_HEADER);
        if section {
            let Some(o) = section_order(&head) else { return Ok(!first) };
            order = o;
        } else if first {
            // pcap has no secrets, and anything else is compressed or none of ours.
            return Ok(matches!(
                head.get(..4),
                Some([0xa1, 0xb2, 0xc3 | 0x3c, _] | [_, 0xc3 | 0x3c, 0xb2, 0xa1])
            ));
        }
        first = false;
        let Ok((_, (kind, len))) = block_head(order, &head) else { return Ok(true) };
        let Some(rest) = (len as usize).checked_sub(12).filter(|_| len as usize <= MAX_BLOCK_BYTES)
        else {
            return Ok(true);
        };
        if kind != SECRETS {
            let rest = i64::try_from(rest).map_err(io::Error::other)?;
            file.seek_relative(rest)?;
            continue;
        }
        // The first four bytes of the body are in the head: the kind of secrets.
        let mut body = vec![0; rest];
        file.read_exact(&mut body)?;
        let number = |b: Option<&[u8]>| {
            let b: [u8; 4] = b?.try_into().ok()?;
            Some(match order {
                ByteOrder::Little => u32::from_le_bytes(b),
                ByteOrder::Big => u32::from_be_bytes(b),
            })
        };
        if let (Some(kind), Some(len)) = (number(head.get(8..12)), number(body.get(..4))) {
            let end = (len as usize).saturating_add(4).min(body.len().saturating_sub(4));
            let data = body.get(4..end.max(4)).unwrap_or_default().into();
            found.push(Secrets { kind, data });
        }
    }
}

fn compressed(path: &Path, found: &mut Vec<Secrets>) {
    found.clear();
    let Ok(mut source) = open(path, OpenOptions::default()) else { return };
    while let Ok(Polled::Batch(batch)) = source.poll() {
        found.extend(batch.secrets);
    }
}
