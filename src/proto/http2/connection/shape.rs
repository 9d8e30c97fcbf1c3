//! Which request behind a hole asks for a tunnel, by those before it.
//!
//! CONNECT and `:protocol` stand in no static table (RFC 7541 appendix A), so that behind
//! a hole they are indices of which nobody knows what they stand for. But a client writes
//! its pseudo-header fields in one order, and they come first (RFC 9113 §8.3): a section
//! that has its known ones where an extended CONNECT of the same client had them, and
//! unknown ones where that had `:method` and `:protocol`, is one as well. A method that is
//! not known is neither GET nor POST, which are in the static table; without `:protocol`
//! the others would stand one place before.

use crate::proto::Headers;

/// Pseudo-header fields that are remembered: an extended CONNECT has five (RFC 8441 §4).
const MOST: usize = 8;
/// Bytes of the name of a protocol.
const MAX_PROTOCOL: usize = 64;

/// What the extended CONNECTs of a connection have in common.
#[derive(Clone, Debug, Default)]
pub(super) enum Learnt {
    /// There was none.
    #[default]
    Nothing,
    /// All had this.
    One(Shape),
    /// They ask for several protocols, or in several orders: which one another asks for is not
    /// to be had from them.
    Several,
}

impl Learnt {
    /// One more request.
    pub(super) fn learn(&mut self, headers: &Headers) {
        let Some((protocol, field)) = headers.known(":protocol") else { return };
        // Not from what it was told itself.
        if field.inferred {
            return;
        }
        let shape = Shape::of(headers);
        match (&*self, shape) {
            (Self::Nothing, Some(shape)) => *self = Self::One(shape),
            (Self::One(one), _) if !one.protocol.eq_ignore_ascii_case(protocol) => {
                *self = Self::Several;
            }
            (Self::One(one), Some(shape)) if one.names != shape.names => *self = Self::Several,
            _ => {}
        }
    }

    /// See [`Shape::fill`].
    pub(super) fn fill(&self, headers: &Headers) -> Option<Headers> {
        let Self::One(shape) = self else { return None };
        shape.fill(headers)
    }

    /// Memory held, in bytes.
    pub(super) fn memory(&self) -> usize {
        let Self::One(shape) = self else { return 0 };
        shape.memory()
    }
}

/// The pseudo-header fields of an extended CONNECT, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Shape {
    names: Vec<Box<[u8]>>,
    protocol: Box<[u8]>,
}

impl Shape {
    /// Of a section, where it is one, and all of it is known.
    fn of(headers: &Headers) -> Option<Self> {
        let protocol = headers.get(":protocol").filter(|p| p.len() <= MAX_PROTOCOL)?;
        if headers.get(":method") != Some(b"CONNECT") || headers.iter().any(|(.., f)| !f.known) {
            return None;
        }
        let names: Vec<Box<[u8]>> = headers
            .iter()
            .map_while(|(name, ..)| name.starts_with(b":").then(|| name.into()))
            .take(MOST)
            .collect();
        Some(Self { names, protocol: protocol.into() })
    }

    /// The section with its method and protocol filled in, where it must be one as well.
    fn fill(&self, headers: &Headers) -> Option<Headers> {
        let mut filled = Headers::new();
        let mut names = self.names.iter();
        let (mut known, mut unknown) = (0_usize, 0_usize);
        for (name, value, field) in headers.iter() {
            let name = match (names.next(), field.known) {
                (Some(expected), true) if **expected == *name => {
                    known += 1;
                    name
                }
                (Some(expected), false) => {
                    let value: &[u8] = match &**expected {
                        b":method" => b"CONNECT",
                        b":protocol" => &self.protocol,
                        // Whatever it is.
                        _ => {
                            filled.push(name, value).known = false;
                            continue;
                        }
                    };
                    unknown += 1;
                    filled.push(expected, value).inferred = true;
                    continue;
                }
                (Some(_), true) => return None,
                // A pseudo-header field that the others had not.
                (None, _) if name.starts_with(b":") => return None,
                (None, _) => name,
            };
            let span = field.span;
            let copy = filled.push(name, value);
            (copy.known, copy.span) = (field.known, span);
        }
        // One of them alone may be of anything.
        (names.next().is_none() && known >= 2 && unknown == 2).then_some(filled)
    }

    fn memory(&self) -> usize {
        self.protocol.len() + self.names.iter().map(|n| n.len() + 16).sum::<usize>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A name alone is unknown.
    fn section(fields: &[(&str, &str)]) -> Headers {
        let mut h = Headers::new();
        for (name, value) in fields {
            h.push(name.as_bytes(), value.as_bytes()).known = !name.is_empty();
        }
        h
    }

    const WHOLE: [(&str, &str); 6] = [
        (":method", "CONNECT"),
        (":protocol", "websocket"),
        (":path", "/a"),
        (":scheme", "http"),
        (":authority", "h"),
        ("sec-websocket-version", "13"),
    ];
    const LOST: (&str, &str) = ("", "");

    #[test]
    fn a_section_of_the_same_shape_is_filled_in() {
        let shape = Shape::of(&section(&WHOLE)).unwrap();
        let lost = [LOST, LOST, (":path", "/b"), (":scheme", "http"), LOST, LOST, ("x", "y")];
        let filled = shape.fill(&section(&lost)).unwrap();
        assert_eq!(filled.get(":method"), Some(&b"CONNECT"[..]));
        assert_eq!(filled.get(":protocol"), Some(&b"websocket"[..]));
        assert_eq!(filled.get(":path"), Some(&b"/b"[..]));
        assert_eq!(filled.get("x"), Some(&b"y"[..]));
        assert_eq!(filled.iter().filter(|(.., f)| !f.known).count(), 2);
        let inferred = |h: &Headers| {
            let of_it = h.iter().filter(|(.., f)| f.inferred);
            of_it.map(|(n, ..)| String::from_utf8_lossy(n).into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(inferred(&filled), [":method", ":protocol"]);
        assert!(filled.is_inferred());
        for other in [
            // PUT: its path is one place before.
            &[LOST, (":path", "/b"), (":scheme", "http"), LOST, LOST][..],
            &[LOST, LOST, LOST, LOST, LOST],
            &[(":method", "GET"), LOST, (":path", "/b"), (":scheme", "http"), LOST],
            &[LOST, LOST, (":path", "/b"), (":scheme", "http")],
            &[LOST, LOST, (":path", "/b"), (":scheme", "http"), LOST, (":new", "")],
        ] {
            assert!(shape.fill(&section(other)).is_none(), "{other:?}");
        }
        // Of what is no extended CONNECT, or not known, nothing is learnt.
        assert!(Shape::of(&section(&lost)).is_none());
        assert!(Shape::of(&section(&[(":method", "CONNECT"), (":authority", "h")])).is_none());
    }

    #[test]
    fn of_several_protocols_none_is_inferred() {
        let lost = section(&[LOST, LOST, (":path", "/b"), (":scheme", "http"), LOST]);
        let learnt = |sections: &[Headers]| {
            let mut l = Learnt::default();
            sections.iter().for_each(|s| l.learn(s));
            l.fill(&lost).is_some()
        };
        let whole = section(&WHOLE);
        let mut other = WHOLE;
        other[1].1 = "connect-udp";
        let mut upper = WHOLE;
        upper[1].1 = "WebSocket";
        let mut order = WHOLE;
        order.swap(0, 3);
        // Its protocol alone is known.
        let mut part = section(&[LOST, other[1], LOST]);
        part.push(b":path", b"/c");
        assert!(!learnt(&[]));
        assert!(learnt(std::slice::from_ref(&whole)));
        assert!(learnt(&[whole.clone(), section(&upper), lost.clone()]));
        for other in [section(&other), section(&order), part] {
            assert!(!learnt(&[whole.clone(), other.clone()]), "{other:?}");
            assert!(!learnt(&[whole.clone(), other, whole.clone()]));
        }
        // What was filled in teaches nothing.
        let mut l = Learnt::default();
        l.learn(&whole);
        let mut filled = l.fill(&lost).unwrap();
        filled.push(b"x", b"y");
        let mut fresh = Learnt::default();
        fresh.learn(&filled);
        assert!(matches!(fresh, Learnt::Nothing));
    }
}
