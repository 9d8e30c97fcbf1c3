//! Bytes of a stream in, exact events out.

use proptest::prelude::*;

use crate::base::{BufferId, CaptureTime, Moment, PacketId, Side};
use crate::event::{Draft, Level, Payload};
use crate::facts::{Facts, StreamFacts};
use crate::field::Value;
use crate::proto::harness::Recorder;
use crate::proto::sse::Sse;
use crate::proto::{EndCause, Head, Headers, Input, Machine};

use Side::{Client, Server};

fn head(r: &mut Recorder, m: &mut Sse, side: Side, fields: &[(&str, &str)]) {
    let mut headers = Headers::new();
    for (n, v) in fields {
        headers.push(n.as_bytes(), v.as_bytes());
    }
    let at = Moment { packet: PacketId(1), time: CaptureTime(0) };
    let head = Head {
        side,
        headers: &headers,
        version: 11,
        end: false,
        start: at,
        ready: at,
        wire_len: 100,
        detail: None,
    };
    r.input(m, Input::Head(head));
}

const ASK: &[(&str, &str)] = &[(":method", "GET"), (":path", "/s"), (":authority", "h")];
const ANSWER: &[(&str, &str)] =
    &[(":status", "200"), ("content-type", "text/event-stream"), ("cache-control", "no-store")];

/// A whole stream in chunks of `size`.
fn stream_of(data: &[u8], size: usize, cause: EndCause) -> Recorder {
    let (mut r, mut m) = (Recorder::new(), Sse::default());
    head(&mut r, &mut m, Client, ASK);
    head(&mut r, &mut m, Server, ANSWER);
    r.bytes(&mut m, Server, data, size);
    r.end(&mut m, Server, cause);
    assert_eq!(r.refused, [0, 0]);
    r
}

fn stream(data: &[u8]) -> Recorder {
    stream_of(data, 1460, EndCause::Finished)
}

/// Kind, data, whether it is complete; of messages.
fn said(r: &Recorder) -> Vec<(&str, String, bool)> {
    messages(r)
        .map(|e| {
            let Payload::Bytes(b) = &e.detail.as_ref().unwrap().payload else {
                return (e.kind, e.detail.as_ref().unwrap().summary.clone(), e.complete);
            };
            (e.kind, String::from_utf8_lossy(b).into_owned(), e.complete)
        })
        .collect()
}

fn messages(r: &Recorder) -> impl Iterator<Item = &Draft> {
    r.events.iter().filter(|e| e.level == Level::Message)
}

fn facts(r: &Recorder) -> &StreamFacts {
    match &r.events.last().unwrap().facts {
        Some(Facts::Stream(f)) => f,
        other => panic!("{other:?}"),
    }
}

fn text(e: &Draft, name: &str) -> Option<String> {
    match &e.detail.as_ref().unwrap().tree.find(name)?.value {
        Value::Text(t) => Some(t.to_string()),
        other => Some(format!("{other:?}")),
    }
}

/// The example streams of the specification (§9.2.6).
#[test]
fn the_examples_of_the_specification() {
    let r = stream(b"data: YHOO\ndata: +2\ndata: 10\n\n");
    assert_eq!(said(&r), [("event", "YHOO\n+2\n10".into(), true)]);

    let r = stream(b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n");
    assert_eq!(
        said(&r),
        [
            ("comment", ": test stream".into(), true),
            ("event", "first event".into(), true),
            ("event", "second event".into(), true),
            ("event", " third event".into(), true),
        ]
    );
    let ids: Vec<_> = messages(&r).skip(1).map(|e| text(e, "sse.last_event_id")).collect();
    assert_eq!(ids, [Some("1".into()), Some("".into()), Some("".into())]);
    assert_eq!(r.codes(), [""; 0]);

    let r = stream(b"data\n\ndata\ndata\n\ndata:");
    assert_eq!(
        said(&r),
        [("event", "".into(), true), ("event", "\n".into(), true), ("event", "".into(), false),]
    );
    assert_eq!(r.codes(), ["sse.cut"]);

    let r = stream(b"data:test\n\ndata: test\n\n");
    assert_eq!(said(&r), [("event", "test".into(), true), ("event", "test".into(), true)]);
}

const MIXED: &[u8] = b"\xef\xbb\xbf: hi\r\n\r\ndata: one\r\nid: 7\r\n\r\nevent: add\rdata: a: b\rdata\rdata: c\r\rretry: 3000\n\n\
    retry: 2s\nfoo: bar\ndata: x\n\n:\n\n\n\ndata: {\"a\": 1}\n: within\nid: 8\n\nid: a\0b\ndata: y\n\r\n\
    id: 9\n\nevent: none\r\n\r\ndata: \xe9t\xe9\n\ndata: Gr\xc3\xbc\xc3\x9fe\n\nData: big\n\ndata: never finished";

#[test]
fn every_kind_of_line_and_end() {
    let r = stream(MIXED);
    let say = |k, t: &str| (k, t.to_owned(), true);
    assert_eq!(
        said(&r),
        [
            say("comment", ": hi"),
            say("event", "one"),
            say("event", "a: b\n\nc"),
            say("retry", "reconnect after 3000 ms"),
            say("retry", "reconnection time that is ignored"),
            say("event", "x"),
            say("comment", ":"),
            say("comment", ": within"),
            say("event", "{\"a\": 1}"),
            say("event", "y"),
            say("event", ""),
            say("event", ""),
            say("event", "\u{fffd}t\u{fffd}"),
            say("event", "Grüße"),
            say("event", ""),
            ("event", "never finished".into(), false),
        ]
    );
    assert_eq!(
        r.codes(),
        [
            "sse.bad-retry",
            "sse.unknown-field",
            "sse.nul-in-id",
            "sse.no-data",
            "sse.no-data",
            "sse.not-utf8",
            "sse.unknown-field",
            "sse.no-data",
            "sse.cut",
        ]
    );
    let events: Vec<_> = messages(&r).filter(|e| e.kind == "event").collect();
    assert_eq!(text(events[1], "sse.type").as_deref(), Some("add"));
    assert_eq!(text(events[0], "sse.type").as_deref(), Some("message"));
    assert_eq!(text(events[4], "sse.last_event_id").as_deref(), Some("8"));
    assert_eq!(events[1].detail.as_ref().unwrap().summary, "add: a: b⏎⏎c");
    let s = facts(&r);
    assert_eq!((s.events, s.data_bytes), (7, 3 + 7 + 1 + 8 + 1 + 3 + 7));
    assert_eq!((s.first_id.as_deref(), s.last_id.as_deref()), (Some("7"), Some("9")));
    assert_eq!(s.wire_bytes, 200 + MIXED.len() as u64);
}

#[test]
fn split_anywhere() {
    let whole = stream(MIXED).gist();
    for size in [1, 2, 3, 5, 7, 11, 64] {
        assert_eq!(times_out(stream_of(MIXED, size, EndCause::Finished)), times_out(stream(MIXED)));
    }
    // In two, at every byte.
    for at in 1..MIXED.len() {
        let (mut r, mut m) = (Recorder::new(), Sse::default());
        head(&mut r, &mut m, Client, ASK);
        head(&mut r, &mut m, Server, ANSWER);
        r.bytes(&mut m, Server, &MIXED[..at], MIXED.len());
        r.bytes(&mut m, Server, &MIXED[at..], MIXED.len());
        r.end(&mut m, Server, EndCause::Finished);
        assert_eq!(r.gist().len(), whole.len());
        let (a, b) = (times_out(r), times_out(stream(MIXED)));
        assert_eq!(a, b, "split at {at}");
    }
}

/// The gist without the exchange, which says how long things took.
fn times_out(mut r: Recorder) -> Vec<String> {
    r.events.retain(|e| e.level == Level::Message);
    r.gist()
}

#[test]
fn an_event_comes_with_its_empty_line_and_not_later() {
    for (end, waits) in [("\n\n", false), ("\r\n\r\n", false), ("\r\r", false)] {
        let (mut r, mut m) = (Recorder::new(), Sse::default());
        head(&mut r, &mut m, Server, ANSWER);
        let event = format!("data: x{end}");
        r.bytes(&mut m, Server, &event.as_bytes()[..event.len() - 1], 99);
        assert_eq!(messages(&r).count(), usize::from(waits));
        r.bytes(&mut m, Server, &event.as_bytes()[event.len() - 1..], 99);
        assert_eq!(messages(&r).count(), 1, "{end:?}");
    }
    // A comment needs no empty line.
    let (mut r, mut m) = (Recorder::new(), Sse::default());
    head(&mut r, &mut m, Server, ANSWER);
    r.bytes(&mut m, Server, b": still here\n", 99);
    assert_eq!(r.kinds(Level::Message), ["comment"]);
}

#[test]
fn the_leaves_tile_every_event() {
    let r = stream(MIXED);
    let mut total = 0;
    for e in messages(&r) {
        let d = e.detail.as_ref().unwrap();
        let wire = &d.origins.buffers()[0];
        assert_eq!(wire.bytes.len(), wire.len as usize);
        let mut spans: Vec<_> = d
            .tree
            .leaves()
            .filter_map(|n| n.span)
            .filter(|s| s.buffer == BufferId(0) && s.len > 0)
            .collect();
        spans.sort_by_key(|s| s.start);
        let mut at = 0;
        for s in spans {
            assert_eq!(s.start, at, "{}", d.summary);
            at = s.end();
        }
        assert_eq!(at, wire.len, "{}", d.summary);
        total += 1;
    }
    assert_eq!(total, 16);
}

#[test]
fn data_leads_back_to_its_packets() {
    let (mut r, mut m) = (Recorder::new(), Sse::default());
    head(&mut r, &mut m, Server, ANSWER);
    r.bytes(&mut m, Server, b"data: abcd\ndata: ef\n\n", 8);
    let d = r.events[0].detail.as_ref().unwrap();
    // "cd" lies in the second packet, behind its first 54 bytes.
    let place = d.origins.locate(crate::base::Span::bytes(BufferId(1), 2, 2));
    assert!(place.exact);
    assert_eq!(place.ranges.len(), 1);
    assert_eq!((place.ranges[0].packet, place.ranges[0].start), (PacketId(3), 54));
    let tree: Vec<_> = d
        .tree
        .nodes()
        .iter()
        .filter(|n| n.spec.name == "sse.data")
        .map(|n| (n.value.clone(), n.span.unwrap().start, n.span.unwrap().len))
        .collect();
    assert_eq!(tree, [(Value::Text("abcd".into()), 6, 4), (Value::Text("ef".into()), 17, 2)]);
}

#[test]
fn a_long_line_is_taken_in_pieces_and_shown_whole() {
    let long = "ö".repeat(100_000);
    let text = format!("data: {long}\n: {long}\nid: {long}\n\ndata: next\n\n");
    let whole = times_out(stream_of(text.as_bytes(), text.len(), EndCause::Finished));
    for size in [1, 3, 7, 1460, 40_000] {
        if size == 1 {
            continue; // The recorder copies what is held: quadratic.
        }
        let r = stream_of(text.as_bytes(), size, EndCause::Finished);
        assert_eq!(r.codes(), ["sse.value-limit"]);
        assert_eq!(r.events[1].length, 200_000);
        assert_eq!(facts(&r).last_id.as_ref().map(|i| i.len()), Some(256));
        assert!(times_out(r) == whole, "by {size}");
    }
}

#[test]
fn nothing_is_kept_that_nobody_looks_at() {
    let (mut r, mut m) = (Recorder::new(), Sse::default());
    r.wants = |_| false;
    head(&mut r, &mut m, Server, ANSWER);
    let before = m.memory();
    for _ in 0..100 {
        r.bytes(&mut m, Server, b"data: some data\n\n: ping\n\n", 1460);
    }
    assert_eq!(m.memory(), before);
    assert_eq!(r.kinds(Level::Message).len(), 200);
    assert!(r.events.iter().all(|e| e.detail.is_none()));
    // Bad text is found all the same.
    r.bytes(&mut m, Server, b"data: \xff\n\n", 1460);
    assert_eq!(r.codes(), ["sse.not-utf8"]);
}

#[test]
fn behind_a_gap_the_next_whole_event_is_read() {
    let (mut r, mut m) = (Recorder::new(), Sse::default());
    head(&mut r, &mut m, Server, ANSWER);
    r.bytes(&mut m, Server, b"data: one\n\ndata: tw", 99);
    r.gap(&mut m, Server, 10);
    r.bytes(&mut m, Server, b"ee\nid: 3\n\ndata: four\n\n", 99);
    r.end(&mut m, Server, EndCause::Finished);
    let say = |t: &str, c| ("event", t.to_owned(), c);
    assert_eq!(said(&r), [say("one", true), say("tw", false), say("four", true)]);
    assert_eq!(r.codes(), ["sse.gap"]);
    assert_eq!(facts(&r).last_id, None);
    assert!(!r.events.last().unwrap().complete);
}

#[test]
fn an_event_right_behind_a_hole_is_known_by_those_before_it() {
    let of = |before: &[&[u8]], behind: &[u8]| {
        let (mut r, mut m) = (Recorder::new(), Sse::default());
        head(&mut r, &mut m, Server, ANSWER);
        for b in before {
            r.bytes(&mut m, Server, b, 99);
        }
        r.gap(&mut m, Server, 10);
        r.bytes(&mut m, Server, behind, 99);
        r.bytes(&mut m, Server, b"data: last\n\n", 99);
        r.end(&mut m, Server, EndCause::Finished);
        let events = r.events.iter().filter(|e| e.kind == "event" && e.complete);
        let before = before.iter().filter(|b| b.ends_with(b"\n\n")).count();
        events.skip(before).map(|e| (e.length, e.inferred)).collect::<Vec<_>>()
    };
    let (shown, not) = (vec![(4, true), (4, false)], vec![(4, false)]);
    let one: &[u8] = b"id: 1\ndata: one\n\n";
    assert_eq!(of(&[one], b"id: 3\ndata: four\n\n"), shown);
    assert_eq!(of(&[one, b"id: 2\nda"], b"id: 3\ndata: four\n\n"), shown);
    // Such may be the second line of one.
    assert_eq!(of(&[one], b"data: four\n\n"), not);
    assert_eq!(of(&[b"data: one\n\n"], b"data: four\n\n"), shown);
    assert_eq!(of(&[b"data: one\n\n", b"data: tw"], b"data: four\n\n"), shown);
    let two: &[u8] = b"data: one\ndata: two\n\n";
    assert_eq!(of(&[two, b"data: tw"], b"data: four\n\n"), not);
    // Events that were cut by the ends of packets say nothing.
    assert_eq!(of(&[b"data: o", b"ne\n\n"], b"data: four\n\n"), not);
    // Of none it is known how they begin.
    assert_eq!(of(&[], b"data: four\n\n"), not);
    assert_eq!(of(&[], b"event: x\ndata: four\n\n"), shown);
}

#[test]
fn how_it_ended() {
    let end = |f: &dyn Fn(&mut Recorder, &mut Sse)| {
        let (mut r, mut m) = (Recorder::new(), Sse::default());
        head(&mut r, &mut m, Client, ASK);
        head(&mut r, &mut m, Server, ANSWER);
        r.bytes(&mut m, Server, b"data: x\n\ndata: half\n", 99);
        f(&mut r, &mut m);
        let e = r.events.last().unwrap();
        assert_eq!((e.level, e.kind), (Level::Exchange, "stream"));
        let codes = r.codes().join(" ");
        (text(e, "sse.ended_by").unwrap(), e.complete, codes)
    };
    let by = |cause| move |r: &mut Recorder, m: &mut Sse| r.end(m, Server, cause);
    let cut = || "sse.cut".to_owned();
    assert_eq!(end(&by(EndCause::Finished)), ("the end of the response".into(), true, cut()));
    assert_eq!(end(&by(EndCause::Cut)), ("the end of the connection".into(), true, cut()));
    // More may have come.
    assert_eq!(
        end(&by(EndCause::CaptureEnded)),
        ("the end of the capture".into(), false, "".into())
    );
    assert_eq!(end(&by(EndCause::Evicted)), ("the memory limit".into(), false, "".into()));
    let reset = |r: &mut Recorder, m: &mut Sse| {
        r.input(m, Input::Reset { side: Client, code: 8 });
    };
    assert_eq!(end(&reset), ("a reset by the client, code 8".into(), true, cut()));
}

#[test]
fn the_exchange_counts_and_measures() {
    let (mut r, mut m) = (Recorder::new(), Sse::default());
    head(&mut r, &mut m, Client, &[ASK, &[("last-event-id", "41")]].concat());
    head(&mut r, &mut m, Server, ANSWER);
    r.bytes(&mut m, Server, b"id: 42\ndata: x\n\n", 99);
    // A thousand ticks of a microsecond without a word.
    for _ in 0..1000 {
        r.bytes(&mut m, Server, b"\n", 1);
    }
    r.bytes(&mut m, Server, b": ping\nretry: 500\n\n", 99);
    r.end(&mut m, Server, EndCause::Finished);
    let e = r.events.last().unwrap();
    let d = e.detail.as_ref().unwrap();
    assert_eq!(text(e, "sse.resumed_from").as_deref(), Some("41"));
    assert_eq!(text(e, "sse.last_event_id").as_deref(), Some("42"));
    for (name, n) in [
        ("sse.events", 1),
        ("sse.comments", 1),
        ("sse.retries", 1),
        ("sse.retry", 500),
        ("sse.data_bytes", 1),
        ("sse.stream_bytes", 16 + 1000 + 19),
        ("sse.longest_silence_ns", 1_001_000),
    ] {
        assert_eq!(d.tree.number(name), Some(n), "{name}");
    }
    assert!(d.summary.starts_with("/s: 1 event, 1 comment, 1035 bytes"), "{}", d.summary);
    let f = facts(&r);
    assert_eq!((&*f.host, &*f.target, f.resumed_from.as_deref()), ("h", "/s", Some("41")));
}

#[test]
fn what_the_head_says_is_judged() {
    let judge = |fields: &[(&str, &str)]| {
        let (mut r, mut m) = (Recorder::new(), Sse::default());
        head(&mut r, &mut m, Server, fields);
        r.end(&mut m, Server, EndCause::Finished);
        r.codes().join(" ")
    };
    let kind = |t: &'static str| {
        vec![(":status", "200"), ("content-type", t), ("cache-control", "private, No-Cache")]
    };
    assert_eq!(judge(ANSWER), "");
    assert_eq!(judge(&kind("text/event-stream; charset=UTF-8")), "");
    assert_eq!(judge(&kind("text/event-stream; x=y; Charset=\"utf-8\"")), "");
    assert_eq!(judge(&kind("text/event-stream;charset=iso-8859-1")), "sse.charset");
    assert_eq!(judge(&[(":status", "200")]), "sse.cacheable");
    assert_eq!(judge(&[(":status", "500"), ("cache-control", "no-store")]), "sse.status");
}

proptest! {
    #[test]
    fn hostile_bytes_never_panic_and_chunks_do_not_show(
        data in proptest::collection::vec(prop_oneof![
            Just(b'\n'), Just(b'\r'), Just(b':'), Just(b' '), Just(b'd'), Just(0xef_u8), Just(0xbb),
            Just(0xbf), any::<u8>()
        ], 0..200),
        size in 1..20_usize,
    ) {
        let whole = times_out(stream_of(&data, data.len().max(1), EndCause::Finished));
        prop_assert_eq!(times_out(stream_of(&data, size, EndCause::Finished)), whole);
    }

    #[test]
    fn lines_in_any_order_are_the_same_in_any_chunking(
        lines in proptest::collection::vec((0..9_usize, 0..3_usize), 0..40),
        size in 1..9_usize,
    ) {
        let mut data = Vec::new();
        for (what, end) in lines {
            let text: &[u8] = [&b""[..], b"", b"data: x", b"data", b"id: 1", b"event: e", b": c",
                b"retry: 5", b"other: y"][what];
            data.extend_from_slice(text);
            data.extend_from_slice([&b"\n"[..], b"\r\n", b"\r"][end]);
        }
        let whole = times_out(stream_of(&data, data.len().max(1), EndCause::Finished));
        prop_assert_eq!(times_out(stream_of(&data, size, EndCause::Finished)), whole);
    }
}
