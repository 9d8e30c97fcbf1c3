//! The last lines: where the selected field lies, what it means, and how far
//! the reader is.

use ratatui::buffer::Buffer;
use ratatui::style::{Modifier, Style};

use crate::base::{Located, Span};
use crate::field::{Kind, Node};
use crate::index::{Index, Progress, Step};
use crate::tui::app::{App, Overlay};
use crate::tui::canvas::{Canvas, width};
use crate::tui::opener::Shown;
use crate::tui::tree::Line;

/// Ranges that are written out.
const RANGES: usize = 3;

/// Draws the lines.
pub(super) fn draw(app: &App, index: &Index, buffer: &mut Buffer) {
    let mut c = Canvas::new(buffer, app.panes.status);
    let theme = app.theme;
    if c.height() == 0 {
        return;
    }
    let bottom = c.height() - 1;
    let right = state(app, index);
    let left = c.width().saturating_sub(width(&right) + 1);
    c.text(left + 1, bottom, &right, theme.quiet());
    if let Some(Overlay::Search(text)) = &app.overlay {
        let x = c.clipped(0, bottom, &format!("/{text}"), left, Style::new());
        c.text(x, bottom, " ", Style::new().add_modifier(Modifier::REVERSED));
        return;
    }
    let (place, meaning) = field(app).unwrap_or_default();
    if let Some(text) = told(app) {
        c.clipped(0, bottom, &text, left, theme.notice());
    } else {
        c.clipped(0, bottom, if bottom > 0 { &meaning } else { &place }, left, Style::new());
    }
    if bottom > 0 {
        let width = c.width();
        c.clipped(0, 0, &place, width, Style::new());
    }
}

/// Draws what the tour says.
pub(super) fn tour(app: &App, buffer: &mut Buffer) {
    let Some(tour) = app.tour.filter(|_| app.panes.tour.height > 0) else { return };
    let mut c = Canvas::new(buffer, app.panes.tour);
    let width = c.width();
    let (step, text) = tour.text();
    let bold = Style::new().add_modifier(Modifier::BOLD);
    let x = c.clipped(0, 0, &step, width, app.theme.quiet());
    c.clipped(x + 1, 0, text, width.saturating_sub(x + 1), bold);
}

/// What must be told before anything else.
fn told(app: &App) -> Option<String> {
    if let Some(f) = &app.failure {
        return Some(f.clone());
    }
    if let Some(n) = &app.notice {
        return Some(n.clone());
    }
    if let Some((order, step)) = &app.decoding {
        let how = match step {
            Step::Waiting => "waits for the end of the capture, Esc stops".to_owned(),
            Step::Read(n, all) => format!("{}%", n * 100 / all.max(&1)),
            Step::Done => "100%".to_owned(),
        };
        let name = order.read.name();
        return Some(format!("reading conversation #{} as {name}: {how}", order.conversation));
    }
    let f = app.found.as_ref()?;
    let text = &f.query.text;
    if !f.finished {
        let share = u64::from(f.done.0) * 100 / u64::from(f.done.1.max(1));
        return Some(format!("searching \"{text}\": {} found, {share}%, Esc stops", f.hits.len()));
    }
    let which = f.hits.iter().position(|h| app.selected == Some(*h))?;
    let full = if app.is_full() { " or more" } else { "" };
    Some(format!("\"{text}\": {} of {}{full}, n next, N previous", which + 1, f.hits.len()))
}

/// How far the reader is.
fn state(app: &App, index: &Index) -> String {
    let reading = match app.progress {
        _ if app.failure.is_some() => "stopped, ".to_owned(),
        Progress::Read(_) | Progress::Waiting if app.live => "live, ".to_owned(),
        Progress::Read(Some((done, all))) if all > 0 => {
            format!("reading {}%, ", u128::from(done.min(all)) * 100 / u128::from(all))
        }
        Progress::Read(_) => "reading, ".to_owned(),
        Progress::Waiting => "waiting for more, ".to_owned(),
        Progress::Ended => String::new(),
    };
    let findings = match index.findings().len() {
        0 => String::new(),
        1 => "1 finding (f), ".to_owned(),
        n => format!("{n} findings (f), "),
    };
    if app.panes.all.width < 60 {
        return format!("{}? help", reading);
    }
    format!("{reading}{findings}? help")
}

/// Where the selected field lies, and what it means.
fn field(app: &App) -> Option<(String, String)> {
    let s = app.current()?;
    match app.tree.lines.get(app.tree.at)? {
        Line::Finding(i) => {
            let f = s.event.draft.findings.get(*i)?;
            let place = format!("{} {} [{}]", f.spec.severity, f.spec.code, f.spec.reference);
            Some((place, f.spec.meaning.to_owned()))
        }
        Line::Node(i) => {
            let n = s.detail.tree.nodes().get(*i)?;
            let meaning = match n.spec.section {
                "" => n.spec.meaning.to_owned(),
                section => format!("{} [{section}]", n.spec.meaning),
            };
            Some((place(s, n), meaning))
        }
    }
}

fn place(s: &Shown, n: &Node) -> String {
    // The label stands in the tree; here is the name that filters and JSON have.
    let name = match &n.name {
        Some(own) if n.spec.name != &**own => format!("{} {own}", n.spec.name),
        _ => n.spec.name.to_owned(),
    };
    let Some(span) = n.span else {
        if n.spec.kind == Kind::Group {
            return name;
        }
        return format!("{name} · worked out, not on the wire");
    };
    let buffer = s.buffers.get(usize::from(span.buffer.0)).map_or("", |b| b.label);
    let located = packets(&s.detail.origins.locate(span));
    format!("{name} · {} of {buffer} · {located}", extent(span))
}

/// `bytes 2–5`, `byte 1`, `bits 4–7 of byte 0`: first and last.
pub(super) fn extent(span: Span) -> String {
    let (first, last) = (span.start, span.end().saturating_sub(1));
    match (span.bits, span.len) {
        (0, 0) => format!("nothing, at byte {first}"),
        (0, 1) => format!("byte {first}"),
        (0, _) => format!("bytes {first}–{last}"),
        (1, _) => format!("bit {} of byte {first}", span.bit),
        (bits, len) if span.bit == 0 && u32::from(bits) == len.saturating_mul(8) => {
            extent(Span { bits: 0, ..span })
        }
        (bits, 1) => format!("bits {}–{} of byte {first}", span.bit, span.bit + bits - 1),
        (bits, _) => format!("{bits} bits from bit {} of bytes {first}–{last}", span.bit),
    }
}

/// `packet 12 bytes 66–67 (exact)`.
pub(super) fn packets(located: &Located) -> String {
    let mut all: Vec<String> = located
        .ranges
        .iter()
        .take(RANGES)
        .map(|r| match r.len {
            0 => format!("packet {}", r.packet),
            1 => format!("packet {} byte {}", r.packet, r.start),
            _ => {
                let last = r.start.saturating_add(r.len - 1);
                format!("packet {} bytes {}–{last}", r.packet, r.start)
            }
        })
        .collect();
    if located.ranges.len() > RANGES {
        all.push(format!("{} more", located.ranges.len() - RANGES));
    }
    match (all.is_empty(), located.exact) {
        (true, _) => "in no packet".to_owned(),
        (false, true) => format!("{} (exact)", all.join(", ")),
        (false, false) => format!("made from {}", all.join(", ")),
    }
}
