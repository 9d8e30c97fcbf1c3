//! Decode-as on the command line: a WebSocket connection whose handshake was not
//! captured is read all the same, and nothing else changes.
#![cfg(feature = "cli")]

#[path = "../src/base/scratch.rs"]
mod scratch;

use std::path::Path;
use std::process::{Command, Output};

use framescope::capture::write::PcapNgWriter;
use framescope::capture::{ByteOrder, OpenOptions, Polled, open};
use scratch::Scratch;

/// Writes the fixture `ws-mixed-ports` without these packets of its connection to
/// port 5353: the handshake.
fn cut(name: &str, cut: std::ops::Range<usize>) -> Scratch {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ws-mixed-ports/capture.pcap");
    let path = Scratch::new(name);
    let mut writer =
        PcapNgWriter::new(std::fs::File::create(&path).unwrap(), ByteOrder::Little).unwrap();
    let mut source = open(&fixture, OpenOptions::default()).unwrap();
    let mut passed = 0;
    while let Polled::Batch(batch) = source.poll().unwrap() {
        for p in batch.packets() {
            // Ports stand behind 14 bytes of Ethernet and 20 of IPv4.
            let port = |at: usize| u16::from_be_bytes([p.data[at], p.data[at + 1]]);
            if [port(34), port(36)].contains(&5353) {
                passed += 1;
                if cut.contains(&(passed - 1)) {
                    continue;
                }
            }
            writer.packet(p.meta.link, p.meta.time, p.meta.original_len, p.data).unwrap();
        }
    }
    writer.finish().unwrap();
    path
}

fn framescope(args: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_framescope")).args(args).output().unwrap()
}

/// Lines of text without the number, which counts all events before: time first.
fn lines(args: &[&str]) -> Vec<String> {
    let out = framescope(args);
    assert!(out.status.success(), "{out:?}");
    let text = String::from_utf8(out.stdout).unwrap();
    let rest = |l: &str| l.trim_start().split_once(' ').map_or(String::new(), |x| x.1.to_owned());
    text.lines().skip(1).map(rest).collect()
}

#[test]
fn a_stream_without_its_handshake_shows_its_messages() {
    let whole = lines(&["print", "fixtures/ws-mixed-ports/capture.pcap"]);
    let of = |all: &[String], tag: &str| -> Vec<String> {
        all.iter().filter(|l| l.contains(tag)).cloned().collect()
    };
    let websocket = |all: Vec<String>| -> Vec<String> {
        all.into_iter().filter(|l| l.contains(" websocket ")).collect()
    };
    // SYN, SYN ACK, ACK, request, ACK, response, ACK; or all but the first three,
    // where the handshake is known to be missing.
    for skipped in [0..7, 3..7] {
        let from = skipped.start;
        let path = cut(&format!("bare-{from}"), skipped);
        let file = path.to_str().unwrap();
        let found = lines(&["print", file]);
        // Which number a conversation has depends on whose packet came first.
        // Who is the client is only guessed behind the handshake.
        let numbers = |l: &String| {
            let l = l.replace(" #1 ", " # ").replace(" #2 ", " # ");
            let l = l.replace("127.0.0.1:53990 → 127.0.0.1:5353 ", "client → server ");
            let l = l.replace("127.0.0.1:5353 → 127.0.0.1:53990 ", "server → client ");
            // Without the handshake, where frames begin is inferred.
            let l = l.replace(" (inferred)", "");
            l.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        let mine = |all: &[String]| -> Vec<String> {
            let mut all: Vec<_> = websocket(all.to_vec()).iter().map(numbers).collect();
            // A hole is waited for, so that what lies behind it comes late.
            all.sort();
            all
        };
        // Without a SYN it is found by its frames, too.
        if from == 0 {
            assert_eq!(mine(&found), mine(&whole));
        } else {
            assert!(mine(&found).len() < mine(&whole).len(), "{found:#?}");
        }
        for rule in ["tcp.port==5353,websocket", "udp.port==5353,opaque"] {
            let told = lines(&["print", "-d", rule, file]);
            if rule.starts_with("udp") {
                assert_eq!(told, found, "another transport's rule");
                continue;
            }
            assert_eq!(mine(&told), mine(&whole), "-d {rule}");
            // The other conversation is as it was.
            let other = |all: &[String]| -> Vec<String> {
                let tag = if found.iter().any(|l| l.contains(" #1 ") && l.contains("GET ")) {
                    " #1 "
                } else {
                    " #2 "
                };
                of(all, tag)
            };
            assert_eq!(other(&told), other(&found));
        }
        // What is said of the whole conversation is exact, too.
        let sessions = lines(&["print", "-l", "exchange", "-d", "tcp.port==5353,websocket", file]);
        assert_eq!(of(&sessions, "websocket session").len(), 2, "{sessions:#?}");
    }
}

#[test]
fn a_handshake_is_still_read() {
    let file = "fixtures/ws-mixed-ports/capture.pcap";
    let whole = lines(&["print", "-l", "frame", file]);
    assert_eq!(lines(&["print", "-l", "frame", "-d", "tcp.port==5353,websocket", file]), whole);
    // Nobody's bytes; the last rule that fits counts, and none undoes another.
    let opaque = lines(&["print", "-d", "conversation==1,opaque", file]);
    assert!(opaque.iter().any(|l| l.contains("tcp opaque")), "{opaque:#?}");
    let rules = ["print", "-l", "frame", "-d", "conversation==1,opaque", "-d"];
    assert_eq!(
        lines(&[&rules[..], &["tcp.port==5353,none", "-d", "tcp.port==31337,none", file]].concat()),
        whole
    );
}

#[test]
fn mistakes_are_one_line_with_a_column() {
    for (rule, expected) in [
        ("tcp.port=8080,websocket", "framescope: -d 'tcp.port=8080,websocket': column 9: == is"),
        ("tcp.port==8080,websockets", "column 16: there is no protocol `websockets`; there are"),
        ("conversation==3,grpc", "column 17: gRPC is found within others"),
    ] {
        for command in [&["print"][..], &[]] {
            let args = [command, &["-d", rule, "fixtures/ws-time/capture.pcap"]].concat();
            let out = framescope(&args);
            let error = String::from_utf8(out.stderr).unwrap();
            if command.is_empty() && error.contains("no terminal") {
                continue;
            }
            assert_eq!(out.status.code(), Some(2), "{error}");
            assert!(error.contains(expected), "{error}");
            assert_eq!(error.lines().count(), 1, "{error}");
        }
    }
}
