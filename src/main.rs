//! The command `framescope`: arguments, run, exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    framescope::cli::main(None)
}
