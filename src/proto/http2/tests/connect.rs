//! CONNECT, ordinary and extended: RFC 9113 §8.5, RFC 8441.

use super::*;

/// A header block of literals that are not indexed (RFC 7541 §6.2.2).
fn block(fields: &[(&str, &str)]) -> Vec<u8> {
    let mut v = Vec::new();
    for (name, value) in fields {
        v.push(0);
        for s in [name, value] {
            v.push(s.len() as u8);
            v.extend(s.as_bytes());
        }
    }
    v
}

const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

fn headers(stream: u32, flags: u8, fields: &[(&str, &str)]) -> Vec<u8> {
    frame(1, flags | END_HEADERS, stream, &block(fields))
}

fn data(stream: u32, flags: u8, bytes: &[u8]) -> Vec<u8> {
    frame(0, flags, stream, bytes)
}

fn settings(id: u16, value: u32) -> Vec<u8> {
    let mut v = id.to_be_bytes().to_vec();
    v.extend(value.to_be_bytes());
    frame(4, 0, 0, &v)
}

const ASK: [(&str, &str); 6] = [
    (":method", "CONNECT"),
    (":protocol", "websocket"),
    (":scheme", "https"),
    (":path", "/chat"),
    (":authority", "server.example.com"),
    ("sec-websocket-version", "13"),
];

/// Who sent it, and what; in turn, as on the wire. The ends of the capture behind it.
fn talk(turns: &[(Side, Vec<u8>)], size: usize) -> Recorder {
    let mut r = Recorder::new();
    let mut m = Http2::default();
    for (side, bytes) in turns {
        r.bytes(&mut m, *side, bytes, size);
    }
    for side in Side::BOTH {
        r.end(&mut m, side, EndCause::CaptureEnded);
    }
    r
}

/// The same at every chunk size.
fn talks(turns: &[(Side, Vec<u8>)]) -> Recorder {
    let whole = talk(turns, usize::MAX);
    for size in SIZES {
        let r = talk(turns, size);
        assert_eq!(whole.gist(), r.gist(), "chunks of {size}");
        assert_eq!(whole.children, r.children, "chunks of {size}");
    }
    whole
}

/// Preface and settings of both; the server allows extended CONNECT.
fn greet(allow: bool) -> Vec<(Side, Vec<u8>)> {
    let theirs = if allow { settings(8, 1) } else { frame(4, 0, 0, &[]) };
    vec![(Side::Client, hello()), (Side::Server, theirs)]
}

const TUNNEL: u64 = 1 << 32;

#[test]
fn an_extended_connect_opens_what_it_names() {
    use Side::{Client, Server};
    let mut turns = greet(true);
    turns.push((Client, headers(1, 0, &ASK)));
    turns.push((Server, headers(1, 0, &[(":status", "200")])));
    turns.push((Client, data(1, 0, b"up")));
    turns.push((Server, data(1, 0, b"down")));
    turns.push((Client, data(1, END_STREAM, b"!")));
    turns.push((Server, frame(3, 0, 1, &8_u32.to_be_bytes())));
    let r = talks(&turns);
    assert_eq!(r.codes(), ["http2.stream-cancelled"]);
    let answer = pairs(&[(":status", "200")]);
    let (how, stream, told) = &r.children[&1];
    assert_eq!((how.as_str(), *stream), ("exchange", Some(1)));
    assert_eq!(
        *told,
        [
            Told::Head(Client, pairs(&ASK), false),
            Told::Head(Server, answer.clone(), false),
            Told::End(Client, EndCause::Finished),
            Told::End(Server, EndCause::Finished),
            Told::Closed,
        ]
    );
    let (how, stream, told) = &r.children[&(1 | TUNNEL)];
    assert_eq!((how.as_str(), *stream), ("websocket", Some(1)));
    assert_eq!(
        *told,
        [
            Told::Head(Client, pairs(&ASK), false),
            Told::Head(Server, answer, false),
            Told::Bytes(Client, b"up!".to_vec()),
            Told::Bytes(Server, b"down".to_vec()),
            Told::End(Client, EndCause::Finished),
            Told::Reset(Server, 8),
            Told::Closed,
        ]
    );
}

#[test]
fn what_was_sent_before_an_abort_is_shown_behind_it() {
    use Side::{Client, Server};
    let mut turns = greet(true);
    turns.push((Client, headers(1, 0, &ASK)));
    turns.push((Client, data(1, 0, b"up")));
    turns.push((Client, frame(3, 0, 1, &8_u32.to_be_bytes())));
    // On its way, or put off by a hole before it.
    turns.push((Server, headers(1, 0, &[(":status", "200")])));
    turns.push((Server, data(1, 0, b"down")));
    let r = talks(&turns);
    assert_eq!(r.codes(), ["http2.stream-cancelled"]);
    let (_, _, told) = &r.children[&(1 | TUNNEL)];
    let down = Told::Bytes(Server, b"down".to_vec());
    let abort = Told::Reset(Client, 8);
    let at = |t: &Told| told.iter().position(|x| x == t);
    assert!(at(&abort).is_some() && at(&abort) < at(&down), "{told:?}");
    assert_eq!(told.last(), Some(&Told::Closed));
}

#[test]
fn an_ordinary_connect_carries_bytes() {
    use Side::{Client, Server};
    let ask = [(":method", "CONNECT"), (":authority", "example.com:443")];
    let mut turns = greet(false);
    turns.push((Client, headers(1, 0, &ask)));
    // The client does not wait.
    turns.push((Client, data(1, 0, b"early ")));
    turns.push((Server, headers(1, 0, &[(":status", "200")])));
    turns.push((Client, data(1, END_STREAM, b"late")));
    turns.push((Server, data(1, END_STREAM, b"answer")));
    let r = talks(&turns);
    assert_eq!(r.codes(), [""; 0]);
    assert_eq!(r.children[&1].2.last(), Some(&Told::Closed));
    let (how, stream, told) = &r.children[&(1 | TUNNEL)];
    assert_eq!((how.as_str(), *stream), ("bytes", Some(1)));
    assert_eq!(
        *told,
        [
            Told::Bytes(Client, b"early late".to_vec()),
            Told::End(Client, EndCause::Finished),
            Told::Bytes(Server, b"answer".to_vec()),
            Told::End(Server, EndCause::Finished),
            Told::Closed,
        ]
    );
}

#[test]
fn a_refusal_leaves_the_stream_to_http() {
    use Side::{Client, Server};
    let mut turns = greet(true);
    turns.push((Client, headers(1, 0, &ASK)));
    turns.push((Server, headers(1, 0, &[(":status", "103")])));
    turns.push((Server, headers(1, 0, &[(":status", "403")])));
    turns.push((Server, data(1, END_STREAM, b"no")));
    turns.push((Client, data(1, END_STREAM, b"")));
    let r = talks(&turns);
    assert_eq!(r.codes(), ["http2.connect-refused"]);
    // The other protocol hears the heads alone.
    let tunnel = &r.children[&(1 | TUNNEL)].2;
    assert!(tunnel.iter().all(|t| !matches!(t, Told::Bytes(..))));
    assert_eq!(tunnel.last(), Some(&Told::Closed));
    let told = &r.children[&1].2;
    assert!(told.contains(&Told::Bytes(Server, b"no".to_vec())));
    assert_eq!(told.last(), Some(&Told::Closed));
}

#[test]
fn each_fault_of_connect_is_found() {
    use Side::{Client, Server};
    let only = |turns: &[(Side, Vec<u8>)]| talks(turns).codes();
    let ok = || (Server, headers(1, 0, &[(":status", "200")]));

    let mut t = greet(false);
    t.push((Client, headers(1, 0, &ASK)));
    assert_eq!(only(&t), ["http2.connect-not-enabled"]);

    // Before the server has said anything: whether that was captured is known at the end, and
    // what allows it may be in the wrong order for a moment.
    let before = |late: Option<(i64, Vec<u8>)>| {
        let (mut r, mut m) = (Recorder::new(), Http2::default());
        r.bytes(&mut m, Client, &hello(), usize::MAX);
        r.bytes(&mut m, Client, &headers(1, 0, &ASK), usize::MAX);
        if let Some((us, settings)) = late {
            r.now.time.0 += us * 1000;
            r.bytes(&mut m, Server, &settings, usize::MAX);
        }
        for side in Side::BOTH {
            r.end(&mut m, side, EndCause::CaptureEnded);
        }
        r.codes()
    };
    assert_eq!(before(None), [""; 0]);
    assert_eq!(before(Some((100, settings(8, 1)))), [""; 0]);
    assert_eq!(before(Some((100, settings(8, 0)))), ["http2.connect-not-enabled"]);
    assert_eq!(before(Some((2000, settings(8, 1)))), ["http2.connect-not-enabled"]);
    let mut t = greet(false);
    t.push((Client, headers(1, 0, &ASK)));

    // Allowed too late.
    t.push((Server, settings(8, 1)));
    assert_eq!(only(&t), ["http2.connect-not-enabled"]);
    t.push((Server, settings(8, 0)));
    assert_eq!(only(&t), ["http2.connect-not-enabled", "http2.connect-withdrawn"]);

    let mut t = greet(true);
    let get =
        [(":method", "GET"), (":protocol", "websocket"), (":scheme", "https"), (":path", "/")];
    t.push((Client, headers(1, 0, &get)));
    assert_eq!(only(&t), ["http2.protocol-without-connect"]);

    let mut t = greet(true);
    t.push((Client, headers(1, 0, &ASK[..2])));
    assert_eq!(only(&t), ["http2.bad-connect"; 3]);

    let mut t = greet(true);
    t.push((Client, headers(1, 0, &[(":method", "CONNECT"), (":path", "/")])));
    assert_eq!(only(&t), ["http2.bad-connect"; 2]);

    let mut t = greet(true);
    t.push((Client, headers(1, 0, &ASK)));
    t.push(ok());
    t.push((Server, headers(1, END_STREAM, &[("x-trailer", "1")])));
    assert_eq!(only(&t), ["http2.headers-in-tunnel"]);
}
