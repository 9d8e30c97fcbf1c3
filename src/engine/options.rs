//! What the engine is told before it begins.

use std::sync::Arc;

use crate::base::limits::{DEFAULT_STATE_BYTES, PAYLOAD_BYTES};
use crate::capture::Processes;
use crate::engine::decode_as::Rule;
use crate::event::Level;
use crate::proto::protobuf::Learnt;
use crate::proto::{PayloadDecoder, Protocol, REGISTRY, Secrets};

/// What the engine is to do.
#[derive(Clone)]
pub struct Options {
    /// Levels whose events carry a detail, by `Level as usize`.
    pub wanted: [bool; 5],
    /// Bytes of a payload kept for a detail.
    pub payload_cap: usize,
    /// Bytes of state that open conversations may hold (`--mem`).
    pub state_bytes: usize,
    /// Payload decoders.
    pub decoders: Arc<Vec<Box<dyn PayloadDecoder>>>,
    /// The protocols that are asked who knows a stream, in this order.
    pub registry: &'static [&'static Protocol],
    /// Keep checkpoints (see [`EventSink::checkpoint`]).
    pub checkpoints: bool,
    /// Which conversations begin with a protocol that is told rather than found;
    /// the last rule that fits counts.
    pub decode_as: Vec<Rule>,
    /// Secrets of encrypted sessions; those in the capture itself are added to them.
    pub secrets: Arc<Secrets>,
    /// Learns from the messages of calls what their schemas are: one reading of the
    /// capture does, and no replay.
    pub learn: Option<Arc<Learnt>>,
    /// Events that say nothing to those who look across conversations, and of which nothing is
    /// found, are counted ([`EventSink::counted`]), not handed out, unless their level is wanted.
    pub counts: bool,
    /// Whose the ends of connections are, where that is known while they are captured.
    pub processes: Option<Arc<Processes>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            wanted: [false; 5],
            payload_cap: PAYLOAD_BYTES,
            state_bytes: DEFAULT_STATE_BYTES,
            decoders: Arc::new(crate::proto::decoders()),
            registry: REGISTRY,
            checkpoints: false,
            decode_as: Vec::new(),
            secrets: Arc::default(),
            learn: None,
            counts: false,
            processes: None,
        }
    }
}

impl Options {
    /// With details at these levels.
    #[must_use]
    pub fn wanting(mut self, levels: &[Level]) -> Self {
        for l in levels {
            if let Some(w) = self.wanted.get_mut(*l as usize) {
                *w = true;
            }
        }
        self
    }
}
