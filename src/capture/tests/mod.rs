//! Captures made here, by the writers and byte by byte, and read back.

mod compressed;
mod corpus;
mod damage;
mod formats;
mod sources;

use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::write::{PcapNgWriter, PcapVariant, PcapWriter};
use super::*;
use crate::base::CaptureTime;

/// All that a source gave.
#[derive(Debug, Default, PartialEq)]
struct Got {
    packets: Vec<(PacketMeta, Vec<u8>)>,
    /// Number of the packet that it goes with, code, detail.
    findings: Vec<(u64, &'static str, String)>,
    /// Packets that came before, and the secrets.
    secrets: Vec<(usize, Secrets)>,
}

impl Got {
    fn codes(&self) -> Vec<&'static str> {
        self.findings.iter().map(|f| f.1).collect()
    }

    fn data(&self) -> Vec<&[u8]> {
        self.packets.iter().map(|p| p.1.as_slice()).collect()
    }

    fn times(&self) -> Vec<i64> {
        self.packets.iter().map(|p| p.0.time.0).collect()
    }
}

/// Reads to the end, and checks what must hold for every capture.
fn drain(mut source: Box<dyn Source>) -> Result<Got, CaptureError> {
    let mut got = Got::default();
    loop {
        match source.poll()? {
            Polled::Batch(b) => {
                assert!(
                    !b.is_empty() || !b.findings.is_empty() || !b.secrets.is_empty(),
                    "a batch of nothing"
                );
                got.secrets.extend(b.secrets.iter().map(|s| (got.packets.len(), s.clone())));
                for p in b.packets() {
                    assert_eq!(p.meta.captured_len as usize, p.data.len());
                    assert!(p.meta.original_len >= p.meta.captured_len);
                    got.packets.push((p.meta, p.data.to_vec()));
                    assert_eq!(p.meta.id.0 as usize, got.packets.len());
                }
                for (id, f) in &b.findings {
                    got.findings.push((
                        id.0,
                        f.spec.code,
                        f.detail.as_deref().unwrap_or("").to_owned(),
                    ));
                }
            }
            Polled::NothingYet => (),
            Polled::End => break,
        }
    }
    assert!(matches!(source.poll(), Ok(Polled::End)), "an end stays one");
    Ok(got)
}

/// Gives so many bytes at a time.
struct Trickle {
    bytes: io::Cursor<Vec<u8>>,
    step: usize,
}

impl Read for Trickle {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let n = buf.len().min(self.step);
        self.bytes.read(&mut buf[..n])
    }
}

fn read_by(bytes: &[u8], step: usize) -> Result<Got, CaptureError> {
    let r = Trickle { bytes: io::Cursor::new(bytes.to_vec()), step };
    drain(open_reader("test", Box::new(r), OpenOptions::default())?)
}

fn read(bytes: &[u8]) -> Got {
    read_by(bytes, usize::MAX).unwrap()
}

/// The one line that a file is refused with.
fn refused(bytes: &[u8]) -> String {
    let e = read_by(bytes, usize::MAX).expect_err("should be refused").to_string();
    assert_eq!(e.lines().count(), 1);
    e
}

/// A file that goes away with the test.
struct TempFile(PathBuf);

impl TempFile {
    fn new(bytes: &[u8]) -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let n = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("framescope-test-{}-{n}", std::process::id());
        let path = std::env::temp_dir().join(name);
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

impl AsRef<Path> for TempFile {
    fn as_ref(&self) -> &Path {
        &self.0
    }
}

/// 2026-11-20T21:23:45.123456789Z.
const NOON: i64 = 1_795_209_825_123_456_789;

/// Packets of several lengths, 0 and odd ones among them.
fn packets() -> Vec<(CaptureTime, u32, Vec<u8>)> {
    [0_usize, 1, 2, 3, 4, 60, 61, 7]
        .iter()
        .enumerate()
        .map(|(i, n)| {
            let data = (0..*n).map(|b| (b * 7 + i) as u8).collect();
            (CaptureTime(NOON + i as i64 * 1_000_000_001), *n as u32 + i as u32, data)
        })
        .collect()
}

fn pcap(order: ByteOrder, variant: PcapVariant) -> Vec<u8> {
    let mut w = PcapWriter::new(Vec::new(), LinkType(1), order, variant).unwrap();
    for (time, len, data) in packets() {
        w.packet(time, len, &data).unwrap();
    }
    w.finish().unwrap()
}

fn pcapng(order: ByteOrder) -> Vec<u8> {
    let mut w = PcapNgWriter::new(Vec::new(), order).unwrap();
    for (i, (time, len, data)) in packets().into_iter().enumerate() {
        if i == 5 {
            let data = b"CLIENT_RANDOM 00 11\n"[..].into();
            w.secrets(&Secrets { kind: 0x544c_534b, data }).unwrap();
        }
        w.packet(LinkType(if i % 3 == 2 { 113 } else { 1 }), time, len, &data).unwrap();
    }
    w.finish().unwrap()
}
