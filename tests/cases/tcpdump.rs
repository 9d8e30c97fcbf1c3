//! Lines of packets against those of tcpdump, over every fixture.

use std::process::Command;

use serde_json::Value;

use crate::{events, support};

/// Where the two may differ: the beginnings of our line and of tcpdump's, and why.
const ALLOWED: &[(&str, &str, &str)] = &[
    (
        "IP 127.0.0.1 > 127.0.0.1: udp (frag ",
        "IP 127.0.0.1.",
        "tcpdump 4.99 gives a first fragment without its place",
    ),
    (
        "IP 127.0.0.1 > 127.0.0.1: udp (frag ",
        "IP 127.0.0.1 > 127.0.0.1: ip-proto-17",
        "and the others without it",
    ),
    ("IP 127.0.0.1.", "IP 127.0.0.1 > 127.0.0.1: ip-proto-17", "we put fragments together"),
    (
        "IP 127.0.0.1 > 127.0.0.1: ICMP destination unreachable",
        "IP 127.0.0.1 > 127.0.0.1: ICMP 127.0.0.1 udp port",
        "we do not look into what an error quotes",
    ),
];

#[test]
fn packets_as_tcpdump_writes_them() {
    if !Command::new("tcpdump").arg("--version").output().is_ok_and(|o| o.status.success()) {
        eprintln!("SKIPPED: tcpdump is not installed");
        return;
    }
    let (mut compared, mut wrong) = (0, Vec::new());
    let mut used = [false; ALLOWED.len()];
    for (name, path) in support::fixtures() {
        // tcpdump reads no compressed captures.
        if path.extension().is_some_and(|e| e == "gz" || e == "zst") {
            continue;
        }
        let out = Command::new("tcpdump").args(["-nn", "-t", "-r"]).arg(&path).output().unwrap();
        let theirs = String::from_utf8_lossy(&out.stdout).into_owned();
        let theirs: Vec<&str> =
            theirs.lines().filter(|l| !l.is_empty() && !l.starts_with(['\t', ' '])).collect();
        let ours = events(&path, "packet");
        assert_eq!(ours.len(), theirs.len(), "{name}: {}", String::from_utf8_lossy(&out.stderr));
        for (o, t) in ours.iter().zip(theirs) {
            compared += 1;
            let (o, t) = (our_line(o), their_line(t));
            if o == t {
                continue;
            }
            let allowed = ALLOWED.iter().position(|(a, b, _)| o.starts_with(a) && t.starts_with(b));
            match allowed {
                Some(i) => used[i] = true,
                None => wrong.push(format!("{name}\n  ours    {o}\n  tcpdump {t}")),
            }
        }
    }
    println!("compared {compared} packets with tcpdump");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(compared > 1_000 && used.iter().all(|u| *u), "{compared} {used:?}");
}

/// Our summary without what tcpdump does not say: oddities, snapped bytes.
fn our_line(event: &Value) -> String {
    let mut line = event["summary"].as_str().unwrap().to_owned();
    let odd = line.rfind(" [tcp.analysis.");
    line.truncate(odd.unwrap_or(line.len()));
    if let Some(at) = line.find(" (").filter(|_| line.ends_with(" not captured)")) {
        line.truncate(at);
    }
    unanchored(&line)
}

/// tcpdump's line without the link layer, the options that we leave out, and what
/// it reads from the payload.
fn their_line(line: &str) -> String {
    let from = line.find("IP").or(line.find("ARP")).unwrap_or(0);
    let mut line = line[from..].to_owned();
    if let Some(at) = line.find(", length ") {
        let digits = at + ", length ".len();
        let len = line[digits..].find(|c: char| !c.is_ascii_digit()).unwrap_or(line.len() - digits);
        line.truncate(digits + len);
    }
    if let Some((head, rest)) = line.split_once(", options [")
        && let Some((options, tail)) = rest.split_once(']')
    {
        let shown = ["mss ", "sackOK", "sack ", "wscale "];
        let kept: Vec<String> = options
            .split(',')
            .filter(|o| shown.iter().any(|s| o.starts_with(s)))
            .map(str::to_owned)
            .collect();
        let kept =
            if kept.is_empty() { String::new() } else { format!(", options [{}]", kept.join(",")) };
        line = format!("{head}{kept}{tail}");
    }
    unanchored(&line)
}

/// tcpdump gives raw numbers of SYN, and of RST where it has seen nothing to count
/// from; ours are relative wherever the connection is known.
fn unanchored(line: &str) -> String {
    let Some((_, flags)) = line.split_once("Flags [") else { return line.to_owned() };
    let flags = flags.split(']').next().unwrap_or_default();
    if !flags.contains(['S', 'R']) {
        return line.to_owned();
    }
    let keep = |part: &&str| !(part.starts_with("seq ") || part.starts_with("ack "));
    line.split(", ").filter(keep).collect::<Vec<_>>().join(", ")
}
