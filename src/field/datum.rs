//! A value of no fixed shape: what a payload decoder made of a payload.

/// JSON's shapes, with integers and bytes kept apart. Maps keep their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Datum {
    /// Nothing.
    Null,
    /// A boolean.
    Bool(bool),
    /// An unsigned integer.
    U64(u64),
    /// A signed integer.
    I64(i64),
    /// A floating-point number; infinities and NaN print as strings.
    F64(f64),
    /// Text.
    Text(String),
    /// Bytes; base64 in JSON.
    Bytes(Vec<u8>),
    /// A list.
    List(Vec<Datum>),
    /// Names and values, in order.
    Map(Vec<(String, Datum)>),
}

impl Datum {
    /// The value under `name`, in a map that has it.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Self> {
        match self {
            Self::Map(m) => m.iter().find(|(k, _)| k == name).map(|(_, v)| v),
            _ => None,
        }
    }
}
