//! `stats`, `check` and `slice`: what they print, their exit statuses, and that a
//! slice decodes to what it was cut out for.
//!
//! `FRAMESCOPE_BLESS=1 cargo test --test cases stats` writes the golden files anew.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Output;

use framescope::base::PacketId;
use framescope::capture::{OpenOptions, Packet, Polled, Secrets, open};
use framescope::engine::Engine;
use framescope::event::Level;
use framescope::index::slice::{Planner, Selection};
use serde_json::Value;

use crate::support::{
    NUMBERED, Owned, Run, corpus, fixtures, gist, options, pack, packets, root, run, segments,
};
use crate::{events, framescope};

/// Fixtures whose `stats` and `check` are golden files.
const GOLDEN: [&str; 6] = [
    "grpc-many/capture.pcapng",
    "grpc-tonic/capture.pcap",
    "http-snapped/capture.pcap",
    "tcp-opaque/capture.pcap",
    "ws-close-codes/capture.pcapng",
    "ws-heartbeat/capture.pcap.gz",
];

fn call(args: &[&str]) -> Output {
    framescope().args(args).output().unwrap()
}

fn stdout(out: &Output) -> String {
    String::from_utf8(out.stdout.clone()).unwrap()
}

fn stderr(out: &Output) -> String {
    String::from_utf8(out.stderr.clone()).unwrap()
}

/// A path that is gone in the end.
pub(crate) struct Temporary(PathBuf);

impl Temporary {
    pub(crate) fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("framescope-{}-{name}", std::process::id())))
    }

    pub(crate) fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

#[test]
fn golden() {
    let bless = std::env::var_os("FRAMESCOPE_BLESS").is_some();
    let mut wrong = Vec::new();
    for name in GOLDEN {
        let path = format!("fixtures/{name}");
        let mut now = String::new();
        for command in ["stats", "check"] {
            let out = call(&[command, &path]);
            assert!(out.stderr.is_empty(), "{name}: {}", stderr(&out));
            let status = out.status.code().unwrap();
            now +=
                &format!("$ framescope {command} {path}\n{}(exit status {status})\n", stdout(&out));
        }
        let folder = name.split('/').next().unwrap();
        let file = root().join(format!("tests/cases/expect/{folder}.txt"));
        if bless {
            std::fs::create_dir_all(file.parent().unwrap()).unwrap();
            std::fs::write(&file, now).unwrap();
        } else if std::fs::read_to_string(&file).unwrap_or_default() != now {
            wrong.push(format!("{}:\n{now}", file.display()));
        }
    }
    assert!(wrong.is_empty(), "FRAMESCOPE_BLESS=1 writes anew:\n{}", wrong.join("\n"));
}

/// The JSON of `stats` against what `print` says, and its sums against its parts.
#[test]
fn stats_add_up() {
    for (name, path) in fixtures() {
        let out = call(&["stats", "--format", "json", path.to_str().unwrap()]);
        assert!(out.status.success(), "{name}: {}", stderr(&out));
        assert_eq!(stdout(&out).lines().count(), 1, "{name}");
        let v: Value =
            serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{name}: {e}"));
        let number = |v: &Value| v.as_u64().unwrap_or_else(|| panic!("{name}: {v} is no number"));
        let all = packets(&path);
        assert_eq!(number(&v["packets"]), all.len() as u64, "{name}");
        let captured: usize = all.iter().map(|p| p.data.len()).sum();
        assert_eq!(number(&v["captured_bytes"]), captured as u64, "{name}");
        for what in ["packets", "captured_bytes"] {
            let kinds = v["kinds"].as_array().unwrap();
            let sum: u64 = kinds.iter().map(|k| number(&k[what])).sum();
            assert_eq!(sum, number(&v[what]), "{name}: {what} by kind");
        }
        let conversations = v["conversations"].as_array().unwrap();
        assert_eq!(conversations.len() as u64, number(&v["conversation_count"]), "{name}");
        // Each byte went one way, here and in all.
        for side in ["client", "server"] {
            let mut sums = BTreeMap::new();
            for c in conversations {
                for (what, n) in c["bytes"][side].as_object().unwrap() {
                    *sums.entry(what.clone()).or_insert(0) += number(n);
                }
            }
            for (part, n) in &sums {
                assert_eq!(*n, number(&v["bytes"][side][part]), "{name}: {side} {part}");
            }
            for b in conversations.iter().chain([&v]).map(|c| &c["bytes"][side]) {
                let parts = ["dissected", "opaque", "in_gaps"].map(|p| number(&b[p]));
                assert_eq!(parts.iter().sum::<u64>(), number(&b["stream"]), "{name}: {side} {b}");
            }
        }
        // Calls are the exchanges that `print` has, connections apart.
        let exchanges = events(&path, "exchange");
        let mut counts: BTreeMap<&str, u64> = BTreeMap::new();
        for e in exchanges.iter().filter(|e| e["protocol"] != "tcp") {
            *counts.entry(e["protocol"].as_str().unwrap()).or_default() += 1;
        }
        let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
        for c in v["calls"].as_array().unwrap() {
            *counted.entry(c["protocol"].as_str().unwrap()).or_default() += number(&c["count"]);
            if let Some(d) = c["duration_ns"].as_object() {
                let steps = ["p50", "p90", "p99", "max"].map(|p| number(&d[p]));
                assert!(steps.is_sorted() && d["exact"] == true, "{name}: {c}");
            }
        }
        assert_eq!(counted, counts, "{name}");
    }
}

#[test]
fn percentiles_and_errors_are_those_of_the_calls() {
    let mut errors = 0;
    let mut most = 0;
    for (name, path) in fixtures().into_iter().filter(|(n, _)| n.starts_with("grpc")) {
        let out = call(&["stats", "--format", "json", path.to_str().unwrap()]);
        let v: Value = serde_json::from_slice(&out.stdout).unwrap();
        let mut times: BTreeMap<String, Vec<u64>> = BTreeMap::new();
        let mut failed: BTreeMap<String, u64> = BTreeMap::new();
        for e in events(&path, "exchange").iter().filter(|e| e["protocol"] == "grpc") {
            let f = &e["fields"];
            let word = |name: &str| f[name].as_str().unwrap().to_owned();
            let method = format!("{}/{}", word("grpc.service"), word("grpc.method"));
            if e["complete"] == true {
                times.entry(method.clone()).or_default().push(f["duration_ns"].as_u64().unwrap());
                *failed.entry(method).or_default() += u64::from(f["grpc.status_code"] != 0);
            }
        }
        for (method, mut t) in times {
            t.sort_unstable();
            let calls = v["calls"].as_array().unwrap();
            let c = calls.iter().find(|c| c["method"] == method.as_str()).unwrap();
            let rank = |p: usize| t[(t.len() * p).div_ceil(100) - 1];
            for (what, p) in [("p50", 50), ("p90", 90), ("p99", 99), ("max", 100)] {
                assert_eq!(c["duration_ns"][what], rank(p), "{name}: {method} {what}");
            }
            assert_eq!(c["errors"], failed[&method], "{name}: {method}");
            errors += failed[&method];
            most = most.max(t.len());
        }
    }
    assert!(errors >= 4 && most >= 8, "{errors} errors, {most} calls of one method");
}

#[test]
fn exit_statuses_of_check() {
    let status = |args: &[&str]| {
        let out = call(&[&["check"], args].concat());
        (out.status.code().unwrap(), stdout(&out), stderr(&out))
    };
    let warns = "fixtures/grpc-tonic/capture.pcap";
    let errs = "fixtures/ws-close-codes/capture.pcapng";
    assert_eq!(status(&[warns]).0, 0, "warnings are not enough");
    assert_eq!(status(&["--fail-on", "warning", warns]).0, 1);
    assert_eq!(status(&["--fail-on", "note", warns]).0, 1);
    assert_eq!(status(&[errs]).0, 1);
    assert_eq!(status(&[warns, errs]).0, 1, "several captures");
    let (code, text, _) =
        status(&["--ignore", "websocket.bad-utf8,websocket.closed-on-error", errs]);
    assert_eq!(code, 0);
    assert!(text.contains("6 notes in 78 packets") && text.contains("4 ignored"), "{text}");
    let nobody = "websocket.bad-utf8,websocket.closed-on-error,websocket.no-authentication";
    let (code, text, _) = status(&["--ignore", nobody, errs]);
    assert_eq!(code, 0);
    assert!(
        text.starts_with("nothing found in 78 packets") && text.contains("10 ignored"),
        "{text}"
    );
    let calls = "grpc.bad-status,grpc.call-failed,grpc.status-details-message";
    let two = ["--ignore", nobody, "--ignore", calls];
    assert_eq!(status(&[&two[..], &["--fail-on", "note", errs, warns]].concat()).0, 0);
    // Clean: one line that says what was checked.
    let (code, text, _) = status(&["--fail-on", "note", "fixtures/http-rest/capture.pcap"]);
    assert_eq!((code, text.lines().count()), (0, 1), "{text}");
    // A code that is none.
    let (code, text, errors) = status(&["--ignore", "websocket.bad-utf", errs]);
    assert_eq!((code, text.as_str()), (2, ""));
    assert!(errors.contains("websocket.bad-utf8") && errors.lines().count() == 1, "{errors}");
    assert_eq!(status(&["gone.pcap"]).0, 2);
    assert_eq!(status(&[]).0, 2);
}

/// The findings of `check` are those of `print`, though nothing is built for it.
#[test]
fn check_finds_what_print_finds() {
    for (name, path) in fixtures() {
        let file = path.to_str().unwrap();
        let out = call(&["check", "--format", "json", file]);
        let v: Value =
            serde_json::from_slice(&out.stdout).unwrap_or_else(|e| panic!("{name}: {e}"));
        assert_eq!(v["failed"], out.status.code() == Some(1), "{name}");
        let mut printed: BTreeMap<String, u64> = BTreeMap::new();
        for f in events(&path, "finding") {
            *printed.entry(f["code"].as_str().unwrap().to_owned()).or_default() += 1;
        }
        let found = v["findings"].as_array().unwrap();
        let checked: BTreeMap<String, u64> = found
            .iter()
            .map(|f| (f["code"].as_str().unwrap().to_owned(), f["count"].as_u64().unwrap()))
            .collect();
        assert_eq!(checked, printed, "{name}");
        let rank =
            |f: &Value| ["error", "warning", "note"].iter().position(|s| f["severity"] == *s);
        assert!(found.iter().map(rank).is_sorted(), "{name}: worst first");
        for level in ["frame", "message", "exchange"] {
            let n = events(&path, level).len() as u64;
            assert_eq!(v[format!("{level}s")], n, "{name}: {level}s");
        }
    }
}

/// A close frame with a code that must not be sent (RFC 6455 §7.4.1) is no good end: 1005 on the
/// wire is not a close frame without a code.
#[test]
fn a_close_code_that_must_not_be_sent_is_an_error() {
    let mut seen = Vec::new();
    for name in ["ws-violations", "ws-node-frames", "ws-tungstenite-faults"] {
        let path = root().join(format!("fixtures/{name}/capture.pcap"));
        let bad: Vec<Value> = events(&path, "message")
            .into_iter()
            .filter(|m| m["findings"].to_string().contains("websocket.bad-close-code"))
            .collect();
        let out = stdout(&call(&["stats", "--format", "json", path.to_str().unwrap()]));
        let stats: Value = serde_json::from_str(&out).unwrap();
        for m in bad {
            let sessions = events(&path, "exchange");
            let of =
                |e: &&Value| e["conversation"] == m["conversation"] && e["protocol"] == "websocket";
            let uri = &sessions.iter().find(of).unwrap()["fields"]["websocket.uri"];
            let uri = uri.as_str().unwrap();
            let calls = stats["calls"].as_array().unwrap();
            let call = calls
                .iter()
                .find(|c| c["protocol"] == "websocket" && c["method"] == uri)
                .unwrap_or_else(|| panic!("{uri} in {stats}"));
            assert_eq!((&call["count"], &call["errors"]), (&1.into(), &1.into()), "{name} {uri}");
            seen.push(m["fields"]["websocket.payload.close.status_code"].as_u64().unwrap());
        }
    }
    assert!(seen.contains(&1005) && seen.contains(&1006), "{seen:?}");
}

/// What a client broke off is an error, and an answer before the end of its request is whole.
#[test]
fn what_a_client_broke_off_is_an_error() {
    let path = root().join("fixtures/http-clients-leave/capture.pcap");
    let out = stdout(&call(&["stats", "--format", "json", path.to_str().unwrap()]));
    let stats: Value = serde_json::from_str(&out).unwrap();
    let sum = |key: &str| -> u64 {
        let calls = stats["calls"].as_array().unwrap().iter().filter(|c| c["protocol"] == "http");
        calls.map(|c| c[key].as_u64().unwrap()).sum()
    };
    let exchanges = events(&path, "exchange");
    let with = |code: &str| {
        let has = |e: &&Value| e["findings"].to_string().contains(code);
        exchanges.iter().filter(|e| e["protocol"] == "http").filter(has).count() as u64
    };
    assert!(with("http.client-left") > 5 && with("http.answered-early") > 0);
    let by_status = exchanges.iter().filter(|e| {
        let status = e["fields"]["http.response.code"].as_u64();
        e["protocol"] == "http" && status.is_some_and(|s| s >= 400)
    });
    let broken_off = with("http.client-left") + with("http.reset");
    assert_eq!(sum("errors"), broken_off + by_status.count() as u64);
    assert_eq!(sum("unfinished"), 0);
}

/// Ctrl-C while a pipe is open and quiet: what came until then is told.
#[cfg(unix)]
#[test]
fn an_interrupt_tells_what_there_is() {
    use std::io::Write as _;
    use std::process::Stdio;
    for (args, word) in
        [(["stats", "-"], "66 packets"), (["check", "-"], "4 warnings, 1 note in 66 packets")]
    {
        let mut child = framescope()
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut pipe = child.stdin.take().unwrap();
        let bytes = std::fs::read(root().join("fixtures/grpc-tonic/capture.pcap")).unwrap();
        pipe.write_all(&bytes).unwrap();
        pipe.flush().unwrap();
        // It has no way to say that it has read them.
        std::thread::sleep(std::time::Duration::from_millis(1500));
        let id = child.id().to_string();
        assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
        let out = child.wait_with_output().unwrap();
        assert_eq!(out.status.code(), Some(0), "{}", stderr(&out));
        assert!(stdout(&out).contains(word), "{}", stdout(&out));
        drop(pipe);
    }
}

/// The packets of a capture that a selection keeps.
fn cut_out(all: &[Owned], selection: Selection) -> Vec<Owned> {
    let pass = |sink: &mut dyn framescope::engine::EventSink| {
        let mut engine = Engine::new(options(&[]));
        for p in all {
            engine.packet(&Packet { meta: p.meta, data: &p.data }, sink);
        }
        engine.finish(sink);
    };
    let mut plan = Planner::new(selection);
    pass(&mut plan);
    let mut kept = Vec::new();
    let mut cutter = plan.cutter(|p: &Packet<'_>| {
        kept.push(Owned { meta: p.meta, data: p.data.to_vec() });
    });
    pass(&mut cutter);
    drop(cutter);
    // As a file numbers them.
    for (i, p) in kept.iter_mut().enumerate() {
        p.meta.id = PacketId(i as u64 + 1);
    }
    kept
}

/// Events as JSON without what a slice may change: numbers.
fn gists(run: &Run, conversation: Option<u32>, until: PacketId) -> Vec<String> {
    let own = |c: u32| conversation.is_none_or(|n| n == c);
    run.events
        .iter()
        .filter(|(e, c)| own(c.id.0) && e.draft.end.packet <= until)
        .filter(|(e, _)| matches!(e.draft.level, Level::Frame | Level::Message) && e.draft.complete)
        .map(|(e, c)| {
            let mut v = gist(e, c);
            for k in ["conversation", "sender", "from", "to"] {
                v.as_object_mut().unwrap().remove(k);
            }
            v.to_string()
        })
        .collect()
}

/// Each exchange, cut out, decodes to the frames and messages that led to it, and
/// to itself; nothing behind it is there.
#[test]
fn slices_decode_to_the_same_events() {
    let (mut cut, mut compared) = (0, 0);
    for (name, path) in fixtures().into_iter().chain(corpus()) {
        let Ok(_) = open(&path, OpenOptions::default()) else { continue };
        let all = packets(&path);
        let whole = run(&all, options(&NUMBERED));
        let exchanges: Vec<_> =
            whole.events.iter().filter(|(e, _)| e.draft.level == Level::Exchange).collect();
        // All of the small captures, every n-th of the large.
        let step = exchanges.len().div_ceil(12).max(1);
        for (e, info) in exchanges.into_iter().rev().step_by(step) {
            let selection = Selection { events: vec![e.id.0..=e.id.0], ..Selection::default() };
            let slice = cut_out(&all, selection);
            assert!(!slice.is_empty(), "{name}: event {}", e.id);
            let again = run(&slice, options(&NUMBERED));
            let what = format!("{name}: event {}, {} {}", e.id, e.draft.protocol, e.draft.kind);
            let mut expected = gists(&whole, Some(info.id.0), e.draft.end.packet);
            let mut got = gists(&again, None, PacketId(u64::MAX));
            compared += expected.len();
            // What waits for the peer may come in another order.
            expected.sort();
            got.sort();
            for x in &expected {
                match got.binary_search(x) {
                    Ok(at) => drop(got.remove(at)),
                    Err(_) => panic!("{what}: {x} is not in its slice"),
                }
            }
            let mine = |w: &gist_of::Exchange| w == &gist_of::exchange(e);
            assert!(
                again.events.iter().any(|(e, _)| mine(&gist_of::exchange(e))),
                "{what}: itself"
            );
            cut += 1;
        }
    }
    assert!(cut > 150 && compared > 3000, "only {cut} slices, {compared} events");
}

/// What makes an exchange the same in a slice: all but numbers.
mod gist_of {
    use framescope::event::Event;

    pub(super) type Exchange = (&'static str, &'static str, u64, bool, i64, i64, Option<String>);

    pub(super) fn exchange(e: &Event) -> Exchange {
        let d = &e.draft;
        let summary = d.detail.as_ref().map(|d| d.summary.clone());
        let (start, end) = (d.start.time.0, d.end.time.0);
        (d.protocol, d.kind, d.length, d.complete, start, end, summary)
    }
}

#[test]
fn a_slice_ends_with_what_was_picked() {
    let all = packets(&root().join("fixtures/grpc-tonic/capture.pcap"));
    let pick = |n| Selection { events: vec![n..=n], ..Selection::default() };
    let first = cut_out(&all, pick(19));
    let later = cut_out(&all, pick(59));
    assert!(first.len() < later.len() && later.len() < all.len());
    assert_eq!(first.last().unwrap().data, all[first.len() - 1].data, "a beginning");
    let whole = cut_out(&all, Selection { whole: true, ..pick(19) });
    assert_eq!(whole.len(), all.len());
}

/// What waited for the peer is cut out with what it waited for: here the recorder
/// saw a client's frame before the 101 that it answers.
#[test]
fn a_slice_has_what_an_event_waited_for() {
    let mut all = segments(&packets(&root().join("fixtures/ws-ipv6/capture.pcap"))).unwrap();
    let response = all.iter().position(|s| s.data.starts_with(b"HTTP/1.1 101")).unwrap();
    let client = all[0].from;
    let frame =
        (response..all.len()).find(|i| all[*i].from == client && !all[*i].data.is_empty()).unwrap();
    let late = all.remove(response);
    all.insert(frame, late);
    let all = pack(&all);
    let whole = run(&all, options(&NUMBERED));
    let (e, info) = whole.events.iter().find(|(e, _)| e.draft.protocol == "websocket").unwrap();
    assert_eq!(e.draft.end.packet.0, frame as u64, "it comes before the response");
    let selection = Selection { events: vec![e.id.0..=e.id.0], ..Selection::default() };
    let slice = cut_out(&all, selection);
    assert_eq!(slice.len(), frame + 1, "the response is in the slice, and nothing behind it");
    let again = run(&slice, options(&NUMBERED));
    let same = again.events.iter().any(|(x, i)| x.id == e.id && gist(x, i) == gist(e, info));
    let got: Vec<_> = again.events.iter().map(|(e, i)| gist(e, i)).collect();
    assert!(same, "{} is not in its slice: {got:#?}", gist(e, info));
}

/// All conversations are all packets that belong to one; nothing picked is all.
#[test]
fn a_slice_of_everything_is_everything() {
    let same = |a: &[Owned], b: &[Owned], what: &str| {
        assert_eq!(a.len(), b.len(), "{what}");
        for (i, (a, b)) in a.iter().zip(b).enumerate() {
            assert_eq!(a.data, b.data, "{what}: packet {}", i + 1);
            let meta = |o: &Owned| (o.meta.time, o.meta.link, o.meta.original_len);
            assert_eq!(meta(a), meta(b), "{what}: packet {}", i + 1);
        }
    };
    let file = Temporary::new("everything.pcapng");
    for (name, path) in fixtures() {
        let all = packets(&path);
        let kept =
            cut_out(&all, Selection { conversations: vec![1..=u64::MAX], ..Selection::default() });
        if name.starts_with("tcp-opaque") {
            // An ICMP message belongs to no conversation; fragments do.
            assert_eq!(kept.len(), all.len() - 1, "{name}");
        } else {
            same(&kept, &all, &name);
        }
        let out = call(&["slice", path.to_str().unwrap(), "-w", file.text()]);
        assert!(out.status.success() && out.stderr.is_empty(), "{name}: {}", stderr(&out));
        same(&packets(&file.0), &all, &name);
    }
}

#[test]
fn the_program_cuts_as_the_library_does() {
    let path = root().join("fixtures/ws-websockets/capture.pcap");
    let all = packets(&path);
    let file = Temporary::new("program.pcapng");
    for (args, selection) in [
        (
            &["--event", "13,20-22"][..],
            Selection { events: vec![13..=13, 20..=22], ..Selection::default() },
        ),
        (
            &["--packet", "5-9,12"],
            Selection { packets: vec![5..=9, 12..=12], ..Selection::default() },
        ),
        (
            &["--protocol", "http"],
            Selection { protocols: vec!["http".into()], ..Selection::default() },
        ),
        (
            &["--conversation", "1"],
            Selection { conversations: vec![1..=1], ..Selection::default() },
        ),
        (
            &["--protocol", "dtls"],
            Selection { protocols: vec!["dtls".into()], ..Selection::default() },
        ),
    ] {
        let out = call(&[&["slice", path.to_str().unwrap(), "-w", file.text()], args].concat());
        assert!(out.status.success(), "{args:?}: {}", stderr(&out));
        let expected = cut_out(&all, selection);
        let said = format!("{} of {} packets", expected.len(), all.len());
        assert_eq!(expected.is_empty(), stderr(&out).contains("nothing was picked"), "{args:?}");
        assert_eq!(expected.is_empty(), !out.stderr.is_empty(), "{args:?}");
        assert!(stdout(&out).contains(&said), "{args:?}: {}", stdout(&out));
        let got = match open(&file.0, OpenOptions::default()) {
            Ok(_) => packets(&file.0),
            Err(e) => panic!("{args:?}: {e}"),
        };
        let data = |v: &[Owned]| v.iter().map(|p| p.data.clone()).collect::<Vec<_>>();
        assert_eq!(data(&got), data(&expected), "{args:?}");
    }
    // A number that there is not is an error, and nothing is written.
    for (args, said) in [
        (&["--event", "9999"][..], "there is no event 9999; the last is "),
        (&["--event", "13,9999"], "there is no event 9999; the last is "),
        (&["--conversation", "99-100"], "there is no conversation 99; the last is "),
        (&["--packet", "5,9999"], "there is no packet 9999; the last is p"),
    ] {
        let file = Temporary::new("missing.pcapng");
        let out = call(&[&["slice", path.to_str().unwrap(), "-w", file.text()], args].concat());
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        assert!(stderr(&out).contains(said), "{args:?}: {}", stderr(&out));
        assert!(stderr(&out).contains("` lists them"), "{args:?}: {}", stderr(&out));
        assert!(!file.0.exists(), "{args:?}");
    }
    let exactly =
        cut_out(&all, Selection { packets: vec![5..=9, 12..=12], ..Selection::default() });
    assert_eq!(exactly.len(), 6, "packets bring nothing with them");
    // A display filter: what it picks is what `--event` picks, and a packet of no
    // conversation stands alone.
    let calls = "fixtures/grpc-tonic/capture.pcap";
    let said = |args: &[&str]| {
        let out = call(&[&["slice", "-w", file.text()], args].concat());
        stdout(&out).split_once(": ").map(|(_, s)| s.to_owned()).unwrap_or_else(|| stderr(&out))
    };
    assert_eq!(
        said(&[calls, "-Y", "grpc.status_code == ABORTED"])[..15],
        said(&[calls, "--event", "71-73"])[..15]
    );
    assert_eq!(said(&["fixtures/tcp-opaque/capture.pcap", "-Y", "icmp.type"]), "1 of 40 packets\n");
    assert!(said(&[calls, "-Y", "grpc.status_cod"]).contains("did you mean"));
    // A capture filter alone.
    let opaque = "fixtures/tcp-opaque/capture.pcap";
    let out = call(&["slice", opaque, "-w", file.text(), "-f", "icmp"]);
    assert!(stdout(&out).contains("1 of 1 packet"), "{}", stdout(&out));
    let out = call(&["stats", opaque, "-f", "udp port 7778"]);
    assert!(stdout(&out).contains("1 conversation:"), "{}", stdout(&out));
    // Standard output.
    let out = call(&["slice", path.to_str().unwrap(), "--packet", "1-2", "-w", "-"]);
    assert_eq!(out.stdout[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
    assert!(stderr(&out).contains("2 of "), "{}", stderr(&out));
}

#[test]
fn what_slice_refuses() {
    let path = "fixtures/ws-ipv6/capture.pcap";
    let file = Temporary::new("refused.pcapng");
    let copy = Temporary::new("copy.pcap");
    std::fs::copy(root().join(path), &copy.0).unwrap();
    for (args, word) in [
        (&["slice", "-", "-w", file.text()][..], "twice"),
        (&["slice", path], "-w"),
        (&["slice", "-w", file.text()], "no capture"),
        (&["slice", copy.text(), "-w", copy.text()], "itself"),
        (&["slice", path, "-w", file.text(), "--event", "0"], "no number"),
        (&["slice", path, "-w", file.text(), "--protocol", "gopher"], "websocket"),
        (&["slice", path, "-w", "/nowhere/at/all.pcapng"], "/nowhere/at/all.pcapng"),
        (&["slice", "gone.pcap", "-w", file.text(), "--event", "1"], "gone.pcap"),
    ] {
        let out = call(args);
        assert_eq!(out.status.code(), Some(2), "{args:?}");
        assert!(stderr(&out).contains(word) && out.stdout.is_empty(), "{args:?}: {}", stderr(&out));
        assert!(!file.0.exists(), "{args:?}");
    }
    assert_eq!(std::fs::read(&copy.0).unwrap(), std::fs::read(root().join(path)).unwrap());
}

/// The secrets that opened what is kept are put in before the packets, and no others;
/// and the slice opens by them.
#[test]
fn the_secrets_of_what_is_kept_are_put_in() {
    let output = Temporary::new("kept-out.pcapng");
    let input = "fixtures/tls13-openssl/capture.pcapng.zst";
    let secrets_of = |path: &std::path::Path| {
        let mut source = open(path, OpenOptions::default()).unwrap();
        let mut found = Vec::new();
        while let Polled::Batch(b) = source.poll().unwrap() {
            found.extend(b.secrets.iter().cloned());
        }
        found
    };
    let lines = |s: &[Secrets]| -> Vec<String> {
        let text = |s: &Secrets| String::from_utf8(s.data.to_vec()).unwrap();
        s.iter().flat_map(|s| text(s).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
    };
    let all = lines(&secrets_of(&root().join(input)));
    let out = call(&["slice", input, "-w", output.text(), "--conversation", "3"]);
    assert!(stdout(&out).contains("with the secrets of 1 TLS session"), "{}", stdout(&out));
    let kept = lines(&secrets_of(&output.0));
    assert_eq!(kept.len(), 4);
    assert!(kept.iter().all(|l| all.contains(l)));
    let whole = stdout(&call(&["print", "--format", "tsv", "-e", "summary", input]));
    let slice = stdout(&call(&["print", "--format", "tsv", "-e", "summary", output.text()]));
    assert!(slice.lines().count() > 10);
    assert!(slice.lines().all(|l| whole.lines().any(|w| w == l)), "{slice}");
    assert!(slice.contains("Hello over TLS"), "{slice}");
    // What is not decrypted brings no secrets.
    let out = call(&["slice", input, "-w", output.text(), "--packet", "1-3"]);
    assert!(!stdout(&out).contains("secrets of"), "{}", stdout(&out));
    assert_eq!(secrets_of(&output.0).len(), 0);
    assert_eq!(packets(&output.0).len(), 3);
}
