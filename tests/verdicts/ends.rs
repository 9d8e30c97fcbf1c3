//! Why sessions ended, with the packets that prove it.

use crate::support::{NUMBERED, Owned, as_json, options, run};
use crate::wire::{
    Do, Fin, KEY, LOCAL, Rst, Up, Wait, accept, bye, code, down, local, raw, request, response,
    talk, up, with,
};

/// Runs one session: cause, verdict, and the packets of it; what is found of it has the
/// same packets.
fn verdict(packets: &[Owned]) -> (String, String, Vec<u64>) {
    let r = run(packets, options(&NUMBERED));
    let mut sessions = r.events.iter().filter(|(e, _)| e.draft.kind == "session");
    let (event, info) = sessions.next().expect("a session");
    let v = as_json(event, info);
    let text = |name: &str| v["fields"][name].as_str().unwrap_or("none").to_owned();
    let proof: Vec<u64> = v["fields"]["websocket.proof_packets"]
        .as_array()
        .map(|a| a.iter().map(|n| n.as_u64().unwrap()).collect())
        .unwrap_or_default();
    let ends = ["websocket.abnormal-closure", "websocket.closed-on-error"];
    for f in r.findings.iter().filter(|f| ends.contains(&f.finding.spec.code)) {
        let packets: Vec<u64> = f.packets.iter().map(|p| p.0).collect();
        assert_eq!(packets, proof);
        assert_eq!(f.event, Some(event.id));
        assert_eq!(f.finding.detail.as_deref(), Some(text("websocket.verdict").as_str()));
    }
    (text("websocket.end_cause"), text("websocket.verdict"), proof)
}

/// A ping is what ended a session where its sender waited for the pong as long as somebody
/// waits, and left then. Who leaves of its own accord is not blamed on a ping under way.
#[test]
fn a_ping_ends_a_session_where_its_sender_waited_for_it_and_left() {
    let fin = |server: bool| [Fin(!server), Fin(server)];
    let ends = |acts: &[Do]| {
        let packets = local(acts);
        let (cause, text, _) = verdict(&packets);
        let r = run(&packets, options(&[]));
        let found = r.findings.iter().any(|f| f.finding.spec.code == "websocket.unanswered-ping");
        (cause, text, found)
    };
    let pinged = |ms: i64, server: bool, answered: &[i64]| {
        let mut acts = vec![up(0x81, b"a"), down(0x81, b"b")];
        for (i, wait) in answered.iter().enumerate() {
            let payload = [b'p', i as u8];
            acts.extend([down(0x89, &payload), Wait(*wait), up(0x8a, &payload), Wait(1000)]);
        }
        // A packet takes a millisecond.
        acts.extend([down(0x89, b"?"), Wait(ms - 1)]);
        acts.extend(fin(server));
        ends(&acts)
    };
    let left = |by: &str| format!("1006: FIN by the {by} without a close frame");
    // Too soon for a timeout, whoever leaves.
    assert_eq!(pinged(100, true, &[]), ("fin".into(), left("server"), false));
    assert_eq!(pinged(100, false, &[]), ("fin".into(), left("client"), false));
    // Who owes the pong leaves.
    assert_eq!(pinged(5000, false, &[]), ("fin".into(), left("client"), true));
    // No longer than pongs took before.
    assert_eq!(pinged(900, true, &[1500]), ("fin".into(), left("server"), false));
    for (ms, wait) in [(400, "400 ms"), (5000, "5 s")] {
        let text = format!("{}: no pong for {wait} to the server's ping", left("server"));
        assert_eq!(pinged(ms, true, &[10]), ("unanswered ping".into(), text, true));
    }
}

/// What is blamed is what was there when the peer complained, or what a client cannot accept of
/// an answer.
#[test]
fn the_fault_that_ended_a_session_is_the_one_before_its_end() {
    // The library that sent the close frame sends another one, behind the complaint.
    let acts = [
        up(0x88, &code(1016)),
        down(0x88, &code(1002)),
        up(0x88, &code(1002)),
        Fin(false),
        Fin(true),
    ];
    let (cause, text, proof) = verdict(&local(&acts));
    assert_eq!(cause, "protocol error");
    assert_eq!(
        text,
        "the client closed first with 1016, the server answered with 1002 (protocol error): \
         the client's websocket.unassigned-close-code (RFC 6455 §7.4.2)"
    );
    assert_eq!(proof, [6, 7]);

    let answers = [
        ("HTTP/1.1 101", "HTTP/1.1 200", "bad-status (RFC 6455 §4.2.2)"),
        ("Connection: Upgrade\r\n", "", "bad-response (RFC 6455 §4.1)"),
        ("Upgrade: websocket\r\n", "", "bad-response (RFC 6455 §4.1)"),
    ];
    for (what, instead, blamed) in answers {
        let answer = response(&accept(KEY), "").replace(what, instead);
        let acts = [down(0x81, b"hello"), Fin(true), Fin(false)];
        let (cause, text, _) = verdict(&with(LOCAL, &request("/", ""), &answer, &acts));
        let (code, section) = blamed.split_once(' ').unwrap();
        assert_eq!(cause, "protocol error", "{blamed}: {text}");
        let why = format!("the server's websocket.{code} before {section}");
        assert!(text.ends_with(&why), "{text}");
    }
}

/// Packets 1 to 5 are the handshakes; the first act is packet 6.
#[test]
fn verdicts_and_their_proof() {
    let fin = [Fin(false), Fin(true)];
    let say = |acts: &[Do]| verdict(&talk(LOCAL, "/", "", acts));
    let on = |acts: &[Do], cause: &str, text: &str, proof: &[u64]| {
        let (c, t, p) = say(acts);
        assert_eq!((c.as_str(), t.as_str(), p.as_slice()), (cause, text, proof));
    };
    on(
        &bye(),
        "close",
        "the client closed first with 1000 (normal closure), the server answered",
        &[6, 7],
    );
    on(
        &[&[up(0x81, b"a"), down(0x88, &code(1001))], &fin[..]].concat(),
        "close",
        "the server closed first with 1001 (going away), the client did not answer",
        &[7],
    );
    on(
        &[&[up(0x81, b"a")], &fin[..]].concat(),
        "fin",
        "1006: FIN by the server without a close frame",
        &[6, 7],
    );
    on(
        &[up(0x81, b"a"), Rst(true)],
        "reset",
        "1006: RST by the client without a close frame",
        &[6, 7],
    );
    for secs in [30, 60, 120] {
        for off in [-900, 0, 900] {
            on(
                &[&[up(0x81, b"a"), Wait(secs * 1000 + off)], &fin[..]].concat(),
                "idle timeout",
                &format!(
                    "1006: FIN by the server without a close frame: {secs} s of silence, \
                     likely an idle timeout of a proxy"
                ),
                &[6, 7],
            );
        }
    }
    assert_eq!(say(&[&[up(0x81, b"a"), Wait(44_000)], &fin[..]].concat()).0, "fin");
    // A silence that was survived is nobody's timeout, nor is one as long as it.
    let beats = |ms: &[i64]| -> Vec<Do> {
        let acts = ms.iter().enumerate();
        acts.flat_map(|(i, ms)| [up(0x81, &[b'a' + i as u8]), Wait(*ms)])
            .chain(fin.clone())
            .collect()
    };
    assert_eq!(say(&beats(&[200_000, 30_000])).0, "fin");
    assert_eq!(say(&beats(&[29_500, 29_500, 29_500, 29_500])).0, "fin");
    assert_eq!(say(&beats(&[20_000, 30_000])).0, "idle timeout");
    let polite = |ms: i64| {
        let close = [up(0x81, b"b"), Wait(60_000), down(0x88, &code(1000)), up(0x88, &code(1000))];
        let acts = [&[up(0x81, b"a"), Wait(ms)], &close[..], &fin].concat();
        say(&acts).1.contains("60 s of silence before it")
    };
    assert!(polite(10_000) && !polite(61_000));
    // Of one end alone: a proxy counts the server's silence, and the server was as silent before.
    let quiet = |first: i64| {
        let mut acts = vec![down(0x81, b"a"), Wait(first), down(0x81, b"b")];
        for n in 0..7 {
            acts.extend([Wait(8500), up(0x81, &[b'c', n])]);
        }
        acts.extend(fin.clone());
        say(&acts).0
    };
    assert_eq!((quiet(10_000).as_str(), quiet(61_000).as_str()), ("idle timeout", "fin"));
    on(
        &[&[down(0x89, b"?"), Wait(20_000)], &fin[..]].concat(),
        "unanswered ping",
        "1006: FIN by the server without a close frame: no pong for 20 s to the server's ping",
        &[6, 7],
    );
    on(
        &[&[down(0x89, b"?"), Wait(20_000), down(0x88, &code(1011))], &fin[..]].concat(),
        "unanswered ping",
        "the server closed first with 1011 (internal error), the client did not answer: \
         no pong for 20 s to the server's ping",
        &[6, 7],
    );
    on(
        &[&[up(0x82, &[7; 5000]), down(0x88, &code(1009)), up(0x88, &code(1009))], &fin[..]]
            .concat(),
        "message too big",
        "the server closed first with 1009 (message too big), the client answered: \
         the client's message of 5000 bytes",
        &[6, 7, 8],
    );
    // Cut off in the middle of it.
    let Up(big) = up(0x82, &vec![7; 2 << 20]) else { unreachable!() };
    on(
        &[Up(big[..60_000].to_vec()), Rst(false)],
        "message too big",
        "1006: RST by the server without a close frame: the client was sending a message of \
         2097152 bytes: likely over a limit",
        &[6, 7],
    );
    // A large one that went well is no reason.
    let whole = |ms| say(&[&[down(0x82, &vec![7; 80_000])][..], &[Wait(ms), Rst(true)]].concat()).0;
    assert_eq!((whole(100).as_str(), whole(400).as_str()), ("message too big", "reset"));
    on(
        &[&[up(0xa1, b"x"), down(0x88, &code(1002)), up(0x88, &code(1002))], &fin[..]].concat(),
        "protocol error",
        "the server closed first with 1002 (protocol error), the client answered: \
         the client's websocket.rsv-without-extension (RFC 6455 §5.2)",
        &[6, 7, 8],
    );
    on(
        &[&[up(0x81, b"caf\xe9!"), down(0x88, &code(1007))], &fin[..]].concat(),
        "protocol error",
        "the server closed first with 1007 (invalid frame payload data), the client did not \
         answer: the client's websocket.bad-utf8 (RFC 6455 §8.1)",
        &[6, 7],
    );
    on(
        &[&[up(0x88, &code(999)), down(0x88, &code(1002))], &fin[..]].concat(),
        "protocol error",
        "the client closed first with 999, the server answered with 1002 (protocol error): \
         the client's websocket.bad-close-code (RFC 6455 §7.4)",
        &[6, 7],
    );
    on(
        &[&[up(0x81, b"ok"), Up(raw(0x81, None, 0, b"x"))], &fin[..]].concat(),
        "protocol error",
        "1006: FIN by the server without a close frame: the client's websocket.client-unmasked \
         before (RFC 6455 §5.1)",
        &[7, 8],
    );
    // 1005 says that there was no code, and was there.
    on(
        &[&[up(0x88, &code(1005)), down(0x88, b"")], &fin[..]].concat(),
        "close",
        "the client closed first with 1005 (no status received), the server answered",
        &[6, 7],
    );
    on(
        &[&[up(0x88, b""), down(0x88, b"")], &fin[..]].concat(),
        "close",
        "the client closed first, without a code, the server answered",
        &[6, 7],
    );
    on(&[up(0x81, b"a")], "open", "open when the capture ended", &[]);
}

/// What stands behind missing bytes is told when nobody waits for these any more: who closed
/// first is told by the times all the same.
#[test]
fn who_closed_first_behind_a_hole() {
    let acts = [
        up(0x81, b"one"),
        up(0x81, b"lost"),
        up(0x88, &code(4001)),
        Wait(20),
        down(0x88, &code(4001)),
        Wait(20),
        Fin(false),
        Fin(true),
    ];
    let mut packets = talk(LOCAL, "/", "", &acts);
    packets.remove(6);
    let (cause, text, proof) = verdict(&packets);
    assert_eq!(cause, "close");
    assert_eq!(text, "the client closed first with 4001 (private), the server answered");
    assert_eq!(proof, [8, 9]);
}

/// A close frame may have been among what is missing, whoever ended the connection.
#[test]
fn no_1006_where_the_peers_last_bytes_are_missing() {
    let acts = [up(0x81, b"one"), down(0x88, &code(1011)), Wait(20), Fin(true), Fin(false)];
    let mut packets = talk(LOCAL, "/", "", &acts);
    packets.remove(6);
    let (cause, text, _) = verdict(&packets);
    assert_eq!(cause, "not captured");
    assert_eq!(text, "FIN by the client; what the server sent before was not captured");
}

/// Counts, bytes and times of a session.
#[test]
fn a_session_is_counted() {
    let acts = [
        up(0x81, b"hello"),
        down(0x82, &[1; 200]),
        up(0x89, b"1"),
        Wait(9),
        down(0x8a, b"1"),
        up(0x89, b"2"),
        Wait(29),
        down(0x8a, b"2"),
        Wait(4999),
    ];
    let r = run(&local(&acts), options(&NUMBERED));
    let (event, info) = r.events.iter().find(|(e, _)| e.draft.kind == "session").unwrap();
    let v = as_json(event, info);
    for (name, want) in [
        ("websocket.client_messages", 1_u64),
        ("websocket.server_messages", 1),
        ("websocket.client_bytes", 5),
        ("websocket.server_bytes", 200),
        // Heads of 6 bytes, and of 4 and 2.
        ("websocket.client_frame_bytes", 11 + 7 + 7 + 8),
        ("websocket.server_frame_bytes", 204 + 3 + 3 + 4),
        ("websocket.pings", 2),
        ("websocket.pongs", 2),
        ("websocket.unanswered_pings", 0),
        ("websocket.ping_min_ns", 10_000_000),
        ("websocket.ping_mean_ns", 20_000_000),
        ("websocket.ping_max_ns", 30_000_000),
        ("websocket.longest_silence_ns", 5_000_000_000),
    ] {
        assert_eq!(v["fields"][name], want, "{name}");
    }
    let Some(framescope::facts::Facts::Session(f)) = &event.draft.facts else { panic!() };
    assert_eq!((f.messages, f.payload_bytes, f.frame_bytes), ([1, 1], [5, 200], [33, 214]));
    let head = request("/", "").len() + response(&accept(KEY), "").len();
    assert_eq!(f.handshake_bytes, head as u64);
    let lens: Vec<_> = f.digests.iter().map(|d| (d.from_client, d.len, d.at.packet.0)).collect();
    assert_eq!(lens, [(true, 5, 6), (false, 200, 7)]);
    assert!(f.digests.iter().all(|d| d.payload != 0 && d.wire != 0));
}
