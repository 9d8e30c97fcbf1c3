//! `framescope stats`: conversations, calls by method, what became of the bytes.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::cli::args::{Common, ReportFormat};
use crate::cli::{Failure, learn, pass};
use crate::event::Level;
use crate::index::calls::Calls;
use crate::index::spread::{Key, Spread};
use crate::index::stats::Stats;
use crate::index::transports::Transports;
use crate::view::{calls, stats, transports};

const HELP: &str = "\
Conversations:
  bytes up and down are those of the streams, by sequence number: up from the client. Of
  both, each byte is dissected (a protocol took it), opaque (nobody could read it) or in a
  gap (not captured): the three add up. end: fin, reset, or open where the capture ended
  first.

Calls, sessions and requests, by method (gRPC: service/method; HTTP: method and path without
its query; WebSocket: path):
  errors      a gRPC status other than OK, or none; HTTP 400 and above, or a reset; a WebSocket
              closed with another code than 1000, 1001 or none, or with one that must not be
              sent (1005, 1006)
  cut         off by the end of the capture or by a gap; their time is not counted
  p50 to max  time from the first byte to the last, by nearest rank: exact up to 100,000 of a
              method (2,097,152 of all), then within 0.8 %; max always is exact
  slowest     the event that took longest: `framescope explain CAPTURE EVENT` takes the number
  bytes       of messages, as sent; of WebSocket, as decompressed

Messages beside JSON, where a schema is known (--proto, --descriptors, or reflection in the
capture): bytes of gRPC messages, decompressed, and of the same as compact JSON with the names
of the schema. A ratio below 1 is what protobuf saves.

--calls:
  a call is part of another by an id that both have (traceparent, b3, x-b3-traceid,
  grpc-trace-bin, x-request-id), or by time alone: it begins and ends while exactly one
  other waits on the host that it comes from; what another reading allows is marked likely.
  left above is what was left of the deadline of the call above when this one began.

--by and --every:
  windows begin at multiples of their length, by the clock (UTC); an exchange counts where
  it began. share is of all that began in the window.

Transports (--transports):
  clients     series of a poll; streams, sessions and streaming calls that were open together;
              addresses of other requests
  requests    a minute: openings of streams and sessions count from the second on
  messages    of a poll: answers that brought something new; of the others all
  payload     bytes of these as sent (of event streams, the values of data)
  overhead    all other bytes of the streams: heads, empty answers, framing, settings
  packets     bytes of all packets that carried some of the above, heads of Ethernet, IP and TCP
              included, as a whole; one that carried several ways (frames of streams that end in
              it) is divided evenly
  acks        bytes of the other packets of these connections: handshakes of TCP and TLS,
              acknowledgements, settings of HTTP/2. A connection that was used in several ways is
              shared out by its packets above; both rows together are all of its bytes
  answer      from the request to its answer's first byte (gRPC: to the first message), mean
  waits       until an event was asked for. Short polling: half the time between the answers
              before and with the event, on average, and all of it at most. Long polling: the
              same between an answer and a next request that was answered at once. What is
              pushed does not wait
  heads       bytes of header sections for each useful byte of a poll
  as SSE, as WebSocket
              what a poll's events would have cost: one request with its own mean heads, then
              for each event `data: `, the mean payload, two line feeds and a chunk's framing;
              or the fields of the upgrade and for each event 2, 4 or 10 bytes and the payload
  for N clients
              what was seen of one client, N times. Of streams and sessions: of all of them,
              from the beginning of the first to the end of the last, shared among the clients;
              one that comes back is one client, and so is the time that it was away

Examples:
  framescope stats a.pcap
  framescope stats a.pcap --rows 10           the first ten conversations and methods
  framescope stats --calls a.pcap             gRPC calls under those that they were made for
  framescope stats --by peer,method,status --every 10s a.pcap
                                              how they spread over servers, by time
  framescope stats --transports a.pcap        polling beside SSE, WebSocket and gRPC
  framescope stats --transports --clients 1000 a.pcap
                                              and what 1,000 clients would cost
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
    /// Instead: what reached clients by polling, long polling, server-sent events, WebSocket,
    /// gRPC and plain requests, side by side; and what the polls would have cost otherwise.
    #[arg(long)]
    transports: bool,
    /// With --transports: what so many clients would cost.
    #[arg(long, value_name = "N", requires = "transports", value_parser = clap::value_parser!(u64).range(1..))]
    clients: Option<u64>,
    /// Show so many conversations and methods; sums are of all. JSON has up to 100,000
    /// conversations.
    #[arg(long, value_name = "N", default_value_t = 100)]
    rows: usize,
    /// Show gRPC calls instead, as trees: those that were made for others under these, with
    /// the time that each had left.
    #[arg(long, conflicts_with_all = ["by", "every"])]
    calls: bool,
    /// Count exchanges instead by what they have in common: peer (the server), client,
    /// method, status, protocol, verdict; parted by commas.
    #[arg(long, value_name = "KEYS", value_delimiter = ',')]
    by: Vec<Key>,
    /// And by windows of so much time: `10s`, `500ms`, `1m`, `1h`; without --by, by peer,
    /// method and status.
    #[arg(long, value_name = "TIME", value_parser = window)]
    every: Option<u64>,
    #[command(flatten)]
    common: Common,
}

/// `10s`, `500ms`, `1m` in nanoseconds.
fn window(text: &str) -> Result<u64, String> {
    let at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, unit) = text.split_at(at);
    let unit: u64 = match unit {
        "ms" => 1_000_000,
        "s" => 1_000_000_000,
        "m" | "min" => 60_000_000_000,
        "h" => 3_600_000_000_000,
        _ => return Err("a number with ms, s, m or h is expected, such as 10s".into()),
    };
    digits
        .parse::<u64>()
        .ok()
        .and_then(|n| n.checked_mul(unit))
        .filter(|n| *n > 0 && i64::try_from(*n).is_ok())
        .ok_or_else(|| "a number with ms, s, m or h is expected, such as 10s".to_owned())
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let captures = pass::captures("stats", &args.read, &args.captures)?;
    if args.transports {
        return run_transports(args, &captures);
    }
    let options = pass::options(&args.common, false)?.wanting(&[Level::Exchange]);
    let is_json = args.format == ReportFormat::Json;
    let (mut json, mut text) = (Vec::new(), String::new());
    let (stop, width) = (pass::interrupts(&captures), pass::width());
    let ended = if args.calls {
        let mut all = Calls::new();
        let ended = pass::over(&captures, &args.common, options, &stop, &mut all, |_, _| ())?;
        all.finish();
        match is_json {
            true => calls::tree_json(&mut json, &all),
            false => calls::tree(&mut text, &all, args.rows, width),
        }
        ended
    } else if args.every.is_some() || !args.by.is_empty() {
        let by = match args.by.as_slice() {
            [] => vec![Key::Peer, Key::Method, Key::Status],
            keys => keys.to_vec(),
        };
        let mut all = Spread::new(by, args.every);
        let ended = pass::over(&captures, &args.common, options, &stop, &mut all, |_, _| ())?;
        all.finish();
        match is_json {
            true => calls::spread_json(&mut json, &all),
            false => calls::spread(&mut text, &all, args.rows, width),
        }
        ended
    } else {
        // With a schema, messages are looked at for what they would be as JSON.
        let (messages, schema) = ([Level::Message], &args.common.schema);
        let options = match schema.proto.is_empty() && schema.descriptors.is_empty() {
            true => options,
            false => options.wanting(&messages),
        };
        let (mut all, ended) =
            learn::over(&captures, &args.common, options, 1, &messages, &stop, Stats::new)?;
        all.finish();
        match is_json {
            true => stats::json(&mut json, &all),
            false => stats::text(&mut text, &all, args.rows, width),
        }
        ended
    };
    pass::write(if is_json { &json } else { text.as_bytes() })?;
    ended.failure()?;
    Ok(ExitCode::SUCCESS)
}

fn run_transports(args: &Args, captures: &[PathBuf]) -> Result<ExitCode, Failure> {
    let options = pass::options(&args.common, false)?;
    let mut all = Transports::new();
    let stop = pass::interrupts(captures);
    let ended = pass::over(captures, &args.common, options, &stop, &mut all, |_, _| ())?;
    all.finish();
    match args.format {
        ReportFormat::Json => {
            let mut out = Vec::new();
            transports::json(&mut out, &all, args.clients);
            pass::write(&out)?;
        }
        ReportFormat::Text => {
            let mut out = String::new();
            transports::text(&mut out, &all, args.clients, args.rows, pass::width());
            pass::write(out.as_bytes())?;
        }
    }
    ended.failure()?;
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_take_units() {
        assert_eq!(window("10s"), Ok(10_000_000_000));
        assert_eq!(window("500ms"), Ok(500_000_000));
        assert_eq!(window("2m"), Ok(120_000_000_000));
        for bad in ["", "10", "s", "0s", "1d", "-1s", "99999999999h"] {
            assert!(window(bad).is_err(), "{bad}");
        }
    }
}
