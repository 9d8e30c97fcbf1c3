use super::*;
use crate::base::{PacketId, Side};
use crate::engine::{Birth, ConversationInfo};
use crate::event::{Draft, Level};
use crate::flow::Transport;

const MS: i64 = 1_000_000;

fn at(ms: i64) -> Moment {
    Moment { packet: PacketId(u64::try_from(ms).unwrap() + 1), time: CaptureTime(ms * MS) }
}

fn digest(side: Side, text: &str, wire: u64, ms: i64) -> Digest {
    let payload = text.bytes().fold(7, |n: u64, b| n.wrapping_mul(31) + u64::from(b));
    let from_client = side == Side::Client;
    Digest { from_client, len: text.len() as u64, payload, wire, at: at(ms) }
}

/// A session that begins `from` and says these, each with a wire hash and a time.
struct Session {
    ends: [&'static str; 2],
    from: i64,
    to: i64,
    facts: SessionFacts,
}

fn session(ends: [&'static str; 2], from: i64, says: &[(Side, &str, u64, i64)]) -> Session {
    let facts = SessionFacts {
        uri: Some("/chat".into()),
        host: Some("example.com".into()),
        handshake_bytes: 400,
        digests: says.iter().map(|(s, t, w, ms)| digest(*s, t, *w, *ms)).collect(),
        ..SessionFacts::default()
    };
    Session { ends, from, to: 1000, facts }
}

/// What is found, as conversation and text.
fn run(origins: &[(u32, OriginFacts)], sessions: &[Session]) -> Vec<(u32, String)> {
    let mut legs = Legs::default();
    let mut found = Vec::new();
    let info = |n: u32, ends: [&str; 2]| {
        let ends = ends.map(|e| e.parse().unwrap());
        let birth = Birth { ends, a_is_client: true, known: true };
        ConversationInfo::new(ConversationId(n), Transport::Tcp, n, birth, at(0))
    };
    for (n, o) in origins {
        let draft = Draft::new(Level::Message, "proxy", "header", at(0), at(0));
        let facts = Facts::Origin(Box::new(*o));
        let info = info(*n, ["10.0.0.1:1", "10.0.0.2:2"]);
        let seen = Seen { event: EventId(1), info: &info, draft: &draft, facts: &facts };
        legs.exchange(&seen, &mut found);
    }
    for (i, s) in sessions.iter().enumerate() {
        let draft = Draft::new(Level::Exchange, "websocket", "session", at(s.from), at(s.to));
        let facts = Facts::Session(Box::new(s.facts.clone()));
        let n = i as u32 + 1;
        let info = info(n, s.ends);
        let event = EventId(u64::from(n) * 10);
        legs.exchange(&Seen { event, info: &info, draft: &draft, facts: &facts }, &mut found);
    }
    legs.finish(&mut found);
    let mut all: Vec<_> = found
        .iter()
        .map(|f| {
            assert_eq!(f.finding.event, Some(EventId(u64::from(f.info.id.0) * 10)));
            (f.info.id.0, f.finding.finding.detail.as_deref().unwrap().to_owned())
        })
        .collect();
    all.sort();
    all
}

use Side::{Client, Server};

const FRONT: [&str; 2] = ["192.0.2.7:5000", "10.0.0.1:80"];
const BACK: [&str; 2] = ["10.0.0.1:6000", "10.0.0.2:8080"];

/// Three messages of each side; the leg behind the proxy has them `late` ms later, or
/// earlier where the server sent them.
fn talk(wire: u64, late: i64) -> Vec<(Side, &'static str, u64, i64)> {
    vec![
        (Client, "one", wire, 100 + late),
        (Server, "uno", 5, 120 - late),
        (Client, "two", wire + 1, 200 + late),
        (Server, "dos", 6, 220 - late),
    ]
}

#[test]
fn re_masked_legs_are_a_pair_of_layer_7() {
    let mut back = session(BACK, 50, &talk(900, 2));
    back.facts.key = 8;
    back.facts.handshake_bytes = 444;
    let mut front = session(FRONT, 40, &talk(100, 0));
    front.facts.key = 7;
    let rest = "layer 7 (re-masked); adds 2 ms (4 messages compared)";
    assert_eq!(
        run(&[], &[front, back]),
        [
            (1, format!("the leg to the server is conversation 2, event 20; {rest}")),
            (2, format!("the leg from the client is conversation 1, event 10; {rest}")),
        ]
    );
}

#[test]
fn the_same_bytes_are_a_pair_of_layer_4() {
    // The order in which the two ended does not matter.
    let found = run(&[], &[session(BACK, 50, &talk(100, 2)), session(FRONT, 40, &talk(100, 0))]);
    assert_eq!(found.len(), 2);
    assert_eq!(
        found[1].1,
        "the leg to the server is conversation 1, event 10; layer 4 (the same bytes); adds 2 ms \
         (4 messages compared)"
    );
    let mut other = session(BACK, 50, &talk(100, 2));
    other.facts.handshake_bytes += 30;
    let found = run(&[], &[session(FRONT, 40, &talk(100, 0)), other]);
    assert!(found[0].1.contains("layer 7 for the handshake, then the same bytes"), "{found:?}");
}

#[test]
fn sessions_that_say_the_same_are_no_pair() {
    let says = |wire, late| session(BACK, 50, &talk(wire, late));
    let front = || session(FRONT, 40, &talk(100, 0));
    let none = |a: Session, b: Session, why: &str| assert_eq!(run(&[], &[a, b]), [], "{why}");
    // Both say `ping`, often.
    let pings: Vec<_> = (0..20).map(|n| (Client, "ping", 100 + n as u64, 100 + n)).collect();
    let later: Vec<_> = (0..20).map(|n| (Client, "ping", 200 + n as u64, 101 + n)).collect();
    none(session(FRONT, 40, &pings), session(BACK, 50, &later), "one message, repeated");
    none(front(), Session { ends: ["192.0.2.8:1", FRONT[1]], ..says(900, 2) }, "the same server");
    none(front(), says(900, -2), "the server's messages come before they were sent");
    none(front(), Session { from: 2000, to: 3000, ..says(900, 2) }, "one after the other");
    let mut other = talk(900, 2);
    other[2].1 = "three";
    none(front(), session(BACK, 50, &other), "another message between");
    let late: Vec<_> = talk(900, 2).iter().map(|(s, t, w, ms)| (*s, *t, *w, ms + 6000)).collect();
    none(front(), Session { to: 9000, ..session(BACK, 50, &late) }, "too late");
}

#[test]
fn two_servers_that_send_the_same_are_no_proxy() {
    let none = |a: Session, b: Session, why: &str| assert_eq!(run(&[], &[a, b]), [], "{why}");
    // Quotes, which one server sends a moment later than the other.
    let far = ["192.0.2.8:6000", "10.0.0.2:8080"];
    let quotes = |by: i64| -> Vec<_> {
        let each = ["1.01", "1.02", "1.03", "1.04"].into_iter().enumerate();
        each.map(|(n, q)| (Server, q, n as u64, 100 + n as i64 * 100 + by)).collect()
    };
    none(session(FRONT, 40, &quotes(3)), session(far, 50, &quotes(0)), "quotes");
    // The same with what was asked for.
    let asked = |by: i64, wire| [vec![(Client, "subscribe", wire, 60 + by)], quotes(-by)].concat();
    none(session(FRONT, 40, &asked(0, 1)), session(far, 50, &asked(3, 2)), "quotes, asked for");
    // Unless a proxy says whose they are.
    let mut back = session(far, 50, &asked(3, 2));
    back.facts.forwarded_for = Some("192.0.2.7".into());
    assert_eq!(run(&[], &[session(FRONT, 40, &asked(0, 1)), back]).len(), 2);
    // On one computer the place says nothing.
    let here = |port: u16| -> [&'static str; 2] {
        if port == 1 {
            ["127.0.0.1:5000", "127.0.0.1:80"]
        } else {
            ["127.0.0.1:6000", "127.0.0.1:8080"]
        }
    };
    none(session(here(1), 40, &quotes(3)), session(here(2), 50, &quotes(0)), "all on loopback");
    let found = run(&[], &[session(here(1), 40, &asked(0, 1)), session(here(2), 50, &asked(3, 2))]);
    assert_eq!(found.len(), 2);
}

#[test]
fn proxies_in_a_chain_are_paired_two_by_two() {
    let last = ["10.0.0.2:7000", "10.0.0.3:9000"];
    let words = |key: u64, order: [usize; 3], source: Option<&str>| {
        let legs = [(FRONT, 40, 100, 0), (BACK, 50, 200, 2), (last, 55, 300, 5)];
        let all: Vec<_> = order
            .into_iter()
            .map(|n| {
                let (ends, from, wire, late) = legs[n];
                let mut s = session(ends, from, &talk(wire, late));
                s.facts.key = key;
                s
            })
            .collect();
        // The leg from the client has no PROXY header, both others have.
        let source = source.map(|s| OriginFacts {
            source: s.parse().unwrap(),
            destination: FRONT[1].parse().unwrap(),
        });
        let conversation = |leg: usize| order.iter().position(|n| *n == leg).unwrap() as u32 + 1;
        let origins: Vec<_> =
            source.iter().flat_map(|o| [1, 2].map(|leg| (conversation(leg), *o))).collect();
        let mut pairs: Vec<_> = run(&origins, &all)
            .into_iter()
            .map(|(n, text)| {
                let other = text.split_once("conversation ").unwrap().1.split(',').next().unwrap();
                let other: usize = other.parse().unwrap();
                let to = text.contains("to the server");
                (order[n as usize - 1], to, order[other - 1])
            })
            .collect();
        pairs.sort();
        pairs
    };
    let want = [(0, true, 1), (1, false, 0), (1, true, 2), (2, false, 1)];
    for order in [[0, 1, 2], [2, 1, 0], [0, 2, 1], [1, 0, 2]] {
        assert_eq!(words(0, order, None), want, "{order:?}");
        assert_eq!(words(7, order, None), want, "{order:?}, by the key");
        for key in [0, 7] {
            assert_eq!(words(key, order, Some(FRONT[0])), want, "{order:?}, by PROXY headers");
        }
        let elsewhere = Some("198.51.100.9:1234");
        assert_eq!(words(7, order, elsewhere), want, "{order:?}, behind a NAT");
    }
}

#[test]
fn a_message_that_one_leg_lacks_undoes_no_pair() {
    let long = |wire: u64, late: i64| -> Vec<_> {
        let texts = ["a", "b", "c", "d", "e", "f"].into_iter().enumerate();
        texts.map(|(n, t)| (Client, t, wire, 100 + n as i64 * 10 + late)).collect()
    };
    let pair = |gone: &[usize], holes: [bool; 2]| {
        let mut says = long(900, 2);
        let mut n = 0;
        says.retain(|_| {
            n += 1;
            !gone.contains(&(n - 1))
        });
        let mut back = session(BACK, 50, &says);
        back.facts.holes = holes;
        run(&[], &[session(FRONT, 40, &long(100, 0)), back])
    };
    for gone in [&[2][..], &[0], &[1, 2], &[5], &[0, 4]] {
        let found = pair(gone, [true, false]);
        assert_eq!(found.len(), 2, "{gone:?}");
    }
    let found = pair(&[1, 2], [true, false]);
    let tail = "adds 2 ms (4 messages compared, 2 captured on one leg only)";
    assert!(found[0].1.ends_with(tail), "{found:?}");
    assert_eq!(pair(&[2], [false, true]), [], "nothing of that side was lost");
    assert_eq!(pair(&[0, 1, 2, 4], [true, false]), [], "too much is missing");
    // The other leg may lack one as well.
    let mut front = session(FRONT, 40, &long(100, 0)[1..]);
    front.facts.holes = [true, false];
    let found = run(&[], &[front, session(BACK, 50, &long(900, 2))]);
    assert_eq!(found.len(), 2);
}

#[test]
fn a_strong_identity_needs_no_messages() {
    let mut front = session(FRONT, 40, &[(Client, "ping", 1, 100)]);
    let mut back = session(BACK, 50, &[(Client, "ping", 1, 101)]);
    front.facts.key = 7;
    back.facts.key = 7;
    back.facts.forwarded_for = Some("192.0.2.7, 10.9.9.9".into());
    let found = run(&[], &[front, back]);
    assert_eq!(found.len(), 2);
    assert!(
        found[0].1.ends_with(
            "adds 1 ms (1 message compared); the same Sec-WebSocket-Key; X-Forwarded-For names its client"
        ),
        "{found:?}"
    );
    // The header of the PROXY protocol names the client's end; or another one's.
    let origin = |source: &str| OriginFacts {
        source: source.parse().unwrap(),
        destination: "10.0.0.1:80".parse().unwrap(),
    };
    let pair = || [session(FRONT, 40, &[]), session(BACK, 50, &[])];
    let found = run(&[(2, origin(FRONT[0]))], &pair());
    assert!(found[0].1.ends_with("the PROXY header names its client"), "{found:?}");
    assert_eq!(run(&[(2, origin("192.0.2.9:5000"))], &pair()), []);
    let talked = [session(FRONT, 40, &talk(1, 0)), session(BACK, 50, &talk(1, 2))];
    assert_eq!(run(&[(2, origin("192.0.2.9:5000"))], &talked), []);
}

#[test]
fn of_several_that_fit_each_gets_its_own() {
    // Two clients say the same, through one proxy, to two servers.
    let shift = |late: i64, by: i64, wire| -> Vec<_> {
        talk(wire, late).into_iter().map(|(s, t, w, ms)| (s, t, w, ms + by)).collect()
    };
    let sessions = [
        session(FRONT, 40, &talk(100, 0)),
        Session { ends: ["192.0.2.8:5000", FRONT[1]], ..session(FRONT, 41, &shift(0, 1, 200)) },
        session(BACK, 50, &shift(4, 1, 300)),
        Session { ends: ["10.0.0.1:6001", "10.0.0.3:8080"], ..session(BACK, 50, &talk(400, 4)) },
    ];
    let found = run(&[], &sessions);
    let texts: Vec<_> = found.iter().map(|(n, t)| (*n, t.contains("re-masked"))).collect();
    assert_eq!(texts, [(1, true), (2, true), (3, true), (4, true)]);
}

#[test]
fn addresses_are_read_from_what_proxies_write() {
    let ip: IpAddr = "192.0.2.7".parse().unwrap();
    for v in
        ["192.0.2.7", "10.0.0.9, 192.0.2.7", "for=192.0.2.7;proto=http", "for=\"192.0.2.7:80\""]
    {
        assert!(names(v, ip), "{v}");
    }
    assert!(names("for=\"[2001:db8::1]\"", "2001:db8::1".parse().unwrap()));
    for v in ["192.0.2.70", "unknown", "", "for=_hidden"] {
        assert!(!names(v, ip), "{v}");
    }
}

#[test]
fn what_waits_is_bounded() {
    let many: Vec<_> = (0..MAX_LEGS + 10).map(|_| session(FRONT, 40, &[])).collect();
    let mut legs = Legs::default();
    let birth = Birth { ends: FRONT.map(|e| e.parse().unwrap()), a_is_client: true, known: true };
    let info = ConversationInfo::new(ConversationId(1), Transport::Tcp, 1, birth, at(0));
    for s in &many {
        let draft = Draft::new(Level::Exchange, "websocket", "session", at(s.from), at(s.to));
        let facts = Facts::Session(Box::new(s.facts.clone()));
        let seen = Seen { event: EventId(1), info: &info, draft: &draft, facts: &facts };
        legs.exchange(&seen, &mut Vec::new());
    }
    assert_eq!(legs.waiting.len(), MAX_LEGS);
}
