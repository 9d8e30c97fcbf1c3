//! What is known of a frame by those before it: windows and round trips.

use super::spec;
use crate::field::FieldSpec;
use crate::field::Kind::{Duration, Signed, Unsigned};

pub(crate) static STREAM_WINDOW: FieldSpec = spec(
    "http2.window.stream",
    "Stream window",
    0,
    Signed,
    "RFC 9113 §6.9.1",
    "Bytes that may still be sent on the stream in the direction of the data, once this frame is counted.",
);
pub(crate) static CONNECTION_WINDOW: FieldSpec = spec(
    "http2.window.connection",
    "Connection window",
    0,
    Signed,
    "RFC 9113 §6.9.1",
    "Bytes that may still be sent on the connection in the direction of the data, once this frame is counted.",
);
pub(crate) static ACK_TO: FieldSpec = spec(
    "http2.ack.to_packet",
    "Acknowledges packet",
    0,
    Unsigned,
    "RFC 9113 §6.5.3",
    "The packet of the SETTINGS or PING frame that this one answers.",
);
pub(crate) static ACK_TIME: FieldSpec = spec(
    "http2.ack.time_ns",
    "Round trip",
    0,
    Duration,
    "RFC 9113 §6.7",
    "From the SETTINGS or PING frame to its acknowledgement, as captured.",
);

/// All of them.
pub(super) static FIELDS: &[&FieldSpec] = &[&STREAM_WINDOW, &CONNECTION_WINDOW, &ACK_TO, &ACK_TIME];
