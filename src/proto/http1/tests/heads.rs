//! What a head's bytes become, and who knows them.

use std::ops::Range;

use crate::base::Side::{self, Client, Server};
use crate::base::{BufferId, CaptureTime, Moment, PacketId, PacketRange, Piece};
use crate::event::{Detail, Draft, Level};
use crate::field::{In, NoSink, TreeSink, Value};
use crate::finding::Finding;
use crate::proto::harness::Recorder;
use crate::proto::http1::{Http1, message, probe, wire};
use crate::proto::{Child, Chunk, Input, Machine, Out, PayloadHint, Probe, Progress, Verdict};

use super::GET;

/// The leaves of a head cover each of its bytes exactly once.
#[track_caller]
fn assert_tiled(nodes: &crate::field::Tree, len: usize) {
    let mut at = 0;
    for n in nodes.leaves() {
        let s = n.span.expect("a leaf on the wire");
        assert_eq!((s.buffer, s.start), (BufferId(0), at), "{}", n.spec.name);
        assert!(s.len > 0);
        at = s.end();
    }
    assert_eq!(at as usize, len);
}

#[test]
fn a_head_is_tiled_and_named() {
    let heads: &[(Side, &[u8])] = &[
        (Client, b"GET /a?b HTTP/1.1\r\nhost: x\r\nX-Mine:  v \r\nnonsense\r\nUser-Agent: a\r\n b\r\n\r\n"),
        (Server, b"HTTP/1.1 404 Not Found\r\nServer: s\nX-Mine:\r\n\n"),
        (Server, b"HTTP/1.1 200\r\n\r\n"),
        (Server, b"HTTP/1.1 200 \r\n\r\n"),
    ];
    for (side, bytes) in heads {
        let (sink, mut h) = (TreeSink::new(), crate::proto::Headers::new());
        let mut odd = message::Odd::default();
        let s = message::read(bytes, Some(*side), &sink, &mut h, &mut odd);
        assert!(s.whole);
        assert_eq!(s.len, bytes.len());
        let mut tree = sink.into_tree();
        message::name_nodes(&mut tree, &h);
        assert_tiled(&tree, bytes.len());
        // The same without a listener.
        let mut quiet = crate::proto::Headers::new();
        message::read(bytes, Some(*side), &NoSink, &mut quiet, &mut odd);
        assert_eq!(format!("{h:?}"), format!("{quiet:?}"));
        for (_, value, f) in h.iter() {
            if let Some(s) = f.span {
                let raw = &bytes[s.start as usize..s.end() as usize];
                let joined = raw.iter().filter(|b| !b"\r\n".contains(b));
                assert!(joined.eq(value.iter()), "{value:?} lies at {raw:?}");
            }
        }
        if *side == Client {
            let value = |n: &str| tree.find(n).map(|n| n.value.clone());
            let text = |s: &str| Some(Value::Text(s.into()));
            assert_eq!(value("http.request.method"), text("GET"));
            assert_eq!(value("http.request.uri"), text("/a?b"));
            assert_eq!(value("http.request.version"), text("HTTP/1.1"));
            assert_eq!(value("http.host"), text("x"));
            assert_eq!(value("http.user_agent"), text("a b"));
            let mine = tree.find("http.header").unwrap();
            assert_eq!(mine.name.as_deref(), Some("X-Mine"));
            assert_eq!(mine.value, Value::Text("v".into()));
        }
    }
    // Chunk lines too.
    for bytes in [&b"1f;a=b\r\n"[..], b"0\n", b"\r\n", b"zz \r\n"] {
        let sink = TreeSink::new();
        wire::chunk_line(In::new(bytes, BufferId(0), 0, &sink)).unwrap();
        assert_tiled(&sink.into_tree(), bytes.len());
    }
}

/// A world that keeps the details of the heads that children are told.
struct Spy {
    r: Recorder,
    map: crate::base::StreamMap,
    details: Vec<Detail>,
}

impl Out for Spy {
    fn wants(&self, level: Level) -> bool {
        level == Level::Message
    }
    fn payload_cap(&self) -> usize {
        0
    }
    fn now(&self) -> Moment {
        Moment::default()
    }
    fn moment(&self, _: Side, offset: u64) -> Moment {
        self.map.moment(offset).unwrap()
    }
    fn ready(&self, _: Side, offset: u64) -> Moment {
        self.map.ready(offset).unwrap()
    }
    fn pieces(&self, _: Side, range: Range<u64>, each: &mut dyn FnMut(Piece)) {
        self.map.pieces(range.start, range.end, |p, _| each(p));
    }
    fn emit(&mut self, draft: Draft) {
        self.r.emit(draft);
    }
    fn finding(&mut self, finding: Finding) {
        self.r.finding(finding);
    }
    fn inflated(&mut self, _: u64) {}
    fn open(&mut self, child: Child<'_>) -> bool {
        self.r.open(child)
    }
    fn pass(&mut self, key: u64, side: Side, offset: u64, data: &[u8]) {
        self.r.pass(key, side, offset, data);
    }
    fn pass_made(&mut self, _: u64, _: Side, _: Range<u64>, _: &[u8], _: bool) {}
    fn tell(&mut self, key: u64, input: Input<'_>) {
        if let Input::Head(h) = input {
            self.details.extend(h.detail.cloned());
            assert_eq!((h.start.packet, h.ready.packet), (PacketId(3), PacketId(4)));
        }
        self.r.tell(key, input);
    }
    fn close(&mut self, key: u64) {
        self.r.close(key);
    }
    fn decode(
        &mut self,
        _: &PayloadHint<'_>,
        _: &[u8],
        _: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        None
    }
    fn method_pattern(&self, _: &str) -> Option<&'static str> {
        None
    }
}

#[test]
fn a_head_comes_with_its_bytes_where_messages_are_looked_at() {
    let mut map = crate::base::StreamMap::default();
    let at = |p| Moment { packet: PacketId(p), time: CaptureTime(0) };
    map.push(100, 20, at(3), 54);
    map.push(120, GET.len() as u32, at(4), 60);
    let mut spy = Spy { r: Recorder::new(), map, details: Vec::new() };
    let mut m = Http1::new();
    // Behind two empty lines, which are nobody's.
    let data = [b"\r\n\r\n", GET].concat();
    let chunk = Chunk { side: Client, offset: 100, data: &data, last: false };
    let p = m.feed(Input::Bytes(chunk), &mut spy);
    assert_eq!(p, Progress::took(data.len()));
    let d = &spy.details[0];
    assert_eq!(d.summary, "GET /a HTTP/1.1");
    let b = &d.origins.buffers()[0];
    assert_eq!((b.label, &b.bytes[..], b.len as usize), ("TCP stream", GET, GET.len()));
    assert_tiled(&d.tree, GET.len());
    let version = d.origins.locate(d.tree.find("http.request.version").unwrap().span.unwrap());
    let range = |packet, start, len| PacketRange { packet: PacketId(packet), start, len };
    assert_eq!(version.ranges, [range(3, 65, 8)]);
    let whole = d.origins.locate(crate::base::Span::bytes(BufferId(0), 0, b.len));
    assert_eq!(whole.ranges, [range(3, 58, 16), range(4, 60, GET.len() as u32 - 16)]);
    assert!(m.fork().is_some());
    assert!(m.memory() >= size_of::<Http1>());
}

#[test]
fn probing_knows_either_side() {
    let ask = |a: &[u8], b: &[u8], last| {
        probe::probe(&Probe {
            data: [a, b],
            last,
            beginning: true,
            secrets: crate::proto::Secrets::none(),
            patient: false,
        })
    };
    let yes = |client| Verdict::Yes { client: Some(client) };
    assert_eq!(ask(b"", b"", false), Verdict::More);
    for n in 1..GET.len() {
        let whole = GET[..n].contains(&b'\n');
        assert_eq!(ask(&GET[..n], b"", false), if whole { yes(Client) } else { Verdict::More });
    }
    let ok = b"HTTP/1.1 200 OK\r\n";
    for n in 1..ok.len() {
        assert_eq!(
            ask(b"", &ok[..n], false),
            if n >= 12 { yes(Client) } else { Verdict::More },
            "{n}"
        );
    }
    assert_eq!(ask(ok, b"", false), yes(Server));
    assert_eq!(ask(b"", GET, false), yes(Server));
    assert_eq!(ask(b"FROB /x HTTP/1.0\r\n", b"", false), yes(Client));
    assert_eq!(ask(b"\r\nGET / HTTP/1.1\r\n", b"", false), yes(Client));
    assert_eq!(ask(b"garbage\x00", ok, false), yes(Client));
    assert_eq!(ask(b"GET /ind", b"", true), yes(Client));
    for no in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"[..],
        b"PRI ",
        b"\x16\x03\x01\x02\x00",
        b"SSH-2.0-OpenSSH\r\n",
        b"220 mail ESMTP\r\n",
        b"GET / HTTP/2.0\r\n",
        b"HTTP/2 200\r\n",
        b"HTTP/1.1 20x",
        b"GET \x00",
        b"\x00\x00\x00",
    ] {
        assert_eq!(ask(no, b"", false), Verdict::No, "{}", no.escape_ascii());
        assert_eq!(ask(no, b"", true), Verdict::No, "{}", no.escape_ascii());
    }
    let long = [b"GET /".to_vec(), vec![b'x'; 2000]].concat();
    assert_eq!(ask(&long, b"", false), yes(Client));
}
