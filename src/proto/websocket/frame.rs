//! The frame that is coming in, and its event.

use super::fields::HEAD_CUT;
use super::summary;
use super::wire::{self, FrameBytes, FrameHead};
use crate::base::{Moment, Origins, Side};
use crate::event::{Detail, Draft, Level, Payload};
use crate::field::Value;
use crate::finding::Finding;
use crate::proto::{Out, Trace};

/// Bytes of the longest head.
pub(super) const MAX_HEAD: usize = 14;

/// To which message the payload of a frame belongs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// To the data message that is open.
    Data,
    /// To a control message of its own.
    Control,
    /// To none: a reserved opcode, a continuation of nothing.
    Stray,
}

/// A frame of which not all has come.
#[derive(Clone, Debug)]
pub(super) struct OpenFrame {
    pub(super) head: FrameHead,
    pub(super) role: Role,
    /// Bytes of payload gone by, captured or not: the phase of the mask.
    pub(super) passed: u64,
    /// Bytes of the payload were not captured.
    pub(super) holed: bool,
    /// Not all of the head came.
    pub(super) head_cut: bool,
    /// The packet of the first byte.
    pub(super) start: Moment,
    /// The packet by which all bytes so far had come.
    pub(super) end: Moment,
    pub(super) findings: Vec<Finding>,
    /// Where it begins was inferred.
    pub(super) inferred: bool,
    /// Whether somebody looks.
    wanted: bool,
    trace: Trace,
    /// Head and payload as on the wire; kept where somebody looks.
    wire: Vec<u8>,
    /// The payload without its mask; kept where somebody looks.
    payload: Vec<u8>,
    /// Bytes of payload that were captured.
    captured: u64,
}

impl OpenFrame {
    /// A frame begins with these bytes of head at `offset` of its direction.
    pub(super) fn new(
        head: FrameHead,
        role: Role,
        bytes: &[u8],
        side: Side,
        offset: u64,
        out: &dyn Out,
    ) -> Self {
        let wanted = out.wants(Level::Frame);
        let mut f = Self {
            head,
            role,
            passed: 0,
            holed: false,
            head_cut: false,
            start: out.moment(side, offset),
            end: Moment::default(),
            findings: Vec::new(),
            inferred: false,
            wanted,
            trace: Trace::new(wanted, "TCP stream"),
            wire: Vec::new(),
            payload: Vec::new(),
            captured: 0,
        };
        if wanted {
            f.wire.extend_from_slice(bytes);
            f.trace.add(out, side, offset..offset.saturating_add(bytes.len() as u64));
        }
        f
    }

    /// Bytes of payload that are still to come.
    pub(super) const fn remaining(&self) -> u64 {
        self.head.length.saturating_sub(self.passed)
    }

    /// Bytes of it that were sent, head included, captured or not.
    pub(super) fn sent(&self) -> u64 {
        let head = if self.head_cut { 0 } else { u64::from(self.head.wire_len()) };
        head.saturating_add(self.passed)
    }

    /// Notes payload as it lay on the wire.
    pub(super) fn wire(&mut self, data: &[u8], side: Side, offset: u64, out: &dyn Out) {
        self.captured = self.captured.saturating_add(data.len() as u64);
        if self.wanted {
            self.trace.add(out, side, offset..offset.saturating_add(data.len() as u64));
            keep(&mut self.wire, data, out.payload_cap().saturating_add(MAX_HEAD));
        }
    }

    /// Notes payload without its mask.
    pub(super) fn plain(&mut self, data: &[u8], out: &dyn Out) {
        if self.wanted {
            keep(&mut self.payload, data, out.payload_cap());
        }
    }

    /// The frame's event.
    pub(super) fn emit(mut self, side: Side, complete: bool, out: &mut dyn Out) {
        if self.findings.is_empty() && out.count(Level::Frame) {
            return;
        }
        let mut d = Draft::new(Level::Frame, "websocket", self.head.kind(), self.start, self.end);
        d.sender = Some(side);
        d.length = self.head.length;
        d.complete = complete;
        d.inferred = self.inferred;
        d.findings = std::mem::take(&mut self.findings);
        d.detail = self.wanted.then(|| Box::new(self.detail()));
        out.emit(d);
    }

    fn detail(&mut self) -> Detail {
        let mut buffer = self.trace.take().unwrap_or_default();
        let captured = buffer.len;
        let mut tree =
            wire::tree(FrameBytes { wire: &self.wire, captured, payload: &self.payload });
        if self.head_cut {
            let last = tree.leaves().filter_map(|n| n.span).map(|s| s.end()).max().unwrap_or(0);
            let rest = wire::cut_head(last, captured);
            let bytes = self.wire.get(last as usize..).unwrap_or_default();
            tree.add(&HEAD_CUT, Some(rest), Value::Bytes(bytes.into()));
        }
        let mut origins = Origins::new();
        buffer.bytes = std::mem::take(&mut self.wire);
        origins.add(buffer);
        if self.head.key.is_some() && !self.head_cut {
            let len = captured.saturating_sub(u32::from(self.head.wire_len()));
            origins.add(wire::unmasked(&self.head, &self.payload, len));
        }
        let truncated = (self.captured > self.payload.len() as u64).then_some(self.head.length);
        Detail {
            summary: if self.head_cut {
                String::from("head cut short")
            } else {
                summary::frame(&self.head)
            },
            tree,
            origins,
            payload: if self.head_cut {
                Payload::None
            } else {
                Payload::Bytes(std::mem::take(&mut self.payload))
            },
            truncated,
        }
    }

    /// Memory held beside itself, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.wire.capacity() + self.payload.capacity() + self.trace.memory()
    }
}

/// Appends as much of `data` as `cap` leaves room for.
pub(super) fn keep(to: &mut Vec<u8>, data: &[u8], cap: usize) {
    let room = cap.saturating_sub(to.len());
    to.extend_from_slice(data.get(..room).unwrap_or(data));
}
