//! Multipart bodies and forms.

use super::*;

pub(super) fn body(kind: &str, body: &[u8]) -> Recorder {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    let post: &[_] = &[(":method", "POST"), (":path", "/"), ("content-type", kind)];
    head(&mut r, &mut m, Client, 1, false, post);
    r.bytes(&mut m, Client, body, 7);
    r.end(&mut m, Client, EndCause::Finished);
    r
}

fn listed(r: &Recorder, of: &[&str]) -> Vec<(String, Value, Vec<u8>)> {
    let d = r.events[0].detail.as_ref().unwrap();
    let bytes = &d.origins.buffers()[0].bytes;
    d.tree
        .nodes()
        .iter()
        .filter(|n| of.contains(&n.spec.name))
        .map(|n| {
            let place = n.span.map(|s| bytes[s.start as usize..s.end() as usize].to_vec());
            let name = n.name.as_deref().unwrap_or(n.spec.name).to_owned();
            (name, n.value.clone(), place.unwrap_or_default())
        })
        .collect()
}

const UPLOAD: &[u8] = b"preamble\r\n--b\r\nContent-Disposition: form-data; name=\"note\"\r\n\r\n\
    two\r\nlines\r\n--b  \r\ncontent-disposition: form-data; name=\"f\"; filename=\"a \\\"b\\\".png\"\r\n\
    Content-Type: image/png\r\n\r\n\x89PNG\r\n\x1a\n--bx\r\n--b--\r\nepilogue";

#[test]
fn multipart_is_listed() {
    let r = body("multipart/form-data; boundary=\"b\"", UPLOAD);
    assert_eq!(r.codes(), [""; 0]);
    let text = |t: &str| Value::Text(t.into());
    let data = listed(&r, &["http.part.data"]);
    let data: Vec<_> = data.iter().map(|(_, _, p)| p.as_slice()).collect();
    assert_eq!(data, [&b"two\r\nlines"[..], b"\x89PNG\r\n\x1a\n--bx"]);
    let rest = listed(
        &r,
        &["http.part.name", "http.part.filename", "http.part.content_type", "http.part.length"],
    );
    let values: Vec<_> = rest.into_iter().map(|(_, v, _)| v).collect();
    assert_eq!(
        values,
        [
            text("note"),
            Value::U64(10),
            text("f"),
            text("a \"b\".png"),
            text("image/png"),
            Value::U64(12),
        ]
    );
    let heads = listed(&r, &["http.part.header"]);
    assert_eq!(heads[2].0, "Content-Type");
    assert_eq!(heads[2].2, b"Content-Type: image/png\r\n");
    assert_eq!(listed(&r, &["http.body_format"])[0].1, text("PNG image"));
}

#[test]
fn the_parts_of_what_is_kept_are_listed() {
    let (mut r, mut m) = (Recorder::new(), Http::new());
    r.payload_cap = UPLOAD.len() - 12;
    let fields: &[_] =
        &[(":method", "POST"), (":path", "/"), ("content-type", "multipart/form-data; boundary=b")];
    head(&mut r, &mut m, Client, 1, false, fields);
    r.bytes(&mut m, Client, UPLOAD, 1460);
    r.end(&mut m, Client, EndCause::Finished);
    let d = r.events[0].detail.as_ref().unwrap();
    assert_eq!(d.truncated, Some(UPLOAD.len() as u64));
    let parts = d
        .tree
        .nodes()
        .iter()
        .filter(|n| n.spec.name == crate::proto::http::fields::PART.name)
        .count();
    assert!(parts > 1, "{parts}");
    assert_eq!(r.codes(), [""; 0], "what is missing is behind the cut");
}

#[test]
fn broken_multipart_is_named_and_nesting_ends() {
    for (kind, text) in [
        ("multipart/mixed", UPLOAD),
        ("multipart/mixed; boundary=other", UPLOAD),
        ("multipart/mixed; boundary=b", &UPLOAD[..60]),
        ("multipart/mixed; boundary=b", b""),
    ] {
        let codes = if text.is_empty() { vec![] } else { vec!["http.bad-multipart"] };
        assert_eq!(body(kind, text).codes(), codes, "{kind}");
    }
    // Whoever looks, and in whatever pieces it comes.
    let many = "--b\n\nx\n".repeat(5000) + "--b--\n";
    for (kind, text, code) in [
        ("multipart/mixed", UPLOAD, "http.bad-multipart"),
        ("Multipart/mixed; boundary=b", &UPLOAD[..60], "http.bad-multipart"),
        ("multipart/mixed; boundary=b", many.as_bytes(), "http.parts-limit"),
    ] {
        for wants in [|_| true, |_| false] as [fn(Level) -> bool; 2] {
            let (mut r, mut m) = (Recorder::new(), Http::new());
            r.wants = wants;
            head(&mut r, &mut m, Client, 1, false, &[(":method", "POST"), ("content-type", kind)]);
            r.bytes(&mut m, Client, text, 7);
            r.end(&mut m, Client, EndCause::Finished);
            assert_eq!(r.codes(), [code], "{kind}");
        }
    }
    let mut deep = b"core".to_vec();
    for n in 0..8 {
        let (mut open, close) = (format!("--{n}\n").into_bytes(), format!("\n--{n}--\n"));
        if n > 0 {
            open.extend(format!("Content-Type: multipart/mixed; boundary={}\n", n - 1).bytes());
        }
        open.push(b'\n');
        deep = [open, deep, close.into_bytes()].concat();
    }
    let r = body("multipart/mixed; boundary=7", &deep);
    assert_eq!(r.codes(), ["http.parts-limit"]);
    assert_eq!(listed(&r, &["http.part"]).len(), crate::base::limits::MAX_MULTIPART_DEPTH);
    let many = "--b\n\nx\n".repeat(5000) + "--b--\n";
    let r = body("multipart/mixed; boundary=b", many.as_bytes());
    assert_eq!(r.codes(), ["http.parts-limit"]);
    assert_eq!(listed(&r, &["http.part"]).len(), crate::base::limits::MAX_BODY_PARTS);
}

#[test]
fn forms_are_listed() {
    let r = body("application/x-www-form-urlencoded", b"a=1&b+c=x%20y%&&d&e=%c3%bc");
    let pairs: Vec<_> = listed(&r, &["http.form"]);
    let text = |t: &str| Value::Text(t.into());
    let pairs: Vec<_> = pairs.iter().map(|(n, v, p)| (n.as_str(), v.clone(), p.len())).collect();
    assert_eq!(
        pairs,
        [("a", text("1"), 3), ("b c", text("x y%"), 10), ("d", text(""), 1), ("e", text("ü"), 8)]
    );
}
