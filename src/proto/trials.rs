//! Records of which it was tried whose they are: what came of it, and how much more may be
//! tried in all.
//!
//! A connection whose hellos were not captured has no name, and any session of a key log may be
//! its own. That is tried, at a price. It is tried once: whoever reads the connection again (a
//! second pass, an event that is opened) hears what came of it, so that the same comes of it,
//! however much is left by then. What came of it holds for what was searched, and for who has as
//! much to spend: who has less is told that it was not enough, and who has more looks again.

use std::sync::{Mutex, PoisonError};

use hashbrown::{HashMap, HashSet};

use super::secrets::{ClientRandom, Secrets};
use crate::base::Side;
use crate::base::limits::MAX_ORPHAN_TRIALS_BYTES;

/// A record by its tag, which is all but its own.
pub type RecordTag = [u8; 16];

/// Whose a record is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fit {
    /// The session, by the random of its client's hello.
    pub random: ClientRandom,
    /// Its suite.
    pub suite: u16,
    /// The record's sequence number.
    pub seq: u64,
}

/// What is asked of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Asked {
    /// Which it is.
    pub record: RecordTag,
    /// Whose keys are tried: those of a session with this suite, for what this side sends;
    /// those of all sessions, if nothing is said.
    pub known: Option<(ClientRandom, u16, Side)>,
}

/// What came of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Bytes that were gone over.
    pub cost: u64,
    /// What was found.
    pub came: Came,
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Came {
    /// Whose it is.
    Fit(Fit),
    /// All was tried, and none fits.
    Nobody,
    /// None has fitted so far: what was to be spent was spent.
    Spent,
}

/// A trial costs this much at least: what is remembered of it takes memory.
const LEAST: u64 = 4096;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Trials(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    spent: u64,
    /// With the version of the secrets at that time: others may fit.
    tried: HashMap<Asked, (Tried, u64)>,
    /// Records that told who the client is, before anything else was known.
    told: HashSet<RecordTag>,
}

impl Secrets {
    /// What came of trying this, for who has `most` to spend; `None` if that was not tried with
    /// the secrets that are there now, or with less.
    #[must_use]
    pub fn tried(&self, asked: &Asked, most: u64) -> Option<Tried> {
        let known = self.trials.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (tried, version) = known.tried.get(asked)?;
        let of_now = matches!(tried.came, Came::Fit(_)) || *version == self.version();
        let left = MAX_ORPHAN_TRIALS_BYTES.saturating_sub(known.spent);
        match tried.came {
            _ if !of_now => None,
            _ if most < tried.cost => Some(Tried { cost: most, came: Came::Spent }),
            Came::Spent if most.min(left) > tried.cost => None,
            Came::Fit(_) | Came::Nobody | Came::Spent => Some(*tried),
        }
    }

    /// Bytes that trials may still go over, in all.
    #[must_use]
    pub fn trials_left(&self) -> u64 {
        let known = self.trials.0.lock().unwrap_or_else(PoisonError::into_inner);
        MAX_ORPHAN_TRIALS_BYTES.saturating_sub(known.spent)
    }

    /// This was tried, with the secrets that were there at `version`.
    pub fn note_tried(&self, asked: Asked, tried: Tried, version: u64) {
        let mut known = self.trials.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.spent = known.spent.saturating_add(tried.cost.max(LEAST));
        known.tried.insert(asked, (tried, version));
    }

    /// Whether this record told who the client is, before its connection was given to anybody.
    /// What is found later is not meant: for who reads it again it would be known too early.
    #[must_use]
    pub fn has_told(&self, record: &RecordTag) -> bool {
        let known = self.trials.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.told.contains(record)
    }

    /// This record told who the client is.
    pub fn note_told(&self, record: RecordTag) {
        let mut known = self.trials.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.told.insert(record);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_remembered_and_what_was_not_until_there_are_other_secrets() {
        let secrets = Secrets::default();
        let asked = |n| Asked { record: [n; 16], known: None };
        let fit = Came::Fit(Fit { random: [1; 32], suite: 0x1301, seq: 7 });
        let version = secrets.version();
        secrets.note_tried(asked(1), Tried { cost: 10_000, came: fit }, version);
        secrets.note_tried(asked(2), Tried { cost: 0, came: Came::Nobody }, version);
        assert_eq!(secrets.trials_left(), MAX_ORPHAN_TRIALS_BYTES - 10_000 - LEAST);
        let nobody = Tried { cost: 0, came: Came::Nobody };
        assert_eq!(secrets.tried(&asked(2), 0), Some(nobody));
        // Asked of one session, it is another question.
        let known = Some(([1; 32], 0x1301, Side::Client));
        assert_eq!(secrets.tried(&Asked { known, ..asked(2) }, 0), None);
        secrets.add(format!("CLIENT_RANDOM {:064x} {:096x}\n", 1, 2).as_bytes());
        assert_eq!(secrets.tried(&asked(2), 0), None);
        // What came while it was tried was not tried.
        secrets.note_tried(asked(2), nobody, version);
        assert_eq!(secrets.tried(&asked(2), 0), None);
        assert_eq!(secrets.tried(&asked(1), 10_000), Some(Tried { cost: 10_000, came: fit }));
        let spent = |cost| Some(Tried { cost, came: Came::Spent });
        assert_eq!(secrets.tried(&asked(1), 9_999), spent(9_999));
        let version = secrets.version();
        secrets.note_tried(asked(3), Tried { cost: 500, came: Came::Spent }, version);
        assert_eq!(secrets.tried(&asked(3), 400), spent(400));
        assert_eq!(secrets.tried(&asked(3), 500), spent(500));
        assert_eq!(secrets.tried(&asked(3), 501), None);
        secrets.note_tried(asked(4), Tried { cost: u64::MAX, came: Came::Spent }, version);
        assert_eq!(secrets.trials_left(), 0);
        // There is no more to be had by looking again.
        assert_eq!(secrets.tried(&asked(3), 501), spent(500));
    }
}
