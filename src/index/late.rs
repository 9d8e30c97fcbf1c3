//! Conversations whose secrets came after their packets: they are read again from their
//! beginning (`docs/decisions/0004-decode-as.md`).

use crate::base::ConversationId;
use crate::index::{Index, RowId};
use crate::proto::Secrets;
use crate::proto::secrets::ClientRandom;

/// What the finding says in front of the name of the session.
const BEFORE: &str = "client random ";

impl Index {
    /// Conversations of which a finding says that no secret was known, and for which there
    /// is one now.
    #[must_use]
    pub fn unlocked_by(&self, secrets: &Secrets) -> Vec<ConversationId> {
        let mut found: Vec<ConversationId> = Vec::new();
        for (f, row) in self.findings().iter() {
            if f.finding.spec.code != "tls.no-secret" {
                continue;
            }
            let random = f.finding.detail.as_deref().and_then(random);
            if !random.is_some_and(|r| secrets.has(&r)) {
                continue;
            }
            let row = row.and_then(|r| self.row(RowId(r)));
            let conversation = match row {
                Some(r) => Some(ConversationId(r.conversation.saturating_add(1))),
                None => self.packet(f.at.packet).map(|p| ConversationId(p.conversation)),
            };
            if let Some(c) = conversation.filter(|c| c.0 > 0 && !found.contains(c)) {
                found.push(c);
            }
        }
        found
    }
}

/// The name of the session in what the finding says.
fn random(detail: &str) -> Option<ClientRandom> {
    let (_, rest) = detail.split_once(BEFORE)?;
    let mut out = ClientRandom::default();
    for (n, byte) in out.iter_mut().enumerate() {
        *byte = u8::from_str_radix(rest.get(2 * n..2 * n + 2)?, 16).ok()?;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_is_found_in_what_the_finding_says() {
        let name = "0a".repeat(32);
        assert_eq!(random(&format!("no X for client random {name}. To log")), Some([10; 32]));
        assert_eq!(random("no X for client random 0a0b"), None);
        assert_eq!(random("the hellos were not captured"), None);
    }
}
