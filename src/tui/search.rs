//! Looks for text in summaries, fields and payloads, or for what passes a filter,
//! a few rows at a time.

use std::collections::HashSet;
use std::sync::PoisonError;

use crate::event::{Event, Payload};
use crate::index::Index;
use crate::index::filter::{Filter as Asked, Mistake};
use crate::tui::opener::Opener;
use crate::tui::rows::{Filter, Item, Walk};
use crate::tui::values;

/// Items opened at a time: the screen's own wishes wait no longer than that.
const ITEMS: usize = 128;
/// Bytes of payload opened at a time.
const BYTES: u64 = 4 << 20;
/// Rows passed at a time under the lock.
const ROWS: usize = 1 << 16;
/// Hits that are kept; who has more asks for something rarer.
pub(super) const MAX_HITS: usize = 100_000;

/// What is looked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Query {
    /// Tells one search from the next.
    pub(super) id: u64,
    /// As it was typed.
    pub(super) text: String,
    /// What is asked for.
    pub(super) asks: Asks,
    /// The levels that are looked through.
    pub(super) filter: Filter,
}

/// Text, or what passes a filter.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Asks {
    /// Text in lower case: upper and lower case are the same.
    Text(String),
    /// A filter.
    Filter(Asked),
}

// Two filters that are equal ask for the same: there are no numbers that are none.
impl Eq for Asks {}

impl Asks {
    /// Reads what was typed: a filter where it is one, else text. A single word is
    /// text, though it may name a field, and so is what stands in quotes.
    ///
    /// # Errors
    /// What is wrong with a filter: where it can have been meant as nothing else.
    pub(super) fn read(typed: &str) -> Result<Self, Mistake> {
        let inner = typed.strip_prefix('"').and_then(|t| t.strip_suffix('"'));
        if let Some(quoted) = inner.filter(|t| !t.contains('"')) {
            return Ok(Self::text(quoted));
        }
        match Asked::parse(typed) {
            Ok(f) if !f.is_plain_word() => Ok(Self::Filter(f)),
            Err(mistake) if is_meant_as_filter(typed) => Err(mistake),
            _ => Ok(Self::text(typed)),
        }
    }

    /// Whatever it looks like, it is text.
    pub(super) fn text(typed: &str) -> Self {
        Self::Text(typed.to_lowercase())
    }
}

/// Whether somebody who typed this wanted a filter: it compares, or it begins with a
/// field's name, right or nearly so, and goes on as a filter does.
fn is_meant_as_filter(typed: &str) -> bool {
    // What stands in quotes is text wherever it is.
    let bare: String = typed.split('"').step_by(2).collect::<Vec<_>>().join(" \" ");
    if ["==", "!=", "<=", ">=", "&&", "||"].iter().any(|sign| bare.contains(sign)) {
        return true;
    }
    let opens = |c: char| c == '(' || c == '!' || c.is_whitespace();
    let head = bare.trim_start_matches(opens);
    let head = head.strip_prefix("not ").unwrap_or(head).trim_start_matches(opens);
    let end = head.find(|c: char| c.is_whitespace() || "=<>!&|()\"".contains(c));
    let (first, rest) = head.split_at_checked(end.unwrap_or(head.len())).unwrap_or((head, ""));
    let is_name = |word: &str| Asked::parse(word).is_ok_and(|f| f.is_plain_word());
    // `grpc.status_cod`: nothing but a field begins so.
    let of_protocol = first.split_once('.').is_some_and(|(p, f)| is_name(p) && !f.is_empty());
    let word = |w: &str| rest.split_whitespace().any(|x| x == w);
    let goes_on = rest.contains(['=', '<', '>', '"', '{', '&', '|'])
        || ["contains", "in", "eq", "ne", "lt", "le", "gt", "ge", "and", "or"]
            .into_iter()
            .any(word);
    of_protocol || is_name(first) && goes_on
}

/// A search under way.
pub(super) struct Search {
    /// What is looked for.
    pub(super) query: Query,
    walk: Walk,
    hits: usize,
}

/// What one step found.
#[derive(Clone, Debug, Default)]
pub(super) struct Step {
    /// Items with the text, in the list's order.
    pub(super) hits: Vec<Item>,
    /// Rows looked through so far, of how many.
    pub(super) done: (u32, u32),
    /// There is nothing more to look through.
    pub(super) finished: bool,
}

impl Search {
    /// From the beginning of the capture.
    pub(super) fn new(query: Query) -> Self {
        let walk = Walk::new(query.filter);
        Self { query, walk, hits: 0 }
    }

    /// Looks through some more.
    pub(super) fn step(&mut self, opener: &mut Opener) -> Step {
        // Items in the list's order, with what their rows tell.
        let mut order: Vec<(Item, bool)> = Vec::new();
        let (items, all, ended) = {
            let index = opener.index().read().unwrap_or_else(PoisonError::into_inner);
            let (mut items, mut bytes, mut budget) = (Vec::new(), 0, ROWS);
            if let (Asks::Filter(f), Some((first, _))) = (&mut self.query.asks, index.times()) {
                f.begin(first);
            }
            let mut told = 0;
            while items.len() < ITEMS && bytes < BYTES && told < ROWS {
                let Some(item) = self.walk.next(&index, &mut budget) else { break };
                if let Item::Row(r) = item {
                    // What the row tells needs no opening.
                    if let Asks::Filter(f) = &self.query.asks
                        && let Some(passes) = f.of_row(&index, r)
                    {
                        told += 1;
                        if passes {
                            order.push((item, true));
                        }
                        continue;
                    }
                    bytes += index.row(r).map_or(0, |r| u64::from(r.length));
                }
                items.push(item);
                order.push((item, false));
            }
            let all = u32::try_from(index.len() + index.again().len()).unwrap_or(u32::MAX);
            let at_end = items.is_empty() && told == 0 && budget > 0;
            (items, all, at_end && index.is_ended())
        };
        let opened = opener.events(&items);
        let index = opener.index().read().unwrap_or_else(PoisonError::into_inner);
        let passes = |e: &Event| match &self.query.asks {
            Asks::Filter(f) => passes(f, &index, e),
            Asks::Text(needle) => matches(e, needle),
        };
        let found: HashSet<Item> =
            opened.iter().filter(|(_, e)| passes(e)).map(|(i, _)| *i).collect();
        drop(index);
        let hits: Vec<Item> =
            order.into_iter().filter(|(i, sure)| *sure || found.contains(i)).map(|o| o.0).collect();
        self.hits += hits.len();
        let finished = ended || self.hits >= MAX_HITS;
        Step { hits, done: (self.walk.passed(), all), finished }
    }
}

/// Whether the event passes the filter.
fn passes(filter: &Asked, index: &Index, event: &Event) -> bool {
    let number = event.conversation.and_then(|c| c.0.checked_sub(1));
    let conversation = number.and_then(|n| index.conversations().get(n as usize)).map(|c| &c.info);
    filter.matches(event, conversation)
}

/// Whether the event has the text (in lower case) anywhere that people can see.
fn matches(event: &Event, needle: &str) -> bool {
    let Some(detail) = &event.draft.detail else { return false };
    let has = |text: &str| text.to_lowercase().contains(needle);
    if has(&detail.summary) || has(event.draft.protocol) || has(event.draft.kind) {
        return true;
    }
    let payload = match &detail.payload {
        Payload::None => false,
        Payload::Bytes(b) => has(&String::from_utf8_lossy(b)),
        Payload::Protobuf { type_name, value } => {
            type_name.as_deref().is_some_and(has) || has(&value.line(1 << 16))
        }
    };
    payload
        || event.draft.findings.iter().any(|f| has(f.spec.code))
        || detail
            .tree
            .nodes()
            .iter()
            .any(|n| has(values::label(n)) || has(n.spec.name) || has(&values::value(n, None)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_told_from_filters() {
        for text in [
            "hello",
            "websocket",
            "hello and goodbye",
            "<html>",
            "http request",
            "\"a == b\"",
            "example.com",
            "1.5",
            "a=b",
            "what? (nothing)",
            "grpc.status_code",
            "user.UserService/GetUser",
            "text hello",
            "Grüße, 世界",
            "no user with id 404",
            "length of it",
            "\"half",
            "end of stream",
        ] {
            assert!(
                matches!(Asks::read(text), Ok(Asks::Text(_))),
                "{text}: {:?}",
                Asks::read(text)
            );
        }
        assert_eq!(Asks::read("\"A == b\""), Ok(Asks::Text("a == b".to_owned())));
        for filter in ["length > 3", "not websocket", "payload contains \"x\"", "grpc and http"] {
            assert!(matches!(Asks::read(filter), Ok(Asks::Filter(_))), "{filter}");
        }
    }

    #[test]
    fn a_filter_with_a_mistake_is_no_text() {
        for (wrong, column) in [
            ("grpc.status_cod == 5", 1),
            ("grpc.status_cod", 1),
            ("length >> 3", 9),
            ("length > 3 and", 15),
            ("payload contans \"x\"", 9),
            ("not (length > 3", 5),
            ("length = 3", 8),
            ("sender == clent", 11),
        ] {
            let mistake = Asks::read(wrong).expect_err(wrong);
            assert_eq!(mistake.column(wrong), column, "{wrong}: {mistake}");
        }
    }
}
