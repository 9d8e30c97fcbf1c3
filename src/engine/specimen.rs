//! Bytes without a capture: one frame, header or message looked at by itself.

use crate::base::{Buffer, BufferId, PieceSource, Side, Span};
use crate::event::{Detail, Payload};
use crate::field::{In, NoSink, TreeSink, Value};
use crate::finding::Finding;
use crate::link::{dissect, dissect_transport};
use crate::proto::grpc::wire::PREFIX_LEN;
use crate::proto::{PayloadDecoder, PayloadHint, grpc, http2, protobuf, websocket};

/// What bytes can be looked at as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum As {
    /// Frames of RFC 6455.
    WebSocket,
    /// Frames of RFC 9113, a connection preface before them or not.
    Http2,
    /// A header block of RFC 7541.
    Hpack,
    /// Messages of gRPC with their prefixes.
    Grpc,
    /// A protobuf message.
    Protobuf,
    /// An Ethernet frame without its checksum.
    Ethernet,
    /// An IPv4 or IPv6 packet.
    Ip,
    /// A TCP segment.
    Tcp,
    /// A UDP datagram.
    Udp,
}

impl As {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::WebSocket,
        Self::Http2,
        Self::Hpack,
        Self::Grpc,
        Self::Protobuf,
        Self::Ethernet,
        Self::Ip,
        Self::Tcp,
        Self::Udp,
    ];

    /// As on the command line.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::WebSocket => "websocket",
            Self::Http2 => "http2",
            Self::Hpack => "hpack",
            Self::Grpc => "grpc",
            Self::Protobuf => "protobuf",
            Self::Ethernet => "ethernet",
            Self::Ip => "ip",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// One thing found at the front of the bytes.
#[derive(Clone, Debug, Default)]
pub struct Specimen {
    /// `websocket`, `http2`, …
    pub protocol: &'static str,
    /// `text`, `headers`, …
    pub kind: &'static str,
    /// Where it begins in the bytes that were given.
    pub at: usize,
    /// Bytes that it takes; never 0.
    pub len: usize,
    /// Bytes that its length states and that are not there.
    pub missing: u64,
    /// Summary, tree and buffers.
    pub detail: Detail,
    /// What is wrong with it by itself.
    pub findings: Vec<Finding>,
}

/// Looks at bytes one after another; what an earlier block of HPACK put into the
/// dynamic table is known to a later one.
pub struct Bench {
    what: As,
    http2: http2::Reader,
    protobuf: protobuf::Decoder,
    /// What messages of protobuf are.
    media_type: String,
}

/// Things that are looked at in one run of bytes. Two bytes can be a frame, so
/// that a megabyte of zeros would be half a million of them.
const MAX_SPECIMENS: usize = 256;

impl Bench {
    /// For bytes of this kind.
    #[must_use]
    pub fn new(what: As) -> Self {
        Self {
            what,
            http2: http2::Reader::default(),
            protobuf: protobuf::Decoder::default(),
            media_type: "application/grpc".to_owned(),
        }
    }

    /// For messages of this type, by its full name, which `schema` has.
    #[must_use]
    pub fn of_type(what: As, schema: protobuf::Schema, name: &str) -> Self {
        Self {
            protobuf: protobuf::Decoder { schema: Some(schema), learnt: None },
            media_type: format!("application/protobuf; messageType=\"{name}\""),
            ..Self::new(what)
        }
    }

    /// All that is in `data`, one behind the other, and how many bytes at its end
    /// were not looked at, since there were too many things.
    pub fn look(&mut self, data: &[u8]) -> (Vec<Specimen>, usize) {
        let mut found = Vec::new();
        let mut at = 0_usize;
        while let Some(rest) = data.get(at..).filter(|r| !r.is_empty()) {
            if found.len() >= MAX_SPECIMENS {
                return (found, rest.len());
            }
            let mut one = self.front(rest);
            one.at = at;
            one.len = one.len.clamp(1, rest.len());
            at += one.len;
            found.push(one);
        }
        (found, 0)
    }

    fn front(&mut self, data: &[u8]) -> Specimen {
        match self.what {
            As::WebSocket => websocket_frame(data),
            As::Http2 => from_http2(self.http2.frame(data)),
            As::Hpack => from_http2(self.http2.header_block(data)),
            As::Grpc => self.grpc(data),
            As::Protobuf => {
                let mut detail = Detail::default();
                detail.origins.add(whole("message", data));
                let findings = self.message(data, &mut detail, BufferId(0));
                detail.summary = line(&detail.payload);
                let (protocol, kind) = ("protobuf", "message");
                let len = data.len();
                Specimen { protocol, kind, len, detail, findings, ..Specimen::default() }
            }
            As::Ethernet => packet(("ethernet", "frame"), data, dissect(1, data, 0)),
            As::Ip => packet(("ip", "packet"), data, dissect(101, data, 0)),
            As::Tcp => packet(("tcp", "segment"), data, dissect_transport(6, data)),
            As::Udp => packet(("udp", "datagram"), data, dissect_transport(17, data)),
        }
    }

    fn message(&self, data: &[u8], detail: &mut Detail, buffer: BufferId) -> Vec<Finding> {
        let hint = PayloadHint {
            media_type: &self.media_type,
            path: "",
            side: Side::Client,
            message: None,
        };
        self.protobuf.decode(&hint, data, Some((detail, buffer))).unwrap_or_default()
    }

    fn grpc(&self, data: &[u8]) -> Specimen {
        let sink = TreeSink::new();
        let i = In::new(data, BufferId(0), 0, &sink);
        let Ok((_, prefix)) = grpc::wire::prefix(In::new(data, BufferId(0), 0, &NoSink)) else {
            // What is there of it is told before the input ends.
            let _ = grpc::wire::prefix(i);
            let mut detail = Detail { tree: sink.into_tree(), ..Detail::default() };
            let leaves = detail.tree.leaves().filter_map(|n| n.span);
            let end = leaves.map(|s| s.end()).max().unwrap_or(0);
            if let Some(rest) = data.get(end as usize..).filter(|r| !r.is_empty()) {
                let span = Span::bytes(BufferId(0), end, rest.len() as u32);
                let spec = &grpc::fields::CUT_PREFIX;
                detail.tree.add(spec, Some(span), Value::Bytes(rest.into()));
            }
            "prefix, cut short".clone_into(&mut detail.summary);
            detail.origins.add(whole("message", data));
            let missing = PREFIX_LEN.saturating_sub(data.len()) as u64;
            let (protocol, kind, len) = ("grpc", "message", data.len());
            return Specimen { protocol, kind, len, missing, detail, ..Specimen::default() };
        };
        let there = data.len().saturating_sub(PREFIX_LEN).min(prefix.length as usize);
        let len = PREFIX_LEN + there;
        if let Ok((rest, _)) = grpc::wire::prefix(i) {
            let _ = grpc::wire::message(rest, prefix.length);
        }
        let mut detail = Detail { tree: sink.into_tree(), ..Detail::default() };
        detail.origins.add(whole("prefix and message", data.get(..len).unwrap_or_default()));
        let missing = u64::from(prefix.length) - there as u64;
        let body = data.get(PREFIX_LEN..len).unwrap_or_default();
        let mut findings = Vec::new();
        if prefix.flag == 0 && missing == 0 && !body.is_empty() {
            let mut b = whole("message", body);
            let from = Span::bytes(BufferId(0), PREFIX_LEN as u32, b.len);
            let n = std::mem::take(&mut b.len);
            b.push(n, PieceSource::Buffer(from), true);
            let buffer = detail.origins.add(b);
            findings = self.message(body, &mut detail, buffer);
        }
        detail.summary = match prefix.flag {
            0 => line(&detail.payload),
            1 => format!("{there} bytes, compressed"),
            n => format!("{there} bytes, flag {n}"),
        };
        let (protocol, kind) = ("grpc", "message");
        Specimen { protocol, kind, len, missing, detail, findings, ..Specimen::default() }
    }
}

/// A buffer that lies in no packet.
fn whole(label: &'static str, bytes: &[u8]) -> Buffer {
    let mut b = Buffer::new(label);
    b.len = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    b.bytes = bytes.to_vec();
    b
}

fn line(payload: &Payload) -> String {
    match payload {
        Payload::Protobuf { type_name: None, value } => format!("~{}", value.wire_line(200)),
        typed @ Payload::Protobuf { .. } => typed.line(0),
        Payload::Bytes(b) => format!("{} bytes", b.len()),
        Payload::None => String::new(),
    }
}

fn websocket_frame(data: &[u8]) -> Specimen {
    let protocol = "websocket";
    match websocket::wire::frame(data) {
        Ok(f) => {
            let kind = f.head.kind();
            let mut detail = Detail { tree: f.tree, origins: f.origins, ..Detail::default() };
            let n = f.head.length;
            detail.summary = format!("{n} byte{}", if n == 1 { "" } else { "s" });
            detail.payload = Payload::Bytes(f.payload);
            let (len, missing) = (f.len, f.missing);
            Specimen { protocol, kind, len, missing, detail, ..Specimen::default() }
        }
        Err(missing) => {
            let mut detail = Detail { tree: websocket::wire::cut_tree(data), ..Detail::default() };
            "head, cut short".clone_into(&mut detail.summary);
            detail.origins.add(whole("frame", data));
            let missing = missing as u64;
            let len = data.len();
            Specimen { protocol, kind: "frame", len, missing, detail, ..Specimen::default() }
        }
    }
}

fn from_http2(f: http2::Frame) -> Specimen {
    let protocol = if f.kind == "header block" { "hpack" } else { "http2" };
    let http2::Frame { kind, detail, findings, len, missing } = f;
    Specimen { protocol, kind, at: 0, len, missing, detail, findings }
}

fn packet(
    (protocol, kind): (&'static str, &'static str),
    data: &[u8],
    d: crate::link::Dissection,
) -> Specimen {
    let mut detail = Detail { tree: d.tree, ..Detail::default() };
    detail.summary = d.outline.end.name();
    detail.origins.add(whole("packet", data));
    let len = data.len();
    Specimen { protocol, kind, len, detail, findings: d.findings, ..Specimen::default() }
}
