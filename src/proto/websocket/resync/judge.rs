//! What a head and its payload say in favour of a frame, in bits.

use super::chain::{Piece, Place, Stamp, Turn};
use super::{Compression, LONG, LONGEST, LOOK, NOT_UTF8, Style, TRIAL, TRIAL_OUTPUT, TRIAL_STEP};
use crate::base::BufferId;
use crate::field::{In, NoSink};
use crate::proto::websocket::fields::opcode_name;
use crate::proto::websocket::inflate::Inflater;
use crate::proto::websocket::mask::unmask;
use crate::proto::websocket::wire::{self, FrameHead, opcode};

/// What stands at a place.
pub(super) fn look(
    piece: Piece<'_>,
    at: usize,
    bonus: f32,
    style: &Style,
    trials: &mut usize,
) -> Place {
    let data = piece.data.get(at..).unwrap_or_default();
    let [first, ..] = *data else { return Place::Nothing };
    let Some(mut bits) = style.habits.bits(first) else { return Place::Nothing };
    bits += bonus;
    let rsv1 = first & 0x40 != 0;
    if rsv1 && style.compression == Compression::No {
        return Place::Nothing;
    }
    let (fin, op) = (first & 0x80 != 0, first & 0x0f);
    let turn = match op {
        opcode::CONTINUATION => Turn::Go(!fin),
        opcode::TEXT | opcode::BINARY => Turn::Begin(!fin),
        _ => Turn::Aside,
    };
    let Some(second) = data.get(1) else { return Place::Open(bits, turn) };
    if (second & 0x80 != 0) != style.masked {
        return Place::Nothing;
    }
    let length7 = second & 0x7f;
    let control = op & 8 != 0;
    if control && length7 > 125 {
        return Place::Nothing;
    }
    // A clear bit is common in everything else, a set one is not.
    if style.masked {
        bits += 1.0;
    }
    let Ok((rest, head)) = wire::head(In::new(data, BufferId(0), 0, &NoSink)) else {
        return Place::Open(bits, turn);
    };
    if head.is_length_wasteful() || head.length > LONGEST || opcode_name(u64::from(op)).is_none() {
        return Place::Nothing;
    }
    bits += match length7 {
        126 => 8.0,
        127 if head.length <= LONG => 30.0,
        // Numbers have as many zeros.
        127 => 12.0,
        // Empty: nothing to say, in most cases.
        0 if !fin => -6.0,
        0 if control => 4.0,
        _ => 0.0,
    };
    let rest = rest.data();
    let len = usize::try_from(head.length).unwrap_or(usize::MAX);
    let whole = len <= rest.len();
    let body = rest.get(..len).unwrap_or(rest);
    // Nothing comes behind it.
    let last = piece.last && whole && len == rest.len();
    bits += content(&head, body, (whole, last), style, trials);
    let end = piece.data.len() - rest.len() + len.min(rest.len());
    if whole {
        Place::Frame(bits, turn, end, Stamp::of(&head, body))
    } else {
        // Cut by what comes next.
        Place::Open(if piece.last { bits - 6.0 } else { bits }, turn)
    }
}

/// Bits in favour of a payload.
pub(super) fn content(
    head: &FrameHead,
    body: &[u8],
    (whole, last): (bool, bool),
    style: &Style,
    trials: &mut usize,
) -> f32 {
    let shown = |most: usize| {
        let sent = body.get(..most).unwrap_or(body);
        let mut plain = Vec::new();
        match head.key {
            Some(key) => unmask(key, 0, sent, &mut plain),
            None => plain.extend_from_slice(sent),
        }
        plain
    };
    // Bytes that were not masked may be text of whatever message they are in: that
    // they are text says less.
    let (share, most) = if style.masked { (1.0, 48.0) } else { (0.4, 20.0) };
    let judged = |plain: &[u8], cut| text(plain, cut).map(|bits| (bits * share).clamp(-40.0, most));
    match head.opcode {
        _ if head.rsv != 0 => {
            if !head.fin || !whole || body.len() > TRIAL {
                return 0.0;
            }
            let Some(left) = trials.checked_sub(body.len()) else { return 0.0 };
            *trials = left;
            match inflates(&shown(TRIAL)) {
                Some(true) => (body.len() as f32 * 2.0).min(40.0),
                Some(false) if style.compression == Compression::Alone => -8.0,
                _ => 0.0,
            }
        }
        opcode::TEXT => {
            let plain = shown(LOOK);
            let cut = plain.len() < body.len() || !whole || !head.fin;
            judged(&plain, cut).unwrap_or(NOT_UTF8)
        }
        opcode::BINARY if style.masked => {
            let plain = shown(LOOK);
            match judged(&plain, true) {
                // Text, though nothing says so.
                Some(bits) if bits > 12.0 => (bits / 2.0).min(16.0),
                _ => 0.0,
            }
        }
        // Of a message of text or of bytes, and from the middle of a character on.
        opcode::CONTINUATION => {
            let plain = shown(LOOK);
            let inner = plain.iter().take(3).take_while(|b| **b & 0xc0 == 0x80).count();
            let begun = plain.get(inner..).unwrap_or_default();
            match judged(begun, true) {
                Some(bits) if bits > 0.0 => bits,
                _ => 0.0,
            }
        }
        // Programs send few bytes, or a short text.
        opcode::PING | opcode::PONG if head.length > 0 => {
            let plain = shown(LOOK);
            let said = text(&plain, !whole || plain.len() < body.len());
            match (said, head.length) {
                (Some(bits), _) if bits > 0.0 => {
                    bits.min(10.0) - if head.length > 64 { 4.0 } else { 0.0 }
                }
                (_, ..=8) => 0.0,
                (_, ..=32) => -4.0,
                _ => -9.0,
            }
        }
        opcode::CLOSE => {
            let plain = shown(128);
            match (plain.as_slice(), whole) {
                ([], _) => 0.0,
                ([_], true) => -10.0,
                ([a, b, reason @ ..], _) => {
                    // It comes last, and then it is no rare frame.
                    let known = matches!(u16::from_be_bytes([*a, *b]), 1000..=1014);
                    let ends = match (last, known) {
                        // Just one place leads to the very end with a code that is one.
                        (true, true) => 7.5,
                        (true, false) => 3.5,
                        (false, _) => 0.0,
                    };
                    let said = judged(reason, !whole).unwrap_or(-10.0);
                    ends + said
                        + match u16::from_be_bytes([*a, *b]) {
                            1000 => 15.0,
                            1001..=1014 => 12.0,
                            3000..=4999 => 5.0,
                            _ => -10.0,
                        }
                }
                _ => 0.0,
            }
        }
        _ => 0.0,
    }
}

/// Bits in favour of a text; `None` where it is none. With `cut` its last character
/// may be cut short.
fn text(data: &[u8], cut: bool) -> Option<f32> {
    let good = match std::str::from_utf8(data) {
        Ok(_) => data,
        Err(e) if cut && e.error_len().is_none() => data.get(..e.valid_up_to())?,
        Err(_) => return None,
    };
    // Control characters are what becomes of text under a wrong key.
    Some(good.iter().fold(0.0, |bits, b| match b {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b' ' | b'"' => bits + 1.8,
        b'\t' | b'\n' | b'\r' => bits + 0.8,
        b if b.is_ascii_control() => bits - 4.0,
        _ => bits + 0.8,
    }))
}

/// Whether it is a whole compressed message that refers to nothing before it; `None`
/// where that would be much.
fn inflates(data: &[u8]) -> Option<bool> {
    let mut i = Inflater::new(false);
    i.begin(false);
    let mut made = 0_usize;
    for part in data.chunks(TRIAL_STEP) {
        if i.feed(part, &mut |b| made = made.saturating_add(b.len())).is_err() {
            return Some(false);
        }
        if made > TRIAL_OUTPUT {
            return None;
        }
    }
    Some(i.finish(true, &mut |_| {}).is_ok())
}
