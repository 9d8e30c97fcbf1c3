//! Schemas inferred from messages alone.
//!
//! The wire has field numbers and four ways to write a value; names and types are not on
//! it. Over many messages a type shows all the same: a text is never anything else, a
//! floating-point number read as an integer is none that anybody uses, and what was written
//! as zigzag goes up and down by small steps only when it is read so. What fits equally
//! well is told as a tie.
//!
//! Each candidate has a weight between 0 and 1: how well it fits, and how usual it is. The
//! confidence of the best is its share of all weights, less what a few values cannot say:
//! one value gives two thirds of it, ten values eleven twelfths.

mod proto;
mod seen;
#[cfg(test)]
mod tests;

pub(crate) use proto::{Side, SideOf, file, is_identifier, said, tables};
pub(crate) use seen::Shape;

use seen::{Bytes, Fixed, Ints, MAX_VALUES, Seen};

/// Of two weights so near the lower one is a tie.
const TIE: f64 = 0.8;
/// A candidate with less than this of the best one's weight is not told.
const TOLD: f64 = 0.25;

/// A type that a field may have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Guess {
    /// A type of protobuf with a name of its own: `uint64`, `string`.
    Plain(&'static str),
    /// The same, many in one value.
    Packed(&'static str),
    /// With these values.
    Enum(Vec<u64>),
    Message(Box<Inferred>),
    Group(Box<Inferred>),
    Timestamp,
    Duration,
    /// Entries: the fields are key and value.
    Map(Box<Inferred>),
}

impl Guess {
    /// For people: `string`, `packed double`, `map`.
    pub(crate) fn name(&self) -> String {
        match self {
            Self::Plain(name) => (*name).to_owned(),
            Self::Packed(name) => format!("packed {name}"),
            Self::Enum(_) => "enum".to_owned(),
            Self::Message(_) => "message".to_owned(),
            Self::Group(_) => "group".to_owned(),
            Self::Timestamp => "google.protobuf.Timestamp".to_owned(),
            Self::Duration => "google.protobuf.Duration".to_owned(),
            Self::Map(_) => "map".to_owned(),
        }
    }
}

/// What a field seems to be.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) guess: Guess,
    pub(crate) list: bool,
    /// 0 to 1.
    pub(crate) confidence: f64,
    /// What fits as well.
    pub(crate) ties: Vec<String>,
    /// What fits less well, but may be.
    pub(crate) others: Vec<String>,
    /// What its values look like.
    pub(crate) note: Option<&'static str>,
    /// How many were seen.
    pub(crate) values: u64,
    /// It came with more than one wire type, which no one type explains.
    pub(crate) mixed: bool,
}

/// A message type that was inferred.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Inferred {
    pub(crate) fields: Vec<Field>,
    pub(crate) messages: u64,
    pub(crate) left_out: bool,
}

/// Candidates and their weights, in the order in which they win where they are equal.
type Candidates = Vec<(Guess, f64)>;

/// What messages of this shape seem to be.
pub(crate) fn infer(shape: &Shape) -> Inferred {
    let fields = shape.fields.iter().map(|(number, seen)| field(*number, seen)).collect();
    Inferred { fields, messages: shape.messages, left_out: shape.left_out }
}

fn field(number: u32, seen: &Seen) -> Field {
    let mut note = None;
    let mut kinds: Vec<(u64, Candidates)> = Vec::new();
    if let Some(v) = &seen.varint {
        note = times(v);
        kinds.push((v.n, ints(v)));
    }
    if let Some(f) = &seen.fixed32 {
        kinds.push((f.n, fixed(f, ["float", "fixed32", "sfixed32"])));
    }
    if let Some(f) = &seen.fixed64 {
        if f.n == f.nanos {
            note = Some("nanoseconds since 1970");
        }
        kinds.push((f.n, fixed(f, ["double", "fixed64", "sfixed64"])));
    }
    if let Some(b) = &seen.bytes {
        kinds.push((b.n + b.empty, bytes(b, seen.several > 0)));
    }
    if let Some(g) = &seen.group {
        kinds.push((g.messages, vec![(Guess::Group(Box::new(infer(g))), 1.0)]));
    }
    let mut mixed = kinds.len() > 1;
    let mut several = seen.several > 0;
    // Numbers one by one beside many in one value: a list, by an old writer and a new one.
    if let (Some(v), Some(b), 2) = (&seen.varint, &seen.bytes, kinds.len())
        && b.varints == b.n
        && b.text < b.n.max(1)
    {
        (mixed, several) = (false, true);
        kinds = vec![(v.n + b.n, ints(v))];
    }
    // Of several wire types the most frequent counts.
    kinds.sort_by_key(|k| std::cmp::Reverse(k.0));
    let mut candidates = kinds.into_iter().next().map(|k| k.1).unwrap_or_default();
    // The order of equals stays.
    candidates.sort_by(|a, b| b.1.total_cmp(&a.1));
    let sum: f64 = candidates.iter().map(|c| c.1).sum();
    let best = candidates.first().map_or(0.0, |c| c.1);
    let n = seen.values as f64;
    let share = if sum > 0.0 { best / sum } else { 0.0 };
    let share = if mixed { share / 2.0 } else { share };
    let told = |low: f64, high: f64| -> Vec<String> {
        let within = |c: &&(Guess, f64)| c.1 >= low * best && c.1 < high * best;
        candidates.iter().skip(1).filter(within).map(|c| c.0.name()).collect()
    };
    let (ties, others) = (told(TIE, f64::INFINITY), told(TOLD, TIE));
    let guess = candidates.into_iter().next().map_or(Guess::Plain("bytes"), |c| c.0);
    let list = several || matches!(guess, Guess::Packed(_) | Guess::Map(_));
    let confidence = share * (n + 1.0) / (n + 2.0);
    Field { number, guess, list, confidence, ties, others, note, values: seen.values, mixed }
}

/// What all the numbers would be as points in time.
fn times(v: &Ints) -> Option<&'static str> {
    const NAMES: [&str; 4] = [
        "seconds since 1970",
        "milliseconds since 1970",
        "microseconds since 1970",
        "nanoseconds since 1970",
    ];
    // The units are apart by a factor of 1000, and a century is not so long.
    v.times.iter().position(|n| *n == v.n && v.n > 0).and_then(|i| NAMES.get(i).copied())
}

fn ints(v: &Ints) -> Candidates {
    let n = v.n as f64;
    if v.negative > 0 {
        // Ten bytes for a small number below zero is what int32 and int64 do, and nobody
        // who thought of it. Hashes and random numbers have the highest bit, too.
        if v.lowest >= i64::from(i32::MIN) {
            return vec![(Guess::Plain("int64"), 1.0), (Guess::Plain("uint64"), 0.02)];
        }
        let small = v.lowest > -(1 << 53);
        let unsigned = if small { 0.1 } else { 0.9 };
        return vec![(Guess::Plain("int64"), 1.0), (Guess::Plain("uint64"), unsigned)];
    }
    let time = times(v).is_some();
    let mut all = Vec::new();
    let mut plain = 1.0_f64;
    if v.max <= 1 {
        // A field whose every value is 1 may be a number; the more there are, the less.
        plain = (4.0 / n).clamp(0.1, 1.0);
        all.push((Guess::Plain("bool"), 1.0));
    }
    let different = v.different.len();
    if v.max <= 64 && different <= MAX_VALUES && !time {
        let mut values = v.different.clone();
        values.sort_unstable();
        let weight = match v.n {
            0..8 if v.max <= 16 => 0.8,
            0..8 => 0.3,
            // Few values that come again and again are names for something.
            n if different as u64 * 8 <= n && v.max > 1 => {
                plain = plain.min(0.5);
                1.0
            }
            n if different as u64 * 2 <= n => 0.85,
            _ => 0.1,
        };
        all.push((Guess::Enum(values), weight * if v.max <= 1 { plain } else { 1.0 }));
    }
    // Zigzag: numbers above and below zero are even and odd by turns. Read so, a value that
    // drifts around zero moves by smaller steps than the raw numbers do.
    let [walked, signed] = v.walked;
    let ratio = if walked > 0.0 { signed / walked } else { 1.0 };
    // A few small odd numbers among large even ones are no other side of zero.
    let [above, below] = v.sums;
    let both = above.min(below) * 8.0 > above + below;
    let weight = match v.steps {
        _ if time => 0.02,
        _ if v.max <= 1 => 0.1,
        2.. if ratio > 1.5 => 0.02,
        6.. if both && ratio < 0.8 => {
            plain = plain.min(0.3);
            1.0
        }
        6.. if v.odd == v.n => 0.9,
        _ if v.odd == 0 => 0.2,
        _ => 0.85,
    };
    let sint = (Guess::Plain("sint64"), weight);
    // A plain number wins among equals.
    all.insert(0, (Guess::Plain("uint64"), plain));
    all.push(sint);
    all
}

fn fixed(f: &Fixed, [float, unsigned, signed]: [&'static str; 3]) -> Candidates {
    let nothing = f.zeros == f.n;
    let floats = f.floats == f.n;
    let small = f.small == f.n;
    let whole = if f.negative > 0 { signed } else { unsigned };
    let (as_float, as_whole) = match (nothing, floats, small) {
        (true, ..) => (1.0, 1.0),
        (_, true, false) => (1.0, 0.05),
        (_, false, true) => (0.02, 1.0),
        // Both cannot be: a usual float is a large integer.
        (_, true, true) => (1.0, 1.0),
        // Most of them are such floats, and a few are unusual ones.
        (_, false, false) if f.floats * 10 >= f.n * 9 => (1.0, 0.3),
        (_, false, false) => (0.3, 1.0),
    };
    let mut all = vec![(Guess::Plain(float), as_float), (Guess::Plain(whole), as_whole)];
    if f.negative == 0 && !nothing && !floats && f.small < f.n {
        all.push((Guess::Plain(signed), 0.5));
    }
    all
}

fn bytes(b: &Bytes, several: bool) -> Candidates {
    let plain = |name: &'static str, weight: f64| (Guess::Plain(name), weight);
    if b.n == 0 {
        let empty = Guess::Message(Box::default());
        return vec![plain("string", 1.0), plain("bytes", 1.0), (empty, 1.0)];
    }
    let text = b.text == b.n;
    let message = b.messages == b.n;
    let mut all = Vec::new();
    if message {
        let child = infer(&b.child);
        let sound = child.fields.iter().all(|f| !f.mixed && f.number <= 20_000);
        let begins_alike = b.n > 1 && !b.first_differs;
        let weight = match (text, sound) {
            // A message of one field of text that begins with a line end, by chance as long
            // as a tab or a line end says. Or a text.
            (true, true) if b.like_a_tag == b.n && b.n > 1 => 1.0,
            (true, true) if b.like_a_tag == b.n => 0.9,
            (true, true) if b.n < 3 => 0.4,
            (true, _) => 0.05,
            (false, true) => 1.0,
            (false, false) => 0.2,
        };
        let numbers = b.varints == b.n;
        let as_numbers = match (numbers, begins_alike, b.n) {
            (false, ..) => 0.0,
            (_, true, _) => 0.05,
            (_, _, 1) if b.total <= 4 => 0.85,
            (_, _, 1) => 0.3,
            // Messages may well begin with different fields.
            _ => 0.25,
        } * if text { 0.1 } else { 1.0 };
        let as_text = match (text, b.like_a_tag == b.n) {
            (false, _) => 0.0,
            (true, true) if b.n > 1 => 0.3,
            _ => 1.0,
        };
        all.push(plain("string", as_text));
        all.extend(messages(child, b, several, weight));
        all.extend(packed(b, as_numbers));
        let raw = if b.n == 1 && b.total <= 4 { 0.4 } else { 0.1 };
        all.push(plain("bytes", if text { 0.1 } else { raw }));
        all.retain(|c| c.1 > 0.0);
        return all;
    }
    if text {
        let numbers = b.n < 3 && b.total <= 8;
        return vec![
            plain("string", 1.0),
            plain("bytes", if numbers { 0.3 } else { 0.05 }),
            (Guess::Packed("uint64"), if numbers { 0.3 } else { 0.01 }),
        ];
    }
    let doubles = b.doubles == b.n;
    let floats = b.floats == b.n;
    if doubles {
        all.push((Guess::Packed("double"), 1.0));
    }
    if floats {
        // The halves of a double may be floats, too.
        all.push((Guess::Packed("float"), if doubles { 0.3 } else { 1.0 }));
    }
    if b.varints == b.n {
        // Every second random string of bytes ends where a varint may end.
        let weight = match b.n {
            _ if doubles || floats => 0.3,
            // Ten bytes for a small number below zero come about by no chance.
            _ if b.elements.negative > 0 && b.elements.lowest >= i64::from(i32::MIN) => 1.0,
            _ if b.varint_max >= 1 << 35 => 0.3,
            1 if b.varint_count < 3 => 0.85,
            _ => 1.0,
        };
        all.extend(packed(b, weight));
    }
    if b.small8 == b.n && b.whole8 == b.n && !doubles {
        all.push((Guess::Packed("fixed64"), 1.0));
    }
    if b.small4 == b.n && b.whole4 == b.n && !floats && !doubles {
        all.push((Guess::Packed("fixed32"), if b.small8 == b.n { 0.4 } else { 0.8 }));
    }
    let certain = all.iter().any(|c| c.1 >= 1.0) && b.n >= 3;
    let raw = if certain {
        0.2
    } else if all.is_empty() {
        1.0
    } else {
        0.8
    };
    all.push(plain("bytes", raw));
    if b.utf8 == b.n {
        // Text has no control characters, but may have one some day.
        all.push(plain("string", 0.3));
    }
    all
}

/// What kind of numbers are packed, where it is likely that any are.
fn packed(b: &Bytes, weight: f64) -> Candidates {
    if weight < 0.5 {
        return vec![(Guess::Packed("uint64"), weight)];
    }
    let of = |(guess, w): (Guess, f64)| match guess {
        Guess::Plain(name) => Some((Guess::Packed(name), w * weight)),
        _ => None,
    };
    ints(&b.elements).into_iter().filter_map(of).collect()
}

/// What a message seems to be besides just that.
fn messages(child: Inferred, b: &Bytes, several: bool, weight: f64) -> Candidates {
    let shape = &b.child;
    let varint = |n: u32| shape.fields.get(&n).and_then(|f| f.varint.as_deref());
    let only_two = !child.fields.is_empty() && child.fields.iter().all(|f| f.number <= 2);
    let clean =
        child.fields.iter().all(|f| !f.mixed && !f.list && !matches!(f.guess, Guess::Group(_)));
    let mut all = Vec::new();
    if only_two && clean && !several_fields(shape) {
        let nanos = varint(2);
        let nanos_fit = shape.fields.get(&2).is_none_or(|f| {
            f.varint.as_ref().is_some_and(|v| v.n == f.values && v.max < 1_000_000_000)
        });
        if let Some(s) = varint(1)
            && s.n == s.times.first().copied().unwrap_or(0)
            && s.n == shape.messages
            && nanos_fit
        {
            // Seconds alone are less than seconds with nanoseconds.
            let rest = if nanos.is_some() { 0.1 } else { 0.8 };
            all.push((Guess::Timestamp, weight));
            all.push((Guess::Message(Box::new(child)), weight * rest));
            return all;
        }
        let seconds_fit = shape.fields.get(&1).is_none_or(|f| {
            f.varint.as_ref().is_some_and(|v| v.negative == 0 && v.max < 100_000_000)
        });
        // Parts of a second, most of them whole microseconds, are large numbers.
        if let Some(v) = nanos.filter(|v| v.max >= 1_000_000)
            && nanos_fit
            && seconds_fit
            && v.different.iter().all(|v| *v >= 1000)
        {
            all.push((Guess::Duration, weight));
            all.push((Guess::Message(Box::new(child)), weight * 0.8));
            return all;
        }
        let key = child.fields.first().filter(|f| f.number == 1).map(|f| &f.guess);
        let text = matches!(key, Some(Guess::Plain("string")));
        let scalar = matches!(
            key,
            Some(Guess::Plain("uint64" | "int64" | "sint64" | "bool" | "fixed32" | "fixed64"))
                | Some(Guess::Enum(_))
        );
        let always = |n: u32| shape.fields.get(&n).is_some_and(|f| f.values == shape.messages);
        if several && !b.same_key && (text || scalar) && always(1) && always(2) {
            let entries = (Guess::Map(Box::new(child.clone())), weight);
            let plain = (Guess::Message(Box::new(child)), weight * 0.9);
            // Names for values are a map more often than numbers are.
            if text {
                return vec![entries, plain];
            }
            return vec![(plain.0, weight), (entries.0, weight * 0.85)];
        }
    }
    all.push((Guess::Message(Box::new(child)), weight));
    all
}

fn several_fields(shape: &Shape) -> bool {
    shape.fields.values().any(|f| f.several > 0)
}
