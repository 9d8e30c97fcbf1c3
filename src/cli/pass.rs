//! One pass over captures, for commands that print when all is read.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, sync_channel};
use std::time::Duration;

use crate::capture::bpf::Filtered;
use crate::capture::{Batch, CaptureError, OpenOptions, Polled, Source, open_all};
use crate::cli::Failure;
use crate::cli::args::Common;
use crate::cli::interrupt::{self, Interrupted};
use crate::cli::progress::Progress;
use crate::cli::told::Told;
use crate::cli::{keylog, schema};
use crate::engine::{Engine, EventSink, Options};
use crate::proto::protobuf::Learnt;

/// How a pass ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// All was read; this is to be told of it.
    Done(Told),
    /// Ctrl-C, while what was read has no other end: it has been counted.
    Interrupted,
    /// The rest could not be read, or was not, since Ctrl-C was pressed.
    Failed(Failure),
}

impl Ended {
    /// The failure, where there is one: to be told after what was found. Says the rest on
    /// standard error.
    pub(super) fn failure(self) -> Result<(), Failure> {
        if let Self::Done(told) = &self {
            told.say_cut();
        }
        self.failure_beside_findings()
    }

    /// The same where findings were shown: a capture that is cut short is one of them.
    pub(super) fn failure_beside_findings(self) -> Result<(), Failure> {
        if let Self::Done(told) = &self {
            told.say_rules();
        }
        self.quietly()
    }

    /// The same where another pass will say the rest.
    pub(super) fn quietly(self) -> Result<(), Failure> {
        match self {
            Self::Failed(f) => Err(f),
            Self::Done(_) | Self::Interrupted => Ok(()),
        }
    }
}

/// The captures, however they were given; an error where there is none.
pub(super) fn captures(
    command: &str,
    read: &[PathBuf],
    captures: &[PathBuf],
) -> Result<Vec<PathBuf>, Failure> {
    let all: Vec<PathBuf> = read.iter().chain(captures).cloned().collect();
    if all.is_empty() {
        return Err(Failure::Input(format!(
            "no capture given; `framescope {command} FILE`, or `-` for standard input"
        )));
    }
    Ok(all)
}

/// Engine options of a command line. Schemas are learnt from the capture while it is read:
/// those that servers tell, and with `infers` those of other methods.
pub(super) fn options(common: &Common, infers: bool) -> Result<Options, Failure> {
    let (options, learnt) = learning(common, infers)?;
    Ok(Options { learn: Some(learnt), ..options })
}

/// Engine options, and what learns.
pub(super) fn learning(common: &Common, infers: bool) -> Result<(Options, Arc<Learnt>), Failure> {
    let options = common.options().map_err(Failure::Input)?;
    let (decoders, learnt) = schema::decoders(&common.schema, infers, &options.decode_as)?;
    Ok((Options { decoders, secrets: keylog::secrets(common)?, ..options }, learnt))
}

/// Secrets that files bring are known before their packets are read; where packets come
/// while they are captured, secrets may come with them.
pub(super) fn prepare<P: AsRef<Path>>(captures: &[P], options: &Options) {
    keylog::add_of_captures(&options.secrets, captures);
    if captures.iter().any(|c| c.as_ref() == Path::new("-")) {
        options.secrets.expect_more();
    }
}

/// How often Ctrl-C is looked for while a pipe says nothing.
const TICK: Duration = Duration::from_millis(20);
/// Batches read ahead of the engine.
const AHEAD: usize = 2;

/// Watches for Ctrl-C from now on, while these are read.
pub(super) fn interrupts(captures: &[PathBuf]) -> Interrupted {
    interrupt::watch_until_the_end(captures)
}

/// How a pass ends that Ctrl-C ended behind this packet.
pub(super) fn interrupted(
    captures: &[PathBuf],
    interrupted: &Interrupted,
    last: Option<u64>,
) -> Ended {
    interrupted.short_of(captures, last).map_or(Ended::Interrupted, Ended::Failed)
}

/// A source that a thread reads ahead of the engine: a read of a pipe cannot be interrupted,
/// and that of a file costs the time of another processor.
pub(super) struct Ahead {
    batches: Receiver<Read>,
    progress: Option<(u64, u64)>,
}

/// What was read, and how far that is.
type Read = (Result<Polled, CaptureError>, Option<(u64, u64)>);

impl Ahead {
    /// Reads captures. Nobody learns where their packets lie: `store` of the source stays
    /// with it.
    pub(super) fn open(captures: &[PathBuf], common: &Common) -> Result<Self, CaptureError> {
        let source = open_all(captures, OpenOptions::default())?;
        let mut source = Filtered::wrap(source, common.filter.clone());
        let (sender, batches) = sync_channel(AHEAD);
        std::thread::spawn(move || {
            loop {
                let polled = source.poll();
                if matches!(polled, Ok(Polled::NothingYet)) {
                    std::thread::sleep(TICK);
                    continue;
                }
                let last = !matches!(polled, Ok(Polled::Batch(_)));
                if sender.send((polled, source.progress())).is_err() || last {
                    return;
                }
            }
        });
        Ok(Self { batches, progress: None })
    }
}

impl Source for Ahead {
    fn poll(&mut self) -> Result<Polled, CaptureError> {
        match self.batches.recv_timeout(TICK) {
            Ok((polled, progress)) => {
                self.progress = progress;
                polled
            }
            Err(RecvTimeoutError::Timeout) => Ok(Polled::NothingYet),
            Err(RecvTimeoutError::Disconnected) => Ok(Polled::End),
        }
    }

    fn progress(&self) -> Option<(u64, u64)> {
        self.progress
    }
}

/// Runs the captures through the engine. `each` sees a batch before its packets
/// go to the sink.
pub(super) fn over<S: EventSink>(
    captures: &[PathBuf],
    common: &Common,
    options: Options,
    interrupted: &Interrupted,
    sink: &mut S,
    each: impl FnMut(&Batch, &mut S),
) -> Result<Ended, Failure> {
    prepare(captures, &options);
    prepared(captures, common, options, interrupted, sink, each)
}

/// The same, where [`prepare`] has been called.
pub(super) fn prepared<S: EventSink>(
    captures: &[PathBuf],
    common: &Common,
    options: Options,
    interrupted: &Interrupted,
    sink: &mut S,
    mut each: impl FnMut(&Batch, &mut S),
) -> Result<Ended, Failure> {
    let mut source = Ahead::open(captures, common)?;
    let mut engine = Engine::new(options);
    let mut progress = Progress::new(true);
    let (mut read, mut last) = (false, None);
    let mut told = Told::new(common);
    let ended = loop {
        if interrupted.is_set() {
            break self::interrupted(captures, interrupted, last);
        }
        match source.poll() {
            Ok(Polled::Batch(batch)) => {
                read = true;
                last = batch.last().map(|id| id.0).or(last);
                told.batch(&batch);
                each(&batch, sink);
                engine.batch(&batch, &mut told.beside(sink));
                progress.show(source.progress());
            }
            Ok(Polled::NothingYet) => {}
            Ok(Polled::End) => break Ended::Done(Told::default()),
            // Of what could not be read at all, nothing was found out either.
            Err(e) if !read => return Err(e.into()),
            Err(e) => break Ended::Failed(e.into()),
        }
    };
    progress.clear();
    engine.finish(&mut told.beside(sink));
    Ok(match ended {
        Ended::Done(_) => Ended::Done(told),
        other => other,
    })
}

/// Writes what a command has to say.
pub(super) fn write(bytes: &[u8]) -> Result<(), Failure> {
    let mut out = std::io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(())
}

/// Whether to print in colour.
pub(super) fn colour() -> bool {
    std::io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty())
}

/// Columns of the terminal that standard output is, if it is one.
pub(super) fn width() -> Option<usize> {
    if !std::io::stdout().is_terminal() {
        return None;
    }
    let told = std::env::var("COLUMNS").ok().and_then(|c| c.parse().ok());
    #[cfg(feature = "tui")]
    let told = told.or_else(|| crossterm::terminal::size().ok().map(|(w, _)| usize::from(w)));
    told.filter(|w| *w > 0)
}
