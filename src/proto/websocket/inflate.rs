//! permessage-deflate (RFC 7692 §7): one direction's inflater.

use flate2::{Decompress, FlushDecompress, Status};

use crate::base::limits::MAX_INFLATED_BYTES;

/// The largest distance of DEFLATE (RFC 1951 §2): what a later message can refer to.
const WINDOW: usize = 32 << 10;

/// What a sender leaves off the end of each message (RFC 7692 §7.2.1).
const TAIL: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// Bytes inflated at a time.
const STEP: usize = 16 << 10;

/// Why a message could not be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It is no DEFLATE data.
    Corrupt,
    /// It inflates beyond [`MAX_INFLATED_BYTES`].
    Limit,
}

/// The inflater of one direction, with the window that its messages share.
///
/// The codec's own state cannot be copied; between messages it is nothing but
/// the window, so that is kept beside it, and a copy starts from there.
#[derive(Debug, Default)]
pub(super) struct Inflater {
    /// Messages may refer to earlier ones.
    takeover: bool,
    codec: Option<Box<Decompress>>,
    /// The last output, at least [`WINDOW`] bytes of it where there was so much.
    window: Vec<u8>,
    /// Output of the current message.
    produced: u64,
    /// In the middle of a message.
    open: bool,
    /// Nothing was fed since a final block ended: the tail does not belong there.
    after_final: bool,
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
        self.open = true;
        self.after_final = false;
        if !self.takeover {
            self.restart();
        }
    }

    /// More of the message; hands what comes out to `each`.
    ///
    /// # Errors
    /// Why it does not go on; the inflater is then lost (see [`Inflater::lose`]).
    pub(super) fn feed(&mut self, data: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        let r = self.run(data, each);
        if r.is_err() {
            self.lose();
        }
        r
    }

    /// The message ends.
    ///
    /// # Errors
    /// As of [`Inflater::feed`].
    pub(super) fn finish(&mut self, each: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        // RFC 7692 §7.2.3.4: a final block may end the message, and a tail behind
        // it would be the beginning of another block.
        if !self.after_final {
            self.feed(&TAIL, each)?;
        }
        self.open = false;
        Ok(())
    }

    /// Bytes that the current message came to so far.
    #[must_use]
    pub(super) const fn produced(&self) -> u64 {
        self.produced
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
        if self.codec.is_none() {
            self.restart();
        }
        self.out.resize(STEP, 0);
        loop {
            let Some(codec) = &mut self.codec else {
                return Err(Failure::Corrupt);
            };
            let (before_in, before_out) = (codec.total_in(), codec.total_out());
            let status = codec.decompress(data, &mut self.out, FlushDecompress::Sync);
            let took = usize::try_from(codec.total_in() - before_in).unwrap_or(usize::MAX);
            let made = usize::try_from(codec.total_out() - before_out).unwrap_or(usize::MAX);
            let status = status.map_err(|_| Failure::Corrupt)?;
            data = data.get(took..).unwrap_or_default();
            if took > 0 {
                self.after_final = false;
            }
            let made = self.out.get(..made).unwrap_or_default();
            self.produced += made.len() as u64;
            if self.produced > MAX_INFLATED_BYTES as u64 {
                return Err(Failure::Limit);
            }
            if self.takeover {
                remember(&mut self.window, made);
            }
            each(made);
            let full = made.len() == STEP;
            if status == Status::StreamEnd {
                self.restart();
                self.after_final = true;
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
