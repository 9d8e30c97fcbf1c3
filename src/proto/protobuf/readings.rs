//! A message without a schema: its wire fields with every plausible reading.
//!
//! Readings nest and contradict one another, so they are values and not places:
//! the tree shows the wire fields, and goes into a value only where being a
//! message is its sole reading beside numbers in a row.

use crate::base::BufferId;
use crate::base::limits::{MAX_PROTOBUF_DEPTH, MAX_READING_BYTES, MAX_READING_NODES};
use crate::field::{Datum, In, NoSink};
use crate::proto::protobuf::wire::{self, Form, zigzag};

/// Numbers of one packed reading at most; more than that is hardly read.
const MAX_PACKED: usize = 4096;

/// Text from this length on (in bytes) is not read as numbers in a row, too:
/// thirty-two numbers that all happen to be printable characters are nobody's list.
const PLAINLY_TEXT: usize = 32;

/// What may still be built.
pub(super) struct Budget {
    nodes: usize,
    bytes: usize,
}

impl Budget {
    pub(super) const fn new() -> Self {
        Self { nodes: MAX_READING_NODES, bytes: MAX_READING_BYTES }
    }

    fn spend(&mut self, nodes: usize, bytes: usize) -> bool {
        match (self.nodes.checked_sub(nodes), self.bytes.checked_sub(bytes)) {
            (Some(n), Some(b)) => {
                (self.nodes, self.bytes) = (n, b);
                true
            }
            _ => false,
        }
    }
}

/// One wire field as it is cut out.
pub(super) struct Cut<'a> {
    pub(super) number: u64,
    pub(super) wire_type: u8,
    pub(super) value: Raw<'a>,
}

/// Its value.
pub(super) enum Raw<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

fn input(data: &[u8]) -> In<'_, NoSink> {
    In::new(data, BufferId(0), 0, &NoSink)
}

/// Cuts off the first field; `None` where it cannot be read. A group gives its
/// content, its end tag left out.
pub(super) fn cut(data: &[u8], depth: usize) -> Option<(Cut<'_>, &[u8])> {
    let (rest, tag) = wire::tag(input(data)).ok().filter(|(_, t)| t.is_sound())?;
    let (value, rest) = match tag.wire_type {
        0 => {
            let (rest, v) = wire::varint(rest).ok().filter(|(_, v)| v.form != Form::Endless)?;
            (Raw::Number(v.value), rest.data())
        }
        1 => rest
            .data()
            .split_first_chunk()
            .map(|(v, r)| (Raw::Number(u64::from_le_bytes(*v)), r))?,
        5 => rest
            .data()
            .split_first_chunk()
            .map(|(v, r)| (Raw::Number(u64::from(u32::from_le_bytes(*v))), r))?,
        2 => {
            let (rest, v) = wire::varint(rest).ok().filter(|(_, v)| v.form != Form::Endless)?;
            let (value, rest) = rest.data().split_at_checked(usize::try_from(v.value).ok()?)?;
            (Raw::Bytes(value), rest)
        }
        3 => {
            let (inner, rest) = group(rest.data(), tag.number, depth)?;
            (Raw::Bytes(inner), rest)
        }
        _ => return None,
    };
    Some((Cut { number: tag.number, wire_type: tag.wire_type, value }, rest))
}

/// The content of a group and what follows its end.
fn group(data: &[u8], number: u64, depth: usize) -> Option<(&[u8], &[u8])> {
    let deeper = depth.checked_sub(1)?;
    let mut rest = data;
    loop {
        let (after, tag) = wire::tag(input(rest)).ok()?;
        if tag.wire_type == 4 {
            let inner = data.get(..data.len().saturating_sub(rest.len()))?;
            return (tag.number == number).then_some((inner, after.data()));
        }
        rest = cut(rest, deeper)?.1;
    }
}

/// Whether the bytes are fields from end to end.
pub(super) fn is_message(data: &[u8]) -> bool {
    let mut rest = data;
    while !rest.is_empty() {
        let Some((_, next)) = cut(rest, MAX_PROTOBUF_DEPTH) else { return false };
        rest = next;
    }
    true
}

/// The text, if the bytes are such as people write.
pub(super) fn text(data: &[u8]) -> Option<&str> {
    let t = std::str::from_utf8(data).ok()?;
    let printable = |c: char| !c.is_control() || matches!(c, '\t' | '\n' | '\r');
    t.chars().all(printable).then_some(t)
}

/// All fields that can be read, in order.
pub(super) fn message(data: &[u8], depth: usize, budget: &mut Budget) -> Vec<Datum> {
    let mut list = Vec::new();
    let mut rest = data;
    while let Some((field, next)) = cut(rest, depth) {
        list.push(one(&field, depth, budget));
        rest = next;
        if budget.nodes == 0 {
            break;
        }
    }
    list
}

/// `{"number":1,"wire_type":0,"value":42,"readings":{…}}`.
pub(super) fn one(field: &Cut<'_>, depth: usize, budget: &mut Budget) -> Datum {
    let mut map = vec![
        ("number".to_owned(), Datum::U64(field.number)),
        ("wire_type".to_owned(), Datum::U64(u64::from(field.wire_type))),
    ];
    let size = match field.value {
        Raw::Number(_) => 0,
        Raw::Bytes(b) => b.len(),
    };
    if !budget.spend(6, size.saturating_mul(2)) {
        budget.nodes = 0;
        map.push(("truncated".to_owned(), Datum::Bool(true)));
        return Datum::Map(map);
    }
    let mut readings: Vec<(String, Datum)> = Vec::new();
    let mut add = |name: &str, value: Datum| readings.push((name.to_owned(), value));
    let value = match field.value {
        Raw::Number(v) => {
            match field.wire_type {
                0 => {
                    add("uint64", Datum::U64(v));
                    // An int32 below zero is written as the int64, in ten bytes.
                    if v >> 63 != 0 {
                        add("int64", Datum::I64(v as i64));
                    }
                    add("sint64", Datum::I64(zigzag(v)));
                    if v <= 1 {
                        add("bool", Datum::Bool(v == 1));
                    }
                }
                1 => {
                    add("fixed64", Datum::U64(v));
                    add("sfixed64", Datum::I64(v as i64));
                    add("double", Datum::F64(f64::from_bits(v)));
                }
                _ => {
                    add("fixed32", Datum::U64(v));
                    add("sfixed32", Datum::I64(i64::from(v as u32 as i32)));
                    add("float", Datum::F64(short(f32::from_bits(v as u32))));
                }
            }
            Datum::U64(v)
        }
        Raw::Bytes(b) if field.wire_type == 3 => {
            add("group", Datum::List(message(b, depth.saturating_sub(1), budget)));
            Datum::Bytes(b.to_vec())
        }
        Raw::Bytes(b) => {
            let text = text(b);
            if let Some(t) = text {
                add("string", Datum::Text(t.to_owned()));
            }
            add("bytes", Datum::Bytes(b.to_vec()));
            if let Some(deeper) = depth.checked_sub(1)
                && is_message(b)
            {
                add("message", Datum::List(message(b, deeper, budget)));
            }
            if text.is_none() || b.len() < PLAINLY_TEXT {
                packed(b, budget, &mut add);
            }
            Datum::Bytes(b.to_vec())
        }
    };
    map.push(("value".to_owned(), value));
    map.push(("readings".to_owned(), Datum::Map(readings)));
    Datum::Map(map)
}

fn packed(b: &[u8], budget: &mut Budget, add: &mut dyn FnMut(&str, Datum)) {
    if b.is_empty() {
        return;
    }
    let count = b.iter().filter(|x| **x & 0x80 == 0).count();
    if count <= MAX_PACKED
        && let Some(list) = varints(b)
        && budget.spend(count, 0)
    {
        add("packed_varint", Datum::List(list));
    }
    let (words, left) = b.as_chunks::<4>();
    if left.is_empty() && words.len() <= MAX_PACKED && budget.spend(words.len(), 0) {
        let list = words.iter().map(|w| Datum::U64(u64::from(u32::from_le_bytes(*w))));
        add("packed_fixed32", Datum::List(list.collect()));
    }
    let (words, left) = b.as_chunks::<8>();
    if left.is_empty() && words.len() <= MAX_PACKED && budget.spend(words.len(), 0) {
        let list = words.iter().map(|w| Datum::U64(u64::from_le_bytes(*w)));
        add("packed_fixed64", Datum::List(list.collect()));
    }
}

/// The bytes as varints in a row, each as short as can be.
fn varints(b: &[u8]) -> Option<Vec<Datum>> {
    let mut list = Vec::new();
    let mut i = input(b);
    while !i.data().is_empty() {
        let (rest, v) = wire::varint(i).ok().filter(|(_, v)| v.form == Form::Minimal)?;
        list.push(Datum::U64(v.value));
        i = rest;
    }
    Some(list)
}

/// A float as the shortest decimal that means it: 0.1, not 0.10000000149.
pub(super) fn short(v: f32) -> f64 {
    if v.is_finite() { v.to_string().parse().unwrap_or(f64::from(v)) } else { f64::from(v) }
}

/// The datum of a group whose content and end tag are `body`.
pub(super) fn group_datum(number: u64, body: &[u8], budget: &mut Budget) -> Datum {
    let mut inner = body;
    // The end tag is what cannot be cut off as a field.
    let mut at = 0;
    while let Some((_, rest)) = cut(inner, MAX_PROTOBUF_DEPTH) {
        at = body.len().saturating_sub(rest.len());
        inner = rest;
    }
    let content = body.get(..at).unwrap_or_default();
    let cut = Cut { number, wire_type: 3, value: Raw::Bytes(content) };
    one(&cut, MAX_PROTOBUF_DEPTH, budget)
}
