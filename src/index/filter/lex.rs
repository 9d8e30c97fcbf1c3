//! Words, strings and signs of a filter, each with its place.

use std::ops::Range;

use super::Mistake;

/// A piece of a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Token {
    /// A name, a number, an address: whatever stands without quotes.
    Word(String),
    /// What stood in quotes, its escapes undone; `\xff` makes any byte.
    Text(Vec<u8>),
    /// An operator, a bracket or a comma, as its usual sign.
    Sign(&'static str),
}

/// A token and its bytes in the text.
pub(super) type Placed = (Token, Range<usize>);

const SIGNS: [&str; 15] =
    ["==", "!=", "<=", ">=", "&&", "||", "..", "<", ">", "!", "(", ")", "{", "}", ","];

/// Words that are operators, and the sign that each stands for.
const WORDS: [(&str, &str); 12] = [
    ("eq", "=="),
    ("ne", "!="),
    ("lt", "<"),
    ("le", "<="),
    ("gt", ">"),
    ("ge", ">="),
    ("and", "&&"),
    ("or", "||"),
    ("not", "!"),
    ("in", "in"),
    ("contains", "contains"),
    ("matches", "matches"),
];

const fn is_word(c: char) -> bool {
    // `/` is in networks and paths, `[` and `]` in IPv6 ends, `µ` in durations.
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '/' | '-' | '+' | '[' | ']' | 'µ')
}

/// Cuts a filter into tokens.
pub(super) fn tokens(text: &str) -> Result<Vec<Placed>, Mistake> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..)
        && let Some(c) = rest.chars().next()
    {
        if c.is_whitespace() {
            at += c.len_utf8();
        } else if c == '"' {
            let (bytes, end) = string(text, at)?;
            out.push((Token::Text(bytes), at..end));
            at = end;
        } else if let Some(sign) = SIGNS.iter().find(|s| rest.starts_with(**s)) {
            out.push((Token::Sign(sign), at..at + sign.len()));
            at += sign.len();
        } else if is_word(c) {
            let mut end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            // `1..5` is a range.
            if let Some(dots) = rest.get(..end).and_then(|w| w.find("..")) {
                end = dots;
            }
            let word = rest.get(..end).unwrap_or_default();
            let token = WORDS
                .iter()
                .find(|(w, _)| *w == word)
                .map_or_else(|| Token::Word(word.to_owned()), |(_, sign)| Token::Sign(sign));
            out.push((token, at..at + end));
            at += end;
        } else {
            let say = match c {
                '=' => "`==` compares".to_owned(),
                '&' => "`&&` or `and` joins".to_owned(),
                '|' => "`||` or `or` joins".to_owned(),
                '\'' => "text stands in double quotes: \"…\"".to_owned(),
                c if c.is_control() => "this character means nothing here".to_owned(),
                c => format!("`{c}` means nothing here; text stands in double quotes"),
            };
            return Err(Mistake::new(at..at + c.len_utf8(), say));
        }
    }
    Ok(out)
}

/// The string that begins at `start`, and where it ends.
fn string(text: &str, start: usize) -> Result<(Vec<u8>, usize), Mistake> {
    let mut out = Vec::new();
    let mut chars = text.char_indices().skip_while(|(i, _)| *i <= start);
    while let Some((at, c)) = chars.next() {
        if c == '"' {
            return Ok((out, at + 1));
        }
        if c != '\\' {
            push(&mut out, c);
            continue;
        }
        let Some((_, kind)) = chars.next() else { break };
        match kind {
            '"' | '\\' => push(&mut out, kind),
            'n' => out.push(b'\n'),
            'r' => out.push(b'\r'),
            't' => out.push(b'\t'),
            '0' => out.push(0),
            'x' => {
                let digits: String = chars.by_ref().take(2).map(|(_, c)| c).collect();
                let byte = (digits.len() == 2).then(|| u8::from_str_radix(&digits, 16).ok());
                let Some(byte) = byte.flatten() else {
                    return Err(Mistake::new(
                        at..at + 2,
                        "two hexadecimal digits follow `\\x`: `\\x1b`",
                    ));
                };
                out.push(byte);
            }
            _ => {
                let end = at + 1 + kind.len_utf8();
                return Err(Mistake::new(
                    at..end,
                    "this escape is none; there are \\\" \\\\ \\n \\r \\t \\0 and \\x with two digits",
                ));
            }
        }
    }
    Err(Mistake::new(start..text.len(), "the closing quote is missing"))
}

fn push(out: &mut Vec<u8>, c: char) {
    out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
}
