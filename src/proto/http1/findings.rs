//! What can be wrong with the framing of HTTP/1.

use crate::finding::FindingSpec;

macro_rules! findings {
    ($($ident:ident $how:ident $code:literal $reference:literal $meaning:literal;)*) => {
        $(
            #[doc = $meaning]
            pub static $ident: FindingSpec = FindingSpec::$how($code, $reference, $meaning);
        )*
        /// All findings of the protocol.
        pub static FINDINGS: &[&FindingSpec] = &[$(&$ident),*];
    };
}

findings! {
    LEADING_CRLF note "http1.leading-crlf" "RFC 9112 §2.2" "Empty lines stand before a start line.";
    BARE_LF warning "http1.bare-lf" "RFC 9112 §2.2" "A line ends in LF without CR; recipients disagree on whether that is an end.";
    BARE_CR warning "http1.bare-cr" "RFC 9112 §2.2" "A CR stands alone within a line.";
    OBS_FOLD warning "http1.obs-fold" "RFC 9112 §5.2" "A field value goes on in the next line, which is obsolete.";
    BAD_START_LINE error "http1.bad-start-line" "RFC 9112 §2.1" "What stands where a message must begin is no start line; this direction is not followed further.";
    BAD_TARGET warning "http1.bad-target" "RFC 9112 §3.2" "The request target has white space in it.";
    BAD_FIELD_LINE error "http1.bad-field-line" "RFC 9112 §5" "A line of the header section has no colon, or no token before it.";
    SPACE_BEFORE_COLON error "http1.space-before-colon" "RFC 9112 §5.1" "White space stands between a field's name and its colon, which has been used to smuggle requests.";
    NO_HOST warning "http1.no-host" "RFC 9112 §3.2" "A request in HTTP/1.1 has no Host, or more than one.";
    HEAD_TOO_LARGE error "http1.head-too-large" "RFC 9112 §3" "The header section is larger than what is looked at; this direction is not followed further.";
    HEAD_CUT note "http1.head-cut" "RFC 9112 §8" "The header section ends before its empty line.";
    REPEATED_LENGTH warning "http1.repeated-content-length" "RFC 9110 §8.6" "Content-Length is given more than once, with the same value.";
    BAD_LENGTH error "http1.bad-content-length" "RFC 9112 §6.3" "Content-Length is no number, or its values differ: where the message ends cannot be known.";
    LENGTH_AND_CODING error "http1.length-and-coding" "RFC 9112 §6.1" "Both Transfer-Encoding and Content-Length are given, which has been used to smuggle requests; the length is ignored.";
    BAD_CODING error "http1.bad-transfer-coding" "RFC 9112 §6.1" "The last transfer coding is not chunked, so a request's end cannot be known.";
    CODING_IN_HTTP10 warning "http1.coding-in-http10" "RFC 9112 §6.1" "Transfer-Encoding in a message of HTTP/1.0, whose framing must be taken for faulty.";
    BAD_CHUNK error "http1.bad-chunk" "RFC 9112 §7.1" "A chunk has no valid size, or its data no end; this direction is not followed further.";
    BODY_CUT note "http1.body-cut" "RFC 9112 §8" "The connection closed before the end of the body: where its framing stood. What that means is found of the message.";
    BODY_WITHHELD note "http1.body-withheld" "RFC 9110 §10.1.1" "The client expected 100 (Continue), got another answer, and sent no body.";
    NO_REQUEST note "http1.response-without-request" "RFC 9112 §9.2" "A response stands alone: its request was not captured or not read, or there was none.";
    TOO_MANY warning "http1.too-many-requests" "RFC 9112 §9.3.2" "More requests wait for their responses than are followed; the oldest was given up.";
    UPGRADE_NOT_OFFERED error "http1.upgrade-not-offered" "RFC 9110 §7.8" "The server switches to a protocol that the client did not offer.";
    UPGRADE_UNNAMED error "http1.upgrade-unnamed" "RFC 9110 §15.2.2" "101 (Switching Protocols) without an Upgrade field.";
    NO_CONNECTION_UPGRADE warning "http1.upgrade-not-in-connection" "RFC 9110 §7.8" "Upgrade is sent without the connection option of that name.";
    AFTER_CLOSE warning "http1.bytes-after-close" "RFC 9112 §9.6" "The server sends more behind a response that said `Connection: close`.";
    GAP warning "http1.gap" "RFC 9112 §6" "Bytes are missing where a message begins or ends; behind them the next one is looked for.";
}
