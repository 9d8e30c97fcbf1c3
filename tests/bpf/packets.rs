//! Packets to filter: those of all captures, by link type, and odd ones made here.

use std::collections::BTreeMap;

use framescope::base::Moment;
use framescope::link::Decoder;

use crate::support;

/// Captured bytes and the length on the wire.
#[derive(Clone, Debug)]
pub(crate) struct Raw {
    pub(crate) data: Vec<u8>,
    pub(crate) original_len: u32,
}

/// Bytes of each that are kept: more than any header that is filtered by.
const KEPT: usize = 160;
/// Packets of each capture.
const OF_EACH: usize = 60;

/// Packets by link type.
pub(crate) type ByLink = BTreeMap<u16, Vec<Raw>>;

/// Those of the fixtures and of the corpus, from the whole length of each capture.
pub(crate) fn captured() -> ByLink {
    let mut all = ByLink::new();
    for (_, path) in support::fixtures().into_iter().chain(support::corpus()) {
        let Ok(mut source) = framescope::capture::open(&path, Default::default()) else { continue };
        drop(source.poll());
        let packets = support::packets(&path);
        let step = packets.len().div_ceil(OF_EACH).max(1);
        for p in packets.iter().step_by(step) {
            let mut data = p.data.clone();
            data.truncate(KEPT);
            let raw = Raw { data, original_len: p.meta.original_len };
            all.entry(p.meta.link.0).or_default().push(raw);
        }
    }
    all
}

/// Addresses and ports that occur.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) v4: Vec<String>,
    pub(crate) v6: Vec<String>,
    pub(crate) ports: Vec<u16>,
}

pub(crate) fn seen(all: &ByLink) -> Seen {
    let mut s = Seen::default();
    let mut decoder = Decoder::new();
    for (link, packets) in all {
        for p in packets {
            let d = decoder.decode(*link, &p.data, p.original_len, Moment::default());
            let Some(e) = d.endpoints else { continue };
            for (ip, port) in [e.source, e.destination] {
                if ip.is_ipv4() {
                    s.v4.push(ip.to_string())
                } else {
                    s.v6.push(ip.to_string())
                }
                s.ports.push(port);
            }
        }
    }
    for v in [&mut s.v4, &mut s.v6] {
        v.sort();
        v.dedup();
    }
    s.ports.sort_unstable();
    s.ports.dedup();
    s
}

fn be(v: u16) -> [u8; 2] {
    v.to_be_bytes()
}

fn ip4(protocol: u8, fragment: u16, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let words = 5 + options.len() / 4;
    let total = u16::try_from(words * 4 + payload.len()).unwrap();
    let mut p = vec![0x40 | u8::try_from(words).unwrap(), 0];
    p.extend(be(total));
    p.extend([0, 7]);
    p.extend(be(fragment));
    p.extend([64, protocol, 0, 0, 10, 0, 0, 1, 224, 0, 0, 5]);
    p.extend(options);
    p.extend(payload);
    p
}

fn ip6(next: u8, payload: &[u8]) -> Vec<u8> {
    let mut p = vec![0x60, 0, 0, 0];
    p.extend(be(u16::try_from(payload.len()).unwrap()));
    p.extend([next, 64, 0x20, 1, 0xd, 0xb8, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    p.extend([0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    p.extend(payload);
    p
}

fn tcp(from: u16, to: u16, flags: u8) -> Vec<u8> {
    let mut p = [be(from), be(to)].concat();
    p.extend([0, 0, 0, 1, 0, 0, 0, 2, 0x50, flags, 0xff, 0xff, 0, 0, 0, 0, b'h', b'i']);
    p
}

fn udp(from: u16, to: u16) -> Vec<u8> {
    [be(from), be(to), be(12), be(0), *b"pi", *b"ng"].concat()
}

/// Type of the network layer, and the packet from there on.
fn networks() -> Vec<(u16, Vec<u8>)> {
    let arp = |op| {
        let mut p = vec![0, 1, 8, 0, 6, 4, 0, op, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1];
        p.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
        p
    };
    let mut all = vec![
        (0x0800, ip4(6, 0, &[], &tcp(80, 40000, 0x12))),
        (0x0800, ip4(6, 0, &[1, 1, 1, 0, 1, 1, 1, 0], &tcp(40000, 443, 2))),
        (0x0800, ip4(6, 0x2000, &[], &tcp(22, 22, 0x10))),
        (0x0800, ip4(6, 0x00b9, &[], &tcp(80, 80, 4))),
        (0x0800, ip4(17, 0x4000, &[], &udp(53, 5353))),
        (0x0800, ip4(17, 0x2001, &[], &udp(53, 53))),
        (0x0800, ip4(132, 0, &[], &udp(80, 9))),
        (0x0800, ip4(1, 0, &[], &[8, 0, 0, 0, 0, 1, 0, 2, 3, 4])),
        (0x0800, ip4(1, 0, &[1, 1, 1, 0], &[3, 1, 0, 0, 0, 1, 0, 2, 3, 4])),
        (0x0800, ip4(2, 0, &[], &[0x16, 0, 0, 0, 224, 0, 0, 1])),
        (0x0800, ip4(50, 0, &[], &[0; 16])),
        (0x0800, ip4(51, 0, &[], &[0; 16])),
        (0x0800, ip4(103, 0, &[], &[0x20; 16])),
        (0x0800, ip4(4, 0, &[], &ip4(6, 0, &[], &tcp(80, 80, 2)))),
        (0x86dd, ip6(6, &tcp(443, 50000, 0x18))),
        (0x86dd, ip6(17, &udp(5353, 5353))),
        (0x86dd, ip6(132, &udp(443, 443))),
        (0x86dd, ip6(58, &[128, 0, 0, 0, 0, 1, 0, 1, 9])),
        (0x86dd, ip6(58, &[135, 0, 0, 0, 0, 0, 0, 0])),
        (0x86dd, ip6(44, &[&[6, 0, 0, 0, 0, 0, 0, 9][..], &tcp(80, 80, 2)].concat())),
        (0x86dd, ip6(44, &[&[17, 0, 0, 8, 0, 0, 0, 9][..], &udp(80, 80)].concat())),
        (0x86dd, ip6(0, &[&[6, 0, 1, 4, 0, 0, 0, 0][..], &tcp(80, 80, 2)].concat())),
        (0x0806, arp(1)),
        (0x0806, arp(2)),
        (0x8035, arp(3)),
        (0x0004, vec![0x42, 0x42, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (0x88cc, vec![2, 7, 4, 0, 1, 2, 3, 4, 5]),
    ];
    // IPv4 in its own words, but of another version.
    let mut odd = ip4(6, 0, &[], &tcp(80, 80, 2));
    odd[0] = 0x75;
    all.push((0x0800, odd));
    all
}

/// Every kind of packet on every link type, whole and cut off at every length.
pub(crate) fn made() -> ByLink {
    let mut all = ByLink::new();
    for (ty, network) in networks() {
        let mut put = |link: u16, head: &[u8]| {
            let whole = [head, &network].concat();
            let wire = u32::try_from(whole.len()).unwrap();
            let shortest = if ty == 0x0800 || ty == 0x86dd { head.len() } else { whole.len() };
            for cut in (shortest..=whole.len()).rev().step_by(3) {
                let data = whole[..cut].to_vec();
                all.entry(link).or_default().push(Raw { data, original_len: wire });
            }
        };
        let ether = |to: [u8; 6], tags: &[(u16, u16)], ty: u16| {
            let mut h = to.to_vec();
            h.extend([2, 0, 0, 0, 0, 1]);
            for (tag, id) in tags {
                h.extend([be(*tag), be(*id)].concat());
            }
            h.extend(be(ty));
            h
        };
        put(1, &ether([2, 0, 0, 0, 0, 2], &[], ty));
        put(1, &ether([0xff; 6], &[(0x8100, 5)], ty));
        put(1, &ether([1, 0, 0x5e, 0, 0, 5], &[(0x88a8, 0x6007), (0x8100, 6)], ty));
        let mut sll = vec![0, 4, 0, 1, 0, 6, 2, 0, 0, 0, 0, 1, 0, 0];
        sll.extend(be(ty));
        put(113, &sll);
        let mut sll2 = be(ty).to_vec();
        sll2.extend([0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 2, 0, 0, 0, 0, 1, 0, 0]);
        put(276, &sll2);
        match ty {
            0x0800 => {
                put(0, &2_u32.to_le_bytes());
                put(108, &2_u32.to_be_bytes());
                put(101, &[]);
                put(228, &[]);
            }
            0x86dd => {
                put(0, &30_u32.to_le_bytes());
                put(0, &24_u32.to_le_bytes());
                put(108, &28_u32.to_be_bytes());
                put(101, &[]);
                put(229, &[]);
            }
            _ => {}
        }
    }
    all
}
