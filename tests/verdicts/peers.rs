//! Which real peer does what is found: each finding of WebSocket and of the HTTP around it
//! has a fixture in which a library, a server or a program in daily use does it, or the
//! reason why none can be made to.

use std::collections::{BTreeMap, BTreeSet};

use framescope::engine::Options;

use crate::check;
use crate::crafted::LIST;
use crate::support::{fixtures, packets, root};

/// Whose findings these are.
const OURS: [&str; 4] = ["websocket.", "http.", "http1.", "sse."];

/// Fixtures in which real peers do what is found there. What that is stands with the fixture, and
/// what of it is more than a note in `alarms.rs`.
const PEERS: &[&str] = &[
    "http-clients-faults",
    "http-faults-h2",
    "http-long-polling",
    "http-polling",
    "http-servers-faults",
    "http-snapped",
    "sse-faults",
    "sse-h2",
    "sse-many",
    "sse-resume",
    "ws-abnormal",
    "ws-careless",
    "ws-crowd",
    "ws-h2-node",
    "ws-idle-proxies",
    "ws-late",
    "ws-node-deflate",
    "ws-node-frames",
    "ws-node-handshakes",
    "ws-snapped",
];

/// What no library can be made to do, and a client of plain sockets does to a real server:
/// the fixture, and why.
const BY_HAND: &[(&str, &str, &str)] = &[
    (
        "websocket.length-not-minimal",
        "ws-violations",
        "each library computes the form of a length from the length; none takes it as an option",
    ),
    (
        "websocket.length-top-bit",
        "ws-violations",
        "the same; and nobody holds a payload of 2^63 bytes",
    ),
];

/// What no capture of a peer can show, and why.
const NOBODY: &[(&str, &str)] = &[
    (
        "http.inflate-limit",
        "a limit of this program: 64 MiB that come out of less than 2 MiB, anew in each run",
    ),
    (
        "http1.too-many-requests",
        "a limit of this program: no client sends 1024 requests before it has an answer",
    ),
    ("sse.event-limit", "a limit of this program: one event of more than 16 MiB"),
    ("sse.gap", "it is the capture that lacks bytes of a stream, whoever sends it"),
    (
        "websocket.uncounted-addresses",
        "a limit of this program: sessions of more than 4096 addresses at once",
    ),
];

/// The codes of `docs/FINDINGS.md`, which has all that there are.
fn codes() -> BTreeSet<String> {
    let list = std::fs::read_to_string(root().join("docs/FINDINGS.md")).unwrap();
    let codes = list.lines().filter_map(|l| l.strip_prefix("| `")?.split_once('`'));
    codes
        .map(|(code, _)| code.to_owned())
        .filter(|code| OURS.iter().any(|o| code.starts_with(o)))
        .collect()
}

#[test]
fn each_finding_is_shown_by_a_real_peer_or_it_is_said_why_not() {
    let mut of = BTreeMap::new();
    for (name, path) in fixtures() {
        let fixture = name.split('/').next().unwrap();
        if PEERS.contains(&fixture) || BY_HAND.iter().any(|(_, f, _)| *f == fixture) {
            let found = check(&packets(&path), Options::default());
            let codes = found.iter().map(|f| f.0.to_owned());
            let ours = codes.filter(|code| OURS.iter().any(|o| code.starts_with(o)));
            of.insert(fixture.to_owned(), ours.collect::<BTreeSet<String>>());
        }
    }
    let mut told = BTreeSet::new();
    for fixture in PEERS {
        told.extend(of.get(*fixture).expect(fixture).iter().cloned());
    }
    for (code, fixture, _) in BY_HAND {
        assert!(of.get(*fixture).expect(fixture).contains(*code), "{fixture} does not show {code}");
    }
    let by_hand = BY_HAND.iter().map(|(code, ..)| *code);
    for code in by_hand.chain(NOBODY.iter().map(|(code, _)| *code)) {
        assert!(told.insert(code.to_owned()), "a real peer shows {code}");
    }
    let all = codes();
    assert!(all.len() > 100, "only {} findings were found", all.len());
    let missing: Vec<_> = all.difference(&told).collect();
    let gone: Vec<_> = told.difference(&all).collect();
    assert!(missing.is_empty() && gone.is_empty(), "in no list: {missing:?}; no more: {gone:?}");
    // What the crafted captures show must have been seen of a peer.
    for code in LIST {
        assert!(!NOBODY.iter().any(|(c, _)| *c == code), "{code}");
    }
}
