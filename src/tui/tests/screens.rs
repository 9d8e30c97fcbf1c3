//! What is on the screen, as a whole.

use crossterm::event::KeyCode;

use super::Bench;
use crate::tui::theme::Theme;

#[test]
fn websocket_on_a_small_screen() {
    let mut b = Bench::open("ws-tungstenite", 80, 24);
    b.go("Hello, server");
    insta::assert_snapshot!(b.screen());
}

#[test]
fn websocket_on_a_large_screen() {
    let mut b = Bench::open("ws-tungstenite", 200, 60);
    b.press(&[KeyCode::Char('2')]);
    b.go("Hello, server");
    b.field("Opcode");
    insta::assert_snapshot!(b.screen());
}

#[test]
fn grpc_on_a_small_screen() {
    let mut b = Bench::open("grpc-tonic", 80, 24);
    b.go("Alice");
    insta::assert_snapshot!(b.screen());
}

#[test]
fn grpc_on_a_large_screen() {
    let mut b = Bench::open("grpc-tonic", 200, 60);
    b.go("Alice");
    insta::assert_snapshot!(b.screen());
}

#[test]
fn packets() {
    let mut b = Bench::open("grpc-tonic", 100, 30);
    b.press(&[KeyCode::Char('v'), KeyCode::Char('v'), KeyCode::Char('v'), KeyCode::Char('v')]);
    b.press(&[KeyCode::Down, KeyCode::Down, KeyCode::Down]);
    insta::assert_snapshot!(b.screen());
}

#[test]
fn help_names_every_key() {
    let mut b = Bench::open("ws-tungstenite", 80, 50);
    b.press(&[KeyCode::Char('?')]);
    insta::assert_snapshot!(b.screen());
    // All of it can be read on 80 columns.
    assert!(b.screen().lines().take(46).all(|l| !l.contains("…│")), "{}", b.screen());
    b.press(&[KeyCode::Esc]);
    assert!(!b.screen().contains("Help"));
}

#[test]
fn help_that_does_not_fit_says_that_it_goes_on() {
    let mut b = Bench::open("ws-tungstenite", 80, 24);
    b.press(&[KeyCode::Char('?')]);
    assert!(b.line(0).contains("Help, lines 1–22 of 45, ↓ for more"), "{}", b.screen());
    b.press(&[KeyCode::PageDown]);
    assert!(b.line(0).contains("Help, lines 13–34 of 45, ↑↓ for more"), "{}", b.screen());
    b.press(&[KeyCode::End]);
    assert!(b.line(0).contains("Help, lines 24–45 of 45, ↑ for more"), "{}", b.screen());
    assert!(b.screen().contains("the connection"), "{}", b.screen());
}

#[test]
fn findings_lead_to_their_events() {
    let mut b = Bench::open("grpc-tonic", 100, 30);
    b.press(&[KeyCode::Char('f')]);
    insta::assert_snapshot!(b.screen());
    b.press(&[KeyCode::Down, KeyCode::Down, KeyCode::Enter]);
    assert!(b.summary().contains("ABORTED"), "{}", b.screen());
    // The finding stands above the fields, and the status line says what it means.
    b.press(&[KeyCode::Tab, KeyCode::Home]);
    assert!(b.screen().contains("! grpc.bad-status"), "{}", b.screen());
}

#[test]
fn without_colour_nothing_is_coloured() {
    use ratatui::style::Color;
    let mut b = Bench::open("grpc-tonic", 120, 40);
    b.app.theme = Theme { colour: false };
    for keys in ["", "?", "f"] {
        b.type_in(keys);
        b.settle();
        for cell in &b.terminal.backend().buffer().content {
            assert_eq!((cell.fg, cell.bg), (Color::Reset, Color::Reset), "{}", cell.symbol());
        }
        b.press(&[KeyCode::Esc]);
    }
}
