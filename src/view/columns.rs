//! Events as columns: tsv and csv, a line an event.
//!
//! Values are as in JSON: flags are `true` and `false`, bytes lower-case hex,
//! durations nanoseconds, enumerated fields numbers. Several values of one field
//! are joined by commas. In tsv a backslash stands before `t`, `n`, `r` and
//! itself; in csv a cell is quoted as RFC 4180 says. Lines end with a line feed.
//! What a terminal would obey is escaped in both.

use std::fmt::Write;

use crate::base::CaptureTime;
use crate::index::filter::names::{Ask, Type};
use crate::index::filter::{Mistake, Name, Scene, Val};
use crate::view::clean::{clean, is_unsafe};
use crate::view::json::as_text;
use crate::view::text::seconds;

/// How cells are parted and quoted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Parted by tabs.
    Tsv,
    /// Parted by commas (RFC 4180).
    Csv,
}

/// Columns that are shown where none are asked for; the time comes first.
pub const USUAL: [&str; 7] =
    ["event", "packet", "conversation", "sender", "protocol", "kind", "summary"];

/// Writes lines one after another.
#[derive(Debug)]
pub struct Columns {
    form: Form,
    names: Vec<Name>,
    first: Option<CaptureTime>,
    last: Option<CaptureTime>,
    cell: String,
}

impl Columns {
    /// Columns of these names.
    ///
    /// # Errors
    /// Where there is no such field, or it has no value; with the text that is
    /// at fault.
    pub fn new<'n>(
        form: Form,
        names: impl IntoIterator<Item = &'n str>,
    ) -> Result<Self, (&'n str, Mistake)> {
        let mut found = Vec::new();
        for text in names {
            let at = 0..text.len();
            let name = Name::find(text, at.clone()).map_err(|m| (text, m))?;
            if matches!(name.kind(), Type::Group) {
                let what = format!("`{text}` has no value of its own; name a field of it");
                return Err((text, Mistake { at, what }));
            }
            found.push(name);
        }
        Ok(Self { form, names: found, first: None, last: None, cell: String::new() })
    }

    /// Says when the capture began, for relative times.
    pub fn begin(&mut self, first: CaptureTime) {
        self.first.get_or_insert(first);
    }

    /// Appends the names.
    pub fn header(&mut self, out: &mut String) {
        for i in 0..self.names.len() {
            let Some(name) = self.names.get(i) else { break };
            self.cell = name.text();
            self.end_cell(out, i);
        }
        out.push('\n');
    }

    /// Appends the line of an event or a finding.
    pub fn line(&mut self, out: &mut String, scene: Scene<'_>) {
        let first = *self.first.get_or_insert(scene.time());
        let scene = Scene { first, before: self.last, ..scene };
        for i in 0..self.names.len() {
            let Some(name) = self.names.get(i) else { break };
            let cell = &mut self.cell;
            cell.clear();
            let mut begun = false;
            let payload = matches!(name, Name::Common(c) if c.ask == Ask::Payload);
            scene.values(name, &mut |v| {
                // Of a decoded payload the message as a whole, not each text in it.
                if begun && payload {
                    cell.clear();
                } else if begun {
                    cell.push(',');
                }
                begun = true;
                value(cell, v, payload);
                false
            });
            self.end_cell(out, i);
        }
        out.push('\n');
        self.last = Some(scene.time());
    }

    /// Appends the cell, and before it what parts it from the last.
    fn end_cell(&self, out: &mut String, at: usize) {
        let cell = &self.cell;
        match self.form {
            Form::Tsv => {
                out.push_str(if at > 0 { "\t" } else { "" });
                let escaped = cell.replace('\\', "\\\\");
                out.push_str(&clean(&escaped));
            }
            Form::Csv => {
                out.push_str(if at > 0 { "," } else { "" });
                let quoted = cell.contains([',', '"', '\n', '\r']);
                out.push_str(if quoted { "\"" } else { "" });
                for c in cell.chars() {
                    match c {
                        '"' => out.push_str("\"\""),
                        '\n' | '\t' => out.push(c),
                        c if is_unsafe(c) => out.push_str(&clean(c.encode_utf8(&mut [0; 4]))),
                        c => out.push(c),
                    }
                }
                out.push_str(if quoted { "\"" } else { "" });
            }
        }
    }
}

/// Appends a value; bytes as text where that is asked for and they are.
fn value(out: &mut String, v: Val<'_>, as_payload: bool) {
    // Writing to a string does not fail.
    let _ = match v {
        Val::Bool(b) => write!(out, "{b}"),
        Val::Whole(n, _) | Val::Span(n) => write!(out, "{n}"),
        Val::Float(n) => write!(out, "{n:?}"),
        Val::Text(t) => out.write_str(t),
        Val::Bytes(b) => match as_text(b, None).filter(|_| as_payload) {
            Some(t) => out.write_str(t),
            None => b.iter().try_for_each(|b| write!(out, "{b:02x}")),
        },
        Val::Ip(ip) => write!(out, "{ip}"),
        Val::End(end) => write!(out, "{end}"),
        Val::Seconds(ns) => out.write_str(&seconds(ns)),
        Val::Time(t) => write!(out, "{t}"),
        Val::Severity(s) => write!(out, "{s}"),
        Val::Here => Ok(()),
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cell(form: Form, text: &str) -> String {
        let mut c = Columns::new(form, ["event"]).unwrap();
        c.cell = text.into();
        let mut out = String::new();
        c.end_cell(&mut out, 0);
        out
    }

    #[test]
    fn cells_come_back_whole() {
        assert_eq!(cell(Form::Tsv, "a\tb\\n\nc"), r"a\tb\\n\nc");
        assert_eq!(cell(Form::Csv, "plain"), "plain");
        assert_eq!(cell(Form::Csv, "a,\"b\"\n"), "\"a,\"\"b\"\"\n\"");
        for form in [Form::Tsv, Form::Csv] {
            assert_eq!(cell(form, "\x1b[2J\u{202e}"), r"\x1b[2J\u{202e}");
        }
    }

    #[test]
    fn names_are_checked() {
        let (text, wrong) = Columns::new(Form::Tsv, ["event", "websocket.opcod"]).unwrap_err();
        assert_eq!(text, "websocket.opcod");
        assert!(wrong.what.contains("websocket.opcode"), "{}", wrong.what);
        assert!(Columns::new(Form::Csv, ["grpc"]).is_err());
        assert!(Columns::new(Form::Csv, USUAL).is_ok());
    }
}
