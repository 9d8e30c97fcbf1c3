//! The pane of fields.

use hashbrown::HashSet;
use ratatui::buffer::Buffer;

use crate::base::{BufferId, Span};
use crate::capture::Process;
use crate::field;
use crate::tui::app::{App, Pane, scroll};
use crate::tui::canvas::{Canvas, Parts, folded};
use crate::tui::opener::{GONE, Shown};
use crate::tui::theme::mark;
use crate::tui::values;
use crate::view::clean::clean;

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
    /// Lines that the selected one takes beyond its own: it is shown whole.
    pub(super) extra: usize,
    folded: HashSet<usize>,
    findings: usize,
    /// Name and number of the field that was selected last: the next event of the
    /// same shape selects it again.
    last: Option<(&'static str, usize)>,
}

impl Tree {
    /// Another event.
    pub(super) fn show(&mut self, shown: &Shown) {
        let tree = &shown.detail.tree;
        let nodes = tree.nodes();
        self.folded.clear();
        self.folded.extend((0..nodes.len()).filter(|i| is_plain_member(tree, *i)));
        self.findings = shown.event.draft.findings.len();
        let again = self.last.and_then(|(name, n)| {
            let mut same = nodes.iter().enumerate().filter(|(_, x)| x.spec.name == name);
            same.nth(n).map(|(i, _)| i)
        });
        if let Some(i) = again {
            self.reveal(tree, i);
        }
        self.unfold(tree);
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

    /// Unfolds what a field is in; gives whether it was folded.
    fn reveal(&mut self, tree: &field::Tree, i: usize) -> bool {
        let mut parent = tree.nodes().get(i).and_then(|n| n.parent);
        let mut changed = false;
        while let Some(p) = parent {
            changed |= self.folded.remove(&(p.0 as usize));
            parent = tree.get(p).and_then(|n| n.parent);
        }
        changed
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
        if self.reveal(tree, i) {
            self.unfold(tree);
        }
        self.at = self.lines.iter().position(|l| *l == Line::Node(i)).unwrap_or(self.at);
        self.remember(Some(tree));
        Some(span)
    }

    /// Scrolls the selected line into view, with the lines that it takes beyond its own.
    pub(super) fn layout(&mut self, height: usize, extra: usize) {
        self.extra = extra;
        let height = height.saturating_sub(extra).max(1);
        self.top = scroll(self.top, self.at, height, self.lines.len());
    }

    /// The line that is drawn at line `y` of the pane, counted from 0 below its title.
    pub(super) fn line_at(&self, y: usize) -> usize {
        let own = self.at.saturating_sub(self.top);
        let beyond = if self.at >= self.top { y.saturating_sub(own).min(self.extra) } else { 0 };
        self.top + y - beyond
    }
}

fn has_children(tree: &field::Tree, i: usize) -> bool {
    u32::try_from(i).is_ok_and(|i| tree.has_children(field::NodeId(i)))
}

/// A member of an object whose value is no object and no array: its line says it all, and what
/// is below it says where it stands.
fn is_plain_member(tree: &field::Tree, i: usize) -> bool {
    let nodes = tree.nodes();
    let Some(n) = nodes.get(i).filter(|n| n.spec.name.ends_with(".member")) else { return false };
    let below = nodes.iter().enumerate().skip(i + 1).take_while(|(_, x)| x.depth > n.depth);
    n.note.is_some() && below.into_iter().all(|(i, _)| !has_children(tree, i))
}

/// Draws the pane.
pub(super) fn draw(app: &App, buffer: &mut Buffer) {
    let focused = app.focus == Pane::Tree;
    let mut c = Canvas::new(buffer, app.panes.tree);
    let theme = app.theme;
    let Some(s) = app.current() else {
        c.title("Fields", theme.title(focused), theme.quiet());
        if app.selected.is_some() && app.unreadable == app.selected {
            let text = match app.let_go {
                true => format!("Not to be opened: {GONE}."),
                false => "The capture cannot be read again at this place.".to_owned(),
            };
            c.text(1, 1, &text, theme.notice());
        }
        return;
    };
    let d = &s.event.draft;
    let number = match s.item {
        crate::tui::rows::Item::Row(_) => format!("event {}", s.number),
        crate::tui::rows::Item::Packet(p) => format!("packet {p}"),
    };
    let cut = match (d.complete, d.inferred) {
        (true, false) => "",
        (true, true) => ", inferred",
        (false, false) => ", incomplete",
        (false, true) => ", incomplete, inferred",
    };
    let ends = s.conversation.as_ref().map_or_else(String::new, |i| {
        let whose = |p: Option<&Process>| {
            p.map_or_else(String::new, |p| format!(" {}", clean(&p.to_string())))
        };
        let (sends, takes) = i.from_to_process(d.sender);
        let (sends, takes) = (whose(sends), whose(takes));
        match (i.from_to(d.sender), d.sender) {
            ((from, to), Some(_)) => format!(", {from}{sends} → {to}{takes}"),
            ((from, to), None) => format!(", {from}{sends} ↔ {to}{takes}"),
        }
    });
    // Not `grpc message message`.
    let level = if d.kind == d.level.name() { "" } else { d.level.name() };
    let what = format!("{} {} {level}", d.protocol, d.kind);
    let title = format!("{number}: {}{cut}{ends}", what.trim_end());
    c.title(&title, theme.title(focused), theme.quiet());
    let (mut y, width) = (1, c.width());
    for (at, line) in app.tree.lines.iter().enumerate().skip(app.tree.top) {
        if y >= c.height() {
            break;
        }
        let (indent, parts) = parts(app, s, *line);
        let most = if at == app.tree.at { app.tree.extra + 1 } else { 1 };
        for (n, part) in folded(&parts, indent, indent + HANG, width, most).iter().enumerate() {
            let mut x = if n == 0 { indent } else { (indent + HANG).min(width / 2) };
            for (text, style) in part {
                x = c.text(x, y, text, *style);
            }
            if at == app.tree.at {
                c.style(0, y, width, theme.selected(focused));
            }
            y += 1;
        }
    }
    if s.detail.tree.nodes().is_empty() {
        c.text(1, 1, "no fields", theme.quiet());
    }
}

/// Columns by which the second line of a field stands in.
const HANG: u16 = 4;

/// Lines that the selected line takes beyond its own, in a pane of this size.
pub(super) fn extra(app: &App, width: u16, height: u16) -> usize {
    let line = app.tree.lines.get(app.tree.at).copied();
    let Some((s, line)) = app.current().zip(line) else { return 0 };
    let (indent, parts) = parts(app, s, line);
    // The title, and the lines above and below.
    let most = usize::from(height.saturating_sub(3)).max(1);
    folded(&parts, indent, indent + HANG, width, most).len() - 1
}

/// A line, and where it begins.
fn parts(app: &App, s: &Shown, line: Line) -> (u16, Parts) {
    let (theme, plain) = (app.theme, ratatui::style::Style::new());
    let mut parts = Parts::new();
    let i = match line {
        Line::Finding(i) => {
            if let Some(f) = s.event.draft.findings.get(i) {
                let style = theme.severity(f.spec.severity);
                parts.push((format!("{} {}", mark(f.spec.severity), f.spec.code), style));
                let what = f.detail.as_deref().unwrap_or(f.spec.meaning);
                parts.push((format!(" {what}"), plain));
            }
            return (0, parts);
        }
        Line::Node(i) => i,
    };
    let Some(n) = s.detail.tree.nodes().get(i) else { return (0, parts) };
    let fold = match (has_children(&s.detail.tree, i), app.tree.folded.contains(&i)) {
        (true, true) => "▸ ",
        (true, false) => "▾ ",
        _ => "  ",
    };
    parts.push((fold.to_owned(), theme.quiet()));
    parts.push((values::label(n).to_owned(), theme.label()));
    let value = values::value(n, Some(&s.buffers));
    if !value.is_empty() {
        parts.push((": ".to_owned(), theme.label()));
        parts.push((value, plain));
    }
    if let Some(note) = &n.note {
        parts.push((format!(" ({note})"), theme.quiet()));
    }
    (n.depth.saturating_mul(2).min(40), parts)
}
