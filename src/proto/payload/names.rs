//! The fields and findings of the two notations, JSON and MessagePack, in which
//! several formats of messages are written.

use super::common::{FaultKind, Names};
use crate::finding::FindingSpec;

/// The fields of JSON.
pub mod json_fields {
    fields! { "RFC 8259", [repeated];
        /// A member.
        MEMBER = "json.member", "Member", 0 Group, "A member of an object: its key and its value.";
        /// Its key.
        KEY = "json.key", "Key", 0 Text, "The key of a member, without quotes and escapes.";
        /// Where a value stands.
        PATH = "json.path_with_value", "Path", 0 Text, "Where a value stands in the whole, and the value: `/params/0:newHeads`.";
        /// A string.
        TEXT = "json.value.string", "String", 0 Text, "A string, without quotes and escapes.";
        /// A number.
        NUMBER = "json.value.number", "Number", 0 Text, "A number as it was written: no digit is lost.";
        /// true.
        TRUE = "json.value.true", "True", 0 Flag, "The value true.";
        /// false.
        FALSE = "json.value.false", "False", 0 Flag, "The value false.";
        /// null.
        NULL = "json.value.null", "Null", 0 Flag, "The value null.";
        /// An array.
        ARRAY = "json.array", "Array", 0 Group, "Values in order.";
        /// An object.
        OBJECT = "json.object", "Object", 0 Group, "Members: keys with values.";
        /// Not read.
        REST = "json.unread", "Not read", 0 Text, "What stands from the place on at which it is no JSON any more.";
    }
}

/// The findings of JSON.
pub mod json_findings {
    findings! {
        /// No JSON.
        SYNTAX = error("json.syntax", "RFC 8259 §2", "What is to be JSON is none from here on; what stands before it is shown.");
        /// Twice the same key.
        DUPLICATE = warning("json.duplicate-key", "RFC 8259 §4", "A key comes twice in one object; readers differ in which of the values they take.");
        /// Not UTF-8.
        UTF8 = error("json.bad-utf8", "RFC 8259 §8.1", "A string is not UTF-8.");
        /// Half a pair.
        SURROGATE = warning("json.lone-surrogate", "RFC 8259 §8.2", "An escape is half of a surrogate pair, which is no character; readers differ in what they make of it.");
        /// Digits are lost.
        LARGE = note("json.large-number", "RFC 8259 §6", "A whole number is beyond 2^53: a reader that has doubles alone loses digits of it.");
        /// Too deep or too many.
        LIMIT = note("json.limit", "framescope", "It is deeper, or has more values, than is shown.");
    }
}

/// The fields of MessagePack.
pub mod msgpack_fields {
    fields! { "MessagePack specification", [repeated];
        /// A member.
        MEMBER = "msgpack.member", "Member", 0 Group, "A member of a map: its key and its value.";
        /// Its key.
        KEY = "msgpack.key", "Key", 0 Text, "The key of a member, as text.";
        /// Where a value stands.
        PATH = "msgpack.path_with_value", "Path", 0 Text, "Where a value stands in the whole, and the value: `/3/0:hello`.";
        /// A string.
        TEXT = "msgpack.string", "String", 0 Text, "A string with its head.";
        /// A number.
        NUMBER = "msgpack.number", "Number", 0 Text, "An integer or a floating-point number, in decimal.";
        /// true or false.
        FLAG = "msgpack.boolean", "Boolean", 0 Flag, "True or false.";
        /// nil.
        NULL = "msgpack.nil", "Nil", 0 Flag, "The value nil.";
        /// Bytes.
        BYTES = "msgpack.bin", "Bytes", 0 Bytes, "Bytes of type bin, or of an extension behind its type.";
        /// An array.
        ARRAY = "msgpack.array", "Array", 0 Group, "Values in order.";
        /// A map.
        MAP = "msgpack.map", "Map", 0 Group, "Members: keys with values.";
        /// Not read.
        REST = "msgpack.unread", "Not read", 0 Bytes, "What stands from the place on at which it is no MessagePack any more.";
    }
}

/// The findings of MessagePack.
pub mod msgpack_findings {
    findings! {
        /// No MessagePack.
        SYNTAX = error("msgpack.syntax", "MessagePack specification", "What is to be MessagePack is none from here on, or is cut off; what stands before it is shown.");
        /// Twice the same key.
        DUPLICATE = warning("msgpack.duplicate-key", "MessagePack specification", "A key comes twice in one map.");
        /// Not UTF-8.
        UTF8 = warning("msgpack.bad-utf8", "MessagePack specification", "A string is not UTF-8.");
        /// Too deep or too many.
        LIMIT = note("msgpack.limit", "framescope", "It is deeper, or has more values, than is shown.");
    }
}

/// How JSON is told.
pub static JSON: Names = Names {
    member: &json_fields::MEMBER,
    key: &json_fields::KEY,
    path: &json_fields::PATH,
    text: &json_fields::TEXT,
    number: &json_fields::NUMBER,
    yes: &json_fields::TRUE,
    no: &json_fields::FALSE,
    null: &json_fields::NULL,
    // JSON has no bytes.
    bytes: &json_fields::TEXT,
    list: &json_fields::ARRAY,
    map: &json_fields::OBJECT,
    rest: &json_fields::REST,
    fault: json_fault,
};

/// How MessagePack is told.
pub static MSGPACK: Names = Names {
    member: &msgpack_fields::MEMBER,
    key: &msgpack_fields::KEY,
    path: &msgpack_fields::PATH,
    text: &msgpack_fields::TEXT,
    number: &msgpack_fields::NUMBER,
    yes: &msgpack_fields::FLAG,
    no: &msgpack_fields::FLAG,
    null: &msgpack_fields::NULL,
    bytes: &msgpack_fields::BYTES,
    list: &msgpack_fields::ARRAY,
    map: &msgpack_fields::MAP,
    rest: &msgpack_fields::REST,
    fault: msgpack_fault,
};

fn json_fault(kind: FaultKind) -> &'static FindingSpec {
    match kind {
        FaultKind::Syntax => &json_findings::SYNTAX,
        FaultKind::Duplicate => &json_findings::DUPLICATE,
        FaultKind::Utf8 => &json_findings::UTF8,
        FaultKind::Surrogate => &json_findings::SURROGATE,
        FaultKind::Large => &json_findings::LARGE,
        FaultKind::Limit => &json_findings::LIMIT,
    }
}

fn msgpack_fault(kind: FaultKind) -> &'static FindingSpec {
    match kind {
        FaultKind::Duplicate => &msgpack_findings::DUPLICATE,
        FaultKind::Utf8 | FaultKind::Surrogate => &msgpack_findings::UTF8,
        FaultKind::Limit => &msgpack_findings::LIMIT,
        _ => &msgpack_findings::SYNTAX,
    }
}
