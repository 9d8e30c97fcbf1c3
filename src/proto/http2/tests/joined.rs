//! Connections whose beginning was not captured.

use super::*;

const MESSAGE: &[u8] = b"\0\0\0\0\x07\x0a\x05Jason";

/// `:status: 200`, an entry that was not captured.
const RESPONSE: &[u8] = &[0x88, 0xbe];
/// An entry that was not captured, `grpc-message` as a literal.
const TRAILERS: &[u8] = b"\xbe\x00\x0cgrpc-message\x00";

fn heads_of(told: &[Told]) -> Vec<&'static str> {
    told.iter()
        .map(|t| match t {
            Told::Head(..) => "head",
            Told::Trailers(..) => "trailers",
            Told::Bytes(..) => "bytes",
            Told::End(..) => "end",
            Told::Closed => "closed",
            _ => "other",
        })
        .collect()
}

#[test]
fn data_without_headers_goes_to_its_stream() {
    let r = all_sizes(b"", &frame(0, 0, 3, MESSAGE).repeat(2));
    assert_eq!(r.codes(), ["http2.joined"]);
    assert_eq!(r.kinds(Level::Frame), ["data", "data"]);
    assert!(r.events.iter().all(|e| e.inferred && e.complete));
    let (how, stream, told) = &r.children[&3];
    assert_eq!((how.as_str(), *stream), ("exchange", Some(3)));
    assert_eq!(told[0], Told::Bytes(Side::Server, MESSAGE.repeat(2)));
}

#[test]
fn a_section_that_ends_what_was_before_is_trailers() {
    // Without data: no pseudo-header field, so no head.
    let r = all_sizes(b"", &frame(1, 5, 3, TRAILERS));
    assert_eq!(heads_of(&r.children[&3].2), ["trailers", "end", "end", "closed"]);
    // Behind data.
    let server = [frame(0, 0, 3, MESSAGE), frame(1, 5, 3, &[0xbe])].concat();
    let r = all_sizes(b"", &server);
    assert_eq!(heads_of(&r.children[&3].2), ["bytes", "trailers", "end", "end", "closed"]);
    // A response is one though it ends the stream.
    let r = all_sizes(b"", &frame(1, 5, 3, RESPONSE));
    assert_eq!(heads_of(&r.children[&3].2), ["head", "end", "end", "closed"]);
    // A stream that ended takes nothing more.
    let again = [server, frame(0, 0, 3, MESSAGE)].concat();
    let r = all_sizes(b"", &again);
    let codes = ["http2.hpack-unknown-index", "http2.stream-closed", "http2.joined"];
    assert_eq!(r.codes(), codes);
    assert_eq!(r.children[&3].2.len(), 5);
}

#[test]
fn older_entries_are_unknown_and_newer_ones_exact() {
    // 62 is not known; `x: 1` is inserted and is then 62; 63 is the old one.
    let block = b"\x83\xbe\x40\x01x\x011\xbe\xbf\x3f\xe1\x7f";
    let r = all_sizes(&frame(1, 4, 5, block), b"");
    let told = &r.children[&5].2;
    let Told::Head(Side::Client, list, false) = &told[0] else { panic!("{told:?}") };
    let expected = [(":method", "POST"), ("", ""), ("x", "1"), ("x", "1"), ("", "")];
    assert_eq!(list, &pairs(&expected));
    // The size is the encoder's; it stands late, which is its own fault.
    let codes = r.codes();
    assert_eq!(codes.iter().filter(|c| **c == "http2.hpack-unknown-index").count(), 2);
    assert!(!codes.contains(&"http2.hpack-size-update"), "{codes:?}");
    assert!(!codes.contains(&"http2.hpack-invalid-index"), "{codes:?}");
}

#[test]
fn what_may_have_been_before_is_no_fault() {
    let client = [
        frame(9, 4, 7, &[0xbe]),
        frame(8, 0, 9, &[0, 0, 0, 5]),
        frame(3, 0, 11, &[0, 0, 0, 8]),
        frame(1, 5, 3, &[0x83, 0x86, 0x84]),
        frame(0, 1, 1, MESSAGE),
    ]
    .concat();
    let mut server = frame(1, 4, 5, RESPONSE);
    server.extend(frame(0, 0, 5, &vec![0; 20_000]));
    let r = all_sizes(&client, &server);
    let mut codes = r.codes();
    codes.sort_unstable();
    let quiet = ["http2.hpack-unknown-index", "http2.joined", "http2.stream-cancelled"];
    assert_eq!(codes, quiet);
}

#[test]
fn the_rest_of_a_frame_is_shown_as_such() {
    let mut client = b"the rest of a frame".to_vec();
    client.extend(frame(0, 0, 3, MESSAGE).repeat(2));
    let r = all_sizes(&client, b"");
    assert_eq!(r.kinds(Level::Frame), ["unknown", "data", "data"]);
    assert!(!r.events[0].complete && r.events[0].stream.is_none());
    assert_eq!(r.codes(), ["http2.joined"]);
}

/// Some libraries send frames of megabytes: where one ends is found, however far away that is,
/// and whatever came before on the other side.
#[test]
fn the_rest_of_a_large_frame_is_passed_over() {
    for stream in [3, 8_000_001] {
        for rest in [30_000, 45_000, 700_000] {
            let server = [
                vec![b'x'; rest],
                frame(0, 0, stream, MESSAGE),
                frame(1, 5, stream, TRAILERS),
                frame(1, 4, stream + 2, RESPONSE),
            ];
            let ping = frame(6, 0, 0, &[7; 8]);
            for first in Side::BOTH {
                let (mut r, mut m) = (Recorder::new(), Http2::default());
                r.path.joined = true;
                let mut turns = [(Side::Client, ping.clone()), (Side::Server, server.concat())];
                if first == Side::Server {
                    turns.reverse();
                }
                for (side, bytes) in turns {
                    r.bytes(&mut m, side, &bytes, 1460);
                }
                for side in Side::BOTH {
                    r.end(&mut m, side, EndCause::CaptureEnded);
                }
                r.events.iter().for_each(tiles);
                let mut kinds = r.kinds(Level::Frame);
                kinds.retain(|k| *k != "unknown");
                kinds.sort_unstable();
                assert_eq!(kinds, ["data", "headers", "headers", "ping"], "{rest}");
                let mut codes = r.codes();
                codes.retain(|c| *c != "http2.hpack-unknown-index");
                assert_eq!(codes, ["http2.joined"], "{rest}");
            }
        }
    }
}

/// Small frames behind the rest of a large one are there when they come, not when the
/// connection ends.
#[test]
fn small_frames_behind_a_rest_are_found_as_they_come() {
    let (mut r, mut m) = (Recorder::new(), Http2::default());
    r.path.joined = true;
    r.bytes(&mut m, Side::Client, &[b'z'; 30_520], 1448);
    r.bytes(&mut m, Side::Client, &frame(8, 0, 0, &[0, 0, 0, 5]).repeat(60), 13);
    assert!(r.kinds(Level::Frame).len() > 5, "{:?}", r.kinds(Level::Frame));
}

/// All that was captured of the client is of a kind that nobody knows.
#[test]
fn a_direction_without_a_known_frame_is_no_fault() {
    let (mut r, mut m) = (Recorder::new(), Http2::default());
    r.path.joined = true;
    r.bytes(&mut m, Side::Server, &frame(0, 0, 3, MESSAGE), 1460);
    r.bytes(&mut m, Side::Client, &frame(0x42, 0xff, 9, b"unknown"), 1460);
    for side in Side::BOTH {
        r.end(&mut m, side, EndCause::CaptureEnded);
    }
    assert_eq!(r.codes(), ["http2.joined"]);
}

#[test]
fn one_direction_may_have_begun_in_sight() {
    // The server's first frames were captured; the client's preface was not.
    let mut r = Recorder::new();
    let mut m = Http2::default();
    r.bytes(&mut m, Side::Server, &frame(4, 0, 0, &[]), 5);
    r.bytes(&mut m, Side::Client, &frame(4, 1, 0, &[]), 5);
    r.bytes(&mut m, Side::Server, &frame(1, 5, 1, &[0x88, 0xbe]), 5);
    assert_eq!(r.codes(), ["http2.hpack-unknown-index", "http2.joined"]);
    assert_eq!(r.events.iter().map(|e| e.inferred).collect::<Vec<_>>(), [false, true, true]);
}

/// A SYN was not captured, nor the first frames of the server: that it begins with something
/// else is not so.
#[test]
fn the_beginning_of_one_end_alone() {
    for (joined, code) in [(true, None), (false, Some("http2.no-settings"))] {
        let (mut r, mut m) = (Recorder::new(), Http2::default());
        r.path.joined = joined;
        r.bytes(
            &mut m,
            Side::Client,
            &[PREFACE.to_vec(), frame(4, 0, 0, &[])].concat(),
            usize::MAX,
        );
        r.bytes(&mut m, Side::Server, &frame(8, 0, 0, &[0, 0, 1, 0]), usize::MAX);
        for side in Side::BOTH {
            r.end(&mut m, side, EndCause::CaptureEnded);
        }
        assert_eq!(r.codes(), code.into_iter().collect::<Vec<_>>(), "{joined}");
    }
}

/// Of a connection joined in the middle, whose ends may have been taken for each other.
fn joined_talk(turns: &[(Side, Vec<u8>)]) -> Recorder {
    let (mut r, mut m) = (Recorder::new(), Http2::default());
    (r.path.joined, r.path.guessed) = (true, true);
    for (side, bytes) in turns {
        r.bytes(&mut m, *side, bytes, usize::MAX);
    }
    for side in Side::BOTH {
        r.end(&mut m, side, EndCause::CaptureEnded);
    }
    r
}

/// GOAWAY with the last stream 0 is what a client says, always; a server, of what it did not
/// process (RFC 9113 §6.8). Who is who, heads tell.
#[test]
fn goaway_where_who_is_who_is_told_by_heads() {
    use Side::{Client, Server};
    let goaway = frame(7, 0, 0, &[0; 8]);
    let data = |id| frame(0, 0, id, MESSAGE);
    let aborted = |turns: &[(Side, Vec<u8>)], id: u64| {
        let told = &joined_talk(turns).children[&id].2;
        told.iter().any(|t| matches!(t, Told::Reset(..)))
    };
    let request = frame(1, 4, 5, &[0x83, 0x84, 0x86]);
    // Nobody knows who says so.
    let turns = [(Client, [data(3), data(3)].concat()), (Server, goaway.clone())];
    assert!(!aborted(&turns, 3));
    // The server, as the head of a request says: nothing was processed.
    let turns = [(Client, [data(3), request.clone()].concat()), (Server, goaway.clone())];
    assert!(aborted(&turns, 3) && aborted(&turns, 5));
    // But what it has answered.
    let turns = [
        (Client, [data(3), request.clone()].concat()),
        (Server, [data(3), goaway.clone()].concat()),
    ];
    assert!(!aborted(&turns, 3) && aborted(&turns, 5));
    // The client, as the head of its request says, which came from the other end.
    let turns = [(Server, [request, data(3)].concat()), (Server, goaway)];
    assert!(!aborted(&turns, 3) && !aborted(&turns, 5));
}

#[test]
fn who_aborted_a_stream_is_told_where_it_is_known() {
    use Side::{Client, Server};
    let reset = frame(3, 0, 3, &[0, 0, 0, 7]);
    let data = frame(0, 0, 3, MESSAGE).repeat(2);
    let request = frame(1, 4, 5, &[0x83, 0x84, 0x86]);
    let said = |turns: &[(Side, Vec<u8>)]| {
        let r = joined_talk(turns);
        let found = r.events.iter().flat_map(|e| e.findings.clone());
        let reset = found.into_iter().find(|f| f.spec.code == "http2.stream-reset");
        reset.unwrap().detail.unwrap().to_string()
    };
    let by = |head: Option<Side>| {
        let mut turns = vec![(Server, data.clone())];
        turns.extend(head.map(|side| (side, request.clone())));
        turns.push((Server, reset.clone()));
        said(&turns)
    };
    // GOAWAY as well.
    let goaway = frame(7, 0, 0, &[0, 0, 0, 9, 0, 0, 0, 2]);
    let turns = [(Server, data.clone()), (Server, goaway)];
    let said_so = joined_talk(&turns).events.into_iter().flat_map(|e| e.findings);
    let text: Vec<_> = said_so.filter_map(|f| f.detail).collect();
    assert_eq!(text, ["INTERNAL_ERROR, last stream 9".into()]);
    assert_eq!(by(None), "REFUSED_STREAM");
    assert_eq!(by(Some(Client)), "REFUSED_STREAM by the server");
    assert_eq!(by(Some(Server)), "REFUSED_STREAM by the client");
}
