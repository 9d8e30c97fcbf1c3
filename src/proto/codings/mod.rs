//! Content codings (RFC 9110 §8.4.1), undone as the bytes come.

use std::fmt;

use brotli_decompressor::{BrotliDecompressStream, BrotliResult, BrotliState, StandardAlloc};

use self::inflate::{Format, Inflate};
use self::zstd::Zstd;
pub(in crate::proto) use self::zstd::unzstd;
use crate::base::limits::{MAX_CONTENT_CODINGS, MAX_INFLATED_BYTES};
use crate::proto::Headers;

mod inflate;
#[cfg(test)]
mod tests;
mod zstd;

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
