//! The layouts of the headers: pure parsers over a tracked input, one code for
//! the hot path and for the tree.
//!
//! They judge nothing. A header is read whole or not at all: where bytes are
//! missing a parser gives `Incomplete` before it has told the sink anything, so
//! that whoever asked can show the bytes as what they are.

mod ip;
mod link;
mod transport;

pub(super) use ip::{authentication, extension, fragment, ipv4, ipv6};
pub use link::ArpHead;
pub(super) use link::{arp, ethernet, family, llc, llc_snap, sll, sll2, vlan};
pub use transport::{IcmpHead, TcpHead};
pub(super) use transport::{TcpOption, gre, icmp, option_list, tcp, udp, vxlan};

use std::fmt::Write;
use std::net::{Ipv4Addr, Ipv6Addr};

use crate::base::Span;
use crate::field::{FieldSpec, In, Parsed, Sink, Value};

/// Whether `n` bytes are there: asked before the first field of a header.
fn whole<S: Sink>(i: In<'_, S>, n: usize) -> Result<(), nom::Err<nom::error::Error<In<'_, S>>>> {
    i.split(n).map(|_| ())
}

/// Exactly `N` bytes as an array.
fn array<'a, S: Sink, const N: usize>(i: In<'a, S>) -> Parsed<'a, S, [u8; N]> {
    let (rest, v) = i.split(N)?;
    // `split` gives N bytes, so the default is never taken.
    Ok((rest, v.try_into().unwrap_or([0; N])))
}

/// A big-endian number of two bytes.
fn two<'a, S: Sink + 'a>(spec: &'static FieldSpec) -> impl FnMut(In<'a, S>) -> Parsed<'a, S, u16> {
    crate::field::input::uint(spec, nom::number::streaming::be_u16)
}

/// A byte.
fn one<'a, S: Sink + 'a>(spec: &'static FieldSpec) -> impl FnMut(In<'a, S>) -> Parsed<'a, S, u8> {
    crate::field::input::uint(spec, nom::number::streaming::be_u8)
}

/// A big-endian number of four bytes.
fn four<'a, S: Sink + 'a>(spec: &'static FieldSpec) -> impl FnMut(In<'a, S>) -> Parsed<'a, S, u32> {
    crate::field::input::uint(spec, nom::number::streaming::be_u32)
}

/// A big-endian number of three bytes.
fn three<'a, S: Sink + 'a>(
    spec: &'static FieldSpec,
) -> impl FnMut(In<'a, S>) -> Parsed<'a, S, u32> {
    crate::field::input::uint(spec, nom::number::streaming::be_u24)
}

/// An IPv4 address, told as text.
fn address4<'a, S: Sink>(i: In<'a, S>, spec: &'static FieldSpec) -> Parsed<'a, S, Ipv4Addr> {
    let (rest, v) = array::<S, 4>(i)?;
    let v = Ipv4Addr::from(v);
    if S::ON {
        i.sink().field(spec, i.span_to(&rest), Value::Text(v.to_string().into()));
    }
    Ok((rest, v))
}

/// An IPv6 address, told as text.
fn address6<'a, S: Sink>(i: In<'a, S>, spec: &'static FieldSpec) -> Parsed<'a, S, Ipv6Addr> {
    let (rest, v) = array::<S, 16>(i)?;
    let v = Ipv6Addr::from(v);
    if S::ON {
        i.sink().field(spec, i.span_to(&rest), Value::Text(v.to_string().into()));
    }
    Ok((rest, v))
}

/// `n` bytes of a hardware address, told as text: `00:00:5e:00:53:01`.
fn hardware<'a, S: Sink>(
    i: In<'a, S>,
    n: usize,
    spec: &'static FieldSpec,
) -> Parsed<'a, S, &'a [u8]> {
    let (rest, v) = i.split(n)?;
    if S::ON && n > 0 {
        i.sink().field(spec, i.span_to(&rest), Value::Text(hardware_text(v).into()));
    }
    Ok((rest, v))
}

/// A hardware address as people write it.
pub(super) fn hardware_text(v: &[u8]) -> String {
    let mut s = String::with_capacity(v.len() * 3);
    for (n, b) in v.iter().enumerate() {
        let _ = write!(s, "{}{b:02x}", if n > 0 { ":" } else { "" });
    }
    s
}

/// Tells the sink of a bit field whose unit on the wire is not the one that
/// people count in: header lengths in words, offsets in 8 bytes.
fn scaled<S: Sink>(i: In<'_, S>, spec: &'static FieldSpec, first_bit: u32, value: u64) {
    if S::ON {
        let span = Span::bit_field(i.buffer(), i.at(), first_bit, spec.bits as u8);
        i.sink().field(spec, span, Value::U64(value));
    }
}

/// Notes beside the field that was told last whether the checksum is right.
/// Offloaded checksums are wrong in most captures of a sender: no finding.
fn note_checksum<S: Sink>(i: In<'_, S>, right: Option<bool>) {
    if S::ON
        && let Some(right) = right
    {
        i.sink().note(if right { "correct" } else { "incorrect, or left to the device" });
    }
}
