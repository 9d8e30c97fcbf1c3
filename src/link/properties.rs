//! What holds of every packet, whatever its bytes.

use proptest::prelude::*;

use super::tests::{HELLO, check, eth, ip4, ip4_with, ip6, len32, moment, tcp, udp};
use super::*;

/// Packets of all sorts, to be cut and bent.
fn samples() -> Vec<(u16, Vec<u8>)> {
    let options = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 9, 0, 0, 0, 8, 1, 3, 3, 7];
    let sack = [1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9];
    let four = ip4(6, &tcp(0x02, &options, HELLO));
    let six = ip6(0, &[&[6, 0, 5, 2, 0, 0, 1, 0][..], &tcp(0x18, &sack, HELLO)].concat());
    let gre = [&[0xb0, 0, 0x65, 0x58, 1, 2, 0, 0, 0, 0, 0, 5, 0, 0, 0, 1][..], &eth(0x86dd, &six)];
    let vxlan = udp(1, 4789, &[&[8, 0, 0, 0, 0, 0, 5, 0][..], &eth(0x0800, &four)].concat());
    let mut v = vec![
        (1, eth(0x0800, &four)),
        (1, eth(0x8100, &[&[0, 7, 0x86, 0xdd][..], &six].concat())),
        (113, [&[0, 4, 0, 1, 0, 6, 1, 2, 3, 4, 5, 6, 0, 0, 8, 0][..], &four].concat()),
        (276, [&[8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 1, 2, 3, 4, 5, 6, 0, 0][..], &four].concat()),
        (0, [&[30, 0, 0, 0][..], &six].concat()),
        (101, ip4(47, &gre.concat())),
        (101, ip4(17, &vxlan)),
        (101, ip4_with(6, 3, 0x2000, &[0x94, 4, 0, 0, 1, 1, 1, 0], &tcp(0, &[], HELLO))),
        (101, ip6(44, &[6, 0, 0, 1, 0, 0, 0, 9, 1, 2, 3, 4, 5, 6, 7, 8])),
        (1, eth(3, &[0x42, 0x42, 3])),
        (101, ip6(58, &[128, 0, 0, 0, 0, 1, 0, 2, 3])),
    ];
    v.push((1, eth(0x0806, &[0, 1, 8, 0, 6, 4, 0, 1].repeat(4))));
    v
}

#[test]
fn every_prefix_of_every_sample_tiles() {
    for (link_type, data) in samples() {
        for n in 0..=data.len() {
            check(link_type, &data[..n], len32(&data));
            check(link_type, &data[..n], n as u32);
        }
    }
}

/// Segments in plain Ethernet frames.
fn plain() -> [Vec<u8>; 2] {
    let segment = tcp(0x18, &[1, 1, 5, 10, 0, 0, 0, 1, 0, 0, 0, 9], HELLO);
    [eth(0x0800, &ip4(6, &segment)), eth(0x86dd, &ip6(6, &segment))]
}

/// What a look says is what the decoder says.
fn look(link_type: u16, data: &[u8], more: u32) -> bool {
    let Some(ends) = tcp_ends(link_type, data) else { return false };
    let mut decoder = Decoder::new();
    let decoded = decoder.decode(link_type, data, len32(data) + more, moment(1));
    assert_eq!(decoded.endpoints, Some(ends), "{data:02x?}");
    assert!(matches!(decoded.content, Content::Tcp(_)), "{data:02x?} is {decoded:?}");
    true
}

#[test]
fn a_look_is_enough_for_whole_segments_in_ethernet() {
    for data in plain() {
        assert!(look(1, &data, 0));
        assert!(!look(113, &data, 0));
        for n in 0..data.len() {
            // Bytes behind the packet may be missing, not of it.
            assert!(!look(1, &data[..n], 0), "{n} bytes");
        }
    }
}

fn any_link_type() -> impl Strategy<Value = u16> {
    prop_oneof![
        Just(1_u16),
        Just(0),
        Just(101),
        Just(108),
        Just(113),
        Just(276),
        Just(228),
        Just(229),
        any::<u16>()
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]
    #[test]
    fn a_look_agrees_with_the_decoder(
        which in 0_usize..14,
        bends in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        cut in any::<prop::sample::Index>(),
        more in 0_u32..100,
    ) {
        let mut all = samples();
        all.extend(plain().map(|p| (1, p)));
        let (link_type, mut data) = all.swap_remove(which);
        for (at, value) in bends {
            let at = at.index(data.len());
            data[at] = value;
        }
        look(link_type, &data, 0);
        data.truncate(data.len() - cut.index(data.len()).min(20));
        look(link_type, &data, more);
    }
}

proptest! {
    #[test]
    fn random_bytes_tile(
        link_type in any_link_type(),
        data in proptest::collection::vec(any::<u8>(), 0..200),
        more in 0_u32..100,
    ) {
        check(link_type, &data, len32(&data) + more);
        let mut decoder = Decoder::new();
        decoder.decode(link_type, &data, len32(&data) + more, moment(1));
    }

    #[test]
    fn bent_packets_tile(
        which in 0_usize..12,
        bends in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
        more in 0_u32..100,
    ) {
        let (link_type, mut data) = samples().swap_remove(which);
        for (at, value) in bends {
            let at = at.index(data.len());
            data[at] = value;
        }
        data.truncate(cut.index(data.len() + 1));
        let len = len32(&data) + more;
        check(link_type, &data, len);
        let mut decoder = Decoder::new();
        let outline = dissect(link_type, &data, len).outline;
        let d = decoder.decode(link_type, &data, len, moment(1));
        let _ = summary(&d, &outline, SeqBase { seq: 9, ack: 7 });
    }
}
