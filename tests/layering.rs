//! Imports go one way: checked by reading the sources.
//!
//! `base ← field, finding ← facts ← event ← {capture, link, proto} ← flow ←
//! {engine, schema} ← index ← view ← {tui, cli} ← main`. Siblings do not import each
//! other; no protocol imports another; `proto` does no I/O, reads no clock and
//! spawns no thread; what comes from outside stays where it belongs; `unsafe`
//! stands only in a file that says why. Test code is exempt.
//!
//! The sources are cut into tokens, so comments, strings and the form of a
//! `use` do not matter; names that are imported under another name are followed
//! no further than the import.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The layers, lowest first; modules of one layer do not see each other.
const LAYERS: &[&[&str]] = &[
    &["base"],
    &["field", "finding"],
    &["facts"],
    &["event"],
    &["capture", "link", "proto"],
    &["flow"],
    // Schemas are read from files, so not by `proto`.
    &["engine", "schema"],
    // Runs conversations again: decision 0002.
    &["index"],
    &["view"],
    &["tui", "cli"],
    &["main"],
];

/// Crates that stay in one place, and where.
const AT_HOME: &[(&str, &[&str])] = &[
    ("ratatui", &["tui"]),
    // The runner in `cli` may set the terminal up and back.
    ("crossterm", &["tui", "cli"]),
    ("etherparse", &["link"]),
    ("pcap_parser", &["capture"]),
    ("libc", &["capture"]),
    ("clap", &["cli", "main"]),
    ("clap_complete", &["cli", "main"]),
    ("clap_mangen", &["cli", "main"]),
];

/// What `proto` must not touch: I/O, clocks, threads.
const NOT_IN_PROTO: &[&str] = &[
    "std::fs",
    "std::thread",
    "std::process",
    "std::env",
    "std::os",
    "std::time::Instant",
    "std::time::SystemTime",
    "std::net::TcpStream",
    "std::net::TcpListener",
    "std::net::UdpSocket",
    "std::net::ToSocketAddrs",
    "std::io::stdin",
    "std::io::stdout",
    "std::io::stderr",
    "tokio",
];

/// What protocols share, in more than one file.
const SEAMS: [&str; 1] = ["codings"];
/// What the decoders in `proto/payload` share; of each other they know nothing.
const SHARED_BY_PAYLOADS: &[&str] = &["common", "names", "rules", "format"];

// ---------------------------------------------------------------- tokens

#[derive(Clone, Debug, PartialEq)]
enum Token {
    /// An identifier, a keyword or a number.
    Word(String),
    /// `::`
    Sep,
    /// Anything else, a character at a time.
    Punct(char),
}

/// The tokens of a Rust source with their lines; no comments, no literals.
fn tokens(source: &str) -> Vec<(Token, usize)> {
    let c: Vec<char> = source.chars().collect();
    let at = |i: usize| c.get(i).copied().unwrap_or('\0');
    let (mut out, mut i, mut line) = (Vec::new(), 0, 1);
    while i < c.len() {
        let start = i;
        match at(i) {
            '/' if at(i + 1) == '/' => {
                while i < c.len() && at(i) != '\n' {
                    i += 1;
                }
            }
            '/' if at(i + 1) == '*' => {
                let mut depth = 0;
                loop {
                    match (at(i), at(i + 1)) {
                        ('/', '*') => (depth, i) = (depth + 1, i + 2),
                        ('*', '/') => (depth, i) = (depth - 1, i + 2),
                        _ => i += 1,
                    }
                    if depth == 0 || i >= c.len() {
                        break;
                    }
                }
            }
            '"' => i = after_string(&c, i),
            '\'' => {
                // 'x' and '\n' are characters, 'x without a quote a lifetime.
                if at(i + 1) == '\\' {
                    i += 3;
                    while i < c.len() && at(i) != '\'' {
                        i += 1;
                    }
                    i += 1;
                } else if at(i + 2) == '\'' {
                    i += 3;
                } else {
                    i += 1;
                }
            }
            x if x.is_alphanumeric() || x == '_' => {
                while at(i).is_alphanumeric() || at(i) == '_' {
                    i += 1;
                }
                let word: String = c[start..i].iter().collect();
                let raw = matches!(word.as_str(), "r" | "br" | "cr");
                if raw && (at(i) == '"' || at(i) == '#') {
                    let hashes = c[i..].iter().take_while(|&&x| x == '#').count();
                    if at(i + hashes) == '"' {
                        i += hashes + 1;
                        while i < c.len()
                            && !(at(i) == '"' && (1..=hashes).all(|n| at(i + n) == '#'))
                        {
                            i += 1;
                        }
                        i += hashes + 1;
                    } else {
                        // r#type: the word follows.
                        i += hashes;
                    }
                } else if matches!(word.as_str(), "b" | "c") && at(i) == '"' {
                    i = after_string(&c, i);
                } else {
                    out.push((Token::Word(word), line));
                }
            }
            ':' if at(i + 1) == ':' => {
                out.push((Token::Sep, line));
                i += 2;
            }
            x => {
                if !x.is_whitespace() {
                    out.push((Token::Punct(x), line));
                }
                i += 1;
            }
        }
        line += c[start..i.min(c.len())].iter().filter(|&&x| x == '\n').count();
    }
    out
}

/// The index behind the string literal that begins at `i`.
fn after_string(c: &[char], mut i: usize) -> usize {
    i += 1;
    while i < c.len() && c[i] != '"' {
        i += if c[i] == '\\' { 2 } else { 1 };
    }
    i + 1
}

// ---------------------------------------------------------------- paths

/// A path that a source names.
#[derive(Debug, PartialEq)]
struct Named {
    path: Vec<String>,
    line: usize,
    /// It stands in a `use`.
    import: bool,
}

/// What a source names, and which of its file modules are for tests.
#[derive(Debug, Default)]
struct Source {
    names: Vec<Named>,
    test_modules: Vec<Vec<String>>,
    /// Lines with `unsafe`.
    hazards: Vec<usize>,
    /// `allow(unsafe_code, reason = …)` stands somewhere.
    says_why: bool,
}

struct Scan<'a> {
    t: &'a [(Token, usize)],
    i: usize,
    /// Path of the module that `i` is in.
    module: Vec<String>,
    out: Source,
}

impl Scan<'_> {
    fn word(&self, i: usize) -> Option<&str> {
        match self.t.get(i) {
            Some((Token::Word(w), _)) => Some(w),
            _ => None,
        }
    }

    fn is(&self, i: usize, p: char) -> bool {
        matches!(self.t.get(i), Some((Token::Punct(x), _)) if *x == p)
    }

    fn sep(&self, i: usize) -> bool {
        matches!(self.t.get(i), Some((Token::Sep, _)))
    }

    /// The index behind the bracket that matches the one at `i`.
    fn behind(&self, mut i: usize, open: char, close: char) -> usize {
        let mut depth = 0;
        while i < self.t.len() {
            if self.is(i, open) {
                depth += 1;
            } else if self.is(i, close) {
                depth -= 1;
                if depth == 0 {
                    return i + 1;
                }
            }
            i += 1;
        }
        i
    }

    /// `crate`, `self` and `super` resolved.
    fn absolute(&self, path: &[String]) -> Vec<String> {
        let mut base = self.module.clone();
        let mut rest = path;
        match path.first().map(String::as_str) {
            Some("crate") => return path.to_vec(),
            Some("self") => rest = &path[1..],
            Some("super") => {
                while rest.first().is_some_and(|w| w == "super") {
                    base.pop();
                    rest = &rest[1..];
                }
            }
            _ => return path.to_vec(),
        }
        let mut all = vec!["crate".to_string()];
        all.extend(base);
        all.extend(rest.iter().cloned());
        all
    }

    fn name(&mut self, path: &[String], line: usize, import: bool) {
        if path.len() > 1 || import {
            let path = self.absolute(path);
            self.out.names.push(Named { path, line, import });
        }
    }

    /// One tree of a `use`, below `prefix`.
    fn tree(&mut self, prefix: &[String]) {
        let mut path = prefix.to_vec();
        let line = self.t.get(self.i).map_or(0, |t| t.1);
        loop {
            if self.sep(self.i) {
                self.i += 1;
            } else if self.is(self.i, '{') {
                self.i += 1;
                while self.i < self.t.len() && !self.is(self.i, '}') {
                    self.tree(&path);
                    if self.is(self.i, ',') {
                        self.i += 1;
                    }
                }
                self.i += 1;
                return;
            } else if self.is(self.i, '*') {
                self.i += 1;
                break;
            } else if let Some(w) = self.word(self.i) {
                if w == "as" {
                    self.i += 2;
                    break;
                }
                if w != "self" || path.is_empty() {
                    path.push(w.to_string());
                }
                self.i += 1;
            } else {
                break;
            }
        }
        self.name(&path, line, true);
        if !(self.is(self.i, ',') || self.is(self.i, '}') || self.is(self.i, ';')) {
            self.i += 1;
        }
    }

    /// Behind an attribute that says `cfg(test)`: the item is skipped, a file
    /// module noted.
    fn skip_item(&mut self) {
        while self.is(self.i, '#') {
            self.i = self.behind(self.i, '[', ']');
        }
        while self.i < self.t.len() {
            if self.word(self.i) == Some("mod") && self.is(self.i + 2, ';') {
                let mut path = self.module.clone();
                path.extend(self.word(self.i + 1).map(str::to_string));
                self.out.test_modules.push(path);
            }
            if self.is(self.i, ';') {
                self.i += 1;
                return;
            }
            if self.is(self.i, '{') {
                self.i = self.behind(self.i, '{', '}');
                // `use a::{b};` goes on to its semicolon.
                if self.is(self.i, ';') {
                    self.i += 1;
                }
                return;
            }
            self.i += 1;
        }
    }

    fn attribute(&mut self) {
        let end = self.behind(self.i, '[', ']');
        let words: Vec<&str> = (self.i..end).filter_map(|i| self.word(i)).collect();
        let has = |w| words.contains(&w);
        let test = has("cfg") && has("test") && !has("not");
        if (has("allow") || has("expect")) && has("unsafe_code") && has("reason") {
            self.out.says_why = true;
        }
        self.i = end;
        if test {
            self.skip_item();
        }
    }

    fn run(mut self) -> Source {
        // Braces open, and at which depth each inline module began.
        let (mut depth, mut inline) = (0_usize, Vec::new());
        while self.i < self.t.len() {
            if self.is(self.i, '#') && (self.is(self.i + 1, '[') || self.is(self.i + 1, '!')) {
                self.attribute();
                continue;
            }
            if self.is(self.i, '{') {
                depth += 1;
            } else if self.is(self.i, '}') {
                depth = depth.saturating_sub(1);
                if inline.last() == Some(&depth) {
                    inline.pop();
                    self.module.pop();
                }
            }
            let line = self.t[self.i].1;
            match self.word(self.i) {
                Some("use") => {
                    self.i += 1;
                    self.tree(&[]);
                    continue;
                }
                Some("mod") if self.is(self.i + 2, '{') => {
                    let name = self.word(self.i + 1).unwrap_or_default().to_string();
                    self.module.push(name);
                    inline.push(depth);
                    depth += 1;
                    self.i += 3;
                    continue;
                }
                Some("extern") if self.word(self.i + 1) == Some("crate") => {
                    let name = self.word(self.i + 2).unwrap_or_default().to_string();
                    self.name(&[name], line, true);
                    self.i += 3;
                    continue;
                }
                Some("unsafe") => self.out.hazards.push(line),
                Some(first) if self.sep(self.i + 1) => {
                    let mut path = vec![first.to_string()];
                    while self.sep(self.i + 1) {
                        let Some(w) = self.word(self.i + 2) else { break };
                        path.push(w.to_string());
                        self.i += 2;
                    }
                    self.name(&path, line, false);
                }
                _ => {}
            }
            self.i += 1;
        }
        self.out
    }
}

fn scan(module: &[String], source: &str) -> Source {
    let t = tokens(source);
    Scan { t: &t, i: 0, module: module.to_vec(), out: Source::default() }.run()
}

// ---------------------------------------------------------------- rules

/// The module path of a file below `src`; empty for `lib.rs`.
fn module_of(file: &Path) -> Vec<String> {
    let mut path: Vec<String> = file
        .with_extension("")
        .components()
        .map(|c| c.as_os_str().to_string_lossy().into_owned())
        .collect();
    if path.last().is_some_and(|w| w == "mod" || w == "lib") {
        path.pop();
    }
    path
}

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|l| l.contains(&module))
}

/// Why `module` must not name `path`, if it must not.
fn complaint(module: &[String], named: &Named, protocols: &BTreeSet<String>) -> Option<String> {
    let path: Vec<&str> = named.path.iter().map(String::as_str).collect();
    let top = module.first().map_or("", String::as_str);
    let joined = path.join("::");
    if let Some((_, homes)) = AT_HOME.iter().find(|(c, _)| path.first() == Some(c))
        && !homes.contains(&top)
    {
        return Some(format!("{joined} belongs in {} alone", homes.join(" and ")));
    }
    if top == "proto" {
        for forbidden in NOT_IN_PROTO {
            // Importing `std::time` whole would hide `time::Instant`.
            let whole = named.import
                && path.len() > 1
                && forbidden.strip_prefix(&joined).is_some_and(|r| r.starts_with("::"));
            let below =
                joined.strip_prefix(forbidden).is_some_and(|r| r.is_empty() || r.starts_with("::"));
            if whole || below {
                return Some(format!("proto must not use {joined}: no I/O, no clock, no thread"));
            }
        }
    }
    let ["crate", target, rest @ ..] = path.as_slice() else {
        return None;
    };
    if module.is_empty() || *target == top {
        // A protocol sees its own folder and the seams of `proto`.
        if top == "proto"
            && let (Some(mine), Some(theirs)) = (module.get(1), rest.first())
            && protocols.contains(mine)
            && mine != theirs
            && protocols.contains(*theirs)
        {
            return Some(format!("proto/{mine} must not import proto/{theirs} ({joined})"));
        }
        // Formats of messages are apart as protocols are.
        if let ["proto", "payload", mine, ..] =
            module.iter().map(String::as_str).collect::<Vec<_>>().as_slice()
            && let ["payload", theirs, ..] = rest
            && !SHARED_BY_PAYLOADS.contains(mine)
            && mine != theirs
            && !SHARED_BY_PAYLOADS.contains(theirs)
        {
            return Some(format!("payload/{mine} must not import payload/{theirs} ({joined})"));
        }
        return None;
    }
    match (layer(top), layer(target)) {
        (None, _) => Some(format!("`{top}` is in no layer")),
        (_, None) => Some(format!("{joined}: `{target}` is in no layer")),
        (Some(mine), Some(theirs)) if theirs == mine => {
            Some(format!("{top} and {target} are siblings ({joined})"))
        }
        (Some(mine), Some(theirs)) if theirs > mine => {
            Some(format!("{top} must not import {target}, which is above it ({joined})"))
        }
        _ => None,
    }
}

/// The complaints about a set of sources, each with its file and line.
fn check(files: &[(PathBuf, String)]) -> Vec<String> {
    let protocols: BTreeSet<String> = files
        .iter()
        .map(|(f, _)| module_of(f))
        .filter(|m| m.len() > 1 && m[0] == "proto" && !SEAMS.contains(&m[1].as_str()))
        .filter(|m| {
            let folder = Path::new("proto").join(&m[1]);
            files.iter().any(|(f, _)| f.starts_with(&folder))
        })
        .map(|m| m[1].clone())
        .collect();
    let scanned: Vec<(&PathBuf, Vec<String>, Source)> = files
        .iter()
        .map(|(f, s)| {
            let module = module_of(f);
            let source = scan(&module, s);
            (f, module, source)
        })
        .collect();
    let tests: Vec<&Vec<String>> = scanned.iter().flat_map(|(_, _, s)| &s.test_modules).collect();
    let mut out = Vec::new();
    for (file, module, source) in &scanned {
        if tests.iter().any(|t| module.starts_with(t)) {
            continue;
        }
        let mut say = |line: usize, what: String| {
            out.push(format!("src/{}:{line}: {what}", file.display()));
        };
        for named in &source.names {
            if let Some(what) = complaint(module, named, &protocols) {
                say(named.line, what);
            }
        }
        if !source.says_why {
            for line in &source.hazards {
                say(*line, "unsafe without `allow(unsafe_code, reason = …)`".into());
            }
        }
    }
    out
}

fn sources(folder: &Path, root: &Path, out: &mut Vec<(PathBuf, String)>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            sources(&path, root, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
            let text = fs::read_to_string(&path).unwrap();
            out.push((path.strip_prefix(root).unwrap().to_path_buf(), text));
        }
    }
}

#[test]
fn imports_go_one_way() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &root, &mut files);
    let inner = files
        .iter()
        .flat_map(|(f, s)| scan(&module_of(f), s).names)
        .filter(|n| n.path.first().is_some_and(|w| w == "crate"))
        .count();
    println!("layering: {} files, {inner} paths into the crate", files.len());
    assert!(files.len() > 20 && inner > 50, "the sources were not read");
    let complaints = check(&files);
    assert!(complaints.is_empty(), "\n{}\n", complaints.join("\n"));
}

// ---------------------------------------------------------------- self-test

/// Checks one source at `file` among an otherwise empty tree of protocols.
fn planted(file: &str, source: &str) -> String {
    let mut files = vec![
        (PathBuf::from("proto/http2/mod.rs"), String::new()),
        (PathBuf::from("proto/grpc/mod.rs"), String::new()),
        (PathBuf::from("proto/headers.rs"), String::new()),
    ];
    files.retain(|(f, _)| f != Path::new(file));
    files.push((PathBuf::from(file), source.into()));
    check(&files).join("\n")
}

#[test]
fn planted_defects_are_found() {
    for (file, source, expected) in [
        ("base/id.rs", "use crate::event::Event;", "above it"),
        ("proto/mod.rs", "use crate::{base::Span, link::Decoded};", "siblings"),
        ("proto/mod.rs", "fn f() { let x = crate::capture::open(); }", "siblings"),
        ("capture/mod.rs", "use super::proto::Machine;", "siblings"),
        ("view/text.rs", "use crate::tui;", "above it"),
        ("flow/tcp.rs", "use crate::engine::*;", "above it"),
        ("engine/mod.rs", "use crate::index::Index;", "above it"),
        ("proto/grpc/machine.rs", "use crate::proto::http2::Frame;", "must not import proto/http2"),
        ("proto/grpc/machine.rs", "use super::super::http2;", "must not import proto/http2"),
        (
            "proto/grpc/machine.rs",
            "use crate::proto::{Input, http2 as h};",
            "must not import proto/http2",
        ),
        (
            "proto/grpc/deep/er.rs",
            "fn f(x: super::super::super::http2::X) {}",
            "must not import proto/http2",
        ),
        (
            "proto/grpc/mod.rs",
            "mod a { use super::super::http2::X; }",
            "must not import proto/http2",
        ),
        (
            "proto/payload/wamp.rs",
            "use crate::proto::payload::mqtt::words;",
            "must not import payload/mqtt",
        ),
        ("proto/payload/mqtt/packet.rs", "use super::super::json;", "must not import payload/json"),
        ("proto/grpc/machine.rs", "use std::time::Instant;", "no clock"),
        ("proto/grpc/machine.rs", "use std::time;", "no clock"),
        ("proto/grpc/machine.rs", "use std::{fmt, thread};", "no thread"),
        ("proto/mod.rs", "fn f() { std::fs::read(\"x\"); }", "no I/O"),
        ("proto/mod.rs", "use std::net::{IpAddr, TcpStream};", "no I/O"),
        ("proto/mod.rs", "use std::net::*;", "no I/O"),
        ("view/mod.rs", "use ratatui::text::Line;", "belongs in tui"),
        ("flow/mod.rs", "fn f() { etherparse::checksum::x() }", "belongs in link"),
        ("engine/mod.rs", "use clap::Parser;", "belongs in cli"),
        ("capture/live.rs", "fn f() { unsafe { g() } }", "unsafe without"),
        ("capture/live.rs", "#![allow(unsafe_code)] fn f() { unsafe { g() } }", "unsafe without"),
        ("stray/mod.rs", "use crate::base::Span;", "in no layer"),
        ("proto/mod.rs", "use crate::Shortcut;", "in no layer"),
        ("proto/mod.rs", "#[cfg(not(test))] use crate::link::X;", "siblings"),
        (
            "proto/mod.rs",
            "/* /* nested */ */ const C: char = '\"'; use crate::link::X; const D: char = '\"';",
            "siblings",
        ),
    ] {
        let found = planted(file, source);
        assert!(found.contains(expected), "{file}: {source}\nexpected {expected:?}, got {found:?}");
        assert!(found.contains(&format!("src/{file}:1: ")), "{found}");
    }
}

#[test]
fn what_is_allowed_passes() {
    for (file, source) in [
        (
            "proto/grpc/machine.rs",
            "use crate::proto::{Input, headers::Headers}; use super::fields;",
        ),
        ("proto/payload/mqtt/packet.rs", "use super::fields; use super::super::common::Sheet;"),
        ("proto/grpc/machine.rs", "// use crate::proto::http2;\n/// [`crate::engine`]\nfn f() {}"),
        ("proto/mod.rs", "pub mod http2; pub mod grpc; use crate::proto::{grpc, http2};"),
        ("proto/mod.rs", "use std::net::IpAddr; use std::time::Duration; use std::io::Read;"),
        ("proto/mod.rs", "const S: &str = r#\"use crate::link::X; \"unsafe\"\"#;"),
        ("proto/mod.rs", "fn f<'a>(x: &'a str) -> char { '\\'' }"),
        (
            "proto/mod.rs",
            "#[cfg(test)]\nmod tests { use crate::engine::X; fn f() { std::fs::read(\"\"); } }",
        ),
        ("proto/mod.rs", "#[cfg(test)] use crate::engine::{X}; fn g() {}"),
        ("engine/mod.rs", "use crate::{base, event, proto, flow, capture};"),
        ("tui/mod.rs", "use ratatui::Frame; use crate::view::Row; use crate::index::Rows;"),
        ("main.rs", "use framescope::cli; fn main() { cli::run() }"),
        (
            "capture/live.rs",
            "#![allow(unsafe_code, reason = \"sockets\")] fn f() { unsafe { g() } }",
        ),
    ] {
        assert_eq!(planted(file, source), "", "{file}: {source}");
    }
    // A file that is declared as a test module is one.
    let files = [
        ("proto/mod.rs", "#[cfg(test)]\n#[allow(dead_code)]\npub(crate) mod harness;"),
        ("proto/harness.rs", "use crate::engine::Engine;"),
    ]
    .map(|(f, s)| (PathBuf::from(f), s.to_string()));
    assert_eq!(check(&files), Vec::<String>::new());
}
