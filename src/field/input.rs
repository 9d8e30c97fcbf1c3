//! The tracked input of the wire parsers: a slice that knows its offset, and a
//! [`Sink`] that is told which field lies where.
//!
//! With [`NoSink`](crate::field::NoSink) all of it folds away to plain slice
//! arithmetic; with [`TreeSink`](crate::field::TreeSink) the same parser builds
//! the tree.

use nom::{IResult, Needed, Parser};

use crate::base::{BufferId, Span};
use crate::field::{FieldSpec, Kind, Sink, Value};

/// A position in a buffer, with what is left of it.
#[derive(Debug)]
pub struct In<'a, S> {
    data: &'a [u8],
    at: u32,
    buffer: BufferId,
    sink: &'a S,
}

impl<S> Clone for In<'_, S> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<S> Copy for In<'_, S> {}

impl<S> PartialEq for In<'_, S> {
    fn eq(&self, other: &Self) -> bool {
        (self.at, self.buffer, self.data) == (other.at, other.buffer, other.data)
    }
}

/// Result of a wire parser: what is left, and what was read. The only error of
/// a parser that judges nothing is "need more".
pub type Parsed<'a, S, O> = IResult<In<'a, S>, O>;

impl<'a, S: Sink> In<'a, S> {
    /// `data` lies in `buffer` from byte `at`.
    #[must_use]
    pub const fn new(data: &'a [u8], buffer: BufferId, at: u32, sink: &'a S) -> Self {
        Self { data, at, buffer, sink }
    }

    /// What is left.
    #[must_use]
    pub const fn data(&self) -> &'a [u8] {
        self.data
    }

    /// Offset of the next byte in the buffer.
    #[must_use]
    pub const fn at(&self) -> u32 {
        self.at
    }

    /// The buffer that it lies in.
    #[must_use]
    pub const fn buffer(&self) -> BufferId {
        self.buffer
    }

    /// Who listens.
    #[must_use]
    pub const fn sink(&self) -> &'a S {
        self.sink
    }

    /// The span from here to `end`, a later position in the same buffer.
    #[must_use]
    pub const fn span_to(&self, end: &Self) -> Span {
        Span::bytes(self.buffer, self.at, end.at.saturating_sub(self.at))
    }

    /// The next `n` bytes and what follows.
    ///
    /// # Errors
    /// `Incomplete` with the number that is missing.
    pub fn split(self, n: usize) -> Parsed<'a, S, &'a [u8]> {
        match self.data.split_at_checked(n) {
            Some((head, rest)) => Ok((
                // Buffers are shorter than 4 GiB: `Buffer::len` is a u32.
                Self { data: rest, at: self.at.saturating_add(n as u32), ..self },
                head,
            )),
            None => Err(nom::Err::Incomplete(Needed::new(n - self.data.len()))),
        }
    }
}

impl<'a, S: Sink> nom::Input for In<'a, S> {
    type Item = u8;
    type Iter = std::iter::Copied<std::slice::Iter<'a, u8>>;
    type IterIndices = std::iter::Enumerate<Self::Iter>;

    fn input_len(&self) -> usize {
        self.data.len()
    }

    fn take(&self, index: usize) -> Self {
        Self { data: self.data.get(..index).unwrap_or(self.data), ..*self }
    }

    fn take_from(&self, index: usize) -> Self {
        Self {
            data: self.data.get(index..).unwrap_or_default(),
            at: self.at.saturating_add(index as u32),
            ..*self
        }
    }

    fn take_split(&self, index: usize) -> (Self, Self) {
        (self.take_from(index), nom::Input::take(self, index))
    }

    fn position<P>(&self, predicate: P) -> Option<usize>
    where
        P: Fn(Self::Item) -> bool,
    {
        self.data.iter().position(|b| predicate(*b))
    }

    fn iter_elements(&self) -> Self::Iter {
        self.data.iter().copied()
    }

    fn iter_indices(&self) -> Self::IterIndices {
        self.data.iter().copied().enumerate()
    }

    fn slice_index(&self, count: usize) -> Result<usize, Needed> {
        if self.data.len() >= count { Ok(count) } else { Err(Needed::new(count - self.data.len())) }
    }
}

/// Reads a number with `parser` and tells the sink: `uint(&PORT, be_u16)`.
///
/// A field of [`Kind::Flag`] is told as a boolean.
pub fn uint<'a, S, O, P>(
    spec: &'static FieldSpec,
    mut parser: P,
) -> impl FnMut(In<'a, S>) -> Parsed<'a, S, O>
where
    S: Sink + 'a,
    O: Copy + Into<u64>,
    P: Parser<In<'a, S>, Output = O, Error = nom::error::Error<In<'a, S>>>,
{
    move |i| {
        let (rest, v) = parser.parse(i)?;
        if S::ON {
            i.sink.field(spec, i.span_to(&rest), number(spec, v.into()));
        }
        Ok((rest, v))
    }
}

/// Reads `n` bytes and tells the sink: as text for [`Kind::Text`] (bytes that are
/// no UTF-8 are replaced), without a copy for [`Kind::Data`] and [`Kind::Group`],
/// as bytes otherwise.
pub fn bytes<'a, S: Sink + 'a>(
    spec: &'static FieldSpec,
    n: usize,
) -> impl FnMut(In<'a, S>) -> Parsed<'a, S, &'a [u8]> {
    move |i| {
        let (rest, v) = i.split(n)?;
        if S::ON && n > 0 {
            let value = match spec.kind {
                Kind::Text => Value::text(v),
                Kind::Data | Kind::Group => Value::None,
                _ => Value::Bytes(v.into()),
            };
            i.sink.field(spec, i.span_to(&rest), value);
        }
        Ok((rest, v))
    }
}

/// Runs `parser` with a group open around what it reads.
pub fn group<'a, S, O, P>(
    spec: &'static FieldSpec,
    mut parser: P,
) -> impl FnMut(In<'a, S>) -> Parsed<'a, S, O>
where
    S: Sink + 'a,
    P: FnMut(In<'a, S>) -> Parsed<'a, S, O>,
{
    move |i| {
        if !S::ON {
            return parser(i);
        }
        i.sink.open(spec, Span::bytes(i.buffer, i.at, 0));
        let result = parser(i);
        let end = result.as_ref().map_or(i.at, |(rest, _)| rest.at);
        i.sink.close(end);
        result
    }
}

/// Some bytes read as one big-endian number whose bits are fields.
#[derive(Debug)]
pub struct Word<'a, S> {
    value: u64,
    width: u8,
    at: u32,
    buffer: BufferId,
    sink: &'a S,
}

/// Reads 1 to 8 bytes as one big-endian number, for taking bit fields from.
pub fn word<'a, S: Sink + 'a>(bytes: u8) -> impl FnMut(In<'a, S>) -> Parsed<'a, S, Word<'a, S>> {
    move |i| {
        let (rest, v) = i.split(usize::from(bytes))?;
        let value = v.iter().fold(0_u64, |n, b| n << 8 | u64::from(*b));
        Ok((rest, Word { value, width: bytes * 8, at: i.at, buffer: i.buffer, sink: i.sink }))
    }
}

impl<S: Sink> Word<'_, S> {
    /// The whole number.
    #[must_use]
    pub const fn value(&self) -> u64 {
        self.value
    }

    /// The field of `spec.bits` bits that begins `first` bits from the most
    /// significant one, as the RFCs' pictures count; tells the sink.
    pub fn bits(&self, spec: &'static FieldSpec, first: u8) -> u64 {
        let bits = spec.bits.min(64) as u8;
        let shift = self.width.saturating_sub(first.saturating_add(bits));
        let mask = if bits >= 64 { u64::MAX } else { (1_u64 << bits) - 1 };
        let v = self.value.checked_shr(u32::from(shift)).unwrap_or(0) & mask;
        if S::ON {
            let span = Span::bit_field(self.buffer, self.at, u32::from(first), bits);
            self.sink.field(spec, span, number(spec, v));
        }
        v
    }

    /// The same, for a flag.
    pub fn flag(&self, spec: &'static FieldSpec, first: u8) -> bool {
        self.bits(spec, first) != 0
    }
}

fn number(spec: &FieldSpec, v: u64) -> Value {
    if spec.kind == Kind::Flag { Value::Bool(v != 0) } else { Value::U64(v) }
}

#[cfg(test)]
mod tests {
    use nom::number::streaming::be_u16;

    use super::*;
    use crate::field::{NoSink, TreeSink};

    static VERSION: FieldSpec =
        FieldSpec::new("t.version", "Version", 4, Kind::Unsigned, "-", "A nibble.");
    static FLAG: FieldSpec = FieldSpec::new("t.flag", "Flag", 1, Kind::Flag, "-", "A bit.");
    static PORT: FieldSpec = FieldSpec::new("t.port", "Port", 16, Kind::Unsigned, "-", "A number.");
    static REST: FieldSpec = FieldSpec::new("t.rest", "Rest", 0, Kind::Bytes, "-", "Bytes.");

    fn parse<'a, S: Sink>(i: In<'a, S>) -> Parsed<'a, S, (u64, bool, u16)> {
        let (i, w) = word(1)(i)?;
        let version = w.bits(&VERSION, 0);
        let flag = w.flag(&FLAG, 4);
        let (i, port) = uint(&PORT, be_u16)(i)?;
        let (i, _) = bytes(&REST, 2)(i)?;
        Ok((i, (version, flag, port)))
    }

    #[test]
    fn one_parser_serves_both() {
        let data = [0x4a, 0x1f, 0x90, 1, 2, 3];
        let off = NoSink;
        let (rest, v) = parse(In::new(&data, BufferId(0), 10, &off)).unwrap();
        assert_eq!(v, (4, true, 8080));
        assert_eq!((rest.data(), rest.at()), (&[3][..], 15));
        let on = TreeSink::new();
        parse(In::new(&data, BufferId(2), 10, &on)).unwrap();
        let tree = on.into_tree();
        let places: Vec<_> =
            tree.nodes().iter().map(|n| n.span.map(|s| (s.first_bit(), s.bit_len()))).collect();
        assert_eq!(places, [Some((80, 4)), Some((84, 1)), Some((88, 16)), Some((104, 16))]);
        assert_eq!(tree.number("t.port"), Some(8080));
    }

    #[test]
    fn need_more_says_how_much() {
        let off = NoSink;
        let r = parse(In::new(&[0x4a, 0x1f, 0x90], BufferId(0), 0, &off));
        assert_eq!(r.err(), Some(nom::Err::Incomplete(Needed::new(2))));
    }
}
