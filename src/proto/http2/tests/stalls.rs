//! What streams are told of flow control when they end.

use super::books::{MS, World, open, window};
use super::*;
use crate::base::Moment;
use crate::proto::Stall;

/// What a stream was told last: client's data, server's.
fn told(w: &World, stream: u64) -> [Option<Stall>; 2] {
    let list = w.r.told_stalls.iter().rev();
    list.into_iter().find(|(key, _)| *key == stream).map_or([None; 2], |(_, s)| *s)
}

fn data(stream: u32, len: usize) -> Vec<u8> {
    frame(0, 0, stream, &vec![0; len])
}

/// A stream of whose window 100 bytes are left for the server, and its answer's head.
fn narrow() -> World {
    let mut w = World::new(&[0, 4, 0, 0, 0, 100]);
    w.send(Side::Client, &open(1)).send(Side::Server, &frame(1, 4, 1, &[0x88]));
    w
}

const CANCEL: &[u8] = &[0, 0, 0, 8];

#[test]
fn a_window_that_is_shut_at_the_end() {
    let mut w = narrow();
    w.send(Side::Server, &data(1, 100));
    let since = w.r.events.last().unwrap().start;
    w.wait(300 * MS).send(Side::Client, &frame(3, 0, 1, CANCEL));
    let [client, server] = told(&w, 1);
    assert_eq!(client, None);
    let s = server.unwrap();
    assert_eq!((s.shut, s.times, s.by_connection), (Some(since), 0, false));

    // Room is left: whoever is silent does not wait for that.
    let mut w = narrow();
    w.send(Side::Server, &data(1, 99)).wait(300 * MS);
    w.send(Side::Client, &frame(3, 0, 1, CANCEL));
    assert_eq!(told(&w, 1), [None; 2]);

    // What has ended waits for nothing.
    let mut w = narrow();
    w.send(Side::Server, &frame(0, 1, 1, &[0; 100])).wait(300 * MS);
    w.send(Side::Client, &frame(3, 0, 1, CANCEL));
    assert_eq!(told(&w, 1), [None; 2]);

    // An update with which the client lets go of what it never read.
    let mut w = narrow();
    w.send(Side::Server, &data(1, 100)).wait(300 * MS);
    w.send(Side::Client, &[window(1, 100), frame(3, 0, 1, CANCEL)].concat());
    assert!(told(&w, 1)[1].unwrap().shut.is_some());
    // And one after which there was time enough.
    let mut w = narrow();
    w.send(Side::Server, &data(1, 100)).wait(300 * MS).send(Side::Client, &window(1, 100));
    w.wait(30 * MS).send(Side::Client, &frame(3, 0, 1, CANCEL));
    assert_eq!(told(&w, 1), [None; 2]);
}

#[test]
fn a_window_that_never_was_open() {
    let mut w = World::new(&[0, 4, 0, 0, 0, 0]);
    w.send(Side::Client, &open(1)).send(Side::Server, &frame(1, 4, 1, &[0x88]));
    w.wait(300 * MS).send(Side::Client, &frame(3, 0, 1, CANCEL));
    assert_eq!(told(&w, 1)[1].unwrap().shut, Some(Moment::default()));
}

#[test]
fn the_window_of_the_connection_is_everybodys() {
    let mut w = World::new(&[]);
    w.send(Side::Client, &[open(1), open(3)].concat());
    w.send(Side::Server, &[frame(1, 4, 1, &[0x88]), frame(1, 4, 3, &[0x88])].concat());
    w.send(Side::Client, &[window(1, 70_000), window(3, 70_000)].concat());
    w.send(Side::Server, &data(3, 535));
    for _ in 0..5 {
        w.send(Side::Server, &data(1, 13_000));
    }
    w.wait(200 * MS).send(Side::Client, &window(0, 2000));
    // Both go on at once.
    w.send(Side::Server, &data(1, 1000)).send(Side::Server, &data(3, 1000));
    w.wait(50 * MS);
    // The connection goes away while it is shut again.
    w.r.end(&mut w.m, Side::Server, EndCause::Finished);
    for id in [1, 3] {
        let s = told(&w, id)[1].unwrap();
        let [a, b] = s.longest.unwrap();
        let ns = b.time.since(a.time);
        assert!((200_000_000..201_000_000).contains(&ns), "{id}: {ns}");
        assert_eq!((s.ns, s.times, s.by_connection), (ns, 1, true), "{id}");
        assert!(s.shut.is_some(), "{id}");
    }
    let codes = w.r.codes();
    assert_eq!(codes, ["http2.flow-control-stall", "http2.streams-unfinished"]);
}

#[test]
fn waits_add_up() {
    let mut w = narrow();
    w.send(Side::Server, &data(1, 100));
    for ticks in [20 * MS, 60 * MS, 40 * MS] {
        w.wait(ticks).send(Side::Client, &window(1, 100)).send(Side::Server, &data(1, 100));
    }
    w.send(Side::Client, &window(1, 100)).send(Side::Server, &frame(1, 5, 1, &[0x88]));
    let s = told(&w, 1)[1].unwrap();
    assert_eq!((s.times, s.shut, s.by_connection), (3, None, false));
    assert!((120_000_000..121_000_000).contains(&s.ns), "{}", s.ns);
    let [a, b] = s.longest.unwrap();
    assert!((60_000_000..61_000_000).contains(&b.time.since(a.time)));
}

#[test]
fn nothing_is_told_where_an_update_may_be_missing() {
    let mut w = narrow();
    w.send(Side::Server, &data(1, 100)).wait(300 * MS);
    w.r.gap(&mut w.m, Side::Client, 13);
    w.send(Side::Client, &frame(3, 0, 1, CANCEL));
    assert_eq!(told(&w, 1), [None; 2]);
}

#[test]
fn round_trips_are_told_by_who_answers() {
    let mut w = World::new(&[]);
    w.wait(3).send(Side::Server, &frame(4, 1, 0, &[]));
    w.send(Side::Client, &frame(6, 0, 0, b"12345678"));
    w.wait(1).send(Side::Server, &frame(6, 1, 0, b"12345678"));
    w.send(Side::Client, &frame(4, 1, 0, &[]));
    let [client, server] = w.r.path.acks;
    assert_eq!((server.count, server.shortest), (2, 2000));
    assert_eq!(client.count, 1);
    assert!(w.r.path.beside().contains("the server answers in 2 µs"), "{}", w.r.path.beside());
}
