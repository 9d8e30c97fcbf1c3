//! Bytes in, exactly what children are told out.

use crate::base::Side::{self, Client, Server};
use crate::proto::EndCause::{self, CaptureEnded, Finished};
use crate::proto::Input;
use crate::proto::harness::{Recorder, Told};
use crate::proto::http1::Http1;

mod heads;
mod holes;
mod hostile;
mod odd;

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
fn an_upgrade_by_another_status_is_one() {
    let ok: &[u8] = b"HTTP/1.1 200 OK\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nserver";
    check(
        &runs(&[(Client, UPGRADE), (Server, ok), (Client, b"client")], Finished),
        &[
            "1 exchange",
            "> GET /ws",
            "> end",
            "< 200",
            "< end",
            "closed",
            "2 websocket",
            "> GET /ws",
            "< 200",
            "< \"server\"",
            "> \"client\"",
            "> end",
            "< end",
            "closed",
        ],
        &[],
    );
    // One with a body is an answer, whatever it says of other protocols.
    let ok: &[u8] =
        b"HTTP/1.1 200 OK\r\nUpgrade: h2\r\nConnection: Upgrade\r\nContent-Length: 2\r\n\r\nno";
    let r = runs(&[(Client, UPGRADE), (Server, ok)], Finished);
    assert!(lines(&r).contains(&"< \"no\"".to_owned()));
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
            "closed",
            // Hears both heads, and nothing else.
            "2 websocket",
            "> GET /ws",
            "< 200",
            "> end",
            "< end",
            "closed",
            "3 exchange",
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

/// The request asked for something else: it is not the first one of what the server names, and
/// what follows is looked at for what it is.
#[test]
fn a_protocol_that_was_not_offered_has_no_request() {
    let answer =
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\nwhat";
    check(
        &runs(&[(Client, UPGRADE), (Server, answer)], Finished),
        &[
            "1 exchange",
            "> GET /ws",
            "> end",
            "< 101",
            "< end",
            "closed", //
            "2 bytes",
            "< \"what\"",
            "> end",
            "< end",
            "closed",
        ],
        &["http1.upgrade-not-offered"],
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
fn a_response_long_before_a_request_did_not_answer_it() {
    let (mut r, mut m) = (Recorder::new(), Http1::new());
    r.bytes(&mut m, Server, b"HTTP/1.1 204 No Content\r\n\r\n", 1460);
    // 21 ms of other packets.
    for _ in 0..21_000 {
        r.input(&mut m, Input::Datagram { side: Client, offset: 0, data: b"" });
    }
    r.bytes(&mut m, Client, GET, 1460);
    r.bytes(&mut m, Server, b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 1460);
    check(
        &r,
        &[
            "1 exchange",
            "> GET /a",
            "> end",
            "< 200",
            "< end",
            "closed",
            "2 exchange",
            "< 204",
            "< end",
            "> cut",
            "closed",
        ],
        &["http1.response-without-request"],
    );
}
