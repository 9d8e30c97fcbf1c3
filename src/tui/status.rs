//! The last lines: where the selected field lies, what it means, and how far
//! the reader is.

use ratatui::buffer::Buffer;
use ratatui::style::{Modifier, Style};

use crate::base::{Located, Span};
use crate::field::{Kind, Node};
use crate::index::{Index, Progress, Step};
use crate::tui::app::{App, Overlay, Prompt};
use crate::tui::canvas::{Canvas, width};
use crate::tui::hits::quoted;
use crate::tui::opener::Shown;
use crate::tui::tree::Line;
use crate::view::bytes::counted_from;

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
    if let Some(Overlay::Search(prompt)) = &app.overlay {
        typed(app, &mut c, prompt);
        return;
    }
    let right = state(app, index);
    let left = c.width().saturating_sub(width(&right) + 1);
    c.text(left + 1, bottom, &right, theme.quiet());
    let (place, mut meaning) = field(app).unwrap_or_default();
    // What was found goes on in the second line: why counts for more than what the
    // code means, which is said in the list of findings.
    let mut place = place.as_str();
    let found = app.tree.lines.get(app.tree.at).is_some_and(|l| matches!(l, Line::Finding(_)));
    if bottom > 0 && found && width(place) > c.width() {
        let at = fold(place, c.width());
        let (first, rest) = place.split_at_checked(at).unwrap_or((place, ""));
        (place, meaning) = (first, rest.trim_start().to_owned());
    }
    if let Some(text) = told(app) {
        c.clipped(0, bottom, &text, left, theme.notice());
    } else {
        c.clipped(0, bottom, if bottom > 0 { &meaning } else { place }, left, Style::new());
    }
    if bottom > 0 {
        let width = c.width();
        c.clipped(0, 0, place, width, Style::new());
    }
}

/// Where a text is broken so that its first part fits: behind a word, if there is one
/// in its second half.
fn fold(text: &str, columns: u16) -> usize {
    let fits = |end: &usize| text.get(..*end).is_some_and(|head| width(head) <= columns);
    let ends = || text.char_indices().map(|(i, c)| i + c.len_utf8());
    let last = ends().take_while(fits).last().unwrap_or(0);
    let space = text.get(..last).and_then(|head| head.rfind(' '));
    space.filter(|at| *at > last / 2).unwrap_or(last)
}

/// Draws what is typed behind `/`; above it what is wrong with it, or what it may be.
fn typed(app: &App, c: &mut Canvas<'_>, prompt: &Prompt) {
    let (bottom, all) = (c.height() - 1, c.width());
    let Prompt { text, mistake } = prompt;
    let end = mistake.as_ref().map_or("", |_| " Enter again: as text");
    let room = all.saturating_sub(width(end) + 2);
    // The end of a long text is where the cursor is.
    let skip = text.chars().count().saturating_sub(usize::from(room.saturating_sub(2)));
    let seen: String = text.chars().skip(skip).collect();
    let sign = if skip > 0 { "…" } else { "/" };
    let x = c.clipped(0, bottom, &format!("{sign}{seen}"), room, Style::new());
    c.text(x, bottom, " ", Style::new().add_modifier(Modifier::REVERSED));
    let Some(mistake) = mistake else {
        if bottom > 0 {
            let hint =
                "text, or a filter: grpc.status_code != 0 · in quotes it is text · Esc leaves";
            c.clipped(0, 0, hint, all, app.theme.quiet());
        }
        return;
    };
    let column = mistake.column(text);
    let what = format!("column {column}: {}", mistake.what);
    if bottom == 0 {
        c.clipped(x + 2, 0, &what, all.saturating_sub(x + 2), app.theme.notice());
        return;
    }
    // The place at fault is underlined; at the end of the text, the cursor is there.
    let before: String = text.chars().take(column - 1).skip(skip).collect();
    let fault = text.get(mistake.at.clone()).map_or(0, width);
    if column > skip {
        let under = app.theme.notice().add_modifier(Modifier::UNDERLINED);
        c.style(1 + width(&before), bottom, fault, under);
    }
    c.clipped(0, 0, &what, all, app.theme.notice());
    c.text(all.saturating_sub(width(end)), bottom, end, app.theme.quiet());
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
            Step::Waiting => "0%, Esc stops".to_owned(),
            Step::Read(n, all) => format!("{}%, Esc stops", n * 100 / all.max(&1)),
            Step::Done => "100%".to_owned(),
        };
        let name = order.read.name();
        return Some(format!("reading conversation #{} as {name}: {how}", order.conversation));
    }
    let f = app.found.as_ref()?;
    let text = quoted(&f.query.text);
    let which = f.hits.iter().position(|h| app.selected == Some(*h));
    let (done, all) = f.done;
    if !f.finished && all > 0 && done >= all {
        // It has caught up with what there is, and goes on with what comes.
        let found = match which {
            Some(at) => format!("{} of {}", at + 1, f.hits.len()),
            None => format!("{} found", f.hits.len()),
        };
        let events = if all == 1 { "event" } else { "events" };
        return Some(format!("{text}: {found} in all {all} {events} so far, looks on, Esc stops"));
    }
    if !f.finished {
        let share = u64::from(done) * 100 / u64::from(all.max(1));
        let beyond = if f.beyond { " at other levels" } else { "" };
        let n = f.hits.len();
        return Some(format!("searching {text}{beyond}: {n} found, {share}%, Esc stops"));
    }
    let which = which.filter(|_| !f.beyond || f.finished)?;
    let full = if app.is_full() { " or more" } else { "" };
    Some(format!("{text}: {} of {}{full}, n next, N previous", which + 1, f.hits.len()))
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
        n if index.findings_left_out() > 0 => format!("{n}+ findings (f), "),
        n => format!("{n} findings (f), "),
    };
    if app.panes.all.width < 60 {
        return format!("{}? help", reading);
    }
    let cut = if app.cut_short.is_some() { "cut short, " } else { "" };
    format!("{reading}{cut}{findings}? help")
}

/// Where the selected field lies, and what it means.
fn field(app: &App) -> Option<(String, String)> {
    let s = app.current()?;
    match app.tree.lines.get(app.tree.at)? {
        Line::Finding(i) => {
            let f = s.event.draft.findings.get(*i)?;
            // Its particulars whole: in the tree and in the list they may be cut.
            let meaning = format!("{} [{}]", f.spec.meaning, f.spec.reference);
            Some(match &f.detail {
                Some(detail) => (format!("{} {}: {detail}", f.spec.severity, f.spec.code), meaning),
                None => (format!("{} {}", f.spec.severity, f.spec.code), meaning),
            })
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
    let buffer = counted_from(buffer, s.event.draft.level);
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
