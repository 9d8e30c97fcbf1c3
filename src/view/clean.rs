//! Text from the wire on its way to a terminal: control and escape bytes are
//! shown, never sent.

use std::borrow::Cow;
use std::fmt::Write;

/// Whether a character must not reach a terminal as it is: C0 and C1 controls,
/// DEL, and the marks that turn the direction of text round.
#[must_use]
pub const fn is_unsafe(c: char) -> bool {
    matches!(c,
        '\0'..='\x1f' | '\x7f'..='\u{9f}'
        | '\u{200e}' | '\u{200f}' | '\u{061c}'
        | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

/// The text with unsafe characters as escapes: `\n`, `\t`, `\r`, `\x1b`, `\u{202e}`.
///
/// # Examples
/// ```
/// assert_eq!(framescope::view::clean::clean("a\x1b[2Jb\n"), r"a\x1b[2Jb\n");
/// ```
#[must_use]
pub fn clean(text: &str) -> Cow<'_, str> {
    if !text.chars().any(is_unsafe) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if !is_unsafe(c) => out.push(c),
            c if u32::from(c) < 0x80 => {
                let _ = write!(out, "\\x{:02x}", u32::from(c));
            }
            c => {
                let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
            }
        }
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_moves_a_cursor_remains() {
        let dirty: String = (0..0x3000).filter_map(char::from_u32).collect();
        assert!(!clean(&dirty).chars().any(is_unsafe));
        assert!(matches!(clean("plain ünïcode ✓"), Cow::Borrowed(_)));
        assert_eq!(clean("\u{9b}31m\u{202e}"), r"\u{9b}31m\u{202e}");
    }
}
