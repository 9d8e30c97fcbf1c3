//! Bytes that were not captured in the middle of a connection.

use super::*;

/// `:method: POST`, `:path: /`, `:scheme: http`.
const REQUEST: &[u8] = &[0x83, 0x84, 0x86];
/// `x: 1`, inserted.
const INSERT: &[u8] = b"\x40\x01x\x011";

/// Both ends, with `behind` after a hole of `len` bytes in `before` of the client.
fn holed(before: &[u8], len: u64, behind: &[u8], size: usize) -> Recorder {
    let mut m = Http2::default();
    let mut r = Recorder::new();
    r.bytes(&mut m, Side::Server, &frame(4, 0, 0, &[]), size);
    r.bytes(&mut m, Side::Client, &[hello(), before.to_vec()].concat(), size);
    r.gap(&mut m, Side::Client, len);
    r.bytes(&mut m, Side::Client, behind, size);
    for side in Side::BOTH {
        r.end(&mut m, side, EndCause::CaptureEnded);
    }
    r.events.iter().for_each(tiles);
    r
}

/// What the server sent in a hole it had sent before the packet behind it: of a stream that the
/// client opened after that packet, nothing can be in it.
#[test]
fn a_stream_that_began_behind_a_hole_is_whole() {
    let late = |r: &mut Recorder, m: &mut Http2, behind: &[u8], size: usize| {
        // Stream 1 was opened before the packet behind the hole, stream 3 after it.
        r.bytes(m, Side::Client, &[hello(), frame(1, 5, 1, REQUEST)].concat(), 1460);
        let packet = r.now;
        r.now.packet.0 += 50;
        r.now.time.0 += 50_000;
        r.bytes(m, Side::Client, &frame(1, 5, 3, REQUEST), 1460);
        let last = r.now;
        r.gap(m, Side::Server, 9);
        r.now = packet;
        r.bytes(m, Side::Server, behind, size);
        r.now = last;
    };
    let gap = Told::Gap(Side::Server, 0);
    for size in SIZES {
        let (mut r, mut m) = (Recorder::new(), Http2::default());
        r.bytes(&mut m, Side::Server, &frame(4, 0, 0, &[]), size);
        late(&mut r, &mut m, &frame(1, 5, 1, &[0x88]), size);
        assert!(r.children[&1].2.contains(&gap), "{:?}", r.children[&1].2);
        assert!(!r.children[&3].2.contains(&gap), "{:?}", r.children[&3].2);
    }
    // Nothing comes behind it: nobody knows when that was. Nor where the other end speaks first.
    for ends in [true, false] {
        let (mut r, mut m) = (Recorder::new(), Http2::default());
        r.bytes(&mut m, Side::Server, &frame(4, 0, 0, &[]), 1460);
        late(&mut r, &mut m, &[], 1460);
        if ends {
            r.end(&mut m, Side::Server, EndCause::CaptureEnded);
        } else {
            r.bytes(&mut m, Side::Client, &frame(3, 0, 3, &[0, 0, 0, 8]), 1460);
        }
        for id in [1, 3] {
            let told = &r.children[&id].2;
            assert_eq!(told.iter().filter(|t| **t == gap).count(), 1, "{id}: {told:?}");
            let at = told.iter().position(|t| *t == gap).unwrap();
            let end = told.iter().position(|t| matches!(t, Told::Reset(..)));
            assert!(end.is_none_or(|end| at < end), "{told:?}");
        }
    }
}

fn headers_of(r: &Recorder, stream: u64) -> Vec<(String, String)> {
    let told = &r.children[&stream].2;
    told.iter()
        .find_map(|t| match t {
            Told::Head(_, h, _) => Some(h.clone()),
            _ => None,
        })
        .unwrap()
}

#[test]
fn within_a_frame_the_place_is_known() {
    let data = frame(0, 1, 1, b"0123456789");
    let next = frame(1, 5, 3, &[REQUEST, &[0xbe]].concat());
    for size in SIZES {
        for (from, to) in [(9, 12), (12, 14), (14, 19), (10, 19)] {
            let before = [frame(1, 4, 1, &[REQUEST, INSERT].concat()), data[..from].to_vec()];
            let behind = [data[to..].to_vec(), next.clone()].concat();
            let r = holed(&before.concat(), (to - from) as u64, &behind, size);
            let codes = r.codes();
            assert_eq!(codes, ["http2.gap"], "{from}..{to}");
            // No header block was lost, so the entry is still the entry.
            assert_eq!(headers_of(&r, 3)[3], ("x".to_owned(), "1".to_owned()));
            let told = &r.children[&1].2;
            assert!(told.contains(&Told::Gap(Side::Client, (to - from) as u64)), "{told:?}");
            assert!(told.contains(&Told::End(Side::Client, EndCause::Finished)), "{told:?}");
            assert!(r.events.iter().all(|e| !e.inferred));
        }
    }
}

/// What is left of a large frame is no reason to wait for as much again.
#[test]
fn small_frames_behind_a_large_one_are_found_as_they_come() {
    let pings = frame(6, 0, 0, &[1; 8]).repeat(2);
    for rest in [100, 10_000, 300_000] {
        for size in [7, 1460, 1 << 20] {
            let mut m = Http2::default();
            let mut r = Recorder::new();
            r.bytes(&mut m, Side::Server, &frame(4, 0, 0, &[]), size);
            r.bytes(&mut m, Side::Client, &hello(), size);
            r.gap(&mut m, Side::Client, 500_000);
            r.bytes(&mut m, Side::Client, &vec![0xff; rest], size.max(1460));
            r.bytes(&mut m, Side::Client, &pings, size);
            let pings = r.events.iter().filter(|e| e.kind == "ping").count();
            assert_eq!(pings, 2, "{rest} bytes of another, in pieces of {size}");
        }
    }
}

#[test]
fn behind_lost_frames_others_are_found_and_older_entries_are_unknown() {
    let before = frame(1, 5, 1, &[REQUEST, INSERT].concat());
    // An older entry, one that is inserted since, and the older one again.
    let block = [REQUEST, &[0xbe], b"\x40\x01y\x012", &[0xbe, 0xbf]].concat();
    let behind = [b"the rest of a frame".to_vec(), frame(1, 5, 5, &block), frame(6, 0, 0, &[1; 8])];
    for size in SIZES {
        let r = holed(&before, 40, &behind.concat(), size);
        let known = |n: &str, v: &str| (n.to_owned(), v.to_owned());
        let list = headers_of(&r, 5);
        assert_eq!(list[3..], [known("", ""), known("y", "2"), known("y", "2"), known("", "")]);
        assert_eq!(
            r.codes(),
            ["http2.hpack-unknown-index", "http2.hpack-unknown-index", "http2.gap"],
            "{size}"
        );
        assert_eq!(r.kinds(Level::Frame)[4..], ["unknown", "headers", "ping"]);
        assert!(r.events[4..].iter().all(|e| e.inferred));
    }
}

/// A size that the encoder sets in a block that is lost must not shift the indices.
#[test]
fn a_lost_size_update_shifts_no_index() {
    let mut r = Recorder::new();
    let mut m = Http2::default();
    let small = frame(1, 5, 1, &[&[0x3f, 0x21][..], REQUEST].concat());
    r.bytes(&mut m, Side::Server, &frame(4, 0, 0, &[]), 7);
    r.bytes(&mut m, Side::Client, &[hello(), small].concat(), 7);
    // Here the encoder went back to 4096 bytes.
    r.gap(&mut m, Side::Client, 30);
    let long = [b"\x40\x01z\x64".to_vec(), vec![b'v'; 100]].concat();
    let block = [REQUEST, INSERT, &long, &[0xbe, 0xbf]].concat();
    let behind = [frame(1, 5, 3, &block), frame(6, 0, 0, &[1; 8])].concat();
    r.bytes(&mut m, Side::Client, &behind, 7);
    let list = headers_of(&r, 3);
    assert_eq!(list[5], ("z".to_owned(), "v".repeat(100)));
    assert_eq!(list[6], ("x".to_owned(), "1".to_owned()));
}

#[test]
fn a_frame_cut_in_its_header_or_block() {
    let lost = frame(1, 5, 1, &[REQUEST, INSERT].concat());
    let next = [frame(1, 5, 3, &[REQUEST, &[0xbe]].concat()), frame(6, 0, 0, &[1; 8])].concat();
    for n in 1..lost.len() {
        let r = holed(&lost[..n], (lost.len() - n) as u64, &next, 7);
        assert_eq!(headers_of(&r, 3)[3], (String::new(), String::new()), "{n}");
        assert!(r.codes().contains(&"http2.gap"));
    }
}

/// A response may be captured before its request, where bytes of that are late.
#[test]
fn a_late_request_is_no_fault() {
    let mut r = Recorder::new();
    let mut m = Http2::default();
    r.bytes(&mut m, Side::Client, &hello(), 7);
    let response = [frame(4, 0, 0, &[]), frame(1, 5, 1, &[0x88]), frame(3, 0, 1, &[0; 4])];
    r.bytes(&mut m, Side::Server, &response.concat(), 7);
    let request = [frame(1, 4, 1, REQUEST), frame(0, 1, 1, b"body")].concat();
    r.bytes(&mut m, Side::Client, &request, 7);
    for side in Side::BOTH {
        r.end(&mut m, side, EndCause::CaptureEnded);
    }
    assert_eq!(r.codes(), ["http2.stream-cancelled"]);
    let told = &r.children[&1].2;
    assert!(told.contains(&Told::Bytes(Side::Client, b"body".to_vec())), "{told:?}");
    // And without its request it is one.
    let mut r = Recorder::new();
    let mut m = Http2::default();
    r.bytes(&mut m, Side::Client, &hello(), 7);
    r.bytes(&mut m, Side::Server, &response.concat(), 7);
    for side in Side::BOTH {
        r.end(&mut m, side, EndCause::CaptureEnded);
    }
    assert_eq!(r.codes(), ["http2.stream-cancelled", "http2.stream-idle"]);
}

/// A larger table than the peer has allowed, by all that was captured: its settings may be in
/// the hole, and that there is one is known later.
#[test]
fn a_larger_table_may_have_been_allowed_in_a_hole() {
    // A size update to 8,192, then `:method: POST`, `:path: /`, `:scheme: http`.
    let block = [&[0x3f, 0xe1, 0x3f][..], &[0x83, 0x84, 0x86]].concat();
    let start = |r: &mut Recorder, m: &mut Http2| {
        r.bytes(m, Side::Client, &[PREFACE.to_vec(), frame(4, 0, 0, &[])].concat(), usize::MAX);
        r.bytes(m, Side::Client, &frame(1, 5, 1, &block), usize::MAX);
    };
    let end = |r: &mut Recorder, m: &mut Http2| {
        r.bytes(m, Side::Server, &frame(1, 5, 1, &[0x88]), usize::MAX);
        for side in Side::BOTH {
            r.end(m, side, EndCause::CaptureEnded);
        }
        r.codes()
    };
    // It was not: not at all, and by less than that. A larger one of the client's is another
    // table.
    for late in [&[][..], &[0, 1, 0, 0, 0x1f, 0xff]] {
        let (mut r, mut m) = (Recorder::new(), Http2::default());
        start(&mut r, &mut m);
        assert!(r.codes().is_empty(), "nobody knows yet: {:?}", r.codes());
        r.bytes(&mut m, Side::Server, &frame(4, 0, 0, late), usize::MAX);
        r.bytes(&mut m, Side::Client, &frame(4, 0, 0, &[0, 1, 0, 0, 0x40, 0]), usize::MAX);
        assert_eq!(end(&mut r, &mut m), ["http2.hpack-size-update"], "{late:?}");
    }
    // The settings had been seen: then it is told where it stands, whatever comes later.
    let (mut r, mut m) = (Recorder::new(), Http2::default());
    r.bytes(&mut m, Side::Server, &frame(4, 0, 0, &[]), usize::MAX);
    start(&mut r, &mut m);
    assert_eq!(r.codes(), ["http2.hpack-size-update"]);
    r.bytes(&mut m, Side::Server, &frame(4, 0, 0, &[0, 1, 0, 0, 0x10, 0]), usize::MAX);
    assert_eq!(end(&mut r, &mut m), ["http2.hpack-size-update"]);
    // It may have been.
    let (mut r, mut m) = (Recorder::new(), Http2::default());
    start(&mut r, &mut m);
    r.gap(&mut m, Side::Server, 15);
    assert_eq!(end(&mut r, &mut m), ["http2.gap"]);
    // It was, and came late.
    let (mut r, mut m) = (Recorder::new(), Http2::default());
    start(&mut r, &mut m);
    r.bytes(&mut m, Side::Server, &frame(4, 0, 0, &[0, 1, 0, 0, 0x20, 0]), usize::MAX);
    assert!(end(&mut r, &mut m).is_empty());
}

/// Settings that come behind what they allow in the capture: one rule for all of them.
#[test]
fn what_late_settings_allow_is_no_fault() {
    let large = frame(0, 0, 1, &vec![0; 20_000]);
    let talk = |late: &[u8]| {
        let (mut r, mut m) = (Recorder::new(), Http2::default());
        r.bytes(&mut m, Side::Client, &hello(), usize::MAX);
        r.bytes(&mut m, Side::Client, &frame(1, 4, 1, &[0x83, 0x84, 0x86]), usize::MAX);
        r.bytes(&mut m, Side::Client, &large, usize::MAX);
        r.bytes(&mut m, Side::Server, &frame(4, 0, 0, late), usize::MAX);
        for side in Side::BOTH {
            r.end(&mut m, side, EndCause::CaptureEnded);
        }
        r.codes()
    };
    assert_eq!(talk(&[]), ["http2.frame-too-large"]);
    assert_eq!(talk(&[0, 5, 0, 0, 0x4e, 0x1f]), ["http2.frame-too-large"], "19,999 bytes");
    assert_eq!(talk(&[0, 5, 0, 0, 0x4e, 0x20]), [""; 0], "20,000 bytes");
}
