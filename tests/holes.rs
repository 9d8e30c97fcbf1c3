//! Holes in WebSocket connections: each capture without one of its segments, for
//! every segment, and without its first packets, for every number of them.

#[path = "holes/events.rs"]
mod events;
#[path = "holes/generated.rs"]
mod generated;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use framescope::engine::ConversationInfo;
use framescope::event::{Event, Level};
use generated::{Coding, Dice, Packing, Session, Sort};
use serde_json::Value;
use support::{Owned, Segment, as_json, closed, corpus, fixtures, options, packets, run, segments};

/// Captures of WebSocket, by name.
fn captures() -> Vec<(String, PathBuf)> {
    let all = fixtures().into_iter().chain(corpus());
    all.filter(|(name, _)| name.starts_with("ws-") || name.starts_with("websocket")).collect()
}

/// A message as it is shown: where it lies, and what it says.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Shown {
    packets: Vec<u64>,
    from: String,
    kind: String,
    payload: String,
    /// Compressed, and not by itself.
    context: bool,
    /// All of it came.
    complete: bool,
}

impl Shown {
    /// Whether both say the same, wherever they lie.
    fn says(&self, other: &Self) -> bool {
        (&self.from, &self.kind, &self.payload) == (&other.from, &other.kind, &other.payload)
    }
}

fn shown(e: &Event, info: &ConversationInfo) -> Option<(Shown, Value)> {
    if e.draft.protocol != "websocket" || e.draft.level != Level::Message {
        return None;
    }
    let v = as_json(e, info);
    let packets = v["packets"].as_array().unwrap().iter().filter_map(Value::as_u64).collect();
    let shown = Shown {
        packets,
        from: v["from"].to_string(),
        kind: v["kind"].to_string(),
        payload: v["payload"].to_string(),
        context: v["fields"].get("websocket.compressed_length").is_some(),
        complete: v["complete"] != false,
    };
    Some((shown, v))
}

/// Whether it is shown as it was sent, and says so.
fn undecoded(v: &Value) -> bool {
    let codes = v["findings"].as_array().unwrap();
    let says = v["summary"].as_str().is_some_and(|s| s.starts_with("not inflated, "));
    says || codes.iter().any(|f| f == "websocket.context-lost")
}

fn messages(all: &[Owned]) -> (Vec<Shown>, Vec<Value>) {
    let r = run(all, options(&[Level::Message]));
    r.events.iter().filter_map(|(e, info)| shown(e, info)).unzip()
}

/// Whether the handshake lets messages refer to earlier ones.
fn takeover(all: &[Owned]) -> bool {
    let r = run(all, options(&[Level::Exchange]));
    r.events.iter().any(|(e, _)| {
        let d = e.draft.detail.as_ref();
        let text =
            d.and_then(|d| d.tree.find("websocket.extensions")).map(|n| format!("{:?}", n.value));
        let both = |t: &String| {
            t.contains("client_no_context_takeover") && t.contains("server_no_context_takeover")
        };
        text.is_some_and(|t| t.contains("permessage-deflate") && !both(&t))
    })
}

/// All that is complete and decoded is also in the whole capture; gives its number.
/// `anywhere`: what the packet carried was sent again, and counts from there.
fn nothing_wrong(
    what: &str,
    whole: &BTreeSet<Shown>,
    holed: &(Vec<Shown>, Vec<Value>),
    anywhere: bool,
) -> usize {
    let mut right = 0;
    for (s, v) in holed.0.iter().zip(&holed.1) {
        if v["complete"] == false || undecoded(v) {
            continue;
        }
        let known = whole.contains(s) || anywhere && whole.iter().any(|w| w.says(s));
        assert!(known, "{what}: a message of its own: {v}");
        right += 1;
    }
    right
}

/// Whether the bytes of a segment are in others of its direction, too.
fn sent_again(parts: &[Segment], gone: usize) -> bool {
    let g = &parts[gone];
    let mut left: BTreeSet<u32> = (0..g.data.len()).map(|i| i as u32).collect();
    for (_, s) in parts.iter().enumerate().filter(|(i, s)| *i != gone && s.from == g.from) {
        if s.to == g.to {
            let from = s.seq.wrapping_sub(g.seq);
            for i in 0..s.data.len() as u32 {
                left.remove(&from.wrapping_add(i));
            }
        }
    }
    left.is_empty()
}

/// Captures without a segment whose rest nobody can read for certain, and why.
const UNREADABLE: [(&str, &str); 3] = [
    ("ws-late/", "it begins within a frame, so that this is the second hole of its few frames"),
    (
        "ws-node-handshakes/capture.pcap without packet 24",
        "an answer with 200 to nobody knows what",
    ),
    (
        "ws-node-handshakes/capture.pcap without packet 26",
        "a client that leaves at an answer that is lost, and one frame of the server",
    ),
];

#[test]
fn any_one_segment() {
    let (mut runs, mut intact, mut optional) = (0, 0, 0);
    let mut missed: BTreeMap<String, usize> = BTreeMap::new();
    for (name, path) in captures() {
        let all = packets(&path);
        let Some(parts) = segments(&all) else {
            println!("{name}: not of segments");
            continue;
        };
        assert_eq!(parts.len(), all.len(), "{name}: not of TCP alone");
        let whole: BTreeSet<Shown> = messages(&all).0.into_iter().collect();
        let context = takeover(&all);
        // A frame of HTTP/2 that is missing may have been DATA of any stream.
        let streams = run(&all, closed()).ended.iter().any(|c| c.protocols.contains(&"http2"));
        for gone in (0..all.len()).filter(|i| !parts[*i].data.is_empty()) {
            let mut rest = all.clone();
            let number = rest.remove(gone).meta.id.0;
            let holed = messages(&rest);
            let what = format!("{name} without packet {number}");
            let again = sent_again(&parts, gone);
            nothing_wrong(&what, &whole, &holed, again);
            let there: BTreeSet<&Shown> = holed.0.iter().collect();
            let sender = format!("\"{}:{}\"", parts[gone].from.0, parts[gone].from.1);
            let v6 = format!("\"[{}]:{}\"", parts[gone].from.0, parts[gone].from.1);
            let mine = |m: &Shown| m.from == sender || m.from == v6;
            let frames = whole.iter().any(|m| mine(m) && m.packets.contains(&number));
            for m in &whole {
                if again {
                    assert!(holed.0.iter().any(|h| h.says(m)), "{what}: {m:?}");
                    continue;
                }
                // Not all of it was there before.
                if m.packets.contains(&number) || !m.complete {
                    continue;
                }
                let mine = mine(m);
                let behind = m.packets.last() > Some(&number);
                // A frame went missing, so that the window may have: a compressed message
                // of the same length in its place would have changed what references to
                // it stand for. What shows all the same is right, as was seen above.
                if m.context && context && mine && behind && (frames || streams) {
                    optional += 1;
                    continue;
                }
                if !there.contains(m) && !UNREADABLE.iter().any(|(w, _)| what.starts_with(w)) {
                    *missed.entry(format!("{what}: {m:?}")).or_default() += 1;
                }
                intact += 1;
            }
            runs += 1;
        }
    }
    println!("{runs} runs, {intact} intact messages, {optional} may lack their window");
    assert!(runs > 200, "only {runs} runs");
    assert!(missed.is_empty(), "{} of {intact} are not shown: {missed:#?}", missed.len());
}

/// As `tcpdump -s` leaves them: both heads of the handshake are cut, and the frames are whole.
#[test]
fn heads_that_are_cut_by_the_recorder() {
    for fixture in ["ws-time/", "ws-mixed-ports/", "ws-heartbeat/"] {
        let (name, path) = fixtures().into_iter().find(|(n, _)| n.starts_with(fixture)).unwrap();
        let all = packets(&path);
        let whole: Vec<Shown> = messages(&all).0;
        for kept in [140, 160, 180, 200, 220, 240] {
            let mut cut = all.clone();
            for p in &mut cut {
                p.data.truncate(kept);
            }
            let short = |n: u64| all.iter().any(|p| p.meta.id.0 == n && p.data.len() <= kept);
            let want: Vec<_> =
                whole.iter().filter(|m| m.packets.iter().all(|n| short(*n))).collect();
            assert!(want.len() >= 4, "{name}");
            let (there, values) = messages(&cut);
            let missed: Vec<_> = want.iter().filter(|m| !there.iter().any(|t| t == **m)).collect();
            assert!(missed.is_empty(), "{name}, cut at {kept}: {missed:#?}");
            // Nothing is found of what nobody saw, but that it is missing.
            for v in values.iter().filter(|v| v["kind"] != "gap") {
                assert_eq!(v["findings"].to_string(), "[]", "{name}, cut at {kept}: {v}");
            }
            let found = run(&cut, options(&[])).findings;
            for f in found.iter().filter(|f| f.finding.spec.code.starts_with("websocket.")) {
                let gap = ["websocket.gap", "websocket.no-authentication"];
                assert!(
                    gap.contains(&f.finding.spec.code),
                    "{name}, {kept}: {}",
                    f.finding.spec.code
                );
            }
        }
    }
}

#[test]
fn joined_at_any_packet() {
    let (mut runs, mut intact, mut right) = (0, 0, 0);
    for (name, path) in captures() {
        let all = packets(&path);
        let whole: BTreeSet<Shown> = messages(&all).0.into_iter().collect();
        let context = takeover(&all);
        let mut mine = (0, 0);
        for n in 1..all.len() {
            let joined = messages(&all[n..]);
            let what = format!("{name} without the first {n}");
            nothing_wrong(&what, &whole, &joined, true);
            let first = all[n].meta.id.0;
            let there: BTreeSet<&Shown> = joined.0.iter().collect();
            for m in whole.iter().filter(|m| m.packets.first() >= Some(&first)) {
                // It may lack its window.
                if !(m.context && context) || there.contains(m) {
                    mine.0 += usize::from(there.contains(m));
                    mine.1 += 1;
                }
            }
            runs += 1;
        }
        println!("{name}: {} of {}", mine.0, mine.1);
        right += mine.0;
        intact += mine.1;
    }
    println!("{runs} runs, {right} of {intact} intact messages are shown");
    assert!(runs > 300, "only {runs} runs");
    assert!(right * 100 >= intact * SHARE, "{right} of {intact}");
}

/// Of 100 messages whose bytes are all there behind a beginning that is not, so many.
const SHARE: usize = 97;

/// No other protocol is taken for WebSocket, wherever its capture begins.
#[test]
fn nothing_else_is_taken_for_it() {
    let mut claimed: BTreeMap<String, usize> = BTreeMap::new();
    let mut runs = 0;
    for (name, path) in fixtures().into_iter().chain(corpus()) {
        if framescope::capture::open(&path, framescope::capture::OpenOptions::default()).is_err() {
            continue;
        }
        let all = packets(&path);
        let is = |c: &ConversationInfo| c.protocols.contains(&"websocket");
        let ends = |c: &ConversationInfo| {
            let mut two = c.ends.map(|e| e.to_string());
            two.sort();
            two
        };
        let whole: BTreeSet<_> =
            run(&all, closed()).ended.iter().filter(|c| is(c)).map(ends).collect();
        let step = all.len().div_ceil(60).max(1);
        for n in (1..all.len()).step_by(step) {
            runs += 1;
            for c in run(&all[n..], closed()).ended {
                if is(&c) && !whole.contains(&ends(&c)) {
                    *claimed.entry(name.clone()).or_default() += 1;
                }
            }
        }
    }
    println!("{runs} runs");
    assert!(runs > 500, "only {runs} runs");
    assert!(claimed.is_empty(), "{claimed:?}");
}

/// Sessions made up by dice, without any one of their segments.
#[test]
fn any_one_segment_of_what_dice_sent() {
    // More than every build has the time for, where somebody asks.
    let asked = std::env::var("FRAMESCOPE_SESSIONS").ok().and_then(|n| n.parse().ok());
    let sessions = asked.unwrap_or(SESSIONS);
    let (mut runs, mut intact) = (0, 0);
    let (mut missed, mut wrong) = (Vec::new(), Vec::new());
    let mut undecided: BTreeMap<&str, usize> = BTreeMap::new();
    for coding in [Coding::Plain, Coding::Alone, Coding::Takeover] {
        for packing in [Packing::Frames, Packing::Coalesced, Packing::Cut] {
            let mut mine = (0, 0, 0);
            for seed in 0..sessions {
                let mut dice = Dice::new(seed * 3 + coding as u64 * 1000 + packing as u64 * 100);
                let session = Session::new(&mut dice, coding, packing);
                // Every one of a few, and some of many.
                let n = session.segments();
                let step = n.div_ceil(24).max(1);
                for gone in (dice.below(step)..n).step_by(step) {
                    let o = session.without(gone);
                    let what = format!("{coding:?} {packing:?} {seed} without {gone}");
                    mine.0 += o.intact;
                    mine.1 += o.missed.len() + o.undecided.len();
                    mine.2 += o.wrong.len();
                    for why in o.undecided {
                        *undecided.entry(why).or_default() += 1;
                    }
                    missed.extend(o.missed.into_iter().map(|m| format!("{what}, {m}")));
                    wrong.extend(o.wrong.into_iter().map(|m| format!("{what}, {m}")));
                    runs += 1;
                }
            }
            println!(
                "{coding:?} {packing:?}: {} intact, {} missed, {} wrong",
                mine.0, mine.1, mine.2
            );
            intact += mine.0;
        }
    }
    println!("{runs} runs, {intact} intact, {} missed, {} wrong", missed.len(), wrong.len());
    let show = |list: &[String]| list.iter().take(40).cloned().collect::<Vec<_>>().join("\n");
    println!("missed:\n{}\nwrong:\n{}", show(&missed), show(&wrong));
    println!("undecided: {undecided:#?}");
    assert!(wrong.is_empty(), "{} are wrong", wrong.len());
    assert!(missed.is_empty(), "{} of {intact} are missed", missed.len());
    let undecided: usize = undecided.values().sum();
    assert!(undecided * PER_UNDECIDED <= intact, "{undecided} of {intact} are undecided");
}

/// Sessions of each coding and packing.
const SESSIONS: u64 = 10;
/// Of so many messages that came whole behind or before a hole, at most one cannot be told
/// from what may come in the middle of another one: see [`generated::undecided`].
const PER_UNDECIDED: usize = 700;

/// Large frames of a client without the segment in which one begins, and so with the rest
/// of its payload under a key that nobody knows: nothing in it is a frame.
#[test]
fn no_frames_in_the_rest_of_a_large_one() {
    let asked = std::env::var("FRAMESCOPE_SESSIONS").ok().and_then(|n| n.parse().ok());
    let asked: usize = asked.unwrap_or(40);
    let mut dice = Dice::new(7);
    let (mut runs, mut missed, mut wrong) = (0, 0, Vec::new());
    for (name, sort) in Sort::ALL {
        let mut mine = (0, 0);
        for i in 0..asked {
            let size = 3000 + dice.below(9000);
            let frames: Vec<(u8, Vec<u8>)> =
                [sort.some(&mut dice, size), b"{\"a\": \"short one\"}".to_vec()]
                    .into_iter()
                    .cycle()
                    .take(4)
                    .enumerate()
                    .map(|(i, p)| (if i % 2 == 1 { 0x81 } else { 0x82 }, p))
                    .collect();
            let session = Session::of_frames(&mut dice, &frames);
            let o = session.without(0);
            runs += 1;
            mine.0 += o.missed.len();
            mine.1 += o.wrong.len();
            missed += o.missed.len();
            wrong.extend(o.wrong.into_iter().map(|w| format!("{name} {i} of {size}: {w}")));
        }
        println!("{name}: {} missed, {} wrong", mine.0, mine.1);
    }
    println!("{runs} runs, {missed} missed, {} wrong", wrong.len());
    println!("{}", wrong.iter().take(20).cloned().collect::<Vec<_>>().join("\n"));
    assert!(wrong.is_empty(), "{} are wrong", wrong.len());
    assert!(missed * 50 <= runs * 3, "{missed} of {runs} runs");
}

/// A message in fragments of any length, without one of them: 16 bits of length are no head.
#[test]
fn the_second_half_of_a_length_is_no_head() {
    let mut dice = Dice::new(11);
    let (mut missed, mut intact) = (Vec::new(), 0);
    let (mut wrong, mut runs) = (Vec::new(), 0);
    for sort in [Sort::Words, Sort::Json, Sort::Noise] {
        for len in (130..1300).step_by(10) {
            let first = if sort == Sort::Noise { 2 } else { 1 };
            let frames: Vec<(u8, Vec<u8>)> = (0..6)
                .map(|i| {
                    let first = if i == 0 { first } else { 0 };
                    (if i == 5 { 0x80 } else { first }, sort.some(&mut dice, len))
                })
                .chain([(0x81, b"{\"the\": \"next\"}".to_vec()), (0x82, vec![7; 30])])
                .collect();
            let session = Session::of_frames(&mut dice, &frames);
            for gone in 1..5 {
                let o = session.without(gone);
                runs += 1;
                intact += o.intact;
                let what = format!("{sort:?} {len} without {gone}");
                missed.extend(o.missed.into_iter().map(|m| format!("{what}, {m}")));
                wrong.extend(o.wrong.into_iter().map(|m| format!("{what}, {m}")));
            }
        }
    }
    println!("{runs} runs, {intact} intact, {} missed, {} wrong", missed.len(), wrong.len());
    let show = |list: &[String]| list.iter().take(20).cloned().collect::<Vec<_>>().join("\n");
    println!("missed:\n{}\nwrong:\n{}", show(&missed), show(&wrong));
    assert!(wrong.is_empty(), "{} are wrong", wrong.len());
    assert!(missed.len() * 100 <= intact, "{} of {intact} are missed", missed.len());
}
