//! Bytes are missing: what goes on behind them, and whose it is.

use crate::base::Side::{self, Client, Server};
use crate::proto::EndCause::{CaptureEnded, Finished};
use crate::proto::harness::{Recorder, Told};
use crate::proto::http1::Http1;

use super::{GET, SWITCH, UPGRADE, check, lines};

/// What is said, each in a segment of its own.
#[derive(Clone)]
enum Say<'a> {
    Says(Side, &'a [u8]),
    /// So many bytes were not captured.
    Lost(Side, u64),
}
use Say::{Lost, Says};

fn talk(talk: &[Say<'_>]) -> Recorder {
    let (mut r, mut m) = (Recorder::new(), Http1::new());
    for t in talk {
        match t {
            Says(side, bytes) => r.bytes(&mut m, *side, bytes, 1460),
            Lost(side, len) => r.gap(&mut m, *side, *len),
        }
    }
    r.end(&mut m, Client, CaptureEnded);
    r.end(&mut m, Server, Finished);
    r
}

const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const FOUND: [&str; 6] = ["> GET /a", "> end", "< 200", "< \"ok\"", "< end", "closed"];

#[test]
fn behind_a_lost_answer_the_next_one_is_the_next_requests() {
    let missed = ["> GET /a", "> end", "< gap 0", "< cut", "closed"];
    let expected =
        [&["1 exchange"][..], &FOUND, &["2 exchange"], &missed, &["3 exchange"], &FOUND].concat();
    let len = OK.len() as u64;
    // The hole is told of at once, or only when more has come.
    let r = talk(&[
        Says(Client, GET),
        Says(Server, OK),
        Says(Client, GET),
        Lost(Server, len),
        Says(Client, GET),
        Says(Server, OK),
    ]);
    check(&r, &expected, &["http1.gap"]);
    let r = talk(&[
        Says(Client, GET),
        Says(Server, OK),
        Says(Client, GET),
        Says(Client, GET),
        Lost(Server, len),
        Says(Server, OK),
    ]);
    check(&r, &expected, &["http1.gap"]);
    // From within a body into the next answer's.
    let r = talk(&[
        Says(Client, GET),
        Says(Server, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
        Says(Client, GET),
        Lost(Server, 50),
        Says(Server, b"the rest of a body"),
        Says(Client, GET),
    ]);
    let cut = ["1 exchange", "> GET /a", "> end", "< 200", "< \"abc\"", "< gap 6", "< cut"];
    assert_eq!(lines(&r)[..7], cut);
    assert_eq!(r.refused[1], 18, "what cannot be placed is nobody's");
}

#[test]
fn behind_a_lost_request_each_answer_keeps_its_own() {
    let r = talk(&[
        Says(Client, GET),
        Says(Server, OK),
        Says(Server, b"HTTP/1.1 204 No Content\r\n\r\n"),
        Lost(Client, GET.len() as u64),
        Says(Client, GET),
        Says(Server, OK),
    ]);
    // Which answer is the lost one's is known when the next request has come.
    let orphan = ["3 exchange", "< 204", "< end", "> cut", "closed"];
    let expected = [&["1 exchange"][..], &FOUND, &["2 exchange"], &FOUND, &orphan].concat();
    check(&r, &expected, &["http1.gap", "http1.response-without-request"]);
    // The hole is told of when all has been said; what stands behind it comes next.
    let (mut r, mut m) = (Recorder::new(), Http1::new());
    r.path.waits = [true, false];
    r.bytes(&mut m, Client, GET, 1460);
    r.bytes(&mut m, Server, OK, 1460);
    r.bytes(&mut m, Server, b"HTTP/1.1 204 No Content\r\n\r\n", 1460);
    r.gap(&mut m, Client, GET.len() as u64);
    r.bytes(&mut m, Client, GET, 1460);
    r.bytes(&mut m, Server, OK, 1460);
    let told = lines(&r);
    let orphan = ["< 204", "< end", "> cut", "closed"];
    assert!(told.windows(4).any(|w| w == orphan), "{told:?}");
    let found = told.windows(FOUND.len()).filter(|w| *w == FOUND).count();
    assert_eq!(found, 2, "{told:?}");
}

#[test]
fn behind_a_lost_head_request_no_body_is_taken_from_what_follows() {
    let length: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 68\r\n\r\n";
    let chunked: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    for answer in [length, chunked] {
        let r = talk(&[
            Says(Client, GET),
            Says(Server, OK),
            Says(Server, answer),
            Lost(Client, 76),
            Says(Client, GET),
            Says(Server, OK),
        ]);
        let told = lines(&r);
        assert!(told.windows(2).any(|w| w == ["< 200", "< end"]), "{told:?}");
        let found = told.windows(FOUND.len()).filter(|w| *w == FOUND).count();
        assert_eq!(found, 2, "{told:?}");
        assert_eq!(r.codes(), ["http1.gap", "http1.response-without-request"]);
    }
}

#[test]
fn behind_a_head_that_is_cut_the_next_is_looked_for() {
    let len = OK.len() as u64;
    for cut in [10, 20, 40] {
        let r = talk(&[
            Says(Client, GET),
            Says(Server, &OK[..cut.min(OK.len())]),
            Lost(Server, len),
            Says(Client, GET),
            Says(Server, OK),
        ]);
        let told = lines(&r);
        let second: Vec<_> = told.iter().skip_while(|l| *l != "2 exchange").collect();
        assert_eq!(second[1..], FOUND, "{cut}: {told:?}");
        let r = talk(&[
            Says(Client, &GET[..cut.min(GET.len() - 3)]),
            Lost(Client, 30),
            Says(Server, OK),
            Says(Client, GET),
            Says(Server, OK),
        ]);
        let told = lines(&r);
        assert!(told.windows(FOUND.len()).any(|w| w == FOUND), "{cut}: {told:?}");
    }
}

#[test]
fn who_pipelines_is_not_followed_behind_a_hole() {
    let two = [GET, GET].concat();
    let r = talk(&[Says(Client, &two), Lost(Server, OK.len() as u64), Says(Server, OK)]);
    let missed = ["> GET /a", "> end", "< gap 0", "< cut", "closed"];
    check(&r, &[&["1 exchange"][..], &missed, &["2 exchange"], &missed].concat(), &["http1.gap"]);
}

#[test]
fn what_only_looks_like_a_head_within_a_segment_is_none() {
    let r = talk(&[
        Says(Client, GET),
        Says(Server, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"),
        Says(Client, GET),
        Lost(Server, 100),
        Says(Server, &[b"of a body: ", OK].concat()),
    ]);
    assert_eq!(r.children.len(), 2);
    assert!(!lines(&r)[7..].contains(&"< 200".to_owned()), "{:?}", lines(&r));
}

#[test]
fn a_chunked_body_goes_on_with_its_next_chunk() {
    let head: &[u8] = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
    let said = ["1 exchange", "> GET /a", "> end", "< 200"];
    // A whole chunk is missing; a chunk with the end of the one before; one that comes
    // in two.
    for (before, bytes, told) in [
        (&b"5\r\nhello\r\n"[..], 10, &["< \"hello\"", "< gap 0"][..]),
        (b"5\r\nhel", 10, &["< \"hel\"", "< gap 0"]),
        (b"5\r\nhello", 10, &["< \"hello\"", "< gap 0"]),
    ] {
        for cut in [0, 1, 2, 5] {
            let chunk: &[u8] = b"7\r\n, world\r\n";
            let r = talk(&[
                Says(Client, GET),
                Says(Server, head),
                Says(Server, before),
                Lost(Server, bytes),
                Says(Server, &chunk[..cut]),
                Says(Server, &chunk[cut..]),
                Says(Server, b"0\r\n\r\n"),
                Says(Client, GET),
                Says(Server, OK),
            ]);
            let rest = ["< \", world\"", "< end", "closed", "2 exchange"];
            check(&r, &[&said[..], told, &rest, &FOUND].concat(), &["http1.gap"]);
        }
    }
    // The end is missing, and the next answer follows; or nothing does.
    let begun = [Says(Client, GET), Says(Server, head), Says(Server, b"5\r\nhello\r\n")];
    let mut all = Vec::from(begun);
    all.extend([Lost(Server, 5), Says(Client, GET), Says(Server, OK)]);
    let told = ["< \"hello\"", "< gap 0", "< cut", "closed"];
    let expected = [&said[..], &told, &["2 exchange"], &FOUND].concat();
    check(&talk(&all), &expected, &["http1.gap"]);
    all.truncate(4);
    check(&talk(&all), &[&said[..], &told].concat(), &["http1.gap"]);
    // Within a segment, where two chunks prove it.
    all.push(Says(Server, b"tail of a chunk\r\n3\r\nabc\r\n4\r\ndefg\r\n2\r\nhi\r\n"));
    all.push(Says(Server, b"0\r\n\r\n"));
    let told = ["< \"hello\"", "< gap 0", "< \"abcdefghi\"", "< end", "closed"];
    check(&talk(&all), &[&said[..], &told].concat(), &["http1.gap"]);
}

#[test]
fn a_lost_answer_before_an_upgrade_is_not_its_consent() {
    let socket = [
        "2 exchange",
        "> GET /ws",
        "> end",
        "< 101",
        "< end",
        "closed",
        "3 websocket",
        "> GET /ws",
        "< 101",
        "< \"server\"",
        "> \"client\"",
        "> cut",
        "< end",
        "closed",
    ];
    let answer = [SWITCH, b"server"].concat();
    let missed = ["1 exchange", "> GET /a", "> end", "< gap 0", "< cut", "closed"];
    let expected = [&missed[..], &socket].concat();
    let len = OK.len() as u64;
    let r = talk(&[
        Says(Client, GET),
        Lost(Server, len),
        Says(Client, UPGRADE),
        Says(Server, &answer),
        Says(Client, b"client"),
    ]);
    check(&r, &expected, &["http1.gap"]);
    let r = talk(&[
        Says(Client, GET),
        Says(Client, UPGRADE),
        Lost(Server, len),
        Says(Server, &answer),
        Says(Client, b"client"),
    ]);
    check(&r, &expected, &["http1.gap"]);
    // The upgrade alone waits, and its answer follows the hole: something went before it.
    let r = talk(&[
        Says(Client, UPGRADE),
        Lost(Server, 25),
        Says(Server, &answer),
        Says(Client, b"client"),
    ]);
    assert!(lines(&r).contains(&"< 101".to_owned()));
    assert!(lines(&r).contains(&"< \"server\"".to_owned()));
    // Frames follow it: it was the consent.
    let r = talk(&[
        Says(Client, UPGRADE),
        Lost(Server, 129),
        Says(Server, b"\x81\x02hi"),
        Says(Client, b"client"),
    ]);
    let told = lines(&r);
    assert!(told.contains(&"2 websocket".to_owned()));
    assert!(told.contains(&"< gap 129".to_owned()), "{told:?}");
    // Nothing follows it.
    let r = talk(&[Says(Client, UPGRADE), Lost(Server, 129), Says(Client, b"client")]);
    assert!(lines(&r).contains(&"> \"client\"".to_owned()), "{:?}", lines(&r));
}

/// Eight requests, one after the other's answer, some answers in chunks and in several
/// segments: whatever segment is missing, each answer is that of its request, and no
/// exchange whose bytes are all there is without one.
#[test]
fn any_one_segment_may_be_missing() {
    let mut said: Vec<(Side, usize, Vec<u8>)> = Vec::new();
    for i in 0..8_usize {
        let body = i.to_string().repeat(1 + i * 700);
        let asks = format!(
            "POST /{i} HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        said.extend(asks.as_bytes().chunks(1460).map(|s| (Client, i, s.to_vec())));
        let answer = if i % 2 == 0 {
            let n = body.len();
            format!("HTTP/1.1 200 OK\r\nContent-Length: {n}\r\n\r\n{body}")
        } else {
            let chunks = body.as_bytes().chunks(900);
            let chunks =
                chunks.map(|c| format!("{:x}\r\n{}\r\n", c.len(), String::from_utf8_lossy(c)));
            let chunks: String = chunks.collect();
            format!("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n")
        };
        said.extend(answer.as_bytes().chunks(1460).map(|s| (Server, i, s.to_vec())));
    }
    for missing in 0..said.len() {
        // The hole is told of at once, or with the next segment of its direction.
        for late in [false, true] {
            let (mut r, mut m) = (Recorder::new(), Http1::new());
            let (lost, of, bytes) = &said[missing];
            let mut owed = false;
            for (n, (side, _, s)) in said.iter().enumerate() {
                if n == missing && late {
                    owed = true;
                    continue;
                }
                if n == missing || owed && side == lost {
                    owed = false;
                    r.gap(&mut m, *lost, bytes.len() as u64);
                }
                if n != missing {
                    r.bytes(&mut m, *side, s, 1460);
                }
            }
            r.end(&mut m, Client, Finished);
            r.end(&mut m, Server, Finished);
            let mut whole = Vec::new();
            for (_, _, told) in r.children.values() {
                let asked = told.iter().find_map(|t| match t {
                    Told::Head(Client, h, _) => h.iter().find(|h| h.0 == ":path"),
                    _ => None,
                });
                let body: String = told
                    .iter()
                    .filter_map(|t| match t {
                        Told::Bytes(Server, b) => Some(String::from_utf8_lossy(b)),
                        _ => None,
                    })
                    .collect();
                let digit = body.get(..1).unwrap_or_default();
                assert!(body.chars().all(|c| digit.starts_with(c)), "{missing} {late}");
                let answered = told.iter().any(|t| matches!(t, Told::Head(Server, ..)));
                if let (Some((_, path)), true) = (asked, answered) {
                    if !body.is_empty() {
                        assert_eq!(path[1..], *digit, "{missing} {late}");
                    }
                    whole.push(path[1..].to_owned());
                }
            }
            for i in (0..8).filter(|i| i != of) {
                // A client's hole in a body of known length goes on; so does the rest.
                assert!(whole.contains(&i.to_string()), "{missing} {late}: {i} of {whole:?}");
            }
        }
    }
}

/// As a recorder with a small snap length leaves them: the frames are there all the same.
#[test]
fn heads_that_are_cut_name_the_protocol_that_follows() {
    let [ask, agree] = [UPGRADE, SWITCH].map(|head| &head[..head.len() - 6]);
    let frames = [Says(Server, b"server"), Says(Client, b"client")];
    for asked in [vec![Says(Client, UPGRADE)], vec![Says(Client, ask), Lost(Client, 6)]] {
        let all = [&asked[..], &[Says(Server, agree), Lost(Server, 6)], &frames].concat();
        let r = talk(&all);
        let told = lines(&r);
        for line in ["< 101", "< gap 6", "< \"server\"", "> \"client\""] {
            assert!(told.iter().any(|l| l == line), "{line}: {told:?}");
        }
        let names = told.iter().filter(|l| l.ends_with("websocket")).count();
        assert_eq!(names, 1, "{told:?}");
        assert_eq!(r.codes().iter().filter(|c| **c == "http1.head-cut").count(), all.len() - 4);
    }
}
