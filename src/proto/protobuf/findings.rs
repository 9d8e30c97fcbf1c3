//! What can be wrong with a protobuf message.

use crate::finding::FindingSpec;

const S: &str = "Protocol Buffers, Encoding";

macro_rules! findings {
    ($($(#[$doc:meta])* $id:ident = $kind:ident($code:literal, $meaning:literal);)*) => {
        $($(#[$doc])* pub static $id: FindingSpec = FindingSpec::$kind($code, S, $meaning);)*
        /// All of them.
        pub static FINDINGS: &[&FindingSpec] = &[$(&$id),*];
    };
}

findings! {
    /// Cut off.
    TRUNCATED = error("protobuf.truncated", "A field runs beyond the end of its message.");
    /// No field has this number, or no value this type.
    BAD_TAG = error("protobuf.bad-tag", "A tag has a field number that cannot be, or a wire type that does not exist.");
    /// More than ten bytes.
    BAD_VARINT = error("protobuf.bad-varint", "A varint has no end within ten bytes, or more than 64 bits.");
    /// Longer than needed.
    OVERLONG = note("protobuf.overlong-varint", "A varint is longer than its number needs.");
    /// A group without its end, or an end without its group.
    BAD_GROUP = error("protobuf.bad-group", "The start and the end of a group do not match.");
    /// Not UTF-8.
    BAD_UTF8 = error("protobuf.bad-utf8", "A field of type string is not UTF-8.");
    /// Not the schema's type.
    WRONG_TYPE = warning("protobuf.wrong-wire-type", "A field has another wire type than the schema says; it is shown as an unknown field.");
    /// Too deep.
    TOO_DEEP = warning("protobuf.too-deep", "Messages nest deeper than the limit; what is deeper is not read.");
    /// On a stream of its own, and not whole.
    CUT = error("protobuf.cut", "The stream of messages, or its capture, ends within a message.");
    /// On a stream of its own.
    BAD_LENGTH = error("protobuf.bad-length", "The length before a message is beyond 16 MiB: these are no messages, or other ones than was told.");
    /// On a stream of its own.
    GAP = warning("protobuf.gap", "Bytes were not captured; where the next message begins cannot be told.");
    /// Too many findings.
    MORE = note("protobuf.more-findings", "There are more findings in this message than are listed.");
}
