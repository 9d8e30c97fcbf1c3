//! The tree of a packet: every bit of it, by name.

use crate::base::BufferId;
use crate::field::{In, Tree, TreeSink};
use crate::finding::Finding;
use crate::link::names;
use crate::link::outline::Outline;
use crate::link::walk::Walk;

/// A packet taken apart.
#[derive(Clone, Debug)]
pub struct Dissection {
    /// Its fields. Buffer 0 is the captured packet, so spans are offsets in it;
    /// the leaves cover every bit of it once.
    pub tree: Tree,
    /// Its layers in a few numbers, for [`super::summary`].
    pub outline: Outline,
    /// What is odd about it, as [`super::Decoder`] says it. What concerns several
    /// fragments is not known here.
    pub findings: Vec<Finding>,
}

/// Takes a packet apart that was captured with link type `link_type`. The same
/// walk as the hot path's, with a tree that listens.
#[must_use]
pub fn dissect(link_type: u16, data: &[u8], original_len: u32) -> Dissection {
    let sink = TreeSink::new();
    let captured = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let wire_len = original_len.max(captured);
    let mut walk = Walk::new(wire_len);
    walk.link(link_type, In::new(data, BufferId(0), 0, &sink), wire_len - captured);
    let Walk { out: outline, findings } = walk;
    Dissection { tree: sink.into_tree(), outline, findings }
}

/// Takes a TCP segment (`protocol` 6) or a UDP datagram (17) apart that stands by
/// itself; anything else is data. Its checksum cannot be held against anything,
/// since that needs the addresses.
#[must_use]
pub fn dissect_transport(protocol: u8, data: &[u8]) -> Dissection {
    let sink = TreeSink::new();
    let mut walk = Walk::new(u32::try_from(data.len()).unwrap_or(u32::MAX));
    let i = In::new(data, BufferId(0), 0, &sink);
    match protocol {
        names::protocol::TCP => walk.tcp(i, 0),
        names::protocol::UDP => walk.udp(i, 0),
        other => walk.payload(other, false, i, 0),
    }
    let Walk { out: outline, findings } = walk;
    Dissection { tree: sink.into_tree(), outline, findings }
}
