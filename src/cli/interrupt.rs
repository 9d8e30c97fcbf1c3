//! Ctrl-C: end with what there is.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// How long the main loop has to notice before the process ends without it:
/// it may be blocked on a pipe that says nothing, with all its output written.
const GRACE: Duration = Duration::from_millis(300);

/// Whether Ctrl-C was pressed, and whether the main loop gets on with its work.
#[derive(Clone, Debug, Default)]
pub(super) struct Interrupted(Arc<AtomicBool>, Arc<AtomicU64>);

impl Interrupted {
    /// The main loop gets on.
    pub(super) fn beat(&self) {
        self.1.fetch_add(1, Ordering::Relaxed);
    }

    /// How often it has.
    #[cfg(all(feature = "live", unix))]
    pub(super) fn beats(&self) -> u64 {
        self.1.load(Ordering::Relaxed)
    }

    pub(super) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

/// Watches for SIGINT and SIGTERM from now on.
pub(super) fn watch() -> Interrupted {
    watch_for(GRACE, 0)
}

/// The same, where the main loop needs longer than usual to come to its end: the
/// process ends with `status` where it has not come to it after `grace`.
pub(super) fn watch_for(grace: Duration, status: i32) -> Interrupted {
    let flag = Interrupted::default();
    let Ok(mut signals) = signal_hook::iterator::Signals::new([
        signal_hook::consts::SIGINT,
        signal_hook::consts::SIGTERM,
    ]) else {
        return flag;
    };
    let seen = flag.clone();
    std::thread::spawn(move || {
        if signals.forever().next().is_some() {
            seen.0.store(true, Ordering::Relaxed);
            std::thread::sleep(grace);
            std::process::exit(status);
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
