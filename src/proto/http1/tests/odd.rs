//! Each finding, in any chunks.

use crate::base::Side::{Client, Server};
use crate::proto::EndCause::{CaptureEnded, Finished};

use super::{SIZES, UPGRADE, run};

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
    let mut codes: Vec<_> =
        crate::proto::http1::findings::FINDINGS.iter().map(|f| f.code).collect();
    let n = codes.len();
    codes.sort_unstable();
    codes.dedup();
    assert_eq!(codes.len(), n);
    assert!(codes.iter().all(|c| c.starts_with("http1.")));
}
