//! Which process has an end of a connection, where the system told while it was captured.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;

use crate::base::limits::MAX_SOCKETS;

/// A process that has a socket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Process {
    /// Its number.
    pub pid: u32,
    /// The name of its program, as the system has it (at most 15 bytes on Linux).
    pub name: Box<str>,
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}[{}]", self.name, self.pid)
    }
}

/// One end of a connection: its own address, and its peer's.
pub type Ends = (SocketAddr, SocketAddr);

/// Who has which end. Those that were seen last are kept.
#[derive(Debug, Default)]
pub struct Processes {
    known: RwLock<Known>,
}

#[derive(Debug, Default)]
struct Known {
    by_ends: HashMap<Ends, Arc<Process>>,
    order: VecDeque<Ends>,
}

impl Processes {
    /// This end is that process's, whoever had it before.
    pub fn put(&self, ends: Ends, process: Arc<Process>) {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let known = &mut *known;
        if known.by_ends.insert(plain(ends), process).is_none() {
            known.order.push_back(plain(ends));
        }
        while known.order.len() > MAX_SOCKETS {
            if let Some(oldest) = known.order.pop_front() {
                known.by_ends.remove(&oldest);
            }
        }
    }

    /// Whose it is.
    #[must_use]
    pub fn get(&self, ends: Ends) -> Option<Arc<Process>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.by_ends.get(&plain(ends)).cloned()
    }
}

/// Sockets of IPv6 that speak IPv4 have mapped addresses; packets have not.
fn plain((own, peer): Ends) -> Ends {
    let plain = |a: SocketAddr| SocketAddr::new(a.ip().to_canonical(), a.port());
    (plain(own), plain(peer))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn end(port: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], port))
    }

    #[test]
    fn the_last_is_kept_and_mapped_addresses_are_the_same() {
        let all = Processes::default();
        let of = |pid| Arc::new(Process { pid, name: "p".into() });
        let mapped: SocketAddr = "[::ffff:127.0.0.1]:1".parse().unwrap();
        all.put((mapped, end(2)), of(1));
        all.put((end(1), end(2)), of(2));
        assert_eq!(all.get((end(1), end(2))).map(|p| p.pid), Some(2));
        assert_eq!(all.get((end(2), end(1))), None);
    }

    #[test]
    fn it_does_not_grow_without_end() {
        let all = Processes::default();
        let p = Arc::new(Process { pid: 1, name: "p".into() });
        let ends = |n: usize| {
            let peer = SocketAddr::from(([10, 0, (n >> 16) as u8, (n >> 8) as u8], n as u16));
            (end(1), peer)
        };
        for n in 0..MAX_SOCKETS + 10 {
            all.put(ends(n), Arc::clone(&p));
        }
        assert_eq!(all.known.read().unwrap().by_ends.len(), MAX_SOCKETS);
        assert!(all.get(ends(0)).is_none() && all.get(ends(MAX_SOCKETS + 9)).is_some());
    }
}
