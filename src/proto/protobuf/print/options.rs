//! Options, the ones of the language and those that files define (extensions of
//! google.protobuf.FieldOptions and the like).

use crate::field::Datum;
use crate::proto::protobuf::print::quoted;
use crate::proto::protobuf::types::{FieldType, Kind, MessageType, Types};

/// Depth of an option that is a message: more is nobody's.
const MAX_DEPTH: usize = 16;

/// `name = value` for each option of a descriptor whose options are of type `ty`, and what
/// is said of those that cannot be written.
pub(super) fn list(types: &Types, descriptor: &Datum, ty: &str) -> (Vec<String>, Vec<String>) {
    let (mut list, mut left_out) = (Vec::new(), Vec::new());
    let ty = types.by_name.get(ty).and_then(|i| types.message(*i));
    let (Some(Datum::Map(all)), Some(ty)) = (descriptor.get("options"), ty) else {
        return (list, left_out);
    };
    for (name, value) in all {
        // The compiler sets it, and nobody may.
        if name == "map_entry" {
            continue;
        }
        let values = match (field(ty, name), value) {
            (Some(f), Datum::List(items)) if f.list => items.as_slice(),
            _ => std::slice::from_ref(value),
        };
        for v in values {
            match field(ty, name).and_then(|f| write(types, f.kind, v, MAX_DEPTH)) {
                Some(text) => list.push(format!("{} = {text}", parens(name))),
                None => left_out.push(format!(
                    "Option {name:?} of {} is left out: no file says what it is.",
                    ty.name
                )),
            }
        }
    }
    (list, left_out)
}

fn field<'t>(ty: &'t MessageType, name: &str) -> Option<&'t FieldType> {
    ty.fields.values().find(|f| f.name == name && !f.map)
}

/// `[a.b]` is an extension, and stands in parentheses.
fn parens(name: &str) -> String {
    match name.strip_prefix('[').and_then(|n| n.strip_suffix(']')) {
        Some(n) => format!("({n})"),
        None => name.to_owned(),
    }
}

fn write(types: &Types, kind: Kind, value: &Datum, depth: usize) -> Option<String> {
    let depth = depth.checked_sub(1)?;
    Some(match (kind, value) {
        (Kind::Enum(_), Datum::Text(name)) => name.clone(),
        (Kind::String, Datum::Text(t)) => quoted(t.as_bytes()),
        (Kind::String | Kind::Bytes, Datum::Bytes(b)) => quoted(b),
        (_, Datum::Bool(b)) => b.to_string(),
        (_, Datum::U64(n)) => n.to_string(),
        (_, Datum::I64(n)) => n.to_string(),
        (_, Datum::F64(n)) if n.is_nan() => "nan".to_owned(),
        (_, Datum::F64(n)) => n.to_string(),
        (Kind::Message(m), Datum::Map(parts)) => {
            let ty = types.message(m)?;
            let mut out = String::from("{");
            for (name, value) in parts {
                let f = field(ty, name)?;
                let items = match value {
                    Datum::List(items) if f.list => items.as_slice(),
                    _ => std::slice::from_ref(value),
                };
                for v in items {
                    let text = write(types, f.kind, v, depth)?;
                    out.push_str(&format!(" {name}: {text}"));
                }
            }
            out.push_str(" }");
            out
        }
        _ => return None,
    })
}
