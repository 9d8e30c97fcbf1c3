//! `-Y`, `-e` and `-x` as they are called.

use std::path::Path;
use std::process::Output;

use crate::{events, framescope, print, support};

const GRPC: &str = "fixtures/grpc-tonic/capture.pcap";

fn run(args: &[&str]) -> Output {
    framescope().arg("print").args(args).output().unwrap()
}

fn stderr(out: &Output) -> String {
    String::from_utf8(out.stderr.clone()).unwrap()
}

/// Exit status 2 before anything is read: there is no such capture.
#[test]
fn a_bad_filter_is_told_before_anything_is_read() {
    let out = run(&["-Y", "grpc.status_cod == 5", "gone.pcap"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(out.stdout.is_empty());
    assert_eq!(
        stderr(&out),
        "framescope: the filter (-Y) cannot be read\n  grpc.status_cod == 5\n  ^^^^^^^^^^^^^^^\n  \
         there is no field `grpc.status_cod`; did you mean grpc.status_code?\n"
    );
    let out = run(&["-Y", "\x1b[2J", "gone.pcap"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(!stderr(&out).contains('\x1b'));
    for args in [
        &["-e", "websocket.opcod", "gone.pcap"][..],
        &["-e", "grpc", "gone.pcap"],
        &["-e", "event", "--format", "json", "gone.pcap"],
        &["-x", "--format", "tsv", "gone.pcap"],
        &["--no-header", "gone.pcap"],
    ] {
        let out = run(args);
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        assert!(!stderr(&out).contains("gone.pcap:"), "{args:?}: {}", stderr(&out));
    }
    let out = run(&["-e", "websocket.opcod", "gone.pcap"]);
    assert!(stderr(&out).contains("websocket.opcode"), "{}", stderr(&out));
}

/// A filter on JSON gives the lines of JSON without it that fit, by their numbers.
#[test]
fn what_passes_is_what_json_says() {
    for (_, path) in support::fixtures() {
        for level in ["frame", "message", "exchange", "packet"] {
            let all = events(&path, level);
            for (filter, fits) in [
                (
                    "sender == server",
                    Box::new(|e: &serde_json::Value| e["sender"] == "server")
                        as Box<dyn Fn(&serde_json::Value) -> bool>,
                ),
                ("severity >= note", Box::new(|e| e["findings"] != serde_json::json!([]))),
                ("websocket.opcode == text", Box::new(|e| e["fields"]["websocket.opcode"] == 1)),
                ("tcp.flags.syn == 1", Box::new(|e| e["fields"]["tcp.flags.syn"] == true)),
                (
                    "duration_ns > 1ms",
                    Box::new(|e| e["fields"]["duration_ns"].as_u64() > Some(1_000_000)),
                ),
                (
                    "grpc.method contains Get",
                    Box::new(|e| {
                        e["fields"]["grpc.method"].as_str().is_some_and(|m| m.contains("Get"))
                    }),
                ),
                (
                    "stream in {1, 3..5}",
                    Box::new(|e| {
                        e["stream"].as_u64().is_some_and(|s| s == 1 || (3..=5).contains(&s))
                    }),
                ),
            ] {
                let text = print(&path, &["--full", "--format", "json", "-l", level, "-Y", filter]);
                let some: Vec<serde_json::Value> =
                    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
                let expected: Vec<_> = all.iter().filter(|e| fits(e)).cloned().collect();
                assert_eq!(some.len(), expected.len(), "{}: {level}: {filter}", path.display());
                assert_eq!(some, expected);
            }
        }
    }
}

#[test]
fn columns_of_both_forms() {
    let path = Path::new(GRPC);
    let tsv =
        print(path, &["-l", "exchange", "-Y", "grpc", "-e", "event, grpc.status_code", "-c", "2"]);
    assert_eq!(tsv, "event\tgrpc.status_code\n19\t0\n27\t5\n");
    let csv = print(
        path,
        &[
            "--format",
            "csv",
            "--no-header",
            "-l",
            "exchange",
            "-e",
            "grpc.status_message",
            "-c",
            "2",
        ],
    );
    assert_eq!(csv, "\n\"no user with id 404: 100% “niemand” größer als\n42\"\n");
    let names = print(path, &["--format", "tsv", "--time", "delta", "-c", "2"]);
    let first: Vec<&str> = names.lines().map(|l| l.split('\t').next().unwrap()).collect();
    assert_eq!(first, ["time_delta", "0.000000000", "0.000016545"]);
    let packets =
        print(path, &["-e", "packet,tcp.srcport,tcp.flags.syn", "-l", "packet", "-c", "1"]);
    assert_eq!(packets, "packet\ttcp.srcport\ttcp.flags.syn\n1\t59410\ttrue\n");
}

/// The bytes of `-x`: of each buffer its label line and its hex digits.
fn dumps(text: &str) -> Vec<(String, String)> {
    let mut all: Vec<(String, String)> = Vec::new();
    for line in text.lines().filter_map(|l| l.strip_prefix("      ")) {
        let offset = line.split(' ').next().unwrap_or_default();
        let is_hex = offset.len() >= 4 && offset.bytes().all(|b| b.is_ascii_hexdigit());
        match (is_hex && line[offset.len()..].starts_with("  "), all.last_mut()) {
            (true, Some((_, hex))) => {
                let digits = &line[offset.len()..offset.len() + 51];
                hex.extend(digits.chars().filter(|c| *c != ' '));
            }
            _ => all.push((line.to_owned(), String::new())),
        }
    }
    all
}

/// Every byte of every frame is shown, and stands in its packet.
#[test]
fn bytes_are_those_of_the_wire() {
    let mut found = 0;
    for (name, path) in support::fixtures() {
        let text = print(&path, &["-x", "--full", "-l", "frame"]);
        assert!(!text.contains("not shown") && !text.contains("no longer kept"), "{name}");
        let packets = dumps(&print(&path, &["-x", "-l", "packet"]));
        for (label, hex) in dumps(&text) {
            let words: Vec<&str> = label.rsplit(' ').collect();
            let len = label.split(", ").nth(1).and_then(|l| l.split(' ').next()).unwrap();
            assert_eq!(hex.len(), 2 * len.parse::<usize>().unwrap(), "{name}: {label}");
            if label.starts_with("TCP stream, ") && words[1] == "packet" {
                let number: usize = words[0].parse().unwrap();
                assert!(packets[number - 1].1.contains(&hex), "{name}: {label}");
                found += 1;
            }
        }
    }
    assert!(found > 300, "{found}");
}
