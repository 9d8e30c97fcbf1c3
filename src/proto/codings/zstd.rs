//! zstd (RFC 8878), undone block by block.

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::{Failure, On, STEP};
use crate::base::limits::{MAX_HTTP_ZSTD_BYTES, MAX_HTTP_ZSTD_WINDOW};

/// Bytes that may come out of attempts at a zstd frame before more of it is waited for
/// than a block: an event stream's first hundreds of events come as they are sent.
const ZSTD_FREE_WORK: u64 = 32 << 20;
/// And those before as much again as there is is waited for.
pub(super) const ZSTD_MOST_WORK: u64 = 256 << 20;

/// A zstd frame (RFC 8878 §3.1.1) is undone again from its start when blocks of it have
/// come: the decoder keeps a window back until the frame's end, which a stream of events
/// may never have. What that costs is bounded by waiting for more and more of it.
#[derive(Default)]
pub(super) struct Zstd {
    /// The frame in hand, from its start.
    pub(super) held: Vec<u8>,
    /// Whole blocks of it end here; 0 before its header is whole.
    whole: usize,
    /// It was undone up to here.
    undone: usize,
    /// Bytes of it that were handed on.
    made: u64,
    /// Bytes that came out in all attempts.
    pub(super) work: u64,
    /// Nothing is attempted before the frame's end.
    pub(super) patient: bool,
}

/// How far the frame in hand goes.
enum Reach {
    /// Its last block was seen: so many bytes.
    End(usize),
    /// So many are to be skipped.
    Skip(usize),
    /// Whole blocks, up to here.
    Blocks(usize),
}

impl Zstd {
    pub(super) fn feed(&mut self, data: &[u8], on: On<'_>) -> Result<(), Failure> {
        if self.held.len().saturating_add(data.len()) > MAX_HTTP_ZSTD_BYTES {
            let limit = format!("more than {MAX_HTTP_ZSTD_BYTES} bytes of a zstd frame");
            return Err(Failure::Limit(limit));
        }
        self.held.extend_from_slice(data);
        loop {
            match self.reach()? {
                Reach::End(n) => {
                    self.undo(n, on)?;
                    self.held.drain(..n);
                    *self = Self {
                        held: std::mem::take(&mut self.held),
                        work: self.work,
                        patient: self.patient,
                        ..Self::default()
                    };
                }
                Reach::Skip(n) => {
                    self.held.drain(..n);
                }
                Reach::Blocks(n) => {
                    let more = n.saturating_sub(self.undone);
                    let enough = match self.work {
                        _ if self.patient => false,
                        0..ZSTD_FREE_WORK => more > 0,
                        ZSTD_FREE_WORK..ZSTD_MOST_WORK => more > n / 16,
                        _ => more > n / 2,
                    };
                    if !enough {
                        return Ok(());
                    }
                    return match self.undo(n, on) {
                        Err(Failure::Cut) => Ok(()),
                        other => other,
                    };
                }
            }
            if self.held.is_empty() {
                return Ok(());
            }
        }
    }

    pub(super) fn finish(&mut self, on: On<'_>) -> Result<(), Failure> {
        if self.held.is_empty() {
            return Ok(());
        }
        self.undo(self.held.len(), on).and(Err(Failure::Cut))
    }

    /// Undoes the first `n` bytes of the frame, and hands on what is new.
    fn undo(&mut self, n: usize, on: On<'_>) -> Result<(), Failure> {
        let (mut seen, mut made, work) = (0_u64, self.made, &mut self.work);
        let mut fresh = |out: &[u8]| {
            *work = work.saturating_add(out.len() as u64);
            let known = usize::try_from(made.saturating_sub(seen)).unwrap_or(usize::MAX);
            seen = seen.saturating_add(out.len() as u64);
            match out.get(known..) {
                Some(new) if !new.is_empty() => {
                    made = seen;
                    on(new)
                }
                _ => Ok(()),
            }
        };
        let went = unzstd(self.held.get(..n).unwrap_or_default(), &mut fresh);
        self.made = made;
        self.undone = n;
        went
    }

    /// Walks over whole blocks (§3.1.1.2).
    fn reach(&mut self) -> Result<Reach, Failure> {
        let byte = |at: usize| self.held.get(at).copied().map(usize::from);
        let Some(magic) = self.held.first_chunk::<4>() else { return Ok(Reach::Blocks(0)) };
        let magic = u32::from_le_bytes(*magic);
        // §3.1.2: skippable frames.
        if magic & 0xffff_fff0 == 0x184d_2a50 {
            let Some(len) = self.held.get(4..8).and_then(|b| b.first_chunk::<4>()) else {
                return Ok(Reach::Blocks(0));
            };
            let n = usize::try_from(u32::from_le_bytes(*len)).unwrap_or(usize::MAX);
            let n = n.saturating_add(8);
            return Ok(if self.held.len() < n { Reach::Blocks(0) } else { Reach::Skip(n) });
        }
        if magic != 0xfd2f_b528 {
            return Err(Failure::Corrupt("zstd"));
        }
        let Some(descriptor) = byte(4) else { return Ok(Reach::Blocks(0)) };
        if self.whole == 0 {
            // §3.1.1.1: window, dictionary and content size, each of which may be absent.
            let single = descriptor >> 5 & 1;
            let dictionary = [0, 1, 2, 4].get(descriptor & 3).copied().unwrap_or(0);
            let content = [single, 2, 4, 8].get(descriptor >> 6).copied().unwrap_or(0);
            self.whole = 5 + (1 - single) + dictionary + content;
            self.undone = self.whole;
        }
        let checksum = if descriptor & 4 == 0 { 0 } else { 4 };
        loop {
            let at = self.whole;
            let (Some(a), Some(b), Some(c)) = (byte(at), byte(at + 1), byte(at + 2)) else {
                return Ok(Reach::Blocks(at));
            };
            let header = a | b << 8 | c << 16;
            // A block that repeats a byte holds it once.
            let len = if header >> 1 & 3 == 1 { 1 } else { header >> 3 };
            let last = header & 1 == 1;
            let end = at + 3 + len + if last { checksum } else { 0 };
            if end > self.held.len() {
                return Ok(Reach::Blocks(at));
            }
            if last {
                return Ok(Reach::End(end));
            }
            self.whole = end;
        }
    }
}

/// Undoes zstd frames, one after another, and hands on what comes out.
///
/// # Errors
/// What is wrong with them, or what `on` says. What came out before stands.
pub(in crate::proto) fn unzstd(mut data: &[u8], on: On<'_>) -> Result<(), Failure> {
    /// An empty last block (RFC 8878 §3.1.1.2) and a checksum: ends a frame that was cut
    /// off, so that the decoder gives back what it keeps for its window.
    const END: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];
    let corrupt = |_| Failure::Corrupt("zstd");
    let mut decoder = FrameDecoder::new();
    decoder.set_max_window_size(MAX_HTTP_ZSTD_WINDOW);
    let mut out = vec![0; STEP];
    while !data.is_empty() {
        match decoder.reset(&mut data) {
            Ok(()) => {}
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                let Some(rest) = data.get(length..) else { return Err(Failure::Cut) };
                data = rest;
                continue;
            }
            Err(FrameDecoderError::WindowSizeTooBig { requested, .. }) => {
                let most = MAX_HTTP_ZSTD_WINDOW;
                return Err(Failure::Limit(format!("a window of {requested} instead of {most}")));
            }
            Err(_) => return Err(Failure::Corrupt("zstd")),
        }
        let mut failed = None;
        while !decoder.is_finished() {
            if let Err(e) = decoder.decode_blocks(&mut data, BlockDecodingStrategy::UptoBlocks(1)) {
                failed = Some(if data.is_empty() { Failure::Cut } else { corrupt(e) });
                let _ = decoder.decode_blocks(&END[..], BlockDecodingStrategy::UptoBlocks(1));
            }
            loop {
                let n = std::io::Read::read(&mut decoder, &mut out)
                    .map_err(|_| Failure::Corrupt("zstd"))?;
                if n == 0 {
                    break;
                }
                on(out.get(..n).unwrap_or_default())?;
            }
            if let Some(f) = failed {
                return Err(f);
            }
        }
        let told = decoder.get_checksum_from_data();
        if told.is_some() && told != decoder.get_calculated_checksum() {
            return Err(Failure::Checksum("zstd"));
        }
    }
    Ok(())
}
