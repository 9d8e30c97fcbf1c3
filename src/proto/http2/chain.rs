//! HTTP/2 known by frame headers that lead from one to the next, where the
//! beginning of a connection was not captured (RFC 9113 §4.1, §6).

use crate::base::{BufferId, Side};
use crate::field::{In, NoSink};
use crate::finding::Severity;
use crate::proto::Headers;
use crate::proto::http2::codes::frame;
use crate::proto::http2::hpack::Decoder;
use crate::proto::http2::streams::initiator;
use crate::proto::http2::wire::{
    self, ACK, Content, END_HEADERS, END_STREAM, FrameHead, HEAD_LEN, PADDED, PRIORITY,
};

/// The largest payload that is believed: more must have been agreed on, which
/// hardly anybody does for frames other than DATA, and few for those.
const MAX_LENGTH: u32 = 16_384;
/// Settings of one frame that are believed.
const MAX_SETTINGS: u32 = 64 * 6;
/// Headers by which a chain is believed though nothing tells who is the client.
///
/// Connections begin with settings, windows and pings.
const ENOUGH_HEADS: u32 = 12;
/// Bytes of those headers and their frames, beyond which they are an upload or a download:
/// its answer is waited for, or its trailers, as long as the probe may wait.
const BULK: usize = 12 << 10;
/// The highest stream of a header that stands alone.
const MAX_LONE_STREAM: u32 = 1 << 20;
/// Bytes of a direction that are searched for the first frame: two frames of
/// the default size and their headers.
const SEARCHED: usize = 40 << 10;

/// The frame header that `data` begins with, if it is one that may be sent: a
/// known type with its flags, on a stream that it may have, with a length that
/// it may have. `None` below nine bytes.
pub(super) fn plausible(data: &[u8]) -> Option<FrameHead> {
    // Most bytes fail here: no frame is longer than 0x004000.
    if data.first()? != &0 || data.get(1)? > &0x40 {
        return None;
    }
    plausible_up_to(data, MAX_LENGTH)
}

/// The same with another bound of its length.
fn plausible_up_to(data: &[u8], max_length: u32) -> Option<FrameHead> {
    if data.get(5)? & 0x80 != 0 {
        return None;
    }
    let (_, h) = wire::frame_head(In::new(data, BufferId(0), 0, &NoSink)).ok()?;
    let FrameHead { length, stream, .. } = h;
    let of_stream = stream != 0;
    let padding = u32::from(h.has(PADDED));
    let (flags, fits) = match h.kind {
        frame::DATA => {
            // An empty frame says nothing but the end.
            let some = length > padding || h.has(END_STREAM);
            (END_STREAM | PADDED, of_stream && some && length >= padding)
        }
        frame::HEADERS => {
            let least = 1 + padding + if h.has(PRIORITY) { 5 } else { 0 };
            let flags = END_STREAM | END_HEADERS | PADDED | PRIORITY;
            (flags, of_stream && length >= least)
        }
        frame::PRIORITY => (0, of_stream && length == 5),
        frame::RST_STREAM => (0, of_stream && length == 4),
        frame::SETTINGS => {
            let size = if h.has(ACK) { length == 0 } else { length.is_multiple_of(6) };
            (ACK, !of_stream && size && length <= MAX_SETTINGS)
        }
        frame::PUSH_PROMISE => {
            let fits = initiator(stream) == Side::Client && length >= 5 + padding;
            (END_HEADERS | PADDED, of_stream && fits)
        }
        frame::PING => (ACK, !of_stream && length == 8),
        frame::GOAWAY => (0, !of_stream && length >= 8),
        frame::WINDOW_UPDATE => (0, length == 4),
        frame::CONTINUATION => (END_HEADERS, of_stream && length >= 1),
        frame::ALTSVC => (0, length >= 2),
        frame::ORIGIN => (0, !of_stream && length >= 2),
        frame::PRIORITY_UPDATE => (0, !of_stream && length >= 4),
        _ => return None,
    };
    (fits && h.flags & !flags == 0 && length <= max_length).then_some(h)
}

/// Whether the payload of a whole frame, which is plausible by its header, is so
/// too.
fn payload_fits(head: &FrameHead, payload: &[u8]) -> bool {
    let word = |at: usize| {
        let b = payload.get(at..at + 4).and_then(|b| <[u8; 4]>::try_from(b).ok());
        b.map(u32::from_be_bytes)
    };
    match head.kind {
        frame::WINDOW_UPDATE => word(0).is_some_and(|w| w & 0x7fff_ffff != 0),
        frame::RST_STREAM => word(0).is_some_and(|w| w <= 0xff),
        frame::GOAWAY => word(4).is_some_and(|w| w <= 0xff),
        frame::DATA if head.has(PADDED) => {
            payload.first().is_some_and(|pad| u32::from(*pad) < head.length)
        }
        frame::HEADERS | frame::PUSH_PROMISE => section_fits(head, payload),
        _ => true,
    }
}

/// Whether a header block that is whole can be read to its end.
fn section_fits(head: &FrameHead, payload: &[u8]) -> bool {
    let body = wire::body(In::new(payload, BufferId(0), 0, &NoSink), head);
    let (Content::Headers { fragment, .. } | Content::PushPromise { fragment, .. }) = body.content
    else {
        return false;
    };
    if !head.has(END_HEADERS) {
        return true;
    }
    let mut hpack = Decoder::default();
    hpack.join();
    let mut findings = Vec::new();
    let block = In::new(fragment.octets, BufferId(0), 0, &NoSink);
    hpack.block(block, &mut Headers::new(), None, &mut findings);
    findings.iter().all(|f| f.spec.severity < Severity::Error)
}

/// Who sent a frame: pseudo-header fields are either a request's or a response's
/// (RFC 9113 §8.3), `grpc-status` is a response's, and only a server promises.
///
/// Most pseudo-header fields stand in the static table, so they are known though
/// the blocks before were not captured.
fn sent_by(head: &FrameHead, payload: &[u8], hpack: &mut Decoder) -> Option<Side> {
    if head.kind == frame::PUSH_PROMISE {
        return Some(Side::Server);
    }
    if head.kind != frame::HEADERS || !head.has(END_HEADERS) {
        return None;
    }
    let body = wire::body(In::new(payload, BufferId(0), 0, &NoSink), head);
    let Content::Headers { fragment, .. } = body.content else { return None };
    let mut headers = Headers::new();
    let block = In::new(fragment.octets, BufferId(0), 0, &NoSink);
    hpack.block(block, &mut headers, None, &mut Vec::new());
    headers.iter().find_map(|(name, _, _)| match name {
        b":method" | b":path" | b":scheme" | b":authority" => Some(Side::Client),
        b":status" | b"grpc-status" | b"grpc-message" => Some(Side::Server),
        _ => None,
    })
}

/// What the bytes of one direction say.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Chain {
    /// These are frames; who sent them, where that can be told.
    Frames(Option<Side>),
    /// They may be.
    Undecided,
    /// They are not.
    Broken,
}

/// Follows the chain from the first byte.
///
/// It is believed once two headers, the second where the first says, tell who
/// is the client; or there are [`ENOUGH_HEADS`] of small frames; or at the end (`last`) with less
/// that is strong.
/// What is decided is decided by whole frames in order, so that it does not
/// depend on how the bytes come.
pub(super) fn follow(data: &[u8], last: bool) -> Chain {
    let (mut at, mut heads, mut frames) = (0_usize, 0_u32, 0_u32);
    let mut sender = None;
    let mut lone = false;
    let mut data_of = 0;
    let mut hpack = Decoder::default();
    hpack.join();
    let end = loop {
        let rest = data.get(at..).unwrap_or_default();
        if rest.len() < HEAD_LEN {
            if !begins(rest) {
                return Chain::Broken;
            }
            break frames > 0;
        }
        let Some(head) = plausible(rest) else { return Chain::Broken };
        heads += 1;
        let many = heads >= ENOUGH_HEADS && at < BULK;
        if heads >= 2 && sender.is_some() || many {
            return Chain::Frames(sender);
        }
        lone = head.stream <= MAX_LONE_STREAM;
        let whole = HEAD_LEN + head.length as usize;
        let Some(payload) = rest.get(HEAD_LEN..whole) else {
            let payload = rest.get(HEAD_LEN..).unwrap_or_default();
            break heads >= 2 || lone && begins_strongly(&head, payload);
        };
        if !payload_fits(&head, payload) {
            return Chain::Broken;
        }
        let told = sent_by(&head, payload, &mut hpack);
        // Hardly any client sends trailers.
        let trailers =
            head.kind == frame::HEADERS && head.stream == data_of && head.has(END_STREAM);
        sender = sender.or(told).or(trailers.then_some(Side::Server));
        if head.kind == frame::DATA {
            data_of = head.stream;
        }
        frames += 1;
        at += whole;
    };
    match last {
        true if end && (lone || heads >= 2) => Chain::Frames(sender),
        true => Chain::Broken,
        false => Chain::Undecided,
    }
}

/// Whether less than a header may be the beginning of one.
fn begins(data: &[u8]) -> bool {
    data.first().is_none_or(|b| *b == 0)
        && data.get(1).is_none_or(|b| *b <= 0x40)
        && data.get(3).is_none_or(|t| *t <= frame::PRIORITY_UPDATE)
        && data.get(5).is_none_or(|b| *b < 0x80)
}

/// A single frame, longer than what is held, whose beginning leaves little doubt:
/// DATA with the prefix of a gRPC message.
fn begins_strongly(head: &FrameHead, payload: &[u8]) -> bool {
    let [0, 0, _, _, _, _, ..] = payload else { return false };
    head.kind == frame::DATA && head.flags == 0
}

/// Where in a direction that was joined in the middle the first frame begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Found {
    /// So many bytes belong to a frame whose header was not captured.
    At(usize),
    /// More is needed.
    Undecided,
    /// Not in what is searched.
    Nowhere,
}

/// Finds the first frame: at the very beginning by one header, behind that by
/// two in a chain. The earliest place that is not refuted decides, so that it
/// does not depend on how the bytes come.
pub(super) fn find(data: &[u8], last: bool) -> Found {
    if plausible(data).is_some() {
        return Found::At(0);
    }
    let searched = data.get(..SEARCHED).unwrap_or(data);
    // Every header begins with a zero: no frame is longer than 0x004000.
    for at in memchr::memchr_iter(0, searched).filter(|at| *at > 0) {
        let rest = searched.get(at..).unwrap_or_default();
        if rest.len() < HEAD_LEN {
            break;
        }
        let Some(head) = plausible(rest) else { continue };
        let whole = HEAD_LEN + head.length as usize;
        let Some(next) = rest.get(whole..) else {
            if last || searched.len() == SEARCHED {
                continue;
            }
            return Found::Undecided;
        };
        if !payload_fits(&head, rest.get(HEAD_LEN..whole).unwrap_or_default()) {
            continue;
        }
        if next.len() >= HEAD_LEN {
            if plausible(next).is_some() {
                return Found::At(at);
            }
        } else if begins(next) {
            if !last {
                return Found::Undecided;
            }
            // A frame to the very end.
            if next.is_empty() && head.stream <= MAX_LONE_STREAM {
                return Found::At(at);
            }
        }
    }
    if last || searched.len() == SEARCHED { Found::Nowhere } else { Found::Undecided }
}

/// The same where the bytes alone must prove that these are frames: by two headers, the
/// second where the first says, of DATA of one stream.
pub(super) fn find_two(data: &[u8], last: bool) -> Found {
    let searched = data.get(..SEARCHED).unwrap_or(data);
    let decided = last || searched.len() == SEARCHED;
    // Every header begins with a zero: no frame is longer than 0x004000.
    for at in memchr::memchr_iter(0, searched).filter(|at| *at > 0) {
        let rest = searched.get(at..).unwrap_or_default();
        let Some(head) = plausible(rest) else { continue };
        if head.kind != frame::DATA || head.stream > MAX_LONE_STREAM || head.length == 0 {
            continue;
        }
        let next = rest.get(HEAD_LEN + head.length as usize..);
        match next.and_then(plausible) {
            Some(n) if n.kind == frame::DATA && n.stream == head.stream => return Found::At(at),
            _ if !decided && next.is_none_or(begins) => return Found::Undecided,
            _ => {}
        }
    }
    if decided { Found::Nowhere } else { Found::Undecided }
}

/// What is known of a connection behind missing bytes of one of its directions.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hints {
    /// The highest streams in use, of the client's and the server's.
    pub(super) highest: [u32; 2],
    /// The beginning was not captured: how many streams there were before is not known.
    pub(super) joined: bool,
    /// The largest payload that the peer allows.
    pub(super) max_frame: u32,
}

/// Streams of one end that may have been opened by what is missing: a thousand.
const UNSEEN_STREAMS: u32 = 2000;
/// Bytes that are searched in one go behind missing bytes. Frames that are so long that
/// two do not fit are rare, and the next search goes on behind.
const SOUGHT: usize = 256 << 10;

impl Hints {
    /// The frame header at the front, if it fits.
    fn plausible(&self, data: &[u8]) -> Option<FrameHead> {
        let h = plausible_up_to(data, self.max_frame)?;
        let highest = self.highest.get(initiator(h.stream).index()).copied().unwrap_or_default();
        // Hardly any server opens streams, so none is expected where none was.
        let unseen = match (h.stream % 2 == 1, highest > 0) {
            (true, false) if self.joined => u32::MAX,
            (false, false) => 0,
            _ => UNSEEN_STREAMS,
        };
        let known = h.stream == 0 || h.stream <= highest.saturating_add(unseen);
        known.then_some(h)
    }

    /// Finds the first frame behind missing bytes: two headers in a chain, the payload
    /// between them sound; at the end of the bytes one whole frame to their very end.
    /// The earliest place that is not refuted decides, so that it does not depend on
    /// how the bytes come. Before `from`, none was possible the last time.
    pub(super) fn find(&self, data: &[u8], from: usize, last: bool) -> Sought {
        let window = SOUGHT.max(2 * (self.max_frame as usize).min(SOUGHT));
        let full = data.len() >= window;
        let data = data.get(..window).unwrap_or(data);
        for at in from..data.len() {
            let rest = data.get(at..).unwrap_or_default();
            if rest.len() < HEAD_LEN {
                break;
            }
            let Some(head) = self.plausible(rest) else { continue };
            let whole = HEAD_LEN + head.length as usize;
            let missing = (whole + HEAD_LEN).saturating_sub(rest.len());
            let more = Sought::More { from: at, missing: missing.clamp(1, window) };
            let Some(next) = rest.get(whole..) else {
                if last || full {
                    continue;
                }
                return more;
            };
            if !payload_fits(&head, rest.get(HEAD_LEN..whole).unwrap_or_default()) {
                continue;
            }
            if next.len() >= HEAD_LEN {
                if self.plausible(next).is_some() {
                    return Sought::At(at);
                }
            } else if last && next.is_empty() {
                return Sought::At(at);
            } else if !last && !full {
                return more;
            }
        }
        if last || full {
            return Sought::Nowhere;
        }
        Sought::More { from: data.len().saturating_sub(HEAD_LEN - 1).max(from), missing: 1 }
    }
}

/// Where the first frame behind missing bytes begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sought {
    /// So many bytes belong to what was not captured whole.
    At(usize),
    /// More is needed: so many bytes at least. No frame begins before `from`.
    More { from: usize, missing: usize },
    /// In none but the last eight bytes.
    Nowhere,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
        let mut v = (payload.len() as u32).to_be_bytes()[1..].to_vec();
        v.extend([kind, flags]);
        v.extend(stream.to_be_bytes());
        v.extend(payload);
        v
    }

    const MESSAGE: &[u8] = b"\0\0\0\0\x07\x0a\x05Jason";

    /// The verdict is the same however the bytes come: the first that is not
    /// `Undecided` for a beginning is that of everything.
    fn steady(data: &[u8]) -> Chain {
        let whole = follow(data, false);
        let first = (1..=data.len()).map(|n| follow(&data[..n], false));
        let first = first.into_iter().find(|c| *c != Chain::Undecided);
        assert_eq!(first.unwrap_or(Chain::Undecided), whole);
        whole
    }

    #[test]
    fn two_headers_and_a_sender_are_believed() {
        let request = frame(frame::HEADERS, 4, 5, &[0xbe, 0x83, 0x86, 0xbf]);
        let response = frame(frame::HEADERS, 4, 5, &[0x88, 0xbe]);
        let data = frame(frame::DATA, 0, 5, MESSAGE);
        assert_eq!(steady(&[request, data.clone()].concat()), Chain::Frames(Some(Side::Client)));
        assert_eq!(steady(&[response, data.clone()].concat()), Chain::Frames(Some(Side::Server)));
        // A section behind data that ends the stream is trailers: unknown, and yet.
        let trailers = frame(frame::HEADERS, 5, 5, &[0xbe]);
        let more = frame(frame::PING, 0, 0, &[0; 8]);
        assert_eq!(
            steady(&[data.clone(), trailers, more].concat()),
            Chain::Frames(Some(Side::Server))
        );
        // Nobody can tell: many are needed, or the end.
        assert_eq!(steady(&data.repeat(4)), Chain::Undecided);
        assert_eq!(follow(&data.repeat(4), true), Chain::Frames(None));
        assert_eq!(steady(&data.repeat(12)), Chain::Frames(None));
        assert_eq!(follow(&data, true), Chain::Frames(None));
    }

    #[test]
    fn other_bytes_are_refused() {
        let data = frame(frame::DATA, 0, 5, MESSAGE);
        let broken = [data.clone(), b"HTTP/1.1 ".to_vec()].concat();
        assert_eq!(steady(&broken), Chain::Broken);
        for head in [
            [0, 0, 5, frame::DATA, 0, 0, 0, 0, 0],
            [0, 0, 5, frame::DATA, 2, 0, 0, 0, 1],
            [0, 0, 5, frame::DATA, 0, 0x80, 0, 0, 1],
            [0, 0, 0, frame::DATA, 0, 0, 0, 0, 1],
            [0, 0, 5, frame::SETTINGS, 0, 0, 0, 0, 0],
            [0, 0, 6, frame::SETTINGS, 0, 0, 0, 0, 1],
            [0, 0, 6, frame::SETTINGS, 1, 0, 0, 0, 0],
            [0, 0, 7, frame::PING, 0, 0, 0, 0, 0],
            [0, 0, 3, frame::WINDOW_UPDATE, 0, 0, 0, 0, 0],
            [0, 0x40, 1, frame::DATA, 0, 0, 0, 0, 1],
            [0, 0, 5, 11, 0, 0, 0, 0, 1],
        ] {
            assert_eq!(plausible(&head), None, "{head:?}");
        }
        assert_eq!(steady(&[0; 64]), Chain::Broken);
        assert_eq!(follow(&frame(frame::WINDOW_UPDATE, 0, 0, &[0; 4]), true), Chain::Broken);
    }

    #[test]
    fn the_first_frame_is_found_behind_the_rest_of_another() {
        let two = frame(frame::DATA, 0, 5, MESSAGE).repeat(2);
        let data = [b"rest of a frame".to_vec(), two].concat();
        assert_eq!(find(&data, false), Found::At(15));
        for n in 1..data.len() {
            let found = find(&data[..n], false);
            assert!(matches!(found, Found::Undecided | Found::At(15)), "{n}: {found:?}");
        }
        assert_eq!(find(b"no frame at all", true), Found::Nowhere);
        assert_eq!(find(&vec![7; SEARCHED], false), Found::Nowhere);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn random_bytes_are_no_frames(
            bytes in proptest::collection::vec(any::<u8>(), 0..200),
            small in proptest::collection::vec(0_u8..3, 0..200),
            last in any::<bool>(),
        ) {
            prop_assert!(!matches!(follow(&bytes, last), Chain::Frames(_)));
            // Many small numbers, as binary protocols have: only what is a chain.
            if let Chain::Frames(_) = follow(&small, false) {
                prop_assert!(plausible(&small).is_some());
            }
            find(&bytes, last);
        }
    }
}
