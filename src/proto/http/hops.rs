//! What proxies left in a head: who handed the message on.

use crate::base::limits::MAX_HOPS;
use crate::field::{Tree, Value};
use crate::proto::Headers;
use crate::proto::http::{fields as f, text};

/// A client or proxy, and the header field that names it.
pub(super) type Hop = (&'static str, String);

/// All hops that a head names, the farthest first within each field. What the fields say
/// is not proven: a client may send them itself.
pub(super) fn hops(headers: &Headers) -> Vec<Hop> {
    let mut hops = Vec::new();
    let mut add = |name: &'static str, hop: String| {
        if !hop.is_empty() && hops.len() < MAX_HOPS {
            hops.push((name, text::short(&hop)));
        }
    };
    let clean = |v: &[u8]| String::from_utf8_lossy(v.trim_ascii()).into_owned();
    // RFC 7239 §4: elements by commas, pairs by semicolons; both may stand in quotes.
    for value in headers.all("forwarded") {
        for element in split(value, b',') {
            let pairs: Vec<String> = split(element, b';')
                .iter()
                .filter_map(|p| {
                    let eq = memchr::memchr(b'=', p)?;
                    let (name, value) = p.split_at_checked(eq)?;
                    let name = clean(name).to_ascii_lowercase();
                    Some(format!("{name} {}", unquoted(value.get(1..)?)))
                })
                .collect();
            add("Forwarded", pairs.join(", "));
        }
    }
    for value in headers.all("x-forwarded-for") {
        value.split(|b| *b == b',').for_each(|v| add("X-Forwarded-For", clean(v)));
    }
    for (name, label) in [
        ("x-forwarded-proto", "X-Forwarded-Proto"),
        ("x-forwarded-host", "X-Forwarded-Host"),
        ("x-real-ip", "X-Real-IP"),
    ] {
        headers.all(name).for_each(|v| add(label, clean(v)));
    }
    // RFC 9110 §7.6.3: protocol, received-by, comment; a comment may hold commas.
    for value in headers.all("via") {
        split(value, b',').iter().for_each(|v| add("Via", clean(v)));
    }
    hops
}

/// States them as fields.
pub(super) fn state(hops: &[Hop], tree: &mut Tree) {
    for (name, hop) in hops {
        tree.add(&f::HOP_HEADER, None, Value::Text((*name).into()));
        tree.add(&f::HOP, None, Value::Text(hop.as_str().into()));
    }
}

/// The parts between separators that stand in no quotes and no comment.
fn split(value: &[u8], separator: u8) -> Vec<&[u8]> {
    let (mut parts, mut from, mut quoted, mut depth) = (Vec::new(), 0, false, 0_u32);
    let mut escaped = false;
    for (i, b) in value.iter().enumerate() {
        match b {
            _ if std::mem::take(&mut escaped) => {}
            b'\\' if quoted || depth > 0 => escaped = true,
            b'"' if depth == 0 => quoted = !quoted,
            b'(' if !quoted => depth += 1,
            b')' if !quoted => depth = depth.saturating_sub(1),
            b if *b == separator && !quoted && depth == 0 => {
                parts.extend(value.get(from..i));
                from = i + 1;
            }
            _ => {}
        }
    }
    parts.extend(value.get(from..));
    parts
}

fn unquoted(v: &[u8]) -> String {
    let v = v.trim_ascii();
    let Some(inner) = v.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")) else {
        return String::from_utf8_lossy(v).into_owned();
    };
    // RFC 9110 §5.6.4: a backslash stands before any character, itself included.
    let mut escaped = false;
    let plain: Vec<u8> = inner
        .iter()
        .copied()
        .filter(|b| {
            escaped = !escaped && *b == b'\\';
            !escaped
        })
        .collect();
    String::from_utf8_lossy(&plain).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_and_backslashes() {
        for (v, want) in [
            (&br#""a\"b\\c\d""#[..], r#"a"b\cd"#),
            (br#""\\""#, r"\"),
            (br#" "plain" "#, "plain"),
            (br"no\quotes", r"no\quotes"),
            (br#"""#, r#"""#),
        ] {
            assert_eq!(unquoted(v), want);
        }
    }

    #[test]
    fn the_chain_is_listed_in_order() {
        let mut h = Headers::new();
        h.push(b"Forwarded", b"for=192.0.2.43, for=\"[2001:db8::17]:4711\";Proto=https;by=\"a,b\"");
        h.push(b"X-Forwarded-For", b"203.0.113.7, 198.51.100.2");
        h.push(b"X-Forwarded-For", b" 10.0.0.1");
        h.push(b"x-forwarded-proto", b"https");
        h.push(b"X-Real-IP", b"203.0.113.7");
        h.push(b"Via", b"1.0 fred, 1.1 p.example.net (Apache/1.1, or so)");
        let hops = hops(&h);
        let hops: Vec<_> = hops.iter().map(|(n, h)| (*n, h.as_str())).collect();
        assert_eq!(
            hops,
            [
                ("Forwarded", "for 192.0.2.43"),
                ("Forwarded", "for [2001:db8::17]:4711, proto https, by a,b"),
                ("X-Forwarded-For", "203.0.113.7"),
                ("X-Forwarded-For", "198.51.100.2"),
                ("X-Forwarded-For", "10.0.0.1"),
                ("X-Forwarded-Proto", "https"),
                ("X-Real-IP", "203.0.113.7"),
                ("Via", "1.0 fred"),
                ("Via", "1.1 p.example.net (Apache/1.1, or so)"),
            ]
        );
    }

    #[test]
    fn there_is_an_end_to_them() {
        let mut h = Headers::new();
        h.push(b"x-forwarded-for", "1.2.3.4,".repeat(10_000).as_bytes());
        assert_eq!(hops(&h).len(), MAX_HOPS);
    }
}
