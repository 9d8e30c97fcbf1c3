//! Bytes in, exact events out.

use std::io::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use proptest::prelude::*;

use super::*;
use crate::base::{Moment, Side};
use crate::event::Payload;
use crate::proto::harness::Recorder;
use crate::proto::{EndCause, Headers, Input, Out as _};

struct World {
    r: Recorder,
    m: Web,
    size: usize,
}

fn frame(flag: u8, data: &[u8]) -> Vec<u8> {
    let mut v = vec![flag];
    v.extend((data.len() as u32).to_be_bytes());
    v.extend_from_slice(data);
    v
}

const TRAILERS: &[u8] = b"grpc-status: 0\r\ngrpc-message: fine\r\nx-took:3 ms\r\n";

impl World {
    fn new(size: usize) -> Self {
        Self { r: Recorder::new(), m: Web::new(), size }
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

    fn heads(&mut self, up: &str, down: &str) -> &mut Self {
        let path = (":path", "/user.UserService/GetUser");
        self.head(Side::Client, &[(":method", "POST"), path, ("content-type", up)]);
        self.head(Side::Server, &[(":status", "200"), ("content-type", down)])
    }

    fn heads_coded(&mut self, kind: &str, coding: &str) -> &mut Self {
        let path = (":path", "/user.UserService/GetUser");
        self.head(Side::Client, &[(":method", "POST"), path, ("content-type", kind)]);
        let coding = ("content-encoding", coding);
        self.head(Side::Server, &[(":status", "200"), ("content-type", kind), coding])
    }

    fn send(&mut self, side: Side, data: &[u8]) -> &mut Self {
        self.r.bytes(&mut self.m, side, data, self.size);
        self
    }

    fn end(&mut self, side: Side) -> &mut Self {
        self.r.end(&mut self.m, side, EndCause::Finished);
        self
    }

    /// Events but for the times of the call.
    fn gist(&self) -> Vec<String> {
        let all = self.r.gist();
        all.into_iter().filter(|e| e.starts_with("Message")).collect()
    }

    fn summaries(&self) -> Vec<(&'static str, String)> {
        let summary = |d: &crate::event::Draft| d.detail.as_ref().unwrap().summary.clone();
        self.r.events.iter().map(|d| (d.kind, summary(d))).collect()
    }
}

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    w.write_all(data).unwrap();
    w.finish().unwrap()
}

/// A call of two responses in one form; `cuts` is where the text's encoder began anew.
fn call(form: Form, size: usize, cuts: &[usize]) -> World {
    let text = |data: &[u8]| -> Vec<u8> {
        if form == Form::Binary {
            return data.to_vec();
        }
        let mut at = 0;
        let mut v = Vec::new();
        for cut in cuts.iter().copied().chain([data.len()]) {
            let cut = cut.clamp(at, data.len());
            v.extend(STANDARD.encode(&data[at..cut]).into_bytes());
            at = cut;
        }
        v
    };
    let kind = match form {
        Form::Binary => "application/grpc-web+proto",
        Form::Text => "application/grpc-web-text+proto",
    };
    let mut w = World::new(size);
    w.heads(kind, kind);
    w.send(Side::Client, &text(&frame(0, b"\x08\x2a"))).end(Side::Client);
    let mut down = frame(0, b"\x08\x2a\x12\x05Alice");
    down.extend(frame(0, b""));
    down.extend(frame(0x80, TRAILERS));
    w.send(Side::Server, &text(&down)).end(Side::Server);
    w
}

/// What the connection does is told through both worlds: of text, and of a content coding.
#[test]
fn a_connection_is_known_through_it() {
    use crate::event::Level;
    use crate::proto::{Abort, Path};
    for (kind, coding) in [
        ("application/grpc-web", None),
        ("application/grpc-web-text", None),
        ("application/grpc-web", Some("gzip")),
    ] {
        let mut w = World::new(1460);
        w.r.path = Path { retransmissions: 3, round_trip: Some(1_200_000), ..Path::default() };
        match coding {
            Some(c) => w.heads_coded(kind, c),
            None => w.heads(kind, kind),
        };
        w.r.path.retransmissions = 5;
        let down = frame(0x80, b"grpc-status: 14\r\n");
        let down = match (coding, kind.ends_with("text")) {
            (Some(_), _) => gzip(&down),
            (_, true) => STANDARD.encode(down).into_bytes(),
            _ => down,
        };
        w.send(Side::Server, &down).end(Side::Server);
        let call = w.r.events.iter().find(|e| e.level == Level::Exchange).unwrap();
        let tree = &call.detail.as_ref().unwrap().tree;
        assert_eq!(tree.number("grpc.round_trip_ns"), Some(1_200_000));
        assert_eq!(tree.number("grpc.retransmissions"), Some(2));
        let why = call.findings[0].detail.clone().unwrap_or_default();
        assert!(why.ends_with("its connection: round trip 1.2 ms, 2 retransmissions"), "{why}");
    }
    let mut w = World::new(1460);
    let path = (":path", "/user.UserService/GetUser");
    let kind = ("content-type", "application/grpc-web");
    w.head(Side::Client, &[(":method", "POST"), path, kind]);
    w.r.abort = Abort::Goaway { last: 3, error: 0 };
    w.r.input(&mut w.m, Input::Reset { side: Side::Server, code: 7 });
    assert_eq!(w.r.codes(), ["grpc.refused"]);
    assert!(w.summaries()[1].1.contains("refused by GOAWAY, never processed"));
}

/// Where no head was captured, the flag and the status say that it is gRPC-Web.
#[test]
fn trailers_are_known_without_a_head() {
    use crate::event::Level;
    use crate::proto::grpc::Call;
    let mut down = frame(0, b"\x08\x2a\x12\x05Alice");
    down.extend(frame(0x80, TRAILERS));
    let mut whole = None;
    for size in [1460, 1, 2, 3, 7] {
        let (mut r, mut m) = (Recorder::new(), Call::new());
        r.bytes(&mut m, Side::Server, &down, size);
        r.end(&mut m, Side::Server, EndCause::Finished);
        assert_eq!(r.kinds(Level::Message), ["message", "trailers"]);
        let tree = &r.events[1].detail.as_ref().unwrap().tree;
        assert_eq!(tree.number("grpc.status_code"), Some(0));
        assert_eq!(tree.number("grpc.frame_type"), Some(1));
        assert!(r.events.iter().all(|e| e.inferred));
        assert!(r.codes().is_empty(), "{:?}", r.codes());
        let messages: Vec<String> =
            r.gist().into_iter().filter(|e| e.starts_with("Message")).collect();
        assert!(*whole.get_or_insert(messages.clone()) == messages, "{size}");
    }
    // Not those of a call that is known to be another.
    let (mut r, mut m) = (Recorder::new(), Call::new());
    r.bytes(&mut m, Side::Server, &frame(0x80, b"nothing of that kind"), 1460);
    assert!(!r.kinds(Level::Message).contains(&"trailers"));
}

/// Under a content coding there is what is there without one, wherever it is cut.
#[test]
fn a_content_coding_is_undone_first() {
    for (form, kind) in [
        (Form::Binary, "application/grpc-web+proto"),
        (Form::Text, "application/grpc-web-text+proto"),
    ] {
        let bodies = |w: &World| -> Vec<String> {
            let of = |e: &&String| !e.contains(" response ") && !e.contains(" request ");
            w.gist().iter().filter(of).cloned().collect()
        };
        let plain = bodies(&call(form, 1 << 20, &[]));
        assert_eq!(plain.len(), 4);
        let text = |data: &[u8]| match form {
            Form::Binary => data.to_vec(),
            Form::Text => STANDARD.encode(data).into_bytes(),
        };
        let mut down = frame(0, b"\x08\x2a\x12\x05Alice");
        down.extend(frame(0, b""));
        down.extend(frame(0x80, TRAILERS));
        for size in [1, 2, 3, 7, 1460] {
            let mut w = World::new(size);
            w.heads_coded(kind, "gzip");
            w.send(Side::Client, &text(&frame(0, b"\x08\x2a"))).end(Side::Client);
            w.send(Side::Server, &gzip(&text(&down))).end(Side::Server);
            assert_eq!(bodies(&w), plain, "{kind} by {size}");
            assert!(w.r.codes().is_empty(), "{kind} by {size}: {:?}", w.r.codes());
            // Every byte of a message has its packets.
            let messages = w.r.events.iter().filter(|e| e.kind == "message" && e.length > 0);
            for e in messages {
                let b = e.detail.as_ref().unwrap().origins.get(crate::base::BufferId(0)).unwrap();
                let covered: u32 = b.pieces.iter().map(|p| p.len).sum();
                assert_eq!(covered, b.len, "{kind} by {size}");
            }
        }
    }
}

#[test]
fn both_forms_are_the_same_call() {
    for (form, tail) in [(Form::Binary, "gRPC-Web"), (Form::Text, "gRPC-Web text")] {
        let w = call(form, 1460, &[]);
        assert_eq!(w.r.codes(), Vec::<&str>::new());
        let kinds: Vec<_> = w.r.events.iter().map(|e| e.kind).collect();
        assert_eq!(
            kinds,
            ["request", "response", "message", "message", "message", "trailers", "call"]
        );
        let s = w.summaries();
        assert_eq!(s[0].1, format!("user.UserService/GetUser, {tail}"));
        assert_eq!(s[5].1, "OK \"fine\", metadata x-took");
        let last = &s[6].1;
        assert!(last.starts_with("user.UserService/GetUser → OK \"fine\", 1 up 2 down"), "{last}");
        assert!(last.ends_with(tail), "{last}");
        let tree = |i: usize| &w.r.events[i].detail.as_ref().unwrap().tree;
        assert_eq!(tree(5).number("grpc.frame_type"), Some(1));
        assert_eq!(tree(5).number("grpc.status_code"), Some(0));
        assert_eq!(tree(3).number("grpc.frame_type"), Some(0));
        assert_eq!(tree(3).number("grpc.message_length"), Some(9));
        assert_eq!(
            tree(6).find("grpc.web").unwrap().value,
            crate::field::Value::Text(form.name().into())
        );
        let payload = &w.r.events[3].detail.as_ref().unwrap().payload;
        assert_eq!(*payload, Payload::Bytes(b"\x08\x2a\x12\x05Alice".to_vec()));
    }
}

#[test]
fn chunks_of_any_size_and_padding_anywhere_give_the_same_events() {
    let whole = call(Form::Binary, 1 << 20, &[]).gist();
    for size in [1, 2, 3, 7, 1460] {
        assert!(call(Form::Binary, size, &[]).gist() == whole, "{size}");
    }
    let whole = call(Form::Text, 1 << 20, &[]).gist();
    for size in [1, 2, 3, 5, 7, 1460] {
        for cuts in [vec![], vec![14], vec![1, 2, 3, 4, 6, 9, 13, 14, 19, 20], vec![7, 8]] {
            assert!(call(Form::Text, size, &cuts).gist() == whole, "{size} {cuts:?}");
        }
    }
}

#[test]
fn a_field_is_followed_to_its_groups() {
    // Chunks of four: each packet is one group of three bytes, whose payload is at 54.
    let w = call(Form::Text, 4, &[]);
    let message = w.r.events.iter().find(|e| e.kind == "message").unwrap();
    let d = message.detail.as_ref().unwrap();
    // Flag and length are bytes 0 to 4: two groups, of packets 3 and 4.
    let length = d.tree.find("grpc.message_length").unwrap().span.unwrap();
    let place = d.origins.locate(length);
    assert!(!place.exact);
    let packets: Vec<_> = place.ranges.iter().map(|r| (r.packet.0, r.start, r.len)).collect();
    assert_eq!(packets, [(3, 54, 4), (4, 54, 4)]);
    assert_eq!((message.start.packet.0, message.end.packet.0), (3, 5));
    // The same in one packet: bytes 1 to 4 are characters 0 to 7.
    let w = call(Form::Text, 1460, &[]);
    let d = w.r.events[2].detail.as_ref().unwrap();
    let place = d.origins.locate(d.tree.find("grpc.message_length").unwrap().span.unwrap());
    let ranges: Vec<_> = place.ranges.iter().map(|r| (r.start, r.len)).collect();
    assert_eq!(ranges, [(54, 8)]);
}

#[test]
fn errors_in_the_trailers_are_the_calls() {
    let mut w = World::new(3);
    w.heads("application/grpc-web", "application/grpc-web");
    w.send(Side::Client, &frame(0, b"\x08\x2a")).end(Side::Client);
    w.send(Side::Server, &frame(0x80, b"GRPC-Status:5\r\nGrpc-Message:no%20such%20user\r\n"));
    w.end(Side::Server);
    assert_eq!(w.r.codes(), ["grpc.bad-status", "grpc.call-failed"]);
    let s = w.summaries();
    assert!(s.last().unwrap().1.contains("→ 5 NOT_FOUND \"no such user\""), "{s:?}");
}

/// Each finding, once.
#[test]
fn what_is_wrong_is_said() {
    let codes = |f: &dyn Fn(&mut World)| {
        let mut w = World::new(5);
        f(&mut w);
        w.end(Side::Client).end(Side::Server);
        w.r.codes()
    };
    let text = "application/grpc-web-text";
    let binary = "application/grpc-web";
    let ok = frame(0x80, b"grpc-status:0\r\n");
    assert_eq!(
        codes(&|w| {
            w.heads(text, text).send(Side::Client, b"AAAAAAIIKg==");
            w.send(Side::Server, b"<html></html>");
        }),
        ["grpc.web-base64", "grpc.missing-trailers"]
    );
    let unpadded = STANDARD.encode(&ok).trim_end_matches('=').to_owned();
    assert_ne!(unpadded.len() % 4, 0);
    assert_eq!(
        codes(&|w| {
            w.heads(text, text).send(Side::Server, unpadded.as_bytes());
        }),
        ["grpc.web-padding"]
    );
    assert_eq!(
        codes(&|w| {
            w.heads(binary, binary).send(Side::Server, &[&ok[..], b"x"].concat());
        }),
        ["grpc.web-after-trailers"]
    );
    assert_eq!(
        codes(&|w| {
            w.heads(binary, binary).send(Side::Client, &frame(0x80, b"a:b\r\n"));
            w.send(Side::Server, &ok);
        }),
        ["grpc.web-client-trailers"]
    );
    assert_eq!(
        codes(&|w| {
            w.heads(binary, binary);
            w.send(Side::Server, &frame(0x80, b"grpc-status:0\r\nwhat\r\n"));
        }),
        ["grpc.web-bad-trailers"]
    );
    assert_eq!(
        codes(&|w| {
            w.heads(binary, binary).send(Side::Server, b"\x80\x7f\0\0\0grpc-status:0");
        }),
        ["grpc.web-trailers-limit", "grpc.missing-trailers"]
    );
    assert_eq!(
        codes(&|w| {
            w.heads(binary, binary).send(Side::Server, &ok[..ok.len() - 1]);
        }),
        ["grpc.missing-trailers", "grpc.truncated-message"].into_iter().rev().collect::<Vec<_>>()
    );
    assert_eq!(
        codes(&|w| {
            w.head(Side::Client, &[(":method", "POST"), ("content-type", binary)]);
            let coded = ("content-encoding", "compress");
            w.head(Side::Server, &[(":status", "200"), ("content-type", binary), coded]);
            w.send(Side::Server, b"\x80 anything");
        }),
        ["grpc.web-content-coding", "grpc.missing-trailers"]
    );
    assert_eq!(
        codes(&|w| {
            w.heads_coded(binary, "gzip").send(Side::Server, b"\x80 anything");
        }),
        ["grpc.web-bad-content-coding", "grpc.missing-trailers"]
    );
    // Cut off before its end: what came is shown.
    assert_eq!(
        codes(&|w| {
            let body = gzip(&ok);
            w.heads_coded(binary, "gzip").send(Side::Server, &body[..body.len() - 4]);
        }),
        ["grpc.web-bad-content-coding"]
    );
    // The error page of a proxy is no frame.
    assert_eq!(
        codes(&|w| {
            w.head(Side::Client, &[(":method", "POST"), ("content-type", binary)]);
            w.head(Side::Server, &[(":status", "502"), ("content-type", "text/html")]);
            w.send(Side::Server, b"<html>");
        }),
        ["grpc.http-status", "grpc.content-type", "grpc.call-failed"]
    );
}

/// Where groups begin behind missing text is not known, but behind padding, and where a message
/// is the first that comes.
#[test]
fn text_is_found_again_behind_missing_bytes() {
    let kind = "application/grpc-web-text";
    let text = |data: &[u8]| STANDARD.encode(data).into_bytes();
    let long = text(&frame(0, &[&[0x0a, 99][..], &[b'x'; 99]].concat()));
    let next = [text(&frame(0, b"\x08\x2a")), text(&frame(0x80, b"grpc-status: 0\r\n"))].concat();
    assert!(long.ends_with(b"=="));
    for size in [1, 2, 3, 7, 1460] {
        for from in [60, 61, long.len()] {
            let mut w = World::new(size);
            w.heads(kind, kind).send(Side::Client, &text(&frame(0, b"\x08\x2a"))).end(Side::Client);
            w.send(Side::Server, &long[..20]);
            w.r.gap(&mut w.m, Side::Server, 0);
            w.send(Side::Server, &[&long[from..], &next].concat()).end(Side::Server);
            let said = w.summaries();
            let down = said.iter().filter(|(kind, _)| *kind == "message").count();
            assert_eq!(down, 3, "{size} {from}: {said:?}");
            assert!(said.iter().any(|(k, line)| *k == "call" && line.contains("→ OK")), "{said:?}");
            assert_eq!(w.r.codes(), ["grpc.gap"], "{size} {from}");
        }
    }
}

#[test]
fn trailers_that_are_cut_are_not_complete() {
    let mut w = World::new(9);
    w.heads("application/grpc-web", "application/grpc-web");
    w.send(Side::Server, &frame(0x80, TRAILERS)[..15]);
    w.r.end(&mut w.m, Side::Server, EndCause::CaptureEnded);
    let trailers = w.r.events.iter().find(|e| e.kind == "trailers").unwrap();
    assert!(!trailers.complete);
    // Half a line says nothing.
    assert_eq!(trailers.detail.as_ref().unwrap().tree.number("grpc.status_code"), None);
}

#[test]
fn trailers_may_be_compressed() {
    use std::io::Write as _;
    let mut z = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    z.write_all(b"grpc-status: 0\r\n").unwrap();
    let gz = z.finish().unwrap();
    let mut w = World::new(7);
    let path = (":path", "/a.B/C");
    w.head(Side::Client, &[(":method", "POST"), path, ("content-type", "application/grpc-web")]);
    let (status, ct) = ((":status", "200"), ("content-type", "application/grpc-web"));
    w.head(Side::Server, &[status, ct, ("grpc-encoding", "gzip")]);
    w.send(Side::Server, &frame(0x81, &gz)).end(Side::Server);
    assert_eq!(w.r.codes(), Vec::<&str>::new());
    assert!(w.summaries().last().unwrap().1.contains("→ OK"));
}

#[test]
fn content_types() {
    let of = |v: &str| Form::of(v.as_bytes());
    assert_eq!(of("application/grpc-web"), Some(Form::Binary));
    assert_eq!(of("application/grpc-web+proto"), Some(Form::Binary));
    assert_eq!(of("Application/gRPC-Web+json; charset=utf-8"), Some(Form::Binary));
    assert_eq!(of("application/grpc-web-text"), Some(Form::Text));
    assert_eq!(of("application/grpc-web-text+proto"), Some(Form::Text));
    assert_eq!(of("application/grpc"), None);
    assert_eq!(of("application/grpc-webs"), None);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn hostile_bytes_never_panic_and_chunking_never_shows(
        text in any::<bool>(),
        data in proptest::collection::vec(any::<u8>(), 0..200),
        frames in proptest::collection::vec((prop_oneof![Just(0_u8), Just(1), Just(0x80), Just(0x81), any::<u8>()],
            proptest::collection::vec(any::<u8>(), 0..20)), 0..6),
        cuts in proptest::collection::vec(0_usize..120, 0..5),
        size in 1_usize..40,
    ) {
        let kind = if text { "application/grpc-web-text" } else { "application/grpc-web" };
        let mut bytes = Vec::new();
        for (flag, body) in &frames {
            bytes.extend(frame(*flag, body));
        }
        bytes.extend_from_slice(&data);
        if text && !data.is_empty() {
            let mut cuts = cuts.clone();
            cuts.sort_unstable();
            let mut at = 0;
            let mut v = Vec::new();
            for cut in cuts.into_iter().chain([bytes.len()]) {
                let cut = cut.clamp(at, bytes.len());
                v.extend(STANDARD.encode(&bytes[at..cut]).into_bytes());
                at = cut;
            }
            v.truncate(v.len() - usize::from(data[0] % 5).min(v.len()));
            bytes = v;
        }
        let gist = |size: usize| {
            let mut w = World::new(size);
            w.heads(kind, kind);
            w.send(Side::Client, &bytes).send(Side::Server, &bytes);
            w.end(Side::Client).end(Side::Server);
            (w.gist(), w.r.codes())
        };
        prop_assert!(gist(size) == gist(1 << 20));
    }
}
