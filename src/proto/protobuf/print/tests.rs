//! What is written compiles to what it was made of; protox is the compiler.

use prost_reflect::prost::Message as _;
use prost_reflect::prost_types::FileDescriptorProto;
use protox::file::{ChainFileResolver, File, FileResolver, GoogleFileResolver};

use super::*;

const PROTO2: &str = r#"
syntax = "proto2";
package a.b;
import public "google/protobuf/any.proto";
import "google/protobuf/descriptor.proto";
option java_package = "org.example";
option optimize_for = SPEED;
option (about) = { text: "x\ny" count: -3 kinds: ONE kinds: TWO inner { text: "z" } };
message About {
  optional string text = 1; optional int32 count = 2; repeated Kind kinds = 3;
  optional About inner = 4; optional double share = 5;
}
enum Kind { option allow_alias = true; NONE = 0; ONE = 1; UNO = 1; TWO = 2 [deprecated = true];
  reserved 9, 12 to 15, 100 to max; reserved "OLD"; }
extend google.protobuf.FileOptions { optional About about = 50001; }
extend google.protobuf.FieldOptions { repeated string tags = 50002; }
extend google.protobuf.MethodOptions { optional About rule = 50003; }
extend google.protobuf.EnumValueOptions { optional bytes raw = 50004; }
message All {
  option deprecated = true;
  required int32 i = 1 [default = -7];
  optional string s = 2 [default = "a\"b\\c\n", (tags) = "x", (tags) = "y"];
  optional bytes by = 3 [default = "\001\377"];
  optional Kind k = 4 [default = TWO];
  optional double d = 5 [default = -inf]; optional float f = 6 [default = 1.5];
  repeated sint64 packed = 7 [packed = true]; repeated fixed32 plain = 8;
  map<string, All> by_name = 9; map<int32, Kind> kinds = 10;
  oneof choice { option (why) = "so"; string left = 11; .a.b.All right = 12; group Inner = 13 { optional bool x = 1; } }
  repeated group Part = 14 { optional int32 n = 1; optional group Deep = 2 { optional int32 m = 1; } }
  message Nested { message Kind { optional int32 shadow = 1; } optional Kind inner = 1; optional .a.b.Kind outer = 2; }
  enum State { OFF = 0; ON = 5; NEGATIVE = -1 [(raw) = "\000\"x"]; }
  optional Nested.Kind nested = 15; optional State state = 16;
  optional bool renamed = 17 [json_name = "other", jstype = JS_NORMAL, ctype = CORD];
  reserved 30, 40 to 42; reserved "gone", "lost";
  extensions 100 to 199, 1000 to max;
  extend All { optional All again = 101; }
  optional google.protobuf.Any any = 18;
}
extend google.protobuf.OneofOptions { optional string why = 50005; }
extend All { optional string extra = 100; repeated group More = 102 { optional int32 z = 1; } }
service S {
  option deprecated = true;
  rpc Plain(All) returns (About);
  rpc Both(stream All) returns (stream .a.b.All.Nested) { option idempotency_level = NO_SIDE_EFFECTS; option (rule) = { text: "r" share: 0.5 }; }
}
"#;

const PROTO3: &str = r#"
// A syntax comment.
syntax = "proto3";
package c;

// Before the message.
message M {
  // Before the field.
  int32 plain = 1; // Behind the field.
  optional string maybe = 2;
  repeated int32 numbers = 3; repeated int32 loose = 4 [packed = false];
  map<string, M> more = 5;
  oneof which { bytes b = 6; M m = 7; }
  optional M self = 8;
}
message Empty {}
// A service.
service T { // behind its brace
  // Does it.
  rpc Do(M) returns (stream Empty);
}
"#;

struct One(&'static str, String);

impl FileResolver for One {
    fn open_file(&self, name: &str) -> Result<File, protox::Error> {
        if name == self.0 {
            return File::from_source(name, &self.1);
        }
        Err(protox::Error::file_not_found(name))
    }
}

fn compile(name: &'static str, source: &str) -> Vec<SchemaFile> {
    let mut resolver = ChainFileResolver::new();
    resolver.add(One(name, source.to_owned()));
    resolver.add(GoogleFileResolver::new());
    let mut c = protox::Compiler::with_file_resolver(resolver);
    c.include_imports(true).include_source_info(true);
    c.open_file(name).unwrap_or_else(|e| panic!("{e:?}\n{source}"));
    let set = c.encode_file_descriptor_set();
    let mut files = Vec::new();
    let mut rest = set.as_slice();
    while let Some((cut, next)) = crate::proto::protobuf::readings::cut(rest, 1) {
        if let crate::proto::protobuf::readings::Raw::Bytes(b) = cut.value {
            files.push(SchemaFile::read(b).unwrap());
        }
        rest = next;
    }
    files
}

fn written(files: &[SchemaFile], name: &str) -> String {
    let file = files.iter().find(|f| f.name() == name).unwrap();
    Printer::new(files).text(file).unwrap()
}

/// All bytes but those of the source information: options that the library does not know
/// are compared as well.
fn bare(files: &[SchemaFile], name: &str) -> (FileDescriptorProto, Datum) {
    let file = files.iter().find(|f| f.name() == name).unwrap();
    let mut proto = file.proto.clone();
    proto.source_code_info = None;
    proto.message_type.iter_mut().for_each(sort);
    let Datum::Map(mut whole) = Printer::new(files).whole(file) else { panic!() };
    whole.retain(|(name, _)| name != "source_code_info");
    let mut whole = Datum::Map(whole);
    sort_datum(&mut whole);
    (proto, whole)
}

/// Types within a message may stand in any order: entries of maps are not written.
fn sort(m: &mut DescriptorProto) {
    m.nested_type.sort_by(|a, b| a.name().cmp(b.name()));
    m.nested_type.iter_mut().for_each(sort);
}

fn sort_datum(d: &mut Datum) {
    match d {
        Datum::Map(items) => {
            items.sort_by(|a, b| a.0.cmp(&b.0));
            for (name, d) in items {
                if let (Datum::List(l), "nested_type") = (&mut *d, name.as_str()) {
                    l.sort_by_key(|m| m.get("name").map(|n| n.line(99)));
                }
                sort_datum(d);
            }
        }
        Datum::List(l) => l.iter_mut().for_each(sort_datum),
        _ => {}
    }
}

#[test]
fn what_is_written_means_what_it_was_made_of() {
    for (name, source) in [("x.proto", PROTO2), ("y.proto", PROTO3)] {
        let before = compile(name, source);
        let text = written(&before, name);
        let after = compile(name, &text);
        assert!(bare(&before, name).0 == bare(&after, name).0, "{text}");
        assert!(bare(&before, name).1 == bare(&after, name).1, "{text}");
        // And it is written the same again.
        assert_eq!(written(&after, name), text);
        assert!(!text.contains("left out"), "{text}");
    }
}

#[test]
fn comments_stay_where_they_were() {
    let files = compile("y.proto", PROTO3);
    let text = written(&files, "y.proto");
    for line in [
        "// A syntax comment.\nsyntax",
        "// Before the message.\nmessage M {",
        "  // Before the field.\n  int32 plain = 1; // Behind the field.\n",
        "// A service.\nservice T {\n",
        "  // Does it.\n  rpc Do(M) returns (stream Empty);\n",
    ] {
        assert!(text.contains(line), "{line}\n{text}");
    }
}

#[test]
fn what_cannot_be_written_is_said() {
    let mut edition = FileDescriptorProto { name: Some("e.proto".into()), ..Default::default() };
    edition.syntax = Some("editions".into());
    let file = SchemaFile::made(edition);
    let e = Printer::new(&[]).text(&file).unwrap_err();
    assert!(e.contains("e.proto") && e.contains("edition"), "{e}");
    // A name off the wire must not become code.
    let mut bad = FileDescriptorProto { name: Some("b.proto".into()), ..Default::default() };
    bad.message_type.push(DescriptorProto { name: Some("M {} //".into()), ..Default::default() });
    let e = Printer::new(&[]).text(&SchemaFile::made(bad)).unwrap_err();
    assert!(e.contains("b.proto has a name that is none"), "{e}");
    // An option that no file defines is told.
    let files = compile("x.proto", PROTO2);
    let file = files.iter().find(|f| f.name() == "x.proto").unwrap();
    let mut proto = file.proto.clone();
    proto.extension.clear();
    let mut bytes = proto.encode_to_vec();
    // options { 50001: "z" }
    bytes.extend(b"\x42\x05\x8a\xb5\x18\x01z");
    let text = Printer::new(&[]).text(&SchemaFile::read(&bytes).unwrap()).unwrap();
    assert!(
        text.contains("// Option \"50001\" of google.protobuf.FileOptions is left out"),
        "{text}"
    );
}
