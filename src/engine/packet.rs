//! Packet events: what one captured packet is.

use crate::base::{Buffer, Moment, Origins, PacketRange, PieceSource, Side};
use crate::capture::Packet;
use crate::engine::conversation::ConversationInfo;
use crate::engine::fields;
use crate::event::{Detail, Draft, Level, Payload};
use crate::field::Value;
use crate::flow::{SegmentNotes, Transport, fields as flow};
use crate::link::{Content, Decoded, SeqBase, TcpFlags, TcpSegment, dissect, summary};

/// What a segment is to its connection.
pub(super) enum Relation {
    /// Judged by its state.
    Judged(SegmentNotes),
    /// The connection is over, or its state was let go: numbers relative to the SYNs that
    /// were seen of the sender and of its peer.
    Late([Option<u32>; 2]),
    /// None.
    None,
}

impl Relation {
    /// Sequence number, acknowledgement number and window, as far as they are known.
    fn numbers(&self, s: &TcpSegment<'_>) -> (Option<i64>, Option<i64>, Option<u32>) {
        let (seq, ack, window) = match self {
            Self::Judged(n) => (Some(n.seq), n.ack, Some(n.window)),
            Self::Late([mine, peers]) => {
                let since = |n: u32, first: &Option<u32>| {
                    first.map(|first| i64::from(n.wrapping_sub(first)))
                };
                (since(s.seq, mine), since(s.ack, peers), None)
            }
            Self::None => return (None, None, None),
        };
        // Nothing is acknowledged: Wireshark, too, leaves the number as it stands.
        let raw = (!s.flags.has(TcpFlags::ACK)).then_some(i64::from(s.ack));
        (seq, raw.or(ack), window)
    }
}

/// The packet as an event with its detail.
pub(super) fn draft(
    packet: &Packet<'_>,
    decoded: &Decoded<'_>,
    conversation: Option<(&ConversationInfo, Side)>,
    relation: &Relation,
) -> Draft {
    let at = Moment { packet: packet.meta.id, time: packet.meta.time };
    let (protocol, kind) = match &decoded.content {
        Content::Tcp(_) => ("tcp", "segment"),
        Content::Udp(_) => ("udp", "datagram"),
        Content::Icmp(_) => ("icmp", "message"),
        Content::Fragment => ("ip", "fragment"),
        Content::Other(_) => ("other", "packet"),
    };
    let mut draft = Draft::new(Level::Packet, protocol, kind, at, at);
    draft.sender = conversation.map(|(_, side)| side);
    draft.length = packet.data.len() as u64;
    draft.findings.clone_from(&decoded.findings);
    let dissection = dissect(packet.meta.link.0, packet.data, packet.meta.original_len);
    let mut tree = dissection.tree;
    let on_wire = packet.meta.original_len.max(packet.meta.captured_len);
    tree.add(&fields::FRAME_LEN, None, Value::U64(u64::from(on_wire)));
    tree.add(&fields::FRAME_CAP_LEN, None, Value::U64(draft.length));
    if let Some((info, _)) = conversation {
        let spec = match info.transport {
            Transport::Tcp => &fields::TCP_STREAM,
            Transport::Udp => &fields::UDP_STREAM,
        };
        tree.add(spec, None, Value::U64(u64::from(info.index)));
    }
    let notes = match relation {
        Relation::Judged(notes) => *notes,
        Relation::Late(_) | Relation::None => SegmentNotes::default(),
    };
    let mut base = SeqBase::default();
    if let Content::Tcp(s) = &decoded.content {
        let len = (s.payload.len() as u64).saturating_add(u64::from(s.missing));
        tree.add(&flow::LEN, None, Value::U64(len));
        let (seq, ack, window) = relation.numbers(s);
        for (spec, number) in [(&flow::SEQ, seq), (&flow::ACK, ack)] {
            if let Some(n) = number {
                tree.add(spec, None, Value::I64(n));
            }
        }
        if let Some(w) = window {
            tree.add(&flow::WINDOW, None, Value::U64(u64::from(w)));
        }
        // Relative numbers do not wrap; their difference from the raw ones does.
        let first = |raw: u32, n: Option<i64>| n.map_or(0, |n| raw.wrapping_sub(n as u32));
        base = SeqBase { seq: first(s.seq, seq), ack: first(s.ack, ack) };
    }
    for n in notes.iter() {
        tree.add(n.spec(), None, Value::Bool(true));
    }
    let mut wire = Buffer::new("packet");
    let len = u32::try_from(packet.data.len()).unwrap_or(u32::MAX);
    let range = PacketRange { packet: packet.meta.id, start: 0, len };
    wire.push(len, PieceSource::Packet(range), true);
    wire.bytes = packet.data.to_vec();
    let mut origins = Origins::new();
    origins.add(wire);
    let payload = match &decoded.content {
        Content::Tcp(s) if !s.payload.is_empty() => Payload::Bytes(s.payload.to_vec()),
        Content::Udp(d) if !d.payload.is_empty() => Payload::Bytes(d.payload.to_vec()),
        _ => Payload::None,
    };
    let summary = summary(decoded, &dissection.outline, base);
    let odd: Vec<&str> = notes.names().collect();
    let summary = if odd.is_empty() { summary } else { format!("{summary} [{}]", odd.join(", ")) };
    draft.detail = Some(Box::new(Detail { summary, tree, origins, payload, truncated: None }));
    draft
}
