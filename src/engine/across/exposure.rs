//! Who could read a WebSocket session, and who its client is (RFC 6455 §10).
//!
//! A machine does not know addresses, nor what lies below it: here it is seen whether
//! the session went over TLS, and whether it ever left the computer.

use super::{Across, Analysis, Seen};
use crate::base::Side;
use crate::engine::ConversationInfo;
use crate::facts::{Facts, SessionFacts};
use crate::finding::Finding;
use crate::proto::websocket::findings::{
    NO_AUTHENTICATION, PLAINTEXT, PLAINTEXT_CREDENTIALS, TOKEN_IN_QUERY,
};

/// Looks at each session by itself: nothing is kept.
pub(super) struct Exposure;

impl Analysis for Exposure {
    fn exchange(&mut self, seen: &Seen<'_>, found: &mut Vec<Across>) {
        let Facts::Session(facts) = seen.facts else { return };
        // What stays on one computer nobody else reads: a test, or a proxy before it. Who
        // the client is, and what is written to logs, is the same wherever it goes.
        let safe = is_local(seen.info) || seen.info.protocols.contains(&"tls");
        for finding in judge(facts, safe) {
            let mut across = seen.found(finding.proved_by([seen.draft.start.packet]));
            across.finding.sender = Some(Side::Client);
            found.push(across);
        }
    }
}

/// Whether both ends are one computer.
fn is_local(info: &ConversationInfo) -> bool {
    info.ends.iter().any(|e| e.ip().to_canonical().is_loopback())
}

/// What is found of a session, on a way on which nobody can read it or on another one.
fn judge(facts: &SessionFacts, safe: bool) -> Vec<Finding> {
    let mut found = Vec::new();
    let c = facts.credentials;
    let what: Vec<&str> = [
        (c.cookies, "cookies"),
        (c.authorization, "an Authorization field"),
        (c.token_in_query, "a token in the query"),
        (c.token_in_subprotocol, "a token as a subprotocol"),
        (c.in_first_message, "credentials in the first message"),
    ]
    .into_iter()
    .filter_map(|(there, name)| there.then_some(name))
    .collect();
    if !safe {
        found.push(match what.is_empty() {
            true => Finding::new(&PLAINTEXT),
            false => Finding::new(&PLAINTEXT_CREDENTIALS).with(what.join(", ")),
        });
    }
    if c.token_in_query {
        found.push(Finding::new(&TOKEN_IN_QUERY));
    }
    if facts.accepted && facts.uri.is_some() && !c.any() {
        found.push(Finding::new(&NO_AUTHENTICATION));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::facts::Credentials;

    fn codes(credentials: Credentials, safe: bool) -> Vec<&'static str> {
        let facts = SessionFacts {
            uri: Some("/".into()),
            accepted: true,
            credentials,
            ..SessionFacts::default()
        };
        judge(&facts, safe).iter().map(|f| f.spec.code).collect()
    }

    #[test]
    fn it_is_worse_with_credentials_and_well_with_tls() {
        let none = Credentials::default();
        assert_eq!(codes(none, false), ["websocket.plaintext", "websocket.no-authentication"]);
        assert_eq!(codes(none, true), ["websocket.no-authentication"]);
        let cookies = Credentials { cookies: true, ..none };
        assert_eq!(codes(cookies, false), ["websocket.plaintext-credentials"]);
        assert_eq!(codes(cookies, true), [""; 0]);
        let token = Credentials { token_in_query: true, ..none };
        let both = ["websocket.plaintext-credentials", "websocket.token-in-query"];
        assert_eq!(codes(token, false), both);
        assert_eq!(codes(token, true), both[1..]);
        let unseen = SessionFacts::default();
        assert_eq!(judge(&unseen, true), []);
    }
}
