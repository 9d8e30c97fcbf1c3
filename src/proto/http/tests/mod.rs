//! Heads, bodies and ends in, exact events out.

use std::io::Write;

use crate::base::{CaptureTime, Moment, PacketId, Side};
use crate::event::{Level, Payload};
use crate::field::Value;
use crate::proto::harness::Recorder;
use crate::proto::http::Http;
use crate::proto::{EndCause, Head, Headers, Input, Machine};

use Side::{Client, Server};

mod codings;
mod left;
mod parts;
mod streams;

use codings::{compressed, payload};
use parts::body;

fn moment(p: u64) -> Moment {
    Moment { packet: PacketId(p), time: CaptureTime(p as i64 * 1000) }
}

fn headers(fields: &[(&str, &str)]) -> Headers {
    let mut h = Headers::new();
    for (n, v) in fields {
        h.push(n.as_bytes(), v.as_bytes());
    }
    h
}

fn head(r: &mut Recorder, m: &mut Http, side: Side, at: u64, end: bool, fields: &[(&str, &str)]) {
    let headers = headers(fields);
    let input = Input::Head(Head {
        side,
        headers: &headers,
        version: 11,
        end,
        start: moment(at),
        ready: moment(at),
        wire_len: 10,
        detail: None,
    });
    r.input(m, input);
}

const GET: &[(&str, &str)] = &[(":method", "GET"), (":path", "/a"), (":authority", "h")];

fn summaries(r: &Recorder) -> Vec<&str> {
    r.events.iter().map(|e| e.detail.as_ref().unwrap().summary.as_str()).collect()
}

#[test]
fn a_request_a_response_and_their_exchange() {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    head(&mut r, &mut m, Client, 1, true, GET);
    r.end(&mut m, Client, EndCause::Finished);
    head(
        &mut r,
        &mut m,
        Server,
        5,
        false,
        &[
            (":status", "200"),
            ("Content-Type", "Text/Plain; charset=utf-8"),
            ("content-length", "5"),
        ],
    );
    r.bytes(&mut m, Server, b"hello", 2);
    r.end(&mut m, Server, EndCause::Finished);
    assert_eq!(
        summaries(&r),
        ["GET /a HTTP/1.1", "200 OK text/plain 5 bytes: hello", "GET /a → 200, 5 bytes, 5 µs"]
    );
    assert_eq!(r.kinds(Level::Message), ["request", "response"]);
    let answer = &r.events[1];
    assert_eq!((answer.length, answer.complete, answer.sender), (5, true, Some(Server)));
    let d = answer.detail.as_ref().unwrap();
    assert_eq!(d.payload, Payload::Bytes(b"hello".into()));
    assert_eq!(d.truncated, None);
    let x = r.events[2].detail.as_ref().unwrap();
    let fields: Vec<_> = x.tree.nodes().iter().map(|n| (n.spec.name, n.value.clone())).collect();
    let text = |s: &str| Value::Text(s.into());
    assert_eq!(
        fields,
        [
            ("http.request.method", text("GET")),
            ("http.request.uri", text("/a")),
            ("http.host", text("h")),
            ("http.version", text("HTTP/1.1")),
            ("http.response.code", Value::U64(200)),
            ("http.content_type", text("text/plain")),
            ("http.request.bytes", Value::U64(0)),
            ("http.response.bytes", Value::U64(5)),
            ("duration_ns", Value::U64(5000)),
            ("http.time_to_first_byte_ns", Value::U64(4000)),
            ("http.time", Value::F64(5e-6)),
        ]
    );
    assert_eq!(r.codes(), [""; 0]);
}

#[test]
fn nothing_is_built_that_nobody_looks_at() {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    r.wants = |_| false;
    head(&mut r, &mut m, Client, 1, true, GET);
    r.end(&mut m, Client, EndCause::Finished);
    head(&mut r, &mut m, Server, 2, false, &[(":status", "200"), ("content-length", "5")]);
    r.bytes(&mut m, Server, b"hello", 5);
    // No memory beyond the state itself and the facts.
    let facts = size_of::<crate::facts::HttpFacts>() + "GET".len() + "h".len() + "/a".len();
    assert_eq!(m.memory(), size_of::<Http>() + facts);
    r.end(&mut m, Server, EndCause::Finished);
    assert_eq!(r.events.len(), 3);
    assert!(r.events.iter().all(|e| e.detail.is_none() && e.complete));
    assert_eq!(r.events[1].length, 5);
}

fn facts(r: &Recorder) -> &crate::facts::HttpFacts {
    match &r.events.last().unwrap().facts {
        Some(crate::facts::Facts::Http(f)) => f,
        other => panic!("{other:?}"),
    }
}

#[test]
fn an_exchange_states_its_facts_whoever_looks() {
    let of = |size: usize, answer: &[u8], wants: fn(Level) -> bool| {
        let (mut r, mut m) = (Recorder::new(), Http::new());
        r.wants = wants;
        let get: &[_] = &[(":method", "GET"), (":path", "/poll?since=4"), ("host", "h:80")];
        head(&mut r, &mut m, Client, 1, false, get);
        r.bytes(&mut m, Client, b"ask", size);
        r.end(&mut m, Client, EndCause::Finished);
        head(&mut r, &mut m, Server, 5, false, &[(":status", "103")]);
        let ok: &[_] = &[(":status", "200"), ("content-type", "Text/Plain; charset=utf-8")];
        head(&mut r, &mut m, Server, 6, false, ok);
        r.bytes(&mut m, Server, answer, size);
        r.end(&mut m, Server, EndCause::Finished);
        facts(&r).clone()
    };
    let f = of(100, b"nothing new", |_| false);
    assert_eq!((&*f.method, &*f.target, &*f.host), ("GET", "/poll?since=4", "h:80"));
    assert_eq!((f.version, f.status, &*f.media_type), (11, 200, "text/plain"));
    // The informational response's head counts as well.
    assert_eq!((f.head_bytes, f.body_bytes), ([10, 20], [3, 11]));
    assert_eq!(f.request, Some([moment(1), moment(3)]));
    assert_eq!(f.response.map(|r| r[0]), Some(moment(6)));
    for size in [1, 2, 3, 7] {
        assert_eq!(of(size, b"nothing new", |_| true).body_hash, f.body_hash);
    }
    assert_ne!(of(100, b"nothing old", |_| true).body_hash, f.body_hash);
}

#[test]
fn facts_from_the_wire_are_cut() {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    let (long, word) = ("ö".repeat(5000), "x".repeat(5000));
    head(&mut r, &mut m, Client, 1, true, &[(":method", &word), (":path", &long)]);
    r.end(&mut m, Client, EndCause::Finished);
    head(&mut r, &mut m, Server, 2, true, &[(":status", "200"), ("content-type", &long)]);
    r.end(&mut m, Server, EndCause::Finished);
    let f = facts(&r);
    assert_eq!((f.method.len(), f.target.len(), f.media_type.len()), (256, 2048, 256));
}

#[test]
fn informational_responses_are_messages() {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    head(&mut r, &mut m, Client, 1, false, GET);
    head(&mut r, &mut m, Server, 2, false, &[(":status", "100")]);
    r.bytes(&mut m, Client, b"x", 1);
    r.end(&mut m, Client, EndCause::Finished);
    head(&mut r, &mut m, Server, 4, true, &[(":status", "204"), ("content-length", "9")]);
    r.end(&mut m, Server, EndCause::Finished);
    assert_eq!(
        summaries(&r),
        ["100 Continue", "GET /a HTTP/1.1 1 byte", "204 No Content", "GET /a → 204, 0 bytes, 3 µs"]
    );
    assert_eq!(r.codes(), [""; 0]);
}

#[test]
fn a_server_that_fails_is_found() {
    let answered = |status: &str| {
        let (mut r, mut m) = (Recorder::new(), Http::new());
        head(&mut r, &mut m, Client, 1, true, GET);
        r.end(&mut m, Client, EndCause::Finished);
        head(&mut r, &mut m, Server, 2, true, &[(":status", status)]);
        r.end(&mut m, Server, EndCause::Finished);
        let e = r.events.last().unwrap();
        assert_eq!(e.level, Level::Exchange);
        let found: Vec<_> = e
            .findings
            .iter()
            .map(|f| (f.spec.code, f.detail.clone().unwrap_or_default().to_string()))
            .collect();
        assert_eq!(found.len(), r.codes().len(), "of the exchange alone");
        found
    };
    let error = |what: &str| vec![("http.server-error", what.to_owned())];
    assert_eq!(answered("503"), error("503 Service Unavailable"));
    assert_eq!(answered("599"), error("599"));
    assert_eq!(answered("429"), [("http.too-many-requests", "429 Too Many Requests".to_owned())]);
    for fine in ["200", "404", "499", "600"] {
        assert_eq!(answered(fine), [], "{fine}");
    }
}

#[test]
fn lines_show_how_text_begins_and_what_it_was_inflated_to() {
    let line =
        |r: &Recorder| summaries(r).into_iter().find(|s| s.contains(" byte")).unwrap().to_owned();
    let r = body("application/json; charset=utf-8", b"{\n  \"id\": 42\n}");
    assert_eq!(line(&r), "POST / HTTP/1.1 application/json 14 bytes: { \"id\": 42 }");
    let r = body("application/octet-stream", b"{}");
    assert_eq!(line(&r), "POST / HTTP/1.1 application/octet-stream 2 bytes");
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(&[b'a'; 300]).unwrap();
    let gzip = gzip.finish().unwrap();
    let n = gzip.len();
    assert_eq!(line(&compressed("gzip", &gzip)), format!("200 OK {n} bytes gzip, 300 inflated"));
    let cut = line(&compressed("gzip", &gzip[..n - 9]));
    assert!(cut.ends_with(" inflated of it"), "{cut}");
    assert_eq!(line(&compressed("magic", b"abc")), "200 OK 3 bytes magic");
}

#[test]
fn what_is_missing_is_said() {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    head(&mut r, &mut m, Client, 1, true, GET);
    r.end(&mut m, Client, EndCause::Finished);
    r.end(&mut m, Server, EndCause::CaptureEnded);
    assert_eq!(summaries(&r), ["GET /a HTTP/1.1", "GET /a → no response"]);
    assert_eq!(r.codes(), ["http.no-response"]);
    assert!(!r.events[1].complete);

    // It went missing.
    let (mut r, mut m) = (Recorder::new(), Http::new());
    head(&mut r, &mut m, Client, 1, true, GET);
    r.end(&mut m, Client, EndCause::Finished);
    r.gap(&mut m, Server, 0);
    r.end(&mut m, Server, EndCause::CaptureEnded);
    assert_eq!(summaries(&r), ["GET /a HTTP/1.1", "GET /a → (response not captured)"]);
    assert_eq!(r.codes(), [""; 0]);
    assert!(!r.events[1].complete);

    let (mut r, mut m) = (Recorder::new(), Http::new());
    head(&mut r, &mut m, Server, 1, false, &[(":status", "200"), ("content-length", "9")]);
    r.bytes(&mut m, Server, b"12345", 5);
    r.end(&mut m, Server, EndCause::CaptureEnded);
    r.end(&mut m, Client, EndCause::CaptureEnded);
    assert_eq!(r.codes(), ["http.body-cut", "http.request-not-captured"]);
    assert_eq!(r.events[0].findings[0].detail.as_deref(), Some("5 of 9 bytes"));

    let (mut r, mut m) = (Recorder::new(), Http::new());
    head(&mut r, &mut m, Client, 1, true, GET);
    r.end(&mut m, Client, EndCause::Finished);
    head(&mut r, &mut m, Server, 2, false, &[(":status", "200"), ("content-length", "9")]);
    r.input(&mut m, Input::Reset { side: Server, code: 8 });
    r.end(&mut m, Server, EndCause::Finished);
    assert_eq!(r.kinds(Level::Exchange), ["exchange"]);
    assert_eq!(r.codes(), ["http.reset", "http.reset"]);
    assert_eq!(summaries(&r)[2], "GET /a → 200, 0 bytes, aborted, 1 µs");
}

#[test]
fn a_length_that_lies_is_found_except_where_no_body_is_due() {
    let answer: &[_] = &[(":status", "200"), ("content-length", "9")];
    for (method, codes) in [("GET", &["http.length-mismatch"][..]), ("HEAD", &[])] {
        let (mut r, mut m) = (Recorder::new(), Http::new());
        head(&mut r, &mut m, Client, 1, true, &[(":method", method), (":path", "/")]);
        r.end(&mut m, Client, EndCause::Finished);
        head(&mut r, &mut m, Server, 2, true, answer);
        r.end(&mut m, Server, EndCause::Finished);
        assert_eq!(r.codes(), codes);
    }
    // RFC 9110 §10.1.1: refused without having been asked for the body, as curl has it.
    for (expect, codes) in [("100-continue", &[][..]), ("200-ok", &["http.length-mismatch"])] {
        let (mut r, mut m) = (Recorder::new(), Http::new());
        let ask =
            [(":method", "POST"), (":path", "/"), ("content-length", "9"), ("expect", expect)];
        head(&mut r, &mut m, Client, 1, false, &ask);
        head(&mut r, &mut m, Server, 2, true, &[(":status", "403")]);
        r.end(&mut m, Server, EndCause::Finished);
        r.end(&mut m, Client, EndCause::Finished);
        assert_eq!(r.codes(), codes);
    }
}

#[test]
fn behind_a_gap_nothing_is_shown() {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    head(&mut r, &mut m, Server, 2, false, &[(":status", "200"), ("content-length", "9")]);
    r.bytes(&mut m, Server, b"abc", 3);
    r.gap(&mut m, Server, 3);
    r.bytes(&mut m, Server, b"ghi", 3);
    r.end(&mut m, Server, EndCause::Finished);
    assert_eq!(r.codes(), ["http.body-gap"]);
    let e = &r.events[0];
    assert!(!e.complete);
    assert_eq!(e.length, 6);
    let d = e.detail.as_ref().unwrap();
    assert_eq!(d.payload, Payload::Bytes(b"abc".into()));
    assert_eq!(d.truncated, Some(6));
}

#[test]
fn a_large_body_is_cut_and_counted() {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    r.payload_cap = 10;
    head(&mut r, &mut m, Client, 2, false, &[(":method", "PUT"), (":path", "/")]);
    r.bytes(&mut m, Client, &[b'x'; 100], 7);
    r.end(&mut m, Client, EndCause::Finished);
    assert_eq!(payload(&r), [b'x'; 10]);
    assert_eq!(r.events[0].detail.as_ref().unwrap().truncated, Some(100));
    assert!(m.memory() > 0 && m.fork().is_some());
}

#[test]
fn chunks_do_not_show() {
    let one = |size: usize| {
        let (mut r, mut m) = (Recorder::new(), Http::new());
        let post: &[_] =
            &[(":method", "POST"), (":path", "/"), ("content-type", "application/x-thing")];
        head(&mut r, &mut m, Client, 1, false, post);
        r.bytes(&mut m, Client, &[b'q'; 300], size);
        r.end(&mut m, Client, EndCause::Finished);
        head(&mut r, &mut m, Server, 2, false, &[(":status", "500"), ("content-length", "200")]);
        r.bytes(&mut m, Server, &[b'a'; 150], size);
        r.end(&mut m, Server, EndCause::CaptureEnded);
        // Times differ with the number of packets: the exchange's are left out.
        r.events.pop();
        r.gist()
    };
    let whole = one(1460);
    assert!(whole[0].contains("POST / HTTP/1.1 application/x-thing 300 bytes"));
    for size in [1, 2, 3, 7] {
        assert_eq!(one(size), whole);
    }
}

#[test]
fn head_and_trailer_trees_come_with_their_buffers() {
    use crate::base::{Buffer, BufferId, Piece, PieceSource, Span};
    use crate::event::Detail;
    use crate::field::{FieldSpec, Kind};

    static NAME: FieldSpec = FieldSpec::new("x.name", "Name", 0, Kind::Text, "-", "A name.");
    let part = |label, text: &str| {
        let mut d = Detail::default();
        let mut b = Buffer::new(label);
        b.push(text.len() as u32, PieceSource::Nowhere, true);
        b.bytes = text.into();
        let id = d.origins.add(b);
        assert_eq!(id, BufferId(0));
        d.tree.add(&NAME, Some(Span::bytes(id, 0, text.len() as u32)), Value::Text(text.into()));
        d
    };
    let (first, last) = (part("head", "HEAD"), part("trailers", "TRAIL"));
    let (mut r, mut m) = (Recorder::new(), Http::new());
    let h = headers(&[(":status", "200")]);
    let section = |detail| Head {
        side: Server,
        headers: &h,
        version: 20,
        end: false,
        start: moment(1),
        ready: moment(1),
        wire_len: 4,
        detail,
    };
    r.input(&mut m, Input::Head(section(Some(&first))));
    r.bytes(&mut m, Server, b"body", 4);
    r.input(&mut m, Input::Trailers(section(Some(&last))));
    r.end(&mut m, Server, EndCause::Finished);
    let d = r.events[0].detail.as_ref().unwrap();
    assert_eq!(d.summary, "200 OK 4 bytes");
    let labels: Vec<_> = d.origins.buffers().iter().map(|b| b.label).collect();
    assert_eq!(labels, ["head", "body", "trailers"]);
    let places: Vec<_> =
        d.tree.nodes().iter().map(|n| (n.spec.name, n.span.map(|s| s.buffer.0))).collect();
    assert_eq!(
        places,
        [
            ("x.name", Some(0)),
            ("http.response.code", None),
            ("http.file_data", Some(1)),
            ("x.name", Some(2)),
        ]
    );
    let exact = |p: &Piece| p.exact;
    assert!(d.origins.buffers()[1].pieces.iter().all(exact));
}

#[test]
fn hops_are_on_the_request_and_on_the_exchange() {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    let via: &[_] =
        &[(":method", "GET"), (":path", "/"), ("X-Forwarded-For", "192.0.2.1, 10.0.0.1")];
    head(&mut r, &mut m, Client, 1, true, via);
    r.end(&mut m, Client, EndCause::Finished);
    head(&mut r, &mut m, Server, 2, true, &[(":status", "206"), ("content-range", "bytes 0-1/9")]);
    r.end(&mut m, Server, EndCause::Finished);
    for e in [&r.events[0], &r.events[2]] {
        let nodes = e.detail.as_ref().unwrap().tree.nodes();
        let hops: Vec<_> = nodes.iter().filter(|n| n.spec.name == "http.hop").collect();
        assert_eq!(hops.len(), 2, "{}", e.kind);
        assert_eq!(hops[0].value, Value::Text("192.0.2.1".into()));
    }
    let range = r.events[1].detail.as_ref().unwrap().tree.find("http.range");
    assert_eq!(range.map(|n| n.value.clone()), Some(Value::Text("bytes 0-1/9".into())));
}

/// The answer to a poll whose body was not captured: it did not last until the next request,
/// and has not no bytes.
#[test]
fn a_body_behind_a_hole_is_not_empty_and_not_long() {
    for (stated, seen, amount) in [
        (None, &b""[..], "body not captured"),
        (None, b"[1,", "3 bytes seen"),
        (Some("5"), b"", "0 of 5 bytes seen"),
        (Some("5"), b"[1,", "3 of 5 bytes seen"),
    ] {
        let (mut r, mut m) = (Recorder::new(), Http::new());
        head(&mut r, &mut m, Client, 1, true, GET);
        r.end(&mut m, Client, EndCause::Finished);
        let mut fields = vec![(":status", "200")];
        fields.extend(stated.map(|n| ("content-length", n)));
        head(&mut r, &mut m, Server, 3, false, &fields);
        r.now = moment(5);
        r.bytes(&mut m, Server, seen, 3);
        r.gap(&mut m, Server, 0);
        r.now = moment(900);
        r.end(&mut m, Server, EndCause::Finished);
        let e = r.events.last().unwrap();
        let line = &e.detail.as_ref().unwrap().summary;
        let start = format!("GET /a → 200, {amount}, ");
        assert!(line.starts_with(&start), "{line}");
        assert!(e.end.packet.0 < 10, "{:?}", e.end);
        let tree = &e.detail.as_ref().unwrap().tree;
        assert_eq!(tree.number("http.response.bytes"), None);
        assert!(!e.complete);
    }
}
