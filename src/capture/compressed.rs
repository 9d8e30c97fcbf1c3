//! gzip (RFC 1952) and zstd (RFC 8878), known by their first bytes.

use std::io::{self, BufRead, BufReader, ErrorKind, Read};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use flate2::{Crc, Decompress, FlushDecompress, Status};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::base::limits::MAX_ZSTD_WINDOW;

/// Compressed bytes asked for at a time.
const INPUT_BYTES: usize = 64 << 10;

/// How a file is compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// One or more gzip members.
    Gzip,
    /// One or more zstd frames.
    Zstd,
}

impl Compression {
    /// By the first bytes of the file.
    pub(super) fn recognise(first: &[u8]) -> Option<Self> {
        match first {
            [0x1f, 0x8b, ..] => Some(Self::Gzip),
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Some(Self::Zstd),
            // A skippable frame may come first (RFC 8878 §3.1.2).
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Some(Self::Zstd),
            _ => None,
        }
    }

    /// For people.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Zstd => "zstd",
        }
    }

    /// The bytes of `inner` as decompressed; `counter` counts those of `inner`.
    pub(super) fn decode(
        self,
        inner: Box<dyn Read + Send>,
        counter: Arc<AtomicU64>,
    ) -> Box<dyn Read + Send> {
        let inner = BufReader::with_capacity(INPUT_BYTES, Counted { inner, counter });
        match self {
            Self::Gzip => Box::new(Gzip::new(inner)),
            Self::Zstd => Box::new(Zstd::new(inner)),
        }
    }
}

/// Counts what is read through it, and reads again when a signal interrupts:
/// not every decoder does.
struct Counted {
    inner: Box<dyn Read + Send>,
    counter: Arc<AtomicU64>,
}

impl Read for Counted {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = loop {
            match self.inner.read(buf) {
                Err(e) if e.kind() == ErrorKind::Interrupted => (),
                other => break other?,
            }
        };
        self.counter.fetch_add(n as u64, Ordering::Relaxed);
        Ok(n)
    }
}

/// Reads gzip members one after another.
///
/// flate2's own reader throws away what it has inflated in a call that ends in
/// damage, and takes zeros behind the last member for damage.
struct Gzip<R> {
    inner: R,
    inflate: Decompress,
    /// Of what the member at hand has given so far.
    crc: Crc,
    /// Between the header of a member and its end.
    within: bool,
    /// A member has been begun.
    begun: bool,
    /// What stopped inflating, told once all that was inflated has been read.
    failed: Option<io::Error>,
    done: bool,
}

impl<R: BufRead> Gzip<R> {
    fn new(inner: R) -> Self {
        Self {
            inner,
            inflate: Decompress::new(false),
            crc: Crc::new(),
            within: false,
            begun: false,
            failed: None,
            done: false,
        }
    }

    /// Reads the header of the next member (RFC 1952 §2.3); `false` at the end.
    fn member(&mut self) -> io::Result<bool> {
        // Tapes pad with zeros, and gzip passes over them.
        loop {
            let there = self.inner.fill_buf()?;
            let zeros = there.iter().take_while(|b| self.begun && **b == 0).count();
            if zeros == 0 {
                if there.is_empty() {
                    return Ok(false);
                }
                break;
            }
            self.inner.consume(zeros);
        }
        let mut head = [0; 10];
        self.inner.read_exact(&mut head)?;
        // Magic, method 8, flags; then time, extra flags and system.
        let [0x1f, 0x8b, 8, flags, ..] = head else {
            return Err(damage("something that is no gzip member"));
        };
        if flags & 0x04 != 0 {
            let mut len = [0; 2];
            self.inner.read_exact(&mut len)?;
            let len = u64::from(u16::from_le_bytes(len));
            io::copy(&mut (&mut self.inner).take(len), &mut io::sink())?;
        }
        for text in [0x08, 0x10] {
            if flags & text != 0 {
                self.inner.skip_until(0)?;
            }
        }
        if flags & 0x02 != 0 {
            self.inner.read_exact(&mut [0; 2])?;
        }
        self.inflate.reset(false);
        self.crc.reset();
        (self.begun, self.within) = (true, true);
        Ok(true)
    }

    /// Compares checksum and length at the end of a member.
    fn trailer(&mut self) -> io::Result<()> {
        self.within = false;
        let (mut sum, mut len) = ([0; 4], [0; 4]);
        self.inner.read_exact(&mut sum)?;
        self.inner.read_exact(&mut len)?;
        let (told, found) = (u32::from_le_bytes(sum), self.crc.sum());
        if told != found {
            return Err(damage(&format!("checksum {told:08x} expected, {found:08x} found")));
        }
        if u32::from_le_bytes(len) != self.crc.amount() {
            return Err(damage("a length that differs from that of the data"));
        }
        Ok(())
    }

    /// Inflates some bytes; 0 only at the end, or where it must be called again.
    fn inflate(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if !self.within && !self.member()? {
            self.done = true;
            return Ok(0);
        }
        let input = self.inner.fill_buf()?;
        let no_input = input.is_empty();
        let (before_in, before_out) = (self.inflate.total_in(), self.inflate.total_out());
        let result = self.inflate.decompress(input, buf, FlushDecompress::None);
        // Both are at most the length of a slice.
        let took = (self.inflate.total_in() - before_in) as usize;
        let gave = (self.inflate.total_out() - before_out) as usize;
        self.inner.consume(took);
        self.crc.update(buf.get(..gave).unwrap_or_default());
        self.failed = match result {
            Ok(Status::StreamEnd) => self.trailer().err(),
            Ok(_) if no_input && gave == 0 => Some(ErrorKind::UnexpectedEof.into()),
            Ok(_) => None,
            Err(_) => Some(damage("corrupt deflate data")),
        };
        Ok(gave)
    }
}

impl<R: BufRead> Read for Gzip<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if buf.is_empty() {
            return Ok(0);
        }
        loop {
            if let Some(e) = self.failed.take() {
                self.done = true;
                return Err(e);
            }
            if self.done {
                return Ok(0);
            }
            match self.inflate(buf) {
                Ok(0) => (),
                Ok(n) => return Ok(n),
                Err(e) => self.failed = Some(e),
            }
        }
    }
}

fn damage(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, what)
}

/// Reads zstd frames one after another: ruzstd decodes one.
struct Zstd<R> {
    inner: R,
    decoder: FrameDecoder,
    /// What stopped decoding, told once all that was decoded has been read.
    failed: Option<io::Error>,
    done: bool,
}

impl<R: BufRead> Zstd<R> {
    fn new(inner: R) -> Self {
        let mut decoder = FrameDecoder::new();
        decoder.set_max_window_size(MAX_ZSTD_WINDOW);
        Self { inner, decoder, failed: None, done: false }
    }

    /// Goes to the next frame; `false` at the end.
    fn next_frame(&mut self) -> io::Result<bool> {
        loop {
            if self.inner.fill_buf()?.is_empty() {
                return Ok(false);
            }
            match self.decoder.reset(&mut self.inner) {
                Ok(()) => return Ok(true),
                Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                    length,
                    ..
                })) => {
                    let length = u64::from(length);
                    if io::copy(&mut (&mut self.inner).take(length), &mut io::sink())? < length {
                        return Err(ErrorKind::UnexpectedEof.into());
                    }
                }
                Err(e) => return Err(error(e)),
            }
        }
    }

    /// Decodes until something can be read, or the end.
    fn advance(&mut self) -> io::Result<()> {
        while self.decoder.can_collect() == 0 {
            if self.decoder.is_finished() {
                self.check()?;
                if !self.next_frame()? {
                    self.done = true;
                    return Ok(());
                }
            }
            let strategy = BlockDecodingStrategy::UptoBlocks(1);
            if let Err(e) = self.decoder.decode_blocks(&mut self.inner, strategy) {
                self.release();
                return Err(error(e));
            }
        }
        Ok(())
    }

    /// A decoder keeps back as much as its window until the frame ends, which
    /// for a small file is all there is. A frame that was cut short is ended
    /// here by an empty last block (§3.1.1.2) and a checksum, so that what it
    /// holds comes out.
    fn release(&mut self) {
        const LAST_EMPTY_RAW_BLOCK: [u8; 7] = [1, 0, 0, 0, 0, 0, 0];
        if !self.decoder.is_finished() {
            // If even that fails, nothing more can be had.
            let _ = self
                .decoder
                .decode_blocks(&LAST_EMPTY_RAW_BLOCK[..], BlockDecodingStrategy::UptoBlocks(1));
        }
    }

    /// Compares the checksum of a frame that was read to its end (§3.1.1).
    fn check(&self) -> io::Result<()> {
        match (self.decoder.get_checksum_from_data(), self.decoder.get_calculated_checksum()) {
            (Some(told), Some(found)) if told != found => {
                Err(damage(&format!("checksum {told:08x} expected, {found:08x} found")))
            }
            _ => Ok(()),
        }
    }
}

impl<R: BufRead> Read for Zstd<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        if self.failed.is_none()
            && !self.done
            && let Err(e) = self.advance()
        {
            self.failed = Some(e);
        }
        match self.decoder.read(buf) {
            Ok(0) if !buf.is_empty() => {
                self.done = true;
                self.failed.take().map_or(Ok(0), Err)
            }
            other => other,
        }
    }
}

/// "Need more" apart from "wrong".
fn error(e: FrameDecoderError) -> io::Error {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&e);
    while let Some(s) = source {
        if let Some(io) = s.downcast_ref::<io::Error>() {
            return io::Error::new(io.kind(), e.to_string());
        }
        source = s.source();
    }
    io::Error::new(ErrorKind::InvalidData, e.to_string())
}
