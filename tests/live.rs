//! Capturing for real: two real peers talk, and the program must have seen it all.
//!
//! The tests run in a network namespace of their own where the system allows it
//! (`unshare -n`), else on the loopback that everybody shares, and look at their
//! own ports only. They are skipped only where packet sockets are refused.
#![cfg(all(feature = "cli", feature = "live", target_os = "linux"))]

#[path = "live/bridge.rs"]
mod bridge;
#[path = "live/harness.rs"]
mod harness;
#[path = "live/library.rs"]
mod library;
#[path = "live/peers.rs"]
mod peers;
#[path = "live/tls.rs"]
mod tls;

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use harness::{Capture, DEADLINE, Http, Scratch, alone, follow, json, run, say, until, ways};
use tls::Way;

/// Round trips of each pair: two messages each. `FRAMESCOPE_ROUNDS` sets another number.
const ROUNDS: usize = 50_000;

fn rounds() -> usize {
    std::env::var("FRAMESCOPE_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(ROUNDS)
}
/// So long whoever reads the output stands still, and then the program itself.
const STILL: Duration = Duration::from_secs(2);
/// So many lines are read in a millisecond, at most.
const SLOW: usize = 100;
/// So long keys come behind what they open.
const LATE: Duration = Duration::from_millis(700);
fn schema() -> String {
    format!("{}/fixtures/proto/user.proto", env!("CARGO_MANIFEST_DIR"))
}

/// How often each message of our peers occurs among printed events: by what was
/// said, without the padding.
fn said(lines: impl Iterator<Item = String>, ports: [u16; 2]) -> BTreeMap<String, u32> {
    let mut all = BTreeMap::new();
    for line in lines {
        let event = json(&line);
        let ours = |end: &str| {
            let port = event[end].as_str().and_then(|e| e.rsplit_once(':')?.1.parse().ok());
            port.is_some_and(|p: u16| ports.contains(&p))
        };
        if !(ours("from") || ours("to")) {
            continue;
        }
        assert_eq!(event["findings"], Value::Array(Vec::new()), "{line:.300}");
        let payload = &event["payload"];
        let text = match (event["protocol"].as_str(), event["kind"].as_str()) {
            (Some("websocket"), Some("text")) => payload["text"].as_str(),
            (Some("grpc"), Some("message")) => payload["protobuf"]["text"].as_str(),
            _ => continue,
        };
        let text = text.unwrap_or_else(|| panic!("no text in {line:.300}"));
        *all.entry(text.trim_end_matches('.').to_owned()).or_default() += 1;
    }
    all
}

/// Every message once, and none but those.
fn complete(all: &BTreeMap<String, u32>) {
    assert!(all.values().all(|n| *n == 1), "some came twice");
    for who in ["websocket", "grpc"] {
        for way in ["asks", "answers"] {
            for n in 0..rounds() {
                let text = peers::text(who, way, n);
                assert!(all.contains_key(text.trim_end_matches('.')), "{who} {way} {n} is lost");
            }
        }
    }
    assert_eq!(all.len(), 4 * rounds());
}

/// 100,000 messages of each protocol, while whoever reads the output stands still for a
/// while, and then the program itself.
fn each_message_comes_once(name: &str, way: &[&str], encrypted: bool) {
    let file = Scratch::new(name);
    let keys = Scratch::new(&format!("{name}-keys"));
    let schema = schema();
    // Of somebody else, who is none of the file's business.
    let other = "ab".repeat(32);
    std::fs::write(&keys.0, format!("CLIENT_RANDOM {other} {}\n", "cd".repeat(48))).unwrap();
    let peers = if encrypted { Way::tls(&keys.0, LATE).unwrap() } else { Way::Clear };
    let mut arguments = vec!["--format", "json", "--proto", &schema, "-w", file.text()];
    arguments.extend(way);
    if encrypted {
        arguments.extend(["--keylog", keys.text()]);
    }
    let Some((capture, out)) = Capture::start(&arguments) else { return };
    let reader = std::thread::spawn(move || {
        let mut lines = BufReader::new(out).lines().map_while(Result::ok);
        let mut all: Vec<String> = lines.by_ref().take(1_000).collect();
        std::thread::sleep(STILL);
        // And slowly from there on: more comes than is read.
        for (n, line) in lines.enumerate() {
            all.push(line);
            if n % SLOW == 0 {
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        all
    });
    let begun = Instant::now();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let peers = runtime
        .spawn(async move { tokio::time::timeout(DEADLINE, peers::talk(rounds(), peers)).await });
    std::thread::sleep(Duration::from_millis(500));
    capture.signal("-STOP");
    std::thread::sleep(STILL);
    capture.signal("-CONT");
    let ports = runtime.block_on(peers).unwrap().expect("the peers are done in time").unwrap();
    let talked = begun.elapsed();
    let last = capture.end();
    let lines = reader.join().unwrap();
    let took = begun.elapsed();
    println!("{name}: {} events of {talked:?} after {took:?}; {last}", lines.len());
    assert!(last.contains("none dropped by the kernel, kept in"), "{last}");
    assert_eq!(last.contains("with the secrets of 2 TLS sessions"), encrypted, "{last}");
    complete(&said(lines.into_iter(), ports));

    let bytes = std::fs::read(&file.0).unwrap();
    assert!(!bytes.windows(other.len()).any(|w| w == other.as_bytes()), "others' secrets");

    // The file has the same, and needs no key log. (In clear, others look at it.)
    if !encrypted {
        return;
    }
    let print = Command::new(env!("CARGO_BIN_EXE_framescope"))
        .args(["print", "--format", "json", "--proto", &schema, file.text()])
        .output()
        .unwrap();
    assert!(print.status.success());
    complete(&said(print.stdout.lines().map_while(Result::ok), ports));
}

#[test]
fn a_hundred_thousand_messages_come_each_once() {
    alone("a_hundred_thousand_messages_come_each_once", || {
        each_message_comes_once("live", &[], false);
    });
}

#[test]
fn a_hundred_thousand_messages_come_each_once_by_libpcap() {
    alone("a_hundred_thousand_messages_come_each_once_by_libpcap", || {
        for way in ways().iter().skip(1) {
            each_message_comes_once("live-libpcap", way, false);
        }
    });
}

#[test]
fn a_hundred_thousand_encrypted_messages_come_each_once() {
    alone("a_hundred_thousand_encrypted_messages_come_each_once", || {
        each_message_comes_once("live-tls", &[], true);
    });
}

/// The promise is 100 ms; a machine that is busy with other tests gets 2 s.
#[test]
fn an_event_is_printed_soon_after_its_packet() {
    alone("an_event_is_printed_soon_after_its_packet", || {
        for way in ways() {
            let Some((capture, out)) = Capture::start_by(way, &["--format", "json"]) else {
                return;
            };
            let lines = follow(out);
            let mut http = Http::start();
            let mut took: Vec<Duration> = (0..50)
                .map(|n| {
                    let path = format!("/latency-{}-{n}", http.port);
                    let begun = Instant::now();
                    http.ask(&path);
                    until(&lines, &path);
                    begun.elapsed()
                })
                .collect();
            capture.end();
            took.sort_unstable();
            println!("latency: median {:?}, worst {:?}", took[25], took[49]);
            assert!(took[49] < Duration::from_secs(2), "{took:?}");
        }
    });
}

#[test]
fn what_is_kept_survives_a_kill() {
    alone("what_is_kept_survives_a_kill", || {
        let file = Scratch::new("killed");
        let arguments = ["--format", "text", "-w", file.text()];
        let Some((mut capture, out)) = Capture::start(&arguments) else { return };
        let lines = follow(out);
        let mut http = Http::start();
        let path = format!("/killed-{}", http.port);
        http.ask(&path);
        until(&lines, &path);
        capture.signal("-KILL");
        assert!(!capture.child.wait().unwrap().success());
        let print = Command::new(env!("CARGO_BIN_EXE_framescope"))
            .args(["print", file.text()])
            .output()
            .unwrap();
        let text = String::from_utf8(print.stdout).unwrap();
        assert!(print.status.success() && text.contains(&path), "{text}");
        assert!(!text.contains("capture."), "no finding about the file: {text}");
    });
}

#[test]
fn it_ends_by_count_and_by_time() {
    alone("it_ends_by_count_and_by_time", || {
        for way in ways() {
            let Some((mut capture, _out)) = Capture::start_by(way, &["-l", "packet", "-c", "3"])
            else {
                return;
            };
            Http::start().ask("/count");
            assert!(capture.child.wait().unwrap().success());
            let last = capture.errors.iter().last().unwrap_or_default();
            assert_eq!(last, "3 packets, none dropped by the kernel");
            let begun = Instant::now();
            let Some((mut capture, _out)) =
                Capture::start_by(way, &["-l", "packet", "--duration", "0.2"])
            else {
                return;
            };
            assert!(capture.child.wait().unwrap().success());
            assert!(begun.elapsed() >= Duration::from_millis(200));
        }
    });
}

/// A segment of 64 KiB, as a loopback hands it over.
#[test]
fn large_segments_are_whole() {
    alone("large_segments_are_whole", || {
        for way in ways() {
            let Some((capture, out)) =
                Capture::start_by(way, &["--format", "json", "-l", "packet"])
            else {
                return;
            };
            let lines = follow(out);
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                stream.write_all(&[b'x'; 4 << 20]).unwrap();
            });
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            assert_eq!(std::io::copy(&mut stream, &mut std::io::sink()).unwrap(), 4 << 20);
            std::thread::sleep(Duration::from_millis(300));
            capture.end();
            let mut longest = 0_u32;
            for line in lines.iter() {
                let event = json(&line);
                assert!(!line.contains("cut-short") && !line.contains("snapped"), "{line:.300}");
                if event["from"].as_str().is_some_and(|f| f.ends_with(&format!(":{port}"))) {
                    let summary = event["summary"].as_str().unwrap_or_default();
                    let len = summary.rsplit_once("length ").and_then(|(_, n)| n.parse().ok());
                    longest = longest.max(len.unwrap_or(0));
                }
            }
            println!("large: {longest} bytes in one segment");
            assert!(longest > 60_000, "{longest}");
        }
    });
}

/// A loopback hands each packet over twice, as it leaves and as it comes back. TCP
/// would hide that; datagrams do not.
#[test]
fn a_loopback_packet_comes_once() {
    alone("a_loopback_packet_comes_once", || {
        for way in ways() {
            for interface in ["lo", "any"] {
                let to = UdpSocket::bind("127.0.0.1:0").unwrap();
                let from = UdpSocket::bind("127.0.0.1:0").unwrap();
                let other = UdpSocket::bind("127.0.0.1:0").unwrap();
                let address = to.local_addr().unwrap();
                let port = address.port().to_string();
                let arguments = [
                    "-i", interface, "--format", "json", "-l", "packet", "udp", "dst", "port",
                    &port,
                ];
                let Some((capture, out)) = Capture::start_by(way, &arguments) else { return };
                let lines = follow(out);
                for n in 0..100_u16 {
                    from.send_to(&n.to_be_bytes(), address).unwrap();
                    // The filter leaves this one out.
                    from.send_to(&n.to_be_bytes(), other.local_addr().unwrap()).unwrap();
                }
                let last = capture.end();
                let ours = format!("\"to\":\"{address}\"");
                let seen = lines.iter().filter(|l| l.contains(&ours)).count();
                assert_eq!(seen, 100, "{interface}: {last}");
                assert_eq!(last, "100 packets, none dropped by the kernel");
            }
        }
    });
}

/// What is captured and what the kernel had no room for come to all that was sent.
#[test]
fn nothing_is_lost_unnoticed() {
    alone("nothing_is_lost_unnoticed", || {
        const SENT: usize = 50_000;
        for way in ways() {
            let to = UdpSocket::bind("127.0.0.1:0").unwrap();
            let from = UdpSocket::bind("127.0.0.1:0").unwrap();
            let port = to.local_addr().unwrap().port().to_string();
            let arguments = ["-l", "packet", "--buffer", "4M", "udp", "dst", "port", &port];
            let Some((capture, out)) = Capture::start_by(way, &arguments) else { return };
            let lines = follow(out);
            capture.signal("-STOP");
            for _ in 0..SENT {
                from.send_to(b"small", to.local_addr().unwrap()).unwrap();
            }
            capture.signal("-CONT");
            let last = capture.end();
            let numbers: Vec<usize> =
                last.split([' ', ',']).filter_map(|w| w.parse().ok()).collect();
            let [captured, dropped] = numbers[..] else { panic!("{last}") };
            println!("noticed, {way:?}: {last}");
            assert!(dropped > 0, "{last}");
            assert_eq!(captured + dropped, SENT, "{way:?}");
            assert_eq!(lines.iter().filter(|l| l.contains("UDP, length 5")).count(), captured);
        }
    });
}

/// While the program stands still, the kernel runs out of room: that is told.
#[test]
fn what_the_kernel_drops_is_counted() {
    alone("what_the_kernel_drops_is_counted", || {
        for way in ways() {
            let arguments = ["--format", "json", "-l", "finding", "--buffer", "32M"];
            let Some((capture, out)) = Capture::start_by(way, &arguments) else { return };
            let lines = follow(out);
            capture.signal("-STOP");
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let port = listener.local_addr().unwrap().port();
            // More than the ring holds.
            const BYTES: usize = 96 << 20;
            std::thread::spawn(move || {
                let (mut stream, _) = listener.accept().unwrap();
                let chunk = [b'x'; 1 << 20];
                (0..BYTES >> 20).for_each(|_| stream.write_all(&chunk).unwrap());
            });
            let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
            assert_eq!(std::io::copy(&mut stream, &mut std::io::sink()).unwrap(), BYTES as u64);
            capture.signal("-CONT");
            until(&lines, "capture.kernel-drops");
            let last = capture.end();
            println!("drops: {last}");
            assert!(last.contains("DROPPED by the kernel"), "{last}");
        }
    });
}

/// A server that answers over TLS, as often as it is asked.
fn https() -> (u16, Scratch) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    // The test's, and not the thread's, which never ends.
    let nowhere = Scratch::new("nobody-follows");
    let way = Way::tls(&nowhere.0, Duration::ZERO).unwrap();
    std::thread::spawn(move || {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(
            async {
                let listener = tokio::net::TcpListener::from_std(listener).unwrap();
                while let Ok((stream, _)) = listener.accept().await {
                    let Ok(mut stream) = way.accept(stream).await else { continue };
                    let mut request = [0; 4096];
                    let _ = stream.read(&mut request).await;
                    let _ =
                        stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
                    let _ = stream.shutdown().await;
                }
            },
        );
    });
    (port, nowhere)
}

/// A command, its keys, its processes, its output, its end; and the file opens alone.
#[test]
fn a_command_is_captured_with_its_keys() {
    alone("a_command_is_captured_with_its_keys", || {
        if !Command::new("curl").arg("--version").output().is_ok_and(|o| o.status.success()) {
            return say("SKIPPED: there is no curl");
        }
        let (file, (port, _log)) = (Scratch::new("command"), https());
        let url = format!("https://127.0.0.1:{port}/of-a-command");
        let curl = ["curl", "-sk", "--http1.1", &url];
        let arguments = ["live", "--format", "json", "-w", file.text(), "--"];
        let Some((status, out, errors)) = run(&[&arguments[..], &curl].concat()) else { return };
        assert_eq!(status, Some(0), "{errors}");
        let line = out.lines().find(|l| l.contains("GET /of-a-command")).expect("the request");
        let event = json(line);
        assert_eq!(event["from_process"]["name"], "curl", "{line}");
        assert_eq!(event["to_process"]["pid"], std::process::id(), "{line}");
        // What it wrote itself is beside the events.
        assert!(errors.starts_with("ok"), "{errors}");
        assert!(errors.contains("with the secrets of 1 TLS session"), "{errors}");
        let (_, text, _) = run(&["print", file.text()]).unwrap();
        assert!(text.contains("GET /of-a-command") && text.contains("200 OK"), "{text}");
        // Only those that were of use: the four of a session of TLS 1.3.
        let bytes = std::fs::read(&file.0).unwrap();
        let count = |what: &[u8]| bytes.windows(what.len()).filter(|w| *w == what).count();
        assert_eq!(count(b"CLIENT_TRAFFIC_SECRET_0 "), 1);
        assert_eq!(count(b"EXPORTER_SECRET "), 0);
        // Who reads it once and decrypts as it reads finds them in time.
        let tshark = |file: &str| {
            let arguments = ["-r", file, "-Y", "http", "-T", "fields", "-e", "http.request.uri"];
            Command::new("tshark").args(arguments).output().ok()
        };
        match tshark(file.text()).filter(|o| o.status.success()) {
            Some(out) => {
                let text = String::from_utf8_lossy(&out.stdout).into_owned();
                assert!(text.contains("/of-a-command"), "tshark: {text}");
            }
            None => say("SKIPPED: opening the file with tshark: it is not installed"),
        }
    });
}

#[test]
fn the_exit_status_of_a_command_is_handed_on() {
    alone("the_exit_status_of_a_command_is_handed_on", || {
        for (script, status) in [("exit 0", 0), ("exit 7", 7), ("kill -TERM $$", 143)] {
            let Some((code, _, errors)) = run(&["live", "--", "sh", "-c", script]) else { return };
            assert_eq!(code, Some(status), "{script}: {errors}");
        }
        let (code, _, errors) = run(&["live", "--", "no-such-command"]).unwrap();
        assert_eq!(code, Some(127), "{errors}");
        // The capture ends first: the command is ended.
        let begun = Instant::now();
        let arguments = ["live", "--duration", "0.2", "--", "sleep", "60"];
        assert_eq!(run(&arguments).unwrap().0, Some(143));
        assert!(begun.elapsed() < Duration::from_secs(30));
    });
}

#[test]
fn a_signal_is_handed_on_to_the_command() {
    alone("a_signal_is_handed_on_to_the_command", || {
        let script = "trap 'exit 9' TERM; echo ready; while :; do sleep 0.05; done";
        let mut child = Command::new(env!("CARGO_BIN_EXE_framescope"))
            .args(["live", "--", "sh", "-c", script])
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines().map_while(Result::ok);
        let first = lines.next().unwrap_or_default();
        if first.contains("not permitted") {
            let _ = child.wait();
            return say("SKIPPED: packet sockets are refused here");
        }
        assert_eq!(first, "ready");
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        assert_eq!(child.wait().unwrap().code(), Some(9));
        assert!(lines.any(|l| l == "sh: exit status 9"));
    });
}

#[test]
fn interfaces_are_listed_and_namespaces_are_gone_to() {
    alone("interfaces_are_listed_and_namespaces_are_gone_to", || {
        let Some((status, out, _)) = run(&["live", "-D"]) else { return };
        assert_eq!(status, Some(0));
        let lo = out.lines().find(|l| l.contains(" lo ")).expect("a loopback");
        assert!(lo.contains("up, loopback  127.0.0.1"), "{out}");
        // One where it is down.
        let Ok(mut there) = Command::new("unshare").args(["-n", "sleep", "60"]).spawn() else {
            return say("SKIPPED: there is no unshare");
        };
        std::thread::sleep(Duration::from_millis(300));
        let pid = there.id().to_string();
        let (status, out, errors) = run(&["live", "--netns", &pid, "-D"]).unwrap();
        let _ = there.kill();
        let _ = there.wait();
        if errors.contains("cannot be listed") || !out.contains("lo") {
            return say(&format!("SKIPPED: no namespace can be entered here: {errors}"));
        }
        assert_eq!(status, Some(0));
        assert!(out.contains("lo   down, loopback"), "{out}");
        let (status, _, errors) = run(&["live", "--netns", "no-such"]).unwrap();
        assert_eq!(status, Some(2));
        assert!(errors.contains("--netns no-such: /var/run/netns/no-such: "), "{errors}");
    });
}

#[test]
fn an_interface_that_is_not_there_is_told() {
    let out = Command::new(env!("CARGO_BIN_EXE_framescope"))
        .args(["live", "-i", "nowhere0"])
        .output()
        .unwrap();
    let text = String::from_utf8(out.stderr).unwrap();
    assert_eq!(out.status.code(), Some(2));
    assert!(text.contains("there is no such interface") && text.contains(" lo,"), "{text}");
}
