//! A call known without its head: where the connection was joined in the
//! middle, the content type is an index whose insertion was not captured, or
//! the whole head is missing.

use crate::base::limits::MAX_GRPC_MESSAGE_BYTES;
use crate::base::{BufferId, Side};
use crate::field::{In, NoSink};
use crate::proto::grpc::resync::{self, Next};
use crate::proto::grpc::wire::{self, PREFIX_LEN};
use crate::proto::{Glimpse, Head, Headers, Verdict};

/// Bytes of the first message that are looked at: a tag and a length.
const LOOKED_AT: usize = 8;

const YES: Verdict = Verdict::Yes { client: None };

/// See [`Glimpse`].
pub(super) fn glimpse(g: &Glimpse<'_>) -> Verdict {
    match g {
        Glimpse::Head(head, _) => by_head(head),
        Glimpse::Body { data, last, begun } => match by_body(data, *last) {
            Verdict::No if !begun => match resync::find(data, true, *last) {
                Next::At(_) => YES,
                Next::Undecided => Verdict::More,
                Next::Behind(_) => Verdict::No,
            },
            verdict => verdict,
        },
        Glimpse::Trailers(head) => {
            if names(head.headers, b"grpc-status") {
                YES
            } else {
                Verdict::No
            }
        }
    }
}

fn names(headers: &Headers, name: &[u8]) -> bool {
    headers.iter().any(|(n, _, _)| n.eq_ignore_ascii_case(name))
}

/// A head that may be gRPC's once its unknown fields are known.
fn by_head(head: &Head<'_>) -> Verdict {
    let may_be = |name: &str, value: &[u8]| {
        head.headers
            .iter()
            .filter(|(n, _, f)| f.known && n.eq_ignore_ascii_case(name.as_bytes()))
            .all(|(_, v, _)| v == value)
    };
    let unknown = head.headers.iter().any(|(_, _, f)| !f.known);
    let told =
        head.headers.iter().any(|(n, _, f)| f.known && n.eq_ignore_ascii_case(b"content-type"));
    if !unknown || told || !may_be(":method", b"POST") || !may_be(":status", b"200") {
        return Verdict::No;
    }
    match (head.end, head.side) {
        // Trailers alone.
        (true, Side::Server) if names(head.headers, b"grpc-status") => YES,
        (true, _) => Verdict::No,
        (false, _) => Verdict::More,
    }
}

/// A prefix, and behind it a message as one of the usual codecs begins it.
pub(super) fn by_body(data: &[u8], last: bool) -> Verdict {
    if data.first().is_some_and(|flag| *flag > 1) {
        return Verdict::No;
    }
    let more = if last { Verdict::No } else { Verdict::More };
    let Ok((rest, prefix)) = wire::prefix(In::new(data, BufferId(0), 0, &NoSink)) else {
        return more;
    };
    let length = prefix.length as usize;
    if length > MAX_GRPC_MESSAGE_BYTES {
        return Verdict::No;
    }
    let message = rest.data();
    if !last && message.len() < length.min(LOOKED_AT) {
        return more;
    }
    debug_assert!(data.len() >= PREFIX_LEN);
    let message = message.get(..length.min(LOOKED_AT)).unwrap_or(message);
    let plausible = match (prefix.flag, length) {
        (0, 0) => true,
        (0, _) => json(message) || protobuf(message, length),
        (_, 0) => false,
        _ => compressed(message),
    };
    if plausible { YES } else { Verdict::No }
}

pub(super) fn json(message: &[u8]) -> bool {
    matches!(message.first(), Some(b'{' | b'['))
}

/// gzip, zlib, Zstandard, framed Snappy.
pub(super) fn compressed(message: &[u8]) -> bool {
    let begins: [&[u8]; 4] =
        [&[0x1f, 0x8b, 8], &[0x78], &[0x28, 0xb5, 0x2f, 0xfd], &[0xff, 6, 0, 0]];
    begins.iter().any(|b| message.starts_with(b))
}

/// A tag whose value has room in the message.
fn protobuf(message: &[u8], length: usize) -> bool {
    let Some((tag, n)) = varint(message) else { return false };
    let room = length.saturating_sub(n) as u64;
    let value = message.get(n..).unwrap_or_default();
    if tag >> 3 == 0 || tag >> 3 > 0x1fff_ffff {
        return false;
    }
    match tag & 7 {
        0 => room >= 1 && (varint(value).is_some() || room > value.len() as u64),
        1 => room >= 8,
        2 => match varint(value) {
            Some((len, n)) => len.saturating_add(n as u64) <= room,
            None => room > value.len() as u64,
        },
        // A group: another field, or its end.
        3 => match varint(value) {
            Some((inner, _)) if inner & 7 == 4 => inner >> 3 == tag >> 3,
            Some((inner, _)) => inner >> 3 != 0 && inner & 7 <= 5,
            None => room > value.len() as u64,
        },
        5 => room >= 4,
        _ => false,
    }
}

/// A base-128 number of at most 64 bits and its bytes, ten at most; `None` where it is cut
/// or longer.
pub(super) fn varint(data: &[u8]) -> Option<(u64, usize)> {
    let mut value = 0_u64;
    for (i, b) in data.iter().take(10).enumerate() {
        if i == 9 && *b > 1 {
            return None;
        }
        value |= u64::from(b & 0x7f) << (7 * i);
        if b & 0x80 == 0 {
            return Some((value, i + 1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(data: &[u8]) -> Verdict {
        by_body(data, false)
    }

    #[test]
    fn a_prefix_and_a_field_are_a_message() {
        assert_eq!(body(b"\0\0\0\0\x42\x0a\x05Jason\x10"), YES);
        assert_eq!(body(b"\0\0\0\0\x42\x0a\x05Ja"), Verdict::More);
        assert_eq!(body(b"\0\0\0\0\0"), YES);
        assert_eq!(body(b"\0\0"), Verdict::More);
        assert_eq!(by_body(b"\0\0", true), Verdict::No);
        assert_eq!(body(b"\x01\0\0\0\x20\x1f\x8b\x08\0\0\0\0\0"), YES);
        // A negative number, and a group.
        assert_eq!(body(b"\0\0\0\0\x0b\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), YES);
        assert_eq!(body(b"\0\0\0\0\x04\x0b\x10\x07\x0c"), YES);
        assert_eq!(body(b"\0\0\0\0\x02\x0b\x14"), Verdict::No);
        // MP4, HTML, and a length-delimited field that does not fit.
        assert_eq!(body(b"\0\0\0\x20ftypisom\0\0"), Verdict::No);
        assert_eq!(body(b"<html>"), Verdict::No);
        assert_eq!(body(b"\0\0\0\0\x03\x0a\x05J"), Verdict::No);
    }
}
