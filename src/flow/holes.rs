//! Cases where bytes are missing: gaps, captures that begin in the middle or
//! saw one side, packets cut short or recorded twice.

use super::testing::*;
use crate::base::limits::{GAP_PACKETS, MAX_REORDER_BYTES};
use crate::base::{CaptureTime, Moment, PacketId, PacketRange, Piece, PieceSource};
use crate::flow::Note;
use crate::link::{PayloadOrigin, TcpSegment};

#[test]
fn an_acknowledged_hole_is_a_gap_after_64_packets() {
    let mut t = Bench::open();
    t.now = 0;
    t.a(A, 101, 501, b"abc");
    t.a(A, 107, 501, b"ghi");
    for _ in 0..GAP_PACKETS - 1 {
        t.now -= 1_000_000; // No time passes.
        t.b(A, 501, 110, b"");
    }
    assert_eq!(t.tape.gaps[0], []);
    t.now -= 1_000_000;
    t.b(A, 501, 110, b"");
    assert_eq!(t.tape.gaps[0], [(3, 3)]);
    assert_eq!(t.tape.text(AB), "abcghi");
    assert_eq!(t.tape.codes(), ["tcp.gap"]);
    t.a(A, 104, 501, b"def");
    assert_eq!(t.tape.codes(), ["tcp.gap", "tcp.late-data"]);
    assert_eq!(t.flow.ledger(AB).late, 3);
}

#[test]
fn an_acknowledged_hole_is_a_gap_after_200_ms() {
    let mut t = Bench::open();
    t.a(A, 107, 501, b"ghi");
    t.b(A, 501, 110, b"");
    t.now += 190_000_000;
    t.b(A, 501, 110, b"");
    assert_eq!(t.tape.at[0], 0);
    t.now += 20_000_000;
    t.b(A, 501, 110, b"");
    assert_eq!((t.tape.gaps[0].as_slice(), t.tape.text(AB).as_str()), (&[(0, 6)][..], "ghi"));
}

#[test]
fn a_fin_that_waited_behind_a_hole_has_its_own_moment() {
    let mut t = Bench::open();
    t.a(A | F, 104, 501, b"def");
    let fin = t.at().packet.0;
    for _ in 0..=GAP_PACKETS {
        t.b(A, 501, 108, b"");
    }
    assert_eq!((t.tape.gaps[0].as_slice(), t.tape.fin_at[0]), (&[(0, 3)][..], fin));
    // What fills the hole completes the direction.
    let mut t = Bench::open();
    t.a(A | F, 104, 501, b"def");
    t.a(A, 101, 501, b"abc");
    assert_eq!((t.tape.text(AB).as_str(), t.tape.fin_at[0]), ("abcdef", t.at().packet.0));
    // And one that did not wait.
    let mut t = Bench::open();
    t.a(A | F, 101, 501, b"abc");
    assert_eq!(t.tape.fin_at[0], t.at().packet.0);
}

#[test]
fn a_hole_that_nobody_acknowledged_waits() {
    let mut t = Bench::open();
    t.a(A, 107, 501, b"ghi");
    for i in 0..200 {
        t.now += 10_000_000;
        t.b(A, 501 + i, 101, b"x");
    }
    assert_eq!(t.tape.at[0], 0);
    t.a(A, 101, 501, b"abcdef");
    assert_eq!(t.tape.text(AB), "abcdefghi");
}

#[test]
fn the_end_of_the_capture_declares_all_gaps() {
    let mut t = Bench::open();
    t.a(A, 104, 501, b"def");
    t.a(A, 110, 501, b"jkl");
    t.b(A, 501, 120, b"");
    t.finish();
    assert_eq!(t.tape.gaps[0], [(0, 3), (6, 3), (12, 7)]);
    assert_eq!(t.tape.text(AB), "defjkl");
    assert_eq!(t.tape.codes(), ["tcp.gap", "tcp.gap"]);
    assert_eq!(t.tape.findings[1].1.detail.as_deref(), Some("3 times in all, 13 bytes"));
}

#[test]
fn an_acknowledgement_captured_before_its_data_is_no_gap() {
    let mut t = Bench::open();
    assert!(t.b(A, 501, 107, b"").has(Note::AckedUnseen));
    t.a(A, 101, 501, b"abcdef");
    t.now += 1_000_000_000;
    t.b(A, 501, 107, b"");
    t.finish();
    assert_eq!((t.tape.text(AB).as_str(), t.tape.gaps[0].len()), ("abcdef", 0));
    assert!(t.tape.findings.is_empty());
}

#[test]
fn a_clock_that_steps_back_does_not_hang() {
    let mut t = Bench::open();
    t.now = 1_000_000_000_000;
    t.a(A, 107, 501, b"ghi");
    t.now = 0;
    t.b(A, 501, 110, b"");
    t.now += 250_000_000;
    t.b(A, 501, 110, b"");
    assert_eq!(t.tape.text(AB), "ghi");
}

#[test]
fn one_way_captures_have_gaps_too() {
    let mut t = Bench::default();
    t.a(S, 100, 0, b"");
    t.a(A, 101, 501, b"abc");
    t.a(A, 107, 501, b"ghi");
    t.now += 250_000_000;
    t.a(A, 110, 501, b"jkl");
    assert_eq!((t.tape.text(AB).as_str(), t.tape.gaps[0].as_slice()), ("abcghijkl", &[(3, 3)][..]));
    t.a(A | F, 113, 501, b"");
    assert!(t.flow.is_closed());
}

#[test]
fn the_side_that_was_not_captured_is_all_gap() {
    let mut t = Bench::default();
    t.b(S | A, 500, 101, b"");
    t.b(A, 501, 155, b"answer");
    t.finish();
    assert_eq!((t.tape.text(BA).as_str(), t.tape.gaps[0].as_slice()), ("answer", &[(0, 54)][..]));
    assert_eq!(t.flow.client(), Some(AB));
}

#[test]
fn a_capture_that_begins_in_the_middle_begins_with_its_first_byte() {
    let mut t = Bench::default();
    t.a(A, 5000, 7000, b"abc");
    // Not yet: an earlier one may come.
    assert_eq!(t.tape.text(AB), "");
    t.b(A, 7000, 5003, b"answer");
    assert_eq!((t.tape.text(AB).as_str(), t.tape.text(BA).as_str()), ("abc", "answer"));
    assert_eq!((t.tape.runs[0][0].0, t.tape.runs[1][0].0), (0, 0));
    assert_eq!(t.tape.turns, [AB, BA], "the question first");
    let n = t.a(A, 5003, 7006, b"def");
    assert_eq!((n.seq, n.ack), (4, Some(7)));
    t.finish();
    assert!(t.tape.findings.is_empty());
    assert_eq!(t.flow.client(), None);
}

#[test]
fn an_earlier_segment_soon_after_the_first_is_not_lost() {
    let mut t = Bench::default();
    t.a(A, 5003, 7000, b"def");
    t.a(A, 5000, 7000, b"abc");
    t.a(A, 5006, 7000, b"ghi");
    t.finish();
    assert_eq!(t.tape.text(AB), "abcdefghi");
    assert!(t.tape.findings.is_empty());
    // After a few packets the beginning stands.
    let mut t = Bench::default();
    for i in 0..6 {
        t.a(A, 5000 + i, 7000, b"x");
    }
    assert_eq!(t.tape.text(AB), "xxxxxx");
    t.a(A, 4990, 7000, b"early");
    assert_eq!(t.tape.codes(), ["tcp.late-data"]);
}

#[test]
fn what_the_peer_had_before_the_capture_is_no_gap() {
    let mut t = Bench::default();
    t.b(A, 7000, 4000, b"");
    t.a(A, 5000, 7000, b"abc");
    t.b(A, 7000, 4500, b"");
    t.b(A, 7000, 5003, b"");
    t.finish();
    assert_eq!((t.tape.text(AB).as_str(), t.tape.gaps[0].len()), ("abc", 0));
}

#[test]
fn a_bare_acknowledgement_tells_where_its_sender_stands() {
    let mut t = Bench::default();
    t.a(A, 5000, 7000, b"");
    t.a(A, 5000, 7000, b"abc");
    assert_eq!(t.tape.text(AB), "abc");
}

#[test]
fn a_packet_recorded_twice_counts_once() {
    let mut t = Bench::default();
    for (from_a, s) in [
        (true, seg(S, 100, 0, b"")),
        (false, seg(S | A, 500, 101, b"")),
        (true, seg(A, 101, 501, b"")),
        (true, seg(A, 101, 501, b"abc")),
        (false, seg(A, 501, 104, b"")),
        (true, seg(A | F, 104, 501, b"")),
    ] {
        assert!(!t.feed(from_a, &s).has(Note::Duplicate));
        t.now -= 999_000;
        let n = t.feed(from_a, &s);
        assert_eq!(n.names().collect::<Vec<_>>(), ["tcp.analysis.duplicate"]);
    }
    t.finish();
    assert_eq!((t.tape.text(AB).as_str(), t.tape.fin[0]), ("abc", true));
    assert!(t.tape.findings.is_empty());
}

#[test]
fn a_snapped_packet_is_a_gap_once_the_peer_has_it() {
    let mut t = Bench::open();
    let cut = TcpSegment { missing: 4, ..seg(A, 101, 501, b"abc") };
    assert!(t.feed(true, &cut).has(Note::Snapped));
    t.a(A, 108, 501, b"hij");
    assert_eq!(t.tape.text(AB), "abc");
    t.b(A, 501, 111, b"");
    assert_eq!((t.tape.text(AB).as_str(), t.tape.gaps[0].as_slice()), ("abchij", &[(3, 4)][..]));
    // At the end, where nothing follows.
    t.feed(true, &TcpSegment { missing: 9, ..seg(A, 111, 501, b"") });
    t.finish();
    assert_eq!(t.tape.gaps[0], [(3, 4), (10, 9)]);
}

#[test]
fn a_retransmission_may_have_what_was_snapped() {
    let mut t = Bench::open();
    t.feed(true, &TcpSegment { missing: 4, ..seg(A, 101, 501, b"abc") });
    t.a(A, 108, 501, b"hij");
    t.a(A, 101, 501, b"abcdefg");
    t.b(A, 501, 111, b"");
    t.finish();
    assert_eq!((t.tape.text(AB).as_str(), t.tape.gaps[0].len()), ("abcdefghij", 0));
}

#[test]
fn what_waits_is_bounded() {
    let mut t = Bench::open();
    let chunk = vec![7; 60_000];
    let mut seq = 102_u32;
    for _ in 0..400 {
        t.a(A, seq, 501, &chunk);
        assert!(t.flow.memory() < MAX_REORDER_BYTES + 100_000);
        seq += 60_000;
    }
    assert_eq!(t.tape.gaps[0], [(0, 1)]);
    assert_eq!(t.tape.at[0], 1 + 400 * 60_000);
    assert_eq!(t.tape.codes(), ["tcp.reorder-limit", "tcp.gap"]);
}

#[test]
fn held_bytes_are_let_go_by_eviction() {
    let mut t = Bench::open();
    t.a(A, 107, 501, b"world");
    let before = t.flow.memory();
    t.flow.evict();
    assert!(t.flow.memory() < before);
    assert_eq!(t.flow.ledger(AB).foreign, 5);
}

#[test]
fn a_fragmented_segment_lies_in_several_packets() {
    let piece = |start, len, packet, at| {
        let range = PacketRange { packet: PacketId(packet), start: at, len };
        let source = PieceSource::Packet(range);
        let moment = Moment { packet: PacketId(packet), time: CaptureTime(0) };
        (Piece { start, len, source, exact: true }, moment)
    };
    let origin = PayloadOrigin::Pieces(vec![piece(0, 4, 11, 54), piece(4, 4, 12, 34)]);
    let mut t = Bench::open();
    t.a(A, 101, 501, b"ab");
    t.feed(true, &TcpSegment { origin, ..seg(A, 101, 501, b"abcdefgh") });
    assert_eq!(t.tape.text(AB), "abcdefgh");
    assert_eq!(t.tape.runs[0], [(0, 2, 4, 54), (2, 2, 11, 56), (4, 4, 12, 34)]);
}

#[test]
fn a_live_capture_declares_by_the_clock() {
    let mut t = Bench::open();
    t.a(A, 104, 501, b"def");
    t.b(A, 501, 107, b"");
    t.now += 300_000_000;
    let at = t.at();
    t.flow.tick(at, &mut t.tape);
    assert_eq!(t.tape.text(AB), "def");
}
