//! What is known of a frame beyond its bits: windows and round trips by those before it,
//! and the priority that its text comes to.

use super::spec;
use crate::field::FieldSpec;
use crate::field::Kind::{Duration, Flag, Signed, Unsigned};

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

pub(crate) static URGENCY: FieldSpec = spec(
    "http2.priority.urgency",
    "Urgency",
    0,
    Unsigned,
    "RFC 9218 §4.1",
    "0 comes first, 7 last; 3 where the field does not say.",
);
pub(crate) static INCREMENTAL: FieldSpec = spec(
    "http2.priority.incremental",
    "Incremental",
    0,
    Flag,
    "RFC 9218 §4.2",
    "The response is of use in pieces, as it comes.",
);

/// All of them.
pub(super) static FIELDS: &[&FieldSpec] =
    &[&STREAM_WINDOW, &CONNECTION_WINDOW, &ACK_TO, &ACK_TIME, &URGENCY, &INCREMENTAL];
