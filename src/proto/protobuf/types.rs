//! What a schema says, as tables for the walk.

use hashbrown::HashMap;

use crate::field::Datum;
use prost_reflect::{Cardinality, DescriptorPool, ExtensionDescriptor, FieldDescriptor};

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
    /// The tables of a pool.
    pub(super) fn new(pool: &DescriptorPool) -> Self {
        let mut t = Self::default();
        for (i, m) in pool.all_messages().enumerate() {
            t.by_name.insert(m.full_name().to_owned(), i);
        }
        let mut enums = HashMap::new();
        for (i, e) in pool.all_enums().enumerate() {
            enums.insert(e.full_name().to_owned(), i);
            let mut names = HashMap::new();
            for v in e.values() {
                // The first of several names for a number is the one people see.
                names.entry(v.number()).or_insert_with(|| v.name().to_owned());
            }
            t.enums.push(names);
        }
        for m in pool.all_messages() {
            let mut message =
                MessageType { name: m.full_name().to_owned(), ..MessageType::default() };
            for f in m.fields() {
                message.fields.insert(f.number(), t.field(&f, &enums));
            }
            for x in m.extensions() {
                message.fields.entry(x.number()).or_insert_with(|| t.extension(&x, &enums));
            }
            if m.is_map_entry() {
                for (number, name) in [(1, "key"), (2, "value")] {
                    let kind = message.fields.get(&number).map(|f| f.kind);
                    let datum = kind.map_or(Datum::Null, |k| t.absent(k));
                    message.absent.push((name, datum));
                }
            }
            t.messages.push(message);
        }
        for s in pool.services() {
            for m in s.methods() {
                let find = |name: &str| t.by_name.get(name).copied();
                let (Some(input), Some(output)) =
                    (find(m.input().full_name()), find(m.output().full_name()))
                else {
                    continue;
                };
                let pattern = match (m.is_client_streaming(), m.is_server_streaming()) {
                    (false, false) => "unary",
                    (false, true) => "server_streaming",
                    (true, false) => "client_streaming",
                    (true, true) => "bidi_streaming",
                };
                let path = format!("/{}/{}", s.full_name(), m.name());
                t.methods.insert(path, Method { input, output, pattern });
            }
        }
        t
    }

    fn kind(&self, kind: &prost_reflect::Kind, enums: &HashMap<String, usize>) -> Kind {
        use prost_reflect::Kind as K;
        match kind {
            K::Double => Kind::Double,
            K::Float => Kind::Float,
            K::Int32 => Kind::Int32,
            K::Int64 => Kind::Int64,
            K::Uint32 => Kind::Uint32,
            K::Uint64 => Kind::Uint64,
            K::Sint32 => Kind::Sint32,
            K::Sint64 => Kind::Sint64,
            K::Fixed32 => Kind::Fixed32,
            K::Fixed64 => Kind::Fixed64,
            K::Sfixed32 => Kind::Sfixed32,
            K::Sfixed64 => Kind::Sfixed64,
            K::Bool => Kind::Bool,
            K::String => Kind::String,
            K::Bytes => Kind::Bytes,
            K::Message(m) => {
                self.by_name.get(m.full_name()).map_or(Kind::Bytes, |i| Kind::Message(*i))
            }
            K::Enum(e) => enums.get(e.full_name()).map_or(Kind::Int32, |i| Kind::Enum(*i)),
        }
    }

    /// What proto3 takes for a value that is absent.
    fn absent(&self, kind: Kind) -> Datum {
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

    fn field(&self, f: &FieldDescriptor, enums: &HashMap<String, usize>) -> FieldType {
        FieldType {
            name: f.name().to_owned(),
            kind: self.kind(&f.kind(), enums),
            list: f.cardinality() == Cardinality::Repeated,
            map: f.is_map(),
            oneof: f
                .containing_oneof()
                .filter(|o| !o.is_synthetic())
                .and_then(|o| o.path().last().and_then(|i| u32::try_from(*i).ok())),
        }
    }

    fn extension(&self, x: &ExtensionDescriptor, enums: &HashMap<String, usize>) -> FieldType {
        FieldType {
            name: format!("[{}]", x.full_name()),
            kind: self.kind(&x.kind(), enums),
            list: x.cardinality() == Cardinality::Repeated,
            map: false,
            oneof: None,
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
