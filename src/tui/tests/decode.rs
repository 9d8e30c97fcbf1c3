//! Decode-as by a key: one conversation's rows are replaced.

use std::path::Path;
use std::sync::Arc;

use crossterm::event::KeyCode;

use super::{Bench, fixture};
use crate::base::scratch::Scratch;
use crate::capture::write::PcapNgWriter;
use crate::capture::{ByteOrder, OpenOptions, Polled, open};
use crate::engine::Options;
use crate::tui::rows::Item;

/// `ws-mixed-ports` without the handshakes of these ports.
fn cut(name: &str, ports: &[u16]) -> Scratch {
    let path = Scratch::new(name);
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = PcapNgWriter::new(file, ByteOrder::Little).unwrap();
    let mut source = open(&fixture("ws-mixed-ports"), OpenOptions::default()).unwrap();
    let mut passed = [0; 2];
    while let Polled::Batch(batch) = source.poll().unwrap() {
        for p in batch.packets() {
            let port = |at: usize| u16::from_be_bytes([p.data[at], p.data[at + 1]]);
            let which = ports.iter().position(|w| [port(34), port(36)].contains(w));
            if let Some(n) = which.and_then(|w| passed.get_mut(w)) {
                *n += 1;
                if *n <= 7 {
                    continue;
                }
            }
            writer.packet(p.meta.link, p.meta.time, p.meta.original_len, p.data).unwrap();
        }
    }
    writer.finish().unwrap();
    path
}

/// All rows of the list: what is shown of them, with numbers.
fn list(b: &mut Bench) -> Vec<String> {
    b.press(&[KeyCode::Home]);
    let mut all = Vec::new();
    for at in 0..b.app.rows.len() {
        let item = b.app.selected.unwrap();
        let index = b.app.index.read().unwrap();
        let Item::Row(r) = item else { panic!() };
        let c = index.row(r).unwrap().conversation + 1;
        all.push(format!("{} #{c} {}", index.number(r), b.app.lines[&item].summary));
        drop(index);
        assert_eq!(b.app.at, at);
        b.press(&[KeyCode::Down]);
    }
    b.press(&[KeyCode::Home]);
    all
}

fn choose(b: &mut Bench, name: &str) {
    b.press(&[KeyCode::Char('d')]);
    b.press(&[KeyCode::Home]);
    let at = crate::engine::DecodeAs::all().position(|d| d.name() == name).unwrap();
    b.press(&vec![KeyCode::Down; at]);
    assert!(b.screen().contains("Read conversation #"), "{}", b.screen());
    b.press(&[KeyCode::Enter]);
}

/// Opens it with these ports opaque at first, since their frames would be found without
/// the handshakes.
fn with_file(path: &Path, ports: &[u16], test: impl FnOnce(Bench)) {
    let source = open(path, OpenOptions { reload: true }).unwrap();
    let rules = ports.iter().map(|p| format!("tcp.port=={p},opaque").parse().unwrap());
    let options = Options { decode_as: rules.collect(), ..Options::default() };
    test(Bench::read(source, options, 100, 30));
}

#[test]
fn a_conversation_is_read_again() {
    with_file(&cut("again", &[]), &[5353], |mut b| {
        let before = list(&mut b);
        let of = |all: &[String], tag: &str| -> Vec<String> {
            all.iter().filter(|l| l.contains(tag)).cloned().collect()
        };
        let opaque = of(&before, " #1 ");
        assert!(opaque[..9].iter().all(|l| l.contains("unknown protocol")), "{before:#?}");
        b.go("unknown protocol");
        choose(&mut b, "http1");
        assert!(b.screen().contains("conversation #1 as HTTP/1: "), "{}", b.screen());
        let after = list(&mut b);
        assert_eq!(of(&after, " #2 "), of(&before, " #2 "), "others are as they were");
        let texts: Vec<&str> =
            after.iter().filter_map(|l| l.split_once(" #1 ")).map(|x| x.1).collect();
        assert_eq!(texts[3..6], ["one 0", "one 0", "one 1"], "{after:#?}");
        assert!(of(&after, " #1 ")[0].starts_with("1.1 "), "{after:#?}");
        // Between those of the other that came at the same time.
        assert!(after[6].contains(" #1 ") && after[7].contains(" #2 "), "{after:#?}");
        assert!(after[8].contains(" #1 ") && after[9].contains(" #2 "), "{after:#?}");
        b.go("one 2");
        assert_eq!(b.app.current().unwrap().event.draft.protocol, "websocket");
        assert!(b.screen().contains("event 1."), "{}", b.screen());
        // Search, frames, packets and the timeline know the new rows.
        b.press(&[KeyCode::Char('2'), KeyCode::Char('1'), KeyCode::Char('1')]);
        b.type_in("/one 3");
        b.press(&[KeyCode::Enter]);
        assert!(b.screen().contains("\"one 3\": 1 of 4"), "{}", b.screen());
        // As it was at first.
        choose(&mut b, "opaque");
        b.press(&[KeyCode::Char('2')]);
        // Opaque bytes are told late, so that others came between at first.
        let strip = |all: &[String]| -> Vec<String> {
            let mut all: Vec<String> =
                all.iter().map(|l| l.split_once(' ').unwrap().1.to_owned()).collect();
            all.sort();
            all
        };
        assert_eq!(strip(&list(&mut b)), strip(&before));
    });
}

#[test]
fn two_conversations_are_read_again_one_after_the_other() {
    with_file(&cut("two", &[5353, 31337]), &[5353, 31337], |mut b| {
        let of = |b: &mut Bench, c: u32| {
            b.press(&[KeyCode::Home]);
            while b.app.conversation(&b.app.index.read().unwrap()).unwrap().0 != c {
                b.press(&[KeyCode::Down]);
            }
        };
        of(&mut b, 2);
        choose(&mut b, "websocket");
        let second: Vec<String> = list(&mut b).into_iter().filter(|l| l.contains(" #2 ")).collect();
        assert!(second.iter().any(|l| l.contains("two 3")), "{second:#?}");
        b.go("two 2");
        let number = b.app.current().unwrap().number.clone();
        of(&mut b, 1);
        b.press(&[KeyCode::Down; 4]);
        of(&mut b, 1);
        choose(&mut b, "websocket");
        let after = list(&mut b);
        let still: Vec<String> = after.iter().filter(|l| l.contains(" #2 ")).cloned().collect();
        assert_eq!(still, second, "what was read again before keeps its numbers");
        assert!(after.iter().any(|l| l.contains("one 3")), "{after:#?}");
        b.go("two 2");
        assert_eq!(b.app.current().unwrap().number, number);
        // Lanes hold the rows of their conversation, in order.
        let index = b.app.index.read().unwrap();
        for lane in index.lanes().iter() {
            assert!(lane.rows.iter().is_sorted());
            for r in lane.rows.iter() {
                let row = index.row(crate::index::RowId(*r)).unwrap();
                assert_eq!(row.conversation, lane.conversation);
            }
        }
    });
}

#[test]
fn a_rule_known_before_reading_counts_when_events_are_opened() {
    let path = cut("rule", &[5353]);
    let options = Options {
        decode_as: vec!["tcp.port==5353,websocket".parse().unwrap()],
        ..Default::default()
    };
    let source = open(&path, OpenOptions { reload: true }).unwrap();
    let mut b = Bench::read(source, options, 100, 30);
    b.go("one 3");
    assert!(b.screen().contains("Payload: \"one 3\""), "{}", b.screen());
    // Numbers are those of `print` with the same rule.
    assert!(!b.app.current().unwrap().number.contains('.'));
}

/// The server is asked for its schema by the second connection: the calls of the first one are
/// shown by it as well.
#[test]
fn a_schema_from_reflection_is_used_for_what_came_before() {
    let learnt = crate::proto::protobuf::Learnt::new(None, true);
    let all = crate::proto::decoders_learning(None, Vec::new(), Some(Arc::clone(&learnt)));
    let options = Options { decoders: Arc::new(all), learn: Some(learnt), ..Options::default() };
    let source = open(&fixture("grpc-reflection"), OpenOptions { reload: true }).unwrap();
    let mut b = Bench::read(source, options, 100, 30);
    let lines = list(&mut b);
    let first = lines.iter().find(|l| l.contains("#1 PlaceRequest {order: {id: \"A-1\"")).is_some();
    assert!(first, "{lines:#?}");
    // What is known late replaces what was shown before.
    let item = *b.app.lines.keys().next().unwrap();
    b.app.lines.insert(item, crate::tui::opener::Line::default());
    b.app.open_again();
    assert!(b.app.lines.is_empty() && b.app.shown.is_none());
    assert_eq!(list(&mut b), lines);
}

#[test]
fn what_is_in_force_is_marked_and_selected() {
    let mut b = Bench::open("ws-tungstenite", 100, 30);
    b.press(&[KeyCode::Char('d')]);
    let chosen = |b: &Bench| {
        let all: Vec<String> = (0..30).map(|y| b.line(y)).filter(|l| l.contains("│•")).collect();
        assert_eq!(all.len(), 1, "{}", b.screen());
        all.into_iter().next().unwrap()
    };
    assert!(
        chosen(&b).contains("what its bytes look like: http1, http, websocket"),
        "{}",
        b.screen()
    );
    let found = crate::engine::DecodeAs::Found;
    let at = crate::engine::DecodeAs::all().position(|d| d == found);
    assert_eq!(b.app.overlay, at.map(crate::tui::app::Overlay::Decode));
    b.press(&[KeyCode::Esc]);
    // A rule from the command line, and what was chosen since.
    b.app.decode_rules = vec!["conversation==1,opaque".parse().unwrap()];
    b.press(&[KeyCode::Char('d')]);
    assert!(chosen(&b).contains("opaque"), "{}", b.screen());
    b.press(&[KeyCode::Esc]);
    choose(&mut b, "http2");
    b.press(&[KeyCode::Char('d')]);
    assert!(chosen(&b).contains("http2"), "{}", b.screen());
}
