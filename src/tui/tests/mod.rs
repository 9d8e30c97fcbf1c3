//! Screens over fixtures: a reader and a worker that run in the test's thread.

mod decode;
mod marks;
mod screens;
mod sizes;
mod tour;
mod travel;

use std::path::{Path, PathBuf};
use std::sync::{Arc, RwLock};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers, MouseButton, MouseEvent, MouseEventKind};
use ratatui::Terminal;
use ratatui::backend::TestBackend;
use ratatui::style::Modifier;

use crate::capture::bpf::{self, Filtered};
use crate::capture::{OpenOptions, Source, open};
use crate::engine::Options;
use crate::index::{Index, Progress, Reader, Reloader};
use crate::tui::app::{Action, App};
use crate::tui::draw::draw;
use crate::tui::opener::Opener;
use crate::tui::rows::Item;
use crate::tui::theme::Theme;
use crate::tui::worker::Worker;

/// The interface without threads.
struct Bench {
    app: App,
    worker: Worker,
    terminal: Terminal<TestBackend>,
}

fn fixture(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures").join(name);
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(&folder).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    let is_capture = |p: &PathBuf| p.file_name().unwrap().to_string_lossy().starts_with("capture");
    files.into_iter().find(is_capture).unwrap_or_else(|| panic!("no fixture {name}"))
}

impl Bench {
    /// Opens a fixture on a screen of this size; all of it is read.
    fn open(name: &str, width: u16, height: u16) -> Self {
        Self::of(&fixture(name), width, height)
    }

    fn of(path: &Path, width: u16, height: u16) -> Self {
        Self::behind(path, None, width, height)
    }

    /// The same behind a capture filter.
    fn behind(path: &Path, filter: Option<&str>, width: u16, height: u16) -> Self {
        let source = open(path, OpenOptions { reload: true }).unwrap();
        let source = Filtered::wrap(source, filter.map(|f| bpf::compile(f).unwrap()));
        let mut bench = Self::read(source, Options::default(), width, height);
        bench.app.filtered = filter.is_some();
        bench.settle();
        bench
    }

    fn read(source: Box<dyn Source>, options: Options, width: u16, height: u16) -> Self {
        let index = Arc::new(RwLock::new(Index::new()));
        let store = source.store().unwrap();
        let mut reader = Reader::new(source, options.clone(), Arc::clone(&index));
        while reader.step().unwrap() != Progress::Ended {}
        let reloader = Reloader::new(Arc::clone(&index), store, options);
        let worker = Worker::new(Opener::new(Arc::clone(&index), reloader));
        let mut app = App::new(index, Theme { colour: true }, "capture.pcap".to_owned());
        app.progress = Progress::Ended;
        let terminal = Terminal::new(TestBackend::new(width, height)).unwrap();
        let mut bench = Self { app, worker, terminal };
        bench.settle();
        bench
    }

    /// Draws and grants wishes until there are none.
    fn settle(&mut self) {
        for _ in 0..200 {
            self.app.grow();
            self.terminal.draw(|f| draw(&mut self.app, f)).unwrap();
            let mut wishes = self.app.wishes();
            let mut granted = false;
            while let Some(reply) = self.worker.step(&mut wishes) {
                granted = true;
                self.app.reply(reply);
            }
            if !granted && !self.app.behind && !self.app.timeline.stale {
                return;
            }
        }
        panic!("the screen never comes to rest");
    }

    fn press(&mut self, keys: &[KeyCode]) {
        for k in keys {
            let modifiers = KeyModifiers::NONE;
            assert_ne!(self.app.key(KeyEvent::new(*k, modifiers)), Action::Quit);
            self.settle();
        }
    }

    fn type_in(&mut self, text: &str) {
        let keys: Vec<KeyCode> = text.chars().map(KeyCode::Char).collect();
        self.press(&keys);
    }

    fn mouse(&mut self, kind: MouseEventKind, column: u16, row: u16) {
        let modifiers = KeyModifiers::NONE;
        self.app.mouse(MouseEvent { kind, column, row, modifiers });
        self.settle();
    }

    fn click(&mut self, column: u16, row: u16) {
        self.mouse(MouseEventKind::Down(MouseButton::Left), column, row);
        self.mouse(MouseEventKind::Up(MouseButton::Left), column, row);
    }

    /// The screen as text, without blanks at the ends of lines.
    fn screen(&self) -> String {
        let buffer = self.terminal.backend().buffer();
        let mut out = String::new();
        for y in 0..buffer.area.height {
            out.push_str(self.line(y).trim_end());
            out.push('\n');
        }
        out
    }

    fn line(&self, y: u16) -> String {
        let buffer = self.terminal.backend().buffer();
        let mut out = String::new();
        let mut skip = 0;
        for x in 0..buffer.area.width {
            let symbol = buffer[(x, y)].symbol();
            if skip > 0 {
                skip -= 1;
                continue;
            }
            skip = unicode_width::UnicodeWidthStr::width(symbol).saturating_sub(1);
            out.push_str(symbol);
        }
        out
    }

    /// The reversed text of the hex columns of the bytes' pane.
    fn marked(&self) -> String {
        let area = self.app.panes.hex;
        let buffer = self.terminal.backend().buffer();
        let columns = u16::try_from(self.app.hex.per_row).unwrap() * 3;
        let mut out = String::new();
        for y in area.y + 1..area.bottom() {
            for x in area.x + 7..area.x + 7 + columns {
                let cell = &buffer[(x, y)];
                if cell.modifier.contains(Modifier::REVERSED) {
                    out.push_str(cell.symbol());
                } else if !out.ends_with(' ') {
                    out.push(' ');
                }
            }
        }
        out.trim().to_owned()
    }

    /// Selects the first row of the list whose line has this text.
    fn go(&mut self, text: &str) {
        self.press(&[KeyCode::Home]);
        for _ in 0..self.app.rows.len() {
            let item = self.app.selected.unwrap();
            if self.app.lines.get(&item).is_some_and(|l| l.summary.contains(text)) {
                return;
            }
            self.press(&[KeyCode::Down]);
        }
        panic!("no row with {text}");
    }

    /// Selects the first field with this label.
    fn field(&mut self, label: &str) {
        while self.app.focus != crate::tui::app::Pane::Tree {
            self.press(&[KeyCode::Tab]);
        }
        self.press(&[KeyCode::Home]);
        for _ in 0..self.app.tree.lines.len() {
            let s = self.app.current().unwrap();
            let node = self.app.tree.node().and_then(|i| s.detail.tree.nodes().get(i));
            if node.is_some_and(|n| crate::tui::values::label(n) == label) {
                return;
            }
            self.press(&[KeyCode::Down]);
        }
        panic!("no field {label} in\n{}", self.screen());
    }

    fn summary(&self) -> &str {
        let item = self.app.selected.unwrap();
        &self.app.lines.get(&item).unwrap().summary
    }

    fn row(&self) -> u32 {
        match self.app.selected {
            Some(Item::Row(r)) => r.0,
            other => panic!("{other:?} is no event"),
        }
    }
}
