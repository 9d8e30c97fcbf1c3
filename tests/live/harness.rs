//! The program, capturing in a network namespace of its own, and who talks there.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// By then everything must have come about; a test waits no longer than it must.
pub(crate) const DEADLINE: Duration = Duration::from_secs(300);
/// Set for the test that runs in a namespace.
pub(crate) const INSIDE: &str = "FRAMESCOPE_TEST_NAMESPACE";

/// Where tests share the loopback, they take turns.
pub(crate) static TURN: Mutex<()> = Mutex::new(());

/// Told even where tests are silent as long as they pass.
pub(crate) fn say(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Runs a test in a network namespace of its own, or here where there is none.
pub(crate) fn alone(name: &str, test: impl FnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        return test();
    }
    let up = "ip link set lo up";
    // The second for users that are not root: root of a namespace alone.
    let possible = |flags: &&str| {
        let mut command = Command::new("unshare");
        command.args([flags, "sh", "-c", up]).stderr(Stdio::null());
        command.status().is_ok_and(|s| s.success())
    };
    let Some(flags) = ["-n", "-rn"].into_iter().find(possible) else {
        say(&format!("{name}: no namespace of its own, on the loopback that all share"));
        // One after another: they would drown each other.
        let _turn = TURN.lock().unwrap_or_else(PoisonError::into_inner);
        return test();
    };
    let script = format!("{up} && exec \"$0\" --exact {name} --nocapture");
    let inside = Command::new("unshare")
        .args([flags, "sh", "-c", &script])
        .arg(std::env::current_exe().unwrap())
        .env(INSIDE, "1")
        .output()
        .unwrap();
    let [out, errors] = [inside.stdout, inside.stderr].map(|b| String::from_utf8(b).unwrap());
    print!("{out}");
    say(errors.trim_end());
    // Not only that none failed: it was the one that ran.
    let passed = inside.status.success() && out.contains("test result: ok. 1 passed");
    assert!(passed, "{name} failed in its namespace");
}

/// How packets are had: the packet socket, and libpcap where it is installed.
pub(crate) const WAYS: [&[&str]; 2] = [&[], &["--libpcap"]];

/// Those that there are.
pub(crate) fn ways() -> &'static [&'static [&'static str]] {
    static ALL: std::sync::OnceLock<usize> = std::sync::OnceLock::new();
    let n = *ALL.get_or_init(|| {
        let list = Command::new(env!("CARGO_BIN_EXE_framescope"))
            .args(["live", "--libpcap", "-D"])
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&list.stderr);
        if errors.contains("libpcap is not installed") {
            say("SKIPPED: capturing by libpcap: it is not installed");
            return 1;
        }
        assert!(list.status.success(), "{errors}");
        2
    });
    &WAYS[..n]
}

/// The program, capturing.
pub(crate) struct Capture {
    pub(crate) child: Child,
    pub(crate) errors: Receiver<String>,
}

impl Capture {
    /// Starts it; `None` where packet sockets are refused.
    pub(crate) fn start(arguments: &[&str]) -> Option<(Self, ChildStdout)> {
        Self::start_by(&[], arguments)
    }

    /// The same, in one of [`ways`].
    pub(crate) fn start_by(way: &[&str], arguments: &[&str]) -> Option<(Self, ChildStdout)> {
        let mut child = Command::new(env!("CARGO_BIN_EXE_framescope"))
            .arg("live")
            .args(way)
            .args(arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let out = child.stdout.take().unwrap();
        let lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let (sender, errors) = channel();
        std::thread::spawn(move || {
            lines.map_while(Result::ok).for_each(|l| drop(sender.send(l)));
        });
        let mut capture = Self { child, errors };
        let first = capture.errors.recv_timeout(DEADLINE).expect("a line on standard error");
        if first.contains("capturing is not permitted") {
            say(&format!("SKIPPED: packet sockets are refused here: {first}"));
            let _ = capture.child.wait();
            return None;
        }
        assert!(first.starts_with("listening on "), "{first}");
        Some((capture, out))
    }

    pub(crate) fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// Ctrl-C: what came is printed, and the status is 0. Gives the last line on
    /// standard error.
    pub(crate) fn end(mut self) -> String {
        self.signal("-INT");
        let begun = Instant::now();
        let status = loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                break status;
            }
            assert!(begun.elapsed() < DEADLINE, "Ctrl-C does not end it");
            std::thread::sleep(Duration::from_millis(5));
        };
        assert!(status.success(), "{status:?}");
        self.errors.iter().last().unwrap_or_default()
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

pub(crate) fn json(line: &str) -> Value {
    serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))
}

/// A file of this test's own, which is gone in the end.
pub(crate) struct Scratch(pub(crate) PathBuf);

impl Scratch {
    pub(crate) fn new(name: &str) -> Self {
        Self(std::env::temp_dir().join(format!("framescope-{name}-{}.pcapng", std::process::id())))
    }

    pub(crate) fn text(&self) -> &str {
        self.0.to_str().unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// A server that answers each request with its path, and a client connected to it.
pub(crate) struct Http {
    stream: TcpStream,
    pub(crate) port: u16,
}

impl Http {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut bytes = [0; 4096];
            while let Ok(1..) = stream.read(&mut bytes) {
                stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").unwrap();
            }
        });
        Self { stream: TcpStream::connect(("127.0.0.1", port)).unwrap(), port }
    }

    pub(crate) fn ask(&mut self, path: &str) {
        let port = self.port;
        write!(self.stream, "GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n\r\n").unwrap();
        let _ = self.stream.read(&mut [0; 4096]).unwrap();
    }
}

/// The lines of a reader, as they come.
pub(crate) fn follow(out: ChildStdout) -> Receiver<String> {
    let (sender, lines) = channel();
    std::thread::spawn(move || {
        BufReader::new(out).lines().map_while(Result::ok).for_each(|l| drop(sender.send(l)));
    });
    lines
}

/// Waits for the line that has this text.
pub(crate) fn until(lines: &Receiver<String>, text: &str) {
    let begun = Instant::now();
    while let Some(left) = DEADLINE.checked_sub(begun.elapsed()) {
        match lines.recv_timeout(left) {
            Ok(line) if line.contains(text) => return,
            Ok(_) => {}
            Err(e) => panic!("{text} never came: {e}"),
        }
    }
    panic!("{text} never came");
}

/// Runs the program to its end: status, standard output, standard error. `None` where
/// packet sockets are refused.
pub(crate) fn run(arguments: &[&str]) -> Option<(Option<i32>, String, String)> {
    let out = Command::new(env!("CARGO_BIN_EXE_framescope")).args(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let (out, errors, status) = (text(out.stdout), text(out.stderr), out.status.code());
    if errors.contains("capturing is not permitted") {
        say(&format!("SKIPPED: packet sockets are refused here: {errors}"));
        return None;
    }
    Some((status, out, errors))
}
