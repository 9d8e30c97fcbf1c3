//! What a payload decoder is told, and what it remembers of a session.

use std::cell::{Cell, RefCell};

use crate::base::{BufferId, Side};
use crate::event::Detail;
use crate::finding::Finding;

/// What is known of a payload before it is looked at.
#[derive(Clone, Copy, Debug)]
pub struct PayloadHint<'a> {
    /// Media type or subprotocol: `application/grpc+proto`.
    pub media_type: &'a str,
    /// The path of the call: `/pkg.Service/Method`.
    pub path: &'a str,
    /// Who sent it.
    pub side: Side,
    /// Of a message of a session; `None` for a body or a call's message.
    pub message: Option<InSession<'a>>,
}

/// Whether bytes that are no protobuf are JSON by the look of them. Some servers send
/// JSON as `application/grpc`, without saying so with `+json`.
pub(crate) fn looks_like_json(data: &[u8]) -> bool {
    let text = data.trim_ascii();
    let ends =
        matches!((text.first(), text.last()), (Some(b'{'), Some(b'}')) | (Some(b'['), Some(b']')));
    ends && simdutf8::basic::from_utf8(text).is_ok()
}

impl PayloadHint<'_> {
    /// Whether the media type says no more than that it is gRPC: messages are protobuf then,
    /// nearly always, and may be of any codec.
    #[must_use]
    pub fn is_any_codec(&self) -> bool {
        let base = self.media_type.split(';').next().unwrap_or_default().trim();
        self.message.is_none()
            && ["application/grpc", "application/grpc-web", "application/grpc-web-text"]
                .iter()
                .any(|m| base.eq_ignore_ascii_case(m))
    }
}

/// What is known of a message as part of a session of messages (WebSocket), whose
/// subprotocol is the media type and whose request target is the path.
#[derive(Clone, Copy, Debug)]
pub struct InSession<'a> {
    /// Sent as bytes, not as text.
    pub binary: bool,
    /// What decoders remember of the session.
    pub memo: &'a Memo,
}

/// What a decoder remembers of a session between its messages: that it has known it
/// by its content, and a word of its own. It is kept with the machine's state, so
/// that a session can be gone on with from a checkpoint.
#[derive(Clone, Debug, Default)]
pub struct Memo {
    who: Cell<Option<&'static str>>,
    word: Cell<u64>,
    sealed: Cell<bool>,
    held: RefCell<[Vec<u8>; 2]>,
    lost: Cell<[bool; 2]>,
}

impl Memo {
    /// The word, where `who` has left one.
    #[must_use]
    pub fn get(&self, who: &str) -> Option<u64> {
        self.who.get().filter(|w| *w == who).map(|_| self.word.get())
    }

    /// Leaves a word: from now on the session is `who`'s.
    pub fn set(&self, who: &'static str, word: u64) {
        if self.sealed.get() && self.who.get() != Some(who) {
            return;
        }
        self.who.set(Some(who));
        self.word.set(word);
    }

    /// Keeps bytes of a direction that are read with its next message: the decoder
    /// bounds them.
    pub fn hold(&self, side: Side, bytes: Vec<u8>) {
        if let Ok(mut held) = self.held.try_borrow_mut()
            && let Some(h) = held.get_mut(side.index())
        {
            *h = bytes;
        }
    }

    /// What was kept; it is kept no longer.
    #[must_use]
    pub fn take_held(&self, side: Side) -> Vec<u8> {
        let Ok(mut held) = self.held.try_borrow_mut() else { return Vec::new() };
        held.get_mut(side.index()).map(std::mem::take).unwrap_or_default()
    }

    /// Whether a message of a direction is missing, and what was kept does not go on.
    #[must_use]
    pub fn is_lost(&self, side: Side) -> bool {
        self.lost.get().get(side.index()).copied().unwrap_or_default()
    }

    /// Says that a message is missing, or that it is known again where one is.
    pub fn set_lost(&self, side: Side, is_lost: bool) {
        let mut lost = self.lost.get();
        if let Some(l) = lost.get_mut(side.index()) {
            *l = is_lost;
        }
        self.lost.set(lost);
    }

    /// Memory held, in bytes.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.held.try_borrow().map_or(0, |h| h.iter().map(Vec::capacity).sum())
    }

    /// No decoder that has not left a word by now can: messages are looked at for
    /// what they are at the beginning of a session alone. Else findings would depend on
    /// who looks at a later one.
    pub fn seal(&self) {
        self.sealed.set(true);
    }
}

/// A decoder of whole payloads, bytes to fields. It keeps nothing itself: what must
/// be known of a session is in its [`Memo`].
pub trait PayloadDecoder: Send + Sync {
    /// Whether payloads of this sort are this decoder's, whatever is in them: the
    /// subprotocol says so, or the memo. Such are decoded also where nobody looks,
    /// for their findings.
    fn demands(&self, _hint: &PayloadHint<'_>) -> bool {
        false
    }

    /// See [`Out::decode`].
    fn decode(
        &self,
        hint: &PayloadHint<'_>,
        data: &[u8],
        detail: Option<(&mut Detail, BufferId)>,
    ) -> Option<Vec<Finding>>;

    /// See [`Out::method_pattern`].
    fn method_pattern(&self, _path: &str) -> Option<&'static str> {
        None
    }
}
