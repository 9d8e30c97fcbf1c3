//! What belongs together is marked together: fields and bytes, times and columns.

use crossterm::event::KeyCode;
use proptest::prelude::*;

use super::Bench;
use crate::event::Level;
use crate::index::RowId;
use crate::tui::app::Pane;
use crate::tui::rows::Item;
use crate::tui::scale::View;

#[test]
fn the_bytes_of_a_field_are_marked() {
    let mut b = Bench::open("ws-tungstenite", 80, 40);
    b.press(&[KeyCode::Char('v')]);
    b.go("text FIN 13 bytes masked");
    b.field("Masking key");
    let marked = b.marked();
    assert_eq!(marked, "b3 e6 87 c0", "{}", b.screen());
    assert!(b.screen().contains("bytes 2–5 of the frame · packet 8 bytes "), "{}", b.screen());
    assert!(b.screen().contains("(exact)"), "{}", b.screen());
    // A bit field marks its byte, and says which bits.
    b.field("Opcode");
    assert_eq!(b.marked(), "81");
    assert!(b.screen().contains("bits 4–7 of byte 0"), "{}", b.screen());
    b.field("Fin");
    assert!(b.screen().contains("bit 0 of byte 0"), "{}", b.screen());
}

#[test]
fn a_byte_selects_the_innermost_field() {
    let mut b = Bench::open("ws-tungstenite", 80, 40);
    b.press(&[KeyCode::Char('v')]);
    b.go("text FIN 13 bytes masked");
    // Byte 3, by the mouse: the masking key.
    let hex = b.app.panes.hex;
    b.click(hex.x + 7 + 3 * 3, hex.y + 1);
    assert_eq!(b.app.focus, Pane::Hex);
    assert_eq!(b.marked(), "b3 e6 87 c0", "{}", b.screen());
    assert!(b.screen().contains("websocket.masking_key ·"), "{}", b.screen());
    // In the column of ASCII, too; then on by a key into the payload.
    b.click(hex.x + 7 + 8 * 3 + 1 + 5, hex.y + 1);
    assert_eq!(b.app.hex.cursor, 5);
    b.press(&[KeyCode::Right]);
    assert!(b.marked().len() > 12 * 3, "{}", b.screen());
}

#[test]
fn derived_buffers_are_shown() {
    let mut b = Bench::open("ws-tungstenite", 80, 40);
    b.go("Hello, server");
    assert!(b.screen().contains("TCP stream, 19 bytes 1/2"), "{}", b.screen());
    b.press(&[KeyCode::Char('b')]);
    assert!(b.screen().contains("unmasked, 13 bytes 2/2"), "{}", b.screen());
    assert!(b.screen().contains("48 65 6c 6c 6f"), "{}", b.screen());
    // A field that lies there brings its buffer along, and its way to the packets.
    b.press(&[KeyCode::Char('b')]);
    b.field("Payload");
    assert!(b.screen().contains("unmasked, 13 bytes"), "{}", b.screen());
    assert!(b.screen().contains("of unmasked · packet 8 bytes"), "{}", b.screen());
}

/// On the screen itself: every bar begins and ends in the column that its times
/// demand, counted here by hand from the packets' times.
#[test]
fn bars_end_where_their_times_demand() {
    for (width, height) in [(80, 24), (200, 60), (121, 37)] {
        let mut b = Bench::open("grpc-tonic", width, height);
        // One pane alone: all lanes are on the screen.
        b.app.focus = Pane::Timeline;
        b.press(&[KeyCode::Char('z'), KeyCode::Home]);
        let index = std::sync::Arc::clone(&b.app.index);
        let index = index.read().unwrap();
        let (first, last) = index.times().unwrap();
        let t = &b.app.timeline;
        let (labels, columns) = (t.labels, i128::from(t.width));
        assert_eq!(labels + t.width, width);
        let span = i128::from(last.0 - first.0 + 1);
        let demanded = |ns: i64| i128::from(ns - first.0) * columns / span;
        let mut bars = 0;
        for (y, lane) in (2_u16..).zip(&t.drawn) {
            let line: Vec<char> = b.line(y).chars().collect();
            for r in index.lanes().get(lane.lane as usize).unwrap().rows.iter() {
                let row = index.row(RowId(*r)).unwrap();
                if row.level() != Level::Exchange {
                    continue;
                }
                let from = demanded(index.start_time(row).0);
                let to = demanded(index.end_time(row).0);
                let at = |c: i128| line[usize::from(labels) + usize::try_from(c).unwrap()];
                if from == to {
                    assert_eq!(at(from), '◆', "event {} at {width}", r + 1);
                } else {
                    assert!("┣├".contains(at(from)), "event {}: {line:?}", r + 1);
                    assert!("┫┤".contains(at(to)), "event {}: {line:?}", r + 1);
                }
                // And nothing of it lies outside.
                let mine = lane.bars.iter().find(|b| b.row.0 == *r).unwrap();
                assert_eq!((i128::from(mine.from), i128::from(mine.to)), (from, to));
                bars += 1;
            }
        }
        assert!(bars >= 8, "only {bars} bars at {width}");
    }
}

#[test]
fn zoomed_bars_end_where_their_times_demand() {
    let mut b = Bench::open("grpc-tonic", 100, 40);
    b.go("user.UserService/ListUsers → OK, 1 up 5 down");
    for _ in 0..3 {
        b.press(&[KeyCode::Char('+')]);
        let view: View = b.app.timeline.shown.unwrap();
        let index = b.app.index.read().unwrap();
        let row = RowId(b.row());
        let end = index.end_time(index.row(row).unwrap());
        let lane = b.app.timeline.drawn.iter().find(|l| l.bars.iter().any(|x| x.row == row));
        let (y, lane) = (2.., lane.unwrap());
        let y = y.zip(&b.app.timeline.drawn).find(|(_, l)| l.lane == lane.lane).unwrap().0;
        let column = view.column(end, b.app.timeline.width);
        let x = b.app.timeline.labels + u16::try_from(column).unwrap();
        let y = b.app.panes.timeline.y + y;
        let cell = &b.terminal.backend().buffer()[(x, y)];
        assert_eq!(cell.symbol(), "┫", "{}", b.screen());
    }
}

#[test]
fn marks_and_bars_select_their_events() {
    let mut b = Bench::open("grpc-tonic", 200, 60);
    let area = b.app.panes.timeline;
    let labels = b.app.timeline.labels;
    let lanes = b.app.timeline.drawn.clone();
    let mut clicked = 0;
    for (y, lane) in (area.y + 2..).zip(&lanes) {
        for bar in &lane.bars {
            b.click(area.x + labels + u16::try_from(bar.to).unwrap(), y);
            let hit = b.row();
            let of_lane = lane.bars.iter().any(|x| x.row.0 == hit && x.to == bar.to)
                || lane.ticks.iter().any(|t| t.row.0 == hit && i64::from(t.column) == bar.to);
            assert!(of_lane, "{}", b.screen());
            // The list and the fields have come along.
            assert_eq!(b.app.rows.get(b.app.at), b.app.selected);
            assert!(b.app.is_open());
            clicked += 1;
        }
    }
    assert!(clicked >= 8);
}

#[test]
fn keys_walk_along_lanes() {
    let mut b = Bench::open("grpc-tonic", 100, 40);
    b.go("user.UserService/GetUser, timeout");
    b.app.focus = Pane::Timeline;
    b.press(&[KeyCode::Right]);
    assert_eq!(b.summary(), "~{1: 42}");
    b.press(&[KeyCode::Left]);
    b.press(&[KeyCode::Down]);
    let index = b.app.index.read().unwrap();
    assert_eq!(index.row(RowId(b.row())).unwrap().stream(), Some(3));
    assert_eq!(b.app.selected, Some(Item::Row(RowId(b.row()))));
}

proptest! {
    /// Whatever is typed, nothing fails.
    #[test]
    fn any_keys(keys in proptest::collection::vec(0_usize..28, 1..40)) {
        const KEYS: [KeyCode; 28] = [
            KeyCode::Up, KeyCode::Down, KeyCode::Left, KeyCode::Right, KeyCode::PageUp,
            KeyCode::PageDown, KeyCode::Home, KeyCode::End, KeyCode::Tab, KeyCode::BackTab,
            KeyCode::Enter, KeyCode::Esc, KeyCode::Char('+'), KeyCode::Char('-'),
            KeyCode::Char('0'), KeyCode::Char('h'), KeyCode::Char('l'), KeyCode::Char('z'),
            KeyCode::Char('v'), KeyCode::Char('1'), KeyCode::Char('2'), KeyCode::Char('b'),
            KeyCode::Char('?'), KeyCode::Char('f'), KeyCode::Char('/'), KeyCode::Char('n'),
            KeyCode::Char('N'), KeyCode::Char(' '),
        ];
        let mut b = Bench::open("grpc-many", 70, 20);
        for k in keys {
            b.press(&[KEYS[k]]);
        }
    }
}
