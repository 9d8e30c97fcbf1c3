//! How a call ended, and why, with the packets that prove it.
//!
//! What a program is told, `UNAVAILABLE`, is what its library made of it. What led to
//! it stands in the packets: a status of the server's, a deadline that passed and who
//! noticed it, a stream that was refused, a connection that went away.

use crate::base::time::human;
use crate::base::{Moment, PacketId, Side};
use crate::finding::{Finding, FindingSpec};
use crate::proto::grpc::call::{Ended, Status};
use crate::proto::grpc::stall::{self, Waited};
use crate::proto::grpc::{fields, findings};

pub(super) const CANCELLED: u64 = 1;
const UNKNOWN: u64 = 2;
const DEADLINE_EXCEEDED: u64 = 4;
const PERMISSION_DENIED: u64 = 7;
const RESOURCE_EXHAUSTED: u64 = 8;
const UNIMPLEMENTED: u64 = 12;
const INTERNAL: u64 = 13;
pub(super) const UNAVAILABLE: u64 = 14;
const UNAUTHENTICATED: u64 = 16;

/// What nobody can judge by what was captured.
pub(super) const NOT_CAPTURED: &str = "not captured";

/// How far before its deadline a call may seem to end that ended by it: the clock of
/// the client ran before its request was on the wire, and timers are rounded.
const EARLY_NS: u64 = 20_000_000;

/// What gRPC's core, under which most languages' clients run, may have rounded a timeout up by
/// before it sent it, while its own clock runs by what the program asked for: it sends three
/// digits (`src/core/lib/transport/timeout_encoding.cc`). Both in nanoseconds.
const fn rounded_by(timeout: u64) -> u64 {
    const SECOND: u64 = 1_000_000_000;
    match timeout / SECOND {
        0 => 0,
        1..10 => SECOND / 100,
        10..100 => SECOND / 10,
        100..1000 => SECOND,
        1000..10_000 => 10 * SECOND,
        _ => 100 * SECOND,
    }
}

/// What is known of a call that is over, or of which no more will be seen.
#[derive(Clone, Debug)]
pub(super) struct Case<'a> {
    pub(super) ended: &'a Ended,
    pub(super) status: Option<&'a Status>,
    /// The HTTP status of the response.
    pub(super) http_status: Option<u64>,
    pub(super) timeout: Option<u64>,
    pub(super) start: Moment,
    /// The packet that ended it.
    pub(super) end: Moment,
    /// The last byte of the request, where the client has ended its direction.
    pub(super) asked: Option<Moment>,
    /// The first and the last that came of the server before the end.
    pub(super) answered: Option<[Moment; 2]>,
    /// Messages, client's and server's.
    pub(super) messages: [u64; 2],
    /// Bytes of the server are missing, and a status perhaps with them.
    pub(super) holed: bool,
    /// Bytes of the client are missing, and an abort perhaps with them.
    pub(super) asked_in_part: bool,
    /// The head of the request was captured: there is no deadline that is not known.
    pub(super) asked_in_full: bool,
    /// How data waited for its receiver: of the direction where that was longer.
    pub(super) waited: Option<Waited>,
    /// Bytes of its connection are missing, and nothing came of the server behind them.
    pub(super) out_of_sight: bool,
    /// No head of it was captured: nothing says who is the server.
    pub(super) sides_unknown: bool,
    /// The packet with the status.
    pub(super) status_at: Option<Moment>,
}

/// The verdict.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    /// In one or two words, for filters.
    pub(super) cause: &'static str,
    /// In a sentence; empty where there is nothing to add.
    pub(super) text: String,
    /// The status that the program is given by its library.
    pub(super) client_status: Option<u64>,
    /// `met`, `exceeded`, `open`: where there is a deadline.
    pub(super) deadline: Option<&'static str>,
    /// The packets that prove it, in order.
    pub(super) proof: Vec<PacketId>,
    spec: Option<&'static FindingSpec>,
    /// What led to it, where that is a finding of its own.
    reason: Option<Finding>,
}

impl Verdict {
    /// Whether it is a finding: the call did not end in OK in time.
    pub(super) const fn is_failure(&self) -> bool {
        self.spec.is_some()
    }

    /// Whether a deadline passed, whatever led to that.
    pub(super) fn is_deadline(&self) -> bool {
        self.spec.is_some_and(|s| s.code == findings::DEADLINE.code) && self.cause != "status"
    }

    /// Adds what led to it, with the packets that prove it.
    pub(super) fn also(&mut self, spec: &'static FindingSpec, text: String, proof: Vec<PacketId>) {
        self.reason = Some(Finding::new(spec).with(text).proved_by(proof));
    }

    /// What led to it.
    pub(super) const fn reason(&mut self) -> Option<Finding> {
        self.reason.take()
    }

    /// The finding, where the call did not end in OK; `beside` is said of its connection.
    pub(super) fn finding(&self, beside: impl FnOnce() -> String) -> Option<Finding> {
        let spec = self.spec?;
        let mut text = self.text.clone();
        let beside = beside();
        if !beside.is_empty() {
            text.push_str("; ");
            text.push_str(&beside);
        }
        Some(Finding::new(spec).with(text).proved_by(self.proof.clone()))
    }

    fn prove(&mut self, at: Option<Moment>) {
        if let Some(m) = at
            && m.packet.0 != 0
            && !self.proof.contains(&m.packet)
        {
            self.proof.push(m.packet);
            self.proof.sort_unstable();
        }
    }
}

impl Case<'_> {
    /// Whether the server's status is OK, be it too late.
    pub(super) fn is_ok(&self) -> bool {
        *self.ended == Ended::Status && self.status.is_some_and(|s| s.code == Some(0))
    }

    pub(super) fn took(&self) -> u64 {
        self.end.time.since(self.start.time)
    }

    /// Whether the end came when the deadline passed, or later.
    fn is_late(&self) -> bool {
        let early = |t: u64| (t / 20).min(EARLY_NS).saturating_add(rounded_by(t));
        self.timeout.is_some_and(|t| self.took() >= t.saturating_sub(early(t)))
    }

    /// `after 250 ms of 250 ms`.
    fn after(&self) -> String {
        let took = human(self.took());
        match self.timeout {
            Some(t) => format!("after {took} of {}", human(t)),
            None => format!("after {took}"),
        }
    }

    /// What the server had done by then.
    fn until_then(&self) -> String {
        let [_, down] = self.messages;
        if self.holed {
            return "; bytes of the server before that were not captured".into();
        }
        match (self.answered, down) {
            (None, _) if self.asked.is_none() => {
                "; nothing had come of the server, the request was not complete".into()
            }
            (None, _) => "; nothing had come of the server".into(),
            (Some([_, last]), 0) => format!(
                "; the server had begun to answer {} before, without a message",
                human(self.end.time.since(last.time))
            ),
            (Some([_, last]), n) => format!(
                "; the server had sent {n} message{}, the last {} before",
                if n == 1 { "" } else { "s" },
                human(self.end.time.since(last.time))
            ),
        }
    }

    /// Whether sending it again is safe, where the server may have acted on it.
    fn again(&self) -> &'static str {
        match (self.asked.is_some() || self.messages[0] > 0, self.answered.is_some()) {
            (_, true) => "; the server had begun to answer",
            (true, false) => "; it may have been processed: retry only what may be done twice",
            (false, false) => "",
        }
    }
}

/// Whether a status may have come before such an end: servers abort what they have
/// answered (NO_ERROR), and libraries abort for reasons of their own what had failed before.
const fn is_unsure(ended: &Ended) -> bool {
    match ended {
        Ended::NoStatus | Ended::ConnectionLost(..) => true,
        Ended::Reset(code, Side::Server) => *code == 0,
        Ended::Reset(code, Side::Client) => *code != 8,
        _ => false,
    }
}

/// Judges the end of a call.
pub(super) fn judge(c: &Case<'_>) -> Verdict {
    let mut v = match c.ended {
        ended if c.holed && is_unsure(ended) && c.status.is_none() => Verdict {
            cause: NOT_CAPTURED,
            text: "bytes of the server are missing, perhaps with the status".into(),
            ..Verdict::default()
        },
        Ended::CaptureEnded | Ended::Evicted if c.out_of_sight => Verdict {
            cause: NOT_CAPTURED,
            text: "bytes are missing, perhaps with its end".into(),
            ..Verdict::default()
        },
        // Libraries abort so for reasons that had come before.
        Ended::Reset(code, Side::Client) if *code != 8 && c.asked_in_part => Verdict {
            cause: NOT_CAPTURED,
            text: "bytes of the client are missing, perhaps with what led to its abort".into(),
            ..Verdict::default()
        },
        Ended::ConnectionLost(..) if c.sides_unknown && c.asked.is_some() => Verdict {
            cause: NOT_CAPTURED,
            text: "one end had ended it, perhaps with the status: which is the server is not known"
                .into(),
            ..Verdict::default()
        },
        Ended::ConnectionLost(..) if c.asked_in_part => Verdict {
            cause: NOT_CAPTURED,
            text: "bytes of the client are missing, perhaps with its abort".into(),
            ..Verdict::default()
        },
        Ended::Status => by_status(c),
        Ended::NoStatus => without_status(c),
        Ended::Reset(code, side) => aborted(c, *code, *side),
        Ended::Goaway { last, error, side } => {
            let name = named(*error);
            Verdict {
                cause: "refused",
                text: format!(
                    "refused by the {side}'s GOAWAY ({name}, last stream {last}) {}: never \
                     processed, safe to retry",
                    c.after()
                ),
                client_status: Some(UNAVAILABLE),
                spec: Some(&findings::REFUSED),
                ..Verdict::default()
            }
        }
        // The only way in which a client of HTTP/1 can give up.
        Ended::ConnectionLost(Side::Client, how)
            if c.is_late() && c.status.is_none() && !c.sides_unknown =>
        {
            Verdict {
                cause: "deadline",
                text: format!(
                    "deadline exceeded: the client ended the connection ({}) {}{}",
                    how.name(),
                    c.after(),
                    c.until_then()
                ),
                client_status: Some(DEADLINE_EXCEEDED),
                spec: Some(&findings::DEADLINE),
                ..Verdict::default()
            }
        }
        Ended::ConnectionLost(side, how) => Verdict {
            cause: "connection lost",
            text: match (c.sides_unknown, c.status) {
                (true, _) => format!(
                    "one end ended the connection ({}) {}: which is the server is not known",
                    how.name(),
                    c.after()
                ),
                (false, Some(s)) => format!(
                    "the {side} ended the connection ({}) {}, before the trailers; {} of the \
                     server came {} later, when nobody was there",
                    how.name(),
                    c.after(),
                    s.text(),
                    human(c.status_at.unwrap_or(c.end).time.since(c.end.time)),
                ),
                (false, None) => format!(
                    "the {side} ended the connection ({}) {}, before the trailers{}",
                    how.name(),
                    c.after(),
                    c.again()
                ),
            },
            client_status: Some(UNAVAILABLE),
            spec: Some(&findings::CONNECTION_LOST),
            ..Verdict::default()
        },
        Ended::CaptureEnded | Ended::Evicted => {
            let past = c.timeout.is_some_and(|t| c.took() > t);
            let age = human(c.took());
            Verdict {
                cause: "open",
                text: match (c.timeout, past) {
                    (Some(t), true) => {
                        format!(
                            "open for {age}, {} past its deadline",
                            human(c.took().saturating_sub(t))
                        )
                    }
                    (Some(t), false) => {
                        format!("open for {age}, {} left", human(t.saturating_sub(c.took())))
                    }
                    (None, _) => format!("open for {age}, without a deadline"),
                },
                deadline: c.timeout.map(|_| if past { "exceeded" } else { "open" }),
                ..Verdict::default()
            }
        }
    };
    if v.cause == "open" {
        stall::judge(&mut v, c);
        return v;
    }
    v.deadline =
        c.timeout.map(|t| if v.cause == "deadline" || c.took() > t { "exceeded" } else { "met" });
    if v.spec.is_some() {
        v.prove(Some(c.start));
        v.prove(Some(c.end));
        // What the server had done by then speaks for or against it.
        if matches!(v.cause, "deadline" | "cancelled" | "connection lost" | "reset") {
            v.prove(c.answered.map(|[_, last]| last));
            v.prove(c.status_at.filter(|_| v.cause == "connection lost"));
        }
    }
    if v.cause != NOT_CAPTURED {
        stall::judge(&mut v, c);
    }
    v
}

/// The server gave a status.
fn by_status(c: &Case<'_>) -> Verdict {
    let Some(s) = c.status else { return Verdict::default() };
    let Some(code) = s.code else {
        if s.not_captured {
            return Verdict {
                cause: NOT_CAPTURED,
                text: "the trailers were captured, but not the status in them".into(),
                ..Verdict::default()
            };
        }
        return Verdict {
            cause: "status",
            text: "the server's status is no number".into(),
            client_status: Some(UNKNOWN),
            spec: Some(&findings::CALL_FAILED),
            ..Verdict::default()
        };
    };
    let mut v = Verdict { cause: "status", client_status: Some(code), ..Verdict::default() };
    let over = c.timeout.filter(|t| c.took() > *t);
    match code {
        0 => match over {
            None => v.cause = "ok",
            Some(t) => {
                v.cause = "deadline";
                v.client_status = Some(DEADLINE_EXCEEDED);
                v.spec = Some(&findings::DEADLINE);
                v.text = format!(
                    "the server answered OK {}: {} after the deadline, when the client has \
                     given up",
                    c.after(),
                    human(c.took().saturating_sub(t))
                );
            }
        },
        DEADLINE_EXCEEDED => {
            v.spec = Some(&findings::DEADLINE);
            v.cause = "deadline";
            v.text = match c.timeout {
                Some(_) if c.is_late() => {
                    format!("deadline exceeded: the server gave up {}", c.after())
                }
                Some(_) => {
                    v.cause = "status";
                    format!(
                        "the server says DEADLINE_EXCEEDED {}: not this call's deadline, but one \
                         behind it",
                        c.after()
                    )
                }
                None if !c.asked_in_full => {
                    v.cause = "status";
                    format!(
                        "the server says DEADLINE_EXCEEDED {}; whether this call has a deadline \
                         was not captured",
                        c.after()
                    )
                }
                None => {
                    v.cause = "status";
                    format!(
                        "the server says DEADLINE_EXCEEDED {}, and this call has no deadline: one \
                         behind it",
                        c.after()
                    )
                }
            };
            if let Some(m) = s.message.as_ref().filter(|m| !m.is_empty()) {
                v.text.push_str(&format!(" ({m:?})"));
            }
        }
        _ => {
            v.spec = Some(&findings::CALL_FAILED);
            v.text = format!("the server answered {} {}", s.text(), c.after());
            if over.is_some() {
                v.text.push_str(", when the deadline had passed");
            }
        }
    }
    v
}

/// The server ended the stream, and gave none.
fn without_status(c: &Case<'_>) -> Verdict {
    match c.http_status.filter(|s| *s != 200) {
        Some(http) => {
            let code = of_http(http);
            Verdict {
                cause: "http status",
                text: format!(
                    "HTTP status {http} and no grpc-status {}: something before the gRPC server \
                     answered; to the client it is {}",
                    c.after(),
                    status(code)
                ),
                client_status: Some(code),
                spec: Some(&findings::CALL_FAILED),
                ..Verdict::default()
            }
        }
        None => Verdict {
            cause: "no status",
            text: format!("the server ended the stream {} without a status", c.after()),
            client_status: Some(if c.http_status.is_some() { UNKNOWN } else { INTERNAL }),
            // Whether that is a fault is said where the heads are known.
            ..Verdict::default()
        },
    }
}

/// The stream was aborted before there was a status.
fn aborted(c: &Case<'_>, code: u32, side: Side) -> Verdict {
    let name = named(code);
    let mut v = Verdict { client_status: Some(of_error(code)), ..Verdict::default() };
    match (code, side) {
        (8, _) if c.sides_unknown => {
            v.cause = "cancelled";
            v.spec = Some(&findings::CANCELLED);
            v.text =
                format!("cancelled by one end {}: which is the server is not known", c.after());
        }
        // Some clients let go of what has outlived its deadline with another error.
        (0 | 2 | 8, Side::Client) if c.is_late() && !c.sides_unknown => {
            v.cause = "deadline";
            v.client_status = Some(DEADLINE_EXCEEDED);
            v.spec = Some(&findings::DEADLINE);
            let how = if code == 8 { String::new() } else { format!(" (RST_STREAM {name})") };
            v.text = format!(
                "deadline exceeded: the client gave up {}{how}{}",
                c.after(),
                c.until_then()
            );
        }
        (8, Side::Client) => {
            v.cause = "cancelled";
            v.spec = Some(&findings::CANCELLED);
            v.text = match c.timeout {
                Some(t) => format!(
                    "cancelled by the client after {}, {} before its deadline{}",
                    human(c.took()),
                    human(t.saturating_sub(c.took())),
                    c.until_then()
                ),
                None if !c.asked_in_full => format!(
                    "cancelled by the client {}, at a deadline perhaps: the request was not \
                     captured{}",
                    c.after(),
                    c.until_then()
                ),
                None => {
                    format!("cancelled by the client {}{}", c.after(), c.until_then())
                }
            };
        }
        // grpc's core aborts so what has outlived its deadline.
        (0 | 8, Side::Server) if c.is_late() => {
            v.cause = "deadline";
            v.client_status = Some(DEADLINE_EXCEEDED);
            v.spec = Some(&findings::DEADLINE);
            v.text = format!(
                "deadline exceeded: the server gave up {} (RST_STREAM {name}){}",
                c.after(),
                c.until_then()
            );
        }
        (7, Side::Server) if c.answered.is_none() && !c.sides_unknown => {
            v.cause = "refused";
            v.spec = Some(&findings::REFUSED);
            v.text = format!(
                "refused by the server {} (RST_STREAM {name}): never processed, safe to retry",
                c.after()
            );
        }
        (11, Side::Server) => {
            v.cause = "refused";
            v.spec = Some(&findings::REFUSED);
            v.text = format!(
                "refused by the server {} (RST_STREAM {name}): it was asked too much{}",
                c.after(),
                c.again()
            );
        }
        _ => {
            v.cause = "reset";
            v.spec = Some(&findings::RESET);
            v.text = if c.sides_unknown {
                format!(
                    "{name} ({code}) by one end {}: which is the server is not known",
                    c.after()
                )
            } else {
                format!("{name} ({code}) by the {side} {}{}", c.after(), c.until_then())
            };
        }
    }
    v
}

fn named(code: u32) -> String {
    crate::proto::error_name(code).map_or_else(|| format!("error {code}"), str::to_owned)
}

/// `14 UNAVAILABLE`.
pub(super) fn status(code: u64) -> String {
    match fields::status_name(code) {
        Some(name) => format!("{code} {name}"),
        None => code.to_string(),
    }
}

/// What a client makes of an HTTP status (gRPC `doc/http-grpc-status-mapping.md`).
const fn of_http(status: u64) -> u64 {
    match status {
        400 => INTERNAL,
        401 => UNAUTHENTICATED,
        403 => PERMISSION_DENIED,
        404 => UNIMPLEMENTED,
        429 | 502 | 503 | 504 => UNAVAILABLE,
        _ => UNKNOWN,
    }
}

/// And of an HTTP/2 error code (gRPC over HTTP/2, Errors).
const fn of_error(code: u32) -> u64 {
    match code {
        7 => UNAVAILABLE,
        8 => CANCELLED,
        11 => RESOURCE_EXHAUSTED,
        12 => PERMISSION_DENIED,
        0..=6 | 9 | 10 => INTERNAL,
        _ => UNKNOWN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::CaptureTime;
    use crate::proto::grpc::call::Lost;

    fn at(ms: i64) -> Moment {
        Moment { packet: PacketId(ms.unsigned_abs() + 1), time: CaptureTime(ms * 1_000_000) }
    }

    const S: u64 = 1_000_000_000;

    fn of(ended: &Ended, timeout: Option<u64>, took: i64) -> Verdict {
        judge(&Case {
            ended,
            status: None,
            http_status: None,
            timeout,
            start: at(0),
            end: at(took),
            asked: Some(at(0)),
            answered: None,
            messages: [1, 0],
            holed: false,
            asked_in_part: false,
            asked_in_full: true,
            waited: None,
            out_of_sight: false,
            sides_unknown: false,
            status_at: None,
        })
    }

    fn with_status(code: u64, timeout: Option<u64>, took: i64) -> Verdict {
        let status = Status { code: Some(code), ..Status::default() };
        judge(&Case {
            status: Some(&status),
            ended: &Ended::Status,
            http_status: Some(200),
            timeout,
            start: at(0),
            end: at(took),
            asked: Some(at(0)),
            answered: Some([at(took), at(took)]),
            messages: [1, 0],
            holed: false,
            asked_in_part: false,
            asked_in_full: true,
            waited: None,
            out_of_sight: false,
            sides_unknown: false,
            status_at: None,
        })
    }

    /// Cause, what the client is given, whether the deadline was met, the code of the finding.
    fn short(v: &Verdict) -> (&str, Option<u64>, Option<&str>, &str) {
        (v.cause, v.client_status, v.deadline, v.spec.map_or("", |s| s.code))
    }

    #[test]
    fn deadlines_and_by_whom() {
        let cancel = Ended::Reset(8, Side::Client);
        let v = of(&cancel, Some(S), 1002);
        assert_eq!(short(&v), ("deadline", Some(4), Some("exceeded"), "grpc.deadline-exceeded"));
        assert!(v.text.contains("the client gave up after 1 s of 1 s"), "{}", v.text);
        // A clock that ran before the request was on the wire.
        assert_eq!(of(&cancel, Some(S), 985).cause, "deadline");
        // 11 s, 16 s and 250.2 s as gRPC's core sends them, and real ones that are not late.
        assert_eq!(of(&cancel, Some(11 * S + S / 10), 11_002).cause, "deadline");
        assert_eq!(of(&cancel, Some(16 * S + S / 10), 16_003).cause, "deadline");
        assert_eq!(of(&cancel, Some(251 * S), 250_201).cause, "deadline");
        assert_eq!(of(&cancel, Some(11 * S + S / 10), 10_900).cause, "cancelled");
        assert_eq!(of(&cancel, Some(9 * S), 8_900).cause, "cancelled");
        let v = of(&cancel, Some(S), 500);
        assert_eq!(short(&v), ("cancelled", Some(1), Some("met"), "grpc.cancelled"));
        assert!(v.text.contains("500 ms before its deadline"), "{}", v.text);
        assert_eq!(of(&cancel, None, 5000).cause, "cancelled");
        // With another error, or with the end of its connection.
        let v = of(&Ended::Reset(2, Side::Client), Some(S), 1002);
        assert_eq!(short(&v), ("deadline", Some(4), Some("exceeded"), "grpc.deadline-exceeded"));
        assert!(v.text.contains("(RST_STREAM INTERNAL_ERROR)"), "{}", v.text);
        assert_eq!(of(&Ended::Reset(2, Side::Client), Some(S), 500).cause, "reset");
        assert_eq!(of(&Ended::Reset(3, Side::Client), Some(S), 1002).cause, "reset");
        let left = Ended::ConnectionLost(Side::Client, Lost::Fin);
        let v = of(&left, Some(S), 1001);
        assert_eq!(short(&v), ("deadline", Some(4), Some("exceeded"), "grpc.deadline-exceeded"));
        assert_eq!(of(&left, Some(S), 500).cause, "connection lost");
        let v = of(&Ended::Reset(8, Side::Server), Some(S), 1001);
        assert_eq!(v.cause, "deadline");
        assert!(v.text.contains("the server gave up"), "{}", v.text);
        let v = with_status(4, Some(S), 1000);
        assert_eq!(short(&v), ("deadline", Some(4), Some("exceeded"), "grpc.deadline-exceeded"));
        // Somebody else's deadline.
        let v = with_status(4, Some(4 * S), 1000);
        assert_eq!(short(&v), ("status", Some(4), Some("met"), "grpc.deadline-exceeded"));
        assert!(v.text.contains("one behind it"), "{}", v.text);
        assert!(with_status(4, None, 1000).text.contains("no deadline"));
        // An answer that came too late is none.
        let v = with_status(0, Some(S), 1200);
        assert_eq!(short(&v), ("deadline", Some(4), Some("exceeded"), "grpc.deadline-exceeded"));
        assert_eq!(short(&with_status(0, Some(S), 900)), ("ok", Some(0), Some("met"), ""));
        assert_eq!(short(&with_status(0, None, 900)), ("ok", Some(0), None, ""));
    }

    #[test]
    fn refused_and_lost() {
        let goaway = Ended::Goaway { last: 5, error: 0, side: Side::Server };
        let v = of(&goaway, None, 10);
        assert_eq!(short(&v), ("refused", Some(14), None, "grpc.refused"));
        assert!(v.text.contains("last stream 5") && v.text.contains("safe to retry"), "{}", v.text);
        let v = of(&Ended::Reset(7, Side::Server), None, 10);
        assert_eq!(short(&v), ("refused", Some(14), None, "grpc.refused"));
        let v = of(&Ended::Reset(11, Side::Server), None, 10);
        assert_eq!(short(&v), ("refused", Some(8), None, "grpc.refused"));
        assert!(!v.text.contains("never processed"), "{}", v.text);
        for (how, word) in [(Lost::Fin, "(FIN)"), (Lost::Rst, "(RST)")] {
            let v = of(&Ended::ConnectionLost(Side::Server, how), None, 10);
            assert_eq!(short(&v), ("connection lost", Some(14), None, "grpc.connection-lost"));
            assert!(v.text.contains(word) && v.text.contains("may have been"), "{}", v.text);
            assert_eq!(v.proof, [PacketId(1), PacketId(11)]);
        }
        assert_eq!(of(&Ended::Reset(2, Side::Server), None, 10).cause, "reset");
    }

    #[test]
    fn where_bytes_of_the_server_are_missing_nobody_knows() {
        for ended in [Ended::NoStatus, Ended::ConnectionLost(Side::Server, Lost::Fin)] {
            let case = Case {
                ended: &ended,
                status: None,
                http_status: Some(200),
                timeout: None,
                start: at(0),
                end: at(3),
                asked: Some(at(0)),
                answered: None,
                messages: [1, 0],
                holed: true,
                asked_in_part: false,
                asked_in_full: true,
                waited: None,
                out_of_sight: false,
                sides_unknown: false,
                status_at: None,
            };
            assert_eq!(short(&judge(&case)), (NOT_CAPTURED, None, None, ""));
            let seen = Case { holed: false, ..case };
            assert_ne!(judge(&seen).cause, NOT_CAPTURED);
            // An abort of the client may be missing, too, but no status of its.
            let lost = matches!(ended, Ended::ConnectionLost(..));
            let judged = judge(&Case { asked_in_part: true, ..seen });
            assert_eq!(judged.cause == NOT_CAPTURED, lost);
        }
    }

    #[test]
    fn statuses_of_other_layers_are_mapped() {
        let mut case = Case {
            ended: &Ended::NoStatus,
            status: None,
            http_status: None,
            timeout: None,
            start: at(0),
            end: at(3),
            asked: Some(at(0)),
            answered: None,
            messages: [1, 0],
            holed: false,
            asked_in_part: false,
            asked_in_full: true,
            waited: None,
            out_of_sight: false,
            sides_unknown: false,
            status_at: None,
        };
        for (http, code) in [
            (400, 13),
            (401, 16),
            (403, 7),
            (404, 12),
            (429, 14),
            (502, 14),
            (503, 14),
            (504, 14),
            (500, 2),
        ] {
            case.http_status = Some(http);
            let v = judge(&case);
            assert_eq!(short(&v), ("http status", Some(code), None, "grpc.call-failed"), "{http}");
        }
        case.http_status = Some(200);
        assert_eq!(short(&judge(&case)), ("no status", Some(2), None, ""));
        let errors = [13, 13, 13, 13, 13, 13, 13, 14, 1, 13, 13, 8, 7, 2];
        for (code, is) in errors.into_iter().enumerate() {
            assert_eq!(of_error(code as u32), is, "{code}");
        }
    }

    #[test]
    fn open_calls_have_an_age_and_what_is_left() {
        let v = of(&Ended::CaptureEnded, Some(S), 400);
        assert_eq!(
            (v.cause, &*v.text, v.deadline),
            ("open", "open for 400 ms, 600 ms left", Some("open"))
        );
        let v = of(&Ended::CaptureEnded, Some(S), 1400);
        assert_eq!(
            (&*v.text, v.deadline),
            ("open for 1.4 s, 400 ms past its deadline", Some("exceeded"))
        );
    }
}
