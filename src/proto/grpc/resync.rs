//! Finding the next message behind bytes that were not captured.
//!
//! Libraries begin most messages in a DATA frame of their own, so the first byte that
//! comes behind the missing ones is tried before all others, and believed by less.

use crate::base::BufferId;
use crate::base::limits::MAX_GRPC_MESSAGE_BYTES;
use crate::field::{In, NoSink};
use crate::proto::grpc::glimpse::{compressed, json, varint};
use crate::proto::grpc::wire::{self, PREFIX_LEN};

/// Bytes that are searched in one go: a message behind more, or longer, is found only
/// where it is the first.
const SOUGHT: usize = 256 << 10;
/// Bytes of a long message that are looked at: many fields, or one that is long.
const LOOKED_AT: usize = 256;

/// Groups within each other: a message with more is none.
const GROUPS: usize = 16;

/// Where the next message begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// So many bytes belong to what was cut off.
    At(usize),
    /// More is needed.
    Undecided,
    /// None begins in so many first bytes.
    Behind(usize),
}

/// What the bytes at one place are.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Is {
    /// No message.
    Other,
    /// A message, of so many bytes with its prefix; whether all of it was read.
    Message(usize, bool),
    /// Not known yet.
    Unknown,
}

/// Finds the next message. The earliest place that is not refuted decides, so that it
/// does not depend on how the bytes come.
pub(super) fn find(data: &[u8], first: bool, last: bool) -> Next {
    let full = data.len() >= SOUGHT;
    let decided = full || last;
    let data = data.get(..SOUGHT).unwrap_or(data);
    // Every message begins with a flag.
    for at in memchr::memchr2_iter(0, 1, data) {
        let rest = data.get(at..).unwrap_or_default();
        let (whole, read) = match message(rest) {
            Is::Other => continue,
            Is::Unknown if decided => continue,
            Is::Unknown => return Next::Undecided,
            Is::Message(whole, read) => (whole, read),
        };
        if first && at == 0 {
            // An empty message is five zeros, as are many other bytes.
            match rest.get(whole..) {
                _ if whole > PREFIX_LEN => return Next::At(at),
                Some([]) if last => return Next::At(at),
                Some(next) => match message(next) {
                    Is::Message(n, _) if n > PREFIX_LEN => return Next::At(at),
                    Is::Unknown if !decided => return Next::Undecided,
                    _ => {}
                },
                None => {}
            }
        }
        // Elsewhere it must be sound to its end, and another must follow; zeros are none.
        if whole == PREFIX_LEN {
            continue;
        }
        match rest.get(whole..) {
            Some([]) if last && read => return Next::At(at),
            Some(next) if read => match message(next) {
                Is::Other => {}
                Is::Unknown if decided => {}
                Is::Unknown => return Next::Undecided,
                Is::Message(..) => return Next::At(at),
            },
            None if !decided => return Next::Undecided,
            _ => {}
        }
    }
    match (last, full) {
        (true, _) => Next::Behind(data.len()),
        (_, true) => Next::Behind(data.len().saturating_sub(PREFIX_LEN - 1)),
        _ => Next::Undecided,
    }
}

/// Reads the front of `data` as a message.
pub(super) fn message(data: &[u8]) -> Is {
    if data.first().is_some_and(|flag| *flag > 1) || data.get(1).is_some_and(|b| *b > 0) {
        return Is::Other;
    }
    let Ok((rest, prefix)) = wire::prefix(In::new(data, BufferId(0), 0, &NoSink)) else {
        return Is::Unknown;
    };
    let length = prefix.length as usize;
    if length > MAX_GRPC_MESSAGE_BYTES {
        return Is::Other;
    }
    let is_whole = rest.data().len() >= length;
    let body = rest.data().get(..length).unwrap_or(rest.data());
    if !is_whole && body.len() < LOOKED_AT {
        return Is::Unknown;
    }
    let fits = match (prefix.flag, length) {
        (0, 0) => true,
        (0, _) => json(body) || fields(body, length),
        (_, n) => n > 0 && compressed(body),
    };
    if fits { Is::Message(PREFIX_LEN + length, is_whole) } else { Is::Other }
}

/// Whether bytes are protobuf fields from front to back: those of a message of `length`
/// bytes, of which more may be to come.
fn fields(mut data: &[u8], length: usize) -> bool {
    let beyond = length.saturating_sub(data.len());
    let is_cut = beyond > 0;
    // The numbers of the groups that are open.
    let mut groups = [0_u64; GROUPS];
    let mut open = 0_usize;
    while !data.is_empty() {
        let Some((tag, n)) = varint(data) else { return is_cut };
        data = data.get(n..).unwrap_or_default();
        if tag >> 3 == 0 || tag >> 3 > 0x1fff_ffff {
            return false;
        }
        let size = match tag & 7 {
            0 => match varint(data) {
                Some((_, n)) => n,
                // Ten bytes are the longest.
                None => return is_cut && data.len() < 10,
            },
            1 => 8,
            2 => match varint(data) {
                Some((len, n)) => usize::try_from(len).unwrap_or(usize::MAX).saturating_add(n),
                None => return is_cut && data.len() < 10,
            },
            5 => 4,
            3 => {
                let Some(group) = groups.get_mut(open) else { return false };
                *group = tag >> 3;
                open += 1;
                0
            }
            4 => {
                open = match open.checked_sub(1) {
                    Some(n) if groups.get(n) == Some(&(tag >> 3)) => n,
                    _ => return false,
                };
                0
            }
            _ => return false,
        };
        match data.get(size..) {
            Some(rest) => data = rest,
            None => return size.saturating_sub(data.len()) <= beyond,
        }
    }
    is_cut || open == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: &[u8] = b"\0\0\0\0\x07\x0a\x05Jason";

    /// The first that is not `Undecided` for a beginning is that of everything.
    fn steady(data: &[u8], first: bool) -> Next {
        let whole = find(data, first, false);
        let early = (0..=data.len()).map(|n| find(&data[..n], first, false));
        let early = early.into_iter().find(|n| *n != Next::Undecided);
        assert_eq!(early.unwrap_or(Next::Undecided), whole);
        whole
    }

    #[test]
    fn the_first_byte_is_believed_by_its_message() {
        assert_eq!(steady(ONE, true), Next::At(0));
        assert_eq!(steady(ONE, false), Next::Undecided);
        assert_eq!(find(ONE, false, true), Next::At(0));
    }

    /// A negative number is ten bytes long, and a group of proto2 has no length.
    #[test]
    fn negative_numbers_and_groups_are_fields() {
        let read = |body: &[u8]| {
            let length = [0, 0, 0, 0, u8::try_from(body.len()).unwrap()];
            let data = [&length, body].concat();
            message(&data) == Is::Message(data.len(), true)
        };
        let minus = b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01";
        assert!(read(minus) && read(&[&minus[..], b"\x10\x07"].concat()));
        assert!(!read(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"), "longer than any");
        assert!(!read(b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"), "more than 64 bits");
        assert!(read(b"\x0b\x10\x07\x13\x14\x0c\x18\x01"));
        assert!(!read(b"\x0b\x10\x07"), "never closed");
        assert!(!read(b"\x0b\x10\x07\x14"), "closed by another's end");
        assert!(!read(b"\x10\x07\x0c"), "not open");
        assert!(!read(&[0x0b; 40]));
        // The end of a long message is still to come.
        let long = [&b"\0\0\0\x01\x90\x0b"[..], &minus.repeat(30)].concat();
        assert!(message(&long) == Is::Message(405, false));
    }

    #[test]
    fn behind_the_rest_of_another_two_are_needed() {
        let rest = b"son\x10\0\0\0\0\0\0";
        let two = [rest, ONE, ONE].concat();
        assert_eq!(steady(&two, true), Next::At(rest.len()));
        let one = [rest.as_slice(), ONE].concat();
        assert_eq!(find(&one, true, true), Next::At(rest.len()));
        // Nothing but zeros is no message, nor is one that does not end with its fields.
        assert_eq!(find(&[0; 40], false, true), Next::Behind(40));
        assert_eq!(find(b"xx\0\0\0\0\x07\x0a\x06Jason", false, true), Next::Behind(14));
        assert_eq!(find(&[7; SOUGHT], true, false), Next::Behind(SOUGHT - 4));
    }
}
