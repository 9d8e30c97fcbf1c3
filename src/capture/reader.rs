//! Sources that read captures: one file, and several one after another.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::build::{Builder, Stop};
use super::foreign::{EXPECTED, describe};
use super::pcap::{self, Pcap};
use super::pcapng::{self, PcapNg};
use super::stream::Stream;
use super::{Batch, CaptureError, PacketStore, Polled, Source};
use crate::base::limits::MAX_BLOCK_BYTES;

/// How captures are opened.
#[derive(Clone, Copy, Debug, Default)]
pub struct OpenOptions {
    /// Whether packets will be read again ([`Source::store`]). Compressed files
    /// and standard input are then copied to temporary files.
    pub reload: bool,
}

/// Opens one capture; `-` is standard input.
///
/// # Errors
/// Where the file cannot be read or is none of ours. Standard input is looked at
/// when it is first polled, so that opening never waits.
pub fn open(path: &Path, options: OpenOptions) -> Result<Box<dyn Source>, CaptureError> {
    open_all(std::slice::from_ref(&path), options)
}

/// Opens several captures to be read one after another, as if they were one: the
/// numbers of packets and interfaces go on. `-` is standard input.
///
/// # Errors
/// Where any of the files cannot be read or is none of ours: nothing is read
/// then.
pub fn open_all<P: AsRef<Path>>(
    paths: &[P],
    options: OpenOptions,
) -> Result<Box<dyn Source>, CaptureError> {
    let inputs = paths
        .iter()
        .map(|p| p.as_ref())
        .map(|p| if p == Path::new("-") { Input::Stdin } else { Input::File(p.to_path_buf()) })
        .collect();
    Ok(Box::new(Files::new(inputs, options)?))
}

/// Reads a capture from anything that reads. What has arrived is handed out
/// after every read.
///
/// # Errors
/// None now; what is wrong shows when it is first polled.
pub fn open_reader(
    name: &str,
    reader: Box<dyn Read + Send>,
    options: OpenOptions,
) -> Result<Box<dyn Source>, CaptureError> {
    let input = Input::Reader(name.to_owned(), reader);
    Ok(Box::new(Files::new(VecDeque::from([input]), options)?))
}

/// Reads a capture that is part of the program; nothing touches the disk, unless
/// it is compressed and will be read again.
///
/// # Errors
/// None now; what is wrong shows when it is first polled.
pub fn open_bytes(
    name: &str,
    bytes: &'static [u8],
    options: OpenOptions,
) -> Result<Box<dyn Source>, CaptureError> {
    let input = Input::Memory(name.to_owned(), bytes);
    Ok(Box::new(Files::new(VecDeque::from([input]), options)?))
}

/// What is still to be opened.
enum Input {
    Stdin,
    File(PathBuf),
    Reader(String, Box<dyn Read + Send>),
    Memory(String, &'static [u8]),
}

/// The captures in order.
struct Files {
    waiting: VecDeque<Input>,
    current: Option<Capture>,
    out: Builder,
    store: Option<Arc<PacketStore>>,
    /// Inputs opened so far.
    opened: u32,
    /// Bytes of the files that are done, and of all; `None` where one has no size.
    done_bytes: u64,
    all_bytes: Option<u64>,
}

impl Files {
    fn new(inputs: VecDeque<Input>, options: OpenOptions) -> Result<Self, CaptureError> {
        let mut all_bytes = Some(0_u64);
        for input in &inputs {
            let size = input.check()?;
            all_bytes = all_bytes.zip(size).map(|(a, b)| a.saturating_add(b));
        }
        Ok(Self {
            waiting: inputs,
            current: None,
            out: Builder::default(),
            store: options.reload.then(Arc::default),
            opened: 0,
            done_bytes: 0,
            all_bytes,
        })
    }

    /// Opens the next input.
    fn advance(&mut self, input: Input) -> Result<(), CaptureError> {
        let number = self.opened;
        self.opened = self.opened.saturating_add(1);
        self.out.begin(number);
        let name = input.name();
        let memory = match &input {
            Input::Memory(_, bytes) => Some(*bytes),
            _ => None,
        };
        let opened = input.open().map_err(|e| unreadable(&name, &e))?;
        let mut stream = opened.stream;
        if let Some(store) = &self.store {
            match opened.plain {
                None if memory.is_some() && stream.compression().is_none() => {
                    store.keep_memory(number, memory.unwrap_or_default());
                }
                Some(file) if stream.compression().is_none() => store.keep_file(number, file),
                _ => stream.spool_to(store.spool(number).map_err(|e| {
                    let what = format!("no temporary copy can be made: {e}");
                    CaptureError { name: name.clone(), what }
                })?),
            }
        }
        self.current = Some(Capture::new(name, opened.size, stream, &mut self.out)?);
        Ok(())
    }
}

impl Source for Files {
    fn poll(&mut self) -> Result<Polled, CaptureError> {
        loop {
            if let Some(capture) = &mut self.current {
                if let Some(batch) = capture.next(&mut self.out) {
                    return Ok(Polled::Batch(batch));
                }
                self.done_bytes = self.done_bytes.saturating_add(capture.size);
                self.current = None;
            }
            match self.waiting.pop_front() {
                Some(input) => {
                    if let Err(e) = self.advance(input) {
                        // An error is the end: what is left is not read.
                        self.waiting.clear();
                        return Err(e);
                    }
                }
                None => return Ok(Polled::End),
            }
        }
    }

    fn progress(&self) -> Option<(u64, u64)> {
        let all = self.all_bytes?;
        // A file that grows gives more than its size.
        let current = self.current.as_ref().map_or(0, |c| c.stream.raw_bytes().min(c.size));
        Some((self.done_bytes.saturating_add(current).min(all), all))
    }

    fn store(&self) -> Option<Arc<PacketStore>> {
        self.store.clone()
    }
}

/// An input that has been opened.
struct Opened {
    stream: Stream,
    /// The file, if it is a plain one.
    plain: Option<File>,
    /// Its size in bytes, 0 where it has none.
    size: u64,
}

impl Input {
    fn name(&self) -> String {
        match self {
            Self::Stdin => "standard input".to_owned(),
            Self::File(path) => path.display().to_string(),
            Self::Reader(name, _) | Self::Memory(name, _) => name.clone(),
        }
    }

    /// Looks at a file before anything is read; gives its size. Only a regular
    /// file can be opened twice.
    fn check(&self) -> Result<Option<u64>, CaptureError> {
        let Self::File(path) = self else {
            return Ok(None);
        };
        let name = self.name();
        let meta = std::fs::metadata(path).map_err(|e| unreadable(&name, &e))?;
        if meta.is_dir() {
            return Err(CaptureError { name, what: format!("found a directory; {EXPECTED}") });
        }
        if !meta.is_file() {
            return Ok(None);
        }
        let opened = open_file(path).map_err(|e| unreadable(&name, &e))?;
        Capture::new(name, meta.len(), opened.stream, &mut Builder::default())?;
        Ok(Some(meta.len()))
    }

    fn open(self) -> io::Result<Opened> {
        match self {
            // Its descriptor, without the buffer that would hold bytes back.
            Self::Stdin => {
                let file = File::from(io::stdin().as_fd().try_clone_to_owned()?);
                Ok(Opened { stream: Stream::from_reader(Box::new(file))?, plain: None, size: 0 })
            }
            Self::File(path) => open_file(&path),
            Self::Memory(_, bytes) => {
                Ok(Opened { stream: Stream::from_reader(Box::new(bytes))?, plain: None, size: 0 })
            }
            Self::Reader(_, r) => {
                Ok(Opened { stream: Stream::from_reader(r)?, plain: None, size: 0 })
            }
        }
    }
}

fn open_file(path: &Path) -> io::Result<Opened> {
    let file = File::open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Ok(Opened { stream: Stream::from_reader(Box::new(file))?, plain: None, size: 0 });
    }
    let again = file.try_clone()?;
    Ok(Opened { stream: Stream::from_file(file)?, plain: Some(again), size: meta.len() })
}

fn unreadable(name: &str, e: &io::Error) -> CaptureError {
    CaptureError { name: name.to_owned(), what: format!("cannot be read: {e}") }
}

/// One capture that is being read.
struct Capture {
    size: u64,
    stream: Stream,
    format: Format,
    /// Nothing more is read.
    finished: bool,
}

enum Format {
    Pcap(Pcap),
    PcapNg(PcapNg),
}

impl Capture {
    /// Looks at the first bytes.
    fn new(
        name: String,
        size: u64,
        mut stream: Stream,
        out: &mut Builder,
    ) -> Result<Self, CaptureError> {
        let format = match Format::recognise(&mut stream, out) {
            Ok(format) => format,
            Err(what) => {
                // Data that does not decompress says more than what came of it.
                let what = match stream.take_failure().and_then(|f| f.detail) {
                    Some(why) => format!("{why}; {EXPECTED}"),
                    None => what,
                };
                return Err(CaptureError { name, what });
            }
        };
        Ok(Self { size, stream, format, finished: false })
    }

    /// The next batch; `None` at the end.
    fn next(&mut self, out: &mut Builder) -> Option<Batch> {
        while !self.finished {
            if let Some(f) = self.stream.take_spool_failure() {
                out.tell(f);
            }
            let mut cursor = self.stream.cursor();
            let stop = match &mut self.format {
                Format::Pcap(f) => f.run(&mut cursor, out),
                Format::PcapNg(f) => f.run(&mut cursor, out),
            };
            let (at, left, offset) = (cursor.at, cursor.rest().len(), cursor.offset());
            self.stream.move_to(at);
            let mut need = 0;
            match stop {
                Stop::Split => (),
                Stop::Broken(f) => {
                    out.tell(f);
                    self.finished = true;
                }
                Stop::Need(_) if self.stream.ended() && left == 0 => {
                    self.finished = true;
                    self.stream.take_failure().into_iter().for_each(|f| out.tell(f));
                }
                Stop::Need(n) if self.stream.ended() => {
                    self.finished = true;
                    let cut = pcap::cut_short(offset, left, n);
                    out.tell(self.stream.take_failure().unwrap_or(cut));
                }
                Stop::Need(n) => need = n,
            }
            // Before the chunk is exchanged for the next.
            if let Some(batch) = out.finish(self.stream.chunk()) {
                return Some(batch);
            }
            if !self.finished {
                self.stream.fill(need);
            }
        }
        None
    }
}

impl Format {
    /// By content. The error is for people.
    fn recognise(stream: &mut Stream, out: &mut Builder) -> Result<Self, String> {
        // A pcapng section is at least as long as the header of a pcap file.
        let mut need = pcap::HEADER_BYTES;
        loop {
            stream.fill(need);
            let first = stream.cursor().rest();
            let Some(magic) = first.first_chunk::<4>().copied() else {
                return Err(match (first, stream.compression()) {
                    ([], None) => format!("found nothing, it is empty; {EXPECTED}"),
                    ([], Some(c)) => format!("found {} of nothing; {EXPECTED}", c.name()),
                    _ => describe(first),
                });
            };
            if pcap::recognise(magic).is_some() {
                if first.len() < pcap::HEADER_BYTES {
                    return Err(cut_header("pcap", first.len(), pcap::HEADER_BYTES));
                }
                let pcap = Pcap::new(first, out).map_err(|e| format!("found {e}"))?;
                stream.move_to(pcap::HEADER_BYTES);
                return Ok(Self::Pcap(pcap));
            }
            if u32::from_le_bytes(magic) != pcapng::SECTION_HEADER {
                return Err(describe(first));
            }
            if first.len() < pcap::HEADER_BYTES {
                return Err(cut_header("pcapng", first.len(), pcap::HEADER_BYTES));
            }
            let Some(order) = pcapng::section_order(first) else {
                return Err(describe(first));
            };
            let Ok((_, (_, len))) = pcapng::block_head(order, first) else {
                return Err(describe(first));
            };
            let len = len as usize;
            if !(pcap::HEADER_BYTES..=MAX_BLOCK_BYTES).contains(&len) {
                return Err(format!(
                    "found pcapng whose section header claims {len} bytes, expected 28 or a little more"
                ));
            }
            if let Ok((_, (major, minor))) = pcapng::section_version(order, first)
                && major != 1
            {
                return Err(format!("found pcapng of version {major}.{minor}, expected 1.0"));
            }
            if first.len() >= len {
                return Ok(Self::PcapNg(PcapNg::default()));
            }
            if stream.ended() {
                return Err(cut_header("pcapng", first.len(), len));
            }
            need = len;
        }
    }
}

fn cut_header(format: &str, there: usize, whole: usize) -> String {
    format!("found {format} cut short within its file header, {there} of {whole} bytes; {EXPECTED}")
}
