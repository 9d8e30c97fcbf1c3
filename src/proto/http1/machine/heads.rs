//! Heads: whose they are, and what follows them.

use crate::base::limits::{
    MAX_EARLY_RESPONSE_NS, MAX_HEADER_BYTES, MAX_HEADER_FIELDS, MAX_HTTP1_REQUESTS,
};
use crate::base::{Buffer, Moment, Side};
use crate::event::{Detail, Level};
use crate::field::{NoSink, TreeSink};
use crate::finding::Finding;
use crate::proto::http1::findings as g;
use crate::proto::http1::machine::lost::NOBODY;
use crate::proto::http1::machine::{Http1, Kept, Offer, Open, State, Step};
use crate::proto::http1::message::{self, First, Framing, Method, Odd, Section};
use crate::proto::http1::probe::{Looks, look};
use crate::proto::{Carries, Child, Chunk, EndCause, Head, Headers, Input, Out, Want};

/// Bytes that are enough to tell the beginning of a message from anything else.
const LOOK_BYTES: usize = 64;

/// Fields of this section are not known: it is cut off.
fn lack(headers: &mut Headers) {
    headers.push(b"", b"").known = false;
}

impl Http1 {
    pub(super) fn head(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Step {
        let blank = blank_lines(c.data);
        let half = self.half(c.side);
        if blank > 0 {
            if !half.blank {
                half.blank = true;
                out.finding(Finding::new(&g::LEADING_CRLF).with(c.side.name()));
            }
            return Step::Go(blank);
        }
        let looks = look(c.data.get(..LOOK_BYTES).unwrap_or(c.data));
        let right = match c.side {
            Side::Client => matches!(looks, Looks::Request(_) | Looks::Empty),
            Side::Server => matches!(looks, Looks::Response(_) | Looks::Empty),
        };
        if !right && c.offset == 0 && out.path().joined {
            self.join(c.side);
            return Step::Go(0);
        }
        if !right {
            let shown = c.data.get(..32).unwrap_or(c.data).escape_ascii().to_string();
            return self.fail(c.side, &g::BAD_START_LINE, Some(shown), out);
        }
        let mut orphan = false;
        match c.side {
            Side::Client if self.open.len() >= MAX_HTTP1_REQUESTS => {
                if !c.last {
                    return Step::Stop(0, Want::Peer);
                }
                self.give_up_oldest(out);
            }
            Side::Client => {}
            Side::Server => match self.awaited(c, out) {
                Awaited::Request(key) => self.half(Side::Server).key = key,
                Awaited::Nobody => orphan = true,
                Awaited::Peer => {
                    const AGREES: &[u8] = b"HTTP/1.1 101";
                    if c.data.len() < AGREES.len() {
                        return Step::Stop(0, Want::More(AGREES.len() - c.data.len()));
                    }
                    self.agrees = c.data.starts_with(AGREES);
                    return Step::Stop(0, Want::Peer);
                }
            },
        }
        let half = self.half(c.side);
        let len = match half.scan.end(c.data) {
            Some(n) if n <= MAX_HEADER_BYTES => n,
            None if c.data.len() <= MAX_HEADER_BYTES => {
                // Whether an orphan's end is still to come cannot be known.
                if !c.last || orphan && half.ended.is_none() && c.side == Side::Server {
                    return Step::Stop(0, Want::More(1));
                }
                c.data.len()
            }
            _ => {
                let detail = format!("more than {MAX_HEADER_BYTES} bytes");
                return self.fail(c.side, &g::HEAD_TOO_LARGE, Some(detail), out);
            }
        };
        let data = c.data.get(..len).unwrap_or_default();
        let mut odd = Odd::default();
        let (section, detail) = self.read(&Chunk { data, ..*c }, Some(c.side), &mut odd, out);
        self.half(c.side).blank = false;
        let seen = Seen::new(c, &section, out);
        match section.first {
            First::Request { method, version } => {
                self.request(method, version, &section, seen, detail, odd, out);
            }
            First::Response { code, version } => {
                if orphan {
                    self.orphan(&seen, out);
                }
                self.response(code, version, &section, seen, detail, odd, out);
                if !section.whole && self.half(c.side).state == State::Tunnel {
                    let rest = c.data.get(section.len..).unwrap_or_default();
                    out.pass(NOBODY, c.side, c.offset + section.len as u64, rest);
                    return Step::Go(c.data.len());
                }
            }
            First::Trailers | First::Bad => {
                odd.0.drain(..).for_each(|f| out.finding(f));
                let (spec, detail) = if section.len > 0 {
                    (&g::HEAD_TOO_LARGE, Some(format!("more than {MAX_HEADER_FIELDS} fields")))
                } else if c.last && !data.contains(&b'\n') {
                    out.finding(Finding::new(&g::HEAD_CUT).with(c.side.name()));
                    self.lose(c.side, false, out);
                    return Step::Stop(c.data.len(), Want::More(1));
                } else {
                    (&g::BAD_START_LINE, None)
                };
                return self.fail(c.side, spec, detail, out);
            }
        }
        Step::Go(section.len)
    }

    /// Reads a section; builds its detail where messages are looked at.
    pub(super) fn read(
        &mut self,
        c: &Chunk<'_>,
        side: Option<Side>,
        odd: &mut Odd,
        out: &mut dyn Out,
    ) -> (Section, Option<Detail>) {
        if !out.wants(Level::Message) {
            return (message::read(c.data, side, &NoSink, &mut self.headers, odd), None);
        }
        let sink = TreeSink::new();
        let section = message::read(c.data, side, &sink, &mut self.headers, odd);
        let mut detail = Detail { tree: sink.into_tree(), ..Detail::default() };
        message::name_nodes(&mut detail.tree, &self.headers);
        let mut buffer = Buffer::new("TCP stream");
        out.pieces(c.side, c.offset..c.offset + section.len as u64, &mut |p| {
            buffer.push(p.len, p.source, p.exact);
        });
        buffer.bytes = c.data.get(..section.len).unwrap_or_default().to_vec();
        let first = buffer.bytes.split(|b| matches!(b, b'\r' | b'\n')).next().unwrap_or_default();
        detail.summary = String::from_utf8_lossy(first).into_owned();
        detail.origins.add(buffer);
        (section, Some(detail))
    }

    #[allow(clippy::too_many_arguments)] // One call, which would take them apart again.
    pub(super) fn request(
        &mut self,
        method: Method,
        version: u8,
        section: &Section,
        seen: Seen,
        detail: Option<Detail>,
        mut odd: Odd,
        out: &mut dyn Out,
    ) {
        let framing = if section.whole {
            message::judge_request(version, &self.headers, &mut odd);
            message::framing(section.first, &self.headers, &mut odd)
        } else {
            Framing::Unknown
        };
        odd.0.drain(..).for_each(|f| out.finding(f));
        self.pipelines |= self.is_pipelined(&seen, out);
        let key = self.new_key();
        out.open(Child { key, stream: None, carries: Carries::Exchange });
        self.offer = if method == Method::Connect {
            Some((key, Offer::Connect))
        } else if self.headers.get("upgrade").is_some_and(|v| !v.is_empty()) {
            let mut headers = self.headers.clone();
            if !section.whole {
                lack(&mut headers);
            }
            let kept = Kept {
                headers,
                detail: detail.clone(),
                version,
                start: seen.start,
                ready: seen.ready,
                wire_len: section.len as u64,
            };
            Some((key, Offer::Upgrade(Box::new(kept))))
        } else {
            None
        };
        self.open.push_back(Open {
            key,
            method,
            start: seen.start,
            orphan: false,
            done: [false; 2],
            expects: self.headers.has_token("expect", "100-continue"),
            answered: false,
        });
        let half = self.half(Side::Client);
        half.key = key;
        half.passed = 0;
        half.version = version;
        let end = framing == Framing::None;
        self.tell_head(key, Side::Client, version, section, &seen, end, detail.as_ref(), out);
        if !section.whole {
            out.finding(Finding::new(&g::HEAD_CUT).with("request"));
            self.cut(Side::Client, EndCause::CaptureEnded, out);
            self.lose(Side::Client, false, out);
            return;
        }
        self.begin_body(Side::Client, framing, out);
    }

    #[allow(clippy::too_many_arguments)] // As above.
    pub(super) fn response(
        &mut self,
        code: u16,
        version: u8,
        section: &Section,
        seen: Seen,
        detail: Option<Detail>,
        mut odd: Odd,
        out: &mut dyn Out,
    ) {
        let half = self.half(Side::Server);
        let key = half.key;
        half.passed = 0;
        half.version = version;
        if half.closing {
            out.finding(Finding::new(&g::AFTER_CLOSE));
        }
        let method = self.exchange(key).map_or(Method::Other, |o| o.method);
        let interim = (100..200).contains(&code) && code != 101;
        let tunnels = method == Method::Connect && (200..300).contains(&code);
        let bodiless = code < 200 || code == 204 || code == 304 || method == Method::Head;
        // A bodiless response may say how long another one would be.
        let stated = if section.whole {
            message::framing(section.first, &self.headers, &mut odd)
        } else {
            Framing::Unknown
        };
        // Some servers say so with another status, which nobody may (RFC 9110 §7.8).
        let switches = code == 101 || stated == Framing::Close && self.means_to_switch(key, code);
        // The request went missing, and this is how CONNECT is answered: no content
        // (RFC 9110 §9.3.6), where anything else would say what it is, or how long.
        let opens = self.half(Side::Client).lost.is_some()
            && (200..300).contains(&code)
            && !bodiless
            && stated == Framing::Close
            && self.headers.get("content-type").is_none()
            && self.headers.get("transfer-encoding").is_none();
        let tunnels = tunnels || opens;
        odd.0.drain(..).for_each(|f| out.finding(f));
        let framing = if bodiless || tunnels || switches { Framing::None } else { stated };
        if !interim && !switches {
            self.half(Side::Server).closing = self.headers.has_token("connection", "close");
        }
        let end = framing == Framing::None && !interim;
        self.tell_head(key, Side::Server, version, section, &seen, end, detail.as_ref(), out);
        // The rest is lost, and says no more of what follows than what there is.
        let offered = matches!(&self.offer, Some((asked, Offer::Upgrade(_))) if *asked == key);
        let named = offered || self.headers.get("upgrade").is_some();
        let agrees = !section.whole && code == 101 && named;
        if agrees {
            out.finding(Finding::new(&g::HEAD_CUT).with("response"));
            lack(&mut self.headers);
        } else if !section.whole {
            out.finding(Finding::new(&g::HEAD_CUT).with("response"));
            self.cut(Side::Server, EndCause::CaptureEnded, out);
            self.lose(Side::Server, false, out);
            return;
        }
        if interim {
            return;
        }
        if !switches && !tunnels {
            self.half(Side::Client).lost = None;
        }
        if switches || tunnels {
            let told = Kept {
                headers: std::mem::take(&mut self.headers),
                detail,
                version,
                start: seen.start,
                ready: seen.ready,
                wire_len: section.len as u64,
            };
            self.switch(key, switches, &told, out);
            self.headers = told.headers;
            return;
        }
        if let Some(o) = self.exchange(key) {
            o.answered = true;
        }
        if let Some(offer) = self.take_offer(key) {
            if let Offer::Upgrade(request) = offer {
                let told = Kept {
                    headers: std::mem::take(&mut self.headers),
                    detail,
                    version,
                    start: seen.start,
                    ready: seen.ready,
                    wire_len: section.len as u64,
                };
                self.decline(&request, &told, out);
                self.headers = told.headers;
            }
            let [client, _] = &mut self.halves;
            if client.state == State::Held {
                client.state = State::Head;
            }
        }
        self.begin_body(Side::Server, framing, out);
    }

    #[allow(clippy::too_many_arguments)] // All of a `Head`.
    pub(super) fn tell_head(
        &self,
        key: u64,
        side: Side,
        version: u8,
        section: &Section,
        seen: &Seen,
        end: bool,
        detail: Option<&Detail>,
        out: &mut dyn Out,
    ) {
        out.tell(
            key,
            Input::Head(Head {
                side,
                headers: &self.headers,
                version,
                end,
                start: seen.start,
                ready: seen.ready,
                wire_len: section.len as u64,
                detail,
            }),
        );
    }

    /// Which request the response at the front of the chunk answers.
    pub(super) fn awaited(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Awaited {
        let start = out.moment(Side::Server, c.offset);
        let behind = out.path().lacks(Side::Client);
        if let Some(o) = self.open.iter().find(|o| !o.done[1]) {
            let early = o.start.time.since(start.time) > MAX_EARLY_RESPONSE_NS;
            // So it is of the first answer of a connection that was joined in the middle.
            let strict = self.strict || c.offset == 0 && out.path().joined;
            return if early || strict && o.start.packet > start.packet {
                Awaited::Nobody
            } else if behind && !o.done[0] && !c.last {
                // The rest of the request was captured before, and comes now.
                Awaited::Peer
            } else {
                Awaited::Request(o.key)
            };
        }
        let [client, _] = &mut self.halves;
        // The capture began between a request and the answer that agrees to it: what the
        // client sends next is no HTTP.
        let first = c.offset == 0 && out.path().joined && client.state == State::Head;
        if first && !behind && c.data.get(9..12) == Some(b"101") {
            return Awaited::Nobody;
        }
        // Behind a hole of the client, its next request tells which answers are older;
        // but not where what stands behind it waits for the answer itself, or the answer
        // may be one behind which there is no HTTP.
        let framed = is_framed(c.data);
        let off = match client.state {
            State::Off => true,
            State::Lost => client.stuck || client.lost.is_some() && !framed,
            State::LostChunk => !behind,
            _ => false,
        };
        let can_come = client.ended.is_none() && !off;
        if can_come && !self.alone {
            if !c.last {
                return Awaited::Peer;
            }
            self.alone = true;
        }
        if framed && client.state == State::Lost {
            // The lost request's, and it agrees to nothing.
            (client.stuck, client.lost) = (false, None);
        }
        Awaited::Nobody
    }

    /// A response that answers nothing that was captured gets an exchange of its own.
    pub(super) fn orphan(&mut self, seen: &Seen, out: &mut dyn Out) {
        out.finding(Finding::new(&g::NO_REQUEST));
        let key = self.new_key();
        out.open(Child { key, stream: None, carries: Carries::Exchange });
        // Before those that wait: it was sent before their responses.
        self.open.push_front(Open {
            key,
            method: Method::Other,
            start: seen.start,
            orphan: true,
            done: [true, false],
            expects: false,
            answered: false,
        });
        self.half(Side::Server).key = key;
    }
}

/// Whether the answer at the front of the bytes has an end that can be told, as one does not
/// have behind which the connection is a tunnel's (RFC 9110 §9.3.6) or another protocol's.
fn is_framed(data: &[u8]) -> bool {
    let agrees = match data.get(9..12) {
        Some(b"101") => true,
        Some(b"204" | b"205") => false,
        Some(code) => code.first() == Some(&b'2'),
        None => true,
    };
    if !agrees {
        return true;
    }
    let Some(end) = memchr::memmem::find(data, b"\r\n\r\n") else { return false };
    let head = data.get(..end).unwrap_or_default().to_ascii_lowercase();
    ["\r\ncontent-length:", "\r\ntransfer-encoding:"]
        .iter()
        .any(|name| memchr::memmem::find(&head, name.as_bytes()).is_some())
}

/// Which exchange a response belongs to.
pub(super) enum Awaited {
    Request(u64),
    Nobody,
    Peer,
}

/// When a section was captured.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    pub(super) start: Moment,
    pub(super) ready: Moment,
}

impl Seen {
    pub(super) fn new(c: &Chunk<'_>, section: &Section, out: &mut dyn Out) -> Self {
        let last = (section.len as u64).saturating_sub(1);
        Self { start: out.moment(c.side, c.offset), ready: out.ready(c.side, c.offset + last) }
    }
}

/// Bytes of empty lines at the front.
fn blank_lines(data: &[u8]) -> usize {
    let mut rest = data;
    while let [b'\r', b'\n', r @ ..] | [b'\n', r @ ..] = rest {
        rest = r;
    }
    data.len() - rest.len()
}
