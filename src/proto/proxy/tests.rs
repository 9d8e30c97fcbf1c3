//! Headers made by hand, every fault, hostile bytes.

use proptest::prelude::*;

use super::machine::Proxy;
use super::wire::{SIGNATURE, crc32c};
use super::*;
use crate::facts::Facts;
use crate::proto::harness::{Recorder, Told};
use crate::proto::{EndCause, Input};

const SIZES: [usize; 6] = [1, 2, 3, 7, 1460, usize::MAX];

/// The client's bytes, then the server's, then both ends.
fn run(client: &[u8], server: &[u8], size: usize) -> Recorder {
    let mut r = Recorder::new();
    let mut m = Proxy::default();
    r.bytes(&mut m, Side::Client, client, size);
    r.bytes(&mut m, Side::Server, server, size);
    for side in Side::BOTH {
        r.end(&mut m, side, EndCause::Finished);
    }
    r
}

/// The same at every chunk size.
fn all(client: &[u8]) -> Recorder {
    let whole = run(client, b"220 ready\r\n", usize::MAX);
    for size in SIZES {
        let r = run(client, b"220 ready\r\n", size);
        assert_eq!(whole.gist(), r.gist(), "chunks of {size}");
        assert_eq!(whole.children, r.children, "chunks of {size}");
    }
    whole
}

fn summary(r: &Recorder) -> &str {
    &r.events[0].detail.as_ref().unwrap().summary
}

/// Leaves cover every byte of the header once.
fn tiles(r: &Recorder) {
    let d = r.events[0].detail.as_ref().unwrap();
    let mut at = 0;
    for s in d.tree.leaves().filter_map(|n| n.span) {
        assert_eq!(s.first_bit(), at, "{}", d.summary);
        at += s.bit_len();
    }
    assert_eq!(at, u64::from(d.origins.buffers()[0].len) * 8, "{}", d.summary);
}

/// A header of version 2 with these bytes behind the length.
fn binary(version_command: u8, family: u8, body: &[u8]) -> Vec<u8> {
    let mut v = SIGNATURE.to_vec();
    v.extend([version_command, family]);
    v.extend((body.len() as u16).to_be_bytes());
    v.extend(body);
    v
}

const FOUR: [u8; 12] = [192, 0, 2, 7, 198, 51, 100, 1, 0xdc, 0x04, 0x01, 0xbb];

fn tlv(kind: u8, value: &[u8]) -> Vec<u8> {
    let mut v = vec![kind];
    v.extend((value.len() as u16).to_be_bytes());
    v.extend(value);
    v
}

/// The header, whose last TLV is a checksum, with that filled in.
fn sealed(mut header: Vec<u8>) -> Vec<u8> {
    let at = header.len() - 4;
    let crc = crc32c(&header, at);
    header[at..].copy_from_slice(&crc.to_be_bytes());
    header
}

#[test]
fn crc32c_is_that_of_the_rfcs() {
    // RFC 3720 appendix B.4.
    assert_eq!(crc32c(&[0; 32], 40), 0x8a91_36aa);
    assert_eq!(crc32c(&[0xff; 32], 40), 0x62a8_ab43);
    let up: Vec<u8> = (0..32).collect();
    assert_eq!(crc32c(&up, 40), 0x46dd_794e);
}

#[test]
fn a_line_is_read_and_the_rest_goes_on() {
    let r = all(b"PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\r\nGET / HTTP/1.1\r\n");
    assert_eq!(r.codes(), [""; 0]);
    assert_eq!(summary(&r), "TCP 192.0.2.7:56324 → 198.51.100.1:443");
    tiles(&r);
    let d = r.events[0].detail.as_ref().unwrap();
    assert_eq!(d.tree.number("proxy.srcport"), Some(56324));
    assert_eq!(d.tree.number("proxy.dstport"), Some(443));
    assert_eq!(d.tree.number("proxy.version"), Some(1));
    let Some(Facts::Origin(o)) = &r.events[0].facts else { panic!("no facts") };
    assert_eq!(o.source.to_string(), "192.0.2.7:56324");
    let (how, _, told) = &r.children[&1];
    assert_eq!(how, "bytes");
    assert_eq!(
        *told,
        [
            Told::Bytes(Side::Client, b"GET / HTTP/1.1\r\n".to_vec()),
            Told::Bytes(Side::Server, b"220 ready\r\n".to_vec()),
            Told::End(Side::Client, EndCause::Finished),
            Told::End(Side::Server, EndCause::Finished),
            Told::Closed,
        ]
    );
}

#[test]
fn every_sound_line_is_read() {
    for (line, want) in [
        ("PROXY TCP6 2001:db8::7 ::1 0 65535\r\n", "TCP [2001:db8::7]:0 → [::1]:65535"),
        ("PROXY UNKNOWN\r\n", "PROXY UNKNOWN"),
        (
            "PROXY UNKNOWN ffff::1 ffff::2 65535 65535\r\n",
            "PROXY UNKNOWN ffff::1 ffff::2 65535 65535",
        ),
    ] {
        let r = all(line.as_bytes());
        assert_eq!(summary(&r), want);
        assert_eq!(r.codes(), [""; 0], "{line}");
        tiles(&r);
    }
}

#[test]
fn every_faulty_line_is_found() {
    for line in [
        "PROXY TCP5 192.0.2.7 198.51.100.1 56324 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 56324\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 56324 443 1\r\n",
        "PROXY TCP4 192.0.2.7  198.51.100.1 56324 443\r\n",
        "PROXY TCP4 192.0.2.7 2001:db8::1 56324 443\r\n",
        "PROXY TCP6 192.0.2.7 198.51.100.1 56324 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 65536 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 0443 443\r\n",
        "PROXY TCP4 192.0.2.7 198.51.100.1 +443 443\r\n",
        "PROXY TCP\r\n",
    ] {
        let r = all(line.as_bytes());
        assert_eq!(r.codes(), ["proxy.bad-line"], "{line}");
        assert!(r.events[0].facts.is_none(), "{line}");
        tiles(&r);
    }
    let r = all(&[b"PROXY TCP4 ".to_vec(), vec![b'1'; 200]].concat());
    assert_eq!(r.codes(), ["proxy.line-too-long"]);
    tiles(&r);
    let r = all(b"PROXY TCP4 192.0.2.7 198.51");
    assert_eq!(r.codes(), ["proxy.truncated"]);
    assert!(!r.events[0].complete);
}

#[test]
fn the_longest_line_has_107_bytes() {
    let six = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff";
    let line = format!("PROXY UNKNOWN {six} {six} 65535 65535\r\n");
    assert_eq!(line.len(), super::wire::MAX_LINE);
    assert_eq!(all(line.as_bytes()).codes(), [""; 0]);
}

#[test]
fn a_binary_header_says_all_that_it_can() {
    let mut ssl = vec![1];
    ssl.extend(0_u32.to_be_bytes());
    ssl.extend(tlv(0x21, b"TLSv1.3"));
    ssl.extend(tlv(0x23, b"TLS_AES_128_GCM_SHA256"));
    let mut body = FOUR.to_vec();
    for t in [
        tlv(1, b"h2"),
        tlv(2, b"example.com"),
        tlv(4, &[0; 3]),
        tlv(5, b"id-1"),
        tlv(0x20, &ssl),
        tlv(0x30, b"blue"),
        tlv(0xe1, b"ours"),
        tlv(3, &[0; 4]),
    ] {
        body.extend(t);
    }
    let r = all(&[sealed(binary(0x21, 0x11, &body)), b"PRI * HTTP/2.0".to_vec()].concat());
    assert_eq!(r.codes(), [""; 0]);
    assert_eq!(
        summary(&r),
        "TCP 192.0.2.7:56324 → 198.51.100.1:443, ALPN h2, authority example.com, TLSv1.3"
    );
    tiles(&r);
    assert_eq!(r.children[&1].2[0], Told::Bytes(Side::Client, b"PRI * HTTP/2.0".to_vec()));
}

#[test]
fn other_families_and_local_are_read() {
    let six = [[0; 15].as_slice(), &[1], &[0; 15], &[2], &[0, 80, 0, 81]].concat();
    let r = all(&binary(0x21, 0x21, &six));
    assert_eq!(summary(&r), "TCP [::1]:80 → [::2]:81");
    tiles(&r);
    assert_eq!(summary(&all(&binary(0x21, 0x12, &FOUR))), "UDP 192.0.2.7:56324 → 198.51.100.1:443");
    let mut unix = vec![0; 216];
    unix[..9].copy_from_slice(b"/run/a.so");
    let r = all(&binary(0x21, 0x31, &unix));
    assert_eq!((summary(&r), r.codes()), ("Unix socket", vec![]));
    tiles(&r);
    let r = all(&binary(0x20, 0, &[]));
    assert_eq!(summary(&r), "LOCAL: the proxy itself");
    assert_eq!(r.codes(), [""; 0]);
    assert!(all(&binary(0x20, 0x11, &FOUR)).events[0].facts.is_none());
}

#[test]
fn every_faulty_binary_header_is_found() {
    let with = |t: &[u8]| [FOUR.as_slice(), t].concat();
    for (header, want) in [
        (binary(0x11, 0x11, &FOUR), "proxy.bad-version"),
        (binary(0x22, 0x11, &FOUR), "proxy.bad-command"),
        (binary(0x21, 0x41, &FOUR), "proxy.bad-family"),
        (binary(0x21, 0x13, &FOUR), "proxy.bad-family"),
        (binary(0x21, 0x11, &FOUR[..11]), "proxy.addresses-cut"),
        (binary(0x21, 0x11, &with(&[1, 0])), "proxy.tlv-cut"),
        (binary(0x21, 0x11, &with(&[1, 0, 9, b'h'])), "proxy.tlv-cut"),
        (binary(0x21, 0x11, &with(&tlv(0x20, &[1, 0, 0, 0, 0, 0x21, 0, 9]))), "proxy.tlv-cut"),
        (binary(0x21, 0x11, &with(&tlv(3, &[0; 3]))), "proxy.bad-tlv"),
        (binary(0x21, 0x11, &with(&tlv(5, &[0; 129]))), "proxy.bad-tlv"),
        (binary(0x21, 0x11, &with(&tlv(0x20, &[1]))), "proxy.bad-tlv"),
        (binary(0x21, 0x11, &with(&tlv(0x66, b"?"))), "proxy.unknown-tlv"),
        (binary(0x21, 0x11, &with(&tlv(3, &[0; 4]))), "proxy.bad-crc"),
    ] {
        let r = all(&header);
        assert_eq!(r.codes(), [want]);
        tiles(&r);
    }
    let r = all(&binary(0x21, 0x11, &FOUR)[..20]);
    assert_eq!(r.codes(), ["proxy.truncated"]);
}

#[test]
fn a_hole_in_the_header_hides_it_alone() {
    let mut r = Recorder::new();
    let mut m = Proxy::default();
    r.gap(&mut m, Side::Client, 30);
    r.bytes(&mut m, Side::Client, b"GET / HTTP/1.1\r\n", 5);
    r.input(&mut m, Input::Reset { side: Side::Server, code: 0 });
    assert_eq!(r.codes(), ["proxy.truncated"]);
    assert_eq!(
        r.children[&1].2,
        [
            Told::Gap(Side::Client, 30),
            Told::Bytes(Side::Client, b"GET / HTTP/1.1\r\n".to_vec()),
            Told::Reset(Side::Server, 0),
            Told::Closed,
        ]
    );
}

#[test]
fn the_probe_knows_a_header_and_nothing_else() {
    let probe = |a: &[u8], b: &[u8], last| {
        super::probe(&Probe {
            data: [a, b],
            last,
            beginning: true,
            secrets: crate::proto::Secrets::none(),
            patient: false,
        })
    };
    let yes = |side| Verdict::Yes { client: Some(side) };
    assert_eq!(probe(b"PROXY TCP4 1", b"", false), yes(Side::Client));
    assert_eq!(probe(b"", b"PROXY UNKNOWN\r\n", false), yes(Side::Server));
    assert_eq!(probe(&SIGNATURE, b"", false), yes(Side::Client));
    for n in 1..9 {
        assert_eq!(probe(&b"PROXY TCP"[..n], b"", false), Verdict::More);
        assert_eq!(probe(&b"PROXY TCP"[..n], b"", true), Verdict::No);
        assert_eq!(probe(&SIGNATURE[..n], b"", false), Verdict::More);
    }
    for other in [&b"PROXY /x HTTP/1.1"[..], b"PRI * HTTP/2.0", b"\r\n\r\nGET / HTTP/1.1", b"POST "]
    {
        assert_eq!(probe(other, b"", false), Verdict::No);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn hostile_headers_never_panic(
        form in 0_usize..3,
        bytes in proptest::collection::vec(any::<u8>(), 0..300),
        size in 1_usize..40,
    ) {
        let begin: &[u8] = [&SIGNATURE[..], b"PROXY TCP4 ", b"PROXY TCP6 "][form];
        let client = [begin, &bytes].concat();
        let a = run(&client, &bytes, size);
        let b = run(&client, &bytes, usize::MAX);
        prop_assert_eq!(a.gist(), b.gist());
        tiles(&b);
        prop_assert_eq!(a.children, b.children);
    }
}
