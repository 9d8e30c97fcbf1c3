//! Whether an event passes.

use std::cmp::Ordering;
use std::net::IpAddr;

use super::literal::Literal;
use super::names::Name;
use super::parse::{Expr, Op};
use super::value::{Scene, Val};

/// Says of which names all values are known; `None` for those that may have more.
pub(super) type Sure<'s> = dyn Fn(&Name) -> bool + 's;

/// Evaluates in three values: `None` where it depends on what is not known.
pub(super) fn check(expr: &Expr, scene: &Scene<'_>, sure: &Sure<'_>) -> Option<bool> {
    match expr {
        Expr::And(all) => every(all.iter().map(|e| check(e, scene, sure))),
        Expr::Or(all) => every(all.iter().map(|e| check(e, scene, sure).map(|b| !b))).map(|b| !b),
        Expr::Not(e) => check(e, scene, sure).map(|b| !b),
        Expr::Has(name @ Name::Protocol(_)) => {
            let found = scene.values(name, &mut |_| true);
            (found || sure(name)).then_some(found)
        }
        Expr::Has(name) => sure(name).then(|| scene.values(name, &mut |_| true)),
        Expr::Compare(name, op, literal) => sure(name).then(|| compare(scene, name, *op, literal)),
        Expr::In(name, set) => sure(name).then(|| {
            scene.values(name, &mut |v| {
                set.iter().any(|(from, to)| match to {
                    None => holds(v, Op::Eq, from),
                    Some(to) => holds(v, Op::Ge, from) && holds(v, Op::Le, to),
                })
            })
        }),
    }
}

/// All are true; one that is false decides, whatever is not known.
fn every(all: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let mut result = Some(true);
    for one in all {
        match one {
            Some(false) => return Some(false),
            None => result = None,
            Some(true) => {}
        }
    }
    result
}

fn compare(scene: &Scene<'_>, name: &Name, op: Op, literal: &Literal) -> bool {
    if op == Op::Ne {
        // There is a value, and none is equal.
        let mut any = false;
        let equal = scene.values(name, &mut |v| {
            any = true;
            holds(v, Op::Eq, literal)
        });
        return any && !equal;
    }
    scene.values(name, &mut |v| holds(v, op, literal))
}

fn holds(v: Val<'_>, op: Op, literal: &Literal) -> bool {
    let bytes = |b: &[u8], part: &[u8]| match op {
        Op::Contains => memchr::memmem::find(b, part).is_some(),
        _ => ordered(op, Some(b.cmp(part))),
    };
    match (v, literal) {
        (Val::Text(t), Literal::Text(l) | Literal::Bytes(l)) => bytes(t.as_bytes(), l),
        (Val::Bytes(b), Literal::Text(l) | Literal::Bytes(l)) => bytes(b, l),
        (Val::Bool(b), Literal::Bool(l)) => ordered(op, Some(b.cmp(l))),
        (Val::Whole(n, spec), Literal::Named(name, l)) => match op {
            // Several numbers may have one name: `reserved`.
            Op::Eq => {
                let value = u64::try_from(n).ok();
                n == *l || value.zip(spec).and_then(|(v, s)| s.value_name(v)) == Some(name)
            }
            _ => ordered(op, Some(n.cmp(l))),
        },
        (Val::Whole(n, _), Literal::Whole(l)) => ordered(op, Some(n.cmp(l))),
        (Val::Float(n), Literal::Float(l)) => ordered(op, n.partial_cmp(l)),
        (Val::Float(n), Literal::Span(l)) => {
            ordered(op, (n * 1e9).round().partial_cmp(&(*l as f64)))
        }
        (Val::Span(n), Literal::Span(l)) => ordered(op, Some(n.cmp(l))),
        (Val::Seconds(n), Literal::Span(l)) => ordered(op, Some(i128::from(n).cmp(l))),
        (Val::Time(t), Literal::Time(l)) => ordered(op, Some(t.0.cmp(l))),
        (Val::Severity(s), Literal::Severity(l)) => ordered(op, Some(s.cmp(l))),
        (Val::Ip(ip), Literal::Net(net, bits)) => in_net(op, ip, *net, *bits),
        (Val::End(end), Literal::Net(net, bits)) => in_net(op, end.ip(), *net, *bits),
        (Val::End(end), Literal::End(l)) => ordered(op, Some(end.cmp(l))),
        _ => false,
    }
}

fn ordered(op: Op, found: Option<Ordering>) -> bool {
    let Some(found) = found else { return false };
    match op {
        Op::Eq => found.is_eq(),
        Op::Ne => found.is_ne(),
        Op::Lt => found.is_lt(),
        Op::Le => found.is_le(),
        Op::Gt => found.is_gt(),
        Op::Ge => found.is_ge(),
        Op::Contains => false,
    }
}

fn in_net(op: Op, ip: IpAddr, net: IpAddr, bits: u8) -> bool {
    let (ip, net, width) = match (ip, net) {
        (IpAddr::V4(a), IpAddr::V4(b)) => (u128::from(u32::from(a)), u128::from(u32::from(b)), 32),
        (IpAddr::V6(a), IpAddr::V6(b)) => (u128::from(a), u128::from(b), 128),
        _ => return false,
    };
    let shift = u32::from(u8::saturating_sub(width, bits));
    let cut = |v: u128| v.checked_shr(shift).unwrap_or(0);
    ordered(op, Some(cut(ip).cmp(&cut(net))))
}
