//! JSON that says that there is nothing.

/// Bytes of a body that are kept to see: who has nothing to say says it in few.
const MOST: usize = 256;

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

/// A short body.
#[derive(Clone, Debug, Default)]
pub(super) struct Small {
    bytes: Vec<u8>,
    over: bool,
}

impl Small {
    /// More of it.
    pub(super) fn add(&mut self, data: &[u8]) {
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
        use serde_json::Value;
        let Ok(Value::Object(members)) = serde_json::from_slice(&self.bytes) else { return false };
        let mut lists = 0;
        members.iter().all(|(name, value)| {
            let name = name.to_ascii_lowercase();
            match value {
                Value::Array(list) if LISTS.contains(&&*name) => {
                    lists += 1;
                    list.is_empty()
                }
                Value::Array(list) => list.is_empty(),
                Value::Null | Value::Bool(_) => true,
                Value::String(s) => {
                    CHANGING.contains(&&*name) || matches!(&**s, "" | "ok" | "OK" | "success")
                }
                Value::Number(n) => {
                    CHANGING.contains(&&*name) || matches!(n.as_u64(), Some(0 | 200))
                }
                Value::Object(o) => o.is_empty(),
            }
        }) && lists > 0
    }
}

#[cfg(test)]
mod tests {
    use super::Small;

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
        s.add(format!("{{\"events\":[]{}}}", " ".repeat(300)).as_bytes());
        assert!(!s.is_empty_list());
    }
}
