//! Windows of earlier messages, kept small: what a compressed message can be had
//! again from.

use std::sync::{Arc, Mutex, PoisonError};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};

/// The largest distance of DEFLATE (RFC 1951 §2): what a later message can refer to.
pub(super) const WINDOW: usize = 32 << 10;

/// A window that is not written to any more, packed where that makes it smaller.
#[derive(Debug, Default)]
pub(super) struct Packed {
    data: Box<[u8]>,
    /// Bytes of the window where `data` is packed; 0 where it is the window itself.
    len: usize,
}

impl Packed {
    /// Packs the end of `window`, at most [`WINDOW`] bytes.
    pub(super) fn new(window: &[u8]) -> Self {
        let from = window.len().saturating_sub(WINDOW);
        let window = window.get(from..).unwrap_or_default();
        // The fastest level: this is done while a capture is read.
        let mut codec = Compress::new(Compression::fast(), false);
        let mut data = Vec::with_capacity(window.len() / 2 + 64);
        let done = codec.compress_vec(window, &mut data, FlushCompress::Finish);
        if matches!(done, Ok(Status::StreamEnd)) && data.len() < window.len() {
            return Self { data: data.into(), len: window.len() };
        }
        Self { data: window.into(), len: 0 }
    }

    /// The window.
    pub(super) fn unpack(&self) -> Vec<u8> {
        if self.len == 0 {
            return self.data.to_vec();
        }
        let mut window = Vec::with_capacity(self.len + 64);
        let mut codec = Decompress::new(false);
        // It was packed here, so it cannot fail; if it did, the check behind it
        // would leave the window unknown, not wrong.
        let _ = codec.decompress_vec(&self.data, &mut window, FlushDecompress::Finish);
        if window.len() != self.len {
            window.clear();
        }
        window
    }

    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.data.len() + size_of::<Self>()
    }
}

/// What was known before a message.
#[derive(Clone, Debug)]
pub(super) struct Known {
    /// Which message of its direction, by the count of compressed ones.
    pub(super) message: u64,
    pub(super) window: Arc<Packed>,
    /// Output before the window is not known, and a message may refer to it.
    pub(super) partial: bool,
}

/// The windows behind one checkpoint, up to the next: one packet may bring more
/// than a checkpoint's worth of messages, and checkpoints lie between packets.
#[derive(Clone, Debug, Default)]
pub(super) struct Ahead(Arc<Mutex<Vec<Known>>>);

impl Ahead {
    pub(super) fn push(&self, known: Known) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(known);
    }

    /// What was known before this message, where that was kept.
    pub(super) fn before(&self, message: u64) -> Option<Known> {
        let list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = list.binary_search_by_key(&message, |k| k.message).ok()?;
        list.get(at).cloned()
    }

    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        let list = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        list.iter().map(|k| k.window.memory() + size_of::<Known>()).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_comes_back_as_it_was() {
        let text = b"all work and no play ".repeat(3000);
        let packed = Packed::new(&text);
        assert_eq!(packed.unpack(), text[text.len() - WINDOW..]);
        assert!(packed.memory() < 1000);
        let mut x = 7_u32;
        let noise: Vec<u8> = (0..WINDOW)
            .map(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (x >> 24) as u8
            })
            .collect();
        for len in [0, 1, 100, WINDOW] {
            assert_eq!(Packed::new(&noise[..len]).unpack(), noise[..len]);
        }
        assert!(Packed::new(&noise).memory() < WINDOW + 100);
    }
}
