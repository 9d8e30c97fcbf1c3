//! RST_STREAM, SETTINGS, PING, GOAWAY, WINDOW_UPDATE (RFC 9113 §6.4, §6.5, §6.7 to §6.9).

use nom::number::streaming::{be_u16, be_u32};

use super::{ACK, Body, BodyFault, Content, FrameHead, ask, some_bytes};
use crate::field::input::{group, uint, word};
use crate::field::{FieldSpec, In, Parsed, Sink};
use crate::proto::http2::fields;

/// RST_STREAM (§6.4).
///
/// ```text
/// +---------------------------------------------------------------+
/// |                        Error Code (32)                        |
/// +---------------------------------------------------------------+
/// ```
pub(super) fn rst_stream<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Body<'a>> {
    let (i, code) = uint(&fields::RST_ERROR, be_u32)(i)?;
    Ok((i, Body::good(Content::RstStream(code))))
}

/// The settings of a frame, as they lie there: six bytes each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Settings<'a>(pub(crate) &'a [u8]);

impl<'a> Settings<'a> {
    /// Identifiers and values in order; a rest of fewer than six bytes is left out.
    pub(crate) fn iter(self) -> impl Iterator<Item = (u16, u32)> + 'a {
        let (whole, _) = self.0.as_chunks::<6>();
        whole.iter().map(|[a, b, c, d, e, f]| {
            (u16::from_be_bytes([*a, *b]), u32::from_be_bytes([*c, *d, *e, *f]))
        })
    }
}

/// The field that a setting's value is.
const fn setting_spec(id: u16) -> &'static FieldSpec {
    match id {
        1 => &fields::SET_TABLE,
        2 => &fields::SET_PUSH,
        3 => &fields::SET_STREAMS,
        4 => &fields::SET_WINDOW,
        5 => &fields::SET_FRAME,
        6 => &fields::SET_LIST,
        8 => &fields::SET_CONNECT,
        9 => &fields::SET_NO_PRIORITIES,
        _ => &fields::SET_UNKNOWN,
    }
}

/// SETTINGS (§6.5.1).
///
/// ```text
/// +-------------------------------+
/// |       Identifier (16)         |
/// +-------------------------------+-------------------------------+
/// |                        Value (32)                             |
/// +---------------------------------------------------------------+
///                               ...
/// ```
pub(super) fn settings<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Body<'a>> {
    let all = Settings(i.data());
    let mut i = i;
    while i.data().len() >= 6 {
        let (rest, ()) = group(&fields::SETTING, |i| {
            let (i, id) = uint(&fields::SETTING_ID, be_u16)(i)?;
            let (i, _) = uint(setting_spec(id), be_u32)(i)?;
            Ok((i, ()))
        })(i)?;
        i = rest;
    }
    Ok((i, Body::good(Content::Settings(all))))
}

/// PING (§6.7).
///
/// ```text
/// +---------------------------------------------------------------+
/// |                      Opaque Data (64)                         |
/// +---------------------------------------------------------------+
/// ```
pub(super) fn ping<'a, S: Sink + 'a>(i: In<'a, S>, head: &FrameHead) -> Parsed<'a, S, Body<'a>> {
    let spec = if head.has(ACK) { &fields::PONG } else { &fields::PING };
    let n = i.data().len().min(8);
    let (i, data) = some_bytes(spec, n, i)?;
    let content = Content::Ping(data);
    Ok((i, if n < 8 { Body::bad(content, BodyFault::Size) } else { Body::good(content) }))
}

/// GOAWAY (§6.8).
///
/// ```text
/// +-+-------------------------------------------------------------+
/// |R|                  Last-Stream-ID (31)                        |
/// +-+-------------------------------------------------------------+
/// |                      Error Code (32)                          |
/// +---------------------------------------------------------------+
/// |                  Additional Debug Data (*)                    |
/// +---------------------------------------------------------------+
/// ```
pub(super) fn goaway<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Body<'a>> {
    let (i, ()) = ask(i, 8)?;
    let (i, w) = word(4)(i)?;
    w.flag(&fields::GOAWAY_R, 0);
    let last = w.bits(&fields::GOAWAY_LAST, 1) as u32;
    let (i, error) = uint(&fields::GOAWAY_ERROR, be_u32)(i)?;
    let (i, debug) = some_bytes(&fields::GOAWAY_DEBUG, i.data().len(), i)?;
    Ok((i, Body::good(Content::Goaway { last, error, debug })))
}

/// WINDOW_UPDATE (§6.9).
///
/// ```text
/// +-+-------------------------------------------------------------+
/// |R|              Window Size Increment (31)                     |
/// +-+-------------------------------------------------------------+
/// ```
pub(super) fn window_update<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Body<'a>> {
    let (i, w) = word(4)(i)?;
    w.flag(&fields::WINDOW_R, 0);
    let increment = w.bits(&fields::INCREMENT, 1) as u32;
    Ok((i, Body::good(Content::WindowUpdate(increment))))
}
