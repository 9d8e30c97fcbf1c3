//! TLS with its secrets: what is inside is what the plain twin says, whatever is wrong with
//! the keys nothing breaks, and behind a hole records are found again.

mod support;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use framescope::base::PacketId;
use framescope::engine::{ConversationInfo, Engine, Options};
use framescope::event::{Event, Level, Payload};
use framescope::link::TcpFlags;
use framescope::proto::Secrets;
use framescope::proto::secrets::{Asked, Came, Label, Tried};
use proptest::prelude::*;
use serde_json::Value;
use support::{NUMBERED, Owned, Segment, as_json, gist, pack, packets, root, run, secrets};

const TWINS: [&str; 7] = [
    "tls13-openssl",
    "tls12-openssl",
    "tls12-cbc",
    "tls-old",
    "tls-node",
    "tls-rustls",
    "tls-http1",
];

fn fixture(name: &str, file: &str) -> PathBuf {
    root().join("fixtures").join(name).join(file)
}

fn encrypted(name: &str) -> Vec<Owned> {
    packets(&fixture(name, "capture.pcapng.zst"))
}

fn with(secrets: &Arc<Secrets>) -> Options {
    Options { secrets: Arc::clone(secrets), ..Options::default() }.wanting(&NUMBERED)
}

/// What an event says of what was sent, on whichever connection.
fn said(event: &Event, info: &ConversationInfo) -> Value {
    let mut v = gist(event, info);
    let o = v.as_object_mut().unwrap();
    for k in ["conversation", "from", "to"] {
        o.remove(k);
    }
    // How long it took is another thing, too, and so is which window updates of the peer
    // had come by then.
    if let Some(fields) = o.get_mut("fields").and_then(Value::as_object_mut) {
        fields.remove("http.time");
        fields.remove("grpc.why");
        fields.retain(|k, _| !k.starts_with("http2.window."));
    }
    v
}

/// Of each conversation, what was said above TCP and TLS, level by level.
fn inside(packets: &[Owned], options: Options) -> Vec<Vec<Value>> {
    let mut all: BTreeMap<u32, Vec<Value>> = BTreeMap::new();
    for (e, info) in &run(packets, options).events {
        if !["tcp", "tls"].contains(&e.draft.protocol) {
            all.entry(info.id.0).or_default().push(said(e, info));
        }
    }
    let mut all: Vec<_> = all.into_values().collect();
    for events in &mut all {
        // How the two directions interleave is another thing on another connection.
        events.sort_by_cached_key(|e| {
            let key = |k: &str| e.get(k).map(Value::to_string).unwrap_or_default();
            [key("level"), key("sender"), key("stream"), key("protocol")].join(" ")
        });
    }
    all
}

#[test]
fn events_are_those_of_the_plain_twin() {
    for name in TWINS {
        let sealed = encrypted(name);
        let plain = packets(&fixture(name, "plain.pcap.zst"));
        let (a, b) = (inside(&sealed, with(secrets())), inside(&plain, with(secrets())));
        assert_eq!(a.len(), b.len(), "{name}: conversations");
        assert!(a.len() >= 8, "{name}: {} conversations", a.len());
        for (n, (a, b)) in a.iter().zip(&b).enumerate() {
            for (x, y) in a.iter().zip(b) {
                assert_eq!(x, y, "{name}: conversation {n}");
            }
            assert_eq!(a.len(), b.len(), "{name}: conversation {n}");
            assert!(a.len() > 10, "{name}: conversation {n} has {} events", a.len());
        }
        let count = |protocol: &str, kind: &str| {
            let is = |e: &&Value| e["protocol"] == protocol && e["kind"] == kind;
            a.iter().flatten().filter(is).count()
        };
        if name == "tls-http1" {
            // Of each tunnel seven requests and two streams, of five events each.
            assert_eq!((count("http", "exchange"), count("sse", "stream")), (4 * 9, 4 * 2));
            assert_eq!(count("sse", "event"), 4 * 10);
        } else {
            assert!(count("websocket", "session") >= 4 && count("grpc", "call") >= 12, "{name}");
        }
    }
}

/// The values of a field in all sessions.
fn sessions(packets: &[Owned], options: Options, field: &str) -> Vec<Value> {
    let run = run(packets, options);
    let of = |(e, info): &(Event, ConversationInfo)| {
        (e.draft.kind == "session" && e.draft.protocol == "tls")
            .then(|| as_json(e, info)["fields"][field].clone())
    };
    run.events.iter().filter_map(of).collect()
}

#[test]
fn every_suite_is_there_and_every_record_is_opened() {
    let mut suites = Vec::new();
    for name in TWINS {
        let packets = encrypted(name);
        suites.extend(sessions(&packets, with(secrets()), "tls.ciphersuite"));
        let closed = sessions(&packets, with(secrets()), "tls.unopened_records");
        assert!(closed.iter().all(Value::is_null), "{name}: {closed:?}");
    }
    suites.sort_by_key(Value::as_u64);
    suites.dedup();
    let numbers: Vec<u64> = suites.iter().filter_map(Value::as_u64).collect();
    for suite in [
        0x1301, 0x1302, 0x1303, 0x1304, 0x1305, 0xc009, 0xc00a, 0xc023, 0xc024, 0xc02b, 0xc02c,
        0xc0ac, 0xc0ad, 0xc0ae, 0xc0af, 0xcca9,
    ] {
        assert!(numbers.contains(&suite), "{suite:#06x} of {numbers:x?}");
    }
}

/// Without secrets, each connection says which it wants; nothing inside is shown.
#[test]
fn without_secrets_each_connection_says_so_once() {
    let packets = encrypted("tls13-openssl");
    let run = run(&packets, with(&Arc::default()));
    let told: Vec<_> =
        run.findings.iter().filter(|f| f.finding.spec.code == "tls.no-secret").collect();
    assert_eq!(told.len(), 10);
    for f in told {
        let text = f.finding.detail.as_deref().unwrap();
        for word in
            ["client random ", "SSLKEYLOGFILE", "--tls-keylog", "KeyLogWriter", "KeyLogFile"]
        {
            assert!(text.contains(word), "{text}");
        }
    }
    assert!(run.events.iter().all(|(e, _)| ["tls", "tcp"].contains(&e.draft.protocol)));
}

/// No output has a byte of a secret in hex, base64, or as it is.
#[test]
fn nothing_tells_a_secret() {
    let packets = encrypted("tls12-openssl");
    let run = run(&packets, with(secrets()));
    let mut out = String::new();
    for (e, info) in &run.events {
        out.push_str(&as_json(e, info).to_string());
    }
    for f in &run.findings {
        out.push_str(f.finding.detail.as_deref().unwrap_or_default());
    }
    out.push_str(&format!("{:?}", secrets()));
    for random in secrets().randoms() {
        for line in secrets().lines(&[random]).lines() {
            let secret = line.rsplit(' ').next().unwrap();
            assert!(!out.contains(&secret[..24]), "{line}");
        }
    }
}

/// The randoms of the sessions of a capture.
fn randoms(packets: &[Owned]) -> Vec<[u8; 32]> {
    let run = run(packets, with(secrets()));
    let mut all: Vec<_> = run.ended.iter().flat_map(|c| c.secrets.clone()).collect();
    all.sort_unstable();
    all.dedup();
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Wrong secrets of any length open nothing, show nothing, and break nothing.
    #[test]
    fn wrong_secrets_open_nothing(
        wrong in proptest::collection::vec(any::<u8>(), 1..140),
        fixture in 0..5_usize,
    ) {
        let packets = encrypted(TWINS[fixture]);
        let secrets = Arc::new(Secrets::default());
        for random in randoms(&packets) {
            for label in Label::ALL {
                let line = format!("{} {} {}\n", label.name(), hex(&random), hex(&wrong));
                secrets.add(line.as_bytes());
            }
        }
        let run = run(&packets, with(&secrets));
        for (e, _) in &run.events {
            prop_assert!(["tls", "tcp"].contains(&e.draft.protocol), "{}", e.draft.protocol);
        }
        prop_assert!(run.findings.iter().any(|f| f.finding.spec.code == "tls.wrong-secret"));
    }
}

/// The packets of one conversation, by the order in which they come.
fn conversation(packets: &[Owned], n: usize) -> Vec<Owned> {
    let run = run(packets, with(secrets()));
    let mut ports: Vec<u16> = Vec::new();
    for (e, info) in &run.events {
        if e.draft.protocol == "tls" && !ports.contains(&info.ends[0].port()) {
            ports.push(info.ends[0].port());
        }
    }
    let port = ports[n].to_be_bytes();
    // Ethernet and IPv4 without options: the ports lie at 34 and 36.
    let of = |p: &&Owned| p.data.get(34..36) == Some(&port) || p.data.get(36..38) == Some(&port);
    packets.iter().filter(of).cloned().collect()
}

/// Any packet that is lost costs what was in it and no more: what comes behind it is
/// opened again, and nothing is shown that was not said.
#[test]
fn behind_a_hole_records_are_found_again() {
    for (name, n) in [
        ("tls13-openssl", 0),
        ("tls13-openssl", 3),
        ("tls12-openssl", 0),
        ("tls12-openssl", 4),
        ("tls12-cbc", 0),
        ("tls12-cbc", 2),
        ("tls-old", 6),
    ] {
        let whole = conversation(&encrypted(name), n);
        let before = inside(&whole, with(secrets()));
        let texts = |all: &[Vec<Value>]| -> Vec<Value> {
            let messages =
                |e: &&Value| e["level"] == "message" && e["complete"] != Value::Bool(false);
            all.iter().flatten().filter(messages).map(|e| e["payload"].clone()).collect()
        };
        let known = texts(&before);
        let mut opened_behind = 0;
        let mut tried = 0;
        // Behind the handshake, each packet with data once.
        for lost in 12..whole.len() {
            if whole[lost].data.len() <= 66 {
                continue;
            }
            let mut rest = whole.clone();
            rest.remove(lost);
            let after = run(&rest, with(secrets()));
            tried += 1;
            let found = after.findings.iter().any(|f| f.finding.spec.code == "tls.sequence-lost");
            assert!(!found, "{name} {n}: packet {lost}");
            let all = inside(&rest, with(secrets()));
            for t in texts(&all) {
                assert!(known.contains(&t) || t.is_null(), "{name} {n}: packet {lost}: {t}");
            }
            let closed = sessions(&rest, with(secrets()), "tls.unopened_records");
            opened_behind += usize::from(closed.iter().all(Value::is_null));
        }
        assert!(tried >= 6, "{name} {n}: {tried}");
        assert_eq!(opened_behind, tried, "{name} {n}");
    }
}

/// Joined behind the handshake: of TLS 1.3 any session of the key log that fits is found.
#[test]
fn a_session_is_found_without_its_hellos() {
    for n in [0, 2, 4] {
        let whole = conversation(&encrypted("tls13-openssl"), n);
        // The first seven packets have the handshake of TCP and the two hellos.
        let joined: Vec<Owned> = whole.iter().skip(14).cloned().collect();
        let opened = sessions(&joined, with(secrets()), "tls.ciphersuite");
        assert_eq!(opened.len(), 1, "{n}");
        assert!(opened[0].as_u64().is_some_and(|s| s >> 8 == 0x13), "{n}: {opened:?}");
    }
}

/// A connection of TLS 1.3 with its own keys, and the application data of each record.
struct Sealed {
    segments: Vec<Segment>,
    keys: Arc<Secrets>,
    client: u16,
    /// Which segments it lies in, and what it is.
    records: Vec<([usize; 2], Vec<u8>)>,
}

impl Sealed {
    /// Each connection of a fixture.
    fn all(name: &str) -> Vec<Self> {
        let all = support::segments(&encrypted(name)).unwrap();
        let begins = |s: &&Segment| s.flags & (TcpFlags::SYN | TcpFlags::ACK) == TcpFlags::SYN;
        let clients: Vec<u16> = all.iter().filter(begins).map(|s| s.from.1).collect();
        let of = |port| move |s: &&Segment| s.from.1 == port || s.to.1 == port;
        let each = clients.into_iter().map(|c| all.iter().filter(of(c)).cloned().collect());
        let mut each: Vec<Vec<Segment>> = each.collect();
        // Ports by which the client is taken for the server, where nothing else tells.
        for segments in each.iter_mut().step_by(2) {
            let client = segments[0].from.1;
            for s in segments {
                for end in [&mut s.from, &mut s.to] {
                    end.1 = if end.1 == client { 2000 } else { 60_000 };
                }
            }
        }
        each.into_iter().filter_map(Self::of).collect()
    }

    fn of(segments: Vec<Segment>) -> Option<Self> {
        let whole = pack(&segments);
        let all = run(&whole, with(secrets()));
        let lines = secrets().lines(&all.ended.first()?.secrets);
        // Of TLS 1.2 the keys are made of both hellos, which are not there then.
        let keys = lines.contains("TRAFFIC_SECRET_0").then(|| taken(lines.as_bytes()))?;
        let mut records = Vec::new();
        for (e, info) in &all.events {
            let Some(detail) = e.draft.detail.as_ref().filter(|_| e.draft.kind == "record") else {
                continue;
            };
            let v = as_json(e, info);
            if v["fields"]["tls.record.keys"] == "handshake" {
                records.clear();
            }
            let is_data = v["fields"]["tls.record.content_type"] == 23;
            if let (true, Payload::Bytes(b)) = (is_data, &detail.payload) {
                let at = [e.draft.start.packet, e.draft.end.packet].map(|p| p.0 as usize - 1);
                records.push((at, b.clone()));
            }
        }
        let (_, info) = all.events.first()?;
        let client = info.ends[0].port();
        records.sort_by_key(|(at, _)| at[1]);
        Some(Self { segments, keys, client, records })
    }

    /// What is left where each direction begins at its own segment; and the same in clear.
    /// `None` where a record is cut.
    fn joined(&self, up: usize, down: usize) -> Option<[Vec<Owned>; 2]> {
        let of = |s: &Segment| if s.from.1 == self.client { up } else { down };
        let kept = |i: usize| self.segments.get(i).is_some_and(|s| i >= of(s));
        let mut plain: Vec<Segment> = Vec::new();
        let mut seq = [1_u32; 2];
        let mut sealed = Vec::new();
        for (i, s) in self.segments.iter().enumerate() {
            let [own, peer] = if s.from.1 == self.client { [0, 1] } else { [1, 0] };
            if !kept(i) {
                // Its bytes were sent, and the peer says that it has them.
                let ends = self.records.iter().filter(|([_, last], _)| *last == i);
                seq[own] += ends.map(|(_, data)| data.len() as u32).sum::<u32>();
                continue;
            }
            sealed.push(s.clone());
            for ([first, last], data) in &self.records {
                if *last == i {
                    if !kept(*first) {
                        return None;
                    }
                    let flags = TcpFlags::ACK | TcpFlags::PSH;
                    let (at, ack) = (seq[own], seq[peer]);
                    plain.push(Segment { seq: at, ack, flags, data: data.clone(), ..s.clone() });
                    seq[own] += data.len() as u32;
                }
            }
            // What carries nothing acknowledges all the same: that tells what the peer has sent
            // by then, and so whether bytes of it are missing.
            if s.flags & (TcpFlags::FIN | TcpFlags::RST) != 0 || s.data.is_empty() {
                let (at, ack) = (seq[own], seq[peer]);
                plain.push(Segment { seq: at, ack, data: Vec::new(), ..s.clone() });
            }
        }
        Some([pack(&sealed), pack(&plain)])
    }
}

/// The messages above TLS, by who sent them, in their order.
fn messages(run: &support::Run) -> Vec<[Value; 5]> {
    let mut all: Vec<_> = run
        .events
        .iter()
        .filter(|(e, _)| !["tcp", "tls"].contains(&e.draft.protocol))
        .filter(|(e, _)| e.draft.level == Level::Message)
        .map(|(e, info)| {
            let v = as_json(e, info);
            ["from", "protocol", "kind", "payload", "complete"].map(|k| v[k].clone())
        })
        .collect();
    all.sort_by_key(|m| m[0].to_string());
    all
}

/// Joined anywhere behind the handshake, with either end first and with the other one silent
/// until later: the messages are those of the same in clear, from whom they are; and no
/// secret is called wrong.
#[test]
fn joined_late_it_says_what_is_said_in_clear() {
    let mut cuts = 0;
    let mut said = 0;
    let mut wrong = Vec::new();
    for name in ["tls13-openssl", "tls-node", "tls-rustls", "tls-http1"] {
        for (n, whole) in Sealed::all(name).into_iter().enumerate() {
            let Some(begin) = whole.records.first().map(|(at, _)| at[0]) else { continue };
            let end = whole.segments.len();
            for at in begin..end {
                for (up, down) in [(at, at), (at + 5, at), (at, at + 5)] {
                    let Some([sealed, plain]) = whole.joined(up, down) else { continue };
                    let sealed = run(&sealed, with(&whole.keys));
                    let plain = messages(&run(&plain, with(&whole.keys)));
                    let case = format!("{name} {n}: {up} {down} of {end}");
                    let codes: Vec<_> =
                        sealed.findings.iter().map(|f| f.finding.spec.code).collect();
                    if codes.contains(&"tls.wrong-secret") || codes.contains(&"tls.sequence-lost") {
                        wrong.push(format!("{case}: {codes:?}"));
                    }
                    if sealed.events.iter().any(|(e, info)| {
                        e.draft.protocol != "tcp" && info.ends[0].port() != whole.client
                    }) {
                        wrong.push(format!("{case}: client is the server"));
                    }
                    let open = messages(&sealed);
                    if open != plain {
                        let at = open.iter().zip(&plain).position(|(a, b)| a != b);
                        wrong.push(format!(
                            "{case}: {} of {}: {at:?} {:?} {:?}",
                            open.len(),
                            plain.len(),
                            at.map(|i| &open[i]),
                            at.map(|i| &plain[i])
                        ));
                    }
                    cuts += 1;
                    said += open.len();
                }
            }
        }
    }
    let shown: String = wrong.iter().take(20).map(|w| format!("{w:.400}\n")).collect();
    assert!(wrong.is_empty(), "{} of {cuts}:\n{shown}", wrong.len());
    assert!(cuts > 1400 && said > 6000, "{cuts} cuts, {said} messages");
}

/// Joined between a request for WebSocket and its answer: what both ends say is there, in clear
/// and encrypted.
#[test]
fn joined_before_an_answer_that_switches_both_are_heard() {
    for name in ["tls13-openssl", "tls-node", "tls-rustls"] {
        for whole in Sealed::all(name) {
            let all = messages(&run(&pack(&whole.segments), with(&whole.keys)));
            let frames = |all: &[[Value; 5]]| -> Vec<_> {
                all.iter().filter(|m| m[1] == "websocket" && m[2] != "gap").cloned().collect()
            };
            let all = frames(&all);
            if all.is_empty() || whole.records[0].1.starts_with(b"PRI") {
                continue;
            }
            let at = whole.records[0].0[1] + 1;
            for (which, packets) in whole.joined(at, at).unwrap().iter().enumerate() {
                let joined = run(packets, with(&whole.keys));
                assert_eq!(frames(&messages(&joined)), all, "{name} {at} {which}");
            }
        }
    }
}

/// What is tried for connections without hellos has an end, for all of them together: then it
/// is said that nothing was tried. What was found before is found whenever it is read again.
#[test]
fn trials_have_an_end_and_are_not_made_twice() {
    let all = encrypted("tls13-openssl");
    let joined = |n| conversation(&all, n).into_iter().skip(14).collect::<Vec<Owned>>();
    let store = Arc::new(Secrets::default());
    store.add(secrets().lines(&secrets().randoms()).as_bytes());
    let before = store.trials_left();
    let first = by_conversation(&run(&joined(0), with(&store)));
    let left = store.trials_left();
    assert!(left < before);
    // As if others had used up what there is.
    let asked = Asked { record: [0; 16], known: None };
    store.note_tried(asked, Tried { cost: u64::MAX, came: Came::Spent }, store.version());
    assert_eq!(by_conversation(&run(&joined(0), with(&store))), first);
    assert_eq!(store.trials_left(), 0);
    let other = run(&joined(2), with(&store));
    assert!(other.events.iter().all(|(e, _)| ["tls", "tcp"].contains(&e.draft.protocol)));
    let told: Vec<&str> =
        other.findings.iter().filter_map(|f| f.finding.detail.as_deref()).collect();
    assert!(
        told.iter().any(|t| t.contains("its secret was not looked for to the end")),
        "{told:?}"
    );
}

/// Secrets that come while packets do are waited for.
#[test]
fn late_secrets_are_waited_for_where_more_is_expected() {
    let packets = encrypted("tls13-openssl");
    let all = secrets().lines(&randoms(&packets));
    let late = Arc::new(Secrets::default());
    let text = all.clone();
    let calls = std::sync::atomic::AtomicU32::new(0);
    late.watch(move |s, _| {
        // Each look brings some lines more, as a file does that others write.
        let n = calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) as usize;
        if let Some(line) = text.lines().nth(n) {
            s.add(line.as_bytes());
        }
    });
    late.expect_more();
    let a = inside(&packets, with(&late));
    let b = inside(&packets, with(secrets()));
    assert_eq!(a.len(), b.len());
    for (x, y) in a.iter().zip(&b) {
        assert_eq!(x, y);
    }
}

/// All that is said of each conversation, in order, without the numbers of events.
fn by_conversation(run: &support::Run) -> BTreeMap<u32, Vec<Value>> {
    let mut all: BTreeMap<u32, Vec<Value>> = BTreeMap::new();
    for (e, info) in &run.events {
        let mut v = as_json(e, info);
        v.as_object_mut().unwrap().remove("event");
        all.entry(info.id.0).or_default().push(v);
    }
    all
}

/// Runs packets while no secret has come; `then` adds them, or does not, before time goes
/// on and the capture ends. Gives what came before that, and all.
fn late(packets: &[Owned], then: impl FnOnce(&Secrets) -> u64) -> (usize, support::Run) {
    let store = Arc::new(Secrets::default());
    store.watch(|_, _| {});
    store.expect_more();
    let mut engine = Engine::new(with(&store));
    let mut sink = support::Run::default();
    for p in packets {
        engine.packet(&framescope::capture::Packet { meta: p.meta, data: &p.data }, &mut sink);
    }
    let before = sink.events.len();
    let elapsed = then(&store);
    engine.idle(elapsed, &mut sink);
    let after = sink.events.len();
    engine.finish(&mut sink);
    (after - before, sink)
}

/// Secrets that come when the connections have long been closed: what is said of each is
/// what would have been said with them from the beginning.
#[test]
fn connections_wait_whole_for_late_secrets() {
    for name in TWINS {
        // In less time than is waited for.
        let mut packets = encrypted(name);
        let first = packets[0].meta.time;
        for p in &mut packets {
            p.meta.time.0 = first.0 + (p.meta.time.0 - first.0) / 100;
        }
        let lines = secrets().lines(&randoms(&packets));
        let (brought, run_late) = late(&packets, |s| {
            s.add(lines.as_bytes());
            0
        });
        assert!(brought > 100, "{name}: {brought}");
        let (a, b) = (by_conversation(&run_late), by_conversation(&run(&packets, with(secrets()))));
        assert_eq!(a.len(), b.len(), "{name}");
        for (n, whole) in &b {
            for (x, y) in a[n].iter().zip(whole) {
                assert_eq!(x, y, "{name}: conversation {n}");
            }
            assert_eq!(a[n].len(), whole.len(), "{name}: conversation {n}");
        }
    }
}

/// The same of a connection that was joined behind its hellos: who is the client is known
/// before anything is said.
#[test]
fn joined_connections_wait_for_late_secrets() {
    for (n, whole) in Sealed::all("tls13-openssl").iter().enumerate() {
        let at = whole.records[2].0[1];
        let packets = pack(&whole.segments[at..]);
        let lines = whole.keys.lines(&whole.keys.randoms());
        let (brought, run_late) = late(&packets, |s| {
            s.add(lines.as_bytes());
            0
        });
        assert!(brought > 4, "{n}: {brought}");
        assert_eq!(messages(&run_late), messages(&run(&packets, with(&whole.keys))), "{n}");
        assert!(run_late.ended.iter().all(|c| c.ends[0].port() == whole.client), "{n}");
    }
}

/// Secrets that come when it has been said who the client is, and prove that it is the server:
/// that is said, and nothing is made of what is inside.
#[test]
fn roles_that_turn_out_wrong_are_said() {
    for (n, whole) in Sealed::all("tls13-openssl").iter().enumerate() {
        let at = whole.records[2].0[1];
        let packets = pack(&whole.segments[at..]);
        let store = Arc::new(Secrets::default());
        let mut engine = Engine::new(with(&store));
        let mut sink = support::Run::default();
        for (i, p) in packets.iter().enumerate() {
            if i == 6 {
                store.add(whole.keys.lines(&whole.keys.randoms()).as_bytes());
            }
            engine.packet(&framescope::capture::Packet { meta: p.meta, data: &p.data }, &mut sink);
        }
        engine.finish(&mut sink);
        let wrong = sink.ended[0].ends[0].port() != whole.client;
        let said = sink.findings.iter().filter(|f| f.finding.spec.code == "tls.roles-turned");
        assert_eq!(said.count(), usize::from(wrong), "{n}");
        assert_eq!(wrong, n % 2 == 0);
        let inside =
            sink.events.iter().filter(|(e, _)| !["tcp", "tls"].contains(&e.draft.protocol));
        assert_eq!(inside.count() == 0, wrong, "{n}");
        let closed = |(e, _): &&(Event, ConversationInfo)| e.draft.kind == "opaque";
        assert_eq!(sink.events.iter().any(|e| closed(&e)), wrong, "{n}");
    }
}

/// Secrets that do not come: after the time that is allowed all is said as if none were
/// expected, once, and before the capture ends.
#[test]
fn connections_do_not_wait_for_ever() {
    let packets = encrypted("tls13-openssl");
    let none = by_conversation(&run(&packets, with(&Arc::default())));
    let long = framescope::base::limits::MAX_SECRET_WAIT_NS + 1;
    for (elapsed, some) in [(long, true), (0, false)] {
        let (brought, late) = late(&packets, |_| elapsed);
        assert_eq!(brought > 0, some, "{elapsed}");
        let late = by_conversation(&late);
        for (n, all) in &none {
            // What is missing is said in other words where more may come.
            let gist = |all: &[Value]| -> Vec<[Value; 4]> {
                let of = |v: &Value| ["level", "kind", "packets", "fields"].map(|k| v[k].clone());
                all.iter().map(of).collect()
            };
            for (x, y) in gist(&late[n]).iter().zip(gist(all)) {
                assert_eq!(*x, y, "conversation {n}");
            }
            assert_eq!(late[n].len(), all.len(), "conversation {n}");
        }
    }
}

/// Where a packet was captured twice or the capture is cut anywhere, nothing breaks.
#[test]
fn any_cut_is_survived() {
    for name in ["tls13-openssl", "tls12-cbc", "tls-old"] {
        let whole = conversation(&encrypted(name), 0);
        let own = Arc::new(Secrets::default());
        own.add(secrets().lines(&randoms(&whole)).as_bytes());
        for cut in (1..whole.len()).step_by(3) {
            let mut engine = Engine::new(with(&own));
            let mut sink = support::Run::default();
            for p in whole.iter().skip(cut) {
                let packet = framescope::capture::Packet { meta: p.meta, data: &p.data };
                engine.packet(&packet, &mut sink);
            }
            engine.finish(&mut sink);
            assert!(sink.events.iter().all(|(e, _)| e.draft.end.packet >= PacketId(1)));
            let levels = sink.events.iter().filter(|(e, _)| e.draft.level == Level::Frame).count();
            assert!(levels > 0 || whole.len() - cut < 8, "{name}: {cut}");
        }
    }
}

const HANDSHAKES: &str = "tls-handshakes";

/// What was asked on each connection of that fixture, in order, as its script has it.
const ASKED: [&[&str]; 19] = [
    &["/retry"],
    &["/ticket"],
    &["/resumed"],
    &["/before"],
    &["/early", "/after"],
    &["/after"],
    &["/old", "/new", "/newer", "/newest"],
    &["/padded"],
    &["/known"],
    &["/stranger", "/known"],
    &["/full"],
    &["/resumed"],
    &["/full"],
    &["/resumed"],
    &["/first", "/second", "/third"],
    &["/first", "/second", "/third"],
    &["/small"],
    &["/small"],
    &["/shared"],
];

/// All events as JSON, conversation by conversation.
fn told(packets: &[Owned], secrets: &Arc<Secrets>) -> Vec<Vec<Value>> {
    let run = run(packets, with(secrets));
    let mut all: BTreeMap<u32, Vec<Value>> = BTreeMap::new();
    for (e, info) in &run.events {
        all.entry(info.id.0).or_default().push(as_json(e, info));
    }
    all.into_values().collect()
}

fn of<'a>(events: &'a [Value], protocol: &str, kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|e| e["protocol"] == protocol && e["kind"] == kind).collect()
}

/// What was asked and answered, with what the server wrote.
fn answered(events: &[Value]) -> Vec<(String, u64)> {
    let uri = |e: &&Value| {
        let f = &e["fields"];
        let uri = f["http.request.uri"].as_str()?;
        Some((uri.to_owned(), f["http.response.code"].as_u64()?))
    };
    of(events, "http", "exchange").iter().filter_map(uri).collect()
}

#[test]
fn every_way_a_handshake_can_go() {
    let all = told(&encrypted(HANDSHAKES), secrets());
    assert_eq!(all.len(), ASKED.len());
    for (n, (events, asked)) in all.iter().zip(ASKED).enumerate() {
        let expected: Vec<_> = asked.iter().map(|p| ((*p).to_owned(), 200)).collect();
        assert_eq!(answered(events), expected, "{n}");
        let bodies: Vec<&Value> =
            of(events, "http", "response").iter().map(|e| &e["payload"]["text"]).collect();
        let written: Vec<_> = asked.iter().map(|p| Value::from(format!("this is {p}"))).collect();
        assert_eq!(bodies, written.iter().collect::<Vec<_>>(), "{n}");
        let session = of(events, "tls", "session")[0];
        assert!(session["fields"]["tls.unopened_records"].is_null(), "{n}: {session}");
        let resumed = [2, 4, 11, 13].contains(&n);
        if n < 14 {
            assert_eq!(session["fields"]["tls.resumed"], resumed, "{n}");
        }
    }
    let kinds = |n: usize, kind: &str| of(&all[n], "tls", kind).len();
    assert_eq!(kinds(0, "hello_retry_request"), 1);
    assert_eq!(kinds(0, "client_hello"), 2);
    assert_eq!(
        kinds(6, "key_update"),
        5,
        "two that ask, with their answers, and one that does not"
    );
    assert_eq!(kinds(8, "certificate"), 2);
    assert_eq!(kinds(9, "certificate_request"), 2);
    assert_eq!([kinds(14, "client_hello"), kinds(15, "client_hello")], [3, 3]);
    // Early data: what the server took is the beginning of what was said, and what it
    // refused is not.
    let early = |n: usize| {
        let f = &of(&all[n], "tls", "session")[0]["fields"];
        (f["tls.early_data"].as_u64(), f["tls.early_data_accepted"].as_bool())
    };
    assert_eq!([early(4), early(5)], [(Some(43), Some(true)), (Some(43), Some(false))]);
    let refused = |events: &[Value]| {
        let codes = |e: &&Value| e["findings"].to_string().contains("tls.early-data-refused");
        events.iter().filter(codes).count()
    };
    assert_eq!(all.iter().map(|e| refused(e)).collect::<Vec<_>>()[4..7], [0, 1, 0]);
    // Each of a padded record's zeros is shown.
    let padded = of(&all[7], "tls", "record");
    let zeros =
        |e: &&&Value| e["fields"].as_object().unwrap().contains_key("tls.record.padding_length");
    assert!(padded.iter().filter(zeros).count() >= 4, "{padded:?}");
}

/// Joined behind changes of keys: what is asked from then on is there, and it is said after how
/// many updates.
#[test]
fn joined_behind_updates_of_keys_it_goes_on() {
    let whole = conversation(&encrypted(HANDSHAKES), 6);
    let all = &told(&whole, secrets())[0];
    let requests: Vec<(String, u64)> = of(all, "http", "request")
        .iter()
        .map(|e| {
            let uri = e["fields"]["http.request.uri"].as_str().unwrap();
            (uri.to_owned(), e["packets"][0].as_u64().unwrap())
        })
        .collect();
    let mut behind = 0;
    for cut in 14..whole.len() {
        let from = whole[cut].meta.id.0;
        let joined = told(&whole[cut..], &taken(key_log(&whole).as_bytes()));
        let heard = answered(&joined[0]);
        for (uri, _) in requests.iter().filter(|(_, at)| *at >= from) {
            assert!(heard.iter().any(|(u, _)| u == uri), "{cut}: {uri} is not in {heard:?}");
        }
        let found = of(&joined[0], "tls", "record").into_iter().any(|r| {
            r["findings"].to_string().contains("tls.sequence-found")
                && r["fields"]["tls.record.keys"].to_string().contains("update")
        });
        behind += usize::from(found);
    }
    assert_eq!(requests.len(), 4);
    assert!(behind > 5, "{behind}");
}

/// The lines that open a capture.
fn key_log(packets: &[Owned]) -> String {
    secrets().lines(&randoms(packets))
}

fn taken(log: &[u8]) -> Arc<Secrets> {
    let secrets = Arc::new(Secrets::default());
    secrets.add(log);
    secrets
}

/// Hex digits of either case; and the form that names a session by its id.
#[test]
fn every_form_of_line_opens() {
    let packets = encrypted(HANDSHAKES);
    let log = key_log(&packets);
    let whole = told(&packets, &taken(log.as_bytes()));
    let upper: String = log
        .lines()
        .map(|l| {
            let (label, rest) = l.split_once(' ').unwrap();
            format!("{label} {}\r\n", rest.to_uppercase())
        })
        .collect();
    assert_eq!(told(&packets, &taken(upper.as_bytes())), whole);
    // The session that is resumed by its id.
    let (full, resumed) = (&whole[10], &whole[11]);
    let hello = of(full, "tls", "server_hello")[0];
    let id = hello["fields"]["tls.handshake.session_id"].as_str().unwrap();
    assert_eq!(of(resumed, "tls", "server_hello")[0]["fields"]["tls.handshake.session_id"], id);
    let random = of(full, "tls", "client_hello")[0]["fields"]["tls.handshake.random"].clone();
    let line = log.lines().find(|l| l.contains(random.as_str().unwrap())).unwrap();
    let master = line.rsplit(' ').next().unwrap();
    let by_id = format!("RSA Session-ID:{} Master-Key:{}\n", id.to_uppercase(), master);
    let only = told(&packets, &taken(by_id.as_bytes()));
    for n in [10, 11] {
        assert_eq!(answered(&only[n]), answered(&whole[n]), "{n}");
    }
    assert_eq!(only.iter().map(|e| answered(e).len()).sum::<usize>(), 2, "and no other one");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    /// A key log that was cut, changed, shuffled or blown up opens what its good lines open,
    /// shows nothing wrong, and breaks nothing.
    #[test]
    fn a_damaged_key_log_shows_nothing_wrong(
        damage in proptest::collection::vec((0..6_u8, any::<u16>(), any::<u8>()), 1..40),
    ) {
        let packets = encrypted(HANDSHAKES);
        let mut log = key_log(&packets).into_bytes();
        for (kind, at, byte) in damage {
            let at = usize::from(at) % log.len().max(1);
            match kind {
                0 => log[at] = byte,
                1 => log.truncate(log.len().max(40) - usize::from(byte).min(log.len() / 4)),
                2 => log.insert(at, byte),
                3 => { log.remove(at); }
                4 => log.splice(at..at, vec![byte; 70_000]).for_each(drop),
                _ => log[at] = b'\n',
            }
            if log.is_empty() { break }
        }
        let all = told(&packets, &taken(&log));
        for (events, asked) in all.iter().zip(ASKED) {
            for e in of(events, "http", "request") {
                let uri = e["fields"]["http.request.uri"].as_str().unwrap();
                prop_assert!(asked.contains(&uri), "{uri}");
            }
        }
        prop_assert_eq!(all.len(), ASKED.len());
    }
}

/// Who says hello of its own accord is told its own way of logging keys.
#[test]
fn the_recipe_is_that_of_the_peer_at_hand() {
    let packets = packets(&fixture("tls-no-keys", "capture.pcap.zst"));
    let run = run(&packets, with(&Arc::default()));
    let told: Vec<_> = run
        .findings
        .iter()
        .filter(|f| f.finding.spec.code == "tls.no-secret")
        .map(|f| f.finding.detail.as_deref().unwrap())
        .collect();
    let expected = ["environment of curl", "environment of curl", "node --tls-keylog", "C core"];
    assert_eq!(told.len(), expected.len());
    for (text, recipe) in told.iter().zip(expected) {
        assert!(text.contains(recipe) && text.contains("client random "), "{text}");
        assert!(!text.contains("KeyLogWriter"), "{text}");
    }
}

/// DTLS of each kind of suite: what was said is in the records.
#[test]
fn datagrams_are_opened() {
    let all = told(&encrypted("dtls"), secrets());
    assert_eq!(all.len(), 4);
    for events in &all {
        let said: Vec<&Value> = of(events, "dtls", "record")
            .into_iter()
            .filter(|r| r["fields"]["dtls.record.content_type"] == 23)
            .map(|r| &r["payload"]["base64"])
            .collect();
        // At frame level payloads are always base64: `hello over DTLS`, `and hello to you`.
        assert_eq!(said, ["aGVsbG8gb3ZlciBEVExTCg==", "YW5kIGhlbGxvIHRvIHlvdQo="]);
    }
    let closed = run(&encrypted("dtls"), with(&Arc::default()));
    let codes: Vec<_> = closed.findings.iter().map(|f| f.finding.spec.code).collect();
    assert_eq!(codes, ["tls.no-secret"; 4]);
}
