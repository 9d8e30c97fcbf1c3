//! Connections whose beginning was not captured: each capture without its first
//! packets, for every number of them.

mod support;

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};

use framescope::base::{BufferId, Piece, PieceSource};
use framescope::capture::{OpenOptions, open};
use framescope::engine::ConversationInfo;
use framescope::event::{Event, Level};
use framescope::index::{Index, Progress, Reader, Reloader, RowId};
use serde_json::Value;
use std::sync::{Arc, RwLock};
use support::{
    NUMBERED, Owned, Run, Segment, as_json, closed, corpus, cut, fixtures, gist, options, pack,
    packets, run, segments,
};

/// The most runs over one capture: beyond it every second number is left out,
/// and so on.
const RUNS: usize = 80;

/// Captures of HTTP/2 in the clear, by name.
fn captures() -> Vec<(String, Vec<Owned>)> {
    let all = fixtures().into_iter().chain(corpus());
    // One of them, where a test is looked into.
    let only = std::env::var("FRAMESCOPE_ONLY").ok();
    let ours = |name: &str| ["grpc", "h2-", "http2"].iter().any(|p| name.starts_with(p));
    // Messages that are no protobuf are not known by their look.
    let own = |name: &str| name.starts_with("grpc-codecs");
    all.filter(|(name, _)| {
        ours(name) && !own(name) && only.as_ref().is_none_or(|o| name.contains(o))
    })
    .map(|(name, path)| (name, packets(&path)))
    .filter(|(_, p)| p.len() > 1 && is_clear(p))
    .collect()
}

/// What is missing of encrypted connections is another matter (`tests/tls.rs`).
fn is_clear(packets: &[Owned]) -> bool {
    run(packets, options(&NUMBERED)).events.iter().all(|(e, _)| e.draft.protocol != "tls")
}

/// How many first packets to drop: every number, as far as time allows.
fn numbers(packets: usize) -> impl Iterator<Item = usize> {
    (1..packets).step_by(packets.div_ceil(RUNS).max(1))
}

/// Where an event lies. Not who sent it: that may be guessed wrongly.
fn place(v: &Value) -> String {
    format!("{} {} {} {}", v["packets"], v["level"], v["protocol"], v["stream"])
}

/// Names and values of header fields that are known, as a frame shows them.
fn fields(e: &Event) -> Vec<(String, String)> {
    let Some(d) = &e.draft.detail else { return Vec::new() };
    let mut list = Vec::new();
    let mut name = None;
    for n in d.tree.nodes() {
        let text = match (&n.value, &n.note) {
            (framescope::field::Value::Text(t), None) => Some(t.to_string()),
            _ => None,
        };
        match n.spec.name {
            "http2.header.name" => name = Some(text),
            "http2.header.value" => {
                if let (Some(Some(n)), Some(v)) = (name.take(), text) {
                    list.push((n, v));
                }
            }
            _ => {}
        }
    }
    list
}

/// The payload of a gRPC message as JSON.
fn message(v: &Value) -> String {
    format!("{} {} {}", v["packets"], v["stream"], v["payload"])
}

/// A message by its octets: what names its type, its path, may not have been captured.
fn octets(e: &Event, v: &Value) -> String {
    let d = e.draft.detail.as_ref().expect("a message's detail was asked for");
    let b = d.origins.get(BufferId(0)).expect("a message has octets");
    let wire: Vec<_> = b.pieces.iter().map(|p| (p.len, &p.source)).collect();
    format!("{} {} {:?} {wire:?}", v["packets"], v["stream"], b.bytes)
}

fn is_message(e: &Event) -> bool {
    e.draft.protocol == "grpc" && e.draft.kind == "message" && e.draft.complete
}

/// A message, and what must have been captured for it to be known.
struct First {
    octets: String,
    packets: Vec<u64>,
    /// The packets of the header of each DATA frame that carries it: which stream it is
    /// of stands nowhere else.
    frames: BTreeSet<u64>,
    /// Over HTTP/1, those of the head that says what the body is; of base64, those of the
    /// head that stands before its first group.
    heads: Vec<u64>,
}

/// What a piece of an event stands for, in a packet.
type Place = (u64, std::ops::Range<u32>);
/// What lies in a packet, and the packets of the header of its frame.
type InFrame = (std::ops::Range<u32>, Vec<u64>);

/// Where the first bytes of an event lie, `len` at most.
fn places(e: &Event, len: u32) -> Vec<Place> {
    let b = e.draft.detail.as_ref().and_then(|d| d.origins.get(BufferId(0)));
    let pieces = b.map(|b| b.pieces.as_slice()).unwrap_or_default();
    let of = |p: &Piece| match &p.source {
        PieceSource::Packet(r) if p.start < len => {
            Some((r.packet.0, r.start..r.start + r.len.min(len - p.start)))
        }
        _ => None,
    };
    pieces.iter().filter_map(of).collect()
}

fn numbers_of(v: &Value) -> Vec<u64> {
    v["packets"].as_array().unwrap().iter().map(|p| p.as_u64().unwrap()).collect()
}

/// What the whole capture shows.
struct Truth {
    /// Header fields by where they lie.
    headers: HashMap<String, BTreeSet<(String, String)>>,
    messages: HashSet<String>,
    firsts: Vec<First>,
    errors: BTreeSet<&'static str>,
}

impl Truth {
    fn of(whole: &Run) -> Self {
        let mut t = Self {
            headers: HashMap::new(),
            messages: HashSet::new(),
            firsts: Vec::new(),
            errors: BTreeSet::new(),
        };
        // By where they lie, the packets of the headers of frames of DATA; their streams are
        // told by the frames alone.
        let mut data: HashMap<u64, Vec<InFrame>> = HashMap::new();
        for (e, _) in whole.events.iter().filter(|(e, _)| e.draft.kind == "data") {
            let head: Vec<u64> = places(e, 9).into_iter().map(|(p, _)| p).collect();
            for (p, at) in places(e, u32::MAX) {
                data.entry(p).or_default().push((at, head.clone()));
            }
        }
        let mut heads: HashMap<_, Vec<u64>> = HashMap::new();
        for (e, info) in &whole.events {
            let v = as_json(e, info);
            t.headers.entry(place(&v)).or_default().extend(fields(e));
            let whose = format!("{} {} {}", v["conversation"], v["from"], v["stream"]);
            if matches!(e.draft.kind, "request" | "response") {
                heads.insert(whose.clone(), numbers_of(&v));
            }
            if is_message(e) {
                t.messages.insert(message(&v));
                t.messages.insert(octets(e, &v));
                let mut frames = BTreeSet::new();
                for (p, at) in places(e, u32::MAX) {
                    for (range, head) in data.get(&p).into_iter().flatten() {
                        if range.start < at.end && at.start < range.end {
                            frames.extend(head);
                        }
                    }
                }
                let is_text = v["fields"]["grpc.web"] == "text";
                let heads = match v["stream"].is_null() || is_text {
                    true => heads.get(&whose).cloned().unwrap_or_default(),
                    false => Vec::new(),
                };
                t.firsts.push(First {
                    octets: octets(e, &v),
                    packets: numbers_of(&v),
                    frames,
                    heads,
                });
            }
            t.errors.extend(e.draft.findings.iter().map(|f| f.spec.code));
        }
        t.errors.extend(whole.findings.iter().map(|f| f.finding.spec.code));
        t
    }
}

/// One segment lost anywhere: every message that it carried nothing of is shown, no
/// header field is wrong, and no fault is found that is none.
#[test]
fn any_one_segment_may_be_missing() {
    let (mut shown, mut there, mut values, mut runs) = (0_usize, 0_usize, 0_usize, 0);
    let mut lost: Vec<String> = Vec::new();
    for (name, all) in captures() {
        let whole = run(&all, options(&NUMBERED));
        let truth = Truth::of(&whole);
        let mut mine = (0, 0);
        for n in numbers(all.len()) {
            let gone = all[n].meta.id.0;
            let mut rest = all.clone();
            rest.remove(n);
            let holed = run(&rest, options(&NUMBERED));
            let mut found: HashSet<String> = HashSet::new();
            for (e, info) in &holed.events {
                let Truth { headers, messages, .. } = &truth;
                check(&name, n, e, info, headers, messages, &mut found, &mut values);
                for f in &e.draft.findings {
                    missed(&name, n, f, &truth.errors);
                }
            }
            for f in &holed.findings {
                missed(&name, n, &f.finding, &truth.errors);
            }
            let is_there = |f: &&First| !f.packets.contains(&gone) && !f.heads.contains(&gone);
            let complete: BTreeSet<&String> =
                truth.firsts.iter().filter(is_there).map(|f| &f.octets).collect();
            for m in &complete {
                if found.contains(*m) {
                    mine.0 += 1;
                } else {
                    let text = format!("{name} without {n} (packet {gone}): {m:.90}");
                    lost.push(text);
                }
            }
            mine.1 += complete.len();
            runs += 1;
        }
        println!("{name}: {} of {} messages", mine.0, mine.1);
        shown += mine.0;
        there += mine.1;
    }
    println!("{runs} runs, {values} header values, {shown} of {there} messages");
    println!("{lost:#?}");
    let all = std::env::var_os("FRAMESCOPE_ONLY").is_none();
    assert!(!all || runs > 100 && values > 100 && there > 100);
    assert!(lost.is_empty(), "{shown} of {there}: {lost:#?}");
}

/// An error that the whole capture does not have is none of the sender's: but that
/// bytes are missing is one.
fn missed(name: &str, n: usize, f: &framescope::finding::Finding, errors: &BTreeSet<&str>) {
    let code = f.spec.code;
    if !code.ends_with("gap") && !code.contains("truncated") {
        spurious(name, n, f, errors);
    }
}

/// Nothing wrong is shown of a connection that was joined late, and most of the
/// messages are.
#[test]
fn nothing_wrong_is_shown() {
    let (mut shown, mut there, mut values, mut runs) = (0_usize, 0_usize, 0_usize, 0);
    let (mut known, mut guessed) = (0, 0);
    let mut lost: Vec<String> = Vec::new();
    for (name, all) in captures() {
        let whole = run(&all, options(&NUMBERED));
        let Truth { headers, messages, firsts, errors } = Truth::of(&whole);
        let sender = |e: &Event, v: &Value| {
            let mine = e.draft.level == Level::Frame && e.draft.protocol == "http2";
            mine.then(|| format!("{} {} {}", v["packets"], v["kind"], v["from"]))
        };
        let mut senders: HashMap<String, Value> = HashMap::new();
        for (e, info) in &whole.events {
            let v = as_json(e, info);
            if let Some(k) = sender(e, &v) {
                senders.insert(k, v["sender"].clone());
            }
        }
        let mut mine = (0, 0);
        for n in numbers(all.len()) {
            let joined = run(&all[n..], options(&NUMBERED));
            let mut found: HashSet<String> = HashSet::new();
            for (e, info) in &joined.events {
                let (headers, messages) = (&headers, &messages);
                check(&name, n, e, info, headers, messages, &mut found, &mut values);
                for f in &e.draft.findings {
                    spurious(&name, n, f, &errors);
                }
            }
            for f in &joined.findings {
                spurious(&name, n, &f.finding, &errors);
            }
            for (e, info) in &joined.events {
                let v = as_json(e, info);
                // `null` where it cannot be known.
                let told = sender(e, &v).and_then(|k| senders.get(&k)).filter(|_| info.roles_known);
                if let Some(whose) = told {
                    assert_eq!(&v["sender"], whose, "{name} without {n}: {v}");
                    known += 1;
                } else if e.draft.level == Level::Frame {
                    guessed += 1;
                }
            }
            let from = all[n].meta.id.0;
            let is_there = |f: &&First| {
                let mut needed = f.packets.iter().chain(&f.frames).chain(&f.heads);
                needed.all(|p| *p >= from)
            };
            let complete: BTreeSet<&String> =
                firsts.iter().filter(is_there).map(|f| &f.octets).collect();
            for m in &complete {
                if found.contains(*m) {
                    mine.0 += 1;
                } else {
                    lost.push(format!("{name} without {n}: {m:.200}"));
                }
            }
            mine.1 += complete.len();
            runs += 1;
        }
        println!("{name}: {} of {} messages", mine.0, mine.1);
        shown += mine.0;
        there += mine.1;
    }
    println!("{known} frames of a known sender, {guessed} others");
    println!("{runs} runs, {values} header values, {shown} of {there} messages");
    let all = std::env::var_os("FRAMESCOPE_ONLY").is_none();
    assert!(!all || runs > 100 && values > 100 && there > 100);
    println!("{lost:#?}");
    assert!(lost.is_empty(), "{shown} of {there}: {lost:#?}");
}

#[allow(clippy::too_many_arguments, reason = "one place, many books")]
fn check(
    name: &str,
    n: usize,
    e: &Event,
    info: &ConversationInfo,
    headers: &HashMap<String, BTreeSet<(String, String)>>,
    messages: &HashSet<String>,
    found: &mut HashSet<String>,
    values: &mut usize,
) {
    let v = as_json(e, info);
    if is_message(e) {
        let octets = octets(e, &v);
        // As in the whole capture, or without its type where nothing tells that.
        let untyped = v["fields"]["grpc.method"].is_null() && messages.contains(&octets);
        let right = messages.contains(&message(&v)) || untyped;
        assert!(right, "{name} without {n}: a message of its own: {v}");
        found.insert(octets);
    }
    if e.draft.level == Level::Frame && e.draft.protocol == "http2" {
        for field in fields(e) {
            let known = headers.get(&place(&v)).is_some_and(|h| h.contains(&field));
            assert!(known, "{name} without {n}: {field:?} in {v}");
            *values += 1;
        }
    }
}

/// An error that the whole capture does not have is none of the sender's.
fn spurious(name: &str, n: usize, f: &framescope::finding::Finding, errors: &BTreeSet<&str>) {
    let is_error = f.spec.severity == framescope::finding::Severity::Error;
    // TCP itself is joined in the middle, too, and may lack a segment.
    let mine = !f.spec.code.starts_with("tcp.");
    if mine && is_error && !errors.contains(f.spec.code) {
        panic!("{name} without {n}: {} {:?}", f.spec.code, f.detail);
    }
}

/// No other protocol is taken for HTTP/2, wherever its capture begins.
#[test]
fn nothing_else_is_taken_for_it() {
    let mut claimed: BTreeMap<String, usize> = BTreeMap::new();
    let mut runs = 0;
    for (name, path) in fixtures().into_iter().chain(corpus()) {
        if open(&path, OpenOptions::default()).is_err() {
            continue;
        }
        let all = packets(&path);
        let whole: BTreeSet<String> = run(&all, closed())
            .ended
            .iter()
            .filter(|c| c.protocols.contains(&"http2"))
            .map(ends)
            .collect();
        for n in numbers(all.len()) {
            runs += 1;
            for c in run(&all[n..], closed()).ended {
                if c.protocols.contains(&"http2") && !whole.contains(&ends(&c)) {
                    *claimed.entry(name.clone()).or_default() += 1;
                }
            }
        }
    }
    assert!(runs > 1000, "only {runs} runs");
    println!("{runs} runs");
    assert!(claimed.is_empty(), "{claimed:?}");
}

/// A capture that begins within a long download: its bytes say nothing of what it is, but what
/// the other end says does, however late.
#[test]
fn a_long_download_says_nothing_of_what_follows() {
    let tonic = |(name, _): &(String, _)| name.starts_with("grpc-tonic");
    let all = segments(&packets(&fixtures().into_iter().find(tonic).unwrap().1)).unwrap();
    let one = |s: &&Segment| [s.from, s.to].contains(&all[0].from);
    let all: Vec<Segment> = all.iter().filter(one).cloned().collect();
    let client = all[0].from;
    let at = all.iter().rposition(|s| s.from == client && s.data.len() > 40).unwrap() / 2;
    let rest = all[at..].iter().position(|s| s.from == client && !s.data.is_empty()).unwrap() + at;
    let rest = &all[rest..];
    let server = rest.iter().find(|s| s.from != client).unwrap();
    let messages = |list: &[Segment]| {
        let r = run(&pack(list), options(&NUMBERED));
        assert!(r.ended.iter().any(|c| c.protocols.contains(&"http2")));
        r.events.iter().filter(|(e, _)| is_message(e)).count()
    };
    let expected = messages(rest);
    assert!(expected > 3, "{expected}");
    // More than is held of a stream that nobody knows.
    for count in [20, 100, 300] {
        let before = (0..count).map(|n| Segment {
            data: vec![b'x'; 1448],
            seq: server.seq.wrapping_sub((count - n) * 1448),
            ack: rest[0].seq,
            time: rest[0].time,
            flags: 0x10,
            ..server.clone()
        });
        let list: Vec<Segment> = before.chain(rest.iter().cloned()).collect();
        assert_eq!(messages(&list), expected, "behind {count} segments");
    }
}

/// The two ends of a conversation in an order of their own.
fn ends(c: &ConversationInfo) -> String {
    let mut two = c.ends.map(|e| format!("{e:?}"));
    two.sort();
    two.join(" ")
}

/// Without what depends on packing, by level.
fn gists(packets: &[Owned]) -> Vec<String> {
    let mut list: Vec<String> = Vec::new();
    for (e, info) in &run(packets, options(&NUMBERED)).events {
        // Runs of unknown bytes end where the other direction speaks, and that
        // depends on how long TCP waits for a first segment.
        if NUMBERED.contains(&e.draft.level) && e.draft.protocol != "tcp" {
            list.push(format!("{} {} {}", info.id, e.draft.level.name(), gist(e, info)));
        }
    }
    list.sort();
    list
}

/// The most bytes of a connection that are cut into pieces of one size: each piece is a
/// packet, and the time for this test goes by packets.
const CUTS: [(usize, usize); 3] = [(1, 1500), (7, 7000), (1460, 100_000)];
/// Numbers of first packets that are dropped of one capture.
const JOINS: usize = 5;

/// The first segments, up to so many bytes.
fn prefix(all: &[Segment], bytes: usize) -> &[Segment] {
    let mut left = bytes;
    let fit = |s: &&Segment| {
        let fits = s.data.len() <= left;
        left = left.saturating_sub(s.data.len());
        fits
    };
    // One at least, however long it is.
    let n = all.iter().take_while(fit).count();
    let first = all.iter().position(|s| !s.data.is_empty()).map_or(0, |i| i + 1);
    &all[..n.max(first)]
}

/// Events of a connection joined late do not depend on how its bytes were cut.
#[test]
fn chunking() {
    let mut ran = 0;
    for (name, all) in captures() {
        let step = (all.len() / JOINS).max(1);
        for n in (1..all.len()).step_by(step) {
            let Some(whole) = segments(&all[n..]) else { continue };
            for (size, most) in CUTS {
                // HTTP/1 is looked for where packets begin, and here each byte would.
                if size == 1 && ["grpc-web", "grpc_web"].iter().any(|w| name.starts_with(w)) {
                    continue;
                }
                let whole = prefix(&whole, most);
                let bytes: usize = whole.iter().map(|s| s.data.len()).sum();
                if bytes / size > 4000 {
                    continue;
                }
                let expected = gists(&pack(whole));
                let got = gists(&pack(&cut(whole, size)));
                for (a, b) in expected.iter().zip(&got) {
                    assert_eq!(a, b, "{name} without {n}, cut into {size}");
                }
                assert_eq!(expected.len(), got.len(), "{name} without {n}, cut into {size}");
                ran += 1;
            }
        }
    }
    println!("{ran} runs");
    assert!(ran > 100, "only {ran} runs");
}

/// Every bit of a frame has its leaf, and every byte its place in the books.
#[test]
fn every_byte_is_accounted_for() {
    for (name, all) in captures() {
        for n in numbers(all.len()).step_by(3) {
            let r = run(&all[n..], options(&NUMBERED));
            for (e, _) in r.events.iter().filter(|(e, _)| e.draft.level == Level::Frame) {
                let d = e.draft.detail.as_ref().unwrap();
                let mut spans: Vec<_> = d.tree.leaves().filter_map(|n| n.span).collect();
                spans.retain(|s| s.buffer == BufferId(0) && s.bit_len() > 0);
                spans.sort_by_key(framescope::base::Span::first_bit);
                let mut at = 0;
                for s in spans {
                    assert_eq!(s.first_bit(), at, "{name} without {n}: {}", d.summary);
                    at += s.bit_len();
                }
                let len = d.origins.get(BufferId(0)).map_or(0, |b| b.len);
                assert_eq!(at, u64::from(len) * 8, "{name} without {n}: {}", d.summary);
            }
            for c in &r.ended {
                let l = &c.ledger;
                for i in 0..2 {
                    let parts = l.dissected()[i] + l.opaque[i] + l.gap[i];
                    assert_eq!(parts, l.stream[i], "{name} without {n}: {l:?}");
                }
            }
        }
    }
}

/// A capture file without its first packets.
fn late(name: &str, all: &[Owned]) -> std::path::PathBuf {
    let mut out = 0xa1b2_3c4d_u32.to_le_bytes().to_vec();
    out.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0]);
    out.extend(u32::from(all[0].meta.link.0).to_le_bytes());
    for p in all {
        let time = u64::try_from(p.meta.time.0).unwrap();
        out.extend(u32::try_from(time / 1_000_000_000).unwrap().to_le_bytes());
        out.extend(u32::try_from(time % 1_000_000_000).unwrap().to_le_bytes());
        out.extend(u32::try_from(p.data.len()).unwrap().to_le_bytes());
        out.extend(p.meta.original_len.to_le_bytes());
        out.extend(&p.data);
    }
    let file = format!("late-{}.pcap", name.replace('/', "-"));
    let path = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(file);
    std::fs::write(&path, out).unwrap();
    path
}

/// An event of a connection joined late, had again from the file, is the one of
/// the stream.
#[test]
fn reload() {
    let mut opened = 0;
    for (name, all) in captures() {
        if all.iter().any(|p| p.meta.link != all[0].meta.link) {
            continue;
        }
        for part in 1..4 {
            let path = late(&name, &all[all.len() * part / 4..]);
            let straight: Vec<Event> = run(&packets(&path), options(&NUMBERED))
                .events
                .into_iter()
                .map(|(e, _)| e)
                .collect();
            let index = Arc::new(RwLock::new(Index::new()));
            let source = open(&path, OpenOptions { reload: true }).unwrap();
            let store = source.store().expect("a store was asked for");
            let mut reader = Reader::new(source, options(&[]), Arc::clone(&index));
            while reader.step().unwrap() != Progress::Ended {}
            assert_eq!(index.read().unwrap().len(), straight.len(), "{name}: rows");
            let mut reloader = Reloader::new(Arc::clone(&index), store, options(&[]));
            for (i, e) in straight.iter().enumerate().step_by(3) {
                let id = RowId(u32::try_from(i).unwrap());
                let again = reloader.open(id).unwrap_or_else(|| panic!("{name}: row {i}"));
                assert_eq!(again.event.id, e.id);
                assert_eq!(again.event.draft.detail, e.draft.detail, "{name}: event {}", e.id);
                opened += 1;
            }
        }
    }
    assert!(opened > 300, "only {opened} events");
}
