//! From captured bytes to a segment or datagram: the hot path.

use std::net::IpAddr;

use crate::base::{BufferId, Moment, PacketId, PacketRange, Piece, PieceSource};
use crate::field::{In, NoSink};
use crate::finding::Finding;
use crate::link::defrag::{Defragmenter, Fragment, FragmentKey, Joined, cut_pieces};
use crate::link::outline::{Addresses, End, Extent, FragmentInfo, Outline};
use crate::link::walk::Walk;
use crate::link::{
    Content, Decoded, Endpoints, PayloadOrigin, TcpFlags, TcpSegment, UdpDatagram, names,
};

/// Decodes packets one after another; holds the fragments that wait.
#[derive(Debug, Default)]
pub struct Decoder {
    defrag: Defragmenter,
    /// The datagram that the last packet made whole: [`Decoded`] borrows from it.
    joined: Joined,
}

impl Decoder {
    /// A fresh one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Decodes a packet of link type `link_type` (`LINKTYPE_*`) of which `data`
    /// was captured and `original_len` bytes were on the wire. Takes fragments in
    /// the order of the capture; a packet that makes a datagram whole is decoded
    /// as that datagram. Allocates nothing but for fragments and findings.
    pub fn decode<'a>(
        &'a mut self,
        link_type: u16,
        data: &'a [u8],
        original_len: u32,
        moment: Moment,
    ) -> Decoded<'a> {
        self.pass(moment);
        let sink = NoSink;
        let captured = u32::try_from(data.len()).unwrap_or(u32::MAX);
        let wire_len = original_len.max(captured);
        // The outline is large: it is written in place and not moved.
        let mut walk = Walk::new(wire_len);
        walk.link(link_type, In::new(data, BufferId(0), 0, &sink), wire_len - captured);
        let End::Fragment(fragment) = walk.out.end else {
            return decoded(&walk.out, data, |e| PayloadOrigin::Packet(e.at), walk.findings);
        };
        self.decode_fragment(walk, fragment, data, moment)
    }

    /// Whether no fragments wait.
    #[must_use]
    pub fn is_idle(&self) -> bool {
        self.defrag.is_idle()
    }

    /// A packet goes by that is no fragment, and of which nobody wants to know more: fragments
    /// that have waited too long are given up, as by [`Decoder::decode`].
    #[inline]
    pub fn pass(&mut self, moment: Moment) {
        if !self.defrag.is_idle() {
            self.defrag.expire(moment.time);
        }
    }

    /// The rare path, kept out of the other one's way.
    #[inline(never)]
    fn decode_fragment<'a>(
        &'a mut self,
        walk: Walk,
        fragment: FragmentInfo,
        data: &'a [u8],
        moment: Moment,
    ) -> Decoded<'a> {
        let Walk { out, mut findings } = walk;
        let Some(out) = self.fragment(out, fragment, data, moment, &mut findings) else {
            return decoded(&out, data, |e| PayloadOrigin::Packet(e.at), findings);
        };
        let joined = &self.joined;
        let origin = |e: Extent| PayloadOrigin::Pieces(cut_pieces(&joined.pieces, e.at, e.len));
        decoded(&out, &joined.bytes, origin, findings)
    }

    /// Takes a fragment; gives the outline of the datagram that it makes whole,
    /// whose bytes are `self.joined` then. That datagram may be a tunnel with a
    /// fragment inside: each round is one tunnel further in, so they end.
    fn fragment(
        &mut self,
        mut out: Outline,
        mut fragment: FragmentInfo,
        data: &[u8],
        moment: Moment,
        findings: &mut Vec<Finding>,
    ) -> Option<Outline> {
        let mut joined: Option<Joined> = None;
        loop {
            let (source, destination) = out.addresses.pair()?;
            let Extent { at, len, missing } = fragment.payload;
            let (bytes, pieces) = match &joined {
                None => (data, vec![(whole_packet(data, moment.packet), moment)]),
                Some(j) => (j.bytes.as_slice(), j.pieces.clone()),
            };
            let bytes = bytes.get(at as usize..)?.get(..len as usize)?;
            let pieces = cut_pieces(&pieces, at, len);
            let key = FragmentKey {
                source,
                destination,
                id: fragment.id,
                protocol: if fragment.v6 { 0 } else { fragment.protocol },
                path: out.path,
            };
            let FragmentInfo { v6, offset, more, protocol, .. } = fragment;
            let taken = Fragment { offset, more, protocol, bytes, missing, pieces };
            let whole = self.defrag.insert(key, taken, moment, findings)?;
            let (sink, outside) = (NoSink, out.tunnels);
            let mut walk = Walk::resume(out);
            let input = In::new(&whole.bytes, BufferId(1), 0, &sink);
            walk.payload(whole.protocol, v6, input, whole.missing);
            out = walk.out;
            findings.append(&mut walk.findings);
            match out.end {
                End::Fragment(inner) if out.tunnels > outside => {
                    fragment = inner;
                    joined = Some(whole);
                }
                // A fragment header in what fragments carried is no datagram.
                End::Fragment(_) => return None,
                _ => {
                    self.joined = whole;
                    return Some(out);
                }
            }
        }
    }

    /// The end of the capture: gives up the fragments that still wait.
    pub fn finish(&mut self) {
        self.defrag.finish();
    }

    /// Datagrams that were given up (a fragment that never came, a limit) since
    /// the last call: the packet of the first fragment, and the finding. To be
    /// asked after each packet (it costs nothing where there are none) and after
    /// [`Decoder::finish`].
    pub fn take_lost(&mut self) -> Vec<(Moment, Finding)> {
        self.defrag.take_lost()
    }

    /// Bytes held for fragments.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.defrag.memory()
    }
}

fn whole_packet(data: &[u8], packet: PacketId) -> Piece {
    let len = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let source = PieceSource::Packet(PacketRange { packet, start: 0, len });
    Piece { start: 0, len, source, exact: true }
}

/// What an outline says about `data`.
#[inline]
fn decoded<'a>(
    out: &Outline,
    data: &'a [u8],
    origin: impl Fn(Extent) -> PayloadOrigin,
    findings: Vec<Finding>,
) -> Decoded<'a> {
    let bytes = |e: Extent| {
        data.get(e.at as usize..).and_then(|d| d.get(..e.len as usize)).unwrap_or_default()
    };
    let between = |source, destination| Endpoints {
        source: (source, out.ports.0),
        destination: (destination, out.ports.1),
        path: out.path,
    };
    Decoded {
        endpoints: match out.addresses {
            Addresses::None => None,
            Addresses::V4(s, d) => Some(between(IpAddr::V4(s), IpAddr::V4(d))),
            Addresses::V6(s, d) => Some(between(IpAddr::V6(s), IpAddr::V6(d))),
        },
        content: match &out.end {
            End::Tcp { head, options, payload } => Content::Tcp(TcpSegment {
                seq: head.seq,
                ack: head.ack,
                flags: TcpFlags(head.flags),
                window: head.window,
                window_scale: options.window_scale,
                payload: bytes(*payload),
                missing: payload.missing,
                origin: origin(*payload),
            }),
            End::Udp(payload) => Content::Udp(UdpDatagram {
                payload: bytes(*payload),
                missing: payload.missing,
                origin: origin(*payload),
            }),
            End::Icmp(h, _) => {
                Content::Icmp(if h.v6 { names::icmpv6(h.kind) } else { names::icmp(h.kind) })
            }
            End::Fragment(_) => Content::Fragment,
            end => Content::Other(end.name()),
        },
        findings,
    }
}
