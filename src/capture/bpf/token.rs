//! A capture filter cut into words, numbers, addresses and signs.

use std::net::Ipv6Addr;

use super::BpfError;

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A keyword or a name.
    Word(String),
    /// A name behind `\`, which is never a keyword.
    Name(String),
    Number(u32),
    /// Octets with dots between: value and bits.
    Quad(u32, u32),
    V6(Ipv6Addr),
    Mac([u8; 6]),
    Sign(&'static str),
    End,
}

/// A token and its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    /// Its text as written.
    pub(super) text: String,
    /// Column of its first character, from 1.
    pub(super) column: usize,
}

/// Longer ones first.
const SIGNS: [&str; 24] = [
    "&&", "||", "==", "!=", ">=", "<=", "<<", ">>", "(", ")", "[", "]", "!", "=", "<", ">", "+",
    "-", "*", "/", "&", "|", ":", "%",
];

/// Cuts the whole text; the last token is [`Kind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>, BpfError> {
    let mut out = Vec::new();
    let mut rest = text;
    let mut column = 1;
    loop {
        let blank = rest.find(|c| !matches!(c, ' ' | '\t' | '\r' | '\n')).unwrap_or(rest.len());
        column += blank;
        rest = rest.get(blank..).unwrap_or_default();
        if rest.is_empty() {
            out.push(Token { kind: Kind::End, text: String::new(), column });
            return Ok(out);
        }
        let (kind, len) = next(rest).map_err(|what| BpfError::new(text, column, what))?;
        let taken = rest.get(..len).unwrap_or_default();
        out.push(Token { kind, text: taken.to_owned(), column });
        column += taken.chars().count();
        rest = rest.get(len..).unwrap_or_default();
    }
}

/// Bytes of `text` that are of this kind, from its beginning.
fn run(text: &str, mine: impl Fn(char) -> bool) -> &str {
    let end = text.find(|c| !mine(c)).unwrap_or(text.len());
    text.get(..end).unwrap_or_default()
}

fn next(text: &str) -> Result<(Kind, usize), String> {
    let address = run(text, |c| c.is_ascii_hexdigit() || matches!(c, ':' | '.'));
    if address.contains(':') {
        if let Some(mac) = mac(address, ':') {
            return Ok((Kind::Mac(mac), address.len()));
        }
        if let Ok(a) = address.parse::<Ipv6Addr>() {
            return Ok((Kind::V6(a), address.len()));
        }
    }
    if let Some(name) = text.strip_prefix('\\') {
        let name = run(name, |c| !matches!(c, ' ' | '!' | '(' | ')' | '\n' | '\t' | '\r'));
        if name.is_empty() {
            return Err("a name is expected behind `\\`".to_owned());
        }
        return Ok((Kind::Name(name.to_owned()), name.len() + 1));
    }
    if !text.starts_with(|c: char| c.is_ascii_alphanumeric()) {
        return match SIGNS.iter().find(|s| text.starts_with(**s)) {
            // Two ways of writing.
            Some(&"==") => Ok((Kind::Sign("="), 2)),
            Some(sign) => Ok((Kind::Sign(sign), sign.len())),
            None => {
                let c = text.chars().next().unwrap_or_default();
                Err(format!("{c:?} has no meaning here"))
            }
        };
    }
    // As in libpcap, `-`, `_` and `.` belong to a name, but no name ends with the
    // first two: `len-4` is a name, `len -4` is not.
    let word = run(text, |c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
    let word = word.trim_end_matches(['-', '_']);
    Ok((word_kind(word)?, word.len()))
}

fn word_kind(word: &str) -> Result<Kind, String> {
    if let Some(mac) = mac(word, '-').or_else(|| mac_of_three(word)) {
        return Ok(Kind::Mac(mac));
    }
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    if digits(word) {
        return number(word).map(Kind::Number);
    }
    if let Some(hex) = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"))
        && !hex.is_empty()
        && hex.bytes().all(|b| b.is_ascii_hexdigit())
    {
        let n = u32::from_str_radix(hex, 16);
        return n.map(Kind::Number).map_err(|_| format!("{word} does not fit 32 bits"));
    }
    let parts: Vec<&str> = word.split('.').collect();
    if (2..=4).contains(&parts.len()) && parts.iter().all(|p| digits(p)) {
        let mut value = 0_u32;
        for p in &parts {
            let octet: u8 = p.parse().map_err(|_| format!("{word} is no IPv4 address"))?;
            value = value << 8 | u32::from(octet);
        }
        return Ok(Kind::Quad(value, u32::try_from(parts.len()).unwrap_or(4) * 8));
    }
    Ok(Kind::Word(word.to_owned()))
}

/// Decimal, or octal with a leading 0.
fn number(word: &str) -> Result<u32, String> {
    let radix = if word.len() > 1 && word.starts_with('0') { 8 } else { 10 };
    u32::from_str_radix(word, radix).map_err(|_| {
        if radix == 8 && word.contains(['8', '9']) {
            format!("{word} is octal, since it begins with 0, and has a digit that is not")
        } else {
            format!("{word} does not fit 32 bits")
        }
    })
}

/// Six groups of one or two hexadecimal digits.
fn mac(text: &str, between: char) -> Option<[u8; 6]> {
    let mut out = [0; 6];
    let mut parts = text.split(between);
    for o in &mut out {
        let p = parts.next()?;
        if p.len() > 2 || !p.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        *o = u8::from_str_radix(p, 16).ok()?;
    }
    parts.next().is_none().then_some(out)
}

/// `0011.2233.4455`.
fn mac_of_three(text: &str) -> Option<[u8; 6]> {
    let mut value = 0_u64;
    let mut groups = 0;
    for p in text.split('.') {
        if p.len() != 4 || !p.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        value = value << 16 | u64::from(u16::from_str_radix(p, 16).ok()?);
        groups += 1;
        if groups > 3 {
            return None;
        }
    }
    let [_, _, a, b, c, d, e, f] = value.to_be_bytes();
    (groups == 3).then_some([a, b, c, d, e, f])
}
