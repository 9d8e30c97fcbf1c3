//! A connection whose handshake was not captured, known by its frames.

use super::resync::{Chain, Compression, Habits, Piece, SEARCH_BYTES, Style, find};
use crate::base::Side;
use crate::proto::{Glimpse, Head, Probe, Verdict};

/// Bits that the frames of both ends must be worth together: everything that is not
/// known is asked, so that this must be more than what is asked behind a hole.
const ENOUGH: f32 = 40.0;
/// The same of one end in a stream of HTTP/2, which is something after all.
const ENOUGH_ALONE: f32 = 26.0;
/// Bits by which frames from the first byte on are waited for.
const PERHAPS: f32 = 10.0;
/// Bytes of each end that are looked at before it must be decided.
const EARLY_BYTES: usize = 2 << 10;
/// Whole frames at least, of both ends together.
const FRAMES: usize = 2;
/// Bytes of the head of an HTTP/2 frame (RFC 9113 §4.1).
const HTTP2_HEAD: usize = 9;

/// Knows it by chains of frames, masked by one end and not by the other (RFC 6455
/// §5.1). A connection whose beginning was captured begins with a handshake.
///
/// WebSocket within HTTP/2 (RFC 8441) has frames as well, and behind the first nine
/// bytes of a segment they look just like these: such are not its own connection's.
pub(super) fn probe(p: &Probe<'_>) -> Verdict {
    if p.beginning {
        return Verdict::No;
    }
    let mut within_http2 = false;
    let mut worth = |side: Side, masked: bool| {
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
        within_http2 |= is_within_http2(data, chain.start);
        (chain.bits.max(0.0), chain.frames)
    };
    let mut best = (0.0, 0, Side::Client);
    for client in Side::BOTH {
        let (up, down) = (worth(client, true), worth(client.peer(), false));
        if up.0 + down.0 > best.0 {
            best = (up.0 + down.0, up.1 + down.1, client);
        }
    }
    if !within_http2 && best.0 >= ENOUGH && best.1 >= FRAMES {
        return Verdict::Yes { client: Some(best.2) };
    }
    if p.last { Verdict::No } else { Verdict::More }
}

/// Knows a stream of HTTP/2 (RFC 8441) of which there is not all: the request came late
/// or never, or no head at all.
pub(super) fn glimpse(g: &Glimpse<'_>) -> Verdict {
    match g {
        Glimpse::Head(head, first) => by_head(head, *first),
        Glimpse::Body { data, last, begun } => by_body(data, *last, *begun),
        Glimpse::Trailers(_) => Verdict::No,
    }
}

/// A request says so; a response to one that was not captured may be one to it, where it
/// does not say what else its body is.
fn by_head(head: &Head<'_>, first: bool) -> Verdict {
    let is = |name: &str, value: &[u8]| {
        head.headers.iter().any(|(n, v, f)| f.known && n == name.as_bytes() && v == value)
    };
    let names = |start: &str| {
        let start = start.as_bytes();
        head.headers.iter().any(|(n, _, _)| n.get(..start.len()) == Some(start))
    };
    if head.version != 20 || head.end {
        return Verdict::No;
    }
    let yes = Verdict::Yes { client: None };
    match head.side {
        // A request that comes first is HTTP's, which opens the session behind the answer.
        Side::Client if first => Verdict::No,
        Side::Client if is(":method", b"CONNECT") && is(":protocol", b"websocket") => yes,
        Side::Server if !is(":status", b"200") => Verdict::No,
        Side::Server if names("sec-websocket-") => yes,
        Side::Server if names("content-") || head.headers.iter().any(|(_, _, f)| !f.known) => {
            Verdict::No
        }
        Side::Server => Verdict::More,
        Side::Client => Verdict::No,
    }
}

/// The frames of one end, which may be either.
fn by_body(data: &[u8], last: bool, begun: bool) -> Verdict {
    let looked = data.get(..SEARCH_BYTES).unwrap_or(data);
    let chain = |masked: bool| {
        let style = Style { masked, compression: Compression::Maybe, habits: Habits::default() };
        find(Piece { data: looked, last, fronts: &[] }, &style, true)
    };
    // Masked or not, as it may be: asked of both.
    let chains = [true, false].map(chain);
    let is_known = |c: &Chain| c.at.is_some() && c.bits >= ENOUGH_ALONE && (!begun || c.start == 0);
    if chains.iter().any(is_known) {
        return Verdict::Yes { client: None };
    }
    // Others that have made up their mind are not to be kept waiting for nothing.
    let may_be = chains.iter().any(|c| c.start == 0 && c.bits >= PERHAPS);
    if may_be && !last && data.len() < EARLY_BYTES { Verdict::More } else { Verdict::No }
}

/// Whether the frames of a direction lie in those of HTTP/2: heads of HTTP/2 lead from
/// one to the next up to the end, from the front on, from right before the first frame,
/// or, two of them at least, from anywhere.
fn is_within_http2(data: &[u8], first: usize) -> bool {
    let heads = |mut at: usize| {
        let mut heads = 0;
        loop {
            let rest = data.get(at..).unwrap_or_default();
            if rest.len() < HTTP2_HEAD {
                // Nothing, or less than the next head.
                return if rest.first().is_none_or(|b| *b == 0) { heads } else { 0 };
            }
            let Some(len) = http2_frame(rest) else { return 0 };
            heads += 1;
            at = at.saturating_add(len);
        }
    };
    (0..data.len()).any(|at| {
        let least = if at == 0 || at + HTTP2_HEAD == first { 1 } else { 2 };
        data.get(at) == Some(&0) && heads(at) >= least
    })
}

/// The length of the HTTP/2 frame whose head the bytes begin with, if one may be sent
/// so: a type with its flags, on a stream that it may have (RFC 9113 §6).
fn http2_frame(data: &[u8]) -> Option<usize> {
    let [a, b, c, kind, flags, s0, s1, s2, s3, ..] = *data else { return None };
    let (length, stream) = (u32::from_be_bytes([0, a, b, c]), u32::from_be_bytes([s0, s1, s2, s3]));
    let fits = match kind {
        // DATA, HEADERS, CONTINUATION; an empty one has something to say by its flags.
        0 | 1 | 9 => stream != 0 && (length > 0 || flags != 0) && flags & !0x2d == 0,
        // PRIORITY, RST_STREAM.
        2 => stream != 0 && length == 5,
        3 => stream != 0 && length == 4,
        // SETTINGS, PING, GOAWAY.
        4 => stream == 0 && length.is_multiple_of(6) && flags & !1 == 0,
        6 => stream == 0 && length == 8 && flags & !1 == 0,
        7 => stream == 0 && length >= 8,
        // WINDOW_UPDATE.
        8 => length == 4 && flags == 0,
        _ => false,
    };
    (fits && stream >> 31 == 0).then_some(HTTP2_HEAD + length as usize)
}

#[cfg(test)]
mod tests {
    use super::super::mask::unmask;
    use super::*;

    fn text(key: Option<[u8; 4]>, body: &[u8]) -> Vec<u8> {
        assert!(body.len() < 126);
        let mut sent = Vec::new();
        match key {
            Some(key) => {
                unmask(key, 0, body, &mut sent);
                [&[0x81, 0x80 | body.len() as u8], &key[..], &sent].concat()
            }
            None => [&[0x81, body.len() as u8], body].concat(),
        }
    }

    fn data(stream: u32, payload: &[u8]) -> Vec<u8> {
        let head = [&(payload.len() as u32).to_be_bytes()[1..], &[0, 0], &stream.to_be_bytes()];
        [head.concat(), payload.to_vec()].concat()
    }

    fn ask(up: &[u8], down: &[u8], last: bool) -> Verdict {
        probe(&Probe {
            data: [up, down],
            last,
            beginning: false,
            secrets: crate::proto::Secrets::none(),
            patient: false,
        })
    }

    const UP: &[u8] = b"{\"subscribe\": \"orders\", \"all\": true}";
    const DOWN: &[u8] = b"{\"orders\": [1, 2, 3], \"more\": \"none of them\"}";
    const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

    #[test]
    fn frames_of_both_ends_are_known() {
        let (up, down) = (text(Some(KEY), UP), text(None, DOWN));
        let yes = |side| Verdict::Yes { client: Some(side) };
        assert_eq!(ask(&up, &down, false), yes(Side::Client));
        assert_eq!(ask(&down, &up, false), yes(Side::Server));
        // Behind the rest of a frame.
        let rest = [&b"of a message.\"}"[..], &down, &down].concat();
        assert_eq!(ask(&up, &rest, false), yes(Side::Client));
    }

    #[test]
    fn frames_within_those_of_http2_are_not_its_own() {
        let (up, down) = (data(1, &text(Some(KEY), UP)), data(1, &text(None, DOWN)));
        for last in [false, true] {
            let no = if last { Verdict::No } else { Verdict::More };
            assert_eq!(ask(&up, &down, last), no);
            assert_eq!(ask(&down, &up, last), no);
            // One end's alone says it, or only what comes behind the rest of a frame.
            assert_eq!(ask(&text(Some(KEY), UP), &down, last), no);
            let rest = [&b"of a message.\"}"[..], &down].concat();
            assert_eq!(ask(&up[9..], &rest, last), no);
            // With settings and windows between them, and the next head cut short.
            let window = [0, 0, 4, 8, 0, 0, 0, 0, 0, 0, 0, 1, 0];
            let many = [&up, &window[..], &up, &[0, 0]].concat();
            assert_eq!(ask(&many, &text(None, DOWN), last), no);
        }
    }

    #[test]
    fn a_stream_is_known_by_its_frames() {
        let ask = |data: &[u8], last, begun| glimpse(&Glimpse::Body { data, last, begun });
        let yes = Verdict::Yes { client: None };
        for frames in [text(Some(KEY), UP), [text(None, DOWN), text(None, DOWN)].concat()] {
            assert_eq!(ask(&frames, true, true), yes);
            assert_eq!(ask(&frames[..2], false, true), Verdict::More);
        }
        // Neither a gRPC message nor JSON is.
        let call = b"\0\0\0\0\x07\x0a\x05Jason";
        for other in [&call[..], &call[..5], b"{\"a\": 1}", b"data: an event\n\n"] {
            for (last, begun) in [(false, false), (true, false), (false, true), (true, true)] {
                assert_eq!(ask(other, last, begun), Verdict::No, "{other:?}");
            }
        }
    }
}
