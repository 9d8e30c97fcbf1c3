//! What is true of all decoders, and what each says of messages that were written
//! after its specification.

use proptest::prelude::*;

use super::decoders;
use crate::base::{Buffer, BufferId, Side};
use crate::event::Detail;
use crate::finding::Severity;
use crate::proto::{InSession, Memo, PayloadDecoder, PayloadHint, decode};

const SUBPROTOCOLS: &[&str] = &[
    "",
    "json",
    "jsonrpc",
    "graphql-ws",
    "graphql-transport-ws",
    "socket.io",
    "v12.stomp",
    "v10.stomp",
    "mqtt",
    "signalr",
    "wamp.2.json",
    "wamp.2.msgpack",
    "wamp.2.json.batched",
    "wamp.2.msgpack.batched",
];

/// Decodes one message of a session; the codes of its findings.
fn look(
    all: &[Box<dyn PayloadDecoder>],
    (subprotocol, path): (&str, &str),
    (side, binary): (Side, bool),
    memo: &Memo,
    data: &[u8],
) -> Option<(Detail, Vec<&'static str>)> {
    let message = Some(InSession { binary, memo });
    let hint = PayloadHint { media_type: subprotocol, path, side, message };
    let mut detail = Detail::default();
    let mut buffer = Buffer::new("message");
    buffer.len = data.len() as u32;
    detail.origins.add(buffer);
    let found = decode(all, &hint, data, Some((&mut detail, BufferId(0))))?;
    Some((detail, found.iter().map(|f| f.spec.code).collect()))
}

/// A session of client messages; each line and what was found.
fn lines(subprotocol: &str, path: &str, messages: &[(bool, &[u8])]) -> Vec<String> {
    let all = decoders();
    let memo = Memo::default();
    messages
        .iter()
        .map(|(binary, data)| {
            match look(&all, (subprotocol, path), (Side::Client, *binary), &memo, data) {
                Some((d, codes)) => {
                    let codes: String = codes.iter().map(|c| format!(" !{c}")).collect();
                    format!("{}{codes}", d.summary)
                }
                None => "-".to_owned(),
            }
        })
        .collect()
}

fn text<'a>(messages: &[&'a str]) -> Vec<(bool, &'a [u8])> {
    messages.iter().map(|m| (false, m.as_bytes())).collect()
}

#[test]
fn json_rpc() {
    let said = lines(
        "",
        "/",
        &text(&[
            r#"{"jsonrpc":"2.0","id":1,"method":"eth_subscribe","params":["newHeads"]}"#,
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no"}}"#,
            r#"[{"jsonrpc":"2.0","method":"a"},{"jsonrpc":"2.0","id":2,"result":5}]"#,
            r#"{"method":"a","id":1}"#,
        ]),
    );
    assert_eq!(
        said,
        [
            "JSON-RPC eth_subscribe id 1 [\"newHeads\"]",
            "JSON-RPC error id 1 -32601 method not found \"no\"",
            "JSON-RPC batch of 2: a (notification); response id 2 5",
            "",
        ]
    );
    let said = lines(
        "jsonrpc",
        "/",
        &text(&[r#"{"id":1}"#, "{", r#"{"jsonrpc":"2.0","id":1,"result":1,"error":{}}"#]),
    );
    assert_eq!(said[0], "JSON-RPC response id 1 !jsonrpc.malformed");
    assert!(said[1].contains("!json.syntax"), "{}", said[1]);
    assert!(said[2].ends_with("!jsonrpc.malformed"), "{}", said[2]);
}

#[test]
fn graphql() {
    let said = lines(
        "graphql-transport-ws",
        "/",
        &text(&[
            r#"{"type":"connection_init"}"#,
            r#"{"id":"1","type":"subscribe","payload":{"query":"query  A {\n a }","operationName":"A"}}"#,
            r#"{"id":"1","type":"error","payload":[{"message":"bad"}]}"#,
            r#"{"type":"next","payload":{}}"#,
            r#"{"type":"start","id":"1"}"#,
        ]),
    );
    assert_eq!(
        said,
        [
            "graphql connection_init",
            "graphql subscribe 1 query A { a }",
            "graphql error 1 \"bad\"",
            "graphql next {} !graphql.no-id",
            "graphql start 1 !graphql.unknown-type",
        ]
    );
    assert_eq!(lines("graphql-ws", "/", &text(&[r#"{"type":"ka"}"#])), ["graphql ka"]);
}

#[test]
fn socket_io() {
    let path = "/socket.io/?EIO=4&transport=websocket";
    let said = lines(
        "",
        path,
        &text(&[
            "2probe",
            "40/chat,",
            r#"42/chat,13["message",{"a":1}]"#,
            r#"451-["up",{"_placeholder":true,"num":0}]"#,
            "9",
            "47",
            "42",
        ]),
    );
    assert_eq!(
        said,
        [
            "Engine.IO ping probe",
            "Socket.IO CONNECT /chat",
            "Socket.IO EVENT /chat \"message\" ack 13 {a: 1}",
            "Socket.IO BINARY_EVENT +1 / \"up\" {_placeholder: true, num: 0}",
            "Engine.IO? 9 !socketio.bad-packet",
            "Engine.IO message 7 !socketio.bad-packet",
            "Socket.IO EVENT / !socketio.bad-packet",
        ]
    );
    // Without the path, the open packet tells; before it nothing does.
    let open = r#"0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#;
    let said = lines("", "/", &text(&["42[\"a\"]", open, "42[\"a\"]"]));
    assert_eq!(
        said,
        ["-", "Engine.IO open x ping every 25000 ms timeout 20000 ms", "Socket.IO EVENT / \"a\""]
    );
}

#[test]
fn stomp() {
    let said = lines(
        "v12.stomp",
        "/",
        &text(&[
            "CONNECT\naccept-version:1.2\nhost:a\n\n\0",
            "\n",
            "SEND\r\ndestination:/q\r\nx:a\\cb\r\n\r\nhi\0\n",
            "SEND\ncontent-length:9\n\nhi\0",
            "SEND\nx\ny:\\t\n\nhi\0",
            "HELLO\n\n\0",
            "SEND\nx:1",
            "SEND\ndestination:/a\n\nwhole\0",
            // Split anywhere, with a length that has a NUL in it or without one.
            "SE",
            "ND\ncontent-le",
            "ngth:8\n\na\0b",
            "\nSEND",
            "\0SEND\n\nnext",
            "\0",
        ]),
    );
    assert_eq!(
        said,
        [
            "STOMP CONNECT accept-version 1.2",
            "STOMP heartbeat",
            "STOMP SEND /q hi",
            "STOMP SEND hi !stomp.bad-length",
            "STOMP SEND hi !stomp.bad-header !stomp.bad-escape",
            "STOMP HELLO !stomp.unknown-command",
            "STOMP (part of SEND)",
            "STOMP SEND /a whole !stomp.unfinished",
            "STOMP (part of SE)",
            "STOMP (part of SEND)",
            "STOMP (part of SEND)",
            "STOMP (part of SEND)",
            "STOMP SEND a b SEND; 1 more",
            "STOMP SEND next",
        ]
    );
}

#[test]
fn mqtt() {
    let bytes: Vec<(bool, &[u8])> = vec![
        (true, b"\x10\x10\0\x04MQTT\x05\x02\0\x3c\x03\x21\0\x14\0\0"),
        (true, b"\x20\x06\0\0\x03\x22\0\x0a"),
        (true, b"\x32\x0a\0\x03a/b\0\x07\0hi\xc0\0"),
        (true, b"\x30\x0a\0\x01"),
        (true, b"a\0hello!\xd0\0"),
        (true, b"\x80\x01\0"),
        (false, b"\xc0\0"),
        (true, b"\xe0\x01\x8e"),
        (true, b"\xf0"),
    ];
    let said = lines("", "/", &bytes);
    assert_eq!(
        said,
        [
            "MQTT CONNECT MQTT 5.0 client \"\" keep alive 60 s",
            "MQTT CONNACK success",
            "MQTT PUBLISH a/b QoS 1 id 7 hi; PINGREQ",
            "MQTT (part of PUBLISH)",
            "MQTT PUBLISH a QoS 0 hello!; PINGRESP",
            "MQTT SUBSCRIBE !mqtt.bad-flags !mqtt.malformed",
            "MQTT PINGREQ !mqtt.text-message",
            "MQTT DISCONNECT session taken over !mqtt.refused",
            "MQTT (part of AUTH)",
        ]
    );
}

#[test]
fn signalr() {
    let said = lines(
        "",
        "/hub",
        &[
            (false, b"{\"protocol\":\"messagepack\",\"version\":1}\x1e"),
            (true, b"{}\x1e"),
            (true, b"\x0b\x95\x01\x80\xa11\xa4Send\x90\x02\x91\x06"),
            (true, b"\x02\x91\x2a"),
            (true, b"\x09\x91"),
        ],
    );
    assert_eq!(
        said,
        [
            "SignalR handshake messagepack 1",
            "SignalR handshake answer",
            "SignalR Invocation Send id 1 []; 1 more",
            "SignalR record !signalr.malformed",
            "SignalR record !signalr.malformed !signalr.malformed !msgpack.syntax",
        ]
    );
    // By content, in the middle of a session.
    let one = "{\"type\":1,\"target\":\"Send\",\"arguments\":[1]}\x1e";
    assert_eq!(lines("", "/", &text(&[one])), ["SignalR Invocation Send [1]"]);
    assert_eq!(lines("", "/", &text(&["{\"type\":1}\x1e"])), ["-"]);
}

#[test]
fn wamp() {
    let said = lines(
        "",
        "/",
        &text(&[
            r#"[48,1,{},"a.b"]"#,
            r#"[1,"realm1",{"roles":{}}]"#,
            r#"[8,48,4,{},"wamp.error.x",["no"]]"#,
            "[16,1]",
            "[99]",
            "{}",
        ]),
    );
    assert_eq!(
        said,
        [
            "",
            "WAMP HELLO realm1",
            "WAMP ERROR of CALL request 4 wamp.error.x [\"no\"]",
            "WAMP PUBLISH request 1 !wamp.malformed",
            "WAMP type 99 !wamp.malformed",
            " !wamp.malformed",
        ]
    );
    let said = lines("wamp.2.msgpack", "/", &[(true, b"\x94\x30\x01\x80\xa3a.b")]);
    assert_eq!(said, ["WAMP CALL request 1 a.b"]);
}

/// What is only guessed is shown, and not judged.
#[test]
fn guesses_are_not_judged() {
    let broken = r#"{"a":1,"a":2,]}"#;
    let all = decoders();
    let (d, codes) =
        look(&all, ("", "/"), (Side::Client, false), &Memo::default(), broken.as_bytes()).unwrap();
    assert_eq!(codes, [""; 0]);
    assert_eq!(d.tree.find("json.unread").unwrap().span.unwrap().start, 13);
    let (_, codes) =
        look(&all, ("json", "/"), (Side::Client, false), &Memo::default(), broken.as_bytes())
            .unwrap();
    assert_eq!(codes, ["json.syntax", "json.duplicate-key"]);
}

/// Findings are the same whether somebody looks or not, but for their places.
fn same_unseen(subprotocol: &str, binary: bool, data: &[u8]) {
    let all = decoders();
    let codes = |seen: bool| {
        let memo = Memo::default();
        let hint = PayloadHint {
            media_type: subprotocol,
            path: "/",
            side: Side::Client,
            message: Some(InSession { binary, memo: &memo }),
        };
        let mut detail = Detail::default();
        let detail = seen.then_some((&mut detail, BufferId(0)));
        let found = decode(&all, &hint, data, detail).unwrap_or_default();
        found.iter().map(|f| (f.spec.code, f.detail.clone())).collect::<Vec<_>>()
    };
    assert_eq!(codes(true), codes(false), "{subprotocol}");
}

fn inside(detail: &Detail, len: usize) {
    for n in detail.tree.nodes() {
        if let Some(s) = n.span {
            assert!(s.end() as usize <= len, "{} lies at {s:?} of {len}", n.spec.name);
        }
    }
}

/// Bytes of the format with some of them bent.
fn specimens() -> Vec<Vec<u8>> {
    [
        &br#"{"jsonrpc":"2.0","id":1,"method":"a","params":[1,"\u00e9",null,{"b":true}]}"#[..],
        br#"42/chat,13["message",{"a":1}]"#,
        br#"0{"sid":"x","upgrades":[],"pingInterval":25000,"pingTimeout":20000}"#,
        b"SEND\r\ndestination:/q\r\ncontent-length:2\r\n\r\nhi\0\n",
        b"\x10\x27\0\x04MQTT\x05\xc6\0\x3c\x03\x21\0\x14\0\x03abc\0\0\x01w\0\x01m\0\x01u\0\x01p\x26\0\x01k\0\x01v",
        b"\x32\x0a\0\x03a/b\0\x07\0hi\xc0\0",
        b"\x82\x0b\0\x01\x05\x26\0\0\0\0\0\0a\x2d",
        b"{\"type\":1,\"target\":\"Send\",\"arguments\":[1]}\x1e{\"type\":6}\x1e",
        b"\x0b\x95\x01\x80\xa11\xa4Send\x90\x02\x91\x06",
        br#"[8,48,4,{},"wamp.error.x",["no"]]"#,
        b"\x94\x30\x01\x80\xa3a.b",
    ]
    .iter()
    .map(|s| s.to_vec())
    .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    /// No bytes make a decoder panic, and every field lies within them.
    #[test]
    fn any_bytes(
        which in 0..SUBPROTOCOLS.len(),
        binary: bool,
        base in 0..12_usize,
        noise in proptest::collection::vec(any::<u8>(), 0..80),
        bends in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        cut in any::<prop::sample::Index>(),
    ) {
        let mut data = specimens().get(base).cloned().unwrap_or(noise);
        for (at, to) in bends {
            if !data.is_empty() {
                let i = at.index(data.len());
                data[i] = to;
            }
        }
        let len = cut.index(data.len() + 1);
        data.truncate(if base % 2 == 0 { data.len() } else { len });
        let subprotocol = SUBPROTOCOLS[which];
        let all = decoders();
        let memo = Memo::default();
        for path in ["/", "/socket.io/?EIO=3"] {
            for side in Side::BOTH {
                if let Some((d, _)) = look(&all, (subprotocol, path), (side, binary), &memo, &data) {
                    inside(&d, data.len());
                }
            }
        }
        if !subprotocol.is_empty() {
            same_unseen(subprotocol, binary, &data);
        }
    }

    /// The packets of MQTT, the frames of STOMP and the records of SignalR cover
    /// their bytes, each bit once.
    #[test]
    fn tiling(
        which in 0..5_usize,
        bends in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
    ) {
        let (subprotocol, base) = [("mqtt", 4), ("mqtt", 5), ("mqtt", 6), ("v12.stomp", 3), ("socket.io", 1)][which];
        let mut data = specimens().swap_remove(base);
        for (at, to) in bends {
            let i = at.index(data.len());
            data[i] = to;
        }
        let all = decoders();
        let binary = subprotocol == "mqtt";
        let (d, _) = look(&all, (subprotocol, "/"), (Side::Client, binary), &Memo::default(), &data).unwrap();
        let mut spans: Vec<_> = d
            .tree
            .leaves()
            .filter(|n| !n.spec.name.starts_with("json.") && n.spec.name != "socketio.event" && n.spec.name != "socketio.error" && !n.spec.name.starts_with("engineio.s") && !n.spec.name.starts_with("engineio.ping_"))
            .filter_map(|n| n.span)
            .collect();
        spans.sort_by_key(|s| s.first_bit());
        let mut at = 0;
        for s in &spans {
            prop_assert!(s.first_bit() >= at, "{s:?} overlaps, {at} bits were covered: {:?}", d.tree);
            if subprotocol != "socket.io" {
                prop_assert_eq!(s.first_bit(), at, "{:?}", d.tree);
            }
            at = s.first_bit() + s.bit_len();
        }
        if subprotocol != "socket.io" {
            prop_assert_eq!(at, data.len() as u64 * 8, "{:?}", d.tree);
        }
    }
}

/// Every code that a specification speaks of is an error, a warning or a note.
#[test]
fn codes_begin_with_their_format() {
    for p in crate::proto::REGISTRY.iter().filter(|p| p.start.is_none() && p.name != "protobuf") {
        for f in p.findings {
            assert!(f.code.starts_with(&format!("{}.", p.name)), "{}", f.code);
            assert!(f.severity <= Severity::Error);
        }
    }
}
