//! The documentation is true: what it shows is what the program prints, what it
//! lists is what the tables hold, and the schema describes every line of JSON.
//!
//! `FRAMESCOPE_BLESS=1 cargo test --test docs` writes anew what is generated.
#![cfg(feature = "cli")]

#[path = "docs/schema.rs"]
mod schema;
#[cfg(all(unix, feature = "tui"))]
#[path = "docs/screen.rs"]
mod screen;
mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::Path;
use std::process::{Command, Stdio};

use base64::Engine as _;
use framescope::field::{FieldSpec, Kind};
use framescope::view::reference;
use serde_json::Value;
use support::{fixtures, root};

/// Pages whose blocks are checked.
const PAGES: [&str; 4] =
    ["README.md", "docs/JSON.md", "docs/FILTERS.md", "docs/ADDING-A-PROTOCOL.md"];

fn is_blessing() -> bool {
    std::env::var_os("FRAMESCOPE_BLESS").is_some()
}

/// The page must be `expected`, or is made so.
fn hold(page: &Path, expected: &str) {
    if is_blessing() {
        fs::write(page, expected).unwrap();
        return;
    }
    let found = fs::read_to_string(page).unwrap_or_default();
    if let Some((n, (a, b))) =
        found.lines().zip(expected.lines()).enumerate().find(|(_, (a, b))| a != b)
    {
        panic!(
            "{}, line {}: {a:?} should be {b:?}; FRAMESCOPE_BLESS=1 writes it anew",
            page.display(),
            n + 1
        );
    }
    assert_eq!(
        found.len(),
        expected.len(),
        "{}: FRAMESCOPE_BLESS=1 writes it anew",
        page.display()
    );
}

/// What the program prints, with its exit status where that is not 0.
fn framescope(args: &[&str], stdin: Option<&Path>) -> String {
    let mut command = Command::new(env!("CARGO_BIN_EXE_framescope"));
    command.args(args).current_dir(root()).env_remove("NO_COLOR").env("COLUMNS", "100");
    command.stdin(stdin.map_or_else(Stdio::null, |p| Stdio::from(File::open(p).unwrap())));
    let out = command.output().unwrap();
    let mut text = String::from_utf8(out.stdout).unwrap();
    text.push_str(&String::from_utf8(out.stderr).unwrap());
    if !out.status.success() {
        let _ = writeln!(text, "(exit status {})", out.status.code().unwrap_or(-1));
    }
    text
}

/// Runs the line of a console: `[cat FILE |] framescope ARGS… [| head -n N | tail -n 1]`.
fn run(line: &str) -> String {
    let mut stages: Vec<&str> = line.split(" | ").map(str::trim).collect();
    let mut stdin = None;
    if let Some(file) = stages[0].strip_prefix("cat ") {
        stdin = Some(root().join(file));
        stages.remove(0);
    }
    let mut heads = usize::MAX;
    if let Some(n) = stages.last().and_then(|s| s.strip_prefix("head -n ")) {
        heads = n.parse().unwrap();
        stages.pop();
    }
    let mut last_only = false;
    if stages.last() == Some(&"tail -n 1") {
        last_only = true;
        stages.pop();
    }
    // What others would make of a line of JSON.
    let others: Vec<&str> = stages.drain(1..).collect();
    let [one] = stages[..] else { panic!("`{line}` is more than this test can run") };
    let words = shell_words(one);
    assert_eq!(words[0], "framescope", "`{line}` runs something else");
    let args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
    let mut printed = framescope(&args, stdin.as_deref());
    if !others.is_empty() {
        printed = piped(printed, &others);
    }
    let skip = if last_only { printed.lines().count().saturating_sub(1) } else { 0 };
    printed.lines().skip(skip).take(heads).fold(String::new(), |all, l| all + l.trim_end() + "\n")
}

/// What `jq -j PATH`, `jq -r PATH`, `base64 -d` and `wc -c` make of it; they may not be installed.
fn piped(printed: String, stages: &[&str]) -> String {
    let mut bytes = printed.into_bytes();
    for stage in stages {
        bytes = match stage.split_once(' ') {
            Some(("jq", what)) => {
                let (option, path) = what.split_once(' ').unwrap();
                let v: Value = serde_json::from_slice(&bytes).unwrap();
                let v = v.pointer(&path.replace('.', "/")).and_then(Value::as_str).unwrap();
                let end = if option == "-r" { "\n" } else { "" };
                format!("{v}{end}").into_bytes()
            }
            Some(("base64", "-d")) => {
                base64::engine::general_purpose::STANDARD.decode(bytes.trim_ascii()).unwrap()
            }
            Some(("wc", "-c")) => format!("{}\n", bytes.len()).into_bytes(),
            _ => panic!("`{stage}` is not known here"),
        };
    }
    String::from_utf8(bytes).unwrap()
}

/// Words of a command line; single quotes hold a word together.
fn shell_words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quoted = false;
    for c in line.chars() {
        match c {
            '\'' => quoted ^= true,
            ' ' if !quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words.retain(|w| !w.is_empty());
    words
}

/// Whether what a page shows is what was printed: `…` stands for any text within
/// a line, and alone on a line for any number of lines.
fn shows(shown: &[&str], printed: &[&str]) -> bool {
    match shown {
        [] => printed.is_empty(),
        [first, rest @ ..] if first.trim() == "…" => {
            (0..=printed.len()).any(|n| shows(rest, &printed[n..]))
        }
        [first, rest @ ..] => {
            printed.first().is_some_and(|p| line_shows(first, p)) && shows(rest, &printed[1..])
        }
    }
}

fn line_shows(shown: &str, printed: &str) -> bool {
    let mut parts = shown.split('…');
    let Some(mut left) = printed.strip_prefix(parts.next().unwrap_or("")) else { return false };
    let parts: Vec<&str> = parts.collect();
    let Some((last, between)) = parts.split_last() else { return left.is_empty() };
    for part in between {
        let Some(at) = left.find(part) else { return false };
        left = &left[at + part.len()..];
    }
    left.ends_with(last)
}

/// The page with what its blocks show made true; panics where it is not and
/// nobody is blessing.
fn checked(page: &Path) -> String {
    let text = fs::read_to_string(page).unwrap();
    let mut out = String::new();
    let mut lines = text.lines().peekable();
    let mut commands = 0;
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        if let Some(args) = line.strip_prefix("<!-- json: ").and_then(|l| l.strip_suffix(" -->")) {
            out.push_str("```json\n");
            out.push_str(&wrapped(&run(args)));
            out.push_str("```\n");
            // What stood there before.
            if lines.peek() == Some(&"```json") {
                while lines.next_if(|l| *l != "```").is_some() {}
                lines.next();
            }
            commands += 1;
        }
        if let Some(what) = line.strip_prefix("<!-- screen: ").and_then(|l| l.strip_suffix(" -->"))
        {
            let mut old = String::new();
            if lines.next_if(|l| *l == "```text").is_some() {
                while let Some(l) = lines.next_if(|l| *l != "```") {
                    old += l;
                    old.push('\n');
                }
                lines.next();
            }
            let _ = write!(out, "```text\n{}```\n", screen_like(what, old));
            commands += 1;
        }
        for (mark, fence) in [("<!-- rust: ", "```rust"), ("<!-- text: ", "```text")] {
            let Some(what) = line.strip_prefix(mark).and_then(|l| l.strip_suffix(" -->")) else {
                continue;
            };
            let _ = write!(out, "{fence}\n{}```\n", excerpt(what));
            if lines.peek() == Some(&fence) {
                while lines.next_if(|l| *l != "```").is_some() {}
                lines.next();
            }
            commands += 1;
        }
        if line != "```console" {
            continue;
        }
        let mut block = Vec::new();
        while let Some(l) = lines.next_if(|l| *l != "```") {
            block.push(l);
        }
        let starts: Vec<usize> = (0..block.len()).filter(|i| block[*i].starts_with("$ ")).collect();
        assert_eq!(starts.first(), Some(&0), "{}: a console begins with a command", page.display());
        for (k, start) in starts.iter().enumerate() {
            let end = starts.get(k + 1).copied().unwrap_or(block.len());
            let command = &block[*start][2..];
            let shown = &block[start + 1..end];
            let printed = run(command);
            let printed: Vec<&str> = printed.lines().collect();
            let kept = if shows(shown, &printed) {
                shown
            } else if is_blessing() {
                printed.as_slice()
            } else {
                panic!(
                    "{}: `{command}` prints\n{}\nand not\n{}\nFRAMESCOPE_BLESS=1 writes it anew",
                    page.display(),
                    printed.join("\n"),
                    shown.join("\n")
                );
            };
            let _ = writeln!(out, "$ {command}");
            for l in kept {
                let _ = writeln!(out, "{l}");
            }
            commands += 1;
        }
    }
    assert!(commands > 0, "{} shows nothing", page.display());
    out
}

/// The screen after some keys, `ARGS :: KEYS` (`j*3`: three times), 100 columns wide; `old` where there
/// is no terminal interface. A machine under load may be seen too early.
fn screen_like(what: &str, old: String) -> String {
    #[cfg(all(unix, feature = "tui"))]
    {
        let (args, keys) = what.split_once(" :: ").unwrap_or((what, ""));
        let args: Vec<&str> = args.split(' ').collect();
        let keys: Vec<String> = keys
            .split_whitespace()
            .map(|k| match k.split_once('*') {
                Some((key, times)) => key.repeat(times.parse().unwrap()),
                None => k.replace("Tab", "\t"),
            })
            .collect();
        let mut seen = screen::screen(&args, &keys, 100, 28);
        for _ in 0..2 {
            if seen == old || is_blessing() {
                break;
            }
            seen = screen::screen(&args, &keys, 100, 28);
        }
        seen
    }
    #[cfg(not(all(unix, feature = "tui")))]
    {
        let _ = what;
        old
    }
}

/// A file of the project, or what stands in it from one line to the next that
/// begins with something, both included: `PATH`, `PATH :: FROM :: TO`. The last
/// line is indented as the first.
fn excerpt(what: &str) -> String {
    let mut parts = what.split(" :: ");
    let path = parts.next().unwrap_or_default();
    let text = fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"));
    let (from, to) = (parts.next(), parts.next());
    let Some(from) = from else { return text };
    let begins = |l: &&str| l.trim_start().starts_with(from);
    let lines: Vec<&str> = text.lines().skip_while(|l| !begins(l)).collect();
    assert!(!lines.is_empty(), "{path} has no line {from:?}");
    let indent = lines[0].len() - lines[0].trim_start().len();
    let is_last = |l: &&str| to.is_none_or(|to| l.get(indent..).is_some_and(|l| l.starts_with(to)));
    let len = 1 + lines.iter().position(is_last).expect("the last line");
    let cut = |l: &str| l.get(indent..).unwrap_or("").to_owned() + "\n";
    lines[..len].iter().map(|l| cut(l)).collect()
}

/// One JSON object over several lines: broken between its members.
fn wrapped(json: &str) -> String {
    const WIDTH: usize = 96;
    let json = json.trim_end();
    let inner = json.strip_prefix('{').and_then(|j| j.strip_suffix('}')).expect("one object");
    let mut out = String::from("{");
    let mut width = 1;
    for item in members(inner) {
        let long = item.len() > WIDTH;
        if width + item.len() > WIDTH && width > 1 {
            out.push_str("\n ");
            width = 1;
        }
        match item.split_once(":{") {
            Some((name, value)) if long => {
                let _ = write!(out, "{name}:{{");
                width += name.len() + 2;
                for part in members(value) {
                    if width + part.len() > WIDTH {
                        out.push_str("\n   ");
                        width = 3;
                    }
                    out.push_str(part);
                    width += part.len();
                }
            }
            _ => {
                out.push_str(item);
                width += item.len();
            }
        }
    }
    out.push_str("}\n");
    out
}

/// The members of an object, each with the comma behind it.
fn members(inner: &str) -> Vec<&str> {
    let (mut depth, mut quoted, mut escaped, mut from) = (0_i32, false, false, 0);
    let mut all = Vec::new();
    for (i, c) in inner.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '"' => quoted ^= true,
            '{' | '[' if !quoted => depth += 1,
            '}' | ']' if !quoted => depth -= 1,
            ',' if !quoted && depth <= 0 => {
                all.push(&inner[from..=i]);
                from = i + 1;
            }
            _ => {}
        }
    }
    all.push(&inner[from..]);
    all
}

#[test]
fn pages_show_what_is_printed() {
    for page in PAGES {
        let page = root().join(page);
        hold(&page, &checked(&page));
    }
}

#[test]
fn fields_and_findings_are_listed() {
    hold(&root().join("docs/FIELDS.md"), &reference::fields());
    hold(&root().join("docs/FINDINGS.md"), &reference::findings());
}

/// Every file that a page points to is there.
#[test]
fn links_lead_somewhere() {
    let mut links = 0;
    let docs = fs::read_dir(root().join("docs")).unwrap().map(|e| e.unwrap().path());
    let pages = ["README.md", "CHANGELOG.md", "fixtures/README.md"].map(|p| root().join(p));
    for page in docs.chain(pages).filter(|p| p.extension().is_some_and(|e| e == "md")) {
        let Ok(text) = fs::read_to_string(&page) else { continue };
        for target in text.split("](").skip(1).filter_map(|t| t.split(')').next()) {
            let file = target.split('#').next().unwrap_or(target);
            if file.is_empty() || file.contains("://") {
                continue;
            }
            assert!(page.parent().unwrap().join(file).exists(), "{}: {target}", page.display());
            links += 1;
        }
    }
    assert!(links > 5, "only {links} links");
}

/// Whether a value in `fields` is what FIELDS.md says of its field. In a packet
/// a header may come again within a tunnel.
fn fits(spec: &FieldSpec, value: &Value, level: &str) -> bool {
    if spec.repeated || level == "packet" && value.is_array() {
        let kind = if spec.header { Kind::Text } else { spec.kind };
        return value.as_array().is_some_and(|a| a.iter().all(|v| fits_one(kind, v)));
    }
    // A field of a header section that was sent twice, as `docs/JSON.md` has it.
    let twice = |a: &Vec<Value>| a.len() > 1 && a.iter().all(|v| fits_one(spec.kind, v));
    fits_one(spec.kind, value)
        || spec.name.starts_with("http.") && value.as_array().is_some_and(twice)
}

fn fits_one(kind: Kind, value: &Value) -> bool {
    match kind {
        Kind::Flag => value.is_boolean(),
        Kind::Unsigned | Kind::Enumerated | Kind::Duration => value.is_u64(),
        Kind::Signed => value.is_i64() || value.is_u64(),
        // NaN and the infinities are strings.
        Kind::Float => value.is_f64() || matches!(value.as_str(), Some("NaN" | "inf" | "-inf")),
        Kind::Bytes => value.as_str().is_some_and(|s| {
            s.len() % 2 == 0 && s.bytes().all(|b| b"0123456789abcdef".contains(&b))
        }),
        Kind::Text | Kind::Address => value.is_string(),
        Kind::Group | Kind::Data => false,
    }
}

/// Every line of every fixture at every level fits the schema, and every field
/// in it the table.
#[test]
fn the_schema_describes_every_line() {
    let text = fs::read_to_string(root().join("docs/event.schema.json")).unwrap();
    let schema = schema::Schema::new(serde_json::from_str(&text).unwrap());
    let specs: BTreeMap<&str, &FieldSpec> =
        reference::sections().into_iter().flat_map(|s| s.fields).map(|f| (f.name, f)).collect();
    let codes: BTreeMap<&str, &str> = reference::sections()
        .into_iter()
        .flat_map(|s| s.findings)
        .map(|f| (f.code, f.severity.name()))
        .collect();
    let mut bad: BTreeMap<String, String> = BTreeMap::new();
    let mut lines = 0;
    for (name, path) in fixtures() {
        let path = path.to_str().unwrap();
        for level in ["packet", "frame", "message", "exchange", "finding"] {
            let plain = ["print", "--format", "json", "-l", level, path];
            let mut printed = framescope(&plain, None);
            if level == "message" && name.starts_with("grpc") {
                printed +=
                    &framescope(&[&plain[..], &["--proto", "fixtures/proto"]].concat(), None);
            }
            for line in printed.lines() {
                let v: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
                lines += 1;
                assert_eq!(v["level"], level);
                if let Err(e) = schema.check(&v) {
                    bad.entry(e).or_insert_with(|| format!("{name}: {line}"));
                }
                for (field, value) in v["fields"].as_object().into_iter().flatten() {
                    if !specs.get(field.as_str()).is_some_and(|s| fits(s, value, level)) {
                        bad.entry(format!("field {field}"))
                            .or_insert_with(|| format!("{name}: {value}"));
                    }
                }
                let own = v["findings"].as_array().into_iter().flatten().chain(v.get("code"));
                for code in own.filter_map(Value::as_str) {
                    if !codes.contains_key(code) {
                        bad.entry(format!("finding {code}")).or_insert_with(|| name.clone());
                    }
                }
                if let Some(code) = v.get("code").and_then(Value::as_str) {
                    assert_eq!(codes.get(code).copied(), v["severity"].as_str(), "{line}");
                }
            }
        }
    }
    assert!(bad.is_empty(), "{} things do not fit: {bad:#?}", bad.len());
    assert!(lines > 3000, "only {lines} lines");
}

/// The schema is strict: what is not described is refused.
#[test]
fn the_schema_refuses_what_is_wrong() {
    let text = fs::read_to_string(root().join("docs/event.schema.json")).unwrap();
    let schema = schema::Schema::new(serde_json::from_str(&text).unwrap());
    let line = framescope(
        &["print", "--format", "json", "-c", "1", "fixtures/grpc-tonic/capture.pcap"],
        None,
    );
    let good: Value = serde_json::from_str(line.trim_end()).unwrap();
    assert_eq!(schema.check(&good), Ok(()));
    for name in good.as_object().unwrap().keys() {
        let mut without = good.clone();
        without.as_object_mut().unwrap().remove(name);
        assert!(schema.check(&without).is_err(), "{name} may be left out");
    }
    for (name, wrong) in [
        ("event", Value::from("1")),
        ("time", Value::from("today")),
        ("sender", Value::from("A")),
        ("level", Value::from("frames")),
        ("payload", Value::from("text")),
        ("more", Value::Null),
    ] {
        let mut other = good.clone();
        other[name] = wrong;
        assert!(schema.check(&other).is_err(), "{name} may be anything");
    }
}

#[test]
fn ellipses_stand_for_what_is_left_out() {
    assert!(shows(&["a", "…", "d e…g"], &["a", "b", "c", "d efg"]));
    assert!(shows(&["…"], &[]));
    assert!(!shows(&["a", "…", "d"], &["a", "b"]));
    assert!(!shows(&["a…c"], &["abcd"]));
    assert!(!shows(&["a"], &["a", "b"]));
    assert_eq!(members(r#""a":{"b":1,"c":2},"d":",""#), [r#""a":{"b":1,"c":2},"#, r#""d":",""#]);
}
