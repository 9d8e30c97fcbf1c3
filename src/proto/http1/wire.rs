//! The lines of RFC 9112: start line, field line, empty line, chunk line.
//!
//! These judge nothing: they say what stands where, and what is odd about it.
//! The only error is that a line has no end yet.

use std::borrow::Cow;

use nom::Needed;

use crate::field::input::{bytes, group};
use crate::field::{FieldSpec, In, Parsed, Sink, Value};
use crate::proto::http1::fields as f;

/// The first line of a request, RFC 9112 §3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestLine<'a> {
    /// Up to the first space.
    pub method: &'a [u8],
    /// Between the first and the last space.
    pub target: &'a [u8],
    /// Behind the last space; empty where there is one space or none.
    pub version: &'a [u8],
    /// The line ends in LF alone.
    pub bare_lf: bool,
}

/// The first line of a response, RFC 9112 §4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StatusLine<'a> {
    /// Up to the first space.
    pub version: &'a [u8],
    /// The three digits, if that is what they are.
    pub code: Option<u16>,
    /// The rest.
    pub phrase: &'a [u8],
    /// The line ends in LF alone.
    pub bare_lf: bool,
}

/// A field line, RFC 9112 §5, with the lines folded into it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldLine<'a> {
    /// Before the colon, without white space at its end; empty without a colon.
    pub name: &'a [u8],
    /// Behind it, without the white space around; folds are one space. Without a
    /// colon the line as a whole.
    pub value: Cow<'a, [u8]>,
    /// Where the value lies in the buffer: first byte and length, folds included.
    pub place: (u32, u32),
    /// White space stands before the colon.
    pub spaced: bool,
    /// The value goes on over several lines.
    pub folded: bool,
    /// A line ends in LF alone.
    pub bare_lf: bool,
}

/// The first line of a chunk, RFC 9112 §7.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ChunkLine<'a> {
    /// Bytes of data; `None` where it is no hexadecimal number of 64 bits.
    pub size: Option<u64>,
    /// What stands behind the size, with its semicolon.
    pub extension: &'a [u8],
    /// The line ends in LF alone.
    pub bare_lf: bool,
}

/// A line's length without its end, and the length of the end (1 or 2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Line {
    len: usize,
    end: usize,
}

fn line<'a, S: Sink>(i: &In<'a, S>) -> Result<Line, nom::Err<nom::error::Error<In<'a, S>>>> {
    let data = i.data();
    let lf = memchr::memchr(b'\n', data).ok_or(nom::Err::Incomplete(Needed::new(1)))?;
    let cr = lf.checked_sub(1).and_then(|p| data.get(p)) == Some(&b'\r');
    Ok(if cr { Line { len: lf - 1, end: 2 } } else { Line { len: lf, end: 1 } })
}

/// The line's content split at `n`, or all of it.
fn upto(content: &[u8], n: usize) -> (&[u8], &[u8]) {
    content.split_at_checked(n).unwrap_or((content, &[]))
}

/// Reads a request line.
///
/// # Errors
/// `Incomplete` without a line end; so everywhere in this module.
pub fn request_line<'a, S: Sink>(i: In<'a, S>) -> Parsed<'a, S, RequestLine<'a>> {
    group(&f::REQUEST_LINE, |i: In<'a, S>| {
        let l = line(&i)?;
        let (content, _) = upto(i.data(), l.len);
        let first = memchr::memchr(b' ', content).unwrap_or(l.len);
        let last = memchr::memrchr(b' ', content).unwrap_or(l.len);
        let (i, method) = bytes(&f::METHOD, first)(i)?;
        if first == l.len {
            let (i, _) = bytes(&f::DELIMITER, l.end)(i)?;
            return Ok((i, RequestLine { method, target: &[], version: &[], bare_lf: l.end == 1 }));
        }
        let (i, _) = bytes(&f::DELIMITER, 1)(i)?;
        let middle = if last > first { last } else { l.len };
        let (i, target) = bytes(&f::URI, middle - first - 1)(i)?;
        let (i, version) = if last > first {
            let (i, _) = bytes(&f::DELIMITER, 1)(i)?;
            bytes(&f::REQUEST_VERSION, l.len - last - 1)(i)?
        } else {
            (i, &[][..])
        };
        let (i, _) = bytes(&f::DELIMITER, l.end)(i)?;
        Ok((i, RequestLine { method, target, version, bare_lf: l.end == 1 }))
    })(i)
}

/// Reads a status line.
///
/// # Errors
/// As [`request_line`].
pub fn status_line<'a, S: Sink>(i: In<'a, S>) -> Parsed<'a, S, StatusLine<'a>> {
    group(&f::STATUS_LINE, |i: In<'a, S>| {
        let l = line(&i)?;
        let (content, _) = upto(i.data(), l.len);
        let first = memchr::memchr(b' ', content).unwrap_or(l.len);
        let (i, version) = bytes(&f::RESPONSE_VERSION, first)(i)?;
        let mut left = l.len - first;
        let (mut i, _) = bytes(&f::DELIMITER, left.min(1))(i)?;
        left -= left.min(1);
        let (digits, behind) = upto(i.data().get(..left).unwrap_or_default(), 3);
        let mut code = None;
        if digits.len() == 3
            && digits.iter().all(u8::is_ascii_digit)
            && behind.first().is_none_or(|b| *b == b' ')
        {
            let n = digits.iter().fold(0_u16, |n, d| n * 10 + u16::from(d - b'0'));
            let (rest, _) = i.split(3)?;
            if S::ON {
                i.sink().field(&f::CODE, i.span_to(&rest), Value::U64(u64::from(n)));
            }
            code = Some(n);
            left -= 3;
            (i, _) = bytes(&f::DELIMITER, left.min(1))(rest)?;
            left -= left.min(1);
        }
        let (i, phrase) = bytes(&f::PHRASE, left)(i)?;
        let (i, _) = bytes(&f::DELIMITER, l.end)(i)?;
        Ok((i, StatusLine { version, code, phrase, bare_lf: l.end == 1 }))
    })(i)
}

/// Whether the next line is the empty one that ends the section; not read yet.
///
/// # Errors
/// As [`request_line`].
pub fn at_end<'a, S: Sink>(i: &In<'a, S>) -> Result<bool, nom::Err<nom::error::Error<In<'a, S>>>> {
    match i.data() {
        [b'\n', ..] | [b'\r', b'\n', ..] => Ok(true),
        [] | [b'\r'] => Err(nom::Err::Incomplete(Needed::new(1))),
        _ => Ok(false),
    }
}

/// Reads the empty line; gives whether it is LF alone.
///
/// # Errors
/// As [`request_line`].
pub fn head_end<'a, S: Sink>(i: In<'a, S>) -> Parsed<'a, S, bool> {
    let l = line(&i)?;
    let (i, end) = bytes(&f::HEAD_END, l.len + l.end)(i)?;
    Ok((i, end.len() == 1))
}

/// Reads a field line and what is folded into it: RFC 9112 §5.2 joins a line
/// that begins with white space to the one before.
///
/// Fields that have a spec of their own get it; the others get `other`.
///
/// # Errors
/// As [`request_line`]; also while it cannot be known whether the next line is
/// folded into this one, unless nothing follows.
pub fn field_line<'a, S: Sink>(
    other: &'static FieldSpec,
) -> impl FnMut(In<'a, S>) -> Parsed<'a, S, FieldLine<'a>> {
    move |i| {
        let first = line(&i)?;
        let mut total = first.len + first.end;
        let mut bare_lf = first.end == 1;
        let mut folded = false;
        while matches!(i.data().get(total), Some(b' ' | b'\t')) {
            let (rest, _) = i.split(total)?;
            let more = line(&rest)?;
            folded = true;
            bare_lf |= more.end == 1;
            total += more.len + more.end;
        }
        let (rest, all) = i.split(total)?;
        // Without a name it is no field; `:name: value` would pass for a pseudo-field.
        let colon = all
            .get(..first.len)
            .and_then(|l| memchr::memchr(b':', l))
            .filter(|c| !upto(all, *c).0.trim_ascii().is_empty());
        let Some(colon) = colon else {
            if S::ON {
                let shown = String::from_utf8_lossy(all.trim_ascii_end());
                i.sink().field(&f::BAD_LINE, i.span_to(&rest), Value::Text(shown.into()));
            }
            let place = (i.at(), 0);
            let value = Cow::Borrowed(all.trim_ascii_end());
            return Ok((
                rest,
                FieldLine { name: &[], value, place, spaced: false, folded, bare_lf },
            ));
        };
        let (name, behind) = upto(all, colon);
        let behind = behind.split_first().map_or(&[][..], |(_, b)| b);
        let start = colon + 1 + (behind.len() - behind.trim_ascii_start().len());
        let raw = behind.trim_ascii();
        let value = if folded { Cow::Owned(unfold(raw)) } else { Cow::Borrowed(raw) };
        // The section is below 256 KiB, and buffers are below 4 GiB.
        let place = (i.at().saturating_add(start as u32), raw.len() as u32);
        if S::ON {
            let spec = f::named(name.trim_ascii_end()).unwrap_or(other);
            let shown = String::from_utf8_lossy(&value);
            i.sink().field(spec, i.span_to(&rest), Value::Text(shown.into()));
        }
        let trimmed = name.trim_ascii_end();
        let spaced = trimmed.len() != name.len();
        Ok((rest, FieldLine { name: trimmed, value, place, spaced, folded, bare_lf }))
    }
}

/// Each line end with the white space around it becomes one space.
fn unfold(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    for part in raw.split(|b| *b == b'\n') {
        if !out.is_empty() {
            out.push(b' ');
        }
        out.extend_from_slice(part.trim_ascii());
    }
    out
}

/// Reads the first line of a chunk.
///
/// # Errors
/// As [`request_line`].
pub fn chunk_line<'a, S: Sink>(i: In<'a, S>) -> Parsed<'a, S, ChunkLine<'a>> {
    group(&f::CHUNK_LINE, |i: In<'a, S>| {
        let l = line(&i)?;
        let (content, _) = upto(i.data(), l.len);
        let semicolon = memchr::memchr(b';', content).unwrap_or(l.len);
        let (digits, _) = upto(content, semicolon);
        let size = hex(digits.trim_ascii_end());
        let (rest, _) = i.split(semicolon)?;
        if S::ON && semicolon > 0 {
            let value = size.map_or(Value::None, Value::U64);
            i.sink().field(&f::CHUNK_SIZE, i.span_to(&rest), value);
        }
        let (i, extension) = bytes(&f::CHUNK_EXTENSION, l.len - semicolon)(rest)?;
        let (i, _) = bytes(&f::DELIMITER, l.end)(i)?;
        Ok((i, ChunkLine { size, extension, bare_lf: l.end == 1 }))
    })(i)
}

/// A hexadecimal number of 1 to 16 digits that count (leading zeros do not).
fn hex(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, d| {
        let d = char::from(*d).to_digit(16)?;
        n.checked_mul(16)?.checked_add(u64::from(d))
    })
}

/// A decimal number, digits alone (RFC 9110 §8.6).
#[must_use]
pub fn decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |n, d| {
        let d = char::from(*d).to_digit(10)?;
        n.checked_mul(10)?.checked_add(u64::from(d))
    })
}

/// Whether a byte may stand in a token (RFC 9110 §5.6.2).
#[must_use]
pub const fn is_tchar(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(
            b,
            b'!' | b'#'
                | b'$'
                | b'%'
                | b'&'
                | b'\''
                | b'*'
                | b'+'
                | b'-'
                | b'.'
                | b'^'
                | b'_'
                | b'`'
                | b'|'
                | b'~'
        )
}

/// Whether bytes are a token (RFC 9110 §5.6.2).
#[must_use]
pub fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| is_tchar(*b))
}

/// 10 for `HTTP/1.0`, 11 for `HTTP/1.1`, and so on for the other minor versions
/// of HTTP/1 (RFC 9112 §2.3).
#[must_use]
pub fn version(bytes: &[u8]) -> Option<u8> {
    match bytes {
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', d @ b'0'..=b'9'] => Some(10 + (d - b'0')),
        _ => None,
    }
}
