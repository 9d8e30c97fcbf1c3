//! What can be wrong with a WebSocket connection.

use crate::finding::FindingSpec;

/// Declares the findings and the list of them all, so that none is forgotten.
macro_rules! findings {
    ($($name:ident = $severity:ident($code:literal, $reference:literal, $meaning:literal);)*) => {
        $(
            #[doc = $meaning]
            pub static $name: FindingSpec = FindingSpec::$severity($code, $reference, $meaning);
        )*
        /// All of them.
        pub static FINDINGS: &[&FindingSpec] = &[$(&$name),*];
    };
}

findings! {
    // The handshake.
    BAD_REQUEST = error("websocket.bad-request", "RFC 6455 §4.1",
        "The opening handshake is not a GET request of HTTP/1.1.");
    BAD_KEY = error("websocket.bad-key", "RFC 6455 §4.1",
        "Sec-WebSocket-Key is missing, there twice, or not 16 bytes in base64.");
    BAD_VERSION = error("websocket.bad-version", "RFC 6455 §4.1",
        "Sec-WebSocket-Version is not 13, or there twice.");
    ACCEPT_MISMATCH = error("websocket.accept-mismatch", "RFC 6455 §4.2.2",
        "Sec-WebSocket-Accept is missing, or is not what follows from the client's key.");
    BAD_STATUS = warning("websocket.bad-status", "RFC 6455 §4.2.2",
        "The server's answer does not switch to WebSocket, and yet frames follow.");
    BAD_RESPONSE = error("websocket.bad-response", "RFC 6455 §4.1",
        "The server's 101 has no Upgrade to websocket, or none in Connection; the client must fail the connection.");
    SUBPROTOCOL_NOT_OFFERED = error("websocket.subprotocol-not-offered", "RFC 6455 §4.1",
        "The server chose a subprotocol that the client had not offered.");
    EXTENSION_NOT_OFFERED = error("websocket.extension-not-offered", "RFC 6455 §4.1",
        "The server agreed to an extension that the client had not offered.");
    BAD_EXTENSION = error("websocket.bad-extension", "RFC 7692 §7.1",
        "The server's permessage-deflate has parameters that the RFC does not allow.");
    BAD_OFFER = warning("websocket.bad-offer", "RFC 7692 §7.1",
        "The client offers permessage-deflate with parameters that the RFC does not allow: the server must decline that offer.");
    EXTENSION_MISMATCH = error("websocket.extension-mismatch", "RFC 7692 §7.1",
        "The server's permessage-deflate answers none of the client's offers.");
    UNKNOWN_EXTENSION = note("websocket.unknown-extension", "RFC 6455 §9",
        "An extension was agreed that is not decoded: payloads may not be what they seem.");
    EXTENSIONS_UNKNOWN = warning("websocket.extensions-unknown", "RFC 6455 §9.1",
        "RSV1 is set on messages, the handshake that would say what it means was not captured, and they do not inflate by themselves: they are shown as they were sent.");
    // Frames.
    CLIENT_UNMASKED = error("websocket.client-unmasked", "RFC 6455 §5.1",
        "A frame of the client is not masked; the server must close the connection.");
    SERVER_MASKED = error("websocket.server-masked", "RFC 6455 §5.1",
        "A frame of the server is masked; the client must close the connection.");
    RSV_WITHOUT_EXTENSION = error("websocket.rsv-without-extension", "RFC 6455 §5.2",
        "A reserved bit is set to which no agreed extension gives a meaning.");
    RSV1_MISPLACED = error("websocket.rsv1-misplaced", "RFC 7692 §6.1",
        "RSV1 is set on a control frame, or on a frame that does not begin a message.");
    RESERVED_OPCODE = error("websocket.reserved-opcode", "RFC 6455 §5.2",
        "The opcode is reserved; the receiver must fail the connection.");
    FRAGMENTED_CONTROL = error("websocket.fragmented-control", "RFC 6455 §5.5",
        "A control frame has FIN clear; control frames must not be fragmented.");
    CONTROL_TOO_LONG = error("websocket.control-too-long", "RFC 6455 §5.5",
        "A control frame has more than 125 bytes of payload.");
    LENGTH_NOT_MINIMAL = error("websocket.length-not-minimal", "RFC 6455 §5.2",
        "The payload length is not written in the fewest bytes that hold it.");
    LENGTH_TOP_BIT = error("websocket.length-top-bit", "RFC 6455 §5.2",
        "The top bit of the 64-bit payload length is set.");
    ORPHAN_CONTINUATION = error("websocket.orphan-continuation", "RFC 6455 §5.4",
        "A continuation frame where no message is open.");
    INTERLEAVED_MESSAGE = error("websocket.interleaved-message", "RFC 6455 §5.4",
        "A new message begins while a fragmented one is still open.");
    UNFINISHED_MESSAGE = warning("websocket.unfinished-message", "RFC 6455 §5.4",
        "Another message began before the last fragment of this one.");
    FRAME_AFTER_CLOSE = error("websocket.frame-after-close", "RFC 6455 §5.5.1",
        "A frame after the sender's close frame; the peer discards it.");
    // Messages.
    BAD_CLOSE_CODE = error("websocket.bad-close-code", "RFC 6455 §7.4",
        "A close code that must not be sent.");
    UNASSIGNED_CLOSE_CODE = warning("websocket.unassigned-close-code", "RFC 6455 §7.4.2",
        "A close code that is reserved for the protocol and not assigned.");
    CLOSE_ONE_BYTE = error("websocket.close-one-byte", "RFC 6455 §5.5.1",
        "A close frame with one byte of payload: half a status code.");
    BAD_UTF8 = error("websocket.bad-utf8", "RFC 6455 §8.1",
        "Text that is not UTF-8; the receiver must fail the connection.");
    INFLATE_ERROR = error("websocket.inflate-error", "RFC 7692 §7.2.2",
        "A compressed message that is no DEFLATE data: it is shown as it was sent.");
    INFLATE_LIMIT = error("websocket.inflate-limit", "RFC 7692 §8",
        "A compressed message that inflates beyond the limit, or has too many final blocks: it is shown as it was sent.");
    CONTEXT_LOST = warning("websocket.context-lost", "RFC 7692 §7.2.2",
        "A compressed message that builds on earlier ones that were not captured or could not be inflated: it is shown as it was sent.");
    WINDOW_EXCEEDED = error("websocket.window-exceeded", "RFC 7692 §7.1.2",
        "A compressed message refers further back than the agreed window reaches: a receiver with a window of that size cannot inflate it.");
    TAIL_NOT_REMOVED = error("websocket.tail-not-removed", "RFC 7692 §7.2.1",
        "A compressed message from whose end 00 00 ff ff was not removed: a receiver gets its text, but where the window is kept not the next message.");
    MESSAGE_OVER_LIMIT = warning("websocket.message-over-limit", "RFC 6455 §10.4",
        "A message that is larger than common servers and clients accept by default.");
    MARKUP = warning("websocket.markup", "RFC 6455 §10.2",
        "Text with markup that runs in a page, a script or an event handler: a page that shows it unescaped runs what somebody else wrote.");
    // The session.
    ABNORMAL_CLOSURE = warning("websocket.abnormal-closure", "RFC 6455 §7.1.5",
        "The connection ended without a close frame: applications are told 1006.");
    CLOSED_ON_ERROR = warning("websocket.closed-on-error", "RFC 6455 §7.4.1",
        "One end closed because something was wrong: its code says what.");
    UNANSWERED_PING = warning("websocket.unanswered-ping", "RFC 6455 §5.5.2",
        "A ping had no pong.");
    NO_HEARTBEAT = warning("websocket.no-heartbeat", "RFC 6455 §5.5.2",
        "A minute or more of silence, and no end ever sent a ping: proxies end what is silent, and an end that is gone is not noticed.");
    REPEATED_MASKING_KEY = error("websocket.repeated-masking-key", "RFC 6455 §5.3",
        "The client uses a masking key again; each must be new and unpredictable.");
    ZERO_MASKING_KEY = error("websocket.zero-masking-key", "RFC 6455 §5.3",
        "The masking key is 0, which masks nothing; each must be unpredictable.");
    MESSAGE_RATE = warning("websocket.message-rate", "RFC 6455 §10.4",
        "One end sent very many messages within one second.");
    // Who may connect.
    CROSS_SITE = warning("websocket.cross-site", "RFC 6455 §10.2",
        "The server accepted a page of another site with the cookies of its user: unless it knows that origin, any page may act for the user (cross-site WebSocket hijacking).");
    PLAINTEXT = warning("websocket.plaintext", "RFC 6455 §10.6",
        "A session over ws://: everybody on the way can read and change it.");
    PLAINTEXT_CREDENTIALS = error("websocket.plaintext-credentials", "RFC 6455 §10.6",
        "Cookies, a token or an Authorization field over ws://: everybody on the way can use them.");
    TOKEN_IN_QUERY = warning("websocket.token-in-query", "RFC 6750 §5.3",
        "A token in the query of the request target: servers and proxies write it to their logs.");
    NO_AUTHENTICATION = note("websocket.no-authentication", "RFC 6455 §10.5",
        "Nothing in the handshake or the client's first message says who the client is; it may be known otherwise.");
    MANY_CONNECTIONS = warning("websocket.many-connections", "RFC 6455 §10.4",
        "One address opened very many WebSocket connections to one server.");
    UNCOUNTED_ADDRESSES = note("websocket.uncounted-addresses", "RFC 6455 §10.4",
        "More addresses open sessions at once than are counted: of the others it is not said how many they open.");
    STREAM_WITHOUT_CLOSE = warning("websocket.stream-without-close", "RFC 8441 §5",
        "The HTTP/2 stream of a session was ended by END_STREAM, which is FIN, without a close frame: both ends see 1006.");
    // What is seen beside other sessions.
    PAIRED_LEG = note("websocket.paired-leg", "RFC 6455 §5.3",
        "The same session is in the capture a second time, on the other side of a proxy: layer 7 where the frames are masked anew or the handshake is another, layer 4 where the bytes are the same.");
    // What is missing.
    TRUNCATED = warning("websocket.truncated", "RFC 6455 §7.1.7",
        "The connection or the capture ended before the frame or the message did.");
    GAP = warning("websocket.gap", "RFC 6455 §5.2",
        "Bytes of the frame or the message were not captured, or bytes between two frames.");
    UNSYNCHRONISED = note("websocket.unsynchronised", "RFC 6455 §5.2",
        "Bytes behind a hole, or at the beginning of a capture, that belong to no frame whose head was captured for certain.");
    BEGINNING_MISSING = warning("websocket.beginning-missing", "RFC 6455 §5.4",
        "The first fragment of the message was not captured.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_ours() {
        let mut codes: Vec<_> = FINDINGS.iter().map(|f| f.code).collect();
        assert!(codes.iter().all(|c| c.starts_with("websocket.")));
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), FINDINGS.len());
        assert!(FINDINGS.iter().all(|f| f.reference.starts_with("RFC ")));
    }
}
