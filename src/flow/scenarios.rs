//! Each case of TCP in a few packets: which bytes must come out.

use super::testing::*;
use crate::flow::Note;

#[test]
fn in_order_segments_pass_straight_through() {
    let mut t = Bench::open();
    t.a(A, 101, 501, b"hello ");
    t.a(A, 107, 501, b"world");
    t.b(A, 501, 112, b"yes");
    assert_eq!((t.tape.text(AB), t.tape.text(BA)), ("hello world".into(), "yes".into()));
    assert_eq!(t.tape.runs[0], [(0, 6, 4, 54), (6, 5, 5, 54)]);
    assert!(t.tape.findings.is_empty());
    assert_eq!(t.flow.client(), Some(AB));
}

#[test]
fn out_of_order_segments_wait() {
    let mut t = Bench::open();
    assert!(t.a(A, 107, 501, b"world").has(Note::LostSegment));
    assert_eq!(t.tape.text(AB), "");
    assert!(t.flow.ledger(AB).held == 5);
    assert!(t.a(A, 101, 501, b"hello ").has(Note::OutOfOrder));
    assert_eq!(t.tape.text(AB), "hello world");
    assert_eq!(t.tape.runs[0], [(0, 6, 5, 54), (6, 5, 4, 54)]);
}

#[test]
fn the_first_copy_wins_and_a_conflict_is_told() {
    let mut t = Bench::open();
    t.a(A, 107, 501, b"world");
    assert!(t.a(A, 105, 501, b"xxWORLD!").has(Note::Conflict));
    t.a(A, 101, 501, b"hell");
    assert_eq!(t.tape.text(AB), "hellxxworld!");
    assert_eq!(t.tape.codes(), ["tcp.overlap-conflict"]);
    // What was handed on not long ago is compared as well.
    assert!(t.a(A, 101, 501, b"hellxxwOrld!").has(Note::Conflict));
    t.finish();
    assert_eq!(t.tape.text(AB), "hellxxworld!");
    assert_eq!(t.tape.codes(), ["tcp.overlap-conflict"; 2]);
    assert_eq!(t.tape.findings[1].1.detail.as_deref(), Some("2 times in all"));
}

#[test]
fn consistent_overlap_is_silent() {
    let mut t = Bench::open();
    t.a(A, 103, 501, b"cde");
    t.a(A, 107, 501, b"ghi");
    t.a(A, 101, 501, b"abcdefghijk");
    t.finish();
    assert_eq!(t.tape.text(AB), "abcdefghijk");
    assert!(t.tape.findings.is_empty());
    let l = t.flow.ledger(AB);
    assert_eq!((l.captured, l.delivered, l.duplicate), (17, 11, 6));
}

#[test]
fn retransmissions_come_out_once() {
    let mut t = Bench::open();
    t.a(A, 101, 501, b"abc");
    let n = t.a(A, 101, 501, b"abc");
    assert!(n.has(Note::Retransmission) && !n.has(Note::SpuriousRetransmission));
    t.b(A, 501, 104, b"");
    let n = t.a(A, 102, 501, b"bc");
    assert!(n.has(Note::SpuriousRetransmission));
    assert_eq!(
        n.names().collect::<Vec<_>>(),
        ["tcp.analysis.retransmission", "tcp.analysis.spurious_retransmission",]
    );
    t.a(A, 103, 501, b"cde");
    assert_eq!(t.tape.text(AB), "abcde");
    assert_eq!(t.tape.runs[0][1], (3, 2, 8, 55), "the new bytes lie one byte into the payload");
}

#[test]
fn a_retransmission_with_more_behind_it_gives_the_more() {
    // As in retrans-tls: one byte, then that byte and the rest; no SYN, one way.
    let mut t = Bench::default();
    t.a(A, 1, 1, b"\x15");
    t.a(A, 1, 1, b"\x15\x03\x01rest");
    t.finish();
    assert_eq!(t.tape.data[0], b"\x15\x03\x01rest");
    assert!(t.tape.findings.is_empty(), "{:?}", t.tape.findings);
    assert_eq!(t.tape.runs[0], [(0, 1, 1, 54), (1, 6, 2, 55)]);
}

#[test]
fn keep_alives_are_no_data() {
    for garbage in [&b""[..], b"\0"] {
        let mut t = Bench::open();
        t.a(A, 101, 501, b"abc");
        t.b(A, 501, 104, b"");
        let n = t.a(A, 103, 501, garbage);
        assert!(n.has(Note::KeepAlive) && !n.has(Note::Retransmission));
        assert!(t.b(A, 501, 104, b"").has(Note::KeepAliveAck));
        t.a(A, 104, 501, b"def");
        t.finish();
        assert_eq!(t.tape.text(AB), "abcdef");
        assert!(t.tape.findings.is_empty(), "the garbage byte is no conflict");
    }
}

#[test]
fn a_closed_window_is_probed() {
    let mut t = Bench::open();
    t.a(A, 101, 501, b"abc");
    let closed = |ack| crate::link::TcpSegment { window: 0, ..seg(A, 501, ack, b"") };
    assert!(t.feed(false, &closed(104)).has(Note::ZeroWindow));
    let n = t.a(A, 104, 501, b"d");
    assert!(n.has(Note::ZeroWindowProbe));
    let n = t.feed(false, &closed(104));
    assert!(n.has(Note::ZeroWindowProbeAck), "{:?}", n.names().collect::<Vec<_>>());
    // Refused, and sent again when the window opens.
    assert!(t.b(A, 501, 104, b"").has(Note::WindowUpdate));
    assert!(t.a(A, 104, 501, b"defg").has(Note::Retransmission));
    t.finish();
    assert_eq!(t.tape.text(AB), "abcdefg");
    assert!(t.tape.findings.is_empty());
}

#[test]
fn a_full_window_is_noted() {
    let mut t = Bench::default();
    let scaled = |s| crate::link::TcpSegment { window_scale: Some(2), ..s };
    t.feed(true, &scaled(seg(S, 100, 0, b"")));
    t.feed(false, &scaled(seg(S | A, 500, 101, b"")));
    t.feed(true, &crate::link::TcpSegment { window: 2, ..seg(A, 101, 501, b"") });
    let n = t.b(A, 501, 101, b"12345678");
    assert!(n.has(Note::WindowFull));
    assert_eq!(n.window, 4000);
}

#[test]
fn a_syn_ack_alone_proves_that_windows_are_scaled() {
    let scaled = |s| crate::link::TcpSegment { window_scale: Some(2), ..s };
    let mut t = Bench::default();
    t.feed(false, &scaled(seg(S | A, 500, 101, b"")));
    assert_eq!(t.b(A, 501, 101, b"").window, 4000);
    // A SYN only offers.
    let mut t = Bench::default();
    t.feed(true, &scaled(seg(S, 100, 0, b"")));
    assert_eq!(t.a(A, 101, 501, b"").window, 1000);
}

#[test]
fn duplicate_acks_and_a_fast_retransmission() {
    let mut t = Bench::open();
    t.a(A, 101, 501, b"abc");
    t.b(A, 501, 104, b"");
    t.a(A, 107, 501, b"ghi");
    for _ in 0..3 {
        assert!(t.b(A, 501, 104, b"").has(Note::DupAck));
    }
    assert!(t.a(A, 104, 501, b"def").has(Note::FastRetransmission));
    assert_eq!(t.tape.text(AB), "abcdefghi");
}

#[test]
fn sequence_numbers_wrap() {
    let mut t = Bench::default();
    t.a(S, u32::MAX - 2, 0, b"");
    t.b(S | A, u32::MAX, u32::MAX - 1, b"");
    t.a(A, 1, 0, b"defg");
    t.a(A, u32::MAX - 1, 0, b"abc");
    t.b(A, 0, 5, b"yes");
    assert_eq!((t.tape.text(AB), t.tape.text(BA)), ("abcdefg".into(), "yes".into()));
    assert!(t.tape.findings.is_empty());
}

#[test]
fn streams_grow_beyond_4_gib() {
    // Acknowledged, but not captured: gaps carry the offset on.
    let mut t = Bench::open();
    let step = 1_u32 << 29;
    let mut seq = 101_u32;
    for _ in 0..10 {
        seq = seq.wrapping_add(step);
        t.b(A, 501, seq, b"");
        t.now += 300_000_000;
        t.b(A, 501, seq, b"");
    }
    let n = t.a(A, seq, 501, b"here");
    assert_eq!(t.tape.runs[0].last().map(|r| r.0), Some(5 << 30));
    assert_eq!(n.seq, (5 << 30) + 1);
    assert_eq!(t.tape.at[0], (5 << 30) + 4);
}

#[test]
fn both_ends_open_at_once() {
    let mut t = Bench::default();
    t.a(S, 100, 0, b"");
    t.b(S, 500, 0, b"");
    t.a(S | A, 100, 501, b"");
    t.b(S | A, 500, 101, b"");
    t.a(A, 101, 501, b"ping");
    t.b(A, 501, 105, b"pong");
    assert_eq!((t.tape.text(AB), t.tape.text(BA)), ("ping".into(), "pong".into()));
    assert!(t.tape.findings.is_empty());
    assert_eq!(t.flow.client(), Some(AB));
}

#[test]
fn fin_brings_its_data_first() {
    let mut t = Bench::open();
    t.a(A | F, 101, 501, b"bye");
    assert_eq!((t.tape.text(AB).as_str(), t.tape.fin), ("bye", [true, false]));
    t.b(A, 501, 105, b"still");
    assert!(!t.flow.is_closed());
    t.b(A | F, 506, 105, b"");
    t.a(A, 105, 507, b"");
    assert!(t.flow.is_closed());
    assert_eq!((t.tape.text(BA).as_str(), t.tape.fin), ("still", [true, true]));
    // Again: noted, not told.
    assert!(t.b(A | F, 506, 105, b"").has(Note::Retransmission));
    assert!(t.tape.findings.is_empty());
    assert!(t.tape.gaps.iter().all(Vec::is_empty));
}

#[test]
fn fin_out_of_order_waits_for_what_is_before_it() {
    let mut t = Bench::open();
    t.a(A | F, 104, 501, b"def");
    t.b(A, 501, 108, b"");
    assert!(!t.tape.fin[0]);
    t.a(A, 101, 501, b"abc");
    assert!(t.tape.fin[0]);
    assert_eq!(t.tape.text(AB), "abcdef");
    assert!(t.tape.gaps[0].is_empty());
}

#[test]
fn a_fin_that_was_not_captured_is_no_gap() {
    let mut t = Bench::open();
    t.a(A, 101, 501, b"abc");
    assert!(t.b(A | F, 501, 105, b"").has(Note::AckedUnseen));
    t.now += 1_000_000_000;
    t.b(A, 502, 105, b"");
    t.finish();
    assert!(t.tape.gaps[0].is_empty());
}

#[test]
fn data_after_fin_is_not_of_the_stream() {
    let mut t = Bench::open();
    t.a(A | F, 101, 501, b"bye");
    t.a(A, 104, 501, b"more");
    t.a(A, 102, 501, b"ye+");
    t.finish();
    assert_eq!(t.tape.text(AB), "bye");
    assert_eq!(t.tape.codes(), ["tcp.data-after-fin"; 2]);
    let l = t.flow.ledger(AB);
    assert_eq!((l.captured, l.delivered, l.duplicate, l.foreign), (10, 3, 2, 5));
}

#[test]
fn fin_below_data_that_came_first_does_not_count() {
    let mut t = Bench::open();
    t.a(A, 106, 501, b"fgh");
    t.a(A | F, 101, 501, b"abc");
    t.a(A, 104, 501, b"de");
    assert_eq!((t.tape.text(AB).as_str(), t.tape.fin[0]), ("abcdefgh", false));
    assert_eq!(t.tape.codes(), ["tcp.data-after-fin"]);
}

#[test]
fn a_reset_ends_its_direction() {
    let mut t = Bench::open();
    t.a(A, 101, 501, b"abc");
    t.a(A, 107, 501, b"ghi");
    t.a(R | A, 110, 501, b"because");
    assert_eq!((t.tape.text(AB).as_str(), t.tape.reset), ("abcghi", [true, false]));
    assert_eq!(t.tape.gaps[0], [(3, 3)]);
    assert!(t.flow.is_closed());
    // Late data of the one that reset; what was under way from the other.
    t.a(A, 104, 501, b"def");
    t.b(A, 501, 104, b"under way");
    assert_eq!(t.tape.text(BA), "under way");
    t.a(R, 110, 0, b"");
    t.finish();
    assert_eq!(t.tape.codes(), ["tcp.rst-data", "tcp.gap", "tcp.data-after-reset"]);
}

#[test]
fn a_reset_outside_the_window_has_no_effect() {
    let mut t = Bench::open();
    t.a(A, 101, 501, b"abc");
    t.b(A, 501, 104, b"");
    t.a(R, 90_000_000, 0, b"");
    t.a(R, 50, 0, b"");
    t.a(A, 104, 501, b"def");
    t.finish();
    assert_eq!((t.tape.text(AB).as_str(), t.tape.reset[0]), ("abcdef", false));
    assert_eq!(t.tape.codes(), ["tcp.rst-out-of-window"; 2]);
}

#[test]
fn a_refused_connection() {
    let mut t = Bench::default();
    t.a(S, 100, 0, b"");
    t.b(R | A, 0, 101, b"");
    assert!(t.flow.is_closed());
    assert_eq!(t.tape.reset, [false, true]);
    t.finish();
    assert_eq!(t.tape.codes(), ["tcp.refused"]);
}

#[test]
fn a_half_open_connection_has_nothing_to_say() {
    let mut t = Bench::default();
    t.a(S, 100, 0, b"");
    assert!(t.a(S, 100, 0, b"").has(Note::Retransmission));
    t.finish();
    assert_eq!(t.tape.at, [0, 0]);
    assert!(t.tape.findings.is_empty() && !t.flow.is_closed());
}

#[test]
fn data_in_a_syn_comes_first() {
    // TCP Fast Open (RFC 7413): accepted, or sent again.
    for (acked, again) in [(106, false), (101, true)] {
        let mut t = Bench::default();
        t.a(S, 100, 0, b"early");
        t.b(S | A, 500, acked, b"");
        if again {
            t.a(A, 101, 501, b"early");
        }
        t.a(A, 106, 501, b" bird");
        assert_eq!(t.tape.text(AB), "early bird");
        assert!(t.tape.findings.is_empty());
    }
}

#[test]
fn urgent_data_is_data() {
    let mut t = Bench::open();
    t.a(A | crate::link::TcpFlags::URG, 101, 501, b"!");
    assert_eq!(t.tape.text(AB), "!");
}

#[test]
fn a_syn_in_an_open_connection_changes_nothing() {
    let mut t = Bench::open();
    t.a(A, 101, 501, b"abc");
    t.a(S, 9_000, 0, b"");
    t.a(A, 104, 501, b"def");
    assert_eq!(t.tape.text(AB), "abcdef");
    assert_eq!(t.tape.codes(), ["tcp.syn-in-connection"]);
}

#[test]
fn old_duplicates_and_far_numbers_are_not_of_the_stream() {
    let mut t = Bench::open();
    t.a(A, 101, 501, b"abc");
    t.a(A, 101_u32.wrapping_sub(5000), 501, b"ancient");
    t.a(A, 1_900_000_000, 501, b"future");
    t.a(A, 104, 501, b"def");
    t.finish();
    assert_eq!(t.tape.text(AB), "abcdef");
    assert_eq!(t.tape.codes(), ["tcp.late-data", "tcp.out-of-window"]);
}

#[test]
fn one_way_is_known_by_many_packets_of_one_end() {
    use crate::base::limits::GAP_PACKETS;
    let mut t = Bench::default();
    t.a(S, 100, 0, b"");
    for n in 1..GAP_PACKETS as u32 {
        assert!(!t.flow.is_one_way(), "after {n} packets");
        t.a(A, 100 + n, 501, b"x");
    }
    assert!(t.flow.is_one_way());
    // The other end is there after all.
    t.b(A, 501, 101, b"");
    assert!(!t.flow.is_one_way());
}

#[test]
fn a_refused_connection_is_told_with_its_syn_and_rst() {
    let mut t = Bench::default();
    t.a(S, 100, 0, b"");
    t.a(S, 100, 0, b"");
    t.b(R | A, 0, 101, b"");
    assert_eq!(t.tape.codes(), ["tcp.refused"]);
    let (_, f) = &t.tape.findings[0];
    assert_eq!(f.detail.as_deref(), Some("RST 1 ms after the last of 2 SYN"));
    assert_eq!(f.proof.iter().map(|p| p.0).collect::<Vec<_>>(), [2, 3]);
    // A reset of what had been accepted, and one that answers something else, are none.
    let mut t = Bench::open();
    t.b(R | A, 501, 101, b"");
    assert!(t.tape.codes().is_empty());
    let mut t = Bench::default();
    t.a(S, 100, 0, b"");
    t.b(R | A, 0, 100, b"");
    assert!(t.tape.codes().is_empty());
}

#[test]
fn the_round_trip_is_that_of_the_handshake() {
    assert_eq!(Bench::open().flow.round_trip(), Some(2_000_000));
    let mut joined = Bench::default();
    joined.a(A, 100, 500, b"data");
    joined.b(A, 500, 104, b"data");
    assert_eq!(joined.flow.round_trip(), None);
}
