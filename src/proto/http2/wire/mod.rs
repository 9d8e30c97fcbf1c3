//! Frames over a tracked input: pure parsers that judge nothing and lose nothing.
//!
//! A payload that does not fit its type is read as far as it goes; what is left
//! is an `http2.unknown` field, and [`Body::fault`] says what is wrong.

mod control;
mod extension;
mod headers;

use nom::number::streaming::be_u8;

use crate::base::Span;
use crate::field::input::{bytes, uint, word};
use crate::field::{FieldSpec, In, Parsed, Sink, Value};
use crate::proto::http2::codes::frame;
use crate::proto::http2::fields;

pub(crate) use control::Settings;
pub(crate) use extension::origins;
pub(crate) use headers::{Fragment, Priority};

/// The client connection preface (RFC 9113 §3.4).
pub(crate) const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Bytes of a frame header (§4.1).
pub(crate) const HEAD_LEN: usize = 9;

/// END_STREAM of DATA and HEADERS; ACK of SETTINGS and PING.
pub(crate) const END_STREAM: u8 = 0x1;
/// ACK of SETTINGS and PING.
pub(crate) const ACK: u8 = 0x1;
/// END_HEADERS of HEADERS, PUSH_PROMISE and CONTINUATION.
pub(crate) const END_HEADERS: u8 = 0x4;
/// PADDED of DATA, HEADERS and PUSH_PROMISE.
pub(crate) const PADDED: u8 = 0x8;
/// PRIORITY of HEADERS.
pub(crate) const PRIORITY: u8 = 0x20;

/// A frame header (RFC 9113 §4.1).
///
/// ```text
/// +-----------------------------------------------+
/// |                 Length (24)                   |
/// +---------------+---------------+---------------+
/// |   Type (8)    |   Flags (8)   |
/// +-+-------------+---------------+-------------------------------+
/// |R|                 Stream Identifier (31)                      |
/// +=+=============================================================+
/// |                   Frame Payload (0...)                      ...
/// +---------------------------------------------------------------+
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FrameHead {
    /// Bytes of payload.
    pub(crate) length: u32,
    /// The type.
    pub(crate) kind: u8,
    /// The flags.
    pub(crate) flags: u8,
    /// The stream.
    pub(crate) stream: u32,
}

impl FrameHead {
    /// Whether all bits of `flag` are set.
    pub(crate) const fn has(&self, flag: u8) -> bool {
        self.flags & flag == flag
    }
}

/// Reads a frame header.
pub(crate) fn frame_head<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, FrameHead> {
    let (i, length) = word(3)(i)?;
    let length = length.bits(&fields::LENGTH, 0) as u32;
    let (i, kind) = uint(&fields::TYPE, be_u8)(i)?;
    let at = i.at();
    let (i, octet) = i.split(1)?;
    let flags = octet.first().copied().unwrap_or_default();
    if S::ON {
        i.sink().computed(&fields::FLAGS, Value::U64(u64::from(flags)));
        tell_flags(i.sink(), Span::bytes(i.buffer(), at, 1), kind, flags);
    }
    let (i, w) = word(4)(i)?;
    w.flag(&fields::RESERVED, 0);
    let stream = w.bits(&fields::STREAM_ID, 1) as u32;
    Ok((i, FrameHead { length, kind, flags, stream }))
}

/// The flags of a type, from the most significant bit, and what the others are.
fn flags_of(kind: u8) -> (&'static [(u8, &'static FieldSpec)], &'static FieldSpec) {
    type Defined = &'static [(u8, &'static FieldSpec)];
    const PADDED: (u8, &FieldSpec) = (4, &fields::PADDED);
    const END_HEADERS: (u8, &FieldSpec) = (5, &fields::END_HEADERS);
    const END_STREAM: (u8, &FieldSpec) = (7, &fields::END_STREAM);
    const DATA: Defined = &[PADDED, END_STREAM];
    const HEADERS: Defined = &[(2, &fields::PRIORITY_FLAG), PADDED, END_HEADERS, END_STREAM];
    const SETTINGS: Defined = &[(7, &fields::ACK_SETTINGS)];
    const PING: Defined = &[(7, &fields::ACK_PING)];
    const PUSH_PROMISE: Defined = &[PADDED, END_HEADERS];
    const CONTINUATION: Defined = &[END_HEADERS];
    match kind {
        frame::DATA => (DATA, &fields::UNUSED_DATA),
        frame::HEADERS => (HEADERS, &fields::UNUSED_HEADERS),
        frame::SETTINGS => (SETTINGS, &fields::UNUSED_SETTINGS),
        frame::PING => (PING, &fields::UNUSED_PING),
        frame::PUSH_PROMISE => (PUSH_PROMISE, &fields::UNUSED_PUSH_PROMISE),
        frame::CONTINUATION => (CONTINUATION, &fields::UNUSED_CONTINUATION),
        _ => (&[], &fields::UNUSED),
    }
}

/// Every bit of the flags, in the order of the bits; those that mean nothing in runs.
fn tell_flags<S: Sink>(sink: &S, octet: Span, kind: u8, flags: u8) {
    let (known, unused) = flags_of(kind);
    let place =
        |from: u8, bits: u8| Span::bit_field(octet.buffer, octet.start, u32::from(from), bits);
    let mut next = 0_u8;
    let run = |from: u8, to: u8| {
        if to > from {
            let v = (flags >> (8 - to)) & (0xff >> (8 - (to - from)));
            sink.field(unused, place(from, to - from), Value::U64(u64::from(v)));
        }
    };
    for (bit, spec) in known {
        run(next, *bit);
        sink.field(spec, place(*bit, 1), Value::Bool(flags & (0x80 >> bit) != 0));
        next = bit + 1;
    }
    run(next, 8);
}

/// What a payload says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content<'a> {
    /// §6.2.
    Headers { priority: Option<Priority>, fragment: Fragment<'a> },
    /// §6.3.
    Priority(Priority),
    /// §6.4: the error code.
    RstStream(u32),
    /// §6.5: the whole settings.
    Settings(Settings<'a>),
    /// §6.6.
    PushPromise { promised: u32, fragment: Fragment<'a> },
    /// §6.7.
    Ping(&'a [u8]),
    /// §6.8.
    Goaway { last: u32, error: u32, debug: &'a [u8] },
    /// §6.9: the increment.
    WindowUpdate(u32),
    /// §6.10.
    Continuation(Fragment<'a>),
    /// RFC 7838 §4.
    Altsvc { origin: &'a [u8], value: &'a [u8] },
    /// RFC 8336 §2: the whole payload; see [`origins`].
    Origin(&'a [u8]),
    /// RFC 9218 §7.1.
    PriorityUpdate { stream: u32, value: &'a [u8] },
    /// Nothing that can be read.
    Unread,
}

/// What is wrong with a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyFault {
    /// Its length does not fit its type.
    Size,
    /// Its padding is longer than what is left.
    Padding,
}

/// A payload, read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Body<'a> {
    pub(crate) content: Content<'a>,
    pub(crate) fault: Option<BodyFault>,
}

impl<'a> Body<'a> {
    const fn good(content: Content<'a>) -> Self {
        Self { content, fault: None }
    }

    const fn bad(content: Content<'a>, fault: BodyFault) -> Self {
        Self { content, fault: Some(fault) }
    }
}

/// Reads the payload of a frame that is no DATA; `i` is the whole payload.
pub(crate) fn body<'a, S: Sink + 'a>(i: In<'a, S>, head: &FrameHead) -> Body<'a> {
    let result = match head.kind {
        frame::HEADERS => headers::headers(i, head),
        frame::PUSH_PROMISE => headers::push_promise(i, head),
        frame::CONTINUATION => headers::continuation(i),
        frame::PRIORITY => headers::priority_frame(i),
        frame::RST_STREAM => control::rst_stream(i),
        frame::SETTINGS => control::settings(i),
        frame::PING => control::ping(i, head),
        frame::GOAWAY => control::goaway(i),
        frame::WINDOW_UPDATE => control::window_update(i),
        frame::ALTSVC => extension::altsvc(i),
        frame::ORIGIN => extension::origin(i),
        frame::PRIORITY_UPDATE => extension::priority_update(i),
        _ => Ok((i, Body::good(Content::Unread))),
    };
    match result {
        Ok((rest, body)) if rest.data().is_empty() => body,
        Ok((rest, body)) => {
            unknown(rest);
            // An unknown type may have any payload.
            let odd = body.content != Content::Unread;
            Body { fault: body.fault.or(odd.then_some(BodyFault::Size)), ..body }
        }
        // Each parser asks for its whole fixed part before it tells a field.
        Err(_) => {
            unknown(i);
            Body::bad(Content::Unread, BodyFault::Size)
        }
    }
}

/// What is left has no place in the type.
pub(crate) fn unknown<'a, S: Sink + 'a>(i: In<'a, S>) {
    if !i.data().is_empty() {
        let _ = bytes(&fields::UNKNOWN, i.data().len())(i);
    }
}

/// `Incomplete` unless `n` bytes are there; nothing is taken.
fn ask<'a, S: Sink + 'a>(i: In<'a, S>, n: usize) -> Parsed<'a, S, ()> {
    let (_, _) = i.split(n)?;
    Ok((i, ()))
}

/// Bytes as a field; an empty one is told nothing of.
fn some_bytes<'a, S: Sink + 'a>(
    spec: &'static FieldSpec,
    n: usize,
    i: In<'a, S>,
) -> Parsed<'a, S, &'a [u8]> {
    if n == 0 { Ok((i, &[])) } else { bytes(spec, n)(i) }
}
