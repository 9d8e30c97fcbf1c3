//! How a session ended, and why, with the packets that prove it (RFC 6455 §7.1).
//!
//! What a program is told, "1006", is only that no close frame came. What led to it
//! stands in the packets before: a violation, a message that was too large, a ping
//! without a pong, a silence as long as somebody's timeout.

use super::close;
use super::findings::{ABNORMAL_CLOSURE, CLOSED_ON_ERROR, UNASSIGNED_CLOSE_CODE};
use super::session::{ABNORMAL, Ending, NO_STATUS, Sent, Session};
use crate::base::time::human;
use crate::base::{Moment, PacketId, Side};
use crate::finding::{Finding, FindingSpec};

/// Seconds after which intermediaries and servers end what is silent: nginx and load
/// balancers 60, Heroku 55, Cloudflare 100, Azure 240, AWS network load balancers 350, …
const TIMEOUTS: [u64; 14] = [30, 55, 60, 90, 100, 120, 180, 240, 300, 350, 600, 900, 1800, 3600];
const SECOND: u64 = 1_000_000_000;
/// How far a silence may be from one of these.
const TOLERANCE: u64 = SECOND + SECOND / 2;
/// An end that is closed within this time after a violation was closed for it.
const REACTION: u64 = 5 * SECOND;
/// An end that drops a message for its size does so while that comes, or at once behind it.
const DROPPED: u64 = SECOND / 4;
/// After this time without a pong a ping counts as unanswered, where nobody gave the connection
/// up for it.
pub(super) const PONG_WAIT: u64 = SECOND;
/// Nobody waits less for a pong: some round trips around the world take as long.
const LEAST_PING_TIMEOUT: u64 = SECOND / 4;
/// The smallest limit on messages that servers have by default: 64 KiB.
const SMALL_LIMIT: u64 = 64 << 10;

/// The verdict.
#[derive(Clone, Debug, Default)]
pub(super) struct Verdict {
    /// In one or two words, for filters.
    pub(super) cause: &'static str,
    /// In a sentence.
    pub(super) text: String,
    /// Why, for the line of the session; empty where there is nothing to add.
    pub(super) why: String,
    /// The packets that prove it, in order.
    pub(super) proof: Vec<PacketId>,
    /// What is found, where the end was not normal.
    spec: Option<&'static FindingSpec>,
}

impl Verdict {
    /// The finding, where the end was not normal.
    pub(super) fn finding(&self) -> Option<Finding> {
        let spec = self.spec?;
        Some(Finding::new(spec).with(self.text.as_str()).proved_by(self.proof.clone()))
    }

    fn prove(&mut self, packets: &[PacketId]) {
        for p in packets {
            if p.0 != 0 && !self.proof.contains(p) {
                self.proof.push(*p);
            }
        }
        self.proof.sort_unstable();
    }
}

/// Judges the end of a session that is over, or of which no more will be seen.
pub(super) fn judge(s: &Session) -> Verdict {
    if s.closing().is_some() {
        closed(s)
    } else if let Some((side, how, at)) = s.first_end() {
        aborted(s, side, how, at)
    } else {
        let (cause, text) = match s.sent(Side::Client).ended.map(|(how, _)| how) {
            Some(Ending::Evicted) => ("open", "open when its state was let go"),
            _ => ("open", "open when the capture ended"),
        };
        Verdict { cause, text: text.into(), ..Verdict::default() }
    }
}

/// There was a close frame.
fn closed(s: &Session) -> Verdict {
    let Some(c) = s.closing() else { return Verdict::default() };
    let (by, peer) = (c.by, c.by.peer());
    let mut v = Verdict { cause: "close", ..Verdict::default() };
    let doubtful = s.is_doubtful(c);
    let first = if doubtful { "closed" } else { "closed first" };
    v.text = match c.code {
        NO_STATUS if !c.stated => format!("the {by} {first}, without a code"),
        _ => format!("the {by} {first} with {}", c.told()),
    };
    let reply = s.sent(peer).close;
    match reply {
        Some(_) => {
            v.text.push_str(&format!(", the {peer} answered"));
            if let Some(other) = c.other_reply() {
                v.text.push_str(&format!(" with {other}"));
            }
        }
        None if doubtful => {
            v.text.push_str(&format!("; what the {peer} sent was not captured"));
        }
        None => v.text.push_str(&format!(", the {peer} did not answer")),
    }
    v.prove(&[c.at.packet]);
    v.prove(&reply.map(|r| r.packet).into_iter().collect::<Vec<_>>());
    let on_error = matches!(c.code, 1002 | 1003 | 1007..=1011 | 1014);
    if on_error {
        v.cause = "close on error";
        v.spec = Some(&CLOSED_ON_ERROR);
    }
    let (fault, largest) = (s.sent(peer).fault, s.sent(peer).largest);
    match (c.code, fault, largest) {
        (1002 | 1003 | 1007 | 1010, Some((spec, at)), _) if at.time <= c.at.time => {
            v.cause = "protocol error";
            v.why = format!("the {peer}'s {} ({})", spec.code, spec.reference);
            v.prove(&[at.packet]);
        }
        (1002 | 1007, ..) => v.cause = "protocol error",
        // The close frame itself was wrong, or something before it.
        _ if matches!(c.reply, Some(1002 | 1007)) && c.reply != Some(c.code) => {
            v.cause = "protocol error";
            v.spec = Some(&CLOSED_ON_ERROR);
            // What came behind the complaint is not what it is about.
            let before = |at: &Moment| reply.is_none_or(|r| at.time <= r.time);
            let fault = s.sent(by).fault.filter(|(_, at)| before(at));
            let unassigned = close::standing(c.code) == close::Standing::Unassigned;
            if let Some((spec, at)) =
                fault.or_else(|| unassigned.then_some((&UNASSIGNED_CLOSE_CODE, c.at)))
            {
                v.why = format!("the {by}'s {} ({})", spec.code, spec.reference);
                v.prove(&[at.packet]);
            }
        }
        (1009, _, Some(largest)) => {
            v.cause = "message too big";
            v.why = format!("the {peer}'s message of {}", largest.size());
            v.prove(&[largest.at.packet]);
        }
        _ => {
            if let Some((waited, at)) = unanswered(s, by, c.at).filter(|(ns, _)| *ns >= PONG_WAIT) {
                v.why = format!("no pong for {} to the {by}'s ping", human(waited));
                v.prove(&[at.packet]);
                if on_error || c.code >= 3000 {
                    v.cause = "unanswered ping";
                }
            } else if let Some((last, secs)) =
                s.before_close().and_then(|(last, longest)| round_silence(last, c.at, longest))
            {
                v.why = format!("{secs} s of silence before it");
                v.prove(&[last.packet]);
            }
        }
    }
    if !v.why.is_empty() {
        v.text.push_str(&format!(": {}", v.why));
    }
    v
}

/// There was none, and one end ended its direction first.
fn aborted(s: &Session, by: Side, how: Ending, at: Moment) -> Verdict {
    let peer = by.peer();
    let word = s.word(how);
    let mut v = Verdict::default();
    v.prove(&[at.packet]);
    v.prove(&s.aborted_then().map(|m| m.packet).into_iter().collect::<Vec<_>>());
    let unseen = |side: &Side| s.sent(*side).lost || s.is_absent(*side);
    if let Some(who) = [by, peer].into_iter().find(unseen) {
        // A close frame may have been among what was not captured.
        v.cause = "not captured";
        let it = if who == by { "it".to_owned() } else { format!("the {who}") };
        v.text = format!("{word} by the {by}; what {it} sent before was not captured");
        return v;
    }
    v.cause = if how == Ending::Reset { "reset" } else { "fin" };
    v.spec = Some(&ABNORMAL_CLOSURE);
    let since = |m: Moment| at.time.since(m.time);
    let quiet = |m: Moment| s.sent(by).last.is_none_or(|l| l.time <= m.time);
    let theirs = s.sent(peer);
    if let Some((spec, fault)) = theirs.fault.filter(|(_, m)| since(*m) <= REACTION && quiet(*m)) {
        v.cause = "protocol error";
        v.why = format!("the {peer}'s {} before ({})", spec.code, spec.reference);
        v.prove(&[fault.packet]);
    } else if let Some(big) = theirs
        .largest
        .filter(|l| l.len > SMALL_LIMIT && is_last(theirs, l.at) && quiet(l.at))
        .filter(|l| {
            let patience = if theirs.cut { REACTION } else { DROPPED };
            since(theirs.last.unwrap_or(l.at)) <= patience
        })
    {
        v.cause = "message too big";
        v.why = format!("the {peer} was sending a message of {}: likely over a limit", big.size());
        v.prove(&[big.at.packet]);
    } else if let Some((waited, ping)) = unanswered(s, by, at).filter(|(ns, _)| is_timeout(s, *ns))
    {
        v.cause = "unanswered ping";
        v.why = format!("no pong for {} to the {by}'s ping", human(waited));
        v.prove(&[ping.packet]);
    } else if let Some((last, secs)) =
        s.silence().last().and_then(|last| round_silence(last, at, s.silence().longest))
    {
        v.cause = "idle timeout";
        v.why = format!("{secs} s of silence, likely an idle timeout of a proxy");
        v.prove(&[last.packet]);
    } else if let Some((side, last, secs)) = Side::BOTH.into_iter().find_map(|side| {
        let sent = s.sent(side);
        round_silence(sent.last?, at, sent.quiet).map(|(m, n)| (side, m, n))
    }) {
        v.cause = "idle timeout";
        v.why =
            format!("{secs} s after the {side}'s last frame, likely an idle timeout of a proxy");
        v.prove(&[last.packet]);
    } else if s.sent(by).cut {
        v.why = "in the middle of a frame".into();
    }
    if let Some(last) = s.silence().last() {
        v.prove(&[last.packet]);
    }
    v.text = format!("1006: {word} by the {by} without a close frame");
    if !v.why.is_empty() {
        v.text.push_str(&format!(": {}", v.why));
    }
    v
}

/// Whether the message that began or ended at `m` is the last thing that was sent.
fn is_last(sent: &Sent, m: Moment) -> bool {
    sent.last_data.is_none_or(|l| l.time <= m.time)
}

/// How long a ping of this end had waited at `at`, and the ping.
fn unanswered(s: &Session, by: Side, at: Moment) -> Option<(u64, Moment)> {
    let peer = s.sent(by.peer());
    let ping = s.sent(by).waiting.first().filter(|_| peer.seen && !peer.lost)?;
    Some((at.time.since(ping.at.time), ping.at))
}

/// Whether so long a wait for a pong may have been somebody's timeout: no pong before took as
/// long.
fn is_timeout(s: &Session, waited: u64) -> bool {
    waited >= LEAST_PING_TIMEOUT && waited > s.longest_trip()
}

/// The timeout that a silence from `last` to `at` comes to, in seconds. It is none where
/// an earlier silence, the longest of which is given, came as close to it and was
/// survived.
fn round_silence(last: Moment, at: Moment, survived: u64) -> Option<(Moment, u64)> {
    let ns = at.time.since(last.time);
    let secs = TIMEOUTS.into_iter().find(|t| ns.abs_diff(t * SECOND) <= TOLERANCE)?;
    (survived.saturating_add(TOLERANCE) < secs * SECOND).then_some((last, secs))
}

/// What the code of a session is where there was no close frame.
pub(super) const fn code_without_close(v: &Verdict) -> Option<u16> {
    if v.spec.is_some() { Some(ABNORMAL) } else { None }
}
