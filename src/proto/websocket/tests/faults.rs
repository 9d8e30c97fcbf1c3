//! Each finding from the bytes that deserve it, with its section.

use super::*;

/// Runs `acts`; the only findings are `want`: code and section.
fn faulty(acts: &[Act], want: &[(&str, &str)]) -> Recorder {
    let r = run("", acts);
    found(&r, want);
    r
}

fn found(r: &Recorder, want: &[(&str, &str)]) {
    let got: Vec<_> = r
        .events
        .iter()
        .flat_map(|e| &e.findings)
        .chain(&r.findings)
        .map(|f| (f.spec.code, f.spec.reference))
        .collect();
    assert_eq!(got, want);
}

#[test]
fn masks() {
    faulty(&[Bytes(C, down(0x81, b"x"))], &[("websocket.client-unmasked", "RFC 6455 §5.1")]);
    let r = faulty(&[Bytes(S, up(0x81, b"x"))], &[("websocket.server-masked", "RFC 6455 §5.1")]);
    assert_eq!(lines(&r, Level::Message), ["x"]);
}

#[test]
fn reserved_bits() {
    let want = ("websocket.rsv-without-extension", "RFC 6455 §5.2");
    for first in [0xc1, 0xa1, 0x91] {
        faulty(&[Bytes(C, up(first, b"x"))], &[want]);
    }
    let r = run("permessage-deflate", &[Bytes(C, up(0xa1, b"x"))]);
    found(&r, &[want]);
    let misplaced = ("websocket.rsv1-misplaced", "RFC 7692 §6.1");
    let r = run("permessage-deflate", &[Bytes(C, up(0xc9, b"x"))]);
    found(&r, &[misplaced]);
    let r = run(
        "permessage-deflate",
        &[Bytes(C, [up(0x41, &hex("f2 48 cd")), up(0xc0, &hex("c9 c9 07 00"))].concat())],
    );
    found(&r, &[misplaced]);
    assert_eq!(lines(&r, Level::Message), ["Hello"]);
    // An extension that is not known may use any bit.
    let r = run("permessage-deflate, x-other", &[Bytes(C, up(0xa1, b"x"))]);
    found(
        &r,
        &[
            ("websocket.extension-not-offered", "RFC 6455 §4.1"),
            ("websocket.unknown-extension", "RFC 6455 §9"),
        ],
    );
}

#[test]
fn reserved_opcodes() {
    for op in [3, 7, 0xb, 0xf] {
        let r = faulty(
            &[Bytes(C, up(0x80 | op, b"x")), Bytes(C, up(0x81, b"go on"))],
            &[("websocket.reserved-opcode", "RFC 6455 §5.2")],
        );
        assert_eq!(r.kinds(Level::Frame), ["reserved", "text"]);
        assert_eq!(lines(&r, Level::Message), ["go on"]);
    }
}

#[test]
fn control_frames() {
    faulty(&[Bytes(C, up(0x09, b"x"))], &[("websocket.fragmented-control", "RFC 6455 §5.5")]);
    faulty(&[Bytes(C, up(0x89, &[b'x'; 125]))], &[]);
    let r = faulty(
        &[Bytes(C, up(0x89, &[b'x'; 126]))],
        &[("websocket.control-too-long", "RFC 6455 §5.5")],
    );
    assert_eq!(payload(&r, Level::Message, 0).len(), 126);
}

#[test]
fn lengths() {
    let waste = ("websocket.length-not-minimal", "RFC 6455 §5.2");
    faulty(&[Bytes(S, hex("82 7e 00 01 aa"))], &[waste]);
    faulty(&[Bytes(S, hex("82 7f 00 00 00 00 00 00 00 01 aa"))], &[waste]);
    faulty(&[Bytes(S, [hex("82 7f 00 00 00 00 00 00 ff ff"), vec![0; 65535]].concat())], &[waste]);
    faulty(&[Bytes(S, [hex("82 7e 00 7e"), vec![0; 126]].concat())], &[]);
    let r = faulty(
        &[Bytes(S, hex("82 7f ff ff ff ff ff ff ff ff aa bb")), End(S, EndCause::Finished)],
        &[
            ("websocket.length-top-bit", "RFC 6455 §5.2"),
            ("websocket.truncated", "RFC 6455 §7.1.7"),
            ("websocket.truncated", "RFC 6455 §7.1.7"),
        ],
    );
    assert_eq!((r.events[0].length, r.events[0].complete), (u64::MAX, false));
    assert_eq!((r.events[1].length, r.events[1].complete), (2, false));
}

#[test]
fn order_of_frames() {
    let r = faulty(
        &[Bytes(C, [up(0x00, b"a"), up(0x80, b"b"), up(0x81, b"c")].concat())],
        &[
            ("websocket.orphan-continuation", "RFC 6455 §5.4"),
            ("websocket.orphan-continuation", "RFC 6455 §5.4"),
        ],
    );
    assert_eq!(lines(&r, Level::Message), ["c"]);
    let r = faulty(
        &[Bytes(C, [up(0x01, b"a"), up(0x82, b"b"), up(0x80, b"c")].concat())],
        &[
            ("websocket.unfinished-message", "RFC 6455 §5.4"),
            ("websocket.interleaved-message", "RFC 6455 §5.4"),
            ("websocket.orphan-continuation", "RFC 6455 §5.4"),
        ],
    );
    assert_eq!(r.kinds(Level::Message), ["text", "binary"]);
    let r = faulty(
        &[Bytes(C, [up(0x88, b""), up(0x8a, b""), up(0x81, b"late")].concat())],
        &[("websocket.frame-after-close", "RFC 6455 §5.5.1")],
    );
    // The other direction may still speak.
    assert_eq!(lines(&r, Level::Message), ["no status code", "0 bytes", "late"]);
    faulty(&[Bytes(C, up(0x88, b"")), Bytes(S, down(0x81, b"still"))], &[]);
}

#[test]
fn close_bodies() {
    for code in [0_u16, 999, 1004, 1005, 1006, 1015, 5000] {
        faulty(
            &[Bytes(C, up(0x88, &code.to_be_bytes()))],
            &[("websocket.bad-close-code", "RFC 6455 §7.4")],
        );
    }
    for code in [1000_u16, 1014, 3000, 4999] {
        faulty(&[Bytes(C, up(0x88, &code.to_be_bytes()))], &[]);
    }
    faulty(
        &[Bytes(C, up(0x88, &1016_u16.to_be_bytes()))],
        &[("websocket.unassigned-close-code", "RFC 6455 §7.4.2")],
    );
    let r = faulty(&[Bytes(C, up(0x88, &[3]))], &[("websocket.close-one-byte", "RFC 6455 §5.5.1")]);
    assert_eq!(lines(&r, Level::Message), ["no status code"]);
    let r = faulty(
        &[Bytes(S, down(0x88, b"\x03\xe8ok\xff"))],
        &[("websocket.bad-utf8", "RFC 6455 §8.1")],
    );
    let f = &r.events[1].findings[0];
    assert_eq!(f.detail.as_deref(), Some("at byte 2 of the reason"));
    assert_eq!(f.span, Some(Span::bytes(BufferId(0), 6, 1)));
}

#[test]
fn text_that_is_none() {
    let want = ("websocket.bad-utf8", "RFC 6455 §8.1");
    let r = faulty(&[Bytes(C, up(0x81, b"ab\xc0\xafcd"))], &[want]);
    let f = &r.events[1].findings[0];
    assert_eq!(f.detail.as_deref(), Some("at byte 2"));
    assert_eq!(f.span, Some(Span::bytes(BufferId(1), 2, 1)));
    // A character may be cut by a frame, but not by the end of the message.
    faulty(&[Bytes(S, [down(0x01, b"\xe2\x82"), down(0x80, b"\xac")].concat())], &[]);
    faulty(&[Bytes(S, [down(0x01, b"\xe2"), down(0x80, b"\x82")].concat())], &[want]);
    faulty(&[Bytes(S, down(0x82, b"\xff"))], &[]);
}

#[test]
fn what_the_end_cuts_off() {
    let want = ("websocket.truncated", "RFC 6455 §7.1.7");
    for cause in [EndCause::Finished, EndCause::CaptureEnded] {
        let r = faulty(&[Bytes(S, hex("81 05 48 65")), End(S, cause)], &[want, want]);
        assert!(r.events.iter().take(2).all(|e| !e.complete));
        assert_eq!(payload(&r, Level::Message, 0), b"He");
        // In the middle of a head.
        for cut in 1..8 {
            let data = hex("82 fe 01 00 37 fa 21 3d");
            let r = faulty(&[Bytes(C, data[..cut].to_vec()), End(C, cause)], &[want]);
            assert_eq!((r.events[0].kind, r.events[0].complete), ("binary", false));
        }
        // Between two fragments: all frames are whole, the message is not.
        let r = faulty(&[Bytes(C, up(0x01, b"Hel")), End(C, cause)], &[want]);
        assert_eq!((r.events[0].complete, r.events[1].complete), (true, false));
    }
    // A whole character is still to come: that is no fault of the text.
    faulty(&[Bytes(S, hex("81 05 e2 82")), End(S, EndCause::CaptureEnded)], &[want, want]);
    // What came out of the inflater so far is right.
    let r = run(
        "permessage-deflate",
        &[Bytes(S, hex("41 0d f2 48 05 00 00 00 ff ff ca c9 c9 07 00")), Reset(S)],
    );
    found(&r, &[want, ("websocket.abnormal-closure", "RFC 6455 §7.1.5")]);
    assert_eq!(payload(&r, Level::Message, 0), b"Hello");
}

#[test]
fn a_hole_that_a_pong_answers_is_a_ping() {
    let ping = b"are you there?";
    for (side, head, size) in [(C, 6, 99), (S, 2, 99), (C, 6, 1), (S, 2, 3)] {
        let f =
            |side, first, data: &[u8]| if side == C { up(first, data) } else { down(first, data) };
        let of = |pong: &[u8], missing: u64, late: bool| {
            let before = Bytes(side, f(side, 0x01, b"one message "));
            let answer = Bytes(side.peer(), f(side.peer(), 0x8a, pong));
            let behind = Bytes(side, f(side, 0x80, b"in two"));
            let hole = Gap(side, missing);
            let acts =
                if late { [answer, before, hole, behind] } else { [before, answer, hole, behind] };
            let (mut r, mut m) = (Recorder::new(), start());
            shake(&mut r, &mut *m, "");
            act(&mut r, &mut *m, &acts, size);
            let whole = r.events.iter().filter(|e| e.kind == "text" && e.level == Level::Message);
            let whole: Vec<_> = whole.map(|e| (e.complete, e.inferred)).collect();
            // The hole is told in any case.
            assert!(r.events.iter().any(|e| e.kind == "gap"), "{:?}", r.gist());
            whole == [(true, true)] && payload(&r, Level::Message, 2) == b"one message in two"
        };
        assert!(of(ping, 14 + head, false));
        // Another length, a pong from before, or one that says nothing.
        assert!(!of(ping, 15 + head, false));
        assert!(!of(ping, 14 + head, true));
        assert!(!of(b"", head, false));
    }
}

#[test]
fn gaps() {
    let gap = ("websocket.gap", "RFC 6455 §5.2");
    // Within a payload: the next frame is known.
    let r = faulty(
        &[
            Bytes(C, up(0x82, &[7; 20])[..10].to_vec()),
            Gap(C, 13),
            Bytes(C, [&up(0x82, &[7; 20])[23..], &up(0x81, b"next")[..]].concat()),
        ],
        &[gap, gap],
    );
    assert_eq!(payload(&r, Level::Message, 0), [7; 7]);
    assert_eq!(lines(&r, Level::Message)[1], "next");
    assert_eq!(r.events.iter().map(|e| e.complete).collect::<Vec<_>>(), [false, false, true, true]);
    // Up to its last byte.
    let r = faulty(
        &[Bytes(C, up(0x82, &[7; 20])[..10].to_vec()), Gap(C, 16), Bytes(C, up(0x81, b"next"))],
        &[gap, gap],
    );
    assert_eq!(lines(&r, Level::Message)[1], "next");
    // Beyond it, and between frames: the next frame is looked for, and the hole told.
    for (cut, want) in [(10, 3), (3, 2), (26, 1)] {
        let r = run(
            "",
            &[
                Bytes(C, up(0x82, &[7; 20])[..cut].to_vec()),
                Gap(C, 40),
                // The end of a text.
                Bytes(C, up(0x81, b"of which the head is missing")[9..].to_vec()),
                Bytes(C, up(0x81, b"behind the hole")),
                Bytes(C, up(0x82, &[8; 20])),
                // The peer is not touched by it.
                Bytes(S, down(0x81, b"y")),
                End(C, EndCause::CaptureEnded),
            ],
        );
        let mut codes = r.codes();
        assert_eq!(codes.pop(), Some("websocket.unsynchronised"));
        assert_eq!(codes, vec!["websocket.gap"; want], "cut at {cut}");
        let hole = r.events.iter().find(|e| e.kind == "gap").unwrap();
        let tree = &hole.detail.as_ref().unwrap().tree;
        assert_eq!((hole.length, tree.number("websocket.gap_length")), (40, Some(40)));
        let behind: Vec<_> = r.events.iter().filter(|e| e.inferred).map(|e| e.kind).collect();
        assert_eq!(behind, ["unknown", "text", "text", "binary", "binary"]);
        let shown = lines(&r, Level::Message);
        assert!(shown.contains(&"behind the hole") && shown.contains(&"y"), "{shown:?}");
    }
    // Within a compressed message: that and the shared window are lost.
    let r = run(
        "permessage-deflate",
        &[
            Bytes(S, hex("c1 07 f2 48")),
            Gap(S, 2),
            Bytes(S, hex("c9 07 00")),
            Bytes(S, hex("c1 05 f2 00 11 00 00")),
        ],
    );
    found(&r, &[gap, gap, ("websocket.context-lost", "RFC 7692 §7.2.2")]);
    assert_eq!(payload(&r, Level::Message, 0), hex("f2 48 c9 07 00"));
}

/// Told to be WebSocket behind its handshake: no head comes, and the first bytes may
/// be missing.
#[test]
fn a_bare_stream() {
    let mut r = Recorder::new();
    let mut m = start();
    let acts = [
        Gap(C, 190),
        Gap(S, 200),
        Bytes(C, up(0x81, b"Hello")),
        Bytes(S, down(0x81, b"Hi")),
        Bytes(S, hex("c1 07 f2 48 cd c9 c9 07 00")),
        End(C, EndCause::CaptureEnded),
        End(S, EndCause::CaptureEnded),
    ];
    act(&mut r, &mut *m, &acts, 3);
    assert_eq!(lines(&r, Level::Message)[..2], ["Hello", "Hi"]);
    // That RSV1 means compression was not seen, but that is what it is.
    assert_eq!(payload(&r, Level::Message, 2), b"Hello");
    assert_eq!(r.codes(), [""; 0]);
    assert!(r.events.iter().all(|e| e.inferred));
}

/// Of a message whose first fragments are missing, the rest is shown as that.
#[test]
fn the_end_of_a_message() {
    let r = run(
        "",
        &[
            Bytes(S, down(0x01, b"first ")),
            Gap(S, 30),
            Bytes(S, down(0x00, b"before the last and ")),
            Bytes(S, down(0x80, b"the last of them")),
            Bytes(S, down(0x81, b"a message of its own")),
            End(S, EndCause::Finished),
        ],
    );
    let of = |level| -> Vec<_> {
        r.events.iter().filter(|e| e.level == level).map(|e| (e.kind, e.complete)).collect()
    };
    let hole = [("text", false), ("gap", false), ("continuation", false), ("text", true)];
    assert_eq!(of(Level::Message), hole);
    assert_eq!(lines(&r, Level::Message)[3], "a message of its own");
    let codes = ["websocket.gap", "websocket.gap", "websocket.beginning-missing"];
    assert_eq!(r.codes(), codes);
}

#[test]
fn a_hole_tells_what_of_it_is_known() {
    // Ten of forty bytes; in the hole the thirty, and a frame of eleven.
    let whole = up(0x81, &[b'x'; 40]);
    for (cut, len, want) in [
        (16, 41, "41 bytes, the first 30 of them the rest of a frame"),
        (46, 11, "11 bytes between frames"),
    ] {
        let acts = [Bytes(C, whole[..cut].to_vec()), Gap(C, len), Bytes(C, up(0x81, b"behind it"))];
        let r = run("", &acts);
        let hole = r.events.iter().find(|e| e.kind == "gap").expect("a hole");
        let told: Vec<_> = hole.findings.iter().filter_map(|f| f.detail.as_deref()).collect();
        assert_eq!(told, [want]);
    }
}
