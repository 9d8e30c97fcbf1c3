//! Streams of server-sent events without any one of their segments.

use std::collections::BTreeSet;

use framescope::base::CaptureTime;
use framescope::event::Level;

use crate::support::{Owned, Segment, as_json, fixtures, options, pack, packets, run, segments};

/// What an event says, the packets that carried it, and where it was sent.
type Said = (Vec<u64>, String, String);

fn events(all: &[Owned]) -> Vec<Said> {
    let mut said = Vec::new();
    for (e, info) in &run(all, options(&[Level::Message])).events {
        if e.draft.protocol == "sse" && e.draft.kind == "event" && e.draft.complete {
            let v = as_json(e, info);
            let packets = v["packets"].as_array().unwrap();
            let fields = &v["fields"];
            let what = format!("{} {} {}", fields["sse.id"], fields["sse.type"], v["payload"]);
            let packets = packets.iter().filter_map(serde_json::Value::as_u64).collect();
            said.push((packets, what, format!("{} {}", v["conversation"], v["stream"])));
        }
    }
    said
}

/// The packets of the heads of responses, and where those were sent.
fn heads(all: &[Owned]) -> BTreeSet<(u64, String)> {
    let mut heads = BTreeSet::new();
    for (e, info) in &run(all, options(&[Level::Message])).events {
        if e.draft.protocol == "http" && e.draft.kind == "response" {
            let v = as_json(e, info);
            let place = format!("{} {}", v["conversation"], v["stream"]);
            let packets = v["packets"].as_array().unwrap().iter();
            heads.extend(packets.filter_map(|p| Some((p.as_u64()?, place.clone()))));
        }
    }
    heads
}

#[test]
fn an_event_behind_any_one_segment() {
    let (mut runs, mut intact) = (0, 0);
    let mut missed = BTreeSet::new();
    for (name, path) in fixtures() {
        if !name.starts_with("sse-") || name.contains("compressed") {
            continue;
        }
        let all = packets(&path);
        let parts = segments(&all).unwrap();
        let whole = events(&all);
        let heads = heads(&all);
        for gone in (0..all.len()).filter(|i| !parts[*i].data.is_empty()) {
            let mut rest = all.clone();
            let number = rest.remove(gone).meta.id.0;
            let holed = events(&rest);
            for e in &holed {
                assert!(whole.contains(e), "{name} without {number}: an event of its own: {e:?}");
            }
            for e in whole.iter().filter(|e| !e.0.contains(&number)) {
                // Without its head it is no stream of events, and behind a hole one that is
                // compressed cannot be read.
                if heads.contains(&(number, e.2.clone())) || e.1.contains("gzip") {
                    continue;
                }
                intact += 1;
                if !holed.contains(e) {
                    missed.insert(format!("{name} without {number}: {e:?}"));
                }
            }
            runs += 1;
        }
    }
    println!("{runs} runs, {intact} intact, {} missed", missed.len());
    assert!(runs > 60 && intact > 500);
    assert!(missed.is_empty(), "{missed:#?}");
}

/// How a server writes an event.
#[derive(Clone, Copy, Debug)]
enum Form {
    /// Up to the end of the connection.
    Plain,
    /// A chunk, at once.
    Chunk,
    /// A chunk: its size, its data and its end, each by itself.
    Thrice,
    /// Its size and its data, and the end of it before the next one's size.
    Twice,
}

#[test]
fn in_every_framing() {
    let mut missed = Vec::new();
    let mut intact = 0;
    for form in [Form::Plain, Form::Chunk, Form::Thrice, Form::Twice] {
        for fields in [&["id", "data"][..], &["data"], &["event", "id", "data"]] {
            let chunked = !matches!(form, Form::Plain);
            let coding = if chunked { "Transfer-Encoding: chunked\r\n" } else { "" };
            let answer =
                format!("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n{coding}\r\n");
            // What is written, and the event whose bytes are among it.
            let mut writes = vec![(answer.into_bytes(), None)];
            for n in 0..12 {
                let value = |f: &str| match f {
                    "id" => n.to_string(),
                    "event" => "tick".to_owned(),
                    _ => format!("{{\"number\":{n},\"pad\":\"{}\"}}", "x".repeat(n * 37 % 211)),
                };
                let text: String =
                    fields.iter().map(|f| format!("{f}: {}\n", value(f))).collect::<String>()
                        + "\n";
                let size = format!("{:x}\r\n", text.len());
                match form {
                    Form::Plain => writes.push((text.into_bytes(), Some(n))),
                    Form::Chunk => writes.push((format!("{size}{text}\r\n").into_bytes(), Some(n))),
                    Form::Thrice => {
                        writes.push((size.into_bytes(), None));
                        writes.push((text.into_bytes(), Some(n)));
                        writes.push((b"\r\n".to_vec(), None));
                    }
                    Form::Twice => {
                        let size = if n > 0 { format!("\r\n{size}") } else { size };
                        writes.push((size.into_bytes(), None));
                        writes.push((text.into_bytes(), Some(n)));
                    }
                }
            }
            for gone in 1..writes.len() {
                let told = |all: &[Owned]| -> BTreeSet<String> {
                    events(all).into_iter().map(|e| e.1).collect()
                };
                let whole = told(&stream(&writes, None));
                assert_eq!(whole.len(), 12);
                let holed = told(&stream(&writes, Some(gone)));
                assert!(holed.is_subset(&whole), "{form:?} {fields:?} without {gone}: {holed:#?}");
                let lost = writes[gone].1.map(|n| format!("\\\"number\\\":{n},"));
                for e in whole.difference(&holed) {
                    // No event before the hole says that a line of data may begin one.
                    let first = writes[gone].1 == Some(0) && fields[0] == "data";
                    if first && e.contains("\\\"number\\\":1,") {
                        continue;
                    }
                    if lost.as_ref().is_none_or(|l| !e.contains(l)) {
                        missed.push(format!("{form:?} {fields:?} without {gone}: {e:.60}"));
                    }
                }
                intact += whole.len();
            }
        }
    }
    println!("{intact} intact, {} missed: {missed:#?}", missed.len());
    assert!(missed.is_empty(), "{} of {intact}", missed.len());
}

/// A request, and the writes of its answer without one of them.
fn stream(writes: &[(Vec<u8>, Option<usize>)], gone: Option<usize>) -> Vec<Owned> {
    let ends = [([10, 0, 0, 1], 40_000), ([10, 0, 0, 2], 8080)].map(|(ip, p)| (ip.into(), p));
    let mut now = 0;
    let mut segment = |side: usize, seq: u32, ack: u32, flags: u8, data: &[u8]| {
        now += 3_000_000;
        let time = CaptureTime(1_700_000_000_000_000_000 + now);
        let (from, to, data) = (ends[side], ends[1 - side], data.to_vec());
        Segment { time, from, to, seq, ack, flags, window: 65_000, scale: None, data }
    };
    let ask = b"GET /events HTTP/1.1\r\nHost: h\r\nAccept: text/event-stream\r\n\r\n";
    let up = 1001 + ask.len() as u32;
    let mut all = vec![
        segment(0, 1000, 0, 0x02, b""),
        segment(1, 9000, 1001, 0x12, b""),
        segment(0, 1001, 9001, 0x18, ask),
    ];
    let mut seq = 9001;
    for (i, (data, _)) in writes.iter().enumerate() {
        if gone != Some(i) {
            all.push(segment(1, seq, up, 0x18, data));
        }
        seq += data.len() as u32;
        all.push(segment(0, up, seq, 0x10, b""));
    }
    pack(&all)
}
