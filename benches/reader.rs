//! Cutting captures into packets: pcap and pcapng, in memory, batch by batch.
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

mod common;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use framescope::capture::write::{PcapNgWriter, PcapVariant, PcapWriter};
use framescope::capture::{ByteOrder, LinkType, OpenOptions, Polled, open_bytes};

const PACKETS: u64 = 20_000;

/// Packets of 60 to 1500 bytes.
fn packets() -> Vec<Vec<u8>> {
    (0..PACKETS).map(|n| common::text(n, 60 + (n * 37 % 1440) as usize)).collect()
}

fn pcap() -> Vec<u8> {
    let link = LinkType(1);
    let mut w = PcapWriter::new(Vec::new(), link, ByteOrder::Little, PcapVariant::Nanos).unwrap();
    for (n, p) in packets().iter().enumerate() {
        w.packet(common::moment(n as u64).time, p.len() as u32, p).unwrap();
    }
    w.finish().unwrap()
}

fn pcapng() -> Vec<u8> {
    let mut w = PcapNgWriter::new(Vec::new(), ByteOrder::Little).unwrap();
    for (n, p) in packets().iter().enumerate() {
        w.packet(LinkType(1), common::moment(n as u64).time, p.len() as u32, p).unwrap();
    }
    w.finish().unwrap()
}

/// Reads all of it; gives how many packets there are.
fn read(capture: &'static [u8]) -> usize {
    let mut source = open_bytes("bench", capture, OpenOptions::default()).unwrap();
    let mut count = 0;
    loop {
        match source.poll().unwrap() {
            Polled::Batch(b) => count += b.packets().map(black_box).count(),
            Polled::NothingYet => {}
            Polled::End => return count,
        }
    }
}

fn reader(c: &mut Criterion) {
    let mut g = c.benchmark_group("reader");
    for (name, capture) in [("pcap", pcap()), ("pcapng", pcapng())] {
        // Read as the bundled tour is, so that no disk is measured.
        let capture: &'static [u8] = capture.leak();
        assert_eq!(read(capture), PACKETS as usize);
        g.throughput(Throughput::Bytes(capture.len() as u64));
        g.bench_function(name, |b| b.iter(|| read(capture)));
    }
    g.finish();
}

criterion_group!(benches, reader);
criterion_main!(benches);
