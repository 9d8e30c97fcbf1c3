//! Whether a stream is HTTP/1, by its first line.

use crate::base::Side;
use crate::field::{In, NoSink};
use crate::proto::http1::wire;
use crate::proto::{Probe, Verdict};

/// Methods that are known before the line is whole (RFC 9110 §9, RFC 5789,
/// WebDAV's and UPnP's).
const METHODS: &[&[u8]] = &[
    b"GET",
    b"HEAD",
    b"POST",
    b"PUT",
    b"DELETE",
    b"CONNECT",
    b"OPTIONS",
    b"TRACE",
    b"PATCH",
    b"PROPFIND",
    b"PROPPATCH",
    b"MKCOL",
    b"COPY",
    b"MOVE",
    b"LOCK",
    b"UNLOCK",
    b"SEARCH",
    b"REPORT",
    b"NOTIFY",
    b"M-SEARCH",
    b"SUBSCRIBE",
    b"UNSUBSCRIBE",
    b"QUERY",
];

/// Longest method that is believed: the longest registered one has 17 letters.
const MAX_METHOD: usize = 32;

/// Bytes of a request line without an end after which a known method is enough.
const LONG_LINE: usize = 1024;

/// What the beginning of a message looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Looks {
    /// A request, as far as can be seen; `true` where that is certain.
    Request(bool),
    /// A response; `true` where that is certain.
    Response(bool),
    /// Nothing to see yet, or either.
    Empty,
    /// Neither.
    Neither,
}

/// Looks at the first line of `data`.
pub(super) fn look(data: &[u8]) -> Looks {
    let mut data = data;
    for _ in 0..2 {
        data = match data {
            [b'\r', b'\n', rest @ ..] | [b'\n', rest @ ..] => rest,
            [b'\r'] => &[],
            _ => break,
        };
    }
    const VERSION: &[u8] = b"HTTP/1.";
    // The first letters of a version may be those of a method.
    if b"HTTP".starts_with(data) {
        return Looks::Empty;
    }
    if data.len() < VERSION.len() && VERSION.starts_with(data) {
        return Looks::Response(false);
    }
    if data.starts_with(VERSION) {
        return status(data);
    }
    request(data)
}

fn status(data: &[u8]) -> Looks {
    let off = NoSink;
    if let Ok((_, l)) = wire::status_line(In::new(data, Default::default(), 0, &off)) {
        let good = wire::version(l.version).is_some() && l.code.is_some();
        return if good { Looks::Response(true) } else { Looks::Neither };
    }
    // HTTP/1.1 200
    let pattern = data.iter().skip(7).take(6).enumerate().all(|(i, b)| match i {
        1 | 5 => *b == b' ' || i == 5 && *b == b'\r',
        _ => b.is_ascii_digit(),
    });
    if pattern { Looks::Response(data.len() >= 12) } else { Looks::Neither }
}

fn request(data: &[u8]) -> Looks {
    let off = NoSink;
    if let Ok((_, l)) = wire::request_line(In::new(data, Default::default(), 0, &off)) {
        let good = wire::is_token(l.method)
            && l.method.len() <= MAX_METHOD
            && !l.target.is_empty()
            && printable(l.target)
            && wire::version(l.version).is_some();
        return if good { Looks::Request(true) } else { Looks::Neither };
    }
    let method = data.split(|b| *b == b' ').next().unwrap_or_default();
    if method.len() > MAX_METHOD || !wire::is_token(method) || method == b"PRI" {
        return Looks::Neither;
    }
    let Some(behind) = data.get(method.len() + 1..) else { return Looks::Request(false) };
    let behind = behind.strip_suffix(b"\r").unwrap_or(behind);
    if !printable(behind) {
        return Looks::Neither;
    }
    let certain = METHODS.contains(&method)
        && (behind.starts_with(b"/") || behind.starts_with(b"http"))
        && behind.len() >= LONG_LINE;
    Looks::Request(certain)
}

/// Whether `data` begins with a method that is known, or with the front of one.
pub(super) fn knows_method(data: &[u8]) -> bool {
    let method = data.split(|b| *b == b' ').next().unwrap_or_default();
    let whole = method.len() < data.len();
    METHODS.iter().any(|m| *m == method || !whole && m.starts_with(method))
}

/// Targets have no control bytes; other than ASCII is sent, though it must not be.
fn printable(bytes: &[u8]) -> bool {
    bytes.iter().all(|b| *b >= 0x20 && *b != 0x7f)
}

/// See [`crate::proto::Protocol::probe`].
pub(super) fn probe(p: &Probe<'_>) -> Verdict {
    let [a, b] = p.data;
    let (a, b) = (look(a), look(b));
    for (looks, side) in [(a, Side::Client), (b, Side::Server)] {
        match looks {
            Looks::Request(true) => return Verdict::Yes { client: Some(side) },
            Looks::Response(true) => return Verdict::Yes { client: Some(side.peer()) },
            _ => {}
        }
    }
    if p.last {
        // A capture that ends within its first line: a known method is enough.
        for (data, side) in p.data.iter().zip(Side::BOTH) {
            let mut words = data.splitn(2, |b| *b == b' ');
            let known = words.next().is_some_and(|m| METHODS.contains(&m));
            let target = words.next().is_some_and(|t| t.starts_with(b"/") && printable(t));
            if known && target {
                return Verdict::Yes { client: Some(side) };
            }
        }
        return Verdict::No;
    }
    // A silent side may speak yet, unless the other one has said what it is.
    let ruled_out = |l, data: &[u8]| l == Looks::Neither || data.is_empty();
    let [first, second] = p.data;
    let nothing = first.is_empty() && second.is_empty();
    if !nothing && ruled_out(a, first) && ruled_out(b, second) {
        Verdict::No
    } else {
        Verdict::More
    }
}
