//! Bytes in, exact events out.

use std::io::Write;

use proptest::prelude::*;

use super::*;
use crate::base::{Moment, Side, Span};
use crate::event::{Draft, Level, Payload};
use crate::facts::Facts;
use crate::field::Value;
use crate::proto::harness::Recorder;
use crate::proto::{Abort, EndCause, Headers, Input, Machine, Path};

fn headers(list: &[(&str, &str)]) -> Headers {
    let mut h = Headers::new();
    for (n, v) in list {
        h.push(n.as_bytes(), v.as_bytes());
    }
    h
}

fn head<'a>(r: &Recorder, side: Side, headers: &'a Headers, end: bool) -> Head<'a> {
    use crate::proto::Out;
    let mut now: Moment = r.now();
    now.packet.0 += 1;
    now.time.0 += 1000;
    Head { side, headers, version: 20, end, start: now, ready: now, wire_len: 10, detail: None }
}

/// One call in the making.
struct World {
    r: Recorder,
    m: Call,
    size: usize,
}

impl World {
    fn new() -> Self {
        Self { r: Recorder::new(), m: Call::new(), size: 1460 }
    }

    fn request(&mut self, extra: &[(&str, &str)]) -> &mut Self {
        let mut list = vec![
            (":method", "POST"),
            (":path", "/user.UserService/GetUser"),
            (":authority", "localhost:50051"),
            ("content-type", "application/grpc"),
            ("te", "trailers"),
        ];
        list.extend_from_slice(extra);
        self.head(Side::Client, &list, false)
    }

    fn response(&mut self, extra: &[(&str, &str)]) -> &mut Self {
        let mut list = vec![(":status", "200"), ("content-type", "application/grpc")];
        list.extend_from_slice(extra);
        self.head(Side::Server, &list, false)
    }

    fn head(&mut self, side: Side, list: &[(&str, &str)], end: bool) -> &mut Self {
        let h = headers(list);
        let head = head(&self.r, side, &h, end);
        self.r.input(&mut self.m, Input::Head(head));
        if end {
            self.end(side);
        }
        self
    }

    fn trailers(&mut self, list: &[(&str, &str)]) -> &mut Self {
        let h = headers(list);
        let head = head(&self.r, Side::Server, &h, true);
        self.r.input(&mut self.m, Input::Trailers(head));
        self.end(Side::Server)
    }

    fn send(&mut self, side: Side, data: &[u8]) -> &mut Self {
        self.r.bytes(&mut self.m, side, data, self.size);
        self
    }

    fn end(&mut self, side: Side) -> &mut Self {
        self.r.end(&mut self.m, side, EndCause::Finished);
        self
    }

    fn cause(&mut self, side: Side, cause: EndCause) -> &mut Self {
        self.r.end(&mut self.m, side, cause);
        self
    }

    fn reset(&mut self, side: Side, code: u32) -> &mut Self {
        self.r.input(&mut self.m, Input::Reset { side, code });
        self
    }

    fn kinds(&self) -> Vec<&'static str> {
        self.r.events.iter().map(|e| e.kind).collect()
    }

    fn event(&self, kind: &str) -> &Draft {
        self.r.events.iter().find(|e| e.kind == kind).expect("an event of that kind")
    }

    fn summary(&self, kind: &str) -> &str {
        &self.event(kind).detail.as_ref().expect("a detail").summary
    }

    fn text(&self, kind: &str, field: &str) -> Option<String> {
        let n = self.event(kind).detail.as_ref()?.tree.find(field)?;
        Some(match &n.value {
            crate::field::Value::Text(t) => t.to_string(),
            other => format!("{other:?}"),
        })
    }

    fn number(&self, kind: &str, field: &str) -> Option<u64> {
        self.event(kind).detail.as_ref()?.tree.number(field)
    }
}

fn framed(flag: u8, data: &[u8]) -> Vec<u8> {
    let mut v = vec![flag];
    v.extend((data.len() as u32).to_be_bytes());
    v.extend(data);
    v
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    w.write_all(data).unwrap();
    w.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut w = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    w.write_all(data).unwrap();
    w.finish().unwrap()
}

const ALICE: &[u8] = b"\x08\x2a\x12\x05Alice";
const ID_42: &[u8] = b"\x08\x2a";

/// Every leaf in buffer 0, end to end.
fn assert_tiles(e: &Draft) {
    let d = e.detail.as_ref().expect("a detail");
    for (i, b) in d.origins.buffers().iter().enumerate() {
        let mut spans: Vec<Span> = d
            .tree
            .leaves()
            .filter_map(|n| n.span)
            .filter(|s| usize::from(s.buffer.0) == i && s.bit_len() > 0)
            .collect();
        spans.sort_by_key(Span::first_bit);
        if i > 0 && spans.is_empty() {
            continue;
        }
        let mut at = 0;
        for s in spans {
            assert_eq!(s.first_bit(), at, "{} at {s:?}", b.label);
            at += s.bit_len();
        }
        assert_eq!(at, u64::from(b.len) * 8, "{}", b.label);
    }
}

fn unary(size: usize) -> World {
    let mut w = World::new();
    w.size = size;
    w.request(&[("grpc-timeout", "5S"), ("x-trace", "abc"), ("x-id-bin", "AAEC")])
        .send(Side::Client, &framed(0, ID_42))
        .end(Side::Client)
        .response(&[])
        .send(Side::Server, &framed(0, ALICE))
        .trailers(&[("grpc-status", "0")]);
    w
}

#[test]
fn a_unary_call() {
    let w = unary(1460);
    assert_eq!(w.kinds(), ["request", "message", "response", "message", "trailers", "call"]);
    assert_eq!(
        w.summary("request"),
        "user.UserService/GetUser, timeout 5 s, metadata x-trace, x-id-bin"
    );
    assert_eq!(w.text("request", "grpc.metadata"), Some("abc".into()));
    assert_eq!(w.text("request", "grpc.metadata_bin"), Some("Bytes([0, 1, 2])".into()));
    assert_eq!(w.number("request", "grpc.timeout_ns"), Some(5_000_000_000));
    assert_eq!(w.number("message", "grpc.message_length"), Some(2));
    assert_eq!(w.event("message").sender, Some(Side::Client));
    assert_eq!(w.summary("trailers"), "OK");
    let call = w.event("call");
    assert_eq!((call.level, call.sender, call.complete), (Level::Exchange, None, true));
    assert_eq!(w.text("call", "grpc.service"), Some("user.UserService".into()));
    assert_eq!(w.text("call", "grpc.method"), Some("GetUser".into()));
    assert_eq!(w.text("call", "grpc.pattern"), Some("unary".into()));
    assert_eq!(w.text("call", "grpc.ended"), Some("status".into()));
    assert_eq!(w.number("call", "grpc.status_code"), Some(0));
    assert_eq!(w.number("call", "grpc.response_bytes"), Some(9));
    // Request, message, end, response, message, trailers, end: the trailers come
    // five packets after the request, each a microsecond after the last.
    assert_eq!(w.number("call", "duration_ns"), Some(5_000));
    assert_eq!(w.number("call", "grpc.first_response_ns"), Some(4_000));
    assert_eq!(w.summary("call"), "user.UserService/GetUser → OK, 1 up 1 down, 5 µs");
    assert_eq!(w.r.codes(), Vec::<&str>::new());
    w.r.events.iter().filter(|e| e.kind == "message").for_each(assert_tiles);
}

#[test]
fn chunks_do_not_show() {
    let whole = unary(1460);
    let plain = |w: &World| {
        // Durations count packets here, and chunks are packets.
        let mut events = w.r.gist();
        events.pop();
        events
    };
    for size in [1, 2, 3, 7] {
        assert_eq!(plain(&unary(size)), plain(&whole), "{size}");
    }
}

#[test]
fn messages_split_and_joined_anywhere() {
    let mut bytes = framed(0, b"one");
    bytes.extend(framed(0, b""));
    bytes.extend(framed(0, b"three"));
    for size in [1, 2, 3, 4, 5, 6, 7, 8, 9, 1460] {
        let mut w = World::new();
        w.size = size;
        w.request(&[]).response(&[]).send(Side::Server, &bytes).trailers(&[("grpc-status", "0")]);
        let payloads: Vec<_> =
            w.r.events
                .iter()
                .filter(|e| e.kind == "message")
                .map(|e| e.detail.as_ref().unwrap().payload.clone())
                .collect();
        let expected = [&b"one"[..], b"", b"three"].map(|b| Payload::Bytes(b.to_vec()));
        assert_eq!(payloads, expected);
        assert_eq!(w.number("call", "grpc.response_messages"), Some(3));
        w.r.events.iter().filter(|e| e.kind == "message").for_each(assert_tiles);
    }
}

#[test]
fn compressed_messages_are_inflated() {
    let data = vec![b'a'; 5000];
    for (name, packed) in [("gzip", gzip(&data)), ("deflate", zlib(&data))] {
        let mut w = World::new();
        w.request(&[]).response(&[("grpc-encoding", name)]);
        w.send(Side::Server, &framed(1, &packed)).trailers(&[("grpc-status", "0")]);
        let e = w.event("message");
        let d = e.detail.as_ref().unwrap();
        assert_eq!(d.payload, Payload::Bytes(data.clone()), "{name}");
        assert_eq!((e.length, w.r.inflated), (5000, 5000));
        let last = d.origins.buffers().last().unwrap();
        assert_eq!((last.label, last.len), ("inflated", 5000));
        let place = d.origins.locate(Span::bytes(crate::base::BufferId(1), 7, 1));
        assert!(!place.exact && !place.ranges.is_empty());
        assert_tiles(e);
        assert_eq!(w.r.codes(), Vec::<&str>::new());
    }
}

#[test]
fn trailers_only_is_one_event() {
    let mut w = World::new();
    w.request(&[]).send(Side::Client, &framed(0, ID_42)).end(Side::Client);
    w.head(
        Side::Server,
        &[
            (":status", "200"),
            ("content-type", "application/grpc"),
            ("grpc-status", "5"),
            ("grpc-message", "no such user %F0%9F%99%82"),
        ],
        true,
    );
    assert_eq!(w.kinds(), ["request", "message", "trailers", "call"]);
    assert_eq!(w.summary("trailers"), "5 NOT_FOUND \"no such user 🙂\"");
    assert_eq!(w.text("call", "grpc.pattern"), Some("unary".into()));
    assert_eq!(
        w.summary("call"),
        "user.UserService/GetUser → 5 NOT_FOUND \"no such user 🙂\", 1 up 0 down, 3 µs"
    );
    assert_eq!(w.r.codes(), ["grpc.bad-status", "grpc.call-failed"]);
}

#[test]
fn resets_and_deadlines() {
    let mut w = World::new();
    w.request(&[]).reset(Side::Client, 8);
    assert_eq!(w.text("call", "grpc.ended"), Some("reset CANCEL by client".into()));
    assert!(w.summary("call").contains("→ cancelled by client, 0 up 0 down"));
    assert_eq!(w.r.codes(), ["grpc.cancelled"]);
    assert_eq!(w.text("call", "grpc.verdict"), Some("cancelled".into()));
    assert_eq!(w.number("call", "grpc.client_status"), Some(1));
    let finding = &w.event("call").findings[0];
    assert_eq!(finding.proof.iter().map(|p| p.0).collect::<Vec<_>>(), [1, 2]);

    let mut w = World::new();
    w.request(&[("grpc-timeout", "1u")]).reset(Side::Client, 8);
    assert_eq!(w.text("call", "grpc.ended"), Some("deadline".into()));
    assert_eq!(w.r.codes(), ["grpc.deadline-exceeded"]);

    let mut w = World::new();
    w.request(&[]).send(Side::Client, &framed(0, ALICE)[..7]).reset(Side::Server, 2);
    assert_eq!(w.text("call", "grpc.ended"), Some("reset INTERNAL_ERROR by server".into()));
    assert_eq!(w.r.codes(), ["grpc.truncated-message", "grpc.reset"]);
    assert!(!w.event("message").complete);
    assert_tiles(w.event("message"));

    let mut w = World::new();
    w.r.abort = Abort::Connection;
    w.request(&[]).reset(Side::Server, 0);
    assert_eq!(w.text("call", "grpc.ended"), Some("connection lost".into()));
    assert_eq!(w.r.codes(), ["grpc.connection-lost"]);
    // The stream alone, though it has the same code.
    let mut w = World::new();
    w.request(&[]).reset(Side::Server, 0);
    assert_eq!(w.text("call", "grpc.ended"), Some("reset NO_ERROR by server".into()));
    assert_eq!(w.r.codes(), ["grpc.reset"]);
    // Behind the last stream of a GOAWAY, whatever that gives as its reason.
    let mut w = World::new();
    w.r.abort = Abort::Goaway { last: 3, error: 2 };
    w.request(&[]).reset(Side::Server, 2);
    assert_eq!(w.text("call", "grpc.ended"), Some("goaway INTERNAL_ERROR by server".into()));
    assert_eq!(w.r.codes(), ["grpc.refused"]);
    // FIN of the connection, and the end of the stream.
    let mut w = World::new();
    w.request(&[]).end(Side::Client).cause(Side::Server, EndCause::Cut);
    assert_eq!(w.text("call", "grpc.verdict"), Some("connection lost".into()));
    assert!(w.text("call", "grpc.why").is_some_and(|t| t.contains("the server ended")));
    let mut w = World::new();
    w.request(&[]).cause(Side::Client, EndCause::Cut).cause(Side::Server, EndCause::Cut);
    assert!(w.text("call", "grpc.why").is_some_and(|t| t.contains("the client ended")));
    // A reset after the status changes nothing.
    let mut w = unary(1460);
    w.reset(Side::Server, 0);
    assert_eq!(w.r.kinds(Level::Exchange), ["call"]);
}

#[test]
fn a_page_of_somebody_before_the_server_is_no_message() {
    let mut w = World::new();
    w.request(&[]).head(Side::Server, &[(":status", "502"), ("content-type", "text/html")], false);
    w.send(Side::Server, b"<h1>Bad gateway</h1>").end(Side::Server);
    assert_eq!(w.r.codes(), ["grpc.http-status", "grpc.content-type", "grpc.call-failed"]);
    assert_eq!(w.kinds(), ["request", "response", "call"]);
    assert!(w.summary("call").contains("HTTP status 502, no grpc-status"));
}

#[test]
fn what_is_said_beside_the_verdict() {
    let mut w = World::new();
    w.r.path = Path { retransmissions: 3, round_trip: Some(1_200_000), ..Path::default() };
    w.request(&[("grpc-timeout", "5S"), ("grpc-previous-rpc-attempts", "2")]);
    w.r.path.retransmissions = 5;
    w.response(&[]).trailers(&[("grpc-status", "14"), ("grpc-retry-pushback-ms", "50")]);
    assert_eq!(w.number("call", "grpc.retransmissions"), Some(2));
    assert_eq!(w.number("call", "grpc.round_trip_ns"), Some(1_200_000));
    assert_eq!(w.number("call", "grpc.previous_attempts"), Some(2));
    assert_eq!(w.text("call", "grpc.deadline"), Some("met".into()));
    let detail = w.event("call").findings[0].detail.clone().unwrap_or_default();
    assert!(detail.ends_with("its connection: round trip 1.2 ms, 2 retransmissions"), "{detail}");
    let Some(Facts::Call(facts)) = &w.event("call").facts else { panic!("no facts") };
    assert_eq!((facts.previous_attempts, facts.pushback_ms), (Some(2), Some(50)));
    assert_eq!(
        (facts.verdict, facts.status, facts.timeout_ns),
        ("status", Some(14), Some(5_000_000_000))
    );
}

#[test]
fn the_capture_ends() {
    let mut w = World::new();
    w.request(&[]).send(Side::Client, &framed(0, ALICE)[..7]);
    w.cause(Side::Client, EndCause::CaptureEnded).cause(Side::Server, EndCause::CaptureEnded);
    assert_eq!(w.kinds(), ["request", "message", "call"]);
    assert!(!w.event("message").complete && !w.event("call").complete);
    assert_eq!(w.text("call", "grpc.ended"), Some("capture ended".into()));
    assert_eq!(w.r.codes(), ["grpc.truncated-message"]);
    // In the middle of a prefix.
    let mut w = World::new();
    w.request(&[]).send(Side::Client, &[0, 0, 0]).cause(Side::Client, EndCause::CaptureEnded);
    // Of the client's bytes alone it may be that nobody knows how they went on.
    assert_eq!(w.kinds(), ["request", "message"]);
    w.cause(Side::Server, EndCause::CaptureEnded);
    assert_eq!(w.kinds(), ["request", "message", "call"]);
    assert_tiles(w.event("message"));
    assert_eq!(w.r.codes(), ["grpc.truncated-message"]);
}

#[test]
fn a_gap_loses_one_direction_only() {
    let mut w = World::new();
    w.request(&[]).response(&[]).send(Side::Server, &framed(0, ALICE)[..7]);
    w.r.gap(&mut w.m, Side::Server, 100);
    w.send(Side::Server, b"whatever this is").send(Side::Client, &framed(0, ID_42));
    w.trailers(&[("grpc-status", "0")]);
    assert_eq!(w.kinds(), ["request", "response", "message", "message", "trailers", "call"]);
    assert_eq!(w.r.codes(), ["grpc.gap"]);
    assert_eq!(w.r.refused[1], 0);
    // The next message is found again, where how much is missing is known or not.
    for len in [0, 3, 40] {
        let mut w = World::new();
        w.request(&[]).response(&[]).send(Side::Server, &framed(0, ALICE)[..7]);
        w.r.gap(&mut w.m, Side::Server, len);
        if len == 3 {
            w.send(Side::Server, &framed(0, ALICE)[10..]);
        }
        w.send(Side::Server, &framed(0, ALICE)).send(Side::Server, &framed(0, ID_42));
        w.trailers(&[("grpc-status", "0")]);
        let list = ["request", "response", "message", "message", "message", "trailers", "call"];
        assert_eq!(w.kinds(), list, "{len}");
        assert_eq!(w.r.codes(), ["grpc.gap"], "{len}");
        let complete: Vec<bool> = w.r.events[2..5].iter().map(|e| e.complete).collect();
        assert_eq!(complete, [false, true, true], "{len}");
    }
    // Between messages.
    let mut w = World::new();
    w.request(&[]);
    w.r.gap(&mut w.m, Side::Server, 100);
    w.trailers(&[("grpc-status", "0")]);
    assert_eq!(w.r.codes(), ["grpc.gap"]);
}

/// What the server sent of a message before it heard of the abort is no other message, whether
/// all of it was captured or not.
#[test]
fn the_rest_of_a_message_behind_an_abort_is_none() {
    let long = framed(0, &[&[0x0a, 100][..], &[b'x'; 100]].concat());
    for missing in [0, 20] {
        let mut w = World::new();
        w.request(&[]).response(&[]).send(Side::Server, &long[..30]).reset(Side::Client, 8);
        w.send(Side::Server, &long[30..50]);
        if missing > 0 {
            w.r.gap(&mut w.m, Side::Server, missing);
        }
        w.send(Side::Server, &long[50 + missing as usize..]);
        w.send(Side::Server, &framed(0, ALICE));
        let list = ["request", "response", "message", "call", "message"];
        assert_eq!(w.kinds(), list, "{missing}");
        assert!(w.r.events.last().is_some_and(|e| e.complete));
        let mut codes = w.r.codes();
        codes.retain(|c| *c != "grpc.gap");
        codes.sort_unstable();
        assert_eq!(codes, ["grpc.cancelled", "grpc.truncated-message"], "{missing}");
    }
}

#[test]
fn each_odd_head_is_found_once() {
    let cases: &[(&[(&str, &str)], &str)] = &[
        (&[("grpc-timeout", "5s")], "grpc.bad-timeout"),
        (&[("grpc-timeout", "99999999H")], "grpc.timeout-saturated"),
        (&[("x-bin", "?")], "grpc.bad-base64"),
    ];
    for (extra, code) in cases {
        let mut w = World::new();
        w.request(extra).response(&[]).trailers(&[("grpc-status", "0")]);
        assert_eq!(w.r.codes(), [*code]);
    }
    let mut w = World::new();
    w.head(
        Side::Client,
        &[(":method", "GET"), (":path", "/a/b"), ("content-type", "text/html")],
        false,
    );
    assert_eq!(w.r.codes(), ["grpc.content-type", "grpc.method-not-post"]);
    let mut w = World::new();
    w.request(&[]).head(Side::Server, &[(":status", "503"), ("content-type", "text/html")], true);
    assert_eq!(w.r.codes(), ["grpc.http-status", "grpc.content-type", "grpc.call-failed"]);
    assert_eq!(w.text("call", "grpc.ended"), Some("no status".into()));
    assert_eq!(w.number("call", "grpc.client_status"), Some(14));
    let mut w = World::new();
    w.request(&[]).response(&[]).trailers(&[("grpc-status", "x"), ("grpc-message", "100%")]);
    let codes = ["grpc.bad-percent-encoding", "grpc.malformed-status", "grpc.call-failed"];
    assert_eq!(w.r.codes(), codes);
    let mut w = World::new();
    w.request(&[]).response(&[]).trailers(&[("other", "1")]);
    assert_eq!(w.r.codes(), ["grpc.missing-trailers"]);
}

#[test]
fn each_odd_message_is_found_once() {
    let packed = gzip(b"hello");
    let mut broken = packed.clone();
    broken.truncate(12);
    let mut longer = packed.clone();
    longer.push(0);
    type Case<'a> = (&'a [(&'a str, &'a str)], Vec<u8>, &'a [&'a str]);
    let cases: &[Case<'_>] = &[
        (&[], framed(1, &packed), &["grpc.compressed-without-encoding"]),
        (&[("grpc-encoding", "identity")], framed(1, b"x"), &["grpc.compressed-without-encoding"]),
        (&[("grpc-encoding", "lz4")], framed(1, b"x"), &["grpc.unknown-encoding"]),
        (&[("grpc-encoding", "gzip")], framed(1, &broken), &["grpc.bad-compression"]),
        (&[("grpc-encoding", "gzip")], framed(1, &longer), &["grpc.bad-compression"]),
        (
            &[("grpc-encoding", "gzip")],
            [framed(0, b"x"), framed(0, b"y")].concat(),
            &["grpc.uncompressed-despite-encoding"],
        ),
        (&[], framed(2, b"x"), &["grpc.bad-compressed-flag"]),
        (&[], framed(0, b"hello")[..8].to_vec(), &["grpc.truncated-message"]),
    ];
    for (extra, bytes, codes) in cases {
        let mut w = World::new();
        w.request(extra).send(Side::Client, bytes).end(Side::Client);
        w.response(&[]).trailers(&[("grpc-status", "0")]);
        assert_eq!(w.r.codes(), *codes);
        w.r.events.iter().filter(|e| e.kind == "message").for_each(assert_tiles);
    }
}

#[test]
fn zstd_and_snappy_are_undone() {
    use ruzstd::encoding::{CompressionLevel, compress_to_vec};
    let zstd = compress_to_vec(ALICE, CompressionLevel::Fastest);
    // A length, and one literal.
    let snappy = [&[ALICE.len() as u8, (ALICE.len() as u8 - 1) << 2], ALICE].concat();
    for (name, packed) in [("zstd", zstd), ("snappy", snappy)] {
        for size in [1, 2, 3, 7, 1460] {
            let mut w = World::new();
            w.size = size;
            w.request(&[("grpc-encoding", name)]).send(Side::Client, &framed(1, &packed));
            assert!(w.r.codes().is_empty(), "{name}");
            let e = w.event("message");
            assert_eq!(e.length, ALICE.len() as u64, "{name}");
            assert_eq!(e.detail.as_ref().unwrap().payload, Payload::Bytes(ALICE.to_vec()));
            assert_tiles(e);
        }
    }
}

/// What is found of these details beside this status.
fn about_details(status: &str, message: &str, details: &str) -> Vec<&'static str> {
    let mut w = World::new();
    w.request(&[]).response(&[]);
    w.trailers(&[
        ("grpc-status", status),
        ("grpc-message", message),
        ("grpc-status-details-bin", details),
    ]);
    let of_all = ["grpc.bad-status", "grpc.call-failed"];
    w.r.codes().into_iter().filter(|c| !of_all.contains(c)).collect()
}

#[test]
fn rich_details_may_not_contradict_the_status() {
    // Code 5 and the message "no", as base64 and as bytes (gRPC proposal G1).
    for details in ["CAUSAm5v", "\0\u{8}\u{5}\u{12}\u{2}no"] {
        assert_eq!(about_details("5", "no", details), [""; 0]);
        assert_eq!(about_details("13", "no", details), ["grpc.status-details-mismatch"]);
        // Another message is no contradiction.
        assert_eq!(about_details("5", "no user", details), ["grpc.status-details-message"]);
        assert_eq!(about_details("0", "no", details), ["grpc.status-details-of-ok"]);
    }
    // No code, the message "no": nothing is said of the code.
    assert_eq!(about_details("13", "no", "EgJubw"), [""; 0]);
    // A service's own bytes, and its own message whose first field is 404.
    assert_eq!(about_details("5", "no", "AAECAw"), ["grpc.other-status-details"]);
    assert_eq!(about_details("5", "no", "CJQD"), ["grpc.other-status-details"]);
    assert_eq!(about_details("5", "no", "?"), ["grpc.bad-base64"]);
    assert_eq!(about_details("5", "no", ""), [""; 0]);
}

#[test]
fn binary_metadata_as_bytes_is_shown_as_bytes() {
    let mut w = World::new();
    w.request(&[("token-bin", "\0,\u{1} "), ("list-bin", "AQ,Ag")]);
    assert_eq!(w.r.codes(), [""; 0]);
    let tree = &w.event("request").detail.as_ref().unwrap().tree;
    let all: Vec<Vec<u8>> = tree
        .leaves()
        .filter(|n| n.spec.name == "grpc.metadata_bin")
        .map(|n| match &n.value {
            Value::Bytes(b) => b.to_vec(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(all, [b",\x01 ".to_vec(), vec![1], vec![2]]);
}

#[test]
fn more_than_libraries_receive_is_found() {
    let mut w = World::new();
    w.request(&[("grpc-encoding", "gzip")]);
    w.send(Side::Client, &framed(1, &gzip(&vec![0; 4 << 20])));
    assert!(w.r.codes().is_empty());
    w.send(Side::Client, &framed(1, &gzip(&vec![0; (4 << 20) + 1])));
    assert_eq!(w.r.codes(), ["grpc.large-message"]);
}

#[test]
fn a_bomb_is_named() {
    use crate::base::limits::MAX_INFLATED_BYTES;
    let packed = gzip(&vec![0; MAX_INFLATED_BYTES + 1]);
    let mut w = World::new();
    w.request(&[("grpc-encoding", "gzip")]).send(Side::Client, &framed(1, &packed));
    assert_eq!(w.r.codes(), ["grpc.inflate-limit", "grpc.large-message"]);
    assert_eq!(w.event("message").length, MAX_INFLATED_BYTES as u64);
    assert_eq!(w.event("message").detail.as_ref().unwrap().truncated, Some(64 << 20));
}

#[test]
fn a_large_message_is_not_kept_with_its_call() {
    let packed = gzip(&vec![0; 32 << 20]);
    let mut w = World::new();
    w.request(&[("grpc-encoding", "gzip")]).send(Side::Client, &framed(1, &packed));
    assert!(w.m.memory() < 1 << 20, "{} bytes after an inflated message", w.m.memory());
    w.send(Side::Client, &framed(0, &vec![0; 4 << 20]));
    assert!(w.m.memory() < 1 << 20, "{} bytes after a large message", w.m.memory());
}

#[test]
fn a_large_message_keeps_its_length() {
    use crate::base::limits::MAX_GRPC_MESSAGE_BYTES;
    let data = vec![7; MAX_GRPC_MESSAGE_BYTES + 10];
    for size in [1 << 16, 1 << 26] {
        let mut w = World::new();
        w.size = size;
        w.request(&[])
            .send(Side::Client, &framed(0, &data))
            .send(Side::Client, &framed(0, b"next"));
        assert_eq!(w.r.codes(), ["grpc.message-limit", "grpc.large-message"]);
        let e = w.event("message");
        assert_eq!(e.length, data.len() as u64);
        assert_tiles(e);
        assert_eq!(w.kinds(), ["request", "message", "message"]);
        assert_eq!(w.summary("message"), format!("{} bytes", data.len()));
    }
}

#[test]
fn patterns_as_observed() {
    for (messages, ok, pattern) in [
        ([1, 1], true, "unary"),
        ([1, 3], true, "server_streaming"),
        ([3, 1], true, "client_streaming"),
        ([2, 2], true, "bidi_streaming"),
        ([1, 0], true, "server_streaming"),
        ([0, 1], true, "client_streaming"),
        ([0, 0], true, "bidi_streaming"),
        ([1, 0], false, "unary"),
        ([0, 0], false, "unary"),
    ] {
        assert_eq!(call::observed(messages, ok), pattern, "{messages:?} {ok}");
    }
}

#[test]
fn a_call_without_its_request_is_inferred() {
    let mut w = World::new();
    w.response(&[]).send(Side::Server, &framed(1, &gzip(ALICE)));
    w.trailers(&[("grpc-status", "0")]);
    assert!(w.r.events.iter().all(|e| e.inferred));
    assert!(w.summary("call").starts_with("(path not captured) → OK"));
    // Not even the heads: gzip is known by its content.
    let mut w = World::new();
    w.send(Side::Server, &framed(1, &gzip(ALICE)));
    assert_eq!(w.event("message").length, 9);
    assert_eq!(w.r.codes(), Vec::<&str>::new());
}

#[test]
fn claims_by_content_type() {
    for (value, yes) in [
        ("application/grpc", true),
        ("application/grpc+proto", true),
        ("Application/gRPC+json", true),
        ("application/grpc; charset=utf-8", true),
        ("application/grpc-web", false),
        ("application/grpc-web+proto", false),
        ("application/grpcx", false),
        ("application/json", false),
    ] {
        assert_eq!(is_native(value.as_bytes()), yes, "{value}");
    }
}

#[test]
fn nothing_is_built_that_nobody_looks_at() {
    let mut w = World::new();
    w.r.wants = |_| false;
    w.request(&[]).send(Side::Client, &framed(0, ID_42)).response(&[]);
    w.trailers(&[("grpc-status", "2")]);
    assert!(w.r.events.iter().all(|e| e.detail.is_none()));
    assert_eq!(w.r.codes(), ["grpc.bad-status", "grpc.call-failed"]);
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic(
        data in proptest::collection::vec(any::<u8>(), 0..600),
        small in proptest::collection::vec(0_u8..4, 0..200),
        size in 1_usize..50,
        encoding in "(gzip|deflate|identity|x)",
        value in "\\PC{0,12}",
    ) {
        let mut w = World::new();
        w.size = size;
        w.request(&[("grpc-encoding", &encoding), ("grpc-timeout", &value), ("a-bin", &value)]);
        w.send(Side::Client, &small).send(Side::Client, &data);
        w.head(Side::Server, &[(":status", &value), ("grpc-encoding", &encoding)], false);
        w.send(Side::Server, &data).end(Side::Client);
        w.trailers(&[("grpc-status", &value), ("grpc-message", &value)]);
        prop_assert_eq!(w.r.kinds(Level::Exchange), ["call"]);
        for e in w.r.events.iter().filter(|e| e.kind == "message") {
            assert_tiles(e);
        }
        // What each message holds was sent.
        let sent = small.len() + data.len();
        prop_assert!(w.number("call", "grpc.request_bytes").unwrap() <= sent as u64);
    }
}

/// A head at a moment that is not now.
fn head_at(w: &mut World, side: Side, list: &[(&str, &str)], end: bool, ns: i64) {
    let h = headers(list);
    let mut head = head(&w.r, side, &h, end);
    (head.start.time.0, head.ready.time.0) = (ns, ns);
    w.r.input(&mut w.m, Input::Head(head));
}

const REQUEST: [(&str, &str); 3] =
    [(":method", "POST"), (":path", "/a.B/C"), ("content-type", "application/grpc")];
const ANSWER: [(&str, &str); 3] =
    [(":status", "200"), ("content-type", "application/grpc"), ("grpc-status", "5")];

#[test]
fn a_request_that_is_told_behind_its_answer_began_the_call_all_the_same() {
    let mut w = World::new();
    head_at(&mut w, Side::Server, &ANSWER, true, 7_000_000);
    head_at(&mut w, Side::Client, &REQUEST, true, 2_000_000);
    w.end(Side::Client).end(Side::Server);
    assert_eq!(w.number("call", "duration_ns"), Some(5_000_000));
    let call = w.event("call");
    assert_eq!(call.end.time.since(call.start.time), 5_000_000);
    assert!(w.summary("call").ends_with("0 up 0 down, 5 ms"), "{}", w.summary("call"));
    assert!(matches!(&call.facts, Some(Facts::Call(c)) if !c.joined));
}

#[test]
fn how_long_a_call_took_without_its_request_is_not_known() {
    let mut w = World::new();
    head_at(&mut w, Side::Server, &ANSWER, true, 7_000_000);
    w.end(Side::Server);
    assert_eq!(w.number("call", "duration_ns"), None);
    let line = w.summary("call");
    assert!(line.ends_with("0 up 0 down seen, its beginning was not captured"), "{line}");
    assert!(matches!(&w.event("call").facts, Some(Facts::Call(c)) if c.joined));
}

#[test]
fn a_refusal_without_heads_is_nobodys_promise() {
    for guessed in [true, false] {
        let mut w = World::new();
        w.r.path.guessed = guessed;
        w.send(Side::Client, &[0, 0, 0, 0, 2, 8, 1]).reset(Side::Server, 7);
        let why = w.text("call", "grpc.why").unwrap_or_default();
        assert_eq!(why.contains("by one end"), guessed, "{why}");
        assert_ne!(why.contains("by the server"), guessed, "{why}");
        assert_eq!(w.r.codes(), [if guessed { "grpc.reset" } else { "grpc.refused" }]);
        // How many messages went which way is nothing that is known either.
        let line = w.summary("call");
        let counts = if guessed { "1 one way 0 the other seen" } else { "1 up 0 down seen" };
        assert!(line.contains(counts), "{line}");
    }
    // The heads are there, and an answer had begun.
    let mut w = World::new();
    w.request(&[]).response(&[]).send(Side::Server, &[0, 0, 0, 0, 2, 8, 1]);
    w.reset(Side::Server, 7);
    let why = w.text("call", "grpc.why").unwrap_or_default();
    assert!(!why.contains("never processed"), "{why}");
}

/// A client that was killed: the server's library tells nobody that the connection is gone.
#[test]
fn a_status_behind_the_clients_fin_is_for_nobody() {
    let lost = |code: &str, fin: Option<Side>| {
        let mut w = World::new();
        w.request(&[]).send(Side::Client, &[0, 0, 0, 0, 2, 8, 1]).end(Side::Client);
        w.r.now.packet.0 += 1;
        let at = w.r.now;
        if let Some(side) = fin {
            w.r.path.fins[side.index()] = Some(at);
        }
        w.r.now.packet.0 += 1;
        w.trailers(&[("grpc-status", code), ("grpc-message", "Socket closed")]).end(Side::Server);
        let f = w.event("call").findings.first().cloned();
        (
            w.text("call", "grpc.verdict").unwrap_or_default(),
            w.summary("call").to_owned(),
            f,
            at.packet,
        )
    };
    let (verdict, line, f, fin) = lost("14", Some(Side::Client));
    assert_eq!(verdict, "connection lost");
    assert!(line.contains("connection lost (FIN by client)"), "{line}");
    let f = f.unwrap();
    assert_eq!(f.spec.code, "grpc.connection-lost");
    let text = f.detail.as_deref().unwrap();
    assert!(text.contains("before the trailers; 14 UNAVAILABLE \"Socket closed\""), "{text}");
    assert!(f.proof.contains(&fin) && f.proof.len() == 3, "{:?}", f.proof);
    for (code, fin) in [("14", None), ("14", Some(Side::Server)), ("5", Some(Side::Client))] {
        assert_eq!(lost(code, fin).0, "status", "{code}");
    }
    assert_eq!(lost("0", Some(Side::Client)).0, "ok");
}

/// Which end is the client was guessed, and wrongly: nothing was lost.
#[test]
fn an_answer_of_the_client_is_that_of_the_server() {
    let mut w = World::new();
    w.r.path.guessed = true;
    head_at(&mut w, Side::Client, &ANSWER, true, 7_000_000);
    w.end(Side::Client).cause(Side::Server, EndCause::Cut);
    assert_eq!(w.text("call", "grpc.verdict").as_deref(), Some("not captured"));
    assert_eq!(w.r.codes(), [""; 0]);
}

/// A message flag of Connect, where no head says what it is.
#[test]
fn bytes_of_connect_are_no_faulty_grpc() {
    let mut w = World::new();
    let end = [&[2, 0, 0, 0, 2][..], b"{}"].concat();
    w.send(Side::Server, &[0, 0, 0, 0, 2, 8, 1]).send(Side::Server, &end).end(Side::Server);
    assert_eq!(w.r.codes(), [""; 0]);
    let mut w = World::new();
    w.request(&[]).response(&[]).send(Side::Server, &end).end(Side::Server);
    assert!(w.r.codes().contains(&"grpc.bad-compressed-flag"), "{:?}", w.r.codes());
}
