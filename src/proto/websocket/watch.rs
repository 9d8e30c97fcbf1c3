//! What is looked for in the payload of a message as it comes: a hash by which it is
//! known again, and markup that a page would run.

use std::hash::Hasher as _;

use memchr::{memchr2, memchr3};
use twox_hash::xxhash64;

/// A hash of bytes that come in parts, however they are cut: XXH64 without a seed, the same
/// on every machine. Nobody is kept out by it: it tells equal payloads, not honest ones.
#[derive(Clone, Debug)]
pub(super) struct Digester(xxhash64::Hasher);

impl Default for Digester {
    fn default() -> Self {
        Self(xxhash64::Hasher::with_seed(0))
    }
}

impl Digester {
    /// The hash of `data` alone.
    pub(super) fn of(data: &[u8]) -> u64 {
        Self::onto(0, data)
    }

    /// The hash of `data` behind what has the hash `before`.
    fn onto(before: u64, data: &[u8]) -> u64 {
        xxhash64::Hasher::oneshot(before, data)
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        self.0.write(data);
    }

    pub(super) fn value(&self) -> u64 {
        self.0.finish()
    }
}

/// Bytes of a tag that are looked at: handlers stand in its first attributes.
const TAG: usize = 256;

/// Elements that run what they hold or name.
const ELEMENTS: [&[u8]; 4] = [b"script", b"iframe", b"object", b"embed"];

/// How `<` and `>` begin where JSON writes them so: `\u003c`, `\u003E`.
const ESCAPE: &[u8] = b"\\u003";

/// Looks for markup that runs: `<script`, `<img src=x onerror=…>`, `javascript:` in a tag.
#[derive(Clone, Debug, Default)]
struct Markup {
    /// What follows `<`, in lower case, while a tag is open.
    tag: Vec<u8>,
    open: bool,
    /// Bytes of [`ESCAPE`] that have just gone by.
    escape: usize,
    /// Bytes gone by.
    passed: u64,
    /// Where the open tag begins.
    at: u64,
    found: Option<u64>,
}

impl Markup {
    fn push(&mut self, mut data: &[u8]) {
        while self.found.is_none() && !data.is_empty() {
            if self.escape > 0 {
                data = self.escaped(data);
                continue;
            }
            let place = match self.open {
                true => memchr3(b'<', b'>', b'\\', data),
                false => memchr2(b'<', b'\\', data),
            };
            let (part, rest) =
                data.split_at_checked(place.unwrap_or(data.len())).unwrap_or((data, &[]));
            self.text(part);
            self.passed = self.passed.saturating_add(part.len() as u64);
            let Some((b, rest)) = rest.split_first() else { return };
            match b {
                b'\\' => self.escape = 1,
                b'<' => self.begin(self.passed),
                _ => self.judge(),
            }
            self.passed = self.passed.saturating_add(1);
            data = rest;
        }
    }

    /// Takes the byte behind the beginning of an escape, if that is part of it.
    fn escaped<'a>(&mut self, data: &'a [u8]) -> &'a [u8] {
        let Some((b, rest)) = data.split_first() else { return data };
        let known = self.escape;
        let seen = ESCAPE.get(..known).unwrap_or_default();
        self.escape = 0;
        match (ESCAPE.get(known), b) {
            (Some(e), b) if e == b => self.escape = known + 1,
            // A backslash that is escaped itself.
            (Some(_), b'\\') if known == 1 => self.text(b"\\\\"),
            (None, b'c' | b'C') => self.begin(self.passed.saturating_sub(known as u64)),
            (None, b'e' | b'E') => self.judge(),
            _ => {
                self.text(seen);
                return data;
            }
        }
        self.passed = self.passed.saturating_add(1);
        rest
    }

    /// Bytes that are neither end of a tag.
    fn text(&mut self, part: &[u8]) {
        if self.open {
            let room = TAG.saturating_sub(self.tag.len());
            self.tag.extend(part.iter().take(room).map(u8::to_ascii_lowercase));
            // All that is looked at is there: what more comes changes nothing.
            if self.tag.len() >= TAG {
                self.judge();
            }
        }
    }

    /// A tag begins at `at`; one that is open ends there.
    fn begin(&mut self, at: u64) {
        self.judge();
        self.open = true;
        self.at = at;
        self.tag.clear();
    }

    /// The tag is whole, or as much of it as is looked at.
    fn judge(&mut self) {
        if std::mem::take(&mut self.open) && runs(&self.tag) {
            self.found.get_or_insert(self.at);
        }
    }
}

/// Whether a tag runs something.
fn runs(tag: &[u8]) -> bool {
    if !tag.first().is_some_and(u8::is_ascii_alphabetic) {
        return false;
    }
    let end = tag.iter().position(|b| !b.is_ascii_alphanumeric()).unwrap_or(tag.len());
    let (name, rest) = tag.split_at_checked(end).unwrap_or((tag, &[]));
    // A backslash and a quote end an attribute's name where the markup stands in JSON.
    ELEMENTS.contains(&name)
        // What scripts of the page are loaded from.
        || name == b"base" && memchr::memmem::find(rest, b"href").is_some()
        || memchr::memmem::find(rest, b"javascript:").is_some()
        || rest.first().is_some_and(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'\\'))
            && handler(rest)
}

/// How words go on behind `on` that are no event handlers. Of these there are ever more, so
/// that whatever else begins so counts as one.
const WORDS: [&[u8]; 9] = [b"e", b"ce", b"ly", b"to", b"set", b"line", b"going", b"ward", b"wards"];

/// Whether the attributes have an event handler: a space, `on`, a name, `=`.
fn handler(rest: &[u8]) -> bool {
    let mut at = 0;
    while let Some(n) = memchr::memmem::find(rest.get(at..).unwrap_or_default(), b"on") {
        let i = at.saturating_add(n);
        let before = i.checked_sub(1).and_then(|i| rest.get(i));
        let begins =
            before.is_some_and(|b| b.is_ascii_whitespace() || matches!(b, b'/' | b'"' | b'\''));
        let after = rest.get(i.saturating_add(2)..).unwrap_or_default();
        let letters = after.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        let equals = after.get(letters..).unwrap_or_default().trim_ascii_start().first();
        let name = after.get(..letters).unwrap_or_default();
        let handles = !name.is_empty() && !WORDS.contains(&name);
        if begins && handles && equals == Some(&b'=') {
            return true;
        }
        at = i.saturating_add(2);
    }
    false
}

/// The limits on a message that common programs have unless told otherwise.
const DEFAULTS: [(u64, &str); 4] = [
    (1 << 20, "1 MiB (websockets for Python)"),
    (4 << 20, "4 MiB (aiohttp)"),
    (16 << 20, "16 MiB (uvicorn; a frame in tungstenite)"),
    (64 << 20, "64 MiB (tungstenite)"),
];

/// Which of them a message of `len` bytes is over.
pub(super) fn over_limit(len: u64) -> Option<String> {
    if len <= DEFAULTS[0].0 {
        return None;
    }
    let over: Vec<_> = DEFAULTS.iter().filter(|(n, _)| len > *n).map(|(_, name)| *name).collect();
    (!over.is_empty()).then(|| format!("{len} bytes, over {}", over.join(", ")))
}

/// What is looked at in one message.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// Hashes of the payload and of the heads of its frames, where they are wanted.
    hashes: Option<Box<(Digester, u64)>>,
    markup: Option<Markup>,
    /// The beginning, of a client's first message.
    first: Option<Vec<u8>>,
}

impl Watch {
    /// What to look for in a message: hashes, markup, the words of a beginning.
    pub(super) fn new(hashed: bool, text: bool, first: bool) -> Self {
        Self {
            hashes: hashed.then(Box::default),
            markup: text.then(Markup::default),
            first: first.then(Vec::new),
        }
    }

    /// The head of one of its frames, whole.
    pub(super) fn head(&mut self, bytes: &[u8]) {
        if let Some(h) = &mut self.hashes {
            h.1 = Digester::onto(h.1, bytes);
        }
    }

    /// Bytes of its payload, unmasked and inflated.
    pub(super) fn plain(&mut self, data: &[u8]) {
        if let Some(h) = &mut self.hashes {
            h.0.push(data);
        }
        if let Some(m) = &mut self.markup {
            m.push(data);
        }
        if let Some(f) = &mut self.first {
            let room = super::credentials::FIRST_MESSAGE.saturating_sub(f.len());
            f.extend(data.iter().take(room));
        }
    }

    /// Payload is missing, or could not be inflated: nothing can be said of it.
    pub(super) fn lose(&mut self) {
        *self = Self::default();
    }

    /// The hashes of the payload and of the frames as sent: what is sent follows from the
    /// heads, with the masking keys in them, and the payload.
    pub(super) fn hashes(&self) -> Option<(u64, u64)> {
        let h = self.hashes.as_ref()?;
        let payload = h.0.value();
        Some((payload, Digester::onto(h.1, &payload.to_be_bytes())))
    }

    /// Whether the message says who the client is.
    pub(super) fn has_credentials(&self) -> bool {
        self.first.as_deref().is_some_and(super::credentials::speaks_of_them)
    }

    /// Where markup that runs begins, in the payload; asked at the end of the message.
    pub(super) fn markup(&mut self) -> Option<u64> {
        let m = self.markup.as_mut()?;
        m.judge();
        m.found
    }

    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.markup.as_ref().map_or(0, |m| m.tag.capacity())
            + self.first.as_ref().map_or(0, Vec::capacity)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Option<u64> {
        let mut first = None;
        for size in [1000, 1, 2, 3, 7] {
            let mut w = Watch::new(true, true, false);
            for part in text.as_bytes().chunks(size) {
                w.plain(part);
            }
            let now = (w.markup(), w.hashes());
            assert_eq!(*first.get_or_insert(now), now, "{text} in chunks of {size}");
        }
        first.unwrap().0
    }

    #[test]
    fn markup_that_runs_is_found_wherever_it_is_cut() {
        for (text, at) in [
            ("<script>alert(1)</script>", 0),
            (r#"{"text":"hi <SCRIPT src=//x>"}"#, 12),
            ("a <b>c</b> <img src=x onerror=alert(1)>", 11),
            (r#"{"t":"<img src=\"x\" onerror = \"f()\">"}"#, 6),
            ("<svg/onload=f()>", 0),
            ("<a href=\"javascript:f()\">", 0),
            ("1 < 2 <iframe src=x", 6),
            ("<body onpageshow=f()>", 0),
            ("<video oncanplay=f()>", 0),
            ("<a onauxclick = f()>", 0),
            ("<base href=//x/>", 0),
            (r#"{"t":"\u003cscript\u003ef()"}"#, 6),
            (r#"{"t":"\u003Cimg src=x onerror=f()\u003E"}"#, 6),
            (r#"{"t":"\n\u0031 <b \u003cscript"#, 18),
        ] {
            assert_eq!(found(text), Some(at), "{text}");
        }
        for text in [
            "a < b and on = 3",
            "<b>bold</b> <i>i</i>",
            "<div class=\"on\" data-only=\"1\">",
            "if (x<y) onwards = 2",
            "<scripted>",
            "script onerror=",
            "<item one=\"1\" online=\"yes\" only=1 once = 2>",
            "<base target=x>",
            r#"{"t":"\\u003cscript>"}"#,
            r#"{"t":"\u003bscript>"}"#,
            r#"{"t":"<b \u003e onload=f()"}"#,
            "</script>",
            "",
        ] {
            assert_eq!(found(text), None, "{text}");
        }
        let long = format!("<p {}onload=x>", " ".repeat(TAG));
        assert_eq!(found(&long), None);
    }

    #[test]
    fn a_hash_is_of_its_bytes_however_they_are_cut() {
        // Published values of XXH64.
        assert_eq!(Digester::default().value(), 0xef46_db37_51d8_e999);
        assert_eq!(Digester::of(b"abc"), 0x44bc_2cf5_ad77_0999);
        let long: Vec<u8> = (0..100_000_u32).map(|n| (n % 251) as u8).collect();
        for size in [1, 7, 1000, 65_536] {
            let mut d = Digester::default();
            long.chunks(size).for_each(|c| d.push(c));
            assert_eq!(d.value(), Digester::of(&long), "in chunks of {size}");
        }
        let mut other = long.clone();
        other[99_999] ^= 1;
        assert_ne!(Digester::of(&other), Digester::of(&long));
    }
}
