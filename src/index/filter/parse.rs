//! From text to a typed tree and back.
//!
//! ```text
//! or      = and { ("or" | "||") and }
//! and     = not { ("and" | "&&") not }
//! not     = ("not" | "!") not | "(" or ")" | test
//! test    = NAME [ sign value | "contains" value | ["not"] "in" "{" range { "," range } "}" ]
//! range   = value [ ".." value ]
//! ```

use std::fmt;
use std::ops::Range;

use super::Mistake;
use super::lex::{Placed, Token, tokens};
use super::literal::Literal;
use super::names::{Ask, Name, Type};

/// Brackets and `not`s within each other: more than anybody writes.
const MAX_DEPTH: usize = 64;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Op {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    Contains,
}

impl Op {
    const ALL: [(&'static str, Self); 7] = [
        ("==", Self::Eq),
        ("!=", Self::Ne),
        ("<", Self::Lt),
        ("<=", Self::Le),
        (">", Self::Gt),
        (">=", Self::Ge),
        ("contains", Self::Contains),
    ];

    fn of(sign: &str) -> Option<Self> {
        Self::ALL.iter().find(|(s, _)| *s == sign).map(|(_, op)| *op)
    }

    fn sign(self) -> &'static str {
        Self::ALL.iter().find(|(_, op)| *op == self).map_or("", |(s, _)| s)
    }
}

/// A filter as a tree.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Expr {
    Or(Vec<Expr>),
    And(Vec<Expr>),
    Not(Box<Expr>),
    Has(Name),
    Compare(Name, Op, Literal),
    In(Name, Vec<(Literal, Option<Literal>)>),
}

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<Placed>,
    at: usize,
    depth: usize,
}

pub(super) fn parse(text: &str) -> Result<Expr, Mistake> {
    let mut p = Parser { text, tokens: tokens(text)?, at: 0, depth: 0 };
    let expr = p.or()?;
    match p.peek() {
        None => Ok(expr),
        Some(Token::Sign(")")) => Err(p.wrong("there is no `(` to this `)`")),
        Some(Token::Sign(s)) if Op::of(s).is_some() => {
            Err(p.wrong("only two things are compared; join comparisons with `and`"))
        }
        Some(_) => Err(p.wrong("`and`, `or` or the end is expected here")),
    }
}

impl Parser<'_> {
    fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at).map(|(t, _)| t)
    }

    /// The place of the next token.
    fn place(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.text.len()..self.text.len(), |(_, r)| r.clone())
    }

    fn wrong(&self, what: impl Into<String>) -> Mistake {
        Mistake::new(self.place(), what)
    }

    fn take(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Some(Token::Sign(s)) if *s == sign);
        self.at += usize::from(found);
        found
    }

    fn or(&mut self) -> Result<Expr, Mistake> {
        let mut all = vec![self.and()?];
        while self.take("||") {
            all.push(self.and()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::Or(all) })
    }

    fn and(&mut self) -> Result<Expr, Mistake> {
        let mut all = vec![self.not()?];
        while self.take("&&") {
            all.push(self.not()?);
        }
        Ok(if all.len() == 1 { all.remove(0) } else { Expr::And(all) })
    }

    fn not(&mut self) -> Result<Expr, Mistake> {
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(self.wrong("too many things stand within each other"));
        }
        let expr = if self.take("!") {
            Expr::Not(Box::new(self.not()?))
        } else if let open = self.place()
            && self.take("(")
        {
            let inner = self.or()?;
            if !self.take(")") {
                let at = if self.peek().is_none() { open } else { self.place() };
                return Err(Mistake::new(at, "the `)` to this is missing"));
            }
            inner
        } else {
            self.test()?
        };
        self.depth -= 1;
        Ok(expr)
    }

    fn test(&mut self) -> Result<Expr, Mistake> {
        let at = self.place();
        let name = match self.peek() {
            Some(Token::Word(w)) => Name::find(w, at.clone())?,
            Some(Token::Text(_)) => {
                return Err(self.wrong("a field stands on the left: `payload contains \"…\"`"));
            }
            Some(Token::Sign(s)) => {
                return Err(self.wrong(format!("a field is expected here, not `{s}`")));
            }
            None => return Err(self.wrong("a field is expected here, such as `grpc.status_code`")),
        };
        if let Name::Common(c) = &name
            && c.ask == Ask::TimeDelta
        {
            return Err(Mistake::new(
                at,
                "`time_delta` depends on what is shown; it is for columns (-e)",
            ));
        }
        self.at += 1;
        let next = match self.peek() {
            Some(Token::Sign(s)) => *s,
            _ => return Ok(Expr::Has(name)),
        };
        if next == "matches" {
            return Err(self.wrong("there are no regular expressions yet; use `contains`"));
        }
        let negated =
            next == "!" && matches!(self.tokens.get(self.at + 1), Some((Token::Sign("in"), _)));
        self.at += usize::from(negated);
        if self.take("in") {
            let set = self.set(&name)?;
            let inside = Expr::In(name, set);
            return Ok(if negated { Expr::Not(Box::new(inside)) } else { inside });
        }
        let Some(op) = Op::of(next) else { return Ok(Expr::Has(name)) };
        self.fits(&name, op)?;
        self.at += 1;
        let literal = self.literal(&name, op)?;
        Ok(Expr::Compare(name, op, literal))
    }

    /// Whether the operator can be used on it.
    fn fits(&self, name: &Name, op: Op) -> Result<(), Mistake> {
        let kind = name.kind();
        let ordered = !matches!(op, Op::Eq | Op::Ne | Op::Contains);
        let inside = matches!(kind, Type::Text | Type::Bytes);
        let text = name.text();
        if matches!(kind, Type::Group) {
            return Err(self.wrong(format!(
                "`{text}` has no value to compare; ask for it by its name alone, or for a field of it"
            )));
        }
        if op == Op::Contains && !inside {
            let what = kind.expects();
            return Err(
                self.wrong(format!("`contains` looks into text and bytes; `{text}` is {what}"))
            );
        }
        if ordered && matches!(kind, Type::Flag | Type::Choice(_)) {
            return Err(self.wrong(format!("`{text}` has no order; use `==` or `!=`")));
        }
        Ok(())
    }

    fn literal(&mut self, name: &Name, op: Op) -> Result<Literal, Mistake> {
        let at = self.place();
        let Some((token, _)) = self.tokens.get(self.at) else {
            let what = name.kind().expects();
            return Err(
                self.wrong(format!("a value for `{}` is expected here: {what}", name.text()))
            );
        };
        let literal = if op == Op::Contains {
            Literal::part(name, token, at.clone())?
        } else {
            Literal::read(name, token, at.clone())?
        };
        if let Literal::Net(ip, bits) = literal
            && !matches!(op, Op::Eq | Op::Ne)
            && bits < if ip.is_ipv4() { 32 } else { 128 }
        {
            return Err(self.wrong("a network has no order; use `==` or `!=`"));
        }
        self.at += 1;
        Ok(literal)
    }

    fn set(&mut self, name: &Name) -> Result<Vec<(Literal, Option<Literal>)>, Mistake> {
        if matches!(name.kind(), Type::Group) {
            self.at -= 1;
            self.fits(name, Op::Eq)?;
        }
        if !self.take("{") {
            return Err(self.wrong("a set is expected here, such as {1, 2, 5..7}"));
        }
        let mut all = Vec::new();
        loop {
            let from = self.literal(name, Op::Eq)?;
            let to = if self.take("..") {
                self.fits(name, Op::Le)?;
                Some(self.literal(name, Op::Le)?)
            } else {
                None
            };
            all.push((from, to));
            if self.take("}") {
                return Ok(all);
            }
            if !self.take(",") {
                return Err(self.wrong("`,` or `}` is expected here"));
            }
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let joined = |f: &mut fmt::Formatter<'_>, all: &[Self], word: &str| {
            all.iter().enumerate().try_for_each(|(i, e)| {
                let loose = match e {
                    Self::Or(_) => true,
                    Self::And(_) => word == "and",
                    _ => false,
                };
                let between = if i > 0 { format!(" {word} ") } else { String::new() };
                if loose { write!(f, "{between}({e})") } else { write!(f, "{between}{e}") }
            })
        };
        match self {
            Self::Or(all) => joined(f, all, "or"),
            Self::And(all) => joined(f, all, "and"),
            Self::Not(e) if matches!(**e, Self::Or(_) | Self::And(_)) => write!(f, "not ({e})"),
            Self::Not(e) => write!(f, "not {e}"),
            Self::Has(name) => f.write_str(&name.text()),
            Self::Compare(name, op, v) => write!(f, "{} {} {v}", name.text(), op.sign()),
            Self::In(name, set) => {
                write!(f, "{} in {{", name.text())?;
                for (i, (from, to)) in set.iter().enumerate() {
                    write!(f, "{}{from}", if i > 0 { ", " } else { "" })?;
                    if let Some(to) = to {
                        write!(f, "..{to}")?;
                    }
                }
                f.write_str("}")
            }
        }
    }
}
