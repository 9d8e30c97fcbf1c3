//! What is found of a WebSocket session: each finding on the capture that was crafted
//! for it and on no other, with its severity and section; none on captures of peers
//! that do nothing wrong; and why sessions ended, with the packets that prove it.

mod support;

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr};

use base64::Engine as _;
use framescope::base::CaptureTime;
use framescope::capture::Packet;
use framescope::engine::{Engine, Options};
use framescope::finding::Severity::{self, Error, Note, Warning};
use framescope::index::check::Check;
use framescope::link::TcpFlags;
use sha1::Digest as _;
use support::{NUMBERED, Owned, Segment, as_json, fixtures, options, pack, packets, run};

const SYN: u8 = TcpFlags::SYN;
const ACK: u8 = TcpFlags::ACK;
const FIN: u8 = TcpFlags::FIN;
const RST: u8 = TcpFlags::RST;
const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const LOCAL: Ipv4Addr = Ipv4Addr::LOCALHOST;
const FAR: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 7);

/// What happens on a connection, in order; each but `Wait` is a packet.
#[derive(Clone)]
enum Do {
    Up(Vec<u8>),
    Down(Vec<u8>),
    /// Milliseconds.
    Wait(i64),
    Fin(bool),
    Rst(bool),
}
use Do::{Down, Fin, Rst, Up, Wait};

/// Segments of several connections, a millisecond apart.
#[derive(Default)]
struct Wire {
    segments: Vec<Segment>,
    now: i64,
}

/// One connection.
struct Link {
    ends: [(IpAddr, u16); 2],
    seq: [u32; 2],
}

impl Wire {
    fn put(&mut self, link: &mut Link, client: bool, flags: u8, data: &[u8]) {
        let i = usize::from(!client);
        self.now += 1_000_000;
        self.segments.push(Segment {
            time: CaptureTime(1_700_000_000_000_000_000 + self.now),
            from: link.ends[i],
            to: link.ends[1 - i],
            seq: link.seq[i],
            ack: link.seq[1 - i],
            flags,
            window: 65_535,
            scale: None,
            data: data.to_vec(),
        });
        let len = u32::try_from(data.len()).unwrap() + u32::from(flags & (SYN | FIN) != 0);
        link.seq[i] = link.seq[i].wrapping_add(len);
    }

    fn open(&mut self, client: Ipv4Addr, port: u16, request: &str, response: &str) -> Link {
        let server = if client.is_loopback() { LOCAL } else { Ipv4Addr::new(198, 51, 100, 1) };
        let ends = [(IpAddr::V4(client), port), (IpAddr::V4(server), 8080)];
        let mut link = Link { ends, seq: [1000, 5000] };
        self.put(&mut link, true, SYN, b"");
        self.put(&mut link, false, SYN | ACK, b"");
        self.put(&mut link, true, ACK, b"");
        self.put(&mut link, true, ACK, request.as_bytes());
        self.put(&mut link, false, ACK, response.as_bytes());
        link
    }

    fn act(&mut self, link: &mut Link, acts: &[Do]) {
        for a in acts {
            match a {
                Up(data) => data.chunks(60_000).for_each(|d| self.put(link, true, ACK, d)),
                Down(data) => data.chunks(60_000).for_each(|d| self.put(link, false, ACK, d)),
                Wait(ms) => self.now += ms * 1_000_000,
                Fin(client) => self.put(link, *client, ACK | FIN, b""),
                Rst(client) => self.put(link, *client, ACK | RST, b""),
            }
        }
    }
}

fn request(path: &str, more: &str) -> String {
    format!(
        "GET {path} HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\n\
         Connection: Upgrade\r\nSec-WebSocket-Key: {KEY}\r\n\
         Sec-WebSocket-Version: 13\r\n{more}\r\n"
    )
}

fn accept(key: &str) -> String {
    let digest = sha1::Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    base64::engine::general_purpose::STANDARD.encode(digest)
}

fn response(accept: &str, more: &str) -> String {
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{more}\r\n"
    )
}

/// A connection with an ordinary handshake.
fn talk(client: Ipv4Addr, path: &str, more: &str, acts: &[Do]) -> Vec<Owned> {
    with(client, &request(path, more), &response(&accept(KEY), ""), acts)
}

fn with(client: Ipv4Addr, request: &str, response: &str, acts: &[Do]) -> Vec<Owned> {
    let mut w = Wire::default();
    let mut link = w.open(client, 40_000, request, response);
    w.act(&mut link, acts);
    pack(&w.segments)
}

/// The same on the loopback, ended well.
fn local(acts: &[Do]) -> Vec<Owned> {
    talk(LOCAL, "/", "", &[acts, &bye()].concat())
}

/// A frame with its length written in `written` bytes: 0, 2 or 8.
fn raw(first: u8, key: Option<u32>, written: usize, payload: &[u8]) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let n = payload.len() as u64;
    let mut f = vec![first];
    match written {
        0 => f.push(mask | u8::try_from(n).unwrap()),
        2 => {
            f.push(mask | 126);
            f.extend(u16::try_from(n).unwrap().to_be_bytes());
        }
        _ => {
            f.push(mask | 127);
            f.extend(n.to_be_bytes());
        }
    }
    let key_bytes = key.unwrap_or(0).to_be_bytes();
    if key.is_some() {
        f.extend(key_bytes);
    }
    f.extend(payload.iter().enumerate().map(|(i, b)| b ^ key_bytes[i % 4]));
    f
}

fn fewest(n: usize) -> usize {
    [0, 2, 8][usize::from(n > 125) + usize::from(n > 65_535)]
}

/// A frame of the client's; the key is made of the payload, so that few are alike.
fn up(first: u8, payload: &[u8]) -> Do {
    let key = payload.iter().fold(0x9e37_79b9_u32 ^ u32::from(first), |h, b| {
        (h ^ u32::from(*b)).wrapping_mul(0x0100_0193)
    });
    Up(raw(first, Some(key), fewest(payload.len()), payload))
}

/// A frame of the server's.
fn down(first: u8, payload: &[u8]) -> Do {
    Down(raw(first, None, fewest(payload.len()), payload))
}

fn code(n: u16) -> [u8; 2] {
    n.to_be_bytes()
}

/// A close handshake, and the end of the connection.
fn bye() -> Vec<Do> {
    vec![up(0x88, &code(1000)), down(0x88, &code(1000)), Fin(false), Fin(true)]
}

/// What `check` finds: code, severity, section.
fn check(packets: &[Owned], options: Options) -> Vec<(&'static str, Severity, &'static str)> {
    let mut found = Check::default();
    let mut engine = Engine::new(options);
    for p in packets {
        engine.packet(&Packet { meta: p.meta, data: &p.data }, &mut found);
    }
    engine.finish(&mut found);
    let mut all: Vec<_> =
        found.groups.iter().map(|g| (g.spec.code, g.spec.severity, g.spec.reference)).collect();
    all.sort_unstable();
    all
}

/// A capture, and all that is found in it.
type Case = (&'static str, Vec<Owned>, Vec<(&'static str, Severity, &'static str)>);

const ABNORMAL: (&str, Severity, &str) = ("websocket.abnormal-closure", Warning, "RFC 6455 §7.1.5");
const ON_ERROR: (&str, Severity, &str) = ("websocket.closed-on-error", Warning, "RFC 6455 §7.4.1");
const NOBODY: (&str, Severity, &str) = ("websocket.no-authentication", Note, "RFC 6455 §10.5");

fn handshakes() -> Vec<Case> {
    let ok = || response(&accept(KEY), "");
    let shaken = |request: &str, response: &str| with(LOCAL, request, response, &bye());
    let key16 = request("/", "");
    vec![
        (
            "accept mismatch",
            shaken(&key16, &response("s3pPLMBiTxaQ9kYGzzhZRbK+xOp=", "")),
            vec![("websocket.accept-mismatch", Error, "RFC 6455 §4.2.2")],
        ),
        (
            "a key that is not 16 bytes",
            shaken(
                &key16.replace(KEY, "dGhlIHNhbXBsZQ=="),
                &response(&accept("dGhlIHNhbXBsZQ=="), ""),
            ),
            vec![("websocket.bad-key", Error, "RFC 6455 §4.1")],
        ),
        (
            "version",
            shaken(&key16.replace("Version: 13", "Version: 8"), &ok()),
            vec![("websocket.bad-version", Error, "RFC 6455 §4.1")],
        ),
        (
            "another site, with cookies",
            shaken(&request("/", "Origin: https://evil.test\r\nCookie: id=SECRET\r\n"), &ok()),
            vec![("websocket.cross-site", Warning, "RFC 6455 §10.2")],
        ),
        (
            "another site without cookies is only another site",
            shaken(&request("/", "Origin: https://evil.test\r\n"), &ok()),
            vec![],
        ),
        (
            "the same site with cookies",
            shaken(&request("/", "Origin: https://app.example.com\r\nCookie: id=1\r\n"), &ok()),
            vec![],
        ),
    ]
}

fn frames() -> Vec<Case> {
    let e = |code: &'static str, section: &'static str| vec![(code, Error, section)];
    let k = Some(0x0102_0304);
    let mut long = raw(0x82, None, 8, b"");
    long[2] = 0x80;
    vec![
        (
            "unmasked client",
            local(&[Up(raw(0x81, None, 0, b"x"))]),
            e("websocket.client-unmasked", "RFC 6455 §5.1"),
        ),
        (
            "masked server",
            local(&[Down(raw(0x81, k, 0, b"x"))]),
            e("websocket.server-masked", "RFC 6455 §5.1"),
        ),
        (
            "a masking key again",
            local(&[Up(raw(0x81, k, 0, b"x")), Up(raw(0x81, k, 0, b"y"))]),
            e("websocket.repeated-masking-key", "RFC 6455 §5.3"),
        ),
        (
            "a masking key of zero",
            local(&[Up(raw(0x81, Some(0), 0, b"x"))]),
            e("websocket.zero-masking-key", "RFC 6455 §5.3"),
        ),
        (
            "RSV without extension",
            local(&[up(0xa1, b"x")]),
            e("websocket.rsv-without-extension", "RFC 6455 §5.2"),
        ),
        (
            "RSV1 without extension",
            local(&[down(0xc1, b"x")]),
            e("websocket.rsv-without-extension", "RFC 6455 §5.2"),
        ),
        (
            "reserved opcode",
            local(&[up(0x83, b"x")]),
            e("websocket.reserved-opcode", "RFC 6455 §5.2"),
        ),
        (
            "reserved control opcode",
            local(&[up(0x8b, b"x")]),
            e("websocket.reserved-opcode", "RFC 6455 §5.2"),
        ),
        (
            "fragmented control frame",
            local(&[up(0x0a, b"x")]),
            e("websocket.fragmented-control", "RFC 6455 §5.5"),
        ),
        (
            "long control frame",
            local(&[up(0x8a, &[b'x'; 126])]),
            e("websocket.control-too-long", "RFC 6455 §5.5"),
        ),
        (
            "16 bits for a length of 1",
            local(&[Down(raw(0x82, None, 2, b"x"))]),
            e("websocket.length-not-minimal", "RFC 6455 §5.2"),
        ),
        (
            "64 bits for a length of 200",
            local(&[Down(raw(0x82, None, 8, &[0; 200]))]),
            e("websocket.length-not-minimal", "RFC 6455 §5.2"),
        ),
        (
            "top bit of the 64-bit length",
            talk(LOCAL, "/", "", &[Down(long), Fin(false), Fin(true)]),
            vec![
                ABNORMAL,
                ("websocket.length-top-bit", Error, "RFC 6455 §5.2"),
                ("websocket.truncated", Warning, "RFC 6455 §7.1.7"),
            ],
        ),
        (
            "orphan continuation",
            local(&[up(0x80, b"x")]),
            e("websocket.orphan-continuation", "RFC 6455 §5.4"),
        ),
        (
            "interleaved data message",
            local(&[up(0x01, b"a"), up(0x81, b"b")]),
            vec![
                ("websocket.interleaved-message", Error, "RFC 6455 §5.4"),
                ("websocket.unfinished-message", Warning, "RFC 6455 §5.4"),
            ],
        ),
        (
            "a frame after close",
            talk(
                LOCAL,
                "/",
                "",
                &[
                    up(0x88, &code(1000)),
                    up(0x81, b"late"),
                    down(0x88, &code(1000)),
                    Fin(false),
                    Fin(true),
                ],
            ),
            e("websocket.frame-after-close", "RFC 6455 §5.5.1"),
        ),
        (
            "a close of one byte",
            talk(LOCAL, "/", "", &[up(0x88, &[3]), down(0x88, &code(1000)), Fin(false), Fin(true)]),
            e("websocket.close-one-byte", "RFC 6455 §5.5.1"),
        ),
        ("no UTF-8", local(&[up(0x81, b"caf\xe9 noir")]), e("websocket.bad-utf8", "RFC 6455 §8.1")),
        (
            "no UTF-8 across fragments",
            local(&[
                up(0x01, b"a\xe2\x82"),
                up(0x89, b"between"),
                down(0x8a, b"between"),
                up(0x80, b"\x28"),
            ]),
            e("websocket.bad-utf8", "RFC 6455 §8.1"),
        ),
        (
            "a character across fragments",
            local(&[up(0x01, b"a\xe2\x82"), up(0x80, b"\xac")]),
            vec![],
        ),
    ]
}

fn closes() -> Vec<Case> {
    let closed = |n: u16| {
        let reply = down(0x88, &code(1000));
        talk(LOCAL, "/", "", &[up(0x88, &code(n)), reply, Fin(false), Fin(true)])
    };
    let mut all: Vec<Case> = Vec::new();
    for n in [0, 999, 1004, 1005, 1006, 1015, 5000, 65_535] {
        let want = vec![("websocket.bad-close-code", Error, "RFC 6455 §7.4")];
        all.push(("a code that must not be sent", closed(n), want));
    }
    for n in [1000, 1001, 1012, 1013, 3000, 3999, 4000, 4999] {
        all.push(("a code that is fine", closed(n), vec![]));
    }
    let unassigned = ("websocket.unassigned-close-code", Warning, "RFC 6455 §7.4.2");
    all.push(("a code of nobody", closed(2000), vec![unassigned]));
    all.push(("a code that says something was wrong", closed(1011), vec![ON_ERROR]));
    all
}

fn sessions() -> Vec<Case> {
    let w = |code: &'static str, section: &'static str| vec![(code, Warning, section)];
    let ping = ("websocket.unanswered-ping", Warning, "RFC 6455 §5.5.2");
    let flood = |n: usize| (0..n).map(|i| up(0x81, format!("{i}").as_bytes())).collect::<Vec<_>>();
    let mut lines: Vec<Do> = Vec::new();
    for n in 0..90 {
        lines.push(up(0x81, format!("line {n}").as_bytes()));
        lines.push(Wait(15));
    }
    vec![
        ("unanswered ping", local(&[down(0x89, b"?"), Wait(5000)]), vec![ping]),
        ("a ping that is answered", local(&[down(0x89, b"?"), Wait(5000), up(0x8a, b"?")]), vec![]),
        ("a ping just before the end", local(&[down(0x89, b"?")]), vec![]),
        (
            "no heartbeat",
            local(&[up(0x81, b"a"), Wait(75_000), up(0x81, b"b")]),
            w("websocket.no-heartbeat", "RFC 6455 §5.5.2"),
        ),
        (
            "a heartbeat",
            local(&[up(0x89, b"a"), down(0x8a, b"a"), Wait(75_000), up(0x81, b"b")]),
            vec![],
        ),
        ("half a minute is no silence", local(&[up(0x81, b"a"), Wait(30_000)]), vec![]),
        (
            "a message over a limit",
            local(&[up(0x82, &vec![7; (1 << 20) + 1])]),
            w("websocket.message-over-limit", "RFC 6455 §10.4"),
        ),
        ("a message at the limit", local(&[up(0x82, &vec![7; 1 << 20])]), vec![]),
        (
            "too many messages a second",
            local(&flood(300)),
            w("websocket.message-rate", "RFC 6455 §10.4"),
        ),
        ("sixty messages a second", local(&lines), vec![]),
        (
            "markup in text",
            local(&[down(0x81, br#"{"from":"eve","text":"<img src=x onerror=\"f()\">"}"#)]),
            w("websocket.markup", "RFC 6455 §10.2"),
        ),
        (
            "markup across fragments",
            local(&[down(0x01, b"<scr"), down(0x80, b"ipt>f()</script>")]),
            w("websocket.markup", "RFC 6455 §10.2"),
        ),
        ("markup that runs nothing", local(&[down(0x81, b"<b>1 < 2</b>")]), vec![]),
    ]
}

fn exposed() -> Vec<Case> {
    let plain = ("websocket.plaintext", Warning, "RFC 6455 §10.6");
    let worse = ("websocket.plaintext-credentials", Error, "RFC 6455 §10.6");
    let token = ("websocket.token-in-query", Warning, "RFC 6750 §5.3");
    let far = |path: &str, more: &str| talk(FAR, path, more, &bye());
    let many = |n: u16, apart: i64, ip: fn(u16) -> Ipv4Addr| {
        let mut w = Wire::default();
        let mut links: Vec<_> = (0..n)
            .map(|i| {
                w.now += apart * 1_000_000;
                w.open(ip(i), 40_000 + i, &request("/", ""), &response(&accept(KEY), ""))
            })
            .collect();
        for l in &mut links {
            w.act(l, &bye());
        }
        pack(&w.segments)
    };
    let one = |_| LOCAL;
    vec![
        ("plain ws://, nobody", far("/chat?room=1", ""), vec![NOBODY, plain]),
        ("plain with a cookie", far("/", "Cookie: id=SECRET\r\n"), vec![worse]),
        ("plain with Authorization", far("/", "Authorization: Bearer SECRET\r\n"), vec![worse]),
        ("plain with a token in the query", far("/?access_token=SECRET", ""), vec![worse, token]),
        (
            "who the client is, in the first message",
            talk(FAR, "/", "", &[vec![up(0x81, br#"{"type":"auth"}"#)], bye()].concat()),
            vec![worse],
        ),
        (
            "many connections",
            many(40, 100, one),
            vec![("websocket.many-connections", Warning, "RFC 6455 §10.4")],
        ),
        (
            "many connections at a time",
            many(120, 5000, one),
            vec![
                ("websocket.many-connections", Warning, "RFC 6455 §10.4"),
                // They wait ten minutes for one another.
                ("websocket.no-heartbeat", Warning, "RFC 6455 §5.5.2"),
            ],
        ),
        ("thirty connections", many(30, 100, one), vec![]),
        ("of many addresses", many(40, 100, |i| Ipv4Addr::new(127, 0, 1, i as u8)), vec![]),
    ]
}

#[test]
fn each_finding_is_on_its_capture_and_nothing_else_is() {
    let all = [handshakes(), frames(), closes(), sessions(), exposed()].concat();
    let mut wrong = Vec::new();
    for (name, packets, want) in &all {
        let got = check(packets, Options::default());
        if got != *want {
            wrong.push(format!("{name}: {got:?} and not {want:?}"));
        }
        // What is found does not depend on who looks.
        assert_eq!(got, check(packets, options(&NUMBERED)), "{name}");
        let r = run(packets, options(&NUMBERED));
        for f in &r.findings {
            let text = format!("{:?}", f.finding.detail);
            assert!(!text.contains("SECRET"), "{name}: {text}");
            assert!(!f.packets.is_empty(), "{name}: {} has no packet", f.finding.spec.code);
        }
    }
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
    let seen: BTreeSet<_> = all.iter().flat_map(|(_, _, w)| w.iter().map(|f| f.0)).collect();
    for code in LIST {
        assert!(seen.contains(code), "no capture for {code}");
    }
}

/// What must be found of a session.
const LIST: [&str; 33] = [
    "websocket.abnormal-closure",
    "websocket.accept-mismatch",
    "websocket.bad-close-code",
    "websocket.bad-key",
    "websocket.bad-utf8",
    "websocket.bad-version",
    "websocket.client-unmasked",
    "websocket.close-one-byte",
    "websocket.closed-on-error",
    "websocket.control-too-long",
    "websocket.cross-site",
    "websocket.fragmented-control",
    "websocket.frame-after-close",
    "websocket.interleaved-message",
    "websocket.length-not-minimal",
    "websocket.length-top-bit",
    "websocket.many-connections",
    "websocket.markup",
    "websocket.message-over-limit",
    "websocket.message-rate",
    "websocket.no-authentication",
    "websocket.no-heartbeat",
    "websocket.orphan-continuation",
    "websocket.plaintext",
    "websocket.plaintext-credentials",
    "websocket.repeated-masking-key",
    "websocket.reserved-opcode",
    "websocket.rsv-without-extension",
    "websocket.server-masked",
    "websocket.token-in-query",
    "websocket.unanswered-ping",
    "websocket.unassigned-close-code",
    "websocket.zero-masking-key",
];

/// Fixtures on which peers do nothing wrong: nothing of warning or error may be found.
const CLEAN: [&str; 10] = [
    "transports",
    "ws-deflate-no-takeover",
    "ws-deflate-window-bits",
    "ws-heartbeat",
    "ws-ipv6",
    "ws-mixed-ports",
    "ws-time",
    "ws-tungstenite",
    "ws-websockets",
    "h2-curl",
];

/// Fixtures that are recorded to show something: what of WebSocket is found there.
const SHOWING: [(&str, &[&str]); 6] = [
    ("ws-abnormal", &["websocket.abnormal-closure", "websocket.truncated"]),
    ("ws-close-codes", &["websocket.bad-utf8", "websocket.closed-on-error"]),
    // A page of http://example.com, with a cookie, to 127.0.0.1.
    ("ws-subprotocol", &["websocket.cross-site"]),
    ("ws-idle-timeout", &["websocket.abnormal-closure"]),
    (
        "ws-ping-timeout",
        &["websocket.abnormal-closure", "websocket.closed-on-error", "websocket.unanswered-ping"],
    ),
    (
        "ws-violations",
        &[
            "websocket.abnormal-closure",
            "websocket.accept-mismatch",
            "websocket.bad-close-code",
            "websocket.bad-utf8",
            "websocket.client-unmasked",
            "websocket.close-one-byte",
            "websocket.closed-on-error",
            "websocket.control-too-long",
            "websocket.fragmented-control",
            "websocket.frame-after-close",
            "websocket.interleaved-message",
            "websocket.length-not-minimal",
            "websocket.length-top-bit",
            "websocket.orphan-continuation",
            "websocket.repeated-masking-key",
            "websocket.reserved-opcode",
            "websocket.rsv-without-extension",
            "websocket.server-masked",
            "websocket.truncated",
            "websocket.unfinished-message",
            "websocket.zero-masking-key",
        ],
    ),
];

#[test]
fn no_false_alarms_on_fixtures() {
    let (mut alarms, mut clean) = (Vec::new(), 0);
    for (name, path) in fixtures() {
        let fixture = name.split('/').next().unwrap().to_owned();
        let found = check(&packets(&path), Options::default());
        let ours: Vec<&str> =
            found.iter().map(|f| f.0).filter(|c| c.starts_with("websocket.")).collect();
        if CLEAN.contains(&fixture.as_str()) {
            clean += 1;
            alarms
                .extend(found.iter().filter(|f| f.1 >= Warning).map(|f| format!("{name}: {f:?}")));
        }
        match SHOWING.iter().find(|(n, _)| *n == fixture) {
            Some((_, want)) => assert_eq!(ours, *want, "{name}"),
            None => alarms.extend(ours.iter().map(|c| format!("{name}: {c}"))),
        }
    }
    assert_eq!(clean, CLEAN.len());
    assert!(alarms.is_empty(), "{} false alarms: {alarms:#?}", alarms.len());
}

/// Runs one session: cause, verdict, and the packets of it; what is found of it has the
/// same packets.
fn verdict(packets: &[Owned]) -> (String, String, Vec<u64>) {
    let r = run(packets, options(&NUMBERED));
    let mut sessions = r.events.iter().filter(|(e, _)| e.draft.kind == "session");
    let (event, info) = sessions.next().expect("a session");
    let v = as_json(event, info);
    let text = |name: &str| v["fields"][name].as_str().unwrap_or("none").to_owned();
    let proof: Vec<u64> = v["fields"]["websocket.proof_packets"]
        .as_array()
        .map(|a| a.iter().map(|n| n.as_u64().unwrap()).collect())
        .unwrap_or_default();
    let ends = ["websocket.abnormal-closure", "websocket.closed-on-error"];
    for f in r.findings.iter().filter(|f| ends.contains(&f.finding.spec.code)) {
        let packets: Vec<u64> = f.packets.iter().map(|p| p.0).collect();
        assert_eq!(packets, proof);
        assert_eq!(f.event, Some(event.id));
        assert_eq!(f.finding.detail.as_deref(), Some(text("websocket.verdict").as_str()));
    }
    (text("websocket.end_cause"), text("websocket.verdict"), proof)
}

/// Packets 1 to 5 are the handshakes; the first act is packet 6.
#[test]
fn verdicts_and_their_proof() {
    let fin = [Fin(false), Fin(true)];
    let say = |acts: &[Do]| verdict(&talk(LOCAL, "/", "", acts));
    let on = |acts: &[Do], cause: &str, text: &str, proof: &[u64]| {
        let (c, t, p) = say(acts);
        assert_eq!((c.as_str(), t.as_str(), p.as_slice()), (cause, text, proof));
    };
    on(
        &bye(),
        "close",
        "the client closed first with 1000 (normal closure), the server answered",
        &[6, 7],
    );
    on(
        &[&[up(0x81, b"a"), down(0x88, &code(1001))], &fin[..]].concat(),
        "close",
        "the server closed first with 1001 (going away), the client did not answer",
        &[7],
    );
    on(
        &[&[up(0x81, b"a")], &fin[..]].concat(),
        "fin",
        "1006: FIN by the server without a close frame",
        &[6, 7],
    );
    on(
        &[up(0x81, b"a"), Rst(true)],
        "reset",
        "1006: RST by the client without a close frame",
        &[6, 7],
    );
    for secs in [30, 60, 120] {
        for off in [-900, 0, 900] {
            on(
                &[&[up(0x81, b"a"), Wait(secs * 1000 + off)], &fin[..]].concat(),
                "idle timeout",
                &format!(
                    "1006: FIN by the server without a close frame: {secs} s of silence, \
                     likely an idle timeout of a proxy"
                ),
                &[6, 7],
            );
        }
    }
    assert_eq!(say(&[&[up(0x81, b"a"), Wait(44_000)], &fin[..]].concat()).0, "fin");
    on(
        &[&[down(0x89, b"?"), Wait(20_000)], &fin[..]].concat(),
        "unanswered ping",
        "1006: FIN by the server without a close frame: no pong for 20 s to the server's ping",
        &[6, 7],
    );
    on(
        &[&[down(0x89, b"?"), Wait(20_000), down(0x88, &code(1011))], &fin[..]].concat(),
        "unanswered ping",
        "the server closed first with 1011 (internal error), the client did not answer: \
         no pong for 20 s to the server's ping",
        &[6, 7],
    );
    on(
        &[&[up(0x82, &[7; 5000]), down(0x88, &code(1009)), up(0x88, &code(1009))], &fin[..]]
            .concat(),
        "message too big",
        "the server closed first with 1009 (message too big), the client answered: \
         the client's message of 5000 bytes",
        &[6, 7, 8],
    );
    // Cut off in the middle of it.
    let Up(big) = up(0x82, &vec![7; 2 << 20]) else { unreachable!() };
    on(
        &[Up(big[..60_000].to_vec()), Rst(false)],
        "message too big",
        "1006: RST by the server without a close frame: the client was sending a message of \
         2097152 bytes: likely over a limit",
        &[6, 7],
    );
    on(
        &[&[up(0xa1, b"x"), down(0x88, &code(1002)), up(0x88, &code(1002))], &fin[..]].concat(),
        "protocol error",
        "the server closed first with 1002 (protocol error), the client answered: \
         the client's websocket.rsv-without-extension (RFC 6455 §5.2)",
        &[6, 7, 8],
    );
    on(
        &[&[up(0x81, b"caf\xe9!"), down(0x88, &code(1007))], &fin[..]].concat(),
        "protocol error",
        "the server closed first with 1007 (invalid frame payload data), the client did not \
         answer: the client's websocket.bad-utf8 (RFC 6455 §8.1)",
        &[6, 7],
    );
    on(
        &[&[up(0x88, &code(999)), down(0x88, &code(1002))], &fin[..]].concat(),
        "protocol error",
        "the client closed first with 999, the server answered with 1002 (protocol error): \
         the client's websocket.bad-close-code (RFC 6455 §7.4)",
        &[6, 7],
    );
    on(
        &[&[up(0x81, b"ok"), Up(raw(0x81, None, 0, b"x"))], &fin[..]].concat(),
        "protocol error",
        "1006: FIN by the server without a close frame: the client's websocket.client-unmasked \
         before (RFC 6455 §5.1)",
        &[7, 8],
    );
    on(&[up(0x81, b"a")], "open", "open when the capture ended", &[]);
}

/// Counts, bytes and times of a session.
#[test]
fn a_session_is_counted() {
    let acts = [
        up(0x81, b"hello"),
        down(0x82, &[1; 200]),
        up(0x89, b"1"),
        Wait(9),
        down(0x8a, b"1"),
        up(0x89, b"2"),
        Wait(29),
        down(0x8a, b"2"),
        Wait(4999),
    ];
    let r = run(&local(&acts), options(&NUMBERED));
    let (event, info) = r.events.iter().find(|(e, _)| e.draft.kind == "session").unwrap();
    let v = as_json(event, info);
    for (name, want) in [
        ("websocket.client_messages", 1_u64),
        ("websocket.server_messages", 1),
        ("websocket.client_bytes", 5),
        ("websocket.server_bytes", 200),
        // Heads of 6 bytes, and of 4 and 2.
        ("websocket.client_frame_bytes", 11 + 7 + 7 + 8),
        ("websocket.server_frame_bytes", 204 + 3 + 3 + 4),
        ("websocket.pings", 2),
        ("websocket.pongs", 2),
        ("websocket.unanswered_pings", 0),
        ("websocket.ping_min_ns", 10_000_000),
        ("websocket.ping_mean_ns", 20_000_000),
        ("websocket.ping_max_ns", 30_000_000),
        ("websocket.longest_silence_ns", 5_000_000_000),
    ] {
        assert_eq!(v["fields"][name], want, "{name}");
    }
    let Some(framescope::facts::Facts::Session(f)) = &event.draft.facts else { panic!() };
    assert_eq!((f.messages, f.payload_bytes, f.frame_bytes), ([1, 1], [5, 200], [33, 214]));
    let head = request("/", "").len() + response(&accept(KEY), "").len();
    assert_eq!(f.handshake_bytes, head as u64);
    let lens: Vec<_> = f.digests.iter().map(|d| (d.from_client, d.len, d.at.packet.0)).collect();
    assert_eq!(lens, [(true, 5, 6), (false, 200, 7)]);
    assert!(f.digests.iter().all(|d| d.payload != 0 && d.wire != 0));
}
