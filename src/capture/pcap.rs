//! The pcap format (draft-ietf-opsawg-pcap).
//!
//! ```text
//! file header, 24 bytes        record header, 16 bytes     "modified": 8 more
//! magic            4           seconds          4          interface   4
//! version          2 + 2       fraction         4          protocol    2
//! reserved         4 + 4       captured length  4          packet type 1
//! snap length      4           original length  4          padding     1
//! FCS, link type   4
//! ```
//!
//! The heads are read with nom here: pcap-parser reads the modified variant in
//! one byte order only, and gives a record whose length it has not bounded.

use nom::number::streaming::{u16, u32};
use nom::{IResult, Parser};

use super::build::{Builder, ByteOrder, Cursor, Record, Stop};
use super::findings::{BAD_RECORD, BAD_TIME};
use super::{LinkType, findings};
use crate::base::CaptureTime;
use crate::base::limits::MAX_PACKET_BYTES;
use crate::finding::Finding;

/// Length of the file header.
pub(super) const HEADER_BYTES: usize = 24;

/// Microseconds, as every program writes it.
pub(super) const MAGIC_MICROS: u32 = 0xa1b2_c3d4;
/// Nanoseconds.
pub(super) const MAGIC_NANOS: u32 = 0xa1b2_3c4d;
/// Kuznetzov's "modified" variant: microseconds and longer record headers.
pub(super) const MAGIC_MODIFIED: u32 = 0xa1b2_cd34;

/// The order of the two lengths in a record header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lengths {
    /// Captured, then original.
    Normal,
    /// The other way round: before version 2.3, and AIX.
    Swapped,
    /// Version 2.3 had both; the captured length is never the larger one.
    Either,
}

/// A pcap file whose header has been read.
#[derive(Debug)]
pub(super) struct Pcap {
    order: ByteOrder,
    /// Nanoseconds in a unit of the fraction.
    unit: u32,
    /// Length of a record header.
    head: usize,
    lengths: Lengths,
    link: LinkType,
    interface: u32,
    told_time: bool,
}

/// The variant that a magic number stands for.
pub(super) fn recognise(first: [u8; 4]) -> Option<(ByteOrder, u32)> {
    let known = |m| matches!(m, MAGIC_MICROS | MAGIC_NANOS | MAGIC_MODIFIED);
    let (little, big) = (u32::from_le_bytes(first), u32::from_be_bytes(first));
    if known(little) {
        Some((ByteOrder::Little, little))
    } else if known(big) {
        Some((ByteOrder::Big, big))
    } else {
        None
    }
}

/// What a file header says besides its magic number: major and minor version,
/// link type.
fn file_header(order: ByteOrder, i: &[u8]) -> IResult<&[u8], (u16, u16, u32)> {
    let e = order.nom();
    let (i, (_, major, minor)) = (u32(e), u16(e), u16(e)).parse(i)?;
    // Time zone and accuracy, which nobody ever set, and the snap length.
    let (i, (_, _, _, link)) = (u32(e), u32(e), u32(e), u32(e)).parse(i)?;
    Ok((i, (major, minor, link)))
}

/// Seconds, fraction, and the two lengths.
#[inline]
fn record_header(order: ByteOrder, i: &[u8]) -> IResult<&[u8], (u32, u32, u32, u32)> {
    let e = order.nom();
    (u32(e), u32(e), u32(e), u32(e)).parse(i)
}

impl Pcap {
    /// From the first [`HEADER_BYTES`] of a file.
    ///
    /// # Errors
    /// What is wrong with them, for people.
    pub(super) fn new(header: &[u8], out: &mut Builder) -> Result<Self, String> {
        let first = header.first_chunk().copied().unwrap_or_default();
        let (order, magic) = recognise(first).ok_or("no pcap magic number")?;
        let (_, (major, minor, link)) =
            file_header(order, header).map_err(|_| "no whole file header")?;
        let lengths = match (major, minor) {
            (2, 0..=2) | (543, _) => Lengths::Swapped,
            (2, 3) => Lengths::Either,
            (2, _) => Lengths::Normal,
            _ => return Err(format!("pcap of version {major}.{minor}, expected 2.4")),
        };
        let interface = out.interfaces;
        out.interfaces = out.interfaces.saturating_add(1);
        Ok(Self {
            order,
            unit: if magic == MAGIC_NANOS { 1 } else { 1000 },
            head: if magic == MAGIC_MODIFIED { 24 } else { 16 },
            lengths,
            // The upper half tells the length of a frame check sequence (§4,
            // FCS len and f): bytes behind the packet, which the link layer
            // passes over as it does with padding.
            link: LinkType(link as u16),
            interface,
            told_time: false,
        })
    }

    /// Reads the records of a chunk.
    pub(super) fn run(&mut self, cursor: &mut Cursor<'_>, out: &mut Builder) -> Stop {
        loop {
            let rest = cursor.rest();
            let Ok((_, (seconds, fraction, a, b))) = record_header(self.order, rest) else {
                return Stop::Need(self.head);
            };
            let swap = match self.lengths {
                Lengths::Normal => false,
                Lengths::Swapped => true,
                Lengths::Either => a > b,
            };
            let (captured_len, original_len) = if swap { (b, a) } else { (a, b) };
            if captured_len as usize > MAX_PACKET_BYTES {
                return Stop::Broken(Finding::new(&BAD_RECORD).with(format!(
                    "byte {}: a packet of {captured_len} bytes; no more than {MAX_PACKET_BYTES} are believed",
                    cursor.offset()
                )));
            }
            let whole = self.head + captured_len as usize;
            if rest.len() < whole {
                return Stop::Need(whole);
            }
            let record = Record {
                time: self.time(seconds, fraction, cursor, out),
                link: self.link,
                interface: self.interface,
                original_len,
                skip: self.head,
                captured_len,
            };
            out.packet(cursor, record);
            cursor.at += whole;
        }
    }

    #[inline]
    fn time(
        &mut self,
        seconds: u32,
        fraction: u32,
        c: &Cursor<'_>,
        out: &mut Builder,
    ) -> CaptureTime {
        // Both products are below 2^63: 2^32 s are 4.3e18 ns, and 2^32 µs 4.3e12.
        let within = u64::from(fraction) * u64::from(self.unit);
        if within >= 1_000_000_000 && !self.told_time {
            self.told_time = true;
            out.finding(Finding::new(&BAD_TIME).with(format!(
                "byte {}: a fraction of {fraction}, which is a second or more",
                c.offset()
            )));
        }
        let ns = u64::from(seconds) * 1_000_000_000 + within;
        CaptureTime(i64::try_from(ns).unwrap_or(i64::MAX))
    }
}

/// What a file that ends here lacks.
pub(super) fn cut_short(offset: u64, there: usize, whole: usize) -> Finding {
    Finding::new(&findings::CUT_SHORT)
        .with(format!("byte {offset}: {there} bytes of a record of at least {whole}"))
}
