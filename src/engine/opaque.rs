//! Bytes that nobody claims: shown all the same, as runs of one direction.

use crate::base::limits::OPAQUE_RUN_BYTES;
use crate::base::{Buffer, BufferId, Moment, Side, Span, StreamMap};
use crate::engine::fields;
use crate::engine::shared::Shared;
use crate::event::{Detail, Draft, Level, Payload};
use crate::field::{Tree, Value};

/// A run of bytes of one direction: it ends when the other one speaks, at a
/// gap, at the end, or at [`OPAQUE_RUN_BYTES`].
#[derive(Clone, Debug)]
pub(super) struct OpaqueRun {
    side: Side,
    start: Moment,
    end: Moment,
    len: u64,
    /// Stream offset of what would go on with it.
    next: u64,
    buffer: Option<Buffer>,
    stream: Option<u64>,
}

impl OpaqueRun {
    /// Adds bytes at stream offset `at`.
    pub(super) fn add(
        run: &mut Option<Box<Self>>,
        side: Side,
        mut at: u64,
        mut data: &[u8],
        map: &StreamMap,
        shared: &mut Shared,
        stream: Option<u64>,
    ) {
        if run.as_ref().is_some_and(|r| r.side != side || r.next != at) {
            Self::flush(run, shared);
        }
        while !data.is_empty() {
            let r = run.get_or_insert_with(|| {
                let start = map.moment(at).unwrap_or(shared.now);
                let buffer = shared.wants(Level::Message).then(|| Buffer::new("TCP stream"));
                Box::new(Self { side, start, end: start, len: 0, next: at, buffer, stream })
            });
            let room = usize::try_from(OPAQUE_RUN_BYTES - r.len).unwrap_or(usize::MAX);
            let (now, later) = data.split_at(room.min(data.len()));
            let end = at + now.len() as u64;
            r.len += now.len() as u64;
            r.next = end;
            r.end = map.ready(end - 1).unwrap_or(shared.now);
            if let Some(b) = &mut r.buffer {
                let kept = shared.payload_cap.saturating_sub(b.bytes.len()).min(now.len());
                b.bytes.extend_from_slice(now.get(..kept).unwrap_or_default());
                map.pieces(at, end, |p, _| {
                    b.push(p.len, p.source, p.exact);
                });
            }
            let full = r.len >= OPAQUE_RUN_BYTES;
            at = end;
            data = later;
            if full {
                Self::flush(run, shared);
            }
        }
    }

    /// Ends the run.
    pub(super) fn flush(run: &mut Option<Box<Self>>, shared: &mut Shared) {
        let Some(r) = run.take() else { return };
        let mut draft = Draft::new(Level::Message, "tcp", "opaque", r.start, r.end);
        draft.sender = shared.roles_known.then_some(r.side);
        draft.stream = r.stream;
        draft.length = r.len;
        draft.detail = r.buffer.map(|buffer| {
            let mut detail = Detail {
                summary: format!("{} bytes of an unknown protocol", r.len),
                truncated: (r.len > buffer.bytes.len() as u64).then_some(r.len),
                payload: Payload::Bytes(buffer.bytes.clone()),
                ..Detail::default()
            };
            let mut tree = Tree::new();
            tree.add(&fields::OPAQUE_LENGTH, None, Value::U64(r.len));
            let span = Span::bytes(BufferId(0), 0, buffer.len);
            tree.add(&crate::link::fields::TCP_PAYLOAD, Some(span), Value::None);
            detail.tree = tree;
            detail.origins.add(buffer);
            Box::new(detail)
        });
        shared.emit(draft);
    }

    pub(super) fn memory(&self) -> usize {
        self.buffer.as_ref().map_or(0, |b| b.bytes.capacity() + b.pieces.len() * 32)
    }
}
