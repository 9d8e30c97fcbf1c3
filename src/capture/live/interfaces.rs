//! The interfaces of a network namespace: names, numbers, addresses.
#![cfg_attr(
    target_os = "linux",
    allow(
        unsafe_code,
        reason = "getifaddrs gives a list of pointers; nothing safe in the tree offers it"
    )
)]

use std::net::IpAddr;

/// An interface as the system names it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its number, from 1; 0 of what libpcap can capture from and the system has no number for.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// Its hardware type (`ARPHRD_*` of `if_arp.h`), where Linux tells it.
    pub hardware: u16,
    /// Its addresses, IPv4 before IPv6.
    pub addresses: Vec<IpAddr>,
    /// It is switched on.
    pub up: bool,
    /// It has a carrier.
    pub running: bool,
    /// It is a loopback.
    pub loopback: bool,
}

/// All of them, by number. Takes no right to capture.
///
/// # Errors
/// Those of the system.
#[cfg(target_os = "linux")]
pub(super) fn interfaces() -> std::io::Result<Vec<Interface>> {
    use std::ffi::CStr;
    use std::net::{Ipv4Addr, Ipv6Addr};

    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: writes one pointer, to a list that freeifaddrs takes.
    if unsafe { libc::getifaddrs(&raw mut list) } < 0 {
        return Err(std::io::Error::last_os_error());
    }
    let mut found: Vec<Interface> = Vec::new();
    let mut addresses: Vec<(String, IpAddr)> = Vec::new();
    let mut at = list;
    // SAFETY: each entry is whole and alive until the list is freed; the last has no next.
    while let Some(entry) = unsafe { at.as_ref() } {
        at = entry.ifa_next;
        if entry.ifa_name.is_null() {
            continue;
        }
        // SAFETY: names are C strings, alive as their entry.
        let name = unsafe { CStr::from_ptr(entry.ifa_name) }.to_string_lossy().into_owned();
        // SAFETY: null, or an address that begins with its family.
        let Some(family) = (unsafe { entry.ifa_addr.as_ref() }).map(|a| i32::from(a.sa_family))
        else {
            continue;
        };
        match family {
            libc::AF_PACKET => {
                // SAFETY: an address of this family is a sockaddr_ll; read unaligned.
                let link = unsafe { entry.ifa_addr.cast::<libc::sockaddr_ll>().read_unaligned() };
                let has = |flag: libc::c_int| entry.ifa_flags & flag as libc::c_uint != 0;
                found.push(Interface {
                    index: u32::try_from(link.sll_ifindex).unwrap_or(0),
                    name,
                    hardware: link.sll_hatype,
                    addresses: Vec::new(),
                    up: has(libc::IFF_UP),
                    running: has(libc::IFF_RUNNING),
                    loopback: has(libc::IFF_LOOPBACK),
                });
            }
            libc::AF_INET => {
                // SAFETY: an address of this family is a sockaddr_in.
                let v4 = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in>().read_unaligned() };
                let address = Ipv4Addr::from(u32::from_be(v4.sin_addr.s_addr));
                addresses.push((name, address.into()));
            }
            libc::AF_INET6 => {
                // SAFETY: an address of this family is a sockaddr_in6.
                let v6 = unsafe { entry.ifa_addr.cast::<libc::sockaddr_in6>().read_unaligned() };
                addresses.push((name, Ipv6Addr::from(v6.sin6_addr.s6_addr).into()));
            }
            _ => {}
        }
    }
    // SAFETY: from getifaddrs, freed once.
    unsafe { libc::freeifaddrs(list) };
    addresses.sort_by_key(|(_, a)| a.is_ipv6());
    for (name, address) in addresses {
        if let Some(i) = found.iter_mut().find(|i| i.name == name) {
            i.addresses.push(address);
        }
    }
    found.sort_by_key(|i| i.index);
    Ok(found)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    #[test]
    fn the_loopback_is_among_them() {
        let found = interfaces().unwrap();
        let lo = found.iter().find(|i| i.name == "lo").expect("a loopback");
        assert!(lo.loopback && lo.index > 0, "{lo:?}");
        assert_eq!(lo.hardware, libc::ARPHRD_LOOPBACK);
        assert!(!lo.up || lo.addresses.contains(&Ipv4Addr::LOCALHOST.into()), "{lo:?}");
    }
}
