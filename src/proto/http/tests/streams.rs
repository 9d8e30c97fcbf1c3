//! Responses that are streams of events.

use super::*;

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
