//! The terminal interface as a person sees it: the real program in a
//! pseudo-terminal.

use std::io::{Read, Write};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portable_pty::{CommandBuilder, PtySize, native_pty_system};

/// The screen is what it is when nothing has come for so long.
const QUIET: Duration = Duration::from_millis(400);
/// And after this in any case.
const PATIENCE: Duration = Duration::from_secs(20);

/// The screen after these keys, as text, without the blanks at the ends of lines.
pub(crate) fn screen(args: &[&str], keys: &[String], columns: u16, rows: u16) -> String {
    let size = PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 };
    let pair = native_pty_system().openpty(size).unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_framescope"));
    command.args(args);
    command.cwd(env!("CARGO_MANIFEST_DIR"));
    command.env("TERM", "xterm-256color");
    command.env("NO_COLOR", "1");
    let mut child = pair.slave.spawn_command(command).unwrap();
    drop(pair.slave);
    let mut reader = pair.master.try_clone_reader().unwrap();
    let mut writer = pair.master.take_writer().unwrap();
    let (send, came) = channel();
    std::thread::spawn(move || {
        let mut buffer = [0; 4096];
        while let Ok(n @ 1..) = reader.read(&mut buffer) {
            if send.send(buffer[..n].to_vec()).is_err() {
                break;
            }
        }
    });
    let mut parser = vt100::Parser::new(rows.try_into().unwrap(), columns.try_into().unwrap(), 0);
    let settle = |parser: &mut vt100::Parser| {
        let begun = Instant::now();
        let mut seen = false;
        while begun.elapsed() < PATIENCE {
            match came.recv_timeout(QUIET) {
                Ok(bytes) => {
                    parser.process(&bytes);
                    seen = true;
                }
                Err(RecvTimeoutError::Timeout) if seen => break,
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
        }
    };
    settle(&mut parser);
    for key in keys {
        writer.write_all(key.as_bytes()).unwrap();
        writer.flush().unwrap();
        settle(&mut parser);
    }
    let text = parser.screen().contents();
    writer.write_all(b"q").unwrap();
    let _ = writer.flush();
    let _ = child.wait();
    text.lines().fold(String::new(), |all, l| all + l.trim_end() + "\n")
}
