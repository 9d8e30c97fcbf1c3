//! What `stats --calls` and `stats --by` print.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::base::time::human;
use crate::engine::lineage::{By, Call, Parent};
use crate::index::calls::Calls;
use crate::index::spread::{Row, Spread};
use crate::proto::grpc::fields::status_name;
use crate::view::json::string;
use crate::view::table::{Align, Table, counted, grouped};

/// Appends the trees as a table of at most `rows` calls.
pub fn tree(out: &mut String, calls: &Calls, rows: usize, width: Option<usize>) {
    let walk = calls.walk();
    let linked = calls.parents.iter().flatten().count() as u64;
    let all = walk.len() as u64 + calls.more;
    let _ =
        writeln!(out, "{}, {} of them made for others\n", counted(all, "call"), grouped(linked));
    let mut t = Table::new(&[
        ("event", Align::Number),
        ("call", Align::Text),
        ("server", Align::Name),
        ("start", Align::Number),
        ("took", Align::Number),
        ("deadline", Align::Number),
        ("left above", Align::Number),
        ("status", Align::Name),
        ("known by", Align::Name),
        ("", Align::Name),
    ]);
    let first = walk.iter().filter_map(|(i, _)| calls.calls.get(*i)).map(|c| c.start.time).min();
    for (i, depth) in walk.iter().take(rows) {
        let Some(c) = calls.calls.get(*i) else { continue };
        let parent = calls.parents.get(*i).and_then(Option::as_ref);
        let lead =
            if *depth > 0 { format!("{}└ ", "  ".repeat(depth - 1)) } else { String::new() };
        let since = first.map_or(0, |f| c.start.time.since(f));
        let took = c.end.time.since(c.start.time);
        t.row([
            c.event.to_string(),
            format!("{lead}{}", c.name()),
            c.ends[1].to_string(),
            format!("+{}", human(since)),
            if c.complete { human(took) } else { "open".into() },
            c.facts.timeout_ns.map_or_else(|| "-".into(), human),
            parent.and_then(|p| p.left).map_or_else(|| "-".into(), human),
            status(c),
            parent.map_or_else(|| "-".into(), known),
            marks(c, parent, again(calls, *i)),
        ]);
    }
    t.write(out, width);
    let hidden = all.saturating_sub(rows as u64);
    if hidden > 0 {
        let more = counted(hidden, "call");
        let _ = writeln!(out, "and {} (--rows)", more.replacen(' ', " more ", 1));
    }
}

fn known(p: &Parent) -> String {
    match p.by {
        By::Span(header) => format!("{header} (span)"),
        by if p.sure => by.name().to_owned(),
        by => format!("{} (likely)", by.name()),
    }
}

fn again(calls: &Calls, i: usize) -> Option<&Call> {
    calls.retries.get(i).copied().flatten().and_then(|j| calls.calls.get(j))
}

/// What is remarkable about a call beside its numbers.
fn marks(c: &Call, parent: Option<&Parent>, again: Option<&Call>) -> String {
    let mut marks = Vec::new();
    if parent.is_some_and(|p| c.is_extended(p)) {
        marks.push("more than was left".to_owned());
    }
    if parent.is_some_and(|p| c.has_lost_deadline(p)) {
        marks.push("deadline not handed on".to_owned());
    }
    let stood_still = c.facts.verdict == "flow control";
    if c.facts.verdict == "deadline" || stood_still && c.facts.client_status == Some(4) {
        marks.push("deadline exceeded".to_owned());
    }
    if stood_still {
        marks.push("its data stood still".to_owned());
    }
    if let Some(before) = again {
        marks.push(format!("tries {} again", before.event));
    }
    marks.join(", ")
}

fn status(c: &Call) -> String {
    match (c.facts.status.or(c.facts.client_status), c.facts.verdict) {
        (Some(n), _) => status_name(n).map_or_else(|| n.to_string(), str::to_owned),
        (None, "") => "-".into(),
        (None, verdict) => verdict.to_owned(),
    }
}

/// Appends one JSON object and a line feed (`docs/JSON.md`).
pub fn tree_json(out: &mut Vec<u8>, calls: &Calls) {
    // Writing into a vector does not fail.
    let _ = write_tree(out, calls);
}

fn write_tree(out: &mut Vec<u8>, calls: &Calls) -> std::io::Result<()> {
    write!(out, "{{\"call_count\":{},\"calls\":[", calls.calls.len() as u64 + calls.more)?;
    let mut depth_before: Option<usize> = None;
    for (i, depth) in calls.walk() {
        let Some(c) = calls.calls.get(i) else { continue };
        match depth_before {
            None => {}
            Some(b) if depth > b => {}
            Some(b) => {
                for _ in depth..b {
                    out.write_all(b"]}")?;
                }
                out.write_all(b"]},")?;
            }
        }
        depth_before = Some(depth);
        write_call(out, calls, i, c)?;
    }
    if let Some(b) = depth_before {
        for _ in 0..=b {
            out.write_all(b"]}")?;
        }
    }
    out.write_all(b"]}\n")
}

/// One call, up to where its own calls stand.
fn write_call(out: &mut Vec<u8>, calls: &Calls, i: usize, c: &Call) -> std::io::Result<()> {
    let number = |n: Option<u64>| n.map_or_else(|| "null".to_owned(), |n| n.to_string());
    write!(out, "{{\"event\":{},\"conversation\":{}", c.event, c.conversation)?;
    write!(out, ",\"stream\":{},\"method\":", number(c.stream))?;
    string(out, c.name());
    let [client, server] = c.ends;
    write!(
        out,
        ",\"client\":\"{client}\",\"server\":\"{server}\",\"start_time\":\"{}\",\
         \"duration_ns\":{},\"complete\":{},\"timeout_ns\":{},\"status_code\":{},\
         \"client_status\":{},\"verdict\":\"{}\"",
        c.start.time,
        c.end.time.since(c.start.time),
        c.complete,
        number(c.facts.timeout_ns),
        number(c.facts.status),
        number(c.facts.client_status),
        c.facts.verdict,
    )?;
    match again(calls, i) {
        Some(before) => write!(out, ",\"retry_of\":{}", before.event)?,
        None => out.write_all(b",\"retry_of\":null")?,
    }
    match calls.parents.get(i).and_then(Option::as_ref) {
        Some(p) => write!(
            out,
            ",\"part_of\":{{\"event\":{},\"by\":\"{}\",\"sure\":{},\"left_ns\":{},\
             \"extended\":{},\"dropped\":{}}}",
            calls.calls.get(p.call).map_or(0, |c| c.event.0),
            p.by.name(),
            p.sure,
            number(p.left),
            c.is_extended(p),
            c.has_lost_deadline(p),
        )?,
        None => out.write_all(b",\"part_of\":null")?,
    }
    out.write_all(b",\"calls\":[")
}

/// Appends the counts as a table of at most `rows` rows.
pub fn spread(out: &mut String, s: &Spread, rows: usize, width: Option<usize>) {
    let mut columns = Vec::new();
    if s.every.is_some() {
        columns.push(("window", Align::Name));
    }
    columns.extend(s.by.iter().map(|k| (k.name(), Align::Text)));
    columns.extend([
        ("count", Align::Number),
        ("share", Align::Number),
        ("errors", Align::Number),
        ("cut", Align::Number),
        ("p50", Align::Number),
        ("p99", Align::Number),
        ("max", Align::Number),
        ("bytes up", Align::Number),
        ("down", Align::Number),
    ]);
    let mut t = Table::new(&columns);
    for r in s.rows.iter().take(rows) {
        let mut row = Vec::new();
        if s.every.is_some() {
            row.push(r.window.map_or_else(|| "-".to_owned(), |w| w.to_string()));
        }
        for i in 0..s.by.len() {
            row.push(r.values.get(i).cloned().unwrap_or_else(|| "(all further)".into()));
        }
        let c = &r.counts;
        row.extend([
            grouped(c.count),
            percent(s.share(r)),
            grouped(c.errors),
            grouped(c.unfinished),
        ]);
        row.extend(match (c.durations.percentiles([50, 99]), c.durations.max()) {
            (Some([a, b]), Some(max)) => [a, b, max].map(human),
            _ => std::array::from_fn(|_| "-".to_owned()),
        });
        row.extend(c.bytes.map(grouped));
        t.row(row);
    }
    t.write(out, width);
    let hidden = (s.rows.len() as u64).saturating_sub(rows as u64);
    if hidden > 0 {
        let _ = writeln!(out, "and {} more (--rows)", grouped(hidden));
    }
}

fn percent(thousandths: u64) -> String {
    format!("{}.{} %", thousandths / 10, thousandths % 10)
}

/// Appends one JSON object and a line feed (`docs/JSON.md`).
pub fn spread_json(out: &mut Vec<u8>, s: &Spread) {
    let _ = write_spread(out, s);
}

fn write_spread(out: &mut Vec<u8>, s: &Spread) -> std::io::Result<()> {
    let by: Vec<String> = s.by.iter().map(|k| format!("\"{k}\"")).collect();
    write!(out, "{{\"by\":[{}],\"every_ns\":", by.join(","))?;
    match s.every {
        Some(n) => write!(out, "{n}")?,
        None => out.write_all(b"null")?,
    }
    out.write_all(b",\"rows\":[")?;
    for (i, r) in s.rows.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write_row(out, s, r)?;
    }
    out.write_all(b"]}\n")
}

fn write_row(out: &mut Vec<u8>, s: &Spread, r: &Row) -> std::io::Result<()> {
    match r.window {
        Some(w) => write!(out, "{{\"window\":\"{w}\"")?,
        None => out.write_all(b"{\"window\":null")?,
    }
    for (i, key) in s.by.iter().enumerate() {
        write!(out, ",\"{key}\":")?;
        match r.values.get(i) {
            Some(v) => string(out, v),
            None => out.write_all(b"null")?,
        }
    }
    let c = &r.counts;
    write!(
        out,
        ",\"count\":{},\"errors\":{},\"unfinished\":{},\"duration_ns\":",
        c.count, c.errors, c.unfinished
    )?;
    match (c.durations.percentiles([50, 90, 99]), c.durations.max()) {
        (Some([a, b, d]), Some(max)) => {
            write!(out, "{{\"p50\":{a},\"p90\":{b},\"p99\":{d},\"max\":{max}}}")?;
        }
        _ => out.write_all(b"null")?,
    }
    let [up, down] = c.bytes;
    write!(out, ",\"bytes\":{{\"client\":{up},\"server\":{down}}}}}")
}
