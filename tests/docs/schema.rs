//! As much of JSON Schema (2020-12) as `docs/event.schema.json` uses. A keyword
//! that is not known here is refused, so that nothing in the schema goes unchecked.

use serde_json::{Map, Value};

/// Keywords that say something to people only.
const SILENT: [&str; 8] =
    ["$schema", "$id", "$defs", "title", "description", "examples", "contentEncoding", "$comment"];

pub(crate) struct Schema {
    root: Value,
}

impl Schema {
    pub(crate) fn new(root: Value) -> Self {
        Self { root }
    }

    /// What does not fit, with its place.
    pub(crate) fn check(&self, value: &Value) -> Result<(), String> {
        self.at(&self.root, value, "")
    }

    fn at(&self, schema: &Value, value: &Value, place: &str) -> Result<(), String> {
        let schema = match schema {
            Value::Bool(true) => return Ok(()),
            Value::Object(o) => o,
            _ => return Err(format!("{place}: not allowed")),
        };
        for (keyword, rule) in schema {
            self.keyword(schema, keyword, rule, value, place)?;
        }
        Ok(())
    }

    fn keyword(
        &self,
        schema: &Map<String, Value>,
        keyword: &str,
        rule: &Value,
        value: &Value,
        place: &str,
    ) -> Result<(), String> {
        let fail = |why: String| Err(format!("{place}: {why}"));
        match keyword {
            k if SILENT.contains(&k) => {}
            "$ref" => {
                let pointer =
                    rule.as_str().and_then(|r| r.strip_prefix('#')).expect("a local $ref");
                let target = self.root.pointer(pointer).unwrap_or_else(|| panic!("no {pointer}"));
                return self.at(target, value, place);
            }
            "type" => {
                let names: Vec<&str> = match rule {
                    Value::Array(a) => a.iter().filter_map(Value::as_str).collect(),
                    one => one.as_str().into_iter().collect(),
                };
                if !names.iter().any(|n| is_of(n, value)) {
                    return fail(format!("not of type {names:?}"));
                }
            }
            "const" if rule != value => return fail(format!("not {rule}")),
            "enum" if !rule.as_array().expect("a list").contains(value) => {
                return fail(format!("{value} is not among {rule}"));
            }
            "const" | "enum" => {}
            "minimum" if value.as_f64().is_some_and(|v| v < rule.as_f64().expect("a number")) => {
                return fail(format!("below {rule}"));
            }
            "maximum" if value.as_f64().is_some_and(|v| v > rule.as_f64().expect("a number")) => {
                return fail(format!("above {rule}"));
            }
            "pattern" => {
                assert_eq!(rule, "^field_[0-9]+$", "another pattern");
                let number = value.as_str().and_then(|v| v.strip_prefix("field_"));
                if !number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit())) {
                    return fail(format!("not of the form {rule}"));
                }
            }
            "minItems" if value.as_array().is_some_and(|a| (a.len() as u64) < number(rule)) => {
                return fail(format!("fewer than {rule} items"));
            }
            "minimum" | "maximum" | "minItems" => {}
            "format" => {
                assert_eq!(rule, "date-time", "another format");
                if !value.as_str().is_some_and(is_time) {
                    return fail("not a time".into());
                }
            }
            "oneOf" => {
                let all = rule.as_array().expect("a list");
                let results: Vec<_> = all.iter().map(|s| self.at(s, value, place)).collect();
                match results.iter().filter(|r| r.is_ok()).count() {
                    1 => {}
                    0 => {
                        // That which got furthest says most.
                        let why = results.into_iter().filter_map(Result::err);
                        let best = why.max_by_key(|e| (!e.contains("/level"), e.len()));
                        return Err(best.unwrap_or_default());
                    }
                    n => return fail(format!("{n} of the alternatives fit")),
                }
            }
            "required" => {
                for name in rule.as_array().expect("a list").iter().filter_map(Value::as_str) {
                    if value.as_object().is_some_and(|o| !o.contains_key(name)) {
                        return fail(format!("{name} is missing"));
                    }
                }
            }
            "properties" => {
                for (name, s) in rule.as_object().expect("an object") {
                    if let Some(v) = value.get(name) {
                        self.at(s, v, &format!("{place}/{name}"))?;
                    }
                }
            }
            "additionalProperties" => {
                let known = schema.get("properties").and_then(Value::as_object);
                for (name, v) in value.as_object().into_iter().flatten() {
                    if !known.is_some_and(|k| k.contains_key(name)) {
                        self.at(rule, v, &format!("{place}/{name}"))?;
                    }
                }
            }
            "items" => {
                for v in value.as_array().into_iter().flatten() {
                    self.at(rule, v, &format!("{place}/*"))?;
                }
            }
            other => panic!("the keyword {other} is not known to the test"),
        }
        Ok(())
    }
}

fn number(v: &Value) -> u64 {
    v.as_u64().expect("a number")
}

fn is_of(name: &str, value: &Value) -> bool {
    match name {
        "null" => value.is_null(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "string" => value.is_string(),
        "array" => value.is_array(),
        "object" => value.is_object(),
        other => panic!("the type {other} is not known"),
    }
}

/// `2026-11-20T21:23:45.123456789Z`
fn is_time(text: &str) -> bool {
    let pattern = "dddd-dd-ddTdd:dd:dd.dddddddddZ";
    text.len() == pattern.len()
        && text
            .chars()
            .zip(pattern.chars())
            .all(|(c, p)| if p == 'd' { c.is_ascii_digit() } else { c == p })
}
