//! Colours and emphasis. With `NO_COLOR` there is bold, reverse and underline only.

use ratatui::style::{Color, Modifier, Style};

use crate::finding::Severity;

/// How things look.
#[derive(Clone, Copy, Debug)]
pub(super) struct Theme {
    /// Colours may be used.
    pub(super) colour: bool,
}

impl Theme {
    /// As the environment wants it (<https://no-color.org>).
    pub(super) fn from_environment() -> Self {
        Self { colour: std::env::var_os("NO_COLOR").is_none_or(|v| v.is_empty()) }
    }

    fn colour(self, colour: Color) -> Style {
        if self.colour { Style::new().fg(colour) } else { Style::new() }
    }

    /// An event of this protocol.
    pub(super) fn protocol(self, protocol: &str) -> Style {
        match protocol {
            "websocket" => self.colour(Color::Green),
            "grpc" | "connect" => self.colour(Color::Cyan),
            "http2" => self.colour(Color::Blue),
            "http" => self.colour(Color::Yellow),
            "tcp" | "udp" => self.quiet(),
            _ => self.colour(Color::Magenta),
        }
    }

    /// A finding.
    pub(super) fn severity(self, severity: Severity) -> Style {
        match severity {
            Severity::Note => self.colour(Color::Blue),
            Severity::Warning => self.colour(Color::Yellow),
            Severity::Error => self.colour(Color::Red).add_modifier(Modifier::BOLD),
        }
    }

    /// What matters less.
    pub(super) fn quiet(self) -> Style {
        self.colour(Color::DarkGray)
    }

    /// A pane's title.
    pub(super) fn title(self, focused: bool) -> Style {
        if focused {
            self.colour(Color::Cyan).add_modifier(Modifier::BOLD | Modifier::REVERSED)
        } else {
            Style::new().add_modifier(Modifier::BOLD)
        }
    }

    /// The selected line of a pane.
    pub(super) fn selected(self, focused: bool) -> Style {
        if focused {
            Style::new().add_modifier(Modifier::REVERSED)
        } else {
            Style::new().add_modifier(Modifier::BOLD | Modifier::UNDERLINED)
        }
    }

    /// Bytes of the selected field.
    pub(super) const fn marked(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// A label in the tree.
    pub(super) fn label(self) -> Style {
        self.colour(Color::Cyan)
    }

    /// What was searched for, and other things to be seen.
    pub(super) fn notice(self) -> Style {
        self.colour(Color::Yellow).add_modifier(Modifier::BOLD)
    }
}

/// The mark of a finding in one column.
pub(super) const fn mark(severity: Severity) -> &'static str {
    match severity {
        Severity::Note => "i",
        Severity::Warning => "!",
        Severity::Error => "✗",
    }
}
