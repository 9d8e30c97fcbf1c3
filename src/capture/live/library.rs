//! Packets by libpcap, opened at run time: the only way elsewhere than on Linux, and there
//! on demand.
//!
//! A capture goes by these calls, as pcap(3) has them:
//!
//! ```text
//!  pcap_create ─► set_snaplen, _promisc, _timeout or _immediate_mode, _buffer_size,
//!       set_tstamp_precision ─► pcap_activate ─► setnonblock, datalink,
//!       compile and setfilter ─► poll, next_ex, stats … ─► pcap_close
//! ```
//!
//! Packets are read one by one where they lie, without a callback: nothing of ours is called
//! by the library.
#![allow(unsafe_code, reason = "functions of a C library that is opened at run time")]

use std::ffi::{CStr, CString, c_char, c_int, c_uchar, c_uint};
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::ptr::{NonNull, null, null_mut};
use std::time::Duration;

use libloading::Library;

use super::interfaces::Interface;
use super::tap::{Passing, Tap};
use crate::base::CaptureTime;
use crate::base::limits::MAX_PACKET_BYTES;
use crate::capture::LinkType;
use crate::capture::bpf::libpcap::{Close, Compile, FreeCode, Handle, Program, library};

/// What the library is told to keep of a packet, unless somebody wants less: its own bound.
const SNAPLEN: usize = 256 << 10;
const _: () = assert!(SNAPLEN <= MAX_PACKET_BYTES);
/// So long the kernel may collect packets before it hands them over, on Linux.
const COLLECT_MS: c_int = 20;
/// Packets that are taken at a time.
const AT_ONCE: usize = 512;
/// So often before the clock is looked at.
const ROUND: usize = 64;
/// The least room in the kernel that is worth asking for.
const LEAST_BUFFER: usize = 1 << 20;
/// Where there is nothing to poll, it is looked again after this time.
const LOOK: Duration = Duration::from_millis(2);
/// `PCAP_ERRBUF_SIZE`.
const ERROR_BYTES: usize = 256;
/// `PCAP_TSTAMP_PRECISION_NANO`.
const NANOSECONDS: c_int = 1;
/// `PCAP_NETMASK_UNKNOWN`.
const NETMASK_UNKNOWN: u32 = u32::MAX;
/// `DLT_LINUX_SLL2`: cooked, with the number of the interface.
const COOKED: c_int = 276;
/// The library's name for all interfaces, where it has one.
const ANY: &str = "any";

/// `struct timeval`, as the library has it in the head of a packet.
#[cfg(not(target_os = "openbsd"))]
use libc::timeval as Time;

/// `struct bpf_timeval`, which OpenBSD has there: of 32 bits each.
#[cfg(target_os = "openbsd")]
#[repr(C)]
struct Time {
    tv_sec: u32,
    tv_usec: u32,
}

/// `struct pcap_pkthdr`; Apple's has more behind it.
#[repr(C)]
struct PacketHead {
    time: Time,
    captured: u32,
    len: u32,
}

/// `struct pcap_stat`, and some room: it has more members on some systems.
#[repr(C)]
#[derive(Default)]
struct Stats {
    received: c_uint,
    dropped: c_uint,
    by_interface: c_uint,
    _more: [c_uint; 5],
}

/// `struct pcap_addr`.
#[repr(C)]
struct Address {
    next: *mut Address,
    address: *mut libc::sockaddr,
    _rest: [*mut libc::sockaddr; 3],
}

/// `struct pcap_if`.
#[repr(C)]
struct Device {
    next: *mut Device,
    name: *mut c_char,
    _description: *mut c_char,
    addresses: *mut Address,
    flags: c_uint,
}

/// `PCAP_IF_LOOPBACK`.
const LOOPBACK: c_uint = 1;
/// `PCAP_IF_UP`.
const UP: c_uint = 2;
/// `PCAP_IF_RUNNING`.
const RUNNING: c_uint = 4;

/// Declares the functions that are called, and how they are found.
macro_rules! calls {
    ($($field:ident $name:literal: $kind:ty;)*) => {
        /// The functions, as pcap/pcap.h has them since libpcap 1.5.
        struct Calls {
            $($field: $kind,)*
            /// Open as long as they are called.
            _library: Library,
        }

        impl Calls {
            /// `None` where the library is too old.
            fn of(library: Library) -> Option<Self> {
                // SAFETY: the types are those of the header; the pointers are kept no longer
                // than the library.
                unsafe {
                    $(let $field = *library.get::<$kind>(concat!($name, "\0").as_bytes()).ok()?;)*
                    Some(Self { $($field,)* _library: library })
                }
            }
        }
    };
}

/// A call that sets a number, and gives 0 or says why not.
type Set = unsafe extern "C" fn(*mut Handle, c_int) -> c_int;
/// A call that asks for a number.
type Ask = unsafe extern "C" fn(*mut Handle) -> c_int;

calls! {
    create "pcap_create": unsafe extern "C" fn(*const c_char, *mut c_char) -> *mut Handle;
    set_snaplen "pcap_set_snaplen": Set;
    set_promiscuous "pcap_set_promisc": Set;
    set_timeout "pcap_set_timeout": Set;
    set_immediate "pcap_set_immediate_mode": Set;
    set_buffer "pcap_set_buffer_size": Set;
    set_precision "pcap_set_tstamp_precision": Set;
    precision "pcap_get_tstamp_precision": Ask;
    activate "pcap_activate": Ask;
    set_link "pcap_set_datalink": Set;
    link "pcap_datalink": Ask;
    set_nonblock "pcap_setnonblock": unsafe extern "C" fn(*mut Handle, c_int, *mut c_char) -> c_int;
    descriptor "pcap_get_selectable_fd": Ask;
    compile "pcap_compile": Compile;
    set_filter "pcap_setfilter": unsafe extern "C" fn(*mut Handle, *mut Program) -> c_int;
    free_filter "pcap_freecode": FreeCode;
    next "pcap_next_ex":
        unsafe extern "C" fn(*mut Handle, *mut *mut PacketHead, *mut *const c_uchar) -> c_int;
    stats "pcap_stats": unsafe extern "C" fn(*mut Handle, *mut Stats) -> c_int;
    error "pcap_geterr": unsafe extern "C" fn(*mut Handle) -> *const c_char;
    close "pcap_close": Close;
    devices "pcap_findalldevs": unsafe extern "C" fn(*mut *mut Device, *mut c_char) -> c_int;
    free_devices "pcap_freealldevs": unsafe extern "C" fn(*mut Device);
}

impl Calls {
    fn open() -> io::Result<Self> {
        let missing = || io::Error::other("libpcap is not installed");
        Self::of(library().ok_or_else(missing)?)
            .ok_or_else(|| io::Error::other("libpcap is older than 1.5"))
    }
}

/// What is asked of the library besides the interface.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish<'w> {
    /// Room in the kernel for packets that were not taken yet.
    pub(super) buffer: usize,
    /// Packets for other machines as well.
    pub(super) promiscuous: bool,
    /// Bytes that are kept of a packet; all, if nothing is said.
    pub(super) snaplen: Option<u32>,
    /// What the kernel may leave out: all but the packets of this capture filter. The
    /// filter itself is asked all the same.
    pub(super) filter: Option<&'w str>,
}

/// A capture by the library.
pub(super) struct Pcap {
    calls: Calls,
    handle: NonNull<Handle>,
    link: LinkType,
    /// What can be polled, if anything can.
    descriptor: Option<c_int>,
    /// Nanoseconds of one unit of a packet's time.
    unit: i64,
    /// Packets that were dropped when that was asked last.
    dropped: u32,
}

// SAFETY: a handle belongs to no thread; it must not be used by two at once, and it is not:
// all that is done with it takes `&mut Pcap`.
unsafe impl Send for Pcap {}

impl Pcap {
    /// Begins to capture; `None` where there is no such interface.
    ///
    /// # Errors
    /// Those of the system where they are known (not permitted, not up); what the library
    /// says else.
    pub(super) fn open(interface: &str, wish: &Wish<'_>) -> io::Result<Option<Self>> {
        let mut buffer = wish.buffer;
        loop {
            let mut pcap = Self::create(interface)?;
            match pcap.activate(interface, wish, buffer) {
                // Perhaps there is less room.
                Err(e) if buffer >= LEAST_BUFFER && e.kind() == io::ErrorKind::OutOfMemory => {
                    buffer /= 2;
                }
                Ok(false) => return Ok(None),
                Ok(true) => {
                    pcap.begin(interface, wish)?;
                    return Ok(Some(pcap));
                }
                Err(e) => return Err(e),
            }
        }
    }

    fn create(interface: &str) -> io::Result<Self> {
        let calls = Calls::open()?;
        let name = CString::new(interface).map_err(io::Error::other)?;
        let mut error = [0; ERROR_BYTES];
        // SAFETY: a C string and a buffer of the length that the header asks for.
        let handle = unsafe { (calls.create)(name.as_ptr(), error.as_mut_ptr()) };
        let handle = NonNull::new(handle).ok_or_else(|| text_of(&error))?;
        let link = LinkType(0);
        Ok(Self { calls, handle, link, descriptor: None, unit: 1000, dropped: 0 })
    }

    /// A number that is set. What the library does not know it leaves as it is.
    fn set(&mut self, call: impl Fn(&Calls) -> Set, value: usize) -> c_int {
        let value = c_int::try_from(value).unwrap_or(c_int::MAX);
        // SAFETY: takes a handle that is open, and a number.
        unsafe { call(&self.calls)(self.handle.as_ptr(), value) }
    }

    fn ask(&mut self, call: impl Fn(&Calls) -> Ask) -> c_int {
        // SAFETY: takes a handle that is open.
        unsafe { call(&self.calls)(self.handle.as_ptr()) }
    }

    /// What the library says went wrong last.
    fn trouble(&mut self) -> io::Error {
        // SAFETY: gives a C string that lives as long as the handle; it is copied.
        let text = unsafe { CStr::from_ptr((self.calls.error)(self.handle.as_ptr())) };
        io::Error::other(text.to_string_lossy().into_owned())
    }

    /// `false` where there is no such interface.
    fn activate(&mut self, name: &str, wish: &Wish<'_>, buffer: usize) -> io::Result<bool> {
        self.set(|c| c.set_snaplen, wish.snaplen.map_or(SNAPLEN, |n| n as usize));
        self.set(|c| c.set_promiscuous, usize::from(wish.promiscuous));
        if cfg!(target_os = "linux") {
            // At once would be a slot of the largest size for every packet, and few of them.
            self.set(|c| c.set_timeout, COLLECT_MS as usize);
        } else {
            // To poll a BPF device is of use only so: else it says nothing until a buffer
            // is full.
            self.set(|c| c.set_immediate, 1);
        }
        if buffer >= LEAST_BUFFER {
            self.set(|c| c.set_buffer, buffer);
        }
        self.set(|c| c.set_precision, NANOSECONDS as usize);
        match self.ask(|c| c.activate) {
            // PCAP_WARNING_PROMISC_NOTSUP; of all interfaces at once it does not say so.
            n if wish.promiscuous && (n == 2 || n >= 0 && name == ANY) => {
                let text = "takes no packets for other machines by libpcap: name an interface";
                Err(io::Error::other(format!("{name} {text}")))
            }
            0.. => Ok(true),
            // PCAP_ERROR_NO_SUCH_DEVICE
            -5 => Ok(false),
            // PCAP_ERROR_PERM_DENIED, PCAP_ERROR_PROMISC_PERM_DENIED
            -8 | -11 => Err(io::Error::from_raw_os_error(libc::EPERM)),
            // PCAP_ERROR_IFACE_NOT_UP
            -9 => Err(io::Error::from_raw_os_error(libc::ENETDOWN)),
            _ => {
                let trouble = self.trouble();
                Err(match is_of_room(&trouble.to_string()) {
                    true => io::Error::new(io::ErrorKind::OutOfMemory, trouble),
                    false => trouble,
                })
            }
        }
    }

    /// What there is to be done once packets come.
    fn begin(&mut self, name: &str, wish: &Wish<'_>) -> io::Result<()> {
        if name == ANY {
            // Older ones have version 1 alone, which is read as well.
            self.set(|c| c.set_link, COOKED as usize);
        }
        self.link = link_of(self.ask(|c| c.link));
        if self.ask(|c| c.precision) == NANOSECONDS {
            self.unit = 1;
        }
        if let Some(text) = wish.filter {
            self.filter(text);
        }
        let mut error = [0; ERROR_BYTES];
        // SAFETY: a handle that is active, and a buffer of the length that the header asks
        // for.
        let done =
            unsafe { (self.calls.set_nonblock)(self.handle.as_ptr(), 1, error.as_mut_ptr()) };
        if done < 0 {
            return Err(text_of(&error));
        }
        self.descriptor = Some(self.ask(|c| c.descriptor)).filter(|fd| *fd >= 0);
        #[cfg(target_os = "linux")]
        if name == super::LOOPBACK {
            self.leave_out_the_way_out();
        }
        Ok(())
    }

    /// A loopback hands out each packet twice. The library passes over the first, as it leaves;
    /// but both take room, and where there is none both count as dropped. Where the kernel will
    /// not (before 4.20) it stays so.
    #[cfg(target_os = "linux")]
    fn leave_out_the_way_out(&self) {
        let (Some(fd), yes) = (self.descriptor, 1_i32) else { return };
        // SAFETY: a descriptor that is open as long as the handle is, and a number with its
        // length.
        unsafe {
            libc::setsockopt(
                fd,
                libc::SOL_PACKET,
                libc::PACKET_IGNORE_OUTGOING,
                (&raw const yes).cast(),
                size_of::<c_int>() as libc::socklen_t,
            );
        }
    }

    /// Has the kernel leave out packets, where the library knows such a filter.
    fn filter(&mut self, text: &str) {
        let Ok(text) = CString::new(text) else { return };
        let (handle, mut program) = (self.handle.as_ptr(), Program::empty());
        // SAFETY: a handle that is active, a program to be filled, a C string; all outlive
        // the calls. What was compiled is freed once.
        unsafe {
            let compile = self.calls.compile;
            if compile(handle, &raw mut program, text.as_ptr(), 1, NETMASK_UNKNOWN) == 0 {
                (self.calls.set_filter)(handle, &raw mut program);
                (self.calls.free_filter)(&raw mut program);
            }
        }
    }

    /// The next packet; `None` where none waits.
    fn next(&mut self) -> io::Result<Option<Packet<'_>>> {
        let (mut head, mut data) = (null_mut::<PacketHead>(), null::<c_uchar>());
        // SAFETY: a handle that is active, and room for two pointers.
        let n = unsafe { (self.calls.next)(self.handle.as_ptr(), &raw mut head, &raw mut data) };
        match n {
            0 => Ok(None),
            1 => {
                // SAFETY: the library has set both, to a head and to as many bytes as it
                // says; they stay until it is asked for the next packet, for which the
                // borrow of `self` must have ended.
                let (head, data) = unsafe {
                    let head = head.as_ref().ok_or_else(|| io::Error::other("no head"))?;
                    let data = match data.is_null() {
                        true => &[][..],
                        false => std::slice::from_raw_parts(data, head.captured as usize),
                    };
                    (head, data)
                };
                Ok(Some(Packet { time: time_of(&head.time, self.unit), len: head.len, data }))
            }
            _ => Err(self.trouble()),
        }
    }
}

impl Tap for Pcap {
    fn link(&self) -> LinkType {
        self.link
    }

    fn wait(&mut self, timeout: Duration) -> io::Result<()> {
        let Some(fd) = self.descriptor else {
            std::thread::sleep(timeout.min(LOOK));
            return Ok(());
        };
        let mut fd = libc::pollfd { fd, events: libc::POLLIN, revents: 0 };
        let timeout = c_int::try_from(timeout.as_millis()).unwrap_or(c_int::MAX);
        // SAFETY: one pollfd, which outlives the call.
        if unsafe { libc::poll(&raw mut fd, 1, timeout) } < 0 {
            let e = io::Error::last_os_error();
            return if e.kind() == io::ErrorKind::Interrupted { Ok(()) } else { Err(e) };
        }
        // What is wrong with it the library says when it is asked for a packet.
        Ok(())
    }

    fn some(&mut self, each: &mut dyn FnMut(&dyn Passing)) -> io::Result<bool> {
        for n in 0..AT_ONCE {
            let Some(packet) = self.next()? else { return Ok(n > 0) };
            each(&packet);
        }
        Ok(true)
    }

    fn round(&self) -> usize {
        ROUND
    }

    fn dropped(&mut self) -> io::Result<u64> {
        let mut stats = Stats::default();
        // SAFETY: a handle that is active, and room for what is told.
        if unsafe { (self.calls.stats)(self.handle.as_ptr(), &raw mut stats) } < 0 {
            return Err(self.trouble());
        }
        // It counts from the beginning, in 32 bits.
        let before = std::mem::replace(&mut self.dropped, stats.dropped);
        Ok(u64::from(stats.dropped.wrapping_sub(before)))
    }
}

impl Drop for Pcap {
    fn drop(&mut self) {
        // SAFETY: a handle that is open, closed once.
        unsafe { (self.calls.close)(self.handle.as_ptr()) };
    }
}

/// A packet where the library has it.
struct Packet<'p> {
    time: CaptureTime,
    len: u32,
    data: &'p [u8],
}

impl Passing for Packet<'_> {
    fn time(&self) -> CaptureTime {
        self.time
    }

    fn restore(&self, into: &mut Vec<u8>) -> u32 {
        into.extend_from_slice(self.data);
        self.len
    }
}

/// Whether it is room for packets that the library could not have. It has no code for that, only
/// the texts of `pcap-linux.c` and `pcap-bpf.c`, with those of the system behind them.
fn is_of_room(trouble: &str) -> bool {
    let texts =
        ["rx ring", "BIOCSBLEN", "buffer size", "malloc", "allocate memory", "buffer space"];
    texts.iter().any(|t| trouble.contains(t))
}

/// Seconds, and what the library has for microseconds: nanoseconds, where it can.
#[allow(clippy::useless_conversion, reason = "the members are of 32 bits on some systems")]
fn time_of(time: &Time, unit: i64) -> CaptureTime {
    let seconds = i64::from(time.tv_sec).saturating_mul(1_000_000_000);
    CaptureTime(seconds.saturating_add(i64::from(time.tv_usec).saturating_mul(unit)))
}

/// The number that stands in files for one that the library has in memory: they are the
/// same, but for a few that had a number of their own on each system (`pcap/dlt.h`).
const fn link_of(number: c_int) -> LinkType {
    match number {
        // DLT_RAW; on OpenBSD 12 is DLT_LOOP, which has no number of its own elsewhere.
        12 if cfg!(target_os = "openbsd") => LinkType(108),
        14 if cfg!(target_os = "openbsd") => LinkType(101),
        12 => LinkType(101),
        // DLT_ATM_RFC1483, DLT_SLIP_BSDOS, DLT_PPP_BSDOS
        11 => LinkType(100),
        13 => LinkType(102),
        14 => LinkType(103),
        n if n >= 0 && n <= u16::MAX as c_int => LinkType(n as u16),
        _ => LinkType(u16::MAX),
    }
}

fn text_of(error: &[c_char]) -> io::Error {
    // A C string within a buffer that was zeros.
    let text: Vec<u8> = error.iter().map(|c| *c as u8).take_while(|c| *c > 0).collect();
    io::Error::other(String::from_utf8_lossy(&text).into_owned())
}

/// The interfaces that the library can capture from, in its order, and whether it has all of
/// them as one.
///
/// # Errors
/// Where it is not installed, or says why not.
pub(super) fn interfaces() -> io::Result<(Vec<Interface>, bool)> {
    let calls = Calls::open()?;
    let (mut first, mut error) = (null_mut::<Device>(), [0; ERROR_BYTES]);
    // SAFETY: room for a pointer, and a buffer of the length that the header asks for.
    if unsafe { (calls.devices)(&raw mut first, error.as_mut_ptr()) } < 0 {
        return Err(text_of(&error));
    }
    let mut found = Vec::new();
    let mut at = first;
    // SAFETY: each entry is whole and alive until the list is freed; the last has no next.
    while let Some(device) = unsafe { at.as_ref() } {
        at = device.next;
        if device.name.is_null() {
            continue;
        }
        // SAFETY: names are C strings, alive as their entry; an interface's number is asked
        // for by one.
        let (name, index) = unsafe {
            let name = CStr::from_ptr(device.name);
            (name.to_string_lossy().into_owned(), libc::if_nametoindex(name.as_ptr()))
        };
        let mut addresses = Vec::new();
        let mut next = device.addresses;
        // SAFETY: as the list of devices.
        while let Some(entry) = unsafe { next.as_ref() } {
            next = entry.next;
            addresses.extend(address(entry.address));
        }
        addresses.sort_by_key(IpAddr::is_ipv6);
        let has = |flag| device.flags & flag != 0;
        found.push(Interface {
            index,
            name,
            hardware: 0,
            addresses,
            up: has(UP),
            running: has(RUNNING),
            loopback: has(LOOPBACK),
        });
    }
    // SAFETY: from pcap_findalldevs, freed once.
    unsafe { (calls.free_devices)(first) };
    let any = found.iter().any(|i| i.name == ANY);
    found.retain(|i| i.name != ANY);
    Ok((found, any))
}

/// An address of IPv4 or IPv6.
fn address(at: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: null, or an address that begins with its family, and is as long as that asks
    // for; read unaligned.
    unsafe {
        match c_int::from(at.as_ref()?.sa_family) {
            libc::AF_INET => {
                let v4 = at.cast::<libc::sockaddr_in>().read_unaligned();
                Some(Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr)).into())
            }
            libc::AF_INET6 => {
                let v6 = at.cast::<libc::sockaddr_in6>().read_unaligned();
                Some(Ipv6Addr::from(v6.sin6_addr.s6_addr).into())
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn link_types_are_those_of_files() {
        // Loopback of BSD and macOS, Ethernet, raw IP, OpenBSD's loopback, cooked.
        for (number, link) in [(0, 0), (1, 1), (12, 101), (108, 108), (113, 113), (276, 276)] {
            assert_eq!(link_of(number), LinkType(link), "{number}");
        }
        assert_eq!(link_of(-1), LinkType(u16::MAX));
    }

    #[test]
    fn less_room_is_asked_for_where_there_is_too_little_and_not_else() {
        for room in [
            "can't create rx ring on packet socket: Cannot allocate memory",
            "can't mmap rx ring: Cannot allocate memory",
            "BIOCSBLEN: en0: No buffer space available",
            "The requested buffer size for em0 is too large",
            "malloc: Cannot allocate memory",
        ] {
            assert!(is_of_room(room), "{room}");
        }
        for other in [
            "any takes no packets for other machines by libpcap: name an interface",
            "SIOCETHTOOL(ETHTOOL_GET_TS_INFO) ioctl failed: Operation not permitted",
            "can't get device flags: Input/output error",
            "Device is not up",
            "",
        ] {
            assert!(!is_of_room(other), "{other}");
        }
    }

    #[test]
    fn times_are_in_nanoseconds() {
        let time = Time { tv_sec: 2, tv_usec: 7 };
        assert_eq!(time_of(&time, 1000), CaptureTime(2_000_007_000));
        assert_eq!(time_of(&time, 1), CaptureTime(2_000_000_007));
    }

    #[test]
    fn the_loopback_is_among_its_interfaces() {
        let Ok((found, _)) = interfaces() else { return };
        // Who may not capture is shown none.
        let Some(lo) = found.iter().find(|i| i.loopback) else { return };
        assert!(lo.index > 0, "{lo:?}");
        assert!(!lo.up || lo.addresses.contains(&Ipv4Addr::LOCALHOST.into()), "{lo:?}");
    }

    #[test]
    fn all_interfaces_at_once_take_nothing_for_other_machines() {
        let wish = Wish { promiscuous: true, ..Wish::default() };
        let told = match Pcap::open(ANY, &wish) {
            // There is no such interface, or no libpcap, or no right to capture.
            Ok(None) => return,
            Ok(Some(_)) => panic!("nobody was told"),
            Err(e) if library().is_none() || e.raw_os_error() == Some(libc::EPERM) => return,
            Err(e) => e.to_string(),
        };
        assert!(told.contains("name an interface"), "{told}");
    }

    #[test]
    fn an_interface_that_is_not_there_is_none() {
        if library().is_none() {
            return;
        }
        let wish = Wish { buffer: LEAST_BUFFER, ..Wish::default() };
        match Pcap::open("nowhere0", &wish) {
            Ok(None) => {}
            Ok(Some(_)) => panic!("it is there"),
            Err(e) => assert_eq!(e.raw_os_error(), Some(libc::EPERM), "{e}"),
        }
    }
}
