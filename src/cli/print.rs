//! `framescope print`: events as text or JSON, streaming.

use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use crate::base::CaptureTime;
use crate::capture::bpf::Filtered;
use crate::capture::{OpenOptions, Polled, Source, open_all};
use crate::cli::args::{Format, Print, Time};
use crate::cli::interrupt::{self, Interrupted};
use crate::cli::progress::Progress;
use crate::cli::told::{Elsewhere, Told};
use crate::cli::{Failure, choose, learn, pass};
use crate::engine::{ConversationInfo, Engine, EventSink, FindingEvent, Options};
use crate::event::{Event, Level};
use crate::index::filter::{Filter, Scene};
use crate::view::bytes::Recent;
use crate::view::columns::Columns;
use crate::view::json;
use crate::view::text::{Lines, Style, TimeStyle};

/// Bytes of output collected before they are written.
const WRITE_AT: usize = 1 << 16;

/// Writes the events of one level.
struct Printer {
    level: Level,
    format: Format,
    lines: Lines,
    filter: Option<Filter>,
    columns: Option<Columns>,
    /// The packets, where bytes are shown.
    recent: Option<Recent>,
    /// The last event, where findings are asked for: theirs follow it.
    last: Option<Event>,
    text: String,
    bytes: Vec<u8>,
    left: u64,
    out: std::io::StdoutLock<'static>,
    failed: Option<std::io::Error>,
    begun: bool,
    interrupted: Interrupted,
}

impl Printer {
    fn write(&mut self, force: bool) {
        if self.bytes.len() < WRITE_AT && self.text.len() < WRITE_AT && !force {
            return;
        }
        let result = self
            .out
            .write_all(&self.bytes)
            .and_then(|()| self.out.write_all(self.text.as_bytes()))
            .and_then(|()| if force { self.out.flush() } else { Ok(()) });
        if let Err(e) = result {
            self.failed.get_or_insert(e);
        }
        self.bytes.clear();
        self.text.clear();
    }

    /// Says when the capture began; the first time counts.
    fn begin(&mut self, first: CaptureTime) {
        if std::mem::replace(&mut self.begun, true) {
            return;
        }
        self.lines.begin(first);
        if let Some(f) = &mut self.filter {
            f.begin(first);
        }
        if let Some(c) = &mut self.columns {
            c.begin(first);
        }
    }

    const fn is_done(&self) -> bool {
        self.left == 0 || self.failed.is_some()
    }
}

impl EventSink for Printer {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        self.interrupted.beat();
        if event.draft.level != self.level || self.is_done() {
            if self.level == Level::Finding && (self.filter.is_some() || self.columns.is_some()) {
                self.last = Some(event.take());
            }
            return;
        }
        if self.filter.as_ref().is_some_and(|f| !f.matches(event, conversation)) {
            return;
        }
        self.left -= 1;
        if let Some(columns) = &mut self.columns {
            let event = Some(&*event);
            columns.line(&mut self.text, Scene { event, conversation, ..Scene::default() });
        } else if self.format == Format::Json {
            json::event(&mut self.bytes, event, conversation);
        } else {
            self.lines.event(&mut self.text, event, conversation);
            if let Some(recent) = &self.recent {
                recent.dump(&mut self.text, event);
            }
        }
        self.write(false);
    }

    fn finding(&mut self, found: FindingEvent, conversation: Option<&ConversationInfo>) {
        if self.level != Level::Finding || self.is_done() {
            return;
        }
        // A finding that belongs to no event may still follow one.
        let event = self.last.as_ref().filter(|e| found.event == Some(e.id));
        if let Some(f) = &self.filter
            && !f.matches_finding(&found, event, conversation)
        {
            return;
        }
        self.left -= 1;
        if let Some(columns) = &mut self.columns {
            let finding = Some(&found);
            let scene = Scene { event, finding, conversation, ..Scene::default() };
            columns.line(&mut self.text, scene);
        } else if self.format == Format::Json {
            json::finding(&mut self.bytes, &found, conversation);
        } else {
            self.lines.finding(&mut self.text, &found, conversation);
        }
        self.write(false);
    }
}

pub(super) fn run(args: &Print) -> Result<ExitCode, Failure> {
    let captures = args.captures();
    if captures.is_empty() {
        return Err(Failure::Input(
            "no capture given; `framescope print FILE`, or `-` for standard input".into(),
        ));
    }
    let mut ready = ready(args)?;
    pass::prepare(&captures, &ready.options);
    let interrupted = interrupt::watch(&captures);
    ready.options = match args.level() {
        // Types show in messages, and in calls: frames are the same without.
        Level::Packet | Level::Frame => Options { learn: None, ..ready.options },
        _ => learn::first(&captures, &args.common, ready.options, &interrupted),
    };
    let (filter, options) = (ready.filter.clone(), ready.options.clone());
    let source = pass::Ahead::open(&captures, &args.common)?;
    let printed = stream(args, ready, Box::new(source), &interrupted)?;
    if let (true, Some(f)) = (printed.stopped, interrupted.short_of(&captures, printed.last)) {
        return Err(f);
    }
    if let (Some(filter), Printed { passed: 0, whole: true, last: Some(_), .. }) = (filter, printed)
    {
        nothing_passed(args, &captures, filter, options, &interrupted);
    }
    Ok(ExitCode::SUCCESS)
}

/// Says at which other level something passes the filter.
fn nothing_passed(
    args: &Print,
    captures: &[PathBuf],
    filter: Filter,
    options: Options,
    interrupted: &Interrupted,
) {
    let level = args.level();
    if captures.iter().any(|c| c == Path::new("-")) {
        say!(
            "framescope: no {} passes the filter (-Y); other levels (-l) were not asked",
            level.name()
        );
        return;
    }
    let Ok(source) = open_all(captures, OpenOptions::default()) else { return };
    let mut source = Filtered::wrap(source, args.common.filter.clone());
    let mut engine = Engine::new(options.wanting(&Level::ALL[..4]));
    let mut elsewhere = Elsewhere::new(filter, level);
    while let Ok(polled) = source.poll() {
        if interrupted.is_set() {
            return;
        }
        match polled {
            Polled::Batch(batch) if elsewhere.goes_on(&batch) => {
                engine.batch(&batch, &mut elsewhere);
            }
            Polled::NothingYet => std::thread::sleep(Duration::from_millis(10)),
            Polled::Batch(_) | Polled::End => break,
        }
    }
    engine.finish(&mut elsewhere);
    say!("framescope: {}", elsewhere.text());
}

/// What was printed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Printed {
    /// Lines, each of an event or a finding.
    passed: u64,
    /// Everything was read.
    whole: bool,
    /// An interrupt came before all that was asked for was printed.
    stopped: bool,
    /// The last packet that was read.
    last: Option<u64>,
}

/// What the arguments ask for, read and checked.
pub(super) struct Ready {
    filter: Option<Filter>,
    columns: Option<Columns>,
    /// With the schemas that were given; no level is wanted yet.
    pub(super) options: Options,
}

/// Reads what the arguments ask for: a mistake is told before anything is opened.
pub(super) fn ready(args: &Print) -> Result<Ready, Failure> {
    let filter = choose::filter(args.chosen.display_filter.as_deref())?;
    let columns = choose::columns(args)?;
    Ok(Ready { filter, columns, options: pass::options(&args.common, true)? })
}

/// Writes what a source gives until it ends, or until Ctrl-C.
pub(super) fn stream(
    args: &Print,
    ready: Ready,
    mut source: Box<dyn Source>,
    interrupted: &Interrupted,
) -> Result<Printed, Failure> {
    let level = args.level();
    let Ready { filter, columns, options } = ready;
    let options = options.wanting(if level == Level::Finding {
        &Level::ALL[1..4]
    } else {
        std::slice::from_ref(&level)
    });
    let mut engine = Engine::new(options);
    let terminal = std::io::stdout().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty());
    let time = match args.time {
        Time::Absolute => TimeStyle::Absolute,
        Time::Relative => TimeStyle::Relative,
        Time::Delta => TimeStyle::Delta,
    };
    let mut printer = Printer {
        level,
        format: args.format,
        lines: Lines::new(Style { colour, time }),
        filter,
        columns,
        recent: args.chosen.bytes.then(Recent::default),
        last: None,
        text: String::new(),
        bytes: Vec::new(),
        left: args.count.unwrap_or(u64::MAX),
        out: std::io::stdout().lock(),
        failed: None,
        begun: false,
        interrupted: interrupted.clone(),
    };
    if let (Some(columns), false) = (&mut printer.columns, args.chosen.no_header) {
        columns.header(&mut printer.text);
    }
    let mut progress = Progress::new(!terminal);
    let mut failure = None;
    let mut told = Told::new(&args.common);
    let (mut last, mut ended) = (None, false);
    let mut came = Instant::now();
    while !printer.is_done() && !interrupted.is_set() {
        match source.poll() {
            Ok(Polled::Batch(batch)) => {
                interrupted.beat();
                last = batch.last().map(|id| id.0).or(last);
                came = Instant::now();
                told.batch(&batch);
                if let Some(first) = batch.packets().next() {
                    printer.begin(first.meta.time);
                }
                if let Some(recent) = &mut printer.recent {
                    recent.keep(&batch);
                }
                engine.batch(&batch, &mut told.beside(&mut printer));
                printer.write(true);
                progress.show(source.progress());
            }
            Ok(Polled::NothingYet) => {
                let elapsed = u64::try_from(came.elapsed().as_nanos()).unwrap_or(u64::MAX);
                engine.idle(elapsed, &mut told.beside(&mut printer));
                printer.write(true);
                std::thread::sleep(Duration::from_millis(10));
            }
            Ok(Polled::End) => {
                ended = true;
                break;
            }
            Err(e) => {
                failure = Some(Failure::from(e));
                break;
            }
        }
    }
    progress.clear();
    let stopped = !ended && failure.is_none() && !printer.is_done();
    if !printer.is_done() {
        engine.finish(&mut told.beside(&mut printer));
    }
    printer.write(true);
    if let Some(e) = printer.failed {
        return Err(e.into());
    }
    if level != Level::Finding {
        told.say_cut();
    }
    if ended {
        told.say_rules();
    }
    let passed = args.count.unwrap_or(u64::MAX) - printer.left;
    failure.map_or(Ok(Printed { passed, whole: ended, stopped, last }), Err)
}
