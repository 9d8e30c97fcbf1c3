//! Messages that stand on UDP or TCP with nothing around them, where the user says so:
//! `-d udp.port==8127,protobuf:tutorial.AddressBook`.
//!
//! A datagram is a message. A stream has the length of each message before it, in one of two
//! ways, which the first byte of a direction tells apart: four bytes, big-endian, the first
//! of which is 0 for anything below 16 MiB; or a varint, as the libraries'
//! `writeDelimitedTo` writes it.

use crate::base::limits::{MAX_GRPC_MESSAGE_BYTES, MAX_TREE_NODES};
use crate::base::{Buffer, BufferId, Moment, PieceSource, Side, Span};
use crate::event::{Detail, Draft, Level, Payload};
use crate::field::{In, NoSink, TreeSink, Value};
use crate::finding::Finding;
use crate::proto::protobuf::wire::{self, Form};
use crate::proto::protobuf::{fields, findings};
use crate::proto::{Chunk, EndCause, Input, Machine, Out, PayloadHint, Progress, Trace};

/// Characters of a message in its summary.
const SUMMARY_CHARS: usize = 160;
/// Bytes of a message in the making up to which a fork copies them.
const FORK_BYTES: usize = 64 << 10;

/// One conversation.
#[derive(Clone, Debug)]
pub struct Carried {
    media_types: [String; 2],
    sides: [Direction; 2],
}

#[derive(Clone, Debug, Default)]
struct Direction {
    /// How lengths are written, once there was one.
    wide: Option<bool>,
    current: Option<Current>,
    body: Vec<u8>,
    lost: bool,
}

/// A message whose length has been read.
#[derive(Clone, Debug)]
struct Current {
    prefix: Vec<u8>,
    length: u64,
    trace: Trace,
    wanted: bool,
    ready: Moment,
}

impl Carried {
    /// Messages of these types: the client's and the server's; empty where they are not
    /// known.
    #[must_use]
    pub fn new(types: [&str; 2]) -> Self {
        let media_type = |t: &str| match t {
            "" => "application/protobuf".to_owned(),
            t => format!("application/protobuf; messageType=\"{t}\""),
        };
        Self { media_types: types.map(media_type), sides: Default::default() }
    }

    fn bytes(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Progress {
        let mut at = 0;
        loop {
            let rest = c.data.get(at..).unwrap_or_default();
            let offset = c.offset.saturating_add(at as u64);
            let d = side_of(&mut self.sides, c.side);
            if d.lost {
                return Progress::nothing(at);
            }
            if let Some(m) = &mut d.current {
                let missing = usize::try_from(m.length).unwrap_or(usize::MAX) - d.body.len();
                let piece = rest.get(..missing.min(rest.len())).unwrap_or_default();
                let end = offset.saturating_add(piece.len() as u64);
                m.trace.add(out, c.side, offset..end);
                if !piece.is_empty() {
                    m.ready = out.ready(c.side, end - 1);
                }
                d.body.extend_from_slice(piece);
                at += piece.len();
                if d.body.len() as u64 == m.length {
                    self.finish(c.side, true, out);
                    continue;
                }
                return Progress::took(at);
            }
            let Some(first) = rest.first() else { return Progress::took(at) };
            let wide = *d.wide.get_or_insert(*first == 0);
            let read = if wide {
                rest.first_chunk::<4>().map(|b| (4, u64::from(u32::from_be_bytes(*b))))
            } else {
                match wire::varint(In::new(rest, BufferId(0), 0, &NoSink)) {
                    Ok((after, v)) => {
                        let length = if v.form == Form::Endless { u64::MAX } else { v.value };
                        Some((rest.len() - after.data().len(), length))
                    }
                    Err(_) => None,
                }
            };
            let Some((len, length)) = read else {
                if c.last {
                    let text = format!("{} bytes of a length", rest.len());
                    out.finding(Finding::new(&findings::CUT).with(text));
                    return Progress::nothing(at);
                }
                let more = if wide { 4_usize.saturating_sub(rest.len()) } else { 1 };
                return Progress::need(at, more);
            };
            if length > MAX_GRPC_MESSAGE_BYTES as u64 {
                d.lost = true;
                out.finding(Finding::new(&findings::BAD_LENGTH).with(length.to_string()));
                return Progress::nothing(at);
            }
            let wanted = out.wants(Level::Message);
            let mut trace = Trace::new(wanted, "TCP stream");
            let end = offset.saturating_add(len as u64);
            trace.add(out, c.side, offset..end);
            let ready = out.ready(c.side, end.saturating_sub(1));
            let prefix = rest.get(..len).unwrap_or_default().to_vec();
            d.body.clear();
            d.current = Some(Current { prefix, length, trace, wanted, ready });
            at += len;
        }
    }

    /// Emits the message in the making.
    fn finish(&mut self, side: Side, complete: bool, out: &mut dyn Out) {
        let d = side_of(&mut self.sides, side);
        let Some(m) = d.current.take() else { return };
        let body = std::mem::take(&mut d.body);
        self.emit(side, m, &body, complete, out);
        if body.capacity() <= FORK_BYTES {
            side_of(&mut self.sides, side).body = body;
        }
    }

    fn emit(&self, side: Side, mut m: Current, body: &[u8], complete: bool, out: &mut dyn Out) {
        let start = m.trace.start(m.ready);
        let mut list = Vec::new();
        if !complete {
            let text = format!("{} of {} bytes", body.len(), m.length);
            list.push(Finding::new(&findings::CUT).with(text));
        }
        let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let prefix = u32::try_from(m.prefix.len()).unwrap_or(u32::MAX);
        let mut buffer = BufferId(0);
        let mut detail = m.wanted.then(|| {
            let mut detail = Detail::default();
            let mut first = m.trace.take().unwrap_or_else(|| Buffer::new("UDP datagram"));
            first.bytes.clear();
            first.bytes.extend_from_slice(&m.prefix);
            first.bytes.extend_from_slice(body);
            if prefix > 0 {
                let sink = TreeSink::new();
                {
                    use crate::field::Sink as _;
                    let span = Span::bytes(BufferId(0), 0, prefix);
                    sink.field(&fields::PREFIX, span, Value::U64(m.length));
                    let span = Span::bytes(BufferId(0), prefix, len);
                    if len > 0 {
                        sink.field(&fields::MESSAGE_DATA, span, Value::Bytes(body.into()));
                    }
                }
                detail.tree = sink.into_tree();
            }
            detail.origins.add(first);
            if prefix > 0 {
                let mut b = Buffer::new("message");
                let source = Span::bytes(BufferId(0), prefix, len);
                if len > 0 {
                    b.push(len, PieceSource::Buffer(source), true);
                }
                b.bytes = body.to_vec();
                buffer = detail.origins.add(b);
            }
            let shown = body.get(..out.payload_cap()).unwrap_or(body);
            detail.payload = Payload::Bytes(shown.to_vec());
            detail.truncated = (shown.len() < body.len()).then_some(body.len() as u64);
            detail
        });
        if complete {
            let media_type = self.media_types.get(side.index()).map_or("", String::as_str);
            let hint = PayloadHint { media_type, path: "", side, message: None };
            let whole = detail.as_ref().is_none_or(|d| d.truncated.is_none());
            let place = detail.as_mut().filter(|_| whole).map(|d| (d, buffer));
            list.extend(out.decode(&hint, body, place).unwrap_or_default());
        }
        if let Some(d) = &mut detail {
            d.summary = match &d.payload {
                Payload::Protobuf { type_name: Some(name), value } => {
                    let short = name.rsplit('.').next().unwrap_or(name);
                    format!("{short} {}", value.line(SUMMARY_CHARS))
                }
                Payload::Protobuf { value, .. } => format!("~{}", value.wire_line(SUMMARY_CHARS)),
                _ => format!("{len} bytes"),
            };
            debug_assert!(d.tree.nodes().len() <= MAX_TREE_NODES + 1);
        }
        out.emit(Draft {
            sender: Some(side),
            length: body.len() as u64,
            complete,
            findings: list,
            detail: detail.map(Box::new),
            ..Draft::new(Level::Message, "protobuf", "message", start, m.ready)
        });
    }

    fn datagram(&self, side: Side, offset: u64, data: &[u8], out: &mut dyn Out) {
        let wanted = out.wants(Level::Message);
        let end = offset.saturating_add(data.len() as u64);
        let mut trace = Trace::new(wanted, "UDP datagram");
        trace.add(out, side, offset..end);
        let m = Current {
            prefix: Vec::new(),
            length: data.len() as u64,
            trace,
            wanted,
            ready: out.now(),
        };
        self.emit(side, m, data, true, out);
    }
}

const fn side_of(sides: &mut [Direction; 2], side: Side) -> &mut Direction {
    let [client, server] = sides;
    match side {
        Side::Client => client,
        Side::Server => server,
    }
}

impl Machine for Carried {
    fn feed(&mut self, input: Input<'_>, out: &mut dyn Out) -> Progress {
        match input {
            Input::Bytes(c) => return self.bytes(&c, out),
            Input::Datagram { side, offset, data } => self.datagram(side, offset, data, out),
            Input::Gap { side, len, .. } => {
                if !std::mem::replace(&mut side_of(&mut self.sides, side).lost, true) {
                    self.finish(side, false, out);
                    let text = format!("{len} bytes from the {side}");
                    out.finding(Finding::new(&findings::GAP).with(text));
                }
                return Progress::nothing(0);
            }
            Input::Reset { .. } => {
                Side::BOTH.into_iter().for_each(|s| self.finish(s, false, out));
            }
            Input::End { side, cause } => match cause {
                EndCause::Finished | EndCause::Cut => self.finish(side, false, out),
                EndCause::CaptureEnded | EndCause::Evicted => {
                    Side::BOTH.into_iter().for_each(|s| self.finish(s, false, out));
                }
            },
            Input::Head(_) | Input::Trailers(_) => {}
        }
        Progress::took(0)
    }

    fn fork(&self) -> Option<Box<dyn Machine>> {
        let held = self.sides.iter().any(|d| d.body.len() > FORK_BYTES);
        (!held).then(|| Box::new(self.clone()) as Box<dyn Machine>)
    }

    fn memory(&self) -> usize {
        size_of::<Self>() + self.sides.iter().map(|d| d.body.capacity()).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::harness::Recorder;
    use crate::proto::protobuf::Decoder;

    fn run(data: &[u8], size: usize, end: bool) -> (Vec<(String, bool, u64)>, Vec<&'static str>) {
        let mut r = Recorder::new();
        r.decoder = Some(Box::new(Decoder::default()));
        let mut m = Carried::new(["", ""]);
        r.bytes(&mut m, Side::Client, data, size);
        if end {
            r.end(&mut m, Side::Client, EndCause::CaptureEnded);
        }
        let events = r
            .events
            .iter()
            .map(|e| (e.detail.as_ref().unwrap().summary.clone(), e.complete, e.length));
        let codes = r.findings.iter().chain(r.events.iter().flat_map(|e| &e.findings));
        (events.collect(), codes.map(|f| f.spec.code).collect())
    }

    #[test]
    fn lengths_of_either_kind() {
        let two = |text: &str, n: u64| (text.to_owned(), true, n);
        for (data, expected) in [
            (
                &b"\0\0\0\x02\x08\x2a\0\0\0\0\0\0\0\x07\x12\x05Alice"[..],
                vec![two("~{1: 42}", 2), two("~{}", 0), two("~{2: \"Alice\"}", 7)],
            ),
            (
                &b"\x02\x08\x2a\x07\x12\x05Alice"[..],
                vec![two("~{1: 42}", 2), two("~{2: \"Alice\"}", 7)],
            ),
        ] {
            for size in [1, 2, 3, 7, 1460] {
                assert_eq!(run(data, size, true), (expected.clone(), vec![]), "{size}");
            }
        }
    }

    #[test]
    fn what_is_cut_off_or_no_length_is_told() {
        for size in [1, 2, 3, 7, 1460] {
            let (events, codes) = run(b"\0\0\0\x09\x12\x05Al", size, true);
            assert_eq!(events, [("4 bytes".to_owned(), false, 4)]);
            assert_eq!(codes, ["protobuf.cut"]);
            assert_eq!(run(b"\0\0", size, true).1, ["protobuf.cut"]);
            let (events, codes) = run(b"\xff\xff\xff\xff\x0fabc", size, false);
            assert_eq!((events.len(), codes), (0, vec!["protobuf.bad-length"]));
        }
        let mut r = Recorder::new();
        let mut m = Carried::new(["", ""]);
        r.bytes(&mut m, Side::Server, b"\0\0\0\x09\x12\x05Al", 3);
        r.gap(&mut m, Side::Server, 10);
        r.bytes(&mut m, Side::Server, b"\0\0\0\x02\x08\x2a", 3);
        assert_eq!(r.events.len(), 1);
        assert_eq!(r.findings[0].spec.code, "protobuf.gap");
    }

    proptest::proptest! {
        #[test]
        fn hostile_bytes_never_panic(data in proptest::collection::vec(0_u8..40, 0..300)) {
            let whole = run(&data, 1460, true);
            assert_eq!(run(&data, 1, true), whole);
        }
    }
}
