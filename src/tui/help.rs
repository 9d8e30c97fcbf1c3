//! What lies above the panes: help and findings.

use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::{Modifier, Style};

use crate::base::CaptureTime;
use crate::engine::DecodeAs;
use crate::finding::Severity;
use crate::index::{Index, RowId};
use crate::tui::app::{App, scroll};
use crate::tui::canvas::{Canvas, folded};
use crate::tui::theme::mark;

/// All keys, and what the signs mean. Drawn as they stand; what has no explanation is a
/// heading.
pub(super) const KEYS: &[(&str, &str)] = &[
    ("Tab, Shift-Tab", "next, previous pane"),
    ("↑ ↓ or k j", "move"),
    ("PgUp PgDn, Home End or g G", "move far"),
    ("Enter", "from an event to its fields"),
    ("G or End", "follow what comes, until you move"),
    ("z", "this pane alone, and back"),
    ("1 2 3 4", "packets, frames, messages, exchanges: on and off"),
    ("v", "the next set of levels: frames, exchanges, …"),
    ("/ then n N", "search; next, previous hit (Esc stops)"),
    ("/no user   /\"a == b\"", "text: what is no filter, or stands in quotes"),
    ("/grpc.status_code != 0", "a filter, the language of -Y (docs/FILTERS.md):"),
    ("/payload contains \"x\"", "any field of the tree by its name,"),
    ("/length > 99 and websocket", "== != < <= > >= contains in and or not ( )"),
    ("f", "findings, the worst first; Enter goes there"),
    ("d", "read the conversation as another protocol"),
    ("t", "on the tour: hides and shows what to try next"),
    ("Mouse", "click selects, wheel moves or zooms, drag pans"),
    ("? or Esc, q", "close this; quit"),
    ("", ""),
    ("In the list:", ""),
    ("✗ ! i", "the event has a finding: error, warning, note"),
    ("#2   #2/7", "conversation 2; its HTTP/2 stream 7"),
    ("→ ← ↔", "of the client, of the server, of both"),
    ("incomplete", "not all of it came, or was captured"),
    ("inferred", "worked out: what proves it was not captured"),
    ("", ""),
    ("Keys in the fields:", ""),
    ("Enter or Space, ← →", "fold and unfold"),
    ("b", "the next buffer: as sent, unmasked, inflated …"),
    ("Keys in the bytes:", ""),
    ("← → ↑ ↓", "move; the field of that byte is selected"),
    ("Keys in the timeline:", ""),
    ("← →", "previous, next event of the lane"),
    ("↑ ↓", "another lane"),
    ("+ - 0", "closer, further, all (in any pane)"),
    ("h l or Shift-← →", "earlier, later"),
    ("", ""),
    ("Signs in the timeline:", ""),
    ("15 lanes, ↑0 ↓8", "so many lanes are hidden above and below"),
    ("▼", "the time of what is selected"),
    ("↑ ↓ ↕", "a message of client, server, both"),
    ("·", "a frame"),
    ("┣━━┫ ◆", "an exchange, from its first byte to its last"),
    ("┣━━╌", "one whose end was not seen"),
    ("├──┤ ┼", "the connection"),
];

/// Columns by which the second line of a finding stands in.
const HANG: u16 = 2;

/// What is left at the sides must be worth it.
const fn popup_width(app: &App, columns: u16) -> u16 {
    let all = app.panes.all.width;
    if columns + 8 > all { all } else { columns }
}

fn popup<'a>(
    app: &App,
    buffer: &'a mut Buffer,
    columns: u16,
    lines: usize,
    title: &str,
) -> Canvas<'a> {
    let all = app.panes.all;
    let width = popup_width(app, columns);
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
    let height = KEYS.len().min(usize::from(app.panes.all.height).saturating_sub(2));
    let top = usize::from(top).min(KEYS.len().saturating_sub(height));
    let title = match KEYS.len() - height {
        0 => "Help".to_owned(),
        last => {
            let (up, down) = (if top > 0 { "↑" } else { "" }, if top < last { "↓" } else { "" });
            format!(
                "Help, lines {}–{} of {}, {up}{down} for more",
                top + 1,
                top + height,
                KEYS.len()
            )
        }
    };
    let mut c = popup(app, buffer, 86, KEYS.len(), &title);
    let bold = Style::new().add_modifier(Modifier::BOLD);
    for (y, (keys, what)) in (1..).zip(KEYS.iter().skip(top).take(height)) {
        let heading = what.is_empty();
        c.text(2, y, keys, if heading { app.theme.quiet() } else { bold });
        let end = c.width().saturating_sub(31);
        c.clipped(30, y, what, end, Style::new());
    }
}

/// Draws what the conversation can be read as, one of them selected.
pub(super) fn decode(app: &App, index: &Index, buffer: &mut Buffer, at: usize) {
    let Some(conversation) = app.conversation(index) else { return };
    let now = app.in_force(index, conversation);
    let found = index.conversations().get(conversation.0.saturating_sub(1) as usize);
    let found = found.map_or(String::new(), |c| c.info.protocols.join(", "));
    let all: Vec<DecodeAs> = DecodeAs::all().collect();
    let title = format!("Read conversation #{conversation} as (• in force)");
    let mut c = popup(app, buffer, 72, all.len(), &title);
    let height = usize::from(c.height()).saturating_sub(2);
    let width = c.width().saturating_sub(2);
    let top = scroll(at.saturating_sub(height / 2), at, height.max(1), all.len());
    for (y, (i, read)) in (1_u16..).zip(all.iter().enumerate().skip(top).take(height)) {
        let mark = if now == *read { "•" } else { " " };
        let mut text = format!("{mark} {:<10} {}", read.name(), read.label());
        if now == DecodeAs::Found && *read == now && !found.is_empty() {
            text.push_str(&format!(": {found}"));
        }
        c.clipped(1, y, &text, width, Style::new());
        if i == at {
            c.style(1, y, width, app.theme.selected(true));
        }
    }
}

/// The numbers of the findings in the order in which they are listed: the worst first, and
/// those alike by time.
pub(super) fn by_severity(index: &Index) -> Vec<usize> {
    let all = index.findings();
    let mut order = Vec::with_capacity(all.len());
    for severity in [Severity::Error, Severity::Warning, Severity::Note] {
        let same = all.iter().enumerate();
        let same = same.filter(|(_, f)| f.0.finding.spec.severity == severity);
        let mut same: Vec<(CaptureTime, usize)> = same.map(|(i, f)| (f.0.at.time, i)).collect();
        // They nearly are in order.
        same.sort();
        order.extend(same.into_iter().map(|(_, i)| i));
    }
    order
}

/// Draws the findings, that of number `selected` whole.
pub(super) fn findings(app: &App, index: &Index, buffer: &mut Buffer, selected: usize) {
    let all = index.findings();
    let order = by_severity(index);
    let at = order.iter().position(|i| *i == selected).unwrap_or(0);
    let more = match index.findings_left_out() {
        0 => String::new(),
        n => format!(", {n} more are not listed: check counts all"),
    };
    let title = format!("Findings, {} of {}{more}", (at + 1).min(all.len()), all.len());
    let columns = app.panes.all.width.saturating_sub(4).max(40);
    let room = popup_width(app, columns).saturating_sub(3);
    let line = |i: usize| {
        let (f, row) = all.get(i)?;
        let spec = f.finding.spec;
        let place = match row {
            Some(r) => format!("event {}", index.number(RowId(*r))),
            None => format!("packet {}", f.at.packet),
        };
        // What happened says more than what such a thing means in general.
        let what = match f.finding.detail.as_deref() {
            Some(particular) => format!("{particular} · {}", spec.meaning),
            None => spec.meaning.to_owned(),
        };
        let text = format!("{} {} ({place}): {what}", mark(spec.severity), spec.code);
        Some(vec![(text, app.theme.severity(spec.severity))])
    };
    let most = usize::from(app.panes.all.height.saturating_sub(3)).max(1);
    let whole = order.get(at).and_then(|i| line(*i));
    let whole = whole.map_or(Vec::new(), |parts| folded(&parts, 0, HANG, room, most));
    let extra = whole.len().saturating_sub(1);
    let mut c = popup(app, buffer, columns, all.len().max(1) + extra, &title);
    let height = usize::from(c.height()).saturating_sub(2 + extra).max(1);
    let width = c.width().saturating_sub(2);
    if all.is_empty() {
        c.clipped(2, 1, "Nothing is wrong or odd.", width, app.theme.quiet());
    }
    let top = scroll(at.saturating_sub(height / 2), at, height, all.len());
    let mut y = 1;
    for (place, i) in order.iter().enumerate().skip(top).take(height) {
        if place == at {
            for (n, part) in whole.iter().enumerate() {
                for (text, style) in part {
                    let x = if n == 0 { 1 } else { 1 + HANG };
                    c.clipped(x, y, text, width.saturating_sub(x), *style);
                }
                c.style(1, y, width, app.theme.selected(true));
                y += 1;
            }
        } else {
            for (text, style) in line(*i).into_iter().flatten() {
                c.clipped(1, y, &text, width, style);
            }
            y += 1;
        }
    }
}
