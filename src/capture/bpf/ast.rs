//! What a capture filter says, before it is known what the packets look like.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

/// The names of protocols that stand alone, qualify a value, or are indexed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Proto {
    Link,
    Ip,
    Ip6,
    Arp,
    Rarp,
    Tcp,
    Udp,
    Sctp,
    Icmp,
    Icmp6,
    Igmp,
    Pim,
    Ah,
    Esp,
}

/// Their names; the first of two is what is printed.
pub(super) const PROTOS: [(&str, Proto); 15] = [
    ("ether", Proto::Link),
    ("link", Proto::Link),
    ("ip", Proto::Ip),
    ("ip6", Proto::Ip6),
    ("arp", Proto::Arp),
    ("rarp", Proto::Rarp),
    ("tcp", Proto::Tcp),
    ("udp", Proto::Udp),
    ("sctp", Proto::Sctp),
    ("icmp", Proto::Icmp),
    ("icmp6", Proto::Icmp6),
    ("igmp", Proto::Igmp),
    ("pim", Proto::Pim),
    ("ah", Proto::Ah),
    ("esp", Proto::Esp),
];

impl Proto {
    pub(super) fn name(self) -> &'static str {
        PROTOS.iter().find(|p| p.1 == self).map_or("?", |p| p.0)
    }
}

/// Source, destination, or which of both.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Direction {
    /// Nothing was said: either.
    #[default]
    Any,
    Source,
    Destination,
    Either,
    Both,
}

/// What a value is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Type {
    /// Nothing was said: a host.
    #[default]
    Any,
    Host,
    Net,
    Port,
    PortRange,
    Protocol,
}

impl Type {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Any | Self::Host => "host",
            Self::Net => "net",
            Self::Port => "port",
            Self::PortRange => "portrange",
            Self::Protocol => "proto",
        }
    }
}

/// The words before a value; values that follow without words of their own take
/// them over.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Qualifiers {
    pub(super) proto: Option<Proto>,
    pub(super) direction: Direction,
    pub(super) of: Type,
}

/// A value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Value {
    Number(u32),
    /// A name, or a range such as `80-90`.
    Name(String),
    /// One to four octets, so many bits of them.
    Quad(u32, u32),
    /// Address and mask length.
    QuadLength(u32, u32, u32),
    /// Address and mask, each with its bits.
    QuadMask(u32, u32, u32, u32),
    /// Address and mask length.
    V6(Ipv6Addr, Option<u32>),
    Mac([u8; 6]),
}

/// `and`, `or`: equally strong, from left to right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Join {
    And,
    Or,
}

/// A condition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Expr {
    /// No condition at all.
    All,
    Chain(Box<Expr>, Vec<(Join, Expr)>),
    Not(Box<Expr>),
    /// A protocol alone.
    Proto(Proto),
    /// A value and what is asked of it; the column is that of the value.
    Value(Qualifiers, Value, usize),
    Relation(Arith, Relation, Arith),
    /// The column is that of the word.
    Broadcast(Option<Proto>, usize),
    /// The same.
    Multicast(Option<Proto>, usize),
    Less(u32),
    Greater(u32),
    /// The same.
    Vlan(Option<u32>, usize),
}

/// A comparison of unsigned numbers of 32 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Relation {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

impl Relation {
    pub(super) const fn holds(self, a: u32, b: u32) -> bool {
        match self {
            Self::Eq => a == b,
            Self::Ne => a != b,
            Self::Lt => a < b,
            Self::Le => a <= b,
            Self::Gt => a > b,
            Self::Ge => a >= b,
        }
    }

    const fn name(self) -> &'static str {
        match self {
            Self::Eq => "=",
            Self::Ne => "!=",
            Self::Lt => "<",
            Self::Le => "<=",
            Self::Gt => ">",
            Self::Ge => ">=",
        }
    }
}

/// Operators on numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    And,
    Or,
    Left,
    Right,
}

impl Op {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Sub => "-",
            Self::Mul => "*",
            Self::Div => "/",
            Self::And => "&",
            Self::Or => "|",
            Self::Left => "<<",
            Self::Right => ">>",
        }
    }
}

/// A number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Arith {
    Number(u32),
    /// Length of the packet on the wire.
    Len,
    Neg(Box<Arith>),
    Binary(Op, Box<Arith>, Box<Arith>),
    /// Bytes of a header: which, from where, how many (1, 2, 4); the column is that
    /// of the protocol.
    Load(Proto, Box<Arith>, u32, usize),
}

impl fmt::Display for Qualifiers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(p) = self.proto {
            write!(f, "{} ", p.name())?;
        }
        f.write_str(match self.direction {
            Direction::Any => "",
            Direction::Source => "src ",
            Direction::Destination => "dst ",
            Direction::Either => "src or dst ",
            Direction::Both => "src and dst ",
        })?;
        f.write_str(self.of.name())
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Name(n) => write!(f, "\\{n}"),
            Self::Quad(v, bits) => quad(f, *v, *bits),
            Self::QuadLength(v, bits, len) => {
                quad(f, *v, *bits)?;
                write!(f, "/{len}")
            }
            Self::QuadMask(v, bits, m, mask_bits) => {
                quad(f, *v, *bits)?;
                f.write_str(" mask ")?;
                quad(f, *m, *mask_bits)
            }
            Self::V6(a, None) => write!(f, "{a}"),
            Self::V6(a, Some(len)) => write!(f, "{a}/{len}"),
            Self::Mac([a, b, c, d, e, g]) => {
                write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
            }
        }
    }
}

/// As many octets as were written.
fn quad(f: &mut fmt::Formatter<'_>, value: u32, bits: u32) -> fmt::Result {
    let all = Ipv4Addr::from(value).octets();
    let written = (bits / 8).clamp(2, 4) as usize;
    for (i, octet) in all.iter().skip(4 - written).enumerate() {
        write!(f, "{}{octet}", if i > 0 { "." } else { "" })?;
    }
    Ok(())
}

impl fmt::Display for Expr {
    /// With every parenthesis and qualifier written out; read again, it is the same.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => Ok(()),
            Self::Chain(first, rest) => {
                inner(f, first)?;
                for (join, e) in rest {
                    f.write_str(if *join == Join::And { " and " } else { " or " })?;
                    inner(f, e)?;
                }
                Ok(())
            }
            Self::Not(e) => {
                f.write_str("not ")?;
                inner(f, e)
            }
            Self::Proto(p) => f.write_str(p.name()),
            Self::Value(q, v, _) => write!(f, "{q} {v}"),
            Self::Relation(a, r, b) => write!(f, "{a} {} {b}", r.name()),
            Self::Broadcast(p, _) => word(f, *p, "broadcast"),
            Self::Multicast(p, _) => word(f, *p, "multicast"),
            Self::Less(n) => write!(f, "less {n}"),
            Self::Greater(n) => write!(f, "greater {n}"),
            Self::Vlan(Some(id), _) => write!(f, "vlan {id}"),
            Self::Vlan(None, _) => f.write_str("vlan"),
        }
    }
}

fn inner(f: &mut fmt::Formatter<'_>, e: &Expr) -> fmt::Result {
    if matches!(e, Expr::Chain(..)) { write!(f, "({e})") } else { write!(f, "{e}") }
}

fn word(f: &mut fmt::Formatter<'_>, proto: Option<Proto>, word: &str) -> fmt::Result {
    match proto {
        Some(p) => write!(f, "{} {word}", p.name()),
        None => f.write_str(word),
    }
}

impl fmt::Display for Arith {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(n) => write!(f, "{n}"),
            Self::Len => f.write_str("len"),
            Self::Neg(a) => write!(f, "- {a}"),
            Self::Binary(op, a, b) => write!(f, "({a} {} {b})", op.name()),
            Self::Load(p, at, 1, _) => write!(f, "{}[{at}]", p.name()),
            Self::Load(p, at, size, _) => write!(f, "{}[{at}:{size}]", p.name()),
        }
    }
}
