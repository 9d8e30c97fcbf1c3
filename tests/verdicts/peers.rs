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

/// By fixture: what real peers do there. One fixture is named for each; others may show it, too.
const SHOWN: &[(&str, &[&str])] = &[
    (
        "ws-node-handshakes",
        &[
            "http1.upgrade-not-offered",
            "http1.upgrade-unnamed",
            "websocket.accept-mismatch",
            "websocket.bad-extension",
            "websocket.bad-key",
            "websocket.bad-offer",
            "websocket.bad-request",
            "websocket.bad-response",
            "websocket.bad-status",
            "websocket.bad-version",
            "websocket.cross-site",
            "websocket.extension-mismatch",
            "websocket.extension-not-offered",
            "websocket.no-authentication",
            "websocket.subprotocol-not-offered",
            "websocket.token-in-query",
            "websocket.unknown-extension",
        ],
    ),
    (
        "ws-node-frames",
        &[
            "websocket.abnormal-closure",
            "websocket.bad-close-code",
            "websocket.bad-utf8",
            "websocket.client-unmasked",
            "websocket.close-one-byte",
            "websocket.closed-on-error",
            "websocket.control-too-long",
            "websocket.fragmented-control",
            "websocket.frame-after-close",
            "websocket.interleaved-message",
            "websocket.orphan-continuation",
            "websocket.repeated-masking-key",
            "websocket.reserved-opcode",
            "websocket.rsv-without-extension",
            "websocket.server-masked",
            "websocket.unanswered-ping",
            "websocket.unassigned-close-code",
            "websocket.unfinished-message",
            "websocket.zero-masking-key",
        ],
    ),
    (
        "ws-node-deflate",
        &[
            "websocket.inflate-error",
            "websocket.inflate-limit",
            "websocket.rsv1-misplaced",
            "websocket.tail-not-removed",
            "websocket.window-exceeded",
        ],
    ),
    ("ws-snapped", &["websocket.beginning-missing", "websocket.context-lost", "websocket.gap"]),
    ("ws-late", &["websocket.extensions-unknown", "websocket.unsynchronised"]),
    ("ws-abnormal", &["websocket.truncated"]),
    (
        "ws-careless",
        &[
            "websocket.markup",
            "websocket.message-over-limit",
            "websocket.message-rate",
            "websocket.plaintext",
            "websocket.plaintext-credentials",
        ],
    ),
    ("ws-idle-proxies", &["websocket.no-heartbeat", "websocket.paired-leg"]),
    ("ws-crowd", &["websocket.many-connections"]),
    ("ws-h2-node", &["websocket.stream-without-close"]),
    ("http-clients-leave", &["http.answered-early", "http.client-left"]),
    (
        "http-clients-faults",
        &[
            "http.bad-multipart",
            "http.body-cut",
            "http.cors-preflight",
            "http.cors-refused",
            "http.parts-limit",
            "http1.bad-content-length",
            "http1.bad-field-line",
            "http1.bad-target",
            "http1.bad-transfer-coding",
            "http1.bare-cr",
            "http1.bare-lf",
            "http1.body-withheld",
            "http1.head-cut",
            "http1.head-too-large",
            "http1.leading-crlf",
            "http1.length-and-coding",
            "http1.no-host",
            "http1.obs-fold",
            "http1.repeated-content-length",
            "http1.response-without-request",
            "http1.space-before-colon",
            "http1.upgrade-not-in-connection",
        ],
    ),
    (
        "http-servers-faults",
        &[
            "http.bad-content-coding",
            "http.coding-padding",
            "http.no-response",
            "http.request-not-captured",
            "http.server-error",
            "http.too-many-requests",
            "http.unknown-content-coding",
            "http1.bad-chunk",
            "http1.bad-start-line",
            "http1.body-cut",
            "http1.bytes-after-close",
            "http1.coding-in-http10",
        ],
    ),
    ("http-faults-h2", &["http.length-mismatch"]),
    ("http-snapped", &["http.body-gap", "http1.gap"]),
    ("http-polling", &["http.polling"]),
    ("http-long-polling", &["http.long-polling"]),
    (
        "sse-faults",
        &[
            "sse.bad-retry",
            "sse.cacheable",
            "sse.charset",
            "sse.no-data",
            "sse.not-utf8",
            "sse.nul-in-id",
            "sse.status",
            "sse.unknown-field",
            "sse.value-limit",
        ],
    ),
    ("sse-h2", &["http.reset"]),
    ("sse-many", &["sse.too-many-streams"]),
    ("sse-resume", &["sse.cut", "sse.no-last-event-id", "sse.resume-gap", "sse.resumed"]),
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
    let shown = SHOWN.iter().flat_map(|(_, codes)| codes.iter().copied());
    let by_hand = BY_HAND.iter().map(|(code, ..)| *code);
    let nobody = NOBODY.iter().map(|(code, _)| *code);
    let mut told = BTreeSet::new();
    for code in shown.chain(by_hand).chain(nobody) {
        assert!(told.insert(code.to_owned()), "{code} is told twice");
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

    let mut want: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (fixture, codes) in SHOWN {
        want.entry(fixture).or_default().extend(*codes);
    }
    for (code, fixture, _) in BY_HAND {
        want.entry(fixture).or_default().push(code);
    }
    for (name, path) in fixtures() {
        let Some(codes) = want.remove(name.split('/').next().unwrap()) else { continue };
        let found = check(&packets(&path), Options::default());
        let lacks: Vec<_> =
            codes.iter().filter(|c| !found.iter().any(|(code, ..)| code == *c)).collect();
        assert!(lacks.is_empty(), "{name} does not show {lacks:?}");
    }
    assert!(want.is_empty(), "no such fixtures: {:?}", want.keys());
}
