//! Windows, acknowledgements, floods, and header sections that break the rules.

use super::*;
use crate::field::Value;
use crate::proto::Machine;

/// `:method: POST`, `:path: /`, `:scheme: http`.
const REQUEST: &[u8] = &[0x83, 0x84, 0x86];
/// One millisecond is a thousand packets of the recorder.
pub(super) const MS: usize = 1000;

/// A connection whose frames come in an order of their own.
pub(super) struct World {
    pub(super) r: Recorder,
    pub(super) m: Http2,
}

impl World {
    /// Both ends have said hello; the client's settings are `settings`, and those are
    /// acknowledged unless they are the usual ones.
    pub(super) fn new(settings: &[u8]) -> Self {
        let mut w = Self { r: Recorder::new(), m: Http2::default() };
        w.send(Side::Client, &[PREFACE.to_vec(), frame(4, 0, 0, settings)].concat());
        w.send(Side::Server, &frame(4, 0, 0, &[]));
        if !settings.is_empty() {
            w.send(Side::Server, &frame(4, 1, 0, &[]));
        }
        w
    }

    pub(super) fn send(&mut self, side: Side, bytes: &[u8]) -> &mut Self {
        self.r.bytes(&mut self.m, side, bytes, usize::MAX);
        self
    }

    /// So much time goes by.
    pub(super) fn wait(&mut self, ticks: usize) -> &mut Self {
        for _ in 0..ticks {
            self.r.input(&mut Nobody, Input::Reset { side: Side::Client, code: 0 });
        }
        self
    }

    pub(super) fn end(&mut self) -> Vec<&'static str> {
        for side in Side::BOTH {
            self.r.end(&mut self.m, side, EndCause::CaptureEnded);
        }
        self.r.codes()
    }

    /// A field of the last frame.
    fn field(&self, name: &str) -> Option<Value> {
        let d = self.r.events.last()?.detail.as_ref()?;
        d.tree.find(name).map(|n| n.value.clone())
    }
}

/// Takes time.
struct Nobody;

impl Machine for Nobody {
    fn feed(&mut self, _: Input<'_>, _: &mut dyn crate::proto::Out) -> crate::proto::Progress {
        crate::proto::Progress::took(0)
    }

    fn fork(&self) -> Option<Box<dyn Machine>> {
        None
    }

    fn memory(&self) -> usize {
        0
    }
}

pub(super) fn open(stream: u32) -> Vec<u8> {
    frame(1, 4, stream, REQUEST)
}

pub(super) fn window(stream: u32, by: u32) -> Vec<u8> {
    frame(8, 0, stream, &by.to_be_bytes())
}

#[test]
fn windows_are_counted_down_and_up() {
    let mut w = World::new(&[0, 4, 0, 0, 0, 100]);
    w.send(Side::Client, &open(1));
    w.send(Side::Server, &frame(1, 4, 1, &[0x88]));
    w.send(Side::Server, &frame(0, 8, 1, &[&[3][..], &[0; 56], &[0; 3]].concat()));
    assert_eq!(w.field("http2.window.stream"), Some(Value::I64(40)));
    assert_eq!(w.field("http2.window.connection"), Some(Value::I64(65_475)));
    w.send(Side::Client, &window(1, 10));
    assert_eq!(w.field("http2.window.stream"), Some(Value::I64(50)));
    w.send(Side::Client, &window(0, 25));
    assert_eq!(w.field("http2.window.stream"), None);
    assert_eq!(w.field("http2.window.connection"), Some(Value::I64(65_500)));
    // A larger window holds at once, a smaller one when it is acknowledged.
    w.send(Side::Client, &frame(4, 0, 0, &[0, 4, 0, 0, 0, 110]));
    w.send(Side::Client, &frame(4, 0, 0, &[0, 4, 0, 0, 0, 20]));
    w.send(Side::Server, &frame(0, 0, 1, &[0; 10]));
    assert_eq!(w.field("http2.window.stream"), Some(Value::I64(50)));
    for _ in 0..2 {
        w.send(Side::Server, &frame(4, 1, 0, &[]));
    }
    w.send(Side::Server, &frame(0, 0, 1, &[0; 10]));
    assert_eq!(w.field("http2.window.stream"), Some(Value::I64(-50)));
    // That went too far, and the client's data has a window of its own.
    w.send(Side::Client, &frame(0, 1, 1, &[0; 1000]));
    assert_eq!(w.field("http2.window.stream"), Some(Value::I64(64_535)));
    assert_eq!(w.end(), ["http2.window-exceeded"]);
}

#[test]
fn data_that_waited_for_a_window_is_told_with_its_time() {
    for (ticks, code) in [(2 * MS, "wait"), (150 * MS, "stall")] {
        for which in [0, 1] {
            let settings = if which == 1 { &[0, 4, 0, 0, 0, 100][..] } else { &[] };
            let mut w = World::new(settings);
            w.send(Side::Client, &open(1));
            w.send(Side::Server, &frame(1, 4, 1, &[0x88]));
            let first = if which == 1 { 100 } else { 65_535 };
            for len in [first / 5; 5] {
                w.send(Side::Server, &frame(0, 0, 1, &vec![0; len]));
            }
            if which == 0 {
                w.send(Side::Client, &window(1, 50));
            }
            w.wait(ticks).send(Side::Client, &window(which, 50));
            w.send(Side::Server, &frame(0, 0, 1, &[0; 50]));
            assert_eq!(w.r.codes(), [format!("http2.flow-control-{code}")]);
            let f = &w.r.events.last().unwrap().findings[0];
            let whose = if which == 1 { "stream 1" } else { "the connection" };
            let detail = f.detail.as_deref().unwrap();
            assert!(detail.contains(whose) && detail.contains("0 of 50 bytes"), "{detail}");
            assert_eq!(f.proof.len(), 3);
        }
    }
    // What had room did not wait; nor did what came long after the update.
    let mut w = World::new(&[0, 4, 0, 0, 0, 100]);
    w.send(Side::Client, &open(1)).send(Side::Server, &frame(1, 4, 1, &[0x88]));
    w.send(Side::Server, &frame(0, 0, 1, &[0; 50])).wait(2 * MS);
    w.send(Side::Client, &window(1, 50)).send(Side::Server, &frame(0, 0, 1, &[0; 50]));
    w.send(Side::Server, &frame(0, 0, 1, &[0; 50])).wait(2 * MS);
    w.send(Side::Client, &window(1, 50)).wait(30 * MS);
    w.send(Side::Server, &frame(0, 0, 1, &[0; 50]));
    assert!(w.end().is_empty());
}

#[test]
fn windows_that_are_broken() {
    let mut w = World::new(&[]);
    w.send(Side::Client, &open(1)).send(Side::Server, &window(1, 0x7fff_ffff));
    w.send(Side::Server, &window(1, 0));
    assert_eq!(w.end(), ["http2.window-update-zero", "http2.window-overflow"]);
    let mut w = World::new(&[0, 4, 0, 0, 0, 10]);
    w.send(Side::Client, &open(1)).send(Side::Server, &frame(1, 4, 1, &[0x88]));
    w.send(Side::Server, &frame(0, 1, 1, &[0; 11]));
    assert!(w.r.codes().is_empty());
    assert_eq!(w.end(), ["http2.window-exceeded"]);
    // Nobody knows where an update may be missing.
    let mut w = World::new(&[0, 4, 0, 0, 0, 10]);
    w.send(Side::Client, &open(1)).send(Side::Server, &frame(1, 4, 1, &[0x88]));
    w.send(Side::Server, &frame(0, 1, 1, &[0; 11]));
    w.r.gap(&mut w.m, Side::Client, 13);
    assert_eq!(w.end(), ["http2.gap"]);
}

#[test]
fn acknowledgements_name_what_they_answer() {
    let mut w = World::new(&[]);
    w.wait(3).send(Side::Server, &frame(4, 1, 0, &[]));
    assert_eq!(w.field("http2.ack.to_packet"), Some(Value::U64(1)));
    assert_eq!(w.field("http2.ack.time_ns"), Some(Value::U64(5000)));
    w.send(Side::Client, &frame(4, 1, 0, &[]));
    w.send(Side::Client, &frame(6, 0, 0, b"12345678"));
    w.send(Side::Client, &frame(6, 0, 0, b"abcdefgh"));
    w.send(Side::Server, &frame(6, 1, 0, b"abcdefgh"));
    assert_eq!(w.field("http2.ack.time_ns"), Some(Value::U64(1000)));
    w.send(Side::Server, &frame(6, 1, 0, b"12345678"));
    assert_eq!(w.field("http2.ack.time_ns"), Some(Value::U64(3000)));
    w.send(Side::Server, &frame(6, 1, 0, b"????????"));
    assert_eq!(w.field("http2.ack.time_ns"), None);
    assert!(w.end().is_empty());
}

#[test]
fn acknowledgements_that_do_not_come() {
    let mut w = World::new(&[]);
    w.send(Side::Server, &frame(4, 1, 0, &[]));
    w.send(Side::Client, &frame(6, 0, 0, b"12345678"));
    w.wait(5000 * MS + 10).send(Side::Client, &frame(6, 0, 0, b"12345678"));
    let codes = w.end();
    assert_eq!(codes, ["http2.settings-unacknowledged", "http2.ping-unacknowledged"]);
}

#[test]
fn floods_are_told_once() {
    let times = |n: u32, f: &dyn Fn(u32) -> Vec<u8>| (0..n).map(f).collect::<Vec<_>>().concat();
    let reset = |i: u32| [open(2 * i + 1), frame(3, 0, 2 * i + 1, &[0, 0, 0, 8])].concat();
    let empty = [open(1), times(250, &|_| frame(0, 0, 1, &[]))].concat();
    let block = [frame(1, 0, 1, REQUEST), times(40, &|_| frame(9, 0, 1, &[0x83]))].concat();
    for (bytes, code) in [
        (times(150, &reset), "rapid-reset"),
        (times(500, &|i| frame(6, 0, 0, &u64::from(i).to_be_bytes())), "ping-flood"),
        (times(120, &|_| frame(4, 0, 0, &[])), "settings-flood"),
        (empty, "empty-frames-flood"),
        (block, "continuation-flood"),
    ] {
        let mut w = World::new(&[]);
        w.send(Side::Client, &bytes);
        let code = format!("http2.{code}");
        let n = w.end().iter().filter(|c| **c == code).count();
        assert_eq!(n, 1, "{code}");
    }
    // A few a second are none.
    let mut w = World::new(&[]);
    for i in 0..150 {
        w.send(Side::Client, &reset(i)).wait(20 * MS);
    }
    assert!(!w.end().contains(&"http2.rapid-reset"));
}

#[test]
fn priorities_are_read() {
    let mut w = World::new(&[]);
    let both =
        |w: &World| (w.field("http2.priority.urgency"), w.field("http2.priority.incremental"));
    w.send(Side::Client, &frame(1, 4, 1, &[REQUEST, &field("priority", "u=1, i")].concat()));
    assert_eq!(both(&w), (Some(Value::U64(1)), Some(Value::Bool(true))));
    w.send(Side::Client, &frame(16, 0, 0, b"\0\0\0\x01i=?0"));
    assert_eq!(both(&w), (Some(Value::U64(3)), Some(Value::Bool(false))));
    assert!(w.r.codes().is_empty());
    w.send(Side::Server, &frame(16, 0, 0, b"\0\0\0\x01u=5"));
    w.send(Side::Client, &frame(16, 0, 0, b"\0\0\0\0u=5"));
    w.send(Side::Client, &frame(16, 0, 0, b"\0\0\0\x01urgent!"));
    assert_eq!(both(&w), (None, None));
    w.send(Side::Client, &frame(1, 4, 3, &[REQUEST, &field("priority", "1")].concat()));
    let (update, bad) = ("http2.priority-update", "http2.priority-field");
    assert_eq!(w.end(), [update, update, bad, bad]);
}

/// A literal field without indexing.
fn field(name: &str, value: &str) -> Vec<u8> {
    let mut v = vec![0, name.len() as u8];
    v.extend(name.as_bytes());
    v.push(value.len() as u8);
    v.extend(value.as_bytes());
    v
}

#[test]
fn sections_that_break_the_rules() {
    let request = |more: &[(&str, &str)]| {
        let mut v = REQUEST.to_vec();
        more.iter().for_each(|(n, value)| v.extend(field(n, value)));
        v
    };
    for (block, code) in [
        (request(&[("X-Upper", "1")]), "header-name"),
        (request(&[("x y", "1")]), "header-name"),
        (request(&[("x", "a\r\nb")]), "header-value"),
        (request(&[("x", " a")]), "header-value"),
        (request(&[("connection", "close")]), "connection-header"),
        (request(&[("transfer-encoding", "chunked")]), "connection-header"),
        (request(&[("te", "gzip")]), "connection-header"),
        (request(&[("x", "1"), (":authority", "a")]), "pseudo-header-order"),
        (request(&[(":path", "/b")]), "pseudo-header-twice"),
        (request(&[(":status", "200")]), "pseudo-header-unknown"),
        (request(&[(":version", "2")]), "pseudo-header-unknown"),
        (vec![0x83, 0x84], "pseudo-header-missing"),
        ([&[0x83, 0x86][..], &field(":path", "")].concat(), "pseudo-header-missing"),
    ] {
        let mut w = World::new(&[]);
        w.send(Side::Client, &frame(1, 5, 1, &block));
        assert_eq!(w.end(), [format!("http2.{code}")], "{block:?}");
    }
    let mut w = World::new(&[]);
    w.send(Side::Client, &frame(1, 4, 1, &request(&[("te", "trailers"), ("x", "")])));
    w.send(Side::Client, &frame(1, 5, 1, &field("x-checksum", "1")));
    w.send(Side::Server, &frame(1, 4, 1, b"\x48\x03103"));
    w.send(Side::Server, &frame(1, 4, 1, &[0x88]));
    assert!(w.end().is_empty());
    // gRPC's binary metadata, where the peer takes it.
    for (settings, codes) in [(&[0xfe, 3, 0, 0, 0, 1][..], &[][..]), (&[], &["http2.header-value"])]
    {
        let mut w = World::new(&[]);
        w.send(Side::Server, &frame(4, 0, 0, settings));
        w.send(Side::Client, &frame(1, 5, 1, &request(&[("x-bin", "\0\r\n ")])));
        assert_eq!(w.end(), codes);
    }
    // Responses and trailers have rules of their own.
    for (first, block, code) in [
        (None, field("server", "x"), "pseudo-header-missing"),
        (None, [&[0x88][..], &[0x84]].concat(), "pseudo-header-unknown"),
        (Some([0x88]), [&[0x88][..], &field("grpc-status", "0")].concat(), "pseudo-header-unknown"),
    ] {
        let mut w = World::new(&[]);
        w.send(Side::Client, &open(1));
        if let Some(first) = first {
            w.send(Side::Server, &frame(1, 4, 1, &first));
        }
        w.send(Side::Server, &frame(1, 5, 1, &block));
        assert_eq!(w.end(), [format!("http2.{code}")]);
    }
}

#[test]
fn sections_that_are_too_large() {
    // One entry of 4,000 bytes, and 40 references to it.
    let mut block = REQUEST.to_vec();
    block.extend(b"\x40\x01x\x7f\xa1\x1e");
    block.extend(vec![b'v'; 4000]);
    let mut w = World::new(&[]);
    w.send(Side::Client, &frame(1, 5, 1, &block));
    assert!(w.r.codes().is_empty());
    w.send(Side::Client, &frame(1, 5, 3, &[REQUEST, &[0xbe; 40]].concat()));
    assert_eq!(w.end(), ["http2.header-bomb"]);
    let mut w = World::new(&[]);
    w.send(Side::Server, &frame(4, 0, 0, &[0, 6, 0, 0, 0x0f, 0xff]));
    w.send(Side::Client, &frame(1, 5, 1, &block));
    assert_eq!(w.end(), ["http2.header-list-size"]);
}

#[test]
fn goaway_says_why() {
    let mut w = World::new(&[]);
    w.send(Side::Server, &frame(7, 0, 0, b"\0\0\0\x07\0\0\0\x0btoo_many_pings"));
    let f = &w.r.events.last().unwrap().findings[0];
    assert_eq!(f.spec.code, "http2.goaway-error");
    let detail = "ENHANCE_YOUR_CALM by the server, last stream 7, \"too_many_pings\"";
    assert_eq!(f.detail.as_deref(), Some(detail));
    w.send(Side::Server, &frame(7, 0, 0, b"\0\0\0\x07\0\0\0\0"));
    assert_eq!(w.end(), ["http2.goaway-error", "http2.goaway"]);
    // A client that is done says so, and nobody need be told.
    let mut w = World::new(&[]);
    w.send(Side::Client, &frame(7, 0, 0, &[0; 8]));
    w.send(Side::Server, &frame(7, 0, 0, &[0; 8]));
    assert!(w.r.codes().is_empty());
    w.send(Side::Client, &open(1)).send(Side::Client, &frame(7, 0, 0, &[0; 8]));
    assert_eq!(w.end(), ["http2.goaway"]);
}
