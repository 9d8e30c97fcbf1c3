//! Packets kept while they come: a temporary copy for opening them again, or the
//! file of `-w`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::CaptureTime;
use crate::base::limits::LIVE_SECRETS_BYTES;
use crate::capture::store::Spool;
use crate::capture::write::PcapNgWriter;
use crate::capture::{ByteOrder, LinkType, PacketStore, Secrets, TLS_KEY_LOG};

/// Writes pcapng, a batch at a time.
///
/// A batch is handed to the system in one write that ends with a block: what
/// was written can be read whenever the program is killed.
pub(super) struct Keep {
    /// Collects the blocks of a batch.
    blocks: PcapNgWriter<Vec<u8>>,
    to: To,
    /// Bytes of the file before the batch.
    written: u64,
    parts: Option<Parts>,
    room: Option<Room>,
    /// Nothing more is written: that failed, or all is over.
    closed: bool,
}

/// Room for secrets before all packets: a block of empty lines, over which lines of a key log
/// are written as they come. The file can be read at any time, and by those who decrypt in one
/// pass, too.
struct Room {
    /// Where the next line goes.
    at: u64,
    /// Bytes that are left.
    left: usize,
}

/// Adds to what a capture keeps, beside its packets; from any thread.
#[derive(Clone)]
pub struct Keeper(Arc<Mutex<Keep>>);

impl std::fmt::Debug for Keeper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Keeper")
    }
}

impl Keeper {
    pub(super) const fn new(keep: Arc<Mutex<Keep>>) -> Self {
        Self(keep)
    }

    /// Writes secrets: where there is room before all packets, there; else a block of them
    /// behind those that were written so far.
    ///
    /// # Errors
    /// Those of the file. What could not be written before is not tried again.
    pub fn secrets(&self, secrets: &Secrets) -> io::Result<()> {
        let mut keep = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keep.closed {
            return Ok(());
        }
        if keep.put_first(secrets)? {
            return Ok(());
        }
        keep.blocks.secrets(secrets)?;
        keep.flush()
    }

    /// Nothing is written from now on: what is being written is written to its end first.
    pub fn close(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).closed = true;
    }
}

enum To {
    Spool(Arc<Spool>),
    File(File),
}

/// A temporary copy that is bounded: it has parts, of which the oldest goes when there is a
/// new one.
struct Parts {
    store: Arc<PacketStore>,
    /// Bytes of a part.
    part: u64,
    /// Numbers of the parts that are there, the last of which is written to.
    first: u32,
    last: u32,
}

/// Parts of a bounded copy, besides the one that is written to.
const PARTS: u64 = 4;
/// Bytes of one at least: they are numbered in 16 bits.
const PART_BYTES: u64 = 1 << 20;

impl Keep {
    /// Into a temporary file of `store`, or several which have no more than so many bytes
    /// together.
    pub(super) fn spool(store: &Arc<PacketStore>, most: Option<usize>) -> io::Result<Self> {
        let mut keep = Self::new(To::Spool(store.spool(0)?))?;
        keep.parts = most.map(|bytes| Parts {
            store: Arc::clone(store),
            part: (bytes as u64 / (PARTS + 1)).max(PART_BYTES),
            first: 0,
            last: 0,
        });
        Ok(keep)
    }

    /// Into a file of that name, which is made, or emptied; `store`, if any, reads
    /// from it. With `room`, secrets may come, and are to stand before the packets.
    pub(super) fn file(path: &Path, store: Option<&PacketStore>, room: bool) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        if let Some(store) = store {
            store.keep_file(0, file.try_clone()?);
        }
        let plain = file.metadata()?.is_file();
        let mut keep = Self::new(To::File(file))?;
        // Nothing can be written into a pipe later.
        if room && plain {
            let before = keep.written;
            let empty = vec![b'\n'; LIVE_SECRETS_BYTES];
            keep.blocks.secrets(&Secrets { kind: TLS_KEY_LOG, data: empty.into() })?;
            keep.flush()?;
            // Type and length of the block, kind and length of the secrets.
            keep.room = Some(Room { at: before + 16, left: LIVE_SECRETS_BYTES });
        }
        Ok(keep)
    }

    /// Writes lines of a key log before all packets; `false` where there is no room.
    fn put_first(&mut self, secrets: &Secrets) -> io::Result<bool> {
        let len = secrets.data.len();
        let (To::File(file), Some(room)) = (&self.to, &mut self.room) else { return Ok(false) };
        if secrets.kind != TLS_KEY_LOG || len > room.left {
            return Ok(false);
        }
        file.write_all_at(&secrets.data, room.at)?;
        room.at += len as u64;
        room.left -= len;
        Ok(true)
    }

    fn new(to: To) -> io::Result<Self> {
        let blocks = PcapNgWriter::new(Vec::new(), ByteOrder::default())?;
        let mut keep = Self { blocks, to, written: 0, parts: None, room: None, closed: false };
        // An empty capture is one as well.
        keep.flush()?;
        Ok(keep)
    }

    /// Takes a packet; gives the number of its file, and the place of its bytes in it.
    pub(super) fn packet(
        &mut self,
        link: LinkType,
        time: CaptureTime,
        original_len: u32,
        data: &[u8],
    ) -> io::Result<(u32, u64)> {
        self.blocks.packet(link, time, original_len, data)?;
        // At the end of the block: the bytes, padded to four, and the length.
        let behind = data.len().next_multiple_of(4) + 4;
        let at = self.blocks.get_mut().len().saturating_sub(behind);
        let file = self.parts.as_ref().map_or(0, |p| p.last);
        Ok((file, self.written.saturating_add(at as u64)))
    }

    /// Nothing more is to be written.
    pub(super) const fn close(&mut self) {
        self.closed = true;
    }

    pub(super) const fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes what was taken.
    pub(super) fn flush(&mut self) -> io::Result<()> {
        let blocks = self.blocks.get_mut();
        match &mut self.to {
            To::Spool(s) => s.write(blocks),
            To::File(f) => f.write_all(blocks),
        }?;
        self.written = self.written.saturating_add(blocks.len() as u64);
        blocks.clear();
        self.go_round()
    }

    /// Begins another part where this one is full, and lets go of the oldest.
    fn go_round(&mut self) -> io::Result<()> {
        let Some(parts) = self.parts.as_mut().filter(|p| self.written >= p.part) else {
            return Ok(());
        };
        let next = parts.last + 1;
        if next >= u32::from(u16::MAX) {
            return Err(io::Error::other("the copy has had all its parts; --ring with more"));
        }
        let spool = parts.store.spool(next)?;
        parts.last = next;
        while u64::from(parts.last - parts.first) > PARTS {
            parts.store.let_go(parts.first);
            parts.first += 1;
        }
        self.to = To::Spool(spool);
        self.blocks = PcapNgWriter::new(Vec::new(), ByteOrder::default())?;
        self.written = 0;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::PacketId;
    use crate::capture::PacketMeta;

    fn put(keep: &mut Keep, n: u64) -> PacketMeta {
        let data = n.to_be_bytes().repeat(512);
        let (file, offset) = keep.packet(LinkType(1), CaptureTime(0), 4096, &data).unwrap();
        PacketMeta { id: PacketId(n), captured_len: 4096, file, offset, ..PacketMeta::default() }
    }

    #[test]
    fn a_bounded_copy_lets_go_of_the_oldest_and_of_nothing_else() {
        let store: Arc<PacketStore> = Arc::default();
        let mut keep = Keep::spool(&store, Some(8 << 20)).unwrap();
        let mut all = Vec::new();
        for n in 0..5_000_u64 {
            all.push(put(&mut keep, n));
            if n % 16 == 15 {
                keep.flush().unwrap();
            }
        }
        keep.flush().unwrap();
        assert!(store.has_let_go());
        let size: u64 = store.spools().iter().map(|p| std::fs::metadata(p).unwrap().len()).sum();
        assert!(size <= (8 << 20) + (1 << 20), "{size}");
        let mut bytes = Vec::new();
        let read: Vec<bool> = all.iter().map(|m| store.read(m, &mut bytes).is_ok()).collect();
        let first = read.iter().position(|r| *r).unwrap();
        assert!(first > 0 && read[first..].iter().all(|r| *r), "{first}");
        assert!((all.len() - first) * 4096 >= 6 << 20, "{first}");
        for m in &all[first..] {
            store.read(m, &mut bytes).unwrap();
            assert_eq!(bytes, m.id.0.to_be_bytes().repeat(512));
        }
    }

    /// Secrets stand before the packets as long as there is room, and behind them then; at any
    /// time the file is a capture.
    #[test]
    fn secrets_stand_first_as_long_as_there_is_room() {
        let path = crate::base::scratch::Scratch::new("room");
        let keep = Arc::new(Mutex::new(Keep::file(&path, None, true).unwrap()));
        let keeper = Keeper::new(Arc::clone(&keep));
        let line = |n: usize| format!("CLIENT_RANDOM {n:064x} {}\n", "ab".repeat(48));
        let each = LIVE_SECRETS_BYTES / line(0).len();
        put(&mut keep.lock().unwrap(), 1);
        keep.lock().unwrap().flush().unwrap();
        let places = || {
            let bytes = std::fs::read(&path).unwrap();
            let packet = bytes.windows(8).position(|w| w == 1_u64.to_be_bytes()).unwrap();
            let found = crate::capture::secrets_of(&path);
            let text: Vec<u8> = found.iter().flat_map(|s| s.data.to_vec()).collect();
            let text = String::from_utf8(text).unwrap();
            let lines = text.lines().filter(|l| !l.is_empty()).count();
            let first = line(0);
            let at = bytes.windows(64).position(|w| w == &first.as_bytes()[14..78]);
            (lines, at.map(|at| at < packet), found.len())
        };
        assert_eq!(places(), (0, None, 1));
        for n in 0..each + 2 {
            let data = line(n).into_bytes().into();
            keeper.secrets(&Secrets { kind: TLS_KEY_LOG, data }).unwrap();
            if n == 0 {
                assert_eq!(places(), (1, Some(true), 1));
            }
        }
        put(&mut keep.lock().unwrap(), 2);
        keep.lock().unwrap().flush().unwrap();
        assert_eq!(places(), (each + 2, Some(true), 3));
    }

    #[test]
    fn one_that_is_not_bounded_keeps_all() {
        let store: Arc<PacketStore> = Arc::default();
        let mut keep = Keep::spool(&store, None).unwrap();
        let all: Vec<PacketMeta> = (0..2_000).map(|n| put(&mut keep, n)).collect();
        keep.flush().unwrap();
        let mut bytes = Vec::new();
        assert!(all.iter().all(|m| store.read(m, &mut bytes).is_ok()) && !store.has_let_go());
    }
}
