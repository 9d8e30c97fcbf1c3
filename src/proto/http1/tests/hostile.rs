//! Random talk made of pieces of HTTP.

use proptest::prelude::*;

use crate::base::Side::{self, Client, Server};
use crate::proto::EndCause::{CaptureEnded, Finished};
use crate::proto::harness::{Recorder, Told};
use crate::proto::http1::Http1;

use super::{GET, SWITCH, UPGRADE, lines, run};

/// Pieces of HTTP, so that random talk gets somewhere.
fn talk() -> impl Strategy<Value = Vec<(bool, Vec<u8>)>> {
    let pieces: &[&[u8]] = &[
        GET,
        UPGRADE,
        SWITCH,
        b"CONNECT h:1 HTTP/1.1\r\nHost: h:1\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nExpect: 100-continue\r\n\r\n",
        b"PUT / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 204 x\r\n\r\n",
        b"5\r\nhello\r\n",
        b"0\r\n\r\n",
        b"0\r\nX: 1\r\n\r\n",
        b"hello",
        b"\r\n",
        b"\n",
        b":",
        b" ",
    ];
    let piece = prop_oneof![
        8 => proptest::sample::select(pieces.to_vec()).prop_map(<[u8]>::to_vec),
        1 => proptest::collection::vec(any::<u8>(), 0..20),
    ];
    proptest::collection::vec((any::<bool>(), piece), 0..20)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn hostile_talk_never_panics(talk in talk(), gap in 0_u64..20, size in 1_usize..40) {
        let (mut r, mut m) = (Recorder::new(), Http1::new());
        for (i, (client, bytes)) in talk.iter().enumerate() {
            let side = if *client { Client } else { Server };
            if i == 7 && gap > 10 {
                r.gap(&mut m, side, gap);
            }
            r.bytes(&mut m, side, bytes, size);
        }
        r.end(&mut m, Client, CaptureEnded);
        r.end(&mut m, Server, Finished);
        // Every child that was opened was closed, told an end for each side, and
        // nothing behind it.
        for (key, (_, _, told)) in &r.children {
            prop_assert_eq!(told.last(), Some(&Told::Closed), "child {}", key);
            for side in Side::BOTH {
                let ends = told.iter().filter(|t| matches!(t, Told::End(s, _) if *s == side));
                prop_assert_eq!(ends.count(), 1, "child {} {}", key, side);
            }
            let closed = told.iter().filter(|t| **t == Told::Closed).count();
            prop_assert_eq!(closed, 1);
        }
    }

    #[test]
    fn chunks_do_not_show(talk in talk(), size in 1_usize..9) {
        // Said one after the other, so that order between the sides is the same.
        let said: Vec<(Side, &[u8])> = talk
            .iter()
            .map(|(c, b)| (if *c { Client } else { Server }, b.as_slice()))
            .collect();
        let (a, b) = (run(size, &said, CaptureEnded), run(1 << 20, &said, CaptureEnded));
        let each = |r: &Recorder, c| {
            lines(r).into_iter().filter(|l| !l.starts_with(c)).collect::<Vec<_>>()
        };
        prop_assert_eq!(each(&a, '>'), each(&b, '>'));
        prop_assert_eq!(each(&a, '<'), each(&b, '<'));
        let sorted = |r: &Recorder| {
            let mut c = r.codes();
            c.sort_unstable();
            c
        };
        prop_assert_eq!(sorted(&a), sorted(&b));
    }
}
