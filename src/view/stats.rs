//! What `stats` prints.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::base::time::human;
use crate::engine::Ledger;
use crate::flow::Transport;
use crate::index::stats::{Calls, Conversation, Stats};
use crate::view::clean::clean;
use crate::view::json::string;
use crate::view::table::{Align, Table, counted, grouped};

/// Appends tables for people, cut to `width` columns where there is a width. At most
/// `rows` conversations and `rows` methods are shown.
pub fn text(out: &mut String, stats: &Stats, rows: usize, width: Option<usize>) {
    let mut line = |text: String| {
        out.push_str(&clean(&text));
        out.push('\n');
    };
    let mut captured = format!("{} captured", counted(stats.captured, "byte"));
    if stats.on_wire != stats.captured {
        let _ = write!(captured, " of {} on the wire", grouped(stats.on_wire));
    }
    line(format!("{}, {captured}", counted(stats.packets, "packet")));
    if let Some((first, last)) = stats.span {
        line(format!("{first} to {last}, {}", human(last.since(first))));
    }
    let kinds: Vec<String> =
        stats.kinds.iter().map(|k| format!("{} {}", grouped(k.packets), k.name)).collect();
    if !kinds.is_empty() {
        line(format!("packets by kind: {}", kinds.join(", ")));
    }
    let [up, down, dissected, opaque, gaps] = bytes(&stats.ledger);
    line(format!(
        "{}: {up} bytes up, {down} down; {dissected} dissected, {opaque} opaque, {gaps} in gaps",
        counted(stats.conversation_count, "conversation"),
    ));
    if stats.conversation_count > 0 {
        out.push('\n');
        conversations(out, stats, rows, width);
    }
    if !stats.calls.is_empty() {
        out.push('\n');
        calls(out, stats, rows, width);
        beside_json(out, stats, rows, width);
    }
}

fn conversations(out: &mut String, stats: &Stats, rows: usize, width: Option<usize>) {
    let mut t = Table::new(&[
        ("#", Align::Number),
        ("client", Align::Text),
        ("server", Align::Text),
        ("protocols", Align::Text),
        ("packets", Align::Number),
        ("bytes up", Align::Number),
        ("down", Align::Number),
        ("duration", Align::Number),
        ("end", Align::Name),
        ("dissected", Align::Number),
        ("opaque", Align::Number),
        ("in gaps", Align::Number),
    ]);
    let known = stats.conversations.iter().filter_map(|c| Some((c, c.info.as_deref()?)));
    for (c, i) in known.take(rows) {
        let protocols = if i.protocols.is_empty() { "-".to_owned() } else { i.protocols.join(" ") };
        let [client, server] = i.ends.map(|e| e.to_string());
        let [up, down, dissected, opaque, gaps] = bytes(&i.ledger);
        let (duration, end) = (human(c.duration()), c.ending.name().to_owned());
        let number = i.id.to_string();
        t.row([
            number,
            client,
            server,
            protocols,
            grouped(c.packets),
            up,
            down,
            duration,
            end,
            dissected,
            opaque,
            gaps,
        ]);
    }
    t.write(out, width);
    more(out, stats.conversation_count, rows, "conversation");
}

/// Up, down, dissected, opaque, in gaps.
fn bytes(l: &Ledger) -> [String; 5] {
    let [up, down] = l.stream;
    let sum = |p: [u64; 2]| p.iter().sum::<u64>();
    [up, down, sum(l.dissected()), sum(l.opaque), sum(l.gap)].map(grouped)
}

fn calls(out: &mut String, stats: &Stats, rows: usize, width: Option<usize>) {
    let mut t = Table::new(&[
        ("protocol", Align::Name),
        ("method", Align::Text),
        ("count", Align::Number),
        ("errors", Align::Number),
        ("cut", Align::Number),
        ("p50", Align::Number),
        ("p90", Align::Number),
        ("p99", Align::Number),
        ("max", Align::Number),
        ("slowest event", Align::Number),
        ("messages up", Align::Number),
        ("down", Align::Number),
        ("bytes up", Align::Number),
        ("down", Align::Number),
    ]);
    for c in stats.calls.iter().take(rows) {
        let times = match (c.durations.percentiles([50, 90, 99]), c.durations.max()) {
            (Some([a, b, d]), Some(max)) => [a, b, d, max].map(human),
            _ => std::array::from_fn(|_| "-".to_owned()),
        };
        let mut row = vec![c.protocol.to_owned(), name(c).to_owned()];
        row.extend([c.count, c.errors, c.unfinished].map(grouped));
        row.extend(times);
        row.push(c.slowest.map_or_else(|| "-".to_owned(), |(id, _)| id.to_string()));
        row.extend(c.messages.map(grouped));
        row.extend(c.bytes.map(grouped));
        t.row(row);
    }
    t.write(out, width);
    more(out, stats.calls.len() as u64, rows, "method");
}

/// What protobuf saves, or does not, of this traffic.
fn beside_json(out: &mut String, stats: &Stats, rows: usize, width: Option<usize>) {
    let known: Vec<&Calls> = stats.calls.iter().filter(|c| c.json != [0; 2]).collect();
    if known.is_empty() {
        return;
    }
    let mut t = Table::new(&[
        ("messages beside JSON", Align::Text),
        ("protobuf up", Align::Number),
        ("JSON up", Align::Number),
        ("ratio", Align::Number),
        ("protobuf down", Align::Number),
        ("JSON down", Align::Number),
        ("ratio", Align::Number),
    ]);
    for c in known.iter().take(rows) {
        let mut row = vec![name(c).to_owned()];
        for (protobuf, json) in c.protobuf.into_iter().zip(c.json) {
            let ratio = if json == 0 {
                "-".to_owned()
            } else {
                format!("{:.2}", protobuf as f64 / json as f64)
            };
            row.extend([grouped(protobuf), grouped(json), ratio]);
        }
        t.row(row);
    }
    out.push('\n');
    t.write(out, width);
    more(out, known.len() as u64, rows, "method");
}

fn more(out: &mut String, all: u64, rows: usize, what: &str) {
    if let Some(n) = all.checked_sub(rows as u64).filter(|n| *n > 0) {
        let more = counted(n, what);
        let _ = writeln!(out, "and {} (--rows)", more.replacen(' ', " more ", 1));
    }
}

fn name(c: &Calls) -> &str {
    c.name.as_deref().unwrap_or("(all further methods)")
}

/// Appends one JSON object and a line feed (`docs/JSON.md`).
pub fn json(out: &mut Vec<u8>, stats: &Stats) {
    // Writing into a vector does not fail.
    let _ = write_json(out, stats);
}

fn write_json(out: &mut Vec<u8>, s: &Stats) -> std::io::Result<()> {
    write!(
        out,
        "{{\"packets\":{},\"captured_bytes\":{},\"wire_bytes\":{}",
        s.packets, s.captured, s.on_wire
    )?;
    match s.span {
        Some((first, last)) => write!(
            out,
            ",\"first_time\":\"{first}\",\"last_time\":\"{last}\",\"duration_ns\":{}",
            last.since(first)
        )?,
        None => out.write_all(b",\"first_time\":null,\"last_time\":null,\"duration_ns\":0")?,
    }
    out.write_all(b",\"kinds\":[")?;
    for (i, k) in s.kinds.iter().enumerate() {
        out.write_all(if i > 0 { b",{\"kind\":" } else { b"{\"kind\":" })?;
        string(out, &k.name);
        write!(out, ",\"packets\":{},\"captured_bytes\":{}}}", k.packets, k.bytes)?;
    }
    write!(out, "],\"findings\":{}", s.findings)?;
    ledger(out, "bytes", &s.ledger)?;
    write!(out, ",\"conversation_count\":{},\"conversations\":[", s.conversation_count)?;
    for (i, c) in s.conversations.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        conversation(out, c)?;
    }
    out.write_all(b"],\"calls\":[")?;
    for (i, c) in s.calls.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        call(out, c)?;
    }
    out.write_all(b"]}\n")
}

fn pair(out: &mut Vec<u8>, name: &str, [client, server]: [u64; 2]) -> std::io::Result<()> {
    write!(out, ",\"{name}\":{{\"client\":{client},\"server\":{server}}}")
}

fn ledger(out: &mut Vec<u8>, name: &str, l: &Ledger) -> std::io::Result<()> {
    let parts = |i: usize| {
        let of = |p: [u64; 2]| p.get(i).copied().unwrap_or(0);
        [of(l.stream), of(l.dissected()), of(l.opaque), of(l.gap)]
    };
    let side = |[all, dissected, opaque, gap]: [u64; 4]| {
        format!(
            "{{\"stream\":{all},\"dissected\":{dissected},\"opaque\":{opaque},\"in_gaps\":{gap}}}"
        )
    };
    write!(out, ",\"{name}\":{{\"client\":{},\"server\":{}}}", side(parts(0)), side(parts(1)))
}

fn conversation(out: &mut Vec<u8>, c: &Conversation) -> std::io::Result<()> {
    let Some(i) = &c.info else { return out.write_all(b"null") };
    let transport = match i.transport {
        Transport::Tcp => "tcp",
        Transport::Udp => "udp",
    };
    let [client, server] = i.ends;
    write!(
        out,
        "{{\"conversation\":{},\"transport\":\"{transport}\",\"index\":{},\
         \"client\":\"{client}\",\"server\":\"{server}\",\"roles_known\":{},\"protocols\":[",
        i.id, i.index, i.roles_known
    )?;
    for (n, p) in i.protocols.iter().enumerate() {
        write!(out, "{}\"{p}\"", if n > 0 { "," } else { "" })?;
    }
    write!(out, "],\"packets\":{}", c.packets)?;
    ledger(out, "bytes", &i.ledger)?;
    let (first, last) = c.span.unwrap_or((i.first.time, i.last.time));
    write!(
        out,
        ",\"first_time\":\"{first}\",\"last_time\":\"{last}\",\"duration_ns\":{}",
        c.duration()
    )?;
    match c.ending.name() {
        "-" => out.write_all(b",\"end\":null}"),
        end => write!(out, ",\"end\":\"{end}\"}}"),
    }
}

fn call(out: &mut Vec<u8>, c: &Calls) -> std::io::Result<()> {
    write!(out, "{{\"protocol\":\"{}\",\"method\":", c.protocol)?;
    match &c.name {
        Some(n) => string(out, n),
        None => out.write_all(b"null")?,
    }
    write!(
        out,
        ",\"count\":{},\"errors\":{},\"unfinished\":{},\"duration_ns\":",
        c.count, c.errors, c.unfinished
    )?;
    match (c.durations.percentiles([50, 90, 99]), c.durations.max()) {
        (Some([a, b, d]), Some(max)) => write!(
            out,
            "{{\"p50\":{a},\"p90\":{b},\"p99\":{d},\"max\":{max},\"max_event\":{},\"exact\":{}}}",
            c.slowest.map_or(0, |(id, _)| id.0),
            c.durations.is_exact()
        )?,
        _ => out.write_all(b"null")?,
    }
    pair(out, "messages", c.messages)?;
    pair(out, "bytes", c.bytes)?;
    if c.json != [0; 2] {
        pair(out, "protobuf_bytes", c.protobuf)?;
        pair(out, "json_bytes", c.json)?;
    }
    out.push(b'}');
    Ok(())
}
