//! The pane of bytes: hex and ASCII, the selected field's bytes marked.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::base::Span;
use crate::tui::app::{App, Pane, scroll};
use crate::tui::canvas::Canvas;

/// Columns left of the bytes: a line, the offset, a space.
const LEFT: u16 = 7;

/// Columns for so many bytes a row.
pub(super) const fn width_for(bytes: u16) -> u16 {
    // Three each in hex, one in ASCII, a space between the two.
    LEFT + bytes * 3 + 1 + bytes
}

/// What is shown of which buffer.
#[derive(Debug)]
pub(super) struct Hex {
    /// Number of the buffer.
    pub(super) buffer: u16,
    /// The byte under the cursor.
    pub(super) cursor: u32,
    /// Bytes of the selected field.
    pub(super) marked: Option<Span>,
    /// The first row on the screen.
    pub(super) top: usize,
    /// Bytes a row.
    pub(super) per_row: u32,
}

impl Default for Hex {
    fn default() -> Self {
        Self { buffer: 0, cursor: 0, marked: None, top: 0, per_row: 16 }
    }
}

impl Hex {
    /// Marks a field, and shows the buffer that it lies in, of so many.
    pub(super) fn mark(&mut self, span: Option<Span>, buffers: usize) {
        self.marked = span;
        if let Some(s) = span {
            self.buffer = s.buffer.0;
            self.cursor = s.start;
        } else {
            self.cursor = 0;
        }
        if usize::from(self.buffer) >= buffers {
            self.buffer = 0;
        }
    }

    /// Shows the next buffer of so many.
    pub(super) fn next_buffer(&mut self, buffers: usize) {
        let next = usize::from(self.buffer) + 1;
        self.buffer = u16::try_from(if next < buffers { next } else { 0 }).unwrap_or(0);
        self.cursor = self.marked.filter(|s| s.buffer.0 == self.buffer).map_or(0, |s| s.start);
    }

    /// Chooses the bytes a row and scrolls the cursor into view.
    pub(super) fn layout(&mut self, area: Rect, len: u32) {
        self.per_row =
            [16, 8, 4, 2].into_iter().find(|n| width_for(*n) <= area.width).unwrap_or(1).into();
        self.cursor = self.cursor.min(len.saturating_sub(1));
        let rows = len.div_ceil(self.per_row) as usize;
        let height = usize::from(area.height).saturating_sub(1).max(1);
        self.top = scroll(self.top, (self.cursor / self.per_row) as usize, height, rows);
    }

    /// The byte at a place of the pane, if there may be one.
    pub(super) fn byte_at(&self, area: Rect, x: u16, y: u16) -> Option<u32> {
        let row = u32::from(y.checked_sub(area.y + 1)?) + u32::try_from(self.top).ok()?;
        let x = u32::from(x.checked_sub(area.x + LEFT)?);
        let column =
            if x < self.per_row * 3 { x / 3 } else { x.checked_sub(self.per_row * 3 + 1)? };
        (column < self.per_row).then(|| row * self.per_row + column)
    }

    fn is_marked(&self, byte: u32) -> bool {
        self.marked.is_some_and(|s| s.buffer.0 == self.buffer && s.start <= byte && byte < s.end())
    }
}

/// Draws the pane.
pub(super) fn draw(app: &App, buffer: &mut Buffer) {
    let focused = app.focus == Pane::Hex;
    let area = app.panes.hex;
    let theme = app.theme;
    let alone = area.width == app.panes.all.width;
    let mut c = Canvas::new(buffer, area);
    let hex = &app.hex;
    let Some(s) = app.current() else {
        c.title("Bytes", theme.title(focused), theme.quiet());
        return;
    };
    let Some(b) = s.buffers.get(usize::from(hex.buffer)) else {
        c.title("Bytes", theme.title(focused), theme.quiet());
        c.text(1, 1, "No bytes of its own:", theme.quiet());
        let (a, b) = (s.event.draft.start.packet, s.event.draft.end.packet);
        c.text(1, 2, &format!("it spans packets {a} to {b}."), theme.quiet());
        return;
    };
    let several = match s.buffers.len() {
        0 | 1 => String::new(),
        n => format!(" {}/{n}, b: next", hex.buffer + 1),
    };
    let shown = match b.bytes.len() {
        n if n < b.len as usize => format!(", {n} shown"),
        _ => String::new(),
    };
    let title = format!("{}, {} bytes{shown}{several}", b.label, b.len);
    c.title(&title, theme.title(focused), theme.quiet());
    let digits = if b.len > 0xffff { 6 } else { 4 };
    for y in 1..c.height() {
        if !alone {
            c.text(0, y, "│", theme.quiet());
        }
        let row = u32::try_from(hex.top).unwrap_or(u32::MAX).saturating_add(u32::from(y - 1));
        let first = row.saturating_mul(hex.per_row);
        if first >= b.len {
            continue;
        }
        c.text(if digits > 4 { 0 } else { 1 }, y, &format!("{first:0digits$x}"), theme.quiet());
        for i in 0..hex.per_row {
            let at = first.saturating_add(i);
            if at >= b.len {
                break;
            }
            byte(app, &mut c, y, i, at, b.bytes.get(at as usize).copied());
        }
    }
}

/// Draws one byte, in hex and in ASCII.
fn byte(app: &App, c: &mut Canvas<'_>, y: u16, i: u32, at: u32, value: Option<u8>) {
    let hex = &app.hex;
    let column = u16::try_from(i).unwrap_or(0);
    let x = LEFT + column * 3;
    let ascii = LEFT + u16::try_from(hex.per_row).unwrap_or(0) * 3 + 1 + column;
    let (two, one) = match value {
        Some(v) => {
            let shown = if (0x20..0x7f).contains(&v) { char::from(v) } else { '·' };
            (format!("{v:02x}"), shown.to_string())
        }
        None => ("..".to_owned(), " ".to_owned()),
    };
    let mut style = if hex.is_marked(at) { app.theme.marked() } else { Style::new() };
    if at == hex.cursor && app.focus == Pane::Hex {
        style = style.add_modifier(Modifier::UNDERLINED | Modifier::BOLD);
    }
    c.text(x, y, &two, style);
    // The gap between two marked bytes is marked too: one run, one block.
    if hex.is_marked(at) && hex.is_marked(at.saturating_add(1)) && i + 1 < hex.per_row {
        c.text(x + 2, y, " ", app.theme.marked());
    }
    c.text(ascii, y, &one, style);
}
