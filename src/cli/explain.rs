//! `framescope explain`: one event, packet or handful of bytes, bit by bit.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::builder::{PossibleValue, TypedValueParser};

use crate::base::{BufferId, EventId, PacketId, PacketRange, PieceSource};
use crate::capture::{OpenOptions, Polled, open_all};
use crate::cli::Failure;
use crate::cli::args::{Common, ReportFormat};
use crate::cli::hex;
use crate::cli::interrupt;
use crate::cli::progress::Progress;
use crate::cli::{learn, pass, schema};
use crate::engine::specimen::{As, Bench};
use crate::engine::{ConversationInfo, Engine, EventSink, FindingEvent};
use crate::event::{Event, Level};
use crate::view::explain::{self, Subject};

const EXAMPLES: &str = "\
Examples:
  framescope explain a.pcap 17                 event 17, as print numbers it
  framescope explain a.pcap p12                packet 12: Ethernet, IP, TCP or UDP
  framescope explain --as websocket --hex '81 85 37 fa 21 3d 7f 9f 4d 51 58'
                                               the masked Hello of RFC 6455
  framescope explain --as protobuf --hex 082a1205416c696365
  framescope explain --as protobuf:pkg.User --proto user.proto --hex 082a1205416c696365
  framescope explain --as hpack --hex 828684410f7777772e6578616d706c652e636f6d \\
                                --hex 828684be58086e6f2d6361636865
                                               two header blocks that share a table
  framescope explain --as http2 --hex - < frame.bin
                                               bytes as they are, or what xxd makes of them

The picture is the specification's: 32 bits a row, each bit under its number, whole bytes in
hex. Under it stands every field with its bits, its value, its name in filters, what it means
and where that is written; lines with > work the value out. Bytes count from the beginning
of the frame or message, as in the heading of the picture; bits as in the picture (`14: 4-7`:
bits 4 to 7 of that which begins at byte 14).";

/// `explain`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Explain {
    /// The capture: pcap or pcapng, also in gzip or zstd; `-` is standard input.
    #[arg(value_name = "CAPTURE", required_unless_present = "hex", requires = "event")]
    capture: Option<PathBuf>,
    /// The number of a frame, message or exchange, or p with the number of a packet. Of a
    /// message its frames are explained, too.
    #[arg(value_name = "EVENT", value_parser = target)]
    event: Option<Target>,
    /// Bytes to explain instead, in hex: spaces, colons, commas, line ends and 0x do not
    /// matter, and dumps of xxd, `hexdump -C`, `od -tx1` and `tcpdump -x` are read, also several
    /// with lines of text between them; `-` reads them from standard input, where they may also stand as they
    /// are. Given several times, the later ones follow the earlier on the same connection.
    #[arg(long, value_name = "BYTES", conflicts_with_all = ["capture", "event"], requires = "protocol", allow_hyphen_values = true)]
    hex: Vec<String>,
    /// What the bytes of --hex are; of protobuf and grpc also with the type of the message,
    /// which --proto defines: `protobuf:pkg.Type`.
    #[arg(long = "as", value_name = "PROTOCOL", requires = "hex", value_parser = AsParser)]
    protocol: Option<AsArg>,
    /// Text for people, or JSON: the fields with their bits, values, names and meanings.
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
    /// Columns: the terminal's unless told otherwise, or 80.
    #[arg(long, value_name = "COLUMNS")]
    width: Option<usize>,
    #[command(flatten)]
    common: Common,
}

/// What `--as` takes: what the bytes are, and of messages the name of their type.
#[derive(Clone, Debug, PartialEq, Eq)]
struct AsArg(As, Option<String>);

impl std::str::FromStr for AsArg {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (word, name) = match text.split_once(':') {
            Some((word, name)) => (word, Some(name.trim().trim_start_matches('.').to_owned())),
            None => (text, None),
        };
        let what = As::ALL.into_iter().find(|a| a.name() == word).ok_or_else(|| {
            let all = As::ALL.map(As::name).join(", ");
            format!("there is no `{word}`; there are {all}, protobuf:TYPE, grpc:TYPE")
        })?;
        match (&name, what) {
            (Some(n), As::Protobuf | As::Grpc) if !n.is_empty() => {}
            (None, _) => {}
            _ => return Err("a type of messages stands behind protobuf: or grpc:".to_owned()),
        }
        Ok(Self(what, name))
    }
}

/// Reads it, and knows the words for completions.
#[derive(Clone)]
struct AsParser;

impl TypedValueParser for AsParser {
    type Value = AsArg;

    fn parse_ref(
        &self,
        command: &clap::Command,
        arg: Option<&clap::Arg>,
        value: &std::ffi::OsStr,
    ) -> Result<AsArg, clap::Error> {
        let read = str::parse::<AsArg>;
        clap::builder::StringValueParser::new()
            .try_map(move |text| read(&text))
            .parse_ref(command, arg, value)
    }

    fn possible_values(&self) -> Option<Box<dyn Iterator<Item = PossibleValue> + '_>> {
        Some(Box::new(As::ALL.into_iter().map(|a| PossibleValue::new(a.name()))))
    }
}

/// Which event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Target {
    Event(EventId),
    Packet(PacketId),
}

/// `17`, `#17`, `p12`.
fn target(text: &str) -> Result<Target, String> {
    let number = |t: &str| t.parse::<u64>().ok().filter(|n| *n > 0);
    if let Some(n) = text.strip_prefix(['p', 'P']).and_then(number) {
        return Ok(Target::Packet(PacketId(n)));
    }
    number(text).map(|n| Target::Event(EventId(n))).ok_or_else(|| {
        "the number of an event (17) or of a packet (p12) is expected, as print shows them"
            .to_owned()
    })
}

/// Frames that are kept, since the message that is looked for may come in them.
const FRAMES: usize = 64;
/// Bytes that they may hold together.
const FRAME_BYTES: usize = 16 << 20;
/// Frames that are explained behind their message; of more the numbers are told.
const FRAMES_EXPLAINED: usize = 4;

/// Takes the event that is looked for.
struct Finder {
    target: Target,
    found: Option<(Event, Option<ConversationInfo>)>,
    /// The frames that came last.
    frames: VecDeque<Event>,
    frame_bytes: usize,
    /// The last number that was seen.
    last: u64,
}

impl EventSink for Finder {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        let is_it = match self.target {
            Target::Packet(id) => {
                event.draft.level == Level::Packet && event.draft.start.packet == id
            }
            Target::Event(id) => {
                self.last = self.last.max(event.id.0);
                event.draft.level != Level::Packet && event.id == id
            }
        };
        if is_it && self.found.is_none() {
            self.found = Some((event.take(), conversation.cloned()));
        } else if event.draft.level == Level::Frame && self.found.is_none() {
            self.frame_bytes += held(event);
            self.frames.push_back(event.take());
            while self.frames.len() > FRAMES || self.frame_bytes > FRAME_BYTES {
                let Some(old) = self.frames.pop_front() else { break };
                self.frame_bytes -= held(&old);
            }
        }
    }

    fn finding(&mut self, _: FindingEvent, _: Option<&ConversationInfo>) {}

    fn packet(
        &mut self,
        packet: &crate::capture::Packet<'_>,
        _: Option<crate::base::ConversationId>,
        _: &[PacketId],
    ) {
        if let Target::Packet(_) = self.target {
            self.last = self.last.max(packet.meta.id.0);
        }
    }
}

/// Bytes that an event holds.
fn held(event: &Event) -> usize {
    let buffers = event.draft.detail.iter().flat_map(|d| d.origins.buffers());
    buffers.map(|b| b.bytes.len()).sum()
}

/// The bytes of packets that an event's first buffer was made from.
fn packet_bytes(event: &Event) -> impl Iterator<Item = PacketRange> {
    let buffer = event.draft.detail.as_ref().and_then(|d| d.origins.get(BufferId(0)));
    buffer.into_iter().flat_map(|b| &b.pieces).filter_map(|p| match p.source {
        PieceSource::Packet(r) => Some(r),
        _ => None,
    })
}

/// Whether bytes of a message came in this frame.
fn carried(message: &Event, frame: &Event) -> bool {
    message.draft.level == Level::Message
        && message.conversation == frame.conversation
        && packet_bytes(frame).any(|f| {
            packet_bytes(message).any(|m| {
                m.packet == f.packet && m.start < f.start + f.len && f.start < m.start + m.len
            })
        })
}

pub(super) fn run(args: &Explain) -> Result<ExitCode, Failure> {
    let width = args.width.unwrap_or_else(columns).max(explain::MIN_WIDTH);
    if let Some(what) = &args.protocol {
        return by_hex(args, what, width);
    }
    let (Some(capture), Some(target)) = (&args.capture, args.event) else {
        return Err(Failure::Input("give a capture and an event, or --hex with --as".into()));
    };
    let one = std::slice::from_ref(capture);
    let interrupted = interrupt::watch(one);
    let options = pass::options(&args.common, true)?;
    let options = learn::first(one, &args.common, options, &interrupted);
    let options = options.wanting(match target {
        Target::Packet(_) => &Level::ALL[..1],
        Target::Event(_) => &Level::ALL[1..4],
    });
    pass::prepare(one, &options);
    let mut source = open_all(one, OpenOptions::default())?;
    let mut engine = Engine::new(options);
    let mut finder =
        Finder { target, found: None, frames: VecDeque::new(), frame_bytes: 0, last: 0 };
    let mut progress = Progress::new(true);
    let (mut failure, mut last) = (None, None);
    while finder.found.is_none() && !interrupted.is_set() {
        match source.poll() {
            Ok(Polled::Batch(batch)) => {
                last = batch.last().map(|id| id.0).or(last);
                engine.batch(&batch, &mut finder);
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
    // What is open at the end of the capture ends with it, and has its number then; not
    // where the end was not reached.
    if finder.found.is_none() && failure.is_none() && !interrupted.is_set() {
        engine.finish(&mut finder);
    }
    let Some((event, conversation)) = &finder.found else {
        if let Some(f) = failure.or_else(|| interrupted.short_of(one, last)) {
            return Err(f);
        }
        let last = finder.last;
        return Err(Failure::Input(match target {
            Target::Packet(id) => format!("there is no packet {id}; the last is p{last}"),
            Target::Event(id) => format!("there is no event {id}; the last is {last}"),
        }));
    };
    let Some(subject) = Subject::event(event, conversation.as_ref()) else {
        return Err(Failure::Input("nothing is known of this event but that it was".into()));
    };
    let frames: Vec<&Event> = finder.frames.iter().filter(|f| carried(event, f)).collect();
    let mut subjects = vec![subject];
    let explained = frames.iter().take(FRAMES_EXPLAINED);
    subjects.extend(explained.filter_map(|f| Subject::event(f, conversation.as_ref())));
    let more: Vec<String> =
        frames.iter().skip(FRAMES_EXPLAINED).map(|f| f.id.to_string()).collect();
    let rest = match more.as_slice() {
        [] => String::new(),
        more => format!("The message came in more frames: events {}.", more.join(", ")),
    };
    write(args.format, &subjects, width, &rest)
}

fn by_hex(args: &Explain, what: &AsArg, width: usize) -> Result<ExitCode, Failure> {
    let mut bench = match what {
        AsArg(what, None) => Bench::new(*what),
        AsArg(what, Some(name)) => {
            Bench::of_type(*what, schema::with_type(&args.common.schema, name)?, name)
        }
    };
    let mut found = Vec::new();
    let mut left = 0;
    for text in &args.hex {
        let read = if text == "-" {
            let mut input = Vec::new();
            std::io::stdin()
                .read_to_end(&mut input)
                .map_err(|e| Failure::Input(format!("standard input: {e}")))?;
            hex::input(input)
        } else {
            hex::bytes(text)
        };
        // Several dumps are what as many --hex would be.
        for data in read.map_err(|e| Failure::Input(format!("--hex, {e}")))? {
            if data.is_empty() {
                return Err(Failure::Input("--hex: there are no bytes".into()));
            }
            let (more, rest) = bench.look(&data);
            found.extend(more);
            left += rest;
        }
    }
    let subjects: Vec<Subject<'_>> = found.iter().map(Subject::specimen).collect();
    let rest = match left {
        0 => String::new(),
        n => format!("{n} more bytes are not looked at."),
    };
    write(args.format, &subjects, width, &rest)
}

fn write(
    format: ReportFormat,
    subjects: &[Subject<'_>],
    width: usize,
    rest: &str,
) -> Result<ExitCode, Failure> {
    let mut out = Vec::new();
    match format {
        ReportFormat::Json => subjects.iter().for_each(|s| explain::json(&mut out, s)),
        ReportFormat::Text => {
            let mut text = String::new();
            for (n, s) in subjects.iter().enumerate() {
                if n > 0 {
                    text.push('\n');
                }
                explain::text(&mut text, s, width);
            }
            if !rest.is_empty() {
                text.push_str(&format!("\n{rest}\n"));
            }
            out = text.into_bytes();
        }
    }
    let mut stdout = std::io::stdout().lock();
    stdout.write_all(&out)?;
    stdout.flush()?;
    Ok(ExitCode::SUCCESS)
}

/// Columns of the terminal, where standard output is one.
#[cfg(feature = "tui")]
fn columns() -> usize {
    let terminal = std::io::IsTerminal::is_terminal(&std::io::stdout());
    let size = terminal.then(|| crossterm::terminal::size().ok()).flatten();
    size.map_or(explain::WIDTH, |(c, _)| usize::from(c)).min(100)
}

/// Without the terminal interface nobody knows the terminal.
#[cfg(not(feature = "tui"))]
fn columns() -> usize {
    explain::WIDTH
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets() {
        assert_eq!(target("17"), Ok(Target::Event(EventId(17))));
        assert_eq!(target("p12"), Ok(Target::Packet(PacketId(12))));
        for t in ["", "0", "p", "p0", "-1", "x12"] {
            assert!(target(t).is_err(), "{t}");
        }
    }

    #[test]
    fn all_kinds_of_bytes_can_be_asked_for() {
        assert_eq!(AsParser.possible_values().unwrap().count(), As::ALL.len());
        for what in As::ALL {
            assert_eq!(what.name().parse(), Ok(AsArg(what, None)));
        }
        let typed = |what| AsArg(what, Some("pkg.User".to_owned()));
        assert_eq!("protobuf:pkg.User".parse(), Ok(typed(As::Protobuf)));
        assert_eq!("grpc:.pkg.User".parse(), Ok(typed(As::Grpc)));
        for bad in ["", "proto", "protobuf:", "websocket:pkg.User", ":pkg.User"] {
            assert!(bad.parse::<AsArg>().is_err(), "{bad}");
        }
    }
}
