use super::*;
use crate::base::{CaptureTime, PacketId};

const MS: i64 = 1_000_000;
const CLIENT: &str = "10.0.0.1";

fn at(ms: i64) -> Moment {
    let packet = PacketId(u64::try_from(ms).unwrap() + 1);
    Moment { packet, time: CaptureTime(ms * MS) }
}

/// A request, by default of 100 bytes, answered 10 ms later with 200 bytes of head.
#[derive(Clone)]
struct Ask {
    client: &'static str,
    connection: u32,
    method: &'static str,
    target: String,
    start: i64,
    hold: i64,
    status: u16,
    body: Vec<u8>,
    version: u8,
    answered: bool,
    holed: bool,
}

fn ask(start: i64, target: &str, body: &str) -> Ask {
    Ask {
        client: CLIENT,
        connection: 1,
        method: "GET",
        target: target.into(),
        start,
        hold: 10,
        status: 200,
        body: body.into(),
        version: 11,
        answered: true,
        holed: false,
    }
}

/// What the polls are, in the order of their last requests.
fn run(asks: &[Ask]) -> Vec<Series<u32>> {
    let mut asks = asks.to_vec();
    // Exchanges come in the order of their ends.
    asks.sort_by_key(|a| (a.start + a.hold, a.start));
    let mut polls = Polls::default();
    let mut all = Vec::new();
    for (n, a) in asks.iter().enumerate() {
        let (start, end) = (at(a.start), at(a.start + a.hold));
        let facts = HttpFacts {
            version: a.version,
            method: a.method.into(),
            host: "h".into(),
            target: a.target.as_str().into(),
            status: a.status,
            request: Some([start, start]),
            response: a.answered.then_some([end, end]),
            head_bytes: [100, if a.answered { 200 } else { 0 }],
            body_bytes: [0, a.body.len() as u64],
            media_type: "application/json".into(),
            holed: a.holed,
            body_hash: body_hash(&a.body),
            empty_list: a.body.ends_with(b"\"events\":[]}"),
            timeless: None,
        };
        let event = EventId(n as u64 + 1);
        let asked = Asked {
            event,
            conversation: ConversationId(a.connection),
            client: a.client.parse().unwrap(),
            end,
            facts: &facts,
        };
        polls.add(&asked, || a.connection);
        all.append(&mut polls.take());
    }
    all.append(&mut polls.finish());
    all
}

/// Every two seconds, as the tutorials have it: a message before the third answer and one
/// before the sixth.
fn two_seconds() -> Vec<Ask> {
    (0..10)
        .map(|n| {
            let target = match n {
                0..=2 => "/m",
                3..=5 => "/m?since=1",
                _ => "/m?since=2",
            };
            let body = match n {
                2 => "[{\"id\":1}]",
                5 => "[{\"id\":2,\"x\":3}]",
                _ => "[]",
            };
            ask(n * 2000, target, body)
        })
        .collect()
}

#[test]
fn of_an_answer_that_was_not_captured_as_a_whole_nothing_is_known() {
    let mut asks: Vec<Ask> = (0..9).map(|n| ask(n * 500, "/m", "[]")).collect();
    asks[3].body = b"[1]".to_vec();
    for a in &mut asks[5..7] {
        (a.holed, a.body) = (true, Vec::new());
    }
    let all = run(&asks);
    let s = &all[0];
    assert_eq!((s.requests, s.events, s.empty, s.unknown), (9, 1, 6, 2));
    asks.iter_mut().for_each(|a| a.holed = true);
    let all = run(&asks);
    assert!(all.iter().all(|s| (s.events, s.empty) == (0, 0)));
}

#[test]
fn a_short_poll_by_hand() {
    let all = run(&two_seconds());
    let [s] = &all[..] else { panic!("{all:#?}") };
    assert_eq!((s.kind, s.requests, s.events, s.empty), (Kind::Short, 10, 2, 8));
    assert_eq!((s.interval, s.mean_interval), (2_000_000_000, 2_000_000_000));
    assert_eq!(s.delay, Delay { mean: 1_000_000_000, max: 2_000_000_000 });
    assert_eq!((s.head_bytes, s.body_bytes), ([1000, 2000], [0, 8 * 2 + 10 + 16]));
    assert_eq!((s.useful_bytes, s.connection_count), (26, 1));
    assert_eq!((s.span, s.last_event), ([at(0), at(18_010)], EventId(10)));
    // Of 13 bytes each: `data: ` and two line feeds are 8, "15", CRLF and CRLF are 5 or 6.
    let event = 13 + 8 + 2 + 4;
    assert_eq!(sse(s), Push { setup: 300, event, total: 300 + 2 * event });
    // 113 bytes of fields to the request, and a 101 of 129.
    let setup = 100 + 113 + 129;
    assert_eq!(websocket(s), Push { setup, event: 15, total: setup + 30 });
}

#[test]
fn jitter_and_a_skipped_turn_do_not_hide_it() {
    let off = [0, 150, -200, 90, 180, -120, 30, -190, 60, 170];
    let mut asks: Vec<Ask> =
        off.iter().enumerate().map(|(n, o)| ask(n as i64 * 1000 + o + 200, "/m", "[]")).collect();
    asks.remove(4);
    let all = run(&asks);
    assert_eq!(all.len(), 1, "{all:#?}");
    assert_eq!((all[0].requests, all[0].events, all[0].empty), (9, 0, 9));
    // Without an event: half an interval, if one had come.
    assert_eq!(all[0].delay.mean, all[0].interval / 2);
}

#[test]
fn who_repeats_a_request_does_not_poll() {
    assert!(run(&[ask(0, "/m", "[1]"), ask(1000, "/m", "[1]")]).is_empty());
    assert!(run(&[0, 1000, 2000].map(|t| ask(t, "/m", "[1]"))).is_empty());
    // Someone who reloads a page now and then.
    assert!(run(&[0, 700, 9_000, 11_000, 60_000, 61_000].map(|t| ask(t, "/m", "[1]"))).is_empty());
    // A test of load: one after the other, as fast as can be.
    let load: Vec<_> = (0..50).map(|n| ask(n * 11, "/m", "[1]")).collect();
    assert!(run(&load).is_empty());
    // A slow report, again and again: the server works, nothing is waited for.
    let slow: Vec<_> = (0..8)
        .map(|n| Ask { hold: 800 + n % 3 * 20, ..ask(n * 900, "/report", &format!("[{n}]")) })
        .collect();
    assert!(run(&slow).is_empty());
    let unchanged: Vec<_> =
        (0..8).map(|n| Ask { hold: 1200, ..ask(n * 1210, "/report", "[1]") }).collect();
    assert!(run(&unchanged).iter().all(|s| s.kind == Kind::Short), "{:#?}", run(&unchanged));
    // One answer of a test of load is late.
    let late = |n: i64| if n == 25 { 900 } else { 9 };
    let load: Vec<_> = (0..50)
        .map(|n| Ask { hold: late(n), ..ask(n * 10 + if n > 25 { 900 } else { 0 }, "/m", "[1]") })
        .collect();
    assert!(run(&load).is_empty());
    // Work that takes long, asked for with POST.
    let work: Vec<_> = (0..8)
        .map(|n| Ask { method: "POST", hold: 2000 + n * 3000, ..ask(n * 30_000, "/v1", "[1]") })
        .collect();
    assert!(run(&work).is_empty());
    // Pages of a list, at a gentle pace.
    let pages: Vec<_> =
        (0..20).map(|n| ask(n * 1000, &format!("/list?page={n}"), &format!("[{n}]"))).collect();
    assert!(run(&pages).is_empty());
    // What is told to the server every second is no question.
    let beacon: Vec<_> = (0..20)
        .map(|n| Ask { method: "POST", status: 204, ..ask(n * 1000, "/beacon", "") })
        .collect();
    assert!(run(&beacon).is_empty());
}

#[test]
fn parameters_that_change_are_one_poll() {
    for name in ["_", "t", "ts"] {
        let asks: Vec<_> = (0..12)
            .map(|n| {
                ask(n * 500, &format!("/m?room=1&{name}={}", 1_732_000_000 + n), &n.to_string())
            })
            .collect();
        let all = run(&asks);
        assert_eq!(all.len(), 1, "{name}");
        assert_eq!((all[0].requests, &*all[0].target.path), (12, "/m"));
    }
    // Of no known name: most answers are empty.
    let asks: Vec<_> = (0..12).map(|n| ask(n * 500, &format!("/m?zz={n}"), "[]")).collect();
    assert_eq!(run(&asks).len(), 1);
}

#[test]
fn two_questions_in_turn_are_two_polls() {
    let asks: Vec<_> = (0..20)
        .map(|n| ask(n * 500 + n % 2 * 30, &format!("/job?id={}", n % 2), "{\"done\":false}"))
        .collect();
    let all = run(&asks);
    assert_eq!(all.iter().map(|s| s.requests).collect::<Vec<_>>(), [10, 10]);
    assert!(all.iter().all(|s| s.interval.abs_diff(1_000_000_000) < 50_000_000));
}

#[test]
fn clients_are_told_apart_by_address_and_by_connection() {
    let mut asks = Vec::new();
    for n in 0..10 {
        // Two with a connection each, behind one address; one elsewhere, with one each time.
        asks.push(Ask { connection: 1, ..ask(n * 1000, "/m", "[]") });
        asks.push(Ask { connection: 2, ..ask(n * 1000 + 400, "/m", "[]") });
        let connection = 10 + n as u32;
        asks.push(Ask { client: "10.0.0.2", connection, ..ask(n * 1000 + 100, "/m", "[]") });
    }
    let mut all = run(&asks);
    all.sort_by_key(|s| (s.target.client, s.last_conversation.0));
    let of = |s: &Series<u32>| (s.target.client.to_string(), s.requests, s.connection_count);
    assert_eq!(
        all.iter().map(of).collect::<Vec<_>>(),
        [("10.0.0.1".into(), 10, 1), ("10.0.0.1".into(), 10, 1), ("10.0.0.2".into(), 10, 10)]
    );
    assert!(all.iter().all(|s| s.interval == 1_000_000_000));
}

#[test]
fn a_long_poll_by_hand() {
    // Held 3 s in vain, then an event after 0.4 s, one that was there already, one after 2 s.
    let hold = |start, hold, body| Ask { hold, ..ask(start, "/wait", body) };
    let all = run(&[
        hold(0, 3000, "[]"),
        hold(3020, 400, "[1]"),
        hold(3440, 10, "[2]"),
        hold(3470, 2000, "[33]"),
    ]);
    let [s] = &all[..] else { panic!("{all:#?}") };
    assert_eq!((s.kind, s.requests, s.events, s.empty, s.timeouts), (Kind::Long, 4, 3, 1, 1));
    assert_eq!((s.longest_hold, s.gap), (3_000_000_000, 20_000_000));
    // Only the second event can have come in the gap of 20 ms: 10 ms of three events.
    assert_eq!(s.delay, Delay { mean: 20_000_000 / 3 / 2, max: 20_000_000 });
    assert_eq!(s.busy, 5_410_000_000);
}

#[test]
fn long_polls_of_several_clients_overlap() {
    let mut asks = Vec::new();
    for n in 0..6 {
        // Each on a connection of its own.
        asks.push(Ask { connection: 2 * n, hold: 5000, ..ask(i64::from(n) * 5010, "/w", "[]") });
        let start = i64::from(n) * 5010 + 2000;
        asks.push(Ask { connection: 2 * n + 1, hold: 5000, ..ask(start, "/w", "[]") });
    }
    let all = run(&asks);
    assert_eq!(all.iter().map(|s| (s.kind, s.requests)).collect::<Vec<_>>(), [(Kind::Long, 6); 2]);
}

#[test]
fn long_polls_end_by_status_and_are_given_up() {
    let hold = |n: i64, status| Ask { hold: 1000, status, ..ask(n * 1010, "/w", "") };
    let mut asks = vec![hold(0, 204), hold(1, 304), hold(2, 504), hold(3, 408), hold(4, 204)];
    asks[4].answered = false;
    let all = run(&asks);
    let [s] = &all[..] else { panic!("{all:#?}") };
    // The last one may still be under way.
    assert_eq!((s.empty, s.timeouts, s.errors, s.unanswered), (2, 4, 2, 1));
    asks.push(hold(5, 204));
    asks[5].connection = 2;
    let all = run(&asks);
    let [s] = &all[..] else { panic!("{all:#?}") };
    assert_eq!((s.empty, s.timeouts, s.errors, s.unanswered), (3, 6, 2, 1));
}

#[test]
fn what_is_unchanged_is_empty() {
    let bodies = ["{\"s\":0,\"pad\":\"aa\"}"; 3].into_iter().chain(["{\"s\":1,\"pad\":\"aa\"}"; 5]);
    let asks: Vec<_> = bodies.enumerate().map(|(n, b)| ask(n as i64 * 1000, "/s", b)).collect();
    let all = run(&asks);
    assert_eq!((all[0].events, all[0].empty, all[0].useful_bytes), (2, 6, 2 * 18));
    // Back to a state is an event; back to a body that says there is nothing is none.
    let toggles: Vec<_> = (0..8)
        .map(|n| ask(n * 1000, "/s", if n / 2 % 2 == 0 { "\"on\"" } else { "\"off\"" }))
        .collect();
    assert_eq!(run(&toggles)[0].events, 4);
    let quiet = "{\"new\":[],\"n\":0}";
    let news: Vec<_> = (0..9)
        .map(|n| match n % 3 {
            0 => ask(
                n * 1000,
                "/s",
                &format!("{{\"new\":[\"a long message, number {n}\"],\"n\":1}}"),
            ),
            _ => ask(n * 1000, "/s", quiet),
        })
        .collect();
    // The first time nobody can know that it says nothing.
    assert_eq!((run(&news)[0].events, run(&news)[0].empty), (4, 5));
}

#[test]
fn over_http2_on_one_connection() {
    let asks: Vec<_> = two_seconds().into_iter().map(|a| Ask { version: 20, ..a }).collect();
    let all = run(&asks);
    assert_eq!((all.len(), all[0].requests, all[0].version), (1, 10, 20));
    // A DATA frame's head of 9 bytes instead of a chunk's.
    assert_eq!((sse(&all[0]).event, websocket(&all[0]).event), (13 + 8 + 9, 13 + 2 + 9));
    assert_eq!(websocket(&all[0]).setup, 300);
}

#[test]
fn a_long_series_is_counted_whole_and_a_pause_ends_it() {
    let mut asks: Vec<_> = (0..5000).map(|n| ask(n * 1000, "/m", "[]")).collect();
    asks.extend((0..10).map(|n| ask(9_000_000 + n * 1000, "/m", "[]")));
    let all = run(&asks);
    assert_eq!(all.iter().map(|s| s.requests).collect::<Vec<_>>(), [5000, 10]);
    assert_eq!(all[0].mean_interval, 1_000_000_000);
}

#[test]
fn many_targets_make_room_and_polls_are_told() {
    let mut asks = two_seconds();
    for n in 0..2 * MAX_POLL_TARGETS as i64 {
        asks.push(ask(100_000 + n, &format!("/{n}"), "x"));
    }
    let all = run(&asks);
    assert_eq!(all.iter().map(|s| s.requests).collect::<Vec<_>>(), [10]);
}

proptest::proptest! {
    /// Whatever comes in whatever order: every request of a series is one of four things, and
    /// no request is in two series.
    #[test]
    fn sums_hold(seeds in proptest::collection::vec((0..40_000_i64, 0..3_000_i64, 0..9_u32, 0..64_usize), 0..120)) {
        let asks: Vec<Ask> = seeds
            .iter()
            .map(|(start, hold, connection, what)| Ask {
                connection: *connection,
                hold: *hold,
                status: [200, 204, 304, 504][what % 4],
                version: [11, 20][what / 4 % 2],
                answered: what % 7 != 0,
                ..ask(*start, ["/a", "/a?x=1", "/a?x=2", "/a?since=3"][what / 8 % 4], ["[]", "[1]", ""][what % 3])
            })
            .collect();
        let all = run(&asks);
        let sum: u64 = all.iter().map(|s| s.requests).sum();
        proptest::prop_assert!(sum <= asks.len() as u64);
        for s in all {
            proptest::prop_assert_eq!(s.events + s.empty + s.errors + s.unanswered, s.requests);
            proptest::prop_assert!(s.timeouts <= s.requests && s.useful_bytes <= s.body_bytes[1]);
            let on: u64 = s.connections.iter().map(|(_, n, _)| n).sum();
            let heads: u64 = s.head_bytes.iter().chain(&s.body_bytes).sum();
            proptest::prop_assert_eq!(on, heads);
            proptest::prop_assert!(s.delay.mean <= s.delay.max && s.span[0] <= s.span[1]);
        }
    }
}

#[test]
fn an_answer_when_the_time_is_up_is_empty_whatever_it_says() {
    // Events come after 3 to 17 s; the server says that there is none after 20.
    let mut asks = Vec::new();
    let mut start = 0;
    for n in 0..12 {
        let event = n % 3 == 1;
        let text = format!("{{\"message\":{n}}}");
        let mut a = ask(start, "/poll", if event { &text } else { "{\"none\":true}" });
        a.hold = if event { 3000 + n * 1300 } else { 20_000 + n % 4 };
        start += a.hold + 5;
        asks.push(a);
    }
    let all = run(&asks);
    let [s] = &all[..] else { panic!("{all:#?}") };
    assert_eq!((s.kind, s.events, s.empty, s.timeouts), (Kind::Long, 4, 8, 8));
    assert_eq!(s.useful_bytes, 13 * 3 + 14);
    // Engine.IO's ping, and nothing else.
    let mut start = 0;
    let pings: Vec<Ask> = (0..4)
        .map(|n| {
            let mut a = ask(start, "/socket.io/?transport=polling", "2");
            a.hold = 25_000 + n;
            start += a.hold + 3;
            a
        })
        .collect();
    let all = run(&pings);
    let [s] = &all[..] else { panic!("{all:#?}") };
    assert_eq!((s.kind, s.events, s.empty, s.timeouts), (Kind::Long, 0, 4, 4));
    // The same events at any other time are events.
    let mut start = 0;
    let events: Vec<Ask> = (0..8)
        .map(|n: i64| {
            let mut a = ask(start, "/poll", ["{\"a\":1}", "{\"b\":22}"][n as usize % 2]);
            a.hold = [2000, 5000, 9000, 700, 400, 12_000, 8000, 3000][n as usize];
            start += a.hold + 5;
            a
        })
        .collect();
    let all = run(&events);
    let [s] = &all[..] else { panic!("{all:#?}") };
    assert_eq!((s.kind, s.events, s.empty), (Kind::Long, 8, 0));
}

/// A tick is like the last one.
#[test]
fn the_same_event_again_is_an_event_where_nothing_is_said_by_other_words() {
    let of = |answers: &[(i64, &str)]| {
        let mut start = 0;
        let asks: Vec<Ask> = answers
            .iter()
            .map(|(hold, body)| {
                let a = Ask { hold: *hold, ..ask(start, "/poll", body) };
                start += a.hold + 5;
                a
            })
            .collect();
        let all = run(&asks);
        let [s] = &all[..] else { panic!("{all:#?}") };
        assert_eq!(s.kind, Kind::Long);
        (s.events, s.empty, s.timeouts, s.useful_bytes, s.delay.mean)
    };
    let tick = "{\"tick\":1}";
    let held = [(5000, "[]"), (700, tick), (900, tick), (5000, "[]"), (300, tick), (5000, "[]")];
    assert_eq!(of(&held), (3, 3, 3, 30, 0));
    // One that was there already waited 5 ms at most.
    let queued = [(5000, "[]"), (700, tick), (10, tick), (5000, "[]")];
    assert_eq!(of(&queued), (2, 2, 2, 20, 5 * 1_000_000 / 2 / 2));
    // A state that is told when the time is up is no event, again and again.
    let state = [(10, tick), (5000, tick), (5002, tick), (900, "{\"tick\":2}"), (5000, tick)];
    assert_eq!(of(&state).0, 3);
    // A short poll that went back to nothing.
    let bodies = ["[]", tick, "[]", tick, "[]", "[]", tick, tick];
    let asks: Vec<Ask> =
        bodies.iter().enumerate().map(|(n, b)| ask(n as i64 * 1000, "/m", b)).collect();
    assert_eq!((run(&asks)[0].events, run(&asks)[0].empty), (3, 5));
}

/// GraphQL and the like ask for lists by POST.
#[test]
fn a_post_that_asks_for_lists_at_a_steady_pace_is_a_short_poll() {
    let of = |bodies: &[&str]| {
        let one = |(n, b): (usize, &&str)| Ask { method: "POST", ..ask(n as i64 * 1000, "/q", b) };
        run(&bodies.iter().enumerate().map(one).collect::<Vec<_>>())
    };
    let all = of(&["[]", "[]", "[1]", "[]", "[]", "[2]", "[]", "[]"]);
    let [s] = &all[..] else { panic!("{all:#?}") };
    assert_eq!((s.kind, s.events, s.empty), (Kind::Short, 2, 6));
    // Reports, of which each is answered.
    for answer in ["", "{}", "ok", "[]", "{\"id\":1}"] {
        assert!(of(&[answer; 8]).is_empty(), "{answer}");
    }
    assert!(of(&["[1]", "[2]", "[]", "[3]", "[4]", "[5]"]).is_empty());
}

#[test]
fn a_list_that_is_empty_beside_the_time_is_empty() {
    let asks: Vec<Ask> = (0..6)
        .map(|n| ask(n * 2000, "/m", &format!("{{\"ts\":{},\"events\":[]}}", 1000 + n)))
        .collect();
    let all = run(&asks);
    let [s] = &all[..] else { panic!("{all:#?}") };
    assert_eq!((s.kind, s.events, s.empty), (Kind::Short, 0, 6));
}

/// Numbered answers to POST, as Bayeux (CometD) has them.
fn posts(holds: &[i64]) -> Vec<Ask> {
    let mut start = 0;
    let one = |(n, hold): (usize, &i64)| {
        let mut a = ask(start, "/cometd", &format!("[{{\"id\":\"{n}\",\"successful\":true}}]"));
        a.method = "POST";
        a.hold = *hold;
        start += hold + 10;
        a
    };
    holds.iter().enumerate().map(one).collect()
}

#[test]
fn a_post_that_is_held_for_a_round_time_again_and_again_is_a_long_poll() {
    let all = run(&posts(&[30_002, 30_005, 12_000, 30_001, 30_004]));
    let [s] = &all[..] else { panic!("{all:#?}") };
    assert_eq!((s.kind, s.requests, s.events, s.timeouts), (Kind::Long, 5, 1, 4));
    // Work takes as long as it takes, even where it takes the same.
    assert!(run(&posts(&[7_300, 7_310, 7_305, 7_302])).is_empty());
    assert!(run(&posts(&[30_002, 11_000, 17_000, 12_500])).is_empty());
    assert!(run(&posts(&[30_000, 34_000, 38_000, 41_000])).is_empty());
}
