//! A packet socket and the ring of blocks that it shares with the kernel.
//!
//! The kernel fills a block with packets of any length (TPACKET_V3) and hands it
//! over when it is full, or after [`RETIRE_MS`]; it is read where it lies and
//! given back. All that is unsafe of capturing is here: calls of the system, and
//! a block as a slice of bytes. What stands in a block is read as bytes from
//! anywhere are, with checks.
//!
//! ```text
//!  +-------------+---------------+------------+-----+---------------+---- …
//!  | block head  | packet head   | sockaddr_ll|     | bytes         | packet head …
//!  +-------------+---------------+------------+-----+---------------+---- …
//!   status,       next, time,     type, way,    pad  ^ tp_mac from the
//!   packets,      lengths, VLAN   address              packet head
//!   first packet
//! ```
#![allow(
    unsafe_code,
    reason = "AF_PACKET is had by calls of the system and by memory shared with the kernel; nothing safe offers it"
)]

use std::ffi::c_int;
use std::io;
use std::mem::{offset_of, size_of};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use libc::{sockaddr_ll, tpacket_block_desc, tpacket_hdr_v1, tpacket3_hdr};

/// Bytes of one block: several of the largest packets that a loopback or an
/// offloading card hands out (64 KiB; "big TCP" reaches some hundred). The kernel
/// cuts what does not fit into a block.
const BLOCK_BYTES: usize = 512 << 10;
/// Never fewer than these, and not more than the system numbers.
const FEWEST_BLOCKS: usize = 4;
const MOST_BLOCKS: usize = 1 << 13;
/// A block that holds a packet is handed over after so many milliseconds, full or not.
const RETIRE_MS: u32 = 20;
/// Only said to the kernel: with TPACKET_V3, frames have the length of their packets.
const FRAME_BYTES: usize = 2048;

/// What the bytes of packets begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Head {
    /// The interface's own link-layer header.
    Raw,
    /// None: the network layer; the link layer's protocol is told beside it.
    Cooked,
}

/// A packet in a block.
#[derive(Clone, Copy, Debug)]
pub(super) struct Frame<'a> {
    /// Seconds and nanoseconds since 1970.
    pub(super) time: (u32, u32),
    /// Length on the wire.
    pub(super) original_len: u32,
    /// Tag and its type, where the card or the kernel took it off.
    pub(super) vlan: Option<(u16, u16)>,
    /// Ethertype, in the host's order.
    pub(super) protocol: u16,
    pub(super) interface: u32,
    /// `ARPHRD_*`.
    pub(super) hardware: u16,
    /// `PACKET_HOST`, `PACKET_OUTGOING` …
    pub(super) way: u8,
    /// The sender's link-layer address, and how many bytes of it count.
    pub(super) address: ([u8; 8], u8),
    pub(super) data: &'a [u8],
}

/// A socket that is captured from.
pub(super) struct Ring {
    socket: OwnedFd,
    map: NonNull<u8>,
    blocks: usize,
    next: usize,
}

// SAFETY: the map belongs to the ring alone, and no thread is bound to it.
unsafe impl Send for Ring {}

impl Ring {
    /// Captures from an interface; 0 is all of them. The ring has so many bytes, or half
    /// as many and so on, as the system grants them.
    pub(super) fn open(interface: u32, head: Head, bytes: usize) -> io::Result<Self> {
        let socket = socket(head)?;
        set(&socket, libc::PACKET_VERSION, &(libc::tpacket_versions::TPACKET_V3 as c_int))?;
        let mut blocks = (bytes / BLOCK_BYTES).clamp(FEWEST_BLOCKS, MOST_BLOCKS);
        loop {
            let request = libc::tpacket_req3 {
                tp_block_size: BLOCK_BYTES as u32,
                tp_block_nr: blocks as u32,
                tp_frame_size: FRAME_BYTES as u32,
                tp_frame_nr: (BLOCK_BYTES / FRAME_BYTES * blocks) as u32,
                tp_retire_blk_tov: RETIRE_MS,
                tp_sizeof_priv: 0,
                tp_feature_req_word: 0,
            };
            match set(&socket, libc::PACKET_RX_RING, &request) {
                Err(e) if e.raw_os_error() == Some(libc::ENOMEM) && blocks > FEWEST_BLOCKS => {
                    blocks /= 2;
                }
                other => break other?,
            }
        }
        // SAFETY: asks for a new mapping of the ring, whose size was just agreed.
        let map = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                blocks * BLOCK_BYTES,
                libc::PROT_READ | libc::PROT_WRITE,
                libc::MAP_SHARED,
                socket.as_raw_fd(),
                0,
            )
        };
        let map = match NonNull::new(map.cast::<u8>()) {
            Some(map) if map.as_ptr().cast() != libc::MAP_FAILED => map,
            _ => return Err(io::Error::last_os_error()),
        };
        let ring = Self { socket, map, blocks, next: 0 };
        // Before packets come. Where the kernel will not, `Shape::passes` does the same.
        let _ = ring.leave_out_the_way_out_of_loopbacks();
        // From here on packets come: those of other interfaces never did.
        bind(&ring.socket, interface, libc::ETH_P_ALL as u16)?;
        ring.trouble()?;
        Ok(ring)
    }

    /// A loopback hands out each packet twice, as it leaves and as it comes back; the first
    /// is left out by the kernel, also where all interfaces are captured from: else half of
    /// the ring would be for nothing. Four instructions of classic BPF:
    ///
    /// ```text
    ///  ld  [hardware type]    jne loopback → all of it
    ///  ld  [way]              jeq outgoing → nothing, else all of it
    /// ```
    fn leave_out_the_way_out_of_loopbacks(&self) -> io::Result<()> {
        const LOAD: u16 = (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16;
        const EQUAL: u16 = (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16;
        const RETURN: u16 = (libc::BPF_RET | libc::BPF_K) as u16;
        let beside = |what: c_int| libc::SKF_AD_OFF.wrapping_add(what) as u32;
        let step = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
        let mut steps = [
            step(LOAD, 0, 0, beside(libc::SKF_AD_HATYPE)),
            step(EQUAL, 0, 2, u32::from(libc::ARPHRD_LOOPBACK)),
            step(LOAD, 0, 0, beside(libc::SKF_AD_PKTTYPE)),
            step(EQUAL, 1, 0, u32::from(libc::PACKET_OUTGOING)),
            step(RETURN, 0, 0, u32::MAX),
            step(RETURN, 0, 0, 0),
        ];
        let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
        set_at(&self.socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)
    }

    /// Takes what is for other machines as well, as long as the socket is open.
    pub(super) fn promiscuous(&self, interface: u32) -> io::Result<()> {
        let request = libc::packet_mreq {
            mr_ifindex: c_int::try_from(interface).unwrap_or(c_int::MAX),
            mr_type: libc::PACKET_MR_PROMISC as u16,
            mr_alen: 0,
            mr_address: [0; 8],
        };
        set(&self.socket, libc::PACKET_ADD_MEMBERSHIP, &request)
    }

    /// Number of blocks.
    pub(super) const fn blocks(&self) -> usize {
        self.blocks
    }

    /// Waits for a block, but no longer than `timeout`.
    pub(super) fn wait(&self, timeout: Duration) -> io::Result<()> {
        let mut fd = libc::pollfd { fd: self.socket.as_raw_fd(), events: libc::POLLIN, revents: 0 };
        let timeout = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: one pollfd, which outlives the call.
        let result = unsafe { libc::poll(&mut fd, 1, timeout) };
        if result < 0 {
            let e = io::Error::last_os_error();
            return if e.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(e) };
        }
        if fd.revents & libc::POLLERR != 0 { self.trouble() } else { Ok(()) }
    }

    /// What the socket has to complain of, such as an interface that went down.
    fn trouble(&self) -> io::Result<()> {
        match get::<c_int>(&self.socket, libc::SOL_SOCKET, libc::SO_ERROR)? {
            0 => Ok(()),
            error => Err(io::Error::from_raw_os_error(error)),
        }
    }

    /// Packets that the kernel had no room for since this was asked last.
    pub(super) fn dropped(&self) -> io::Result<u64> {
        let stats: libc::tpacket_stats_v3 =
            get(&self.socket, libc::SOL_PACKET, libc::PACKET_STATISTICS)?;
        Ok(u64::from(stats.tp_drops))
    }

    /// The next block that the kernel has handed over.
    pub(super) fn block(&mut self) -> Option<Block<'_>> {
        if self.status().load(Ordering::Acquire) & libc::TP_STATUS_USER == 0 {
            return None;
        }
        Some(Block { ring: self })
    }

    fn start(&self) -> NonNull<u8> {
        // SAFETY: `next` is below `blocks`, so the block lies within the map.
        unsafe { self.map.add(self.next * BLOCK_BYTES) }
    }

    /// Whose the next block is.
    fn status(&self) -> &AtomicU32 {
        let at = offset_of!(tpacket_block_desc, hdr) + offset_of!(tpacket_hdr_v1, block_status);
        // SAFETY: within the block; blocks begin on pages, so the word is aligned;
        // it is shared with the kernel and accessed as an atomic alone.
        unsafe { AtomicU32::from_ptr(self.start().add(at).cast::<u32>().as_ptr()) }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: the map as it was made; nothing borrows from it any more.
        unsafe { libc::munmap(self.map.as_ptr().cast(), self.blocks * BLOCK_BYTES) };
    }
}

/// A block that belongs to us until it is dropped.
pub(super) struct Block<'r> {
    ring: &'r mut Ring,
}

impl Block<'_> {
    /// Its packets in order.
    pub(super) fn frames(&self) -> impl Iterator<Item = Frame<'_>> {
        // SAFETY: the kernel handed the block over (status, acquired) and does not
        // write to it until it is given back, for which the block must be dropped:
        // the slice cannot outlive that.
        let bytes = unsafe { std::slice::from_raw_parts(self.ring.start().as_ptr(), BLOCK_BYTES) };
        let head = offset_of!(tpacket_block_desc, hdr);
        let count = u32_at(bytes, head + offset_of!(tpacket_hdr_v1, num_pkts));
        let first = u32_at(bytes, head + offset_of!(tpacket_hdr_v1, offset_to_first_pkt));
        let mut at = first.unwrap_or(0) as usize;
        (0..count.unwrap_or(0)).map_while(move |_| {
            let (frame, next) = frame(bytes, at)?;
            at = at.saturating_add(next);
            Some(frame)
        })
    }
}

impl Drop for Block<'_> {
    fn drop(&mut self) {
        self.ring.status().store(libc::TP_STATUS_KERNEL, Ordering::Release);
        self.ring.next = (self.ring.next + 1) % self.ring.blocks;
    }
}

/// The packet whose head is at `at`, and how far the next one is.
fn frame(block: &[u8], at: usize) -> Option<(Frame<'_>, usize)> {
    let here = block.get(at..)?;
    let word = |place| u32_at(here, place);
    let status = word(offset_of!(tpacket3_hdr, tp_status))?;
    let hv1 = offset_of!(tpacket3_hdr, hv1);
    let tag = word(hv1 + offset_of!(libc::tpacket_hdr_variant1, tp_vlan_tci))? as u16;
    let kind = u16_at(here, hv1 + offset_of!(libc::tpacket_hdr_variant1, tp_vlan_tpid))?;
    let kind = if status & libc::TP_STATUS_VLAN_TPID_VALID == 0 { 0x8100 } else { kind };
    let mac = usize::from(u16_at(here, offset_of!(tpacket3_hdr, tp_mac))?);
    let len = word(offset_of!(tpacket3_hdr, tp_snaplen))? as usize;
    let link = libc::TPACKET3_HDRLEN - size_of::<sockaddr_ll>();
    let address = link + offset_of!(sockaddr_ll, sll_addr);
    let frame = Frame {
        time: (word(offset_of!(tpacket3_hdr, tp_sec))?, word(offset_of!(tpacket3_hdr, tp_nsec))?),
        original_len: word(offset_of!(tpacket3_hdr, tp_len))?,
        vlan: (status & libc::TP_STATUS_VLAN_VALID != 0).then_some((tag, kind)),
        protocol: u16::from_be(u16_at(here, link + offset_of!(sockaddr_ll, sll_protocol))?),
        interface: word(link + offset_of!(sockaddr_ll, sll_ifindex))?,
        hardware: u16_at(here, link + offset_of!(sockaddr_ll, sll_hatype))?,
        way: *here.get(link + offset_of!(sockaddr_ll, sll_pkttype))?,
        address: (
            *here.get(address..)?.first_chunk()?,
            *here.get(link + offset_of!(sockaddr_ll, sll_halen))?,
        ),
        data: here.get(mac..mac.checked_add(len)?)?,
    };
    Some((frame, word(offset_of!(tpacket3_hdr, tp_next_offset))? as usize))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// A packet socket that receives nothing yet.
fn socket(head: Head) -> io::Result<OwnedFd> {
    let kind = match head {
        Head::Raw => libc::SOCK_RAW,
        Head::Cooked => libc::SOCK_DGRAM,
    };
    let kind = kind | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: takes numbers alone.
    let fd = unsafe { libc::socket(libc::AF_PACKET, kind, 0) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor that was just opened and that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// A socket that receives the first segments of TCP connections, of all interfaces, from
/// their IP header on, as they come. In classic BPF:
///
/// ```text
///  0 ldb [0]   1 and 0xf0    2 jeq 0x40 → 4      3 jeq 0x60 → 9, else no
///  4 ldb [9]   5 jeq TCP     6 ldxb 4*([0]&0xf)  7 ldb [x+13]   8 ja → 12
///  9 ldb [6]  10 jeq TCP    11 ldb [53]         12 jset SYN → yes, else no
/// ```
pub(super) fn beginnings() -> io::Result<OwnedFd> {
    const LOAD: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_ABS;
    const LOAD_X: u32 = libc::BPF_LD | libc::BPF_B | libc::BPF_IND;
    const HEAD: u32 = libc::BPF_LDX | libc::BPF_B | libc::BPF_MSH;
    const AND: u32 = libc::BPF_ALU | libc::BPF_AND | libc::BPF_K;
    const EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const JUMP: u32 = libc::BPF_JMP | libc::BPF_JA;
    const BITS: u32 = libc::BPF_JMP | libc::BPF_JSET | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let step = |code: u32, jt, jf, k| libc::sock_filter { code: code as u16, jt, jf, k };
    let mut steps = [
        step(LOAD, 0, 0, 0),
        step(AND, 0, 0, 0xf0),
        step(EQUAL, 1, 0, 0x40),
        step(EQUAL, 5, 10, 0x60),
        step(LOAD, 0, 0, 9),
        step(EQUAL, 0, 8, 6),
        step(HEAD, 0, 0, 0),
        step(LOAD_X, 0, 0, 13),
        step(JUMP, 0, 0, 3),
        step(LOAD, 0, 0, 6),
        step(EQUAL, 0, 3, 6),
        step(LOAD, 0, 0, 53),
        step(BITS, 0, 1, 2),
        step(RETURN, 0, 0, 128),
        step(RETURN, 0, 0, 0),
    ];
    let program = libc::sock_fprog { len: steps.len() as u16, filter: steps.as_mut_ptr() };
    let socket = socket(Head::Cooked)?;
    set_at(&socket, libc::SOL_SOCKET, libc::SO_ATTACH_FILTER, &program)?;
    bind(&socket, 0, libc::ETH_P_ALL as u16)?;
    Ok(socket)
}

/// A socket by which the system is asked for single sockets (sock_diag(7)).
pub(super) fn diagnosis() -> io::Result<OwnedFd> {
    let kind = libc::SOCK_DGRAM | libc::SOCK_CLOEXEC;
    // SAFETY: takes numbers alone.
    let fd = unsafe { libc::socket(libc::AF_NETLINK, kind, libc::NETLINK_SOCK_DIAG) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: a descriptor that was just opened and that nobody else has.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

fn link_address(interface: u32, protocol: u16) -> sockaddr_ll {
    sockaddr_ll {
        sll_family: libc::AF_PACKET as u16,
        sll_protocol: protocol.to_be(),
        sll_ifindex: c_int::try_from(interface).unwrap_or(c_int::MAX),
        sll_hatype: 0,
        sll_pkttype: 0,
        sll_halen: 0,
        sll_addr: [0; 8],
    }
}

fn bind(socket: &OwnedFd, interface: u32, protocol: u16) -> io::Result<()> {
    let address = link_address(interface, protocol);
    // SAFETY: a sockaddr_ll and its length, alive during the call.
    let result = unsafe {
        libc::bind(
            socket.as_raw_fd(),
            (&raw const address).cast::<libc::sockaddr>(),
            size_of::<sockaddr_ll>() as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// What the kernel may write any bytes into.
///
/// # Safety
/// All bytes must be values of the type.
unsafe trait Plain: Copy {}
// SAFETY: a number.
unsafe impl Plain for c_int {}
// SAFETY: three numbers.
unsafe impl Plain for libc::tpacket_stats_v3 {}

/// Sets an option of packet sockets.
fn set<T: Copy>(socket: &OwnedFd, option: c_int, value: &T) -> io::Result<()> {
    set_at(socket, libc::SOL_PACKET, option, value)
}

/// Sets an option of a level.
fn set_at<T: Copy>(socket: &OwnedFd, level: c_int, option: c_int, value: &T) -> io::Result<()> {
    // SAFETY: the kernel reads no more than the length that goes with the value.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            level,
            option,
            std::ptr::from_ref(value).cast(),
            size_of::<T>() as libc::socklen_t,
        )
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

/// Asks for an option.
fn get<T: Plain>(socket: &OwnedFd, level: c_int, option: c_int) -> io::Result<T> {
    // SAFETY: zeros are a value of it, as all bytes are.
    let mut value: T = unsafe { std::mem::zeroed() };
    let mut len = size_of::<T>() as libc::socklen_t;
    // SAFETY: the kernel writes no more than `len` bytes into a value of that
    // size, of whose type all bytes are values.
    let result = unsafe {
        libc::getsockopt(socket.as_raw_fd(), level, option, (&raw mut value).cast(), &raw mut len)
    };
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(value) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A packet head as the kernel writes it.
    fn head(next: u32, mac: u16, len: u32) -> Vec<u8> {
        let mut b = vec![0; libc::TPACKET3_HDRLEN];
        b[..4].copy_from_slice(&next.to_ne_bytes());
        let at = offset_of!(tpacket3_hdr, tp_snaplen);
        b[at..at + 4].copy_from_slice(&len.to_ne_bytes());
        let at = offset_of!(tpacket3_hdr, tp_mac);
        b[at..at + 2].copy_from_slice(&mac.to_ne_bytes());
        b
    }

    #[test]
    fn a_packet_lies_where_its_head_says() {
        let mut block = head(96, 80, 4);
        block.resize(80, 0);
        block.extend(b"data");
        let (f, next) = frame(&block, 0).unwrap();
        assert_eq!((f.data, next, f.vlan), (&b"data"[..], 96, None));
    }

    #[test]
    fn a_head_that_lies_is_no_packet() {
        for (mac, len) in [(80, 5), (u16::MAX, 1), (80, u32::MAX)] {
            let mut block = head(96, mac, len);
            block.resize(84, 0);
            assert!(frame(&block, 0).is_none(), "{mac} {len}");
        }
        assert!(frame(&head(0, 0, 0), usize::MAX).is_none());
        assert!(frame(&head(0, 0, 0)[..40], 0).is_none());
    }
}
