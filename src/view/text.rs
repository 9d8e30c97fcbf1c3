//! One line an event, for people.

use std::fmt::Write;

use crate::base::{PacketId, Side};
use crate::engine::{ConversationInfo, FindingEvent};
use crate::event::{Event, Level};
use crate::finding::Severity;
use crate::view::clean::clean;

/// How lines are written.
#[derive(Clone, Copy, Debug, Default)]
pub struct Style {
    /// With ANSI colours.
    pub colour: bool,
    /// How times are written.
    pub time: TimeStyle,
}

/// How times are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeStyle {
    /// Date and time of day in UTC, microseconds.
    #[default]
    Absolute,
    /// Seconds since the first packet.
    Relative,
    /// Seconds since the line before.
    Delta,
}

/// Writes lines one after another; knows the times that came before.
#[derive(Debug, Default)]
pub struct Lines {
    style: Style,
    first: Option<crate::base::CaptureTime>,
    last: Option<crate::base::CaptureTime>,
    /// The date printed last, so that it is not repeated on every line.
    date: String,
}

const RESET: &str = "\x1b[0m";
const DIM: &str = "\x1b[2m";

impl Lines {
    /// Lines in this style.
    #[must_use]
    pub fn new(style: Style) -> Self {
        Self { style, ..Self::default() }
    }

    /// Says when the capture began, for relative times.
    pub fn begin(&mut self, first: crate::base::CaptureTime) {
        self.first.get_or_insert(first);
    }

    /// Appends the line of an event.
    ///
    /// `17 21:23:45.123456 #1 client → server  websocket text  hello`
    pub fn event(
        &mut self,
        out: &mut String,
        event: &Event,
        conversation: Option<&ConversationInfo>,
    ) {
        let d = &event.draft;
        let number = if d.level == Level::Packet {
            format!("p{}", d.start.packet)
        } else {
            event.id.to_string()
        };
        self.head(out, &number, d.end.time, conversation, d.sender, d.level);
        let what = match d.stream {
            Some(s) if d.protocol != "http2" && s != 0 => {
                format!("{} {} [{s}]", d.protocol, d.kind)
            }
            _ => format!("{} {}", d.protocol, d.kind),
        };
        let colour = colour_of(d.protocol);
        self.paint(out, colour, &format!("{what:<22}"));
        out.push(' ');
        if let Some(detail) = &d.detail {
            out.push_str(&clean(&detail.summary));
        }
        if !d.complete {
            self.paint(out, DIM, " (incomplete)");
        }
        if d.inferred {
            self.paint(out, DIM, " (inferred)");
        }
        for f in &d.findings {
            let text = format!(" !{}", f.spec.code);
            self.paint(out, colour_of_severity(f.spec.severity), &text);
        }
        out.push('\n');
    }

    /// Appends the line of a finding.
    pub fn finding(
        &mut self,
        out: &mut String,
        found: &FindingEvent,
        conversation: Option<&ConversationInfo>,
    ) {
        let number = found.event.map_or_else(|| "-".to_owned(), |e| e.to_string());
        self.head(out, &number, found.at.time, conversation, found.sender, Level::Finding);
        let spec = found.finding.spec;
        let what = format!("{} {}", spec.severity, spec.code);
        self.paint(out, colour_of_severity(spec.severity), &format!("{what:<22}"));
        let _ = write!(out, " {}", spec.meaning);
        if let Some(d) = found.finding.detail.as_ref().filter(|d| !d.trim().is_empty()) {
            let _ = write!(out, " {}.", clean(d));
        }
        self.paint(out, DIM, &format!(" [{}]", spec.reference));
        if !found.packets.is_empty() {
            let proof = !found.finding.proof.is_empty();
            self.paint(out, DIM, &format!(" {}", packets(&found.packets, proof)));
        }
        out.push('\n');
    }

    fn head(
        &mut self,
        out: &mut String,
        number: &str,
        time: crate::base::CaptureTime,
        conversation: Option<&ConversationInfo>,
        sender: Option<Side>,
        level: Level,
    ) {
        let first = *self.first.get_or_insert(time);
        let stamp = match self.style.time {
            TimeStyle::Absolute => {
                let text = time.to_string();
                // `2026-11-20T21:23:45.123456789Z`: the day once, then the time of day.
                let (date, clock) = text.split_once('T').unwrap_or(("", text.as_str()));
                if date != self.date {
                    if !date.is_empty() {
                        let day = format!("{date} (UTC)");
                        self.paint(out, DIM, &day);
                        out.push('\n');
                    }
                    date.clone_into(&mut self.date);
                }
                clock.get(..15).unwrap_or(clock).to_owned()
            }
            TimeStyle::Relative => seconds(time.0.saturating_sub(first.0)),
            TimeStyle::Delta => seconds(time.0.saturating_sub(self.last.unwrap_or(time).0)),
        };
        self.last = Some(time);
        let _ = write!(out, "{number:>5} {stamp} ");
        match conversation {
            Some(c) if level == Level::Packet => {
                let _ = write!(out, "#{:<3} ", c.id);
            }
            Some(c) => {
                let arrow = match sender {
                    Some(_) if !c.roles_known => {
                        let (a, b) = c.from_to(sender);
                        format!("{a} → {b}")
                    }
                    Some(Side::Client) => "client → server".to_owned(),
                    Some(Side::Server) => "server → client".to_owned(),
                    None => "client ↔ server".to_owned(),
                };
                let _ = write!(out, "#{:<3} ", c.id);
                self.paint(out, DIM, &arrow);
                out.push_str("  ");
            }
            None => out.push_str("     "),
        }
    }

    fn paint(&self, out: &mut String, colour: &str, text: &str) {
        if self.style.colour && !colour.is_empty() {
            let _ = write!(out, "{colour}{text}{RESET}");
        } else {
            out.push_str(text);
        }
    }
}

/// Seconds with nine digits: `0.123456789`, `-1.000000000`.
#[must_use]
pub fn seconds(ns: i64) -> String {
    let sign = if ns < 0 { "-" } else { "" };
    let n = ns.unsigned_abs();
    format!("{sign}{}.{:09}", n / 1_000_000_000, n % 1_000_000_000)
}

fn colour_of(protocol: &str) -> &'static str {
    match protocol {
        "websocket" => "\x1b[32m",
        "grpc" | "connect" => "\x1b[36m",
        "http2" => "\x1b[34m",
        "http" => "\x1b[33m",
        "tcp" | "udp" => "\x1b[2m",
        _ => "\x1b[35m",
    }
}

const fn colour_of_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "\x1b[34m",
        Severity::Warning => "\x1b[33m",
        Severity::Error => "\x1b[31m",
    }
}

/// Numbers and runs of numbers that a list of packets has at most.
const PACKETS: usize = 8;

/// `packet 8`, `packets 8, 9, 13`, `packets 8 to 11, 13`: which they are; of a long list the
/// beginning, the last one and how many there are. Where they are no proof, but an event's
/// own, two are its ends, with others between them.
#[must_use]
pub fn packets(list: &[PacketId], proof: bool) -> String {
    if let (false, [first, last]) = (proof, list) {
        return format!("packets {first} to {last}");
    }
    let runs: Vec<(PacketId, PacketId)> = list
        .chunk_by(|a, b| a.0.checked_add(1) == Some(b.0))
        .filter_map(|run| Some((*run.first()?, *run.last()?)))
        .collect();
    let mut parts = Vec::new();
    for (a, b) in &runs {
        match b.0.saturating_sub(a.0) {
            0 => parts.push(a.to_string()),
            1 if runs.len() > 1 => parts.extend([a.to_string(), b.to_string()]),
            _ => parts.push(format!("{a} to {b}")),
        }
    }
    if parts.len() > PACKETS {
        parts.truncate(PACKETS);
        let last = list.last().copied().unwrap_or_default();
        return format!("packets {}, … {last} ({} in all)", parts.join(", "), list.len());
    }
    let word = if list.len() == 1 { "packet" } else { "packets" };
    format!("{word} {}", parts.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packets_are_listed() {
        let list =
            |all: &[u64]| packets(&all.iter().map(|n| PacketId(*n)).collect::<Vec<_>>(), true);
        assert_eq!(list(&[8]), "packet 8");
        assert_eq!(list(&[8, 9]), "packets 8 to 9");
        assert_eq!(list(&[8, 9, 13]), "packets 8, 9, 13");
        assert_eq!(list(&[8, 9, 10, 13]), "packets 8 to 10, 13");
        assert_eq!(list(&[5, 3]), "packets 5, 3");
        assert_eq!(packets(&[PacketId(4), PacketId(33)], false), "packets 4 to 33");
        let odd: Vec<u64> = (0..30).map(|n| n * 2 + 1).collect();
        assert_eq!(list(&odd), "packets 1, 3, 5, 7, 9, 11, 13, 15, … 59 (30 in all)");
        assert_eq!(list(&[u64::MAX, 0]), format!("packets {}, 0", u64::MAX));
    }
}
