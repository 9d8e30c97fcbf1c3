//! What keys and the mouse do.

use std::sync::{Arc, PoisonError};

use crossterm::event::{
    KeyCode, KeyEvent, KeyEventKind, KeyModifiers, MouseButton, MouseEvent, MouseEventKind,
};

use crate::engine::DecodeAs;
use crate::event::Level;
use crate::index::{RowId, Step};
use crate::tui::app::{Action, App, Overlay, Pane, Prompt};
use crate::tui::help::{KEYS, by_severity};
use crate::tui::rows::Item;

/// Lines that the wheel moves.
const WHEEL: isize = 3;
/// Columns by which keys pan.
const PAN: i64 = 8;

impl App {
    /// A key was pressed.
    pub(super) fn key(&mut self, key: KeyEvent) -> Action {
        if key.kind == KeyEventKind::Release {
            return Action::None;
        }
        self.notice = None;
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        if control && matches!(key.code, KeyCode::Char('c')) {
            return Action::Quit;
        }
        if let Some(overlay) = self.overlay.take() {
            return self.above(overlay, key);
        }
        match key.code {
            KeyCode::Char('q') => return Action::Quit,
            KeyCode::Char('?') | KeyCode::F(1) => self.overlay = Some(Overlay::Help(0)),
            KeyCode::Char('/') => self.overlay = Some(Overlay::Search(Prompt::default())),
            KeyCode::Char('f') => self.overlay = Some(Overlay::Findings(self.first_finding())),
            KeyCode::Char('d') => self.choose(),
            KeyCode::Char('t') => {
                let Some(tour) = &mut self.tour else { return Action::None };
                tour.hidden = !tour.hidden;
            }
            KeyCode::Char('z') => self.zoomed = !self.zoomed,
            KeyCode::Char('n') => self.next_hit(false),
            KeyCode::Char('N') => self.next_hit(true),
            KeyCode::Char('v') => self.set_filter(self.rows.filter().next()),
            KeyCode::Char('1') => self.set_filter(self.rows.filter().toggled(Level::Packet)),
            KeyCode::Char('2') => self.set_filter(self.rows.filter().toggled(Level::Frame)),
            KeyCode::Char('3') => self.set_filter(self.rows.filter().toggled(Level::Message)),
            KeyCode::Char('4') => self.set_filter(self.rows.filter().toggled(Level::Exchange)),
            KeyCode::Char('b') => {
                let buffers = self.current().map_or(0, |s| s.buffers.len());
                self.hex.next_buffer(buffers);
            }
            KeyCode::Char('+' | '=') => self.timeline.zoom(1, 2, None),
            KeyCode::Char('-') => self.timeline.zoom(2, 1, None),
            KeyCode::Char('0') => self.timeline.fit(),
            KeyCode::Char('h') => self.timeline.pan(-PAN),
            KeyCode::Char('l') => self.timeline.pan(PAN),
            KeyCode::Left if key.modifiers.contains(KeyModifiers::SHIFT) => self.timeline.pan(-PAN),
            KeyCode::Right if key.modifiers.contains(KeyModifiers::SHIFT) => self.timeline.pan(PAN),
            KeyCode::Tab => self.next_pane(false),
            KeyCode::BackTab => self.next_pane(true),
            KeyCode::Esc => self.escape(),
            _ => return self.in_pane(key),
        }
        Action::Draw
    }

    fn above(&mut self, overlay: Overlay, key: KeyEvent) -> Action {
        let page = isize::try_from(self.panes.all.height / 2).unwrap_or(1);
        let by = vertical(key.code, page);
        match (overlay, key.code) {
            (Overlay::Search(prompt), KeyCode::Enter) => self.search(prompt),
            (Overlay::Search(mut prompt), code) => {
                match code {
                    KeyCode::Esc => return Action::Draw,
                    KeyCode::Backspace if prompt.text.is_empty() => return Action::Draw,
                    KeyCode::Backspace => {
                        prompt.text.pop();
                        prompt.mistake = None;
                    }
                    KeyCode::Char(c) if !key.modifiers.contains(KeyModifiers::CONTROL) => {
                        prompt.text.push(c);
                        prompt.mistake = None;
                    }
                    _ => {}
                }
                self.overlay = Some(Overlay::Search(prompt));
            }
            (_, KeyCode::Esc | KeyCode::Char('q')) => {}
            (Overlay::Help(_), KeyCode::Char('?') | KeyCode::Enter) => {}
            (Overlay::Help(top), _) => {
                let last = u16::try_from(KEYS.len()).unwrap_or(u16::MAX);
                let by = i16::try_from(by.unwrap_or(0).clamp(-99, 99)).unwrap_or(0);
                let height = self.panes.all.height.saturating_sub(2);
                let top = top.saturating_add_signed(by).min(last.saturating_sub(height));
                self.overlay = Some(Overlay::Help(top));
            }
            (Overlay::Decode(_), KeyCode::Char('d')) => {}
            (Overlay::Decode(at), KeyCode::Enter) => {
                let conversation = self.read(|i| self.conversation(i));
                if let Some((c, read)) = conversation.zip(DecodeAs::all().nth(at)) {
                    self.decode_as(c, read);
                }
            }
            (Overlay::Decode(at), _) => {
                let at = at.saturating_add_signed(by.unwrap_or(0));
                self.overlay = Some(Overlay::Decode(at.min(DecodeAs::all().count() - 1)));
            }
            (Overlay::Findings(_), KeyCode::Char('f')) => {}
            (Overlay::Findings(at), KeyCode::Enter) => self.go_to_finding(at),
            (Overlay::Findings(at), _) => {
                let order = self.read(by_severity);
                let place = order.iter().position(|i| *i == at).unwrap_or(0);
                let place = place.saturating_add_signed(by.unwrap_or(0));
                let to = order.get(place.min(order.len().saturating_sub(1)));
                self.overlay = Some(Overlay::Findings(to.copied().unwrap_or(0)));
            }
        }
        Action::Draw
    }

    /// Asks what the selected conversation is to be read as.
    fn choose(&mut self) {
        let Some(c) = self.read(|i| self.conversation(i)) else {
            self.notice = Some("what is selected belongs to no conversation".to_owned());
            return;
        };
        let now = self.read(|i| self.in_force(i, c));
        let at = DecodeAs::all().position(|d| d == now);
        self.overlay = Some(Overlay::Decode(at.unwrap_or(0)));
    }

    /// Esc: stops the search, or leaves the pane that is alone.
    fn escape(&mut self) {
        if self.decoding.take_if(|d| d.1 != Step::Done).is_some() {
            return;
        }
        match &mut self.found {
            Some(f) if !f.finished => {
                f.finished = true;
                f.awaiting = None;
                self.notice = Some("search stopped".to_owned());
            }
            Some(_) => self.found = None,
            None => self.zoomed = false,
        }
    }

    fn next_pane(&mut self, back: bool) {
        let all = Pane::ALL;
        let at = all.iter().position(|p| *p == self.focus).unwrap_or(0);
        for i in 1..=all.len() {
            let to = if back { at + all.len() - i } else { at + i } % all.len();
            let Some(pane) = all.get(to).copied() else { continue };
            // Where one pane has the whole screen, the next one gets it.
            if self.zoomed || self.panes.get(pane).is_some() {
                self.focus = pane;
                return;
            }
        }
    }

    fn in_pane(&mut self, key: KeyEvent) -> Action {
        let area = self.panes.get(self.focus).map_or(1, |r| r.height.saturating_sub(2).max(1));
        let by = vertical(key.code, isize::try_from(area).unwrap_or(1));
        if self.focus != Pane::List {
            self.stay();
        }
        match (self.focus, key.code) {
            (Pane::List, KeyCode::Enter) => {
                self.focus = Pane::Tree;
                self.stay();
            }
            (Pane::List, _) => match by {
                Some(by) => self.step(by),
                None => return Action::None,
            },
            (Pane::Tree, code) => return self.in_tree(code, by),
            (Pane::Hex, code) => return self.in_hex(code, by),
            (Pane::Timeline, code) => return self.in_timeline(code, by),
        }
        Action::Draw
    }

    /// What is selected is being looked at: it stays selected.
    const fn stay(&mut self) {
        self.following = false;
    }

    fn in_tree(&mut self, code: KeyCode, by: Option<isize>) -> Action {
        let Some(s) = self.shown.as_ref().filter(|s| Some(s.item) == self.selected) else {
            return Action::None;
        };
        let tree = &s.detail.tree;
        match (code, by) {
            (_, Some(by)) => {
                self.tree.select(self.tree.at.saturating_add_signed(by), Some(tree));
                self.follow_field();
            }
            (KeyCode::Enter | KeyCode::Char(' '), _) => self.tree.toggle(tree),
            (KeyCode::Left, _) => {
                self.tree.fold(tree);
                self.follow_field();
            }
            (KeyCode::Right, _) => self.tree.open(tree),
            _ => return Action::None,
        }
        Action::Draw
    }

    fn in_hex(&mut self, code: KeyCode, by: Option<isize>) -> Action {
        let row = i64::from(self.hex.per_row);
        let by = match (code, by) {
            (KeyCode::Left, _) => -1,
            (KeyCode::Right, _) => 1,
            (_, Some(by)) => i64::try_from(by).unwrap_or(0).saturating_mul(row),
            _ => return Action::None,
        };
        self.move_byte(by);
        self.follow_byte();
        Action::Draw
    }

    fn move_byte(&mut self, by: i64) {
        let buffer = usize::from(self.hex.buffer);
        let len = self.current().and_then(|s| s.buffers.get(buffer)).map_or(0, |b| b.len);
        let to = i64::from(self.hex.cursor).saturating_add(by);
        let to = to.clamp(0, i64::from(len.saturating_sub(1)));
        self.hex.cursor = u32::try_from(to).unwrap_or(0);
    }

    fn in_timeline(&mut self, code: KeyCode, by: Option<isize>) -> Action {
        let by = match (code, by) {
            (KeyCode::Left, _) => (-1, 0),
            (KeyCode::Right, _) => (1, 0),
            (_, Some(by)) => (0, i32::try_from(by.clamp(-1000, 1000)).unwrap_or(0)),
            _ => return Action::None,
        };
        let Some(from) = self.selected else { return Action::None };
        let filter = self.rows.filter();
        let to = {
            let index = Arc::clone(&self.index);
            let index = index.read().unwrap_or_else(PoisonError::into_inner);
            self.timeline.neighbour(&index, from, filter, by)
        };
        if let Some(item) = to {
            self.select(item);
        }
        Action::Draw
    }

    /// The mouse was used.
    pub(super) fn mouse(&mut self, mouse: MouseEvent) -> Action {
        let (x, y) = (mouse.column, mouse.row);
        if self.overlay.is_some() {
            if mouse.kind == MouseEventKind::Down(MouseButton::Left) {
                self.overlay = None;
                return Action::Draw;
            }
            return match wheel(mouse.kind) {
                Some(by) => {
                    let code = if by < 0 { KeyCode::Up } else { KeyCode::Down };
                    self.key(KeyEvent::new(code, KeyModifiers::NONE))
                }
                None => Action::None,
            };
        }
        match mouse.kind {
            MouseEventKind::Down(MouseButton::Left) => {
                let Some(pane) = self.panes.at(x, y) else { return Action::None };
                self.focus = pane;
                self.dragged = (pane == Pane::Timeline).then_some(x);
                self.click(pane, x, y);
            }
            MouseEventKind::Drag(MouseButton::Left) => {
                let Some(from) = self.dragged.replace(x) else {
                    self.dragged = None;
                    return Action::None;
                };
                self.timeline.pan(i64::from(from) - i64::from(x));
            }
            MouseEventKind::Up(_) => {
                self.dragged = None;
                return Action::None;
            }
            kind => match wheel(kind) {
                Some(by) => self.turn(x, y, by),
                None => return Action::None,
            },
        }
        Action::Draw
    }

    fn click(&mut self, pane: Pane, x: u16, y: u16) {
        self.stay();
        match pane {
            Pane::List => {
                if let Some(line) = y.checked_sub(self.panes.list.y + 1) {
                    let at = self.top + usize::from(line);
                    if at < self.rows.len() {
                        self.select_at(at);
                    }
                }
            }
            Pane::Tree => {
                let Some(line) = y.checked_sub(self.panes.tree.y + 1) else { return };
                let Some(s) = &self.shown else { return };
                let at = self.tree.line_at(usize::from(line));
                if at == self.tree.at {
                    self.tree.toggle(&s.detail.tree);
                } else if at < self.tree.lines.len() {
                    self.tree.select(at, Some(&s.detail.tree));
                    self.follow_field();
                }
            }
            Pane::Hex => {
                let buffer = usize::from(self.hex.buffer);
                let len = self.current().and_then(|s| s.buffers.get(buffer)).map_or(0, |b| b.len);
                if let Some(byte) = self.hex.byte_at(self.panes.hex, x, y).filter(|b| *b < len) {
                    self.hex.cursor = byte;
                    self.follow_byte();
                }
            }
            Pane::Timeline => {
                if let (Some(item), _) = self.timeline.hit(self.panes.timeline, x, y) {
                    self.select(item);
                }
            }
        }
    }

    fn turn(&mut self, x: u16, y: u16, by: isize) {
        match self.panes.at(x, y) {
            Some(Pane::List) => self.step(by),
            Some(Pane::Tree) => {
                let tree = self.shown.as_ref().map(|s| &s.detail.tree);
                self.tree.select(self.tree.at.saturating_add_signed(by), tree);
                self.follow_field();
            }
            Some(Pane::Hex) => {
                self.move_byte(i64::try_from(by).unwrap_or(0) * i64::from(self.hex.per_row));
            }
            Some(Pane::Timeline) => match self.timeline.hit(self.panes.timeline, x, y).1 {
                Some(column) if by < 0 => self.timeline.zoom(1, 2, Some(column)),
                Some(column) => self.timeline.zoom(2, 1, Some(column)),
                // Over the labels the lanes move.
                None => self.timeline.scroll(by.signum()),
            },
            None => {}
        }
    }

    /// Where the list of findings opens: at the worst, or, from where it led to, there.
    fn first_finding(&self) -> usize {
        let led = self.finding.filter(|at| {
            self.selected.is_some() && self.read(|i| place_of_finding(i, *at)) == self.selected
        });
        led.or_else(|| self.read(by_severity).first().copied()).unwrap_or(0)
    }

    fn go_to_finding(&mut self, at: usize) {
        if let Some(item) = self.read(|i| place_of_finding(i, at)) {
            self.finding = Some(at);
            self.select(item);
        }
    }

    fn read<T>(&self, look: impl FnOnce(&crate::index::Index) -> T) -> T {
        look(&self.index.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Where a finding leads to.
fn place_of_finding(index: &crate::index::Index, at: usize) -> Option<Item> {
    let (f, row) = index.findings().get(at)?;
    let packet = u32::try_from(f.at.packet.0).ok().filter(|p| *p > 0);
    row.map(|r| Item::Row(RowId(r))).or(packet.map(Item::Packet))
}

/// Lines that a key moves up (negative) or down.
fn vertical(code: KeyCode, page: isize) -> Option<isize> {
    Some(match code {
        KeyCode::Up | KeyCode::Char('k') => -1,
        KeyCode::Down | KeyCode::Char('j') => 1,
        KeyCode::PageUp => -page,
        KeyCode::PageDown => page,
        KeyCode::Home | KeyCode::Char('g') => isize::MIN / 2,
        KeyCode::End | KeyCode::Char('G') => isize::MAX / 2,
        _ => return None,
    })
}

const fn wheel(kind: MouseEventKind) -> Option<isize> {
    match kind {
        MouseEventKind::ScrollUp => Some(-WHEEL),
        MouseEventKind::ScrollDown => Some(WHEEL),
        _ => None,
    }
}
