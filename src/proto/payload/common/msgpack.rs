//! MessagePack with the place of everything.
//!
//! Source: the MessagePack specification, cited by the name of its format.

use super::doc::{Doc, Fault, FaultKind, Item, Key, Part, duplicates};
use crate::base::limits::{MAX_JSON_DEPTH, MAX_JSON_PARTS};

/// Reads the value at the beginning of `data`; `at` is added to all places.
#[must_use]
pub fn parse(data: &[u8], at: u32) -> Doc {
    let mut r = Reader { data, pos: 0, base: at, doc: Doc::default() };
    r.value(None, 0);
    r.doc.end = r.place(r.pos);
    duplicates(&mut r.doc);
    r.doc
}

struct Reader<'a> {
    data: &'a [u8],
    pos: usize,
    base: u32,
    doc: Doc,
}

impl<'a> Reader<'a> {
    fn place(&self, pos: usize) -> u32 {
        self.base.saturating_add(u32::try_from(pos).unwrap_or(u32::MAX))
    }

    fn fault(&mut self, kind: FaultKind, what: &str, start: usize) {
        let what = format!("{what} at byte {}", self.place(start));
        let (start, end) = (self.place(start), self.place(self.data.len().max(start)));
        self.doc.faults.push(Fault { kind, what, start, end });
    }

    fn take(&mut self, n: usize) -> Option<&'a [u8]> {
        match self.data.get(self.pos..).and_then(|rest| rest.get(..n)) {
            Some(bytes) => {
                self.pos += n;
                Some(bytes)
            }
            None => {
                self.fault(FaultKind::Syntax, &format!("{n} more bytes are expected"), self.pos);
                None
            }
        }
    }

    fn uint(&mut self, n: usize) -> Option<u64> {
        self.take(n).map(|b| b.iter().fold(0, |v, b| v << 8 | u64::from(*b)))
    }

    fn length(&mut self, n: usize) -> Option<usize> {
        self.uint(n).map(|v| usize::try_from(v).unwrap_or(usize::MAX))
    }

    fn add(&mut self, key: Option<Key>, item: Item, start: usize) -> Option<usize> {
        let index = self.doc.parts.len();
        if index >= MAX_JSON_PARTS {
            self.fault(FaultKind::Limit, "more values than the limit", start);
            return None;
        }
        let (start, end) = (self.place(start), self.place(self.pos));
        self.doc.parts.push(Part { key, item, start, end, next: index + 1 });
        Some(index)
    }

    fn value(&mut self, key: Option<Key>, depth: usize) -> Option<()> {
        let start = self.pos;
        let first = self.take(1)?.first().copied()?;
        let number = |v: u64| Item::Number(v.to_string().into());
        let signed = |v: i64| Item::Number(v.to_string().into());
        let item = match first {
            0x00..=0x7f => number(first.into()),
            0xe0..=0xff => signed(i64::from(first) - 256),
            0x80..=0x8f => return self.many(key, start, usize::from(first & 15), true, depth),
            0x90..=0x9f => return self.many(key, start, usize::from(first & 15), false, depth),
            0xa0..=0xbf => self.text(usize::from(first & 31))?,
            0xc0 => Item::Null,
            0xc2 => Item::Bool(false),
            0xc3 => Item::Bool(true),
            0xc4..=0xc6 => {
                let n = self.length(1 << (first - 0xc4))?;
                Item::Bytes(self.take(n)?.into())
            }
            0xc7..=0xc9 => {
                let n = self.length(1 << (first - 0xc7))?;
                Item::Bytes(self.take(n.saturating_add(1))?.into())
            }
            0xca => {
                let bits = u32::try_from(self.uint(4)?).unwrap_or_default();
                Item::Number(format!("{}", f32::from_bits(bits)).into())
            }
            0xcb => Item::Number(format!("{}", f64::from_bits(self.uint(8)?)).into()),
            0xcc..=0xcf => number(self.uint(1 << (first - 0xcc))?),
            0xd0..=0xd3 => {
                let bytes = 1_u32 << (first - 0xd0);
                let shift = 64 - bytes * 8;
                signed(((self.uint(bytes as usize)? << shift) as i64) >> shift)
            }
            0xd4..=0xd8 => Item::Bytes(self.take((1 << (first - 0xd4)) + 1)?.into()),
            0xd9..=0xdb => {
                let n = self.length(1 << (first - 0xd9))?;
                self.text(n)?
            }
            0xdc | 0xdd => {
                let n = self.length(2 << (first - 0xdc))?;
                return self.many(key, start, n, false, depth);
            }
            0xde | 0xdf => {
                let n = self.length(2 << (first - 0xde))?;
                return self.many(key, start, n, true, depth);
            }
            0xc1 => {
                self.pos = start;
                self.fault(FaultKind::Syntax, "a byte that means nothing", start);
                return None;
            }
        };
        self.add(key, item, start).map(drop)
    }

    fn text(&mut self, n: usize) -> Option<Item> {
        let start = self.pos;
        let bytes = self.take(n)?;
        if simdutf8::basic::from_utf8(bytes).is_err() {
            self.fault(FaultKind::Utf8, "not UTF-8", start);
        }
        Some(Item::Text(String::from_utf8_lossy(bytes).into()))
    }

    fn many(
        &mut self,
        key: Option<Key>,
        start: usize,
        n: usize,
        map: bool,
        depth: usize,
    ) -> Option<()> {
        if depth >= MAX_JSON_DEPTH {
            self.fault(FaultKind::Limit, "deeper than the limit", start);
            return None;
        }
        let index = self.add(key, if map { Item::Map } else { Item::List }, start)?;
        let mut whole = Some(());
        for _ in 0..n {
            let key = if map {
                match self.key(depth) {
                    Some(k) => Some(k),
                    None => {
                        whole = None;
                        break;
                    }
                }
            } else {
                None
            };
            whole = self.value(key, depth + 1);
            if whole.is_none() {
                break;
            }
        }
        let (end, next) = (self.place(self.pos), self.doc.parts.len());
        if let Some(p) = self.doc.parts.get_mut(index) {
            p.end = end;
            p.next = next;
        }
        whole
    }

    /// A key: any value, as text.
    fn key(&mut self, depth: usize) -> Option<Key> {
        let start = self.place(self.pos);
        let index = self.doc.parts.len();
        let read = self.value(None, depth + 1);
        let text = self.doc.at(index).map(|k| k.plain().unwrap_or_else(|| k.line(60)));
        self.doc.parts.truncate(index);
        read?;
        Some(Key { text: text?.into(), start, end: self.place(self.pos) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_format() {
        let bytes = b"\xde\x00\x02\xa1a\x9c\x00\x7f\xff\xe0\xcc\xff\xcd\x01\x00\xd0\x80\xd1\xff\x00\xca\x3f\xc0\x00\x00\xcb\x3f\xf8\0\0\0\0\0\0\xc4\x02\x01\x02\xd4\x05\x09\x07\xc0rest";
        let doc = parse(bytes, 10);
        assert_eq!(doc.faults, []);
        assert_eq!(
            doc.root().unwrap().line(200),
            "{a: [0, 127, -1, -32, 255, 256, -128, -256, 1.5, 1.5, <2 bytes>, <2 bytes>], 7: null}"
        );
        assert_eq!(doc.end as usize, 10 + bytes.len() - 4);
        let a = doc.root().unwrap().get("a").unwrap();
        assert_eq!((a.part().start, a.nth(5).unwrap().part().start), (15, 22));
    }

    #[test]
    fn cut_and_odd() {
        assert!(parse(b"\x93\x01\x02", 0).is_broken());
        assert_eq!(parse(b"\x93\x01\x02", 0).parts.len(), 3);
        assert!(parse(b"\xc1", 0).is_broken());
        assert!(parse(&[0x91; 1000], 0).is_broken());
        assert!(parse(b"\xdf\xff\xff\xff\xff", 0).is_broken());
        assert!(parse(&[0x81; 5000], 0).is_broken());
    }
}
