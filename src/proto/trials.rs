//! Records of which it was tried whose they are: what came of it, and how much more may be
//! tried in all.
//!
//! A connection whose hellos were not captured has no name, and any session of a key log may be
//! its own. That is tried, at a price. It is tried once: whoever reads the connection again (a
//! second pass, an event that is opened) hears what came of it, so that the same comes of it,
//! however much is left by then.

use std::sync::{Mutex, PoisonError};

use hashbrown::HashMap;

use super::secrets::{ClientRandom, Secrets};
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

/// What came of a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tried {
    /// Bytes that were gone over.
    pub cost: u64,
    /// What was found.
    pub fit: Option<Fit>,
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
    tried: HashMap<RecordTag, (Tried, u64)>,
}

impl Secrets {
    /// What came of trying this record, if it was tried with the secrets that are there now.
    #[must_use]
    pub fn tried(&self, record: &RecordTag) -> Option<Tried> {
        let known = self.trials.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (tried, version) = known.tried.get(record)?;
        (tried.fit.is_some() || *version == self.version()).then_some(*tried)
    }

    /// Bytes that trials may still go over, in all.
    #[must_use]
    pub fn trials_left(&self) -> u64 {
        let known = self.trials.0.lock().unwrap_or_else(PoisonError::into_inner);
        MAX_ORPHAN_TRIALS_BYTES.saturating_sub(known.spent)
    }

    /// A record was tried.
    pub fn note_tried(&self, record: RecordTag, tried: Tried) {
        let mut known = self.trials.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.spent = known.spent.saturating_add(tried.cost.max(LEAST));
        known.tried.insert(record, (tried, self.version()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_found_is_remembered_and_what_was_not_until_there_are_other_secrets() {
        let secrets = Secrets::default();
        let fit = Fit { random: [1; 32], suite: 0x1301, seq: 7 };
        secrets.note_tried([1; 16], Tried { cost: 10_000, fit: Some(fit) });
        secrets.note_tried([2; 16], Tried { cost: 0, fit: None });
        assert_eq!(secrets.trials_left(), MAX_ORPHAN_TRIALS_BYTES - 10_000 - LEAST);
        assert_eq!(secrets.tried(&[2; 16]), Some(Tried { cost: 0, fit: None }));
        secrets.add(format!("CLIENT_RANDOM {:064x} {:096x}\n", 1, 2).as_bytes());
        assert_eq!(secrets.tried(&[2; 16]), None);
        assert_eq!(secrets.tried(&[1; 16]).and_then(|t| t.fit), Some(fit));
        secrets.note_tried([3; 16], Tried { cost: u64::MAX, fit: None });
        assert_eq!(secrets.trials_left(), 0);
    }
}
