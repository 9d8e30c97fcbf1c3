//! `framescope stats`: conversations, calls by method, what became of the bytes.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::args::{Common, ReportFormat};
use crate::cli::{Failure, learn, pass};
use crate::event::Level;
use crate::index::stats::Stats;
use crate::view::stats;

const HELP: &str = "\
Conversations:
  bytes up and down are those of the streams, by sequence number: up from the client. Of
  both, each byte is dissected (a protocol took it), opaque (nobody could read it) or in a
  gap (not captured): the three add up. end: fin, reset, or open where the capture ended
  first.

Calls, sessions and requests, by method (gRPC: service/method; HTTP: method and path without
its query; WebSocket: path):
  errors      a gRPC status other than OK, or none; HTTP 400 and above, or a reset; a WebSocket
              closed with another code than 1000, 1001 or none
  cut         off by the end of the capture or by a gap; their time is not counted
  p50 to max  time from the first byte to the last, by nearest rank: exact up to 100,000 of a
              method (2,097,152 of all), then within 0.8 %; max always is exact
  slowest     the event that took longest: `framescope explain CAPTURE EVENT` takes the number
  bytes       of messages, as sent; of WebSocket, as decompressed

Messages beside JSON, where a schema is known (--proto, --descriptors, or reflection in the
capture): bytes of gRPC messages, decompressed, and of the same as compact JSON with the names
of the schema. A ratio below 1 is what protobuf saves.

Examples:
  framescope stats a.pcap
  framescope stats a.pcap --rows 10           the first ten conversations and methods
  framescope stats --format json a.pcap | jq '.calls[] | select(.errors > 0)'";

/// `stats`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Args {
    /// Captures, one after another: pcap or pcapng, also in gzip or zstd; `-` is
    /// standard input.
    #[arg(value_name = "CAPTURE")]
    captures: Vec<PathBuf>,
    /// The same as CAPTURE, for hands that know tcpdump and tshark.
    #[arg(short = 'r', value_name = "CAPTURE")]
    read: Vec<PathBuf>,
    /// Tables for people, or one JSON object (docs/JSON.md).
    #[arg(long, value_enum, default_value_t = ReportFormat::Text)]
    format: ReportFormat,
    /// Show so many conversations and methods; sums are of all. JSON has up to 100,000
    /// conversations.
    #[arg(long, value_name = "N", default_value_t = 100)]
    rows: usize,
    #[command(flatten)]
    common: Common,
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let captures = pass::captures("stats", &args.read, &args.captures)?;
    let mut options = pass::options(&args.common, false)?.wanting(&[Level::Exchange]);
    // With a schema, messages are looked at for what they would be as JSON.
    let messages = [Level::Message];
    if !(args.common.schema.proto.is_empty() && args.common.schema.descriptors.is_empty()) {
        options = options.wanting(&messages);
    }
    let (mut all, ended) = learn::over(&captures, &args.common, options, &messages, Stats::new)?;
    all.finish();
    match args.format {
        ReportFormat::Json => {
            let mut out = Vec::new();
            stats::json(&mut out, &all);
            pass::write(&out)?;
        }
        ReportFormat::Text => {
            let mut out = String::new();
            stats::text(&mut out, &all, args.rows, pass::width());
            pass::write(out.as_bytes())?;
        }
    }
    ended.failure()?;
    Ok(ExitCode::SUCCESS)
}
