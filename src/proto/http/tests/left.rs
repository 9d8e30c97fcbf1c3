//! Who broke it off.

use super::*;
use crate::finding::Finding;
use crate::proto::Abort;

/// A request at packet 1, and of its answer of nine bytes what there is: its head, at packet
/// 3, and these bytes, at packet 4.
fn asked(answer: Option<&[u8]>) -> (Recorder, Http) {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    head(&mut r, &mut m, Client, 1, true, GET);
    r.end(&mut m, Client, EndCause::Finished);
    if let Some(data) = answer {
        let fields: &[_] = &[(":status", "200"), ("content-length", "9")];
        head(&mut r, &mut m, Server, 3, false, fields);
        r.bytes(&mut m, Server, data, 100);
    }
    (r, m)
}

/// A code, what it says, and the packets of its proof.
type Found<'a> = (&'a str, &'a str, Vec<u64>);

fn exchange(r: &Recorder) -> (&str, Vec<Found<'_>>) {
    let e = r.events.last().unwrap();
    assert_eq!(e.level, Level::Exchange);
    let told = |f: &Finding| f.proof.iter().map(|p| p.0).collect();
    let found = e.findings.iter();
    let found = found.map(|f| (f.spec.code, f.detail.as_deref().unwrap_or_default(), told(f)));
    (e.detail.as_ref().unwrap().summary.as_str(), found.collect())
}

#[test]
fn a_client_that_closes_before_its_answer_has_left() {
    for (cause, server) in [(EndCause::Finished, Some(160)), (EndCause::Cut, Some(160))] {
        let (mut r, mut m) = asked(None);
        r.path.fins = [Some(moment(151)), server.map(moment)];
        r.end(&mut m, Server, cause);
        let text = "FIN by the client 150 µs after its request, before any answer";
        assert_eq!(
            exchange(&r),
            (
                "GET /a → no response, the client left after 150 µs",
                vec![("http.client-left", text, vec![1, 151])]
            )
        );
    }
    // The server closed first, or nobody did; or the capture ended before the server could
    // answer a client that closed its direction alone.
    let (client, server) = (Some(moment(160)), Some(moment(151)));
    for (fins, cause) in [
        ([client, server], EndCause::Cut),
        ([None, server], EndCause::Cut),
        ([None; 2], EndCause::Cut),
        ([client, None], EndCause::CaptureEnded),
        ([client, None], EndCause::Evicted),
    ] {
        let (mut r, mut m) = asked(None);
        r.path.fins = fins;
        r.end(&mut m, Server, cause);
        assert_eq!(exchange(&r).1, [("http.no-response", "", vec![])]);
    }
}

#[test]
fn a_client_that_closes_within_its_answer_has_left() {
    let (mut r, mut m) = asked(Some(b"12345"));
    let last = r.now;
    let at = Moment { packet: PacketId(last.packet.0 + 5), time: CaptureTime(2_001_000) };
    r.path.fins[0] = Some(at);
    r.path.fins[1] = Some(Moment { packet: PacketId(at.packet.0 + 1), ..at });
    r.end(&mut m, Server, EndCause::Cut);
    let text = "FIN by the client 2 ms after its request, in the middle of the answer";
    let proof = vec![1, last.packet.0, at.packet.0];
    assert_eq!(exchange(&r).1, [("http.client-left", text, proof.clone())]);
    assert_eq!(r.events[1].findings[0].detail.as_deref(), Some("5 of 9 bytes: the client left"));

    // It said that it would say no more, and took what came: the server fell short.
    let (mut r, mut m) = asked(Some(b"12345"));
    r.path.fins = [Some(moment(2)), None];
    r.end(&mut m, Server, EndCause::Cut);
    assert_eq!(exchange(&r).1, []);
    assert_eq!(r.events[1].findings[0].detail.as_deref(), Some("5 of 9 bytes"));

    // It aborts the connection for what comes behind its FIN: there was nobody.
    let (mut r, mut m) = asked(Some(b"12345"));
    r.path.fins = [Some(moment(2)), None];
    r.abort = Abort::Connection;
    r.input(&mut m, Input::Reset { side: Client, code: 0 });
    let text = "FIN by the client 1 µs after its request, in the middle of the answer";
    assert_eq!(exchange(&r).1[0].0, "http.client-left");
    assert_eq!(exchange(&r).1[0].1, text);
}

#[test]
fn an_abort_says_whose_it_was() {
    let of = |side: Side, how: Abort, code: u32, answer: Option<&[u8]>| {
        let (mut r, mut m) = asked(answer);
        r.abort = how;
        r.aborted_at = Some(moment(1201));
        r.input(&mut m, Input::Reset { side, code });
        let [f] = &r.events.last().unwrap().findings[..] else { panic!("{:?}", r.codes()) };
        let proof: Vec<_> = f.proof.iter().map(|p| p.0).collect();
        (f.spec.code, f.detail.as_deref().unwrap_or_default().to_owned(), proof)
    };
    let left = "1.2 ms after its request";
    assert_eq!(
        of(Client, Abort::Connection, 0, None),
        ("http.client-left", format!("RST by the client {left}, before any answer"), vec![1, 1201])
    );
    let (code, text, _) = of(Client, Abort::Stream, 8, Some(b"1"));
    assert_eq!(code, "http.client-left");
    assert_eq!(
        text,
        format!("RST_STREAM CANCEL by the client {left}, in the middle of the answer")
    );
    for (side, how, code, text) in [
        (Server, Abort::Connection, 0, "RST by the server"),
        (Server, Abort::Stream, 8, "RST_STREAM CANCEL by the server"),
        (Client, Abort::Stream, 1, "RST_STREAM PROTOCOL_ERROR by the client"),
        (
            Server,
            Abort::Goaway { last: 3, error: 0 },
            7,
            "GOAWAY NO_ERROR up to stream 3 by the server",
        ),
    ] {
        assert_eq!(of(side, how, code, None), ("http.reset", text.to_owned(), vec![]));
    }
}

#[test]
fn behind_a_hole_nobody_knows_who_left() {
    let (mut r, mut m) = asked(Some(b"12345"));
    r.path.fins = [Some(moment(151)), None];
    r.path.gaps = [0, 1];
    r.end(&mut m, Server, EndCause::Cut);
    assert_eq!(exchange(&r).1, []);
}

#[test]
fn an_answer_that_came_before_the_end_of_the_request_is_whole() {
    for (code, found) in [(0, "http.answered-early"), (2, "http.reset")] {
        let (mut r, mut m) = (Recorder::new(), Http::new());
        head(&mut r, &mut m, Client, 1, false, &[(":method", "PUT"), (":path", "/")]);
        r.bytes(&mut m, Client, b"1234", 2);
        head(&mut r, &mut m, Server, 5, true, &[(":status", "413")]);
        r.end(&mut m, Server, EndCause::Finished);
        r.input(&mut m, Input::Reset { side: Server, code });
        assert_eq!(r.codes(), [found, found]);
        let early = exchange(&r).0.contains("0 bytes, before the end of the request");
        assert_eq!(early, code == 0, "{}", exchange(&r).0);
    }
}
