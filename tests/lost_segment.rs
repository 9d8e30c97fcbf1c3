//! What is found of HTTP/2 and gRPC without one of a capture's segments: nothing that the peers
//! did not do. That bytes are missing, and what ends with them, is true and is found.

mod support;

use std::collections::BTreeMap;

use framescope::engine::{ConversationInfo, FindingEvent};
use framescope::event::{Event, Level};
use framescope::finding::Severity;
use support::{Owned, closed, corpus, fixtures, options, packets, run};

/// The most runs over one capture: beyond it every second segment is left out, and so on.
const RUNS: usize = 150;

/// Captures of HTTP/2 in the clear, or of anything that runs over it, by name.
fn captures() -> Vec<(String, Vec<Owned>)> {
    let all = fixtures().into_iter().chain(corpus());
    let only = std::env::var("FRAMESCOPE_ONLY").ok();
    let ours = |name: &str| {
        let names = ["grpc", "h2", "http2", "connect-", "sse-h2", "ws-h2"];
        names.iter().any(|p| name.starts_with(p))
    };
    all.filter(|(name, _)| ours(name) && only.as_ref().is_none_or(|o| name.contains(o)))
        .map(|(name, path)| (name, packets(&path)))
        .filter(|(_, p)| p.len() > 1)
        .filter(|(_, p)| run(p, closed()).ended.iter().all(|c| !c.protocols.contains(&"tls")))
        .collect()
}

/// A warning or an error: its code, the stream it is of, what it says.
type Found = (&'static str, Option<u64>);

fn found(packets: &[Owned]) -> BTreeMap<Found, String> {
    let r = run(packets, options(&[]));
    let mut all = BTreeMap::new();
    for FindingEvent { finding: f, stream, at, .. } in &r.findings {
        if f.spec.severity >= Severity::Warning {
            let detail = f.detail.as_deref().unwrap_or_default();
            all.insert((f.spec.code, *stream), format!("packet {}: {detail}", at.packet.0));
        }
    }
    all
}

/// What is true of a capture that lacks bytes, though the whole one does not have it.
const TRUE: [(&str, &str); 12] = [
    ("websocket.extensions-unknown", "the handshake stands in what was not captured"),
    ("grpc.unknown-payload", "told of the next call of the method where the first is lost"),
    ("grpc.reset", "an abort behind the lost end of its stream"),
    ("http.reset", "the same"),
    ("http.server-error", "an answer whose lost request would say that it is gRPC"),
    ("http.body-cut", "a body whose rest is lost"),
    ("http2.truncated", "a frame whose rest is lost"),
    ("grpc.truncated-message", "trailers whose rest is lost"),
    ("connect.truncated-message", "a message whose rest is lost"),
    ("websocket.beginning-missing", "a message whose first fragment is lost"),
    ("websocket.context-lost", "a message whose window is lost"),
    ("websocket.stream-without-close", "END_STREAM whose abort behind it is lost"),
];

fn is_true(code: &str) -> bool {
    let hole = code.starts_with("tcp.") || code.ends_with(".gap") || code.ends_with("-gap");
    hole || TRUE.iter().any(|(c, _)| *c == code)
}

/// What is found without some packets, and not in the whole capture.
fn invented(
    name: &str,
    all: &[Owned],
    runs: usize,
    without: impl Fn(usize) -> Vec<Owned>,
) -> Vec<String> {
    let whole = found(all);
    let mut list = Vec::new();
    for n in (0..all.len()).step_by(all.len().div_ceil(runs).max(1)) {
        for ((code, stream), detail) in found(&without(n)) {
            // A status whose FIN before it is lost.
            let late = code == "grpc.call-failed" && name.starts_with("grpc-killed");
            if !is_true(code) && !late && !whole.contains_key(&(code, stream)) {
                list.push(format!("{code}: {name}, {n}, stream {stream:?}, {detail}"));
            }
        }
    }
    list
}

#[test]
fn without_any_one_segment() {
    let (mut list, mut captures_seen) = (Vec::new(), 0);
    for (name, all) in captures() {
        list.extend(invented(&name, &all, RUNS, |n| {
            let mut rest = all.clone();
            rest.remove(n);
            rest
        }));
        captures_seen += 1;
    }
    assert!(captures_seen >= 20 || std::env::var_os("FRAMESCOPE_ONLY").is_some());
    list.sort();
    assert!(list.is_empty(), "{} findings: {list:#?}", list.len());
}

/// Connections that were there before the capture began.
#[test]
fn without_the_first_packets() {
    let (mut list, mut captures_seen) = (Vec::new(), 0);
    for (name, all) in captures() {
        list.extend(invented(&name, &all, RUNS / 2, |n| all[n..].to_vec()));
        captures_seen += 1;
    }
    assert!(captures_seen >= 20 || std::env::var_os("FRAMESCOPE_ONLY").is_some());
    list.sort();
    assert!(list.is_empty(), "{} findings: {list:#?}", list.len());
}

/// What was lost of the server it had sent before the next packet of it: calls that began
/// behind that have no gap.
#[test]
fn calls_that_began_behind_a_lost_segment_have_no_gap() {
    let path = fixtures().into_iter().find(|(n, _)| n.starts_with("grpc-tonic/")).unwrap().1;
    let all = packets(&path);
    let gaps = |packets: &[Owned]| {
        let r = run(packets, options(&[]));
        let of = r.findings.iter().filter(|f| f.finding.spec.code == "grpc.gap");
        of.map(|f| f.packets[0].0).collect::<Vec<_>>()
    };
    let without = |n: usize| [&all[..n], &all[n + 1..]].concat();
    // By packet 15, the acknowledgement of SETTINGS, one call has begun.
    assert_eq!(gaps(&without(14)).len(), 1);
    // Whatever is lost: who has a gap began before the packet of the same end behind it.
    let from_server = |p: &Owned| p.data[34..36] == 50051_u16.to_be_bytes();
    let mut seen = 0;
    for n in 3..all.len() {
        let behind: Vec<u64> = (n + 1..all.len())
            .filter(|i| from_server(&all[*i]) && all[*i].data.len() > 66)
            .map(|i| all[i].meta.id.0)
            .collect();
        if let (true, Some(behind)) = (from_server(&all[n]), behind.first()) {
            let gaps = gaps(&without(n));
            assert!(gaps.iter().all(|first| first < behind), "{n}: {gaps:?} {behind}");
            seen += gaps.len();
        }
    }
    assert!(seen > 5, "{seen}");
}

/// The calls: their streams, and what is said of each.
fn calls(packets: &[Owned]) -> BTreeMap<(u32, Option<u64>), String> {
    let r = run(packets, options(&[Level::Exchange]));
    let of = |(e, info): &(Event, ConversationInfo)| {
        let line = e.draft.detail.as_ref().map(|d| d.summary.clone());
        (e.draft.protocol == "grpc")
            .then(|| ((info.id.0, e.draft.stream), line.unwrap_or_default()))
    };
    r.events.iter().filter_map(of).collect()
}

#[test]
fn neighbours_that_were_recorded_in_the_wrong_order() {
    let mut swaps = 0;
    for name in ["grpc-grpcio", "grpc-statuses", "grpc-tonic"] {
        for (_, path) in fixtures().into_iter().filter(|(n, _)| n.starts_with(&format!("{name}/")))
        {
            let all = packets(&path);
            let whole = calls(&all);
            assert!(!whole.is_empty(), "{name}");
            for n in (6..all.len() - 1).step_by(3) {
                let mut swapped = all.clone();
                swapped.swap(n, n + 1);
                for (at, p) in swapped.iter_mut().enumerate() {
                    p.meta.id = all[at].meta.id;
                }
                let now = calls(&swapped);
                for (stream, line) in &whole {
                    let is = now.get(stream).map_or("nothing", |l| l.as_str());
                    assert!(
                        is.ends_with(" ns") == line.ends_with(" ns"),
                        "{name} {n}: {line}: {is}"
                    );
                    let captured = !is.contains("not captured");
                    assert!(captured, "{name}, {n} and the next swapped: {line}: {is}");
                }
                swaps += 1;
            }
        }
    }
    assert!(swaps > 30, "{swaps}");
}
