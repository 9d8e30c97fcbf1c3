//! permessage-deflate (RFC 7692 §7): one direction's inflater.

use flate2::{Decompress, FlushDecompress, Status};

use crate::base::limits::{MAX_FINAL_BLOCKS, MAX_INFLATED_BYTES};

/// The largest distance of DEFLATE (RFC 1951 §2): what a later message can refer to.
const WINDOW: usize = 32 << 10;

/// What a sender leaves off the end of each message (RFC 7692 §7.2.1), and another
/// empty block behind it (RFC 1951 §3.2.4).
const TAIL: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x00, 0x00, 0x00, 0xff, 0xff];

/// The same with a final block behind it, which ends the codec.
const LAST_TAIL: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];

/// Bytes inflated at a time.
const STEP: usize = 16 << 10;

/// Why a message could not be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It is no DEFLATE data.
    Corrupt,
    /// It inflates beyond [`MAX_INFLATED_BYTES`], or has more final blocks than
    /// [`MAX_FINAL_BLOCKS`].
    Limit,
}

/// The inflater of one direction, with the window that its messages share.
///
/// One codec reads message after message, as the receiver's does (§7.2.2): starting it
/// afresh would cost a copy of 32 KiB a message. Its state cannot be copied, so the
/// window is kept beside it, from which a copy of the machine starts, and which the codec
/// is given where it must start again: behind a final block, and behind an empty message.
#[derive(Debug, Default)]
pub(super) struct Inflater {
    /// Messages may refer to earlier ones.
    takeover: bool,
    codec: Option<Box<Decompress>>,
    /// The last output, at least [`WINDOW`] bytes of it where there was so much.
    window: Vec<u8>,
    /// Output of the current message.
    produced: u64,
    /// Final blocks in the current message.
    finals: u32,
    /// In the middle of a message.
    open: bool,
    /// The current message had a byte.
    fed: bool,
    /// Nothing was fed since a final block ended: the tail does not belong there.
    after_final: bool,
    /// The codec must be started afresh before it is fed.
    stale: bool,
    /// The codec stands between two messages: the next one goes on with it.
    resumes: bool,
    /// The window is not known any more.
    lost: bool,
    out: Vec<u8>,
}

impl Inflater {
    /// For a direction with or without context takeover (RFC 7692 §7.1.1).
    #[must_use]
    pub(super) fn new(takeover: bool) -> Self {
        Self { takeover, ..Self::default() }
    }

    /// Whether messages can be inflated.
    #[must_use]
    pub(super) const fn is_lost(&self) -> bool {
        self.lost
    }

    /// A message of this direction went by unseen, or could not be inflated.
    pub(super) fn lose(&mut self) {
        self.codec = None;
        self.window = Vec::new();
        self.open = false;
        self.lost = self.takeover;
    }

    /// A message begins.
    pub(super) fn begin(&mut self) {
        self.produced = 0;
        self.finals = 0;
        self.open = true;
        self.after_final = false;
        self.fed = false;
        self.stale = !std::mem::take(&mut self.resumes);
    }

    /// More of the message; hands what comes out to `each`.
    ///
    /// # Errors
    /// Why it does not go on; the inflater is then lost (see [`Inflater::lose`]).
    pub(super) fn feed(&mut self, data: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        self.fed |= !data.is_empty();
        let r = self.run(data, each);
        if r.is_err() {
            self.lose();
        }
        r
    }

    /// The message ends.
    ///
    /// # Errors
    /// As of [`Inflater::feed`]; also where the data ends within a block, so that
    /// what came out of it cannot be trusted.
    pub(super) fn finish(&mut self) -> Result<(), Failure> {
        self.open = false;
        // RFC 7692 §7.2.3.4: a final block may end the message, and a tail behind
        // it would be the beginning of another block. Nor does a tail belong
        // behind nothing at all, which some send for an empty message.
        if self.after_final || !self.fed {
            return Ok(());
        }
        // The tail is an empty block. Where the message ended within a block, it is read as
        // something else: with the block behind it, it is longer than any code that gives
        // no byte, so that something comes out, or an error. Where a message ends within
        // the description of a block's codes, its receiver reads on with the next one
        // (§7.2.2), and so does this; but a message of which nothing came must prove by a
        // final block that it was one.
        let proves = self.produced == 0;
        let tail = if proves { &LAST_TAIL } else { &TAIL };
        let mut whole = true;
        self.feed(tail, &mut |made| whole &= made.is_empty())?;
        if whole && self.after_final == proves {
            self.resumes = self.takeover && !proves;
            return Ok(());
        }
        self.lose();
        Err(Failure::Corrupt)
    }

    /// A copy, where there is one: not in the middle of a message.
    #[must_use]
    pub(super) fn fork(&self) -> Option<Self> {
        (!self.open).then(|| Self {
            takeover: self.takeover,
            window: self.window.clone(),
            lost: self.lost,
            ..Self::default()
        })
    }

    /// Memory held, in bytes. The codec's share is its window and its tables.
    #[must_use]
    pub(super) fn memory(&self) -> usize {
        let codec = if self.codec.is_some() { 48 << 10 } else { 0 };
        codec + self.window.capacity() + self.out.capacity()
    }

    /// A codec that knows the window and nothing else.
    fn restart(&mut self) {
        match &mut self.codec {
            Some(c) => c.reset(false),
            None => self.codec = Some(Box::new(Decompress::new(false))),
        }
        let window = self.window.len().saturating_sub(WINDOW);
        if let (Some(c), Some(w)) = (&mut self.codec, self.window.get(window..))
            && !w.is_empty()
        {
            // A raw stream takes a dictionary at any time; it cannot fail here.
            let _ = c.set_dictionary(w);
        }
    }

    fn run(&mut self, mut data: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        self.out.resize(STEP, 0);
        loop {
            if self.stale || self.codec.is_none() {
                self.restart();
                self.stale = false;
            }
            let Some(codec) = &mut self.codec else {
                return Err(Failure::Corrupt);
            };
            let (before_in, before_out) = (codec.total_in(), codec.total_out());
            let status = codec.decompress(data, &mut self.out, FlushDecompress::Sync);
            let took = usize::try_from(codec.total_in() - before_in).unwrap_or(usize::MAX);
            let made = usize::try_from(codec.total_out() - before_out).unwrap_or(usize::MAX);
            data = data.get(took..).unwrap_or_default();
            if took > 0 {
                self.after_final = false;
            }
            let made = self.out.get(..made).unwrap_or_default();
            self.produced += made.len() as u64;
            if self.produced > MAX_INFLATED_BYTES as u64 {
                return Err(Failure::Limit);
            }
            // Told after the limit, so that the chunks do not decide which it is.
            let status = status.map_err(|_| Failure::Corrupt)?;
            if self.takeover {
                remember(&mut self.window, made);
            }
            if !made.is_empty() {
                each(made);
            }
            let full = made.len() == STEP;
            if status == Status::StreamEnd {
                self.stale = true;
                self.after_final = true;
                self.finals += 1;
                if self.finals > MAX_FINAL_BLOCKS {
                    return Err(Failure::Limit);
                }
                if data.is_empty() {
                    return Ok(());
                }
                continue;
            }
            if data.is_empty() && !full {
                return Ok(());
            }
            if took == 0 && made.is_empty() {
                return Err(Failure::Corrupt);
            }
        }
    }
}

/// Appends to the window and forgets what no distance reaches; moves bytes only
/// once in [`WINDOW`] bytes.
fn remember(window: &mut Vec<u8>, made: &[u8]) {
    if window.len() + made.len() > 2 * WINDOW {
        let keep = window.len().saturating_sub(WINDOW);
        window.drain(..keep);
    }
    window.extend_from_slice(made);
}
