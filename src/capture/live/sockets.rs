//! Whose sockets there are: the system tells the numbers of sockets by their addresses
//! (sock_diag(7), `/proc/net/tcp`), and `/proc/PID/fd` who has which.
//!
//! It does so only as long as a socket is open. So a socket of its own hears of each
//! connection that begins, at once, and its two ends are asked for then; a server's has
//! nobody before it is accepted, so it is asked again. What was open before is read from
//! the tables, which takes the system some milliseconds: once, and now and then.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use hashbrown::{HashMap, HashSet};

use super::namespace::{Namespace, within};
use super::ring::{beginnings, diagnosis};
use crate::base::limits::MAX_SOCKETS;
use crate::capture::process::{Ends, Process, Processes};

/// When the ends of a connection are asked for, since it began: a server that is quick has
/// answered within some milliseconds, and its events are shown then.
const ASKED: [Duration; 11] = [
    Duration::ZERO,
    Duration::from_micros(250),
    Duration::from_micros(500),
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(4),
    Duration::from_millis(8),
    Duration::from_millis(16),
    Duration::from_millis(64),
    Duration::from_millis(250),
    Duration::from_secs(1),
];
/// Ends that are still asked for: those beyond are found in the tables, or not at all.
const MAX_ASKED: usize = 1024;
/// Time between two looks at the tables.
const BETWEEN: Duration = Duration::from_secs(2);
/// So long nothing is waited for at a time.
const TICK: Duration = Duration::from_millis(100);
/// So much of the time may go to finding out who has which socket: a fifth.
const SEARCH: u32 = 5;
/// What may be saved up of that, for when many come at once.
const SAVED: Duration = Duration::from_millis(300);
/// Processes that are asked first: who had a socket has the next one as well.
const RECENT: usize = 16;
/// So often the tables' sockets are looked for: others' processes may not be looked at.
const TRIES: u8 = 3;
/// Tables of one namespace.
const TABLES: [&str; 4] = ["tcp", "tcp6", "udp", "udp6"];

/// Watches the sockets of a namespace until it is dropped.
pub(super) struct Sockets(Arc<AtomicBool>);

impl Drop for Sockets {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Sockets {
    /// Begins: what is open has been looked at when this comes back. Nothing is known where
    /// the system refuses.
    pub(super) fn watch(namespace: Option<Namespace>, into: Arc<Processes>) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&over);
        let (ready, first) = channel();
        let work = move || {
            let Ok(mut watch) = Watch::new(into) else { return };
            watch.tables();
            let _ = ready.send(());
            while !told.load(Ordering::Relaxed) {
                watch.step();
            }
        };
        let _ = std::thread::Builder::new().name("sockets".to_owned()).spawn(move || {
            let _ = within(namespace.as_ref(), work);
        });
        let _ = first.recv();
        Self(over)
    }
}

struct Watch {
    into: Arc<Processes>,
    /// Hears of connections that begin.
    hears: UdpSocket,
    /// Answers for single sockets.
    answers: File,
    /// Ends that are asked for: since when, how often, when again.
    asked: VecDeque<(Ends, Instant, usize)>,
    tables: Instant,
    /// Sockets of the tables, and how often they were looked for.
    seen: HashMap<(u64, Ends), u8>,
    recent: VecDeque<u32>,
    /// Time that searches may take.
    credit: Duration,
    looked: Instant,
    text: String,
}

impl Watch {
    fn new(into: Arc<Processes>) -> io::Result<Self> {
        let hears = UdpSocket::from(beginnings()?);
        hears.set_nonblocking(false)?;
        let now = Instant::now();
        Ok(Self {
            into,
            hears,
            answers: File::from(diagnosis()?),
            asked: VecDeque::new(),
            tables: now,
            seen: HashMap::new(),
            recent: VecDeque::new(),
            credit: SAVED,
            looked: now,
            text: String::new(),
        })
    }

    /// Waits for a connection that begins, or for the next end to be asked for.
    fn step(&mut self) {
        let now = Instant::now();
        let due = |(_, since, n): &(Ends, Instant, usize)| {
            ASKED.get(*n).and_then(|d| since.checked_add(*d))
        };
        let next = self.asked.iter().filter_map(due).min();
        let wait = next.map_or(TICK, |n| n.saturating_duration_since(now)).min(TICK);
        let mut packet = [0; 128];
        if !wait.is_zero()
            && self.hears.set_read_timeout(Some(wait)).is_ok()
            && let Ok(n) = self.hears.recv(&mut packet)
            && let Some((a, b)) = packet.get(..n).and_then(ends_of)
        {
            let now = Instant::now();
            for ends in [(a, b), (b, a)] {
                if self.asked.len() < MAX_ASKED && !self.asked.iter().any(|q| q.0 == ends) {
                    self.asked.push_back((ends, now, 0));
                }
            }
        }
        self.ask();
        if self.tables.elapsed() >= BETWEEN {
            self.tables();
        }
    }

    /// Asks for the ends whose time has come.
    fn ask(&mut self) {
        let now = Instant::now();
        let mut wanted: HashMap<u64, Vec<Ends>> = HashMap::new();
        for (ends, since, n) in &mut self.asked {
            if ASKED.get(*n).is_some_and(|d| *since + *d <= now) {
                *n += 1;
                if let Some(inode) = inode(&mut self.answers, *ends) {
                    wanted.entry(inode).or_default().push(*ends);
                }
            }
        }
        let found = self.search(&wanted);
        self.asked.retain(|(ends, _, n)| *n < ASKED.len() && !found.contains(ends));
    }

    /// Looks into the tables.
    fn tables(&mut self) {
        let mut new: HashMap<u64, Vec<Ends>> = HashMap::new();
        if self.seen.len() > MAX_SOCKETS {
            self.seen.clear();
        }
        for table in TABLES {
            self.text.clear();
            // Of this thread: the namespace may be another than the process's.
            let read = File::open(format!("/proc/thread-self/net/{table}"))
                .and_then(|mut f| f.read_to_string(&mut self.text));
            if read.is_err() {
                continue;
            }
            for (ends, inode) in self.text.lines().skip(1).filter_map(line) {
                let tries = self.seen.entry((inode, ends)).or_default();
                if *tries < TRIES {
                    *tries += 1;
                    new.entry(inode).or_default().push(ends);
                }
            }
        }
        for ends in self.search(&new) {
            for (inode, _) in new.iter().filter(|(_, all)| all.contains(&ends)) {
                self.seen.insert((*inode, ends), TRIES);
            }
        }
        self.tables = Instant::now();
    }

    /// Finds out who has these sockets, and tells it; gives the ends that somebody has.
    fn search(&mut self, wanted: &HashMap<u64, Vec<Ends>>) -> HashSet<Ends> {
        let now = Instant::now();
        self.credit = SAVED.min(self.credit + now.duration_since(self.looked) / SEARCH);
        self.looked = now;
        let mut found = HashSet::new();
        if wanted.is_empty() || self.credit.is_zero() {
            return found;
        }
        for (inode, process) in owners(wanted.keys().copied().collect(), &self.recent) {
            self.recent.retain(|p| *p != process.pid);
            self.recent.push_front(process.pid);
            self.recent.truncate(RECENT);
            for ends in wanted.get(&inode).into_iter().flatten() {
                self.into.put(*ends, Arc::clone(&process));
                found.insert(*ends);
            }
        }
        self.credit = self.credit.saturating_sub(now.elapsed());
        found
    }
}

/// The ends of a TCP segment, from its IP header on: sender, receiver.
fn ends_of(packet: &[u8]) -> Option<Ends> {
    let port = |at: usize| Some(u16::from_be_bytes(*packet.get(at..)?.first_chunk()?));
    let (a, b, at): (IpAddr, IpAddr, usize) = match packet.first()? >> 4 {
        4 => {
            let address = |at: usize| Some(Ipv4Addr::from(*packet.get(at..)?.first_chunk::<4>()?));
            (address(12)?.into(), address(16)?.into(), usize::from(packet.first()? & 15) * 4)
        }
        6 => {
            let address = |at: usize| Some(Ipv6Addr::from(*packet.get(at..)?.first_chunk::<16>()?));
            (address(8)?.into(), address(24)?.into(), 40)
        }
        _ => return None,
    };
    Some((SocketAddr::new(a, port(at)?), SocketAddr::new(b, port(at + 2)?)))
}

/// Bytes of a request: a netlink head, family and states, the ends (`linux/inet_diag.h`).
const REQUEST: usize = 16 + 8 + 48;
/// Where an answer has the number of the socket.
const INODE: usize = 16 + 4 + 48 + 16;

/// The number of the socket that has this end; `None` where there is none, or nobody's.
fn inode(answers: &mut File, (own, peer): Ends) -> Option<u64> {
    let mut request = Vec::with_capacity(REQUEST);
    request.extend((REQUEST as u32).to_ne_bytes());
    // SOCK_DIAG_BY_FAMILY, NLM_F_REQUEST, no number, no sender.
    request.extend(20_u16.to_ne_bytes());
    request.extend(1_u16.to_ne_bytes());
    request.extend([0; 8]);
    let family = if own.is_ipv4() { libc::AF_INET } else { libc::AF_INET6 };
    request.extend([family as u8, libc::IPPROTO_TCP as u8, 0, 0]);
    request.extend(u32::MAX.to_ne_bytes());
    request.extend(own.port().to_be_bytes());
    request.extend(peer.port().to_be_bytes());
    for ip in [own.ip(), peer.ip()] {
        match ip {
            IpAddr::V4(a) => request.extend(a.octets().into_iter().chain([0; 12])),
            IpAddr::V6(a) => request.extend(a.octets()),
        }
    }
    // Any interface, any cookie.
    request.extend([0; 4]);
    request.extend([0xff; 8]);
    answers.write_all(&request).ok()?;
    let mut answer = [0; 512];
    let n = answers.read(&mut answer).ok()?;
    let answer = answer.get(..n)?;
    let kind = u16::from_ne_bytes(*answer.get(4..)?.first_chunk()?);
    let inode = u32::from_ne_bytes(*answer.get(INODE..)?.first_chunk()?);
    (kind == 20 && inode > 0).then_some(u64::from(inode))
}

/// Who has these sockets. Asked first are those `recent` ones, then the youngest processes:
/// theirs are those that were opened last, as a rule.
fn owners(mut wanted: HashSet<u64>, recent: &VecDeque<u32>) -> Vec<(u64, Arc<Process>)> {
    let mut found = Vec::new();
    let Ok(all) = fs::read_dir("/proc") else { return found };
    let number = |e: fs::DirEntry| e.file_name().to_str()?.parse::<u32>().ok();
    let mut pids: Vec<u32> = all.flatten().filter_map(number).collect();
    pids.sort_unstable_by(|a, b| b.cmp(a));
    for pid in recent.iter().copied().chain(pids) {
        if wanted.is_empty() {
            break;
        }
        let Ok(open) = fs::read_dir(format!("/proc/{pid}/fd")) else { continue };
        let mut process = None;
        for fd in open.flatten() {
            let Ok(link) = fs::read_link(fd.path()) else { continue };
            let inode = link.to_str().and_then(|l| l.strip_prefix("socket:[")?.strip_suffix(']'));
            let Some(inode) = inode.and_then(|i| i.parse().ok()) else { continue };
            if wanted.remove(&inode) {
                let whose = process.get_or_insert_with(|| {
                    let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
                    Arc::new(Process { pid, name: name.trim_end().into() })
                });
                found.push((inode, Arc::clone(whose)));
            }
        }
    }
    found
}

/// A line of a table: the ends, and the number of the socket. Those without one belong to
/// nobody any more.
///
/// ```text
///   sl  local_address rem_address   st tx_queue:rx_queue tr:tm->when retrnsmt   uid  timeout inode
///    0: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 26871 …
/// ```
fn line(text: &str) -> Option<(Ends, u64)> {
    let mut words = text.split_ascii_whitespace().skip(1);
    let (own, peer) = (end(words.next()?)?, end(words.next()?)?);
    let inode = words.nth(6)?.parse().ok().filter(|i| *i > 0)?;
    Some(((own, peer), inode))
}

/// `0100007F:1F90`: words of 32 bits as the processor has them, and the port.
fn end(text: &str) -> Option<SocketAddr> {
    let (address, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |i: usize| {
        let digits = address.get(i * 8..i * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip: IpAddr = match address.len() {
        8 => Ipv4Addr::from(word(0)?).into(),
        32 => {
            let mut bytes = [0; 16];
            for (i, place) in bytes.chunks_exact_mut(4).enumerate() {
                place.copy_from_slice(&word(i)?);
            }
            Ipv6Addr::from(bytes).into()
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_read_as_the_kernel_writes_them() {
        if cfg!(target_endian = "big") {
            return;
        }
        let text = "   0: 0100007F:1F90 0200007F:C001 01 00000000:00000000 00:00000000 00000000  \
                    1000        0 26871 1 0000000000000000 100 0 0 10 0";
        let ends = ("127.0.0.1:8080".parse().unwrap(), "127.0.0.2:49153".parse().unwrap());
        assert_eq!(line(text), Some((ends, 26871)));
        let six = "0: 00000000000000000000000001000000:0050 0000000000000000FFFF00000100007F:0051 \
                   01 0:0 0:0 0 0 0 7 1";
        let ends = ("[::1]:80".parse().unwrap(), "[::ffff:127.0.0.1]:81".parse().unwrap());
        assert_eq!(line(six), Some((ends, 7)));
        // In TIME-WAIT nobody has it.
        assert_eq!(line(&text.replace("26871", "0")), None);
        for odd in ["", "0:", "0: 01:1 x", "0: é100007F:1F90 0100007F:1F90 01 a b c d e 5"] {
            assert_eq!(line(odd), None, "{odd}");
        }
    }

    #[test]
    fn the_ends_of_a_segment_are_those_of_its_headers() {
        let mut v4 = vec![0x46; 1];
        v4.resize(12, 0);
        v4.extend([10, 0, 0, 1, 10, 0, 0, 2, 1, 1, 1, 1, 0x1f, 0x90, 0xc0, 1]);
        let ends = ("10.0.0.1:8080".parse().unwrap(), "10.0.0.2:49153".parse().unwrap());
        assert_eq!(ends_of(&v4), Some(ends));
        let mut v6 = vec![0x60; 8];
        v6.extend(Ipv6Addr::LOCALHOST.octets());
        v6.extend(Ipv6Addr::LOCALHOST.octets());
        v6.extend([0, 80, 0, 81]);
        assert_eq!(ends_of(&v6), Some(("[::1]:80".parse().unwrap(), "[::1]:81".parse().unwrap())));
        for cut in 0..v6.len() {
            assert_eq!(ends_of(&v6[..cut]), None);
        }
    }

    #[test]
    fn our_own_sockets_are_found_by_their_ends_and_their_owner_by_them() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let stream = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let ends = (stream.local_addr().unwrap(), stream.peer_addr().unwrap());
        let mut answers = File::from(diagnosis().unwrap());
        let number = inode(&mut answers, ends).expect("a socket");
        let owners = owners(HashSet::from([number]), &VecDeque::new());
        assert_eq!(owners.len(), 1);
        assert_eq!((owners[0].0, owners[0].1.pid), (number, std::process::id()));
        // Nobody has accepted the other end yet, and there is no third.
        assert_eq!(inode(&mut answers, (ends.1, ends.0)), None);
        assert_eq!(inode(&mut answers, (ends.0, ends.0)), None);
    }
}
