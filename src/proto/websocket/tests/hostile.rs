//! Bytes that mean harm: no panic, no hang, the same events for any chunks.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Bytes that look like frames often enough to get far.
fn framelike() -> impl Strategy<Value = Vec<u8>> {
    let frame = (any::<u8>(), any::<bool>(), vec(any::<u8>(), 0..40), 0..4_u8).prop_map(
        |(first, masked, body, how)| {
            let first = if how == 0 { first } else { first & 0xc3 };
            frame(first, masked.then_some([1, 2, 3, 4]), &body)
        },
    );
    prop_oneof![vec(frame, 0..12).prop_map(|f| f.concat()), vec(any::<u8>(), 0..200)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn anything_may_come(
        client in framelike(),
        server in framelike(),
        deflate in 0..3_usize,
        gap in 0..60_u64,
        finished in any::<bool>(),
    ) {
        let cause = if finished { EndCause::Finished } else { EndCause::CaptureEnded };
        let extensions =
            ["", "permessage-deflate", "permessage-deflate; client_no_context_takeover"][deflate];
        let mut acts = vec![Bytes(C, client.clone()), Bytes(S, server)];
        if gap > 30 {
            acts.push(Gap(C, gap - 30));
            acts.push(Bytes(C, client));
        }
        acts.extend([End(C, cause), End(S, cause)]);
        if gap <= 30 {
            prop_assert_eq!(run(extensions, &acts).kinds(Level::Exchange), ["session"]);
            return Ok(());
        }
        // Where frames begin behind a hole is inferred from where packets do, too: what is found
        // of bytes that are anything may differ.
        for size in [1 << 20, 1, 2, 3, 7, 1460] {
            let (mut r, mut m) = (Recorder::new(), start());
            shake(&mut r, &mut *m, extensions);
            act(&mut r, &mut *m, &acts, size);
            prop_assert_eq!(r.kinds(Level::Exchange), ["session"]);
        }
    }

    #[test]
    fn any_header_fields_may_come(
        version in "[ -~]{0,8}",
        key in "[ -~]{0,40}",
        offers in "[ -~]{0,60}",
        agreed in "(permessage-deflate)?[ -~]{0,60}",
    ) {
        let mut r = Recorder::new();
        let mut m = start();
        head(&mut r, &mut *m, C, &[
            ("sec-websocket-version", &version),
            ("sec-websocket-key", &key),
            ("sec-websocket-extensions", &offers),
        ]);
        head(&mut r, &mut *m, S, &[
            (":status", "101"),
            ("sec-websocket-extensions", &agreed),
            ("sec-websocket-protocol", &offers),
        ]);
        r.bytes(&mut *m, S, &hex("c1 07 f2 48 cd c9 c9 07 00"), 3);
    }

    #[test]
    fn one_frame_of_anything(data in vec(any::<u8>(), 0..64)) {
        if let Ok(f) = wire::frame(&data) {
            prop_assert!(f.len <= data.len());
        }
    }
}

#[test]
fn absurd_lengths_hold_no_memory() {
    let mut r = Recorder::new();
    r.wants = |_| false;
    let mut m = start();
    shake(&mut r, &mut *m, "");
    r.bytes(&mut *m, S, &hex("82 7f 7f ff ff ff ff ff ff ff"), 100);
    for _ in 0..64 {
        r.bytes(&mut *m, S, &[0x55; 16 << 10], 1460);
    }
    assert!(m.memory() < 64 << 10, "{}", m.memory());
}
