//! The real program in a pseudo-terminal: what a user presses, and what a
//! terminal shows then.
#![cfg(feature = "tui")]

#[cfg(all(feature = "live", target_os = "linux"))]
#[path = "pty/live.rs"]
mod live;
#[path = "../src/base/scratch.rs"]
mod scratch;

use std::io::{Read, Write};
use std::num::NonZero;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use framescope::base::BufferId;
use framescope::capture::{OpenOptions, Polled, open};
use framescope::engine::Options;
use framescope::event::Detail;
use framescope::finding::Finding;
use framescope::proto::{PayloadDecoder, PayloadHint};
use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use scratch::Scratch;

/// By then everything must have come about; a test waits no longer than it must.
const DEADLINE: Duration = Duration::from_secs(20);

const UP: &str = "\x1b[A";
const DOWN: &str = "\x1b[B";

/// The program on a terminal.
struct Session {
    master: Box<dyn MasterPty + Send>,
    keys: Box<dyn Write + Send>,
    child: Box<dyn Child + Send + Sync>,
    screen: Arc<Mutex<vt100::Parser>>,
}

fn size(columns: u16, rows: u16) -> PtySize {
    PtySize { rows, cols: columns, pixel_width: 0, pixel_height: 0 }
}

fn cells(n: u16) -> NonZero<u16> {
    NonZero::new(n).unwrap()
}

impl Session {
    fn start(columns: u16, rows: u16, fixture: &str) -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(fixture);
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_framescope"));
        command.arg(path);
        Self::run(columns, rows, command)
    }

    fn run(columns: u16, rows: u16, mut command: CommandBuilder) -> Self {
        command.env("TERM", "xterm-256color");
        command.env_remove("NO_COLOR");
        let pair = native_pty_system().openpty(size(columns, rows)).unwrap();
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let mut output = pair.master.try_clone_reader().unwrap();
        let screen = Arc::new(Mutex::new(vt100::Parser::new(cells(rows), cells(columns), 0)));
        let terminal = Arc::clone(&screen);
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(n @ 1..) = output.read(&mut bytes) {
                terminal.lock().unwrap_or_else(PoisonError::into_inner).process(&bytes[..n]);
            }
        });
        let keys = pair.master.take_writer().unwrap();
        Self { master: pair.master, keys, child, screen }
    }

    fn look<T>(&self, see: impl Fn(&vt100::Screen) -> T) -> T {
        see(self.screen.lock().unwrap_or_else(PoisonError::into_inner).screen())
    }

    /// Waits until the screen is as expected.
    fn until(&self, what: &str, expected: impl Fn(&vt100::Screen) -> bool) {
        let begun = Instant::now();
        while !self.look(&expected) {
            assert!(begun.elapsed() < DEADLINE, "no {what} on\n{}", self.look(|s| s.contents()));
            std::thread::sleep(Duration::from_millis(1));
        }
    }

    fn sees(&self, text: &str) {
        self.until(text, |s| s.contents().contains(text));
    }

    /// The terminal gets another size, and the program is told.
    fn resize(&self, columns: u16, rows: u16) {
        let mut screen = self.screen.lock().unwrap_or_else(PoisonError::into_inner);
        screen.screen_mut().set_size(cells(rows), cells(columns));
        self.master.resize(size(columns, rows)).unwrap();
    }

    fn press(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
        self.keys.flush().unwrap();
    }

    /// Leaves by `q`; the terminal must be as it was, and the status 0.
    fn quit(self) {
        self.quit_with(0);
    }

    /// The same with another status.
    fn quit_with(mut self, status: u32) {
        self.press("q");
        assert_eq!(self.ended(), status);
    }

    /// Waits for its end; gives the status.
    fn ended(&mut self) -> u32 {
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < DEADLINE, "it does not end");
            std::thread::sleep(Duration::from_millis(5));
        };
        self.until("terminal as it was", |s| {
            !s.alternate_screen()
                && !s.hide_cursor()
                && s.mouse_protocol_mode() == vt100::MouseProtocolMode::None
        });
        status.exit_code()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The reversed cells of a screen's right part below the list: marked bytes. Hex
/// and ASCII columns both; here as one text a line.
fn marked(screen: &vt100::Screen, from: u16) -> Vec<String> {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    let line = |row: u16| -> String {
        (from..columns)
            .filter_map(|c| screen.cell(row, c))
            .filter(|c| c.inverse())
            .map(|c| if c.has_contents() { c.contents() } else { " " })
            .collect()
    };
    (0..rows).map(line).filter(|l| !l.trim().is_empty()).collect()
}

/// The column behind the line that parts fields from bytes.
fn bytes_from(screen: &vt100::Screen) -> Option<u16> {
    let (rows, columns) = screen.size();
    let (rows, columns) = (rows.get(), columns.get());
    (0..rows).find_map(|r| {
        (0..columns)
            .find(|c| screen.cell(r, *c).is_some_and(|x| x.contents() == "│"))
            .map(|c| c + 1)
    })
}

/// Opens a frame, selects a field, and looks which bytes are marked.
fn select_a_field(columns: u16, rows: u16) {
    let mut s = Session::start(columns, rows, "ws-tungstenite/capture.pcap");
    s.sees("GET /tour HTTP/1.1");
    assert!(s.look(vt100::Screen::alternate_screen));
    // Frames alone; the first is the client's "Hello, server".
    s.press("vg");
    s.sees("event 4: websocket text frame");
    // Into the fields, and down to the masking key.
    s.press("\t");
    for _ in 0..9 {
        s.press(DOWN);
    }
    s.sees("websocket.masking_key · bytes 2–5 of the frame · packet 8 bytes 68–71 (exact)");
    let in_bytes = |s: &vt100::Screen| bytes_from(s).map(|c| marked(s, c)).unwrap_or_default();
    // In hex, then in ASCII: none of the four is printable.
    s.until("the key's bytes marked", |s| in_bytes(s) == ["b3 e6 87 c0····"]);
    // One field up: the length, seven bits of byte 1.
    s.press(UP);
    s.sees("websocket.payload_length · bits 1–7 of byte 1");
    s.until("its byte marked", |s| in_bytes(s) == ["8d·"]);
    s.quit();
}

#[test]
fn a_field_marks_its_bytes_at_80_by_24() {
    select_a_field(80, 24);
}

#[test]
fn a_field_marks_its_bytes_at_200_by_60() {
    select_a_field(200, 60);
}

#[test]
fn help_search_and_resize() {
    let mut s = Session::start(80, 24, "grpc-tonic/capture.pcap");
    s.sees("grpc request");
    s.press("?");
    s.sees("next, previous pane");
    s.press("\x1b");
    s.until("no help", |s| !s.contents().contains("next, previous pane"));
    s.press("/carol\r");
    s.sees("\"carol\": 1 of");
    s.sees("event 50: grpc message");
    // While it runs, the terminal grows.
    s.resize(200, 60);
    s.until("a timeline at the bottom", |s| s.contents().contains("#1/13 Chat"));
    s.sees("event 50: grpc message");
    // And shrinks to next to nothing, and back.
    for (columns, rows) in [(20, 5), (80, 24)] {
        s.resize(columns, rows);
    }
    s.sees("event 50: grpc message");
    s.quit();
}

#[test]
fn standard_input_is_browsed_with_keys_from_the_terminal() {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ws-tungstenite/capture.pcap");
    let mut command = CommandBuilder::new("sh");
    let script = "cat \"$1\" | \"$2\" -";
    command.args(["-c", script, "sh"]);
    command.arg(fixture);
    command.arg(env!("CARGO_BIN_EXE_framescope"));
    let mut s = Session::run(80, 24, command);
    s.sees("standard input: messages");
    // A pipe is followed to its end.
    s.sees("event 77: tcp connection");
    s.press("g");
    s.sees("GET /tour HTTP/1.1");
    s.press(DOWN);
    s.sees("event 2: http response");
    s.quit();
}

/// What comes down a pipe is followed until the reader moves, and again from the
/// end on; the copy that is read again does not outlive the program.
#[test]
fn the_newest_is_followed_until_the_reader_moves() {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ws-tungstenite/capture.pcap");
    let folder = Scratch::folder("follow");
    let pipe = folder.join("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    // Where its packets end.
    let mut source = open(&fixture, OpenOptions::default()).unwrap();
    let mut ends = Vec::new();
    while let Polled::Batch(batch) = source.poll().unwrap() {
        ends.extend(batch.packets().map(|p| p.meta.offset + u64::from(p.meta.captured_len)));
    }
    let bytes = std::fs::read(&fixture).unwrap();
    let part = |from: usize, to: usize| &bytes[ends[from] as usize..ends[to] as usize];

    let mut command = CommandBuilder::new("sh");
    command.args(["-c", "exec \"$1\" - < \"$2\"", "sh"]);
    command.arg(env!("CARGO_BIN_EXE_framescope"));
    command.arg(&pipe);
    command.env("TMPDIR", &*folder);
    let mut s = Session::run(80, 24, command);
    let mut out = std::fs::OpenOptions::new().write(true).open(&pipe).unwrap();
    out.write_all(&bytes[..ends[5] as usize]).unwrap();
    s.sees(", following");
    s.sees("event 3: http exchange");
    // What comes is selected.
    out.write_all(part(5, 7)).unwrap();
    s.sees("event 5: websocket text");
    // One up: from now on that stays.
    s.press(UP);
    s.sees("event 3: http exchange");
    s.until("no following", |s| !s.contents().contains("following"));
    out.write_all(part(7, 12)).unwrap();
    s.sees("(3 of 9)");
    s.sees("event 3: http exchange");
    // The end again.
    s.press("G");
    s.sees("(9 of 9), following");
    out.write_all(part(12, 14)).unwrap();
    s.sees("(11 of 11), following");
    // Whoever looks at fields keeps them.
    s.press("\t");
    s.press(DOWN);
    s.until("no following", |s| !s.contents().contains("following"));
    drop(out);
    s.quit();
    std::fs::remove_file(&pipe).unwrap();
    let left: Vec<_> = std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    assert!(left.is_empty(), "left behind: {left:?}");
}

/// A signal ends it as `q` does: no copy of packets is left behind.
#[test]
fn a_signal_leaves_nothing_behind() {
    for signal in ["-TERM", "-HUP"] {
        let folder = Scratch::folder("signal");
        let fixture =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ws-heartbeat/capture.pcap.gz");
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_framescope"));
        command.arg(fixture);
        command.env("TMPDIR", &*folder);
        let mut s = Session::run(80, 24, command);
        s.sees("GET /beat HTTP/1.1");
        let left = || std::fs::read_dir(&folder).unwrap().count();
        assert_eq!(left(), 1, "a compressed file is copied");
        let pid = s.child.process_id().unwrap().to_string();
        assert!(
            std::process::Command::new("kill").args([signal, &pid]).status().unwrap().success()
        );
        assert!(s.child.wait().unwrap().success(), "{signal}");
        s.until("terminal as it was", |s| !s.alternate_screen());
        assert_eq!(left(), 0, "{signal}");
    }
}

#[test]
fn a_pipe_that_says_nothing_yet_is_waited_for_on_the_screen() {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ws-tungstenite/capture.pcap");
    let mut command = CommandBuilder::new("sh");
    // The pipe says something when the terminal's user has said so to `read`.
    let fifo = Scratch::new("pty-fifo");
    let script = "rm -f \"$3\"; mkfifo \"$3\"; exec \"$2\" - < \"$3\"";
    command.args(["-c", script, "sh"]);
    command.arg(&fixture);
    command.arg(env!("CARGO_BIN_EXE_framescope"));
    command.arg(&*fifo);
    let mut s = Session::run(80, 24, command);
    // Opened for writing once the shell has made it; nothing is written yet.
    let begun = Instant::now();
    let mut pipe = loop {
        match std::fs::OpenOptions::new().write(true).open(&fifo) {
            Ok(p) => break p,
            Err(e) => assert!(begun.elapsed() < DEADLINE, "{e}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    s.sees("Listening; no packets yet.");
    s.press("?");
    s.sees("next, previous pane");
    s.press("?");
    pipe.write_all(&std::fs::read(fixture).unwrap()).unwrap();
    drop(pipe);
    s.sees("event 77: tcp connection");
    s.quit();
}

/// The shell gives no prompt while the other end of the pipe runs: that is said.
#[test]
fn leaving_an_open_pipe_says_that_its_writer_runs_on() {
    let fifo = Scratch::new("pty-open");
    let mut command = CommandBuilder::new("sh");
    let script = "rm -f \"$2\"; mkfifo \"$2\"; exec \"$1\" - < \"$2\"";
    command.args(["-c", script, "sh", env!("CARGO_BIN_EXE_framescope")]);
    command.arg(&*fifo);
    let s = Session::run(80, 24, command);
    let begun = Instant::now();
    let pipe = loop {
        match std::fs::OpenOptions::new().write(true).open(&fifo) {
            Ok(p) => break p,
            Err(e) => assert!(begun.elapsed() < DEADLINE, "{e}"),
        }
        std::thread::sleep(Duration::from_millis(5));
    };
    s.sees("Listening; no packets yet.");
    let screen = Arc::clone(&s.screen);
    s.quit();
    drop(pipe);
    let begun = Instant::now();
    loop {
        let text = screen.lock().unwrap_or_else(PoisonError::into_inner).screen().contents();
        if text.contains("what writes to the pipe still runs; Ctrl-C ends it") {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "{text}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_signal_puts_the_terminal_back() {
    let mut s = Session::start(80, 24, "ws-tungstenite/capture.pcap");
    s.sees("GET /tour HTTP/1.1");
    let id = s.child.process_id().unwrap();
    let told = std::process::Command::new("kill").arg(id.to_string()).status().unwrap();
    assert!(told.success());
    assert!(s.child.wait().unwrap().success());
    s.until("terminal as it was", |s| !s.alternate_screen() && !s.hide_cursor());
}

/// Fails at the first payload that it sees.
struct Bomb;

impl PayloadDecoder for Bomb {
    fn decode(
        &self,
        _: &PayloadHint<'_>,
        _: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        // Not while reading, but when somebody looks: the screen is up by then.
        assert!(detail.is_none(), "planted");
        None
    }
}

/// Not a test of its own: the process of the one below.
#[test]
#[ignore = "run by a_panic_puts_the_terminal_back"]
fn panics_on_the_screen() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/grpc-tonic/capture.pcap");
    let decoders: Vec<Box<dyn PayloadDecoder>> = vec![Box::new(Bomb)];
    let options = Options { decoders: Arc::new(decoders), ..Options::default() };
    let ended = framescope::tui::run(&[path], None, options);
    println!("ended with {ended:?}");
}

#[test]
fn a_panic_puts_the_terminal_back() {
    let mut command = CommandBuilder::new(std::env::current_exe().unwrap());
    command.args(["--exact", "panics_on_the_screen", "--ignored", "--nocapture"]);
    command.env("RUST_BACKTRACE", "0");
    let mut s = Session::run(80, 24, command);
    s.child.wait().unwrap();
    // The reason can be read, on the screen that the user had before.
    s.sees("planted");
    s.sees("ended with Err");
    s.until("terminal as it was", |s| !s.alternate_screen() && !s.hide_cursor());
}

#[test]
fn a_capture_filter_is_named_and_leaves_packets_out() {
    let fixture =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/ws-tungstenite/capture.pcap");
    let browse = |filter: &str| {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_framescope"));
        command.args(["-f", filter]);
        command.arg(&fixture);
        Session::run(80, 24, command)
    };
    // One direction: the requests without the responses.
    let mut s = browse("tcp src port not 8765 and greater 67");
    s.sees("[tcp src port not 8765");
    s.sees("http request");
    s.press(DOWN);
    s.quit();
    let s = browse("icmp");
    s.sees("No packet passes the capture filter");
    s.quit();
}

#[test]
fn a_file_that_is_none_leaves_the_terminal_alone() {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_framescope"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("Cargo.toml"));
    let mut s = Session::run(80, 24, command);
    let status = s.child.wait().unwrap();
    assert_eq!(status.exit_code(), 2);
    s.sees("Cargo.toml");
    assert!(!s.look(vt100::Screen::alternate_screen));
}

/// How long a key takes while `FRAMESCOPE_LARGE`, a capture of a gigabyte or so,
/// is being read. Not run unless asked for: it measures the machine.
#[test]
#[ignore = "measures; FRAMESCOPE_LARGE names a large capture"]
fn keys_are_answered_while_a_large_capture_is_read() {
    let path = std::env::var_os("FRAMESCOPE_LARGE").expect("FRAMESCOPE_LARGE");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_framescope"));
    command.arg(path);
    let mut s = Session::run(200, 60, command);
    s.sees("? help");
    let mut all: Vec<Duration> = Vec::new();
    let begun = Instant::now();
    while s.look(|s| s.contents().contains("reading")) && begun.elapsed() < DEADLINE {
        for (key, shown) in [("?", true), ("?", false)] {
            let pressed = Instant::now();
            s.press(key);
            s.until("answer", |s| s.contents().contains("next, previous pane") == shown);
            all.push(pressed.elapsed());
        }
        // And one that moves far: a row at the end must be opened.
        s.press("G");
    }
    all.sort_unstable();
    let (middle, worst) = (all.get(all.len() / 2), all.last());
    eprintln!(
        "{} keys in {:?}: half of them within {middle:?}, the slowest after {worst:?}",
        all.len(),
        begun.elapsed()
    );
    s.quit();
    assert!(worst.is_some_and(|w| *w < Duration::from_millis(50)), "{worst:?}");
}

/// How long after its start the program shows the first event of `FRAMESCOPE_LARGE`.
/// Not run unless asked for: it measures the machine.
#[test]
#[ignore = "measures; FRAMESCOPE_LARGE names a large capture"]
fn first_rows_of_a_large_capture_are_shown_at_once() {
    let path = std::env::var_os("FRAMESCOPE_LARGE").expect("FRAMESCOPE_LARGE");
    let mut slowest = Duration::ZERO;
    for _ in 0..5 {
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_framescope"));
        command.arg(&path);
        let begun = Instant::now();
        let s = Session::run(200, 60, command);
        // The line below the list's title: a number, a time, a conversation, and the
        // summary, for which the event was opened.
        let row = |s: &vt100::Screen| {
            let text = s.contents();
            let line = text.lines().nth(1).unwrap_or_default();
            line.contains(" #1") && !line.trim_end().ends_with('…')
        };
        s.until("first row", row);
        slowest = slowest.max(begun.elapsed());
        s.quit();
    }
    eprintln!("the first rows are there after {slowest:?}, the slowest of 5");
    assert!(slowest < Duration::from_millis(500), "{slowest:?}");
}

/// The tour as a new user walks it, to the call that failed.
#[test]
fn the_tour_leads_to_the_failing_call() {
    for (columns, rows) in [(80, 24), (200, 60)] {
        let command = CommandBuilder::new(env!("CARGO_BIN_EXE_framescope"));
        let mut s = Session::run(columns, rows, command);
        s.sees("1/11 A chat over WebSocket");
        // All has been read.
        s.sees("1 of 118");
        s.press("j");
        s.sees("2/11 Go down to \"Hello, chat!\"");
        s.press("jjj");
        s.sees("3/11 Tab goes to the fields");
        s.press("\t");
        s.sees("4/11 ↓ selects a field");
        s.press(DOWN);
        s.sees("5/11 It was compressed and masked");
        s.press("b");
        s.sees("6/11 A call has failed");
        s.press("f");
        s.sees("7/11 Select grpc.bad-status 5 NOT_FOUND");
        s.press("g\r");
        s.sees("8/11 There is the status, and why.");
        s.sees("Status: NOT_FOUND (5)");
        // Out of the way, and back.
        s.press("t");
        s.until("no guidance", |s| !s.contents().contains("8/11"));
        s.press("t");
        s.sees("8/11");
        s.quit();
    }
}

/// A conversation whose beginning nobody believes, read by a key, and back.
#[test]
fn a_key_reads_a_conversation_as_something_else() {
    let mut s = Session::start(80, 24, "ws-time/capture.pcap");
    s.sees("websocket text");
    s.press("d");
    s.sees("Read conversation #1 as");
    // The last but one is opaque, the last is as found.
    s.press("Gk\r");
    s.sees("conversation #1 is nobody's bytes");
    s.sees("tcp opaque");
    s.press("dG\r");
    s.sees("conversation #1 as found by content");
    s.sees("websocket text");
    s.quit();
}

/// A session whose keys come while it is on the screen is read again from its beginning.
#[test]
fn keys_that_come_late_open_what_is_there() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures");
    let sealed = fixtures.join("tls13-openssl/capture.pcapng.zst");
    let folder = Scratch::folder("late");
    // pcap has no place for secrets.
    let bare = folder.join("bare.pcap");
    let sliced = std::process::Command::new(env!("CARGO_BIN_EXE_framescope"))
        .args(["slice", "--whole", "--conversation", "1"])
        .arg(&sealed)
        .arg("-w")
        .arg(&bare)
        .output()
        .unwrap();
    assert!(sliced.status.success(), "{sliced:?}");
    let log = folder.join("keys");
    std::fs::write(&log, "").unwrap();
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_framescope"));
    command.arg("--keylog");
    command.arg(&log);
    command.arg(&bare);
    let mut s = Session::run(120, 30, command);
    s.sees("client_hello");
    assert!(!s.look(|screen| screen.contents().contains("encrypted_extensions")));
    let secrets = framescope::capture::secrets_of(&sealed);
    let text: Vec<u8> = secrets.iter().flat_map(|s| s.data.to_vec()).collect();
    std::fs::write(&log, text).unwrap();
    s.sees("encrypted_extensions");
    s.press("G");
    s.sees("websocket");
    s.quit();
}
