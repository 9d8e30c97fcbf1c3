//! Heads, bodies and ends in, exact events out.

use std::io::Write;

use crate::base::{CaptureTime, Moment, PacketId, Side};
use crate::event::{Level, Payload};
use crate::field::Value;
use crate::proto::harness::Recorder;
use crate::proto::http::Http;
use crate::proto::{EndCause, Head, Headers, Input, Machine};

use Side::{Client, Server};

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

fn compressed(coding: &str, body: &[u8]) -> Recorder {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    r.payload_cap = 4096;
    head(&mut r, &mut m, Server, 2, false, &[(":status", "200"), ("content-encoding", coding)]);
    r.bytes(&mut m, Server, body, 7);
    r.end(&mut m, Server, EndCause::Finished);
    r
}

fn payload(r: &Recorder) -> &[u8] {
    match &r.events[0].detail.as_ref().unwrap().payload {
        Payload::Bytes(b) => b,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_wrong_with_a_coding_is_found_whoever_looks() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"some text, some text").unwrap();
    let good = gzip.finish().unwrap();
    // RFC 1952 §2.3.1: the checksum, and the length behind it.
    let damaged = |from_end: usize| {
        let mut bad = good.clone();
        let at = bad.len() - from_end;
        bad[at] ^= 1;
        bad
    };
    let found = |coding: &str, body: &[u8], size: usize, wants: fn(Level) -> bool, range: bool| {
        let (mut r, mut m) = (Recorder::new(), Http::new());
        r.wants = wants;
        let mut fields = vec![(":status", "200"), ("content-encoding", coding)];
        fields.extend(range.then_some(("content-range", "bytes 5-40/41")));
        head(&mut r, &mut m, Server, 2, false, &fields);
        r.bytes(&mut m, Server, body, size);
        r.end(&mut m, Server, EndCause::Finished);
        (r.codes(), r.inflated)
    };
    for wants in [|_| true, |_| false] as [fn(Level) -> bool; 2] {
        for size in [1, 7, 1460] {
            let of = |coding: &str, body: &[u8]| found(coding, body, size, wants, false);
            assert_eq!(of("gzip", &good), (vec![], 20));
            for from_end in [1, 8] {
                assert_eq!(of("gzip", &damaged(from_end)), (vec!["http.bad-content-coding"], 20));
            }
            assert_eq!(of("gzip", &good[..good.len() - 9]).0, ["http.bad-content-coding"]);
            assert_eq!(of("compress", &good), (vec!["http.unknown-content-coding"], 0));
            // From the middle of a body on nothing can be undone, and nothing is wrong.
            assert_eq!(found("gzip", &good[5..], size, wants, true).0, [""; 0]);
        }
    }
    // What was not captured is no fault of the sender's.
    let (mut r, mut m) = (Recorder::new(), Http::new());
    head(&mut r, &mut m, Server, 2, false, &[(":status", "200"), ("content-encoding", "gzip")]);
    r.bytes(&mut m, Server, &good[..9], 9);
    r.gap(&mut m, Server, 3);
    r.bytes(&mut m, Server, &good[12..], 9);
    r.end(&mut m, Server, EndCause::Finished);
    assert_eq!(r.codes(), ["http.body-gap"]);
}

#[test]
fn content_codings_are_undone_for_showing() {
    let level = flate2::Compression::default();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
    gzip.write_all(b"some text, some text").unwrap();
    let gzip = gzip.finish().unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), level);
    zlib.write_all(b"some text, some text").unwrap();
    let zlib = zlib.finish().unwrap();
    let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), level);
    raw.write_all(b"some text, some text").unwrap();
    let raw = raw.finish().unwrap();
    for (coding, body) in
        [("gzip", &gzip), ("deflate", &zlib), ("deflate", &raw), ("X-GZIP", &gzip)]
    {
        let r = compressed(coding, body);
        assert_eq!(payload(&r), b"some text, some text", "{coding}");
        assert_eq!(r.inflated, 20);
        let d = r.events[0].detail.as_ref().unwrap();
        let labels: Vec<_> = d.origins.buffers().iter().map(|b| b.label).collect();
        assert_eq!(labels, ["body", "inflated"]);
        let place = d.origins.locate(d.tree.find("http.file_data").unwrap().span.unwrap());
        assert!(!place.exact);
        assert_eq!(place.ranges.iter().map(|p| p.len as usize).sum::<usize>(), body.len());
    }
    // Cut: what there is. Unknown: as it is. Bomb: cut and counted.
    let r = compressed("gzip", &gzip[..gzip.len() - 10]);
    assert!(b"some text, some text".starts_with(payload(&r)));
    assert!(r.events[0].detail.as_ref().unwrap().tree.nodes().iter().any(|n| n.note.is_some()));
    assert_eq!(payload(&compressed("br", b"\x0b\x02\x80hello\x03")), b"hello");
    let r = compressed("compress", b"as it is");
    assert_eq!((payload(&r), r.codes()), (&b"as it is"[..], vec!["http.unknown-content-coding"]));
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), level);
    bomb.write_all(&[0; 100_000]).unwrap();
    let r = compressed("gzip", &bomb.finish().unwrap());
    assert_eq!(payload(&r).len(), 4096);
    assert_eq!(r.events[0].detail.as_ref().unwrap().truncated, Some(100_000));
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

fn body(kind: &str, body: &[u8]) -> Recorder {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    let post: &[_] = &[(":method", "POST"), (":path", "/"), ("content-type", kind)];
    head(&mut r, &mut m, Client, 1, false, post);
    r.bytes(&mut m, Client, body, 7);
    r.end(&mut m, Client, EndCause::Finished);
    r
}

fn listed(r: &Recorder, of: &[&str]) -> Vec<(String, Value, Vec<u8>)> {
    let d = r.events[0].detail.as_ref().unwrap();
    let bytes = &d.origins.buffers()[0].bytes;
    d.tree
        .nodes()
        .iter()
        .filter(|n| of.contains(&n.spec.name))
        .map(|n| {
            let place = n.span.map(|s| bytes[s.start as usize..s.end() as usize].to_vec());
            let name = n.name.as_deref().unwrap_or(n.spec.name).to_owned();
            (name, n.value.clone(), place.unwrap_or_default())
        })
        .collect()
}

const UPLOAD: &[u8] = b"preamble\r\n--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n\
    two\r\nlines\r\n--b  \r\ncontent-disposition: form-data; name=\"f\"; filename=\"a \\\"b\\\".png\"\r\n\
    Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n--bx\r\n--b--\r\nepilogue";

#[test]
fn multipart_is_listed() {
    let r = body("multipart/form-data; boundary=\"b\"", UPLOAD);
    assert_eq!(r.codes(), [""; 0]);
    let text = |t: &str| Value::Text(t.into());
    let data = listed(&r, &["http.part.data"]);
    let data: Vec<_> = data.iter().map(|(_, _, p)| p.as_slice()).collect();
    assert_eq!(data, [&b"two\r\nlines"[..], b"\x89PNG\r\n\x1a\n--bx"]);
    let rest = listed(
        &r,
        &["http.part.name", "http.part.filename", "http.part.content_type", "http.part.length"],
    );
    let values: Vec<_> = rest.into_iter().map(|(_, v, _)| v).collect();
    assert_eq!(
        values,
        [
            text("note"),
            Value::U64(10),
            text("f"),
            text("a \"b\".png"),
            text("image/png"),
            Value::U64(12),
        ]
    );
    let heads = listed(&r, &["http.part.header"]);
    assert_eq!(heads[2].0, "Content-Type");
    assert_eq!(heads[2].2, b"Content-Type: image/png\r\n");
    assert_eq!(listed(&r, &["http.body_format"])[0].1, text("PNG image"));
}

#[test]
fn the_parts_of_what_is_kept_are_listed() {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    r.payload_cap = UPLOAD.len() - 12;
    let fields: &[_] =
        &[(":method", "POST"), (":path", "/"), ("content-type", "multipart/form-data; boundary=b")];
    head(&mut r, &mut m, Client, 1, false, fields);
    r.bytes(&mut m, Client, UPLOAD, 1460);
    r.end(&mut m, Client, EndCause::Finished);
    let d = r.events[0].detail.as_ref().unwrap();
    assert_eq!(d.truncated, Some(UPLOAD.len() as u64));
    let parts = d
        .tree
        .nodes()
        .iter()
        .filter(|n| n.spec.name == crate::proto::http::fields::PART.name)
        .count();
    assert!(parts > 1, "{parts}");
    assert_eq!(r.codes(), [""; 0], "what is missing is behind the cut");
}

#[test]
fn a_stream_that_is_open_at_the_end_lacks_nothing() {
    let answer: &[_] = &[(":status", "200"), ("content-type", "text/event-stream")];
    for (cause, codes) in [
        (EndCause::CaptureEnded, &[][..]),
        (EndCause::Finished, &[]),
        (EndCause::Cut, &["http.body-cut"]),
    ] {
        let (mut r, mut m) = (Recorder::new(), Http::new());
        head(&mut r, &mut m, Client, 1, true, GET);
        r.end(&mut m, Client, EndCause::Finished);
        head(&mut r, &mut m, Server, 2, false, answer);
        r.bytes(&mut m, Server, b"data: 1\n\n", 1460);
        r.end(&mut m, Server, cause);
        assert_eq!(r.codes(), codes, "{cause:?}");
        let exchange = r.events.last().unwrap();
        assert_eq!(exchange.complete, cause == EndCause::Finished);
    }
}

#[test]
fn broken_multipart_is_named_and_nesting_ends() {
    for (kind, text) in [
        ("multipart/mixed", UPLOAD),
        ("multipart/mixed; boundary=other", UPLOAD),
        ("multipart/mixed; boundary=b", &UPLOAD[..60]),
        ("multipart/mixed; boundary=b", b""),
    ] {
        let codes = if text.is_empty() { vec![] } else { vec!["http.bad-multipart"] };
        assert_eq!(body(kind, text).codes(), codes, "{kind}");
    }
    let mut deep = b"core".to_vec();
    for n in 0..8 {
        let (mut open, close) = (format!("--{n}\n").into_bytes(), format!("\n--{n}--\n"));
        if n > 0 {
            open.extend(format!("Content-Type: multipart/mixed; boundary={}\n", n - 1).bytes());
        }
        open.push(b'\n');
        deep = [open, deep, close.into_bytes()].concat();
    }
    let r = body("multipart/mixed; boundary=7", &deep);
    assert_eq!(r.codes(), ["http.parts-limit"]);
    assert_eq!(listed(&r, &["http.part"]).len(), crate::base::limits::MAX_MULTIPART_DEPTH);
    let many = "--b\n\nx\n".repeat(5000) + "--b--\n";
    let r = body("multipart/mixed; boundary=b", many.as_bytes());
    assert_eq!(r.codes(), ["http.parts-limit"]);
    assert_eq!(listed(&r, &["http.part"]).len(), crate::base::limits::MAX_BODY_PARTS);
}

#[test]
fn forms_are_listed() {
    let r = body("application/x-www-form-urlencoded", b"a=1&b+c=x%20y%&&d&e=%c3%bc");
    let pairs: Vec<_> = listed(&r, &["http.form"]);
    let text = |t: &str| Value::Text(t.into());
    let pairs: Vec<_> = pairs.iter().map(|(n, v, p)| (n.as_str(), v.clone(), p.len())).collect();
    assert_eq!(
        pairs,
        [("a", text("1"), 3), ("b c", text("x y%"), 10), ("d", text(""), 1), ("e", text("ü"), 8)]
    );
}

/// What the stream's reader is told.
fn events(fields: &[(&str, &str)], chunks: &[&[u8]], cause: EndCause) -> (Recorder, Http) {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    let get: &[_] =
        &[(":method", "GET"), (":path", "/s"), (":authority", "h"), ("Last-Event-ID", "7")];
    head(&mut r, &mut m, Client, 1, true, get);
    r.end(&mut m, Client, EndCause::Finished);
    let base: &[_] = &[(":status", "200"), ("content-type", "Text/Event-Stream;charset=utf-8")];
    head(&mut r, &mut m, Server, 2, false, &[base, fields].concat());
    for c in chunks {
        r.bytes(&mut m, Server, c, 1460);
    }
    r.end(&mut m, Server, cause);
    (r, m)
}

#[test]
fn an_event_stream_goes_to_who_reads_it() {
    use crate::proto::harness::Told;
    let (r, _) = events(&[], &[b"data: 1\n\n", b"data: 2\n\n"], EndCause::Finished);
    assert_eq!(summaries(&r)[1], "200 OK text/event-stream, events follow");
    // With its head: the response's event does not wait for the stream's end.
    assert_eq!((r.events[1].end, r.events[1].complete), (moment(2), true));
    let (how, _, told) = &r.children[&0];
    assert_eq!(how, "text/event-stream");
    let pairs = |h: &[(&str, &str)]| -> Vec<(String, String)> {
        h.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect()
    };
    let ask: &[_] =
        &[(":method", "GET"), (":path", "/s"), (":authority", "h"), ("last-event-id", "7")];
    assert_eq!(told[0], Told::Head(Client, pairs(ask), true));
    assert_eq!(told[2], Told::Bytes(Server, b"data: 1\n\ndata: 2\n\n".to_vec()));
    assert_eq!(told[3], Told::End(Server, EndCause::Finished));
    assert_eq!(told.last(), Some(&Told::Closed));
    assert_eq!(facts(&r).body_bytes, [0, 18]);
}

#[test]
fn an_event_of_a_compressed_stream_comes_when_it_can_be_had() {
    use crate::proto::harness::Told;
    let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let (mut r, mut m) = (Recorder::new(), Http::new());
    let answer: &[_] =
        &[(":status", "200"), ("content-type", "text/event-stream"), ("content-encoding", "gzip")];
    head(&mut r, &mut m, Server, 2, false, answer);
    let (mut sent, mut text) = (0, Vec::new());
    for n in 0..5 {
        let event = format!("data: {n}\n\n");
        w.write_all(event.as_bytes()).unwrap();
        w.flush().unwrap();
        r.bytes(&mut m, Server, &w.get_ref()[sent..], 3);
        sent = w.get_ref().len();
        text.extend_from_slice(event.as_bytes());
        assert_eq!(r.children[&0].2.last(), Some(&Told::Bytes(Server, text.clone())));
    }
    assert!(m.fork().is_none(), "a decoder has no copy");
    r.end(&mut m, Server, EndCause::Cut);
    let length = Told::Trailers(Server, vec![(":encoded-length".into(), sent.to_string())]);
    assert!(r.children[&0].2.contains(&length));
}

#[test]
fn a_stream_that_cannot_be_decoded_is_said_to_be() {
    let gzip = ("content-encoding", "gzip");
    let (r, _) = events(&[gzip], &[b"data: not gzip\n\n"], EndCause::Finished);
    assert_eq!(r.codes(), ["http.bad-content-coding"]);
    let (r, _) = events(&[("content-encoding", "rot13")], &[b"qngn: 1\n\n"], EndCause::Finished);
    assert_eq!(r.codes(), ["http.unknown-content-coding"]);
}

#[test]
fn a_stream_that_is_reset_is_found_so_once() {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    head(&mut r, &mut m, Client, 1, true, GET);
    r.end(&mut m, Client, EndCause::Finished);
    let answer: &[_] = &[(":status", "200"), ("content-type", "text/event-stream")];
    head(&mut r, &mut m, Server, 2, false, answer);
    r.bytes(&mut m, Server, b"data: 1\n\n", 99);
    r.input(&mut m, Input::Reset { side: Client, code: 8 });
    assert_eq!(r.codes(), ["http.reset"]);
    assert_eq!(r.kinds(Level::Message), ["request", "response"]);
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
