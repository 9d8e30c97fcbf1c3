//! Where frames begin, in bytes of which that is not known: behind a hole, or where
//! the capture begins within a connection.
//!
//! A frame has no mark that is its own, so one head proves nothing. Heads that chain
//! do: each begins where the one before it ends, and each is one that this end may
//! send. What a head and its payload say in favour of a chain is counted in bits: how
//! much likelier they are in a real frame than in bytes that are anything. Frames are
//! believed from the first one on at which enough has been said, and at which all
//! other chains that are worth mentioning have joined.

pub(super) use self::chain::{Chain, Piece, find};
use self::chain::{Place, Stamp};
use self::judge::look;
use super::wire::{self, FrameHead};
use crate::base::BufferId;
use crate::field::{In, NoSink};

mod chain;
mod judge;
#[cfg(test)]
mod tests;

/// Bytes that are looked at in one piece. What is behind them is looked at when the
/// first half of them has been given up.
pub(super) const SEARCH_BYTES: usize = 128 << 10;
/// The first look is taken at so many bytes, the next at twice as many, and so on:
/// what is found must not depend on how the bytes come.
pub(super) const FIRST_LOOK: usize = 64;

/// Where the capture begins in a connection that is said to be WebSocket, frames that end
/// with a packet are believed as they come, within so many bytes: programs write whole
/// ones, and who watches waits for them.
const EARLY: usize = 4 << 10;

/// Bits that a chain must be worth beyond the choice among all places at which it
/// could begin: one wrong chain in 250,000.
const CERTAIN: f32 = 18.0;
/// The same of the frames up to and with the first that is believed. Less, since
/// that there are frames behind a hole at all is known.
const FIRST: f32 = 11.0;
/// Bits by which a chain must be better than another one that does not join it.
const BETTER: f32 = 12.0;
/// Bits for landing on the head of the next frame: a short frame has a length of
/// seven bits, which would be right by chance once in 128.
const LANDING: f32 = 7.0;
/// The same with a length of 16 bits, which would be right by chance once in 65536; that
/// it is one of these has been counted by itself.
const LANDING_16: f32 = 14.0;
/// Places from which a frame with a length of seven bits leads to a given one.
const REACH: usize = 128;
/// Bits for a first frame at the front of a segment: programs write whole frames.
const FRONT: f32 = 8.0;

/// The most bits for a frame at the front of a later segment: the more segments there
/// are among the bytes, the less it says.
const ALIGNED: f32 = 6.0;
/// The same of an end whose frames have all begun segments.
const ALIGNED_ALWAYS: f32 = 10.0;
/// Frames of an end from which on it is known whether they begin segments.
const SEEN: u32 = 4;

/// Payloads that frames have: a longer one is no head, and one that is longer than most
/// may be a number of eight bytes.
const LONGEST: u64 = 1 << 32;
const LONG: u64 = 1 << 24;

/// Bytes of a payload that are judged.
const LOOK: usize = 64;
/// Compressed bytes of a message that are inflated for judging it.
const TRIAL: usize = 16 << 10;
/// Bytes of them that are inflated at a time.
const TRIAL_STEP: usize = 64;
/// Bytes that come of it before that is given up.
const TRIAL_OUTPUT: usize = 64 << 10;
/// Compressed bytes that are inflated in one look, for each byte that is looked at:
/// heads may stand so close that every byte belongs to thousands of messages.
const TRIALS: usize = 2;

/// Bits for a text that is none (RFC 6455 §8.1).
const NOT_UTF8: f32 = -16.0;
/// Bits below which a frame behind the first ones that were believed refutes them.
const REFUTED: f32 = -8.0;
/// Bits that a frame loses behind another one with such a key.
const AGAIN: f32 = 3.0;
/// Bits that frames behind the first ones must be worth, until they are believed
/// whatever comes: then what breaks a rule is the peer's doing.
const TRUSTED: f32 = 40.0;
/// Frames of a chain that are compared with those that come later.
const STAMPS: usize = 32;
/// Chains beside the best whose frames are compared.
const RIVALS: usize = 64;
/// Bytes of two masking keys that are alike in what repeats itself under one key.
const ALIKE: usize = 2;

/// A chain that cannot be.
const NEVER: f32 = f32::NEG_INFINITY;

/// The first bytes that a head may have, and how often in 1000 frames of a
/// connection of which nothing is known. Fragments are rare, and their small
/// numbers are common in everything else.
const FIRSTS: [(u8, f32); 13] = [
    (0x81, 350.0),
    (0x82, 220.0),
    (0xc1, 130.0),
    (0xc2, 60.0),
    (0x88, 60.0),
    (0x89, 60.0),
    (0x8a, 60.0),
    (0x80, 14.0),
    (0x00, 6.0),
    (0x01, 6.0),
    (0x02, 6.0),
    (0x41, 6.0),
    (0x42, 6.0),
];

/// What one end was seen to send.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habits {
    counts: [u32; FIRSTS.len()],
    total: u32,
    /// The key of the last frame, and whether it was that of the one before.
    key: Option<[u8; 4]>,
    same_key: bool,
    /// Frames that began within a packet of the one before, and others.
    within: u32,
    at_front: u32,
}

impl Habits {
    /// A head was seen.
    pub(super) fn saw(&mut self, head: &FrameHead) {
        self.same_key = head.key.is_some() && head.key == self.key;
        self.key = head.key;
        let first = u8::from(head.fin) << 7 | head.rsv << 4 | head.opcode;
        if let Some(at) = FIRSTS.iter().position(|(b, _)| *b == first)
            && let Some(n) = self.counts.get_mut(at)
            && self.total < u32::MAX
        {
            *n += 1;
            self.total += 1;
        }
    }

    /// A frame began a packet, or behind another one that ended in it.
    pub(super) const fn began(&mut self, at_front: bool) {
        let n = if at_front { &mut self.at_front } else { &mut self.within };
        *n = n.saturating_add(1);
    }

    /// The most bits for a frame at the front of a segment.
    const fn aligned(&self) -> f32 {
        let always = self.at_front >= SEEN && self.within == 0;
        if always { ALIGNED_ALWAYS } else { ALIGNED }
    }

    /// Bits in favour of this first byte; `None` where no head has it.
    fn bits(&self, first: u8) -> Option<f32> {
        let at = FIRSTS.iter().position(|(b, _)| *b == first)?;
        let (_, usual) = FIRSTS.get(at)?;
        let seen = self.counts.get(at).copied().unwrap_or_default() as f32;
        // What is usual counts as much as four frames that were seen.
        let share = (usual / 1000.0 * 4.0 + seen) / (self.total as f32 + 4.0);
        Some(8.0 + share.log2())
    }
}

/// Whether RSV1 may be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    /// It was not agreed.
    No,
    /// It was, and each message stands by itself.
    Alone,
    /// It was, or nothing is known; messages may refer to earlier ones.
    Maybe,
}

/// How the frames of one direction must look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Style {
    pub(super) masked: bool,
    pub(super) compression: Compression,
    pub(super) habits: Habits,
}

/// What frames behind a hole are worth, from the first that was believed on.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Trial {
    begun: bool,
    bits: f32,
    last: Option<Stamp>,
}

/// What came of judging the next frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judged {
    /// So many more bytes are needed.
    Need(usize),
    /// It may stand there, and all of them are to be judged further.
    Fits,
    /// It may stand there, and so may whatever comes.
    Trusted,
    /// It may not, and so what was believed was wrong.
    Refuted,
}

impl Trial {
    /// Judges the frame at the front of `data`; `open` where it is known whether a
    /// message is.
    pub(super) fn judge(
        &mut self,
        data: &[u8],
        last: bool,
        style: &Style,
        open: Option<bool>,
    ) -> Judged {
        let (rest, head) = match wire::head(In::new(data, BufferId(0), 0, &NoSink)) {
            Ok((rest, head)) => (rest.data().len(), head),
            Err(nom::Err::Incomplete(nom::Needed::Size(n))) if !last => {
                return Judged::Need(n.get());
            }
            Err(_) => return Judged::Fits,
        };
        let len = usize::try_from(head.length).unwrap_or(usize::MAX);
        let judged = if head.rsv != 0 && head.fin && len <= TRIAL { TRIAL } else { 2 * LOOK };
        let judged = len.min(judged);
        if rest < judged && !last {
            return Judged::Need(judged - rest);
        }
        // No more than that: what is said must not depend on how the bytes come.
        let data = data.get(..data.len() - rest + judged.min(rest)).unwrap_or(data);
        let piece = Piece { data, last: false, fronts: &[] };
        let (bits, turn, stamp) = match look(piece, 0, 0.0, style, &mut usize::MAX.clone()) {
            Place::Nothing => return Judged::Refuted,
            Place::Open(bits, turn) => (bits, turn, None),
            Place::Frame(bits, turn, _, stamp) => (bits, turn, Some(stamp)),
        };
        let stamp = stamp.or_else(|| Some(Stamp::of(&head, &[])));
        let again = !style.habits.same_key
            && stamp.zip(self.last).is_some_and(|(a, b)| a.key.is_some() && a.is_like(&b));
        self.last = stamp;
        let bits = if again { bits.min(0.0) - AGAIN } else { bits };
        // The first was believed for what comes behind it.
        let later = std::mem::replace(&mut self.begun, true);
        if later && bits < REFUTED || open.is_some_and(|open| turn.apply(open).is_none()) {
            return Judged::Refuted;
        }
        self.bits += bits;
        if self.bits < REFUTED {
            return Judged::Refuted;
        }
        if self.bits >= TRUSTED { Judged::Trusted } else { Judged::Fits }
    }
}

/// A search for the first frame of a direction.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// Bytes that have been looked at in vain.
    looked: usize,
    /// No byte has been given up.
    front: bool,
    /// The handshake was not captured either, and somebody says that this is
    /// WebSocket: a chain that is not certain is better than none.
    joined: bool,
    /// The hole is where this end's part of the handshake was, so that what comes
    /// behind it are its first frames, be they as they may.
    opening: bool,
}

/// What came of a look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looked {
    /// A frame begins behind so many bytes.
    Found(usize),
    /// None can be found in so many bytes.
    Skip(usize),
    /// So many more are needed.
    Need(usize),
}

impl Search {
    /// Behind a hole.
    pub(super) const fn behind_hole() -> Self {
        Self { looked: 0, front: true, joined: false, opening: false }
    }

    /// At the beginning of a capture.
    pub(super) const fn joined() -> Self {
        Self { looked: 0, front: true, joined: true, opening: false }
    }

    /// Behind a hole where one end's part of the handshake was. A client sends nothing
    /// before it has the answer, and a server nothing before it answers (RFC 6455
    /// §4.1), so that no frame was under way.
    pub(super) const fn behind_handshake() -> Self {
        Self { looked: 0, front: true, joined: false, opening: true }
    }

    /// Where the first frame begins: at the front after all, where frames that look
    /// like none chain from there to the first that does.
    fn opened(&mut self, piece: Piece<'_>, found: usize) -> usize {
        let opening = std::mem::take(&mut self.opening) && self.front && found > 0;
        if opening && chains(piece, found) { 0 } else { found }
    }

    /// Where what was believed behind a hole was refuted.
    pub(super) const fn refuted() -> Self {
        Self { looked: 0, front: false, joined: false, opening: false }
    }

    /// Whether the next frame is the first of all.
    pub(super) const fn is_opening(&self) -> bool {
        self.opening
    }

    /// Looks at what there is.
    pub(super) fn look(
        &mut self,
        data: &[u8],
        last: bool,
        fronts: &[usize],
        style: &Style,
    ) -> Looked {
        let front = self.front;
        // Whole frames are not kept waiting for others.
        let early = self.joined && front && !last && data.len() <= EARLY;
        if early {
            let piece = Piece { data, last: true, fronts };
            if find(piece, style, front).at == Some(0) {
                return Looked::Found(0);
            }
        }
        let mut size = (self.looked * 2).max(FIRST_LOOK);
        while size <= data.len() && size <= SEARCH_BYTES {
            let data = data.get(..size).unwrap_or(data);
            let within = fronts.partition_point(|at| *at < size);
            let fronts = fronts.get(..within).unwrap_or(fronts);
            let piece = Piece { data, last: false, fronts };
            if let Some(at) = find(piece, style, front).at {
                return Looked::Found(self.opened(piece, at));
            }
            self.looked = size;
            size *= 2;
        }
        if data.len() >= SEARCH_BYTES {
            (self.looked, self.front) = (0, false);
            return Looked::Skip(SEARCH_BYTES / 2);
        }
        if !last {
            return Looked::Need(if early { 1 } else { size.saturating_sub(data.len()) });
        }
        let piece = Piece { data, last: true, fronts };
        let chain = find(piece, style, front);
        let opened = self.opened(piece, data.len());
        (self.looked, self.front) = (0, false);
        match chain.at {
            Some(at) => Looked::Found(if opened == 0 { 0 } else { at }),
            None if opened == 0 => Looked::Found(0),
            None if self.joined && front && chain.start == 0 && chain.bits > 0.0 => {
                Looked::Found(0)
            }
            None => Looked::Skip(data.len()),
        }
    }
}

/// Whether heads chain from the front of the piece to `end`, each of them at the front
/// of a segment. They may break every rule but that.
fn chains(piece: Piece<'_>, end: usize) -> bool {
    let mut at = 0;
    while at < end {
        let data = piece.data.get(at..end).unwrap_or_default();
        let Ok((rest, head)) = wire::head(In::new(data, BufferId(0), 0, &NoSink)) else {
            return false;
        };
        let rest = rest.data().len();
        match usize::try_from(head.length).ok().and_then(|len| rest.checked_sub(len)) {
            Some(left) => at = end - left,
            None => return false,
        }
        if at < end && piece.fronts.binary_search(&at).is_err() {
            return false;
        }
    }
    true
}
