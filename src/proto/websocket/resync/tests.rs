//! Frames among other bytes.

use super::judge::content;
use super::*;
use crate::proto::websocket::mask::unmask;

fn style(masked: bool) -> Style {
    Style { masked, compression: Compression::Maybe, habits: Habits::default() }
}

fn at(data: &[u8], masked: bool, last: bool) -> Option<usize> {
    find(Piece { data, last, fronts: &[] }, &style(masked), true).at
}

fn frame(first: u8, body: &[u8]) -> Vec<u8> {
    assert!(body.len() < 126);
    [&[first, body.len() as u8], body].concat()
}

fn masked(first: u8, body: &[u8]) -> Vec<u8> {
    masked_by([0x37, 0xfa, 0x21, 0x3d], first, body)
}

fn masked_by(key: [u8; 4], first: u8, body: &[u8]) -> Vec<u8> {
    let mut b = Vec::new();
    unmask(key, 0, body, &mut b);
    [&[first, 0x80 | body.len() as u8], &key[..], &b].concat()
}

#[test]
fn a_text_at_the_front_of_what_follows_is_enough() {
    let f = frame(0x81, b"{\"temperature\": 21.5}");
    assert_eq!(at(&f, false, true), Some(0));
    assert_eq!(at(&masked(0x81, b"{\"temperature\": 21.5}"), true, true), Some(0));
    // The other end's, though, is none.
    assert_eq!(at(&f, true, true), None);
}

#[test]
fn the_end_of_a_text_is_passed_over() {
    let two = [frame(0x81, b"{\"a\": \"second\"}"), frame(0x81, b"{\"a\": \"third\"}")].concat();
    let data = [b"rest of the first message\"}".as_slice(), &two].concat();
    assert_eq!(at(&data, false, true), Some(27));
    let two = [masked(0x81, b"{\"a\": \"second\"}"), masked(0x81, b"{\"a\": \"third\"}")].concat();
    let tail = &masked(0x81, b"{\"a\": \"first, and some more of it\"}")[9..];
    let data = [tail, &two].concat();
    assert_eq!(at(&data, true, true), Some(tail.len()));
}

#[test]
fn a_short_frame_behind_a_long_rest_is_found_by_its_segment() {
    let mut x = 5_u32;
    let rest: Vec<u8> = (0..37_246)
        .map(|_| {
            x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (x >> 24) as u8
        })
        .collect();
    let text = masked(0x81, b"64 KiB");
    let close = masked_by([0x9c, 0x10, 0x4e, 0xb2], 0x88, b"\x03\xe8bye");
    let data = [&rest[..], &text, &close].concat();
    let (a, b) = (rest.len(), rest.len() + text.len());
    let found =
        |fronts: &[usize]| find(Piece { data: &data, last: true, fronts }, &style(true), true).at;
    assert_eq!(found(&[0, a, b]), Some(a));
    // Where every byte has a segment of its own, segments say nothing.
    let all: Vec<usize> = (0..data.len()).collect();
    assert_eq!(found(&all), found(&[]));
}

#[test]
fn behind_the_handshake_any_frame_is_one() {
    // Of a client, and not masked; then one that is.
    let odd = frame(0x81, b"hello");
    let data = [odd.clone(), masked(0x81, b"{\"a\": \"second\"}")].concat();
    let look =
        |mut s: Search, data: &[u8], fronts: &[usize]| s.look(data, true, fronts, &style(true));
    for opening in [Search::behind_handshake(), Search::behind_hole()] {
        let first = |at| if opening.opening { 0 } else { at };
        assert_eq!(look(opening, &data, &[0, 7]), Looked::Found(first(7)));
    }
    assert_eq!(look(Search::behind_handshake(), &odd, &[0]), Looked::Found(0));
    assert_eq!(look(Search::behind_hole(), &odd, &[0]), Looked::Skip(7));
    // What ends within a segment is no frame by that alone.
    assert_eq!(look(Search::behind_handshake(), &data, &[0]), Looked::Found(7));
    assert_eq!(look(Search::behind_handshake(), &odd[..6], &[0]), Looked::Skip(6));
}

#[test]
fn the_first_frames_of_what_is_said_to_be_it_do_not_wait() {
    let look = |search: Search, data: &[u8], masked| {
        let mut search = search;
        search.look(data, false, &[0], &style(masked))
    };
    let short = frame(0x81, b"msg 1");
    for (data, is_masked) in [
        (short.clone(), false),
        (masked(0x81, b"msg 1"), true),
        (frame(0x89, b""), false),
        ([short.clone(), frame(0x82, &[200, 3, 7])].concat(), false),
    ] {
        assert_eq!(look(Search::joined(), &data, is_masked), Looked::Found(0), "{data:x?}");
        // Behind a hole a frame may have been under way.
        assert!(matches!(look(Search::behind_hole(), &data, is_masked), Looked::Need(_)));
        // The rest of one, or one that goes on.
        for part in [&data[1..], &data[..data.len() - 1]] {
            assert_eq!(look(Search::joined(), part, is_masked), Looked::Need(1), "{part:x?}");
        }
    }
}

#[test]
fn what_repeats_itself_counts_once() {
    let key = [0x5b, 0x89, 0x84, 0x11];
    // Zeros under a key that reads like the head of a ping.
    let mut zeros = Vec::new();
    unmask(key, 1, &[0; 600], &mut zeros);
    assert_eq!(zeros[..2], [0x89, 0x84]);
    assert_eq!(at(&zeros, true, false), None);
    assert_eq!(at(&zeros, true, true), None);
    // Pings that are some, each under its own.
    let mut pings = Vec::new();
    for i in 0..12_u8 {
        pings.extend(masked_by([i.wrapping_mul(57), !i, i << 3, 200 - i], 0x89, b"ping"));
    }
    assert_eq!(at(&pings, true, false), Some(0));
}

#[test]
fn the_rest_of_a_head_is_none() {
    // 450 bytes of the middle of a text, so that its length reads as a head.
    let body = b"the middle of a long text, word for word. ".repeat(11);
    let (body, key) = (&body[..450], [0x37, 0xfa, 0x21, 0x3d]);
    let mut sent = Vec::new();
    unmask(key, 0, body, &mut sent);
    let data = [&[0x00, 0xfe, 0x01, 0xc2], &key[..], &sent].concat();
    for n in [64, 128, 256, data.len()] {
        let found = at(&data[..n], true, false);
        assert!(matches!(found, None | Some(0)), "{n}: {found:?}");
    }
    let end = masked_by([9, 8, 7, 6], 0x80, b"and its end, which is short.");
    assert_eq!(at(&[data, end].concat(), true, true), Some(0));
}

#[test]
fn what_breaks_a_rule_refutes_what_was_believed() {
    let judge = |t: &mut Trial, data: &[u8]| t.judge(data, true, &style(true), Some(false));
    let first = masked(0x82, &[1, 2, 3]);
    for bad in [
        masked_by([1, 2, 3, 4], 0x83, b"reserved"),
        masked_by([1, 2, 3, 4], 0xa2, b"RSV2"),
        masked_by([1, 2, 3, 4], 0x80, b"of nothing"),
        masked_by([1, 2, 3, 4], 0x09, b"part"),
        frame(0x82, b"not masked"),
        masked_by([1, 2, 3, 4], 0x81, &[0xff; 40]),
    ] {
        let mut t = Trial::default();
        assert_eq!(judge(&mut t, &first), Judged::Fits);
        assert_eq!(judge(&mut t, &bad), Judged::Refuted, "{bad:x?}");
        // Where enough has come, it is the peer's doing.
        let text = masked_by([5, 6, 7, 8], 0x81, b"{\"a text\": \"that is one\", \"b\": 1}");
        assert_eq!(judge(&mut Trial::default(), &text), Judged::Trusted);
    }
}

#[test]
fn heads_that_stand_close_are_not_all_inflated() {
    let mut trials = 100;
    let head = FrameHead { fin: true, rsv: 0b100, opcode: 1, ..FrameHead::default() };
    let body = [0x62; 60];
    for left in [40, 40] {
        content(&head, &body, (true, false), &style(false), &mut trials);
        assert_eq!(trials, left);
    }
}

#[test]
fn noise_is_not_taken_for_frames() {
    let mut x = 1_u64;
    let mut wrong = 0;
    for _ in 0..400 {
        let data: Vec<u8> = (0..4096)
            .map(|_| {
                x = x
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1_442_695_040_888_963_407);
                (x >> 56) as u8
            })
            .collect();
        for masked in [true, false] {
            wrong += usize::from(at(&data, masked, true).is_some());
        }
    }
    assert_eq!(wrong, 0);
}
