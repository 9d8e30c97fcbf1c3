//! The session: what both directions came to, kept while it goes on. [`told`] tells it, once,
//! at its end.

mod told;

use super::findings::CROSS_SITE;
use super::habits::{Keys, Pings, Rate, RoundTrips, Silence};
use super::message::Told;
use super::summary::bytes;
use super::watch::Watch;
use super::wire::{FrameHead, opcode};
use super::{close, credentials};
use crate::base::limits::MAX_SESSION_DIGESTS;
use crate::base::{Moment, Side};
use crate::facts::{Credentials, Digest};
use crate::finding::{Finding, FindingSpec, Severity};
use crate::proto::{Abort, EndCause, Head, error_name};

/// No close code at all (RFC 6455 §7.1.5).
pub(super) const NO_STATUS: u16 = 1005;
/// No close frame at all (RFC 6455 §7.1.5).
pub(super) const ABNORMAL: u16 = 1006;

/// Silence after which a heartbeat is missed: a minute, less what clocks differ by.
const HEARTBEAT_NS: u64 = 59_000_000_000;

/// Bytes kept of an `Origin`.
const MAX_ORIGIN: usize = 256;

/// What one end sent.
#[derive(Clone, Debug, Default)]
pub(super) struct Sent {
    messages: u64,
    bytes: u64,
    frame_bytes: u64,
    pings: u64,
    pongs: u64,
    /// Something of this direction was captured.
    pub(super) seen: bool,
    /// When its close frame was whole.
    pub(super) close: Option<Moment>,
    pub(super) ended: Option<(Ending, Moment)>,
    /// The end of its last frame, and of its last data frame.
    pub(super) last: Option<Moment>,
    pub(super) last_data: Option<Moment>,
    /// The longest message, as its frames announce it.
    pub(super) largest: Option<Largest>,
    /// Bytes of the data message that is open, as its frames announce them.
    announced: u64,
    /// Its first violation, and where.
    pub(super) fault: Option<(&'static FindingSpec, Moment)>,
    /// It broke a rule behind the handshake: its peer must fail the connection, and has
    /// not shown yet that it does not.
    failed: bool,
    /// The longest time between two of its frames, in nanoseconds.
    pub(super) quiet: u64,
    /// Its pings without a pong.
    pub(super) waiting: Pings,
    /// The last of its pongs that answer no ping that was seen.
    stray: Option<Stray>,
    /// Its last bytes were not captured.
    pub(super) lost: bool,
    /// Some of its bytes were not.
    holed: bool,
    /// It ended in the middle of a frame.
    pub(super) cut: bool,
    keys: Keys,
    rate: Rate,
}

/// The longest message of one end.
#[derive(Clone, Copy, Debug)]
pub(super) struct Largest {
    /// Its bytes; inflated, where that is known.
    pub(super) len: u64,
    /// Its bytes in the frames: compressed, where it was.
    pub(super) carried: u64,
    /// Where it was seen to be so long.
    pub(super) at: Moment,
}

impl Largest {
    /// `6050 bytes, 3404 as sent`
    pub(super) fn size(self) -> String {
        let size = bytes(self.len);
        if self.len == self.carried { size } else { format!("{size}, {} as sent", self.carried) }
    }
}

/// A pong that answers no ping that was seen.
#[derive(Clone, Copy, Debug)]
struct Stray {
    len: u64,
    at: Moment,
}

/// How one direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    Finished,
    Reset,
    /// The capture ended first.
    Cut,
    /// The engine let go of it.
    Evicted,
}

/// The first close frame.
#[derive(Clone, Debug)]
pub(super) struct Closing {
    pub(super) by: Side,
    /// 1005 where it had no code.
    pub(super) code: u16,
    /// It had one: 1005 as well, which must not be sent.
    pub(super) stated: bool,
    reason: Box<str>,
    pub(super) at: Moment,
    /// The code of the peer's own close frame.
    pub(super) reply: Option<u16>,
    /// Its reason.
    reply_reason: Box<str>,
}

impl Closing {
    /// `1009 (message too big) "frame with 3404 bytes"`
    pub(super) fn told(&self) -> String {
        close::told(self.code, &self.reason)
    }

    /// The same of the peer's own, where that has another code.
    pub(super) fn other_reply(&self) -> Option<String> {
        let code = self.reply.filter(|r| *r != self.code)?;
        Some(close::told(code, &self.reply_reason))
    }
}

/// The tally of a session.
#[derive(Clone, Debug, Default)]
pub(super) struct Session {
    start: Option<Moment>,
    sent: [Sent; 2],
    closing: Option<Closing>,
    /// The end of the last frame before the first close frame, and the longest silence
    /// before that.
    before_close: Option<(Moment, u64)>,
    /// Bytes of all compressed messages: as sent, and inflated.
    compressed: [u64; 2],
    /// Who ended its direction first.
    first_end: Option<(Side, Ending, Moment)>,
    /// What of the layers below ended so, and the code of RST_STREAM.
    below: (Abort, u32),
    /// Who ended first aborted the stream behind that, with this code.
    then: Option<(u32, Moment)>,
    trips: RoundTrips,
    silence: Silence,
    /// Compressed messages of which the missing handshake would say how: how many, and the ends
    /// of the first and the last.
    unknown: Option<(u64, Moment, Moment)>,
    /// 10, 11 or 20.
    version: u8,
    handshake_bytes: u64,
    accepted: bool,
    forbidden_close: bool,
    request: Option<Moment>,
    origin: Option<Box<str>>,
    host: Option<Box<str>>,
    credentials: Credentials,
    digests: Vec<Digest>,
    /// What its request asks for was inferred.
    inferred: bool,
    told: bool,
}

impl Session {
    /// Something of the session was seen at `moment`.
    pub(super) fn begin(&mut self, moment: Moment) {
        self.start.get_or_insert(moment);
    }

    /// A head of the handshake.
    pub(super) fn head(&mut self, head: &Head<'_>, found: &mut dyn FnMut(Finding)) {
        let h = head.headers;
        self.sent_mut(head.side).seen = true;
        self.silence.broken(head.start, head.ready);
        self.version = head.version;
        self.handshake_bytes = self.handshake_bytes.saturating_add(head.wire_len);
        match head.side {
            Side::Client => {
                self.request = Some(head.ready);
                self.inferred = h.is_inferred();
                self.credentials = credentials::of(h);
                let text = |v: &str| v.chars().take(MAX_ORIGIN).collect::<String>().into();
                self.origin = h.text("origin").map(text);
                self.host = h.text("host").or_else(|| h.text(":authority")).map(text);
            }
            Side::Server => {
                let status = h.get(":status").unwrap_or_default();
                self.accepted =
                    if head.version >= 20 { status.starts_with(b"2") } else { status == b"101" };
                let (Some(origin), Some(host)) = (&self.origin, &self.host) else { return };
                if self.accepted
                    && self.credentials.cookies
                    && credentials::is_other_site(origin, host)
                {
                    let proof = self.request.iter().chain([&head.ready]).map(|m| m.packet);
                    found(
                        Finding::new(&CROSS_SITE)
                            .with(format!("Origin {origin}, Host {host}"))
                            .proved_by(proof.collect::<Vec<_>>()),
                    );
                }
            }
        }
    }

    /// The handshake of this end broke a rule.
    pub(super) fn fault(&mut self, side: Side, spec: &'static FindingSpec, at: Moment) {
        self.sent_mut(side).blame(Some(spec), at);
    }

    /// What to look for in a data message of this end.
    pub(super) fn watch(&self, side: Side, opcode: u8) -> Watch {
        let text = opcode == opcode::TEXT;
        let first = side == Side::Client && self.sent(side).messages == 0;
        Watch::new(self.digests.len() < MAX_SESSION_DIGESTS, text, first)
    }

    /// A frame begins.
    pub(super) fn frame_begins(&mut self, side: Side, head: &FrameHead, start: Moment) {
        let s = self.sent_mut(side);
        s.seen = true;
        s.lost = false;
        if let Some(last) = s.last {
            s.quiet = s.quiet.max(start.time.since(last.time));
        }
        if let (Side::Client, Some(key)) = (side, head.key) {
            s.keys.frame(key, start);
        }
        if !head.is_control() {
            let before = if head.opcode == opcode::CONTINUATION { s.announced } else { 0 };
            s.announced = before.saturating_add(head.length);
            s.last_data = Some(start);
            if s.largest.is_none_or(|l| s.announced > l.len) {
                s.largest = Some(Largest { len: s.announced, carried: s.announced, at: start });
            }
        }
        if head.opcode == opcode::CLOSE && self.before_close.is_none() {
            self.before_close = self.silence.last().map(|m| (m, self.silence.longest));
        }
        self.silence.broken(start, start);
    }

    /// A frame is over, as a whole or cut off; `bytes` of it were sent.
    pub(super) fn frame_over(
        &mut self,
        side: Side,
        bytes: u64,
        end: Moment,
        whole: bool,
        findings: &[Finding],
    ) {
        let s = self.sent_mut(side);
        s.frame_bytes = s.frame_bytes.saturating_add(bytes);
        s.last = Some(end);
        s.cut = !whole;
        s.lost &= !whole;
        s.break_rule(fault_of(findings), end);
        self.silence.broken(end, end);
    }

    /// Whether `len` missing bytes between two frames of this end were a ping, by a pong of
    /// the peer that came behind them, is just so long, and answers no other one.
    pub(super) fn answers(&self, side: Side, len: u64) -> bool {
        let Some(stray) = self.sent(side.peer()).stray else { return false };
        // The payload of a control frame has a length of seven bits.
        let head = if side == Side::Client { 6 } else { 2 };
        let later = self.sent(side).last.is_some_and(|l| l.packet < stray.at.packet);
        let whole = stray.len > 0 && stray.len + head == len;
        later && whole
    }

    /// Bytes of this direction were not captured.
    pub(super) fn gap(&mut self, side: Side) {
        let s = self.sent_mut(side);
        s.lost = true;
        s.holed = true;
        // A pong may have been among them.
        self.sent_mut(side.peer()).waiting.forget();
    }

    /// Nanoseconds from a ping to its pong, at most; 0 without any.
    pub(super) const fn longest_trip(&self) -> u64 {
        self.trips.max
    }

    /// Whether bytes of this end are missing.
    pub(super) const fn has_holes(&self, side: Side) -> bool {
        self.sent(side).holed
    }

    /// Whether this end may send no more (RFC 6455 §5.5.1).
    pub(super) fn has_closed(&self, side: Side) -> bool {
        self.sent(side).close.is_some()
    }

    /// A message, whole or cut off.
    pub(super) fn message(&mut self, side: Side, opcode: u8, told: &Told<'_>, end: Moment) {
        let s = self.sent_mut(side);
        s.break_rule(told.fault, end);
        match opcode {
            opcode::PING => {
                s.pings += 1;
                if told.complete {
                    // Who broke a rule is hardly answered.
                    s.waiting.sent(told.control, s.failed, end);
                }
            }
            opcode::PONG => {
                s.pongs += 1;
                let peer = self.sent_mut(side.peer());
                if let Some((ns, doubtful)) = peer.waiting.answered(told.control, end) {
                    peer.failed &= !doubtful;
                    self.trips.add(ns);
                } else if told.complete {
                    self.sent_mut(side).stray = Some(Stray { len: told.length, at: end });
                }
            }
            opcode::TEXT | opcode::BINARY => {
                s.messages += 1;
                s.bytes = s.bytes.saturating_add(told.length);
                s.rate.message(end);
                // Where both are the same, it is known since its first frame.
                if s.largest.is_none_or(|l| told.length > l.len) {
                    let carried = told.compressed.unwrap_or(told.length);
                    s.largest = Some(Largest { len: told.length, carried, at: end });
                }
                self.credentials.in_first_message |= told.watch.has_credentials();
                self.digest(side, told, end);
            }
            _ => {}
        }
        if told.undecoded {
            let (n, first, _) = self.unknown.unwrap_or((0, end, end));
            self.unknown = Some((n.saturating_add(1), first, end));
        }
        if let Some((code, reason)) = told.close {
            self.close(side, code, reason, end);
        }
    }

    fn digest(&mut self, side: Side, told: &Told<'_>, at: Moment) {
        if self.digests.len() < MAX_SESSION_DIGESTS
            && told.complete
            && let Some((payload, wire)) = told.watch.hashes()
        {
            let from_client = side == Side::Client;
            self.digests.push(Digest { from_client, len: told.length, payload, wire, at });
        }
    }

    /// A message was compressed.
    pub(super) fn inflated(&mut self, sent: u64, inflated: u64) {
        let [s, i] = &mut self.compressed;
        *s = s.saturating_add(sent);
        *i = i.saturating_add(inflated);
    }

    fn close(&mut self, side: Side, code: Option<u16>, reason: &[u8], at: Moment) {
        self.sent_mut(side).close.get_or_insert(at);
        let stated = code.is_some();
        self.forbidden_close |=
            code.is_some_and(|c| close::standing(c) == close::Standing::Forbidden);
        let code = code.unwrap_or(NO_STATUS);
        let reason = || String::from_utf8_lossy(reason.get(..123).unwrap_or(reason)).into();
        match &mut self.closing {
            None => {
                let (reply, reply_reason) = (None, Box::default());
                let reason = reason();
                let by = side;
                self.closing = Some(Closing { by, code, stated, reason, at, reply, reply_reason });
            }
            // The frame that was first may be told of later, from behind missing bytes.
            Some(c) if c.by != side && c.reply.is_none() && at.time < c.at.time => {
                let reply_reason = std::mem::replace(&mut c.reason, reason());
                let reply = Some(std::mem::replace(&mut c.code, code));
                (c.by, c.at, c.stated) = (side, at, stated);
                (c.reply, c.reply_reason) = (reply, reply_reason);
            }
            Some(c) if c.by != side && c.reply.is_none() => {
                (c.reply, c.reply_reason) = (Some(code), reason());
            }
            Some(_) => {}
        }
    }

    /// One direction ended: its stream, or what is below that.
    pub(super) fn end(&mut self, side: Side, cause: EndCause, below: Abort, at: Moment) {
        if self.first_end.is_none() {
            self.below = (below, 0);
        }
        self.ending(
            side,
            match cause {
                EndCause::Finished => Ending::Finished,
                EndCause::CaptureEnded | EndCause::Cut => Ending::Cut,
                EndCause::Evicted => Ending::Evicted,
            },
            at,
        );
    }

    /// One end aborted the stream, or what is below it.
    pub(super) fn reset(&mut self, side: Side, code: u32, below: Abort, at: Moment) {
        match self.first_end {
            None => self.below = (below, code),
            Some((by, Ending::Finished, _)) if by == side && below == Abort::Stream => {
                self.then = Some((code, at));
            }
            Some(_) => {}
        }
        self.ending(side, Ending::Reset, at);
        // Behind its own end there is but the other direction to abort.
        if self.sent(side).ended.is_none_or(|(how, _)| how != Ending::Reset) {
            self.ending(side.peer(), Ending::Reset, at);
        }
    }

    fn ending(&mut self, side: Side, how: Ending, at: Moment) {
        let s = self.sent_mut(side);
        if s.ended.is_none() {
            s.ended = Some((how, at));
            if matches!(how, Ending::Finished | Ending::Reset) {
                // That of the other may have waited behind missing bytes.
                if self.first_end.is_none_or(|(.., first)| at.time < first.time) {
                    self.first_end = Some((side, how, at));
                }
            }
        }
    }

    /// Whether the connection is over, and that has not been told.
    pub(super) fn is_over(&self) -> bool {
        let [a, b] = &self.sent;
        !self.told && (a.ended.is_some() && b.ended.is_some() || self.any(Ending::Reset))
    }

    fn any(&self, how: Ending) -> bool {
        self.sent.iter().any(|s| s.ended.is_some_and(|(e, _)| e == how))
    }

    pub(super) const fn sent(&self, side: Side) -> &Sent {
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

    /// The first close frame.
    pub(super) const fn closing(&self) -> Option<&Closing> {
        self.closing.as_ref()
    }

    /// The first FIN or RST.
    pub(super) const fn first_end(&self) -> Option<(Side, Ending, Moment)> {
        self.first_end
    }

    pub(super) const fn silence(&self) -> &Silence {
        &self.silence
    }

    pub(super) const fn before_close(&self) -> Option<(Moment, u64)> {
        self.before_close
    }

    /// What the layer below calls the first end (RFC 8441 §5).
    pub(super) fn word(&self, how: Ending) -> String {
        let (below, code) = self.below;
        match (how, below) {
            _ if self.version < 20 => if how == Ending::Reset { "RST" } else { "FIN" }.to_owned(),
            (Ending::Reset, Abort::Stream) => rst_stream(code),
            (_, Abort::Goaway { .. }) => "GOAWAY".to_owned(),
            (Ending::Reset, Abort::Connection) => "RST of the connection".to_owned(),
            (_, Abort::Connection) => "FIN of the connection".to_owned(),
            (_, Abort::Stream) => match self.then {
                Some((code, _)) => format!("END_STREAM, then {},", rst_stream(code)),
                None => "END_STREAM".to_owned(),
            },
        }
    }

    /// Where who ended the stream aborted it as well.
    pub(super) fn aborted_then(&self) -> Option<Moment> {
        self.then.filter(|_| self.version >= 20).map(|(_, at)| at)
    }

    /// Whether nothing of this end was captured, of a connection whose other end was: what it
    /// did, nobody knows. One that says nothing for as long as the capture lasts is none.
    pub(super) fn is_absent(&self, side: Side) -> bool {
        let peer = self.sent(side.peer());
        self.sent(side).is_unseen() && matches!(peer.ended, Some((Ending::Finished, _)))
    }

    /// Whether who closed first is not known: the peer of who sent the close frame that was
    /// captured may have sent its own before, unseen.
    pub(super) fn is_doubtful(&self, c: &Closing) -> bool {
        let peer = self.sent(c.by.peer());
        peer.close.is_none() && (peer.lost || peer.is_unseen())
    }

    /// How it ended (RFC 6455 §7.1), and whether that was seen.
    fn ended(&self) -> (&'static str, bool) {
        let [a, b] = &self.sent;
        let closed = a.close.is_some() || b.close.is_some();
        if a.close.is_some() && b.close.is_some() {
            ("close handshake", true)
        } else if Side::BOTH.into_iter().any(|side| self.is_absent(side)) {
            ("one direction captured", false)
        } else if self.any(Ending::Reset) {
            ("reset", true)
        } else if self.any(Ending::Evicted) {
            ("state let go", false)
        } else if self.any(Ending::Cut) && (closed || self.first_end.is_none()) {
            ("capture ended", false)
        } else if closed {
            let doubtful = self.closing.as_ref().is_some_and(|c| self.is_doubtful(c));
            (if doubtful { "reply not captured" } else { "close without reply" }, true)
        } else {
            ("fin without close", !self.any(Ending::Cut))
        }
    }

    /// Memory held beside itself, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.digests.capacity() * size_of::<Digest>()
            + self.sent.iter().map(|s| s.waiting.memory() + s.keys.memory()).sum::<usize>()
            + self.origin.as_ref().map_or(0, |o| o.len())
            + self.host.as_ref().map_or(0, |o| o.len())
    }
}

impl Sent {
    /// Nothing of it was seen, nor its end.
    const fn is_unseen(&self) -> bool {
        !self.seen && matches!(self.ended, None | Some((Ending::Cut | Ending::Evicted, _)))
    }

    fn blame(&mut self, fault: Option<&'static FindingSpec>, at: Moment) {
        if let Some(spec) = fault {
            self.fault.get_or_insert((spec, at));
        }
    }

    /// The same, of a frame or a message.
    fn break_rule(&mut self, fault: Option<&'static FindingSpec>, at: Moment) {
        self.failed |= fault.is_some();
        self.blame(fault, at);
    }
}

/// `RST_STREAM (CANCEL)`
fn rst_stream(code: u32) -> String {
    match error_name(code) {
        Some(name) => format!("RST_STREAM ({name})"),
        None => format!("RST_STREAM (error {code})"),
    }
}

/// The first violation among findings.
pub(super) fn fault_of(findings: &[Finding]) -> Option<&'static FindingSpec> {
    findings.iter().map(|f| f.spec).find(|s| s.severity == Severity::Error)
}
