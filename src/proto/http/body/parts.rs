//! What a body consists of: the parts of multipart (RFC 2046 §5.1, RFC 7578), and the
//! pairs of a form (WHATWG URL §5).

use memchr::memmem;

use crate::base::limits::{MAX_BODY_PARTS, MAX_MULTIPART_DEPTH};
use crate::base::{BufferId, Span};
use crate::field::{Tree, Value};
use crate::finding::Finding;
use crate::proto::http::body::magic;
use crate::proto::http::{fields as f, findings as g};

/// A parameter of a header field's value, quotes and escapes taken off.
pub(super) fn parameter(value: &[u8], name: &str) -> Option<Vec<u8>> {
    let mut rest = value.get(memchr::memchr(b';', value)?..)?;
    while let Some((_, after)) = rest.split_first() {
        let after = after.trim_ascii_start();
        let eq = after.iter().position(|b| matches!(b, b'=' | b';')).unwrap_or(after.len());
        let (key, mut tail) = after.split_at_checked(eq)?;
        let mut out = Vec::new();
        if let Some(v) = tail.strip_prefix(b"=") {
            tail = v.trim_ascii_start();
            if let Some(quoted) = tail.strip_prefix(b"\"") {
                tail = quoted;
                while let Some((b, more)) = tail.split_first() {
                    tail = more;
                    match b {
                        b'"' => break,
                        // Only a quote or a backslash is escaped: browsers send paths.
                        b'\\' if matches!(tail.first(), Some(b'"' | b'\\')) => {
                            out.extend(tail.first());
                            tail = tail.get(1..).unwrap_or_default();
                        }
                        _ => out.push(*b),
                    }
                }
                let next = memchr::memchr(b';', tail).unwrap_or(tail.len());
                tail = tail.get(next..).unwrap_or_default();
            } else {
                let next = memchr::memchr(b';', tail).unwrap_or(tail.len());
                out.extend_from_slice(tail.get(..next).unwrap_or_default().trim_ascii_end());
                tail = tail.get(next..).unwrap_or_default();
            }
        }
        if key.trim_ascii().eq_ignore_ascii_case(name.as_bytes()) {
            return Some(out);
        }
        rest = tail;
    }
    None
}

/// Lists the parts of a multipart body that lies in `buffer`. `cut`: of which that is the
/// beginning.
pub(super) fn multipart(
    body: &[u8],
    content_type: &[u8],
    cut: bool,
    buffer: BufferId,
    tree: &mut Tree,
    findings: &mut Vec<Finding>,
) {
    let Some(boundary) = parameter(content_type, "boundary").filter(|b| !b.is_empty()) else {
        findings.push(Finding::new(&g::MULTIPART).with("no boundary"));
        return;
    };
    let mut left = MAX_BODY_PARTS;
    let mut found = Vec::new();
    nested(body, 0, &boundary, buffer, tree, &mut found, &mut left, 0);
    // What is missing may be behind the cut.
    found.retain(|f| !cut || f.spec.code != g::MULTIPART.code);
    findings.append(&mut found);
}

/// Bytes of the empty line or line end at the front.
fn line_end(data: &[u8]) -> usize {
    match data {
        [b'\r', b'\n', ..] => 2,
        [b'\n', ..] => 1,
        _ => 0,
    }
}

#[allow(clippy::too_many_arguments)] // What each level hands to the next.
fn nested(
    body: &[u8],
    base: usize,
    boundary: &[u8],
    buffer: BufferId,
    tree: &mut Tree,
    findings: &mut Vec<Finding>,
    left: &mut usize,
    depth: usize,
) {
    let span = |from: usize, len: usize| {
        let n = |v: usize| u32::try_from(v).unwrap_or(u32::MAX);
        Some(Span::bytes(buffer, n(base.saturating_add(from)), n(len)))
    };
    let delimiter = [b"--", boundary].concat();
    let finder = memmem::Finder::new(&delimiter);
    // A delimiter stands at the front of a line, and nothing but white space behind it.
    let next = |from: usize| {
        let mut at = from;
        loop {
            let i = at + finder.find(body.get(at..)?)?;
            let behind = i + delimiter.len();
            let rest = body.get(behind..).unwrap_or_default();
            let closes = rest.starts_with(b"--");
            let line = rest.get(if closes { 2 } else { 0 }..).unwrap_or_default();
            let pad = line.iter().take_while(|b| matches!(b, b' ' | b'\t')).count();
            let end = line_end(line.get(pad..).unwrap_or_default());
            let fits = end > 0 || closes && pad == line.len();
            let front = i == 0 || body.get(i - 1) == Some(&b'\n');
            if front && fits {
                return Some((i, behind + if closes { 2 } else { 0 } + pad + end, closes));
            }
            at = i + 1;
        }
    };
    let Some((_, mut at, mut closed)) = next(0) else {
        findings.push(Finding::new(&g::MULTIPART).with("the boundary is not there"));
        return;
    };
    let mut number = 0_u64;
    while !closed {
        if *left == 0 {
            findings.push(Finding::new(&g::PARTS_LIMIT).with(format!("{MAX_BODY_PARTS} parts")));
            return;
        }
        *left -= 1;
        let found = next(at);
        let stop = found.map_or(body.len(), |(i, _, _)| {
            // The line end before a delimiter belongs to the delimiter.
            let before = body.get(at..i).unwrap_or_default();
            if before.ends_with(b"\r\n") {
                i - 2
            } else {
                i.saturating_sub(usize::from(before.ends_with(b"\n")))
            }
        });
        number += 1;
        let part = body.get(at..stop.max(at)).unwrap_or_default();
        tree.open(&f::PART, span(at, part.len()));
        tree.add(&f::PART_NUMBER, None, Value::U64(number));
        one(part, base.saturating_add(at), buffer, tree, findings, left, depth);
        tree.close();
        match found {
            Some((_, behind, closes)) => {
                at = behind;
                closed = closes;
            }
            None => {
                findings.push(Finding::new(&g::MULTIPART).with("the closing boundary is missing"));
                return;
            }
        }
    }
}

/// One part: its fields and its content.
fn one(
    part: &[u8],
    base: usize,
    buffer: BufferId,
    tree: &mut Tree,
    findings: &mut Vec<Finding>,
    left: &mut usize,
    depth: usize,
) {
    let n = |v: usize| u32::try_from(v).unwrap_or(u32::MAX);
    let span = |from: usize, len: usize| Some(Span::bytes(buffer, n(base + from), n(len)));
    let mut content_type = Vec::new();
    let mut at = 0;
    while let Some(rest) = part.get(at..).filter(|r| !r.is_empty()) {
        let empty = line_end(rest);
        if empty > 0 {
            at += empty;
            break;
        }
        let len = memchr::memchr(b'\n', rest).map_or(rest.len(), |i| i + 1);
        let line = rest.get(..len).unwrap_or_default();
        let colon = memchr::memchr(b':', line).unwrap_or(line.len());
        let (name, value) = line.split_at_checked(colon).unwrap_or((line, &[]));
        let value = value.get(1..).unwrap_or_default().trim_ascii();
        let text = |v: &[u8]| Value::Text(String::from_utf8_lossy(v).into());
        let id = tree.add(&f::PART_HEADER, span(at, len), text(value));
        if let Some(node) = tree.get_mut(id) {
            node.name = Some(String::from_utf8_lossy(name).into());
        }
        if name.eq_ignore_ascii_case(b"content-disposition") {
            if let Some(v) = parameter(value, "name") {
                tree.add(&f::PART_NAME, span(at, len), text(&v));
            }
            if let Some(v) = parameter(value, "filename") {
                tree.add(&f::PART_FILENAME, span(at, len), text(&v));
            }
        } else if name.eq_ignore_ascii_case(b"content-type") {
            content_type = value.to_vec();
            tree.add(&f::PART_TYPE, span(at, len), text(value));
        }
        at += len;
    }
    let content = part.get(at..).unwrap_or_default();
    tree.add(&f::PART_LENGTH, None, Value::U64(content.len() as u64));
    tree.add(&f::PART_DATA, span(at, content.len()), Value::None);
    let kind = content_type.get(..10).unwrap_or_default();
    if kind.eq_ignore_ascii_case(b"multipart/") {
        if depth + 1 >= MAX_MULTIPART_DEPTH {
            let limit = format!("{MAX_MULTIPART_DEPTH} levels");
            findings.push(Finding::new(&g::PARTS_LIMIT).with(limit));
        } else if let Some(b) = parameter(&content_type, "boundary").filter(|b| !b.is_empty()) {
            nested(content, base + at, &b, buffer, tree, findings, left, depth + 1);
        }
    } else if let Some(name) = magic::name(content) {
        tree.add(&f::BODY_FORMAT, span(at, content.len()), Value::Text(name.into()));
    }
}

/// Lists the pairs of a form that lies in `buffer`.
pub(super) fn form(body: &[u8], buffer: BufferId, tree: &mut Tree, findings: &mut Vec<Finding>) {
    let mut at = 0_usize;
    for (count, pair) in body.split(|b| *b == b'&').enumerate() {
        if count >= MAX_BODY_PARTS {
            findings.push(Finding::new(&g::PARTS_LIMIT).with(format!("{MAX_BODY_PARTS} pairs")));
            return;
        }
        if !pair.is_empty() {
            let eq = memchr::memchr(b'=', pair).unwrap_or(pair.len());
            let (name, value) = pair.split_at_checked(eq).unwrap_or((pair, &[]));
            let value = decoded(value.get(1..).unwrap_or_default());
            let n = |v: usize| u32::try_from(v).unwrap_or(u32::MAX);
            let span = Span::bytes(buffer, n(at), n(pair.len()));
            let id = tree.add(&f::FORM_FIELD, Some(span), Value::Text(value.into()));
            if let Some(node) = tree.get_mut(id) {
                node.name = Some(decoded(name).into());
            }
        }
        at = at.saturating_add(pair.len()).saturating_add(1);
    }
}

/// Percent-decoded, with `+` for a space (WHATWG URL §5.1).
fn decoded(text: &[u8]) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((b, more)) = rest.split_first() {
        rest = more;
        let hex = |d: Option<&u8>| d.and_then(|d| char::from(*d).to_digit(16));
        match (b, hex(more.first()), hex(more.get(1))) {
            (b'%', Some(high), Some(low)) => {
                out.push((high << 4 | low) as u8);
                rest = more.get(2..).unwrap_or_default();
            }
            (b'+', _, _) => out.push(b' '),
            _ => out.push(*b),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}
