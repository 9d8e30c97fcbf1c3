//! What the streams are told of flow control (RFC 9113 §5.2) when they end.

use super::Connection;
use crate::base::{CaptureTime, Side};
use crate::proto::Stall;

impl Connection {
    /// By who sends it: how data of a stream waited for its receiver, where all window
    /// updates are known.
    pub(super) fn stalls(&self, id: u32, now: CaptureTime) -> [Option<Stall>; 2] {
        if self.is_unsure() {
            return [None; 2];
        }
        let ended = self.streams.ended(id);
        let mut stalls = [None; 2];
        for (side, (stall, ended)) in Side::BOTH.into_iter().zip(stalls.iter_mut().zip(ended)) {
            *stall = self.account.stall(id, side, ended, now);
        }
        stalls
    }
}
