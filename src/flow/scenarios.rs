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
