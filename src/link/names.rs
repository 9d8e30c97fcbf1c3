//! Numbers and their names: Ethernet types, IP protocols, messages of ICMP.

use etherparse::IpNumber;

/// Ethernet types that are looked into.
pub mod ethertype {
    /// IPv4.
    pub const IPV4: u16 = 0x0800;
    /// ARP (RFC 826).
    pub const ARP: u16 = 0x0806;
    /// A VLAN tag (IEEE 802.1Q).
    pub const VLAN: u16 = 0x8100;
    /// IPv6.
    pub const IPV6: u16 = 0x86dd;
    /// A service VLAN tag (IEEE 802.1ad).
    pub const QINQ: u16 = 0x88a8;
    /// A service VLAN tag before there was a standard.
    pub const QINQ_OLD: u16 = 0x9100;
    /// Transparent Ethernet bridging, within GRE (RFC 1701).
    pub const BRIDGING: u16 = 0x6558;
}

/// IP protocol numbers that are looked into.
pub mod protocol {
    /// Hop-by-hop options (RFC 8200 §4.3).
    pub const HOP_BY_HOP: u8 = 0;
    /// ICMP (RFC 792).
    pub const ICMP: u8 = 1;
    /// IPv4 in IP (RFC 2003).
    pub const IPV4: u8 = 4;
    /// TCP (RFC 9293).
    pub const TCP: u8 = 6;
    /// UDP (RFC 768).
    pub const UDP: u8 = 17;
    /// IPv6 in IP (RFC 2473).
    pub const IPV6: u8 = 41;
    /// Routing header (RFC 8200 §4.4).
    pub const ROUTING: u8 = 43;
    /// Fragment header (RFC 8200 §4.5).
    pub const FRAGMENT: u8 = 44;
    /// GRE (RFC 2784).
    pub const GRE: u8 = 47;
    /// Authentication header (RFC 4302).
    pub const AH: u8 = 51;
    /// ICMPv6 (RFC 4443).
    pub const ICMPV6: u8 = 58;
    /// Nothing follows (RFC 8200 §4.7).
    pub const NO_NEXT: u8 = 59;
    /// Destination options (RFC 8200 §4.6).
    pub const DESTINATION: u8 = 60;
    /// Mobility header (RFC 6275 §6.1).
    pub const MOBILITY: u8 = 135;
    /// Host identity protocol (RFC 7401).
    pub const HIP: u8 = 139;
    /// Shim6 (RFC 5533).
    pub const SHIM6: u8 = 140;
}

/// Name of an Ethernet type.
#[must_use]
pub const fn ethertype(value: u16) -> Option<&'static str> {
    Some(match value {
        ethertype::IPV4 => "ipv4",
        ethertype::ARP => "arp",
        0x0842 => "wake on lan",
        0x22f0 => "avtp",
        0x22f3 => "trill",
        ethertype::BRIDGING => "ethernet bridging",
        0x8035 => "rarp",
        0x809b => "appletalk",
        ethertype::VLAN => "vlan",
        0x8137 => "ipx",
        ethertype::IPV6 => "ipv6",
        0x8808 => "flow control",
        0x8809 => "slow protocols",
        0x880b => "ppp",
        0x8847 | 0x8848 => "mpls",
        0x8863 => "pppoe discovery",
        0x8864 => "pppoe",
        0x888e => "eapol",
        0x8892 => "profinet",
        ethertype::QINQ | ethertype::QINQ_OLD => "qinq",
        0x88a4 => "ethercat",
        0x88be => "erspan",
        0x88cc => "lldp",
        0x88e5 => "macsec",
        0x88e7 => "pbb",
        0x88f7 => "ptp",
        0x8902 => "cfm",
        0x8906 => "fcoe",
        0x8915 => "roce",
        0x894f => "nsh",
        _ => return None,
    })
}

/// The same, for a table of fields.
#[must_use]
pub fn ethertype_value(value: u64) -> Option<&'static str> {
    u16::try_from(value).ok().and_then(ethertype)
}

/// Name of an IP protocol, lower case for those that one meets.
#[must_use]
pub fn ip_protocol(value: u8) -> Option<&'static str> {
    Some(match value {
        protocol::HOP_BY_HOP => "hop-by-hop options",
        protocol::ICMP => "icmp",
        2 => "igmp",
        protocol::IPV4 => "ipv4",
        protocol::TCP => "tcp",
        8 => "egp",
        protocol::UDP => "udp",
        33 => "dccp",
        protocol::IPV6 => "ipv6",
        protocol::ROUTING => "ipv6 routing",
        protocol::FRAGMENT => "ipv6 fragment",
        46 => "rsvp",
        protocol::GRE => "gre",
        50 => "esp",
        protocol::AH => "ah",
        protocol::ICMPV6 => "icmpv6",
        protocol::NO_NEXT => "no next header",
        protocol::DESTINATION => "destination options",
        88 => "eigrp",
        89 => "ospf",
        103 => "pim",
        108 => "ipcomp",
        112 => "vrrp",
        115 => "l2tp",
        132 => "sctp",
        136 => "udplite",
        137 => "mpls",
        // The rest of IANA's list.
        _ => return IpNumber(value).keyword_str(),
    })
}

/// The same, for a table of fields.
#[must_use]
pub fn ip_protocol_value(value: u64) -> Option<&'static str> {
    u8::try_from(value).ok().and_then(ip_protocol)
}

/// Name of an ICMP message by its type (RFC 792 and IANA's list).
#[must_use]
pub const fn icmp(value: u8) -> &'static str {
    match value {
        0 => "echo reply",
        3 => "destination unreachable",
        4 => "source quench",
        5 => "redirect",
        8 => "echo request",
        9 => "router advertisement",
        10 => "router solicitation",
        11 => "time exceeded",
        12 => "parameter problem",
        13 => "timestamp request",
        14 => "timestamp reply",
        15 => "information request",
        16 => "information reply",
        17 => "address mask request",
        18 => "address mask reply",
        42 => "extended echo request",
        43 => "extended echo reply",
        _ => "unknown message",
    }
}

/// The same, for a table of fields.
#[must_use]
pub fn icmp_value(value: u64) -> Option<&'static str> {
    u8::try_from(value).ok().map(icmp)
}

/// Name of an ICMPv6 message by its type (RFC 4443, 4861, 2710, 3810).
#[must_use]
pub const fn icmpv6(value: u8) -> &'static str {
    match value {
        1 => "destination unreachable",
        2 => "packet too big",
        3 => "time exceeded",
        4 => "parameter problem",
        128 => "echo request",
        129 => "echo reply",
        130 => "multicast listener query",
        131 => "multicast listener report",
        132 => "multicast listener done",
        133 => "router solicitation",
        134 => "router advertisement",
        135 => "neighbor solicitation",
        136 => "neighbor advertisement",
        137 => "redirect",
        143 => "multicast listener report v2",
        160 => "extended echo request",
        161 => "extended echo reply",
        _ => "unknown message",
    }
}

/// The same, for a table of fields.
#[must_use]
pub fn icmpv6_value(value: u64) -> Option<&'static str> {
    u8::try_from(value).ok().map(icmpv6)
}

/// Name of the code of a "destination unreachable" as tcpdump says it.
#[must_use]
pub const fn unreachable(v6: bool, code: u8) -> Option<&'static str> {
    Some(match (v6, code) {
        (false, 0) => "net",
        (false, 1) => "host",
        (false, 2) => "protocol",
        (false, 3) | (true, 4) => "port",
        (false, 4) => "need to frag",
        (true, 0) => "route",
        (true, 3) => "address",
        (false, 13) | (true, 1) => "admin prohibited",
        _ => return None,
    })
}

/// Name of an ARP operation.
#[must_use]
pub fn arp_operation(value: u64) -> Option<&'static str> {
    Some(match value {
        1 => "request",
        2 => "reply",
        3 => "reverse request",
        4 => "reverse reply",
        _ => return None,
    })
}

/// Name of a packet type of Linux cooked captures.
#[must_use]
pub fn sll_packet_type(value: u64) -> Option<&'static str> {
    Some(match value {
        0 => "to us",
        1 => "broadcast",
        2 => "multicast",
        3 => "to someone else",
        4 => "sent by us",
        _ => return None,
    })
}

/// Name of an address family of a BSD loopback header. The number of IPv6
/// differs from BSD to BSD.
#[must_use]
pub fn null_family(value: u64) -> Option<&'static str> {
    Some(match value {
        2 => "ipv4",
        10 | 24 | 28 | 30 => "ipv6",
        7 => "osi",
        23 => "ipx",
        _ => return None,
    })
}

/// Name of an ECN codepoint (RFC 3168 §5).
#[must_use]
pub fn ecn(value: u64) -> Option<&'static str> {
    Some(match value {
        0 => "not capable",
        1 => "capable (1)",
        2 => "capable (0)",
        3 => "congestion experienced",
        _ => return None,
    })
}

/// Name of a TCP option.
#[must_use]
pub fn tcp_option(value: u64) -> Option<&'static str> {
    Some(match value {
        0 => "end of options",
        1 => "no operation",
        2 => "maximum segment size",
        3 => "window scale",
        4 => "SACK permitted",
        5 => "SACK",
        8 => "timestamps",
        19 => "MD5 signature",
        28 => "user timeout",
        29 => "authentication",
        30 => "multipath TCP",
        34 => "fast open cookie",
        172 => "accurate ECN order 0",
        174 => "accurate ECN order 1",
        253 | 254 => "experiment",
        _ => return None,
    })
}
