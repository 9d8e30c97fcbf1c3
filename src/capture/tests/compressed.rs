//! gzip and zstd: members, frames, and what is left of them when cut.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use proptest::prelude::*;
use ruzstd::encoding::{CompressionLevel, compress_to_vec};

use super::*;

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut e = GzEncoder::new(Vec::new(), Compression::default());
    e.write_all(bytes).unwrap();
    e.finish().unwrap()
}

/// A member with all that a header may have (RFC 1952 §2.3).
fn annotated(bytes: &[u8]) -> Vec<u8> {
    let mut e = flate2::GzBuilder::new()
        .filename("long name")
        .comment("and a comment")
        .extra([7; 300])
        .write(Vec::new(), Compression::default());
    e.write_all(bytes).unwrap();
    e.finish().unwrap()
}

fn zstd(bytes: &[u8]) -> Vec<u8> {
    compress_to_vec(bytes, CompressionLevel::Fastest)
}

/// A skippable frame (RFC 8878 §3.1.2).
fn skippable(data: &[u8]) -> Vec<u8> {
    [&[0x52, 0x2a, 0x4d, 0x18][..], &(data.len() as u32).to_le_bytes(), data].concat()
}

/// A capture long enough for several zstd blocks.
fn long() -> Vec<u8> {
    let mut w = PcapNgWriter::new(Vec::new(), ByteOrder::Little).unwrap();
    for i in 0..3000_u32 {
        let data: Vec<u8> = (0..150).map(|b| (b * i).to_le_bytes()[(i % 3) as usize]).collect();
        w.packet(LinkType(1), CaptureTime(NOON + i64::from(i)), 150, &data).unwrap();
    }
    w.finish().unwrap()
}

#[test]
fn the_same_capture_comes_out() {
    for plain in [pcap(ByteOrder::Big, PcapVariant::Nanos), pcapng(ByteOrder::Little), long()] {
        let (a, b) = plain.split_at(plain.len() / 3);
        let whole = read(&plain);
        for packed in [
            gzip(&plain),
            [gzip(a), gzip(b)].concat(),
            [gzip(a), gzip(b""), gzip(b)].concat(),
            // Zeros, as on a tape.
            [gzip(a), vec![0; 7], gzip(b), vec![0; 512]].concat(),
            annotated(&plain),
            zstd(&plain),
            [zstd(a), zstd(b)].concat(),
            [skippable(b"who cares"), zstd(a), skippable(b""), zstd(b), skippable(b"x")].concat(),
        ] {
            for step in [1, 1460, usize::MAX] {
                let got = read_by(&packed, step).unwrap();
                assert_eq!((got.packets.len(), got.findings.len()), (whole.packets.len(), 0));
                assert_eq!(got, whole);
            }
        }
    }
}

#[test]
fn a_cut_gives_what_was_compressed_before_it() {
    let plain = long();
    let whole = read(&plain);
    for (packed, name) in [(gzip(&plain), "gzip"), (zstd(&plain), "zstd")] {
        let got = read(&packed[..packed.len() * 9 / 10]);
        assert!(got.packets.len() > 1000, "{name}: {}", got.packets.len());
        assert_eq!(got.packets, whole.packets[..got.packets.len()]);
        assert_eq!(got.codes(), ["capture.cut-short"], "{:?}", got.findings);
        assert!(got.findings[0].2.contains(name), "{:?}", got.findings);
    }
    // Within a skippable frame.
    let packed = [zstd(&plain), skippable(b"more")].concat();
    let got = read(&packed[..packed.len() - 1]);
    assert_eq!((got.packets.len(), got.codes()), (3000, vec!["capture.cut-short"]));
}

#[test]
fn damage_is_a_finding() {
    let plain = long();
    let mut packed = gzip(&plain);
    let crc = packed.len() - 8;
    packed[crc] ^= 1;
    let got = read(&packed);
    assert_eq!((got.packets.len(), got.codes()), (3000, vec!["capture.bad-compression"]));
    // Damage in the middle: a part comes out, and nothing false is told of it.
    for (mut packed, name) in [(gzip(&plain), "gzip"), (zstd(&plain), "zstd")] {
        let middle = packed.len() * 3 / 4;
        packed[middle..middle + 64].fill(0xff);
        let got = read(&packed);
        assert!(got.packets.len() > 1000, "{name}: {}", got.packets.len());
        assert!(got.codes().contains(&"capture.bad-compression"), "{name}: {:?}", got.findings);
    }
    // Something else behind the last member.
    let packed = [gzip(&plain), b"not a member".to_vec()].concat();
    let got = read(&packed);
    assert_eq!((got.packets.len(), got.codes()), (3000, vec!["capture.bad-compression"]));
    let packed = [zstd(&plain), b"not a frame".to_vec()].concat();
    let got = read(&packed);
    assert_eq!((got.packets.len(), got.codes()), (3000, vec!["capture.bad-compression"]));
}

#[test]
fn a_window_beyond_the_limit_is_refused() {
    // Frame header without content size, window descriptor of 2^(10+31) bytes.
    let packed = [&[0x28, 0xb5, 0x2f, 0xfd, 0x00, 0xf8][..], &[1, 0, 0]].concat();
    let e = refused(&packed);
    assert!(e.contains("zstd") && e.to_lowercase().contains("window"), "{e}");
}

#[test]
fn one_layer_alone_is_undone() {
    let packed = zstd(&gzip(&pcapng(ByteOrder::Little)));
    assert!(refused(&packed).contains("found gzip within compressed data (1f 8b"));
    assert!(refused(&gzip(b"")).contains("found gzip of nothing"));
    assert!(refused(&gzip(b"hello")).contains("found text (68 65"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn damaged_compression_does_no_harm(
        zipped in any::<bool>(),
        at in any::<prop::sample::Index>(),
        value in any::<u8>(),
        cut in any::<prop::sample::Index>(),
    ) {
        let plain = pcapng(ByteOrder::Big);
        let mut packed = if zipped { gzip(&plain) } else { zstd(&plain) };
        let at = at.index(packed.len());
        packed[at] = value;
        let cut = cut.index(packed.len());
        let _ = read_by(&packed, usize::MAX);
        let _ = read_by(&packed[..cut], 7);
    }
}
