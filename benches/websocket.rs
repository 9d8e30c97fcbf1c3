//! Unmasking beside a memory copy, and a compressed conversation beside inflating alone.
//! `benches/ratios.rs` holds their aims, side by side in one run.
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

mod common;

use std::hint::black_box;

use common::Conversation;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use framescope::proto::websocket::mask::unmask;

fn unmasking(c: &mut Criterion) {
    let payload = common::text(1, 4 << 10);
    let mut to = vec![0; payload.len()];
    let mut g = c.benchmark_group("unmask 4 KiB");
    g.throughput(Throughput::Bytes(payload.len() as u64));
    g.bench_function("unmask", |b| {
        b.iter(|| unmask(black_box([1, 2, 3, 4]), 0, black_box(&payload), &mut to));
    });
    g.bench_function("memory copy", |b| b.iter(|| to.copy_from_slice(black_box(&payload))));
    g.finish();
}

fn inflating(c: &mut Criterion) {
    let mut g = c.benchmark_group("inflate");
    for len in [64, 1 << 10, 10 << 10] {
        let conversation = Conversation::new(40, len);
        g.throughput(Throughput::Bytes(conversation.plain));
        g.bench_function(format!("{len} B messages"), |b| b.iter(|| conversation.run()));
        g.bench_function(format!("{len} B messages, library alone"), |b| {
            b.iter(|| conversation.inflate_alone());
        });
    }
    g.finish();
}

criterion_group!(benches, unmasking, inflating);
criterion_main!(benches);
