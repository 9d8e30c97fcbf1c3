//! Formats of messages: decoders of whole payloads, each a unit of its own.
//!
//! A decoder takes what it is sure of: what the subprotocol or the media type
//! promises (then what is wrong with it is a finding), or what its content leaves
//! no doubt about (then it is only shown). `docs/ADDING-A-PAYLOAD-DECODER.md`
//! adds one. Decoders do not import each other; what they share is in `common`,
//! and in `names` the fields of the notations that several are written in.

/// Static field tables: `ID = "name", "Label", BITS Kind(names), "Meaning.";`
macro_rules! fields {
    ($source:expr, $how:tt; $($(#[$doc:meta])* $id:ident = $name:literal, $label:literal, $bits:literal $kind:ident $(($names:path))?, $meaning:literal;)*) => {
        $($(#[$doc])* pub static $id: $crate::field::FieldSpec = how!($how,
            $crate::field::FieldSpec::new($name, $label, $bits, $crate::field::Kind::$kind, $source, $meaning)
                $(.named($names))?);)*
        /// All of them.
        pub static FIELDS: &[&$crate::field::FieldSpec] = &[$(&$id),*];
    };
}

/// Whether the fields of a table may come several times in one message.
macro_rules! how {
    ([], $spec:expr) => {
        $spec
    };
    ([repeated], $spec:expr) => {
        $spec.repeated()
    };
}

/// Static finding tables: `ID = severity("code", "section", "Meaning.");`
macro_rules! findings {
    ($($(#[$doc:meta])* $id:ident = $kind:ident($code:literal, $source:literal, $meaning:literal);)*) => {
        $($(#[$doc])* pub static $id: $crate::finding::FindingSpec =
            $crate::finding::FindingSpec::$kind($code, $source, $meaning);)*
        /// All of them.
        pub static FINDINGS: &[&$crate::finding::FindingSpec] = &[$(&$id),*];
    };
}

pub mod common;
pub mod graphql;
pub mod json;
pub mod jsonrpc;
pub mod mqtt;
pub mod msgpack;
pub mod names;
mod rules;
pub mod signalr;
pub mod socketio;
pub mod stomp;
pub mod wamp;

#[cfg(test)]
mod tests;

pub use rules::{Rule, Ruled};

use crate::field::FieldSpec;
use crate::finding::FindingSpec;
use crate::proto::{PayloadDecoder, Protocol};

/// The registry's line of a format of messages.
#[must_use]
pub const fn format(
    name: &'static str,
    label: &'static str,
    fields: &'static [&'static [&'static FieldSpec]],
    findings: &'static [&'static FindingSpec],
) -> Protocol {
    Protocol {
        name,
        label,
        fields,
        findings,
        probe: None,
        claims: None,
        glimpse: None,
        datagram: None,
        tokens: &[],
        start: None,
    }
}

/// All of them, those that need the least guessing first.
#[must_use]
pub fn decoders() -> Vec<Box<dyn PayloadDecoder>> {
    vec![
        Box::new(mqtt::Decoder),
        Box::new(stomp::Decoder),
        Box::new(wamp::Decoder),
        Box::new(signalr::Decoder),
        Box::new(socketio::Decoder),
        Box::new(graphql::Decoder),
        Box::new(jsonrpc::Decoder),
        Box::new(json::Decoder),
    ]
}
