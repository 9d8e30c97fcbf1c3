//! What `check` prints.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::finding::Severity;
use crate::index::check::{Check, Group};
use crate::view::clean::clean;
use crate::view::json::string;
use crate::view::table::{counted, grouped};
use crate::view::text::packets;

/// The severities, worst first.
const SEVERITIES: [Severity; 3] = [Severity::Error, Severity::Warning, Severity::Note];

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";

/// Appends the groups and a line that says what was checked; of a clean capture
/// that line alone.
pub fn text(out: &mut String, check: &Check, colour: bool) {
    let paint = |text: &str, code: &str| {
        if colour { format!("{code}{text}{RESET}") } else { text.to_owned() }
    };
    let widest = check.groups.iter().map(|g| grouped(g.count).len()).max().unwrap_or(0);
    for g in &check.groups {
        let spec = g.spec;
        let code = match spec.severity {
            Severity::Note => "\x1b[34m",
            Severity::Warning => "\x1b[33m",
            Severity::Error => "\x1b[31m",
        };
        let what = format!("{:<7}", spec.severity.name());
        let _ = writeln!(
            out,
            "{} {:>widest$} {}  {} {}",
            paint(&what, code),
            grouped(g.count),
            paint(spec.code, code),
            spec.meaning,
            paint(&format!("[{}]", spec.reference), DIM),
        );
        let _ = writeln!(out, "{:7} {:widest$} first: {}", "", "", first(g));
    }
    let ignored = match check.ignored {
        0 => String::new(),
        n => format!(", {} ignored", grouped(n)),
    };
    let what = format!(
        "{}, {}, {}, {}",
        counted(check.packets, "packet"),
        counted(check.conversations, "conversation"),
        counted(check.events.iter().sum(), "event"),
        counted(check.bytes, "byte"),
    );
    if check.groups.is_empty() {
        let _ = writeln!(out, "nothing found in {what}{ignored}");
        return;
    }
    let found: Vec<String> = SEVERITIES
        .iter()
        .filter_map(|s| Some((check.count_of(*s), s.name())).filter(|(n, _)| *n > 0))
        .map(|(n, name)| counted(n, name))
        .collect();
    let _ = writeln!(out, "{} in {what}{ignored}", found.join(", "));
}

/// `event 12, packets 14 to 16, #1: its particulars`.
fn first(g: &Group) -> String {
    let mut parts = Vec::new();
    if let Some(e) = g.event {
        parts.push(format!("event {e}"));
    }
    if !g.packets.is_empty() {
        parts.push(packets(&g.packets, g.proof));
    }
    if let Some(c) = g.conversation {
        parts.push(format!("#{c}"));
    }
    if parts.is_empty() {
        parts.push("the capture file".to_owned());
    }
    let mut text = parts.join(", ");
    if let Some(d) = &g.detail {
        let _ = write!(text, ": {}", clean(d));
    }
    text
}

/// Appends one JSON object and a line feed (`docs/JSON.md`).
pub fn json(out: &mut Vec<u8>, check: &Check, fail_on: Severity, failed: bool) {
    // Writing into a vector does not fail.
    let _ = write_json(out, check, fail_on, failed);
}

fn write_json(
    out: &mut Vec<u8>,
    c: &Check,
    fail_on: Severity,
    failed: bool,
) -> std::io::Result<()> {
    let [frames, messages, exchanges] = c.events;
    write!(
        out,
        "{{\"failed\":{failed},\"fail_on\":\"{fail_on}\",\"packets\":{},\"conversations\":{},\
         \"frames\":{frames},\"messages\":{messages},\"exchanges\":{exchanges},\
         \"captured_bytes\":{},\"ignored\":{},\"findings\":[",
        c.packets, c.conversations, c.bytes, c.ignored
    )?;
    for (i, g) in c.groups.iter().enumerate() {
        let spec = g.spec;
        write!(
            out,
            "{}{{\"code\":\"{}\",\"severity\":\"{}\",\"count\":{},\"summary\":",
            if i > 0 { "," } else { "" },
            spec.code,
            spec.severity,
            g.count
        )?;
        string(out, spec.meaning);
        out.write_all(b",\"reference\":")?;
        string(out, spec.reference);
        out.write_all(b",\"first\":{\"event\":")?;
        match g.event {
            Some(e) => write!(out, "{e}")?,
            None => out.write_all(b"null")?,
        }
        match g.packets.first().zip(g.packets.last()) {
            Some((a, b)) => {
                write!(
                    out,
                    ",\"time\":\"{}\",\"first_packet\":{a},\"last_packet\":{b}",
                    g.at.time
                )?;
            }
            None => {
                out.write_all(b",\"time\":null,\"first_packet\":null,\"last_packet\":null")?;
            }
        }
        match g.conversation {
            Some(id) => write!(out, ",\"conversation\":{id}")?,
            None => out.write_all(b",\"conversation\":null")?,
        }
        out.write_all(b",\"detail\":")?;
        match &g.detail {
            Some(d) => string(out, d),
            None => out.write_all(b"null")?,
        }
        out.write_all(b"}}")?;
    }
    out.write_all(b"]}\n")
}
