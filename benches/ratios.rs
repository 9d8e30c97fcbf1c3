//! The figures that have an aim, beside what they are held against, in one run:
//! `cargo bench --bench ratios`. Ratios hold on another machine; rates are of this one.
//!
//! Each side runs in many short rounds, both in turn, and its fastest round counts: the one
//! in which the machine did nothing else. Exit status 1 where an aim is missed. With a group
//! (`websocket`, `hpack`, `tls`) behind `--`, that one alone.

mod common;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::Instant;

use common::{Conversation, Silent};
use framescope::proto::http2::bench_support::{HeaderBlocks, huffman_decode, huffman_encode};
use framescope::proto::tls::bench_support::{Records, Suite};
use framescope::proto::websocket::mask::unmask;

/// How long to measure: rounds, and how much to do in each.
#[derive(Clone, Copy)]
struct Effort {
    rounds: usize,
    scale: u64,
}

/// One line of the table.
struct Row {
    what: String,
    aim: String,
    figure: String,
    met: bool,
}

fn main() -> ExitCode {
    // Only `cargo bench` says `--bench`: in a test run it is enough that it runs.
    let args: Vec<String> = std::env::args().collect();
    let has = |name: &str| args.iter().any(|a| a == name);
    let effort = match (has("--bench"), has("--quick")) {
        (false, _) => Effort { rounds: 1, scale: 1 },
        (true, true) => Effort { rounds: 100, scale: 5 },
        (true, false) => Effort { rounds: 1000, scale: 5 },
    };
    // `cargo bench --bench ratios -- tls`: that group alone.
    let only = args.iter().skip(1).find(|a| !a.starts_with('-'));
    let is = |group: &str| only.is_none_or(|o| o == group);
    let mut rows = Vec::new();
    if is("websocket") {
        rows.push(unmasking(effort));
        rows.extend([1 << 10, 10 << 10].map(|len| inflating(effort, len, Some(1.3))));
        // Here a head and two events weigh more than inflating: told, and not held.
        rows.push(inflating(effort, 64, None));
    }
    if is("hpack") {
        rows.extend([indexed(effort), huffman(effort)]);
    }
    if is("tls") {
        // A record of the full length, and one as a message of a chat has.
        for suite in [Suite::Aes128Gcm, Suite::Aes256Gcm, Suite::ChaCha20, Suite::Aes128CbcSha] {
            rows.extend([16_000, 1400].map(|len| decrypting(effort, suite, len, Some(1.5))));
        }
    }
    let all_met = rows.iter().all(|r| r.met);
    println!("| measured | aim | figure | |\n| --- | --- | --- | --- |");
    for r in rows {
        let met = if r.met { "met" } else { "missed" };
        println!("| {} | {} | {} | {met} |", r.what, r.aim, r.figure);
    }
    // A test run measures nothing.
    if all_met || !has("--bench") { ExitCode::SUCCESS } else { ExitCode::from(1) }
}

/// Seconds that `f` takes.
fn seconds<T>(f: impl FnOnce() -> T) -> f64 {
    let begun = Instant::now();
    black_box(f());
    begun.elapsed().as_secs_f64()
}

/// Seconds of the fastest round of each.
fn fastest<A, B>(
    effort: Effort,
    mut ours: impl FnMut() -> A,
    mut beside: impl FnMut() -> B,
) -> (f64, f64) {
    (0..effort.rounds).fold((f64::INFINITY, f64::INFINITY), |(a, b), _| {
        (a.min(seconds(&mut ours)), b.min(seconds(&mut beside)))
    })
}

/// How many times as long `ours` takes as `beside`.
fn ratio<A, B>(effort: Effort, ours: impl FnMut() -> A, beside: impl FnMut() -> B) -> f64 {
    let (ours, beside) = fastest(effort, ours, beside);
    ours / beside
}

fn held(what: String, limit: Option<f64>, ratio: f64) -> Row {
    Row {
        what,
        aim: limit.map_or("none".into(), |l| format!("at most {l:.1} times")),
        figure: format!("{ratio:.2} times"),
        met: limit.is_none_or(|l| ratio <= l),
    }
}

/// Unmasking payloads of 4 KiB from where they lie into a buffer, as the machine does, and
/// copying them there.
fn unmasking(effort: Effort) -> Row {
    let payload = common::text(1, 4 << 10);
    let (mut a, mut b) = (Vec::new(), vec![0; payload.len()]);
    let times = 500 * effort.scale;
    let ratio = ratio(
        effort,
        || {
            for n in 0..times {
                unmask(black_box([1, 2, 3, n as u8]), n, black_box(&payload), &mut a);
                black_box(&mut a);
            }
        },
        || {
            for _ in 0..times {
                b.copy_from_slice(black_box(&payload));
                black_box(&mut b);
            }
        },
    );
    held("unmasking 4 KiB payloads, beside a memory copy of them".into(), Some(2.0), ratio)
}

/// A compressed conversation through the machine (heads, unmasking, inflating, UTF-8,
/// events), and its compressed bytes through the library alone.
fn inflating(effort: Effort, len: usize, limit: Option<f64>) -> Row {
    // Long enough that the handshake does not count: 816 messages of 1 KiB.
    let messages = (effort.scale * 200_000 / (len as u64 + 200)).max(40);
    let c = Conversation::new(messages, len);
    assert_eq!((c.run(), c.inflate_alone()), (c.plain, c.plain));
    let ratio = ratio(effort, || c.run(), || c.inflate_alone());
    let what = format!("a conversation of compressed {len} B messages, beside inflating alone");
    held(what, limit, ratio)
}

/// Records of TLS through the machine (heads, keys, events, handing on), and through the
/// cipher library alone.
fn decrypting(effort: Effort, suite: Suite, len: usize, limit: Option<f64>) -> Row {
    let count = (effort.scale * 200_000 / (len as u64 + 200)).max(8);
    let mut records = Records::new(suite, count, len).expect("a length that a record can have");
    let again = Records::new(suite, count, len).expect("a length that a record can have");
    let all = count * len as u64;
    assert_eq!((again.machine(64 << 10, &mut Silent::default()), records.alone()), (all, all));
    let ratio =
        ratio(effort, || again.machine(64 << 10, &mut Silent::default()), || records.alone());
    let what = format!("TLS records of {len} B in {}, beside the cipher alone", suite.name());
    held(what, limit, ratio)
}

/// Fields a second of blocks of indexed fields.
fn indexed(effort: Effort) -> Row {
    let block = common::indexed_block(24);
    let mut of = HeaderBlocks::default();
    of.decode(&common::learn());
    let times = 200 * effort.scale;
    let run = || (0..times).map(|_| of.decode(black_box(&block)).len()).sum::<usize>();
    let rate = (24 * times) as f64 / fastest(effort, run, || ()).0 / 1e6;
    assert!(of.findings().is_empty());
    Row {
        what: "HPACK, indexed fields".into(),
        aim: "10 M/s or more".into(),
        figure: format!("{rate:.1} M/s"),
        met: rate >= 10.0,
    }
}

/// Coded bytes a second of Huffman-coded strings of 100 bytes.
fn huffman(effort: Effort) -> Row {
    let coded = huffman_encode(&common::header_text(100));
    let mut out = Vec::new();
    let times = 200 * effort.scale;
    let run = || {
        for _ in 0..times {
            out.clear();
            assert!(huffman_decode(black_box(&coded), &mut out));
            black_box(&out);
        }
    };
    let rate = (coded.len() as u64 * times) as f64 / fastest(effort, run, || ()).0 / 1e6;
    Row {
        what: "HPACK, Huffman-coded bytes".into(),
        aim: "150 MB/s or more".into(),
        figure: format!("{rate:.0} MB/s"),
        met: rate >= 150.0,
    }
}
