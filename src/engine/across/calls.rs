//! gRPC calls that were made for the sake of others, with what was left of their
//! deadlines, and calls that were tried again: see [`lineage`](crate::engine::lineage).

use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use super::{Across, Analysis, Seen};
use crate::base::limits::MAX_LINKED_CALLS;
use crate::base::time::human;
use crate::base::{ConversationId, Moment};
use crate::engine::lineage::{Brief, By, Call, Parent, parents, retries};
use crate::engine::{ConversationInfo, FindingEvent};
use crate::facts::Facts;
use crate::finding::{Finding, FindingSpec};
use crate::proto::grpc::findings as g;

/// See the module.
#[derive(Default)]
pub(super) struct Calls {
    calls: Vec<Call>,
    /// Of each, whose it is: calls of one connection share it.
    infos: Vec<Arc<ConversationInfo>>,
    /// Those of the connections that were heard of since this was last emptied, as they were
    /// with their first call: only their addresses are shown.
    recent: HashMap<ConversationId, Arc<ConversationInfo>>,
    /// Methods whose messages are of a codec of their own, as has been told.
    unread: HashSet<Arc<str>>,
}

/// Methods that are remembered as told; beyond these nothing is told of others.
const MAX_TOLD: usize = 4096;

/// Connections whose descriptions are kept for their next calls.
const RECENT: usize = 1024;

impl Analysis for Calls {
    fn exchange(&mut self, seen: &Seen<'_>, found: &mut Vec<Across>) {
        let Facts::Call(facts) = seen.facts else { return };
        if let Some(unread) = facts.unread {
            self.say_unread(seen, &facts.path, unread, found);
        }
        let call = Call::by(seen.event, seen.draft, seen.info, Brief::of(facts));
        self.add(call, seen.info, found);
    }

    fn finish(&mut self, found: &mut Vec<Across>) {
        self.settle(self.calls.len(), found);
    }
}

impl Calls {
    /// A call, in the order in which they came to their ends.
    pub(super) fn add(&mut self, call: Call, of: &ConversationInfo, found: &mut Vec<Across>) {
        // The one that others are part of may end long after them.
        if self.calls.len() >= MAX_LINKED_CALLS {
            self.settle(MAX_LINKED_CALLS / 2, found);
        }
        self.calls.push(call);
        // Its addresses are what a finding shows; they do not change.
        if self.recent.len() >= RECENT {
            self.recent.clear();
        }
        let info = self.recent.entry(of.id).or_insert_with(|| Arc::new(of.clone()));
        if info.ends != of.ends {
            *info = Arc::new(of.clone());
        }
        self.infos.push(Arc::clone(info));
    }

    /// Says of the method of a call, once, that nobody knows what its messages are.
    fn say_unread(
        &mut self,
        seen: &Seen<'_>,
        path: &Arc<str>,
        (n, first): (u64, Moment),
        found: &mut Vec<Across>,
    ) {
        if self.unread.len() >= MAX_TOLD || !self.unread.insert(Arc::clone(path)) {
            return;
        }
        let all = match seen.facts {
            Facts::Call(c) => c.messages.iter().sum(),
            _ => n,
        };
        let text = format!("{n} of {all} messages of this call; others are not told of");
        let finding = Finding::new(&g::UNKNOWN_PAYLOAD).with(text).proved_by([first.packet]);
        found.push(seen.found(finding));
    }

    /// Says of the first `n` what is found of them, and lets go of them.
    fn settle(&mut self, n: usize, found: &mut Vec<Across>) {
        let (parents, retries) = (parents(&self.calls), retries(&self.calls));
        for (i, (parent, retry)) in parents.iter().zip(&retries).enumerate().take(n) {
            let (Some(call), Some(info)) = (self.calls.get(i), self.infos.get(i)) else {
                continue;
            };
            let mut say = |spec: &'static FindingSpec, text: String, other: &Call| {
                let proof = vec![other.start.packet, call.start.packet];
                found.push(Across {
                    finding: FindingEvent {
                        finding: Finding::new(spec).with(text).proved_by(proof.clone()),
                        protocol: "grpc",
                        event: Some(call.event),
                        at: call.end,
                        packets: proof,
                        stream: call.stream,
                        sender: None,
                        across: true,
                    },
                    info: Box::new((**info).clone()),
                });
            };
            if let Some(p) = parent
                && let Some(of) = self.calls.get(p.call)
            {
                say(&g::PART_OF, part_of(call, p, of), of);
                if call.is_extended(p) {
                    let (mine, left) = (call.facts.timeout_ns, p.left);
                    let text = format!(
                        "{} where event {} has {} left",
                        human(mine.unwrap_or(0)),
                        of.event,
                        human(left.unwrap_or(0))
                    );
                    say(&g::DEADLINE_EXTENDED, text, of);
                } else if call.has_lost_deadline(p) {
                    let text =
                        format!("event {} has {} left", of.event, human(p.left.unwrap_or(0)));
                    say(&g::DEADLINE_DROPPED, text, of);
                }
            }
            if let Some(j) = retry
                && let Some(of) = self.calls.get(*j)
            {
                say(&g::RETRY, again(call, of), of);
            }
        }
        self.calls.drain(..n.min(self.calls.len()));
        self.infos.drain(..n.min(self.infos.len()));
    }
}

/// `event 17 (shop.Gateway/Order) by traceparent; 4.97 s left there, 4 s given`.
fn part_of(call: &Call, p: &Parent, of: &Call) -> String {
    let how = match p.by {
        By::Span(header) => format!("whose span it names in {header}"),
        By::SameSpan if p.sure => "whose span was handed on".to_owned(),
        By::SameSpan => "likely, by the same span and time".to_owned(),
        By::Id(header) if p.sure => format!("by {header}"),
        By::Id(header) => format!("likely, by {header} and time"),
        By::Time => "likely, by time alone".to_owned(),
    };
    let given = match (p.left, call.facts.timeout_ns) {
        (Some(left), Some(given)) => {
            format!("; {} left there, {} given", human(left), human(given))
        }
        (Some(left), None) => format!("; {} left there, no deadline given", human(left)),
        (None, Some(given)) => format!("; no deadline there, {} given", human(given)),
        (None, None) => String::new(),
    };
    format!("event {} ({}), {how}{given}", of.event, of.name())
}

/// `attempt 2 of the call of event 9, 51 ms after that ended with 14`.
fn again(call: &Call, of: &Call) -> String {
    let n = call.facts.previous_attempts.unwrap_or(0).saturating_add(1);
    let mut text = format!(
        "attempt {n}; event {} was the one before, {} after whose end ({}) it came",
        of.event,
        human(call.start.time.since(of.end.time)),
        match of.facts.client_status.and_then(crate::proto::grpc::fields::status_name) {
            Some(name) => name,
            None => of.facts.verdict,
        }
    );
    match of.facts.pushback_ms {
        Some(ms) if ms >= 0 => text.push_str(&format!("; the server had asked for {ms} ms")),
        Some(_) => text.push_str("; the server had asked for none"),
        None => {}
    }
    text
}
