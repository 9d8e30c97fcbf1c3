//! Whose a packet is, for who has no other use for it.

use std::net::IpAddr;

use crate::link::Endpoints;

const ETHERNET: u16 = 1;
const TCP: u8 = 6;

/// The ends of a whole TCP segment in a plain Ethernet frame, as [`Decoder`](super::Decoder)
/// finds them too; `None` where it takes more than a look to say: everything else.
///
/// How much less that is than to decode it: `cargo bench --bench reader -- whose`. That it
/// agrees with the decoder is a property (`properties.rs`).
#[inline]
#[must_use]
pub fn tcp_ends(link_type: u16, data: &[u8]) -> Option<Endpoints> {
    let (ethernet, ip) = data.split_first_chunk::<14>()?;
    match ethernet {
        [.., 0x08, 0x00] if link_type == ETHERNET => over_ipv4(ip),
        [.., 0x86, 0xdd] if link_type == ETHERNET => over_ipv6(ip),
        _ => None,
    }
}

/// RFC 791 §3.1: without options, and no fragment.
#[inline]
fn over_ipv4(ip: &[u8]) -> Option<Endpoints> {
    let (head, rest) = ip.split_first_chunk::<20>()?;
    let [first, _, l0, l1, _, _, f0, f1, _, protocol, _, _, addresses @ ..] = head;
    let [s0, s1, s2, s3, d0, d1, d2, d3] = *addresses;
    let is_fragment = [f0 & 0x3f, *f1] != [0, 0];
    if *first != 0x45 || *protocol != TCP || is_fragment {
        return None;
    }
    let len = usize::from(u16::from_be_bytes([*l0, *l1])).checked_sub(20)?;
    let (from, to) = ports(rest.get(..len)?)?;
    let [source, destination] = [[s0, s1, s2, s3], [d0, d1, d2, d3]].map(IpAddr::from);
    Some(Endpoints { source: (source, from), destination: (destination, to), path: 0 })
}

/// RFC 8200 §3: without extension headers.
#[inline]
fn over_ipv6(ip: &[u8]) -> Option<Endpoints> {
    let (head, rest) = ip.split_first_chunk::<40>()?;
    let ([first, _, _, _, l0, l1, next, _], addresses) = head.split_first_chunk::<8>()?;
    if first >> 4 != 6 || *next != TCP {
        return None;
    }
    let len = usize::from(u16::from_be_bytes([*l0, *l1]));
    let (from, to) = ports(rest.get(..len)?)?;
    let (source, destination) = addresses.split_first_chunk::<16>()?;
    let destination = destination.first_chunk::<16>()?;
    let [source, destination] = [*source, *destination].map(IpAddr::from);
    Some(Endpoints { source: (source, from), destination: (destination, to), path: 0 })
}

/// The ports of a segment whose whole head is there (RFC 9293 §3.1).
#[inline]
fn ports(tcp: &[u8]) -> Option<(u16, u16)> {
    let [s0, s1, d0, d1, _, _, _, _, _, _, _, _, offset, ..] = tcp.first_chunk::<20>()?;
    let head_len = usize::from(offset >> 4) * 4;
    let is_whole = head_len >= 20 && head_len <= tcp.len();
    is_whole.then(|| (u16::from_be_bytes([*s0, *s1]), u16::from_be_bytes([*d0, *d1])))
}
