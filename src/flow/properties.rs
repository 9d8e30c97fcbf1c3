//! What holds for any traffic.

use proptest::prelude::*;

use super::testing::*;
use crate::base::limits::MAX_REORDER_BYTES;
use crate::flow::{Dir, Ledger};
use crate::link::{PayloadOrigin, TcpFlags, TcpSegment};

/// A segment of a plan: bytes `from .. to` of the stream.
#[derive(Clone, Debug)]
struct Cut {
    from: usize,
    to: usize,
    dropped: bool,
    missing: usize,
    ack: Option<usize>,
}

fn stream(len: usize) -> Vec<u8> {
    // Neighbours differ, and so do bytes one segment apart.
    (0..len).map(|i| (i * 7 + i / 251) as u8).collect()
}

/// Cuts, permuted within a window, some of them again, some longer than they need be.
fn plan(lossy: bool) -> impl Strategy<Value = (Vec<Cut>, usize)> {
    let step = (1_usize..90, 0_usize..8, any::<[u8; 4]>());
    proptest::collection::vec(step, 1..60).prop_map(move |steps| {
        let mut at = 0;
        let mut cuts: Vec<(usize, Cut)> = Vec::new();
        for (i, (len, jitter, [again, longer, lost, ack])) in steps.into_iter().enumerate() {
            let (from, to) = (at, at + len);
            at = to;
            let dropped = lossy && lost < 40;
            let missing = if lossy && lost > 230 { len / 2 } else { 0 };
            let ack = (ack < 90).then_some(to);
            cuts.push((i + jitter, Cut { from, to, dropped, missing, ack }));
            if again < 80 {
                let from = from.saturating_sub(usize::from(longer) % 50);
                let cut = Cut { from, to, dropped: lossy && again < 20, missing: 0, ack: None };
                cuts.push((i + jitter + 1 + usize::from(again) % 7, cut));
            }
        }
        cuts.sort_by_key(|c| c.0);
        (cuts.into_iter().map(|c| c.1).collect(), at)
    })
}

fn feed(t: &mut Bench, cuts: &[Cut], data: &[u8], first: u32) {
    for c in cuts {
        t.now -= 990_000; // One packet each 10 µs.
        if !c.dropped {
            let payload = &data[c.from..c.to - c.missing];
            let missing = c.missing as u32;
            let s = seg(A, first.wrapping_add(c.from as u32), 501, payload);
            t.feed(true, &TcpSegment { missing, ..s });
        }
        if let Some(ack) = c.ack {
            t.b(A, 501, first.wrapping_add(ack as u32), b"");
        }
    }
}

fn balanced(l: Ledger) -> bool {
    l.captured == l.delivered + l.duplicate + l.late + l.foreign + l.held
}

proptest! {
    #[test]
    fn any_order_gives_the_stream((cuts, len) in plan(false), isn: u32, syn: bool, fin: bool) {
        let data = stream(len);
        let first = isn.wrapping_add(1);
        let mut t = Bench::default();
        if syn {
            t.a(S, isn, 0, b"");
            t.b(S | A, 500, first, b"");
        } else {
            // In the middle: a bare acknowledgement says where its sender is.
            t.a(A, first, 501, b"");
        }
        if fin {
            // Ahead of everything.
            t.a(A | F, first.wrapping_add(len as u32), 501, b"");
        }
        feed(&mut t, &cuts, &data, first);
        t.finish();
        prop_assert_eq!(&t.tape.data[0], &data);
        prop_assert!(t.tape.gaps[0].is_empty());
        prop_assert!(t.tape.findings.is_empty(), "{:?}", t.tape.findings);
        prop_assert_eq!(t.tape.fin[0], fin);
        prop_assert!(balanced(t.flow.ledger(AB)));
    }

    #[test]
    fn with_losses_every_byte_is_right_or_in_a_gap((cuts, len) in plan(true), isn: u32) {
        let data = stream(len);
        let first = isn.wrapping_add(1);
        let mut t = Bench::default();
        t.a(S, isn, 0, b"");
        t.b(S | A, 500, first, b"");
        feed(&mut t, &cuts, &data, first);
        t.finish();
        // The tape has seen to it that nothing overlaps and nothing is left out.
        let mut known = Vec::new();
        let mut given = t.tape.data[0].as_slice();
        for (offset, n, ..) in &t.tape.runs[0] {
            let (run, rest) = given.split_at(*n);
            prop_assert_eq!(run, &data[*offset as usize..*offset as usize + n]);
            given = rest;
            known.extend(*offset as usize..*offset as usize + n);
        }
        // What was captured is delivered, unless it came too late.
        let late = t.flow.ledger(AB).late > 0;
        for c in cuts.iter().filter(|c| !c.dropped) {
            for i in c.from..c.to - c.missing {
                prop_assert!(late || known.binary_search(&i).is_ok(), "byte {} was captured", i);
            }
        }
        let l = t.flow.ledger(AB);
        prop_assert!(balanced(l));
        prop_assert_eq!(l.delivered + l.gaps, t.tape.at[0]);
    }

    #[test]
    fn garbage_does_no_harm(
        segs in proptest::collection::vec(
            (any::<[u8; 4]>(), any::<u32>(), any::<u32>(), 0_usize..2000, any::<i32>()), 1..300),
        checkpoint in 0_usize..300,
    ) {
        let data = stream(2000);
        let mut t = Bench::default();
        let mut copy = None;
        for (i, ([flags, kind, who, snap], seq, ack, len, time)) in segs.iter().enumerate() {
            if i == checkpoint {
                copy = Some(t.clone());
            }
            // Most are near each other, so that they meet.
            let near = |n: u32| if kind % 4 == 0 { n } else { n % 5000 };
            let origin = if kind % 7 == 0 { PayloadOrigin::Pieces(Vec::new()) } else { PayloadOrigin::Packet(*ack) };
            let flags = if kind % 3 == 0 { *flags } else { flags & TcpFlags::ACK };
            let s = TcpSegment {
                missing: if *snap < 30 { u32::from(*snap) * 1000 } else { 0 },
                window_scale: (kind % 5 == 0).then_some(*kind),
                origin,
                ..seg(flags, near(*seq), near(*ack), &data[..*len])
            };
            for bench in [Some(&mut t), copy.as_mut()].into_iter().flatten() {
                bench.now = bench.now.wrapping_add(i64::from(*time));
                bench.feed(who % 2 == 0, &s);
            }
            prop_assert!(t.flow.memory() < 2 * MAX_REORDER_BYTES + (1 << 20));
        }
        t.finish();
        for dir in Dir::BOTH {
            prop_assert!(balanced(t.flow.ledger(dir)), "{:?}", t.flow.ledger(dir));
            prop_assert_eq!(t.flow.ledger(dir).held, 0);
        }
        // From a checkpoint it goes the same way.
        if let Some(mut copy) = copy {
            copy.finish();
            prop_assert_eq!(&copy.tape.data, &t.tape.data);
            prop_assert_eq!(&copy.tape.gaps, &t.tape.gaps);
            prop_assert_eq!(copy.tape.codes(), t.tape.codes());
        }
    }
}
