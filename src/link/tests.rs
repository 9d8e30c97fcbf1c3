use std::net::IpAddr;

use super::*;
use crate::base::{BufferId, CaptureTime, Moment, PacketId, PieceSource};
use crate::field::{In, Kind, NoSink, Tree};
use crate::link::walk::Walk;

pub(super) fn moment(packet: u64) -> Moment {
    Moment { packet: PacketId(packet), time: CaptureTime(packet as i64 * 1_000_000) }
}

pub(super) fn len32(v: &[u8]) -> u32 {
    v.len() as u32
}

/// An Ethernet frame.
pub(super) fn eth(ethertype: u16, payload: &[u8]) -> Vec<u8> {
    let mut v = vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2];
    v.extend(ethertype.to_be_bytes());
    v.extend(payload);
    v
}

/// IPv4 with options; the flags and offset word as given.
pub(super) fn ip4_with(protocol: u8, id: u16, word: u16, options: &[u8], body: &[u8]) -> Vec<u8> {
    let header = 20 + options.len();
    let mut v = vec![0x40 | (header / 4) as u8, 0];
    v.extend(((header + body.len()) as u16).to_be_bytes());
    v.extend(id.to_be_bytes());
    v.extend(word.to_be_bytes());
    v.extend([64, protocol, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2]);
    v.extend(options);
    let sum = etherparse::checksum::Sum16BitWords::new().add_slice(&v).ones_complement();
    v[10..12].copy_from_slice(&sum.to_ne_bytes());
    v.extend(body);
    v
}

pub(super) fn ip4(protocol: u8, body: &[u8]) -> Vec<u8> {
    ip4_with(protocol, 1, 0x4000, &[], body)
}

pub(super) fn ip6(next: u8, body: &[u8]) -> Vec<u8> {
    let mut v = vec![0x60, 0, 0, 0];
    v.extend((body.len() as u16).to_be_bytes());
    v.extend([next, 64]);
    for n in [1, 2] {
        v.extend([0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, n]);
    }
    v.extend(body);
    v
}

pub(super) fn tcp(flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let mut v = vec![0xc8, 0x22, 0x46, 0xa1, 0, 0, 0, 1, 0, 0, 0, 1];
    v.extend([((20 + options.len()) / 4 * 16) as u8, flags, 2, 0, 0, 0, 0, 0]);
    v.extend(options);
    v.extend(payload);
    v
}

pub(super) fn udp(source: u16, destination: u16, payload: &[u8]) -> Vec<u8> {
    let mut v = source.to_be_bytes().to_vec();
    v.extend(destination.to_be_bytes());
    v.extend((8 + payload.len() as u16).to_be_bytes());
    v.extend([0, 0]);
    v.extend(payload);
    v
}

/// Says where the leaves do not cover every bit of the packet exactly once.
pub(super) fn untiled(tree: &Tree, data: &[u8]) -> Option<String> {
    let mut spans: Vec<_> = tree
        .leaves()
        .filter_map(|n| n.span.map(|s| (s.first_bit(), s.bit_len(), n.spec.name)))
        .collect();
    spans.sort_unstable();
    let mut at = 0;
    for (first, len, name) in spans {
        if first != at || len == 0 {
            return Some(format!("{name} at bit {first}, {len} bits; expected at {at}"));
        }
        at += len;
    }
    (at != data.len() as u64 * 8).then(|| format!("ends at bit {at} of {}", data.len() * 8))
}

/// What must hold of every packet: the tree tiles, both walks agree.
pub(super) fn check(link_type: u16, data: &[u8], original_len: u32) -> Dissection {
    let d = dissect(link_type, data, original_len);
    assert_eq!(untiled(&d.tree, data), None, "link type {link_type}, {data:02x?}");
    let (sink, wire_len) = (NoSink, original_len.max(len32(data)));
    let mut walk = Walk::new(wire_len);
    walk.link(link_type, In::new(data, BufferId(0), 0, &sink), wire_len - len32(data));
    assert_eq!(walk.out, d.outline);
    assert_eq!(walk.findings, d.findings);
    d
}

fn codes(d: &Decoded<'_>) -> Vec<&'static str> {
    d.findings.iter().map(|f| f.spec.code).collect()
}

/// Decodes one packet, checks it, and hands it to `look`.
fn with<R>(link_type: u16, data: &[u8], look: impl FnOnce(&Decoded<'_>) -> R) -> R {
    with_len(link_type, data, len32(data), look)
}

fn with_len<R>(
    link_type: u16,
    data: &[u8],
    original_len: u32,
    look: impl FnOnce(&Decoded<'_>) -> R,
) -> R {
    check(link_type, data, original_len);
    let mut decoder = Decoder::new();
    look(&decoder.decode(link_type, data, original_len, moment(1)))
}

fn payload_of(link_type: u16, data: &[u8]) -> (Vec<u8>, PayloadOrigin, u32) {
    with(link_type, data, |d| {
        assert_eq!(d.findings, []);
        match &d.content {
            Content::Tcp(t) => (t.payload.to_vec(), t.origin.clone(), t.missing),
            Content::Udp(u) => (u.payload.to_vec(), u.origin.clone(), u.missing),
            other => panic!("{other:?}"),
        }
    })
}

fn other_of(link_type: u16, data: &[u8]) -> String {
    with(link_type, data, |d| match &d.content {
        Content::Other(name) => name.clone(),
        other => panic!("{other:?}"),
    })
}

fn path_of(data: &[u8]) -> u32 {
    with(1, data, |d| d.endpoints.unwrap().path)
}

fn line_of(link_type: u16, data: &[u8]) -> String {
    let d = dissect(link_type, data, len32(data));
    with(link_type, data, |x| summary(x, &d.outline, SeqBase::default()))
}

pub(super) const HELLO: &[u8] = b"hello, world";

#[test]
fn a_plain_segment() {
    let data = eth(0x0800, &ip4(6, &tcp(0x18, &[], HELLO)));
    with(1, &data, |d| {
        let e = d.endpoints.unwrap();
        assert_eq!(e.source, ("10.0.0.1".parse::<IpAddr>().unwrap(), 51234));
        assert_eq!(e.destination, ("10.0.0.2".parse::<IpAddr>().unwrap(), 18081));
        assert_eq!(e.path, 0);
        let Content::Tcp(t) = &d.content else { panic!("{d:?}") };
        assert_eq!((t.seq, t.ack, t.flags, t.window), (1, 1, TcpFlags(0x18), 512));
        assert_eq!((t.payload, t.missing, t.window_scale), (HELLO, 0, None));
        assert_eq!(t.origin, PayloadOrigin::Packet(54));
        assert_eq!(d.findings, []);
    });
    assert_eq!(
        line_of(1, &data),
        "IP 10.0.0.1.51234 > 10.0.0.2.18081: Flags [P.], seq 1:13, ack 1, win 512, length 12"
    );
}

#[test]
fn the_tree_has_wiresharks_names() {
    let options = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8, 1, 3, 3, 7];
    let data = eth(0x0800, &ip4(6, &tcp(0x02, &options, b"")));
    let t = check(1, &data, len32(&data)).tree;
    for (name, value) in [
        ("eth.type", 0x0800),
        ("ip.version", 4),
        ("ip.hdr_len", 20),
        ("ip.len", 60),
        ("ip.id", 1),
        ("ip.flags.df", 1),
        ("ip.flags.mf", 0),
        ("ip.frag_offset", 0),
        ("ip.ttl", 64),
        ("ip.proto", 6),
        ("tcp.srcport", 51234),
        ("tcp.dstport", 18081),
        ("tcp.seq_raw", 1),
        ("tcp.hdr_len", 40),
        ("tcp.flags.syn", 1),
        ("tcp.flags.ack", 0),
        ("tcp.window_size_value", 512),
        ("tcp.options.mss_val", 1460),
        ("tcp.options.wscale.shift", 7),
        ("tcp.options.timestamp.tsval", 9),
        ("tcp.options.timestamp.tsecr", 8),
    ] {
        assert_eq!(t.number(name), Some(value), "{name}");
    }
    assert!(t.find("tcp.options.sack_perm").is_some());
    let text = |name: &str| format!("{:?}", t.find(name).unwrap().value);
    assert_eq!(text("ip.src"), "Text(\"10.0.0.1\")");
    assert_eq!(text("eth.dst"), "Text(\"02:00:00:00:00:01\")");
    let note = |name: &str| t.find(name).unwrap().note.clone();
    assert_eq!(note("ip.checksum").as_deref(), Some("correct"));
    assert!(note("tcp.checksum").is_some_and(|n| n.starts_with("incorrect")));
    assert_eq!(
        line_of(1, &data),
        "IP 10.0.0.1.51234 > 10.0.0.2.18081: Flags [S], seq 1, win 512, \
         options [mss 1460,sackOK,wscale 7], length 0"
    );
}

#[test]
fn every_link_type_leads_to_ip() {
    let four = ip4(6, &tcp(0x10, &[], HELLO));
    let six = ip6(6, &tcp(0x10, &[], HELLO));
    let join = |head: &[u8], ip: &[u8]| [head, ip].concat();
    let sll = |t: [u8; 2]| [&[0, 4, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0][..], &t].concat();
    let sll2 =
        |t: [u8; 2]| [&t[..], &[0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 1, 2, 3, 4, 5, 6, 0, 0]].concat();
    let mut cases = vec![
        (1, eth(0x0800, &four)),
        (1, eth(0x86dd, &six)),
        (113, join(&sll([8, 0]), &four)),
        (113, join(&sll([0x86, 0xdd]), &six)),
        (276, join(&sll2([8, 0]), &four)),
        (276, join(&sll2([0x86, 0xdd]), &six)),
        (0, join(&[2, 0, 0, 0], &four)),
        (0, join(&[0, 0, 0, 2], &four)),
        (108, join(&[0, 0, 0, 2], &four)),
        (228, four.clone()),
        (229, six.clone()),
    ];
    for family in [24, 28, 30, 10] {
        cases.push((0, join(&[family, 0, 0, 0], &six)));
        cases.push((0, join(&[0, 0, 0, family], &six)));
    }
    for raw in [101, 12, 14] {
        cases.push((raw, four.clone()));
        cases.push((raw, six.clone()));
    }
    for (link_type, data) in cases {
        let (payload, origin, missing) = payload_of(link_type, &data);
        assert_eq!((payload.as_slice(), missing), (HELLO, 0), "link type {link_type}");
        assert_eq!(origin, PayloadOrigin::Packet((data.len() - HELLO.len()) as u32));
    }
}

#[test]
fn what_is_no_ip_is_named() {
    assert_eq!(other_of(147, &[1, 2, 3]), "link type 147");
    assert_eq!(other_of(1, &eth(0x88cc, &[1, 2, 3])), "lldp");
    assert_eq!(other_of(1, &eth(0x1234, &[1, 2, 3])), "ethertype 0x1234");
    assert_eq!(other_of(1, &eth(3, &[0x42, 0x42, 3])), "stp");
    assert_eq!(other_of(1, &eth(0x0800, &ip4(132, &[0; 16]))), "sctp");
    assert_eq!(other_of(1, &eth(0x0800, &ip4(200, &[0; 16]))), "ip protocol 200");
    assert_eq!(other_of(0, &[7, 0, 0, 0, 1]), "null family 7");
    let arp =
        [0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1, 0, 0, 0, 0, 0, 0, 10, 0, 0, 2];
    let mut padded = eth(0x0806, &arp);
    padded.resize(60, 0);
    assert_eq!(other_of(1, &padded), "arp");
    assert!(check(1, &padded, 60).tree.find("eth.padding").is_some());
    assert_eq!(line_of(1, &padded), "ARP, Request who-has 10.0.0.2 tell 10.0.0.1, length 60");
    assert_eq!(line_of(1, &eth(0x88cc, &[1, 2, 3])), "lldp, length 17");
}

#[test]
fn snap_carries_a_type() {
    let ip = ip4(17, &udp(5, 53, HELLO));
    let mut llc = vec![0xaa, 0xaa, 3, 0, 0, 0, 8, 0];
    llc.extend(&ip);
    let mut data = eth(llc.len() as u16, &llc);
    data.extend([0; 4]);
    assert_eq!(payload_of(1, &data).0, HELLO);
}

#[test]
fn vlans_are_read_and_tell_paths_apart() {
    let ip = ip4(17, &udp(5, 53, HELLO));
    let tag = |id: u8, of: [u8; 2]| [&[0x60, id][..], &of].concat();
    let single = |id: u8| eth(0x8100, &[tag(id, [8, 0]), ip.clone()].concat());
    let double = eth(0x88a8, &[tag(9, [0x81, 0]), tag(7, [8, 0]), ip.clone()].concat());
    let old = eth(0x9100, &[tag(7, [0x81, 0]), tag(9, [8, 0]), ip.clone()].concat());
    for data in [&single(7), &single(8), &double, &old] {
        assert_eq!(payload_of(1, data).0, HELLO);
    }
    let t = check(1, &single(7), len32(&single(7))).tree;
    assert_eq!((t.number("vlan.id"), t.number("vlan.priority")), (Some(7), Some(3)));
    let mut paths = vec![path_of(&single(7)), path_of(&single(8)), path_of(&double), path_of(&old)];
    assert!(paths.iter().all(|p| *p != 0));
    paths.sort_unstable();
    paths.dedup();
    assert_eq!(paths.len(), 4);
    // Priority alone is no VLAN.
    assert_eq!(path_of(&single(0)), 0);
}

#[test]
fn ip_options_and_extension_headers_are_passed() {
    let segment = udp(5, 53, HELLO);
    let router_alert = [0x94, 4, 0, 0];
    let data = eth(0x0800, &ip4_with(17, 1, 0, &router_alert, &segment));
    assert_eq!(payload_of(1, &data).0, HELLO);
    let bad_option = eth(0x0800, &ip4_with(17, 1, 0, &[0x94, 9, 0, 0], &segment));
    assert_eq!(payload_of(1, &bad_option).0, HELLO);
    // Hop-by-hop with padding, routing, authentication, an atomic fragment,
    // destination options.
    let mut chain = vec![43, 0, 1, 2, 0, 0, 0, 0];
    chain.extend([51, 0, 0, 0, 0, 0, 0, 0]);
    chain.extend([44, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 2, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    chain.extend([60, 0, 0, 0, 0, 0, 0, 9]);
    chain.extend([17, 0, 0, 1, 3, 0, 0, 0]);
    chain.extend(&segment);
    let data = eth(0x86dd, &ip6(0, &chain));
    assert_eq!(payload_of(1, &data).0, HELLO);
    let data = eth(0x86dd, &ip6(59, &[1, 2, 3]));
    assert_eq!(other_of(1, &data), "no next header");
}

#[test]
fn padding_is_no_payload() {
    let mut data = eth(0x0800, &ip4(6, &tcp(0x10, &[], b"")));
    data.resize(60, 0xee);
    assert_eq!(payload_of(1, &data).0, b"");
    data.resize(80, 0xee);
    assert_eq!(payload_of(1, &data).0, b"");
    assert!(check(1, &data, 80).tree.find("eth.trailer").is_some());
}

#[test]
fn a_total_length_of_zero_means_all() {
    let mut ip = ip4(6, &tcp(0x18, &[], HELLO));
    (ip[2], ip[3]) = (0, 0);
    assert_eq!(payload_of(1, &eth(0x0800, &ip)).0, HELLO);
    let mut ip = ip6(6, &tcp(0x18, &[], HELLO));
    (ip[4], ip[5]) = (0, 0);
    assert_eq!(payload_of(1, &eth(0x86dd, &ip)).0, HELLO);
}

#[test]
fn a_snapped_packet_says_what_is_missing() {
    let whole = eth(0x0800, &ip4(6, &tcp(0x18, &[1, 1, 1, 1], HELLO)));
    for kept in [54, 58, 60, whole.len() - 1] {
        with_len(1, &whole[..kept], len32(&whole), |d| {
            assert_eq!(codes(d), ["ip.cut-short"]);
            let Content::Tcp(t) = &d.content else { panic!("{d:?}") };
            assert_eq!(t.payload.len() as u32 + t.missing, 12, "kept {kept}");
            assert_eq!(t.payload, &HELLO[..kept.saturating_sub(58)]);
        });
    }
    with_len(1, &whole[..40], len32(&whole), |d| {
        assert!(matches!(&d.content, Content::Other(n) if n == "tcp"));
    });
    // The same without snapping: the length lies, and the finding marks the header.
    with(1, &whole[..60], |d| {
        assert_eq!(codes(d), ["ip.bad-length"]);
        assert_eq!(d.findings[0].span, Some(crate::base::Span::bytes(BufferId(0), 14, 20)));
        let Content::Tcp(t) = &d.content else { panic!("{d:?}") };
        assert_eq!((t.payload, t.missing), (&HELLO[..2], 10));
    });
}

#[test]
fn lengths_that_lie_are_findings() {
    let segment = tcp(0x18, &[], HELLO);
    let find = |data: &[u8]| with(1, data, codes);
    let mut ip = ip4(6, &segment);
    (ip[2], ip[3]) = (0, 10);
    assert_eq!(find(&eth(0x0800, &ip)), ["ip.bad-length"]);
    let mut ip = ip4(6, &segment);
    ip[0] = 0x44;
    assert_eq!(find(&eth(0x0800, &ip)), ["ip.bad-header"]);
    assert_eq!(find(&eth(0x86dd, &ip4(6, &segment))), ["ip.bad-header"]);
    assert_eq!(find(&eth(0x0800, &[0x45, 0, 0])), ["ip.bad-length"]);
    for offset in [0x40, 0xf0] {
        let mut t = segment.clone();
        t[12] = offset;
        assert_eq!(find(&eth(0x0800, &ip4(6, &t))), ["tcp.bad-header"]);
    }
    assert_eq!(find(&eth(0x0800, &ip4(6, &[1, 2, 3]))), ["tcp.bad-header"]);
    let t = tcp(0x18, &[9, 9, 0, 0], HELLO);
    assert_eq!(find(&eth(0x0800, &ip4(6, &t))), ["tcp.bad-option"]);
    let mut u = udp(1, 2, HELLO);
    u[5] = 7;
    assert_eq!(find(&eth(0x0800, &ip4(17, &u))), ["udp.bad-length"]);
    u[5] = 99;
    assert_eq!(find(&eth(0x0800, &ip4(17, &u))), ["udp.bad-length"]);
    assert_eq!(find(&[1, 2, 3]), ["link.cut-short"]);
    assert_eq!(find(&eth(0x8100, &[1, 2, 3])), ["link.cut-short"]);
    assert_eq!(find(&eth(0x86dd, &ip6(0, &[6, 9, 0, 0]))), ["ip.bad-header"]);
}

#[test]
fn a_window_scale_beyond_14_is_14() {
    let data = eth(0x0800, &ip4(6, &tcp(0x02, &[3, 3, 99, 0], b"")));
    with(1, &data, |d| {
        let Content::Tcp(t) = &d.content else { panic!("{d:?}") };
        assert_eq!(t.window_scale, Some(14));
    });
}

#[test]
fn udp_goes_by_its_own_length() {
    let mut u = udp(1, 2, HELLO);
    u[5] = 8 + 5;
    assert_eq!(payload_of(1, &eth(0x0800, &ip4(17, &u))).0, b"hello");
    u[5] = 0;
    assert_eq!(payload_of(1, &eth(0x0800, &ip4(17, &u))).0, HELLO);
    let data = eth(0x0800, &ip4(17, &udp(1, 2, HELLO)));
    assert_eq!(line_of(1, &data), "IP 10.0.0.1.1 > 10.0.0.2.2: UDP, length 12");
}

#[test]
fn icmp_is_named() {
    let echo = [8, 0, 0, 0, 0, 7, 0, 1, 1, 2, 3, 4];
    let data = eth(0x0800, &ip4(1, &echo));
    with(1, &data, |d| assert!(matches!(d.content, Content::Icmp("echo request"))));
    let line = "IP 10.0.0.1 > 10.0.0.2: ICMP echo request, id 7, seq 1, length 12";
    assert_eq!(line_of(1, &data), line);
    let data = eth(0x86dd, &ip6(58, &[135, 0, 0, 0, 0, 0, 0, 0]));
    let line = "IP6 fd00::1 > fd00::2: ICMP6, neighbor solicitation, length 8";
    assert_eq!(line_of(1, &data), line);
    let data = eth(0x0800, &ip4(1, &[3, 3, 0, 0, 0, 0, 0, 0]));
    let line = "IP 10.0.0.1 > 10.0.0.2: ICMP destination unreachable (port), length 8";
    assert_eq!(line_of(1, &data), line);
}

#[test]
fn tunnels_are_looked_through() {
    let segment = tcp(0x18, &[], HELLO);
    let inner4 = ip4(6, &segment);
    let inner6 = ip6(6, &segment);
    let gre = |flags: u8, next: u16, more: &[u8], body: &[u8]| {
        [&[flags, 0][..], &next.to_be_bytes(), more, body].concat()
    };
    let vxlan = |vni: u8, frame: &[u8]| {
        udp(40_000, 4789, &[&[8, 0, 0, 0, 0, 0, vni, 0][..], frame].concat())
    };
    let cases = [
        ip4(4, &inner4),
        ip4(41, &inner6),
        ip4(4, &ip4(41, &ip6(4, &inner4))),
        ip4(47, &gre(0, 0x0800, &[], &inner4)),
        ip4(47, &gre(0x80, 0x86dd, &[1, 2, 0, 0], &inner6)),
        ip4(47, &gre(0xb0, 0x0800, &[1, 2, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1], &inner4)),
        ip4(47, &gre(0, 0x6558, &[], &eth(0x0800, &inner4))),
        ip4(17, &vxlan(5, &eth(0x0800, &inner4))),
        ip4(17, &vxlan(5, &eth(0x86dd, &inner6))),
    ];
    for ip in &cases {
        let data = eth(0x0800, ip);
        let (payload, origin, _) = payload_of(1, &data);
        assert_eq!(payload, HELLO);
        assert_eq!(origin, PayloadOrigin::Packet((data.len() - HELLO.len()) as u32));
        with(1, &data, |d| assert_eq!(d.endpoints.unwrap().destination.1, 18081));
    }
    let keyed = |k: u8| eth(0x0800, &ip4(47, &gre(0x20, 0x0800, &[0, 0, 0, k], &inner4)));
    let net = |n: u8| eth(0x0800, &ip4(17, &vxlan(n, &eth(0x0800, &inner4))));
    let mut paths = [path_of(&keyed(1)), path_of(&keyed(2)), path_of(&net(1)), path_of(&net(2))];
    paths.sort_unstable();
    assert!(paths.windows(2).all(|w| w[0] != w[1]) && paths[0] != 0);
    assert_eq!(check(1, &net(5), len32(&net(5))).tree.number("vxlan.vni"), Some(5));
    // Port 4789 alone is no VXLAN.
    let plain = eth(0x0800, &ip4(17, &udp(1, 4789, &[0; 40])));
    assert_eq!(payload_of(1, &plain).0, [0; 40]);
    // PPTP's GRE is named.
    assert_eq!(other_of(1, &eth(0x0800, &ip4(47, &[0x30, 1, 0x88, 0x0b, 0, 0]))), "gre");
}

#[test]
fn too_many_tunnels_are_a_finding() {
    let mut ip = ip4(6, &tcp(0x18, &[], HELLO));
    for _ in 0..crate::base::limits::MAX_TUNNEL_DEPTH {
        ip = ip4(4, &ip);
    }
    assert_eq!(payload_of(101, &ip).0, HELLO);
    ip = ip4(4, &ip);
    with(101, &ip, |d| {
        assert_eq!(codes(d), ["tunnel.too-deep"]);
        assert!(matches!(&d.content, Content::Other(n) if n == "ipv4"));
    });
}

#[test]
fn fragments_become_a_segment() {
    let whole = udp(5, 53, &[7; 100]);
    let (a, b) = whole.split_at(64);
    let first = eth(0x0800, &ip4_with(17, 9, 0x2000, &[], a));
    let last = eth(0x0800, &ip4_with(17, 9, 8, &[], b));
    let mut decoder = Decoder::new();
    for (one, two) in [(&first, &last), (&last, &first)] {
        let d = decoder.decode(1, one, len32(one), moment(1));
        assert!(matches!(d.content, Content::Fragment));
        let d = decoder.decode(1, two, len32(two), moment(2));
        let outline = dissect(1, two, len32(two)).outline;
        let line = summary(&d, &outline, SeqBase::default());
        assert!(line.starts_with("IP 10.0.0.1.5 > 10.0.0.2.53: UDP, length 100 (reassembled"));
        let Content::Udp(u) = &d.content else { panic!("{d:?}") };
        assert_eq!((u.payload, u.missing), (&[7; 100][..], 0));
        let PayloadOrigin::Pieces(pieces) = &u.origin else { panic!("{:?}", u.origin) };
        let where_from: Vec<_> = pieces
            .iter()
            .map(|(p, m)| {
                let PieceSource::Packet(r) = p.source else { panic!() };
                assert_eq!(r.packet, m.packet);
                (p.start, p.len, r.start)
            })
            .collect();
        assert_eq!(where_from, [(0, 56, 14 + 20 + 8), (56, 44, 14 + 20)]);
        decoder = Decoder::new();
    }
    assert_eq!(line_of(1, &first), "IP 10.0.0.1 > 10.0.0.2: udp (frag 9:64@0+)");
}

#[test]
fn fragments_of_a_tunnel_hold_fragments() {
    let whole = udp(5, 53, &[7; 100]);
    let inner = [ip4_with(17, 9, 0x2000, &[], &whole[..64]), ip4_with(17, 9, 8, &[], &whole[64..])];
    let mut decoder = Decoder::new();
    let mut packets = Vec::new();
    for (n, i) in inner.iter().enumerate() {
        let id = 20 + n as u16;
        packets.push(ip4_with(4, id, 0x2000, &[], &i[..32]));
        packets.push(ip4_with(4, id, 4, &[], &i[32..]));
    }
    for (n, p) in packets.iter().enumerate() {
        let d = decoder.decode(101, p, len32(p), moment(n as u64 + 1));
        if n < 3 {
            assert!(matches!(d.content, Content::Fragment), "{n}: {d:?}");
            continue;
        }
        let Content::Udp(u) = &d.content else { panic!("{d:?}") };
        assert_eq!(u.payload, [7; 100]);
        let PayloadOrigin::Pieces(pieces) = &u.origin else { panic!("{:?}", u.origin) };
        let lens: Vec<_> = pieces.iter().map(|(p, m)| (m.packet.0, p.len)).collect();
        assert_eq!(lens, [(1, 4), (2, 52), (3, 12), (4, 32)]);
    }
}

#[test]
fn an_unfinished_datagram_is_a_finding_at_the_end() {
    let p = ip4_with(17, 9, 0x2000, &[], &[0; 64]);
    let mut decoder = Decoder::new();
    decoder.decode(101, &p, len32(&p), moment(3));
    assert!(decoder.take_lost().is_empty());
    decoder.finish();
    let lost = decoder.take_lost();
    let (m, f) = lost.first().unwrap();
    assert_eq!((m.packet, f.spec.code), (PacketId(3), "ip.fragment-missing"));
    assert_eq!(decoder.memory(), 0);
}

#[test]
fn payloads_are_data() {
    let data = eth(0x0800, &ip4(6, &tcp(0x18, &[], HELLO)));
    let t = check(1, &data, len32(&data)).tree;
    let payload = t.find("tcp.payload").unwrap();
    assert_eq!(payload.spec.kind, Kind::Data);
    assert_eq!(payload.span, Some(crate::base::Span::bytes(BufferId(0), 54, 12)));
}
