//! Going from hit to hit of a search.

use crate::event::Level;
use crate::index::{Index, Row};
use crate::tui::app::{App, Overlay, Prompt};
use crate::tui::rows::Item;
use crate::tui::search::{Asks, MAX_HITS, Query, Step};
use crate::view::table::counted;

/// The search that was asked for, and what it found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    /// What is looked for.
    pub(super) query: Query,
    /// Hits in the list's order.
    pub(super) hits: Vec<Item>,
    /// Rows looked through, of how many.
    pub(super) done: (u32, u32),
    /// All was looked through, or it was cancelled.
    pub(super) finished: bool,
    /// Go to the first hit at or behind this as soon as there is one.
    pub(super) awaiting: Option<Item>,
    /// Nothing was found in the levels that are shown: how much there is in the others, by
    /// level, is being counted.
    pub(super) hidden: Option<[u32; 4]>,
}

impl Found {
    /// Takes what a step of the search has found.
    pub(super) fn take(&mut self, step: Step, index: &Index) {
        (self.done, self.finished) = (step.done, step.finished);
        let Some(counts) = &mut self.hidden else {
            self.hits.extend(step.hits);
            return;
        };
        for hit in step.hits {
            let level = match hit {
                Item::Packet(_) => Some(Level::Packet),
                Item::Row(r) => index.row(r).map(Row::level),
            };
            if let Some(n) = level.and_then(|l| counts.get_mut(l as usize)) {
                *n += 1;
            }
        }
    }
}

impl App {
    /// Begins a search from the selected item on.
    /// Where it was meant as a filter that is none, the prompt stays, and says what is
    /// wrong; pressed once more, it is text.
    pub(super) fn search(&mut self, prompt: Prompt) {
        let Prompt { text, mistake } = prompt;
        if text.is_empty() {
            self.found = None;
            return;
        }
        let asks = match (mistake, Asks::read(&text)) {
            (_, Ok(asks)) => asks,
            (Some(_), Err(_)) => Asks::text(&text),
            (None, Err(mistake)) => {
                self.overlay = Some(Overlay::Search(Prompt { text, mistake: Some(mistake) }));
                return;
            }
        };
        self.searches += 1;
        let query = Query { id: self.searches, text, asks, filter: self.rows.filter() };
        let awaiting = self.selected;
        let (hits, done) = (Vec::new(), (0, 0));
        self.found = Some(Found { query, hits, done, finished: false, awaiting, hidden: None });
    }

    /// Goes to the awaited hit if it has been found.
    pub(super) fn arrive(&mut self) {
        if self.found.as_ref().is_some_and(|f| f.hidden.is_some()) {
            self.tell_hidden();
            return;
        }
        let Some(f) = &self.found else { return };
        let Some(from) = f.awaiting else { return };
        let from = self.rows.place(from);
        let hit = f.hits.iter().find(|h| self.rows.is_past(**h) && self.rows.place(**h) >= from);
        // From the end on to the beginning.
        let hit = hit.or_else(|| f.hits.first().filter(|_| f.finished)).copied();
        let finished = f.finished;
        if (hit.is_some() || finished)
            && let Some(f) = &mut self.found
        {
            f.awaiting = None;
        }
        match hit {
            Some(h) => self.select(h),
            None if finished => self.look_into_hidden(),
            None => {}
        }
    }

    /// Nothing was found: the levels that are not shown may have it.
    fn look_into_hidden(&mut self) {
        let others = self.rows.filter().others();
        let Some(f) = &mut self.found else { return };
        self.searches += 1;
        f.query = Query { id: self.searches, filter: others, ..f.query.clone() };
        (f.hidden, f.finished, f.done) = (Some([0; 4]), false, (0, 0));
        if others.is_empty() {
            f.finished = true;
            self.tell_hidden();
        }
    }

    /// Says where it is, once all levels have been looked through.
    fn tell_hidden(&mut self) {
        let Some(f) = self.found.as_mut().filter(|f| f.finished) else { return };
        let counts = f.hidden.take().unwrap_or_default();
        let levels = Level::ALL.iter().zip(counts).enumerate().filter(|(_, (_, n))| *n > 0);
        let found: Vec<String> = levels
            .map(|(i, (l, n))| format!("{} ({})", counted(n.into(), l.name()), i + 1))
            .collect();
        let text = quoted(&f.query.text);
        self.notice = Some(match found.as_slice() {
            [] => format!("{text} was not found"),
            some => format!("{text} was not found here; hidden: {}", some.join(", ")),
        });
    }

    /// Goes to the next hit (or the one before), round the ends.
    pub(super) fn next_hit(&mut self, back: bool) {
        let Some(f) = &self.found else {
            self.notice = Some("press / to search".to_owned());
            return;
        };
        let places = |h: &Item| self.rows.place(*h);
        let hit = if back {
            let before = f.hits.partition_point(|h| places(h) < self.at);
            before.checked_sub(1).and_then(|i| f.hits.get(i)).or(f.hits.last())
        } else {
            let behind = f.hits.partition_point(|h| places(h) <= self.at);
            f.hits.get(behind).or(f.hits.first())
        };
        match hit.copied() {
            Some(h) => self.select(h),
            None => self.notice = Some(format!("no hit for {} yet", quoted(&f.query.text))),
        }
    }

    /// Whether the search found as much as it keeps.
    pub(super) fn is_full(&self) -> bool {
        self.found.as_ref().is_some_and(|f| f.hits.len() >= MAX_HITS)
    }
}

/// What was searched for, in quotes; as it is where it has some of its own.
pub(super) fn quoted(text: &str) -> String {
    if text.contains('"') { text.to_owned() } else { format!("\"{text}\"") }
}
