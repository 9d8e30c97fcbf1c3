//! Files that were cut, overwritten, or never were captures.

use proptest::prelude::*;

use super::*;
use crate::base::limits::MAX_PACKET_BYTES;

fn every_kind() -> Vec<Vec<u8>> {
    let mut all = Vec::new();
    for order in [ByteOrder::Little, ByteOrder::Big] {
        for variant in [PcapVariant::Micros, PcapVariant::Nanos, PcapVariant::Modified] {
            all.push(pcap(order, variant));
        }
        all.push(pcapng(order));
    }
    all
}

#[test]
fn cut_at_every_byte() {
    for bytes in every_kind() {
        let whole = read(&bytes);
        for cut in 0..bytes.len() {
            let there: Vec<_> = whole
                .packets
                .iter()
                .filter(|(m, d)| m.offset as usize + d.len() <= cut)
                .cloned()
                .collect();
            for step in [1, 7, usize::MAX] {
                match read_by(&bytes[..cut], step) {
                    Err(e) => {
                        assert!(cut < 28, "{cut}: {e}");
                        assert!(there.is_empty());
                    }
                    Ok(got) => {
                        // A pcapng packet is whole when its block is: padding and
                        // the length at the end may be cut off.
                        let missing = there.len() - got.packets.len();
                        let slack = if bytes[0] == 0x0a { 1 } else { 0 };
                        assert!(
                            missing <= slack,
                            "{cut}: {} of {}",
                            got.packets.len(),
                            there.len()
                        );
                        assert_eq!(got.packets, there[..got.packets.len()]);
                        assert!(got.codes().iter().all(|c| *c == "capture.cut-short"));
                        assert!(got.findings.len() <= 1);
                    }
                }
            }
        }
    }
}

#[test]
fn a_cut_is_said_with_its_place() {
    let bytes = pcap(ByteOrder::Little, PcapVariant::Micros);
    let got = read(&bytes[..bytes.len() - 2]);
    let start = bytes.len() - 23;
    assert_eq!(
        got.findings,
        [(8, "capture.cut-short", format!("byte {start}: 21 bytes of a record of at least 23"))]
    );
}

#[test]
fn what_is_no_capture_is_named() {
    let e = refused(b"\x89PNG\r\n\x1a\n....");
    assert_eq!(
        e,
        "test: found a PNG image (89 50 4e 47 0d 0a 1a 0a); expected a pcap or pcapng capture, plain or in gzip or zstd"
    );
    assert!(refused(b"").contains("found nothing, it is empty; expected"));
    assert!(refused(b"hello\n").contains("found text (68 65 6c 6c 6f 0a)"));
    assert!(refused(&[1]).contains("found unknown data (01)"));
    let mut bytes = pcap(ByteOrder::Little, PcapVariant::Micros);
    assert!(
        refused(&bytes[..10]).contains("pcap cut short within its file header, 10 of 24 bytes")
    );
    bytes[4] = 9;
    assert!(refused(&bytes).contains("pcap of version 9.4, expected 2.4"));
    let mut bytes = pcapng(ByteOrder::Big);
    assert!(
        refused(&bytes[..20]).contains("pcapng cut short within its file header, 20 of 24 bytes")
    );
    bytes[13] = 2;
    assert!(refused(&bytes).contains("pcapng of version 2.0, expected 1.0"));
    bytes[4] = 0xff;
    assert!(refused(&bytes).contains("section header claims"));
    bytes[8] = 0;
    assert!(refused(&bytes).contains("found unknown data (0a 0d 0d 0a"));
}

/// Whatever the bytes, nothing panics, nothing is too long, and how they arrive
/// makes no difference.
fn survives(bytes: &[u8]) {
    let whole = read_by(bytes, usize::MAX);
    for step in [1, 3, 1460] {
        match (&whole, read_by(bytes, step)) {
            (Ok(a), Ok(b)) => assert_eq!(*a, b),
            (Err(a), Err(b)) => assert_eq!(a.to_string(), b.to_string()),
            (a, b) => panic!("{a:?} and {b:?}"),
        }
    }
    if let Ok(got) = whole {
        for (meta, data) in got.packets {
            assert!(data.len() <= MAX_PACKET_BYTES);
            let at = meta.offset as usize;
            assert_eq!(bytes.get(at..at + data.len()), Some(data.as_slice()));
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_do_no_harm(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        survives(&bytes);
        // Behind a good beginning they get further.
        for start in every_kind() {
            let head = if start[0] == 0x0a { 60 } else { 24 };
            survives(&[&start[..head], &bytes].concat());
        }
    }

    #[test]
    fn overwritten_captures_do_no_harm(
        which in 0_usize..8,
        hits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        cut in proptest::option::of(any::<prop::sample::Index>()),
    ) {
        let mut bytes = every_kind().swap_remove(which);
        for (at, value) in hits {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if let Some(cut) = cut {
            bytes.truncate(cut.index(bytes.len()));
        }
        if bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(&[0x28, 0xb5]) {
            return Ok(());
        }
        survives(&bytes);
    }

    #[test]
    fn compressed_rubbish_does_no_harm(
        zstd in any::<bool>(),
        bytes in proptest::collection::vec(any::<u8>(), 0..200),
    ) {
        let head: &[u8] = if zstd { &[0x28, 0xb5, 0x2f, 0xfd] } else { &[0x1f, 0x8b, 8, 0] };
        let _ = read_by(&[head, &bytes].concat(), usize::MAX);
    }
}
