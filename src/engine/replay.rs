//! One conversation run again from its packets: for the detail of an event, for
//! decode-as, for keys and schemas that came late.

use crate::base::{EventId, Moment};
use crate::capture::Packet;
use crate::engine::conversation::{ConversationInfo, Stack};
use crate::engine::shared::{Found, Shared};
use crate::engine::{Checkpoint, Options};
use crate::event::{Event, Level};
use crate::flow::{Flow, Transport, UdpFlow};
use crate::link::{Content, Decoder};
use crate::proto::{EndCause, Protocol};

/// A conversation being run again. Its events come in the order in which they
/// came the first time; they have no numbers.
pub struct Replay {
    flow: Flow,
    stack: Box<Stack>,
    shared: Shared,
    decoder: Decoder,
}

impl Replay {
    /// From the conversation's beginning.
    #[must_use]
    pub fn from_start(info: &ConversationInfo, options: &Options) -> Self {
        let fresh =
            ConversationInfo::new(info.id, info.transport, info.index, info.birth, info.first);
        Self {
            flow: match info.transport {
                Transport::Tcp => Flow::Tcp(Box::default()),
                Transport::Udp => Flow::Udp(UdpFlow::default()),
            },
            stack: Box::new(Stack::new(fresh)),
            shared: Shared::new(options),
            decoder: Decoder::new(),
        }
    }

    /// From a checkpoint; `None` where it cannot be copied.
    #[must_use]
    pub fn from_checkpoint(checkpoint: &Checkpoint, options: &Options) -> Option<Self> {
        Some(Self {
            flow: checkpoint.flow.clone(),
            stack: Box::new(checkpoint.stack.fork()?),
            shared: Shared::new(options),
            decoder: Decoder::new(),
        })
    }

    /// Gives the conversation to a protocol, whatever its bytes look like.
    pub fn decode_as(&mut self, protocol: &'static Protocol) {
        self.stack.decode_as(protocol, &mut self.shared);
    }

    /// The levels whose events carry a detail from now on.
    pub fn want(&mut self, levels: &[Level]) {
        self.shared.wanted = [false; 5];
        for l in levels {
            if let Some(w) = self.shared.wanted.get_mut(*l as usize) {
                *w = true;
            }
        }
    }

    /// Works on a packet of the conversation; hands what comes of it to `each`.
    pub fn packet(&mut self, packet: &Packet<'_>, each: &mut dyn FnMut(Event)) {
        let now = Moment { packet: packet.meta.id, time: packet.meta.time };
        self.shared.now = now;
        let decoded =
            self.decoder.decode(packet.meta.link.0, packet.data, packet.meta.original_len, now);
        let Some(ends) = &decoded.endpoints else { return };
        let from_a = self.stack.info.birth.ends == [ends.source.into(), ends.destination.into()];
        match &decoded.content {
            Content::Tcp(segment) => {
                let hand_out = &mut |s: &mut Shared, info: &ConversationInfo| take(s, info, each);
                self.stack.segment(&mut self.flow, from_a, segment, &mut self.shared, hand_out);
            }
            Content::Udp(datagram) => {
                self.stack.datagram(&mut self.flow, from_a, datagram, &mut self.shared);
            }
            _ => {}
        }
        drop(decoded);
        take(&mut self.shared, &self.stack.info, each);
    }

    /// The capture ends at `at`; hands what comes of it to `each`.
    pub fn finish(&mut self, at: Moment, each: &mut dyn FnMut(Event)) {
        self.shared.now = at;
        let hand_out = &mut |s: &mut Shared, info: &ConversationInfo| take(s, info, each);
        self.stack.finish(&mut self.flow, EndCause::CaptureEnded, &mut self.shared, hand_out);
        take(&mut self.shared, &self.stack.info, each);
    }

    /// What is known of the conversation by now.
    #[must_use]
    pub const fn info(&self) -> &ConversationInfo {
        &self.stack.info
    }

    /// Bytes inflated so far.
    #[must_use]
    pub const fn inflated(&self) -> u64 {
        self.shared.inflated
    }
}

/// Hands out what was found, in the order in which the engine does.
fn take(shared: &mut Shared, info: &ConversationInfo, each: &mut dyn FnMut(Event)) {
    let mut drafts: Vec<_> = shared
        .found
        .drain(..)
        .filter_map(|f| match f {
            Found::Event(d) => Some(d),
            Found::Finding { .. } => None,
        })
        .collect();
    drafts.sort_by_key(|d| d.level);
    for draft in drafts {
        each(Event { id: EventId(0), conversation: Some(info.id), draft });
    }
}
