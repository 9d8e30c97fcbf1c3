use std::net::{Ipv4Addr, Ipv6Addr};

use super::*;
use crate::base::PacketId;
use crate::flow::testing::{A, F, R, S, Tape, seg};
use crate::flow::{Note, SegmentNotes};

struct Desk {
    table: FlowTable<u32>,
    tape: Tape,
    packet: u64,
    now: i64,
    /// Conversation of the last packet that had a live one.
    last: u32,
    notes: SegmentNotes,
}

fn v4(last: u8, port: u16) -> (IpAddr, u16) {
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)), port)
}

fn ends(source: (IpAddr, u16), destination: (IpAddr, u16)) -> Endpoints {
    Endpoints { source, destination, path: 0 }
}

impl Desk {
    fn new(capacity: usize) -> Self {
        let table = FlowTable::with_capacity(capacity);
        Self {
            table,
            tape: Tape::default(),
            packet: 0,
            now: 0,
            last: 0,
            notes: SegmentNotes::default(),
        }
    }

    fn at(&mut self) -> Moment {
        self.packet += 1;
        self.now += 1_000_000;
        Moment { packet: PacketId(self.packet), time: CaptureTime(self.now) }
    }

    fn feed(&mut self, ends: &Endpoints, s: &TcpSegment<'_>) -> Found {
        let at = self.at();
        if self.table.is_due(at.time) {
            (0..FLOW_PARTS).for_each(|part| self.table.sweep(part, at.time));
        }
        let found = self.table.tcp(ends, s, at);
        if let Found::Live { slot, from_a, .. } = found {
            let conversation = self.table.get_mut(slot).expect("live");
            self.last = conversation.id.0;
            let (tcp, _) = conversation.tcp().expect("TCP");
            self.notes = tcp.segment(from_a, s, at, &mut self.tape);
            self.table.fed(slot, at);
        }
        found
    }

    /// Conversation, whether A sent it, whether it is new.
    fn who(&self, found: Found) -> (u32, bool, bool) {
        match found {
            Found::Live { from_a, new, .. } => (self.last, from_a, new),
            Found::Gone { id, from_a, .. } => (id.0, from_a, false),
        }
    }

    fn client(&mut self, flags: u8, seq: u32, ack: u32, data: &[u8]) -> (u32, bool, bool) {
        let f = self.feed(&ends(v4(9, 40_000), v4(1, 80)), &seg(flags, seq, ack, data));
        self.who(f)
    }

    fn server(&mut self, flags: u8, seq: u32, ack: u32, data: &[u8]) -> (u32, bool, bool) {
        let f = self.feed(&ends(v4(1, 80), v4(9, 40_000)), &seg(flags, seq, ack, data));
        self.who(f)
    }

    fn handshake(&mut self, seq: u32) {
        self.client(S, seq, 0, b"");
        self.server(S | A, 500, seq + 1, b"");
        self.client(A, seq + 1, 501, b"");
    }

    fn close(&mut self, seq: u32) {
        self.client(A | F, seq + 1, 501, b"");
        self.server(A | F, 501, seq + 2, b"");
        self.client(A, seq + 2, 502, b"");
    }

    fn released(&mut self) -> Vec<(u32, Why)> {
        std::iter::from_fn(|| self.table.next_released())
            .map(|r| (r.conversation.id.0, r.why))
            .collect()
    }
}

#[test]
fn both_directions_are_one_conversation() {
    let mut d = Desk::new(100);
    assert_eq!(d.client(S, 100, 0, b""), (1, true, true));
    assert_eq!(d.server(S | A, 500, 101, b""), (1, false, false));
    let c = d.table.iter().next().unwrap();
    assert_eq!(c.ends, [v4(9, 40_000), v4(1, 80)]);
    assert_eq!((c.client(), c.number, c.packets), ((Dir::AtoB, true), 0, 2));
}

#[test]
fn what_differs_in_anything_is_another_conversation() {
    let mut d = Desk::new(100);
    let base = ends(v4(9, 40_000), v4(1, 80));
    let mapped = |o: u8| (IpAddr::V6(Ipv4Addr::new(10, 0, 0, o).to_ipv6_mapped()), 80);
    let six = (IpAddr::V6(Ipv6Addr::LOCALHOST), 80);
    for (i, e) in [
        base,
        Endpoints { path: 7, ..base },
        ends(v4(9, 40_001), v4(1, 80)),
        ends(v4(9, 80), v4(1, 40_000)),
        ends((mapped(9).0, 40_000), mapped(1)),
        ends(six, six),
    ]
    .into_iter()
    .enumerate()
    {
        let f = d.feed(&e, &seg(A, 1, 1, b""));
        assert_eq!(d.who(f), (i as u32 + 1, true, true));
    }
    let at = d.at();
    assert!(matches!(d.table.udp(&base, at), Found::Live { from_a: true, new: true, .. }));
    let c = d.table.iter().last().unwrap();
    assert_eq!((c.transport, c.number), (Transport::Udp, 0));
}

#[test]
fn ports_guess_the_client_where_no_syn_was_seen() {
    let mut d = Desk::new(100);
    d.server(A, 500, 101, b"x");
    assert_eq!(d.table.iter().next().unwrap().client(), (Dir::BtoA, false));
}

#[test]
fn a_closed_connection_lingers_and_leaves() {
    let mut d = Desk::new(100);
    d.handshake(100);
    d.close(100);
    assert_eq!(d.released(), []);
    // A retransmitted FIN is still the old one's, and so it is much later.
    assert_eq!(d.server(A | F, 501, 102, b""), (1, false, false));
    d.now += 2_000_000_000;
    assert_eq!(d.server(A | F, 501, 102, b""), (1, false, false));
    assert_eq!(d.released(), [(1, Why::Closed)]);
    assert_eq!(d.server(A | F, 501, 102, b""), (1, false, false));
    assert_eq!(d.client(S, 100, 0, b""), (1, true, false), "its own SYN, late");
    assert_eq!((d.table.live(), d.table.total()), (0, 1));
    // The next connection.
    assert_eq!(d.client(S, 7000, 0, b""), (2, true, true));
    assert!(d.table.iter().next().unwrap().reused);
    assert!(d.notes.has(Note::ReusedPorts));
}

#[test]
fn the_same_ends_again_are_a_new_conversation() {
    let mut d = Desk::new(100);
    d.handshake(100);
    assert_eq!(d.client(S, 100, 0, b""), (1, true, false), "a retransmitted SYN is not");
    d.close(100);
    assert_eq!(d.client(S, 9000, 0, b""), (2, true, true));
    assert_eq!(d.released(), [(1, Why::Reused)]);
    // Now the other end opens, after a reset.
    d.client(R, 9001, 0, b"");
    assert_eq!(d.server(S, 77, 0, b""), (3, true, true));
    assert_eq!(d.table.live(), 1);
}

#[test]
fn a_syn_after_long_silence_is_a_new_conversation() {
    let mut d = Desk::new(100);
    d.handshake(100);
    d.now += 61_000_000_000;
    assert_eq!(d.client(S, 9000, 0, b""), (2, true, true));
}

#[test]
fn a_connection_attempt_that_is_repeated_with_another_number() {
    let mut d = Desk::new(100);
    d.client(S, 100, 0, b"");
    assert_eq!(d.client(S, 9000, 0, b""), (2, true, true));
}

#[test]
fn a_stray_syn_needs_an_answer() {
    let mut d = Desk::new(100);
    d.handshake(100);
    d.client(A, 101, 501, b"abc");
    assert_eq!(d.client(S, 9000, 0, b""), (1, true, false));
    assert_eq!(d.client(A, 104, 501, b"def"), (1, true, false));
    assert_eq!(d.tape.text(Dir::AtoB), "abcdef");
    // Answered: the old connection's end was lost.
    assert_eq!(d.server(S | A, 3000, 9001, b""), (2, true, true));
    assert_eq!(d.table.iter().next().unwrap().client(), (Dir::BtoA, true));
}

#[test]
fn both_ends_opening_at_once_are_one_conversation() {
    let mut d = Desk::new(100);
    d.client(S, 100, 0, b"");
    assert_eq!(d.server(S, 500, 0, b""), (1, false, false));
}

#[test]
fn a_full_table_lets_go_of_the_oldest() {
    let mut d = Desk::new(4);
    for port in 1..=6_u16 {
        d.feed(&ends(v4(9, 1000 + port), v4(1, 80)), &seg(S, 1, 0, b""));
        assert!(d.table.live() <= 4);
    }
    assert_eq!(d.released(), [(1, Why::Evicted), (2, Why::Evicted)]);
    // Its packets are still known as its own.
    let f = d.feed(&ends(v4(1, 80), v4(9, 1001)), &seg(A, 1, 2, b"x"));
    let (id, why, syn) = (ConversationId(1), Why::Evicted, [Some(1), None]);
    assert_eq!(f, Found::Gone { id, from_a: false, why, syn });
    d.table.finish();
    assert_eq!(d.released().iter().map(|r| r.0).collect::<Vec<_>>(), [3, 4, 5, 6]);
    assert_eq!(d.table.live(), 0);
}

#[test]
fn the_memory_of_what_was_is_bounded() {
    let mut d = Desk::new(8);
    for n in 0..(MAX_TOMBSTONES as u32 + 1000) {
        let ip = IpAddr::V4(Ipv4Addr::from_bits(n));
        let at = d.at();
        d.table.udp(&ends((ip, 1), v4(1, 2)), at);
        while d.table.next_released().is_some() {}
    }
    assert!(d.table.parts.iter().all(|p| p.tombs.len() == MAX_TOMBSTONES / FLOW_PARTS));
    assert!(d.table.map.len() <= MAX_TOMBSTONES + 8);
}
