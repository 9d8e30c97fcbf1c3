//! The engine: from packets to events.
//!
//! It keeps for each conversation its reassembly and its stack of machines,
//! finds out who speaks what, numbers what comes out, and stays within its
//! budget. Machines share nothing; what a packet brought forth is put in order
//! (frames, messages, exchanges) and numbered when the packet is done.

mod conversation;
pub mod fields;
pub mod findings;
mod node;
mod opaque;
mod packet;
mod replay;
mod shared;

use std::sync::Arc;

use crate::base::limits::{DEFAULT_STATE_BYTES, PAYLOAD_BYTES};
use crate::base::{ConversationId, EventId, Moment, PacketId, Side};
use crate::capture::{Batch, Packet};
use crate::event::{Event, Level};
use crate::finding::Finding;
use crate::flow::{FlowTable, RunOrigin, SegmentNotes, Transport};
use crate::link::{Content, Decoded, Decoder, PayloadOrigin};
use crate::proto::{EndCause, PayloadDecoder};

pub use conversation::{Birth, ConversationInfo};
pub use replay::Replay;
pub use shared::Ledger;

use conversation::Conversation;
use shared::{Found, Shared};

/// How often the memory of a conversation is counted anew, in its packets.
const MEASURE_EVERY: u64 = 256;

/// What the engine is to do.
pub struct Options {
    /// Levels whose events carry a detail, by `Level as usize`.
    pub wanted: [bool; 5],
    /// Bytes of a payload kept for a detail.
    pub payload_cap: usize,
    /// Bytes of state that open conversations may hold (`--mem`).
    pub state_bytes: usize,
    /// Payload decoders.
    pub decoders: Arc<Vec<Box<dyn PayloadDecoder>>>,
    /// Keep checkpoints (see [`EventSink::checkpoint`]).
    pub checkpoints: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            wanted: [false; 5],
            payload_cap: PAYLOAD_BYTES,
            state_bytes: DEFAULT_STATE_BYTES,
            decoders: Arc::new(crate::proto::decoders()),
            checkpoints: false,
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
}

/// Takes what the engine brings forth, in order.
pub trait EventSink {
    /// An event; packet events only where they are wanted.
    fn event(&mut self, event: Event, conversation: Option<&ConversationInfo>);

    /// A finding: those of events follow their event.
    fn finding(&mut self, found: FindingEvent, conversation: Option<&ConversationInfo>);

    /// A packet was worked on; it belongs to the conversation, and so do the
    /// earlier packets whose fragments it completed.
    fn packet(&mut self, _packet: &Packet<'_>, _conversation: Option<ConversationId>, _with: &[PacketId]) {}

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
    state: Box<Conversation>,
}

impl Checkpoint {
    /// Whose it is.
    #[must_use]
    pub const fn conversation(&self) -> ConversationId {
        self.state.info.id
    }

    /// Memory held, in bytes.
    #[must_use]
    pub const fn memory(&self) -> usize {
        self.state.memory
    }
}

/// From packets to events.
pub struct Engine {
    options: Options,
    decoder: Decoder,
    flows: FlowTable,
    conversations: Vec<Option<Box<Conversation>>>,
    /// Conversations per transport so far.
    counted: [u32; 2],
    shared: Shared,
    next_event: u64,
    /// Memory of all conversations at their last count.
    memory: usize,
    /// Inflated bytes in all.
    inflated: u64,
    packets: u64,
    finished: bool,
}

impl Engine {
    /// An engine at the beginning of a capture.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let shared = Shared::new(&options);
        Self {
            options,
            decoder: Decoder::new(),
            flows: FlowTable::new(),
            conversations: Vec::new(),
            counted: [0; 2],
            shared,
            next_event: 1,
            memory: 0,
            inflated: 0,
            packets: 0,
            finished: false,
        }
    }

    /// Works on a batch.
    pub fn batch(&mut self, batch: &Batch, sink: &mut dyn EventSink) {
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
        // The decoder lends its buffer of a reassembled datagram: taken out for
        // the time of the call.
        let mut decoder = std::mem::take(&mut self.decoder);
        let decoded = decoder.decode(packet.meta.link.0, packet.data, packet.meta.original_len, now);
        self.decoded(packet, &decoded, sink);
        drop(decoded);
        self.decoder = decoder;
    }

    fn decoded(&mut self, packet: &Packet<'_>, decoded: &Decoded<'_>, sink: &mut dyn EventSink) {
        for f in &decoded.findings {
            self.shared.finding(f.clone(), "ip");
        }
        let place = self.flows.find(decoded, self.shared.now);
        let Some(place) = place else {
            if self.shared.wants(Level::Packet) {
                let draft = packet::draft(packet, decoded, None, SegmentNotes::default());
                self.shared.emit(draft);
            }
            sink.packet(packet, None, &[]);
            self.flush(None, sink);
            return;
        };
        let index = self.conversation(&place, decoded);
        let Some(Some(c)) = self.conversations.get_mut(index) else {
            return;
        };
        let (notes, pieces) = match &decoded.content {
            Content::Tcp(segment) => {
                (c.segment(place.from_a, segment, &mut self.shared), &segment.origin)
            }
            Content::Udp(datagram) => {
                let origin = match &datagram.origin {
                    PayloadOrigin::Packet(at) => {
                        RunOrigin::Packet { moment: self.shared.now, at: *at }
                    }
                    PayloadOrigin::Pieces(p) => RunOrigin::Pieces(p),
                };
                c.datagram(place.from_a, datagram.payload, origin, &mut self.shared);
                (SegmentNotes::default(), &datagram.origin)
            }
            _ => return,
        };
        if self.shared.wants(Level::Packet) {
            let side = c.side(place.from_a);
            let draft = packet::draft(packet, decoded, Some((&c.info, side)), notes);
            self.shared.emit(draft);
        }
        let with: Vec<PacketId> = match pieces {
            PayloadOrigin::Packet(_) => Vec::new(),
            PayloadOrigin::Pieces(p) => p.iter().map(|(_, m)| m.packet).collect(),
        };
        sink.packet(packet, Some(c.info.id), &with);
        self.settle(index, sink);
    }

    /// The conversation of a packet; a new one where there is none yet.
    fn conversation(&mut self, place: &crate::flow::Place, decoded: &Decoded<'_>) -> usize {
        let index = place.conversation.0.saturating_sub(1) as usize;
        if place.is_new
            && let Some(e) = &decoded.endpoints
        {
            let transport = place.transport;
            let count = match transport {
                Transport::Tcp => &mut self.counted[0],
                Transport::Udp => &mut self.counted[1],
            };
            let number = *count;
            *count += 1;
            let (a, b) = (e.source.into(), e.destination.into());
            let a_is_client = place.a_is_client.unwrap_or_else(|| place.guess_a_is_client());
            let birth = Birth { ends: [a, b], a_is_client, known: place.a_is_client.is_some() };
            let info = ConversationInfo::new(
                place.conversation,
                transport,
                number,
                birth,
                self.shared.now,
            );
            self.conversations.resize_with(index + 1, || None);
            if let Some(slot) = self.conversations.get_mut(index) {
                *slot = Some(Box::new(Conversation::new(info)));
            }
        }
        index
    }

    /// After a packet: numbers and hands out what it brought forth, counts
    /// memory, keeps a checkpoint.
    fn settle(&mut self, index: usize, sink: &mut dyn EventSink) {
        self.inflated += std::mem::take(&mut self.shared.inflated);
        self.flush(Some(index), sink);
        let Some(Some(c)) = self.conversations.get_mut(index) else {
            return;
        };
        if c.info.closed && !c.told_end {
            c.told_end = true;
            self.memory = self.memory.saturating_sub(c.memory);
            c.memory = 0;
            sink.ended(&c.info);
        } else if c.info.packets.is_multiple_of(MEASURE_EVERY) {
            let before = c.memory;
            self.memory = (self.memory + c.measure()).saturating_sub(before);
            if self.memory > self.options.state_bytes {
                self.evict(sink);
            }
        }
        if self.options.checkpoints
            && let Some(Some(c)) = self.conversations.get_mut(index)
            && c.since_checkpoint >= crate::base::limits::CHECKPOINT_BYTES
            && !c.info.closed
            && let Some(mut state) = c.fork()
        {
            c.since_checkpoint = 0;
            state.measure();
            sink.checkpoint(Checkpoint { after: self.shared.now.packet, state: Box::new(state) });
        }
    }

    /// Lets go of the state of the conversations that have been silent longest,
    /// until a quarter of the budget is free.
    fn evict(&mut self, sink: &mut dyn EventSink) {
        let mut by_age: Vec<(Moment, usize)> = self
            .conversations
            .iter()
            .enumerate()
            .filter_map(|(i, c)| c.as_ref().map(|c| (i, c)))
            .filter(|(_, c)| !c.info.closed)
            .map(|(i, c)| (c.info.last, i))
            .collect();
        by_age.sort_unstable();
        let enough = self.options.state_bytes / 4 * 3;
        for (_, index) in by_age {
            if self.memory <= enough {
                break;
            }
            let Some(Some(c)) = self.conversations.get_mut(index) else { continue };
            self.memory = self.memory.saturating_sub(c.measure());
            self.shared.finding(Finding::new(&findings::EVICTED), "framescope");
            c.finish(EndCause::Evicted, &mut self.shared);
            self.settle(index, sink);
        }
    }

    /// The capture has ended: what is open ends too.
    pub fn finish(&mut self, sink: &mut dyn EventSink) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        for f in self.decoder.finish() {
            self.shared.finding(f, "ip");
        }
        self.flush(None, sink);
        for index in 0..self.conversations.len() {
            if let Some(Some(c)) = self.conversations.get_mut(index) {
                c.finish(EndCause::CaptureEnded, &mut self.shared);
                self.settle(index, sink);
            }
        }
    }

    /// Numbers and hands out what came of one packet, parts before wholes.
    fn flush(&mut self, index: Option<usize>, sink: &mut dyn EventSink) {
        if self.shared.found.is_empty() {
            return;
        }
        let info = index
            .and_then(|i| self.conversations.get(i))
            .and_then(|c| c.as_ref())
            .map(|c| &c.info);
        let mut found = std::mem::take(&mut self.shared.found);
        if found.len() > 1 {
            found.sort_by_key(|f| match f {
                Found::Event(d) => d.level,
                Found::Finding { .. } => Level::Packet,
            });
        }
        for f in found.drain(..) {
            match f {
                Found::Event(draft) => self.hand_out(draft, info, sink),
                Found::Finding { finding, protocol, at } => sink.finding(
                    FindingEvent {
                        finding,
                        protocol,
                        event: None,
                        at,
                        packets: if at.packet.0 == 0 { Vec::new() } else { vec![at.packet] },
                        stream: None,
                        sender: None,
                    },
                    info,
                ),
            }
        }
        self.shared.found = found;
    }

    fn hand_out(
        &mut self,
        draft: crate::event::Draft,
        info: Option<&ConversationInfo>,
        sink: &mut dyn EventSink,
    ) {
        let id = if draft.level == Level::Packet {
            EventId(0)
        } else {
            let id = EventId(self.next_event);
            self.next_event += 1;
            id
        };
        let event = Event { id, conversation: info.map(|i| i.id), draft };
        if event.draft.findings.is_empty() {
            sink.event(event, info);
            return;
        }
        let found: Vec<FindingEvent> = event
            .draft
            .findings
            .iter()
            .map(|f| FindingEvent {
                finding: f.clone(),
                protocol: event.draft.protocol,
                event: (id.0 > 0).then_some(id),
                at: event.draft.end,
                packets: event.packets(),
                stream: event.draft.stream,
                sender: event.draft.sender,
            })
            .collect();
        sink.event(event, info);
        for f in found {
            sink.finding(f, info);
        }
    }

    /// Bytes that were inflated so far.
    #[must_use]
    pub const fn inflated(&self) -> u64 {
        self.inflated
    }

    /// What is known of a conversation.
    #[must_use]
    pub fn conversation_info(&self, id: ConversationId) -> Option<&ConversationInfo> {
        let index = usize::try_from(id.0.checked_sub(1)?).ok()?;
        self.conversations.get(index)?.as_ref().map(|c| &c.info)
    }

    /// What is known of all conversations.
    pub fn conversations(&self) -> impl Iterator<Item = &ConversationInfo> {
        self.conversations.iter().flatten().map(|c| &c.info)
    }
}
