//! One line for people. Control characters are left as they are: views clean them.

use std::fmt::Write as _;

use super::close;
use super::wire::FrameHead;

/// Characters of a text that a line shows.
const TEXT_CHARS: usize = 200;
/// Bytes that a line shows in hex.
const HEX_BYTES: usize = 16;

/// `text FIN 5 bytes masked 37fa213d`
pub(super) fn frame(h: &FrameHead) -> String {
    let mut s = String::from(h.kind());
    if h.kind() == "reserved" {
        let _ = write!(s, " {:#x}", h.opcode);
    }
    if h.fin {
        s.push_str(" FIN");
    }
    for (bit, name) in [(0b100, " RSV1"), (0b010, " RSV2"), (0b001, " RSV3")] {
        if h.rsv & bit != 0 {
            s.push_str(name);
        }
    }
    let _ = write!(s, " {}", bytes(h.length));
    if let Some(key) = h.key {
        let _ = write!(s, " masked {:08x}", u32::from_be_bytes(key));
    }
    s
}

/// The first characters of a text; bytes that are no UTF-8 are replaced.
pub(super) fn text(data: &[u8], len: u64) -> String {
    if len == 0 {
        return bytes(0);
    }
    // Four bytes a character at most.
    let head = data.get(..TEXT_CHARS * 4).unwrap_or(data);
    let is_cut = (head.len() as u64) < len;
    let whole = match std::str::from_utf8(head) {
        // The cut went through a character.
        Err(e) if is_cut && e.error_len().is_none() => head.get(..e.valid_up_to()).unwrap_or(head),
        _ => head,
    };
    let whole = String::from_utf8_lossy(whole);
    let mut s: String = whole.chars().take(TEXT_CHARS).collect();
    if (s.len() as u64) < len && s.len() < whole.len() || is_cut {
        s.push('…');
    }
    s
}

/// `12 bytes: 08 2a …`
pub(super) fn binary(data: &[u8], len: u64) -> String {
    let mut s = bytes(len);
    for (i, b) in data.iter().take(HEX_BYTES).enumerate() {
        let _ = write!(s, "{} {b:02x}", if i == 0 { ":" } else { "" });
    }
    if len > HEX_BYTES as u64 {
        s.push_str(" …");
    }
    s
}

/// Text where it reads as one, else bytes.
pub(super) fn either(data: &[u8], len: u64) -> String {
    match std::str::from_utf8(data) {
        Ok(t) if reads(t) => text(data, len),
        _ => binary(data, len),
    }
}

/// Bytes beyond which hardly anything but text is UTF-8.
const SURELY_TEXT: usize = 8;

/// Whether UTF-8 is likely to be meant as text. A few random bytes, as pings carry them, are
/// UTF-8 every now and then (`d3 b5 c7 9f`): where it is short, half of it has to be ASCII.
fn reads(t: &str) -> bool {
    let odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{e000}'..='\u{f8ff}' | '\u{fff0}'..)
    };
    let ascii = t.chars().filter(char::is_ascii).count();
    let likely = ascii * 2 >= t.chars().count() || t.len() >= SURELY_TEXT;
    !t.is_empty() && likely && !t.chars().any(odd)
}

/// `1000 normal closure "bye"`
pub(super) fn close(code: Option<u16>, reason: &[u8]) -> String {
    let Some(code) = code else {
        return String::from("no status code");
    };
    let mut s = code.to_string();
    if let Some(name) = close::name(u64::from(code)) {
        let _ = write!(s, " {name}");
    }
    if !reason.is_empty() {
        let _ = write!(s, " \"{}\"", String::from_utf8_lossy(reason));
    }
    s
}

/// `1 byte`, `5 bytes`
pub(super) fn bytes(n: u64) -> String {
    if n == 1 { String::from("1 byte") } else { format!("{n} bytes") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_between_characters() {
        let t = "€".repeat(300);
        let s = text(t.as_bytes(), t.len() as u64);
        assert_eq!(s.chars().count(), TEXT_CHARS + 1);
        assert!(s.ends_with("€…"));
        assert_eq!(text(b"hello", 5), "hello");
        assert_eq!(text(b"hello", 50), "hello…");
        assert_eq!(text("é".as_bytes(), 2), "é");
        assert_eq!(text(b"caf\xc3", 4), "caf\u{fffd}");
        assert_eq!(text(b"caf\xc3", 40), "caf…");
        assert_eq!(text(b"", 0), "0 bytes");
        assert_eq!(binary(&[8, 42], 2), "2 bytes: 08 2a");
        assert_eq!(binary(&[], 0), "0 bytes");
        assert_eq!(either(b"\x00\x01", 2), "2 bytes: 00 01");
        assert_eq!(either(b"hi", 2), "hi");
        assert_eq!(either("grün".as_bytes(), 5), "grün");
        assert_eq!(either("привет".as_bytes(), 12), "привет");
        assert_eq!(either(b"\xd3\xb5\xc7\x9f", 4), "4 bytes: d3 b5 c7 9f");
        assert_eq!(either(b"\xee\x80\x80ab", 5), "5 bytes: ee 80 80 61 62");
        assert_eq!(either(b"", 0), "0 bytes");
        assert_eq!(close(Some(1000), b"bye"), "1000 normal closure \"bye\"");
        assert_eq!(close(Some(3001), b""), "3001");
    }
}
