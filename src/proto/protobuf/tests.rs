//! Messages in, trees and values out; prost-reflect is the other opinion.

use std::collections::BTreeMap;

use proptest::prelude::*;
use prost_reflect::prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MapKey};

use super::*;
use crate::proto::protobuf::wire::{Form, Varint};

const ALICE: &[u8] = b"\x08\x2a\x12\x05Alice";

const TEST: &str = r#"
syntax = "proto2";
package t;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
enum Colour { RED = 0; BLUE = 5; DARK = -1; }
message All {
  optional double d = 1; optional float f = 2; optional int32 i32 = 3; optional int64 i64 = 4;
  optional uint32 u32 = 5; optional uint64 u64 = 6; optional sint32 s32 = 7;
  optional sint64 s64 = 8; optional fixed32 f32 = 9; optional fixed64 f64 = 10;
  optional sfixed32 sf32 = 11; optional sfixed64 sf64 = 12; optional bool b = 13;
  optional string s = 14; optional bytes by = 15; optional Colour colour = 16;
  optional All child = 17; repeated int32 packed = 18 [packed = true];
  repeated sint64 plain = 19; repeated string names = 20; map<string, int32> counts = 21;
  map<int32, All> by_number = 22;
  oneof choice { string left = 23; int32 right = 24; }
  optional group Part = 25 { optional int32 x = 1; }
  repeated All list = 26;
  repeated fixed32 words = 27 [packed = true];
  extensions 100 to 200;
}
extend All { optional string extra = 100; }
message Known {
  optional google.protobuf.Timestamp at = 1; optional google.protobuf.Duration took = 2;
  optional google.protobuf.StringValue name = 3; optional google.protobuf.Struct data = 4;
  optional google.protobuf.Any any = 5;
}
service Tests { rpc Do(All) returns (stream Known); }
"#;

fn schema(source: &'static str) -> Schema {
    let open = move |name: &str| Ok((name == "t.proto").then(|| source.to_owned()));
    Schema::compile(&["t.proto".to_owned()], Box::new(open)).unwrap()
}

fn pool() -> DescriptorPool {
    let mut resolver = protox::file::ChainFileResolver::new();
    struct One;
    impl protox::file::FileResolver for One {
        fn open_file(&self, name: &str) -> Result<protox::file::File, protox::Error> {
            match name {
                "t.proto" => protox::file::File::from_source(name, TEST),
                _ => Err(protox::Error::file_not_found(name)),
            }
        }
    }
    resolver.add(One);
    resolver.add(protox::file::GoogleFileResolver::new());
    let mut c = protox::Compiler::with_file_resolver(resolver);
    c.open_file("t.proto").unwrap();
    c.descriptor_pool()
}

fn users() -> Schema {
    let source = include_str!("../../../fixtures/proto/user.proto");
    let open = move |name: &str| Ok((name == "user.proto").then(|| source.to_owned()));
    Schema::compile(&["user.proto".to_owned()], Box::new(open)).unwrap()
}

fn hint(path: &str, side: Side) -> PayloadHint<'_> {
    PayloadHint { media_type: "application/grpc+proto", path, side, message: None }
}

/// Decodes as one of the test schema's types, and checks that the tree tiles.
fn run(d: &Decoder, path: &str, side: Side, data: &[u8]) -> (Detail, Vec<Finding>) {
    let mut detail = Detail::default();
    let found = d.decode(&hint(path, side), data, Some((&mut detail, BufferId(0)))).unwrap();
    // Nobody listening finds the same.
    let silent = d.decode(&hint(path, side), data, None).unwrap();
    assert_eq!(found.len(), silent.len());
    for (a, b) in found.iter().zip(&silent) {
        assert_eq!((a.spec.code, &a.detail), (b.spec.code, &b.detail));
    }
    if !detail.tree.is_cut() {
        let mut spans: Vec<Span> =
            detail.tree.leaves().filter_map(|n| n.span).filter(|s| s.bit_len() > 0).collect();
        spans.sort_by_key(Span::first_bit);
        let mut at = 0;
        for s in spans {
            assert_eq!(s.first_bit(), at, "{:#?}", detail.tree.nodes());
            at += s.bit_len();
        }
        assert_eq!(at, data.len() as u64 * 8);
    }
    (detail, found)
}

fn typed(data: &[u8]) -> (String, Vec<&'static str>) {
    let d = Decoder { schema: Some(schema(TEST)), learnt: None };
    let (detail, found) = run(&d, "/t.Tests/Do", Side::Client, data);
    let Payload::Protobuf { type_name: Some(_), value } = detail.payload else { panic!() };
    (value.line(4000), found.iter().map(|f| f.spec.code).collect())
}

fn untyped(data: &[u8]) -> (Datum, Vec<&'static str>) {
    let (detail, found) = run(&Decoder::default(), "", Side::Client, data);
    let Payload::Protobuf { type_name: None, value } = detail.payload else { panic!() };
    (value, found.iter().map(|f| f.spec.code).collect())
}

#[test]
fn the_tutorials_user() {
    let d = Decoder { schema: Some(users()), learnt: None };
    let (detail, found) = run(&d, "/user.UserService/GetUser", Side::Server, ALICE);
    assert!(found.is_empty());
    let Payload::Protobuf { type_name, value } = &detail.payload else { panic!() };
    assert_eq!(type_name.as_deref(), Some("user.User"));
    assert_eq!(value.line(99), "{id: 42, name: \"Alice\"}");
    let names: Vec<_> = detail.tree.nodes().iter().filter_map(|n| n.name.as_deref()).collect();
    assert_eq!(names, ["user.User", "id", "name"]);
    let leaf = detail.tree.find("protobuf.field.value.string").unwrap();
    assert_eq!(leaf.span, Some(Span::bytes(BufferId(0), 4, 5)));
    assert_eq!(detail.tree.find("protobuf.field.number").unwrap().span.unwrap().bits, 5);
    assert_eq!(d.method_pattern("/user.UserService/ListUsers"), Some("server_streaming"));
    assert_eq!(d.method_pattern("/user.UserService/Chat"), Some("bidi_streaming"));
    assert_eq!(d.method_pattern("/prefix/user.UserService/GetUser"), Some("unary"));
    assert_eq!(d.method_pattern("/user.UserService/None"), None);
}

#[test]
fn without_a_schema_all_readings() {
    let (value, found) = untyped(ALICE);
    assert!(found.is_empty());
    assert_eq!(value.wire_line(99), "{1: 42, 2: \"Alice\"}");
    assert_eq!(
        value.line(999),
        "[{number: 1, wire_type: 0, value: 42, readings: {uint64: 42, sint64: 21}}, \
         {number: 2, wire_type: 2, value: <5 bytes>, readings: {string: \"Alice\", \
         bytes: <5 bytes>, packed_varint: [65, 108, 105, 99, 101]}}]"
    );
    // 0a 02 08 01: a message, or bytes, or a list of varints; all are given.
    let (value, _) = untyped(&[0x0a, 2, 8, 1]);
    let line = value.line(999);
    assert!(line.contains("message: [{number: 1, wire_type: 0, value: 1, readings: {uint64: 1, sint64: -1, bool: true}}]"), "{line}");
    assert!(line.contains("packed_varint: [8, 1]"), "{line}");
    let (value, _) =
        untyped(&[0x0d, 0, 0, 0x80, 0x3f, 8, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1]);
    let line = value.line(999);
    assert!(line.contains("{fixed32: 1065353216, sfixed32: 1065353216, float: 1}"), "{line}");
    assert!(line.contains("int64: -1"), "{line}");
    // A group is what its wire type says.
    let (value, found) = untyped(&[0x0b, 0x10, 7, 0x0c]);
    assert!(found.is_empty());
    assert_eq!(value.wire_line(99), "{1: {2: 7}}");
}

/// JSON that is sent as `application/grpc` is left to be shown as text; with a schema
/// it is what the schema says, and faulty.
#[test]
fn json_is_no_protobuf() {
    let hint = PayloadHint {
        media_type: "application/grpc",
        path: "/s.S/M",
        side: Side::Client,
        message: None,
    };
    let json = b" {\n \"name\": [\"Jason\"]\n}\n";
    let plain = Decoder::default();
    assert!(plain.decode(&hint, json, None).is_none());
    let mut detail = Detail::default();
    let buffer = detail.origins.add(crate::base::Buffer::new("message"));
    assert!(plain.decode(&hint, json, Some((&mut detail, buffer))).is_none());
    assert!(detail.tree.nodes().is_empty());
    let d = Decoder { schema: Some(users()), learnt: None };
    let hint = PayloadHint { path: "/user.UserService/GetUser", ..hint };
    assert!(d.decode(&hint, json, None).is_some_and(|f| !f.is_empty()));
}

/// Of a codec of its own: nothing but `application/grpc` says what it is.
#[test]
fn what_nothing_calls_protobuf_may_be_anything() {
    let plain = Decoder::default();
    let found = |media_type, path, data: &[u8], d: &Decoder| {
        let hint = PayloadHint { media_type, path, side: Side::Client, message: None };
        d.decode(&hint, data, None).map(|f| f.len())
    };
    for media_type in ["application/grpc", "application/grpc; x=y", "application/grpc-web-text"] {
        assert_eq!(found(media_type, "/s.S/M", b"wait", &plain), None, "{media_type}");
        // It may be, and its oddities are none.
        assert_eq!(found(media_type, "/s.S/M", b"\x18\x01", &plain), Some(0));
        assert_eq!(found(media_type, "/s.S/M", b"\x18\x81\x00", &plain), Some(1));
    }
    assert_eq!(found("application/grpc+proto", "/s.S/M", b"wait", &plain), Some(1));
    let d = Decoder { schema: Some(users()), learnt: None };
    let known = "/user.UserService/GetUser";
    assert_eq!(found("application/grpc", known, b"wait", &d), Some(1));
}

#[test]
fn odd_bytes_are_findings_and_the_rest_stays() {
    for (data, line, code) in [
        // The string is longer than the message.
        (&b"\x18\x01\x72\x09ab"[..], "{i32: 1}", "protobuf.truncated"),
        (b"\x18\x01\x80", "{i32: 1}", "protobuf.truncated"),
        (b"\x18\x01\x09\x00", "{i32: 1}", "protobuf.truncated"),
        (b"\x18\x01\x07", "{i32: 1}", "protobuf.bad-tag"),
        (b"\x18\x01\x00\x00", "{i32: 1}", "protobuf.bad-tag"),
        (b"\x18\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "{}", "protobuf.bad-varint"),
        (b"\x18\x81\x00\x68\x01", "{i32: 1, b: true}", "protobuf.overlong-varint"),
        (b"\x18\x01\x24", "{i32: 1}", "protobuf.bad-group"),
        (b"\x18\x01\xcb\x01\x08\x05", "{i32: 1, part: {x: 5}}", "protobuf.bad-group"),
        (b"\x72\x02\xff\xfe\x18\x01", "{s: <2 bytes>, i32: 1}", "protobuf.bad-utf8"),
    ] {
        let (seen, codes) = typed(data);
        assert_eq!((seen.as_str(), &codes[..]), (line, &[code][..]), "{data:02x?}");
    }
    let (line, codes) = typed(b"\x1d\x01\x00\x00\x00\x18\x07");
    assert!(line.starts_with("{3: [{number: 3, wire_type: 5"), "{line}");
    assert_eq!(codes, ["protobuf.wrong-wire-type"]);
    // A nested message that is cut off inside does not touch what follows.
    let (line, codes) = typed(b"\x8a\x01\x03\x18\x01\x72\x68\x01");
    assert_eq!(
        (line.as_str(), &codes[..]),
        ("{child: {i32: 1}, b: true}", &["protobuf.truncated"][..])
    );
    // Hundreds of oddities are not listed one by one.
    let (_, codes) = typed(&b"\x18\x81\x00".repeat(500));
    assert_eq!((codes.len(), codes.last()), (33, Some(&"protobuf.more-findings")));
}

#[test]
fn lists_maps_oneofs_groups_extensions_and_unknown_fields() {
    // packed and unpacked of one field
    assert_eq!(typed(b"\x92\x01\x02\x01\x02\x90\x01\x03").0, "{packed: [1, 2, 3]}");
    assert_eq!(typed(b"\x9a\x01\x02\x01\x02").0, "{plain: [-1, 1]}");
    assert_eq!(
        typed(b"\xaa\x01\x05\x0a\x01a\x10\x07\xaa\x01\x05\x0a\x01a\x10\x08").0,
        "{counts: {a: 8}}"
    );
    assert_eq!(typed(b"\xaa\x01\x03\x0a\x01a").0, "{counts: {a: 0}}");
    assert_eq!(typed(b"\xb2\x01\x00").0, "{by_number: {0: {}}}");
    assert_eq!(typed(b"\xba\x01\x01x\xc0\x01\x05").0, "{right: 5}");
    assert_eq!(typed(b"\xcb\x01\x08\x05\xcc\x01").0, "{part: {x: 5}}");
    assert_eq!(typed(b"\xa2\x06\x02hi").0, "{[t.extra]: \"hi\"}");
    assert_eq!(typed(b"\x80\x01\x05\x80\x01\x07").0, "{colour: 7}");
    assert_eq!(typed(b"\x80\x01\x05").0, "{colour: \"BLUE\"}");
    let (line, codes) = typed(b"\xf8\x01\x05\x18\x01");
    assert!(line.starts_with("{31: [{number: 31") && line.ends_with("i32: 1}"), "{line}");
    assert!(codes.is_empty());
    // A message that comes twice is one.
    assert_eq!(typed(b"\x8a\x01\x02\x18\x01\x8a\x01\x02\x68\x01").0, "{child: {i32: 1, b: true}}");
}

#[test]
fn well_known_types() {
    let d = Decoder { schema: Some(schema(TEST)), learnt: None };
    let show = |data: &[u8]| {
        let (detail, found) = run(&d, "/t.Tests/Do", Side::Server, data);
        assert!(found.is_empty(), "{found:?}");
        let Payload::Protobuf { value, .. } = detail.payload else { panic!() };
        value.line(999)
    };
    assert_eq!(show(b"\x0a\x02\x08\x01"), "{at: \"1970-01-01T00:00:01Z\"}");
    assert_eq!(show(b"\x0a\x06\x10\x80\xca\xb5\xee\x01"), "{at: \"1970-01-01T00:00:00.500Z\"}");
    assert_eq!(show(b"\x12\x08\x08\x01\x10\x80\xca\xb5\xee\x01"), "{took: \"1.5s\"}");
    assert_eq!(show(b"\x1a\x04\x0a\x02hi"), "{name: \"hi\"}");
    assert_eq!(show(b"\x22\x09\x0a\x07\x0a\x01a\x12\x02\x20\x01"), "{data: {a: true}}");
    // Beyond what a Timestamp may hold: field by field.
    assert_eq!(show(b"\x0a\x0a\x10\xff\xff\xff\xff\xff\xff\xff\xff\x0f"), "{at: {nanos: -1}}");
    // The last second of 9999, which is what many write for "never".
    assert_eq!(show(b"\x0a\x07\x08\xff\x82\xd1\xff\xaf\x07"), "{at: \"9999-12-31T23:59:59Z\"}");
    let first = b"\x0a\x0b\x08\x80\x92\xb8\xc3\x98\xfe\xff\xff\xff\x01";
    assert_eq!(show(first), "{at: \"0001-01-01T00:00:00Z\"}");
    // What has a form of its own stands apart from its name, be it an Any again.
    let holds = |url: &str, value: &[u8]| {
        let len = |n: usize| u8::try_from(n).unwrap();
        let mut any = vec![0x0a, len(url.len())];
        any.extend(url.as_bytes());
        any.extend([0x12, len(value.len())]);
        any.extend(value);
        any
    };
    let of = |any: &[u8]| show(&[&[0x2a, u8::try_from(any.len()).unwrap()], any].concat());
    let inner = holds("x/t.All", b"\x18\x07");
    assert_eq!(
        of(&holds("x/google.protobuf.Any", &inner)),
        "{any: {@type: \"x/google.protobuf.Any\", value: {@type: \"x/t.All\", i32: 7}}}"
    );
    assert_eq!(
        of(&holds("x/google.protobuf.Struct", b"\x0a\x07\x0a\x01a\x12\x02\x20\x01")),
        "{any: {@type: \"x/google.protobuf.Struct\", value: {a: true}}}"
    );
    let url = b"type.googleapis.com/t.All";
    let mut any = vec![0x0a, url.len() as u8];
    any.extend(url);
    any.extend(b"\x12\x02\x18\x07");
    let mut data = vec![0x2a, any.len() as u8];
    data.extend(&any);
    assert_eq!(show(&data), "{any: {@type: \"type.googleapis.com/t.All\", i32: 7}}");
    assert_eq!(
        show(b"\x2a\x07\x0a\x01x\x12\x02\x18\x07"),
        "{any: {type_url: \"x\", value: <2 bytes>}}"
    );
}

#[test]
fn varint_forms() {
    let read = |d: &[u8]| wire::varint(In::new(d, BufferId(0), 0, &NoSink)).map(|(_, v)| v).ok();
    assert_eq!(read(&[0xac, 2]), Some(Varint { value: 300, form: Form::Minimal }));
    assert_eq!(read(&[0x81, 0]), Some(Varint { value: 1, form: Form::Overlong }));
    assert_eq!(read(&[0x80]), None);
    let mut v = [0xff; 10];
    assert_eq!(read(&v).unwrap().form, Form::Endless);
    v[9] = 1;
    assert_eq!(read(&v), Some(Varint { value: u64::MAX, form: Form::Minimal }));
    v[9] = 2;
    assert_eq!(read(&v).unwrap().form, Form::Overflow);
}

#[test]
fn depth_and_readings_are_bounded() {
    // 3,000 messages within one another.
    let mut data = vec![];
    for _ in 0..3000 {
        let mut next = vec![0x8a, 1];
        let mut n = data.len();
        while n > 127 {
            next.push(n as u8 | 0x80);
            n >>= 7;
        }
        next.push(n as u8);
        next.extend(&data);
        data = next;
    }
    assert_eq!(typed(&data).1, ["protobuf.too-deep"]);
    untyped(&data);
    // Anys within one another.
    let url = b"\x0a\x15x/google.protobuf.Any";
    let mut data = vec![];
    for _ in 0..1000 {
        let mut next = url.to_vec();
        let mut n = data.len();
        next.push(0x12);
        while n > 127 {
            next.push(n as u8 | 0x80);
            n >>= 7;
        }
        next.push(n as u8);
        next.extend(&data);
        data = next;
    }
    let mut walk = Walk::new(None);
    let s = schema(TEST);
    let ty = s.types.by_name.get("google.protobuf.Any").and_then(|i| s.types.message(*i));
    walk.types = Some(&s.types);
    walk.message(In::new(&data, BufferId(0), 0, &NoSink), ty, None, 0);
    assert_eq!(
        walk.findings.iter().map(|f| f.spec.code).collect::<Vec<_>>(),
        ["protobuf.too-deep"]
    );
    // Groups that never end.
    assert_eq!(typed(&[0x0b; 5000]).1.last(), Some(&"protobuf.too-deep"));
    untyped(&[0x0b; 5000]);
}

#[test]
fn schemas_that_cannot_be_used_say_so() {
    let compile = |s: &'static str| {
        let open = move |name: &str| Ok((name == "bad.proto").then(|| s.to_owned()));
        Schema::compile(&["bad.proto".to_owned()], Box::new(open)).unwrap_err().0
    };
    for (source, part) in [
        ("edition = \"2023\";", "edition = \"2023\" is not supported"),
        ("syntax = \"proto9\";", "proto9"),
        ("syntax = \"proto3\"; message {", "bad.proto"),
        ("syntax = \"proto3\"; import \"gone.proto\";", "gone.proto"),
    ] {
        let e = compile(source);
        assert!(e.contains(part) && e.contains("bad.proto") && !e.contains('\n'), "{e}");
    }
    let file = |syntax: &str| {
        let file = prost_reflect::prost_types::FileDescriptorProto {
            name: Some("new.proto".into()),
            syntax: Some(syntax.into()),
            ..Default::default()
        };
        prost_reflect::prost_types::FileDescriptorSet { file: vec![file] }.encode_to_vec()
    };
    // What it means is in the descriptor, however the text was written.
    assert!(Schema::from_descriptors("x.pb", &file("editions")).is_ok());
    let e = Schema::from_descriptors("x.pb", &file("proto9")).unwrap_err().0;
    assert!(e.starts_with("x.pb: new.proto: its syntax \"proto9\""), "{e}");
    assert!(
        Schema::from_descriptors("x.pb", b"\xff\xff").unwrap_err().0.contains("FileDescriptorSet")
    );
    let good = Schema::from_descriptors("x.pb", &pool().encode_to_vec()).unwrap();
    assert_eq!(good.and(&users()).methods(), 5);
}

#[test]
fn json_is_left_alone() {
    let hint = PayloadHint {
        media_type: "application/grpc+json",
        path: "",
        side: Side::Client,
        message: None,
    };
    assert!(Decoder::default().decode(&hint, b"{}", None).is_none());
    assert!(is_protobuf("Application/gRPC+proto; x=y") && !is_protobuf("application/grpcx"));
}

/// A value as prost-reflect has it; maps and messages by name, for comparing.
#[derive(Debug, PartialEq)]
enum Plain {
    One(String),
    List(Vec<Plain>),
    Map(BTreeMap<String, Plain>),
}

fn theirs(v: &prost_reflect::Value, kind: &prost_reflect::Kind) -> Plain {
    use prost_reflect::Value as V;
    let one = |d: Datum| Plain::One(d.line(9999));
    match v {
        V::Bool(b) => one(Datum::Bool(*b)),
        V::I32(n) => one(Datum::I64((*n).into())),
        V::I64(n) => one(Datum::I64(*n)),
        V::U32(n) => one(Datum::U64((*n).into())),
        V::U64(n) => one(Datum::U64(*n)),
        V::F32(n) => one(Datum::F64(n.to_string().parse().unwrap())),
        V::F64(n) => one(Datum::F64(*n)),
        V::String(t) => one(Datum::Text(t.clone())),
        V::Bytes(b) => Plain::One(format!("{b:?}")),
        V::EnumNumber(n) => {
            let e = kind.as_enum().unwrap();
            match e.get_value(*n) {
                Some(v) => one(Datum::Text(v.name().to_owned())),
                None => one(Datum::I64((*n).into())),
            }
        }
        V::Message(m) => Plain::Map(their_fields(m)),
        V::List(l) => Plain::List(l.iter().map(|v| theirs(v, kind)).collect()),
        V::Map(m) => {
            let value = kind.as_message().unwrap().map_entry_value_field().kind();
            Plain::Map(m.iter().map(|(k, v)| (key(k), theirs(v, &value))).collect())
        }
    }
}

fn key(k: &MapKey) -> String {
    match k {
        MapKey::String(s) => s.clone(),
        MapKey::I32(n) => n.to_string(),
        other => format!("{other:?}"),
    }
}

fn their_fields(m: &DynamicMessage) -> BTreeMap<String, Plain> {
    let set = m.fields().map(|(f, v)| (f.name().to_owned(), theirs(v, &f.kind())));
    let more = m.extensions().map(|(f, v)| (format!("[{}]", f.full_name()), theirs(v, &f.kind())));
    set.chain(more).collect()
}

fn ours(d: &Datum) -> Plain {
    match d {
        Datum::List(l) => Plain::List(l.iter().map(ours).collect()),
        Datum::Map(m) => Plain::Map(m.iter().map(|(k, v)| (k.clone(), ours(v))).collect()),
        Datum::Bytes(b) => Plain::One(format!("{:?}", bytes::Bytes::copy_from_slice(b))),
        other => Plain::One(other.line(9999)),
    }
}

/// A message of type `t.All` with fields chosen by `picks`.
fn build(pool: &DescriptorPool, picks: &[(u8, u64, String)], depth: usize) -> DynamicMessage {
    use prost_reflect::{Kind as K, Value as V};
    let desc = pool.get_message_by_name("t.All").unwrap();
    let mut m = DynamicMessage::new(desc.clone());
    let count = desc.fields().len();
    for (n, (which, number, text)) in picks.iter().enumerate() {
        let f = desc.fields().nth(usize::from(*which) % count).unwrap();
        let inner = || V::Message(build(pool, picks.get(n + 1..).unwrap_or_default(), depth - 1));
        let one = |kind: &K| -> Option<V> {
            Some(match kind {
                K::Double => V::F64(f64::from(*number as u32) / 8.0),
                K::Float => V::F32(*number as u16 as f32 / 4.0),
                K::Int32 | K::Sint32 | K::Sfixed32 => V::I32(*number as i32),
                K::Int64 | K::Sint64 | K::Sfixed64 => V::I64(*number as i64),
                K::Uint32 | K::Fixed32 => V::U32(*number as u32),
                K::Uint64 | K::Fixed64 => V::U64(*number),
                K::Bool => V::Bool(number % 2 == 0),
                K::String => V::String(text.clone()),
                K::Bytes => V::Bytes(number.to_be_bytes().to_vec().into()),
                K::Enum(_) => V::EnumNumber([0, 5, -1, 77][(*number % 4) as usize]),
                K::Message(d) if d.full_name() == "t.All" && depth > 0 => inner(),
                K::Message(d) if d.full_name() == "t.All.Part" => {
                    let mut p = DynamicMessage::new(d.clone());
                    p.set_field_by_name("x", V::I32(*number as i32));
                    V::Message(p)
                }
                K::Message(_) => return None,
            })
        };
        let value = if f.is_map() {
            let kind = f.kind();
            let entry = kind.as_message().unwrap();
            let key = match entry.map_entry_key_field().kind() {
                K::String => MapKey::String(text.clone()),
                _ => MapKey::I32(*number as i32),
            };
            one(&entry.map_entry_value_field().kind()).map(|v| V::Map([(key, v)].into()))
        } else if f.is_list() {
            one(&f.kind()).map(|v| V::List(vec![v.clone(), v]))
        } else {
            one(&f.kind())
        };
        if let Some(v) = value {
            m.set_field(&f, v);
        }
    }
    m
}

proptest! {
    #[test]
    fn prost_reflect_agrees(
        picks in proptest::collection::vec((any::<u8>(), any::<u64>(), "\\PC{0,6}"), 0..12),
    ) {
        thread_local!(static WORLD: (DescriptorPool, Decoder) =
            (pool(), Decoder { schema: Some(schema(TEST)), learnt: None }));
        WORLD.with(|(pool, decoder)| {
            let m = build(pool, &picks, 3);
            let (detail, found) = run(decoder, "/t.Tests/Do", Side::Client, &m.encode_to_vec());
            assert!(found.is_empty(), "{found:?}");
            let Payload::Protobuf { value, .. } = detail.payload else { panic!() };
            assert_eq!(ours(&value), Plain::Map(their_fields(&m)));
        });
    }

    #[test]
    fn hostile_bytes_never_panic(
        data in proptest::collection::vec(any::<u8>(), 0..400),
        small in proptest::collection::vec(0_u8..0x30, 0..200),
    ) {
        thread_local!(static DECODER: Decoder = Decoder { schema: Some(schema(TEST)), learnt: None });
        DECODER.with(|d| for side in Side::BOTH {
            for bytes in [&data, &small] {
                run(d, "/t.Tests/Do", side, bytes);
                run(&Decoder::default(), "", side, bytes);
            }
        });
    }

    #[test]
    fn descriptors_off_the_wire_never_panic(at in any::<usize>(), byte in any::<u8>()) {
        let mut bytes = users_set();
        let n = bytes.len();
        bytes[at % n] = byte;
        let _ = Schema::from_descriptors("x", &bytes);
    }
}

fn users_set() -> Vec<u8> {
    thread_local!(static SET: Vec<u8> = pool().encode_to_vec());
    SET.with(Clone::clone)
}
