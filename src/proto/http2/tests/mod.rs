//! The machine: frames made by hand, a real peer, hostile bytes.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::machine::Http2;
use super::wire::PREFACE;
use crate::base::{BufferId, Side};
use crate::event::{Draft, Level, Payload};
use crate::proto::harness::{Recorder, Told};
use crate::proto::{EndCause, Headers, Input};

mod books;
mod connect;
mod frames;
mod gaps;
mod joined;
mod peer;
mod stalls;

/// A frame.
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut v = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    v.extend([kind, flags]);
    v.extend(stream.to_be_bytes());
    v.extend(payload);
    v
}

const SIZES: [usize; 6] = [1, 2, 3, 7, 1460, usize::MAX];

/// Client bytes, then server bytes, then the end of the capture.
fn run(client: &[u8], server: &[u8], size: usize) -> Recorder {
    let mut r = Recorder::new();
    let mut m = Http2::default();
    r.bytes(&mut m, Side::Client, client, size);
    r.bytes(&mut m, Side::Server, server, size);
    for side in Side::BOTH {
        r.end(&mut m, side, EndCause::CaptureEnded);
    }
    r
}

/// The same at every chunk size: same events, same children; every tree tiles.
fn all_sizes(client: &[u8], server: &[u8]) -> Recorder {
    let mut first: Option<Recorder> = None;
    for size in SIZES {
        let r = run(client, server, size);
        r.events.iter().for_each(tiles);
        match &first {
            None => first = Some(r),
            Some(f) => {
                assert_eq!(f.gist(), r.gist(), "chunks of {size}");
                assert_eq!(f.children, r.children, "chunks of {size}");
                assert_eq!(f.codes(), r.codes(), "chunks of {size}");
            }
        }
    }
    first.unwrap()
}

/// Leaves cover every bit of each buffer exactly once, in order; and the map of
/// each buffer is as long as it.
fn tiles(e: &Draft) {
    let d = e.detail.as_ref().expect("a detail");
    for (i, b) in d.origins.buffers().iter().enumerate() {
        let id = BufferId(i as u16);
        let mut at = 0;
        for s in d.tree.leaves().filter_map(|n| n.span).filter(|s| s.buffer == id) {
            assert_eq!(s.first_bit(), at, "{} in {}", b.label, d.summary);
            at += s.bit_len();
        }
        assert_eq!(at, u64::from(b.len) * 8, "{} of {}", b.label, d.summary);
        assert_eq!(b.pieces.iter().map(|p| p.len).sum::<u32>(), b.len);
    }
}

fn texts(e: &Draft, name: &str) -> Vec<String> {
    let nodes = e.detail.as_ref().unwrap().tree.nodes();
    nodes
        .iter()
        .filter(|n| n.spec.name == name)
        .map(|n| match &n.value {
            crate::field::Value::Text(t) => t.to_string(),
            v => format!("{v:?}"),
        })
        .collect()
}

fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect()
}

fn hello() -> Vec<u8> {
    let mut v = PREFACE.to_vec();
    v.extend(frame(4, 0, 0, &[]));
    v
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn hostile_bytes_never_panic(
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        preface in any::<bool>(),
        size in 1_usize..40,
    ) {
        let mut client = if preface { hello() } else { Vec::new() };
        client.extend(&bytes);
        run(&client, &bytes, size).events.iter().for_each(tiles);
    }

    #[test]
    fn hostile_frames_never_panic(
        list in proptest::collection::vec(
            (0_u8..18, any::<u8>(), 0_u32..7, proptest::collection::vec(any::<u8>(), 0..40)),
            0..20,
        ),
        size in 1_usize..60,
    ) {
        let mut bytes = Vec::new();
        for (kind, flags, stream, payload) in &list {
            bytes.extend(frame(*kind, *flags, *stream, payload));
        }
        let mut client = hello();
        client.extend(&bytes);
        let a = run(&client, &bytes, size);
        a.events.iter().for_each(tiles);
        let b = run(&client, &bytes, usize::MAX);
        prop_assert_eq!(a.gist(), b.gist());
        prop_assert_eq!(a.children, b.children);
    }
}
