//! `framescope print`: events as text or JSON, streaming.

use std::io::{IsTerminal, Write};
use std::process::ExitCode;

use crate::capture::{OpenOptions, Polled, open_all};
use crate::cli::Failure;
use crate::cli::args::{Format, Print, Time};
use crate::cli::interrupt;
use crate::cli::progress::Progress;
use crate::cli::schema;
use crate::engine::{ConversationInfo, Engine, EventSink, FindingEvent};
use crate::event::{Event, Level};
use crate::view::json;
use crate::view::text::{Lines, Style, TimeStyle};

/// Bytes of output collected before they are written.
const WRITE_AT: usize = 1 << 16;

/// Writes the events of one level.
struct Printer {
    level: Level,
    format: Format,
    lines: Lines,
    text: String,
    bytes: Vec<u8>,
    left: u64,
    out: std::io::StdoutLock<'static>,
    failed: Option<std::io::Error>,
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

    const fn is_done(&self) -> bool {
        self.left == 0 || self.failed.is_some()
    }
}

impl EventSink for Printer {
    fn event(&mut self, event: Event, conversation: Option<&ConversationInfo>) {
        if event.draft.level != self.level || self.is_done() {
            return;
        }
        self.left -= 1;
        match self.format {
            Format::Json => json::event(&mut self.bytes, &event, conversation),
            Format::Text => self.lines.event(&mut self.text, &event, conversation),
        }
        self.write(false);
    }

    fn finding(&mut self, found: FindingEvent, conversation: Option<&ConversationInfo>) {
        if self.level != Level::Finding || self.is_done() {
            return;
        }
        self.left -= 1;
        match self.format {
            Format::Json => json::finding(&mut self.bytes, &found, conversation),
            Format::Text => self.lines.finding(&mut self.text, &found, conversation),
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
    let level = args.level();
    let mut options = args.common.options().map_err(Failure::Input)?;
    options.decoders = schema::decoders(&args.common.schema)?;
    options = options.wanting(if level == Level::Finding {
        &Level::ALL[1..4]
    } else {
        std::slice::from_ref(&level)
    });
    let mut source = open_all(&captures, OpenOptions::default())?;
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
        text: String::new(),
        bytes: Vec::new(),
        left: args.count.unwrap_or(u64::MAX),
        out: std::io::stdout().lock(),
        failed: None,
    };
    let interrupted = interrupt::watch();
    let mut progress = Progress::new(!terminal);
    let mut failure = None;
    while !printer.is_done() && !interrupted.is_set() {
        match source.poll() {
            Ok(Polled::Batch(batch)) => {
                if let Some(first) = batch.packets().next() {
                    printer.lines.begin(first.meta.time);
                }
                engine.batch(&batch, &mut printer);
                printer.write(true);
                progress.show(source.progress());
            }
            Ok(Polled::NothingYet) => std::thread::sleep(std::time::Duration::from_millis(10)),
            Ok(Polled::End) => break,
            Err(e) => {
                failure = Some(Failure::from(e));
                break;
            }
        }
    }
    progress.clear();
    if !printer.is_done() {
        engine.finish(&mut printer);
    }
    printer.write(true);
    if let Some(e) = printer.failed {
        return Err(e.into());
    }
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
}
