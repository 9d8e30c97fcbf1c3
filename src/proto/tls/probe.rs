//! How TLS is known: by a hello, or by a chain of records where there is none.

use super::crypto::Sealed;
use super::orphan;
use super::wire::{self, Head};
use crate::base::limits::MAX_ORPHAN_TRIAL_BYTES;
use crate::base::{BufferId, Side};
use crate::field::{In, NoSink};
use crate::proto::{Probe, Verdict};

/// Bytes in which a chain of records is looked for where the beginning was not captured:
/// a record is at most 16 KiB and some.
const REACH: usize = Head::MAX + Head::LEN;

/// Records of each end that are tried for who the client is: with early data, whose keys are
/// not tried, and what a server says first some stay closed.
const MAX_TRIED: usize = 4;

/// See the module.
pub(super) fn probe(p: &Probe<'_>) -> Verdict {
    let mut more = false;
    for (side, data) in Side::BOTH.into_iter().zip(p.data) {
        match hello(data, p.last) {
            Hello::Client => return Verdict::Yes { client: Some(side) },
            Hello::Server => return Verdict::Yes { client: Some(side.peer()) },
            Hello::Alert => return Verdict::Yes { client: None },
            Hello::Perhaps => more = true,
            Hello::None => {}
        }
    }
    for data in p.data.into_iter().filter(|d| !d.is_empty()) {
        // What begins at the beginning begins with a hello; but the peer's may be missing.
        let reach = if p.beginning { 1 } else { data.len().min(REACH) };
        match chain(data, reach, p.last) {
            Chain::At(_) => return joined(p),
            Chain::Perhaps => more = true,
            Chain::No => {}
        }
    }
    if more && !p.last { Verdict::More } else { Verdict::No }
}

enum Hello {
    Client,
    Server,
    Alert,
    Perhaps,
    None,
}

/// Whether the bytes begin with a hello, or with an alert in clear.
fn hello(data: &[u8], last: bool) -> Hello {
    let shape: [fn(u8) -> bool; 6] = [
        |b| matches!(b, 21 | 22),
        |b| b == 3,
        |b| b <= 4,
        |b| b <= 0x48,
        |_| true,
        |b| matches!(b, 1 | 2 | 6),
    ];
    if !data.iter().zip(shape).all(|(b, is)| is(*b)) {
        return Hello::None;
    }
    let short = if last || data.is_empty() { Hello::None } else { Hello::Perhaps };
    match data {
        [21, _, _, 0, 2, 1 | 2, rest @ ..] => match rest {
            [] => short,
            [d, ..] if super::names::alert((*d).into()).is_some() => Hello::Alert,
            _ => Hello::None,
        },
        [21, _, _, a, b, ..] if (*a, *b) != (0, 2) => Hello::None,
        // The version within is the proof, with the lengths.
        [22, _, _, a, b, kind, x, y, z, major, ..] => {
            let record = usize::from(*a) << 8 | usize::from(*b);
            let message = usize::from(*x) << 16 | usize::from(*y) << 8 | usize::from(*z);
            let fits = record >= 1 && (38..1 << 17).contains(&message) && matches!(major, 3 | 0x7f);
            match kind {
                1 if fits => Hello::Client,
                2 | 6 if fits => Hello::Server,
                _ => Hello::None,
            }
        }
        [22, _, _, 0, 0, ..] => Hello::None,
        // A first record of a few bytes, as some send it to get through.
        _ => short,
    }
}

enum Chain {
    /// From here on.
    At(usize),
    Perhaps,
    No,
}

/// Whether records follow one another, from any of the first `reach` bytes on.
fn chain(data: &[u8], reach: usize, last: bool) -> Chain {
    let mut more = false;
    for at in 0..reach {
        let rest = data.get(at..).unwrap_or_default();
        if !matches!(rest, [20..=23, 3, 1..=3, ..]) {
            // Waiting keeps others from deciding: only the first bytes are worth it.
            let begins = matches!(rest, [20..=23] | [20..=23, 3]);
            more |= at == 0 && !last && rest.len() < 3 && begins;
            continue;
        }
        let Some(first) = head(rest) else {
            more |= at == 0 && !last && rest.len() < Head::LEN;
            continue;
        };
        let Some(next) = rest.get(first.wire_len()..) else {
            more |= !last;
            continue;
        };
        if head(next).is_some() || at == 0 && next.is_empty() {
            return Chain::At(at);
        }
        more |= !last && next.len() < Head::LEN;
    }
    if more { Chain::Perhaps } else { Chain::No }
}

fn head(data: &[u8]) -> Option<Head> {
    let (_, h) = wire::head(In::new(data, BufferId(0), 0, &NoSink), false).ok()?;
    let sound = h.is_sound() && matches!(h.version, 0x0301..=0x0303) && h.content_type != 24;
    sound.then_some(h)
}

/// Records without a hello. Where secrets are known, the one that opens a record tells who
/// sent it, and so who the client is. It is decided once an end has said enough, whatever more
/// has come by then: so it is the same in chunks of any size.
fn joined(p: &Probe<'_>) -> Verdict {
    if p.beginning || p.secrets.is_empty() && !p.patient {
        return Verdict::Yes { client: None };
    }
    let mut plain = Vec::new();
    let (mut some, mut enough) = (false, p.last);
    for (side, data) in Side::BOTH.into_iter().zip(p.data) {
        let Chain::At(at) = chain(data, data.len().min(REACH), p.last) else { continue };
        let mut left = MAX_ORPHAN_TRIAL_BYTES / 2;
        let mut tried = 0;
        let mut rest = data.get(at..).unwrap_or_default();
        while let Some(head) = head(rest).filter(|_| tried < MAX_TRIED) {
            let Some((record, next)) = rest.split_at_checked(head.wire_len()) else { break };
            rest = next;
            // What comes in clear tells nothing.
            if head.content_type != 23 {
                continue;
            }
            tried += 1;
            let sealed = Sealed {
                head: record.get(..Head::LEN).unwrap_or_default(),
                content_type: head.content_type,
                version: head.version.to_be_bytes(),
                body: record.get(Head::LEN..).unwrap_or_default(),
            };
            // One that nobody opens leaves something for those behind it.
            let mut budget = left.div_ceil(2);
            let whose = orphan::whose(p.secrets, &sealed, None, &mut budget, &mut plain);
            left = (left / 2).saturating_add(budget);
            if let Ok(w) = whose {
                orphan::note_told(p.secrets, &sealed);
                let client = if w.side == Side::Client { side } else { side.peer() };
                return Verdict::Yes { client: Some(client) };
            }
        }
        some |= tried > 0;
        enough |= tried == MAX_TRIED;
    }
    if some && p.patient {
        Verdict::Secrets
    } else if enough {
        Verdict::Yes { client: None }
    } else {
        Verdict::More
    }
}
