//! Golden files: what is printed of every fixture, as text and as JSON.
//!
//! `FRAMESCOPE_BLESS=1 cargo test --test cases golden` writes them anew; what changed
//! is then read as a diff.

use std::path::Path;

use serde_json::Value;

use crate::{print, sha1, support};

/// A text or list longer than this stands as its length and hash.
const LONG: usize = 200;

/// No golden file may be larger: nobody reads more. What goes beyond it is a hash.
const LARGEST: usize = 60_000;

#[test]
fn golden() {
    let bless = std::env::var_os("FRAMESCOPE_BLESS").is_some();
    let mut wrong = Vec::new();
    for (name, path) in support::fixtures() {
        let folder = path.parent().expect("a capture is in a folder");
        for (file, now) in
            [("expect.txt", as_text(&name, &path)), ("expect.jsonl", as_json(&name, &path))]
        {
            let now = head(&now);
            let golden = folder.join(file);
            if bless {
                std::fs::write(&golden, now).unwrap();
                continue;
            }
            let then = std::fs::read_to_string(&golden).unwrap_or_default();
            if then != now {
                wrong.push(format!("{name}: {file}: {}", first_difference(&then, &now)));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{}\nif that is meant: FRAMESCOPE_BLESS=1 cargo test --test cases golden",
        wrong.join("\n")
    );
}

/// What is asked for besides the level: schemas for gRPC.
fn more(name: &str) -> Vec<&'static str> {
    let calls = ["grpc", "connect"].iter().any(|p| name.starts_with(p));
    if calls { vec!["--proto", "fixtures/proto"] } else { Vec::new() }
}

/// Messages, then exchanges, then findings; long lines are cut as in the JSON.
fn as_text(name: &str, path: &Path) -> String {
    let mut all = String::new();
    for level in ["message", "exchange", "finding"] {
        let mut args = more(name);
        args.extend(["--level", level]);
        all.push_str(&format!("--- {level}\n"));
        for line in print(path, &args).lines() {
            all.push_str(line);
            all.push('\n');
        }
    }
    all
}

/// Frames, messages and exchanges in the order of their numbers.
fn as_json(name: &str, path: &Path) -> String {
    let mut all: Vec<(u64, String)> = Vec::new();
    for level in ["frame", "message", "exchange"] {
        let mut args = more(name);
        args.extend(["--full", "--format", "json", "--level", level]);
        for line in print(path, &args).lines() {
            let mut v: Value = serde_json::from_str(line).unwrap();
            let number = v["event"].as_u64().expect("these are numbered");
            fold_headers(&mut v);
            brief(&mut v);
            all.push((number, v.to_string()));
        }
    }
    all.sort();
    let numbers: Vec<u64> = all.iter().map(|(n, _)| *n).collect();
    let expected: Vec<u64> = (1..=all.len() as u64).collect();
    assert_eq!(numbers, expected, "{name}: every number is given once, over the three levels");
    all.into_iter().map(|(_, l)| l + "\n").collect()
}

/// How each header field was coded is long and dull: one hash for all of it. Names
/// and values stay.
fn fold_headers(v: &mut Value) {
    let Some(fields) = v["fields"].as_object_mut() else { return };
    let keep = ["http2.header.name", "http2.header.value", "http2.header.count"];
    let dull =
        |k: &str| (k == "http2.headers" || k.starts_with("http2.header.")) && !keep.contains(&k);
    let coded: Vec<_> =
        fields.iter().filter(|(k, _)| dull(k)).map(|(k, v)| (k.clone(), v.clone())).collect();
    if !coded.is_empty() {
        fields.retain(|k, _| !dull(k));
        let hash = sha1(format!("{coded:?}").as_bytes());
        fields.insert("(coding)".into(), Value::from(&hash[..12]));
    }
}

/// Puts length and hash in the place of what is long.
fn brief(v: &mut Value) {
    let text = match v {
        Value::String(s) => s.clone(),
        Value::Array(_) => v.to_string(),
        _ => String::new(),
    };
    if text.len() > LONG {
        let kind = if v.is_array() { "list" } else { "text" };
        let hash = sha1(text.as_bytes());
        *v = Value::from(format!("({kind} of {} bytes, SHA-1 {})", text.len(), &hash[..12]));
        return;
    }
    match v {
        Value::Array(list) => list.iter_mut().for_each(brief),
        Value::Object(map) => map.values_mut().for_each(brief),
        _ => {}
    }
}

/// The first lines, and a hash of the others.
fn head(all: &str) -> String {
    let mut kept = String::new();
    let mut lines = all.split_inclusive('\n');
    for line in lines.by_ref() {
        if kept.len() + line.len() > LARGEST {
            let rest: String = std::iter::once(line).chain(lines).collect();
            let (count, hash) = (rest.lines().count(), sha1(rest.as_bytes()));
            return format!("{kept}(and {count} more lines, SHA-1 {})\n", &hash[..12]);
        }
        kept.push_str(line);
    }
    kept
}

fn first_difference(then: &str, now: &str) -> String {
    let (mut a, mut b) = (then.lines(), now.lines());
    let mut number = 0;
    loop {
        number += 1;
        match (a.next(), b.next()) {
            (Some(x), Some(y)) if x == y => {}
            (None, None) => return "only line ends differ".into(),
            (x, y) => {
                return format!(
                    "line {number}:\n  was {}\n  is  {}",
                    x.unwrap_or("(end)"),
                    y.unwrap_or("(end)")
                );
            }
        }
    }
}
