//! Heads and messages over the tracked input: with nobody listening, as `check` reads
//! them, and with a tree being built, as for one that is looked at.
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

mod common;

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use framescope::base::{BufferId, Side};
use framescope::event::Detail;
use framescope::field::{In, NoSink, Sink, TreeSink};
use framescope::proto::http2::bench_support::frame_head;
use framescope::proto::{PayloadDecoder, PayloadHint, grpc, protobuf, websocket};

/// The same parser with the sink off and on.
fn both(g: &mut BenchmarkGroup<'_, WallTime>, name: &str, off: impl Fn(), on: impl Fn(&TreeSink)) {
    g.bench_function(format!("{name}, sink off"), |b| b.iter(&off));
    g.bench_function(format!("{name}, sink on"), |b| {
        b.iter(|| {
            let sink = TreeSink::new();
            on(&sink);
            sink.into_tree()
        });
    });
}

fn websocket_head<S: Sink>(data: &[u8], sink: &S) {
    let i = In::new(black_box(data), BufferId(0), 0, sink);
    black_box(websocket::wire::head(i).ok().unwrap().1);
}

fn grpc_prefix<S: Sink>(data: &[u8], sink: &S) {
    let i = In::new(black_box(data), BufferId(0), 0, sink);
    black_box(grpc::wire::prefix(i).ok().unwrap().1);
}

fn http2_head<S: Sink>(data: &[u8], sink: &S) {
    black_box(frame_head(black_box(data), sink).unwrap());
}

fn heads(c: &mut Criterion) {
    let mut g = c.benchmark_group("heads");
    // FIN, text, masked, 200 bytes by the 16-bit length.
    let ws = [0x81, 0xfe, 0x00, 0xc8, 1, 2, 3, 4];
    both(&mut g, "websocket", || websocket_head(&ws, &NoSink), |s| websocket_head(&ws, s));
    // HEADERS with END_HEADERS and END_STREAM on stream 5.
    let h2 = [0, 0, 200, 1, 5, 0, 0, 0, 5];
    both(&mut g, "http2", || http2_head(&h2, &NoSink), |s| http2_head(&h2, s));
    let prefix = [0, 0, 0, 0, 200];
    both(&mut g, "grpc", || grpc_prefix(&prefix, &NoSink), |s| grpc_prefix(&prefix, s));
    g.finish();
}

/// `{1: varint, 2: string, 3: {1: fixed64, 2: varint}}`, twenty times in field 1.
fn message() -> Vec<u8> {
    let mut order = vec![0x08, 0x96, 0x01, 0x12, 11];
    order.extend(b"hello world");
    order.extend([0x1a, 12, 0x09, 1, 2, 3, 4, 5, 6, 7, 8, 0x10, 0xac, 0x02]);
    let mut list = Vec::new();
    for _ in 0..20 {
        list.extend([0x0a, order.len() as u8]);
        list.extend(&order);
    }
    list
}

fn protobuf_walk(c: &mut Criterion) {
    let data = message();
    let decoder = protobuf::Decoder::default();
    let hint = PayloadHint {
        media_type: "application/grpc+proto",
        path: "/shop.v1.OrderService/List",
        side: Side::Server,
        message: None,
    };
    let mut g = c.benchmark_group("protobuf");
    g.throughput(Throughput::Bytes(data.len() as u64));
    assert_eq!(decoder.decode(&hint, &data, None).map(|f| f.len()), Some(0));
    g.bench_function("walk, nobody looks", |b| {
        b.iter(|| decoder.decode(&hint, black_box(&data), None));
    });
    g.bench_function("walk, with tree and readings", |b| {
        b.iter(|| {
            let mut detail = Detail::default();
            decoder.decode(&hint, black_box(&data), Some((&mut detail, BufferId(0))));
            detail
        });
    });
    g.finish();
}

criterion_group!(benches, heads, protobuf_walk);
criterion_main!(benches);
