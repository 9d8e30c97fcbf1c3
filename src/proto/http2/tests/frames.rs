//! Frames made by hand.

use super::*;
use crate::proto::Machine as _;

/// `:method: POST`, `:path: /`, `:scheme: http`.
const REQUEST: &[u8] = &[0x83, 0x84, 0x86];

fn summaries(r: &Recorder) -> Vec<String> {
    r.events.iter().map(|e| e.detail.as_ref().unwrap().summary.clone()).collect()
}

/// After the preface and settings of both sides.
fn client(frames: &[Vec<u8>]) -> Recorder {
    let mut c = hello();
    c.extend(frames.concat());
    all_sizes(&c, &frame(4, 0, 0, &[]))
}

#[test]
fn every_frame_type_has_its_summary() {
    let mut priority = vec![0x80, 0, 0, 3, 15];
    priority.extend(REQUEST);
    let r = client(&[
        frame(1, 0x25, 1, &priority),
        frame(2, 0, 3, &[0, 0, 0, 1, 255]),
        frame(3, 0, 1, &[0, 0, 0, 8]),
        frame(4, 0, 0, &[0, 4, 0, 1, 0, 0, 0xab, 0xcd, 0, 0, 0, 7]),
        frame(4, 1, 0, &[]),
        frame(6, 1, 0, b"12345678"),
        frame(7, 0, 0, b"\0\0\0\x07\0\0\0\0bye"),
        frame(8, 0, 0, &[0, 0, 1, 0]),
        frame(10, 0, 0, b"\0\x03a.bh2=\":1\""),
        frame(12, 0, 0, b"\0\x09https://a\0\x09https://b"),
        frame(16, 0, 0, b"\0\0\0\x05u=1"),
        frame(0xbe, 3, 0, b"??"),
    ]);
    assert_eq!(
        summaries(&r)[2..],
        [
            "HEADERS stream 1 END_STREAM END_HEADERS PRIORITY :method POST :path / :scheme http",
            "PRIORITY stream 3 depends on 1 weight 256",
            "RST_STREAM stream 1 CANCEL",
            "SETTINGS INITIAL_WINDOW_SIZE=65536 0xabcd=7",
            "SETTINGS ack",
            "PING ack 3132333435363738",
            "GOAWAY last stream 7 NO_ERROR \"bye\"",
            "WINDOW_UPDATE +256",
            "ALTSVC a.b h2=\":1\"",
            "ORIGIN https://a https://b",
            "PRIORITY_UPDATE for stream 5 u=1",
            "frame type 0xbe 2 bytes",
            "SETTINGS",
        ]
    );
    assert_eq!(r.codes(), ["http2.stream-cancelled", "http2.goaway"]);
    assert_eq!(
        r.kinds(Level::Frame),
        [
            "preface",
            "settings",
            "headers",
            "priority",
            "rst_stream",
            "settings",
            "settings",
            "ping",
            "goaway",
            "window_update",
            "altsvc",
            "origin",
            "priority_update",
            "unknown",
            "settings"
        ]
    );
    assert!(r.events.iter().all(|e| e.complete && e.stream.is_some()));
}

#[test]
fn data_is_passed_on_and_padding_is_not() {
    let r = client(&[
        frame(1, 4, 1, REQUEST),
        frame(0, 8, 1, b"\x03hello\0\0\0"),
        frame(0, 0, 1, b""),
        frame(0, 1, 1, b" world"),
    ]);
    let head = pairs(&[(":method", "POST"), (":path", "/"), (":scheme", "http")]);
    let (how, stream, told) = &r.children[&1];
    assert_eq!((how.as_str(), *stream), ("exchange", Some(1)));
    assert_eq!(
        told[..],
        [
            Told::Head(Side::Client, head, false),
            Told::Bytes(Side::Client, b"hello world".to_vec()),
            Told::End(Side::Client, EndCause::Finished),
            Told::End(Side::Server, EndCause::CaptureEnded),
            Told::Closed,
        ]
    );
    let e = &r.events[3];
    assert_eq!(
        (e.length, &e.detail.as_ref().unwrap().payload),
        (9, &Payload::Bytes(b"hello".to_vec()))
    );
    assert!(r.codes().is_empty());
}

#[test]
fn a_block_goes_over_continuations() {
    let r = client(&[
        frame(1, 8, 1, &[&[2], &REQUEST[..1], &[0, 0]].concat()),
        frame(9, 0, 1, &REQUEST[1..2]),
        frame(9, 4, 1, &REQUEST[2..]),
    ]);
    assert!(r.codes().is_empty());
    assert!(texts(&r.events[2], "http2.header.name").is_empty());
    assert_eq!(texts(&r.events[4], "http2.header.name"), [":method", ":path", ":scheme"]);
    assert_eq!(texts(&r.events[4], "http2.header.value"), ["POST", "/", "http"]);
    // The value of the first field came in the first frame.
    let d = r.events[4].detail.as_ref().unwrap();
    let name = d.tree.find("http2.header.name").unwrap().span.unwrap();
    let found = d.origins.locate(name);
    assert!(!found.exact && found.ranges[0].len == 1);
    assert!(matches!(r.children[&1].2[0], Told::Head(Side::Client, ref h, false) if h.len() == 3));
}

#[test]
fn a_response_with_interim_head_trailers_and_push() {
    let mut c = hello();
    c.extend(frame(1, 5, 1, REQUEST));
    let server = [
        frame(4, 0, 0, &[]),
        frame(1, 4, 1, b"\x48\x03103"),
        frame(5, 4, 1, &[&[0, 0, 0, 2], REQUEST].concat()),
        frame(1, 4, 1, &[0x88]),
        frame(0, 0, 1, b"body"),
        frame(1, 5, 1, b"\x00\x0bgrpc-status\x010"),
        frame(1, 5, 2, &[0x88]),
    ]
    .concat();
    let r = all_sizes(&c, &server);
    assert!(r.codes().is_empty(), "{:?}", r.codes());
    let told = &r.children[&1].2;
    assert_eq!(told[2], Told::Head(Side::Server, pairs(&[(":status", "103")]), false));
    assert_eq!(told[3], Told::Head(Side::Server, pairs(&[(":status", "200")]), false));
    assert_eq!(told[4], Told::Bytes(Side::Server, b"body".to_vec()));
    assert_eq!(told[5], Told::Trailers(Side::Server, pairs(&[("grpc-status", "0")])));
    assert_eq!(told[6..], [Told::End(Side::Server, EndCause::Finished), Told::Closed]);
    let pushed = &r.children[&2].2;
    assert!(matches!(&pushed[0], Told::Head(Side::Client, _, true)));
    assert_eq!(pushed.last(), Some(&Told::Closed));
}

#[test]
fn faults_are_found_once_and_silence_nobody() {
    let bad = |f: Vec<u8>| {
        let r = client(&[f, frame(1, 5, 11, REQUEST)]);
        assert!(
            matches!(&r.children[&11].2[0], Told::Head(_, h, true) if h.len() == 3),
            "the next stream is silenced"
        );
        r.codes().join(" ")
    };
    assert_eq!(bad(frame(3, 0, 0, &[0; 4])), "http2.stream-zero http2.stream-cancelled");
    assert_eq!(bad(frame(4, 0, 3, &[])), "http2.stream-not-zero");
    assert_eq!(bad(frame(4, 0, 0, &[0, 1, 2])), "http2.frame-size");
    assert_eq!(bad(frame(4, 1, 0, &[0; 6])), "http2.settings-ack-payload");
    assert_eq!(bad(frame(4, 0, 0, &[0, 2, 0, 0, 0, 2])), "http2.settings-value");
    assert_eq!(bad(frame(6, 0, 0, b"1234567")), "http2.frame-size");
    assert_eq!(bad(frame(6, 0, 0, b"123456789")), "http2.frame-size");
    assert_eq!(bad(frame(8, 0, 0, &[0; 4])), "http2.window-update-zero");
    assert_eq!(bad(frame(8, 0, 0, &[0; 3])), "http2.frame-size");
    assert_eq!(bad(frame(7, 0, 0, &[0; 7])), "http2.frame-size");
    assert_eq!(bad(frame(2, 0, 5, &[0; 4])), "http2.frame-size");
    assert_eq!(bad(frame(2, 0, 5, &[0, 0, 0, 5, 1])), "http2.self-dependency");
    assert_eq!(bad(frame(9, 4, 1, REQUEST)), "http2.unexpected-continuation");
    assert_eq!(bad(frame(1, 12, 1, &[4, 0x82])), "http2.padding-too-long");
    assert_eq!(bad(frame(1, 8 | 4, 1, &[])), "http2.frame-size");
    assert_eq!(bad(frame(1, 4, 1, &[0x80])), "http2.hpack-invalid-index");
    assert_eq!(bad(frame(1, 4, 2, REQUEST)), "http2.stream-parity");
    assert_eq!(bad(frame(1, 0, 1, REQUEST)), "http2.block-interrupted");
    assert_eq!(bad(frame(5, 4, 1, &[0, 0, 0, 2, 0x83, 0x84, 0x86])), "http2.push-by-client");
    assert_eq!(bad(frame(0, 0, 1, &[0; 16_385])), "http2.frame-too-large");
    assert_eq!(bad(frame(10, 0, 0, &[0, 9, 1])), "http2.frame-size");
    assert_eq!(bad(frame(12, 0, 0, &[0, 9, 1])), "http2.frame-size");
    assert_eq!(bad(frame(7, 0, 0, &[0, 0, 0, 0, 0, 0, 0, 1])), "http2.goaway-error");
}

#[test]
fn streams_have_their_states() {
    let mut c = hello();
    let data = frame(0, 0, 1, b"late");
    c.extend(
        [frame(1, 5, 1, REQUEST), data.clone(), frame(1, 5, 7, REQUEST), frame(1, 5, 5, REQUEST)]
            .concat(),
    );
    let server =
        [frame(4, 0, 0, &[]), frame(3, 0, 7, &[0, 0, 0, 2]), frame(0, 0, 9, b"?")].concat();
    let r = all_sizes(&c, &server);
    assert_eq!(
        r.codes(),
        [
            "http2.stream-closed",
            "http2.stream-decreasing",
            "http2.stream-reset",
            "http2.stream-idle"
        ]
    );
    assert!(!r.children[&1].2.iter().any(|t| matches!(t, Told::Bytes(..))));
    assert_eq!(r.children[&7].2[2..], [Told::Reset(Side::Server, 2), Told::Closed]);
}

/// A response without a body.
const RESPONSE: &[u8] = &[0x88];

#[test]
fn an_abort_of_what_is_over_loses_nothing() {
    // What is found of an abort with `code` by the client, behind these frames of it and of the
    // server; and what by the server, behind its own.
    let of = |ask: &[u8], answer: &[u8], code: u8| {
        let abort = frame(3, 0, 1, &[0, 0, 0, code]);
        let by_client = {
            let mut r = Recorder::new();
            let mut m = Http2::default();
            r.bytes(&mut m, Side::Client, &[hello(), ask.to_vec()].concat(), 1460);
            r.bytes(&mut m, Side::Server, &[&frame(4, 0, 0, &[]), answer].concat(), 1460);
            r.bytes(&mut m, Side::Client, &abort, 1460);
            r
        };
        let by_server = all_sizes(
            &[hello(), ask.to_vec()].concat(),
            &[&frame(4, 0, 0, &[]), answer, &abort].concat(),
        );
        [by_client, by_server].map(|r| {
            let found = r.events.iter().flat_map(|e| &e.findings);
            let mut found = found.filter(|f| f.spec.reference == "RFC 9113 §6.4");
            let f = found.next().unwrap();
            assert!(found.next().is_none());
            (f.spec.code, f.detail.as_deref().unwrap_or_default().to_owned())
        })
    };
    let told = |code: &'static str, text: &str| (code, text.to_owned());
    let (ask, answer) = (frame(1, 5, 1, REQUEST), frame(1, 5, 1, RESPONSE));
    for (code, name) in [(0, "NO_ERROR"), (5, "STREAM_CLOSED"), (8, "CANCEL")] {
        let found = ["client", "server"]
            .map(|by| told("http2.reset-after-end", &format!("{name} by the {by}")));
        assert_eq!(of(&ask, &answer, code), found);
    }
    let fault = "PROTOCOL_ERROR by the client, which may not have taken what it got";
    assert_eq!(of(&ask, &answer, 1)[0], told("http2.stream-reset", fault));
    // The whole answer, and the request is not wanted any more (RFC 9113 §8.1).
    let begun = frame(1, 4, 1, REQUEST);
    assert_eq!(
        of(&begun, &answer, 0)[1],
        told("http2.stream-cancelled", "NO_ERROR by the server, behind the whole of its answer")
    );
    assert_eq!(of(&begun, &answer, 8)[0], told("http2.stream-cancelled", "CANCEL by the client"));
    assert_eq!(of(&ask, &[], 5)[0], told("http2.stream-reset", "STREAM_CLOSED by the client"));
    // What was aborted has not ended.
    let again = [frame(1, 4, 1, RESPONSE), frame(3, 0, 1, &[0, 0, 0, 2])].concat();
    let r = all_sizes(
        &[hello(), ask.clone()].concat(),
        &[frame(4, 0, 0, &[]), again, frame(3, 0, 1, &[0, 0, 0, 2])].concat(),
    );
    assert_eq!(r.codes(), ["http2.stream-reset", "http2.stream-reset"]);
}

#[test]
fn goaway_ends_what_will_not_be_processed() {
    let mut c = hello();
    c.extend([frame(1, 5, 1, REQUEST), frame(1, 5, 3, REQUEST)].concat());
    let server = [frame(4, 0, 0, &[]), frame(7, 0, 0, &[0, 0, 0, 1, 0, 0, 0, 0])].concat();
    let r = all_sizes(&c, &server);
    assert_eq!(r.children[&3].2[2..], [Told::Reset(Side::Server, 7), Told::Closed]);
    assert!(!r.children[&1].2.contains(&Told::Reset(Side::Server, 7)));
}

#[test]
fn what_is_cut_is_shown_as_cut() {
    for (f, whole) in [
        (frame(1, 4, 1, REQUEST), "headers"),
        (frame(0, 0, 1, b"some data"), "data"),
        (frame(0xbe, 0, 0, b"unknown"), "unknown"),
    ] {
        for n in 1..f.len() {
            let mut c = hello();
            c.extend(frame(1, 4, 1, REQUEST));
            c.extend(&f[..n]);
            let r = all_sizes(&c, &frame(4, 0, 0, &[]));
            let e = r.events.iter().find(|e| !e.complete).unwrap();
            assert_eq!(e.kind, if n < 9 { "unknown" } else { whole });
            assert_eq!(e.findings[0].spec.code, "http2.truncated");
        }
    }
}

#[test]
fn an_upgrade_makes_stream_one() {
    let mut request = Headers::new();
    request.push(b":method", b"GET");
    request.push(b"http2-settings", b"AAMAAABkAAQAAP__");
    let moment = crate::base::Moment::default();
    let head = crate::proto::Head {
        side: Side::Client,
        headers: &request,
        version: 11,
        end: false,
        start: moment,
        ready: moment,
        wire_len: 0,
        detail: None,
    };
    let mut response = Headers::new();
    response.push(b":status", b"101");
    let mut m = Http2::default();
    let mut r = Recorder::new();
    r.input(&mut m, Input::Head(head));
    r.input(
        &mut m,
        Input::Head(crate::proto::Head { side: Side::Server, headers: &response, ..head }),
    );
    r.bytes(&mut m, Side::Server, &frame(4, 0, 0, &[]), 3);
    r.bytes(&mut m, Side::Client, &hello(), 3);
    r.bytes(&mut m, Side::Server, &frame(1, 5, 1, &[0x88]), 3);
    assert!(r.codes().is_empty(), "{:?}", r.codes());
    let told = &r.children[&1].2;
    assert!(matches!(&told[0], Told::Head(Side::Client, _, true)));
    assert_eq!(told[1], Told::End(Side::Client, EndCause::Finished));
    assert!(matches!(&told[2], Told::Head(Side::Server, h, true) if h.len() == 1));
    assert_eq!(told.last(), Some(&Told::Closed));
}

#[test]
fn a_bad_preface_is_named() {
    let r = all_sizes(b"GET / HTTP/1.1\r\n\r\n", b"");
    assert_eq!(r.codes(), ["http2.bad-preface"]);
    assert!(r.events.is_empty());
    // Frames without it are read all the same: the capture may have begun late.
    let r = all_sizes(&[frame(4, 0, 0, &[]), frame(1, 5, 1, REQUEST)].concat(), b"");
    assert_eq!(r.codes(), ["http2.joined"]);
    assert!(r.events.iter().all(|e| e.inferred));
    assert_eq!(r.children.len(), 1);
}

/// A client of gRPC at a proxy that knows no HTTP/2, which says so in its own tongue.
#[test]
fn an_answer_in_http1_is_named_with_its_status() {
    let asked = [hello().as_slice(), &frame(1, 5, 1, REQUEST)].concat();
    let answer = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 2\r\n\r\nno";
    let r = all_sizes(&asked, answer);
    assert!(r.codes().contains(&"http2.answered-by-http1"), "{:?}", r.codes());
    assert!(!r.codes().contains(&"http2.frame-too-large"), "{:?}", r.codes());
    let found = r.findings.iter().find(|f| f.spec.code == "http2.answered-by-http1").unwrap();
    assert_eq!(found.detail.as_deref(), Some("HTTP/1.1 503 Service Unavailable"));
}

#[test]
fn without_a_detail_the_findings_are_the_same() {
    let mut c = hello();
    c.extend([frame(1, 4, 1, &[0x80, 0x82]), frame(0, 9, 1, b"\x09abc")].concat());
    let with = run(&c, b"", 5);
    let mut without = Recorder::new();
    without.wants = |_| false;
    let mut m = Http2::default();
    without.bytes(&mut m, Side::Client, &c, 5);
    for side in Side::BOTH {
        without.end(&mut m, side, EndCause::CaptureEnded);
    }
    assert_eq!(with.codes(), without.codes());
    assert_eq!(with.children, without.children);
    assert!(without.events.iter().all(|e| e.detail.is_none()));
}

#[test]
fn sections_out_of_place_are_found() {
    let mut c = hello();
    // No pushing; and trailers that do not end their stream.
    c.extend(frame(4, 0, 0, &[0, 2, 0, 0, 0, 0]));
    c.extend([frame(1, 4, 1, REQUEST), frame(1, 4, 1, b"\x00\x01a\x01b")].concat());
    let server = [
        frame(4, 0, 0, &[]),
        frame(5, 4, 1, &[&[0, 0, 0, 2], REQUEST].concat()),
        frame(5, 4, 1, &[&[0, 0, 0, 3], REQUEST].concat()),
        // A block whose end is never captured.
        frame(1, 0, 1, &[0x88]),
    ]
    .concat();
    let r = all_sizes(&c, &server);
    assert_eq!(
        r.codes(),
        [
            "http2.trailers-without-end",
            "http2.push-disabled",
            "http2.push-disabled",
            "http2.stream-parity",
            "http2.truncated",
        ]
    );
}

#[test]
fn a_block_that_is_too_large_is_not_read_and_makes_the_table_unknown() {
    let mut c = hello();
    c.extend(frame(1, 0, 1, REQUEST));
    for _ in 0..17 {
        c.extend(frame(9, 0, 1, &[0x82; 16_384]));
    }
    c.extend(frame(9, 4, 1, &[]));
    c.extend(frame(1, 5, 3, &[0x82, 0xbe]));
    let mut r = Recorder::new();
    let mut m = Http2::default();
    r.bytes(&mut m, Side::Client, &c, 5000);
    assert_eq!(r.codes(), ["http2.header-section-too-large", "http2.hpack-unknown-index"]);
    assert!(matches!(&r.children[&3].2[0], Told::Head(_, h, true) if h.len() == 2));
    assert!(m.memory() < 1 << 20);
}

#[test]
fn a_section_is_cut_at_its_limit() {
    // Each byte of the second block stands for 4,000 bytes.
    let mut insert = REQUEST.to_vec();
    insert.extend([0x40, 1, b'n', 127, 0xa1, 0x1e]);
    insert.extend([b'v'; 4000]);
    let r = client(&[frame(1, 5, 1, &insert), frame(1, 5, 3, &[0xbe; 10_000])]);
    assert_eq!(r.codes(), ["http2.header-section-too-large", "http2.header-bomb"]);
    assert!(matches!(&r.children[&3].2[0], Told::Head(_, h, true) if h.len() == 65));
}

#[test]
fn only_so_many_streams_are_followed() {
    let mut c = hello();
    for n in 0..crate::base::limits::MAX_CHILDREN as u32 + 10 {
        c.extend(frame(1, 4, 2 * n + 1, REQUEST));
    }
    let mut r = Recorder::new();
    r.wants = |_| false;
    let mut m = Http2::default();
    r.bytes(&mut m, Side::Client, &c, 1 << 16);
    assert_eq!(r.codes(), ["http2.too-many-streams"]);
    assert_eq!(r.children.len(), crate::base::limits::MAX_CHILDREN);
}

#[test]
fn a_fork_goes_on_as_the_original() {
    let mut c = hello();
    c.extend([frame(1, 4, 1, b"\x83\x40\x01a\x01b"), frame(0, 8, 1, b"\x02data..")].concat());
    let rest = [frame(1, 5, 3, &[0xbe]), frame(0, 1, 1, b"more")].concat();
    let mut r = Recorder::new();
    let mut m = Http2::default();
    // Forked within the DATA frame.
    let (front, back) = c.split_at(c.len() - 4);
    r.bytes(&mut m, Side::Client, front, 11);
    let mut fork = m.fork().unwrap();
    let seen = r.events.len();
    r.bytes(fork.as_mut(), Side::Client, back, 11);
    r.bytes(fork.as_mut(), Side::Client, &rest, 11);
    c.extend(&rest);
    let mut whole = Recorder::new();
    whole.bytes(&mut Http2::default(), Side::Client, &c, 11);
    assert_eq!(seen, 3);
    assert_eq!(r.gist(), whole.gist());
    assert_eq!(r.children, whole.children);
}

/// RST of a connection ends what its sender had ended, too: the request of a call whose answer
/// is still to come.
#[test]
fn an_aborted_connection_ends_what_is_half_open() {
    for by in Side::BOTH {
        let (mut r, mut m) = (Recorder::new(), Http2::default());
        r.bytes(&mut m, Side::Client, &[hello(), frame(1, 5, 1, REQUEST)].concat(), usize::MAX);
        let part = &frame(0, 0, 1, b"some data")[..12];
        let server = [frame(4, 0, 0, &[]), frame(1, 4, 1, &[0x88]), part.to_vec()].concat();
        r.bytes(&mut m, Side::Server, &server, usize::MAX);
        r.input(&mut m, Input::Reset { side: by, code: 0 });
        let told = &r.children[&1].2;
        assert!(told.ends_with(&[Told::Reset(by, 0), Told::Closed]), "{told:?}");
        // What was under way of either end is shown.
        assert!(r.events.iter().any(|e| e.kind == "data" && !e.complete));
    }
}
