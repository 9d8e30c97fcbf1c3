//! What the tests over fixtures share: captures in memory, events as JSON, and
//! captures made anew from the segments of old ones.
#![allow(dead_code, unreachable_pub, reason = "each test binary uses its part")]

use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use framescope::base::{CaptureTime, Moment, PacketId};
use framescope::capture::{LinkType, OpenOptions, Packet, PacketMeta, Polled, open};
use framescope::engine::{ConversationInfo, Engine, EventSink, FindingEvent, Options};
use framescope::event::{Event, Level};
use framescope::link::{Content, Decoder, TcpFlags};
use framescope::proto::{PayloadDecoder, Secrets};
use framescope::view::json;
use serde_json::Value;

/// A packet that owns its bytes.
#[derive(Clone, Debug)]
pub struct Owned {
    pub meta: PacketMeta,
    pub data: Vec<u8>,
}

/// The project's folder.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

/// All captures of the fixtures, by name.
pub fn fixtures() -> Vec<(String, PathBuf)> {
    let mut found = Vec::new();
    for folder in sorted(&root().join("fixtures")) {
        for file in sorted(&folder) {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            if name.starts_with("capture") {
                let fixture = folder.file_name().unwrap().to_string_lossy().into_owned();
                found.push((format!("{fixture}/{name}"), file));
            }
        }
    }
    assert!(found.len() >= 20, "only {} fixtures were found", found.len());
    found
}

/// The captures of the corpus, where `FRAMESCOPE_CORPUS` says where it is.
pub fn corpus() -> Vec<(String, PathBuf)> {
    let Some(folder) = std::env::var_os("FRAMESCOPE_CORPUS") else {
        eprintln!("SKIPPED: FRAMESCOPE_CORPUS is not set");
        return Vec::new();
    };
    sorted(&PathBuf::from(folder).join("wireshark"))
        .into_iter()
        .filter(|p| p.is_file())
        .map(|p| (p.file_name().unwrap().to_string_lossy().into_owned(), p))
        .collect()
}

fn sorted(folder: &Path) -> Vec<PathBuf> {
    let mut v: Vec<PathBuf> = match std::fs::read_dir(folder) {
        Ok(d) => d.map(|e| e.unwrap().path()).collect(),
        Err(_) => Vec::new(),
    };
    v.sort();
    v
}

/// All packets of a capture.
pub fn packets(path: &Path) -> Vec<Owned> {
    let mut source = open(path, OpenOptions::default()).unwrap();
    let mut all = Vec::new();
    loop {
        match source.poll().unwrap() {
            Polled::Batch(b) => {
                for s in &b.secrets {
                    secrets().add(&s.data);
                }
                all.extend(b.packets().map(|p| Owned { meta: p.meta, data: p.data.to_vec() }));
            }
            Polled::NothingYet => std::thread::yield_now(),
            Polled::End => return all,
        }
    }
}

/// The secrets of all captures that were read: a session's name is unique.
pub fn secrets() -> &'static Arc<Secrets> {
    static ALL: LazyLock<Arc<Secrets>> = LazyLock::new(Arc::default);
    &ALL
}

/// Everything that came out of a run.
#[derive(Default)]
pub struct Run {
    pub events: Vec<(Event, ConversationInfo)>,
    pub findings: Vec<FindingEvent>,
    pub ended: Vec<ConversationInfo>,
}

impl EventSink for Run {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        let info = conversation.cloned().unwrap_or_default();
        self.events.push((event.take(), info));
    }

    fn finding(&mut self, found: FindingEvent, _: Option<&ConversationInfo>) {
        self.findings.push(found);
    }

    fn ended(&mut self, conversation: &ConversationInfo) {
        self.ended.push(conversation.clone());
    }
}

/// JSON, one value a line.
pub fn json_lines(text: &str) -> Vec<Value> {
    text.lines().map(|l| serde_json::from_str(l).unwrap()).collect()
}

/// The levels of numbered events.
pub const NUMBERED: [Level; 3] = [Level::Frame, Level::Message, Level::Exchange];

/// Decoders as a plain run has them, without a schema.
pub fn options(levels: &[Level]) -> Options {
    Options { secrets: Arc::clone(secrets()), ..Options::default() }.wanting(levels)
}

/// Options by which TLS stays closed: without its hellos, a session is looked for among all
/// secrets, which takes its time where there are thousands of runs.
pub fn closed() -> Options {
    Options::default().wanting(&[])
}

/// Decoders with the schemas of the fixtures.
pub fn with_schema(levels: &[Level]) -> Options {
    let schema = framescope::schema::load(&[root().join("fixtures/proto")], &[], &[]).unwrap();
    let decoders: Vec<Box<dyn PayloadDecoder>> =
        vec![Box::new(framescope::proto::protobuf::Decoder { schema, learnt: None })];
    Options { decoders: Arc::new(decoders), ..options(levels) }
}

/// Runs packets through the engine.
pub fn run(packets: &[Owned], options: Options) -> Run {
    let mut run = Run::default();
    let mut engine = Engine::new(options);
    for p in packets {
        engine.packet(&Packet { meta: p.meta, data: &p.data }, &mut run);
    }
    engine.finish(&mut run);
    run
}

/// An event as its JSON.
pub fn as_json(event: &Event, info: &ConversationInfo) -> Value {
    let mut out = Vec::new();
    json::event(&mut out, event, Some(info));
    serde_json::from_slice(&out)
        .unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(&out)))
}

/// What is left of an event's JSON when numbers of packets and events and the
/// times are taken away: what must not depend on how the bytes were packed.
pub fn gist(event: &Event, info: &ConversationInfo) -> Value {
    let mut v = as_json(event, info);
    let o = v.as_object_mut().unwrap();
    for k in ["event", "time", "start_time", "packets", "first_packet", "last_packet"] {
        o.remove(k);
    }
    if let Some(fields) = o.get_mut("fields").and_then(Value::as_object_mut) {
        fields.retain(|k, _| {
            !k.ends_with("_ns")
                && k != "tcp.connection.packets"
                && !k.ends_with("proof_packets")
                && k != "http2.ack.to_packet"
                && k != "http.time"
                && k != "grpc.why"
                && !k.ends_with(".retransmissions")
        });
    }
    // Times stand in the summaries of exchanges, too.
    if o["level"] == "exchange" {
        o.remove("summary");
    }
    v
}

/// A TCP segment of a capture, ready to be packed again.
#[derive(Clone, Debug)]
pub struct Segment {
    pub time: CaptureTime,
    pub from: (IpAddr, u16),
    pub to: (IpAddr, u16),
    pub seq: u32,
    pub ack: u32,
    pub flags: u8,
    pub window: u16,
    pub scale: Option<u8>,
    pub data: Vec<u8>,
}

/// The TCP segments of a capture; `None` where it holds anything that cannot be
/// packed again (snapped packets, tunnels), or nothing of TCP.
pub fn segments(packets: &[Owned]) -> Option<Vec<Segment>> {
    let mut decoder = Decoder::new();
    let mut all = Vec::new();
    for p in packets {
        let at = Moment { packet: p.meta.id, time: p.meta.time };
        let d = decoder.decode(p.meta.link.0, &p.data, p.meta.original_len, at);
        let (Some(e), Content::Tcp(s)) = (&d.endpoints, &d.content) else { continue };
        if s.missing > 0 || e.path != 0 {
            return None;
        }
        all.push(Segment {
            time: p.meta.time,
            from: e.source,
            to: e.destination,
            seq: s.seq,
            ack: s.ack,
            flags: s.flags.0,
            window: s.window,
            scale: s.window_scale,
            data: s.payload.to_vec(),
        });
    }
    (!all.is_empty()).then_some(all)
}

/// Cuts every segment into pieces of at most `size` bytes of payload.
pub fn cut(segments: &[Segment], size: usize) -> Vec<Segment> {
    let mut all = Vec::new();
    for s in segments {
        if s.data.len() <= size {
            all.push(s.clone());
            continue;
        }
        let last = s.data.len().div_ceil(size) - 1;
        for (i, piece) in s.data.chunks(size).enumerate() {
            let mut t = s.clone();
            t.data = piece.to_vec();
            let offset = u32::try_from(i * size).unwrap();
            let syn = s.flags & TcpFlags::SYN != 0;
            t.seq = s.seq.wrapping_add(offset).wrapping_add(u32::from(syn && i > 0));
            if i > 0 {
                t.flags &= !TcpFlags::SYN;
            }
            if i < last {
                t.flags &= !TcpFlags::FIN;
            }
            all.push(t);
        }
    }
    all
}

/// Segments as packets of raw IP (`LINKTYPE_RAW`), numbered from 1.
pub fn pack(segments: &[Segment]) -> Vec<Owned> {
    segments
        .iter()
        .enumerate()
        .map(|(i, s)| {
            let data = raw_ip(s);
            let len = u32::try_from(data.len()).unwrap();
            Owned {
                meta: PacketMeta {
                    id: PacketId(i as u64 + 1),
                    time: s.time,
                    link: LinkType(101),
                    original_len: len,
                    captured_len: len,
                    ..PacketMeta::default()
                },
                data,
            }
        })
        .collect()
}

fn raw_ip(s: &Segment) -> Vec<u8> {
    let options: Vec<u8> = s.scale.map_or(Vec::new(), |w| vec![3, 3, w, 0]);
    let mut tcp = Vec::new();
    tcp.extend(s.from.1.to_be_bytes());
    tcp.extend(s.to.1.to_be_bytes());
    tcp.extend(s.seq.to_be_bytes());
    tcp.extend(s.ack.to_be_bytes());
    tcp.push(u8::try_from((20 + options.len()) / 4).unwrap() << 4);
    tcp.push(s.flags);
    tcp.extend(s.window.to_be_bytes());
    tcp.extend([0; 4]);
    tcp.extend(options);
    tcp.extend(&s.data);
    match (s.from.0, s.to.0) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            let mut ip = vec![0x45, 0];
            ip.extend(u16::try_from(20 + tcp.len()).unwrap().to_be_bytes());
            ip.extend([0, 0, 0x40, 0, 64, 6, 0, 0]);
            ip.extend(a.octets());
            ip.extend(b.octets());
            ip.extend(tcp);
            ip
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            let mut ip = vec![0x60, 0, 0, 0];
            ip.extend(u16::try_from(tcp.len()).unwrap().to_be_bytes());
            ip.extend([6, 64]);
            ip.extend(a.octets());
            ip.extend(b.octets());
            ip.extend(tcp);
            ip
        }
        _ => unreachable!("both ends are of one family"),
    }
}
