//! The opening handshake (RFC 6455 §4) and what it agrees to (RFC 7692 §7.1).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha1::{Digest as _, Sha1};

use super::findings::{
    ACCEPT_MISMATCH, BAD_EXTENSION, BAD_KEY, BAD_OFFER, BAD_REQUEST, BAD_RESPONSE, BAD_VERSION,
    EXTENSION_MISMATCH, EXTENSION_NOT_OFFERED, SUBPROTOCOL_NOT_OFFERED, UNKNOWN_EXTENSION,
};
use super::watch::Digester;
use crate::base::Side;
use crate::finding::Finding;
use crate::proto::{Head, Headers};

/// What a server appends to the key (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Bytes kept of a text of the handshake: it is shown in one line.
const MAX_TEXT: usize = 1024;

/// What is known of the extensions.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Extensions {
    /// The server's answer was not seen.
    #[default]
    Unknown,
    /// The answer was seen.
    Agreed {
        /// permessage-deflate, where it was agreed.
        deflate: Option<Deflate>,
        /// Others were agreed as well, so that any bit may mean anything.
        others: bool,
    },
}

/// The agreed parameters of permessage-deflate (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Deflate {
    /// The server forgets its window after each message.
    pub(super) server_no_context_takeover: bool,
    /// The client forgets its window after each message.
    pub(super) client_no_context_takeover: bool,
    /// Base-2 logarithm of the server's window, 8 to 15.
    pub(super) server_max_window_bits: u8,
    /// Base-2 logarithm of the client's window, 8 to 15.
    pub(super) client_max_window_bits: u8,
}

impl Default for Deflate {
    fn default() -> Self {
        Self {
            server_no_context_takeover: false,
            client_no_context_takeover: false,
            server_max_window_bits: 15,
            client_max_window_bits: 15,
        }
    }
}

impl Deflate {
    /// Base-2 logarithm of this side's window.
    #[must_use]
    pub(super) const fn window_bits(&self, side: Side) -> u8 {
        match side {
            Side::Client => self.client_max_window_bits,
            Side::Server => self.server_max_window_bits,
        }
    }

    /// Whether messages of this side may refer to earlier ones.
    #[must_use]
    pub(super) const fn takeover(&self, side: Side) -> bool {
        match side {
            Side::Client => !self.client_no_context_takeover,
            Side::Server => !self.server_no_context_takeover,
        }
    }
}

/// An offer of permessage-deflate (RFC 7692 §7.1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Offer {
    server_no_context_takeover: bool,
    /// What the server's window may be at most, and must be told to be.
    server_max_window_bits: Option<u8>,
    /// What the server may limit the client's window to at most, where it may.
    client_max_window_bits: Option<u8>,
}

impl Offer {
    /// Whether a server may answer it so (RFC 7692 §7.1.1, §7.1.2).
    fn allows(&self, answer: &Parameters) -> bool {
        let d = &answer.deflate;
        let server_bits = self
            .server_max_window_bits
            .is_none_or(|most| answer.has(SERVER_BITS) && d.server_max_window_bits <= most);
        let client_bits = !answer.has(CLIENT_BITS)
            || self.client_max_window_bits.is_some_and(|most| d.client_max_window_bits <= most);
        (!self.server_no_context_takeover || d.server_no_context_takeover)
            && server_bits
            && client_bits
    }
}

/// The parameters of one element as they stand.
#[derive(Clone, Copy, Debug)]
struct Parameters {
    deflate: Deflate,
    /// Which are there, valid or not: bits as below.
    seen: u8,
}

impl Parameters {
    const fn has(&self, bit: u8) -> bool {
        self.seen & bit != 0
    }
}

const SERVER_FORGETS: u8 = 1;
const CLIENT_FORGETS: u8 = 2;
const SERVER_BITS: u8 = 4;
const CLIENT_BITS: u8 = 8;

/// Offers that are kept: clients make two or three.
const MAX_OFFERS: usize = 16;

/// What both ends said before the first frame.
#[derive(Clone, Debug, Default)]
pub(super) struct Handshake {
    /// The request target.
    pub(super) uri: Option<Box<str>>,
    /// The host that was asked for.
    pub(super) host: Option<Box<str>>,
    /// The agreed subprotocol.
    pub(super) subprotocol: Option<Box<str>>,
    /// The agreed extensions as the server wrote them.
    pub(super) extension_text: Option<Box<str>>,
    /// What they mean.
    pub(super) extensions: Extensions,
    /// A hash of the key; 0 where there is none.
    pub(super) key: u64,
    /// What a proxy says of who asks: `X-Forwarded-For`, or `Forwarded` (RFC 7239).
    pub(super) forwarded_for: Option<Box<str>>,
    /// The value that the server must answer with.
    accept: Option<[u8; 28]>,
    /// The names of the extensions that the client offered; `None` where the
    /// request was not seen.
    offered: Option<Box<[Box<str>]>>,
    /// Its offers of permessage-deflate that a server may accept.
    offers: Box<[Offer]>,
    subprotocols: Option<Box<[Box<str>]>>,
}

impl Handshake {
    /// The client's request.
    pub(super) fn request(&mut self, head: &Head<'_>, found: &mut dyn FnMut(Finding)) {
        let h = head.headers;
        self.uri = clip(h.get(":path"));
        self.host = clip(h.get("host").or_else(|| h.get(":authority")));
        self.forwarded_for = clip(h.get("x-forwarded-for").or_else(|| h.get("forwarded")));
        // Over HTTP/2, behind a hole: what is not there may be what is not known.
        let whole = is_known(h);
        let offered = || extensions(h).map(|e| String::from_utf8_lossy(e.name).into()).collect();
        self.offered = whole.then(offered);
        let asked = || list(h, "sec-websocket-protocol").map(|p| String::from_utf8_lossy(p).into());
        self.subprotocols = whole.then(|| asked().collect());
        let mut offers = Vec::new();
        for e in extensions(h).filter(|e| e.name.eq_ignore_ascii_case(b"permessage-deflate")) {
            let mut bad = None;
            let p = parameters(e.parameters, Side::Client, &mut |p| {
                bad.get_or_insert_with(|| String::from_utf8_lossy(p).into_owned());
            });
            if let Some(text) = bad {
                found(Finding::new(&BAD_OFFER).with(text));
            } else if offers.len() < MAX_OFFERS {
                let bits = |bit, value| p.has(bit).then_some(value);
                offers.push(Offer {
                    server_no_context_takeover: p.has(SERVER_FORGETS),
                    server_max_window_bits: bits(SERVER_BITS, p.deflate.server_max_window_bits),
                    client_max_window_bits: bits(CLIENT_BITS, p.deflate.client_max_window_bits),
                });
            }
        }
        self.offers = if whole { offers.into() } else { Box::default() };
        match h.get("sec-websocket-version").map(<[u8]>::trim_ascii) {
            // RFC 6455 §11.3.5.
            Some(_) if h.all("sec-websocket-version").count() > 1 => {
                found(Finding::new(&BAD_VERSION).with("more than one"));
            }
            Some(b"13") => {}
            Some(v) => found(Finding::new(&BAD_VERSION).with(String::from_utf8_lossy(v))),
            None if !whole => {}
            // Of HTTP/2, it may be a field whose name was not captured.
            None if h.iter().any(|(_, _, f)| !f.known) => {}
            None => found(Finding::new(&BAD_VERSION).with("missing")),
        }
        // RFC 8441 §5: over HTTP/2 there is no key.
        if head.version >= 20 {
            return;
        }
        let method = h.get(":method").unwrap_or(b"GET");
        if method != b"GET" || head.version < 11 {
            let (major, minor) = (head.version / 10, head.version % 10);
            let method = String::from_utf8_lossy(method);
            found(Finding::new(&BAD_REQUEST).with(format!("{method}, HTTP/{major}.{minor}")));
        }
        // RFC 6455 §11.3.1.
        if h.all("sec-websocket-key").count() > 1 {
            found(Finding::new(&BAD_KEY).with("more than one"));
        }
        match h.get("sec-websocket-key").map(<[u8]>::trim_ascii) {
            Some(key) => {
                self.accept = Some(accept(key));
                self.key = Digester::of(key);
                match STANDARD.decode(key) {
                    Ok(bytes) if bytes.len() == 16 => {}
                    Ok(bytes) => {
                        found(Finding::new(&BAD_KEY).with(format!("{} bytes", bytes.len())));
                    }
                    Err(_) => found(Finding::new(&BAD_KEY).with("no base64")),
                }
            }
            None if !whole => {}
            None => found(Finding::new(&BAD_KEY).with("missing")),
        }
    }

    /// The server's answer; its status where it declines, and no frames may follow.
    pub(super) fn response(
        &mut self,
        head: &Head<'_>,
        found: &mut dyn FnMut(Finding),
    ) -> Option<Box<str>> {
        let h = head.headers;
        let status = h.get(":status").unwrap_or_default();
        let switched = if head.version >= 20 { status.starts_with(b"2") } else { status == b"101" };
        if !switched {
            // RFC 9110 §15.2: an interim answer decides nothing.
            if status.starts_with(b"1") {
                return None;
            }
            return Some(String::from_utf8_lossy(status).into());
        }
        if head.version < 20 {
            let upgrade = h.get("upgrade").map(<[u8]>::trim_ascii);
            if !is_known(h) {
                // What is missing may be in what is cut off.
            } else if !upgrade.is_some_and(|u| u.eq_ignore_ascii_case(b"websocket")) {
                found(Finding::new(&BAD_RESPONSE).with("no Upgrade: websocket"));
            } else if !h.has_token("connection", "upgrade") {
                found(Finding::new(&BAD_RESPONSE).with("no Connection: Upgrade"));
            }
        }
        if let Some(want) = self.accept {
            match h.get("sec-websocket-accept").map(<[u8]>::trim_ascii) {
                Some(got) if got == want => {}
                Some(got) => found(Finding::new(&ACCEPT_MISMATCH).with(format!(
                    "{} instead of {}",
                    String::from_utf8_lossy(got),
                    String::from_utf8_lossy(&want)
                ))),
                None if !is_known(h) => {}
                None => found(Finding::new(&ACCEPT_MISMATCH).with("missing")),
            }
        }
        self.subprotocol = clip(h.get("sec-websocket-protocol"));
        if let (Some(chosen), Some(offered)) = (&self.subprotocol, &self.subprotocols)
            && !offered.contains(chosen)
        {
            found(Finding::new(&SUBPROTOCOL_NOT_OFFERED).with(chosen.clone()));
        }
        // An agreement may be among what is not known, unless nothing was offered.
        let none_offered = self.offered.as_ref().is_some_and(|o| o.is_empty());
        if is_known(h) || none_offered || h.get("sec-websocket-extensions").is_some() {
            self.agree(h, found);
        }
        None
    }

    fn agree(&mut self, h: &Headers, found: &mut dyn FnMut(Finding)) {
        let (mut deflate, mut others) = (None, false);
        for e in extensions(h) {
            let name = String::from_utf8_lossy(e.name);
            if let Some(offered) = &self.offered
                && !offered.iter().any(|o| o.eq_ignore_ascii_case(&name))
            {
                found(Finding::new(&EXTENSION_NOT_OFFERED).with(name.clone()));
            }
            if !name.eq_ignore_ascii_case("permessage-deflate") {
                others = true;
                found(Finding::new(&UNKNOWN_EXTENSION).with(name));
            } else if deflate.is_some() {
                found(Finding::new(&BAD_EXTENSION).with("agreed twice"));
            } else {
                let mut bad = false;
                let p = parameters(e.parameters, Side::Server, &mut |p| {
                    bad = true;
                    found(Finding::new(&BAD_EXTENSION).with(String::from_utf8_lossy(p)));
                });
                if !bad && !self.offers.is_empty() && !self.offers.iter().any(|o| o.allows(&p)) {
                    let text = String::from_utf8_lossy(e.parameters);
                    found(Finding::new(&EXTENSION_MISMATCH).with(text.trim_matches([' ', ';'])));
                }
                deflate = Some(p.deflate);
            }
        }
        let text: Vec<_> = h
            .all("sec-websocket-extensions")
            .map(|v| String::from_utf8_lossy(v.trim_ascii()))
            .collect();
        if !text.is_empty() {
            self.extension_text = clip(Some(text.join(", ").as_bytes()));
        }
        self.extensions = Extensions::Agreed { deflate, others };
    }

    /// Whether the request was seen.
    #[must_use]
    pub(super) const fn is_asked(&self) -> bool {
        self.offered.is_some() || self.uri.is_some()
    }

    /// Nothing of it was seen.
    #[must_use]
    pub(super) const fn is_unseen(&self) -> bool {
        self.offered.is_none()
            && self.uri.is_none()
            && matches!(self.extensions, Extensions::Unknown)
    }

    /// Memory held, in bytes.
    #[must_use]
    pub(super) fn memory(&self) -> usize {
        let text = |t: &Option<Box<str>>| t.as_ref().map_or(0, |t| t.len());
        let list = |l: &Option<Box<[Box<str>]>>| {
            l.as_ref().map_or(0, |l| l.iter().map(|t| t.len() + 16).sum())
        };
        text(&self.uri)
            + text(&self.host)
            + text(&self.subprotocol)
            + text(&self.extension_text)
            + text(&self.forwarded_for)
            + list(&self.offered)
            + list(&self.subprotocols)
    }
}

/// All fields of a section are known: none is an index of which nobody knows the entry, and
/// none is cut off.
fn is_known(h: &Headers) -> bool {
    h.iter().all(|(.., f)| f.known)
}

/// `Sec-WebSocket-Accept` for a key as the client wrote it (RFC 6455 §4.2.2).
#[must_use]
pub(super) fn accept(key: &[u8]) -> [u8; 28] {
    let mut sha = Sha1::new();
    sha.update(key);
    sha.update(GUID);
    let mut text = [0; 28];
    // 20 bytes are 28 characters.
    let _ = STANDARD.encode_slice(sha.finalize(), &mut text);
    text
}

/// The parameters of a permessage-deflate that this side wrote (RFC 7692 §7.1); hands
/// those to `bad` that it may not write, or not twice.
fn parameters(list: &[u8], by: Side, bad: &mut dyn FnMut(&[u8])) -> Parameters {
    let mut d = Deflate::default();
    let mut seen = 0_u8;
    for p in split_outside_quotes(list, b';') {
        let (name, value) = match p.iter().position(|b| *b == b'=') {
            Some(at) => {
                let (n, v) = p.split_at_checked(at).unwrap_or((p, &[]));
                (n.trim_ascii(), Some(unquote(v.get(1..).unwrap_or_default().trim_ascii())))
            }
            None => (p, None),
        };
        let lower = name.to_ascii_lowercase();
        let (bit, ok) = match lower.as_slice() {
            b"server_no_context_takeover" => {
                d.server_no_context_takeover = true;
                (SERVER_FORGETS, value.is_none())
            }
            b"client_no_context_takeover" => {
                d.client_no_context_takeover = true;
                (CLIENT_FORGETS, value.is_none())
            }
            b"server_max_window_bits" => {
                let bits = value.as_deref().and_then(window_bits);
                d.server_max_window_bits = bits.unwrap_or(15);
                (SERVER_BITS, bits.is_some())
            }
            b"client_max_window_bits" => {
                let bits = value.as_deref().and_then(window_bits);
                d.client_max_window_bits = bits.unwrap_or(15);
                // §7.1.2.2: in an offer it may stand without a value.
                (CLIENT_BITS, bits.is_some() || by == Side::Client && value.is_none())
            }
            _ => (0, false),
        };
        if !ok || seen & bit != 0 {
            bad(p);
        }
        seen |= bit;
    }
    Parameters { deflate: d, seen }
}

/// 8 to 15, without leading zeros (RFC 7692 §7.1.2).
fn window_bits(v: &[u8]) -> Option<u8> {
    match v {
        [d @ b'8'..=b'9'] => Some(d - b'0'),
        [b'1', d @ b'0'..=b'5'] => Some(10 + d - b'0'),
        _ => None,
    }
}

/// One element of `Sec-WebSocket-Extensions` (RFC 6455 §9.1).
struct Extension<'a> {
    name: &'a [u8],
    parameters: &'a [u8],
}

fn extensions(h: &Headers) -> impl Iterator<Item = Extension<'_>> {
    h.all("sec-websocket-extensions").flat_map(|v| split_outside_quotes(v, b',')).map(|e| {
        let at = e.iter().position(|b| *b == b';').unwrap_or(e.len());
        let (name, rest) = e.split_at_checked(at).unwrap_or((e, &[]));
        Extension { name: name.trim_ascii(), parameters: rest }
    })
}

/// The elements of a comma-separated field of tokens.
fn list<'a>(h: &'a Headers, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
    h.all(name).flat_map(|v| split_outside_quotes(v, b','))
}

/// The parts of `v` between `separator`s that are not in a quoted string
/// (RFC 9110 §5.6.4); trimmed, empty ones left out.
fn split_outside_quotes(v: &[u8], separator: u8) -> impl Iterator<Item = &[u8]> {
    let (mut quoted, mut escaped) = (false, false);
    v.split(move |b| {
        let was = escaped;
        escaped = quoted && !was && *b == b'\\';
        if *b == b'"' && !was {
            quoted = !quoted;
        }
        !quoted && *b == separator
    })
    .map(<[u8]>::trim_ascii)
    .filter(|p| !p.is_empty())
}

/// A token as it is, a quoted string without its quotes and backslashes.
fn unquote(v: &[u8]) -> Vec<u8> {
    let Some(inner) = v.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")) else {
        return v.to_vec();
    };
    let mut escaped = false;
    inner
        .iter()
        .copied()
        .filter(|b| {
            escaped = !escaped && *b == b'\\';
            !escaped
        })
        .collect()
}

fn clip(v: Option<&[u8]>) -> Option<Box<str>> {
    let v = v?.trim_ascii();
    Some(String::from_utf8_lossy(v.get(..MAX_TEXT).unwrap_or(v)).into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::Moment;

    fn head<'a>(side: Side, headers: &'a Headers) -> Head<'a> {
        let m = Moment::default();
        Head {
            side,
            headers,
            version: 11,
            end: false,
            start: m,
            ready: m,
            wire_len: 0,
            detail: None,
        }
    }

    fn headers(fields: &[(&str, &str)]) -> Headers {
        let mut h = Headers::new();
        for (n, v) in fields {
            h.push(n.as_bytes(), v.as_bytes());
        }
        h
    }

    fn run(request: &[(&str, &str)], response: &[(&str, &str)]) -> (Handshake, Vec<&'static str>) {
        let mut found = Vec::new();
        let mut hs = Handshake::default();
        let q = headers(request);
        hs.request(&head(Side::Client, &q), &mut |f| found.push(f.spec.code));
        let mut r = headers(response);
        for (name, value) in [("upgrade", "websocket"), ("connection", "Upgrade")] {
            if r.get(name).is_none() {
                r.push(name.as_bytes(), value.as_bytes());
            }
        }
        hs.response(&head(Side::Server, &r), &mut |f| found.push(f.spec.code));
        (hs, found)
    }

    const KEY: (&str, &str) = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==");
    const ACCEPT: (&str, &str) = ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    const V13: (&str, &str) = ("Sec-WebSocket-Version", "13");
    const OK: (&str, &str) = (":status", "101");

    #[test]
    fn the_rfcs_key_gives_the_rfcs_accept() {
        assert_eq!(&accept(b"dGhlIHNhbXBsZSBub25jZQ=="), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(run(&[KEY, V13], &[OK, ACCEPT]).1, [""; 0]);
    }

    #[test]
    fn each_fault_of_a_handshake_is_found_once() {
        let bad = ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOp=");
        assert_eq!(run(&[KEY, V13], &[OK, bad]).1, ["websocket.accept-mismatch"]);
        assert_eq!(run(&[KEY, V13], &[OK]).1, ["websocket.accept-mismatch"]);
        for other in [("Upgrade", "h2c"), ("Connection", "keep-alive")] {
            assert_eq!(run(&[KEY, V13], &[OK, other, ACCEPT]).1, ["websocket.bad-response"]);
        }
        let v8 = ("Sec-WebSocket-Version", "8");
        assert_eq!(run(&[KEY, v8], &[OK, ACCEPT]).1, ["websocket.bad-version"]);
        let short = ("Sec-WebSocket-Key", "dGhlIHNhbXBsZQ==");
        let a = String::from_utf8(accept(b"dGhlIHNhbXBsZQ==").to_vec()).unwrap();
        assert_eq!(
            run(&[short, V13], &[OK, ("Sec-WebSocket-Accept", &a)]).1,
            ["websocket.bad-key"]
        );
        assert_eq!(run(&[V13], &[OK]).1, ["websocket.bad-key"]);
        let none: [&str; 0] = [];
        assert_eq!(run(&[KEY, V13], &[(":status", "200")]).1, none);
        let post = (":method", "POST");
        assert_eq!(run(&[post, KEY, V13], &[OK, ACCEPT]).1, ["websocket.bad-request"]);
        assert_eq!(run(&[KEY, KEY, V13], &[OK, ACCEPT]).1, ["websocket.bad-key"]);
        assert_eq!(run(&[KEY, V13, V13], &[OK, ACCEPT]).1, ["websocket.bad-version"]);
        assert_eq!(run(&[KEY, v8], &[(":status", "426")]).1, ["websocket.bad-version"]);
        let chat = ("Sec-WebSocket-Protocol", "chat");
        let two = ("Sec-WebSocket-Protocol", "superchat, other");
        assert_eq!(
            run(&[KEY, V13, two], &[OK, ACCEPT, chat]).1,
            ["websocket.subprotocol-not-offered"]
        );
        let pmd = ("Sec-WebSocket-Extensions", "permessage-deflate");
        assert_eq!(run(&[KEY, V13], &[OK, ACCEPT, pmd]).1, ["websocket.extension-not-offered"]);
        let odd = ("Sec-WebSocket-Extensions", "permessage-deflate; server_max_window_bits=7");
        assert_eq!(run(&[KEY, V13, pmd], &[OK, ACCEPT, odd]).1, ["websocket.bad-extension"]);
        let foo = ("Sec-WebSocket-Extensions", "foo");
        assert_eq!(run(&[KEY, V13, foo], &[OK, ACCEPT, foo]).1, ["websocket.unknown-extension"]);
    }

    #[test]
    fn several_offers_and_quoted_values() {
        let offers = (
            "Sec-WebSocket-Extensions",
            "permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate; client_max_window_bits",
        );
        let (hs, found) = run(
            &[KEY, V13, offers],
            &[
                OK,
                ACCEPT,
                (
                    "sec-websocket-extensions",
                    "PerMessage-Deflate ; server_no_context_takeover;client_max_window_bits=\"1\\2\"",
                ),
            ],
        );
        assert_eq!(found, [""; 0]);
        let want = Deflate {
            server_no_context_takeover: true,
            client_max_window_bits: 12,
            ..Deflate::default()
        };
        assert_eq!(hs.extensions, Extensions::Agreed { deflate: Some(want), others: false });
        assert!(want.takeover(Side::Client) && !want.takeover(Side::Server));
    }

    #[test]
    fn an_answer_must_fit_an_offer() {
        let ask = |offer: &str, answer: &str| {
            let name = "Sec-WebSocket-Extensions";
            let full = |p: &str| match p {
                "-" => "permessage-deflate".to_owned(),
                p => p
                    .split(" | ")
                    .map(|p| format!("permessage-deflate; {p}"))
                    .collect::<Vec<_>>()
                    .join(", "),
            };
            let (q, r) = (full(offer), full(answer));
            run(&[KEY, V13, (name, &q)], &[OK, ACCEPT, (name, &r)]).1
        };
        let none: [&str; 0] = [];
        let (mismatch, bad) = (["websocket.extension-mismatch"], ["websocket.bad-offer"]);
        // §7.1.1.1, §7.1.2.1: what the client asks of the server must be promised.
        assert_eq!(ask("server_no_context_takeover", "-"), mismatch);
        assert_eq!(ask("server_no_context_takeover", "server_no_context_takeover"), none);
        assert_eq!(ask("server_max_window_bits=10", "-"), mismatch);
        assert_eq!(ask("server_max_window_bits=10", "server_max_window_bits=11"), mismatch);
        assert_eq!(ask("server_max_window_bits=10", "server_max_window_bits=8"), none);
        // Unasked, the server may promise it all the same.
        assert_eq!(ask("-", "server_max_window_bits=9; client_no_context_takeover"), none);
        // §7.1.2.2: the client's window only where it offered that.
        assert_eq!(ask("-", "client_max_window_bits=12"), mismatch);
        assert_eq!(ask("client_max_window_bits", "client_max_window_bits=12"), none);
        assert_eq!(ask("client_max_window_bits=10", "client_max_window_bits=12"), mismatch);
        // Any of several offers will do.
        let two = "server_max_window_bits=10 | client_max_window_bits=\"9\"";
        assert_eq!(ask(two, "client_max_window_bits=9"), none);
        assert_eq!(ask(two, "client_max_window_bits=10"), mismatch);
        // Offers that must be declined.
        for offer in [
            "server_max_window_bits",
            "server_max_window_bits=7",
            "server_max_window_bits=08",
            "client_max_window_bits=16",
            "client_no_context_takeover=1",
            "client_no_context_takeover; client_no_context_takeover",
            "something_else",
        ] {
            assert_eq!(ask(offer, "-"), bad, "{offer}");
        }
    }

    #[test]
    fn separators_in_quotes_do_not_separate() {
        let parts: Vec<_> = split_outside_quotes(br#"a; x="1,2\",3", b ,, c"#, b',').collect();
        assert_eq!(parts, [&br#"a; x="1,2\",3""#[..], b"b", b"c"]);
    }

    #[test]
    fn over_http_2_there_is_no_key() {
        let q = headers(&[(":method", "CONNECT"), (":path", "/chat"), V13]);
        let r = headers(&[(":status", "200")]);
        let mut found = 0;
        let mut hs = Handshake::default();
        hs.request(&Head { version: 20, ..head(Side::Client, &q) }, &mut |_| found += 1);
        hs.response(&Head { version: 20, ..head(Side::Server, &r) }, &mut |_| found += 1);
        assert_eq!(found, 0);
        assert_eq!(hs.extensions, Extensions::Agreed { deflate: None, others: false });
    }
}
