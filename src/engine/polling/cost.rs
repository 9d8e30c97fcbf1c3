//! What the events of a poll would have cost if the server had pushed them.
//!
//! Both are reckoned from the poll's own header sections: one request, with its mean size,
//! and what the specification adds for each event of mean size `p` (rounded up).
//!
//! Server-sent events: the response's head of mean size, then for each event
//! `data: ` *p* LF LF (WHATWG HTML §9.2.6), in a chunk of its own: its length in hexadecimal,
//! CRLF, CRLF (RFC 9112 §7.1); over HTTP/2 in a DATA frame, 9 bytes (RFC 9113 §4.1).
//!
//! WebSocket: the request with the four fields of the upgrade, the 101 with its three
//! (RFC 6455 §1.3), then for each event a frame of the server, unmasked: 2, 4 or 10 bytes
//! and *p* (RFC 6455 §5.2); over HTTP/2 (RFC 8441) the poll's own heads, and a DATA frame
//! for each.

use super::Series;

/// Bytes that a way of pushing would have taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Push {
    /// Once: request and response.
    pub setup: u64,
    /// For each event: its payload, and what frames it.
    pub event: u64,
    /// All: the setup and every event.
    pub total: u64,
}

const UPGRADE: &str = "Upgrade: websocket\r\nConnection: Upgrade\r\n";
/// The fields that a client adds (RFC 6455 §4.1): a key of 16 bytes is 24 characters.
const ASKED: &str = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ";
const KEY: usize = 24;
/// What a server answers (RFC 6455 §4.2.2): 20 bytes are 28 characters.
const ACCEPTED: &str = "HTTP/1.1 101 Switching Protocols\r\nSec-WebSocket-Accept: ";
const ACCEPT: usize = 28;
const CRLF: usize = 2;
/// The head of a frame of HTTP/2.
const H2_FRAME: u64 = 9;
/// `data: ` before, and two line feeds behind.
const DATA_LINE: u64 = 8;

/// Header sections and the payload of an event, on average.
fn means<T>(s: &Series<T>) -> ([u64; 2], u64) {
    let heads = s.head_bytes.map(|n| n.checked_div(s.requests).unwrap_or(0));
    let payload = if s.events == 0 { 0 } else { s.useful_bytes.div_ceil(s.events) };
    (heads, payload)
}

const fn push(setup: u64, event: u64, events: u64) -> Push {
    Push { setup, event, total: setup.saturating_add(event.saturating_mul(events)) }
}

/// As server-sent events.
pub fn sse<T>(s: &Series<T>) -> Push {
    let ([request, response], payload) = means(s);
    let event = payload.saturating_add(DATA_LINE);
    let framed = if s.version >= 20 {
        event.saturating_add(H2_FRAME)
    } else {
        let digits = u64::from(event.max(1).ilog2() / 4 + 1);
        event.saturating_add(digits).saturating_add(2 * CRLF as u64)
    };
    push(request.saturating_add(response), framed, s.events)
}

/// As messages of a WebSocket.
pub fn websocket<T>(s: &Series<T>) -> Push {
    let ([request, response], payload) = means(s);
    let head = match payload {
        0..=125 => 2,
        126..=65_535 => 4,
        _ => 10,
    };
    let event = payload.saturating_add(head);
    if s.version >= 20 {
        return push(request.saturating_add(response), event.saturating_add(H2_FRAME), s.events);
    }
    let asked = UPGRADE.len() + ASKED.len() + KEY + CRLF;
    let accepted = ACCEPTED.len() + ACCEPT + CRLF + UPGRADE.len() + CRLF;
    push(request.saturating_add((asked + accepted) as u64), event, s.events)
}
