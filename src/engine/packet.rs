//! Packet events: what one captured packet is.

use crate::base::{Buffer, Moment, Origins, PacketRange, PieceSource, Side};
use crate::capture::Packet;
use crate::engine::conversation::ConversationInfo;
use crate::engine::fields;
use crate::event::{Detail, Draft, Level, Payload};
use crate::field::Value;
use crate::flow::{SegmentNotes, Transport};
use crate::link::{Content, Decoded, SeqBase, dissect, summary};

/// The packet as an event with its detail.
pub(super) fn draft(
    packet: &Packet<'_>,
    decoded: &Decoded<'_>,
    conversation: Option<(&ConversationInfo, Side)>,
    notes: SegmentNotes,
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
    if let Some((info, _)) = conversation {
        let spec = match info.transport {
            Transport::Tcp => &fields::TCP_STREAM,
            Transport::Udp => &fields::UDP_STREAM,
        };
        tree.add(spec, None, Value::U64(u64::from(info.index)));
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
    let base = match &decoded.content {
        Content::Tcp(s) if conversation.is_some() => SeqBase {
            // Relative numbers do not wrap; their difference from the raw ones does.
            seq: s.seq.wrapping_sub(notes.seq as u32),
            ack: notes.ack.map_or(0, |a| s.ack.wrapping_sub(a as u32)),
        },
        _ => SeqBase::default(),
    };
    let summary = summary(decoded, &dissection.outline, base);
    let odd: Vec<&str> = notes.names().collect();
    let summary = if odd.is_empty() { summary } else { format!("{summary} [{}]", odd.join(", ")) };
    draft.detail = Some(Box::new(Detail { summary, tree, origins, payload, truncated: None }));
    draft
}
