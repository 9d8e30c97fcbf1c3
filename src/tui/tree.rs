//! The pane of fields.

use hashbrown::HashSet;
use ratatui::buffer::Buffer;

use crate::base::{BufferId, Span};
use crate::field;
use crate::tui::app::{App, Pane, scroll};
use crate::tui::canvas::Canvas;
use crate::tui::opener::Shown;
use crate::tui::theme::mark;
use crate::tui::values;

/// A line of the pane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A finding of the event.
    Finding(usize),
    /// A field.
    Node(usize),
}

/// What is selected and what is folded.
#[derive(Debug, Default)]
pub(super) struct Tree {
    /// Visible lines.
    pub(super) lines: Vec<Line>,
    /// The selected one.
    pub(super) at: usize,
    /// The first that is on the screen.
    pub(super) top: usize,
    folded: HashSet<usize>,
    findings: usize,
    /// Name and number of the field that was selected last: the next event of the
    /// same shape selects it again.
    last: Option<(&'static str, usize)>,
}

impl Tree {
    /// Another event.
    pub(super) fn show(&mut self, shown: &Shown) {
        self.folded.clear();
        self.findings = shown.event.draft.findings.len();
        self.unfold(&shown.detail.tree);
        let nodes = shown.detail.tree.nodes();
        let again = self.last.and_then(|(name, n)| {
            let mut same = nodes.iter().enumerate().filter(|(_, x)| x.spec.name == name);
            same.nth(n).map(|(i, _)| i)
        });
        self.at = self.lines.iter().position(|l| again.map(Line::Node) == Some(*l)).unwrap_or(0);
        self.top = 0;
    }

    fn unfold(&mut self, tree: &field::Tree) {
        self.lines.clear();
        self.lines.extend((0..self.findings).map(Line::Finding));
        let mut hidden_below = None;
        for (i, n) in tree.nodes().iter().enumerate() {
            if hidden_below.is_some_and(|d| n.depth > d) {
                continue;
            }
            hidden_below = self.folded.contains(&i).then_some(n.depth);
            self.lines.push(Line::Node(i));
        }
        self.at = self.at.min(self.lines.len().saturating_sub(1));
    }

    /// The selected field.
    pub(super) fn node(&self) -> Option<usize> {
        match self.lines.get(self.at)? {
            Line::Node(i) => Some(*i),
            Line::Finding(_) => None,
        }
    }

    /// Selects a line.
    pub(super) fn select(&mut self, at: usize, tree: Option<&field::Tree>) {
        self.at = at.min(self.lines.len().saturating_sub(1));
        self.remember(tree);
    }

    fn remember(&mut self, tree: Option<&field::Tree>) {
        if let Some((tree, i)) = tree.zip(self.node())
            && let Some(n) = tree.nodes().get(i)
        {
            let before = tree.nodes().iter().take(i).filter(|x| x.spec.name == n.spec.name);
            self.last = Some((n.spec.name, before.count()));
        }
    }

    /// Folds or unfolds the selected group.
    pub(super) fn toggle(&mut self, tree: &field::Tree) {
        let Some(i) = self.node().filter(|i| has_children(tree, *i)) else { return };
        if !self.folded.remove(&i) {
            self.folded.insert(i);
        }
        self.unfold(tree);
    }

    /// Folds the selected group, or goes to the group it is in.
    pub(super) fn fold(&mut self, tree: &field::Tree) {
        let Some(i) = self.node() else { return };
        if has_children(tree, i) && self.folded.insert(i) {
            self.unfold(tree);
        } else if let Some(parent) = tree.nodes().get(i).and_then(|n| n.parent) {
            let parent = Line::Node(parent.0 as usize);
            self.at = self.lines.iter().position(|l| *l == parent).unwrap_or(self.at);
            self.remember(Some(tree));
        }
    }

    /// Unfolds the selected group.
    pub(super) fn open(&mut self, tree: &field::Tree) {
        if self.node().is_some_and(|i| self.folded.remove(&i)) {
            self.unfold(tree);
        }
    }

    /// Selects the smallest field that covers a byte; gives its place.
    pub(super) fn select_byte(
        &mut self,
        tree: &field::Tree,
        buffer: u16,
        byte: u32,
    ) -> Option<Span> {
        let covers = |s: &Span| s.buffer == BufferId(buffer) && s.start <= byte && byte < s.end();
        let all = tree.nodes().iter().enumerate();
        let (i, span) = all
            .filter_map(|(i, n)| Some((i, n.span.filter(covers)?)))
            .min_by_key(|(i, s)| (s.bit_len(), usize::MAX - i))?;
        let mut parent = tree.nodes().get(i)?.parent;
        let mut changed = false;
        while let Some(p) = parent {
            changed |= self.folded.remove(&(p.0 as usize));
            parent = tree.get(p).and_then(|n| n.parent);
        }
        if changed {
            self.unfold(tree);
        }
        self.at = self.lines.iter().position(|l| *l == Line::Node(i)).unwrap_or(self.at);
        self.remember(Some(tree));
        Some(span)
    }

    /// Scrolls the selected line into view.
    pub(super) fn layout(&mut self, height: usize) {
        self.top = scroll(self.top, self.at, height.max(1), self.lines.len());
    }
}

fn has_children(tree: &field::Tree, i: usize) -> bool {
    u32::try_from(i).is_ok_and(|i| tree.has_children(field::NodeId(i)))
}

/// Draws the pane.
pub(super) fn draw(app: &App, buffer: &mut Buffer) {
    let focused = app.focus == Pane::Tree;
    let mut c = Canvas::new(buffer, app.panes.tree);
    let theme = app.theme;
    let Some(s) = app.current() else {
        c.title("Fields", theme.title(focused), theme.quiet());
        if app.selected.is_some() && app.unreadable == app.selected {
            c.text(1, 1, "The capture cannot be read again at this place.", theme.notice());
        }
        return;
    };
    let d = &s.event.draft;
    let number = match s.item {
        crate::tui::rows::Item::Row(_) => format!("event {}", s.number),
        crate::tui::rows::Item::Packet(p) => format!("packet {p}"),
    };
    let cut = if d.complete { "" } else { ", incomplete" };
    let ends = s.conversation.as_ref().map_or_else(String::new, |i| {
        match (i.from_to(d.sender), d.sender) {
            ((from, to), Some(_)) => format!(", {from} → {to}"),
            ((from, to), None) => format!(", {from} ↔ {to}"),
        }
    });
    // Not `grpc message message`.
    let level = if d.kind == d.level.name() { "" } else { d.level.name() };
    let what = format!("{} {} {level}", d.protocol, d.kind);
    let title = format!("{number}: {}{cut}{ends}", what.trim_end());
    c.title(&title, theme.title(focused), theme.quiet());
    for (y, line) in (1..c.height()).zip(app.tree.lines.get(app.tree.top..).unwrap_or_default()) {
        match line {
            Line::Finding(i) => {
                let Some(f) = d.findings.get(*i) else { continue };
                let style = theme.severity(f.spec.severity);
                let x = c.text(0, y, mark(f.spec.severity), style);
                let x = c.text(x + 1, y, f.spec.code, style);
                let what = f.detail.as_deref().unwrap_or(f.spec.meaning);
                c.text(x + 1, y, what, ratatui::style::Style::new());
            }
            Line::Node(i) => node(app, s, &mut c, y, *i),
        }
    }
    if app.tree.at >= app.tree.top {
        let y = u16::try_from(app.tree.at - app.tree.top + 1).unwrap_or(u16::MAX);
        let width = c.width();
        c.style(0, y, width, theme.selected(focused));
    }
    if s.detail.tree.nodes().is_empty() {
        c.text(1, 1, "no fields", theme.quiet());
    }
}

fn node(app: &App, s: &Shown, c: &mut Canvas<'_>, y: u16, i: usize) {
    let theme = app.theme;
    let Some(n) = s.detail.tree.nodes().get(i) else { return };
    let indent = n.depth.saturating_mul(2).min(40);
    let fold = match (has_children(&s.detail.tree, i), app.tree.folded.contains(&i)) {
        (true, true) => "▸",
        (true, false) => "▾",
        _ => " ",
    };
    let x = c.text(indent, y, fold, theme.quiet());
    let x = c.text(x + 1, y, values::label(n), theme.label());
    let value = values::value(n, Some(&s.buffers));
    let x = if value.is_empty() {
        x
    } else {
        let x = c.text(x, y, ": ", theme.label());
        c.text(x, y, &value, ratatui::style::Style::new())
    };
    if let Some(note) = &n.note {
        let x = c.text(x + 1, y, "(", theme.quiet());
        let x = c.text(x, y, note, theme.quiet());
        c.text(x, y, ")", theme.quiet());
    }
}
