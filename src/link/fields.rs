//! The fields of the link, network and transport layers, one line each: the
//! table that feeds the parsers of `wire`, the tree and the documentation.
//!
//! Names are Wireshark's. A row is: constant, name, label, width in bits (0 where
//! it varies), kind, section, meaning, the names of its values, and `=> repeated` where it may come several times in
//! one packet without a tunnel.

use crate::field::FieldSpec;
use crate::link::names;

/// Makes a static of every row, and the list of all.
macro_rules! fields {
    ($($id:ident: $name:literal, $label:literal, $bits:literal, $kind:ident, $section:literal,
       $meaning:literal $(, $names:path)? $(=> $repeated:ident)?;)*) => {
        $(
            #[doc = $meaning]
            pub static $id: FieldSpec = FieldSpec::new(
                $name, $label, $bits, crate::field::Kind::$kind, $section, $meaning,
            )$(.named($names))?$(.$repeated())?;
        )*
        /// All of them, in the order of the layers.
        pub static FIELDS: &[&FieldSpec] = &[$(&$id),*];
    };
}

fields! {
    ETH: "eth", "Ethernet", 0, Group, "IEEE 802.3 §3.1", "The Ethernet header.";
    ETH_DST: "eth.dst", "Destination", 48, Address, "IEEE 802.3 §3.2.3", "To which station.";
    ETH_SRC: "eth.src", "Source", 48, Address, "IEEE 802.3 §3.2.3", "From which station.";
    ETH_TYPE: "eth.type", "Type", 16, Enumerated, "IEEE 802.3 §3.2.6", "What the frame carries, from 1536 up.", names::ethertype_value;
    ETH_LEN: "eth.len", "Length", 16, Unsigned, "IEEE 802.3 §3.2.6", "Length of the LLC data in bytes, up to 1500.";
    ETH_PADDING: "eth.padding", "Padding", 0, Data, "IEEE 802.3 §3.2.8", "Bytes that fill a short frame up to 64.";
    ETH_TRAILER: "eth.trailer", "Trailer", 0, Data, "IEEE 802.3 §3.2.9", "Bytes behind the packet: a check sequence, or what a tap added.";
    VLAN: "vlan", "VLAN tag", 0, Group, "IEEE 802.1Q §9.6", "A VLAN tag.";
    VLAN_PRIORITY: "vlan.priority", "Priority", 3, Unsigned, "IEEE 802.1Q §9.6", "Priority of the frame, 0 to 7.";
    VLAN_DEI: "vlan.dei", "Drop eligible", 1, Flag, "IEEE 802.1Q §9.6", "May be dropped first under congestion.";
    VLAN_ID: "vlan.id", "VLAN", 12, Unsigned, "IEEE 802.1Q §9.6", "The VLAN; 0 means priority only.";
    VLAN_ETYPE: "vlan.etype", "Type", 16, Enumerated, "IEEE 802.1Q §9.6", "What follows the tag.", names::ethertype_value;
    LLC: "llc", "LLC", 0, Group, "IEEE 802.2 §3.2", "The logical link control header.";
    LLC_DSAP: "llc.dsap", "DSAP", 8, Unsigned, "IEEE 802.2 §3.3.1", "Destination service access point.";
    LLC_SSAP: "llc.ssap", "SSAP", 8, Unsigned, "IEEE 802.2 §3.3.1", "Source service access point.";
    LLC_CONTROL: "llc.control", "Control", 8, Unsigned, "IEEE 802.2 §3.3.2", "Kind of frame.";
    LLC_OUI: "llc.oui", "OUI", 24, Unsigned, "RFC 1042", "Whose type follows; 0 means an Ethernet type.";
    LLC_TYPE: "llc.type", "Type", 16, Enumerated, "RFC 1042", "What follows.", names::ethertype_value;
    SLL: "sll", "Linux cooked capture", 0, Group, "LINKTYPE_LINUX_SLL", "The header that Linux gives where there is none of a link.";
    SLL_PKTTYPE: "sll.pkttype", "Packet type", 0, Enumerated, "LINKTYPE_LINUX_SLL", "To whom it was sent.", names::sll_packet_type;
    SLL_HATYPE: "sll.hatype", "Link-layer address type", 16, Unsigned, "LINKTYPE_LINUX_SLL", "ARPHRD number of the device.";
    SLL_HALEN: "sll.halen", "Link-layer address length", 0, Unsigned, "LINKTYPE_LINUX_SLL", "Bytes of the address that count.";
    SLL_SRC: "sll.src.other", "Source", 0, Address, "LINKTYPE_LINUX_SLL", "Link-layer address of the sender.";
    SLL_SRC_ETH: "sll.src.eth", "Source", 48, Address, "LINKTYPE_LINUX_SLL", "Hardware address of the sender.";
    SLL_UNUSED: "sll.unused", "Unused", 0, Bytes, "LINKTYPE_LINUX_SLL", "Fills the address field.";
    SLL_ETYPE: "sll.etype", "Protocol", 16, Enumerated, "LINKTYPE_LINUX_SLL", "What follows.", names::ethertype_value;
    SLL_RESERVED: "sll.reserved", "Reserved", 16, Unsigned, "LINKTYPE_LINUX_SLL2", "Must be 0.";
    SLL_IFINDEX: "sll.ifindex", "Interface index", 32, Unsigned, "LINKTYPE_LINUX_SLL2", "The interface, by the kernel's number.";
    NULL: "null", "BSD loopback", 0, Group, "LINKTYPE_NULL", "The loopback header of the BSDs.";
    NULL_FAMILY: "null.family", "Family", 32, Enumerated, "LINKTYPE_NULL", "Address family, in the byte order of the recorder.", names::null_family;

    IP: "ip", "IPv4", 0, Group, "RFC 791 §3.1", "The IPv4 header.";
    IP_VERSION: "ip.version", "Version", 4, Unsigned, "RFC 791 §3.1", "4.";
    IP_HDR_LEN: "ip.hdr_len", "Header length", 4, Unsigned, "RFC 791 §3.1", "Length of the header in bytes (in units of 4 on the wire).";
    IP_DSFIELD: "ip.dsfield", "Differentiated services", 8, Unsigned, "RFC 2474 §3", "Class of service and congestion, both as one number.";
    IP_DSFIELD_DSCP: "ip.dsfield.dscp", "DSCP", 6, Unsigned, "RFC 2474 §3", "Class of service.";
    IP_DSFIELD_ECN: "ip.dsfield.ecn", "ECN", 2, Enumerated, "RFC 3168 §5", "Explicit congestion notification.", names::ecn;
    IP_LEN: "ip.len", "Total length", 16, Unsigned, "RFC 791 §3.1", "Header and payload in bytes; 0 where the device was to segment.";
    IP_ID: "ip.id", "Identification", 16, Unsigned, "RFC 791 §3.1", "Tells the fragments of one datagram.";
    IP_FLAGS: "ip.flags", "Flags", 3, Unsigned, "RFC 791 §3.1", "The three flags as one number: 2 is don't fragment, 1 more fragments.";
    IP_FLAGS_RB: "ip.flags.rb", "Reserved", 1, Flag, "RFC 791 §3.1", "Must be 0.";
    IP_FLAGS_DF: "ip.flags.df", "Don't fragment", 1, Flag, "RFC 791 §3.1", "Must not be fragmented.";
    IP_FLAGS_MF: "ip.flags.mf", "More fragments", 1, Flag, "RFC 791 §3.1", "More fragments follow.";
    IP_FRAG_OFFSET: "ip.frag_offset", "Fragment offset", 13, Unsigned, "RFC 791 §3.1", "Where the fragment lies, in bytes (in units of 8 on the wire).";
    IP_TTL: "ip.ttl", "Time to live", 8, Unsigned, "RFC 791 §3.1", "Hops left.";
    IP_PROTO: "ip.proto", "Protocol", 8, Enumerated, "RFC 791 §3.1", "What it carries.", names::ip_protocol_value;
    IP_CHECKSUM: "ip.checksum", "Header checksum", 16, Unsigned, "RFC 791 §3.1", "Checksum of the header.";
    IP_SRC: "ip.src", "Source", 32, Address, "RFC 791 §3.1", "Who sent it.";
    IP_DST: "ip.dst", "Destination", 32, Address, "RFC 791 §3.1", "To whom.";
    IP_OPT: "ip.opt", "Option", 0, Group, "RFC 791 §3.1", "An option.";
    IP_OPT_TYPE: "ip.opt.type", "Type", 8, Unsigned, "RFC 791 §3.1", "Which option.";
    IP_OPT_LEN: "ip.opt.len", "Length", 8, Unsigned, "RFC 791 §3.1", "Length with type and length, in bytes.";
    IP_OPT_DATA: "ip.opt.data", "Data", 0, Bytes, "RFC 791 §3.1", "What the option says.";
    IPV6: "ipv6", "IPv6", 0, Group, "RFC 8200 §3", "The IPv6 header.";
    IPV6_VERSION: "ipv6.version", "Version", 4, Unsigned, "RFC 8200 §3", "6.";
    IPV6_TCLASS: "ipv6.tclass", "Traffic class", 8, Unsigned, "RFC 8200 §7", "Class of service and congestion, both as one number.";
    IPV6_DSCP: "ipv6.tclass.dscp", "DSCP", 6, Unsigned, "RFC 2474 §3", "Class of service.";
    IPV6_ECN: "ipv6.tclass.ecn", "ECN", 2, Enumerated, "RFC 3168 §5", "Explicit congestion notification.", names::ecn;
    IPV6_FLOW: "ipv6.flow", "Flow label", 20, Unsigned, "RFC 8200 §6", "Tells packets of one flow.";
    IPV6_PLEN: "ipv6.plen", "Payload length", 16, Unsigned, "RFC 8200 §3", "Bytes behind this header; 0 for a jumbogram or where the device was to segment.";
    IPV6_NXT: "ipv6.nxt", "Next header", 8, Enumerated, "RFC 8200 §3", "What follows.", names::ip_protocol_value;
    IPV6_HLIM: "ipv6.hlim", "Hop limit", 8, Unsigned, "RFC 8200 §3", "Hops left.";
    IPV6_SRC: "ipv6.src", "Source", 128, Address, "RFC 8200 §3", "Who sent it.";
    IPV6_DST: "ipv6.dst", "Destination", 128, Address, "RFC 8200 §3", "To whom.";
    IPV6_HOPOPTS: "ipv6.hopopts", "Hop-by-hop options", 0, Group, "RFC 8200 §4.3", "Options for every hop.";
    IPV6_DSTOPTS: "ipv6.dstopts", "Destination options", 0, Group, "RFC 8200 §4.6", "Options for the destination.";
    IPV6_ROUTING: "ipv6.routing", "Routing header", 0, Group, "RFC 8200 §4.4", "Nodes on the way.";
    IPV6_EXT: "ipv6.ext", "Extension header", 0, Group, "RFC 6564 §4", "An extension header of the common shape.";
    IPV6_HOPOPTS_NXT: "ipv6.hopopts.nxt", "Next header", 8, Enumerated, "RFC 8200 §4.3", "What follows.", names::ip_protocol_value;
    IPV6_HOPOPTS_LEN: "ipv6.hopopts.len", "Length", 8, Unsigned, "RFC 8200 §4.3", "Length in units of 8 bytes, without the first 8.";
    IPV6_DSTOPTS_NXT: "ipv6.dstopts.nxt", "Next header", 8, Enumerated, "RFC 8200 §4.6", "What follows.", names::ip_protocol_value;
    IPV6_DSTOPTS_LEN: "ipv6.dstopts.len", "Length", 8, Unsigned, "RFC 8200 §4.6", "Length in units of 8 bytes, without the first 8.";
    IPV6_ROUTING_NXT: "ipv6.routing.nxt", "Next header", 8, Enumerated, "RFC 8200 §4.4", "What follows.", names::ip_protocol_value;
    IPV6_ROUTING_LEN: "ipv6.routing.len", "Length", 8, Unsigned, "RFC 8200 §4.4", "Length in units of 8 bytes, without the first 8.";
    IPV6_ROUTING_TYPE: "ipv6.routing.type", "Type", 8, Unsigned, "RFC 8200 §4.4", "Which sort of routing.";
    IPV6_ROUTING_LEFT: "ipv6.routing.segleft", "Segments left", 8, Unsigned, "RFC 8200 §4.4", "Nodes still to be visited.";
    IPV6_EXT_NXT: "ipv6.ext.nxt", "Next header", 8, Enumerated, "RFC 6564 §4", "What follows.", names::ip_protocol_value;
    IPV6_EXT_LEN: "ipv6.ext.len", "Length", 8, Unsigned, "RFC 6564 §4", "Length in units of 8 bytes, without the first 8.";
    IPV6_EXT_DATA: "ipv6.ext.data", "Data", 0, Bytes, "RFC 6564 §4", "What the header says.";
    IPV6_OPT: "ipv6.opt", "Option", 0, Group, "RFC 8200 §4.2", "An option.";
    IPV6_OPT_TYPE: "ipv6.opt.type", "Type", 8, Unsigned, "RFC 8200 §4.2", "Which option." => repeated;
    IPV6_OPT_LEN: "ipv6.opt.length", "Length", 8, Unsigned, "RFC 8200 §4.2", "Bytes of data." => repeated;
    IPV6_OPT_DATA: "ipv6.opt.data", "Data", 0, Bytes, "RFC 8200 §4.2", "What the option says." => repeated;
    IPV6_FRAG: "ipv6.fraghdr", "Fragment header", 0, Group, "RFC 8200 §4.5", "Where a fragment lies.";
    IPV6_FRAG_NXT: "ipv6.fraghdr.nxt", "Next header", 8, Enumerated, "RFC 8200 §4.5", "What the fragments carry.", names::ip_protocol_value;
    IPV6_FRAG_RESERVED: "ipv6.fraghdr.reserved_octet", "Reserved", 8, Unsigned, "RFC 8200 §4.5", "Must be 0.";
    IPV6_FRAG_OFFSET: "ipv6.fraghdr.offset", "Offset", 13, Unsigned, "RFC 8200 §4.5", "Where the fragment lies, in units of 8 bytes.";
    IPV6_FRAG_BITS: "ipv6.fraghdr.reserved_bits", "Reserved", 2, Unsigned, "RFC 8200 §4.5", "Must be 0.";
    IPV6_FRAG_MORE: "ipv6.fraghdr.more", "More fragments", 1, Flag, "RFC 8200 §4.5", "More fragments follow.";
    IPV6_FRAG_IDENT: "ipv6.fraghdr.ident", "Identification", 32, Unsigned, "RFC 8200 §4.5", "Tells the fragments of one packet.";
    AH: "ah", "Authentication header", 0, Group, "RFC 4302 §2", "Proof of who sent it.";
    AH_NXT: "ah.next_header", "Next header", 8, Enumerated, "RFC 4302 §2.1", "What follows.", names::ip_protocol_value;
    AH_LEN: "ah.length", "Length", 8, Unsigned, "RFC 4302 §2.2", "Length in units of 4 bytes, less 2.";
    AH_RESERVED: "ah.reserved", "Reserved", 16, Unsigned, "RFC 4302 §2.3", "Must be 0.";
    AH_SPI: "ah.spi", "SPI", 32, Unsigned, "RFC 4302 §2.4", "Security parameters index.";
    AH_SEQUENCE: "ah.sequence", "Sequence", 32, Unsigned, "RFC 4302 §2.5", "Counts packets.";
    AH_ICV: "ah.icv", "Integrity check", 0, Bytes, "RFC 4302 §2.6", "The check value.";

    TCP: "tcp", "TCP", 0, Group, "RFC 9293 §3.1", "The TCP header.";
    TCP_SRCPORT: "tcp.srcport", "Source port", 16, Unsigned, "RFC 9293 §3.1", "From which port.";
    TCP_DSTPORT: "tcp.dstport", "Destination port", 16, Unsigned, "RFC 9293 §3.1", "To which port.";
    TCP_SEQ: "tcp.seq_raw", "Sequence number", 32, Unsigned, "RFC 9293 §3.1", "Number of the first byte of payload, or of SYN.";
    TCP_ACK: "tcp.ack_raw", "Acknowledgement number", 32, Unsigned, "RFC 9293 §3.1", "The number that is expected next.";
    TCP_HDR_LEN: "tcp.hdr_len", "Header length", 4, Unsigned, "RFC 9293 §3.1", "Length of the header in bytes (in units of 4 on the wire).";
    TCP_FLAGS: "tcp.flags", "Flags", 12, Unsigned, "RFC 9293 §3.1", "The reserved bits and the flags as one number: 2 is SYN, 0x10 ACK, 0x12 both.";
    TCP_FLAGS_RES: "tcp.flags.res", "Reserved", 3, Unsigned, "RFC 9293 §3.1", "Must be 0.";
    TCP_FLAGS_AE: "tcp.flags.ae", "Accurate ECN", 1, Flag, "RFC 9768 §3.1", "Accurate ECN; the nonce sum of RFC 3540 before.";
    TCP_FLAGS_CWR: "tcp.flags.cwr", "CWR", 1, Flag, "RFC 3168 §6.1", "Congestion window reduced.";
    TCP_FLAGS_ECE: "tcp.flags.ece", "ECE", 1, Flag, "RFC 3168 §6.1", "Congestion was experienced.";
    TCP_FLAGS_URG: "tcp.flags.urg", "URG", 1, Flag, "RFC 9293 §3.1", "The urgent pointer counts.";
    TCP_FLAGS_ACK: "tcp.flags.ack", "ACK", 1, Flag, "RFC 9293 §3.1", "The acknowledgement number counts.";
    TCP_FLAGS_PUSH: "tcp.flags.push", "PSH", 1, Flag, "RFC 9293 §3.1", "To be handed to the program at once.";
    TCP_FLAGS_RESET: "tcp.flags.reset", "RST", 1, Flag, "RFC 9293 §3.1", "The connection is reset.";
    TCP_FLAGS_SYN: "tcp.flags.syn", "SYN", 1, Flag, "RFC 9293 §3.1", "Synchronises sequence numbers.";
    TCP_FLAGS_FIN: "tcp.flags.fin", "FIN", 1, Flag, "RFC 9293 §3.1", "No more data from the sender.";
    TCP_WINDOW: "tcp.window_size_value", "Window", 16, Unsigned, "RFC 9293 §3.1", "Bytes that the sender takes, before scaling.";
    TCP_CHECKSUM: "tcp.checksum", "Checksum", 16, Unsigned, "RFC 9293 §3.1", "Checksum of header, payload and addresses.";
    TCP_URGENT: "tcp.urgent_pointer", "Urgent pointer", 16, Unsigned, "RFC 9293 §3.1", "Where urgent data end.";
    TCP_OPTIONS: "tcp.options", "Options", 0, Group, "RFC 9293 §3.1", "The options.";
    TCP_OPT_EOL: "tcp.options.eol", "End of options", 0, Bytes, "RFC 9293 §3.2", "The end of the options and what fills up behind it.";
    TCP_OPT_NOP: "tcp.options.nop", "No operation", 8, Unsigned, "RFC 9293 §3.2", "Fills up." => repeated;
    TCP_OPT_MSS: "tcp.options.mss", "Maximum segment size", 0, Group, "RFC 9293 §3.2", "The largest segment that the sender takes.";
    TCP_OPT_WSCALE: "tcp.options.wscale", "Window scale", 0, Group, "RFC 7323 §2.2", "How windows are scaled.";
    TCP_OPT_SACK_PERM: "tcp.options.sack_perm", "SACK permitted", 0, Group, "RFC 2018 §2", "Selective acknowledgements are understood.";
    TCP_OPT_SACK: "tcp.options.sack", "SACK", 0, Group, "RFC 2018 §3", "What was received behind a hole.";
    TCP_OPT_TIMESTAMP: "tcp.options.timestamp", "Timestamps", 0, Group, "RFC 7323 §3.2", "Clocks of both ends.";
    TCP_OPT_UNKNOWN: "tcp.options.unknown", "Option", 0, Group, "RFC 9293 §3.2", "An option that is not known here.";
    TCP_OPT_KIND: "tcp.option_kind", "Kind", 8, Enumerated, "RFC 9293 §3.2", "Which option.", names::tcp_option => repeated;
    TCP_OPT_LEN: "tcp.option_len", "Length", 8, Unsigned, "RFC 9293 §3.2", "Length with kind and length, in bytes." => repeated;
    TCP_OPT_MSS_VAL: "tcp.options.mss_val", "MSS", 16, Unsigned, "RFC 9293 §3.2", "In bytes.";
    TCP_OPT_WSCALE_SHIFT: "tcp.options.wscale.shift", "Shift", 8, Unsigned, "RFC 7323 §2.2", "Windows count in units of 2 to this power.";
    TCP_OPT_SACK_LE: "tcp.options.sack_le", "Left edge", 32, Unsigned, "RFC 2018 §3", "First sequence number of a block." => repeated;
    TCP_OPT_SACK_RE: "tcp.options.sack_re", "Right edge", 32, Unsigned, "RFC 2018 §3", "Sequence number behind a block." => repeated;
    TCP_OPT_TSVAL: "tcp.options.timestamp.tsval", "Value", 32, Unsigned, "RFC 7323 §3.2", "The sender's clock.";
    TCP_OPT_TSECR: "tcp.options.timestamp.tsecr", "Echo", 32, Unsigned, "RFC 7323 §3.2", "The peer's clock, sent back.";
    TCP_OPT_DATA: "tcp.options.unknown.payload", "Data", 0, Bytes, "RFC 9293 §3.2", "What the option says." => repeated;
    TCP_PAYLOAD: "tcp.payload", "Payload", 0, Data, "RFC 9293 §3.1", "Bytes of the stream.";
    UDP: "udp", "UDP", 0, Group, "RFC 768", "The UDP header.";
    UDP_SRCPORT: "udp.srcport", "Source port", 16, Unsigned, "RFC 768", "From which port.";
    UDP_DSTPORT: "udp.dstport", "Destination port", 16, Unsigned, "RFC 768", "To which port.";
    UDP_LENGTH: "udp.length", "Length", 16, Unsigned, "RFC 768", "Header and payload in bytes; 0 in a jumbogram.";
    UDP_CHECKSUM: "udp.checksum", "Checksum", 16, Unsigned, "RFC 768", "Checksum of header, payload and addresses; 0 in IPv4 where there is none.";
    UDP_PAYLOAD: "udp.payload", "Payload", 0, Data, "RFC 768", "The datagram.";
    ICMP: "icmp", "ICMP", 0, Group, "RFC 792", "The ICMP header.";
    ICMP_TYPE: "icmp.type", "Type", 8, Enumerated, "RFC 792", "Which message.", names::icmp_value;
    ICMP_CODE: "icmp.code", "Code", 8, Unsigned, "RFC 792", "Which sort of it.";
    ICMP_CHECKSUM: "icmp.checksum", "Checksum", 16, Unsigned, "RFC 792", "Checksum of the message.";
    ICMP_IDENT: "icmp.ident", "Identifier", 16, Unsigned, "RFC 792", "Tells echoes apart.";
    ICMP_SEQ: "icmp.seq", "Sequence", 16, Unsigned, "RFC 792", "Counts echoes.";
    ICMPV6: "icmpv6", "ICMPv6", 0, Group, "RFC 4443 §2.1", "The ICMPv6 header.";
    ICMPV6_TYPE: "icmpv6.type", "Type", 8, Enumerated, "RFC 4443 §2.1", "Which message.", names::icmpv6_value;
    ICMPV6_CODE: "icmpv6.code", "Code", 8, Unsigned, "RFC 4443 §2.1", "Which sort of it.";
    ICMPV6_CHECKSUM: "icmpv6.checksum", "Checksum", 16, Unsigned, "RFC 4443 §2.3", "Checksum of message and addresses.";
    ICMPV6_IDENT: "icmpv6.echo.identifier", "Identifier", 16, Unsigned, "RFC 4443 §4.1", "Tells echoes apart.";
    ICMPV6_SEQ: "icmpv6.echo.sequence_number", "Sequence", 16, Unsigned, "RFC 4443 §4.1", "Counts echoes.";
    ARP: "arp", "ARP", 0, Group, "RFC 826", "An address resolution packet.";
    ARP_HW_TYPE: "arp.hw.type", "Hardware type", 16, Unsigned, "RFC 826", "Which link layer; 1 is Ethernet.";
    ARP_PROTO_TYPE: "arp.proto.type", "Protocol type", 16, Enumerated, "RFC 826", "Which network layer.", names::ethertype_value;
    ARP_HW_SIZE: "arp.hw.size", "Hardware size", 8, Unsigned, "RFC 826", "Bytes of a hardware address.";
    ARP_PROTO_SIZE: "arp.proto.size", "Protocol size", 8, Unsigned, "RFC 826", "Bytes of a protocol address.";
    ARP_OPCODE: "arp.opcode", "Operation", 16, Enumerated, "RFC 826", "Request or reply.", names::arp_operation;
    ARP_SRC_HW: "arp.src.hw_mac", "Sender's hardware address", 48, Address, "RFC 826", "Who asks or answers.";
    ARP_SRC_PROTO: "arp.src.proto_ipv4", "Sender's address", 32, Address, "RFC 826", "Who asks or answers.";
    ARP_DST_HW: "arp.dst.hw_mac", "Target's hardware address", 48, Address, "RFC 826", "Who is asked for; 0 in a request.";
    ARP_DST_PROTO: "arp.dst.proto_ipv4", "Target's address", 32, Address, "RFC 826", "Who is asked for.";

    GRE: "gre", "GRE", 0, Group, "RFC 2784 §2.1", "A tunnel header.";
    GRE_C: "gre.flags.checksum", "Checksum present", 1, Flag, "RFC 2784 §2.2", "A checksum follows.";
    GRE_R: "gre.flags.routing", "Routing present", 1, Flag, "RFC 1701", "Routing entries follow; no longer in use.";
    GRE_K: "gre.flags.key", "Key present", 1, Flag, "RFC 2890 §2", "A key follows.";
    GRE_S: "gre.flags.sequence_number", "Sequence present", 1, Flag, "RFC 2890 §2", "A sequence number follows.";
    GRE_RESERVED: "gre.flags.reserved", "Reserved", 9, Unsigned, "RFC 2784 §2.3", "Must be 0.";
    GRE_VERSION: "gre.flags.version", "Version", 3, Unsigned, "RFC 2784 §2.3.1", "0; 1 is PPTP's.";
    GRE_PROTO: "gre.proto", "Protocol", 16, Enumerated, "RFC 2784 §2.4", "What it carries.", names::ethertype_value;
    GRE_CHECKSUM: "gre.checksum", "Checksum", 16, Unsigned, "RFC 2784 §2.5", "Checksum of header and payload.";
    GRE_OFFSET: "gre.offset", "Reserved", 16, Unsigned, "RFC 2784 §2.6", "Must be 0.";
    GRE_KEY: "gre.key", "Key", 32, Unsigned, "RFC 2890 §2.1", "Tells flows of a tunnel apart.";
    GRE_SEQUENCE: "gre.sequence_number", "Sequence", 32, Unsigned, "RFC 2890 §2.2", "Counts packets.";
    VXLAN: "vxlan", "VXLAN", 0, Group, "RFC 7348 §5", "A tunnel header.";
    VXLAN_FLAGS: "vxlan.flags", "Flags", 8, Unsigned, "RFC 7348 §5", "Bit 4 says that the network id is valid.";
    VXLAN_RESERVED_24: "vxlan.reserved_24", "Reserved", 24, Unsigned, "RFC 7348 §5", "Must be 0.";
    VXLAN_VNI: "vxlan.vni", "Network", 24, Unsigned, "RFC 7348 §5", "The VXLAN network identifier.";
    VXLAN_RESERVED_8: "vxlan.reserved8", "Reserved", 8, Unsigned, "RFC 7348 §5", "Must be 0.";
    DATA: "data", "Data", 0, Data, "framescope", "Bytes that this program looks at no further.";
    TRAILER: "data.trailer", "Trailer", 0, Data, "framescope", "Bytes behind the end that a length field gives.";
}

#[cfg(test)]
mod tests {
    use super::FIELDS;

    #[test]
    fn names_are_unique_and_meant() {
        let mut names: Vec<_> = FIELDS.iter().map(|f| f.name).collect();
        names.sort_unstable();
        let n = names.len();
        names.dedup();
        assert_eq!(names.len(), n);
        assert!(FIELDS.iter().all(|f| f.meaning.ends_with('.') && !f.label.is_empty()));
    }
}
