//! The engine: from packets to events.
//!
//! It keeps for each conversation its reassembly and its stack of machines,
//! finds out who speaks what, numbers what comes out, and stays within its
//! budget. Machines share nothing; what a packet brought forth is put in order
//! (frames, messages, exchanges) and numbered when the packet is done.

mod across;
mod conversation;
pub mod decode_as;
pub mod fields;
pub mod findings;
mod gone;
mod kept;
pub mod lineage;
mod node;
mod opaque;
mod packet;
pub mod polling;
mod replay;
mod shared;
pub mod specimen;
mod waiting;

use std::sync::Arc;

use crate::base::limits::{DEFAULT_STATE_BYTES, PAYLOAD_BYTES};
use crate::base::{ConversationId, EventId, Moment, PacketId, Side};
use crate::capture::{Batch, Packet, Processes, TLS_KEY_LOG};
use crate::event::{Event, Level};
use crate::finding::Finding;
use crate::flow::{Flow, FlowTable, Found as Place, Released, SegmentNotes, SlotId, Why};
use crate::link::{Content, Decoded, Decoder, Endpoints, PayloadOrigin, TcpFlags};
use crate::proto::protobuf::Learnt;
use crate::proto::{EndCause, PayloadDecoder, Protocol, REGISTRY, Secrets};

pub use conversation::{Birth, ConversationInfo};
pub use decode_as::{DecodeAs, Rule};
pub use replay::Replay;
pub use shared::Ledger;

use across::{Across, Analyses};
use conversation::Stack;
use gone::Gone;
use packet::Relation;
use shared::{First, Shared};

/// After how many bytes the memory of a conversation is measured anew. Until then
/// all that has come counts as held: many small ones add up.
const MEASURE_EVERY: usize = 256 << 10;
/// The first packets, after each of which a conversation is measured: it is small,
/// and what the protocols that are found on it set up is not among the bytes.
const MEASURE_FIRST: u64 = 16;
/// What a packet may cost beside its bytes: its place in the maps.
const PACKET_OVERHEAD: usize = 128;

/// What the engine is to do.
#[derive(Clone)]
pub struct Options {
    /// Levels whose events carry a detail, by `Level as usize`.
    pub wanted: [bool; 5],
    /// Bytes of a payload kept for a detail.
    pub payload_cap: usize,
    /// Bytes of state that open conversations may hold (`--mem`).
    pub state_bytes: usize,
    /// Payload decoders.
    pub decoders: Arc<Vec<Box<dyn PayloadDecoder>>>,
    /// The protocols that are asked who knows a stream, in this order.
    pub registry: &'static [&'static Protocol],
    /// Keep checkpoints (see [`EventSink::checkpoint`]).
    pub checkpoints: bool,
    /// Which conversations begin with a protocol that is told rather than found;
    /// the last rule that fits counts.
    pub decode_as: Vec<Rule>,
    /// Secrets of encrypted sessions; those in the capture itself are added to them.
    pub secrets: Arc<Secrets>,
    /// Learns from the messages of calls what their schemas are: one reading of the
    /// capture does, and no replay.
    pub learn: Option<Arc<Learnt>>,
    /// Whose the ends of connections are, where that is known while they are captured.
    pub processes: Option<Arc<Processes>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            wanted: [false; 5],
            payload_cap: PAYLOAD_BYTES,
            state_bytes: DEFAULT_STATE_BYTES,
            decoders: Arc::new(crate::proto::decoders()),
            registry: REGISTRY,
            checkpoints: false,
            decode_as: Vec::new(),
            secrets: Arc::default(),
            learn: None,
            processes: None,
        }
    }
}

impl Options {
    /// With details at these levels.
    #[must_use]
    pub fn wanting(mut self, levels: &[Level]) -> Self {
        for l in levels {
            if let Some(w) = self.wanted.get_mut(*l as usize) {
                *w = true;
            }
        }
        self
    }
}

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
    /// An event; packet events only where they are wanted.
    fn event(&mut self, event: Event, conversation: Option<&ConversationInfo>);

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

    /// A conversation has ended.
    fn ended(&mut self, _conversation: &ConversationInfo) {}
}

/// A copy of the state of a conversation between two of its packets.
pub struct Checkpoint {
    /// The last packet that went into it.
    pub after: PacketId,
    flow: Flow,
    stack: Box<Stack>,
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

/// From packets to events.
pub struct Engine {
    options: Options,
    /// Taken out while it lends what it has put together.
    decoder: Option<Box<Decoder>>,
    flows: FlowTable<Option<Box<Stack>>>,
    shared: Shared,
    numbering: Numbering,
    /// Conversations that have left, for their late packets.
    gone: Gone,
    /// Memory of all conversations at their last count.
    memory: usize,
    /// Inflated bytes in all.
    inflated: u64,
    packets: u64,
    finished: bool,
    waiting: waiting::Waiting,
}

impl Engine {
    /// An engine at the beginning of a capture.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let mut shared = Shared::new(&options);
        shared.learn = options.learn.clone();
        Self {
            options,
            decoder: Some(Box::default()),
            flows: FlowTable::new(),
            shared,
            numbering: Numbering::across(),
            gone: Gone::default(),
            memory: 0,
            inflated: 0,
            packets: 0,
            finished: false,
            waiting: waiting::Waiting::default(),
        }
    }

    /// Works on a batch.
    pub fn batch(&mut self, batch: &Batch, sink: &mut dyn EventSink) {
        for s in &batch.secrets {
            if s.kind == TLS_KEY_LOG {
                self.options.secrets.add(&s.data);
            }
        }
        let mut odd = batch.findings.iter().peekable();
        for p in batch.packets() {
            while let Some((_, f)) = odd.next_if(|(at, _)| *at <= p.meta.id) {
                self.capture_finding(f, sink);
            }
            self.packet(&p, sink);
        }
        for (_, f) in odd {
            self.capture_finding(f, sink);
        }
        self.look_for_secrets(0, sink);
    }

    fn capture_finding(&mut self, finding: &Finding, sink: &mut dyn EventSink) {
        self.shared.finding(finding.clone(), "capture");
        self.flush(None, sink);
    }

    /// Works on a packet.
    pub fn packet(&mut self, packet: &Packet<'_>, sink: &mut dyn EventSink) {
        let now = Moment { packet: packet.meta.id, time: packet.meta.time };
        self.shared.now = now;
        self.packets += 1;
        let mut decoder = self.decoder.take().unwrap_or_default();
        let decoded =
            decoder.decode(packet.meta.link.0, packet.data, packet.meta.original_len, now);
        self.decoded(packet, &decoded, sink);
        drop(decoded);
        for (_, f) in decoder.take_lost() {
            self.shared.finding(f, "ip");
        }
        self.decoder = Some(decoder);
        self.flush(None, sink);
    }

    fn decoded(&mut self, packet: &Packet<'_>, decoded: &Decoded<'_>, sink: &mut dyn EventSink) {
        for f in &decoded.findings {
            self.shared.finding(f.clone(), "ip");
        }
        let now = self.shared.now;
        let place = match (&decoded.endpoints, &decoded.content) {
            (Some(ends), Content::Tcp(s)) => Some((ends, self.flows.tcp(ends, s, now))),
            (Some(ends), Content::Udp(_)) => Some((ends, self.flows.udp(ends, now))),
            _ => None,
        };
        let place = match (place, &decoded.content) {
            (Some((ends, Place::Live { slot, .. })), Content::Tcp(s))
                if self.makes_room(slot, &decoded.content, sink) =>
            {
                Some((ends, self.flows.tcp(ends, s, now)))
            }
            (place, _) => place,
        };
        self.let_go(sink);
        match place {
            Some((ends, Place::Live { slot, from_a, new })) => {
                if new {
                    self.begin(slot, ends, decoded);
                }
                self.live(packet, decoded, slot, from_a, sink);
            }
            // Late segments of a connection that is over: its own, but no bytes of its streams.
            Some((_, Place::Gone { id, from_a, syn, .. })) => {
                let late = self.gone.get(id);
                if self.shared.wants(Level::Packet) {
                    let whose = late.map(|g| (&g.info, g.side(from_a)));
                    let [a, b] = syn;
                    let relation = Relation::Late(if from_a { [a, b] } else { [b, a] });
                    self.shared.emit(packet::draft(packet, decoded, whose, &relation));
                }
                sink.packet(packet, None, &[]);
                let info = late.map(|g| &g.info);
                numbered(&mut self.shared, &mut self.numbering, info, sink);
            }
            None => {
                if self.shared.wants(Level::Packet) {
                    self.shared.emit(packet::draft(packet, decoded, None, &Relation::None));
                }
                sink.packet(packet, None, &[]);
                self.flush(None, sink);
            }
        }
    }

    /// A packet of a conversation that has state.
    fn live(
        &mut self,
        packet: &Packet<'_>,
        decoded: &Decoded<'_>,
        slot: SlotId,
        from_a: bool,
        sink: &mut dyn EventSink,
    ) {
        if self.park(packet, decoded, slot, from_a, sink) {
            return;
        }
        self.be_patient(slot);
        let Some(c) = self.flows.get_mut(slot) else { return };
        let Some(stack) = &mut c.state else { return };
        if let Some(known) = &self.options.processes {
            stack.info.ask_whose(known);
        }
        let next = &mut self.numbering;
        let hand_out = &mut |shared: &mut Shared, info: &ConversationInfo| {
            numbered(shared, next, Some(info), sink);
        };
        let (notes, origin) = match &decoded.content {
            Content::Tcp(s) => {
                (stack.segment(&mut c.flow, from_a, s, &mut self.shared, hand_out), &s.origin)
            }
            Content::Udp(d) => {
                stack.datagram(&mut c.flow, from_a, d, &mut self.shared);
                (SegmentNotes::default(), &d.origin)
            }
            _ => return,
        };
        if self.shared.wants(Level::Packet) {
            let whose = Some((&stack.info, stack.side(from_a)));
            let relation = match &decoded.content {
                Content::Tcp(_) => Relation::Judged(notes),
                _ => Relation::None,
            };
            self.shared.emit(packet::draft(packet, decoded, whose, &relation));
        }
        let with: Vec<PacketId> = match origin {
            PayloadOrigin::Packet(_) => Vec::new(),
            PayloadOrigin::Pieces(p) => p.iter().map(|(_, m)| m.packet).collect(),
        };
        sink.packet(packet, Some(stack.info.id), &with);
        self.inflated += std::mem::take(&mut self.shared.inflated);
        let info = &stack.info;
        // What a packet brings is put in order when it has been worked on as a whole.
        if !self.shared.awaits_secrets {
            numbered(&mut self.shared, &mut self.numbering, Some(info), sink);
        }
        self.waits_now(slot);
        self.after(slot, packet.data.len(), sink);
        self.flows.fed(slot, self.shared.now);
    }

    /// The state of a new conversation.
    fn begin(&mut self, slot: SlotId, ends: &Endpoints, decoded: &Decoded<'_>) {
        let now = self.shared.now;
        let Some(c) = self.flows.get_mut(slot) else { return };
        let syn = match &decoded.content {
            Content::Tcp(s) if s.flags.has(TcpFlags::SYN) => Some(!s.flags.has(TcpFlags::ACK)),
            _ => None,
        };
        let guess = c.client().0 == crate::flow::Dir::AtoB;
        let birth = Birth {
            ends: [ends.source.into(), ends.destination.into()],
            a_is_client: syn.unwrap_or(guess),
            known: syn.is_some(),
        };
        let info = ConversationInfo::new(c.id, c.transport, c.number, birth, now);
        let read = DecodeAs::by_rules(&self.options.decode_as, &info);
        let mut stack = Stack::new(info);
        stack.decode_as(read, &mut self.shared);
        c.state = Some(Box::new(stack));
    }

    /// After a packet of a conversation: counts memory, keeps a checkpoint.
    fn after(&mut self, slot: SlotId, bytes: usize, sink: &mut dyn EventSink) {
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
    fn let_go(&mut self, sink: &mut dyn EventSink) {
        while let Some(Released { mut conversation, why }) = self.flows.next_released() {
            let Some(mut stack) = conversation.state.take() else { continue };
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

    /// The capture has ended: what is open ends too.
    pub fn finish(&mut self, sink: &mut dyn EventSink) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        let mut decoder = self.decoder.take().unwrap_or_default();
        decoder.finish();
        for (_, f) in decoder.take_lost() {
            self.shared.finding(f, "ip");
        }
        self.flush(None, sink);
        self.wait_no_more(sink);
        self.flows.finish();
        self.let_go(sink);
        self.numbering.finish(sink);
    }

    fn flush(&mut self, info: Option<&ConversationInfo>, sink: &mut dyn EventSink) {
        numbered(&mut self.shared, &mut self.numbering, info, sink);
    }

    /// Bytes that were inflated so far.
    #[must_use]
    pub const fn inflated(&self) -> u64 {
        self.inflated
    }

    /// What is known of the conversations that have state.
    pub fn conversations(&self) -> impl Iterator<Item = &ConversationInfo> {
        self.flows.iter().filter_map(|c| c.state.as_ref()).map(|s| &s.info)
    }
}

/// A checkpoint behind the packet `after`, where one is due and can be had.
fn due(stack: &mut Stack, flow: &Flow, after: PacketId) -> Option<Checkpoint> {
    if stack.info.closed || stack.since_checkpoint < crate::base::limits::CHECKPOINT_BYTES {
        return None;
    }
    let mut copy = stack.fork()?;
    stack.since_checkpoint = 0;
    copy.measure(flow);
    Some(Checkpoint { after, flow: flow.clone(), stack: Box::new(copy) })
}

/// Numbers events, and has them looked at across conversations.
struct Numbering {
    next_event: u64,
    /// `None` where one conversation is run alone.
    analyses: Option<Analyses>,
    /// What these have found of the event in hand.
    found: Vec<Across>,
}

impl Numbering {
    /// For one conversation.
    const fn alone() -> Self {
        Self { next_event: 1, analyses: None, found: Vec::new() }
    }

    /// For all of them.
    fn across() -> Self {
        Self { analyses: Some(Analyses::new()), ..Self::alone() }
    }

    /// An event that has its number.
    fn hand_out(
        &mut self,
        event: Event,
        info: Option<&ConversationInfo>,
        sink: &mut dyn EventSink,
    ) {
        self.look(&event, info);
        hand_out(event, info, sink);
        self.tell(sink);
    }

    /// An event is about to be handed out.
    fn look(&mut self, event: &Event, info: Option<&ConversationInfo>) {
        if event.draft.facts.is_some()
            && let Some(a) = &mut self.analyses
        {
            a.event(event, info, &mut self.found);
        }
    }

    /// Hands out what the analyses found.
    fn tell(&mut self, sink: &mut dyn EventSink) {
        if self.found.is_empty() {
            return;
        }
        for f in self.found.drain(..) {
            sink.finding(f.finding, Some(&f.info));
        }
    }

    /// The capture has ended.
    fn finish(&mut self, sink: &mut dyn EventSink) {
        if let Some(a) = &mut self.analyses {
            a.finish(&mut self.found);
        }
        self.tell(sink);
    }
}

/// Numbers and hands out what came of one packet, parts before wholes.
fn numbered(
    shared: &mut Shared,
    numbering: &mut Numbering,
    info: Option<&ConversationInfo>,
    sink: &mut dyn EventSink,
) {
    if shared.found.is_empty() {
        return;
    }
    let conversation = info.map(|i| i.id);
    let mut found = std::mem::take(&mut shared.found);
    for f in found.first.drain(..) {
        match f {
            First::Packet(draft) => {
                let event = Event { id: EventId(0), conversation, draft: *draft };
                numbering.hand_out(event, info, sink);
            }
            First::Finding { finding, protocol, sender, at } => sink.finding(
                FindingEvent {
                    packets: match (finding.proof.is_empty(), at.packet.0) {
                        (false, _) => finding.proof.clone(),
                        (true, 0) => Vec::new(),
                        (true, _) => vec![at.packet],
                    },
                    finding,
                    protocol,
                    event: None,
                    at,
                    stream: None,
                    sender,
                    across: false,
                },
                info,
            ),
        }
    }
    for events in &mut found.events {
        // Numbered where they lie, and not copied for it.
        for event in events.iter_mut() {
            event.id = EventId(numbering.next_event);
            event.conversation = conversation;
            numbering.next_event += 1;
        }
        for event in events.drain(..) {
            numbering.hand_out(event, info, sink);
        }
    }
    shared.found = found;
}

/// An event, and behind it its findings.
fn hand_out(event: Event, info: Option<&ConversationInfo>, sink: &mut dyn EventSink) {
    if event.draft.findings.is_empty() {
        sink.event(event, info);
        return;
    }
    let packets = event.packets();
    let (id, draft) = (event.id, &event.draft);
    let found: Vec<FindingEvent> = draft
        .findings
        .iter()
        .map(|f| FindingEvent {
            finding: f.clone(),
            protocol: draft.protocol,
            event: (id.0 > 0).then_some(id),
            at: draft.end,
            packets: if f.proof.is_empty() { packets.clone() } else { f.proof.clone() },
            stream: draft.stream,
            sender: draft.sender,
            across: false,
        })
        .collect();
    sink.event(event, info);
    for f in found {
        sink.finding(f, info);
    }
}
