//! `framescope slice`: the packets behind what was picked, with what they need.

use std::fs::{self, File};
use std::io::{BufWriter, IsTerminal, Write};
use std::ops::RangeInclusive;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use crate::capture::write::{PcapNgWriter, PcapVariant, PcapWriter};
use crate::capture::{ByteOrder, LinkType, Packet, PacketMeta, Secrets, TLS_KEY_LOG};
use crate::cli::args::Common;
use crate::cli::{Failure, choose, learn, pass};
use crate::event::Level;
use crate::index::slice::{Last, Planner, Selection};
use crate::proto::REGISTRY;
use crate::view::table::{counted, grouped};

const HELP: &str = "\
What is picked adds up; nothing picked is everything (which makes pcapng of any capture).

Of a TCP conversation the slice holds everything from its first packet to the one that brought
the last event that was picked: its handshake, the upgrade, HTTP/2 settings, what header
compression and permessage-deflate refer back to. So the slice decodes to the same events up
to its end. Of a UDP flow it holds the datagrams of the event.

A number that there is not is an error. Where a filter or a protocol picks nothing the output is a
capture without packets, which standard error says; the exit status is 0 all the same.

The output is pcapng with times to the nanosecond; under a name that ends in .pcap it is pcap,
also to the nanosecond, which holds packets of one link type and no secrets. In pcapng, secrets
by which TLS sessions of what is kept were decrypted, of the input or of --keylog, are put in,
and no others: the slice opens anywhere. The input is read twice, so it cannot be standard input.

Examples:
  framescope slice a.pcap -w bad.pcapng -Y 'grpc.status_code != 0'
  framescope slice a.pcap -w one.pcapng --event 73         what led to event 73
  framescope slice a.pcap -w two.pcapng --conversation 1,4-6
  framescope slice a.pcap -w ws.pcapng --protocol websocket --whole
  framescope slice a.pcap -w few.pcapng --packet 100-200   these and nothing else
  framescope slice a.pcap -w web.pcapng -f 'tcp port 80'   what a capture filter lets through";

/// `slice`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// Captures, one after another: pcap or pcapng, also in gzip or zstd.
    #[arg(value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    /// The same as CAPTURE, for hands that know tcpdump and tshark.
    #[arg(short = 'r', value_name = "CAPTURE")]
    read: Vec<PathBuf>,
    /// Where to write the packets: pcapng, or pcap where the name ends in .pcap; `-` is
    /// standard output.
    #[arg(short = 'w', value_name = "FILE")]
    write: PathBuf,
    /// Events that pass this display filter, packets, frames, messages and exchanges
    /// alike: `grpc.status_code != 0` (docs/FILTERS.md).
    #[arg(short = 'Y', long = "filter", value_name = "FILTER")]
    display_filter: Option<String>,
    /// Whole conversations, by number: `3`, `1,4-6`. May be given several times, as all
    /// of these.
    #[arg(long, value_name = "N[-M]", value_delimiter = ',', value_parser = range)]
    conversation: Vec<RangeInclusive<u64>>,
    /// Events, by number.
    #[arg(long, value_name = "N[-M]", value_delimiter = ',', value_parser = range)]
    event: Vec<RangeInclusive<u64>>,
    /// Packets, by number: these and nothing else.
    #[arg(long, value_name = "N[-M]", value_delimiter = ',', value_parser = range)]
    packet: Vec<RangeInclusive<u64>>,
    /// Events of a protocol: websocket, grpc, http, …
    #[arg(long, value_name = "NAME", value_delimiter = ',', value_parser = protocol)]
    protocol: Vec<String>,
    /// Keep conversations to their end, not only to what was picked.
    #[arg(long)]
    whole: bool,
    #[command(flatten)]
    common: Common,
}

impl Args {
    fn selection(&self) -> Result<Selection, Failure> {
        Ok(Selection {
            conversations: self.conversation.clone(),
            events: self.event.clone(),
            packets: self.packet.clone(),
            protocols: self.protocol.clone(),
            filter: choose::filter(self.display_filter.as_deref())?,
            whole: self.whole,
        })
    }
}

impl Args {
    /// What to say of a number that was given and that there is not.
    fn missing(&self, last: Last) -> Option<String> {
        // With a capture filter the last packet is the last that it lets through.
        let packets = if self.common.filter.is_some() { &[][..] } else { &self.packet };
        let kinds = [
            ("event", &self.event[..], last.event, "", "framescope print CAPTURE"),
            ("conversation", &self.conversation, last.conversation, "", "framescope stats CAPTURE"),
            ("packet", packets, last.packet, "p", "framescope print -l packet CAPTURE"),
        ];
        kinds.into_iter().find_map(|(kind, ranges, last, letter, lists)| {
            let n = ranges.iter().map(RangeInclusive::start).find(|n| **n > last)?;
            let known = match last {
                0 => "there are none".to_owned(),
                last => format!("the last is {letter}{last}; `{lists}` lists them"),
            };
            Some(format!("there is no {kind} {n}; {known}"))
        })
    }

    /// What to say where nothing was picked of `all` packets, and what to try.
    fn nothing(&self, all: u64) -> String {
        if all == 0 {
            return match self.common.filter {
                Some(_) => "the capture filter (-f) lets no packet through; the capture that was \
                            written has none"
                    .into(),
                None => "there are no packets in the input, and none in the output".into(),
            };
        }
        let mut try_this = Vec::new();
        if let Some(f) = &self.display_filter {
            try_this.push(format!(
                "`framescope print -l exchange -Y '{f}' CAPTURE` shows what the filter lets \
                 through (so with frame, message and packet)"
            ));
        }
        if !self.protocol.is_empty() {
            try_this.push(
                "`framescope stats CAPTURE` lists the conversations with their protocols".into(),
            );
        }
        if !self.packet.is_empty() {
            try_this
                .push("`framescope print -l packet CAPTURE` shows the numbers of packets".into());
        }
        format!(
            "nothing was picked of {}; the capture that was written has none. {}",
            counted(all, "packet"),
            try_this.join("; ")
        )
    }
}

/// `7`, `3-9`; numbers count from 1.
fn range(text: &str) -> Result<RangeInclusive<u64>, String> {
    let number = |t: &str| {
        t.trim()
            .parse::<u64>()
            .ok()
            .filter(|n| *n > 0)
            .ok_or_else(|| format!("`{t}` is no number; 7, 3-9 or 1,4-6 is expected"))
    };
    match text.split_once('-') {
        Some((from, to)) => {
            let (from, to) = (number(from)?, number(to)?);
            if from > to { Err(format!("{from} comes after {to}")) } else { Ok(from..=to) }
        }
        None => number(text).map(|n| n..=n),
    }
}

/// The name of a protocol that has events.
fn protocol(text: &str) -> Result<String, String> {
    let name = text.trim().to_ascii_lowercase();
    let machines = REGISTRY.iter().filter(|p| p.start.is_some()).map(|p| p.name);
    let all: Vec<&str> = machines.chain(["tcp"]).collect();
    if all.contains(&name.as_str()) {
        Ok(name)
    } else {
        Err(format!("no such protocol; there are {}", all.join(", ")))
    }
}

/// What was written.
#[derive(Default)]
struct Written {
    packets: u64,
    all: u64,
    /// TLS sessions whose secrets were put in.
    sessions: u64,
    /// TLS sessions whose secrets were not: pcap has no place for them.
    left_out: u64,
    failure: Option<std::io::Error>,
}

impl Written {
    fn note(&mut self, result: std::io::Result<()>) {
        if let Err(e) = result {
            self.failure.get_or_insert(e);
        }
    }
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let captures = pass::captures("slice", &args.read, &args.captures)?;
    if captures.iter().any(|c| c == Path::new("-")) {
        return Err(Failure::Input(
            "slice reads its input twice, which standard input cannot be; save it to a file first"
                .into(),
        ));
    }
    let mut options = pass::options(&args.common, false)?;
    let selection = args.selection()?;
    if selection.filter.is_some() {
        options = options.wanting(&Level::ALL[..4]);
    }
    let everything = selection.is_everything();
    let target = Target::of(&args.write, &captures)?;
    let interrupted = pass::interrupts(&captures);

    if selection.filter.is_some() {
        options = learn::first(&captures, &args.common, options, &interrupted);
    }
    let mut plan = Planner::new(selection);
    let secrets = Arc::clone(&options.secrets);
    pass::prepare(&captures, &options);
    // Which secrets are of use shows when the packets are read, too.
    if !everything || secrets.version() > 0 {
        let ended = pass::over(
            &captures,
            &args.common,
            options.clone(),
            &interrupted,
            &mut plan,
            |_, _| (),
        )?;
        if let Err(e) = ended.quietly() {
            say!("framescope: nothing was written");
            return Err(e);
        }
        if let Some(text) = args.missing(plan.last()).filter(|_| !interrupted.is_set()) {
            return Err(Failure::Input(text));
        }
    }
    let picked = (plan.events(), plan.conversations() as u64);

    let mut written = Written::default();
    let mut out = Writer::new(BufWriter::new(target.open()?), target.is_pcap())
        .map_err(|e| target.failed(e))?;
    // Secrets stand before the packets that need them.
    let sessions = plan.sessions();
    if !sessions.is_empty() {
        let data = secrets.lines(&sessions).into_bytes().into();
        let put = out.secrets(&Secrets { kind: TLS_KEY_LOG, data });
        match put {
            Ok(true) => written.sessions = sessions.len() as u64,
            _ => written.left_out = sessions.len() as u64,
        }
        written.note(put.map(drop));
    }
    let ended = {
        let out = std::cell::RefCell::new(&mut out);
        let state = std::cell::RefCell::new(&mut written);
        let mut cutter = plan.cutter(|p: &Packet<'_>| {
            let mut w = state.borrow_mut();
            w.packets += 1;
            let m = &p.meta;
            w.note(out.borrow_mut().packet(m, p.data));
        });
        pass::over(&captures, &args.common, options, &interrupted, &mut cutter, |batch, _| {
            let mut w = state.borrow_mut();
            w.all += batch.len() as u64;
        })?
    };
    let finished = match written.failure.take() {
        Some(e) => Err(e),
        None => out.finish(),
    };
    finished.map_err(|e| target.failed(e))?;
    // Cut off by Ctrl-C, it is a capture all the same.
    let ended = ended.failure();
    if matches!(ended, Ok(()) | Err(Failure::Interrupted(..))) {
        let cut = interrupted.is_set();
        target.say(&summary(&args.write, &written, picked, everything, cut))?;
    }
    ended?;
    if written.packets == 0 {
        let text = crate::view::clean::clean(&args.nothing(written.all)).into_owned();
        say!("framescope: {text}");
    }
    Ok(ExitCode::SUCCESS)
}

/// `few.pcapng: 12 of 300 packets, behind 3 events of 1 conversation`.
fn summary(
    file: &Path,
    w: &Written,
    (events, conversations): (u64, u64),
    everything: bool,
    interrupted: bool,
) -> String {
    let mut text =
        format!("{}: {} of {}", file.display(), grouped(w.packets), counted(w.all, "packet"));
    if !everything && conversations > 0 {
        text.push_str(", behind ");
        if events > 0 {
            text.push_str(&format!("{} of ", counted(events, "event")));
        }
        text.push_str(&counted(conversations, "conversation"));
    }
    if w.sessions > 0 {
        let all = counted(w.sessions, "TLS session");
        text.push_str(&format!(", with the secrets of {all}"));
    }
    if w.left_out > 0 {
        let all = counted(w.left_out, "TLS session");
        text.push_str(&format!(", without the secrets of {all}: pcap has no place for them"));
    }
    if interrupted {
        text.push_str(" (interrupted)");
    }
    text
}

/// What a capture without packets says that it holds.
const ETHERNET: LinkType = LinkType(1);

/// The form that the name asks for.
enum Writer<W: Write> {
    PcapNg(PcapNgWriter<W>),
    /// Begins with the first packet, whose link type its head states.
    Pcap(Option<W>, Option<(LinkType, PcapWriter<W>)>),
}

impl<W: Write> Writer<W> {
    fn new(inner: W, pcap: bool) -> std::io::Result<Self> {
        Ok(match pcap {
            true => Self::Pcap(Some(inner), None),
            false => Self::PcapNg(PcapNgWriter::new(inner, ByteOrder::Little)?),
        })
    }

    fn begin(inner: W, link: LinkType) -> std::io::Result<(LinkType, PcapWriter<W>)> {
        Ok((link, PcapWriter::new(inner, link, ByteOrder::Little, PcapVariant::Nanos)?))
    }

    fn packet(&mut self, m: &PacketMeta, data: &[u8]) -> std::io::Result<()> {
        let (inner, begun) = match self {
            Self::PcapNg(w) => return w.packet(m.link, m.time, m.original_len, data),
            Self::Pcap(inner, begun) => (inner, begun),
        };
        if let Some(inner) = inner.take() {
            *begun = Some(Self::begin(inner, m.link)?);
        }
        match begun {
            Some((link, w)) if *link == m.link => w.packet(m.time, m.original_len, data),
            _ => Err(std::io::Error::other(
                "pcap holds packets of one link type, and these have several; a name that ends \
                 in .pcapng makes pcapng",
            )),
        }
    }

    /// Whether they were written: pcap has no place for them.
    fn secrets(&mut self, s: &Secrets) -> std::io::Result<bool> {
        match self {
            Self::PcapNg(w) => w.secrets(s).map(|()| true),
            Self::Pcap(..) => Ok(false),
        }
    }

    fn finish(self) -> std::io::Result<()> {
        match self {
            Self::PcapNg(w) => w.finish().map(drop),
            Self::Pcap(_, Some((_, w))) => w.finish().map(drop),
            // Without a packet it is an empty capture all the same.
            Self::Pcap(Some(inner), None) => Self::begin(inner, ETHERNET)?.1.finish().map(drop),
            Self::Pcap(None, None) => Ok(()),
        }
    }
}

/// Where the packets go.
enum Target<'a> {
    Stdout,
    File(&'a Path),
}

impl<'a> Target<'a> {
    /// Refuses what would destroy an input, or fill a terminal with bytes.
    fn of(path: &'a Path, captures: &[PathBuf]) -> Result<Self, Failure> {
        if path == Path::new("-") {
            if std::io::stdout().is_terminal() {
                return Err(Failure::Input(
                    "-w -: standard output is a terminal; packets are not for it".into(),
                ));
            }
            return Ok(Self::Stdout);
        }
        let same = |a: &fs::Metadata, b: &fs::Metadata| a.dev() == b.dev() && a.ino() == b.ino();
        if let Ok(there) = fs::metadata(path)
            && there.is_file()
            && captures.iter().any(|c| fs::metadata(c).is_ok_and(|m| same(&m, &there)))
        {
            return Err(Failure::Input(format!(
                "-w {}: that is the capture itself, which would be lost",
                path.display()
            )));
        }
        Ok(Self::File(path))
    }

    /// Whether the name asks for pcap.
    fn is_pcap(&self) -> bool {
        match self {
            Self::Stdout => false,
            Self::File(p) => p.extension().is_some_and(|e| e.eq_ignore_ascii_case("pcap")),
        }
    }

    fn open(&self) -> Result<Box<dyn Write>, Failure> {
        Ok(match self {
            Self::Stdout => Box::new(std::io::stdout().lock()),
            Self::File(p) => Box::new(File::create(p).map_err(|e| self.failed(e))?),
        })
    }

    fn failed(&self, e: std::io::Error) -> Failure {
        match self {
            Self::Stdout => e.into(),
            Self::File(p) => Failure::Input(format!("{}: cannot be written: {e}", p.display())),
        }
    }

    /// Tells people, where packets do not go there.
    fn say(&self, text: &str) -> Result<(), Failure> {
        let text = crate::view::clean::clean(text);
        match self {
            Self::Stdout => say!("framescope: {text}"),
            Self::File(_) => pass::write(format!("{text}\n").as_bytes())?,
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges() {
        assert_eq!(range("7"), Ok(7..=7));
        assert_eq!(range("3-9"), Ok(3..=9));
        for wrong in ["", "0", "a", "9-3", "3-", "-3", "1-2-3"] {
            assert!(range(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn protocols() {
        assert_eq!(protocol("WebSocket").as_deref(), Ok("websocket"));
        assert!(protocol("gopher").is_err_and(|e| e.contains("grpc")));
    }
}
