//! Ctrl-C while files are read: what was read is shown, and that it is not all.
//!
//! Of a pipe an interrupt is the normal end: `stats::an_interrupt_tells_what_there_is`.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::framescope;
use crate::stats::Temporary;
use crate::support::root;

/// The packets of a fixture, again and again: more than can be read before a signal comes.
/// Gives how many.
fn long(path: &Path) -> u64 {
    const BYTES: usize = 96 << 20;
    let one = std::fs::read(root().join("fixtures/grpc-tonic/capture.pcap")).unwrap();
    let (head, records) = one.split_at(24);
    let copies = BYTES / records.len();
    let mut all = head.to_vec();
    all.extend_from_slice(&records.repeat(copies));
    std::fs::write(path, all).unwrap();
    copies as u64 * 66
}

/// Bytes that a process has read so far.
fn read_by(child: &Child) -> u64 {
    let io = std::fs::read_to_string(format!("/proc/{}/io", child.id())).unwrap_or_default();
    io.lines().find_map(|l| l.strip_prefix("rchar: ")).map_or(0, |n| n.parse().unwrap())
}

/// What is written until a signal comes while a file is read, in the middle of it: status,
/// standard output, standard error.
fn interrupted(name: &str, args: &[&str], signal: &str) -> (Option<i32>, String, String, u64) {
    let (file, out) = (
        Temporary::new(&format!("interrupt-{name}.pcap")),
        Temporary::new(&format!("interrupt-{name}.out")),
    );
    let packets = long(Path::new(file.text()));
    let mut child = framescope()
        .args(args)
        .arg(file.text())
        .stdout(File::create(out.text()).unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let begun = Instant::now();
    // Some batches more than are read ahead.
    while read_by(&child) < 8 << 20 {
        assert!(begun.elapsed() < Duration::from_secs(60), "{name}: nothing is read");
        assert!(child.try_wait().unwrap().is_none(), "{name}: it ended by itself");
        sleep(Duration::from_millis(1));
    }
    let id = child.id().to_string();
    let kill = std::process::Command::new("kill").args([signal, &id]).status().unwrap();
    assert!(kill.success());
    let ended = child.wait_with_output().unwrap();
    let errors = String::from_utf8(ended.stderr).unwrap();
    let text = std::fs::read_to_string(out.text()).unwrap();
    (ended.status.code(), text, errors, packets)
}

/// The packet behind which nothing was read, as standard error has it.
fn behind(errors: &str) -> u64 {
    let (_, rest) = errors.split_once("framescope: interrupted behind packet ").expect(errors);
    let (number, rest) = rest.split_once(':').expect(errors);
    assert_eq!(rest, " what follows was not read\n", "{errors}");
    number.parse().unwrap()
}

fn grouped_number(text: &str) -> u64 {
    text.replace(',', "").parse().unwrap()
}

#[test]
fn what_was_checked_is_told_and_that_it_is_not_all() {
    for threads in ["1", "4"] {
        let (status, text, errors, all) =
            interrupted(&format!("check{threads}"), &["check", "--threads", threads], "-INT");
        assert_eq!(status, Some(130), "{threads}: {errors}");
        let last = behind(&errors);
        assert!((1..all).contains(&last), "{threads}: {last} of {all}");
        // What is said of packets is said of those.
        let sums = text.lines().last().expect("sums");
        let of = sums.split(" packets").next().unwrap().rsplit(' ').next().unwrap();
        assert_eq!(grouped_number(of), last, "{threads}: {text}");
    }
}

#[test]
fn what_was_counted_is_told_and_that_it_is_not_all() {
    for (name, args) in [
        ("stats", &["stats"][..]),
        ("calls", &["stats", "--calls"]),
        ("by", &["stats", "--by", "method"]),
        ("transports", &["stats", "--transports"]),
    ] {
        let (status, text, errors, all) = interrupted(name, args, "-INT");
        assert_eq!(status, Some(130), "{name}: {errors}");
        let last = behind(&errors);
        assert!((1..all).contains(&last), "{name}: {last} of {all}");
        // More than headings.
        assert!(text.lines().any(|l| l.chars().any(|c| c.is_ascii_digit())), "{name}: {text}");
        if name == "stats" {
            let of = text.split(" packets").next().unwrap().rsplit(' ').next().unwrap();
            assert_eq!(grouped_number(of), last, "{text}");
        }
    }
}

#[test]
fn what_was_printed_is_whole_lines_and_the_status_says_that_there_was_more() {
    let args = ["print", "-l", "packet", "--format", "json"];
    let (status, text, errors, all) = interrupted("print", &args, "-INT");
    assert_eq!(status, Some(130), "{errors}");
    let last = behind(&errors);
    assert!((1..all).contains(&last), "{last} of {all}");
    assert!(text.ends_with("}\n"));
    assert_eq!(text.lines().count() as u64, last, "a packet a line");
}

/// SIGTERM is told apart, as shells do.
#[test]
fn a_program_that_is_told_to_end_says_so_too() {
    let (status, _, errors, _) = interrupted("term", &["check"], "-TERM");
    assert_eq!(status, Some(143), "{errors}");
    behind(&errors);
}
