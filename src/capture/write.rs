//! Writing captures: pcapng for what is kept, plain pcap for tests and fixtures.

use std::io::{self, Write};

use super::pcapng::{
    BYTE_ORDER, ENHANCED_PACKET, IF_TSOFFSET, IF_TSRESOL, INTERFACE, SECRETS, SECTION_HEADER,
};
use super::{ByteOrder, LinkType, Secrets, pcap};
use crate::base::CaptureTime;
use crate::base::limits::MAX_PACKET_BYTES;

impl ByteOrder {
    const fn put32(self, v: u32) -> [u8; 4] {
        match self {
            Self::Little => v.to_le_bytes(),
            Self::Big => v.to_be_bytes(),
        }
    }

    const fn put16(self, v: u16) -> [u8; 2] {
        match self {
            Self::Little => v.to_le_bytes(),
            Self::Big => v.to_be_bytes(),
        }
    }

    const fn put64(self, v: u64) -> [u8; 8] {
        match self {
            Self::Little => v.to_le_bytes(),
            Self::Big => v.to_be_bytes(),
        }
    }
}

/// The variants of pcap.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PcapVariant {
    /// Microseconds: times are rounded down.
    Micros,
    /// Nanoseconds.
    #[default]
    Nanos,
    /// Kuznetzov's: microseconds, and a longer record header.
    Modified,
}

/// Writes a pcap file.
#[derive(Debug)]
pub struct PcapWriter<W: Write> {
    inner: W,
    order: ByteOrder,
    variant: PcapVariant,
}

impl<W: Write> PcapWriter<W> {
    /// Writes the file header. All packets have the one link type.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(
        mut inner: W,
        link: LinkType,
        order: ByteOrder,
        variant: PcapVariant,
    ) -> io::Result<Self> {
        let magic = match variant {
            PcapVariant::Micros => pcap::MAGIC_MICROS,
            PcapVariant::Nanos => pcap::MAGIC_NANOS,
            PcapVariant::Modified => pcap::MAGIC_MODIFIED,
        };
        let mut h = Vec::with_capacity(pcap::HEADER_BYTES);
        h.extend(order.put32(magic));
        h.extend(order.put16(2));
        h.extend(order.put16(4));
        h.extend([0; 8]);
        h.extend(order.put32(MAX_PACKET_BYTES as u32));
        h.extend(order.put32(u32::from(link.0)));
        inner.write_all(&h)?;
        Ok(Self { inner, order, variant })
    }

    /// Writes a packet. `original_len` is its length on the wire.
    ///
    /// # Errors
    /// Those of the writer, and `InvalidInput` for a time that the format cannot
    /// hold (before 1970 or after 2106) or a packet of 4 GiB.
    pub fn packet(&mut self, time: CaptureTime, original_len: u32, data: &[u8]) -> io::Result<()> {
        let seconds = u32::try_from(time.seconds()).map_err(invalid)?;
        let captured = u32::try_from(data.len()).map_err(invalid)?;
        let fraction = match self.variant {
            PcapVariant::Nanos => time.subsec_nanos(),
            PcapVariant::Micros | PcapVariant::Modified => time.subsec_nanos() / 1000,
        };
        for v in [seconds, fraction, captured, original_len] {
            self.inner.write_all(&self.order.put32(v))?;
        }
        if self.variant == PcapVariant::Modified {
            self.inner.write_all(&[0; 8])?;
        }
        self.inner.write_all(data)
    }

    /// The writer, flushed.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.flush()?;
        Ok(self.inner)
    }
}

/// Writes a pcapng file, every time to the nanosecond. Interfaces are described
/// as packets need them.
#[derive(Debug)]
pub struct PcapNgWriter<W: Write> {
    inner: W,
    order: ByteOrder,
    /// Link type, and whether its times lie before 1970.
    interfaces: Vec<(LinkType, bool)>,
    /// A block under construction.
    block: Vec<u8>,
}

/// Seconds to add to times before 1970: the earliest that a time can have.
const EARLIEST: i64 = i64::MIN.div_euclid(1_000_000_000);

impl<W: Write> PcapNgWriter<W> {
    /// Writes a section header.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn new(inner: W, order: ByteOrder) -> io::Result<Self> {
        let mut w = Self { inner, order, interfaces: Vec::new(), block: Vec::new() };
        w.begin(SECTION_HEADER);
        w.put32(BYTE_ORDER);
        w.put16(1);
        w.put16(0);
        // The length of the section is not known.
        w.block.extend([0xff; 8]);
        w.end()?;
        Ok(w)
    }

    /// Writes a packet. `original_len` is its length on the wire.
    ///
    /// # Errors
    /// Those of the writer, and `InvalidInput` for a packet of 4 GiB.
    pub fn packet(
        &mut self,
        link: LinkType,
        time: CaptureTime,
        original_len: u32,
        data: &[u8],
    ) -> io::Result<()> {
        let early = time.0 < 0;
        let interface = self.interface(link, early)?;
        let ticks = if early {
            // From EARLIEST on: between 0 and 2^63, and a second.
            i128::from(time.0) - i128::from(EARLIEST) * 1_000_000_000
        } else {
            i128::from(time.0)
        };
        let ticks = u64::try_from(ticks).map_err(invalid)?;
        self.begin(ENHANCED_PACKET);
        self.put32(interface);
        self.put32((ticks >> 32) as u32);
        self.put32(ticks as u32);
        self.put32(u32::try_from(data.len()).map_err(invalid)?);
        self.put32(original_len);
        self.data(data);
        self.end()
    }

    /// Writes a decryption secrets block: it goes before the packets that need it.
    ///
    /// # Errors
    /// Those of the writer, and `InvalidInput` for 4 GiB of secrets.
    pub fn secrets(&mut self, secrets: &Secrets) -> io::Result<()> {
        self.begin(SECRETS);
        self.put32(secrets.kind);
        self.put32(u32::try_from(secrets.data.len()).map_err(invalid)?);
        self.data(&secrets.data);
        self.end()
    }

    /// Hands on what has been written.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }

    /// The writer, to be emptied between packets.
    #[cfg(all(feature = "live", unix))]
    pub(super) const fn get_mut(&mut self) -> &mut W {
        &mut self.inner
    }

    /// The writer, flushed.
    ///
    /// # Errors
    /// Those of the writer.
    pub fn finish(mut self) -> io::Result<W> {
        self.inner.flush()?;
        Ok(self.inner)
    }

    /// The number of the interface, described if it has not been.
    fn interface(&mut self, link: LinkType, early: bool) -> io::Result<u32> {
        if let Some(at) = self.interfaces.iter().position(|i| *i == (link, early)) {
            return u32::try_from(at).map_err(invalid);
        }
        self.begin(INTERFACE);
        self.put16(link.0);
        self.put16(0);
        // No snap length.
        self.put32(0);
        self.put16(IF_TSRESOL);
        self.put16(1);
        self.data(&[9]);
        if early {
            self.put16(IF_TSOFFSET);
            self.put16(8);
            let offset = self.order.put64(EARLIEST as u64);
            self.block.extend(offset);
        }
        // End of options.
        self.put32(0);
        self.end()?;
        self.interfaces.push((link, early));
        u32::try_from(self.interfaces.len() - 1).map_err(invalid)
    }

    fn begin(&mut self, kind: u32) {
        self.block.clear();
        self.put32(kind);
        self.put32(0);
    }

    fn put32(&mut self, v: u32) {
        self.block.extend(self.order.put32(v));
    }

    fn put16(&mut self, v: u16) {
        self.block.extend(self.order.put16(v));
    }

    /// Bytes, padded to four.
    fn data(&mut self, data: &[u8]) {
        self.block.extend_from_slice(data);
        self.block.resize(self.block.len().next_multiple_of(4), 0);
    }

    /// Puts the length at both ends and writes the block.
    fn end(&mut self) -> io::Result<()> {
        let len = self.order.put32(u32::try_from(self.block.len() + 4).map_err(invalid)?);
        if let Some(place) = self.block.get_mut(4..8) {
            place.copy_from_slice(&len);
        }
        self.block.extend(len);
        self.inner.write_all(&self.block)
    }
}

fn invalid(e: std::num::TryFromIntError) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, e)
}
