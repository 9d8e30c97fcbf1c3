//! RFC 7541 Appendix C, header for header, and what goes wrong.

use proptest::prelude::*;

use super::table::Lookup;
use super::*;
use crate::base::BufferId;
use crate::field::{In, Kind, NoSink, TreeSink};
use crate::finding::Finding;
use crate::proto::Headers;

fn hex(s: &str) -> Vec<u8> {
    let digits: Vec<u8> = s.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|c| u8::from_str_radix(std::str::from_utf8(c).unwrap(), 16).unwrap())
        .collect()
}

/// Fields as `name: value`, `?` where unknown, and the codes of the findings.
/// Decodes with and without a tree: both must agree, and the tree must tile.
fn decode(d: &mut Decoder, block: &[u8]) -> (Vec<String>, Vec<&'static str>) {
    let mut twin = d.clone();
    let (mut headers, mut findings) = (Headers::new(), Vec::<Finding>::new());
    d.block(In::new(block, BufferId(0), 0, &NoSink), &mut headers, None, &mut findings);
    let sink = TreeSink::new();
    let (mut same, mut again) = (Headers::new(), Vec::new());
    let mut list = FieldList::new(BufferId(1));
    twin.block(In::new(block, BufferId(0), 0, &sink), &mut same, Some(&mut list), &mut again);
    assert_eq!(format!("{headers:?}"), format!("{same:?}"));
    assert_eq!(findings, again);
    let tree = sink.into_tree();
    for (buffer, len) in [(BufferId(0), block.len()), (BufferId(1), list.buffer.bytes.len())] {
        let mut at = 0;
        for s in tree.leaves().filter_map(|n| n.span).filter(|s| s.buffer == buffer) {
            assert_eq!(s.first_bit(), at, "a hole or an overlap in {block:02x?}");
            at += s.bit_len();
        }
        assert_eq!(at, len as u64 * 8);
    }
    let count = |name| tree.nodes().iter().filter(|n| n.spec.name == name).count();
    assert_eq!(count("http2.header.name"), headers.len());
    assert_eq!(count("http2.header.value"), headers.len());
    assert!(tree.nodes().iter().all(|n| n.spec.kind != Kind::Group || n.span.is_some()));
    let fields = headers
        .iter()
        .map(|(n, v, f)| {
            let q = if f.known { "" } else { "?" };
            format!("{}: {}{q}", String::from_utf8_lossy(n), String::from_utf8_lossy(v))
        })
        .collect();
    (fields, findings.iter().map(|f| f.spec.code).collect())
}

fn good(d: &mut Decoder, block: &str) -> Vec<String> {
    let (fields, codes) = decode(d, &hex(block));
    assert_eq!(codes, Vec::<&str>::new());
    fields
}

#[test]
fn c2_representations() {
    let d = &mut Decoder::default();
    let b = "400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572";
    assert_eq!(good(d, b), ["custom-key: custom-header"]);
    assert_eq!(d.table().size(), 55);
    let d = &mut Decoder::default();
    assert_eq!(good(d, "040c 2f73 616d 706c 652f 7061 7468"), [":path: /sample/path"]);
    assert_eq!(good(d, "1008 7061 7373 776f 7264 0673 6563 7265 74"), ["password: secret"]);
    assert_eq!(good(d, "82"), [":method: GET"]);
    assert_eq!(d.table().size(), 0);
}

/// The dynamic table, newest first, and its size.
fn table(d: &Decoder) -> (Vec<String>, usize) {
    let text = |b: &[u8]| String::from_utf8(b.to_vec()).unwrap();
    let mut all = Vec::new();
    while let Lookup::Found(f) = d.table().get(62 + all.len() as u32) {
        all.push(format!("{}: {}", text(f.name), text(f.value)));
    }
    (all, d.table().size())
}

/// The table after each of the requests of C.3 and C.4: what is newest stands first, and
/// what was there before stays behind it.
fn requests(d: &mut Decoder, blocks: [&str; 3]) {
    let grown =
        ["custom-key: custom-value", "cache-control: no-cache", ":authority: www.example.com"];
    for (n, (b, size)) in blocks.iter().zip([57, 110, 164]).enumerate() {
        assert_eq!(good(d, b), REQUESTS[n]);
        let want: Vec<String> = grown[2 - n..].iter().map(|s| (*s).to_owned()).collect();
        assert_eq!(table(d), (want, size));
    }
    assert_eq!(d.table().inserted(), 3);
}

const REQUESTS: [&[&str]; 3] = [
    &[":method: GET", ":scheme: http", ":path: /", ":authority: www.example.com"],
    &[
        ":method: GET",
        ":scheme: http",
        ":path: /",
        ":authority: www.example.com",
        "cache-control: no-cache",
    ],
    &[
        ":method: GET",
        ":scheme: https",
        ":path: /index.html",
        ":authority: www.example.com",
        "custom-key: custom-value",
    ],
];

#[test]
fn c3_requests_without_huffman() {
    let d = &mut Decoder::default();
    let blocks = [
        "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
        "8286 84be 5808 6e6f 2d63 6163 6865",
        "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65",
    ];
    requests(d, blocks);
}

#[test]
fn c4_requests_with_huffman() {
    let d = &mut Decoder::default();
    let blocks = [
        "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
        "8286 84be 5886 a8eb 1064 9cbf",
        "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf",
    ];
    requests(d, blocks);
}

const COOKIE: &str = "set-cookie: foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";

/// Both run with a table of 256 bytes, so entries are evicted.
fn responses(blocks: [&str; 3]) {
    let d = &mut Decoder::default();
    d.block(
        In::new(&[0x3f, 0xe1, 0x01], BufferId(0), 0, &NoSink),
        &mut Headers::new(),
        None,
        &mut Vec::new(),
    );
    let [a, b, c] = blocks;
    let (date, location) =
        ("date: Mon, 21 Oct 2013 20:13:21 GMT", "location: https://www.example.com");
    let (private, coding) = ("cache-control: private", "content-encoding: gzip");
    let holds = |d: &Decoder, want: &[&str], size| {
        assert_eq!(table(d), (want.iter().map(|s| (*s).to_owned()).collect(), size));
    };
    assert_eq!(good(d, a), [":status: 302", private, date, location]);
    holds(d, &[location, date, private, ":status: 302"], 222);
    assert_eq!(good(d, b), [":status: 307", private, date, location]);
    holds(d, &[":status: 307", location, date, private], 222);
    let date = "date: Mon, 21 Oct 2013 20:13:22 GMT";
    assert_eq!(good(d, c), [":status: 200", private, date, location, coding, COOKIE]);
    holds(d, &[COOKIE, coding, date], 215);
    assert_eq!(d.table().inserted(), 8);
}

#[test]
fn c5_responses_without_huffman() {
    responses([
        "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133
         2032 303a 3133 3a32 3120 474d 546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70
         6c65 2e63 6f6d",
        "4803 3330 37c1 c0bf",
        "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d
         54c0 5a04 677a 6970 7738 666f 6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049
         5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b 2076 6572 7369 6f6e
         3d31",
    ]);
}

#[test]
fn c6_responses_with_huffman() {
    responses([
        "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6
         2d1b ff6e 919d 29ad 1718 63c7 8f0b 97c8 e9ae 82ae 43d3",
        "4883 640e ffc1 c0bf",
        "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab
         77ad 94e7 821d d7f2 e6c7 b335 dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f
         9587 3160 65c0 03ed 4ee5 b106 3d50 07",
    ]);
}

#[test]
fn every_fault_is_named_and_the_rest_goes_on() {
    for (block, fields, codes) in [
        // Index 0; an index beyond the tables; then a good one.
        ("80 82", &[": ?", ":method: GET"][..], &["http2.hpack-invalid-index"][..]),
        ("be 82", &[": ?", ":method: GET"], &["http2.hpack-invalid-index"]),
        ("7e 0161 82", &[": a?", ":method: GET"], &["http2.hpack-invalid-index"]),
        // A Huffman string of which EOS is part: the length is known all the same.
        ("0084 ffffffff 0161 82", &[": a?", ":method: GET"], &["http2.hpack-huffman"]),
        ("82 ff", &[":method: GET"], &["http2.hpack-truncated"]),
        ("82 4005 6162", &[":method: GET"], &["http2.hpack-truncated"]),
        ("82 ffffffffffffffffffff", &[":method: GET"], &["http2.hpack-integer"]),
        ("82 3f", &[":method: GET"], &["http2.hpack-truncated"]),
        ("3fe2 1f 82", &[":method: GET"], &["http2.hpack-size-update"]),
        ("82 20", &[":method: GET"], &["http2.hpack-late-size-update"]),
    ] {
        let got = decode(&mut Decoder::default(), &hex(block));
        assert_eq!(
            got,
            (fields.iter().map(|s| (*s).to_owned()).collect(), codes.to_vec()),
            "{block}"
        );
    }
}

#[test]
fn after_a_lost_block_old_entries_are_unknown_and_new_ones_known() {
    let d = &mut Decoder::default();
    good(d, "4001 6101 62"); // a: b
    d.lose();
    let (fields, codes) = decode(d, &hex("4001 6301 64 be bf"));
    assert_eq!(fields, ["c: d", "c: d", ": ?"]);
    assert_eq!(codes, ["http2.hpack-unknown-index"]);
    // A name that is unknown makes an entry whose value is known.
    let (fields, _) = decode(d, &hex("7f00 0165 be"));
    assert_eq!(fields, [": e?", ": e?"]);
}

#[test]
fn eviction_empties_and_refills() {
    let d = &mut Decoder::default();
    // A table of 34 bytes holds one entry of two octets.
    assert_eq!(good(d, "3f03 4001 6101 62 be 4001 6301 64 be"), ["a: b", "a: b", "c: d", "c: d"]);
    assert_eq!(d.table().size(), 34);
    // An entry larger than the table empties it (§4.4).
    assert_eq!(good(d, "4001 6102 6262"), ["a: bb"]);
    assert_eq!(d.table().size(), 0);
    // The name of an entry that its own insertion evicts is still its name.
    good(d, "4001 6101 62");
    assert_eq!(good(d, "7e01 63 be"), ["a: c", "a: c"]);
}

proptest! {
    #[test]
    fn hostile_blocks_never_panic(blocks in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..60), 1..6)) {
        let d = &mut Decoder::default();
        for b in &blocks {
            decode(d, b);
        }
    }

    #[test]
    fn literals_come_back(pairs in proptest::collection::vec((proptest::collection::vec(any::<u8>(), 0..40), proptest::collection::vec(any::<u8>(), 0..200), any::<bool>()), 0..20)) {
        let mut block = Vec::new();
        for (n, v, huffman) in &pairs {
            block.push(0x40);
            for s in [n, v] {
                let (flag, s) = if *huffman { (0x80, huffman::tests::encode(s)) } else { (0, s.clone()) };
                if s.len() < 127 {
                    block.push(flag | s.len() as u8);
                } else {
                    block.push(flag | 127);
                    let mut rest = s.len() - 127;
                    while rest >= 128 {
                        block.push(rest as u8 | 128);
                        rest >>= 7;
                    }
                    block.push(rest as u8);
                }
                block.extend(s);
            }
        }
        let (mut h, mut f) = (Headers::new(), Vec::new());
        Decoder::default().block(In::new(&block, BufferId(0), 0, &NoSink), &mut h, None, &mut f);
        prop_assert!(f.is_empty());
        let got: Vec<_> = h.iter().map(|(n, v, _)| (n.to_vec(), v.to_vec())).collect();
        let want: Vec<_> = pairs.iter().map(|(n, v, _)| (n.clone(), v.clone())).collect();
        prop_assert_eq!(got, want);
    }
}
