//! False alarms on recorded captures, counted: there are none.

use framescope::engine::Options;
use framescope::finding::Severity::Warning;

use crate::check;
use crate::support::{fixtures, packets};

/// Fixtures of which nothing at all of warning or error may be found, of any protocol.
const CLEAN: [&str; 22] = [
    "h2-curl",
    "transports",
    "ws-connect",
    "ws-connect-auth",
    "ws-deflate-no-takeover",
    "ws-deflate-window-bits",
    "ws-graphql",
    "ws-graphql-legacy",
    "ws-h2",
    "ws-h2-haproxy",
    "ws-heartbeat",
    "ws-ipv6",
    "ws-jsonrpc",
    "ws-mixed-ports",
    "ws-mqtt",
    "ws-proxy-chain",
    "ws-proxy-remasked",
    "ws-signalr",
    "ws-socketio",
    "ws-time",
    "ws-tungstenite",
    "ws-websockets",
];

/// Fixtures that were recorded to show something: why, and all that is found there of
/// warning or error.
const SHOWING: &[(&str, &str, &[&str])] = &[
    ("grpc-verdicts", "the client tries a port behind which the server is gone", &["tcp.refused"]),
    ("h2c-upgrade", "the script asks for a port before its server listens", &["tcp.refused"]),
    ("http-bodies", "the script asks for a port before its server listens", &["tcp.refused"]),
    (
        "http-snapped",
        "every packet is cut at 200 bytes",
        &["http.body-cut", "http.body-gap", "http1.gap", "tcp.gap"],
    ),
    ("http-sse", "streams are open when the connection ends", &["sse.cut"]),
    ("sse-h2", "streams are let go of before they end", &["http.reset"]),
    ("sse-many", "seven streams to one origin over HTTP/1.1", &["sse.too-many-streams"]),
    (
        "sse-resume",
        "the server goes in the middle of a stream",
        &["http.body-cut", "sse.cut", "sse.resume-gap"],
    ),
    (
        "ws-node-handshakes",
        "a rule of the handshake broken on each connection, by `ws` as it is told",
        &[
            "http1.upgrade-not-offered",
            "http1.upgrade-unnamed",
            "websocket.abnormal-closure",
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
            "websocket.subprotocol-not-offered",
            "websocket.token-in-query",
        ],
    ),
    (
        "ws-node-frames",
        "a rule of frames and closing broken on each connection, by the same",
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
        "a rule of permessage-deflate broken on each connection, by the same",
        &[
            "websocket.abnormal-closure",
            "websocket.closed-on-error",
            "websocket.inflate-error",
            "websocket.inflate-limit",
            "websocket.rsv1-misplaced",
            "websocket.tail-not-removed",
            "websocket.window-exceeded",
        ],
    ),
    (
        "ws-snapped",
        "every packet is cut at 320 bytes",
        &["tcp.gap", "websocket.beginning-missing", "websocket.context-lost", "websocket.gap"],
    ),
    (
        "ws-late",
        "the capture begins within a compressed session",
        &["websocket.extensions-unknown"],
    ),
    (
        "http-clients-faults",
        "what http.client and curl send as they are told",
        &[
            "http.bad-multipart",
            "http.body-cut",
            "http.client-left",
            "http.cors-refused",
            "http.parts-limit",
            "http1.bad-content-length",
            "http1.bad-field-line",
            "http1.bad-target",
            "http1.bad-transfer-coding",
            "http1.bare-cr",
            "http1.bare-lf",
            "http1.head-too-large",
            "http1.length-and-coding",
            "http1.no-host",
            "http1.obs-fold",
            "http1.repeated-content-length",
            "http1.space-before-colon",
            "http1.upgrade-not-in-connection",
            "websocket.bad-key",
            "websocket.bad-version",
        ],
    ),
    (
        "http-clients-leave",
        "clients that do not wait for their answer",
        &["http.body-cut", "http.client-left"],
    ),
    (
        "http-servers-faults",
        "what http.server answers as it is told",
        &[
            "http.bad-content-coding",
            "http.body-cut",
            "http.no-response",
            "http.server-error",
            "http1.bad-chunk",
            "http1.bad-start-line",
            "http1.bytes-after-close",
            "http1.coding-in-http10",
        ],
    ),
    ("http-faults-h2", "a length that is not that of the body", &["http.length-mismatch"]),
    (
        "sse-faults",
        "streams that are not as the specification has them",
        &[
            "http.server-error",
            "sse.bad-retry",
            "sse.charset",
            "sse.not-utf8",
            "sse.nul-in-id",
            "sse.status",
            "sse.value-limit",
        ],
    ),
    ("tcp-opaque", "a port that nobody listens on", &["tcp.refused"]),
    (
        "ws-abnormal",
        "ends without a close frame, in three ways",
        &["websocket.abnormal-closure", "websocket.truncated"],
    ),
    (
        "ws-careless",
        "one bad habit a connection",
        &[
            "websocket.markup",
            "websocket.message-over-limit",
            "websocket.message-rate",
            "websocket.no-heartbeat",
            "websocket.plaintext",
            "websocket.plaintext-credentials",
            "websocket.token-in-query",
        ],
    ),
    (
        "ws-close-codes",
        "closed because of text that is no UTF-8",
        &["websocket.bad-utf8", "websocket.closed-on-error"],
    ),
    ("ws-crowd", "forty connections of one address in a moment", &["websocket.many-connections"]),
    (
        "ws-declined",
        "handshakes that a server declines",
        &["websocket.bad-key", "websocket.bad-version"],
    ),
    (
        "ws-h2-ends",
        "streams that end without a close frame",
        &["websocket.abnormal-closure", "websocket.stream-without-close"],
    ),
    (
        "ws-h2-node",
        "streams and connections that end without a close frame",
        &["websocket.abnormal-closure", "websocket.stream-without-close"],
    ),
    (
        "ws-idle-proxies",
        "nginx and haproxy end what is silent",
        &["websocket.abnormal-closure", "websocket.no-heartbeat"],
    ),
    ("ws-idle-timeout", "a proxy ends what is silent", &["websocket.abnormal-closure"]),
    (
        "ws-ping-timeout",
        "a client that answers no ping",
        &[
            "websocket.abnormal-closure",
            "websocket.closed-on-error",
            // The one and the other connection are masked alike.
            "websocket.repeated-masking-key",
            "websocket.unanswered-ping",
        ],
    ),
    (
        "ws-subprotocol",
        "a page of http://example.com, with a cookie, to 127.0.0.1",
        &["websocket.cross-site"],
    ),
    (
        "ws-tungstenite-faults",
        "frames with heads of their own, and a library that goes without a close frame",
        &[
            "websocket.abnormal-closure",
            "websocket.bad-close-code",
            "websocket.bad-utf8",
            "websocket.closed-on-error",
            "websocket.control-too-long",
            "websocket.fragmented-control",
            "websocket.frame-after-close",
            "websocket.interleaved-message",
            "websocket.orphan-continuation",
            "websocket.reserved-opcode",
            "websocket.rsv-without-extension",
            "websocket.server-masked",
            "websocket.unassigned-close-code",
            "websocket.unfinished-message",
        ],
    ),
    (
        "ws-violations",
        "a rule broken on each connection",
        &[
            "websocket.abnormal-closure",
            "websocket.accept-mismatch",
            "websocket.bad-close-code",
            "websocket.bad-utf8",
            "websocket.client-unmasked",
            "websocket.close-one-byte",
            "websocket.closed-on-error",
            "websocket.control-too-long",
            "websocket.fragmented-control",
            "websocket.frame-after-close",
            "websocket.interleaved-message",
            "websocket.length-not-minimal",
            "websocket.length-top-bit",
            "websocket.orphan-continuation",
            "websocket.repeated-masking-key",
            "websocket.reserved-opcode",
            "websocket.rsv-without-extension",
            "websocket.server-masked",
            "websocket.truncated",
            "websocket.unfinished-message",
            "websocket.zero-masking-key",
        ],
    ),
];

/// Whose findings are counted here on every fixture.
const OURS: [&str; 5] = ["websocket.", "http.", "http1.", "sse.", "tcp."];

#[test]
fn no_false_alarms_on_fixtures() {
    let (mut alarms, mut clean, mut shown) = (Vec::new(), 0, 0);
    for (name, path) in fixtures() {
        let fixture = name.split('/').next().unwrap();
        let mut found = check(&packets(&path), Options::default());
        found.retain(|f| f.1 >= Warning);
        if CLEAN.contains(&fixture) {
            clean += 1;
            alarms.extend(found.iter().map(|f| format!("{name}: {f:?}")));
        }
        let ours: Vec<&str> =
            found.iter().map(|f| f.0).filter(|c| OURS.iter().any(|o| c.starts_with(o))).collect();
        match SHOWING.iter().find(|(n, ..)| *n == fixture) {
            Some((_, why, want)) => {
                shown += 1;
                assert_eq!(ours, *want, "{name}: {why}");
            }
            None => alarms.extend(ours.iter().map(|c| format!("{name}: {c}"))),
        }
    }
    assert_eq!((clean, shown), (CLEAN.len(), SHOWING.len()));
    assert!(alarms.is_empty(), "{} false alarms: {alarms:#?}", alarms.len());
}
