//! What lies above the panes: help and findings.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::engine::DecodeAs;
use crate::index::{Index, RowId};
use crate::tui::app::{App, scroll};
use crate::tui::canvas::Canvas;
use crate::tui::theme::mark;

/// All keys. Drawn as they stand.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("Tab, Shift-Tab", "next, previous pane"),
    ("↑ ↓ or k j", "move"),
    ("PgUp PgDn, Home End or g G", "move far"),
    ("Enter", "from an event to its fields"),
    ("G or End", "follow what comes, until you move"),
    ("z", "this pane alone, and back"),
    ("1 2 3 4", "show packets, frames, messages, exchanges"),
    ("v", "other levels together"),
    ("/ then n N", "search; next, previous hit (Esc stops)"),
    ("/no user   /\"a == b\"", "text: what is no filter, or stands in quotes"),
    ("/grpc.status_code != 0", "a filter, the language of -Y (docs/FILTERS.md):"),
    ("/payload contains \"x\"", "any field of the tree by its name,"),
    ("/length > 99 and websocket", "== != < <= > >= contains in and or not ( )"),
    ("f", "findings; Enter goes there"),
    ("d", "read the conversation as another protocol"),
    ("", ""),
    ("Fields:", ""),
    ("Enter or Space, ← →", "fold and unfold"),
    ("b", "the next buffer: as sent, unmasked, inflated …"),
    ("Bytes:", ""),
    ("← → ↑ ↓", "move; the field of that byte is selected"),
    ("Timeline:", ""),
    ("← →", "previous, next event of the lane"),
    ("↑ ↓", "another lane"),
    ("+ - 0", "closer, further, all (in any pane)"),
    ("h l or Shift-← →", "earlier, later"),
    ("↑ ↓ ↕", "a message of client, server, both"),
    ("·", "a frame"),
    ("┣━━┫ ◆", "an exchange, from its first byte to its last"),
    ("├──┤ ┼", "the connection"),
    ("", ""),
    ("t", "on the tour: hides and shows what to try next"),
    ("Mouse", "click selects, wheel moves or zooms, drag pans"),
    ("? or Esc, q", "close this; quit"),
];

fn popup<'a>(
    app: &App,
    buffer: &'a mut Buffer,
    columns: u16,
    lines: usize,
    title: &str,
) -> Canvas<'a> {
    let all = app.panes.all;
    // What is left at the sides must be worth it.
    let width = if columns + 8 > all.width { all.width } else { columns };
    let height = u16::try_from(lines + 2).unwrap_or(u16::MAX).min(all.height);
    let area = Rect {
        x: all.x + (all.width - width) / 2,
        y: all.y + (all.height - height) / 2,
        width,
        height,
    };
    let mut c = Canvas::new(buffer, area);
    c.clear();
    let (w, h) = (c.width(), c.height());
    for y in 0..h {
        c.text(0, y, "│", app.theme.quiet());
        c.text(w.saturating_sub(1), y, "│", app.theme.quiet());
    }
    for x in 0..w {
        c.text(x, h.saturating_sub(1), "─", app.theme.quiet());
    }
    c.title(title, app.theme.title(true), app.theme.quiet());
    c
}

/// Draws the keys from line `top` on.
pub(super) fn draw(app: &App, buffer: &mut Buffer, top: u16) {
    let mut c = popup(app, buffer, 78, KEYS.len(), "Help");
    let height = usize::from(c.height()).saturating_sub(2);
    let top = usize::from(top).min(KEYS.len().saturating_sub(height));
    let bold = Style::new().add_modifier(Modifier::BOLD);
    for (y, (keys, what)) in (1..).zip(KEYS.iter().skip(top).take(height)) {
        c.text(2, y, keys, bold);
        let end = c.width().saturating_sub(31);
        c.clipped(30, y, what, end, Style::new());
    }
}

/// Draws what the conversation can be read as, one of them selected.
pub(super) fn decode(app: &App, index: &Index, buffer: &mut Buffer, at: usize) {
    let Some(conversation) = app.conversation(index) else { return };
    let now = index.read_as(conversation);
    let all: Vec<DecodeAs> = DecodeAs::all().collect();
    let title = format!("Read conversation #{conversation} as");
    let mut c = popup(app, buffer, 48, all.len(), &title);
    let height = usize::from(c.height()).saturating_sub(2);
    let width = c.width().saturating_sub(2);
    let top = scroll(at.saturating_sub(height / 2), at, height.max(1), all.len());
    for (y, (i, read)) in (1_u16..).zip(all.iter().enumerate().skip(top).take(height)) {
        let mark = if now == Some(*read) { "•" } else { " " };
        let text = format!("{mark} {:<10} {}", read.name(), read.label());
        c.clipped(1, y, &text, width, Style::new());
        if i == at {
            c.style(1, y, width, app.theme.selected(true));
        }
    }
}

/// Draws the findings, one of them selected.
pub(super) fn findings(app: &App, index: &Index, buffer: &mut Buffer, at: usize) {
    let all = index.findings();
    let lines = all.len().max(1);
    let more = match index.findings_left_out() {
        0 => String::new(),
        n => format!(", {n} more are not listed: check counts all"),
    };
    let title = format!("Findings, {} of {}{more}", (at + 1).min(all.len()), all.len());
    let mut c = popup(app, buffer, app.panes.all.width.saturating_sub(4).max(40), lines, &title);
    let height = usize::from(c.height()).saturating_sub(2);
    let width = c.width().saturating_sub(2);
    if all.is_empty() {
        c.clipped(2, 1, "Nothing is wrong or odd.", width, app.theme.quiet());
    }
    let top = scroll(at.saturating_sub(height / 2), at, height.max(1), all.len());
    for (y, (i, (f, row))) in (1_u16..).zip((top..).zip(all.range(top..top + height))) {
        let spec = f.finding.spec;
        let style = app.theme.severity(spec.severity);
        let place = match row {
            Some(r) => format!("event {}", index.number(RowId(*r))),
            None => format!("packet {}", f.at.packet),
        };
        let particular = f.finding.detail.as_deref().map(|d| format!(" {d}")).unwrap_or_default();
        let text = format!(
            "{} {} ({place}): {}{particular}",
            mark(spec.severity),
            spec.code,
            spec.meaning
        );
        c.clipped(1, y, &text, width, style);
        if i == at {
            c.style(1, y, width, app.theme.selected(true));
        }
    }
}
