//! HTTP/2 known by its first bytes.

use crate::base::{BufferId, Side};
use crate::field::{In, NoSink};
use crate::proto::http2::chain::{self, Chain, Found};
use crate::proto::http2::codes::frame;
use crate::proto::http2::wire::{self, FrameHead, HEAD_LEN, PREFACE};
use crate::proto::{Probe, Verdict};

/// A preface cut short is believed from `PRI * HTTP/2` on.
const ENOUGH_PREFACE: usize = 12;
/// The largest first SETTINGS frame that is believed: 64 settings.
const MAX_FIRST_SETTINGS: u32 = 6 * 64;
/// How a status line of HTTP/1 begins (RFC 9112 §4).
const HTTP1: &[u8] = b"HTTP/1.";
/// Bytes of a status line that are waited for.
const MAX_STATUS_LINE: usize = 128;

/// Whether a preface was answered in HTTP/1.
pub(crate) enum Older {
    /// The status line.
    Line(String),
    /// So many more bytes will tell.
    Need(usize),
    No,
}

/// What the first bytes of a server are.
pub(crate) fn http1_status(data: &[u8], last: bool) -> Older {
    let n = data.len().min(HTTP1.len());
    if data.get(..n) != HTTP1.get(..n) || n < HTTP1.len() && last {
        return Older::No;
    }
    if n < HTTP1.len() {
        return Older::Need(HTTP1.len() - n);
    }
    match memchr::memchr(b'\n', data) {
        None if !last && data.len() < MAX_STATUS_LINE => Older::Need(1),
        end => {
            let line = data.get(..end.unwrap_or(data.len()).min(MAX_STATUS_LINE));
            Older::Line(String::from_utf8_lossy(line.unwrap_or_default().trim_ascii()).into())
        }
    }
}

/// The client connection preface on either side says who is the client; a
/// server may send its SETTINGS before that (RFC 9113 §3.4).
pub(crate) fn probe(p: &Probe<'_>) -> Verdict {
    let mut more = false;
    for side in Side::BOTH {
        let data = of(p, side);
        if data.starts_with(PREFACE) {
            return Verdict::Yes { client: Some(side) };
        }
        if !data.is_empty() && PREFACE.starts_with(data) {
            if p.last && data.len() >= ENOUGH_PREFACE {
                return Verdict::Yes { client: Some(side) };
            }
            more = true;
        }
    }
    for side in Side::BOTH {
        let client = side.peer();
        // Whoever speaks against this is no client that is about to send its preface.
        let silent = of(p, client).is_empty();
        match settings_first(of(p, side)) {
            Some(true) if silent && p.last => return Verdict::Yes { client: Some(client) },
            Some(_) if silent => more = true,
            _ => {}
        }
    }
    if more && !p.last {
        return Verdict::More;
    }
    joined(p)
}

/// Frames without the connection's beginning, on either side.
fn joined(p: &Probe<'_>) -> Verdict {
    let mut more = false;
    let mut found = false;
    let mut client = None;
    for side in Side::BOTH {
        let data = of(p, side);
        if data.is_empty() {
            continue;
        }
        if is_http1(data) {
            return Verdict::No;
        }
        match chain::follow(data, p.last) {
            Chain::Frames(sender) => {
                found = true;
                // Where the sender acts as the server, its peer is the client.
                let here = sender.map(|s| if s == Side::Client { side } else { side.peer() });
                client = client.or(here);
            }
            Chain::Undecided => more = true,
            // The first frame was captured in part: two of its direction prove it.
            Chain::Broken if !p.beginning => match chain::find_two(data, p.last) {
                Found::At(_) => found = true,
                Found::Undecided => more = true,
                Found::Nowhere => {}
            },
            Chain::Broken => {}
        }
    }
    match (found, more) {
        (true, _) => Verdict::Yes { client },
        (false, true) => Verdict::More,
        (false, false) => Verdict::No,
    }
}

/// A request line or a status line: its peer speaks no HTTP/2 either.
fn is_http1(data: &[u8]) -> bool {
    let method = data.iter().take_while(|b| b.is_ascii_uppercase()).count();
    data.starts_with(b"HTTP/1.") || (3..=7).contains(&method) && data.get(method) == Some(&b' ')
}

fn of<'a>(p: &Probe<'a>, side: Side) -> &'a [u8] {
    p.data.get(side.index()).copied().unwrap_or_default()
}

/// Whether the bytes begin with a plausible first SETTINGS frame: `Some(true)`
/// for a whole frame header, `Some(false)` for a beginning of one.
fn settings_first(data: &[u8]) -> Option<bool> {
    if data.is_empty() {
        return None;
    }
    if data.len() < HEAD_LEN {
        let type_fits = data.get(3).is_none_or(|t| *t == frame::SETTINGS);
        return (data.first() == Some(&0) && type_fits).then_some(false);
    }
    let (_, head) = wire::frame_head(In::new(data, BufferId(0), 0, &NoSink)).ok()?;
    is_first_settings(&head).then_some(true)
}

/// Whether a frame header is that of a first SETTINGS frame.
pub(crate) const fn is_first_settings(head: &FrameHead) -> bool {
    head.kind == frame::SETTINGS
        && head.flags == 0
        && head.stream == 0
        && head.length.is_multiple_of(6)
        && head.length <= MAX_FIRST_SETTINGS
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: &[u8] = &[0, 0, 6, 4, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 100];

    fn asked(a: &[u8], b: &[u8], last: bool) -> Verdict {
        probe(&Probe {
            data: [a, b],
            last,
            beginning: true,
            secrets: crate::proto::Secrets::none(),
            patient: false,
        })
    }

    #[test]
    fn the_preface_says_who_is_the_client() {
        assert_eq!(asked(PREFACE, b"", false), Verdict::Yes { client: Some(Side::Client) });
        assert_eq!(asked(SETTINGS, PREFACE, false), Verdict::Yes { client: Some(Side::Server) });
        assert_eq!(asked(b"PRI * H", b"", false), Verdict::More);
        assert_eq!(asked(b"PRI * H", b"", true), Verdict::No);
        assert_eq!(
            asked(b"PRI * HTTP/2.0", b"", true),
            Verdict::Yes { client: Some(Side::Client) }
        );
        assert_eq!(asked(b"POST / HTTP/1.1", b"", false), Verdict::No);
        assert_eq!(asked(b"", b"", false), Verdict::No);
    }

    #[test]
    fn a_server_may_speak_first() {
        assert_eq!(asked(b"", SETTINGS, false), Verdict::More);
        assert_eq!(asked(b"", SETTINGS, true), Verdict::Yes { client: Some(Side::Client) });
        assert_eq!(asked(b"", &[0, 0], false), Verdict::More);
        assert_eq!(asked(b"", &[0, 0], true), Verdict::No);
        assert_eq!(asked(b"GET / HTTP", SETTINGS, false), Verdict::No);
        assert_eq!(asked(b"PRI * HT", SETTINGS, false), Verdict::More);
        assert_eq!(asked(b"", &[0, 0, 5, 4, 0, 0, 0, 0, 0], false), Verdict::No);
    }
}
