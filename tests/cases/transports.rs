//! `stats --transports`: the table, what it is reckoned from, and its sums.
//!
//! `FRAMESCOPE_BLESS=1 cargo test --test cases transports` writes the golden file anew.

use std::collections::{BTreeMap, BTreeSet};
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
    // 18 packets carry them (the server sends heads and bodies apart): heads of Ethernet, IP and
    // TCP with timestamps beside.
    let carrying = streams as u64 + 18 * (14 + 20 + 32);
    assert_eq!(number(&t["packet_bytes"]), carrying);
    assert_eq!(number(&t["other_packet_bytes"]), number(&whole["wire_bytes"]) - carrying);

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

/// Events of a capture as `print` has them.
fn printed(path: &str, level: &str) -> Vec<Value> {
    let out = stdout(&call(&["print", "-l", level, "--format", "json", path]));
    out.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// Bytes of the packets of connections with exchanges that count.
fn on_wire(path: &str, whole: &Value) -> u64 {
    if whole["conversations"].as_array().unwrap().is_empty() {
        return 0;
    }
    let carried: BTreeSet<u64> = printed(path, "exchange")
        .iter()
        .filter(|e| {
            let kind = (e["protocol"].as_str().unwrap(), e["kind"].as_str().unwrap());
            let tunnel = e["fields"]["http.request.method"] == "CONNECT";
            match kind {
                ("http", "exchange") => !tunnel && e["fields"]["http.response.code"] != 101,
                ("grpc" | "grpc-web" | "connect", "call") => true,
                ("websocket", "session") | ("sse", "stream") => true,
                _ => false,
            }
        })
        .map(|e| number(&e["conversation"]))
        .collect();
    let of = |p: &&Value| p["conversation"].as_u64().is_some_and(|c| carried.contains(&c));
    printed(path, "packet").iter().filter(of).map(|p| number(&p["fields"]["frame.len"])).sum()
}

/// What each way's packets come to over HTTP/2, from the frames as `print` has them: a packet
/// counts for the streams whose frames end in it, in equal parts; where none ends, for that which
/// goes on.
#[test]
fn packets_by_the_frames_in_them() {
    let mut mixed = 0;
    for name in [
        "grpc-codecs",
        "grpc-flow-control",
        "grpc-grpcio",
        "grpc-gzip-tonic",
        "grpc-tonic",
        "ws-h2",
        "ws-h2-ends",
    ] {
        let path = format!("fixtures/{name}/capture.pcap");
        let way_of = |e: &Value| match e["protocol"].as_str().unwrap() {
            "websocket" => Some("websocket"),
            "sse" => Some("sse"),
            "grpc" => {
                let of = |n: &str| e["fields"][n].as_u64().unwrap_or(0);
                let most = of("grpc.request_messages").max(of("grpc.response_messages"));
                Some(if most <= 1 { "grpc_unary" } else { "grpc_streaming" })
            }
            "http" if e["fields"]["http.request.method"] != "CONNECT" => Some("http"),
            _ => None,
        };
        let ways: BTreeMap<(u64, u64), &str> = printed(&path, "exchange")
            .iter()
            .filter_map(|e| Some(((number(&e["conversation"]), e["stream"].as_u64()?), way_of(e)?)))
            .collect();
        // By conversation and packet: the streams whose frames end in it, and that of the first
        // that goes on.
        let (mut ends, mut goes_on) = (BTreeMap::<_, BTreeSet<u64>>::new(), BTreeMap::new());
        for f in printed(&path, "frame").iter().filter(|f| f["protocol"] == "http2") {
            let key = |p: &Value| (number(&f["conversation"]), number(p));
            let (stream, packets) = (f["stream"].as_u64().unwrap_or(0), f["packets"].as_array());
            let (last, before) = packets.unwrap().split_last().unwrap();
            ends.entry(key(last)).or_default().insert(stream);
            for p in before {
                goes_on.entry(key(p)).or_insert(stream);
            }
        }
        let mut want = BTreeMap::<&str, f64>::new();
        for p in printed(&path, "packet").iter().filter(|p| p["fields"]["tcp.len"] != 0) {
            let Some(c) = p["conversation"].as_u64() else { continue };
            let key = (c, number(&p["packets"][0]));
            let mut streams: Vec<u64> = ends.get(&key).into_iter().flatten().copied().collect();
            streams.retain(|s| *s != 0);
            if streams.is_empty() && !ends.contains_key(&key) {
                streams.extend(goes_on.get(&key));
            }
            for s in &streams {
                if let Some(way) = ways.get(&(c, *s)) {
                    let part = number(&p["fields"]["frame.len"]) as f64 / streams.len() as f64;
                    *want.entry(*way).or_default() += part;
                }
            }
        }
        let v = json(&["--transports", &path]);
        for (name_of_way, bytes) in &want {
            let got = number(&way(&v, name_of_way)["packet_bytes"]) as f64;
            // Parts are rounded.
            assert!((got - bytes).abs() < 20.0, "{name} {name_of_way}: {got} of {bytes}");
        }
        mixed += usize::from(want.len() > 1);
    }
    assert!(mixed >= 5, "{mixed} captures have several ways on a connection");
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
        // Packets are counted once, and none of a connection that carried something is lost.
        let packets = sum("packet_bytes") + sum("other_packet_bytes");
        assert_eq!(packets, on_wire(path, &whole), "{name}");
        for t in all {
            let least = number(&t["payload_bytes"]) + number(&t["requests"]);
            assert!(number(&t["packet_bytes"]) > least, "{name}: {t}");
        }
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
