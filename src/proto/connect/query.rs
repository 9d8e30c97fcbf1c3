//! The query of a GET (Connect, "Unary-Get-Request").

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

/// The alphabet of URLs, padded or not.
static BASE64_URL: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The first value of a name in the query of a target, as written.
fn raw<'a>(target: &'a [u8], name: &[u8]) -> Option<&'a [u8]> {
    let at = memchr::memchr(b'?', target)?;
    let query = target.get(at + 1..)?;
    let query = query.split(|b| *b == b'#').next()?;
    query.split(|b| *b == b'&').find_map(|pair| {
        let eq = memchr::memchr(b'=', pair)?;
        let (n, v) = pair.split_at(eq);
        (n == name).then(|| v.get(1..).unwrap_or_default())
    })
}

/// The same with its percent-encoding undone, as text.
pub(super) fn get(target: &[u8], name: &[u8]) -> Option<String> {
    let bytes = percent_decode(raw(target, name)?)?;
    String::from_utf8(bytes).ok()
}

/// What the message of the query is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Query {
    /// As written, for people.
    pub(super) raw: String,
    /// Its bytes; `None` where it is missing or cannot be decoded.
    pub(super) message: Option<Vec<u8>>,
    /// `encoding`: the codec.
    pub(super) codec: Option<String>,
    /// `compression`.
    pub(super) compression: Option<String>,
}

/// Reads the query of a call.
pub(super) fn read(target: &[u8]) -> Query {
    let written = raw(target, b"message");
    let in_base64 = get(target, b"base64").is_some_and(|v| v == "1");
    let message = written
        .and_then(percent_decode)
        .and_then(|m| if in_base64 { BASE64_URL.decode(m).ok() } else { Some(m) });
    Query {
        raw: written.map(|w| String::from_utf8_lossy(w).into_owned()).unwrap_or_default(),
        message,
        codec: get(target, b"encoding"),
        compression: get(target, b"compression"),
    }
}

/// Undoes percent-encoding (RFC 3986 §2.1); a plus sign is a space, as in forms. `None`
/// where it is broken.
fn percent_decode(value: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(value.len());
    let mut rest = value;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            b'%' => {
                let hex = |b: &u8| char::from(*b).to_digit(16);
                let (a, b) = (hex(tail.first()?)?, hex(tail.get(1)?)?);
                out.push(u8::try_from(a << 4 | b).ok()?);
                rest = tail.get(2..)?;
            }
            b'+' => out.push(b' '),
            other => out.push(*other),
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_in_queries() {
        let q = read(b"/a.B/C?connect=v1&encoding=json&message=%7B%22id%22%3A42%7D");
        assert_eq!(q.message.as_deref(), Some(&b"{\"id\":42}"[..]));
        assert_eq!(q.codec.as_deref(), Some("json"));
        let q = read(b"/a.B/C?connect=v1&base64=1&encoding=proto&message=CCo&compression=gzip");
        assert_eq!(q.message.as_deref(), Some(&[8, 42][..]));
        assert_eq!(q.compression.as_deref(), Some("gzip"));
        assert_eq!(read(b"/a.B/C?message=%7").message, None);
        assert_eq!(read(b"/a.B/C?base64=1&message=!!").message, None);
        assert_eq!(read(b"/a.B/C").message, None);
        // The alphabet of URLs.
        assert_eq!(read(b"/?base64=1&message=-_8").message.as_deref(), Some(&[0xfb, 0xff][..]));
    }
}
