//! What is looked for in the payload of a message as it comes: a hash by which it is
//! known again, and markup that a page would run.

use memchr::{memchr2, memchr3};

/// Bytes that a hash is made of at most: two messages of one length that differ only
/// behind these are rare, and a byte costs a nanosecond.
const HASHED: usize = 64 << 10;

/// FNV-1a, 64 bits: small, and the same on every machine and in every version.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fnv {
    value: u64,
    /// Bytes that still count.
    room: usize,
}

impl Default for Fnv {
    fn default() -> Self {
        Self { value: 0xcbf2_9ce4_8422_2325, room: HASHED }
    }
}

impl Fnv {
    /// The hash of `data` alone.
    pub(super) fn of(data: &[u8]) -> u64 {
        let mut f = Self::default();
        f.push(data);
        f.value()
    }

    pub(super) fn push(&mut self, data: &[u8]) {
        let data = data.get(..self.room).unwrap_or(data);
        self.room = self.room.saturating_sub(data.len());
        for b in data {
            self.value = (self.value ^ u64::from(*b)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    pub(super) const fn value(self) -> u64 {
        self.value
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
    let over: Vec<_> = DEFAULTS.iter().filter(|(n, _)| len > *n).map(|(_, name)| *name).collect();
    (!over.is_empty()).then(|| format!("{len} bytes, over {}", over.join(", ")))
}

/// What is looked at in one message.
#[derive(Clone, Debug, Default)]
pub(super) struct Watch {
    /// Hashes of the payload and of the frames, where they are wanted.
    hashes: Option<(Fnv, Fnv)>,
    markup: Option<Markup>,
    /// The beginning, of a client's first message.
    first: Option<Vec<u8>>,
}

impl Watch {
    /// What to look for in a message: hashes, markup, the words of a beginning.
    pub(super) fn new(hashed: bool, text: bool, first: bool) -> Self {
        Self {
            hashes: hashed.then(Default::default),
            markup: text.then(Markup::default),
            first: first.then(Vec::new),
        }
    }

    /// Bytes of its frames as sent, heads included.
    pub(super) fn wire(&mut self, data: &[u8]) {
        if let Some((_, w)) = &mut self.hashes {
            w.push(data);
        }
    }

    /// Bytes of its payload, unmasked and inflated.
    pub(super) fn plain(&mut self, data: &[u8]) {
        if let Some((p, _)) = &mut self.hashes {
            p.push(data);
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

    /// The hashes of payload and frames.
    pub(super) fn hashes(&self) -> Option<(u64, u64)> {
        self.hashes.map(|(p, w)| (p.value(), w.value()))
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
    fn a_hash_is_of_its_bytes() {
        let mut f = Fnv::default();
        // The published values of FNV-1a.
        assert_eq!(f.value(), 0xcbf2_9ce4_8422_2325);
        f.push(b"a");
        assert_eq!(f.value(), 0xaf63_dc4c_8601_ec8c);
        let mut g = Fnv::default();
        g.push(b"foobar");
        assert_eq!(g.value(), 0x8594_4171_f739_67e8);
        // Beyond the first bytes nothing counts, however they are cut.
        let long = vec![7; HASHED + 10];
        let (mut a, mut b) = (Fnv::default(), Fnv::default());
        a.push(&long);
        long.chunks(1000).for_each(|c| b.push(c));
        b.push(b"more");
        assert_eq!(a.value(), b.value());
    }
}
