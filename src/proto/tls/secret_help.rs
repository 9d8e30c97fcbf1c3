//! What to say where a secret is missing: which one, and how the peer at hand gives it.

use super::session::Session;
use crate::proto::Secrets;
use crate::proto::secrets::Label;

/// How peers log their keys.
const RECIPES: &str = "SSLKEYLOGFILE=keys.log in the environment of curl, OpenSSL-based Python \
                       and browsers; node --tls-keylog=keys.log (Node does not read the variable); \
                       KeyLogWriter of tls.Config in Go; KeyLogFile for key_log in rustls; \
                       then --keylog keys.log";

/// No secret of this name is known.
pub(super) fn missing(session: &Session, label: Label, secrets: &Secrets) -> String {
    let random = random(session);
    let full = if secrets.is_full() { "; the key log has more than is kept" } else { "" };
    format!("no {} for client random {random}{full}. To log keys: {RECIPES}", label.name())
}

/// There is one, and it is wrong.
pub(super) fn wrong(session: &Session) -> String {
    format!("for client random {}", random(session))
}

fn random(session: &Session) -> String {
    let bytes = session.random.unwrap_or_default();
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
