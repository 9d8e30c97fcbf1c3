//! A part of the screen that can be written to: cleans what comes from the
//! wire, and never writes outside, whatever the size.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

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

/// A text in several styles.
pub(super) type Parts = Vec<(String, Style)>;

/// Breaks a text into lines of `width` columns, behind words where that can be: the first line
/// from column `first` on, the others from `hang`. Of more than `most` lines the last has all
/// the rest.
pub(super) fn folded(parts: &Parts, first: u16, hang: u16, width: u16, most: usize) -> Vec<Parts> {
    let (width, hang) = (usize::from(width), usize::from(hang.min(width / 2)));
    let mut lines: Vec<Parts> = vec![Parts::new()];
    let mut x = usize::from(first);
    // `wide` columns must fit; the blank behind a word may lie outside.
    let mut add = |piece: &str, wide: usize, all: usize, style: Style| {
        let begun = lines.last().is_some_and(|l| !l.is_empty());
        if x + wide > width && begun && lines.len() < most {
            lines.push(Parts::new());
            x = hang;
        }
        x += all;
        if let Some(line) = lines.last_mut() {
            match line.last_mut().filter(|l| l.1 == style) {
                Some(last) => last.0.push_str(piece),
                None => line.push((piece.to_owned(), style)),
            }
        }
    };
    for (text, style) in parts {
        for word in clean(text).split_inclusive(' ') {
            let (wide, all) = (word.trim_end().width(), word.width());
            if wide + hang <= width {
                add(word, wide, all, *style);
                continue;
            }
            for c in word.chars() {
                let wide = c.width().unwrap_or(0);
                add(c.encode_utf8(&mut [0; 4]), wide, wide, *style);
            }
        }
    }
    // A blank at the end of a line would be one column too many.
    for (last, _) in lines.iter_mut().filter_map(|l| l.last_mut()) {
        last.truncate(last.trim_end().len());
    }
    lines
}

/// Columns that a text takes once it is clean.
pub(super) fn width(text: &str) -> u16 {
    u16::try_from(clean(text).width()).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str, first: u16, hang: u16, width: u16, most: usize) -> Vec<String> {
        let parts = vec![(text.to_owned(), Style::new())];
        let all = folded(&parts, first, hang, width, most).into_iter();
        all.map(|l| l.into_iter().map(|p| p.0).collect()).collect()
    }

    #[test]
    fn lines_are_broken_behind_words() {
        assert_eq!(lines("one two three", 0, 0, 7, 9), ["one two", "three"]);
        assert_eq!(lines("one two three", 4, 2, 7, 9), ["one", "two", "three"]);
        assert_eq!(lines("one two three", 0, 0, 13, 9), ["one two three"]);
        // A word that is too long is broken, wide characters never are.
        assert_eq!(lines("abcdefgh", 0, 0, 3, 9), ["abc", "def", "gh"]);
        assert_eq!(lines("世界世界", 0, 0, 5, 9), ["世界", "世界"]);
        // The last line has what is left; the canvas clips it.
        assert_eq!(lines("one two three", 0, 0, 4, 2), ["one", "two three"]);
        assert_eq!(lines("", 0, 0, 4, 2), [""]);
        // What could harm the terminal is escaped before it is measured.
        assert_eq!(lines("a\x1bb", 0, 0, 5, 2), ["a\\x1b", "b"]);
        for width in 0..9 {
            for hang in 0..9 {
                assert!(!lines("one 世 twothree", 1, hang, width, 3).is_empty());
            }
        }
    }
}
