//! permessage-deflate (RFC 7692 §7): one direction's inflater.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use flate2::{Decompress, Status};

use super::distance::farthest;
use super::window::{Ahead, History, Known, Packed, WINDOW};
use crate::base::limits::{CHECKPOINT_BYTES, MAX_FINAL_BLOCKS, MAX_INFLATED_BYTES};

/// What a sender leaves off the end of each message (RFC 7692 §7.2.1), and another
/// empty block behind it (RFC 1951 §3.2.4).
const TAIL: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x00, 0x00, 0x00, 0xff, 0xff];

/// The same with a final block behind it, which ends the codec.
const LAST_TAIL: [u8; 9] = [0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];

/// What of it the sender should have left off.
const LEFT_OFF: [u8; 4] = [0x00, 0x00, 0xff, 0xff];

/// What stands behind it where the sender did not: two blocks as well.
const MORE_TAIL: [u8; 10] = [0x00, 0x00, 0x00, 0xff, 0xff, 0x00, 0x00, 0x00, 0xff, 0xff];

/// The same with a final block.
const LAST_MORE_TAIL: [u8; 10] = [0x00, 0x00, 0x00, 0xff, 0xff, 0x01, 0x00, 0x00, 0xff, 0xff];

/// Compressed bytes of an open message that are kept so that a copy can be had in
/// the middle of it. With a longer one there is none until it ends.
const MAX_RAW: usize = CHECKPOINT_BYTES as usize;

/// Bytes from which on what inflates is DEFLATE: a byte or two may look like it by chance.
const ENOUGH: u64 = 4;

/// Compressed bytes of a message whose distances are looked at, where less than the
/// largest window was agreed: this is done beside the codec, and slower.
const MAX_LOOKED: usize = 64 << 10;

/// Why a message could not be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// It is no DEFLATE data.
    Corrupt,
    /// It inflates beyond [`MAX_INFLATED_BYTES`], or has more final blocks than
    /// [`MAX_FINAL_BLOCKS`].
    Limit,
    /// It may refer to earlier output, and that is not known.
    Lost,
    /// The same, and that it is DEFLATE at all was only a guess.
    Unknown,
}

/// The inflater of one direction, with the window that its messages share.
///
/// One codec reads message after message, as the receiver's does (§7.2.2): starting it
/// afresh would cost a copy of 32 KiB a message. Its state cannot be copied, so the
/// window is kept beside it, from which a copy of the machine starts, and which the codec
/// is given where it must start again: behind a final block, and behind an empty message.
///
/// Behind a hole the window is not known, or not all of it. A message that refers to
/// known output alone inflates, and what comes out is right: a distance that reaches
/// beyond what the codec was given is an error of the codec.
#[derive(Debug, Default)]
pub(super) struct Inflater {
    /// Messages may refer to earlier ones.
    takeover: bool,
    /// The handshake was not captured: that it is DEFLATE at all is a guess.
    guess: bool,
    /// Base-2 logarithm of the agreed window; 0 where it is the largest there is.
    bits: u8,
    /// The beginning of the current message as it was sent, where distances are looked at.
    looked: Vec<u8>,
    /// The last four bytes of the current message.
    last: u32,
    /// Behind a final block, what may be the beginning of [`LEFT_OFF`]; not fed yet.
    pending: Vec<u8>,
    /// The current message ended with all of that.
    kept_tail: bool,
    codec: Option<Box<Decompress>>,
    /// The last output.
    history: History,
    /// The window of a copy, until it is used.
    asleep: Option<Arc<Packed>>,
    /// The window, packed for the last copy, where it has not changed since.
    packed: OnceLock<Arc<Packed>>,
    /// Output before the window is not known.
    partial: bool,
    /// That is because it was lost.
    lost: bool,
    /// Compressed messages that have begun.
    messages: u64,
    /// Output of the current message.
    produced: u64,
    /// Output of any since that was asked.
    made: u64,
    /// Final blocks in the current message.
    finals: u32,
    /// In the middle of a message.
    open: bool,
    /// Bytes of the current message.
    fed: u64,
    /// Nothing was fed since a final block ended: the tail does not belong there.
    after_final: bool,
    /// The codec must be started afresh before it is fed.
    stale: bool,
    /// The codec stands between two messages: the next one goes on with it.
    resumes: bool,
    keeper: Option<Box<Keeper>>,
    /// Of a copy: what is known further on.
    ahead: Option<Ahead>,
    /// Messages that nobody looked at, as they were sent: a later one may refer to them.
    later: Vec<Vec<u8>>,
    /// The current message, where it is not known yet whether anybody looks.
    current: Option<Vec<u8>>,
    /// Memory that is to be counted with this copy.
    share: usize,
}

/// What is kept for those who will open messages again.
#[derive(Debug, Default)]
struct Keeper {
    marks: Mutex<Marks>,
    /// The open message as it was sent; `None` where it is too long.
    raw: Option<Vec<u8>>,
}

/// Windows that were kept since the last copy, and are for that copy.
#[derive(Debug, Default)]
struct Marks {
    ahead: Ahead,
    /// Bytes made since a window was kept.
    since: u64,
}

impl Inflater {
    /// For a direction with or without context takeover (RFC 7692 §7.1.1).
    #[must_use]
    pub(super) fn new(takeover: bool) -> Self {
        Self { takeover, ..Self::default() }
    }

    /// For a direction of which nothing is known.
    #[must_use]
    pub(super) fn guess() -> Self {
        Self { takeover: true, guess: true, partial: true, ..Self::default() }
    }

    /// The same, with a window of so many bits.
    #[must_use]
    pub(super) const fn limited(mut self, bits: u8) -> Self {
        self.bits = if bits < 15 { bits } else { 0 };
        self
    }

    /// What was agreed is known, and was not until now. With `whole` no byte of the direction
    /// is missing.
    pub(super) fn agree(&mut self, takeover: bool, whole: bool) {
        self.guess = false;
        self.takeover = takeover;
        self.partial &= takeover && (!whole || self.lost);
        if !takeover {
            // What came before is nothing that a message may refer to.
            self.history.forget_before();
            self.asleep = None;
            self.packed = OnceLock::new();
            self.later = Vec::new();
            self.resumes = false;
        }
    }

    /// How far back the message refers, and how far it may, where that is too far; asked
    /// at its end.
    pub(super) fn too_far(&mut self) -> Option<(u32, u32)> {
        let looked = std::mem::take(&mut self.looked);
        let window = 1_u32.checked_shl(self.bits.into())?;
        let far = if looked.is_empty() { 0 } else { farthest(&looked) };
        (far > window).then_some((far, window))
    }

    /// Whether the sender should have left off the last bytes of the message that just
    /// ended.
    pub(super) const fn has_kept_tail(&self) -> bool {
        self.kept_tail
    }

    /// Keeps from now on what it takes to open messages again.
    pub(super) fn keep(&mut self) {
        if self.keeper.is_none() && self.ahead.is_none() {
            self.keeper = Some(Box::default());
        }
    }

    /// Messages of this direction went by unseen, or could not be inflated.
    pub(super) fn lose(&mut self) {
        self.codec = None;
        self.history = History::default();
        self.asleep = None;
        self.packed = OnceLock::new();
        self.resumes = false;
        self.later = Vec::new();
        self.current = None;
        self.open = false;
        self.partial = self.takeover;
        self.lost = true;
    }

    /// A message begins. With `later` it is not inflated before its end, if anybody
    /// looks at it then.
    pub(super) fn begin(&mut self, later: bool) {
        self.messages += 1;
        self.looked.clear();
        let ahead = self.ahead.as_ref().filter(|_| self.takeover);
        if let Some(known) = ahead.and_then(|a| a.before(self.messages)) {
            self.history = History::default();
            self.asleep = Some(known.window);
            self.packed = OnceLock::new();
            self.partial = known.partial;
            self.resumes = false;
            self.later.clear();
        }
        if later {
            self.current = Some(Vec::new());
        } else {
            self.catch_up();
        }
        self.start();
        if let Some(k) = &mut self.keeper {
            k.raw = Some(Vec::new());
        }
    }

    fn start(&mut self) {
        self.produced = 0;
        self.finals = 0;
        self.open = true;
        self.after_final = false;
        self.fed = 0;
        self.last = u32::MAX;
        self.pending.clear();
        self.kept_tail = false;
        self.stale = !std::mem::take(&mut self.resumes);
        self.history.revert();
    }

    /// More of the message; hands what comes out to `each`.
    ///
    /// # Errors
    /// Why it does not go on; the window is then unknown (see [`Inflater::lose`]).
    pub(super) fn feed(&mut self, data: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        if self.bits > 0 {
            let room = MAX_LOOKED.saturating_sub(self.looked.len());
            self.looked.extend(data.iter().take(room));
        }
        if let Some(raw) = &mut self.current {
            raw.extend_from_slice(data);
            if raw.len() <= MAX_INFLATED_BYTES {
                return Ok(());
            }
            return self.current(each);
        }
        if let Some(k) = &mut self.keeper {
            k.raw.take_if(|raw| raw.len().saturating_add(data.len()) > MAX_RAW);
            if let Some(raw) = &mut k.raw {
                raw.extend_from_slice(data);
            }
        }
        self.take(data, each)
    }

    /// What was put off of the current message.
    fn current(&mut self, each: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        let Some(raw) = self.current.take() else { return Ok(()) };
        self.catch_up();
        self.start();
        self.take(&raw, each)
    }

    /// Inflates what was put off before the current message.
    fn catch_up(&mut self) {
        for message in std::mem::take(&mut self.later) {
            self.start();
            // Where it fails, it failed as well when it was first read, and left
            // nothing known.
            let _ = self.take(&message, &mut |_| {}).and_then(|()| self.close(&mut |_| {}));
        }
    }

    fn take(&mut self, data: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        self.fed += data.len() as u64;
        for b in data.get(data.len().saturating_sub(LEFT_OFF.len())..).unwrap_or(data) {
            self.last = self.last << 8 | u32::from(*b);
        }
        let mut waited = std::mem::take(&mut self.pending);
        let data = if waited.is_empty() {
            data
        } else {
            waited.extend_from_slice(data);
            &waited
        };
        if data.is_empty() || self.after_final && self.waits(data) {
            return Ok(());
        }
        self.run(data, each).map_err(|why| self.fail(why))
    }

    /// Whether what follows a final block waits for more: it may be another block, or what
    /// should have been left off.
    fn waits(&mut self, data: &[u8]) -> bool {
        let waits = LEFT_OFF.starts_with(data);
        if waits {
            self.pending = data.to_vec();
        }
        waits
    }

    /// It does not go on. Damage and a reference to what is missing look the same.
    fn fail(&mut self, why: Failure) -> Failure {
        let whole = !self.partial || self.history.before().len() >= WINDOW;
        self.lose();
        match why {
            Failure::Corrupt if self.guess => Failure::Unknown,
            Failure::Corrupt if !whole => Failure::Lost,
            why => why,
        }
    }

    /// The message ends. Where it was put off and nobody has `looked`, it stays so.
    ///
    /// # Errors
    /// As of [`Inflater::feed`]; also where the data ends within a block, so that
    /// what came out of it cannot be trusted.
    pub(super) fn finish(
        &mut self,
        looked: bool,
        each: &mut dyn FnMut(&[u8]),
    ) -> Result<(), Failure> {
        if !looked && let Some(raw) = self.current.take() {
            self.open = false;
            if self.takeover {
                self.later.push(raw);
            }
            return Ok(());
        }
        self.current(each)?;
        self.close(each)
    }

    fn close(&mut self, each: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        self.open = false;
        let pending = std::mem::take(&mut self.pending);
        if pending == LEFT_OFF {
            self.kept_tail = true;
        } else if !pending.is_empty() {
            self.run(&pending, each).map_err(|why| self.fail(why))?;
        }
        // RFC 7692 §7.2.3.4: a final block may end the message, and a tail behind
        // it would be the beginning of another block. Nor does a tail belong
        // behind nothing at all, which some send for an empty message.
        if !self.after_final && self.fed > 0 {
            // The tail is an empty block. Where the message ended within a block, it is read as
            // something else: with the block behind it, it is longer than any code that gives
            // no byte, so that something comes out, or an error. Where a message ends within
            // the description of a block's codes, its receiver reads on with the next one
            // (§7.2.2), and so does this; but a message of which nothing came must prove by a
            // final block that it was one, and so must one where anything is uncertain.
            let proves = self.produced == 0 || self.guess || self.partial;
            self.kept_tail = self.fed >= 4 && self.last.to_be_bytes() == LEFT_OFF;
            let tail: &[u8] = match (self.kept_tail, proves) {
                (false, false) => &TAIL,
                (false, true) => &LAST_TAIL,
                (true, false) => &MORE_TAIL,
                (true, true) => &LAST_MORE_TAIL,
            };
            let mut whole = true;
            self.run(tail, &mut |made| whole &= made.is_empty()).map_err(|why| self.fail(why))?;
            if !whole || self.after_final != proves {
                return Err(self.fail(Failure::Corrupt));
            }
            self.resumes = self.takeover && !proves;
        } else if self.fed == 0 {
            self.resumes = !self.stale;
        }
        self.guess &= self.fed < ENOUGH;
        self.settle();
        Ok(())
    }

    /// The message is whole: what came of it is what the next one may refer to.
    fn settle(&mut self) {
        if !self.takeover {
            return;
        }
        if !self.history.is_settled() {
            self.history.settle();
            self.packed = OnceLock::new();
            self.partial &= self.history.before().len() < WINDOW;
        }
        let Some(k) = &mut self.keeper else { return };
        let marks = k.marks.get_mut().unwrap_or_else(PoisonError::into_inner);
        marks.since += self.produced;
        if marks.since >= CHECKPOINT_BYTES {
            marks.since = 0;
            let window = Arc::new(Packed::new(self.history.before()));
            let _ = self.packed.set(Arc::clone(&window));
            let message = self.messages + 1;
            marks.ahead.push(Known { message, window, partial: self.partial });
        }
    }

    /// Bytes that came out since this was last asked, handed out or not.
    pub(super) const fn made(&mut self) -> u64 {
        std::mem::replace(&mut self.made, 0)
    }

    /// A copy, where there is one: not in the middle of a long message.
    ///
    /// The copy holds the window packed, and the open message as it was sent.
    #[must_use]
    pub(super) fn fork(&self) -> Option<Self> {
        let mut current = self.current.clone();
        let (mut ahead, mut share) = (self.ahead.clone(), 0);
        if let Some(k) = &self.keeper {
            if self.open {
                current = Some(k.raw.clone()?);
            }
            let mut marks = k.marks.lock().unwrap_or_else(PoisonError::into_inner);
            share = marks.ahead.memory();
            *marks = Marks::default();
            ahead = Some(marks.ahead.clone());
        }
        if self.open && current.is_none() {
            return None;
        }
        let packed =
            || Arc::clone(self.packed.get_or_init(|| Arc::new(Packed::new(self.history.before()))));
        Some(Self {
            takeover: self.takeover,
            guess: self.guess,
            bits: self.bits,
            looked: self.looked.clone(),
            asleep: Some(self.asleep.clone().unwrap_or_else(packed)),
            partial: self.partial,
            lost: self.lost,
            messages: self.messages,
            open: self.open,
            stale: true,
            ahead,
            later: self.later.clone(),
            current,
            share,
            ..Self::default()
        })
    }

    /// Memory held, in bytes. The codec's share is its window and its tables.
    #[must_use]
    pub(super) fn memory(&self) -> usize {
        let codec = if self.codec.is_some() { 48 << 10 } else { 0 };
        let raw = self.keeper.as_ref().and_then(|k| k.raw.as_ref()).map_or(0, Vec::capacity);
        codec
            + self.history.memory()
            + self.looked.capacity()
            + self.asleep.as_ref().map_or(0, |p| p.memory())
            + self.later.iter().map(Vec::capacity).sum::<usize>()
            + self.current.as_ref().map_or(0, Vec::capacity)
            + raw
            + self.share
    }

    /// The window of a copy is used for the first time.
    fn wake(&mut self) {
        if let Some(packed) = self.asleep.take() {
            self.history = History::of(packed.unpack());
            self.packed = OnceLock::from(packed);
        }
    }

    /// A codec that knows the window and nothing else.
    fn restart(&mut self) {
        self.wake();
        match &mut self.codec {
            Some(c) => c.reset(false),
            None => self.codec = Some(Box::new(Decompress::new(false))),
        }
        // Behind a final block, the message's own output comes last.
        if let Some(c) = &mut self.codec
            && !self.history.window().is_empty()
        {
            // A raw stream takes a dictionary at any time; it cannot fail here.
            let _ = c.set_dictionary(self.history.window());
        }
    }

    fn run(&mut self, mut data: &[u8], each: &mut dyn FnMut(&[u8])) -> Result<(), Failure> {
        loop {
            if self.stale || self.codec.is_none() {
                self.restart();
                self.stale = false;
            }
            let Some(codec) = &mut self.codec else {
                return Err(Failure::Corrupt);
            };
            let (status, took, made, full) = self.history.inflate(codec, data);
            data = data.get(took..).unwrap_or_default();
            if took > 0 {
                self.after_final = false;
            }
            self.produced += made.len() as u64;
            self.made += made.len() as u64;
            if self.produced > MAX_INFLATED_BYTES as u64 {
                return Err(Failure::Limit);
            }
            // Told after the limit, so that the chunks do not decide which it is.
            let status = status.map_err(|_| Failure::Corrupt)?;
            if !made.is_empty() {
                each(made);
            }
            let none = made.is_empty();
            if status == Status::StreamEnd {
                self.stale = true;
                self.after_final = true;
                self.finals += 1;
                if self.finals > MAX_FINAL_BLOCKS {
                    return Err(Failure::Limit);
                }
                if self.waits(data) {
                    return Ok(());
                }
                continue;
            }
            if data.is_empty() && !full {
                return Ok(());
            }
            if took == 0 && none {
                return Err(Failure::Corrupt);
            }
        }
    }
}
