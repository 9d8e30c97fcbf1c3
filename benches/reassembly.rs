//! TCP segments to streams: in order, and with each pair of segments the wrong way round.
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

mod common;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use framescope::base::Moment;
use framescope::finding::Finding;
use framescope::flow::{Deliver, Dir, RunOrigin, TcpFlow};
use framescope::link::{PayloadOrigin, TcpFlags, TcpSegment};

const SEGMENTS: u32 = 10_000;
const LEN: u32 = 1448;

/// Counts what is delivered.
#[derive(Default)]
struct Count {
    bytes: u64,
    gaps: u64,
}

impl Deliver for Count {
    fn bytes(&mut self, _: Dir, _: u64, data: &[u8], _: RunOrigin) {
        self.bytes += black_box(data).len() as u64;
    }
    fn gap(&mut self, _: Dir, _: u64, len: u64) {
        self.gaps += len;
    }
    fn fin(&mut self, _: Dir, _: Moment) {}
    fn reset(&mut self, _: Dir) {}
    fn finding(&mut self, _: Dir, _: Finding) {}
}

fn segment(flags: u8, seq: u32, payload: &[u8]) -> TcpSegment<'_> {
    TcpSegment {
        seq,
        ack: 1,
        flags: TcpFlags(flags),
        window: 65_535,
        window_scale: None,
        payload,
        missing: 0,
        origin: PayloadOrigin::Packet(54),
    }
}

/// A connection whose data comes in this order.
fn run(payload: &[u8], order: &[u32]) -> Count {
    let (mut flow, mut out) = (TcpFlow::new(), Count::default());
    flow.segment(true, &segment(TcpFlags::SYN, 0, &[]), common::moment(1), &mut out);
    let answer = segment(TcpFlags::SYN | TcpFlags::ACK, 0, &[]);
    flow.segment(false, &answer, common::moment(2), &mut out);
    for (n, nth) in order.iter().enumerate() {
        let s = segment(TcpFlags::ACK, 1 + nth * LEN, payload);
        flow.segment(true, &s, common::moment(3 + n as u64), &mut out);
    }
    out
}

fn reassembly(c: &mut Criterion) {
    let payload = common::text(1, LEN as usize);
    let in_order: Vec<u32> = (0..SEGMENTS).collect();
    let swapped: Vec<u32> = (0..SEGMENTS).map(|n| n ^ 1).collect();
    let mut g = c.benchmark_group("reassembly");
    g.throughput(Throughput::Bytes(u64::from(SEGMENTS * LEN)));
    for (name, order) in [("in order", in_order), ("out of order", swapped)] {
        let out = run(&payload, &order);
        assert_eq!((out.bytes, out.gaps), (u64::from(SEGMENTS * LEN), 0));
        g.bench_function(name, |b| b.iter(|| run(&payload, &order).bytes));
    }
    g.finish();
}

criterion_group!(benches, reassembly);
criterion_main!(benches);
