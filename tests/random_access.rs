//! Any message of a long compressed conversation is opened at a bounded cost: what
//! is inflated for it is counted.

mod support;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};
use std::time::{Duration, Instant};

use flate2::{Compress, Compression, FlushCompress};
use framescope::capture::{OpenOptions, open};
use framescope::event::{Level, Payload};
use framescope::index::{Index, Progress, Reader, Reloader, RowId};
use support::options;

/// Bytes of each message.
const MESSAGE: usize = 10 << 10;
/// What may be inflated beside the message itself.
const BESIDE: u64 = 256 << 10;

/// The `n`-th message: text of some words and numbers, of which no two are the same.
fn message(n: usize) -> Vec<u8> {
    let mut x = (n as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut text = format!("message {n}: ").into_bytes();
    while text.len() < MESSAGE {
        x = x.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let word = ["alpha ", "beta ", "gamma ", "delta "][(x >> 62) as usize];
        text.extend(word.as_bytes());
        if x >> 40 & 7 == 0 {
            text.extend(format!("{} ", x >> 44).as_bytes());
        }
    }
    text.truncate(MESSAGE);
    text
}

/// Writes a pcap of one connection.
struct Capture {
    out: std::io::BufWriter<std::fs::File>,
    next: [u32; 2],
    packets: u64,
}

impl Capture {
    fn new(path: &Path) -> Self {
        let mut out = std::io::BufWriter::new(std::fs::File::create(path).unwrap());
        out.write_all(&0xa1b2_c3d4_u32.to_le_bytes()).unwrap();
        out.write_all(&[2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 4, 0]).unwrap();
        out.write_all(&101_u32.to_le_bytes()).unwrap();
        Self { out, next: [1000, 2000], packets: 0 }
    }

    fn segment(&mut self, side: usize, flags: u8, data: &[u8]) {
        let ports = [40_000_u16, 80];
        let mut tcp = Vec::new();
        tcp.extend(ports[side].to_be_bytes());
        tcp.extend(ports[1 - side].to_be_bytes());
        tcp.extend(self.next[side].to_be_bytes());
        tcp.extend(self.next[1 - side].to_be_bytes());
        tcp.extend([0x50, flags, 0xff, 0xff, 0, 0, 0, 0]);
        tcp.extend(data);
        let mut ip = vec![0x45, 0];
        ip.extend(u16::try_from(20 + tcp.len()).unwrap().to_be_bytes());
        ip.extend([0, 0, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1 + side as u8, 10, 0, 0, 2 - side as u8]);
        ip.extend(tcp);
        let len = u32::try_from(ip.len()).unwrap();
        self.packets += 1;
        let time = self.packets * 10;
        self.out.write_all(&u32::try_from(time / 1_000_000).unwrap().to_le_bytes()).unwrap();
        self.out.write_all(&u32::try_from(time % 1_000_000).unwrap().to_le_bytes()).unwrap();
        self.out.write_all(&len.to_le_bytes()).unwrap();
        self.out.write_all(&len.to_le_bytes()).unwrap();
        self.out.write_all(&ip).unwrap();
        let syn = u32::from(flags & 2 != 0);
        self.next[side] =
            self.next[side].wrapping_add(u32::try_from(data.len()).unwrap()).wrapping_add(syn);
    }
}

/// A connection on which the server sends `count` messages, with context takeover,
/// in segments of `size` bytes that do not heed where messages end.
fn capture(count: usize, size: usize) -> PathBuf {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("many-{count}-{size}.pcap"));
    let mut c = Capture::new(&path);
    c.segment(0, 2, b"");
    c.segment(1, 0x12, b"");
    c.segment(0, 0x10, b"");
    c.segment(
        0,
        0x18,
        b"GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
          Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
          Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    );
    c.segment(
        1,
        0x18,
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
          Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
          Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n",
    );
    let mut codec = Compress::new(Compression::fast(), false);
    let mut pending = Vec::new();
    for n in 0..count {
        let mut packed = Vec::with_capacity(2 * MESSAGE);
        codec.compress_vec(&message(n), &mut packed, FlushCompress::Sync).unwrap();
        assert!(packed.ends_with(&[0, 0, 0xff, 0xff]));
        packed.truncate(packed.len() - 4);
        pending.push(0xc1);
        if packed.len() < 126 {
            pending.push(packed.len() as u8);
        } else {
            pending.push(126);
            pending.extend(u16::try_from(packed.len()).unwrap().to_be_bytes());
        }
        pending.extend(packed);
        while pending.len() >= size {
            c.segment(1, 0x18, &pending[..size]);
            pending.drain(..size);
        }
    }
    c.segment(1, 0x18, &pending);
    c.out.flush().unwrap();
    path
}

/// Opens messages of a capture of `count`; gives the longest time.
fn opened(count: usize, size: usize, which: &[usize]) -> Duration {
    let path = capture(count, size);
    let index = Arc::new(RwLock::new(Index::new()));
    let source = open(&path, OpenOptions { reload: true }).unwrap();
    let store = source.store().unwrap();
    let begun = Instant::now();
    let mut reader = Reader::new(source, options(&[]), Arc::clone(&index));
    while reader.step().unwrap() != Progress::Ended {}
    let read = begun.elapsed();
    let rows: Vec<u32> = {
        let index = index.read().unwrap();
        (0..u32::try_from(index.len()).unwrap())
            .filter(|r| {
                let row = index.row(RowId(*r)).unwrap();
                row.level() == Level::Message && index.kind(row) == ("websocket", "text")
            })
            .collect()
    };
    assert_eq!(rows.len(), count);
    let mut reloader = Reloader::new(Arc::clone(&index), store, options(&[]));
    let (mut longest, mut most) = (Duration::ZERO, 0);
    for n in which {
        let before = reloader.inflated();
        let begun = Instant::now();
        let event = reloader.open(RowId(rows[*n])).expect("a message").event;
        longest = longest.max(begun.elapsed());
        let inflated = reloader.inflated() - before;
        most = most.max(inflated);
        let detail = event.draft.detail.expect("a detail");
        let Payload::Bytes(payload) = &detail.payload else { panic!("message {n}: no bytes") };
        assert!(*payload == message(*n), "message {n} of {count} is another one");
        assert!(inflated <= BESIDE + MESSAGE as u64, "message {n}: {inflated} bytes inflated");
        assert!(inflated >= MESSAGE as u64, "message {n}: nothing was counted");
    }
    println!(
        "{count} messages in segments of {size}: read in {read:?}, index of {} MiB; {} opened, at most {most} bytes inflated and {longest:?} for one",
        index.read().unwrap().memory() >> 20,
        which.len(),
    );
    let _ = std::fs::remove_file(path);
    longest
}

/// The first, the last, and others all over.
fn some(count: usize, step: usize) -> Vec<usize> {
    let mut list: Vec<usize> = (0..count).step_by(step).collect();
    list.extend([1, count / 2, count - 2, count - 1]);
    list
}

#[test]
fn any_message_is_opened_at_a_bounded_cost() {
    // Segments of Ethernet and of a loopback, and all but all in a few packets.
    for size in [1460, 60_000] {
        opened(800, size, &some(800, 23));
    }
}

/// `cargo test --release --test random_access -- --ignored --nocapture`
#[test]
#[ignore = "1 GB is inflated"]
fn any_of_a_hundred_thousand() {
    for size in [1460, 60_000] {
        let longest = opened(100_000, size, &some(100_000, 997));
        assert!(longest < Duration::from_millis(50), "{longest:?}");
    }
}
