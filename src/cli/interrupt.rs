//! Ctrl-C: end with what there is.
//!
//! What is read from a pipe has no other end, and the exit status is 0. A file has one: short of
//! it, what was shown is not all, and the status is what shells make of the signal (130 for
//! Ctrl-C), so that no script takes a part for the whole.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicI32, AtomicU64, Ordering};
use std::time::Duration;

use crate::cli::Failure;

/// How long the main loop has to notice before the process ends without it, where a pipe is
/// read: it may be blocked on one that says nothing, with all its output written.
const GRACE: Duration = Duration::from_millis(300);

/// The same where a file is read, or all is shown at the end: what has been read must be put
/// together.
const LONG_GRACE: Duration = Duration::from_secs(5);

/// Whether Ctrl-C was pressed, and whether the main loop gets on with its work.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupted {
    /// The signal; 0 for none.
    signal: Arc<AtomicI32>,
    beats: Arc<AtomicU64>,
}

impl Interrupted {
    /// The main loop gets on.
    pub(super) fn beat(&self) {
        self.beats.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it has.
    #[cfg(all(feature = "live", unix))]
    pub(super) fn beats(&self) -> u64 {
        self.beats.load(Ordering::Relaxed)
    }

    pub(super) fn is_set(&self) -> bool {
        self.signal.load(Ordering::Relaxed) != 0
    }

    /// A signal has come.
    fn set(&self, signal: i32) {
        self.signal.store(signal, Ordering::Relaxed);
    }

    /// As if Ctrl-C had been pressed.
    #[cfg(test)]
    pub(super) fn pressed() -> Self {
        let all = Self::default();
        all.set(signal_hook::consts::SIGINT);
        all
    }

    /// Why `captures` were not read any further than to the packet `last`, if one was read;
    /// `None` where they have no other end than this.
    pub(super) fn short_of(&self, captures: &[PathBuf], last: Option<u64>) -> Option<Failure> {
        let short = self.is_set() && have_an_end(captures);
        short.then(|| Failure::Interrupted(self.text(last), self.status()))
    }

    fn text(&self, last: Option<u64>) -> String {
        match last {
            Some(n) => format!("interrupted behind packet {n}: what follows was not read"),
            None => "interrupted before there was anything to show".to_owned(),
        }
    }

    /// As shells have it: 128 and the number of the signal.
    pub(super) fn status(&self) -> u8 {
        u8::try_from(self.signal.load(Ordering::Relaxed)).map_or(u8::MAX, |s| s.saturating_add(128))
    }
}

/// Whether the end of all of these is known: they are files.
fn have_an_end(captures: &[PathBuf]) -> bool {
    captures.iter().all(|c| std::fs::metadata(c).is_ok_and(|m| m.is_file()))
}

/// Watches for SIGINT and SIGTERM from now on, where events are shown as they come.
pub(super) fn watch(captures: &[impl AsRef<Path>]) -> Interrupted {
    // A pipe that says nothing: all that came has been shown.
    watch_for(captures, GRACE, 0)
}

/// The same where all is shown in the end.
pub(super) fn watch_until_the_end(captures: &[impl AsRef<Path>]) -> Interrupted {
    // 0 would say that nothing was found.
    watch_for(captures, LONG_GRACE, 2)
}

/// Where the main loop has not come to its end after `grace`, the process ends with `status`;
/// files have a time and a status of their own. It ends at once when a signal comes again.
fn watch_for(captures: &[impl AsRef<Path>], grace: Duration, status: i32) -> Interrupted {
    let flag = Interrupted::default();
    let Ok(mut signals) = signal_hook::iterator::Signals::new([
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
    ]) else {
        return flag;
    };
    let captures: Vec<PathBuf> = captures.iter().map(|c| c.as_ref().to_owned()).collect();
    let files = have_an_end(&captures);
    let seen = flag.clone();
    std::thread::spawn(move || {
        let leave = move |signal: i32| {
            if files {
                say!("framescope: interrupted");
            }
            std::process::exit(if files { 128 + signal } else { status })
        };
        let mut signals = signals.forever();
        let Some(signal) = signals.next() else { return };
        seen.set(signal);
        std::thread::spawn(move || {
            std::thread::sleep(if files { LONG_GRACE } else { grace });
            leave(signal);
        });
        if let Some(again) = signals.next() {
            leave(again);
        }
    });
    flag
}

/// Tells `hear` of each SIGINT, SIGTERM and SIGHUP, and how many came before it.
#[cfg(all(feature = "live", unix))]
pub(super) fn hear(mut hear: impl FnMut(i32, u32) + Send + 'static) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGINT, SIGTERM, SIGHUP]) else {
        return;
    };
    std::thread::spawn(move || {
        for (before, signal) in (0..).zip(signals.forever()) {
            hear(signal, before);
        }
    });
}
