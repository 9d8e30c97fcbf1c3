//! `framescope live`: what passes an interface, browsed or printed as it passes.

mod command;
mod kept;
mod list;

use std::ffi::OsString;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use self::command::{Hold, Logging, Output, Place, Running};
use self::kept::Kept;

use crate::capture::Source;
use crate::capture::bpf::{self, Filter};
use crate::capture::live::namespace::{Namespace, within};
use crate::capture::live::{self, Accept, LiveOptions, Tally};
use crate::cli::args::{Chosen, Common, Format, LevelArg, Print, Time, count, size};
use crate::cli::{Browser, Failure, interrupt, print};
use crate::view::clean::clean;
use crate::view::table::counted;

/// How long after Ctrl-C it may take until the next packets are printed.
const GRACE: Duration = Duration::from_secs(5);

const NOTES: &str = "\
On a terminal this opens the list of events, which follows the newest until you move; G goes
back to the end and follows again. Elsewhere, or with --format, --level, --time, -Y, -e or -x, it
prints as `framescope print` does, each event as soon as its last packet has come.

Each packet of the loopback is shown once, and whole. A reader that is slow holds nobody up:
packets wait in memory, then in the kernel (--buffer); what that had to drop is counted, and is
the finding capture.kernel-drops.

COMMAND is run with SSLKEYLOGFILE and, for Node, NODE_OPTIONS=--tls-keylog naming a file that
nobody else may read and that is gone in the end (a file that SSLKEYLOGFILE names already is
used instead, and stays). That is read by curl, Python, browsers, and programs that stand on
rustls or OpenSSL where they log keys at all; Go and Java programs must be told by themselves.
What COMMAND writes goes to standard error; in the terminal it is shown when you leave.
Signals are handed on to it. When it has ended, and the last packets have come, the capture
ends, too; where the capture ends first, COMMAND is told to end (SIGTERM).

Where a key log is followed and the keys of a connection are late, its events wait for them, in
order and whole, up to 10 seconds; then it is shown as it is, encrypted. (In the terminal it is
read again whenever they come.)

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
  framescope live -- curl https://127.0.0.1:8443/
                                               a program, decrypted
  framescope live -w out.pcapng -- node app.js the same, kept with its secrets
  framescope live -Y 'process.name == \"node\"'  whose traffic, by program
  sudo framescope live --netns blue -i any     within a network namespace
  ssh host sudo tcpdump -i any -U -w - | framescope -
                                               another machine's packets

Exit status: 0 done, also after Ctrl-C; with COMMAND its own (128 and the number of a signal
that ended it; 126 where it cannot be run, 127 where there is none); 2 the command line is at
fault, or capturing is not possible.";

/// `live`.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(super) struct Live {
    /// Which packets are wanted, as tcpdump has it: `tcp port 8080`. All, if nothing is
    /// said.
    #[arg(value_name = "BPF")]
    expression: Vec<String>,
    /// A command to run and to capture while it runs: its keys are logged to a private file,
    /// which is followed, and the capture ends with it (see below).
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<OsString>,
    /// The interface: the loopback unless told otherwise, and with COMMAND `any`, which is
    /// all of them (on Linux).
    #[arg(short, long, value_name = "IFACE")]
    interface: Option<String>,
    /// List the interfaces: number, name, state, addresses.
    #[arg(short = 'D', long = "list-interfaces")]
    list: bool,
    /// Take packets for other machines, too, where the interface sees any.
    #[arg(long)]
    promiscuous: bool,
    /// Capture by libpcap, which must be installed, and not by a packet socket. Elsewhere than
    /// on Linux there is no other way, and this need not be said.
    #[arg(long)]
    libpcap: bool,
    /// Capture in this network namespace: a name that `ip netns` lists, a path such as
    /// /proc/417/ns/net, or the number of a process. COMMAND runs there, too.
    #[arg(long, value_name = "NAME")]
    netns: Option<String>,
    /// Room in the kernel for packets that were not taken yet: 128M unless told otherwise.
    /// Takes K, M and G.
    #[arg(short = 'B', long, value_name = "SIZE", value_parser = size)]
    buffer: Option<usize>,
    /// Bound the temporary copy that events are opened from in the terminal: of the oldest
    /// packets only the lines stay, which say so. Takes K, M and G.
    #[arg(long, value_name = "SIZE", value_parser = size, conflicts_with = "write")]
    ring: Option<usize>,
    /// Keep the packets in this file, as pcapng, with the secrets that opened TLS sessions in
    /// it, and no others. What is in it can be read at any time,
    /// even if this program is killed.
    #[arg(short, long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// Stop after so many packets (`print -c` counts events).
    #[arg(short, long, value_name = "N", value_parser = packets)]
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
    let namespace = args.namespace()?;
    if args.list {
        let all = within(namespace.as_ref(), || live::list(args.libpcap)).and_then(|i| i);
        let (all, any) =
            all.map_err(|e| Failure::Input(format!("interfaces cannot be listed: {e}")))?;
        std::io::stdout().write_all(list::text(&all, any).as_bytes())?;
        return Ok(ExitCode::SUCCESS);
    }
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
    let filter = filter(&args.expression, args.common.filter.clone())?;
    let mut as_print = args.as_print();
    let mut logging = None;
    if !args.command.is_empty() {
        let made = Place::create().and_then(|place| {
            let env = std::env::var_os;
            let l = Logging::new(env("SSLKEYLOGFILE"), env("NODE_OPTIONS"), || place.keys())?;
            Ok((place, l))
        });
        let (place, l) = made.map_err(|e| Failure::Input(format!("no place for the keys: {e}")))?;
        as_print.common.keylog.extend(l.follow.iter().cloned());
        logging = Some((place, l));
    }
    // Before anything is captured: what is wrong with a filter or a schema is told at once.
    let mut ready = print::ready(&as_print)?;
    let mut name = args.interface();
    if let Some(f) = &filter {
        name = format!("{name}, {}", f.text());
    }
    let options = LiveOptions {
        interface: Some(args.interface()),
        namespace: namespace.clone(),
        libpcap: args.libpcap,
        promiscuous: args.promiscuous,
        buffer: args.buffer,
        expression: filter.as_ref().map(|f| f.text().to_owned()),
        accept: filter
            .map(|f| -> Accept { Box::new(move |link, data, len| f.matches(link, data, len)) }),
        count: args.count,
        duration: args.duration,
        write: args.write.clone(),
        secrets: !as_print.common.keylog.is_empty()
            || std::env::var_os("SSLKEYLOGFILE").is_some_and(|v| !v.is_empty()),
        reload: browser.is_some(),
        most_kept: args.ring,
        processes: Some(Arc::default()),
        ..LiveOptions::default()
    };
    ready.options.processes.clone_from(&options.processes);
    let (stop, tally) = (Arc::clone(&options.stop), Arc::clone(&options.tally));
    // Secrets come with the packets.
    ready.options.secrets.expect_more();
    let secrets = Arc::clone(&ready.options.secrets);
    // In the terminal Ctrl-C is a key. Else it is heard from here on: a command that was begun
    // is told.
    let (at_work, hold) = (interrupt::Interrupted::default(), Arc::new(OnceLock::new()));
    if browser.is_none() {
        let (stop, at_work, hold) = (Arc::clone(&stop), at_work.clone(), Arc::clone(&hold));
        let (tally, write) = (Arc::clone(&tally), args.write.clone());
        Heard { stop, at_work, hold, tally, write }.begin();
    }
    let source = live::open(options)?;
    let kept = args.write.is_some().then(|| source.keeper()).flatten();
    let kept = kept.map(|k| Kept::begin(k, secrets));
    let command = match logging {
        None => None,
        Some((place, l)) => {
            let output = if browser.is_some() { Output::Later } else { Output::Beside };
            let (words, there) = (&args.command, namespace.as_ref());
            match Running::begin(words, &l, place, output, there, stop) {
                Ok(running) => {
                    let _ = hold.set(running.hold());
                    Some(running)
                }
                Err(e) => return Ok(not_begun(words, &e)),
            }
        }
    };
    let source: Box<dyn Source> = Box::new(source);
    let result = if let Some(browser) = browser {
        if let Some(c) = args.command.first() {
            name = format!("{}: {name}", c.to_string_lossy());
        }
        (browser.live)(source, name, ready.options).map_err(Failure::Input)
    } else {
        if command.is_none() {
            say!("listening on {}; Ctrl-C ends", clean(&name));
        }
        // The source ends when it is told to stop, with the last packets handed out.
        print::stream(&as_print, ready, source, &at_work).map(drop)
    };
    let status = command.as_ref().map_or(0, Running::end);
    let kept = kept.map(Kept::end);
    if let Some(mut file) = command.as_ref().and_then(Running::written) {
        let _ = std::io::copy(&mut file, &mut std::io::stdout());
    }
    let mut text = account(&tally, args.write.as_deref());
    if let Some((sessions @ 1.., None)) = kept {
        text += &format!(", with the secrets of {}", counted(sessions as u64, "TLS session"));
    }
    if let Some(how) = command.as_ref().and_then(Running::account) {
        text = format!("{}\n{text}", clean(&how));
    }
    if let Some((_, Some(e))) = kept {
        text += &format!("\nframescope: the secrets could not be kept: {e}");
    }
    // The terminal may have been closed: nobody is there to be told.
    let _ = writeln!(std::io::stderr(), "{text}");
    result.map(|()| ExitCode::from(status))
}

/// A command that is not there, or is none: as shells have it.
fn not_begun(words: &[OsString], e: &std::io::Error) -> ExitCode {
    let name = words.first().map(|w| w.to_string_lossy()).unwrap_or_default();
    say!("framescope: {}: {}", clean(&name), clean(&e.to_string()));
    ExitCode::from(if e.kind() == std::io::ErrorKind::NotFound { 127 } else { 126 })
}

/// What is done when a signal comes.
#[derive(Clone)]
struct Heard {
    stop: Arc<AtomicBool>,
    at_work: interrupt::Interrupted,
    /// The command, once it runs.
    hold: Arc<OnceLock<Hold>>,
    tally: Arc<Tally>,
    write: Option<PathBuf>,
}

impl Heard {
    /// The first ends the capture, or is handed on to the command, with which the capture
    /// ends; the one after that ends all at once.
    fn begin(self) {
        let mut stopped = false;
        interrupt::hear(move |signal, before| {
            let hold = self.hold.get();
            if before == 0 && hold.is_some_and(|h| h.signal(signal)) {
                return;
            }
            if std::mem::replace(&mut stopped, true) {
                self.leave();
            }
            if let Some(h) = hold {
                h.signal(signal_hook::consts::SIGTERM);
            }
            self.stop.store(true, Ordering::Relaxed);
            let watch = self.clone();
            std::thread::spawn(move || {
                stalled(&watch.at_work);
                watch.leave();
            });
        });
    }

    /// Ends at once, and says what that costs.
    fn leave(&self) -> ! {
        if let Some(h) = self.hold.get() {
            h.let_go();
        }
        let _ = writeln!(std::io::stderr(), "{}", account(&self.tally, self.write.as_deref()));
        std::process::exit(0);
    }
}

/// Comes back when printing has not got on for a while: nobody reads what is written.
fn stalled(at_work: &interrupt::Interrupted) {
    let mut last = (at_work.beats(), Instant::now());
    while last.1.elapsed() < GRACE {
        std::thread::sleep(GRACE / 50);
        if at_work.beats() != last.0 {
            last = (at_work.beats(), Instant::now());
        }
    }
}

/// The filter that the rest of the command line asks for, or `-f`.
fn filter(expression: &[String], option: Option<Filter>) -> Result<Option<Filter>, Failure> {
    match (expression.is_empty(), option) {
        (true, filter) => Ok(filter),
        (false, None) => {
            let filter = bpf::compile_all(&expression.join(" "));
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
    match tally.packets().saturating_sub(tally.handed()) {
        0 => {}
        n => text += &format!(", {n} of them NOT SHOWN"),
    }
    if let Some(path) = kept {
        text += &format!(", kept in {}", path.display());
    }
    text
}

impl Live {
    /// The interface.
    fn interface(&self) -> String {
        let usual = if self.command.is_empty() { live::LOOPBACK } else { live::EVERYWHERE };
        self.interface.clone().unwrap_or_else(|| usual.to_owned())
    }

    /// The namespace, open.
    fn namespace(&self) -> Result<Option<Namespace>, Failure> {
        let open = |n: &String| {
            Namespace::open(n).map_err(|e| Failure::Input(format!("--netns {n}: {e}")))
        };
        self.netns.as_ref().map(open).transpose()
    }

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

fn packets(text: &str) -> Result<u64, String> {
    count(text, "packets")
}

/// `10`, `0.5`.
fn seconds(text: &str) -> Result<Duration, String> {
    let seconds: f64 = text
        .parse()
        .map_err(|_| "a number of seconds is expected, as in --duration 10".to_owned())?;
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
