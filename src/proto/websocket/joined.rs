//! A connection whose handshake was not captured, known by its frames.

use super::resync::{Compression, Habits, Piece, SEARCH_BYTES, Style, find};
use crate::base::Side;
use crate::proto::{Probe, Verdict};

/// Bits that the frames of both ends must be worth together: everything that is not
/// known is asked, so that this must be more than what is asked behind a hole.
const ENOUGH: f32 = 40.0;
/// Bytes of each end that are looked at before it must be decided.
const EARLY_BYTES: usize = 2 << 10;
/// Whole frames at least, of both ends together.
const FRAMES: usize = 2;

/// Knows it by chains of frames, masked by one end and not by the other (RFC 6455
/// §5.1). A connection whose beginning was captured begins with a handshake.
pub(super) fn probe(p: &Probe<'_>) -> Verdict {
    if p.beginning {
        return Verdict::No;
    }
    let worth = |side: Side, masked: bool| {
        let [a, b] = p.data;
        let data = match side {
            Side::Client => a,
            Side::Server => b,
        };
        // Asked at every segment: all of it is looked at once, when it must be decided.
        let most = if p.last { SEARCH_BYTES } else { EARLY_BYTES };
        let data = data.get(..most).unwrap_or(data);
        let style = Style { masked, compression: Compression::Maybe, habits: Habits::default() };
        let chain = find(Piece { data, last: p.last, fronts: &[] }, &style, true);
        (chain.bits.max(0.0), chain.frames)
    };
    let mut best = (0.0, 0, Side::Client);
    for client in Side::BOTH {
        let (up, down) = (worth(client, true), worth(client.peer(), false));
        if up.0 + down.0 > best.0 {
            best = (up.0 + down.0, up.1 + down.1, client);
        }
    }
    if best.0 >= ENOUGH && best.1 >= FRAMES {
        return Verdict::Yes { client: Some(best.2) };
    }
    if p.last { Verdict::No } else { Verdict::More }
}
