//! Ids that are passed on from call to call: W3C Trace Context, B3, `grpc-trace-bin`,
//! `x-request-id`.

use crate::facts::TraceId;
use crate::proto::Headers;
use crate::proto::headers::binary;

/// Characters that are kept of an `x-request-id`: a UUID has 36.
const MAX_ID: usize = 128;

/// Lengths of the names that are looked for: most others differ in theirs.
const NAME_LENGTHS: [usize; 6] = [
    "b3".len(),
    "traceparent".len(),
    "x-b3-traceid".len(),
    "x-b3-parentspanid".len(),
    "grpc-trace-bin".len(),
    "x-b3-spanid".len(),
];

/// The longest of them.
const MAX_NAME: usize = "x-b3-parentspanid".len();

/// The ids of a request.
pub(crate) fn ids(headers: &Headers) -> Vec<TraceId> {
    let mut ids = Vec::new();
    let (mut b3_span, mut b3_parent) = (None, None);
    for (name, value, field) in headers.iter() {
        if !field.known || !NAME_LENGTHS.contains(&name.len()) {
            continue;
        }
        let mut lower = [0; MAX_NAME];
        let Some(lower) = lower.get_mut(..name.len()) else { continue };
        lower.copy_from_slice(name);
        lower.make_ascii_lowercase();
        // Binary as it is may end with what looks like white space.
        let (whole, value) = (value, value.trim_ascii());
        let id = match &*lower {
            b"traceparent" => traceparent(value),
            b"b3" => b3(value),
            b"x-b3-traceid" => trace("x-b3-traceid", value, None),
            b"x-b3-spanid" => {
                b3_span = hex(value, &[16]);
                None
            }
            b"x-b3-parentspanid" => {
                b3_parent = hex(value, &[16]);
                None
            }
            b"grpc-trace-bin" => binary(whole).and_then(|b| grpc_trace(&b)),
            b"x-request-id" if !value.is_empty() && value.len() <= MAX_ID => {
                let id = String::from_utf8_lossy(value).into();
                Some(TraceId { header: "x-request-id", id, span: None, parent: None })
            }
            _ => None,
        };
        // One of each is enough: who sends a hundred means none of them.
        ids.extend(id.filter(|i| !ids.iter().any(|o: &TraceId| o.header == i.header)));
    }
    if let Some(t) = ids.iter_mut().find(|t| t.header == "x-b3-traceid") {
        (t.span, t.parent) = (b3_span, b3_parent);
    }
    ids
}

/// `00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01` (W3C Trace Context §3.2).
fn traceparent(value: &[u8]) -> Option<TraceId> {
    let mut parts = value.split(|b| *b == b'-');
    let (version, id, span) = (parts.next()?, parts.next()?, parts.next()?);
    hex(version, &[2]).filter(|v| &**v != "ff")?;
    let _flags = parts.next()?;
    trace("traceparent", id, hex(span, &[16])).filter(|t| t.id.len() == 32)
}

/// `80f198ee56343ba864fe8b2a57d3eff7-e457b5a2e4d86bd1-1` (B3, single header); a lone
/// `0` or `d` names no trace.
fn b3(value: &[u8]) -> Option<TraceId> {
    let mut parts = value.split(|b| *b == b'-');
    let id = parts.next()?;
    let span = parts.next().and_then(|s| hex(s, &[16]));
    let _sampled = parts.next();
    let parent = parts.next().and_then(|s| hex(s, &[16]));
    Some(TraceId { parent, ..trace("b3", id, span)? })
}

/// Version 0, then fields of a number and as many bytes as that has: 0 trace, 16 bytes;
/// 1 span, 8 bytes; 2 options, 1 byte (OpenCensus, binary encoding).
fn grpc_trace(bytes: &[u8]) -> Option<TraceId> {
    let mut rest = bytes.strip_prefix(&[0])?;
    let (mut id, mut span) = (None, None);
    while let Some((field, tail)) = rest.split_first() {
        let len = match field {
            0 => 16,
            1 => 8,
            2 => 1,
            _ => break,
        };
        let (value, after) = tail.split_at_checked(len)?;
        let text: String = value.iter().map(|b| format!("{b:02x}")).collect();
        match field {
            0 => id = Some(text),
            1 => span = Some(text.into()),
            _ => {}
        }
        rest = after;
    }
    trace("grpc-trace-bin", id?.as_bytes(), span)
}

fn trace(header: &'static str, id: &[u8], span: Option<Box<str>>) -> Option<TraceId> {
    let id = hex(id, &[32, 16])?;
    // All zeros is no id (W3C Trace Context §3.2.2.3).
    id.bytes().any(|b| b != b'0').then_some(TraceId { header, id, span, parent: None })
}

/// Hex digits of one of these lengths, in lower case.
fn hex(value: &[u8], lengths: &[usize]) -> Option<Box<str>> {
    if !lengths.contains(&value.len()) || !value.iter().all(u8::is_ascii_hexdigit) {
        return None;
    }
    Some(std::str::from_utf8(value).ok()?.to_ascii_lowercase().into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(list: &[(&str, &str)]) -> Vec<(&'static str, String, Option<String>)> {
        let mut h = Headers::new();
        for (n, v) in list {
            h.push(n.as_bytes(), v.as_bytes());
        }
        ids(&h).into_iter().map(|t| (t.header, t.id.into(), t.span.map(Into::into))).collect()
    }

    const ID: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const SPAN: &str = "00f067aa0ba902b7";

    #[test]
    fn each_header_names_its_trace() {
        let both = |header| vec![(header, ID.to_owned(), Some(SPAN.to_owned()))];
        let w3c = format!("00-{}-{SPAN}-01", ID.to_uppercase());
        assert_eq!(of(&[("traceparent", &w3c)]), both("traceparent"));
        assert_eq!(of(&[("b3", &format!("{ID}-{SPAN}-1"))]), both("b3"));
        assert_eq!(of(&[("X-B3-SpanId", SPAN), ("X-B3-TraceId", ID)]), both("x-b3-traceid"));
        // 00, 00 and 16 bytes, 01 and 8 bytes, 02 and 1 byte; in base64.
        let bin = "AABL+S81d7NNpqPOkp0ODkc2AQDwZ6oLqQK3AgE";
        assert_eq!(of(&[("grpc-trace-bin", bin)]), both("grpc-trace-bin"));
        // The same as bytes, behind a zero; the last of the span is a space.
        let span: &[u8] = &[1, 0, 0xf0, 0x67, 0xaa, 0x0b, 0xa9, 0x02, 0x20];
        let id = [0x4b, 0xf9, 0x2f, 0x35, 0x77, 0xb3, 0x4d, 0xa6];
        let id = [id, [0xa3, 0xce, 0x92, 0x9d, 0x0e, 0x0e, 0x47, 0x36]].concat();
        let mut h = Headers::new();
        h.push(b"grpc-trace-bin", &[&[0, 0, 0][..], &id, span].concat());
        let found = ids(&h).pop().map(|t| (t.id, t.span));
        assert_eq!(found, Some((ID.into(), Some("00f067aa0ba90220".into()))));
        assert_eq!(of(&[("x-request-id", "r-1")]), [("x-request-id", "r-1".to_owned(), None)]);
    }

    #[test]
    fn what_names_none_is_none() {
        for (name, value) in [
            ("traceparent", "00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
            ("traceparent", "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
            ("traceparent", "00-4bf92f35-00f067aa0ba902b7-01"),
            ("traceparent", ""),
            ("b3", "0"),
            ("b3", "d"),
            ("grpc-trace-bin", "AAA"),
            ("grpc-trace-bin", "!"),
            ("x-request-id", ""),
        ] {
            assert!(of(&[(name, value)]).is_empty(), "{name}: {value}");
        }
    }

    #[test]
    fn w3c_and_b3_of_one_trace_are_the_same_and_a_request_id_is_not() {
        let id = |header| TraceId { header, id: ID.into(), span: None, parent: None };
        assert!(id("traceparent").is_same(&id("b3")));
        assert!(!id("traceparent").is_same(&id("x-request-id")));
    }
}
