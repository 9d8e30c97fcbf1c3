//! Packets kept while they come: a temporary copy for opening them again, or the
//! file of `-w`.

use std::collections::VecDeque;
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
    /// Those with room that is left, and then some; none where secrets cannot stand first.
    rooms: VecDeque<Room>,
    /// Nothing more is written: that failed, or all is over.
    closed: bool,
}

/// Room for secrets before the packets that need them: a block of empty lines, over which lines
/// of a key log are written as they come. The file can be read at any time, and by those who
/// decrypt in one pass, too. There is one before all packets, and another one wherever the last
/// was half full: what begins behind it has its secrets before it.
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

    /// Writes secrets: where there is room before packets, there; else a block of them behind
    /// those that were written so far.
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
            keep.make_room()?;
        }
        Ok(keep)
    }

    /// Makes room for secrets behind what was written so far.
    fn make_room(&mut self) -> io::Result<()> {
        self.flush()?;
        let before = self.written;
        let empty = vec![b'\n'; LIVE_SECRETS_BYTES];
        self.blocks.secrets(&Secrets { kind: TLS_KEY_LOG, data: empty.into() })?;
        self.flush()?;
        // Type and length of the block, kind and length of the secrets.
        self.rooms.push_back(Room { at: before + 16, left: LIVE_SECRETS_BYTES });
        Ok(())
    }

    /// Writes lines of a key log where there is room; `false` where there is none.
    fn put_first(&mut self, secrets: &Secrets) -> io::Result<bool> {
        let len = secrets.data.len();
        let To::File(file) = &self.to else { return Ok(false) };
        if secrets.kind != TLS_KEY_LOG {
            return Ok(false);
        }
        let Some(room) = self.rooms.iter_mut().find(|r| r.left >= len) else { return Ok(false) };
        file.write_all_at(&secrets.data, room.at)?;
        room.at += len as u64;
        room.left -= len;
        // Half of one is left, so that the next begins before it is full. No line is that long:
        // of two, the first has nothing left to speak of then.
        let left: usize = self.rooms.iter().map(|r| r.left).sum();
        if left < LIVE_SECRETS_BYTES / 2 {
            if self.rooms.len() > 1 {
                self.rooms.pop_front();
            }
            self.make_room()?;
        }
        Ok(true)
    }

    fn new(to: To) -> io::Result<Self> {
        let blocks = PcapNgWriter::new(Vec::new(), ByteOrder::default())?;
        let mut keep =
            Self { blocks, to, written: 0, parts: None, rooms: VecDeque::new(), closed: false };
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

    /// Secrets stand before the packets that come after them, however many there are; at any
    /// time the file is a capture, and room is made where it is needed and not before.
    #[test]
    fn secrets_stand_before_the_packets_that_need_them() {
        let line = |n: u64| format!("CLIENT_RANDOM {n:064x} {}\n", "ab".repeat(48));
        let each = (LIVE_SECRETS_BYTES / line(0).len()) as u64;
        // A handshake may take its time, while others begin.
        for lag in [0, each / 3] {
            let (blocks, behind) = secrets_after(lag, 3 * each, &line);
            // Three that are full, and the next.
            assert_eq!((blocks, behind), (4, 0), "{lag} later");
        }
    }

    /// Sessions, each with a packet and with its secrets `lag` packets after it: how many blocks
    /// of secrets there are, and how many stand behind the packets that need them.
    fn secrets_after(lag: u64, all: u64, line: &dyn Fn(u64) -> String) -> (usize, usize) {
        let path = crate::base::scratch::Scratch::new("room");
        let keep = Arc::new(Mutex::new(Keep::file(&path, None, true).unwrap()));
        let keeper = Keeper::new(Arc::clone(&keep));
        let places = || {
            let bytes = std::fs::read(&path).unwrap();
            let found = crate::capture::secrets_of(&path);
            let text: Vec<u8> = found.iter().flat_map(|s| s.data.to_vec()).collect();
            let text = String::from_utf8(text).unwrap();
            (bytes, text.lines().filter(|l| !l.is_empty()).count(), found.len())
        };
        for n in 1..=all + lag {
            // What begins now, and the secrets of what began before.
            if n <= all {
                let data = n.to_le_bytes();
                keep.lock().unwrap().packet(LinkType(1), CaptureTime(0), 9, &data).unwrap();
            }
            if n > lag {
                let data = line(n - lag).into_bytes().into();
                keeper.secrets(&Secrets { kind: TLS_KEY_LOG, data }).unwrap();
            }
            if n == lag + 1 || n == lag + all / 9 {
                let (_, lines, blocks) = places();
                assert_eq!((lines as u64, blocks), (n - lag, 1));
            }
        }
        keep.lock().unwrap().flush().unwrap();
        let (bytes, lines, blocks) = places();
        assert_eq!(lines as u64, all);
        let mut behind = 0;
        let (mut at, mut packets) = (0, 0);
        while let Some(head) = bytes.get(at..at + 8) {
            let [kind, len] =
                [0, 4].map(|i| u32::from_le_bytes(head[i..i + 4].try_into().unwrap()));
            let block = &bytes[at..at + len as usize];
            match kind {
                6 => packets = u64::from_le_bytes(block[28..36].try_into().unwrap()),
                10 => {
                    let text = std::str::from_utf8(&block[16..block.len() - 4]).unwrap();
                    let number = |l: &str| u64::from_str_radix(&l[14..78], 16).unwrap();
                    let late = |l: &&str| l.len() > 78 && number(l) <= packets;
                    behind += text.lines().filter(late).count();
                }
                _ => {}
            }
            at += len as usize;
        }
        assert_eq!(packets, all);
        (blocks, behind)
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
