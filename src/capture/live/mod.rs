//! Packets as they pass an interface, on Linux.
//!
//! [`open`] gives a [`Source`]: it waits for blocks of the packet ring (`ring`),
//! restores what the card or the kernel took off (VLAN tags), lets the filter
//! choose, keeps what must be kept (`keep`), and hands batches on as they come.

mod keep;
mod ring;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use self::keep::Keep;
use self::ring::{Frame, Head, Ring};
use super::findings::{KERNEL_DROPS, SPOOL_FAILED, WRITE_FAILED};
use super::{Batch, CaptureError, LinkType, PacketMeta, PacketStore, Polled, Source};
use crate::base::limits::{BATCH_BYTES, MAX_PACKET_BYTES};
use crate::base::{CaptureTime, PacketId};
use crate::finding::Finding;

/// The interface that is captured from unless another is named.
pub const LOOPBACK: &str = "lo";
/// All interfaces at once.
pub const ANY: &str = "any";

/// So long a source waits for packets before it says that there are none.
const WAIT: Duration = Duration::from_millis(40);
/// So long packets that came before the end are waited for: twice what a block
/// is held back, and some.
const LAST_CALL: Duration = Duration::from_millis(80);
/// How often the kernel is asked what it has dropped.
const ASK_DROPS: Duration = Duration::from_millis(500);

/// Bytes of a Linux cooked header, version 2.
const COOKED_BYTES: usize = 20;
/// Where the two hardware addresses of an Ethernet frame end.
const BEHIND_ADDRESSES: usize = 12;

/// Which packets are wanted: link type, bytes, length on the wire.
pub type Accept = Box<dyn Fn(u16, &[u8], u32) -> bool + Send>;

/// What is captured, and for how long.
#[derive(Default)]
pub struct LiveOptions {
    /// Name of the interface; the loopback if none is given.
    pub interface: Option<String>,
    /// Which packets are wanted; all if nothing is said.
    pub accept: Option<Accept>,
    /// End after so many packets.
    pub count: Option<u64>,
    /// End after this time.
    pub duration: Option<Duration>,
    /// Keep the packets in this file, as pcapng.
    pub write: Option<PathBuf>,
    /// Whether packets will be read again ([`Source::store`]): from the file of
    /// `write`, or a temporary one.
    pub reload: bool,
    /// Set by others to end the capture: what came before is still handed out.
    pub stop: Arc<AtomicBool>,
}

/// What a capture has come to; may be looked at from anywhere, at any time.
#[derive(Debug, Default)]
pub struct Tally {
    packets: AtomicU64,
    dropped: AtomicU64,
}

impl Tally {
    /// Packets that were handed out.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    /// Packets that the kernel had no room for.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }
}

/// A capture that runs. See [`open`].
pub struct Live {
    name: String,
    ring: Ring,
    shape: Shape,
    options: LiveOptions,
    keep: Option<Keep>,
    store: Option<Arc<PacketStore>>,
    tally: Arc<Tally>,
    begun: Instant,
    asked: Instant,
    /// How it ends, once that is known.
    end: Option<Ending>,
    finished: bool,
}

/// The end of a capture: packets up to a time, all of which have come out of the
/// kernel a little later.
#[derive(Clone, Copy)]
struct Ending {
    /// Packets after this are not taken: where many come, there is no last one.
    until: CaptureTime,
    /// By then a block with the last of them has been handed over.
    last_call: Instant,
    /// A later packet was seen.
    passed: bool,
}

impl Ending {
    /// Now.
    fn now() -> Self {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let until = CaptureTime(i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        let now = Instant::now();
        let last_call = now.checked_add(LAST_CALL).unwrap_or(now);
        Self { until, last_call, passed: false }
    }
}

/// Begins to capture.
///
/// # Errors
/// Where there is no such interface, it is down, or capturing is not permitted
/// (the error says how to permit it); where the file cannot be made.
pub fn open(options: LiveOptions) -> Result<Live, CaptureError> {
    let name = options.interface.clone().unwrap_or_else(|| LOOPBACK.to_owned());
    let failed = |what: String| CaptureError { name: name.clone(), what };
    let (ring, shape) = listen(&name).map_err(|e| failed(refusal(&e)))?.ok_or_else(|| {
        let there = ring::interfaces().unwrap_or_default();
        let mut what = "there is no such interface; there are".to_owned();
        for i in &there {
            let _ = write!(what, " {},", i.name);
        }
        let _ = write!(what, " and {ANY} for all of them");
        failed(what)
    })?;
    let store: Option<Arc<PacketStore>> = options.reload.then(Arc::default);
    let keep = match (&options.write, &store) {
        (Some(path), store) => Some(Keep::file(path, store.as_deref()).map_err(|e| {
            let name = path.display().to_string();
            CaptureError { name, what: format!("cannot be written: {e}") }
        })?),
        (None, Some(store)) => Some(
            Keep::spool(store)
                .map_err(|e| failed(format!("no temporary copy can be made: {e}")))?,
        ),
        (None, None) => None,
    };
    let (tally, now) = (Arc::default(), Instant::now());
    Ok(Live {
        name,
        ring,
        shape,
        options,
        keep,
        store,
        tally,
        begun: now,
        asked: now,
        end: None,
        finished: false,
    })
}

/// Opens the interface of that name; `None` where there is none.
fn listen(name: &str) -> io::Result<Option<(Ring, Shape)>> {
    if name == ANY {
        return Ok(Some((Ring::open(0, Head::Cooked)?, Shape::COOKED)));
    }
    let Some(interface) = ring::interfaces()?.into_iter().find(|i| i.name == name) else {
        return Ok(None);
    };
    let shape = Shape::of(ring::hardware(interface.index)?);
    let ring = Ring::open(interface.index, shape.head)?;
    if shape.loops {
        // Where the kernel is too old for it, `Shape::passes` does the same.
        let _ = ring.ignore_outgoing();
    }
    Ok(Some((ring, shape)))
}

/// Why capturing was refused, and what helps.
fn refusal(e: &io::Error) -> String {
    match e.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) => {
            let program = std::env::current_exe().unwrap_or_else(|_| "framescope".into());
            format!(
                "capturing is not permitted: `sudo setcap cap_net_raw+ep {}` permits it to \
                 this program once and for all; or run it with sudo",
                quoted(&program)
            )
        }
        Some(libc::ENETDOWN) => "the interface is down".to_owned(),
        _ => format!("cannot be captured from: {e}"),
    }
}

/// A path as a shell takes it.
fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    if text.chars().all(|c| c.is_ascii_alphanumeric() || "/._-+".contains(c)) {
        text
    } else {
        format!("'{}'", text.replace('\'', r"'\''"))
    }
}

/// What the packets of a capture begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Shape {
    link: LinkType,
    head: Head,
    /// The interface is the loopback.
    loops: bool,
}

/// Raw IP (`if_arp.h`); `libc` has no name for it.
const ARPHRD_RAWIP: u16 = 519;

impl Shape {
    /// Linux cooked, version 2: of any interface.
    const COOKED: Self = Self { link: LinkType(276), head: Head::Cooked, loops: false };

    /// By hardware type.
    const fn of(hardware: u16) -> Self {
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
    const fn passes(f: &Frame<'_>) -> bool {
        !(f.hardware == libc::ARPHRD_LOOPBACK && f.way == libc::PACKET_OUTGOING)
    }

    /// Appends the packet as it was on the wire; gives its length there.
    fn restore(self, f: &Frame<'_>, into: &mut Vec<u8>) -> u32 {
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

/// What is taken from the ring.
#[derive(Default)]
struct Taken {
    bytes: Vec<u8>,
    packets: Vec<(PacketMeta, u32)>,
    findings: Vec<(PacketId, Finding)>,
    /// Nothing was left.
    all: bool,
}

impl Live {
    /// What the capture has come to.
    #[must_use]
    pub fn tally(&self) -> Arc<Tally> {
        Arc::clone(&self.tally)
    }

    /// The name of the interface.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Takes a packet, if it is wanted.
    fn take(
        frame: &Frame<'_>,
        time: CaptureTime,
        (shape, options): (Shape, &LiveOptions),
        keep: &mut Option<Keep>,
        tally: &Tally,
        taken: &mut Taken,
    ) {
        if !Shape::passes(frame) {
            return;
        }
        let at = taken.bytes.len();
        let original_len = shape.restore(frame, &mut taken.bytes);
        // No ring holds as much; should one, readers would refuse it.
        taken.bytes.truncate(at + MAX_PACKET_BYTES);
        let data = taken.bytes.get(at..).unwrap_or_default();
        if options.accept.as_ref().is_some_and(|a| !a(shape.link.0, data, original_len)) {
            taken.bytes.truncate(at);
            return;
        }
        let id = PacketId(tally.packets.fetch_add(1, Ordering::Relaxed) + 1);
        let mut meta = PacketMeta {
            id,
            time,
            link: shape.link,
            interface: 0,
            original_len,
            captured_len: data.len() as u32,
            file: 0,
            offset: 0,
        };
        if let Some(k) = keep {
            match k.packet(shape.link, meta.time, original_len, data) {
                Ok(offset) => meta.offset = offset,
                Err(e) => {
                    *keep = None;
                    taken.findings.push((id, unkept(options, &e)));
                }
            }
        }
        taken.packets.push((meta, at as u32));
    }

    /// What the ring holds, up to a batch.
    fn collect(&mut self) -> Taken {
        let mut taken = Taken::default();
        // Once round at most: a filter may refuse as fast as packets come.
        for _ in 0..self.ring.blocks() {
            if taken.bytes.len() >= BATCH_BYTES || self.is_full() {
                break;
            }
            let Some(block) = self.ring.block() else {
                taken.all = true;
                break;
            };
            for frame in block.frames() {
                if self.options.count.is_some_and(|n| self.tally.packets() >= n) {
                    break;
                }
                let time = i64::from(frame.time.0) * 1_000_000_000 + i64::from(frame.time.1);
                let time = CaptureTime(time);
                if let Some(end) = self.end.as_mut().filter(|e| time > e.until) {
                    end.passed = true;
                    continue;
                }
                let how = (self.shape, &self.options);
                Self::take(&frame, time, how, &mut self.keep, &self.tally, &mut taken);
            }
        }
        if !taken.packets.is_empty()
            && let Some(k) = &mut self.keep
            && let Err(e) = k.flush()
        {
            self.keep = None;
            let first = taken.packets.first().map_or(PacketId(0), |p| p.0.id);
            taken.findings.insert(0, (first, unkept(&self.options, &e)));
        }
        taken
    }

    fn is_full(&self) -> bool {
        self.options.count.is_some_and(|n| self.tally.packets() >= n)
    }

    /// Asks the kernel what it has dropped, now and then and at the end.
    fn drops(&mut self, taken: &mut Taken) {
        if self.asked.elapsed() < ASK_DROPS && !self.finished {
            return;
        }
        self.asked = Instant::now();
        let Ok(lost @ 1..) = self.ring.dropped() else { return };
        let all = self.tally.dropped.fetch_add(lost, Ordering::Relaxed) + lost;
        let before = PacketId(self.tally.packets());
        let what = format!("{lost} packets were lost before packet {before}, {all} in all.");
        taken.findings.push((before, Finding::new(&KERNEL_DROPS).with(what)));
    }
}

/// The packets are kept no longer.
fn unkept(options: &LiveOptions, e: &io::Error) -> Finding {
    let spec = if options.write.is_some() { &WRITE_FAILED } else { &SPOOL_FAILED };
    Finding::new(spec).with(e.to_string())
}

impl Source for Live {
    fn poll(&mut self) -> Result<Polled, CaptureError> {
        if self.finished {
            return Ok(Polled::End);
        }
        let over = self.options.stop.load(Ordering::Relaxed)
            || self.options.duration.is_some_and(|d| self.begun.elapsed() >= d);
        if over && self.end.is_none() {
            self.end = Some(Ending::now());
        }
        // Asked before the ring is: what came until then is in it.
        let last = self.end.is_some_and(|e| Instant::now() >= e.last_call);
        if !last {
            self.ring.wait(WAIT).map_err(|e| {
                self.finished = true;
                CaptureError { name: self.name.clone(), what: refusal(&e) }
            })?;
        }
        let mut taken = self.collect();
        // A ring that still has much is emptied first.
        let empty = taken.all || self.end.is_some_and(|e| e.passed);
        self.finished = last && empty || self.is_full();
        self.drops(&mut taken);
        if taken.packets.is_empty() && taken.findings.is_empty() {
            return Ok(if self.finished { Polled::End } else { Polled::NothingYet });
        }
        let mut batch = Batch::new(taken.bytes, taken.packets);
        batch.findings = taken.findings;
        Ok(Polled::Batch(batch))
    }

    fn store(&self) -> Option<Arc<PacketStore>> {
        self.store.clone()
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

    #[test]
    fn an_unknown_interface_is_answered_with_those_there_are() {
        let e = open(LiveOptions { interface: Some("nowhere0".into()), ..Default::default() });
        let e = e.err().map(|e| e.to_string()).unwrap_or_default();
        assert!(e.starts_with("nowhere0: there is no such interface; there are"), "{e}");
        assert!(e.contains(" lo,") && e.ends_with("any for all of them"), "{e}");
    }

    #[test]
    fn what_is_not_permitted_says_how_it_can_be() {
        let text = refusal(&io::Error::from_raw_os_error(libc::EPERM));
        assert!(text.contains("sudo setcap cap_net_raw+ep /"), "{text}");
        assert_eq!(quoted(Path::new("/a b/it's")), r"'/a b/it'\''s'");
    }
}
