//! What must hold for every capture, run over every fixture (and over the corpus
//! where `FRAMESCOPE_CORPUS` says where it is).

mod support;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::{Arc, RwLock};

use framescope::base::{BufferId, ConversationId};
use framescope::capture::bpf::{self, Filtered};
use framescope::capture::{OpenOptions, open};
use framescope::event::{Event, Level};
use framescope::field::Tree;
use framescope::index::{Index, Progress, Reader, Reloader, RowId};
use framescope::link::TcpFlags;
use serde_json::Value;
use support::{
    NUMBERED, Owned, Segment, as_json, corpus, cut, fixtures, gist, options, pack, packets, run,
    segments, with_schema,
};

/// Events of a run, without what depends on packing, in order within each
/// conversation and level: how levels interleave depends on which packet brings
/// the last byte of each.
fn by_conversation(packets: &[Owned], levels: &[Level]) -> BTreeMap<u32, Vec<Value>> {
    let mut map: BTreeMap<u32, Vec<Value>> = BTreeMap::new();
    for (e, info) in &run(packets, options(levels)).events {
        if levels.contains(&e.draft.level) {
            map.entry(info.id.0).or_default().push(gist(e, info));
        }
    }
    for events in map.values_mut() {
        events.sort_by_key(|e| e["level"].to_string());
    }
    map
}

fn assert_same(
    name: &str,
    what: &str,
    a: &BTreeMap<u32, Vec<Value>>,
    b: &BTreeMap<u32, Vec<Value>>,
) {
    let keys: BTreeSet<_> = a.keys().chain(b.keys()).collect();
    for k in keys {
        let (x, y) = (a.get(k), b.get(k));
        if x == y {
            continue;
        }
        let (x, y) = (x.cloned().unwrap_or_default(), y.cloned().unwrap_or_default());
        for (i, (p, q)) in x.iter().zip(&y).enumerate() {
            assert_eq!(p, q, "{name}, {what}: event {i} of conversation {k} differs");
        }
        panic!("{name}, {what}: conversation {k} has {} events, then {}", x.len(), y.len());
    }
}

/// A capture that begins within a frame: where the next one begins is inferred from what the
/// bytes say, and from where segments begin.
const INFERRED: &str = "ws-late/";

/// Chunking: events do not depend on how the bytes were cut into segments.
#[test]
fn chunking() {
    let mut ran = 0;
    for (name, path) in fixtures() {
        let Some(whole) = segments(&packets(&path)) else { continue };
        if name.starts_with(INFERRED) {
            continue;
        }
        let expected = by_conversation(&pack(&whole), &NUMBERED);
        for size in [1, 2, 3, 7, 1460] {
            // One byte a packet of a large transfer is slow and shows nothing new.
            let bytes: usize = whole.iter().map(|s| s.data.len()).sum();
            if bytes / size > 60_000 {
                continue;
            }
            let cut = by_conversation(&pack(&cut(&whole, size)), &NUMBERED);
            assert_same(&name, &format!("cut into {size}"), &expected, &cut);
            ran += 1;
        }
    }
    assert!(ran > 80, "only {ran} runs");
}

/// Tiling: the leaves of a frame's tree cover every bit of it exactly once.
#[test]
fn tiling() {
    let mut frames = 0;
    for (name, path) in fixtures().into_iter().chain(corpus()) {
        let Ok(mut source) = open(&path, OpenOptions::default()) else { continue };
        drop(source.poll());
        for (e, _) in &run(&packets(&path), with_schema(&[Level::Frame])).events {
            if e.draft.level == Level::Frame {
                let d = e.draft.detail.as_ref().expect("a frame's detail was asked for");
                let len = d.origins.get(BufferId(0)).map_or(0, |b| b.len);
                if let Err(why) = tiles(&d.tree, len) {
                    panic!("{name}: event {} ({}): {why}\n{:#?}", e.id, d.summary, d.tree);
                }
                frames += 1;
            }
        }
    }
    assert!(frames > 500, "only {frames} frames");
}

fn tiles(tree: &Tree, len: u32) -> Result<(), String> {
    let mut spans: Vec<_> = tree
        .leaves()
        .filter_map(|n| n.span.map(|s| (s, n.spec.name)))
        .filter(|(s, _)| s.buffer == BufferId(0))
        .collect();
    spans.sort_by_key(|(s, _)| (s.first_bit(), s.bit_len()));
    let mut at = 0;
    for (s, name) in &spans {
        if s.bit_len() == 0 {
            continue;
        }
        if s.first_bit() != at {
            return Err(format!("{name} begins at bit {}, but {at} was next", s.first_bit()));
        }
        if *name == "unknown" {
            return Err("an unknown leaf does not count".into());
        }
        at += s.bit_len();
    }
    if at == u64::from(len) * 8 { Ok(()) } else { Err(format!("{at} of {} bits", len * 8)) }
}

/// Reload: the detail of an event, had again from the file, is the one of the
/// stream; what is read and inflated for it is bounded.
#[test]
fn reload() {
    assert!(reloaded(None) > 1000);
}

/// The same where a capture filter leaves holes between the numbers of packets.
#[test]
fn reload_behind_a_capture_filter() {
    // No empty acknowledgement: of 127.0.0.1, of ::1, and other UDP.
    let data =
        "udp or tcp and (len >= 80 or tcp[tcpflags] & (tcp-syn|tcp-fin|tcp-rst|tcp-push) != 0)";
    assert!(reloaded(Some(bpf::compile(data).unwrap())) > 1000);
    // One direction alone.
    let one = bpf::compile("tcp src portrange 32768-65535").unwrap();
    assert!(reloaded(Some(one)) > 300);
}

/// Opens every event of every fixture; gives their number.
fn reloaded(filter: Option<bpf::Filter>) -> usize {
    let (mut opened, mut dropped) = (0, 0);
    for (name, path) in fixtures() {
        let mut all = packets(&path);
        if let Some(f) = &filter {
            let before = all.len();
            all.retain(|p| f.matches(p.meta.link.0, &p.data, p.meta.original_len));
            dropped += before - all.len();
        }
        let straight: Vec<Event> =
            run(&all, options(&NUMBERED)).events.into_iter().map(|(e, _)| e).collect();
        let index = Arc::new(RwLock::new(Index::new()));
        let source = open(&path, OpenOptions { reload: true }).unwrap();
        let source = Filtered::wrap(source, filter.clone());
        let store = source.store().expect("a store was asked for");
        let mut reader = Reader::new(source, options(&[]), Arc::clone(&index));
        while reader.step().unwrap() != Progress::Ended {}
        let rows = index.read().unwrap().len();
        assert_eq!(rows, straight.len(), "{name}: rows");
        packets_are_numbered(&name, &index.read().unwrap(), &all);
        let mut reloader = Reloader::new(Arc::clone(&index), Arc::clone(&store), options(&[]));
        for (i, e) in straight.iter().enumerate() {
            let id = RowId(u32::try_from(i).unwrap());
            let before = store.bytes_read();
            let again = reloader.open(id).unwrap_or_else(|| panic!("{name}: row {i} is gone"));
            assert_eq!(again.event.id, e.id);
            assert_eq!(again.event.draft.detail, e.draft.detail, "{name}: event {}", e.id);
            assert_eq!(again.event.draft.kind, e.draft.kind);
            assert_eq!(again.event.draft.findings, e.draft.findings, "{name}: event {}", e.id);
            let read = store.bytes_read() - before;
            let own = span_bytes(&index.read().unwrap(), id);
            assert!(read <= (512 << 10) + own, "{name}: {read} bytes read for event {}", e.id);
            opened += 1;
        }
    }
    assert!(filter.is_none() || dropped > 100, "only {dropped} packets were dropped");
    opened
}

/// The index knows these packets, by their numbers in the capture, and no others.
fn packets_are_numbered(name: &str, index: &Index, all: &[Owned]) {
    let numbers: Vec<u32> = all.iter().map(|p| u32::try_from(p.meta.id.0).unwrap()).collect();
    let last = numbers.last().copied().unwrap_or(0);
    assert_eq!(index.packet_count(), all.len(), "{name}");
    assert_eq!(index.last_packet(), last, "{name}");
    let mut there = all.iter().peekable();
    for n in 0..=last + 2 {
        let id = framescope::base::PacketId(u64::from(n));
        assert_eq!(index.packet_from(n), numbers.iter().copied().find(|m| *m >= n), "{name}: {n}");
        match there.next_if(|p| p.meta.id == id) {
            Some(p) => {
                let meta = index.packet(id).unwrap_or_else(|| panic!("{name}: no {n}")).meta(id);
                assert_eq!((meta.time, meta.offset), (p.meta.time, p.meta.offset), "{name}: {n}");
            }
            None => assert!(index.packet(id).is_none(), "{name}: packet {n} was dropped"),
        }
    }
}

/// Captured bytes from an event's first packet to its last.
fn span_bytes(index: &Index, id: RowId) -> u64 {
    let row = index.row(id).unwrap();
    (row.first_packet..=row.last_packet)
        .filter_map(|p| index.packet(framescope::base::PacketId(u64::from(p))))
        .map(|p| u64::from(p.original))
        .sum()
}

/// A generator of pseudo-random numbers, the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % below.max(1)
    }
}

/// Reorder: permuted, duplicated and overlapped segments give the same events.
#[test]
fn reorder() {
    let mut ran = 0;
    let levels = [Level::Frame, Level::Message];
    for (name, path) in fixtures() {
        let Some(whole) = segments(&packets(&path)) else { continue };
        if is_odd(&whole) {
            continue;
        }
        let whole = cut(&whole, 1460);
        let mut expected = by_conversation(&pack(&whole), &levels);
        for seed in 0..6 {
            let mut dice = Dice(seed + 1);
            let stirred = stir(&whole, &mut dice);
            let mut got = by_conversation(&pack(&stirred), &levels);
            for side in [&mut expected, &mut got] {
                for v in side.values_mut() {
                    // The two directions may interleave otherwise.
                    v.sort_by_key(|e| (e["level"].to_string(), e["sender"].to_string()));
                }
            }
            assert_same(&name, &format!("stirred with {seed}"), &expected, &got);
            ran += 1;
        }
    }
    assert!(ran > 60, "only {ran} runs");
}

/// Captures whose own segments are lost or reset: stirring changes what they say.
fn is_odd(all: &[Segment]) -> bool {
    all.iter().any(|s| s.flags & TcpFlags::RST != 0)
}

/// Swaps neighbours of one direction, repeats segments, and lets some begin in
/// the one before: nothing that a network does not do. Handshakes stay in front,
/// and the order between the two directions stays what it was.
fn stir(all: &[Segment], dice: &mut Dice) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::new();
    let mut last: BTreeMap<_, Segment> = BTreeMap::new();
    for s in all {
        let mut s = s.clone();
        let key = (s.from, s.to);
        let plain = s.flags & (TcpFlags::SYN | TcpFlags::FIN | TcpFlags::RST) == 0;
        if let Some(before) = last.get(&key)
            && plain
            && !s.data.is_empty()
            && !before.data.is_empty()
            && before.seq.wrapping_add(u32::try_from(before.data.len()).unwrap()) == s.seq
            && dice.roll(4) == 0
        {
            let back = 1 + dice.roll(before.data.len());
            let mut data = before.data[before.data.len() - back..].to_vec();
            data.extend(&s.data);
            s.data = data;
            s.seq = s.seq.wrapping_sub(u32::try_from(back).unwrap());
        }
        last.insert(key, s.clone());
        out.push(s.clone());
        if plain && !s.data.is_empty() && dice.roll(5) == 0 {
            out.push(s);
        }
    }
    for i in 1..out.len() {
        let (a, b) = (&out[i - 1], &out[i]);
        let plain =
            |s: &Segment| s.flags & (TcpFlags::SYN | TcpFlags::FIN) == 0 && !s.data.is_empty();
        if a.from == b.from && a.to == b.to && plain(a) && plain(b) && dice.roll(3) == 0 {
            out.swap(i - 1, i);
        }
    }
    out
}

/// Truncate: each frame and message of a capture's beginning is also one of the
/// whole, unless it is inferred or cut off by the end.
#[test]
fn truncate() {
    let mut checked = 0;
    let levels = [Level::Frame, Level::Message];
    for (name, path) in fixtures() {
        let all = packets(&path);
        let mut whole: HashSet<String> = HashSet::new();
        for (e, info) in &run(&all, options(&levels)).events {
            whole.insert(at_and_gist(e, info));
        }
        let step = (all.len() / 40).max(1);
        for n in (0..all.len()).step_by(step) {
            for (e, info) in &run(&all[..n], options(&levels)).events {
                let mine = levels.contains(&e.draft.level);
                // Bytes that nobody claims come in runs, which the end may cut.
                let run = e.draft.kind == "opaque";
                if mine && e.draft.complete && !e.draft.inferred && !run {
                    let text = at_and_gist(e, info);
                    assert!(whole.contains(&text), "{name}, first {n} packets: {text}");
                    checked += 1;
                }
            }
        }
    }
    assert!(checked > 5000, "only {checked} events");
}

fn at_and_gist(e: &Event, info: &framescope::engine::ConversationInfo) -> String {
    let packets = as_json(e, info)["packets"].to_string();
    let mut v = gist(e, info);
    // Who the client is may be learnt late.
    if let Some(o) = v.as_object_mut() {
        for k in ["sender", "from", "to"] {
            o.remove(k);
        }
    }
    format!("{packets} {v}")
}

/// Ledger: dissected, opaque and gap bytes are all there were, for every
/// conversation, counted apart from the engine.
#[test]
fn ledger() {
    let mut checked = 0;
    for (name, path) in fixtures().into_iter().chain(corpus()) {
        let Ok(_) = open(&path, OpenOptions::default()) else { continue };
        let all = packets(&path);
        let r = run(&all, options(&[]));
        let known: BTreeSet<ConversationId> = r.ended.iter().map(|c| c.id).collect();
        assert_eq!(known.len(), r.ended.len(), "{name}: a conversation ended twice");
        for c in &r.ended {
            let l = &c.ledger;
            for i in 0..2 {
                let parts = l.dissected()[i] + l.opaque[i] + l.gap[i];
                assert_eq!(parts, l.stream[i], "{name}: conversation {} side {i}: {l:?}", c.id);
                assert!(
                    l.opaque[i] + l.gap[i] <= l.stream[i],
                    "{name}: conversation {}: {l:?}",
                    c.id
                );
            }
            checked += 1;
        }
        let Some(segments) = segments(&all) else { continue };
        if is_odd(&segments) || !name.contains('/') {
            continue;
        }
        // Every stream byte of a clean recording, counted by sequence numbers.
        let mut spans: BTreeMap<_, BTreeSet<u32>> = BTreeMap::new();
        for s in &segments {
            let first = s.seq.wrapping_add(u32::from(s.flags & TcpFlags::SYN != 0));
            let set = spans.entry((s.from, s.to)).or_default();
            set.extend((0..u32::try_from(s.data.len()).unwrap()).map(|i| first.wrapping_add(i)));
        }
        let captured: u64 = spans.values().map(|s| s.len() as u64).sum();
        let streams: u64 = r
            .ended
            .iter()
            .filter(|c| c.transport == framescope::flow::Transport::Tcp)
            .map(|c| c.ledger.stream.iter().sum::<u64>() - c.ledger.gap.iter().sum::<u64>())
            .sum();
        assert_eq!(streams, captured, "{name}: bytes of all streams");
    }
    assert!(checked > 30, "only {checked} conversations");
}
