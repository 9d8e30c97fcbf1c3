//! The worked example of `docs/ADDING-A-PAYLOAD-DECODER.md`: it is compiled, run, and
//! is what the page shows.
#![allow(missing_docs, unreachable_pub, reason = "an example, and no library")]

mod graphite;

use framescope::base::{BufferId, Side};
use framescope::event::Detail;
use framescope::proto::{InSession, Memo, PayloadDecoder, PayloadHint, decode};

const PAGE: &str = include_str!("../../docs/ADDING-A-PAYLOAD-DECODER.md");

fn all() -> Vec<Box<dyn PayloadDecoder>> {
    let mut all = framescope::proto::decoders();
    all.insert(0, Box::new(graphite::Decoder));
    all
}

fn look(subprotocol: &str, data: &[u8]) -> Option<(Detail, Vec<String>)> {
    let memo = Memo::default();
    let message = Some(InSession { binary: false, memo: &memo });
    let hint = PayloadHint { media_type: subprotocol, path: "/", side: Side::Client, message };
    let mut detail = Detail::default();
    let found = decode(&all(), &hint, data, Some((&mut detail, BufferId(0))))?;
    let said = found
        .iter()
        .map(|f| format!("{} {}", f.spec.code, f.detail.as_deref().unwrap_or_default()));
    let said = said.collect();
    Some((detail, said))
}

#[test]
fn the_page_shows_what_is_compiled() {
    let source = include_str!("graphite.rs");
    assert!(PAGE.contains(source), "docs/ADDING-A-PAYLOAD-DECODER.md shows another graphite.rs");
}

#[test]
fn samples_are_read() {
    let (detail, found) =
        look("graphite", b"cpu.load 0.5 1700000000\nmem.free 12 1700000001\n").unwrap();
    assert_eq!(found, [""; 0]);
    assert_eq!(detail.summary, "Graphite 2 samples");
    let times: Vec<_> =
        detail.tree.nodes().iter().filter(|n| n.spec.name == "graphite.time").collect();
    assert_eq!(times.len(), 2);
    let span = times[1].span.unwrap();
    assert_eq!((span.start, span.len), (36, 10));
}

#[test]
fn what_is_wrong_is_found_where_it_is() {
    let (_, found) = look("graphite", b"a 1 2\nb 1\n").unwrap();
    assert_eq!(found, ["graphite.bad-line at byte 6"]);
}

#[test]
fn others_are_left_alone() {
    assert!(look("chat", b"a 1 2\n").is_none());
    let (detail, _) = look("graphql-ws", br#"{"type":"ka"}"#).unwrap();
    assert_eq!(detail.summary, "graphql ka");
}

#[test]
fn the_registrys_line_lists_what_it_gives() {
    let line = &graphite::PROTOCOL;
    assert_eq!(line.name, "graphite");
    let fields: Vec<_> = line.fields.iter().copied().flatten().map(|f| f.name).collect();
    assert_eq!(fields, ["graphite.path", "graphite.value", "graphite.time"]);
    let codes: Vec<_> = line.findings.iter().map(|f| f.code).collect();
    assert_eq!(codes, ["graphite.bad-line"]);
}
