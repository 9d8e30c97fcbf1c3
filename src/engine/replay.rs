//! One conversation run again from its packets: for the detail of an event, for
//! decode-as, for keys and schemas that came late.

use crate::base::{EventId, Moment};
use crate::capture::Packet;
use crate::engine::conversation::{ConversationInfo, Stack};
use crate::engine::numbering::{Numbering, numbered};
use crate::engine::shared::{First, Shared, Sought};
use crate::engine::sink::due;
use crate::engine::{Checkpoint, DecodeAs, EventSink, Options};
use crate::event::{Event, Level};
use crate::flow::{Flow, Transport, UdpFlow};
use crate::link::{Content, Decoder};
use crate::proto::EndCause;

/// A conversation being run again. Its events come in the order in which they
/// came the first time; they have no numbers.
pub struct Replay {
    flow: Flow,
    stack: Box<Stack>,
    shared: Shared,
    decoder: Decoder,
    numbering: Numbering,
}

impl Replay {
    /// From the conversation's beginning; the rules of `options` say what it is.
    #[must_use]
    pub fn from_start(info: &ConversationInfo, options: &Options) -> Self {
        Self::begin(info, options, None)
    }

    /// From the conversation's beginning, read as this, whatever the rules say.
    #[must_use]
    pub fn decoded_as(info: &ConversationInfo, options: &Options, read: DecodeAs) -> Self {
        Self::begin(info, options, Some(read))
    }

    fn begin(info: &ConversationInfo, options: &Options, read: Option<DecodeAs>) -> Self {
        let fresh =
            ConversationInfo::new(info.id, info.transport, info.index, info.birth, info.first);
        let mut shared = Shared::new(options);
        let read = read.unwrap_or_else(|| DecodeAs::by_rules(&options.decode_as, &fresh));
        let mut stack = Stack::new(fresh);
        stack.decode_as(read, &mut shared);
        Self {
            flow: match info.transport {
                Transport::Tcp => Flow::Tcp(Box::default()),
                Transport::Udp => Flow::Udp(UdpFlow::default()),
            },
            stack: Box::new(stack),
            shared,
            decoder: Decoder::new(),
            numbering: Numbering::alone(),
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
            numbering: Numbering::alone(),
        })
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

    /// Of the messages that come from now on, these alone are looked at (from 0, in
    /// the order in which they come), and of no other level anything but frames:
    /// what serves the detail of the others need not be done.
    pub fn seek(&mut self, messages: impl IntoIterator<Item = u64>) {
        let wanted = messages.into_iter().collect();
        self.shared.sought = Some(Sought { emitted: 0, wanted });
    }

    /// Works on a packet of the conversation; hands what comes of it to `each`.
    pub fn packet(&mut self, packet: &Packet<'_>, each: &mut dyn FnMut(Event)) {
        self.work(packet, &mut |s, info| take(s, info, each));
        take(&mut self.shared, &self.stack.info, each);
    }

    /// Works on a packet of the conversation; hands out what came of it, findings
    /// and checkpoints too. Events are numbered from 1.
    pub fn packet_to(&mut self, packet: &Packet<'_>, sink: &mut dyn EventSink) {
        self.shared.reopens = true;
        let mut next = std::mem::replace(&mut self.numbering, Numbering::alone());
        self.work(packet, &mut |s, info| numbered(s, &mut next, Some(info), sink));
        numbered(&mut self.shared, &mut next, Some(&self.stack.info), sink);
        self.numbering = next;
        if let Some(checkpoint) = due(&mut self.stack, &self.flow, packet.meta.id) {
            sink.checkpoint(checkpoint);
        }
    }

    fn work(
        &mut self,
        packet: &Packet<'_>,
        hand_out: &mut dyn FnMut(&mut Shared, &ConversationInfo),
    ) {
        let now = Moment { packet: packet.meta.id, time: packet.meta.time };
        self.shared.now = now;
        let decoded =
            self.decoder.decode(packet.meta.link.0, packet.data, packet.meta.original_len, now);
        let Some(ends) = &decoded.endpoints else { return };
        let from_a = self.stack.info.birth.ends == [ends.source.into(), ends.destination.into()];
        match &decoded.content {
            Content::Tcp(segment) => {
                self.stack.segment(&mut self.flow, from_a, segment, &mut self.shared, hand_out);
            }
            Content::Udp(datagram) => {
                self.stack.datagram(&mut self.flow, from_a, datagram, &mut self.shared);
            }
            _ => {}
        }
    }

    /// The conversation leaves at `at`, as [`ConversationInfo::left`] says; hands
    /// what comes of it to `each`.
    pub fn finish(&mut self, cause: EndCause, at: Moment, each: &mut dyn FnMut(Event)) {
        self.shared.now = at;
        let hand_out = &mut |s: &mut Shared, info: &ConversationInfo| take(s, info, each);
        self.stack.finish(&mut self.flow, cause, &mut self.shared, hand_out);
        take(&mut self.shared, &self.stack.info, each);
    }

    /// The same; hands out findings too.
    pub fn finish_to(&mut self, cause: EndCause, at: Moment, sink: &mut dyn EventSink) {
        self.shared.now = at;
        let mut next = std::mem::replace(&mut self.numbering, Numbering::alone());
        let hand_out =
            &mut |s: &mut Shared, info: &ConversationInfo| numbered(s, &mut next, Some(info), sink);
        self.stack.finish(&mut self.flow, cause, &mut self.shared, hand_out);
        numbered(&mut self.shared, &mut next, Some(&self.stack.info), sink);
        self.numbering = next;
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
    let packets = shared.found.first.drain(..).filter_map(|f| match f {
        First::Packet(d) => Some(Event { id: EventId(0), conversation: None, draft: *d }),
        First::Finding { .. } => None,
    });
    for mut event in packets.chain(shared.found.events.iter_mut().flat_map(|e| e.drain(..))) {
        event.conversation = Some(info.id);
        each(event);
    }
}
