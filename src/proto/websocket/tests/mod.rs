//! Whole connections: bytes in, events out.

mod deflate;
mod faults;
mod hostile;
mod sessions;

use super::machine::start;
use super::wire;
use crate::base::{BufferId, Moment, PacketId, PacketRange, Side, Span};
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
    if side == Side::Server {
        h.push(b"Upgrade", b"websocket");
        h.push(b"Connection", b"keep-alive, Upgrade");
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
                // How long a session took depends on the number of packets.
                let (a, b) = (f.gist(), r.gist());
                for (a, b) in a.iter().zip(&b).filter(|(a, _)| !a.starts_with("Exchange")) {
                    assert_eq!(a, b, "in chunks of {size}");
                }
                assert_eq!(a.len(), b.len(), "in chunks of {size}");
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

#[test]
fn three_fragments_with_a_ping_between() {
    let r = run(
        "",
        &[
            Bytes(C, up(0x01, b"Hello ")),
            Bytes(C, up(0x89, b"still there?")),
            Bytes(S, down(0x8a, b"still there?")),
            Bytes(C, up(0x00, b"World")),
            Bytes(C, up(0x80, b"!")),
        ],
    );
    assert_eq!(r.kinds(Level::Frame), ["text", "ping", "pong", "continuation", "continuation"]);
    assert_eq!(r.kinds(Level::Message), ["ping", "pong", "text"]);
    assert_eq!(lines(&r, Level::Message), ["still there?", "still there?", "Hello World!"]);
    let text = r.events.last().unwrap();
    assert_eq!((text.length, text.complete), (12, true));
    let d = text.detail.as_ref().unwrap();
    assert_eq!(d.tree.number("websocket.frames"), Some(3));
    assert_eq!(d.tree.number("websocket.message_length"), Some(12));
    // The wire's buffer holds the message's own frames and not the ping.
    let wire = [up(0x01, b"Hello "), up(0x00, b"World"), up(0x80, b"!")].concat();
    assert_eq!(bytes_of(d), [("TCP stream", wire), ("unmasked", b"Hello World!".to_vec())]);
    // "W" was the first byte of the fourth packet's payload, behind a head of six.
    let at = d.origins.locate(Span::bytes(BufferId(1), 6, 1));
    assert!(at.exact);
    assert_eq!(at.ranges, [PacketRange { packet: PacketId(6), start: 54 + 6, len: 1 }]);
    assert_eq!(d.origins.packets(), [PacketId(3), PacketId(6), PacketId(7)]);
    assert_eq!((text.start.packet, text.end.packet), (PacketId(3), PacketId(7)));
}

#[test]
fn fields_have_wiresharks_names_and_the_rfcs_places() {
    let r = run("", &[Bytes(C, frame(0xc1, Some([1, 2, 3, 4]), &[b'x'; 300]))]);
    let d = r.events[0].detail.as_ref().unwrap();
    let field = |name: &str| {
        let n = d.tree.find(name).unwrap_or_else(|| panic!("no {name}"));
        (n.value.clone(), n.span.map(|s| (s.first_bit(), s.bit_len())))
    };
    use crate::field::Value::{Bool, U64};
    assert_eq!(field("websocket.fin"), (Bool(true), Some((0, 1))));
    assert_eq!(field("websocket.rsv1"), (Bool(true), Some((1, 1))));
    assert_eq!(field("websocket.rsv2"), (Bool(false), Some((2, 1))));
    assert_eq!(field("websocket.rsv3"), (Bool(false), Some((3, 1))));
    assert_eq!(field("websocket.rsv"), (U64(4), None));
    assert_eq!(field("websocket.rsv_bits").1, Some((1, 3)));
    assert_eq!(field("websocket.opcode"), (U64(1), Some((4, 4))));
    assert_eq!(field("websocket.mask"), (Bool(true), Some((8, 1))));
    assert_eq!(field("websocket.payload_length"), (U64(126), Some((9, 7))));
    assert_eq!(field("websocket.payload_length_ext_16"), (U64(300), Some((16, 16))));
    assert_eq!(field("websocket.masking_key").1, Some((32, 32)));
    assert_eq!(field("websocket.payload").1, Some((64, 2400)));
    assert_eq!(field("websocket.payload_length_actual"), (U64(300), None));
}

#[test]
fn a_close_has_its_code_and_its_reason() {
    let body = [&1001_u16.to_be_bytes()[..], b"bye"].concat();
    let r = run("", &[Bytes(C, up(0x88, &body)), Bytes(S, down(0x88, &body))]);
    assert_eq!(lines(&r, Level::Message), ["1001 going away \"bye\""; 2]);
    for (e, buffer) in r.events.iter().zip([1, 1, 0, 0]) {
        let d = e.detail.as_ref().unwrap();
        assert_eq!(d.tree.number("websocket.payload.close.status_code"), Some(1001));
        let reason = d.tree.find("websocket.payload.close.reason").unwrap();
        assert_eq!(reason.value, crate::field::Value::Text("bye".into()));
        assert_eq!(reason.span.unwrap().buffer, BufferId(buffer), "{}", e.kind);
    }
    assert_eq!(r.codes(), [""; 0]);
    let r = run("", &[Bytes(S, down(0x88, b""))]);
    assert_eq!(lines(&r, Level::Message), ["no status code"]);
}

#[test]
fn what_is_kept_is_capped_and_what_is_counted_is_not() {
    let data: Vec<u8> = (0..40_000_u32).map(|n| (n % 251) as u8).collect();
    for size in [1 << 20, 1460, 7] {
        let mut r = Recorder::new();
        r.payload_cap = 1000;
        let mut m = start();
        shake(&mut r, &mut *m, "");
        r.bytes(&mut *m, C, &up(0x02, &data[..30_000]), size);
        r.bytes(&mut *m, C, &up(0x80, &data[30_000..]), size);
        assert_eq!(r.events.iter().map(|e| e.length).collect::<Vec<_>>(), [30_000, 10_000, 40_000]);
        for e in &r.events {
            let d = e.detail.as_ref().unwrap();
            let Payload::Bytes(p) = &d.payload else { panic!() };
            assert_eq!((p.len(), d.truncated), (1000, Some(e.length)));
        }
        tiled(&r);
        let d = r.events[2].detail.as_ref().unwrap();
        assert_eq!(payload(&r, Level::Message, 0), &data[..1000]);
        assert_eq!(d.origins.buffers()[1].len, 40_000);
        let unmasked = d.tree.find("websocket.payload").unwrap().span.unwrap();
        assert_eq!(d.origins.locate(unmasked).ranges.iter().map(|r| r.len).sum::<u32>(), 40_000);
    }
}

#[test]
fn nothing_is_built_where_nobody_looks() {
    let mut r = Recorder::new();
    r.wants = |_| false;
    let mut m = start();
    shake(&mut r, &mut *m, "");
    r.bytes(&mut *m, C, &up(0x81, b"ab\xff"), 2);
    r.bytes(&mut *m, S, &down(0x88, &1005_u16.to_be_bytes()), 2);
    assert!(r.events.iter().all(|e| e.detail.is_none()));
    assert_eq!(r.codes(), ["websocket.bad-utf8", "websocket.bad-close-code"]);
}

#[test]
fn a_copy_in_the_middle_of_a_frame_goes_on_alike() {
    let data = [up(0x01, b"one "), up(0x89, b"p"), up(0x80, b"two")].concat();
    for cut in 0..data.len() {
        let mut r = Recorder::new();
        let mut m = start();
        shake(&mut r, &mut *m, "");
        r.bytes(&mut *m, C, &data[..cut], 100);
        let mut copy = m.fork().unwrap();
        drop(m);
        r.bytes(&mut *copy, C, &data[cut..], 100);
        assert_eq!(lines(&r, Level::Message), ["p", "one two"], "cut at {cut}");
    }
}

#[test]
fn one_frame_by_itself() {
    let f = wire::frame(&[up(0x81, b"Hello"), vec![1, 2]].concat()).unwrap();
    assert_eq!((f.payload.as_slice(), f.len, f.missing), (&b"Hello"[..], 11, 0));
    assert_eq!(f.origins.buffers()[1].bytes, b"Hello");
    assert_eq!(f.tree.number("websocket.opcode"), Some(1));
    let f = wire::frame(&hex("82 7f ff ff ff ff ff ff ff ff 01")).unwrap();
    assert_eq!((f.payload.as_slice(), f.missing), (&[1][..], u64::MAX - 1));
    assert_eq!(wire::frame(&hex("82 7f ff")).unwrap_err(), 7);
    assert_eq!(wire::frame(&[]).unwrap_err(), 1);
}
