//! Packets kept while they come: a temporary copy for opening them again, or the
//! file of `-w`.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use crate::base::CaptureTime;
use crate::capture::store::Spool;
use crate::capture::write::PcapNgWriter;
use crate::capture::{ByteOrder, LinkType, PacketStore, Secrets};

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
    /// Nothing more is written: that failed, or all is over.
    closed: bool,
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

    /// Writes a decryption secrets block behind the packets that were written so far.
    ///
    /// # Errors
    /// Those of the file. What could not be written before is not tried again.
    pub fn secrets(&self, secrets: &Secrets) -> io::Result<()> {
        let mut keep = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if keep.closed {
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

impl Keep {
    /// Into a temporary file of `store`.
    pub(super) fn spool(store: &PacketStore) -> io::Result<Self> {
        Self::new(To::Spool(store.spool(0)?))
    }

    /// Into a file of that name, which is made, or emptied; `store`, if any, reads
    /// from it.
    pub(super) fn file(path: &Path, store: Option<&PacketStore>) -> io::Result<Self> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).open(path)?;
        if let Some(store) = store {
            store.keep_file(0, file.try_clone()?);
        }
        Self::new(To::File(file))
    }

    fn new(to: To) -> io::Result<Self> {
        let blocks = PcapNgWriter::new(Vec::new(), ByteOrder::default())?;
        let mut keep = Self { blocks, to, written: 0, closed: false };
        // An empty capture is one as well.
        keep.flush()?;
        Ok(keep)
    }

    /// Takes a packet; gives the place of its bytes in the file.
    pub(super) fn packet(
        &mut self,
        link: LinkType,
        time: CaptureTime,
        original_len: u32,
        data: &[u8],
    ) -> io::Result<u64> {
        self.blocks.packet(link, time, original_len, data)?;
        // At the end of the block: the bytes, padded to four, and the length.
        let behind = data.len().next_multiple_of(4) + 4;
        let at = self.blocks.get_mut().len().saturating_sub(behind);
        Ok(self.written.saturating_add(at as u64))
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
        Ok(())
    }
}
