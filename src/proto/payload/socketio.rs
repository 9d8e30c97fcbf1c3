//! Socket.IO and the Engine.IO below it: protocols 3 and 4 of Engine.IO, 4 and 5 of
//! Socket.IO.
//!
//! By the path `/socket.io/` or a query with `EIO=`, and by content where a
//! session begins with Engine.IO's open packet.

use crate::base::BufferId;
use crate::event::Detail;
use crate::field::Value;
use crate::finding::Finding;
use crate::proto::payload::common::{At, Sheet, json, short};
use crate::proto::payload::names::JSON;
use crate::proto::{PayloadDecoder, PayloadHint, Protocol};

fields! { "Engine.IO and Socket.IO protocols", [];
    /// Engine.IO's type.
    ENGINE_TYPE = "engineio.type", "Engine.IO packet", 8 Enumerated(engine_name), "What the packet is: a digit.";
    /// The session.
    SID = "engineio.sid", "Session id", 0 Text, "The session, which a change of transport keeps.";
    /// Ping interval.
    PING_INTERVAL = "engineio.ping_interval", "Ping interval", 0 Unsigned, "Milliseconds between two pings.";
    /// Ping timeout.
    PING_TIMEOUT = "engineio.ping_timeout", "Ping timeout", 0 Unsigned, "Milliseconds that an answer to a ping may take.";
    /// Data.
    DATA = "engineio.data", "Data", 0 Text, "What a ping or a pong carries: `probe` before a change of transport.";
    /// Binary data.
    BINARY = "engineio.binary", "Binary data", 0 Bytes, "Bytes: an attachment of the message before.";
    /// Socket.IO's type.
    TYPE = "socketio.type", "Socket.IO packet", 8 Enumerated(socket_name), "What the packet is: a digit.";
    /// Attachments.
    ATTACHMENTS = "socketio.attachments", "Attachments", 0 Unsigned, "How many messages with bytes belong to it and follow.";
    /// Separator.
    SEPARATOR = "socketio.separator", "Separator", 0 Text, "What parts the attachments from what follows, or the namespace.";
    /// Namespace.
    NAMESPACE = "socketio.namespace", "Namespace", 0 Text, "Which of the sessions on one connection: `/` where none is named.";
    /// Acknowledgement.
    ACK = "socketio.ack_id", "Acknowledgement id", 0 Unsigned, "The event that wants an answer, or is answered.";
    /// Event.
    EVENT = "socketio.event", "Event", 0 Text, "The name of the event.";
    /// Error.
    ERROR = "socketio.error", "Error", 0 Text, "Why a namespace was refused.";
}

findings! {
    /// Not a packet.
    BAD_PACKET = error("socketio.bad-packet", "Engine.IO and Socket.IO protocols", "A message is no packet: its first characters are no type, or what a type demands is missing.");
}

/// The registry's line.
pub static PROTOCOL: Protocol = super::format("socketio", "Socket.IO", &[FIELDS], FINDINGS);

/// The decoder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder;

fn engine_name(v: u64) -> Option<&'static str> {
    ["open", "close", "ping", "pong", "message", "upgrade", "noop"]
        .get(usize::try_from(v).ok()?)
        .copied()
}

fn socket_name(v: u64) -> Option<&'static str> {
    ["CONNECT", "DISCONNECT", "EVENT", "ACK", "CONNECT_ERROR", "BINARY_EVENT", "BINARY_ACK"]
        .get(usize::try_from(v).ok()?)
        .copied()
}

/// `EIO=` of the query, or what the path says.
fn by_path(path: &str) -> bool {
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    query.split('&').any(|p| p.starts_with("EIO="))
        || path.trim_end_matches('/').ends_with("/socket.io")
        || path.trim_end_matches('/').ends_with("/engine.io")
}

/// Of protocol 3, bytes have their type before them, as a byte.
fn typed_bytes(path: &str) -> bool {
    path.split_once('?').is_some_and(|(_, q)| q.split('&').any(|p| p == "EIO=3"))
}

fn is_open(data: &[u8]) -> bool {
    let Some(rest) = data.strip_prefix(b"0") else { return false };
    if !rest.starts_with(b"{") {
        return false;
    }
    let doc = json::parse(rest, 1);
    let root = doc.root();
    !doc.is_broken()
        && root.is_some_and(|r| {
            r.get("sid").and_then(At::text).is_some()
                && r.get("pingInterval").and_then(At::number).is_some()
                && r.get("upgrades").is_some_and(At::is_list)
        })
}

impl PayloadDecoder for Decoder {
    fn demands(&self, hint: &PayloadHint<'_>) -> bool {
        hint.message.is_some_and(|m| {
            matches!(hint.media_type, "socket.io" | "engine.io")
                || m.memo.get("socketio").is_some()
                || hint.media_type.is_empty() && by_path(hint.path)
        })
    }

    fn decode(
        &self,
        hint: &PayloadHint<'_>,
        data: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        let message = hint.message?;
        if !self.demands(hint) {
            if message.binary || !is_open(data) {
                return None;
            }
            message.memo.set("socketio", 0);
        }
        let mut sheet = Sheet::new(detail, self.demands(hint));
        let line =
            if message.binary { bytes(&mut sheet, hint, data) } else { text(&mut sheet, data) };
        sheet.say(hint, &line);
        Some(sheet.finish())
    }
}

fn length(data: &[u8]) -> u32 {
    u32::try_from(data.len()).unwrap_or(u32::MAX)
}

/// A message of bytes: an attachment.
fn bytes(sheet: &mut Sheet<'_>, hint: &PayloadHint<'_>, data: &[u8]) -> String {
    let mut at = 0;
    if typed_bytes(hint.path)
        && let Some(kind) = data.first().filter(|k| **k <= 6)
    {
        sheet.field(&ENGINE_TYPE, 0, 1, Value::U64((*kind).into()));
        at = 1;
    }
    let rest = data.get(at as usize..).unwrap_or_default();
    if sheet.is_seen() {
        sheet.field(&BINARY, at, length(data), Value::Bytes(rest.into()));
    }
    let unit = if rest.len() == 1 { "byte" } else { "bytes" };
    format!("Socket.IO attachment, {} {unit}", rest.len())
}

/// A message of text: an Engine.IO packet.
fn text(sheet: &mut Sheet<'_>, data: &[u8]) -> String {
    let end = length(data);
    let digit = data.first().copied().filter(|d| (b'0'..=b'6').contains(d));
    let Some(digit) = digit else {
        sheet.found(&BAD_PACKET, "its first character is no type", 0, end.min(1));
        sheet.text(&DATA, 0, end, data);
        return format!("Engine.IO? {}", short(&String::from_utf8_lossy(data), 100));
    };
    let kind = u64::from(digit - b'0');
    sheet.field(&ENGINE_TYPE, 0, 1, Value::U64(kind));
    let name = engine_name(kind).unwrap_or_default();
    let rest = data.get(1..).unwrap_or_default();
    match kind {
        0 => {
            let doc = json::parse(rest, 1);
            let mut line = "Engine.IO open".to_owned();
            if let Some(root) = doc.root() {
                for (key, spec, before, after) in [
                    ("sid", &SID, " ", ""),
                    ("pingInterval", &PING_INTERVAL, " ping every ", " ms"),
                    ("pingTimeout", &PING_TIMEOUT, " timeout ", " ms"),
                ] {
                    if let Some(v) = root.get(key) {
                        sheet.copy(spec, v);
                        line.push_str(&format!(
                            "{before}{}{after}",
                            short(&v.plain().unwrap_or_default(), 60)
                        ));
                    }
                }
            }
            sheet.value(&doc, &JSON);
            sheet.rest(&doc, &JSON, rest, 1);
            line
        }
        4 if !rest.is_empty() => packet(sheet, rest),
        _ => {
            sheet.text(&DATA, 1, end, rest);
            let shown = short(&String::from_utf8_lossy(rest), 60);
            format!("Engine.IO {name} {shown}").trim_end().to_owned()
        }
    }
}

/// A Socket.IO packet, which begins at byte 1:
/// `TYPE[ATTACHMENTS-][/NAMESPACE,][ACK]JSON`.
fn packet(sheet: &mut Sheet<'_>, data: &[u8]) -> String {
    let end = length(data).saturating_add(1);
    let digit = data.first().copied().filter(|d| (b'0'..=b'6').contains(d));
    let Some(digit) = digit else {
        // Engine.IO without Socket.IO above it: any text.
        sheet.found(&BAD_PACKET, "its second character is no type", 1, end.min(2));
        sheet.text(&DATA, 1, end, data);
        return format!("Engine.IO message {}", short(&String::from_utf8_lossy(data), 100));
    };
    let kind = u64::from(digit - b'0');
    sheet.field(&TYPE, 1, 2, Value::U64(kind));
    let mut line = format!("Socket.IO {}", socket_name(kind).unwrap_or_default());
    let mut at = 1_usize;
    let place = |at: usize| u32::try_from(at.saturating_add(1)).unwrap_or(u32::MAX);
    if matches!(kind, 5 | 6) {
        let rest = data.get(at..).unwrap_or_default();
        let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        if digits > 0 && rest.get(digits) == Some(&b'-') {
            let n = number(rest.get(..digits).unwrap_or_default());
            sheet.field(&ATTACHMENTS, place(at), place(at + digits), Value::U64(n));
            sheet.field(
                &SEPARATOR,
                place(at + digits),
                place(at + digits + 1),
                Value::Text("-".into()),
            );
            line.push_str(&format!(" +{n}"));
            at += digits + 1;
        } else {
            sheet.found(&BAD_PACKET, "the number of attachments is missing", 1, end.min(2));
        }
    }
    let rest = data.get(at..).unwrap_or_default();
    let mut namespace = "/".to_owned();
    if rest.first() == Some(&b'/') {
        let n = memchr::memchr(b',', rest).unwrap_or(rest.len());
        let name = rest.get(..n).unwrap_or_default();
        namespace = String::from_utf8_lossy(name).into_owned();
        sheet.text(&NAMESPACE, place(at), place(at + n), name);
        if n < rest.len() {
            sheet.field(&SEPARATOR, place(at + n), place(at + n + 1), Value::Text(",".into()));
        }
        at = at.saturating_add(n).saturating_add(1).min(data.len());
    } else {
        sheet.computed(&NAMESPACE, Value::Text("/".into()));
    }
    let rest = data.get(at..).unwrap_or_default();
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut ack = String::new();
    if digits > 0 {
        let n = number(rest.get(..digits).unwrap_or_default());
        sheet.field(&ACK, place(at), place(at + digits), Value::U64(n));
        ack = format!(" ack {n}");
        at += digits;
    }
    line.push_str(&format!(" {}", short(&namespace, 60)));
    let rest = data.get(at..).unwrap_or_default();
    if rest.is_empty() {
        if matches!(kind, 2 | 3 | 5 | 6) {
            sheet.found(&BAD_PACKET, "its payload is missing", 1, end);
        }
        return format!("{line}{ack}");
    }
    let doc = json::parse(rest, place(at));
    if let Some(root) = doc.root() {
        let mut shown = root;
        if matches!(kind, 2 | 5) {
            match root.nth(0) {
                Some(event) => {
                    sheet.copy(&EVENT, event);
                    line.push_str(&format!(" {}", event.line(60)));
                    shown = root.nth(1).unwrap_or(event);
                }
                None => sheet.found(&BAD_PACKET, "an event without a name", place(at), end),
            }
            line.push_str(&ack);
            if root.nth(1).is_some() {
                line.push_str(&format!(" {}", shown.line(80)));
            }
        } else {
            line.push_str(&ack);
            if kind == 4 {
                sheet.copy(&ERROR, root.get("message").unwrap_or(root));
            }
            line.push_str(&format!(" {}", shown.line(80)));
        }
    }
    sheet.value(&doc, &JSON);
    sheet.rest(&doc, &JSON, rest, place(at));
    line
}

fn number(digits: &[u8]) -> u64 {
    digits
        .iter()
        .fold(0_u64, |n, d| n.saturating_mul(10).saturating_add(u64::from(d.saturating_sub(b'0'))))
}
