//! From text to what it says, by libpcap's grammar: `and` and `or` are equally
//! strong and group from the left, `not` binds tightest, and a value without words
//! of its own takes those of the value before it.

use super::BpfError;
use super::ast::{
    Arith, Direction, Expr, Join, Op, PROTOS, Proto, Qualifiers, Relation, Type, Value,
};
use super::names::{NOT_HERE, constant};
use super::token::{Kind, Token, tokens};
use crate::base::limits::MAX_FILTER_DEPTH;

pub(super) fn parse(text: &str) -> Result<Expr, BpfError> {
    let tokens = tokens(text)?;
    let mut p = Parser { text, tokens, at: 0, depth: 0 };
    if p.kind() == &Kind::End {
        return Ok(Expr::All);
    }
    let (e, _) = p.expr(None)?;
    match p.kind() {
        Kind::End => Ok(e),
        _ => Err(p.unexpected("`and` or `or` is expected")),
    }
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Token>,
    at: usize,
    /// Parentheses, `not`s and operators that are open.
    depth: usize,
}

/// What comes of a part, and the words that a value behind it takes over.
type Part = (Expr, Option<Qualifiers>);

impl Parser<'_> {
    fn kind_at(&self, at: usize) -> &Kind {
        self.tokens.get(at).map_or(&Kind::End, |t| &t.kind)
    }

    fn kind(&self) -> &Kind {
        self.kind_at(self.at)
    }

    fn column(&self) -> usize {
        self.tokens.get(self.at).or(self.tokens.last()).map_or(1, |t| t.column)
    }

    fn is_sign(&self, sign: &str) -> bool {
        matches!(self.kind(), Kind::Sign(s) if *s == sign)
    }

    fn is_word(&self, word: &str) -> bool {
        matches!(self.kind(), Kind::Word(w) if w == word)
    }

    /// Goes past a sign or a word, if it is there.
    fn take(&mut self, what: &str) -> bool {
        let there = self.is_sign(what) || self.is_word(what);
        self.at += usize::from(there);
        there
    }

    fn error(&self, column: usize, what: impl Into<String>) -> BpfError {
        BpfError::new(self.text, column, what.into())
    }

    /// An error that names what stands here.
    fn unexpected(&self, expected: &str) -> BpfError {
        let what = match self.tokens.get(self.at) {
            None | Some(Token { kind: Kind::End, .. }) => {
                format!("the filter ends where {}", expected.replacen(" is ", " was ", 1))
            }
            Some(Token { kind: Kind::Word(w), .. }) if NOT_HERE.contains(&w.as_str()) => {
                format!("`{w}` is a word of libpcap's that is not supported here")
            }
            Some(Token { kind: Kind::Word(w), .. }) if !is_known(w) => {
                format!("`{w}` is no word of capture filters; {expected}")
            }
            Some(t) => format!("`{}` does not fit here; {expected}", t.text),
        };
        self.error(self.column(), what)
    }

    fn deeper(&mut self) -> Result<(), BpfError> {
        self.depth += 1;
        if self.depth > MAX_FILTER_DEPTH {
            return Err(self.error(self.column(), "too deeply nested"));
        }
        Ok(())
    }

    /// `and`, `or` and their signs.
    fn join(&mut self) -> Option<Join> {
        if self.take("and") || self.take("&&") {
            Some(Join::And)
        } else if self.take("or") || self.take("||") {
            Some(Join::Or)
        } else {
            None
        }
    }

    fn not(&mut self) -> bool {
        self.take("not") || self.take("!")
    }

    /// Terms and values with `and` and `or` between. `before`: the words that a
    /// value takes over.
    fn expr(&mut self, before: Option<Qualifiers>) -> Result<Part, BpfError> {
        let (first, mut q) = self.term(before)?;
        let mut rest = Vec::new();
        while let Some(join) = self.join() {
            let (e, next) = self.element(q)?;
            q = next;
            rest.push((join, e));
        }
        Ok((chain(first, rest), q))
    }

    /// A term, or a value that takes over its words.
    fn element(&mut self, q: Option<Qualifiers>) -> Result<Part, BpfError> {
        if self.is_value_ahead() { self.value(q) } else { self.term(q) }
    }

    /// Whether what follows is a value, or values in parentheses, and no term.
    fn is_value_ahead(&mut self) -> bool {
        let before = self.at;
        for _ in 0..=MAX_FILTER_DEPTH {
            match self.kind() {
                Kind::Name(_) | Kind::Quad(..) | Kind::V6(..) | Kind::Mac(_) => {
                    self.at = before;
                    return true;
                }
                k if matches!(k, Kind::Number(_)) || is_constant(k) => {
                    let is_relation = self.is_relation();
                    self.at = before;
                    return !is_relation;
                }
                Kind::Word(w) if !is_known(w) => {
                    self.at = before;
                    return true;
                }
                Kind::Sign("(") => {
                    if self.is_relation() {
                        break;
                    }
                    self.at += 1;
                }
                Kind::Sign("!") => self.at += 1,
                Kind::Word(w) if w == "not" => self.at += 1,
                _ => break,
            }
        }
        self.at = before;
        false
    }

    /// Whether an arithmetic comparison stands here.
    fn is_relation(&mut self) -> bool {
        let (at, depth) = (self.at, self.depth);
        let found = self.arith(0).is_ok() && relation(self.kind()).is_some();
        (self.at, self.depth) = (at, depth);
        found
    }

    /// A value behind its words, or one that takes them over.
    fn value(&mut self, q: Option<Qualifiers>) -> Result<Part, BpfError> {
        self.deeper()?;
        let part = if self.not() {
            let (e, q) = self.value(q)?;
            (Expr::Not(Box::new(e)), q)
        } else if self.take("(") {
            let (first, mut q) = self.value(q)?;
            let mut rest = Vec::new();
            while let Some(join) = self.join() {
                let (e, next) = self.value(q)?;
                q = next;
                rest.push((join, e));
            }
            if !self.take(")") {
                return Err(self.unexpected("`)` is expected"));
            }
            (chain(first, rest), q)
        } else {
            let column = self.column();
            let value = self.one_value()?;
            let Some(q) = q else {
                let what = format!(
                    "`{}` needs a word before it that says what it is, such as host or port",
                    self.tokens.get(self.at - 1).map_or("", |t| &t.text)
                );
                return Err(self.error(column, what));
            };
            (Expr::Value(q, value, column), Some(q))
        };
        self.depth -= 1;
        Ok(part)
    }

    fn one_value(&mut self) -> Result<Value, BpfError> {
        let value = match self.kind().clone() {
            Kind::Number(n) => Value::Number(n),
            Kind::Name(n) => Value::Name(n),
            Kind::Word(w) => match constant(&w) {
                Some(n) => Value::Number(n),
                None if is_known(&w) => return Err(self.unexpected("a value is expected")),
                None => Value::Name(w),
            },
            Kind::Mac(m) => Value::Mac(m),
            Kind::V6(a) => {
                self.at += 1;
                let len = if self.take("/") { Some(self.number()?) } else { None };
                return Ok(Value::V6(a, len));
            }
            Kind::Quad(v, bits) => {
                self.at += 1;
                if self.take("/") {
                    return Ok(Value::QuadLength(v, bits, self.number()?));
                }
                if self.take("mask") {
                    let Kind::Quad(mask, mask_bits) = *self.kind() else {
                        return Err(self.unexpected("a mask is expected, such as 255.255.0.0"));
                    };
                    self.at += 1;
                    return Ok(Value::QuadMask(v, bits, mask, mask_bits));
                }
                return Ok(Value::Quad(v, bits));
            }
            Kind::Sign(_) | Kind::End => return Err(self.unexpected("a value is expected")),
        };
        self.at += 1;
        Ok(value)
    }

    fn number(&mut self) -> Result<u32, BpfError> {
        let n = match self.kind() {
            Kind::Number(n) => Some(*n),
            Kind::Word(w) => constant(w),
            _ => None,
        };
        match n {
            Some(n) => {
                self.at += 1;
                Ok(n)
            }
            None => Err(self.unexpected("a number is expected")),
        }
    }

    fn term(&mut self, before: Option<Qualifiers>) -> Result<Part, BpfError> {
        self.deeper()?;
        let part = self.plain_term(before)?;
        self.depth -= 1;
        Ok(part)
    }

    fn plain_term(&mut self, before: Option<Qualifiers>) -> Result<Part, BpfError> {
        if self.not() {
            let (e, q) = self.element(before)?;
            return Ok((Expr::Not(Box::new(e)), q));
        }
        if self.begins_number() || (self.is_sign("(") && self.is_relation()) {
            return Ok((self.relation()?, None));
        }
        if self.is_sign("(") {
            if self.is_value_ahead() {
                return self.value(before);
            }
            self.at += 1;
            let (e, _) = self.expr(before)?;
            if !self.take(")") {
                return Err(self.unexpected("`)`, `and` or `or` is expected"));
            }
            return Ok((e, before));
        }
        if self.take("less") {
            return Ok((Expr::Less(self.number()?), None));
        }
        if self.take("greater") {
            return Ok((Expr::Greater(self.number()?), None));
        }
        let column = self.column();
        if self.take("vlan") {
            return Ok((Expr::Vlan(self.vlan_id(), column), None));
        }
        self.primitive(column)
    }

    /// The number behind `vlan`, which may stand in parentheses.
    fn vlan_id(&mut self) -> Option<u32> {
        let before = self.at;
        let mut open = 0;
        while self.take("(") {
            open += 1;
        }
        if let Ok(id) = self.number()
            && (0..open).all(|_| self.take(")"))
        {
            return Some(id);
        }
        self.at = before;
        None
    }

    /// `[PROTO] [src|dst…] [host|net|port…] VALUE`, a protocol alone, or a word.
    fn primitive(&mut self, column: usize) -> Result<Part, BpfError> {
        let proto = self.proto();
        self.at += usize::from(proto.is_some());
        if self.take("broadcast") {
            return Ok((Expr::Broadcast(proto, column), None));
        }
        if self.take("multicast") {
            return Ok((Expr::Multicast(proto, column), None));
        }
        let direction = self.direction();
        let of = match self.kind() {
            Kind::Word(w) => match w.as_str() {
                "host" => Type::Host,
                "net" => Type::Net,
                "port" => Type::Port,
                "portrange" => Type::PortRange,
                "proto" if direction == Direction::Any => Type::Protocol,
                _ => Type::Any,
            },
            _ => Type::Any,
        };
        self.at += usize::from(of != Type::Any);
        if direction == Direction::Any && of == Type::Any {
            return match proto {
                Some(Proto::Link) => Err(self.unexpected("an address or `proto` is expected")),
                Some(p) => Ok((Expr::Proto(p), None)),
                None => Err(self.unexpected("a condition is expected, such as `tcp` or `port 80`")),
            };
        }
        self.value(Some(Qualifiers { proto, direction, of }))
    }

    fn proto(&self) -> Option<Proto> {
        let Kind::Word(w) = self.kind() else { return None };
        PROTOS.iter().find(|p| p.0 == w).map(|p| p.1)
    }

    fn direction(&mut self) -> Direction {
        let one = |p: &mut Self| {
            if p.take("src") {
                Some(Direction::Source)
            } else if p.take("dst") {
                Some(Direction::Destination)
            } else {
                None
            }
        };
        let Some(first) = one(self) else { return Direction::Any };
        let before = self.at;
        if let Some(join) = self.join()
            && one(self).is_some_and(|second| second != first)
        {
            return if join == Join::And { Direction::Both } else { Direction::Either };
        }
        self.at = before;
        first
    }

    /// Whether what stands here can only be a number to compare.
    fn begins_number(&self) -> bool {
        match self.kind() {
            Kind::Number(_) | Kind::Sign("-") => true,
            Kind::Word(w) if w == "len" || w == "length" || constant(w).is_some() => true,
            _ => self.proto().is_some() && matches!(self.kind_at(self.at + 1), Kind::Sign("[")),
        }
    }

    fn relation(&mut self) -> Result<Expr, BpfError> {
        let a = self.arith(0)?;
        let Some(r) = relation(self.kind()) else {
            return Err(self.unexpected("a comparison is expected: = != < <= > >="));
        };
        self.at += 1;
        let b = self.arith(0)?;
        Ok(Expr::Relation(a, r, b))
    }

    /// Operators of at least this strength.
    fn arith(&mut self, least: u8) -> Result<Arith, BpfError> {
        let depth = self.depth;
        let mut a = self.operand()?;
        while let Some((op, strength)) = operator(self.kind()).filter(|o| o.1 >= least) {
            // What groups to the left is as deep as it is long.
            self.deeper()?;
            self.at += 1;
            let column = self.column();
            let b = self.arith(strength + 1)?;
            let constant = match b {
                Arith::Number(n) => Some(n),
                _ => None,
            };
            match (op, constant) {
                (Op::Div, Some(0)) => return Err(self.error(column, "division by zero")),
                (Op::Left | Op::Right, Some(32..)) => {
                    return Err(self.error(column, "a shift by more than 31 bits"));
                }
                _ => a = Arith::Binary(op, Box::new(a), Box::new(b)),
            }
        }
        self.depth = depth;
        if self.is_sign("%") {
            return Err(self.error(self.column(), "`%` is not supported here"));
        }
        Ok(a)
    }

    fn operand(&mut self) -> Result<Arith, BpfError> {
        self.deeper()?;
        let a = if self.take("-") {
            Arith::Neg(Box::new(self.operand()?))
        } else if self.take("(") {
            let a = self.arith(0)?;
            if !self.take(")") {
                return Err(self.unexpected("`)` is expected"));
            }
            a
        } else if self.take("len") || self.take("length") {
            Arith::Len
        } else if let Some(proto) = self.proto() {
            self.bytes(proto)?
        } else {
            Arith::Number(self.number()?)
        };
        self.depth -= 1;
        Ok(a)
    }

    /// `tcp[13]`, `ip[6:2]`.
    fn bytes(&mut self, proto: Proto) -> Result<Arith, BpfError> {
        let column = self.column();
        self.at += 1;
        if !self.take("[") {
            return Err(self.unexpected("`[` is expected"));
        }
        let at = self.arith(0)?;
        let mut size = 1;
        if self.take(":") {
            let column = self.column();
            let Kind::Number(n) = *self.kind() else {
                return Err(self.unexpected("1, 2 or 4 is expected"));
            };
            if !matches!(n, 1 | 2 | 4) {
                return Err(self.error(column, "1, 2 or 4 bytes can be read at once"));
            }
            self.at += 1;
            size = n;
        }
        if !self.take("]") {
            return Err(self.unexpected("`]` is expected"));
        }
        Ok(Arith::Load(proto, Box::new(at), size, column))
    }
}

fn chain(first: Expr, rest: Vec<(Join, Expr)>) -> Expr {
    match first {
        first if rest.is_empty() => first,
        // Parentheses at the left end say nothing.
        Expr::Chain(first, mut before) => {
            before.extend(rest);
            Expr::Chain(first, before)
        }
        first => Expr::Chain(Box::new(first), rest),
    }
}

fn relation(kind: &Kind) -> Option<Relation> {
    let Kind::Sign(s) = kind else { return None };
    Some(match *s {
        "=" => Relation::Eq,
        "!=" => Relation::Ne,
        "<" => Relation::Lt,
        "<=" => Relation::Le,
        ">" => Relation::Gt,
        ">=" => Relation::Ge,
        _ => return None,
    })
}

fn is_constant(kind: &Kind) -> bool {
    matches!(kind, Kind::Word(w) if constant(w).is_some())
}

/// Operators and how strong they are.
fn operator(kind: &Kind) -> Option<(Op, u8)> {
    let Kind::Sign(s) = kind else { return None };
    Some(match *s {
        "|" => (Op::Or, 1),
        "&" => (Op::And, 2),
        "<<" => (Op::Left, 3),
        ">>" => (Op::Right, 3),
        "+" => (Op::Add, 4),
        "-" => (Op::Sub, 4),
        "*" => (Op::Mul, 5),
        "/" => (Op::Div, 5),
        _ => return None,
    })
}

/// Words of the grammar that are understood.
const WORDS: [&str; 18] = [
    "and",
    "or",
    "not",
    "src",
    "dst",
    "host",
    "net",
    "mask",
    "port",
    "portrange",
    "proto",
    "less",
    "greater",
    "vlan",
    "broadcast",
    "multicast",
    "len",
    "length",
];

/// Whether a word belongs to the grammar; others are names.
fn is_known(word: &str) -> bool {
    WORDS.contains(&word)
        || NOT_HERE.contains(&word)
        || PROTOS.iter().any(|p| p.0 == word)
        || constant(word).is_some()
}
