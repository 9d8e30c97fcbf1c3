//! The engine: from packets to events.
//!
//! It keeps for each conversation its reassembly and its stack of machines,
//! finds out who speaks what, numbers what comes out, and stays within its
//! budget. Machines share nothing; what a packet brought forth is put in order
//! (frames, messages, exchanges) and numbered when the packet is done.
//!
//! ```text
//!  Engine::packet ─► flow table ─► Stack (conversation.rs) ─► Node (node/) ─► machines
//!                                     reassembly of one         a stream, and
//!                                     conversation              those above it
//!                                                                     │ events
//!  EventSink (sink.rs) ◄─ numbering.rs ◄─ Shared (shared.rs) ◄────────┘
//! ```

mod across;
mod budget;
mod clock;
mod conversation;
pub mod decode_as;
pub mod fields;
pub mod findings;
mod gone;
mod kept;
pub mod lineage;
mod node;
mod numbering;
mod opaque;
mod options;
mod packet;
pub mod polling;
mod replay;
mod shards;
mod shared;
mod sink;
pub mod specimen;
mod waiting;

use crate::base::limits::{FLOW_PARTS, MAX_CONVERSATIONS};
use crate::base::{Moment, PacketId};
use crate::capture::{Batch, Packet, TLS_KEY_LOG};
use crate::event::Level;
use crate::finding::Finding;
use crate::flow::{FlowTable, Found as Place, SegmentNotes, SlotId};
use crate::link::{Content, Decoded, Decoder, Endpoints, PayloadOrigin, TcpFlags};

pub use conversation::{Birth, ConversationInfo};
pub use decode_as::{DecodeAs, Rule};
pub use options::Options;
pub use replay::Replay;
pub use shards::{Brought, Looks, Merge, Shard};
pub use shared::Ledger;
pub use sink::{Checkpoint, EventSink, FindingEvent};

use conversation::Stack;
use gone::Gone;
use numbering::{Numbering, numbered};
use packet::Relation;
use shards::Share;
use shared::Shared;

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
    clock: clock::Clock,
    finished: bool,
    waiting: waiting::Waiting,
    /// Only these conversations are its own; `None` where all are.
    share: Option<Share>,
    /// Packets that were its own.
    own_packets: u64,
    /// It would have to let go of state, which is for one who has all conversations.
    overfull: bool,
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
            clock: clock::Clock::default(),
            finished: false,
            waiting: waiting::Waiting::default(),
            share: None,
            own_packets: 0,
            overfull: false,
        }
    }

    /// An engine for some of the conversations, which nobody looks at across.
    fn sharing(options: Options, share: Share) -> Self {
        let state_bytes = options.state_bytes / share.of;
        let mut engine = Self::new(Options { state_bytes, ..options });
        engine.flows = FlowTable::with_capacity(MAX_CONVERSATIONS / share.of);
        engine.numbering = Numbering::alone();
        engine.share = Some(share);
        engine
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
        self.arrives(Moment { packet: packet.meta.id, time: packet.meta.time });
        if self.flows.is_due(self.shared.now.time) {
            (0..FLOW_PARTS).for_each(|part| self.sweep(part, sink));
        }
        self.work(packet, true, sink);
    }

    /// The next packet is there.
    #[inline]
    fn arrives(&mut self, now: Moment) {
        self.shared.now = now;
        self.clock.packet(now);
        self.packets += 1;
    }

    /// Lets those of a part of the table go that have been over long enough.
    fn sweep(&mut self, part: usize, sink: &mut dyn EventSink) {
        self.flows.sweep(part, self.shared.now.time);
        self.let_go(sink);
    }

    /// Works on the packet that has arrived, where it is its own: that is asked unless it is known.
    fn work(&mut self, packet: &Packet<'_>, asks: bool, sink: &mut dyn EventSink) {
        let mut decoder = self.decoder.take().unwrap_or_default();
        let now = self.shared.now;
        let decoded =
            decoder.decode(packet.meta.link.0, packet.data, packet.meta.original_len, now);
        let mut share = self.share.as_mut().filter(|_| asks);
        if share.as_mut().is_none_or(|s| s.has(&decoded, packet.data)) {
            self.own_packets += 1;
            self.decoded(packet, &decoded, sink);
        }
        drop(decoded);
        self.tell_lost(&mut decoder);
        self.decoder = Some(decoder);
        self.flush(None, sink);
    }

    /// The packet that has arrived is another's, and no fragment.
    fn pass(&mut self, sink: &mut dyn EventSink) {
        let mut decoder = self.decoder.take().unwrap_or_default();
        decoder.pass(self.shared.now);
        self.tell_lost(&mut decoder);
        self.decoder = Some(decoder);
        self.flush(None, sink);
    }

    /// Whether packets that pass may make it tell something.
    fn holds_fragments(&self) -> bool {
        self.decoder.as_ref().is_some_and(|d| !d.is_idle())
    }

    /// Says what the decoder has given up.
    fn tell_lost(&mut self, decoder: &mut Decoder) {
        if decoder.is_idle() {
            return;
        }
        let lost = decoder.take_lost();
        if self.tells_of_all() {
            for (_, f) in lost {
                self.shared.finding(f, "ip");
            }
        }
    }

    /// Whether it tells what is no conversation's.
    fn tells_of_all(&self) -> bool {
        self.share.as_ref().is_none_or(|s| s.index == 0)
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
        // Who had to leave early, for one that is over now.
        self.let_go(sink);
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

    /// The capture has ended: what is open ends too.
    pub fn finish(&mut self, sink: &mut dyn EventSink) {
        if std::mem::replace(&mut self.finished, true) {
            return;
        }
        self.no_more_packets(sink);
        self.let_go(sink);
        self.numbering.finish(sink);
    }

    /// No packet comes any more: all conversations leave the table.
    fn no_more_packets(&mut self, sink: &mut dyn EventSink) {
        let mut decoder = self.decoder.take().unwrap_or_default();
        decoder.finish();
        self.tell_lost(&mut decoder);
        if self.tells_of_all()
            && let Some(f) = self.clock.finding()
        {
            self.shared.finding(f, "capture");
        }
        self.flush(None, sink);
        self.wait_no_more(sink);
        self.flows.finish();
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
