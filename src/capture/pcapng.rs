//! The pcapng format (draft-ietf-opsawg-pcapng).
//!
//! ```text
//! block type   4
//! total length 4   this block, both lengths included
//! body             padded to four bytes
//! total length 4   again
//! ```
//!
//! Blocks are read with nom here: pcap-parser allocates a list of options for
//! every packet, gives up at a block whose two lengths differ, and reads
//! `if_tsoffset` in one byte order only.

use std::sync::Arc;

use nom::number::streaming::{u16, u32};
use nom::{IResult, Parser};

use super::build::{Builder, ByteOrder, Cursor, Record, Stop};
use super::findings::{BAD_BLOCK, BAD_TIME, PACKET_TOO_LONG, TOO_MANY_INTERFACES, UNKNOWN_BLOCK};
use super::{LinkType, Secrets};
use crate::base::CaptureTime;
use crate::base::limits::{MAX_BLOCK_BYTES, MAX_INTERFACES, MAX_PACKET_BYTES};
use crate::finding::Finding;

/// Section header block (§4.1): a palindrome, so it reads alike in both orders.
pub(super) const SECTION_HEADER: u32 = 0x0a0d_0d0a;
/// Interface description block (§4.2).
pub(super) const INTERFACE: u32 = 1;
/// Packet block, obsolete (appendix A).
pub(super) const PACKET: u32 = 2;
/// Simple packet block (§4.4).
pub(super) const SIMPLE_PACKET: u32 = 3;
/// Enhanced packet block (§4.3).
pub(super) const ENHANCED_PACKET: u32 = 6;
/// Decryption secrets block (§4.7).
pub(super) const SECRETS: u32 = 0x0a;
/// Byte-order magic of a section header.
pub(super) const BYTE_ORDER: u32 = 0x1a2b_3c4d;
/// Interface option: units of a second (§4.2).
pub(super) const IF_TSRESOL: u16 = 9;
/// Interface option: seconds to add (§4.2).
pub(super) const IF_TSOFFSET: u16 = 14;

/// Blocks that carry nothing that is shown: name resolution, statistics,
/// registered ones of others (§11.1), and custom blocks.
const PASSED_OVER: [u32; 14] =
    [4, 5, 7, 8, 9, 0x201, 0x202, 0x203, 0x204, 0x205, 0x206, 0x207, 0xbad, 0x4000_0bad];

/// Type and total length.
const HEAD_BYTES: usize = 8;
/// Head and the length at the end: the shortest block.
const FRAME_BYTES: usize = 12;

/// What a unit of time is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Unit {
    /// So many nanoseconds.
    Nanos(u64),
    /// So many are a nanosecond.
    OfNano(u64),
    /// 2^-n seconds.
    Binary(u8),
    /// Too small for 64 bits to reach a nanosecond.
    Nothing,
}

impl Unit {
    /// From `if_tsresol` (§4.2): the top bit chooses powers of two or of ten.
    fn from_resolution(r: u8) -> Self {
        let n = r & 0x7f;
        if r & 0x80 != 0 {
            return Self::Binary(n);
        }
        let power = |n: u8| 10_u64.checked_pow(u32::from(n));
        if n <= 9 {
            Self::Nanos(power(9 - n).unwrap_or(1))
        } else {
            power(n - 9).map_or(Self::Nothing, Self::OfNano)
        }
    }

    /// Nanoseconds in `ticks`, rounded down. Every product is below 2^94.
    #[inline]
    fn nanos(self, ticks: u64) -> i128 {
        match self {
            Self::Nanos(n) => i128::from(ticks) * i128::from(n),
            Self::OfNano(n) => i128::from(ticks / n.max(1)),
            Self::Binary(n) => (i128::from(ticks) * 1_000_000_000) >> n.min(126),
            Self::Nothing => 0,
        }
    }
}

/// An interface of the section at hand.
#[derive(Clone, Copy, Debug)]
struct Interface {
    number: u32,
    link: LinkType,
    snap_len: u32,
    unit: Unit,
    /// Nanoseconds to add.
    offset: i128,
    told_time: bool,
}

impl Interface {
    #[inline]
    fn time(&mut self, ticks: u64, c: &Cursor<'_>, out: &mut Builder) -> CaptureTime {
        let ns = self.unit.nanos(ticks) + self.offset;
        if let Ok(ns) = i64::try_from(ns) {
            return CaptureTime(ns);
        }
        if !self.told_time {
            self.told_time = true;
            out.finding(Finding::new(&BAD_TIME).with(format!(
                "byte {}: {ticks} ticks on interface {}, set to the nearest time there is",
                c.offset(),
                self.number
            )));
        }
        CaptureTime(if ns < 0 { i64::MIN } else { i64::MAX })
    }
}

/// A pcapng file within a section.
#[derive(Debug, Default)]
pub(super) struct PcapNg {
    order: ByteOrder,
    interfaces: Vec<Interface>,
    /// The block before had two lengths that differ.
    mismatched: bool,
    told_unknown: bool,
    told_interfaces: bool,
}

/// The byte order that the first twelve bytes of a section state.
pub(super) fn section_order(i: &[u8]) -> Option<ByteOrder> {
    let magic: [u8; 4] = i.get(8..12)?.try_into().ok()?;
    if u32::from_le_bytes(magic) == BYTE_ORDER {
        Some(ByteOrder::Little)
    } else if u32::from_be_bytes(magic) == BYTE_ORDER {
        Some(ByteOrder::Big)
    } else {
        None
    }
}

/// Type and total length.
#[inline]
pub(super) fn block_head(order: ByteOrder, i: &[u8]) -> IResult<&[u8], (u32, u32)> {
    let e = order.nom();
    (u32(e), u32(e)).parse(i)
}

/// Major and minor version, behind the head and the byte-order magic.
pub(super) fn section_version(order: ByteOrder, block: &[u8]) -> IResult<&[u8], (u16, u16)> {
    let e = order.nom();
    let (i, _) = (u32(e), u32(e), u32(e)).parse(block)?;
    (u16(e), u16(e)).parse(i)
}

/// The fixed part of an enhanced packet block, and of a packet block as well.
struct PacketHead {
    interface: u32,
    ticks: u64,
    captured_len: u32,
    original_len: u32,
}

#[inline]
fn packet_head(order: ByteOrder, obsolete: bool, i: &[u8]) -> IResult<&[u8], PacketHead> {
    let e = order.nom();
    let (i, interface) = if obsolete {
        // Two bytes of interface, two of a drop count.
        let (i, (interface, _)) = (u16(e), u16(e)).parse(i)?;
        (i, u32::from(interface))
    } else {
        u32(e).parse(i)?
    };
    // The upper half of the time comes first in both byte orders.
    let (i, (high, low, captured_len, original_len)) = (u32(e), u32(e), u32(e), u32(e)).parse(i)?;
    let ticks = u64::from(high) << 32 | u64::from(low);
    Ok((i, PacketHead { interface, ticks, captured_len, original_len }))
}

impl PcapNg {
    /// Reads the blocks of a chunk.
    pub(super) fn run(&mut self, cursor: &mut Cursor<'_>, out: &mut Builder) -> Stop {
        loop {
            let rest = cursor.rest();
            let Ok((_, (kind, len))) = block_head(self.order, rest) else {
                return Stop::Need(FRAME_BYTES);
            };
            let mut len = len;
            if kind == SECTION_HEADER {
                if rest.len() < FRAME_BYTES {
                    return Stop::Need(FRAME_BYTES);
                }
                let Some(order) = section_order(rest) else {
                    return broken(cursor, "a section without its byte-order magic");
                };
                self.order = order;
                len = block_head(order, rest).map_or(0, |(_, (_, len))| len);
            }
            let whole = len as usize;
            if !(FRAME_BYTES..=MAX_BLOCK_BYTES).contains(&whole) {
                return broken(
                    cursor,
                    &format!(
                        "a block of type {kind:#x} and {whole} bytes; {FRAME_BYTES} to {MAX_BLOCK_BYTES} are believed"
                    ),
                );
            }
            let Some(block) = rest.get(..whole) else {
                return Stop::Need(whole);
            };
            if kind == SECRETS && out.has_packets() {
                return Stop::Split;
            }
            let body = block.get(HEAD_BYTES..whole - 4).unwrap_or_default();
            if let Some(stop) = self.check_trailer(block, len, cursor, out) {
                return stop;
            }
            match kind {
                ENHANCED_PACKET => self.packet(false, body, cursor, out),
                PACKET => self.packet(true, body, cursor, out),
                SIMPLE_PACKET => self.simple_packet(body, cursor, out),
                INTERFACE => self.interface(body, cursor, out),
                SECRETS => self.secrets(body, cursor, out),
                SECTION_HEADER => {
                    if let Ok((_, (major, minor))) = section_version(self.order, block)
                        && major != 1
                    {
                        return broken(cursor, &format!("a section of version {major}.{minor}"));
                    }
                    self.interfaces.clear();
                    (self.told_unknown, self.told_interfaces) = (false, false);
                }
                _ => self.pass_over(kind, whole, cursor, out),
            }
            cursor.at += whole;
        }
    }

    /// Compares the length at the end of a block with that at its start. The one
    /// at the start is believed once; twice in a row nothing fits any more.
    #[inline]
    fn check_trailer(
        &mut self,
        block: &[u8],
        len: u32,
        c: &Cursor<'_>,
        out: &mut Builder,
    ) -> Option<Stop> {
        let last = block.last_chunk().copied().unwrap_or_default();
        let again = match self.order {
            ByteOrder::Little => u32::from_le_bytes(last),
            ByteOrder::Big => u32::from_be_bytes(last),
        };
        if again == len {
            self.mismatched = false;
            return None;
        }
        let text = format!("a block states {len} bytes at its start and {again} at its end");
        if self.mismatched {
            return Some(broken(c, &text));
        }
        self.mismatched = true;
        out.finding(bad_block(c, &text));
        None
    }

    #[inline]
    fn packet(&mut self, obsolete: bool, body: &[u8], c: &Cursor<'_>, out: &mut Builder) {
        let Ok((data, head)) = packet_head(self.order, obsolete, body) else {
            out.finding(bad_block(c, &format!("a packet block with {} bytes of body", body.len())));
            return;
        };
        let Some(interface) = self.interfaces.get_mut(head.interface as usize) else {
            out.finding(bad_block(
                c,
                &format!("a packet of interface {}, which was not described", head.interface),
            ));
            return;
        };
        let captured_len = bounded(head.captured_len, data.len(), c, out);
        let record = Record {
            time: interface.time(head.ticks, c, out),
            link: interface.link,
            interface: interface.number,
            original_len: head.original_len,
            skip: HEAD_BYTES + (body.len() - data.len()),
            captured_len,
        };
        out.packet(c, record);
    }

    /// A simple packet belongs to interface 0 and has no time and no captured
    /// length: it was snapped to the interface's snap length (§4.4).
    fn simple_packet(&mut self, body: &[u8], c: &Cursor<'_>, out: &mut Builder) {
        let head: IResult<&[u8], u32> = u32(self.order.nom()).parse(body);
        let Ok((data, original_len)) = head else {
            out.finding(bad_block(c, "a simple packet block without a length"));
            return;
        };
        let Some(interface) = self.interfaces.first() else {
            out.finding(bad_block(c, "a simple packet, and no interface described"));
            return;
        };
        let claimed = match interface.snap_len {
            0 => original_len,
            snap => original_len.min(snap),
        };
        let record = Record {
            time: out.last_time,
            link: interface.link,
            interface: interface.number,
            original_len,
            skip: HEAD_BYTES + (body.len() - data.len()),
            captured_len: bounded(claimed, data.len(), c, out),
        };
        out.packet(c, record);
    }

    fn interface(&mut self, body: &[u8], c: &Cursor<'_>, out: &mut Builder) {
        let e = self.order.nom();
        let head: IResult<&[u8], (u16, u16, u32)> = (u16(e), u16(e), u32(e)).parse(body);
        let Ok((options, (link, _, snap_len))) = head else {
            // Its number is lost all the same: those that follow keep theirs.
            out.finding(bad_block(c, "an interface description without a link type"));
            return self.add_interface(LinkType(u16::MAX), 0, Unit::Nanos(1000), 0, c, out);
        };
        let (mut unit, mut offset) = (Unit::Nanos(1000), 0);
        let whole = self.options(options, |code, value| match (code, value) {
            (IF_TSRESOL, [r]) => unit = Unit::from_resolution(*r),
            (IF_TSOFFSET, v) => {
                if let Ok(v) = <[u8; 8]>::try_from(v) {
                    let seconds = match self.order {
                        ByteOrder::Little => i64::from_le_bytes(v),
                        ByteOrder::Big => i64::from_be_bytes(v),
                    };
                    offset = i128::from(seconds) * 1_000_000_000;
                }
            }
            _ => (),
        });
        if !whole {
            out.finding(bad_block(c, "an option of an interface is longer than its block"));
        }
        self.add_interface(LinkType(link), snap_len, unit, offset, c, out);
    }

    fn add_interface(
        &mut self,
        link: LinkType,
        snap_len: u32,
        unit: Unit,
        offset: i128,
        c: &Cursor<'_>,
        out: &mut Builder,
    ) {
        if self.interfaces.len() >= MAX_INTERFACES {
            if !self.told_interfaces {
                self.told_interfaces = true;
                out.finding(
                    Finding::new(&TOO_MANY_INTERFACES)
                        .with(format!("byte {}: more than {MAX_INTERFACES}", c.offset())),
                );
            }
            return;
        }
        let number = out.interfaces;
        out.interfaces = out.interfaces.saturating_add(1);
        self.interfaces.push(Interface { number, link, snap_len, unit, offset, told_time: false });
    }

    /// Hands each option to `each` (§3.5); `false` where one does not fit.
    fn options(&self, mut rest: &[u8], mut each: impl FnMut(u16, &[u8])) -> bool {
        let e = self.order.nom();
        while !rest.is_empty() {
            let head: IResult<&[u8], (u16, u16)> = (u16(e), u16(e)).parse(rest);
            let Ok((i, (code, len))) = head else {
                return false;
            };
            if code == 0 {
                return true;
            }
            let Some((value, i)) = i.split_at_checked(usize::from(len)) else {
                return false;
            };
            each(code, value);
            let padding = usize::from(len).next_multiple_of(4) - usize::from(len);
            rest = i.get(padding..).unwrap_or_default();
        }
        true
    }

    fn secrets(&self, body: &[u8], c: &Cursor<'_>, out: &mut Builder) {
        let e = self.order.nom();
        let head: IResult<&[u8], (u32, u32)> = (u32(e), u32(e)).parse(body);
        let Ok((data, (kind, len))) = head else {
            out.finding(bad_block(c, "a secrets block without a length"));
            return;
        };
        if len as usize > data.len() {
            out.finding(bad_block(
                c,
                &format!("{len} bytes of secrets in a block that has room for {}", data.len()),
            ));
        }
        let data = data.get(..len as usize).unwrap_or(data);
        out.secrets(Secrets { kind, data: Arc::from(data) });
    }

    fn pass_over(&mut self, kind: u32, len: usize, c: &Cursor<'_>, out: &mut Builder) {
        if !PASSED_OVER.contains(&kind) && !self.told_unknown {
            self.told_unknown = true;
            out.finding(
                Finding::new(&UNKNOWN_BLOCK)
                    .with(format!("byte {}: type {kind:#x}, {len} bytes", c.offset())),
            );
        }
    }
}

/// The bytes of a packet that are there and are taken.
#[inline]
fn bounded(claimed: u32, room: usize, c: &Cursor<'_>, out: &mut Builder) -> u32 {
    let mut taken = claimed as usize;
    if taken > room {
        let text = format!("a packet of {claimed} bytes in a block that has room for {room}");
        out.finding(bad_block(c, &text));
        taken = room;
    }
    if taken > MAX_PACKET_BYTES {
        out.finding(
            Finding::new(&PACKET_TOO_LONG)
                .with(format!("byte {}: {taken} bytes, {MAX_PACKET_BYTES} shown", c.offset())),
        );
        taken = MAX_PACKET_BYTES;
    }
    taken as u32
}

#[cold]
fn bad_block(c: &Cursor<'_>, what: &str) -> Finding {
    Finding::new(&BAD_BLOCK).with(format!("byte {}: {what}", c.offset()))
}

#[cold]
fn broken(c: &Cursor<'_>, what: &str) -> Stop {
    Stop::Broken(bad_block(c, &format!("{what}; nothing after it is read")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_resolution_is_exact() {
        let ns = |r, ticks| Unit::from_resolution(r).nanos(ticks);
        assert_eq!(ns(0, 7), 7_000_000_000);
        assert_eq!(ns(6, 1_795_209_825_123_456), 1_795_209_825_123_456_000);
        assert_eq!(ns(9, 1_795_209_825_123_456_789), 1_795_209_825_123_456_789);
        assert_eq!(ns(12, 1_999), 1);
        assert_eq!(ns(28, u64::MAX), 1);
        assert_eq!(ns(29, u64::MAX), 0);
        assert_eq!(ns(127, u64::MAX), 0);
        assert_eq!(ns(0x80, 3), 3_000_000_000);
        assert_eq!(ns(0x8a, 1025), 1_000_976_562);
        assert_eq!(ns(0xa0, 0x6b00_90a1_8000_0000), 1_795_199_137_500_000_000);
        assert_eq!(ns(0xff, u64::MAX), 0);
        assert_eq!(ns(0, u64::MAX), i128::from(u64::MAX) * 1_000_000_000);
    }
}
