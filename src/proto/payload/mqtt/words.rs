//! Numbers of MQTT in words.

/// Types of packets (MQTT 5.0 §2.1.2).
pub fn packet(v: u64) -> Option<&'static str> {
    const NAMES: [&str; 15] = [
        "CONNECT",
        "CONNACK",
        "PUBLISH",
        "PUBACK",
        "PUBREC",
        "PUBREL",
        "PUBCOMP",
        "SUBSCRIBE",
        "SUBACK",
        "UNSUBSCRIBE",
        "UNSUBACK",
        "PINGREQ",
        "PINGRESP",
        "DISCONNECT",
        "AUTH",
    ];
    NAMES.get(usize::try_from(v).ok()?.checked_sub(1)?).copied()
}

/// Quality of service (§4.3).
pub fn qos(v: u64) -> Option<&'static str> {
    ["at most once", "at least once", "exactly once"].get(usize::try_from(v).ok()?).copied()
}

/// What a SUBACK up to 3.1.1 grants (3.1.1 §3.9.3).
pub fn granted(v: u64) -> Option<&'static str> {
    if v == 0x80 { Some("failure") } else { qos(v) }
}

/// Levels of the protocol (§3.1.2.2).
pub fn version(v: u64) -> Option<&'static str> {
    Some(match v {
        3 => "MQTT 3.1",
        4 => "MQTT 3.1.1",
        5 => "MQTT 5.0",
        _ => return None,
    })
}

/// Return codes of CONNACK (3.1.1 §3.2.2.3).
pub fn return_code(v: u64) -> Option<&'static str> {
    const NAMES: [&str; 6] = [
        "accepted",
        "unacceptable protocol version",
        "identifier rejected",
        "server unavailable",
        "bad user name or password",
        "not authorized",
    ];
    NAMES.get(usize::try_from(v).ok()?).copied()
}

/// Reason codes (§2.4).
pub fn reason(v: u64) -> Option<&'static str> {
    Some(match v {
        0x00 => "success",
        0x01 => "granted QoS 1",
        0x02 => "granted QoS 2",
        0x04 => "disconnect with will message",
        0x10 => "no matching subscribers",
        0x11 => "no subscription existed",
        0x18 => "continue authentication",
        0x19 => "re-authenticate",
        0x80 => "unspecified error",
        0x81 => "malformed packet",
        0x82 => "protocol error",
        0x83 => "implementation specific error",
        0x84 => "unsupported protocol version",
        0x85 => "client identifier not valid",
        0x86 => "bad user name or password",
        0x87 => "not authorized",
        0x88 => "server unavailable",
        0x89 => "server busy",
        0x8a => "banned",
        0x8b => "server shutting down",
        0x8c => "bad authentication method",
        0x8d => "keep alive timeout",
        0x8e => "session taken over",
        0x8f => "topic filter invalid",
        0x90 => "topic name invalid",
        0x91 => "packet identifier in use",
        0x92 => "packet identifier not found",
        0x93 => "receive maximum exceeded",
        0x94 => "topic alias invalid",
        0x95 => "packet too large",
        0x96 => "message rate too high",
        0x97 => "quota exceeded",
        0x98 => "administrative action",
        0x99 => "payload format invalid",
        0x9a => "retain not supported",
        0x9b => "QoS not supported",
        0x9c => "use another server",
        0x9d => "server moved",
        0x9e => "shared subscriptions not supported",
        0x9f => "connection rate exceeded",
        0xa0 => "maximum connect time",
        0xa1 => "subscription identifiers not supported",
        0xa2 => "wildcard subscriptions not supported",
        _ => return None,
    })
}

/// The form of a property's value (§2.2.2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// A number of so many bytes.
    Number(usize),
    /// A variable byte integer.
    Varint,
    /// Text.
    Text,
    /// Bytes.
    Bytes,
    /// A pair of texts.
    Pair,
}

/// Name and form of a property.
pub fn property(v: u64) -> Option<(&'static str, Form)> {
    use Form::*;
    Some(match v {
        0x01 => ("Payload Format Indicator", Number(1)),
        0x02 => ("Message Expiry Interval", Number(4)),
        0x03 => ("Content Type", Text),
        0x08 => ("Response Topic", Text),
        0x09 => ("Correlation Data", Bytes),
        0x0b => ("Subscription Identifier", Varint),
        0x11 => ("Session Expiry Interval", Number(4)),
        0x12 => ("Assigned Client Identifier", Text),
        0x13 => ("Server Keep Alive", Number(2)),
        0x15 => ("Authentication Method", Text),
        0x16 => ("Authentication Data", Bytes),
        0x17 => ("Request Problem Information", Number(1)),
        0x18 => ("Will Delay Interval", Number(4)),
        0x19 => ("Request Response Information", Number(1)),
        0x1a => ("Response Information", Text),
        0x1c => ("Server Reference", Text),
        0x1f => ("Reason String", Text),
        0x21 => ("Receive Maximum", Number(2)),
        0x22 => ("Topic Alias Maximum", Number(2)),
        0x23 => ("Topic Alias", Number(2)),
        0x24 => ("Maximum QoS", Number(1)),
        0x25 => ("Retain Available", Number(1)),
        0x26 => ("User Property", Pair),
        0x27 => ("Maximum Packet Size", Number(4)),
        0x28 => ("Wildcard Subscription Available", Number(1)),
        0x29 => ("Subscription Identifier Available", Number(1)),
        0x2a => ("Shared Subscription Available", Number(1)),
        _ => return None,
    })
}

/// Name of a property.
pub fn property_name(v: u64) -> Option<&'static str> {
    property(v).map(|p| p.0)
}
