//! What is told beside the output, on standard error at the end: that a capture is cut
//! short, that a rule fits nothing, that a filter is right for another level.

use std::time::{Duration, Instant};

use crate::base::{ConversationId, PacketId};
use crate::capture::findings::{BAD_RECORD, CUT_SHORT};
use crate::capture::{Batch, Packet};
use crate::cli::args::Common;
use crate::engine::{Checkpoint, ConversationInfo, EventSink, FindingEvent, Rule};
use crate::event::{Event, Level};
use crate::index::filter::Filter;
use crate::view::clean::clean;
use crate::view::table::counted;

/// Collects it while captures are read.
#[derive(Debug, Default)]
pub(super) struct Told {
    /// Rules of decode-as as they were written, and whether a conversation fitted.
    rules: Vec<(String, Rule, bool)>,
    /// Where the first capture that is cut short breaks off: behind this packet.
    cut: Option<u64>,
    /// Where the first breaks off that cannot be read any further, and why.
    broken: Option<(u64, String)>,
}

impl Told {
    /// For the rules of a command line; those that cannot be read have been refused.
    pub(super) fn new(common: &Common) -> Self {
        let rules = common.decode_as.iter();
        let rules = rules.filter_map(|t| Some((t.clone(), t.parse().ok()?, false))).collect();
        Self { rules, ..Self::default() }
    }

    /// Looks at a batch before its packets are worked on.
    pub(super) fn batch(&mut self, batch: &Batch) {
        let cut = batch.findings.iter().find(|(_, f)| f.spec.code == CUT_SHORT.code);
        if let (None, Some((next, _))) = (self.cut, cut) {
            self.cut = Some(next.0.saturating_sub(1));
        }
        let broken = batch.findings.iter().find(|(_, f)| f.spec.code == BAD_RECORD.code);
        if let (None, Some((next, f))) = (&self.broken, broken) {
            let why = f.detail.as_deref().unwrap_or_default().to_owned();
            self.broken = Some((next.0.saturating_sub(1), why));
        }
    }

    /// A sink that also looks at conversations.
    pub(super) const fn beside<'a, S>(&'a mut self, sink: &'a mut S) -> Beside<'a, S> {
        Beside { told: self, sink }
    }

    /// Says that a capture is cut short.
    pub(super) fn say_cut(&self) {
        if let Some(text) = self.cut_text() {
            say!("framescope: {text}");
        }
        if let Some((n, why)) = &self.broken {
            say!("framescope: the rest behind packet {n} cannot be read, {}", clean(why));
        }
    }

    fn cut_text(&self) -> Option<String> {
        Some(match self.cut? {
            0 => "the capture ends within its first packet or block".to_owned(),
            n => format!(
                "the capture ends within a packet or block, behind packet {n}: the rest was \
                 never written"
            ),
        })
    }

    /// Says which rules fitted nothing; only behind the end of all captures.
    pub(super) fn say_rules(&self) {
        for (text, ..) in self.rules.iter().filter(|(.., fitted)| !fitted) {
            say!("framescope: no conversation fits the rule -d '{}'", clean(text));
        }
    }
}

/// See [`Told::beside`].
pub(super) struct Beside<'a, S> {
    told: &'a mut Told,
    sink: &'a mut S,
}

impl<S: EventSink> EventSink for Beside<'_, S> {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        self.sink.event(event, conversation);
    }

    fn finding(&mut self, found: FindingEvent, conversation: Option<&ConversationInfo>) {
        self.sink.finding(found, conversation);
    }

    fn packet(
        &mut self,
        packet: &Packet<'_>,
        conversation: Option<ConversationId>,
        with: &[PacketId],
    ) {
        self.sink.packet(packet, conversation, with);
    }

    fn checkpoint(&mut self, checkpoint: Checkpoint) {
        self.sink.checkpoint(checkpoint);
    }

    fn counted(&mut self, events: [u64; 3]) {
        self.sink.counted(events);
    }

    fn ended(&mut self, conversation: &ConversationInfo) {
        for (_, rule, fitted) in &mut self.told.rules {
            *fitted |= rule.fits(conversation);
        }
        self.sink.ended(conversation);
    }
}

/// How long other levels are asked where nothing passes a filter.
const LOOK: Duration = Duration::from_secs(3);

/// Counts what passes a filter at the levels that were not asked for.
pub(super) struct Elsewhere {
    filter: Filter,
    asked: Level,
    passed: [u64; Level::ALL.len()],
    begun: bool,
    until: Instant,
    stopped: bool,
    /// The last event: its findings follow it.
    last: Option<Event>,
}

impl Elsewhere {
    /// Nothing passed `filter` at the level `asked`.
    pub(super) fn new(filter: Filter, asked: Level) -> Self {
        let until = Instant::now() + LOOK;
        let passed = [0; Level::ALL.len()];
        Self { filter, asked, passed, begun: false, until, stopped: false, last: None }
    }

    /// Looks at a batch before its packets are worked on; false when it has taken long
    /// enough.
    pub(super) fn goes_on(&mut self, batch: &Batch) -> bool {
        if let (false, Some(first)) = (self.begun, batch.packets().next()) {
            self.filter.begin(first.meta.time);
            self.begun = true;
        }
        self.stopped = self.begun && Instant::now() > self.until;
        !self.stopped
    }

    /// What was found, in one line.
    pub(super) fn text(&self) -> String {
        let none = format!("no {} passes the filter (-Y)", self.asked.name());
        let count = |l: &Level| self.passed.get(*l as usize).copied().unwrap_or(0);
        let mut found: Vec<&Level> = Level::ALL.iter().filter(|l| count(l) > 0).collect();
        // A finding passes with its event, which says more.
        if found.len() > 1 {
            found.retain(|l| **l != Level::Finding);
        }
        let least = if self.stopped { "at least " } else { "" };
        let each = found.iter().map(|l| {
            let does = if count(l) == 1 { "does" } else { "do" };
            format!("{least}{} {does} (-l {})", counted(count(l), l.name()), l.name())
        });
        let each: Vec<String> = each.collect();
        match (each.is_empty(), self.stopped) {
            (false, _) => format!("{none}; {}", each.join(", ")),
            (true, false) => format!("{none}, nor does anything of another level"),
            (true, true) => none,
        }
    }
}

impl EventSink for Elsewhere {
    fn event(&mut self, event: &mut Event, conversation: Option<&ConversationInfo>) {
        let level = event.draft.level;
        if level != self.asked && self.filter.matches(event, conversation) {
            self.passed[level as usize] += 1;
        }
        self.last = Some(event.take());
    }

    fn finding(&mut self, found: FindingEvent, conversation: Option<&ConversationInfo>) {
        let event = self.last.as_ref().filter(|e| found.event == Some(e.id));
        if self.asked != Level::Finding && self.filter.matches_finding(&found, event, conversation)
        {
            self.passed[Level::Finding as usize] += 1;
        }
    }
}
