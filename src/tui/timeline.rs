//! The pane of time: a lane for each conversation and stream, messages as marks,
//! exchanges as bars.

use std::time::{Duration, Instant};

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::base::{CaptureTime, Side};
use crate::index::{Index, RowId};
use crate::tui::app::{App, Pane, scroll};
use crate::tui::canvas::{Canvas, width};
use crate::tui::lanes::{self, Drawn, Tick};
use crate::tui::opener::time;
use crate::tui::rows::{Filter, Item};
use crate::tui::scale::{View, marks};

/// Working it out again waits so many times as long as it took, where only more was
/// read.
const IDLE: u32 = 8;

/// What is seen of time.
#[derive(Debug, Default)]
pub(super) struct Timeline {
    /// `None`: all.
    view: Option<View>,
    /// The view as drawn.
    pub(super) shown: Option<View>,
    /// Time of the first packet.
    origin: CaptureTime,
    /// Lanes by conversation and stream.
    order: Vec<u32>,
    top: usize,
    /// Lanes on the screen.
    pub(super) drawn: Vec<Drawn>,
    /// Columns of the labels.
    pub(super) labels: u16,
    /// Columns of time.
    pub(super) width: u16,
    cursor: Option<CaptureTime>,
    selected_lane: Option<usize>,
    following: bool,
    /// There are more lanes than the index keeps.
    more: bool,
    /// What it was worked out for, when that was, and how long it took.
    made: Option<(Made, Instant, Duration)>,
    /// More has been read since.
    pub(super) stale: bool,
    /// Packets and rows that there were.
    rows: (usize, usize),
}

/// What a picture of the timeline depends on, besides how much has been read.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Made {
    area: Rect,
    view: Option<View>,
    selected: Option<Item>,
    filter: Filter,
    top: usize,
    generation: u64,
    ended: bool,
}

impl Timeline {
    /// The selection has moved: it is scrolled into view.
    pub(super) const fn follow(&mut self) {
        self.following = true;
    }

    /// Exchanges that name the lanes on the screen.
    pub(super) fn named(&self) -> impl Iterator<Item = Item> + '_ {
        self.drawn.iter().filter_map(|d| d.name.map(Item::Row))
    }

    /// Lanes were replaced: they are put in order anew.
    pub(super) fn forget(&mut self) {
        self.made = None;
        self.order.clear();
        self.drawn.clear();
        self.follow();
    }

    /// Whether a part of time is shown.
    pub(super) const fn is_zoomed(&self) -> bool {
        self.view.is_some()
    }

    /// Shows all of it.
    pub(super) const fn fit(&mut self) {
        self.view = None;
    }

    /// Shows a `by/of` of the time that is shown, about the cursor, or about a
    /// column.
    pub(super) fn zoom(&mut self, by: u64, of: u64, column: Option<u16>) {
        let Some(v) = self.shown else { return };
        let middle = || v.moment(i64::from(self.width / 2), self.width);
        let visible =
            |t: &CaptureTime| (0..i64::from(self.width)).contains(&v.column(*t, self.width));
        let anchor = match column {
            Some(c) => v.moment(i64::from(c), self.width),
            None => self.cursor.filter(visible).unwrap_or_else(middle),
        };
        self.view = Some(v.zoomed(anchor, by, of, self.width));
    }

    /// Shows what is so many columns later.
    pub(super) fn pan(&mut self, columns: i64) {
        if let Some(v) = self.shown {
            self.view = Some(v.panned(columns, self.width));
        }
    }

    /// Scrolls by lanes.
    pub(super) fn scroll(&mut self, by: isize) {
        self.top = self.top.saturating_add_signed(by);
    }

    /// Works out what is to be drawn.
    pub(super) fn layout(
        &mut self,
        area: Rect,
        index: &Index,
        selected: Option<Item>,
        filter: Filter,
    ) {
        let made = |t: &Self| Made {
            area,
            view: t.view,
            selected,
            filter,
            top: t.top,
            generation: index.generation(),
            ended: index.is_ended(),
        };
        let rows = (index.packet_count(), index.len() + index.again().len());
        let begun = Instant::now();
        // While a capture is read, a small part of the time goes into this: a key is
        // not kept waiting for what it did not change.
        if let Some((before, at, took)) = self.made
            && before == made(self)
            && !self.following
        {
            self.stale = self.rows != rows;
            if !self.stale || begun.duration_since(at) < took * IDLE {
                return;
            }
        }
        self.work_out(area, index, selected, filter);
        (self.rows, self.stale) = (rows, false);
        let now = Instant::now();
        self.made = Some((made(self), now, now.duration_since(begun)));
    }

    fn work_out(&mut self, area: Rect, index: &Index, selected: Option<Item>, filter: Filter) {
        self.drawn.clear();
        self.shown = None;
        let Some((first, last)) = index.times() else { return };
        if area.height < 2 || area.width < 8 {
            return;
        }
        self.origin = first;
        self.labels = match area.width {
            0..40 => 0,
            40..100 => 18,
            _ => (area.width / 5).min(44),
        };
        self.width = area.width - self.labels;
        let all = View::all(first, last);
        // Zooming out ends with the whole.
        if self.view.is_some_and(|v| v.span >= all.span) {
            self.view = None;
        }
        self.cursor = selected.map(|i| time(index, i));
        if let (Some(v), Some(t), true) = (self.view, self.cursor, self.following) {
            let column = v.column(t, self.width);
            if !(0..i64::from(self.width)).contains(&column) {
                self.view =
                    Some(v.panned(column.saturating_sub(i64::from(self.width / 2)), self.width));
            }
        }
        let view = *self.shown.insert(self.view.unwrap_or(all));
        let lanes = index.lanes();
        self.more = index.has_more_lanes();
        if self.order.len() != lanes.len() {
            // What is there is in order: the new ones are sorted and merged.
            let from = u32::try_from(self.order.len()).unwrap_or(u32::MAX);
            self.order.extend(from..u32::try_from(lanes.len()).unwrap_or(u32::MAX));
            let key = |i: &u32| lanes.get(*i as usize).map(|l| (l.conversation, l.stream));
            self.order.sort_by_key(key);
        }
        let of = |i: &u32| lanes.get(*i as usize).map(|l| (l.conversation, l.stream));
        let home = selected.and_then(|i| home(index, i));
        self.selected_lane = home.map(|h| {
            let at = self.order.partition_point(|i| of(i) < Some(h));
            at.min(self.order.len().saturating_sub(1))
        });
        let height = usize::from(area.height).saturating_sub(2).max(1);
        if let (true, Some(at)) = (self.following, self.selected_lane) {
            self.top = scroll(self.top, at, height, self.order.len());
        }
        self.following = false;
        self.top = self.top.min(self.order.len().saturating_sub(height));
        let edges = lanes::edges(index, view, self.width);
        let row = selected.and_then(|i| match i {
            Item::Row(r) => Some(r),
            Item::Packet(_) => None,
        });
        for i in self.order.iter().skip(self.top).take(height) {
            if let Some(lane) = lanes.get(*i as usize) {
                self.drawn.push(lanes::on_screen(
                    index,
                    *i,
                    lane,
                    view,
                    self.width,
                    filter,
                    (self.labels >= 30, row, &edges),
                ));
            }
        }
    }

    /// The event at a place of the pane, and the column of time.
    pub(super) fn hit(&self, area: Rect, x: u16, y: u16) -> (Option<Item>, Option<u16>) {
        let column = x.checked_sub(area.x + self.labels).filter(|c| *c < self.width);
        let lane = y.checked_sub(area.y + 2).and_then(|l| self.drawn.get(usize::from(l)));
        let (Some(lane), Some(c)) = (lane, column) else { return (None, column) };
        let near = |t: &&Tick| t.column.abs_diff(c) <= 1;
        let wide = i64::from(c);
        let end = lane.bars.iter().rev().find(|b| b.from == wide || b.to == wide);
        let tick = lane.ticks.iter().filter(near).min_by_key(|t| (t.column.abs_diff(c), t.frame));
        let over = lane.bars.iter().rev().find(|b| b.from <= wide && wide <= b.to);
        let exact = tick.filter(|t| t.column == c);
        let row = exact
            .map(|t| t.row)
            .or(end.map(|b| b.row))
            .or(tick.map(|t| t.row))
            .or(over.map(|b| b.row));
        (row.map(Item::Row), Some(c))
    }

    /// The event of the same lane before or behind the selected one; or that of
    /// the lane above or below which is nearest in time.
    pub(super) fn neighbour(
        &self,
        index: &Index,
        from: Item,
        filter: Filter,
        by: (i32, i32),
    ) -> Option<Item> {
        let at = self.selected_lane?;
        let lane = |at: usize| self.order.get(at).and_then(|i| index.lanes().get(*i as usize));
        let shown = |r: &&u32| index.row(RowId(**r)).is_some_and(|r| filter.has(r.level()));
        let (right, down) = by;
        let row = if down == 0 {
            let Item::Row(RowId(row)) = from else { return None };
            let rows = &lane(at)?.rows;
            let place = rows.partition_point(|r| *r < row);
            if right > 0 {
                rows.range(place + 1..rows.len()).find(shown)
            } else {
                rows.range(0..place).rev().find(shown)
            }
        } else {
            let rows = &lane(at.checked_add_signed(down as isize)?)?.rows;
            let now = time(index, from);
            let place = rows.partition_point(|r| time(index, Item::Row(RowId(*r))) < now);
            let behind = rows.range(place..rows.len()).find(shown);
            behind.or_else(|| rows.range(0..place).rev().find(shown))
        };
        row.map(|r| Item::Row(RowId(*r)))
    }
}

/// The lane of an item.
fn home(index: &Index, item: Item) -> Option<(u32, Option<u32>)> {
    match item {
        Item::Row(r) => index.row(r).map(|r| (r.conversation, r.stream().filter(|s| *s != 0))),
        Item::Packet(p) => {
            let c = index.packet(crate::base::PacketId(u64::from(p)))?.conversation;
            Some((c.checked_sub(1)?, None))
        }
    }
}

/// Draws the pane.
pub(super) fn draw(app: &App, buffer: &mut Buffer) {
    let focused = app.focus == Pane::Timeline;
    let area = app.panes.timeline;
    let theme = app.theme;
    let mut c = Canvas::new(buffer, area);
    let t = &app.timeline;
    let Some(view) = t.shown else {
        c.title("Timeline", theme.title(focused), theme.quiet());
        return;
    };
    let zoomed = if t.view.is_some() { ", 0: all" } else { "" };
    let span = crate::base::time::human(view.span.saturating_sub(1));
    c.title(&format!("Timeline, {span}{zoomed}"), theme.title(focused), theme.quiet());
    let start = t.labels;
    for x in start..c.width() {
        c.text(x, 1, "─", theme.quiet());
    }
    for (column, label) in marks(view, t.width, t.origin) {
        let x = start + column;
        if x + width(&label) < c.width() {
            let end = c.text(x, 1, "┬", theme.quiet());
            c.text(end, 1, &label, Style::new());
        } else {
            c.text(x, 1, "┬", theme.quiet());
        }
    }
    if let Some(column) = t.cursor.and_then(|x| on_screen(view.column(x, t.width), t.width)) {
        c.text(start + column, 1, "▼", theme.notice());
    }
    let lanes = app.timeline.order.len();
    let hidden = lanes.saturating_sub(t.top + t.drawn.len());
    let more = if t.more { "+" } else { "" };
    if t.labels > 8 {
        let text = match (t.top, hidden) {
            (0, 0) if lanes == 1 => "1 lane".to_owned(),
            (0, 0) => format!("{lanes}{more} lanes"),
            (above, below) => format!("{lanes}{more} lanes, ↑{above} ↓{below}"),
        };
        c.clipped(0, 1, &text, t.labels - 1, theme.quiet());
    }
    for (y, lane) in (2_u16..).zip(&t.drawn) {
        draw_one(app, &mut c, y, lane);
    }
}

fn on_screen(column: i64, width: u16) -> Option<u16> {
    u16::try_from(column).ok().filter(|c| *c < width)
}

fn draw_one(app: &App, c: &mut Canvas<'_>, y: u16, lane: &Drawn) {
    let t = &app.timeline;
    let theme = app.theme;
    let style = theme.protocol(lane.protocol);
    let at = t.selected_lane.and_then(|at| t.order.get(at)).copied();
    if t.labels > 1 {
        let mut label = lane.label.clone();
        if let Some(line) = lane.name.and_then(|r| app.lines.get(&Item::Row(r))) {
            label = format!("{label} {}", short(&line.summary));
        }
        let bold = if at == Some(lane.lane) {
            Style::new().add_modifier(Modifier::BOLD)
        } else {
            theme.quiet()
        };
        c.clipped(0, y, &label, t.labels - 1, bold);
    }
    let start = t.labels;
    let last = t.width.saturating_sub(1);
    let clip = |column: i64| u16::try_from(column.clamp(0, i64::from(last))).unwrap_or(0);
    for b in &lane.bars {
        let style = if b.thin { theme.quiet() } else { style };
        let (from, to) = (clip(b.from), clip(b.to));
        for column in from..=to {
            c.text(start + column, y, if b.thin { "─" } else { "━" }, style);
        }
    }
    for tick in &lane.ticks {
        let sign = match (tick.frame, tick.sender, tick.both) {
            (true, ..) => "·",
            (_, _, true) => "↕",
            (_, Some(Side::Client), _) => "↑",
            (_, Some(Side::Server), _) => "↓",
            _ => "│",
        };
        c.text(start + tick.column, y, sign, style.add_modifier(Modifier::BOLD));
    }
    // Ends lie above everything: a bar is where its times are.
    for b in &lane.bars {
        let style = if b.thin { theme.quiet() } else { style.add_modifier(Modifier::BOLD) };
        if b.from == b.to {
            if let Some(column) = on_screen(b.from, t.width) {
                c.text(start + column, y, if b.thin { "┼" } else { "◆" }, style);
            }
            continue;
        }
        if let Some(column) = on_screen(b.from, t.width) {
            c.text(start + column, y, if b.thin { "├" } else { "┣" }, style);
        }
        if let Some(column) = on_screen(b.to, t.width) {
            let end = match (b.thin, b.complete) {
                (_, false) => "╌",
                (true, _) => "┤",
                (false, _) => "┫",
            };
            c.text(start + column, y, end, style);
        }
    }
    let selected = |row: RowId| app.selected == Some(Item::Row(row));
    if let Some(b) = lane.bars.iter().find(|b| selected(b.row)) {
        let (from, to) = (clip(b.from), clip(b.to));
        c.style(start + from, y, to - from + 1, theme.marked());
    }
    if let Some(tick) = lane.ticks.iter().find(|t| selected(t.row)) {
        c.style(start + tick.column, y, 1, theme.marked());
    }
}

/// What a call is called: `user.UserService/GetUser → OK, …` is `GetUser`.
fn short(summary: &str) -> &str {
    let head = summary.split(" → ").next().unwrap_or(summary);
    head.rsplit('/').next().filter(|s| !s.is_empty()).unwrap_or(head)
}
