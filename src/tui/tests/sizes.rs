//! Every size of the screen, and captures with little in them.

use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::Bench;
use crate::base::scratch::Scratch;
use crate::capture::OpenOptions;
use crate::tui::app::{Overlay, Pane};
use crate::view::clean::is_unsafe;

#[test]
fn every_size_is_drawn() {
    let mut b = Bench::open("grpc-tonic", 80, 24);
    for (focus, zoomed) in [
        (Pane::List, false),
        (Pane::List, true),
        (Pane::Tree, true),
        (Pane::Hex, true),
        (Pane::Timeline, true),
    ] {
        for width in 1..=60 {
            for height in 1..=30 {
                b.app.focus = focus;
                b.app.zoomed = zoomed;
                b.app.overlay = match (width + height) % 4 {
                    0 => Some(Overlay::Help(0)),
                    1 => Some(Overlay::Findings(0)),
                    2 => Some(Overlay::Search(crate::tui::app::Prompt {
                        text: "x".into(),
                        mistake: None,
                    })),
                    _ => None,
                };
                b.terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
                b.app.grow();
                b.terminal.draw(|f| crate::tui::draw::draw(&mut b.app, f)).unwrap();
            }
        }
    }
}

#[test]
fn forty_by_ten_still_shows_the_list() {
    let b = Bench::open("grpc-tonic", 40, 10);
    assert!(b.screen().contains("user.User"), "{}", b.screen());
    assert!(b.screen().contains("? help"), "{}", b.screen());
}

/// A capture written for the test, in a file that goes away with it.
fn capture(name: &str, packets: &[&[u8]]) -> Scratch {
    let mut bytes =
        vec![0xd4, 0xc3, 0xb2, 0xa1, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0, 1, 0, 0, 0];
    for p in packets {
        let len = u32::try_from(p.len()).unwrap().to_le_bytes();
        bytes.extend([0; 8]);
        bytes.extend(len);
        bytes.extend(len);
        bytes.extend(*p);
    }
    let path = Scratch::new(name);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[test]
fn a_capture_without_packets_says_so() {
    let path = capture("tui-empty", &[]);
    let b = Bench::of(&path, 80, 24);
    assert!(b.screen().contains("The capture holds no packets."), "{}", b.screen());
}

#[test]
fn a_capture_without_events_offers_its_packets() {
    // ARP: who has 10.0.0.2?
    let mut arp = vec![0xff; 6];
    arp.extend([2, 0, 0, 0, 0, 1, 8, 6, 0, 1, 8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 0, 1]);
    arp.extend([0, 0, 0, 0, 0, 0, 10, 0, 0, 2]);
    let path = capture("tui-arp", &[&arp]);
    let mut b = Bench::of(&path, 80, 24);
    let said = b.screen();
    b.type_in("1");
    assert!(said.contains("No events; 1 packets; press 1 for packets."), "{said}");
    assert!(b.screen().contains("p1"), "{}", b.screen());
    assert!(b.screen().contains("packet 1"), "{}", b.screen());
}

#[test]
fn a_capture_that_was_cut_since_is_no_end() {
    let bytes = std::fs::read(super::fixture("grpc-tonic")).unwrap();
    let path = Scratch::new("tui-cut");
    std::fs::write(&path, &bytes).unwrap();
    let mut b = Bench::of(&path, 80, 24);
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(2000).unwrap();
    b.press(&[crossterm::event::KeyCode::End]);
    assert!(b.screen().contains("cannot be read again"), "{}", b.screen());
}

#[test]
fn nothing_from_the_wire_moves_the_cursor() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let mut seen = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let name = entry.unwrap().file_name().to_string_lossy().into_owned();
        if name == "proto" || name == "record" || name.contains('.') {
            continue;
        }
        let path = super::fixture(&name);
        assert!(crate::capture::open(&path, OpenOptions::default()).is_ok());
        let mut b = Bench::open(&name, 160, 50);
        for _ in 0..40 {
            b.press(&[crossterm::event::KeyCode::Down]);
            for cell in &b.terminal.backend().buffer().content {
                assert!(!cell.symbol().chars().any(is_unsafe), "{name}: {:?}", cell.symbol());
            }
            seen += 1;
        }
    }
    assert!(seen > 500, "only {seen} screens");
}
