//! Link layers and what lies between them and IP.

use std::net::Ipv4Addr;

use super::{address4, array, four, hardware, one, three, two, whole};
use crate::field::input::{bytes, group, word};
use crate::field::{In, Parsed, Sink, Value};
use crate::link::fields as f;

/// Reads an Ethernet header; gives the type, or the length below 1536.
///
/// ```text
///  0      6      12    14
/// +------+------+-----+
/// | dst  | src  |type |
/// +------+------+-----+
/// ```
pub(in crate::link) fn ethernet<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, u16> {
    whole(i, 14)?;
    group(&f::ETH, |i| {
        let (i, _) = hardware(i, 6, &f::ETH_DST)?;
        let (i, _) = hardware(i, 6, &f::ETH_SRC)?;
        let (_, next) = array::<S, 2>(i)?;
        if u16::from_be_bytes(next) < 0x0600 { two(&f::ETH_LEN)(i) } else { two(&f::ETH_TYPE)(i) }
    })(i)
}

/// Reads a VLAN tag behind its type: the id and the type of what follows.
///
/// ```text
///  0  1  2  3  4 ...        15 16                            31
/// +--------+--+---------------+-------------------------------+
/// |priority|DE|    VLAN id    |             type              |
/// +--------+--+---------------+-------------------------------+
/// ```
pub(in crate::link) fn vlan<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, (u16, u16)> {
    whole(i, 4)?;
    group(&f::VLAN, |i| {
        let (i, w) = word(2)(i)?;
        w.bits(&f::VLAN_PRIORITY, 0);
        w.flag(&f::VLAN_DEI, 3);
        let id = w.bits(&f::VLAN_ID, 4);
        let (i, next) = two(&f::VLAN_ETYPE)(i)?;
        // Twelve bits.
        Ok((i, (id as u16, next)))
    })(i)
}

/// Reads a short LLC header: DSAP and control (unnumbered frames).
pub(in crate::link) fn llc<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, u8> {
    whole(i, 3)?;
    group(&f::LLC, |i| {
        let (i, dsap) = one(&f::LLC_DSAP)(i)?;
        let (i, _) = one(&f::LLC_SSAP)(i)?;
        let (i, _) = one(&f::LLC_CONTROL)(i)?;
        Ok((i, dsap))
    })(i)
}

/// Reads an LLC header with SNAP (RFC 1042): organisation and type.
pub(in crate::link) fn llc_snap<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, (u32, u16)> {
    whole(i, 8)?;
    group(&f::LLC, |i| {
        let (i, _) = one(&f::LLC_DSAP)(i)?;
        let (i, _) = one(&f::LLC_SSAP)(i)?;
        let (i, _) = one(&f::LLC_CONTROL)(i)?;
        let (i, oui) = three(&f::LLC_OUI)(i)?;
        let (i, next) = two(&f::LLC_TYPE)(i)?;
        Ok((i, (oui, next)))
    })(i)
}

/// Reads a Linux cooked header of version 1; gives the protocol.
///
/// ```text
///  0        2        4        6                 14       16
/// +--------+--------+--------+-----------------+--------+
/// |pkttype | hatype | halen  | address         | proto  |
/// +--------+--------+--------+-----------------+--------+
/// ```
pub(in crate::link) fn sll<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, u16> {
    whole(i, 16)?;
    group(&f::SLL, |i| {
        let (i, _) = two(&f::SLL_PKTTYPE)(i)?;
        let (i, _) = two(&f::SLL_HATYPE)(i)?;
        let (i, halen) = two(&f::SLL_HALEN)(i)?;
        let (i, ()) = cooked_address(i, halen)?;
        two(&f::SLL_ETYPE)(i)
    })(i)
}

/// Reads a Linux cooked header of version 2; gives the protocol.
///
/// ```text
///  0       2        4          8        10  11  12            20
/// +-------+--------+----------+--------+---+---+-------------+
/// | proto |reserved| if index | hatype |pkt|hal| address     |
/// +-------+--------+----------+--------+---+---+-------------+
/// ```
pub(in crate::link) fn sll2<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, u16> {
    whole(i, 20)?;
    group(&f::SLL, |i| {
        let (i, next) = two(&f::SLL_ETYPE)(i)?;
        let (i, _) = two(&f::SLL_RESERVED)(i)?;
        let (i, _) = four(&f::SLL_IFINDEX)(i)?;
        let (i, _) = two(&f::SLL_HATYPE)(i)?;
        let (i, _) = one(&f::SLL_PKTTYPE)(i)?;
        let (i, halen) = one(&f::SLL_HALEN)(i)?;
        let (i, ()) = cooked_address(i, u16::from(halen))?;
        Ok((i, next))
    })(i)
}

/// The address field of a cooked header: 8 bytes, of which `halen` count.
fn cooked_address<'a, S: Sink + 'a>(i: In<'a, S>, halen: u16) -> Parsed<'a, S, ()> {
    let n = usize::from(halen).min(8);
    let (i, _) = hardware(i, n, if n == 6 { &f::SLL_SRC_ETH } else { &f::SLL_SRC })?;
    let (i, _) = bytes(&f::SLL_UNUSED, 8 - n)(i)?;
    Ok((i, ()))
}

/// Reads the address family of a NULL or LOOP header. That of NULL is in the
/// byte order of the recorder: families are small, so the order shows.
pub(in crate::link) fn family<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, u32> {
    whole(i, 4)?;
    group(&f::NULL, |i| {
        let (rest, v) = array::<S, 4>(i)?;
        let (big, little) = (u32::from_be_bytes(v), u32::from_le_bytes(v));
        let family = big.min(little);
        if S::ON {
            i.sink().field(&f::NULL_FAMILY, i.span_to(&rest), Value::U64(u64::from(family)));
        }
        Ok((rest, family))
    })(i)
}

/// What an ARP packet for IPv4 on Ethernet says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ArpHead {
    /// 1 request, 2 reply.
    pub operation: u16,
    /// Hardware address of the sender.
    pub source_hardware: [u8; 6],
    /// Address of the sender.
    pub source: Ipv4Addr,
    /// Address that is asked for.
    pub target: Ipv4Addr,
}

/// Reads an ARP packet (RFC 826): its addresses are read where they are those of
/// IPv4 on Ethernet.
pub(in crate::link) fn arp<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Option<ArpHead>> {
    let (_, start) = array::<S, 8>(i)?;
    let known = start.starts_with(&[0, 1, 8, 0, 6, 4]);
    whole(i, if known { 28 } else { 8 })?;
    group(&f::ARP, |i| {
        let (i, _) = two(&f::ARP_HW_TYPE)(i)?;
        let (i, _) = two(&f::ARP_PROTO_TYPE)(i)?;
        let (i, _) = one(&f::ARP_HW_SIZE)(i)?;
        let (i, _) = one(&f::ARP_PROTO_SIZE)(i)?;
        let (i, operation) = two(&f::ARP_OPCODE)(i)?;
        if !known {
            return Ok((i, None));
        }
        let (i, hw) = hardware(i, 6, &f::ARP_SRC_HW)?;
        let (i, source) = address4(i, &f::ARP_SRC_PROTO)?;
        let (i, _) = hardware(i, 6, &f::ARP_DST_HW)?;
        let (i, target) = address4(i, &f::ARP_DST_PROTO)?;
        let source_hardware = hw.try_into().unwrap_or_default();
        Ok((i, Some(ArpHead { operation, source_hardware, source, target })))
    })(i)
}
