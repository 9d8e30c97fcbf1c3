//! Descriptors as .proto text (Protocol Buffers Language Specification, proto2 and proto3).
//!
//! What is written compiles to the descriptor that it was made of: a test has it so for
//! every construct. Options come from the bytes, read by descriptor.proto and the
//! extensions of all files, since the library knows its own options alone.

mod names;
mod options;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::fmt::Write as _;

use prost_reflect::prost_types::field_descriptor_proto::{Label, Type};
use prost_reflect::prost_types::source_code_info::Location;
use prost_reflect::prost_types::{
    DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, ServiceDescriptorProto,
};

use crate::base::BufferId;
use crate::field::{Datum, In, TreeSink};
use crate::proto::protobuf::files::{self, SchemaFile, join};
use crate::proto::protobuf::infer::is_identifier;
use crate::proto::protobuf::types::Types;
use crate::proto::protobuf::walk::Walk;

use names::Names;

/// Writes files that know each other.
pub(super) struct Printer {
    types: Types,
    names: Names,
}

impl Printer {
    /// For these files.
    pub(super) fn new(all: &[SchemaFile]) -> Self {
        let mut with = all.to_vec();
        let name = "google/protobuf/descriptor.proto";
        if !all.iter().any(|f| f.name() == name) {
            with.extend(files::well_known(name));
        }
        Self { types: files::tables(&with).0, names: Names::new(all) }
    }

    /// The text of a file.
    ///
    /// # Errors
    /// It cannot be written: it was written with an edition, or a name in it is none.
    pub(super) fn text(&self, file: &SchemaFile) -> Result<String, String> {
        if file.is_edition() {
            return Err(format!(
                "{} was written with an edition, which is not written as .proto text here; its \
                 descriptor has all of it",
                file.name()
            ));
        }
        let whole = self.whole(file);
        let comments = file.proto.source_code_info.iter().flat_map(|s| &s.location);
        let mut w = Writer {
            printer: self,
            out: String::new(),
            indent: 0,
            proto3: file.proto.syntax() == "proto3",
            comments: comments.map(|l| (l.path.as_slice(), l)).collect(),
            wrong: None,
        };
        w.file(file, &whole);
        match w.wrong {
            None => Ok(w.out),
            Some(what) => Err(format!("{} has {what}", file.name())),
        }
    }

    /// The descriptor as a value, with all of its options.
    fn whole(&self, file: &SchemaFile) -> Datum {
        let ty = self.types.by_name.get("google.protobuf.FileDescriptorProto");
        let ty = ty.and_then(|i| self.types.message(*i));
        let sink = TreeSink::new();
        let mut walk = Walk::new(Some(&self.types));
        let (_, build) = walk.message(In::new(&file.bytes, BufferId(0), 0, &sink), ty, None, 0);
        Datum::Map(build.map())
    }
}

struct Writer<'a> {
    printer: &'a Printer,
    out: String,
    indent: usize,
    proto3: bool,
    comments: HashMap<&'a [i32], &'a Location>,
    /// The first thing that cannot be written.
    wrong: Option<String>,
}

static NOTHING: Datum = Datum::Null;

/// The n-th of a list within a descriptor that is a value.
fn nth<'d>(whole: &'d Datum, field: &str, n: usize) -> &'d Datum {
    match whole.get(field) {
        Some(Datum::List(items)) => items.get(n).unwrap_or(&NOTHING),
        _ => &NOTHING,
    }
}

fn child(path: &[i32], field: i32, n: usize) -> Vec<i32> {
    let n = i32::try_from(n).unwrap_or(i32::MAX);
    path.iter().copied().chain([field, n]).collect()
}

/// Text in quotes, as a .proto file has it.
pub(super) fn quoted(text: &[u8]) -> String {
    let mut out = String::from("\"");
    match std::str::from_utf8(text) {
        Ok(t) if !t.chars().any(char::is_control) => {
            for c in t.chars() {
                if matches!(c, '"' | '\\') {
                    out.push('\\');
                }
                out.push(c);
            }
        }
        _ => {
            for b in text {
                match b {
                    b'"' | b'\\' => drop(write!(out, "\\{}", char::from(*b))),
                    b'\n' => out.push_str("\\n"),
                    0x20..=0x7e => out.push(char::from(*b)),
                    _ => drop(write!(out, "\\{b:03o}")),
                }
            }
        }
    }
    out.push('"');
    out
}

impl Writer<'_> {
    fn line(&mut self, text: &str) {
        if !text.is_empty() {
            self.out.extend(std::iter::repeat_n("  ", self.indent));
            self.out.push_str(text);
        }
        self.out.push('\n');
    }

    /// An empty line, unless there is one.
    fn gap(&mut self) {
        if !self.out.is_empty() && !self.out.ends_with("\n\n") && !self.out.ends_with("{\n") {
            self.out.push('\n');
        }
    }

    fn name(&mut self, name: &str) -> String {
        if !is_identifier(name) {
            self.wrong.get_or_insert_with(|| format!("a name that is none, {name:?}"));
        }
        name.to_owned()
    }

    fn comment(&mut self, text: &str) {
        for l in text.strip_suffix('\n').unwrap_or(text).split('\n') {
            let clean: String = l.chars().filter(|c| !c.is_control() || *c == '\t').collect();
            self.line(format!("//{clean}").trim_end());
        }
    }

    fn before(&mut self, path: &[i32]) {
        let Some(l) = self.comments.get(path).copied() else { return };
        for c in &l.leading_detached_comments {
            self.comment(c);
            self.line("");
        }
        if let Some(c) = &l.leading_comments {
            self.comment(c);
        }
    }

    /// A statement, with the comment behind it.
    fn statement(&mut self, text: &str, path: &[i32]) {
        let behind = self.comments.get(path).and_then(|l| l.trailing_comments.as_deref());
        match behind.map(|c| c.trim_end().replace(['\r', '\x1b'], "")) {
            Some(c) if !c.contains('\n') => self.line(&format!("{text} //{c}")),
            Some(c) => {
                self.line(text);
                self.comment(&c);
                self.line("");
            }
            None => self.line(text),
        }
    }

    /// The comment behind an opening brace.
    fn within(&mut self, path: &[i32]) {
        if let Some(c) = self.comments.get(path).and_then(|l| l.trailing_comments.as_deref()) {
            self.comment(c);
            self.line("");
        }
    }

    fn file(&mut self, file: &SchemaFile, whole: &Datum) {
        let f = &file.proto;
        self.before(&[12]);
        self.line(if self.proto3 { "syntax = \"proto3\";" } else { "syntax = \"proto2\";" });
        if !f.package().is_empty() {
            self.gap();
            self.before(&[2]);
            f.package().split('.').for_each(|p| drop(self.name(p)));
            self.line(&format!("package {};", f.package()));
        }
        if !f.dependency.is_empty() {
            self.gap();
        }
        for (i, d) in f.dependency.iter().enumerate() {
            let is = |list: &[i32]| list.iter().any(|n| usize::try_from(*n) == Ok(i));
            let word = match (is(&f.public_dependency), is(&f.weak_dependency)) {
                (true, _) => "public ",
                (_, true) => "weak ",
                _ => "",
            };
            self.line(&format!("import {word}{};", quoted(d.as_bytes())));
        }
        self.options(whole, "google.protobuf.FileOptions", true);
        let package = f.package().to_owned();
        // Bodies of groups are written with their field.
        let groups = f.extension.iter().filter(|x| x.r#type() == Type::Group);
        let groups: Vec<_> = groups.filter_map(|x| x.type_name().rsplit('.').next()).collect();
        for (i, m) in f.message_type.iter().enumerate() {
            if groups.contains(&m.name()) {
                continue;
            }
            self.gap();
            self.message(m, nth(whole, "message_type", i), &package, &child(&[], 4, i));
        }
        for (i, e) in f.enum_type.iter().enumerate() {
            self.gap();
            self.enumeration(e, nth(whole, "enum_type", i), &child(&[], 5, i));
        }
        self.extensions(&f.extension, &f.message_type, whole, &package, &[], 7);
        for (i, s) in f.service.iter().enumerate() {
            self.gap();
            self.service(s, nth(whole, "service", i), &package, &child(&[], 6, i));
        }
    }

    /// `option` statements of a descriptor.
    fn options(&mut self, whole: &Datum, ty: &str, apart: bool) {
        let (list, left_out) = options::list(&self.printer.types, whole, ty);
        if apart && !(list.is_empty() && left_out.is_empty()) {
            self.gap();
        }
        for o in list {
            self.line(&format!("option {o};"));
        }
        for l in left_out {
            self.comment(&format!(" {l}"));
        }
    }

    fn message(&mut self, m: &DescriptorProto, whole: &Datum, scope: &str, path: &[i32]) {
        self.before(path);
        let name = self.name(m.name());
        self.line(&format!("message {name} {{"));
        self.body(m, whole, &join(scope, &name), path);
        self.line("}");
    }

    fn body(&mut self, m: &DescriptorProto, whole: &Datum, full: &str, path: &[i32]) {
        self.indent += 1;
        self.within(path);
        self.options(whole, "google.protobuf.MessageOptions", false);
        // Entries of maps and bodies of groups are written with their field.
        let of_fields: Vec<&str> = m
            .field
            .iter()
            .chain(&m.extension)
            .filter(|f| f.r#type() == Type::Group)
            .filter_map(|f| f.type_name().rsplit('.').next())
            .collect();
        for (i, n) in m.nested_type.iter().enumerate() {
            let entry = n.options.as_ref().is_some_and(|o| o.map_entry());
            if entry || of_fields.contains(&n.name()) {
                continue;
            }
            self.gap();
            self.message(n, nth(whole, "nested_type", i), full, &child(path, 3, i));
        }
        for (i, e) in m.enum_type.iter().enumerate() {
            self.gap();
            self.enumeration(e, nth(whole, "enum_type", i), &child(path, 4, i));
        }
        if !m.nested_type.is_empty() || !m.enum_type.is_empty() {
            self.gap();
        }
        // The oneof of the last field, and whether there is one of that number.
        let mut open: Option<i32> = None;
        let mut is_open = false;
        for (i, f) in m.field.iter().enumerate() {
            let oneof = f.oneof_index.filter(|_| !f.proto3_optional());
            if open != oneof {
                if std::mem::take(&mut is_open) {
                    self.indent -= 1;
                    self.line("}");
                }
                if let Some((n, o)) = oneof
                    .and_then(|n| usize::try_from(n).ok())
                    .and_then(|n| Some((n, m.oneof_decl.get(n)?)))
                {
                    self.before(&child(path, 8, n));
                    let name = self.name(o.name());
                    self.line(&format!("oneof {name} {{"));
                    self.indent += 1;
                    is_open = true;
                    let whole = nth(whole, "oneof_decl", n);
                    self.options(whole, "google.protobuf.OneofOptions", false);
                } else if oneof.is_some() {
                    self.wrong.get_or_insert_with(|| "a oneof that does not exist".to_owned());
                }
                open = oneof;
            }
            let whole_field = nth(whole, "field", i);
            let nested = (m.nested_type.as_slice(), whole, path);
            self.field(f, whole_field, full, nested, &child(path, 2, i), oneof.is_some());
        }
        if is_open {
            self.indent -= 1;
            self.line("}");
        }
        for (i, r) in m.extension_range.iter().enumerate() {
            let whole = nth(whole, "extension_range", i);
            let (list, _) =
                options::list(&self.printer.types, whole, "google.protobuf.ExtensionRangeOptions");
            let list =
                if list.is_empty() { String::new() } else { format!(" [{}]", list.join(", ")) };
            let range = span(r.start(), r.end().saturating_sub(1), 536_870_911);
            self.line(&format!("extensions {range}{list};"));
        }
        let most = 536_870_911;
        let ranges = m.reserved_range.iter();
        self.reserved(ranges.map(|r| span(r.start(), r.end().saturating_sub(1), most)).collect());
        self.reserved(m.reserved_name.iter().map(|n| quoted(n.as_bytes())).collect());
        self.extensions(&m.extension, &m.nested_type, whole, full, path, 6);
        self.indent -= 1;
    }

    fn reserved(&mut self, list: Vec<String>) {
        if !list.is_empty() {
            self.line(&format!("reserved {};", list.join(", ")));
        }
    }

    /// One field; `nested` are the types among which its entry or group is, with their
    /// message as a value and as a place.
    fn field(
        &mut self,
        f: &FieldDescriptorProto,
        whole: &Datum,
        scope: &str,
        nested: (&[DescriptorProto], &Datum, &[i32]),
        path: &[i32],
        in_oneof: bool,
    ) {
        self.before(path);
        let name = self.name(f.name());
        let number = f.number();
        let last = f.type_name().rsplit('.').next().unwrap_or_default();
        let own = nested.0.iter().position(|n| n.name() == last);
        let own = own.and_then(|i| Some((i, nested.0.get(i)?)));
        let entry = own.filter(|(_, n)| {
            let is_entry = n.options.as_ref().is_some_and(|o| o.map_entry());
            is_entry && f.label() == Label::Repeated && f.r#type() == Type::Message
        });
        let label = match f.label() {
            _ if entry.is_some() => "",
            Label::Repeated => "repeated ",
            Label::Required => "required ",
            Label::Optional if in_oneof => "",
            Label::Optional if !self.proto3 || f.proto3_optional() => "optional ",
            Label::Optional => "",
        };
        let list = self.field_options(f, whole);
        let list = if list.is_empty() { String::new() } else { format!(" [{}]", list.join(", ")) };
        if let (Type::Group, Some((i, group))) = (f.r#type(), own) {
            let group_name = self.name(group.name());
            self.line(&format!("{label}group {group_name} = {number}{list} {{"));
            let whole =
                nth(nested.1, if nested.2.is_empty() { "message_type" } else { "nested_type" }, i);
            let place = child(nested.2, if nested.2.is_empty() { 4 } else { 3 }, i);
            self.body(group, whole, &join(scope, &group_name), &place);
            self.line("}");
            return;
        }
        let ty = match entry {
            Some((_, e)) => {
                let part = |n: i32| e.field.iter().find(|f| f.number() == n);
                let scope = join(scope, e.name());
                let key = part(1).map(|f| self.type_of(f, &scope)).unwrap_or_default();
                let value = part(2).map(|f| self.type_of(f, &scope)).unwrap_or_default();
                format!("map<{key}, {value}>")
            }
            None => self.type_of(f, scope),
        };
        self.statement(&format!("{label}{ty} {name} = {number}{list};"), path);
    }

    fn type_of(&mut self, f: &FieldDescriptorProto, scope: &str) -> String {
        let name = match f.r#type() {
            Type::Double => "double",
            Type::Float => "float",
            Type::Int64 => "int64",
            Type::Uint64 => "uint64",
            Type::Int32 => "int32",
            Type::Fixed64 => "fixed64",
            Type::Fixed32 => "fixed32",
            Type::Bool => "bool",
            Type::String => "string",
            Type::Bytes => "bytes",
            Type::Uint32 => "uint32",
            Type::Sfixed32 => "sfixed32",
            Type::Sfixed64 => "sfixed64",
            Type::Sint32 => "sint32",
            Type::Sint64 => "sint64",
            Type::Enum | Type::Message | Type::Group => {
                return self.reference(f.type_name(), scope);
            }
        };
        name.to_owned()
    }

    fn reference(&mut self, name: &str, scope: &str) -> String {
        let plain = name.strip_prefix('.').unwrap_or(name);
        if !plain.split('.').all(is_identifier) {
            self.wrong.get_or_insert_with(|| format!("a type name that is none, {name:?}"));
        }
        self.printer.names.shortest(name, scope)
    }

    fn field_options(&mut self, f: &FieldDescriptorProto, whole: &Datum) -> Vec<String> {
        let mut list = Vec::new();
        if let Some(d) = &f.default_value {
            let text = match f.r#type() {
                Type::String => quoted(d.as_bytes()),
                // Escaped as C has it, in the descriptor already.
                Type::Bytes => format!("\"{}\"", d.replace(['\n', '"'], "")),
                _ => {
                    d.chars().filter(|c| c.is_ascii_alphanumeric() || "+-._".contains(*c)).collect()
                }
            };
            list.push(format!("default = {text}"));
        }
        if let Some(j) = &f.json_name
            && *j != camel(f.name())
            && f.extendee.is_none()
        {
            list.push(format!("json_name = {}", quoted(j.as_bytes())));
        }
        let (more, left_out) =
            options::list(&self.printer.types, whole, "google.protobuf.FieldOptions");
        for l in left_out {
            self.comment(&format!(" {l}"));
        }
        list.extend(more);
        list
    }

    fn enumeration(&mut self, e: &EnumDescriptorProto, whole: &Datum, path: &[i32]) {
        self.before(path);
        let name = self.name(e.name());
        self.line(&format!("enum {name} {{"));
        self.indent += 1;
        self.within(path);
        self.options(whole, "google.protobuf.EnumOptions", false);
        for (i, v) in e.value.iter().enumerate() {
            let path = child(path, 2, i);
            self.before(&path);
            let value = nth(whole, "value", i);
            let (list, _) =
                options::list(&self.printer.types, value, "google.protobuf.EnumValueOptions");
            let list =
                if list.is_empty() { String::new() } else { format!(" [{}]", list.join(", ")) };
            let name = self.name(v.name());
            self.statement(&format!("{name} = {}{list};", v.number()), &path);
        }
        let ranges = e.reserved_range.iter();
        self.reserved(ranges.map(|r| span(r.start(), r.end(), i32::MAX)).collect());
        self.reserved(e.reserved_name.iter().map(|n| quoted(n.as_bytes())).collect());
        self.indent -= 1;
        self.line("}");
    }

    /// Runs of extensions of the same message.
    fn extensions(
        &mut self,
        list: &[FieldDescriptorProto],
        nested: &[DescriptorProto],
        whole: &Datum,
        scope: &str,
        path: &[i32],
        field: i32,
    ) {
        let mut at = 0;
        for run in list.chunk_by(|a, b| a.extendee() == b.extendee()) {
            self.gap();
            let of = run.first().map_or("", |f| f.extendee()).to_owned();
            let of = self.reference(&of, scope);
            self.line(&format!("extend {of} {{"));
            self.indent += 1;
            for f in run {
                let nested = (nested, whole, path);
                let value = nth(whole, "extension", at);
                self.field(f, value, scope, nested, &child(path, field, at), false);
                at += 1;
            }
            self.indent -= 1;
            self.line("}");
        }
    }

    fn service(&mut self, s: &ServiceDescriptorProto, whole: &Datum, scope: &str, path: &[i32]) {
        self.before(path);
        let name = self.name(s.name());
        let scope = join(scope, &name);
        self.line(&format!("service {name} {{"));
        self.indent += 1;
        self.within(path);
        self.options(whole, "google.protobuf.ServiceOptions", false);
        for (i, m) in s.method.iter().enumerate() {
            let path = child(path, 2, i);
            self.before(&path);
            let name = self.name(m.name());
            let stream = |yes: bool| if yes { "stream " } else { "" };
            let (up, down) = (stream(m.client_streaming()), stream(m.server_streaming()));
            let input = self.reference(m.input_type(), &scope);
            let output = self.reference(m.output_type(), &scope);
            let head = format!("rpc {name}({up}{input}) returns ({down}{output})");
            let whole = nth(whole, "method", i);
            let (list, left_out) =
                options::list(&self.printer.types, whole, "google.protobuf.MethodOptions");
            if list.is_empty() && left_out.is_empty() {
                self.statement(&format!("{head};"), &path);
                continue;
            }
            self.line(&format!("{head} {{"));
            self.indent += 1;
            list.iter().for_each(|o| self.line(&format!("option {o};")));
            left_out.iter().for_each(|l| self.comment(&format!(" {l}")));
            self.indent -= 1;
            self.line("}");
        }
        self.indent -= 1;
        self.line("}");
    }
}

/// `4`, `4 to 7`, `4 to max`.
fn span(first: i32, last: i32, most: i32) -> String {
    match last {
        l if l == first => first.to_string(),
        l if l >= most => format!("{first} to max"),
        l => format!("{first} to {l}"),
    }
}

/// The name in JSON that a field has unless it is given another one.
fn camel(name: &str) -> String {
    let mut out = String::new();
    let mut up = false;
    for c in name.chars() {
        if c == '_' {
            up = true;
        } else {
            out.push(if std::mem::take(&mut up) { c.to_ascii_uppercase() } else { c });
        }
    }
    out
}
