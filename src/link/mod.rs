//! From the link layer to the transport: what a packet is.
//!
//! [`Decoder`] is the hot path: a packet's bytes in, a TCP segment or a UDP
//! datagram out, with fragments put together and tunnels looked through.
//! [`dissect`] gives the tree of a packet and [`summary`] its line. All three
//! stand on one walk over the layers (`walk`), which reads each header by one
//! parser (`wire`) of one table ([`fields`]).

// Nothing from the wire is trusted: no panic can be reached from here.
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)
)]

mod decoded;
mod decoder;
mod defrag;
mod dissect;
pub mod fields;
pub mod findings;
pub mod names;
mod outline;
mod peek;
mod summary;
mod walk;
mod wire;

pub use decoded::{Content, Decoded, Endpoints, PayloadOrigin, TcpFlags, TcpSegment, UdpDatagram};
pub use decoder::Decoder;
pub use defrag::{Defragmenter, Fragment, FragmentKey, Joined};
pub use dissect::{Dissection, dissect, dissect_transport};
pub use outline::{Addresses, End, Extent, FragmentInfo, Outline, TcpOptions};
pub use peek::tcp_ends;
pub use summary::{SeqBase, summary};
pub use wire::{ArpHead, IcmpHead, TcpHead};

#[cfg(test)]
mod corpus_tests;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod tests;
