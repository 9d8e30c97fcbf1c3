//! What is said of gRPC calls: how each of the recorded ones ended, by whom, and with
//! which proof; which were made for which; which tried again. And the same of captures
//! that were cut off.

mod support;

use std::collections::BTreeMap;
use std::process::Command;

use framescope::engine::lineage::{Call, parents, retries};
use framescope::event::{Event, Level};
use framescope::facts::Facts;
use serde_json::Value;
use support::{Run, as_json, fixtures, options, packets, run};

fn of(name: &str) -> Run {
    let (_, path) =
        fixtures().into_iter().find(|(n, _)| n.starts_with(&format!("{name}/"))).unwrap();
    run(&packets(&path), options(&[Level::Exchange, Level::Message]))
}

fn calls(run: &Run) -> Vec<Value> {
    run.events
        .iter()
        .filter(|(e, _)| e.draft.kind == "call")
        .map(|(e, info)| as_json(e, info))
        .collect()
}

fn text<'a>(call: &'a Value, field: &str) -> &'a str {
    call["fields"][field].as_str().unwrap_or("-")
}

/// Verdict, status for the client, deadline, by call in the order of their ends.
fn verdicts(name: &str) -> Vec<(String, u64, String)> {
    calls(&of(name))
        .iter()
        .map(|c| {
            let status = c["fields"]["grpc.client_status"].as_u64().unwrap_or(99);
            (text(c, "grpc.verdict").to_owned(), status, text(c, "grpc.deadline").to_owned())
        })
        .collect()
}

fn list(all: &[(&str, u64, &str)]) -> Vec<(String, u64, String)> {
    all.iter().map(|(v, s, d)| ((*v).to_owned(), *s, (*d).to_owned())).collect()
}

#[test]
fn each_call_that_failed_has_its_verdict() {
    assert_eq!(
        verdicts("grpc-verdicts"),
        list(&[
            ("deadline", 4, "exceeded"),
            ("deadline", 4, "exceeded"),
            ("cancelled", 1, "met"),
            ("cancelled", 1, "-"),
            ("connection lost", 14, "met"),
            ("open", 99, "open"),
        ])
    );
    assert_eq!(
        verdicts("grpc-refusals"),
        list(&[
            ("refused", 14, "met"),
            ("refused", 8, "met"),
            ("refused", 14, "met"),
            ("http status", 14, "met"),
            ("no status", 2, "met"),
            ("connection lost", 14, "met"),
        ])
    );
    // Killed clients: what the server's library says of the lost connection is for nobody.
    let lost = ("connection lost", 14, "-");
    assert_eq!(verdicts("grpc-killed"), list(&[("connection lost", 14, "met"), lost]));
    let mut all: Vec<_> = (1..=16).map(|n| ("status", n, "met")).collect();
    all.push(("ok", 0, "met"));
    assert_eq!(verdicts("grpc-statuses"), list(&all));
    assert_eq!(
        verdicts("grpc-deadlines-exceeded"),
        list(&[("deadline", 4, "exceeded"), ("status", 4, "met"), ("status", 4, "met")])
    );
}

#[test]
fn a_verdict_that_is_not_ok_is_a_finding_with_packets() {
    let mut seen = 0;
    for (name, path) in fixtures().iter().filter(|(n, _)| n.starts_with("grpc-")) {
        let run = run(&packets(path), options(&[Level::Exchange]));
        for (event, _) in run.events.iter().filter(|(e, _)| e.draft.kind == "call") {
            let Some(Facts::Call(facts)) = &event.draft.facts else { panic!("{name}: no facts") };
            let verdict = facts.verdict;
            let found = run.findings.iter().filter(|f| f.event == Some(event.id)).any(|f| {
                // What is wrong with a deadline is found of calls that end well, too, and what
                // nobody can read.
                let beside = ["grpc.deadline-extended", "grpc.unknown-payload"];
                f.finding.spec.code.starts_with("grpc.")
                    && !beside.contains(&f.finding.spec.code)
                    && f.finding.spec.severity > framescope::finding::Severity::Note
                    && f.finding.proof.contains(&event.draft.start.packet)
            });
            let fine = matches!(verdict, "ok" | "open");
            assert_eq!(found, !fine, "{name}: event {} is {verdict}", event.id);
            seen += usize::from(!fine);
        }
    }
    assert!(seen >= 30, "only {seen}");
}

/// Methods with codecs of their own: told once of each, and JSON is shown as JSON.
#[test]
fn messages_that_are_no_protobuf() {
    let run = of("grpc-codecs");
    let found: Vec<_> = run
        .findings
        .iter()
        .filter(|f| f.finding.spec.severity > framescope::finding::Severity::Note)
        .map(|f| (f.finding.spec.code, f.finding.detail.as_deref().unwrap_or_default()))
        .collect();
    let text = |n| format!("{n} messages of this call; others are not told of");
    // JSON is known by its look.
    let (two, four) = (text("2 of 2"), text("4 of 4"));
    let unknown = "grpc.unknown-payload";
    assert_eq!(found, [(unknown, two.as_str()), (unknown, four.as_str())]);
}

#[test]
fn a_port_that_nobody_listens_on() {
    let run = of("grpc-verdicts");
    let refused: Vec<_> =
        run.findings.iter().filter(|f| f.finding.spec.code == "tcp.refused").collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].packets.len(), 2);
}

#[test]
fn a_page_of_a_proxy_is_not_read_as_messages() {
    let run = of("grpc-refusals");
    assert!(!run.findings.iter().any(|f| f.finding.spec.code == "grpc.truncated-message"));
}

fn known(run: &Run) -> Vec<Call> {
    run.events.iter().filter_map(|(e, info)| Call::of(e, info)).collect()
}

#[test]
fn deadlines_are_handed_on_and_each_knows_what_was_left() {
    let run = of("grpc-deadlines");
    let all = known(&run);
    let found = parents(&all);
    let mut lines: Vec<String> = Vec::new();
    for (c, p) in all.iter().zip(&found) {
        let Some(p) = p else { continue };
        let (seconds, left) = (c.facts.timeout_ns.map_or(0, |n| n.div_ceil(100_000_000)), p.left);
        lines.push(format!(
            "{} in {} by {}: {seconds} of {}{}{}",
            c.name(),
            all[p.call].name(),
            p.by.name(),
            left.unwrap_or(0) / 1_000_000_000,
            if c.is_extended(p) { " extended" } else { "" },
            if c.has_lost_deadline(p) { " dropped" } else { "" },
        ));
    }
    let quote = "shop.Pricing/Quote in shop.Inventory/Reserve by";
    let reserve = "shop.Inventory/Reserve in shop.Gateway/Order by";
    // The library rounds up, to 10 ms.
    let expected = [
        format!("{quote} traceparent: 10 of 3"),
        format!("{reserve} traceparent: 40 of 4"),
        format!("{quote} b3: 61 of 3 extended"),
        format!("{reserve} b3: 41 of 4"),
        format!("{quote} x-request-id: 0 of 3 dropped"),
        format!("{reserve} x-request-id: 41 of 4"),
        format!("{quote} time: 10 of 3"),
        format!("{reserve} time: 41 of 4"),
    ];
    assert_eq!(lines, expected);
    // The findings say the same.
    let codes = |code: &str| run.findings.iter().filter(|f| f.finding.spec.code == code).count();
    assert_eq!(codes("grpc.part-of"), 8);
    assert_eq!((codes("grpc.deadline-extended"), codes("grpc.deadline-dropped")), (1, 1));
}

#[test]
fn calls_that_have_nothing_to_do_with_each_other_stay_apart() {
    for (name, path) in fixtures().iter().filter(|(n, _)| n.starts_with("grpc-")) {
        if name.starts_with("grpc-deadlines") {
            continue;
        }
        let run = run(&packets(path), options(&[]));
        let all = known(&run);
        assert!(!all.is_empty(), "{name}");
        assert!(parents(&all).iter().all(Option::is_none), "{name}");
    }
}

#[test]
fn attempts_are_known_as_those_of_one_call() {
    let run = of("grpc-retries");
    let all = known(&run);
    assert_eq!(retries(&all), [None, Some(0), Some(1)]);
    assert_eq!(all[1].facts.pushback_ms, Some(120));
    let told: Vec<_> =
        run.findings.iter().filter(|f| f.finding.spec.code == "grpc.retry").collect();
    assert_eq!(told.len(), 2);
    let detail = told[1].finding.detail.as_deref().unwrap_or_default();
    assert!(detail.contains("asked for 120 ms"), "{detail}");
}

#[test]
fn rich_details_are_opened_and_held_against_the_status() {
    let run = of("grpc-details");
    let trailers: Vec<Value> = run
        .events
        .iter()
        .filter(|(e, _)| e.draft.kind == "trailers")
        .map(|(e, info)| as_json(e, info))
        .collect();
    let fields = &trailers[0]["fields"];
    assert_eq!(fields["grpc.status_details.code"], 9);
    assert_eq!(fields["grpc.status_details.message"], "sold out: ö");
    let types = fields["grpc.status_details.type"].as_array().unwrap();
    let details = fields["grpc.status_details.detail"].as_array().unwrap();
    assert_eq!((types.len(), details.len()), (11, 10));
    let line = |n: usize| details[n].as_str().unwrap();
    assert!(line(0).starts_with(r#"{reason: "STOCK_EMPTY", domain: "shop.example", metadata: {"#));
    assert_eq!(line(1), r#"{retry_delay: "1.5s"}"#);
    assert_eq!(line(9), r#"{locale: "de-DE", message: "Ausverkauft"}"#);
    // A type that is not one of these.
    assert_eq!(
        fields["grpc.status_details.bytes"],
        serde_json::json!(["0a0f6f6620616e6f746865722074797065"])
    );
    let mismatch: Vec<_> = run
        .findings
        .iter()
        .filter(|f| f.finding.spec.code == "grpc.status-details-mismatch")
        .collect();
    assert_eq!(mismatch.len(), 1);
}

/// A call of which the capture shows a part is never judged otherwise than one that is
/// open, unless its end is there.
#[test]
fn no_prefix_of_a_capture_brings_another_verdict() {
    for name in ["grpc-verdicts", "grpc-refusals", "grpc-deadlines-exceeded"] {
        let (_, path) =
            fixtures().into_iter().find(|(n, _)| n.starts_with(&format!("{name}/"))).unwrap();
        let all = packets(&path);
        let verdict = |c: &Call| (c.conversation, c.stream, c.facts.verdict);
        let whole: Vec<_> = known(&run(&all, options(&[]))).iter().map(verdict).collect();
        for n in 1..all.len() {
            for c in known(&run(&all[..n], options(&[]))) {
                let v = verdict(&c);
                assert!(v.2 == "open" || whole.contains(&v), "{name}, {n} packets: {v:?}");
            }
        }
    }
}

/// Nor does any one packet that was not captured.
#[test]
fn no_packet_that_is_missing_brings_another_verdict() {
    let mut wrong: Vec<String> = Vec::new();
    for name in ["grpc-verdicts", "grpc-refusals", "grpc-deadlines-exceeded", "grpc-statuses"] {
        let (_, path) =
            fixtures().into_iter().find(|(n, _)| n.starts_with(&format!("{name}/"))).unwrap();
        let all = packets(&path);
        let verdict = |c: &Call| (c.ends[0], c.stream, c.facts.verdict);
        let whole: Vec<_> = known(&run(&all, options(&[]))).iter().map(verdict).collect();
        for n in 0..all.len() {
            let mut rest = all.clone();
            rest.remove(n);
            for c in known(&run(&rest, options(&[]))) {
                let v = verdict(&c);
                let unknown = matches!(v.2, "open" | "not captured")
                    // Without the request no deadline is known; the server's word is.
                    || v.2 == "status" && c.facts.path().is_empty();
                if !(unknown || whole.contains(&v)) {
                    wrong.push(format!(
                        "{name} without packet {}: {v:?} {:?}",
                        n + 1,
                        c.facts.path()
                    ));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

fn framescope(args: &[&str]) -> String {
    let out = Command::new(env!("CARGO_BIN_EXE_framescope")).args(args).output().unwrap();
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout).unwrap()
}

#[test]
fn stats_shows_the_tree() {
    let capture = support::root().join("fixtures/grpc-deadlines-exceeded/capture.pcap");
    let capture = capture.to_str().unwrap();
    let text = framescope(&["stats", "--calls", capture]);
    let lines: Vec<&str> = text.lines().skip(3).collect();
    assert_eq!(lines.len(), 3, "{text}");
    for (line, (name, deadline)) in lines.iter().zip([
        ("  shop.Gateway/Order", " 5 s "),
        ("  └ shop.Inventory/Reserve", " 4 s "),
        ("    └ shop.Pricing/Quote", " 1 s "),
    ]) {
        assert!(line.contains(name) && line.contains(deadline), "{line}");
    }
    assert!(lines[2].ends_with("deadline exceeded"), "{text}");
    let json: Value =
        serde_json::from_str(&framescope(&["stats", "--calls", "--format", "json", capture]))
            .unwrap();
    assert_eq!(json["call_count"], 3);
    let leaf = &json["calls"][0]["calls"][0]["calls"][0];
    assert_eq!(leaf["method"], "shop.Pricing/Quote");
    assert_eq!(leaf["part_of"]["event"], json["calls"][0]["calls"][0]["event"]);
    assert!(leaf["part_of"]["left_ns"].as_u64().unwrap() > 3_900_000_000);
}

#[test]
fn stats_spreads_calls_over_servers_and_time() {
    let capture = support::root().join("fixtures/grpc-verdicts/capture.pcap");
    let capture = capture.to_str().unwrap();
    let args =
        ["stats", "--by", "peer,method,status", "--every", "10s", "--format", "json", capture];
    let json: Value = serde_json::from_str(&framescope(&args)).unwrap();
    assert_eq!(json["every_ns"], 10_000_000_000_u64);
    let rows = json["rows"].as_array().unwrap();
    let count: u64 = rows.iter().map(|r| r["count"].as_u64().unwrap()).sum();
    assert_eq!(count, 6);
    let row = rows.iter().find(|r| r["status"] == "UNAVAILABLE").unwrap();
    assert_eq!((&row["peer"], &row["errors"]), (&"127.0.0.1:50082".into(), &1.into()));
    assert!(row["window"].as_str().unwrap().ends_with("0.000000000Z"));
    let out = Command::new(env!("CARGO_BIN_EXE_framescope"))
        .args(["stats", "--by", "colour", capture])
        .output()
        .unwrap();
    assert_eq!(out.status.code(), Some(2));
    let text = framescope(&["stats", "--by", "peer", capture]);
    assert!(text.contains("share") && text.contains("127.0.0.1:50081"), "{text}");
}

/// With any one packet missing, a call whose request is there has as many messages as are shown of it: what waited
/// behind missing bytes while the other end went on is part of the call.
#[test]
fn a_call_counts_the_messages_that_are_shown() {
    let mut calls = 0;
    for fixture in ["grpc-tonic", "grpc-grpcio", "grpc-js-todo"] {
        let (_, path) = fixtures().into_iter().find(|(n, _)| n.starts_with(fixture)).unwrap();
        let all = packets(&path);
        for gone in 0..all.len() {
            let mut some = all.clone();
            some.remove(gone);
            let r = run(&some, options(&[]));
            // Messages by conversation, stream and sender.
            let of = |e: &Event, info| {
                let v = as_json(e, info);
                (e.conversation, v["stream"].as_u64())
            };
            let mut shown: BTreeMap<_, [u64; 2]> = BTreeMap::new();
            for (e, info) in &r.events {
                let is_message = e.draft.kind == "message" && e.draft.protocol == "grpc";
                if let Some(side) = e.draft.sender.filter(|_| is_message) {
                    shown.entry(of(e, info)).or_default()[side.index()] += 1;
                }
            }
            for (call, info) in &r.events {
                let Some(Facts::Call(facts)) = &call.draft.facts else { continue };
                if facts.joined {
                    continue;
                }
                let shown = shown.get(&of(call, info)).copied().unwrap_or_default();
                let what = format!("{fixture} without packet {}: event {}", gone + 1, call.id);
                assert_eq!(facts.messages, shown, "{what}");
                calls += 1;
            }
        }
    }
    assert!(calls > 1000, "{calls}");
}
