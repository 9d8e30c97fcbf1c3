//! Each finding on the capture that was crafted for it, and on no other.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use framescope::engine::Options;
use framescope::finding::Severity::{self, Error, Note, Warning};

use crate::check;
use crate::support::{NUMBERED, Owned, options, pack, run};
use crate::wire::{
    Do, Down, FAR, Fin, KEY, LOCAL, Up, Wait, Wire, accept, bye, code, down, local, raw, request,
    response, talk, up, with,
};

/// A capture, and all that is found in it.
type Case = (&'static str, Vec<Owned>, Vec<(&'static str, Severity, &'static str)>);

const ABNORMAL: (&str, Severity, &str) = ("websocket.abnormal-closure", Warning, "RFC 6455 §7.1.5");
const ON_ERROR: (&str, Severity, &str) = ("websocket.closed-on-error", Warning, "RFC 6455 §7.4.1");
const NOBODY: (&str, Severity, &str) = ("websocket.no-authentication", Note, "RFC 6455 §10.5");

fn handshakes() -> Vec<Case> {
    let ok = || response(&accept(KEY), "");
    let shaken = |request: &str, response: &str| with(LOCAL, request, response, &bye());
    let key16 = request("/", "");
    let declined = |request: &str, status: &str| {
        let response = format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n");
        with(LOCAL, request, &response, &[Fin(false), Fin(true)])
    };
    vec![
        (
            "accept mismatch",
            shaken(&key16, &response("s3pPLMBiTxaQ9kYGzzhZRbK+xOp=", "")),
            vec![("websocket.accept-mismatch", Error, "RFC 6455 §4.2.2")],
        ),
        (
            "an answer without Upgrade",
            shaken(&key16, &ok().replace("Upgrade: websocket\r\n", "")),
            vec![
                ("http1.upgrade-unnamed", Error, "RFC 9110 §15.2.2"),
                ("websocket.bad-response", Error, "RFC 6455 §4.1"),
            ],
        ),
        (
            "an answer without Connection",
            shaken(&key16, &ok().replace("Connection: Upgrade\r\n", "")),
            vec![("websocket.bad-response", Error, "RFC 6455 §4.1")],
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
            "declined: another version",
            declined(&key16.replace("Version: 13", "Version: 99"), "426 Upgrade Required"),
            vec![("websocket.bad-version", Error, "RFC 6455 §4.1")],
        ),
        (
            "declined: a key that is not 16 bytes",
            declined(&key16.replace(KEY, "c2hvcnQ="), "400 Bad Request"),
            vec![("websocket.bad-key", Error, "RFC 6455 §4.1")],
        ),
        ("declined for another reason", declined(&key16, "403 Forbidden"), vec![]),
        (
            "declined: another upgrade",
            declined(&key16.replace("websocket", "h2c"), "200 OK"),
            vec![],
        ),
        (
            "two keys",
            shaken(&request("/", &format!("Sec-WebSocket-Key: {KEY}\r\n")), &ok()),
            vec![("websocket.bad-key", Error, "RFC 6455 §4.1")],
        ),
        (
            "POST",
            shaken(&key16.replace("GET", "POST"), &ok()),
            vec![("websocket.bad-request", Error, "RFC 6455 §4.1")],
        ),
        (
            "HTTP/1.0",
            shaken(&key16.replace("HTTP/1.1", "HTTP/1.0"), &ok()),
            vec![("websocket.bad-request", Error, "RFC 6455 §4.1")],
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
            "a masking key twenty keys later",
            local(&(0..=20).map(|i| Up(raw(0x81, Some(7 + i % 20), 0, b"x"))).collect::<Vec<_>>()),
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
        (
            "unanswered ping behind a bad key",
            with(
                LOCAL,
                &request("/", "").replace(KEY, "c2hvcnQ="),
                &response(&accept("c2hvcnQ="), ""),
                &[vec![up(0x89, b"?"), Wait(5000)], bye()].concat(),
            ),
            vec![("websocket.bad-key", Error, "RFC 6455 §4.1"), ping],
        ),
        (
            "a ping behind a frame for which the server should go",
            local(&[up(0xa1, b"x"), up(0x89, b"?"), Wait(5000)]),
            vec![("websocket.rsv-without-extension", Error, "RFC 6455 §5.2")],
        ),
        (
            "a server that does not go for it, and then is silent",
            local(&[up(0xa1, b"x"), up(0x89, b"1"), down(0x8a, b"1"), up(0x89, b"2"), Wait(5000)]),
            vec![("websocket.rsv-without-extension", Error, "RFC 6455 §5.2"), ping],
        ),
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
        (
            "markup that is escaped",
            local(&[
                down(0x81, b"&lt;script&gt;f()&lt;/script&gt; &#60;img src=x onerror=f()&#62;"),
                down(0x81, br#"{"text":"\u0026lt;script\u0026gt;f()"}"#),
            ]),
            vec![],
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
        (
            "a token in the query, on one computer",
            talk(LOCAL, "/?access_token=SECRET", "", &bye()),
            vec![token],
        ),
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
            vec![("websocket.many-connections", Warning, "RFC 6455 §10.4"), NOBODY],
        ),
        (
            "many connections at a time",
            many(120, 5000, one),
            vec![
                ("websocket.many-connections", Warning, "RFC 6455 §10.4"),
                NOBODY,
                // They wait ten minutes for one another.
                ("websocket.no-heartbeat", Warning, "RFC 6455 §5.5.2"),
            ],
        ),
        (
            // All that is kept of one address: 1024 sessions.
            "very many connections at a time",
            many(1100, 2100, one),
            vec![
                ("websocket.many-connections", Warning, "RFC 6455 §10.4"),
                NOBODY,
                ("websocket.no-heartbeat", Warning, "RFC 6455 §5.5.2"),
            ],
        ),
        ("thirty connections", many(30, 100, one), vec![NOBODY]),
        ("of many addresses", many(40, 100, |i| Ipv4Addr::new(127, 0, 1, i as u8)), vec![NOBODY]),
    ]
}

#[test]
fn each_finding_is_on_its_capture_and_nothing_else_is() {
    let mut all = [handshakes(), frames(), closes(), sessions()].concat();
    // Nobody says who he is there, but where there are cookies.
    for (name, _, want) in all.iter_mut().filter(|(n, ..)| !n.ends_with("with cookies")) {
        if !name.starts_with("declined") {
            want.push(NOBODY);
            want.sort_unstable();
        }
    }
    all.extend(exposed());
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
pub(crate) const LIST: [&str; 33] = [
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
