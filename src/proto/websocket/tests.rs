//! Whole connections: bytes in, events out.

use super::machine::start;
use crate::base::{Moment, Side};
use crate::event::{Level, Payload};
use crate::proto::harness::Recorder;
use crate::proto::{EndCause, Head, Headers, Input, Machine};

const KEY: &str = "dGhlIHNhbXBsZSBub25jZQ==";
const ACCEPT: &str = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=";

/// What happens in a test, in order.
#[derive(Clone)]
enum Act {
    Bytes(Side, Vec<u8>),
    Gap(Side, u64),
    End(Side, EndCause),
    Reset(Side),
}
use Act::{Bytes, End, Gap, Reset};

fn head(r: &mut Recorder, m: &mut dyn Machine, side: Side, fields: &[(&str, &str)]) {
    let mut h = Headers::new();
    for (n, v) in fields {
        h.push(n.as_bytes(), v.as_bytes());
    }
    let at = Moment::default();
    let head = Head {
        side,
        headers: &h,
        version: 11,
        end: false,
        start: at,
        ready: at,
        wire_len: 0,
        detail: None,
    };
    r.input(m, Input::Head(head));
}

fn shake(r: &mut Recorder, m: &mut dyn Machine, extensions: &str) {
    let mut q = vec![
        (":method", "GET"),
        (":path", "/chat"),
        ("Host", "example.com"),
        ("Sec-WebSocket-Key", KEY),
        ("Sec-WebSocket-Version", "13"),
    ];
    let mut a = vec![(":status", "101"), ("Sec-WebSocket-Accept", ACCEPT)];
    if !extensions.is_empty() {
        q.push(("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"));
        a.push(("Sec-WebSocket-Extensions", extensions));
    }
    head(r, m, Side::Client, &q);
    head(r, m, Side::Server, &a);
}

fn act(r: &mut Recorder, m: &mut dyn Machine, acts: &[Act], size: usize) {
    for a in acts {
        match a {
            Bytes(side, data) => r.bytes(m, *side, data, size),
            Gap(side, len) => r.gap(m, *side, *len),
            End(side, cause) => r.end(m, *side, *cause),
            Reset(side) => r.input(m, Input::Reset { side: *side, code: 0 }),
        }
    }
}

/// Runs `acts` after a handshake, in chunks of every size, and asserts that the
/// events are the same and that every frame is tiled.
fn run(extensions: &str, acts: &[Act]) -> Recorder {
    let mut first: Option<Recorder> = None;
    for size in [1 << 20, 1, 2, 3, 7, 1460] {
        let mut r = Recorder::new();
        let mut m = start();
        shake(&mut r, &mut *m, extensions);
        act(&mut r, &mut *m, acts, size);
        match &first {
            None => {
                tiled(&r);
                first = Some(r);
            }
            Some(f) => {
                assert_eq!(f.gist(), r.gist(), "in chunks of {size}");
                assert_eq!(f.codes(), r.codes(), "in chunks of {size}");
                let lines = |r: &Recorder| -> Vec<_> {
                    r.events.iter().map(|e| e.detail.as_ref().map(|d| bytes_of(d))).collect()
                };
                assert_eq!(lines(f), lines(&r), "in chunks of {size}");
            }
        }
    }
    first.unwrap()
}

fn bytes_of(d: &crate::event::Detail) -> Vec<(&'static str, Vec<u8>)> {
    d.origins.buffers().iter().map(|b| (b.label, b.bytes.clone())).collect()
}

/// The leaves of each frame tile each of its buffers, bit by bit.
fn tiled(r: &Recorder) {
    for e in r.events.iter().filter(|e| e.level == Level::Frame) {
        let d = e.detail.as_ref().unwrap();
        for (n, b) in d.origins.buffers().iter().enumerate() {
            let mut spans: Vec<(u64, u64)> = d
                .tree
                .leaves()
                .filter_map(|l| l.span)
                .filter(|s| usize::from(s.buffer.0) == n)
                .map(|s| (s.first_bit(), s.bit_len()))
                .collect();
            spans.sort_unstable();
            let mut at = 0;
            for (first, len) in spans {
                assert_eq!(first, at, "{} of {:?}", b.label, d.summary);
                at = first + len;
            }
            assert_eq!(at, u64::from(b.len) * 8, "{} of {:?}", b.label, d.summary);
        }
    }
}

fn payload(r: &Recorder, level: Level, n: usize) -> &[u8] {
    let e = r.events.iter().filter(|e| e.level == level).nth(n).unwrap();
    match &e.detail.as_ref().unwrap().payload {
        Payload::Bytes(b) => b,
        other => panic!("{other:?}"),
    }
}

fn lines(r: &Recorder, level: Level) -> Vec<&str> {
    r.events
        .iter()
        .filter(|e| e.level == level)
        .map(|e| e.detail.as_ref().unwrap().summary.as_str())
        .collect()
}

fn hex(s: &str) -> Vec<u8> {
    let digits: Vec<u8> = s.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|d| u8::from_str_radix(std::str::from_utf8(d).unwrap(), 16).unwrap())
        .collect()
}

/// A frame of the server's.
fn down(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, None, payload)
}

/// A frame of the client's.
fn up(first: u8, payload: &[u8]) -> Vec<u8> {
    frame(first, Some([0x37, 0xfa, 0x21, 0x3d]), payload)
}

fn frame(first: u8, key: Option<[u8; 4]>, payload: &[u8]) -> Vec<u8> {
    let mask = if key.is_some() { 0x80 } else { 0 };
    let mut f = vec![first];
    match payload.len() {
        n @ 0..126 => f.push(mask | n as u8),
        n @ 126..65536 => {
            f.push(mask | 126);
            f.extend((n as u16).to_be_bytes());
        }
        n => {
            f.push(mask | 127);
            f.extend((n as u64).to_be_bytes());
        }
    }
    let key_bytes = key.unwrap_or_default();
    if key.is_some() {
        f.extend(key_bytes);
    }
    f.extend(payload.iter().enumerate().map(|(i, b)| b ^ key_bytes[i % 4]));
    f
}

use Side::{Client as C, Server as S};

#[test]
fn rfc_6455_examples() {
    let r = run(
        "",
        &[
            Bytes(S, hex("81 05 48 65 6c 6c 6f")),
            Bytes(C, hex("81 85 37 fa 21 3d 7f 9f 4d 51 58")),
            Bytes(S, hex("01 03 48 65 6c 80 02 6c 6f")),
            Bytes(S, hex("89 05 48 65 6c 6c 6f")),
            Bytes(C, hex("8a 85 37 fa 21 3d 7f 9f 4d 51 58")),
            Bytes(S, [hex("82 7E 01 00"), vec![7; 256]].concat()),
            Bytes(S, [hex("82 7F 00 00 00 00 00 01 00 00"), vec![9; 65536]].concat()),
        ],
    );
    assert_eq!(
        lines(&r, Level::Frame),
        [
            "text FIN 5 bytes",
            "text FIN 5 bytes masked 37fa213d",
            "text 3 bytes",
            "continuation FIN 2 bytes",
            "ping FIN 5 bytes",
            "pong FIN 5 bytes masked 37fa213d",
            "binary FIN 256 bytes",
            "binary FIN 65536 bytes",
        ]
    );
    assert_eq!(
        r.kinds(Level::Message),
        ["text", "text", "text", "ping", "pong", "binary", "binary"]
    );
    assert_eq!(lines(&r, Level::Message)[..5], ["Hello"; 5]);
    assert_eq!(payload(&r, Level::Frame, 1), b"Hello");
    assert_eq!(r.codes(), [""; 0]);
}
