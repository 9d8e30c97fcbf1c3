//! The exchange: a session from its hello to its end.

use super::machine::{Direction, Tls};
use super::{fields as f, findings as g, names, records};
use crate::base::{Moment, Side, Span};
use crate::event::{Detail, Draft, Level};
use crate::field::{FieldSpec, Tree, Value};
use crate::finding::Finding;
use crate::proto::Out;

/// Emits the session's event.
pub(super) fn emit(
    tls: &Tls,
    [first, last]: [Moment; 2],
    how: &str,
    complete: bool,
    out: &mut dyn Out,
) {
    let mut d = Draft::new(Level::Exchange, "tls", "session", first, last);
    d.complete = complete;
    d.inferred = tls.session.client.is_none() && tls.session.server.is_none();
    let [client, server] = tls.dirs();
    d.length = client.plain.saturating_add(server.plain);
    // Only where it can be known: an alert that stays closed may have been one.
    let silent = |dir: &Direction| {
        complete && how == "closed" && dir.opened > 0 && dir.unopened == 0 && dir.alert.is_none()
    };
    let who = match (silent(client), silent(server)) {
        (true, true) => Some("the client and the server"),
        (true, false) => Some("the client"),
        (false, true) => Some("the server"),
        (false, false) => None,
    };
    d.findings.extend(who.map(|who| Finding::new(&g::NO_CLOSE).with(who)));
    if out.wants(Level::Exchange) {
        d.detail = Some(Box::new(detail(tls, last.time.since(first.time), how)));
    }
    out.emit(d);
}

fn detail(tls: &Tls, duration: u64, how: &str) -> Detail {
    let s = &tls.session;
    let [client, server] = tls.dirs();
    let mut tree = Tree::new();
    let none: Option<Span> = None;
    let mut number = |spec: &'static FieldSpec, v: u64| {
        tree.add(spec, none, Value::U64(v));
    };
    if s.version != 0 {
        number(&f::S_VERSION, s.version.into());
        number(&f::S_SUITE, s.suite.into());
    }
    if let Some(g) = s.group {
        number(&f::S_GROUP, g.into());
    }
    number(&f::S_RECORDS_CLIENT, client.records);
    number(&f::S_RECORDS_SERVER, server.records);
    number(&f::S_PLAIN_CLIENT, client.plain);
    number(&f::S_PLAIN_SERVER, server.plain);
    if client.early > 0 {
        number(&f::S_EARLY, client.early);
    }
    let closed = [client, server].iter().map(|d| d.closed_records()).sum::<u64>();
    if closed > 0 {
        number(&f::S_CLOSED, closed);
    }
    number(&f::DURATION, duration);
    let sni = s.client.as_ref().and_then(|c| c.sni.clone());
    if let Some(n) = &sni {
        tree.add(&f::S_SNI, none, Value::Text(n.as_str().into()));
    }
    if let Some(a) = &s.alpn {
        tree.add(&f::S_ALPN, none, Value::Text(a.as_str().into()));
    }
    if let Some(taken) = s.early_taken.filter(|_| client.early > 0) {
        tree.add(&f::S_EARLY_TAKEN, none, Value::Bool(taken));
    }
    tree.add(&f::S_RESUMED, none, Value::Bool(s.resumed));
    let ended = ended(tls, how);
    tree.add(&f::S_ENDED, none, Value::Text(ended.as_str().into()));
    let mut parts = Vec::new();
    parts.extend(sni);
    if s.version == 0 && s.client.is_some() {
        parts.push("no hello of the server".to_owned());
    } else if s.version == 0 {
        parts.push("hellos not captured".to_owned());
    } else {
        parts.push(names::version_text(s.version));
        parts.push(s.suite_name());
    }
    if let Some(a) = &s.alpn {
        parts.push(format!("ALPN {a}"));
    }
    if s.resumed {
        parts.push("resumed".to_owned());
    }
    if client.early > 0 && s.early_taken == Some(false) {
        parts.push("early data refused".to_owned());
    }
    if client.opened + server.opened > 0 {
        parts.push(format!("{} bytes up, {} down", client.plain, server.plain));
    } else if closed > 0 {
        parts.push(format!("{closed} encrypted records"));
    }
    parts.push(ended);
    Detail { summary: parts.join(", "), tree, ..Detail::default() }
}

/// How it ended, by whom.
fn ended(tls: &Tls, how: &str) -> String {
    let [client, server] = tls.dirs();
    let fatal = [(Side::Client, client), (Side::Server, server)]
        .into_iter()
        .find_map(|(side, d)| d.alert.filter(|(_, a)| *a != 0).map(|a| (side, a)));
    if let Some((side, (level, description))) = fatal {
        let text = records::alert_text(level, description);
        let name = text.split_once(':').map_or(text.as_str(), |(n, _)| n);
        return format!("{name} of the {}", side.name());
    }
    match (how, client.alert.is_some(), server.alert.is_some()) {
        ("closed", true, true) => "close_notify of both".to_owned(),
        ("closed", true, false) => "close_notify of the client".to_owned(),
        ("closed", false, true) => "close_notify of the server".to_owned(),
        _ => how.to_owned(),
    }
}
