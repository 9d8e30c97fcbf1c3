//! What an event has under a name.

use std::net::{IpAddr, SocketAddr};

use super::names::{Ask, Name};
use crate::base::{CaptureTime, PacketId};
use crate::capture::Process;
use crate::engine::{ConversationInfo, FindingEvent};
use crate::event::{Detail, Event, Payload};
use crate::field::{Datum, FieldSpec, Kind, Node, Value};
use crate::finding::Severity;
use crate::flow::Transport;

/// A value of an event.
#[derive(Clone, Copy, Debug)]
pub enum Val<'a> {
    /// A flag.
    Bool(bool),
    /// A whole number, and its field where it is one.
    Whole(i128, Option<&'static FieldSpec>),
    /// A number.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// An address.
    Ip(IpAddr),
    /// An address with its port.
    End(SocketAddr),
    /// Nanoseconds of a duration field.
    Span(i128),
    /// Seconds, in nanoseconds.
    Seconds(i64),
    /// A point in time.
    Time(CaptureTime),
    /// A severity.
    Severity(Severity),
    /// A group: it is there.
    Here,
}

/// What is asked: an event, or a finding with the event that it belongs to.
#[derive(Clone, Copy, Debug, Default)]
pub struct Scene<'a> {
    /// The event.
    pub event: Option<&'a Event>,
    /// The finding, at the level of findings.
    pub finding: Option<&'a FindingEvent>,
    /// Its conversation.
    pub conversation: Option<&'a ConversationInfo>,
    /// Time of the first packet.
    pub first: CaptureTime,
    /// Time of what was shown before.
    pub before: Option<CaptureTime>,
}

/// Takes values; `true` ends it.
type Each<'e> = dyn FnMut(Val<'_>) -> bool + 'e;

impl<'a> Scene<'a> {
    /// When it was complete.
    #[must_use]
    pub fn time(&self) -> CaptureTime {
        let event = self.event.map(Event::time);
        self.finding.map(|f| f.at.time).or(event).unwrap_or_default()
    }

    fn detail(&self) -> Option<&'a Detail> {
        self.event?.draft.detail.as_deref()
    }

    fn nodes(&self) -> &'a [Node] {
        self.detail().map_or(&[], |d| d.tree.nodes())
    }

    /// Hands out the values under a name until `each` has enough; whether it had.
    pub fn values(&self, name: &Name, each: &mut Each<'_>) -> bool {
        match name {
            Name::Field(spec) => self.field(spec, each),
            Name::Common(c) => self.common(c.ask, each),
            Name::Protocol(p) => self.is_in(p) && each(Val::Here),
            Name::Kind(p, k) => {
                let is = self.event.is_some_and(|e| e.draft.protocol == *p && e.draft.kind == *k);
                is && each(Val::Here)
            }
            Name::Below(start) => {
                let below = |n: &&str| n.strip_prefix(start).is_some_and(|r| r.starts_with('.'));
                let found = self.nodes().iter().any(|n| below(&n.spec.name));
                found && each(Val::Here)
            }
        }
    }

    /// Whether it is of this protocol, has fields of it, or is carried by it.
    fn is_in(&self, protocol: &str) -> bool {
        let of = self.finding.map(|f| f.protocol).or(self.event.map(|e| e.draft.protocol));
        let carried = self.conversation.is_some_and(|c| match protocol {
            "tcp" => c.transport == Transport::Tcp,
            "udp" => c.transport == Transport::Udp,
            "ip" => c.ends.iter().all(SocketAddr::is_ipv4),
            "ipv6" => c.ends.iter().all(SocketAddr::is_ipv6),
            _ => false,
        });
        let stream = protocol == "http2" && self.event.is_some_and(|e| e.draft.stream.is_some());
        let field = |n: &Node| {
            n.spec.name.strip_prefix(protocol).is_some_and(|r| r.is_empty() || r.starts_with('.'))
        };
        of == Some(protocol) || carried || stream || self.nodes().iter().any(field)
    }

    fn field(&self, spec: &'static FieldSpec, each: &mut Each<'_>) -> bool {
        let mut none = true;
        for n in
            self.nodes().iter().filter(|n| std::ptr::eq(n.spec, spec) || n.spec.name == spec.name)
        {
            none = false;
            if self.node(n, each) {
                return true;
            }
        }
        none && self.of_conversation(spec.name, each)
    }

    fn node(&self, n: &Node, each: &mut Each<'_>) -> bool {
        let spec = n.spec;
        if let (true, Some(name)) = (spec.header, &n.name) {
            return match &n.value {
                Value::Text(t) => each(Val::Text(&format!("{name}: {t}"))),
                Value::Bytes(b) => {
                    let hex: String = b.iter().map(|b| format!("{b:02x}")).collect();
                    each(Val::Text(&format!("{name}: {hex}")))
                }
                _ => false,
            };
        }
        match &n.value {
            Value::None if spec.kind == Kind::Data => self.data(n, each),
            Value::None => each(Val::Here),
            Value::Bool(b) => each(Val::Bool(*b)),
            Value::U64(v) if spec.kind == Kind::Duration => each(Val::Span(i128::from(*v))),
            Value::U64(v) => each(Val::Whole(i128::from(*v), Some(spec))),
            Value::I64(v) => each(Val::Whole(i128::from(*v), Some(spec))),
            Value::F64(v) => each(Val::Float(*v)),
            Value::Bytes(b) => each(Val::Bytes(b)),
            Value::Text(t) => match (spec.kind, t.parse()) {
                (Kind::Address, Ok(ip)) => each(Val::Ip(ip)),
                _ => each(Val::Text(t)),
            },
        }
    }

    /// The bytes of a field that is data: those kept of its buffer, else the payload.
    fn data(&self, n: &Node, each: &mut Each<'_>) -> bool {
        let kept = n.span.and_then(|s| {
            let b = self.detail()?.origins.get(s.buffer)?;
            b.bytes.get(s.start as usize..s.end() as usize)
        });
        match kept {
            Some(bytes) => each(Val::Bytes(bytes)),
            None => self.payload(each),
        }
    }

    fn payload(&self, each: &mut Each<'_>) -> bool {
        let Some(detail) = self.detail() else { return false };
        match &detail.payload {
            Payload::None => false,
            Payload::Bytes(b) => each(Val::Bytes(b)),
            // Its texts and bytes, and the message as it was encoded.
            Payload::Protobuf { value, .. } => {
                datum(value, each)
                    || detail
                        .origins
                        .buffers()
                        .iter()
                        .any(|b| !b.bytes.is_empty() && each(Val::Bytes(&b.bytes)))
            }
        }
    }

    /// What a segment's head says is true of all that the connection carries.
    fn of_conversation(&self, name: &str, each: &mut Each<'_>) -> bool {
        let (Some(c), Some(e)) = (self.conversation, self.event) else { return false };
        let (from, to) = c.from_to(e.draft.sender);
        let port = |t: Transport, end: SocketAddr, each: &mut Each<'_>| {
            c.transport == t && each(Val::Whole(i128::from(end.port()), None))
        };
        let ip = |v6: bool, end: SocketAddr, each: &mut Each<'_>| {
            end.is_ipv6() == v6 && each(Val::Ip(end.ip()))
        };
        let index = |t: Transport, each: &mut Each<'_>| {
            c.transport == t && each(Val::Whole(i128::from(c.index), None))
        };
        match name {
            "tcp.srcport" => port(Transport::Tcp, from, each),
            "tcp.dstport" => port(Transport::Tcp, to, each),
            "udp.srcport" => port(Transport::Udp, from, each),
            "udp.dstport" => port(Transport::Udp, to, each),
            "ip.src" => ip(false, from, each),
            "ip.dst" => ip(false, to, each),
            "ipv6.src" => ip(true, from, each),
            "ipv6.dst" => ip(true, to, each),
            "tcp.stream" => index(Transport::Tcp, each),
            "udp.stream" => index(Transport::Udp, each),
            _ => false,
        }
    }

    /// Addresses or ports of a packet's own heads; `false` where it has none.
    fn heads(&self, names: &[&str], each: &mut Each<'_>) -> (bool, bool) {
        let mut any = false;
        for n in self.nodes().iter().filter(|n| names.contains(&n.spec.name)) {
            any = true;
            if self.node(n, each) {
                return (true, true);
            }
        }
        (any, false)
    }

    /// Whose the ends are, as far as that is known.
    fn processes(&self) -> impl Iterator<Item = &Process> {
        self.conversation.into_iter().flat_map(|c| c.processes.iter().flatten().map(AsRef::as_ref))
    }

    fn common(&self, ask: Ask, each: &mut Each<'_>) -> bool {
        let number = |n: u64, each: &mut Each<'_>| each(Val::Whole(i128::from(n), None));
        let draft = self.event.map(|e| &e.draft);
        let sender = self.finding.map_or(draft.and_then(|d| d.sender), |f| f.sender);
        let ends = self.conversation.map(|c| c.from_to(sender));
        match ask {
            Ask::Event => {
                let id = self.finding.map_or(self.event.map(|e| e.id), |f| f.event);
                id.filter(|id| id.0 > 0).is_some_and(|id| number(id.0, each))
            }
            Ask::Packet => {
                let packets =
                    |p: &[PacketId], each: &mut Each<'_>| p.iter().any(|p| number(p.0, each));
                match (self.finding, self.event) {
                    (Some(f), _) => packets(&f.packets, each),
                    (None, Some(e)) => packets(&e.packets(), each),
                    (None, None) => false,
                }
            }
            Ask::Conversation => self.conversation.is_some_and(|c| number(u64::from(c.id.0), each)),
            Ask::Stream => {
                let stream = self.finding.map_or(draft.and_then(|d| d.stream), |f| f.stream);
                stream.is_some_and(|s| number(s, each))
            }
            Ask::Level if self.finding.is_some() => each(Val::Text("finding")),
            Ask::Level => draft.is_some_and(|d| each(Val::Text(d.level.name()))),
            Ask::Protocol => match self.finding {
                Some(f) => each(Val::Text(f.protocol)),
                None => draft.is_some_and(|d| each(Val::Text(d.protocol))),
            },
            Ask::Kind => draft.is_some_and(|d| each(Val::Text(d.kind))),
            Ask::Sender => {
                let known = self.conversation.is_some_and(|c| c.roles_known);
                sender.filter(|_| known).is_some_and(|s| each(Val::Text(s.name())))
            }
            Ask::From => ends.is_some_and(|(a, _)| each(Val::End(a))),
            Ask::To => ends.is_some_and(|(_, b)| each(Val::End(b))),
            Ask::Addr => match ends {
                Some((a, b)) => each(Val::Ip(a.ip())) || each(Val::Ip(b.ip())),
                None => self.heads(&["ip.src", "ip.dst", "ipv6.src", "ipv6.dst"], each).1,
            },
            Ask::Ip(v6) => {
                let names = if v6 { ["ipv6.src", "ipv6.dst"] } else { ["ip.src", "ip.dst"] };
                match (self.heads(&names, each), ends) {
                    ((false, _), Some((a, b))) => {
                        a.is_ipv6() == v6 && (each(Val::Ip(a.ip())) || each(Val::Ip(b.ip())))
                    }
                    ((_, enough), _) => enough,
                }
            }
            Ask::Port(transport) => {
                let fits = |t| transport.is_none_or(|wanted| wanted == t);
                match (ends, self.conversation) {
                    (Some((a, b)), Some(c)) => {
                        fits(c.transport)
                            && (number(u64::from(a.port()), each)
                                || number(u64::from(b.port()), each))
                    }
                    _ => {
                        (fits(Transport::Tcp)
                            && self.heads(&["tcp.srcport", "tcp.dstport"], each).1)
                            || (fits(Transport::Udp)
                                && self.heads(&["udp.srcport", "udp.dstport"], each).1)
                    }
                }
            }
            Ask::Pid => self.processes().any(|p| number(u64::from(p.pid), each)),
            Ask::Program => self.processes().any(|p| each(Val::Text(&p.name))),
            Ask::Time => each(Val::Time(self.time())),
            Ask::TimeEpoch => each(Val::Seconds(self.time().0)),
            Ask::StartTime => draft.is_some_and(|d| each(Val::Time(d.start.time))),
            Ask::TimeRelative => each(Val::Seconds(self.time().0.saturating_sub(self.first.0))),
            Ask::TimeDelta => {
                let before = self.before.unwrap_or_else(|| self.time());
                each(Val::Seconds(self.time().0.saturating_sub(before.0)))
            }
            Ask::Length => draft.is_some_and(|d| number(d.length, each)),
            Ask::Complete => draft.is_some_and(|d| each(Val::Bool(d.complete))),
            Ask::Inferred => draft.is_some_and(|d| each(Val::Bool(d.inferred))),
            Ask::Summary => match self.finding {
                Some(f) => each(Val::Text(f.finding.spec.meaning)),
                None => self.detail().is_some_and(|d| each(Val::Text(&d.summary))),
            },
            Ask::Payload => self.payload(each),
            Ask::Finding => match self.finding {
                Some(f) => each(Val::Text(f.finding.spec.code)),
                None => {
                    draft.is_some_and(|d| d.findings.iter().any(|f| each(Val::Text(f.spec.code))))
                }
            },
            Ask::Severity => match self.finding {
                Some(f) => each(Val::Severity(f.finding.spec.severity)),
                None => draft.is_some_and(|d| {
                    d.findings.iter().any(|f| each(Val::Severity(f.spec.severity)))
                }),
            },
        }
    }
}

/// The texts and bytes in a datum.
fn datum(value: &Datum, each: &mut Each<'_>) -> bool {
    match value {
        Datum::Text(t) => each(Val::Bytes(t.as_bytes())),
        Datum::Bytes(b) => each(Val::Bytes(b)),
        Datum::List(all) => all.iter().any(|d| datum(d, each)),
        Datum::Map(all) => all.iter().any(|(_, d)| datum(d, each)),
        _ => false,
    }
}
