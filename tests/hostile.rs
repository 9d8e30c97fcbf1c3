//! Captures that somebody made to hurt, or that chance did: nothing is lost
//! without a word, and memory and time stay within their bounds.

mod support;

use std::net::{IpAddr, Ipv4Addr};
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use framescope::base::{CaptureTime, ConversationId, PacketId};
use framescope::capture::write::{PcapVariant, PcapWriter};
use framescope::capture::{ByteOrder, LinkType, OpenOptions, Packet, open};
use framescope::engine::{ConversationInfo, Engine, EventSink, FindingEvent, Options};
use framescope::event::Event;
use framescope::index::{Index, Progress, Reader, Reloader, RowId};
use framescope::link::TcpFlags;
use support::{NUMBERED, Owned, Run, Segment, as_json, options, pack, run};

/// A capture of these packets in a file of that name.
fn written(name: &str, packets: &[Owned]) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let file = std::fs::File::create(&path).unwrap();
    let (order, variant) = (ByteOrder::Little, PcapVariant::Nanos);
    let mut writer = PcapWriter::new(file, LinkType(101), order, variant).unwrap();
    for p in packets {
        writer.packet(p.meta.time, p.meta.original_len, &p.data).unwrap();
    }
    path
}

const SYN: u8 = TcpFlags::SYN;
const ACK: u8 = TcpFlags::ACK;
const FIN: u8 = TcpFlags::FIN;

/// Segments of connections numbered from 0, a microsecond apart.
#[derive(Default)]
struct Wire {
    segments: Vec<Segment>,
}

impl Wire {
    fn put(&mut self, connection: u32, client: bool, seq: u32, ack: u32, flags: u8, data: &[u8]) {
        let address = Ipv4Addr::from(0x0a00_0001 + connection / 50_000);
        let port = 1024 + u16::try_from(connection % 50_000).unwrap();
        let ends = [(IpAddr::V4(address), port), (IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), 8080)];
        let [from, to] = if client { ends } else { [ends[1], ends[0]] };
        let time = CaptureTime(1_000_000_000 + 1000 * i64::try_from(self.segments.len()).unwrap());
        let (window, scale) = (65_535, None);
        self.segments.push(Segment {
            time,
            from,
            to,
            seq,
            ack,
            flags,
            window,
            scale,
            data: data.to_vec(),
        });
    }

    /// A handshake: the client's stream begins at 100, the server's at 500.
    fn open(&mut self, connection: u32) {
        self.put(connection, true, 99, 0, SYN, b"");
        self.put(connection, false, 499, 100, SYN | ACK, b"");
        self.put(connection, true, 100, 500, ACK, b"");
    }

    fn packets(&self) -> Vec<Owned> {
        pack(&self.segments)
    }
}

/// A client that closes its direction before anybody knows what is spoken: what
/// the server then says is shown.
#[test]
fn what_follows_a_half_close_is_not_lost() {
    let mut w = Wire::default();
    w.open(0);
    w.put(0, true, 100, 500, ACK | FIN, b"P");
    w.put(0, false, 500, 102, ACK, &[0xff; 5000]);
    w.put(0, false, 5500, 102, ACK | FIN, b"");
    w.put(0, true, 102, 5501, ACK, b"");
    let r = run(&w.packets(), options(&NUMBERED));
    let opaque = r.events.iter().filter(|(e, _)| e.draft.kind == "opaque");
    let lengths: Vec<u64> = opaque.map(|(e, _)| e.draft.length).collect();
    assert_eq!(lengths, [1, 5000]);
    // The same for what is recognised by the server's words alone.
    let mut w = Wire::default();
    w.open(0);
    w.put(0, true, 100, 500, ACK | FIN, b"G");
    w.put(0, false, 500, 102, ACK, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi");
    w.put(0, false, 542, 102, ACK | FIN, b"");
    let r = run(&w.packets(), options(&NUMBERED));
    let shown: Vec<String> = r
        .events
        .iter()
        .map(|(e, info)| {
            let v = as_json(e, info);
            format!("{} {} {}", v["level"], v["protocol"], v["kind"])
        })
        .collect();
    assert!(shown.iter().any(|s| s == r#""message" "http" "response""#), "{shown:?}");
    assert!(shown.iter().any(|s| s == r#""exchange" "http" "exchange""#), "{shown:?}");
}

/// `--mem` bounds what all conversations hold together, not only what each one
/// holds: thousands that are in the middle of a head are within it, or go.
#[test]
fn many_small_states_are_within_the_budget() {
    const CONVERSATIONS: u32 = 2000;
    const BUDGET: usize = 2 << 20;
    let mut w = Wire::default();
    for c in 0..CONVERSATIONS {
        w.open(c);
    }
    let rest = [b'a'; 1400];
    let mut first = rest;
    first[..28].copy_from_slice(b"GET / HTTP/1.1\r\nHost: x\r\nX: ");
    for i in 0..4 {
        for c in 0..CONVERSATIONS {
            w.put(c, true, 100 + 1400 * i, 500, ACK, if i == 0 { &first } else { &rest });
        }
    }
    let packets = w.packets();
    let mut engine = Engine::new(Options { state_bytes: BUDGET, ..options(&[]) });
    let mut found = Run::default();
    let mut most = 0;
    for (i, p) in packets.iter().enumerate() {
        engine.packet(&Packet { meta: p.meta, data: &p.data }, &mut found);
        if i % 500 == 0 {
            // Bytes that nobody has taken: all of them are in heads.
            let held: u64 = engine.conversations().map(|c| c.ledger.stream[0]).sum();
            most = most.max(held);
        }
    }
    assert!(most <= BUDGET as u64, "{most} bytes of heads are held");
    // What goes is told, and what fits stays.
    assert!(found.findings.iter().any(|f| f.finding.spec.code == "limit.memory"));
    assert!(engine.conversations().count() > 100);
    // One that is within the budget loses nothing.
    let r = run(&packets[..1000], Options { state_bytes: 64 << 20, ..options(&[]) });
    assert!(r.findings.iter().all(|f| f.finding.spec.code != "limit.memory"));
}

/// Counts the events that were kept until their packet was done with, which
/// [`EventSink::packet`] says: what is handed out earlier comes before that.
#[derive(Default)]
struct Kept {
    packet: PacketId,
    kept: usize,
    most: usize,
    all: Vec<String>,
}

impl EventSink for Kept {
    fn event(&mut self, event: &mut Event, info: Option<&ConversationInfo>) {
        let d = &event.draft;
        self.kept += usize::from(d.end.packet == self.packet);
        self.most = self.most.max(self.kept);
        // What is known of the conversation is up to date in the middle of a packet, too.
        let known = info.is_some_and(|i| i.protocols.contains(&d.protocol) && i.roles_known);
        assert!(known || !matches!(d.protocol, "websocket"), "{info:?}");
        let looked_at = self.all.len().is_multiple_of(EVERY);
        self.all.push(if looked_at { shown(event) } else { String::new() });
    }

    fn finding(&mut self, _: FindingEvent, _: Option<&ConversationInfo>) {}

    fn packet(&mut self, p: &Packet<'_>, _: Option<ConversationId>, _: &[PacketId]) {
        (self.packet, self.kept) = (p.meta.id, 0);
    }
}

/// Of so many events one is opened again.
const EVERY: usize = 997;

fn shown(e: &Event) -> String {
    let d = &e.draft;
    format!("{} {} {} {:?}", e.id, d.kind, d.start.packet, d.detail)
}

/// A packet that fills a hole may bring megabytes of frames of two bytes: they
/// are handed out as they come, and can be opened all the same.
#[test]
fn a_filled_hole_is_not_all_in_memory() {
    const SEGMENTS: u32 = 60;
    const FRAMES: u32 = 700;
    let mut w = Wire::default();
    w.open(0);
    let request = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let response = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let (up, down) = (request.len() as u32, response.len() as u32);
    w.put(0, true, 100, 500, ACK, request);
    w.put(0, false, 500, 100 + up, ACK, response);
    let pings = [0x89, 0].repeat(FRAMES as usize);
    let first = 500 + down;
    for i in 1..SEGMENTS {
        w.put(0, false, first + i * FRAMES * 2, 100 + up, ACK, &pings);
    }
    w.put(0, false, first, 100 + up, ACK, &pings);
    let packets = w.packets();
    let mut engine = Engine::new(options(&NUMBERED));
    let mut straight = Kept::default();
    for p in &packets {
        engine.packet(&Packet { meta: p.meta, data: &p.data }, &mut straight);
    }
    engine.finish(&mut straight);
    assert!(straight.all.len() > (SEGMENTS * FRAMES * 2) as usize);
    assert!(straight.most < 5000, "{} events were kept for one packet", straight.most);
    // The same order when they are had again.
    let path = written("hole.pcap", &packets);
    let index = Arc::new(RwLock::new(Index::new()));
    let source = open(&path, OpenOptions { reload: true }).unwrap();
    let store = source.store().unwrap();
    let mut reader = Reader::new(source, options(&[]), Arc::clone(&index));
    while reader.step().unwrap() != Progress::Ended {}
    assert_eq!(index.read().unwrap().len(), straight.all.len());
    let rows: Vec<RowId> = (0..straight.all.len() as u32).step_by(EVERY).map(RowId).collect();
    let opened = Reloader::new(index, store, options(&[])).open_all(&rows);
    assert_eq!(opened.len(), rows.len());
    for o in opened {
        assert_eq!(shown(&o.event), straight.all[o.row.0 as usize]);
    }
}

/// What a protocol sets up is not among the bytes that came: an inflater costs a
/// thousand times the message that began it, and counts all the same.
#[test]
fn what_is_set_up_for_a_conversation_counts() {
    const CONVERSATIONS: u32 = 300;
    const BUDGET: usize = 2 << 20;
    let request = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\
        Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let response = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n";
    let (up, down) = (request.len() as u32, response.len() as u32);
    let mut w = Wire::default();
    for c in 0..CONVERSATIONS {
        w.open(c);
        w.put(c, true, 100, 500, ACK, request);
        w.put(c, false, 500, 100 + up, ACK, response);
        // The first bytes of RFC 7692's compressed `Hello`.
        w.put(c, false, 500 + down, 100 + up, ACK, &[0xc1, 7, 0xf2, 0x48, 0xcd]);
    }
    let mut engine = Engine::new(Options { state_bytes: BUDGET, ..options(&[]) });
    let mut found = Run::default();
    for p in &w.packets() {
        engine.packet(&Packet { meta: p.meta, data: &p.data }, &mut found);
    }
    // The state of the codec alone is 48 KiB.
    let live = engine.conversations().count();
    assert!(live <= BUDGET / (48 << 10), "{live} inflaters in {BUDGET} bytes");
    assert!(live > 10, "only {live} are left");
}

/// Events that came when a conversation left before the capture's end (its ends
/// were used again, its state was let go) are had again as they were.
#[test]
fn what_ended_early_opens_as_it_was() {
    let request = b"GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    let response = b"HTTP/1.1 101 x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let (up, down) = (request.len() as u32, response.len() as u32);
    let mut w = Wire::default();
    w.open(0);
    w.put(0, true, 100, 500, ACK, request);
    w.put(0, false, 500, 100 + up, ACK, response);
    w.put(0, false, 500 + down, 100 + up, ACK, &[0x82, 9, 1, 2, 3]);
    // A minute later the same ends begin anew.
    w.open(0);
    for s in w.segments.iter_mut().skip(6) {
        s.time.0 += 120_000_000_000;
        s.seq += 1_000_000;
        s.ack += if s.ack > 0 { 1_000_000 } else { 0 };
    }
    w.put(0, true, 1_000_100, 1_000_500, ACK, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    w.segments.last_mut().unwrap().time.0 += 120_000_000_000;
    // And another conversation, which pushes the first ones out of a small budget.
    let mut pushed = Wire { segments: w.segments[..6].to_vec() };
    for c in 1..40 {
        pushed.open(c);
        pushed.put(
            c,
            true,
            100,
            500,
            ACK,
            &[b"GET / HTTP/1.1\r\nX: ".as_slice(), &[b'a'; 1400]].concat(),
        );
    }
    for (name, packets, budget) in
        [("reused", w.packets(), 1 << 20), ("evicted", pushed.packets(), 62 << 10)]
    {
        let all = Options { state_bytes: budget, ..options(&NUMBERED) };
        let path = written(&format!("{name}.pcap"), &packets);
        let index = Arc::new(RwLock::new(Index::new()));
        let source = open(&path, OpenOptions { reload: true }).unwrap();
        let store = source.store().unwrap();
        let mut reader = Reader::new(source, all.clone(), Arc::clone(&index));
        while reader.step().unwrap() != Progress::Ended {}
        // What is kept to open events again is memory too, and decides when a conversation
        // goes; so do details, a little: a budget with which the same packet decides.
        let ends: Vec<u32> = {
            let index = index.read().unwrap();
            (0..index.len()).map(|i| index.row(RowId(i as u32)).unwrap().last_packet).collect()
        };
        let straight = (0..160)
            .map(|n| {
                let state_bytes = budget - (10 << 10) + n * 128;
                run(&packets, Options { checkpoints: true, state_bytes, ..all.clone() })
            })
            .find(|r| r.events.iter().map(|(e, _)| e.draft.end.packet.0 as u32).eq(ends.clone()))
            .unwrap_or_else(|| panic!("{name}: no run ends conversations with the same packets"));
        let mut reloader = Reloader::new(index, store, all);
        for (i, (e, _)) in straight.events.iter().enumerate() {
            let again = reloader.open(RowId(i as u32)).unwrap_or_else(|| panic!("{name}: {i}"));
            assert_eq!(shown(&again.event), shown(e), "{name}: {i}");
            assert_eq!(again.event.draft.findings, e.draft.findings, "{name}: {i}");
        }
    }
}

/// What the peer still sent when a connection was aborted is not read, but that
/// is said.
#[test]
fn what_crosses_a_reset_is_not_dropped_without_a_word() {
    let mut w = Wire::default();
    w.open(0);
    w.put(0, true, 100, 500, ACK, b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    w.put(0, true, 127, 500, ACK | TcpFlags::RST, b"");
    w.put(0, false, 500, 127, ACK, b"HTTP/1.1 200 OK\r\n\r\nhello");
    w.put(0, false, 524, 127, ACK, b"hello");
    let r = run(&w.packets(), options(&NUMBERED));
    let codes: Vec<_> = r.findings.iter().map(|f| f.finding.spec.code).collect();
    assert_eq!(codes.iter().filter(|c| **c == "tcp.data-after-reset").count(), 1, "{codes:?}");
}

/// A connection whose ends begin another one without a FIN that was captured is
/// cut off: nobody is told that it ended without a close (1006).
#[test]
fn ends_that_begin_again_are_not_a_close() {
    let path = support::root().join("fixtures/ws-time/capture.pcap");
    let mut all = support::segments(&support::packets(&path)).unwrap();
    let (syn, fin) = (framescope::link::TcpFlags::SYN, framescope::link::TcpFlags::FIN);
    let end = all.iter().position(|s| s.flags & fin != 0).unwrap();
    // Before the close frames, too: they come with the last data.
    all.truncate(end / 2);
    let mut again = all[0].clone();
    assert!(again.flags == syn);
    again.seq = again.seq.wrapping_add(1 << 30);
    // A SYN within a connection counts once it is answered.
    let mut answer = all[1].clone();
    assert!(answer.flags & syn != 0);
    answer.seq = answer.seq.wrapping_add(1 << 30);
    answer.ack = again.seq.wrapping_add(1);
    all.extend([again, answer]);
    let run = support::run(&support::pack(&all), support::options(&support::NUMBERED));
    let sessions: Vec<_> = run
        .events
        .iter()
        .filter(|(e, _)| e.draft.protocol == "websocket" && e.draft.kind == "session")
        .collect();
    assert_eq!(sessions.len(), 1);
    let (session, info) = sessions[0];
    assert!(!session.draft.complete);
    let json = support::as_json(session, info);
    let ended = json["fields"]["websocket.ended"].as_str().unwrap();
    assert!(!ended.contains("without close"), "{ended}");
    assert!(json["fields"].get("websocket.close_code").is_none(), "{json}");
}
