//! The well-known types, as people write them (Protocol Buffers, ProtoJSON).

use crate::field::Datum;

/// The value of a well-known type; `None` for other types, and where a value is
/// beyond what its type may hold: it is then shown field by field.
pub(super) fn show(name: &str, fields: &[(String, Datum)]) -> Option<Datum> {
    let get = |n: &str| fields.iter().find(|(k, _)| k == n).map(|(_, v)| v);
    let int = |n: &str| match get(n) {
        None => Some(0),
        Some(Datum::U64(v)) => i64::try_from(*v).ok(),
        Some(Datum::I64(v)) => Some(*v),
        Some(_) => None,
    };
    // A field that the type does not have must not be hidden.
    let only = |names: &[&str]| fields.iter().all(|(k, _)| names.contains(&k.as_str()));
    match name.strip_prefix("google.protobuf.")? {
        "Timestamp" if only(&["seconds", "nanos"]) => timestamp(int("seconds")?, int("nanos")?),
        "Duration" if only(&["seconds", "nanos"]) => duration(int("seconds")?, int("nanos")?),
        "DoubleValue" | "FloatValue" if only(&["value"]) => {
            Some(get("value").cloned().unwrap_or(Datum::F64(0.0)))
        }
        "Int64Value" | "UInt64Value" | "Int32Value" | "UInt32Value" if only(&["value"]) => {
            Some(get("value").cloned().unwrap_or(Datum::U64(0)))
        }
        "BoolValue" if only(&["value"]) => {
            Some(get("value").cloned().unwrap_or(Datum::Bool(false)))
        }
        "StringValue" if only(&["value"]) => {
            Some(get("value").cloned().unwrap_or(Datum::Text(String::new())))
        }
        "BytesValue" if only(&["value"]) => {
            Some(get("value").cloned().unwrap_or(Datum::Bytes(Vec::new())))
        }
        "Struct" if only(&["fields"]) => {
            Some(get("fields").cloned().unwrap_or(Datum::Map(Vec::new())))
        }
        "ListValue" if only(&["values"]) => {
            Some(get("values").cloned().unwrap_or(Datum::List(Vec::new())))
        }
        "Value" => match fields {
            [(kind, _)] if kind == "null_value" => Some(Datum::Null),
            [(kind, v)]
                if ["number_value", "string_value", "bool_value", "struct_value", "list_value"]
                    .contains(&kind.as_str()) =>
            {
                Some(v.clone())
            }
            _ => None,
        },
        "FieldMask" if only(&["paths"]) => match get("paths") {
            None => Some(Datum::Text(String::new())),
            Some(Datum::List(paths)) => {
                let parts: Option<Vec<&str>> = paths
                    .iter()
                    .map(|p| if let Datum::Text(t) = p { Some(t.as_str()) } else { None })
                    .collect();
                Some(Datum::Text(parts?.join(",")))
            }
            Some(_) => None,
        },
        _ => None,
    }
}

/// An Any: `@type` and the fields of what it carries, where that type is known, or as
/// `value` what is no message with fields of its own in JSON; else its two fields as they are.
pub(super) fn any(fields: Vec<(String, Datum)>) -> Datum {
    let opened = fields.iter().any(|(k, v)| k == "value" && !matches!(v, Datum::Bytes(_)));
    if !opened {
        return Datum::Map(fields);
    }
    let mut map = Vec::new();
    let mut rest = Vec::new();
    // Their keys are those of the user, or again `@type`.
    let whole = ["Any", "Struct", "Value"];
    let nested = fields.iter().any(|(k, url)| {
        let name = match url {
            Datum::Text(t) if k == "type_url" => t.rsplit('/').next(),
            _ => None,
        };
        name.and_then(|n| n.strip_prefix("google.protobuf.")).is_some_and(|n| whole.contains(&n))
    });
    for (name, value) in fields {
        match (name.as_str(), value) {
            ("type_url", url) => map.push(("@type".to_owned(), url)),
            ("value", Datum::Map(inner)) if !nested => rest.extend(inner),
            (_, value) => rest.push((name, value)),
        }
    }
    map.extend(rest);
    Datum::Map(map)
}

/// RFC 3339 in UTC, with 0, 3, 6 or 9 digits; years 1 to 9999.
fn timestamp(seconds: i64, nanos: i64) -> Option<Datum> {
    if !(-62_135_596_800..=253_402_300_799).contains(&seconds)
        || !(0..1_000_000_000).contains(&nanos)
    {
        return None;
    }
    // Up to the last nanosecond of 9999, which is what many write for "never".
    let since = jiff::SignedDuration::new(seconds, i32::try_from(nanos).ok()?);
    let t = jiff::civil::DateTime::constant(1970, 1, 1, 0, 0, 0, 0).checked_add(since).ok()?;
    Some(Datum::Text(match digits(nanos) {
        0 => format!("{t:.0}Z"),
        3 => format!("{t:.3}Z"),
        6 => format!("{t:.6}Z"),
        _ => format!("{t:.9}Z"),
    }))
}

/// Seconds with their fraction: `1.500s`, `-3s`; 10,000 years either way.
fn duration(seconds: i64, nanos: i64) -> Option<Datum> {
    let mixed = seconds < 0 && nanos > 0 || seconds > 0 && nanos < 0;
    if mixed || seconds.abs() > 315_576_000_000 || nanos.abs() >= 1_000_000_000 {
        return None;
    }
    let sign = if seconds < 0 || nanos < 0 { "-" } else { "" };
    let (seconds, nanos) = (seconds.unsigned_abs(), nanos.unsigned_abs());
    let mut fraction = if nanos == 0 { String::new() } else { format!(".{nanos:09}") };
    while fraction.ends_with('0') {
        fraction.pop();
    }
    Some(Datum::Text(format!("{sign}{seconds}{fraction}s")))
}

const fn digits(nanos: i64) -> u8 {
    match nanos {
        0 => 0,
        n if n % 1_000_000 == 0 => 3,
        n if n % 1_000 == 0 => 6,
        _ => 9,
    }
}
