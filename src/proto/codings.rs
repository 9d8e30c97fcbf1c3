//! Content codings (RFC 9110 §8.4.1), undone as the bytes come.

use std::fmt;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::base::limits::{
    MAX_CONTENT_CODINGS, MAX_HTTP_ZSTD_BYTES, MAX_HTTP_ZSTD_WINDOW, MAX_INFLATE_RATIO,
    MAX_INFLATED_BYTES,
};

/// Bytes that come out of a decoder at a time.
const STEP: usize = 16 << 10;

/// A coding that is undone here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::proto) enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950, or RFC 1951 alone.
    Deflate,
    /// RFC 7932.
    Brotli,
    /// RFC 8878.
    Zstd,
}

/// What `Content-Encoding` says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proto) enum Codings {
    /// In the order in which they were applied; none where there is none to undo.
    Known(Vec<Coding>),
    /// One of them is not known here, or there are too many.
    Unknown(String),
}

impl Codings {
    /// From the values of all fields of that name.
    pub(in crate::proto) fn of<'a>(values: impl Iterator<Item = &'a [u8]>) -> Self {
        let mut list = Vec::new();
        for token in values.flat_map(|v| v.split(|b| *b == b',')) {
            let token = token.trim_ascii();
            let is = |name: &str| token.eq_ignore_ascii_case(name.as_bytes());
            let coding = if is("gzip") || is("x-gzip") {
                Coding::Gzip
            } else if is("deflate") {
                Coding::Deflate
            } else if is("br") {
                Coding::Brotli
            } else if is("zstd") {
                Coding::Zstd
            } else if token.is_empty() || is("identity") {
                continue;
            } else {
                let shown = token.get(..32).unwrap_or(token);
                return Self::Unknown(shown.escape_ascii().to_string());
            };
            if list.len() >= MAX_CONTENT_CODINGS {
                return Self::Unknown(format!("more than {MAX_CONTENT_CODINGS} codings"));
            }
            list.push(coding);
        }
        Self::Known(list)
    }

    /// A decoder, where there is something that can be undone.
    pub(in crate::proto) fn decoder(&self) -> Option<Decoder> {
        match self {
            Self::Known(list) if !list.is_empty() => Some(Decoder::new(list)),
            _ => None,
        }
    }
}

/// Why undoing stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::proto) enum Failure {
    /// It is not what the coding says.
    Corrupt(&'static str),
    /// A named limit was reached.
    Limit(String),
    /// The body ends before the coding does.
    Cut,
    /// Bytes follow the end of the coding.
    Trailing,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(coding) => write!(f, "not {coding}"),
            Self::Limit(what) => f.write_str(what),
            Self::Cut => f.write_str("the body ends before its coding does"),
            Self::Trailing => f.write_str("bytes follow the end of the coding"),
        }
    }
}

/// All codings of one body.
pub(in crate::proto) struct Decoder {
    /// The one that was applied last comes first.
    stages: Vec<Stage>,
    budget: Budget,
}

/// What may still come out, so that a bomb costs no more than a body.
struct Budget {
    made: u64,
    most: u64,
}

type Each<'a> = &'a mut dyn FnMut(&[u8]);

impl Decoder {
    pub(in crate::proto) fn new(codings: &[Coding]) -> Self {
        let stages = codings.iter().rev().map(|c| Stage::new(*c)).collect();
        Self { stages, budget: Budget { made: 0, most: MAX_INFLATED_BYTES as u64 } }
    }

    /// The same for a body without an end: what may come out grows with what goes in.
    pub(in crate::proto) fn allow(&mut self, coded: usize) {
        let more = (coded as u64).saturating_mul(MAX_INFLATE_RATIO);
        self.budget.most = self.budget.most.saturating_add(more);
    }

    /// More of the body; hands on everything that can be had by now.
    ///
    /// # Errors
    /// Why it does not go on. What came out before stands; feed it no more.
    pub(in crate::proto) fn feed(&mut self, data: &[u8], each: Each<'_>) -> Result<(), Failure> {
        run(&mut self.stages, Some(data), &mut self.budget, each)
    }

    /// The body has ended.
    ///
    /// # Errors
    /// As of [`Decoder::feed`]; also where a coding has not ended.
    pub(in crate::proto) fn finish(&mut self, each: Each<'_>) -> Result<(), Failure> {
        run(&mut self.stages, None, &mut self.budget, each)
    }

    /// Memory held, in bytes, about.
    pub(in crate::proto) fn memory(&self) -> usize {
        self.stages.iter().map(Stage::memory).sum()
    }
}

impl fmt::Debug for Decoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decoder").field("made", &self.budget.made).finish_non_exhaustive()
    }
}

/// Feeds the first stage, and what comes out of it to the others. `None` is the end.
fn run(
    stages: &mut [Stage],
    data: Option<&[u8]>,
    budget: &mut Budget,
    each: Each<'_>,
) -> Result<(), Failure> {
    let Some((first, rest)) = stages.split_first_mut() else {
        if let Some(d) = data {
            each(d);
        }
        return Ok(());
    };
    let mut on = |made: &[u8]| {
        budget.made = budget.made.saturating_add(made.len() as u64);
        if budget.made > budget.most {
            return Err(Failure::Limit(format!("more than {} bytes", budget.most)));
        }
        run(rest, Some(made), budget, each)
    };
    match data {
        Some(d) => first.feed(d, &mut on),
        None => {
            let ended = first.finish(&mut on);
            // What stands behind has its end as well, and may still hold something.
            let after = run(rest, None, budget, each);
            ended.and(after)
        }
    }
}

type On<'a> = &'a mut dyn FnMut(&[u8]) -> Result<(), Failure>;

/// One coding.
enum Stage {
    Inflate(Inflate),
    Brotli(Box<Brotli>),
    Zstd(Vec<u8>),
}

impl Stage {
    fn new(coding: Coding) -> Self {
        match coding {
            Coding::Gzip => Self::Inflate(Inflate::new(Format::Gzip)),
            Coding::Deflate => Self::Inflate(Inflate::new(Format::Deflate(None))),
            Coding::Brotli => Self::Brotli(Box::new(Brotli::new())),
            Coding::Zstd => Self::Zstd(Vec::new()),
        }
    }

    fn feed(&mut self, data: &[u8], on: On<'_>) -> Result<(), Failure> {
        match self {
            Self::Inflate(s) => s.feed(data, on),
            Self::Brotli(s) => s.feed(data, on),
            Self::Zstd(held) => {
                if held.len().saturating_add(data.len()) > MAX_HTTP_ZSTD_BYTES {
                    return Err(Failure::Limit(format!(
                        "more than {MAX_HTTP_ZSTD_BYTES} bytes of zstd"
                    )));
                }
                held.extend_from_slice(data);
                Ok(())
            }
        }
    }

    fn finish(&mut self, on: On<'_>) -> Result<(), Failure> {
        match self {
            Self::Inflate(s) => s.finish(on),
            Self::Brotli(s) => s.finish(),
            Self::Zstd(held) => unzstd(held, on),
        }
    }

    fn memory(&self) -> usize {
        match self {
            // The window and the codec's tables.
            Self::Inflate(_) => size_of::<Inflate>() + (48 << 10),
            Self::Brotli(s) => size_of::<Brotli>() + s.window() + (64 << 10),
            Self::Zstd(held) => held.capacity(),
        }
    }
}

/// The wrappings of DEFLATE.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Gzip,
    /// Called "deflate", which means zlib's format; some senders leave its head away,
    /// and the first two bytes tell. The first of them waits here.
    Deflate(Option<u8>),
}

struct Inflate {
    format: Format,
    codec: Option<Decompress>,
    ended: bool,
}

impl Inflate {
    fn new(format: Format) -> Self {
        Self { format, codec: None, ended: false }
    }

    fn name(&self) -> &'static str {
        if self.format == Format::Gzip { "gzip" } else { "deflate" }
    }

    fn feed(&mut self, data: &[u8], on: On<'_>) -> Result<(), Failure> {
        if data.is_empty() {
            return Ok(());
        }
        if let (Format::Deflate(first), None) = (self.format, &self.codec) {
            let (a, b, rest) = match (first, data) {
                (Some(a), [b, ..]) => (a, *b, None),
                (None, [a, b, ..]) => (*a, *b, None),
                (None, [a]) => (*a, 0, Some(*a)),
                (_, []) => return Ok(()),
            };
            if rest.is_some() {
                self.format = Format::Deflate(rest);
                return Ok(());
            }
            // RFC 1950 §2.2: the method is 8, and the two are a multiple of 31.
            let zlib = a & 0x0f == 8 && (u16::from(a) << 8 | u16::from(b)).is_multiple_of(31);
            self.codec = Some(Decompress::new(zlib));
            if let Some(a) = first {
                self.pump(&[a], on)?;
            }
        }
        self.pump(data, on)
    }

    fn pump(&mut self, mut data: &[u8], on: On<'_>) -> Result<(), Failure> {
        let name = self.name();
        let mut out = [0; STEP];
        loop {
            if self.ended {
                // RFC 1952 §2.2: members follow one another.
                if data.is_empty() {
                    return Ok(());
                }
                if self.format != Format::Gzip {
                    return Err(Failure::Trailing);
                }
                self.codec = None;
                self.ended = false;
            }
            let codec = self.codec.get_or_insert_with(|| Decompress::new_gzip(15));
            let (before_in, before_out) = (codec.total_in(), codec.total_out());
            let status = codec
                .decompress(data, &mut out, FlushDecompress::Sync)
                .map_err(|_| Failure::Corrupt(name))?;
            let took = usize::try_from(codec.total_in() - before_in).unwrap_or(usize::MAX);
            let made = usize::try_from(codec.total_out() - before_out).unwrap_or(usize::MAX);
            data = data.get(took..).unwrap_or_default();
            if made > 0 {
                on(out.get(..made).unwrap_or_default())?;
            }
            match status {
                Status::StreamEnd => self.ended = true,
                _ if took == 0 && made == 0 => return Ok(()),
                _ => {}
            }
        }
    }

    fn finish(&mut self, on: On<'_>) -> Result<(), Failure> {
        if let (Format::Deflate(Some(a)), None) = (self.format, &self.codec) {
            self.codec = Some(Decompress::new(false));
            self.pump(&[a], on)?;
        }
        if self.ended || self.codec.is_none() { Ok(()) } else { Err(Failure::Cut) }
    }
}

struct Brotli {
    state: BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    ended: bool,
    fed: bool,
}

impl Brotli {
    fn new() -> Self {
        let alloc = StandardAlloc::default;
        // RFC 7932 §9.1: a window of 16 MiB at most; the larger ones are no `br`.
        let state = BrotliState::new_strict(alloc(), alloc(), alloc());
        Self { state, ended: false, fed: false }
    }

    fn window(&self) -> usize {
        usize::try_from(self.state.ringbuffer_size).unwrap_or(0)
    }

    fn feed(&mut self, mut data: &[u8], on: On<'_>) -> Result<(), Failure> {
        let mut out = [0; STEP];
        self.fed |= !data.is_empty();
        loop {
            if self.ended {
                return if data.is_empty() { Ok(()) } else { Err(Failure::Trailing) };
            }
            let (mut left, mut took) = (data.len(), 0);
            let (mut room, mut made, mut total) = (out.len(), 0, 0);
            let result = BrotliDecompressStream(
                &mut left,
                &mut took,
                data,
                &mut room,
                &mut made,
                &mut out,
                &mut total,
                &mut self.state,
            );
            data = data.get(took..).unwrap_or_default();
            if made > 0 {
                on(out.get(..made).unwrap_or_default())?;
            }
            match result {
                BrotliResult::ResultSuccess => self.ended = true,
                BrotliResult::NeedsMoreInput => return Ok(()),
                BrotliResult::NeedsMoreOutput => {}
                BrotliResult::ResultFailure => return Err(Failure::Corrupt("br")),
            }
        }
    }

    fn finish(&self) -> Result<(), Failure> {
        if self.ended || !self.fed { Ok(()) } else { Err(Failure::Cut) }
    }
}

/// Undoes zstd frames, one after another.
fn unzstd(mut data: &[u8], on: On<'_>) -> Result<(), Failure> {
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
            return Err(Failure::Corrupt("zstd"));
        }
    }
    Ok(())
}

/// A body with its codings undone.
pub(in crate::proto) struct Inflated {
    /// The first bytes, up to the cap.
    pub(in crate::proto) bytes: Vec<u8>,
    /// How many there were, as far as they were inflated.
    pub(in crate::proto) total: u64,
    /// What went wrong.
    pub(in crate::proto) failure: Option<Failure>,
}

/// Undoes the codings of a body; what can be had of a damaged or cut one is given.
pub(in crate::proto) fn inflate(mut decoder: Decoder, body: &[u8], cap: usize) -> Inflated {
    let mut i = Inflated { bytes: Vec::new(), total: 0, failure: None };
    let mut keep = |made: &[u8]| {
        let room = cap.saturating_sub(i.bytes.len()).min(made.len());
        i.bytes.extend_from_slice(made.get(..room).unwrap_or_default());
        i.total = i.total.saturating_add(made.len() as u64);
    };
    let fed = decoder.feed(body, &mut keep);
    let failure = fed.and_then(|()| decoder.finish(&mut keep)).err();
    Inflated { failure, ..i }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const TEXT: &[u8] = b"some text, some text";
    /// `TEXT` by `zlib.brotliCompressSync` of node 20.
    const BR: &[u8] = &[
        0x8b, 0x09, 0x80, 0x73, 0x6f, 0x6d, 0x65, 0x20, 0x74, 0x65, 0x78, 0x74, 0x2c, 0x20, 0x73,
        0x6f, 0x6d, 0x65, 0x20, 0x74, 0x65, 0x78, 0x74, 0x03,
    ];

    fn gzip(data: &[u8]) -> Vec<u8> {
        let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        w.write_all(data).unwrap();
        w.finish().unwrap()
    }

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut w = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
        w.write_all(data).unwrap();
        w.finish().unwrap()
    }

    fn raw(data: &[u8]) -> Vec<u8> {
        let mut w = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
        w.write_all(data).unwrap();
        w.finish().unwrap()
    }

    fn zstd(data: &[u8]) -> Vec<u8> {
        ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
    }

    fn undo(codings: &str, body: &[u8], size: usize) -> (Vec<u8>, Option<Failure>) {
        let mut d = Codings::of([codings.as_bytes()].into_iter()).decoder().unwrap();
        let mut out = Vec::new();
        let mut keep = |m: &[u8]| out.extend_from_slice(m);
        let mut failure = None;
        for c in body.chunks(size) {
            failure = failure.or(d.feed(c, &mut keep).err());
            if failure.is_some() {
                break;
            }
        }
        if failure.is_none() {
            failure = d.finish(&mut keep).err();
        }
        (out, failure)
    }

    #[test]
    fn every_coding_in_every_chunking() {
        let two = [gzip(b"some text, "), gzip(b"some text")].concat();
        let cases: Vec<(&str, Vec<u8>)> = vec![
            ("gzip", gzip(TEXT)),
            ("X-GZip", gzip(TEXT)),
            ("gzip", two),
            ("deflate", zlib(TEXT)),
            ("deflate", raw(TEXT)),
            ("br", BR.to_vec()),
            ("zstd", zstd(TEXT)),
            ("zstd", [zstd(b"some text, "), zstd(b"some text")].concat()),
            ("gzip, identity , deflate", zlib(&gzip(TEXT))),
            ("br, gzip", gzip(BR)),
            ("zstd,gzip", gzip(&zstd(TEXT))),
        ];
        for (name, body) in cases {
            for size in [1, 2, 3, 7, 1460] {
                let (out, failure) = undo(name, &body, size);
                assert_eq!((out.as_slice(), failure), (TEXT, None), "{name} by {size}");
                // Cut off: a beginning, and it is said.
                let cut = body.len() - 3;
                let (out, failure) = undo(name, &body[..cut], size);
                assert!(TEXT.starts_with(&out), "{name} by {size}");
                assert!(failure.is_some(), "{name} by {size}: cut without a word");
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for name in ["gzip", "deflate", "br", "zstd"] {
            let (out, failure) = undo(name, b"\xff\xff\xff\xff no coding at all", 5);
            assert_eq!((out.len(), failure), (0, Some(Failure::Corrupt(name))), "{name}");
            // Nothing at all is an empty body.
            assert_eq!(undo(name, b"", 1), (Vec::new(), None), "{name}");
        }
        let more = [BR, b"x"].concat();
        assert_eq!(undo("br", &more, 7), (TEXT.to_vec(), Some(Failure::Trailing)));
        let more = [zlib(TEXT).as_slice(), b"x"].concat();
        assert_eq!(undo("deflate", &more, 7), (TEXT.to_vec(), Some(Failure::Trailing)));
        let unknown = Codings::of([b"compress".as_slice()].into_iter());
        assert_eq!(unknown, Codings::Unknown("compress".into()));
        let many = Codings::of([b"gzip,gzip,gzip,gzip".as_slice(), b"gzip"].into_iter());
        assert!(matches!(many, Codings::Unknown(_)));
    }

    #[test]
    fn a_bomb_is_stopped_at_the_limit_in_every_coding() {
        let zeros = vec![0; MAX_INFLATED_BYTES + 1];
        let cases = [
            (Coding::Gzip, gzip(&zeros)),
            (Coding::Deflate, zlib(&zeros)),
            (Coding::Zstd, zstd(&zeros)),
        ];
        for (coding, body) in cases {
            let i = inflate(Decoder::new(&[coding]), &body, 10);
            assert!(i.total <= MAX_INFLATED_BYTES as u64 && i.bytes.len() == 10, "{coding:?}");
            assert!(matches!(i.failure, Some(Failure::Limit(_))), "{coding:?}: {:?}", i.failure);
        }
    }

    #[test]
    fn what_was_flushed_comes_out_at_once() {
        let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        let mut d = Decoder::new(&[Coding::Gzip]);
        let mut sent = 0;
        for n in 0..20 {
            let event = format!("data: {n}\n\n");
            w.write_all(event.as_bytes()).unwrap();
            w.flush().unwrap();
            let mut out = Vec::new();
            let coded = &w.get_ref()[sent..];
            sent = w.get_ref().len();
            for b in coded {
                d.feed(&[*b], &mut |m| out.extend_from_slice(m)).unwrap();
            }
            assert_eq!(String::from_utf8(out).unwrap(), event);
        }
    }

    proptest::proptest! {
        #[test]
        fn hostile_bytes_never_panic(
            body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
            which in 0..4_usize,
            size in 1..40_usize,
        ) {
            let name = ["gzip", "deflate", "br", "zstd"][which];
            undo(name, &body, size);
            // Damaged ones reach further in.
            let mut good = match which {
                0 => gzip(&body),
                1 => zlib(&body),
                2 => BR.to_vec(),
                _ => zstd(&body),
            };
            let at = size % good.len().max(1);
            if let Some(b) = good.get_mut(at) {
                *b ^= 0x55;
            }
            undo(name, &good, size);
        }
    }
}
