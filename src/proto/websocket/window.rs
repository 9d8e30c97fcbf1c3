//! What came out of a direction's messages: the last of it, where it is written by the
//! codec, and windows of earlier messages, kept small, from which one can be had again.

use std::sync::{Arc, Mutex, PoisonError};

use flate2::{
    Compress, Compression, Decompress, DecompressError, FlushCompress, FlushDecompress, Status,
};

/// The largest distance of DEFLATE (RFC 1951 §2): what a later message can refer to.
pub(super) const WINDOW: usize = 32 << 10;

/// Bytes of room for what is inflated at a time.
const STEP: usize = 16 << 10;

/// Bytes of output that are held before those that no distance reaches are let go: moving
/// the rest to the front then costs two bytes moved for three that came.
const HELD: usize = 3 * WINDOW;

/// The last output of a direction, and where in it the current message begins.
///
/// ```text
/// | before the message | of the message | room for the codec |
/// 0                settled            end              buf.len()
/// ```
#[derive(Debug, Default)]
pub(super) struct History {
    /// All of it is initialised: the codec would do so each time with what is not.
    buf: Vec<u8>,
    settled: usize,
    end: usize,
}

impl History {
    /// Output that is known already, all of it before the message.
    pub(super) const fn of(buf: Vec<u8>) -> Self {
        let end = buf.len();
        Self { buf, settled: end, end }
    }

    /// Lets `codec` go on with `data`. Gives what it says, how many bytes it took, what came
    /// out, and whether there may be more that only had no room.
    pub(super) fn inflate(
        &mut self,
        codec: &mut Decompress,
        data: &[u8],
    ) -> (Result<Status, DecompressError>, usize, &[u8], bool) {
        self.make_room();
        let room = self.buf.get_mut(self.end..).unwrap_or_default();
        let (len, before) = (room.len(), (codec.total_in(), codec.total_out()));
        let status = codec.decompress(data, room, FlushDecompress::Sync);
        let count = |n: u64| usize::try_from(n).unwrap_or(usize::MAX);
        let took = count(codec.total_in() - before.0);
        let made = count(codec.total_out() - before.1).min(len);
        let from = self.end;
        self.end += made;
        (status, took, self.buf.get(from..self.end).unwrap_or_default(), made == len)
    }

    /// Room for [`STEP`] bytes at least.
    fn make_room(&mut self) {
        if self.end + STEP > HELD {
            self.forget();
        }
        let (held, needed) = (self.buf.len(), self.end + STEP);
        if held < needed {
            // In few steps, since each copies and sets all of it; never beyond what is held.
            let more = (held * 4).clamp(needed, HELD) - held;
            self.buf.reserve_exact(more);
            self.buf.resize(held + more, 0);
        }
    }

    /// Drops what no distance reaches. What was there before the message stays: a copy of
    /// the machine begins the message again.
    fn forget(&mut self) {
        let mut to = 0;
        for part in [0..self.settled, self.settled..self.end] {
            let from = part.start.max(part.end.saturating_sub(WINDOW));
            self.buf.copy_within(from..part.end, to);
            to += part.end - from;
            if part.start == 0 {
                self.settled = to;
            }
        }
        self.end = to;
    }

    /// The message is whole: what came of it is what the next one may refer to.
    pub(super) const fn settle(&mut self) {
        self.settled = self.end;
    }

    /// The message is none: what came of it goes.
    pub(super) const fn revert(&mut self) {
        self.end = self.settled;
    }

    /// What came before the message is part of it; behind it, nothing stays.
    pub(super) const fn forget_before(&mut self) {
        self.settled = 0;
    }

    /// Whether the message has brought nothing.
    pub(super) const fn is_settled(&self) -> bool {
        self.settled == self.end
    }

    /// The window before the message.
    pub(super) fn before(&self) -> &[u8] {
        self.buf.get(self.settled.saturating_sub(WINDOW)..self.settled).unwrap_or_default()
    }

    /// The window now.
    pub(super) fn window(&self) -> &[u8] {
        self.buf.get(self.end.saturating_sub(WINDOW)..self.end).unwrap_or_default()
    }

    /// Memory held, in bytes.
    pub(super) const fn memory(&self) -> usize {
        self.buf.capacity()
    }
}

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
    fn the_last_output_stays_in_reach() {
        let (mut h, mut all, mut x) = (History::default(), Vec::new(), 7_usize);
        for message in 0..50 {
            let before = all.clone();
            for _ in 0..message % 7 {
                x = x.wrapping_mul(1_103_515_245).wrapping_add(12_345);
                let len = (x >> 8) % (STEP + 1);
                let made: Vec<u8> = (0..len).map(|n| (n * 31 + x) as u8).collect();
                h.make_room();
                let end = h.end;
                h.buf[end..end + len].copy_from_slice(&made);
                h.end += len;
                all.extend_from_slice(&made);
                assert_eq!(h.window(), &all[all.len().saturating_sub(WINDOW)..]);
                assert_eq!(h.before(), &before[before.len().saturating_sub(WINDOW)..]);
                assert!(h.memory() <= HELD);
            }
            assert_eq!(h.is_settled(), before == all);
            h.settle();
        }
        h.forget_before();
        h.revert();
        assert_eq!((h.window(), h.before()), (&[][..], &[][..]));
    }

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
