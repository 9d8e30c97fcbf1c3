//! The command line: what was asked, and the exit status.
//!
//! 0: done; 1: findings (`check` alone); 2: the command line or the input is at
//! fault. Ctrl-C ends with what there is: with 0 where a pipe or an interface was read, with 130
//! where a file was not read to its end. A closed pipe ends quietly.

/// Says a line on standard error, where anybody is there to be told: `eprintln!` would
/// panic where the reader of a pipe has gone.
macro_rules! say {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_fmt(
            &mut std::io::stderr(),
            format_args!("{}\n", format_args!($($text)*)),
        );
    }};
}

mod args;
mod astray;
mod check;
mod choose;
mod explain;
mod hex;
mod interrupt;
mod keylog;
mod learn;
#[cfg(all(feature = "live", unix))]
mod live;
mod man;
mod pass;
mod print;
mod progress;
mod schema;
mod shards;
mod slice;
mod stats;
mod told;

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::capture::{CaptureError, Source, bpf};
use crate::engine::Options;
use args::{Args, Command};

/// Why the program could not do what was asked: one line for people.
#[derive(Debug)]
pub enum Failure {
    /// A capture or another file cannot be read, or the arguments do not fit.
    Input(String),
    /// An argument is at fault at one place: what it is, and several lines that show
    /// the place.
    Argument(&'static str, String),
    /// A signal came before a file was read to its end: that, and the exit status.
    Interrupted(String, u8),
    /// Whoever read the output has gone: end quietly.
    ClosedPipe,
    /// Output cannot be written.
    Output(std::io::Error),
}

impl From<CaptureError> for Failure {
    fn from(e: CaptureError) -> Self {
        Self::Input(e.to_string())
    }
}

impl From<std::io::Error> for Failure {
    fn from(e: std::io::Error) -> Self {
        if e.kind() == std::io::ErrorKind::BrokenPipe { Self::ClosedPipe } else { Self::Output(e) }
    }
}

/// The clap definition: help, man page and completions come from it.
#[must_use]
pub fn command() -> clap::Command {
    Args::command()
}

/// Opens captures in the terminal; see [`Browser::files`].
pub type BrowseFiles = fn(&[PathBuf], Option<bpf::Filter>, Options) -> Result<(), String>;

/// The terminal interface. Given by `main`, since the command line and the
/// terminal interface do not know each other. Errors are one line for people.
#[derive(Clone, Copy, Debug)]
pub struct Browser {
    /// Opens captures in the terminal until the user leaves; only the packets that
    /// pass the capture filter, where there is one.
    pub files: BrowseFiles,
    /// The same for what is captured now, under the name given.
    pub live: fn(Box<dyn Source>, String, Options) -> Result<(), String>,
}

/// Runs the program with the process's arguments.
#[must_use]
pub fn main(browser: Option<Browser>) -> ExitCode {
    let matches = match Args::command().try_get_matches() {
        Ok(m) => m,
        Err(mut e) => {
            let words: Vec<String> =
                std::env::args_os().map(|w| w.to_string_lossy().into_owned()).collect();
            astray::advise(&mut e, &command(), &words);
            let code = if e.use_stderr() { 2 } else { 0 };
            let _ = e.print();
            return ExitCode::from(code);
        }
    };
    let args = match Args::from_arg_matches(&matches) {
        Ok(a) => a,
        Err(e) => e.exit(),
    };
    match run(args, browser) {
        Ok(code) => code,
        Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(Failure::Input(text)) => {
            say!("framescope: {}", crate::view::clean::clean(&text));
            ExitCode::from(2)
        }
        Err(Failure::Interrupted(text, status)) => {
            say!("framescope: {text}");
            ExitCode::from(status)
        }
        Err(Failure::Argument(what, picture)) => {
            say!("framescope: {what}");
            for line in picture.lines() {
                say!("  {}", crate::view::clean::clean(line));
            }
            ExitCode::from(2)
        }
        Err(Failure::Output(e)) => {
            say!("framescope: cannot write the output: {e}");
            ExitCode::from(2)
        }
    }
}

fn run(args: Args, browser: Option<Browser>) -> Result<ExitCode, Failure> {
    match args.command {
        Some(Command::Print(p)) => print::run(&p),
        Some(Command::Stats(s)) => stats::run(&s),
        Some(Command::Check(c)) => check::run(&c),
        Some(Command::Slice(s)) => slice::run(&s),
        Some(Command::Schema(s)) => learn::run(&s),
        #[cfg(all(feature = "live", unix))]
        Some(Command::Live(l)) => live::run(l, browser),
        Some(Command::Explain(e)) => explain::run(&e),
        Some(Command::Completions { shell }) => {
            // Into memory first: the generator panics where a pipe is closed.
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut command(), "framescope", &mut script);
            std::io::stdout().write_all(&script)?;
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Man(m)) => man::run(&m).map(|()| ExitCode::SUCCESS),
        None => {
            let paths: Vec<PathBuf> = args.read.into_iter().chain(args.captures).collect();
            browse(&paths, &args.common, browser)
        }
    }
}

fn browse(
    paths: &[PathBuf],
    common: &args::Common,
    browser: Option<Browser>,
) -> Result<ExitCode, Failure> {
    // Alone on a terminal: the tour.
    if paths.is_empty() && (browser.is_none() || !std::io::stdout().is_terminal()) {
        let _ = command().print_help();
        return Ok(ExitCode::from(2));
    }
    if let Some(text) = astray::no_such_command(paths, &command()) {
        return Err(Failure::Input(text));
    }
    let Some(browser) = browser else {
        return Err(Failure::Input(
            "this build has no terminal interface; `framescope print CAPTURE` writes text or JSON"
                .into(),
        ));
    };
    if !std::io::stdout().is_terminal() {
        return Err(Failure::Input(
            "standard output is no terminal to browse in; `framescope print CAPTURE` writes text or JSON".into(),
        ));
    }
    let options = pass::options(common, true)?;
    pass::prepare(paths, &options);
    (browser.files)(paths, common.filter.clone(), options).map_err(Failure::Input)?;
    Ok(ExitCode::SUCCESS)
}
