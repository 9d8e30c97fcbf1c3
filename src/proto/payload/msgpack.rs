//! MessagePack as the notation of other formats: its line in the registry.

use super::names::{msgpack_fields, msgpack_findings};
use crate::proto::Protocol;

/// The registry's line.
pub static PROTOCOL: Protocol =
    super::format("msgpack", "MessagePack", &[msgpack_fields::FIELDS], msgpack_findings::FINDINGS);
