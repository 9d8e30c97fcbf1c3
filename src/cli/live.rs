//! `framescope live`: what passes an interface, browsed or printed as it passes.

use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use crate::capture::Source;
use crate::capture::bpf::{self, Filter};
use crate::capture::live::{self, Accept, LiveOptions, Tally};
use crate::cli::args::{Chosen, Common, Format, LevelArg, Print, Time};
use crate::cli::{Browser, Failure, interrupt, print};
use crate::view::clean::clean;

/// How long after Ctrl-C the last packets may take to be printed.
const GRACE: Duration = Duration::from_secs(5);

const NOTES: &str = "\
On a terminal this opens the list of events, which follows the newest until you move; G goes
back to the end and follows again. Elsewhere, or with --format, --level, --time, -Y, -e or -x, it
prints as `framescope print` does, each event as soon as its last packet has come.

Each packet of the loopback is shown once, and whole. What the kernel had to drop is counted,
and is the finding capture.kernel-drops.

Capturing takes a right that programs do not have by themselves: use sudo, or give it to this
program once and for all:
  sudo setcap cap_net_raw+ep $(which framescope)

Examples:
  framescope live                              browse what passes the loopback
  framescope live tcp port 8080 or tcp port 9000
                                               of some ports only
  framescope live -i eth0 -w day.pcapng        an interface; and keep the packets
  framescope live --format json | jq .summary  messages as JSON
  framescope live -l exchange --duration 10    calls and sessions of ten seconds
  ssh host sudo tcpdump -i any -U -w - | framescope -
                                               another machine's packets

Exit status: 0 done, also after Ctrl-C; 2 the command line is at fault, or capturing is not
possible.";

/// `live`.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(super) struct Live {
    /// Which packets are wanted, as tcpdump has it: `tcp port 8080`. All, if nothing is
    /// said.
    #[arg(value_name = "BPF")]
    expression: Vec<String>,
    /// The interface: the loopback unless told otherwise; `any` is all of them.
    #[arg(short, long, value_name = "IFACE", default_value = live::LOOPBACK, hide_default_value = true)]
    interface: String,
    /// Keep the packets in this file, as pcapng. What is in it can be read at any time,
    /// even if this program is killed.
    #[arg(short, long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Stop after so many packets (`print -c` counts events).
    #[arg(short, long, value_name = "N")]
    count: Option<u64>,
    /// Stop after so many seconds.
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    duration: Option<Duration>,
    /// How closely to look, in print: exactly this level is written
    /// (`framescope print --help` tells them).
    #[arg(short, long, value_enum)]
    level: Option<LevelArg>,
    /// Print text for people, or JSON, one object a line (docs/JSON.md).
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// How times are written in text; JSON always has them in full.
    #[arg(long, value_enum)]
    time: Option<Time>,
    #[command(flatten)]
    chosen: Chosen,
    #[command(flatten)]
    common: Common,
}

/// Runs the command.
pub(super) fn run(args: Live, browser: Option<Browser>) -> Result<ExitCode, Failure> {
    let prints = args.format.is_some()
        || args.level.is_some()
        || args.time.is_some()
        || args.chosen.is_any();
    let browser = browser.filter(|_| !prints && std::io::stdout().is_terminal());
    if args.write.as_ref().is_some_and(|w| w.as_os_str() == "-") {
        return Err(Failure::Input(
            "standard output is for events; `tcpdump -w -` writes packets there".into(),
        ));
    }
    // Before anything is captured: what is wrong with a filter or a schema is told at once.
    let as_print = args.as_print();
    let ready = print::ready(&as_print)?;
    let filter = filter(&args.expression, args.common.filter.clone())?;
    let mut name = args.interface.clone();
    if let Some(f) = &filter {
        name = format!("{name}, {}", f.text());
    }
    let mut options = LiveOptions {
        interface: Some(args.interface.clone()),
        accept: filter
            .map(|f| -> Accept { Box::new(move |link, data, len| f.matches(link, data, len)) }),
        count: args.count,
        duration: args.duration,
        write: args.write.clone(),
        reload: browser.is_some(),
        ..LiveOptions::default()
    };
    // In the terminal Ctrl-C is a key.
    if browser.is_none() {
        options.stop = interrupt::watch_for(GRACE, 0).flag();
    }
    // Secrets come with the packets.
    ready.options.secrets.expect_more();
    let source = live::open(options)?;
    let tally = source.tally();
    let source: Box<dyn Source> = Box::new(source);
    let result = if let Some(browser) = browser {
        (browser.live)(source, name, ready.options)
            .map_err(Failure::Input)
            .map(|()| ExitCode::SUCCESS)
    } else {
        eprintln!("listening on {}; Ctrl-C ends", clean(&name));
        // The source ends when it is told to stop, with the last packets handed out.
        print::stream(&as_print, ready, source, &interrupt::Interrupted::default())
            .map(|_| ExitCode::SUCCESS)
    };
    // The terminal may have been closed: nobody is there to be told.
    let _ = writeln!(std::io::stderr(), "{}", account(&tally, args.write.as_deref()));
    result
}

/// The filter that the rest of the command line asks for, or `-f`.
fn filter(expression: &[String], option: Option<Filter>) -> Result<Option<Filter>, Failure> {
    match (expression.is_empty(), option) {
        (true, filter) => Ok(filter),
        (false, None) => {
            let filter = bpf::compile(&expression.join(" "));
            filter
                .map(Some)
                .map_err(|e| Failure::Argument("the capture filter cannot be read", e.to_string()))
        }
        (false, Some(_)) => {
            let text = "one capture filter is enough: give it with -f, or as the last words";
            Err(Failure::Input(text.into()))
        }
    }
}

/// What the capture came to, in one line.
fn account(tally: &Tally, kept: Option<&std::path::Path>) -> String {
    let mut text = match tally.packets() {
        1 => "1 packet".to_owned(),
        n => format!("{n} packets"),
    };
    text += &match tally.dropped() {
        0 => ", none dropped by the kernel".to_owned(),
        n => format!(", {n} DROPPED by the kernel"),
    };
    if let Some(path) = kept {
        text += &format!(", kept in {}", path.display());
    }
    text
}

impl Live {
    /// The options of `print` that go with these.
    fn as_print(&self) -> Print {
        Print {
            captures: Vec::new(),
            read: Vec::new(),
            level: self.level.unwrap_or(LevelArg::Message),
            format: self.format.unwrap_or(Format::Text),
            // Here it counts packets.
            count: None,
            chosen: self.chosen.clone(),
            time: self.time.unwrap_or(Time::Absolute),
            common: self.common.clone(),
        }
    }
}

/// `10`, `0.5`.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text.parse().map_err(|_| "a number of seconds is expected".to_owned())?;
    Duration::try_from_secs_f64(seconds).map_err(|e| e.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_in_seconds() {
        assert_eq!(seconds("0.5"), Ok(Duration::from_millis(500)));
        assert!(seconds("-1").is_err());
        assert!(seconds("1e99").is_err());
        assert!(seconds("ten").is_err());
    }
}
