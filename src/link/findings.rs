//! What can be wrong below the transport.

use crate::finding::FindingSpec;

/// A link-layer header, a VLAN tag or an LLC header that is not all there.
pub static LINK_CUT_SHORT: FindingSpec = FindingSpec::note(
    "link.cut-short",
    "framescope",
    "A header of the link layer is not all there; what is behind it cannot be known.",
);
/// The snap length cut a packet.
pub static IP_CUT_SHORT: FindingSpec = FindingSpec::note(
    "ip.cut-short",
    "framescope",
    "The packet was not captured whole; the rest of it is missing.",
);
/// A length field that cannot be true.
pub static IP_BAD_LENGTH: FindingSpec = FindingSpec::warning(
    "ip.bad-length",
    "RFC 791 §3.1, RFC 8200 §3",
    "A length field of IP says something else than the packet that was on the wire.",
);
/// An IP header that is none.
pub static IP_BAD_HEADER: FindingSpec = FindingSpec::warning(
    "ip.bad-header",
    "RFC 791 §3.1, RFC 8200 §3",
    "The version, the header length or an extension header of IP is impossible.",
);
/// Fragments whose common bytes differ.
pub static FRAGMENT_CONFLICT: FindingSpec = FindingSpec::warning(
    "ip.fragment-conflict",
    "RFC 791 §3.2",
    "Fragments of one datagram overlap with different bytes or lengths; the first copy is shown.",
);
/// Overlapping fragments of IPv6.
pub static FRAGMENT_OVERLAP: FindingSpec = FindingSpec::error(
    "ip.fragment-overlap",
    "RFC 5722 §4, RFC 8200 §4.5",
    "Fragments of an IPv6 packet overlap; a receiver must discard all of them.",
);
/// A fragmented datagram that did not become whole.
pub static FRAGMENT_MISSING: FindingSpec = FindingSpec::warning(
    "ip.fragment-missing",
    "RFC 791 §3.2, RFC 8200 §4.5",
    "Some fragments of a datagram were never captured; what it carried is not shown.",
);
/// Too much waits for reassembly.
pub static FRAGMENT_LIMIT: FindingSpec = FindingSpec::warning(
    "ip.fragment-limit",
    "framescope",
    "More fragments wait than there is room for; the oldest datagram was given up.",
);
/// A fragment that cannot be part of a datagram.
pub static FRAGMENT_BAD: FindingSpec = FindingSpec::error(
    "ip.fragment-bad",
    "RFC 791 §3.2, RFC 8200 §4.5",
    "A fragment ends beyond 65,535 bytes, or is not the last and no multiple of 8 bytes long.",
);
/// A TCP header that is none.
pub static TCP_BAD_HEADER: FindingSpec = FindingSpec::error(
    "tcp.bad-header",
    "RFC 9293 §3.1",
    "The TCP header is shorter than 20 bytes or longer than its segment.",
);
/// TCP options that do not add up.
pub static TCP_BAD_OPTION: FindingSpec = FindingSpec::warning(
    "tcp.bad-option",
    "RFC 9293 §3.1",
    "The length of a TCP option is impossible; options behind it are not read.",
);
/// A UDP length that cannot be true.
pub static UDP_BAD_LENGTH: FindingSpec = FindingSpec::warning(
    "udp.bad-length",
    "RFC 768",
    "The UDP length is below 8 or beyond the IP packet.",
);
/// Tunnels in tunnels in tunnels.
pub static TUNNEL_TOO_DEEP: FindingSpec = FindingSpec::warning(
    "tunnel.too-deep",
    "framescope",
    "Tunnels are nested more deeply than is looked through.",
);

/// All of them.
pub static FINDINGS: &[&FindingSpec] = &[
    &LINK_CUT_SHORT,
    &IP_CUT_SHORT,
    &IP_BAD_LENGTH,
    &IP_BAD_HEADER,
    &FRAGMENT_CONFLICT,
    &FRAGMENT_OVERLAP,
    &FRAGMENT_MISSING,
    &FRAGMENT_LIMIT,
    &FRAGMENT_BAD,
    &TCP_BAD_HEADER,
    &TCP_BAD_OPTION,
    &UDP_BAD_LENGTH,
    &TUNNEL_TOO_DEEP,
];
