//! Puts fragmented IP datagrams together (RFC 791 §3.2, RFC 8200 §4.5).
//!
//! A state machine: fragments in, datagrams out, time as an argument. Bounded in
//! datagrams, bytes and time; what is given up is a finding. The first copy of a
//! byte wins.

use std::collections::hash_map::{DefaultHasher, Entry};
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::hash::{Hash, Hasher};
use std::net::IpAddr;

use crate::base::limits::{DEFRAG_TIMEOUT_NS, MAX_DEFRAG_BYTES, MAX_DEFRAG_DATAGRAMS};
use crate::base::{CaptureTime, Moment, Piece, PieceSource};
use crate::finding::{Finding, FindingSpec};
use crate::link::findings as x;

/// Largest datagram: its length field has 16 bits.
const MAX_DATAGRAM: u32 = 65_535;
/// Findings that wait to be fetched.
const MAX_LOST: usize = 4 * MAX_DEFRAG_DATAGRAMS;

/// Tells the fragments of one datagram from all others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FragmentKey {
    /// Who sent it.
    pub source: IpAddr,
    /// To whom.
    pub destination: IpAddr,
    /// Identification.
    pub id: u32,
    /// Protocol in IPv4; 0 in IPv6, where it takes no part.
    pub protocol: u8,
    /// Digest of the tunnels and VLANs.
    pub path: u32,
}

/// Bytes, and the packets they lie in.
pub(crate) type Pieces = Vec<(Piece, Moment)>;

/// A fragment as it comes.
#[derive(Clone, Debug)]
pub struct Fragment<'a> {
    /// Where it lies in the datagram, in bytes.
    pub offset: u32,
    /// More follow.
    pub more: bool,
    /// What its header says that the datagram carries.
    pub protocol: u8,
    /// Its captured bytes.
    pub bytes: &'a [u8],
    /// Bytes behind them that were not captured.
    pub missing: u32,
    /// Where the captured bytes lie.
    pub pieces: Vec<(Piece, Moment)>,
}

/// A datagram put together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Joined {
    /// What it carries, by the fragment at offset 0.
    pub protocol: u8,
    /// Its payload, up to the first byte that was not captured.
    pub bytes: Vec<u8>,
    /// Bytes behind them.
    pub missing: u32,
    /// Where they lie.
    pub pieces: Vec<(Piece, Moment)>,
}

/// Bytes of a datagram that no earlier fragment brought.
#[derive(Debug)]
struct Run {
    /// On the wire.
    len: u32,
    /// Captured.
    bytes: Box<[u8]>,
    pieces: Pieces,
}

/// Every fragment as it came: start, length, hash of its bytes. A capture on a
/// loopback or a bridge has each packet twice; the copy is known by this.
type Seen = (u32, u32, u64);

#[derive(Debug)]
struct Datagram {
    first: Moment,
    serial: u64,
    /// By offset, without overlap.
    runs: BTreeMap<u32, Run>,
    /// Bytes that the runs cover.
    covered: u32,
    /// Length of the whole, once the last fragment came.
    total: Option<u32>,
    protocol: u8,
    seen: Vec<Seen>,
    /// Put together already; kept to know copies of its fragments.
    done: bool,
    memory: usize,
}

/// What holds fragments until their datagram is whole.
#[derive(Debug, Default)]
pub struct Defragmenter {
    waiting: HashMap<FragmentKey, Datagram>,
    /// In order of arrival, with the time of it; a serial tells those that are gone.
    order: VecDeque<(FragmentKey, u64, CaptureTime)>,
    serial: u64,
    memory: usize,
    lost: Vec<(Moment, Finding)>,
}

impl Defragmenter {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether nothing waits and nothing was lost: then there is nothing to ask.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.order.is_empty() && self.lost.is_empty()
    }

    /// Bytes held.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.memory
    }

    /// Datagrams that were given up since the last call: the packet of their
    /// first fragment, and what to say.
    pub fn take_lost(&mut self) -> Vec<(Moment, Finding)> {
        std::mem::take(&mut self.lost)
    }

    /// Gives up what has waited for longer than the limit.
    pub fn expire(&mut self, now: CaptureTime) {
        // The time is asked first: this runs for every packet while anything waits.
        while let Some(&(key, serial, time)) = self.order.front() {
            if now.since(time) <= DEFRAG_TIMEOUT_NS {
                return;
            }
            if self.waiting.get(&key).is_some_and(|d| d.serial == serial) {
                self.give_up(&key, &x::FRAGMENT_MISSING);
            }
            self.order.pop_front();
        }
    }

    /// The end of the capture: gives up all that waits.
    pub fn finish(&mut self) {
        while let Some((key, serial, _)) = self.order.pop_front() {
            if self.waiting.get(&key).is_some_and(|d| d.serial == serial) {
                self.give_up(&key, &x::FRAGMENT_MISSING);
            }
        }
    }

    fn give_up(&mut self, key: &FragmentKey, why: &'static FindingSpec) {
        let Some(d) = self.waiting.remove(key) else { return };
        self.memory = self.memory.saturating_sub(d.memory);
        if d.done || self.lost.len() >= MAX_LOST {
            return;
        }
        let of = d.total.map_or_else(|| "an unknown number of".into(), |t| t.to_string());
        let what = format!(
            "{} of {of} bytes of datagram {:#06x} from {} to {}",
            d.covered, key.id, key.source, key.destination
        );
        self.lost.push((d.first, Finding::new(why).with(what)));
    }

    /// Takes a fragment; gives the datagram where this one makes it whole. What
    /// is wrong with it goes to `findings`.
    pub fn insert(
        &mut self,
        key: FragmentKey,
        fragment: Fragment<'_>,
        moment: Moment,
        findings: &mut Vec<Finding>,
    ) -> Option<Joined> {
        self.expire(moment.time);
        let len = u32::try_from(fragment.bytes.len()).ok()?.saturating_add(fragment.missing);
        let end = fragment.offset.saturating_add(len);
        if end > MAX_DATAGRAM || (fragment.more && (len % 8 != 0 || len == 0)) {
            let what = format!("{len} bytes at {}", fragment.offset);
            findings.push(Finding::new(&x::FRAGMENT_BAD).with(what));
            return None;
        }
        let seen = (fragment.offset, len, digest(fragment.bytes));
        if let Some(d) = self.waiting.get(&key) {
            if d.seen.contains(&seen) {
                return None;
            }
            // Another datagram with the number of one that is whole.
            if d.done {
                self.give_up(&key, &x::FRAGMENT_MISSING);
            }
        }
        self.make_room(&key);
        let serial = self.serial;
        let datagram = match self.waiting.entry(key) {
            Entry::Occupied(e) => e.into_mut(),
            Entry::Vacant(e) => {
                self.serial += 1;
                self.order.push_back((key, serial, moment.time));
                e.insert(Datagram::new(moment, serial, fragment.protocol))
            }
        };
        let before = datagram.memory;
        let (overlaps, conflicts) = datagram.add(&fragment, len, seen);
        self.memory = (self.memory + datagram.memory).saturating_sub(before);
        if overlaps && key.source.is_ipv6() {
            findings.push(
                Finding::new(&x::FRAGMENT_OVERLAP)
                    .with(format!("{len} bytes at {}", fragment.offset)),
            );
        } else if conflicts {
            findings.push(
                Finding::new(&x::FRAGMENT_CONFLICT)
                    .with(format!("{len} bytes at {}", fragment.offset)),
            );
        }
        if datagram.total.is_some_and(|t| t == datagram.covered) {
            let before = datagram.memory;
            let joined = datagram.join();
            self.memory = (self.memory + datagram.memory).saturating_sub(before);
            return Some(joined);
        }
        while self.memory > MAX_DEFRAG_BYTES && self.evict() {}
        None
    }

    /// Keeps the number of datagrams and of the queue within bounds, before one
    /// more comes.
    fn make_room(&mut self, key: &FragmentKey) {
        if !self.waiting.contains_key(key) {
            while self.waiting.len() >= MAX_DEFRAG_DATAGRAMS && self.evict() {}
        }
        // Those that are gone leave their place in the queue behind.
        if self.order.len() > 2 * MAX_DEFRAG_DATAGRAMS {
            let waiting = &self.waiting;
            self.order.retain(|(k, s, _)| waiting.get(k).is_some_and(|d| d.serial == *s));
        }
    }

    /// Gives up the oldest datagram.
    fn evict(&mut self) -> bool {
        while let Some((key, serial, _)) = self.order.pop_front() {
            if self.waiting.get(&key).is_some_and(|d| d.serial == serial) {
                self.give_up(&key, &x::FRAGMENT_LIMIT);
                return true;
            }
        }
        false
    }
}

fn digest(bytes: &[u8]) -> u64 {
    let mut h = DefaultHasher::new();
    bytes.hash(&mut h);
    h.finish()
}

impl Datagram {
    fn new(first: Moment, serial: u64, protocol: u8) -> Self {
        Self {
            first,
            serial,
            runs: BTreeMap::new(),
            covered: 0,
            total: None,
            protocol,
            seen: Vec::new(),
            done: false,
            memory: size_of::<Self>() + size_of::<FragmentKey>(),
        }
    }

    /// Adds what is new of a fragment; whether it overlaps what was there, and
    /// whether it says something else.
    fn add(&mut self, fragment: &Fragment<'_>, len: u32, seen: Seen) -> (bool, bool) {
        self.seen.push(seen);
        self.memory += size_of::<Seen>();
        let mut conflicts = false;
        let mut end = fragment.offset + len;
        if !fragment.more {
            match self.total {
                None => {
                    // Whatever lies behind the end is of some other datagram.
                    let reach = self.runs.last_key_value().map_or(0, |(s, r)| s + r.len);
                    conflicts |= reach > end;
                    self.total = Some(end.max(reach));
                }
                Some(t) => conflicts |= t != end,
            }
        }
        if let Some(t) = self.total
            && end > t
        {
            conflicts = true;
            end = t;
        }
        if fragment.offset == 0 {
            self.protocol = fragment.protocol;
        }
        let mut overlaps = false;
        let mut at = fragment.offset;
        let mut new = Vec::new();
        let from = self.runs.range(..=at).next_back().map_or(at, |(s, _)| *s);
        for (start, run) in self.runs.range(from..) {
            let run_end = start + run.len;
            if run_end <= at {
                continue;
            }
            if *start >= end {
                break;
            }
            if *start > at {
                new.push((at, *start));
            }
            overlaps = true;
            conflicts |= differs(fragment, *start, run);
            at = run_end;
        }
        if at < end {
            new.push((at, end));
        }
        for (a, b) in new {
            let skip = (a - fragment.offset) as usize;
            let rest = fragment.bytes.get(skip..).unwrap_or_default();
            let bytes = rest.get(..(b - a) as usize).unwrap_or(rest);
            // At most 65,535 (checked above).
            let pieces = cut_pieces(&fragment.pieces, a - fragment.offset, bytes.len() as u32);
            let run = Run { len: b - a, bytes: bytes.into(), pieces };
            self.memory += run.memory();
            self.covered += run.len;
            self.runs.insert(a, run);
        }
        (overlaps, conflicts)
    }

    /// The payload, once it is whole. What is known of copies stays.
    fn join(&mut self) -> Joined {
        let mut joined = Joined { protocol: self.protocol, ..Joined::default() };
        let mut whole = true;
        for run in std::mem::take(&mut self.runs).into_values() {
            self.memory = self.memory.saturating_sub(run.memory());
            if whole {
                let base = joined.bytes.len() as u32;
                joined.bytes.extend_from_slice(&run.bytes);
                joined.pieces.extend(run.pieces.into_iter().map(|(mut p, m)| {
                    p.start += base;
                    (p, m)
                }));
            }
            // A snapped fragment: what is behind it is at no known place of a
            // stream that was read on without a hole.
            whole &= run.bytes.len() == run.len as usize;
        }
        joined.missing = self.covered.saturating_sub(joined.bytes.len() as u32);
        self.done = true;
        joined
    }
}

impl Run {
    fn memory(&self) -> usize {
        // Two words and a half of a tree node besides.
        size_of::<Self>() + 24 + self.bytes.len() + self.pieces.len() * size_of::<(Piece, Moment)>()
    }
}

/// Whether a fragment says something else than a run about their common bytes.
fn differs(fragment: &Fragment<'_>, start: u32, run: &Run) -> bool {
    let from = start.max(fragment.offset);
    let a = fragment.bytes.get((from - fragment.offset) as usize..).unwrap_or_default();
    let b = run.bytes.get((from - start) as usize..).unwrap_or_default();
    a.iter().zip(b).any(|(a, b)| a != b)
}

/// The pieces of `len` bytes from `at`, counted from 0 again.
pub(super) fn cut_pieces(pieces: &[(Piece, Moment)], at: u32, len: u32) -> Pieces {
    let end = at.saturating_add(len);
    let mut out = Vec::new();
    for (p, moment) in pieces {
        let (a, b) = (p.start.max(at), p.start.saturating_add(p.len).min(end));
        if a >= b {
            continue;
        }
        let mut source = p.source;
        if let PieceSource::Packet(r) = &mut source {
            // All pieces of fragments are byte for byte.
            r.start += a - p.start;
            r.len = b - a;
        }
        out.push((Piece { start: a - at, len: b - a, source, exact: p.exact }, *moment));
    }
    out
}

#[cfg(test)]
#[path = "defrag_tests.rs"]
mod tests;
