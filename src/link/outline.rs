//! What a packet is in a few numbers: the result of walking its layers once.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::link::names;
use crate::link::wire::{ArpHead, IcmpHead, TcpHead};

/// Where bytes lie in the buffer that was walked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// First byte.
    pub at: u32,
    /// Bytes that were captured.
    pub len: u32,
    /// Bytes behind them that were on the wire but not captured.
    pub missing: u32,
}

impl Extent {
    /// Bytes on the wire.
    #[must_use]
    pub const fn wire_len(&self) -> u32 {
        self.len.saturating_add(self.missing)
    }
}

/// A fragment of an IP datagram.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FragmentInfo {
    /// IPv6.
    pub v6: bool,
    /// Identification; 16 bits in IPv4.
    pub id: u32,
    /// Where it lies in the datagram, in bytes.
    pub offset: u32,
    /// More follow.
    pub more: bool,
    /// What the datagram carries (for IPv6, what follows the fragment header).
    pub protocol: u8,
    /// Its bytes.
    pub payload: Extent,
}

/// The options of a TCP header that people ask for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpOptions {
    /// Maximum segment size in bytes.
    pub mss: Option<u16>,
    /// Window scale, 0 to 14 (RFC 7323 §2.3 says to read more as 14).
    pub window_scale: Option<u8>,
    /// SACK permitted.
    pub sack_permitted: bool,
    /// The first [`TcpOptions::sack_blocks`] of these are SACK blocks: left and right edge.
    pub sack: [(u32, u32); 4],
    /// How many: 40 bytes of options hold at most 4 (RFC 2018 §3).
    pub sack_blocks: u8,
    /// Timestamps: value and echo.
    pub timestamps: Option<(u32, u32)>,
}

/// What the innermost layer is that was looked into.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// A TCP segment.
    Tcp {
        /// Its header.
        head: TcpHead,
        /// Its options.
        options: TcpOptions,
        /// Its payload.
        payload: Extent,
    },
    /// A UDP datagram.
    Udp(Extent),
    /// An ICMP or ICMPv6 message and its length in bytes, header included.
    Icmp(IcmpHead, u32),
    /// An ARP packet; what it says where it is about IPv4 on Ethernet.
    Arp(Option<ArpHead>),
    /// A fragment.
    Fragment(FragmentInfo),
    /// An Ethernet type that is not looked into.
    Ethertype(u16),
    /// An IP protocol that is not looked into, or whose header is broken.
    Protocol(u8),
    /// A link type that is not known.
    LinkType(u16),
    /// An address family of a BSD loopback that is no IP.
    Family(u32),
    /// Something else, by name.
    Named(&'static str),
}

impl End {
    /// What people call it.
    #[must_use]
    pub fn name(&self) -> String {
        match *self {
            Self::Tcp { .. } => "tcp".into(),
            Self::Udp(_) => "udp".into(),
            Self::Icmp(h, _) => {
                if h.v6 { names::icmpv6(h.kind) } else { names::icmp(h.kind) }.into()
            }
            Self::Arp(_) => "arp".into(),
            Self::Fragment(_) => "fragment".into(),
            Self::Ethertype(t) => {
                names::ethertype(t).map_or_else(|| format!("ethertype 0x{t:04x}"), Into::into)
            }
            Self::Protocol(p) => {
                names::ip_protocol(p).map_or_else(|| format!("ip protocol {p}"), Into::into)
            }
            Self::LinkType(t) => format!("link type {t}"),
            Self::Family(v) => format!("null family {v}"),
            Self::Named(name) => name.into(),
        }
    }
}

/// Source and destination of an IP header. Kept apart by version: copies of
/// `IpAddr`, 17 bytes at odd places, cost more than the rest of a header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Addresses {
    /// There was no IP.
    None,
    /// Of IPv4.
    V4(Ipv4Addr, Ipv4Addr),
    /// Of IPv6.
    V6(Ipv6Addr, Ipv6Addr),
}

impl Addresses {
    /// Source and destination.
    #[must_use]
    pub const fn pair(&self) -> Option<(IpAddr, IpAddr)> {
        match *self {
            Self::None => None,
            Self::V4(s, d) => Some((IpAddr::V4(s), IpAddr::V4(d))),
            Self::V6(s, d) => Some((IpAddr::V6(s), IpAddr::V6(d))),
        }
    }
}

/// The layers of a packet in a few numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Outline {
    /// Source and destination of the innermost IP header.
    pub addresses: Addresses,
    /// Source and destination port, 0 where there are none.
    pub ports: (u16, u16),
    /// Digest of VLAN ids, VXLAN networks and GRE keys, 0 where there are none.
    pub path: u32,
    /// Tunnels that were looked through.
    pub tunnels: u8,
    /// Bytes of the packet on the wire.
    pub wire_len: u32,
    /// The innermost layer.
    pub end: End,
}
