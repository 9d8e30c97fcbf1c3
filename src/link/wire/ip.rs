//! IPv4, IPv6 and the extension headers.

use std::net::{Ipv4Addr, Ipv6Addr};

use super::{address4, address6, four, note_checksum, one, scaled, two, whole};
use crate::base::Span;
use crate::field::input::{bytes, group, word};
use crate::field::{FieldSpec, In, Parsed, Sink, Value};
use crate::link::fields as f;
use crate::link::names::protocol;

/// What the IPv4 header says.
#[derive(Clone, Copy, Debug)]
pub(in crate::link) struct Ipv4Head {
    /// Header length in bytes, 0 to 60; below 20 it is a lie.
    pub header_len: u8,
    /// Total length in bytes.
    pub total_len: u16,
    /// Identification.
    pub id: u16,
    /// More fragments follow.
    pub more: bool,
    /// Fragment offset in bytes.
    pub offset: u32,
    /// What follows.
    pub protocol: u8,
    /// Who sent it.
    pub source: Ipv4Addr,
    /// To whom.
    pub destination: Ipv4Addr,
}

/// Reads an IPv4 header with its options (as far as the input goes).
///
/// ```text
///  0       4       8         14 16                            31
/// +-------+-------+-----------+--+-----------------------------+
/// |version|  IHL  |   DSCP    |EC|        total length         |
/// +-------+-------+-----------+--+--+--------------------------+
/// |        identification        |RDM|     fragment offset     |
/// +---------------+--------------+---+-------------------------+
/// |  time to live |   protocol   |       header checksum       |
/// +---------------+--------------+-----------------------------+
/// |                          source                            |
/// +------------------------------------------------------------+
/// |                        destination                         |
/// +------------------------------------------------------------+
/// ```
#[inline(always)]
pub(in crate::link) fn ipv4<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Ipv4Head> {
    whole(i, 20)?;
    group(&f::IP, |i: In<'a, S>| {
        let (start, whole_header) = (i.at(), i.data());
        let (rest, w) = word(2)(i)?;
        w.bits(&f::IP_VERSION, 0);
        // Four bits times four: up to 60.
        let header_len = ((w.value() >> 8 & 0x0f) * 4) as u8;
        scaled(i, &f::IP_HDR_LEN, 4, u64::from(header_len));
        if S::ON {
            i.sink().open(&f::IP_DSFIELD, Span::bytes(i.buffer(), i.at().saturating_add(1), 1));
            i.sink().value(Value::U64(w.value() & 0xff));
            w.bits(&f::IP_DSFIELD_DSCP, 8);
            w.bits(&f::IP_DSFIELD_ECN, 14);
            i.sink().close(i.at().saturating_add(2));
        }
        let (i, total_len) = two(&f::IP_LEN)(rest)?;
        let (i, id) = two(&f::IP_ID)(i)?;
        let (rest, w) = word(2)(i)?;
        if S::ON {
            i.sink().computed(&f::IP_FLAGS, Value::U64(w.value() >> 13));
        }
        w.flag(&f::IP_FLAGS_RB, 0);
        w.flag(&f::IP_FLAGS_DF, 1);
        let more = w.flag(&f::IP_FLAGS_MF, 2);
        // Thirteen bits times eight.
        let offset = (w.value() & 0x1fff) as u32 * 8;
        scaled(i, &f::IP_FRAG_OFFSET, 3, u64::from(offset));
        let (i, _) = one(&f::IP_TTL)(rest)?;
        let (i, protocol) = one(&f::IP_PROTO)(i)?;
        let (i, _) = two(&f::IP_CHECKSUM)(i)?;
        if S::ON
            && let Some(header) = whole_header.get(..usize::from(header_len))
        {
            let sum = etherparse::checksum::Sum16BitWords::new().add_slice(header);
            note_checksum(i, Some(sum.ones_complement() == 0));
        }
        let (i, source) = address4(i, &f::IP_SRC)?;
        let (mut i, destination) = address4(i, &f::IP_DST)?;
        let options = usize::from(header_len).saturating_sub((i.at() - start) as usize);
        if options > 0 {
            let n = options.min(i.data().len());
            (i, ()) = options4(i, n)?;
        }
        let head =
            Ipv4Head { header_len, total_len, id, more, offset, protocol, source, destination };
        Ok((i, head))
    })(i)
}

/// The next `n` bytes: options of IPv4.
fn options4<'a, S: Sink + 'a>(i: In<'a, S>, n: usize) -> Parsed<'a, S, ()> {
    if !S::ON {
        return i.split(n).map(|(i, _)| (i, ()));
    }
    let (rest, _) = i.split(n)?;
    let mut i = nom::Input::take(&i, n);
    while let Some(kind) = i.data().first() {
        let len = match (kind, i.data().get(1)) {
            // End of options, and what fills up behind it.
            (0, _) => i.data().len(),
            (1, _) => 1,
            (_, Some(len)) => usize::from(*len),
            (_, None) => 0,
        };
        let left = i.data().len();
        (i, ()) = group(&f::IP_OPT, |i| {
            let (i, kind) = one(&f::IP_OPT_TYPE)(i)?;
            if kind <= 1 {
                let (i, _) = bytes(&f::IP_OPT_DATA, len - 1)(i)?;
                return Ok((i, ()));
            }
            if len < 2 || len > left {
                // It lies: the rest is shown as it is.
                let (i, _) = bytes(&f::IP_OPT_DATA, left - 1)(i)?;
                return Ok((i, ()));
            }
            let (i, _) = one(&f::IP_OPT_LEN)(i)?;
            let (i, _) = bytes(&f::IP_OPT_DATA, len - 2)(i)?;
            Ok((i, ()))
        })(i)?;
    }
    Ok((rest, ()))
}

/// What the IPv6 header says.
#[derive(Clone, Copy, Debug)]
pub(in crate::link) struct Ipv6Head {
    /// Payload length in bytes.
    pub payload_len: u16,
    /// What follows.
    pub next: u8,
    /// Who sent it.
    pub source: Ipv6Addr,
    /// To whom.
    pub destination: Ipv6Addr,
}

/// Reads an IPv6 header.
///
/// ```text
///  0       4           10 12                                  31
/// +-------+-----------+--+-------------------------------------+
/// |version|   DSCP    |EC|             flow label              |
/// +-------+-----------+--+--------+--------------+-------------+
/// |         payload length        | next header  |  hop limit  |
/// +-------------------------------+--------------+-------------+
/// |                  source, 16 bytes                          |
/// |                  destination, 16 bytes                     |
/// +------------------------------------------------------------+
/// ```
pub(in crate::link) fn ipv6<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Ipv6Head> {
    whole(i, 40)?;
    group(&f::IPV6, |i: In<'a, S>| {
        let (rest, w) = word(4)(i)?;
        w.bits(&f::IPV6_VERSION, 0);
        if S::ON {
            // It begins in the middle of a byte.
            i.sink().open(&f::IPV6_TCLASS, Span::bit_field(i.buffer(), i.at(), 4, 8));
            i.sink().value(Value::U64(w.value() >> 20 & 0xff));
            w.bits(&f::IPV6_DSCP, 4);
            w.bits(&f::IPV6_ECN, 10);
            i.sink().close(i.at().saturating_add(2));
        }
        w.bits(&f::IPV6_FLOW, 12);
        let i = rest;
        let (i, payload_len) = two(&f::IPV6_PLEN)(i)?;
        let (i, next) = one(&f::IPV6_NXT)(i)?;
        let (i, _) = one(&f::IPV6_HLIM)(i)?;
        let (i, source) = address6(i, &f::IPV6_SRC)?;
        let (i, destination) = address6(i, &f::IPV6_DST)?;
        Ok((i, Ipv6Head { payload_len, next, source, destination }))
    })(i)
}

/// Reads an extension header of the common shape (RFC 6564): next header, length
/// in units of 8 bytes without the first 8, and what it says; gives what follows.
pub(in crate::link) fn extension<'a, S: Sink + 'a>(i: In<'a, S>, which: u8) -> Parsed<'a, S, u8> {
    let (_, [_, second]) = super::array::<S, 2>(i)?;
    let len = usize::from(second) * 8 + 8;
    whole(i, len)?;
    let [spec, nxt, length]: [&'static FieldSpec; 3] = match which {
        protocol::HOP_BY_HOP => [&f::IPV6_HOPOPTS, &f::IPV6_HOPOPTS_NXT, &f::IPV6_HOPOPTS_LEN],
        protocol::DESTINATION => [&f::IPV6_DSTOPTS, &f::IPV6_DSTOPTS_NXT, &f::IPV6_DSTOPTS_LEN],
        protocol::ROUTING => [&f::IPV6_ROUTING, &f::IPV6_ROUTING_NXT, &f::IPV6_ROUTING_LEN],
        _ => [&f::IPV6_EXT, &f::IPV6_EXT_NXT, &f::IPV6_EXT_LEN],
    };
    group(spec, |i| {
        let (i, next) = one(nxt)(i)?;
        let (i, _) = one(length)(i)?;
        let (i, ()) = match which {
            protocol::HOP_BY_HOP | protocol::DESTINATION => options6(i, len - 2)?,
            protocol::ROUTING => {
                let (i, _) = one(&f::IPV6_ROUTING_TYPE)(i)?;
                let (i, _) = one(&f::IPV6_ROUTING_LEFT)(i)?;
                bytes(&f::IPV6_EXT_DATA, len - 4)(i).map(|(i, _)| (i, ()))?
            }
            _ => bytes(&f::IPV6_EXT_DATA, len - 2)(i).map(|(i, _)| (i, ()))?,
        };
        Ok((i, next))
    })(i)
}

/// The next `n` bytes: options of IPv6 (RFC 8200 §4.2).
fn options6<'a, S: Sink + 'a>(i: In<'a, S>, n: usize) -> Parsed<'a, S, ()> {
    let (rest, _) = i.split(n)?;
    if !S::ON {
        return Ok((rest, ()));
    }
    let mut i = nom::Input::take(&i, n);
    while let Some(kind) = i.data().first() {
        let left = i.data().len();
        let len = i.data().get(1).map(|n| usize::from(*n));
        let pad1 = *kind == 0;
        (i, ()) = group(&f::IPV6_OPT, |i| {
            let (i, _) = one(&f::IPV6_OPT_TYPE)(i)?;
            match len {
                _ if pad1 => Ok((i, ())),
                Some(len) if len + 2 <= left => {
                    let (i, _) = one(&f::IPV6_OPT_LEN)(i)?;
                    bytes(&f::IPV6_OPT_DATA, len)(i).map(|(i, _)| (i, ()))
                }
                // It lies: the rest is shown as it is.
                _ => bytes(&f::IPV6_OPT_DATA, left - 1)(i).map(|(i, _)| (i, ())),
            }
        })(i)?;
    }
    Ok((rest, ()))
}

/// What the fragment header of IPv6 says.
#[derive(Clone, Copy, Debug)]
pub(in crate::link) struct FragHead {
    /// What the fragments carry.
    pub next: u8,
    /// Where this one lies, in bytes.
    pub offset: u32,
    /// More follow.
    pub more: bool,
    /// Identification.
    pub id: u32,
}

/// Reads a fragment header (RFC 8200 §4.5).
///
/// ```text
///  0               8               16                      29 31
/// +---------------+---------------+-------------------------+--+-+
/// |  next header  |   reserved    |     fragment offset     |rs|M|
/// +---------------+---------------+-------------------------+--+-+
/// |                        identification                        |
/// +--------------------------------------------------------------+
/// ```
pub(in crate::link) fn fragment<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, FragHead> {
    whole(i, 8)?;
    group(&f::IPV6_FRAG, |i| {
        let (i, next) = one(&f::IPV6_FRAG_NXT)(i)?;
        let (i, _) = one(&f::IPV6_FRAG_RESERVED)(i)?;
        let (i, w) = word(2)(i)?;
        // Thirteen bits.
        let offset = w.bits(&f::IPV6_FRAG_OFFSET, 0) as u32 * 8;
        w.bits(&f::IPV6_FRAG_BITS, 13);
        let more = w.flag(&f::IPV6_FRAG_MORE, 15);
        let (i, id) = four(&f::IPV6_FRAG_IDENT)(i)?;
        Ok((i, FragHead { next, offset, more, id }))
    })(i)
}

/// Reads an authentication header (RFC 4302); gives what follows.
pub(in crate::link) fn authentication<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, u8> {
    let (_, [_, second]) = super::array::<S, 2>(i)?;
    // The length counts words and leaves two out; twelve bytes are always there.
    let len = (usize::from(second) * 4 + 8).max(12);
    whole(i, len)?;
    group(&f::AH, |i| {
        let (i, next) = one(&f::AH_NXT)(i)?;
        let (i, _) = one(&f::AH_LEN)(i)?;
        let (i, _) = two(&f::AH_RESERVED)(i)?;
        let (i, _) = four(&f::AH_SPI)(i)?;
        let (i, _) = four(&f::AH_SEQUENCE)(i)?;
        let (i, _) = bytes(&f::AH_ICV, len - 12)(i)?;
        Ok((i, next))
    })(i)
}
