//! Connections that wait for the secrets which open them.
//!
//! While packets are captured, keys come as they please. What a machine cannot open yet
//! stops its conversation: its packets are kept as they are, and the others go on. When
//! the secrets have come, the packets are worked on in their order, as if nothing had been:
//! what comes of them is what would have come of them then, later. That a conversation
//! waits has an end, in time and in bytes ([`MAX_SECRET_WAIT_NS`],
//! [`MAX_SECRET_WAIT_BYTES`]); from there on it waits no more, and what is encrypted is
//! shown so. Nothing is shown twice, and nothing is left out.

use std::collections::VecDeque;

use crate::base::limits::{MAX_SECRET_WAIT_BYTES, MAX_SECRET_WAIT_NS, SECRET_LOOK_NS};
use crate::base::{CaptureTime, ConversationId, Moment};
use crate::capture::{Packet, PacketMeta};
use crate::engine::conversation::{ConversationInfo, Stack};
use crate::engine::numbering::{Numbering, numbered};
use crate::engine::shared::{Found, Shared};
use crate::engine::sink::due;
use crate::engine::{Engine, EventSink};
use crate::flow::{Flow, SlotId};
use crate::link::{Content, Decoded, Decoder, PayloadOrigin, TcpFlags};

/// What a packet that is kept takes besides its bytes.
const EACH: usize = size_of::<Held>();

/// The packets of a conversation that waits.
pub(super) struct Parked {
    /// The packet that could not be opened.
    at: Moment,
    /// Which secrets there were when that was tried last.
    version: u64,
    packets: VecDeque<Held>,
    bytes: usize,
    /// What the packet has brought up to there.
    found: Found,
}

struct Held {
    meta: PacketMeta,
    data: Box<[u8]>,
    from_a: bool,
}

impl Parked {
    /// Memory held, in bytes.
    pub(super) const fn memory(&self) -> usize {
        self.bytes
    }
}

/// Who waits.
#[derive(Default)]
pub(super) struct Waiting {
    all: Vec<(SlotId, ConversationId)>,
    bytes: usize,
    looked: CaptureTime,
}

/// What working on kept packets takes, apart from the conversation.
struct Again<'a> {
    shared: &'a mut Shared,
    numbering: &'a mut Numbering,
    checkpoints: bool,
}

impl Again<'_> {
    /// Works on what was kept, as far as it can be opened; with `patient` unset all of it.
    fn run(&mut self, flow: &mut Flow, stack: &mut Stack, patient: bool, sink: &mut dyn EventSink) {
        let Some(mut parked) = stack.parked.take() else { return };
        let now = self.shared.now;
        stack.impatient |= !patient;
        self.shared.patient = patient;
        self.shared.awaits_secrets = false;
        self.shared.now = parked.at;
        self.shared.found = std::mem::take(&mut parked.found);
        let numbering = &mut *self.numbering;
        let hand_out = &mut |shared: &mut Shared, info: &ConversationInfo| {
            numbered(shared, numbering, Some(info), sink);
        };
        stack.retry(self.shared, hand_out);
        let mut decoder = Decoder::new();
        while !std::mem::take(&mut self.shared.awaits_secrets) {
            numbered(self.shared, self.numbering, Some(&stack.info), sink);
            let Some(held) = parked.packets.pop_front() else {
                self.shared.now = now;
                return;
            };
            parked.bytes -= held.data.len() + EACH;
            let (meta, at) = (held.meta, Moment { packet: held.meta.id, time: held.meta.time });
            self.shared.now = at;
            let decoded = decoder.decode(meta.link.0, &held.data, meta.original_len, at);
            if let Content::Tcp(s) = &decoded.content {
                let numbering = &mut *self.numbering;
                let hand_out = &mut |shared: &mut Shared, info: &ConversationInfo| {
                    numbered(shared, numbering, Some(info), sink);
                };
                stack.segment(flow, held.from_a, s, self.shared, hand_out);
            }
            parked.at = at;
            // Behind what the packet has brought.
            if self.checkpoints && !self.shared.awaits_secrets {
                numbered(self.shared, self.numbering, Some(&stack.info), sink);
                if let Some(checkpoint) = due(stack, flow, meta.id) {
                    sink.checkpoint(checkpoint);
                }
            }
        }
        self.shared.now = now;
        parked.found = std::mem::take(&mut self.shared.found);
        stack.parked = Some(parked);
    }
}

impl Engine {
    /// Before a packet of a conversation with state: whether its machines may wait for
    /// secrets.
    pub(super) fn be_patient(&mut self, slot: SlotId) {
        self.shared.awaits_secrets = false;
        // Packets are shown as they come.
        self.shared.patient =
            self.options.secrets.grows() && !self.shared.wants(crate::event::Level::Packet);
        if self.shared.patient {
            let stack = self.flows.get(slot).and_then(|c| c.state.as_ref());
            self.shared.patient = stack.is_some_and(|s| !s.impatient);
        }
    }

    /// After it: keeps what comes next, where they do wait.
    pub(super) fn waits_now(&mut self, slot: SlotId) {
        if !std::mem::take(&mut self.shared.awaits_secrets) {
            return;
        }
        let Some(stack) = self.flows.get_mut(slot).and_then(|c| c.state.as_mut()) else { return };
        let (at, version) = (self.shared.now, self.options.secrets.version());
        let found = std::mem::take(&mut self.shared.found);
        let packets = VecDeque::new();
        stack.parked = Some(Parked { at, version, packets, bytes: 0, found });
        self.waiting.all.push((slot, stack.info.id));
    }

    /// A segment that begins another connection on the ends of one that waits: that one
    /// must come to its end first. Gives whether it had to.
    pub(super) fn makes_room(
        &mut self,
        slot: SlotId,
        content: &Content<'_>,
        sink: &mut dyn EventSink,
    ) -> bool {
        let begins = matches!(content, Content::Tcp(s) if s.flags.has(TcpFlags::SYN)
            && !s.flags.has(TcpFlags::ACK));
        let waits = || self.flows.get(slot).is_some_and(|c| is_parked(c.state.as_deref()));
        if !begins || !waits() {
            return false;
        }
        self.go_on(slot, false, sink);
        true
    }

    /// Keeps a packet of a conversation that waits; gives whether it does.
    pub(super) fn park(
        &mut self,
        packet: &Packet<'_>,
        decoded: &Decoded<'_>,
        slot: SlotId,
        from_a: bool,
        sink: &mut dyn EventSink,
    ) -> bool {
        if self.waiting.all.is_empty()
            || !self.flows.get(slot).is_some_and(|c| is_parked(c.state.as_deref()))
        {
            return false;
        }
        // What was put together of fragments is here now, and cannot be had again.
        let whole = matches!(&decoded.content, Content::Tcp(s)
            if matches!(s.origin, PayloadOrigin::Packet(_)));
        if !whole {
            self.go_on(slot, false, sink);
            return false;
        }
        let Some(stack) = self.flows.get_mut(slot).and_then(|c| c.state.as_mut()) else {
            return false;
        };
        if let Some(known) = &self.options.processes {
            stack.info.ask_whose(known);
        }
        let id = stack.info.id;
        let Some(parked) = &mut stack.parked else { return false };
        let bytes = packet.data.len() + EACH;
        parked.packets.push_back(Held { meta: packet.meta, data: packet.data.into(), from_a });
        parked.bytes += bytes;
        self.waiting.bytes += bytes;
        sink.packet(packet, Some(id), &[]);
        // What was odd about the packet itself.
        numbered(&mut self.shared, &mut self.numbering, Some(&stack.info), sink);
        self.after(slot, packet.data.len(), sink);
        if self.waiting.bytes > MAX_SECRET_WAIT_BYTES {
            self.relieve(sink);
        } else if self.shared.now.time.since(self.waiting.looked) >= SECRET_LOOK_NS {
            self.look_for_secrets(0, sink);
        }
        true
    }

    /// Time has gone by since the last packet, in nanoseconds, and no packet has come: who
    /// waits for secrets may have waited long enough, or they have come.
    pub fn idle(&mut self, elapsed: u64, sink: &mut dyn EventSink) {
        self.look_for_secrets(elapsed, sink);
    }

    pub(super) fn look_for_secrets(&mut self, elapsed: u64, sink: &mut dyn EventSink) {
        if self.waiting.all.is_empty() {
            return;
        }
        self.options.secrets.look();
        let now = self.shared.now.time;
        self.waiting.looked = now;
        let version = self.options.secrets.version();
        for (slot, id) in self.waiting.all.clone() {
            let conversation = self.flows.get_mut(slot).filter(|c| c.id == id);
            let stack = conversation.and_then(|c| c.state.as_mut());
            let Some(parked) = stack.and_then(|s| s.parked.as_mut()) else { continue };
            let over = now.since(parked.at.time).saturating_add(elapsed) > MAX_SECRET_WAIT_NS;
            if over || std::mem::replace(&mut parked.version, version) != version {
                self.go_on(slot, !over, sink);
            }
        }
        self.count();
    }

    /// Nobody waits any longer.
    pub(super) fn wait_no_more(&mut self, sink: &mut dyn EventSink) {
        if !self.waiting.all.is_empty() {
            self.options.secrets.look();
        }
        for (slot, id) in std::mem::take(&mut self.waiting.all) {
            if self.flows.get(slot).is_some_and(|c| c.id == id) {
                self.go_on(slot, false, sink);
            }
        }
        self.count();
    }

    /// Too much is kept: who has most of it waits no longer.
    fn relieve(&mut self, sink: &mut dyn EventSink) {
        self.count();
        while self.waiting.bytes > MAX_SECRET_WAIT_BYTES / 2 {
            let most = self.waiting.all.iter().max_by_key(|(slot, _)| {
                let stack = self.flows.get(*slot).and_then(|c| c.state.as_ref());
                stack.and_then(|s| s.parked.as_ref()).map_or(0, |p| p.bytes)
            });
            let Some((slot, _)) = most.copied() else { return };
            self.go_on(slot, false, sink);
            self.count();
        }
    }

    /// Who still waits, and with how much.
    fn count(&mut self) {
        let Self { waiting, flows, .. } = self;
        waiting.bytes = 0;
        waiting.all.retain(|(slot, id)| {
            let stack = flows.get(*slot).filter(|c| c.id == *id).and_then(|c| c.state.as_ref());
            let parked = stack.and_then(|s| s.parked.as_ref());
            waiting.bytes += parked.map_or(0, |p| p.bytes);
            parked.is_some()
        });
    }

    /// Works on what a conversation has kept.
    fn go_on(&mut self, slot: SlotId, patient: bool, sink: &mut dyn EventSink) {
        // What the packet being worked on has brought stays apart.
        let apart = std::mem::take(&mut self.shared.found);
        let Some(c) = self.flows.get_mut(slot) else { return };
        let Some(stack) = &mut c.state else { return };
        let mut again = Again {
            shared: &mut self.shared,
            numbering: &mut self.numbering,
            checkpoints: self.options.checkpoints,
        };
        again.run(&mut c.flow, stack, patient, sink);
        self.shared.found = apart;
        self.inflated += std::mem::take(&mut self.shared.inflated);
        self.after(slot, 0, sink);
        self.flows.fed(slot, self.shared.now);
        self.let_go(sink);
    }

    /// The same, of one that has left the table.
    pub(super) fn go_on_outside(
        &mut self,
        flow: &mut Flow,
        stack: &mut Stack,
        sink: &mut dyn EventSink,
    ) {
        let checkpoints = self.options.checkpoints;
        let Self { shared, numbering, .. } = self;
        Again { shared, numbering, checkpoints }.run(flow, stack, false, sink);
    }
}

fn is_parked(stack: Option<&Stack>) -> bool {
    stack.is_some_and(|s| s.parked.is_some())
}
