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
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    let (mut seen, mut empty, mut regular, mut unknown) = (0_u8, 0_u8, false, !whole);
    let (mut connect, mut priorities, mut lines) = (false, None, 0);
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
                Some(i) => {
                    seen |= 1 << i;
                    empty |= u8::from(value.is_empty()) << i;
                    // CONNECT has rules of its own.
                    connect |= name == b":method" && value == b"CONNECT";
                }
                None => tell(&findings::PSEUDO_UNKNOWN, name),
            }
        } else {
            regular = true;
            if name.is_empty() || !is_name(name) {
                tell(&findings::HEADER_NAME, name);
            }
            let te = name == b"te" && field.known && !value.eq_ignore_ascii_case(b"trailers");
            if te || is_of_connections(name) {
                tell(&findings::CONNECTION_HEADER, name);
            }
            if name == b"priority" && field.known {
                lines += 1;
                priorities = Some(value);
            }
        }
        let blank = |b: Option<&u8>| b.is_some_and(|b| matches!(b, b' ' | b'\t'));
        let broken = has_break(value);
        if field.known && (broken || blank(value.first()) || blank(value.last())) {
            let as_it_is = binary && name.ends_with(b"-bin") && value.first() == Some(&0);
            if !as_it_is {
                tell(&findings::HEADER_VALUE, name);
            }
        }
    }
    // A list of lines is one (RFC 9110 §5.3); of two of them the parts need not be sound.
    if let (Some(value), 1) = (priorities, lines)
        && priority::parse(value).is_none()
    {
        tell(&findings::PRIORITY_FIELD, value);
    }
    if unknown {
        return;
    }
    for (i, name) in sort.pseudo().iter().enumerate() {
        let needed = match sort {
            Sort::Request => !connect && matches!(*name, b":method" | b":scheme" | b":path"),
            Sort::Response => true,
            Sort::Trailers => false,
        };
        let is_empty = empty & (1 << i) != 0 && matches!(*name, b":method" | b":scheme" | b":path");
        if needed && seen & (1 << i) == 0 || is_empty {
            tell(&findings::PSEUDO_MISSING, name);
        }
    }
}

/// Whether the field speaks of a connection of HTTP/1.1.
fn is_of_connections(name: &[u8]) -> bool {
    matches!(name.first(), Some(b'c' | b'p' | b'k' | b't' | b'u')) && OF_CONNECTIONS.contains(&name)
}

/// What a regular field's name may have: a token in lower case (RFC 9110 §5.6.2).
fn is_name(name: &[u8]) -> bool {
    // Letters and hyphens are what nearly all have; without a branch the compiler takes sixteen
    // of them at a time.
    let usual = |b: u8| b.wrapping_sub(b'a') < 26 || b == b'-';
    name.iter().fold(true, |all, b| all & usual(*b))
        || name.iter().all(|b| {
            matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'!' | b'#' | b'$' | b'%' | b'&' | b'\''
                | b'*' | b'+' | b'-' | b'.' | b'^' | b'_' | b'`' | b'|' | b'~')
        })
}

/// Whether a value has what no value may have anywhere (RFC 9113 §8.2.1). Values are short:
/// looking at all of one, sixteen bytes at a time, takes less than a search that may stop.
fn has_break(value: &[u8]) -> bool {
    value.iter().fold(false, |any, b| any | (*b == 0) | (*b == b'\r') | (*b == b'\n'))
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
