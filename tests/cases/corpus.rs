//! What must come out of the captures of `FRAMESCOPE_CORPUS`. Nothing of them is
//! copied here beyond short strings: longer texts are told by their hash.

use std::path::PathBuf;

use base64::Engine as _;
use serde_json::{Value, json};

use crate::{events, print, sha1};

/// A capture of the corpus, or `None`, said aloud, where there is no corpus.
fn capture(name: &str) -> Option<PathBuf> {
    let Some(folder) = std::env::var_os("FRAMESCOPE_CORPUS") else {
        eprintln!("SKIPPED: FRAMESCOPE_CORPUS is not set");
        return None;
    };
    let path = PathBuf::from(folder).join("wireshark").join(name);
    assert!(path.exists(), "{} is not there", path.display());
    Some(path)
}

macro_rules! capture {
    ($name:literal) => {
        match capture($name) {
            Some(path) => path,
            None => return,
        }
    };
}

fn of<'a>(events: &'a [Value], protocol: &str, kind: &str) -> Vec<&'a Value> {
    events.iter().filter(|e| e["protocol"] == protocol && e["kind"] == kind).collect()
}

fn text(v: &Value) -> &str {
    v.as_str().unwrap_or_else(|| panic!("{v} is no text"))
}

fn bytes(event: &Value) -> Vec<u8> {
    match event["payload"]["text"].as_str() {
        Some(t) => t.as_bytes().to_vec(),
        None => base64::engine::general_purpose::STANDARD
            .decode(text(&event["payload"]["base64"]))
            .unwrap(),
    }
}

/// Sender, packets and SHA-1 of the WebSocket texts.
fn texts(events: &[Value]) -> Vec<(String, Value, String)> {
    of(events, "websocket", "text")
        .iter()
        .map(|e| (text(&e["sender"]).into(), e["packets"].clone(), sha1(&bytes(e))))
        .collect()
}

fn assert_texts(events: &[Value], expected: &[(&str, &[u64], &str)]) {
    let expected: Vec<(String, Value, String)> =
        expected.iter().map(|(s, p, h)| ((*s).into(), json!(p), (*h).into())).collect();
    assert_eq!(texts(events), expected);
    assert!(events.iter().all(|e| e["findings"] == json!([])), "nothing is wrong with them");
}

#[test]
fn websocket_plain() {
    let path = capture!("websocket.pcapng.gz");
    let frames = events(&path, "frame");
    assert_eq!(frames.len(), 8);
    for (i, f) in frames.iter().enumerate() {
        let client = i % 2 == 0;
        assert_eq!(f["sender"], if client { "client" } else { "server" });
        assert_eq!(f["packets"], json!([8 + i]));
        let fields = &f["fields"];
        assert_eq!(fields["websocket.opcode"], 1);
        assert_eq!(fields["websocket.fin"], true);
        assert_eq!(fields["websocket.mask"], client);
        assert_eq!(fields.get("websocket.masking_key").is_some(), client);
        assert_eq!(fields["websocket.payload_length"], if client { 48 } else { 49 });
    }
    let messages = events(&path, "message");
    let asked = [
        "1265307447409499018",
        "7820623503489255511",
        "1426939729363796099",
        "1030177915652144116",
    ];
    let all: Vec<&str> =
        of(&messages, "websocket", "text").iter().map(|m| text(&m["payload"]["text"])).collect();
    let expected: Vec<String> = asked
        .iter()
        .flat_map(|n| {
            ["request", "response"].map(|t| format!("{{\"type\":\"{t}\",\"data\":\"{n}\"}}\n"))
        })
        .collect();
    assert_eq!(all, expected);
}

#[test]
fn websocket_fragmented() {
    let path = capture!("websocket-fragmented.pcapng.gz");
    let frames = events(&path, "frame");
    let kinds: Vec<&str> = frames.iter().map(|f| text(&f["kind"])).collect();
    assert_eq!(kinds, ["text", "continuation"].repeat(4));
    assert_texts(
        &events(&path, "message"),
        &[
            ("client", &[8, 9], "3612c0e5081c213a36e48a50c77449a315f16f28"),
            ("server", &[11, 12], "d963fa1a828d7ed8bf7e255c0ac0d7f76bc91c24"),
            ("client", &[14, 15], "2d58f3351e00b58c3b7f9877b0418b4519d7febf"),
            ("server", &[17, 18], "415d1fcc773d7e657ab5d4286803eb7bd7d1ab85"),
        ],
    );
}

#[test]
fn websocket_compressed() {
    let path = capture!("websocket-compressed.pcapng.gz");
    let frames = events(&path, "frame");
    let lengths: Vec<_> =
        frames.iter().map(|f| f["fields"]["websocket.payload_length"].as_u64().unwrap()).collect();
    assert_eq!(lengths, [120, 121, 123, 121]);
    assert!(frames.iter().all(|f| f["fields"]["websocket.rsv1"] == true));
    assert_texts(
        &events(&path, "message"),
        &[
            ("client", &[8], "9fe7e668bdbc4f60cbf6ffcd87db19adddba21f9"),
            ("server", &[9], "4faed531bcb2fd3c52bbe70322f5cafdc27c03b4"),
            ("client", &[10], "c579790b842265db92764e447dd4a9a71ae76566"),
            ("server", &[11], "56bbbf06d8f09ad2a4a88d35d70b7b5b11505de1"),
        ],
    );
}

/// RSV1 stands on the first fragment, and the message is inflated as a whole.
#[test]
fn websocket_compressed_fragmented() {
    let path = capture!("websocket-compressed-fragmented.pcapng.gz");
    let frames = events(&path, "frame");
    let rsv1: Vec<&Value> = frames.iter().map(|f| &f["fields"]["websocket.rsv1"]).collect();
    assert_eq!(rsv1, [true, false].repeat(4));
    let messages = events(&path, "message");
    assert_texts(
        &messages,
        &[
            ("client", &[8, 9], "dd55f459cae911a31c21d20ddd5158e98671f4bc"),
            ("server", &[11, 12], "f902750fa68842072baf764680b203b73602c9eb"),
            ("client", &[14, 15], "928c9098bc502e5dbe70f7bbaa19d2c0f178c169"),
            ("server", &[17, 18], "27b1180d9ade5229eb8295954306895726741f4e"),
        ],
    );
    // The server sends back what it was sent.
    let data: Vec<String> = of(&messages, "websocket", "text")
        .iter()
        .map(|m| {
            let v: Value = serde_json::from_slice(&bytes(m)).unwrap();
            text(&v["data"]).to_owned()
        })
        .collect();
    assert_eq!((&data[0], &data[2]), (&data[1], &data[3]));
    assert_eq!(data[0].len(), 302);
}

#[test]
fn websocket_compressed_by_the_server_only() {
    let path = capture!("websocket-compressed-server-only.pcap");
    let frames = events(&path, "frame");
    assert_eq!(frames.len(), 20);
    for f in &frames {
        assert_eq!(f["fields"]["websocket.rsv1"], f["sender"] == "server");
        assert_eq!(f["fields"]["websocket.mask"], f["sender"] == "client");
    }
    let messages = events(&path, "message");
    let all: Vec<String> = of(&messages, "websocket", "text")
        .iter()
        .map(|m| format!("{} {}", text(&m["sender"]), text(&m["payload"]["text"])))
        .collect();
    let expected: Vec<String> = (0..10)
        .map(|i| format!("client from client.. {i}"))
        .chain((0..10).map(|i| format!("server pong: from client.. {i}")))
        .collect();
    assert_eq!(all, expected);
}

/// The keys of a capture, beside the corpus.
fn keys(name: &str) -> Option<String> {
    let folder = std::env::var_os("FRAMESCOPE_CORPUS")?;
    let path = PathBuf::from(folder).join("wireshark/keys").join(name);
    assert!(path.exists(), "{} is not there", path.display());
    Some(path.to_str()?.to_owned())
}

/// Events of a level, decrypted with a key log.
fn opened(path: &std::path::Path, log: &str, level: &str) -> Vec<Value> {
    print(path, &["--full", "--format", "json", "--level", level, "--keylog", log])
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

/// `GET /first → 200` of each exchange of HTTP.
fn exchanges(events: &[Value]) -> Vec<(String, Value)> {
    of(events, "http", "exchange")
        .iter()
        .map(|e| {
            let f = &e["fields"];
            (
                f["http.request.uri"].as_str().unwrap_or("-").to_owned(),
                f["http.response.code"].clone(),
            )
        })
        .collect()
}

/// The bodies of all responses.
fn bodies(events: &[Value]) -> Vec<Vec<u8>> {
    of(events, "http", "response").iter().map(|e| bytes(e)).collect()
}

fn holds(haystack: &[u8], needle: &[u8]) -> bool {
    haystack.windows(needle.len()).any(|w| w == needle)
}

/// Without its key TLS shows its records, every byte of them, and what is missing.
#[test]
fn without_keys_tls_stays_closed() {
    let path = capture!("http2-data-reassembly.pcap");
    let all = events(&path, "exchange");
    let fields = &of(&all, "tcp", "connection")[0]["fields"];
    assert_eq!(fields["tcp.connection.client_bytes"], 939);
    assert_eq!(fields["tcp.connection.server_bytes"], 77_514);
    assert_eq!(fields["tcp.connection.opaque_bytes"], 0);
    let session = of(&all, "tls", "session")[0];
    assert!(session["fields"]["tls.unopened_records"].as_u64().unwrap() > 4);
    let found = events(&path, "finding");
    assert!(found.iter().any(|f| f["code"] == "tls.no-secret"), "{found:?}");
    assert!(of(&all, "http", "exchange").is_empty());
}

#[test]
fn tls12_http2_with_a_key_log() {
    let path = capture!("http2-data-reassembly.pcap");
    let Some(log) = keys("http2-data-reassembly.keys") else { return };
    let frames = opened(&path, &log, "frame");
    assert_eq!(of(&frames, "http2", "data").iter().filter(|f| f["sender"] == "server").count(), 6);
    let all = opened(&path, &log, "message");
    let body = &bodies(&all)[0];
    assert!(holds(body, b"PNG") && holds(body, b"END"));
}

#[test]
fn tls12_http2_with_its_own_secrets() {
    let path = capture!("http2_follow_multistream.pcapng");
    let frames = events(&path, "frame");
    let of_http2 = |f: &&Value| f["protocol"] == "http2" && f["kind"] != "preface";
    assert_eq!(frames.iter().filter(of_http2).count(), 130);
    let path = capture!("http2-brotli.pcapng");
    let all = events(&path, "message");
    let response = of(&all, "http", "response")[0];
    assert!(response["payload"]["text"].as_str().is_some_and(|t| !t.is_empty()), "{response}");
}

#[test]
fn tls12_chacha20_of_seven_suites() {
    let path = capture!("tls12-chacha20poly1305.pcap");
    let Some(log) = keys("tls12-chacha20poly1305.keys") else { return };
    let sessions: Vec<String> = of(&opened(&path, &log, "exchange"), "tls", "session")
        .iter()
        .map(|e| text(&e["summary"]).split(", ").nth(2).unwrap().to_owned())
        .collect();
    assert_eq!(sessions.len(), 7);
    let all = opened(&path, &log, "message");
    for (n, body) in bodies(&all).iter().enumerate() {
        assert!(holds(body, b"Cipher is "), "{n}: {}", sessions[n]);
    }
    assert_eq!(bodies(&all).len(), 7);
    let found = opened(&path, &log, "finding");
    assert!(!found.iter().any(|f| f["code"] == "tls.malformed"), "{found:?}");
}

#[test]
fn tls12_secrets_blocks() {
    let path = capture!("tls12-dsb.pcapng");
    let all = events(&path, "exchange");
    assert_eq!(exchanges(&all), [("/".to_owned(), json!(200)), ("/".to_owned(), json!(200))]);
    let names: Vec<&Value> =
        of(&all, "tls", "session").iter().map(|e| &e["fields"]["tls.server_name"]).collect();
    assert_eq!(names, ["example.com", "example.net"]);
}

#[test]
fn tls13_with_early_data() {
    let path = capture!("tls13-rfc8446.pcap");
    let Some(log) = keys("tls13-rfc8446.keys") else { return };
    let all = opened(&path, &log, "exchange");
    let paths: Vec<String> = exchanges(&all).into_iter().map(|(p, _)| p).collect();
    assert_eq!(paths, ["/first", "/early", "/second"]);
    let Some(log) = keys("tls13-rfc8446-noearly.keys") else { return };
    let all = opened(&path, &log, "exchange");
    let paths: Vec<String> = exchanges(&all).into_iter().map(|(p, _)| p).collect();
    assert_eq!(paths, ["/first", "-", "/second"]);
    let closed: u64 = of(&all, "tls", "session")
        .iter()
        .filter_map(|e| e["fields"]["tls.unopened_records"].as_u64())
        .sum();
    assert_eq!(closed, 2, "the early request, and the end of early data");
}

#[test]
fn tls13_of_draft_20() {
    let path = capture!("tls13-20-chacha20poly1305.pcap");
    let Some(log) = keys("tls13-20-chacha20poly1305.keys") else { return };
    let all = opened(&path, &log, "exchange");
    assert_eq!(exchanges(&all).len(), 2);
    assert!(of(&all, "tls", "session").iter().all(|e| e["fields"]["tls.version"] == 0x7f14));
}

#[test]
fn tls10_cbc() {
    let path = capture!("dhe1.pcapng.gz");
    let Some(log) = keys("dhe1_keylog.dat") else { return };
    let all = opened(&path, &log, "message");
    let requests = of(&all, "http", "request");
    assert_eq!(requests.len(), 1);
    assert!(text(&requests[0]["summary"]).starts_with("GET /test HTTP/1.0"), "{}", requests[0]);
}

#[test]
fn handshakes_in_many_records() {
    let path = capture!("tls-fragmented-handshakes.pcap.gz");
    let all = events(&path, "message");
    let hellos = of(&all, "tls", "client_hello");
    assert_eq!(hellos.len(), 1000);
    let path = capture!("tls-fragmented-over-tcp-segmented.pcapng.gz");
    let all = events(&path, "message");
    let request = of(&all, "http", "request")[0];
    assert_eq!(request["fields"]["http.host"], "reports.crashlytics.com");
}

#[test]
fn tls13_out_of_order() {
    let path = capture!("challenge01_ooo_stream.pcapng.gz");
    let all = events(&path, "exchange");
    let images: Vec<_> = exchanges(&all)
        .into_iter()
        .filter(|(p, _)| p.ends_with(".png") || p.ends_with(".jpg"))
        .collect();
    assert_eq!(images.len(), 11);
    assert!(images.iter().all(|(_, status)| *status == json!(200)));
}

/// Its secrets are in the capture; seven records are encrypted.
#[test]
fn dtls12_ccm8() {
    let path = capture!("dtls12-aes128ccm8-dsb.pcapng");
    let all = events(&path, "frame");
    let records = of(&all, "dtls", "record");
    assert_eq!(records.len(), 15);
    let opened: Vec<_> =
        records.iter().filter(|r| text(&r["summary"]).ends_with("decrypted")).collect();
    assert_eq!(opened.len(), 7);
    assert!(opened.iter().all(|r| r["fields"]["dtls.record.epoch"] == 1));
    assert!(all.iter().all(|e| e["findings"] == json!([])));
}

/// A pre-shared key is in no key log: what is in clear is shown, and what is missing said.
#[test]
fn pre_shared_keys_stay_closed() {
    for (name, suite) in [("tls12-aes128ccm.pcap", 0xc0a4), ("tls12-aes256gcm.pcap", 0x00a9)] {
        let Some(path) = capture(name) else { return };
        let all = events(&path, "exchange");
        assert_eq!(of(&all, "tls", "session")[0]["fields"]["tls.ciphersuite"], suite);
        assert!(events(&path, "finding").iter().any(|f| f["code"] == "tls.no-secret"));
    }
}

#[test]
fn http2_of_draft_14() {
    let path = capture!("packet-h2-14_headers.pcapng");
    let frames = events(&path, "frame");
    let count = |k: &str| frames.iter().filter(|f| f["kind"] == k).count();
    assert_eq!(
        (count("preface"), count("settings"), count("headers"), count("data")),
        (1, 5, 7, 7)
    );
    let first = frames.iter().find(|f| f["kind"] == "headers").unwrap();
    assert_eq!(first["packets"], json!([6]));
    assert_eq!(
        first["fields"]["http2.header.value"],
        json!([
            "localhost:3000",
            "GET",
            "/doc/manual/html/index.html",
            "http",
            "*/*",
            "gzip, deflate",
            "nghttp2/0.5.2-DEV"
        ])
    );
    let messages = events(&path, "message");
    let response = of(&messages, "http", "response")[0];
    assert_eq!(response["stream"], 1);
    assert_eq!(bytes(response).len(), 22_617);
}

#[test]
fn grpc_protobuf() {
    let path = capture!("grpc_person_search_protobuf_with_image.pcapng.gz");
    let all = events(&path, "message");
    let request = of(&all, "grpc", "request")[0];
    assert_eq!(request["fields"]["grpc.path"], "/tutorial.PersonSearchService/Search");
    assert_eq!(request["to"], "127.0.0.1:50051");
    let messages = of(&all, "grpc", "message");
    let lengths: Vec<&Value> =
        messages.iter().map(|m| &m["fields"]["grpc.message_length"]).collect();
    assert_eq!(lengths, [13, 66, 179]);
    assert_eq!(messages[1]["sender"], "server");
    assert_eq!(messages[1]["payload"]["protobuf_fields"][0]["readings"]["string"], "Jason");
    assert_eq!(messages[2]["payload"]["protobuf_fields"][0]["readings"]["string"], "Lily");
    assert_eq!(of(&all, "grpc", "trailers")[0]["fields"]["grpc.status_code"], 0);
    let calls = events(&path, "exchange");
    let call = of(&calls, "grpc", "call")[0];
    assert_eq!(call["fields"]["grpc.response_messages"], 2);
}

/// JSON that is sent as `application/grpc` is text, not faulty protobuf.
#[test]
fn grpc_json() {
    let path = capture!("grpc_person_search_json_with_image.pcapng.gz");
    let all = events(&path, "message");
    let messages = of(&all, "grpc", "message");
    let lengths: Vec<&Value> =
        messages.iter().map(|m| &m["fields"]["grpc.message_length"]).collect();
    assert_eq!(lengths, [31, 208, 368]);
    for m in &messages {
        assert_eq!(m["payload"]["content"], "json");
        assert_eq!(m["findings"], json!([]));
    }
    let person: Value = serde_json::from_slice(&bytes(messages[1])).unwrap();
    assert_eq!((&person["name"], &person["id"]), (&json!("Jason"), &json!(1001)));
}

/// What begins in the middle is known by its frames, and its messages by their
/// bytes; what was said before stays unknown.
#[test]
fn grpc_without_heads() {
    let path = capture!("grpc_person_search_protobuf_with_image-missing_headers.pcapng.gz");
    let frames = events(&path, "frame");
    assert_eq!(of(&frames, "http2", "data").len(), 2);
    let all = events(&path, "message");
    assert!(of(&all, "tcp", "opaque").is_empty());
    let messages = of(&all, "grpc", "message");
    let lengths: Vec<&Value> =
        messages.iter().map(|m| &m["fields"]["grpc.message_length"]).collect();
    assert_eq!(lengths, [66, 179]);
    let names: Vec<&Value> = messages
        .iter()
        .map(|m| &m["payload"]["protobuf_fields"][0]["readings"]["string"])
        .collect();
    assert_eq!(names, ["Jason", "Lily"]);
    assert!(messages.iter().all(|m| m["inferred"] == true && m["findings"] == json!([])));
    let calls = events(&path, "exchange");
    let call = of(&calls, "grpc", "call")[0];
    assert_eq!(call["inferred"], true);
    assert!(call["fields"].get("grpc.service").is_none());
}

/// The 65 messages, trailers among them: values as tshark has them for the 50 that it shows
/// with `-d tcp.port==57226,http -d tcp.port==57228,http2`, and those of the responses that
/// end without their last chunk, which it does not.
#[test]
fn grpc_web() {
    let path = capture!("grpc_web.pcapng.gz");
    let all = events(&path, "message");
    let mut messages: Vec<&Value> = of(&all, "grpc", "message");
    messages.extend(of(&all, "grpc", "trailers"));
    assert_eq!(messages.len(), 65);
    assert!(messages.iter().all(|m| m["complete"] != false));
    let mut counts = std::collections::BTreeMap::new();
    for m in &messages {
        let n = |name: &str| m["fields"][name].as_u64().unwrap();
        let key = (n("grpc.frame_type"), n("grpc.message_length"));
        *counts.entry(key).or_insert(0) += 1;
    }
    // Seven calls with short names, and those with names of 80,000 digits.
    let expected = [
        ((0, 10), 9),
        ((0, 16), 8),
        ((0, 18), 9),
        ((0, 23), 6),
        ((0, 80_004), 7),
        ((0, 80_010), 4),
        ((0, 80_012), 10),
        ((1, 16), 12),
    ];
    assert_eq!(counts.into_iter().collect::<Vec<_>>(), expected);
    let calls = events(&path, "exchange");
    let calls = of(&calls, "grpc", "call");
    let of_form = |form: &str| calls.iter().filter(|c| c["fields"]["grpc.web"] == form).count();
    assert_eq!((calls.len(), of_form("binary"), of_form("text")), (16, 9, 7));
    let ok = calls.iter().filter(|c| c["fields"]["grpc.status_code"] == 0).count();
    assert_eq!(ok, 12);
}

#[test]
fn grpc_stream_reassembly() {
    let path = capture!("grpc_stream_reassembly_sample.pcapng.gz");
    let all = events(&path, "message");
    let messages = of(&all, "grpc", "message");
    let mut whole: Vec<(u64, u64, u64)> = messages
        .iter()
        .filter(|m| m["complete"] != false)
        .map(|m| {
            let last = m["packets"].as_array().unwrap().last().unwrap();
            let n = |v: &Value| v.as_u64().unwrap();
            (n(&m["conversation"]), n(last), n(&m["fields"]["grpc.message_length"]))
        })
        .collect();
    whole.sort_unstable();
    assert_eq!(
        whole,
        [
            (1, 15, 4090),
            (1, 19, 4090),
            (1, 24, 4090),
            (1, 28, 4090),
            (1, 33, 4090),
            (1, 52, 20_057),
            (1, 73, 20_057),
            (1, 99, 20_057),
            (1, 132, 40_057),
            (2, 164, 200_004),
            (2, 167, 7),
        ]
    );
    let cut: Vec<_> = messages.iter().filter(|m| m["complete"] == false).collect();
    assert_eq!(cut.len(), 1, "the capture ends in the middle of one");
    assert_eq!(cut[0]["findings"], json!(["grpc.truncated-message"]));
    // A prefix that lies in two DATA frames: its packets are those of both.
    let frames = events(&path, "frame");
    let first = of(&frames, "http2", "data")
        .into_iter()
        .find(|f| f["conversation"] == 1 && f["fields"]["http2.length"] != 4095)
        .expect("DATA does not keep to messages");
    assert!(first["fields"]["http2.length"].as_u64() > Some(4095));
    // Two interfaces, two link layers.
    let packets = events(&path, "packet");
    let has = |name: &str| packets.iter().filter(|p| p["fields"].get(name).is_some()).count();
    let ethernet = has("eth.src");
    let ip = has("ip.src");
    assert_eq!((packets.len(), ip), (173, 171));
    assert!(ethernet > 0 && ethernet < ip, "{ethernet} of {ip}");
}

/// Method, path and the packet that completes it.
fn requests(path: &std::path::Path) -> Vec<(String, u64)> {
    let all = events(path, "message");
    of(&all, "http", "request")
        .iter()
        .map(|r| {
            let f = &r["fields"];
            let line =
                format!("{} {}", text(&f["http.request.method"]), text(&f["http.request.uri"]));
            let last = r["packets"].as_array().unwrap().iter().filter_map(Value::as_u64).max();
            (line, last.unwrap())
        })
        .collect()
}

#[test]
fn http_out_of_order() {
    let five = [("PUT /1", 4), ("GET /2", 7), ("PUT /3", 10), ("PUT /4", 11), ("PUT /5", 15)]
        .map(|(l, p)| (l.to_owned(), p));
    assert_eq!(requests(&capture!("http-ooo.pcap")), five);
    // Fuzzed: a byte of the last Content-Length is broken, so that request has no body
    // (RFC 9112 §6.3) and what follows it is no request. The five stay.
    let path = capture!("http-ooo-fuzzed.pcapng");
    assert_eq!(requests(&path), five);
    let found = print(&path, &["-l", "finding"]);
    assert!(found.contains("http1.bad-field-line"), "{found}");
    let path = capture!("http-ooo2.pcap");
    assert_eq!(requests(&path), [("PUT /0".to_owned(), 6)]);
    let all = events(&path, "message");
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["packets"], json!([2, 3, 5, 6]), "the late retransmission takes no part");
}

#[test]
fn dns_out_of_order() {
    let path = capture!("dns-ooo.pcap");
    let all = events(&path, "message");
    let opaque = of(&all, "tcp", "opaque")[0];
    let data = bytes(opaque);
    assert_eq!(data.len(), 58);
    // The length in two segments, the second one first (RFC 1035 §4.2.2).
    assert_eq!(data[..2], [0, 56]);
    assert!(data.windows(12).any(|w| w == b"\x07example\x03com"));
}

#[test]
fn one_byte_then_the_same_and_the_rest() {
    let path = capture!("retrans-tls.pcap");
    let all = events(&path, "frame");
    let record = of(&all, "tls", "record")[0];
    assert_eq!(record["fields"]["tls.record.length"], 16);
    assert_eq!(record["packets"], json!([1, 2]));
    let packets = events(&path, "packet");
    assert_eq!(packets[0]["fields"].get("tcp.analysis.retransmission"), None);
    assert_eq!(packets[1]["fields"]["tcp.analysis.retransmission"], true);
}

#[test]
fn bad_segments() {
    let path = capture!("tcp-badsegments.pcap");
    let all = events(&path, "message");
    let request = of(&all, "http", "request")[0];
    // The first copy wins: `X-Overlap-Packet` of packet 9, not what 10 and 11 say.
    assert_eq!(
        request["fields"]["http.header"],
        json!([
            "X-Swapped: 1st",
            "X-Swapped: 2nd",
            "X-Overlap-Packet: extra data--",
            "X-OoO-Overlap: this is delayed",
            "X-OoO-Overlap2: second delayed",
            "X-OoO-Overlap3: extend fragment"
        ])
    );
    assert_eq!(request["packets"], json!([4, 5, 6, 7, 9, 11, 13, 14, 15, 16, 17]));
    assert_eq!(request["complete"], false);
    // What is behind gaps that were acknowledged is not put together.
    let behind: Vec<usize> = of(&all, "tcp", "opaque").iter().map(|o| bytes(o).len()).collect();
    assert_eq!(behind, [32, 1, 1, 34]);
    let connections = events(&path, "exchange");
    let connection = of(&connections, "tcp", "connection")[0];
    assert_eq!(connection["fields"]["tcp.connection.gap_bytes"], 62);
    let codes: Vec<Value> =
        events(&path, "finding").into_iter().map(|f| f["code"].clone()).collect();
    for code in ["tcp.overlap-conflict", "tcp.gap"] {
        assert!(codes.contains(&json!(code)), "{code} is missing");
    }
}

#[test]
fn many_interfaces() {
    for (name, count) in [("many_interfaces.pcapng.1", 64), ("many_interfaces.pcapng.2", 15)] {
        let Some(path) = capture(name) else { return };
        assert_eq!(events(&path, "packet").len(), count, "{name}");
    }
}

#[test]
fn a_file_cut_short() {
    let path = capture!("trunc.pcap");
    assert_eq!(requests(&path), [("HEAD /v4/iuident.cab?0307011208".to_owned(), 1)]);
    // What follows is zeros: packets of no bytes, and three bytes of one more.
    assert_eq!(events(&path, "packet").len(), 47);
    let found = print(&path, &["-l", "finding"]);
    assert!(found.contains("capture."), "the end is a finding: {found}");
}

#[test]
fn ip_in_ip_in_ip() {
    let path = capture!("ipoipoip.pcap");
    let packets = events(&path, "packet");
    assert_eq!(packets.len(), 2);
    assert_eq!(packets[0]["from"], "9.9.9.9:20");
    assert_eq!(packets[0]["to"], "9.9.9.9:80");
    assert_eq!(
        packets[0]["fields"]["ip.src"],
        json!(["1.1.1.1", "3.3.3.3", "7.7.7.7", "7.7.7.7", "9.9.9.9"])
    );
    assert_eq!(
        packets[0]["fields"]["ip.dst"],
        json!(["2.2.2.2", "4.4.4.4", "8.8.8.8", "8.8.8.8", "9.9.9.9"])
    );
    assert_eq!(packets[1]["from"], "10.10.10.10:53");
    assert_eq!(packets[1]["to"], "100.100.100.100:53");
}

/// Messages of a capture, read as protobuf of this type by decode-as.
fn protobuf(name: &str, rule: &str) -> Option<Vec<Value>> {
    let path = capture(name)?;
    let proto = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/cases/proto");
    let args = ["--full", "--format", "json", "--proto", proto, "-d", rule];
    let all: Vec<Value> =
        print(&path, &args).lines().map(|l| serde_json::from_str(l).unwrap()).collect();
    for m in &all {
        assert_eq!((&m["protocol"], &m["kind"]), (&json!("protobuf"), &json!("message")));
        assert_eq!(m["findings"], json!([]), "{m}");
    }
    Some(all)
}

#[test]
fn protobuf_address_books() {
    let udp = "protobuf_udp_addressbook_with_image_ts.pcapng";
    let Some(all) = protobuf(udp, "udp.port==8127,protobuf:tutorial.AddressBook") else { return };
    assert_eq!(all.len(), 1);
    assert_eq!(all[0]["payload"]["type"], "tutorial.AddressBook");
    let people = &all[0]["payload"]["protobuf"]["people"];
    let image = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAAAXNSR0IArs4c6QAAAARnQU1B\
                 AACxjwv8YQUAAAAJcEhZcwAADsMAAA7DAcdvqGQAAAAMSURBVBhXY1Da6AMAAhgBIOLgkG8A\
                 AAAASUVORK5CYII=";
    assert_eq!(
        *people,
        json!([
            {"name": "Jason", "id": 1001, "email": "Jason@example.com",
             "phone": [{"number": "87561234", "type": "HOME"}, {"number": "13588886666"}],
             "last_updated": "2020-10-17T12:56:14.632Z"},
            {"name": "Lily", "id": 1002, "email": "Lily@example.com",
             "phone": [{"number": "62858875", "type": "HOME"},
                       {"number": "18822228888", "type": "WORK"}],
             "last_updated": "2020-10-17T12:56:14.632Z", "portrait_image": image},
        ])
    );
    // The whole datagram is in the tree, to the last bit.
    assert_eq!(all[0]["fields"]["protobuf.field.number"].as_array().unwrap().len(), 26);
    let tcp = "protobuf_tcp_addressbook.pcapng.gz";
    let all = protobuf(tcp, "tcp.port==18127,protobuf:tutorial.AddressBook").unwrap();
    // A length alone in its segment, cut in two, and together with its message.
    assert_eq!(
        all.iter().map(|m| m["packets"].clone()).collect::<Vec<_>>(),
        [json!([4, 6]), json!([8, 10, 12]), json!([14, 16, 18])]
    );
    for m in &all {
        assert_eq!(m["fields"]["protobuf.length_prefix"], 128);
        assert_eq!(m["payload"]["protobuf"]["people"][1]["phone"][1]["number"], "18822228888");
    }
}

#[test]
fn protobuf_maps_oneofs_and_names() {
    let maps = "protobuf_test_map_and_oneof_types.pcapng";
    let Some(all) = protobuf(maps, "udp.port==8124,protobuf:a.b.Maps") else { return };
    assert_eq!(
        all[0]["payload"]["protobuf"],
        json!({"third": "I'm param3 for oneof test.", "by_name": {"key1": 1234, "key2": 8888},
               "by_number": {"46": {"number": 25}, "176": {"number": 88}}})
    );
    let dots = "protobuf_test_leading_dot.pcapng";
    let all = protobuf(dots, "udp.port==8123,protobuf:a.b.Dots").unwrap();
    assert_eq!(
        all[0]["payload"]["protobuf"],
        json!({"inner": {"text": "I am in a.b.a.b.c"}, "outer": {"text": "I'm in a.b.c"}})
    );
    let numbers = "protobuf_test_default_value.pcapng";
    let all = protobuf(numbers, "udp.port==8128,protobuf:a.b.Numbers").unwrap();
    assert_eq!(all[0]["payload"]["protobuf"], json!({"one": 8, "two": 3}));
}
