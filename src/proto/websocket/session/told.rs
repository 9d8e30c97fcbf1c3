//! What is told of a session at its end: its exchange, with the verdict, and what is found
//! of it as a whole.

use super::{ABNORMAL, Ending, HEARTBEAT_NS, Sent, Session};
use crate::base::limits::{CLIENT_MESSAGES_A_SECOND, SERVER_MESSAGES_A_SECOND};
use crate::base::time::human;
use crate::base::{Moment, Side};
use crate::event::{Detail, Draft, Level};
use crate::facts::{Facts, SessionFacts};
use crate::field::{FieldSpec, Tree, Value};
use crate::finding::Finding;
use crate::proto::websocket::fields::{
    CAUSE, CLIENT_BYTES, CLIENT_FRAME_BYTES, CLIENT_MESSAGES, CLOSED_BY, COMPRESSED_LENGTH,
    COMPRESSION_RATIO, DURATION, ENDED, EXTENSIONS, HOST, LONGEST_SILENCE, PING_MAX, PING_MEAN,
    PING_MIN, PINGS, PONGS, PROOF, SERVER_BYTES, SERVER_FRAME_BYTES, SERVER_MESSAGES, SESSION_CODE,
    SESSION_REASON, SUBPROTOCOL, UNANSWERED_PINGS, URI, VERDICT,
};
use crate::proto::websocket::findings::{
    EXTENSIONS_UNKNOWN, MESSAGE_RATE, NO_HEARTBEAT, REPEATED_MASKING_KEY, STREAM_WITHOUT_CLOSE,
    UNANSWERED_PING, ZERO_MASKING_KEY,
};
use crate::proto::websocket::handshake::Handshake;
use crate::proto::websocket::verdict::{self, PONG_WAIT, Verdict};
use crate::proto::{Abort, Out};

impl Session {
    /// When it was over: with the last that either end sent, which may have waited behind
    /// missing bytes until long after it. `None` while more may come.
    fn over_at(&self) -> Option<Moment> {
        let over = |s: &Sent| {
            let (how, at) = s.ended?;
            matches!(how, Ending::Finished | Ending::Reset).then_some(at)
        };
        let rest = self.sent.iter().filter_map(|s| s.last);
        let [a, b] = match Side::BOTH.into_iter().find(|side| self.is_absent(*side)) {
            Some(side) => [over(self.sent(side.peer())); 2],
            None => self.sent.each_ref().map(over),
        };
        [a?, b?].into_iter().chain(rest).max_by_key(|m| (m.time, m.packet))
    }

    /// The session's event.
    pub(in crate::proto::websocket) fn emit(&mut self, handshake: &Handshake, out: &mut dyn Out) {
        self.told = true;
        let end = self.over_at().unwrap_or_else(|| out.now());
        let (how, complete) = self.ended();
        let verdict = verdict::judge(self);
        self.silence.broken(end, end);
        let mut d =
            Draft::new(Level::Exchange, "websocket", "session", self.start.unwrap_or(end), end);
        d.length = self.sent.iter().fold(0, |n, s| s.bytes.saturating_add(n));
        d.complete = complete;
        d.inferred = handshake.is_unseen() || self.inferred;
        self.findings(&verdict, end, &mut d.findings);
        // END_STREAM is to the stream of HTTP/2 that carries it what FIN is to TCP (RFC 8441).
        let holed = out.path().gaps != [0; 2];
        let own = self.below.0 == Abort::Stream;
        if self.version >= 20 && how == "fin without close" && own && !holed {
            let by = self.first_end.map_or("", |(side, ..)| side.name());
            d.findings.push(Finding::new(&STREAM_WITHOUT_CLOSE).with(by));
        }
        d.facts = Some(Facts::Session(Box::new(self.facts(handshake))));
        if out.wants(Level::Exchange) {
            let ns = end.time.since(d.start.time);
            d.detail = Some(Box::new(self.detail(handshake, how, &verdict, ns)));
        }
        out.emit(d);
    }

    /// What is wrong with the session as a whole.
    fn findings(&self, verdict: &Verdict, end: Moment, found: &mut Vec<Finding>) {
        found.extend(verdict.finding());
        if let Some((n, first, last)) = self.unknown {
            let word = if n == 1 { "message" } else { "messages" };
            let mut proof = vec![first.packet];
            proof.extend(Some(last.packet).filter(|p| *p != first.packet));
            let f = Finding::new(&EXTENSIONS_UNKNOWN).with(format!("{n} {word}"));
            found.push(f.proved_by(proof));
        }
        for side in Side::BOTH {
            let s = self.sent(side);
            found.extend(self.unanswered(side, verdict, end));
            let limit = match side {
                Side::Client => CLIENT_MESSAGES_A_SECOND,
                Side::Server => SERVER_MESSAGES_A_SECOND,
            };
            if s.rate.most > limit {
                let text = format!("{} messages of the {side}, more than {limit}", s.rate.most);
                found.push(Finding::new(&MESSAGE_RATE).with(text).proved_by([s.rate.at]));
            }
            if let Some((n, packets)) = s.keys.repeats() {
                let text = frames(n);
                found.push(Finding::new(&REPEATED_MASKING_KEY).with(text).proved_by(packets));
            }
            if let Some(packet) = s.keys.zero_in {
                let text = frames(s.keys.zero);
                found.push(Finding::new(&ZERO_MASKING_KEY).with(text).proved_by([packet]));
            }
        }
        let [a, b] = &self.sent;
        let beats = a.pings + a.pongs + b.pings + b.pongs;
        let lost = a.lost || b.lost || !a.seen || !b.seen;
        if beats == 0 && self.silence.longest >= HEARTBEAT_NS && !lost {
            let text = format!("{} of silence", human(self.silence.longest));
            let around = self.silence.around;
            found.push(Finding::new(&NO_HEARTBEAT).with(text).proved_by(around));
        }
    }

    /// Pings of this end that had no pong, though there was time for it, or as much as that end
    /// gave its peer (RFC 6455 §5.5.2).
    fn unanswered(&self, side: Side, verdict: &Verdict, end: Moment) -> Option<Finding> {
        let (s, peer) = (self.sent(side), self.sent(side.peer()));
        let ping = s.waiting.first().filter(|_| peer.seen && !peer.lost)?;
        // Behind a close frame of either nobody need answer.
        let until =
            [Some(end), s.close, peer.close].into_iter().flatten().min_by_key(|m| m.time)?;
        let waited = until.time.since(ping.at.time);
        let closed_it = self.first_end.is_some_and(|(by, ..)| by == side);
        let timed_out = closed_it && verdict.cause == "unanswered ping";
        if !timed_out && waited < PONG_WAIT || s.close.is_some_and(|c| c.time < ping.at.time) {
            return None;
        }
        let n = s.waiting.unanswered();
        let pings = if n == 1 { "1 ping".into() } else { format!("{n} pings") };
        let text = format!("{pings} of the {side}, the first {} before the end", human(waited));
        Some(Finding::new(&UNANSWERED_PING).with(text).proved_by([ping.at.packet, until.packet]))
    }

    /// What others are told of it.
    fn facts(&mut self, hs: &Handshake) -> SessionFacts {
        let [client, server] = &self.sent;
        SessionFacts {
            uri: hs.uri.clone(),
            host: hs.host.clone(),
            messages: [client.messages, server.messages],
            payload_bytes: [client.bytes, server.bytes],
            compressed: self.compressed,
            frame_bytes: [client.frame_bytes, server.frame_bytes],
            handshake_bytes: self.handshake_bytes,
            accepted: self.accepted,
            forbidden_close: self.forbidden_close,
            origin: self.origin.take(),
            credentials: self.credentials,
            key: hs.key,
            forwarded_for: hs.forwarded_for.clone(),
            digests: std::mem::take(&mut self.digests),
            holes: [client.holed, server.holed],
            // Where frames begin may be a guess otherwise.
            masks: if hs.is_unseen() { Vec::new() } else { client.keys.first.clone() },
        }
    }

    fn detail(&self, hs: &Handshake, how: &'static str, verdict: &Verdict, ns: u64) -> Detail {
        let [client, server] = &self.sent;
        let mut tree = Tree::new();
        let text = |tree: &mut Tree, spec: &'static FieldSpec, v: Option<&str>| {
            if let Some(v) = v {
                tree.add(spec, None, Value::Text(v.into()));
            }
        };
        // What most look for comes first.
        text(&mut tree, &VERDICT, Some(&verdict.text));
        text(&mut tree, &URI, hs.uri.as_deref());
        text(&mut tree, &HOST, hs.host.as_deref());
        text(&mut tree, &SUBPROTOCOL, hs.subprotocol.as_deref());
        text(&mut tree, &EXTENSIONS, hs.extension_text.as_deref());
        for (spec, n) in [
            (&CLIENT_MESSAGES, client.messages),
            (&SERVER_MESSAGES, server.messages),
            (&CLIENT_BYTES, client.bytes),
            (&SERVER_BYTES, server.bytes),
            (&CLIENT_FRAME_BYTES, client.frame_bytes),
            (&SERVER_FRAME_BYTES, server.frame_bytes),
            (&PINGS, client.pings + server.pings),
            (&PONGS, client.pongs + server.pongs),
            (&UNANSWERED_PINGS, client.waiting.unanswered() + server.waiting.unanswered()),
        ] {
            tree.add(spec, None, Value::U64(n));
        }
        if let Some(mean) = self.trips.mean() {
            tree.add(&PING_MIN, None, Value::U64(self.trips.min));
            tree.add(&PING_MEAN, None, Value::U64(mean));
            tree.add(&PING_MAX, None, Value::U64(self.trips.max));
        }
        tree.add(&LONGEST_SILENCE, None, Value::U64(self.silence.longest));
        let [sent, inflated] = self.compressed;
        if sent > 0 {
            tree.add(&COMPRESSED_LENGTH, None, Value::U64(sent));
            let ratio = inflated as f64 / sent as f64;
            tree.add(&COMPRESSION_RATIO, None, Value::F64((ratio * 1000.0).round() / 1000.0));
        }
        // While the connection may still be open there is no code to tell.
        let code = match &self.closing {
            Some(c) => Some(c.code),
            None => verdict::code_without_close(verdict),
        };
        if let Some(code) = code {
            // Views write its name beside it.
            tree.add(&SESSION_CODE, None, Value::U64(u64::from(code)));
        }
        if let Some(c) = self.closing.as_ref().filter(|c| !c.reason.is_empty()) {
            tree.add(&SESSION_REASON, None, Value::Text(c.reason.clone()));
        }
        let first = self.closing.as_ref().map(|c| c.by).or(self.first_end.map(|(s, ..)| s));
        let doubtful = self.closing.as_ref().is_some_and(|c| self.is_doubtful(c));
        let absent = Side::BOTH.into_iter().any(|side| self.is_absent(side));
        let by = first.filter(|_| !doubtful && !absent);
        text(&mut tree, &CLOSED_BY, by.map(Side::name));
        text(&mut tree, &ENDED, Some(how));
        text(&mut tree, &CAUSE, Some(verdict.cause));
        for p in &verdict.proof {
            tree.add(&PROOF, None, Value::U64(p.0));
        }
        tree.add(&DURATION, None, Value::U64(ns));
        let line = self.line(hs, how, code, by, verdict, ns);
        Detail { summary: line, tree, ..Detail::default() }
    }

    /// `/chat: 12 messages up, 30 down, closed by client 1000 (normal closure) after 3.2 s`
    fn line(
        &self,
        hs: &Handshake,
        how: &str,
        code: Option<u16>,
        by: Option<Side>,
        verdict: &Verdict,
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
        let mut unseen = None;
        match (&self.closing, by) {
            (Some(c), _) if self.is_doubtful(c) => {
                s.push_str(&format!("close frame of the {} with {}", c.by, c.told()));
                unseen = Some(c.by.peer());
            }
            (None, _) if how == "one direction captured" => {
                let by = if self.is_absent(Side::Client) { Side::Server } else { Side::Client };
                s.push_str(&format!("{} of the {by}", self.word(Ending::Finished)));
                unseen = Some(by.peer());
            }
            (Some(c), _) => {
                s.push_str(&format!("closed by {} {}", c.by, c.told()));
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
        // How long it was is not known where its beginning is missing.
        s.push_str(&if hs.is_unseen() {
            format!(", {} seen, its beginning was not captured", human(ns))
        } else {
            format!(" after {}", human(ns))
        });
        if let Some(side) = unseen {
            s.push_str(&format!(", what the {side} sent was not captured"));
        }
        if !verdict.why.is_empty() {
            s.push_str(": ");
            s.push_str(&verdict.why);
        }
        s
    }
}

/// `in 2 frames`
fn frames(n: u64) -> String {
    format!("in {n} frame{}", if n == 1 { "" } else { "s" })
}
