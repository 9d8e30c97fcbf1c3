//! One pass over captures, for commands that print when all is read.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use crate::capture::{Batch, OpenOptions, Polled, open_all};
use crate::cli::Failure;
use crate::cli::args::Common;
use crate::cli::interrupt::Interrupted;
use crate::cli::progress::Progress;
use crate::cli::schema;
use crate::engine::{Engine, EventSink, Options};

/// How a pass ended.
#[derive(Debug)]
pub(super) enum Ended {
    /// All was read.
    Done,
    /// Ctrl-C: what was read until then has been counted.
    Interrupted,
    /// The rest could not be read.
    Failed(Failure),
}

impl Ended {
    /// The failure, where there is one: to be told after what was found.
    pub(super) fn failure(self) -> Result<(), Failure> {
        match self {
            Self::Failed(f) => Err(f),
            Self::Done | Self::Interrupted => Ok(()),
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

/// Engine options of a command line.
pub(super) fn options(common: &Common) -> Result<Options, Failure> {
    Ok(Options { decoders: schema::decoders(&common.schema)?, ..common.options() })
}

/// Runs the captures through the engine. `each` sees a batch before its packets
/// go to the sink.
pub(super) fn over<S: EventSink>(
    captures: &[PathBuf],
    options: Options,
    interrupted: &Interrupted,
    sink: &mut S,
    mut each: impl FnMut(&Batch, &mut S),
) -> Result<Ended, Failure> {
    let mut source = open_all(captures, OpenOptions::default())?;
    let mut engine = Engine::new(options);
    let mut progress = Progress::new(true);
    let ended = loop {
        if interrupted.is_set() {
            break Ended::Interrupted;
        }
        match source.poll() {
            Ok(Polled::Batch(batch)) => {
                each(&batch, sink);
                engine.batch(&batch, sink);
                progress.show(source.progress());
            }
            Ok(Polled::NothingYet) => std::thread::sleep(std::time::Duration::from_millis(10)),
            Ok(Polled::End) => break Ended::Done,
            Err(e) => break Ended::Failed(e.into()),
        }
    };
    progress.clear();
    engine.finish(sink);
    Ok(ended)
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
