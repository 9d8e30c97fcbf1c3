//! Opens what is looked at: the detail of an event or packet, and its bytes.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;

use crate::base::{Buffer, PieceSource};
use crate::base::{BufferId, CaptureTime, Moment, Origins, PacketId, PacketRange, Side, Span};
use crate::engine::ConversationInfo;
use crate::event::{Detail, Draft, Event, Level, Payload};
use crate::index::{Index, Redecode, Reloader, Step};
use crate::link::{Content, Decoder, SeqBase, TcpFlags, dissect, summary};
use crate::tui::rows::Item;

/// Bytes of a buffer that are shown: more than anybody reads in hex.
const SHOWN_BYTES: u32 = 1 << 20;
/// Characters of a summary that are kept for the list.
const SUMMARY_CHARS: usize = 400;

/// An event or packet as opened.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// What was asked for.
    pub(super) item: Item,
    /// Its number, for people.
    pub(super) number: String,
    /// The event.
    pub(super) event: Event,
    /// Its detail.
    pub(super) detail: Detail,
    /// Its buffers.
    pub(super) buffers: Vec<Bytes>,
    /// Its conversation.
    pub(super) conversation: Option<ConversationInfo>,
}

/// A buffer of an event, its bytes read again where they were not kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Bytes {
    /// What it is.
    pub(super) label: &'static str,
    /// Its length; `bytes` may be shorter.
    pub(super) len: u32,
    /// From its beginning.
    pub(super) bytes: Vec<u8>,
}

/// What the list shows of an event besides its row.
#[derive(Clone, Debug, Default)]
pub(super) struct Line {
    /// Protocol and kind, of a packet.
    pub(super) what: Option<(&'static str, &'static str)>,
    /// Who sent it, of a packet.
    pub(super) sender: Option<Side>,
    /// One line.
    pub(super) summary: String,
    /// Codes of its findings.
    pub(super) codes: Vec<&'static str>,
}

/// What is said of an event whose packets are not there any more.
pub(super) const GONE: &str = "its packets are gone (--ring)";

/// See the module.
pub(super) struct Opener {
    index: Arc<RwLock<Index>>,
    reloader: Reloader,
    /// From what the numbers of a connection's segments are counted, by its number.
    begun: HashMap<u32, [Begun; 2]>,
}

/// One end of a connection, and the number before that of its first byte.
type Begun = ((IpAddr, u16), u32);

/// Packets of a connection that are looked at for where its numbers begin: the handshake, or
/// what there is in its place.
const BEGINNING: usize = 8;
/// Connections of which that is kept.
const MAX_BEGUN: usize = 4096;

impl Opener {
    /// Opens events of `index`.
    pub(super) fn new(index: Arc<RwLock<Index>>, reloader: Reloader) -> Self {
        Self { index, reloader, begun: HashMap::new() }
    }

    /// The index.
    pub(super) const fn index(&self) -> &Arc<RwLock<Index>> {
        &self.index
    }

    /// Which rows numbers of rows mean.
    pub(super) fn generation(&self) -> u64 {
        self.index.read().unwrap_or_else(PoisonError::into_inner).generation()
    }

    /// Reads some more of a conversation again.
    pub(super) fn redecode(&self, redecode: &mut Redecode) -> Step {
        self.reloader.redecode(redecode)
    }

    /// What the list says of an event that cannot be had.
    pub(super) fn nothing(&self) -> Line {
        let gone = if self.reloader.has_let_go() { GONE } else { "" };
        Line { summary: gone.to_owned(), ..Line::default() }
    }

    /// Opens one; `None` where the capture cannot be read again.
    pub(super) fn open(&mut self, item: Item) -> Option<Shown> {
        let (mut event, conversation) = match item {
            Item::Row(row) => (self.reloader.open(row)?.event, self.reloader.conversation(row)),
            Item::Packet(number) => self.packet(number)?,
        };
        let detail = *event.draft.detail.take()?;
        let buffers = (0..detail.origins.buffers().len())
            .filter_map(|i| self.bytes(&detail.origins, BufferId(u16::try_from(i).ok()?)))
            .collect();
        let number = match item {
            Item::Row(row) => self.index.read().unwrap_or_else(PoisonError::into_inner).number(row),
            Item::Packet(number) => format!("p{number}"),
        };
        Some(Shown { item, number, event, detail, buffers, conversation })
    }

    /// The lines of several; those that cannot be had are left out.
    pub(super) fn lines(&mut self, items: &[Item]) -> Vec<(Item, Line)> {
        self.events(items)
            .into_iter()
            .filter_map(|(item, mut e)| Some((item, line(&mut e, item)?)))
            .collect()
    }

    /// Opens several without their bytes.
    pub(super) fn events(&mut self, items: &[Item]) -> Vec<(Item, Event)> {
        let rows: Vec<_> = items
            .iter()
            .filter_map(|i| match i {
                Item::Row(r) => Some(*r),
                Item::Packet(_) => None,
            })
            .collect();
        let mut all: Vec<(Item, Event)> = self
            .reloader
            .open_all(&rows)
            .into_iter()
            .map(|o| (Item::Row(o.row), o.event))
            .collect();
        for i in items {
            if let Item::Packet(p) = i
                && let Some((event, _)) = self.packet(*p)
            {
                all.push((*i, event));
            }
        }
        all
    }

    /// Where the numbers of the segments that `source` sends begin, and those of its peer: as
    /// the engine counts them, from the SYNs, or else from what was seen first.
    fn begun(&mut self, conversation: u32, source: (IpAddr, u16)) -> SeqBase {
        let ends = match self.begun.get(&conversation) {
            Some([a, b]) => [Some(*a), Some(*b)],
            None => self.begin(conversation),
        };
        if let [Some(a), Some(b)] = ends {
            if self.begun.len() >= MAX_BEGUN {
                self.begun.clear();
            }
            self.begun.insert(conversation, [a, b]);
        }
        let of = |mine: bool| {
            let end = ends.iter().flatten().find(|e| (e.0 == source) == mine);
            end.map_or(0, |e| e.1)
        };
        SeqBase { seq: of(true), ack: of(false) }
    }

    fn begin(&self, conversation: u32) -> [Option<Begun>; 2] {
        let first: Vec<u32> = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            let at = conversation.saturating_sub(1) as usize;
            let c = index.conversations().get(at);
            c.map_or(Vec::new(), |c| c.packets.iter().take(BEGINNING).copied().collect())
        };
        let mut ends: [Option<Begun>; 2] = [None, None];
        let mut decoder = Decoder::new();
        for n in first {
            let id = PacketId(u64::from(n));
            let Some((meta, data)) = self.reloader.packet(id) else { continue };
            let at = Moment { packet: id, time: meta.time };
            let decoded = decoder.decode(meta.link.0, &data, meta.original_len, at);
            let (Some(e), Content::Tcp(t)) = (decoded.endpoints, &decoded.content) else {
                continue;
            };
            let syn = t.flags.has(TcpFlags::SYN);
            // A SYN takes up a number itself: its own is that before the first byte's.
            let told = [
                Some((e.source, if syn { t.seq } else { t.seq.wrapping_sub(1) }, syn)),
                t.flags.has(TcpFlags::ACK).then(|| (e.destination, t.ack.wrapping_sub(1), false)),
            ];
            for (who, number, sure) in told.into_iter().flatten() {
                let known = ends.iter_mut().flatten().find(|x| x.0 == who);
                match known {
                    Some(x) if sure => x.1 = number,
                    Some(_) => {}
                    None => {
                        if let Some(free) = ends.iter_mut().find(|x| x.is_none()) {
                            *free = Some((who, number));
                        }
                    }
                }
            }
            if ends.iter().all(Option::is_some) {
                break;
            }
        }
        ends
    }

    /// A packet as an event.
    fn packet(&mut self, number: u32) -> Option<(Event, Option<ConversationInfo>)> {
        let id = PacketId(u64::from(number));
        let (meta, data) = self.reloader.packet(id)?;
        let at = Moment { packet: id, time: meta.time };
        let mut decoder = Decoder::new();
        let decoded = decoder.decode(meta.link.0, &data, meta.original_len, at);
        let dissection = dissect(meta.link.0, &data, meta.original_len);
        let (protocol, kind) = match &decoded.content {
            Content::Tcp(_) => ("tcp", "segment"),
            Content::Udp(_) => ("udp", "datagram"),
            Content::Icmp(_) => ("icmp", "message"),
            Content::Fragment => ("ip", "fragment"),
            Content::Other(_) => ("other", "packet"),
        };
        let conversation = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            let of = index.packet(id).map_or(0, |p| p.conversation).checked_sub(1);
            of.and_then(|c| index.conversations().get(c as usize)).map(|c| c.info.clone())
        };
        let mut draft = Draft::new(Level::Packet, protocol, kind, at, at);
        draft.length = data.len() as u64;
        draft.findings.clone_from(&decoded.findings);
        draft.sender = conversation.as_ref().zip(decoded.endpoints).and_then(|(c, e)| {
            let from =
                |s: Side| c.ends.get(s.index()).is_some_and(|a| (a.ip(), a.port()) == e.source);
            Side::BOTH.into_iter().find(|s| from(*s))
        });
        let mut wire = Buffer::new("packet");
        let range = PacketRange { packet: id, start: 0, len: meta.captured_len };
        wire.push(meta.captured_len, PieceSource::Packet(range), true);
        let of = conversation.as_ref().zip(decoded.endpoints);
        let base = match (&decoded.content, of) {
            (Content::Tcp(t), Some((c, e))) => {
                let base = self.begun(c.id.0, e.source);
                // Where nothing is acknowledged the number stands as it is.
                let ack = if t.flags.has(TcpFlags::ACK) { base.ack } else { 0 };
                SeqBase { ack, ..base }
            }
            _ => SeqBase::default(),
        };
        let text = summary(&decoded, &dissection.outline, base);
        drop(decoded);
        wire.bytes = data;
        let mut origins = Origins::new();
        origins.add(wire);
        let (tree, payload) = (dissection.tree, Payload::None);
        draft.detail =
            Some(Box::new(Detail { summary: text, tree, origins, payload, truncated: None }));
        let event = Event {
            id: crate::base::EventId(0),
            conversation: conversation.as_ref().map(|c| c.id),
            draft,
        };
        Some((event, conversation))
    }

    /// The bytes of a buffer: those kept, or those of the packets where every
    /// byte of it is one of a packet.
    fn bytes(&self, origins: &Origins, id: BufferId) -> Option<Bytes> {
        let b = origins.get(id)?;
        let mut out = Bytes { label: b.label, len: b.len, bytes: Vec::new() };
        let shown = b.len.min(SHOWN_BYTES);
        let kept = b.bytes.get(..shown as usize).unwrap_or(&b.bytes);
        out.bytes.extend_from_slice(kept);
        let have = u32::try_from(out.bytes.len()).unwrap_or(u32::MAX);
        if have < shown {
            let located = origins.locate(Span::bytes(id, have, shown - have));
            if located.exact {
                let mut last: Option<(PacketId, Vec<u8>)> = None;
                for r in located.ranges {
                    if last.as_ref().is_none_or(|l| l.0 != r.packet) {
                        last = self.reloader.packet(r.packet).map(|(_, data)| (r.packet, data));
                    }
                    let (from, len) = (r.start as usize, r.len as usize);
                    let piece = last.as_ref().and_then(|l| l.1.get(from..from.checked_add(len)?));
                    // Behind a hole every offset would be wrong.
                    let Some(piece) = piece else { break };
                    out.bytes.extend_from_slice(piece);
                }
            }
        }
        Some(out)
    }
}

/// What the list shows of an opened event.
pub(super) fn line(event: &mut Event, item: Item) -> Option<Line> {
    let detail = event.draft.detail.take()?;
    let d = &event.draft;
    Some(Line {
        what: matches!(item, Item::Packet(_)).then_some((d.protocol, d.kind)),
        sender: d.sender,
        summary: detail.summary.chars().take(SUMMARY_CHARS).collect(),
        codes: d.findings.iter().map(|f| f.spec.code).collect(),
    })
}

/// Time of an item: when it was complete.
pub(super) fn time(index: &Index, item: Item) -> CaptureTime {
    match item {
        Item::Row(r) => index.row(r).map_or(CaptureTime(0), |r| index.end_time(r)),
        Item::Packet(p) => index.time_of(p),
    }
}
