//! The anchor: over every fixture, what we print is compared value by value with what
//! tshark prints. Ours is told no port; tshark must be, and is told those that ours
//! found.
//!
//! Whatever differs must stand on `anchor/differences.txt` with the sentence of the
//! standard that decides; what stands there and no longer occurs fails as well.
//! Names that only one side knows stand on `anchor/one-sided.txt`.

#[path = "anchor/lists.rs"]
mod lists;
#[path = "anchor/pdml.rs"]
mod pdml;
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use base64::Engine as _;
use serde_json::Value;

use lists::{Differences, OneSided};
use pdml::{Field, Packet};

/// One frame, message or packet: its fields by name, each with all its values in order.
type Row<V> = BTreeMap<String, Vec<V>>;

/// Rows by sender and receiver, in order.
type Rows<V> = BTreeMap<String, Vec<Row<V>>>;

/// What the comparison of all fixtures comes to.
#[derive(Default)]
struct Tally {
    compared: u64,
    different: u64,
    unlisted: Vec<String>,
}

struct Anchor {
    differences: Differences,
    one_sided: OneSided,
    tally: Tally,
}

#[test]
fn anchor() {
    let Some((tally, wrong)) = compare(&support::fixtures(), "differences.txt", &[]) else {
        return;
    };
    finish(&tally, wrong);
    assert!(tally.compared > 80_000, "only {} values were compared", tally.compared);
}

/// The same over the captures of the corpus.
#[test]
fn anchor_of_the_corpus() {
    let small = |p: &Path| std::fs::metadata(p).is_ok_and(|m| m.len() < 300_000);
    let all: Vec<_> = support::corpus().into_iter().filter(|(_, p)| small(p)).collect();
    if all.is_empty() {
        return;
    }
    let Some((tally, mut wrong)) = compare(&all, "corpus.txt", &[]) else { return };
    // Names are counted over the fixtures.
    wrong.retain(|w| !w.starts_with("one-sided.txt"));
    finish(&tally, wrong);
}

fn finish(tally: &Tally, wrong: Vec<String>) {
    let all = if wrong.is_empty() { ", all on the list" } else { "" };
    println!("anchor: compared {} values, {} differ{all}", tally.compared, tally.different);
    for w in wrong.iter().take(200) {
        eprintln!("{w}");
    }
    assert!(wrong.is_empty(), "{} differences stand on no list, or are no longer so", wrong.len());
}

/// Compares captures; `None`, said aloud, where there is no tshark.
fn compare(
    captures: &[(String, PathBuf)],
    list: &str,
    more: &[&str],
) -> Option<(Tally, Vec<String>)> {
    if !pdml::is_installed() {
        assert!(
            std::env::var_os("FRAMESCOPE_REQUIRE_TSHARK").is_none(),
            "FRAMESCOPE_REQUIRE_TSHARK is set, and tshark is not installed"
        );
        eprintln!("SKIPPED: tshark is not installed");
        return None;
    }
    let folder = support::root().join("tests/anchor");
    let mut anchor = Anchor {
        differences: Differences::read(&folder.join(list)),
        one_sided: OneSided::read(&folder.join("one-sided.txt")),
        tally: Tally::default(),
    };
    for (name, path) in captures {
        anchor.capture(name.split('/').next().unwrap_or(name), path, more);
    }
    let Anchor { differences, one_sided, mut tally } = anchor;
    let mut wrong = std::mem::take(&mut tally.unlisted);
    wrong.extend(differences.unused().into_iter().map(|l| format!("{list}: {l}")));
    wrong.extend(one_sided.unused());
    Some((tally, wrong))
}

impl Anchor {
    fn capture(&mut self, fixture: &str, path: &Path, more: &[&str]) {
        let frames = ours(path, "frame");
        let messages = ours(path, "message");
        let ports = ports(&frames, &messages);
        let mut args = vec!["-o", "websocket.decompress:FALSE"];
        args.extend(more);
        let raw = pdml::read(path, &ports, &args);
        self.packets(fixture, &ours(path, "packet"), &raw);
        for protocol in ["websocket", "http2"] {
            self.rows(fixture, &our_rows(&frames, protocol), &their_rows(&raw, protocol));
        }
        let (mut our_http, mut their_http) = (our_heads(&messages), their_rows(&raw, "http"));
        heads_of_calls(&mut our_http, &mut their_http);
        self.rows(fixture, &our_http, &their_http);
        // The trailers of gRPC-Web are a message's frame to tshark.
        let is_grpc = |v: &&Value| {
            let framed = !v["fields"]["grpc.frame_type"].is_null();
            v["protocol"] == "grpc" && (v["kind"] == "message" || v["kind"] == "trailers" && framed)
        };
        let grpc: Vec<Value> = messages.iter().filter(is_grpc).cloned().collect();
        self.rows(fixture, &our_rows(&grpc, "grpc"), &their_rows(&raw, "grpc"));
        if frames.iter().any(|f| f["fields"]["websocket.rsv1"] == true) {
            let inflated = pdml::read(path, &ports, more);
            self.rows(fixture, &our_texts(&messages), &their_texts(&inflated));
        }
    }

    /// Every field of every packet below the application.
    fn packets(&mut self, fixture: &str, ours: &[Value], theirs: &[Packet]) {
        self.one(fixture, "packets", &theirs.len().to_string(), &ours.len().to_string());
        for (o, t) in ours.iter().zip(theirs) {
            let layers = ["eth.", "sll.", "null.", "ip.", "ipv6.", "tcp.", "udp.", "icmp."];
            let keep = |n: &str| layers.iter().any(|l| n.starts_with(l));
            let mut row = our_row(o);
            row.retain(|n, _| keep(n));
            row.insert("time".into(), vec![Value::from(nanoseconds(o))]);
            if o["protocol"] == "tcp" {
                let summary = text(&o["summary"]);
                let (_, after) = summary.split_once(", length ").expect("a segment has a length");
                let len = number(after.split(' ').next().unwrap_or_default());
                row.insert("tcp.len".into(), vec![Value::from(len)]);
            }
            // An ICMP error quotes the head of another packet: data to us.
            let icmp = t.iter().position(|f| f.name == "icmp.checksum.status");
            let t = &t[..icmp.unwrap_or(t.len())];
            let mut other = their_row(t.iter().filter(|f| keep(&f.name)));
            // Padding has no kind of its own with us: it is a `tcp.options.nop`.
            if let Some(kinds) = other.get_mut("tcp.option_kind") {
                kinds.retain(|k| k.show != "1");
                if kinds.is_empty() {
                    other.remove("tcp.option_kind");
                }
            }
            if let Some(f) = t.iter().find(|f| f.name == "timestamp") {
                let show = f.value.replace('.', "");
                other.insert("time".into(), vec![Field { show, ..f.clone() }]);
            }
            self.row(fixture, &format!("packet {}", o["packets"][0]), &row, &other);
        }
    }

    fn rows(&mut self, fixture: &str, ours: &Rows<Value>, theirs: &Rows<Field>) {
        let keys: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for key in keys {
            let (o, t) = (ours.get(key), theirs.get(key));
            let (o, t) = (o.map_or(&[][..], |v| v), t.map_or(&[][..], |v| v));
            self.one(
                fixture,
                &format!("rows of {key}"),
                &t.len().to_string(),
                &o.len().to_string(),
            );
            for (i, (a, b)) in o.iter().zip(t).enumerate() {
                self.row(fixture, &format!("{key} {}", i + 1), a, b);
            }
        }
    }

    fn row(&mut self, fixture: &str, place: &str, ours: &Row<Value>, theirs: &Row<Field>) {
        let names: BTreeSet<&String> = ours.keys().chain(theirs.keys()).collect();
        for name in names {
            match (ours.get(name), theirs.get(name)) {
                (Some(o), Some(t)) => {
                    let mut same = o.len() == t.len() && o.iter().zip(t).all(|(o, t)| equal(o, t));
                    // Unused bits that lie apart are one field under a mask to tshark.
                    if name.starts_with("http2.flags.unused") {
                        same = o.iter().any(|o| *o != 0)
                            == t.iter().any(|t| number(&t.show) != Some(0));
                    }
                    self.tally.compared += o.len().max(t.len()) as u64;
                    if !same {
                        let o: Vec<String> = o.iter().map(text).collect();
                        let t: Vec<String> = t.iter().map(|f| f.show.clone()).collect();
                        self.differ(fixture, name, place, &o.join(","), &t.join(","));
                    }
                }
                (Some(o), None) => {
                    if !self.one_sided.allows("ours", name) {
                        let o: Vec<String> = o.iter().map(text).collect();
                        self.differ(fixture, name, place, &o.join(","), "(none)");
                    }
                }
                (None, Some(t)) => {
                    if !self.one_sided.allows("theirs", name) {
                        let t: Vec<String> = t.iter().map(|f| f.show.clone()).collect();
                        self.differ(fixture, name, place, "(none)", &t.join(","));
                    }
                }
                (None, None) => {}
            }
        }
    }

    fn one(&mut self, fixture: &str, name: &str, theirs: &str, ours: &str) {
        self.tally.compared += 1;
        if ours != theirs {
            self.differ(fixture, name, "", ours, theirs);
        }
    }

    fn differ(&mut self, fixture: &str, field: &str, place: &str, ours: &str, theirs: &str) {
        self.tally.different += 1;
        if !self.differences.allows(fixture, field, ours, theirs) {
            let (ours, theirs) = (lists::short(ours), lists::short(theirs));
            self.tally
                .unlisted
                .push(format!("{fixture} | {field} | {ours} | {theirs} | ({place})"));
        }
    }
}

/// The events of one level, as the program prints them.
fn ours(path: &Path, level: &str) -> Vec<Value> {
    let out = Command::new(env!("CARGO_BIN_EXE_framescope"))
        .args(["print", "--full", "--format", "json", "--level", level])
        .arg(path)
        .output()
        .expect("framescope runs");
    assert!(out.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&out.stderr));
    String::from_utf8(out.stdout)
        .expect("JSON is UTF-8")
        .lines()
        .map(|l| serde_json::from_str(l).expect("each line is JSON"))
        .collect()
}

/// What tshark must be told: the servers' ports with what is spoken there. `http2`
/// where a connection begins with the preface, `http` where it gets there by an upgrade.
fn ports(frames: &[Value], messages: &[Value]) -> Vec<(u16, &'static str, bool)> {
    let mut ports = BTreeMap::new();
    let upgrades: BTreeSet<u64> = messages
        .iter()
        .filter(|m| m["fields"].get("http.upgrade").is_some())
        .filter_map(|m| m["conversation"].as_u64())
        .collect();
    let encrypted: BTreeSet<u64> = frames
        .iter()
        .filter(|f| f["protocol"] == "tls")
        .filter_map(|f| f["conversation"].as_u64())
        .collect();
    let mut within = BTreeSet::new();
    for e in messages.iter().chain(frames).filter(|e| e["sender"] == "client") {
        let to = e["to"].as_str().unwrap_or_default();
        let Some(port) = to.rsplit(':').next().and_then(|p| p.parse::<u16>().ok()) else {
            continue;
        };
        if e["conversation"].as_u64().is_some_and(|c| encrypted.contains(&c)) {
            within.insert(port);
        }
        let http2 = e["protocol"] == "http2" || !e["stream"].is_null();
        let upgraded = e["conversation"].as_u64().is_some_and(|c| upgrades.contains(&c));
        match (e["protocol"].as_str(), http2 && !upgraded) {
            (_, true) => {
                ports.entry(port).or_insert("http2");
            }
            (Some("http" | "websocket" | "http2" | "sse" | "grpc" | "connect"), false) => {
                ports.insert(port, "http");
            }
            _ => {}
        }
    }
    ports.into_iter().map(|(p, name)| (p, name, within.contains(&p))).collect()
}

fn our_rows(events: &[Value], protocol: &str) -> Rows<Value> {
    let mut rows: Rows<Value> = BTreeMap::new();
    let prefix = format!("{protocol}.");
    let mut begun: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    for e in events.iter().filter(|e| e["protocol"] == protocol) {
        let key = format!("{protocol} {} > {}", text(&e["from"]), text(&e["to"]));
        let mut row = our_row(e);
        row.retain(|n, _| n.starts_with(&prefix));
        // An index of 0 says that the name is spelt out (RFC 7541 §6.2): a number on
        // the wire to us, and left out by tshark.
        if let Some(i) = row.get_mut("http2.header.index") {
            i.retain(|i| *i != 0);
        }
        row.retain(|_, v| !v.is_empty());
        let bytes = e["payload"]["base64"].as_str().map(unbase64).unwrap_or_default();
        match (protocol, text(&e["kind"]).as_str()) {
            // tshark shows the fragments of a message together, with the last one.
            ("websocket", "text" | "binary" | "continuation") => {
                let mut whole = begun.remove(&key).unwrap_or_default();
                whole.extend(bytes);
                if row["websocket.fin"][0] == true {
                    row.insert("payload".into(), vec![Value::from(hex(&whole))]);
                } else {
                    begun.insert(key.clone(), whole);
                }
            }
            ("websocket", _) | ("http2", "data") => {
                row.insert("payload".into(), vec![Value::from(hex(&bytes))]);
            }
            _ => {}
        }
        rows.entry(key).or_default().push(row);
    }
    rows
}

/// What a call says of its heads, and what HTTP calls that.
const HEADS: [(&str, &str); 5] = [
    ("path", "http.request.uri"),
    ("http_method", "http.request.method"),
    ("authority", "http.host"),
    ("http_status", "http.response.code"),
    ("content_type", "http.content_type"),
];

/// Requests and responses of HTTP/1 in order. Those of gRPC-Web and Connect are the call's
/// with us, and no event of HTTP: what the call says of them goes under HTTP's names.
fn our_heads(messages: &[Value]) -> Rows<Value> {
    let http1 = messages.iter().filter(|m| m["stream"].is_null());
    let heads: Vec<Value> = http1
        .filter_map(|m| {
            let protocol = text(&m["protocol"]);
            match (protocol.as_str(), m["kind"].as_str()) {
                ("http", _) => Some(m.clone()),
                ("grpc" | "connect", Some("request" | "response")) => {
                    let said = |name: &str| m["fields"].get(format!("{protocol}.{name}")).cloned();
                    let fields =
                        HEADS.iter().filter_map(|(a, b)| Some(((*b).to_owned(), said(a)?)));
                    let mut head = m.clone();
                    head["fields"] = Value::Object(fields.collect());
                    head["fields"][OF_CALL] = Value::from(protocol);
                    head["protocol"] = Value::from("http");
                    Some(head)
                }
                _ => None,
            }
        })
        .collect();
    our_rows(&heads, "http")
}

/// Marks a row that a call's head became.
const OF_CALL: &str = "http.of_call";

/// Leaves of tshark's heads what the call says, where the head is a call's.
fn heads_of_calls(ours: &mut Rows<Value>, theirs: &mut Rows<Field>) {
    for (key, rows) in ours {
        let theirs = theirs.get_mut(key).map_or(&mut [][..], |v| v);
        for (i, row) in rows.iter_mut().enumerate() {
            let Some(protocol) = row.remove(OF_CALL) else { continue };
            let Some(theirs) = theirs.get_mut(i) else { continue };
            theirs.retain(|n, _| HEADS.iter().any(|(_, name)| n == name));
            // gRPC has no field for the method: it is POST always.
            if protocol[0] == "grpc" {
                theirs.remove("http.request.method");
            }
            // Behind the path of a Connect GET is the message.
            for f in theirs.get_mut("http.request.uri").into_iter().flatten() {
                f.show.truncate(f.show.find('?').unwrap_or(f.show.len()));
            }
        }
    }
}

fn our_row(event: &Value) -> Row<Value> {
    let fields = event["fields"].as_object().expect("every event has fields");
    let all = |v: &Value| v.as_array().cloned().unwrap_or_else(|| vec![v.clone()]);
    fields.iter().map(|(k, v)| (k.clone(), all(v))).collect()
}

/// Texts and bytes of whole WebSocket messages, inflated.
fn our_texts(messages: &[Value]) -> Rows<Value> {
    let mut rows: Rows<Value> = BTreeMap::new();
    for m in messages.iter().filter(|m| m["protocol"] == "websocket") {
        if !matches!(m["kind"].as_str(), Some("text" | "binary")) {
            continue;
        }
        let key = format!("messages {} > {}", text(&m["from"]), text(&m["to"]));
        let bytes = m["payload"]["text"].as_str().map_or_else(
            || unbase64(m["payload"]["base64"].as_str().unwrap_or_default()),
            |t| t.as_bytes().to_vec(),
        );
        let row = BTreeMap::from([("message".to_owned(), vec![Value::from(hex(&bytes))])]);
        rows.entry(key).or_default().push(row);
    }
    rows
}

/// The same from tshark: it shows a whole message with the frame that ends it.
fn their_texts(packets: &[Packet]) -> Rows<Field> {
    let mut rows: Rows<Field> = BTreeMap::new();
    for (from, frame) in their_frames(packets, "websocket") {
        let is = |n: &str, v: &str| frame.iter().any(|f| f.name == n && f.show == v);
        let control = ["8", "9", "10"].iter().any(|o| is("websocket.opcode", o));
        if control || !is("websocket.fin", "1") {
            continue;
        }
        let mut row = their_row([].into_iter());
        row.insert("message".into(), vec![payload(&frame)]);
        rows.entry(format!("messages {from}")).or_default().push(row);
    }
    rows
}

fn their_rows(packets: &[Packet], protocol: &str) -> Rows<Field> {
    let mut rows: Rows<Field> = BTreeMap::new();
    let prefix = format!("{protocol}.");
    for (from, frame) in their_frames(packets, protocol) {
        let mut row = their_row(frame.iter().filter(|f| f.name.starts_with(&prefix)));
        let show = |n: &str| frame.iter().find(|f| f.name == n).map_or("", |f| f.show.as_str());
        if protocol == "websocket" && show("websocket.fin") == "1" {
            row.insert("payload".into(), vec![payload(&frame)]);
        } else if protocol == "http2" && show("http2.type") == "0" {
            let names = ["http2.data.segment", "http2.data.data"];
            let found = frame.iter().find(|f| names.contains(&f.name.as_str()));
            let mut f = found.cloned().unwrap_or_else(|| Field {
                name: "payload".into(),
                show: String::new(),
                value: String::new(),
            });
            // The last frame of a body shows the whole body: its own bytes end it.
            if row.contains_key("http2.body.fragments") {
                let own = number(show("http2.length")).map_or(0, |n| 2 * n as usize);
                f.value = f.value.split_off(f.value.len().saturating_sub(own));
            }
            row.insert("payload".into(), vec![f]);
        }
        rows.entry(format!("{protocol} {from}")).or_default().push(row);
    }
    rows
}

/// Frames of a protocol with sender and receiver: all fields from the one that begins
/// a frame to the one that begins the next.
fn their_frames(packets: &[Packet], protocol: &str) -> Vec<(String, Vec<Field>)> {
    let mut frames: Vec<(String, Vec<Field>)> = Vec::new();
    for p in packets {
        let find = |names: [&str; 2]| {
            p.iter().find(|f| names.contains(&f.name.as_str())).map_or("", |f| f.show.as_str())
        };
        let end = |address: &str, port: &str| {
            if address.contains(':') {
                format!("[{address}]:{port}")
            } else {
                format!("{address}:{port}")
            }
        };
        let from = end(find(["ip.src", "ipv6.src"]), find(["tcp.srcport", "-"]));
        let to = end(find(["ip.dst", "ipv6.dst"]), find(["tcp.dstport", "-"]));
        let mut inside = false;
        for f in p {
            let begins = match protocol {
                "websocket" => f.name == "websocket.fin",
                "http2" => f.name == "http2.stream",
                // The protocol itself: a head, with the body that follows it.
                "http" => f.name == "http",
                _ => f.name == "grpc.frame_type",
            };
            if begins {
                frames.push((format!("{from} > {to}"), Vec::new()));
                inside = true;
            }
            if inside {
                frames.last_mut().expect("one has begun").1.push(f.clone());
            }
        }
    }
    frames
}

fn their_row<'a>(fields: impl Iterator<Item = &'a Field>) -> Row<Field> {
    let mut row: Row<Field> = BTreeMap::new();
    for f in fields {
        row.entry(f.name.clone()).or_default().push(f.clone());
    }
    row
}

/// The bytes of a WebSocket frame's payload, wherever tshark shows them.
fn payload(frame: &[Field]) -> Field {
    let names = [
        "websocket.payload.text",
        "websocket.payload.ping",
        "websocket.payload.pong",
        "websocket.payload.continue",
        "data.data",
    ];
    let mut value = String::new();
    if let Some(f) = frame.iter().find(|f| names.contains(&f.name.as_str())) {
        value.clone_from(&f.value);
    }
    let close = ["websocket.payload.close.status_code", "websocket.payload.close.reason"];
    for f in frame.iter().filter(|f| close.contains(&f.name.as_str())) {
        value.push_str(&f.value);
    }
    Field { name: "payload".into(), show: value.clone(), value }
}

/// Whether a value of ours says what tshark says.
fn equal(ours: &Value, theirs: &Field) -> bool {
    match ours {
        Value::Bool(b) => matches!(
            (b, theirs.show.as_str()),
            (true, "1" | "True" | "") | (false, "0" | "False" | "0x00000000" | "0x00")
        ),
        Value::Number(n) => n.as_u64().is_some_and(|n| number(&theirs.show) == Some(n)),
        Value::String(s) => {
            *s == theirs.show
                || *s == theirs.show.replace(':', "")
                || *s == theirs.value
                || (hex(s.as_bytes()) == theirs.value)
        }
        _ => false,
    }
}

fn number(text: &str) -> Option<u64> {
    match text.strip_prefix("0x") {
        Some(h) => u64::from_str_radix(h, 16).ok(),
        None => text.parse().ok(),
    }
}

fn text(v: &Value) -> String {
    v.as_str().map_or_else(|| v.to_string(), str::to_owned)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unbase64(text: &str) -> Vec<u8> {
    base64::engine::general_purpose::STANDARD.decode(text).expect("base64")
}

fn nanoseconds(event: &Value) -> u64 {
    let time: jiff::Timestamp = text(&event["time"]).parse().expect("RFC 3339");
    u64::try_from(time.as_nanosecond()).expect("after 1970")
}
