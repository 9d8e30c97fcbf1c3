//! What the session's messages carry: asks the decoders of payloads.

use super::handshake::Handshake;
use super::wire::opcode;
use crate::base::limits::{SNIFFED_BYTES, SNIFFED_MESSAGES};
use crate::base::{BufferId, Side};
use crate::event::{Detail, Payload};
use crate::field::NodeId;
use crate::finding::Finding;
use crate::proto::{InSession, Memo, Out, PayloadHint};

/// What decoders remember of a session, and how many of its messages they have
/// been asked about.
#[derive(Clone, Debug, Default)]
pub(super) struct Content {
    memo: Memo,
    begun: [u8; 2],
}

/// How a message's payload is to be looked at.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Interest {
    /// Only where somebody looks.
    #[default]
    Shown,
    /// Whether somebody looks or not, for what the session may be.
    Sniffed,
    /// Whether somebody looks or not, for what may be wrong.
    Judged,
}

impl Interest {
    /// Bytes of it that are kept where nobody looks.
    pub(super) fn kept(self, out: &dyn Out) -> usize {
        match self {
            Self::Shown => 0,
            Self::Sniffed => SNIFFED_BYTES,
            Self::Judged => out.payload_cap(),
        }
    }
}

/// The messages' surroundings.
#[derive(Clone, Copy, Debug)]
pub(super) struct About<'a> {
    pub(super) subprotocol: &'a str,
    pub(super) path: &'a str,
    pub(super) memo: &'a Memo,
}

impl Content {
    /// What is known of every message.
    pub(super) fn about<'a>(&'a self, handshake: &'a Handshake) -> About<'a> {
        About {
            subprotocol: handshake.subprotocol.as_deref().unwrap_or_default(),
            path: handshake.uri.as_deref().unwrap_or_default(),
            memo: &self.memo,
        }
    }

    /// Memory held beside itself, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.memo.memory()
    }

    /// A data message begins.
    pub(super) fn begin(
        &mut self,
        side: Side,
        code: u8,
        handshake: &Handshake,
        out: &dyn Out,
    ) -> Interest {
        let begun = self.begun.get_mut(side.index());
        let early = begun.is_some_and(|n| {
            *n = n.saturating_add(1);
            *n <= SNIFFED_MESSAGES
        });
        let about = self.about(handshake);
        if out.demands(&about.hint(side, code == opcode::BINARY, about.memo)) {
            Interest::Judged
        } else if early {
            Interest::Sniffed
        } else {
            Interest::Shown
        }
    }
}

impl<'a> About<'a> {
    fn hint(&self, side: Side, binary: bool, memo: &'a Memo) -> PayloadHint<'a> {
        let message = Some(InSession { binary, memo });
        PayloadHint { media_type: self.subprotocol, path: self.path, side, message }
    }

    /// Has a whole message decoded, whose bytes begin at `shown` in a buffer of
    /// `detail`.
    pub(super) fn decode(
        &self,
        (side, code, look): (Side, u8, Interest),
        data: &[u8],
        detail: Option<&mut Detail>,
        (buffer, at): (BufferId, u32),
        out: &mut dyn Out,
    ) -> Vec<Finding> {
        // What is looked at by chance must not change what the rest of the session is.
        let closed = Memo::default();
        let early = look == Interest::Sniffed && data.len() <= SNIFFED_BYTES;
        let memo = if look == Interest::Judged || early { self.memo } else { &closed };
        closed.seal();
        let hint = self.hint(side, code == opcode::BINARY, memo);
        let Some(d) = detail else {
            return if look == Interest::Shown {
                Vec::new()
            } else {
                out.decode(&hint, data, None).unwrap_or_default()
            };
        };
        let first = d.tree.nodes().len();
        let mut found = out.decode(&hint, data, Some((d, buffer))).unwrap_or_default();
        if at > 0 {
            for i in first..d.tree.nodes().len() {
                let id = NodeId(u32::try_from(i).unwrap_or(u32::MAX));
                if let Some(s) =
                    d.tree.get_mut(id).and_then(|n| n.span.as_mut()).filter(|s| s.buffer == buffer)
                {
                    s.start = s.start.saturating_add(at);
                }
            }
            for s in found.iter_mut().filter_map(|f| f.span.as_mut()).filter(|s| s.buffer == buffer)
            {
                s.start = s.start.saturating_add(at);
            }
        }
        if d.payload == Payload::None {
            d.payload = Payload::Bytes(data.to_vec());
        }
        found
    }
}
