//! JSON that says that there is nothing.

use serde_json::{Map, Value};

use crate::proto::http::body_hash;

/// Bytes of a body that are kept to see: who has nothing to say says it in few.
const MOST: usize = 1024;

/// Names of lists that bring something when they are not empty. An empty list of errors
/// is no empty answer.
const LISTS: [&str; 14] = [
    "data",
    "events",
    "items",
    "messages",
    "notifications",
    "results",
    "updates",
    "changes",
    "records",
    "entries",
    "rows",
    "logs",
    "list",
    "msgs",
];

/// Names of what changes though nothing happens: times, and where the client is.
const CHANGING: [&str; 19] = [
    "ts",
    "t",
    "time",
    "timestamp",
    "now",
    "date",
    "servertime",
    "server_time",
    "cursor",
    "offset",
    "since",
    "next",
    "next_batch",
    "nextcursor",
    "next_cursor",
    "seq",
    "lastid",
    "last_id",
    "etag",
];

/// Names of the time at which an answer was given.
const TIMES: [&str; 10] = [
    "ts",
    "t",
    "time",
    "timestamp",
    "now",
    "date",
    "servertime",
    "server_time",
    "generated_at",
    "generatedat",
];

/// A short body.
#[derive(Clone, Debug, Default)]
pub(super) struct Small {
    bytes: Vec<u8>,
    over: bool,
}

impl Small {
    /// More of it.
    pub(super) fn add(&mut self, data: &[u8]) {
        // An object, whatever its media type is called.
        let first = data.iter().find(|b| !b.is_ascii_whitespace());
        self.over |= self.bytes.is_empty() && first.is_some_and(|b| *b != b'{');
        if self.over {
            return;
        }
        if self.bytes.len().saturating_add(data.len()) > MOST {
            *self = Self { bytes: Vec::new(), over: true };
            return;
        }
        self.bytes.extend_from_slice(data);
    }

    /// Whether it is an object with an empty list, and nothing else that would be news.
    pub(super) fn is_empty_list(&self) -> bool {
        let Ok(Value::Object(members)) = serde_json::from_slice(&self.bytes) else { return false };
        let mut lists = 0;
        says_nothing(&members, &mut lists) && lists > 0
    }

    /// The body's hash without its times: what is left says whether something has
    /// happened. `None` where it has none, or nothing else.
    pub(super) fn timeless(&self) -> Option<u64> {
        let mut json: Value = serde_json::from_slice(&self.bytes).ok()?;
        let (mut times, mut others) = (0, 0);
        forget_times(&mut json, &mut times, &mut others);
        (times > 0 && others > 0).then(|| body_hash(json.to_string().as_bytes()))
    }
}

/// Whether an object has empty lists, and nothing else that would be news.
fn says_nothing(members: &Map<String, Value>, lists: &mut usize) -> bool {
    members.iter().all(|(name, value)| {
        let name = name.to_ascii_lowercase();
        match value {
            Value::Array(list) if LISTS.contains(&&*name) => {
                *lists += 1;
                list.is_empty()
            }
            Value::Array(list) => list.is_empty(),
            Value::Null | Value::Bool(_) => true,
            Value::String(s) => {
                CHANGING.contains(&&*name) || matches!(&**s, "" | "ok" | "OK" | "success")
            }
            Value::Number(n) => CHANGING.contains(&&*name) || matches!(n.as_u64(), Some(0 | 200)),
            Value::Object(o) => says_nothing(o, lists),
        }
    })
}

/// Takes out what only says what time it is, and counts that and the rest.
fn forget_times(json: &mut Value, times: &mut usize, others: &mut usize) {
    match json {
        Value::Object(members) => {
            members.retain(|name, value| {
                let is_time = TIMES.contains(&&*name.to_ascii_lowercase())
                    && matches!(value, Value::Number(_) | Value::String(_));
                *times += usize::from(is_time);
                !is_time
            });
            for value in members.values_mut() {
                forget_times(value, times, others);
            }
        }
        // What stands in a list has happened at its time.
        _ => *others += 1,
    }
}

#[cfg(test)]
mod tests {
    use super::{MOST, Small};

    #[test]
    fn times_alone_are_no_news() {
        let of = |text: &str| {
            let mut s = Small::default();
            s.add(text.as_bytes());
            s.timeless()
        };
        let idle = of(r#"{"now": 1732000000, "state": "idle", "jobs": []}"#);
        assert!(idle.is_some());
        assert_eq!(of(r#"{"jobs":[],"state":"idle","now":1732000005}"#), idle);
        assert_ne!(of(r#"{"now":1732000005,"state":"busy","jobs":[]}"#), idle);
        // A list says when something happened; a clock has nothing else to say.
        assert_ne!(of(r#"{"now":1,"log":[{"t":1}]}"#), of(r#"{"now":1,"log":[{"t":2}]}"#));
        assert_eq!(of(r#"{"now":1732000000}"#), None);
        assert_eq!(of(r#"{"state":"idle"}"#), None);
        assert_eq!(of(r#"{"now":1732000000,"state":"#), None);
    }

    #[test]
    fn empty_lists_and_what_is_news() {
        for (text, expected) in [
            (r#"{"ts":1732000000,"events":[]}"#, true),
            (r#"{ "messages" : [ ], "next_batch": "s72" , "ok": true}"#, true),
            (r#"{"status":"ok","code":200,"errors":[],"Data":[]}"#, true),
            (r#"{"ts":1,"events":[1]}"#, false),
            (r#"{"status":"done","errors":[]}"#, false),
            (r#"{"progress":50,"items":[]}"#, false),
            (r#"{"user":"a","items":[]}"#, false),
            (r#"{"ts":1}"#, false),
            (r#"{"data":{"events":[]},"ts":1}"#, true),
            (r#"{"data":{"events":[],"user":"a"},"ts":1}"#, false),
            (r#"{"ts":1,"events":[]"#, false),
            ("[]", false),
            ("", false),
        ] {
            for size in [1, 1000] {
                let mut s = Small::default();
                text.as_bytes().chunks(size).for_each(|c| s.add(c));
                assert_eq!(s.is_empty_list(), expected, "{text}");
            }
        }
        let mut s = Small::default();
        s.add(format!("{{\"events\":[]{}}}", " ".repeat(MOST)).as_bytes());
        assert!(!s.is_empty_list());
    }
}
