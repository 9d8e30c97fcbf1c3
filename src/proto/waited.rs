//! A call whose data stood still, because its receiver did not let more of it be sent (flow
//! control, RFC 9113 §5.2), whatever the protocol of the call.

use crate::base::time::human;
use crate::base::{Moment, PacketId, Side};
use crate::proto::Stall;

/// Nanoseconds from which a wait is felt, however long the call took.
const FELT_NS: u64 = 100_000_000;
/// Nanoseconds below which a wait is nothing to tell.
const WAIT_NS: u64 = 1_000_000;

/// How data of one direction of a call waited.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Waited {
    /// Who sends the data: its peer is whom it waited for.
    sender: Side,
    /// Nanoseconds in all, to the end of the call.
    pub(crate) ns: u64,
    /// How often.
    times: u32,
    /// From the last data before the longest wait to the update; of a window that is shut,
    /// from the data that used it up.
    since: Moment,
    until: Option<Moment>,
    by_connection: bool,
    /// There was data that waited.
    sure: bool,
}

/// What is known of one direction of a call beside what was seen of its window.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Half {
    /// The first that came of it.
    pub(crate) begun: Option<Moment>,
    /// A message of it was not complete at the end.
    pub(crate) cut_off: bool,
    /// It was to send a message, and has sent none: whose head came when the window was open,
    /// had no data then, and may have none still.
    pub(crate) owes: bool,
}

impl Waited {
    /// Of a direction, in a call from `start` to `end`.
    pub(crate) fn of(
        sender: Side,
        stall: Stall,
        half: Half,
        [start, end]: [Moment; 2],
    ) -> Option<Self> {
        let took = end.time.since(start.time);
        let ns_of = |a: Moment, b: Moment| b.time.since(a.time.max(start.time));
        let over = match stall.longest {
            Some([a, b]) if stall.times == 1 => ns_of(a, b),
            _ => stall.ns,
        };
        // Nothing waits of who has not begun: heads need no window.
        let shut = stall.shut.zip(half.begun).map(|(since, begun)| since.max(begun));
        let waits = shut.map_or(0, |since| ns_of(since, end));
        let ns = over.saturating_add(waits).min(took);
        let (since, until) = match (shut, stall.longest) {
            (Some(since), _) => (since, None),
            (None, Some([a, b])) => (a.max(start), Some(b)),
            (None, None) => return None,
        };
        let owes =
            half.owes && stall.shut.zip(half.begun).is_some_and(|(shut, begun)| shut <= begun);
        // Its own window may never have been open; used up, it was by data.
        let used_up =
            !stall.by_connection && shut.is_some() && stall.shut != Some(Moment::default());
        (ns >= WAIT_NS).then_some(Self {
            sender,
            ns,
            times: stall.times.saturating_add(u32::from(shut.is_some())),
            since,
            until,
            by_connection: stall.by_connection,
            sure: shut.is_none() || half.cut_off || owes || used_up,
        })
    }

    /// Whose window it was.
    const fn whose(self) -> &'static str {
        if self.by_connection { "the connection" } else { "the stream" }
    }

    /// `data of the server had stood still for 980 ms: the client did not open the window of the
    /// stream`.
    pub(crate) fn text(self, end: Moment) -> String {
        let (sender, peer, whose) = (self.sender, self.sender.peer(), self.whose());
        let ns = human(self.ns);
        match self.until {
            None if self.sure && self.times == 1 => format!(
                "data of the {sender} had stood still for {ns}: the {peer} did not open the \
                 window of {whose}"
            ),
            None if self.sure => format!(
                "data of the {sender} had stood still for {ns}, the last {}: the {peer} did not \
                 open the window of {whose}",
                human(end.time.since(self.since.time))
            ),
            None => format!(
                "the {sender} could send no data for {ns}: the {peer} did not open the window \
                 of {whose}"
            ),
            Some(_) if self.times == 1 => {
                format!(
                    "data of the {sender} waited {ns} until the {peer} opened the window of {whose}"
                )
            }
            Some(until) => format!(
                "data of the {sender} waited {ns} in all, {} times, until the {peer} opened the \
                 window, the longest {} for that of {whose}",
                self.times,
                human(until.time.since(self.since.time))
            ),
        }
    }

    /// Whether it is worth telling of a call that took `took` nanoseconds.
    pub(crate) const fn is_felt(self, took: u64, failed: bool) -> bool {
        self.ns >= FELT_NS || failed && self.is_most(took)
    }

    const fn is_most(self, took: u64) -> bool {
        self.ns >= took / 2
    }

    /// Whether that is why a call was given up: its data stood still until then, or for so long
    /// that the deadline passed (`late`).
    pub(crate) const fn is_cause(self, took: u64, late: bool) -> bool {
        self.sure
            && match self.until {
                None => self.is_most(took) || self.ns >= FELT_NS,
                Some(_) => late && self.is_most(took),
            }
    }

    /// The packets that prove it, in a call that ended at `end`.
    pub(crate) fn proof(self, end: Moment) -> Vec<PacketId> {
        let all = [Some(self.since), self.until, Some(end)];
        let all = all.into_iter().flatten().map(|m| m.packet);
        let mut proof: Vec<_> = all.filter(|p| p.0 != 0).collect();
        proof.sort_unstable();
        proof.dedup();
        proof
    }
}
