//! Heads of an exchange that its body must tell apart.

use crate::base::{Moment, Side};
use crate::event::Detail;
use crate::proto::{Head, Headers};

/// A [`Head`] that outlives the call that brought it.
#[derive(Clone, Debug)]
pub(super) struct KeptHead {
    side: Side,
    headers: Headers,
    version: u8,
    end: bool,
    start: Moment,
    ready: Moment,
    wire_len: u64,
    detail: Option<Box<Detail>>,
    /// It stands behind the body.
    trailers: bool,
}

impl KeptHead {
    /// A copy.
    pub(super) fn of(head: &Head<'_>) -> Self {
        Self {
            side: head.side,
            headers: head.headers.clone(),
            version: head.version,
            end: head.end,
            start: head.start,
            ready: head.ready,
            wire_len: head.wire_len,
            detail: head.detail.map(|d| Box::new(d.clone())),
            trailers: false,
        }
    }

    /// A copy of trailers.
    pub(super) fn behind_body(head: &Head<'_>) -> Self {
        Self { trailers: true, ..Self::of(head) }
    }

    /// Whether it is trailers.
    pub(super) const fn is_trailers(&self) -> bool {
        self.trailers
    }

    /// Who sent it.
    pub(super) const fn side(&self) -> Side {
        self.side
    }

    /// Lends it as the head that it was.
    pub(super) fn with<T>(&self, f: impl FnOnce(&Head<'_>) -> T) -> T {
        f(&Head {
            side: self.side,
            headers: &self.headers,
            version: self.version,
            end: self.end,
            start: self.start,
            ready: self.ready,
            wire_len: self.wire_len,
            detail: self.detail.as_deref(),
        })
    }

    /// Memory held, in bytes, without its tree.
    pub(super) fn memory(&self) -> usize {
        size_of::<Self>() + self.headers.memory()
    }
}
