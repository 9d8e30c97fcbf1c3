//! HEADERS, PUSH_PROMISE, CONTINUATION, PRIORITY (RFC 9113 §6.2, §6.3, §6.6, §6.10).

use nom::number::streaming::be_u8;

use super::{Body, BodyFault, Content, FrameHead, PADDED, PRIORITY, ask, some_bytes, unknown};
use crate::field::input::{uint, word};
use crate::field::{FieldSpec, In, Parsed, Sink, Value};
use crate::proto::http2::fields;

/// A piece of a header block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fragment<'a> {
    /// Its bytes.
    pub(crate) octets: &'a [u8],
    /// Where they begin in the frame.
    pub(crate) at: u32,
}

/// The deprecated priority of a stream (§5.3.2, RFC 7540 §5.3).
///
/// ```text
/// +-+-------------------------------------------------------------+
/// |E|                  Stream Dependency (31)                     |
/// +-+-------------+-----------------------------------------------+
/// |   Weight (8)  |
/// +-+-------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Priority {
    pub(crate) exclusive: bool,
    pub(crate) dependency: u32,
    /// 1 to 256.
    pub(crate) weight: u16,
}

/// Bytes of a priority.
const PRIORITY_LEN: usize = 5;

fn priority<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Priority> {
    let (i, ()) = ask(i, PRIORITY_LEN)?;
    let (i, w) = word(4)(i)?;
    let exclusive = w.flag(&fields::EXCLUSIVE, 0);
    let dependency = w.bits(&fields::DEPENDENCY, 1) as u32;
    let (i, weight) = uint(&fields::WEIGHT, be_u8)(i)?;
    let weight = u16::from(weight) + 1;
    i.sink().computed(&fields::WEIGHT_REAL, Value::U64(u64::from(weight)));
    Ok((i, Priority { exclusive, dependency, weight }))
}

/// PRIORITY (§6.3): a priority and nothing else.
pub(super) fn priority_frame<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Body<'a>> {
    let (i, p) = priority(i)?;
    Ok((i, Body::good(Content::Priority(p))))
}

/// A pad length, if the flag says so.
fn pad_length<'a, S: Sink + 'a>(i: In<'a, S>, head: &FrameHead) -> Parsed<'a, S, usize> {
    if !head.has(PADDED) {
        return Ok((i, 0));
    }
    let (i, n) = uint(&fields::PAD_LENGTH, be_u8)(i)?;
    Ok((i, usize::from(n)))
}

/// The fragment and its padding; `None` where the padding is too long.
fn padded<'a, S: Sink + 'a>(
    i: In<'a, S>,
    pad: usize,
    fragment: &'static FieldSpec,
    padding: &'static FieldSpec,
) -> Parsed<'a, S, Option<Fragment<'a>>> {
    let Some(n) = i.data().len().checked_sub(pad) else {
        unknown(i);
        let (rest, _) = i.split(i.data().len())?;
        return Ok((rest, None));
    };
    let at = i.at();
    let (i, octets) = some_bytes(fragment, n, i)?;
    let (i, _) = some_bytes(padding, pad, i)?;
    Ok((i, Some(Fragment { octets, at })))
}

/// HEADERS (§6.2).
///
/// ```text
/// +---------------+
/// |Pad Length? (8)|
/// +-+-------------+-----------------------------------------------+
/// |E|                 Stream Dependency? (31)                     |
/// +-+-------------+-----------------------------------------------+
/// |  Weight? (8)  |
/// +-+-------------+-----------------------------------------------+
/// |                   Header Block Fragment (*)                 ...
/// +---------------------------------------------------------------+
/// |                           Padding (*)                       ...
/// +---------------------------------------------------------------+
/// ```
pub(super) fn headers<'a, S: Sink + 'a>(i: In<'a, S>, head: &FrameHead) -> Parsed<'a, S, Body<'a>> {
    let with_priority = head.has(PRIORITY);
    let fixed = usize::from(head.has(PADDED)) + if with_priority { PRIORITY_LEN } else { 0 };
    let (i, ()) = ask(i, fixed)?;
    let (i, pad) = pad_length(i, head)?;
    let (i, priority) = if with_priority {
        let (i, p) = priority(i)?;
        (i, Some(p))
    } else {
        (i, None)
    };
    let (i, fragment) = padded(i, pad, &fields::FRAGMENT, &fields::HEADERS_PADDING)?;
    Ok((
        i,
        match fragment {
            Some(fragment) => Body::good(Content::Headers { priority, fragment }),
            None => Body::bad(Content::Unread, BodyFault::Padding),
        },
    ))
}

/// PUSH_PROMISE (§6.6).
///
/// ```text
/// +---------------+
/// |Pad Length? (8)|
/// +-+-------------+-----------------------------------------------+
/// |R|                  Promised Stream ID (31)                    |
/// +-+-----------------------------+-------------------------------+
/// |                   Header Block Fragment (*)                 ...
/// +---------------------------------------------------------------+
/// |                           Padding (*)                       ...
/// +---------------------------------------------------------------+
/// ```
pub(super) fn push_promise<'a, S: Sink + 'a>(
    i: In<'a, S>,
    head: &FrameHead,
) -> Parsed<'a, S, Body<'a>> {
    let (i, ()) = ask(i, 4 + usize::from(head.has(PADDED)))?;
    let (i, pad) = pad_length(i, head)?;
    let (i, w) = word(4)(i)?;
    w.flag(&fields::PROMISED_R, 0);
    let promised = w.bits(&fields::PROMISED, 1) as u32;
    let (i, fragment) = padded(i, pad, &fields::PUSH_FRAGMENT, &fields::PUSH_PADDING)?;
    Ok((
        i,
        match fragment {
            Some(fragment) => Body::good(Content::PushPromise { promised, fragment }),
            None => Body::bad(Content::Unread, BodyFault::Padding),
        },
    ))
}

/// CONTINUATION (§6.10): a fragment and nothing else.
pub(super) fn continuation<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Body<'a>> {
    let at = i.at();
    let (i, octets) = some_bytes(&fields::CONT_FRAGMENT, i.data().len(), i)?;
    Ok((i, Body::good(Content::Continuation(Fragment { octets, at }))))
}
