//! Header compression (RFC 7541). Aims: 10 M indexed fields a second, 150 MB/s of Huffman
//! bytes; `benches/ratios.rs` holds them.
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

mod common;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use framescope::proto::http2::bench_support::{HeaderBlocks, huffman_decode, huffman_encode};

fn hpack(c: &mut Criterion) {
    let mut g = c.benchmark_group("hpack");

    let block = common::indexed_block(24);
    let mut of = HeaderBlocks::default();
    of.decode(&common::learn());
    g.throughput(Throughput::Elements(24));
    g.bench_function("indexed fields", |b| b.iter(|| of.decode(black_box(&block)).len()));

    // New names and values, each inserted: the table evicts all the time.
    let mut block = Vec::new();
    for n in 0..24_u8 {
        let name = format!("x-name-{n}");
        common::literal(&mut block, name.as_bytes(), &common::header_text(40));
    }
    let mut of = HeaderBlocks::default();
    g.bench_function("literals with indexing", |b| b.iter(|| of.decode(black_box(&block)).len()));
    assert!(of.findings().is_empty());

    for len in [20, 100, 1000] {
        let text = common::header_text(len);
        let coded = huffman_encode(&text);
        let mut out = Vec::new();
        assert!(huffman_decode(&coded, &mut out) && out == text);
        g.throughput(Throughput::Bytes(coded.len() as u64));
        g.bench_function(format!("huffman, {len} characters"), |b| {
            b.iter(|| {
                out.clear();
                huffman_decode(black_box(&coded), &mut out)
            });
        });
    }
    g.finish();
}

criterion_group!(benches, hpack);
criterion_main!(benches);
