//! What several benches measure on: payloads, captures, conversations, and a world that
//! only counts.
#![allow(dead_code, reason = "no bench uses all of it")]

use std::ops::Range;

use flate2::{Compress, Compression, FlushCompress};
use framescope::base::{BufferId, CaptureTime, Moment, PacketId, Piece, Side};
use framescope::event::{Detail, Draft, Level};
use framescope::finding::Finding;
use framescope::proto::{Child, Chunk, Head, Headers, Input, Machine, Out, PayloadHint, websocket};

/// Text that compresses as JSON of a feed does.
pub(crate) fn text(n: u64, len: usize) -> Vec<u8> {
    let mut t = String::with_capacity(len + 80);
    let mut x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while t.len() < len {
        x = x.rotate_left(23).wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(n);
        let (whole, part) = (x % 1000, x >> 32 & 63);
        t += &format!("{{\"id\":{n},\"price\":{whole}.{part:02},\"symbol\":\"ABC\"}},");
    }
    t.truncate(len);
    t.into_bytes()
}

/// A moment in a capture.
pub(crate) fn moment(n: u64) -> Moment {
    Moment { packet: PacketId(n), time: CaptureTime(1_795_000_000_000_000_000 + n as i64 * 1000) }
}

/// The world of a machine when nobody looks: it counts.
#[derive(Default)]
pub(crate) struct Silent {
    pub(crate) events: u64,
    pub(crate) findings: u64,
    pub(crate) bytes: u64,
}

impl Out for Silent {
    fn wants(&self, _: Level) -> bool {
        false
    }
    fn payload_cap(&self) -> usize {
        1 << 20
    }
    fn now(&self) -> Moment {
        moment(1)
    }
    fn moment(&self, _: Side, _: u64) -> Moment {
        moment(1)
    }
    fn ready(&self, _: Side, _: u64) -> Moment {
        moment(1)
    }
    fn pieces(&self, _: Side, _: Range<u64>, _: &mut dyn FnMut(Piece)) {}
    fn emit(&mut self, draft: Draft) {
        self.events += 1;
        self.findings += draft.findings.len() as u64;
        if draft.level == Level::Message {
            self.bytes += draft.length;
        }
    }
    fn finding(&mut self, _: Finding) {
        self.findings += 1;
    }
    fn inflated(&mut self, _: u64) {}
    fn open(&mut self, _: Child<'_>) -> bool {
        true
    }
    fn pass(&mut self, _: u64, _: Side, _: u64, _: &[u8]) {}
    fn pass_made(&mut self, _: u64, _: Side, _: Range<u64>, _: &[u8], _: bool) {}
    fn tell(&mut self, _: u64, _: Input<'_>) {}
    fn close(&mut self, _: u64) {}
    fn decode(
        &mut self,
        _: &PayloadHint<'_>,
        _: &[u8],
        _: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        None
    }
    fn method_pattern(&self, _: &str) -> Option<&'static str> {
        None
    }
}

/// A compressed WebSocket conversation: both sides send in turn, each with its context.
pub(crate) struct Conversation {
    /// Who sent it, the frame as on the wire, and the compressed payload without its mask.
    pub(crate) messages: Vec<(Side, Vec<u8>, Vec<u8>)>,
    /// Bytes of all messages before compression.
    pub(crate) plain: u64,
}

impl Conversation {
    /// `count` text messages of `len` bytes each.
    pub(crate) fn new(count: u64, len: usize) -> Self {
        let mut deflate = Side::BOTH.map(|_| Compress::new(Compression::default(), false));
        let mut messages = Vec::new();
        for n in 0..count {
            let side = if n % 2 == 0 { Side::Client } else { Side::Server };
            let mut body = Vec::with_capacity(len + 64);
            let z = &mut deflate[side.index()];
            z.compress_vec(&text(n, len), &mut body, FlushCompress::Sync).unwrap();
            body.truncate(body.len() - 4);
            messages.push((side, frame(side, n, true, &body), body));
        }
        Self { messages, plain: count * len as u64 }
    }

    /// The whole of it through the machine; gives the bytes of its messages.
    pub(crate) fn run(&self) -> u64 {
        let mut machine = upgraded("permessage-deflate");
        let mut out = Silent::default();
        let mut offsets = [0; 2];
        for (side, frame, _) in &self.messages {
            let offset = &mut offsets[side.index()];
            let chunk = Chunk { side: *side, offset: *offset, data: frame, last: false };
            machine.feed(Input::Bytes(chunk), &mut out);
            *offset += frame.len() as u64;
        }
        assert_eq!(out.findings, 0);
        out.bytes
    }

    /// The same compressed bytes through the library alone, as RFC 7692 §7.2.2 has it: one
    /// inflater a direction, `00 00 ff ff` behind each message.
    pub(crate) fn inflate_alone(&self) -> u64 {
        let mut inflate = Side::BOTH.map(|_| flate2::Decompress::new(false));
        let mut out = vec![0; 16 << 10];
        let mut bytes = 0;
        for (side, _, body) in &self.messages {
            let z = &mut inflate[side.index()];
            for mut part in [body.as_slice(), &[0, 0, 0xff, 0xff]] {
                loop {
                    let (before_in, before_out) = (z.total_in(), z.total_out());
                    z.decompress(part, &mut out, flate2::FlushDecompress::Sync).unwrap();
                    part = &part[(z.total_in() - before_in) as usize..];
                    let made = (z.total_out() - before_out) as usize;
                    bytes += made as u64;
                    if part.is_empty() && made < out.len() {
                        break;
                    }
                }
            }
        }
        bytes
    }
}

/// A frame of a text message.
pub(crate) fn frame(side: Side, n: u64, compressed: bool, body: &[u8]) -> Vec<u8> {
    let mut f = vec![if compressed { 0xc1 } else { 0x81 }];
    let mask = if side == Side::Client { 0x80 } else { 0 };
    match body.len() {
        0..126 => f.push(mask | body.len() as u8),
        126..65536 => {
            f.push(mask | 126);
            f.extend((body.len() as u16).to_be_bytes());
        }
        _ => {
            f.push(mask | 127);
            f.extend((body.len() as u64).to_be_bytes());
        }
    }
    if side == Side::Client {
        let key = (n as u32).wrapping_mul(0x9e37_79b9).to_be_bytes();
        f.extend(key);
        f.extend(body.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k));
    } else {
        f.extend(body);
    }
    f
}

/// A WebSocket machine behind its handshake, with this extension agreed ("" for none).
pub(crate) fn upgraded(extension: &str) -> Box<dyn Machine> {
    let mut machine = websocket::PROTOCOL.start.unwrap()();
    let mut request = Headers::new();
    for (name, value) in [
        (":method", "GET"),
        (":path", "/feed"),
        ("Host", "example.com"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Extensions", extension),
    ] {
        if !value.is_empty() {
            request.push(name.as_bytes(), value.as_bytes());
        }
    }
    let mut response = Headers::new();
    for (name, value) in [
        (":status", "101"),
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="),
        ("Sec-WebSocket-Extensions", extension),
    ] {
        if !value.is_empty() {
            response.push(name.as_bytes(), value.as_bytes());
        }
    }
    for (side, headers) in [(Side::Client, &request), (Side::Server, &response)] {
        let head = Head {
            side,
            headers,
            version: 11,
            end: false,
            start: moment(1),
            ready: moment(1),
            wire_len: 200,
            detail: None,
        };
        machine.feed(Input::Head(head), &mut Silent::default());
    }
    machine
}

/// An HPACK block of `count` indexed fields (RFC 7541 §6.1): of the static table, as a
/// request has them, and of the dynamic one, which `learn` fills.
pub(crate) fn indexed_block(count: usize) -> Vec<u8> {
    // :method POST, :scheme http, then the newest entries of the dynamic table.
    let of = [0x83, 0x86, 62 | 0x80, 63 | 0x80, 64 | 0x80, 65 | 0x80];
    of.into_iter().cycle().take(count).collect()
}

/// A literal with incremental indexing and a new name (§6.2.1), not Huffman-coded.
pub(crate) fn literal(block: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    block.push(0x40);
    for s in [name, value] {
        block.push(s.len() as u8);
        block.extend(s);
    }
}

/// A block that inserts the fields of a gRPC request, the newest last.
pub(crate) fn learn() -> Vec<u8> {
    let mut block = Vec::new();
    literal(&mut block, b":path", b"/shop.v1.OrderService/CreateOrder");
    literal(&mut block, b":authority", b"orders.shop.example:8443");
    literal(&mut block, b"content-type", b"application/grpc+proto");
    literal(&mut block, b"te", b"trailers");
    block
}

/// What header values are made of: paths, user agents, dates, tokens.
pub(crate) fn header_text(len: usize) -> Vec<u8> {
    let of = "/shop.v1.OrderService/CreateOrder?trace=4bf92f3577b34da6a3ce929d0e0e4736 \
              Mozilla/5.0 (X11; Linux x86_64) Sat, 21 Nov 2026 10:15:30 GMT application/json";
    of.bytes().cycle().take(len).collect()
}
