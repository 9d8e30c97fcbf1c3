//! An inferred schema as tables, for decoding, and as a file, for people and tools.

use std::collections::HashSet;

use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::source_code_info::Location;
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, EnumValueDescriptorProto, FieldDescriptorProto,
    FileDescriptorProto, MessageOptions, MethodDescriptorProto, ServiceDescriptorProto,
    SourceCodeInfo,
};

use crate::proto::protobuf::files::join;
use crate::proto::protobuf::infer::{Field, Guess, Inferred};
use crate::proto::protobuf::types::{FieldType, Kind, MessageType, Types};

/// Tables whose first message is what was inferred; fields are called `field_1`.
pub(crate) fn tables(top: &Inferred) -> Types {
    let mut types = Types::default();
    table(top, "", &mut types);
    types
}

fn table(m: &Inferred, name: &str, types: &mut Types) -> usize {
    let at = types.messages.len();
    types.messages.push(MessageType { name: name.to_owned(), ..MessageType::default() });
    let fields = m
        .fields
        .iter()
        .map(|f| {
            let kind = match &f.guess {
                Guess::Plain(name) | Guess::Packed(name) => kind(name),
                // Its names would be made up: the number says as much.
                Guess::Enum(_) => Kind::Uint64,
                Guess::Message(m) | Guess::Group(m) => Kind::Message(table(m, "", types)),
                Guess::Timestamp => Kind::Message(moment("google.protobuf.Timestamp", types)),
                Guess::Duration => Kind::Message(moment("google.protobuf.Duration", types)),
                Guess::Map(entry) => {
                    let at = table(entry, "", types);
                    if let Some(e) = types.messages.get_mut(at) {
                        for (number, name) in [(1, "key"), (2, "value")] {
                            if let Some(f) = e.fields.get_mut(&number) {
                                f.name = name.to_owned();
                            }
                        }
                    }
                    Kind::Message(at)
                }
            };
            let map = matches!(f.guess, Guess::Map(_));
            (f.number, FieldType { name: name_of(f.number), kind, list: f.list, map, oneof: None })
        })
        .collect();
    if let Some(t) = types.messages.get_mut(at) {
        t.fields = fields;
    }
    at
}

fn moment(name: &str, types: &mut Types) -> usize {
    let mut ty = MessageType { name: name.to_owned(), ..MessageType::default() };
    for (number, name, kind) in [(1, "seconds", Kind::Int64), (2, "nanos", Kind::Int32)] {
        let field = FieldType { name: name.to_owned(), kind, list: false, map: false, oneof: None };
        ty.fields.insert(number, field);
    }
    types.messages.push(ty);
    types.messages.len() - 1
}

fn name_of(number: u32) -> String {
    format!("field_{number}")
}

fn kind(name: &str) -> Kind {
    match name {
        "uint64" => Kind::Uint64,
        "int64" => Kind::Int64,
        "sint64" => Kind::Sint64,
        "bool" => Kind::Bool,
        "float" => Kind::Float,
        "double" => Kind::Double,
        "fixed32" => Kind::Fixed32,
        "sfixed32" => Kind::Sfixed32,
        "fixed64" => Kind::Fixed64,
        "sfixed64" => Kind::Sfixed64,
        "string" => Kind::String,
        _ => Kind::Bytes,
    }
}

fn proto_type(name: &str) -> Type {
    match name {
        "uint64" => Type::Uint64,
        "int64" => Type::Int64,
        "sint64" => Type::Sint64,
        "bool" => Type::Bool,
        "float" => Type::Float,
        "double" => Type::Double,
        "fixed32" => Type::Fixed32,
        "sfixed32" => Type::Sfixed32,
        "fixed64" => Type::Fixed64,
        "sfixed64" => Type::Sfixed64,
        "string" => Type::String,
        _ => Type::Bytes,
    }
}

/// What was learnt of a method: its request, its response, and whether each is a stream.
#[derive(Clone, Debug)]
pub(crate) struct Side {
    /// The last part of the path.
    pub(crate) method: String,
    pub(crate) request: SideOf,
    pub(crate) response: SideOf,
}

/// One direction of a method.
#[derive(Clone, Debug, Default)]
pub(crate) struct SideOf {
    pub(crate) message: Inferred,
    pub(crate) stream: bool,
}

/// Whether a .proto file may have this name.
pub(crate) fn is_identifier(name: &str) -> bool {
    let mut bytes = name.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Collects what needs a place in the file.
struct Writer {
    locations: Vec<Location>,
    has_groups: bool,
    imports: Vec<String>,
}

/// The file of a service. `taken` has the full names of all messages of other files.
pub(crate) fn file(
    service: &str,
    methods: &[Side],
    taken: &mut HashSet<String>,
) -> FileDescriptorProto {
    let (package, name) = service.rsplit_once('.').unwrap_or(("", service));
    let mut w = Writer { locations: Vec::new(), has_groups: false, imports: Vec::new() };
    let mut messages = Vec::new();
    let mut list = Vec::new();
    // One of its own name first, where two services of a package have a method of the same.
    taken.insert(service.to_owned());
    for m in methods {
        let mut types = [String::new(), String::new()];
        for ((side, word), ty) in
            [(&m.request, "Request"), (&m.response, "Response")].into_iter().zip(&mut types)
        {
            let short = format!("{}{word}", m.method);
            let long = format!("{name}{short}");
            let numbered = (2..).map(|n| format!("{long}{n}"));
            let free = [short, long.clone()].into_iter().chain(numbered);
            let chosen = free.into_iter().find(|n| taken.insert(join(package, n)));
            let chosen = chosen.unwrap_or_default();
            let path = [4, index(messages.len())];
            let said = match side.message.messages {
                0 => "No message was seen.".to_owned(),
                1 => "Inferred from 1 message.".to_owned(),
                n => format!("Inferred from {n} messages."),
            };
            let left =
                if side.message.left_out { " Some of its fields were left out." } else { "" };
            w.comment(&path, format!("{said}{left}"));
            *ty = format!(".{}", join(package, &chosen));
            messages.push(w.message(chosen, ty.trim_start_matches('.'), &side.message, &path));
        }
        let [input, output] = types;
        list.push(MethodDescriptorProto {
            name: Some(m.method.clone()),
            input_type: Some(input),
            output_type: Some(output),
            client_streaming: m.request.stream.then_some(true),
            server_streaming: m.response.stream.then_some(true),
            ..MethodDescriptorProto::default()
        });
    }
    w.comment(
        &[12],
        "Inferred by framescope from messages on the wire: names are made up, and so may types\n\
         be. Behind each field stand its type's confidence (1.00 is certain), how many values\n\
         were seen, what fits as well (tie), and what may be (or). Edit it, and read the\n\
         capture with it: framescope print --proto FILE CAPTURE"
            .to_owned(),
    );
    w.imports.sort_unstable();
    w.imports.dedup();
    FileDescriptorProto {
        name: Some(format!("inferred/{service}.proto")),
        package: (!package.is_empty()).then(|| package.to_owned()),
        dependency: w.imports,
        message_type: messages,
        service: vec![ServiceDescriptorProto {
            name: Some(name.to_owned()),
            method: list,
            options: None,
        }],
        source_code_info: Some(SourceCodeInfo { location: w.locations }),
        // proto3 has no groups.
        syntax: (!w.has_groups).then(|| "proto3".to_owned()),
        ..FileDescriptorProto::default()
    }
    .labelled(w.has_groups)
}

fn index(n: usize) -> i32 {
    i32::try_from(n).unwrap_or(i32::MAX)
}

trait Labelled {
    fn labelled(self, groups: bool) -> Self;
}

impl Labelled for FileDescriptorProto {
    /// What is usual is not said: proto2 writes lists of numbers one by one, proto3 packs them.
    fn labelled(mut self, groups: bool) -> Self {
        fn each(m: &mut DescriptorProto, usual: bool) {
            for f in &mut m.field {
                if f.options.as_ref().is_some_and(|o| o.packed == Some(usual)) {
                    f.options = None;
                }
            }
            m.nested_type.iter_mut().for_each(|n| each(n, usual));
        }
        self.message_type.iter_mut().for_each(|m| each(m, !groups));
        self
    }
}

impl Writer {
    fn comment(&mut self, path: &[i32], text: String) {
        let text: String = text.lines().map(|l| format!(" {l}\n")).collect();
        self.locations.push(Location {
            path: path.to_vec(),
            leading_comments: Some(text),
            ..Location::default()
        });
    }

    fn behind(&mut self, path: Vec<i32>, text: &str) {
        let text = Some(format!(" {text}"));
        self.locations.push(Location { path, trailing_comments: text, ..Location::default() });
    }

    fn message(&mut self, name: String, full: &str, m: &Inferred, path: &[i32]) -> DescriptorProto {
        let mut d = DescriptorProto { name: Some(name), ..DescriptorProto::default() };
        // 19000 to 19999 are the implementation's own: no file may have them.
        for f in m.fields.iter().filter(|f| !(19_000..20_000).contains(&f.number)) {
            let at: Vec<i32> = path.iter().copied().chain([2, index(d.field.len())]).collect();
            self.behind(at, &said(f));
            let field = self.field(f, full, &mut d, path);
            d.field.push(field);
        }
        d
    }

    fn field(
        &mut self,
        f: &Field,
        full: &str,
        d: &mut DescriptorProto,
        path: &[i32],
    ) -> FieldDescriptorProto {
        let mut field = FieldDescriptorProto {
            name: Some(name_of(f.number)),
            number: i32::try_from(f.number).ok(),
            ..FieldDescriptorProto::default()
        };
        field.set_label(if f.list { Label::Repeated } else { Label::Optional });
        let own = |suffix: &str| format!("Field{}{suffix}", f.number);
        let nested: Vec<i32> =
            path.iter().copied().chain([3, index(d.nested_type.len())]).collect();
        match &f.guess {
            Guess::Plain(name) | Guess::Packed(name) => field.set_type(proto_type(name)),
            Guess::Enum(values) => {
                let name = own("");
                field.type_name = Some(format!(".{full}.{name}"));
                field.set_type(Type::Enum);
                d.enum_type.push(enumeration(f.number, name, values));
            }
            Guess::Message(m) => {
                let name = own("");
                field.type_name = Some(format!(".{full}.{name}"));
                field.set_type(Type::Message);
                let inner = self.message(name.clone(), &format!("{full}.{name}"), m, &nested);
                d.nested_type.push(inner);
            }
            Guess::Group(m) => {
                self.has_groups = true;
                // A group's field is called like its type, in lower case.
                let name = own("");
                field.name = Some(name.to_lowercase());
                field.type_name = Some(format!(".{full}.{name}"));
                field.set_type(Type::Group);
                let inner = self.message(name.clone(), &format!("{full}.{name}"), m, &nested);
                d.nested_type.push(inner);
            }
            Guess::Timestamp | Guess::Duration => {
                let name = f.guess.name();
                let word = name.rsplit('.').next().unwrap_or_default().to_lowercase();
                self.imports.push(format!("google/protobuf/{word}.proto"));
                field.type_name = Some(format!(".{name}"));
                field.set_type(Type::Message);
            }
            Guess::Map(entry) => {
                let name = own("Entry");
                field.type_name = Some(format!(".{full}.{name}"));
                field.set_type(Type::Message);
                field.set_label(Label::Repeated);
                let before = self.locations.len();
                let mut inner =
                    self.message(name.clone(), &format!("{full}.{name}"), entry, &nested);
                // A map is written on one line, which has no room for what is said of its parts.
                self.locations.truncate(before);
                for (f, name) in inner.field.iter_mut().zip(["key", "value"]) {
                    f.name = Some(name.to_owned());
                    if name == "key" && f.r#type() == Type::Enum {
                        f.set_type(Type::Uint64);
                        f.type_name = None;
                    }
                }
                // What stands within an entry cannot be named: it moves out.
                for mut n in std::mem::take(&mut inner.nested_type) {
                    let moved = format!("{}Value", own(""));
                    let (old, new) =
                        (format!(".{full}.{name}.{}", n.name()), format!(".{full}.{moved}"));
                    rename(&mut n, &old, &new);
                    for f in &mut inner.field {
                        if f.type_name() == old {
                            f.type_name = Some(new.clone());
                        }
                    }
                    n.name = Some(moved);
                    d.nested_type.push(n);
                }
                for f in &mut inner.field {
                    // Nor may an enumeration.
                    if f.r#type() == Type::Enum {
                        f.set_type(Type::Uint64);
                        f.type_name = None;
                    }
                }
                inner.enum_type.clear();
                inner.options =
                    Some(MessageOptions { map_entry: Some(true), ..MessageOptions::default() });
                d.nested_type.push(inner);
            }
        }
        let of_numbers =
            !matches!(field.r#type(), Type::String | Type::Bytes | Type::Message | Type::Group);
        if f.list && of_numbers {
            let packed = matches!(f.guess, Guess::Packed(_));
            field.options.get_or_insert_default().packed = Some(packed);
        }
        field
    }
}

/// Type names that begin with `old` begin with `new` instead.
fn rename(m: &mut DescriptorProto, old: &str, new: &str) {
    for f in &mut m.field {
        if let Some(rest) = f.type_name().strip_prefix(old).filter(|r| r.starts_with('.')) {
            f.type_name = Some(format!("{new}{rest}"));
        }
    }
    m.nested_type.iter_mut().for_each(|n| rename(n, old, new));
}

fn enumeration(number: u32, name: String, values: &[u64]) -> EnumDescriptorProto {
    // proto3 wants a 0, and wants it first.
    let all = std::iter::once(0).chain(values.iter().copied().filter(|v| *v != 0));
    EnumDescriptorProto {
        name: Some(name),
        value: all
            .map(|v| EnumValueDescriptorProto {
                name: Some(format!("FIELD_{number}_{v}")),
                number: i32::try_from(v).ok(),
                options: None,
            })
            .collect(),
        ..EnumDescriptorProto::default()
    }
}

/// What is said of a field: `0.92, 11 values; tie: bool; or enum; seconds since 1970`.
pub(crate) fn said(f: &Field) -> String {
    let mut text = format!("{:.2}, {} value{}", f.confidence, f.values, plural(f.values));
    for (word, names) in [("tie: ", &f.ties), ("or ", &f.others)] {
        if !names.is_empty() {
            text.push_str(&format!("; {word}{}", names.join(", ")));
        }
    }
    if let Some(note) = f.note {
        text.push_str(&format!("; {note}"));
    }
    if f.mixed {
        text.push_str("; came with several wire types");
    }
    text
}

const fn plural(n: u64) -> &'static str {
    if n == 1 { "" } else { "s" }
}
