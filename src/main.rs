//! The command `framescope`: arguments, run, exit status.

use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "tui")]
    let browser = Some(framescope::cli::Browser {
        files: |paths, filter, options| {
            framescope::tui::run(paths, filter, options).map_err(|e| e.to_string())
        },
        live: |source, name, options| {
            framescope::tui::run_source(source, name, true, options).map_err(|e| e.to_string())
        },
    });
    #[cfg(not(feature = "tui"))]
    let browser = None;
    framescope::cli::main(browser)
}
