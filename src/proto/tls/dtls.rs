//! DTLS 1.0 and 1.2 (RFC 4347, RFC 6347): records in datagrams, and, where the session's
//! secret is known, what they hold.
//!
//! ```text
//!  0                   1                   2                   3
//!  0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//! +---------------+-------------------------------+---------------+
//! |     type      |            version            |     epoch     |
//! +---------------+-------------------------------+---------------+
//! |     epoch     |                                               |
//! +---------------+        sequence number        +---------------+
//! |                                               |    length     |
//! +---------------+-------------------------------+---------------+
//! |    length     |                  fragment ...                 |
//! +---------------+-----------------------------------------------+
//! ```
//!
//! Each record has its number, so that none depends on those before it. Handshake messages in
//! clear are read where one fragment has all of it; they are not put together of several.

use nom::Input as _;
use nom::number::streaming::{be_u8, be_u16, be_u24, be_u32};

use super::crypto::{Keys, Opened, Sealed};
use super::findings as g;
use super::session::Session;
use super::wire::{self, Context, Hello, Message};
use super::{fields as f, messages, names, records, secret_help};
use crate::base::{Buffer, BufferId, PieceSource, Side, Span};
use crate::event::{Detail, Draft, Level, Payload};
use crate::field::input::{bytes, uint};
use crate::field::{FieldSpec, In, Kind, NoSink, Parsed, Sink, TreeSink, Value};
use crate::finding::Finding;
use crate::proto::secrets::Label;
use crate::proto::{Input, Machine, Out, Progress, Protocol, Trace};

f::fields! {
    CONTENT_TYPE "dtls.record.content_type" "Content type" 8 Enumerated "RFC 6347 §4.1" "What the record carries." .named(names::content_type);
    VERSION "dtls.record.version" "Version" 16 Enumerated "RFC 6347 §4.1" "The version of the session; DTLS 1.0 until it is known." .named(names::version);
    EPOCH "dtls.record.epoch" "Epoch" 16 Unsigned "RFC 6347 §4.1" "Grows with each change of keys: 0 is in clear.";
    SEQUENCE "dtls.record.sequence_number" "Sequence number" 48 Unsigned "RFC 6347 §4.1" "The number of the record within its epoch.";
    LENGTH "dtls.record.length" "Length" 16 Unsigned "RFC 6347 §4.1" "Bytes that follow.";
    HANDSHAKE_TYPE "dtls.handshake.type" "Handshake type" 8 Enumerated "RFC 6347 §4.2.2" "Which message it is." .named(names::handshake) .repeated();
    HANDSHAKE_LENGTH "dtls.handshake.length" "Length" 24 Unsigned "RFC 6347 §4.2.2" "Bytes of the whole message." .repeated();
    MESSAGE_SEQUENCE "dtls.handshake.message_seq" "Message sequence number" 16 Unsigned "RFC 6347 §4.2.2" "The number of the message; the same when it is sent again." .repeated();
    FRAGMENT_OFFSET "dtls.handshake.fragment_offset" "Fragment offset" 24 Unsigned "RFC 6347 §4.2.3" "Where the fragment begins in the message." .repeated();
    FRAGMENT_LENGTH "dtls.handshake.fragment_length" "Fragment length" 24 Unsigned "RFC 6347 §4.2.3" "Bytes of the message in this fragment." .repeated();
    BODY "dtls.handshake.fragment" "Fragment of a message" 0 Data "RFC 6347 §4.2.3" "A message, or part of it." .repeated();
    FRAGMENT "dtls.record.fragment" "Fragment" 0 Data "RFC 6347 §4.1" "What the record carries.";
}

/// The registry's line.
pub static PROTOCOL: Protocol = Protocol {
    name: "dtls",
    label: "DTLS",
    fields: &[FIELDS],
    findings: &[],
    probe: None,
    claims: None,
    datagram: Some(knows),
    tokens: &[],
    glimpse: None,
    start: Some(|| Box::new(Dtls::default())),
};

/// The head of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Head {
    content_type: u8,
    version: u16,
    epoch: u16,
    sequence: u64,
    length: u16,
}

impl Head {
    /// Bytes of a head.
    const LEN: usize = 13;

    const fn is_sound(&self) -> bool {
        matches!(self.content_type, 20..=25)
            && matches!(self.version, 0xfeff | 0xfefd)
            && self.length > 0
            && self.length as usize <= wire::Head::MAX
    }

    /// What stands for the number of TLS in a MAC (RFC 6347 §4.1.2.1).
    fn number(&self) -> u64 {
        u64::from(self.epoch) << 48 | self.sequence
    }
}

fn u48<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, u64> {
    let (i, high) = be_u16(i)?;
    let (i, low) = be_u32(i)?;
    Ok((i, u64::from(high) << 32 | u64::from(low)))
}

fn head<'a, S: Sink + 'a>(i: In<'a, S>) -> Parsed<'a, S, Head> {
    let (i, content_type) = uint(&CONTENT_TYPE, be_u8)(i)?;
    let (i, version) = uint(&VERSION, be_u16)(i)?;
    let (i, epoch) = uint(&EPOCH, be_u16)(i)?;
    let (i, sequence) = uint(&SEQUENCE, u48)(i)?;
    let (i, length) = uint(&LENGTH, be_u16)(i)?;
    Ok((i, Head { content_type, version, epoch, sequence, length }))
}

/// A handshake message, or a part of one.
#[derive(Clone, Copy, Debug)]
struct Part {
    kind: u8,
    /// All of the message is here.
    whole: bool,
    at: usize,
    len: usize,
}

fn part<'a, S: Sink + 'a>(i: In<'a, S>, context: Context) -> Parsed<'a, S, (Part, Message)> {
    let (i, kind) = uint(&HANDSHAKE_TYPE, be_u8)(i)?;
    let (i, all) = uint(&HANDSHAKE_LENGTH, be_u24)(i)?;
    let (i, _) = uint(&MESSAGE_SEQUENCE, be_u16)(i)?;
    let (i, from) = uint(&FRAGMENT_OFFSET, be_u24)(i)?;
    let (i, len) = uint(&FRAGMENT_LENGTH, be_u24)(i)?;
    let at = i.at() as usize;
    let len = len as usize;
    let whole = from == 0 && all as usize == len;
    let mut message = Message::default();
    let (behind, inner) = i.split(len)?;
    // What cannot be read is shown as bytes, all of it.
    let quiet = In::new(inner, BufferId(0), i.at(), &NoSink);
    if len > 0 && whole && wire::body(quiet, kind, context, &mut Message::default()).is_ok() {
        wire::body(i.take(len), kind, context, &mut message)?;
    } else {
        bytes(&BODY, len)(i)?;
    }
    Ok((behind, (Part { kind, whole, at, len }, message)))
}

/// The messages in a record; what is none is told as a fragment.
fn parts<'a, S: Sink + 'a>(mut i: In<'a, S>, context: Context) -> Vec<(Part, Message)> {
    let mut found = Vec::new();
    while !i.data().is_empty() {
        let quiet = In::new(i.data(), BufferId(0), i.at(), &NoSink);
        if part(quiet, context).is_err() {
            break;
        }
        let Ok((rest, p)) = part(i, context) else { break };
        found.push(p);
        i = rest;
    }
    let _ = bytes(&FRAGMENT, i.data().len())(i);
    found
}

/// The messages by name, and what a hello says.
fn said_of(all: &[(Part, Message)]) -> String {
    let one = |(p, m): &(Part, Message)| {
        let name = names::handshake(p.kind.into())?;
        Some(match messages::of_hello(p.kind, &m.hello).filter(|_| m.hello.version != 0) {
            Some(text) => format!("{name} ({text})"),
            None if p.whole => name.to_owned(),
            None => format!("{name} (part)"),
        })
    };
    all.iter().filter_map(one).collect::<Vec<_>>().join(", ")
}

fn counted(n: usize) -> String {
    format!("{n} byte{}", if n == 1 { "" } else { "s" })
}

/// The first record of a datagram, and what is behind it.
fn first(data: &[u8]) -> Option<(Head, &[u8], &[u8])> {
    let (_, head) = head(In::new(data, BufferId(0), 0, &NoSink)).ok()?;
    let (record, rest) = data.split_at_checked(Head::LEN + usize::from(head.length))?;
    head.is_sound().then_some((head, record, rest))
}

/// All of a datagram is records.
fn knows(mut data: &[u8]) -> bool {
    let mut any = false;
    while let Some((_, _, rest)) = first(data) {
        (any, data) = (true, rest);
    }
    any && data.is_empty()
}

/// See the module.
#[derive(Clone, Default)]
struct Dtls {
    session: Session,
    /// Of each direction, for its epoch.
    keys: [Option<(u16, Keys)>; 2],
    plain: Vec<u8>,
    told_missing: bool,
    told_wrong: bool,
    used: bool,
}

impl Machine for Dtls {
    fn feed(&mut self, input: Input<'_>, out: &mut dyn Out) -> Progress {
        if let Input::Datagram { side, offset, data } = input {
            let mut rest = data;
            let mut at = offset;
            while !rest.is_empty() {
                let Some((head, record, behind)) = first(rest) else {
                    out.finding(Finding::new(&g::NOT_TLS).with(format!(
                        "{} bytes of a datagram of the {}",
                        rest.len(),
                        side.name()
                    )));
                    break;
                };
                self.record(side, at, head, record, out);
                at = at.saturating_add(record.len() as u64);
                rest = behind;
            }
        }
        Progress::took(0)
    }

    fn fork(&self) -> Option<Box<dyn Machine>> {
        Some(Box::new(Self { plain: Vec::new(), ..self.clone() }))
    }

    fn memory(&self) -> usize {
        let keys: usize = self.keys.iter().flatten().map(|(_, k)| k.memory()).sum();
        size_of::<Self>() + self.plain.capacity() + self.session.memory() + keys
    }
}

impl Dtls {
    fn record(&mut self, side: Side, at: u64, head: Head, record: &[u8], out: &mut dyn Out) {
        let body = record.get(Head::LEN..).unwrap_or_default();
        let end = at.saturating_add(record.len() as u64);
        let start = out.moment(side, at);
        let ready = out.ready(side, end.saturating_sub(1));
        let mut d = Draft::new(Level::Frame, "dtls", "record", start, ready);
        d.sender = Some(side);
        d.length = body.len() as u64;
        let mut opened = None;
        if head.epoch == 0 {
            if head.content_type == 22 {
                self.hellos(body, head.version);
            }
        } else {
            opened = self.open(side, &head, body, &mut d, out);
        }
        if let (Some(_), Some(random), false) = (&opened, &self.session.random, self.used) {
            self.used = true;
            out.used_secrets(random);
        }
        if let Some(o) = &opened {
            d.length = o.len as u64;
        }
        if out.wants(Level::Frame) {
            let mut trace = Trace::new(true, "UDP datagram");
            trace.add(out, side, at..end);
            d.detail = Some(Box::new(self.detail(side, &head, record, opened, trace)));
        }
        out.emit(d);
    }

    /// Randoms, suite and version, of hellos that are whole.
    fn hellos(&mut self, body: &[u8], version: u16) {
        let all = parts(In::new(body, BufferId(0), 0, &NoSink), self.context());
        for (p, m) in all.into_iter().filter(|(p, _)| p.whole) {
            match p.kind {
                1 => {
                    // The random is there, whatever is wrong behind it.
                    let message = p.at.checked_add(p.len).and_then(|end| body.get(p.at..end));
                    let random = message.and_then(|m| m.get(2..34)).and_then(|r| r.try_into().ok());
                    let Some(random) = random else { continue };
                    self.session.client_hello(&Hello { random, ..Hello::default() });
                }
                2 if m.hello.version != 0 => {
                    self.session.server_hello(&m.hello);
                    // The key schedules are those of TLS 1.1 and 1.2 (RFC 6347 §4.1.2).
                    let old =
                        m.hello.version == 0xfeff || version == 0xfeff && m.hello.version != 0xfefd;
                    self.session.version = if old { 0x0302 } else { 0x0303 };
                    self.keys = Default::default();
                }
                _ => {}
            }
        }
    }

    fn context(&self) -> Context {
        Context { dtls: true, ..self.session.context() }
    }

    fn open(
        &mut self,
        side: Side,
        head: &Head,
        body: &[u8],
        d: &mut Draft,
        out: &dyn Out,
    ) -> Option<Opened> {
        let place = self.keys.get_mut(side.index())?;
        if place.as_ref().is_none_or(|(epoch, _)| *epoch != head.epoch) {
            *place = self.session.master_keys(side, out).map(|k| (head.epoch, k));
        }
        let Some((_, keys)) = place else {
            if !std::mem::replace(&mut self.told_missing, true) {
                let text = secret_help::missing(&self.session, Label::Master);
                d.findings.push(Finding::new(&g::NO_SECRET).with(text));
            }
            return None;
        };
        let sealed = Sealed {
            head: &[],
            content_type: head.content_type,
            version: head.version.to_be_bytes(),
            body,
        };
        let opened = keys.open(&sealed, head.number(), &mut self.plain);
        if opened.is_none() && !std::mem::replace(&mut self.told_wrong, true) {
            let text = secret_help::wrong(&self.session);
            d.findings.push(Finding::new(&g::WRONG_SECRET).with(text));
        }
        opened
    }

    fn detail(
        &self,
        side: Side,
        h: &Head,
        record: &[u8],
        opened: Option<Opened>,
        mut trace: Trace,
    ) -> Detail {
        let sink = TreeSink::new();
        let mut detail = Detail::default();
        let mut buffer = trace.take().unwrap_or_default();
        buffer.bytes = record.to_vec();
        detail.origins.add(buffer);
        let Ok((body, _)) = head(In::new(record, BufferId(0), 0, &sink)) else { return detail };
        let len = body.data().len();
        let what = names::content_type(h.content_type.into())
            .map_or_else(|| format!("type {}", h.content_type), str::to_owned);
        if h.epoch == 0 {
            let said = if h.content_type == 22 {
                let all = parts(body, self.context());
                said_of(&all)
            } else {
                let _ = bytes(&FRAGMENT, len)(body);
                String::new()
            };
            let said = if said.is_empty() { what } else { said };
            detail.summary = format!("{said}, {}", counted(len));
            detail.payload = Payload::Bytes(record.get(Head::LEN..).unwrap_or_default().to_vec());
            detail.tree = sink.into_tree();
            return detail;
        }
        let edges = self
            .keys
            .get(side.index())
            .and_then(Option::as_ref)
            .map_or((0, 0), |(_, keys)| keys.edges());
        let place = records::sealed(body, edges);
        detail.tree = sink.into_tree();
        let Some(opened) = opened else {
            detail.summary = format!("encrypted {what}, {}", counted(len));
            return detail;
        };
        let content = self.plain.get(..opened.len).unwrap_or_default();
        detail.summary = format!("{what}, {}, decrypted", counted(content.len()));
        let size = u32::try_from(content.len()).unwrap_or(u32::MAX);
        let mut derived = Buffer::new("decrypted");
        derived.bytes = content.to_vec();
        let from = Span::bytes(place.buffer, place.start, size.min(place.len));
        derived.push(size, PieceSource::Buffer(from), true);
        let id = detail.origins.add(derived);
        if !content.is_empty() {
            detail.tree.add(&f::CONTENT, Some(Span::bytes(id, 0, size)), Value::None);
        }
        detail.payload = Payload::Bytes(content.to_vec());
        detail
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::proto::harness::Recorder;

    fn record(kind: u8, epoch: u8, body: &[u8]) -> Vec<u8> {
        let len = u16::try_from(body.len()).unwrap().to_be_bytes();
        [&[kind, 0xfe, 0xfd, 0, epoch, 0, 0, 0, 0, 0, 7], &len[..], body].concat()
    }

    #[test]
    fn datagrams_are_known_by_being_records() {
        let one = record(22, 0, &[1; 20]);
        assert!(knows(&one) && knows(&[one.clone(), record(20, 0, &[1])].concat()));
        assert!(!knows(&one[..20]) && !knows(&[]) && !knows(&[0; 64]));
        assert!(!knows(&[one, vec![0]].concat()));
    }

    #[test]
    fn records_are_cut_out_and_stay_closed_without_a_secret() {
        let mut m = Dtls::default();
        let mut out = Recorder::new();
        let data = [record(22, 0, &[14, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0]), record(23, 1, &[9; 40])];
        let data = data.concat();
        m.feed(Input::Datagram { side: Side::Client, offset: 0, data: &data }, &mut out);
        assert_eq!(out.codes(), ["tls.no-secret"]);
    }

    /// Hellos are read in full, with the cookie that DTLS has; what is cut or wrong is shown as
    /// it is.
    #[test]
    fn hellos_are_read_in_full() {
        let extensions = [0, 8, 0, 10, 0, 4, 0, 2, 0, 29];
        let body = [
            &[0xfe, 0xfd][..],
            &[5; 32],
            &[0, 3, 7, 8, 9, 0, 4, 0xc0, 0xa8, 0xc0, 0xae, 1, 0],
            &extensions,
        ]
        .concat();
        let message = |kind: u8, body: &[u8], all: usize| {
            let n = |n: usize| (n as u32).to_be_bytes()[1..].to_vec();
            [&[kind][..], &n(all), &[0, 0], &n(0), &n(body.len()), body].concat()
        };
        let ask = |bytes: &[u8]| {
            let mut out = Recorder::new();
            let input = Input::Datagram { side: Side::Client, offset: 0, data: bytes };
            Dtls::default().feed(input, &mut out);
            out.events.remove(0).detail.unwrap()
        };
        let d = ask(&record(22, 0, &message(1, &body, body.len())));
        for (name, value) in [
            ("tls.handshake.version", 0xfefd),
            ("dtls.handshake.cookie_length", 3),
            ("tls.handshake.ciphersuite", 0xc0a8),
            ("tls.handshake.extensions_supported_group", 29),
        ] {
            assert_eq!(d.tree.number(name), Some(value), "{name}");
        }
        assert!(d.tree.find("dtls.handshake.fragment").is_none());
        assert_eq!(d.summary, "client_hello (up to DTLS 1.2, 2 suites), 69 bytes");
        let verify = ask(&record(22, 0, &message(3, &[0xfe, 0xff, 2, 1, 2], 5)));
        assert_eq!(verify.tree.number("dtls.handshake.cookie_length"), Some(2));
        assert_eq!(verify.summary, "hello_verify_request, 17 bytes");
        let part = ask(&record(22, 0, &message(1, &body[..40], body.len())));
        assert_eq!(part.summary, "client_hello (part), 52 bytes");
        let wrong = ask(&record(22, 0, &message(1, &body[..40], 40)));
        assert_eq!(wrong.summary, "client_hello, 52 bytes");
        for d in [&d, &verify, &part, &wrong] {
            let len = d.origins.buffers()[0].bytes.len();
            let mut covered = vec![0; len];
            for at in d.tree.leaves().filter_map(|n| n.span).flat_map(|s| s.start..s.end()) {
                covered[at as usize] += 1;
            }
            assert!(covered.iter().all(|c| *c == 1), "{covered:?}");
        }
        assert!(part.tree.find("dtls.handshake.fragment").is_some());
        assert!(wrong.tree.find("dtls.handshake.fragment").is_some());
    }

    proptest! {
        #[test]
        fn hostile_datagrams_never_panic(
            pieces in proptest::collection::vec(
                (18..26_u8, 0..3_u8, proptest::collection::vec(any::<u8>(), 1..90)), 1..6),
            tail in proptest::collection::vec(any::<u8>(), 0..20),
        ) {
            let mut data: Vec<u8> =
                pieces.iter().flat_map(|(kind, epoch, body)| record(*kind, *epoch, body)).collect();
            data.extend(tail);
            let mut m = Dtls::default();
            let mut out = Recorder::new();
            for side in Side::BOTH {
                m.feed(Input::Datagram { side, offset: 0, data: &data }, &mut out);
            }
            prop_assert!(m.fork().is_some() && m.memory() > 0);
        }
    }
}
