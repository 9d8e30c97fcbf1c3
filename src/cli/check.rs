//! `framescope check`: findings by code, and an exit status for scripts.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::ValueEnum;

use crate::cli::args::{Common, ReportFormat};
use crate::cli::{Failure, learn, pass, shards};
use crate::engine::Options;
use crate::finding::Severity;
use crate::index::check::Check;
use crate::view::{check, reference};

const HELP: &str = "\
Everything is reassembled, unmasked, inflated and decoded, and every rule is checked; nothing
is printed but what was found: by code, worst first, with how often, where first, and the
section of the specification. All findings, one by one: `framescope print -l finding`.
What the codes mean: docs/FINDINGS.md.

  note     worth knowing; nothing is wrong
  warning  unusual, or risky
  error    against the specification, or lost

Examples:
  framescope check a.pcap && echo fine
  framescope check --fail-on warning --ignore grpc.bad-status,http.no-response a.pcap
  framescope check --format json a.pcap | jq '.findings[].code'

Exit status: 0 nothing at or above --fail-on; 1 something; 2 the command line or the input is
at fault; 130 Ctrl-C before the end of a file: what is shown is of the packets until then.";

/// `check`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// Captures, one after another: pcap or pcapng, also in gzip or zstd; `-` is
    /// standard input.
    #[arg(value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    /// The same as CAPTURE, for hands that know tcpdump and tshark.
    #[arg(short = 'r', value_name = "CAPTURE")]
    read: Vec<PathBuf>,
    /// The exit status is 1 where something of this severity or worse was found.
    #[arg(long, value_enum, value_name = "SEVERITY", default_value_t = FailOn::Error)]
    fail_on: FailOn,
    /// Leave out findings of these codes. May be given several times.
    #[arg(long, value_name = "CODE", value_delimiter = ',')]
    ignore: Vec<String>,
    /// Threads that decode (1 to 16): as many as there are processors, at most 8, unless told
    /// otherwise. What is printed is the same for any number of them.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..=16))]
    threads: Option<u8>,
    /// Text for people, or one JSON object (docs/JSON.md).
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
    #[command(flatten)]
    common: Common,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum FailOn {
    Note,
    Warning,
    Error,
}

impl From<FailOn> for Severity {
    fn from(f: FailOn) -> Self {
        match f {
            FailOn::Note => Self::Note,
            FailOn::Warning => Self::Warning,
            FailOn::Error => Self::Error,
        }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let captures = pass::captures("check", &args.read, &args.captures)?;
    let ignored: Vec<_> = args.ignore.iter().map(|c| code(c)).collect::<Result<_, _>>()?;
    let options = Options { counts: true, ..pass::options(&args.common, false)? };
    let new = || Check::ignoring(ignored.clone());
    let threads = args.threads.map_or_else(shards::threads, usize::from);
    let stop = pass::interrupts(&captures);
    let (mut all, ended) = learn::over(&captures, &args.common, options, threads, &[], &stop, new)?;
    all.finish();
    let fail_on = Severity::from(args.fail_on);
    let failed = all.worst().is_some_and(|w| w >= fail_on);
    match args.format {
        ReportFormat::Json => {
            let mut out = Vec::new();
            check::json(&mut out, &all, fail_on, failed);
            pass::write(&out)?;
        }
        ReportFormat::Text => {
            let mut out = String::new();
            check::text(&mut out, &all, pass::colour());
            pass::write(out.as_bytes())?;
        }
    }
    ended.failure_beside_findings()?;
    Ok(if failed { ExitCode::from(1) } else { ExitCode::SUCCESS })
}

/// The code as the tables have it.
fn code(text: &str) -> Result<&'static str, Failure> {
    let text = text.trim();
    let all: Vec<&'static str> =
        reference::sections().iter().flat_map(|s| &s.findings).map(|f| f.code).collect();
    if let Some(known) = all.iter().find(|c| **c == text) {
        return Ok(known);
    }
    let mut near: Vec<(usize, &str)> = all.iter().map(|c| (distance(text, c), *c)).collect();
    near.sort_unstable();
    near.dedup();
    let near: Vec<&str> = near.iter().take(3).map(|(_, c)| *c).collect();
    Err(Failure::Input(format!(
        "--ignore {text}: no finding has this code; the nearest are {} (docs/FINDINGS.md lists all)",
        near.join(", ")
    )))
}

/// Letters to add, take away or change to make one text of the other; less where
/// one is a part of the other.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    // No code is nearly so long.
    for (i, x) in a.chars().take(256).enumerate() {
        let mut before = i;
        let mut left = i + 1;
        if let Some(first) = row.first_mut() {
            *first = left;
        }
        for (y, cell) in b.iter().zip(row.iter_mut().skip(1)) {
            let here = (before + usize::from(x != *y)).min(*cell + 1).min(left + 1);
            before = std::mem::replace(cell, here);
            left = here;
        }
    }
    let edits = row.last().copied().unwrap_or(0);
    let whole: String = b.iter().collect();
    if !a.is_empty() && whole.contains(a) { edits / 4 } else { edits }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distances() {
        assert_eq!(distance("abc", "abc"), 0);
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("abc", ""), 3);
    }

    #[test]
    fn a_code_that_is_none_names_those_that_are_near() {
        assert!(matches!(code("grpc.bad-status"), Ok("grpc.bad-status")));
        for (wrong, near) in
            [("grpc.badstatus", "grpc.bad-status"), ("no-response", "http.no-response")]
        {
            let Err(Failure::Input(text)) = code(wrong) else { panic!("{wrong} is no code") };
            assert!(text.contains(&format!("are {near},")), "{text}");
        }
    }
}
