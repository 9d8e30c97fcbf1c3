//! The command `framescope`: arguments, run, exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "tui")]
    return framescope::cli::main(Some(|paths, options| {
        framescope::tui::run(paths, options).map_err(|e| e.to_string())
    }));
    #[cfg(not(feature = "tui"))]
    framescope::cli::main(None)
}
