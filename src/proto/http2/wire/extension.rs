//! ALTSVC (RFC 7838 §4), ORIGIN (RFC 8336 §2), PRIORITY_UPDATE (RFC 9218 §7.1).

use nom::number::streaming::be_u16;

use super::{Body, BodyFault, Content, some_bytes};
use crate::base::BufferId;
use crate::field::input::{group, uint, word};
use crate::field::{In, NoSink, Parsed, Sink};
use crate::proto::http2::fields;

/// ALTSVC.
///
/// ```text
/// +-------------------------------+-------------------------------+
/// |         Origin-Len (16)       | Origin? (*)                 ...
/// +-------------------------------+-------------------------------+
/// |                   Alt-Svc-Field-Value (*)                   ...
/// +---------------------------------------------------------------+
/// ```
pub(super) fn altsvc<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Body<'a>> {
    let (i, n) = uint(&fields::ALTSVC_LEN, be_u16)(i)?;
    let n = usize::from(n);
    if n > i.data().len() {
        super::unknown(i);
        let (rest, _) = i.split(i.data().len())?;
        return Ok((rest, Body::bad(Content::Unread, BodyFault::Size)));
    }
    let (i, origin) = some_bytes(&fields::ALTSVC_ORIGIN, n, i)?;
    let (i, value) = some_bytes(&fields::ALTSVC_VALUE, i.data().len(), i)?;
    Ok((i, Body::good(Content::Altsvc { origin, value })))
}

/// ORIGIN: any number of entries.
///
/// ```text
/// +-------------------------------+-------------------------------+
/// |         Origin-Len (16)       | ASCII-Origin? (*)           ...
/// +-------------------------------+-------------------------------+
/// ```
pub(super) fn origin<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Body<'a>> {
    let all = i.data();
    let mut i = i;
    while let Some(n) = entry_len(i.data()) {
        let (rest, _) = group(&fields::ORIGIN_ENTRY, |i| {
            let (i, _) = uint(&fields::ORIGIN_LEN, be_u16)(i)?;
            some_bytes(&fields::ORIGIN, n, i)
        })(i)?;
        i = rest;
    }
    Ok((i, Body::good(Content::Origin(all))))
}

/// Length of the origin that an entry holds, if the whole entry is there.
fn entry_len(data: &[u8]) -> Option<usize> {
    let (n, rest) = data.split_first_chunk::<2>()?;
    let n = usize::from(u16::from_be_bytes(*n));
    (n <= rest.len()).then_some(n)
}

/// The origins of an ORIGIN frame.
pub(crate) fn origins(payload: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut i = In::new(payload, BufferId(0), 0, &NoSink);
    std::iter::from_fn(move || {
        let n = entry_len(i.data())?;
        let (rest, _) = i.split(2).ok()?;
        let (rest, origin) = rest.split(n).ok()?;
        i = rest;
        Some(origin)
    })
}

/// PRIORITY_UPDATE.
///
/// ```text
/// +-+-------------------------------------------------------------+
/// |R|              Prioritized Stream ID (31)                     |
/// +-+-------------------------------------------------------------+
/// |                   Priority Field Value (*)                  ...
/// +---------------------------------------------------------------+
/// ```
pub(super) fn priority_update<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Body<'a>> {
    let (i, w) = word(4)(i)?;
    w.flag(&fields::UPDATE_R, 0);
    let stream = w.bits(&fields::UPDATE_STREAM, 1) as u32;
    let (i, value) = some_bytes(&fields::UPDATE_VALUE, i.data().len(), i)?;
    Ok((i, Body::good(Content::PriorityUpdate { stream, value })))
}
