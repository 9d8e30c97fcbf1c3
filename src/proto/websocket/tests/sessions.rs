//! Sessions: how they began, what they came to and how they ended.

use super::*;
use crate::field::Value;
use crate::proto::Abort;

fn session(r: &Recorder) -> &crate::event::Draft {
    let mut all = r.events.iter().filter(|e| e.level == Level::Exchange);
    let one = all.next().expect("a session");
    assert!(all.next().is_none(), "two sessions");
    one
}

fn text(r: &Recorder, name: &str) -> Option<String> {
    match &session(r).detail.as_ref().unwrap().tree.find(name)?.value {
        Value::Text(t) => Some(t.to_string()),
        other => panic!("{other:?}"),
    }
}

fn number(r: &Recorder, name: &str) -> Option<u64> {
    session(r).detail.as_ref().unwrap().tree.number(name)
}

fn once(extensions: &str, acts: &[Act]) -> Recorder {
    let mut r = Recorder::new();
    let mut m = start();
    shake(&mut r, &mut *m, extensions);
    act(&mut r, &mut *m, acts, 1460);
    r
}

#[test]
fn a_close_handshake() {
    let close = [&1000_u16.to_be_bytes()[..], b"done"].concat();
    let r = once(
        "permessage-deflate",
        &[
            Bytes(C, up(0x81, b"one")),
            Bytes(S, down(0x81, b"two")),
            Bytes(S, hex("c1 07 f2 48 cd c9 c9 07 00")),
            Bytes(C, up(0x89, b"")),
            Bytes(S, down(0x8a, b"")),
            Bytes(C, up(0x88, &close)),
            Bytes(S, down(0x88, &close)),
            End(S, EndCause::Finished),
            End(C, EndCause::Finished),
        ],
    );
    let e = session(&r);
    assert_eq!((e.kind, e.sender, e.length, e.complete), ("session", None, 11, true));
    assert_eq!(
        e.detail.as_ref().unwrap().summary,
        "/chat: 1 message up, 2 down, closed by client 1000 (normal closure) \"done\" after 11 µs"
    );
    assert_eq!(text(&r, "websocket.uri").as_deref(), Some("/chat"));
    assert_eq!(text(&r, "websocket.host").as_deref(), Some("example.com"));
    assert_eq!(text(&r, "websocket.extensions").as_deref(), Some("permessage-deflate"));
    assert_eq!(text(&r, "websocket.closed_by").as_deref(), Some("client"));
    assert_eq!(text(&r, "websocket.close_reason").as_deref(), Some("done"));
    assert_eq!(text(&r, "websocket.ended").as_deref(), Some("close handshake"));
    for (name, n) in [
        ("websocket.client_messages", 1),
        ("websocket.server_messages", 2),
        ("websocket.client_bytes", 3),
        ("websocket.server_bytes", 8),
        ("websocket.pings", 1),
        ("websocket.pongs", 1),
        ("websocket.close_code", 1000),
        ("duration_ns", 11_000),
    ] {
        assert_eq!(number(&r, name), Some(n), "{name}");
    }
}

#[test]
fn what_the_peer_gave_as_the_reason_is_told() {
    let code = |n: u16, why: &str| [&n.to_be_bytes()[..], why.as_bytes()].concat();
    let kicked = "{\"4000\" kicked}";
    let acts = [
        Bytes(S, down(0x88, &code(4000, kicked))),
        Bytes(C, up(0x88, &code(1002, "no such code"))),
        End(C, EndCause::Finished),
        End(S, EndCause::Finished),
    ];
    let r = once("", &acts);
    let line = &session(&r).detail.as_ref().unwrap().summary;
    assert!(line.contains("closed by server 4000 (private) \"{\"4000\" kicked}\""), "{line}");
    let verdict = "the server closed first with 4000 (private) \"{\"4000\" kicked}\", the client \
                   answered with 1002 (protocol error) \"no such code\"";
    assert_eq!(text(&r, "websocket.verdict").as_deref(), Some(verdict));
    let found = session(&r).findings.iter().find(|f| f.spec.code == "websocket.closed-on-error");
    assert_eq!(found.and_then(|f| f.detail.as_deref()), Some(verdict));
}

/// Limits are on what was sent, or on what it inflates to: both are told.
#[test]
fn a_compressed_message_that_was_too_big_has_both_sizes() {
    let close = [&1009_u16.to_be_bytes()[..], b"frame exceeds limit of 3 bytes"].concat();
    let mut sent = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
    std::io::Write::write_all(&mut sent, &[b'a'; 120]).unwrap();
    let sent = sent.finish().unwrap();
    let acts = [
        Bytes(C, up(0xc1, &sent)),
        Bytes(S, down(0x88, &close)),
        Bytes(C, up(0x88, &close)),
        End(C, EndCause::Finished),
        End(S, EndCause::Finished),
    ];
    let r = once("permessage-deflate; client_no_context_takeover", &acts);
    let verdict = format!(
        "the server closed first with 1009 (message too big) \"frame exceeds limit of 3 bytes\", \
         the client answered: the client's message of 120 bytes, {} as sent",
        sent.len()
    );
    assert_eq!(text(&r, "websocket.verdict"), Some(verdict));
}

#[test]
fn other_ends() {
    let fin = [End(S, EndCause::Finished), End(C, EndCause::Finished)];
    let r = once("", &fin);
    assert_eq!(text(&r, "websocket.ended").as_deref(), Some("fin without close"));
    assert_eq!(text(&r, "websocket.closed_by").as_deref(), Some("server"));
    assert_eq!(number(&r, "websocket.close_code"), Some(1006));
    let line = &session(&r).detail.as_ref().unwrap().summary;
    assert!(line.contains("fin without close by server, 1006 (abnormal closure)"), "{line}");

    let r = once("", &[Bytes(S, down(0x88, b"")), fin[0].clone(), fin[1].clone()]);
    assert_eq!(text(&r, "websocket.ended").as_deref(), Some("close without reply"));
    assert_eq!(number(&r, "websocket.close_code"), Some(1005));

    let r = once("", &[Bytes(C, up(0x81, b"x")), Reset(C), End(S, EndCause::CaptureEnded)]);
    assert_eq!(text(&r, "websocket.ended").as_deref(), Some("reset"));
    assert_eq!(number(&r, "websocket.close_code"), Some(1006));
    assert!(session(&r).complete);

    let cut = [End(C, EndCause::CaptureEnded), End(S, EndCause::CaptureEnded)];
    let r = once("", &cut);
    assert_eq!(text(&r, "websocket.ended").as_deref(), Some("capture ended"));
    assert_eq!(text(&r, "websocket.closed_by"), None);
    assert_eq!(number(&r, "websocket.close_code"), None);
    assert!(!session(&r).complete);

    let r = once("", &[End(C, EndCause::Evicted), End(S, EndCause::Evicted)]);
    assert_eq!(text(&r, "websocket.ended").as_deref(), Some("state let go"));
}

#[test]
fn a_one_way_capture_is_read_all_the_same() {
    let mut r = Recorder::new();
    let mut m = start();
    head(&mut r, &mut *m, S, &[(":status", "101"), ("Sec-WebSocket-Accept", ACCEPT)]);
    act(
        &mut r,
        &mut *m,
        &[
            Bytes(S, down(0x81, b"alone")),
            End(S, EndCause::CaptureEnded),
            End(C, EndCause::CaptureEnded),
        ],
        1460,
    );
    assert_eq!(r.codes(), [""; 0]);
    assert_eq!(lines(&r, Level::Message), ["alone"]);
    assert!(!session(&r).complete);
}

#[test]
fn a_handshake_that_does_not_fit_is_found_once() {
    let mut r = Recorder::new();
    let mut m = start();
    head(
        &mut r,
        &mut *m,
        C,
        &[(":path", "/"), ("Sec-WebSocket-Key", KEY), ("Sec-WebSocket-Version", "13")],
    );
    head(&mut r, &mut *m, S, &[(":status", "101"), ("Sec-WebSocket-Accept", "no")]);
    assert_eq!(r.codes(), ["websocket.accept-mismatch"]);
}

#[test]
fn an_end_that_aborts_behind_its_own_end_is_told() {
    // FIN, then RST of the same end; END_STREAM, then RST_STREAM.
    let r = once(
        "",
        &[Bytes(C, up(0x88, b"")), Bytes(S, down(0x88, b"")), End(S, EndCause::Finished), Reset(S)],
    );
    assert_eq!(text(&r, "websocket.ended").as_deref(), Some("close handshake"));
    let r = once("", &[Bytes(C, up(0x81, b"x")), End(C, EndCause::Finished), Reset(C)]);
    assert_eq!(text(&r, "websocket.ended").as_deref(), Some("reset"));
}

/// A session on a stream of HTTP/2, which these end.
fn on_a_stream(acts: &[Act]) -> Recorder {
    on_a_stream_of(Abort::Stream, acts)
}

/// The same, where what is below ends so.
fn on_a_stream_of(abort: Abort, acts: &[Act]) -> Recorder {
    let mut r = Recorder::new();
    r.abort = abort;
    let mut m = start();
    for (side, fields) in [
        (C, &[(":method", "CONNECT"), (":path", "/chat"), ("sec-websocket-version", "13")][..]),
        (S, &[(":status", "200")]),
    ] {
        let mut headers = crate::proto::Headers::new();
        for (n, v) in fields {
            headers.push(n.as_bytes(), v.as_bytes());
        }
        let (start, ready) = Default::default();
        let (headers, detail) = (&headers, None);
        let head = crate::proto::Head {
            side,
            headers,
            version: 20,
            end: false,
            start,
            ready,
            wire_len: 40,
            detail,
        };
        r.input(&mut *m, Input::Head(head));
    }
    act(&mut r, &mut *m, acts, 1460);
    r
}

#[test]
fn the_end_of_a_stream_is_a_fin() {
    let both = [End(C, EndCause::Finished), End(S, EndCause::Finished)];
    let r = on_a_stream(&[&[Bytes(C, up(0x81, b"x"))][..], &both].concat());
    assert_eq!(r.codes(), ["websocket.abnormal-closure", "websocket.stream-without-close"]);
    let close = [Bytes(C, up(0x88, b"")), Bytes(S, down(0x88, b""))];
    assert_eq!(on_a_stream(&[&close[..], &both].concat()).codes(), [""; 0]);
    let r = on_a_stream(&[Bytes(C, up(0x81, b"x")), Reset(C)]);
    assert_eq!(r.codes(), ["websocket.abnormal-closure"]);
    assert_eq!(text(&r, "websocket.ended").as_deref(), Some("reset"));
}

#[test]
fn the_end_of_the_connection_is_none_of_its_stream() {
    let verdict = |abort, acts: &[Act]| {
        let r = on_a_stream_of(abort, &[&[Bytes(C, up(0x81, b"x"))][..], acts].concat());
        (text(&r, "websocket.verdict").unwrap(), r.codes())
    };
    let fin = [End(S, EndCause::Finished), End(C, EndCause::CaptureEnded)];
    for (abort, acts, word) in [
        (Abort::Stream, &[Reset(S)][..], "RST_STREAM (NO_ERROR)"),
        (Abort::Connection, &[Reset(S)], "RST of the connection"),
        (Abort::Goaway { last: 0, error: 2 }, &[Reset(S)], "GOAWAY"),
        (Abort::Connection, &fin, "FIN of the connection"),
        (Abort::Goaway { last: 0, error: 0 }, &fin, "GOAWAY"),
        // As Node.js does it.
        (Abort::Stream, &[fin[0].clone(), Reset(S)], "END_STREAM, then RST_STREAM (NO_ERROR),"),
    ] {
        let (text, codes) = verdict(abort, acts);
        assert_eq!(text, format!("1006: {word} by the server without a close frame"));
        assert_eq!(codes, ["websocket.abnormal-closure"], "{word}");
    }
}

/// A moment that is `packet` microseconds behind the beginning.
fn at(packet: u64) -> Moment {
    Moment {
        packet: crate::base::PacketId(packet),
        time: crate::base::CaptureTime(packet.cast_signed() * 1000),
    }
}

#[test]
fn an_end_that_waited_behind_a_hole_has_its_own_moment() {
    let close = 1009_u16.to_be_bytes();
    let mut r = Recorder::new();
    let mut m = start();
    shake(&mut r, &mut *m, "");
    act(&mut r, &mut *m, &[Bytes(S, down(0x88, &close)), Bytes(C, up(0x88, &close))], 1460);
    // The capture's last packet came a second later.
    r.now = at(1_000_000);
    for (side, packet) in [(C, 40), (S, 30)] {
        r.aborted_at = Some(at(packet));
        r.end(&mut *m, side, EndCause::Finished);
    }
    assert_eq!(number(&r, "duration_ns"), Some(40_000));
    assert_eq!(session(&r).end, at(40));
    // Who ended first is told by the moments as well.
    let mut r = Recorder::new();
    let mut m = start();
    shake(&mut r, &mut *m, "");
    for (side, packet) in [(C, 400), (S, 300)] {
        r.aborted_at = Some(at(packet));
        r.end(&mut *m, side, EndCause::Finished);
    }
    assert_eq!(text(&r, "websocket.closed_by").as_deref(), Some("server"));
    assert_eq!(session(&r).end, at(400));
}

#[test]
fn of_one_direction_alone_nobody_is_judged() {
    let request = [
        (":method", "GET"),
        (":path", "/chat"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    ];
    for close in [true, false] {
        let mut r = Recorder::new();
        let mut m = start();
        head(&mut r, &mut *m, C, &request);
        let frame = if close { up(0x88, &1008_u16.to_be_bytes()) } else { up(0x81, b"hello") };
        let acts = [Bytes(C, frame), End(C, EndCause::Finished), End(S, EndCause::CaptureEnded)];
        act(&mut r, &mut *m, &acts, 1460);
        assert_eq!(text(&r, "websocket.ended").as_deref(), Some("one direction captured"));
        assert_eq!(text(&r, "websocket.closed_by"), None);
        let verdict = text(&r, "websocket.verdict").unwrap();
        assert!(!verdict.contains("first") && !verdict.contains("answer"), "{verdict}");
        assert!(verdict.ends_with("was not captured"), "{verdict}");
        let line = &session(&r).detail.as_ref().unwrap().summary;
        assert!(line.ends_with("what the server sent was not captured"), "{line}");
        assert!(!session(&r).findings.iter().any(|f| f.spec.code.ends_with("abnormal-closure")));
    }
    // The last bytes of the other are missing: its close frame may have been the first.
    let close = up(0x88, &1000_u16.to_be_bytes());
    let fin = [End(S, EndCause::Finished), End(C, EndCause::Finished)];
    let acts = [Gap(S, 4), Bytes(C, close), fin[0].clone(), fin[1].clone()];
    let r = once("", &acts);
    assert_eq!(text(&r, "websocket.ended").as_deref(), Some("reply not captured"));
    assert_eq!(text(&r, "websocket.closed_by"), None);
}
