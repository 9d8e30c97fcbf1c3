//! What everything stands on: identifiers, capture time, spans of bytes and
//! bits, where derived bytes came from, and the
//! named limits.
//!
//! Nothing here knows a protocol.

pub mod id;
pub mod limits;
pub mod origin;
#[cfg(test)]
pub(crate) mod scratch;
pub mod span;
pub mod time;

pub use id::{ConversationId, EventId, PacketId, Side};
pub use origin::{Buffer, BufferId, Located, Origins, PacketRange, Piece, PieceSource, StreamMap};
pub use span::Span;
pub use time::{CaptureTime, Moment};
