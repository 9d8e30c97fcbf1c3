//! What a header section must not have (RFC 9113 §8.2, §8.3).

use crate::base::Side;
use crate::finding::{Finding, FindingSpec};
use crate::proto::Headers;
use crate::proto::http2::{findings, priority};

/// Sections whose blocks are smaller are no bomb, however well they are compressed.
const BOMB_BYTES: u64 = 64 << 10;
/// What a section may be of its block: indexed fields of usual lengths come to 50, where
/// nothing but indices is sent.
const BOMB_RATIO: u64 = 100;

/// What a section is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sort {
    /// Of the client, or promised.
    Request,
    /// Interim or final.
    Response,
    /// Of either.
    Trailers,
}

impl Sort {
    pub(super) const fn head(side: Side) -> Self {
        match side {
            Side::Client => Self::Request,
            Side::Server => Self::Response,
        }
    }

    /// The pseudo-header fields that it may have.
    const fn pseudo(self) -> &'static [&'static [u8]] {
        match self {
            Self::Request => &[b":method", b":scheme", b":authority", b":path", b":protocol"],
            Self::Response => &[b":status"],
            Self::Trailers => &[],
        }
    }
}

/// What is known of a section beside its fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct Given {
    pub(super) sort: Sort,
    /// Nothing of it was cut.
    pub(super) whole: bool,
    /// The peer takes values of `-bin` fields as they are, behind a zero (gRPC's G1).
    pub(super) binary: bool,
}

/// Fields that speak of a connection of HTTP/1.1 (§8.2.2).
const OF_CONNECTIONS: [&[u8]; 5] =
    [b"connection", b"proxy-connection", b"keep-alive", b"transfer-encoding", b"upgrade"];

/// Judges a section, or what could be read of it; each rule is told once, with the first
/// field that breaks it.
pub(super) fn judge(given: Given, headers: &Headers, findings: &mut Vec<Finding>) {
    let Given { sort, whole, binary } = given;
    let mut tell = |spec: &'static FindingSpec, detail: &[u8]| {
        if !findings.iter().any(|f| f.spec.code == spec.code) {
            let text: String = String::from_utf8_lossy(detail).chars().take(80).collect();
            findings.push(Finding::new(spec).with(text));
        }
    };
    // What is missing may be in what was not read.
    let (mut seen, mut regular, mut unknown) = (0_u8, false, !whole);
    for (name, value, field) in headers.iter() {
        if !field.known {
            unknown = true;
            if name.is_empty() {
                continue;
            }
        }
        if name.first() == Some(&b':') {
            if regular {
                tell(&findings::PSEUDO_ORDER, name);
            }
            match sort.pseudo().iter().position(|p| *p == name) {
                Some(i) if seen & (1 << i) != 0 => tell(&findings::PSEUDO_TWICE, name),
                Some(i) => seen |= 1 << i,
                None => tell(&findings::PSEUDO_UNKNOWN, name),
            }
        } else {
            regular = true;
            if name.is_empty() || name.iter().any(|b| !is_name(*b)) {
                tell(&findings::HEADER_NAME, name);
            }
            let te = name == b"te" && field.known && !value.eq_ignore_ascii_case(b"trailers");
            if te || OF_CONNECTIONS.contains(&name) {
                tell(&findings::CONNECTION_HEADER, name);
            }
        }
        let blank = |b: Option<&u8>| b.is_some_and(|b| matches!(b, b' ' | b'\t'));
        let broken = value.iter().any(|b| matches!(b, 0 | b'\r' | b'\n'));
        let as_it_is = binary && name.ends_with(b"-bin") && value.first() == Some(&0);
        if field.known && !as_it_is && (broken || blank(value.first()) || blank(value.last())) {
            tell(&findings::HEADER_VALUE, name);
        }
    }
    // A list of lines is one (RFC 9110 §5.3); of two of them the parts need not be sound.
    let mut lines = headers.iter().filter(|(n, _, f)| *n == b"priority" && f.known);
    if let (Some((_, value, _)), None) = (lines.next(), lines.next())
        && priority::parse(value).is_none()
    {
        tell(&findings::PRIORITY_FIELD, value);
    }
    if unknown {
        return;
    }
    match sort {
        Sort::Request => {
            // CONNECT has rules of its own.
            let connect = headers.get(":method") == Some(b"CONNECT");
            for name in [":method", ":scheme", ":path"] {
                match headers.get(name) {
                    None if !connect => tell(&findings::PSEUDO_MISSING, name.as_bytes()),
                    Some([]) => tell(&findings::PSEUDO_MISSING, name.as_bytes()),
                    _ => {}
                }
            }
        }
        Sort::Response if headers.get(":status").is_none() => {
            tell(&findings::PSEUDO_MISSING, b":status");
        }
        _ => {}
    }
}

/// What a regular field's name may have: a token in lower case (RFC 9110 §5.6.2).
const fn is_name(b: u8) -> bool {
    matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\'' | b'*'
        | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
}

/// Whether a section is large beyond what its block and its peer let expect. `size` is
/// as RFC 9113 §6.5.2 counts it: 32 bytes a field beside its octets.
pub(super) fn judge_size(size: u64, block: u64, allowed: Option<u32>, findings: &mut Vec<Finding>) {
    if size >= BOMB_BYTES && size / BOMB_RATIO >= block {
        let detail = format!("{size} bytes from a block of {block}");
        findings.push(Finding::new(&findings::HEADER_BOMB).with(detail));
    }
    if let Some(allowed) = allowed.filter(|a| size > u64::from(*a)) {
        let detail = format!("{size} bytes where {allowed} are allowed");
        findings.push(Finding::new(&findings::HEADER_LIST_SIZE).with(detail));
    }
}
