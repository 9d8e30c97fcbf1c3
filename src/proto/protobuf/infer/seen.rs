//! What was seen of the messages of one method: counts, from which types are told.
//!
//! Everything is counted once and nothing is kept of the messages themselves, so the memory
//! does not grow with their number.

use std::collections::BTreeMap;

use hashbrown::HashMap;

use crate::base::limits::{MAX_INFERRED_DEPTH, MAX_PROTOBUF_DEPTH};
use crate::proto::protobuf::readings::{self, Cut, Raw, text};
use crate::proto::protobuf::wire::{self, Form, zigzag};

/// Different values of a number that are told apart: an enumeration of more is none
/// that could be told from a number.
pub(super) const MAX_VALUES: usize = 24;
/// Bytes of one value whose numbers are looked at one by one.
const MAX_ELEMENT_BYTES: usize = 256;
/// Keys of one map in one message that are compared with one another.
const MAX_KEYS: usize = 1024;

/// Messages of one type.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shape {
    /// How many were seen.
    pub(super) messages: u64,
    pub(super) fields: BTreeMap<u32, Seen>,
    /// Fields beyond the limit were left out.
    pub(super) left_out: bool,
}

/// A field, over all messages of a type.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    /// Values.
    pub(super) values: u64,
    /// Messages that have it more than once.
    pub(super) several: u64,
    /// The last message that has it, and whether it has it more than once.
    last_in: u64,
    again: bool,
    pub(super) varint: Option<Box<Ints>>,
    pub(super) fixed32: Option<Box<Fixed>>,
    pub(super) fixed64: Option<Box<Fixed>>,
    pub(super) bytes: Option<Box<Bytes>>,
    pub(super) group: Option<Box<Shape>>,
}

/// Varints.
#[derive(Clone, Debug, Default)]
pub(super) struct Ints {
    pub(super) n: u64,
    pub(super) max: u64,
    /// With the highest bit: an int64 below zero, in ten bytes.
    pub(super) negative: u64,
    /// The lowest of them.
    pub(super) lowest: i64,
    pub(super) odd: u64,
    /// Sums of the even numbers and of the odd ones: zigzag's above and below zero.
    pub(super) sums: [f64; 2],
    /// Different values, up to [`MAX_VALUES`] and one more.
    pub(super) different: Vec<u64>,
    /// Seconds, milliseconds, microseconds, nanoseconds since 1970 in this century.
    pub(super) times: [u64; 4],
    last: Option<u64>,
    pub(super) steps: u64,
    /// Sum of the steps from value to value: as they are, and read as zigzag.
    pub(super) walked: [f64; 2],
}

/// Numbers of four or eight bytes.
#[derive(Clone, Debug, Default)]
pub(super) struct Fixed {
    pub(super) n: u64,
    pub(super) zeros: u64,
    /// Those that would be floating-point numbers such as people use.
    pub(super) floats: u64,
    /// Those that would be small integers.
    pub(super) small: u64,
    /// Of these, below zero.
    pub(super) negative: u64,
    /// Nanoseconds since 1970.
    pub(super) nanos: u64,
}

/// Length-delimited values.
#[derive(Clone, Debug, Default)]
pub(super) struct Bytes {
    /// Those that are not empty.
    pub(super) n: u64,
    pub(super) empty: u64,
    pub(super) total: u64,
    /// UTF-8 without control characters.
    pub(super) text: u64,
    pub(super) utf8: u64,
    /// Text that begins as a message with a field 1 begins: a tab or a line end.
    pub(super) like_a_tag: u64,
    pub(super) messages: u64,
    pub(super) child: Shape,
    /// Minimal varints from end to end, and how many in all.
    pub(super) varints: u64,
    pub(super) varint_count: u64,
    pub(super) varint_max: u64,
    /// The first of these of each value: what they are, if the field is packed.
    pub(super) elements: Ints,
    /// Words of four and eight bytes that are all floating-point numbers people use.
    pub(super) floats: u64,
    pub(super) doubles: u64,
    pub(super) whole4: u64,
    pub(super) whole8: u64,
    /// Words that are all small integers.
    pub(super) small4: u64,
    pub(super) small8: u64,
    /// One message has the same key twice, if these are entries of a map.
    pub(super) same_key: bool,
    /// The first byte of all values, while it is the same.
    pub(super) first: Option<u8>,
    pub(super) first_differs: bool,
}

impl Shape {
    /// Takes up a message that can be read from end to end. `room` is how many fields
    /// may still be told apart.
    pub(crate) fn add(&mut self, data: &[u8], room: &mut usize) {
        self.add_at(data, 0, room);
    }

    /// Messages so far.
    pub(crate) const fn messages(&self) -> u64 {
        self.messages
    }

    fn add_at(&mut self, data: &[u8], depth: usize, room: &mut usize) {
        self.messages += 1;
        let mut rest = data;
        // What would be keys, if the values of a field are entries of a map.
        let mut all_keys: HashMap<u32, Vec<&[u8]>> = HashMap::new();
        while let Some((cut, next)) = readings::cut(rest, MAX_PROTOBUF_DEPTH) {
            rest = next;
            let Ok(number) = u32::try_from(cut.number) else { continue };
            if !self.fields.contains_key(&number) {
                if *room == 0 {
                    self.left_out = true;
                    continue;
                }
                *room -= 1;
            }
            let seen = self.fields.entry(number).or_default();
            if seen.last_in != self.messages {
                (seen.last_in, seen.again) = (self.messages, false);
            } else if !std::mem::replace(&mut seen.again, true) {
                seen.several += 1;
            }
            if let (Raw::Bytes(b), 2) = (&cut.value, cut.wire_type)
                && let Some(key) = key_of(b)
            {
                let keys = all_keys.entry(number).or_default();
                if keys.len() < MAX_KEYS {
                    keys.push(key);
                }
            }
            seen.add(&cut, depth, room);
        }
        for (number, mut keys) in all_keys {
            keys.sort_unstable();
            if keys.windows(2).any(|w| w.first() == w.last())
                && let Some(b) = self.fields.get_mut(&number).and_then(|s| s.bytes.as_mut())
            {
                b.same_key = true;
            }
        }
    }
}

/// The bytes of field 1, where the value begins with it.
fn key_of(data: &[u8]) -> Option<&[u8]> {
    let (cut, rest) = readings::cut(data, 1)?;
    let len = data.len().saturating_sub(rest.len());
    (cut.number == 1).then(|| data.get(..len))?
}

impl Seen {
    fn add(&mut self, cut: &Cut<'_>, depth: usize, room: &mut usize) {
        self.values += 1;
        match (&cut.value, cut.wire_type) {
            (Raw::Number(v), 0) => self.varint.get_or_insert_default().add(*v),
            (Raw::Number(v), 1) => self.fixed64.get_or_insert_default().add64(*v),
            (Raw::Number(v), _) => self.fixed32.get_or_insert_default().add32(*v as u32),
            (Raw::Bytes(b), 3) => {
                let shape = self.group.get_or_insert_default();
                if depth < MAX_INFERRED_DEPTH {
                    shape.add_at(b, depth + 1, room);
                }
            }
            (Raw::Bytes(b), _) => self.bytes.get_or_insert_default().add(b, depth, room),
        }
    }
}

/// 2001 to 2100, in seconds.
const CENTURY: std::ops::Range<u64> = 978_307_200..4_102_444_800;

impl Ints {
    fn add(&mut self, v: u64) {
        self.n += 1;
        self.max = self.max.max(v);
        self.odd += v & 1;
        let [even, odd] = &mut self.sums;
        *(if v & 1 == 0 { even } else { odd }) += v as f64;
        if v >> 63 != 0 {
            self.negative += 1;
            self.lowest = self.lowest.min(v as i64);
        }
        if self.different.len() <= MAX_VALUES && !self.different.contains(&v) {
            self.different.push(v);
        }
        let mut unit = v;
        for t in &mut self.times {
            *t += u64::from(CENTURY.contains(&unit));
            unit /= 1000;
        }
        if let Some(last) = self.last.replace(v) {
            self.steps += 1;
            let [plain, signed] = &mut self.walked;
            *plain += v.abs_diff(last) as f64;
            *signed += zigzag(v).abs_diff(zigzag(last)) as f64;
        }
    }
}

/// Whether people use such a number: 0, or not too large and not too small.
fn usual(v: f64) -> bool {
    v == 0.0 || v.is_finite() && (1e-7..1e13).contains(&v.abs())
}

impl Fixed {
    fn add32(&mut self, v: u32) {
        self.n += 1;
        self.zeros += u64::from(v == 0);
        self.floats += u64::from(usual(f64::from(f32::from_bits(v))));
        let signed = i64::from(v as i32);
        self.small += u64::from(signed.unsigned_abs() < 1 << 24);
        self.negative += u64::from(signed < 0 && signed > -(1 << 24));
    }

    fn add64(&mut self, v: u64) {
        self.n += 1;
        self.zeros += u64::from(v == 0);
        self.floats += u64::from(usual(f64::from_bits(v)));
        let signed = v as i64;
        self.small += u64::from(signed.unsigned_abs() < 1 << 53);
        self.negative += u64::from(signed < 0 && signed > -(1 << 53));
        self.nanos += u64::from(CENTURY.contains(&(v / 1_000_000_000)));
    }
}

impl Bytes {
    fn add(&mut self, b: &[u8], depth: usize, room: &mut usize) {
        let Some(first) = b.first() else {
            self.empty += 1;
            return;
        };
        self.n += 1;
        self.total = self.total.saturating_add(b.len() as u64);
        self.first_differs |= self.first.is_some_and(|f| f != *first);
        self.first = Some(*first);
        let is_text = text(b).is_some();
        self.text += u64::from(is_text);
        self.utf8 += u64::from(is_text || simdutf8::basic::from_utf8(b).is_ok());
        self.like_a_tag += u64::from(is_text && matches!(first, b'\t' | b'\n' | b'\r'));
        if readings::is_message(b) {
            self.messages += 1;
            if depth < MAX_INFERRED_DEPTH {
                self.child.add_at(b, depth + 1, room);
            }
        }
        if let Some((count, max)) = varints(b, &mut |_| ()) {
            self.varints += 1;
            self.varint_count += count;
            self.varint_max = self.varint_max.max(max);
            let few = b.get(..MAX_ELEMENT_BYTES.min(b.len())).unwrap_or_default();
            let _ = varints(few, &mut |v| self.elements.add(v));
        }
        let (words, left) = b.as_chunks::<4>();
        if left.is_empty() {
            let words = || words.iter().map(|w| u32::from_le_bytes(*w));
            self.whole4 += 1;
            self.floats += u64::from(words().all(|w| usual(f64::from(f32::from_bits(w)))));
            self.small4 += u64::from(words().all(|w| (w as i32).unsigned_abs() < 1 << 24));
        }
        let (words, left) = b.as_chunks::<8>();
        if left.is_empty() {
            let words = || words.iter().map(|w| u64::from_le_bytes(*w));
            self.whole8 += 1;
            self.doubles += u64::from(words().all(|w| usual(f64::from_bits(w))));
            self.small8 += u64::from(words().all(|w| (w as i64).unsigned_abs() < 1 << 53));
        }
    }
}

/// How many varints the bytes are, each as short as can be, and the largest; `f` sees each.
fn varints(b: &[u8], f: &mut dyn FnMut(u64)) -> Option<(u64, u64)> {
    let (mut count, mut max) = (0, 0);
    let mut i = crate::field::In::new(b, crate::base::BufferId(0), 0, &crate::field::NoSink);
    while !i.data().is_empty() {
        let (rest, v) = wire::varint(i).ok().filter(|(_, v)| v.form == Form::Minimal)?;
        count += 1;
        max = max.max(v.value);
        f(v.value);
        i = rest;
    }
    Some((count, max))
}
