//! Expressions that are not known here, by the compiler of libpcap, where it is installed.
//!
//! The library is opened at run time, when an expression needs it. It gives a program of
//! classic BPF, which is copied and run by [`Foreign`]: packets never pass through the
//! library.
#![allow(unsafe_code, reason = "functions of a C library that is opened at run time")]

use std::ffi::{CStr, CString, c_char, c_int};
use std::ptr;

use libloading::{Library, Symbol};

use super::foreign::{Foreign, Step};
use super::generate::LINK_TYPES;
use crate::base::limits::MAX_PACKET_BYTES;

/// Its names, the newest first.
#[cfg(not(target_vendor = "apple"))]
const NAMES: [&str; 3] = ["libpcap.so.1", "libpcap.so.0.8", "libpcap.so"];
/// Its names; the first is that of the system, which has no file.
#[cfg(target_vendor = "apple")]
const NAMES: [&str; 3] = ["/usr/lib/libpcap.A.dylib", "libpcap.A.dylib", "libpcap.dylib"];
/// Steps of a program that are believed; the kernel's limit.
const MAX_STEPS: u32 = 4096;
/// No mask of the network is known.
const NETMASK_UNKNOWN: u32 = u32::MAX;

/// `struct bpf_program` of `pcap/bpf.h`; its steps are [`Step`]s.
#[repr(C)]
pub(in crate::capture) struct Program {
    len: u32,
    steps: *mut Step,
}

impl Program {
    /// One that is to be filled.
    pub(in crate::capture) const fn empty() -> Self {
        Self { len: 0, steps: ptr::null_mut() }
    }
}

/// `pcap_t`, of which nothing is known.
#[repr(C)]
pub(in crate::capture) struct Handle {
    _private: [u8; 0],
}

/// The library, if it is installed.
pub(in crate::capture) fn library() -> Option<Library> {
    // SAFETY: libpcap has no initialisers that ask anything of us.
    NAMES.iter().find_map(|n| unsafe { Library::new(n) }.ok())
}

type OpenDead = unsafe extern "C" fn(c_int, c_int) -> *mut Handle;
pub(in crate::capture) type Compile =
    unsafe extern "C" fn(*mut Handle, *mut Program, *const c_char, c_int, u32) -> c_int;
pub(in crate::capture) type FreeCode = unsafe extern "C" fn(*mut Program);
pub(in crate::capture) type Close = unsafe extern "C" fn(*mut Handle);

/// Why there is no program.
#[derive(Debug)]
pub(super) enum Refused {
    /// The library is not installed.
    NotInstalled,
    /// To it, too, the expression is none, or one that the kernel alone can answer.
    NoFilter,
}

/// A program for each link type for which the expression makes sense; for Ethernet it must.
pub(super) fn compile(expression: &str) -> Result<Vec<(u16, Foreign)>, Refused> {
    let library = library().ok_or(Refused::NotInstalled)?;
    let functions = Functions::of(&library).ok_or(Refused::NotInstalled)?;
    let text = CString::new(expression).map_err(|_| Refused::NoFilter)?;
    let one = |link: u16| Some((link, functions.compile(link, &text)?));
    let all: Vec<(u16, Foreign)> = LINK_TYPES.into_iter().filter_map(one).collect();
    if all.iter().any(|p| p.0 == 1) { Ok(all) } else { Err(Refused::NoFilter) }
}

/// The functions, as pcap/pcap.h has them, unchanged since libpcap 0.8.
struct Functions<'l> {
    open: Symbol<'l, OpenDead>,
    compile: Symbol<'l, Compile>,
    free: Symbol<'l, FreeCode>,
    close: Symbol<'l, Close>,
}

impl<'l> Functions<'l> {
    fn of(library: &'l Library) -> Option<Self> {
        // SAFETY: the types are those of the header.
        unsafe {
            Some(Self {
                open: library.get(b"pcap_open_dead\0").ok()?,
                compile: library.get(b"pcap_compile\0").ok()?,
                free: library.get(b"pcap_freecode\0").ok()?,
                close: library.get(b"pcap_close\0").ok()?,
            })
        }
    }

    /// The program for a link type; `None` where it makes no sense there.
    fn compile(&self, link: u16, text: &CStr) -> Option<Foreign> {
        // Raw IP is the one of ours whose number in files is not that of the library.
        let own = if link == 101 { 12 } else { c_int::from(link) };
        // SAFETY: takes numbers alone; gives null or a handle for pcap_close.
        let handle = unsafe { (self.open)(own, MAX_PACKET_BYTES as c_int) };
        if handle.is_null() {
            return None;
        }
        let mut program = Program::empty();
        // SAFETY: a handle that is open, a program to be filled, a C string; all outlive
        // the call.
        let done =
            unsafe { (self.compile)(handle, &raw mut program, text.as_ptr(), 1, NETMASK_UNKNOWN) };
        let mut result = None;
        if done == 0 && !program.steps.is_null() {
            if program.len <= MAX_STEPS {
                // SAFETY: pcap_compile has filled in so many steps, which live until
                // pcap_freecode.
                let steps =
                    unsafe { std::slice::from_raw_parts(program.steps, program.len as usize) };
                result = Foreign::new(steps.to_vec());
            }
            // SAFETY: what pcap_compile has filled in, freed once.
            unsafe { (self.free)(&raw mut program) };
        }
        // SAFETY: the handle of above, closed once.
        unsafe { (self.close)(handle) };
        result
    }
}
