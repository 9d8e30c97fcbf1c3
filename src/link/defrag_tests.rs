use proptest::prelude::*;

use super::*;
use crate::base::{PacketId, PacketRange};

fn moment(packet: u64, seconds: i64) -> Moment {
    Moment { packet: PacketId(packet), time: CaptureTime::from_parts(seconds, 0) }
}

fn key(v6: bool, id: u32) -> FragmentKey {
    let ip = |v4: &str, v: &str| if v6 { v } else { v4 }.parse().unwrap();
    FragmentKey {
        source: ip("10.0.0.1", "fd00::1"),
        destination: ip("10.0.0.2", "fd00::2"),
        id,
        protocol: 17,
        path: 0,
    }
}

/// A fragment that lies in packet `packet` from byte 100.
fn fragment(packet: u64, offset: u32, bytes: &[u8], more: bool) -> Fragment<'_> {
    let len = bytes.len() as u32;
    let range = PacketRange { packet: PacketId(packet), start: 100, len };
    let piece = Piece { start: 0, len, source: PieceSource::Packet(range), exact: true };
    let pieces = vec![(piece, moment(packet, 0))];
    Fragment { offset, more, protocol: 17, bytes, missing: 0, pieces }
}

/// Fragments (offset, bytes, more) in this order; what came out, and the findings.
fn run(v6: bool, parts: &[(u32, &[u8], bool)]) -> (Vec<Joined>, Vec<&'static str>) {
    let mut d = Defragmenter::new();
    let (mut out, mut findings) = (Vec::new(), Vec::new());
    for (n, (offset, bytes, more)) in parts.iter().enumerate() {
        let n = n as u64 + 1;
        let f = fragment(n, *offset, bytes, *more);
        out.extend(d.insert(key(v6, 1), f, moment(n, 0), &mut findings));
    }
    d.finish();
    findings.extend(d.take_lost().into_iter().map(|(_, f)| f));
    assert_eq!(d.memory(), 0);
    (out, findings.iter().map(|f| f.spec.code).collect())
}

const A: &[u8] = &[1; 16];
const B: &[u8] = &[2; 16];
const C: &[u8] = &[3; 5];

fn abc() -> Vec<u8> {
    [A, B, C].concat()
}

#[test]
fn in_any_order() {
    let parts = [(0, A, true), (16, B, true), (32, C, false)];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for v6 in [false, true] {
            let (out, codes) = run(v6, &order.map(|n| parts[n]));
            assert_eq!((out.len(), codes.len()), (1, 0), "{order:?}");
            assert_eq!((&out[0].bytes, out[0].missing), (&abc(), 0));
            let lens: Vec<_> = out[0].pieces.iter().map(|(p, _)| (p.start, p.len)).collect();
            assert_eq!(lens, [(0, 16), (16, 16), (32, 5)]);
        }
    }
}

#[test]
fn copies_change_nothing() {
    // Every packet twice, as a bridge records it; copies come late, too.
    let p = [(0, A, true), (0, A, true), (16, B, true), (16, B, true), (32, C, false)];
    let late = [(32, C, false), (0, A, true)];
    for v6 in [false, true] {
        let (out, codes) = run(v6, &[&p[..], &late].concat());
        assert_eq!((out.len(), codes.len()), (1, 0));
        assert_eq!(out[0].bytes, abc());
    }
}

#[test]
fn a_number_is_used_again() {
    let parts = [(0, A, true), (16, C, false), (0, B, true), (16, C, false)];
    let (out, codes) = run(false, &parts);
    assert_eq!(codes, [""; 0]);
    let bytes: Vec<_> = out.iter().map(|j| j.bytes.clone()).collect();
    assert_eq!(bytes, [[A, C].concat(), [B, C].concat()]);
}

#[test]
fn overlaps_keep_the_first_copy() {
    let long = [&A[8..], &[9; 16]].concat();
    let parts = [(0, A, true), (8, long.as_slice(), true), (32, C, false)];
    let (out, codes) = run(false, &parts);
    assert_eq!(out[0].bytes, [A, &[9; 16], C].concat());
    assert_eq!(codes, [""; 0]);
    // The same in IPv6 is an error, whatever the bytes.
    assert_eq!(run(true, &parts).1, ["ip.fragment-overlap"]);
    // Other bytes are a conflict.
    let parts = [(0, A, true), (8, &[7; 24][..], true), (32, C, false)];
    let (out, codes) = run(false, &parts);
    assert_eq!(out[0].bytes, [A, &[7; 16], C].concat());
    assert_eq!(codes, ["ip.fragment-conflict"]);
}

#[test]
fn one_fragment_may_fill_several_holes() {
    let all = abc();
    let parts = [(8, &all[8..16], true), (24, &all[24..32], true), (0, &all[..], false)];
    let (out, codes) = run(false, &parts);
    assert_eq!(out[0].bytes, all);
    assert_eq!(codes, [""; 0]);
    let from: Vec<_> = out[0].pieces.iter().map(|(_, m)| m.packet.0).collect();
    assert_eq!(from, [3, 1, 3, 2, 3]);
}

#[test]
fn two_ends_are_a_conflict() {
    let (out, codes) = run(false, &[(16, C, false), (16, B, true), (0, A, true)]);
    assert_eq!(codes, ["ip.fragment-conflict"]);
    assert_eq!(out[0].bytes, [A, C].concat());
}

#[test]
fn a_hole_is_a_finding_on_timeout() {
    let mut d = Defragmenter::new();
    let mut findings = Vec::new();
    assert!(
        d.insert(key(false, 1), fragment(1, 0, A, true), moment(1, 0), &mut findings).is_none()
    );
    d.expire(CaptureTime::from_parts(60, 0));
    assert!(d.take_lost().is_empty());
    d.expire(CaptureTime::from_parts(60, 1));
    let lost = d.take_lost();
    let (m, f) = &lost[0];
    assert_eq!((m.packet, f.spec.code), (PacketId(1), "ip.fragment-missing"));
    let detail = "16 of an unknown number of bytes of datagram 0x0001 from 10.0.0.1 to 10.0.0.2";
    assert_eq!(f.detail.as_deref(), Some(detail));
    assert!(d.is_idle() && d.memory() == 0);
}

#[test]
fn impossible_fragments_are_refused() {
    assert_eq!(run(false, &[(65_528, A, true)]).1, ["ip.fragment-bad"]);
    assert_eq!(run(false, &[(0, C, true)]).1, ["ip.fragment-bad"]);
    assert_eq!(run(true, &[(0, &[], true)]).1, ["ip.fragment-bad"]);
}

#[test]
fn a_snapped_fragment_leaves_what_is_readable() {
    let mut d = Defragmenter::new();
    let mut findings = Vec::new();
    let cut = Fragment { missing: 6, ..fragment(1, 0, &A[..10], true) };
    assert!(d.insert(key(false, 1), cut, moment(1, 0), &mut findings).is_none());
    let j = d.insert(key(false, 1), fragment(2, 16, C, false), moment(2, 0), &mut findings);
    let j = j.unwrap();
    assert_eq!((j.bytes.as_slice(), j.missing), (&A[..10], 11));
    assert_eq!(findings, []);
}

#[test]
fn the_number_of_datagrams_is_bounded() {
    let mut d = Defragmenter::new();
    let mut findings = Vec::new();
    for id in 0..=MAX_DEFRAG_DATAGRAMS as u32 {
        d.insert(key(true, id), fragment(1, 0, A, true), moment(u64::from(id), 0), &mut findings);
    }
    assert_eq!(d.waiting.len(), MAX_DEFRAG_DATAGRAMS);
    let lost = d.take_lost();
    assert_eq!(lost.len(), 1);
    assert_eq!(lost[0].1.spec.code, "ip.fragment-limit");
    assert_eq!(lost[0].0.packet, PacketId(0));
}

#[test]
fn the_bytes_are_bounded() {
    let mut d = Defragmenter::new();
    let (mut findings, block) = (Vec::new(), vec![0; 64_000]);
    for id in 0..400 {
        d.insert(key(true, id), fragment(1, 0, &block, true), moment(1, 0), &mut findings);
        assert!(d.memory() <= MAX_DEFRAG_BYTES);
    }
    assert!(d.take_lost().iter().all(|(_, f)| f.spec.code == "ip.fragment-limit"));
}

#[test]
fn the_queue_is_bounded_though_datagrams_complete() {
    let mut d = Defragmenter::new();
    let mut findings = Vec::new();
    for id in 0..10_000 {
        d.insert(key(true, id), fragment(1, 0, A, true), moment(1, 0), &mut findings);
        d.insert(key(true, id), fragment(1, 16, C, false), moment(1, 0), &mut findings);
    }
    assert!(d.order.len() <= 2 * MAX_DEFRAG_DATAGRAMS + 1);
    assert!(d.take_lost().is_empty());
}

proptest! {
    /// Cut anywhere, in any order, with copies: the same payload.
    #[test]
    fn permutations_give_the_same_payload(
        payload in proptest::collection::vec(any::<u8>(), 17..600),
        cuts in proptest::collection::btree_set(1_usize..70, 0..8),
        order in proptest::collection::vec(any::<prop::sample::Index>(), 0..30),
        v6 in any::<bool>(),
    ) {
        let mut at: Vec<usize> = cuts.into_iter().map(|c| c * 8).filter(|c| *c < payload.len()).collect();
        at.insert(0, 0);
        at.push(payload.len());
        let parts: Vec<(u32, &[u8], bool)> = at
            .windows(2)
            .map(|w| (w[0] as u32, &payload[w[0]..w[1]], w[1] < payload.len()))
            .collect();
        // Some order with copies, then all: whatever did not come yet.
        let mut sequence: Vec<_> = order.iter().map(|i| parts[i.index(parts.len())]).collect();
        sequence.extend(parts.iter().rev());
        let (out, codes) = run(v6, &sequence);
        prop_assert_eq!(out.len(), 1);
        prop_assert_eq!(&out[0].bytes, &payload);
        prop_assert!(codes.is_empty());
        let mut covered = 0;
        for (p, _) in &out[0].pieces {
            prop_assert_eq!(p.start, covered);
            covered += p.len;
        }
        prop_assert_eq!(covered as usize, payload.len());
    }

    /// The first copy of each byte wins, whatever overlaps.
    #[test]
    fn the_first_copy_wins(
        parts in proptest::collection::vec((0_usize..12, 1_usize..6, any::<u8>()), 0..20),
    ) {
        const LEN: usize = 18 * 8;
        let bytes: Vec<Vec<u8>> = parts.iter().map(|p| vec![p.2; p.1 * 8]).collect();
        let mut list: Vec<_> =
            parts.iter().zip(&bytes).map(|(p, b)| (p.0 as u32 * 8, b.as_slice(), true)).collect();
        let last = [0xff; LEN];
        list.push((0, &last, false));
        let mut model = [None; LEN];
        for (offset, bytes, _) in &list {
            for (at, b) in (*offset as usize..).zip(*bytes) {
                model[at].get_or_insert(*b);
            }
        }
        let model: Vec<u8> = model.into_iter().flatten().collect();
        let (out, _) = run(false, &list);
        prop_assert_eq!(&out[0].bytes, &model);
    }

    /// Whatever comes: no panic, the sum of memory stays right, the first copy of
    /// each byte wins.
    #[test]
    fn any_fragments_are_survived(
        parts in proptest::collection::vec((0_u32..12, 0_usize..10, any::<u8>(), any::<bool>()), 0..40),
    ) {
        let bytes: Vec<Vec<u8>> = parts.iter().map(|p| vec![p.2; p.1 * 4]).collect();
        let list: Vec<_> =
            parts.iter().zip(&bytes).map(|(p, b)| (p.0 * 8, b.as_slice(), p.3)).collect();
        let (out, _) = run(false, &list);
        for j in out {
            prop_assert_eq!(j.missing, 0);
        }
    }
}
