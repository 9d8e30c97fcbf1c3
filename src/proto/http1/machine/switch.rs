//! Other protocols on the same connection: `Upgrade` (RFC 9110 §7.8) and CONNECT
//! (§9.3.6).

use crate::base::Side;
use crate::finding::Finding;
use crate::proto::http1::findings as g;
use crate::proto::http1::machine::{Http1, Kept, Offer, State, Step};
use crate::proto::http1::probe::{Looks, look};
use crate::proto::{Carries, Child, Chunk, EndCause, Headers, Input, Out};

impl Http1 {
    /// The server agrees: 101, or 2xx to CONNECT. The exchange ends; what follows
    /// is the other protocol's.
    pub(super) fn switch(&mut self, key: u64, upgrade: bool, response: &Kept, out: &mut dyn Out) {
        if let Some(o) = self.exchange(key) {
            o.answered = true;
        }
        self.agrees = false;
        let offer = self.take_offer(key);
        let requested = match &offer {
            Some(Offer::Upgrade(k)) => Some(&**k),
            _ => None,
        };
        self.done(key, Side::Server, EndCause::Finished, out);
        let mut named = upgrade;
        let child = if let Some(t) = self.tunnel {
            t
        } else {
            if upgrade {
                self.judge_switch(requested, response, out);
            }
            let token = token(&response.headers)
                .or_else(|| requested.and_then(|k| token(&k.headers)))
                .unwrap_or_default();
            // The request asked for something else, and is not the first of this.
            let offered = requested.is_none_or(|k| offers(&k.headers, &token));
            named = upgrade && offered && !token.is_empty();
            self.open_tunnel(named.then_some(&*token), requested, out)
        };
        if named {
            response.tell(child, Side::Server, out);
        }
        let [client, server] = &mut self.halves;
        for h in [&mut *server, &mut *client] {
            // A request's body goes on as it began: `finish` switches behind it.
            let lost = h.state == State::Lost;
            if lost && upgrade && h.lost.is_none() {
                // How much, nobody knows: what was looked through is not counted.
                h.lost = Some(0);
            }
            if lost || matches!(h.state, State::Head | State::Held) || h.lost.is_some() {
                h.state = State::Tunnel;
                h.key = child;
                h.passed = 0;
            }
        }
        // The request went missing, and perhaps more behind it. What is in a tunnel has
        // a beginning of its own, which comes behind the answer.
        if let Some(len) = client.lost.take()
            && upgrade
        {
            client.passed = len;
            out.tell(child, Input::Gap { side: Side::Client, offset: 0, len });
        }
        if let Some(cause) = client.ended {
            out.tell(child, Input::End { side: Side::Client, cause });
        }
    }

    /// Whether an answer without a body names the protocol to which the connection is to
    /// switch, as only 101 may, and this was asked for.
    pub(super) fn means_to_switch(&self, key: u64, code: u16) -> bool {
        let asked = matches!(&self.offer, Some((asked, Offer::Upgrade(_))) if *asked == key);
        asked
            && (200..300).contains(&code)
            && token(&self.headers).is_some()
            && self.headers.has_token("connection", "upgrade")
            && self.headers.get("content-type").is_none()
    }

    /// The server declines: the protocol that was asked for hears both heads, for what is
    /// wrong with them, and nothing else. But not h2c, which is mostly ignored.
    pub(super) fn decline(&mut self, request: &Kept, response: &Kept, out: &mut dyn Out) {
        let Some(token) = token(&request.headers).filter(|t| !t.starts_with("h2")) else { return };
        let key = self.new_key();
        if !out.open(Child { key, stream: None, carries: Carries::Named(&token) }) {
            return;
        }
        request.tell(key, Side::Client, out);
        response.tell(key, Side::Server, out);
        for side in Side::BOTH {
            out.tell(key, Input::End { side, cause: EndCause::Finished });
        }
        out.close(key);
    }

    /// The answer to a request for another protocol went missing. What was asked for
    /// is taken for granted, but h2c: that is asked for by the way, and mostly ignored.
    pub(super) fn answer_lost(&mut self, len: u64, out: &mut dyn Out) -> bool {
        let [client, server] = &self.halves;
        if !matches!(server.state, State::Head | State::Lost) {
            return false;
        }
        let child = if let Some(t) = self.tunnel {
            t
        } else {
            let token = match &self.offer {
                Some((_, Offer::Upgrade(k))) => {
                    let Some(t) = token(&k.headers).filter(|t| t != "h2c") else { return false };
                    Some(t)
                }
                Some((_, Offer::Connect)) => None,
                None => return false,
            };
            let Some(key) = self.offer.as_ref().map(|(key, _)| *key) else { return false };
            if client.state != State::Held {
                return false;
            }
            let offer = self.take_offer(key);
            let requested = match &offer {
                Some(Offer::Upgrade(k)) => Some(&**k),
                _ => None,
            };
            self.connect = requested.is_none();
            self.done(key, Side::Server, EndCause::CaptureEnded, out);
            self.open_tunnel(token.as_deref(), requested, out)
        };
        // The answer to CONNECT is no part of what is in the tunnel.
        let within = !self.connect;
        let [client, server] = &mut self.halves;
        if client.state == State::Held {
            client.state = State::Tunnel;
            client.key = child;
            client.passed = 0;
        }
        server.state = State::Tunnel;
        server.key = child;
        server.gone = false;
        server.passed = if within { len } else { 0 };
        if let Some(cause) = client.ended {
            out.tell(child, Input::End { side: Side::Client, cause });
        }
        if len > 0 {
            out.finding(Finding::new(&g::GAP).with(format!("server: {len} bytes, the answer")));
        }
        if within {
            out.tell(child, Input::Gap { side: Side::Server, offset: 0, len });
        }
        true
    }

    pub(super) fn judge_switch(&self, request: Option<&Kept>, response: &Kept, out: &mut dyn Out) {
        let Some(token) = token(&response.headers) else {
            // It may be in what is cut off.
            if response.headers.iter().all(|(.., f)| f.known) {
                out.finding(Finding::new(&g::UPGRADE_UNNAMED));
            }
            return;
        };
        // An orphan's request is not known, so neither is what it offered.
        if let Some(r) = request
            && !offers(&r.headers, &token)
        {
            out.finding(Finding::new(&g::UPGRADE_NOT_OFFERED).with(token));
        }
    }

    pub(super) fn open_tunnel(
        &mut self,
        token: Option<&str>,
        request: Option<&Kept>,
        out: &mut dyn Out,
    ) -> u64 {
        let key = self.new_key();
        self.tunnel = Some(key);
        match token {
            Some(t) => {
                out.open(Child { key, stream: None, carries: Carries::Named(t) });
                if let Some(k) = request {
                    k.tell(key, Side::Client, out);
                }
            }
            None => {
                out.open(Child { key, stream: None, carries: Carries::Bytes });
            }
        }
        key
    }

    /// The answer to a request for another protocol was not captured, and more
    /// came from the client: a request says that the server declined, anything
    /// else that it agreed.
    pub(super) fn decide_alone(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Step {
        let [client, _] = &mut self.halves;
        if matches!(look(c.data), Looks::Request(true)) {
            client.state = State::Head;
            return Step::Go(0);
        }
        let [client, server] = &mut self.halves;
        if let Some(len) = server.hole.take() {
            self.answer_lost(len, out);
            return Step::Go(0);
        }
        let key = client.key;
        let offer = self.take_offer(key);
        let child = match &offer {
            Some(Offer::Upgrade(k)) => self.open_tunnel(token(&k.headers).as_deref(), Some(k), out),
            _ => {
                self.connect = true;
                self.open_tunnel(None, None, out)
            }
        };
        let [client, server] = &mut self.halves;
        client.state = State::Tunnel;
        client.key = child;
        client.passed = 0;
        if let Some(cause) = server.ended {
            out.tell(child, Input::End { side: Side::Server, cause });
        }
        Step::Go(0)
    }
}

/// The tokens of `Upgrade`, in order of preference (RFC 9110 §7.8).
fn tokens(headers: &Headers) -> impl Iterator<Item = &[u8]> {
    headers
        .all("upgrade")
        .flat_map(|v| v.split(|b| *b == b','))
        .map(<[u8]>::trim_ascii)
        .filter(|t| !t.is_empty())
}

/// Whether this protocol is among them.
fn offers(headers: &Headers, token: &str) -> bool {
    tokens(headers).any(|t| t.eq_ignore_ascii_case(token.as_bytes()))
}

/// The first of them, in lower case.
fn token(headers: &Headers) -> Option<String> {
    tokens(headers).next().map(|t| String::from_utf8_lossy(t).to_ascii_lowercase())
}
