//! The bytes of an event under its line (`-x`): what was on the wire, and what
//! was made of it.
//!
//! Events map their bytes to packets and do not hold them. The packets that came
//! last are kept for that: whole batches, which are shared anyway, up to a bound,
//! and no file is read twice nor anything written. What began before them is
//! shown from where they begin, and is said to.

use std::collections::VecDeque;
use std::fmt::Write;

use crate::base::limits::RECENT_BYTES;
use crate::base::{BufferId, Origins, PacketId, PacketRange, Span};
use crate::capture::{Batch, Packet};
use crate::event::{Event, Level};
use crate::view::hex;

const INDENT: &str = "      ";

/// What the offsets in a buffer count from: bytes on the wire are those of the frame or the
/// message alone, not of the whole TCP stream.
#[must_use]
pub const fn counted_from(label: &'static str, level: Level) -> &'static str {
    match (label.as_bytes(), level) {
        (b"TCP stream", Level::Frame) => "the frame",
        (b"TCP stream", Level::Message) => "the message",
        (b"TCP stream", Level::Exchange) => "the exchange",
        _ => label,
    }
}

/// The packets that came last.
#[derive(Debug, Default)]
pub struct Recent {
    batches: VecDeque<Batch>,
    bytes: usize,
}

impl Recent {
    /// Keeps a batch, and lets go of the oldest beyond the bound.
    pub fn keep(&mut self, batch: &Batch) {
        let size = |b: &Batch| b.packets().map(|p| p.data.len()).sum::<usize>();
        self.bytes += size(batch);
        self.batches.push_back(batch.clone());
        while self.bytes > RECENT_BYTES && self.batches.len() > 1 {
            let Some(old) = self.batches.pop_front() else { break };
            self.bytes = self.bytes.saturating_sub(size(&old));
        }
    }

    fn packet(&self, id: PacketId) -> Option<Packet<'_>> {
        // Numbers ascend, without a hole within a batch or between two.
        let last = |b: &Batch| b.packets().next().map_or(0, |p| p.meta.id.0 + b.len() as u64);
        let at = self.batches.partition_point(|b| last(b) <= id.0);
        let batch = self.batches.get(at)?;
        let first = batch.packets().next()?.meta.id.0;
        let n = usize::try_from(id.0.checked_sub(first)?).ok()?;
        batch.packets().nth(n).filter(|p| p.meta.id == id)
    }

    fn range(&self, r: PacketRange) -> Option<&[u8]> {
        let data = self.packet(r.packet)?.data;
        let (from, len) = (r.start as usize, r.len as usize);
        data.get(from..from.checked_add(len)?)
    }

    /// Appends all buffers of an event, each behind a line with its label.
    pub fn dump(&self, out: &mut String, event: &Event) {
        let Some(detail) = &event.draft.detail else { return };
        for i in 0..detail.origins.buffers().len() {
            let Ok(id) = u16::try_from(i) else { break };
            self.buffer(out, &detail.origins, BufferId(id));
        }
    }

    fn buffer(&self, out: &mut String, origins: &Origins, id: BufferId) {
        let Some(b) = origins.get(id) else { return };
        let len = b.len.max(u32::try_from(b.bytes.len()).unwrap_or(u32::MAX));
        if len == 0 {
            return;
        }
        let located = origins.locate(Span::bytes(id, 0, b.len));
        let packets = match (located.ranges.first(), located.ranges.last()) {
            (Some(a), Some(z)) if a.packet == z.packet => format!(", packet {}", a.packet),
            (Some(a), Some(z)) => format!(", packets {} to {}", a.packet, z.packet),
            _ => String::new(),
        };
        let unit = if len == 1 { "byte" } else { "bytes" };
        let _ = writeln!(out, "{INDENT}{}, {len} {unit}{packets}", b.label);
        let mut shown = 0;
        if b.bytes.is_empty() && located.exact {
            // From the first byte on that all is there behind.
            let mut bytes = Vec::new();
            let mut lost = 0;
            for r in &located.ranges {
                match self.range(*r) {
                    Some(piece) => bytes.extend_from_slice(piece),
                    None => {
                        lost += bytes.len() + r.len as usize;
                        bytes.clear();
                    }
                }
            }
            if lost > 0 {
                let _ =
                    writeln!(out, "{INDENT}({lost} bytes lie too far back and are no longer kept)");
            }
            hex::dump(out, &bytes, lost, INDENT);
            shown = lost + bytes.len();
        } else {
            hex::dump(out, &b.bytes, 0, INDENT);
            shown += b.bytes.len();
        }
        let missing = (len as usize).saturating_sub(shown);
        if missing > 0 {
            let _ = writeln!(out, "{INDENT}({missing} more bytes are not shown)");
        }
    }
}
