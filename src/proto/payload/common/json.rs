//! JSON (RFC 8259) with the place of everything, and without an end at the
//! first mistake: what could be read before it is kept.

use super::doc::{Doc, Fault, FaultKind, Item, Key, Part, duplicates};
use crate::base::limits::{MAX_JSON_DEPTH, MAX_JSON_PARTS};

/// Whole numbers beyond this one lose digits in readers that have doubles alone
/// (RFC 8259 §6).
const EXACT: u64 = 1 << 53;

/// Reads the one value that `data` is to be. `at` is added to all places.
#[must_use]
pub fn parse(data: &[u8], at: u32) -> Doc {
    let mut r = Reader { data, pos: 0, base: at, doc: Doc::default() };
    r.blanks();
    let whole = r.value(None, 0).is_some();
    if whole {
        r.blanks();
        if r.pos < data.len() {
            r.fault(FaultKind::Syntax, "more behind the value", r.pos, data.len());
        }
    }
    r.doc.end = r.place(r.pos);
    duplicates(&mut r.doc);
    r.doc
}

/// Reads the value at the beginning of `data`, and leaves what is behind it.
#[must_use]
pub fn parse_front(data: &[u8], at: u32) -> Doc {
    let mut r = Reader { data, pos: 0, base: at, doc: Doc::default() };
    r.value(None, 0);
    r.doc.end = r.place(r.pos);
    duplicates(&mut r.doc);
    r.doc
}

/// Whether it begins as an object or an array does.
#[must_use]
pub fn looks_like(data: &[u8]) -> bool {
    let text = data.trim_ascii();
    matches!((text.first(), text.last()), (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')))
}

struct Reader<'a> {
    data: &'a [u8],
    pos: usize,
    base: u32,
    doc: Doc,
}

impl Reader<'_> {
    fn peek(&self) -> Option<u8> {
        self.data.get(self.pos).copied()
    }

    fn place(&self, pos: usize) -> u32 {
        self.base.saturating_add(u32::try_from(pos).unwrap_or(u32::MAX))
    }

    fn blanks(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.pos += 1;
        }
    }

    fn fault(&mut self, kind: FaultKind, what: &str, start: usize, end: usize) {
        let what = format!("{what} at byte {}", self.place(start));
        let (start, end) = (self.place(start), self.place(end.max(start)));
        self.doc.faults.push(Fault { kind, what, start, end });
    }

    /// It cannot be read on from here.
    fn wrong(&mut self, what: &str) -> Option<()> {
        let end = self.pos.saturating_add(1).min(self.data.len());
        let what = if self.pos >= self.data.len() {
            format!("it ends where {what} is expected,")
        } else {
            format!("{what} is expected")
        };
        self.fault(FaultKind::Syntax, &what, self.pos, end);
        None
    }

    fn add(&mut self, key: Option<Key>, item: Item, start: usize) -> Option<usize> {
        let index = self.doc.parts.len();
        if index >= MAX_JSON_PARTS {
            self.fault(FaultKind::Limit, "more values than the limit", start, start);
            return None;
        }
        let (start, end) = (self.place(start), self.place(self.pos));
        self.doc.parts.push(Part { key, item, start, end, next: index + 1 });
        Some(index)
    }

    /// Ends a container, also one that was not finished.
    fn close(&mut self, index: usize) {
        let (end, next) = (self.place(self.pos), self.doc.parts.len());
        if let Some(p) = self.doc.parts.get_mut(index) {
            p.end = end;
            p.next = next;
        }
    }

    /// `None`: a fault was found, and reading ends.
    fn value(&mut self, key: Option<Key>, depth: usize) -> Option<()> {
        let start = self.pos;
        match self.peek() {
            Some(open @ (b'{' | b'[')) => {
                if depth >= MAX_JSON_DEPTH {
                    self.fault(FaultKind::Limit, "deeper than the limit", start, start);
                    return None;
                }
                let item = if open == b'{' { Item::Map } else { Item::List };
                let index = self.add(key, item, start)?;
                self.pos += 1;
                let whole = if open == b'{' { self.object(depth) } else { self.array(depth) };
                self.close(index);
                whole
            }
            Some(b'"') => {
                let text = self.string()?;
                self.add(key, Item::Text(text.into()), start).map(drop)
            }
            Some(b'-' | b'0'..=b'9') => {
                let text = self.number()?;
                self.add(key, Item::Number(text.into()), start).map(drop)
            }
            _ => {
                let rest = self.data.get(start..).unwrap_or_default();
                let words: [(&[u8], Item); 3] = [
                    (b"true", Item::Bool(true)),
                    (b"false", Item::Bool(false)),
                    (b"null", Item::Null),
                ];
                for (word, item) in words {
                    if rest.starts_with(word) {
                        self.pos += word.len();
                        return self.add(key, item, start).map(drop);
                    }
                }
                self.wrong("a value")
            }
        }
    }

    fn object(&mut self, depth: usize) -> Option<()> {
        self.blanks();
        if self.peek() == Some(b'}') {
            self.pos += 1;
            return Some(());
        }
        loop {
            self.blanks();
            if self.peek() != Some(b'"') {
                return self.wrong("a key in quotes");
            }
            let start = self.pos;
            let text = self.string()?.into();
            let key = Key { text, start: self.place(start), end: self.place(self.pos) };
            self.blanks();
            if self.peek() != Some(b':') {
                return self.wrong("a colon");
            }
            self.pos += 1;
            self.blanks();
            self.value(Some(key), depth + 1)?;
            self.blanks();
            match self.peek() {
                Some(b',') => self.pos += 1,
                Some(b'}') => {
                    self.pos += 1;
                    return Some(());
                }
                _ => return self.wrong("a comma or }"),
            }
        }
    }

    fn array(&mut self, depth: usize) -> Option<()> {
        self.blanks();
        if self.peek() == Some(b']') {
            self.pos += 1;
            return Some(());
        }
        loop {
            self.blanks();
            self.value(None, depth + 1)?;
            self.blanks();
            match self.peek() {
                Some(b',') => self.pos += 1,
                Some(b']') => {
                    self.pos += 1;
                    return Some(());
                }
                _ => return self.wrong("a comma or ]"),
            }
        }
    }

    /// A number as it is written (RFC 8259 §6).
    fn number(&mut self) -> Option<String> {
        let start = self.pos;
        if self.peek() == Some(b'-') {
            self.pos += 1;
        }
        match self.peek() {
            Some(b'0') => {
                self.pos += 1;
                if self.peek().is_some_and(|b| b.is_ascii_digit()) {
                    self.wrong("no digit behind a leading zero")?;
                }
            }
            Some(b'1'..=b'9') => self.digits(),
            _ => self.wrong("a digit").map(drop)?,
        }
        let mut whole = true;
        if self.peek() == Some(b'.') {
            whole = false;
            self.pos += 1;
            if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
                self.wrong("a digit behind the point")?;
            }
            self.digits();
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            whole = false;
            self.pos += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.pos += 1;
            }
            if !self.peek().is_some_and(|b| b.is_ascii_digit()) {
                self.wrong("a digit of the exponent")?;
            }
            self.digits();
        }
        let text = self.data.get(start..self.pos).unwrap_or_default();
        let text = String::from_utf8_lossy(text).into_owned();
        let size = text.trim_start_matches('-');
        if whole && size.len() > 15 && size.parse::<u64>().ok().is_none_or(|n| n > EXACT) {
            let shown: String = text.chars().take(40).collect();
            self.fault(FaultKind::Large, &shown, start, self.pos);
        }
        Some(text)
    }

    fn digits(&mut self) {
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.pos += 1;
        }
    }

    /// A string without its quotes and escapes (RFC 8259 §7).
    fn string(&mut self) -> Option<String> {
        self.pos += 1;
        let mut text = String::new();
        loop {
            let rest = self.data.get(self.pos..).unwrap_or_default();
            let run = rest.iter().position(|b| matches!(b, b'"' | b'\\') || *b < 0x20);
            let plain = rest.get(..run.unwrap_or(rest.len())).unwrap_or_default();
            match simdutf8::compat::from_utf8(plain) {
                Ok(t) => text.push_str(t),
                Err(e) => {
                    let bad = self.pos + e.valid_up_to();
                    self.fault(FaultKind::Utf8, "not UTF-8", bad, bad + 1);
                    text.push_str(&String::from_utf8_lossy(plain));
                }
            }
            self.pos += plain.len();
            match self.peek() {
                Some(b'"') => {
                    self.pos += 1;
                    return Some(text);
                }
                Some(b'\\') => self.escape(&mut text)?,
                Some(_) => {
                    self.wrong("no control character, but its escape,")?;
                }
                None => {
                    self.wrong("the closing quote")?;
                }
            }
        }
    }

    fn escape(&mut self, text: &mut String) -> Option<()> {
        let start = self.pos;
        self.pos += 1;
        let c = match self.peek() {
            Some(b'"') => '"',
            Some(b'\\') => '\\',
            Some(b'/') => '/',
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => {
                self.pos += 1;
                let unit = self.unit()?;
                text.push(self.pair(unit, start));
                return Some(());
            }
            _ => return self.wrong("an escape that JSON knows"),
        };
        self.pos += 1;
        text.push(c);
        Some(())
    }

    /// Four digits in hex.
    fn unit(&mut self) -> Option<u32> {
        let digits = self.data.get(self.pos..self.pos.saturating_add(4)).unwrap_or_default();
        let hex =
            std::str::from_utf8(digits).ok().filter(|h| h.bytes().all(|b| b.is_ascii_hexdigit()));
        match hex.filter(|h| h.len() == 4).and_then(|h| u32::from_str_radix(h, 16).ok()) {
            Some(n) => {
                self.pos += 4;
                Some(n)
            }
            None => self.wrong("four digits in hex").map(|()| 0),
        }
    }

    /// The character of a unit of UTF-16, with the other half where it has one.
    fn pair(&mut self, unit: u32, start: usize) -> char {
        if let Some(c) = char::from_u32(unit) {
            return c;
        }
        let rest = self.data.get(self.pos..).unwrap_or_default();
        if (0xd800..0xdc00).contains(&unit)
            && let Some(low) = rest.strip_prefix(b"\\u").and_then(|r| r.get(..4))
            && let Some(low) =
                std::str::from_utf8(low).ok().and_then(|h| u32::from_str_radix(h, 16).ok())
            && (0xdc00..0xe000).contains(&low)
        {
            self.pos += 6;
            let code = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
            return char::from_u32(code).unwrap_or('\u{fffd}');
        }
        self.fault(FaultKind::Surrogate, "half of a surrogate pair", start, self.pos);
        '\u{fffd}'
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn faults(text: &[u8]) -> Vec<(FaultKind, String)> {
        parse(text, 0).faults.into_iter().map(|f| (f.kind, f.what)).collect()
    }

    #[test]
    fn every_part_has_its_place() {
        let text = br#" {"a": [1, -2.5e3, true], "b\u0063" : {"d":null}} "#;
        let doc = parse(text, 100);
        assert_eq!(doc.faults, []);
        let shown: Vec<_> = doc
            .parts
            .iter()
            .map(|p| {
                let of = |s: u32, e: u32| {
                    std::str::from_utf8(&text[s as usize - 100..e as usize - 100]).unwrap()
                };
                (p.key.as_ref().map(|k| (&*k.text, of(k.start, k.end))), of(p.start, p.end))
            })
            .collect();
        assert_eq!(
            shown,
            [
                (None, r#"{"a": [1, -2.5e3, true], "b\u0063" : {"d":null}}"#),
                (Some(("a", "\"a\"")), "[1, -2.5e3, true]"),
                (None, "1"),
                (None, "-2.5e3"),
                (None, "true"),
                (Some(("bc", r#""b\u0063""#)), r#"{"d":null}"#),
                (Some(("d", "\"d\"")), "null"),
            ]
        );
        let root = doc.root().unwrap();
        assert_eq!(root.get("a").unwrap().nth(1).unwrap().plain().unwrap(), "-2.5e3");
        assert_eq!(root.line(99), "{a: [1, -2.5e3, true], bc: {d: null}}");
        assert_eq!(root.get("bc").unwrap().children().count(), 1);
    }

    #[test]
    fn what_could_be_read_is_kept() {
        let doc = parse(br#"{"a":1,"b":[2,3"#, 0);
        assert_eq!(doc.parts.len(), 5);
        assert_eq!(doc.root().unwrap().get("b").unwrap().children().count(), 2);
        assert_eq!(doc.faults[0].what, "it ends where a comma or ] is expected, at byte 15");
        assert_eq!(faults(b"{a:1}")[0].1, "a key in quotes is expected at byte 1");
        assert_eq!(faults(b"[1] x")[0].1, "more behind the value at byte 4");
        assert_eq!(faults(b"01")[0].0, FaultKind::Syntax);
        assert_eq!(faults(b"\"a\nb\"")[0].0, FaultKind::Syntax);
        assert_eq!(faults(b"")[0].0, FaultKind::Syntax);
    }

    #[test]
    fn oddities_are_named() {
        assert_eq!(
            faults(br#"{"a":1,"b":2,"a":3}"#),
            [(FaultKind::Duplicate, "\"a\" at byte 13".into())]
        );
        assert_eq!(faults(br#"{"a":{"a":1},"b":{"a":1}}"#), []);
        assert_eq!(faults(b"\"caf\xe9\"")[0].0, FaultKind::Utf8);
        assert_eq!(faults(br#""\ud83d""#)[0].0, FaultKind::Surrogate);
        assert_eq!(parse(br#""\ud83d\ude00""#, 0).root().unwrap().text(), Some("😀"));
        assert_eq!(faults(b"9007199254740992"), []);
        assert_eq!(faults(b"9007199254740993")[0].0, FaultKind::Large);
        assert_eq!(faults(b"123456789012345678901234567890")[0].0, FaultKind::Large);
        let deep = "[".repeat(100_000);
        assert_eq!(faults(deep.as_bytes())[0].0, FaultKind::Limit);
        let many = format!("[{}1]", "1,".repeat(MAX_JSON_PARTS));
        assert_eq!(faults(many.as_bytes())[0].0, FaultKind::Limit);
    }

    /// The corpus of what JSON is: the library that everybody uses agrees.
    #[test]
    fn serde_agrees() {
        for text in [
            "1",
            "-0",
            "1e5",
            "1.0E-2",
            "-",
            "1.",
            ".5",
            "+1",
            "01",
            "1e",
            "nul",
            "true",
            "[]",
            "{}",
            "[1,]",
            "{\"a\"}",
            "{\"a\":}",
            "{\"a\":1,}",
            "\"\\x\"",
            "\"\\u12g4\"",
            "\"\\u+123\"",
            "\"\t\"",
            "[1 2]",
            " [ ] ",
            "\"",
        ] {
            let ours = !parse(text.as_bytes(), 0).is_broken();
            let theirs = serde_json::from_str::<serde_json::Value>(text).is_ok();
            assert_eq!(ours, theirs, "{text}");
        }
    }
}
