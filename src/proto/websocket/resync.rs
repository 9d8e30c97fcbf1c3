//! Where frames begin, in bytes of which that is not known: behind a hole, or where
//! the capture begins within a connection.
//!
//! A frame has no mark that is its own, so one head proves nothing. Heads that chain
//! do: each begins where the one before it ends, and each is one that this end may
//! send. What a head and its payload say in favour of a chain is counted in bits: how
//! much likelier they are in a real frame than in bytes that are anything. Frames are
//! believed from the first one on at which enough has been said, and at which all
//! other chains that are worth mentioning have joined.

use super::fields::opcode_name;
use super::inflate::Inflater;
use super::mask::unmask;
use super::wire::{self, FrameHead, opcode};
use crate::base::BufferId;
use crate::field::{In, NoSink};

/// Bytes that are looked at in one piece. What is behind them is looked at when the
/// first half of them has been given up.
pub(super) const SEARCH_BYTES: usize = 128 << 10;
/// The first look is taken at so many bytes, the next at twice as many, and so on:
/// what is found must not depend on how the bytes come.
pub(super) const FIRST_LOOK: usize = 64;

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

/// Some bytes of one direction.
#[derive(Clone, Copy)]
pub(super) struct Piece<'a> {
    pub(super) data: &'a [u8],
    /// Nothing follows: a frame should end here.
    pub(super) last: bool,
    /// Where segments begin in it, in order: programs write whole frames.
    pub(super) fronts: &'a [usize],
}

impl Piece<'_> {
    /// Bits for a frame that begins where a segment does: with so many beginnings
    /// among so many bytes it may be there by chance.
    fn aligned(&self, habits: &Habits) -> f32 {
        let n = self.fronts.len().max(1);
        (self.data.len() as f32 / n as f32).max(1.0).log2().min(habits.aligned())
    }
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

/// By what a frame is known again that comes by in every turn of something that
/// repeats itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    head: [u8; 2],
    length: u64,
    key: Option<[u8; 4]>,
    body: [u8; 8],
}

impl Stamp {
    fn of(head: &FrameHead, body: &[u8]) -> Self {
        let first = u8::from(head.fin) << 7 | head.rsv << 4 | head.opcode;
        let (head, length, key) = ([first, head.length7], head.length, head.key);
        let mut s = Self { head, length, key, body: [0; 8] };
        for (to, from) in s.body.iter_mut().zip(body) {
            *to = *from;
        }
        s
    }

    /// Keys are chosen at random for every frame (RFC 6455 §5.3); without them frames
    /// are alike if they begin so.
    fn is_like(&self, other: &Self) -> bool {
        match (self.key, other.key) {
            // A client that masks with nothing does so always.
            (Some(a), Some(_)) if a == [0; 4] => false,
            (Some(a), Some(b)) => a.iter().zip(&b).filter(|(a, b)| a == b).count() >= ALIKE,
            _ => self == other,
        }
    }
}

/// What was found in a piece.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Chain {
    /// Where the first frame begins that is believed, if one is.
    pub(super) at: Option<usize>,
    /// Where the best chain begins, certain or not.
    pub(super) start: usize,
    /// Bits in favour of it, beyond the choice among all places.
    pub(super) bits: f32,
    /// Whole frames in it.
    pub(super) frames: usize,
}

/// No chain at all.
const NONE: Chain = Chain { at: None, start: 0, bits: 0.0, frames: 0 };

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
            return Looked::Need(size.saturating_sub(data.len()));
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

/// What stands at a place.
#[derive(Clone, Copy)]
enum Place {
    /// No head.
    Nothing,
    /// A head, or the beginning of one, whose frame ends behind the piece.
    Open(f32, Turn),
    /// A frame, what speaks for it, where it ends, and by what it is known again.
    Frame(f32, Turn, usize, Stamp),
}

/// What a frame does to the data message of its direction.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Turn {
    /// A message begins; with more to come or not.
    Begin(bool),
    /// A message goes on; with more to come or not.
    Go(bool),
    /// A control frame.
    Aside,
}

impl Turn {
    /// Whether a message is open behind the frame; `None` where it may not stand.
    const fn apply(self, open: bool) -> Option<bool> {
        match (self, open) {
            (Self::Begin(more), false) | (Self::Go(more), true) => Some(more),
            (Self::Aside, o) => Some(o),
            _ => None,
        }
    }
}

/// A state of the walk: a place, and whether a message is open there.
const fn state(at: usize, open: bool) -> usize {
    at * 2 + open as usize
}

/// Looks for the first frame; `front` where the first byte comes right behind a hole,
/// or is the first that was captured, and so begins a segment.
pub(super) fn find(piece: Piece<'_>, style: &Style, front: bool) -> Chain {
    let n = piece.data.len();
    let mut places = vec![Place::Nothing; n];
    // What speaks for the best chain from each state on.
    let mut score = vec![NEVER; (n + 1) * 2];
    for open in [false, true] {
        if let Some(s) = score.get_mut(state(n, open)) {
            // An end in the middle of a message is odd.
            *s = match (piece.last, open) {
                (true, false) => LANDING,
                (true, true) => -2.0,
                _ => 0.0,
            };
        }
    }
    let aligned = piece.aligned(&style.habits);
    let mut trials = n.saturating_mul(TRIALS).saturating_add(TRIAL);
    let mut fronts = piece.fronts.iter().rev().copied().peekable();
    for at in (0..n).rev() {
        while fronts.peek().is_some_and(|f| *f > at) {
            fronts.next();
        }
        // The very first is counted by itself.
        let bonus = if at > 0 && fronts.peek() == Some(&at) { aligned } else { 0.0 };
        let place = look(piece, at, bonus, style, &mut trials);
        for open in [false, true] {
            let value = match place {
                Place::Nothing => NEVER,
                Place::Open(bits, turn) => turn.apply(open).map_or(NEVER, |_| bits),
                Place::Frame(bits, turn, end, _) => turn
                    .apply(open)
                    .map_or(NEVER, |o| bits + score.get(state(end, o)).copied().unwrap_or(NEVER)),
            };
            if let Some(s) = score.get_mut(state(at, open)) {
                *s = value;
            }
        }
        if let Some(p) = places.get_mut(at) {
            *p = place;
        }
    }
    // Bits beyond the choice among the places up to this one.
    let worth = |at: usize, open: bool| {
        let bonus = if front && at == 0 { FRONT } else { 0.0 };
        score.get(state(at, open)).copied().unwrap_or(NEVER) + bonus - ((at + 1) as f32).log2()
    };
    let starts = || (0..n).flat_map(|at| [(at, false), (at, true)]);
    let best = starts().max_by(|a, b| {
        // The first of equals.
        worth(a.0, a.1).total_cmp(&worth(b.0, b.1)).then(b.0.cmp(&a.0))
    });
    let Some((start, open)) = best else { return NONE };
    let bits = worth(start, open);
    if bits == NEVER {
        return NONE;
    }
    let next = |at: usize, open: bool| match places.get(at) {
        Some(Place::Frame(_, turn, end, _)) => Some((*end, turn.apply(open)?)),
        _ => None,
    };
    // The frames of the best chain.
    let mut chain = vec![start];
    let (mut frames, mut now) = (0, (start, open));
    while let Some(to) = next(now.0, now.1) {
        frames += 1;
        chain.push(to.0);
        now = to;
    }
    // What comes again and again counts once: it may be the payload that repeats itself.
    let repeated = |chain: &mut dyn Iterator<Item = usize>| {
        let mut stamps: Vec<Stamp> = Vec::new();
        let mut again = 0.0;
        for at in chain {
            let Some(Place::Frame(bits, _, _, stamp)) = places.get(at) else { continue };
            let known = if style.masked {
                !style.habits.same_key
            } else {
                piece.fronts.binary_search(&at).is_err()
            };
            if known && stamps.iter().any(|s| s.is_like(stamp)) {
                again += bits.max(0.0);
            } else if stamps.len() < STAMPS {
                stamps.push(*stamp);
            }
        }
        again
    };
    let again = repeated(&mut chain.iter().copied());
    let bits = bits - again;
    if bits < CERTAIN {
        return Chain { at: None, start, bits, frames };
    }
    // Where any other chain joins it: behind that, both say the same.
    let mut joins = vec![usize::MAX; n + 1];
    for at in &chain {
        if let Some(j) = joins.get_mut(*at) {
            *j = *at;
        }
    }
    let mut from = start;
    let mut rivals = RIVALS;
    for at in (0..n).rev() {
        let there = match (joins.get(at), places.get(at)) {
            (Some(&usize::MAX), Some(Place::Frame(_, _, end, _))) => joins.get(*end).copied(),
            _ => None,
        };
        if let (Some(j), Some(there)) = (joins.get_mut(at), there) {
            *j = there;
        }
        let joined = joins.get(at).copied().unwrap_or(usize::MAX);
        if joined != at && bits - worth(at, false).max(worth(at, true)) < BETTER {
            // What repeats itself is worth no more here than there.
            let is_worth = |open: bool| {
                let first = Some((at, open));
                let walk = std::iter::successors(first, |(at, open)| next(*at, *open));
                let again = repeated(&mut walk.map(|(at, _)| at).take(STAMPS));
                bits - (worth(at, open) - again) < BETTER
            };
            let looked = rivals > 0;
            rivals = rivals.saturating_sub(1);
            if looked && !is_worth(false) && !is_worth(true) {
                continue;
            }
            if joined == usize::MAX {
                return Chain { at: None, start, bits, frames };
            }
            from = from.max(joined);
        }
    }
    // The first frame by which enough has been said. Where what follows a short one is
    // certain without it, there are few places from which such a one leads there.
    let short = |at: usize| piece.data.get(at + 1).is_some_and(|b| b & 0x7f < 126);
    let certain = next(start, open).is_some_and(|(end, o)| worth(end, o) - again >= CERTAIN);
    let choice = if certain && short(start) { start.min(REACH) } else { start };
    let mut said = if front && start == 0 { FRONT } else { 0.0 } - ((choice + 1) as f32).log2();
    let mut found = None;
    for at in &chain {
        match places.get(*at) {
            Some(Place::Frame(b, ..)) => said += b + if short(*at) { LANDING } else { LANDING_16 },
            Some(Place::Open(b, _)) => said += b,
            _ => {}
        }
        if *at >= from && said >= FIRST {
            found = Some(*at);
            break;
        }
    }
    Chain { at: found.filter(|at| *at < n), start, bits, frames }
}

/// What stands at a place.
fn look(piece: Piece<'_>, at: usize, bonus: f32, style: &Style, trials: &mut usize) -> Place {
    let data = piece.data.get(at..).unwrap_or_default();
    let [first, ..] = *data else { return Place::Nothing };
    let Some(mut bits) = style.habits.bits(first) else { return Place::Nothing };
    bits += bonus;
    let rsv1 = first & 0x40 != 0;
    if rsv1 && style.compression == Compression::No {
        return Place::Nothing;
    }
    let (fin, op) = (first & 0x80 != 0, first & 0x0f);
    let turn = match op {
        opcode::CONTINUATION => Turn::Go(!fin),
        opcode::TEXT | opcode::BINARY => Turn::Begin(!fin),
        _ => Turn::Aside,
    };
    let Some(second) = data.get(1) else { return Place::Open(bits, turn) };
    if (second & 0x80 != 0) != style.masked {
        return Place::Nothing;
    }
    let length7 = second & 0x7f;
    let control = op & 8 != 0;
    if control && length7 > 125 {
        return Place::Nothing;
    }
    // A clear bit is common in everything else, a set one is not.
    if style.masked {
        bits += 1.0;
    }
    let Ok((rest, head)) = wire::head(In::new(data, BufferId(0), 0, &NoSink)) else {
        return Place::Open(bits, turn);
    };
    if head.is_length_wasteful() || head.length > LONGEST || opcode_name(u64::from(op)).is_none() {
        return Place::Nothing;
    }
    bits += match length7 {
        126 => 8.0,
        127 if head.length <= LONG => 30.0,
        // Numbers have as many zeros.
        127 => 12.0,
        // Empty: nothing to say, in most cases.
        0 if !fin => -6.0,
        0 if control => 4.0,
        _ => 0.0,
    };
    let rest = rest.data();
    let len = usize::try_from(head.length).unwrap_or(usize::MAX);
    let whole = len <= rest.len();
    let body = rest.get(..len).unwrap_or(rest);
    // Nothing comes behind it.
    let last = piece.last && whole && len == rest.len();
    bits += content(&head, body, (whole, last), style, trials);
    let end = piece.data.len() - rest.len() + len.min(rest.len());
    if whole {
        Place::Frame(bits, turn, end, Stamp::of(&head, body))
    } else {
        // Cut by what comes next.
        Place::Open(if piece.last { bits - 6.0 } else { bits }, turn)
    }
}

/// Bits in favour of a payload.
fn content(
    head: &FrameHead,
    body: &[u8],
    (whole, last): (bool, bool),
    style: &Style,
    trials: &mut usize,
) -> f32 {
    let shown = |most: usize| {
        let sent = body.get(..most).unwrap_or(body);
        let mut plain = Vec::new();
        match head.key {
            Some(key) => unmask(key, 0, sent, &mut plain),
            None => plain.extend_from_slice(sent),
        }
        plain
    };
    // Bytes that were not masked may be text of whatever message they are in: that
    // they are text says less.
    let (share, most) = if style.masked { (1.0, 48.0) } else { (0.4, 20.0) };
    let judged = |plain: &[u8], cut| text(plain, cut).map(|bits| (bits * share).clamp(-40.0, most));
    match head.opcode {
        _ if head.rsv != 0 => {
            if !head.fin || !whole || body.len() > TRIAL {
                return 0.0;
            }
            let Some(left) = trials.checked_sub(body.len()) else { return 0.0 };
            *trials = left;
            match inflates(&shown(TRIAL)) {
                Some(true) => (body.len() as f32 * 2.0).min(40.0),
                Some(false) if style.compression == Compression::Alone => -8.0,
                _ => 0.0,
            }
        }
        opcode::TEXT => {
            let plain = shown(LOOK);
            let cut = plain.len() < body.len() || !whole || !head.fin;
            judged(&plain, cut).unwrap_or(NOT_UTF8)
        }
        opcode::BINARY if style.masked => {
            let plain = shown(LOOK);
            match judged(&plain, true) {
                // Text, though nothing says so.
                Some(bits) if bits > 12.0 => (bits / 2.0).min(16.0),
                _ => 0.0,
            }
        }
        // Of a message of text or of bytes, and from the middle of a character on.
        opcode::CONTINUATION => {
            let plain = shown(LOOK);
            let inner = plain.iter().take(3).take_while(|b| **b & 0xc0 == 0x80).count();
            let begun = plain.get(inner..).unwrap_or_default();
            match judged(begun, true) {
                Some(bits) if bits > 0.0 => bits,
                _ => 0.0,
            }
        }
        // Programs send few bytes, or a short text.
        opcode::PING | opcode::PONG if head.length > 0 => {
            let plain = shown(LOOK);
            let said = text(&plain, !whole || plain.len() < body.len());
            match (said, head.length) {
                (Some(bits), _) if bits > 0.0 => {
                    bits.min(10.0) - if head.length > 64 { 4.0 } else { 0.0 }
                }
                (_, ..=8) => 0.0,
                (_, ..=32) => -4.0,
                _ => -9.0,
            }
        }
        opcode::CLOSE => {
            let plain = shown(128);
            match (plain.as_slice(), whole) {
                ([], _) => 0.0,
                ([_], true) => -10.0,
                ([a, b, reason @ ..], _) => {
                    // It comes last, and then it is no rare frame.
                    let known = matches!(u16::from_be_bytes([*a, *b]), 1000..=1014);
                    let ends = match (last, known) {
                        // Just one place leads to the very end with a code that is one.
                        (true, true) => 7.5,
                        (true, false) => 3.5,
                        (false, _) => 0.0,
                    };
                    let said = judged(reason, !whole).unwrap_or(-10.0);
                    ends + said
                        + match u16::from_be_bytes([*a, *b]) {
                            1000 => 15.0,
                            1001..=1014 => 12.0,
                            3000..=4999 => 5.0,
                            _ => -10.0,
                        }
                }
                _ => 0.0,
            }
        }
        _ => 0.0,
    }
}

/// Bits in favour of a text; `None` where it is none. With `cut` its last character
/// may be cut short.
fn text(data: &[u8], cut: bool) -> Option<f32> {
    let good = match std::str::from_utf8(data) {
        Ok(_) => data,
        Err(e) if cut && e.error_len().is_none() => data.get(..e.valid_up_to())?,
        Err(_) => return None,
    };
    // Control characters are what becomes of text under a wrong key.
    Some(good.iter().fold(0.0, |bits, b| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b' ' | b'"' => bits + 1.8,
        b'\t' | b'\n' | b'\r' => bits + 0.8,
        b if b.is_ascii_control() => bits - 4.0,
        _ => bits + 0.8,
    }))
}

/// Whether it is a whole compressed message that refers to nothing before it; `None`
/// where that would be much.
fn inflates(data: &[u8]) -> Option<bool> {
    let mut i = Inflater::new(false);
    i.begin(false);
    let mut made = 0_usize;
    for part in data.chunks(TRIAL_STEP) {
        if i.feed(part, &mut |b| made = made.saturating_add(b.len())).is_err() {
            return Some(false);
        }
        if made > TRIAL_OUTPUT {
            return None;
        }
    }
    Some(i.finish(true, &mut |_| {}).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn style(masked: bool) -> Style {
        Style { masked, compression: Compression::Maybe, habits: Habits::default() }
    }

    fn at(data: &[u8], masked: bool, last: bool) -> Option<usize> {
        find(Piece { data, last, fronts: &[] }, &style(masked), true).at
    }

    fn frame(first: u8, body: &[u8]) -> Vec<u8> {
        assert!(body.len() < 126);
        [&[first, body.len() as u8], body].concat()
    }

    fn masked(first: u8, body: &[u8]) -> Vec<u8> {
        masked_by([0x37, 0xfa, 0x21, 0x3d], first, body)
    }

    fn masked_by(key: [u8; 4], first: u8, body: &[u8]) -> Vec<u8> {
        let mut b = Vec::new();
        unmask(key, 0, body, &mut b);
        [&[first, 0x80 | body.len() as u8], &key[..], &b].concat()
    }

    #[test]
    fn a_text_at_the_front_of_what_follows_is_enough() {
        let f = frame(0x81, b"{\"temperature\": 21.5}");
        assert_eq!(at(&f, false, true), Some(0));
        assert_eq!(at(&masked(0x81, b"{\"temperature\": 21.5}"), true, true), Some(0));
        // The other end's, though, is none.
        assert_eq!(at(&f, true, true), None);
    }

    #[test]
    fn the_end_of_a_text_is_passed_over() {
        let two =
            [frame(0x81, b"{\"a\": \"second\"}"), frame(0x81, b"{\"a\": \"third\"}")].concat();
        let data = [b"rest of the first message\"}".as_slice(), &two].concat();
        assert_eq!(at(&data, false, true), Some(27));
        let two =
            [masked(0x81, b"{\"a\": \"second\"}"), masked(0x81, b"{\"a\": \"third\"}")].concat();
        let tail = &masked(0x81, b"{\"a\": \"first, and some more of it\"}")[9..];
        let data = [tail, &two].concat();
        assert_eq!(at(&data, true, true), Some(tail.len()));
    }

    #[test]
    fn a_short_frame_behind_a_long_rest_is_found_by_its_segment() {
        let mut x = 5_u32;
        let rest: Vec<u8> = (0..37_246)
            .map(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (x >> 24) as u8
            })
            .collect();
        let text = masked(0x81, b"64 KiB");
        let close = masked_by([0x9c, 0x10, 0x4e, 0xb2], 0x88, b"\x03\xe8bye");
        let data = [&rest[..], &text, &close].concat();
        let (a, b) = (rest.len(), rest.len() + text.len());
        let found = |fronts: &[usize]| {
            find(Piece { data: &data, last: true, fronts }, &style(true), true).at
        };
        assert_eq!(found(&[0, a, b]), Some(a));
        // Where every byte has a segment of its own, segments say nothing.
        let all: Vec<usize> = (0..data.len()).collect();
        assert_eq!(found(&all), found(&[]));
    }

    #[test]
    fn behind_the_handshake_any_frame_is_one() {
        // Of a client, and not masked; then one that is.
        let odd = frame(0x81, b"hello");
        let data = [odd.clone(), masked(0x81, b"{\"a\": \"second\"}")].concat();
        let look =
            |mut s: Search, data: &[u8], fronts: &[usize]| s.look(data, true, fronts, &style(true));
        for opening in [Search::behind_handshake(), Search::behind_hole()] {
            let first = |at| if opening.opening { 0 } else { at };
            assert_eq!(look(opening, &data, &[0, 7]), Looked::Found(first(7)));
        }
        assert_eq!(look(Search::behind_handshake(), &odd, &[0]), Looked::Found(0));
        assert_eq!(look(Search::behind_hole(), &odd, &[0]), Looked::Skip(7));
        // What ends within a segment is no frame by that alone.
        assert_eq!(look(Search::behind_handshake(), &data, &[0]), Looked::Found(7));
        assert_eq!(look(Search::behind_handshake(), &odd[..6], &[0]), Looked::Skip(6));
    }

    #[test]
    fn what_repeats_itself_counts_once() {
        let key = [0x5b, 0x89, 0x84, 0x11];
        // Zeros under a key that reads like the head of a ping.
        let mut zeros = Vec::new();
        unmask(key, 1, &[0; 600], &mut zeros);
        assert_eq!(zeros[..2], [0x89, 0x84]);
        assert_eq!(at(&zeros, true, false), None);
        assert_eq!(at(&zeros, true, true), None);
        // Pings that are some, each under its own.
        let mut pings = Vec::new();
        for i in 0..12_u8 {
            pings.extend(masked_by([i.wrapping_mul(57), !i, i << 3, 200 - i], 0x89, b"ping"));
        }
        assert_eq!(at(&pings, true, false), Some(0));
    }

    #[test]
    fn the_rest_of_a_head_is_none() {
        // 450 bytes of the middle of a text, so that its length reads as a head.
        let body = b"the middle of a long text, word for word. ".repeat(11);
        let (body, key) = (&body[..450], [0x37, 0xfa, 0x21, 0x3d]);
        let mut sent = Vec::new();
        unmask(key, 0, body, &mut sent);
        let data = [&[0x00, 0xfe, 0x01, 0xc2], &key[..], &sent].concat();
        for n in [64, 128, 256, data.len()] {
            let found = at(&data[..n], true, false);
            assert!(matches!(found, None | Some(0)), "{n}: {found:?}");
        }
        let end = masked_by([9, 8, 7, 6], 0x80, b"and its end, which is short.");
        assert_eq!(at(&[data, end].concat(), true, true), Some(0));
    }

    #[test]
    fn what_breaks_a_rule_refutes_what_was_believed() {
        let judge = |t: &mut Trial, data: &[u8]| t.judge(data, true, &style(true), Some(false));
        let first = masked(0x82, &[1, 2, 3]);
        for bad in [
            masked_by([1, 2, 3, 4], 0x83, b"reserved"),
            masked_by([1, 2, 3, 4], 0xa2, b"RSV2"),
            masked_by([1, 2, 3, 4], 0x80, b"of nothing"),
            masked_by([1, 2, 3, 4], 0x09, b"part"),
            frame(0x82, b"not masked"),
            masked_by([1, 2, 3, 4], 0x81, &[0xff; 40]),
        ] {
            let mut t = Trial::default();
            assert_eq!(judge(&mut t, &first), Judged::Fits);
            assert_eq!(judge(&mut t, &bad), Judged::Refuted, "{bad:x?}");
            // Where enough has come, it is the peer's doing.
            let text = masked_by([5, 6, 7, 8], 0x81, b"{\"a text\": \"that is one\", \"b\": 1}");
            assert_eq!(judge(&mut Trial::default(), &text), Judged::Trusted);
        }
    }

    #[test]
    fn heads_that_stand_close_are_not_all_inflated() {
        let mut trials = 100;
        let head = FrameHead { fin: true, rsv: 0b100, opcode: 1, ..FrameHead::default() };
        let body = [0x62; 60];
        for left in [40, 40] {
            content(&head, &body, (true, false), &style(false), &mut trials);
            assert_eq!(trials, left);
        }
    }

    #[test]
    fn noise_is_not_taken_for_frames() {
        let mut x = 1_u64;
        let mut wrong = 0;
        for _ in 0..400 {
            let data: Vec<u8> = (0..4096)
                .map(|_| {
                    x = x
                        .wrapping_mul(6_364_136_223_846_793_005)
                        .wrapping_add(1_442_695_040_888_963_407);
                    (x >> 56) as u8
                })
                .collect();
            for masked in [true, false] {
                wrong += usize::from(at(&data, masked, true).is_some());
            }
        }
        assert_eq!(wrong, 0);
    }
}
