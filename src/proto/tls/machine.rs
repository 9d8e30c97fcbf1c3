//! The state of one connection: records of both directions, in their order.

mod closed;
mod holes;

use super::crypto::{Keys, Opened, Sealed};
use super::findings as g;
use super::messages::{self, Assembly, Place};
use super::open::Outcome;
use super::orphan;
use super::records::{self, Shown};
use super::session::{Epoch, Session};
use super::wire::{self, Head, RETRY};
use crate::base::limits::MAX_ORPHAN_TRIAL_BYTES;
use crate::base::{BufferId, Moment, Side};
use crate::event::{Draft, Level};
use crate::field::{In, NoSink};
use crate::finding::Finding;
use crate::proto::{Carries, Child, Chunk, EndCause, Input, Machine, Out, Progress, Trace};
use closed::is_plain_handshake;
use holes::Hole;

/// The one child: application data.
const CHILD: u64 = 1;

/// One direction.
#[derive(Clone, Default)]
pub(super) struct Direction {
    pub(super) keys: Option<(Epoch, Keys)>,
    /// Behind change_cipher_spec, before TLS 1.3: what comes is encrypted.
    pub(super) protected: bool,
    assembly: Assembly,
    /// Records so far, and those of them that were opened.
    pub(super) records: u64,
    pub(super) opened: u64,
    /// Encrypted ones since the last that was opened.
    pub(super) unopened: u64,
    /// All that stayed closed.
    closed: u64,
    /// Bytes of application data, and of early data.
    pub(super) plain: u64,
    pub(super) early: u64,
    pub(super) alert: Option<(u8, u8)>,
    /// Waiting for the peer was in vain.
    pub(super) waited: bool,
    /// With which secrets the next keys were tried last.
    pub(super) tried: Option<u64>,
    /// Without hellos: records that were tried in vain, and bytes that trials for the number
    /// of one have gone over since the session is known.
    pub(super) trials: u32,
    pub(super) number_spent: u64,
    hole: Option<Hole>,
    /// Records that may be missing: so far sequence numbers are tried.
    pub(super) hole_reach: Option<u64>,
    /// The last record's number was found by trial.
    pub(super) by_trial: bool,
    /// Bytes from the first that is missing to where records go on, with what protects
    /// them.
    missing: Option<u64>,
    /// The number that the first missing record had.
    missing_from: u64,
    ended: bool,
    told_end: bool,
}

impl Direction {
    /// So many bytes do not come to be plain text; of them, so many records have had
    /// their number already.
    fn lack(&mut self, bytes: u64, numbered: u64) {
        if self.missing.is_none() {
            let next = self.keys.as_ref().map_or(0, |(_, k)| k.seq);
            self.missing_from = next.saturating_sub(numbered);
        }
        self.missing = Some(self.missing.unwrap_or(0).saturating_add(bytes));
    }

    /// Encrypted records that were not opened.
    pub(super) const fn closed_records(&self) -> u64 {
        self.closed
    }
}

/// See the module.
#[derive(Clone)]
pub(super) struct Tls {
    pub(super) session: Session,
    dirs: [Direction; 2],
    /// Plain text of the record in hand.
    pub(super) plain: Vec<u8>,
    child: bool,
    first: Option<Moment>,
    last: Moment,
    told: Told,
    /// Bytes that trials for the session itself may still go over.
    pub(super) trial_left: u64,
    done: bool,
}

/// What was said once and is not said again.
#[derive(Clone, Copy, Default)]
struct Told {
    no_secret: bool,
    wrong: bool,
    not_verified: bool,
    lost: bool,
    suite: bool,
    used: bool,
    refused: bool,
    turned: bool,
}

impl Default for Tls {
    fn default() -> Self {
        Self {
            session: Session::default(),
            dirs: Default::default(),
            plain: Vec::new(),
            child: false,
            first: None,
            last: Moment::default(),
            told: Told::default(),
            trial_left: MAX_ORPHAN_TRIAL_BYTES,
            done: false,
        }
    }
}

impl Machine for Tls {
    fn feed(&mut self, input: Input<'_>, out: &mut dyn Out) -> Progress {
        match input {
            Input::Bytes(c) => return self.bytes(&c, out),
            Input::Gap { side, offset, len } => self.gap(side, offset, len, out),
            Input::End { side, cause } => self.end(side, cause, out),
            Input::Reset { side, code } => {
                for s in Side::BOTH {
                    self.flush(s, out);
                }
                if self.child {
                    out.tell(CHILD, Input::Reset { side, code });
                }
                self.finish("reset", true, out);
            }
            Input::Head(_) | Input::Trailers(_) | Input::Datagram { .. } => {}
        }
        Progress::took(0)
    }

    fn fork(&self) -> Option<Box<dyn Machine>> {
        Some(Box::new(Self { plain: Vec::new(), ..self.clone() }))
    }

    fn memory(&self) -> usize {
        let dirs: usize = self
            .dirs
            .iter()
            .map(|d| d.assembly.memory() + d.keys.as_ref().map_or(0, |(_, k)| k.memory()))
            .sum();
        size_of::<Self>() + self.plain.capacity() + self.session.memory() + dirs
    }
}

impl Tls {
    /// In the middle of a session of TLS 1.3 whose client has this secret, for benchmarks
    /// and tests.
    pub(super) fn primed(secret: &[u8], suite: u16) -> Self {
        let keys = super::suites::of(suite).and_then(|s| Keys::of_secret(s, secret, 0));
        Self::primed_by(suite, 0x0304, keys)
    }

    /// The same of any version, whose client has these keys.
    pub(super) fn primed_by(suite: u16, version: u16, keys: Option<Keys>) -> Self {
        let mut tls = Self::default();
        (tls.session.version, tls.session.suite) = (version, suite);
        tls.session.random = Some([0; 32]);
        let epoch = if version == 0x0304 { Epoch::Traffic(0) } else { Epoch::Master };
        let dir = tls.dir(Side::Client);
        dir.protected = true;
        dir.keys = keys.map(|k| (epoch, k));
        tls
    }

    pub(super) fn dir(&mut self, side: Side) -> &mut Direction {
        let [client, server] = &mut self.dirs;
        if side == Side::Client { client } else { server }
    }

    pub(super) const fn dirs(&self) -> &[Direction; 2] {
        &self.dirs
    }

    fn bytes(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Progress {
        let mut took = 0;
        let undecided = self.session.early_taken.is_none();
        loop {
            let data = c.data.get(took..).unwrap_or_default();
            if data.is_empty() {
                return Progress::took(took);
            }
            let at = c.offset + took as u64;
            let rest = Chunk { offset: at, data, ..*c };
            self.note(c.side, at, out);
            let step = if self.dir(c.side).hole.is_some() {
                self.search(&rest, out)
            } else {
                self.record(&rest, out)
            };
            match step {
                // Early data of the client waits for this, and comes before what follows.
                Step::Took(n)
                    if undecided
                        && self.session.early_taken.is_some()
                        && self.session.offers_early_data() =>
                {
                    return Progress::need(took + n, 1);
                }
                Step::Took(n) => took += n,
                Step::Need(n) => return Progress::need(took, n),
                Step::Peer => return Progress::peer(took),
            }
        }
    }

    fn note(&mut self, side: Side, at: u64, out: &dyn Out) {
        if self.first.is_none() {
            self.first = Some(out.moment(side, at));
        }
    }

    /// Whether the peer's hello may still come.
    pub(super) fn peer_is_silent(&mut self, side: Side) -> bool {
        let peer = self.dir(side.peer());
        peer.records == 0 && peer.hole.is_none() && !peer.ended
    }

    /// Whether it is still to come what the server makes of early data. What it refuses
    /// the client says again.
    fn early_is_undecided(&mut self, side: Side) -> bool {
        let server = self.dir(Side::Server);
        let may_say = server.closed == 0 && server.hole.is_none() && !server.ended;
        let early = match &self.dir(side).keys {
            None => !self.dir(side).waited,
            Some((epoch, _)) => *epoch == Epoch::Early,
        };
        let undecided = self.session.early_taken.is_none() && self.session.offers_early_data();
        side == Side::Client && may_say && early && undecided
    }

    /// The record at the front of the chunk.
    fn record(&mut self, c: &Chunk<'_>, out: &mut dyn Out) -> Step {
        let read = wire::head(In::new(c.data, BufferId(0), 0, &NoSink), false);
        let missing = match read {
            Ok((_, head)) if !head.is_sound() => {
                out.finding(Finding::new(&g::NOT_TLS).with(format!(
                    "the {} sent {}",
                    c.side.name(),
                    hex(c.data.get(..Head::LEN).unwrap_or_default())
                )));
                self.lose(c.side, c.offset, None, true, out);
                return Step::Took(0);
            }
            Ok((_, head)) => match c.data.get(..head.wire_len()) {
                Some(record) => return self.whole(c, head, record, out),
                None => head.wire_len() - c.data.len(),
            },
            Err(_) => Head::LEN - c.data.len(),
        };
        if !c.last {
            return Step::Need(missing);
        }
        let head = read.ok().map(|(_, h)| h);
        let len = c.data.len() as u64;
        let mut trace = Trace::new(out.wants(Level::Frame), "TCP stream");
        trace.add(out, c.side, c.offset..c.offset + len);
        out.emit(records::part(c.side, len, head, c.data, trace, out));
        // Where a hole follows, this is where records end to be whole.
        let resume = head.map(|h| c.offset + h.wire_len() as u64);
        self.lose(c.side, c.offset, resume, false, out);
        Step::Took(c.data.len())
    }

    fn whole(&mut self, c: &Chunk<'_>, head: Head, record: &[u8], out: &mut dyn Out) -> Step {
        let side = c.side;
        let body = record.get(Head::LEN..).unwrap_or_default();
        let sealed = Sealed {
            head: record.get(..Head::LEN).unwrap_or_default(),
            content_type: head.content_type,
            version: head.version.to_be_bytes(),
            body,
        };
        let end = c.offset + record.len() as u64;
        self.last = self.last.max(out.ready(side, end.saturating_sub(1)));
        // A server's hello answers the client's, which captures have behind it at times.
        let unasked = side == Side::Server && self.session.random.is_none();
        let found = unasked && orphan::has_told(out.secrets(), &sealed);
        let unasked = unasked && !found && self.dir(side).records == 0;
        if unasked && !c.last && self.peer_is_silent(side) {
            return Step::Peer;
        }
        if !self.is_protected(side, &head, body) {
            self.dir(side).records += 1;
            let mut d = records::draft(side, c.offset, record, head, Shown::Plain, out);
            if head.length as usize > Head::MAX_PLAIN {
                d.findings
                    .push(Finding::new(&g::RECORD_TOO_LONG).with(format!("{} bytes", head.length)));
            }
            out.emit(d);
            let place = Place { side, at: c.offset + Head::LEN as u64, end, opened: false };
            self.content(place, head.content_type, body, out);
            return Step::Took(record.len());
        }
        if head.content_type == 23 && !c.last && self.early_is_undecided(side) {
            return Step::Peer;
        }
        let opaque =
            head.content_type == 23 && (self.session.is_v13() || self.session.version == 0);
        match self.open(side, &sealed, c.last, out) {
            Outcome::Wait => Step::Peer,
            Outcome::Closed(why) => {
                let dir = self.dir(side);
                dir.waited |= c.last;
                dir.records += 1;
                dir.closed += 1;
                let edges = self.edges(side, body.len());
                let mut d = records::draft(
                    side,
                    c.offset,
                    record,
                    head,
                    Shown::Closed { opaque, edges },
                    out,
                );
                d.findings.extend(self.closed_because(side, why, out));
                out.emit(d);
                // What stays closed is missing in the plain text, where that has begun. Of
                // early data alone a protocol can do without that has no state.
                let refused = self.session.early_taken == Some(false);
                let dir = self.dir(side);
                let early = side == Side::Client && dir.opened == 0 && !refused;
                let begun = match &dir.keys {
                    Some((Epoch::Traffic(_) | Epoch::Master, _)) => dir.plain > 0,
                    _ => false,
                };
                let early_h2 = early
                    && self.session.offers_early_data()
                    && self
                        .session
                        .client
                        .as_ref()
                        .is_some_and(|c| c.alpn.iter().any(|a| a == b"h2"));
                if head.content_type == 23 && (begun || early_h2) {
                    let dir = self.dir(side);
                    dir.lack(record.len() as u64, 1);
                }
                Step::Took(record.len())
            }
            Outcome::Open(opened, epoch, seq) => {
                self.opened(c, head, record, (opened, epoch, seq), out);
                Step::Took(record.len())
            }
        }
    }

    fn opened(
        &mut self,
        c: &Chunk<'_>,
        head: Head,
        record: &[u8],
        (opened, epoch, seq): (Opened, Epoch, u64),
        out: &mut dyn Out,
    ) {
        let side = c.side;
        if let Some(random) =
            self.session.random.filter(|_| !std::mem::replace(&mut self.told.used, true))
        {
            out.used_secrets(&random);
        }
        // A client sends nothing but application data with these keys, unless it is asked.
        let first = seq == 0 && self.session.role(side) == Side::Client;
        self.session.from_start |= epoch == Epoch::Handshake || epoch == Epoch::Traffic(0) && first;
        let plain = std::mem::take(&mut self.plain);
        let edges = self.edges(side, record.len().saturating_sub(Head::LEN));
        let opaque = self.session.is_v13();
        let shown = Shown::Open { opaque, edges, opened, plain: &plain, epoch, seq };
        let mut d = records::draft(side, c.offset, record, head, shown, out);
        if opened.len > Head::MAX_PLAIN {
            d.findings.push(
                Finding::new(&g::RECORD_TOO_LONG).with(format!("{} bytes, decrypted", opened.len)),
            );
        }
        let dir = self.dir(side);
        dir.records += 1;
        dir.opened += 1;
        if std::mem::take(&mut dir.by_trial) {
            let text = format!("number {seq} of the keys of {}", epoch.name());
            d.findings.push(Finding::new(&g::SEQUENCE_FOUND).with(text));
        }
        if self.session.is_turned() && !std::mem::replace(&mut self.told.turned, true) {
            d.findings.push(Finding::new(&g::ROLES_TURNED));
        }
        let expected = self.dir(side).missing;
        let refused = opened.content_type == 23
            && epoch == Epoch::Early
            && self.session.early_taken == Some(false);
        if refused && !std::mem::replace(&mut self.told.refused, true) {
            d.findings.push(Finding::new(&g::EARLY_REFUSED));
        }
        out.emit(d);
        let content = plain.get(..opened.len).unwrap_or_default();
        let end = c.offset + record.len() as u64;
        let at = c.offset + (Head::LEN + opened.at) as u64;
        if opened.content_type == 23 && epoch == Epoch::Early {
            self.dir(side).early += content.len() as u64;
        }
        if refused {
            // The server has passed it over: it is no part of what was said.
        } else if opened.content_type == 23 {
            self.dir(side).plain += content.len() as u64;
            self.open_child(out);
            if expected.is_some() {
                self.tell_hole(side, Some(seq), out);
            }
            if !content.is_empty() {
                out.pass_opened(CHILD, side, c.offset..end, at, content);
            }
        } else {
            let place = Place { side, at, end, opened: true };
            self.content(place, opened.content_type, content, out);
        }
        self.plain = plain;
    }

    fn open_child(&mut self, out: &mut dyn Out) {
        // A child's sides are ours: with the wrong ones it would make wrong things of it.
        if self.session.is_turned() || std::mem::replace(&mut self.child, true) {
            return;
        }
        // Content decides where it begins at the beginning; else what was agreed.
        let joined = self.dirs.iter().any(|d| d.missing.is_some());
        let carries = match self.session.alpn.as_deref().filter(|_| joined) {
            Some(name) => Carries::Named(name),
            None if self.session.orphan && !self.session.from_start => Carries::Middle,
            None => Carries::Bytes,
        };
        out.open(Child { key: CHILD, stream: None, carries });
    }

    fn edges(&mut self, side: Side, len: usize) -> (usize, usize) {
        if let Some((_, keys)) = &self.dir(side).keys {
            return keys.edges();
        }
        let Some(suite) = self.session.cipher() else { return (0, 0) };
        let front = if self.session.is_v13() { 0 } else { suite.cipher.explicit_nonce() };
        let back = if matches!(suite.cipher, super::suites::Cipher::Cbc(..)) {
            0
        } else {
            suite.cipher.tag_len()
        };
        if front + back > len { (0, 0) } else { (front, back) }
    }

    /// Whether a record is encrypted.
    fn is_protected(&mut self, side: Side, head: &Head, body: &[u8]) -> bool {
        let v13 = self.session.is_v13();
        if self.session.version != 0 && !v13 {
            return self.dir(side).protected;
        }
        match head.content_type {
            23 => true,
            // In TLS 1.3 it comes in clear, whenever it comes.
            20 => body.len() != 1,
            // The version is not known yet, or nothing is known at all.
            22 if !v13 => {
                let dir = self.dir(side);
                let begun = dir.assembly.is_begun() && !dir.protected;
                !begun && !is_plain_handshake(body)
            }
            21 if !v13 => body.len() != 2,
            _ => false,
        }
    }

    /// What records carry, in clear or decrypted.
    fn content(&mut self, place: Place, content_type: u8, data: &[u8], out: &mut dyn Out) {
        match content_type {
            22 => {
                let mut assembly = std::mem::take(&mut self.dir(place.side).assembly);
                assembly.take(data, place, out, &mut |bytes, draft, trace, out| {
                    self.message(place.side, bytes, draft, trace, out);
                });
                self.dir(place.side).assembly = assembly;
            }
            21 => self.alerts(place, data, out),
            20 if !self.session.is_v13() => {
                let dir = self.dir(place.side);
                dir.protected = true;
                dir.keys = None;
                dir.unopened = 0;
            }
            24 => out
                .finding(Finding::new(&g::HEARTBEAT).with(format!("of the {}", place.side.name()))),
            _ => {}
        }
    }

    /// A whole handshake message.
    fn message(
        &mut self,
        side: Side,
        bytes: &[u8],
        mut draft: Draft,
        trace: Option<Trace>,
        out: &mut dyn Out,
    ) {
        let (kind, m) = messages::read(bytes, trace, &mut draft, &self.session);
        match kind {
            1 => self.session.client_hello(&m.hello),
            2 if m.hello.random == RETRY => {
                self.session.retried = true;
                self.session.early_taken = Some(false);
                self.session.version = m.hello.chosen_version();
                self.session.suite = m.hello.suites.first().copied().unwrap_or(0);
            }
            2 => {
                self.session.server_hello(&m.hello);
                if !self.session.is_v13() || m.hello.psk.is_none() {
                    self.session.early_taken = Some(false);
                }
                if self.session.version < 0x0303 {
                    let name = super::names::version_text(self.session.version);
                    draft.findings.push(Finding::new(&g::OLD_VERSION).with(name));
                }
            }
            5 if side == Side::Client => self.session.early_taken = Some(true),
            8 => {
                self.session.alpn_of(&m.hello);
                self.session.early_taken = Some(m.hello.has(42));
            }
            12 => self.session.group = m.group.or(self.session.group),
            24 if self.session.is_v13() => {
                let dir = self.dir(side);
                if let Some((epoch, keys)) = &dir.keys
                    && let Some(next) = keys.updated()
                {
                    let n = if let Epoch::Traffic(n) = epoch { n.saturating_add(1) } else { 1 };
                    dir.keys = Some((Epoch::Traffic(n), next));
                }
            }
            _ => {}
        }
        out.emit(draft);
    }

    fn alerts(&mut self, place: Place, data: &[u8], out: &mut dyn Out) {
        let mut at = place.at;
        for pair in data.chunks(2) {
            let end = at + pair.len() as u64;
            let last = if place.opened { place.end } else { end };
            let ready = out.ready(place.side, last.saturating_sub(1));
            let mut d = records::alert(place.side, at..end, ready, place.opened, pair, out);
            at = end;
            let &[level, description] = pair else {
                d.findings.push(Finding::new(&g::MALFORMED).with("an alert of one byte"));
                out.emit(d);
                continue;
            };
            self.dir(place.side).alert = Some((level, description));
            // In TLS 1.3 the level says nothing (RFC 8446 §6).
            let fatal = level == 2 || self.session.is_v13() && !matches!(description, 0 | 90);
            if fatal && description != 0 {
                let text = records::alert_text(level, description);
                d.findings.push(Finding::new(&g::FATAL_ALERT).with(text));
            }
            out.emit(d);
            if description == 0 {
                self.tell_end(place.side, EndCause::Finished, out);
            }
        }
    }

    fn tell_end(&mut self, side: Side, cause: EndCause, out: &mut dyn Out) {
        if self.child && !std::mem::replace(&mut self.dir(side).told_end, true) {
            if self.dir(side).missing.is_some() {
                self.tell_hole(side, None, out);
            }
            out.tell(CHILD, Input::End { side, cause });
        }
    }

    fn cut_message(&mut self, side: Side, out: &mut dyn Out) {
        let now = out.now();
        let session = self.session.clone();
        if let Some((bytes, mut draft, trace)) = self.dir(side).assembly.cut(side, now) {
            messages::read(&bytes, trace, &mut draft, &session);
            out.emit(draft);
        }
    }

    fn flush(&mut self, side: Side, out: &mut dyn Out) {
        if self.dir(side).assembly.is_begun() {
            self.cut_message(side, out);
        }
        self.tell_passed(side, out);
    }

    fn end(&mut self, side: Side, cause: EndCause, out: &mut dyn Out) {
        self.flush(side, out);
        self.dir(side).ended = true;
        self.tell_end(side, cause, out);
        if !self.dirs.iter().all(|d| d.ended) {
            return;
        }
        let complete = cause == EndCause::Finished;
        let how = match cause {
            EndCause::Finished | EndCause::Cut => "closed",
            EndCause::CaptureEnded => "open",
            EndCause::Evicted => "let go",
        };
        self.finish(how, complete, out);
    }

    /// The session is over, as far as it goes.
    fn finish(&mut self, how: &str, complete: bool, out: &mut dyn Out) {
        if self.child {
            out.close(CHILD);
            self.child = false;
        }
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let first = self.first.unwrap_or_else(|| out.now());
        let last = self.last.max(first);
        super::exchange::emit(self, [first, last], how, complete, out);
    }
}

/// What to do next.
enum Step {
    Took(usize),
    Need(usize),
    Peer,
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
