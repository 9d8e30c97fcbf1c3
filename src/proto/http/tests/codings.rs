//! Bodies with content codings.

use super::*;

pub(super) fn compressed(coding: &str, body: &[u8]) -> Recorder {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    r.payload_cap = 4096;
    head(&mut r, &mut m, Server, 2, false, &[(":status", "200"), ("content-encoding", coding)]);
    r.bytes(&mut m, Server, body, 7);
    r.end(&mut m, Server, EndCause::Finished);
    r
}

pub(super) fn payload(r: &Recorder) -> &[u8] {
    match &r.events[0].detail.as_ref().unwrap().payload {
        Payload::Bytes(b) => b,
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_wrong_with_a_coding_is_found_whoever_looks() {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(b"some text, some text").unwrap();
    let good = gzip.finish().unwrap();
    // RFC 1952 §2.3.1: the checksum, and the length behind it.
    let damaged = |from_end: usize| {
        let mut bad = good.clone();
        let at = bad.len() - from_end;
        bad[at] ^= 1;
        bad
    };
    let found = |coding: &str, body: &[u8], size: usize, wants: fn(Level) -> bool, range: bool| {
        let (mut r, mut m) = (Recorder::new(), Http::new());
        r.wants = wants;
        let mut fields = vec![(":status", "200"), ("content-encoding", coding)];
        fields.extend(range.then_some(("content-range", "bytes 5-40/41")));
        head(&mut r, &mut m, Server, 2, false, &fields);
        r.bytes(&mut m, Server, body, size);
        r.end(&mut m, Server, EndCause::Finished);
        (r.codes(), r.inflated)
    };
    for wants in [|_| true, |_| false] as [fn(Level) -> bool; 2] {
        for size in [1, 7, 1460] {
            let of = |coding: &str, body: &[u8]| found(coding, body, size, wants, false);
            assert_eq!(of("gzip", &good), (vec![], 20));
            for from_end in [1, 8] {
                assert_eq!(of("gzip", &damaged(from_end)), (vec!["http.bad-content-coding"], 20));
            }
            assert_eq!(of("gzip", &good[..good.len() - 9]).0, ["http.bad-content-coding"]);
            assert_eq!(of("compress", &good), (vec!["http.unknown-content-coding"], 0));
            // From the middle of a body on nothing can be undone, and nothing is wrong.
            assert_eq!(found("gzip", &good[5..], size, wants, true).0, [""; 0]);
        }
    }
    // What was not captured is no fault of the sender's.
    let (mut r, mut m) = (Recorder::new(), Http::new());
    head(&mut r, &mut m, Server, 2, false, &[(":status", "200"), ("content-encoding", "gzip")]);
    r.bytes(&mut m, Server, &good[..9], 9);
    r.gap(&mut m, Server, 3);
    r.bytes(&mut m, Server, &good[12..], 9);
    r.end(&mut m, Server, EndCause::Finished);
    assert_eq!(r.codes(), ["http.body-gap"]);
}

#[test]
fn content_codings_are_undone_for_showing() {
    let level = flate2::Compression::default();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), level);
    gzip.write_all(b"some text, some text").unwrap();
    let gzip = gzip.finish().unwrap();
    let mut zlib = flate2::write::ZlibEncoder::new(Vec::new(), level);
    zlib.write_all(b"some text, some text").unwrap();
    let zlib = zlib.finish().unwrap();
    let mut raw = flate2::write::DeflateEncoder::new(Vec::new(), level);
    raw.write_all(b"some text, some text").unwrap();
    let raw = raw.finish().unwrap();
    for (coding, body) in
        [("gzip", &gzip), ("deflate", &zlib), ("deflate", &raw), ("X-GZIP", &gzip)]
    {
        let r = compressed(coding, body);
        assert_eq!(payload(&r), b"some text, some text", "{coding}");
        assert_eq!(r.inflated, 20);
        let d = r.events[0].detail.as_ref().unwrap();
        let labels: Vec<_> = d.origins.buffers().iter().map(|b| b.label).collect();
        assert_eq!(labels, ["body", "inflated"]);
        let place = d.origins.locate(d.tree.find("http.file_data").unwrap().span.unwrap());
        assert!(!place.exact);
        assert_eq!(place.ranges.iter().map(|p| p.len as usize).sum::<usize>(), body.len());
    }
    // Cut: what there is. Unknown: as it is. Bomb: cut and counted.
    let r = compressed("gzip", &gzip[..gzip.len() - 10]);
    assert!(b"some text, some text".starts_with(payload(&r)));
    assert!(r.events[0].detail.as_ref().unwrap().tree.nodes().iter().any(|n| n.note.is_some()));
    assert_eq!(payload(&compressed("br", b"\x0b\x02\x80hello\x03")), b"hello");
    let r = compressed("compress", b"as it is");
    assert_eq!((payload(&r), r.codes()), (&b"as it is"[..], vec!["http.unknown-content-coding"]));
    let mut bomb = flate2::write::GzEncoder::new(Vec::new(), level);
    bomb.write_all(&[0; 100_000]).unwrap();
    let r = compressed("gzip", &bomb.finish().unwrap());
    assert_eq!(payload(&r).len(), 4096);
    assert_eq!(r.events[0].detail.as_ref().unwrap().truncated, Some(100_000));
}
