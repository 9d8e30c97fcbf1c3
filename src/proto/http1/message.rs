//! One header or trailer section, read and judged: what it says, where the
//! message that it begins will end, and what is odd about it.

use crate::base::limits::MAX_HEADER_FIELDS;
use crate::base::{BufferId, Side, Span};
use crate::field::{In, Sink, Tree};
use crate::finding::{Finding, FindingSpec};
use crate::proto::Headers;
use crate::proto::http1::{fields as f, findings as g, wire};

/// Findings of one section, each code once.
#[derive(Debug, Default)]
pub(super) struct Odd(pub(super) Vec<Finding>);

impl Odd {
    fn note(&mut self, spec: &'static FindingSpec) {
        self.with(spec, || None);
    }

    fn with(&mut self, spec: &'static FindingSpec, detail: impl FnOnce() -> Option<Box<str>>) {
        if self.0.iter().all(|f| f.spec.code != spec.code) {
            self.0.push(Finding { detail: detail(), ..Finding::new(spec) });
        }
    }

    fn note_if(&mut self, spec: &'static FindingSpec, condition: bool) {
        if condition {
            self.note(spec);
        }
    }
}

/// The methods that change what follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Head,
    Connect,
    Other,
}

/// The first line of a section.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum First {
    Request {
        method: Method,
        version: u8,
    },
    Response {
        code: u16,
        version: u8,
    },
    /// A trailer section has none.
    Trailers,
    /// No start line, or more than [`MAX_HEADER_FIELDS`] fields behind it.
    Bad,
}

/// Where the end of a message is, RFC 9112 §6.3.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Framing {
    /// Right here.
    None,
    /// Behind so many bytes.
    Length(u64),
    /// Where the last chunk says.
    Chunked,
    /// Where the connection ends.
    Close,
    /// It cannot be known.
    Unknown,
}

/// A section as read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Section {
    /// Bytes of it.
    pub(super) len: usize,
    pub(super) first: First,
    /// Up to its empty line, rather than cut.
    pub(super) whole: bool,
}

/// How far a section was searched for its end, so that no byte is searched twice.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Scan {
    /// First byte of the line in hand.
    line: usize,
    /// First byte that was not looked at.
    seen: usize,
}

impl Scan {
    /// At the front.
    pub(super) const START: Self = Self { line: 0, seen: 0 };

    /// Length of the section at the front of `data` with its empty line, once it is there.
    pub(super) fn end(&mut self, data: &[u8]) -> Option<usize> {
        while let Some(rest) = data.get(self.seen..)
            && let Some(lf) = memchr::memchr(b'\n', rest)
        {
            let lf = self.seen + lf;
            let empty = lf == self.line
                || lf == self.line + 1 && data.get(self.line).is_some_and(|b| *b == b'\r');
            self.line = lf + 1;
            self.seen = lf + 1;
            if empty {
                *self = Self::default();
                return Some(lf + 1);
            }
        }
        self.seen = data.len();
        None
    }
}

/// Reads the section that fills `data`, or as many whole lines as there are.
///
/// `side` is `None` for a trailer section. Field values go to `headers` with
/// their places in `buffer`.
pub(super) fn read<S: Sink>(
    data: &[u8],
    side: Option<Side>,
    sink: &S,
    headers: &mut Headers,
    odd: &mut Odd,
) -> Section {
    headers.clear();
    let mut i = In::new(data, BufferId(0), 0, sink);
    let mut first = First::Bad;
    match side {
        Some(Side::Client) => {
            if let Ok((rest, l)) = wire::request_line(i) {
                i = rest;
                odd.note_if(&g::BARE_LF, l.bare_lf);
                odd.note_if(&g::BAD_TARGET, l.target.contains(&b' '));
                if let Some(version) = wire::version(l.version)
                    && wire::is_token(l.method)
                    && !l.target.is_empty()
                {
                    let method = match l.method {
                        b"HEAD" => Method::Head,
                        b"CONNECT" => Method::Connect,
                        _ => Method::Other,
                    };
                    first = First::Request { method, version };
                    headers.push(b":method", l.method);
                    headers.push(b":path", l.target);
                    let authority = authority(method, l.target).or_else(|| host(i.data()));
                    if let Some(a) = authority {
                        headers.push(b":authority", a);
                    }
                }
            }
        }
        Some(Side::Server) => {
            if let Ok((rest, l)) = wire::status_line(i) {
                let digits = i.data().get(l.version.len() + 1..l.version.len() + 4);
                i = rest;
                odd.note_if(&g::BARE_LF, l.bare_lf);
                if let (Some(version), Some(code)) = (wire::version(l.version), l.code) {
                    first = First::Response { code, version };
                    headers.push(b":status", digits.unwrap_or_default());
                }
            }
        }
        None => first = First::Trailers,
    }
    if first == First::Bad {
        return Section { len: 0, first, whole: false };
    }
    let other = if side.is_some() { &f::HEADER } else { &f::TRAILER };
    let mut whole = false;
    loop {
        match wire::at_end(&i) {
            Ok(false) => {}
            Ok(true) => {
                if let Ok((rest, bare_lf)) = wire::head_end(i) {
                    odd.note_if(&g::BARE_LF, bare_lf);
                    i = rest;
                    whole = true;
                }
                break;
            }
            Err(_) => break,
        }
        let Ok((rest, l)) = wire::field_line(other)(i) else { break };
        i = rest;
        if headers.len() >= MAX_HEADER_FIELDS {
            // The rest would be lost without a word, framing fields with it.
            first = First::Bad;
            break;
        }
        odd.note_if(&g::BARE_LF, l.bare_lf);
        odd.note_if(&g::OBS_FOLD, l.folded);
        odd.note_if(&g::SPACE_BEFORE_COLON, l.spaced);
        odd.note_if(&g::BARE_CR, l.value.contains(&b'\r'));
        if !wire::is_token(l.name) {
            odd.with(&g::BAD_FIELD_LINE, || {
                // Without a colon the whole line is the value.
                let line: &[u8] = if l.name.is_empty() { &l.value } else { l.name };
                Some(String::from_utf8_lossy(line.get(..80).unwrap_or(line)).into())
            });
        }
        if !l.name.is_empty() {
            headers.push(l.name, &l.value).span =
                Some(Span::bytes(BufferId(0), l.place.0, l.place.1));
        }
    }
    Section { len: data.len() - i.data().len(), first, whole }
}

/// Names the nodes of fields that have no spec of their own.
pub(super) fn name_nodes(tree: &mut Tree, headers: &Headers) {
    let mut names = headers
        .iter()
        .map(|(n, _, _)| n)
        .filter(|n| n.first() != Some(&b':') && f::named(n).is_none());
    let mut ids = Vec::new();
    for (i, n) in tree.nodes().iter().enumerate() {
        // A line that begins with a colon has no name, and no entry.
        if n.spec.name == f::HEADER.name || n.spec.name == f::TRAILER.name {
            ids.push(crate::field::NodeId(u32::try_from(i).unwrap_or(u32::MAX)));
        }
    }
    for id in ids {
        let Some(name) = names.next() else { break };
        if let Some(n) = tree.get_mut(id) {
            n.name = Some(String::from_utf8_lossy(name).into());
        }
    }
}

/// The authority of an absolute-form or authority-form target, RFC 9112 §3.2.
fn authority(method: Method, target: &[u8]) -> Option<&[u8]> {
    if method == Method::Connect {
        return Some(target);
    }
    if target.first() == Some(&b'/') {
        return None;
    }
    let at = memchr::memmem::find(target, b"://")?;
    let behind = target.get(at + 3..)?;
    behind.split(|b| matches!(b, b'/' | b'?' | b'#')).next()
}

/// The value of the first Host line, looked for ahead of the fields because
/// `:authority` stands before them.
fn host(lines: &[u8]) -> Option<&[u8]> {
    lines.split(|b| *b == b'\n').find_map(|l| {
        let (name, value) = l.split_at_checked(5)?;
        name.eq_ignore_ascii_case(b"host:").then(|| value.trim_ascii())
    })
}

/// Where the message ends that begins with these fields, RFC 9112 §6.3, as far
/// as its own fields say.
pub(super) fn framing(first: First, headers: &Headers, odd: &mut Odd) -> Framing {
    let (version, request) = match first {
        First::Request { version, .. } => (version, true),
        First::Response { version, .. } => (version, false),
        First::Trailers | First::Bad => return Framing::Unknown,
    };
    let mut lengths = headers
        .all("content-length")
        .flat_map(|v| v.split(|b| *b == b','))
        .map(|v| wire::decimal(v.trim_ascii()));
    let length = lengths.next();
    let mut repeated = false;
    let mut differ = false;
    for l in lengths {
        repeated = true;
        differ |= Some(l) != length;
    }
    // The order of RFC 9112 §6.3: a transfer coding goes before a length.
    let mut codings = headers
        .all("transfer-encoding")
        .flat_map(|v| v.split(|b| *b == b','))
        .map(|t| t.split(|b| *b == b';').next().unwrap_or_default().trim_ascii())
        .filter(|t| !t.is_empty() && !t.eq_ignore_ascii_case(b"identity"));
    if let Some(last) = codings.by_ref().last() {
        odd.note_if(&g::LENGTH_AND_CODING, length.is_some());
        odd.note_if(&g::CODING_IN_HTTP10, version < 11);
        if last.eq_ignore_ascii_case(b"chunked") {
            return Framing::Chunked;
        }
        if request {
            odd.with(&g::BAD_CODING, || Some(String::from_utf8_lossy(last).into()));
            return Framing::Unknown;
        }
        return Framing::Close;
    }
    match length {
        Some(Some(n)) if !differ => {
            odd.note_if(&g::REPEATED_LENGTH, repeated);
            if n == 0 { Framing::None } else { Framing::Length(n) }
        }
        Some(_) => {
            odd.with(&g::BAD_LENGTH, || {
                let all: Vec<_> =
                    headers.all("content-length").map(String::from_utf8_lossy).collect();
                Some(all.join(", ").chars().take(80).collect())
            });
            if request { Framing::Unknown } else { Framing::Close }
        }
        None if request => Framing::None,
        None => Framing::Close,
    }
}

/// What a request's fields break apart from its framing.
pub(super) fn judge_request(version: u8, headers: &Headers, odd: &mut Odd) {
    if version >= 11 {
        let n = headers.all("host").count();
        if n != 1 {
            odd.with(&g::NO_HOST, || Some(format!("{n} Host fields").into()));
        }
    }
    if headers.get("upgrade").is_some() && !headers.has_token("connection", "upgrade") {
        odd.note(&g::NO_CONNECTION_UPGRADE);
    }
}
