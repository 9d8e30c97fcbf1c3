//! Every variant of the formats, exact to the nanosecond.

use super::*;

const ORDERS: [ByteOrder; 2] = [ByteOrder::Little, ByteOrder::Big];

/// A block: type, body, and the length at both ends.
fn block(order: ByteOrder, kind: u32, body: &[u8]) -> Vec<u8> {
    let put = |v: u32| match order {
        ByteOrder::Little => v.to_le_bytes(),
        ByteOrder::Big => v.to_be_bytes(),
    };
    let len = put(body.len() as u32 + 12);
    [&put(kind)[..], &len, body, &len].concat()
}

/// Numbers of 32 bits in the byte order.
fn words(order: ByteOrder, numbers: &[u32]) -> Vec<u8> {
    let put = |v: &u32| match order {
        ByteOrder::Little => v.to_le_bytes(),
        ByteOrder::Big => v.to_be_bytes(),
    };
    numbers.iter().flat_map(put).collect()
}

fn halves(order: ByteOrder, a: u16, b: u16) -> Vec<u8> {
    match order {
        ByteOrder::Little => [a.to_le_bytes(), b.to_le_bytes()].concat(),
        ByteOrder::Big => [a.to_be_bytes(), b.to_be_bytes()].concat(),
    }
}

fn section(order: ByteOrder) -> Vec<u8> {
    let body =
        [words(order, &[0x1a2b_3c4d]), halves(order, 1, 0), words(order, &[u32::MAX, u32::MAX])]
            .concat();
    block(order, 0x0a0d_0d0a, &body)
}

fn interface(order: ByteOrder, link: u16, snap: u32, options: &[u8]) -> Vec<u8> {
    let body = [&halves(order, link, 0)[..], &words(order, &[snap]), options].concat();
    block(order, 1, &body)
}

fn resolution(order: ByteOrder, r: u8) -> Vec<u8> {
    [&halves(order, 9, 1)[..], &[r, 0, 0, 0]].concat()
}

fn time_offset(order: ByteOrder, seconds: i64) -> Vec<u8> {
    let value = match order {
        ByteOrder::Little => seconds.to_le_bytes(),
        ByteOrder::Big => seconds.to_be_bytes(),
    };
    [&halves(order, 14, 8)[..], &value].concat()
}

fn enhanced(order: ByteOrder, interface: u32, ticks: u64, data: &[u8; 4]) -> Vec<u8> {
    let head = words(order, &[interface, (ticks >> 32) as u32, ticks as u32, 4, 9]);
    block(order, 6, &[&head[..], data].concat())
}

#[test]
fn pcap_in_every_variant() {
    for order in ORDERS {
        for variant in [PcapVariant::Micros, PcapVariant::Nanos, PcapVariant::Modified] {
            let bytes = pcap(order, variant);
            let got = read(&bytes);
            assert_eq!(got.findings, []);
            assert_eq!(got.packets.len(), packets().len());
            for ((meta, data), (time, len, sent)) in got.packets.iter().zip(packets()) {
                let unit = if variant == PcapVariant::Nanos { 1 } else { 1000 };
                assert_eq!(meta.time.0, time.0 / unit * unit, "{order:?} {variant:?}");
                assert_eq!((meta.link, meta.original_len, data), (LinkType(1), len, &sent));
                let at = meta.offset as usize;
                assert_eq!(&bytes[at..at + sent.len()], sent);
            }
        }
    }
}

#[test]
fn a_pcap_written_by_hand() {
    // Big-endian, nanoseconds, Ethernet with a frame check sequence of 4 bytes.
    let bytes = [
        &[0xa1, 0xb2, 0x3c, 0x4d, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 0][..],
        &[0x24, 0, 0, 1],
        &[0x6b, 0, 0xb9, 0x61, 0x07, 0x5b, 0xcd, 0x15, 0, 0, 0, 2, 0, 0, 0, 9, 0xca, 0xfe],
    ]
    .concat();
    let got = read(&bytes);
    let (meta, data) = &got.packets[0];
    assert_eq!(meta.time, CaptureTime(0x6b00_b961 * 1_000_000_000 + 123_456_789));
    assert_eq!((meta.link, meta.captured_len, meta.original_len), (LinkType(1), 2, 9));
    assert_eq!((meta.offset, meta.interface, data.as_slice()), (40, 0, &[0xca, 0xfe][..]));
}

#[test]
fn old_pcaps_have_their_lengths_the_other_way_round() {
    for (minor, captured_first) in [(2_u8, false), (3, false), (3, true), (4, true)] {
        let mut bytes = pcap(ByteOrder::Little, PcapVariant::Micros)[..24].to_vec();
        bytes[6] = minor;
        let (a, b) = if captured_first { (2, 9) } else { (9, 2) };
        bytes.extend(words(ByteOrder::Little, &[1, 2, a, b]));
        bytes.extend([0xca, 0xfe]);
        let got = read(&bytes);
        assert_eq!(got.findings, [], "2.{minor}");
        assert_eq!(got.packets[0].0.captured_len, 2);
        assert_eq!(got.packets[0].0.original_len, 9);
    }
}

#[test]
fn pcapng_as_written() {
    for order in ORDERS {
        let bytes = pcapng(order);
        let got = read(&bytes);
        assert_eq!(got.findings, []);
        for (i, ((meta, data), (time, len, sent))) in got.packets.iter().zip(packets()).enumerate()
        {
            assert_eq!((meta.time, meta.original_len, data), (time, len, &sent));
            let (link, interface) = if i % 3 == 2 { (113, 1) } else { (1, 0) };
            assert_eq!((meta.link, meta.interface), (LinkType(link), interface));
            let at = meta.offset as usize;
            assert_eq!(&bytes[at..at + sent.len()], sent);
        }
        assert_eq!(got.packets.len(), packets().len());
        assert_eq!(got.secrets.len(), 1);
        // Delivered before the packet that follows it in the file.
        assert_eq!(got.secrets[0].0, 5);
        assert_eq!(&*got.secrets[0].1.data, b"CLIENT_RANDOM 00 11\n");
    }
}

#[test]
fn times_at_the_ends_of_the_range_survive_the_writer() {
    let times = [i64::MIN, -1, 0, 1, NOON, i64::MAX];
    for order in ORDERS {
        let mut w = PcapNgWriter::new(Vec::new(), order).unwrap();
        for t in times {
            w.packet(LinkType(1), CaptureTime(t), 3, b"abc").unwrap();
        }
        let got = read(&w.finish().unwrap());
        assert_eq!((got.times(), got.codes()), (times.to_vec(), vec![]));
    }
}

#[test]
fn sections_have_their_own_order_and_interfaces() {
    use ByteOrder::{Big, Little};
    for (a, b) in [(Little, Big), (Big, Little), (Big, Big)] {
        let bytes = [
            section(a),
            interface(a, 1, 0, &[]),
            interface(a, 113, 0, &[resolution(a, 9), words(a, &[0])].concat()),
            enhanced(a, 1, 5, b"aaaa"),
            enhanced(a, 0, 5, b"bbbb"),
            section(b),
            interface(b, 101, 0, &[resolution(b, 0x8a), time_offset(b, -3)].concat()),
            enhanced(b, 0, 4 << 10 | 1, b"cccc"),
            // Interface 1 was one of the section before.
            enhanced(b, 1, 5, b"dddd"),
            enhanced(b, 0, 4 << 10, b"eeee"),
        ]
        .concat();
        let got = read(&bytes);
        assert_eq!(got.data(), [b"aaaa", b"bbbb", b"cccc", b"eeee"]);
        assert_eq!(got.times(), [5, 5000, 1_000_976_562, 1_000_000_000]);
        let of =
            |f: fn(&PacketMeta) -> u32| got.packets.iter().map(|p| f(&p.0)).collect::<Vec<_>>();
        assert_eq!(of(|m| m.interface), [1, 0, 2, 2]);
        assert_eq!(of(|m| u32::from(m.link.0)), [113, 1, 101, 101]);
        assert_eq!(of(|m| m.original_len), [9; 4]);
        assert_eq!(got.codes(), ["capture.bad-block"]);
        assert_eq!(got.findings[0].0, 4);
        assert!(got.findings[0].2.contains("interface 1, which was not described"));
    }
}

#[test]
fn simple_and_obsolete_packets() {
    for order in ORDERS {
        let old = [halves(order, 0, 7), words(order, &[0, 77, 3, 3]), b"old!".to_vec()].concat();
        let bytes = [
            section(order),
            interface(order, 228, 6, &[]),
            block(order, 3, &[words(order, &[3]), b"abc\0".to_vec()].concat()),
            block(order, 2, &old),
            // Snapped to 6 bytes.
            block(order, 3, &[words(order, &[1500]), b"sixsix\0\0".to_vec()].concat()),
        ]
        .concat();
        let got = read(&bytes);
        assert_eq!(got.findings, []);
        assert_eq!(got.data(), [&b"abc"[..], b"old", b"sixsix"]);
        // A simple packet has no time of its own.
        assert_eq!(got.times(), [0, 77_000, 77_000]);
        assert_eq!(got.packets[2].0.original_len, 1500);
    }
}

#[test]
fn other_blocks_are_passed_over() {
    let o = ByteOrder::Big;
    let mut bytes = [section(o), interface(o, 1, 0, &[])].concat();
    for kind in [4, 5, 0xbad, 0x4000_0bad, 9, 0x1234, 0x1235] {
        bytes.extend(block(o, kind, b"whatever"));
    }
    bytes.extend(enhanced(o, 0, 1, b"abcd"));
    let got = read(&bytes);
    assert_eq!(got.data(), [b"abcd"]);
    // The first unknown type of the section alone is told.
    assert_eq!(got.codes(), ["capture.unknown-block"]);
    assert!(got.findings[0].2.contains("type 0x1234, 20 bytes"), "{:?}", got.findings);
}

#[test]
fn options_of_a_packet_are_not_its_bytes() {
    let o = ByteOrder::Little;
    let body = [
        words(o, &[0, 0, 1, 3, 3]),
        b"abc\0".to_vec(),
        halves(o, 1, 2),
        b"hi\0\0".to_vec(),
        words(o, &[0]),
    ]
    .concat();
    let got = read(&[section(o), interface(o, 1, 0, &[]), block(o, 6, &body)].concat());
    assert_eq!((got.data(), got.findings.len()), (vec![&b"abc"[..]], 0));
}

#[test]
fn a_header_alone_is_an_empty_capture() {
    for bytes in [
        pcap(ByteOrder::Big, PcapVariant::Nanos)[..24].to_vec(),
        section(ByteOrder::Little),
        [section(ByteOrder::Big), interface(ByteOrder::Big, 1, 0, &[])].concat(),
    ] {
        assert_eq!(read(&bytes), Got::default());
    }
}

#[test]
fn what_cannot_be_true_of_a_time_or_a_length_is_said_once() {
    let o = ByteOrder::Little;
    let hot = [resolution(o, 0), time_offset(o, i64::MAX)].concat();
    let cold = [resolution(o, 9), time_offset(o, i64::MIN)].concat();
    let bytes = [
        section(o),
        interface(o, 1, 0, &hot),
        interface(o, 1, 0, &cold),
        enhanced(o, 0, u64::MAX, b"abcd"),
        enhanced(o, 0, 0, b"abcd"),
        enhanced(o, 1, u64::MAX, b"abcd"),
    ]
    .concat();
    let got = read(&bytes);
    assert_eq!(got.times(), [i64::MAX, i64::MAX, i64::MIN]);
    assert_eq!(got.codes(), ["capture.bad-time"; 2]);
    assert_eq!(got.findings.iter().map(|f| f.0).collect::<Vec<_>>(), [1, 3]);

    let mut pcap = pcap(o, PcapVariant::Micros)[..24].to_vec();
    for _ in 0..2 {
        pcap.extend(words(o, &[7, 2_000_001, 4, 2]));
        pcap.extend(b"abcd");
    }
    let got = read(&pcap);
    assert_eq!(got.times(), [9_000_001_000; 2]);
    assert_eq!(got.codes(), ["capture.bad-time", "capture.bad-length"]);
    assert_eq!(got.packets[0].0.original_len, 4);
}

#[test]
fn blocks_that_lie() {
    let o = ByteOrder::Little;
    let start = [section(o), interface(o, 1, 0, &[])].concat();
    let good = enhanced(o, 0, 1, b"good");
    let says = |lie: Vec<u8>, data: &[&[u8]], codes: &[&str], text: &str| {
        let got = read(&[start.clone(), good.clone(), lie, good.clone()].concat());
        assert_eq!(got.data(), data);
        assert_eq!(got.codes(), codes, "{:?}", got.findings);
        assert!(got.findings[0].2.contains(text), "{:?}", got.findings);
        assert!(got.findings[0].2.starts_with("byte 84: "), "{:?}", got.findings);
    };
    let bad: &[&str] = &["capture.bad-block"];

    // A packet longer than its block: what is there is shown.
    let mut lie = enhanced(o, 0, 1, b"long");
    lie[20] = 200;
    says(lie, &[b"good", b"long", b"good"], bad, "room for 4");
    // The length at the end differs: believed once.
    let mut lie = enhanced(o, 0, 1, b"tail");
    *lie.last_mut().unwrap() = 9;
    says(lie.clone(), &[b"good", b"tail", b"good"], bad, "36 bytes at its start");
    // Twice in a row: nothing fits any more.
    let twice = [lie.clone(), lie].concat();
    says(twice, &[b"good", b"tail"], &["capture.bad-block"; 2], "36 bytes at its start");
    // Impossible lengths end it.
    for len in [0_u32, 8, 11, 0xffff_fff0] {
        let mut lie = enhanced(o, 0, 1, b"none");
        lie[4..8].copy_from_slice(&len.to_le_bytes());
        says(lie, &[b"good"], bad, "are believed");
    }
    // Blocks too short for what they are.
    says(block(o, 6, &[0; 8]), &[b"good", b"good"], bad, "8 bytes of body");
    says(block(o, 3, &[]), &[b"good", b"good"], bad, "without a length");
    says(block(o, 1, &[0; 4]), &[b"good", b"good"], bad, "without a link type");
    says(block(o, 0xa, &[0; 4]), &[b"good", b"good"], bad, "without a length");
    // An option that is longer than its block.
    let lie = interface(o, 1, 0, &halves(o, 9, 40));
    says(lie, &[b"good", b"good"], bad, "longer than its block");
    // Secrets that are.
    let lie = block(o, 0xa, &words(o, &[1, 99, 5]));
    says(lie, &[b"good", b"good"], bad, "99 bytes of secrets");
    // A section of another world.
    let mut lie = section(o);
    lie[8] = 0;
    says(lie, &[b"good"], bad, "without its byte-order magic");
    let mut lie = section(o);
    lie[12] = 9;
    says(lie, &[b"good"], bad, "version 9.0");
}

#[test]
fn a_packet_beyond_belief_is_cut() {
    let mut w = PcapNgWriter::new(Vec::new(), ByteOrder::Big).unwrap();
    let huge = vec![7; crate::base::limits::MAX_PACKET_BYTES + 5];
    w.packet(LinkType(1), CaptureTime(1), huge.len() as u32, &huge).unwrap();
    w.packet(LinkType(1), CaptureTime(1), 3, b"abc").unwrap();
    let got = read(&w.finish().unwrap());
    assert_eq!(got.codes(), ["capture.packet-too-long"]);
    assert_eq!(got.packets[0].1.len(), huge.len() - 5);
    assert_eq!(got.packets[0].0.original_len as usize, huge.len());
    assert_eq!(got.packets[1].1, b"abc");

    // In pcap nothing tells where the next one begins.
    let mut bytes = pcap(ByteOrder::Big, PcapVariant::Nanos);
    let end = bytes.len();
    bytes.extend(words(ByteOrder::Big, &[1, 1, 0x0010_0001, 4]));
    let got = read(&bytes);
    assert_eq!(got.packets.len(), packets().len());
    assert_eq!(got.codes(), ["capture.bad-record"]);
    assert!(got.findings[0].2.starts_with(&format!("byte {end}: ")));
}

#[test]
fn findings_are_bounded() {
    let o = ByteOrder::Little;
    let mut bytes = section(o);
    for _ in 0..1200 {
        bytes.extend(block(o, 6, &[]));
    }
    bytes.extend([0; 3]);
    let got = read(&bytes);
    assert_eq!(got.findings.len(), 1002);
    assert_eq!(
        got.codes()[999..],
        ["capture.bad-block", "capture.more-findings", "capture.cut-short"]
    );
}

#[test]
fn interfaces_are_bounded() {
    use crate::base::limits::MAX_INTERFACES;
    let o = ByteOrder::Little;
    let mut bytes = section(o);
    for _ in 0..MAX_INTERFACES + 2 {
        bytes.extend(interface(o, 1, 0, &[]));
    }
    bytes.extend(enhanced(o, MAX_INTERFACES as u32 - 1, 1, b"last"));
    bytes.extend(enhanced(o, MAX_INTERFACES as u32, 1, b"lost"));
    let got = read(&bytes);
    assert_eq!(got.data(), [b"last"]);
    assert_eq!(got.codes(), ["capture.too-many-interfaces", "capture.bad-block"]);
}

/// pcap-parser reads what we write as we do.
#[test]
fn another_reader_agrees() {
    use pcap_parser::traits::PcapReaderIterator;
    use pcap_parser::{Block, LegacyPcapReader, PcapBlockOwned, PcapError, PcapNGReader};

    for order in ORDERS {
        let bytes = pcap(order, PcapVariant::Nanos);
        let mut reader = LegacyPcapReader::new(65536, &bytes[..]).unwrap();
        let mut theirs = Vec::new();
        while let Ok((n, b)) = reader.next() {
            if let PcapBlockOwned::Legacy(p) = b {
                let time = i64::from(p.ts_sec) * 1_000_000_000 + i64::from(p.ts_usec);
                theirs.push((time, p.origlen, p.data.to_vec()));
            }
            reader.consume(n);
        }
        let ours: Vec<_> =
            read(&bytes).packets.into_iter().map(|(m, d)| (m.time.0, m.original_len, d)).collect();
        assert_eq!(ours, theirs);

        let bytes = pcapng(order);
        let mut reader = PcapNGReader::new(65536, &bytes[..]).unwrap();
        let mut theirs = Vec::new();
        loop {
            match reader.next() {
                Ok((n, b)) => {
                    if let PcapBlockOwned::NG(Block::EnhancedPacket(p)) = b {
                        let ticks = u64::from(p.ts_high) << 32 | u64::from(p.ts_low);
                        let data = p.data[..p.caplen as usize].to_vec();
                        theirs.push((ticks as i64, p.origlen, data));
                    }
                    reader.consume(n);
                }
                Err(PcapError::Incomplete(_)) => reader.refill().unwrap(),
                Err(PcapError::Eof) => break,
                Err(e) => panic!("{e:?}"),
            }
        }
        let ours: Vec<_> =
            read(&bytes).packets.into_iter().map(|(m, d)| (m.time.0, m.original_len, d)).collect();
        assert_eq!(ours, theirs);
    }
}
