//! What packets are taken from: the packet ring of Linux (`ring`), or libpcap (`library`).

use std::io;
use std::time::Duration;

use crate::base::CaptureTime;
use crate::capture::LinkType;

/// Packets as they come, from one interface or from all.
pub(super) trait Tap: Send {
    /// What they begin with.
    fn link(&self) -> LinkType;

    /// Waits until there may be some, but no longer than `timeout`.
    fn wait(&mut self, timeout: Duration) -> io::Result<()>;

    /// Hands some of those that wait to `each`; `false` where none do.
    fn some(&mut self, each: &mut dyn FnMut(&dyn Passing)) -> io::Result<bool>;

    /// After so many calls of [`Tap::some`] it is time to look at the clock: a filter may
    /// refuse packets as fast as they come.
    fn round(&self) -> usize;

    /// How many there was no room for since this was asked last.
    fn dropped(&mut self) -> io::Result<u64>;
}

/// One packet, where it lies.
pub(super) trait Passing {
    /// When it passed.
    fn time(&self) -> CaptureTime;

    /// Appends it as it was on the wire; gives its length there.
    fn restore(&self, into: &mut Vec<u8>) -> u32;
}
