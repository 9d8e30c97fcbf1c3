//! The bundled capture is what the example makes from the fixtures, and shows what
//! the tour promises.

#[path = "../examples/make_tour.rs"]
mod make_tour;
mod support;

use std::path::Path;

use framescope::event::Level;

#[test]
fn the_capture_is_made_of_fixtures() {
    let made = make_tour::make(&support::root()).unwrap();
    let kept = std::fs::read(support::root().join(make_tour::CAPTURE)).unwrap();
    assert!(made == kept, "cargo run --example make_tour makes it anew");
    assert!(kept.len() < 60 << 10, "{} bytes", kept.len());
}

#[test]
fn it_shows_a_chat_the_four_patterns_and_a_call_that_fails() {
    let packets = support::packets(Path::new(&support::root().join(make_tour::CAPTURE)));
    let run = support::run(&packets, support::with_schema(&[Level::Exchange]));
    let all: Vec<String> = run
        .events
        .iter()
        .filter(|e| e.0.draft.level == Level::Exchange)
        .filter_map(|e| Some(format!("{:?}", e.0.draft.detail.as_ref()?)))
        .collect();
    for part in [
        "/chat: 12 messages up, 12 down",
        "\"unary\"",
        "\"server_streaming\"",
        "\"client_streaming\"",
        "\"bidi_streaming\"",
        "NOT_FOUND",
    ] {
        assert!(all.iter().any(|e| e.contains(part)), "no {part}");
    }
}
