//! The terminal interface: events, their fields, their bytes and time.
//!
//! Four threads: one reads the capture into the index, one opens what is looked
//! at, one waits for keys, and the one that draws waits for the other three. It
//! holds the index for a short look only, and never waits for the file.

mod app;
mod canvas;
mod draw;
mod help;
mod hex;
mod keys;
mod layout;
mod list;
mod opener;
mod rows;
mod scale;
mod search;
mod status;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod timeline;
mod tree;
mod values;
mod worker;

use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use crossterm::event::Event as Input;

use crate::capture::bpf::{self, Filtered};
use crate::capture::{CaptureError, OpenOptions, PacketStore, open_all};
use crate::engine::Options;
use crate::index::{Index, Progress, Reader, Reloader};
use app::{Action, App};
use opener::Opener;
use terminal::Screen;
use theme::Theme;
use worker::{Desk, Reply, Wishes, Worker};

/// Time between two pictures at least, where the reader alone brought something.
const FRAME: Duration = Duration::from_millis(33);
/// And where the user did.
const ANSWER: Duration = Duration::from_millis(8);
/// So long a picture waits for the event that was just selected: less than
/// anybody notices, more than most take to open.
const PATIENCE: Duration = Duration::from_millis(25);
/// A live source that has nothing is asked again after this.
const IDLE: Duration = Duration::from_millis(20);

/// Why the interface ended.
#[derive(Debug)]
pub enum TuiError {
    /// The capture cannot be read at all.
    Capture(CaptureError),
    /// The terminal cannot be used (any more).
    Io(io::Error),
}

impl fmt::Display for TuiError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Capture(e) => e.fmt(f),
            Self::Io(e) => write!(f, "the terminal cannot be used: {e}"),
        }
    }
}

impl std::error::Error for TuiError {}

impl From<CaptureError> for TuiError {
    fn from(e: CaptureError) -> Self {
        Self::Capture(e)
    }
}

impl From<io::Error> for TuiError {
    fn from(e: io::Error) -> Self {
        Self::Io(e)
    }
}

/// What wakes the thread that draws.
enum Message {
    Input(io::Result<Input>),
    Reply(Reply),
    Read(Progress),
    Failed(String),
    /// A thread of ours panicked; the hook has told why.
    Broken,
}

/// Tells the drawing thread when its own thread dies.
struct Canary(Sender<Message>);

impl Drop for Canary {
    fn drop(&mut self) {
        if thread::panicking() {
            let _ = self.0.send(Message::Broken);
        }
    }
}

/// Shows captures in the terminal until the user leaves.
///
/// `-` is standard input; keys then come from the controlling terminal. Of packets
/// that do not pass `filter`, nothing is shown.
///
/// # Errors
/// Where a capture cannot be opened, or the terminal cannot be used. What goes
/// wrong while reading is shown, and what was read before stays.
pub fn run(
    paths: &[PathBuf],
    filter: Option<bpf::Filter>,
    options: Options,
) -> Result<(), TuiError> {
    let mut name = name(paths);
    if let Some(f) = &filter {
        name = format!("{name} [{}]", f.text());
    }
    let filtered = filter.is_some();
    let source = Filtered::wrap(open_all(paths, OpenOptions { reload: true })?, filter);
    // A source that was asked for one has one; without it, nothing can be opened.
    let store = source.store().unwrap_or_else(|| Arc::new(PacketStore::new()));
    let index = Arc::new(RwLock::new(Index::new()));
    let reader = Reader::new(source, options.clone(), Arc::clone(&index));
    let reloader = Reloader::new(Arc::clone(&index), store, options);
    let worker = Worker::new(Opener::new(Arc::clone(&index), reloader));
    let mut screen = Screen::take()?;
    let mut app = App::new(index, Theme::from_environment(), name);
    app.filtered = filtered;

    let (sender, messages) = channel();
    let desk = Arc::new(Desk::default());
    let told = Arc::new(AtomicBool::new(false));
    let started = start(reader, worker, &sender, &desk, &told);
    let result = started.and_then(|()| show(&mut app, &mut screen, &messages, &desk, &told));
    drop(screen);
    result.map_err(TuiError::Io)
}

fn name(paths: &[PathBuf]) -> String {
    let first = match paths.first() {
        Some(p) if p.as_os_str() == "-" => "standard input".to_owned(),
        Some(p) => p.file_name().unwrap_or(p.as_os_str()).to_string_lossy().into_owned(),
        None => String::new(),
    };
    match paths.len() {
        0 | 1 => first,
        n => format!("{first} and {} more", n - 1),
    }
}

fn start(
    reader: Reader,
    worker: Worker,
    sender: &Sender<Message>,
    desk: &Arc<Desk>,
    told: &Arc<AtomicBool>,
) -> io::Result<()> {
    let spawn = |name: &str, work: Box<dyn FnOnce(Sender<Message>) + Send>| {
        let sender = sender.clone();
        let run = move || {
            let _canary = Canary(sender.clone());
            work(sender);
        };
        thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
    };
    let told = Arc::clone(told);
    spawn("reader", Box::new(move |s| read(reader, &s, &told)))?;
    let desk = Arc::clone(desk);
    spawn("worker", Box::new(move |s| worker::work(worker, &desk, &s, Message::Reply)))?;
    spawn(
        "keys",
        Box::new(move |s| {
            loop {
                let input = crossterm::event::read();
                let failed = input.is_err();
                if s.send(Message::Input(input)).is_err() || failed {
                    return;
                }
            }
        }),
    )
}

/// Reads until the end. Progress is told no more often than it is looked at.
fn read(mut reader: Reader, sender: &Sender<Message>, told: &AtomicBool) {
    loop {
        match reader.step() {
            Ok(progress) => {
                let ended = progress == Progress::Ended;
                let tell = ended || !told.swap(true, Ordering::SeqCst);
                if tell && sender.send(Message::Read(progress)).is_err() || ended {
                    return;
                }
                if progress == Progress::Waiting {
                    thread::sleep(IDLE);
                }
            }
            Err(e) => {
                let _ = sender.send(Message::Failed(e.to_string()));
                return;
            }
        }
    }
}

/// Draws and waits, until the user leaves.
fn show(
    app: &mut App,
    screen: &mut Screen,
    messages: &Receiver<Message>,
    desk: &Desk,
    told: &AtomicBool,
) -> io::Result<()> {
    let mut laid = Wishes::default();
    let mut dirty = true;
    let mut drawn: Option<Instant> = None;
    let mut touched = false;
    let mut selected = (app.selected, Instant::now());
    loop {
        let now = Instant::now();
        if dirty {
            if selected.0 != app.selected {
                selected = (app.selected, now);
            }
            let mut due = drawn.map_or(now, |d| d + if touched { ANSWER } else { FRAME });
            if app.selected.is_some() && !app.is_open() && app.unreadable != app.selected {
                due = due.max(selected.1 + PATIENCE);
            }
            if due <= now {
                app.grow();
                screen.terminal.draw(|f| draw::draw(app, f))?;
                drawn = Some(now);
                touched = false;
                // The list takes up a large file in several pictures.
                dirty = app.behind;
            }
        }
        let wishes = app.wishes();
        if wishes != laid {
            desk.lay(wishes.clone());
            laid = wishes;
        }
        let wait = if dirty { ANSWER / 2 } else { Duration::from_secs(3600) };
        let mut next = match messages.recv_timeout(wait) {
            Ok(m) => Some(m),
            Err(RecvTimeoutError::Timeout) => None,
            Err(RecvTimeoutError::Disconnected) => return Ok(()),
        };
        // All that waits is taken before anything is drawn: held-down keys do
        // not pile up.
        while let Some(m) = next {
            match m {
                Message::Input(input) => {
                    let action = match input? {
                        Input::Key(key) => app.key(key),
                        Input::Mouse(mouse) => app.mouse(mouse),
                        Input::Resize(..) => Action::Draw,
                        _ => Action::None,
                    };
                    match action {
                        Action::Quit => return Ok(()),
                        Action::Draw => (dirty, touched) = (true, true),
                        Action::None => {}
                    }
                }
                Message::Reply(reply) => {
                    app.reply(reply);
                    dirty = true;
                }
                Message::Read(progress) => {
                    told.store(false, Ordering::SeqCst);
                    // Waiting twice is no news.
                    dirty |= app.progress != progress || progress != Progress::Waiting;
                    app.progress = progress;
                }
                Message::Failed(why) => {
                    app.failure = Some(why);
                    dirty = true;
                }
                Message::Broken => {
                    return Err(io::Error::other("a part of the program failed; see above"));
                }
            }
            next = messages.try_recv().ok();
        }
    }
}
