//! Walks the layers of a packet from the link to the transport.
//!
//! One walk serves the hot path (`NoSink`: numbers only) and the tree
//! (`TreeSink`). It tells the sink of every byte exactly once: headers by
//! `wire`, payloads, padding and what cannot be read as data.
//!
//! Each layer is handed its bytes and how many more were on the wire but not
//! captured, and gives back what lies behind its own end: padding.

use crate::base::BufferId;
use crate::base::limits::MAX_TUNNEL_DEPTH;
use crate::field::{FieldSpec, In, Sink, Value};
use crate::finding::{Finding, FindingSpec};
use crate::link::names::{ethertype, protocol};
use crate::link::outline::{Addresses, End, Extent, FragmentInfo, Outline, TcpOptions};
use crate::link::wire::{self, TcpOption};
use crate::link::{fields as f, findings as x};

/// Port of VXLAN (RFC 7348 §5).
const VXLAN_PORT: u16 = 4789;

/// Kinds of ids in the digest of a path.
const PATH_VLAN: u32 = 1;
const PATH_VXLAN: u32 = 2;
const PATH_GRE: u32 = 3;

/// A walk under way.
pub(super) struct Walk {
    /// What was found.
    pub out: Outline,
    /// What is odd.
    pub findings: Vec<Finding>,
}

/// `usize` to `u32`; buffers are shorter than 4 GiB.
fn len32(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// The first `n` bytes and the rest; all where there are fewer.
fn part<'a, S: Sink>(i: In<'a, S>, n: usize) -> (In<'a, S>, In<'a, S>) {
    let n = n.min(i.data().len());
    (nom::Input::take(&i, n), nom::Input::take_from(&i, n))
}

/// Tells the sink of all that is left, as data.
fn leaf<S: Sink>(i: In<'_, S>, spec: &'static FieldSpec) {
    if S::ON && !i.data().is_empty() {
        i.sink().field(spec, i.span_to(&part(i, usize::MAX).1), Value::None);
    }
}

/// Tells the sink of all that is left, as data; nothing is behind it.
fn data<'a, S: Sink>(i: In<'a, S>) -> In<'a, S> {
    leaf(i, &f::DATA);
    part(i, usize::MAX).1
}

/// Where `i` lies.
fn extent<S: Sink>(i: In<'_, S>, missing: u32) -> Extent {
    Extent { at: i.at(), len: len32(i.data().len()), missing }
}

impl Walk {
    /// A walk of a packet of `wire_len` bytes.
    pub(super) const fn new(wire_len: u32) -> Self {
        let out = Outline {
            addresses: Addresses::None,
            ports: (0, 0),
            path: 0,
            tunnels: 0,
            wire_len,
            end: End::Named("empty"),
        };
        Self { out, findings: Vec::new() }
    }

    /// Goes on with the payload of a datagram whose fragments came one by one.
    pub(super) const fn resume(out: Outline) -> Self {
        Self { out, findings: Vec::new() }
    }

    /// A finding about the bytes from `from` to `to`. A span is of the packet: in
    /// a datagram that was put together there is none to give.
    #[cold]
    fn find<S: Sink>(
        &mut self,
        spec: &'static FindingSpec,
        from: In<'_, S>,
        to: In<'_, S>,
        detail: String,
    ) {
        let finding = Finding::new(spec).with(detail);
        let packet = from.buffer() == BufferId(0);
        self.findings.push(if packet { finding.at(from.span_to(&to)) } else { finding });
    }

    /// A header that is not all there. Where the packet was snapped this has been
    /// said already (IP) or is the snapping's doing (link layers).
    fn cut<'a, S: Sink>(
        &mut self,
        i: In<'a, S>,
        missing: u32,
        spec: &'static FindingSpec,
        what: &str,
    ) -> In<'a, S> {
        if missing == 0 || std::ptr::eq(spec, &raw const x::LINK_CUT_SHORT) {
            self.find(
                spec,
                i,
                part(i, usize::MAX).1,
                format!("{what} ends after {} bytes", i.data().len()),
            );
        }
        data(i)
    }

    /// Adds an id to the digest of the path.
    fn path(&mut self, kind: u32, id: u32) {
        let v = (self.out.path.rotate_left(7) ^ id ^ kind << 29).wrapping_add(kind);
        // Odd, so that no path becomes 0, which says that there is none.
        self.out.path = v.wrapping_mul(0x9e37_79b1) | 1;
    }

    /// The whole packet.
    #[inline]
    pub(super) fn link<'a, S: Sink + 'a>(&mut self, link_type: u16, i: In<'a, S>, missing: u32) {
        let behind = match link_type {
            1 => self.ethernet(i, missing),
            113 | 276 => {
                let head = if link_type == 113 { wire::sll(i) } else { wire::sll2(i) };
                match head {
                    // 802.2 frames carry these instead of a type.
                    Ok((i, 1 | 4)) => self.llc(i, missing),
                    Ok((i, next)) => self.ethertype(next, i, missing),
                    Err(_) => {
                        self.out.end = End::Named("linux cooked");
                        self.cut(i, missing, &x::LINK_CUT_SHORT, "the Linux cooked header")
                    }
                }
            }
            0 | 108 => match wire::family(i) {
                Ok((i, 2)) => self.ip(i, missing, 4),
                Ok((i, 10 | 24 | 28 | 30)) => self.ip(i, missing, 6),
                Ok((i, family)) => {
                    self.out.end = End::Family(family);
                    data(i)
                }
                Err(_) => {
                    self.out.end = End::Named("loopback");
                    self.cut(i, missing, &x::LINK_CUT_SHORT, "the loopback header")
                }
            },
            101 | 12 | 14 => {
                let version = i.data().first().map_or(4, |b| b >> 4);
                self.ip(i, missing, version)
            }
            228 => self.ip(i, missing, 4),
            229 => self.ip(i, missing, 6),
            other => {
                self.out.end = End::LinkType(other);
                data(i)
            }
        };
        leaf(behind, &f::TRAILER);
    }

    /// An Ethernet frame, outermost or in a tunnel; leaves nothing behind.
    fn ethernet<'a, S: Sink + 'a>(&mut self, i: In<'a, S>, missing: u32) -> In<'a, S> {
        let start = i.at();
        let Ok((i, next)) = wire::ethernet(i) else {
            self.out.end = End::Named("ethernet");
            return self.cut(i, missing, &x::LINK_CUT_SHORT, "the Ethernet header");
        };
        let behind = if next < 0x0600 {
            let (body, behind) = part(i, usize::from(next));
            let short = u32::from(next).saturating_sub(len32(body.data().len()));
            let left = self.llc(body, short);
            leaf(left, &f::TRAILER);
            behind
        } else {
            self.ethertype(next, i, missing)
        };
        if S::ON {
            // A frame of at most 64 bytes with its check sequence was filled up.
            let end = behind.at().saturating_add(len32(behind.data().len()));
            let short = end.saturating_sub(start) <= 64;
            leaf(behind, if short { &f::ETH_PADDING } else { &f::ETH_TRAILER });
        }
        part(behind, usize::MAX).1
    }

    /// What has an LLC header instead of a type.
    fn llc<'a, S: Sink + 'a>(&mut self, i: In<'a, S>, missing: u32) -> In<'a, S> {
        self.out.end = End::Named("llc");
        if i.data().starts_with(&[0xaa, 0xaa, 0x03])
            && let Ok((i, (oui, next))) = wire::llc_snap(i)
        {
            if oui == 0 {
                return self.ethertype(next, i, missing);
            }
            return data(i);
        }
        match wire::llc(i) {
            Ok((i, dsap)) => {
                if dsap == 0x42 {
                    self.out.end = End::Named("stp");
                }
                data(i)
            }
            Err(_) => self.cut(i, missing, &x::LINK_CUT_SHORT, "the LLC header"),
        }
    }

    /// What an Ethernet type announces, VLAN tags first.
    fn ethertype<'a, S: Sink + 'a>(
        &mut self,
        mut next: u16,
        mut i: In<'a, S>,
        missing: u32,
    ) -> In<'a, S> {
        while let ethertype::VLAN | ethertype::QINQ | ethertype::QINQ_OLD = next {
            let Ok((rest, (id, of_rest))) = wire::vlan(i) else {
                self.out.end = End::Ethertype(next);
                return self.cut(i, missing, &x::LINK_CUT_SHORT, "the VLAN tag");
            };
            // VLAN 0 is a priority and no VLAN.
            if id != 0 {
                self.path(PATH_VLAN, u32::from(id));
            }
            (i, next) = (rest, of_rest);
        }
        match next {
            ethertype::IPV4 => self.ip(i, missing, 4),
            ethertype::IPV6 => self.ip(i, missing, 6),
            ethertype::ARP => match wire::arp(i) {
                Ok((i, head)) => {
                    self.out.end = End::Arp(head);
                    if head.is_some() { i } else { data(i) }
                }
                Err(_) => {
                    self.out.end = End::Arp(None);
                    self.cut(i, missing, &x::LINK_CUT_SHORT, "the ARP packet")
                }
            },
            _ => {
                self.out.end = End::Ethertype(next);
                data(i)
            }
        }
    }

    /// IP of the version that the layer above announces. What the header itself
    /// says counts; a difference is a finding.
    fn ip<'a, S: Sink + 'a>(&mut self, i: In<'a, S>, missing: u32, announced: u8) -> In<'a, S> {
        let version = i.data().first().map_or(announced, |b| b >> 4);
        if version != announced || !matches!(version, 4 | 6) {
            self.find(&x::IP_BAD_HEADER, i, part(i, 1).1, format!("the version is {version}"));
        }
        match version {
            4 => self.ip4(i, missing),
            6 => self.ip6(i, missing),
            _ => {
                self.out.end = End::Named("ip");
                data(i)
            }
        }
    }

    fn ip4<'a, S: Sink + 'a>(&mut self, i: In<'a, S>, missing: u32) -> In<'a, S> {
        let have = i.data().len();
        let Ok((rest, head)) = wire::ipv4(i) else {
            self.out.end = End::Named("ipv4");
            return self.ip_cut(i, missing, "the IPv4 header");
        };
        self.out.addresses = Addresses::V4(head.source, head.destination);
        self.out.ports = (0, 0);
        let header_len = usize::from(head.header_len);
        if header_len < 20 {
            self.out.end = End::Named("ipv4");
            self.find(&x::IP_BAD_HEADER, i, rest, format!("the header length is {header_len}"));
            return data(rest);
        }
        let total = usize::from(head.total_len);
        let (body, behind, missing) = if total == 0 || total < header_len {
            if total != 0 {
                let what = format!("total length {total} with a header of {header_len}");
                self.find(&x::IP_BAD_LENGTH, i, rest, what);
            }
            // 0: the device was to segment it, the length did not fit or was not
            // yet known. All that is there is payload.
            let cut = header_len.saturating_sub(have);
            let (body, behind) = part(rest, usize::MAX);
            (body, behind, missing.saturating_sub(len32(cut)))
        } else {
            self.bound(i, rest, header_len, total, missing)
        };
        if head.more || head.offset > 0 {
            self.out.end = End::Fragment(FragmentInfo {
                v6: false,
                id: u32::from(head.id),
                offset: head.offset,
                more: head.more,
                protocol: head.protocol,
                payload: extent(body, missing),
            });
            data(body);
        } else {
            self.payload(head.protocol, false, body, missing);
        }
        behind
    }

    fn ip6<'a, S: Sink + 'a>(&mut self, i: In<'a, S>, missing: u32) -> In<'a, S> {
        let Ok((rest, head)) = wire::ipv6(i) else {
            self.out.end = End::Named("ipv6");
            return self.ip_cut(i, missing, "the IPv6 header");
        };
        self.out.addresses = Addresses::V6(head.source, head.destination);
        self.out.ports = (0, 0);
        let (body, behind, missing) = if head.payload_len == 0 && head.next != protocol::NO_NEXT {
            // A jumbogram (RFC 2675), or the device was to segment it.
            let (body, behind) = part(rest, usize::MAX);
            (body, behind, missing)
        } else {
            self.bound(i, rest, 40, 40 + usize::from(head.payload_len), missing)
        };
        self.payload(head.next, true, body, missing);
        behind
    }

    /// Splits what is behind an IP header where the packet ends by its length
    /// field: payload, padding, and bytes of payload that are missing. The header
    /// begins at `start`; `total` counts it.
    #[inline(always)]
    fn bound<'a, S: Sink>(
        &mut self,
        start: In<'a, S>,
        rest: In<'a, S>,
        header_len: usize,
        total: usize,
        missing: u32,
    ) -> (In<'a, S>, In<'a, S>, u32) {
        let have = start.data().len();
        let (body, behind) = part(rest, total.saturating_sub(header_len));
        let Some(short) = total.checked_sub(have).filter(|n| *n > 0) else {
            return (body, behind, 0);
        };
        self.short(start, rest, total, missing);
        // The length field is what a receiver goes by: what it says is missing.
        (body, behind, len32(short.min(total.saturating_sub(header_len))))
    }

    /// Says that a packet is shorter than its `total`: snapped, or a lie.
    #[cold]
    fn short<S: Sink>(&mut self, start: In<'_, S>, rest: In<'_, S>, total: usize, missing: u32) {
        let have = len32(start.data().len());
        let short = len32(total).saturating_sub(have);
        if short <= missing {
            let what = format!("{short} of {total} bytes were not captured");
            self.find(&x::IP_CUT_SHORT, start, rest, what);
        } else {
            let what =
                format!("length {total}, {} bytes on the wire", have.saturating_add(missing));
            self.find(&x::IP_BAD_LENGTH, start, rest, what);
        }
    }

    /// An IP header that is not all there.
    fn ip_cut<'a, S: Sink>(&mut self, i: In<'a, S>, missing: u32, what: &str) -> In<'a, S> {
        let spec = if missing > 0 { &x::IP_CUT_SHORT } else { &x::IP_BAD_LENGTH };
        self.find(
            spec,
            i,
            part(i, usize::MAX).1,
            format!("{what} ends after {} bytes", i.data().len()),
        );
        data(i)
    }

    /// What an IP header announces: extension headers, then a transport or a
    /// tunnel. Tells the sink of all of `i`.
    pub(super) fn payload<'a, S: Sink + 'a>(
        &mut self,
        mut next: u8,
        v6: bool,
        mut i: In<'a, S>,
        missing: u32,
    ) {
        loop {
            self.out.end = End::Protocol(next);
            let head = match next {
                protocol::HOP_BY_HOP
                | protocol::ROUTING
                | protocol::DESTINATION
                | protocol::MOBILITY
                | protocol::HIP
                | protocol::SHIM6
                    if v6 =>
                {
                    wire::extension(i, next)
                }
                protocol::AH => wire::authentication(i),
                protocol::FRAGMENT if v6 => match wire::fragment(i) {
                    Ok((rest, h)) if h.more || h.offset > 0 => {
                        self.out.end = End::Fragment(FragmentInfo {
                            v6: true,
                            id: h.id,
                            offset: h.offset,
                            more: h.more,
                            protocol: h.next,
                            payload: extent(rest, missing),
                        });
                        data(rest);
                        return;
                    }
                    // A datagram of one fragment stands by itself (RFC 6946).
                    Ok((rest, h)) => Ok((rest, h.next)),
                    Err(e) => Err(e),
                },
                _ => break,
            };
            match head {
                Ok((rest, n)) => (i, next) = (rest, n),
                Err(_) => {
                    self.cut(i, missing, &x::IP_BAD_HEADER, "an extension header");
                    return;
                }
            }
        }
        match next {
            protocol::TCP => self.tcp(i, missing),
            protocol::UDP => self.udp(i, missing),
            protocol::ICMP if !v6 => self.icmp(i, missing, false),
            protocol::ICMPV6 if v6 => self.icmp(i, missing, true),
            protocol::IPV4 | protocol::IPV6 if self.enter(i) => {
                let version = if next == protocol::IPV4 { 4 } else { 6 };
                let behind = self.ip(i, missing, version);
                leaf(behind, &f::TRAILER);
            }
            protocol::GRE => self.gre(i, missing),
            _ => {
                data(i);
            }
        }
    }

    /// Whether one more tunnel may be looked through.
    fn enter<S: Sink>(&mut self, i: In<'_, S>) -> bool {
        if usize::from(self.out.tunnels) >= MAX_TUNNEL_DEPTH {
            self.find(
                &x::TUNNEL_TOO_DEEP,
                i,
                part(i, usize::MAX).1,
                format!("more than {MAX_TUNNEL_DEPTH}"),
            );
            return false;
        }
        self.out.tunnels += 1;
        true
    }

    fn gre<'a, S: Sink + 'a>(&mut self, i: In<'a, S>, missing: u32) {
        let Ok((i, head)) = wire::gre(i) else {
            self.cut(i, missing, &x::IP_BAD_LENGTH, "the GRE header");
            return;
        };
        let inside = head.plain
            && matches!(
                head.next,
                ethertype::IPV4
                    | ethertype::IPV6
                    | ethertype::BRIDGING
                    | ethertype::VLAN
                    | ethertype::QINQ
                    | ethertype::ARP
            );
        if !inside || !self.enter(i) {
            data(i);
            return;
        }
        if let Some(key) = head.key {
            self.path(PATH_GRE, key);
        }
        let behind = if head.next == ethertype::BRIDGING {
            self.ethernet(i, missing)
        } else {
            self.ethertype(head.next, i, missing)
        };
        leaf(behind, &f::TRAILER);
    }

    pub(super) fn tcp<'a, S: Sink + 'a>(&mut self, i: In<'a, S>, missing: u32) {
        let segment = i;
        let right = if S::ON { self.checksum(protocol::TCP, i.data(), missing) } else { None };
        let Ok((i, head)) = wire::tcp(i, right) else {
            self.cut(segment, missing, &x::TCP_BAD_HEADER, "the TCP header");
            return;
        };
        self.out.ports = (head.source, head.destination);
        let wire_len = len32(segment.data().len()).saturating_add(missing);
        let options_len = u32::from(head.header_len).checked_sub(20);
        let Some(options_len) = options_len.filter(|_| u32::from(head.header_len) <= wire_len)
        else {
            let what = format!("{} of {wire_len} bytes", head.header_len);
            self.find(&x::TCP_BAD_HEADER, segment, i, what);
            data(i);
            return;
        };
        let (list, rest) = part(i, options_len as usize);
        let cut = options_len.saturating_sub(len32(list.data().len()));
        let mut options = TcpOptions::default();
        let mut bad = false;
        // It cannot fail: it takes what is there.
        let _ = wire::option_list(list, |o| match o {
            TcpOption::Mss(v) => options.mss = Some(v),
            TcpOption::WindowScale(v) => options.window_scale = Some(v.min(14)),
            TcpOption::SackPermitted => options.sack_permitted = true,
            TcpOption::Sack(l, r) => {
                if let Some(block) = options.sack.get_mut(usize::from(options.sack_blocks)) {
                    *block = (l, r);
                    options.sack_blocks += 1;
                }
            }
            TcpOption::Timestamps(v, e) => options.timestamps = Some((v, e)),
            TcpOption::Bad => bad = true,
        });
        if bad && cut == 0 {
            self.find(&x::TCP_BAD_OPTION, i, rest, format!("{} bytes of options", options_len));
        }
        leaf(rest, &f::TCP_PAYLOAD);
        let payload = extent(rest, missing.saturating_sub(cut));
        self.out.end = End::Tcp { head, options, payload };
    }

    pub(super) fn udp<'a, S: Sink + 'a>(&mut self, i: In<'a, S>, missing: u32) {
        let have = len32(i.data().len());
        let datagram = i;
        let right = if S::ON { self.checksum(protocol::UDP, i.data(), missing) } else { None };
        let Ok((i, head)) = wire::udp(i, right) else {
            self.cut(datagram, missing, &x::UDP_BAD_LENGTH, "the UDP header");
            return;
        };
        self.out.ports = (head.source, head.destination);
        let len = u32::from(head.len);
        let wire_len = have.saturating_add(missing);
        // 0: a jumbogram (RFC 2675 §4), or the device was to segment it.
        if (len < 8 && len != 0) || len > wire_len {
            self.find(
                &x::UDP_BAD_LENGTH,
                datagram,
                i,
                format!("length {len}, {wire_len} bytes in the packet"),
            );
        }
        let (body, behind, missing) = if len < 8 {
            let (body, behind) = part(i, usize::MAX);
            (body, behind, missing)
        } else {
            let (body, behind) = part(i, (len - 8) as usize);
            (body, behind, len.saturating_sub(have))
        };
        self.out.end = End::Udp(extent(body, missing));
        // The I bit says that there is a network id; behind it is a frame.
        let vxlan = head.destination == VXLAN_PORT
            && body.data().len() >= 22
            && body.data().first().is_some_and(|b| b & 0x08 != 0);
        if vxlan
            && self.enter(body)
            && let Ok((i, vni)) = wire::vxlan(body)
        {
            self.path(PATH_VXLAN, vni);
            self.ethernet(i, missing);
        } else {
            leaf(body, &f::UDP_PAYLOAD);
        }
        leaf(behind, &f::TRAILER);
    }

    fn icmp<'a, S: Sink + 'a>(&mut self, i: In<'a, S>, missing: u32, v6: bool) {
        let len = len32(i.data().len()).saturating_add(missing);
        match wire::icmp(i, v6) {
            Ok((i, head)) => {
                self.out.end = End::Icmp(head, len);
                data(i);
            }
            Err(_) => {
                self.cut(i, missing, &x::IP_BAD_LENGTH, "the ICMP header");
            }
        }
    }

    /// Whether the checksum of a whole segment or datagram is right.
    fn checksum(&self, protocol: u8, segment: &[u8], missing: u32) -> Option<bool> {
        if missing > 0 {
            return None;
        }
        let sum = etherparse::checksum::Sum16BitWords::new();
        let sum = match self.out.addresses {
            Addresses::V4(s, d) => sum.add_slice(&s.octets()).add_slice(&d.octets()),
            Addresses::V6(s, d) => sum.add_slice(&s.octets()).add_slice(&d.octets()),
            Addresses::None => return None,
        };
        let sum = sum
            .add_slice(&[0, protocol])
            .add_slice(&len32(segment.len()).to_be_bytes())
            .add_slice(segment);
        Some(sum.ones_complement() == 0)
    }
}
