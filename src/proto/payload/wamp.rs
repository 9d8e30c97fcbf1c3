//! WAMP v2, in JSON and in MessagePack: lists that begin with a type.
//!
//! By the subprotocols `wamp.2.json`, `wamp.2.msgpack` and their `.batched` forms,
//! and by content where a session begins (HELLO with a realm); what follows in that
//! session is WAMP then.

use crate::base::BufferId;
use crate::event::Detail;
use crate::finding::Finding;
use crate::proto::payload::common::{At, Doc, Names, Sheet, json, msgpack, short};
use crate::proto::payload::names::{JSON, MSGPACK};
use crate::proto::{PayloadDecoder, PayloadHint, Protocol};

fields! { "WAMP", [repeated];
    /// Type.
    TYPE = "wamp.type", "Message type", 0 Enumerated(type_name), "What the message is.";
    /// Of an ERROR.
    REQUEST_TYPE = "wamp.request_type", "Request type", 0 Enumerated(type_name), "What was asked for, where it failed.";
    /// Request.
    REQUEST = "wamp.request_id", "Request", 0 Unsigned, "The request that it makes or answers.";
    /// Session.
    SESSION = "wamp.session_id", "Session", 0 Unsigned, "The session that begins.";
    /// Subscription.
    SUBSCRIPTION = "wamp.subscription_id", "Subscription", 0 Unsigned, "A subscription to a topic.";
    /// Publication.
    PUBLICATION = "wamp.publication_id", "Publication", 0 Unsigned, "An event that was published.";
    /// Registration.
    REGISTRATION = "wamp.registration_id", "Registration", 0 Unsigned, "A procedure that somebody offers.";
    /// Realm.
    REALM = "wamp.realm", "Realm", 0 Text, "The realm of the session.";
    /// Topic.
    TOPIC = "wamp.topic", "Topic", 0 Text, "What is published or subscribed to.";
    /// Procedure.
    PROCEDURE = "wamp.procedure", "Procedure", 0 Text, "What is called or offered.";
    /// Error or reason.
    REASON = "wamp.reason", "Reason", 0 Text, "The URI of an error, or of the reason to end.";
    /// Method.
    METHOD = "wamp.authmethod", "Method", 0 Text, "How the client is to prove who it is.";
}

findings! {
    /// Not a list of that form.
    MALFORMED = error("wamp.malformed", "WAMP, Messages", "It is not a list that begins with a type, or the type has not the elements that it must have.");
}

/// The registry's line.
pub static PROTOCOL: Protocol = super::format("wamp", "WAMP", &[FIELDS], FINDINGS);

/// The decoder.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder;

/// What an element of a message is.
#[derive(Clone, Copy)]
enum Element {
    Request,
    Session,
    Subscription,
    Publication,
    Registration,
    RequestType,
    Realm,
    Topic,
    Procedure,
    Reason,
    Method,
    /// A map of options or details; a signature.
    Other,
    /// Arguments, which may be left out.
    Arguments,
}

/// The messages: number, name, elements behind the type.
const MESSAGES: &[(u64, &str, &[Element])] = {
    use Element::*;
    &[
        (1, "HELLO", &[Realm, Other]),
        (2, "WELCOME", &[Session, Other]),
        (3, "ABORT", &[Other, Reason]),
        (4, "CHALLENGE", &[Method, Other]),
        (5, "AUTHENTICATE", &[Other, Other]),
        (6, "GOODBYE", &[Other, Reason]),
        (8, "ERROR", &[RequestType, Request, Other, Reason, Arguments, Arguments]),
        (16, "PUBLISH", &[Request, Other, Topic, Arguments, Arguments]),
        (17, "PUBLISHED", &[Request, Publication]),
        (32, "SUBSCRIBE", &[Request, Other, Topic]),
        (33, "SUBSCRIBED", &[Request, Subscription]),
        (34, "UNSUBSCRIBE", &[Request, Subscription]),
        (35, "UNSUBSCRIBED", &[Request]),
        (36, "EVENT", &[Subscription, Publication, Other, Arguments, Arguments]),
        (48, "CALL", &[Request, Other, Procedure, Arguments, Arguments]),
        (49, "CANCEL", &[Request, Other]),
        (50, "RESULT", &[Request, Other, Arguments, Arguments]),
        (64, "REGISTER", &[Request, Other, Procedure]),
        (65, "REGISTERED", &[Request, Registration]),
        (66, "UNREGISTER", &[Request, Registration]),
        (67, "UNREGISTERED", &[Request]),
        (68, "INVOCATION", &[Request, Registration, Other, Arguments, Arguments]),
        (69, "INTERRUPT", &[Request, Other]),
        (70, "YIELD", &[Request, Other, Arguments, Arguments]),
    ]
};

fn type_name(v: u64) -> Option<&'static str> {
    MESSAGES.iter().find(|m| m.0 == v).map(|m| m.1)
}

fn is_subprotocol(s: &str) -> bool {
    matches!(s, "wamp.2.json" | "wamp.2.msgpack" | "wamp.2.json.batched" | "wamp.2.msgpack.batched")
}

fn is_hello(root: At<'_>) -> bool {
    root.nth(0).and_then(At::number) == Some(1)
        && root.nth(1).and_then(At::text).is_some_and(|realm| !realm.is_empty())
        && root.nth(2).is_some_and(|d| d.get("roles").is_some_and(At::is_map))
        && root.nth(3).is_none()
}

impl PayloadDecoder for Decoder {
    fn demands(&self, hint: &PayloadHint<'_>) -> bool {
        hint.message
            .is_some_and(|m| is_subprotocol(hint.media_type) || m.memo.get("wamp").is_some())
    }

    fn decode(
        &self,
        hint: &PayloadHint<'_>,
        data: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>> {
        let message = hint.message?;
        let claimed = self.demands(hint);
        let packed = hint.media_type.contains("msgpack");
        if !claimed {
            let opening = !message.binary && data.trim_ascii().starts_with(b"[");
            let doc = opening.then(|| json::parse(data, 0))?;
            if doc.is_broken() || !doc.root().is_some_and(is_hello) {
                return None;
            }
            message.memo.set("wamp", 0);
        }
        let mut sheet = Sheet::new(detail, self.demands(hint));
        let mut lines = Vec::new();
        for (start, end) in records(data, packed, hint.media_type.ends_with(".batched")) {
            let part = data.get(start..end).unwrap_or_default();
            let at = u32::try_from(start).unwrap_or(u32::MAX);
            let (doc, names): (Doc, &Names) = if packed {
                (msgpack::parse(part, at), &MSGPACK)
            } else {
                (json::parse(part, at), &JSON)
            };
            lines.extend(one(&mut sheet, &doc));
            sheet.value(&doc, names);
            sheet.rest(&doc, names, part, at);
        }
        if let Some(first) = lines.first() {
            let more = match lines.len() {
                1 => String::new(),
                n => format!("; {} more", n - 1),
            };
            sheet.say(hint, &format!("WAMP {first}{more}"));
        }
        Some(sheet.finish())
    }
}

/// The messages in one: batched JSON ends each with 0x18, batched MessagePack begins
/// each with its length in four bytes (WAMP, Transport and Session Lifetime).
fn records(data: &[u8], packed: bool, batched: bool) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0_usize;
    while batched && at < data.len() && found.len() < MAX_RECORDS {
        let rest = data.get(at..).unwrap_or_default();
        let (head, len, tail) = if packed {
            let head = rest.get(..4).unwrap_or(rest);
            let len = head.iter().fold(0_usize, |n, b| n << 8 | usize::from(*b));
            (head.len(), len, 0)
        } else {
            (0, memchr::memchr(0x18, rest).unwrap_or(rest.len()), 1)
        };
        let start = at.saturating_add(head);
        let end = start.saturating_add(len).min(data.len());
        found.push((start, end));
        at = end.saturating_add(tail);
    }
    if !batched {
        found.push((0, data.len()));
    }
    found
}

/// Messages of a batch that are read.
const MAX_RECORDS: usize = 1024;

fn one(sheet: &mut Sheet<'_>, doc: &Doc) -> Option<String> {
    let root = doc.root()?;
    let (start, end) = (root.part().start, root.part().end);
    let mut elements = root.children();
    let kind = elements.next().filter(|_| root.is_list());
    let Some((kind, number)) = kind.and_then(|k| Some((k, k.number()?))) else {
        sheet.found(&MALFORMED, "no list with a type", start, end);
        return None;
    };
    sheet.copy(&TYPE, kind);
    let Some((_, name, form)) = MESSAGES.iter().find(|m| m.0 == number) else {
        sheet.found(&MALFORMED, format!("type {number}"), start, end);
        return Some(format!("type {number}"));
    };
    let mut line = (*name).to_owned();
    for element in *form {
        let Some(at) = elements.next() else {
            if !matches!(element, Element::Arguments) && !doc.is_broken() {
                sheet.found(&MALFORMED, format!("{name} with too few elements"), start, end);
            }
            break;
        };
        let (spec, before) = match element {
            Element::Request => (&REQUEST, " request "),
            Element::Session => (&SESSION, " session "),
            Element::Subscription => (&SUBSCRIPTION, " subscription "),
            Element::Publication => (&PUBLICATION, " publication "),
            Element::Registration => (&REGISTRATION, " registration "),
            Element::RequestType => (&REQUEST_TYPE, " of "),
            Element::Realm => (&REALM, " "),
            Element::Topic => (&TOPIC, " "),
            Element::Procedure => (&PROCEDURE, " "),
            Element::Reason => (&REASON, " "),
            Element::Method => (&METHOD, " "),
            Element::Arguments => {
                if at.children().next().is_some() {
                    line.push_str(&format!(" {}", at.line(60)));
                }
                continue;
            }
            Element::Other => continue,
        };
        sheet.copy(spec, at);
        let shown = match element {
            Element::RequestType => at.number().and_then(type_name).map(str::to_owned),
            _ => None,
        };
        let shown = shown.unwrap_or_else(|| short(&at.plain().unwrap_or_default(), 80));
        line.push_str(before);
        line.push_str(&shown);
    }
    if elements.next().is_some() {
        sheet.found(&MALFORMED, format!("{name} with too many elements"), start, end);
    }
    Some(line)
}
