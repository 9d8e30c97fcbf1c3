//! The worker: opens what the screen wishes for, on a thread of its own.
//!
//! Wishes are not queued: the latest ones count. What is selected comes first,
//! then the lines that are visible, then the search.

use std::sync::mpsc::Sender;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::Duration;

use crate::base::ConversationId;
use crate::engine::DecodeAs;
use crate::index::{self, Moved, Redecode};
use crate::tui::opener::{Line, Opener, Shown};
use crate::tui::rows::Item;
use crate::tui::search::{Query, Search, Step};

/// Lines opened before the wishes are looked at again.
const LINES: usize = 64;
/// A search that has caught up with the reader waits so long.
const CAUGHT_UP: Duration = Duration::from_millis(50);

/// A conversation is to be read as something else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Order {
    /// Tells one order from the next.
    pub(super) id: u64,
    /// Which conversation.
    pub(super) conversation: ConversationId,
    /// What it is.
    pub(super) read: DecodeAs,
}

/// What the screen wants to know.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wishes {
    /// To be opened with its bytes.
    pub(super) selected: Option<Item>,
    /// To be opened for their line.
    pub(super) visible: Vec<Item>,
    /// To be looked for; `None` cancels.
    pub(super) search: Option<Query>,
    /// To be read again; `None` cancels.
    pub(super) decode: Option<Order>,
    /// The generation of the index whose rows these are; rows of another one are
    /// not opened.
    pub(super) generation: u64,
}

/// What the worker found out.
pub(super) enum Reply {
    /// An event was opened, or cannot be (`None`).
    Opened(Item, Option<Box<Shown>>),
    /// Lines; an item that cannot be opened has an empty one.
    Lines(Vec<(Item, Line)>),
    /// A search came further.
    Search(u64, Step),
    /// Reading a conversation again came further; in the end, what moved.
    Decoded(Order, index::Step, Moved),
}

/// Does one thing after another; a thread runs it, and so do tests.
pub(super) struct Worker {
    opener: Opener,
    search: Option<Search>,
    searched: Option<u64>,
    redecode: Option<(u64, Redecode)>,
    decoded: Option<u64>,
}

impl Worker {
    /// A worker with nothing to do.
    pub(super) const fn new(opener: Opener) -> Self {
        Self { opener, search: None, searched: None, redecode: None, decoded: None }
    }

    /// Grants the most urgent wish and takes it off the list; `None` where there
    /// is none that can be granted.
    pub(super) fn step(&mut self, wishes: &mut Wishes) -> Option<Reply> {
        if wishes.generation != self.opener.generation() {
            wishes.selected = None;
            wishes.visible.clear();
            wishes.search = None;
        }
        if let Some(item) = wishes.selected.take() {
            return Some(Reply::Opened(item, self.opener.open(item).map(Box::new)));
        }
        if !wishes.visible.is_empty() {
            let rest = wishes.visible.split_off(wishes.visible.len().min(LINES));
            let items = std::mem::replace(&mut wishes.visible, rest);
            let mut lines = self.opener.lines(&items);
            for i in items {
                if !lines.iter().any(|l| l.0 == i) {
                    lines.push((i, self.opener.nothing()));
                }
            }
            return Some(Reply::Lines(lines));
        }
        if let Some(reply) = self.decode(wishes.decode.as_ref()) {
            return Some(reply);
        }
        let Some(query) = &wishes.search else {
            self.search = None;
            return None;
        };
        if self.searched == Some(query.id) {
            return None;
        }
        // By its number: a filter that has begun is not the one that was asked for.
        if self.search.as_ref().is_none_or(|s| s.query.id != query.id) {
            self.search = Some(Search::new(query.clone()));
        }
        let search = self.search.as_mut()?;
        let (id, step) = (query.id, search.step(&mut self.opener));
        if step.finished {
            self.searched = Some(id);
            self.search = None;
        }
        Some(Reply::Search(id, step))
    }

    /// Reads some more of the conversation that is to be read again.
    fn decode(&mut self, order: Option<&Order>) -> Option<Reply> {
        let Some(order) = order.filter(|o| self.decoded != Some(o.id)) else {
            self.redecode = None;
            return None;
        };
        if self.redecode.as_ref().is_none_or(|(id, _)| *id != order.id) {
            self.redecode = Some((order.id, Redecode::new(order.conversation, order.read)));
        }
        let (id, redecode) = self.redecode.as_mut()?;
        let step = self.opener.redecode(redecode);
        let mut moved = Moved::new();
        if step == index::Step::Done {
            moved = redecode.moved();
            self.decoded = Some(*id);
            self.redecode = None;
        }
        Some(Reply::Decoded(order.clone(), step, moved))
    }
}

/// Where the screen lays down its wishes.
#[derive(Default)]
pub(super) struct Desk {
    wishes: Mutex<Wishes>,
    wake: Condvar,
}

impl Desk {
    /// Replaces what is wished for.
    pub(super) fn lay(&self, wishes: Wishes) {
        *self.wishes.lock().unwrap_or_else(PoisonError::into_inner) = wishes;
        self.wake.notify_one();
    }
}

/// Works until nobody listens.
pub(super) fn work<M>(
    mut worker: Worker,
    desk: &Arc<Desk>,
    replies: &Sender<M>,
    wrap: fn(Reply) -> M,
) {
    loop {
        let mut wishes = {
            let mut laid = desk.wishes.lock().unwrap_or_else(PoisonError::into_inner);
            loop {
                let searching = laid.search.as_ref().is_some_and(|q| worker.searched != Some(q.id));
                let decoding = laid.decode.as_ref().is_some_and(|o| worker.decoded != Some(o.id));
                if laid.selected.is_some() || !laid.visible.is_empty() || searching || decoding {
                    break;
                }
                laid = desk.wake.wait(laid).unwrap_or_else(PoisonError::into_inner);
            }
            // One wish is taken; newer ones replace the rest in the meantime.
            let now = laid.clone();
            if laid.selected.take().is_none() {
                let taken = laid.visible.len().min(LINES);
                laid.visible.drain(..taken);
            }
            now
        };
        let Some(reply) = worker.step(&mut wishes) else { continue };
        let idle = matches!(&reply, Reply::Search(_, s) if s.hits.is_empty() && s.done.0 >= s.done.1 && !s.finished)
            || matches!(&reply, Reply::Decoded(_, index::Step::Waiting, _));
        if replies.send(wrap(reply)).is_err() {
            return;
        }
        if idle {
            let laid = desk.wishes.lock().unwrap_or_else(PoisonError::into_inner);
            drop(desk.wake.wait_timeout(laid, CAUGHT_UP));
        }
    }
}
