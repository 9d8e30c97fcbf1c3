//! What `stats --transports` prints.

use std::fmt::Write as _;
use std::io::Write as _;

use crate::base::time::human;
use crate::engine::polling::{Kind, Series, sse, websocket};
use crate::index::transports::{Line, Rate, Transports, Way, pushed};
use crate::view::json::string;
use crate::view::table::{Align, Table, counted, grouped};

/// Appends tables for people, cut to `width` columns where there is a width. At most
/// `rows` polls are shown.
pub fn text(
    out: &mut String,
    all: &Transports,
    clients: Option<u64>,
    rows: usize,
    width: Option<usize>,
) {
    if Way::ALL.iter().all(|w| all.line(*w).requests == 0) {
        out.push_str("no request, stream, session or call\n");
        return;
    }
    lines(out, all, width);
    if all.untold > 0 {
        let what = counted(all.untold, "further connection");
        let _ = writeln!(out, "{what}: of their bytes only what exchanges tell is counted");
    }
    if !all.polls.is_empty() {
        out.push('\n');
        polls(out, all, rows, width);
    }
    if let Some(n) = clients {
        let _ = writeln!(out, "\nfor {}:", counted(n, "client"));
        projection(out, all, n, width);
    }
}

/// The ways that something went.
fn used(all: &Transports) -> impl Iterator<Item = (Way, &Line)> {
    Way::ALL.into_iter().map(|w| (w, all.line(w))).filter(|(_, l)| l.requests > 0)
}

fn dash(text: Option<String>) -> String {
    text.unwrap_or_else(|| "-".to_owned())
}

/// A column a way, so that they stand side by side.
fn lines(out: &mut String, all: &Transports, width: Option<usize>) {
    type Cell = fn(&Line) -> String;
    const ROWS: [(&str, Cell); 13] = [
        ("clients", |l| grouped(l.clients)),
        ("connections", |l| grouped(l.connections)),
        ("requests", |l| grouped(l.requests)),
        ("requests a minute", |l| dash(l.requests_a_minute.map(number))),
        ("messages", |l| grouped(l.messages)),
        ("bytes of payload", |l| grouped(l.payload_bytes)),
        ("bytes of overhead", |l| grouped(l.overhead_bytes)),
        ("overhead a message", |l| dash(l.overhead_a_message().map(number))),
        ("bytes of its packets", |l| grouped(l.packet_bytes)),
        ("acks and handshakes", |l| grouped(l.other_packet_bytes)),
        ("answer after", |l| dash(l.answer.map(human))),
        ("an event waits", |l| dash(l.wait.map(|[mean, _]| wait_text(mean)))),
        ("at most", |l| dash(l.wait.map(|[_, max]| wait_text(max)))),
    ];
    let mut columns = vec![("", Align::Name)];
    columns.extend(used(all).map(|(way, _)| (way.name(), Align::Number)));
    let mut t = Table::new(&columns);
    for (name, cell) in ROWS {
        t.row(std::iter::once(name.to_owned()).chain(used(all).map(|(_, l)| cell(l))));
    }
    t.write(out, width);
}

fn wait_text(ns: u64) -> String {
    if ns == 0 { "0".to_owned() } else { human(ns) }
}

fn polls(out: &mut String, all: &Transports, rows: usize, width: Option<usize>) {
    let mut t = Table::new(&[
        ("poll", Align::Text),
        ("requests", Align::Number),
        ("every", Align::Number),
        ("empty", Align::Number),
        ("events", Align::Number),
        ("heads a byte", Align::Number),
        ("wait", Align::Number),
        ("at most", Align::Number),
        ("bytes", Align::Number),
        ("as SSE", Align::Number),
        ("as WebSocket", Align::Number),
    ]);
    for s in all.polls.iter().take(rows) {
        t.row([
            format!(
                "{}: {} {} of {}",
                kind(s.kind),
                s.target.method,
                s.target.path,
                s.target.client
            ),
            grouped(s.requests),
            human(s.interval),
            dash(empty_share(s).map(|p| format!("{} %", (p * 100.0).round()))),
            grouped(s.events),
            dash(heads_a_byte(s).map(number)),
            wait_text(s.delay.mean),
            wait_text(s.delay.max),
            grouped(bytes(s)),
            grouped(sse(s).total),
            grouped(websocket(s).total),
        ]);
    }
    t.write(out, width);
    if let Some(n) = all.polls.len().checked_sub(rows).filter(|n| *n > 0) {
        let _ = writeln!(out, "and {} more (--rows)", grouped(n as u64));
    }
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Short => "short",
        Kind::Long => "long",
    }
}

/// Of the answers, which brought nothing.
fn empty_share<T>(s: &Series<T>) -> Option<f64> {
    let answers = s.requests.saturating_sub(s.unanswered.saturating_add(s.unknown));
    (answers > 0).then(|| s.empty as f64 / answers as f64)
}

fn heads_a_byte<T>(s: &Series<T>) -> Option<f64> {
    let heads: u64 = s.head_bytes.iter().sum();
    (s.useful_bytes > 0).then(|| heads as f64 / s.useful_bytes as f64)
}

fn bytes<T>(s: &Series<T>) -> u64 {
    s.head_bytes.iter().chain(&s.body_bytes).sum()
}

/// What clients would cost, way by way; behind a poll, its events pushed.
fn projected(all: &Transports, clients: u64) -> Vec<(String, Way, Option<&'static str>, Rate)> {
    let mut list = Vec::new();
    for (way, l) in used(all) {
        if let Some(rate) = l.rate {
            list.push((way.name().to_owned(), way, None, rate.times(clients)));
        }
        let kind = match way {
            Way::Polling => Kind::Short,
            Way::LongPolling => Kind::Long,
            _ => continue,
        };
        for (by_websocket, name, id) in
            [(false, "as SSE", "sse"), (true, "as WebSocket", "websocket")]
        {
            if let Some(rate) = pushed(&all.polls, kind, by_websocket) {
                let text = format!("  {} {name}", way.name());
                list.push((text, way, Some(id), rate.times(clients)));
            }
        }
    }
    list
}

fn projection(out: &mut String, all: &Transports, clients: u64, width: Option<usize>) {
    let mut t = Table::new(&[
        ("transport", Align::Name),
        ("requests/s", Align::Number),
        ("requests/min", Align::Number),
        ("bytes/s", Align::Number),
        ("open connections", Align::Number),
    ]);
    for (name, _, _, r) in projected(all, clients) {
        t.row([
            name,
            number(r.requests),
            number(r.requests * 60.0),
            number(r.bytes),
            dash(r.connections.map(number)),
        ]);
    }
    t.write(out, width);
}

/// Three digits, with commas between thousands: `0`, `0.034`, `12.3`, `29,900`.
fn number(v: f64) -> String {
    if !v.is_finite() || v < 0.0005 {
        return "0".to_owned();
    }
    if v >= 99.95 {
        let step = 10_f64.powi((v.log10().floor() as i32 - 2).max(0));
        return grouped(((v / step).round() * step) as u64);
    }
    let places = if v < 0.9995 {
        3
    } else if v < 9.995 {
        2
    } else {
        1
    };
    let text = format!("{v:.places$}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Appends one JSON object and a line feed (`docs/JSON.md`).
pub fn json(out: &mut Vec<u8>, all: &Transports, clients: Option<u64>) {
    // Writing into a vector does not fail.
    let _ = write_json(out, all, clients);
}

/// A number with at most six places, or `null`.
fn real(v: Option<f64>) -> String {
    match v.filter(|v| v.is_finite()) {
        Some(v) => format!("{}", (v * 1e6).round() / 1e6),
        None => "null".to_owned(),
    }
}

fn whole(v: Option<u64>) -> String {
    v.map_or_else(|| "null".to_owned(), |v| v.to_string())
}

fn write_json(out: &mut Vec<u8>, all: &Transports, clients: Option<u64>) -> std::io::Result<()> {
    out.write_all(b"{\"transports\":[")?;
    for (i, (way, l)) in used(all).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        write!(
            out,
            "{{\"transport\":\"{}\",\"clients\":{},\"connections\":{},\"requests\":{},\
             \"requests_per_minute\":{},\"messages\":{},\"payload_bytes\":{},\
             \"overhead_bytes\":{},\"overhead_per_message\":{},\"packet_bytes\":{},\
             \"other_packet_bytes\":{},\
             \"answer_ns\":{},\"wait_mean_ns\":{},\"wait_max_ns\":{}}}",
            way.id(),
            l.clients,
            l.connections,
            l.requests,
            real(l.requests_a_minute),
            l.messages,
            l.payload_bytes,
            l.overhead_bytes,
            real(l.overhead_a_message()),
            l.packet_bytes,
            l.other_packet_bytes,
            whole(l.answer),
            whole(l.wait.map(|[mean, _]| mean)),
            whole(l.wait.map(|[_, max]| max)),
        )?;
    }
    write!(out, "],\"untold_connections\":{},\"polls\":[", all.untold)?;
    for (i, s) in all.polls.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        poll(out, s)?;
    }
    out.push(b']');
    if let Some(n) = clients {
        write!(out, ",\"projection\":{{\"clients\":{n},\"transports\":[")?;
        for (i, (_, way, instead, r)) in projected(all, n).iter().enumerate() {
            write!(out, "{}{{\"transport\":\"{}\"", if i > 0 { "," } else { "" }, way.id())?;
            if let Some(id) = instead {
                write!(out, ",\"as\":\"{id}\"")?;
            }
            write!(
                out,
                ",\"requests_per_second\":{},\"bytes_per_second\":{},\"open_connections\":{}}}",
                real(Some(r.requests)),
                real(Some(r.bytes)),
                real(r.connections)
            )?;
        }
        out.write_all(b"]}")?;
    }
    out.write_all(b"}\n")
}

fn poll(out: &mut Vec<u8>, s: &Series<()>) -> std::io::Result<()> {
    write!(out, "{{\"kind\":\"{}\",\"client\":\"{}\",\"host\":", kind(s.kind), s.target.client)?;
    string(out, &s.target.host);
    out.write_all(b",\"method\":")?;
    string(out, &s.target.method);
    out.write_all(b",\"path\":")?;
    string(out, &s.target.path);
    let [first, last] = s.span;
    let [asked, answered] = s.head_bytes;
    write!(
        out,
        ",\"requests\":{},\"connections\":{},\"first_packet\":{},\"last_packet\":{},\
         \"last_event\":{},\"interval_ns\":{},\"mean_interval_ns\":{},\"hold_ns\":{},\
         \"longest_hold_ns\":{},\"gap_ns\":{},\"events\":{},\"empty\":{},\"empty_share\":{},\
         \"timeouts\":{},\"errors\":{},\"unknown\":{},\"unanswered\":{},\"head_bytes\":{{\"client\":{asked},\
         \"server\":{answered}}}",
        s.requests,
        s.connection_count,
        first.packet,
        last.packet,
        s.last_event,
        s.interval,
        s.mean_interval,
        s.hold,
        s.longest_hold,
        s.gap,
        s.events,
        s.empty,
        real(empty_share(s)),
        s.timeouts,
        s.errors,
        s.unknown,
        s.unanswered,
    )?;
    let [asked, answered] = s.body_bytes;
    write!(
        out,
        ",\"body_bytes\":{{\"client\":{asked},\"server\":{answered}}},\"useful_bytes\":{},\
         \"head_bytes_per_useful_byte\":{},\"wait_mean_ns\":{},\"wait_max_ns\":{},\"bytes\":{}",
        s.useful_bytes,
        real(heads_a_byte(s)),
        s.delay.mean,
        s.delay.max,
        bytes(s),
    )?;
    for (name, p) in [("as_sse", sse(s)), ("as_websocket", websocket(s))] {
        write!(
            out,
            ",\"{name}\":{{\"setup_bytes\":{},\"event_bytes\":{},\"bytes\":{}}}",
            p.setup, p.event, p.total
        )?;
    }
    out.write_all(b"}")
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn numbers_have_three_digits() {
        for (v, text) in [
            (0.0, "0"),
            (0.000_4, "0"),
            (0.034_4, "0.034"),
            (0.999_9, "1"),
            (1.0, "1"),
            (2.345_6, "2.35"),
            (9.999, "10"),
            (12.34, "12.3"),
            (99.99, "100"),
            (999.0, "999"),
            (29_955.0, "30,000"),
            (29_940.0, "29,900"),
            (f64::INFINITY, "0"),
        ] {
            assert_eq!(number(v), text);
        }
    }
}
