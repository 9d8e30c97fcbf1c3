//! Writes load captures for measuring: many connections, interleaved, with
//! acknowledgements, every byte determined by the arguments.
//!
//! usage: cargo run --release --example load -- KIND MESSAGES BYTES > FILE
//!
//! KIND is `websocket` (masked from the client), `deflate` (permessage-deflate
//! with context takeover), `grpc` (unary calls on long-lived connections), `calls` (unary
//! calls with the headers that services send: Huffman-coded and indexed), or any of these
//! with `-oneway` behind: what only the client sent. MESSAGES is how many
//! messages both sides send together, BYTES how long each is.

use std::io::{BufWriter, Write};
use std::process::ExitCode;

use flate2::{Compress, Compression, FlushCompress};
use framescope::base::CaptureTime;
use framescope::capture::ByteOrder;
use framescope::capture::LinkType;
use framescope::capture::write::{PcapVariant, PcapWriter};
use framescope::proto::http2::bench_support::huffman_encode;

/// Connections that are open at a time.
const CONNECTIONS: usize = 16;
/// Largest segment: what a loopback with an Ethernet-like MTU sends.
const SEGMENT: usize = 1448;

type Out = PcapWriter<BufWriter<std::io::StdoutLock<'static>>>;

/// One direction of a connection.
#[derive(Default)]
struct Half {
    seq: u32,
    deflate: Option<Compress>,
}

struct Connection {
    port: u16,
    halves: [Half; 2],
    /// HTTP/2 stream of the next call.
    stream: u32,
}

struct Recorder {
    out: Out,
    now: i64,
    both: bool,
}

impl Recorder {
    fn segment(&mut self, c: &mut Connection, side: usize, flags: u8, data: &[u8]) {
        let (seq, ack) = (c.halves[side].seq, c.halves[1 - side].seq);
        let syn_or_fin = u32::from(flags & 0x03 != 0);
        c.halves[side].seq = seq.wrapping_add(data.len() as u32 + syn_or_fin);
        self.now += 7_000;
        if !self.both && side == 1 {
            return;
        }
        let mut p = Vec::with_capacity(54 + data.len());
        p.extend([0; 12]);
        p.extend([0x08, 0x00, 0x45, 0x00]);
        p.extend((40 + data.len() as u16).to_be_bytes());
        p.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
        let (client, server) = ([10, 0, 0, 1], [10, 0, 0, 2]);
        let (from, to) = if side == 0 { (client, server) } else { (server, client) };
        p.extend(from);
        p.extend(to);
        let (sport, dport) = if side == 0 { (c.port, 8080) } else { (8080, c.port) };
        p.extend(sport.to_be_bytes());
        p.extend(dport.to_be_bytes());
        p.extend(seq.to_be_bytes());
        p.extend(ack.to_be_bytes());
        p.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        p.extend(data);
        let len = p.len() as u32;
        self.out.packet(CaptureTime(self.now), len, &p).expect("standard output takes it");
    }

    /// Bytes in segments, and the acknowledgement.
    fn send(&mut self, c: &mut Connection, side: usize, data: &[u8]) {
        for s in data.chunks(SEGMENT) {
            self.segment(c, side, 0x18, s);
        }
        self.segment(c, 1 - side, 0x10, &[]);
    }

    fn open(&mut self, c: &mut Connection) {
        self.segment(c, 0, 0x02, &[]);
        self.segment(c, 1, 0x12, &[]);
        self.segment(c, 0, 0x10, &[]);
    }

    fn close(&mut self, c: &mut Connection) {
        self.segment(c, 0, 0x11, &[]);
        self.segment(c, 1, 0x11, &[]);
        self.segment(c, 0, 0x10, &[]);
    }
}

/// Text that compresses as JSON does.
fn text(n: u64, len: usize) -> Vec<u8> {
    let mut t = Vec::with_capacity(len + 80);
    let mut x = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    while t.len() < len {
        x = x.rotate_left(23).wrapping_mul(0xd134_2543_de82_ef95).wrapping_add(n);
        let _ = write!(
            t,
            "{{\"id\":{n},\"price\":{}.{:02},\"symbol\":\"ABC\"}},",
            x % 1000,
            x >> 32 & 63
        );
    }
    t.truncate(len);
    t
}

fn frame(c: &mut Connection, side: usize, n: u64, payload: &[u8]) -> Vec<u8> {
    let compressed = c.halves[side].deflate.as_mut().map(|z| {
        let mut body = Vec::with_capacity(payload.len() + 64);
        z.compress_vec(payload, &mut body, FlushCompress::Sync).expect("deflate takes it");
        body.truncate(body.len() - 4);
        body
    });
    let body = compressed.as_deref().unwrap_or(payload);
    let mut f = vec![if compressed.is_some() { 0xc1 } else { 0x81 }];
    let mask = if side == 0 { 0x80 } else { 0 };
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
    if side == 0 {
        let key = (n as u32).wrapping_mul(0x9e37_79b9).to_be_bytes();
        f.extend(key);
        f.extend(body.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k));
    } else {
        f.extend(body);
    }
    f
}

fn http2(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let mut f = (payload.len() as u32).to_be_bytes()[1..].to_vec();
    f.extend([kind, flags]);
    f.extend(stream.to_be_bytes());
    f.extend(payload);
    f
}

/// A literal field without indexing, no Huffman: RFC 7541 §6.2.2.
fn literal(block: &mut Vec<u8>, name: &str, value: &str) {
    block.push(0);
    block.push(name.len() as u8);
    block.extend(name.as_bytes());
    block.push(value.len() as u8);
    block.extend(value.as_bytes());
}

/// The protobuf `{1: n, 2: text}` behind its gRPC prefix.
fn message(n: u64, len: usize) -> Vec<u8> {
    let mut m = vec![0x08];
    let mut v = n;
    while v > 0x7f {
        m.push(v as u8 | 0x80);
        v >>= 7;
    }
    m.push(v as u8);
    m.push(0x12);
    let t = text(n, len);
    let mut v = t.len();
    while v > 0x7f {
        m.push(v as u8 | 0x80);
        v >>= 7;
    }
    m.push(v as u8);
    m.extend(t);
    let mut out = vec![0];
    out.extend((m.len() as u32).to_be_bytes());
    out.extend(m);
    out
}

/// DATA frames of the default size for a body.
fn data(stream: u32, body: &[u8], end: bool) -> Vec<u8> {
    let mut out = Vec::new();
    let last = body.len().div_ceil(16_384).max(1) - 1;
    for (i, piece) in body.chunks(16_384).enumerate() {
        out.extend(http2(0, u8::from(end && i == last), stream, piece));
    }
    out
}

fn grpc(r: &mut Recorder, c: &mut Connection, n: u64, len: usize) {
    let stream = c.stream;
    c.stream += 2;
    let mut block = vec![0x83, 0x86];
    literal(&mut block, ":path", "/load.LoadService/Echo");
    literal(&mut block, "content-type", "application/grpc");
    literal(&mut block, "te", "trailers");
    let mut request = http2(1, 4, stream, &block);
    request.extend(data(stream, &message(n, len), true));
    r.send(c, 0, &request);
    let mut block = vec![0x88];
    literal(&mut block, "content-type", "application/grpc");
    let mut response = http2(1, 4, stream, &block);
    response.extend(data(stream, &message(n, len), false));
    let mut trailers = Vec::new();
    literal(&mut trailers, "grpc-status", "0");
    response.extend(http2(1, 5, stream, &trailers));
    r.send(c, 1, &response);
}

/// A literal field with a new name, Huffman-coded: RFC 7541 §6.2.1 (it is indexed) or
/// §6.2.2. Its strings are shorter than 127 bytes.
fn coded(block: &mut Vec<u8>, first: u8, name: &str, value: &str) {
    block.push(first);
    for s in [name, value] {
        let s = huffman_encode(s.as_bytes());
        block.push(0x80 | s.len() as u8);
        block.extend(s);
    }
}

/// What is the same in each request, in the order in which it is first sent.
const REQUEST: [(&str, &str); 10] = [
    (":path", "/load.LoadService/Echo"),
    (":authority", "orders.shop.example:8443"),
    ("content-type", "application/grpc+proto"),
    ("te", "trailers"),
    ("user-agent", "grpc-node-js/1.14.0"),
    ("grpc-accept-encoding", "identity,deflate,gzip"),
    ("accept-encoding", "identity"),
    ("x-tenant", "tenant-0042"),
    ("x-client-version", "2026.11.3"),
    ("authorization", "Bearer eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.c2lnbmF0dXJl"),
];

/// What is the same in each response, its trailers last.
const RESPONSE: [(&str, &str); 4] = [
    ("content-type", "application/grpc+proto"),
    ("server", "envoy"),
    ("grpc-encoding", "identity"),
    ("grpc-status", "0"),
];

/// The fields from `of`: inserted by the first call of a connection, indexed by the others.
/// `newest` entries of the table are younger than the last of them.
fn indexed(block: &mut Vec<u8>, of: &[(&str, &str)], known: bool, newest: usize) {
    for (i, (name, value)) in of.iter().enumerate() {
        if known {
            block.push(0x80 | (62 + newest + of.len() - 1 - i) as u8);
        } else {
            coded(block, 0x40, name, value);
        }
    }
}

/// A unary call as services make them: ten header fields that are sent once, and three
/// that differ from call to call.
fn call(r: &mut Recorder, c: &mut Connection, n: u64, len: usize) {
    let (stream, known) = (c.stream, c.stream > 1);
    c.stream += 2;
    let mut block = vec![0x83, 0x86];
    indexed(&mut block, &REQUEST, known, 0);
    let id = n.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    coded(&mut block, 0, "traceparent", &format!("00-{id:016x}{n:016x}-{id:016x}-01"));
    coded(&mut block, 0, "x-request-id", &format!("{id:016x}"));
    coded(&mut block, 0, "grpc-timeout", &format!("{}m", 900 + n % 100));
    let mut request = http2(1, 4, stream, &block);
    request.extend(data(stream, &message(n, len), true));
    r.send(c, 0, &request);
    let [head @ .., status] = &RESPONSE;
    let mut block = vec![0x88];
    indexed(&mut block, head, known, 1);
    coded(&mut block, 0, "x-upstream-time", &format!("{}", n % 50));
    let mut response = http2(1, 4, stream, &block);
    response.extend(data(stream, &message(n, len), false));
    let mut trailers = Vec::new();
    indexed(&mut trailers, &[*status], known, 0);
    response.extend(http2(1, 5, stream, &trailers));
    r.send(c, 1, &response);
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [kind, messages, bytes] = args.as_slice() else {
        eprintln!("usage: load websocket|deflate|grpc|calls[-oneway] MESSAGES BYTES > FILE");
        return ExitCode::from(2);
    };
    let (Ok(messages), Ok(bytes)) = (messages.parse::<u64>(), bytes.parse::<usize>()) else {
        eprintln!("load: MESSAGES and BYTES are numbers");
        return ExitCode::from(2);
    };
    let (kind, both) = match kind.strip_suffix("-oneway") {
        Some(k) => (k, false),
        None => (kind.as_str(), true),
    };
    let out = BufWriter::with_capacity(1 << 20, std::io::stdout().lock());
    let out = PcapWriter::new(out, LinkType(1), ByteOrder::Little, PcapVariant::Nanos)
        .expect("standard output takes it");
    let mut r = Recorder { out, now: 1_795_000_000_000_000_000, both };
    let mut connections: Vec<Connection> = (0..CONNECTIONS)
        .map(|i| Connection {
            port: 40_000 + i as u16,
            halves: [Half { seq: 1000 * i as u32, ..Half::default() }, Half::default()],
            stream: 1,
        })
        .collect();
    for c in &mut connections {
        r.open(c);
        if matches!(kind, "grpc" | "calls") {
            let mut hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
            // Both open the window of the connection as far as it goes.
            let mut settings = http2(4, 0, 0, &[]);
            settings.extend(http2(8, 0, 0, &0x7fff_0000_u32.to_be_bytes()));
            hello.extend(&settings);
            r.send(c, 0, &hello);
            settings.extend(http2(4, 1, 0, &[]));
            r.send(c, 1, &settings);
            r.send(c, 0, &http2(4, 1, 0, &[]));
            continue;
        }
        let extension = if kind == "deflate" {
            for h in &mut c.halves {
                h.deflate = Some(Compress::new(Compression::default(), false));
            }
            "Sec-WebSocket-Extensions: permessage-deflate\r\n"
        } else {
            ""
        };
        let request = format!(
            "GET /load HTTP/1.1\r\nHost: 10.0.0.2:8080\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n{extension}\r\n"
        );
        r.send(c, 0, request.as_bytes());
        let response = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{extension}\r\n"
        );
        r.send(c, 1, response.as_bytes());
    }
    for n in 0..messages / 2 {
        let c = &mut connections[n as usize % CONNECTIONS];
        if kind == "grpc" {
            grpc(&mut r, c, n, bytes);
        } else if kind == "calls" {
            call(&mut r, c, n, bytes);
        } else {
            for side in 0..2 {
                let payload = text(n, bytes);
                let f = frame(c, side, n, &payload);
                r.send(c, side, &f);
            }
        }
    }
    for c in &mut connections {
        r.close(c);
    }
    match r.out.finish().and_then(|mut w| w.flush()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("load: {e}");
            ExitCode::from(2)
        }
    }
}
