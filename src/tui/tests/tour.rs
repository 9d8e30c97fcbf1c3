//! The tour: its screens, and that every step can be done as it says.

use crossterm::event::KeyCode;

use super::Bench;
use crate::capture::{OpenOptions, open_bytes};
use crate::engine::Options;
use crate::tui::app::Pane;
use crate::tui::tour::{self, Tour};

fn tour(width: u16, height: u16) -> Bench {
    let source = open_bytes(tour::NAME, tour::CAPTURE, OpenOptions { reload: true }).unwrap();
    assert!(source.store().unwrap().spools().is_empty(), "nothing touches the disk");
    let options = Options { decoders: tour::decoders(), ..Options::default() };
    let mut b = Bench::read(source, options, width, height);
    b.app.tour = Some(Tour::default());
    b.app.name = tour::NAME.to_owned();
    b.settle();
    b
}

/// Number of the step at the foot of the screen.
fn step(b: &mut Bench) -> String {
    // A step that was done shows with the next picture.
    b.settle();
    let last = b.app.panes.tour.y;
    b.line(last).split_whitespace().next().unwrap().to_owned()
}

#[test]
fn the_first_screen() {
    insta::assert_snapshot!(tour(80, 24).screen());
}

#[test]
fn the_first_screen_when_it_is_large() {
    insta::assert_snapshot!(tour(200, 60).screen());
}

#[test]
fn every_step_can_be_done() {
    let mut b = tour(80, 24);
    assert_eq!(step(&mut b), "1/11");
    b.press(&[KeyCode::Down]);
    assert_eq!(step(&mut b), "2/11");
    b.go("Hello, chat!");
    assert_eq!(step(&mut b), "3/11");
    b.press(&[KeyCode::Tab]);
    assert_eq!(step(&mut b), "4/11");
    b.press(&[KeyCode::Down]);
    assert_eq!(step(&mut b), "5/11");
    b.type_in("b");
    assert_eq!(step(&mut b), "6/11");
    b.type_in("f");
    assert_eq!(step(&mut b), "7/11");
    assert!(b.screen().contains("NOT_FOUND"), "{}", b.screen());
    for _ in 0..20 {
        b.press(&[KeyCode::Up]);
    }
    b.press(&[KeyCode::Enter]);
    assert!(b.summary().contains("NOT_FOUND"), "{}", b.screen());
    assert_eq!(step(&mut b), "8/11");
    insta::assert_snapshot!(b.screen());
    b.type_in("vv");
    assert_eq!(step(&mut b), "9/11");
    b.type_in("+");
    assert_eq!(step(&mut b), "10/11");
    b.type_in("/chat");
    b.press(&[KeyCode::Enter]);
    b.settle();
    assert_eq!(step(&mut b), "11/11", "{}", b.screen());
}

#[test]
fn t_puts_it_away() {
    let mut b = tour(80, 24);
    let guided = b.screen();
    b.type_in("t");
    assert!(!b.screen().contains("1/11") && b.app.panes.tour.height == 0, "{}", b.screen());
    b.type_in("t");
    assert_eq!(b.screen(), guided);
    assert_eq!(b.app.focus, Pane::List);
}

#[test]
fn elsewhere_t_does_nothing() {
    let mut b = Bench::open("ws-time", 80, 24);
    let before = b.screen();
    b.type_in("t");
    assert_eq!(b.screen(), before);
}
