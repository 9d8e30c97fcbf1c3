//! The bytes of one capture, uncompressed, a chunk at a time.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::build::Cursor;
use super::compressed::Compression;
use super::findings::{BAD_COMPRESSION, CUT_SHORT, READ_FAILED, SPOOL_FAILED};
use super::store::Spool;
use crate::base::limits::BATCH_BYTES;
use crate::finding::Finding;

/// What one read of a pipe gives at most: the size of the pipe.
const PIPE_BYTES: usize = 64 << 10;

/// How long a pipe that has nothing yet is left alone.
const NAP: Duration = Duration::from_millis(5);

/// A reader and the chunk of it that lies in memory.
///
/// Batches share the chunk, so packets are not copied; what is left of it, less
/// than one record, begins the next.
pub(super) struct Stream {
    reader: Box<dyn Read + Send>,
    /// A pipe, which gives what has arrived: it must not be held back.
    live: bool,
    chunk: Arc<Vec<u8>>,
    base: u64,
    at: usize,
    ended: bool,
    failure: Option<Finding>,
    compression: Option<Compression>,
    /// Compressed bytes read.
    counter: Arc<AtomicU64>,
    spool: Option<Arc<Spool>>,
    spool_failure: Option<Finding>,
}

impl Stream {
    /// Over a plain file, open at its start.
    ///
    /// # Errors
    /// Where its first bytes cannot be read.
    pub(super) fn from_file(file: File) -> io::Result<Self> {
        let mut first = [0; 4];
        let n = loop {
            match file.read_at(&mut first, 0) {
                Err(e) if e.kind() == ErrorKind::Interrupted => (),
                other => break other?,
            }
        };
        let compression = Compression::recognise(first.get(..n).unwrap_or_default());
        Ok(Self::new(Box::new(file), compression, false))
    }

    /// Over a pipe or whatever else reads.
    ///
    /// # Errors
    /// Where its first bytes cannot be read.
    pub(super) fn from_reader(reader: Box<dyn Read + Send>) -> io::Result<Self> {
        let mut reader = Patient(reader);
        let mut first = Vec::with_capacity(4);
        (&mut reader).take(4).read_to_end(&mut first)?;
        let compression = Compression::recognise(&first);
        Ok(Self::new(Box::new(io::Cursor::new(first).chain(reader)), compression, true))
    }

    fn new(inner: Box<dyn Read + Send>, compression: Option<Compression>, live: bool) -> Self {
        let counter = Arc::default();
        let reader = match compression {
            Some(c) => c.decode(inner, Arc::clone(&counter)),
            None => inner,
        };
        Self {
            reader,
            live,
            chunk: Arc::default(),
            base: 0,
            at: 0,
            ended: false,
            failure: None,
            compression,
            counter,
            spool: None,
            spool_failure: None,
        }
    }

    /// How it is compressed.
    pub(super) const fn compression(&self) -> Option<Compression> {
        self.compression
    }

    /// Copies all that is read from now on.
    pub(super) fn spool_to(&mut self, spool: Arc<Spool>) {
        self.spool = Some(spool);
    }

    /// The chunk and the place in it.
    pub(super) fn cursor(&self) -> Cursor<'_> {
        Cursor { chunk: &self.chunk, at: self.at, base: self.base }
    }

    /// Goes on to `at` within the chunk.
    pub(super) const fn move_to(&mut self, at: usize) {
        self.at = at;
    }

    /// The chunk, for a batch to share.
    pub(super) const fn chunk(&self) -> &Arc<Vec<u8>> {
        &self.chunk
    }

    /// Whether nothing more will be read.
    pub(super) const fn ended(&self) -> bool {
        self.ended
    }

    /// Why reading ended before the end.
    pub(super) const fn take_failure(&mut self) -> Option<Finding> {
        self.failure.take()
    }

    /// Why the copy is not whole.
    pub(super) const fn take_spool_failure(&mut self) -> Option<Finding> {
        self.spool_failure.take()
    }

    /// Bytes read of the file as it lies on the disk.
    pub(super) fn raw_bytes(&self) -> u64 {
        match self.compression {
            Some(_) => self.counter.load(Ordering::Relaxed),
            None => self.base.saturating_add(self.at as u64),
        }
    }

    /// Makes a new chunk of what is left and of what can be read: until it is a
    /// batch long, or, of a pipe, until it holds `need` bytes.
    pub(super) fn fill(&mut self, need: usize) {
        let rest = self.chunk.get(self.at..).unwrap_or_default();
        let carried = rest.len();
        let goal = if self.live { need } else { need.max(BATCH_BYTES) };
        // Always at least one byte more, or the end: whoever asks gets on.
        let goal = goal.max(carried.saturating_add(1));
        let mut next = Vec::with_capacity(if self.live {
            carried + PIPE_BYTES
        } else {
            goal.min(2 * BATCH_BYTES)
        });
        next.extend_from_slice(rest);
        while next.len() < goal && !self.ended {
            let read = if self.live {
                read_once(&mut self.reader, &mut next)
            } else {
                // Into the spare capacity, without clearing it first.
                let missing = (goal - next.len()).min(BATCH_BYTES);
                (&mut self.reader).take(missing as u64).read_to_end(&mut next)
            };
            match read {
                Ok(0) => self.ended = true,
                Ok(_) => (),
                Err(e) => {
                    self.ended = true;
                    let offset = self.base.saturating_add((self.at + next.len() - carried) as u64);
                    self.failure = Some(self.failed(&e, offset));
                }
            }
        }
        if let Some(spool) = &self.spool
            && let Err(e) = spool.write(next.get(carried..).unwrap_or_default())
        {
            self.spool = None;
            self.spool_failure = Some(Finding::new(&SPOOL_FAILED).with(e.to_string()));
        }
        if self.live && next.capacity() > 2 * next.len() {
            // Rows hold on to batches: a few bytes must not keep a whole buffer.
            next.shrink_to_fit();
        }
        self.base = self.base.saturating_add(self.at as u64);
        self.at = 0;
        self.chunk = Arc::new(next);
    }

    fn failed(&self, e: &io::Error, offset: u64) -> Finding {
        let spec = match (self.compression, e.kind()) {
            (Some(_), ErrorKind::UnexpectedEof) => &CUT_SHORT,
            (Some(_), ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::Other) => {
                &BAD_COMPRESSION
            }
            _ => &READ_FAILED,
        };
        Finding::new(spec).with(match self.compression {
            Some(c) => format!("{e} ({}, after {offset} bytes as decompressed)", c.name()),
            None => format!("byte {offset}: {e}"),
        })
    }
}

/// Waits where a pipe that another program left non-blocking has nothing yet:
/// decompressors cannot be interrupted.
struct Patient(Box<dyn Read + Send>);

impl Read for Patient {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        loop {
            match self.0.read(buf) {
                Err(e) if e.kind() == ErrorKind::WouldBlock => std::thread::sleep(NAP),
                other => return other,
            }
        }
    }
}

/// One read, at the end of `into`.
fn read_once(reader: &mut dyn Read, into: &mut Vec<u8>) -> io::Result<usize> {
    let before = into.len();
    into.resize(before + PIPE_BYTES, 0);
    let result = loop {
        match reader.read(into.get_mut(before..).unwrap_or_default()) {
            Err(e) if e.kind() == ErrorKind::Interrupted => (),
            other => break other,
        }
    };
    into.truncate(before + result.as_ref().map_or(0, |n| *n));
    result
}
