//! Any number of engines that share the conversations of a capture bring what one alone
//! brings, event for event, finding for finding, in the same order and with the same numbers.

mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::process::Command;

use framescope::base::{CaptureTime, ConversationId, PacketId, Side};
use framescope::capture::{Batch, Packet};
use framescope::engine::{
    Brought, ConversationInfo, Engine, EventSink, FindingEvent, Looks, Merge, Options, Shard,
};
use framescope::event::Event;
use framescope::facts::Facts;
use framescope::index::check::Check;
use framescope::view::check;
use support::{Owned, Segment};

/// All that a sink is told, as text.
#[derive(Default)]
struct Heard(Vec<String>);

fn told(info: Option<&ConversationInfo>) -> String {
    format!("{info:?}")
}

impl EventSink for Heard {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        self.0.push(format!("{event:?} of {}", told(conversation)));
    }

    fn finding(&mut self, found: FindingEvent, conversation: Option<&ConversationInfo>) {
        self.0.push(format!("{found:?} of {}", told(conversation)));
    }

    fn ended(&mut self, conversation: &ConversationInfo) {
        self.0.push(format!("ended: {}", told(Some(conversation))));
    }
}

/// Which conversation has which packet: told apart, since one packet of many fragments
/// brings events of earlier ones.
#[derive(Default)]
struct Owners(Vec<(PacketId, Option<ConversationId>)>);

impl EventSink for Owners {
    fn event(&mut self, _: &mut Event, _: Option<&ConversationInfo>) {}
    fn finding(&mut self, _: FindingEvent, _: Option<&ConversationInfo>) {}
    fn packet(&mut self, packet: &Packet<'_>, of: Option<ConversationId>, _: &[PacketId]) {
        self.0.push((packet.meta.id, of));
    }
}

/// Batches of about so many packets.
fn batches(packets: &[Owned], size: usize) -> Vec<Batch> {
    let of = |part: &[Owned]| {
        let mut bytes = Vec::new();
        let mut places = Vec::new();
        for p in part {
            places.push((p.meta, u32::try_from(bytes.len()).unwrap()));
            bytes.extend_from_slice(&p.data);
        }
        Batch::new(bytes, places)
    };
    packets.chunks(size).map(of).collect()
}

fn alone(batches: &[Batch], options: &Options, sink: &mut dyn EventSink) {
    let mut engine = Engine::new(options.clone());
    for b in batches {
        engine.batch(b, sink);
    }
    engine.finish(sink);
}

/// False where a shard cannot go on.
fn shared(
    batches: &[Batch],
    options: &Options,
    count: usize,
    counts: bool,
    sink: &mut dyn EventSink,
) -> bool {
    let options = Options { counts, ..options.clone() };
    let mut shards: Vec<Shard> =
        (0..count).map(|n| Shard::new(options.clone(), n, count)).collect();
    let mut merge = Merge::new(count);
    let mut brought: Vec<Brought> = Vec::new();
    brought.resize_with(count, Brought::default);
    for b in batches {
        // Parts of a size that is none of the batches'.
        for part in (0..b.len().max(1)).step_by(300).map(|n| n..n + 300) {
            let looks = Looks::at(b, part);
            for (s, to) in shards.iter_mut().zip(&mut brought) {
                to.clear();
                s.batch(&looks, to);
            }
            merge.batch(&looks, &mut brought, sink);
        }
    }
    for (s, to) in shards.iter_mut().zip(&mut brought) {
        to.clear();
        s.finish(to);
    }
    merge.finish(&mut brought, sink);
    !shards.iter().any(Shard::is_overfull)
}

/// The packets of all fixtures, one of each in turn: hundreds of conversations at once. Each
/// fixture has addresses of its own, since loopback is the same for all.
fn woven() -> Vec<Owned> {
    let mut all: Vec<std::vec::IntoIter<Owned>> = Vec::new();
    for (n, (_, path)) in support::fixtures().into_iter().enumerate() {
        let mut packets = support::packets(&path);
        packets.iter_mut().for_each(|p| readdress(p, u8::try_from(n).unwrap()));
        all.push(packets.into_iter());
    }
    let mut out = Vec::new();
    while !all.is_empty() {
        for packets in &mut all {
            out.extend(packets.next());
        }
        all.retain(|p| !p.as_slice().is_empty());
    }
    // Later fixtures last longer: the clock goes on while they do.
    for (p, n) in out.iter_mut().zip(1_u32..) {
        p.meta.id = PacketId(n.into());
        p.meta.time = CaptureTime(i64::from(n) * 3_000_000);
    }
    out
}

/// Puts `n` into the second byte of IPv4 addresses of an Ethernet frame.
fn readdress(p: &mut Owned, n: u8) {
    let is_ip = p.meta.link.0 == 1 && p.data.get(12..14) == Some(&[8, 0]);
    for at in [27, 31] {
        if let Some(byte) = p.data.get_mut(at).filter(|_| is_ip) {
            *byte = byte.wrapping_add(n);
        }
    }
}

/// What of these has something to say across conversations, and whose it is, but for what
/// changes with every packet.
#[derive(Default)]
struct Noted(Vec<String>);

fn noted(info: Option<&ConversationInfo>) -> String {
    let of = |i: &ConversationInfo| {
        format!(
            "{} {:?} {:?} {:?} last {:?} of {} {:?} {}",
            i.id, i.transport, i.index, i.ends, i.last, i.packets, i.protocols, i.closed
        )
    };
    info.map(of).unwrap_or_default()
}

impl EventSink for Noted {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        // Calls of which nothing is found are for those alone who look across conversations:
        // what comes of them is findings.
        let of_calls = |f: &Facts| matches!(f, Facts::Call(c) if c.unread.is_none());
        let facts = event.draft.facts.as_ref().is_some_and(|f| !of_calls(f));
        if facts || !event.draft.findings.is_empty() {
            self.0.push(format!("{event:?} of {}", noted(conversation)));
        }
    }

    fn finding(&mut self, found: FindingEvent, conversation: Option<&ConversationInfo>) {
        self.0.push(format!("{found:?} of {}", noted(conversation)));
    }

    fn ended(&mut self, conversation: &ConversationInfo) {
        self.0.push(format!("ended: {}", noted(Some(conversation))));
    }
}

fn assert_same(name: &str, one: &[String], many: &[String]) {
    for (i, (a, b)) in one.iter().zip(many).enumerate() {
        assert_eq!(a, b, "{name}: number {i}");
    }
    assert_eq!(one.len(), many.len(), "{name}");
}

/// So many shards bring what one engine brings.
fn assert_shared(batches: &[Batch], counts: &[usize]) {
    let options = support::closed();
    let mut one = Heard::default();
    alone(batches, &options, &mut one);
    for count in counts {
        let mut many = Heard::default();
        assert!(shared(batches, &options, *count, false, &mut many));
        assert_same(&format!("by {count}"), &one.0, &many.0);
    }
}

#[test]
fn every_fixture_gives_the_same_for_any_number() {
    for (name, path) in support::fixtures() {
        let packets = support::packets(&path);
        let batches = batches(&packets, 7);
        let options = support::closed();
        let mut one = Heard::default();
        alone(&batches, &options, &mut one);
        for count in [1, 2, 3, 16] {
            let mut many = Heard::default();
            assert!(shared(&batches, &options, count, false, &mut many));
            assert_same(&format!("{name} by {count}"), &one.0, &many.0);
        }
    }
}

#[test]
fn all_fixtures_at_once_give_the_same() {
    let packets = woven();
    let batches = batches(&packets, 1000);
    let options = support::closed();
    let (mut one, mut owners) = (Heard::default(), Owners::default());
    alone(&batches, &options, &mut one);
    alone(&batches, &options, &mut owners);
    let conversations = owners.0.iter().filter_map(|(_, c)| *c).max().unwrap().0;
    assert!(conversations > 300, "{conversations} conversations");
    for count in [2, 3, 5, 8, 16] {
        let (mut many, mut theirs) = (Heard::default(), Owners::default());
        assert!(shared(&batches, &options, count, false, &mut many));
        assert_same(&format!("by {count}"), &one.0, &many.0);
        assert!(shared(&batches, &options, count, false, &mut theirs));
        assert_eq!(theirs.0, owners.0, "by {count}");
    }
}

#[test]
fn what_is_only_counted_comes_to_the_same() {
    let report = |run: &dyn Fn(&mut Check)| {
        let mut all = Check::default();
        run(&mut all);
        all.finish();
        let mut text = String::new();
        check::text(&mut text, &all, false);
        text
    };
    let packets = woven();
    let batches = batches(&packets, 1000);
    let options = support::closed();
    let one = report(&|sink| alone(&batches, &options, sink));
    assert!(one.lines().count() > 50, "{one}");
    for count in [2, 3, 16] {
        let many = report(&|sink| assert!(shared(&batches, &options, count, true, sink)));
        assert_eq!(one, many, "by {count}");
    }
}

#[test]
fn what_is_noted_beside_the_counts_is_the_same() {
    let packets = woven();
    let batches = batches(&packets, 1000);
    let options = support::closed();
    let mut one = Noted::default();
    alone(&batches, &options, &mut one);
    for count in [2, 5] {
        let mut many = Noted::default();
        assert!(shared(&batches, &options, count, true, &mut many));
        assert_same(&format!("by {count}"), &one.0, &many.0);
    }
}

/// Where only one end was captured, a connection is told of when it has lingered: with a
/// packet of any other.
#[test]
fn who_leaves_leaves_with_the_same_packet() {
    let mut packets = woven();
    packets.retain(is_from_client);
    assert_shared(&batches(&packets, 100), &[2, 3, 16]);
}

/// The higher port is the client's (of IPv4 in Ethernet, which most fixtures are).
fn is_from_client(p: &Owned) -> bool {
    let port = |at: usize| p.data.get(at..at + 2);
    port(34) > port(36)
}

/// Who has not all of the conversations cannot say which of them is the oldest.
#[test]
fn what_must_let_go_says_that_it_cannot() {
    let packets = woven();
    let batches = batches(&packets, 1000);
    let options = Options { state_bytes: 256 << 10, ..support::closed() };
    assert!(!shared(&batches, &options, 2, true, &mut Check::default()));
}

fn binary(args: &[&str]) -> String {
    let out =
        Command::new(env!("CARGO_BIN_EXE_framescope")).arg("check").args(args).output().unwrap();
    assert!(out.stderr.is_empty(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

/// Also where they are read again: for the schemas that a server told (`grpc-reflection…`),
/// and by one alone where too much is held.
#[test]
fn the_command_says_the_same_by_any_number_of_threads() {
    let fixtures: Vec<PathBuf> = support::fixtures().into_iter().map(|(_, p)| p).collect();
    let all: Vec<&str> = fixtures.iter().map(|p| p.to_str().unwrap()).collect();
    let reflecting: Vec<&str> = all.iter().copied().filter(|p| p.contains("reflection")).collect();
    assert!(!reflecting.is_empty());
    for (files, more) in [(&all, "256M"), (&reflecting, "256M"), (&all, "2M")] {
        let by = |threads: &str| {
            let mut args = vec!["--threads", threads, "--mem", more];
            args.extend(files.iter().copied());
            binary(&args)
        };
        let one = by("1");
        for threads in ["2", "3", "16"] {
            assert_eq!(one, by(threads), "{threads} threads, {more}");
        }
    }
}

/// What a client, of this port, or its server sends.
fn segment(client: u16, side: Side, seq: u32, flags: u8, data: &[u8]) -> Segment {
    let mut ends = [Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2)].map(IpAddr::from);
    let mut ports = [client, 80];
    if side == Side::Server {
        ends.reverse();
        ports.reverse();
    }
    let [from, to] = ends;
    let [from_port, to_port] = ports;
    Segment {
        from: (from, from_port),
        to: (to, to_port),
        seq,
        ack: 0,
        flags,
        window: u16::MAX,
        scale: None,
        data: data.to_vec(),
        time: CaptureTime(0),
    }
}

/// As packets, 3 µs apart.
fn packed(segments: &[Segment]) -> Vec<Owned> {
    let mut packets = support::pack(segments);
    for (p, n) in packets.iter_mut().zip(1..) {
        p.meta.time = CaptureTime(n * 3_000);
    }
    packets
}

/// More of them end in a second than are kept: who must leave early leaves with the packet
/// that makes it leave, whoever has the next one.
#[test]
fn many_that_end_at_once_leave_in_order() {
    let request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n";
    // One that stays open, so that what ends later is told behind it.
    let mut sent =
        vec![segment(999, Side::Client, 0, 2, b""), segment(999, Side::Client, 1, 0x18, request)];
    for port in 1000..4000 {
        for (seq, flags, data) in [(0, 2, &b""[..]), (1, 0x18, request), (28, 0x11, b"")] {
            sent.push(segment(port, Side::Client, seq, flags, data));
        }
    }
    assert_shared(&batches(&packed(&sent), 1000), &[2, 3, 16]);
}

/// A capture whose every byte is a fault: what is found is not kept without bound.
#[test]
fn what_brings_too_much_is_for_one() {
    let hello = "GET /c HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                 Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let answer = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
                  Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let mut sent = vec![
        segment(999, Side::Client, 0, 2, b""),
        segment(999, Side::Server, 0, 0x12, b""),
        segment(999, Side::Client, 1, 0x18, hello.as_bytes()),
        segment(999, Side::Server, 1, 0x18, answer.as_bytes()),
    ];
    // Pings that nobody masked.
    let pings = [0x89, 0x00].repeat(30_000);
    let begin = 1 + u32::try_from(hello.len()).unwrap();
    for n in 0..4 {
        sent.push(segment(999, Side::Client, begin + n * 60_000, 0x18, &pings));
    }
    let batches = batches(&packed(&sent), 1000);
    assert!(!shared(&batches, &support::closed(), 2, true, &mut Check::default()));
}
