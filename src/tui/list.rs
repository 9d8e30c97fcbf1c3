//! The pane of events.

use ratatui::buffer::Buffer;
use ratatui::style::Style;

use crate::base::{CaptureTime, Side};
use crate::event::Level;
use crate::index::{Index, Progress};
use crate::tui::app::{App, Pane};
use crate::tui::canvas::Canvas;
use crate::tui::opener::time;
use crate::tui::rows::Item;
use crate::tui::theme::mark;

/// What the list shows of an item without opening it.
struct Head {
    number: String,
    time: CaptureTime,
    conversation: String,
    sender: Option<Side>,
    protocol: &'static str,
    kind: &'static str,
    length: u32,
    severity: Option<crate::finding::Severity>,
    incomplete: bool,
    exchange: bool,
    frame: bool,
}

/// Draws the pane.
pub(super) fn draw(app: &App, index: &Index, buffer: &mut Buffer) {
    let focused = app.focus == Pane::List;
    let theme = app.theme;
    let mut c = Canvas::new(buffer, app.panes.list);
    let more = if app.behind { "…" } else { "" };
    let place = if app.rows.len() == 0 { 0 } else { app.at + 1 };
    let following =
        if app.following && app.progress != Progress::Ended { ", following" } else { "" };
    let title = format!(
        "{}: {} ({place} of {}{more}){following}",
        app.name,
        app.rows.filter().describe(),
        app.rows.len()
    );
    c.title(&title, theme.title(focused), theme.quiet());
    if app.rows.len() == 0 {
        empty(app, index, &mut c);
        return;
    }
    let (first, last) = index.times().unwrap_or_default();
    let seconds = relative(last, first).len();
    let digits = index.len().max(index.last_packet() as usize).to_string().len().max(3);
    for y in 1..c.height() {
        let at = app.top + usize::from(y) - 1;
        let Some(item) = app.rows.get(at) else { break };
        let Some(h) = head(app, index, item) else { continue };
        line(app, &mut c, y, item, &h, first, (digits, seconds));
        if at == app.at {
            let width = c.width();
            c.style(0, y, width, theme.selected(focused));
        }
    }
}

fn line(
    app: &App,
    c: &mut Canvas<'_>,
    y: u16,
    item: Item,
    h: &Head,
    first: CaptureTime,
    (digits, seconds): (usize, usize),
) {
    let theme = app.theme;
    let plain = Style::new();
    if let Some(s) = h.severity {
        c.text(0, y, mark(s), theme.severity(s));
    }
    let (wide, narrow) = (c.width() >= 100, c.width() < 60);
    let x = c.text(1, y, &format!("{:>digits$} ", h.number), theme.quiet());
    let columns = if wide { 8 } else { 5 };
    // On a narrow screen the summary comes first, and the rest where it is open.
    let x = if narrow {
        x
    } else {
        let x = c.text(x, y, &format!("{:>seconds$} ", relative(h.time, first)), plain);
        c.text(x, y, &format!("{:<columns$} ", h.conversation), theme.quiet())
    };
    let arrow = match h.sender {
        Some(Side::Client) => "→",
        Some(Side::Server) => "←",
        None if h.exchange => "↔",
        None => " ",
    };
    let x = c.text(x, y, arrow, plain);
    // As on the timeline: what is a frame is marked with a dot.
    c.text(x, y, if h.frame { "·" } else { " " }, plain);
    let what = format!("{} {}", h.protocol, h.kind);
    let columns = if wide { 24 } else { 16 };
    c.clipped(x + 1, y, &what, columns, theme.protocol(h.protocol));
    let x = x + columns + 2;
    let length = if narrow { String::new() } else { format!("{:>7}  ", size(h.length)) };
    let x = c.text(x, y, &length, theme.quiet());
    let Some(l) = app.lines.get(&item) else {
        c.text(x, y, "…", theme.quiet());
        return;
    };
    let mut x = c.text(x, y, &l.summary, plain);
    if h.incomplete {
        x = c.text(x, y, " (incomplete)", theme.quiet());
    }
    if let (Some(s), Some(code)) = (h.severity, l.codes.first()) {
        c.text(x + 1, y, code, theme.severity(s));
    }
}

fn head(app: &App, index: &Index, item: Item) -> Option<Head> {
    match item {
        Item::Row(id) => {
            let r = index.row(id)?;
            let (protocol, kind) = index.kind(r);
            let conversation = r.conversation + 1;
            Some(Head {
                number: index.number(id),
                time: index.end_time(r),
                conversation: match r.stream() {
                    Some(s) => format!("#{conversation}/{s}"),
                    None => format!("#{conversation}"),
                },
                sender: r.sender(),
                protocol,
                kind,
                length: r.length,
                severity: r.severity(),
                incomplete: !r.is_complete(),
                exchange: r.level() == Level::Exchange,
                frame: r.level() == Level::Frame,
            })
        }
        Item::Packet(p) => {
            let row = index.packet(crate::base::PacketId(u64::from(p)))?;
            let l = app.lines.get(&item);
            let (protocol, kind) = l.and_then(|l| l.what).unwrap_or(("packet", ""));
            Some(Head {
                number: format!("p{p}"),
                time: time(index, item),
                conversation: match row.conversation {
                    0 => String::new(),
                    n => format!("#{n}"),
                },
                sender: l.and_then(|l| l.sender),
                protocol,
                kind,
                length: row.original,
                severity: None,
                incomplete: false,
                exchange: false,
                frame: false,
            })
        }
    }
}

fn empty(app: &App, index: &Index, c: &mut Canvas<'_>) {
    let quiet = app.theme.quiet();
    let packets = index.packet_count();
    let text = if app.live && !index.is_ended() && app.failure.is_none() {
        match packets {
            0 => "Listening; no packets yet.".to_owned(),
            _ if index.is_empty() => {
                format!("Listening; no events yet; {packets} packets; press 1 for packets.")
            }
            _ => format!("No events of these levels yet; {} of others; press v.", index.len()),
        }
    } else if !index.is_ended() && app.failure.is_none() {
        "reading …".to_owned()
    } else if packets == 0 {
        if app.filtered {
            "No packet passes the capture filter (-f).".to_owned()
        } else {
            "The capture holds no packets.".to_owned()
        }
    } else if index.is_empty() {
        format!("No events; {packets} packets; press 1 for packets.")
    } else {
        format!("No events of these levels; {} of others; press v for other levels.", index.len())
    };
    c.text(1, 1, &text, quiet);
}

/// Seconds since the first packet, to the microsecond: `12.345678`.
fn relative(time: CaptureTime, first: CaptureTime) -> String {
    let ns = time.0.saturating_sub(first.0);
    let sign = if ns < 0 { "-" } else { "" };
    let us = ns.unsigned_abs() / 1000;
    format!("{sign}{}.{:06}", us / 1_000_000, us % 1_000_000)
}

/// A number of bytes in seven columns at most.
fn size(bytes: u32) -> String {
    match bytes {
        0..1_000_000 => bytes.to_string(),
        _ => format!("{} KiB", bytes >> 10),
    }
}
