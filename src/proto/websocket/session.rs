//! The session: what both directions came to, told once at its end.

use super::close;
use super::fields::{
    CLIENT_BYTES, CLIENT_MESSAGES, CLOSED_BY, DURATION, ENDED, EXTENSIONS, HOST, PINGS, PONGS,
    SERVER_BYTES, SERVER_MESSAGES, SESSION_CODE, SESSION_REASON, SUBPROTOCOL, URI,
};
use super::handshake::Handshake;
use super::wire::opcode;
use crate::base::time::human;
use crate::base::{Moment, Side};
use crate::event::{Detail, Draft, Level};
use crate::field::{FieldSpec, Tree, Value};
use crate::proto::{EndCause, Out};

/// What one end sent.
#[derive(Clone, Copy, Debug, Default)]
struct Sent {
    messages: u64,
    bytes: u64,
    pings: u64,
    pongs: u64,
    /// It sent a close frame.
    close: bool,
    ended: Option<Ending>,
}

/// How one direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Ending {
    Finished,
    Reset,
    /// The capture ended first.
    Cut,
    /// The engine let go of it.
    Evicted,
}

/// The first close frame.
#[derive(Clone, Debug)]
struct Closing {
    by: Side,
    /// 1005 where it had no code.
    code: u16,
    reason: Box<str>,
}

/// The tally of a session.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    start: Option<Moment>,
    sent: [Sent; 2],
    closing: Option<Closing>,
    /// Who ended its direction first.
    first_end: Option<Side>,
    told: bool,
}

/// No close code at all (RFC 6455 §7.1.5).
const NO_STATUS: u16 = 1005;
/// No close frame at all (RFC 6455 §7.1.5).
const ABNORMAL: u16 = 1006;

impl Session {
    /// Something of the session was seen at `moment`.
    pub(super) fn begin(&mut self, moment: Moment) {
        self.start.get_or_insert(moment);
    }

    /// Whether this end may send no more (RFC 6455 §5.5.1).
    pub(super) fn has_closed(&self, side: Side) -> bool {
        self.sent(side).close
    }

    /// A whole message.
    pub(super) fn message(&mut self, side: Side, opcode: u8, bytes: u64) {
        let s = self.sent_mut(side);
        match opcode {
            opcode::PING => s.pings += 1,
            opcode::PONG => s.pongs += 1,
            opcode::TEXT | opcode::BINARY => {
                s.messages += 1;
                s.bytes = s.bytes.saturating_add(bytes);
            }
            _ => {}
        }
    }

    /// A close frame.
    pub(super) fn close(&mut self, side: Side, code: Option<u16>, reason: &[u8]) {
        self.sent_mut(side).close = true;
        if self.closing.is_none() {
            let reason = String::from_utf8_lossy(reason.get(..123).unwrap_or(reason)).into();
            self.closing = Some(Closing { by: side, code: code.unwrap_or(NO_STATUS), reason });
        }
    }

    /// One direction ended.
    pub(super) fn end(&mut self, side: Side, cause: EndCause) {
        self.ending(
            side,
            match cause {
                EndCause::Finished => Ending::Finished,
                EndCause::CaptureEnded | EndCause::Cut => Ending::Cut,
                EndCause::Evicted => Ending::Evicted,
            },
        );
    }

    /// One end aborted the connection.
    pub(super) fn reset(&mut self, side: Side) {
        self.ending(side, Ending::Reset);
    }

    fn ending(&mut self, side: Side, how: Ending) {
        let s = self.sent_mut(side);
        if s.ended.is_none() {
            s.ended = Some(how);
            if matches!(how, Ending::Finished | Ending::Reset) {
                self.first_end.get_or_insert(side);
            }
        }
    }

    /// Whether the connection is over, and that has not been told.
    pub(super) fn is_over(&self) -> bool {
        let [a, b] = &self.sent;
        !self.told
            && (a.ended.is_some() && b.ended.is_some()
                || [a, b].iter().any(|s| s.ended == Some(Ending::Reset)))
    }

    fn sent(&self, side: Side) -> &Sent {
        let [client, server] = &self.sent;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    fn sent_mut(&mut self, side: Side) -> &mut Sent {
        let [client, server] = &mut self.sent;
        match side {
            Side::Client => client,
            Side::Server => server,
        }
    }

    /// How it ended (RFC 6455 §7.1), and whether that was seen.
    fn ended(&self) -> (&'static str, bool) {
        let [a, b] = &self.sent;
        let any = |e| a.ended == Some(e) || b.ended == Some(e);
        if a.close && b.close {
            ("close handshake", true)
        } else if any(Ending::Reset) {
            ("reset", true)
        } else if any(Ending::Evicted) {
            ("state let go", false)
        } else if any(Ending::Cut) {
            ("capture ended", false)
        } else if a.close || b.close {
            ("close without reply", true)
        } else {
            ("fin without close", true)
        }
    }

    /// The session's event.
    pub(super) fn emit(&mut self, handshake: &Handshake, out: &mut dyn Out) {
        self.told = true;
        let end = out.now();
        let (how, complete) = self.ended();
        let mut d =
            Draft::new(Level::Exchange, "websocket", "session", self.start.unwrap_or(end), end);
        d.length = self.sent.iter().fold(0, |n, s| s.bytes.saturating_add(n));
        d.complete = complete;
        if out.wants(Level::Exchange) {
            let ns = end.time.since(d.start.time);
            d.detail = Some(Box::new(self.detail(handshake, how, complete, ns)));
        }
        out.emit(d);
    }

    fn detail(&self, hs: &Handshake, how: &'static str, complete: bool, ns: u64) -> Detail {
        let [client, server] = &self.sent;
        let mut tree = Tree::new();
        let mut text = |spec: &'static FieldSpec, v: Option<&str>| {
            if let Some(v) = v {
                tree.add(spec, None, Value::Text(v.into()));
            }
        };
        text(&URI, hs.uri.as_deref());
        text(&HOST, hs.host.as_deref());
        text(&SUBPROTOCOL, hs.subprotocol.as_deref());
        text(&EXTENSIONS, hs.extension_text.as_deref());
        for (spec, n) in [
            (&CLIENT_MESSAGES, client.messages),
            (&SERVER_MESSAGES, server.messages),
            (&CLIENT_BYTES, client.bytes),
            (&SERVER_BYTES, server.bytes),
            (&PINGS, client.pings + server.pings),
            (&PONGS, client.pongs + server.pongs),
        ] {
            tree.add(spec, None, Value::U64(n));
        }
        // While the connection may still be open there is no code to tell.
        let code = match &self.closing {
            Some(c) => Some(c.code),
            None => complete.then_some(ABNORMAL),
        };
        if let Some(code) = code {
            let id = tree.add(&SESSION_CODE, None, Value::U64(u64::from(code)));
            if let (Some(n), Some(name)) = (tree.get_mut(id), close::name(u64::from(code))) {
                n.note = Some(name.into());
            }
        }
        if let Some(c) = self.closing.as_ref().filter(|c| !c.reason.is_empty()) {
            tree.add(&SESSION_REASON, None, Value::Text(c.reason.clone()));
        }
        let by = self.closing.as_ref().map(|c| c.by).or(self.first_end);
        if let Some(by) = by {
            tree.add(&CLOSED_BY, None, Value::Text(by.name().into()));
        }
        tree.add(&ENDED, None, Value::Text(how.into()));
        tree.add(&DURATION, None, Value::U64(ns));
        let line = self.line(hs, how, code, by, ns);
        Detail { summary: line, tree, ..Detail::default() }
    }

    /// `/chat: 12 messages up, 30 down, closed by client 1000 (normal closure) after 3.2 s`
    fn line(
        &self,
        hs: &Handshake,
        how: &str,
        code: Option<u16>,
        by: Option<Side>,
        ns: u64,
    ) -> String {
        let [client, server] = &self.sent;
        let mut s = String::new();
        if let Some(uri) = hs.uri.as_deref() {
            s.push_str(uri);
            s.push_str(": ");
        }
        let word = if client.messages == 1 { "message" } else { "messages" };
        s.push_str(&format!("{} {word} up, {} down, ", client.messages, server.messages));
        match (&self.closing, by) {
            (Some(c), _) => {
                let code = c.code;
                let name =
                    close::name(u64::from(code)).map_or(String::new(), |n| format!(" ({n})"));
                s.push_str(&format!("closed by {} {code}{name}", c.by));
                if how != "close handshake" {
                    s.push_str(&format!(", {how}"));
                }
            }
            (None, by) => {
                s.push_str(how);
                if let Some(by) = by.filter(|_| code.is_some()) {
                    s.push_str(&format!(" by {by}"));
                }
                if code == Some(ABNORMAL) {
                    s.push_str(", 1006 (abnormal closure)");
                }
            }
        }
        s.push_str(" after ");
        s.push_str(&human(ns));
        s
    }
}
