//! Polls: series of requests that ask the same again and again.

use std::sync::Arc;

use hashbrown::HashMap;

use super::{Across, Analysis, Seen};
use crate::base::ConversationId;
use crate::base::limits::MAX_POLL_TARGETS;
use crate::base::time::human;
use crate::engine::polling::{Asked, Kind, Polls, Series, sse, websocket};
use crate::engine::{ConversationInfo, FindingEvent};
use crate::facts::Facts;
use crate::finding::Finding;
use crate::proto::http::findings::{LONG_POLLING, POLLING};

/// See the module.
#[derive(Default)]
pub(super) struct Polling {
    polls: Polls<Last>,
    /// The connections of requests that may be part of a poll, shared by them.
    infos: HashMap<ConversationId, Arc<ConversationInfo>>,
}

/// What is kept of a request, for the finding if it is the last of its series.
#[derive(Clone)]
struct Last {
    info: Arc<ConversationInfo>,
    stream: Option<u64>,
}

impl Analysis for Polling {
    fn exchange(&mut self, seen: &Seen<'_>, found: &mut Vec<Across>) {
        let Facts::Http(facts) = seen.facts else { return };
        let asked = Asked::new(seen.event, seen.draft, seen.info, facts);
        let infos = &mut self.infos;
        self.polls.add(&asked, || {
            if infos.len() >= MAX_POLL_TARGETS {
                infos.clear();
            }
            let info = infos.entry(seen.info.id).or_insert_with(|| Arc::new(seen.info.clone()));
            Last { info: info.clone(), stream: seen.draft.stream }
        });
        found.extend(self.polls.take().iter().map(finding));
    }

    fn finish(&mut self, found: &mut Vec<Across>) {
        found.extend(self.polls.finish().iter().map(finding));
    }
}

fn finding(s: &Series<Last>) -> Across {
    let spec = match s.kind {
        Kind::Short => &POLLING,
        Kind::Long => &LONG_POLLING,
    };
    let packets = s.span.map(|m| m.packet);
    let [_, end] = s.span;
    let finding = Finding::new(spec).with(text(s)).proved_by(packets);
    Across {
        finding: FindingEvent {
            finding,
            protocol: "http",
            event: Some(s.last_event),
            at: end,
            packets: packets.to_vec(),
            stream: s.tag.stream,
            sender: None,
            across: true,
        },
        info: Box::new((*s.tag.info).clone()),
    }
}

/// `GET /api/messages 6 times, every 201 ms, from 10.0.0.1: 5 answers of 6 empty (83 %), …`
fn text<T>(s: &Series<T>) -> String {
    let short = |t: &str| t.chars().take(60).collect::<String>().escape_debug().to_string();
    let many = |n: u64, one: &str| format!("{n} {one}{}", if n == 1 { "" } else { "s" });
    let answers = s.requests.saturating_sub(s.unanswered.saturating_add(s.unknown));
    let mut text = format!(
        "{} {} {} times, every {}, from {}",
        s.target.method,
        short(&s.target.path),
        s.requests,
        human(s.interval),
        s.target.client
    );
    if s.kind == Kind::Long {
        text += &format!(
            "; held {} (median), {} at most, asked again after {}",
            human(s.hold),
            human(s.longest_hold),
            human(s.gap)
        );
    }
    // Rounded as `stats --transports` has it.
    let share = (s.empty * 200 + answers).checked_div(answers * 2).unwrap_or(0);
    text += &format!("; {} of {answers} empty ({share} %)", many(s.empty, "answer"));
    for (n, what) in [
        (s.timeouts, "held in vain"),
        (s.errors, "with an error"),
        (s.unknown, "not captured as a whole"),
        (s.unanswered, "without an answer"),
    ] {
        if n > 0 {
            text += &format!(", {n} {what}");
        }
    }
    let heads: u64 = s.head_bytes.iter().sum();
    text += &match s.useful_bytes {
        0 => format!("; {heads} bytes of headers for no useful byte"),
        useful => {
            let tenths = heads.saturating_mul(10) / useful;
            let (whole, tenth) = (tenths / 10, tenths % 10);
            format!("; {whole}.{tenth} bytes of headers for each useful one")
        }
    };
    text += &match s.delay.max {
        0 if s.events == 0 => "; no event came".to_owned(),
        0 => "; no event waited".to_owned(),
        most if s.events == 0 => {
            let mean = human(s.delay.mean);
            format!(
                "; no event came, and one would have waited {mean} on average, {} at most",
                human(most)
            )
        }
        most => {
            format!("; an event waited {} on average, {} at most", human(s.delay.mean), human(most))
        }
    };
    let all = heads.saturating_add(s.body_bytes.iter().sum());
    text += &format!(
        "; {} in {all} bytes, as server-sent events {}, by WebSocket {}",
        many(s.events, "event"),
        sse(s).total,
        websocket(s).total
    );
    text
}
