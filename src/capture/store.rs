//! Packets read again: random access to what a source has gone past.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use super::{PacketMeta, temporary};
use crate::base::limits::MAX_PACKET_BYTES;

/// Where packets can be read again, by what is known of them.
///
/// Plain files are read with `pread`, never mapped: captures grow, rotate and
/// get cut, and a map of a file that was cut is a signal. Compressed files and
/// standard input are copied to a file of their own while they are read. May be
/// used from any thread while the source still reads.
#[derive(Debug, Default)]
pub struct PacketStore {
    files: RwLock<Vec<Option<Backing>>>,
    bytes_read: AtomicU64,
    /// Parts of it are not there any more.
    let_go: AtomicBool,
}

#[derive(Clone, Debug)]
enum Backing {
    File(Arc<File>),
    Spool(Arc<Spool>),
    /// A capture that is part of the program.
    Memory(&'static [u8]),
}

/// A temporary file, readable by its owner alone, removed when dropped.
#[derive(Debug)]
pub(super) struct Spool {
    file: File,
    path: PathBuf,
}

impl PacketStore {
    /// A store that knows no file.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Reads the captured bytes of a packet into `into`, in place of what it held.
    ///
    /// # Errors
    /// Where the file is gone, was cut since (`UnexpectedEof`), or is not in the
    /// store (`NotFound`). `into` is empty then.
    pub fn read(&self, meta: &PacketMeta, into: &mut Vec<u8>) -> io::Result<()> {
        into.clear();
        let len = meta.captured_len as usize;
        if len > MAX_PACKET_BYTES {
            return Err(io::Error::new(ErrorKind::InvalidInput, "no source gives such a packet"));
        }
        let backing = {
            let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
            files.get(meta.file as usize).cloned().flatten()
        };
        into.resize(len, 0);
        let result = match &backing {
            Some(Backing::File(f)) => f.read_exact_at(into, meta.offset),
            Some(Backing::Spool(s)) => s.file.read_exact_at(into, meta.offset),
            Some(Backing::Memory(bytes)) => {
                let from = usize::try_from(meta.offset).unwrap_or(usize::MAX);
                match from.checked_add(len).and_then(|to| bytes.get(from..to)) {
                    Some(packet) => {
                        into.copy_from_slice(packet);
                        Ok(())
                    }
                    None => Err(ErrorKind::UnexpectedEof.into()),
                }
            }
            None => Err(io::Error::new(ErrorKind::NotFound, "the capture was not kept")),
        };
        match result {
            Ok(()) => {
                self.bytes_read.fetch_add(len as u64, Ordering::Relaxed);
                Ok(())
            }
            Err(e) => {
                into.clear();
                Err(e)
            }
        }
    }

    /// Whether packets that were in it are not there any more, since it is bounded.
    #[must_use]
    pub fn has_let_go(&self) -> bool {
        self.let_go.load(Ordering::Relaxed)
    }

    /// Lets go of a file: nothing of it can be read from now on.
    #[cfg(all(feature = "live", unix))]
    pub(super) fn let_go(&self, number: u32) {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(slot) = files.get_mut(number as usize) {
            *slot = None;
        }
        self.let_go.store(true, Ordering::Relaxed);
    }

    /// Bytes that [`PacketStore::read`] has read so far.
    #[must_use]
    pub fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }

    /// The temporary files, for showing where the copies lie.
    #[must_use]
    pub fn spools(&self) -> Vec<PathBuf> {
        let files = self.files.read().unwrap_or_else(PoisonError::into_inner);
        let path = |b: &Backing| match b {
            Backing::Spool(s) => Some(s.path.clone()),
            Backing::File(_) | Backing::Memory(_) => None,
        };
        files.iter().flatten().filter_map(path).collect()
    }

    /// Removes the temporary files, for a program that ends while others still
    /// hold the store: nothing can be read again from them then by name, but what
    /// is open stays readable.
    pub fn discard(&self) {
        for path in self.spools() {
            // Nobody is left to tell if it is gone already.
            let _ = std::fs::remove_file(path);
        }
    }

    /// Keeps an open plain file under its number.
    pub(super) fn keep_file(&self, number: u32, file: File) {
        self.keep(number, Backing::File(Arc::new(file)));
    }

    /// Keeps bytes that are part of the program under their number.
    pub(super) fn keep_memory(&self, number: u32, bytes: &'static [u8]) {
        self.keep(number, Backing::Memory(bytes));
    }

    /// Makes a temporary file for the input of that number.
    pub(super) fn spool(&self, number: u32) -> io::Result<Arc<Spool>> {
        let spool = Arc::new(Spool::create(&std::env::temp_dir())?);
        self.keep(number, Backing::Spool(Arc::clone(&spool)));
        Ok(spool)
    }

    fn keep(&self, number: u32, backing: Backing) {
        let mut files = self.files.write().unwrap_or_else(PoisonError::into_inner);
        let at = number as usize;
        if files.len() <= at {
            files.resize(at.saturating_add(1), None);
        }
        if let Some(slot) = files.get_mut(at) {
            *slot = Some(backing);
        }
    }
}

impl Spool {
    fn create(folder: &Path) -> io::Result<Self> {
        let (path, file) = temporary::spool(folder)?;
        Ok(Self { file, path })
    }

    /// One that takes no byte.
    #[cfg(test)]
    pub(super) fn full() -> Self {
        let file = std::fs::OpenOptions::new().write(true).open("/dev/full").expect("/dev/full");
        Self { file, path: PathBuf::from("/nowhere/framescope.spool") }
    }

    /// Adds bytes at the end.
    pub(super) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        (&self.file).write_all(bytes)
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        // Nobody is left to tell if it is gone already.
        let _ = std::fs::remove_file(&self.path);
    }
}
