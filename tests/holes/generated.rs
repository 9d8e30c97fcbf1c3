//! Sessions made up by dice: text, JSON, zeros, tables and noise, fragments, pings,
//! compressed or not, each in segments of its own, coalesced or cut anywhere.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use flate2::{Compress, Compression, FlushCompress};
use framescope::base::CaptureTime;
use framescope::event::Level;

use crate::support::{Segment, as_json, options, pack, run};

/// Dice that fall alike in every run.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ 0xd1b5_4a32_d192_ed03)
    }

    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    /// Below `n`.
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    fn percent(&mut self, n: usize) -> bool {
        self.below(100) < n
    }

    fn noise(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.next() as u8).collect()
    }
}

/// What is in a large payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sort {
    Noise,
    Zeros,
    Json,
    Table,
    Words,
    Numbers,
}

impl Sort {
    pub(crate) const ALL: [(&'static str, Self); 6] = [
        ("noise", Self::Noise),
        ("zeros", Self::Zeros),
        ("JSON", Self::Json),
        ("table", Self::Table),
        ("words", Self::Words),
        ("numbers", Self::Numbers),
    ];

    pub(crate) fn some(self, d: &mut Dice, n: usize) -> Vec<u8> {
        let width = 5 + d.below(8);
        let lines = |line: &mut dyn FnMut(usize) -> String| {
            let mut all = Vec::new();
            for i in 0.. {
                if all.len() >= n {
                    break;
                }
                all.extend(line(i).into_bytes());
            }
            all.truncate(n);
            all
        };
        match self {
            Self::Noise => d.noise(n),
            Self::Zeros => vec![0; n],
            Self::Json => lines(&mut |i| format!("{{\"id\":  {i:width$},    \"v\":   0.00}},   ")),
            Self::Table => lines(&mut |i| format!("{i:width$},0.00,  17,,,\n")),
            Self::Words => {
                lines(&mut |i| format!("{} ", ["word", "of", "some", "text"][i * i % 4]))
            }
            Self::Numbers => {
                let step = 1 + d.below(9) as u32;
                let all = (0..n as u32 / 4 + 1).flat_map(|i| (i * step).to_be_bytes());
                all.take(n).collect()
            }
        }
    }
}

/// How messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Coding {
    Plain,
    /// Each by itself.
    Alone,
    Takeover,
}

/// How frames lie in segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Packing {
    /// A frame begins a segment.
    Frames,
    /// What one end sends in a row is written at once.
    Coalesced,
    /// Cut anywhere.
    Cut,
}

/// What was sent in one frame or more, and where it lies in its direction.
#[derive(Clone, Debug)]
pub(crate) struct Sent {
    pub(crate) side: usize,
    pub(crate) opcode: u8,
    pub(crate) payload: Vec<u8>,
    pub(crate) from: usize,
    pub(crate) to: usize,
    compressed: bool,
    /// Bytes of the payload of its first frame, and whether there are others.
    first: usize,
    fragments: bool,
}

/// A session: its messages, and its segments behind the handshake.
pub(crate) struct Session {
    pub(crate) sent: Vec<Sent>,
    head: Vec<(usize, Vec<u8>)>,
    parts: Vec<(usize, usize, Vec<u8>)>,
    coding: Coding,
}

/// What came of one run.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) intact: usize,
    pub(crate) missed: Vec<String>,
    pub(crate) undecided: Vec<&'static str>,
    pub(crate) wrong: Vec<String>,
}

fn mask(key: [u8; 4], data: &[u8]) -> Vec<u8> {
    data.iter().zip(key.iter().cycle()).map(|(b, k)| b ^ k).collect()
}

fn frame(first: u8, data: &[u8], key: Option<[u8; 4]>) -> Vec<u8> {
    let bit = if key.is_some() { 0x80 } else { 0 };
    let mut f = vec![first];
    match data.len() {
        n @ ..126 => f.push(bit | n as u8),
        n @ ..0x1_0000 => {
            f.push(bit | 126);
            f.extend((n as u16).to_be_bytes());
        }
        n => {
            f.push(bit | 127);
            f.extend((n as u64).to_be_bytes());
        }
    }
    match key {
        Some(key) => {
            f.extend(key);
            f.extend(mask(key, data));
        }
        None => f.extend(data),
    }
    f
}

fn text(d: &mut Dice) -> Vec<u8> {
    match d.below(10) {
        0..3 => {
            let v: Vec<String> = (0..d.below(6)).map(|_| d.below(1_000_000).to_string()).collect();
            let kind = ["msg", "tick", "ack"][d.below(3)];
            let id = d.below(1_000_000);
            format!("{{\"type\":\"{kind}\",\"id\":{id},\"v\":[{}]}}", v.join(",")).into_bytes()
        }
        3 | 4 => format!("Grüße 😀 {}", "x".repeat(d.below(300))).into_bytes(),
        5 => Vec::new(),
        6 => (0..1 + d.below(20)).map(|_| b"abcdefgh "[d.below(9)]).collect(),
        7 => "word ".repeat(1 + d.below(900)).into_bytes(),
        8 => {
            // A table, and JSON with room in it.
            (0..d.below(120)).flat_map(|i| format!("{i:6},0.00,  17\n").into_bytes()).collect()
        }
        _ => d.below(1_000_000_000).to_string().into_bytes(),
    }
}

fn binary(d: &mut Dice) -> Vec<u8> {
    match d.below(20) {
        0..8 => {
            let n = d.below(40);
            d.noise(n)
        }
        8..13 => {
            let n = 100 + d.below(3000);
            d.noise(n)
        }
        13 => {
            let n = 5000 + d.below(15_000);
            d.noise(n)
        }
        14..18 => vec![0; d.below(2000)],
        18 => vec![0; 3000 + d.below(9000)],
        _ => (0..d.below(500) as u32).flat_map(u32::to_be_bytes).collect(),
    }
}

impl Session {
    pub(crate) fn new(d: &mut Dice, coding: Coding, packing: Packing) -> Self {
        let offer = match coding {
            Coding::Plain => "",
            Coding::Takeover => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
            Coding::Alone => {
                "Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; \
                 server_no_context_takeover\r\n"
            }
        };
        let up = format!(
            "GET /chat HTTP/1.1\r\nHost: example.test\r\nUpgrade: websocket\r\nConnection: \
             Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: \
             13\r\n{offer}\r\n"
        );
        let down = format!(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: \
             Upgrade\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n{offer}\r\n"
        );
        let mut s = Self {
            sent: Vec::new(),
            head: vec![(0, up.into_bytes()), (1, down.into_bytes())],
            parts: Vec::new(),
            coding,
        };
        let mut frames: Vec<(usize, Vec<u8>)> = Vec::new();
        let mut at = [0, 0];
        let mut deflate = [(); 2].map(|()| Compress::new(Compression::default(), false));
        for i in 0..4 + d.below(10) {
            let side = d.below(2);
            let is_text = d.percent(60);
            let payload = if is_text { text(d) } else { binary(d) };
            let compressed = coding != Coding::Plain && d.percent(80);
            let data = if compressed {
                let z = &mut deflate[side];
                if coding == Coding::Alone {
                    z.reset();
                }
                squeeze(z, &payload)
            } else {
                payload.clone()
            };
            let opcode = if is_text { 1 } else { 2 };
            let first = opcode | if compressed { 0x40 } else { 0 };
            let mut key = || (side == 0).then(|| (d.next() as u32).to_be_bytes());
            let mut own = Vec::new();
            let cuts = (data.len() > 3 && key_percent(&mut key, i)).then(|| {
                let a = data.len() * (i % 3 + 1) / 5;
                (a, a + (data.len() - a) / 2)
            });
            match cuts {
                Some((a, b)) => {
                    own.push(frame(first, &data[..a], key()));
                    own.push(frame(0, &data[a..b], key()));
                    own.push(frame(0x80, &data[b..], key()));
                }
                None => own.push(frame(0x80 | first, &data, key())),
            }
            let from = at[side];
            let (first, fragments) = (cuts.map_or(data.len(), |(a, _)| a), own.len() > 1);
            if i % 7 == 3 {
                let ping = format!("ping{i}").into_bytes();
                let place = i % own.len().max(1);
                own.insert(place, frame(0x89, &ping, key()));
                let before: usize = own[..place].iter().map(Vec::len).sum();
                let (from, to) = (from + before, from + before + own[place].len());
                let (first, fragments) = (ping.len(), false);
                let payload = ping;
                let compressed = false;
                s.sent.push(Sent {
                    side,
                    opcode: 9,
                    payload,
                    from,
                    to,
                    compressed,
                    first,
                    fragments,
                });
            }
            at[side] += own.iter().map(Vec::len).sum::<usize>();
            let to = at[side];
            s.sent.push(Sent { side, opcode, payload, from, to, compressed, first, fragments });
            frames.extend(own.into_iter().map(|f| (side, f)));
        }
        for side in [0, 1] {
            let f = frame(0x88, b"\x03\xe8", (side == 0).then(|| (d.next() as u32).to_be_bytes()));
            let (from, to) = (at[side], at[side] + f.len());
            let payload = b"\x03\xe8".to_vec();
            let (compressed, first, fragments) = (false, 2, false);
            s.sent.push(Sent { side, opcode: 8, payload, from, to, compressed, first, fragments });
            frames.push((side, f));
        }
        s.pack(d, packing, frames);
        s
    }

    fn pack(&mut self, d: &mut Dice, packing: Packing, frames: Vec<(usize, Vec<u8>)>) {
        let mut runs: Vec<(usize, Vec<u8>)> = Vec::new();
        for (side, f) in frames {
            match runs.last_mut() {
                Some((s, b)) if *s == side && packing != Packing::Frames => b.extend(f),
                _ => runs.push((side, f)),
            }
        }
        let mut at = [0, 0];
        for (side, bytes) in runs {
            let mut rest = bytes.as_slice();
            while !rest.is_empty() {
                let most = if packing == Packing::Cut { 1 + d.below(200) } else { 1400 };
                let (now, then) = rest.split_at(most.min(rest.len()));
                self.parts.push((side, at[side], now.to_vec()));
                at[side] += now.len();
                rest = then;
            }
        }
    }

    /// One client that sends large frames of the same sort, in segments of 1400 bytes.
    pub(crate) fn of_frames(d: &mut Dice, frames: &[(u8, Vec<u8>)]) -> Self {
        let mut s = Self::new(d, Coding::Plain, Packing::Frames);
        (s.sent, s.parts) = (Vec::new(), Vec::new());
        let (mut at, mut list, mut open) = (0, Vec::new(), Vec::new());
        let mut len = 0;
        let mut begun = (0, 0);
        for (first, data) in frames {
            let f = frame(*first, data, Some((d.next() as u32).to_be_bytes()));
            if first & 0x0f != 0 {
                begun = (at, first & 0x0f);
                len = data.len();
            }
            at += f.len();
            open.extend(data);
            if first & 0x80 != 0 {
                let payload = std::mem::take(&mut open);
                let (from, opcode) = begun;
                let (side, to, compressed, fragments) = (0, at, false, len < payload.len());
                let first = len;
                s.sent.push(Sent { side, opcode, payload, from, to, compressed, first, fragments });
            }
            list.push((0, f));
        }
        s.pack(d, Packing::Frames, list);
        s
    }

    /// How many segments there are behind the handshake.
    pub(crate) fn segments(&self) -> usize {
        self.parts.len()
    }

    /// Runs it without one of them.
    pub(crate) fn without(&self, gone: usize) -> Outcome {
        let ends = [([10, 0, 0, 1], 40_000), ([10, 0, 0, 2], 8080)].map(|(ip, p)| (ip.into(), p));
        let base = [1000_u32, 900_000];
        let mut now = 0;
        let mut segment = |side: usize, seq: u32, ack: u32, flags: u8, data: &[u8]| {
            now += 500_000;
            Segment {
                time: CaptureTime(1_700_000_000_000_000_000 + now),
                from: ends[side],
                to: ends[1 - side],
                seq,
                ack,
                flags,
                window: 65_000,
                scale: None,
                data: data.to_vec(),
            }
        };
        let mut all = vec![
            segment(0, base[0] - 1, 0, 0x02, b""),
            segment(1, base[1] - 1, base[0], 0x12, b""),
            segment(0, base[0], base[1], 0x10, b""),
        ];
        let mut seq = base;
        let head = self.head.iter().map(|(s, b)| (*s, b, false));
        let parts = self.parts.iter().enumerate().map(|(i, (s, _, b))| (*s, b, i == gone));
        for (side, bytes, lost) in head.chain(parts) {
            if !lost {
                all.push(segment(side, seq[side], seq[1 - side], 0x18, bytes));
            }
            seq[side] += bytes.len() as u32;
            all.push(segment(1 - side, seq[1 - side], seq[side], 0x10, b""));
        }
        for side in [0, 1] {
            all.push(segment(side, seq[side], seq[1 - side], 0x11, b""));
        }
        let (side, at, bytes) = &self.parts[gone];
        self.judge(&pack(&all), *side, *at, *at + bytes.len())
    }

    fn judge(&self, all: &[crate::support::Owned], side: usize, from: usize, to: usize) -> Outcome {
        let mut pool: BTreeMap<(usize, u8, Vec<u8>), i32> = BTreeMap::new();
        for s in &self.sent {
            *pool.entry((s.side, s.opcode, s.payload.clone())).or_default() += 1;
        }
        let mut got: BTreeMap<(usize, u8, Vec<u8>), i32> = BTreeMap::new();
        let mut outcome = Outcome::default();
        let told = format!("{side}: {from}..{to} lost");
        for (e, info) in &run(all, options(&[Level::Message])).events {
            let d = &e.draft;
            if d.protocol != "websocket" || d.level != Level::Message || !d.complete {
                continue;
            }
            let v = as_json(e, info);
            let findings = v["findings"].to_string();
            let opcode = match d.kind {
                "text" => 1,
                "binary" => 2,
                "close" => 8,
                "ping" => 9,
                "pong" => 10,
                _ => continue,
            };
            let context = ["websocket.context-lost", "websocket.extensions-unknown"];
            if context.iter().any(|f| findings.contains(f)) {
                continue;
            }
            let payload = match (&v["payload"]["text"], &v["payload"]["base64"]) {
                (serde_json::Value::String(t), _) => t.clone().into_bytes(),
                (_, serde_json::Value::String(b)) => {
                    STANDARD_NO_PAD.decode(b.trim_end_matches('=')).unwrap()
                }
                _ => Vec::new(),
            };
            let from_client = v["sender"] == "client";
            let payload = match (opcode, &v["fields"]["websocket.close.code"]) {
                (8, serde_json::Value::Number(n)) => {
                    (n.as_u64().unwrap() as u16).to_be_bytes().to_vec()
                }
                _ => payload,
            };
            let key = (usize::from(!from_client), opcode, payload);
            match pool.get_mut(&key) {
                Some(n) if *n > 0 => *n -= 1,
                _ => outcome.wrong.push(format!("{told}: {} {v:.300}", d.kind)),
            }
            *got.entry(key).or_default() += 1;
        }
        for s in &self.sent {
            if s.side == side && s.from < to && from < s.to
                || s.compressed && self.coding == Coding::Takeover
            {
                continue;
            }
            outcome.intact += 1;
            match got.get_mut(&(s.side, s.opcode, s.payload.clone())) {
                Some(n) if *n > 0 => *n -= 1,
                _ if s.side == side && s.from >= to && undecided(s).is_some() => {
                    outcome.undecided.extend(undecided(s));
                }
                _ => {
                    let start: Vec<u8> = s.payload.iter().take(12).copied().collect();
                    outcome.missed.push(format!(
                        "{told}: {} at {} of {} bytes {start:?}",
                        s.opcode,
                        s.from,
                        s.payload.len()
                    ));
                }
            }
        }
        outcome
    }
}

/// Why nothing may tell the beginning of a message behind a hole from the middle of
/// another one, if nothing does. A head of seven bits of length says 16 bits, one of which
/// is the mask's, and there are 128 places from which such a frame leads to the next one;
/// with half a dozen first bytes that are common, two holes in a hundred have a place that
/// looks just so and is none. What the payload says must make up for it.
pub(crate) fn undecided(s: &Sent) -> Option<&'static str> {
    match s.first {
        // What was lost may have held the first one of them.
        _ if s.fragments => Some("the first of several frames, which may be the second"),
        0 => Some("a head and nothing else"),
        1..126 if s.compressed => Some("a short frame that is compressed"),
        1..126 if s.opcode == 2 => Some("a short frame of any bytes"),
        1..18 if s.opcode != 8 => Some("a text of few letters"),
        _ => None,
    }
}

/// One in five, by the key that comes next.
fn key_percent(key: &mut impl FnMut() -> Option<[u8; 4]>, i: usize) -> bool {
    match key() {
        Some([a, ..]) => a < 51,
        None => i.is_multiple_of(5),
    }
}

fn squeeze(z: &mut Compress, data: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(data.len() + 64);
    let from = z.total_in();
    loop {
        let at = (z.total_in() - from) as usize;
        z.compress_vec(&data[at..], &mut out, FlushCompress::Sync).unwrap();
        if out.len() < out.capacity() {
            break;
        }
        out.reserve(1024);
    }
    // Nothing new (RFC 7692 §7.2.3.6).
    if out.is_empty() {
        return vec![0];
    }
    assert!(out.ends_with(&[0, 0, 0xff, 0xff]));
    out.truncate(out.len() - 4);
    out
}
