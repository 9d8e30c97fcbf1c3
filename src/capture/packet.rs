//! What every source hands out.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use super::PacketStore;
use crate::base::{CaptureTime, PacketId};
use crate::finding::Finding;

/// Link-layer header type, as registered with the libpcap project (`LINKTYPE_*`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LinkType(pub u16);

/// What is known of a packet besides its bytes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PacketMeta {
    /// Its number.
    pub id: PacketId,
    /// When it was captured. A simple packet block has no time: it takes that of
    /// the packet before it.
    pub time: CaptureTime,
    /// What its first bytes are.
    pub link: LinkType,
    /// Number of the interface within the capture, over all sections, from 0.
    pub interface: u32,
    /// Its length on the wire; more than was captured where it was snapped.
    pub original_len: u32,
    /// Captured bytes.
    pub captured_len: u32,
    /// Which input file, from 0.
    pub file: u32,
    /// Where its bytes begin in that file as uncompressed.
    pub offset: u64,
}

/// A packet and its bytes.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// What is known of it.
    pub meta: PacketMeta,
    /// The captured bytes.
    pub data: &'a [u8],
}

/// About 1 MiB of packets: shared and immutable, so that rows, flows and workers
/// may hold on to it.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    bytes: Arc<Vec<u8>>,
    packets: Arc<Vec<(PacketMeta, u32)>>,
    /// What was odd in this part of the file, by the packet before which it was
    /// noticed.
    pub findings: Vec<(PacketId, Finding)>,
    /// Secrets that the file brought before the packets of this batch.
    pub secrets: Vec<Secrets>,
}

/// The format of secrets that is a TLS key log (draft-ietf-opsawg-pcapng §4.7).
pub const TLS_KEY_LOG: u32 = 0x544c_534b;

/// A Decryption Secrets Block of pcapng, kept for whoever decrypts.
#[derive(Clone, PartialEq, Eq)]
pub struct Secrets {
    /// Format: [`TLS_KEY_LOG`] for one.
    pub kind: u32,
    /// The block's data.
    pub data: Arc<[u8]>,
}

/// Without the secrets.
impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({:#x}, {} bytes)", self.kind, self.data.len())
    }
}

impl Batch {
    /// A batch of packets whose bytes begin at the given places of `bytes`.
    #[must_use]
    pub fn new(bytes: Vec<u8>, packets: Vec<(PacketMeta, u32)>) -> Self {
        Self {
            bytes: Arc::new(bytes),
            packets: Arc::new(packets),
            findings: Vec::new(),
            secrets: Vec::new(),
        }
    }

    /// A batch whose bytes lie in what it may share with the batches beside it.
    #[must_use]
    pub(super) fn sharing(bytes: Arc<Vec<u8>>, packets: Vec<(PacketMeta, u32)>) -> Self {
        Self { bytes, packets: Arc::new(packets), findings: Vec::new(), secrets: Vec::new() }
    }

    /// The packets in order.
    pub fn packets(&self) -> impl Iterator<Item = Packet<'_>> {
        self.packets_of(0..self.len())
    }

    /// Those of them that stand at these places, as far as there are any.
    pub fn packets_of(&self, places: Range<usize>) -> impl Iterator<Item = Packet<'_>> {
        let end = places.end.min(self.len());
        let some = self.packets.get(places.start.min(end)..end).unwrap_or_default();
        some.iter().map(|(meta, at)| Packet {
            meta: *meta,
            data: self
                .bytes
                .get(*at as usize..*at as usize + meta.captured_len as usize)
                .unwrap_or_default(),
        })
    }

    /// Lets go of the packets for which `keep` does not hold.
    pub fn retain(&mut self, keep: impl Fn(&Packet<'_>) -> bool) {
        let kept: Vec<(PacketMeta, u32)> = self
            .packets()
            .zip(self.packets.iter())
            .filter(|(p, _)| keep(p))
            .map(|(_, place)| *place)
            .collect();
        if kept.len() < self.packets.len() {
            self.packets = Arc::new(kept);
        }
    }

    /// Memory held, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        let each = size_of::<(PacketMeta, u32)>();
        self.bytes.len().saturating_add(self.packets.len().saturating_mul(each))
    }

    /// Its last packet.
    #[must_use]
    pub fn last(&self) -> Option<PacketId> {
        self.packets.last().map(|(meta, _)| meta.id)
    }

    /// Number of packets.
    #[must_use]
    pub fn len(&self) -> usize {
        self.packets.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }
}

/// What a source has at the moment.
#[derive(Clone, Debug)]
pub enum Polled {
    /// Packets.
    Batch(Batch),
    /// Nothing yet: a file that grows, a live interface.
    NothingYet,
    /// No more will come.
    End,
}

/// Hands out packets in order.
pub trait Source: Send {
    /// The next packets.
    ///
    /// # Errors
    /// Where the source cannot be read at all. What is wrong in the middle of a
    /// file is a finding of a batch, and ends it.
    fn poll(&mut self) -> Result<Polled, CaptureError>;

    /// How far it is: bytes read of bytes in all, where that is known.
    fn progress(&self) -> Option<(u64, u64)> {
        None
    }

    /// Where its packets can be read again, if that was asked for.
    fn store(&self) -> Option<Arc<PacketStore>> {
        None
    }
}

/// Why a source cannot be read: names the file, what was found, what was expected.
#[derive(Debug)]
pub struct CaptureError {
    /// The file, or `standard input`.
    pub name: String,
    /// What went wrong, in one line.
    pub what: String,
}

impl fmt::Display for CaptureError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.name, self.what)
    }
}

impl std::error::Error for CaptureError {}
