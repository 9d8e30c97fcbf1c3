use std::path::Path;

use proptest::prelude::*;

use super::*;
use crate::capture::{OpenOptions, Polled, open};
use crate::engine::{Engine, EventSink, Options};
use crate::event::Level;
use crate::finding::Finding;

/// All events of a capture, with details, and which of them pass.
fn passing(capture: &str, level: Level, filter: &str) -> Vec<String> {
    struct Sink {
        level: Level,
        filter: Filter,
        found: Vec<String>,
    }
    impl EventSink for Sink {
        fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
            if event.draft.level == self.level && self.filter.matches(event, conversation) {
                self.found.push(event.draft.detail.take().map(|d| d.summary).unwrap_or_default());
            }
        }
        fn finding(&mut self, _: FindingEvent, _: Option<&ConversationInfo>) {}
    }
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(capture);
    let mut source = open(&path, OpenOptions::default()).unwrap();
    let filter = Filter::parse(filter).unwrap_or_else(|m| panic!("{}", m.picture(filter)));
    let mut sink = Sink { level, filter, found: Vec::new() };
    let mut engine = Engine::new(Options::default().wanting(&[level]));
    loop {
        match source.poll().unwrap() {
            Polled::Batch(b) => {
                if let Some(p) = b.packets().next() {
                    sink.filter.begin(p.meta.time);
                }
                engine.batch(&b, &mut sink);
            }
            Polled::NothingYet => std::thread::yield_now(),
            Polled::End => break,
        }
    }
    engine.finish(&mut sink);
    sink.found
}

const GRPC: &str = "grpc-tonic/capture.pcap";
const ECHO: &str = "ws-abnormal/capture.pcap";

#[test]
fn calls_by_status_name_and_duration() {
    let count = |f: &str| passing(GRPC, Level::Exchange, f).len();
    assert_eq!(count("grpc"), 7);
    assert_eq!(count("grpc.call"), 7);
    assert_eq!(count("grpc.status_code == NOT_FOUND"), 1);
    assert_eq!(count("grpc.status_code == \"not found\""), 1);
    assert_eq!(count("grpc.status_code == 5"), 1);
    assert_eq!(count("grpc.status_code in {5, 10..16}"), 2);
    assert_eq!(count("grpc.status_code not in {5, 10..16}"), 6, "the connection has none");
    assert_eq!(count("grpc.status_code != 0"), 2, "the connection has none, and does not pass");
    assert_eq!(count("not grpc.status_code == 0"), 3);
    assert_eq!(count("grpc && duration_ns > 30ms"), 2);
    assert_eq!(count("grpc and duration_ns > 30000us and duration_ns <= 0.05s"), 1);
    assert_eq!(count("grpc.method == GetUser or grpc.method eq CreateUser"), 3);
    assert_eq!(count("grpc and !(grpc.method == GetUser || grpc.method == CreateUser)"), 4);
    assert_eq!(count("grpc.metadata contains nothing"), 0);
    assert_eq!(passing(GRPC, Level::Message, "finding == grpc.bad-status").len(), 2);
    assert_eq!(passing(GRPC, Level::Message, "severity >= warning").len(), 2);
    assert_eq!(passing(GRPC, Level::Message, "severity > warning").len(), 0);
    assert_eq!(count("stream == 3"), 1);
    assert_eq!(count("http2 and protocol == grpc"), 7, "they travel in it");
}

#[test]
fn messages_by_what_they_carry() {
    let all = |f: &str| passing(ECHO, Level::Message, f);
    assert_eq!(all("payload contains \"hello\"").len(), 3);
    assert_eq!(all("payload contains 68:65:6c and websocket.text").len(), 3);
    assert_eq!(all("websocket and sender == client and length == 5").len(), 3);
    let text = passing(GRPC, Level::Message, "payload contains \"Alice\"");
    assert_eq!(text.len(), 2, "in a decoded message too: {text:?}");
    assert_eq!(passing(GRPC, Level::Message, "grpc.metadata contains x-request-id").len(), 2);
}

#[test]
fn ends_and_times() {
    let count = |level, f: &str| passing(ECHO, level, f).len();
    let all = count(Level::Message, "level == message");
    assert_eq!(
        count(Level::Message, "tcp.port == 8771 or tcp.port == 8773 or tcp.port > 8773"),
        all
    );
    assert_eq!(count(Level::Message, "ip.addr == 127.0.0.0/8"), all);
    assert_eq!(count(Level::Message, "ip.addr == 10.0.0.0/8 or ipv6 or udp"), 0);
    assert_eq!(count(Level::Message, "tcp.stream == 0"), 3);
    assert_eq!(count(Level::Packet, "tcp.stream == 0 && tcp.flags.syn == true"), 2);
    assert_eq!(count(Level::Message, "time >= \"2026-11-20T22:59:21Z\""), all);
    assert_eq!(count(Level::Message, "time_relative < 0"), 0);
    assert_eq!(count(Level::Message, "time_relative < 0.0009 and to == 127.0.0.1:8771"), 1);
}

/// A row tells as much as the event does, or nothing.
#[test]
fn rows_do_not_contradict() {
    use crate::index::{Progress, Reader};
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(GRPC);
    let index = std::sync::Arc::new(std::sync::RwLock::new(Index::new()));
    let source = open(&path, OpenOptions { reload: true }).unwrap();
    let mut reader = Reader::new(source, Options::default(), std::sync::Arc::clone(&index));
    while !matches!(reader.step().unwrap(), Progress::Ended) {}
    let index = index.read().unwrap();
    let told = |filter: &str| {
        let f = Filter::parse(filter).unwrap();
        let all = (0..u32::try_from(index.len()).unwrap()).map(|i| f.of_row(&index, RowId(i)));
        let (mut yes, mut open) = (0, 0);
        for one in all {
            yes += usize::from(one == Some(true));
            open += usize::from(one.is_none());
        }
        (yes, open)
    };
    assert_eq!(told("level == exchange and protocol == grpc"), (7, 0));
    assert_eq!(told("grpc.trailers and severity >= warning"), (0, 2));
    assert_eq!(
        told("grpc.call and length > 0 and port == 50051"),
        (told("grpc.call and length > 0").0, 0)
    );
    assert_eq!(told("grpc.call and grpc.status_code == 5"), (0, 7));
    assert_eq!(told("grpc.call or grpc.status_code == 5").0, 7);
}

fn wrong(text: &str) -> String {
    Filter::parse(text).expect_err(text).picture(text)
}

#[test]
fn mistakes_point_at_their_column() {
    assert_eq!(
        wrong("grpc and websocket.opcod == 1"),
        "grpc and websocket.opcod == 1\n         ^^^^^^^^^^^^^^^\n\
         there is no field `websocket.opcod`; did you mean websocket.opcode?"
    );
    for (text, column, say) in [
        ("", 1, "a field is expected"),
        ("grpc and", 9, "a field is expected"),
        ("grpc or or", 9, "not `||`"),
        ("(grpc", 1, "`)` to this is missing"),
        ("grpc)", 5, "no `(`"),
        ("grpc == 5", 6, "no value to compare"),
        ("grpc.status_code = 5", 18, "`==` compares"),
        ("grpc.status_code == NOTFOUND_X", 21, "did you mean NOT_FOUND"),
        ("grpc.status_code == 5 == 5", 23, "only two things"),
        ("grpc.status_code == \"5\"", 21, "takes a whole number"),
        ("grpc.status_code contains 5", 18, "looks into text and bytes"),
        ("grpc.status_code == 5 6", 23, "`and`, `or` or the end"),
        ("tcp.port == 80 or 8080", 19, "in {1, 2}"),
        ("websocket.fin > true", 15, "no order"),
        ("duration_ns > 100mm", 15, "a duration"),
        ("ip.addr == 300.1.1.1", 12, "an address"),
        ("ip.addr < 10.0.0.0/8", 11, "no order"),
        ("payload contains hello", 18, "text in quotes"),
        ("payload contains \"x", 18, "closing quote"),
        ("summary == \"\\q\"", 13, "escape"),
        ("level == massage", 10, "one of packet, frame, message"),
        ("finding == websocket.client-unmaskd", 12, "did you mean websocket.client-unmasked?"),
        ("websocket.payload.close.reason matches \"a.*\"", 32, "no regular expressions"),
        ("tcp.port in 80", 13, "a set is expected"),
        ("tcp.port in {80 81}", 17, "`,` or `}`"),
        ("time_delta > 1", 1, "for columns"),
        ("'a'", 1, "double quotes"),
    ] {
        let m = Filter::parse(text).expect_err(text);
        assert_eq!(m.column(text), column, "{text}: {m}");
        assert!(m.what.contains(say), "{text}: {m}");
    }
    // The mark stands under the place, however wide what is before it.
    assert!(wrong("summary == \"日本\" and x == 1").contains("\n                      ^\n"));
    assert!(wrong(&"(".repeat(5_000)).contains("too many"));
}

#[test]
fn every_kind_and_finding_can_be_asked_for() {
    for (p, kinds) in names::KINDS {
        for k in *kinds {
            let text = format!("{p}.{k}");
            let name = Name::find(&text, 0..0).unwrap();
            assert_eq!(name.text(), text);
            Filter::parse(&format!("protocol == {p} and kind == {k}")).unwrap();
        }
    }
    for f in names::findings() {
        Filter::parse(&format!("finding == {}", f.code)).unwrap();
        let _ = Finding::new(f);
    }
    for name in names::fields().keys() {
        Filter::parse(name).unwrap();
    }
}

fn test() -> impl Strategy<Value = String> {
    prop_oneof![
        "(websocket|grpc|http2\\.headers|tcp\\.analysis|payload)",
        "(tcp\\.port|event|websocket\\.opcode) (==|!=|<|<=|>|>=|eq|ne|lt|le|gt|ge) (-?[0-9]{1,9}|0x[0-9a-f]{1,8})",
        "tcp\\.port (not )?in \\{[0-9]{1,4}(, [0-9]{1,3}\\.\\.[0-9]{4}){0,3}\\}",
        "(summary|payload|http\\.host) (==|contains|<) \"([a-zé日 ]|\\\\x[0-9a-f]{2}|\\\\n|\\\\\\\\|\\\\\"){0,6}\"",
        "payload contains ([0-9a-f]{2}:){1,3}[0-9a-f]{2}",
        "(duration_ns|time_relative) > [0-9]{1,6}(\\.[0-9]{1,4})?(ns|us|ms|s|min|h)",
        "(ip\\.addr|from) (==|!=) (10\\.[0-9]\\.[0-9]\\.1(/[0-9]|:[0-9]{1,4})?|::1|\\[::1\\]:80)",
        "websocket\\.compression_ratio >= [0-9]{1,3}\\.[0-9]{1,3}",
        "grpc\\.status_code == (OK|NOT_FOUND|\"deadline exceeded\")",
        "severity >= (note|warning|error)",
        "websocket\\.(fin|mask) == (true|false|0|1)",
        "time < \"20[0-9]{2}-11-2[0-9]T12:00:00(\\.[0-9]{1,9})?Z\"",
    ]
}

fn filter() -> impl Strategy<Value = String> {
    test().prop_recursive(6, 32, 3, |inner| {
        prop_oneof![
            inner.clone().prop_map(|e| format!("not ({e})")),
            inner.clone().prop_map(|e| format!("({e})")),
            (inner.clone(), "(and|or|&&|\\|\\|)", inner.clone())
                .prop_map(|(a, w, b)| format!("{a} {w} {b}")),
            (inner.clone(), inner).prop_map(|(a, b)| format!("({a})or({b})")),
        ]
    })
}

proptest! {
    #[test]
    fn a_filter_displays_as_itself(text in filter()) {
        let one = Filter::parse(&text).map_err(|m| TestCaseError::fail(m.picture(&text)))?;
        let shown = one.to_string();
        let two = Filter::parse(&shown).map_err(|m| TestCaseError::fail(m.picture(&shown)))?;
        prop_assert_eq!(&one, &two);
        prop_assert_eq!(shown, two.to_string());
    }

    #[test]
    fn nothing_makes_it_panic(text in "\\PC{0,40}") {
        if let Err(m) = Filter::parse(&text) {
            prop_assert!(m.at.end <= text.len().max(m.at.start));
            let _ = (m.picture(&text), m.column(&text));
        }
    }

    #[test]
    fn nothing_near_a_filter_makes_it_panic(
        text in filter(),
        at in any::<prop::sample::Index>(),
        with in "[\"(){}!=<>&|.,\\\\x:a0é -]{0,3}",
    ) {
        let mut chars: Vec<char> = text.chars().collect();
        let at = at.index(chars.len());
        chars.splice(at..=at, with.chars());
        let text: String = chars.into_iter().collect();
        match Filter::parse(&text) {
            Ok(f) => prop_assert_eq!(Filter::parse(&f.to_string()), Ok(f)),
            Err(m) => {
                let _ = m.picture(&text);
            }
        }
    }
}
