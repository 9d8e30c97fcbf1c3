//! What packets look like that an interface hands out, and how they are made whole.

use std::io;
use std::time::Duration;

use super::ring::{Frame, Head, Ring};
use super::tap::{Passing, Tap};
use crate::base::CaptureTime;
use crate::capture::LinkType;

/// Bytes of a Linux cooked header, version 2.
const COOKED_BYTES: usize = 20;
/// Where the two hardware addresses of an Ethernet frame end.
const BEHIND_ADDRESSES: usize = 12;

/// What the packets of a capture begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) link: LinkType,
    pub(super) head: Head,
    /// The interface is the loopback.
    pub(super) loops: bool,
}

/// Raw IP (`if_arp.h`); `libc` has no name for it.
const ARPHRD_RAWIP: u16 = 519;

impl Shape {
    /// Linux cooked, version 2: of any interface.
    pub(super) const COOKED: Self = Self { link: LinkType(276), head: Head::Cooked, loops: false };

    /// By hardware type.
    pub(super) const fn of(hardware: u16) -> Self {
        match hardware {
            libc::ARPHRD_ETHER => Self { link: LinkType(1), head: Head::Raw, loops: false },
            libc::ARPHRD_LOOPBACK => Self { link: LinkType(1), head: Head::Raw, loops: true },
            // Tunnels as of WireGuard and tun devices: IP with nothing before it.
            libc::ARPHRD_NONE | ARPHRD_RAWIP => {
                Self { link: LinkType(101), head: Head::Raw, loops: false }
            }
            _ => Self::COOKED,
        }
    }

    /// A loopback shows each packet twice: as it leaves, and as it comes back.
    pub(super) const fn passes(f: &Frame<'_>) -> bool {
        !(f.hardware == libc::ARPHRD_LOOPBACK && f.way == libc::PACKET_OUTGOING)
    }

    /// Appends the packet as it was on the wire; gives its length there.
    pub(super) fn restore(self, f: &Frame<'_>, into: &mut Vec<u8>) -> u32 {
        let mut added = 0;
        if self.head == Head::Cooked {
            // A tag goes between the header and what it tags.
            let protocol = f.vlan.map_or(f.protocol, |(_, kind)| kind);
            into.extend(protocol.to_be_bytes());
            into.extend([0, 0]);
            into.extend(f.interface.to_be_bytes());
            into.extend(f.hardware.to_be_bytes());
            into.extend([f.way, f.address.1]);
            into.extend(f.address.0);
            added = COOKED_BYTES;
            if let Some((tag, _)) = f.vlan {
                into.extend(tag.to_be_bytes());
                into.extend(f.protocol.to_be_bytes());
                added += 4;
            }
            into.extend_from_slice(f.data);
        } else if let (Some((tag, kind)), Some((addresses, rest)), LinkType(1)) =
            (f.vlan, f.data.split_at_checked(BEHIND_ADDRESSES), self.link)
        {
            into.extend_from_slice(addresses);
            into.extend(kind.to_be_bytes());
            into.extend(tag.to_be_bytes());
            into.extend_from_slice(rest);
            added = 4;
        } else {
            into.extend_from_slice(f.data);
        }
        f.original_len.saturating_add(added as u32)
    }
}

/// Packets of the ring, made whole.
pub(super) struct Shaped(pub(super) Ring, pub(super) Shape);

impl Tap for Shaped {
    fn link(&self) -> LinkType {
        self.1.link
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        self.0.wait(timeout)
    }

    fn some(&mut self, each: &mut dyn FnMut(&dyn Passing)) -> io::Result<bool> {
        let Some(block) = self.0.block() else { return Ok(false) };
        for frame in block.frames().filter(Shape::passes) {
            each(&(self.1, frame));
        }
        Ok(true)
    }

    fn round(&self) -> usize {
        self.0.blocks()
    }

    fn dropped(&mut self) -> io::Result<u64> {
        self.0.dropped()
    }
}

impl Passing for (Shape, Frame<'_>) {
    fn time(&self) -> CaptureTime {
        let (seconds, nanoseconds) = self.1.time;
        CaptureTime(i64::from(seconds) * 1_000_000_000 + i64::from(nanoseconds))
    }

    fn restore(&self, into: &mut Vec<u8>) -> u32 {
        self.0.restore(&self.1, into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(data: &[u8]) -> Frame<'_> {
        Frame {
            time: (1, 2),
            original_len: data.len() as u32,
            vlan: None,
            protocol: 0x0800,
            interface: 3,
            hardware: libc::ARPHRD_ETHER,
            way: 0,
            address: ([1, 2, 3, 4, 5, 6, 0, 0], 6),
            data,
        }
    }

    #[test]
    fn a_tag_that_was_taken_off_is_put_back() {
        let plain = *b"ddddddssssss\x08\x00payload";
        let tagged = Frame { vlan: Some((0x2064, 0x88a8)), ..frame(&plain) };
        let mut bytes = b"before".to_vec();
        let len = Shape::of(libc::ARPHRD_ETHER).restore(&tagged, &mut bytes);
        assert_eq!(bytes, b"beforeddddddssssss\x88\xa8\x20\x64\x08\x00payload");
        assert_eq!(len as usize, plain.len() + 4);
        // Too short to have one.
        let mut bytes = Vec::new();
        let short = Frame { vlan: Some((1, 2)), ..frame(b"short") };
        assert_eq!(Shape::of(libc::ARPHRD_ETHER).restore(&short, &mut bytes), 5);
        assert_eq!(bytes, b"short");
    }

    #[test]
    fn what_has_no_header_gets_a_cooked_one() {
        let mut bytes = Vec::new();
        assert_eq!(Shape::COOKED.restore(&frame(b"ip"), &mut bytes), 22);
        assert_eq!(
            bytes,
            b"\x08\x00\0\0\0\0\0\x03\0\x01\0\x06\x01\x02\x03\x04\x05\x06\0\0ip".as_slice()
        );
        let mut bytes = Vec::new();
        let tagged = Frame { vlan: Some((100, 0x8100)), ..frame(b"ip") };
        assert_eq!(Shape::COOKED.restore(&tagged, &mut bytes), 26);
        assert_eq!((&bytes[..2], &bytes[20..]), (&b"\x81\x00"[..], &b"\x00\x64\x08\x00ip"[..]));
    }

    #[test]
    fn loopback_packets_are_taken_once() {
        let looped = |way| Frame { hardware: libc::ARPHRD_LOOPBACK, way, ..frame(b"") };
        assert!(Shape::passes(&looped(libc::PACKET_HOST)));
        assert!(!Shape::passes(&looped(libc::PACKET_OUTGOING)));
        assert!(Shape::passes(&Frame { way: libc::PACKET_OUTGOING, ..frame(b"") }));
    }

    #[test]
    fn link_types_follow_the_hardware() {
        assert_eq!(Shape::of(libc::ARPHRD_LOOPBACK).link, LinkType(1));
        assert_eq!(Shape::of(libc::ARPHRD_NONE).link, LinkType(101));
        assert_eq!(Shape::of(libc::ARPHRD_IEEE80211).link, LinkType(276));
    }
}
