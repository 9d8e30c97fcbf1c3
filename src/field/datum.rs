//! A value of no fixed shape: what a payload decoder made of a payload.

/// JSON's shapes, with integers and bytes kept apart. Maps keep their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An unsigned integer.
    U64(u64),
    /// A signed integer.
    I64(i64),
    /// A floating-point number; infinities and NaN print as strings.
    F64(f64),
    /// Text.
    Text(String),
    /// Bytes; base64 in JSON.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Datum>),
    /// Names and values, in order.
    Map(Vec<(String, Datum)>),
}

impl Datum {
    /// The value under `name`, in a map that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(m) => m.iter().find(|(k, _)| k == name).map(|(_, v)| v),
            _ => None,
        }
    }
}

impl Datum {
    /// Bytes of it as compact JSON: without blanks, names as they are, bytes as base64.
    #[must_use]
    pub fn json_len(&self) -> u64 {
        let sum = |parts: &mut dyn Iterator<Item = u64>| {
            // A bracket at each end, and commas between.
            let (n, all) = parts.fold((0_u64, 0_u64), |(n, all), p| (n + 1, all + p));
            2 + all + n.saturating_sub(1)
        };
        match self {
            Self::Null => 4,
            Self::Bool(b) => 5 - u64::from(*b),
            Self::U64(n) => n.to_string().len() as u64,
            Self::I64(n) => n.to_string().len() as u64,
            Self::F64(n) if n.is_finite() => n.to_string().len() as u64,
            Self::F64(n) => n.to_string().len() as u64 + 2,
            Self::Text(t) => quoted_len(t),
            Self::Bytes(b) => (b.len() as u64).div_ceil(3) * 4 + 2,
            Self::List(items) => sum(&mut items.iter().map(Self::json_len)),
            Self::Map(items) => {
                sum(&mut items.iter().map(|(name, d)| quoted_len(name) + 1 + d.json_len()))
            }
        }
    }
}

/// Bytes of text in quotes, with what must be escaped (RFC 8259 §7).
fn quoted_len(text: &str) -> u64 {
    let byte = |b: u8| match b {
        b'"' | b'\\' | b'\n' | b'\r' | b'\t' => 2,
        0..0x20 => 6,
        _ => 1,
    };
    2 + text.bytes().map(byte).sum::<u64>()
}

/// Collects one line of bounded length.
struct Line {
    text: String,
    left: usize,
    /// Names that were made up of numbers (`field_1`) are written as these.
    bare_numbers: bool,
}

impl Line {
    fn push(&mut self, text: &str) {
        for c in text.chars() {
            if self.left == 0 {
                return;
            }
            self.left -= 1;
            self.text.push(c);
        }
    }

    fn is_full(&self) -> bool {
        self.left == 0
    }

    fn finish(mut self) -> String {
        if self.left == 0 {
            self.text.push('…');
        }
        self.text
    }
}

/// Depth to which a line goes into lists and maps.
const LINE_DEPTH: usize = 8;

impl Datum {
    /// One line for people, of `max` characters at most: `{id: 42, name: "Alice"}`.
    ///
    /// Text is quoted and escaped; bytes are given as their number.
    #[must_use]
    pub fn line(&self, max: usize) -> String {
        let mut line = Line { text: String::new(), left: max, bare_numbers: false };
        self.write(&mut line, LINE_DEPTH);
        line.finish()
    }

    /// One line for the wire fields of a message without a schema, each with its
    /// most plausible reading: `{1: 42, 2: "Alice"}`. A guess: mark it so.
    #[must_use]
    pub fn wire_line(&self, max: usize) -> String {
        let mut line = Line { text: String::new(), left: max, bare_numbers: false };
        self.write_wire(&mut line, LINE_DEPTH);
        line.finish()
    }

    fn write(&self, line: &mut Line, depth: usize) {
        if line.is_full() {
            return;
        }
        match self {
            Self::Null => line.push("null"),
            Self::Bool(b) => line.push(&b.to_string()),
            Self::U64(n) => line.push(&n.to_string()),
            Self::I64(n) => line.push(&n.to_string()),
            Self::F64(n) => line.push(&n.to_string()),
            Self::Text(t) => {
                // Only as much as can be shown is escaped.
                let head: String = t.chars().take(line.left.saturating_add(1)).collect();
                line.push(&format!("{head:?}"));
            }
            Self::Bytes(b) => line.push(&format!("<{} bytes>", b.len())),
            Self::List(_) | Self::Map(_) if depth == 0 => line.push("…"),
            Self::List(items) => {
                line.push("[");
                for (i, item) in items.iter().enumerate() {
                    if line.is_full() {
                        return;
                    }
                    line.push(if i == 0 { "" } else { ", " });
                    item.write(line, depth - 1);
                }
                line.push("]");
            }
            Self::Map(items) => {
                line.push("{");
                for (i, (name, item)) in items.iter().enumerate() {
                    if line.is_full() {
                        return;
                    }
                    line.push(if i == 0 { "" } else { ", " });
                    let number = name.strip_prefix("field_").filter(|_| line.bare_numbers);
                    line.push(number.unwrap_or(name));
                    line.push(": ");
                    item.write(line, depth - 1);
                }
                line.push("}");
            }
        }
    }

    fn write_wire(&self, line: &mut Line, depth: usize) {
        let Self::List(fields) = self else {
            self.write(line, depth);
            return;
        };
        if depth == 0 {
            line.push("…");
            return;
        }
        line.push("{");
        for (i, field) in fields.iter().enumerate() {
            if line.is_full() {
                return;
            }
            line.push(if i == 0 { "" } else { ", " });
            if let Some(number) = field.get("number") {
                number.write(line, 1);
                line.push(": ");
            }
            let readings = field.get("readings");
            let reading = |name: &str| readings.and_then(|r| r.get(name));
            if let Some(value) = field.get("inferred").and_then(|i| i.get("value")) {
                line.bare_numbers = true;
                value.write(line, depth - 1);
                line.bare_numbers = false;
            } else if let Some(text) = reading("string") {
                text.write(line, 1);
            } else if let Some(message) = reading("message").or(reading("group")) {
                message.write_wire(line, depth - 1);
            } else if let Some(Self::F64(f)) = reading("double").or(reading("float"))
                && (*f == 0.0 || (1e-9..1e15).contains(&f.abs()))
            {
                line.push(&f.to_string());
            } else if let Some(n) = reading("int64") {
                n.write(line, 1);
            } else if let Some(value) = field.get("value") {
                value.write(line, 1);
            }
        }
        line.push("}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_length_of_json_is_that_of_json() {
        let d = Datum::Map(vec![
            ("id".into(), Datum::U64(42)),
            ("text".into(), Datum::Text("a\"b\u{1}é\n".into())),
            ("list".into(), Datum::List(vec![Datum::Bool(true), Datum::Null, Datum::I64(-7)])),
            ("bytes".into(), Datum::Bytes(vec![1, 2, 3, 4])),
            ("empty".into(), Datum::Map(vec![])),
            ("float".into(), Datum::F64(1.5)),
        ]);
        let json = concat!(
            r#"{"id":42,"text":"a\"b\u0001é\n","list":[true,null,-7],"#,
            r#""bytes":"AQIDBA==","empty":{},"float":1.5}"#
        );
        assert_eq!(d.json_len(), json.len() as u64);
    }

    #[test]
    fn lines_are_short() {
        let d = Datum::Map(vec![
            ("id".into(), Datum::U64(42)),
            ("name".into(), Datum::Text("Al\"ice\n".into())),
            ("roles".into(), Datum::List(vec![Datum::Bool(true), Datum::Bytes(vec![1, 2])])),
        ]);
        assert_eq!(d.line(99), r#"{id: 42, name: "Al\"ice\n", roles: [true, <2 bytes>]}"#);
        assert_eq!(d.line(9), "{id: 42, …");
        let mut deep = Datum::Null;
        for _ in 0..50 {
            deep = Datum::List(vec![deep]);
        }
        assert_eq!(deep.line(99), "[[[[[[[[…]]]]]]]]");
    }
}
