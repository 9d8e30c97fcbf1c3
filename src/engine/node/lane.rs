//! One direction of a stream: what came and was not taken, and what it waits for.

use crate::base::Moment;
use crate::proto::EndCause;

/// One direction of a stream.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    /// Offset of the first byte in `held`.
    pub at: u64,
    /// Bytes that were not taken yet.
    pub held: Vec<u8>,
    /// Feed when so many are held.
    pub need: usize,
    /// Waits for the peer since then.
    pub waits: Option<Moment>,
    /// The machine takes no more: what follows is opaque.
    pub done: bool,
    /// Ended, once what is held has been fed.
    pub end: Option<EndCause>,
    /// The machine has been told the end.
    pub told_end: bool,
}

impl Default for Lane {
    fn default() -> Self {
        Self {
            at: 0,
            held: Vec::new(),
            need: 1,
            waits: None,
            done: false,
            end: None,
            told_end: false,
        }
    }
}
