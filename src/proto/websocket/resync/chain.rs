//! Heads that chain: the best chain in some bytes, and from where on it is believed.

use super::judge::look;
use super::{
    ALIKE, BETTER, CERTAIN, FIRST, FRONT, Habits, LANDING, LANDING_16, NEVER, REACH, RIVALS,
    STAMPS, Style, TRIAL, TRIALS,
};
use crate::proto::websocket::wire::FrameHead;

/// Some bytes of one direction.
#[derive(Clone, Copy)]
pub(in crate::proto::websocket) struct Piece<'a> {
    pub(in crate::proto::websocket) data: &'a [u8],
    /// Nothing follows: a frame should end here.
    pub(in crate::proto::websocket) last: bool,
    /// Where segments begin in it, in order: programs write whole frames.
    pub(in crate::proto::websocket) fronts: &'a [usize],
}

impl Piece<'_> {
    /// Bits for a frame that begins where a segment does: with so many beginnings
    /// among so many bytes it may be there by chance.
    fn aligned(&self, habits: &Habits) -> f32 {
        let n = self.fronts.len().max(1);
        (self.data.len() as f32 / n as f32).max(1.0).log2().min(habits.aligned())
    }
}

/// By what a frame is known again that comes by in every turn of something that
/// repeats itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    head: [u8; 2],
    length: u64,
    pub(super) key: Option<[u8; 4]>,
    body: [u8; 8],
}

impl Stamp {
    pub(super) fn of(head: &FrameHead, body: &[u8]) -> Self {
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
    pub(super) fn is_like(&self, other: &Self) -> bool {
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
pub(in crate::proto::websocket) struct Chain {
    /// Where the first frame begins that is believed, if one is.
    pub(in crate::proto::websocket) at: Option<usize>,
    /// Where the best chain begins, certain or not.
    pub(in crate::proto::websocket) start: usize,
    /// Bits in favour of it, beyond the choice among all places.
    pub(in crate::proto::websocket) bits: f32,
    /// Whole frames in it.
    pub(in crate::proto::websocket) frames: usize,
}

/// No chain at all.
const NONE: Chain = Chain { at: None, start: 0, bits: 0.0, frames: 0 };

/// What stands at a place.
#[derive(Clone, Copy)]
pub(super) enum Place {
    /// No head.
    Nothing,
    /// A head, or the beginning of one, whose frame ends behind the piece.
    Open(f32, Turn),
    /// A frame, what speaks for it, where it ends, and by what it is known again.
    Frame(f32, Turn, usize, Stamp),
}

/// What a frame does to the data message of its direction.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// A message begins; with more to come or not.
    Begin(bool),
    /// A message goes on; with more to come or not.
    Go(bool),
    /// A control frame.
    Aside,
}

impl Turn {
    /// Whether a message is open behind the frame; `None` where it may not stand.
    pub(super) const fn apply(self, open: bool) -> Option<bool> {
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
pub(in crate::proto::websocket) fn find(piece: Piece<'_>, style: &Style, front: bool) -> Chain {
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
