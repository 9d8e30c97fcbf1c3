//! STOMP 1.0, 1.1 and 1.2: frames of a command, headers and a body.
//!
//! By the subprotocols `v10.stomp`, `v11.stomp`, `v12.stomp`, and by content where a
//! session begins (CONNECT or STOMP with `accept-version`, CONNECTED); what follows
//! in that session is STOMP then.
//!
//! A frame may be split over messages: some clients do so with large ones, for servers
//! that take no large messages. It is read with the last of them.

use crate::base::BufferId;
use crate::base::limits::MAX_HELD_FRAME;
use crate::event::Detail;
use crate::field::Value;
use crate::finding::Finding;
use crate::proto::payload::common::{Sheet, json, short};
use crate::proto::payload::names::JSON;
use crate::proto::{PayloadDecoder, PayloadHint, Protocol};

fields! { "STOMP 1.2", [repeated];
    /// A frame.
    FRAME = "stomp.frame", "Frame", 0 Group, "A command, headers and a body.";
    /// Command.
    COMMAND = "stomp.command", "Command", 0 Text, "What the frame is.";
    /// End of a line.
    EOL = "stomp.eol", "End of line", 0 Bytes, "A line feed, before which a carriage return may stand.";
    /// Destination.
    DESTINATION = "stomp.destination", "Destination", 0 Text, "Where a message goes, or comes from.";
    /// Subscription.
    ID = "stomp.id", "Id", 0 Text, "A subscription, or the message that is acknowledged.";
    /// Receipt.
    RECEIPT = "stomp.receipt", "Receipt", 0 Text, "The receipt that is asked for, or given.";
    /// Body.
    BODY = "stomp.body", "Body", 0 Text, "What the frame carries.";
    /// Bytes.
    BODY_BYTES = "stomp.body_bytes", "Body", 0 Bytes, "What the frame carries, where it is no text.";
    /// End of a frame.
    NUL = "stomp.nul", "End of frame", 0 Bytes, "The NUL that ends the frame.";
    /// Heartbeat.
    HEARTBEAT = "stomp.heartbeat", "Heartbeat", 0 Bytes, "A line feed between frames: the peer is there.";
    /// What is no frame.
    REST = "stomp.unread", "Not read", 0 Bytes, "What is no frame.";
}

/// Headers.
pub static HEADER: crate::field::FieldSpec = crate::field::FieldSpec::new(
    "stomp.header",
    "Header",
    0,
    crate::field::Kind::Text,
    "STOMP 1.2",
    "A header of a frame; of equal ones the first counts.",
)
.header();

findings! {
    /// No such command.
    COMMAND_UNKNOWN = error("stomp.unknown-command", "STOMP 1.2, Augmented BNF", "The first line of a frame is no command.");
    /// No end.
    UNFINISHED = error("stomp.unfinished", "STOMP 1.2, STOMP Frames", "A frame has not the NUL that ends it, or ends before its headers do.");
    /// No colon.
    BAD_HEADER = error("stomp.bad-header", "STOMP 1.2, Augmented BNF", "A header has no colon.");
    /// No such escape.
    BAD_ESCAPE = error("stomp.bad-escape", "STOMP 1.2, Value Encoding", "A header has a backslash before what cannot be escaped.");
    /// The length is not that of the body.
    BAD_LENGTH = error("stomp.bad-length", "STOMP 1.2, Header content-length", "No NUL stands where content-length says that the body ends.");
}

/// The registry's line.
pub static PROTOCOL: Protocol = super::format("stomp", "STOMP", &[FIELDS, &[&HEADER]], FINDINGS);

/// The decoder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder;

const COMMANDS: &[&str] = &[
    "CONNECT",
    "STOMP",
    "CONNECTED",
    "SEND",
    "SUBSCRIBE",
    "UNSUBSCRIBE",
    "ACK",
    "NACK",
    "BEGIN",
    "COMMIT",
    "ABORT",
    "DISCONNECT",
    "MESSAGE",
    "RECEIPT",
    "ERROR",
];

/// Frames of one message that are read.
const MAX_FRAMES: usize = 256;
/// Headers of one frame that are read.
const MAX_HEADERS: usize = 1024;
/// Bytes of headers that may wait for the rest of them.
const MAX_HEADER_BYTES: usize = 16 << 10;

/// The first line is a command.
fn is_begun(data: &[u8]) -> bool {
    let Some(n) = memchr::memchr(b'\n', data) else { return false };
    let line = data.get(..n).unwrap_or_default();
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    COMMANDS.iter().any(|c| c.as_bytes() == line)
}

/// Whether these are the first bytes of a frame, and not all of it.
fn is_part(data: &[u8]) -> bool {
    if memchr::memchr(b'\n', data).is_none() {
        let line = data.strip_suffix(b"\r").unwrap_or(data);
        return COMMANDS.iter().any(|c| c.as_bytes().starts_with(line));
    }
    if !is_begun(data) {
        return false;
    }
    let (mut rest, mut length) = (data, None);
    loop {
        let Some(n) = memchr::memchr(b'\n', rest) else { return !data.contains(&0) };
        let (line, after) = rest.split_at_checked(n).unwrap_or((rest, &[]));
        rest = after.get(1..).unwrap_or_default();
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            break;
        }
        if data.len().saturating_sub(rest.len()) > MAX_HEADER_BYTES {
            return false;
        }
        if let (None, Some(v)) = (length, line.strip_prefix(b"content-length:")) {
            length = std::str::from_utf8(v).ok().and_then(|v| v.trim().parse::<usize>().ok());
        }
    }
    let ended = rest.trim_ascii_end().ends_with(&[0]);
    match length {
        // Where it ends with a NUL all the same, the length is wrong.
        Some(stated) => rest.len() <= stated && !ended,
        None => !rest.contains(&0),
    }
}

fn begins(data: &[u8]) -> bool {
    let head = data.get(..512).unwrap_or(data);
    let text = String::from_utf8_lossy(head);
    let mut lines = text.split('\n').map(|l| l.trim_end_matches('\r'));
    match lines.next() {
        Some("CONNECT" | "STOMP") => lines.any(|l| l.starts_with("accept-version:")),
        Some("CONNECTED") => lines.any(|l| l.starts_with("version:")),
        _ => false,
    }
}

impl PayloadDecoder for Decoder {
    fn demands(&self, hint: &PayloadHint<'_>) -> bool {
        hint.message.is_some_and(|m| {
            matches!(hint.media_type, "v10.stomp" | "v11.stomp" | "v12.stomp" | "stomp")
                || m.memo.get("stomp").is_some()
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
            if !begins(data) {
                return None;
            }
            message.memo.set("stomp", 0);
        }
        let told = self.demands(hint);
        let mut held = if told { message.memo.take_held(hint.side) } else { Vec::new() };
        let lost = told && message.memo.is_lost(hint.side);
        let unended = !held.is_empty() && is_begun(data);
        if lost || unended {
            held.clear();
        }
        let before = held.len();
        held.extend_from_slice(data);
        // Without a NUL in it, it cannot be the end of anything.
        let goes_on = before > 0 && !data.contains(&0);
        let data = held.as_slice();
        let mut r = Reader {
            data,
            at: 0,
            sheet: Sheet::new(detail, told).behind(before),
            plain: hint.media_type == "v10.stomp",
        };
        let mut lines = Vec::new();
        let mut part = None;
        if lost && !is_begun(data) && !matches!(data, [b'\n' | b'\r', ..]) {
            // The rest of a frame, mostly.
            r.rest_here();
            lines.push("(not read: a message before it is missing)".to_owned());
        } else if told {
            message.memo.set_lost(hint.side, false);
        }
        if unended && !lost {
            r.sheet.found(&UNFINISHED, "another frame begins before the NUL of the last one", 0, 0);
        }
        while r.at < data.len() && lines.len() < MAX_FRAMES {
            if matches!(r.peek(0), Some(b'\n' | b'\r')) {
                let beats = data.get(r.at..).unwrap_or_default();
                let n = beats.iter().take_while(|b| matches!(b, b'\n' | b'\r')).count();
                let to = r.at.saturating_add(n);
                // Behind a frame they end it, too.
                r.bytes(if lines.is_empty() { &HEARTBEAT } else { &EOL }, to);
                continue;
            }
            let rest = data.get(r.at..).unwrap_or_default();
            if told && (goes_on || is_part(rest)) {
                let word =
                    String::from_utf8_lossy(rest.split(|b| *b == b'\n').next().unwrap_or(rest));
                lines.push(format!("(part of {})", short(word.trim_end(), 40)));
                part = Some(r.at);
                r.rest_here();
                break;
            }
            lines.push(r.frame());
        }
        let line = match lines.as_slice() {
            [] => "STOMP heartbeat".to_owned(),
            [one] => format!("STOMP {one}"),
            [first, more @ ..] => format!("STOMP {first}; {} more", more.len()),
        };
        if !data.is_empty() {
            r.sheet.say(hint, &line);
        }
        let found = r.sheet.finish();
        if let Some(start) = part {
            held.drain(..start.min(held.len()));
            if held.len() <= MAX_HELD_FRAME {
                message.memo.hold(hint.side, held);
            } else {
                message.memo.set_lost(hint.side, true);
            }
        }
        Some(found)
    }
}

struct Reader<'a, 'd> {
    data: &'a [u8],
    at: usize,
    sheet: Sheet<'d>,
    /// 1.0: nothing is escaped.
    plain: bool,
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

impl<'a> Reader<'a, '_> {
    fn peek(&self, ahead: usize) -> Option<u8> {
        self.data.get(self.at.saturating_add(ahead)).copied()
    }

    /// Takes what is there up to `to`.
    fn take(&mut self, to: usize) -> (u32, u32, &'a [u8]) {
        let from = self.at;
        self.at = to.clamp(from, self.data.len());
        (place(from), place(self.at), self.data.get(from..self.at).unwrap_or_default())
    }

    fn bytes(&mut self, spec: &'static crate::field::FieldSpec, to: usize) {
        let (start, end, bytes) = self.take(to);
        if self.sheet.is_seen() {
            self.sheet.field(spec, start, end, Value::Bytes(bytes.into()));
        }
    }

    /// What is not read of this message; what lies in earlier ones is not shown again.
    fn rest_here(&mut self) {
        let (from, to) = (place(self.at), self.data.len());
        let first = self.sheet.first_here().max(self.at);
        self.at = to;
        if self.sheet.is_seen() {
            let bytes = self.data.get(first..).unwrap_or_default();
            self.sheet.field(&REST, from, place(to), Value::Bytes(bytes.into()));
        }
    }

    /// Where the line ends, and where its end ends; `None` without one.
    fn line(&self) -> Option<(usize, usize)> {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let n = memchr::memchr2(b'\n', 0, rest).filter(|n| rest.get(*n) == Some(&b'\n'))?;
        let text = if n > 0 && rest.get(n - 1) == Some(&b'\r') { n - 1 } else { n };
        Some((self.at + text, self.at + n + 1))
    }

    fn frame(&mut self) -> String {
        let start = self.at;
        self.sheet.open(&FRAME, place(start));
        let said = self.parts();
        self.sheet.close(place(self.at));
        said
    }

    fn unfinished(&mut self, what: &str) {
        let (from, to) = (place(self.at), place(self.data.len()));
        self.sheet.found(&UNFINISHED, what, from, to);
        self.bytes(&REST, self.data.len());
    }

    fn parts(&mut self) -> String {
        let Some((to, next)) = self.line() else {
            self.unfinished("the command has no end");
            return "(unfinished)".to_owned();
        };
        let (start, end, command) = self.take(to);
        let command = String::from_utf8_lossy(command).into_owned();
        self.sheet.field(&COMMAND, start, end, Value::Text(command.as_str().into()));
        self.bytes(&EOL, next);
        let mut line = short(&command, 40);
        if !COMMANDS.contains(&command.as_str()) {
            self.sheet.found(&COMMAND_UNKNOWN, short(&format!("{command:?}"), 40), start, end);
        }
        let escaped = !self.plain && !matches!(command.as_str(), "CONNECT" | "CONNECTED");
        let (mut length, mut media) = (None, String::new());
        for _ in 0..MAX_HEADERS {
            let Some((to, next)) = self.line() else {
                self.unfinished("the headers have no end");
                return line;
            };
            let (start, end, header) = self.take(to);
            if header.is_empty() {
                self.bytes(&EOL, next);
                return self.body(line, length, &media);
            }
            let text = String::from_utf8_lossy(header);
            let Some((name, value)) = text.split_once(':') else {
                self.sheet.found(&BAD_HEADER, short(&text, 60), start, end);
                let id = self.sheet.field(&HEADER, start, end, Value::Text("".into()));
                self.sheet.name(id, &text);
                self.bytes(&EOL, next);
                continue;
            };
            let name = self.unescape(name, escaped, start, end);
            let value = self.unescape(value, escaped, start, end);
            let spec = match name.as_str() {
                "destination" => &DESTINATION,
                "id" | "message-id" | "subscription" => &ID,
                "receipt" | "receipt-id" => &RECEIPT,
                _ => &HEADER,
            };
            let id = self.sheet.field(spec, start, end, Value::Text(value.as_str().into()));
            self.sheet.name(id, &name);
            match name.as_str() {
                "content-length" if length.is_none() => length = value.parse::<usize>().ok(),
                "content-type" if media.is_empty() => media.clone_from(&value),
                "destination" => line.push_str(&format!(" {}", short(&value, 80))),
                "message" => line.push_str(&format!(" {:?}", short(&value, 80))),
                "id" | "subscription" | "receipt-id" | "version" | "accept-version"
                | "heart-beat" => {
                    line.push_str(&format!(" {name} {}", short(&value, 40)));
                }
                _ => {}
            }
            self.bytes(&EOL, next);
        }
        self.unfinished("more headers than are read");
        line
    }

    fn unescape(&mut self, text: &str, escaped: bool, start: u32, end: u32) -> String {
        if !escaped || !text.contains('\\') {
            return text.to_owned();
        }
        let mut out = String::new();
        let mut chars = text.chars();
        while let Some(c) = chars.next() {
            if c != '\\' {
                out.push(c);
                continue;
            }
            match chars.next() {
                Some('r') => out.push('\r'),
                Some('n') => out.push('\n'),
                Some('c') => out.push(':'),
                Some('\\') => out.push('\\'),
                other => {
                    let what = format!("\\{}", other.map(String::from).unwrap_or_default());
                    self.sheet.found(&BAD_ESCAPE, what.as_str(), start, end);
                    out.push_str(&what);
                }
            }
        }
        out
    }

    fn body(&mut self, mut line: String, length: Option<usize>, media: &str) -> String {
        let rest = self.data.get(self.at..).unwrap_or_default();
        let mut n = memchr::memchr(0, rest);
        if let Some(stated) = length {
            if rest.get(stated) == Some(&0) {
                n = Some(stated);
            } else {
                let (from, to) = (place(self.at), place(self.data.len()));
                let is = n.map_or("no NUL".to_owned(), |n| format!("NUL after {n} bytes"));
                self.sheet.found(&BAD_LENGTH, format!("{stated} stated, {is}"), from, to);
            }
        }
        let at = place(self.at);
        let (start, end, body) = self.take(self.at.saturating_add(n.unwrap_or(rest.len())));
        if !body.is_empty() {
            match simdutf8::basic::from_utf8(body) {
                Ok(text) => {
                    line.push_str(&format!(" {}", short(text, 80)));
                    if self.sheet.is_seen() {
                        self.sheet.field(&BODY, start, end, Value::Text(text.into()));
                    }
                }
                Err(_) if self.sheet.is_seen() => {
                    self.sheet.field(&BODY_BYTES, start, end, Value::Bytes(body.into()));
                }
                Err(_) => {}
            }
            let says_json = media.starts_with("application/json") || media.contains("+json");
            if says_json || self.sheet.is_seen() && json::looks_like(body) {
                let doc = json::parse(body, at);
                if says_json || !doc.is_broken() {
                    self.sheet.value(&doc, &JSON);
                    self.sheet.rest(&doc, &JSON, body, at);
                }
            }
        }
        if n.is_some() {
            self.bytes(&NUL, self.at.saturating_add(1));
        } else {
            self.sheet.found(&UNFINISHED, "no NUL ends it", start, end);
        }
        line
    }
}
