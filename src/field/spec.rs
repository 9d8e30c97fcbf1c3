//! The static description of a field.

/// What sort of value a field has: how JSON and people see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One bit; a JSON boolean.
    Flag,
    /// A JSON number.
    Unsigned,
    /// A JSON number.
    Signed,
    /// A JSON number.
    Float,
    /// A number with names for some values; a JSON number.
    Enumerated,
    /// A JSON string in lower-case hex.
    Bytes,
    /// A JSON string.
    Text,
    /// Nanoseconds; a JSON integer.
    Duration,
    /// An IP or hardware address as people write it; a JSON string.
    Address,
    /// Has children and no value of its own; not in JSON.
    Group,
    /// The payload: shown as `payload`, not among the `fields`.
    Data,
}

/// What a field is called and what it means. Tables of these are `static`.
#[derive(Debug)]
pub struct FieldSpec {
    /// Wireshark's name where Wireshark has the field: `websocket.opcode`.
    pub name: &'static str,
    /// For people: `Opcode`.
    pub label: &'static str,
    /// Width in bits where it is fixed, else 0.
    pub bits: u16,
    /// What sort of value it has.
    pub kind: Kind,
    /// The section of its source: `RFC 6455 §5.2`; `framescope` where it is worked
    /// out here.
    pub section: &'static str,
    /// One sentence.
    pub meaning: &'static str,
    /// The names of its values, where it has some.
    pub names: Option<fn(u64) -> Option<&'static str>>,
    /// May come several times in one event: always an array in JSON.
    pub repeated: bool,
    /// A header: the wire names each (`Node::name`), and JSON has `name: value`.
    pub header: bool,
}

impl FieldSpec {
    /// A field of `bits` bits (0: of no fixed width).
    #[must_use]
    pub const fn new(
        name: &'static str,
        label: &'static str,
        bits: u16,
        kind: Kind,
        section: &'static str,
        meaning: &'static str,
    ) -> Self {
        Self {
            name,
            label,
            bits,
            kind,
            section,
            meaning,
            names: None,
            repeated: false,
            header: false,
        }
    }

    /// The same with names for its values.
    #[must_use]
    pub const fn named(self, names: fn(u64) -> Option<&'static str>) -> Self {
        Self { names: Some(names), ..self }
    }

    /// The same for a field that may come several times in one event.
    #[must_use]
    pub const fn repeated(self) -> Self {
        Self { repeated: true, ..self }
    }

    /// The same for headers that have no field of their own: repeated, each with
    /// its name from the wire.
    #[must_use]
    pub const fn header(self) -> Self {
        Self { repeated: true, header: true, ..self }
    }

    /// The unit of a plain number: the meaning begins with it.
    #[must_use]
    pub fn unit(&self) -> Option<&'static str> {
        let number = matches!(self.kind, Kind::Unsigned | Kind::Signed | Kind::Float);
        match self.meaning.split(' ').next() {
            Some("Seconds") if number => Some("s"),
            Some("Milliseconds") if number => Some("ms"),
            _ => None,
        }
    }

    /// The name of a value, where it has one.
    #[must_use]
    pub fn value_name(&self, value: u64) -> Option<&'static str> {
        self.names.and_then(|f| f(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_has_the_unit_that_its_meaning_begins_with() {
        let of = |kind, meaning| FieldSpec::new("a.b", "B", 0, kind, "-", meaning).unit();
        assert_eq!(of(Kind::Float, "Seconds from the end of the request."), Some("s"));
        assert_eq!(of(Kind::Unsigned, "Milliseconds that a client waits."), Some("ms"));
        assert_eq!(of(Kind::Unsigned, "How many seconds."), None);
        assert_eq!(of(Kind::Text, "Seconds in words."), None);
    }
}
