//! Bytes in, exactly what children are told out.

use std::ops::Range;

use proptest::prelude::*;

use crate::base::Side::{self, Client, Server};
use crate::base::{BufferId, CaptureTime, Moment, PacketId, PacketRange, Piece};
use crate::event::{Detail, Draft, Level};
use crate::field::{In, NoSink, TreeSink, Value};
use crate::finding::Finding;
use crate::proto::EndCause::{self, CaptureEnded, Finished};
use crate::proto::harness::{Recorder, Told};
use crate::proto::http1::{Http1, probe, wire};
use crate::proto::{Child, Chunk, Input, Machine, Out, PayloadHint, Probe, Progress, Verdict};

const SIZES: [usize; 5] = [1, 2, 3, 7, 1460];

/// A run of one connection: who said what, then both ends.
fn run(size: usize, talk: &[(Side, &[u8])], cause: EndCause) -> Recorder {
    let (mut r, mut m) = (Recorder::new(), Http1::new());
    r.wants = |_| false;
    for (side, bytes) in talk {
        r.bytes(&mut m, *side, bytes, size);
    }
    r.end(&mut m, Client, cause);
    r.end(&mut m, Server, cause);
    r
}

/// The same for every chunk size; the run in one piece is given.
fn runs(talk: &[(Side, &[u8])], cause: EndCause) -> Recorder {
    let first = run(SIZES[0], talk, cause);
    for size in SIZES {
        let r = run(size, talk, cause);
        // The two directions of a child may take turns otherwise.
        let each = |r: &Recorder, c| {
            lines(r).into_iter().filter(|l| !l.starts_with(c)).collect::<Vec<_>>()
        };
        assert_eq!(each(&r, '>'), each(&first, '>'), "chunks of {size}");
        assert_eq!(each(&r, '<'), each(&first, '<'), "chunks of {size}");
        assert_eq!(r.codes(), first.codes(), "chunks of {size}");
        assert_eq!(r.refused, first.refused, "chunks of {size}");
    }
    run(1460, talk, cause)
}

/// Children as short lines: `1 exchange`, `> GET /a`, `> +3`, `< 200`, `> end`.
fn lines(r: &Recorder) -> Vec<String> {
    let mut out = Vec::new();
    for (key, (how, _, told)) in &r.children {
        out.push(format!("{key} {how}"));
        out.extend(told.iter().map(line));
    }
    out
}

fn arrow(side: &Side) -> char {
    if *side == Client { '>' } else { '<' }
}

fn line(told: &Told) -> String {
    let get = |h: &[(String, String)], n: &str| {
        h.iter().find(|(k, _)| k == n).map(|(_, v)| v.clone()).unwrap_or_default()
    };
    match told {
        Told::Bytes(s, b) => format!("{} {:?}", arrow(s), String::from_utf8_lossy(b)),
        Told::Head(Client, h, _) => format!("> {} {}", get(h, ":method"), get(h, ":path")),
        Told::Head(Server, h, _) => format!("< {}", get(h, ":status")),
        Told::Trailers(s, h) => format!("{} trailers {h:?}", arrow(s)),
        Told::Reset(s, c) => format!("{} reset {c}", arrow(s)),
        Told::Gap(s, n) => format!("{} gap {n}", arrow(s)),
        Told::End(s, Finished) => format!("{} end", arrow(s)),
        Told::End(s, _) => format!("{} cut", arrow(s)),
        Told::Closed => "closed".into(),
    }
}

#[track_caller]
fn check(r: &Recorder, expected: &[&str], codes: &[&str]) {
    assert_eq!(lines(r), expected);
    assert_eq!(r.codes(), codes);
}

const GET: &[u8] = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n";

#[test]
fn a_request_and_its_response() {
    let talk: &[(Side, &[u8])] = &[
        (Client, b"POST /a?b=1 HTTP/1.1\r\nHost: h:1\r\nContent-Length: 3\r\n\r\nabc"),
        (Server, b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
    ];
    let r = runs(talk, Finished);
    check(
        &r,
        &[
            "1 exchange",
            "> POST /a?b=1",
            "> \"abc\"",
            "> end",
            "< 200",
            "< \"hello\"",
            "< end",
            "closed",
        ],
        &[],
    );
    let Told::Head(_, h, end) = &r.children[&1].2[0] else { panic!() };
    let h: Vec<_> = h.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
    assert_eq!(
        h,
        [
            (":method", "POST"),
            (":path", "/a?b=1"),
            (":authority", "h:1"),
            ("Host", "h:1"),
            ("Content-Length", "3")
        ]
    );
    assert!(!end);
    assert_eq!(r.refused, [0, 0]);
}

#[test]
fn pipelined_requests_get_their_responses_in_order() {
    let talk: &[(Side, &[u8])] = &[
        (
            Client,
            b"GET /1 HTTP/1.1\r\nHost: h\r\n\r\nHEAD /2 HTTP/1.1\r\nHost: h\r\n\r\nGET /3 HTTP/1.1\r\nHost: h\r\n\r\n",
        ),
        (
            Server,
            b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\n\r\n\
              HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n\
              HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx",
        ),
    ];
    check(
        &runs(talk, Finished),
        &[
            "1 exchange",
            "> GET /1",
            "> end",
            "< 304",
            "< end",
            "closed", //
            "2 exchange",
            "> HEAD /2",
            "> end",
            "< 200",
            "< end",
            "closed", //
            "3 exchange",
            "> GET /3",
            "> end",
            "< 200",
            "< \"x\"",
            "< end",
            "closed",
        ],
        &[],
    );
}

#[test]
fn chunked_bodies_lose_their_chunks() {
    let talk: &[(Side, &[u8])] = &[
        (Client, GET),
        (
            Server,
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, Chunked\r\nTrailer: X\r\n\r\n\
              5\r\nhello\r\n00000000000000000007 ;a=b;c=\"d\"\r\n, world\r\n0\r\nX: 1\r\nY: 2\r\n\r\n",
        ),
        (Client, GET),
        (Server, b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
    ];
    check(
        &runs(talk, Finished),
        &[
            "1 exchange",
            "> GET /a",
            "> end",
            "< 200",
            "< \"hello, world\"",
            "< trailers [(\"X\", \"1\"), (\"Y\", \"2\")]",
            "< end",
            "closed", //
            "2 exchange",
            "> GET /a",
            "> end",
            "< 200",
            "< end",
            "closed",
        ],
        &[],
    );
}

#[test]
fn a_response_without_a_length_ends_with_the_connection() {
    let talk: &[(Side, &[u8])] =
        &[(Client, b"GET / HTTP/1.0\r\n\r\n"), (Server, b"HTTP/1.0 200 OK\r\n\r\nall of it")];
    let said = ["1 exchange", "> GET /", "> end", "< 200", "< \"all of it\""];
    check(&runs(talk, Finished), &[&said[..], &["< end", "closed"]].concat(), &[]);
    check(&runs(talk, CaptureEnded), &[&said[..], &["< cut", "closed"]].concat(), &[]);
}

#[test]
fn a_request_without_a_response_is_told_so() {
    check(
        &runs(&[(Client, GET), (Client, GET)], CaptureEnded),
        &[
            "1 exchange",
            "> GET /a",
            "> end",
            "< cut",
            "closed", //
            "2 exchange",
            "> GET /a",
            "> end",
            "< cut",
            "closed",
        ],
        &[],
    );
    // The server went first: a request behind its end waits for nobody.
    let (mut r, mut m) = (Recorder::new(), Http1::new());
    r.end(&mut m, Server, Finished);
    r.bytes(&mut m, Client, GET, 9);
    check(&r, &["1 exchange", "> GET /a", "> end", "< end", "closed"], &[]);
}

#[test]
fn one_hundred_continue() {
    let ask: &[u8] =
        b"PUT /a HTTP/1.1\r\nHost: h\r\nExpect: 100-Continue\r\nContent-Length: 3\r\n\r\n";
    let talk: &[(Side, &[u8])] = &[
        (Client, ask),
        (Server, b"HTTP/1.1 100 Continue\r\n\r\n"),
        (Client, b"abc"),
        (Server, b"HTTP/1.1 201 Created\r\nContent-Length: 0\r\n\r\n"),
    ];
    check(
        &runs(talk, Finished),
        &["1 exchange", "> PUT /a", "< 100", "> \"abc\"", "> end", "< 201", "< end", "closed"],
        &[],
    );
    // Refused, the client goes on without the body.
    let refused: &[u8] = b"HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n";
    let talk: &[(Side, &[u8])] = &[
        (Client, ask),
        (Server, refused),
        (Client, GET),
        (Server, b"HTTP/1.1 204 No Content\r\n\r\n"),
    ];
    check(
        &runs(talk, Finished),
        &[
            "1 exchange",
            "> PUT /a",
            "< 417",
            "< end",
            "> end",
            "closed", //
            "2 exchange",
            "> GET /a",
            "> end",
            "< 204",
            "< end",
            "closed",
        ],
        &["http1.body-withheld"],
    );
    // Refused, and gone.
    check(
        &runs(&[(Client, ask), (Server, refused)], Finished),
        &["1 exchange", "> PUT /a", "< 417", "< end", "> end", "closed"],
        &["http1.body-withheld"],
    );
    // Refused, and the body sent all the same.
    check(
        &runs(&[(Client, ask), (Server, refused), (Client, b"GET")], Finished),
        &["1 exchange", "> PUT /a", "< 417", "< end", "> \"GET\"", "> end", "closed"],
        &[],
    );
}

const UPGRADE: &[u8] =
    b"GET /ws HTTP/1.1\r\nHost: h\r\nConnection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n\r\n";
const SWITCH: &[u8] =
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n";

#[test]
fn an_upgrade_hands_both_directions_over() {
    let expected = [
        "1 exchange",
        "> GET /ws",
        "> end",
        "< 101",
        "< end",
        "closed", //
        "2 websocket",
        "> GET /ws",
        "< 101",
        "< \"\\u{1}server\"",
        "> \"client\"",
        "> end",
        "< end",
        "closed",
    ];
    let answer = [SWITCH, b"\x01server"].concat();
    check(
        &runs(&[(Client, UPGRADE), (Server, &answer), (Client, b"client")], Finished),
        &expected,
        &[],
    );
    // The client's frames were captured before the answer.
    let ask = [UPGRADE, b"client"].concat();
    let r = runs(&[(Client, &ask), (Server, &answer)], Finished);
    check(&r, &expected, &[]);
    let Told::Head(_, h, _) = &r.children[&2].2[0] else { panic!() };
    assert!(h.iter().any(|(n, v)| n == "Upgrade" && v == "WebSocket"));
}

#[test]
fn an_upgrade_that_is_declined_goes_on_as_http() {
    let ok: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nno";
    let ask = [UPGRADE, GET].concat();
    check(
        &runs(&[(Client, &ask), (Server, ok), (Server, ok)], Finished),
        &[
            "1 exchange",
            "> GET /ws",
            "> end",
            "< 200",
            "< \"no\"",
            "< end",
            "closed", //
            "2 exchange",
            "> GET /a",
            "> end",
            "< 200",
            "< \"no\"",
            "< end",
            "closed",
        ],
        &[],
    );
}

#[test]
fn h2c_waits_for_the_body_of_its_request() {
    let talk: &[(Side, &[u8])] = &[
        (
            Client,
            b"POST / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n\
              HTTP2-Settings: AAMAAABkAAQAAP__\r\nContent-Length: 4\r\n\r\nbo",
        ),
        (Server, b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nFF"),
        (Client, b"dyPRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"),
    ];
    check(
        &runs(talk, CaptureEnded),
        &[
            "1 exchange",
            "> POST /",
            "> \"bo\"",
            "< 101",
            "< end",
            "> \"dy\"",
            "> end",
            "closed", //
            "2 h2c",
            "> POST /",
            "< 101",
            "< \"FF\"",
            "> \"PRI * HTTP/2.0\\r\\n\\r\\nSM\\r\\n\\r\\n\"",
            "> cut",
            "< cut",
            "closed",
        ],
        &[],
    );
}

#[test]
fn connect_opens_a_tunnel_or_does_not() {
    let ask: &[u8] = b"CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\n\r\n";
    let talk: &[(Side, &[u8])] = &[
        (Client, ask),
        (Server, b"HTTP/1.1 200 Connection established\r\n\r\n"),
        (Client, b"\x16\x03\x01"),
        (Server, b"\x16\x03\x03"),
    ];
    check(
        &runs(talk, Finished),
        &[
            "1 exchange",
            "> CONNECT h:443",
            "> end",
            "< 200",
            "< end",
            "closed", //
            "2 bytes",
            "> \"\\u{16}\\u{3}\\u{1}\"",
            "< \"\\u{16}\\u{3}\\u{3}\"",
            "> end",
            "< end",
            "closed",
        ],
        &[],
    );
    let talk: &[(Side, &[u8])] = &[
        (Client, ask),
        (Server, b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n"),
        (Client, GET),
    ];
    check(
        &runs(talk, Finished),
        &[
            "1 exchange",
            "> CONNECT h:443",
            "> end",
            "< 407",
            "< end",
            "closed", //
            "2 exchange",
            "> GET /a",
            "> end",
            "< end",
            "closed",
        ],
        &[],
    );
}

#[test]
fn one_direction_alone() {
    // Responses alone: each an exchange of its own.
    let ok = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    let alone = ["< 200", "< \"ok\"", "< end", "> cut", "closed"];
    let r = run(7, &[(Server, &[&ok[..], &ok[..]].concat())], CaptureEnded);
    check(
        &r,
        &[&["1 exchange"][..], &alone, &["2 exchange"], &alone].concat(),
        &["http1.response-without-request"; 2],
    );
    // An agreed upgrade of which the server's half was captured.
    let r = run(7, &[(Server, &[SWITCH, b"frames"].concat())], CaptureEnded);
    check(
        &r,
        &[
            "1 exchange",
            "< 101",
            "< end",
            "> cut",
            "closed",
            "2 websocket",
            "< 101",
            "> cut",
            "< \"frames\"",
            "< cut",
            "closed",
        ],
        &["http1.response-without-request"],
    );
    // And one of which the client's half was.
    let r = run(7, &[(Client, &[UPGRADE, b"frames"].concat())], CaptureEnded);
    check(
        &r,
        &[
            "1 exchange",
            "> GET /ws",
            "> end",
            "< cut",
            "closed", //
            "2 websocket",
            "> GET /ws",
            "> \"frames\"",
            "> cut",
            "< cut",
            "closed",
        ],
        &[],
    );
    // More requests than are followed.
    let many = GET.repeat(1030);
    let r = run(1460, &[(Client, &many)], CaptureEnded);
    assert_eq!(r.children.len(), 1030);
    assert_eq!(r.codes(), ["http1.too-many-requests"; 6]);
}

#[test]
fn a_response_that_was_captured_first_waits_for_its_request() {
    let (mut r, mut m) = (Recorder::new(), Http1::new());
    r.bytes(&mut m, Server, b"HTTP/1.1 204 No Content\r\n\r\n", 9);
    assert!(r.children.is_empty());
    r.bytes(&mut m, Client, GET, 9);
    check(&r, &["1 exchange", "> GET /a", "> end", "< 204", "< end", "closed"], &[]);
}

#[test]
fn resets_gaps_and_bodies_cut_off() {
    // RST in a body.
    let (mut r, mut m) = (Recorder::new(), Http1::new());
    r.bytes(&mut m, Client, GET, 9);
    r.bytes(&mut m, Server, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", 9);
    r.input(&mut m, Input::Reset { side: Client, code: 0 });
    r.end(&mut m, Server, Finished);
    check(
        &r,
        &["1 exchange", "> GET /a", "> end", "< 200", "< \"abc\"", "> reset 0", "closed"],
        &[],
    );
    // FIN in a body.
    let talk: &[(Side, &[u8])] =
        &[(Client, GET), (Server, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")];
    let told = ["1 exchange", "> GET /a", "> end", "< 200", "< \"abc\"", "< cut", "closed"];
    check(&runs(talk, Finished), &told, &["http1.body-cut"]);
    check(&runs(talk, CaptureEnded), &told, &[]);
    // A gap within a body of known length, and one beyond it.
    for (len, tail, codes) in [
        (3, &["< gap 3", "< \"ghi\"", "< end", "closed", "2 exchange"][..], &[][..]),
        (9, &["< gap 6", "< cut", "closed"], &["http1.gap"]),
    ] {
        let (mut r, mut m) = (Recorder::new(), Http1::new());
        r.bytes(&mut m, Client, GET, 9);
        r.bytes(&mut m, Server, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc", 9);
        r.gap(&mut m, Server, len);
        r.bytes(&mut m, Server, b"ghiHTTP/1.1 204 No Content\r\n\r\n", 9);
        if codes.is_empty() {
            r.bytes(&mut m, Client, GET, 9);
        }
        let said = ["1 exchange", "> GET /a", "> end", "< 200", "< \"abc\""];
        let expected = [&said[..], tail].concat();
        assert_eq!(lines(&r)[..expected.len()], expected);
        assert_eq!(r.codes(), codes);
    }
}

#[test]
fn each_oddity_is_found_once() {
    let head = |more: &str| format!("GET /a HTTP/1.1\r\nHost: h\r\n{more}\r\n");
    let asks: &[(String, &[&str])] = &[
        (format!("\r\n\r\n{}", head("")), &["http1.leading-crlf"]),
        ("GET /a HTTP/1.1\nHost: h\r\nA: b\n\n".into(), &["http1.bare-lf"]),
        (head("A: b\rc\r\n"), &["http1.bare-cr"]),
        (head("A: b\r\n c\r\n\td\r\n"), &["http1.obs-fold"]),
        ("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n".into(), &["http1.bad-target"]),
        (head("nonsense\r\nmore\r\n"), &["http1.bad-field-line"]),
        (head(":path: /b\r\n"), &["http1.bad-field-line"]),
        (head("A : b\r\n"), &["http1.space-before-colon"]),
        (head("Host: i\r\n"), &["http1.no-host"]),
        ("GET /a HTTP/1.1\r\n\r\n".into(), &["http1.no-host"]),
        ("GET /a HTTP/1.0\r\n\r\n".into(), &[]),
        (head("Content-Length: 0\r\nContent-Length: 0, 0\r\n"), &["http1.repeated-content-length"]),
        (head("Content-Length: 1\r\nContent-Length: 2\r\n"), &["http1.bad-content-length"]),
        (head("Content-Length: +1\r\n"), &["http1.bad-content-length"]),
        (head("Content-Length: 99999999999999999999\r\n"), &["http1.bad-content-length"]),
        (
            head("Content-Length: 1\r\nTransfer-Encoding: chunked\r\n") + "0\r\n\r\n",
            &["http1.length-and-coding"],
        ),
        (head("Transfer-Encoding: chunked, gzip\r\n"), &["http1.bad-transfer-coding"]),
        (
            "GET /a HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n".into(),
            &["http1.coding-in-http10"],
        ),
        (head("Transfer-Encoding: chunked\r\n") + "x\r\n", &["http1.bad-chunk"]),
        (head("Transfer-Encoding: chunked\r\n") + "1\r\nabc", &["http1.bad-chunk"]),
        (head("Transfer-Encoding: chunked\r\n") + "11111111111111111\r\n", &["http1.bad-chunk"]),
        (head("Transfer-Encoding: chunked\r\n") + "1\na\r\n0\r\n\r\n", &["http1.bare-lf"]),
        (head("Upgrade: x\r\n"), &["http1.upgrade-not-in-connection"]),
        (head("") + "\x16\x03\x01\r\n", &["http1.bad-start-line"]),
        (head("").trim_end().to_owned(), &["http1.head-cut"]),
        (head(&"A: b\r\n".repeat(5000)), &["http1.head-too-large"]),
        (head(&format!("A: {}\r\n", "b".repeat(300_000))), &["http1.head-too-large"]),
    ];
    for (ask, codes) in asks {
        let sizes = if ask.len() > 10_000 { &SIZES[3..] } else { &SIZES[..] };
        for size in sizes {
            let r = run(*size, &[(Client, ask.as_bytes())], CaptureEnded);
            assert_eq!(r.codes(), *codes, "{} in chunks of {size}", &ask[..ask.len().min(90)]);
        }
    }
    let answers: &[(&[u8], &[&str])] = &[
        (b"HTTP/1.1 101 x\r\n\r\n", &["http1.upgrade-unnamed"]),
        (b"HTTP/1.1 101 x\r\nUpgrade: other\r\n\r\n", &["http1.upgrade-not-offered"]),
        (
            b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\nHTTP/1.1 204 x\r\n\r\n",
            &["http1.response-without-request", "http1.bytes-after-close"],
        ),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1, 2\r\n\r\nx", &["http1.bad-content-length"]),
        (b"HTTP/1.1 2000 OK\r\n\r\n", &["http1.bad-start-line"]),
        (b"SSH-2.0-x\r\n", &["http1.bad-start-line"]),
    ];
    for (answer, codes) in answers {
        for size in SIZES {
            let r = run(size, &[(Client, UPGRADE), (Server, answer)], Finished);
            assert_eq!(r.codes(), *codes, "{}", answer.escape_ascii());
        }
    }
}

#[test]
fn every_finding_is_in_the_list_once() {
    let mut codes: Vec<_> = super::findings::FINDINGS.iter().map(|f| f.code).collect();
    let n = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), n);
    assert!(codes.iter().all(|c| c.starts_with("http1.")));
}

/// The leaves of a head cover each of its bytes exactly once.
#[track_caller]
fn assert_tiled(nodes: &crate::field::Tree, len: usize) {
    let mut at = 0;
    for n in nodes.leaves() {
        let s = n.span.expect("a leaf on the wire");
        assert_eq!((s.buffer, s.start), (BufferId(0), at), "{}", n.spec.name);
        assert!(s.len > 0);
        at = s.end();
    }
    assert_eq!(at as usize, len);
}

#[test]
fn a_head_is_tiled_and_named() {
    let heads: &[(Side, &[u8])] = &[
        (Client, b"GET /a?b HTTP/1.1\r\nhost: x\r\nX-Mine:  v \r\nnonsense\r\nUser-Agent: a\r\n b\r\n\r\n"),
        (Server, b"HTTP/1.1 404 Not Found\r\nServer: s\nX-Mine:\r\n\n"),
        (Server, b"HTTP/1.1 200\r\n\r\n"),
        (Server, b"HTTP/1.1 200 \r\n\r\n"),
    ];
    for (side, bytes) in heads {
        let (sink, mut h) = (TreeSink::new(), crate::proto::Headers::new());
        let mut odd = super::message::Odd::default();
        let s = super::message::read(bytes, Some(*side), &sink, &mut h, &mut odd);
        assert!(s.whole);
        assert_eq!(s.len, bytes.len());
        let mut tree = sink.into_tree();
        super::message::name_nodes(&mut tree, &h);
        assert_tiled(&tree, bytes.len());
        // The same without a listener.
        let mut quiet = crate::proto::Headers::new();
        super::message::read(bytes, Some(*side), &NoSink, &mut quiet, &mut odd);
        assert_eq!(format!("{h:?}"), format!("{quiet:?}"));
        for (_, value, f) in h.iter() {
            if let Some(s) = f.span {
                let raw = &bytes[s.start as usize..s.end() as usize];
                let joined = raw.iter().filter(|b| !b"\r\n".contains(b));
                assert!(joined.eq(value.iter()), "{value:?} lies at {raw:?}");
            }
        }
        if *side == Client {
            let value = |n: &str| tree.find(n).map(|n| n.value.clone());
            let text = |s: &str| Some(Value::Text(s.into()));
            assert_eq!(value("http.request.method"), text("GET"));
            assert_eq!(value("http.request.uri"), text("/a?b"));
            assert_eq!(value("http.request.version"), text("HTTP/1.1"));
            assert_eq!(value("http.host"), text("x"));
            assert_eq!(value("http.user_agent"), text("a b"));
            let mine = tree.find("http.header").unwrap();
            assert_eq!(mine.name.as_deref(), Some("X-Mine"));
            assert_eq!(mine.value, Value::Text("v".into()));
        }
    }
    // Chunk lines too.
    for bytes in [&b"1f;a=b\r\n"[..], b"0\n", b"\r\n", b"zz \r\n"] {
        let sink = TreeSink::new();
        wire::chunk_line(In::new(bytes, BufferId(0), 0, &sink)).unwrap();
        assert_tiled(&sink.into_tree(), bytes.len());
    }
}

/// A world that keeps the details of the heads that children are told.
struct Spy {
    r: Recorder,
    map: crate::base::StreamMap,
    details: Vec<Detail>,
}

impl Out for Spy {
    fn wants(&self, level: Level) -> bool {
        level == Level::Message
    }
    fn payload_cap(&self) -> usize {
        0
    }
    fn now(&self) -> Moment {
        Moment::default()
    }
    fn moment(&self, _: Side, offset: u64) -> Moment {
        self.map.moment(offset).unwrap()
    }
    fn ready(&self, _: Side, offset: u64) -> Moment {
        self.map.ready(offset).unwrap()
    }
    fn pieces(&self, _: Side, range: Range<u64>, each: &mut dyn FnMut(Piece)) {
        self.map.pieces(range.start, range.end, |p, _| each(p));
    }
    fn emit(&mut self, draft: Draft) {
        self.r.emit(draft);
    }
    fn finding(&mut self, finding: Finding) {
        self.r.finding(finding);
    }
    fn inflated(&mut self, _: u64) {}
    fn open(&mut self, child: Child<'_>) -> bool {
        self.r.open(child)
    }
    fn pass(&mut self, key: u64, side: Side, offset: u64, data: &[u8]) {
        self.r.pass(key, side, offset, data);
    }
    fn pass_made(&mut self, _: u64, _: Side, _: Range<u64>, _: &[u8], _: bool) {}
    fn tell(&mut self, key: u64, input: Input<'_>) {
        if let Input::Head(h) = input {
            self.details.extend(h.detail.cloned());
            assert_eq!((h.start.packet, h.ready.packet), (PacketId(3), PacketId(4)));
        }
        self.r.tell(key, input);
    }
    fn close(&mut self, key: u64) {
        self.r.close(key);
    }
    fn decode(
        &mut self,
        _: &PayloadHint<'_>,
        _: &[u8],
        _: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        None
    }
    fn method_pattern(&self, _: &str) -> Option<&'static str> {
        None
    }
}

#[test]
fn a_head_comes_with_its_bytes_where_messages_are_looked_at() {
    let mut map = crate::base::StreamMap::default();
    let at = |p| Moment { packet: PacketId(p), time: CaptureTime(0) };
    map.push(100, 20, at(3), 54);
    map.push(120, GET.len() as u32, at(4), 60);
    let mut spy = Spy { r: Recorder::new(), map, details: Vec::new() };
    let mut m = Http1::new();
    // Behind two empty lines, which are nobody's.
    let data = [b"\r\n\r\n", GET].concat();
    let chunk = Chunk { side: Client, offset: 100, data: &data, last: false };
    let p = m.feed(Input::Bytes(chunk), &mut spy);
    assert_eq!(p, Progress::took(data.len()));
    let d = &spy.details[0];
    assert_eq!(d.summary, "GET /a HTTP/1.1");
    let b = &d.origins.buffers()[0];
    assert_eq!((b.label, &b.bytes[..], b.len as usize), ("TCP stream", GET, GET.len()));
    assert_tiled(&d.tree, GET.len());
    let version = d.origins.locate(d.tree.find("http.request.version").unwrap().span.unwrap());
    let range = |packet, start, len| PacketRange { packet: PacketId(packet), start, len };
    assert_eq!(version.ranges, [range(3, 65, 8)]);
    let whole = d.origins.locate(crate::base::Span::bytes(BufferId(0), 0, b.len));
    assert_eq!(whole.ranges, [range(3, 58, 16), range(4, 60, GET.len() as u32 - 16)]);
    assert!(m.fork().is_some());
    assert!(m.memory() >= size_of::<Http1>());
}

#[test]
fn probing_knows_either_side() {
    let ask = |a: &[u8], b: &[u8], last| probe::probe(&Probe { data: [a, b], last });
    let yes = |client| Verdict::Yes { client: Some(client) };
    assert_eq!(ask(b"", b"", false), Verdict::More);
    for n in 1..GET.len() {
        let whole = GET[..n].contains(&b'\n');
        assert_eq!(ask(&GET[..n], b"", false), if whole { yes(Client) } else { Verdict::More });
    }
    let ok = b"HTTP/1.1 200 OK\r\n";
    for n in 1..ok.len() {
        assert_eq!(
            ask(b"", &ok[..n], false),
            if n >= 12 { yes(Client) } else { Verdict::More },
            "{n}"
        );
    }
    assert_eq!(ask(ok, b"", false), yes(Server));
    assert_eq!(ask(b"", GET, false), yes(Server));
    assert_eq!(ask(b"FROB /x HTTP/1.0\r\n", b"", false), yes(Client));
    assert_eq!(ask(b"\r\nGET / HTTP/1.1\r\n", b"", false), yes(Client));
    assert_eq!(ask(b"garbage\x00", ok, false), yes(Client));
    assert_eq!(ask(b"GET /ind", b"", true), yes(Client));
    for no in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"PRI ",
        b"\x16\x03\x01\x02\x00",
        b"SSH-2.0-OpenSSH\r\n",
        b"220 mail ESMTP\r\n",
        b"GET / HTTP/2.0\r\n",
        b"HTTP/2 200\r\n",
        b"HTTP/1.1 20x",
        b"GET \x00",
        b"\x00\x00\x00",
    ] {
        assert_eq!(ask(no, b"", false), Verdict::No, "{}", no.escape_ascii());
        assert_eq!(ask(no, b"", true), Verdict::No, "{}", no.escape_ascii());
    }
    let long = [b"GET /".to_vec(), vec![b'x'; 2000]].concat();
    assert_eq!(ask(&long, b"", false), yes(Client));
}

/// Pieces of HTTP, so that random talk gets somewhere.
fn talk() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let pieces: &[&[u8]] = &[
        GET,
        UPGRADE,
        SWITCH,
        b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 204 x\r\n\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"0\r\nX: 1\r\n\r\n",
        b"hello",
        b"\r\n",
        b"\n",
        b":",
        b" ",
    ];
    let piece = prop_oneof![
        8 => proptest::sample::select(pieces.to_vec()).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec((any::<bool>(), piece), 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn hostile_talk_never_panics(talk in talk(), gap in 0_u64..20, size in 1_usize..40) {
        let (mut r, mut m) = (Recorder::new(), Http1::new());
        for (i, (client, bytes)) in talk.iter().enumerate() {
            let side = if *client { Client } else { Server };
            if i == 7 && gap > 10 {
                r.gap(&mut m, side, gap);
            }
            r.bytes(&mut m, side, bytes, size);
        }
        r.end(&mut m, Client, CaptureEnded);
        r.end(&mut m, Server, Finished);
        // Every child that was opened was closed, told an end for each side, and
        // nothing behind it.
        for (key, (_, _, told)) in &r.children {
            prop_assert_eq!(told.last(), Some(&Told::Closed), "child {}", key);
            for side in Side::BOTH {
                let ends = told.iter().filter(|t| matches!(t, Told::End(s, _) if *s == side));
                prop_assert_eq!(ends.count(), 1, "child {} {}", key, side);
            }
            let closed = told.iter().filter(|t| **t == Told::Closed).count();
            prop_assert_eq!(closed, 1);
        }
    }

    #[test]
    fn chunks_do_not_show(talk in talk(), size in 1_usize..9) {
        // Said one after the other, so that order between the sides is the same.
        let said: Vec<(Side, &[u8])> = talk
            .iter()
            .map(|(c, b)| (if *c { Client } else { Server }, b.as_slice()))
            .collect();
        let (a, b) = (run(size, &said, CaptureEnded), run(1 << 20, &said, CaptureEnded));
        let each = |r: &Recorder, c| {
            lines(r).into_iter().filter(|l| !l.starts_with(c)).collect::<Vec<_>>()
        };
        prop_assert_eq!(each(&a, '>'), each(&b, '>'));
        prop_assert_eq!(each(&a, '<'), each(&b, '<'));
        let sorted = |r: &Recorder| {
            let mut c = r.codes();
            c.sort_unstable();
            c
        };
        prop_assert_eq!(sorted(&a), sorted(&b));
    }
}
