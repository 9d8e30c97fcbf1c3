//! A header section: names and values in one arena, in the order of the wire.

use std::fmt;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use crate::base::Span;

/// One field of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderField {
    name: (u32, u32),
    value: (u32, u32),
    /// Where it lies in the buffers of the section's detail.
    pub span: Option<Span>,
    /// The value is known; `false` for an index whose insertion was not captured.
    pub known: bool,
    /// Name and value were not read: by what was, they must be these.
    pub inferred: bool,
}

/// Header or trailer fields. Names are as on the wire; look-ups fold ASCII case.
#[derive(Default, PartialEq, Eq)]
pub struct Headers {
    data: Vec<u8>,
    fields: Vec<HeaderField>,
}

impl Clone for Headers {
    fn clone(&self) -> Self {
        Self { data: self.data.clone(), fields: self.fields.clone() }
    }

    /// Into the memory that there is.
    fn clone_from(&mut self, other: &Self) {
        self.data.clone_from(&other.data);
        self.fields.clone_from(&other.fields);
    }
}

impl Headers {
    /// An empty section.
    #[must_use]
    pub const fn new() -> Self {
        Self { data: Vec::new(), fields: Vec::new() }
    }

    /// Empties it and keeps its memory.
    pub fn clear(&mut self) {
        self.data.clear();
        self.fields.clear();
    }

    /// Appends a field.
    pub fn push(&mut self, name: &[u8], value: &[u8]) -> &mut HeaderField {
        let name = self.store(name);
        let value = self.store(value);
        self.fields.push_mut(HeaderField { name, value, span: None, known: true, inferred: false })
    }

    fn store(&mut self, bytes: &[u8]) -> (u32, u32) {
        // Callers keep sections below `MAX_HEADER_BYTES`.
        let start = self.data.len() as u32;
        self.data.extend_from_slice(bytes);
        (start, self.data.len() as u32)
    }

    /// Number of fields.
    #[must_use]
    pub fn len(&self) -> usize {
        self.fields.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    /// Bytes of all names and values.
    #[must_use]
    pub fn byte_len(&self) -> usize {
        self.data.len()
    }

    /// The fields in order: name, value, the rest.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], &[u8], &HeaderField)> {
        self.fields.iter().map(|f| (self.slice(f.name), self.slice(f.value), f))
    }

    fn slice(&self, (a, b): (u32, u32)) -> &[u8] {
        self.data.get(a as usize..b as usize).unwrap_or_default()
    }

    /// The value of the first field of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.fields.iter().find(|f| self.is_named(f, name.as_bytes())).map(|f| self.slice(f.value))
    }

    /// The first field of this name whose value is known, and the rest of the field.
    #[must_use]
    pub fn known(&self, name: &str) -> Option<(&[u8], &HeaderField)> {
        let of_name = |f: &&HeaderField| f.known && self.is_named(f, name.as_bytes());
        self.fields.iter().find(of_name).map(|f| (self.slice(f.value), f))
    }

    /// Nearly all names differ in length: those are not looked at.
    fn is_named(&self, field: &HeaderField, name: &[u8]) -> bool {
        let (start, end) = field.name;
        if end.wrapping_sub(start) as usize != name.len() {
            return false;
        }
        // And nearly all others in their last letter.
        let own = self.slice(field.name);
        own.last().map(|b| b | 0x20) == name.last().map(|b| b | 0x20)
            && (own == name || own.eq_ignore_ascii_case(name))
    }

    /// Whether a field of it was not read, but inferred.
    #[must_use]
    pub fn is_inferred(&self) -> bool {
        self.fields.iter().any(|f| f.inferred)
    }

    /// The value of the first field of this name, if it is UTF-8.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<&str> {
        self.get(name).and_then(|v| std::str::from_utf8(v).ok())
    }

    /// The values of all fields of this name.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a [u8]> {
        let of_name = move |f: &&HeaderField| self.is_named(f, name.as_bytes());
        self.fields.iter().filter(of_name).map(|f| self.slice(f.value))
    }

    /// Whether a field of this name, read as a comma-separated list, has `token`
    /// (RFC 9110 §5.6.1; ASCII case folded).
    #[must_use]
    pub fn has_token(&self, name: &str, token: &str) -> bool {
        self.all(name).any(|v| {
            v.split(|b| *b == b',').any(|t| t.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
        })
    }

    /// Memory held, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.data.capacity() + self.fields.capacity() * size_of::<HeaderField>()
    }
}

impl fmt::Debug for Headers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries(self.iter().map(|(n, v, _)| {
                format!("{}: {}", String::from_utf8_lossy(n), String::from_utf8_lossy(v))
            }))
            .finish()
    }
}

/// Base64 of any padding: "implementations MUST accept padded and un-padded values".
static BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

/// The bytes of a gRPC field whose name ends in `-bin`; `None` where it is neither base64
/// nor the bytes as they are behind a zero byte, as gRPC's core sends them to a peer that
/// takes them so (gRPC proposal G1: `SETTINGS` 0xfe03). No base64 begins with a zero byte.
pub(crate) fn binary(value: &[u8]) -> Option<Vec<u8>> {
    match value.strip_prefix(&[0]) {
        Some(bytes) => Some(bytes.to_vec()),
        None => BASE64.decode(value.trim_ascii()).ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn look_ups_fold_case_and_split_lists() {
        let mut h = Headers::new();
        h.push(b"Connection", b"keep-alive, Upgrade");
        h.push(b"Upgrade", b"websocket");
        assert!(h.has_token("connection", "upgrade"));
        assert!(!h.has_token("connection", "grade"));
        assert_eq!(h.text("UPGRADE"), Some("websocket"));
    }
}
