//! One line for people.

use std::fmt::Write as _;

use crate::base::Side;
use crate::proto::Headers;
use crate::proto::http2::codes;
use crate::proto::http2::wire::{
    self, ACK, Content, END_HEADERS, END_STREAM, FrameHead, PADDED, PRIORITY,
};

/// Characters of header fields in a summary: what fits beside the rest of a row.
const FIELDS_LEN: usize = 240;
/// Characters of a text from the wire.
const TEXT_LEN: usize = 120;

/// What a frame says.
pub(crate) fn frame(head: &FrameHead, content: &Content<'_>, headers: Option<&Headers>) -> String {
    let mut s = String::with_capacity(if headers.is_some() { FIELDS_LEN + TEXT_LEN } else { 64 });
    match codes::frame_type(u64::from(head.kind)) {
        Some(name) => s.push_str(name),
        None => {
            let _ = write!(s, "frame type 0x{:02x}", head.kind);
        }
    }
    if head.stream != 0 {
        let _ = write!(s, " stream {}", head.stream);
    }
    flags(&mut s, head);
    match content {
        Content::PushPromise { promised, .. } => {
            let _ = write!(s, " promises stream {promised}");
        }
        Content::Priority(p) => {
            let exclusive = if p.exclusive { " exclusive" } else { "" };
            let (d, w) = (p.dependency, p.weight);
            let _ = write!(s, " depends on {d}{exclusive} weight {w}");
        }
        Content::RstStream(code) => {
            let _ = write!(s, " {}", error(*code));
        }
        Content::Settings(settings) => {
            for (id, value) in settings.iter() {
                match codes::setting(u64::from(id)) {
                    Some(n) => {
                        let n = n.strip_prefix("SETTINGS_").unwrap_or(n);
                        let _ = write!(s, " {n}={value}");
                    }
                    None => {
                        let _ = write!(s, " 0x{id:04x}={value}");
                    }
                }
                if s.len() > FIELDS_LEN {
                    s.push_str(" …");
                    break;
                }
            }
        }
        Content::Ping(data) => {
            s.push(' ');
            for b in *data {
                let _ = write!(s, "{b:02x}");
            }
        }
        Content::Goaway { last, error: code, debug } => {
            let _ = write!(s, " last stream {last} {}", error(*code));
            if !debug.is_empty() {
                let _ = write!(s, " \"{}\"", text(debug));
            }
        }
        Content::WindowUpdate(n) => {
            let _ = write!(s, " +{n}");
        }
        Content::Altsvc { origin, value } => {
            if !origin.is_empty() {
                let _ = write!(s, " {}", text(origin));
            }
            let _ = write!(s, " {}", text(value));
        }
        Content::Origin(all) => {
            for o in wire::origins(all) {
                let _ = write!(s, " {}", text(o));
                if s.len() > FIELDS_LEN {
                    s.push_str(" …");
                    break;
                }
            }
        }
        Content::PriorityUpdate { stream, value } => {
            let _ = write!(s, " for stream {stream} {}", text(value));
        }
        Content::Headers { .. } | Content::Continuation(_) => {}
        Content::Unread => {
            let _ = write!(s, " {} bytes", head.length);
        }
    }
    if let Some(h) = headers {
        fields(&mut s, h);
    }
    s
}

/// The flags that the type knows, as the RFC names them.
fn flags(s: &mut String, head: &FrameHead) {
    use codes::frame as t;
    let names: &[(u8, &str)] = match head.kind {
        t::DATA => &[(END_STREAM, "END_STREAM"), (PADDED, "PADDED")],
        t::HEADERS => &[
            (END_STREAM, "END_STREAM"),
            (END_HEADERS, "END_HEADERS"),
            (PADDED, "PADDED"),
            (PRIORITY, "PRIORITY"),
        ],
        t::PUSH_PROMISE => &[(END_HEADERS, "END_HEADERS"), (PADDED, "PADDED")],
        t::CONTINUATION => &[(END_HEADERS, "END_HEADERS")],
        t::SETTINGS | t::PING => &[(ACK, "ack")],
        _ => &[],
    };
    for (flag, name) in names {
        if head.has(*flag) {
            s.push(' ');
            s.push_str(name);
        }
    }
}

fn fields(s: &mut String, headers: &Headers) {
    let end = s.len() + FIELDS_LEN;
    for (name, value, field) in headers.iter() {
        if s.len() > end {
            s.push_str(" …");
            return;
        }
        s.push(' ');
        push_text(s, name);
        if field.known {
            s.push(' ');
            push_text(s, value);
        } else {
            s.push_str("(unknown)");
        }
    }
}

/// What a GOAWAY says, and of whom.
pub(crate) fn goaway(by: Option<Side>, last: u32, code: u32, debug: &[u8]) -> String {
    let by = by.map(|side| format!(" by the {side}")).unwrap_or_default();
    let mut s = format!("{}{by}, last stream {last}", error(code));
    if !debug.is_empty() {
        let _ = write!(s, ", \"{}\"", text(debug));
    }
    s
}

/// An error code by name.
pub(crate) fn error(code: u32) -> String {
    codes::named(codes::error(u64::from(code)), code)
}

/// Text from the wire, cut to [`TEXT_LEN`].
pub(crate) fn text(bytes: &[u8]) -> String {
    let mut s = String::new();
    push_text(&mut s, bytes);
    s
}

/// Appends text from the wire, cut to [`TEXT_LEN`].
fn push_text(s: &mut String, bytes: &[u8]) {
    if bytes.len() <= TEXT_LEN
        && let Ok(t) = simdutf8::basic::from_utf8(bytes)
    {
        s.push_str(t);
        return;
    }
    let t = String::from_utf8_lossy(bytes);
    match t.char_indices().nth(TEXT_LEN) {
        Some((cut, _)) => {
            s.push_str(t.get(..cut).unwrap_or_default());
            s.push('…');
        }
        None => s.push_str(&t),
    }
}
