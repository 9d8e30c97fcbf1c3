//! `explain`: what it draws is what the specifications draw, each bit once, within
//! the page, of every fixture and of hostile bytes.
//!
//! `FRAMESCOPE_BLESS=1 cargo test --test explain` writes the pages of
//! `tests/explain/` anew: read the difference.

mod support;

use std::fs;

use framescope::base::BufferId;
use framescope::engine::specimen::{As, Bench, Specimen};
use framescope::event::{Detail, Level};
use framescope::field::Kind;
use framescope::view::explain::{self, Subject};
use framescope::view::layout;
use proptest::prelude::*;
use serde_json::Value;
use unicode_width::UnicodeWidthStr;

const WIDTHS: [usize; 4] = [80, 100, 50, 24];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex.chars().filter_map(|c| c.to_digit(16)).map(|d| d as u8).collect();
    digits.chunks(2).map(|d| d[0] << 4 | d[1]).collect()
}

fn look(what: As, runs: &[&str]) -> Vec<Specimen> {
    let mut bench = Bench::new(what);
    runs.iter().flat_map(|r| bench.look(&bytes(r)).0).collect()
}

fn page(found: &[Specimen], width: usize) -> String {
    let mut out = String::new();
    for s in found {
        explain::text(&mut out, &Subject::specimen(s), width);
        out.push('\n');
    }
    out
}

fn json(s: &Specimen) -> Value {
    let mut out = Vec::new();
    explain::json(&mut out, &Subject::specimen(s));
    serde_json::from_slice(&out).unwrap()
}

/// A message by the schema that it was asked with.
#[test]
fn a_type_of_messages_can_be_told() {
    let proto = support::root().join("fixtures/proto");
    let schema = framescope::schema::load(&[proto], &[], &[]).unwrap().unwrap();
    for (what, hex) in
        [(As::Protobuf, "082a1205416c696365"), (As::Grpc, "0000000009082a1205416c696365")]
    {
        let (found, _) = Bench::of_type(what, schema.clone(), "user.User").look(&bytes(hex));
        let [one] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(one.detail.summary, "User {id: 42, name: \"Alice\"}");
        check(&one.detail, true, "typed");
    }
}

// ---------------------------------------------------------------- pages

/// The page of bytes is the one in `tests/explain/`.
fn golden(name: &str, what: As, runs: &[&str]) -> String {
    let path = support::root().join("tests/explain").join(format!("{name}.txt"));
    let found = look(what, runs);
    let text = page(&found, 80);
    for s in &found {
        check(&s.detail, true, name);
    }
    if std::env::var_os("FRAMESCOPE_BLESS").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &text).unwrap();
    }
    let expected = fs::read_to_string(&path).unwrap_or_default();
    assert!(expected == text, "{name}: FRAMESCOPE_BLESS=1 writes it anew; now:\n{text}");
    text
}

/// RFC 6455 §5.7, all of them.
#[test]
fn the_examples_of_rfc_6455() {
    golden("ws-text", As::WebSocket, &["81 05 48 65 6c 6c 6f"]);
    let masked = golden("ws-masked", As::WebSocket, &["81 85 37 fa 21 3d 7f 9f 4d 51 58"]);
    assert!(masked.contains("> XOR   48 65 6c 6c 6f  \"Hello\""));
    let parts = golden("ws-fragments", As::WebSocket, &["01 03 48 65 6c 80 02 6c 6f"]);
    assert!(parts.contains("websocket continuation, bytes 5-8"), "{parts}");
    golden("ws-ping", As::WebSocket, &["89 05 48 65 6c 6c 6f"]);
    golden("ws-pong", As::WebSocket, &["8a 85 37 fa 21 3d 7f 9f 4d 51 58"]);
    let many = |n: usize| "00".repeat(n);
    golden("ws-256", As::WebSocket, &[&format!("82 7E 01 00 {}", many(256))]);
    golden("ws-64k", As::WebSocket, &[&format!("82 7F 00 00 00 00 00 01 00 00 {}", many(65536))]);
    // Not of the RFC: a masked close.
    golden("ws-close", As::WebSocket, &["88 85 01 02 03 04 02 ea 61 7d 64"]);
}

/// RFC 7541 Appendix C.2 to C.4.
#[test]
fn the_examples_of_rfc_7541() {
    golden(
        "hpack-c2",
        As::Hpack,
        &["400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572"],
    );
    golden("hpack-c2-2", As::Hpack, &["040c 2f73 616d 706c 652f 7061 7468"]);
    golden("hpack-c2-3", As::Hpack, &["1008 7061 7373 776f 7264 0673 6563 7265 74"]);
    golden("hpack-c2-4", As::Hpack, &["82"]);
    let plain = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    let text = golden("hpack-c3", As::Hpack, &plain);
    let newest = "number 1 of the dynamic table, the newest";
    assert!(text.contains(newest), "{text}");
    let huffman = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    golden("hpack-c4", As::Hpack, &huffman);
    // Both ways of writing say the same.
    let fields = |runs: &[&str]| -> Vec<String> {
        let told = |s: &Specimen| -> Vec<String> {
            let d = json(s);
            let wanted = ["http2.header.name", "http2.header.value"];
            let fields = d["fields"].as_array().unwrap().iter();
            fields
                .filter(|f| wanted.contains(&f["name"].as_str().unwrap()))
                .map(|f| f["value"].as_str().unwrap().to_owned())
                .collect()
        };
        look(As::Hpack, runs).iter().flat_map(told).collect()
    };
    assert_eq!(fields(&plain), fields(&huffman));
    assert_eq!(fields(&plain)[26..], ["custom-key", "custom-value"]);
    // RFC 7541 C.1.2: 1337 in a prefix of five bits, as the size of a table.
    let text = golden("hpack-integer", As::Hpack, &["3f 9a 0a"]);
    assert!(text.contains("31 + 26 + 10 x 2^7 = 1337"), "{text}");
}

/// A frame of every type of RFC 9113 §6.
#[test]
fn the_frames_of_rfc_9113() {
    for (name, hex) in [
        ("data", "00000a 00 09 00000001 03 48656c6c6f21 000000"),
        ("headers", "00000b 01 2d 00000001 02 80000003 0f 828684 0000"),
        ("priority", "000005 02 00 00000003 00000001 0f"),
        ("rst_stream", "000004 03 00 00000001 00000008"),
        ("settings", "00000c 04 00 00000000 0003 00000064 0004 0000ffff"),
        ("push_promise", "000008 05 04 00000001 00000002 82868441 "),
        ("ping", "000008 06 01 00000000 0001020304050607"),
        ("goaway", "00000c 07 00 00000000 00000005 00000002 6f6f7073"),
        ("window_update", "000004 08 00 00000000 00010000"),
        ("continuation", "000001 01 00 00000001 82 000001 09 04 00000001 86"),
        ("unknown", "000002 fa ff 80000001 abcd"),
    ] {
        golden(&format!("h2-{name}"), As::Http2, &[hex]);
    }
}

/// What the tutorial shows of `user.User`: id 42, name "Alice".
#[test]
fn protobuf_and_grpc() {
    let text = golden("protobuf", As::Protobuf, &["08 2a 12 05 41 6c 69 63 65"]);
    assert!(text.contains("> 18 = 2 x 8 + 2: field 2, wire type 2"));
    let text = golden("protobuf-varints", As::Protobuf, &["a2 06 02 ac 02 18 96 01 2d 0000803f"]);
    assert!(text.contains("> low group first: 0000001 0010110 = 150"), "{text}");
    golden("grpc", As::Grpc, &["00 00 00 00 09 08 2a 12 05 41 6c 69 63 65"]);
}

#[test]
fn headers_of_packets() {
    // A SYN with options, from a loopback.
    let tcp =
        "81180022 732b56dc 00000000 a002ffd7 fe300000 0204ffd7 0402080a 92bf9a7f 00000000 0103030a";
    golden("tcp", As::Tcp, &[tcp]);
    golden("udp", As::Udp, &["0035 d431 000a 0000 6869"]);
    golden(
        "ip",
        As::Ip,
        &["4500 001e 0001 4000 4011 7ccc 7f000001 7f000001 0035 d431 000a 0000 6869"],
    );
    let ip6 = "6000 0000 000a 1140 00000000000000000000000000000001 00000000000000000000000000000001 0035 d431 000a 0000 6869";
    golden("ethernet", As::Ethernet, &[&format!("020000000001 020000000002 86dd {ip6}")]);
}

/// What is too short says what is missing, and shows what is there.
#[test]
fn short_bytes() {
    for (what, hex, missing) in [
        (As::WebSocket, "81", 1),
        (As::WebSocket, "81 fe 01", 5),
        (As::WebSocket, "82 05 01 02", 3),
        (As::Http2, "00 00", 7),
        (As::Http2, "000008 06 00 00000000 0102", 6),
        (As::Grpc, "00 00", 3),
        (As::Grpc, "00 00000009 08", 8),
    ] {
        let found = look(what, &[hex]);
        let [s] = found.as_slice() else { panic!("{hex}: {} things", found.len()) };
        check(&s.detail, true, hex);
        let said = page(&found, 80);
        assert!(s.missing > 0 && said.contains("Too short: "), "{hex}: {said}");
        if !(what == As::WebSocket && hex.starts_with("81")) {
            assert_eq!(s.missing, missing, "{hex}");
        }
    }
}

// ---------------------------------------------------------------- the program

#[cfg(feature = "cli")]
mod program {
    use super::*;
    use std::io::Write as _;
    use std::process::{Command, Stdio};

    /// Exit status, standard output, standard error.
    fn explain(args: &[&str], input: &str) -> (i32, String, String) {
        let mut child = Command::new(env!("CARGO_BIN_EXE_framescope"))
            .current_dir(support::root())
            .arg("explain")
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // It may not read its input.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let out = child.wait_with_output().unwrap();
        let text = |b: Vec<u8>| String::from_utf8(b).unwrap();
        (out.status.code().unwrap(), text(out.stdout), text(out.stderr))
    }

    const WS: &str = "fixtures/ws-websockets/capture.pcap";

    #[test]
    fn events_messages_and_packets() {
        let (status, frame, _) = explain(&[WS, "4"], "");
        assert_eq!(status, 0);
        assert!(frame.starts_with("event 4: websocket text frame, client → server, packet 8\n"));
        assert!(
            frame.contains("|1|1|0|0|0 0 0 1|1|0 0 0 1 1 1 0|      85              28       |")
        );
        // A message brings its frames.
        let (_, message, _) = explain(&[WS, "5"], "");
        assert!(message.starts_with("event 5: websocket text message"), "{message}");
        assert!(message.ends_with(&frame), "{message}");
        let (_, packet, _) = explain(&[WS, "p8"], "");
        assert!(packet.starts_with("packet 8: tcp segment, client → server\n"), "{packet}");
        assert!(packet.contains("\nTCP, bytes 34-53 of packet\n"), "{packet}");
    }

    #[test]
    fn json_has_the_fields() {
        let (_, out, _) = explain(&[WS, "4", "--format", "json"], "");
        let v: Value = serde_json::from_str(&out).unwrap();
        assert_eq!((&v["event"], &v["kind"]), (&4.into(), &"text".into()));
        let opcode = v["fields"].as_array().unwrap().iter().find(|f| f["label"] == "Opcode");
        let expected = serde_json::json!({
            "name": "websocket.opcode", "label": "Opcode", "buffer": 0, "first_bit": 4, "bits": 4,
            "value": 1, "value_name": "text",
            "meaning": "What the payload is; 8 and above are control frames.",
            "section": "RFC 6455 §5.2", "how": []
        });
        assert_eq!(opcode, Some(&expected));
    }

    #[test]
    fn mistakes_say_where() {
        for (args, said) in [
            (&[WS, "6000"][..], "there is no event 6000; the last is 64"),
            (&[WS, "p6000"], "there is no packet 6000; the last is p"),
            (&[WS, "x"], "the number of an event (17) or of a packet (p12) is expected"),
            (&[WS], "<EVENT>"),
            (&["--hex", "81"], "--as"),
            (&["--as", "websocket", "--hex", "81 0g"], "--hex, column 5: 'g' is no hex digit"),
            (&["--as", "websocket", "--hex", "81 0"], "--hex, column 4: half a byte"),
            (&["--as", "websocket", "--hex", " "], "--hex: there are no bytes"),
            (&["--as", "smtp", "--hex", "81"], "websocket, http2, hpack, grpc"),
        ] {
            let (status, out, error) = explain(args, "");
            assert_eq!((status, out.as_str()), (2, ""), "{args:?}: {error}");
            assert!(error.contains(said), "{args:?}: {error}");
        }
    }

    #[test]
    fn bytes_come_from_standard_input() {
        let (status, out, _) =
            explain(&["--as", "protobuf", "--hex", "-"], "08 2a\n12:05:41 6c\n6963 65\n");
        assert_eq!(status, 0);
        assert_eq!(out + "\n", page(&look(As::Protobuf, &["08 2a 12 05 41 6c 69 63 65"]), 80));
    }

    /// As they are pasted from `tcpdump -x`: each is explained, as if each had its own --hex.
    #[test]
    fn two_packets_are_explained_one_behind_the_other() {
        let (one, two) = (
            "4500 0028 0000 4000 4006 3cce 7f00 0001 7f00 0001 aaf4 2329 1b67 97a5 e98f a641 5010 0040 0000 0000",
            "4500 0028 0000 4000 4006 3cce 7f00 0001 7f00 0001 2329 aaf4 e98f a641 1b67 97a6 5010 0040 0000 0000",
        );
        let dump = |hex: &str| {
            let groups: Vec<&str> = hex.split(' ').collect();
            let lines = groups
                .chunks(8)
                .enumerate()
                .map(|(n, g)| format!("\t{:#06x}:  {}  E..(..@.@.\n", n * 16, g.join(" ")));
            lines.collect::<String>()
        };
        let pasted = format!(
            "23:05:41.222692 IP 127.0.0.1.43764 > 127.0.0.1.9001: Flags [.], ack 1, length 0\n{}\
             23:05:41.222707 IP 127.0.0.1.9001 > 127.0.0.1.43764: Flags [.], ack 1, length 0\n{}",
            dump(one),
            dump(two)
        );
        let (status, out, errors) = explain(&["--as", "ip", "--hex", "-"], &pasted);
        assert_eq!(status, 0, "{errors}");
        assert_eq!(out + "\n", page(&look(As::Ip, &[one, two]), 80));
        let (_, given, _) = explain(&["--as", "ip", "--hex", &pasted], "");
        let (_, apart, _) = explain(&["--as", "ip", "--hex", one, "--hex", two], "");
        assert_eq!(given, apart);
    }
}

// ---------------------------------------------------------------- each bit once

/// Bits drawn and left out, read from the picture alone.
fn counted(picture: &str) -> (u64, u64) {
    let (mut drawn, mut elided) = (0, 0);
    let lines: Vec<&str> = picture.lines().collect();
    for pair in lines.windows(2) {
        let (line, next) = (pair[0], pair[1]);
        if let Some(n) = line.strip_prefix(':').and_then(|l| l.split_whitespace().nth(1)) {
            elided += n.parse::<u64>().unwrap_or(0) * 8;
        } else if line.starts_with('|') && next.starts_with('+') {
            // Borders stand in the even columns.
            assert_eq!(line.len() % 2, 1, "{picture}");
            assert!(line.ends_with('|'), "{picture}");
            drawn += line.len() as u64 / 2;
        }
    }
    (drawn, elided)
}

/// Every leaf is told once; every picture is within the page and draws each of its
/// bits once; with `tiles`, the pictures of buffer 0 draw all of it.
fn check(detail: &Detail, tiles: bool, what: &str) {
    let (tree, origins) = (&detail.tree, &detail.origins);
    let sections = layout::sections(tree, origins);
    let told: usize = sections.iter().map(|s| s.rows.len()).sum();
    let leaves = tree.leaves().count();
    assert_eq!(told, leaves, "{what}: fields told");
    for s in &sections {
        let mut bit = 0;
        for c in &s.cells {
            assert_eq!(c.first, bit, "{what}");
            let span = tree.get(c.node).unwrap().span.unwrap();
            assert_eq!((span.first_bit(), span.bit_len()), (s.first_bit + bit, c.bits), "{what}");
            bit += c.bits;
        }
        assert_eq!(bit, s.bits, "{what}");
        let Some(buffer) = s.buffer.and_then(|b| origins.get(b)) else { continue };
        for width in WIDTHS {
            let value =
                |_: &framescope::field::Node| vec!["a rather long value".into(), "1".into()];
            let picture = layout::draw(tree, s, &buffer.bytes, width, &value);
            let text = &picture.text;
            assert!(text.is_ascii(), "{what}:\n{text}");
            assert!(text.lines().all(|l| l.len() <= width), "{what}, {width}:\n{text}");
            assert_eq!(picture.drawn + picture.elided, s.bits, "{what}, {width}:\n{text}");
            if width > 24 {
                let seen = counted(text);
                assert_eq!(seen, (picture.drawn, picture.elided), "{what}, {width}:\n{text}");
            }
        }
    }
    let pictured: u64 =
        sections.iter().filter(|s| s.buffer == Some(BufferId(0))).map(|s| s.bits).sum();
    let wire = origins.get(BufferId(0)).map_or(0, |b| u64::from(b.len) * 8);
    // The connection preface is text: nothing to be drawn.
    let text = tree.leaves().all(|n| n.spec.bits == 0 || n.spec.kind == Kind::Text);
    if tiles && !text && !tree.is_cut() {
        assert_eq!(pictured, wire, "{what}: bits of {:#?}", detail.tree);
    }
}

#[test]
fn the_pictures_of_every_fixture_draw_each_bit_once() {
    let mut seen = std::collections::BTreeMap::<String, u32>::new();
    for (name, path) in support::fixtures() {
        let packets = support::packets(&path);
        let options = support::with_schema(&[Level::Packet, Level::Frame, Level::Message]);
        let run = support::run(&packets, options);
        for (event, info) in &run.events {
            let d = &event.draft;
            let Some(detail) = d.detail.as_deref() else { continue };
            let what = format!("{name}, event {}: {} {}", event.id, d.protocol, d.kind);
            // A few of each sort of each fixture: the fixtures have thousands.
            let n = seen.entry(format!("{name} {} {} {}", d.protocol, d.kind, d.level.name()));
            let n = n.and_modify(|n| *n += 1).or_insert(1);
            if *n > 4 {
                continue;
            }
            check(detail, matches!(d.level, Level::Packet | Level::Frame), &what);
            let Some(subject) = Subject::event(event, Some(info)) else { continue };
            for width in WIDTHS {
                let mut text = String::new();
                explain::text(&mut text, &subject, width);
                let wide = text.lines().find(|l| l.width() > width);
                assert_eq!(wide, None, "{what}, {width}");
            }
        }
    }
    for kind in ["websocket text frame", "http2 headers frame", "grpc message message"] {
        assert!(seen.keys().any(|k| k.ends_with(kind)), "no {kind} in {seen:?}");
    }
}

// ---------------------------------------------------------------- hostile

fn survives(what: As, data: &[u8], width: usize) {
    let mut bench = Bench::new(what);
    let (found, left) = bench.look(data);
    let mut at = 0;
    for s in &found {
        assert_eq!(s.at, at);
        assert!(s.len > 0);
        at += s.len;
        check(&s.detail, false, &format!("{what:?} {data:02x?}"));
        let mut text = String::new();
        explain::text(&mut text, &Subject::specimen(s), width);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'));
        let wide = text.lines().find(|l| l.width() > width.max(explain::MIN_WIDTH));
        assert_eq!(wide, None, "{what:?} {data:02x?}");
        json(s);
    }
    assert_eq!(at + left, data.len());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_bytes_never_panic(
        data in proptest::collection::vec(any::<u8>(), 0..200),
        width in 0_usize..140,
        which in 0_usize..9,
    ) {
        survives(As::ALL[which], &data, width);
    }

    /// Examples with a byte changed get further than noise does.
    #[test]
    fn damaged_examples_never_panic(
        which in 0_usize..8,
        at in any::<proptest::sample::Index>(),
        byte in any::<u8>(),
        keep in any::<proptest::sample::Index>(),
    ) {
        let (what, hex) = [
            (As::WebSocket, "81 85 37 fa 21 3d 7f 9f 4d 51 58 88 85 01 02 03 04 02 ea 61 7d 64"),
            (As::Http2, "00000b 01 2d 00000001 02 80000003 0f 828684 0000 000004 03 00 00000001 00000008"),
            (As::Http2, "00000c 04 00 00000000 0003 00000064 0004 0000ffff 00000a 00 09 00000001 03 48656c6c6f21 000000"),
            (As::Hpack, "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65"),
            (As::Protobuf, "08 2a 12 05 41 6c 69 63 65 a2 06 04 08 96 01 00 2d 0000803f 0b 08 01 0c"),
            (As::Grpc, "00 00 00 00 09 08 2a 12 05 41 6c 69 63 65 01 00000002 1f8b"),
            (As::Tcp, "81180022 732b56dc 00000000 a002ffd7 fe300000 0204ffd7 0402080a 92bf9a7f 00000000 0103030a"),
            (As::Ip, "4500 001e 0001 4000 4011 7ccc 7f000001 7f000001 0035 d431 000a 0000 6869"),
        ][which];
        let mut data = bytes(hex);
        let at = at.index(data.len());
        data[at] = byte;
        data.truncate(keep.index(data.len()) + 1);
        survives(what, &data, 80);
    }
}
