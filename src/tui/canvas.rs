//! A part of the screen that can be written to: cleans what comes from the
//! wire, and never writes outside, whatever the size.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::UnicodeWidthStr;

use crate::view::clean::clean;

/// See the module. Coordinates count from its own corner.
pub(super) struct Canvas<'a> {
    buffer: &'a mut Buffer,
    area: Rect,
}

impl<'a> Canvas<'a> {
    /// The part of `buffer` that is in `area`.
    pub(super) fn new(buffer: &'a mut Buffer, area: Rect) -> Self {
        let area = area.intersection(buffer.area);
        Self { buffer, area }
    }

    /// Columns.
    pub(super) const fn width(&self) -> u16 {
        self.area.width
    }

    /// Lines.
    pub(super) const fn height(&self) -> u16 {
        self.area.height
    }

    /// Writes text; gives the column behind it.
    pub(super) fn text(&mut self, x: u16, y: u16, text: &str, style: Style) -> u16 {
        self.clipped(x, y, text, u16::MAX, style)
    }

    /// Writes text in `width` columns at most; gives the column behind it. What
    /// does not fit ends in `…`.
    pub(super) fn clipped(&mut self, x: u16, y: u16, text: &str, width: u16, style: Style) -> u16 {
        if x >= self.area.width || y >= self.area.height {
            return x;
        }
        let room = width.min(self.area.width - x);
        // Wider text than this is not seen whatever its characters are.
        let head: String = text.chars().take(usize::from(room).saturating_mul(2) + 2).collect();
        let head = clean(&head);
        let (left, top) = (self.area.x + x, self.area.y + y);
        if head.width() <= usize::from(room) {
            return self.buffer.set_stringn(left, top, &head, usize::from(room), style).0
                - self.area.x;
        }
        if room == 0 {
            return x;
        }
        let end = self.buffer.set_stringn(left, top, &head, usize::from(room) - 1, style).0;
        self.buffer.set_stringn(end, top, "…", 1, style).0 - self.area.x
    }

    /// Gives a line another style from column `x` on.
    pub(super) fn style(&mut self, x: u16, y: u16, width: u16, style: Style) {
        if x < self.area.width && y < self.area.height {
            let width = width.min(self.area.width - x);
            self.buffer.set_style(
                Rect { x: self.area.x + x, y: self.area.y + y, width, height: 1 },
                style,
            );
        }
    }

    /// Empties the whole.
    pub(super) fn clear(&mut self) {
        let area = self.area;
        for y in area.top()..area.bottom() {
            for x in area.left()..area.right() {
                if let Some(cell) = self.buffer.cell_mut((x, y)) {
                    cell.reset();
                }
            }
        }
    }

    /// A title line across the top: `─ title ────`.
    pub(super) fn title(&mut self, title: &str, style: Style, rule: Style) {
        let width = self.width();
        for x in 0..width {
            self.text(x, 0, "─", rule);
        }
        if width > 4 {
            self.clipped(1, 0, &format!(" {title} "), width - 2, style);
        }
    }
}

/// Columns that a text takes once it is clean.
pub(super) fn width(text: &str) -> u16 {
    u16::try_from(clean(text).width()).unwrap_or(u16::MAX)
}
