//! The state of the interface: changed by keys, the mouse and replies; drawn by
//! the panes.

use std::sync::{Arc, PoisonError, RwLock};

use hashbrown::HashMap;
use ratatui::layout::Rect;

use crate::engine::Rule;
use crate::index::filter::Mistake;
use crate::index::{Index, Progress, Step};
use crate::tui::hex::Hex;
use crate::tui::hits::Found;
use crate::tui::layout::Panes;
use crate::tui::opener::{self, Line, Shown};
use crate::tui::rows::{Filter, Item, Rows};
use crate::tui::theme::Theme;
use crate::tui::timeline::Timeline;
use crate::tui::tour::Tour;
use crate::tui::tree::{self, Tree};
use crate::tui::worker::{Order, Reply, Wishes};

/// Rows that the list takes up at once: a millisecond or two of work.
const ROWS_AT_ONCE: usize = 100_000;
/// Lines that are kept; beyond it all are opened anew when they are seen.
const MAX_LINES: usize = 20_000;

/// The code of the finding that a capture ends in the middle of a packet.
const CUT_SHORT: &str = "capture.cut-short";

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
    /// The findings, and the number of the selected one, as the index counts them.
    Findings(usize),
    /// What to search for is being typed.
    Search(Prompt),
    /// What the conversation is to be read as, and which is selected.
    Decode(usize),
}

/// What is being typed behind `/`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Prompt {
    /// So far.
    pub(super) text: String,
    /// It was meant as a filter, and this is wrong with it.
    pub(super) mistake: Option<Mistake>,
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
    /// Packets are not there any more, since what is kept of them is bounded.
    pub(super) let_go: bool,
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
    /// The finding that was gone to last, by its number.
    pub(super) finding: Option<usize>,
    /// The search.
    pub(super) found: Option<Found>,
    pub(super) searches: u64,
    /// A conversation is being read again, and how far that is.
    pub(super) decoding: Option<(Order, Step)>,
    pub(super) orders: u64,
    /// Of the rows that are shown.
    pub(super) generation: u64,
    /// The tour, where it is on.
    pub(super) tour: Option<Tour>,
    /// Something to be told once.
    pub(super) notice: Option<String>,
    /// How far the reader is.
    pub(super) progress: Progress,
    /// Why it went no further.
    pub(super) failure: Option<String>,
    /// The capture ends in the middle of a packet: behind the one of this number. Looked for
    /// once, when all is read.
    pub(super) cut_short: Option<u32>,
    looked_for_cut: bool,
    /// Whether a capture filter drops packets.
    pub(super) filtered: bool,
    /// What conversations are read as from the beginning.
    pub(super) decode_rules: Vec<Rule>,
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
            let_go: false,
            tree: Tree::default(),
            hex: Hex::default(),
            timeline: Timeline::default(),
            focus: Pane::List,
            zoomed: false,
            overlay: None,
            found: None,
            finding: None,
            searches: 0,
            decoding: None,
            tour: None,
            orders: 0,
            generation: 0,
            notice: None,
            progress: Progress::Read(None),
            failure: None,
            cut_short: None,
            looked_for_cut: false,
            filtered: false,
            decode_rules: Vec::new(),
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
        if index.is_ended() && !self.looked_for_cut {
            self.looked_for_cut = true;
            let mut all = index.findings().iter();
            if all.any(|(f, _)| f.finding.spec.code == CUT_SHORT) {
                let last = index.last_packet();
                self.cut_short = Some(last);
                self.notice = Some(match last {
                    0 => "the capture is cut short: it ends within its first packet".to_owned(),
                    n => format!("the capture is cut short: it ends behind packet {n} (f)"),
                });
            }
        }
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
                if f.beyond {
                    self.tell_beyond();
                } else {
                    self.arrive();
                }
            }
        }
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
        let tree = self.panes.tree;
        let extra = tree::extra(self, tree.width, tree.height);
        self.tree.layout(usize::from(tree.height).saturating_sub(1), extra);
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
