//! Blocks of two independent encoders, header for header with what each was given:
//! `fixtures/record/blocks.py` recorded them. A third, that of the crate `h2`, is asked in
//! `http2/tests/peer.rs`.

use super::*;
use crate::base::BufferId;
use crate::field::{In, NoSink, TreeSink, Value};
use crate::proto::Headers;
use crate::proto::http2::fields;

const GIVEN: &str = include_str!("../../../../tests/hpack/given.txt");
const ENCODERS: [(&str, &str); 2] = [
    ("Python's hpack", include_str!("../../../../tests/hpack/python-hpack.txt")),
    ("nghttp2", include_str!("../../../../tests/hpack/nghttp2.txt")),
];

/// A line of what was given.
enum Story {
    /// The decoder allows a table of so many octets.
    Table(u32),
    /// Names, values, and whether they must never be indexed.
    Section(Vec<(Vec<u8>, Vec<u8>, bool)>),
}

fn given() -> Vec<Story> {
    let mut all = Vec::new();
    for line in GIVEN.lines() {
        if let Some(n) = line.strip_prefix("table ") {
            all.push(Story::Table(n.parse().unwrap()));
        } else if line.starts_with("section") {
            all.push(Story::Section(Vec::new()));
        } else {
            let (secret, field) = line.split_at(1);
            // The name of a pseudo header begins with a colon.
            let colon = 1 + field[1..].find(": ").unwrap();
            let Some(Story::Section(s)) = all.last_mut() else { panic!("{line}") };
            s.push((octets(&field[..colon]), octets(&field[colon + 2..]), secret == "!"));
        }
    }
    all
}

/// `\xNN` is an octet, and so is any other character.
fn octets(text: &str) -> Vec<u8> {
    let mut parts = text.split("\\x");
    let mut out = parts.next().unwrap().as_bytes().to_vec();
    for p in parts {
        out.push(u8::from_str_radix(&p[..2], 16).unwrap());
        out.extend_from_slice(&p.as_bytes()[2..]);
    }
    out
}

fn hex(digits: &str) -> Vec<u8> {
    let pair = |i| u8::from_str_radix(&digits[i..i + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(pair).collect()
}

fn list(headers: &Headers) -> Vec<(Vec<u8>, Vec<u8>)> {
    assert!(headers.iter().all(|(_, _, f)| f.known));
    headers.iter().map(|(n, v, _)| (n.to_vec(), v.to_vec())).collect()
}

#[test]
fn two_encoders_header_for_header() {
    let given = given();
    for (encoder, blocks) in ENCODERS {
        let (mut quiet, mut looked) = (Decoder::default(), Decoder::default());
        let mut blocks = blocks.lines();
        let (mut count, mut secrets, mut evicted) = (0, 0, false);
        let mut reprs = std::collections::BTreeMap::<String, usize>::new();
        for story in &given {
            let want = match story {
                Story::Table(n) => {
                    quiet.allow(*n);
                    looked.allow(*n);
                    continue;
                }
                Story::Section(s) => s,
            };
            let block = hex(blocks.next().unwrap());
            let pairs: Vec<_> = want.iter().map(|(n, v, _)| (n.clone(), v.clone())).collect();
            let (before, inserted) = (quiet.table().size(), quiet.table().inserted());

            let (mut headers, mut findings) = (Headers::new(), Vec::new());
            let i = In::new(&block, BufferId(0), 0, &NoSink);
            quiet.block(i, &mut headers, None, &mut findings);
            assert_eq!(findings, [], "{encoder}");
            assert_eq!(list(&headers), pairs, "{encoder}");
            count += headers.len();
            evicted |= quiet.table().inserted() > inserted && quiet.table().size() < before;

            // The same with a tree, which says how each was written.
            let sink = TreeSink::new();
            let mut headers = Headers::new();
            let mut octets = FieldList::new(BufferId(1));
            let i = In::new(&block, BufferId(0), 0, &sink);
            looked.block(i, &mut headers, Some(&mut octets), &mut findings);
            assert_eq!((list(&headers), findings.len()), (pairs, 0), "{encoder}");
            let tree = sink.into_tree();
            let mut written = tree.nodes().iter().filter(|n| n.spec.name == fields::REPR.name);
            let mut of = || loop {
                let Value::Text(t) = &written.next().unwrap().value else { panic!("no text") };
                *reprs.entry(t.to_string()).or_default() += 1;
                if !t.starts_with("Dynamic") {
                    return t.contains("never Indexed");
                }
            };
            for (name, _, secret) in want {
                // An encoder may spare more than it was told to.
                let spared = of();
                assert!(spared || !secret, "{encoder}: {}", String::from_utf8_lossy(name));
                secrets += usize::from(*secret);
            }
        }
        assert_eq!(blocks.next(), None);
        println!("{encoder}: {count} fields, {secrets} never to be indexed, {reprs:?}");
        assert!(count > 2000 && secrets > 50 && evicted);
        assert!(reprs["Dynamic Table Size Update"] > 20);
    }
}
