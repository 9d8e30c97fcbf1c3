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
use packet::Reader;

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
        let mut r = Reader {
            data,
            at: 0,
            end: data.len(),
            version: known.version,
            sheet: Sheet::new(detail, self.demands(hint)),
        };
        if !message.binary {
            r.sheet.found(&f::TEXT_MESSAGE, "", 0, 0);
        }
        let mut lines: Vec<String> = Vec::new();
        let [up, down] = &mut known.rest;
        let waiting = if hint.side == Side::Client { up } else { down };
        if *waiting > 0 {
            let n = data.len().min(*waiting as usize);
            r.rest_of(&f::CONTINUED, n);
            *waiting -= u32::try_from(n).unwrap_or(*waiting);
            lines.push(format!("({n} bytes of a packet that began before)"));
        }
        while r.at < data.len() && lines.len() < MAX_PACKETS {
            match r.packet() {
                Ok(line) => lines.push(line),
                Err(missing) => {
                    lines.push(match missing {
                        Some(n) => {
                            *waiting = n;
                            format!("(begins a packet, {n} bytes to come)")
                        }
                        None => "(not read)".to_owned(),
                    });
                    break;
                }
            }
        }
        known.version = r.version;
        known.keep(message.memo);
        if !lines.is_empty() {
            r.sheet.say(
                hint,
                &format!("MQTT {}", lines.join("; ")).chars().take(400).collect::<String>(),
            );
        }
        Some(r.sheet.finish())
    }
}

impl Reader<'_, '_> {
    /// So many bytes that are not read.
    fn rest_of(&mut self, spec: &'static crate::field::FieldSpec, n: usize) {
        let from = self.at;
        self.at = from.saturating_add(n).min(self.data.len());
        if self.sheet.is_seen() {
            let bytes = self.data.get(from..self.at).unwrap_or_default();
            self.sheet.field(
                spec,
                packet::place(from),
                packet::place(self.at),
                Value::Bytes(bytes.into()),
            );
        }
    }
}
