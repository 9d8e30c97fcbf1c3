//! What conversations hold stays within the budget, and who has ended lets go.

use crate::engine::conversation::{ConversationInfo, Stack};
use crate::engine::numbering::numbered;
use crate::engine::shared::Shared;
use crate::engine::sink::due;
use crate::engine::{Engine, EventSink, findings};
use crate::event::Level;
use crate::finding::Finding;
use crate::flow::{Released, SlotId, Why};
use crate::proto::EndCause;

/// After how many bytes the memory of a conversation is measured anew. Until then
/// all that has come counts as held: many small ones add up.
const MEASURE_EVERY: usize = 256 << 10;
/// The first packets, after each of which a conversation is measured: it is small,
/// and what the protocols that are found on it set up is not among the bytes.
const MEASURE_FIRST: u64 = 16;
/// What a packet may cost beside its bytes: its place in the maps.
const PACKET_OVERHEAD: usize = 128;

impl Engine {
    /// After a packet of a conversation: counts memory, keeps a checkpoint.
    pub(super) fn after(&mut self, slot: SlotId, bytes: usize, sink: &mut dyn EventSink) {
        let Some(c) = self.flows.get_mut(slot) else { return };
        let Some(stack) = &mut c.state else { return };
        if stack.info.closed {
            if !std::mem::replace(&mut stack.told_end, true) {
                self.memory = self.memory.saturating_sub(stack.counted);
                stack.counted = 0;
                sink.ended(&stack.info);
            }
            return;
        }
        if self.options.checkpoints
            && stack.parked.is_none()
            && let Some(checkpoint) = due(stack, &c.flow, self.shared.now.packet)
        {
            sink.checkpoint(checkpoint);
        }
        let before = stack.counted;
        stack.unmeasured += bytes + PACKET_OVERHEAD;
        let young = stack.info.packets <= MEASURE_FIRST;
        if young || stack.unmeasured >= MEASURE_EVERY {
            stack.unmeasured = 0;
            stack.counted = stack.measure(&c.flow);
        } else {
            stack.counted += bytes + PACKET_OVERHEAD;
        }
        self.memory = (self.memory + stack.counted).saturating_sub(before);
        if self.memory > self.options.state_bytes {
            self.shrink(sink);
        }
    }

    /// More may be held than is allowed: measures everything, and lets go of the
    /// oldest where that is so. Down to three quarters, so that the next time is
    /// far enough away to pay for it.
    fn shrink(&mut self, sink: &mut dyn EventSink) {
        if self.share.is_some() {
            self.overfull = true;
            return;
        }
        self.memory = 0;
        for c in self.flows.iter_mut() {
            let Some(stack) = c.state.as_mut().filter(|s| !s.info.closed) else { continue };
            stack.unmeasured = 0;
            stack.counted = stack.measure(&c.flow);
            self.memory += stack.counted;
        }
        let budget = self.options.state_bytes;
        if self.memory <= budget - budget / 8 {
            return;
        }
        self.shared.finding(Finding::new(&findings::EVICTED), "framescope");
        self.flush(None, sink);
        while self.memory > budget - budget / 4 && self.flows.live() > 0 {
            self.flows.evict_oldest((self.flows.live() / 16).max(1));
            self.let_go(sink);
        }
    }

    /// Ends the conversations that have left the table.
    pub(super) fn let_go(&mut self, sink: &mut dyn EventSink) {
        while let Some(released) = self.flows.next_released() {
            self.end(released, sink);
        }
    }

    /// Ends one that has left the table.
    pub(super) fn end(&mut self, released: Released<Option<Box<Stack>>>, sink: &mut dyn EventSink) {
        let Released { mut conversation, why } = released;
        let Some(mut stack) = conversation.state.take() else { return };
        self.overfull |= self.share.is_some() && why == Why::Evicted;
        self.memory = self.memory.saturating_sub(stack.counted);
        let cause = match why {
            Why::Closed => EndCause::Finished,
            Why::Evicted => EndCause::Evicted,
            // Its ends began another connection: how this one ended was not captured,
            // and nobody must be told that it ended without a close.
            Why::Reused | Why::CaptureEnded => EndCause::CaptureEnded,
        };
        // What the packet being worked on has brought stays apart.
        let found = std::mem::take(&mut self.shared.found);
        self.go_on_outside(&mut conversation.flow, &mut stack, sink);
        let next = &mut self.numbering;
        let hand_out = &mut |shared: &mut Shared, info: &ConversationInfo| {
            numbered(shared, next, Some(info), sink);
        };
        stack.finish(&mut conversation.flow, cause, &mut self.shared, hand_out);
        numbered(&mut self.shared, &mut self.numbering, Some(&stack.info), sink);
        self.shared.found = found;
        if !std::mem::replace(&mut stack.told_end, true) {
            sink.ended(&stack.info);
        }
        // Only packets of its own need it, and only where they are looked at.
        if self.shared.wants(Level::Packet) {
            let from_a = stack.side(true);
            self.gone.bury(stack.info, from_a);
        }
    }
}
