//! MQTT 3.1, 3.1.1 and 5.0 over WebSocket: control packets.
//!
//! By the subprotocols `mqtt` and `mqttv3.1`, and by content where a session begins
//! with CONNECT. The version is remembered from CONNECT, since what follows has
//! another form in 5; so is how much of a packet is still to come, since packets and
//! messages need not end together (MQTT 5.0 §6.0).

pub mod fields;
mod packet;
pub mod words;

use crate::base::{BufferId, Side};
use crate::event::Detail;
use crate::field::Value;
use crate::finding::Finding;
use crate::proto::payload::common::Sheet;
use crate::proto::{Memo, PayloadDecoder, PayloadHint, Protocol};
use fields as f;
use packet::{Reader, Split};

/// The registry's line.
pub static PROTOCOL: Protocol = super::format("mqtt", "MQTT", &[f::FIELDS], f::FINDINGS);

/// The decoder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder;

/// Packets of one message that are read.
const MAX_PACKETS: usize = 1024;
/// Bits of the memo that count what is still to come of a packet, for each sender:
/// the largest remaining length has 28 (MQTT 5.0 §1.5.5).
const COUNT_BITS: u32 = 28;

/// What is remembered: the version, and for each sender how many bytes of its
/// packet are still to come.
#[derive(Clone, Copy, Debug, Default)]
struct Known {
    version: u8,
    rest: [u32; 2],
}

impl Known {
    fn of(memo: &Memo) -> Self {
        let word = memo.get("mqtt").unwrap_or_default();
        let count = |n: u32| (word >> (8 + n * COUNT_BITS)) as u32 & ((1 << COUNT_BITS) - 1);
        Self { version: word as u8, rest: [count(0), count(1)] }
    }

    fn keep(self, memo: &Memo) {
        let [a, b] = self.rest.map(u64::from);
        memo.set("mqtt", u64::from(self.version) | a << 8 | b << (8 + COUNT_BITS));
    }
}

/// A CONNECT packet: its first bytes.
fn is_connect(data: &[u8]) -> bool {
    let Some((0x10, rest)) = data.split_first() else { return false };
    let head = rest.iter().take(4).position(|b| *b < 0x80).map_or(rest.len(), |n| n + 1);
    let body = rest.get(head..).unwrap_or_default();
    matches!(
        body,
        [0, 4, b'M', b'Q', b'T', b'T', 4 | 5, ..]
            | [0, 6, b'M', b'Q', b'I', b's', b'd', b'p', 3, ..]
    )
}

impl PayloadDecoder for Decoder {
    fn demands(&self, hint: &PayloadHint<'_>) -> bool {
        hint.message.is_some_and(|m| {
            matches!(hint.media_type, "mqtt" | "mqttv3.1") || m.memo.get("mqtt").is_some()
        })
    }

    fn decode(
        &self,
        hint: &PayloadHint<'_>,
        data: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        let message = hint.message?;
        if !self.demands(hint) && (!message.binary || !is_connect(data)) {
            return None;
        }
        let mut known = Known::of(message.memo);
        known.keep(message.memo);
        if hint.media_type == "mqttv3.1" && known.version == 0 {
            known.version = 3;
        }
        let mut held = message.memo.take_held(hint.side);
        let [up, down] = &mut known.rest;
        let waiting = if hint.side == Side::Client { up } else { down };
        let told = self.demands(hint);
        if message.memo.is_lost(hint.side) {
            held.clear();
            *waiting = 0;
        }
        let before = held.len();
        held.extend_from_slice(data);
        let whole = held.as_slice();
        let sheet = Sheet::new(detail, told).behind(before);
        let mut r = Reader { data: whole, at: 0, end: whole.len(), version: known.version, sheet };
        if !message.binary {
            r.sheet.found(&f::TEXT_MESSAGE, "", 0, 0);
        }
        let mut lines: Vec<String> = Vec::new();
        let mut rest = None;
        if message.memo.is_lost(hint.side) && !packet::is_whole(whole) {
            r.rest_of(&f::REST, whole.len());
            lines.push("(not read: a message before it is missing)".to_owned());
        } else {
            message.memo.set_lost(hint.side, false);
        }
        if *waiting > 0 {
            let n = whole.len().min(*waiting as usize);
            r.rest_of(&f::CONTINUED, n);
            *waiting -= u32::try_from(n).unwrap_or(*waiting);
            lines.push(format!("({n} bytes of a packet that began before)"));
        }
        while r.at < whole.len() && lines.len() < MAX_PACKETS {
            let start = r.at;
            match r.packet() {
                Ok(line) => lines.push(line),
                Err(split) => {
                    match split {
                        Split::Held => rest = Some(start),
                        Split::Large(missing) => *waiting = missing,
                        Split::Broken => message.memo.set_lost(hint.side, true),
                    }
                    let first = whole.get(start).copied().unwrap_or_default();
                    let name = words::packet(u64::from(first >> 4)).unwrap_or("no packet");
                    lines.push(format!("(part of {name})"));
                    break;
                }
            }
        }
        known.version = r.version;
        known.keep(message.memo);
        if !lines.is_empty() {
            let line: String = lines.join("; ").chars().take(400).collect();
            r.sheet.say(hint, &format!("MQTT {line}"));
        }
        let found = r.sheet.finish();
        if told && let Some(start) = rest {
            held.drain(..start.min(held.len()));
            message.memo.hold(hint.side, held);
        }
        Some(found)
    }
}

impl Reader<'_, '_> {
    /// So many bytes that are not read; those of earlier messages are not shown again.
    fn rest_of(&mut self, spec: &'static crate::field::FieldSpec, n: usize) {
        let from = self.at;
        self.at = from.saturating_add(n).min(self.data.len());
        if self.sheet.is_seen() {
            let first = self.sheet.first_here().max(from);
            let bytes = self.data.get(first..self.at).unwrap_or_default();
            self.sheet.field(
                spec,
                packet::place(from),
                packet::place(self.at),
                Value::Bytes(bytes.into()),
            );
        }
    }
}
