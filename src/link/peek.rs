//! Whose a packet is, for who has no other use for it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use crate::link::Endpoints;

/// The ends of a whole TCP segment in a plain Ethernet frame, as [`Decoder`](super::Decoder)
/// finds them too; `None` where it takes more than a look to say: everything else.
///
/// A twentieth of what decoding costs (`benches/reader.rs`). What it must agree with is the
/// decoder: a property of `tests/shards.rs`.
#[inline]
#[must_use]
pub fn tcp_ends(link_type: u16, data: &[u8]) -> Option<Endpoints> {
    const ETHERNET: u16 = 1;
    const TCP: u8 = 6;
    let (_, ip) = data.split_at_checked(14).filter(|_| link_type == ETHERNET)?;
    let word =
        |bytes: &[u8], at: usize| Some(u16::from_be_bytes(*bytes.get(at..)?.first_chunk::<2>()?));
    let (source, destination, tcp) = match word(data, 12)? {
        0x0800 => {
            let head = ip.first_chunk::<20>()?;
            let ([first, ..], len) = (*head, usize::from(word(head, 2)?));
            let head_len = usize::from(first & 15) * 4;
            // More fragments, or one that is not the first.
            let is_fragment = word(head, 6)? & 0x3fff != 0;
            if first >> 4 != 4 || head_len < 20 || *head.get(9)? != TCP || is_fragment {
                return None;
            }
            let [source, destination] =
                [12, 16].map(|at| head.get(at..)?.first_chunk::<4>().copied());
            let ip = |a: [u8; 4]| IpAddr::V4(Ipv4Addr::from(a));
            (ip(source?), ip(destination?), ip_payload(data, head_len, len)?)
        }
        0x86dd => {
            let head = ip.first_chunk::<40>()?;
            let len = usize::from(word(head, 4)?);
            if head.first()? >> 4 != 6 || *head.get(6)? != TCP {
                return None;
            }
            let [source, destination] =
                [8, 24].map(|at| head.get(at..)?.first_chunk::<16>().copied());
            let ip = |a: [u8; 16]| IpAddr::V6(Ipv6Addr::from(a));
            (ip(source?), ip(destination?), ip_payload(data, 40, 40 + len)?)
        }
        _ => return None,
    };
    let head_len = usize::from(*tcp.get(12)? >> 4) * 4;
    if head_len < 20 || tcp.len() < head_len {
        return None;
    }
    Some(Endpoints {
        source: (source, word(tcp, 0)?),
        destination: (destination, word(tcp, 2)?),
        path: 0,
    })
}

/// What an IP packet of `len` bytes in an Ethernet frame carries behind its head, where all
/// of it was captured.
#[inline]
fn ip_payload(frame: &[u8], head_len: usize, len: usize) -> Option<&[u8]> {
    frame.get(14..14 + len)?.get(head_len..)
}
