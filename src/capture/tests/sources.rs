//! Files, pipes, several files, and packets read again.

use std::collections::VecDeque;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use flate2::write::GzEncoder;

use super::*;
use crate::base::limits::BATCH_BYTES;

/// Gives one piece a read, and counts the reads.
struct Script {
    pieces: VecDeque<Vec<u8>>,
    reads: Arc<AtomicUsize>,
}

impl Read for Script {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        let Some(mut piece) = self.pieces.pop_front() else {
            return Ok(0);
        };
        let n = piece.len().min(buf.len());
        buf[..n].copy_from_slice(&piece[..n]);
        let rest = piece.split_off(n);
        if !rest.is_empty() {
            self.pieces.push_front(rest);
        }
        Ok(n)
    }
}

#[test]
fn what_has_arrived_is_handed_out() {
    let bytes = pcap(ByteOrder::Little, PcapVariant::Nanos);
    let whole = read(&bytes);
    let ends: Vec<usize> = whole.packets.iter().map(|(m, d)| m.offset as usize + d.len()).collect();
    // The header; then two packets and a half; then the rest of it; then all.
    let cuts = [24, ends[1] + 5, ends[2], bytes.len()];
    let mut from = 0;
    let pieces = cuts.map(|to| bytes[std::mem::replace(&mut from, to)..to].to_vec()).into();
    let reads = Arc::new(AtomicUsize::new(0));
    let script = Script { pieces, reads: Arc::clone(&reads) };
    let mut source = open_reader("pipe", Box::new(script), OpenOptions::default()).unwrap();
    assert_eq!(reads.load(Ordering::Relaxed), 0, "opening does not wait");
    let mut sizes = Vec::new();
    while let Polled::Batch(b) = source.poll().unwrap() {
        // Reads: four bytes, twenty, and one more for each piece.
        sizes.push((b.len(), reads.load(Ordering::Relaxed)));
    }
    assert_eq!(sizes, [(2, 3), (1, 4), (5, 5)]);
    assert_eq!(source.progress(), None);
}

#[test]
fn a_pipe_that_is_not_ready_is_waited_for() {
    struct Shy(io::Cursor<Vec<u8>>, bool);
    impl Read for Shy {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            self.1 = !self.1;
            if self.1 { Err(io::ErrorKind::WouldBlock.into()) } else { self.0.read(buf) }
        }
    }
    let bytes = pcapng(ByteOrder::Big);
    let shy = Shy(io::Cursor::new(bytes.clone()), false);
    let source = open_reader("pipe", Box::new(shy), OpenOptions::default()).unwrap();
    assert_eq!(drain(source).unwrap(), read(&bytes));
}

#[test]
fn a_failing_disk_is_a_finding() {
    struct Failing(io::Cursor<Vec<u8>>);
    impl Read for Failing {
        fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
            match self.0.read(buf)? {
                0 => Err(io::Error::other("the disk is gone")),
                n => Ok(n),
            }
        }
    }
    let bytes = pcapng(ByteOrder::Big);
    let failing = Failing(io::Cursor::new(bytes.clone()));
    let source = open_reader("disk", Box::new(failing), OpenOptions::default()).unwrap();
    let got = drain(source).unwrap();
    assert_eq!(got.packets, read(&bytes).packets);
    assert_eq!(got.codes(), ["capture.read-failed"]);
    assert!(got.findings[0].2.contains("the disk is gone"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_copy_that_cannot_be_written_is_a_finding() {
    let bytes = pcapng(ByteOrder::Big);
    let mut stream = stream::Stream::from_reader(Box::new(io::Cursor::new(bytes))).unwrap();
    stream.spool_to(Arc::new(store::Spool::full()));
    stream.fill(24);
    let finding = stream.take_spool_failure().expect("a finding");
    assert_eq!(finding.spec.code, "capture.spool-failed");
    // The packets are there all the same, and it is told once.
    assert!(stream.cursor().rest().len() >= 24);
    stream.fill(4000);
    assert!(stream.take_spool_failure().is_none());
}

#[test]
fn long_files_come_in_batches() {
    // Packets of many sizes, so that batches end anywhere in a record.
    let mut w =
        PcapWriter::new(Vec::new(), LinkType(1), ByteOrder::Little, PcapVariant::Nanos).unwrap();
    let data: Vec<u8> = (0..70_000_u32).map(|b| b.wrapping_mul(b) as u8).collect();
    for i in 0..3000_usize {
        let len = (i * 7919) % if i % 100 == 0 { 65_536 } else { 1500 };
        w.packet(CaptureTime(NOON + i as i64), len as u32, &data[..len]).unwrap();
    }
    let bytes = w.finish().unwrap();
    let file = TempFile::new(&bytes);
    let mut source = open(file.as_ref(), OpenOptions::default()).unwrap();
    assert!(source.store().is_none(), "nothing is kept unasked");
    let (mut batches, mut count, mut before) = (0, 0, 0);
    while let Polled::Batch(b) = source.poll().unwrap() {
        batches += 1;
        count += b.len();
        let size: usize = b.packets().map(|p| p.data.len()).sum();
        assert!(size <= BATCH_BYTES + 65_536, "{size}");
        for p in b.packets() {
            assert_eq!(p.data, &data[..p.data.len()]);
        }
        let (read, all) = source.progress().unwrap();
        assert!(before < read && read <= all);
        before = read;
    }
    assert_eq!(count, 3000);
    assert!(batches >= bytes.len() / BATCH_BYTES);
    assert_eq!(source.progress(), Some((bytes.len() as u64, bytes.len() as u64)));
    // However it arrives.
    let whole = drain(open(file.as_ref(), OpenOptions::default()).unwrap()).unwrap();
    assert_eq!(whole, read_by(&bytes, 65_536).unwrap());
}

#[test]
fn a_block_longer_than_a_batch() {
    let mut w = PcapNgWriter::new(Vec::new(), ByteOrder::Little).unwrap();
    w.packet(LinkType(1), CaptureTime(1), 3, b"abc").unwrap();
    let data: Arc<[u8]> = vec![b'k'; 3 * BATCH_BYTES + 1].into();
    w.secrets(&Secrets { kind: 1, data: Arc::clone(&data) }).unwrap();
    w.packet(LinkType(1), CaptureTime(1), 3, b"def").unwrap();
    let bytes = w.finish().unwrap();
    let file = TempFile::new(&bytes);
    let got = drain(open(file.as_ref(), OpenOptions::default()).unwrap()).unwrap();
    assert_eq!(got.data(), [b"abc", b"def"]);
    assert_eq!(got.secrets, [(1, Secrets { kind: 1, data })]);
    assert_eq!(got, read_by(&bytes, 10_000).unwrap());
}

#[test]
fn several_files_are_one_capture() {
    let (a, b) = (pcapng(ByteOrder::Big), pcap(ByteOrder::Little, PcapVariant::Nanos));
    let cut = &b[..b.len() - 1];
    let files = [TempFile::new(&a), TempFile::new(cut), TempFile::new(&a)];
    let source = open_all(&files, OpenOptions { reload: true }).unwrap();
    let all = (a.len() * 2 + cut.len()) as u64;
    assert_eq!(source.progress(), Some((0, all)));
    let got = drain(source).unwrap();
    let n = packets().len();
    assert_eq!(got.packets.len(), 3 * n - 1);
    // What is cut off is said before the next file's first packet.
    assert_eq!(got.findings[0].0 as usize, 2 * n);
    assert_eq!(got.codes(), ["capture.cut-short"]);
    let file: Vec<u32> = got.packets.iter().map(|p| p.0.file).collect();
    assert_eq!((file[0], file[n], file[2 * n]), (0, 1, 2));
    let interface = |i: usize| got.packets[i].0.interface;
    assert_eq!((interface(2), interface(n), interface(2 * n)), (1, 2, 3));
}

#[test]
fn a_bad_file_among_several_is_told_before_anything_is_read() {
    let (good, bad) = (TempFile::new(&pcapng(ByteOrder::Big)), TempFile::new(b"no\n"));
    let error = |paths: &[&Path]| {
        open_all(paths, OpenOptions::default()).err().expect("refused").to_string()
    };
    let e = error(&[good.as_ref(), bad.as_ref()]);
    assert!(e.starts_with(&format!("{}: found text", bad.as_ref().display())), "{e}");
    let e = error(&[Path::new("/nowhere/at/all.pcap")]);
    assert!(e.starts_with("/nowhere/at/all.pcap: cannot be read: No such file"), "{e}");
    let e = error(&[Path::new("/")]);
    assert!(e.starts_with("/: found a directory; expected a pcap"), "{e}");
}

#[test]
fn packets_of_a_file_are_read_again() {
    let bytes = pcapng(ByteOrder::Big);
    let file = TempFile::new(&bytes);
    let source = open(file.as_ref(), OpenOptions { reload: true }).unwrap();
    let store = source.store().unwrap();
    let got = drain(source).unwrap();
    assert_eq!(store.spools(), Vec::<PathBuf>::new(), "a plain file needs no copy");
    let mut buffer = vec![1; 9];
    let mut expected = 0;
    for (meta, data) in &got.packets {
        store.read(meta, &mut buffer).unwrap();
        assert_eq!(&buffer, data);
        expected += data.len() as u64;
        assert_eq!(store.bytes_read(), expected, "no more is read than the packet");
    }
    // A file that was cut since is an error, not a signal.
    std::fs::write(&file.0, &bytes[..60]).unwrap();
    let last = &got.packets[6].0;
    let e = store.read(last, &mut buffer).unwrap_err();
    assert_eq!((e.kind(), buffer.len()), (io::ErrorKind::UnexpectedEof, 0));
    let strange = PacketMeta { file: 9, ..*last };
    assert_eq!(store.read(&strange, &mut buffer).unwrap_err().kind(), io::ErrorKind::NotFound);
}

#[test]
fn a_pipe_and_a_compressed_file_are_spooled() {
    let bytes = pcapng(ByteOrder::Little);
    let mut e = GzEncoder::new(Vec::new(), flate2::Compression::default());
    e.write_all(&bytes).unwrap();
    let packed = TempFile::new(&e.finish().unwrap());
    let r = Trickle { bytes: io::Cursor::new(bytes.clone()), step: 50 };
    for mut source in [
        open(packed.as_ref(), OpenOptions { reload: true }).unwrap(),
        open_reader("pipe", Box::new(r), OpenOptions { reload: true }).unwrap(),
    ] {
        let store = source.store().unwrap();
        let (send, receive) = std::sync::mpsc::channel::<Batch>();
        let reader = {
            let store = Arc::clone(&store);
            std::thread::spawn(move || {
                let mut buffer = Vec::new();
                let mut n = 0;
                for b in receive {
                    for p in b.packets() {
                        store.read(&p.meta, &mut buffer).unwrap();
                        assert_eq!(buffer, p.data);
                        n += 1;
                    }
                }
                n
            })
        };
        while let Polled::Batch(b) = source.poll().unwrap() {
            send.send(b).unwrap();
        }
        drop(send);
        assert_eq!(reader.join().unwrap(), packets().len());
        let spool = store.spools().pop().unwrap();
        let mode = std::fs::metadata(&spool).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(std::fs::read(&spool).unwrap(), bytes);
        drop((source, store));
        assert!(!spool.exists(), "removed with its last user");
    }
}
