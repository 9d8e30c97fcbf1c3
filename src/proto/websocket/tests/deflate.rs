//! permessage-deflate (RFC 7692).

use flate2::{Compress, Compression, FlushCompress};

use super::*;
use crate::base::limits::MAX_INFLATED_BYTES;

const TAKEOVER: &str = "permessage-deflate";
const FORGET: &str = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";

/// A sender as the RFC describes it (§7.2.1).
struct Sender {
    codec: Compress,
    takeover: bool,
}

impl Sender {
    fn new(takeover: bool) -> Self {
        Self { codec: Compress::new(Compression::default(), false), takeover }
    }

    fn message(&mut self, data: &[u8]) -> Vec<u8> {
        if !self.takeover {
            self.codec.reset();
        }
        let mut out = Vec::with_capacity(data.len() + 1024);
        let start = self.codec.total_in();
        loop {
            let done = (self.codec.total_in() - start) as usize;
            out.reserve(1024);
            self.codec.compress_vec(&data[done..], &mut out, FlushCompress::Sync).unwrap();
            if (self.codec.total_in() - start) as usize == data.len() && out.len() < out.capacity()
            {
                break;
            }
        }
        assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
        out.truncate(out.len() - 4);
        out
    }
}

#[test]
fn rfc_7692_examples() {
    // §7.2.3.1 in one frame and in two, §7.2.3.2 with the shared window,
    // §7.2.3.3 uncompressed, §7.2.3.4 with a final block, §7.2.3.5 in two blocks.
    let r = run(
        TAKEOVER,
        &[
            Bytes(S, hex("c1 07 f2 48 cd c9 c9 07 00")),
            Bytes(S, hex("c1 05 f2 00 11 00 00")),
            Bytes(S, hex("41 03 f2 48 cd 80 04 c9 c9 07 00")),
            Bytes(S, hex("c1 0b 00 05 00 fa ff 48 65 6c 6c 6f 00")),
            Bytes(S, hex("c1 08 f3 48 cd c9 c9 07 00 00")),
            Bytes(S, hex("c1 0d f2 48 05 00 00 00 ff ff ca c9 c9 07 00")),
        ],
    );
    assert_eq!(lines(&r, Level::Message), ["Hello"; 6]);
    assert_eq!(r.codes(), [""; 0]);
    let d = r.events[1].detail.as_ref().unwrap();
    assert_eq!(d.tree.number("websocket.message_length"), Some(5));
    assert_eq!(d.tree.number("websocket.compressed_length"), Some(7));
    let names: Vec<_> = d.origins.buffers().iter().map(|b| b.label).collect();
    assert_eq!(names, ["TCP stream", "inflated"]);
    let at = d.origins.locate(Span::bytes(BufferId(1), 1, 1));
    assert!(!at.exact);
    assert_eq!(at.ranges, [PacketRange { packet: PacketId(3), start: 56, len: 7 }]);
    // The frame shows what it carried.
    assert_eq!(payload(&r, Level::Frame, 0), hex("f2 48 cd c9 c9 07 00"));
}

#[test]
fn a_final_block_without_more_ends_the_message() {
    // Senders that flush with BFINAL leave the empty block off (seen in the
    // wild); the window goes on: the third message is §7.2.3.2's.
    let r = run(
        TAKEOVER,
        &[
            Bytes(S, hex("c1 07 f3 48 cd c9 c9 07 00")),
            Bytes(S, hex("c1 07 f3 48 cd c9 c9 07 00")),
            Bytes(S, hex("c1 05 f2 00 11 00 00")),
            // A final block, and another one behind it in the same message.
            Bytes(S, hex("c1 0e f3 48 cd c9 c9 07 00 f3 48 cd c9 c9 07 00")),
        ],
    );
    assert_eq!(lines(&r, Level::Message), ["Hello", "Hello", "Hello", "HelloHello"]);
    assert_eq!(r.codes(), [""; 0]);
}

/// The window is that of the message, whatever is agreed of others (RFC 7692 §7.1.1): its blocks
/// refer back across a final one.
#[test]
fn a_block_refers_back_across_a_final_one() {
    let message = hex("c1 0c f3 48 cd c9 c9 07 00 f2 00 11 00 00");
    for extensions in [TAKEOVER, FORGET] {
        let acts = [Bytes(S, message.clone()), Bytes(S, message.clone())];
        let r = run(extensions, &acts);
        assert_eq!(lines(&r, Level::Message), ["HelloHello"; 2], "{extensions}");
        assert_eq!(r.codes(), [""; 0]);
    }
    // And into no other message.
    let acts = [Bytes(S, message), Bytes(S, hex("c1 05 f2 00 11 00 00"))];
    assert_eq!(run(FORGET, &acts).codes(), ["websocket.inflate-error"]);
}

/// Frames of the client that stand before the answer in the capture: what was guessed until
/// then gives way to what it says.
#[test]
fn a_late_answer_says_what_was_agreed() {
    let talk = |agreed: &str, first: &[u8], second: &[u8]| {
        let (mut r, mut m) = (Recorder::new(), start());
        let offer = [
            (":method", "GET"),
            (":path", "/chat"),
            ("Host", "example.com"),
            ("Sec-WebSocket-Key", KEY),
            ("Sec-WebSocket-Version", "13"),
            ("Sec-WebSocket-Extensions", "permessage-deflate; client_max_window_bits"),
        ];
        head(&mut r, &mut *m, C, &offer);
        r.bytes(&mut *m, C, &up(0xc1, first), 3);
        let mut answer = vec![(":status", "101"), ("Sec-WebSocket-Accept", ACCEPT)];
        if !agreed.is_empty() {
            answer.push(("Sec-WebSocket-Extensions", agreed));
        }
        head(&mut r, &mut *m, S, &answer);
        r.bytes(&mut *m, C, &up(0xc1, second), 3);
        r.codes()
    };
    let (hello, back) = (hex("f2 48 cd c9 c9 07 00"), hex("f2 00 11 00 00"));
    assert_eq!(talk(TAKEOVER, &hello, &back), [""; 0]);
    // Nothing may refer to another message any more.
    assert_eq!(talk(FORGET, &hello, &back), ["websocket.inflate-error"]);
    assert_eq!(talk(FORGET, &hello, &hello), [""; 0]);
    // What does not inflate is an error, not a wrong guess.
    assert_eq!(talk(TAKEOVER, &[], &hex("07 ff ff ff ff")), ["websocket.inflate-error"]);
    // There is no compression at all.
    assert_eq!(talk("", &hello, &hello), ["websocket.rsv-without-extension"]);
}

#[test]
fn a_tail_that_was_not_left_off_is_told_and_does_no_harm() {
    let r = run(
        TAKEOVER,
        &[
            Bytes(S, hex("c1 0b f2 48 cd c9 c9 07 00 00 00 ff ff")),
            Bytes(S, hex("c1 05 f2 00 11 00 00")),
            // Empty; in two frames; and once more without it.
            Bytes(S, hex("c1 05 00 00 00 ff ff")),
            Bytes(S, hex("41 09 f2 48 cd c9 c9 07 00 00 00 80 02 ff ff")),
            Bytes(S, hex("c1 07 f2 48 cd c9 c9 07 00")),
        ],
    );
    assert_eq!(lines(&r, Level::Message)[..2], ["Hello"; 2]);
    assert_eq!(lines(&r, Level::Message)[3..], ["Hello"; 2]);
    assert_eq!(r.codes(), ["websocket.tail-not-removed"; 3]);
}

#[test]
fn a_window_larger_than_agreed_is_told() {
    let word = b"a word that comes again and again";
    let mut x = 7_u32;
    let mut between = |len: usize| -> Vec<u8> {
        (0..len)
            .map(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (x >> 24) as u8 | 0x80
            })
            .collect()
    };
    for (gap, found) in [(300, false), (600, true)] {
        let text = [&word[..], &between(gap), word].concat();
        let limit = "permessage-deflate; server_max_window_bits=9";
        let sent = Sender::new(true).message(&text);
        let r = run(limit, &[Bytes(S, down(0xc2, &sent))]);
        let want: &[&str] = if found { &["websocket.window-exceeded"] } else { &[] };
        assert_eq!(r.codes(), want, "{gap}");
        assert_eq!(payload(&r, Level::Message, 0), text);
        // Of the other end nothing was asked.
        let r = run(limit, &[Bytes(C, up(0xc2, &sent))]);
        assert_eq!(r.codes(), [""; 0]);
        // Nor where nobody looks does it go unseen.
        let mut r = Recorder::new();
        r.wants = |_| false;
        let mut m = start();
        shake(&mut r, &mut *m, limit);
        act(&mut r, &mut *m, &[Bytes(S, down(0xc2, &sent))], 1460);
        assert_eq!(r.codes(), want, "{gap}, unseen");
    }
    // Across messages, which one codec of the sender's makes.
    let mut sender = Sender::new(true);
    let acts: Vec<Act> = [word.to_vec(), between(600), word.to_vec()]
        .iter()
        .map(|t| Bytes(S, down(0xc2, &sender.message(t))))
        .collect();
    let r = run("permessage-deflate; server_max_window_bits=9", &acts);
    assert_eq!(r.codes(), ["websocket.window-exceeded"]);
}

#[test]
fn empty_messages_compressed_or_not() {
    let r = run(
        TAKEOVER,
        &[
            Bytes(C, up(0xc1, &[0])),
            Bytes(C, up(0xc1, &[])),
            Bytes(C, up(0x81, &[])),
            Bytes(C, [up(0x41, &[]), up(0x00, &[]), up(0x80, &[0])].concat()),
        ],
    );
    assert_eq!(r.kinds(Level::Message), ["text"; 4]);
    assert!(r.events.iter().filter(|e| e.level == Level::Message).all(|e| e.length == 0));
    assert_eq!(r.codes(), [""; 0]);
}

fn conversation(extensions: &str, takeover: bool) -> Recorder {
    let mut ends = [Sender::new(takeover), Sender::new(takeover)];
    let mut acts = Vec::new();
    for n in 0..40_u32 {
        let text = format!("message {n} of a long conversation about message {} ", n / 2)
            .repeat(1 + n as usize * n as usize % 37);
        let [client, server] = &mut ends;
        let packed = client.message(text.as_bytes());
        let (a, b) = packed.split_at(packed.len() / 3);
        match n % 4 {
            0 => acts.push(Bytes(C, up(0xc1, &packed))),
            // Not compressed: RSV1 is clear, and it enters no window.
            1 => {
                acts.push(Bytes(C, up(0x81, b"plain between")));
                acts.push(Bytes(C, [up(0x41, a), up(0x89, b"?"), up(0x80, b)].concat()));
            }
            2 => acts.push(Bytes(C, [up(0x42, a), up(0x00, &[]), up(0x80, b)].concat())),
            _ => acts.push(Bytes(C, [up(0x41, &[]), up(0x80, &packed)].concat())),
        }
        acts.push(Bytes(S, down(0xc2, &server.message(text.as_bytes()))));
    }
    let r = run(extensions, &acts);
    assert_eq!(r.codes(), [""; 0]);
    let mut n = 0;
    for (i, e) in r.events.iter().filter(|e| e.level == Level::Message).enumerate() {
        if e.kind == "ping" || payload(&r, Level::Message, i) == b"plain between" {
            continue;
        }
        let (k, text) = (n / 2, String::from_utf8_lossy(payload(&r, Level::Message, i)));
        assert!(text.starts_with(&format!("message {k} of a long")), "{n}: {text}");
        assert_eq!(text.matches("conversation").count(), 1 + k * k % 37);
        n += 1;
    }
    assert_eq!(n, 80);
    r
}

#[test]
fn with_context_takeover_both_ways() {
    conversation(TAKEOVER, true);
    // A receiver that keeps its window also reads a sender that does not use it.
    conversation(TAKEOVER, false);
}

#[test]
fn without_context_takeover_both_ways() {
    conversation(FORGET, false);
    conversation(
        "permessage-deflate; server_no_context_takeover; client_no_context_takeover; client_max_window_bits=\"15\"",
        false,
    );
}

/// A copy taken between any two messages reads the rest alike; within a
/// compressed message there is none.
#[test]
fn a_copy_starts_from_the_window() {
    for takeover in [true, false] {
        let mut sender = Sender::new(takeover);
        // More than a window of what does not repeat soon.
        let mut x = 1_u32;
        let text: Vec<u8> = (0..50_000)
            .map(|_| {
                x = x.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                b'a' + (x >> 24) as u8 % 26
            })
            .collect();
        let parts: Vec<&[u8]> =
            vec![&text[..], &text[20_000..40_000], &text[45_000..], &text[18_000..25_000]];
        let mut r = Recorder::new();
        let mut m = start();
        shake(&mut r, &mut *m, if takeover { TAKEOVER } else { FORGET });
        for p in &parts {
            let f = up(0xc1, &sender.message(p));
            r.bytes(&mut *m, C, &f[..f.len() / 2], 1460);
            assert!(m.fork().is_none());
            r.bytes(&mut *m, C, &f[f.len() / 2..], 1460);
            m = m.fork().unwrap();
        }
        assert_eq!(r.codes(), [""; 0]);
        for (n, p) in parts.iter().enumerate() {
            assert_eq!(payload(&r, Level::Message, n), *p, "message {n}");
        }
    }
}

#[test]
fn after_an_error_nothing_wrong_is_shown() {
    let mut sender = Sender::new(true);
    let first = sender.message(b"all is well, all is well");
    let second = sender.message(b"all is well, and this is damaged");
    let third = sender.message(b"all is well, all is well again");
    // Block type 3 does not exist.
    let damaged = [&second[..2], &[0xff; 20]].concat();
    let cut = second[..second.len() - 3].to_vec();
    let acts = |second: &[u8], third: &[u8]| {
        vec![
            Bytes(S, down(0xc1, &first)),
            Bytes(S, down(0xc1, second)),
            Bytes(S, down(0xc1, third)),
            Bytes(S, down(0x81, b"plain")),
        ]
    };
    // The tail of the second message is read as something else than a tail.
    for second in [&damaged, &cut, &hex("07"), &hex("04 00"), &hex("f2 48")] {
        let r = run(TAKEOVER, &acts(second, &third));
        assert_eq!(r.codes(), ["websocket.inflate-error", "websocket.context-lost"], "{second:x?}");
        assert_eq!(payload(&r, Level::Message, 0), b"all is well, all is well");
        assert_eq!(payload(&r, Level::Message, 1), *second);
        assert_eq!(payload(&r, Level::Message, 2), third);
        assert_eq!(payload(&r, Level::Message, 3), b"plain");
        assert!(lines(&r, Level::Message)[2].starts_with("not inflated, "));
        // Without a shared window the next message stands by itself.
        let mut fresh = Sender::new(false);
        let r = run(FORGET, &acts(second, &fresh.message(b"by itself")));
        assert_eq!(r.codes(), ["websocket.inflate-error"], "{second:x?}");
        assert_eq!(payload(&r, Level::Message, 2), b"by itself");
    }
}

/// One codec reads message after message; behind a final block and behind an empty
/// message it starts again from the window.
#[test]
fn messages_go_on_where_the_last_one_ended() {
    let mut sender = Sender::new(true);
    let words = b"the same words, the same words, and again";
    let mut acts = Vec::new();
    let mut want: Vec<&[u8]> = Vec::new();
    for n in 0..6 {
        acts.push(Bytes(S, down(0xc1, &sender.message(words))));
        want.push(words);
        // An empty fixed block, and one that is final.
        acts.push(Bytes(S, down(0xc1, &hex(if n % 2 == 0 { "02 00" } else { "03 00" }))));
        want.push(b"");
    }
    let r = run(TAKEOVER, &acts);
    assert_eq!(r.codes(), [""; 0]);
    for (n, w) in want.iter().enumerate() {
        assert_eq!(payload(&r, Level::Message, n), *w, "message {n}");
    }
}

#[test]
fn a_bomb_is_named_and_not_run() {
    let mut sender = Sender::new(true);
    let bomb = sender.message(&vec![0; MAX_INFLATED_BYTES + 1]);
    let after = sender.message(b"after");
    let mut r = Recorder::new();
    let mut m = start();
    shake(&mut r, &mut *m, TAKEOVER);
    r.bytes(&mut *m, C, &up(0xc2, &bomb), 1 << 16);
    r.bytes(&mut *m, C, &up(0xc1, &after), 1 << 16);
    assert_eq!(r.codes(), ["websocket.inflate-limit"]);
    assert_eq!(payload(&r, Level::Message, 0), bomb);
    // It refers to nothing before it.
    assert_eq!(payload(&r, Level::Message, 1), b"after");
    assert!(r.inflated <= MAX_INFLATED_BYTES as u64 + (32 << 10));
    // Exactly the limit is allowed.
    let mut r = Recorder::new();
    r.wants = |_| false;
    let mut m = start();
    shake(&mut r, &mut *m, TAKEOVER);
    let full = Sender::new(true).message(&vec![0; MAX_INFLATED_BYTES]);
    r.bytes(&mut *m, C, &up(0xc2, &full), 1 << 16);
    assert_eq!(r.codes(), ["websocket.message-over-limit"]);
    assert_eq!(r.events[1].length, MAX_INFLATED_BYTES as u64);
}

#[test]
fn final_blocks_are_counted() {
    // Empty final blocks of two bytes: each starts the codec afresh.
    for (n, want) in [(1000, &[][..]), (5000, &["websocket.inflate-limit"])] {
        let mut r = Recorder::new();
        let mut m = start();
        shake(&mut r, &mut *m, TAKEOVER);
        r.bytes(&mut *m, C, &up(0xc2, &hex("03 00").repeat(n)), 1460);
        assert_eq!(r.codes(), want);
    }
}

#[test]
fn without_the_answer_what_inflates_by_itself_is_inflated() {
    let mut r = Recorder::new();
    let mut m = start();
    // A message that refers to an earlier one, which was not captured.
    let mut sender = Sender::new(true);
    sender.message(b"a message of some length");
    let second = sender.message(b"a message of some length, and again");
    r.bytes(&mut *m, S, &down(0xc1, &second), 3);
    r.bytes(&mut *m, S, &down(0xc1, &second), 3);
    r.bytes(&mut *m, S, &hex("c1 07 f2 48 cd c9 c9 07 00"), 3);
    r.bytes(&mut *m, S, &down(0x81, b"plain"), 3);
    // The window of the second is known, and the third refers to it.
    r.bytes(&mut *m, S, &hex("c1 05 f2 00 11 00 00"), 3);
    r.end(&mut *m, S, EndCause::CaptureEnded);
    let line = lines(&r, Level::Message)[0];
    assert!(line.starts_with("not inflated, "), "{line}");
    // Told once, of the session, however many messages there are of the kind.
    r.end(&mut *m, C, EndCause::CaptureEnded);
    let told: Vec<_> = r
        .events
        .iter()
        .flat_map(|e| e.findings.iter().map(move |f| (e.kind, f.spec.code, f.detail.as_deref())))
        .collect();
    assert_eq!(told, [("session", "websocket.extensions-unknown", Some("2 messages"))]);
    assert_eq!(payload(&r, Level::Message, 0), second);
    assert_eq!(payload(&r, Level::Message, 1), second);
    assert_eq!(payload(&r, Level::Message, 2), b"Hello");
    assert_eq!(payload(&r, Level::Message, 3), b"plain");
    assert_eq!(payload(&r, Level::Message, 4), b"Hello");
    assert!(r.events.iter().all(|e| e.inferred));
}

#[test]
fn utf8_is_checked_after_inflation() {
    let mut s = Sender::new(true);
    let good = s.message("a€".repeat(9000).as_bytes());
    let bad = s.message(&[&"é".repeat(20_000).into_bytes()[..], b"\xff"].concat());
    let r = run(TAKEOVER, &[Bytes(C, up(0xc1, &good)), Bytes(C, up(0xc1, &bad))]);
    assert_eq!(r.codes(), ["websocket.bad-utf8"]);
    let f = &r.events[3].findings[0];
    assert_eq!(f.detail.as_deref(), Some("at byte 40000"));
    assert_eq!(f.span, Some(Span::bytes(BufferId(2), 40_000, 1)));
}
