//! What a schema says, as tables for the walk.

use hashbrown::HashMap;

use crate::field::Datum;

/// Type of a field's value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Double,
    Float,
    Int32,
    Int64,
    Uint32,
    Uint64,
    Sint32,
    Sint64,
    Fixed32,
    Fixed64,
    Sfixed32,
    Sfixed64,
    Bool,
    String,
    Bytes,
    /// Index of the enumeration.
    Enum(usize),
    /// Index of the message type; as a group or length-delimited.
    Message(usize),
}

impl Kind {
    /// The wire type of one value; messages may be groups as well.
    pub(super) const fn wire_type(self) -> u8 {
        match self {
            Self::Double | Self::Fixed64 | Self::Sfixed64 => 1,
            Self::Float | Self::Fixed32 | Self::Sfixed32 => 5,
            Self::String | Self::Bytes | Self::Message(_) => 2,
            _ => 0,
        }
    }
}

/// A field of a message type.
#[derive(Clone, Debug)]
pub(super) struct FieldType {
    /// As in the .proto file; an extension's full name in brackets.
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) list: bool,
    /// Its type is a map's entry.
    pub(super) map: bool,
    /// The oneof that it is in, unless that was made up for `optional`.
    pub(super) oneof: Option<u32>,
}

/// A message type.
#[derive(Clone, Debug, Default)]
pub(super) struct MessageType {
    pub(super) name: String,
    pub(super) fields: HashMap<u32, FieldType>,
    /// What the key and the value of a map's entry are where they are absent.
    pub(super) absent: Vec<(&'static str, Datum)>,
}

/// A method: what it takes and gives.
#[derive(Clone, Copy, Debug)]
pub(super) struct Method {
    pub(super) input: usize,
    pub(super) output: usize,
    pub(super) pattern: &'static str,
}

/// All types of a schema.
#[derive(Clone, Debug, Default)]
pub(super) struct Types {
    pub(super) messages: Vec<MessageType>,
    pub(super) enums: Vec<HashMap<i32, String>>,
    pub(super) by_name: HashMap<String, usize>,
    methods: HashMap<String, Method>,
}

impl Types {
    /// Adds a method; the first of a path counts.
    pub(super) fn add_method(&mut self, path: String, method: Method) {
        self.methods.entry(path).or_insert(method);
    }

    /// The paths of all methods.
    pub(super) fn paths(&self) -> impl Iterator<Item = &str> {
        self.methods.keys().map(String::as_str)
    }

    /// What proto3 takes for a value that is absent.
    pub(super) fn absent(&self, kind: Kind) -> Datum {
        match kind {
            Kind::Double | Kind::Float => Datum::F64(0.0),
            Kind::Bool => Datum::Bool(false),
            Kind::String => Datum::Text(String::new()),
            Kind::Bytes => Datum::Bytes(Vec::new()),
            Kind::Enum(e) => {
                self.enum_name(e, 0).map_or(Datum::U64(0), |n| Datum::Text(n.to_owned()))
            }
            Kind::Message(_) => Datum::Map(Vec::new()),
            _ => Datum::U64(0),
        }
    }

    /// The method of a path; of its last two parts where a prefix was put before.
    pub(super) fn method(&self, path: &str) -> Option<Method> {
        if let Some(m) = self.methods.get(path) {
            return Some(*m);
        }
        let method = path.rfind('/')?;
        let service = path.get(..method)?.rfind('/')?;
        self.methods.get(path.get(service..)?).copied()
    }

    pub(super) fn message(&self, index: usize) -> Option<&MessageType> {
        self.messages.get(index)
    }

    pub(super) fn enum_name(&self, index: usize, number: i32) -> Option<&str> {
        self.enums.get(index)?.get(&number).map(String::as_str)
    }

    pub(super) fn method_count(&self) -> usize {
        self.methods.len()
    }

    /// Both together; the indices of `other` move behind ours.
    pub(super) fn and(&self, other: &Self) -> Self {
        let mut t = self.clone();
        let (messages, enums) = (t.messages.len(), t.enums.len());
        t.enums.extend(other.enums.iter().cloned());
        for m in &other.messages {
            let mut m = m.clone();
            for f in m.fields.values_mut() {
                f.kind = match f.kind {
                    Kind::Message(i) => Kind::Message(i + messages),
                    Kind::Enum(i) => Kind::Enum(i + enums),
                    other => other,
                };
            }
            t.messages.push(m);
        }
        for (name, i) in &other.by_name {
            t.by_name.entry(name.clone()).or_insert(i + messages);
        }
        for (path, m) in &other.methods {
            let m = Method { input: m.input + messages, output: m.output + messages, ..*m };
            t.methods.entry(path.clone()).or_insert(m);
        }
        t
    }
}
