//! What a capture says of its own schemas: the first pass that learns it, and
//! `framescope schema`, which writes it.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Component, Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use memchr::memmem::Finder;

use crate::base::limits::DEFAULT_STATE_BYTES;
use crate::capture::bpf::{self, Filtered};
use crate::capture::{Batch, OpenOptions, Polled, open_all};
use crate::cli::args::{Common, SchemaArgs, size};
use crate::cli::interrupt::Interrupted;
use crate::cli::{Failure, pass, shards};
use crate::engine::{ConversationInfo, EventSink, FindingEvent, Options};
use crate::event::{Event, Level};
use crate::field::Value;

/// How calls are known before anything is decoded: beginnings of content types as written,
/// and as HPACK's Huffman code writes them (RFC 7541 appendix B), as far as whole bytes go:
/// `application/grpc`, `application/proto`, `application/connect`.
const SIGNS: [&[u8]; 6] = [
    b"application/proto",
    &[0x1d, 0x75, 0xd0, 0x62, 0x0d, 0x26, 0x3d, 0x4c, 0x57, 0x61, 0xd2],
    b"application/connect",
    &[0x1d, 0x75, 0xd0, 0x62, 0x0d, 0x26, 0x3d, 0x4c, 0x10, 0xf5, 0x54, 0x52],
    b"application/grpc",
    &[0x1d, 0x75, 0xd0, 0x62, 0x0d, 0x26, 0x3d, 0x4c, 0x4d, 0x65, 0x64],
];

/// Listens to nothing: what is learnt is learnt on the way.
struct Deaf;

impl EventSink for Deaf {
    fn event(&mut self, _: &mut Event, _: Option<&ConversationInfo>) {}
    fn finding(&mut self, _: FindingEvent, _: Option<&ConversationInfo>) {}
}

/// Whether these are files that can be read twice.
pub(super) fn can_be_read_again(captures: &[PathBuf]) -> bool {
    captures.iter().all(|c| fs::metadata(c).is_ok_and(|m| m.is_file()))
}

/// Makes a reading of `captures` know what they say of their own schemas. Files get a
/// first pass, where there is gRPC in them at all; then the reading itself need not
/// learn. From anything else it learns while it reads.
pub(super) fn first(
    captures: &[PathBuf],
    common: &Common,
    options: Options,
    interrupted: &Interrupted,
) -> Options {
    if !can_be_read_again(captures) {
        return options;
    }
    // Whatever cannot be read will be told by the reading itself. Calls without any sign, in
    // connections whose beginning is missing, teach what they teach on the way.
    // So may what a key log opens.
    if options.secrets.version() == 0
        && !may_have_calls(captures, common.filter.clone(), interrupted).unwrap_or(false)
    {
        return options;
    }
    let quiet = Options { wanted: [false; 5], ..options.clone() };
    let _ = pass::over(captures, common, quiet, interrupted, &mut Deaf, |_, _| ());
    Options { learn: None, ..options }
}

/// Looks for the signs of gRPC in the packets, without decoding any, and for secrets.
fn may_have_calls(
    captures: &[PathBuf],
    filter: Option<bpf::Filter>,
    interrupted: &Interrupted,
) -> Result<bool, Failure> {
    let finders = SIGNS.map(Finder::new);
    let source = open_all(captures, OpenOptions::default())?;
    let mut source = Filtered::wrap(source, filter);
    // What is encrypted has no signs: a capture that brings secrets may have calls.
    let found = |batch: &Batch| {
        !batch.secrets.is_empty()
            || batch.packets().any(|p| finders.iter().any(|f| f.find(p.data).is_some()))
    };
    while !interrupted.is_set() {
        match source.poll()? {
            Polled::Batch(batch) if found(&batch) => return Ok(true),
            Polled::Batch(_) => {}
            Polled::NothingYet => std::thread::yield_now(),
            Polled::End => break,
        }
    }
    Ok(false)
}

/// Runs captures through the engine, and, where they turn out to hold schemas of their own,
/// files once more, by these, and with details at the levels `by_schema`. What holds none is
/// read once. More than one of `threads` want a sink that counts ([`Options::counts`]).
pub(super) fn over<S: EventSink>(
    captures: &[PathBuf],
    common: &Common,
    options: Options,
    threads: usize,
    by_schema: &[Level],
    interrupted: &Interrupted,
    new: impl Fn() -> S,
) -> Result<(S, pass::Ended), Failure> {
    let learnt = options.learn.clone();
    let (sink, ended) =
        shards::once(captures, common, options.clone(), threads, interrupted, &new)?;
    let again = matches!(ended, pass::Ended::Done(_))
        && learnt.is_some_and(|l| l.file_count() > 0)
        && can_be_read_again(captures);
    if !again {
        return Ok((sink, ended));
    }
    let options = Options { learn: None, ..options }.wanting(by_schema);
    shards::once(captures, common, options, threads, interrupted, &new)
}

const HELP: &str = "\
What is learnt:
  files that a server told by reflection (grpc.reflection.v1 or v1alpha), with all that is in
  them; and for the methods that these do not know, what their
  messages look like: field numbers, types with their confidence (1.00 is certain), and what
  fits as well.

An inferred file can be edited, names first, and then read with:

  framescope schema --out learnt a.pcap
  $EDITOR learnt/inferred/user.UserService.proto
  framescope print --proto learnt/inferred/user.UserService.proto a.pcap

Examples:
  framescope schema a.pcap                     all files, one after another
  framescope schema --out learnt a.pcap        each to a file of its own
  framescope schema --descriptors a.binpb a.pcap
                                               for protoc --descriptor_set_in, buf, grpcurl

Exit status: 0 done; 1 the capture says nothing of schemas; 2 the command line or the input is
at fault; 130 interrupted before the end of a file.";

/// `schema`.
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
    /// Write each schema to a file of its own below this folder, instead of all of them to
    /// standard output. Files that are there already are not overwritten.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Write all of them with their imports to this file, as a FileDescriptorSet.
    #[arg(long, value_name = "FILE")]
    descriptors: Option<PathBuf>,
    /// Leave out what was inferred from messages.
    #[arg(long)]
    no_inferred: bool,
    /// Packets to look at, in the language of tcpdump.
    #[arg(short = 'f', long = "capture-filter", value_name = "EXPR", value_parser = bpf::compile_all, allow_hyphen_values = true)]
    filter: Option<bpf::Filter>,
    /// Read conversations as a protocol, as in `print`.
    #[arg(short = 'd', long, value_name = "RULE")]
    decode_as: Vec<String>,
    /// Secrets of TLS sessions, as in `print`.
    #[arg(long, value_name = "FILE")]
    keylog: Vec<PathBuf>,
    /// Memory for the state of open connections: 256M unless told otherwise.
    #[arg(long, value_name = "SIZE", value_parser = size, default_value_t = DEFAULT_STATE_BYTES, hide_default_value = true)]
    mem: usize,
}

impl Args {
    /// What other commands would be told. `--descriptors` is what is written here.
    fn common(&self) -> Common {
        Common {
            schema: SchemaArgs::default(),
            filter: self.filter.clone(),
            decode_as: self.decode_as.clone(),
            keylog: self.keylog.clone(),
            mem: self.mem,
            full: false,
        }
    }
}

/// Which methods were seen to stream, by the calls.
#[derive(Default)]
struct Calls {
    streams: BTreeMap<String, [bool; 2]>,
}

impl EventSink for Calls {
    fn event(&mut self, event: &mut Event, _: Option<&ConversationInfo>) {
        let protocol = event.draft.protocol;
        let is_call = matches!(protocol, "grpc" | "connect");
        let Some(d) = event.draft.detail.as_ref().filter(|_| is_call) else { return };
        let text = |name: &str| match d.tree.find(name).map(|n| &n.value) {
            Some(Value::Text(t)) => Some(t.to_string()),
            _ => None,
        };
        let call = |name: &str| text(&format!("{protocol}.{name}"));
        let (Some(path), Some(seen)) = (call("path"), call("pattern_observed")) else {
            return;
        };
        let [up, down] = self.streams.entry(path).or_default();
        *up |= matches!(seen.as_str(), "client_streaming" | "bidi_streaming");
        *down |= matches!(seen.as_str(), "server_streaming" | "bidi_streaming");
    }

    fn finding(&mut self, _: FindingEvent, _: Option<&ConversationInfo>) {}
}

pub(super) fn run(args: &Args) -> Result<ExitCode, Failure> {
    let captures = pass::captures("schema", &args.read, &args.captures)?;
    let common = args.common();
    let (options, learnt) = pass::learning(&common, !args.no_inferred)?;
    let options = Options { learn: Some(Arc::clone(&learnt)), ..options };
    let options = options.wanting(&[Level::Exchange]);
    let mut calls = Calls::default();
    let interrupted = pass::interrupts(&captures);
    let ended = pass::over(&captures, &common, options, &interrupted, &mut calls, |_, _| ())?;
    let none = [false; 2];
    let report = learnt.report(&|path| calls.streams.get(path).copied().unwrap_or(none));
    for c in &report.complaints {
        say!("framescope: {}", crate::view::clean::clean(c));
    }
    let own: Vec<_> = report.files.iter().filter(|f| !f.well_known).collect();
    if let Some(path) = &args.descriptors {
        let mut set = Vec::new();
        for f in &report.files {
            set.push(0x0a);
            let mut len = f.descriptor.len();
            while len >= 0x80 {
                set.push(len as u8 | 0x80);
                len >>= 7;
            }
            set.push(len as u8);
            set.extend_from_slice(&f.descriptor);
        }
        fs::write(path, set).map_err(|e| Failure::Input(format!("{}: {e}", path.display())))?;
    }
    let mut text = String::new();
    for f in &own {
        let source = match &f.text {
            Ok(t) => t,
            Err(why) => {
                say!("framescope: {}", crate::view::clean::clean(why));
                continue;
            }
        };
        if let Some(dir) = &args.out {
            let path = place(dir, &f.name)?;
            let wrong = |e: std::io::Error| Failure::Input(format!("{}: {e}", path.display()));
            if let Some(folder) = path.parent() {
                fs::create_dir_all(folder).map_err(wrong)?;
            }
            if fs::read_to_string(&path).is_ok_and(|old| old != *source) {
                return Err(Failure::Input(format!(
                    "{} is there already, and differs; name another folder, or remove it",
                    path.display()
                )));
            }
            fs::write(&path, source).map_err(wrong)?;
            text.push_str(&format!("{}\n", path.display()));
        } else if args.descriptors.is_none() {
            if own.len() > 1 {
                text.push_str(&format!("// {}\n\n", f.name));
            }
            text.push_str(source);
            text.push('\n');
        }
    }
    let text: String = text.lines().map(|l| crate::view::clean::clean(l) + "\n").collect();
    pass::write(text.as_bytes())?;
    ended.failure()?;
    if own.is_empty() {
        say!("framescope: no schema: no server told one, and no message of a call was seen");
        return Ok(ExitCode::from(1));
    }
    Ok(ExitCode::SUCCESS)
}

/// Where a file goes: its name comes off the wire, and must stay below the folder.
fn place(dir: &Path, name: &str) -> Result<PathBuf, Failure> {
    let inside: PathBuf =
        Path::new(name).components().filter(|c| matches!(c, Component::Normal(_))).collect();
    if inside.as_os_str().is_empty() || inside.to_string_lossy().contains(['\0', '\\']) {
        return Err(Failure::Input(format!(
            "a schema is called {name:?}, which is no file's name"
        )));
    }
    let mut path = dir.join(inside);
    if path.extension().is_none_or(|x| x != "proto") {
        path.as_mut_os_string().push(".proto");
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was encrypted has no sign of calls: its secrets are one.
    #[test]
    fn a_first_pass_is_made_where_there_may_be_calls() {
        for (capture, expected) in [
            ("tls13-openssl/capture.pcapng.zst", true),
            ("tls13-openssl/plain.pcap.zst", true),
            ("ws-websockets/capture.pcap", false),
            ("ws-close-codes/capture.pcapng", false),
        ] {
            let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(capture);
            assert_eq!(
                may_have_calls(&[path], None, &Interrupted::default()).unwrap(),
                expected,
                "{capture}"
            );
        }
    }
}
