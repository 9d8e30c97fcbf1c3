//! The state of the interface: changed by keys, the mouse and replies; drawn by
//! the panes.

use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;
use ratatui::layout::Rect;

use crate::base::{ConversationId, PacketId};
use crate::engine::DecodeAs;
use crate::event::Level;
use crate::index::{Index, Moved, Progress, Row, RowId, Step};
use crate::tui::hex::Hex;
use crate::tui::layout::Panes;
use crate::tui::opener::{self, Line, Shown};
use crate::tui::rows::{Filter, Item, Rows};
use crate::tui::search::{MAX_HITS, Query};
use crate::tui::theme::Theme;
use crate::tui::timeline::Timeline;
use crate::tui::tour::Tour;
use crate::tui::tree::Tree;
use crate::tui::worker::{Order, Reply, Wishes};

/// Rows that the list takes up at once: some milliseconds of work.
const ROWS_AT_ONCE: usize = 300_000;
/// Lines that are kept; beyond it all are opened anew when they are seen.
const MAX_LINES: usize = 20_000;

/// A part of the screen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pane {
    /// The events.
    List,
    /// Fields of the selected event.
    Tree,
    /// Its bytes.
    Hex,
    /// Time.
    Timeline,
}

impl Pane {
    /// In the order of Tab.
    pub(super) const ALL: [Self; 4] = [Self::List, Self::Tree, Self::Hex, Self::Timeline];
}

/// What lies above the panes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Overlay {
    /// All keys, scrolled down by so many lines.
    Help(u16),
    /// The findings, and which is selected.
    Findings(usize),
    /// What to search for is being typed.
    Search(String),
    /// What the conversation is to be read as, and which is selected.
    Decode(usize),
}

/// What is to be done after a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// Nothing changed.
    None,
    /// Draw again.
    Draw,
    /// Leave.
    Quit,
}

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
}

/// See the module.
pub(super) struct App {
    /// What is shown.
    pub(super) index: Arc<RwLock<Index>>,
    /// How it looks.
    pub(super) theme: Theme,
    /// The list's contents.
    pub(super) rows: Rows,
    /// Which of them is selected.
    pub(super) selected: Option<Item>,
    /// Its place in the list.
    pub(super) at: usize,
    /// The first line of the list that is visible.
    pub(super) top: usize,
    /// To be selected as soon as the list reaches it.
    pub(super) reach: Option<Item>,
    /// Lines of events.
    pub(super) lines: HashMap<Item, Line>,
    /// The opened event.
    pub(super) shown: Option<Box<Shown>>,
    /// The selected event cannot be opened.
    pub(super) unreadable: Option<Item>,
    /// Its fields.
    pub(super) tree: Tree,
    /// Its bytes.
    pub(super) hex: Hex,
    /// The timeline.
    pub(super) timeline: Timeline,
    /// Where keys go.
    pub(super) focus: Pane,
    /// The focused pane has the whole screen.
    pub(super) zoomed: bool,
    /// What lies above.
    pub(super) overlay: Option<Overlay>,
    /// The search.
    pub(super) found: Option<Found>,
    searches: u64,
    /// A conversation is being read again, and how far that is.
    pub(super) decoding: Option<(Order, Step)>,
    orders: u64,
    /// Of the rows that are shown.
    generation: u64,
    /// The tour, where it is on.
    pub(super) tour: Option<Tour>,
    /// Something to be told once.
    pub(super) notice: Option<String>,
    /// How far the reader is.
    pub(super) progress: Progress,
    /// Why it went no further.
    pub(super) failure: Option<String>,
    /// Whether a capture filter drops packets.
    pub(super) filtered: bool,
    /// The name of what is shown.
    pub(super) name: String,
    /// Where things were drawn last.
    pub(super) panes: Panes,
    /// The list has not taken up all of the index.
    pub(super) behind: bool,
    /// The source gives what happens now.
    pub(super) live: bool,
    /// The newest event is selected as it comes, until the reader moves.
    pub(super) following: bool,
    /// The column at which the mouse dragged the timeline last.
    pub(super) dragged: Option<u16>,
}

impl App {
    /// Shows `index`, which a reader may still add to.
    pub(super) fn new(index: Arc<RwLock<Index>>, theme: Theme, name: String) -> Self {
        Self {
            index,
            theme,
            rows: Rows::new(Filter::DEFAULT),
            selected: None,
            at: 0,
            top: 0,
            reach: None,
            lines: HashMap::new(),
            shown: None,
            unreadable: None,
            tree: Tree::default(),
            hex: Hex::default(),
            timeline: Timeline::default(),
            focus: Pane::List,
            zoomed: false,
            overlay: None,
            found: None,
            searches: 0,
            decoding: None,
            tour: None,
            orders: 0,
            generation: 0,
            notice: None,
            progress: Progress::Read(None),
            failure: None,
            filtered: false,
            name,
            panes: Panes::default(),
            behind: true,
            live: false,
            following: false,
            dragged: None,
        }
    }

    /// Selects the newest event from now on, until the reader moves.
    pub(super) const fn follow(&mut self) {
        (self.live, self.following) = (true, true);
    }

    /// Takes up what the reader brought.
    pub(super) fn grow(&mut self) {
        let index = Arc::clone(&self.index);
        let index = index.read().unwrap_or_else(PoisonError::into_inner);
        self.behind = self.rows.extend(&index, ROWS_AT_ONCE);
        if let Some(item) = self.reach
            && (self.rows.is_past(item) || !self.behind)
        {
            self.reach = None;
            self.at = self.rows.place(item);
        }
        if self.reach.is_none() {
            if self.following {
                self.at = usize::MAX;
            }
            self.at = self.at.min(self.rows.len().saturating_sub(1));
            self.set_selected(self.rows.get(self.at));
        }
    }

    fn set_selected(&mut self, item: Option<Item>) {
        if self.selected != item {
            self.selected = item;
            self.timeline.follow();
        }
    }

    /// Selects the item at a place of the list.
    pub(super) fn select_at(&mut self, at: usize) {
        self.reach = None;
        self.at = at.min(self.rows.len().saturating_sub(1));
        // Whoever goes to the end wants to see what comes.
        self.following = self.live && self.at + 1 >= self.rows.len();
        self.set_selected(self.rows.get(self.at));
    }

    /// Moves the selection of the list.
    pub(super) fn step(&mut self, by: isize) {
        self.select_at(self.at.saturating_add_signed(by));
    }

    /// Selects an item, shown or not: its level is shown from now on.
    pub(super) fn select(&mut self, item: Item) {
        let level = match item {
            Item::Packet(_) => Some(crate::event::Level::Packet),
            Item::Row(r) => {
                let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
                index.row(r).map(crate::index::Row::level)
            }
        };
        let Some(level) = level else { return };
        if !self.rows.filter().has(level) {
            self.set_filter(self.rows.filter().with(level));
        }
        if self.rows.is_past(item) {
            self.select_at(self.rows.place(item));
        } else {
            self.reach = Some(item);
            self.following = false;
            self.grow();
        }
    }

    /// Shows other levels; what is selected stays, or what is next to it.
    pub(super) fn set_filter(&mut self, filter: Filter) {
        if filter == self.rows.filter() {
            return;
        }
        self.reach = self.reach.or(self.selected).map(|item| self.beside(item, filter));
        self.rows = Rows::new(filter);
        self.top = 0;
        self.behind = true;
        if let Some(f) = &mut self.found {
            f.finished = true;
        }
        self.grow();
    }

    /// An item of the same kind as the list will hold: a packet for an event and
    /// the other way round, where only those are shown.
    fn beside(&self, item: Item, filter: Filter) -> Item {
        let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
        let packets_only = filter == Filter::of(&[crate::event::Level::Packet]);
        match item {
            Item::Row(r) if packets_only => {
                index.row(r).map_or(item, |r| Item::Packet(r.last_packet))
            }
            Item::Row(r) => {
                let kin = index.row(r).filter(|row| !filter.has(row.level()));
                kin.and_then(|row| kin_of(&index, r, row, filter)).map_or(item, Item::Row)
            }
            Item::Packet(p) if !filter.has(crate::event::Level::Packet) => {
                let (mut low, mut high) = (0, u32::try_from(index.len()).unwrap_or(u32::MAX));
                while low < high {
                    let middle = low + (high - low) / 2;
                    match index.row(RowId(middle)) {
                        Some(r) if r.last_packet < p => low = middle + 1,
                        _ => high = middle,
                    }
                }
                match index.row(RowId(low)) {
                    Some(r) if !index.is_replaced(RowId(low), r) => Item::Row(RowId(low)),
                    _ if index.again().is_empty() => Item::Row(RowId(low)),
                    _ => {
                        let again = index.again();
                        let at = again.partition_point(|r| r.last_packet < p);
                        let at = at.min(again.len().saturating_sub(1));
                        Item::Row(RowId::again(u32::try_from(at).unwrap_or(0)))
                    }
                }
            }
            _ => item,
        }
    }

    /// Takes what the worker found out.
    pub(super) fn reply(&mut self, reply: Reply) {
        match reply {
            Reply::Opened(item, shown) => {
                if self.selected != Some(item) {
                    return;
                }
                match shown {
                    Some(s) => {
                        let line = opener::line(&mut with_detail(&s), item);
                        self.keep_lines(line.map(|l| (item, l)));
                        self.tree.show(&s);
                        self.shown = Some(s);
                        self.unreadable = None;
                        self.follow_field();
                    }
                    None => self.unreadable = Some(item),
                }
            }
            Reply::Lines(lines) => self.keep_lines(lines),
            Reply::Decoded(order, step, moved) => {
                let mine = self.decoding.as_ref().is_some_and(|d| d.0.id == order.id);
                if step != Step::Done {
                    if mine {
                        self.decoding = Some((order, step));
                    }
                    return;
                }
                if mine {
                    self.decoding = None;
                }
                // Also where it was given up too late.
                self.start_over(&order, &moved);
            }
            Reply::Search(id, step) => {
                let Some(f) = self.found.as_mut().filter(|f| f.query.id == id && !f.finished)
                else {
                    return;
                };
                f.hits.extend(step.hits);
                f.done = step.done;
                f.finished = step.finished;
                self.arrive();
            }
        }
    }

    /// The conversation of the selected item.
    pub(super) fn conversation(&self, index: &Index) -> Option<ConversationId> {
        match self.selected? {
            Item::Row(r) => Some(ConversationId(index.row(r)?.conversation + 1)),
            Item::Packet(p) => {
                let c = index.packet(PacketId(u64::from(p)))?.conversation;
                (c > 0).then_some(ConversationId(c))
            }
        }
    }

    /// Has a conversation read as something else.
    pub(super) fn decode_as(&mut self, conversation: ConversationId, read: DecodeAs) {
        self.orders += 1;
        let order = Order { id: self.orders, conversation, read };
        self.decoding = Some((order, Step::Waiting));
    }

    /// The rows of a conversation were replaced: the list begins anew where it was.
    fn start_over(&mut self, order: &Order, moved: &Moved) {
        let selected = self.reach.or(self.selected);
        let (generation, item, events) = {
            let index = self.index.read().unwrap_or_else(PoisonError::into_inner);
            let c = index.conversations().get(order.conversation.0.saturating_sub(1) as usize);
            let rows = c.map_or(&[][..], |c| c.rows.as_slice());
            // What is there at the same time, of a level that is shown.
            let beside = |packet: u32| {
                let row = |r: &u32| index.row(RowId(*r));
                let shown = |r: &&u32| row(r).is_some_and(|r| self.rows.filter().has(r.level()));
                let at = rows.partition_point(|r| row(r).is_some_and(|r| r.last_packet < packet));
                let behind = rows.iter().skip(at).find(shown);
                behind.or_else(|| rows.iter().rev().find(shown)).map(|r| Item::Row(RowId(*r)))
            };
            let opened = || self.shown.as_ref().filter(|s| Some(s.item) == selected);
            let item = match selected {
                Some(Item::Row(r)) if r.place_again().is_some() => match moved.get(&r) {
                    Some(new) => Some(Item::Row(*new)),
                    None => beside(opened().map_or(0, |s| {
                        u32::try_from(s.event.draft.end.packet.0).unwrap_or(u32::MAX)
                    })),
                },
                Some(Item::Row(r)) => match index.row(r) {
                    Some(row) if index.is_replaced(r, row) => beside(row.last_packet),
                    _ => selected,
                },
                _ => selected,
            };
            (index.generation(), item, rows.len())
        };
        self.generation = generation;
        self.rows = Rows::new(self.rows.filter());
        self.lines.clear();
        self.shown = None;
        self.unreadable = None;
        self.found = None;
        self.selected = None;
        self.reach = item;
        self.behind = true;
        self.timeline.forget();
        let what = match order.read {
            DecodeAs::Found => "as found by content".to_owned(),
            DecodeAs::Opaque => "is nobody's bytes".to_owned(),
            read => format!("as {}", read.label()),
        };
        let many = if events == 1 { "event" } else { "events" };
        self.notice = Some(format!("conversation #{} {what}: {events} {many}", order.conversation));
        self.grow();
    }

    fn keep_lines(&mut self, lines: impl IntoIterator<Item = (Item, Line)>) {
        if self.lines.len() > MAX_LINES {
            self.lines.clear();
        }
        self.lines.extend(lines);
    }

    /// What the worker is to do next.
    pub(super) fn wishes(&self) -> Wishes {
        let lacking = |i: &Item| !self.lines.contains_key(i);
        let list = self.top..(self.top + usize::from(self.panes.list.height)).min(self.rows.len());
        let mut visible: Vec<Item> =
            list.filter_map(|at| self.rows.get(at)).filter(lacking).collect();
        for named in self.timeline.named().filter(lacking) {
            if !visible.contains(&named) {
                visible.push(named);
            }
        }
        let open = self.is_open() || self.unreadable == self.selected;
        Wishes {
            selected: self.selected.filter(|_| !open),
            visible,
            search: self.found.as_ref().filter(|f| !f.finished).map(|f| f.query.clone()),
            decode: self.decoding.as_ref().map(|d| d.0.clone()),
            generation: self.generation,
        }
    }

    /// Whether the selected event is the one that is open.
    pub(super) fn is_open(&self) -> bool {
        self.shown.as_ref().map(|s| s.item) == self.selected
    }

    /// Whether the selected event is about to be opened.
    pub(super) fn is_opening(&self) -> bool {
        self.selected.is_some() && !self.is_open() && self.unreadable != self.selected
    }

    /// The opened event, if it is the selected one.
    pub(super) fn current(&self) -> Option<&Shown> {
        self.shown.as_deref().filter(|s| Some(s.item) == self.selected)
    }

    /// Marks the bytes of the selected field.
    pub(super) fn follow_field(&mut self) {
        let Some(s) = &self.shown else { return };
        let span = self.tree.node().and_then(|n| s.detail.tree.nodes().get(n)?.span);
        self.hex.mark(span, s.buffers.len());
    }

    /// Selects the innermost field that covers the byte under the cursor.
    pub(super) fn follow_byte(&mut self) {
        let Some(s) = &self.shown else { return };
        if let Some(span) = self.tree.select_byte(&s.detail.tree, self.hex.buffer, self.hex.cursor)
        {
            self.hex.marked = Some(span);
        }
    }

    /// Begins a search from the selected item on.
    pub(super) fn search(&mut self, text: String) {
        if text.is_empty() {
            self.found = None;
            return;
        }
        self.searches += 1;
        let query = Query { id: self.searches, text, filter: self.rows.filter() };
        let awaiting = self.selected;
        let (hits, done) = (Vec::new(), (0, 0));
        self.found = Some(Found { query, hits, done, finished: false, awaiting });
    }

    /// Goes to the awaited hit if it has been found.
    fn arrive(&mut self) {
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
            None if finished => self.notice = Some(format!("\"{text}\" was not found")),
            None => {}
        }
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
            None => self.notice = Some(format!("no hit for \"{}\" yet", f.query.text)),
        }
    }

    /// Whether the search found as much as it keeps.
    pub(super) fn is_full(&self) -> bool {
        self.found.as_ref().is_some_and(|f| f.hits.len() >= MAX_HITS)
    }

    /// Lays everything out for a screen of this size; scrolls what is selected
    /// into view.
    pub(super) fn layout(&mut self, area: Rect) {
        let index = Arc::clone(&self.index);
        let index = index.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(mut tour) = self.tour {
            tour.advance(self, &index);
            self.tour = Some(tour);
        }
        let guided = self.tour.is_some_and(|t| !t.hidden);
        let lanes = index.lanes().len();
        self.panes = Panes::new(area, self.zoomed.then_some(self.focus), lanes, guided);
        if self.panes.get(self.focus).is_none() {
            self.focus =
                Pane::ALL.into_iter().find(|p| self.panes.get(*p).is_some()).unwrap_or(Pane::List);
        }
        let height = usize::from(self.panes.list.height).saturating_sub(1).max(1);
        self.top = scroll(self.top, self.at, height, self.rows.len());
        self.tree.layout(usize::from(self.panes.tree.height).saturating_sub(1));
        let bytes = self.shown.as_ref().and_then(|s| s.buffers.get(usize::from(self.hex.buffer)));
        self.hex.layout(self.panes.hex, bytes.map_or(0, |b| b.len));
        self.timeline.layout(self.panes.timeline, &index, self.selected, self.rows.filter());
    }
}

/// The event with its detail put back.
fn with_detail(s: &Shown) -> crate::event::Event {
    let mut event = s.event.clone();
    let summary = s.detail.summary.clone();
    event.draft.detail = Some(Box::new(crate::event::Detail { summary, ..Default::default() }));
    event
}

/// The first visible line such that `at` is visible in `height` lines of `len`.
pub(super) fn scroll(top: usize, at: usize, height: usize, len: usize) -> usize {
    let top = if at < top {
        at
    } else if at >= top + height {
        at + 1 - height
    } else {
        top
    };
    top.min(len.saturating_sub(height))
}

/// The event among the levels shown that stands for one whose level is not: of the
/// same conversation and stream, the first that ends with it or later (its call or
/// session), or else the last before it.
fn kin_of(index: &Index, id: RowId, row: &Row, filter: Filter) -> Option<RowId> {
    let lane = index
        .lanes()
        .iter()
        .find(|l| l.conversation == row.conversation && l.stream == row.stream())?;
    let at = lane.rows.partition_point(|r| *r < id.0);
    let shown = |r: &&u32| index.row(RowId(**r)).is_some_and(|row| filter.has(row.level()));
    let covers =
        |r: &&u32| index.row(RowId(**r)).is_some_and(|other| other.first_packet <= row.last_packet);
    let behind = lane.rows.iter().skip(at).filter(shown).find(covers);
    let before = lane.rows.iter().take(at).rev().find(shown);
    // A frame of this event was told just before it; what belongs together, behind.
    let near = before.filter(|b| {
        index.row(RowId(**b)).is_some_and(|b| b.last_packet == row.last_packet)
            && row.level() > index.row(RowId(**b)).map_or(Level::Packet, Row::level)
    });
    near.or(behind).or(before).map(|r| RowId(*r))
}
