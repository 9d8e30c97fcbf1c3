//! The tour: a bundled capture, and a line that says what to try next.
//!
//! Nothing of it touches the disk. The capture is made from fixtures by
//! `examples/make_tour.rs`.

use std::sync::Arc;

use crate::event::Level;
use crate::index::Index;
use crate::proto::protobuf::Schema;
use crate::proto::{PayloadDecoder, decoders_with};
use crate::tui::app::{App, Overlay, Pane};
use crate::tui::rows::{Filter, Item};

/// The capture.
pub(super) static CAPTURE: &[u8] = include_bytes!("capture.pcapng");
/// What the list calls it.
pub(super) const NAME: &str = "The tour";

/// The schemas of its services, by the names that imports would use.
const SCHEMAS: [(&str, &str); 2] = [
    ("user.proto", include_str!("../../../fixtures/proto/user.proto")),
    ("weather.proto", include_str!("../../../fixtures/proto/weather.proto")),
];

/// Decoders that know the messages of the tour.
pub(super) fn decoders() -> Arc<Vec<Box<dyn PayloadDecoder>>> {
    let names: Vec<String> = SCHEMAS.iter().map(|s| s.0.to_owned()).collect();
    let find = |name: &str| SCHEMAS.iter().find(|s| s.0 == name).map(|s| s.1.to_owned());
    // Tests hold the schemas to be sound; without them there are numbers for names.
    let schema = Schema::compile(&names, Box::new(move |name| Ok(find(name)))).ok();
    Arc::new(decoders_with(schema, Vec::new()))
}

/// Something to try.
struct Step {
    /// One line, at most 74 columns.
    text: &'static str,
    /// Whether it has been done.
    done: fn(&App, &Index) -> bool,
}

const STEPS: &[Step] = &[
    Step {
        text: "A chat over WebSocket, and gRPC calls. Press ↓ or j to move down.",
        done: |a, _| a.at > 0,
    },
    Step {
        text: "Go down to \"Hello, chat!\", the first message of the chat.",
        done: |a, i| kind(a, i) == Some(("websocket", "text")),
    },
    Step {
        text: "Tab goes to the fields of the selected message, Shift-Tab back.",
        done: |a, _| a.focus == Pane::Tree,
    },
    Step {
        text: "↓ selects a field: its bytes are marked, what it means stands below.",
        done: |a, _| a.focus == Pane::Tree && a.tree.at > 0,
    },
    Step {
        text: "It was compressed and masked: b shows it as sent, unmasked, inflated.",
        done: |a, _| a.hex.buffer > 0,
    },
    Step {
        text: "A call has failed. f lists all that is wrong or odd.",
        done: |a, _| matches!(a.overlay, Some(Overlay::Findings(_))),
    },
    Step {
        text: "Select grpc.bad-status 5 NOT_FOUND, and press Enter to go there.",
        done: |a, i| {
            a.overlay.is_none()
                && a.current().is_some_and(|s| {
                    let failed = |f: &crate::finding::Finding| f.spec.code == "grpc.bad-status";
                    s.event.draft.findings.iter().any(failed)
                })
                && kind(a, i).is_some()
        },
    },
    Step {
        text: "There is the status, and why. v twice lists calls and sessions alone.",
        done: |a, _| a.rows.filter() == Filter::of(&[Level::Exchange]),
    },
    Step {
        text: "GetUser, ListUsers, ReportBatch, Chat: the four patterns. + zooms below.",
        done: |a, _| a.timeline.is_zoomed(),
    },
    Step {
        text: "h and l pan, 0 shows all. Now search: type /chat and press Enter.",
        done: |a, _| a.found.as_ref().is_some_and(|f| !f.hits.is_empty()),
    },
    Step {
        text: "n goes to the next hit. That was the tour: ? has all keys, q quits.",
        done: |_, _| false,
    },
];

fn kind(app: &App, index: &Index) -> Option<(&'static str, &'static str)> {
    match app.selected? {
        Item::Row(r) => index.row(r).map(|row| index.kind(row)),
        Item::Packet(_) => None,
    }
}

/// How far the reader of the tour has come.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Tour {
    at: usize,
    /// `t` has put the line away.
    pub(super) hidden: bool,
}

impl Tour {
    /// Goes on where the step has been done.
    pub(super) fn advance(&mut self, app: &App, index: &Index) {
        while STEPS.get(self.at).is_some_and(|s| (s.done)(app, index)) {
            self.at += 1;
        }
    }

    /// What to try next: `3/11`, and the text.
    pub(super) fn text(self) -> (String, &'static str) {
        let text = STEPS.get(self.at).map_or("", |s| s.text);
        (format!("{}/{}", self.at + 1, STEPS.len()), text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_fits_a_small_screen() {
        for s in STEPS {
            assert!(crate::tui::canvas::width(s.text) <= 74, "{}", s.text);
        }
    }

    #[test]
    fn the_schemas_are_sound() {
        let d = decoders();
        let known = |path: &str| d.iter().any(|d| d.method_pattern(path).is_some());
        assert!(known("/user.UserService/Chat") && known("/weather.WeatherService/ReportBatch"));
    }
}
