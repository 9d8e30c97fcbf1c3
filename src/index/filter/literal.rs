//! Values as they are written in a filter.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use super::Mistake;
use super::lex::Token;
use super::names::{Ask, Name, Type, findings, names_of, near, plain};
use crate::finding::Severity;

/// A value to compare with.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    Bool(bool),
    Whole(i128),
    /// A number by the name that it has, and one number with that name.
    Named(&'static str, i128),
    Float(f64),
    Text(Vec<u8>),
    Bytes(Vec<u8>),
    /// Nanoseconds.
    Span(i128),
    /// Nanoseconds since 1970.
    Time(i64),
    /// An address and how many of its bits count.
    Net(IpAddr, u8),
    End(SocketAddr),
    Severity(Severity),
}

/// Units of durations, in nanoseconds.
const UNITS: [(&str, i128); 7] = [
    ("ns", 1),
    ("us", 1_000),
    ("µs", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("min", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

impl Literal {
    /// Reads a value for what stands on the left.
    pub(super) fn read(name: &Name, token: &Token, at: Range<usize>) -> Result<Self, Mistake> {
        let wrong = |found: &str| {
            let (name, is) = (name.text(), name.kind().expects());
            Mistake::new(at.clone(), format!("`{name}` takes {is}; {found}"))
        };
        let (text, quoted) = match token {
            Token::Word(w) => (w.as_bytes(), None),
            Token::Text(t) => (t.as_slice(), Some(t)),
            Token::Sign(s) => return Err(wrong(&format!("`{s}` is none"))),
        };
        let word = String::from_utf8_lossy(text);
        let none = || wrong(&format!("`{word}` is none"));
        match name.kind() {
            Type::Group => Err(wrong("ask for it by its name alone")),
            Type::Flag => match &*word {
                "true" | "1" => Ok(Self::Bool(true)),
                "false" | "0" => Ok(Self::Bool(false)),
                _ => Err(none()),
            },
            Type::Whole(spec) => {
                if quoted.is_none()
                    && let Some(n) = whole(&word)
                {
                    return Ok(Self::Whole(n));
                }
                let named = spec.map(names_of).unwrap_or_default();
                let wanted = plain(&word);
                if let Some((n, v)) = named.iter().find(|(_, n)| plain(n) == wanted) {
                    return Ok(Self::Named(v, i128::from(*n)));
                }
                let some = near(&word, named.iter().map(|(_, n)| *n));
                if some.is_empty() {
                    return Err(none());
                }
                Err(wrong(&format!("`{word}` is none; did you mean {}?", some.join(" or "))))
            }
            Type::Float => {
                decimal(&word).filter(|_| quoted.is_none()).map(Self::Float).ok_or_else(none)
            }
            Type::Bytes => match quoted {
                Some(t) => Ok(Self::Text(t.clone())),
                None => {
                    bytes(&word, matches!(name, Name::Field(_))).map(Self::Bytes).ok_or_else(none)
                }
            },
            Type::Text => {
                if let Name::Common(c) = name
                    && c.ask == Ask::Finding
                    && !findings().any(|f| f.code == word)
                {
                    let some = near(&word, findings().map(|f| f.code));
                    let say = match some.as_slice() {
                        [] => "docs/FINDINGS.md lists all".to_owned(),
                        some => format!("did you mean {}?", some.join(" or ")),
                    };
                    return Err(Mistake::new(
                        at.clone(),
                        format!("there is no finding `{word}`; {say}"),
                    ));
                }
                Ok(Self::Text(text.to_vec()))
            }
            Type::Choice(words) => {
                let words = words();
                let found = words.iter().find(|w| plain(w) == plain(&word));
                found.map(|w| Self::Text(w.as_bytes().to_vec())).ok_or_else(none)
            }
            Type::Duration => {
                let n = span(&word, 1).filter(|n| quoted.is_none() && *n >= 0);
                n.map(Self::Span).ok_or_else(none)
            }
            Type::Seconds => span(&word, 1_000_000_000)
                .filter(|_| quoted.is_none())
                .map(Self::Span)
                .ok_or_else(none),
            Type::Time => {
                let time: Option<jiff::Timestamp> = word.parse().ok();
                let ns = time.and_then(|t| i64::try_from(t.as_nanosecond()).ok());
                ns.map(Self::Time).ok_or_else(none)
            }
            Type::Address => address(&word).ok_or_else(none),
            Type::Severity => [Severity::Note, Severity::Warning, Severity::Error]
                .into_iter()
                .find(|s| s.name() == word)
                .map(Self::Severity)
                .ok_or_else(none),
        }
    }

    /// Text to be looked for inside a value.
    pub(super) fn part(name: &Name, token: &Token, at: Range<usize>) -> Result<Self, Mistake> {
        match (token, name.kind()) {
            (Token::Text(t), _) => Ok(Self::Text(t.clone())),
            (Token::Word(w), Type::Text) => Ok(Self::Text(w.clone().into_bytes())),
            _ => Self::read(name, token, at),
        }
    }
}

/// A whole number: `42`, `-1`, `0x2a`.
fn whole(text: &str) -> Option<i128> {
    let (negative, digits) = match text.strip_prefix('-') {
        Some(d) => (true, d),
        None => (false, text),
    };
    let n = match digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        Some(hex) => i128::from(u64::from_str_radix(unsigned(hex)?, 16).ok()?),
        None => i128::from(unsigned(digits)?.parse::<u64>().ok()?),
    };
    Some(if negative { -n } else { n })
}

/// The digits, unless a sign stands before them.
fn unsigned(digits: &str) -> Option<&str> {
    digits.starts_with(|c: char| c.is_ascii_alphanumeric()).then_some(digits)
}

fn decimal(text: &str) -> Option<f64> {
    let begins = |c: char| c.is_ascii_digit() || c == '-';
    text.parse::<f64>().ok().filter(|f| text.starts_with(begins) && f.is_finite())
}

/// `08:2a:12`, `08-2a-12`, `0x082a12`; without any mark where nothing else can
/// be meant.
fn bytes(text: &str, bare: bool) -> Option<Vec<u8>> {
    let pair = |p: &[u8]| {
        let p = std::str::from_utf8(p).ok()?;
        let both = p.len() == 2 && p.bytes().all(|b| b.is_ascii_hexdigit());
        both.then(|| u8::from_str_radix(p, 16).ok()).flatten()
    };
    let packed = |t: &str| t.as_bytes().chunks(2).map(pair).collect();
    if let Some(hex) = text.strip_prefix("0x") {
        return packed(hex);
    }
    for mark in [':', '-'] {
        if text.contains(mark) {
            return text.split(mark).map(|p| pair(p.as_bytes())).collect();
        }
    }
    if bare { packed(text) } else { None }
}

/// A duration in nanoseconds; `plain` is the unit of a number without one.
fn span(text: &str, plain: i128) -> Option<i128> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(t) => (true, t),
        None => (false, text),
    };
    let digits = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(digits)?;
    let unit = if unit.is_empty() {
        plain
    } else {
        UNITS.iter().find(|(n, _)| *n == unit).map(|(_, v)| *v)?
    };
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    if part.len() > 18 || whole.len() > 18 {
        return None;
    }
    let scale = 10_i128.pow(u32::try_from(part.len()).ok()?);
    let n = whole.parse::<i128>().ok()? * unit + part.parse::<i128>().ok()? * unit / scale;
    Some(if negative { -n } else { n })
}

/// An address, a network, an address with its port; a hardware address is text.
fn address(text: &str) -> Option<Literal> {
    if let Some((ip, bits)) = text.split_once('/') {
        let ip: IpAddr = ip.parse().ok()?;
        let bits: u8 = unsigned(bits)?.parse().ok()?;
        let all = if ip.is_ipv4() { 32 } else { 128 };
        return (bits <= all).then_some(Literal::Net(ip, bits));
    }
    if let Ok(ip) = text.parse::<IpAddr>() {
        return Some(Literal::Net(ip, if ip.is_ipv4() { 32 } else { 128 }));
    }
    if let Ok(end) = text.parse::<SocketAddr>() {
        return Some(Literal::End(end));
    }
    let hardware = bytes(text, false).filter(|b| text.contains([':', '-']) && b.len() > 1)?;
    let pairs: Vec<String> = hardware.iter().map(|b| format!("{b:02x}")).collect();
    Some(Literal::Text(pairs.join(":").into_bytes()))
}

impl fmt::Display for Literal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Bool(b) => write!(f, "{b}"),
            Self::Whole(n) => write!(f, "{n}"),
            Self::Named(name, _) => quoted(f, name.as_bytes()),
            Self::Float(v) => write!(f, "{v:?}"),
            Self::Text(t) => quoted(f, t),
            Self::Bytes(b) => {
                f.write_str("0x")?;
                b.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
            Self::Span(n) => {
                let unit = ["s", "ms", "us", "ns"]
                    .into_iter()
                    .filter_map(|u| UNITS.iter().find(|(name, _)| *name == u))
                    .find(|(_, v)| n % v == 0);
                let (name, value) = unit.unwrap_or(&UNITS[0]);
                write!(f, "{}{name}", n / value)
            }
            Self::Time(ns) => write!(f, "\"{}\"", crate::base::CaptureTime(*ns)),
            Self::Net(ip, bits) if *bits == if ip.is_ipv4() { 32 } else { 128 } => {
                write!(f, "{ip}")
            }
            Self::Net(ip, bits) => write!(f, "{ip}/{bits}"),
            Self::End(end) => write!(f, "{end}"),
            Self::Severity(s) => write!(f, "{s}"),
        }
    }
}

fn quoted(f: &mut fmt::Formatter<'_>, bytes: &[u8]) -> fmt::Result {
    f.write_str("\"")?;
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => f.write_str("\\\"")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\t' => f.write_str("\\t")?,
                c if c.is_control() => {
                    c.encode_utf8(&mut [0; 4]).bytes().try_for_each(|b| write!(f, "\\x{b:02x}"))?;
                }
                c => write!(f, "{c}")?,
            }
        }
        chunk.invalid().iter().try_for_each(|b| write!(f, "\\x{b:02x}"))?;
    }
    f.write_str("\"")
}
