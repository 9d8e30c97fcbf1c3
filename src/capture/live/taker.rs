//! The thread that takes packets as fast as they come, out of the ring or from libpcap.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use super::keep::Keep;
use super::tap::{Passing, Tap};
use super::{LiveOptions, Tally, WAIT, refusal};
use crate::base::limits::{BATCH_BYTES, LIVE_QUEUE_BYTES, MAX_PACKET_BYTES};
use crate::base::{CaptureTime, PacketId};
use crate::capture::findings::{KERNEL_DROPS, SPOOL_FAILED, WRITE_FAILED};
use crate::capture::{Batch, CaptureError, LinkType, PacketMeta};
use crate::finding::Finding;

/// So long packets that came before the end are waited for: twice what a block
/// is held back, and some.
const LAST_CALL: Duration = Duration::from_millis(80);
/// How often the kernel is asked what it has dropped.
const ASK_DROPS: Duration = Duration::from_millis(500);
/// How often it is looked whether there is room again.
const FULL: Duration = Duration::from_millis(2);

/// See the module.
pub(super) struct Taker {
    name: String,
    tap: Box<dyn Tap>,
    options: LiveOptions,
    /// Until it fails.
    keep: Option<Arc<Mutex<Keep>>>,
    begun: Instant,
    asked: Instant,
    /// Nothing more comes, for this reason.
    trouble: Option<CaptureError>,
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

/// What is taken from the ring.
#[derive(Default)]
struct Taken {
    bytes: Vec<u8>,
    packets: Vec<(PacketMeta, u32)>,
    findings: Vec<(PacketId, Finding)>,
    /// Nothing was left.
    all: bool,
}

impl Taker {
    pub(super) fn new(
        name: String,
        tap: Box<dyn Tap>,
        options: LiveOptions,
        keep: Option<Arc<Mutex<Keep>>>,
    ) -> Self {
        let now = Instant::now();
        Self {
            name,
            tap,
            options,
            keep,
            begun: now,
            asked: now,
            trouble: None,
            end: None,
            finished: false,
        }
    }

    /// Takes packets until the capture ends, or nobody wants them.
    pub(super) fn run(
        mut self,
        batches: &Sender<Result<Batch, CaptureError>>,
        queued: &AtomicUsize,
        left: &AtomicBool,
    ) {
        while !self.finished && !left.load(Ordering::Acquire) {
            self.look_at_the_clock();
            // A reader that is far behind: the ring has room for a while.
            if queued.load(Ordering::Acquire) >= LIVE_QUEUE_BYTES {
                std::thread::sleep(FULL);
                continue;
            }
            let taken = match self.step() {
                Ok(taken) => taken,
                Err(e) => {
                    let _ = batches.send(Err(e));
                    return;
                }
            };
            if taken.packets.is_empty() && taken.findings.is_empty() {
                continue;
            }
            let mut batch = Batch::new(taken.bytes, taken.packets);
            batch.findings = taken.findings;
            queued.fetch_add(batch.memory(), Ordering::AcqRel);
            if batches.send(Ok(batch)).is_err() {
                return;
            }
        }
    }

    /// Whether it is over.
    fn look_at_the_clock(&mut self) {
        let over = self.options.stop.load(Ordering::Relaxed)
            || self.options.duration.is_some_and(|d| self.begun.elapsed() >= d);
        if over && self.end.is_none() {
            self.end = Some(Ending::now());
        }
    }

    /// What has come.
    fn step(&mut self) -> Result<Taken, CaptureError> {
        if let Some(e) = self.trouble.take() {
            return Err(e);
        }
        // Asked before the ring is: what came until then is in it.
        let last = self.end.is_some_and(|e| Instant::now() >= e.last_call);
        if !last {
            self.tap.wait(WAIT).map_err(|e| self.failed(&e))?;
        }
        let mut taken = self.collect();
        // A ring that still has much is emptied first.
        let empty = taken.all || self.end.is_some_and(|e| e.passed);
        self.finished = last && empty || self.is_full();
        self.drops(&mut taken);
        Ok(taken)
    }

    fn failed(&self, e: &io::Error) -> CaptureError {
        CaptureError { name: self.name.clone(), what: refusal(e) }
    }

    /// What waits, up to a batch.
    fn collect(&mut self) -> Taken {
        let mut taken = Taken::default();
        let keep = self.keep.clone();
        let mut keep = keep.as_ref().map(|k| k.lock().unwrap_or_else(PoisonError::into_inner));
        let mut failed = None;
        for _ in 0..self.tap.round() {
            if taken.bytes.len() >= BATCH_BYTES || self.is_full() {
                break;
            }
            let (options, end) = (&self.options, &mut self.end);
            let link = self.tap.link();
            let mut each = |packet: &dyn Passing| {
                if options.count.is_some_and(|n| options.tally.packets() >= n) {
                    return;
                }
                let time = packet.time();
                if let Some(end) = end.as_mut().filter(|e| time > e.until) {
                    end.passed = true;
                    return;
                }
                let to = keep.as_deref_mut().filter(|k| !k.is_closed() && failed.is_none());
                if let Err(e) = take(packet, time, (link, options), to, &mut taken) {
                    failed = Some((PacketId(options.tally.packets()), e));
                }
            };
            match self.tap.some(&mut each) {
                Ok(true) => {}
                Ok(false) => {
                    taken.all = true;
                    break;
                }
                // What came before is handed out first.
                Err(e) => {
                    self.trouble = Some(self.failed(&e));
                    break;
                }
            }
        }
        if !taken.packets.is_empty()
            && failed.is_none()
            && let Some(k) = keep.as_deref_mut().filter(|k| !k.is_closed())
            && let Err(e) = k.flush()
        {
            let first = taken.packets.first().map_or(PacketId(0), |p| p.0.id);
            failed = Some((first, e));
        }
        if let Some((id, e)) = failed {
            if let Some(k) = &mut keep {
                k.close();
            }
            self.keep = None;
            let at = taken.findings.partition_point(|(p, _)| *p <= id);
            taken.findings.insert(at, (id, unkept(&self.options, &e)));
        }
        taken
    }

    fn is_full(&self) -> bool {
        self.options.count.is_some_and(|n| self.options.tally.packets() >= n)
    }

    /// Asks what was dropped, now and then and at the end.
    fn drops(&mut self, taken: &mut Taken) {
        if self.asked.elapsed() < ASK_DROPS && !self.finished {
            return;
        }
        self.asked = Instant::now();
        let Ok(lost @ 1..) = self.tap.dropped() else { return };
        let tally = &self.options.tally;
        let all = tally.dropped.fetch_add(lost, Ordering::Relaxed) + lost;
        let before = PacketId(tally.packets());
        let what = format!("{lost} packets were lost before packet {before}, {all} in all.");
        taken.findings.push((before, Finding::new(&KERNEL_DROPS).with(what)));
    }
}

/// Takes a packet, if it is wanted.
fn take(
    packet: &dyn Passing,
    time: CaptureTime,
    (link, options): (LinkType, &LiveOptions),
    keep: Option<&mut Keep>,
    taken: &mut Taken,
) -> io::Result<()> {
    let tally: &Tally = &options.tally;
    let at = taken.bytes.len();
    let original_len = packet.restore(&mut taken.bytes);
    // Nothing hands out as much; should one, readers would refuse it.
    taken.bytes.truncate(at + MAX_PACKET_BYTES);
    let data = taken.bytes.get(at..).unwrap_or_default();
    if options.accept.as_ref().is_some_and(|a| !a(link.0, data, original_len)) {
        taken.bytes.truncate(at);
        return Ok(());
    }
    let id = PacketId(tally.packets.fetch_add(1, Ordering::Relaxed) + 1);
    let mut meta = PacketMeta {
        id,
        time,
        link,
        interface: 0,
        original_len,
        captured_len: data.len() as u32,
        file: 0,
        offset: 0,
    };
    let kept = keep.map_or(Ok((0, 0)), |k| k.packet(link, time, original_len, data));
    (meta.file, meta.offset) = *kept.as_ref().unwrap_or(&(0, 0));
    taken.packets.push((meta, at as u32));
    kept.map(drop)
}

/// The packets are kept no longer.
fn unkept(options: &LiveOptions, e: &io::Error) -> Finding {
    let spec = if options.write.is_some() { &WRITE_FAILED } else { &SPOOL_FAILED };
    Finding::new(spec).with(e.to_string())
}
