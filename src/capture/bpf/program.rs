//! A filter made ready for one link type, and how it is run.
//!
//! As in libpcap's machine, a packet that is too short for what is read of it does
//! not match, whatever stands around that: also under `not`.

use super::ast::{Join, Op, Relation};

/// From where bytes are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Base {
    /// The beginning of the packet.
    Packet,
    /// The same and the length of the IPv4 header that is there.
    BehindIpv4(u32),
}

/// What is tested.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Check {
    Always(bool),
    /// From left to right; what cannot change the outcome is not looked at.
    Chain(Box<Check>, Vec<(Join, Check)>),
    Not(Box<Check>),
    /// A field against a number.
    Field {
        base: Base,
        at: u32,
        size: u32,
        mask: u32,
        relation: Relation,
        value: u32,
    },
    Compare(Number, Relation, Number),
}

/// What is computed; unsigned, 32 bits, wrapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Number {
    Constant(u32),
    Len,
    Neg(Box<Number>),
    Binary(Op, Box<Number>, Box<Number>),
    Load { base: Base, at: u32, index: Box<Number>, size: u32 },
}

/// A packet.
#[derive(Clone, Copy)]
pub(super) struct Packet<'a> {
    pub(super) data: &'a [u8],
    pub(super) original_len: u32,
}

impl Check {
    pub(super) fn field(at: u32, size: u32, value: u32) -> Self {
        Self::masked(at, size, u32::MAX, Relation::Eq, value)
    }

    pub(super) fn masked(at: u32, size: u32, mask: u32, relation: Relation, value: u32) -> Self {
        Self::Field { base: Base::Packet, at, size, mask, relation, value }
    }

    pub(super) fn negated(self) -> Self {
        Self::Not(Box::new(self))
    }

    pub(super) fn and(self, other: Self) -> Self {
        self.joined(Join::And, other)
    }

    pub(super) fn or(self, other: Self) -> Self {
        self.joined(Join::Or, other)
    }

    fn joined(self, join: Join, other: Self) -> Self {
        Self::Chain(Box::new(self), vec![(join, other)])
    }

    /// Whether a packet passes; `None` where it is too short for what is asked.
    pub(super) fn run(&self, p: Packet<'_>) -> Option<bool> {
        match self {
            Self::Always(v) => Some(*v),
            Self::Chain(first, rest) => {
                let mut so_far = first.run(p)?;
                for (join, check) in rest {
                    if so_far == (*join == Join::And) {
                        so_far = check.run(p)?;
                    }
                }
                Some(so_far)
            }
            Self::Not(c) => c.run(p).map(|v| !v),
            Self::Field { base, at, size, mask, relation, value } => {
                let found = p.load(*base, *at, 0, *size)?;
                Some(relation.holds(found & mask, *value))
            }
            Self::Compare(a, relation, b) => {
                let a = a.of(p)?;
                Some(relation.holds(a, b.of(p)?))
            }
        }
    }
}

impl Number {
    fn of(&self, p: Packet<'_>) -> Option<u32> {
        match self {
            Self::Constant(n) => Some(*n),
            Self::Len => Some(p.original_len),
            Self::Neg(a) => a.of(p).map(u32::wrapping_neg),
            Self::Load { base, at, index, size } => p.load(*base, *at, index.of(p)?, *size),
            Self::Binary(op, a, b) => {
                let (a, b) = (a.of(p)?, b.of(p)?);
                match op {
                    Op::Add => Some(a.wrapping_add(b)),
                    Op::Sub => Some(a.wrapping_sub(b)),
                    Op::Mul => Some(a.wrapping_mul(b)),
                    Op::Div => a.checked_div(b),
                    Op::And => Some(a & b),
                    Op::Or => Some(a | b),
                    Op::Left => Some(a.checked_shl(b).unwrap_or(0)),
                    Op::Right => Some(a.checked_shr(b).unwrap_or(0)),
                }
            }
        }
    }
}

impl Packet<'_> {
    /// Big-endian bytes at `at`, the header's length and `index` together.
    fn load(self, base: Base, at: u32, index: u32, size: u32) -> Option<u32> {
        let header = match base {
            Base::Packet => 0,
            // The header length is in words of 32 bits.
            Base::BehindIpv4(ip) => 4 * (u32::from(*self.data.get(ip as usize)?) & 0xf),
        };
        // An index below zero may be made good by the header's length.
        let from = (header.wrapping_add(index) as usize).checked_add(at as usize)?;
        let bytes = self.data.get(from..from.checked_add(size as usize)?)?;
        Some(bytes.iter().fold(0, |v, b| v << 8 | u32::from(*b)))
    }
}
