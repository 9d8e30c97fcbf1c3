//! The frame (RFC 6455 §5.2).
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +-+-+-+-+-------+-+-------------+-------------------------------+
//! |F|R|R|R| opcode|M| payload len |    extended payload length    |
//! |I|S|S|S|  (4)  |A|     (7)     |            (16/64)            |
//! |N|V|V|V|       |S|             |   (if payload len == 126/127) |
//! | |1|2|3|       |K|             |                               |
//! +-+-+-+-+-------+-+-------------+ - - - - - - - - - - - - - - - +
//! |     extended payload length continued, if payload len == 127  |
//! + - - - - - - - - - - - - - - - +-------------------------------+
//! |                               | masking-key, if MASK set to 1 |
//! +-------------------------------+-------------------------------+
//! | masking-key (continued)       |          payload data         |
//! +-------------------------------- - - - - - - - - - - - - - - - +
//! ```

use nom::number::streaming::{be_u16, be_u64};

use super::fields::{
    CLOSE, CLOSE_CODE, CLOSE_REASON, CLOSE_STRAY, FIN, HEAD_CUT, MASK, MASKING_KEY, OPCODE,
    PAYLOAD, PAYLOAD_LENGTH, PAYLOAD_LENGTH_ACTUAL, PAYLOAD_LENGTH_EXT_16, PAYLOAD_LENGTH_EXT_64,
    RSV, RSV_BITS, RSV1, RSV2, RSV3, UNMASKED_PAYLOAD,
};
use super::mask::unmask;
use crate::base::{Buffer, BufferId, Origins, PieceSource, Span};
use crate::field::input::{bytes, group, uint, word};
use crate::field::{In, NoSink, Parsed, Sink, Tree, TreeSink, Value};

/// The opcodes that mean something (RFC 6455 §11.8).
pub mod opcode {
    /// More of the message that is open.
    pub const CONTINUATION: u8 = 0x0;
    /// A message of text begins.
    pub const TEXT: u8 = 0x1;
    /// A message of bytes begins.
    pub const BINARY: u8 = 0x2;
    /// The sender closes.
    pub const CLOSE: u8 = 0x8;
    /// Are you there?
    pub const PING: u8 = 0x9;
    /// I am.
    pub const PONG: u8 = 0xa;
}

/// RSV1 in [`FrameHead::rsv`].
pub const RSV1_BIT: u8 = 0b100;

/// Everything of a frame before its payload; nothing is judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FrameHead {
    /// The last frame of its message.
    pub fin: bool,
    /// The reserved bits, RSV1 the most significant of three.
    pub rsv: u8,
    /// 0 to 15.
    pub opcode: u8,
    /// The 7-bit length as it stands.
    pub length7: u8,
    /// Bytes of payload, whichever field states it; up to 2^64 - 1, as it stands.
    pub length: u64,
    /// The masking key, where MASK is set.
    pub key: Option<[u8; 4]>,
}

impl FrameHead {
    /// Bytes of the head on the wire, 2 to 14.
    #[must_use]
    pub const fn wire_len(&self) -> u8 {
        let ext = match self.length7 {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + ext + if self.key.is_some() { 4 } else { 0 }
    }

    /// Whether it is a control frame (RFC 6455 §5.5).
    #[must_use]
    pub const fn is_control(&self) -> bool {
        self.opcode & 0x8 != 0
    }

    /// The kind of the frame event.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match super::fields::opcode_name(self.opcode as u64) {
            Some(name) => name,
            None => "reserved",
        }
    }

    /// Whether the length could have been written in fewer bytes.
    #[must_use]
    pub const fn is_length_wasteful(&self) -> bool {
        match self.length7 {
            126 => self.length < 126,
            127 => self.length <= 0xffff,
            _ => false,
        }
    }
}

/// The first two bytes, the extended length and the masking key.
///
/// # Errors
/// `Incomplete` with the number of bytes that are missing.
pub fn head<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, FrameHead> {
    let (i, (fin, rsv, opcode)) = first_byte(i)?;
    let (i, w) = word(1)(i)?;
    let masked = w.flag(&MASK, 0);
    // Seven bits.
    let length7 = w.bits(&PAYLOAD_LENGTH, 1) as u8;
    let (i, length) = match length7 {
        126 => {
            let (i, n) = uint(&PAYLOAD_LENGTH_EXT_16, be_u16)(i)?;
            (i, u64::from(n))
        }
        127 => uint(&PAYLOAD_LENGTH_EXT_64, be_u64)(i)?,
        n => (i, u64::from(n)),
    };
    let (i, key) = if masked {
        let (i, k) = bytes(&MASKING_KEY, 4)(i)?;
        (i, <[u8; 4]>::try_from(k).ok())
    } else {
        (i, None)
    };
    if S::ON {
        i.sink().computed(&PAYLOAD_LENGTH_ACTUAL, Value::U64(length));
    }
    Ok((i, FrameHead { fin, rsv, opcode, length7, length, key }))
}

/// FIN, the reserved bits and the opcode.
///
/// Wireshark has the reserved bits as one number, `websocket.rsv`: it is stated
/// as a computed field, while the bits themselves are the leaves that lie on the wire.
fn first_byte<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, (bool, u8, u8)> {
    let (rest, w) = word(1)(i)?;
    let fin = w.flag(&FIN, 0);
    // Three bits of a byte.
    let rsv = (w.value() >> 4 & 0b111) as u8;
    if S::ON {
        i.sink().open(&RSV_BITS, Span::bit_field(i.buffer(), i.at(), 1, 3));
        w.flag(&RSV1, 1);
        w.flag(&RSV2, 2);
        w.flag(&RSV3, 3);
        i.sink().computed(&RSV, Value::U64(u64::from(rsv)));
        i.sink().close(rest.at());
    }
    // Four bits of a byte.
    let opcode = w.bits(&OPCODE, 4) as u8;
    Ok((rest, (fin, rsv, opcode)))
}

/// The body of a close frame (RFC 6455 §5.5.1): a status code and a reason, or
/// nothing.
///
/// # Errors
/// None: a body of one byte gives no code.
pub fn close_body<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, (Option<u16>, &'a [u8])> {
    match i.data().len() {
        0 => Ok((i, (None, &[]))),
        1 => {
            let (i, _) = bytes(&CLOSE_STRAY, 1)(i)?;
            Ok((i, (None, &[])))
        }
        n => {
            let (i, code) = uint(&CLOSE_CODE, be_u16)(i)?;
            let (i, reason) = bytes(&CLOSE_REASON, n - 2)(i)?;
            Ok((i, (Some(code), reason)))
        }
    }
}

/// A status code and a reason, without a tree.
#[must_use]
pub fn close_parts(body: &[u8]) -> (Option<u16>, &[u8]) {
    close_body(In::new(body, BufferId(0), 0, &NoSink)).map_or((None, &[]), |(_, parts)| parts)
}

/// A frame as it lies in buffers: what the tree and the layout are made from.
///
/// Both byte slices may be shorter than the frame where a limit cut them.
#[derive(Clone, Copy, Debug)]
pub struct FrameBytes<'a> {
    /// Head and payload as on the wire.
    pub wire: &'a [u8],
    /// Bytes of the frame that were captured, head included, kept or not.
    pub captured: u32,
    /// The payload without its mask.
    pub payload: &'a [u8],
}

/// The tree of a frame: spans of the head and of the payload lie in buffer 0,
/// those of an unmasked payload in buffer 1.
#[must_use]
pub fn tree(frame: FrameBytes<'_>) -> Tree {
    let sink = TreeSink::new();
    let Ok((i, h)) = head(In::new(frame.wire, BufferId(0), 0, &sink)) else {
        return sink.into_tree();
    };
    let body = frame.captured.saturating_sub(i.at());
    if body == 0 {
        return sink.into_tree();
    }
    let close = h.opcode == opcode::CLOSE;
    let (buffer, at) = if h.key.is_some() { (BufferId(1), 0) } else { (BufferId(0), i.at()) };
    if h.key.is_some() {
        sink.field(&PAYLOAD, Span::bytes(BufferId(0), i.at(), body), Value::None);
        if !close {
            sink.field(&UNMASKED_PAYLOAD, Span::bytes(buffer, at, body), Value::None);
        }
    } else if !close {
        sink.field(&PAYLOAD, Span::bytes(buffer, at, body), Value::None);
    }
    if close {
        let _ = group(&CLOSE, close_body)(In::new(frame.payload, buffer, at, &sink));
        // Where a limit cut the reason, the rest of the frame is payload all the same.
        let kept = u32::try_from(frame.payload.len()).unwrap_or(u32::MAX);
        if kept < body {
            let rest = Span::bytes(buffer, at.saturating_add(kept), body - kept);
            sink.field(
                if h.key.is_some() { &UNMASKED_PAYLOAD } else { &PAYLOAD },
                rest,
                Value::None,
            );
        }
    }
    sink.into_tree()
}

/// The span of what is left of a head that was cut short: from the end of its
/// last whole field to the end of what was captured.
pub(super) const fn cut_head(from: u32, captured: u32) -> Span {
    Span::bytes(BufferId(0), from, captured.saturating_sub(from))
}

/// One frame looked at by itself.
#[derive(Clone, Debug)]
pub struct Frame {
    /// Its head.
    pub head: FrameHead,
    /// Its fields.
    pub tree: Tree,
    /// Buffer 0 is the bytes of the frame, buffer 1 the unmasked payload where
    /// it is masked. The pieces of buffer 0 are empty: it lies in no packet.
    pub origins: Origins,
    /// The payload, unmasked and not inflated.
    pub payload: Vec<u8>,
    /// Bytes that it took from the front.
    pub len: usize,
    /// Bytes of payload that the head states and that are not there.
    pub missing: u64,
}

/// Looks at the frame at the front of `data`.
///
/// # Errors
/// The number of bytes by which the head itself is cut short.
pub fn frame(data: &[u8]) -> Result<Frame, usize> {
    let (rest, h) = match head(In::new(data, BufferId(0), 0, &NoSink)) {
        Ok((rest, h)) => (rest.data(), h),
        Err(nom::Err::Incomplete(nom::Needed::Size(n))) => return Err(n.get()),
        Err(_) => return Err(1),
    };
    let there = usize::try_from(h.length).unwrap_or(usize::MAX).min(rest.len());
    let mut payload = rest.get(..there).unwrap_or_default().to_vec();
    let len = usize::from(h.wire_len()) + there;
    let wire = data.get(..len).unwrap_or_default();
    let captured = u32::try_from(len).unwrap_or(u32::MAX);
    let mut origins = Origins::new();
    let mut b = Buffer::new("frame");
    b.len = captured;
    b.bytes = wire.to_vec();
    origins.add(b);
    if let Some(key) = h.key {
        unmask(key, 0, rest.get(..there).unwrap_or_default(), &mut payload);
        origins.add(unmasked(&h, &payload, captured - u32::from(h.wire_len())));
    }
    let tree = tree(FrameBytes { wire, captured, payload: &payload });
    Ok(Frame { head: h, tree, origins, payload, len, missing: h.length - there as u64 })
}

/// The fields of a head that is cut short: those that are there, and the beginning
/// of the next.
#[must_use]
pub fn cut_tree(data: &[u8]) -> Tree {
    let captured = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut tree = tree(FrameBytes { wire: data, captured, payload: &[] });
    let last = tree.leaves().filter_map(|n| n.span).map(|s| s.end()).max().unwrap_or(0);
    let bytes = data.get(last as usize..).unwrap_or_default();
    if !bytes.is_empty() {
        tree.add(&HEAD_CUT, Some(cut_head(last, captured)), Value::Bytes(bytes.into()));
    }
    tree
}

/// The buffer of an unmasked payload of `len` bytes, of which `payload` is kept.
pub(super) fn unmasked(h: &FrameHead, payload: &[u8], len: u32) -> Buffer {
    let mut b = Buffer::new("unmasked");
    if len > 0 {
        let from = Span::bytes(BufferId(0), u32::from(h.wire_len()), len);
        b.push(len, PieceSource::Buffer(from), true);
    }
    b.bytes = payload.to_vec();
    b
}
