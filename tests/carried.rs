//! What is carried by something else is read as if it stood alone: behind PROXY
//! headers, in CONNECT tunnels, in the segment of a 101. Real conversations are put
//! behind such a beginning, and must give the same messages.

mod support;

use framescope::event::{Level, Payload};
use framescope::link::TcpFlags;
use support::{Run, Segment, options, pack, packets, root, run, segments};

/// The fixture's one conversation with bytes before those of either direction.
fn behind(fixture: &str, up: &[u8], down: &[u8]) -> Vec<Segment> {
    let mut all = segments(&packets(&root().join("fixtures").join(fixture))).unwrap();
    let client = all[0].from;
    let syn = |s: &Segment| s.flags & TcpFlags::SYN != 0;
    let first = all.iter().position(|s| !syn(s)).unwrap();
    let [c, s] = [client, all[0].to].map(|end| {
        let mut t = all.iter().find(|t| syn(t) && t.from == end).unwrap().clone();
        t.flags = TcpFlags::ACK;
        t.seq = t.seq.wrapping_add(1);
        t.scale = None;
        t.time = all[first].time;
        t
    });
    let (n, m) = (u32::try_from(up.len()).unwrap(), u32::try_from(down.len()).unwrap());
    for t in all.iter_mut().filter(|t| !syn(t)) {
        let (mine, theirs) = if t.from == client { (n, m) } else { (m, n) };
        t.seq = t.seq.wrapping_add(mine);
        t.ack = t.ack.wrapping_add(theirs);
    }
    let ask = Segment { data: up.to_vec(), ack: s.seq, ..c.clone() };
    let answer = Segment { data: down.to_vec(), ack: c.seq.wrapping_add(n), ..s };
    let beginning = [ask, answer].into_iter().filter(|s| !s.data.is_empty());
    all.splice(first..first, beginning);
    all
}

fn read(segments: &[Segment]) -> Run {
    run(&pack(segments), options(&[Level::Message]))
}

/// The messages and exchanges of WebSocket and gRPC, and what was found of them.
fn gist(run: &Run) -> Vec<String> {
    run.events
        .iter()
        .map(|(e, _)| &e.draft)
        .filter(|d| matches!(d.protocol, "websocket" | "grpc") && d.level != Level::Frame)
        .map(|d| {
            let payload = d.detail.as_ref().map_or(&Payload::None, |d| &d.payload);
            let codes: Vec<_> = d.findings.iter().map(|f| f.spec.code).collect();
            let (kind, who, n) = (d.kind, d.sender, d.length);
            format!("{kind} {who:?} {:?} {n} {} {codes:?} {payload:?}", d.stream, d.complete)
        })
        .collect()
}

const ASK: &[u8] = b"CONNECT server.example:80 HTTP/1.1\r\nHost: server.example:80\r\n\r\n";
const AGREED: &[u8] = b"HTTP/1.1 200 Connection established\r\n\r\n";
const V1: &[u8] = b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\n";
const V2: &[u8] =
    b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c\xc0\0\x02\x07\xc6\x33\x64\x01\xdc\x04\x01\xbb";

#[test]
fn what_is_carried_reads_as_if_it_stood_alone() {
    for fixture in [
        "ws-tungstenite/capture.pcap",
        "ws-websockets/capture.pcap",
        "grpc-tonic/capture.pcap",
        "grpc-gzip/capture.pcap",
    ] {
        let alone = read(&behind(fixture, b"", b""));
        let want = gist(&alone);
        assert!(want.len() > 10, "{fixture}");
        for (how, up, down, events) in [
            (
                "connect",
                ASK.to_vec(),
                AGREED,
                ["http request", "http response", "http exchange"].as_slice(),
            ),
            ("v1", V1.to_vec(), b"".as_slice(), &["proxy header"]),
            ("v2", V2.to_vec(), b"", &["proxy header"]),
            ("two proxies", [V2, V1].concat(), b"", &["proxy header", "proxy header"]),
            (
                "all",
                [V1, ASK].concat(),
                AGREED,
                &["proxy header", "http request", "http response", "http exchange"],
            ),
        ] {
            let r = read(&behind(fixture, &up, down));
            assert_eq!(gist(&r), want, "{fixture} behind {how}");
            let first: Vec<_> = r.events[..events.len()]
                .iter()
                .map(|(e, _)| format!("{} {}", e.draft.protocol, e.draft.kind))
                .collect();
            assert_eq!(first, events, "{fixture} behind {how}");
            let ended = &r.ended[0];
            assert_eq!(ended.ledger.opaque, alone.ended[0].ledger.opaque, "{fixture} behind {how}");
            assert_eq!(r.findings.len(), alone.findings.len(), "{fixture} behind {how}");
        }
    }
}

/// Segments that carry data joined with the one before of the same sender, as far as
/// `joins` says so of the two.
fn joined(all: Vec<Segment>, joins: impl Fn(&[u8], &[u8]) -> bool) -> Vec<Segment> {
    let mut out: Vec<Segment> = Vec::new();
    for s in all {
        let last = out.iter_mut().rev().find(|t| t.from == s.from && !t.data.is_empty());
        match last {
            Some(t) if !s.data.is_empty() && joins(&t.data, &s.data) => {
                t.data.extend(s.data);
                t.flags |= s.flags;
            }
            _ => out.push(s),
        }
    }
    out
}

/// A head that begins so, and nothing behind it.
fn is_head(data: &[u8], begin: &[u8]) -> bool {
    data.starts_with(begin) && data.ends_with(b"\r\n\r\n")
}

#[test]
fn frames_come_in_the_segment_of_the_101_and_before_it() {
    for fixture in ["ws-tungstenite/capture.pcap", "ws-websockets/capture.pcap"] {
        let all = behind(fixture, b"", b"");
        let want = gist(&read(&all));
        // What the server sends first, behind its 101.
        let server = joined(all.clone(), |before, _| is_head(before, b"HTTP/1.1 101"));
        assert!(server.len() < all.len());
        let mut got = gist(&read(&server));
        let mut sorted = want.clone();
        got.sort();
        sorted.sort();
        assert_eq!(got, sorted, "{fixture}: behind the 101");
        // What the client sends first, in the segment of its request: before the 101.
        let client = joined(all.clone(), |before, _| is_head(before, b"GET "));
        assert!(client.len() < all.len());
        let mut got = gist(&read(&client));
        got.sort();
        assert_eq!(got, sorted, "{fixture}: before the 101");
    }
}

/// The text of the findings that pair legs, by conversation.
fn pairs(fixture: &str) -> Vec<String> {
    let packets = packets(&root().join("fixtures").join(fixture));
    let r = run(&packets, options(&[]));
    let legs = r.findings.iter().filter(|f| f.finding.spec.code == "websocket.paired-leg");
    legs.map(|f| f.finding.detail.as_deref().unwrap().to_owned()).collect()
}

#[test]
fn the_legs_of_real_proxies_are_paired() {
    let has = |fixture: &str, n: usize, texts: &[&str]| {
        let found = pairs(fixture);
        assert_eq!(found.len(), n, "{fixture}: {found:?}");
        for t in texts {
            assert!(found.iter().all(|f| f.contains(t)), "{fixture}: {t} is not in {found:?}");
        }
    };
    let key = "the same Sec-WebSocket-Key";
    let named = "the PROXY header names its client";
    has("ws-proxy-v1/capture.pcap", 2, &["layer 4 (the same bytes)", key, named]);
    let head = "layer 7 for the handshake, then the same bytes";
    has("ws-proxy-v2/capture.pcap", 2, &[head, key, named, "X-Forwarded-For names its client"]);
    has("ws-connect/capture.pcap", 2, &["layer 4 (the same bytes)", key]);
    has("ws-connect-auth/capture.pcap", 2, &["layer 4 (the same bytes)", key]);
    has("ws-proxy-chain/capture.pcap", 4, &["layer 4 (the same bytes)", key, "the PROXY header"]);
    // HTTP/2 on one side: the key is that of HTTP/1.1 alone.
    has("ws-h2-haproxy/capture.pcap", 6, &[head]);
    has("ws-proxy-remasked/capture.pcap", 4, &["layer 7 (re-masked)", "10 messages compared"]);
    has("ws-idle-timeout/capture.pcap", 2, &["layer 4 (the same bytes)", key]);
    // haproxy for one client, nginx for the other.
    has("ws-idle-proxies/capture.pcap", 4, &["the same bytes", key]);
    for (name, path) in support::fixtures() {
        let proxied =
            ["ws-proxy", "ws-connect", "ws-h2-haproxy", "ws-idle-timeout", "ws-idle-proxies"]
                .iter()
                .any(|p| name.starts_with(p));
        if !proxied {
            assert_eq!(pairs(path.to_str().unwrap()), [""; 0], "{name}");
        }
    }
}
