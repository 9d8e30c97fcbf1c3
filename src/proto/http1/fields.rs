//! The fields of a header section: start line, field lines, their ends.
//!
//! A start line is a group whose parts lie where they lie; a field line is one
//! leaf, from the first letter of its name to its line end, as Wireshark has it.

use crate::field::{FieldSpec, Kind};

const fn text(
    name: &'static str,
    label: &'static str,
    section: &'static str,
    meaning: &'static str,
) -> FieldSpec {
    FieldSpec::new(name, label, 0, Kind::Text, section, meaning)
}

const fn group(
    name: &'static str,
    label: &'static str,
    section: &'static str,
    meaning: &'static str,
) -> FieldSpec {
    FieldSpec::new(name, label, 0, Kind::Group, section, meaning)
}

/// The first line of a request.
pub static REQUEST_LINE: FieldSpec = group(
    "http.request_line",
    "Request line",
    "RFC 9112 §3",
    "Method, target and version of a request.",
);
/// The first line of a response.
pub static STATUS_LINE: FieldSpec = group(
    "http.status_line",
    "Status line",
    "RFC 9112 §4",
    "Version, status code and reason phrase of a response.",
);
/// A chunk's first line.
pub static CHUNK_LINE: FieldSpec = group(
    "http.chunk_line",
    "Chunk line",
    "RFC 9112 §7.1",
    "Size of a chunk, with its extensions.",
);
/// The method.
pub static METHOD: FieldSpec =
    text("http.request.method", "Method", "RFC 9110 §9", "What is to be done with the target.");
/// The request target.
pub static URI: FieldSpec = text(
    "http.request.uri",
    "Request target",
    "RFC 9112 §3.2",
    "What the request is about, as it stands in the request line.",
);
/// The version of a request.
pub static REQUEST_VERSION: FieldSpec = text(
    "http.request.version",
    "Request version",
    "RFC 9112 §2.3",
    "The version of HTTP that the request is in.",
);
/// The version of a response.
pub static RESPONSE_VERSION: FieldSpec = text(
    "http.response.version",
    "Response version",
    "RFC 9112 §2.3",
    "The version of HTTP that the response is in.",
);
/// The status code.
pub static CODE: FieldSpec = FieldSpec::new(
    "http.response.code",
    "Status code",
    24,
    Kind::Unsigned,
    "RFC 9110 §15",
    "What became of the request, as three digits.",
);
/// The reason phrase.
pub static PHRASE: FieldSpec = text(
    "http.response.phrase",
    "Reason phrase",
    "RFC 9112 §4",
    "The status in words; programs must not look at it.",
);
/// What stands between the parts of a start line, and the ends of lines.
pub static DELIMITER: FieldSpec = FieldSpec::new(
    "http.delimiter",
    "Delimiter",
    0,
    Kind::Data,
    "RFC 9112 §2.1",
    "White space between the parts of a line, or its end.",
);
/// The empty line.
pub static HEAD_END: FieldSpec = FieldSpec::new(
    "http.head_end",
    "End of the section",
    0,
    Kind::Data,
    "RFC 9112 §2.1",
    "The empty line that ends a header or trailer section.",
);
/// A field that has no name of its own here.
pub static HEADER: FieldSpec = text(
    "http.header",
    "Header field",
    "RFC 9110 §5",
    "A header field; its name is as on the wire.",
)
.header();
/// A field of a trailer section.
pub static TRAILER: FieldSpec = text(
    "http.trailer",
    "Trailer field",
    "RFC 9112 §7.1.2",
    "A field sent behind a chunked body; its name is as on the wire.",
)
.header();
/// A line that is no field line.
pub static BAD_LINE: FieldSpec = text(
    "http.bad_line",
    "Malformed line",
    "RFC 9112 §5",
    "A line of a header section that is no field line.",
);
/// Size of a chunk.
pub static CHUNK_SIZE: FieldSpec = FieldSpec::new(
    "http.chunk_size",
    "Chunk size",
    0,
    Kind::Unsigned,
    "RFC 9112 §7.1",
    "Bytes of data in this chunk; 0 ends the body.",
);
/// Extensions of a chunk.
pub static CHUNK_EXTENSION: FieldSpec = text(
    "http.chunk_extension",
    "Chunk extensions",
    "RFC 9112 §7.1.1",
    "Parameters of one chunk; hardly ever used.",
);

macro_rules! named {
    ($($ident:ident $wire:literal $name:literal $label:literal $section:literal $meaning:literal;)*) => {
        $(
            #[doc = concat!("The field `", $label, "`.")]
            pub static $ident: FieldSpec = text($name, $label, $section, $meaning);
        )*
        /// Field names in lower case and the specs that they have.
        static NAMED: &[(&str, &FieldSpec)] = &[$(($wire, &$ident)),*];
        /// All fields of the protocol.
        pub static FIELDS: &[&FieldSpec] = &[
            &REQUEST_LINE, &STATUS_LINE, &CHUNK_LINE, &METHOD, &URI, &REQUEST_VERSION,
            &RESPONSE_VERSION, &CODE, &PHRASE, &DELIMITER, &HEAD_END, &HEADER, &TRAILER,
            &BAD_LINE, &CHUNK_SIZE, &CHUNK_EXTENSION, $(&$ident),*
        ];
    };
}

named! {
    HOST "host" "http.host" "Host" "RFC 9110 §7.2" "Authority that the request is meant for.";
    USER_AGENT "user-agent" "http.user_agent" "User-Agent" "RFC 9110 §10.1.5" "The program that sent the request.";
    ACCEPT "accept" "http.accept" "Accept" "RFC 9110 §12.5.1" "Media types that the client takes.";
    ACCEPT_LANGUAGE "accept-language" "http.accept_language" "Accept-Language" "RFC 9110 §12.5.4" "Languages that the user prefers.";
    ACCEPT_ENCODING "accept-encoding" "http.accept_encoding" "Accept-Encoding" "RFC 9110 §12.5.3" "Content codings that the client takes.";
    AUTHORIZATION "authorization" "http.authorization" "Authorization" "RFC 9110 §11.6.2" "Credentials for the origin server.";
    PROXY_AUTHENTICATE "proxy-authenticate" "http.proxy_authenticate" "Proxy-Authenticate" "RFC 9110 §11.7.1" "Challenge of a proxy.";
    PROXY_AUTHORIZATION "proxy-authorization" "http.proxy_authorization" "Proxy-Authorization" "RFC 9110 §11.7.2" "Credentials for a proxy.";
    WWW_AUTHENTICATE "www-authenticate" "http.www_authenticate" "WWW-Authenticate" "RFC 9110 §11.6.1" "Challenge of the server.";
    CONTENT_TYPE "content-type" "http.content_type" "Content-Type" "RFC 9110 §8.3" "Media type of the body.";
    CONTENT_LENGTH "content-length" "http.content_length_header" "Content-Length" "RFC 9110 §8.6" "Length of the body in bytes.";
    CONTENT_ENCODING "content-encoding" "http.content_encoding" "Content-Encoding" "RFC 9110 §8.4" "How the body is compressed.";
    TRANSFER_ENCODING "transfer-encoding" "http.transfer_encoding" "Transfer-Encoding" "RFC 9112 §6.1" "How the body is framed.";
    UPGRADE "upgrade" "http.upgrade" "Upgrade" "RFC 9110 §7.8" "Protocols to switch to.";
    HTTP2_SETTINGS "http2-settings" "http.http2_settings" "HTTP2-Settings" "RFC 7540 §3.2.1" "Settings of a client that asks for h2c.";
    CONNECTION "connection" "http.connection" "Connection" "RFC 9110 §7.6.1" "Options of this connection.";
    COOKIE "cookie" "http.cookie" "Cookie" "RFC 6265 §4.2" "Cookies that the client holds.";
    SET_COOKIE "set-cookie" "http.set_cookie" "Set-Cookie" "RFC 6265 §4.1" "A cookie for the client.";
    REFERER "referer" "http.referer" "Referer" "RFC 9110 §10.1.3" "Where the target was found.";
    DATE "date" "http.date" "Date" "RFC 9110 §6.6.1" "When the message was made.";
    CACHE_CONTROL "cache-control" "http.cache_control" "Cache-Control" "RFC 9111 §5.2" "What caches may do.";
    SERVER "server" "http.server" "Server" "RFC 9110 §10.2.4" "The program that answered.";
    LOCATION "location" "http.location" "Location" "RFC 9110 §10.2.2" "Where to go on.";
    LAST_MODIFIED "last-modified" "http.last_modified" "Last-Modified" "RFC 9110 §8.8.2" "When the target last changed.";
    X_FORWARDED_FOR "x-forwarded-for" "http.x_forwarded_for" "X-Forwarded-For" "RFC 7239 §1" "Clients and proxies on the way here.";
    WEBSOCKET_KEY "sec-websocket-key" "http.sec_websocket_key" "Sec-WebSocket-Key" "RFC 6455 §11.3.1" "Nonce of the client, 16 bytes in base64.";
    WEBSOCKET_ACCEPT "sec-websocket-accept" "http.sec_websocket_accept" "Sec-WebSocket-Accept" "RFC 6455 §11.3.3" "Proof that the server understood the handshake.";
    WEBSOCKET_PROTOCOL "sec-websocket-protocol" "http.sec_websocket_protocol" "Sec-WebSocket-Protocol" "RFC 6455 §11.3.4" "Subprotocols offered, or the one chosen.";
    WEBSOCKET_VERSION "sec-websocket-version" "http.sec_websocket_version" "Sec-WebSocket-Version" "RFC 6455 §11.3.5" "Version of the WebSocket protocol, 13.";
    WEBSOCKET_EXTENSIONS "sec-websocket-extensions" "http.sec_websocket_extensions" "Sec-WebSocket-Extensions" "RFC 6455 §11.3.2" "Extensions offered or agreed to.";
}

/// The spec of a field of this name (ASCII case folded), where it has its own.
#[must_use]
pub fn named(name: &[u8]) -> Option<&'static FieldSpec> {
    NAMED.iter().find(|(n, _)| name.eq_ignore_ascii_case(n.as_bytes())).map(|(_, s)| *s)
}
