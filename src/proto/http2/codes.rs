//! The names of numbers.

/// Frame types (RFC 9113 §6, RFC 7838 §4, RFC 8336 §2, RFC 9218 §7.1).
pub(crate) mod frame {
    pub(crate) const DATA: u8 = 0;
    pub(crate) const HEADERS: u8 = 1;
    pub(crate) const PRIORITY: u8 = 2;
    pub(crate) const RST_STREAM: u8 = 3;
    pub(crate) const SETTINGS: u8 = 4;
    pub(crate) const PUSH_PROMISE: u8 = 5;
    pub(crate) const PING: u8 = 6;
    pub(crate) const GOAWAY: u8 = 7;
    pub(crate) const WINDOW_UPDATE: u8 = 8;
    pub(crate) const CONTINUATION: u8 = 9;
    pub(crate) const ALTSVC: u8 = 10;
    pub(crate) const ORIGIN: u8 = 12;
    pub(crate) const PRIORITY_UPDATE: u8 = 16;
}

/// Settings that the machine heeds (RFC 9113 §6.5.2).
pub(crate) mod settings {
    pub(crate) const HEADER_TABLE_SIZE: u16 = 1;
    pub(crate) const ENABLE_PUSH: u16 = 2;
    pub(crate) const INITIAL_WINDOW_SIZE: u16 = 4;
    pub(crate) const MAX_HEADER_LIST_SIZE: u16 = 6;
    pub(crate) const MAX_FRAME_SIZE: u16 = 5;
    pub(crate) const ENABLE_CONNECT_PROTOCOL: u16 = 8;
    pub(crate) const NO_RFC7540_PRIORITIES: u16 = 9;
    /// GRPC_ALLOW_TRUE_BINARY_METADATA of gRPC's proposal G1.
    pub(crate) const GRPC_TRUE_BINARY: u16 = 0xfe03;
}

/// The name of a frame type, as the RFCs write it.
#[must_use]
pub fn frame_type(value: u64) -> Option<&'static str> {
    Some(match value {
        0 => "DATA",
        1 => "HEADERS",
        2 => "PRIORITY",
        3 => "RST_STREAM",
        4 => "SETTINGS",
        5 => "PUSH_PROMISE",
        6 => "PING",
        7 => "GOAWAY",
        8 => "WINDOW_UPDATE",
        9 => "CONTINUATION",
        10 => "ALTSVC",
        12 => "ORIGIN",
        16 => "PRIORITY_UPDATE",
        _ => return None,
    })
}

/// The kind of a frame event.
pub(crate) const fn kind(frame_type: u8) -> &'static str {
    match frame_type {
        frame::DATA => "data",
        frame::HEADERS => "headers",
        frame::PRIORITY => "priority",
        frame::RST_STREAM => "rst_stream",
        frame::SETTINGS => "settings",
        frame::PUSH_PROMISE => "push_promise",
        frame::PING => "ping",
        frame::GOAWAY => "goaway",
        frame::WINDOW_UPDATE => "window_update",
        frame::CONTINUATION => "continuation",
        frame::ALTSVC => "altsvc",
        frame::ORIGIN => "origin",
        frame::PRIORITY_UPDATE => "priority_update",
        _ => "unknown",
    }
}

/// The name of an error code (RFC 9113 §7).
#[must_use]
pub fn error(value: u64) -> Option<&'static str> {
    u32::try_from(value).ok().and_then(crate::proto::error_name)
}

/// The name of a setting (RFC 9113 §6.5.2, RFC 8441 §3, RFC 9218 §2.1).
#[must_use]
pub fn setting(value: u64) -> Option<&'static str> {
    Some(match value {
        1 => "SETTINGS_HEADER_TABLE_SIZE",
        2 => "SETTINGS_ENABLE_PUSH",
        3 => "SETTINGS_MAX_CONCURRENT_STREAMS",
        4 => "SETTINGS_INITIAL_WINDOW_SIZE",
        5 => "SETTINGS_MAX_FRAME_SIZE",
        6 => "SETTINGS_MAX_HEADER_LIST_SIZE",
        8 => "SETTINGS_ENABLE_CONNECT_PROTOCOL",
        9 => "SETTINGS_NO_RFC7540_PRIORITIES",
        // gRPC proposal G1: values of -bin fields may come as bytes.
        0xfe03 => "GRPC_ALLOW_TRUE_BINARY_METADATA",
        _ => return None,
    })
}

/// A number with its name, or in hex where it has none.
pub(crate) fn named(name: Option<&'static str>, value: u32) -> String {
    name.map_or_else(|| format!("0x{value:x}"), str::to_owned)
}
