//! Capturing on the screen: what passes is browsed, a bounded copy says what it has let go of,
//! and a command that is run is left as it ends.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use framescope::capture::{OpenOptions, Polled, open};
use portable_pty::CommandBuilder;

use super::scratch::Scratch;
use super::{DEADLINE, DOWN, Session};

const HOME: &str = "\x1b[H";

/// `live` with these arguments, whose temporary files are in that folder.
fn live(folder: &Path, arguments: &[&str]) -> Session {
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_framescope"));
    command.arg("live");
    command.args(arguments);
    command.env("TMPDIR", folder);
    command.env_remove("SSLKEYLOGFILE");
    command.env_remove("NODE_OPTIONS");
    Session::run(100, 24, command)
}

/// Whether there is a list; `false` where packet sockets are refused.
fn permitted(s: &Session) -> bool {
    s.until("list", |s| {
        s.contents().contains(": messages")
            || s.contents().contains("messages, exchanges")
            || s.contents().contains("not permitted")
    });
    let refused = s.look(|s| s.contents().contains("not permitted"));
    if refused {
        let _ = writeln!(std::io::stderr(), "SKIPPED: packet sockets are refused here");
    }
    !refused
}

/// Where others listen for nothing, and its port: what else is on the loopback is left out.
fn here() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, port)
}

/// A client and a server that are connected there.
fn pair(listener: &TcpListener) -> (TcpStream, TcpStream) {
    let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
    (client, listener.accept().unwrap().0)
}

/// What is in a folder.
fn within(folder: &Path) -> Vec<String> {
    let name = |e: std::io::Result<std::fs::DirEntry>| e.unwrap().file_name();
    std::fs::read_dir(folder).unwrap().map(|e| name(e).to_string_lossy().into_owned()).collect()
}

/// An interface is browsed while packets pass it.
#[test]
fn a_live_capture_is_browsed() {
    let kept = Scratch::new("pty-kept");
    let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_framescope"));
    let (listener, port) = here();
    command.args(["live", "-w"]);
    command.arg(&*kept);
    command.args(["tcp", "port", &port.to_string()]);
    let s = Session::run(100, 24, command);
    if !permitted(&s) {
        return;
    }
    let (mut client, mut server) = pair(&listener);
    write!(client, "GET /browsed-{port} HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    s.sees(&format!("GET /browsed-{port} HTTP/1.1"));
    server.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    s.sees("204 No Content");
    s.quit();
    // What was kept is a capture.
    let mut source = open(&kept, OpenOptions::default()).unwrap();
    let Polled::Batch(batch) = source.poll().unwrap() else { panic!("no packets were kept") };
    assert!(batch.findings.is_empty(), "{:?}", batch.findings);
    assert!(batch.packets().any(|p| p.data.windows(9).any(|w| w == b"/browsed-")));
}

/// Of events whose packets had to go the lines stay, and what was in them is not had: that is
/// said, and nothing else is shown in its place. Those that are there are opened.
#[test]
fn a_bounded_copy_says_what_it_has_let_go_of() {
    let folder = Scratch::folder("ring");
    let (listener, port) = here();
    let mut s = live(&folder, &["--ring", "1M", "tcp", "port", &port.to_string()]);
    if !permitted(&s) {
        return;
    }
    let (mut client, mut server) = pair(&listener);
    write!(client, "GET /kept-by-nobody-{port} HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    s.sees(&format!("GET /kept-by-nobody-{port} HTTP/1.1"));
    write!(server, "HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    s.sees("204 No Content");
    s.press(HOME);
    s.press("\t");
    s.sees("Method: \"GET\"");
    s.press("\t\t\tG");
    // More than is kept.
    const BYTES: usize = 16 << 20;
    let reader = std::thread::spawn(move || {
        let mut rest = vec![0; BYTES];
        client.read_exact(&mut rest).unwrap();
        client
    });
    for _ in 0..BYTES >> 16 {
        server.write_all(&[b'x'; 1 << 16]).unwrap();
    }
    let _client = reader.join().unwrap();
    let (mut client, mut server) = pair(&listener);
    write!(client, "GET /kept-{port} HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    write!(server, "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n").unwrap();
    s.sees("205 Reset Content");
    let sizes = within(&folder).into_iter().map(|n| folder.join(n).metadata().unwrap().len());
    assert!(sizes.sum::<u64>() < 8 << 20, "it is bounded");
    s.press(HOME);
    s.sees("its packets are gone (--ring)");
    // The list and what is open beside it are read one after the other.
    s.until("nothing of it is open", |s| !s.contents().contains("Method: \"GET\""));
    s.press("G");
    s.until("the last event", |s| !s.contents().contains("its packets are gone"));
    s.quit();
    assert!(within(&folder).is_empty(), "{:?}", within(&folder));
}

/// A command runs beside the screen: keys are the screen's, and with its end the capture ends,
/// but not the look at it. Its status is handed on.
#[test]
fn a_command_ends_the_capture_and_hands_on_its_status() {
    let folder = Scratch::folder("command");
    let (listener, port) = here();
    // Keys are for the screen: a command that reads has nothing to read.
    let script = "read word; echo \"said nothing: <$word>\"; test -s \"$SSLKEYLOGFILE\" || \
                  test -e \"$SSLKEYLOGFILE\" || exit 3; while ! test -e \"$TMPDIR/go\"; do \
                  sleep 0.02; done; exit 7";
    let filter = port.to_string();
    let mut s = live(&folder, &["tcp", "port", &filter, "--", "sh", "-c", script]);
    if !permitted(&s) {
        return;
    }
    s.sees("sh: any, tcp port");
    let (mut client, mut server) = pair(&listener);
    write!(client, "GET /beside-{port} HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    s.sees(&format!("GET /beside-{port} HTTP/1.1"));
    write!(server, "HTTP/1.1 204 No Content\r\n\r\n").unwrap();
    s.sees("204 No Content");
    s.press(DOWN);
    s.press("?");
    s.sees("next, previous pane");
    s.press("?");
    std::fs::write(folder.join("go"), "").unwrap();
    // The capture has ended: what comes now is not in it.
    let begun = Instant::now();
    while within(&folder).len() > 1 && begun.elapsed() < Duration::from_secs(2) {
        std::thread::sleep(Duration::from_millis(20));
    }
    let (mut late, _server) = pair(&listener);
    write!(late, "GET /late HTTP/1.1\r\nHost: here\r\n\r\n").unwrap();
    std::thread::sleep(Duration::from_millis(300));
    assert!(!s.look(|s| s.contents().contains("/late")));
    // And what came is still there.
    s.press(HOME);
    s.sees(&format!("GET /beside-{port} HTTP/1.1"));
    s.press("q");
    assert_eq!(s.ended(), 7);
    s.sees("said nothing: <>");
    s.sees("sh: exit status 7");
    assert_eq!(within(&folder), ["go"]);
}

/// Who leaves before the command has ended ends it.
#[test]
fn leaving_ends_the_command() {
    let folder = Scratch::folder("leaving");
    let script = "trap 'exit 9' TERM; echo $$ > \"$TMPDIR/pid\"; while :; do sleep 0.02; done";
    let s = live(&folder, &["--", "sh", "-c", script]);
    if !permitted(&s) {
        return;
    }
    let pid = folder.join("pid");
    let begun = Instant::now();
    while std::fs::read(&pid).map_or(0, |b| b.len()) == 0 {
        assert!(begun.elapsed() < DEADLINE, "the command does not begin");
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = std::fs::read_to_string(pid).unwrap();
    s.quit_with(9);
    assert!(!Path::new("/proc").join(pid.trim()).exists(), "{pid} still runs");
}

/// A kill leaves keys behind: they are for nobody else, and the next that comes removes them,
/// but not those that are in use.
#[test]
fn what_a_kill_left_behind_is_removed_by_the_next() {
    let folder = Scratch::folder("killed");
    let arguments = ["--", "sh", "-c", "echo a-key >> $SSLKEYLOGFILE; exec sleep 60"];
    let mut dead = live(&folder, &arguments);
    if !permitted(&dead) {
        return;
    }
    let pid = dead.child.process_id().unwrap().to_string();
    // The command survives it, as commands do.
    let children = format!("/proc/{pid}/task/{pid}/children");
    let command = std::fs::read_to_string(children).unwrap_or_default();
    let kill = |pid: &str| Command::new("kill").args(["-KILL", pid]).status().unwrap();
    assert!(kill(&pid).success());
    dead.child.wait().unwrap();
    let left = within(&folder);
    assert_eq!(left.len(), 2, "keys, and a copy of packets: {left:?}");
    let s = live(&folder, &["--", "sleep", "60"]);
    assert!(permitted(&s));
    let now = within(&folder);
    assert!(now.len() == 2 && !now.iter().any(|n| left.contains(n)), "{left:?} {now:?}");
    // A second one at work leaves the first alone.
    let other = live(&folder, &[]);
    assert!(permitted(&other));
    assert!(now.iter().all(|n| folder.join(n).exists()), "{now:?}");
    other.quit();
    s.quit_with(143);
    assert!(within(&folder).is_empty(), "{:?}", within(&folder));
    command.split_whitespace().for_each(|c| assert!(kill(c).success()));
}
