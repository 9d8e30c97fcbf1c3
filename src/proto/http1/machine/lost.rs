//! Behind missing bytes: where to go on.
//!
//! Whoever writes a message or a chunk mostly begins a segment with it, and no body is
//! searched for what looks like a head. So a message is looked for at the fronts of
//! segments alone; a chunk, whose size proves itself, within them too.
//!
//! A client that does not pipeline asks when it has the answer to what it asked before
//! (RFC 9112 §9.3.2 lets it do otherwise; hardly one does). So the response behind a hole
//! answers the latest request before it, and the answers to those before that one were in
//! the hole. Behind pipelined requests nothing can be told, and nothing is followed.

use crate::base::Side;
use crate::base::limits::{MAX_CHUNK_PROOF_BYTES, MAX_HEADER_BYTES};
use crate::finding::Finding;
use crate::proto::http1::findings as g;
use crate::proto::http1::machine::heads::Seen;
use crate::proto::http1::machine::{Http1, Offer, State, Step};
use crate::proto::http1::message::Scan;
use crate::proto::http1::probe::{Looks, knows_method, look};
use crate::proto::{Chunk, EndCause, Input, Out, Want};

/// What there is among the bytes behind a hole, and how far into them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    Message(usize),
    Chunk(usize),
    /// Perhaps one of them.
    Perhaps(usize),
    Nothing,
}

/// Nobody's key: what is passed to it is opaque.
pub(super) const NOBODY: u64 = 0;

impl Http1 {
    pub(super) fn gap(&mut self, side: Side, len: u64, out: &mut dyn Out) {
        if side == Side::Server && self.state(side) == State::Head && self.may_be_agreed() {
            if self.tunnel.is_none() && matches!(self.offer, Some((_, Offer::Upgrade(_)))) {
                let half = self.half(side);
                half.hole = Some(len);
                half.gone = true;
                half.state = State::Lost;
                return;
            }
            if self.answer_lost(len, out) {
                return;
            }
        }
        self.tell_lost(side, out);
        let asks = side == Side::Client && self.state(side) == State::Head && self.open.is_empty();
        let half = self.half(side);
        let chunks = matches!(half.state, State::ChunkLine | State::ChunkData(_) | State::ChunkEnd);
        let chunks = chunks || half.state == State::LostChunk;
        let known = match half.state {
            State::Body(left) | State::ChunkData(left) => len <= left,
            State::Close | State::Tunnel => true,
            State::Off => return,
            _ => false,
        };
        // What ends the data before it may be missing with it.
        let size_line = match half.state {
            State::ChunkLine => Some(len),
            State::ChunkEnd => len.checked_sub(2),
            State::ChunkData(left) => len.checked_sub(left).and_then(|n| n.checked_sub(2)),
            _ => None,
        };
        let within = matches!(half.state, State::ChunkData(_));
        let digits = size_line.and_then(|n| n.checked_sub(2)).filter(|n| (1..=6).contains(n));
        half.digits = digits.and_then(|n| u32::try_from(n).ok());
        let (key, offset) = (half.key, half.passed);
        let missing = match half.state {
            State::Body(left) => Some(len.min(left)),
            State::Close | State::Tunnel => Some(len),
            State::ChunkData(_) if known => Some(len),
            // Lines of chunks are among them.
            _ if chunks => Some(0),
            _ => None,
        };
        half.untold = half.digits.is_some() && !within;
        if let Some(len) = missing.filter(|_| !half.untold) {
            half.passed = half.passed.saturating_add(len);
            out.tell(key, Input::Gap { side, offset, len });
        }
        if known {
            self.advance(side, len, out);
            return;
        }
        let detail = format!("{side}: {len} bytes");
        out.finding(Finding::new(&g::GAP).with(detail));
        let whole = matches!(self.state(side), State::Head | State::Lost);
        if !whole && (!chunks || self.pipelines) {
            self.cut(side, EndCause::CaptureEnded, out);
        }
        let half = self.half(side);
        if let Some(hole) = &mut half.hole {
            *hole = hole.saturating_add(len);
        }
        if asks {
            half.lost = Some(len);
        }
        self.lose(side, chunks, out);
    }

    /// What comes next in this direction is not known: it is looked for.
    pub(super) fn lose(&mut self, side: Side, chunks: bool, out: &mut dyn Out) {
        let pipelines = self.pipelines;
        self.strict |= side == Side::Client;
        let half = self.half(side);
        half.gone = true;
        half.blank = false;
        half.scan = Scan::START;
        half.state = match (pipelines, chunks) {
            (true, _) => State::Off,
            (false, true) => State::LostChunk,
            (false, false) => State::Lost,
        };
        if side == Side::Server && pipelines {
            self.server_is_off(EndCause::CaptureEnded, out);
        }
    }

    /// Whether missing bytes of the server may be its consent to another protocol: it
    /// answers in order, and nobody else waits.
    fn may_be_agreed(&self) -> bool {
        let Some((key, _)) = &self.offer else { return self.tunnel.is_some() };
        !self.open.iter().any(|o| o.key < *key && !o.done[1])
    }

    /// Whether this request was sent before its sender could have the answer to the one
    /// before.
    pub(super) fn is_pipelined(&self, seen: &Seen, out: &dyn Out) -> bool {
        let Some(last) = self.open.iter().rev().find(|o| !o.orphan && !o.done[1]) else {
            return false;
        };
        let apart = seen.start.time.since(last.start.time);
        last.start.packet == seen.start.packet
            || !last.answered && out.path().round_trip.is_some_and(|r| apart < r / 2)
    }

    /// The answer to this one was not captured.
    pub(super) fn answer_missed(&mut self, key: u64, cause: EndCause, out: &mut dyn Out) {
        if self.exchange(key).is_some_and(|o| !o.done[1] && !o.answered) {
            out.tell(key, Input::Gap { side: Side::Server, offset: 0, len: 0 });
        }
        self.done(key, Side::Server, cause, out);
    }

    /// The capture began within a message of this side: the next one is looked for.
    pub(super) fn join(&mut self, side: Side) {
        self.strict |= side == Side::Client;
        let half = self.half(side);
        (half.gone, half.state, half.scan) = (true, State::Lost, Scan::START);
    }

    /// Looks for the next message, or chunk.
    pub(super) fn seek(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Step {
        let chunks = self.state(c.side) == State::LostChunk;
        if let Some(digits) = self.half(c.side).digits.filter(|_| chunks) {
            // A body's last chunk is as long as a size: then the next message stands here, and
            // a head with chunks behind it looks like data with chunks behind it.
            let front = c.data.get(..MAX_HEADER_BYTES).unwrap_or(c.data);
            let more = !c.last && c.data.len() < MAX_HEADER_BYTES;
            let sized = match (c.side, look(front)) {
                (Side::Client, Looks::Request(true)) | (Side::Server, Looks::Response(true)) => {
                    Sized::No
                }
                (Side::Client, Looks::Request(false)) if more && knows_method(front) => {
                    Sized::Perhaps
                }
                (Side::Server, Looks::Response(false)) if more => Sized::Perhaps,
                _ => behind_size(c.data, digits, c.last),
            };
            match sized {
                Sized::Data(n) => {
                    let half = self.half(c.side);
                    (half.state, half.digits, half.gone) = (State::ChunkData(n), None, false);
                    half.untold = false;
                    return Step::Go(0);
                }
                Sized::Perhaps => return Step::Stop(0, Want::More(1)),
                Sized::No => self.tell_lost(c.side, out),
            }
        }
        let place = place(c, chunks, out);
        if c.side == Side::Server && !chunks {
            let hole = self.half(c.side).hole;
            if place == Place::Nothing && (hole.is_some() || self.tunnel.is_some()) {
                self.half(c.side).hole = None;
                if self.answer_lost(hole.unwrap_or(0), out) {
                    return Step::Go(0);
                }
            }
        }
        let offers = self.offer.is_some() || self.agrees;
        let half = self.half(c.side);
        // The answer says whose these are.
        half.stuck = place == Place::Nothing
            && c.side == Side::Client
            && !c.last
            && (offers || half.lost.is_some());
        match place {
            _ if half.stuck => Step::Stop(0, Want::Peer),
            Place::Message(n) if c.side == Side::Server => {
                let behind = out.path().lacks(Side::Client);
                if behind && !c.last {
                    return Step::Stop(0, Want::Peer);
                }
                self.response_found(&Chunk { offset: c.offset + n as u64, ..*c }, chunks, out);
                skip(c, n, out);
                Step::Go(n)
            }
            Place::Message(n) => {
                half.state = State::Head;
                half.lost = None;
                half.gone = false;
                if chunks {
                    self.cut(c.side, EndCause::CaptureEnded, out);
                }
                skip(c, n, out);
                Step::Go(n)
            }
            Place::Chunk(n) => {
                half.state = State::ChunkLine;
                half.gone = false;
                skip(c, n, out);
                Step::Go(n)
            }
            Place::Perhaps(n) => {
                skip(c, n, out);
                Step::Stop(n, Want::More(1))
            }
            Place::Nothing => {
                skip(c, c.data.len(), out);
                Step::Go(c.data.len())
            }
        }
    }

    /// More than the line of a size went missing.
    pub(super) fn tell_lost(&mut self, side: Side, out: &mut dyn Out) {
        let half = self.half(side);
        half.digits = None;
        if std::mem::take(&mut half.untold) {
            let (key, offset) = (half.key, half.passed);
            out.tell(key, Input::Gap { side, offset, len: 0 });
        }
    }

    /// A response begins at the front of the chunk.
    fn response_found(&mut self, c: &Chunk<'_>, chunks: bool, out: &mut dyn Out) {
        if chunks {
            self.cut(Side::Server, EndCause::CaptureEnded, out);
        }
        let at = out.moment(Side::Server, c.offset).packet;
        let mut waiting: Vec<u64> = self
            .open
            .iter()
            .filter(|o| !o.orphan && !o.done[1] && o.start.packet <= at)
            .map(|o| o.key)
            .collect();
        waiting.pop();
        for key in waiting {
            self.answer_missed(key, EndCause::CaptureEnded, out);
        }
        let half = self.half(Side::Server);
        half.state = State::Head;
        half.gone = false;
        if let Some(len) = half.hole.take() {
            out.finding(Finding::new(&g::GAP).with(format!("server: {len} bytes")));
        }
    }
}

/// The first bytes of the chunk are nobody's.
fn skip(c: &Chunk<'_>, n: usize, out: &mut dyn Out) {
    if n > 0 {
        out.pass(NOBODY, c.side, c.offset, c.data.get(..n).unwrap_or_default());
    }
}

/// The first place to go on, or that may be one.
fn place(c: &Chunk<'_>, chunks: bool, out: &dyn Out) -> Place {
    let mut fronts = Vec::new();
    let mut at = 0_usize;
    out.pieces(c.side, c.offset..c.offset + c.data.len() as u64, &mut |p| {
        fronts.push(at);
        at = at.saturating_add(usize::try_from(p.len).unwrap_or(usize::MAX));
    });
    if fronts.is_empty() {
        fronts.push(0);
    }
    let mut fronts = fronts.into_iter().peekable();
    let mut lines = memchr::memmem::find_iter(c.data, b"\r\n").map(|n| n + 2).peekable();
    loop {
        let line = if chunks { lines.peek().copied() } else { None };
        let (at, is_front) = match (fronts.peek().copied(), line) {
            (Some(f), Some(l)) if l < f => (l, false),
            (Some(f), _) => (f, true),
            (None, Some(l)) => (l, false),
            (None, None) => return Place::Nothing,
        };
        if is_front {
            fronts.next();
        } else {
            lines.next();
        }
        let data = c.data.get(at..).unwrap_or_default();
        if data.is_empty() {
            continue;
        }
        let looks = if is_front {
            look(data.get(..MAX_HEADER_BYTES).unwrap_or(data))
        } else {
            Looks::Neither
        };
        let wait = !c.last && data.len() < MAX_HEADER_BYTES;
        match (c.side, looks) {
            (Side::Client, Looks::Request(true)) | (Side::Server, Looks::Response(true)) => {
                return Place::Message(at);
            }
            (Side::Client, Looks::Request(false)) if wait && knows_method(data) => {
                return Place::Perhaps(at);
            }
            (Side::Server, Looks::Response(false)) | (_, Looks::Empty) if wait => {
                return Place::Perhaps(at);
            }
            _ => {}
        }
        if chunks {
            let wait = !c.last && data.len() < MAX_CHUNK_PROOF_BYTES;
            match chain(data, if is_front { 1 } else { 2 }, c.last) {
                Chain::Yes => return Place::Chunk(at),
                Chain::Perhaps if wait => return Place::Perhaps(at),
                _ => {}
            }
        }
    }
}

/// Whether bytes are chunks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Chain {
    Yes,
    Perhaps,
    No,
}

/// Whether chunks stand at the front: at least so many whole ones, the last chunk of a
/// body counted, and nothing else behind them.
fn chain(data: &[u8], least: usize, last: bool) -> Chain {
    let mut rest = data;
    let mut whole = 0;
    loop {
        // Half of a chunk more is waited for: lines of numbers look like chunks.
        let enough = whole >= least && (rest.is_empty() || last);
        let short = if enough { Chain::Yes } else { Chain::Perhaps };
        let (size, line) = match chunk_size(rest) {
            Ok(Some(found)) => found,
            Ok(None) => return short,
            Err(()) => return Chain::No,
        };
        let Some(behind) = usize::try_from(size)
            .ok()
            .filter(|n| *n <= MAX_CHUNK_PROOF_BYTES)
            .and_then(|n| rest.get(line..)?.get(n..))
        else {
            return if size > MAX_CHUNK_PROOF_BYTES as u64 { Chain::No } else { short };
        };
        match behind {
            [b'\r', b'\n', r @ ..] => rest = r,
            [] | [b'\r'] => return short,
            // Trailers.
            _ if size == 0 && whole >= least => return Chain::Yes,
            _ => return Chain::No,
        }
        whole += 1;
        if size == 0 || whole > least {
            return if whole >= least { Chain::Yes } else { Chain::No };
        }
    }
}

/// What stands behind a size that was not captured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sized {
    /// So many bytes of data.
    Data(u64),
    Perhaps,
    No,
}

/// How long the data at the front is whose size had so many digits: up to a line end
/// behind which the next chunk stands.
fn behind_size(data: &[u8], digits: u32, last: bool) -> Sized {
    let (least, most) = (1_u64 << (4 * (digits - 1)), 1_u64 << (4 * digits));
    let ends = memchr::memmem::find_iter(data, b"\r\n");
    let fits = |n: &usize| (least..most).contains(&(*n as u64));
    let mut perhaps = None;
    for n in ends.filter(fits) {
        match chain(data.get(n + 2..).unwrap_or_default(), 1, last) {
            Chain::Yes => return Sized::Data(n as u64),
            Chain::Perhaps => {
                perhaps.get_or_insert(n);
            }
            Chain::No => {}
        }
    }
    let more = (data.len() as u64) < most && data.len() < MAX_CHUNK_PROOF_BYTES;
    match (perhaps, last) {
        (Some(_), false) => Sized::Perhaps,
        (None, false) if more => Sized::Perhaps,
        (Some(n), true) => Sized::Data(n as u64),
        // Nothing came behind it.
        (None, true) if fits(&data.len()) && memchr::memmem::find(data, b"\r\n").is_none() => {
            Sized::Data(data.len() as u64)
        }
        _ => Sized::No,
    }
}

/// The size at the front of a chunk, and the length of its line; `None` while more of it
/// is to come.
///
/// # Errors
/// It is none.
fn chunk_size(data: &[u8]) -> Result<Option<(u64, usize)>, ()> {
    /// Digits of the sizes that are believed.
    const DIGITS: usize = 8;
    /// Bytes of extensions (RFC 9112 §7.1.1), which hardly anybody sends.
    const EXTENSION: usize = 64;
    let digits = data.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    if digits > DIGITS || digits == 0 && !data.is_empty() {
        return Err(());
    }
    let (number, behind) = data.split_at_checked(digits).ok_or(())?;
    let size = number.iter().filter_map(|b| char::from(*b).to_digit(16));
    let size = size.fold(0_u64, |n, d| n << 4 | u64::from(d));
    match behind {
        [] | [b'\r'] => Ok(None),
        [b'\r', b'\n', ..] => Ok(Some((size, digits + 2))),
        [b';', ..] => match memchr::memmem::find(behind, b"\r\n") {
            Some(n) if n <= EXTENSION => Ok(Some((size, digits + n + 2))),
            None if behind.len() <= EXTENSION => Ok(None),
            _ => Err(()),
        },
        _ => Err(()),
    }
}

#[cfg(test)]
mod tests {
    use super::{Chain, Sized, behind_size, chain};

    #[test]
    fn data_behind_a_lost_size_ends_where_the_next_chunk_begins() {
        for (data, digits, last, expected) in [
            (&b"hello\r\n5\r\nworld\r\n"[..], 1, false, Sized::Data(5)),
            (b"hello\r\n5\r\nwor", 1, false, Sized::Perhaps),
            (b"hello\r\n5\r\nwor", 1, true, Sized::Data(5)),
            (b"hello\r\n0\r\n\r\n", 1, false, Sized::Data(5)),
            (b"a\r\nb\r\n5\r\nworld\r\n", 1, false, Sized::Data(4)),
            (b"hello", 1, false, Sized::Perhaps),
            (b"hello", 1, true, Sized::Data(5)),
            // Another length than the digits say.
            (b"hello\r\n5\r\nworld\r\n", 2, true, Sized::No),
            (b"hello, hello, world\r\n5\r\nworld\r\n", 1, false, Sized::No),
            (b"hello, hello, world\r\n5\r\nworld\r\n", 2, false, Sized::Data(19)),
        ] {
            let found = behind_size(data, digits, last);
            assert_eq!(found, expected, "{:?} {digits} {last}", data.escape_ascii());
        }
    }

    #[test]
    fn chunks_prove_themselves() {
        for (data, least, expected) in [
            (&b"5\r\nhello\r\n"[..], 1, Chain::Yes),
            (b"5\r\nhello\r\n", 2, Chain::Perhaps),
            (b"5\r\nhello\r\n0\r\n\r\n", 2, Chain::Yes),
            (b"5;a=b\r\nhello\r\n1", 1, Chain::Perhaps),
            (b"5;a=b\r\nhello\r\n1\r\n1\r\n", 1, Chain::Yes),
            (b"5\r\nhello\r\nworld", 1, Chain::No),
            (b"5\r\nhell", 1, Chain::Perhaps),
            (b"5\r\nhello\r", 1, Chain::Perhaps),
            (b"5\r\nhello, world", 1, Chain::No),
            (b"0\r\n\r\n", 1, Chain::Yes),
            (b"0\r\n\r\n", 2, Chain::No),
            (b"0\r\nX: 1\r\n\r\n", 1, Chain::No),
            (b"fffffff\r\n", 1, Chain::No),
            (b"fffffffff\r\n", 1, Chain::No),
            (b"data: 5\r\n", 1, Chain::No),
            (b"", 1, Chain::Perhaps),
            (b"5", 1, Chain::Perhaps),
            // Numbers, a line each.
            (b"3\r\n123\r\n456\r\n789\r\n12\r\n", 1, Chain::Perhaps),
            (b"3\r\n123\r\n5\r\n789\r\n12\r\n", 1, Chain::No),
        ] {
            assert_eq!(chain(data, least, false), expected, "{:?} {least}", data.escape_ascii());
        }
        // No more will come.
        assert_eq!(chain(b"5\r\nhello\r\n1", 1, true), Chain::Yes);
    }
}
