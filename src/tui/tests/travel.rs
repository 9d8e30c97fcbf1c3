//! Moving, searching, filtering.

use crossterm::event::{KeyCode, MouseButton, MouseEventKind};

use super::{Bench, fixture};
use crate::event::Level;
use crate::index::RowId;
use crate::tui::app::Pane;
use crate::tui::rows::{Filter, Item, Rows};

#[test]
fn the_list_holds_what_passes_the_filter() {
    let b = Bench::open("ws-tungstenite", 80, 24);
    let index = b.app.index.read().unwrap();
    for bits in 0..16_u8 {
        let levels: Vec<Level> =
            Level::ALL.into_iter().take(4).filter(|l| bits & 1 << *l as u8 != 0).collect();
        let filter = Filter::of(&levels);
        let mut rows = Rows::new(filter);
        // In small steps, as a large file would come.
        while rows.extend(&index, 7) {}
        let mut expected = 0;
        for i in 0..index.len() {
            let id = crate::index::RowId(u32::try_from(i).unwrap());
            if filter.has(index.row(id).unwrap().level()) {
                expected += 1;
                assert_eq!(rows.get(rows.place(Item::Row(id))), Some(Item::Row(id)));
            }
        }
        if filter.has(Level::Packet) {
            for p in 1..=u32::try_from(index.packet_count()).unwrap() {
                expected += 1;
                assert_eq!(rows.get(rows.place(Item::Packet(p))), Some(Item::Packet(p)));
            }
        }
        assert_eq!(rows.len(), expected, "{}", filter.describe());
    }
}

#[test]
fn a_packet_stands_before_what_it_completed() {
    let mut b = Bench::open("ws-tungstenite", 80, 24);
    b.type_in("1");
    let index = b.app.index.read().unwrap();
    let mut last = 0;
    for at in 0..b.app.rows.len() {
        match b.app.rows.get(at).unwrap() {
            Item::Packet(p) => last = p,
            Item::Row(r) => assert!(index.row(r).unwrap().last_packet <= last),
        }
    }
}

#[test]
fn what_is_selected_stays_so_under_another_filter() {
    let mut b = Bench::open("grpc-tonic", 80, 24);
    b.go("Carol");
    let row = b.row();
    for keys in ["2", "1", "2", "1", "4"] {
        b.type_in(keys);
        assert_eq!(b.row(), row, "after {keys}");
    }
    // Its level is not shown any more: what comes next is selected.
    b.type_in("43");
    assert!(b.row() >= row);
    // Packets alone: the packet that completed it.
    b.type_in("v");
    while b.app.rows.filter() != Filter::of(&[Level::Packet]) {
        b.type_in("v");
    }
    assert!(matches!(b.app.selected, Some(Item::Packet(_))));
}

#[test]
fn search_goes_round() {
    let mut b = Bench::open("grpc-tonic", 100, 30);
    b.type_in("/aLiCe");
    b.press(&[KeyCode::Enter]);
    assert!(b.summary().contains("Alice"), "{}", b.screen());
    let first = b.row();
    let hits = b.app.found.as_ref().unwrap().hits.len();
    assert!(hits >= 2, "{hits}");
    assert!(b.screen().contains(&format!("1 of {hits}")), "{}", b.screen());
    b.type_in("n");
    assert!(b.row() > first);
    b.type_in("N");
    assert_eq!(b.row(), first);
    b.type_in("N");
    assert!(b.row() > first, "round the beginning");
    b.type_in("n");
    assert_eq!(b.row(), first, "and round the end");
    b.type_in("/no such text");
    b.press(&[KeyCode::Enter]);
    assert!(b.screen().contains("was not found"), "{}", b.screen());
    assert_eq!(b.row(), first);
}

#[test]
fn search_looks_into_fields_and_payloads() {
    let mut b = Bench::open("ws-tungstenite", 100, 30);
    // A header that no summary shows.
    b.type_in("/sec-websocket-accept");
    b.press(&[KeyCode::Enter]);
    assert!(b.summary().starts_with("101"), "{}", b.screen());
    b.type_in("/世界");
    b.press(&[KeyCode::Enter]);
    assert!(b.summary().contains("世界"), "{}", b.screen());
}

#[test]
fn a_search_takes_a_filter() {
    let mut b = Bench::open("grpc-tonic", 100, 30);
    for (filter, expected) in [
        ("grpc.status_code == NOT_FOUND", 2),
        // From the rows alone, and from both.
        ("level == exchange and protocol == grpc", 7),
        ("grpc.call and grpc.method == GetUser", 2),
    ] {
        b.type_in(&format!("/{filter}"));
        b.press(&[KeyCode::Enter]);
        let hits = &b.app.found.as_ref().unwrap().hits;
        assert_eq!(hits.len(), expected, "{filter}: {}", b.screen());
        let rows: Vec<u32> = hits
            .iter()
            .map(|h| if let Item::Row(r) = h { r.0 } else { panic!("{h:?} is no event") })
            .collect();
        assert!(rows.is_sorted(), "{filter}: {rows:?}");
    }
}

#[test]
fn a_search_is_stopped_by_escape() {
    let mut b = Bench::open("grpc-tonic", 100, 30);
    b.app.search(crate::tui::app::Prompt { text: "alice".into(), mistake: None });
    let wishes = b.app.wishes();
    assert!(wishes.search.is_some());
    b.app.key(crossterm::event::KeyEvent::from(KeyCode::Esc));
    assert!(b.app.wishes().search.is_none());
    b.settle();
    assert_eq!(b.row(), 6, "it went nowhere");
}

#[test]
fn groups_fold() {
    let mut b = Bench::open("ws-tungstenite", 80, 40);
    b.field("Request line");
    let lines = b.app.tree.lines.len();
    b.press(&[KeyCode::Enter]);
    assert!(b.app.tree.lines.len() < lines);
    assert!(b.screen().contains("▸ Request line"), "{}", b.screen());
    // A byte inside unfolds it.
    let hex = b.app.panes.hex;
    b.click(hex.x + 7, hex.y + 1);
    assert_eq!(b.app.tree.lines.len(), lines);
    assert!(b.screen().contains("http.request.method ·"), "{}", b.screen());
}

#[test]
fn json_reads_as_it_is_written() {
    let mut b = Bench::open("ws-jsonrpc", 120, 40);
    b.go("eth_subscription (notification)");
    b.press(&[KeyCode::Enter, KeyCode::End]);
    // A member with a plain value is one line; one with more in it is open.
    let lines = |b: &mut Bench| -> Vec<String> {
        let screen = b.screen();
        let tree = screen
            .lines()
            .skip_while(|l| !l.contains("Object"))
            .map(|l| l.split('│').next().unwrap_or_default().trim_end().to_owned());
        tree.take_while(|l| !l.starts_with('─') && !l.is_empty()).collect()
    };
    assert_eq!(
        lines(&mut b),
        [
            "▾ Object",
            "  ▸ jsonrpc (\"2.0\")",
            "  ▸ method (\"eth_subscription\")",
            "  ▾ params ({subscription: \"0xcd0c\", result: {n…",
            "      Key: \"params\"",
            "    ▾ Object",
            "      ▸ subscription (\"0xcd0c\")",
            "      ▾ result ({number: \"0x0\"})",
            "          Key: \"result\"",
            "        ▾ Object",
            "          ▸ number (\"0x0\")",
        ]
    );
    b.press(&[KeyCode::Right]);
    assert!(b.screen().contains("String: \"0x0\""), "{}", b.screen());
    b.press(&[KeyCode::Left; 5]);
    assert!(b.screen().contains("▸ result ({number: \"0x0\"})"), "{}", b.screen());
    assert!(!b.screen().contains("Key: \"result\""));
    // A byte of what is folded opens it.
    let hex = b.app.panes.hex;
    b.click(hex.x + 7, hex.y + 2);
    assert!(b.screen().contains("String: \"2.0\""), "{}", b.screen());
}

#[test]
fn the_same_field_stays_selected_from_event_to_event() {
    let mut b = Bench::open("ws-tungstenite", 80, 40);
    b.press(&[KeyCode::Char('v')]);
    b.go("masked");
    b.field("Masking key");
    b.app.focus = Pane::List;
    b.press(&[KeyCode::Down, KeyCode::Down]);
    assert!(b.screen().contains("websocket.masking_key ·"), "{}", b.screen());
}

#[test]
fn the_mouse_drags_and_turns_the_timeline() {
    let mut b = Bench::open("grpc-tonic", 100, 40);
    let area = b.app.panes.timeline;
    let x = area.x + b.app.timeline.labels + 20;
    let all = b.app.timeline.shown.unwrap();
    b.mouse(MouseEventKind::ScrollUp, x, area.y + 3);
    let near = b.app.timeline.shown.unwrap();
    assert!(near.span <= all.span / 2 + 1);
    let before = near.moment(20, b.app.timeline.width);
    assert_eq!(near.column(before, b.app.timeline.width), 20);
    b.mouse(MouseEventKind::Down(MouseButton::Left), x, area.y + 1);
    b.mouse(MouseEventKind::Drag(MouseButton::Left), x - 10, area.y + 1);
    let dragged = b.app.timeline.shown.unwrap();
    assert_eq!(dragged.span, near.span);
    assert!((dragged.column(before, b.app.timeline.width) - 10).abs() <= 1);
    b.type_in("0");
    assert_eq!(b.app.timeline.shown.unwrap(), all);
}

#[test]
fn a_click_in_the_list_moves_all() {
    let mut b = Bench::open("grpc-tonic", 100, 40);
    b.click(30, b.app.panes.list.y + 4);
    assert_eq!(b.app.at, 3);
    assert!(b.app.is_open());
    assert!(b.screen().contains("event 17"), "{}", b.screen());
    b.mouse(MouseEventKind::ScrollDown, 30, 2);
    assert_eq!(b.app.at, 6);
}

#[test]
fn packets_behind_a_capture_filter_keep_their_numbers() {
    let path = fixture("ws-tungstenite");
    let numbers = |b: &Bench| -> Vec<u32> {
        let all = (0..b.app.rows.len()).map(|at| b.app.rows.get(at).unwrap());
        all.filter_map(|i| if let Item::Packet(p) = i { Some(p) } else { None }).collect()
    };
    let mut whole = Bench::of(&path, 80, 24);
    whole.type_in("1");
    let mut some = Bench::behind(&path, Some("tcp[tcpflags] & tcp-push != 0"), 80, 24);
    some.type_in("1");
    let (all, left) = (numbers(&whole), numbers(&some));
    assert!(left.len() > 5 && left.len() < all.len(), "{left:?}");
    assert!(left.iter().any(|n| *n as usize > left.len()), "{left:?}");
    for n in &left {
        assert_eq!(
            some.app.rows.get(some.app.rows.place(Item::Packet(*n))),
            Some(Item::Packet(*n))
        );
    }
    let none = Bench::behind(&path, Some("icmp"), 80, 24);
    assert!(none.screen().contains("No packet passes the capture filter"), "{}", none.screen());
}

/// Other levels keep to the call: its frame, and the call itself.
#[test]
fn other_levels_keep_to_what_is_selected() {
    let mut b = Bench::open("grpc-tonic", 160, 50);
    // The first finding: the status of the call that failed, event 26.
    b.press(&[KeyCode::Char('f'), KeyCode::Enter]);
    assert_eq!(b.app.selected, Some(Item::Row(RowId(25))));
    b.press(&[KeyCode::Char('v')]);
    assert_eq!(b.app.selected, Some(Item::Row(RowId(24))));
    b.press(&[KeyCode::Char('v')]);
    assert_eq!(b.app.selected, Some(Item::Row(RowId(26))));
}

/// Numbers of segments are counted from the beginning of the connection, as `print` does.
#[test]
fn packets_read_as_they_are_printed() {
    use crate::capture::{OpenOptions, Polled, open};
    use crate::engine::{ConversationInfo, Engine, EventSink, FindingEvent, Options};
    use crate::event::Event;

    /// Lines of packets, without what the engine makes of a segment, which stands behind.
    #[derive(Default)]
    struct Lines(Vec<String>);
    impl EventSink for Lines {
        fn event(&mut self, event: &mut Event, _: Option<&ConversationInfo>) {
            if event.draft.level == Level::Packet {
                let line = event.draft.detail.take().unwrap().summary;
                self.0.push(line.split(", length").next().unwrap().to_owned());
            }
        }
        fn finding(&mut self, _: FindingEvent, _: Option<&ConversationInfo>) {}
    }
    for name in ["ws-tungstenite", "ws-ipv6", "h2-curl", "grpc-tonic", "ws-abnormal"] {
        let mut lines = Lines::default();
        let mut engine = Engine::new(Options::default().wanting(&[Level::Packet]));
        let mut source = open(&fixture(name), OpenOptions::default()).unwrap();
        while let Polled::Batch(batch) = source.poll().unwrap() {
            engine.batch(&batch, &mut lines);
        }
        engine.finish(&mut lines);
        let mut b = Bench::open(name, 100, 40);
        b.press(&[KeyCode::Char('3'), KeyCode::Char('4'), KeyCode::Char('1'), KeyCode::Home]);
        assert_eq!(b.app.rows.len(), lines.0.len(), "{name}");
        for printed in &lines.0 {
            assert_eq!(b.summary().split(", length").next(), Some(printed.as_str()), "{name}");
            b.press(&[KeyCode::Down]);
        }
        assert!(lines.0.iter().any(|l| l.contains("seq 1:") || l.contains("seq 0,")), "{name}");
    }
}

#[test]
fn a_search_says_what_hidden_levels_have() {
    let mut b = Bench::open("ws-close-codes", 100, 30);
    b.type_in("34");
    b.type_in("4");
    assert_eq!(b.app.rows.filter(), Filter::of(&[Level::Exchange]));
    let before = b.app.selected;
    b.type_in("/kind == close");
    b.press(&[KeyCode::Enter]);
    let screen = b.screen();
    assert!(screen.contains("\"kind == close\": none shown, 24 hidden; n shows them"), "{screen}");
    assert_eq!(b.app.selected, before);
    b.type_in("n");
    assert_ne!(b.app.selected, before);
    let frames = b.app.rows.filter();
    assert!(frames.has(Level::Frame) || frames.has(Level::Message), "{}", frames.describe());
    // Where no level has it, that is all there is to say.
    b.type_in("/no such text");
    b.press(&[KeyCode::Enter]);
    assert!(b.screen().contains("\"no such text\" was not found"), "{}", b.screen());
    assert!(!b.screen().contains("hidden"), "{}", b.screen());
}

#[test]
fn findings_are_listed_by_their_severity() {
    let mut b = Bench::open("grpc-tonic", 100, 30);
    b.press(&[KeyCode::Char('f'), KeyCode::Home]);
    let marks = |b: &Bench| -> String {
        let of = |y| {
            b.line(y).trim_start_matches([' ', '│']).chars().next().filter(|c| "✗!i".contains(*c))
        };
        (0..30).filter_map(of).collect()
    };
    let all = marks(&b);
    let rank = |c: char| "✗!i".chars().position(|x| x == c);
    assert!(all.len() > 3 && all.chars().is_sorted_by_key(rank), "{all}\n{}", b.screen());
    assert!(b.screen().contains("Findings, 1 of "), "{}", b.screen());
    b.press(&[KeyCode::End]);
    let n = b.app.index.read().unwrap().findings().len();
    assert!(b.screen().contains(&format!("Findings, {n} of {n}")), "{}", b.screen());
}

/// Whatever is selected, the worst is what one wants to see, the first of them; but behind one
/// that was looked at, the list is where it was.
#[test]
fn the_list_of_findings_opens_at_the_worst() {
    for name in ["grpc-verdicts", "ws-close-codes", "sse-faults", "grpc-tonic"] {
        let mut b = Bench::open(name, 100, 30);
        let (worst, count) = {
            let index = b.app.index.read().unwrap();
            let all = index.findings();
            let severity = |f: &crate::engine::FindingEvent| f.finding.spec.severity;
            let worst = all.iter().map(|(f, _)| severity(f)).max().unwrap();
            let alike = all.iter().filter(|(f, _)| severity(f) == worst);
            (alike.min_by_key(|(f, _)| f.at.time).unwrap().0.finding.spec, all.len())
        };
        for way in [KeyCode::Home, KeyCode::End] {
            b.press(&[way, KeyCode::Char('f')]);
            let screen = b.screen();
            assert!(screen.contains(&format!("Findings, 1 of {count}")), "{name}: {screen}");
            let list = screen.lines().skip_while(|l| !l.contains("Findings, "));
            assert!(list.take(2).any(|l| l.contains(worst.code)), "{name}: {screen}");
            b.press(&[KeyCode::Esc]);
        }
        b.press(&[KeyCode::Char('f'), KeyCode::Down, KeyCode::Enter, KeyCode::Char('f')]);
        assert!(b.screen().contains(&format!("Findings, 2 of {count}")), "{name}: {}", b.screen());
    }
}

/// All of it, on the smallest usual screen: among the fields, and in the list of findings.
#[test]
fn a_verdict_can_be_read_on_a_small_screen() {
    let mut b = Bench::open("ws-close-codes", 80, 24);
    b.press(&[KeyCode::Char('3')]);
    b.go("1007");
    b.field("Verdict");
    let field = |b: &Bench| {
        let area = b.app.panes.tree;
        let lines = (area.y + 1..area.bottom()).map(|y| {
            b.line(y).chars().take(usize::from(area.width)).collect::<String>().trim().to_owned()
        });
        lines.collect::<Vec<_>>().join(" ")
    };
    let s = b.app.current().unwrap();
    let verdict = match &s.detail.tree.find("websocket.verdict").unwrap().value {
        crate::field::Value::Text(t) => t.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(verdict.len() > 80, "{verdict}");
    assert!(field(&b).contains(&verdict), "{verdict}\n{}", b.screen());
    // A click below goes where it points to.
    let area = b.app.panes.tree;
    b.click(2, area.bottom() - 1);
    assert!(b.app.tree.at > 0);
    b.click(2, area.y + 1);
    b.press(&[KeyCode::Char('f'), KeyCode::Down, KeyCode::Down, KeyCode::Down]);
    let popup: Vec<String> =
        (0..24).map(|y| b.line(y).trim_matches(['│', ' ']).to_owned()).collect();
    assert!(popup.join(" ").contains(&verdict), "{verdict}\n{}", b.screen());
}

#[test]
fn a_capture_that_is_cut_says_so() {
    let path = crate::base::scratch::Scratch::new("cut");
    let whole = std::fs::read(fixture("ws-tungstenite")).unwrap();
    std::fs::write(&path, whole.get(..whole.len() - 7).unwrap()).unwrap();
    let mut b = Bench::of(&path, 80, 24);
    let last = b.app.index.read().unwrap().last_packet();
    let told = format!("the capture is cut short: it ends behind packet {last}");
    assert!(b.screen().contains(told.split_at(40).0), "{}", b.screen());
    b.press(&[KeyCode::Down]);
    assert!(b.screen().contains("cut short, "), "{}", b.screen());
    assert!(!Bench::open("ws-tungstenite", 80, 24).screen().contains("cut short"));
}
