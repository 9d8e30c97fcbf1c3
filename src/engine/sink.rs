//! What takes the events, findings and checkpoints that the engine brings forth.

use crate::base::{ConversationId, EventId, Moment, PacketId, Side};
use crate::capture::Packet;
use crate::engine::conversation::{ConversationInfo, Stack};
use crate::event::Event;
use crate::finding::Finding;
use crate::flow::Flow;

/// A finding with its place in the capture.
#[derive(Clone, Debug)]
pub struct FindingEvent {
    /// The finding.
    pub finding: Finding,
    /// Who found it.
    pub protocol: &'static str,
    /// The event that it belongs to.
    pub event: Option<EventId>,
    /// When.
    pub at: Moment,
    /// The packets that prove it.
    pub packets: Vec<PacketId>,
    /// The HTTP/2 stream.
    pub stream: Option<u64>,
    /// Who did it.
    pub sender: Option<Side>,
    /// Seen only beside other conversations: whoever reads its own one again alone
    /// does not find it.
    pub across: bool,
}

/// Takes what the engine brings forth, in order.
pub trait EventSink {
    /// An event; packet events only where they are wanted. Whoever keeps it takes it
    /// ([`Event::take`]): it is lent, since most only look.
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>);

    /// A finding: those of events follow their event.
    fn finding(&mut self, found: FindingEvent, conversation: Option<&ConversationInfo>);

    /// A packet was worked on; it belongs to the conversation, and so do the
    /// earlier packets whose fragments it completed.
    fn packet(
        &mut self,
        _packet: &Packet<'_>,
        _conversation: Option<ConversationId>,
        _with: &[PacketId],
    ) {
    }

    /// A state from which a conversation can be run again, behind the packet
    /// that was worked on last.
    fn checkpoint(&mut self, _checkpoint: Checkpoint) {}

    /// So many frames, messages and exchanges came that say nothing to those who look across
    /// conversations, and of which nothing is found: instead of [`EventSink::event`], where
    /// they are only counted ([`Options::counts`](crate::engine::Options::counts)).
    fn counted(&mut self, _events: [u64; 3]) {}

    /// A conversation has ended.
    fn ended(&mut self, _conversation: &ConversationInfo) {}
}

/// A copy of the state of a conversation between two of its packets.
pub struct Checkpoint {
    /// The last packet that went into it.
    pub after: PacketId,
    pub(super) flow: Flow,
    pub(super) stack: Box<Stack>,
}

impl Checkpoint {
    /// Whose it is.
    #[must_use]
    pub const fn conversation(&self) -> ConversationId {
        self.stack.info.id
    }

    /// Memory held, in bytes.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.stack.memory
    }
}

/// A checkpoint behind the packet `after`, where one is due and can be had.
pub(super) fn due(stack: &mut Stack, flow: &Flow, after: PacketId) -> Option<Checkpoint> {
    if stack.info.closed || stack.since_checkpoint < crate::base::limits::CHECKPOINT_BYTES {
        return None;
    }
    let mut copy = stack.fork()?;
    stack.since_checkpoint = 0;
    copy.measure(flow);
    Some(Checkpoint { after, flow: flow.clone(), stack: Box::new(copy) })
}
