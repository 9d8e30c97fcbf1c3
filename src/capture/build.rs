//! What the two formats share: the batch under construction, and what they
//! answer to the reader that drives them.

use std::sync::Arc;

use nom::number::Endianness;

use super::findings::{BAD_LENGTH, MORE_FINDINGS};
use super::{Batch, LinkType, PacketMeta, Secrets};
use crate::base::limits::MAX_CAPTURE_FINDINGS;
use crate::base::{CaptureTime, PacketId};
use crate::finding::Finding;

/// Byte order of a capture file: that of the machine that wrote it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ByteOrder {
    /// Least significant byte first.
    #[default]
    Little,
    /// Most significant byte first.
    Big,
}

impl ByteOrder {
    pub(super) const fn nom(self) -> Endianness {
        match self {
            Self::Little => Endianness::Little,
            Self::Big => Endianness::Big,
        }
    }
}

/// Why a format stopped in the middle of a chunk.
#[derive(Debug)]
pub(super) enum Stop {
    /// The record at hand has so many bytes in all (at least), and not all of
    /// them are there.
    Need(usize),
    /// The batch must be handed out first: secrets go before what follows them.
    Split,
    /// Nothing after this can be read.
    Broken(Finding),
}

/// The part of a file that lies in memory, and how far it has been read.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    /// The bytes.
    pub(super) chunk: &'a [u8],
    /// The next byte in them.
    pub(super) at: usize,
    /// Where the chunk begins in the file as uncompressed.
    pub(super) base: u64,
}

impl<'a> Cursor<'a> {
    /// What has not been read.
    pub(super) fn rest(&self) -> &'a [u8] {
        self.chunk.get(self.at..).unwrap_or_default()
    }

    /// Offset of the next byte in the file as uncompressed.
    pub(super) const fn offset(&self) -> u64 {
        self.base.saturating_add(self.at as u64)
    }
}

/// A captured packet as its record states it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Record {
    pub(super) time: CaptureTime,
    pub(super) link: LinkType,
    pub(super) interface: u32,
    pub(super) original_len: u32,
    /// Where its bytes begin, from the cursor's position.
    pub(super) skip: usize,
    pub(super) captured_len: u32,
}

/// The batch under construction, and the counters that go on over all files.
#[derive(Debug, Default)]
pub(super) struct Builder {
    packets: Vec<(PacketMeta, u32)>,
    findings: Vec<(PacketId, Finding)>,
    secrets: Vec<Secrets>,
    /// Packets handed out so far, over all files.
    count: u64,
    /// Which input file, from 0.
    file: u32,
    /// Interfaces described so far, over all files and sections.
    pub(super) interfaces: u32,
    /// Time of the last packet.
    pub(super) last_time: CaptureTime,
    /// Whether lengths that contradict each other have been told for this file.
    told_length: bool,
    /// Findings about packets and blocks of this file.
    told: u32,
}

impl Builder {
    /// Takes a packet.
    #[inline]
    pub(super) fn packet(&mut self, cursor: &Cursor<'_>, r: Record) {
        if r.original_len < r.captured_len && !self.told_length {
            self.told_length = true;
            let at = cursor.offset();
            self.finding(Finding::new(&BAD_LENGTH).with(format!(
                "byte {at}: {} bytes captured of {}",
                r.captured_len, r.original_len
            )));
        }
        self.count += 1;
        self.last_time = r.time;
        let place = cursor.at.saturating_add(r.skip);
        self.packets.push((
            PacketMeta {
                id: PacketId(self.count),
                time: r.time,
                link: r.link,
                interface: r.interface,
                original_len: r.original_len.max(r.captured_len),
                captured_len: r.captured_len,
                file: self.file,
                offset: cursor.base.saturating_add(place as u64),
            },
            // A chunk is at most a block and a batch long: some 17 MiB.
            u32::try_from(place).unwrap_or(u32::MAX),
        ));
    }

    /// Takes a finding about a packet or block: it goes with the packet that
    /// comes next. A file may have only so many of them.
    #[cold]
    pub(super) fn finding(&mut self, finding: Finding) {
        self.told = self.told.saturating_add(1);
        if self.told <= MAX_CAPTURE_FINDINGS {
            self.tell(finding);
        } else if self.told == MAX_CAPTURE_FINDINGS + 1 {
            self.tell(Finding::new(&MORE_FINDINGS).with(format!("after {MAX_CAPTURE_FINDINGS}")));
        }
    }

    /// Takes a finding about the file, of which there are few.
    #[cold]
    pub(super) fn tell(&mut self, finding: Finding) {
        self.findings.push((PacketId(self.count + 1), finding));
    }

    /// Begins with another file.
    pub(super) const fn begin(&mut self, file: u32) {
        self.file = file;
        self.told = 0;
        self.told_length = false;
    }

    /// Takes secrets.
    pub(super) fn secrets(&mut self, secrets: Secrets) {
        self.secrets.push(secrets);
    }

    /// Whether a packet has been taken.
    pub(super) const fn has_packets(&self) -> bool {
        !self.packets.is_empty()
    }

    /// Hands out what was taken since the last time, if anything was.
    pub(super) fn finish(&mut self, chunk: &Arc<Vec<u8>>) -> Option<Batch> {
        if self.packets.is_empty() && self.findings.is_empty() && self.secrets.is_empty() {
            return None;
        }
        // The next batch will have about as many.
        let capacity = self.packets.len();
        let packets = std::mem::replace(&mut self.packets, Vec::with_capacity(capacity));
        let mut batch = Batch::sharing(Arc::clone(chunk), packets);
        batch.findings = std::mem::take(&mut self.findings);
        batch.secrets = std::mem::take(&mut self.secrets);
        Some(batch)
    }
}
