//! Codings undone, in every chunking.

use std::io::Write;

use super::zstd::ZSTD_MOST_WORK;
use super::*;

const TEXT: &[u8] = b"some text, some text";
/// `TEXT` by `zlib.brotliCompressSync` of node 20.
const BR: &[u8] = &[
    0x8b, 0x09, 0x80, 0x73, 0x6f, 0x6d, 0x65, 0x20, 0x74, 0x65, 0x78, 0x74, 0x2c, 0x20, 0x73, 0x6f,
    0x6d, 0x65, 0x20, 0x74, 0x65, 0x78, 0x74, 0x03,
];

fn gzip(data: &[u8]) -> Vec<u8> {
    let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    w.write_all(data).unwrap();
    w.finish().unwrap()
}

fn zlib(data: &[u8]) -> Vec<u8> {
    let mut w = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::default());
    w.write_all(data).unwrap();
    w.finish().unwrap()
}

fn raw(data: &[u8]) -> Vec<u8> {
    let mut w = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::default());
    w.write_all(data).unwrap();
    w.finish().unwrap()
}

fn zstd(data: &[u8]) -> Vec<u8> {
    ruzstd::encoding::compress_to_vec(data, ruzstd::encoding::CompressionLevel::Fastest)
}

fn undo(codings: &str, body: &[u8], size: usize) -> (Vec<u8>, Option<Failure>) {
    let mut d = Codings::of([codings.as_bytes()].into_iter()).decoder().unwrap();
    let mut out = Vec::new();
    let mut keep = |m: &[u8]| out.extend_from_slice(m);
    let mut failure = None;
    for c in body.chunks(size) {
        failure = failure.or(d.feed(c, &mut keep).err());
        if failure.is_some() {
            break;
        }
    }
    if failure.is_none() {
        failure = d.finish(&mut keep).err();
    }
    (out, failure)
}

#[test]
fn every_coding_in_every_chunking() {
    let two = [gzip(b"some text, "), gzip(b"some text")].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("gzip", gzip(TEXT)),
        ("X-GZip", gzip(TEXT)),
        ("gzip", two),
        ("deflate", zlib(TEXT)),
        ("deflate", raw(TEXT)),
        ("br", BR.to_vec()),
        ("zstd", zstd(TEXT)),
        ("zstd", [zstd(b"some text, "), zstd(b"some text")].concat()),
        ("gzip, identity , deflate", zlib(&gzip(TEXT))),
        ("br, gzip", gzip(BR)),
        ("zstd,gzip", gzip(&zstd(TEXT))),
    ];
    for (name, body) in cases {
        for size in [1, 2, 3, 7, 1460] {
            let (out, failure) = undo(name, &body, size);
            assert_eq!((out.as_slice(), failure), (TEXT, None), "{name} by {size}");
            // Cut off: a beginning, and it is said.
            let cut = body.len() - 3;
            let (out, failure) = undo(name, &body[..cut], size);
            assert!(TEXT.starts_with(&out), "{name} by {size}");
            assert!(failure.is_some(), "{name} by {size}: cut without a word");
        }
    }
}

#[test]
fn what_is_wrong_is_said() {
    for name in ["gzip", "deflate", "br", "zstd"] {
        let (out, failure) = undo(name, b"\xff\xff\xff\xff no coding at all", 5);
        assert_eq!((out.len(), failure), (0, Some(Failure::Corrupt(name))), "{name}");
        // Nothing at all is an empty body.
        assert_eq!(undo(name, b"", 1), (Vec::new(), None), "{name}");
    }
    let more = [BR, b"x"].concat();
    assert_eq!(undo("br", &more, 7), (TEXT.to_vec(), Some(Failure::Trailing)));
    let more = [zlib(TEXT).as_slice(), b"x"].concat();
    assert_eq!(undo("deflate", &more, 7), (TEXT.to_vec(), Some(Failure::Trailing)));
    let more = [gzip(TEXT).as_slice(), b"x"].concat();
    assert_eq!(undo("gzip", &more, 7), (TEXT.to_vec(), Some(Failure::Trailing)));
    let unknown = Codings::of([b"compress".as_slice()].into_iter());
    assert_eq!(unknown, Codings::Unknown("compress".into()));
    let many = Codings::of([b"gzip,gzip,gzip,gzip".as_slice(), b"gzip"].into_iter());
    assert!(matches!(many, Codings::Unknown(_)));
}

/// A zstd frame of raw blocks (RFC 8878 §3.1.1), by block.
fn raw_blocks(texts: &[&str]) -> Vec<Vec<u8>> {
    let block = |n: usize, text: &str| {
        let header = (text.len() as u32) << 3 | u32::from(n + 1 == texts.len());
        [&header.to_le_bytes()[..3], text.as_bytes()].concat()
    };
    let mut all: Vec<_> = texts.iter().enumerate().map(|(n, t)| block(n, t)).collect();
    // A window of 1 KiB; no checksum.
    all[0].splice(..0, [0x28, 0xb5, 0x2f, 0xfd, 0, 0]);
    all
}

#[test]
fn blocks_of_zstd_come_out_as_they_come() {
    let texts = ["data: 1\n\n", "data: 2\n\n", "", "data: 3\n\n"];
    let skipped = [0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3];
    for size in [1, 2, 1460] {
        let mut d = Decoder::new(&[Coding::Zstd]);
        // Frame behind frame.
        for _ in 0..3 {
            for (block, text) in raw_blocks(&texts).iter().zip(texts) {
                let mut out = Vec::new();
                for c in block.chunks(size) {
                    d.feed(c, &mut |m| out.extend_from_slice(m)).unwrap();
                }
                assert_eq!(String::from_utf8(out).unwrap(), text);
            }
            for c in skipped.chunks(size) {
                d.feed(c, &mut |_| panic!("nothing is in it")).unwrap();
            }
        }
        assert_eq!(d.finish(&mut |_| panic!("nothing is left")), Ok(()));
    }
}

#[test]
fn a_long_frame_of_zstd_costs_no_more_than_is_allowed() {
    // 1000 blocks that repeat a byte 64 KiB times each: 64 MiB.
    let mut z = Zstd::default();
    let mut made = 0_u64;
    let mut on = |m: &[u8]| {
        made += m.len() as u64;
        Ok(())
    };
    z.feed(&[0x28, 0xb5, 0x2f, 0xfd, 0, 0x68], &mut on).unwrap();
    for _ in 0..1000_u32 {
        let header = (65_536_u32 << 3 | 1 << 1).to_le_bytes();
        z.feed(&[&header[..3], b"x"].concat(), &mut on).unwrap();
    }
    assert!(z.work <= ZSTD_MOST_WORK + 2 * (64 << 20), "{}", z.work);
    let _ = z.finish(&mut on);
    assert_eq!(made, 65_536_000);
}

#[test]
fn what_came_out_before_the_fault_stands() {
    for size in [1, 7, 1460] {
        // RFC 1952 §2.3.1, RFC 1950 §2.2: checksums stand at the end.
        for (name, mut body, from_end) in
            [("gzip", gzip(TEXT), 8), ("gzip", gzip(TEXT), 1), ("deflate", zlib(TEXT), 1)]
        {
            let at = body.len() - from_end;
            body[at] ^= 1;
            let (out, failure) = undo(name, &body, size);
            assert_eq!(out, TEXT, "{name} by {size}");
            assert_eq!(failure, Some(Failure::Checksum(name)), "{name} by {size}");
        }
        let padded = [gzip(TEXT), vec![0; 50]].concat();
        let expected = (TEXT.to_vec(), Some(Failure::Padding(50)));
        assert_eq!(undo("gzip", &padded, size), expected);
        let more = [padded, gzip(TEXT)].concat();
        assert_eq!(undo("gzip", &more, size).1, Some(Failure::Trailing));
    }
}

#[test]
fn transfer_codings_are_undone_as_well() {
    let of = |fields: &[(&str, &str)]| {
        let mut h = Headers::new();
        for (n, v) in fields {
            h.push(n.as_bytes(), v.as_bytes());
        }
        Codings::of_message(&h)
    };
    let te = "transfer-encoding";
    assert_eq!(of(&[(te, "chunked")]), Codings::Known(vec![]));
    assert_eq!(of(&[(te, "gzip, Chunked")]), Codings::Known(vec![Coding::Gzip]));
    let both = [("content-encoding", "br"), (te, "gzip"), (te, "chunked")];
    assert_eq!(of(&both), Codings::Known(vec![Coding::Brotli, Coding::Gzip]));
    assert_eq!(of(&[(te, "compress, chunked")]), Codings::Unknown("compress".into()));
}

#[test]
fn a_bomb_is_stopped_at_the_limit_in_every_coding() {
    let zeros = vec![0; MAX_INFLATED_BYTES + 1];
    let cases = [
        (Coding::Gzip, gzip(&zeros)),
        (Coding::Deflate, zlib(&zeros)),
        (Coding::Zstd, zstd(&zeros)),
    ];
    for (coding, body) in cases {
        let i = inflate(Decoder::new(&[coding]), &body, 10);
        assert!(i.total <= MAX_INFLATED_BYTES as u64 && i.bytes.len() == 10, "{coding:?}");
        assert!(matches!(i.failure, Some(Failure::Limit(_))), "{coding:?}: {:?}", i.failure);
    }
}

#[test]
fn what_was_flushed_comes_out_at_once() {
    let mut w = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let mut d = Decoder::new(&[Coding::Gzip]);
    let mut sent = 0;
    for n in 0..20 {
        let event = format!("data: {n}\n\n");
        w.write_all(event.as_bytes()).unwrap();
        w.flush().unwrap();
        let mut out = Vec::new();
        let coded = &w.get_ref()[sent..];
        sent = w.get_ref().len();
        for b in coded {
            d.feed(&[*b], &mut |m| out.extend_from_slice(m)).unwrap();
        }
        assert_eq!(String::from_utf8(out).unwrap(), event);
    }
}

proptest::proptest! {
    #[test]
    fn hostile_bytes_never_panic(
        body in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..300),
        which in 0..4_usize,
        size in 1..40_usize,
    ) {
        let name = ["gzip", "deflate", "br", "zstd"][which];
        undo(name, &body, size);
        // Damaged ones reach further in.
        let mut good = match which {
            0 => gzip(&body),
            1 => zlib(&body),
            2 => BR.to_vec(),
            _ => zstd(&body),
        };
        let at = size % good.len().max(1);
        if let Some(b) = good.get_mut(at) {
            *b ^= 0x55;
        }
        undo(name, &good, size);
    }
}
