//! Content codings (RFC 9110 §8.4.1), undone as the bytes come.

use std::fmt;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};
use flate2::{Decompress, FlushDecompress, Status};
use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use crate::base::limits::{
    MAX_CONTENT_CODINGS, MAX_HTTP_ZSTD_BYTES, MAX_HTTP_ZSTD_WINDOW, MAX_INFLATED_BYTES,
};

use crate::proto::Headers;

/// Bytes that come out of a decoder at a time.
const STEP: usize = 16 << 10;

/// Bytes that may come out of attempts at a zstd frame before more of it is waited for
/// than a block: an event stream's first hundreds of events come as they are sent.
const ZSTD_FREE_WORK: u64 = 32 << 20;
/// And those before as much again as there is is waited for.
const ZSTD_MOST_WORK: u64 = 256 << 20;

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

impl Coding {
    /// As in Content-Encoding.
    const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }
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
        match add(&mut list, values) {
            Ok(()) => Self::Known(list),
            Err(unknown) => Self::Unknown(unknown),
        }
    }

    /// Those of a message: its content's, and those that were applied for its transfer
    /// (RFC 9112 §7), but chunked, which the framing has undone.
    pub(in crate::proto) fn of_message(headers: &Headers) -> Self {
        let mut list = Vec::new();
        let content = add(&mut list, headers.all("content-encoding"));
        let tokens = headers.all("transfer-encoding").flat_map(|v| v.split(|b| *b == b','));
        let tokens = tokens.filter(|t| !t.trim_ascii().eq_ignore_ascii_case(b"chunked"));
        match content.and_then(|()| add(&mut list, tokens)) {
            Ok(()) => Self::Known(list),
            Err(unknown) => Self::Unknown(unknown),
        }
    }

    /// Their names, in the order in which they were applied: `gzip`, `gzip, br`.
    pub(in crate::proto) fn names(&self) -> String {
        match self {
            Self::Known(list) => list.iter().map(|c| c.name()).collect::<Vec<_>>().join(", "),
            Self::Unknown(name) => name.clone(),
        }
    }

    /// A decoder, where there is something that can be undone.
    pub(in crate::proto) fn decoder(&self) -> Option<Decoder> {
        match self {
            Self::Known(list) if !list.is_empty() => Some(Decoder::new(list)),
            _ => None,
        }
    }
}

/// Adds the codings that are named.
///
/// # Errors
/// One is not known, or there are too many.
fn add<'a>(list: &mut Vec<Coding>, values: impl Iterator<Item = &'a [u8]>) -> Result<(), String> {
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
            return Err(shown.escape_ascii().to_string());
        };
        if list.len() >= MAX_CONTENT_CODINGS {
            return Err(format!("more than {MAX_CONTENT_CODINGS} codings"));
        }
        list.push(coding);
    }
    Ok(())
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
    /// All came out, and is not what the coding's checksum or length says.
    Checksum(&'static str),
    /// So many zero bytes follow the end of the coding, as padding.
    Padding(u64),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Corrupt(coding) => write!(f, "not {coding}"),
            Self::Limit(what) => f.write_str(what),
            Self::Cut => f.write_str("the body ends before its coding does"),
            Self::Trailing => f.write_str("bytes follow the end of the coding"),
            Self::Checksum(coding) => write!(f, "the checksum of {coding} is another"),
            Self::Padding(n) => write!(f, "{n} zero bytes follow the end of the coding"),
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

    /// The same where nobody waits for what comes out before the body has ended.
    pub(in crate::proto) fn patient(mut self) -> Self {
        for s in &mut self.stages {
            if let Stage::Zstd(z) = s {
                z.patient = true;
            }
        }
        self
    }

    /// For a long body, or one without an end: what may come out grows with what goes in.
    pub(in crate::proto) fn allow(&mut self, coded: usize, ratio: u64) {
        let more = (coded as u64).saturating_mul(ratio);
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
    Zstd(Zstd),
}

impl Stage {
    fn new(coding: Coding) -> Self {
        match coding {
            Coding::Gzip => Self::Inflate(Inflate::new(Format::Gzip)),
            Coding::Deflate => Self::Inflate(Inflate::new(Format::Deflate(None))),
            Coding::Brotli => Self::Brotli(Box::new(Brotli::new())),
            Coding::Zstd => Self::Zstd(Zstd::default()),
        }
    }

    fn feed(&mut self, data: &[u8], on: On<'_>) -> Result<(), Failure> {
        match self {
            Self::Inflate(s) => s.feed(data, on),
            Self::Brotli(s) => s.feed(data, on),
            Self::Zstd(s) => s.feed(data, on),
        }
    }

    fn finish(&mut self, on: On<'_>) -> Result<(), Failure> {
        match self {
            Self::Inflate(s) => s.finish(on),
            Self::Brotli(s) => s.finish(),
            Self::Zstd(s) => s.finish(on),
        }
    }

    fn memory(&self) -> usize {
        match self {
            // The window and the codec's tables.
            Self::Inflate(_) => size_of::<Inflate>() + (48 << 10),
            Self::Brotli(s) => size_of::<Brotli>() + s.window() + (64 << 10),
            Self::Zstd(s) => s.held.capacity(),
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
    /// Zero bytes behind the end.
    padding: u64,
}

impl Inflate {
    fn new(format: Format) -> Self {
        Self { format, codec: None, ended: false, padding: 0 }
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
                // Tools fill up blocks with zeros, and gzip(1) takes no notice of them.
                if self.format == Format::Gzip && data.iter().all(|b| *b == 0) {
                    self.padding = self.padding.saturating_add(data.len() as u64);
                    return Ok(());
                }
                let member = data.first() == Some(&0x1f) && self.padding == 0;
                if self.format != Format::Gzip || !member {
                    return Err(Failure::Trailing);
                }
                self.codec = None;
                self.ended = false;
            }
            let codec = self.codec.get_or_insert_with(|| Decompress::new_gzip(15));
            let (before_in, before_out) = (codec.total_in(), codec.total_out());
            let went = codec.decompress(data, &mut out, FlushDecompress::Sync);
            let took = usize::try_from(codec.total_in() - before_in).unwrap_or(usize::MAX);
            let made = usize::try_from(codec.total_out() - before_out).unwrap_or(usize::MAX);
            data = data.get(took..).unwrap_or_default();
            if made > 0 {
                on(out.get(..made).unwrap_or_default())?;
            }
            let status = went.map_err(|e| match e.message() {
                Some("incorrect data check" | "incorrect length check") => Failure::Checksum(name),
                _ => Failure::Corrupt(name),
            })?;
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
        match self.padding {
            0 if self.ended || self.codec.is_none() => Ok(()),
            0 => Err(Failure::Cut),
            n => Err(Failure::Padding(n)),
        }
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

/// A zstd frame (RFC 8878 §3.1.1) is undone again from its start when blocks of it have
/// come: the decoder keeps a window back until the frame's end, which a stream of events
/// may never have. What that costs is bounded by waiting for more and more of it.
#[derive(Default)]
struct Zstd {
    /// The frame in hand, from its start.
    held: Vec<u8>,
    /// Whole blocks of it end here; 0 before its header is whole.
    whole: usize,
    /// It was undone up to here.
    undone: usize,
    /// Bytes of it that were handed on.
    made: u64,
    /// Bytes that came out in all attempts.
    work: u64,
    /// Nothing is attempted before the frame's end.
    patient: bool,
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
    fn feed(&mut self, data: &[u8], on: On<'_>) -> Result<(), Failure> {
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

    fn finish(&mut self, on: On<'_>) -> Result<(), Failure> {
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
            return Err(Failure::Checksum("zstd"));
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
        let more = [gzip(TEXT).as_slice(), b"x"].concat();
        assert_eq!(undo("gzip", &more, 7), (TEXT.to_vec(), Some(Failure::Trailing)));
        let unknown = Codings::of([b"compress".as_slice()].into_iter());
        assert_eq!(unknown, Codings::Unknown("compress".into()));
        let many = Codings::of([b"gzip,gzip,gzip,gzip".as_slice(), b"gzip"].into_iter());
        assert!(matches!(many, Codings::Unknown(_)));
    }

    /// A zstd frame of raw blocks (RFC 8878 §3.1.1), by block.
    fn raw_blocks(texts: &[&str]) -> Vec<Vec<u8>> {
        let block = |n: usize, text: &str| {
            let header = (text.len() as u32) << 3 | u32::from(n + 1 == texts.len());
            [&header.to_le_bytes()[..3], text.as_bytes()].concat()
        };
        let mut all: Vec<_> = texts.iter().enumerate().map(|(n, t)| block(n, t)).collect();
        // A window of 1 KiB; no checksum.
        all[0].splice(..0, [0x28, 0xb5, 0x2f, 0xfd, 0, 0]);
        all
    }

    #[test]
    fn blocks_of_zstd_come_out_as_they_come() {
        let texts = ["data: 1\n\n", "data: 2\n\n", "", "data: 3\n\n"];
        let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
        for size in [1, 2, 1460] {
            let mut d = Decoder::new(&[Coding::Zstd]);
            // Frame behind frame.
            for _ in 0..3 {
                for (block, text) in raw_blocks(&texts).iter().zip(texts) {
                    let mut out = Vec::new();
                    for c in block.chunks(size) {
                        d.feed(c, &mut |m| out.extend_from_slice(m)).unwrap();
                    }
                    assert_eq!(String::from_utf8(out).unwrap(), text);
                }
                for c in skipped.chunks(size) {
                    d.feed(c, &mut |_| panic!("nothing is in it")).unwrap();
                }
            }
            assert_eq!(d.finish(&mut |_| panic!("nothing is left")), Ok(()));
        }
    }

    #[test]
    fn a_long_frame_of_zstd_costs_no_more_than_is_allowed() {
        // 1000 blocks that repeat a byte 64 KiB times each: 64 MiB.
        let mut z = Zstd::default();
        let mut made = 0_u64;
        let mut on = |m: &[u8]| {
            made += m.len() as u64;
            Ok(())
        };
        z.feed(&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x68], &mut on).unwrap();
        for _ in 0..1000_u32 {
            let header = (65_536_u32 << 3 | 1 << 1).to_le_bytes();
            z.feed(&[&header[..3], b"x"].concat(), &mut on).unwrap();
        }
        assert!(z.work <= ZSTD_MOST_WORK + 2 * (64 << 20), "{}", z.work);
        let _ = z.finish(&mut on);
        assert_eq!(made, 65_536_000);
    }

    #[test]
    fn what_came_out_before_the_fault_stands() {
        for size in [1, 7, 1460] {
            // RFC 1952 §2.3.1, RFC 1950 §2.2: checksums stand at the end.
            for (name, mut body, from_end) in
                [("gzip", gzip(TEXT), 8), ("gzip", gzip(TEXT), 1), ("deflate", zlib(TEXT), 1)]
            {
                let at = body.len() - from_end;
                body[at] ^= 1;
                let (out, failure) = undo(name, &body, size);
                assert_eq!(out, TEXT, "{name} by {size}");
                assert_eq!(failure, Some(Failure::Checksum(name)), "{name} by {size}");
            }
            let padded = [gzip(TEXT), vec![0; 50]].concat();
            let expected = (TEXT.to_vec(), Some(Failure::Padding(50)));
            assert_eq!(undo("gzip", &padded, size), expected);
            let more = [padded, gzip(TEXT)].concat();
            assert_eq!(undo("gzip", &more, size).1, Some(Failure::Trailing));
        }
    }

    #[test]
    fn transfer_codings_are_undone_as_well() {
        let of = |fields: &[(&str, &str)]| {
            let mut h = Headers::new();
            for (n, v) in fields {
                h.push(n.as_bytes(), v.as_bytes());
            }
            Codings::of_message(&h)
        };
        let te = "transfer-encoding";
        assert_eq!(of(&[(te, "chunked")]), Codings::Known(vec![]));
        assert_eq!(of(&[(te, "gzip, Chunked")]), Codings::Known(vec![Coding::Gzip]));
        let both = [("content-encoding", "br"), (te, "gzip"), (te, "chunked")];
        assert_eq!(of(&both), Codings::Known(vec![Coding::Brotli, Coding::Gzip]));
        assert_eq!(of(&[(te, "compress, chunked")]), Codings::Unknown("compress".into()));
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
