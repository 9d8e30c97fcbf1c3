//! Certificates in DER (RFC 5280 §4.1, X.690 §8): whose they are, by whom, and until
//! when. A walk over tags and lengths that keeps places; nothing is verified.
//!
//! ```text
//! Certificate
//!   tbsCertificate
//!     [0] version
//!     serialNumber
//!     signature
//!     issuer
//!     validity: notBefore, notAfter
//!     subject
//!     subjectPublicKeyInfo
//!     [3] extensions
//!   signatureAlgorithm
//!   signatureValue
//! ```

use nom::Input as _;
use nom::number::streaming::be_u8;

use super::{MAX_LIST, keep};
use crate::base::Span;
use crate::field::input::uint;
use crate::field::{FieldSpec, In, Kind, Parsed, Sink, Value};
use crate::proto::tls::fields as f;

/// What a certificate says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Certificate {
    /// Who signed it: `CN=…, O=…`.
    pub issuer: String,
    /// Whose it is.
    pub subject: String,
    /// From when on, as RFC 3339 writes it.
    pub not_before: String,
    /// Until when.
    pub not_after: String,
    /// Hosts and addresses that it is valid for.
    pub names: Vec<String>,
}

const SEQUENCE: u8 = 0x30;
const SET: u8 = 0x31;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const BOOLEAN: u8 = 0x01;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const BMP_STRING: u8 = 0x1e;

static TAG: FieldSpec = FieldSpec::new("", "", 8, Kind::Unsigned, "", "");

/// An element.
struct Element<'a, S> {
    tag: u8,
    content: In<'a, S>,
    /// All of it, its head included.
    span: Span,
}

/// Reads an element. The heads of elements are no fields.
fn element<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Element<'a, S>> {
    let quiet = crate::field::NoSink;
    let head = In::new(i.data(), i.buffer(), i.at(), &quiet);
    // What fails here fails for want of bytes.
    let short = || nom::Err::Incomplete(nom::Needed::new(1));
    let (h, tag) = uint(&TAG, be_u8)(head).map_err(|_| short())?;
    let (mut h, first) = uint(&TAG, be_u8)(h).map_err(|_| short())?;
    let len = if first < 0x80 {
        usize::from(first)
    } else {
        let (rest, octets) = h.split(usize::from(first & 0x7f)).map_err(|_| short())?;
        h = rest;
        if octets.len() > 4 {
            return Err(short());
        }
        octets.iter().fold(0_usize, |n, b| n << 8 | usize::from(*b))
    };
    let skip = i.data().len().saturating_sub(h.data().len());
    let body = i.take_from(skip);
    let (rest, _) = body.split(len)?;
    let content = body.take(len);
    let span = i.span_to(&rest);
    Ok((rest, Element { tag, content, span }))
}

/// Reads a certificate; what cannot be read is left out.
///
/// # Errors
/// None: the input is taken as a whole.
pub(super) fn certificate<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Certificate> {
    let mut c = Certificate::default();
    let end = i.take_from(i.data().len());
    let _ = walk(i, &mut c);
    Ok((end, c))
}

fn walk<'a, S: Sink + 'a>(i: In<'a, S>, c: &mut Certificate) -> Parsed<'a, S, ()> {
    let (_, whole) = element(i)?;
    let (_, tbs) = element(whole.content)?;
    let mut i = tbs.content;
    let tell = |spec, span, value: Value| {
        if S::ON {
            i.sink().field(spec, span, value);
        }
    };
    let (rest, mut e) = element(i)?;
    let mut at = rest;
    if e.tag == 0xa0 {
        let (_, v) = element(e.content)?;
        let n = v.content.data().iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
        tell(&f::CERT_VERSION, e.span, Value::U64(n));
        (at, e) = element(at)?;
    }
    if e.tag == INTEGER {
        tell(&f::CERT_SERIAL, e.span, Value::Bytes(e.content.data().into()));
    }
    let (rest, algorithm) = element(at)?;
    tell(&f::CERT_ALGORITHM, algorithm.span, Value::Text(oid_in(algorithm.content).into()));
    let (rest, issuer) = element(rest)?;
    c.issuer = name(issuer.content);
    tell(&f::CERT_ISSUER, issuer.span, Value::Text(c.issuer.as_str().into()));
    let (rest, validity) = element(rest)?;
    let (later, from) = element(validity.content)?;
    c.not_before = time(&from);
    tell(&f::CERT_NOT_BEFORE, from.span, Value::Text(c.not_before.as_str().into()));
    let (_, until) = element(later)?;
    c.not_after = time(&until);
    tell(&f::CERT_NOT_AFTER, until.span, Value::Text(c.not_after.as_str().into()));
    let (rest, subject) = element(rest)?;
    c.subject = name(subject.content);
    tell(&f::CERT_SUBJECT, subject.span, Value::Text(c.subject.as_str().into()));
    let (rest, key) = element(rest)?;
    let (_, algorithm) = element(key.content)?;
    tell(&f::CERT_ALGORITHM, algorithm.span, Value::Text(oid_in(algorithm.content).into()));
    i = rest;
    while !i.data().is_empty() {
        let (next, e) = element(i)?;
        if e.tag == 0xa3 {
            let (_, list) = element(e.content)?;
            extensions(list.content, c)?;
        }
        i = next;
    }
    Ok((i, ()))
}

/// Of the extensions, the alternative names (§4.2.1.6).
fn extensions<'a, S: Sink + 'a>(mut i: In<'a, S>, c: &mut Certificate) -> Parsed<'a, S, ()> {
    while !i.data().is_empty() {
        let (next, one) = element(i)?;
        let (mut rest, id) = element(one.content)?;
        if id.content.data() == [0x55, 0x1d, 0x11] {
            let (after, mut e) = element(rest)?;
            if e.tag == BOOLEAN {
                rest = after;
                e = element(rest)?.1;
            }
            if e.tag == OCTETS {
                let (_, list) = element(e.content)?;
                alternative_names(list.content, c)?;
            }
        }
        i = next;
    }
    Ok((i, ()))
}

fn alternative_names<'a, S: Sink + 'a>(mut i: In<'a, S>, c: &mut Certificate) -> Parsed<'a, S, ()> {
    while !i.data().is_empty() {
        let (next, e) = element(i)?;
        let data = e.content.data();
        let text = match (e.tag & 0x1f, data.len()) {
            (1 | 2 | 6, _) => String::from_utf8_lossy(data).into_owned(),
            (7, 4) => <[u8; 4]>::try_from(data)
                .map_or_else(|_| String::new(), |a| std::net::Ipv4Addr::from(a).to_string()),
            (7, 16) => <[u8; 16]>::try_from(data)
                .map_or_else(|_| String::new(), |a| std::net::Ipv6Addr::from(a).to_string()),
            _ => String::new(),
        };
        if !text.is_empty() {
            if S::ON {
                i.sink().field(&f::CERT_NAME, e.span, Value::Text(text.as_str().into()));
            }
            keep(&mut c.names, text);
        }
        i = next;
    }
    Ok((i, ()))
}

/// A name: its attributes in order, `C=…, O=…, CN=…` (RFC 4514 has them backwards).
fn name<'a, S: Sink + 'a>(mut i: In<'a, S>) -> String {
    let mut out = String::new();
    while let Ok((next, set)) = element(i) {
        let mut j = set.content;
        while let Ok((more, pair)) = element(j) {
            if let Ok((value, id)) = element(pair.content)
                && let Ok((_, value)) = element(value)
                && set.tag == SET
                && pair.tag == SEQUENCE
                && out.len() < MAX_LIST
            {
                if !out.is_empty() {
                    out.push_str(", ");
                }
                out.push_str(&attribute(id.content.data()));
                out.push('=');
                out.push_str(&text(value.tag, value.content.data()));
            }
            j = more;
        }
        i = next;
    }
    out
}

fn text(tag: u8, data: &[u8]) -> String {
    if tag == BMP_STRING {
        let units = data.chunks_exact(2).map(|c| c.iter().fold(0, |n, b| n << 8 | u16::from(*b)));
        return char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect();
    }
    String::from_utf8_lossy(data).into_owned()
}

/// `2026-11-20T21:23:45Z` of a UTCTime or a GeneralizedTime (§4.1.2.5).
fn time<S: Sink>(e: &Element<'_, S>) -> String {
    let data = e.content.data();
    let text = String::from_utf8_lossy(data).into_owned();
    let digits = match e.tag {
        UTC_TIME => {
            let century = if data.first().is_some_and(|c| *c >= b'5') { "19" } else { "20" };
            format!("{century}{text}")
        }
        GENERALIZED_TIME => text,
        _ => return text,
    };
    let part = |a: usize, b: usize| digits.get(a..b).unwrap_or_default();
    if digits.len() != 15 || !digits.is_ascii() {
        return digits;
    }
    format!(
        "{}-{}-{}T{}:{}:{}{}",
        part(0, 4),
        part(4, 6),
        part(6, 8),
        part(8, 10),
        part(10, 12),
        part(12, 14),
        part(14, 15)
    )
}

/// The algorithm of an AlgorithmIdentifier.
fn oid_in<'a, S: Sink + 'a>(i: In<'a, S>) -> String {
    match element(i) {
        Ok((_, e)) if e.tag == OID => {
            let id = dotted(e.content.data());
            algorithm(&id).map_or(id, str::to_owned)
        }
        _ => String::new(),
    }
}

/// An object identifier (X.690 §8.19).
fn dotted(data: &[u8]) -> String {
    let mut out = String::new();
    let mut n = 0_u64;
    let mut first = true;
    for b in data {
        n = n << 7 | u64::from(b & 0x7f);
        if b & 0x80 != 0 {
            continue;
        }
        if std::mem::take(&mut first) {
            let top = (n / 40).min(2);
            out.push_str(&format!("{top}.{}", n - top * 40));
        } else {
            out.push_str(&format!(".{n}"));
        }
        n = 0;
    }
    out
}

/// Attributes of names (RFC 4514 §3).
fn attribute(id: &[u8]) -> String {
    let name = match id {
        [0x55, 4, 3] => "CN",
        [0x55, 4, 5] => "serialNumber",
        [0x55, 4, 6] => "C",
        [0x55, 4, 7] => "L",
        [0x55, 4, 8] => "ST",
        [0x55, 4, 9] => "street",
        [0x55, 4, 10] => "O",
        [0x55, 4, 11] => "OU",
        [0x09, 0x92, 0x26, 0x89, 0x93, 0xf2, 0x2c, 0x64, 1, 25] => "DC",
        [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1] => "emailAddress",
        _ => return dotted(id),
    };
    name.to_owned()
}

/// Algorithms of keys and signatures (RFC 3279, RFC 4055, RFC 5758, RFC 8410).
fn algorithm(id: &str) -> Option<&'static str> {
    Some(match id {
        "1.2.840.113549.1.1.1" => "RSA",
        "1.2.840.113549.1.1.4" => "RSA with MD5",
        "1.2.840.113549.1.1.5" => "RSA with SHA-1",
        "1.2.840.113549.1.1.10" => "RSA-PSS",
        "1.2.840.113549.1.1.11" => "RSA with SHA-256",
        "1.2.840.113549.1.1.12" => "RSA with SHA-384",
        "1.2.840.113549.1.1.13" => "RSA with SHA-512",
        "1.2.840.10045.2.1" => "EC",
        "1.2.840.10045.4.1" => "ECDSA with SHA-1",
        "1.2.840.10045.4.3.2" => "ECDSA with SHA-256",
        "1.2.840.10045.4.3.3" => "ECDSA with SHA-384",
        "1.2.840.10045.4.3.4" => "ECDSA with SHA-512",
        "1.2.840.10040.4.1" => "DSA",
        "1.3.101.112" => "Ed25519",
        "1.3.101.113" => "Ed448",
        _ => return None,
    })
}
