//! The terminal interface: events, their fields, their bytes and time.
//!
//! A few threads: one reads the capture into the index, one opens what is looked
//! at, one waits for keys and one for signals, and the one that draws waits for all of them. It
//! holds the index for a short look only, and never waits for the file.

mod again;
mod app;
mod canvas;
mod draw;
mod help;
mod hex;
mod hits;
mod keys;
mod lanes;
mod layout;
mod list;
mod opener;
mod rows;
mod scale;
mod search;
mod select;
mod status;
mod terminal;
#[cfg(test)]
mod tests;
mod theme;
mod timeline;
mod tour;
mod tree;
mod values;
mod worker;

use std::collections::VecDeque;
use std::fmt;
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::sync::{Arc, PoisonError, RwLock};
use std::thread;
use std::time::{Duration, Instant};

use crossterm::event::Event as Input;

use crate::base::ConversationId;
use crate::capture::bpf::{self, Filtered};
use crate::capture::{CaptureError, OpenOptions, PacketStore, Source, open_all, open_bytes};
use crate::engine::{DecodeAs, Options};
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
/// So long a capture may take to be opened before the screen is taken.
const OPENING: Duration = Duration::from_millis(300);
/// Until there is a message.
const FOREVER: Duration = Duration::from_secs(3600);
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
    Opened(Result<Arc<PacketStore>, CaptureError>),
    Quit,
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
/// `-` is standard input; keys then come from the controlling terminal, and the
/// list follows what comes. Of packets that do not pass `filter`, nothing is shown.
/// Without a path it is the tour.
///
/// # Errors
/// Where a capture cannot be opened, or the terminal cannot be used. What goes
/// wrong while reading is shown, and what was read before stays.
pub fn run(
    paths: &[PathBuf],
    filter: Option<bpf::Filter>,
    mut options: Options,
) -> Result<(), TuiError> {
    let on_tour = paths.is_empty();
    if on_tour {
        options.decoders = tour::decoders();
    }
    let mut shown_as = name(paths);
    if let Some(f) = &filter {
        shown_as = format!("{shown_as} [{}]", f.text());
    }
    let how = How {
        name: shown_as,
        grows: paths.iter().any(|p| p.as_os_str() == "-"),
        piped: paths.iter().any(|p| p.as_os_str() == "-"),
        filtered: filter.is_some(),
        on_tour,
    };
    let files = paths.to_vec();
    show(how, options, move || {
        let how = OpenOptions { reload: true };
        let source = match files.as_slice() {
            [] => open_bytes(tour::NAME, tour::CAPTURE, how)?,
            files => open_all(files, how)?,
        };
        Ok(Filtered::wrap(source, filter))
    })
}

/// Shows what a source gives, under this name, until the user leaves. Where the
/// source `grows`, the list follows the newest event until the reader moves.
///
/// The source must have a store ([`Source::store`]) for anything to be opened;
/// its temporary files are removed in the end.
///
/// # Errors
/// Where the terminal cannot be used.
pub fn run_source(
    source: Box<dyn Source>,
    name: String,
    grows: bool,
    options: Options,
) -> Result<(), TuiError> {
    show(How { name, grows, piped: false, filtered: false, on_tour: false }, options, move || {
        Ok(source)
    })
}

/// How a source is shown.
struct How {
    name: String,
    /// It may bring more for as long as it likes.
    grows: bool,
    /// It comes from standard input.
    piped: bool,
    /// A capture filter leaves packets out.
    filtered: bool,
    /// It is the tour.
    on_tour: bool,
}

/// Opens, reads and shows.
fn show(
    how: How,
    options: Options,
    open: impl FnOnce() -> Result<Box<dyn Source>, CaptureError> + Send + 'static,
) -> Result<(), TuiError> {
    let piped = how.piped;
    let index = Arc::new(RwLock::new(Index::new()));
    let (sender, messages) = channel();
    let told = Arc::new(AtomicBool::new(false));
    let reading = {
        let options = options.clone();
        let (index, told) = (Arc::clone(&index), Arc::clone(&told));
        move |s: &Sender<Message>| read(open, options, index, s, &told)
    };
    spawn("reader", &sender, reading)?;
    // What cannot be opened is told on the terminal as it is. A pipe that says
    // nothing yet is waited for on the screen.
    let opened = match messages.recv_timeout(OPENING) {
        Ok(Message::Opened(opened)) => Some(opened?),
        Ok(_) => return Err(TuiError::Io(io::Error::other("the capture cannot be opened"))),
        Err(_) => None,
    };
    let mut screen = Screen::take()?;
    spawn("keys", &sender, keys)?;
    spawn("signals", &sender, signals)?;
    let mut app = App::new(Arc::clone(&index), Theme::from_environment(), how.name);
    app.filtered = how.filtered;
    app.decode_rules.clone_from(&options.decode_as);
    app.tour = how.on_tour.then(tour::Tour::default);
    if how.grows {
        app.follow();
    }
    let desk = Arc::new(Desk::default());
    let now = Instant::now();
    let looked = Looked { at: now, version: options.secrets.version(), until: now };
    let mut shown = Shown {
        app,
        sender,
        desk,
        told,
        options,
        store: None,
        urgent: false,
        unlocked: VecDeque::new(),
        looked,
        known: 0,
    };
    let started = opened.map_or(Ok(()), |store| shown.start_worker(store));
    let result = started.map_err(TuiError::Io).and_then(|()| shown.run(&mut screen, &messages));
    // Threads that still read hold the store, and die with the process. Before the
    // terminal is given back: where it has gone, that may fail in any way.
    if let Some(store) = shown.store {
        store.discard();
    }
    drop(screen);
    if result.is_ok() && piped && shown.app.progress != Progress::Ended && is_pipe() {
        // The shell shows no prompt before all of `tcpdump … | framescope -` have ended.
        let text = "framescope: what writes to the pipe still runs; Ctrl-C ends it";
        let _ = io::Write::write_all(&mut io::stderr(), format!("{text}\n").as_bytes());
    }
    result
}

/// Whether standard input is a pipe.
fn is_pipe() -> bool {
    use std::os::unix::fs::FileTypeExt;
    std::fs::metadata("/dev/stdin").is_ok_and(|m| m.file_type().is_fifo())
}

fn name(paths: &[PathBuf]) -> String {
    let first = match paths.first() {
        Some(p) if p.as_os_str() == "-" => "standard input".to_owned(),
        Some(p) => p.file_name().unwrap_or(p.as_os_str()).to_string_lossy().into_owned(),
        None => tour::NAME.to_owned(),
    };
    match paths.len() {
        0 | 1 => first,
        n => format!("{first} and {} more", n - 1),
    }
}

/// Runs `work` on a thread of its own, whose panic is told.
fn spawn(
    name: &str,
    sender: &Sender<Message>,
    work: impl FnOnce(&Sender<Message>) + Send + 'static,
) -> io::Result<()> {
    let sender = sender.clone();
    let run = move || {
        let canary = Canary(sender);
        work(&canary.0);
    };
    thread::Builder::new().name(name.to_owned()).spawn(run).map(drop)
}

/// Opens and reads until the end. Progress is told no more often than it is
/// looked at.
fn read(
    open: impl FnOnce() -> Result<Box<dyn Source>, CaptureError>,
    options: Options,
    index: Arc<RwLock<Index>>,
    sender: &Sender<Message>,
    told: &AtomicBool,
) {
    let source = match open() {
        Ok(source) => source,
        Err(e) => {
            let _ = sender.send(Message::Opened(Err(e)));
            return;
        }
    };
    // A source that was asked for a store has one; without it, nothing could be
    // opened again, and the screen would say so.
    let store = source.store().unwrap_or_else(|| Arc::new(PacketStore::new()));
    if sender.send(Message::Opened(Ok(store))).is_err() {
        return;
    }
    let mut reader = Reader::new(source, options, index);
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

/// Waits for keys and the mouse.
fn keys(sender: &Sender<Message>) {
    loop {
        let input = crossterm::event::read();
        let failed = input.is_err();
        if sender.send(Message::Input(input)).is_err() || failed {
            return;
        }
    }
}

/// Waits to be told to end: the terminal is put back first.
fn signals(sender: &Sender<Message>) {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    let Ok(mut signals) = signal_hook::iterator::Signals::new([SIGHUP, SIGINT, SIGTERM]) else {
        return;
    };
    for _ in signals.forever() {
        if sender.send(Message::Quit).is_err() {
            return;
        }
    }
}

/// What the thread that draws holds.
struct Shown {
    app: App,
    sender: Sender<Message>,
    desk: Arc<Desk>,
    told: Arc<AtomicBool>,
    options: Options,
    store: Option<Arc<PacketStore>>,
    /// Something was asked for that needs no opening.
    urgent: bool,
    /// Conversations whose secrets came late, to be read again one after another.
    unlocked: VecDeque<ConversationId>,
    looked: Looked,
    /// Schema files that the capture had told when lines were last opened.
    known: u64,
}

/// When it was last looked whether secrets have come.
struct Looked {
    at: Instant,
    /// Which there were.
    version: u64,
    /// Until then findings may still come of packets that were read before.
    until: Instant,
}

/// How long packets that were read may take to be in the index.
const ON_THE_WAY: Duration = Duration::from_secs(2);

/// How often it is looked whether secrets have come: a key log is a file, and one look
/// is one question to the system.
const LOOK: Duration = Duration::from_millis(250);

impl Shown {
    fn start_worker(&mut self, store: Arc<PacketStore>) -> io::Result<()> {
        self.store = Some(Arc::clone(&store));
        if let Some(path) = store.spools().first() {
            self.app.notice =
                Some(format!("packets are kept in {} until you leave", path.display()));
        }
        let index = Arc::clone(&self.app.index);
        let reloader = Reloader::new(Arc::clone(&index), store, self.options.clone());
        let worker = Worker::new(Opener::new(index, reloader));
        let desk = Arc::clone(&self.desk);
        spawn("worker", &self.sender, move |s| worker::work(worker, &desk, s, Message::Reply))
    }

    /// Draws and waits, until the user leaves.
    fn run(&mut self, screen: &mut Screen, messages: &Receiver<Message>) -> Result<(), TuiError> {
        let mut laid = Wishes::default();
        let mut changed = Changed::Much;
        let mut drawn: Option<Instant> = None;
        let mut selected = (None, Instant::now());
        loop {
            let now = Instant::now();
            if selected.0 != self.app.selected {
                selected = (self.app.selected, now);
            }
            let between = if changed == Changed::Much { ANSWER } else { FRAME };
            let mut due = drawn.map_or(now, |d| d + between);
            // Only the picture of the event itself: another key is answered at once.
            if self.app.is_opening() && !self.urgent {
                due = due.max(selected.1 + PATIENCE);
            }
            if changed != Changed::Not && due <= now {
                self.app.let_go = self.store.as_ref().is_some_and(|s| s.has_let_go());
                self.app.grow();
                screen.draw(|f| draw::draw(&mut self.app, f))?;
                drawn = Some(now);
                self.urgent = false;
                // The list takes up a large file in several pictures.
                let behind = self.app.behind || self.app.timeline.stale;
                changed = if behind { Changed::Little } else { Changed::Not };
            }
            let wishes = self.app.wishes();
            if wishes != laid {
                self.desk.lay(wishes.clone());
                laid = wishes;
            }
            if self.look_for_secrets() {
                changed = changed.max(Changed::Little);
            }
            let mut wait = if changed == Changed::Not { FOREVER } else { ANSWER / 2 };
            if self.options.secrets.is_watched() {
                wait = wait.min(LOOK);
            }
            let mut next = match messages.recv_timeout(wait) {
                Ok(m) => Some(m),
                Err(RecvTimeoutError::Timeout) => None,
                Err(RecvTimeoutError::Disconnected) => return Ok(()),
            };
            // All that waits is taken before anything is drawn: held-down keys do
            // not pile up.
            while let Some(m) = next {
                match self.take(m)? {
                    Some(c) => changed = changed.max(c),
                    None => return Ok(()),
                }
                next = messages.try_recv().ok();
            }
        }
    }

    /// Whether secrets have come: what they open is read again from its beginning.
    fn look_for_secrets(&mut self) -> bool {
        let secrets = &self.options.secrets;
        let now = Instant::now();
        if now - self.looked.at >= LOOK {
            // The engine looks, too, and secrets come with packets: the number tells.
            secrets.look();
            let version = secrets.version();
            if self.looked.version != version {
                self.looked.until = now + ON_THE_WAY;
            }
            (self.looked.at, self.looked.version) = (now, version);
            if now <= self.looked.until {
                let index = self.app.index.read().unwrap_or_else(PoisonError::into_inner);
                for c in index.unlocked_by(secrets) {
                    if !self.unlocked.contains(&c) {
                        self.unlocked.push_back(c);
                    }
                }
            }
        }
        if self.app.decoding.is_some() || self.store.is_none() {
            return false;
        }
        let Some(c) = self.unlocked.pop_front() else { return false };
        let read = {
            let index = self.app.index.read().unwrap_or_else(PoisonError::into_inner);
            index.read_as(c)
        };
        self.app.decode_as(c, read.unwrap_or(DecodeAs::Found));
        true
    }

    /// Takes a message; `None` ends.
    fn take(&mut self, message: Message) -> Result<Option<Changed>, TuiError> {
        let app = &mut self.app;
        Ok(Some(match message {
            Message::Input(input) => {
                let before = app.selected;
                let action = match input? {
                    Input::Key(key) => app.key(key),
                    Input::Mouse(mouse) => app.mouse(mouse),
                    Input::Resize(..) => Action::Draw,
                    _ => Action::None,
                };
                self.urgent |= action == Action::Draw && before == app.selected;
                match action {
                    Action::Quit => return Ok(None),
                    Action::Draw => Changed::Much,
                    Action::None => Changed::Not,
                }
            }
            Message::Reply(reply) => {
                app.reply(reply);
                Changed::Much
            }
            Message::Read(progress) => {
                self.told.store(false, Ordering::SeqCst);
                // Waiting twice is no news.
                let news = app.progress != progress || progress != Progress::Waiting;
                app.progress = progress;
                // A schema that came late is used for what came before it, too; types that
                // were inferred are, once all is read.
                if let Some(learnt) = &self.options.learn {
                    let files = learnt.file_count();
                    let ended = progress == Progress::Ended && !learnt.is_empty();
                    if std::mem::replace(&mut self.known, files) != files || ended {
                        app.open_again();
                    }
                }
                if news { Changed::Little } else { Changed::Not }
            }
            Message::Failed(why) => {
                app.failure = Some(why);
                Changed::Much
            }
            Message::Opened(opened) => {
                self.start_worker(opened?)?;
                Changed::Little
            }
            Message::Quit => return Ok(None),
            Message::Broken => {
                return Err(TuiError::Io(io::Error::other("a part of the program failed")));
            }
        }))
    }
}

/// Whether there is something new to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Changed {
    /// Nothing.
    Not,
    /// What the reader brought: it may wait for the next picture.
    Little,
    /// What the user did, or waits for.
    Much,
}
