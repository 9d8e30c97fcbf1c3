//! Keeps checkpoints within their budget, a few at a time: a screen waits for the
//! lock under which this is done.

use std::mem;

use crate::base::limits::CHECKPOINT_MEMORY_BYTES;
use crate::engine::Checkpoint;
use crate::index::{Index, Kept};

/// Checkpoints passed when one is added, at least: a round over all of them ends
/// long before as many have come again.
const PASSED: usize = 64;
/// Conversations passed then: most have no checkpoint.
const CONVERSATIONS: usize = 1024;

/// Where thinning out is.
#[derive(Default)]
pub(super) struct Thinning {
    /// The next conversation of the round; `None` between rounds.
    next: Option<usize>,
    /// What was dropped, and is to be freed when nobody waits.
    dropped: Vec<Kept>,
}

impl Index {
    /// Takes up a checkpoint. Over the budget every second one of all goes, and
    /// opening an event costs twice as much at most.
    pub(super) fn add_checkpoint(&mut self, state: Checkpoint) {
        self.keep_within(state, CHECKPOINT_MEMORY_BYTES);
    }

    fn keep_within(&mut self, state: Checkpoint, budget: usize) {
        let index = state.conversation().0.saturating_sub(1) as usize;
        let Some(c) = self.conversations.get(index) else { return };
        if c.read.is_some() {
            // Of machines whose events are no longer shown.
            self.thinning.dropped.push(Kept::new(state, 0));
            return;
        }
        let events = c.rows.len();
        self.keep(state, events);
        self.thin(budget);
    }

    /// Keeps a checkpoint, after which so many events of its conversation had come.
    pub(super) fn keep(&mut self, state: Checkpoint, events: usize) {
        let index = state.conversation().0.saturating_sub(1) as usize;
        let kept = Kept::new(state, events);
        if let Some(c) = self.conversations.get_mut(index) {
            self.checkpoint_bytes += kept.memory;
            c.checkpoints.push(kept);
        }
    }

    /// Goes on with a round, or begins one where the budget is exceeded.
    pub(super) fn thin(&mut self, budget: usize) {
        if self.thinning.next.is_none() && self.checkpoint_bytes <= budget {
            return;
        }
        let mut at = self.thinning.next.unwrap_or(0);
        let last = at.saturating_add(CONVERSATIONS);
        let mut passed = 0;
        while passed < PASSED && at < last {
            let Some(c) = self.conversations.get_mut(at) else {
                self.thinning.next = None;
                return;
            };
            at += 1;
            passed += c.checkpoints.len();
            let all = mem::take(&mut c.checkpoints);
            for (n, kept) in (0_usize..).zip(all) {
                if n.is_multiple_of(2) {
                    self.checkpoint_bytes = self.checkpoint_bytes.saturating_sub(kept.memory);
                    self.thinning.dropped.push(kept);
                } else {
                    c.checkpoints.push(kept);
                }
            }
        }
        self.thinning.next = Some(at);
    }

    /// What was dropped: to be freed outside the lock.
    #[must_use]
    pub(super) fn take_dropped(&mut self) -> impl Sized + use<> {
        mem::take(&mut self.thinning.dropped)
    }
}
