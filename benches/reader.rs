//! Cutting captures into packets: pcap and pcapng, in memory, batch by batch.
#![allow(missing_docs, reason = "criterion's macro makes a public function")]

mod common;

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use framescope::capture::write::{PcapNgWriter, PcapVariant, PcapWriter};
use framescope::capture::{ByteOrder, LinkType, OpenOptions, Polled, open_bytes};
use framescope::link::{Decoder, tcp_ends};

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

/// Whose a packet is: by decoding it, and by a look, which is for who has no other use for it.
fn whose(c: &mut Criterion) {
    let mut packet = [0_u8; 14 + 20 + 20 + 64];
    let head = [8, 0, 0x45, 0, 0, 104, 0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2];
    packet[12..12 + head.len()].copy_from_slice(&head);
    packet[34..38].copy_from_slice(&[0x9c, 0x40, 0x1f, 0x90]);
    packet[46..48].copy_from_slice(&[0x50, 0x18]);
    let mut decoder = Decoder::new();
    let len = packet.len() as u32;
    let ends = decoder.decode(1, &packet, len, common::moment(1)).endpoints;
    assert_eq!(ends, tcp_ends(1, &packet));
    let mut g = c.benchmark_group("whose");
    g.throughput(Throughput::Elements(1));
    g.bench_function("decode", |b| {
        b.iter(|| decoder.decode(1, black_box(&packet), len, common::moment(1)).endpoints);
    });
    g.bench_function("look", |b| b.iter(|| tcp_ends(1, black_box(&packet))));
    g.finish();
}

criterion_group!(benches, reader, whose);
criterion_main!(benches);
