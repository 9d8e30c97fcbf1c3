//! Draws the whole screen.

use std::sync::{Arc, PoisonError};

use ratatui::Frame;

use crate::tui::app::{App, Overlay};
use crate::tui::{help, hex, list, status, timeline, tree};

/// Lays out and draws everything.
pub(super) fn draw(app: &mut App, frame: &mut Frame<'_>) {
    app.layout(frame.area());
    let index = Arc::clone(&app.index);
    let index = index.read().unwrap_or_else(PoisonError::into_inner);
    let buffer = frame.buffer_mut();
    list::draw(app, &index, buffer);
    tree::draw(app, buffer);
    hex::draw(app, buffer);
    timeline::draw(app, buffer);
    status::draw(app, &index, buffer);
    status::tour(app, buffer);
    match &app.overlay {
        Some(Overlay::Help(top)) => help::draw(app, buffer, *top),
        Some(Overlay::Findings(at)) => help::findings(app, &index, buffer, *at),
        Some(Overlay::Decode(at)) => help::decode(app, &index, buffer, *at),
        Some(Overlay::Search(_)) | None => {}
    }
}
