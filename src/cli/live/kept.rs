//! The secrets that were of use, put into the file of `-w` while it grows.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use hashbrown::HashMap;

use crate::capture::live::Keeper;
use crate::capture::{Secrets as Block, TLS_KEY_LOG};
use crate::proto::Secrets;
use crate::proto::secrets::ClientRandom;

/// How often it is looked whether secrets were of use: so much of them a kill may cost.
const LOOK: Duration = Duration::from_millis(100);

/// Puts secrets into the file: only those which opened something.
pub(super) struct Kept(Arc<Mutex<Keeping>>, Arc<AtomicBool>);

struct Keeping {
    keeper: Keeper,
    secrets: Arc<Secrets>,
    /// What there was when it was looked last.
    seen: (u64, usize),
    /// Bytes of the lines of each session that stand in the file.
    written: HashMap<ClientRandom, usize>,
    failed: Option<std::io::Error>,
}

impl Kept {
    /// Begins.
    pub(super) fn begin(keeper: Keeper, secrets: Arc<Secrets>) -> Self {
        let keeping =
            Keeping { keeper, secrets, seen: (0, 0), written: HashMap::new(), failed: None };
        let keeping = Arc::new(Mutex::new(keeping));
        let over = Arc::new(AtomicBool::new(false));
        let (k, o) = (Arc::clone(&keeping), Arc::clone(&over));
        std::thread::spawn(move || {
            while !o.load(Ordering::Relaxed) {
                k.lock().unwrap_or_else(PoisonError::into_inner).put();
                std::thread::sleep(LOOK);
            }
        });
        Self(keeping, over)
    }

    /// All has been read: puts in the last, and gives what went wrong and how many sessions
    /// there are.
    pub(super) fn end(self) -> (usize, Option<std::io::Error>) {
        self.1.store(true, Ordering::Relaxed);
        let mut keeping = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        keeping.put();
        keeping.keeper.close();
        (keeping.written.len(), keeping.failed.take())
    }
}

impl Keeping {
    fn put(&mut self) {
        let used = self.secrets.used();
        let now = (self.secrets.version(), used.len());
        if std::mem::replace(&mut self.seen, now) == now || self.failed.is_some() {
            return;
        }
        let mut text = String::new();
        for random in used {
            let lines = self.secrets.lines(&[random]);
            if self.written.insert(random, lines.len()) != Some(lines.len()) {
                text.push_str(&lines);
            }
        }
        if !text.is_empty() {
            let block = Block { kind: TLS_KEY_LOG, data: text.into_bytes().into() };
            self.failed = self.keeper.secrets(&block).err();
        }
    }
}
