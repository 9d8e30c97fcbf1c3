//! The program as it is called: arguments, exit status, what goes to which stream.

use std::io::{Read, Write};
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Output, Stdio};

use framescope::base::CaptureTime;

use crate::support::{self, Segment};
use crate::{events, framescope, print};

const CAPTURE: &str = "fixtures/ws-tungstenite/capture.pcap";

fn run(args: &[&str]) -> Output {
    framescope().args(args).output().unwrap()
}

fn stdout(out: &Output) -> String {
    String::from_utf8(out.stdout.clone()).unwrap()
}

fn stderr(out: &Output) -> String {
    String::from_utf8(out.stderr.clone()).unwrap()
}

/// A folder of this test's own, which is gone in the end.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("framescope-{name}-{}", std::process::id()));
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.0.join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

#[test]
fn help_of_every_command() {
    let help = run(&["--help"]);
    assert!(help.status.success() && help.stderr.is_empty());
    let text = stdout(&help);
    for part in [
        "Usage: framescope",
        "print",
        "stats",
        "check",
        "slice",
        "completions",
        "man",
        "--proto",
        "Examples:",
    ] {
        assert!(text.contains(part), "{part} is missing in:\n{text}");
    }
    for command in ["print", "stats", "check", "slice", "completions", "man"] {
        for flag in ["--help", "-h"] {
            let out = run(&[command, flag]);
            assert!(out.status.success() && out.stderr.is_empty(), "{command} {flag}");
            assert!(stdout(&out).contains(&format!("Usage: framescope {command}")), "{command}");
        }
    }
    let version = run(&["--version"]);
    assert_eq!(stdout(&version), format!("framescope {}\n", env!("CARGO_PKG_VERSION")));
}

#[test]
fn man_page_and_completions() {
    let man = run(&["man"]);
    assert!(man.status.success() && man.stderr.is_empty());
    let page = stdout(&man);
    assert!(page.contains(".TH framescope 1") && page.contains("\\-\\-proto"), "{page}");
    for shell in ["bash", "zsh", "fish", "elvish", "powershell"] {
        let out = run(&["completions", shell]);
        assert!(out.status.success(), "{shell}");
        assert!(stdout(&out).contains("framescope"), "{shell}");
    }
}

/// Exit status 2, one line that says which file, nothing on standard output.
#[test]
fn input_that_is_no_capture() {
    let folder = Folder::new("input");
    let files = [
        (folder.0.join("missing.pcap"), None),
        (folder.file("empty.pcap", b""), None),
        (
            folder.file("picture.pcap", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\x01\0\0\0\x01"),
            Some("PNG"),
        ),
        (folder.file("notes.txt", b"These are notes, and no capture at all.\n"), None),
        (folder.0.clone(), Some("directory")),
    ];
    for (file, word) in files {
        let out = framescope().arg("print").arg(&file).output().unwrap();
        let text = stderr(&out);
        let name = file.to_string_lossy();
        assert_eq!(out.status.code(), Some(2), "{name}: {text}");
        assert!(out.stdout.is_empty(), "{name}");
        assert_eq!(text.lines().count(), 1, "{name}: {text}");
        assert!(text.starts_with("framescope: ") && text.contains(&*name), "{text}");
        assert!(text.contains(word.unwrap_or_default()), "{text}");
    }
}

#[test]
fn arguments_that_do_not_fit() {
    for args in [
        &["print", "--level", "everything", CAPTURE][..],
        &["print", "--format", "xml", CAPTURE],
        &["print", "--mem", "lots", CAPTURE],
        &["print", "-c", "-1", CAPTURE],
        &["print"],
        &["print", "--no-such-option", CAPTURE],
        &["completions", "tcsh"],
    ] {
        let out = run(args);
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        assert!(out.stdout.is_empty() && !out.stderr.is_empty(), "{args:?}");
    }
    // What there is instead is said.
    let text = stderr(&run(&["print", "--level", "everything", CAPTURE]));
    assert!(text.contains("packet, frame, message, exchange, finding"), "{text}");
}

#[test]
fn a_capture_filter_leaves_packets_out() {
    let numbers = |filter: &str| -> Vec<String> {
        let out = run(&["print", "-l", "packet", "-f", filter, CAPTURE]);
        assert!(out.status.success(), "{}", stderr(&out));
        let first = |l: &str| l.split_whitespace().next().map(str::to_owned);
        stdout(&out).lines().filter_map(first).filter(|w| w.starts_with('p')).collect()
    };
    let (all, syn) = (numbers(""), numbers("tcp[tcpflags] & tcp-syn != 0"));
    assert!(syn.len() > 1 && syn.len() < all.len(), "{syn:?}");
    // Each has the number that it has in the whole capture.
    let rest = numbers("not tcp[tcpflags] & tcp-syn != 0");
    assert_eq!(all, merged(&syn, &rest));
    assert_eq!(rest.last(), all.last());
    let out = run(&["print", "--capture-filter", "tcp port http or or 22", CAPTURE]);
    assert_eq!(out.status.code(), Some(2));
    let said = stderr(&out);
    assert!(said.contains("column 18"), "{said}");
    assert!(said.contains("  tcp port http or or 22\n                   ^"), "{said}");
    // What these packets do not have is said, not judged.
    let mut raw_ip = vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0];
    raw_ip.extend([101, 0, 0, 0]);
    raw_ip.extend([0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0x45]);
    let folder = Folder::new("bpf");
    let capture = folder.file("raw.pcap", &raw_ip);
    let out = run(&["print", "-f", "vlan 7", capture.to_str().unwrap()]);
    assert_eq!(out.status.code(), Some(2));
    assert!(stderr(&out).contains("packet 1: `vlan` asks for Ethernet"), "{}", stderr(&out));
}

/// By the number behind the letter.
fn merged(a: &[String], b: &[String]) -> Vec<String> {
    let mut all: Vec<String> = a.iter().chain(b).cloned().collect();
    all.sort_by_key(|p| p[1..].parse::<u64>().unwrap());
    all
}

#[test]
fn standard_input() {
    let whole = print(Path::new(CAPTURE), &[]);
    let mut child = framescope()
        .args(["print", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let bytes = std::fs::read(support::root().join(CAPTURE)).unwrap();
    let mut input = child.stdin.take().unwrap();
    let feeder = std::thread::spawn(move || {
        // In odd pieces, as a pipe may give them.
        for piece in bytes.chunks(777) {
            input.write_all(piece).unwrap();
        }
    });
    let out = child.wait_with_output().unwrap();
    feeder.join().unwrap();
    assert!(out.status.success() && out.stderr.is_empty(), "{}", stderr(&out));
    assert_eq!(stdout(&out), whole);
    let out = framescope().args(["print", "-"]).stdin(Stdio::null()).output().unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert_eq!(stderr(&out).lines().count(), 1);
}

#[test]
fn a_count_stops() {
    let all = events(Path::new(CAPTURE), "message");
    let json = print(Path::new(CAPTURE), &["-c", "3", "--format", "json"]);
    let some: Vec<serde_json::Value> =
        json.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(some, all[..3]);
    assert_eq!(print(Path::new(CAPTURE), &["-c", "0", "--format", "json"]), "");
}

#[test]
fn several_captures_follow_one_another() {
    let other = "fixtures/ws-ipv6/capture.pcap";
    let out = run(&["print", "--format", "json", "-r", CAPTURE, other]);
    assert!(out.status.success() && out.stderr.is_empty());
    let count =
        events(Path::new(CAPTURE), "message").len() + events(Path::new(other), "message").len();
    let text = stdout(&out);
    let all: Vec<serde_json::Value> =
        text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    assert_eq!(all.len(), count);
    let numbers: Vec<u64> = all.iter().map(|e| e["event"].as_u64().unwrap()).collect();
    assert!(numbers.is_sorted(), "numbers go on from one file to the next: {numbers:?}");
    let out = run(&["print", CAPTURE, "gone.pcap"]);
    assert_eq!(out.status.code(), Some(2));
    assert!(stderr(&out).contains("gone.pcap"));
}

/// Whoever reads no further ends the program quietly.
/// `framescope … 2>&1 | head -1`: nobody reads what is said on standard error any more.
#[test]
fn nobody_need_hear_what_is_said() {
    for args in [
        &["print", "-d", "tcp.port==1,websocket"][..],
        &["print", "-Y", "tcp.port==1"],
        &["schema"],
        &["slice", "--event", "999999", "-w", "-"],
        &["print", "--no-such-option"],
    ] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = framescope();
        let status = command.args(args).arg(CAPTURE).stdout(Stdio::null()).stderr(writer).status();
        // 101 would be a panic.
        assert!(matches!(status.unwrap().code(), Some(0..=2)), "{args:?}");
    }
}

/// Who gives a word where a number belongs is told what belongs there.
#[test]
fn what_is_no_number_is_answered_with_one() {
    for (command, what) in [("print", "events"), ("live", "packets")] {
        let out = run(&[command, "-c", "abc"]);
        assert_eq!(out.status.code(), Some(2), "{command}");
        let said = format!("a number of {what} is expected, as in -c 100");
        assert!(stderr(&out).contains(&said), "{command}: {}", stderr(&out));
    }
}

#[test]
fn a_closed_pipe_is_quiet() {
    let mut child = framescope()
        .args(["print", "--format", "json", "--level", "packet", CAPTURE])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut first = [0; 16];
    child.stdout.take().unwrap().read_exact(&mut first).unwrap();
    assert_eq!(first[..9], *b"{\"event\":");
    let out = child.wait_with_output().unwrap();
    assert_eq!(out.status.code(), Some(0));
    assert_eq!(stderr(&out), "");
}

#[test]
fn schemas_that_cannot_be_read() {
    let folder = Folder::new("proto");
    let bad = folder.file("bad.proto", b"syntax = \"proto3\";\nmessage {\n");
    let missing = folder.0.join("gone.proto");
    for file in [bad, missing] {
        let name = file.to_string_lossy().into_owned();
        let out = run(&["print", "--proto", &name, "fixtures/grpc-tonic/capture.pcap"]);
        let text = stderr(&out);
        assert_eq!(out.status.code(), Some(2), "{text}");
        assert!(out.stdout.is_empty());
        assert_eq!(text.lines().count(), 1, "{text}");
        let short = file.file_name().unwrap().to_string_lossy();
        assert!(text.contains(&*short), "{text}");
        assert!(!text.contains('"'), "no text is quoted twice: {text}");
    }
    let edition = folder.file("edition.proto", b"edition = '2023';\n");
    let out = run(&["print", "--proto", &edition.to_string_lossy(), CAPTURE]);
    let said = "framescope: edition.proto: edition = '2023' is not supported";
    assert!(stderr(&out).starts_with(said), "{}", stderr(&out));
    let out = run(&["print", "--proto", "fixtures/proto", "fixtures/grpc-tonic/capture.pcap"]);
    assert!(out.status.success() && stdout(&out).contains("GetUserRequest {id: 42}"));
}

/// To a file or a pipe go no escape bytes, whatever the capture says.
#[test]
fn no_escape_bytes_unless_on_a_terminal() {
    for (name, path) in support::fixtures() {
        for level in ["packet", "frame", "message", "exchange", "finding"] {
            for format in ["text", "json"] {
                let text = print(&path, &["--level", level, "--format", format]);
                let odd = text.chars().find(|c| c.is_control() && *c != '\n');
                assert_eq!(odd, None, "{name}: {level} as {format}");
            }
        }
    }
}

#[test]
fn hostile_text_is_shown_and_not_sent() {
    let hostile = "\u{1b}]0;owned\u{7}\u{1b}[31mred\r\u{202e}\u{9b}2J\0end";
    let folder = Folder::new("hostile");
    let path = folder.file("hostile.pcap", &websocket(hostile.as_bytes()));
    let text = print(&path, &[]);
    assert!(text.contains("owned") && text.contains("red") && text.contains("end"), "{text}");
    let bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    for level in ["packet", "frame", "message", "exchange", "finding"] {
        for format in ["text", "json"] {
            let text = print(&path, &["--level", level, "--format", format]);
            let sent =
                text.chars().find(|c| if format == "text" { bad(*c) } else { *c == '\u{1b}' });
            assert_eq!(sent, None, "{level} as {format}: {text:?}");
        }
    }
    // JSON holds the very text.
    let all = events(&path, "message");
    assert_eq!(all.last().unwrap()["payload"]["text"], hostile);
}

/// A capture (raw IP) of a WebSocket handshake and one text from the server.
fn websocket(text: &[u8]) -> Vec<u8> {
    let (c, s): (IpAddr, IpAddr) = ([10, 0, 0, 1].into(), [10, 0, 0, 2].into());
    let request = b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
    let response =
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
    let mut frame = vec![0x81, u8::try_from(text.len()).unwrap()];
    frame.extend(text);
    let mut numbers = [1_000_u32, 5_000];
    let mut all = Vec::new();
    // SYN, SYN ACK, then data with ACK and PSH.
    let steps: [(usize, u8, &[u8]); 5] =
        [(0, 2, b""), (1, 0x12, b""), (0, 0x18, request), (1, 0x18, response), (1, 0x18, &frame)];
    for (i, (side, flags, data)) in steps.into_iter().enumerate() {
        let ends = if side == 0 { [(c, 40_000), (s, 4321)] } else { [(s, 4321), (c, 40_000)] };
        all.push(Segment {
            time: CaptureTime::default(),
            from: ends[0],
            to: ends[1],
            seq: numbers[side],
            ack: if i == 0 { 0 } else { numbers[1 - side] },
            flags,
            window: 1000,
            scale: None,
            data: data.to_vec(),
        });
        let syn = u32::from(flags & 2 != 0);
        numbers[side] += u32::try_from(data.len()).unwrap() + syn;
    }
    let mut file = Vec::new();
    for word in [0xa1b2_c3d4_u32, 0x0004_0002, 0, 0, 65_535, 101] {
        file.extend(word.to_le_bytes());
    }
    for (i, p) in support::pack(&all).iter().enumerate() {
        let len = u32::try_from(p.data.len()).unwrap();
        for word in [1_700_000_000, u32::try_from(i).unwrap(), len, len] {
            file.extend(word.to_le_bytes());
        }
        file.extend(&p.data);
    }
    file
}
