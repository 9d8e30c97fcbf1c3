//! What the link layer finds in a packet.

use std::net::IpAddr;

use crate::base::{Moment, Piece};
use crate::finding::Finding;

/// Both ends of a packet, with what keeps equal addresses apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Endpoints {
    /// Who sent it.
    pub source: (IpAddr, u16),
    /// To whom.
    pub destination: (IpAddr, u16),
    /// A digest of VLAN ids and tunnel ids (VXLAN network, GRE key) in its path,
    /// 0 where there are none: the same addresses in two tunnels are two flows.
    pub path: u32,
}

/// The eight flags of a TCP header and their letters, as tcpdump has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpFlags(pub u8);

impl TcpFlags {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset.
    pub const RST: u8 = 0x04;
    /// Push.
    pub const PSH: u8 = 0x08;
    /// The acknowledgement number counts.
    pub const ACK: u8 = 0x10;
    /// The urgent pointer counts.
    pub const URG: u8 = 0x20;

    /// Whether any bit of `mask` is set.
    #[must_use]
    pub const fn has(self, mask: u8) -> bool {
        self.0 & mask != 0
    }
}

/// Where the payload of a segment lies.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PayloadOrigin {
    /// In this packet from this byte.
    Packet(u32),
    /// In several packets: fragments of an IP datagram.
    Pieces(Vec<(Piece, Moment)>),
}

/// A TCP segment (RFC 9293 §3.1).
#[derive(Clone, Debug)]
pub struct TcpSegment<'a> {
    /// Sequence number of the first payload byte (of SYN, where that is set).
    pub seq: u32,
    /// Acknowledgement number.
    pub ack: u32,
    /// Flags.
    pub flags: TcpFlags,
    /// Window as on the wire, unscaled.
    pub window: u16,
    /// Window scale option of a SYN.
    pub window_scale: Option<u8>,
    /// The payload that was captured.
    pub payload: &'a [u8],
    /// Bytes of payload that were on the wire but not captured (a snapped packet).
    pub missing: u32,
    /// Where the payload lies.
    pub origin: PayloadOrigin,
}

/// A UDP datagram (RFC 768).
#[derive(Clone, Debug)]
pub struct UdpDatagram<'a> {
    /// The payload that was captured.
    pub payload: &'a [u8],
    /// Bytes of payload that were not captured.
    pub missing: u32,
    /// Where the payload lies.
    pub origin: PayloadOrigin,
}

/// What a packet carries.
#[derive(Clone, Debug)]
pub enum Content<'a> {
    /// A TCP segment.
    Tcp(TcpSegment<'a>),
    /// A UDP datagram.
    Udp(UdpDatagram<'a>),
    /// An ICMP or ICMPv6 message, as people name it.
    Icmp(&'static str),
    /// A fragment of a datagram whose others have not come (yet).
    Fragment,
    /// Anything else, by name: `arp`, `quic` is UDP; an unknown link type is
    /// `link type 147`.
    Other(String),
}

/// A packet understood down to its transport.
#[derive(Clone, Debug)]
pub struct Decoded<'a> {
    /// Addresses and ports; ports are 0 where there are none, and `None` where
    /// there is no IP.
    pub endpoints: Option<Endpoints>,
    /// What it carries.
    pub content: Content<'a>,
    /// What is odd: cut short, lengths that lie, fragments that conflict.
    pub findings: Vec<Finding>,
}
