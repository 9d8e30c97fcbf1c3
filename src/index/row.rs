//! Rows: what a list needs to know of an event without opening it.

use crate::base::{CaptureTime, PacketId, Side};
use crate::capture::{LinkType, PacketMeta};
use crate::event::{Draft, Level};
use crate::finding::Severity;

/// An event in 24 bytes. Times are those of its packets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Packet of the first byte.
    pub first_packet: u32,
    /// Packet that completed it.
    pub last_packet: u32,
    /// Index of the conversation (its number less one).
    pub conversation: u32,
    pub(super) stream: u32,
    /// Bytes of payload; saturates at 4 GiB.
    pub length: u32,
    pub(super) kind: u8,
    flags: u8,
    severity: u8,
}

/// `Row::stream` of an event without one.
pub(super) const NO_STREAM: u32 = u32::MAX;

impl Row {
    pub(super) fn new(draft: &Draft, conversation: u32, kind: u8) -> Self {
        let narrow = |v: u64| u32::try_from(v).unwrap_or(u32::MAX);
        let sender = match draft.sender {
            None => 0,
            Some(Side::Client) => 1,
            Some(Side::Server) => 2,
        };
        let level = draft.level as u8;
        Self {
            first_packet: narrow(draft.start.packet.0),
            last_packet: narrow(draft.end.packet.0),
            conversation,
            stream: draft.stream.map_or(NO_STREAM, narrow),
            length: narrow(draft.length),
            kind,
            flags: level
                | sender << 3
                | u8::from(draft.complete) << 5
                | u8::from(draft.inferred) << 6,
            severity: draft.findings.iter().map(|f| f.spec.severity as u8 + 1).max().unwrap_or(0),
        }
    }

    /// Frame, message or exchange.
    #[must_use]
    pub const fn level(&self) -> Level {
        match self.flags & 7 {
            0 => Level::Packet,
            1 => Level::Frame,
            2 => Level::Message,
            3 => Level::Exchange,
            _ => Level::Finding,
        }
    }

    /// Who sent it.
    #[must_use]
    pub const fn sender(&self) -> Option<Side> {
        match self.flags >> 3 & 3 {
            1 => Some(Side::Client),
            2 => Some(Side::Server),
            _ => None,
        }
    }

    /// The HTTP/2 stream.
    #[must_use]
    pub const fn stream(&self) -> Option<u32> {
        if self.stream == NO_STREAM { None } else { Some(self.stream) }
    }

    /// Not cut off.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        self.flags & 32 != 0
    }

    /// Recognised by content.
    #[must_use]
    pub const fn is_inferred(&self) -> bool {
        self.flags & 64 != 0
    }

    /// The worst of its findings.
    #[must_use]
    pub const fn severity(&self) -> Option<Severity> {
        match self.severity {
            1 => Some(Severity::Note),
            2 => Some(Severity::Warning),
            3 => Some(Severity::Error),
            _ => None,
        }
    }
}

/// A packet in 40 bytes: enough to read it again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PacketRow {
    /// When it was captured.
    pub time: CaptureTime,
    offset: u64,
    captured: u32,
    /// Its length on the wire.
    pub original: u32,
    /// Number of its conversation; 0 for none.
    pub conversation: u32,
    link: u16,
    file: u16,
}

impl PacketRow {
    pub(super) fn new(meta: &PacketMeta, conversation: u32) -> Self {
        Self {
            time: meta.time,
            offset: meta.offset,
            captured: meta.captured_len,
            original: meta.original_len,
            conversation,
            link: meta.link.0,
            file: u16::try_from(meta.file).unwrap_or(u16::MAX),
        }
    }

    /// What a store needs to read it again.
    #[must_use]
    pub fn meta(&self, id: PacketId) -> PacketMeta {
        PacketMeta {
            id,
            time: self.time,
            link: LinkType(self.link),
            interface: 0,
            original_len: self.original,
            captured_len: self.captured,
            file: u32::from(self.file),
            offset: self.offset,
        }
    }
}
