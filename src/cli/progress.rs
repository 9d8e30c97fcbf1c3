//! One line on standard error that says how far a long pass is, where standard
//! error is a terminal and standard output is not.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

/// Nothing is shown before this: most passes are done by then.
const QUIET: Duration = Duration::from_millis(500);
/// And not more often than this.
const EVERY: Duration = Duration::from_millis(100);

pub(super) struct Progress {
    on: bool,
    begun: Instant,
    shown: Option<Instant>,
}

impl Progress {
    /// `free`: standard output is not the terminal that this would be written to.
    pub(super) fn new(free: bool) -> Self {
        Self { on: free && std::io::stderr().is_terminal(), begun: Instant::now(), shown: None }
    }

    /// Shows `done` bytes of `all`.
    pub(super) fn show(&mut self, progress: Option<(u64, u64)>) {
        let now = Instant::now();
        let due = now.duration_since(self.begun) > QUIET
            && self.shown.is_none_or(|s| now.duration_since(s) > EVERY);
        if !self.on || !due {
            return;
        }
        let Some((done, all)) = progress else { return };
        if all == 0 {
            return;
        }
        let share = (u128::from(done.min(all)) * 30 / u128::from(all)) as usize;
        let percent = u128::from(done.min(all)) * 100 / u128::from(all);
        let mut err = std::io::stderr().lock();
        let _ = write!(
            err,
            "\r[{}{}] {percent:>3}% of {} MiB",
            "#".repeat(share),
            ".".repeat(30 - share),
            all >> 20
        );
        let _ = err.flush();
        self.shown = Some(now);
    }

    /// Takes the line away.
    pub(super) fn clear(&mut self) {
        if self.shown.take().is_some() {
            let _ = write!(std::io::stderr().lock(), "\r\x1b[K");
        }
    }
}
