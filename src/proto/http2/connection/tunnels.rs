//! CONNECT: streams whose DATA is another protocol's (RFC 9113 §8.5), named by
//! `:protocol` in the extended form (RFC 8441).
//!
//! Request and answer are an exchange, as with an upgrade of HTTP/1. A 2xx ends it
//! and opens a second child of the stream, which is told the two heads where it has
//! a name, and takes the DATA of both directions. END_STREAM and RST_STREAM are what
//! FIN and RST are to a connection (§8.5, RFC 8441 §5).

use hashbrown::HashMap;

use super::account::Leave;
use super::blocks::Section;
use super::shape::Learnt;
use super::{Connection, find};
use crate::base::{Moment, Side};
use crate::event::Detail;
use crate::finding::Finding;
use crate::proto::http2::codes::settings;
use crate::proto::http2::findings;
use crate::proto::{Carries, Child, EndCause, Head, Headers, Input, Out};

/// Set in the key of a stream's tunnel: stream identifiers have 31 bits.
const TUNNEL: u64 = 1 << 32;

/// The request, until it is answered.
#[derive(Clone, Debug)]
struct Asked {
    headers: Headers,
    detail: Option<Detail>,
    end: bool,
    start: Moment,
    ready: Moment,
    wire_len: u64,
}

impl Asked {
    fn of(h: &Head<'_>) -> Self {
        Self {
            headers: h.headers.clone(),
            detail: h.detail.cloned(),
            end: h.end,
            start: h.start,
            ready: h.ready,
            wire_len: h.wire_len,
        }
    }

    fn tell(&self, key: u64, out: &mut dyn Out) {
        let head = Head {
            side: Side::Client,
            headers: &self.headers,
            version: 20,
            end: self.end,
            start: self.start,
            ready: self.ready,
            wire_len: self.wire_len,
            detail: self.detail.as_ref(),
        };
        out.tell(key, Input::Head(head));
    }
}

/// One stream that began with CONNECT.
#[derive(Clone, Debug)]
struct Tunnel {
    /// `:protocol`, in lower case; `None` for ordinary CONNECT.
    protocol: Option<Box<str>>,
    /// Until it is answered.
    asked: Option<Box<Asked>>,
    /// The second child has been opened: the client did not wait for the answer,
    /// or that was 2xx.
    open: bool,
}

impl Tunnel {
    /// Opens the second child, which is told the request if it has a name.
    fn open(&mut self, id: u32, out: &mut dyn Out) {
        if std::mem::replace(&mut self.open, true) {
            return;
        }
        let key = u64::from(id) | TUNNEL;
        let carries = self.protocol.as_deref().map_or(Carries::Bytes, Carries::Named);
        out.open(Child { key, stream: Some(u64::from(id)), carries });
        if let Some(asked) = self.asked.as_ref().filter(|_| self.protocol.is_some()) {
            asked.tell(key, out);
        }
    }
}

/// The streams of a connection that began with CONNECT and are open.
#[derive(Clone, Debug, Default)]
pub(super) struct Tunnels(HashMap<u32, Tunnel>, Learnt);

impl Tunnels {
    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        let asked = |t: &Tunnel| {
            t.asked.as_ref().map_or(0, |a| {
                let tree = a.detail.as_ref().map_or(0, |d| size_of_val(d.tree.nodes()));
                size_of::<Asked>() + a.headers.memory() + tree
            })
        };
        self.0.capacity() * size_of::<(u32, Tunnel)>()
            + self.0.values().map(asked).sum::<usize>()
            + self.1.memory()
    }

    /// Whether the stream's DATA is another protocol's, as agreed.
    fn is_connected(&self, id: u32) -> bool {
        self.0.get(&id).is_some_and(|t| t.open && t.asked.is_none())
    }
}

/// The final answer is 2xx.
fn agrees(headers: &Headers) -> bool {
    headers.get(":status").is_some_and(|s| s.len() == 3 && s.starts_with(b"2"))
}

impl Connection {
    /// What is wrong with a section by what CONNECT means.
    pub(super) fn judge_connect(
        &mut self,
        side: Side,
        s: &Section,
        findings: &mut Vec<Finding>,
        out: &dyn Out,
    ) {
        if self.tunnels.is_connected(s.stream) {
            find(findings, &findings::HEADERS_IN_TUNNEL, format!("stream {}", s.stream));
            return;
        }
        if side == Side::Server {
            let status = s.headers.get(":status").unwrap_or_default();
            let extended = self.tunnels.0.get(&s.stream).and_then(|t| t.protocol.as_deref());
            if let Some(protocol) = extended
                && !agrees(&s.headers)
                && !status.starts_with(b"1")
            {
                let detail = format!("{protocol}: {}", String::from_utf8_lossy(status));
                find(findings, &findings::CONNECT_REFUSED, detail);
            }
            return;
        }
        // The second section of a request is its trailers.
        let trailers = self.streams.get(s.stream).is_some_and(|t| t.half(side).head);
        if trailers || self.is_unsure() || s.headers.iter().any(|(_, _, f)| !f.known) {
            return;
        }
        let has = |name| s.headers.get(name).is_some();
        let connect = s.headers.get(":method") == Some(b"CONNECT");
        if let Some(protocol) = s.headers.get(":protocol") {
            let protocol = String::from_utf8_lossy(protocol);
            if !connect {
                find(findings, &findings::PROTOCOL_WITHOUT_CONNECT, protocol.into_owned());
                return;
            }
            if !self.end_of(Side::Server).connect {
                let f = Finding::new(&findings::CONNECT_NOT_ENABLED).with(protocol.into_owned());
                let setting = settings::ENABLE_CONNECT_PROTOCOL;
                let leave = Leave { by: Side::Server, setting, value: 1 };
                self.unless_allowed(leave, f, s.start, findings, out);
            }
            for name in [":scheme", ":path", ":authority"].into_iter().filter(|n| !has(n)) {
                find(findings, &findings::BAD_CONNECT, format!("{name} is missing"));
            }
        } else if connect {
            if !has(":authority") {
                find(findings, &findings::BAD_CONNECT, ":authority is missing".into());
            }
            for name in [":scheme", ":path"].into_iter().filter(|n| has(n)) {
                find(findings, &findings::BAD_CONNECT, format!("{name} does not belong here"));
            }
        }
    }

    /// A request as it is told, where it asks for a tunnel and not all of it is known.
    pub(super) fn as_before(&self, headers: &Headers) -> Option<Headers> {
        if headers.get(":method").is_some() || headers.iter().all(|(.., f)| f.known) {
            return None;
        }
        self.tunnels.1.fill(headers)
    }

    /// A head was told to the exchange of its stream: a request may ask for a
    /// tunnel, an answer agree to it.
    pub(super) fn tunnel_head(&mut self, id: u32, head: &Head<'_>, out: &mut dyn Out) {
        match head.side {
            Side::Client => {
                if head.headers.get(":method") == Some(b"CONNECT") {
                    let name = head.headers.get(":protocol");
                    self.tunnels.1.learn(head.headers);
                    // The request stood behind missing bytes, and the answer has been told:
                    // the exchange goes to whom it is by both.
                    let half = self.streams.get(id).map(|s| s.half(Side::Server).head);
                    if name.is_some() && half == Some(true) {
                        return;
                    }
                    let protocol =
                        name.map(|p| String::from_utf8_lossy(p).to_ascii_lowercase().into());
                    let asked = Some(Box::new(Asked::of(head)));
                    self.tunnels.0.insert(id, Tunnel { protocol, asked, open: false });
                }
            }
            Side::Server => {
                let Some(t) = self.tunnels.0.get_mut(&id) else { return };
                if t.asked.is_none() {
                    return;
                }
                let key = u64::from(id) | TUNNEL;
                if agrees(head.headers) {
                    for side in Side::BOTH {
                        out.tell(u64::from(id), Input::End { side, cause: EndCause::Finished });
                    }
                    out.close(u64::from(id));
                    t.open(id, out);
                    t.asked = None;
                    if t.protocol.is_some() {
                        out.tell(key, Input::Head(*head));
                    }
                } else {
                    // What the client sent too early was for nobody. The protocol that was
                    // asked for hears both heads, for what is wrong with them.
                    if t.protocol.is_some() {
                        t.open(id, out);
                    }
                    if t.open {
                        if t.protocol.is_some() {
                            out.tell(key, Input::Head(*head));
                        }
                        for side in Side::BOTH {
                            out.tell(key, Input::End { side, cause: EndCause::Finished });
                        }
                        out.close(key);
                    }
                    self.tunnels.0.remove(&id);
                }
            }
        }
    }

    /// Which child takes DATA of this side.
    pub(super) fn data_key(&mut self, side: Side, id: u32, out: &mut dyn Out) -> u64 {
        match self.tunnels.0.get_mut(&id) {
            // A client that does not wait for the answer.
            Some(t) if t.open || side == Side::Client => {
                t.open(id, out);
                u64::from(id) | TUNNEL
            }
            _ => u64::from(id),
        }
    }

    /// Whether a stream began with CONNECT.
    pub(super) fn is_tunnel(&self, id: u32) -> bool {
        self.tunnels.0.contains_key(&id)
    }

    /// The child that sections are told to: the exchange, until it has ended.
    pub(super) fn section_key(&self, id: u32) -> u64 {
        u64::from(id) | if self.tunnels.is_connected(id) { TUNNEL } else { 0 }
    }

    /// Tells the child of a stream, or both of them.
    pub(super) fn tell(&self, id: u32, input: Input<'_>, out: &mut dyn Out) {
        let cut = matches!(input, Input::Reset { .. } | Input::End { cause: EndCause::Cut, .. });
        let abort = out.abort();
        let refused = if cut { self.refused(id, out) } else { None };
        out.set_abort(refused.unwrap_or(abort));
        let stalls = self.stalls(id, out.aborted_at().time);
        if stalls != [None; 2] {
            out.set_stalls(stalls);
        }
        self.tell_each(id, input, out);
        if stalls != [None; 2] {
            out.set_stalls([None; 2]);
        }
        out.set_abort(abort);
    }

    fn tell_each(&self, id: u32, input: Input<'_>, out: &mut dyn Out) {
        let tunnel = self.tunnels.0.get(&id);
        if tunnel.is_none_or(|t| t.asked.is_some()) {
            out.tell(u64::from(id), input);
        }
        if tunnel.is_some_and(|t| t.open) {
            // What is inside knows its own ends: to it this is that of its stream.
            let input = match input {
                Input::End { side, cause: EndCause::Cut } => {
                    Input::End { side, cause: EndCause::Finished }
                }
                other => other,
            };
            out.tell(u64::from(id) | TUNNEL, input);
        }
    }

    /// Closes the child of a stream, or both of them.
    pub(super) fn close_child(&mut self, id: u32, out: &mut dyn Out) {
        let tunnel = self.tunnels.0.remove(&id);
        if tunnel.as_ref().is_none_or(|t| t.asked.is_some()) {
            out.close(u64::from(id));
        }
        if tunnel.is_some_and(|t| t.open) {
            out.close(u64::from(id) | TUNNEL);
        }
    }
}
