//! How events lie in packets, for the first one behind a hole.
//!
//! What comes behind a hole may be the rest of an event, which would read like another one
//! where it begins with a field. A server that has written every event at once, so that
//! none was cut by the end of a packet, and begun it with one of a few fields, has done so
//! here as well.

use crate::base::{PacketId, Side};
use crate::proto::Out;
use crate::proto::sse::wire::About;

/// What was seen of one stream.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Habits {
    /// The packet of the last bytes.
    packet: Option<PacketId>,
    /// The fields with which events began.
    firsts: u8,
    /// An event was whole.
    whole: bool,
    /// One was cut by the end of a packet.
    split: bool,
    /// One had several lines of data.
    lines: bool,
    data: u32,
}

const fn bit(about: About) -> u8 {
    match about {
        About::Data => 1,
        About::Event => 2,
        About::Id => 4,
        // Such a line says nothing about where an event begins.
        About::Comment | About::Retry | About::Other | About::Nothing => 0,
    }
}

impl Habits {
    /// Bytes of a line or of its end, within an event or not.
    pub(super) fn bytes(&mut self, at: u64, within: bool, out: &dyn Out) {
        let packet = out.moment(Side::Server, at).packet;
        self.split |= within && self.packet.is_some_and(|p| p != packet);
        self.packet = Some(packet);
    }

    /// A line begins, the first of an event or not.
    pub(super) fn line(&mut self, about: About, first: bool) {
        if first {
            self.firsts |= bit(about);
            self.data = 0;
        }
        self.data += u32::from(about == About::Data);
        self.lines |= self.data > 1;
    }

    /// An event was whole.
    pub(super) const fn event(&mut self) {
        self.whole = true;
    }

    /// Bytes are missing, in the middle of an event or behind one: the fields by which one
    /// may be known to begin right behind them.
    pub(super) fn behind_hole(&mut self, within: bool) -> u8 {
        self.packet = None;
        match (self.split, self.whole) {
            (true, _) => 0,
            // Lines of data follow one another, the others come but once.
            (false, _) if within => self.firsts & if self.lines { !bit(About::Data) } else { !0 },
            (false, true) => self.firsts,
            (false, false) => bit(About::Event) | bit(About::Id),
        }
    }

    /// Whether a line is about one of these.
    pub(super) const fn is_one(about: About, of: u8) -> bool {
        bit(about) & of != 0
    }
}
