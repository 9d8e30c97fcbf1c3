//! Puts the values of a message together: what a protobuf library would hold
//! after reading it, under the names of the .proto file.

use hashbrown::HashMap;

use crate::field::Datum;
use crate::proto::protobuf::known;
use crate::proto::protobuf::types::{FieldType, MessageType};

/// A message in the making. Nothing until something is set: where nobody looks, that is
/// all that it comes to.
#[derive(Debug, Default)]
pub(super) struct Build(Option<Box<Parts>>);

#[derive(Debug, Default)]
struct Parts {
    /// In the order in which fields first came; taken out where another member
    /// of the oneof came later.
    fields: Vec<(String, Option<Datum>)>,
    place: HashMap<u32, usize>,
    others: HashMap<u32, usize>,
    oneofs: HashMap<u32, u32>,
    keys: HashMap<(u32, String), usize>,
}

impl Build {
    /// A value of a field that the schema knows: appended to a list, put into a
    /// map, merged with a message that came before, or in place of what was there.
    pub(super) fn set(&mut self, number: u32, f: &FieldType, value: Datum) {
        self.0.get_or_insert_default().set(number, f, value);
    }

    /// A field that the schema does not know, or that came with another wire
    /// type, under its number: a list of wire fields with their readings.
    pub(super) fn unknown(&mut self, number: u32, value: Datum) {
        self.0.get_or_insert_default().unknown(number, value);
    }

    /// The message; well-known types as people write them.
    pub(super) fn finish(self, ty: Option<&MessageType>) -> Datum {
        let mut map = self.map();
        for (name, absent) in ty.iter().flat_map(|t| &t.absent) {
            if !map.iter().any(|(n, _)| n == name) {
                map.push(((*name).to_owned(), absent.clone()));
            }
        }
        match ty.and_then(|t| known::show(&t.name, &map)) {
            Some(d) => d,
            None => match ty {
                Some(t) if t.name == "google.protobuf.Any" => known::any(map),
                _ => Datum::Map(map),
            },
        }
    }

    /// The fields that are set.
    pub(super) fn map(self) -> Vec<(String, Datum)> {
        let fields = self.0.map(|parts| parts.fields).unwrap_or_default();
        fields.into_iter().filter_map(|(n, d)| Some((n, d?))).collect()
    }
}

impl Parts {
    fn slot(&mut self, number: u32, name: &str) -> Option<&mut Option<Datum>> {
        let at = *self.place.entry(number).or_insert_with(|| {
            self.fields.push((name.to_owned(), None));
            self.fields.len() - 1
        });
        self.fields.get_mut(at).map(|(_, d)| d)
    }

    fn set(&mut self, number: u32, f: &FieldType, value: Datum) {
        if let Some(o) = f.oneof
            && let Some(old) = self.oneofs.insert(o, number)
            && old != number
            && let Some(slot) = self.place.get(&old).copied().and_then(|i| self.fields.get_mut(i))
        {
            slot.1 = None;
        }
        if f.map {
            let (key, value) = entry(value);
            let seen = self.keys.get(&(number, key.clone())).copied();
            let Some(slot) = self.slot(number, &f.name) else { return };
            let Datum::Map(map) = slot.get_or_insert_with(|| Datum::Map(Vec::new())) else {
                return;
            };
            match seen.and_then(|i| map.get_mut(i)) {
                Some(old) => old.1 = value,
                None => {
                    let at = map.len();
                    map.push((key.clone(), value));
                    self.keys.insert((number, key), at);
                }
            }
            return;
        }
        let Some(slot) = self.slot(number, &f.name) else { return };
        if f.list {
            let Datum::List(list) = slot.get_or_insert_with(|| Datum::List(Vec::new())) else {
                return;
            };
            match value {
                // Packed numbers.
                Datum::List(items) if f.kind.wire_type() != 2 => list.extend(items),
                other => list.push(other),
            }
            return;
        }
        match (slot, value) {
            (Some(Datum::Map(old)), Datum::Map(new)) => merge(old, new),
            (slot, value) => *slot = Some(value),
        }
    }

    fn unknown(&mut self, number: u32, value: Datum) {
        let at = *self.others.entry(number).or_insert_with(|| {
            self.fields.push((number.to_string(), Some(Datum::List(Vec::new()))));
            self.fields.len() - 1
        });
        if let Some((_, Some(Datum::List(list)))) = self.fields.get_mut(at) {
            list.push(value);
        }
    }
}

/// Key and value of a map's entry.
fn entry(value: Datum) -> (String, Datum) {
    let Datum::Map(fields) = value else { return (String::new(), value) };
    let (mut key, mut value) = (String::new(), Datum::Null);
    for (name, d) in fields {
        match (name.as_str(), d) {
            ("key", Datum::Text(t)) => key = t,
            ("key", d) => key = d.line(64),
            ("value", d) => value = d,
            _ => {}
        }
    }
    (key, value)
}

/// A message that comes twice is one: later fields win, lists go on.
fn merge(old: &mut Vec<(String, Datum)>, new: Vec<(String, Datum)>) {
    let mut place: HashMap<String, usize> =
        old.iter().enumerate().map(|(i, (n, _))| (n.clone(), i)).collect();
    for (name, value) in new {
        match place.get(&name).and_then(|i| old.get_mut(*i)) {
            Some((_, slot)) => match (slot, value) {
                (Datum::List(a), Datum::List(b)) => a.extend(b),
                (Datum::Map(a), Datum::Map(b)) => merge(a, b),
                (slot, value) => *slot = value,
            },
            None => {
                place.insert(name.clone(), old.len());
                old.push((name, value));
            }
        }
    }
}
