//! The command line: what was asked, and the exit status.
//!
//! 0: done; 1: findings (`check` alone); 2: the command line or the input is at
//! fault. Ctrl-C ends with what there is and 0; a closed pipe ends quietly.

mod args;
mod interrupt;
mod print;
mod progress;
mod schema;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{CommandFactory, FromArgMatches};

use crate::capture::CaptureError;
use args::{Args, Command};

/// Why the program could not do what was asked: one line for people.
#[derive(Debug)]
pub enum Failure {
    /// A capture or another file cannot be read, or the arguments do not fit.
    Input(String),
    /// Whoever read the output has gone: end quietly.
    ClosedPipe,
    /// Output cannot be written.
    Output(std::io::Error),
    /// The terminal cannot be used.
    Terminal(std::io::Error),
}

impl From<CaptureError> for Failure {
    fn from(e: CaptureError) -> Self {
        Self::Input(e.to_string())
    }
}

#[cfg(feature = "tui")]
impl From<crate::tui::TuiError> for Failure {
    fn from(e: crate::tui::TuiError) -> Self {
        match e {
            crate::tui::TuiError::Capture(e) => e.into(),
            crate::tui::TuiError::Io(e) => Self::Terminal(e),
        }
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

/// Runs the program with the process's arguments.
#[must_use]
pub fn main() -> ExitCode {
    let matches = match Args::command().try_get_matches() {
        Ok(m) => m,
        Err(e) => {
            let code = if e.use_stderr() { 2 } else { 0 };
            let _ = e.print();
            return ExitCode::from(code);
        }
    };
    let args = match Args::from_arg_matches(&matches) {
        Ok(a) => a,
        Err(e) => e.exit(),
    };
    match run(args) {
        Ok(code) => code,
        Err(Failure::ClosedPipe) => ExitCode::SUCCESS,
        Err(Failure::Input(text)) => {
            eprintln!("framescope: {}", crate::view::clean::clean(&text));
            ExitCode::from(2)
        }
        Err(Failure::Terminal(e)) => {
            eprintln!("framescope: the terminal cannot be used: {e}");
            ExitCode::from(2)
        }
        Err(Failure::Output(e)) => {
            eprintln!("framescope: cannot write the output: {e}");
            ExitCode::from(2)
        }
    }
}

fn run(args: Args) -> Result<ExitCode, Failure> {
    match args.command {
        Some(Command::Print(p)) => print::run(&p),
        Some(Command::Completions { shell }) => {
            clap_complete::generate(shell, &mut command(), "framescope", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
        Some(Command::Man) => {
            clap_mangen::Man::new(command()).render(&mut std::io::stdout())?;
            Ok(ExitCode::SUCCESS)
        }
        None => {
            let paths: Vec<PathBuf> = args.read.into_iter().chain(args.capture).collect();
            browse(&paths, &args.common)
        }
    }
}

fn browse(paths: &[PathBuf], common: &args::Common) -> Result<ExitCode, Failure> {
    if paths.is_empty() {
        let _ = command().print_help();
        return Ok(ExitCode::from(2));
    }
    if !std::io::stdout().is_terminal() {
        return Err(Failure::Input(
            "standard output is no terminal; `framescope print CAPTURE` writes text or JSON".into(),
        ));
    }
    #[cfg(feature = "tui")]
    {
        let mut options = common.options();
        options.decoders = schema::decoders(&common.schema)?;
        crate::tui::run(paths, options)?;
        Ok(ExitCode::SUCCESS)
    }
    #[cfg(not(feature = "tui"))]
    {
        let _ = common;
        Err(Failure::Input("this build has no terminal interface; use `framescope print`".into()))
    }
}
