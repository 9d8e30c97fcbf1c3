//! Named cases: captures of other people's test suites, the golden files of the
//! fixtures, and the program as it is called.

#[path = "cases/cli.rs"]
mod cli;
#[path = "cases/corpus.rs"]
mod corpus;
#[path = "cases/filter.rs"]
mod filter;
#[path = "cases/golden.rs"]
mod golden;
#[cfg(target_os = "linux")]
#[path = "cases/interrupt.rs"]
mod interrupt;
#[path = "cases/newcomer.rs"]
mod newcomer;
#[path = "cases/stats.rs"]
mod stats;
mod support;
#[path = "cases/tcpdump.rs"]
mod tcpdump;
#[path = "cases/transports.rs"]
mod transports;

use std::path::Path;
use std::process::Command;

use serde_json::Value;

/// The program.
fn framescope() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framescope"));
    command.current_dir(support::root());
    command
}

/// What `framescope print` writes to standard output; it must end well.
fn print(path: &Path, args: &[&str]) -> String {
    let out = framescope().arg("print").args(args).arg(path).output().unwrap();
    let errors = String::from_utf8_lossy(&out.stderr);
    assert!(out.status.success(), "{}: {errors}", path.display());
    // Hints are no errors.
    let is_hint =
        |l: &&str| l.contains("passes the filter (-Y)") || l.contains("capture ends within");
    let errors: Vec<&str> = errors.lines().filter(|l| !is_hint(l)).collect();
    let errors = errors.join("\n");
    assert!(errors.is_empty(), "{}: {errors}", path.display());
    String::from_utf8(out.stdout).unwrap()
}

/// Events of one level.
fn events(path: &Path, level: &str) -> Vec<Value> {
    print(path, &["--full", "--format", "json", "--level", level])
        .lines()
        .map(|l| serde_json::from_str(l).unwrap())
        .collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn sha1(bytes: &[u8]) -> String {
    use sha1::Digest as _;
    hex(&sha1::Sha1::digest(bytes))
}
