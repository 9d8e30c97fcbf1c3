//! SignalR's hub protocol, in JSON (records that end in 0x1e) and in MessagePack
//! (records behind their length).
//!
//! It has no subprotocol: a session is known by its handshake
//! (`{"protocol":"json","version":1}` and 0x1e), and one whose handshake was not
//! captured by records that end so, each with a type and what that type must have.

use crate::base::BufferId;
use crate::event::Detail;
use crate::field::Value;
use crate::finding::Finding;
use crate::proto::payload::common::{At, Doc, Item, Sheet, json, msgpack, short};
use crate::proto::payload::names::{JSON, MSGPACK};
use crate::proto::{PayloadDecoder, PayloadHint, Protocol};

fields! { "SignalR Hub Protocol", [repeated];
    /// A record.
    RECORD = "signalr.record", "Record", 0 Group, "One message of the hub protocol.";
    /// Length.
    LENGTH = "signalr.length", "Length", 0 Unsigned, "Bytes of the record, in groups of seven bits, the low one first.";
    /// End of a record.
    END = "signalr.end", "End of record", 0 Bytes, "The byte 0x1e, which ends a record in JSON.";
    /// Type.
    TYPE = "signalr.type", "Type", 0 Enumerated(type_name), "What the record is.";
    /// Target.
    TARGET = "signalr.target", "Target", 0 Text, "The method that is called.";
    /// Invocation.
    INVOCATION = "signalr.invocation_id", "Invocation", 0 Text, "What a call and its answers have in common.";
    /// Error.
    ERROR = "signalr.error", "Error", 0 Text, "Why a call failed, or the connection is closed.";
    /// Of the handshake.
    PROTOCOL_NAME = "signalr.protocol", "Protocol", 0 Text, "The notation that the client asks for: json or messagepack.";
    /// Of the handshake.
    VERSION = "signalr.version", "Version", 0 Unsigned, "The version of that notation.";
    /// Kind of result.
    RESULT_KIND = "signalr.result_kind", "Result kind", 0 Enumerated(result_name), "Whether a call failed, gave nothing, or gave a value.";
}

findings! {
    /// Not a record.
    MALFORMED = error("signalr.malformed", "SignalR Hub Protocol", "A record has no type that is known, or not what its type must have, or has no end.");
}

/// The registry's line.
pub static PROTOCOL: Protocol = super::format("signalr", "SignalR", &[FIELDS], FINDINGS);

/// The decoder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder;

const END_BYTE: u8 = 0x1e;
/// Records of one message that are read.
const MAX_RECORDS: usize = 1024;

fn type_name(v: u64) -> Option<&'static str> {
    Some(match v {
        1 => "Invocation",
        2 => "StreamItem",
        3 => "Completion",
        4 => "StreamInvocation",
        5 => "CancelInvocation",
        6 => "Ping",
        7 => "Close",
        8 => "Ack",
        9 => "Sequence",
        _ => return None,
    })
}

fn result_name(v: u64) -> Option<&'static str> {
    Some(match v {
        1 => "error",
        2 => "void",
        3 => "value",
        _ => return None,
    })
}

/// What a record is.
enum Form<'a> {
    Handshake,
    /// An answer to it: `{}`, or an error.
    Answer,
    Record(u64, At<'a>),
    Unknown,
}

fn form(root: At<'_>) -> Form<'_> {
    if root.is_list() {
        return match root.nth(0).and_then(|t| Some((t.number()?, t))) {
            Some((n, t)) if type_name(n).is_some() => Form::Record(n, t),
            _ => Form::Unknown,
        };
    }
    match root.get("type").and_then(|t| Some((t.number()?, t))) {
        Some((n, t)) if type_name(n).is_some() => Form::Record(n, t),
        Some(_) => Form::Unknown,
        None if root.get("protocol").is_some() && root.get("version").is_some() => Form::Handshake,
        None if root.is_map()
            && root
                .children()
                .all(|c| c.part().key.as_ref().is_some_and(|k| &*k.text == "error")) =>
        {
            Form::Answer
        }
        None => Form::Unknown,
    }
}

/// The parts of a record by their names, in either notation: target, invocation,
/// error, arguments, what comes out.
struct Parts<'a> {
    target: Option<At<'a>>,
    invocation: Option<At<'a>>,
    error: Option<At<'a>>,
    arguments: Option<At<'a>>,
    item: Option<At<'a>>,
    kind: Option<At<'a>>,
}

fn parts(root: At<'_>, number: u64) -> Parts<'_> {
    if !root.is_list() {
        return Parts {
            target: root.get("target"),
            invocation: root.get("invocationId"),
            error: root.get("error"),
            arguments: root.get("arguments"),
            item: root.get("item").or_else(|| root.get("result")),
            kind: None,
        };
    }
    let text = |n: usize| root.nth(n).filter(|a| a.text().is_some());
    let calls = matches!(number, 1 | 4);
    let kind = root.nth(3).filter(|_| number == 3);
    let failed = kind.and_then(At::number) == Some(1);
    Parts {
        target: text(3).filter(|_| calls),
        invocation: text(2).filter(|_| number < 6),
        error: match number {
            3 if failed => text(4),
            7 => text(1),
            _ => None,
        },
        arguments: root.nth(4).filter(|_| calls),
        item: match number {
            2 => root.nth(3),
            3 if !failed => root.nth(4),
            _ => None,
        },
        kind,
    }
}

/// What a type must have and has not.
fn missing(number: u64, p: &Parts<'_>, list: bool) -> Option<&'static str> {
    match number {
        1 | 4 if p.target.is_none() => Some("no target"),
        1 | 4 if !p.arguments.is_some_and(At::is_list) => Some("no arguments"),
        2..=5 if p.invocation.is_none() => Some("no invocation id"),
        3 if list && p.kind.and_then(At::number).and_then(result_name).is_none() => {
            Some("no result kind")
        }
        _ => None,
    }
}

fn is_good(doc: &Doc) -> bool {
    !doc.is_broken()
        && doc.root().is_some_and(|root| match form(root) {
            Form::Handshake => true,
            Form::Record(n, _) => missing(n, &parts(root, n), root.is_list()).is_none(),
            Form::Answer | Form::Unknown => false,
        })
}

/// One record: where it begins, where what it says lies, where it ends.
struct Piece {
    start: usize,
    body: (usize, usize),
    end: usize,
    /// Its end was there.
    whole: bool,
}

/// The records of a message.
fn pieces(data: &[u8], packed: bool) -> Vec<Piece> {
    let mut found = Vec::new();
    let mut at = 0_usize;
    while at < data.len() && found.len() < MAX_RECORDS {
        let rest = data.get(at..).unwrap_or_default();
        let piece = if packed {
            let head =
                rest.iter().take(5).position(|b| *b < 0x80).map_or(rest.len().min(5), |n| n + 1);
            let bytes = rest.get(..head).unwrap_or_default();
            let len = bytes.iter().rev().fold(0_usize, |n, b| n << 7 | usize::from(b & 0x7f));
            let body = at.saturating_add(head);
            let end = body.saturating_add(len);
            let whole = end <= data.len() && bytes.last().is_some_and(|b| *b < 0x80);
            let end = end.min(data.len());
            Piece { start: at, body: (body, end), end, whole }
        } else {
            let n = memchr::memchr(END_BYTE, rest);
            let body = at.saturating_add(n.unwrap_or(rest.len()));
            Piece {
                start: at,
                body: (at, body),
                end: body.saturating_add(1).min(data.len()),
                whole: n.is_some(),
            }
        };
        at = piece.end.max(at.saturating_add(1));
        found.push(piece);
    }
    found
}

fn place(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn read(data: &[u8], piece: &Piece, packed: bool) -> Doc {
    let body = data.get(piece.body.0..piece.body.1).unwrap_or_default();
    if packed {
        msgpack::parse(body, place(piece.body.0))
    } else {
        json::parse(body, place(piece.body.0))
    }
}

/// Whether the content alone tells: the first record is whole and as it must be,
/// and behind the last there is nothing.
fn tells(data: &[u8], binary: bool) -> bool {
    if !binary {
        if data.first() != Some(&b'{') || data.last() != Some(&END_BYTE) {
            return false;
        }
        return pieces(data, false).first().is_some_and(|p| is_good(&read(data, p, false)));
    }
    let all = pieces(data, true);
    !all.is_empty()
        && all.iter().all(|p| {
            // An array of up to fifteen, whose first element is the type.
            let head = data.get(p.body.0..).unwrap_or_default();
            p.whole && matches!(head, [0x91..=0x97, 1..=9, ..]) && {
                let doc = read(data, p, true);
                doc.end == place(p.body.1) && is_good(&doc)
            }
        })
}

impl PayloadDecoder for Decoder {
    fn demands(&self, hint: &PayloadHint<'_>) -> bool {
        hint.message
            .is_some_and(|m| hint.media_type == "signalr" || m.memo.get("signalr").is_some())
    }

    fn decode(
        &self,
        hint: &PayloadHint<'_>,
        data: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        let message = hint.message?;
        let claimed = self.demands(hint);
        if !claimed {
            if !tells(data, message.binary) {
                return None;
            }
            message.memo.set("signalr", 0);
        }
        // Text and bytes are the same to a hub: the handshake comes as either.
        let packed = data.first() != Some(&b'{') && message.binary;
        let mut sheet = Sheet::new(detail, self.demands(hint));
        let mut lines = Vec::new();
        let all = pieces(data, packed);
        for piece in &all {
            lines.push(record(&mut sheet, data, piece, packed));
        }
        let read = all.last().map_or(0, |p| p.end);
        if read < data.len() {
            sheet.found(&MALFORMED, "more records than are read", place(read), place(data.len()));
        }
        if let Some(first) = lines.first() {
            let more = match lines.len() {
                1 => String::new(),
                n => format!("; {} more", n - 1),
            };
            sheet.say(hint, &format!("SignalR {first}{more}"));
        }
        Some(sheet.finish())
    }
}

/// One record, and what a line says of it.
fn record(sheet: &mut Sheet<'_>, data: &[u8], piece: &Piece, packed: bool) -> String {
    let (start, end) = (place(piece.start), place(piece.end));
    sheet.open(&RECORD, start);
    if packed {
        let length = piece.body.1.saturating_sub(piece.body.0) as u64;
        sheet.field(&LENGTH, start, place(piece.body.0), Value::U64(length));
    }
    let doc = read(data, piece, packed);
    let names = if packed { &MSGPACK } else { &JSON };
    let mut line = "record".to_owned();
    if !piece.whole {
        sheet.found(&MALFORMED, "it has no end", start, end);
    }
    if let Some(root) = doc.root() {
        match form(root) {
            Form::Handshake => {
                line = "handshake".to_owned();
                for (key, spec) in [("protocol", &PROTOCOL_NAME), ("version", &VERSION)] {
                    if let Some(v) = root.get(key) {
                        sheet.copy(spec, v);
                        line.push_str(&format!(" {}", short(&v.plain().unwrap_or_default(), 40)));
                    }
                }
            }
            Form::Answer => {
                line = "handshake answer".to_owned();
                if let Some(e) = root.get("error") {
                    sheet.copy(&ERROR, e);
                    line.push_str(&format!(" {}", e.line(100)));
                }
            }
            Form::Record(number, kind) => line = known(sheet, root, number, kind, &doc),
            Form::Unknown => sheet.found(&MALFORMED, "no type that is known", start, end),
        }
    }
    sheet.value(&doc, names);
    let body = data.get(piece.body.0..piece.body.1).unwrap_or_default();
    sheet.rest(&doc, names, body, place(piece.body.0));
    if packed && !doc.is_broken() && doc.end < place(piece.body.1) {
        sheet.found(&MALFORMED, "more behind the value", doc.end, end);
    }
    if !packed && piece.whole {
        sheet.field(&END, place(piece.body.1), end, Value::Bytes([END_BYTE].into()));
    }
    sheet.close(end);
    line
}

fn known(sheet: &mut Sheet<'_>, root: At<'_>, number: u64, kind: At<'_>, doc: &Doc) -> String {
    let p = parts(root, number);
    sheet.copy(&TYPE, kind);
    if !doc.is_broken()
        && let Some(why) = missing(number, &p, root.is_list())
    {
        let name = type_name(number).unwrap_or_default();
        sheet.found(&MALFORMED, format!("{name}: {why}"), root.part().start, root.part().end);
    }
    let mut line = type_name(number).unwrap_or_default().to_owned();
    if let Some(t) = p.target {
        sheet.copy(&TARGET, t);
        line.push_str(&format!(" {}", short(&t.plain().unwrap_or_default(), 60)));
    }
    if let Some(i) = p.invocation {
        sheet.copy(&INVOCATION, i);
        line.push_str(&format!(" id {}", short(&i.plain().unwrap_or_default(), 40)));
    }
    if let Some(k) = p.kind {
        sheet.copy(&RESULT_KIND, k);
    }
    if let Some(e) = p.error.filter(|e| e.part().item != Item::Null) {
        sheet.copy(&ERROR, e);
        line.push_str(&format!(" error {}", e.line(80)));
    }
    if let Some(shown) = p.arguments.or(p.item) {
        line.push_str(&format!(" {}", shown.line(80)));
    }
    line
}
