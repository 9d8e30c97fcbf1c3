//! The lines of an event stream (WHATWG HTML §9.2.5).
//!
//! ```text
//! stream  = [ bom ] *event
//! event   = *( comment / field ) end-of-line
//! comment = colon *any-char end-of-line
//! field   = 1*name-char [ colon [ space ] *any-char ] end-of-line
//! ```

use memchr::{memchr, memchr2};

use crate::field::input::{bytes, group};
use crate::field::{In, Parsed, Sink, Value};
use crate::proto::sse::fields;

/// U+FEFF in UTF-8.
pub const BOM: &[u8] = b"\xef\xbb\xbf";

/// What a line is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum About {
    /// Nothing: it ends the event.
    Nothing,
    /// A comment.
    Comment,
    /// `data`.
    Data,
    /// `event`.
    Event,
    /// `id`.
    Id,
    /// `retry`.
    Retry,
    /// A name that is not known.
    Other,
}

/// A line without its end; nothing is judged.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// By its name.
    pub about: About,
    /// Up to the colon.
    pub name: &'a [u8],
    /// Behind the colon and one space.
    pub value: &'a [u8],
}

/// Length of the line at the front, without its end, and of the end as far as it is
/// there: 0 where the line does not end here.
#[must_use]
pub fn measure(data: &[u8], from: usize) -> (usize, usize) {
    let rest = data.get(from..).unwrap_or_default();
    match memchr2(b'\n', b'\r', rest) {
        None => (data.len(), 0),
        Some(i) => {
            let len = from.saturating_add(i);
            let end = match data.get(len..) {
                Some([b'\r', b'\n', ..]) => 2,
                _ => 1,
            };
            (len, end)
        }
    }
}

/// A reconnection time: ASCII digits, and nothing else.
#[must_use]
pub fn retry(value: &[u8]) -> Option<u64> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(value).ok().map(|v| v.parse().unwrap_or(u64::MAX))
}

/// Reads the content of a line: `len` bytes before its end.
pub fn content<'a, S: Sink + 'a>(len: usize) -> impl FnMut(In<'a, S>) -> Parsed<'a, S, Line<'a>> {
    move |i| {
        let line = i.data().get(..len).unwrap_or(i.data());
        let colon = memchr(b':', line);
        let name_len = colon.unwrap_or(line.len());
        let (i, name) = bytes(&fields::NAME, name_len)(i)?;
        let about = match (name, colon) {
            (b"", None) => About::Nothing,
            (b"", Some(_)) => About::Comment,
            (b"data", _) => About::Data,
            (b"event", _) => About::Event,
            (b"id", _) => About::Id,
            (b"retry", _) => About::Retry,
            _ => About::Other,
        };
        let separator = match colon.and_then(|c| line.get(c..)) {
            None => 0,
            Some([_, b' ', ..]) => 2,
            Some(_) => 1,
        };
        let (i, _) = bytes(&fields::SEPARATOR, separator)(i)?;
        let left = line.len().saturating_sub(name_len.saturating_add(separator));
        let at = i;
        let spec = match about {
            About::Comment => &fields::COMMENT,
            About::Data => &fields::DATA,
            About::Event => &fields::EVENT,
            About::Id if memchr(0, line).is_none() => &fields::ID,
            About::Retry => {
                let (rest, value) = i.split(left)?;
                if S::ON && !value.is_empty() {
                    let span = at.span_to(&rest);
                    match retry(value) {
                        Some(ms) => i.sink().field(&fields::RETRY, span, Value::U64(ms)),
                        None => {
                            let text = String::from_utf8_lossy(value);
                            i.sink().field(&fields::IGNORED, span, Value::Text(text.into()));
                        }
                    }
                }
                return Ok((rest, Line { about, name, value }));
            }
            About::Nothing | About::Id | About::Other => &fields::IGNORED,
        };
        let (i, value) = bytes(spec, left)(i)?;
        Ok((i, Line { about, name, value }))
    }
}

/// Reads a line with its end, which the last line of what there is may lack.
pub fn line<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Line<'a>> {
    let (len, end) = measure(i.data(), 0);
    group(&fields::LINE, move |i| {
        let (i, line) = content(len)(i)?;
        let (i, _) = bytes(&fields::LINE_END, end)(i)?;
        Ok((i, line))
    })(i)
}

/// Reads an event: all lines that there are; gives where the values of its data lie.
pub fn block<'a, S: Sink + 'a>(
    i: In<'a, S>,
    mut data: impl FnMut(u32, &'a [u8]),
) -> Parsed<'a, S, ()> {
    let mut i = i;
    if i.data().starts_with(BOM) {
        (i, _) = bytes(&fields::BOM, BOM.len())(i)?;
    }
    while !i.data().is_empty() {
        let (rest, l) = line(i)?;
        if l.about == About::Data {
            let behind = i.data().len().saturating_sub(rest.data().len());
            // The value ends before the line's end.
            let (len, _) = measure(i.data(), 0);
            let start = len.min(behind).saturating_sub(l.value.len());
            data(i.at().saturating_add(u32::try_from(start).unwrap_or(u32::MAX)), l.value);
        }
        i = rest;
    }
    Ok((i, ()))
}
