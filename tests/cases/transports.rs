//! `stats --transports`: the table, what it is reckoned from, and its sums.
//!
//! `FRAMESCOPE_BLESS=1 cargo test --test cases transports` writes the golden file anew.

use std::process::Output;

use serde_json::Value;

use crate::framescope;
use crate::support::{fixtures, root};

fn call(args: &[&str]) -> Output {
    framescope().args(args).output().unwrap()
}

fn stdout(out: &Output) -> String {
    assert!(out.status.success(), "{}", String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout.clone()).unwrap()
}

fn json(args: &[&str]) -> Value {
    let out = call(&[&["stats", "--format", "json"], args].concat());
    serde_json::from_str(&stdout(&out)).unwrap()
}

fn way<'a>(v: &'a Value, name: &str) -> &'a Value {
    let all = v["transports"].as_array().unwrap();
    all.iter().find(|t| t["transport"] == name).unwrap_or_else(|| panic!("no {name} in {v}"))
}

fn number(v: &Value) -> u64 {
    v.as_u64().unwrap_or_else(|| panic!("{v} is no number"))
}

/// Nanoseconds of a time of day, so that differences can be taken.
fn nanos(time: &Value) -> i64 {
    let text = time.as_str().unwrap();
    let (_, day) = text.trim_end_matches('Z').split_once('T').unwrap();
    let (clock, nanos) = day.split_once('.').unwrap();
    let seconds = clock.split(':').fold(0, |n, part| n * 60 + part.parse::<i64>().unwrap());
    seconds * 1_000_000_000 + nanos.parse::<i64>().unwrap()
}

#[test]
fn golden() {
    let mut now = String::new();
    for path in ["transports", "http-polling", "http-long-polling", "http-rest", "tcp-opaque"] {
        let args = [
            "stats",
            "--transports",
            "--clients",
            "1000",
            &format!("fixtures/{path}/capture.pcap"),
        ];
        now += &format!("$ framescope {}\n{}\n", args.join(" "), stdout(&call(&args)));
    }
    let file = root().join("tests/cases/expect/transports.txt");
    if std::env::var_os("FRAMESCOPE_BLESS").is_some() {
        std::fs::write(&file, now).unwrap();
        return;
    }
    let before = std::fs::read_to_string(&file).unwrap_or_default();
    assert_eq!(before, now, "FRAMESCOPE_BLESS=1 writes anew");
}

/// Every figure of a short poll, from its messages as `print` has them.
#[test]
fn a_poll_by_hand() {
    let path = "fixtures/http-polling/capture.pcap";
    let v = json(&["--transports", "--clients", "1000", path]);
    let printed = stdout(&call(&["print", "--format", "json", path]));
    let all: Vec<Value> = printed.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    let of = |kind: &str| all.iter().filter(|m| m["kind"] == kind).cloned().collect::<Vec<_>>();
    let (asked, answered) = (of("request"), of("response"));
    assert_eq!((asked.len(), answered.len()), (6, 6));
    // 675 bytes up and 797 down; five bodies of 2 bytes, one of 48.
    let (streams, bodies, useful) = (675 + 797, 5 * 2 + 48, 48);
    let heads = streams - bodies;
    let starts: Vec<i64> = asked.iter().map(|m| nanos(&m["start_time"])).collect();
    let mut intervals: Vec<i64> = starts.windows(2).map(|w| w[1] - w[0]).collect();
    let mean = intervals.iter().sum::<i64>() / 5;
    intervals.sort_unstable();
    // The third answer brought the event, which came after the second.
    let window = nanos(&answered[2]["start_time"]) - nanos(&answered[1]["start_time"]);
    let first_byte = |(q, a): (&Value, &Value)| nanos(&a["start_time"]) - nanos(&q["start_time"]);
    let answer = asked.iter().zip(&answered).map(first_byte).sum::<i64>() / 6;

    let p = &v["polls"][0];
    for (name, want) in [
        ("requests", 6),
        ("events", 1),
        ("empty", 5),
        ("interval_ns", intervals[2]),
        ("mean_interval_ns", mean),
        ("useful_bytes", useful),
        ("bytes", streams),
        ("wait_mean_ns", window / 2),
        ("wait_max_ns", window),
        ("last_event", all.iter().filter_map(|m| m["event"].as_i64()).max().unwrap() + 1),
    ] {
        assert_eq!(p[name].as_i64(), Some(want), "{name}");
    }
    let near = |v: &Value, want: f64| (v.as_f64().unwrap() - want).abs() < 1e-5 * want.max(1.0);
    assert!(near(&p["head_bytes_per_useful_byte"], heads as f64 / 48.0), "{p}");
    assert!(near(&p["empty_share"], 5.0 / 6.0), "{p}");
    // One request of mean size, and 48 bytes with `data: `, LF LF, "38", CRLF, CRLF.
    let (up, down) = (675 / 6, (797 - bodies) / 6);
    let event = 48 + 8 + 2 + 4;
    let pushed = up + down + event;
    assert_eq!(p["as_sse"]["bytes"], pushed);
    assert_eq!(p["as_websocket"]["bytes"], up + 113 + 129 + 48 + 2);

    let t = way(&v, "polling");
    assert_eq!(number(&t["payload_bytes"]), 48);
    assert_eq!(number(&t["overhead_bytes"]), (streams - useful) as u64);
    assert_eq!(t["answer_ns"].as_i64(), Some(answer));
    assert!(near(&t["requests_per_minute"], 60e9 / mean as f64));
    let whole = json(&[path]);
    let below = number(&whole["wire_bytes"]) - streams as u64;
    assert_eq!(number(&t["packet_bytes"]), below);

    let many = v["projection"]["transports"].as_array().unwrap();
    assert_eq!(many.len(), 3, "itself, as SSE, as WebSocket");
    assert!(near(&many[0]["requests_per_second"], 1000.0 * 1e9 / mean as f64));
    assert!(near(&many[0]["bytes_per_second"], 1000.0 * streams as f64 * 1e9 / (6 * mean) as f64));
    assert!(near(&many[0]["open_connections"], 1000.0));
    assert!(near(&many[1]["bytes_per_second"], 1000.0 * pushed as f64 * 1e9 / (6 * mean) as f64));
}

/// The same ten reports by every way; and what was reckoned from the polls is near what SSE
/// and WebSocket took.
#[test]
fn one_service_by_five_ways() {
    let v = json(&["--transports", "fixtures/transports/capture.pcap"]);
    for name in ["polling", "long_polling", "sse", "websocket"] {
        assert_eq!(number(&way(&v, name)["messages"]), 10, "{name}");
        assert_eq!(number(&way(&v, name)["connections"]), 1, "{name}");
    }
    // With its request.
    assert_eq!(number(&way(&v, "grpc_streaming")["messages"]), 11);
    let took = |name: &str| {
        let t = way(&v, name);
        number(&t["payload_bytes"]) + number(&t["overhead_bytes"])
    };
    for p in v["polls"].as_array().unwrap() {
        for (instead, name) in [("as_sse", "sse"), ("as_websocket", "websocket")] {
            let (reckoned, real) = (number(&p[instead]["bytes"]), took(name));
            assert!(reckoned.abs_diff(real) * 10 <= real, "{name}: {reckoned} of {real}");
        }
    }
    let wait = |name: &str| number(&way(&v, name)["wait_mean_ns"]);
    assert!(wait("polling").abs_diff(125_000_000) < 15_000_000, "half of 250 ms");
    assert_eq!([wait("long_polling"), wait("sse"), wait("websocket")], [0; 3]);
}

/// Over all fixtures: no byte is counted twice, and none is lost where all was captured.
#[test]
fn sums() {
    for (name, path) in fixtures() {
        let path = path.to_str().unwrap();
        let (v, whole) = (json(&["--transports", path]), json(&[path]));
        let all = v["transports"].as_array().unwrap();
        let sum = |key: &str| all.iter().map(|t| number(&t[key])).sum::<u64>();
        let carrying: u64 = whole["conversations"]
            .as_array()
            .unwrap()
            .iter()
            .filter(|c| {
                let on = c["protocols"].as_array().unwrap();
                on.iter().any(|p| {
                    matches!(
                        p.as_str(),
                        Some("http" | "grpc" | "grpc-web" | "connect" | "websocket" | "sse")
                    )
                })
            })
            .map(|c| {
                number(&c["bytes"]["client"]["stream"]) + number(&c["bytes"]["server"]["stream"])
            })
            .sum();
        let (streams, all_ways) = (sum("payload_bytes") + sum("overhead_bytes"), all.len() as u64);
        let conversations = number(&whole["conversation_count"]);
        // Shares are rounded down.
        let off = carrying.abs_diff(streams);
        assert!(off <= conversations * all_ways, "{name}: {streams} of {carrying}");
        assert!(streams + sum("packet_bytes") <= number(&whole["wire_bytes"]), "{name}");
        assert!(all.iter().all(|t| number(&t["requests"]) > 0), "{name}");
    }
}

#[test]
fn clients_need_transports() {
    let out = call(&["stats", "--clients", "5", "fixtures/http-rest/capture.pcap"]);
    assert_eq!(out.status.code(), Some(2));
    let out = call(&["stats", "--transports", "--clients", "0", "fixtures/http-rest/capture.pcap"]);
    assert_eq!(out.status.code(), Some(2));
}
