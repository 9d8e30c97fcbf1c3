//! Going from hit to hit of a search.

use crate::tui::app::{App, Overlay, Prompt};
use crate::tui::rows::Item;
use crate::tui::search::{Asks, MAX_HITS, Query};

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
    /// At the levels that were shown there was none: those that are hidden are looked through.
    pub(super) beyond: bool,
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
        self.found = Some(Found { query, hits, done, finished: false, awaiting, beyond: false });
    }

    /// Goes to the awaited hit if it has been found.
    pub(super) fn arrive(&mut self) {
        let Some(f) = &self.found else { return };
        let Some(from) = f.awaiting else { return };
        let from = self.rows.place(from);
        let hit = f.hits.iter().find(|h| self.rows.is_past(**h) && self.rows.place(**h) >= from);
        // From the end on to the beginning.
        let hit = hit.or_else(|| f.hits.first().filter(|_| f.finished)).copied();
        let (finished, text) = (f.finished, f.query.text.clone());
        if (hit.is_some() || finished)
            && let Some(f) = &mut self.found
        {
            f.awaiting = None;
        }
        match hit {
            Some(h) => self.select(h),
            None if finished && self.search_beyond() => {}
            None if finished => self.notice = Some(format!("{} was not found", quoted(&text))),
            None => {}
        }
    }

    /// Looks through the events that are not shown, where there are some; tells of what is
    /// found there, and goes nowhere.
    fn search_beyond(&mut self) -> bool {
        let Some(f) = self.found.as_mut().filter(|f| !f.beyond) else { return false };
        let hidden = f.query.filter.hidden_events();
        let Some(hidden) = hidden else { return false };
        self.searches += 1;
        f.query.id = self.searches;
        f.query.filter = hidden;
        (f.done, f.finished, f.beyond) = ((0, 0), false, true);
        true
    }

    /// Tells what was found among the events that are not shown.
    pub(super) fn tell_beyond(&mut self) {
        let Some(f) = self.found.as_ref().filter(|f| f.beyond && f.finished) else { return };
        let text = quoted(&f.query.text);
        self.notice = Some(match f.hits.len() {
            0 => format!("{text} was not found"),
            n => {
                let more = if self.is_full() { "+" } else { "" };
                let them = if n == 1 { "it" } else { "them" };
                format!("{text}: none shown, {n}{more} hidden; n shows {them}")
            }
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
