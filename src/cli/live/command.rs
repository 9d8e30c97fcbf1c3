//! `live -- COMMAND`: a program that is run and watched, with its keys logged.

use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal};

use crate::capture::Folder;
use crate::capture::live::namespace::{Namespace, within};

/// So long after the command has ended packets are still taken: what it closed is being
/// closed, and what it sent is being answered.
const LAST_PACKETS: Duration = Duration::from_millis(300);
/// How often it is looked whether it has ended.
const LOOK: Duration = Duration::from_millis(10);
/// So long it may take to end when it was asked to.
const PATIENCE: Duration = Duration::from_secs(2);
/// And after a signal that was handed on to it.
const LONG_PATIENCE: Duration = Duration::from_secs(10);

/// What names the key log to programs that stand on OpenSSL's, NSS's, Go's or rustls' way
/// of logging keys.
const VARIABLE: &str = "SSLKEYLOGFILE";
/// Node does not read it, but takes options by a variable of its own.
const NODE_VARIABLE: &str = "NODE_OPTIONS";
const NODE_OPTION: &str = "--tls-keylog=";

/// A folder for the keys and the output of a command.
pub(super) struct Place(Folder);

impl Place {
    pub(super) fn create() -> io::Result<Self> {
        Folder::create().map(Self)
    }

    /// An empty file in it.
    fn file(&self, name: &str) -> io::Result<(PathBuf, File)> {
        let path = self.0.path().join(name);
        let mut how = OpenOptions::new();
        let file = how.read(true).append(true).create_new(true).mode(0o600).open(&path)?;
        Ok((path, file))
    }

    /// The key log, which programs write to.
    pub(super) fn keys(&self) -> io::Result<PathBuf> {
        self.file("keys").map(|(path, _)| path)
    }
}

/// Variables by which a command logs its keys, and the file to which it does.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Logging {
    set: Vec<(&'static str, OsString)>,
    /// Files to follow besides that of [`VARIABLE`] in our own environment.
    pub(super) follow: Vec<PathBuf>,
}

impl Logging {
    /// By what the environment says already; `own` makes a file where it names none.
    pub(super) fn new(
        variable: Option<OsString>,
        node: Option<OsString>,
        own: impl FnOnce() -> io::Result<PathBuf>,
    ) -> io::Result<Self> {
        let mut logging = Self { set: Vec::new(), follow: Vec::new() };
        let path = match variable.filter(|v| !v.is_empty()) {
            // Whoever set it wants the keys there.
            Some(v) => PathBuf::from(v),
            None => {
                let path = own()?;
                logging.set.push((VARIABLE, path.clone().into_os_string()));
                logging.follow.push(path.clone());
                path
            }
        };
        let mut options = node.unwrap_or_default();
        let said = options.to_string_lossy().into_owned();
        if let Some((_, theirs)) = said.split_once(NODE_OPTION) {
            // One file is all that Node writes.
            let theirs = theirs.split([' ', '"']).next().unwrap_or_default();
            logging.follow.extend((!theirs.is_empty()).then(|| PathBuf::from(theirs)));
        } else {
            if !options.is_empty() {
                options.push(" ");
            }
            options.push(node_option(&path));
            logging.set.push((NODE_VARIABLE, options));
        }
        Ok(logging)
    }
}

/// The option, as `NODE_OPTIONS` is split: at spaces, unless in double quotes.
fn node_option(path: &Path) -> OsString {
    let text = path.to_string_lossy();
    if !text.contains([' ', '"', '\\']) {
        return [OsStr::new(NODE_OPTION), path.as_os_str()].into_iter().collect();
    }
    let text = text.replace('\\', "\\\\").replace('"', "\\\"");
    format!("\"{NODE_OPTION}{text}\"").into()
}

/// Where the command's own output goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Output {
    /// To standard error: standard output is for events.
    Beside,
    /// To a file: the screen is ours. It is shown in the end.
    Later,
}

/// A command that runs, or has.
pub(super) struct Running {
    state: Arc<State>,
    log: Option<PathBuf>,
    name: String,
    place: Place,
}

/// A hold on a command from elsewhere.
pub(super) struct Hold {
    state: Arc<State>,
    folder: PathBuf,
}

impl Hold {
    /// Hands a signal on to it; gives whether it still runs.
    pub(super) fn signal(&self, signal: i32) -> bool {
        if self.state.status().is_some() {
            return false;
        }
        // A terminal tells all that run in its foreground, by itself.
        if signal != signal_hook::consts::SIGINT || !is_in_foreground() {
            self.state.send(signal_of(signal));
        }
        self.state.until(LONG_PATIENCE);
        true
    }

    /// The program ends without it: it is told to end, and its keys are removed.
    pub(super) fn let_go(&self) {
        self.state.send(Signal::TERM);
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

struct State {
    child: Mutex<Child>,
    pid: Option<Pid>,
    /// It has a process group of its own.
    group: bool,
    ended: Mutex<Option<ExitStatus>>,
    /// When it is to be ended by force.
    deadline: Mutex<Option<Instant>>,
}

impl Running {
    /// Begins it; `stop` is set a little after it has ended.
    pub(super) fn begin(
        words: &[OsString],
        logging: &Logging,
        place: Place,
        output: Output,
        namespace: Option<&Namespace>,
        stop: Arc<AtomicBool>,
    ) -> io::Result<Self> {
        let (program, arguments) =
            words.split_first().ok_or_else(|| io::Error::other("no command"))?;
        let mut command = Command::new(program);
        command.args(arguments).envs(logging.set.iter().map(|(k, v)| (k, v)));
        let log = match output {
            Output::Beside => {
                command.stdout(std::io::stderr());
                None
            }
            Output::Later => {
                let (path, file) = place.file("output")?;
                command.stdin(Stdio::null()).stdout(file.try_clone()?).stderr(file);
                // Keys are for the screen, and so is Ctrl-C.
                command.process_group(0);
                Some(path)
            }
        };
        let child = within(namespace, || command.spawn())??;
        let state = Arc::new(State {
            pid: i32::try_from(child.id()).ok().and_then(Pid::from_raw),
            child: Mutex::new(child),
            group: output == Output::Later,
            ended: Mutex::new(None),
            deadline: Mutex::new(None),
        });
        let watched = Arc::clone(&state);
        std::thread::spawn(move || {
            watched.watch();
            std::thread::sleep(LAST_PACKETS);
            stop.store(true, Ordering::Relaxed);
        });
        let name = program.to_string_lossy().into_owned();
        Ok(Self { state, log, name, place })
    }

    /// For those who hear signals.
    pub(super) fn hold(&self) -> Hold {
        Hold { state: Arc::clone(&self.state), folder: self.place.0.path().to_path_buf() }
    }

    /// Ends it, where it still runs, and gives its exit status as a shell does.
    pub(super) fn end(&self) -> u8 {
        if self.state.status().is_none() {
            self.state.send(Signal::TERM);
            self.state.until(PATIENCE);
        }
        loop {
            if let Some(status) = self.state.status() {
                return code(status);
            }
            std::thread::sleep(LOOK);
        }
    }

    /// How it ended, in words, where that was not well.
    pub(super) fn account(&self) -> Option<String> {
        let status = self.state.status()?;
        let how = match (status.code(), status.signal()) {
            (Some(0), _) => return None,
            (Some(n), _) => format!("exit status {n}"),
            (None, Some(n)) => format!("ended by signal {n}"),
            (None, None) => return None,
        };
        Some(format!("{}: {how}", self.name))
    }

    /// What it wrote, where the screen was not its own.
    pub(super) fn written(&self) -> Option<File> {
        File::open(self.log.as_ref()?).ok()
    }
}

impl State {
    /// Waits for its end.
    fn watch(&self) {
        loop {
            let waited = self.child.lock().unwrap_or_else(PoisonError::into_inner).try_wait();
            let status = match waited {
                Ok(Some(status)) => status,
                // It is nobody's any more: nothing is known of how it ended.
                Err(_) => ExitStatus::default(),
                Ok(None) => {
                    let deadline = *self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
                    if deadline.is_some_and(|d| Instant::now() >= d) {
                        self.send(Signal::KILL);
                    }
                    std::thread::sleep(LOOK);
                    continue;
                }
            };
            *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(status);
            return;
        }
    }

    fn status(&self) -> Option<ExitStatus> {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn until(&self, patience: Duration) {
        let mut deadline = self.deadline.lock().unwrap_or_else(PoisonError::into_inner);
        let then = Instant::now().checked_add(patience);
        *deadline = match (*deadline, then) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        };
    }

    /// Tells it, unless it has ended.
    fn send(&self, signal: Signal) {
        let _child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let (Some(pid), None) = (self.pid, self.status()) else { return };
        let _ = if self.group {
            rustix::process::kill_process_group(pid, signal)
        } else {
            rustix::process::kill_process(pid, signal)
        };
    }
}

fn signal_of(number: i32) -> Signal {
    match number {
        signal_hook::consts::SIGINT => Signal::INT,
        signal_hook::consts::SIGHUP => Signal::HUP,
        _ => Signal::TERM,
    }
}

/// Whether the terminal, if there is one, sends its signals to us.
fn is_in_foreground() -> bool {
    let Ok(terminal) = File::open("/dev/tty") else { return false };
    rustix::termios::tcgetpgrp(&terminal).is_ok_and(|g| g == rustix::process::getpgrp())
}

/// As a shell has it: 128 and the number of the signal that ended it.
fn code(status: ExitStatus) -> u8 {
    let code = status.code().or_else(|| status.signal().map(|s| 128 + s)).unwrap_or(1);
    u8::try_from(code).unwrap_or(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn logging(variable: Option<&str>, node: Option<&str>) -> Logging {
        Logging::new(variable.map(Into::into), node.map(Into::into), || Ok("/t/k".into())).unwrap()
    }

    #[test]
    fn keys_are_logged_to_a_file_of_ours_unless_one_was_named() {
        let l = logging(None, None);
        assert_eq!(l.set[0], ("SSLKEYLOGFILE", "/t/k".into()));
        assert_eq!(l.set[1], ("NODE_OPTIONS", "--tls-keylog=/t/k".into()));
        assert_eq!(l.follow, [PathBuf::from("/t/k")]);
        let l = logging(Some("/mine"), Some("--inspect"));
        assert_eq!(l.set, [("NODE_OPTIONS", "--inspect --tls-keylog=/mine".into())]);
        assert!(l.follow.is_empty());
        let l = logging(None, Some("--tls-keylog=/node --inspect"));
        assert_eq!(l.set.len(), 1);
        assert_eq!(l.follow, [PathBuf::from("/t/k"), PathBuf::from("/node")]);
        assert_eq!(node_option(Path::new("/a b/k")), "\"--tls-keylog=/a b/k\"");
    }

    #[test]
    fn the_key_log_is_for_us_alone_and_goes() {
        use std::os::unix::fs::PermissionsExt;
        let place = Place::create().unwrap();
        let keys = place.keys().unwrap();
        assert_eq!(keys.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        drop(place);
        assert!(!keys.exists());
    }
}
