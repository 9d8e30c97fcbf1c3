//! The worked example of `docs/ADDING-A-PROTOCOL.md`: Modbus/TCP as one folder,
//! one line in the registry, one folder of fixtures. Here it stands outside of
//! the crate; inside, `framescope::` is `crate::`.
#![allow(missing_docs, unreachable_pub, dead_code, reason = "an example, and no library")]

mod modbus;
#[path = "../support/mod.rs"]
mod support;

use std::path::PathBuf;

use framescope::base::BufferId;
use framescope::engine::Options;
use framescope::event::Level;
use framescope::proto::{Protocol, grpc, http, http1, http2, protobuf, websocket};
use framescope::view::text::{Lines, Style};
use support::{NUMBERED, cut, gist, options, pack, packets, root, run, segments};

static REGISTRY: &[&Protocol] = &[
    &http1::PROTOCOL,
    &http2::PROTOCOL,
    &websocket::PROTOCOL,
    &grpc::PROTOCOL,
    &protobuf::PROTOCOL,
    &modbus::PROTOCOL, // the one line
    &http::PROTOCOL,
];

fn with_modbus(levels: &[Level]) -> Options {
    Options { registry: REGISTRY, ..options(levels) }
}

fn fixture(file: &str) -> PathBuf {
    root().join("tests/adding_a_protocol/fixtures/modbus").join(file)
}

/// Frames and exchanges are as they were when somebody last read them.
#[test]
fn golden() {
    let run = run(&packets(&fixture("capture.pcap")), with_modbus(&NUMBERED));
    let mut lines = Lines::new(Style::default());
    let mut text = String::new();
    for (event, conversation) in &run.events {
        lines.event(&mut text, event, Some(conversation));
    }
    for found in &run.findings {
        lines.finding(&mut text, found, None);
    }
    let expected = fixture("expect.txt");
    if std::env::var_os("FRAMESCOPE_BLESS").is_some() {
        std::fs::write(&expected, &text).unwrap();
    }
    assert_eq!(text, std::fs::read_to_string(&expected).unwrap());
}

/// Events do not depend on how bytes were cut.
#[test]
fn chunking() {
    let whole = segments(&packets(&fixture("capture.pcap"))).unwrap();
    let events = |size| {
        let run = run(&pack(&cut(&whole, size)), with_modbus(&NUMBERED));
        let mut all: Vec<_> = run.events.iter().map(|(e, info)| gist(e, info)).collect();
        all.sort_by_key(|e| e["level"].to_string());
        all
    };
    let expected = events(1460);
    assert!(expected.len() > 10);
    for size in [1, 2, 3, 7] {
        assert_eq!(events(size), expected, "cut into {size}");
    }
}

/// The leaves of a frame's tree cover every bit of it exactly once.
#[test]
fn tiling() {
    let run = run(&packets(&fixture("capture.pcap")), with_modbus(&[Level::Frame]));
    let mut frames = 0;
    for (event, _) in run.events.iter().filter(|(e, _)| e.draft.level == Level::Frame) {
        let detail = event.draft.detail.as_ref().unwrap();
        let mut at = 0;
        for span in detail.tree.leaves().filter_map(|n| n.span) {
            assert_eq!((span.buffer, span.first_bit()), (BufferId(0), at));
            at += span.bit_len();
        }
        let wire = detail.origins.get(BufferId(0)).unwrap();
        assert_eq!(at, u64::from(wire.len) * 8);
        assert_eq!(detail.origins.packets(), event.packets());
        frames += 1;
    }
    assert!(frames > 10, "only {frames} frames");
}

/// Without its line in the registry, the stream is nobody's.
#[test]
fn nobody_knows_it_otherwise() {
    let run = run(&packets(&fixture("capture.pcap")), options(&NUMBERED));
    assert!(run.events.iter().all(|(e, _)| e.draft.protocol == "tcp"));
}

/// The probe takes no stream from others: every fixture is what it was.
#[test]
fn nothing_else_is_taken_for_it() {
    for (name, path) in support::fixtures() {
        let run = run(&packets(&path), with_modbus(&[]));
        assert!(run.events.iter().all(|(e, _)| e.draft.protocol != "modbus"), "{name}");
    }
}

/// Whatever the bytes are: no panic, and nothing shown that was not there.
#[test]
fn damage() {
    let whole = segments(&packets(&fixture("capture.pcap"))).unwrap();
    for (i, segment) in whole.iter().enumerate() {
        for at in 0..segment.data.len() {
            let mut bent = whole.clone();
            bent[i].data[at] ^= 0xff;
            run(&pack(&bent), with_modbus(&NUMBERED));
        }
    }
}
