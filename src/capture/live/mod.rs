//! Packets as they pass an interface.
//!
//! [`open`] begins to capture and gives a [`Source`]. A thread of its own (`taker`) waits
//! for packets (`tap`), lets the filter choose, and keeps what must be kept (`keep`); batches
//! wait in a queue for whoever reads them, so that a slow reader holds nobody up.
//!
//! On Linux packets come in blocks of the packet ring (`ring`), and what the card or the kernel
//! took off them is restored (`shape`). Elsewhere, and where it is asked for
//! ([`LiveOptions::libpcap`]), they come from libpcap, opened at run time (`library`).

pub mod interfaces;
mod keep;
mod library;
pub mod namespace;
#[cfg(target_os = "linux")]
mod ring;
#[cfg(target_os = "linux")]
mod shape;
#[cfg(target_os = "linux")]
mod sockets;
mod taker;
mod tap;

use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use self::interfaces::Interface;
use self::keep::Keep;
use self::library::{Pcap, Wish};
use self::namespace::{Namespace, within};
#[cfg(target_os = "linux")]
use self::ring::{Head, Ring};
#[cfg(target_os = "linux")]
use self::shape::{Shape, Shaped};
#[cfg(target_os = "linux")]
use self::sockets::Sockets;
use self::taker::Taker;
use self::tap::Tap;
use super::{Batch, CaptureError, PacketStore, Polled, Processes, Source};
use crate::base::limits::LIVE_RING_BYTES;

pub use self::keep::Keeper;

/// The interface that is captured from unless another is named.
pub const LOOPBACK: &str = if cfg!(target_os = "linux") { "lo" } else { "lo0" };
/// All interfaces at once; libpcap does not have it everywhere.
pub const ANY: &str = "any";
/// The interface, or all, that a program's own traffic is looked for on.
pub const EVERYWHERE: &str = if cfg!(target_os = "linux") { ANY } else { LOOPBACK };
/// libpcap is the only way to capture here.
const BY_LIBRARY: bool = !cfg!(target_os = "linux");

/// So long a source waits for packets before it says that there are none.
const WAIT: Duration = Duration::from_millis(40);

/// Which packets are wanted: link type, bytes, length on the wire.
pub type Accept = Box<dyn Fn(u16, &[u8], u32) -> bool + Send>;

/// What is captured, and for how long.
#[derive(Default)]
pub struct LiveOptions {
    /// Name of the interface; the loopback if none is given.
    pub interface: Option<String>,
    /// Where it is looked for; here if nothing is said.
    pub namespace: Option<Namespace>,
    /// By libpcap, also where there is another way.
    pub libpcap: bool,
    /// Packets for other machines, too, where the interface sees any.
    pub promiscuous: bool,
    /// Bytes of packets that may wait in the kernel; [`LIVE_RING_BYTES`] unless told.
    pub buffer: Option<usize>,
    /// Which packets are wanted; all if nothing is said.
    pub accept: Option<Accept>,
    /// The same as a capture filter, so that libpcap may have the kernel leave out the others.
    pub expression: Option<String>,
    /// Bytes that are kept of a packet, by libpcap; all, if nothing is said.
    pub snaplen: Option<u32>,
    /// End after so many packets.
    pub count: Option<u64>,
    /// End after this time.
    pub duration: Option<Duration>,
    /// Keep the packets in this file, as pcapng.
    pub write: Option<PathBuf>,
    /// Secrets may come for that file ([`Keeper::secrets`]): there is to be room for them
    /// before the packets.
    pub secrets: bool,
    /// Whether packets will be read again ([`Source::store`]): from the file of
    /// `write`, or a temporary one.
    pub reload: bool,
    /// Bytes that the temporary copy may have: the oldest packets go.
    pub most_kept: Option<usize>,
    /// Set by others to end the capture: what came before is still handed out.
    pub stop: Arc<AtomicBool>,
    /// What the capture comes to.
    pub tally: Arc<Tally>,
    /// Where it is told whose the ends of connections are.
    pub processes: Option<Arc<Processes>>,
}

/// What a capture has come to; may be looked at from anywhere, at any time.
#[derive(Debug, Default)]
pub struct Tally {
    packets: AtomicU64,
    dropped: AtomicU64,
    handed: AtomicU64,
}

impl Tally {
    /// Packets that were captured.
    #[must_use]
    pub fn packets(&self) -> u64 {
        self.packets.load(Ordering::Relaxed)
    }

    /// Packets that the kernel had no room for.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Packets that whoever reads them has taken.
    #[must_use]
    pub fn handed(&self) -> u64 {
        self.handed.load(Ordering::Relaxed)
    }
}

/// A capture that runs. See [`open`].
pub struct Live {
    name: String,
    store: Option<Arc<PacketStore>>,
    keep: Option<Arc<Mutex<Keep>>>,
    tally: Arc<Tally>,
    batches: Receiver<Result<Batch, CaptureError>>,
    /// Bytes that wait in `batches`.
    queued: Arc<AtomicUsize>,
    /// Nobody takes batches any more.
    left: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
    _sockets: Option<Sockets>,
}

/// Begins to capture: packets that come after this has returned are in it.
///
/// # Errors
/// Where there is no such interface, it is down, or capturing is not permitted
/// (the error says how to permit it); where the file cannot be made.
pub fn open(options: LiveOptions) -> Result<Live, CaptureError> {
    let name = options.interface.clone().unwrap_or_else(|| LOOPBACK.to_owned());
    let failed = |what: String| CaptureError { name: name.clone(), what };
    let bytes = options.buffer.unwrap_or(LIVE_RING_BYTES);
    let wish = Wish {
        buffer: bytes,
        promiscuous: options.promiscuous,
        snaplen: options.snaplen,
        filter: options.expression.as_deref(),
    };
    let libpcap = options.libpcap;
    let tap = within(options.namespace.as_ref(), || listen(&name, &wish, libpcap))
        .map_err(|e| failed(unreachable_namespace(&e)))?
        .map_err(|e| failed(refusal(&e)))?
        .ok_or_else(|| failed(no_such(options.namespace.as_ref(), libpcap)))?;
    let store: Option<Arc<PacketStore>> = options.reload.then(Arc::default);
    let keep = match (&options.write, &store) {
        (Some(path), store) => {
            Some(Keep::file(path, store.as_deref(), options.secrets).map_err(|e| {
                let name = path.display().to_string();
                CaptureError { name, what: format!("cannot be written: {e}") }
            })?)
        }
        (None, Some(store)) => Some(
            Keep::spool(store, options.most_kept)
                .map_err(|e| failed(format!("no temporary copy can be made: {e}")))?,
        ),
        (None, None) => None,
    };
    let keep = keep.map(|k| Arc::new(Mutex::new(k)));
    let tally = Arc::clone(&options.tally);
    let (sender, batches) = channel();
    let (queued, left) = (Arc::default(), Arc::default());
    let watch = |p: &Arc<Processes>| Sockets::watch(options.namespace.clone(), Arc::clone(p));
    let sockets = options.processes.as_ref().map(watch);
    let taker = Taker::new(name.clone(), tap, options, keep.clone());
    let thread = {
        let (queued, left) = (Arc::clone(&queued), Arc::clone(&left));
        let work = move || taker.run(&sender, &queued, &left);
        std::thread::Builder::new().name("capture".to_owned()).spawn(work)
    };
    let thread = thread.map_err(|e| failed(format!("no thread can be begun: {e}")))?;
    Ok(Live {
        name,
        store,
        keep,
        tally,
        batches,
        queued,
        left,
        thread: Some(thread),
        _sockets: sockets,
    })
}

/// Opens the interface of that name; `None` where there is none.
fn listen(name: &str, wish: &Wish<'_>, libpcap: bool) -> io::Result<Option<Box<dyn Tap>>> {
    #[cfg(target_os = "linux")]
    if !libpcap {
        return Ok(listen_to_ring(name, wish)?.map(|s| -> Box<dyn Tap> { Box::new(s) }));
    }
    let _ = libpcap;
    Ok(Pcap::open(name, wish)?.map(|p| -> Box<dyn Tap> { Box::new(p) }))
}

/// Opens a packet ring.
#[cfg(target_os = "linux")]
fn listen_to_ring(name: &str, wish: &Wish<'_>) -> io::Result<Option<Shaped>> {
    if name == ANY {
        let ring = Ring::open(0, Head::Cooked, wish.buffer)?;
        if wish.promiscuous {
            for i in interfaces::interfaces()?.iter().filter(|i| i.up && !i.loopback) {
                ring.promiscuous(i.index)?;
            }
        }
        return Ok(Some(Shaped(ring, Shape::COOKED)));
    }
    let Some(interface) = interfaces::interfaces()?.into_iter().find(|i| i.name == name) else {
        return Ok(None);
    };
    let shape = Shape::of(interface.hardware);
    let ring = Ring::open(interface.index, shape.head, wish.buffer)?;
    if wish.promiscuous {
        ring.promiscuous(interface.index)?;
    }
    Ok(Some(Shaped(ring, shape)))
}

/// The interfaces that can be captured from, and whether all of them can at once.
///
/// # Errors
/// Those of the system; where libpcap is asked and is not installed.
pub fn list(libpcap: bool) -> io::Result<(Vec<Interface>, bool)> {
    #[cfg(target_os = "linux")]
    if !libpcap {
        return Ok((interfaces::interfaces()?, true));
    }
    let _ = libpcap;
    library::interfaces()
}

/// There is no such interface; which there are.
fn no_such(namespace: Option<&Namespace>, libpcap: bool) -> String {
    let there = within(namespace, || list(libpcap)).and_then(|i| i);
    let (there, any) = there.unwrap_or_default();
    let mut names: Vec<&str> = there.iter().map(|i| i.name.as_str()).collect();
    let all = format!("{ANY} for all of them");
    names.extend(any.then_some(all.as_str()));
    let mut what = "there is no such interface; there are".to_owned();
    for (n, name) in names.iter().enumerate() {
        let before = match n {
            0 => "",
            n if n + 1 == names.len() => ", and",
            _ => ",",
        };
        let _ = write!(what, "{before} {name}");
    }
    what
}

/// Why a namespace could not be gone to.
fn unreachable_namespace(e: &io::Error) -> String {
    match e.raw_os_error() {
        Some(libc::EPERM) => {
            "its network namespace may not be entered: run framescope with sudo".to_owned()
        }
        _ => format!("its network namespace cannot be entered: {e}"),
    }
}

/// Why capturing was refused, and what helps.
fn refusal(e: &io::Error) -> String {
    match e.raw_os_error() {
        Some(libc::EPERM | libc::EACCES) if BY_LIBRARY => {
            "capturing is not permitted: run framescope with sudo".to_owned()
        }
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

/// Where the system tells nobody whose sockets are, there is nobody to ask.
#[cfg(not(target_os = "linux"))]
struct Sockets;

#[cfg(not(target_os = "linux"))]
impl Sockets {
    fn watch(_: Option<Namespace>, _: Arc<Processes>) -> Self {
        Self
    }
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

    /// For adding to the file of `-w`, where there is one.
    #[must_use]
    pub fn keeper(&self) -> Option<Keeper> {
        self.keep.clone().map(Keeper::new)
    }
}

impl Source for Live {
    fn poll(&mut self) -> Result<Polled, CaptureError> {
        match self.batches.recv_timeout(WAIT) {
            Ok(Ok(batch)) => {
                self.queued.fetch_sub(batch.memory(), Ordering::AcqRel);
                self.tally.handed.fetch_add(batch.len() as u64, Ordering::Relaxed);
                Ok(Polled::Batch(batch))
            }
            Ok(Err(e)) => Err(e),
            Err(RecvTimeoutError::Timeout) => Ok(Polled::NothingYet),
            Err(RecvTimeoutError::Disconnected) => Ok(Polled::End),
        }
    }

    fn store(&self) -> Option<Arc<PacketStore>> {
        self.store.clone()
    }
}

impl Drop for Live {
    /// What is being written to a file is written to its end.
    fn drop(&mut self) {
        self.left.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
