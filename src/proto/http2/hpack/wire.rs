//! Integers and strings of RFC 7541 §5, over a tracked input.

use crate::base::Span;
use crate::field::{FieldSpec, In, Sink, Value};
use crate::proto::http2::fields;

/// Continuation bytes of an integer that are read at most: five hold 32 bits,
/// one more is allowed for leading zeros (§5.1 leaves the limit to us).
const MAX_CONTINUATION: u8 = 6;

/// Why a block cannot be read on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// It ends within a representation.
    Truncated,
    /// An integer is too long or too large.
    Overflow,
}

/// Where reading stopped: what lies before `at` has been told to the sink.
pub(crate) struct Stop<'a, S> {
    pub(crate) at: In<'a, S>,
    pub(crate) fault: Fault,
}

/// What was read, and what is left.
pub(crate) type Read<'a, S, O> = Result<(In<'a, S>, O), Stop<'a, S>>;

/// An integer whose first byte has a prefix of `prefix` bits (§5.1). The bits
/// before the prefix are told by `lead`, if the integer can be read.
///
/// ```text
///   0   1   2   3   4   5   6   7
/// +---+---+---+---+---+---+---+---+
/// | ? | ? | ? | 1   1   1   1   1 |
/// +---+---+---+-------------------+
/// | 1 |    Value-(2^N-1) LSB      |
/// +---+---------------------------+
///                ...
/// | 0 |    Value-(2^N-1) MSB      |
/// +---+---------------------------+
/// ```
pub(crate) fn integer<'a, S: Sink>(
    i: In<'a, S>,
    prefix: u8,
    spec: &'static FieldSpec,
    lead: impl FnOnce(&S),
) -> Read<'a, S, u32> {
    let stop = |fault| Stop { at: i, fault };
    let Some((first, mut more)) = i.data().split_first() else {
        return Err(stop(Fault::Truncated));
    };
    let all = 0xff_u8 >> (8 - prefix.clamp(1, 8));
    let mut value = u64::from(first & all);
    let mut extra = 0_u8;
    if first & all == all {
        loop {
            let Some((b, rest)) = more.split_first() else { return Err(stop(Fault::Truncated)) };
            more = rest;
            value += u64::from(b & 0x7f) << (7 * extra);
            extra += 1;
            if b & 0x80 == 0 {
                break;
            }
            if extra >= MAX_CONTINUATION {
                return Err(stop(Fault::Overflow));
            }
        }
    }
    let Ok(value) = u32::try_from(value) else { return Err(stop(Fault::Overflow)) };
    let Ok((rest, _)) = i.split(1 + usize::from(extra)) else { return Err(stop(Fault::Truncated)) };
    if S::ON {
        lead(i.sink());
        // At most 8 + 6 * 8 bits.
        let span = Span::bit_field(i.buffer(), i.at(), 8 - u32::from(prefix), prefix + 8 * extra);
        i.sink().field(spec, span, Value::U64(u64::from(value)));
    }
    Ok((rest, value))
}

/// A string as it lies in the block (§5.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Coded<'a> {
    /// Its octets.
    pub(crate) octets: &'a [u8],
    /// Where they lie in the block.
    pub(crate) span: Span,
    /// They are Huffman-coded.
    pub(crate) huffman: bool,
}

/// A string literal (§5.2).
///
/// ```text
///   0   1   2   3   4   5   6   7
/// +---+---+---+---+---+---+---+---+
/// | H |    String Length (7+)     |
/// +---+---------------------------+
/// |  String Data (Length octets)  |
/// +-------------------------------+
/// ```
pub(crate) fn string<'a, S: Sink>(i: In<'a, S>, specs: &StringSpecs) -> Read<'a, S, Coded<'a>> {
    let huffman = i.data().first().is_some_and(|b| b & 0x80 != 0);
    let flag = Span::bit_field(i.buffer(), i.at(), 0, 1);
    let (i, length) = integer(i, 7, specs.length, |sink| {
        sink.field(specs.huffman, flag, Value::Bool(huffman));
    })?;
    let Ok((rest, octets)) = i.split(length as usize) else {
        return Err(Stop { at: i, fault: Fault::Truncated });
    };
    let span = i.span_to(&rest);
    if S::ON && length > 0 {
        i.sink().field(specs.octets, span, Value::None);
    }
    Ok((rest, Coded { octets, span, huffman }))
}

/// How the parts of a string are called.
pub(crate) struct StringSpecs {
    huffman: &'static FieldSpec,
    length: &'static FieldSpec,
    octets: &'static FieldSpec,
}

/// A name.
pub(crate) static NAME: StringSpecs = StringSpecs {
    huffman: &fields::NAME_HUFFMAN,
    length: &fields::NAME_CODED_LENGTH,
    octets: &fields::NAME_OCTETS,
};

/// A value.
pub(crate) static VALUE: StringSpecs = StringSpecs {
    huffman: &fields::VALUE_HUFFMAN,
    length: &fields::VALUE_CODED_LENGTH,
    octets: &fields::VALUE_OCTETS,
};

#[cfg(test)]
mod tests {
    use super::*;
    use crate::base::BufferId;
    use crate::field::NoSink;

    fn read(data: &[u8], prefix: u8) -> Result<(u32, usize), Fault> {
        let off = NoSink;
        match integer(In::new(data, BufferId(0), 0, &off), prefix, &fields::INDEX, |_| {}) {
            Ok((rest, v)) => Ok((v, rest.data().len())),
            Err(stop) => Err(stop.fault),
        }
    }

    /// RFC 7541 Appendix C.1.
    #[test]
    fn the_examples_of_the_appendix() {
        assert_eq!(read(&[0x0a], 5), Ok((10, 0)));
        assert_eq!(read(&[0x1f, 0x9a, 0x0a], 5), Ok((1337, 0)));
        assert_eq!(read(&[0x2a, 9], 8), Ok((42, 1)));
    }

    #[test]
    fn too_long_and_too_large() {
        assert_eq!(read(&[0x1f, 0x9a], 5), Err(Fault::Truncated));
        assert_eq!(read(&[0x3f], 6), Err(Fault::Truncated));
        assert_eq!(read(&[0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 7), Ok((127, 0)));
        assert_eq!(
            read(&[0x7f, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00], 7),
            Err(Fault::Overflow)
        );
        assert_eq!(read(&[0x7f, 0x80, 0xff, 0xff, 0xff, 0x0f], 7), Ok((u32::MAX, 0)));
        assert_eq!(read(&[0x7f, 0x81, 0xff, 0xff, 0xff, 0x0f], 7), Err(Fault::Overflow));
    }
}
