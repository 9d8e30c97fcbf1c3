//! Types told from values: one field at a time, and what is equally likely said to be so.

use super::*;
use crate::base::limits::MAX_INFERRED_FIELDS;

fn varint(mut v: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while v > 127 {
        out.push(v as u8 | 0x80);
        v >>= 7;
    }
    out.push(v as u8);
    out
}

fn int(number: u64, v: u64) -> Vec<u8> {
    [varint(number << 3), varint(v)].concat()
}

fn bytes(number: u64, v: &[u8]) -> Vec<u8> {
    [varint(number << 3 | 2), varint(v.len() as u64), v.to_vec()].concat()
}

fn all(messages: impl IntoIterator<Item = Vec<u8>>) -> Inferred {
    let mut shape = Shape::default();
    let mut room = MAX_INFERRED_FIELDS;
    for m in messages {
        shape.add(&m, &mut room);
    }
    infer(&shape)
}

/// The type of field 1, with `=` and what ties with it.
fn of(messages: impl IntoIterator<Item = Vec<u8>>) -> String {
    let f = all(messages).fields.remove(0);
    let list = if f.list { "repeated " } else { "" };
    let ties: String = f.ties.iter().map(|t| format!("={t}")).collect();
    format!("{list}{}{ties}", f.guess.name())
}

fn zigzag(v: i64) -> u64 {
    ((v << 1) ^ (v >> 63)) as u64
}

#[test]
fn integers() {
    assert_eq!(of((0..20).map(|i| int(1, 1000 + i * 37))), "uint64");
    assert_eq!(of((0..20).map(|i| int(1, (i - 10) as u64))), "int64");
    // A walk around zero by small steps, read as zigzag; raw, every step jumps.
    let walk = [3, 1, -1, -2, -4, -3, -1, 0, 2, 3, 1, -1, -2, 1, 2, 4, 3];
    assert_eq!(of(walk.map(|v| int(1, zigzag(v * 9)))), "sint64");
    // One odd number may be either.
    assert_eq!(of([int(1, 4711)]), "uint64=sint64");
    // A counter is no zigzag.
    assert_eq!(of((1..30).map(|i| int(1, i))), "uint64");
}

#[test]
fn truth_values_and_enumerations() {
    assert_eq!(of((0..40).map(|i| int(1, i % 2))), "bool");
    // Of a single 1 nobody can say more.
    assert_eq!(of([int(1, 1)]), "uint64=bool=enum");
    let mut f = all((0..60).map(|i| int(1, [0, 2, 3, 7][i % 4]))).fields;
    assert_eq!(f.remove(0).guess, Guess::Enum(vec![0, 2, 3, 7]));
}

#[test]
fn numbers_of_a_fixed_length() {
    let f32s =
        [1.5_f32, -0.25, 1013.25, 0.0].map(|v| [vec![0x0d], v.to_le_bytes().to_vec()].concat());
    assert_eq!(of(f32s), "float");
    let u32s = [1_u32, 70, 4000].map(|v| [vec![0x0d], v.to_le_bytes().to_vec()].concat());
    assert_eq!(of(u32s), "fixed32");
    let i32s = [1_i32, -70, 4000].map(|v| [vec![0x0d], v.to_le_bytes().to_vec()].concat());
    assert_eq!(of(i32s), "sfixed32");
    let f64s = [18.5_f64, 0.55, -3e5].map(|v| [vec![0x09], v.to_le_bytes().to_vec()].concat());
    assert_eq!(of(f64s), "double");
    let u64s = [1_u64, 1 << 40].map(|v| [vec![0x09], v.to_le_bytes().to_vec()].concat());
    assert_eq!(of(u64s), "fixed64");
    let times = (0..5_u64).map(|i| {
        [vec![0x09], (1_732_000_000_000_000_000 + i * 977).to_le_bytes().to_vec()].concat()
    });
    let f = all(times).fields.remove(0);
    assert_eq!((f.guess.name().as_str(), f.note), ("fixed64", Some("nanoseconds since 1970")));
    // A zero says nothing.
    assert_eq!(of([[vec![0x0d], vec![0; 4]].concat()]), "float=fixed32");
}

#[test]
fn texts_and_bytes() {
    assert_eq!(of(["Alice", "Bob", "晴れ"].map(|t| bytes(1, t.as_bytes()))), "string");
    let raw = [&b"\xff\x00\x80"[..], b"\xc0\xff\xee\xff", b"\x90\xfe\xff"];
    assert_eq!(of(raw.map(|b| bytes(1, b))), "bytes");
    assert_eq!(of([bytes(1, b"")]), "string=bytes=message");
    let doubles =
        [1.5_f64, 2.25, -7.0].map(|v| bytes(1, &[v.to_le_bytes(), v.to_le_bytes()].concat()));
    assert_eq!(of(doubles), "repeated packed double");
    let packed =
        (0..6_u64).map(|i| bytes(1, &[vec![3, 0], varint(300 + i * 70), vec![7]].concat()));
    // 3 may be -2.
    assert_eq!(of(packed), "repeated packed uint64=packed sint64");
    let even = (0..6_u64).map(|i| bytes(1, &[vec![4, 0], varint(300 + i * 70), vec![8]].concat()));
    assert_eq!(of(even), "repeated packed uint64");
    // What is packed goes up and down around zero, or is yes and no.
    let walk = [3_i64, 1, -1, -2, -4, -3, -1, 0, 2, 3, 1, -1, -2, 1, 2, 4, 3];
    let deltas = walk
        .windows(4)
        .map(|w| bytes(1, &w.iter().flat_map(|v| varint(zigzag(v * 900))).collect::<Vec<_>>()));
    assert_eq!(of(deltas), "repeated packed sint64");
    let flags = (0..9_u8).map(|i| bytes(1, &[i % 2, 1, 0, i / 4 % 2, 1]));
    assert_eq!(of(flags), "repeated packed bool");
    let below = (1..9_i64).map(|i| bytes(1, &[varint(-i as u64), varint(300 * i as u64)].concat()));
    assert_eq!(of(below), "repeated packed int64");
    // Two bytes may be two numbers or two bytes.
    assert_eq!(of([bytes(1, &[3, 4])]), "repeated packed uint64=bytes=packed sint64");
}

#[test]
fn messages_times_and_maps() {
    let user = |i: u64| [int(1, 90 + i), bytes(2, format!("user {i}").as_bytes())].concat();
    let f = all((0..9).map(|i| bytes(1, &user(i)))).fields.remove(0);
    let Guess::Message(m) = &f.guess else { panic!("{f:?}") };
    assert_eq!(m.fields.iter().map(|f| f.guess.name()).collect::<Vec<_>>(), ["uint64", "string"]);
    let at = |i: u64| [int(1, 1_732_000_000 + i), int(2, 500_000_000 + i)].concat();
    assert_eq!(of((0..5).map(|i| bytes(1, &at(i)))), "google.protobuf.Timestamp");
    assert_eq!(of([bytes(1, &int(1, 1_732_000_000))]), "google.protobuf.Timestamp=message");
    let took = |i: u64| [int(1, 90), int(2, 500_000_000 + i * 1000)].concat();
    assert_eq!(of((0..5).map(|i| bytes(1, &took(i)))), "google.protobuf.Duration=message");
    let entry = |k: &str, v: u64| bytes(1, &[bytes(1, k.as_bytes()), int(2, v)].concat());
    let labels = |i: u64| [entry("channel", 3 + i), entry("campaign", 900 + i)].concat();
    assert_eq!(of((0..5).map(labels)), "repeated map=message");
    // The same key twice in one message is no map.
    let twice = |i: u64| [entry("a", i), entry("a", i + 1)].concat();
    assert_eq!(of((0..5).map(twice)), "repeated message");
    let f = all([b"\x0b\x08\x01\x0c".to_vec()]).fields.remove(0);
    assert!(matches!(f.guess, Guess::Group(_)));
}

#[test]
fn more_values_are_more_certain_and_two_wire_types_less() {
    let c = |n: u64| all((0..n).map(|i| bytes(1, format!("text {i}").as_bytes()))).fields.remove(0);
    assert!(c(1).confidence < c(10).confidence && c(10).confidence < c(1000).confidence);
    assert!(c(1000).confidence > 0.9 && c(1).confidence < 0.7);
    let mixed = all([int(1, 4711), bytes(1, b"Alice"), bytes(1, b"Bob")]).fields.remove(0);
    assert!(mixed.mixed && mixed.confidence < 0.5 && mixed.guess.name() == "string");
    // Lists by an old writer and a new one: numbers one by one, and packed.
    let f = all([[int(1, 4), int(1, 700)].concat(), bytes(1, &[3, 130, 2])]).fields.remove(0);
    assert!(f.list && !f.mixed && f.guess.name() == "uint64", "{f:?}");
}

/// A list is written as it came: proto2 packs only where that is said, proto3 unless it is.
#[test]
fn lists_are_packed_as_they_came() {
    let text = |group: bool| {
        let tail = if group { &b"\x1b\x08\x01\x1c"[..] } else { b"" };
        let one = [int(1, 4711), int(1, 700), bytes(2, &[3, 130, 2, 200, 7]), tail.to_vec()];
        let request = SideOf { message: all(vec![one.concat(); 5]), stream: false };
        let side = Side { method: "Do".into(), request, response: SideOf::default() };
        let file = file("a.b.C", &[side], &mut Default::default());
        let file = crate::proto::protobuf::files::SchemaFile::made(file);
        let mut list = vec![file];
        crate::proto::protobuf::files::complete(&mut list);
        crate::proto::protobuf::print::Printer::new(&list).text(&list[0]).unwrap()
    };
    let proto3 = text(false);
    assert!(proto3.contains("field_1 = 1 [packed = false];"), "{proto3}");
    assert!(proto3.contains("repeated uint64 field_2 = 2;"), "{proto3}");
    let proto2 = text(true);
    assert!(proto2.contains("64 field_1 = 1;"), "{proto2}");
    assert!(proto2.contains("field_2 = 2 [packed = true];"), "{proto2}");
}

#[test]
fn memory_is_bounded() {
    let mut shape = Shape::default();
    let mut room = 10;
    for n in 1..100 {
        shape.add(&int(n, 1), &mut room);
    }
    let i = infer(&shape);
    assert_eq!((i.fields.len(), i.left_out, room), (10, true, 0));
}

proptest::proptest! {
    #[test]
    fn anything_can_be_inferred_and_written(
        messages in proptest::collection::vec(proptest::collection::vec(0_u8..48, 0..60), 1..6),
    ) {
        let mut shape = Shape::default();
        let mut room = MAX_INFERRED_FIELDS;
        for m in messages.iter().filter(|m| crate::proto::protobuf::readings::is_message(m)) {
            shape.add(m, &mut room);
        }
        let message = infer(&shape);
        for f in &message.fields {
            assert!((0.0..=1.0).contains(&f.confidence), "{f:?}");
        }
        tables(&message);
        let side = Side {
            method: "Do".into(),
            request: SideOf { message, stream: false },
            response: SideOf::default(),
        };
        let file = file("a.b.C", &[side], &mut Default::default());
        // Other tools must take it: protox is a compiler of its own.
        let file = crate::proto::protobuf::files::SchemaFile::made(file);
        let mut all = vec![file];
        crate::proto::protobuf::files::complete(&mut all);
        let printer = crate::proto::protobuf::print::Printer::new(&all);
        let text = printer.text(&all[0]).unwrap();
        let open = move |name: &str| Ok((name == "x.proto").then(|| text.clone()));
        crate::proto::protobuf::Schema::compile(&["x.proto".to_owned()], Box::new(open)).unwrap();
    }
}
