//! A value with the place of each of its parts, whatever notation it was in.

/// What a part is.
#[derive(Clone, Debug, PartialEq)]
pub enum Item {
    /// Nothing.
    Null,
    /// A truth value.
    Bool(bool),
    /// A number, in decimal as it was written: no digit is lost.
    Number(Box<str>),
    /// Text.
    Text(Box<str>),
    /// Bytes.
    Bytes(Box<[u8]>),
    /// A list.
    List,
    /// Members with keys.
    Map,
}

/// The key of a member, with its place.
#[derive(Clone, Debug, PartialEq)]
pub struct Key {
    /// The key as text.
    pub text: Box<str>,
    /// Its first byte.
    pub start: u32,
    /// The byte behind it.
    pub end: u32,
}

/// A part.
#[derive(Clone, Debug, PartialEq)]
pub struct Part {
    /// Its key, where it is a member.
    pub key: Option<Key>,
    /// What it is.
    pub item: Item,
    /// Its first byte.
    pub start: u32,
    /// The byte behind it.
    pub end: u32,
    /// The number of the part behind its last descendant.
    pub next: usize,
}

/// What is wrong with a text, and where.
#[derive(Clone, Debug, PartialEq)]
pub struct Fault {
    /// What sort.
    pub kind: FaultKind,
    /// What is particular to it.
    pub what: String,
    /// Its first byte.
    pub start: u32,
    /// The byte behind it.
    pub end: u32,
}

/// Sorts of faults.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// It cannot be read on from here.
    Syntax,
    /// A key comes twice in one map.
    Duplicate,
    /// Bytes that are no UTF-8.
    Utf8,
    /// Half of a surrogate pair.
    Surrogate,
    /// Deeper, or more, than the limit.
    Limit,
    /// A whole number that most readers cannot hold.
    Large,
}

/// Parts in document order, a container before what is in it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Doc {
    /// The parts; the first is the whole value.
    pub parts: Vec<Part>,
    /// What is wrong.
    pub faults: Vec<Fault>,
    /// How many bytes were read.
    pub end: u32,
}

/// One part of a document.
#[derive(Clone, Copy, Debug)]
pub struct At<'a> {
    doc: &'a Doc,
    index: usize,
    part: &'a Part,
}

impl Doc {
    /// The whole value, where anything could be read.
    #[must_use]
    pub fn root(&self) -> Option<At<'_>> {
        self.at(0)
    }

    /// The part of this number.
    #[must_use]
    pub fn at(&self, index: usize) -> Option<At<'_>> {
        self.parts.get(index).map(|part| At { doc: self, index, part })
    }

    /// Whether something kept it from being read to the end.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.faults.iter().any(|f| matches!(f.kind, FaultKind::Syntax | FaultKind::Limit))
    }
}

impl<'a> At<'a> {
    /// The part.
    #[must_use]
    pub const fn part(self) -> &'a Part {
        self.part
    }

    /// What is directly in it, in order.
    pub fn children(self) -> impl Iterator<Item = At<'a>> {
        let last = self.part.next;
        let mut at = self.index.saturating_add(1);
        std::iter::from_fn(move || {
            let child = (at < last).then(|| self.doc.at(at)).flatten()?;
            at = child.part.next.max(at.saturating_add(1));
            Some(child)
        })
    }

    /// The member of this key; of several the last, as most readers have it.
    #[must_use]
    pub fn get(self, key: &str) -> Option<At<'a>> {
        if self.part.item != Item::Map {
            return None;
        }
        self.children().filter(|c| c.part.key.as_ref().is_some_and(|k| *k.text == *key)).last()
    }

    /// The element of this number, from 0.
    #[must_use]
    pub fn nth(self, n: usize) -> Option<At<'a>> {
        if self.part.item != Item::List {
            return None;
        }
        self.children().nth(n)
    }

    /// Text.
    #[must_use]
    pub fn text(self) -> Option<&'a str> {
        match &self.part.item {
            Item::Text(t) => Some(t),
            _ => None,
        }
    }

    /// A whole number that is not below zero.
    #[must_use]
    pub fn number(self) -> Option<u64> {
        match &self.part.item {
            Item::Number(n) => n.parse().ok(),
            _ => None,
        }
    }

    /// A whole number.
    #[must_use]
    pub fn integer(self) -> Option<i64> {
        match &self.part.item {
            Item::Number(n) => n.parse().ok(),
            _ => None,
        }
    }

    /// A truth value.
    #[must_use]
    pub const fn flag(self) -> Option<bool> {
        match self.part.item {
            Item::Bool(b) => Some(b),
            _ => None,
        }
    }

    /// Whether it is a map.
    #[must_use]
    pub fn is_map(self) -> bool {
        self.part.item == Item::Map
    }

    /// Whether it is a list.
    #[must_use]
    pub fn is_list(self) -> bool {
        self.part.item == Item::List
    }

    /// A scalar as plain text: text without quotes.
    #[must_use]
    pub fn plain(self) -> Option<String> {
        Some(match &self.part.item {
            Item::Null => "null".to_owned(),
            Item::Bool(b) => b.to_string(),
            Item::Number(n) => n.to_string(),
            Item::Text(t) => t.to_string(),
            Item::Bytes(b) => format!("<{} bytes>", b.len()),
            Item::List | Item::Map => return None,
        })
    }

    /// One line of `max` characters at most: `{a: 1, b: ["x"]}`.
    #[must_use]
    pub fn line(self, max: usize) -> String {
        let mut s = String::new();
        self.write(&mut s, max.saturating_mul(4), 6);
        if s.chars().count() > max {
            s = s.chars().take(max).collect();
            s.push('…');
        }
        s
    }

    fn write(self, s: &mut String, max: usize, depth: u32) {
        if s.len() > max {
            return;
        }
        let (open, close) = match &self.part.item {
            Item::Text(t) => {
                let head: String = t.chars().take(max).collect();
                s.push_str(&format!("{head:?}"));
                return;
            }
            Item::List => ('[', ']'),
            Item::Map => ('{', '}'),
            _ => {
                s.push_str(&self.plain().unwrap_or_default());
                return;
            }
        };
        s.push(open);
        if depth == 0 && self.children().next().is_some() {
            s.push('…');
        } else {
            for (i, c) in self.children().enumerate() {
                if s.len() > max {
                    return;
                }
                s.push_str(if i == 0 { "" } else { ", " });
                if let Some(k) = &c.part.key {
                    s.push_str(&k.text);
                    s.push_str(": ");
                }
                c.write(s, max, depth.saturating_sub(1));
            }
        }
        s.push(close);
    }
}

/// Finds the keys that come twice in one map (RFC 8259 §4).
pub(super) fn duplicates(doc: &mut Doc) {
    let mut found = Vec::new();
    for (i, part) in doc.parts.iter().enumerate() {
        if part.item != Item::Map || part.next <= i.saturating_add(2) {
            continue;
        }
        let Some(map) = doc.at(i) else { continue };
        let mut keys: Vec<&Key> = map.children().filter_map(|c| c.part.key.as_ref()).collect();
        keys.sort_by(|a, b| (&a.text, a.start).cmp(&(&b.text, b.start)));
        for (a, b) in keys.iter().zip(keys.iter().skip(1)) {
            if a.text == b.text {
                let what = format!(
                    "{:?} at byte {}",
                    b.text.chars().take(60).collect::<String>(),
                    b.start
                );
                found.push(Fault { kind: FaultKind::Duplicate, what, start: b.start, end: b.end });
            }
        }
    }
    found.sort_by_key(|f| f.start);
    doc.faults.extend(found);
}
