//! Facts: what an exchange says of itself to those who look across conversations.
//!
//! A machine knows one stream. That two sessions are the two legs of a proxied
//! one, that a request is the hundredth of a poll, that a call was made on behalf of
//! another: this is seen only beside other exchanges. So an exchange's
//! [`Draft`](crate::event::Draft) may carry facts, which are small and are there whether or not
//! somebody looks at the event; `engine::across` reads them in the order of the
//! capture.
//!
//! Whatever comes from the wire is cut to a limit before it is kept here.

use std::net::SocketAddr;
use std::sync::Arc;

use crate::base::{Moment, PacketId};

/// The facts of one exchange.
#[derive(Clone, Debug, PartialEq)]
pub enum Facts {
    /// A request and its response.
    Http(Box<HttpFacts>),
    /// A stream of server-sent events.
    Stream(Box<StreamFacts>),
    /// A WebSocket session.
    Session(Box<SessionFacts>),
    /// A gRPC call.
    Call(Arc<CallFacts>),
    /// What a PROXY header says of its connection.
    Origin(Box<OriginFacts>),
}

/// A request and its response, RFC 9110.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct HttpFacts {
    /// 10, 11 or 20.
    pub version: u8,
    /// The method.
    pub method: Box<str>,
    /// `Host` or `:authority`.
    pub host: Box<str>,
    /// The request target, query included.
    pub target: Box<str>,
    /// The response's status code; 0 where there was none.
    pub status: u16,
    /// The request's first byte and its last.
    pub request: Option<[Moment; 2]>,
    /// The response's first byte and its last.
    pub response: Option<[Moment; 2]>,
    /// Bytes of header sections as sent: the request's, the response's.
    pub head_bytes: [u64; 2],
    /// Bytes of bodies as sent.
    pub body_bytes: [u64; 2],
    /// Bytes of the response's body were not captured.
    pub holed: bool,
    /// The response's media type, without parameters.
    pub media_type: Box<str>,
    /// A hash of the response's body as sent: two that differ are different answers.
    pub body_hash: u64,
    /// The response is JSON whose lists are empty, beside times and the like: an answer
    /// that brings nothing.
    pub empty_list: bool,
    /// The same as `body_hash`, of JSON that states the time beside other things, without
    /// that time.
    pub timeless: Option<u64>,
}

/// A stream of server-sent events.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct StreamFacts {
    /// 10, 11 or 20.
    pub version: u8,
    /// `Host` or `:authority`.
    pub host: Box<str>,
    /// The request target, query included.
    pub target: Box<str>,
    /// `Last-Event-ID` of the request.
    pub resumed_from: Option<Box<str>>,
    /// The first `id` of an event.
    pub first_id: Option<Box<str>>,
    /// The `id` of the last event.
    pub last_id: Option<Box<str>>,
    /// Events.
    pub events: u64,
    /// The method of the request.
    pub method: Box<str>,
    /// It was open at the capture's end.
    pub open: bool,
    /// Hashes of the `id`s of its last events, oldest first, at most
    /// [`MAX_STREAM_IDS`](crate::base::limits::MAX_STREAM_IDS): see [`id_hash`].
    pub recent_ids: Vec<u64>,
    /// Bytes of `data` values.
    pub data_bytes: u64,
    /// Bytes of the stream as sent, and of the header sections before it.
    pub wire_bytes: u64,
}

/// What [`StreamFacts::recent_ids`] keeps of an `id`: FNV-1a.
#[must_use]
pub fn id_hash(id: &str) -> u64 {
    id.bytes().fold(0xcbf2_9ce4_8422_2325, |h, b| (h ^ u64::from(b)).wrapping_mul(0x100_0000_01b3))
}

/// A WebSocket session, RFC 6455.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct SessionFacts {
    /// The request target, where the handshake was captured.
    pub uri: Option<Box<str>>,
    /// `Host`.
    pub host: Option<Box<str>>,
    /// Messages by side.
    pub messages: [u64; 2],
    /// Bytes of their payloads, decompressed.
    pub payload_bytes: [u64; 2],
    /// Bytes of those payloads that were sent compressed, of both sides: as sent, and
    /// decompressed.
    pub compressed: [u64; 2],
    /// Bytes of all frames as sent, heads included.
    pub frame_bytes: [u64; 2],
    /// Bytes of the opening handshake.
    pub handshake_bytes: u64,
    /// The handshake was seen, and the server agreed to it.
    pub accepted: bool,
    /// A close frame had a code that must not be sent, such as 1005 (RFC 6455 §7.4).
    pub forbidden_close: bool,
    /// `Origin`.
    pub origin: Option<Box<str>>,
    /// How the client said who it is; never what it said.
    pub credentials: Credentials,
    /// A hash of `Sec-WebSocket-Key`; 0 where there is none, as over HTTP/2.
    pub key: u64,
    /// `X-Forwarded-For`, or the `for` of `Forwarded` (RFC 7239 §5.2), as written.
    pub forwarded_for: Option<Box<str>>,
    /// The first messages: what two legs of one session have in common.
    pub digests: Vec<Digest>,
    /// By side: bytes of it were not captured.
    pub holes: [bool; 2],
    /// The masking keys of the client's first frames, and the packets that they stand in.
    pub masks: Vec<(u32, PacketId)>,
}

/// By which means the client of a session said who it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Credentials {
    /// `Cookie`.
    pub cookies: bool,
    /// `Authorization`, or a header that is known to carry a key.
    pub authorization: bool,
    /// A parameter of the query that is named like a token.
    pub token_in_query: bool,
    /// A subprotocol that is a token, since browsers can set no other header.
    pub token_in_subprotocol: bool,
    /// The client's first message speaks of a token or a password.
    pub in_first_message: bool,
}

impl Credentials {
    /// Whether there is any.
    #[must_use]
    pub const fn any(&self) -> bool {
        self.cookies
            || self.authorization
            || self.token_in_query
            || self.token_in_subprotocol
            || self.in_first_message
    }
}

/// A message, by what does not change when a proxy masks it anew.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Digest {
    /// The client sent it.
    pub from_client: bool,
    /// Bytes of payload, unmasked and decompressed.
    pub len: u64,
    /// A hash of them.
    pub payload: u64,
    /// A hash of the frames as sent; 0 where it was not counted.
    pub wire: u64,
    /// When it was complete.
    pub at: Moment,
}

/// A gRPC call.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CallFacts {
    /// `/pkg.Service/Method`; empty where it was not captured.
    pub path: Arc<str>,
    /// `grpc-status`.
    pub status: Option<u64>,
    /// `grpc-timeout` in nanoseconds.
    pub timeout_ns: Option<u64>,
    /// Ids by which calls know each other: `traceparent`'s trace id, B3's, `x-request-id`.
    pub trace_ids: Vec<TraceId>,
    /// How it ended, in a word: `grpc.verdict`.
    pub verdict: &'static str,
    /// The status that its client is given, by the server or by its library.
    pub client_status: Option<u64>,
    /// `grpc-previous-rpc-attempts`.
    pub previous_attempts: Option<u32>,
    /// `grpc-retry-pushback-ms`: when to try again; negative for never.
    pub pushback_ms: Option<i64>,
    /// The request's first byte.
    pub requested: Moment,
    /// Nothing of the request was captured: when it began is not known.
    pub joined: bool,
    /// Messages: requests, responses.
    pub messages: [u64; 2],
    /// Bytes of messages as sent.
    pub bytes: [u64; 2],
    /// Bytes of header sections and trailers as sent, in both directions.
    pub head_bytes: u64,
    /// Nanoseconds from the first byte to the end of the server's first message.
    pub first_response_ns: Option<u64>,
    /// Messages of which nobody knows what they are, and the first of them.
    pub unread: Option<(u64, Moment)>,
}

/// An id that is passed on from call to call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TraceId {
    /// The header that it stands in.
    pub header: &'static str,
    /// The id; of traces in lower-case hex, whichever header has it.
    pub id: Box<str>,
    /// The span of the caller, where the header names one.
    pub span: Option<Box<str>>,
    /// The span that the caller's is part of, where the header names that as well (B3).
    pub parent: Option<Box<str>>,
}

impl TraceId {
    /// Whether both name the same trace: `traceparent` and B3 do so in the same form.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let request = |t: &Self| t.header == "x-request-id";
        self.id == other.id && request(self) == request(other)
    }
}

/// What a PROXY header says: the connection that a proxy passes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OriginFacts {
    /// Who connected to the proxy.
    pub source: SocketAddr,
    /// The address of the proxy that it connected to.
    pub destination: SocketAddr,
}
