//! Looks for text in summaries, fields and payloads, or for what passes a filter,
//! a few rows at a time.

use std::collections::HashSet;
use std::sync::PoisonError;

use crate::event::{Event, Payload};
use crate::index::Index;
use crate::index::filter::Filter as Asked;
use crate::tui::opener::Opener;
use crate::tui::rows::{Filter, Item, Walk};
use crate::tui::values;

/// Items opened at a time: the screen's own wishes wait no longer than that.
const ITEMS: usize = 128;
/// Bytes of payload opened at a time.
const BYTES: u64 = 4 << 20;
/// Rows passed at a time under the lock.
const ROWS: usize = 1 << 16;
/// Hits that are kept; who has more asks for something rarer.
pub(super) const MAX_HITS: usize = 100_000;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// Tells one search from the next.
    pub(super) id: u64,
    /// The text; upper and lower case are the same.
    pub(super) text: String,
    /// The levels that are looked through.
    pub(super) filter: Filter,
}

/// A search under way.
pub(super) struct Search {
    /// What is looked for.
    pub(super) query: Query,
    needle: String,
    /// The text as a filter, where it is one.
    asked: Option<Asked>,
    walk: Walk,
    hits: usize,
}

/// What one step found.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    /// Items with the text, in the list's order.
    pub(super) hits: Vec<Item>,
    /// Rows looked through so far, of how many.
    pub(super) done: (u32, u32),
    /// There is nothing more to look through.
    pub(super) finished: bool,
}

impl Search {
    /// From the beginning of the capture.
    pub(super) fn new(query: Query) -> Self {
        let needle = query.text.to_lowercase();
        // A single word is looked for as text, though it may name a field.
        let asked = Asked::parse(&query.text).ok().filter(|f| !f.is_plain_word());
        let walk = Walk::new(query.filter);
        Self { query, needle, asked, walk, hits: 0 }
    }

    /// Looks through some more.
    pub(super) fn step(&mut self, opener: &mut Opener) -> Step {
        // Items in the list's order, with what their rows tell.
        let mut order: Vec<(Item, bool)> = Vec::new();
        let (items, all, ended) = {
            let index = opener.index().read().unwrap_or_else(PoisonError::into_inner);
            let (mut items, mut bytes, mut budget) = (Vec::new(), 0, ROWS);
            if let (Some(f), Some((first, _))) = (&mut self.asked, index.times()) {
                f.begin(first);
            }
            let mut told = 0;
            while items.len() < ITEMS && bytes < BYTES && told < ROWS {
                let Some(item) = self.walk.next(&index, &mut budget) else { break };
                if let Item::Row(r) = item {
                    // What the row tells needs no opening.
                    if let Some(passes) = self.asked.as_ref().and_then(|f| f.of_row(&index, r)) {
                        told += 1;
                        if passes {
                            order.push((item, true));
                        }
                        continue;
                    }
                    bytes += index.row(r).map_or(0, |r| u64::from(r.length));
                }
                items.push(item);
                order.push((item, false));
            }
            let all = u32::try_from(index.len() + index.again().len()).unwrap_or(u32::MAX);
            let at_end = items.is_empty() && told == 0 && budget > 0;
            (items, all, at_end && index.is_ended())
        };
        let opened = opener.events(&items);
        let index = opener.index().read().unwrap_or_else(PoisonError::into_inner);
        let passes = |e: &Event| match &self.asked {
            Some(f) => passes(f, &index, e),
            None => matches(e, &self.needle),
        };
        let found: HashSet<Item> =
            opened.iter().filter(|(_, e)| passes(e)).map(|(i, _)| *i).collect();
        drop(index);
        let hits: Vec<Item> =
            order.into_iter().filter(|(i, sure)| *sure || found.contains(i)).map(|o| o.0).collect();
        self.hits += hits.len();
        let finished = ended || self.hits >= MAX_HITS;
        Step { hits, done: (self.walk.passed(), all), finished }
    }
}

/// Whether the event passes the filter.
fn passes(filter: &Asked, index: &Index, event: &Event) -> bool {
    let number = event.conversation.and_then(|c| c.0.checked_sub(1));
    let conversation = number.and_then(|n| index.conversations().get(n as usize)).map(|c| &c.info);
    filter.matches(event, conversation)
}

/// Whether the event has the text (in lower case) anywhere that people can see.
fn matches(event: &Event, needle: &str) -> bool {
    let Some(detail) = &event.draft.detail else { return false };
    let has = |text: &str| text.to_lowercase().contains(needle);
    if has(&detail.summary) || has(event.draft.protocol) || has(event.draft.kind) {
        return true;
    }
    let payload = match &detail.payload {
        Payload::None => false,
        Payload::Bytes(b) => has(&String::from_utf8_lossy(b)),
        Payload::Protobuf { type_name, value } => {
            type_name.as_deref().is_some_and(has) || has(&value.line(1 << 16))
        }
    };
    payload
        || event.draft.findings.iter().any(|f| has(f.spec.code))
        || detail
            .tree
            .nodes()
            .iter()
            .any(|n| has(values::label(n)) || has(n.spec.name) || has(&values::value(n, None)))
}
