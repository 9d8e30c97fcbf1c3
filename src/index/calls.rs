//! The gRPC calls of a capture, for `stats --calls`: as trees, by whom each was made for.

use crate::base::limits::MAX_SHOWN_CALLS;
use crate::engine::lineage::{Call, Parent, parents, retries};
use crate::engine::{ConversationInfo, EventSink, FindingEvent};
use crate::event::Event;

/// Collects calls. No details are needed.
#[derive(Default)]
pub struct Calls {
    /// The calls in the order of their events, at most [`MAX_SHOWN_CALLS`].
    pub calls: Vec<Call>,
    /// Of each the one that it is part of, once [`Calls::finish`] was called.
    pub parents: Vec<Option<Parent>>,
    /// And the one that it tries again.
    pub retries: Vec<Option<usize>>,
    /// Calls beyond the limit.
    pub more: u64,
    /// Places of the children of each, by start.
    children: Vec<Vec<usize>>,
    roots: Vec<usize>,
}

impl Calls {
    /// No calls.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Finds out what belongs to what.
    pub fn finish(&mut self) {
        self.parents = parents(&self.calls);
        self.retries = retries(&self.calls);
        self.children = vec![Vec::new(); self.calls.len()];
        let mut order: Vec<usize> = (0..self.calls.len()).collect();
        order.sort_by_key(|i| self.calls.get(*i).map(|c| (c.start.time, c.start.packet)));
        self.roots.clear();
        for i in order {
            match self.parents.get(i).copied().flatten() {
                Some(p) => {
                    if let Some(c) = self.children.get_mut(p.call) {
                        c.push(i);
                    }
                }
                None => self.roots.push(i),
            }
        }
    }

    /// The calls with how deep each lies, parents before their children.
    #[must_use]
    pub fn walk(&self) -> Vec<(usize, usize)> {
        let mut out = Vec::with_capacity(self.calls.len());
        // A child starts behind its parent, so there is no circle.
        let mut open: Vec<(usize, usize)> = self.roots.iter().rev().map(|r| (*r, 0)).collect();
        while let Some((i, depth)) = open.pop() {
            out.push((i, depth));
            let children = self.children.get(i).map_or(&[][..], Vec::as_slice);
            open.extend(children.iter().rev().map(|c| (*c, depth + 1)));
        }
        out
    }
}

impl EventSink for Calls {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        let Some(info) = conversation else { return };
        if event.draft.facts.is_none() {
            return;
        }
        if let Some(call) = Call::of(event, info) {
            if self.calls.len() < MAX_SHOWN_CALLS {
                self.calls.push(call);
            } else {
                self.more += 1;
            }
        }
    }

    fn finding(&mut self, _: FindingEvent, _: Option<&ConversationInfo>) {}
}
