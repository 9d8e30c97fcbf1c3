//! What the handshake says of who the client is, and from which site it comes.
//!
//! Nothing secret is kept here: that there was a cookie, never which.

use crate::facts::Credentials;
use crate::proto::Headers;

/// Header fields that carry a key beside `Authorization` (RFC 9110 §11.6.2).
const KEYS: [&str; 5] =
    ["authorization", "proxy-authorization", "x-api-key", "x-auth-token", "x-access-token"];

/// Parts of names by which parameters of a query are tokens: `access_token`, `jwt`.
const NAMES: [&str; 11] = [
    "token", "jwt", "auth", "apikey", "api_key", "api-key", "secret", "password", "passwd",
    "session", "bearer",
];

/// Short names that are tokens as a whole.
const WHOLE: [&str; 3] = ["key", "sig", "ticket"];

/// Words of a first message by which a client says who it is.
const WORDS: [&str; 8] =
    ["token", "auth", "password", "jwt", "bearer", "apikey", "api_key", "login"];

/// Bytes of a first message that are looked at.
pub(super) const FIRST_MESSAGE: usize = 512;

/// What the request carries.
pub(super) fn of(h: &Headers) -> Credentials {
    Credentials {
        cookies: h.get("cookie").is_some_and(|v| !v.trim_ascii().is_empty()),
        authorization: KEYS.iter().any(|k| h.get(k).is_some()),
        token_in_query: h.get(":path").is_some_and(has_token),
        token_in_subprotocol: h
            .all("sec-websocket-protocol")
            .flat_map(|v| v.split(|b| *b == b','))
            .any(|p| is_token(p.trim_ascii())),
        in_first_message: false,
    }
}

/// Whether a first message speaks of credentials.
pub(super) fn speaks_of_them(text: &[u8]) -> bool {
    let text = text.to_ascii_lowercase();
    WORDS.iter().any(|w| memchr::memmem::find(&text, w.as_bytes()).is_some())
}

/// Whether the query has a parameter that is named like a token, and a value.
fn has_token(target: &[u8]) -> bool {
    let Some(at) = target.iter().position(|b| *b == b'?') else { return false };
    let query = target.get(at.saturating_add(1)..).unwrap_or_default();
    query.split(|b| matches!(b, b'&' | b';')).any(|p| {
        let Some(eq) = p.iter().position(|b| *b == b'=') else { return false };
        let (name, value) = p.split_at_checked(eq).unwrap_or((p, &[]));
        let name = name.to_ascii_lowercase();
        let is_person = name.starts_with(b"author") && !name.starts_with(b"authori");
        value.len() > 1
            && !is_person
            && (WHOLE.iter().any(|w| w.as_bytes() == name)
                || NAMES.iter().any(|w| memchr::memmem::find(&name, w.as_bytes()).is_some()))
    })
}

/// Whether a subprotocol looks like a token: a JSON Web Token, or named so.
fn is_token(p: &[u8]) -> bool {
    let lower = p.to_ascii_lowercase();
    let named = [&b"bearer"[..], b"token", b"access_token", b"authorization", b"base64url.bearer"];
    (p.starts_with(b"eyJ") && p.len() > 20)
        || named.iter().any(|n| lower.starts_with(n))
        // Nobody names a protocol in 32 characters without a dot, a dash or a slash.
        || (p.len() >= 32 && p.iter().all(u8::is_ascii_alphanumeric))
}

/// Whether `origin` is another site than `host`: cookies that are sent for one are
/// not meant for the other. `null` is the origin of what has none, and another one.
///
/// A site is a host without its subdomain; there is no list of public suffixes here,
/// so the last two labels count, or three behind something like `co.uk`.
pub(super) fn is_other_site(origin: &str, host: &str) -> bool {
    let origin = origin.trim();
    if origin.eq_ignore_ascii_case("null") {
        return true;
    }
    let Some((_, rest)) = origin.split_once("://") else { return true };
    let (a, b) = (name(rest), name(host));
    if a == b || is_loopback(&a) && is_loopback(&b) {
        return false;
    }
    let is_address =
        |h: &str| h.starts_with('[') || h.bytes().all(|c| c.is_ascii_digit() || c == b'.');
    is_address(&a) || is_address(&b) || site(&a) != site(&b)
}

/// The host of an authority, without its port, in lower case.
fn name(authority: &str) -> String {
    let host = match (authority.starts_with('['), authority.find(']')) {
        (true, Some(end)) => authority.get(..=end).unwrap_or(authority),
        _ => authority.split([':', '/']).next().unwrap_or(authority),
    };
    host.trim_end_matches('.').to_ascii_lowercase()
}

fn is_loopback(host: &str) -> bool {
    host == "localhost"
        || host.ends_with(".localhost")
        || host == "[::1]"
        || host
            .strip_prefix("127.")
            .is_some_and(|r| r.bytes().all(|c| c.is_ascii_digit() || c == b'.'))
}

fn site(host: &str) -> Vec<&str> {
    let labels: Vec<&str> = host.rsplit('.').collect();
    let second =
        matches!(labels.get(1), Some(&("co" | "com" | "org" | "net" | "ac" | "gov" | "edu")));
    let country = labels.first().is_some_and(|l| l.len() == 2);
    labels.into_iter().take(if second && country { 3 } else { 2 }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of_fields(fields: &[(&str, &str)]) -> Credentials {
        let mut h = Headers::new();
        for (n, v) in fields {
            h.push(n.as_bytes(), v.as_bytes());
        }
        of(&h)
    }

    #[test]
    fn each_way_to_say_who_one_is() {
        let none = Credentials::default();
        assert_eq!(
            of_fields(&[(":path", "/chat?room=1&monkey=2&author=me"), ("Cookie", " ")]),
            none
        );
        let c = of_fields(&[("Cookie", "session=42")]);
        assert_eq!(c, Credentials { cookies: true, ..none });
        let c = of_fields(&[("authorization", "Bearer abc")]);
        assert_eq!(c, Credentials { authorization: true, ..none });
        for path in ["/?token=abc", "/x?a=1&Access_Token=zz", "/?jwt=eyJh", "/?key=abcd"] {
            let c = of_fields(&[(":path", path)]);
            assert_eq!(c, Credentials { token_in_query: true, ..none }, "{path}");
        }
        assert_eq!(of_fields(&[(":path", "/?token=")]), none);
        let jwt = "chat, eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.abc";
        for p in [jwt, "bearer, x", "access_token, abc", "0123456789abcdef0123456789abcdef"] {
            let c = of_fields(&[("Sec-WebSocket-Protocol", p)]);
            assert_eq!(c, Credentials { token_in_subprotocol: true, ..none }, "{p}");
        }
        assert_eq!(
            of_fields(&[("Sec-WebSocket-Protocol", "graphql-transport-ws, v10.stomp")]),
            none
        );
        assert!(speaks_of_them(br#"{"type":"Auth","t":"x"}"#));
        assert!(!speaks_of_them(b"hello"));
    }

    #[test]
    fn sites() {
        for (origin, host) in [
            ("https://example.com", "example.com"),
            ("https://app.example.com", "ws.example.com:8443"),
            ("http://localhost:3000", "127.0.0.1:8080"),
            ("http://[::1]:3000", "localhost"),
            ("http://10.0.0.1:3000", "10.0.0.1:8080"),
            ("https://a.shop.co.uk", "b.shop.co.uk"),
        ] {
            assert!(!is_other_site(origin, host), "{origin} and {host}");
        }
        for (origin, host) in [
            ("https://evil.example", "bank.example.com"),
            ("https://example.com.evil.net", "example.com"),
            ("null", "example.com"),
            ("http://10.0.0.2", "10.0.0.1:8080"),
            ("https://evil.co.uk", "shop.co.uk"),
            ("http://example.com", "127.0.0.1:8790"),
        ] {
            assert!(is_other_site(origin, host), "{origin} and {host}");
        }
    }
}
