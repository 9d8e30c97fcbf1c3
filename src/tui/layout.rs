//! Which part of the screen belongs to which pane.

use ratatui::layout::Rect;

use crate::tui::app::Pane;
use crate::tui::hex;

/// Below this, list and timeline alone are shown; the others come with `z`.
const NARROW: u16 = 60;

/// Where panes are; one that is not there has no height.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Panes {
    /// The list.
    pub(super) list: Rect,
    /// The tree.
    pub(super) tree: Rect,
    /// The bytes.
    pub(super) hex: Rect,
    /// The timeline.
    pub(super) timeline: Rect,
    /// The last lines.
    pub(super) status: Rect,
    /// What the tour says, at the foot.
    pub(super) tour: Rect,
    /// All of it.
    pub(super) all: Rect,
}

impl Panes {
    /// For a screen and so many lanes; with `alone`, one pane has all of it; with
    /// `guided`, the last line is the tour's.
    pub(super) fn new(area: Rect, alone: Option<Pane>, lanes: usize, guided: bool) -> Self {
        let mut p = Self { all: area, ..Self::default() };
        let foot = u16::from(guided && area.height >= 10);
        let (area, tour) = cut(area, area.height - foot);
        p.tour = tour;
        let status = match area.height {
            0..3 => 0,
            3..18 => 1,
            _ => 2,
        };
        let (main, rest) = cut(area, area.height - status);
        p.status = rest;
        match alone {
            Some(Pane::List) => p.list = main,
            Some(Pane::Tree) => p.tree = main,
            Some(Pane::Hex) => p.hex = main,
            Some(Pane::Timeline) => p.timeline = main,
            None => p.share(main, lanes),
        }
        p
    }

    fn share(&mut self, main: Rect, lanes: usize) {
        let h = main.height;
        // Title and two lanes at least, an axis; more on a large screen.
        let timeline = match h {
            0..12 => 0,
            12..17 => 4,
            17..30 => 6,
            _ => h / 4,
        };
        // No more than there is to show: the title, the axis, a line a lane.
        let timeline = timeline.min(u16::try_from(lanes.max(1) + 2).unwrap_or(u16::MAX));
        let (upper, time) = cut(main, h - timeline);
        self.timeline = time;
        if upper.height < 7 {
            self.list = upper;
            return;
        }
        let (list, middle) = cut(upper, upper.height * 9 / 20);
        self.list = list;
        let bytes = match main.width {
            0..NARROW => 0,
            NARROW..110 => hex::width_for(8),
            _ => hex::width_for(16),
        };
        let left = main.width - bytes.min(main.width);
        self.tree = Rect { width: left, ..middle };
        self.hex = Rect { x: middle.x + left, width: middle.width - left, ..middle };
        if bytes == 0 {
            self.hex = Rect::default();
        }
    }

    /// Where a pane is, if it is shown.
    pub(super) fn get(&self, pane: Pane) -> Option<Rect> {
        let r = match pane {
            Pane::List => self.list,
            Pane::Tree => self.tree,
            Pane::Hex => self.hex,
            Pane::Timeline => self.timeline,
        };
        (r.height > 0 && r.width > 0).then_some(r)
    }

    /// The pane at a place of the screen.
    pub(super) fn at(&self, x: u16, y: u16) -> Option<Pane> {
        Pane::ALL.into_iter().find(|p| self.get(*p).is_some_and(|r| r.contains((x, y).into())))
    }
}

/// The first `height` lines, and the rest.
fn cut(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    let rest = Rect { y: area.y + height, height: area.height - height, ..area };
    (Rect { height, ..area }, rest)
}
