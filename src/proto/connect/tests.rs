//! Bytes in, exact events out.

use std::io::Write as _;

use proptest::prelude::*;

use super::*;
use crate::base::{CaptureTime, Moment, PacketId};
use crate::event::{Draft, Level, Payload};
use crate::facts::Facts;
use crate::field::Value;
use crate::proto::harness::Recorder;
use crate::proto::{EndCause, Headers, Input, Out as _, Stall};

struct World {
    r: Recorder,
    m: Call,
    size: usize,
}

const VERSION: (&str, &str) = ("connect-protocol-version", "1");
const JSON: &str = "application/json";
const STREAM: &str = "application/connect+proto";

fn envelope(flags: u8, data: &[u8]) -> Vec<u8> {
    let mut v = vec![flags];
    v.extend((data.len() as u32).to_be_bytes());
    v.extend_from_slice(data);
    v
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut z = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    z.write_all(data).unwrap();
    z.finish().unwrap()
}

impl World {
    fn new() -> Self {
        Self { r: Recorder::new(), m: Call::new(), size: 1460 }
    }

    fn head(&mut self, side: Side, list: &[(&str, &str)]) -> &mut Self {
        let mut headers = Headers::new();
        for (n, v) in list {
            headers.push(n.as_bytes(), v.as_bytes());
        }
        let mut now: Moment = self.r.now();
        now.packet.0 += 1;
        now.time.0 += 1000;
        let head = Head {
            side,
            headers: &headers,
            version: 11,
            end: false,
            start: now,
            ready: now,
            wire_len: 10,
            detail: None,
        };
        self.r.input(&mut self.m, Input::Head(head));
        self
    }

    fn post(&mut self, kind: &str, extra: &[(&str, &str)]) -> &mut Self {
        let path = (":path", "/user.UserService/GetUser");
        let mut list = vec![(":method", "POST"), path, ("content-type", kind), VERSION];
        list.extend_from_slice(extra);
        self.head(Side::Client, &list)
    }

    fn answer(&mut self, status: &str, kind: &str, extra: &[(&str, &str)]) -> &mut Self {
        let mut list = vec![(":status", status), ("content-type", kind)];
        list.extend_from_slice(extra);
        self.head(Side::Server, &list)
    }

    fn up(&mut self, data: &[u8]) -> &mut Self {
        self.r.bytes(&mut self.m, Side::Client, data, self.size);
        self.end(Side::Client)
    }

    fn down(&mut self, data: &[u8]) -> &mut Self {
        self.r.bytes(&mut self.m, Side::Server, data, self.size);
        self.end(Side::Server)
    }

    fn end(&mut self, side: Side) -> &mut Self {
        self.r.end(&mut self.m, side, EndCause::Finished);
        self
    }

    /// Messages, and how the call ended but for its times.
    fn gist(&self) -> Vec<String> {
        self.r.gist().into_iter().filter(|e| e.starts_with("Message")).collect()
    }

    fn call(&self) -> &Draft {
        self.r.events.iter().find(|e| e.level == Level::Exchange).unwrap()
    }

    fn text(&self, field: &str) -> Option<String> {
        match &self.call().detail.as_ref().unwrap().tree.find(field)?.value {
            Value::Text(t) => Some(t.to_string()),
            Value::U64(n) => Some(n.to_string()),
            other => panic!("{other:?}"),
        }
    }

    fn summaries(&self) -> Vec<(&'static str, String)> {
        let line = |d: &Draft| d.detail.as_ref().map_or("", |d| d.summary.as_str()).to_owned();
        self.r.events.iter().map(|d| (d.kind, line(d))).collect()
    }
}

/// The connection beside a call, and an abort of the connection or by its GOAWAY.
#[test]
fn what_is_known_of_the_connection() {
    use crate::proto::{Abort, Path};
    for (abort, code, verdict, ended) in [
        (Abort::Stream, 7, "refused", "reset REFUSED_STREAM by server"),
        (Abort::Stream, 2, "reset", "reset INTERNAL_ERROR by server"),
        (Abort::Connection, 0, "connection lost", "connection lost"),
        (
            Abort::Goaway { last: 3, error: 0 },
            7,
            "refused",
            "GOAWAY NO_ERROR, last stream 3: never processed, safe to retry",
        ),
    ] {
        let mut w = World::new();
        w.r.path = Path { retransmissions: 3, round_trip: Some(1_200_000), ..Path::default() };
        w.post(JSON, &[]).up(b"{}");
        w.r.path.retransmissions = 4;
        w.r.abort = abort;
        w.r.input(&mut w.m, Input::Reset { side: Side::Server, code });
        assert_eq!(w.r.codes(), ["connect.reset"]);
        assert_eq!(w.text("connect.verdict").as_deref(), Some(verdict));
        assert_eq!(w.text("connect.ended").as_deref(), Some(ended));
        assert_eq!(w.text("connect.round_trip_ns").as_deref(), Some("1200000"));
        assert_eq!(w.text("connect.retransmissions").as_deref(), Some("1"));
        let why = w.call().findings[0].detail.clone().unwrap_or_default();
        let beside = "; its connection: round trip 1.2 ms, 1 retransmission";
        let by = if ended == "connection lost" { ": RST by the server" } else { "" };
        assert_eq!(&*why, format!("{ended}{by}{beside}"));
        let Some(Facts::Call(facts)) = &w.call().facts else { panic!("no facts") };
        assert_eq!(facts.verdict, verdict);
    }
}

#[test]
fn a_unary_call() {
    let mut w = World::new();
    w.post(
        JSON,
        &[
            ("connect-timeout-ms", "5000"),
            ("x-request-id", "abc"),
            ("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
        ],
    );
    w.up(b"{\"id\":42}").answer("200", JSON, &[("trailer-x-took", "3 ms"), ("x-cache", "miss")]);
    w.down(b"{\"name\":\"Alice\"}");
    assert_eq!(w.r.codes(), Vec::<&str>::new());
    let s = w.summaries();
    assert_eq!(
        (s[0].0, s[0].1.as_str()),
        ("request", "user.UserService/GetUser, timeout 5 s, metadata x-request-id, traceparent")
    );
    assert_eq!((s[1].0, s[1].1.as_str()), ("message", "{\"id\":42}"));
    assert_eq!((s[2].0, s[2].1.as_str()), ("response", "response, metadata x-took, x-cache"));
    assert_eq!((s[3].0, s[3].1.as_str()), ("message", "{\"name\":\"Alice\"}"));
    assert!(s[4].1.starts_with("user.UserService/GetUser → ok, 1 up 1 down, "), "{s:?}");
    for (field, value) in [
        ("connect.service", "user.UserService"),
        ("connect.method", "GetUser"),
        ("connect.http_method", "POST"),
        ("connect.codec", "json"),
        ("connect.pattern", "unary"),
        ("connect.http_status", "200"),
        ("connect.code", "ok"),
        ("connect.status", "0"),
        ("connect.timeout_ns", "5000000000"),
        ("connect.request_bytes", "9"),
        ("connect.response_bytes", "16"),
        ("connect.ended", "response"),
    ] {
        assert_eq!(w.text(field).as_deref(), Some(value), "{field}");
    }
    let Some(Facts::Call(f)) = &w.call().facts else { panic!("no facts") };
    assert_eq!((&*f.path, f.status), ("/user.UserService/GetUser", Some(0)));
    let ids: Vec<&str> = f.trace_ids.iter().map(|t| &*t.id).collect();
    assert_eq!(ids, ["abc", "0af7651916cd43dd8448eb211c80319c"], "in the order of the head");
    assert_eq!((f.messages, f.bytes), ([1, 1], [9, 16]));
}

#[test]
fn a_unary_error_says_its_code_and_details() {
    let mut w = World::new();
    w.post("application/proto", &[]).up(b"").answer("404", JSON, &[]);
    w.down(br#"{"code":"not_found","message":"no user","details":[{"type":"a.B","value":"CCo"}]}"#);
    assert_eq!(w.r.codes(), ["connect.error"]);
    let s = w.summaries();
    // An empty body is a message whose fields are absent.
    assert_eq!((s[1].0, s[1].1.as_str()), ("message", "0 bytes"));
    assert_eq!((s[3].0, s[3].1.as_str()), ("error", "not_found \"no user\""));
    assert!(s[4].1.contains("→ not_found \"no user\", 1 up 0 down"), "{s:?}");
    assert_eq!(w.text("connect.status").as_deref(), Some("5"));
    assert_eq!(w.text("connect.error_detail").as_deref(), Some("a.B CCo"));
}

#[test]
fn a_get_carries_its_message_in_the_query() {
    let mut w = World::new();
    let path = "/user.UserService/GetUser?connect=v1&base64=1&encoding=proto&message=CCo";
    w.head(Side::Client, &[(":method", "GET"), (":path", path)]);
    w.end(Side::Client).answer("200", "application/proto", &[]).down(b"\x08\x2a");
    assert_eq!(w.r.codes(), Vec::<&str>::new());
    let message = &w.r.events[1];
    assert_eq!((message.kind, message.sender), ("message", Some(Side::Client)));
    assert_eq!(message.detail.as_ref().unwrap().payload, Payload::Bytes(vec![8, 42]));
    assert_eq!(w.text("connect.http_method").as_deref(), Some("GET"));
    assert_eq!(w.text("connect.codec").as_deref(), Some("proto"));
}

fn stream(size: usize) -> World {
    let mut w = World::new();
    w.size = size;
    let gz = ("connect-content-encoding", "gzip");
    w.post(STREAM, &[gz]).up(&[envelope(1, &gzip(b"\x08\x2a")), envelope(0, b"")].concat());
    w.answer("200", STREAM, &[]);
    let end =
        br#"{"error":{"code":"aborted","message":"enough"},"metadata":{"x-took":["3 ms","4 ms"]}}"#;
    w.down(&[envelope(0, b"\x08\x01"), envelope(2, end)].concat());
    w
}

#[test]
fn a_stream_of_envelopes() {
    let w = stream(1460);
    assert_eq!(w.r.codes(), ["connect.error"]);
    let kinds: Vec<_> = w.r.events.iter().map(|e| e.kind).collect();
    assert_eq!(
        kinds,
        ["request", "message", "message", "response", "message", "end_stream", "call"]
    );
    let tree = |i: usize| &w.r.events[i].detail.as_ref().unwrap().tree;
    assert_eq!(tree(1).find("connect.compressed").unwrap().value, Value::Bool(true));
    assert_eq!(tree(5).find("connect.end_stream").unwrap().value, Value::Bool(true));
    let metadata: Vec<_> =
        tree(5).nodes().iter().filter(|n| n.spec.name == "connect.trailers").collect();
    assert_eq!(metadata.len(), 2);
    assert_eq!(w.r.events[1].detail.as_ref().unwrap().payload, Payload::Bytes(vec![8, 42]));
    assert_eq!(w.text("connect.pattern").as_deref(), Some("client_streaming"));
    assert_eq!(w.text("connect.code").as_deref(), Some("aborted"));
    assert!(
        w.call().detail.as_ref().unwrap().summary.contains("→ aborted \"enough\", 2 up 1 down")
    );
}

#[test]
fn chunks_of_any_size_give_the_same_events() {
    let whole = stream(1 << 20).gist();
    let unary = |size| {
        let mut w = World::new();
        w.size = size;
        w.post(JSON, &[]).up(b"{\"id\":42}").answer("404", JSON, &[]);
        w.down(b"{\"code\":\"not_found\"}");
        w.gist()
    };
    for size in [1, 2, 3, 7, 1460] {
        assert!(stream(size).gist() == whole, "{size}");
        assert!(unary(size) == unary(1 << 20), "{size}");
    }
}

#[test]
fn a_message_is_followed_to_its_bytes() {
    let mut w = World::new();
    w.size = 4;
    w.post(STREAM, &[]).up(&envelope(0, b"abcdef")).answer("200", STREAM, &[]);
    w.down(&envelope(2, b"{}"));
    let d = w.r.events[1].detail.as_ref().unwrap();
    let place = d.origins.locate(d.tree.find("connect.message_data").unwrap().span.unwrap());
    assert!(place.exact);
    assert_eq!(
        place.ranges.iter().map(|r| (r.packet.0, r.len)).collect::<Vec<_>>(),
        [(3, 3), (4, 3)]
    );
}

/// Each finding, once.
#[test]
fn what_is_wrong_is_said() {
    let codes = |f: &dyn Fn(&mut World)| {
        let mut w = World::new();
        f(&mut w);
        w.r.codes()
    };
    let end = envelope(2, b"{}");
    let ok = |w: &mut World| {
        w.answer("200", STREAM, &[]).down(&envelope(2, b"{}"));
    };
    let bad = |w: &mut World, status: &str, kind: &str, body: &[u8]| {
        w.post(JSON, &[]).up(b"{}").answer(status, kind, &[]).down(body);
    };
    type Case = Box<dyn Fn(&mut World)>;
    let cases: Vec<(&str, Case)> = vec![
        (
            "connect.bad-error",
            Box::new(|w| {
                w.post(STREAM, &[]).up(b"").answer("200", STREAM, &[]).down(&envelope(2, b"[1]"));
            }),
        ),
        (
            "connect.missing-end-stream",
            Box::new(|w| {
                w.post(STREAM, &[]).up(b"").answer("200", STREAM, &[]).down(&envelope(0, b"x"));
            }),
        ),
        ("connect.after-end-stream", {
            let end = end.clone();
            Box::new(move |w| {
                w.post(STREAM, &[])
                    .up(b"")
                    .answer("200", STREAM, &[])
                    .down(&[&end[..], b"xyz"].concat());
            })
        }),
        ("connect.client-end-stream", {
            let end = end.clone();
            Box::new(move |w| {
                w.post(STREAM, &[]).up(&end);
                ok(w);
            })
        }),
        (
            "connect.reserved-flags",
            Box::new(move |w| {
                w.post(STREAM, &[]).up(&envelope(0x84, b"x"));
                ok(w);
            }),
        ),
        (
            "connect.truncated-message",
            Box::new(move |w| {
                w.post(STREAM, &[]).up(&envelope(0, b"xyz")[..7]);
                ok(w);
            }),
        ),
        (
            "connect.truncated-message",
            Box::new(move |w| {
                w.post(STREAM, &[]).up(b"\0\0");
                ok(w);
            }),
        ),
        (
            "connect.compressed-without-encoding",
            Box::new(move |w| {
                w.post(STREAM, &[]).up(&envelope(1, b"xyz"));
                ok(w);
            }),
        ),
        (
            "connect.unknown-encoding",
            Box::new(move |w| {
                w.post(STREAM, &[("connect-content-encoding", "lzma")]).up(&envelope(1, b"xyz"));
                ok(w);
            }),
        ),
        (
            "connect.bad-compression",
            Box::new(move |w| {
                w.post(STREAM, &[("connect-content-encoding", "gzip")]).up(&envelope(1, b"xyz"));
                ok(w);
            }),
        ),
        (
            "connect.bad-timeout",
            Box::new(move |w| {
                w.post(STREAM, &[("connect-timeout-ms", "5S")]).up(b"");
                ok(w);
            }),
        ),
        (
            "connect.content-type",
            Box::new(|w| {
                w.post("application/proto", &[]).up(b"").answer("200", JSON, &[]).down(b"{}");
            }),
        ),
        (
            "connect.no-response",
            Box::new(|w| {
                w.post(JSON, &[]).up(b"{}").end(Side::Server);
            }),
        ),
    ];
    for (code, case) in cases {
        assert_eq!(codes(&*case), [code]);
    }
    assert_eq!(
        codes(&|w| bad(w, "404", JSON, b"{\"code\":\"gone\"}")),
        ["connect.bad-error", "connect.error"]
    );
    assert_eq!(
        codes(&|w| bad(w, "500", JSON, b"{\"code\":\"not_found\"}")),
        ["connect.error", "connect.status-mismatch"]
    );
    assert_eq!(
        codes(&|w| bad(w, "502", "text/html", b"<html>")),
        ["connect.http-status", "connect.error"]
    );
    assert_eq!(codes(&|w| bad(w, "503", "text/html", b"")), ["connect.http-status"]);
    assert_eq!(
        codes(&|w| {
            w.head(
                Side::Client,
                &[(":method", "GET"), (":path", "/a.B/C?connect=v1&encoding=json")],
            );
            w.end(Side::Client).answer("200", JSON, &[]).down(b"{}");
        }),
        ["connect.bad-query"]
    );
    assert_eq!(
        codes(&|w| {
            let list =
                [(":method", "POST"), ("content-type", JSON), ("connect-protocol-version", "2")];
            w.head(Side::Client, &list).up(b"{}").answer("200", JSON, &[]).down(b"{}");
        }),
        ["connect.version"]
    );
    // Gaps and ends of another sort.
    let mut w = World::new();
    w.post(STREAM, &[]).up(b"").answer("200", STREAM, &[]);
    w.r.gap(&mut w.m, Side::Server, 10);
    w.end(Side::Server);
    assert_eq!(w.r.codes(), ["connect.gap"]);
    for (code, expected) in [(8, "connect.reset"), (7, "connect.reset")] {
        let mut w = World::new();
        w.post(STREAM, &[("connect-timeout-ms", "50000")]).answer("200", STREAM, &[]);
        w.r.input(&mut w.m, Input::Reset { side: Side::Client, code });
        assert_eq!(w.r.codes(), [expected]);
    }
    let mut w = World::new();
    w.post(STREAM, &[("connect-timeout-ms", "0")]).answer("200", STREAM, &[]);
    w.r.input(&mut w.m, Input::Reset { side: Side::Client, code: 8 });
    assert_eq!(w.r.codes(), ["connect.deadline-exceeded"]);
    assert!(w.call().detail.as_ref().unwrap().summary.contains("deadline exceeded"));
}

/// The words on how it ended, and what is found.
fn how(w: &World) -> (String, Vec<&'static str>) {
    let text = w.call().detail.as_ref().unwrap().summary.clone();
    (text.split(" → ").nth(1).unwrap().to_owned(), w.r.codes())
}

#[test]
fn a_client_that_closes_first_has_left() {
    let fins = |w: &mut World, client: u64, server: u64| {
        let at = |p: u64| Moment { packet: PacketId(p), time: CaptureTime(p as i64 * 1000) };
        w.r.path.fins = [Some(at(client)), Some(at(server))];
        w.r.end(&mut w.m, Side::Server, EndCause::Cut);
    };
    let lost = "connection lost: FIN by the client";
    // Before any answer; with its deadline; and it is the server that closed first.
    let mut w = World::new();
    w.post(JSON, &[]).up(b"{}");
    fins(&mut w, 151, 160);
    let (text, codes) = how(&w);
    assert!(text.starts_with(lost), "{text}");
    assert_eq!(codes, ["connect.reset"]);
    let mut w = World::new();
    w.post(JSON, &[("connect-timeout-ms", "5")]).up(b"{}");
    fins(&mut w, 5100, 5200);
    assert_eq!(how(&w).1, ["connect.deadline-exceeded"]);
    let mut w = World::new();
    w.post(JSON, &[]).up(b"{}");
    fins(&mut w, 160, 151);
    assert_eq!(how(&w).1, ["connect.no-response"]);
    // In the middle of a stream; and a client that closed its direction alone.
    let mut w = World::new();
    w.post(STREAM, &[]).up(&envelope(0, b"x")).answer("200", STREAM, &[]);
    fins(&mut w, 151, 160);
    let (text, codes) = how(&w);
    assert!(text.starts_with(lost), "{text}");
    assert_eq!(codes, ["connect.reset"]);
    let mut w = World::new();
    w.post(STREAM, &[]).up(&envelope(0, b"x")).answer("200", STREAM, &[]);
    fins(&mut w, 0, 160);
    assert_eq!(how(&w).1, ["connect.missing-end-stream"]);
}

#[test]
fn how_long_a_call_took_is_not_known_without_its_request() {
    let mut w = World::new();
    w.answer("200", "application/connect+json", &[]);
    w.r.bytes(&mut w.m, Side::Server, &[envelope(0, b"{}"), envelope(2, b"{}")].concat(), 1460);
    w.end(Side::Server);
    let (text, _) = how(&w);
    assert!(text.ends_with("its beginning was not captured"), "{text}");
    let d = w.call().detail.as_ref().unwrap();
    assert!(d.tree.find("duration_ns").is_none());
}

/// Behind a hole the content type of an error may be an entry of a table that nobody has seen.
#[test]
fn an_error_whose_type_was_not_captured_is_read_if_it_can_be() {
    let of = |body: &[u8]| {
        let mut w = World::new();
        w.post(JSON, &[]).up(b"{}");
        let mut headers = Headers::new();
        headers.push(b":status", b"404");
        headers.push(b"", b"").known = false;
        let now = w.r.now();
        let side = Side::Server;
        let (start, ready) = (now, now);
        let (version, end, wire_len, detail) = (20, false, 10, None);
        let head = Head { side, headers: &headers, version, end, start, ready, wire_len, detail };
        w.r.input(&mut w.m, Input::Head(head));
        w.down(body);
        let found = w.r.events.iter().flat_map(|e| &e.findings);
        found.map(|f| (f.spec.code, f.detail.clone().unwrap_or_default())).collect::<Vec<_>>()
    };
    let (read, other) = (of(br#"{"code":"not_found"}"#), of(b"<html>"));
    assert_eq!([read[0].0, other[0].0], ["connect.error"; 2]);
    assert!(read[0].1.contains("not_found") && !other[0].1.contains("not_found"), "{read:?}");
}

/// A stream whose window was shut from packet 500 on, and of which the client gave up at 1500.
#[test]
fn a_call_that_stood_still_says_so() {
    let at = |p: u64| Moment { packet: PacketId(p), time: CaptureTime(p as i64 * 1_000_000) };
    let of = |shut: u64, timeout: &str| {
        let mut w = World::new();
        w.post(STREAM, &[("connect-timeout-ms", timeout)]).up(&envelope(0, b"x"));
        w.answer("200", STREAM, &[]);
        let half = &envelope(0, &[7; 50])[..20];
        w.r.bytes(&mut w.m, Side::Server, half, 1460);
        let shut = Stall { shut: Some(at(shut)), ..Stall::default() };
        w.r.stalls = [None, Some(shut)];
        w.r.aborted_at = Some(at(1500));
        w.r.input(&mut w.m, Input::Reset { side: Side::Client, code: 8 });
        w
    };
    for (timeout, found, verdict) in [
        ("60000", &["connect.truncated-message", "connect.reset", "connect.flow-control"][..], ""),
        (
            "1490",
            &["connect.truncated-message", "connect.deadline-exceeded", "connect.flow-control"],
            "deadline exceeded",
        ),
    ] {
        let w = of(500, timeout);
        assert_eq!(w.r.codes(), found);
        assert_eq!(w.text("connect.verdict").as_deref(), Some("flow control"));
        assert_eq!(w.text("connect.flow_control_ns").as_deref(), Some("1000000000"));
        let call = w.call();
        assert!(call.detail.as_ref().unwrap().summary.contains(verdict));
        let f = call.findings.iter().find(|f| f.spec.code == "connect.flow-control").unwrap();
        assert_eq!(
            f.detail.as_deref(),
            Some(
                "data of the server had stood still for 1 s: the client did not open the window \
                 of the stream"
            )
        );
        assert_eq!(f.proof, [PacketId(500), PacketId(1500)]);
    }
    // Shut for a moment alone.
    let w = of(1495, "60000");
    assert_eq!(w.r.codes(), ["connect.truncated-message", "connect.reset"]);
    assert_eq!(w.text("connect.verdict").as_deref(), Some("cancelled"));
}

/// What the client sent waits behind missing bytes until the answer is over.
#[test]
fn what_comes_late_of_the_client_is_part_of_the_call() {
    let mut w = World::new();
    w.post(STREAM, &[]);
    w.r.bytes(&mut w.m, Side::Client, &envelope(0, b"x"), 1460);
    w.r.path.waits = [true, false];
    w.answer("200", STREAM, &[]);
    w.r.bytes(&mut w.m, Side::Server, &envelope(2, b"{}"), 1460);
    w.end(Side::Server);
    w.r.path.waits = [false; 2];
    w.r.bytes(&mut w.m, Side::Client, &envelope(0, b"y"), 1460);
    w.end(Side::Client);
    assert!(how(&w).0.contains("2 up"), "{}", how(&w).0);
    assert_eq!(w.r.events.iter().filter(|e| e.kind == "call").count(), 1);
}

/// Over HTTP/1 a client gives up by ending the connection: that is nothing of the server's.
#[test]
fn a_client_that_leaves_is_no_fault_of_the_server() {
    let left = |kind: &str, timeout: &str, answered: bool| {
        let mut w = World::new();
        w.post(kind, &[("connect-timeout-ms", timeout)]).up(&envelope(0, b""));
        if answered {
            w.answer("200", kind, &[]);
            w.r.bytes(&mut w.m, Side::Server, &envelope(0, b""), 1460);
        }
        w.r.now.packet.0 += 1;
        w.r.now.time.0 += 130_000_000;
        w.r.path.fins[0] = Some(w.r.now);
        w.r.now.packet.0 += 1;
        w.r.path.fins[1] = Some(w.r.now);
        w.r.end(&mut w.m, Side::Server, if answered { EndCause::Cut } else { EndCause::Finished });
        let verdict = w.text("connect.verdict").unwrap();
        let took = w.text("duration_ns").unwrap();
        assert!(took.starts_with("130"), "{took}");
        (verdict, w.r.codes())
    };
    let late = ("deadline".to_owned(), vec!["connect.deadline-exceeded"]);
    let gone = ("connection lost".to_owned(), vec!["connect.reset"]);
    assert_eq!(left(JSON, "120", false), late);
    assert_eq!(left(STREAM, "120", true), late);
    assert_eq!(left(JSON, "5000", false), gone);
    assert_eq!(left(STREAM, "5000", true), gone);
    // Behind missing bytes nobody knows which answer belonged to which request.
    for (gaps, codes) in [([0, 0], vec!["connect.no-response"]), ([1, 0], vec![])] {
        let mut w = World::new();
        w.post(JSON, &[]).up(b"{}");
        w.r.path.gaps = gaps;
        w.end(Side::Server);
        assert_eq!(w.r.codes(), codes);
    }
    // With another error than CANCEL.
    let mut w = World::new();
    w.post(STREAM, &[("connect-timeout-ms", "0")]).answer("200", STREAM, &[]);
    w.r.input(&mut w.m, Input::Reset { side: Side::Client, code: 2 });
    assert_eq!(w.r.codes(), ["connect.deadline-exceeded"]);
}

#[test]
fn a_capture_that_ends_first_leaves_the_call_open() {
    let mut w = World::new();
    w.post(JSON, &[]);
    w.r.bytes(&mut w.m, Side::Client, b"{\"id\"", 1460);
    w.r.end(&mut w.m, Side::Client, EndCause::CaptureEnded);
    w.r.end(&mut w.m, Side::Server, EndCause::CaptureEnded);
    assert!(!w.call().complete);
    let message = w.r.events.iter().find(|e| e.kind == "message").unwrap();
    assert!(!message.complete);
    assert_eq!(w.r.events.iter().filter(|e| e.kind == "call").count(), 1);
}

#[test]
fn claims_by_what_only_connect_says() {
    let claimed = |side: Side, list: &[(&str, &str)]| {
        let mut headers = Headers::new();
        for (n, v) in list {
            headers.push(n.as_bytes(), v.as_bytes());
        }
        claims(&Head {
            side,
            headers: &headers,
            version: 11,
            end: false,
            start: Moment::default(),
            ready: Moment::default(),
            wire_len: 0,
            detail: None,
        })
    };
    let post = (":method", "POST");
    assert!(claimed(Side::Client, &[post, ("content-type", JSON), VERSION]));
    assert!(claimed(Side::Client, &[post, ("content-type", "application/connect+json")]));
    assert!(claimed(Side::Client, &[post, ("content-type", "application/proto")]));
    assert!(claimed(Side::Client, &[(":method", "GET"), (":path", "/a.B/C?x=1&connect=v1")]));
    assert!(claimed(Side::Server, &[("content-type", STREAM)]));
    assert!(!claimed(Side::Client, &[post, ("content-type", JSON)]));
    assert!(!claimed(Side::Client, &[(":method", "GET"), (":path", "/a.B/C?connect=v2")]));
    assert!(!claimed(Side::Client, &[post, ("content-type", "application/grpc")]));
    assert!(!claimed(Side::Server, &[("content-type", JSON)]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn hostile_bytes_never_panic_and_chunking_never_shows(
        kind in prop_oneof![Just(JSON), Just(STREAM), Just("application/proto")],
        status in prop_oneof![Just("200"), Just("404"), Just("99x")],
        gz in any::<bool>(),
        frames in proptest::collection::vec((0_u8..5, proptest::collection::vec(any::<u8>(), 0..20)), 0..6),
        tail in proptest::collection::vec(any::<u8>(), 0..40),
        size in 1_usize..40,
    ) {
        let mut bytes = Vec::new();
        for (flags, body) in &frames {
            bytes.extend(envelope(*flags, body));
        }
        bytes.extend_from_slice(&tail);
        let run = |size: usize| {
            let mut w = World::new();
            w.size = size;
            let coding = if gz { "gzip" } else { "identity" };
            let extra = [("connect-content-encoding", coding), ("content-encoding", coding)];
            w.post(kind, &extra).up(&bytes).answer(status, kind, &extra).down(&bytes);
            (w.gist(), w.r.codes())
        };
        prop_assert!(run(size) == run(1 << 20));
    }

    #[test]
    fn queries_never_panic(target in "[/a-z?&=%+0-9_-]{0,60}") {
        let _ = query::read(target.as_bytes());
    }
}
