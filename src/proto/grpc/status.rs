//! `grpc-status-details-bin`: a `google.rpc.Status`, with the usual details of
//! `google/rpc/error_details.proto` opened by tables of their fields.
//!
//! ```text
//! Status { int32 code = 1; string message = 2; repeated google.protobuf.Any details = 3; }
//! Any { string type_url = 1; bytes value = 2; }
//! ```

use crate::field::{Datum, FieldSpec, Tree, Value};
use crate::proto::grpc::fields;

/// Details of one status that are opened; libraries limit headers to 8 KiB.
const MAX_DETAILS: usize = 64;
/// The largest code: UNAUTHENTICATED.
const MAX_CODE: u64 = 16;
/// Fields of one message that are read.
const MAX_FIELDS: usize = 1024;
/// Characters of a detail that is shown.
const LINE_CHARS: usize = 4096;

/// What a field of a message holds.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Text,
    /// A `google.protobuf.Duration`.
    Duration,
    Message(&'static [Field]),
    /// An entry of `map<string, string>`.
    Entry,
}

/// A field: number, name, what it holds, whether it repeats.
#[derive(Clone, Copy, Debug)]
struct Field(u64, &'static str, Kind, bool);

const fn text(number: u64, name: &'static str) -> Field {
    Field(number, name, Kind::Text, false)
}

static QUOTA_VIOLATION: &[Field] = &[
    text(1, "subject"),
    text(2, "description"),
    text(3, "api_service"),
    text(4, "quota_metric"),
    text(5, "quota_id"),
    Field(6, "quota_dimensions", Kind::Entry, true),
];
static PRECONDITION_VIOLATION: &[Field] =
    &[text(1, "type"), text(2, "subject"), text(3, "description")];
static FIELD_VIOLATION: &[Field] = &[
    text(1, "field"),
    text(2, "description"),
    text(3, "reason"),
    Field(4, "localized_message", Kind::Message(LOCALIZED), false),
];
static LINK: &[Field] = &[text(1, "description"), text(2, "url")];
static LOCALIZED: &[Field] = &[text(1, "locale"), text(2, "message")];

/// The messages of `google/rpc/error_details.proto`, by the last part of their names.
static KNOWN: &[(&str, &[Field])] = &[
    ("ErrorInfo", &[text(1, "reason"), text(2, "domain"), Field(3, "metadata", Kind::Entry, true)]),
    ("RetryInfo", &[Field(1, "retry_delay", Kind::Duration, false)]),
    ("DebugInfo", &[Field(1, "stack_entries", Kind::Text, true), text(2, "detail")]),
    ("QuotaFailure", &[Field(1, "violations", Kind::Message(QUOTA_VIOLATION), true)]),
    ("PreconditionFailure", &[Field(1, "violations", Kind::Message(PRECONDITION_VIOLATION), true)]),
    ("BadRequest", &[Field(1, "field_violations", Kind::Message(FIELD_VIOLATION), true)]),
    ("RequestInfo", &[text(1, "request_id"), text(2, "serving_data")]),
    (
        "ResourceInfo",
        &[
            text(1, "resource_type"),
            text(2, "resource_name"),
            text(3, "owner"),
            text(4, "description"),
        ],
    ),
    ("Help", &[Field(1, "links", Kind::Message(LINK), true)]),
    ("LocalizedMessage", LOCALIZED),
];

/// A `google.rpc.Status`.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Details {
    /// Where it is stated: 0 is not.
    pub(super) code: Option<u64>,
    pub(super) message: String,
    /// Type URLs and what is in them.
    pub(super) details: Vec<(String, Datum)>,
}

/// Reads one; `None` where the bytes are none. What a service puts there may be a
/// message of its own: one with other fields, or with a code that there is not, is not
/// taken for a status.
pub(super) fn read(bytes: &[u8]) -> Option<Details> {
    let mut status = Details::default();
    for (number, value) in walk(bytes)? {
        match (number, value) {
            // Negative codes travel as ten bytes; there are none.
            (1, Wire::Number(n)) => status.code = Some(n).filter(|n| *n <= MAX_CODE),
            (2, Wire::Bytes(b)) => status.message = std::str::from_utf8(b).ok()?.to_owned(),
            (3, Wire::Bytes(b)) if status.details.len() < MAX_DETAILS => {
                status.details.push(any(b)?);
            }
            (3, Wire::Bytes(_)) => {}
            _ => return None,
        }
        if number == 1 && status.code.is_none() {
            return None;
        }
    }
    Some(status)
}

fn any(bytes: &[u8]) -> Option<(String, Datum)> {
    let (mut url, mut value) = (String::new(), &[][..]);
    for (number, part) in walk(bytes)? {
        match (number, part) {
            (1, Wire::Bytes(b)) => url = std::str::from_utf8(b).ok()?.to_owned(),
            (2, Wire::Bytes(b)) => value = b,
            _ => return None,
        }
    }
    let name = url.rsplit('/').next().unwrap_or_default();
    let fields = name
        .strip_prefix("google.rpc.")
        .and_then(|n| KNOWN.iter().find(|(known, _)| *known == n))
        .and_then(|(_, fields)| message(value, fields));
    // What is not known stays what it is: bytes.
    Some((url, fields.unwrap_or_else(|| Datum::Bytes(value.into()))))
}

/// A message by its fields; `None` where it is not one of these.
fn message(bytes: &[u8], fields: &[Field]) -> Option<Datum> {
    let mut out: Vec<(String, Datum)> = Vec::new();
    for (number, value) in walk(bytes)? {
        let Some(Field(_, name, kind, repeated)) = fields.iter().find(|f| f.0 == number) else {
            let shown = match value {
                Wire::Number(n) => Datum::U64(n),
                Wire::Bytes(b) => Datum::Bytes(b.into()),
            };
            out.push((number.to_string(), shown));
            continue;
        };
        let Wire::Bytes(b) = value else { return None };
        let datum = match kind {
            Kind::Text => Datum::Text(std::str::from_utf8(b).ok()?.into()),
            Kind::Duration => Datum::Text(duration(b)?),
            Kind::Message(fields) => message(b, fields)?,
            Kind::Entry => {
                let entry = message(b, &[text(1, "key"), text(2, "value")])?;
                let Datum::Map(pairs) = entry else { return None };
                let of = |name: &str| {
                    let found = pairs.iter().find(|(n, _)| n.as_str() == name);
                    match found {
                        Some((_, Datum::Text(t))) => t.clone(),
                        _ => String::new(),
                    }
                };
                let pair = (of("key"), Datum::Text(of("value")));
                match out.iter_mut().find(|(n, _)| n.as_str() == *name) {
                    Some((_, Datum::Map(all))) => all.push(pair),
                    _ => out.push(((*name).into(), Datum::Map(vec![pair]))),
                }
                continue;
            }
        };
        match out.iter_mut().find(|(n, _)| n.as_str() == *name) {
            Some((_, Datum::List(all))) if *repeated => all.push(datum),
            // The last one counts.
            Some((_, old)) => *old = datum,
            None if *repeated => out.push(((*name).into(), Datum::List(vec![datum]))),
            None => out.push(((*name).into(), datum)),
        }
    }
    Some(Datum::Map(out))
}

/// `1.5s`, as `google.protobuf.Duration` is written in JSON.
fn duration(bytes: &[u8]) -> Option<String> {
    let (mut seconds, mut nanos) = (0_i64, 0_i32);
    for (number, value) in walk(bytes)? {
        match (number, value) {
            (1, Wire::Number(n)) => seconds = n.cast_signed(),
            (2, Wire::Number(n)) => nanos = n as i32,
            _ => {}
        }
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let fraction = format!("{:09}", nanos.unsigned_abs());
    let fraction = fraction.trim_end_matches('0');
    let dot = if fraction.is_empty() { "" } else { "." };
    Some(format!("{sign}{}{dot}{fraction}s", seconds.unsigned_abs()))
}

/// A value on the wire; fixed ones are numbers.
#[derive(Clone, Copy, Debug)]
enum Wire<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message in order; `None` where it is none.
fn walk(mut data: &[u8]) -> Option<Vec<(u64, Wire<'_>)>> {
    let mut out = Vec::new();
    while !data.is_empty() {
        let (tag, rest) = varint(data)?;
        let (value, rest) = match tag & 7 {
            0 => {
                let (n, rest) = varint(rest)?;
                (Wire::Number(n), rest)
            }
            2 => {
                let (len, rest) = varint(rest)?;
                let (bytes, rest) = rest.split_at_checked(usize::try_from(len).ok()?)?;
                (Wire::Bytes(bytes), rest)
            }
            kind @ (1 | 5) => {
                let (bytes, rest) = rest.split_at_checked(if kind == 1 { 8 } else { 4 })?;
                let n = bytes.iter().rev().fold(0, |n, b| n << 8 | u64::from(*b));
                (Wire::Number(n), rest)
            }
            _ => return None,
        };
        if tag >> 3 == 0 || out.len() >= MAX_FIELDS {
            return None;
        }
        out.push((tag >> 3, value));
        data = rest;
    }
    Some(out)
}

fn varint(data: &[u8]) -> Option<(u64, &[u8])> {
    let mut value = 0_u64;
    for (i, b) in data.iter().take(10).enumerate() {
        value |= u64::from(b & 0x7f).checked_shl(7 * i as u32).unwrap_or(0);
        if b & 0x80 == 0 {
            return Some((value, data.get(i + 1..)?));
        }
    }
    None
}

/// Adds a status below the open group.
pub(super) fn show(status: &Details, span: Option<crate::base::Span>, tree: &mut Tree) {
    tree.open(&fields::STATUS_DETAILS, span);
    if let Some(code) = status.code {
        tree.add(&fields::DETAILS_CODE, span, Value::U64(code));
    }
    tree.add(&fields::DETAILS_MESSAGE, span, Value::Text(status.message.as_str().into()));
    for (url, value) in &status.details {
        let line = |spec: &'static FieldSpec, tree: &mut Tree, v: Value| tree.add(spec, span, v);
        line(&fields::DETAIL_TYPE, tree, Value::Text(url.as_str().into()));
        let shown = match value {
            Datum::Bytes(b) => {
                line(&fields::DETAIL_BYTES, tree, Value::Bytes(b.as_slice().into()));
                continue;
            }
            known => known.line(LINE_CHARS),
        };
        let id = line(&fields::DETAIL, tree, Value::Text(shown.into()));
        if let Some(n) = tree.get_mut(id) {
            n.name = url.rsplit(['/', '.']).next().map(Into::into);
        }
    }
    tree.close();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(number: u8, bytes: &[u8]) -> Vec<u8> {
        [&[number << 3 | 2, bytes.len() as u8][..], bytes].concat()
    }

    fn line(kind: &str, value: &[u8]) -> String {
        let url = format!("type.googleapis.com/google.rpc.{kind}");
        let any = [put(1, url.as_bytes()), put(2, value)].concat();
        let bytes = [vec![8, 9], put(2, b"sold out"), put(3, &any)].concat();
        let status = read(&bytes).unwrap();
        assert_eq!((status.code, &*status.message), (Some(9), "sold out"));
        assert_eq!(status.details[0].0, url);
        status.details[0].1.line(500)
    }

    #[test]
    fn each_usual_detail() {
        let pair = |a: &[u8], b: &[u8]| [put(1, a), put(2, b)].concat();
        let info = [pair(b"EMPTY", b"shop"), put(3, &pair(b"k", b"v")), put(3, &pair(b"l", b"w"))];
        assert_eq!(
            line("ErrorInfo", &info.concat()),
            r#"{reason: "EMPTY", domain: "shop", metadata: {k: "v", l: "w"}}"#
        );
        let delay = put(1, &[8, 1, 16, 0x80, 0xca, 0xb5, 0xee, 1]);
        assert_eq!(line("RetryInfo", &delay), r#"{retry_delay: "1.5s"}"#);
        assert_eq!(
            line("DebugInfo", &[put(1, b"a:1"), put(1, b"b:2"), put(2, b"held")].concat()),
            r#"{stack_entries: ["a:1", "b:2"], detail: "held"}"#
        );
        for (kind, name) in [("QuotaFailure", "subject"), ("PreconditionFailure", "type")] {
            let all = put(1, &put(1, b"x"));
            assert_eq!(line(kind, &all), format!(r#"{{violations: [{{{name}: "x"}}]}}"#));
        }
        assert_eq!(
            line("BadRequest", &put(1, &pair(b"quantity", b"is 0"))),
            r#"{field_violations: [{field: "quantity", description: "is 0"}]}"#
        );
        assert_eq!(line("RequestInfo", &put(1, b"r-7")), r#"{request_id: "r-7"}"#);
        assert_eq!(line("ResourceInfo", &put(4, b"gone")), r#"{description: "gone"}"#);
        assert_eq!(
            line("Help", &put(1, &pair(b"how", b"https://x"))),
            r#"{links: [{description: "how", url: "https://x"}]}"#
        );
        assert_eq!(
            line("LocalizedMessage", &pair(b"de", b"aus")),
            r#"{locale: "de", message: "aus"}"#
        );
    }

    #[test]
    fn what_is_not_known_stays_bytes_and_what_is_none_is_none() {
        let any = put(3, &[put(1, b"type.googleapis.com/a.B"), put(2, &[1, 2])].concat());
        assert_eq!(read(&any).unwrap().details[0].1, Datum::Bytes([1, 2].into()));
        // A known type whose bytes are another's.
        let url = put(1, b"type.googleapis.com/google.rpc.Help");
        let odd = put(3, &[url, put(2, &[0xff])].concat());
        assert_eq!(read(&odd).unwrap().details[0].1, Datum::Bytes([0xff].into()));
        for bad in [
            &[0xff][..],
            &[0x12, 5, 1],
            &[3, 1],
            &[0x12, 1, 0xff],
            b"\x1a\x02\xff\xff",
            // A service's own message: a code that there is not, text for a code, a number for a
            // text, a fourth field.
            &[8, 17],
            &[10, 1, b'x'],
            &[8, 5, 16, 1],
            &[8, 5, 32, 1],
        ] {
            assert_eq!(read(bad), None, "{bad:?}");
        }
        assert_eq!(read(b""), Some(Details::default()));
    }

    proptest::proptest! {
        #[test]
        fn bytes_never_make_it_panic(data: Vec<u8>) {
            let _ = read(&data);
        }
    }
}
