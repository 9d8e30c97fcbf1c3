//! The one definition of the command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};

use crate::base::limits::{DEFAULT_STATE_BYTES, FULL_PAYLOAD_BYTES, PAYLOAD_BYTES};
use crate::capture::bpf;
use crate::event::Level;

const EXAMPLES: &str = "\
Examples:
  framescope                                   a tour: a capture to try things on
  framescope a.pcap                            browse in the terminal; ? shows the keys
  framescope print a.pcapng.gz                 one line a message
  framescope print -l exchange a.pcap          how each call, session and request went
  framescope print -l finding a.pcap           what is wrong, odd or cut off
  framescope print -l frame --format json a.pcap
                                               frames as JSON, one object a line
  framescope stats a.pcap                      calls by method, bytes, percentiles
  framescope check a.pcap                      what is wrong, by code; exit status 1 if so
  framescope slice a.pcap -w b.pcapng --event 73
                                               the packets behind an event
  framescope print --proto user.proto a.pcap   gRPC messages by name and type
  framescope explain a.pcap 17                 event 17 bit by bit
  framescope print -f 'tcp port 8080' a.pcap   only these packets, in tcpdump's language
  framescope live                              what passes the loopback, while it passes
  tcpdump -i eth0 -U -w - | framescope -       the same from tcpdump, here or by ssh";

const COMPLETIONS: &str = "\
Examples:
  framescope completions bash > ~/.local/share/bash-completion/completions/framescope
  framescope completions fish > ~/.config/fish/completions/framescope.fish
  framescope completions zsh > ~/.zfunc/_framescope
                                               with `fpath+=~/.zfunc` in ~/.zshrc";

const LEVELS: &str = "\
Levels:
  packet    captured packets, in tcpdump's manner
  frame     WebSocket and HTTP/2 frames
  message   what a program sent: WebSocket messages, gRPC messages, requests, responses
  exchange  what belongs together: calls, sessions, requests with their responses
  finding   what is wrong, odd or cut off

A line of text has the number of the event, the time (UTC), the conversation, who sent it,
protocol and kind with the HTTP/2 stream in brackets, a summary, and codes of findings
after !. Numbers are the same at every level. (incomplete) stands behind what did not come
whole, (inferred) behind what was worked out: what would prove it was not captured.

Examples:
  framescope print a.pcap                      one line a message
  framescope print -l exchange --time relative a.pcap
                                               calls and sessions, by seconds
  framescope print --proto api/ -I third_party a.pcap
                                               protobuf by name and type
  framescope print --format json a.pcap | jq .summary
  framescope print -Y 'grpc.status_code == NOT_FOUND or severity >= warning' a.pcap
                                               only what passes (docs/FILTERS.md)
  framescope print -e time -e grpc.method,duration_ns -l exchange a.pcap
                                               these columns, parted by tabs

Exit status: 0 done, also after Ctrl-C where a pipe is read, and when the reader of the output
has gone; 2 the command line or the input is at fault; 130 Ctrl-C before the end of a file.";

/// Reads what was on the wire and shows what it meant, byte for byte.
///
/// Opens captures of tcpdump and Wireshark (pcap and pcapng, also compressed),
/// puts TCP streams together, and finds WebSocket, gRPC, HTTP/1 and HTTP/2 on any
/// port, with no configuration.
#[derive(Debug, Parser)]
#[command(
    name = "framescope",
    version,
    max_term_width = 100,
    args_conflicts_with_subcommands = true,
    after_help = EXAMPLES,
    after_long_help = EXAMPLES
)]
pub(super) struct Args {
    #[command(subcommand)]
    pub(super) command: Option<Command>,
    /// Captures to browse in the terminal, one after another: pcap or pcapng, also in
    /// gzip or zstd; `-` is standard input. Without one, on a terminal, it is the tour.
    #[arg(value_name = "CAPTURE")]
    pub(super) captures: Vec<PathBuf>,
    /// The same as CAPTURE, for hands that know tcpdump and tshark.
    #[arg(short = 'r', value_name = "CAPTURE")]
    pub(super) read: Vec<PathBuf>,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What can be done.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Write events as text or JSON: messages, or with --level packets, frames,
    /// exchanges or findings.
    Print(Box<Print>),
    /// Count: conversations and their bytes, calls by method with errors and
    /// percentiles.
    Stats(super::stats::Args),
    /// Check everything and list what is wrong, by code; the exit status is 1 where
    /// there are errors.
    Check(super::check::Args),
    /// Write the packets behind events or conversations to a capture of their own.
    Slice(super::slice::Args),
    /// Write the protobuf schemas that a capture holds: those that servers told by
    /// reflection, and for other methods what their messages look like.
    Schema(super::learn::Args),
    /// Browse or print what passes an interface, while it passes: the loopback, unless
    /// another is named.
    #[cfg(all(feature = "live", unix))]
    Live(super::live::Live),
    /// Show one event, packet or handful of bytes bit by bit: the picture of its
    /// specification with its own values in it.
    Explain(super::explain::Explain),
    /// Write a completion script for a shell to standard output.
    #[command(after_help = COMPLETIONS)]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Write manual pages: that of framescope or of a command to standard output, or all of
    /// them to a folder.
    Man(super::man::Args),
}

/// Options of every command that reads captures.
#[derive(Clone, Debug, clap::Args)]
pub(super) struct Common {
    #[command(flatten)]
    pub(super) schema: SchemaArgs,
    /// Packets to look at, in the language of tcpdump: `tcp port 8080`, `host 10.0.0.1
    /// and not port 22`, `net 10.0.0.0/8`, `tcp[tcpflags] & tcp-rst != 0`. `and` and
    /// `or` are equally strong: use parentheses. Of the others nothing is read; their
    /// numbers are left out. As in tcpdump, later fragments have no port.
    #[arg(short = 'f', long = "capture-filter", value_name = "EXPR", value_parser = bpf::compile_all, allow_hyphen_values = true)]
    pub(super) filter: Option<bpf::Filter>,
    /// Read conversations as a protocol, whatever their bytes look like:
    /// `tcp.port==8080,websocket` or `conversation==3,http2`; `opaque` is nobody's bytes,
    /// `none` what is found by content; `udp.port==8127,protobuf:pkg.Type` is protobuf with
    /// nothing around it (over TCP with the length of each message before it). May be given several times, the last that fits
    /// counts. For what was joined behind its handshake.
    #[arg(short = 'd', long, value_name = "RULE")]
    pub(super) decode_as: Vec<String>,
    /// Secrets of TLS sessions: a key log, as SSLKEYLOGFILE has it written; that variable is
    /// read too. It is followed while it grows. Secrets in the capture itself need no
    /// option. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub(super) keylog: Vec<PathBuf>,
    /// Memory for the state of open connections: 256M unless told otherwise. Beyond
    /// it the oldest is let go, with a finding. Takes K, M and G.
    #[arg(long, value_name = "SIZE", value_parser = size, default_value_t = DEFAULT_STATE_BYTES, hide_default_value = true)]
    pub(super) mem: usize,
    /// Keep payloads whole (up to 256 MiB) instead of cutting them at 1 MiB.
    #[arg(long)]
    pub(super) full: bool,
}

/// Where protobuf schemas come from.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct SchemaArgs {
    /// Protobuf schema: a .proto file, or a folder of them. May be given several times.
    #[arg(long, value_name = "FILE|DIR")]
    pub(super) proto: Vec<PathBuf>,
    /// Folder in which imports of --proto files are looked up. May be given several
    /// times.
    #[arg(short = 'I', long = "include", value_name = "DIR")]
    pub(super) include: Vec<PathBuf>,
    /// Compiled schema: a FileDescriptorSet, as `protoc --descriptor_set_out` and `buf
    /// build -o` write it. May be given several times.
    #[arg(long, value_name = "FILE")]
    pub(super) descriptors: Vec<PathBuf>,
    /// What messages of WebSocket sessions are, where neither subprotocol nor content says
    /// it: `websocket=protobuf:pkg.Type`, `/chat=protobuf:pkg.Up,pkg.Down` (client's, then
    /// server's), `chat.v1=json`. Left of `=` is `websocket` for all, a subprotocol, or a
    /// path. May be given several times, the first that fits counts.
    #[arg(long, value_name = "RULE")]
    pub(super) payload: Vec<String>,
}

/// `print`.
#[derive(Debug, clap::Args)]
#[command(after_help = LEVELS)]
pub(super) struct Print {
    /// Captures, one after another: pcap or pcapng, also in gzip or zstd; `-` is
    /// standard input.
    #[arg(value_name = "CAPTURE")]
    pub(super) captures: Vec<PathBuf>,
    /// The same as CAPTURE, for hands that know tcpdump and tshark.
    #[arg(short = 'r', value_name = "CAPTURE")]
    pub(super) read: Vec<PathBuf>,
    /// How closely to look: exactly this level is written (see below).
    #[arg(short, long, value_enum, default_value_t = LevelArg::Message)]
    pub(super) level: LevelArg,
    /// Text for people; JSON, one object a line (docs/JSON.md); or columns: tsv, csv.
    #[arg(long, value_enum, default_value_t = Format::Text)]
    pub(super) format: Format,
    #[command(flatten)]
    pub(super) chosen: Chosen,
    /// Stop after so many events of the level (`live -c` counts packets).
    #[arg(short, long, value_name = "N", value_parser = events)]
    pub(super) count: Option<u64>,
    /// How times are written in text, and which time is the first of the usual columns;
    /// JSON always has them in full.
    #[arg(long, value_enum, default_value_t = Time::Absolute)]
    pub(super) time: Time,
    #[command(flatten)]
    pub(super) common: Common,
}

/// What of the events is printed.
#[derive(Clone, Debug, Default, clap::Args)]
pub(super) struct Chosen {
    /// Only events that pass this display filter: `websocket.opcode == text`,
    /// `grpc.status_code != 0 and duration_ns > 100ms` (docs/FILTERS.md).
    #[arg(short = 'Y', long = "filter", value_name = "FILTER")]
    pub(super) display_filter: Option<String>,
    /// Columns of tsv and csv: names of fields, parted by commas; may be given several
    /// times. Without --format it means tsv.
    #[arg(short = 'e', long = "field", value_name = "FIELD", value_delimiter = ',')]
    pub(super) fields: Vec<String>,
    /// tsv and csv without their first line, the names.
    #[arg(long)]
    pub(super) no_header: bool,
    /// The bytes of each event under its line of text, in hex and ASCII: what was on the
    /// wire, and what was made of it.
    #[arg(short = 'x', long = "bytes")]
    pub(super) bytes: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum LevelArg {
    Packet,
    Frame,
    Message,
    Exchange,
    Finding,
}

/// Output formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    Text,
    Json,
    Tsv,
    Csv,
}

/// Formats of what is no list of events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum ReportFormat {
    Text,
    Json,
}

/// Time styles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Time {
    /// Date and time of day, UTC.
    Absolute,
    /// Seconds since the first packet.
    Relative,
    /// Seconds since the line before.
    Delta,
}

impl Chosen {
    /// Whether anything was chosen.
    #[cfg(all(feature = "live", unix))]
    pub(super) fn is_any(&self) -> bool {
        self.display_filter.is_some() || !self.fields.is_empty() || self.bytes
    }
}

impl Print {
    /// The captures, however they were given.
    pub(super) fn captures(&self) -> Vec<PathBuf> {
        self.read.iter().chain(&self.captures).cloned().collect()
    }

    /// The level.
    pub(super) const fn level(&self) -> Level {
        match self.level {
            LevelArg::Packet => Level::Packet,
            LevelArg::Frame => Level::Frame,
            LevelArg::Message => Level::Message,
            LevelArg::Exchange => Level::Exchange,
            LevelArg::Finding => Level::Finding,
        }
    }
}

impl Common {
    /// Engine options that follow from these; decoders and levels are added later.
    ///
    /// # Errors
    /// A decode-as rule that cannot be read: one line with the column.
    pub(super) fn options(&self) -> Result<crate::engine::Options, String> {
        let rule = |text: &String| text.parse().map_err(|e| format!("-d '{text}': {e}"));
        Ok(crate::engine::Options {
            decode_as: self.decode_as.iter().map(rule).collect::<Result<_, _>>()?,
            payload_cap: if self.full { FULL_PAYLOAD_BYTES } else { PAYLOAD_BYTES },
            state_bytes: self.mem,
            ..crate::engine::Options::default()
        })
    }
}

/// So many of something after which to stop.
pub(super) fn count(text: &str, what: &str) -> Result<u64, String> {
    text.parse().map_err(|_| {
        format!("a number of {what} is expected, as in -c 100; without -c it goes on to the end")
    })
}

fn events(text: &str) -> Result<u64, String> {
    count(text, "events")
}

/// `256M`, `64k`, `1073741824`.
pub(super) fn size(text: &str) -> Result<usize, String> {
    let (digits, unit) = match text.char_indices().find(|(_, c)| !c.is_ascii_digit()) {
        Some((at, _)) => text.split_at(at),
        None => (text, ""),
    };
    let factor: usize = match unit.to_ascii_lowercase().as_str() {
        "" => 1,
        "k" | "kib" => 1 << 10,
        "m" | "mib" => 1 << 20,
        "g" | "gib" => 1 << 30,
        _ => return Err(format!("`{unit}` is no unit; use K, M or G")),
    };
    digits
        .parse::<usize>()
        .ok()
        .and_then(|n| n.checked_mul(factor))
        .ok_or_else(|| "a number with K, M or G is expected, such as 256M".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn captures_and_commands_are_told_apart() {
        let of = |words: &[&str]| Args::try_parse_from([&["framescope"], words].concat());
        let browse = of(&["a.pcap", "b.pcap", "--full"]).unwrap();
        assert!(browse.command.is_none() && browse.common.full);
        assert_eq!(browse.captures, [PathBuf::from("a.pcap"), PathBuf::from("b.pcap")]);
        assert!(matches!(of(&["print", "a.pcap"]).unwrap().command, Some(Command::Print(_))));
        assert_eq!(of(&["-r", "print"]).unwrap().read, [PathBuf::from("print")]);
    }

    #[test]
    fn sizes_take_units() {
        assert_eq!(size("256M"), Ok(256 << 20));
        assert_eq!(size("64k"), Ok(64 << 10));
        assert!(size("12x").is_err());
        assert!(size("").is_err());
    }
}
