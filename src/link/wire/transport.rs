//! TCP, UDP, ICMP, and the headers of tunnels.

use super::{four, note_checksum, one, scaled, three, two, whole};
use crate::field::input::{bytes, group, word};
use crate::field::{FieldSpec, In, Parsed, Sink, Value};
use crate::link::fields as f;

/// What a TCP header says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpHead {
    /// From which port.
    pub source: u16,
    /// To which port.
    pub destination: u16,
    /// Sequence number.
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Header length in bytes, 0 to 60; below 20 it is a lie.
    pub header_len: u8,
    /// The eight flags from CWR to FIN.
    pub flags: u8,
    /// Accurate ECN, the ninth flag.
    pub ae: bool,
    /// Window, unscaled.
    pub window: u16,
    /// Urgent pointer.
    pub urgent: u16,
}

/// Reads the fixed part of a TCP header; `right`: whether its checksum is, for a note.
///
/// ```text
///  0       4     7 8               16                           31
/// +-------------------------------+-------------------------------+
/// |          source port          |       destination port        |
/// +-------------------------------+-------------------------------+
/// |                        sequence number                        |
/// +---------------------------------------------------------------+
/// |                     acknowledgement number                    |
/// +-------+-----+-+---------------+-------------------------------+
/// |offset | res |A|C E U A P R S F|            window             |
/// +-------+-----+-+---------------+-------------------------------+
/// |           checksum            |        urgent pointer         |
/// +-------------------------------+-------------------------------+
/// ```
#[inline(always)]
pub(in crate::link) fn tcp<'a, S: Sink + 'a>(
    i: In<'a, S>,
    right: Option<bool>,
) -> Parsed<'a, S, TcpHead> {
    whole(i, 20)?;
    group(&f::TCP, |i: In<'a, S>| {
        let (i, source) = two(&f::TCP_SRCPORT)(i)?;
        let (i, destination) = two(&f::TCP_DSTPORT)(i)?;
        let (i, seq) = four(&f::TCP_SEQ)(i)?;
        let (i, ack) = four(&f::TCP_ACK)(i)?;
        let (rest, w) = word(2)(i)?;
        // Four bits times four: up to 60.
        let header_len = ((w.value() >> 12) * 4) as u8;
        scaled(i, &f::TCP_HDR_LEN, 0, u64::from(header_len));
        if S::ON {
            i.sink().computed(&f::TCP_FLAGS, Value::U64(w.value() & 0x0fff));
        }
        w.bits(&f::TCP_FLAGS_RES, 4);
        let ae = w.flag(&f::TCP_FLAGS_AE, 7);
        if S::ON {
            for (bit, spec) in (8..).zip(TCP_FLAGS) {
                w.flag(spec, bit);
            }
        }
        let (i, window) = two(&f::TCP_WINDOW)(rest)?;
        let (i, _) = two(&f::TCP_CHECKSUM)(i)?;
        note_checksum(i, right);
        let (i, urgent) = two(&f::TCP_URGENT)(i)?;
        // The low byte.
        let flags = w.value() as u8;
        let head = TcpHead { source, destination, seq, ack, header_len, flags, ae, window, urgent };
        Ok((i, head))
    })(i)
}

/// From the most significant bit.
static TCP_FLAGS: [&FieldSpec; 8] = [
    &f::TCP_FLAGS_CWR,
    &f::TCP_FLAGS_ECE,
    &f::TCP_FLAGS_URG,
    &f::TCP_FLAGS_ACK,
    &f::TCP_FLAGS_PUSH,
    &f::TCP_FLAGS_RESET,
    &f::TCP_FLAGS_SYN,
    &f::TCP_FLAGS_FIN,
];

/// A TCP option that says something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::link) enum TcpOption {
    /// Maximum segment size.
    Mss(u16),
    /// Window scale.
    WindowScale(u8),
    /// SACK permitted.
    SackPermitted,
    /// A block of a SACK option: left and right edge.
    Sack(u32, u32),
    /// Value and echo.
    Timestamps(u32, u32),
    /// The length of an option is impossible: what follows is unknown.
    Bad,
}

/// Reads all of the input as TCP options and hands each to `each`.
pub(in crate::link) fn option_list<'a, S: Sink + 'a>(
    i: In<'a, S>,
    mut each: impl FnMut(TcpOption),
) -> Parsed<'a, S, ()> {
    if i.data().is_empty() {
        return Ok((i, ()));
    }
    group(&f::TCP_OPTIONS, |mut i| {
        while !i.data().is_empty() {
            (i, ()) = option(i, &mut each)?;
        }
        Ok((i, ()))
    })(i)
}

fn option<'a, S: Sink + 'a>(i: In<'a, S>, each: &mut impl FnMut(TcpOption)) -> Parsed<'a, S, ()> {
    let left = i.data().len();
    let (kind, len) = match *i.data() {
        [0, ..] => return bytes(&f::TCP_OPT_EOL, left)(i).map(|(i, _)| (i, ())),
        [1, ..] => return one(&f::TCP_OPT_NOP)(i).map(|(i, _)| (i, ())),
        [kind, len, ..] if usize::from(len) >= 2 && usize::from(len) <= left => {
            (kind, usize::from(len))
        }
        _ => {
            each(TcpOption::Bad);
            return group(&f::TCP_OPT_UNKNOWN, |i| {
                let (i, _) = one(&f::TCP_OPT_KIND)(i)?;
                bytes(&f::TCP_OPT_DATA, left - 1)(i).map(|(i, _)| (i, ()))
            })(i);
        }
    };
    let spec: &'static FieldSpec = match (kind, len) {
        (2, 4) => &f::TCP_OPT_MSS,
        (3, 3) => &f::TCP_OPT_WSCALE,
        (4, 2) => &f::TCP_OPT_SACK_PERM,
        (5, n) if n % 8 == 2 => &f::TCP_OPT_SACK,
        (8, 10) => &f::TCP_OPT_TIMESTAMP,
        _ => &f::TCP_OPT_UNKNOWN,
    };
    group(spec, |i| {
        let (i, _) = one(&f::TCP_OPT_KIND)(i)?;
        let (mut i, _) = one(&f::TCP_OPT_LEN)(i)?;
        match (kind, len) {
            (2, 4) => {
                let (i, v) = two(&f::TCP_OPT_MSS_VAL)(i)?;
                each(TcpOption::Mss(v));
                Ok((i, ()))
            }
            (3, 3) => {
                let (i, v) = one(&f::TCP_OPT_WSCALE_SHIFT)(i)?;
                each(TcpOption::WindowScale(v));
                Ok((i, ()))
            }
            (4, 2) => {
                each(TcpOption::SackPermitted);
                Ok((i, ()))
            }
            (5, n) if n % 8 == 2 => {
                for _ in 0..n / 8 {
                    let (le, re);
                    (i, le) = four(&f::TCP_OPT_SACK_LE)(i)?;
                    (i, re) = four(&f::TCP_OPT_SACK_RE)(i)?;
                    each(TcpOption::Sack(le, re));
                }
                Ok((i, ()))
            }
            (8, 10) => {
                let (i, value) = four(&f::TCP_OPT_TSVAL)(i)?;
                let (i, echo) = four(&f::TCP_OPT_TSECR)(i)?;
                each(TcpOption::Timestamps(value, echo));
                Ok((i, ()))
            }
            (_, n) => bytes(&f::TCP_OPT_DATA, n - 2)(i).map(|(i, _)| (i, ())),
        }
    })(i)
}

/// What a UDP header says.
#[derive(Clone, Copy, Debug)]
pub(in crate::link) struct UdpHead {
    /// From which port.
    pub source: u16,
    /// To which port.
    pub destination: u16,
    /// Header and payload in bytes.
    pub len: u16,
}

/// Reads a UDP header; `right`: whether its checksum is, for a note.
///
/// ```text
///  0               16              31
/// +---------------+---------------+
/// |  source port  |   dest. port  |
/// +---------------+---------------+
/// |    length     |   checksum    |
/// +---------------+---------------+
/// ```
pub(in crate::link) fn udp<'a, S: Sink + 'a>(
    i: In<'a, S>,
    right: Option<bool>,
) -> Parsed<'a, S, UdpHead> {
    whole(i, 8)?;
    group(&f::UDP, |i| {
        let (i, source) = two(&f::UDP_SRCPORT)(i)?;
        let (i, destination) = two(&f::UDP_DSTPORT)(i)?;
        let (i, len) = two(&f::UDP_LENGTH)(i)?;
        let (i, sum) = two(&f::UDP_CHECKSUM)(i)?;
        // 0 says that there is none.
        note_checksum(i, right.filter(|_| sum != 0));
        Ok((i, UdpHead { source, destination, len }))
    })(i)
}

/// What an ICMP or ICMPv6 header says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IcmpHead {
    /// ICMPv6.
    pub v6: bool,
    /// Which message.
    pub kind: u8,
    /// Which sort of it.
    pub code: u8,
    /// Identifier and sequence number of an echo.
    pub echo: Option<(u16, u16)>,
}

/// Reads the header of an ICMP (RFC 792) or ICMPv6 (RFC 4443) message, with
/// identifier and sequence of an echo where they are there.
pub(in crate::link) fn icmp<'a, S: Sink + 'a>(i: In<'a, S>, v6: bool) -> Parsed<'a, S, IcmpHead> {
    whole(i, 4)?;
    group(if v6 { &f::ICMPV6 } else { &f::ICMP }, |i| {
        let (i, kind) = one(if v6 { &f::ICMPV6_TYPE } else { &f::ICMP_TYPE })(i)?;
        let (i, code) = one(if v6 { &f::ICMPV6_CODE } else { &f::ICMP_CODE })(i)?;
        let (i, _) = two(if v6 { &f::ICMPV6_CHECKSUM } else { &f::ICMP_CHECKSUM })(i)?;
        let echo = if v6 { matches!(kind, 128 | 129) } else { matches!(kind, 0 | 8) };
        if !echo || i.data().len() < 4 {
            return Ok((i, IcmpHead { v6, kind, code, echo: None }));
        }
        let (i, ident) = two(if v6 { &f::ICMPV6_IDENT } else { &f::ICMP_IDENT })(i)?;
        let (i, seq) = two(if v6 { &f::ICMPV6_SEQ } else { &f::ICMP_SEQ })(i)?;
        Ok((i, IcmpHead { v6, kind, code, echo: Some((ident, seq)) }))
    })(i)
}

/// What a GRE header says.
#[derive(Clone, Copy, Debug)]
pub(in crate::link) struct GreHead {
    /// What it carries, an Ethernet type.
    pub next: u16,
    /// The key.
    pub key: Option<u32>,
    /// Version 0 without routing: what follows is at its place.
    pub plain: bool,
}

/// Reads a GRE header (RFC 2784, RFC 2890). Of other versions, and where there is
/// routing (RFC 1701), the first four bytes alone.
///
/// ```text
///  0 1 2 3 4                  13 16                            31
/// +-+-+-+-+------------------+---+-------------------------------+
/// |C|R|K|S|    reserved      |ver|           protocol            |
/// +-+-+-+-+------------------+---+-------------------------------+
/// |      checksum (if C)         |           reserved            |
/// |                        key (if K)                            |
/// |                  sequence number (if S)                      |
/// +--------------------------------------------------------------+
/// ```
pub(in crate::link) fn gre<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, GreHead> {
    let (_, [first, second]) = super::array::<S, 2>(i)?;
    let plain = first & 0x40 == 0 && second & 0x07 == 0;
    let optional = if plain { (first & 0xb0).count_ones() as usize * 4 } else { 0 };
    whole(i, 4 + optional)?;
    group(&f::GRE, |i| {
        let (i, w) = word(2)(i)?;
        let checksum = w.flag(&f::GRE_C, 0);
        w.flag(&f::GRE_R, 1);
        let keyed = w.flag(&f::GRE_K, 2);
        let sequenced = w.flag(&f::GRE_S, 3);
        w.bits(&f::GRE_RESERVED, 4);
        w.bits(&f::GRE_VERSION, 13);
        let (mut i, next) = two(&f::GRE_PROTO)(i)?;
        let mut key = None;
        if plain && checksum {
            (i, _) = two(&f::GRE_CHECKSUM)(i)?;
            (i, _) = two(&f::GRE_OFFSET)(i)?;
        }
        if plain && keyed {
            let v;
            (i, v) = four(&f::GRE_KEY)(i)?;
            key = Some(v);
        }
        if plain && sequenced {
            (i, _) = four(&f::GRE_SEQUENCE)(i)?;
        }
        Ok((i, GreHead { next, key, plain }))
    })(i)
}

/// Reads a VXLAN header (RFC 7348 §5); gives the network.
///
/// ```text
///  0               8                               24          31
/// +---------------+-------------------------------+------------+
/// |   flags (I)   |           reserved                         |
/// +---------------+-------------------------------+------------+
/// |            network identifier                 |  reserved  |
/// +-----------------------------------------------+------------+
/// ```
pub(in crate::link) fn vxlan<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, u32> {
    whole(i, 8)?;
    group(&f::VXLAN, |i| {
        let (i, _) = one(&f::VXLAN_FLAGS)(i)?;
        let (i, _) = three(&f::VXLAN_RESERVED_24)(i)?;
        let (i, vni) = three(&f::VXLAN_VNI)(i)?;
        let (i, _) = one(&f::VXLAN_RESERVED_8)(i)?;
        Ok((i, vni))
    })(i)
}
