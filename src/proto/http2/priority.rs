//! The extensible priorities of RFC 9218: the Priority field, a dictionary of structured
//! fields (RFC 9651 §3.2).

/// What a Priority field says (RFC 9218 §4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Priority {
    /// 0 comes first, 7 last.
    pub(super) urgency: u8,
    /// The response is of use in pieces.
    pub(super) incremental: bool,
}

impl Default for Priority {
    fn default() -> Self {
        Self { urgency: 3, incremental: false }
    }
}

/// A value of the dictionary, as far as priorities have a use for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Item {
    Integer(i64),
    Boolean(bool),
    Other,
}

/// Reads a field; `None` where it is no dictionary, and is to be ignored as a whole.
/// Parameters that nobody knows, or whose values are out of range or of another type, are
/// ignored (RFC 9218 §4); of those that come twice the last counts.
pub(super) fn parse(value: &[u8]) -> Option<Priority> {
    let mut p = Priority::default();
    let mut rest = value.trim_ascii();
    while !rest.is_empty() {
        let (name, after) = key(rest)?;
        let (item, after) = match after.strip_prefix(b"=") {
            Some(v) => item(v)?,
            None => (Item::Boolean(true), after),
        };
        rest = parameters(after)?.trim_ascii_start();
        match (name, item) {
            (b"u", Item::Integer(n @ 0..=7)) => p.urgency = n as u8,
            (b"i", Item::Boolean(b)) => p.incremental = b,
            _ => {}
        }
        if rest.is_empty() {
            break;
        }
        // A comma has a member behind it.
        rest = rest.strip_prefix(b",")?.trim_ascii_start();
        if rest.is_empty() {
            return None;
        }
    }
    Some(p)
}

/// `;key` or `;key=value`, any number of them.
fn parameters(mut rest: &[u8]) -> Option<&[u8]> {
    while let Some(p) = rest.strip_prefix(b";") {
        let (_, after) = key(p.trim_ascii_start())?;
        rest = match after.strip_prefix(b"=") {
            Some(v) => item(v)?.1,
            None => after,
        };
    }
    Some(rest)
}

fn key(data: &[u8]) -> Option<(&[u8], &[u8])> {
    if !matches!(data.first()?, b'a'..=b'z' | b'*') {
        return None;
    }
    let is = |b: &u8| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-' | b'.' | b'*');
    Some(cut(data, is))
}

/// A bare item, or an inner list, which is none of ours.
fn item(data: &[u8]) -> Option<(Item, &[u8])> {
    let (first, rest) = data.split_first()?;
    let other = |after| Some((Item::Other, after));
    match first {
        b'?' => match rest.split_first()? {
            (b'0', after) => Some((Item::Boolean(false), after)),
            (b'1', after) => Some((Item::Boolean(true), after)),
            _ => None,
        },
        b'0'..=b'9' | b'-' => {
            let (text, after) = cut(data, |b| matches!(b, b'0'..=b'9' | b'-' | b'.'));
            let text = std::str::from_utf8(text).ok()?;
            match text.parse() {
                Ok(n) => Some((Item::Integer(n), after)),
                // A decimal.
                Err(_) => text.parse::<f64>().ok().and_then(|_| other(after)),
            }
        }
        b'"' => other(behind(rest, b'"')?),
        b':' => other(behind(rest, b':')?),
        b'(' => other(parameters(behind(rest, b')')?)?),
        b'a'..=b'z' | b'A'..=b'Z' | b'*' => {
            let end = |b: &u8| !matches!(b, b',' | b';' | b' ' | b'\t' | b'"' | b'(' | b')' | b'=');
            other(cut(data, end).1)
        }
        _ => None,
    }
}

/// What lies behind the closing character; a backslash takes the next one with it.
fn behind(mut data: &[u8], close: u8) -> Option<&[u8]> {
    loop {
        let (b, rest) = data.split_first()?;
        match *b {
            b if b == close => return Some(rest),
            b'\\' => data = rest.split_first()?.1,
            _ => data = rest,
        }
    }
}

fn cut(data: &[u8], is: impl Fn(&u8) -> bool) -> (&[u8], &[u8]) {
    let n = data.iter().take_while(|b| is(b)).count();
    data.split_at_checked(n).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_of_rfc_9218_and_odd_ones() {
        let p = |urgency, incremental| Some(Priority { urgency, incremental });
        for (text, want) in [
            ("", p(3, false)),
            ("u=5, i", p(5, true)),
            ("u=0", p(0, false)),
            ("i", p(3, true)),
            ("i=?0,u=7", p(7, false)),
            ("i=?1;a=\"x,y\";b, u=1", p(1, true)),
            ("u=1, u=2", p(2, false)),
            // Out of range, or of another type: as if it were not there.
            ("u=8, i=1", p(3, false)),
            ("u=-1", p(3, false)),
            ("u=1.5", p(3, false)),
            ("u=\"1\", x=(a b);c, y=:AA==:, z=token/1, i", p(3, true)),
            // No dictionaries.
            ("u=1,", None),
            ("U=1", None),
            ("u=", None),
            ("u 1", None),
            ("i=?2", None),
            ("x=\"open", None),
            ("\u{e9}", None),
        ] {
            assert_eq!(parse(text.as_bytes()), want, "{text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn hostile_fields_never_panic(bytes in proptest::collection::vec(0_u8..=255, 0..40)) {
            let _ = parse(&bytes);
        }
    }
}
