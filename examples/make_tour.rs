//! Makes the capture of the tour from fixtures: a chat over WebSocket, the user
//! service (with the call that fails), the weather service. Run it after a fixture
//! was recorded again: `cargo run --example make_tour`. `tests/tour.rs` holds the
//! file to this.

use std::io;
use std::path::Path;

use framescope::base::CaptureTime;
use framescope::capture::write::PcapNgWriter;
use framescope::capture::{ByteOrder, LinkType, OpenOptions, Polled, open};

/// Fixtures, and how long after the first packet of the tour theirs come.
const PARTS: [(&str, i64); 3] =
    [("ws-websockets", 0), ("grpc-tonic", 3_000_000), ("grpc-gzip", 125_000_000)];

/// When the tour begins: 2026-11-20 23:00:00 UTC, in nanoseconds.
const BEGINS: i64 = 1_795_215_600_000_000_000;

/// Where the capture is kept.
pub(crate) const CAPTURE: &str = "src/tui/tour/capture.pcapng";

/// The capture, made of the fixtures below `root`.
///
/// # Errors
/// Those of reading the fixtures.
pub(crate) fn make(root: &Path) -> io::Result<Vec<u8>> {
    let mut packets: Vec<(i64, LinkType, u32, Vec<u8>)> = Vec::new();
    for (name, after) in PARTS {
        let path = root.join("fixtures").join(name).join("capture.pcap");
        let mut source = open(&path, OpenOptions::default()).map_err(io::Error::other)?;
        let mut first = None;
        loop {
            match source.poll().map_err(io::Error::other)? {
                Polled::Batch(batch) => {
                    for p in batch.packets() {
                        let first = *first.get_or_insert(p.meta.time.0);
                        let at = BEGINS + after + (p.meta.time.0 - first);
                        packets.push((at, p.meta.link, p.meta.original_len, p.data.to_vec()));
                    }
                }
                Polled::NothingYet => {}
                Polled::End => break,
            }
        }
    }
    packets.sort_by_key(|p| p.0);
    let mut writer = PcapNgWriter::new(Vec::new(), ByteOrder::Little)?;
    for (time, link, original, data) in &packets {
        writer.packet(*link, CaptureTime(*time), *original, data)?;
    }
    writer.finish()
}

#[allow(dead_code, reason = "the test takes the rest of this file")]
fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let capture = make(root)?;
    println!("{CAPTURE}: {} bytes", capture.len());
    std::fs::write(root.join(CAPTURE), capture)
}
