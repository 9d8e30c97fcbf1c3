//! Schema files as descriptors have them (`google/protobuf/descriptor.proto`), and the
//! tables of their types.
//!
//! Descriptors may come off the wire, from a server's reflection, and may then be
//! anything: names that lead nowhere, types that contradict one another, a syntax of
//! years to come. What can be used is used; what cannot is left out, and nothing here
//! fails. Editions are read as well: the wire has nothing new in them.

use std::collections::HashSet;

use hashbrown::HashMap;
use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto,
};
use protox::file::{FileResolver as _, GoogleFileResolver};

use crate::field::Datum;
use crate::proto::protobuf::types::{FieldType, Kind, MessageType, Method, Types};

/// A file, as it was read and as it was sent.
#[derive(Clone, Debug)]
pub(super) struct SchemaFile {
    /// What the library knows of it; its edition and custom options are not among that.
    pub(super) proto: FileDescriptorProto,
    /// All of it.
    pub(super) bytes: Vec<u8>,
}

impl SchemaFile {
    /// Reads a FileDescriptorProto.
    ///
    /// # Errors
    /// It is none, has no name, or a syntax that nobody knows: one sentence.
    pub(super) fn read(bytes: &[u8]) -> Result<Self, String> {
        let proto =
            FileDescriptorProto::decode(bytes).map_err(|e| format!("no file descriptor: {e}"))?;
        if proto.name().is_empty() {
            return Err("a file descriptor without a name".to_owned());
        }
        match proto.syntax() {
            "" | "proto2" | "proto3" | "editions" => Ok(Self { proto, bytes: bytes.to_vec() }),
            other => Err(format!("{}: its syntax {other:?} is not known", proto.name())),
        }
    }

    /// From a descriptor that was made here.
    pub(super) fn made(proto: FileDescriptorProto) -> Self {
        Self { bytes: proto.encode_to_vec(), proto }
    }

    pub(super) fn name(&self) -> &str {
        self.proto.name()
    }

    /// Whether it is written with an edition instead of proto2 or proto3.
    pub(super) fn is_edition(&self) -> bool {
        self.proto.syntax() == "editions"
    }
}

/// A file of google/protobuf that everybody has.
pub(super) fn well_known(name: &str) -> Option<SchemaFile> {
    let file = GoogleFileResolver::new().open_file(name).ok()?;
    Some(SchemaFile::made(file.file_descriptor_proto().clone()))
}

/// Whether it is one of these.
pub(super) fn is_well_known(name: &str) -> bool {
    name.starts_with("google/protobuf/") && well_known(name).is_some()
}

/// Adds those of google/protobuf that are imported and missing. Gives the names of
/// imports that are still missing.
pub(super) fn complete(files: &mut Vec<SchemaFile>) -> Vec<String> {
    let mut known: HashSet<String> = files.iter().map(|f| f.name().to_owned()).collect();
    let mut missing = Vec::new();
    let mut at = 0;
    while let Some(file) = files.get(at) {
        for name in file.proto.dependency.clone() {
            if known.insert(name.clone()) {
                match well_known(&name) {
                    Some(f) => files.push(f),
                    None => missing.push(name),
                }
            }
        }
        at += 1;
    }
    missing
}

/// Puts imports before those who import them, as tools expect it of a descriptor set.
/// Imports in a circle, which no compiler allows, are cut somewhere.
pub(super) fn sort(files: Vec<SchemaFile>) -> Vec<SchemaFile> {
    let place: HashMap<String, usize> =
        files.iter().enumerate().map(|(i, f)| (f.name().to_owned(), i)).collect();
    let mut order = Vec::new();
    let mut seen = vec![false; files.len()];
    for start in 0..files.len() {
        // A stack of our own: a chain of imports may be as long as the capture.
        let mut stack = vec![(start, 0)];
        while let Some((at, next)) = stack.pop() {
            if next == 0 && seen.get_mut(at).is_none_or(|s| std::mem::replace(s, true)) {
                continue;
            }
            let import = files.get(at).and_then(|f| f.proto.dependency.get(next));
            match import {
                Some(name) => {
                    stack.push((at, next + 1));
                    stack.extend(place.get(name).map(|i| (*i, 0)));
                }
                None => order.push(at),
            }
        }
    }
    let mut files: Vec<Option<SchemaFile>> = files.into_iter().map(Some).collect();
    order.into_iter().filter_map(|i| files.get_mut(i)?.take()).collect()
}

/// `a.b` and `C` make `a.b.C`.
pub(super) fn join(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

/// Builds the tables.
struct Builder<'a> {
    types: Types,
    enums: HashMap<String, usize>,
    /// Messages in the order of their index, with the scope in which their names are.
    messages: Vec<(&'a DescriptorProto, String)>,
    extensions: Vec<(&'a FieldDescriptorProto, String)>,
    /// Types that are named and defined nowhere.
    missing: Vec<String>,
}

impl<'a> Builder<'a> {
    fn collect(&mut self, m: &'a DescriptorProto, scope: &str) {
        let name = join(scope, m.name());
        if !self.types.by_name.contains_key(&name) {
            self.types.by_name.insert(name.clone(), self.messages.len());
            self.messages.push((m, name.clone()));
        }
        m.enum_type.iter().for_each(|e| self.collect_enum(e, &name));
        self.extensions.extend(m.extension.iter().map(|x| (x, name.clone())));
        m.nested_type.iter().for_each(|n| self.collect(n, &name));
    }

    fn collect_enum(&mut self, e: &EnumDescriptorProto, scope: &str) {
        let mut names = HashMap::new();
        for v in &e.value {
            // The first of several names for a number is the one people see.
            names.entry(v.number()).or_insert_with(|| v.name().to_owned());
        }
        self.enums.entry(join(scope, e.name())).or_insert(self.types.enums.len());
        self.types.enums.push(names);
    }

    /// The full name of what `name` means within `scope`: from the inside to the outside
    /// where it does not begin with a dot.
    fn resolve(&self, name: &str, scope: &str) -> Option<String> {
        let known = |n: &str| self.types.by_name.contains_key(n) || self.enums.contains_key(n);
        if let Some(full) = name.strip_prefix('.') {
            return known(full).then(|| full.to_owned());
        }
        let mut scope = scope;
        loop {
            let full = join(scope, name);
            if known(&full) {
                return Some(full);
            }
            if scope.is_empty() {
                return None;
            }
            scope = scope.rsplit_once('.').map_or("", |(outer, _)| outer);
        }
    }

    fn kind(&mut self, f: &FieldDescriptorProto, scope: &str) -> Kind {
        let ty = f.r#type.and_then(|t| Type::try_from(t).ok());
        match ty {
            Some(Type::Double) => Kind::Double,
            Some(Type::Float) => Kind::Float,
            Some(Type::Int64) => Kind::Int64,
            Some(Type::Uint64) => Kind::Uint64,
            Some(Type::Int32) => Kind::Int32,
            Some(Type::Fixed64) => Kind::Fixed64,
            Some(Type::Fixed32) => Kind::Fixed32,
            Some(Type::Bool) => Kind::Bool,
            Some(Type::String) => Kind::String,
            Some(Type::Bytes) => Kind::Bytes,
            Some(Type::Uint32) => Kind::Uint32,
            Some(Type::Sfixed32) => Kind::Sfixed32,
            Some(Type::Sfixed64) => Kind::Sfixed64,
            Some(Type::Sint32) => Kind::Sint32,
            Some(Type::Sint64) => Kind::Sint64,
            Some(Type::Message | Type::Group | Type::Enum) | None => {
                let full = self.resolve(f.type_name(), scope);
                let message = full.as_ref().and_then(|n| self.types.by_name.get(n));
                let number = full.as_ref().and_then(|n| self.enums.get(n));
                match (message, number, ty) {
                    (Some(i), _, _) => Kind::Message(*i),
                    (None, Some(i), _) => Kind::Enum(*i),
                    (None, None, ty) => {
                        self.missing.push(f.type_name().trim_start_matches('.').to_owned());
                        if ty == Some(Type::Enum) { Kind::Int32 } else { Kind::Bytes }
                    }
                }
            }
        }
    }

    fn field(&mut self, f: &FieldDescriptorProto, scope: &str) -> FieldType {
        let kind = self.kind(f, scope);
        let list = f.label() == Label::Repeated;
        let entry = match kind {
            Kind::Message(i) => self.messages.get(i).map(|(m, _)| is_map_entry(m)),
            _ => None,
        };
        FieldType {
            name: f.name().to_owned(),
            kind,
            list,
            map: list && entry == Some(true),
            oneof: f
                .oneof_index
                .filter(|_| !f.proto3_optional())
                .and_then(|i| u32::try_from(i).ok()),
        }
    }
}

fn is_map_entry(m: &DescriptorProto) -> bool {
    m.options.as_ref().is_some_and(|o| o.map_entry())
}

fn number_of(f: &FieldDescriptorProto) -> Option<u32> {
    u32::try_from(f.number()).ok().filter(|n| *n > 0)
}

/// The tables of these files, and the names of types that they use and nobody defines:
/// fields of such a type are shown as bytes.
pub(super) fn tables(files: &[SchemaFile]) -> (Types, Vec<String>) {
    let mut b = Builder {
        types: Types::default(),
        enums: HashMap::new(),
        messages: Vec::new(),
        extensions: Vec::new(),
        missing: Vec::new(),
    };
    for f in files {
        let package = f.proto.package();
        f.proto.enum_type.iter().for_each(|e| b.collect_enum(e, package));
        f.proto.message_type.iter().for_each(|m| b.collect(m, package));
        b.extensions.extend(f.proto.extension.iter().map(|x| (x, package.to_owned())));
    }
    for at in 0..b.messages.len() {
        let Some((m, name)) = b.messages.get(at).cloned() else { continue };
        let mut message = MessageType { name: name.clone(), ..MessageType::default() };
        for f in &m.field {
            if let Some(number) = number_of(f) {
                let field = b.field(f, &name);
                message.fields.entry(number).or_insert(field);
            }
        }
        if is_map_entry(m) {
            for (number, name) in [(1, "key"), (2, "value")] {
                let kind = message.fields.get(&number).map(|f| f.kind);
                let datum = kind.map_or(Datum::Null, |k| b.types.absent(k));
                message.absent.push((name, datum));
            }
        }
        b.types.messages.push(message);
    }
    for (x, scope) in std::mem::take(&mut b.extensions) {
        let of = b.resolve(x.extendee(), &scope).and_then(|n| b.types.by_name.get(&n).copied());
        let mut field = b.field(x, &scope);
        field.name = format!("[{}]", join(&scope, x.name()));
        field.oneof = None;
        if let (Some(m), Some(number)) =
            (of.and_then(|i| b.types.messages.get_mut(i)), number_of(x))
        {
            m.fields.entry(number).or_insert(field);
        }
    }
    for f in files {
        let package = f.proto.package();
        for s in &f.proto.service {
            let service = join(package, s.name());
            for m in &s.method {
                let find = |name: &str| {
                    b.resolve(name, &service).and_then(|n| b.types.by_name.get(&n).copied())
                };
                let (input, output) = (find(m.input_type()), find(m.output_type()));
                for (name, found) in [(m.input_type(), input), (m.output_type(), output)] {
                    if found.is_none() {
                        b.missing.push(name.trim_start_matches('.').to_owned());
                    }
                }
                let (Some(input), Some(output)) = (input, output) else { continue };
                let pattern = match (m.client_streaming(), m.server_streaming()) {
                    (false, false) => "unary",
                    (false, true) => "server_streaming",
                    (true, false) => "client_streaming",
                    (true, true) => "bidi_streaming",
                };
                let path = format!("/{service}/{}", m.name());
                b.types.add_method(path, Method { input, output, pattern });
            }
        }
    }
    b.missing.sort_unstable();
    b.missing.dedup();
    (b.types, b.missing)
}
